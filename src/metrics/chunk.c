/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks: a series' values as small integers.
 *
 *     values:  u8 kind | exceptions? | body
 *       kind 0  a constant decimal: u8 exponent, zigzag k, the value is k / 10^exponent
 *       kind 1  a constant: its 8 bytes
 *       kind 2  decimals: u8 exponent, integers (ints.h)
 *       kind 3  the IEEE bits as integers
 *       kind | 0x10: varint count, then count times u16 position, u64 bits
 *
 * (1) What is decoded equals what was encoded bit for bit: decimals are taken only when k / 10^exponent gives the same
 *     bits back; NaNs (with payloads, the stale mark among them), infinities and -0 stand in the exceptions.
 * (2) The exponent is the least one, for integers are coded by how far they are apart. */
#include "metrics/chunk.h"

#include <math.h>

#include "base/buf.h"
#include "metrics/ints.h"
#include "model/sample.h"

enum {
    KIND_CONST_DECIMAL = 0,
    KIND_CONST_BITS = 1,
    KIND_DECIMALS = 2,
    KIND_BITS = 3,
    KIND_MASK = 15,
    KIND_EXCEPTIONS = 16,
    EXPONENT_MAX = 14,
    EXPONENT_NONE = 255,
    EXCEPTIONS_SHARE = 4, /* more than a quarter of the values: kept as bits */
    EXCEPTIONS_MAX = CHUNK_SAMPLES_MAX / EXCEPTIONS_SHARE,
    PROBE_SAMPLES = 8
};

static const double powers[EXPONENT_MAX + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14 };

/* ---- values ---- */

/* True when every value is k / 10^exponent exactly; k is filled. Adding and taking away 1.5 * 2^52 rounds to an integer
 * and leaves it in the low bits, in a form the compiler turns into vector code. */
static bool decimals_try(const double *v, size_t n, unsigned exponent, int64_t *k)
{
    const double shift = 6755399441055744.0, scale = powers[exponent], limit = 1125899906842624.0;
    const int64_t shift_bits = 0x4338000000000000;
    uint64_t differs = 0;
    for (size_t i = 0; i < n; i++) {
        double x = v[i] * scale, rounded = x + shift, whole = rounded - shift, back = whole / scale;
        k[i] = (int64_t)(double_bits(rounded) - (uint64_t)shift_bits);
        differs |= double_bits(back) ^ double_bits(v[i]);
        differs |= (uint64_t) !(fabs(x) < limit);
    }
    return differs == 0;
}

static bool tens_only(const int64_t *k, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (k[i] % 10)
            return false;
    return true;
}

/* The least exponent. The hint is taken only if it is: whole numbers after a metric in thousandths are no thousandths. */
static unsigned decimals_find(const double *v, size_t n, uint8_t *hint, int64_t *k)
{
    if (*hint != EXPONENT_NONE && decimals_try(v, n, *hint, k) && (*hint == 0 || !tens_only(k, n)))
        return *hint;
    size_t probe = MIN(n, (size_t)PROBE_SAMPLES);
    for (unsigned e = 0; e <= EXPONENT_MAX; e++) {
        if (decimals_try(v, probe, e, k) && decimals_try(v + n - probe, probe, e, k) && decimals_try(v, n, e, k)) {
            *hint = (uint8_t)e;
            return e;
        }
    }
    *hint = EXPONENT_NONE;
    return EXPONENT_NONE;
}

static bool is_exception(double v)
{
    return !isfinite(v) || (v == 0 && signbit(v));
}

/* Copies v to clean with exceptions replaced by a neighbour. Returns their count; over EXCEPTIONS_MAX clean is not valid. */
static size_t exceptions_take(const double *v, size_t n, double *clean, uint16_t *at)
{
    size_t count = 0;
    double last = 0;
    for (size_t i = 0; i < n; i++)
        if (!is_exception(v[i])) {
            last = v[i];
            break;
        }
    for (size_t i = 0; i < n; i++) {
        if (is_exception(v[i])) {
            if (count < EXCEPTIONS_MAX)
                at[count] = (uint16_t)i;
            count++;
        } else {
            last = v[i];
        }
        clean[i] = last;
    }
    return count;
}

static bool values_equal(const double *v, size_t n)
{
    uint64_t differs = 0, first = double_bits(v[0]);
    for (size_t i = 1; i < n; i++)
        differs |= double_bits(v[i]) ^ first;
    return differs == 0;
}

static uint8_t flags_of(const double *v, size_t n)
{
    uint8_t flags = 0;
    for (size_t i = 0; i < n; i++)
        if (v[i] != v[i])
            flags |= is_stale(v[i]) ? CHUNK_HAS_STALE : CHUNK_HAS_NAN;
    if (is_stale(v[n - 1]))
        flags |= CHUNK_LAST_STALE;
    if (values_equal(v, n))
        flags |= CHUNK_CONSTANT;
    return flags;
}

