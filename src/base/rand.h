/* SPDX-License-Identifier: Apache-2.0 */
/* Pseudo-random numbers from a seed, the same on every machine: for tests, jitter and sampling. Never for keys or ids:
 * those come from sys/rand.h. xoshiro256**, its state filled by splitmix64. One thread per state. */
#ifndef STOA_BASE_RAND_H
#define STOA_BASE_RAND_H

#include "base/base.h"

struct rand {
    uint64_t s[4];
};

void rand_seed(struct rand *r, uint64_t seed);
uint64_t rand_u64(struct rand *r);
/* Evenly 0 to n - 1; n 0 gives 0. */
uint64_t rand_below(struct rand *r, uint64_t n);
/* Evenly from 0 up to but without 1. */
double rand_unit(struct rand *r);
/* True once in n times on average. */
bool rand_one_in(struct rand *r, uint64_t n);
void rand_bytes(struct rand *r, void *to, size_t n);

#endif
