/* SPDX-License-Identifier: Apache-2.0 */
/* Chunks: a series' values as small integers, and integers as bit planes.
 *
 *     values:  u8 kind | exceptions? | body
 *       kind 0  a constant decimal: u8 exponent, zigzag k, the value is k / 10^exponent
 *       kind 1  a constant: its 8 bytes
 *       kind 2  decimals: u8 exponent, integers
 *       kind 3  the IEEE bits as integers
 *       kind | 0x10: varint count, then count times u16 position, u64 bits
 *     integers:  u8 transform (| 4: has a divisor) | u8 width | zigzag first | zigzag base | varint divisor? | planes
 *       transform 0  z = k - base             for all n (no first)
 *       transform 1  z = delta - base         for n - 1 deltas, base the least delta
 *       transform 2  z = zigzag(delta - base) for n - 1 deltas, base the mean delta
 *
 * (1) What is decoded equals what was encoded bit for bit: decimals are taken only when k / 10^exponent gives the same
 *     bits back; NaNs (with payloads, the stale mark among them), infinities and -0 stand in the exceptions.
 * (2) Arithmetic on integers wraps modulo 2^64, so any 64-bit pattern survives a transform.
 * (3) Plane b holds bit b of every z, 8 values a byte, so that the quiet high bits become runs for the page's zstd.
 * (4) A divisor and a small exponent count for more than a good base: memory moves in pages of 4096, a counter in hundredths.
 *     So both are looked for first, and the base is a multiple of the divisor (but for steps of 3, 13, 23, ...). */
#include "metrics/chunk.h"

#include <math.h>

#include "base/buf.h"
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
    PROBE_SAMPLES = 8,
    TRANSFORM_MIN = 0,
    TRANSFORM_DELTA_MIN = 1,
    TRANSFORM_DELTA_MEAN = 2,
    TRANSFORM_MASK = 3,
    TRANSFORM_DIVISOR = 4,
    PAD = 8 /* planes work on eight values at a time */
};

static const double powers[EXPONENT_MAX + 1] = { 1e0, 1e1, 1e2, 1e3, 1e4, 1e5, 1e6, 1e7, 1e8, 1e9, 1e10, 1e11, 1e12, 1e13, 1e14 };

static inline uint64_t zigzag(int64_t x)
{
    return ((uint64_t)x << 1) ^ (uint64_t)(x >> 63);
}
static inline int64_t unzigzag(uint64_t u)
{
    return (int64_t)((u >> 1) ^ (0 - (u & 1)));
}
static inline unsigned bit_length(uint64_t x)
{
    return x ? 64 - (unsigned)__builtin_clzll(x) : 0;
}
static uint8_t *put_varint(uint8_t *to, uint64_t v)
{
    for (; v >= 128; v >>= 7)
        *to++ = (uint8_t)(v | 128);
    *to++ = (uint8_t)v;
    return to;
}

/* ---- planes ---- */

/* Byte q holds 8 bits of value q; afterwards byte b holds bit b of the 8 values. Its own inverse. */
static inline uint64_t transpose8(uint64_t x)
{
    uint64_t t = (x ^ (x >> 7)) & 0x00aa00aa00aa00aaull;
    x ^= t ^ (t << 7);
    t = (x ^ (x >> 14)) & 0x0000cccc0000ccccull;
    x ^= t ^ (t << 14);
    t = (x ^ (x >> 28)) & 0x00000000f0f0f0f0ull;
    return x ^ t ^ (t << 28);
}

/* z has room for PAD more, which are zeroed here. */
static uint8_t *planes_put(uint64_t *z, size_t n, unsigned width, uint8_t *to)
{
    size_t stride = (n + 7) / 8;
    memset(z + n, 0, PAD * sizeof *z);
    for (unsigned low = 0; low < width; low += 8) {
        unsigned planes = MIN(width - low, 8u);
        for (size_t i = 0; i < stride; i++) {
            const uint64_t *from = z + 8 * i;
            uint64_t x = 0;
            for (unsigned q = 0; q < 8; q++)
                x |= ((from[q] >> low) & 255) << (8 * q);
            x = transpose8(x);
            for (unsigned b = 0; b < planes; b++)
                to[(low + b) * stride + i] = (uint8_t)(x >> (8 * b));
        }
    }
    return to + width * stride;
}

