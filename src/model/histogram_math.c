/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms added up, compared, and brought to fewer buckets.
 *
 * Spans are a way to write down a list of places with counts, and the list is what one reckons with: sides are unrolled,
 * lists are merged, thinned or compared, and the result is rolled up again, always the same way: neighbours share a span.
 * What two histograms disagree on is settled first: the lower resolution and the wider zero bucket win, and of custom bounds
 * those stay that both have. */
#include "model/histogram.h"

#include <math.h>

struct place {
    int64_t index;
    double count;
};

struct places {
    struct place *list;
    size_t n;
};

static bool is_custom(const struct histogram *h)
{
    return h->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

/* Adds to the last place if it is the same one. */
static void put(struct places *p, int64_t index, double count)
{
    if (p->n && p->list[p->n - 1].index == index)
        p->list[p->n - 1].count += count;
    else
        p->list[p->n++] = (struct place){ index, count };
}

/* In a resolution lower by so many steps. */
static struct places unroll(struct arena *a, const struct histogram_side *side, int steps)
{
    struct places out = { arena_array(a, struct place, side->bucket_count), 0 };
    int64_t index = 0;
    const double *bucket = side->buckets;
    for (uint32_t i = 0; i < side->span_count; i++) {
        index += side->spans[i].offset;
        for (uint32_t k = 0; k < side->spans[i].length; k++, index++)
            put(&out, ((index - 1) >> steps) + 1, *bucket++);
    }
    return out;
}

static struct histogram_side roll(struct arena *a, struct places p)
{
    struct histogram_side out = { .bucket_count = (uint32_t)p.n };
    int64_t end = 0;
    for (size_t i = 0; i < p.n; i++)
        out.span_count += i == 0 || p.list[i].index != p.list[i - 1].index + 1;
    out.spans = arena_array(a, struct histogram_span, out.span_count);
    out.buckets = arena_array(a, double, out.bucket_count);
    out.span_count = 0;
    for (size_t i = 0; i < p.n; end = p.list[i++].index + 1) {
        if (i == 0 || p.list[i].index != end)
            out.spans[out.span_count++] = (struct histogram_span){ (int32_t)(p.list[i].index - end), 0 };
        out.spans[out.span_count - 1].length++;
        out.buckets[i] = p.list[i].count;
    }
    return out;
}

/* x + sign * y */
static struct places merge(struct arena *a, struct places x, struct places y, double sign)
{
    struct places out = { arena_array(a, struct place, x.n + y.n), 0 };
    for (size_t i = 0, k = 0; i < x.n || k < y.n;) {
        if (k == y.n || (i < x.n && x.list[i].index <= y.list[k].index)) {
            put(&out, x.list[i].index, x.list[i].count);
            i++;
        } else {
            put(&out, y.list[k].index, sign * y.list[k].count);
            k++;
        }
    }
    return out;
}

/* ---- one histogram ---- */

static struct histogram *shallow(struct arena *a, const struct histogram *h)
{
    struct histogram *out = arena_new_of(a, struct histogram);
    *out = *h;
    out->bounds = arena_array(a, double, h->bound_count);
    if (h->bound_count)
        memcpy(out->bounds, h->bounds, h->bound_count * sizeof *h->bounds);
    return out;
}

static void apply(struct histogram *h, double factor, bool is_division)
{
    double *one[] = { &h->count, &h->sum, &h->zero_count };
    const struct histogram_side *sides[] = { &h->positive, &h->negative };
    for (size_t i = 0; i < COUNT_OF(one); i++)
        *one[i] = is_division ? *one[i] / factor : *one[i] * factor;
    for (size_t s = 0; s < COUNT_OF(sides); s++)
        for (uint32_t i = 0; i < sides[s]->bucket_count; i++)
            sides[s]->buckets[i] = is_division ? sides[s]->buckets[i] / factor : sides[s]->buckets[i] * factor;
    if (factor < 0)
        h->hint = HINT_GAUGE;
}

struct histogram *histogram_scale(struct arena *a, const struct histogram *h, double factor)
{
    struct histogram *out = histogram_copy(a, h);
    apply(out, factor, false);
    return out;
}

struct histogram *histogram_divide(struct arena *a, const struct histogram *h, double by)
{
    struct histogram *out = histogram_copy(a, h);
    if (by == 0)
        out->positive = out->negative = (struct histogram_side){ 0 };
    apply(out, by, true);
    return out;
}

struct histogram *histogram_reduce(struct arena *a, const struct histogram *h, int schema)
{
    struct histogram *out = shallow(a, h);
    int steps = is_custom(h) || schema >= h->schema ? 0 : h->schema - schema;
    out->schema = (int8_t)(h->schema - steps);
    out->positive = roll(a, unroll(a, &h->positive, steps));
    out->negative = roll(a, unroll(a, &h->negative, steps));
    return out;
}

static struct places without_empty(struct places p)
{
    struct places out = { p.list, 0 };
    for (size_t i = 0; i < p.n; i++)
        if (p.list[i].count != 0)
            out.list[out.n++] = p.list[i];
    return out;
}

struct histogram *histogram_compact(struct arena *a, const struct histogram *h)
{
    struct histogram *out = shallow(a, h);
    out->positive = roll(a, without_empty(unroll(a, &h->positive, 0)));
    out->negative = roll(a, without_empty(unroll(a, &h->negative, 0)));
    return out;
}

/* ---- the zero bucket ---- */

/* A histogram taken apart: its numbers (spans are not looked at), and its places. */
struct parts {
    struct histogram h;
    struct places sides[2]; /* positive, negative */
};

static struct parts parts_of(struct arena *a, const struct histogram *h, int schema)
{
    struct parts out = { .h = *h };
    int steps = is_custom(h) ? 0 : h->schema - schema;
    out.h.schema = (int8_t)(h->schema - steps);
    out.sides[0] = unroll(a, &h->positive, steps);
    out.sides[1] = unroll(a, &h->negative, steps);
    return out;
}

/* The end of the bucket with observations that threshold lies within; threshold itself if there is none. */
static double past_buckets(const struct parts *p, double threshold)
{
    for (size_t s = 0; s < COUNT_OF(p->sides); s++)
        for (size_t i = 0; i < p->sides[s].n && histogram_bound(&p->h, p->sides[s].list[i].index - 1) < threshold; i++)
            if (p->sides[s].list[i].count != 0)
                threshold = fmax(threshold, histogram_bound(&p->h, p->sides[s].list[i].index));
    return threshold;
}

/* A zero bucket that takes in what is within. */
static void widen(struct parts *p, double threshold)
{
    for (size_t s = 0; s < COUNT_OF(p->sides) && threshold > p->h.zero_threshold; s++) {
        struct places *side = &p->sides[s];
        size_t n = 0;
        for (; n < side->n && histogram_bound(&p->h, side->list[n].index - 1) < threshold; n++)
            p->h.zero_count += side->list[n].count;
        *side = (struct places){ side->list + n, side->n - n };
    }
    p->h.zero_threshold = threshold;
}

/* The narrowest zero bucket that is none too narrow for both. Schemas differ: each is asked in its own. */
static double common_threshold(const struct parts *x, const struct parts *y)
{
    double threshold = fmax(x->h.zero_threshold, y->h.zero_threshold), before;
    do {
        before = threshold;
        if (threshold > x->h.zero_threshold)
            threshold = past_buckets(x, threshold);
        if (threshold > y->h.zero_threshold)
            threshold = past_buckets(y, threshold);
    } while (threshold > before);
    return threshold;
}

/* ---- custom bounds ---- */

static bool same_bounds(const struct histogram *x, const struct histogram *y)
{
    if (x->bound_count != y->bound_count)
        return false;
    for (uint32_t i = 0; i < x->bound_count; i++)
        if (x->bounds[i] != y->bounds[i])
            return false;
    return true;
}

static void common_bounds(struct arena *a, const struct histogram *x, const struct histogram *y, struct histogram *out)
{
    out->bounds = arena_array(a, double, x->bound_count < y->bound_count ? x->bound_count : y->bound_count);
    out->bound_count = 0;
    for (uint32_t i = 0, k = 0; i < x->bound_count && k < y->bound_count;) {
        if (x->bounds[i] == y->bounds[k]) {
            out->bounds[out->bound_count++] = x->bounds[i];
            k++;
            i++;
        } else if (x->bounds[i] < y->bounds[k])
            i++;
        else
            k++;
    }
}

/* h's buckets between fewer bounds. */
static struct places between(struct arena *a, const struct histogram *h, const struct histogram *fewer)
{
    struct places all = unroll(a, &h->positive, 0), out = { all.list, 0 };
    uint32_t at = 0;
    for (size_t i = 0; i < all.n; i++) {
        while (at < fewer->bound_count && fewer->bounds[at] < histogram_bound(h, all.list[i].index))
            at++;
        put(&out, at, all.list[i].count);
    }
    return out;
}

/* ---- two histograms ---- */

static bool same_spans(const struct histogram_side *x, const struct histogram_side *y)
{
    if (x->span_count != y->span_count || x->bucket_count != y->bucket_count)
        return false;
    for (uint32_t i = 0; i < x->span_count; i++)
        if (x->spans[i].offset != y->spans[i].offset || x->spans[i].length != y->spans[i].length)
            return false;
    return true;
}

/* Then buckets can be taken one by one: nearly always so. */
static bool same_layout(const struct histogram *x, const struct histogram *y)
{
    return x->schema == y->schema && x->zero_threshold == y->zero_threshold && same_bounds(x, y) && same_spans(&x->positive, &y->positive) &&
           same_spans(&x->negative, &y->negative);
}

static uint8_t common_hint(uint8_t x, uint8_t y, struct histogram_note *note)
{
    if (x == y)
        return x;
    if (x == HINT_GAUGE || y == HINT_GAUGE)
        return HINT_GAUGE;
    note->has_hint_conflict |= x != HINT_UNKNOWN && y != HINT_UNKNOWN;
    return HINT_UNKNOWN;
}

static void add_custom(struct arena *a, struct histogram *out, const struct histogram *x, const struct histogram *y, double sign,
                       struct histogram_note *note)
{
    if (same_bounds(x, y)) {
        out->positive = roll(a, merge(a, unroll(a, &x->positive, 0), unroll(a, &y->positive, 0), sign));
        return;
    }
    note->has_merged_bounds = true;
    common_bounds(a, x, y, out);
    out->positive = roll(a, without_empty(merge(a, between(a, x, out), between(a, y, out), sign)));
}

static void add_exponential(struct arena *a, struct histogram *out, const struct histogram *x, const struct histogram *y, double sign)
{
    int schema = x->schema < y->schema ? x->schema : y->schema;
    struct parts left = parts_of(a, x, x->schema), right = parts_of(a, y, y->schema);
    double threshold = common_threshold(&left, &right);
    widen(&left, threshold);
    widen(&right, threshold);
    for (size_t s = 0; s < COUNT_OF(left.sides); s++) {
        struct places *sides[] = { &left.sides[s], &right.sides[s] };
        int steps[] = { x->schema - schema, y->schema - schema };
        for (size_t i = 0; i < COUNT_OF(sides); i++) {
            struct places fewer = { sides[i]->list, 0 };
            for (size_t k = 0; k < sides[i]->n; k++)
                put(&fewer, ((sides[i]->list[k].index - 1) >> steps[i]) + 1, sides[i]->list[k].count);
            *sides[i] = fewer;
        }
    }
    out->schema = (int8_t)schema;
    out->zero_threshold = threshold;
    out->zero_count = left.h.zero_count + sign * right.h.zero_count;
    out->positive = roll(a, merge(a, left.sides[0], right.sides[0], sign));
    out->negative = roll(a, merge(a, left.sides[1], right.sides[1], sign));
}

static struct histogram *combine(struct arena *a, const struct histogram *x, const struct histogram *y, double sign, struct histogram_note *note)
{
    if (is_custom(x) != is_custom(y))
        return NULL;
    bool is_alike = same_layout(x, y);
    struct histogram *out = is_alike ? histogram_copy(a, x) : shallow(a, x);
    out->hint = common_hint(x->hint, y->hint, note);
    out->count = x->count + sign * y->count;
    out->sum = x->sum + sign * y->sum;
    if (is_alike) {
        out->zero_count = x->zero_count + sign * y->zero_count;
        for (uint32_t i = 0; i < y->positive.bucket_count; i++)
            out->positive.buckets[i] += sign * y->positive.buckets[i];
        for (uint32_t i = 0; i < y->negative.bucket_count; i++)
            out->negative.buckets[i] += sign * y->negative.buckets[i];
    } else if (is_custom(x))
        add_custom(a, out, x, y, sign, note);
    else
        add_exponential(a, out, x, y, sign);
    return out;
}

struct histogram *histogram_add(struct arena *a, const struct histogram *x, const struct histogram *y, struct histogram_note *note)
{
    return combine(a, x, y, 1, note);
}

struct histogram *histogram_sub(struct arena *a, const struct histogram *x, const struct histogram *y, struct histogram_note *note)
{
    return combine(a, x, y, -1, note);
}

/* ---- comparisons ---- */

static bool same_places(struct places x, struct places y)
{
    bool same = x.n == y.n;
    for (size_t i = 0; same && i < x.n; i++)
        same = x.list[i].index == y.list[i].index && double_bits(x.list[i].count) == double_bits(y.list[i].count);
    return same;
}

static bool same_bits(const struct histogram_side *x, const struct histogram_side *y)
{
    return x->bucket_count == 0 || memcmp(x->buckets, y->buckets, x->bucket_count * sizeof *x->buckets) == 0;
}

bool histogram_equal(const struct histogram *x, const struct histogram *y)
{
    if (x->schema != y->schema || double_bits(x->count) != double_bits(y->count) || double_bits(x->sum) != double_bits(y->sum) ||
        !same_bounds(x, y) || x->zero_threshold != y->zero_threshold || double_bits(x->zero_count) != double_bits(y->zero_count))
        return false;
    if (same_layout(x, y))
        return same_bits(&x->positive, &y->positive) && same_bits(&x->negative, &y->negative);
    struct arena *a = arena_new(0);
    bool same = same_places(unroll(a, &x->positive, 0), unroll(a, &y->positive, 0)) &&
                same_places(unroll(a, &x->negative, 0), unroll(a, &y->negative, 0));
    arena_free(a);
    return same;
}

/* Is a count smaller than it was? One that is not there counts 0. */
static bool has_fallen(struct places before, struct places now)
{
    for (size_t i = 0, k = 0; i < before.n; i++) {
        while (k < now.n && now.list[k].index < before.list[i].index)
            k++;
        bool is_there = k < now.n && now.list[k].index == before.list[i].index;
        if (is_there ? now.list[k].count < before.list[i].count : before.list[i].count != 0)
            return true;
    }
    return false;
}

static bool bucket_has_fallen(const struct histogram_side *before, const struct histogram_side *now)
{
    for (uint32_t i = 0; i < now->bucket_count; i++)
        if (now->buckets[i] < before->buckets[i])
            return true;
    return false;
}

static bool custom_is_reset(struct arena *a, const struct histogram *before, const struct histogram *h)
{
    struct histogram common = *h;
    if (same_bounds(before, h))
        return has_fallen(unroll(a, &before->positive, 0), unroll(a, &h->positive, 0));
    common_bounds(a, before, h, &common);
    return has_fallen(between(a, before, &common), between(a, h, &common));
}

static bool exponential_is_reset(struct arena *a, const struct histogram *before, const struct histogram *h)
{
    struct parts was = parts_of(a, before, before->schema), now = parts_of(a, h, h->schema);
    if (h->zero_threshold > before->zero_threshold && past_buckets(&was, h->zero_threshold) != h->zero_threshold)
        return true; /* a zero bucket never grows into the middle of another */
    widen(&was, h->zero_threshold);
    if (now.h.zero_count < was.h.zero_count)
        return true;
    for (size_t s = 0; s < COUNT_OF(was.sides); s++) {
        struct places fewer = { was.sides[s].list, 0 };
        for (size_t i = 0; i < was.sides[s].n; i++)
            put(&fewer, ((was.sides[s].list[i].index - 1) >> (before->schema - h->schema)) + 1, was.sides[s].list[i].count);
        if (has_fallen(fewer, now.sides[s]))
            return true;
    }
    return false;
}

bool histogram_is_reset(const struct histogram *before, const struct histogram *h)
{
    if (h->hint == HINT_RESET || h->hint == HINT_NOT_RESET)
        return h->hint == HINT_RESET;
    if (h->count < before->count || is_custom(h) != is_custom(before) || h->schema > before->schema || h->zero_threshold < before->zero_threshold)
        return true;
    if (same_layout(before, h))
        return h->zero_count < before->zero_count || bucket_has_fallen(&before->positive, &h->positive) ||
               bucket_has_fallen(&before->negative, &h->negative);
    struct arena *a = arena_new(0);
    bool yes = is_custom(h) ? custom_is_reset(a, before, h) : exponential_is_reset(a, before, h);
    arena_free(a);
    return yes;
}
