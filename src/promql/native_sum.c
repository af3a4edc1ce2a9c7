/* SPDX-License-Identifier: Apache-2.0 */
/* Sums and means of native histograms, each number of them by Kahan's way (query/agg.h).
 *
 * While all have the same layout, numbers are added place by place. When layouts differ, the model adds the two: that gives
 * the layout of both, into which the sum, what rounding took from it and the new one are brought by adding them to nothing. */
#include "promql/native.h"

/* The numbers of h, one by one: count, sum, around zero, then the buckets. */
static double *place(struct histogram *h, size_t i)
{
    if (i < 3)
        return i == 0 ? &h->count : i == 1 ? &h->sum : &h->zero_count;
    i -= 3;
    return i < h->positive.bucket_count ? &h->positive.buckets[i] : &h->negative.buckets[i - h->positive.bucket_count];
}

static double number(const struct histogram *h, size_t i)
{
    if (i < 3)
        return i == 0 ? h->count : i == 1 ? h->sum : h->zero_count;
    i -= 3;
    return i < h->positive.bucket_count ? h->positive.buckets[i] : h->negative.buckets[i - h->positive.bucket_count];
}

static size_t number_count(const struct histogram *h)
{
    return 3 + (size_t)h->positive.bucket_count + h->negative.bucket_count;
}

static bool same_spans(const struct histogram_side *a, const struct histogram_side *b)
{
    if (a->span_count != b->span_count || a->bucket_count != b->bucket_count)
        return false;
    for (size_t i = 0; i < a->span_count; i++)
        if (a->spans[i].offset != b->spans[i].offset || a->spans[i].length != b->spans[i].length)
            return false;
    return true;
}

static bool same_layout(const struct histogram *a, const struct histogram *b)
{
    if (a->schema != b->schema || a->zero_threshold != b->zero_threshold || a->bound_count != b->bound_count)
        return false;
    for (size_t i = 0; i < a->bound_count; i++)
        if (a->bounds[i] != b->bounds[i])
            return false;
    return same_spans(&a->positive, &b->positive) && same_spans(&a->negative, &b->negative);
}

static struct histogram *nothing_like(struct arena *a, const struct histogram *h)
{
    struct histogram *zero = histogram_copy(a, h);
    for (size_t i = 0; i < number_count(zero); i++)
        *place(zero, i) = 0;
    return zero;
}

static uint8_t both_hints(uint8_t a, uint8_t b)
{
    if (a == b || a == HINT_GAUGE || b == HINT_GAUGE)
        return a == b ? a : HINT_GAUGE;
    return HINT_UNKNOWN;
}

/* Brings all into one layout; gives h in it. What is kept is new in a only where the sum's own layout changes. */
static const struct histogram *meet(struct arena *a, struct arena *scratch, struct native_sum *s, const struct histogram *h)
{
    struct histogram_note note = { 0 }, unused = { 0 };
    if (same_layout(s->sum, h))
        return h;
    struct histogram *both = histogram_add(scratch, s->sum, h, &note), *zero = nothing_like(scratch, both);
    struct histogram *sum = histogram_add(scratch, zero, s->sum, &unused), *more = histogram_add(scratch, zero, h, &unused);
    struct histogram *rest = s->rest ? histogram_add(scratch, zero, s->rest, &unused) : NULL;
    bool fits = same_layout(sum, more);
    s->has_merged_bounds |= note.has_merged_bounds;
    both->hint = sum->hint = s->sum->hint;
    if (fits && same_layout(sum, s->sum))
        return more;
    s->sum = histogram_copy(a, fits ? sum : both); /* where places do not agree, the plain sum is right as well */
    s->rest = fits && rest && same_layout(sum, rest) ? histogram_copy(a, rest) : NULL;
    return fits ? more : NULL;
}

static bool overflows(const struct histogram *a, const struct histogram *b)
{
    for (size_t i = 0; i < number_count(a); i++)
        if (isinf(number(a, i) + number(b, i)))
            return true;
    return false;
}

static void multiply(struct histogram *h, double by)
{
    for (size_t i = 0; h && i < number_count(h); i++)
        *place(h, i) *= by;
}

static void divide(struct histogram *h, double by)
{
    for (size_t i = 0; h && i < number_count(h); i++)
        *place(h, i) /= by;
}

static void add_all(struct arena *a, struct native_sum *s, const struct histogram *h, double share)
{
    if (s->rest == NULL)
        s->rest = nothing_like(a, s->sum);
    for (size_t i = 0; i < number_count(s->sum); i++)
        agg_kahan_add(number(h, i) / share, place(s->sum, i), place(s->rest, i));
}

bool native_sum_add(struct arena *a, struct arena *scratch, struct native_sum *s, const struct histogram *h)
{
    s->count++;
    if (s->sum && native_is_custom(s->sum) != native_is_custom(h)) {
        s->is_mixed = true;
        return false;
    }
    s->has_reset |= h->hint == HINT_RESET;
    s->has_not_reset |= h->hint == HINT_NOT_RESET;
    if (s->sum == NULL) {
        s->sum = histogram_copy(a, h);
        return true;
    }
    const struct histogram *more = meet(a, scratch, s, h);
    s->sum->hint = both_hints(s->sum->hint, h->hint);
    if (more == NULL)
        return true;
    if (s->is_mean && !s->is_incremental && overflows(s->sum, more)) {
        s->is_incremental = true;
        divide(s->sum, s->count - 1);
        divide(s->rest, s->count - 1);
    }
    if (s->is_incremental) {
        multiply(s->sum, (s->count - 1) / s->count);
        multiply(s->rest, (s->count - 1) / s->count);
    }
    add_all(a, s, more, s->is_incremental ? s->count : 1);
    return true;
}

struct histogram *native_sum_result(struct arena *a, const struct native_sum *s)
{
    if (s->sum == NULL || s->is_mixed)
        return NULL;
    struct histogram *out = histogram_copy(a, s->sum);
    double by = s->is_mean && !s->is_incremental ? s->count : 1;
    for (size_t i = 0; i < number_count(out); i++)
        *place(out, i) = number(out, i) / by + (s->rest ? number(s->rest, i) / by : 0);
    return out;
}

void native_sum_tell(struct eval *e, const struct node *at, const struct native_sum *s)
{
    if (s->has_reset && s->has_not_reset)
        eval_warn(e, at, "conflicting counter resets during histogram aggregation");
    if (s->has_merged_bounds)
        eval_info(e, at, "mismatched custom buckets were reconciled during aggregation");
}
