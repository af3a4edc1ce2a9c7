/* SPDX-License-Identifier: Apache-2.0 */
/* What a native histogram is: copies, what can be one, and its buckets one by one. */
#include "model/histogram.h"

#include <float.h>
#include <math.h>

/* ---- whole ones ---- */

static void copy_side(struct arena *a, struct histogram_side *out, const struct histogram_side *side)
{
    *out = (struct histogram_side){ .span_count = side->span_count, .bucket_count = side->bucket_count };
    out->spans = arena_array(a, struct histogram_span, side->span_count);
    out->buckets = arena_array(a, double, side->bucket_count);
    if (side->span_count)
        memcpy(out->spans, side->spans, side->span_count * sizeof *side->spans);
    if (side->bucket_count)
        memcpy(out->buckets, side->buckets, side->bucket_count * sizeof *side->buckets);
}

struct histogram *histogram_copy(struct arena *a, const struct histogram *h)
{
    struct histogram *out = arena_new_of(a, struct histogram);
    *out = *h;
    copy_side(a, &out->positive, &h->positive);
    copy_side(a, &out->negative, &h->negative);
    out->bounds = arena_array(a, double, h->bound_count);
    if (h->bound_count)
        memcpy(out->bounds, h->bounds, h->bound_count * sizeof *h->bounds);
    return out;
}

static size_t side_bytes(const struct histogram_side *side)
{
    return side->span_count * sizeof *side->spans + side->bucket_count * sizeof *side->buckets;
}

size_t histogram_bytes(const struct histogram *h)
{
    return sizeof *h + side_bytes(&h->positive) + side_bytes(&h->negative) + h->bound_count * sizeof *h->bounds;
}

/* ---- what can be ---- */

