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

/* A value is a number, or a native histogram: then its bits are HISTOGRAM_TAG and the address of one (histogram.h). So arrays
 * of values, their order and their deduplication are the same for both, and numbers alone pay one comparison. The bits are
 * those of a quiet NaN; a number with them that comes from outside becomes the plain NaN (sample_number). Whoever passes
 * values on says how long what they point to lives. A stale mark is always the number above. */
#define HISTOGRAM_TAG 0xfffeull
struct histogram;
static inline bool is_histogram(double v)
{
    return double_bits(v) >> 48 == HISTOGRAM_TAG;
}
static inline double histogram_box(const struct histogram *h)
{
    return double_of_bits(HISTOGRAM_TAG << 48 | (uint64_t)(uintptr_t)h);
}
/* Of a value that is one. */
static inline const struct histogram *histogram_unbox(double v)
{
    return (const struct histogram *)(uintptr_t)(double_bits(v) & 0xffffffffffffull);
}
/* A number from outside. */
static inline double sample_number(double v)
{
    return is_histogram(v) ? double_of_bits(0x7ff8000000000001ull) : v;
}

#endif
