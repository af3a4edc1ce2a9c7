/* SPDX-License-Identifier: Apache-2.0 */
/* A native histogram as bytes: a byte each for flags, schema and hint; count and sum; with exponential buckets those around
 * zero; both sides, or one and its bounds. A side is its spans, then its buckets. Whole counts, nearly all there are, are
 * varints, in buckets the difference to the one before; other numbers are eight bytes each. */
#include "model/histogram.h"

enum { FLAG_WHOLE = 1, FLAGS_ALL = 1 };
#define WHOLE_MAX 9007199254740992.0 /* 2^53 */

/* Zero with a sign is not, as that would be lost. */
static bool is_whole(double v)
{
    return v >= 0 && v <= WHOLE_MAX && v == (double)(uint64_t)v && double_bits(v) >> 63 == 0;
}

static bool side_is_whole(const struct histogram_side *side)
{
    for (uint32_t i = 0; i < side->bucket_count; i++)
        if (!is_whole(side->buckets[i]))
            return false;
    return true;
}

static void put_double(struct buf *out, double v)
{
    buf_u64(out, double_bits(v));
}

static void put_count(struct buf *out, double v, bool whole)
{
    if (whole)
        buf_varint(out, (uint64_t)v);
    else
        put_double(out, v);
}

static void put_side(struct buf *out, const struct histogram_side *side, bool whole)
{
    int64_t before = 0;
    buf_varint(out, side->span_count);
    for (uint32_t i = 0; i < side->span_count; i++) {
        buf_zigzag(out, side->spans[i].offset);
        buf_varint(out, side->spans[i].length);
    }
    for (uint32_t i = 0; i < side->bucket_count; i++) {
        if (!whole) {
            put_double(out, side->buckets[i]);
            continue;
        }
        buf_zigzag(out, (int64_t)side->buckets[i] - before);
        before = (int64_t)side->buckets[i];
    }
}

void histogram_write(struct buf *out, const struct histogram *h)
{
    bool whole = is_whole(h->count) && is_whole(h->zero_count) && side_is_whole(&h->positive) && side_is_whole(&h->negative);
    buf_u8(out, whole ? FLAG_WHOLE : 0);
    buf_u8(out, (uint8_t)h->schema);
    buf_u8(out, h->hint);
    put_count(out, h->count, whole);
    put_double(out, h->sum);
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM) {
        buf_varint(out, h->bound_count);
        for (uint32_t i = 0; i < h->bound_count; i++)
            put_double(out, h->bounds[i]);
    } else {
        put_count(out, h->zero_count, whole);
        put_double(out, h->zero_threshold);
        put_side(out, &h->negative, whole);
    }
    put_side(out, &h->positive, whole);
}

static double take_double(struct reader *r)
{
    return double_of_bits(read_u64(r));
}

static double take_count(struct reader *r, bool whole)
{
    return whole ? (double)read_varint(r) : take_double(r);
}

/* Room is made for what the bytes that are left can hold, no more. */
static bool take_side(struct reader *r, struct arena *a, bool whole, struct histogram_side *out)
{
    uint64_t spans = read_varint(r), buckets = 0;
    if (r->bad || spans > HISTOGRAM_BUCKETS_MAX || spans > reader_left(r))
        return false;
    out->spans = arena_array(a, struct histogram_span, spans);
    for (uint64_t i = 0; i < spans; i++) {
        int64_t offset = read_zigzag(r);
        uint64_t length = read_varint(r);
        if (r->bad || offset < INT32_MIN || offset > INT32_MAX || length > HISTOGRAM_BUCKETS_MAX)
            return false;
        out->spans[i] = (struct histogram_span){ (int32_t)offset, (uint32_t)length };
        buckets += length;
    }
    if (buckets > HISTOGRAM_BUCKETS_MAX || buckets * (whole ? 1 : sizeof(double)) > reader_left(r))
        return false;
    out->span_count = (uint32_t)spans;
    out->bucket_count = (uint32_t)buckets;
    out->buckets = arena_array(a, double, buckets);
    uint64_t before = 0; /* wraps rather than overflows; what is not a count is found later */
    for (uint64_t i = 0; i < buckets; i++) {
        before += whole ? (uint64_t)read_zigzag(r) : 0;
        out->buckets[i] = whole ? (double)(int64_t)before : take_double(r);
    }
    return !r->bad;
}

static bool take_bounds(struct reader *r, struct arena *a, struct histogram *h)
{
    uint64_t n = read_varint(r);
    if (r->bad || n > HISTOGRAM_BOUNDS_MAX || n * sizeof(double) > reader_left(r))
        return false;
    h->bound_count = (uint32_t)n;
    h->bounds = arena_array(a, double, n);
    for (uint64_t i = 0; i < n; i++)
        h->bounds[i] = take_double(r);
    return !r->bad;
}

bool histogram_read(struct reader *r, struct arena *a, struct histogram **out)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    uint8_t flags = read_u8(r);
    bool whole = flags & FLAG_WHOLE, ok = flags <= FLAGS_ALL;
    h->schema = (int8_t)read_u8(r);
    h->hint = read_u8(r);
    h->count = take_count(r, whole);
    h->sum = sample_number(take_double(r)); /* a query gives it as a value */
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM)
        ok = ok && take_bounds(r, a, h);
    else {
        h->zero_count = take_count(r, whole);
        h->zero_threshold = take_double(r);
        ok = ok && take_side(r, a, whole, &h->negative);
    }
    ok = ok && take_side(r, a, whole, &h->positive) && histogram_check(h, NULL) == ST_OK;
    if (!ok)
        r->bad = true;
    *out = ok ? h : NULL;
    return ok;
}