static void planes_get(const uint8_t *from, size_t n, unsigned width, uint64_t *z)
{
    size_t stride = (n + 7) / 8;
    if (width == 0)
        memset(z, 0, stride * 8 * sizeof *z);
    for (unsigned low = 0; low < width; low += 8) {
        unsigned planes = MIN(width - low, 8u);
        const uint8_t *base = from + low * stride;
        for (size_t i = 0; i < stride; i++) {
            uint64_t x = 0;
            for (unsigned b = 0; b < planes; b++)
                x |= (uint64_t)base[b * stride + i] << (8 * b);
            x = transpose8(x);
            uint64_t *to = z + 8 * i;
            if (low == 0)
                for (unsigned q = 0; q < 8; q++)
                    to[q] = (x >> (8 * q)) & 255;
            else
                for (unsigned q = 0; q < 8; q++)
                    to[q] |= ((x >> (8 * q)) & 255) << low;
        }
    }
}

/* ---- integers ---- */

static uint64_t gcd_of(uint64_t a, uint64_t b)
{
    while (b) {
        uint64_t rest = a % b;
        a = b;
        b = rest;
    }
    return a;
}

/* What all steps are multiples of; 1 when nothing, or when there are no steps but 0. */
static uint64_t divisor_of(const int64_t *step, size_t n)
{
    uint64_t g = 0;
    for (size_t i = 0; i < n && g != 1; i++) {
        uint64_t x = step[i] < 0 ? 0 - (uint64_t)step[i] : (uint64_t)step[i];
        if (x && (g == 0 || x % g))
            g = gcd_of(x, g);
    }
    return g ? g : 1;
}

struct transformed {
    uint64_t z[CHUNK_SAMPLES_MAX + PAD];
    size_t n;
    unsigned transform;
    uint64_t base, divisor;
};

/* at[i] is the sum of the steps before i. Chooses the transform whose results have the fewest bits together. */
static void transform_choose(const int64_t *at, const int64_t *step, size_t n, struct transformed *out)
{
    int64_t least = 0, step_least = INT64_MAX;
    for (size_t i = 1; i < n; i++) {
        least = MIN(least, at[i]);
        step_least = MIN(step_least, step[i - 1]);
    }
    /* A mean of steps whose sum wrapped means nothing, but it is still only a base: (2). */
    int64_t mean = n > 1 ? at[n - 1] / (int64_t)(n - 1) : 0;
    uint64_t cost[3] = { bit_length(0 - (uint64_t)least), 0, 0 };
    for (size_t i = 1; i < n; i++) {
        cost[0] += bit_length((uint64_t)at[i] - (uint64_t)least);
        cost[1] += bit_length((uint64_t)step[i - 1] - (uint64_t)step_least);
        cost[2] += bit_length(zigzag((int64_t)((uint64_t)step[i - 1] - (uint64_t)mean)));
    }
    if (n == 1 || (cost[0] <= cost[1] && cost[0] <= cost[2])) {
        out->n = n;
        out->transform = TRANSFORM_MIN;
        out->base = (uint64_t)least;
        for (size_t i = 0; i < n; i++)
            out->z[i] = (uint64_t)at[i] - (uint64_t)least;
        return;
    }
    bool is_mean = cost[2] < cost[1];
    out->n = n - 1;
    out->transform = is_mean ? TRANSFORM_DELTA_MEAN : TRANSFORM_DELTA_MIN;
    out->base = (uint64_t)(is_mean ? mean : step_least);
    for (size_t i = 0; i + 1 < n; i++) {
        uint64_t d = (uint64_t)step[i] - out->base;
        out->z[i] = is_mean ? zigzag((int64_t)d) : d;
    }
}

