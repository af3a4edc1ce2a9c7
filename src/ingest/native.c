/* SPDX-License-Identifier: Apache-2.0 */
/* The message is read once into growing arrays, then put together:
 *
 *     spans + deltas (integers) or counts (floats)  ->  side    the same spans; finer schemas go by single buckets
 *
 * (1) Whether it is of integers or floats is told by which count it has; buckets of the other kind are refused.
 * (2) Of integers, the buckets and the zero bucket make up the count; with a sum of NaN, observations of NaN are in no bucket.
 * (3) A stale mark (the sum) is taken as it is: it says nothing else. */
#include "ingest/native.h"

#include <math.h>

enum { EMPTY_RUN_KEPT_MAX = 2 /* empty buckets within a span: cheaper than another span */ };

const struct native_layout native_remote_write = {
    .fields = { [1] = NATIVE_COUNT, [2] = NATIVE_COUNT_FLOAT, [3] = NATIVE_SUM, [4] = NATIVE_SCHEMA, [5] = NATIVE_THRESHOLD, [6] = NATIVE_ZEROS,
                [7] = NATIVE_ZEROS_FLOAT, [8] = NATIVE_NEG_SPAN, [9] = NATIVE_NEG_DELTA, [10] = NATIVE_NEG_COUNT, [11] = NATIVE_POS_SPAN,
                [12] = NATIVE_POS_DELTA, [13] = NATIVE_POS_COUNT, [14] = NATIVE_HINT, [15] = NATIVE_TIME, [16] = NATIVE_BOUND, [17] = NATIVE_START }
};
const struct native_layout native_exposition = {
    .fields = { [1] = NATIVE_COUNT, [2] = NATIVE_SUM, [4] = NATIVE_COUNT_FLOAT, [5] = NATIVE_SCHEMA, [6] = NATIVE_THRESHOLD, [7] = NATIVE_ZEROS,
                [8] = NATIVE_ZEROS_FLOAT, [9] = NATIVE_NEG_SPAN, [10] = NATIVE_NEG_DELTA, [11] = NATIVE_NEG_COUNT, [12] = NATIVE_POS_SPAN,
                [13] = NATIVE_POS_DELTA, [14] = NATIVE_POS_COUNT }
};

struct doubles {
    double *list;
    size_t count, cap;
};

struct raw_side {
    struct histogram_span *spans;
    size_t span_count, span_cap;
    struct doubles deltas, counts;
};

struct raw {
    struct raw_side positive, negative;
    struct doubles bounds;
    int64_t schema;
    uint64_t count_int, zeros_int, hint;
    double count_float, zeros_float, sum, threshold;
    bool is_float, has_zeros_float;
};

static int64_t zigzag(uint64_t v)
{
    return (int64_t)(v >> 1) ^ -(int64_t)(v & 1);
}

/* ---- reading ---- */

static bool push(struct arena *a, struct doubles *d, double v)
{
    if (d->count > HISTOGRAM_BUCKETS_MAX)
        return false;
    ARENA_PUSH(a, d->list, d->count, d->cap) = v;
    return true;
}

/* Zigzag varints, packed or one. */
static bool push_varints(struct arena *a, struct doubles *d, const struct pb *p)
{
    bool ok = true;
    if (p->wire != PB_BYTES)
        return push(a, d, (double)zigzag(p->value));
    struct pb in = pb_of(p->bytes);
    while (ok && in.at < in.end && !in.bad) {
        double v = (double)zigzag(pb_varint(&in));
        ok = !in.bad && push(a, d, v);
    }
    return ok && !in.bad;
}

static bool push_doubles(struct arena *a, struct doubles *d, const struct pb *p)
{
    bool ok = true;
    if (p->wire != PB_BYTES)
        return push(a, d, pb_double(p));
    struct slice s = p->bytes;
    for (; ok && s.len >= sizeof(double); s = slice_skip(s, sizeof(double))) {
        double v;
        memcpy(&v, s.ptr, sizeof v);
        ok = push(a, d, v);
    }
    return ok && s.len == 0;
}

static bool push_span(struct arena *a, struct raw_side *side, struct slice message)
{
    struct histogram_span span = { 0 };
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field == 1)
            span.offset = (int32_t)zigzag(p.value);
        else if (p.field == 2)
            span.length = (uint32_t)MIN(p.value, UINT32_MAX);
    }
    if (p.bad || side->span_count == HISTOGRAM_BUCKETS_MAX)
        return false;
    ARENA_PUSH(a, side->spans, side->span_count, side->span_cap) = span;
    return true;
}

