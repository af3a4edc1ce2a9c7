/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers as text, exactly. Floats by the C++ library's shortest round-trip conversion, behind a shim. */
#ifndef STOA_BASE_NUM_H
#define STOA_BASE_NUM_H

#include "base/slice.h"

enum { NUM_TEXT_BYTES_MAX = 352 }; /* the longest float without exponent, and slack */

/* The whole slice must be the number. False otherwise, or when it does not fit. */
bool num_parse_u64(struct slice s, uint64_t *out);
bool num_parse_i64(struct slice s, int64_t *out);
/* Go's ParseFloat as Prometheus uses it: decimal, exponents, hex floats, Inf, +Inf, -Inf, NaN in any case. What is
 * too small for a double is 0, what is too large is false. */
bool num_parse_double(struct slice s, double *out);

/* Shortest text that reads back as v. fixed: never an exponent (Prometheus's answers: 'f', -1); NaN, +Inf, -Inf.
 * otherwise like Go's 'g', -1 (label values, le). Writes at most NUM_TEXT_BYTES_MAX bytes, returns the count. */
size_t num_format_fixed(double v, char *out);
size_t num_format_short(double v, char *out);
size_t num_format_i64(int64_t v, char *out);
size_t num_format_u64(uint64_t v, char *out);

/* Saturating: times and counts from outside must not wrap. */
static inline int64_t sat_add(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_add_overflow(a, b, &r) ? (b > 0 ? INT64_MAX : INT64_MIN) : r;
}
static inline int64_t sat_sub(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_sub_overflow(a, b, &r) ? (b < 0 ? INT64_MAX : INT64_MIN) : r;
}
static inline int64_t sat_mul(int64_t a, int64_t b)
{
    int64_t r;
    return __builtin_mul_overflow(a, b, &r) ? ((a < 0) == (b < 0) ? INT64_MAX : INT64_MIN) : r;
}

#endif
