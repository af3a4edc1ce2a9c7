/* SPDX-License-Identifier: Apache-2.0 */
/* A chunk: u16 count (big-endian), a byte of flags, then bits: the layout, and the samples one after the other. In chunks of whole
 * numbers a bucket is stored as the difference to its neighbour, and from sample to sample as a delta of deltas; in chunks of floats
 * each bucket is XORed with itself in the sample before.
 *
 * Numbers are coded in as few bits as they need: n ones and a zero choose one of nine widths. */
#include "codec/histogram_chunk.h"

#include <math.h>

#include "codec/bits.h"

enum { HEAD_BYTES = 3, FLAGS_SHIFT = 6, FLAGS_GAUGE = 3, THRESHOLD_ZERO = 0, THRESHOLD_AS_IT_IS = 255, THRESHOLD_EXPONENT = 243, BOUND_UNITS = 1000 };

struct field { /* of a chunk of whole numbers: value and its last change */
    int64_t v, delta;
};

struct histogram_chunk {
    struct bit_reader r;
    bool is_float, is_gauge;
    uint32_t count, given;
    int schema;
    double zero_threshold, *bounds;
    size_t bound_count;
    struct histogram_chunk_side sides[2]; /* positive, negative */
    int64_t t_ms, t_delta;
    double sum;
    struct xor_window sum_window;
    struct field n, zero, *buckets;       /* whole numbers */
    double f_count, f_zero, *f_buckets;   /* floats */
    struct xor_window *windows;           /* count, zero count, buckets */
    uint32_t bucket_count;
};

/* ---- codes ---- */

static uint64_t code_bits(struct bit_reader *r, unsigned *width)
{
    static const unsigned widths[] = { 0, 3, 6, 9, 12, 18, 25, 56, 64 };
    size_t ones = 0;
    while (ones < COUNT_OF(widths) - 1 && bits_get(r, 1) == 1)
        ones++;
    *width = widths[ones];
    return bits_get(r, *width);
}

static int64_t get_signed(struct bit_reader *r)
{
    unsigned width;
    uint64_t bits = code_bits(r, &width);
    return bits_signed(bits, width);
}

