/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers of one native histogram.
 *
 * Within a bucket, observations lie evenly: on a linear scale in custom buckets and around zero, else on a logarithmic one,
 * where all exponential buckets are equally wide. A zero bucket reaches only to the side that has other buckets. */
#include "promql/native.h"

#include <stdarg.h>
#include <stdio.h>

double native_count(const struct histogram *h)
{
    return h->count;
}

double native_total(const struct histogram *h)
{
    return h->sum;
}

double native_mean(const struct histogram *h)
{
    return h->sum / h->count;
}

/* Where a bucket's observations are taken to be, all of them. */
static double centre(const struct histogram *h, const struct histogram_bucket *b)
{
    if (native_is_custom(h))
        return (b->upper + b->lower) / 2;
    if (b->lower <= 0 && b->upper >= 0)
        return 0;
    double mean = sqrt(b->upper * b->lower);
    return b->upper < 0 ? -mean : mean;
}

double native_stdvar(const struct histogram *h)
{
    double mean = native_mean(h), sum = 0, rest = 0;
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);) {
        if (b.count == 0)
            continue;
        double off = centre(h, &b) - mean;
        agg_kahan_add(b.count * off * off, &sum, &rest);
    }
    return (sum + rest) / h->count;
}

double native_stddev(const struct histogram *h)
{
    return sqrt(native_stdvar(h));
}

/* A zero bucket with neighbours on one side only ends at zero on the other. */
static void narrow_zero(const struct histogram *h, struct histogram_bucket *b)
{
    bool has_below = h->negative.bucket_count > 0, has_above = h->positive.bucket_count > 0;
    if (has_above && !has_below)
        b->lower = 0;
    else if (has_below && !has_above)
        b->upper = 0;
}

/* Observations that are in no bucket: NaN. They make the sum NaN, as +Inf and -Inf together do, too. */
static bool has_nan(const struct histogram *h)
{
    double in_buckets = 0;
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);)
        in_buckets += b.count;
    return in_buckets < h->count;
}

static void PRINTF_LIKE(4, 5) info(struct eval *e, const struct node *at, struct slice metric, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    if (metric.len)
        eval_info(e, at, "%s for metric name \"%.*s\"", text, SLICE_FMT(metric));
    else
        eval_info(e, at, "%s", text);
}

/* From a bucket's lower end to the share of its observations. */
static double within(const struct histogram *h, const struct histogram_bucket *b, double share)
{
    if (native_is_custom(h) || (b->lower <= 0 && b->upper >= 0))
        return b->lower + (b->upper - b->lower) * share;
    double lower = log2(fabs(b->lower)), upper = log2(fabs(b->upper));
    if (b->lower > 0)
        return exp2(lower + (upper - lower) * share);
    return -exp2(upper + (lower - upper) * (1 - share));
}

/* The walk starts at the nearer end, for precision; NaN count as above all, so with them it starts below. */
double native_quantile(struct eval *e, const struct node *at, struct slice metric, double q, const struct histogram *h)
{
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    if (h->count == 0 || isnan(q))
        return NAN;
    bool is_up = isnan(h->sum) || q < 0.5;
    double rank = (is_up ? q : 1 - q) * h->count, count = 0;
    struct histogram_bucket b = { 0 }, next;
    struct histogram_walk walk = is_up ? histogram_walk(h) : histogram_walk_down(h);
    while (histogram_next(&walk, &next)) {
        b = next;
        count += b.count;
        if (b.count != 0 && count >= rank)
            break;
    }
    if (native_is_custom(h)) {
        if (b.lower == -INFINITY) {
            if (b.upper <= 0)
                return b.upper;
            b.lower = 0;
        } else if (b.upper == INFINITY)
            return b.lower;
    } else if (b.lower < 0 && b.upper > 0)
        narrow_zero(h, &b);
    count = fmin(count, h->count);
    if (count < rank) {
        if (!isnan(h->sum))
            return b.upper;
        info(e, at, metric, "input to histogram_quantile has NaN observations, result is NaN");
        return NAN;
    }
    if (isnan(h->sum) && has_nan(h))
        info(e, at, metric, "input to histogram_quantile has NaN observations, result is skewed higher");
    return within(h, &b, (is_up ? rank - (count - b.count) : count - rank) / b.count);
}

/* Observations in b up to v, which lies in it. before: those in the buckets below. */
static double rank_in(const struct histogram *h, const struct histogram_bucket *b, double v, double before)
{
    bool is_linear = native_is_custom(h) || (b->lower <= 0 && b->upper >= 0);
    if (is_linear && b->lower == -INFINITY)
        return b->count; /* no line goes through a bucket without end */
    if (is_linear)
        return before + b->count * ((v - b->lower) / (b->upper - b->lower));
    double lower = log2(fabs(b->lower)), upper = log2(fabs(b->upper)), place = log2(fabs(v));
    return before + b->count * (v > 0 ? (place - lower) / (upper - lower) : 1 - (place - upper) / (lower - upper));
}

struct edge {
    double at, rank;
    bool is_set;
};

static void edge_look(struct edge *x, const struct histogram *h, const struct histogram_bucket *b, double before)
{
    if (x->is_set)
        return;
    if (b->lower >= x->at)
        x->rank = before;
    else if (b->upper > x->at)
        x->rank = rank_in(h, b, x->at, before);
    else
        return;
    x->is_set = true;
}

double native_fraction(struct eval *e, const struct node *at, struct slice metric, double lower, double upper, const struct histogram *h)
{
    if (h->count == 0 || isnan(lower) || isnan(upper))
        return NAN;
    if (lower >= upper)
        return 0;
    struct edge low = { .at = lower }, high = { .at = upper };
    double before = 0, total = h->count;
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);) {
        if (b.lower <= 0 && b.upper >= 0)
            narrow_zero(h, &b);
        edge_look(&low, h, &b, before);
        edge_look(&high, h, &b, before);
        before += b.count;
    }
    if (isnan(h->sum)) {
        total = before;
        if (before < h->count)
            info(e, at, metric, "input to histogram_fraction has NaN observations, which are excluded from all fractions");
    }
    if (!low.is_set || low.rank > total)
        low.rank = total;
    if (!high.is_set || high.rank > total)
        high.rank = total;
    return (high.rank - low.rank) / h->count;
}
