/* SPDX-License-Identifier: Apache-2.0 */
/* XXH3, by libxxhash. Not for secrets. */
#ifndef STOA_BASE_HASH_H
#define STOA_BASE_HASH_H

#include "base/slice.h"

struct hash128 {
    uint64_t lo, hi;
};

uint64_t hash64(struct slice s, uint64_t seed);
/* XXH64 with seed 0: where others compute by it what we must compute, too. */
uint64_t hash64_old(struct slice s);
struct hash128 hash128(struct slice s, uint64_t seed);
/* A good mix of one word, for integer keys. */
static inline uint64_t hash_u64(uint64_t x)
{
    x ^= x >> 32;
    x *= 0xe9846af9b1a615dull;
    x ^= x >> 32;
    x *= 0xe9846af9b1a615dull;
    return x ^ (x >> 28);
}

#endif
