/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms of one series as columns.
 *
 *     varint families:  each: zigzag schema | u64 zero threshold | varint bounds, their values
 *     varint layouts:   each: varint family | u8 hint | spans of the positive side | of the negative one
 *                       spans: varint count, each: zigzag offset, varint length
 *     runs, until n:    varint layout | varint histograms
 *     of each family:   u8 flags | zero counts | sums | counts, unless flag 1: each is the sum of its buckets
 *                       | a column for each bucket any of its layouts has: positive ones by index, then negative ones
 *
 * A column holds the values of those histograms that have the bucket, in their order, as chunk.c encodes values: neighbours
 * in time differ by what was observed between two scrapes, which takes a few bits where the bucket itself takes 8 bytes.
 *
 * (1) Both ways the columns follow from families, layouts and runs alone (struct plan).
 * (2) Columns hold only what is there, so however little histograms have in common, bytes and work stay in proportion to
 *     their buckets, of which there are at most HCHUNK_BUCKETS_MAX. */
#include "metrics/hchunk.h"

#include <math.h>
#include <stdlib.h>

enum { FLAG_COUNT_IS_SUM = 1, SIDES = 2 };

struct family {
    int8_t schema;
    double zero_threshold;
    double *bounds;
    uint32_t bound_count, uses; /* histograms */
    uint32_t column_end;        /* its columns start at the end of the family before */
};

struct layout {
    uint32_t family, uses;
    uint8_t hint;
    struct histogram_side side[SIDES]; /* positive, negative; without buckets */
    int32_t *index;                    /* of each bucket, positive ones first */
    uint32_t *column;
};

struct plan {
    struct arena *a; /* for what is only the plan's */
    size_t n;
    struct family *families;
    size_t family_count, family_cap;
    struct layout *layouts;
    size_t layout_count, layout_cap;
    uint16_t of[HCHUNK_HISTOGRAMS_MAX]; /* layout of each histogram */
    uint32_t *starts;                   /* where the values of a column start; one more at the end */
    size_t column_count;
};

static inline size_t buckets_of(const struct layout *l)
{
    return (size_t)l->side[0].bucket_count + l->side[1].bucket_count;
}
static inline bool is_of(const struct plan *p, size_t i, size_t family)
{
    return p->layouts[p->of[i]].family == family;
}

/* ---- columns ---- */

/* The indexes of a side, in order. False when they are not ascending in 32 bits. */
static bool indexes_of(const struct histogram_side *side, int32_t *to)
{
    int64_t at = 0, last = INT64_MIN;
    for (uint32_t s = 0; s < side->span_count; s++) {
        at += side->spans[s].offset;
        for (uint32_t i = 0; i < side->spans[s].length; i++, at++) {
            if (at <= last || at < INT32_MIN || at > INT32_MAX)
                return false;
            *to++ = (int32_t)(last = at);
        }
    }
    return true;
}

static int index_cmp(const void *a, const void *b)
{
    int32_t x = *(const int32_t *)a, y = *(const int32_t *)b;
    return (x > y) - (x < y);
}

static uint32_t index_find(const int32_t *list, size_t n, int32_t wanted)
{
    size_t low = 0, high = n;
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (list[mid] < wanted)
            low = mid + 1;
        else
            high = mid;
    }
    return (uint32_t)low;
}

/* Numbers the columns of one side of a family's layouts; indexes has room for all buckets of layouts. */
static void columns_number(struct plan *p, size_t family, size_t side, int32_t *indexes)
{
    size_t n = 0, unique = 0;
    for (size_t i = 0; i < p->layout_count; i++) {
        const struct layout *l = &p->layouts[i];
        size_t count = l->side[side].bucket_count;
        if (l->family != family || count == 0)
            continue;
        memcpy(indexes + n, l->index + (side ? l->side[0].bucket_count : 0), count * sizeof *indexes);
        n += count;
    }
    qsort(indexes, n, sizeof *indexes, index_cmp);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || indexes[i] != indexes[i - 1])
            indexes[unique++] = indexes[i];
    for (size_t i = 0; i < p->layout_count; i++) {
        const struct layout *l = &p->layouts[i];
        size_t from = side ? l->side[0].bucket_count : 0;
        if (l->family == family)
            for (size_t b = from; b < from + l->side[side].bucket_count; b++)
                l->column[b] = (uint32_t)p->column_count + index_find(indexes, unique, l->index[b]);
    }
    p->column_count += unique;
}