size_t chunk_encode_values(const double *v, size_t n, uint8_t *hint, uint8_t *out, uint8_t *flags)
{
    assert(n > 0 && n <= CHUNK_SAMPLES_MAX);
    *flags = flags_of(v, n);
    double clean[CHUNK_SAMPLES_MAX];
    uint16_t at[EXCEPTIONS_MAX];
    size_t exceptions = *flags & CHUNK_CONSTANT ? 0 : exceptions_take(v, n, clean, at);
    bool is_patched = exceptions > 0 && exceptions <= n / EXCEPTIONS_SHARE;
    const double *body = is_patched ? clean : v;
    uint8_t *head = out++, *to = out;
    if (is_patched) {
        to = ints_put_varint(to, exceptions);
        for (size_t i = 0; i < exceptions; i++) {
            memcpy(to, &at[i], 2);
            memcpy(to + 2, &v[at[i]], 8);
            to += 10;
        }
    }
    bool is_constant = *flags & CHUNK_CONSTANT || (is_patched && values_equal(clean, n));
    int64_t k[CHUNK_SAMPLES_MAX];
    unsigned exponent = decimals_find(body, is_constant ? 1 : n, hint, k);
    bool is_decimal = exponent != EXPONENT_NONE;
    if (is_decimal)
        *to++ = (uint8_t)exponent;
    if (is_constant && is_decimal) {
        to = ints_put_varint(to, ints_zigzag(k[0]));
    } else if (is_constant) {
        memcpy(to, body, 8);
        to += 8;
    } else {
        if (!is_decimal)
            memcpy(k, body, n * sizeof *k);
        to = ints_put(k, n, is_decimal, to);
    }
    *head = (uint8_t)((is_constant ? (is_decimal ? KIND_CONST_DECIMAL : KIND_CONST_BITS) : (is_decimal ? KIND_DECIMALS : KIND_BITS)) |
                      (is_patched ? KIND_EXCEPTIONS : 0));
    return (size_t)(to - head);
}

static bool constant_get(struct reader *r, bool is_decimal, unsigned exponent, size_t n, double *v)
{
    double x = is_decimal ? (double)read_zigzag(r) / powers[exponent] : double_of_bits(read_u64(r));
    for (size_t i = 0; i < n; i++)
        v[i] = x;
    return !r->bad;
}

bool chunk_read_values(struct reader *r, size_t n, double *v)
{
    if (n == 0 || n > CHUNK_SAMPLES_MAX)
        return false;
    unsigned head = read_u8(r), kind = head & KIND_MASK;
    if (kind > KIND_BITS || head > (KIND_MASK | KIND_EXCEPTIONS))
        return false;
    size_t exceptions = head & KIND_EXCEPTIONS ? read_varint(r) : 0;
    if (r->bad || exceptions > n || reader_left(r) < exceptions * 10)
        return false;
    const uint8_t *patches = r->at;
    r->at += exceptions * 10;
    bool is_decimal = kind == KIND_CONST_DECIMAL || kind == KIND_DECIMALS;
    unsigned exponent = is_decimal ? read_u8(r) : 0;
    if (exponent > EXPONENT_MAX)
        return false;
    if (kind == KIND_CONST_DECIMAL || kind == KIND_CONST_BITS) {
        if (!constant_get(r, is_decimal, exponent, n, v))
            return false;
    } else {
        int64_t k[CHUNK_SAMPLES_MAX];
        if (!ints_get(r, n, k))
            return false;
        double scale = powers[exponent];
        if (!is_decimal)
            memcpy(v, k, n * sizeof *v);
        else if (exponent == 0)
            for (size_t i = 0; i < n; i++)
                v[i] = (double)k[i];
        else
            for (size_t i = 0; i < n; i++)
                v[i] = (double)k[i] / scale;
    }
    for (size_t i = 0; i < exceptions; i++, patches += 10) {
        uint16_t at;
        memcpy(&at, patches, 2);
        if (at >= n)
            return false;
        memcpy(&v[at], patches + 2, 8);
    }
    return true;
}

bool chunk_decode_values(struct slice bytes, size_t n, double *v)
{
    struct reader r = reader_of(bytes);
    return chunk_read_values(&r, n, v);
}

bool chunk_read_numbers(struct reader *r, size_t n, double *v)
{
    unsigned head = reader_left(r) ? *r->at : 0;
    if (!chunk_read_values(r, n, v))
        return false;
    if (head != KIND_DECIMALS && head != KIND_CONST_DECIMAL) /* these make no NaN */
        for (size_t i = 0; i < n; i++)
            v[i] = sample_number(v[i]);
    return true;
}

/* ---- times ---- */

size_t chunk_encode_times(const int64_t *t, size_t n, uint8_t *out)
{
    assert(n > 0 && n <= CHUNK_SAMPLES_MAX);
    return (size_t)(ints_put(t, n, true, out) - out);
}

bool chunk_decode_times(struct slice bytes, size_t n, int64_t *t)
{
    if (n == 0 || n > CHUNK_SAMPLES_MAX)
        return false;
    struct reader r = reader_of(bytes);
    return ints_get(&r, n, t);
}