/* (4): the steps are divided before a base is taken from them, for a mean is seldom a multiple. */
static void transform(const int64_t *k, size_t n, bool may_divide, struct transformed *out)
{
    int64_t at[CHUNK_SAMPLES_MAX], step[CHUNK_SAMPLES_MAX];
    step[0] = 0; /* of one number */
    for (size_t i = 1; i < n; i++)
        step[i - 1] = (int64_t)((uint64_t)k[i] - (uint64_t)k[i - 1]);
    uint64_t divisor = may_divide ? divisor_of(step, n - 1) : 1;
    at[0] = 0;
    for (size_t i = 1; i < n; i++) {
        if (divisor > 1)
            step[i - 1] /= (int64_t)divisor;
        at[i] = (int64_t)((uint64_t)at[i - 1] + (uint64_t)step[i - 1]);
    }
    transform_choose(at, step, n, out);
    out->base *= divisor;
    out->divisor = divisor;
    if (out->transform == TRANSFORM_MIN)
        out->base += (uint64_t)k[0];
    if (out->transform != TRANSFORM_DELTA_MIN || !may_divide)
        return;
    uint64_t more = divisor_of((const int64_t *)out->z, out->n); /* steps of 3, 13, 23, ... */
    for (size_t i = 0; more > 1 && i < out->n; i++)
        out->z[i] = (uint64_t)((int64_t)out->z[i] / (int64_t)more);
    out->divisor *= more;
}

static uint8_t *ints_put(const int64_t *k, size_t n, bool may_divide, uint8_t *to)
{
    struct transformed x;
    transform(k, n, may_divide, &x);
    uint64_t all = 0;
    for (size_t i = 0; i < x.n; i++)
        all |= x.z[i];
    unsigned width = bit_length(all);
    *to++ = (uint8_t)(x.transform | (x.divisor > 1 ? TRANSFORM_DIVISOR : 0));
    *to++ = (uint8_t)width;
    if (x.transform != TRANSFORM_MIN)
        to = put_varint(to, zigzag(k[0]));
    to = put_varint(to, zigzag((int64_t)x.base));
    if (x.divisor > 1)
        to = put_varint(to, x.divisor);
    return planes_put(x.z, x.n, width, to);
}

static bool ints_get(struct reader *r, size_t n, int64_t *k)
{
    unsigned head = read_u8(r), width = read_u8(r), transform = head & TRANSFORM_MASK;
    if (width > 64 || transform > TRANSFORM_DELTA_MEAN || head > (TRANSFORM_MASK | TRANSFORM_DIVISOR))
        return false;
    uint64_t at = transform == TRANSFORM_MIN ? 0 : (uint64_t)read_zigzag(r);
    uint64_t base = (uint64_t)read_zigzag(r), divisor = head & TRANSFORM_DIVISOR ? read_varint(r) : 1;
    size_t m = transform == TRANSFORM_MIN ? n : n - 1, bytes = width * ((m + 7) / 8);
    if (r->bad || reader_left(r) < bytes)
        return false;
    uint64_t z[CHUNK_SAMPLES_MAX + PAD];
    planes_get(r->at, m, width, z);
    r->at += bytes;
    if (transform == TRANSFORM_MIN) {
        for (size_t i = 0; i < n; i++)
            k[i] = (int64_t)(z[i] * divisor + base);
        return true;
    }
    k[0] = (int64_t)at;
    if (transform == TRANSFORM_DELTA_MIN)
        for (size_t i = 0; i < m; i++)
            k[i + 1] = (int64_t)(at += z[i] * divisor + base);
    else
        for (size_t i = 0; i < m; i++)
            k[i + 1] = (int64_t)(at += (uint64_t)unzigzag(z[i]) * divisor + base);
    return true;
}

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
        to = put_varint(to, exceptions);
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
        to = put_varint(to, zigzag(k[0]));
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
