/* SPDX-License-Identifier: Apache-2.0 */
/* A little redundancy behind a run of bytes: enough to find and repair damage within one chunk of it. */
#ifndef STOA_STORE_PARITY_H
#define STOA_STORE_PARITY_H

#include "base/slice.h"

/* How many bytes of parity belong to n bytes: about 4 times the square root of n, at least 80. */
size_t parity_bytes(size_t n);
/* Writes parity_bytes(data.len) bytes to `to`. */
void parity_put(struct slice data, uint64_t seed, char *to);
/* Is the parity itself as it was written? */
bool parity_check(const char *parity, size_t n, uint64_t seed);
/* Repairs data in place when exactly one chunk is damaged and the parity is good. The caller checks the result as a whole. */
bool parity_repair(char *data, size_t n, uint64_t seed, const char *parity);

#endif
