/* SPDX-License-Identifier: Apache-2.0 */
/* The encoding of up to 512 integers: what values and times of a chunk become. docs/formats/metrics-part.md. Pure; any thread. */
#ifndef STOA_METRICS_INTS_H
#define STOA_METRICS_INTS_H

#include "base/buf.h"

enum {
    INTS_MAX = 512,
    INTS_BYTES_MAX = 64 * INTS_MAX / 8 + 64 /* what the encoder may write: 64 planes, header */
};

static inline uint64_t ints_zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (uint64_t)(x >> 63);
}
static inline uint8_t *ints_put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *to++ = (uint8_t)(v | 128);
    *to++ = (uint8_t)v;
    return to;
}

/* Writes at most INTS_BYTES_MAX bytes, returns their end. n is 1 to INTS_MAX. may_divide: a common divisor is looked for,
 * which is of no use for the bits of doubles. */
uint8_t *ints_put(const int64_t *k, size_t n, bool may_divide, uint8_t *to);
/* Exactly what was put. False when bytes do not parse. */
MUST_CHECK bool ints_get(struct reader *r, size_t n, int64_t *k);

#endif