/* (1). False when layouts cannot be, or have more buckets than may be. */
static bool plan_columns(struct plan *p)
{
    size_t buckets = 0, values = 0;
    for (size_t i = 0; i < p->n; i++)
        p->layouts[p->of[i]].uses++;
    for (size_t i = 0; i < p->layout_count; i++) {
        struct layout *l = &p->layouts[i];
        p->families[l->family].uses += l->uses;
        buckets += buckets_of(l);
        values += buckets_of(l) * l->uses;
        if (l->uses == 0 || values > HCHUNK_BUCKETS_MAX)
            return false;
        l->index = arena_array(p->a, int32_t, buckets_of(l) + 1);
        l->column = arena_array(p->a, uint32_t, buckets_of(l) + 1);
        if (!indexes_of(&l->side[0], l->index) || !indexes_of(&l->side[1], l->index + l->side[0].bucket_count))
            return false;
    }
    int32_t *indexes = arena_array(p->a, int32_t, buckets + 1);
    for (size_t f = 0; f < p->family_count; f++) {
        if (p->families[f].uses == 0)
            return false;
        for (size_t side = 0; side < SIDES; side++)
            columns_number(p, f, side, indexes);
        p->families[f].column_end = (uint32_t)p->column_count;
    }
    p->starts = arena_zalloc(p->a, (p->column_count + 1) * sizeof *p->starts);
    for (size_t i = 0; i < p->layout_count; i++)
        for (size_t b = 0; b < buckets_of(&p->layouts[i]); b++)
            p->starts[p->layouts[i].column[b] + 1] += p->layouts[i].uses;
    for (size_t c = 0; c < p->column_count; c++)
        p->starts[c + 1] += p->starts[c];
    return true;
}

/* A copy of where columns start, to be moved on value by value. */
static uint32_t *columns_begin(const struct plan *p)
{
    uint32_t *at = arena_array(p->a, uint32_t, p->column_count + 1);
    memcpy(at, p->starts, (p->column_count + 1) * sizeof *at);
    return at;
}

/* What a count is mostly. Both ways in the same order, so with the same rounding. */
static double count_expected(double zero_count, const double *positive, size_t positive_count, const double *negative, size_t negative_count)
{
    double sum = zero_count;
    for (size_t i = 0; i < positive_count; i++)
        sum += positive[i];
    for (size_t i = 0; i < negative_count; i++)
        sum += negative[i];
    return sum;
}

/* ---- writing ---- */

size_t hchunk_fit(const struct histogram *const *h, size_t n)
{
    size_t bytes = 0, fits = 0;
    for (; fits < MIN(n, (size_t)HCHUNK_HISTOGRAMS_MAX); fits++) {
        bytes += histogram_bytes(h[fits]);
        if (fits > 0 && bytes > HCHUNK_MEMORY_MAX)
            break;
    }
    return fits;
}

static inline bool doubles_eq(const double *a, const double *b, size_t n)
{
    return n == 0 || memcmp(a, b, n * sizeof *a) == 0;
}

static uint32_t family_put(struct plan *p, const struct histogram *h)
{
    uint32_t bounds = h->schema == HISTOGRAM_SCHEMA_CUSTOM ? h->bound_count : 0;
    for (size_t i = p->family_count; i-- > 0;) {
        const struct family *f = &p->families[i];
        if (f->schema == h->schema && double_bits(f->zero_threshold) == double_bits(h->zero_threshold) && f->bound_count == bounds &&
            doubles_eq(f->bounds, h->bounds, bounds))
            return (uint32_t)i;
    }
    ARENA_PUSH(p->a, p->families, p->family_count, p->family_cap) =
        (struct family){ .schema = h->schema, .zero_threshold = h->zero_threshold, .bounds = h->bounds, .bound_count = bounds };
    return (uint32_t)p->family_count - 1;
}

static bool spans_eq(const struct histogram_side *a, const struct histogram_side *b)
{
    return a->span_count == b->span_count && (a->span_count == 0 || memcmp(a->spans, b->spans, a->span_count * sizeof *a->spans) == 0);
}