static uint64_t get_unsigned(struct bit_reader *r)
{
    unsigned width;
    return code_bits(r, &width);
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static double get_double(struct bit_reader *r)
{
    return double_of(bits_get(r, 64));
}

static double get_xor(struct bit_reader *r, struct xor_window *w, double last)
{
    uint64_t bits;
    memcpy(&bits, &last, sizeof bits);
    return double_of(bits_xor(r, w, bits));
}

static bool is_stale_mark(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    return bits == 0x7ff0000000000002ull;
}

/* ---- the layout ---- */

static double get_threshold(struct bit_reader *r)
{
    unsigned b = (unsigned)bits_get(r, 8);
    if (b == THRESHOLD_ZERO)
        return 0;
    return b == THRESHOLD_AS_IT_IS ? get_double(r) : ldexp(0.5, (int)b - THRESHOLD_EXPONENT);
}

static bool get_side(struct arena *a, struct bit_reader *r, struct histogram_chunk_side *s)
{
    uint64_t count = get_unsigned(r), buckets = 0;
    if (count > HISTOGRAM_CHUNK_SPANS_MAX)
        return false;
    s->spans = arena_array(a, struct histogram_chunk_span, count + 1);
    for (uint64_t i = 0; i < count && !r->bad; i++) {
        uint64_t length = get_unsigned(r);
        int64_t offset = get_signed(r);
        if (length > HISTOGRAM_CHUNK_BUCKETS_MAX || offset != (int32_t)offset)
            return false;
        s->spans[s->span_count++] = (struct histogram_chunk_span){ (int32_t)offset, (uint32_t)length };
        buckets += length;
        if (buckets > HISTOGRAM_CHUNK_BUCKETS_MAX)
            return false;
    }
    s->bucket_count = (uint32_t)buckets;
    s->counts = arena_zalloc(a, (buckets + 1) * sizeof(double));
    return !r->bad;
}

/* A bound is a 0 and its 64 bits, or a number of thousandths, plus one, whose code begins with a 1. */
static double get_bound(struct bit_reader *r)
{
    if (bits_get(r, 1) == 0)
        return get_double(r);
    r->at--;
    return (double)(get_unsigned(r) - 1) / BOUND_UNITS;
}

static bool get_bounds(struct arena *a, struct histogram_chunk *c)
{
    if (c->schema != HISTOGRAM_CHUNK_SCHEMA_CUSTOM)
        return true;
    uint64_t count = get_unsigned(&c->r);
    if (count > HISTOGRAM_CHUNK_BUCKETS_MAX)
        return false;
    c->bounds = arena_array(a, double, count + 1);
    for (uint64_t i = 0; i < count && !c->r.bad; i++)
        c->bounds[c->bound_count++] = get_bound(&c->r);
    return !c->r.bad;
}

struct histogram_chunk *histogram_chunk_open(struct arena *a, struct slice bytes, bool is_float)
{
    const uint8_t *p = (const uint8_t *)bytes.ptr;
    if (bytes.len < HEAD_BYTES)
        return NULL;
    struct histogram_chunk *c = arena_new_of(a, struct histogram_chunk);
    c->count = (uint32_t)p[0] << 8 | p[1];
    c->is_gauge = p[2] >> FLAGS_SHIFT == FLAGS_GAUGE;
    c->is_float = is_float;
    c->r = bit_reader_of(slice_skip(bytes, HEAD_BYTES));
    c->zero_threshold = get_threshold(&c->r);
    int64_t schema = get_signed(&c->r);
    c->schema = (int)schema;
    if (schema != c->schema || !get_side(a, &c->r, &c->sides[0]) || !get_side(a, &c->r, &c->sides[1]) || !get_bounds(a, c))
        return NULL;
    c->bucket_count = c->sides[0].bucket_count + c->sides[1].bucket_count;
    if (is_float) {
        c->f_buckets = arena_zalloc(a, (c->bucket_count + 1) * sizeof *c->f_buckets);
        c->windows = arena_zalloc(a, (c->bucket_count + 2) * sizeof *c->windows);
    } else {
        c->buckets = arena_zalloc(a, (c->bucket_count + 1) * sizeof *c->buckets);
    }
    return c;
}

/* ---- samples ---- */

/* The first, a change, a change of the change. */
static void step(struct bit_reader *r, uint32_t given, int64_t *v, int64_t *delta)
{
    int64_t x = get_signed(r);
    if (given == 0) {
        *v = x;
        return;
    }
    *delta = given == 1 ? x : (int64_t)((uint64_t)*delta + (uint64_t)x);
    *v = (int64_t)((uint64_t)*v + (uint64_t)*delta);
}

static void next_whole(struct histogram_chunk *c, struct histogram_chunk_sample *out)
{
    if (c->given == 0) {
        c->n.v = (int64_t)get_unsigned(&c->r);
        c->zero.v = (int64_t)get_unsigned(&c->r);
        c->sum = get_double(&c->r);
    } else {
        step(&c->r, c->given, &c->n.v, &c->n.delta);
        step(&c->r, c->given, &c->zero.v, &c->zero.delta);
        c->sum = get_xor(&c->r, &c->sum_window, c->sum);
    }
    if (is_stale_mark(c->sum))
        return;
    for (uint32_t i = 0; i < c->bucket_count; i++)
        step(&c->r, c->given, &c->buckets[i].v, &c->buckets[i].delta);
    out->count = (double)(uint64_t)c->n.v;
    out->zero_count = (double)(uint64_t)c->zero.v;
    for (size_t s = 0, at = 0; s < COUNT_OF(c->sides); s++) {
        int64_t v = 0;
        for (uint32_t i = 0; i < c->sides[s].bucket_count; i++) {
            v = (int64_t)((uint64_t)v + (uint64_t)c->buckets[at++].v);
            c->sides[s].counts[i] = (double)v;
        }
    }
}

static double next_value(struct histogram_chunk *c, size_t window, double last)
{
    return c->given == 0 ? get_double(&c->r) : get_xor(&c->r, &c->windows[window], last);
}

static void next_float(struct histogram_chunk *c, struct histogram_chunk_sample *out)
{
    c->f_count = next_value(c, 0, c->f_count);
    c->f_zero = next_value(c, 1, c->f_zero);
    c->sum = c->given == 0 ? get_double(&c->r) : get_xor(&c->r, &c->sum_window, c->sum);
    if (is_stale_mark(c->sum))
        return;
    for (uint32_t i = 0; i < c->bucket_count; i++)
        c->f_buckets[i] = next_value(c, i + 2, c->f_buckets[i]);
    out->count = c->f_count;
    out->zero_count = c->f_zero;
    memcpy(c->sides[0].counts, c->f_buckets, c->sides[0].bucket_count * sizeof(double));
    memcpy(c->sides[1].counts, c->f_buckets + c->sides[0].bucket_count, c->sides[1].bucket_count * sizeof(double));
}

bool histogram_chunk_next(struct histogram_chunk *c, struct histogram_chunk_sample *out, bool *bad)
{
    *bad = false;
    if (c->given == c->count)
        return false;
    *out = (struct histogram_chunk_sample){ 0 };
    step(&c->r, c->given, &c->t_ms, &c->t_delta);
    c->is_float ? next_float(c, out) : next_whole(c, out);
    out->t_ms = c->t_ms;
    out->sum = c->sum;
    c->given++;
    *bad = c->r.bad;
    return !*bad;
}

int histogram_chunk_schema(const struct histogram_chunk *c)
{
    return c->schema;
}

double histogram_chunk_zero_threshold(const struct histogram_chunk *c)
{
    return c->zero_threshold;
}

bool histogram_chunk_is_gauge(const struct histogram_chunk *c)
{
    return c->is_gauge;
}

const struct histogram_chunk_side *histogram_chunk_positive(const struct histogram_chunk *c)
{
    return &c->sides[0];
}

const struct histogram_chunk_side *histogram_chunk_negative(const struct histogram_chunk *c)
{
    return &c->sides[1];
}

const double *histogram_chunk_bounds(const struct histogram_chunk *c, size_t *count)
{
    *count = c->bound_count;
    return c->bounds;
}