/* False: the field is broken, or there are too many of them. */
static bool read_field(struct arena *a, struct raw *r, enum native_field what, const struct pb *p, struct native_point *out)
{
    switch (what) {
    case NATIVE_NOTHING:
        return true;
    case NATIVE_COUNT:
        r->count_int = p->value;
        return true;
    case NATIVE_COUNT_FLOAT:
        r->count_float = pb_double(p);
        r->is_float = true;
        return true;
    case NATIVE_SUM:
        r->sum = pb_double(p);
        return true;
    case NATIVE_SCHEMA:
        r->schema = zigzag(p->value);
        return true;
    case NATIVE_THRESHOLD:
        r->threshold = pb_double(p);
        return true;
    case NATIVE_ZEROS:
        r->zeros_int = p->value;
        return true;
    case NATIVE_ZEROS_FLOAT:
        r->zeros_float = pb_double(p);
        r->has_zeros_float = true;
        return true;
    case NATIVE_NEG_SPAN:
    case NATIVE_POS_SPAN:
        return p->wire == PB_BYTES && push_span(a, what == NATIVE_POS_SPAN ? &r->positive : &r->negative, p->bytes);
    case NATIVE_NEG_DELTA:
    case NATIVE_POS_DELTA:
        return push_varints(a, what == NATIVE_POS_DELTA ? &r->positive.deltas : &r->negative.deltas, p);
    case NATIVE_NEG_COUNT:
    case NATIVE_POS_COUNT:
        return push_doubles(a, what == NATIVE_POS_COUNT ? &r->positive.counts : &r->negative.counts, p);
    case NATIVE_BOUND:
        return push_doubles(a, &r->bounds, p);
    case NATIVE_HINT:
        r->hint = p->value;
        return true;
    case NATIVE_TIME:
        out->t_ms = (int64_t)p->value;
        return true;
    case NATIVE_START:
        out->start_ms = (int64_t)p->value;
        return true;
    }
    return true;
}

/* ---- putting together ---- */

enum status native_side(struct arena *a, const struct native_bucket *list, size_t count, int shift, struct histogram_side *out, struct err *err)
{
    struct doubles buckets = { 0 };
    size_t span_cap = 0, spans = 0;
    int64_t last = 0;
    *out = (struct histogram_side){ 0 };
    for (size_t i = 0; i < count; i++) {
        int64_t index = ((list[i].index - 1) >> shift) + 1;
        if (list[i].count == 0)
            continue;
        if (index < INT32_MIN / 2 || index > INT32_MAX / 2)
            return err_set(err, ST_INVALID, "histogram: a bucket with the index %lld", (long long)index);
        if (spans && index == last) {
            buckets.list[buckets.count - 1] += list[i].count;
            continue;
        }
        int64_t gap = spans ? index - last - 1 : index;
        if (spans == 0 || gap > EMPTY_RUN_KEPT_MAX) {
            ARENA_PUSH(a, out->spans, spans, span_cap) = (struct histogram_span){ (int32_t)gap, 0 };
            gap = 0;
        }
        out->spans[spans - 1].length += (uint32_t)gap + 1;
        for (; gap > 0; gap--)
            ARENA_PUSH(a, buckets.list, buckets.count, buckets.cap) = 0;
        ARENA_PUSH(a, buckets.list, buckets.count, buckets.cap) = list[i].count;
        last = index;
        if (buckets.count > HISTOGRAM_BUCKETS_MAX)
            return err_set(err, ST_LIMIT, "histogram: over %d buckets", HISTOGRAM_BUCKETS_MAX);
    }
    out->span_count = (uint32_t)spans;
    out->buckets = buckets.list;
    out->bucket_count = (uint32_t)buckets.count;
    return ST_OK;
}

/* The spans' buckets one by one. */
static enum status side_reduce(struct arena *a, struct histogram_side *side, int shift, struct err *err)
{
    struct native_bucket *list = arena_array(a, struct native_bucket, (size_t)side->bucket_count + 1);
    size_t n = 0;
    int64_t index = 0;
    for (uint32_t s = 0; s < side->span_count; s++) {
        index += side->spans[s].offset;
        for (uint32_t i = 0; i < side->spans[s].length; i++, n++)
            list[n] = (struct native_bucket){ index++, side->buckets[n] };
    }
    return native_side(a, list, n, shift, side, err);
}