static uint16_t layout_put(struct plan *p, const struct histogram *h)
{
    uint32_t family = family_put(p, h);
    for (size_t i = p->layout_count; i-- > 0;) {
        const struct layout *l = &p->layouts[i];
        if (l->family == family && l->hint == h->hint && spans_eq(&l->side[0], &h->positive) && spans_eq(&l->side[1], &h->negative))
            return (uint16_t)i;
    }
    ARENA_PUSH(p->a, p->layouts, p->layout_count, p->layout_cap) =
        (struct layout){ .family = family, .hint = h->hint, .side = { h->positive, h->negative } };
    return (uint16_t)(p->layout_count - 1);
}

static void values_put(const double *v, size_t n, uint8_t *hint, struct buf *out)
{
    for (size_t done = 0; done < n; done += CHUNK_SAMPLES_MAX) {
        uint8_t flags, *to = (uint8_t *)buf_room(out, CHUNK_BYTES_MAX);
        if (to)
            buf_added(out, chunk_encode_values(v + done, MIN(n - done, (size_t)CHUNK_SAMPLES_MAX), hint, to, &flags));
    }
}

static void shapes_put(const struct plan *p, struct buf *out)
{
    buf_varint(out, p->family_count);
    for (size_t i = 0; i < p->family_count; i++) {
        const struct family *f = &p->families[i];
        uint8_t hint = 0;
        buf_zigzag(out, f->schema);
        buf_u64(out, double_bits(f->zero_threshold));
        buf_varint(out, f->bound_count);
        values_put(f->bounds, f->bound_count, &hint, out);
    }
    buf_varint(out, p->layout_count);
    for (size_t i = 0; i < p->layout_count; i++) {
        const struct layout *l = &p->layouts[i];
        buf_varint(out, l->family);
        buf_u8(out, l->hint);
        for (size_t side = 0; side < SIDES; side++) {
            buf_varint(out, l->side[side].span_count);
            for (uint32_t s = 0; s < l->side[side].span_count; s++) {
                buf_zigzag(out, l->side[side].spans[s].offset);
                buf_varint(out, l->side[side].spans[s].length);
            }
        }
    }
    for (size_t i = 0, to; i < p->n; i = to) {
        for (to = i + 1; to < p->n && p->of[to] == p->of[i];)
            to++;
        buf_varint(out, p->of[i]);
        buf_varint(out, to - i);
    }
}

/* The three columns every histogram of a family has. */
static void heads_put(const struct plan *p, const struct histogram *const *h, size_t family, struct buf *out)
{
    double zero[HCHUNK_HISTOGRAMS_MAX], sum[HCHUNK_HISTOGRAMS_MAX], count[HCHUNK_HISTOGRAMS_MAX];
    size_t m = 0;
    bool is_sum = true;
    for (size_t i = 0; i < p->n; i++) {
        if (!is_of(p, i, family))
            continue;
        double expected = count_expected(h[i]->zero_count, h[i]->positive.buckets, h[i]->positive.bucket_count, h[i]->negative.buckets,
                                         h[i]->negative.bucket_count);
        zero[m] = h[i]->zero_count;
        sum[m] = h[i]->sum;
        count[m++] = h[i]->count;
        is_sum = is_sum && isfinite(expected) && double_bits(expected) == double_bits(h[i]->count);
    }
    uint8_t hint = 0, sum_hint = 0;
    buf_u8(out, is_sum ? FLAG_COUNT_IS_SUM : 0);
    values_put(zero, m, &hint, out);
    values_put(sum, m, &sum_hint, out);
    if (!is_sum)
        values_put(count, m, &hint, out);
}

void hchunk_encode(const struct histogram *const *h, size_t n, struct arena *scratch, struct buf *out)
{
    assert(n > 0 && n <= HCHUNK_HISTOGRAMS_MAX);
    arena_reset(scratch);
    struct plan p = { .a = scratch, .n = n };
    for (size_t i = 0; i < n; i++)
        p.of[i] = layout_put(&p, h[i]);
    bool is_good = plan_columns(&p);
    assert(is_good);
    (void)is_good;
    double *values = arena_array(scratch, double, p.starts[p.column_count] + (size_t)1);
    uint32_t *at = columns_begin(&p);
    for (size_t i = 0; i < n; i++) {
        const uint32_t *column = p.layouts[p.of[i]].column;
        for (uint32_t b = 0; b < h[i]->positive.bucket_count; b++)
            values[at[*column++]++] = h[i]->positive.buckets[b];
        for (uint32_t b = 0; b < h[i]->negative.bucket_count; b++)
            values[at[*column++]++] = h[i]->negative.buckets[b];
    }
    shapes_put(&p, out);
    for (size_t f = 0, c = 0; f < p.family_count; f++) {
        uint8_t hint = 0;
        heads_put(&p, h, f, out);
        for (; c < p.families[f].column_end; c++)
            values_put(values + p.starts[c], p.starts[c + 1] - p.starts[c], &hint, out);
    }
}

