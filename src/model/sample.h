/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_MODEL_SAMPLE_H
#define STOA_MODEL_SAMPLE_H

#include "base/base.h"

struct sample {
    int64_t t_ms;
    double v;
};

/* Prometheus's one NaN that says "series ended"; other NaNs are values: compare bits. */
#define STALE_NAN_BITS 0x7ff0000000000002ull

static inline uint64_t double_bits(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits;
}
static inline double double_of_bits(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}
static inline bool is_stale(double v)
{
    return double_bits(v) == STALE_NAN_BITS;
}

#endif