static bool is_custom(const struct histogram *h)
{
    return h->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

static enum status check_side(const struct histogram_side *side, const char *name, bool is_custom, int64_t index_max, struct err *err)
{
    int64_t index = 0, buckets = 0;
    for (uint32_t i = 0; i < side->span_count; i++) {
        const struct histogram_span *span = &side->spans[i];
        if (span->offset < 0 && (i > 0 || is_custom))
            return err_set(err, ST_INVALID, "histogram: %s span %u has the offset %d, which must not be below 0", name, i, (int)span->offset);
        index += span->offset + (int64_t)span->length;
        buckets += span->length;
        if (index > index_max || span->offset < -HISTOGRAM_INDEX_MAX)
            return err_set(err, ST_INVALID, "histogram: %s span %u goes from offset %d to bucket %lld, at most %lld is allowed", name, i,
                           (int)span->offset, (long long)index, (long long)index_max);
    }
    if (buckets != side->bucket_count)
        return err_set(err, ST_INVALID, "histogram: %s spans have room for %lld buckets, there are %u", name, (long long)buckets, side->bucket_count);
    for (uint32_t i = 0; i < side->bucket_count; i++)
        if (!(side->buckets[i] >= 0))
            return err_set(err, ST_INVALID, "histogram: %s bucket %u has the count %g, which must be 0 or more", name, i, side->buckets[i]);
    return ST_OK;
}

static enum status check_bounds(const struct histogram *h, struct err *err)
{
    if (h->zero_count != 0 || h->zero_threshold != 0 || h->negative.span_count || h->negative.bucket_count)
        return err_set(err, ST_INVALID, "histogram: one with custom bounds has no zero bucket and no negative ones");
    for (uint32_t i = 0; i < h->bound_count; i++) {
        if (!isfinite(h->bounds[i]))
            return err_set(err, ST_INVALID, "histogram: custom bound %u is %g, it must be finite", i, h->bounds[i]);
        if (i && h->bounds[i] <= h->bounds[i - 1])
            return err_set(err, ST_INVALID, "histogram: custom bound %u is %g, it must be above %g before it", i, h->bounds[i], h->bounds[i - 1]);
    }
    return ST_OK;
}

enum status histogram_check(const struct histogram *h, struct err *err)
{
    size_t buckets = (size_t)h->positive.bucket_count + h->negative.bucket_count;
    size_t spans = (size_t)h->positive.span_count + h->negative.span_count;
    if (!is_custom(h) && (h->schema < HISTOGRAM_SCHEMA_MIN || h->schema > HISTOGRAM_SCHEMA_MAX))
        return err_set(err, ST_INVALID, "histogram: schema %d is not known, they go from %d to %d, and %d is for custom bounds", h->schema,
                       HISTOGRAM_SCHEMA_MIN, HISTOGRAM_SCHEMA_MAX, HISTOGRAM_SCHEMA_CUSTOM);
    if (buckets > HISTOGRAM_BUCKETS_MAX || spans > HISTOGRAM_BUCKETS_MAX)
        return err_set(err, ST_INVALID, "histogram: %zu buckets in %zu spans, at most %d are allowed", buckets, spans, HISTOGRAM_BUCKETS_MAX);
    if (h->bound_count > (is_custom(h) ? HISTOGRAM_BOUNDS_MAX : 0))
        return err_set(err, ST_INVALID, "histogram: %u custom bounds, at most %d are allowed for its schema", h->bound_count,
                       is_custom(h) ? HISTOGRAM_BOUNDS_MAX : 0);
    if (h->hint > HINT_GAUGE)
        return err_set(err, ST_INVALID, "histogram: the counter reset hint %d is not known", h->hint);
    if (!(h->count >= 0) || !(h->zero_count >= 0) || !(h->zero_threshold >= 0))
        return err_set(err, ST_INVALID, "histogram: count %g, zero count %g and zero threshold %g must be 0 or more", h->count, h->zero_count,
                       h->zero_threshold);
    enum status st = is_custom(h) ? check_bounds(h, err) : ST_OK;
    int64_t index_max = is_custom(h) ? (int64_t)h->bound_count + 1 : HISTOGRAM_INDEX_MAX;
    st = st ? st : check_side(&h->positive, "positive", is_custom(h), index_max, err);
    return st ? st : check_side(&h->negative, "negative", false, index_max, err);
}

static bool same_numbers(const double *x, const double *y, size_t n)
{
    return n == 0 || memcmp(x, y, n * sizeof *x) == 0;
}

static bool same_side(const struct histogram_side *x, const struct histogram_side *y)
{
    if (x->span_count != y->span_count || x->bucket_count != y->bucket_count)
        return false;
    for (uint32_t i = 0; i < x->span_count; i++)
        if (x->spans[i].offset != y->spans[i].offset || x->spans[i].length != y->spans[i].length)
            return false;
    return same_numbers(x->buckets, y->buckets, x->bucket_count);
}

bool histogram_is_same(const struct histogram *x, const struct histogram *y)
{
    const double one[] = { x->count, x->sum, x->zero_count, x->zero_threshold };
    const double two[] = { y->count, y->sum, y->zero_count, y->zero_threshold };
    return x->schema == y->schema && x->hint == y->hint && x->bound_count == y->bound_count && same_numbers(one, two, COUNT_OF(one)) &&
           same_numbers(x->bounds, y->bounds, x->bound_count) && same_side(&x->positive, &y->positive) && same_side(&x->negative, &y->negative);
}

/* ---- bounds ---- */

/* 2^(i/256) / 2 is the bound of a fraction of a power of two. Other programs with native histograms share a table of them
 * which is a little lower in places: by so many units in the last place as the digit tells, less one. With it, bounds have
 * the very same text there and here. */
static const char lower_by[] =
    "1111112111211111112311222222222211211121122211221122102211221122"
    "1111112222332132112111211112111111121011213311221222112121332222"
    "2121223322322122222222323233323311221121223321332233212232332232"
    "2243223233433343333333444455435422322333324422333243223333543344";

static double exponential_bound(int64_t index, int schema)
{
    if (schema < 0) {
        int64_t exponent = index * (1 << -schema);
        if (exponent == DBL_MAX_EXP)
            return DBL_MAX;
        return ldexp(1, exponent > INT16_MAX ? INT16_MAX : exponent < INT16_MIN ? INT16_MIN : (int)exponent);
    }
    int64_t whole = 1 << schema, part = index & (whole - 1), exponent = (index - part) / whole + 1;
    if (part == 0 && exponent == DBL_MAX_EXP + 1)
        return DBL_MAX; /* what is above was infinite */
    size_t place = (size_t)part << (HISTOGRAM_SCHEMA_MAX - schema);
    double fraction = exp2((double)place / (1 << HISTOGRAM_SCHEMA_MAX)) / 2 - (lower_by[place] - '1') * (DBL_EPSILON / 2);
    return ldexp(fraction, exponent > INT16_MAX ? INT16_MAX : exponent < INT16_MIN ? INT16_MIN : (int)exponent);
}

double histogram_bound(const struct histogram *h, int64_t index)
{
    if (!is_custom(h))
        return exponential_bound(index, h->schema);
    return index < 0 ? -INFINITY : index >= h->bound_count ? INFINITY : h->bounds[index];
}

/* ---- buckets one by one ---- */

enum { WALK_NEGATIVE, WALK_ZERO, WALK_POSITIVE, WALK_END };

static const struct histogram_side *walk_side(const struct histogram_walk *w)
{
    return w->part == WALK_NEGATIVE ? &w->h->negative : &w->h->positive;
}

/* Away from zero, or towards it. */
static bool is_outward(const struct histogram_walk *w)
{
    return (w->part == WALK_NEGATIVE) == w->is_reverse;
}

static void walk_enter(struct histogram_walk *w, uint8_t part)
{
    w->part = part;
    w->span = w->at = w->bucket = 0;
    w->index = 0;
    if (part != WALK_NEGATIVE && part != WALK_POSITIVE)
        return;
    const struct histogram_side *side = walk_side(w);
    if (is_outward(w)) {
        w->index = side->span_count ? side->spans[0].offset : 0;
        return;
    }
    for (uint32_t i = 0; i < side->span_count; i++)
        w->index += side->spans[i].offset + (int64_t)side->spans[i].length;
    w->span = side->span_count;
    w->bucket = side->bucket_count;
}

/* The next place of a side. */
static bool walk_out(struct histogram_walk *w, const struct histogram_side *side, int64_t *index, double *count)
{
    while (w->span < side->span_count && w->at == side->spans[w->span].length) {
        w->span++;
        w->at = 0;
        w->index += w->span < side->span_count ? side->spans[w->span].offset : 0;
    }
    if (w->span == side->span_count)
        return false;
    w->at++;
    *index = w->index++;
    *count = side->buckets[w->bucket++];
    return true;
}

static bool walk_in(struct histogram_walk *w, const struct histogram_side *side, int64_t *index, double *count)
{
    while (w->at == 0) {
        if (w->span == 0)
            return false;
        w->index -= w->span < side->span_count ? side->spans[w->span].offset : 0;
        w->span--;
        w->at = side->spans[w->span].length;
    }
    w->at--;
    *index = --w->index;
    *count = side->buckets[--w->bucket];
    return true;
}

static void set_bounds(const struct histogram *h, int64_t index, bool is_negative, struct histogram_bucket *out)
{
    double far = histogram_bound(h, index), near = histogram_bound(h, index - 1), zero = h->zero_threshold;
    out->lower = is_negative ? -far : near;
    out->upper = is_negative ? -near : far;
    out->has_lower = is_custom(h) ? index == 0 : out->lower < 0;
    out->has_upper = is_custom(h) || out->upper > 0;
    if (out->upper < 0 && out->upper > -zero) /* it begins where the zero bucket ends */
        out->upper = -zero;
    else if (out->lower > 0 && out->lower < zero)
        out->lower = zero;
}

static struct histogram_walk walk_of(const struct histogram *h, bool is_reverse)
{
    struct histogram_walk w = { .h = h, .is_reverse = is_reverse };
    walk_enter(&w, is_reverse ? WALK_POSITIVE : WALK_NEGATIVE);
    return w;
}

struct histogram_walk histogram_walk(const struct histogram *h)
{
    return walk_of(h, false);
}

struct histogram_walk histogram_walk_down(const struct histogram *h)
{
    return walk_of(h, true);
}

static uint8_t part_after(const struct histogram_walk *w)
{
    if (w->part == WALK_ZERO)
        return w->is_reverse ? WALK_NEGATIVE : WALK_POSITIVE;
    return (w->part == WALK_NEGATIVE) == w->is_reverse ? WALK_END : WALK_ZERO;
}

bool histogram_next(struct histogram_walk *w, struct histogram_bucket *out)
{
    int64_t index = 0;
    *out = (struct histogram_bucket){ 0 };
    for (; w->part != WALK_END; walk_enter(w, part_after(w))) {
        if (w->part == WALK_ZERO) {
            if (!(w->h->zero_count > 0))
                continue;
            *out = (struct histogram_bucket){ -w->h->zero_threshold, w->h->zero_threshold, w->h->zero_count, true, true, true };
            walk_enter(w, part_after(w));
            return true;
        }
        const struct histogram_side *side = walk_side(w);
        if (is_outward(w) ? !walk_out(w, side, &index, &out->count) : !walk_in(w, side, &index, &out->count))
            continue;
        set_bounds(w->h, index, w->part == WALK_NEGATIVE, out);
        return true;
    }
    return false;
}