/* ---- reading ---- */

static bool values_get(struct reader *r, double *v, size_t n)
{
    for (size_t done = 0; done < n; done += CHUNK_SAMPLES_MAX)
        if (!chunk_read_values(r, MIN(n - done, (size_t)CHUNK_SAMPLES_MAX), v + done))
            return false;
    return true;
}

static bool families_get(struct reader *r, struct plan *p, struct arena *a)
{
    size_t bounds = 0;
    p->family_count = read_varint(r);
    if (r->bad || p->family_count > p->n)
        return false;
    p->families = arena_zalloc(p->a, p->family_count * sizeof *p->families);
    for (size_t i = 0; i < p->family_count; i++) {
        struct family *f = &p->families[i];
        int64_t schema = read_zigzag(r);
        uint64_t bits = read_u64(r), count = read_varint(r);
        bool is_custom = schema == HISTOGRAM_SCHEMA_CUSTOM;
        if (r->bad || count > HCHUNK_BUCKETS_MAX - bounds)
            return false;
        if (!is_custom && (count > 0 || schema < HISTOGRAM_SCHEMA_MIN || schema > HISTOGRAM_SCHEMA_MAX))
            return false;
        bounds += count;
        f->schema = (int8_t)schema;
        f->zero_threshold = double_of_bits(bits);
        f->bound_count = (uint32_t)count;
        f->bounds = count ? arena_array(a, double, count) : NULL;
        if (!values_get(r, f->bounds, count))
            return false;
        for (size_t b = 0; b < count; b++)
            if (!isfinite(f->bounds[b]) || (b > 0 && !(f->bounds[b] > f->bounds[b - 1])))
                return false;
    }
    return true;
}

static bool side_get(struct reader *r, struct histogram_side *side, struct arena *a)
{
    uint64_t spans = read_varint(r), buckets = 0;
    if (r->bad || spans > reader_left(r) / 2)
        return false;
    side->span_count = (uint32_t)spans;
    side->spans = spans ? arena_array(a, struct histogram_span, spans) : NULL;
    for (size_t s = 0; s < spans; s++) {
        int64_t offset = read_zigzag(r);
        uint64_t length = read_varint(r);
        if (offset < INT32_MIN || offset > INT32_MAX || length > HCHUNK_BUCKETS_MAX - buckets)
            return false;
        buckets += length;
        side->spans[s] = (struct histogram_span){ (int32_t)offset, (uint32_t)length };
    }
    side->bucket_count = (uint32_t)buckets;
    return !r->bad;
}

static bool layouts_get(struct reader *r, struct plan *p, struct arena *a)
{
    p->layout_count = read_varint(r);
    if (r->bad || p->layout_count > p->n)
        return false;
    p->layouts = arena_zalloc(p->a, p->layout_count * sizeof *p->layouts);
    for (size_t i = 0; i < p->layout_count; i++) {
        struct layout *l = &p->layouts[i];
        uint64_t family = read_varint(r);
        l->hint = read_u8(r);
        if (r->bad || family >= p->family_count || l->hint > HINT_GAUGE)
            return false;
        l->family = (uint32_t)family;
        if (!side_get(r, &l->side[0], a) || !side_get(r, &l->side[1], a))
            return false;
    }
    for (size_t i = 0; i < p->n;) {
        uint64_t layout = read_varint(r), length = read_varint(r);
        if (r->bad || layout >= p->layout_count || length == 0 || length > p->n - i)
            return false;
        for (; length > 0; length--)
            p->of[i++] = (uint16_t)layout;
    }
    return true;
}

/* Buckets of a histogram with bounds of its own are its bounds and one more. */
static bool layouts_fit(const struct plan *p)
{
    for (size_t i = 0; i < p->layout_count; i++) {
        const struct layout *l = &p->layouts[i];
        const struct family *f = &p->families[l->family];
        size_t n = l->side[0].bucket_count;
        if (f->schema == HISTOGRAM_SCHEMA_CUSTOM &&
            (l->side[1].bucket_count > 0 || (n > 0 && (l->index[0] < 0 || (uint32_t)l->index[n - 1] > f->bound_count))))
            return false;
    }
    return true;
}