static enum status side_make(const struct raw *r, struct raw_side *raw, const char *name, struct histogram_side *out, struct err *err)
{
    struct doubles *used = r->is_float ? &raw->counts : &raw->deltas, *other = r->is_float ? &raw->deltas : &raw->counts;
    uint64_t length = 0;
    double v = 0;
    if (other->count)
        return err_set(err, ST_INVALID, "histogram: %s buckets of %s, but a count of %s", name, r->is_float ? "integers" : "floats",
                       r->is_float ? "floats" : "integers");
    if (used->count > HISTOGRAM_BUCKETS_MAX)
        return err_set(err, ST_LIMIT, "histogram: over %d %s buckets", HISTOGRAM_BUCKETS_MAX, name);
    for (size_t i = 0; i < raw->span_count; i++)
        length += raw->spans[i].length;
    if (length != used->count)
        return err_set(err, ST_INVALID, "histogram: %s spans need %llu buckets, it has %zu", name, (unsigned long long)length, used->count);
    for (size_t i = 0; !r->is_float && i < used->count; i++)
        v = used->list[i] += v;
    *out = (struct histogram_side){ .spans = raw->spans, .buckets = used->list, .span_count = (uint32_t)raw->span_count,
                                    .bucket_count = (uint32_t)used->count };
    return ST_OK;
}

static double side_total(const struct histogram_side *s)
{
    double total = 0;
    for (uint32_t i = 0; i < s->bucket_count; i++)
        total += s->buckets[i];
    return total;
}

/* (2) */
static enum status check_count(const struct histogram *h, struct err *err)
{
    double total = h->zero_count + side_total(&h->positive) + side_total(&h->negative);
    if (isnan(h->sum) ? total > h->count : total != h->count)
        return err_set(err, ST_INVALID, "histogram: %.0f observations in its buckets, its count is %.0f", total, h->count);
    return ST_OK;
}

static enum status make(struct arena *a, struct raw *r, struct histogram *h, struct err *err)
{
    bool is_exponential = r->schema >= HISTOGRAM_SCHEMA_MIN && r->schema <= NATIVE_SCHEMA_MAX;
    if (!is_exponential && r->schema != HISTOGRAM_SCHEMA_CUSTOM)
        return err_set(err, ST_INVALID, "histogram: schema %lld, allowed are %d to %d and %d", (long long)r->schema, HISTOGRAM_SCHEMA_MIN,
                       HISTOGRAM_SCHEMA_MAX, HISTOGRAM_SCHEMA_CUSTOM);
    if (r->bounds.count > HISTOGRAM_BUCKETS_MAX)
        return err_set(err, ST_LIMIT, "histogram: over %d bounds", HISTOGRAM_BUCKETS_MAX);
    int shift = (int)MAX(r->schema - HISTOGRAM_SCHEMA_MAX, 0);
    enum status st = side_make(r, &r->positive, "positive", &h->positive, err);
    if (!st)
        st = side_make(r, &r->negative, "negative", &h->negative, err);
    if (!st && shift)
        st = side_reduce(a, &h->positive, shift, err);
    if (!st && shift)
        st = side_reduce(a, &h->negative, shift, err);
    h->schema = (int8_t)MIN(r->schema, HISTOGRAM_SCHEMA_MAX);
    h->count = r->is_float ? r->count_float : (double)r->count_int;
    h->zero_count = r->is_float || r->has_zeros_float ? r->zeros_float : (double)r->zeros_int;
    h->zero_threshold = r->threshold;
    h->bounds = r->bounds.list;
    h->bound_count = (uint32_t)r->bounds.count;
    if (!st && !r->is_float)
        st = check_count(h, err);
    return st ? st : histogram_check(h, err);
}

enum status native_read(struct arena *a, struct slice message, const struct native_layout *layout, struct native_point *out, struct err *err)
{
    struct raw r = { 0 };
    struct pb p = pb_of(message);
    bool ok = true;
    *out = (struct native_point){ .histogram = arena_new_of(a, struct histogram) };
    while (pb_next(&p))
        if (p.field < NATIVE_FIELD_MAX)
            ok &= read_field(a, &r, (enum native_field)layout->fields[p.field], &p, out);
    if (p.bad || !ok)
        return err_set(err, ST_INVALID, "histogram: no protobuf message, or over %d buckets or spans", HISTOGRAM_BUCKETS_MAX);
    out->histogram->sum = sample_number(r.sum);
    out->histogram->hint = r.hint <= HINT_GAUGE ? (uint8_t)r.hint : HINT_UNKNOWN;
    return is_stale(r.sum) ? ST_OK : make(a, &r, out->histogram, err); /* (3) */
}

struct histogram *native_empty(struct arena *a, const struct histogram *h)
{
    struct histogram *empty = arena_new_of(a, struct histogram);
    empty->schema = h->schema;
    empty->hint = HINT_UNKNOWN;
    empty->zero_threshold = h->zero_threshold;
    empty->bounds = h->bounds;
    empty->bound_count = h->bound_count;
    return empty;
}