struct heads {
    double zero[HCHUNK_HISTOGRAMS_MAX], sum[HCHUNK_HISTOGRAMS_MAX], count[HCHUNK_HISTOGRAMS_MAX]; 
    bool is_sum[HCHUNK_HISTOGRAMS_MAX];
};

static bool heads_get(struct reader *r, const struct plan *p, size_t family, struct heads *to)
{
    double zero[HCHUNK_HISTOGRAMS_MAX], sum[HCHUNK_HISTOGRAMS_MAX], count[HCHUNK_HISTOGRAMS_MAX];
    size_t m = p->families[family].uses, at = 0;
    unsigned flags = read_u8(r);
    bool is_sum = flags & FLAG_COUNT_IS_SUM;
    if (r->bad || flags > FLAG_COUNT_IS_SUM || !values_get(r, zero, m) || !values_get(r, sum, m) || (!is_sum && !values_get(r, count, m)))
        return false;
    for (size_t i = 0; i < p->n; i++) {
        if (!is_of(p, i, family))
            continue;
        to->zero[i] = zero[at];
        to->sum[i] = sample_number(sum[at]); /* a query gives it as a value */
        to->count[i] = is_sum ? 0 : count[at];
        to->is_sum[i] = is_sum;
        at++;
    }
    return true;
}

static const struct histogram *histogram_make(const struct plan *p, size_t i, const struct heads *heads, const double *values, uint32_t *at,
                                              struct arena *a)
{
    const struct layout *l = &p->layouts[p->of[i]];
    const struct family *f = &p->families[l->family];
    const uint32_t *column = l->column;
    struct histogram *h = arena_new_of(a, struct histogram);
    h->schema = f->schema;
    h->hint = l->hint;
    h->zero_threshold = f->zero_threshold;
    h->bounds = f->bounds;
    h->bound_count = f->bound_count;
    h->positive = l->side[0];
    h->negative = l->side[1];
    h->zero_count = heads->zero[i];
    h->sum = heads->sum[i];
    size_t n = buckets_of(l);
    double *buckets = n ? arena_array(a, double, n) : NULL;
    for (size_t b = 0; b < n; b++)
        buckets[b] = values[at[column[b]]++];
    h->positive.buckets = h->positive.bucket_count ? buckets : NULL;
    h->negative.buckets = h->negative.bucket_count ? buckets + h->positive.bucket_count : NULL;
    h->count = heads->is_sum[i] ? count_expected(h->zero_count, h->positive.buckets, h->positive.bucket_count, h->negative.buckets,
                                                 h->negative.bucket_count)
                                : heads->count[i];
    return h;
}

bool hchunk_decode(struct slice bytes, size_t n, size_t first, size_t count, struct arena *scratch, struct arena *a,
                   const struct histogram **out)
{
    if (n == 0 || n > HCHUNK_HISTOGRAMS_MAX || first > n || count > n - first)
        return false;
    arena_reset(scratch);
    struct plan p = { .a = scratch, .n = n };
    struct reader r = reader_of(bytes);
    if (!families_get(&r, &p, a) || !layouts_get(&r, &p, a) || !plan_columns(&p) || !layouts_fit(&p))
        return false;
    double *values = arena_array(scratch, double, p.starts[p.column_count] + (size_t)1);
    struct heads *heads = arena_new_of(scratch, struct heads);
    for (size_t f = 0, c = 0; f < p.family_count; f++) {
        if (!heads_get(&r, &p, f, heads))
            return false;
        for (; c < p.families[f].column_end; c++)
            if (!values_get(&r, values + p.starts[c], p.starts[c + 1] - p.starts[c]))
                return false;
    }
    if (r.bad || reader_left(&r) > 0)
        return false;
    uint32_t *at = columns_begin(&p);
    for (size_t i = 0; i < first; i++)
        for (size_t b = 0; b < buckets_of(&p.layouts[p.of[i]]); b++)
            at[p.layouts[p.of[i]].column[b]]++;
    for (size_t i = 0; i < count; i++)
        out[i] = histogram_make(&p, first + i, heads, values, at, a);
    return true;
}
