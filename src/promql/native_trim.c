/* SPDX-License-Identifier: Apache-2.0 */
/* </ and >/: a histogram of the observations on one side of a number. Buckets that lie across it keep their share, by the
 * same scales as quantiles (native.c); count and sum are told anew from what is left. What lies in a bucket without end
 * cannot be told apart, unless it begins at zero for all one knows. */
#include "promql/native.h"

/* What stays of a bucket, and where it is taken to be. */
struct part {
    double count, middle;
};

static double middle_of(double lower, double upper, bool is_linear, bool is_positive)
{
    if (isinf(lower))
        return isinf(upper) ? 0 : upper > 0 ? upper / 2 : upper;
    if (isinf(upper))
        return lower;
    if (is_linear)
        return (lower + upper) / 2;
    double mean = sqrt(fabs(lower * upper));
    return is_positive ? mean : -mean;
}

static struct part part_below_endless(const struct histogram_bucket *b, double at, bool is_upper)
{
    if (is_upper) {
        if (at > 0 && b->upper > 0 && !isinf(b->upper))
            return (struct part){ b->count * at / b->upper, at / 2 };
        return b->upper <= 0 ? (struct part){ b->count, at } : (struct part){ 0, 0 };
    }
    if (at >= 0 && !isinf(b->upper))
        return (struct part){ b->count * (1 - at / b->upper), (at + b->upper) / 2 };
    return (struct part){ 0, 0 };
}

/* Of a bucket with lower < at < upper. */
static struct part part_across(const struct histogram_bucket *b, double at, bool is_upper, bool is_linear, bool is_positive)
{
    if (isinf(b->lower))
        return part_below_endless(b, at, is_upper);
    if (isinf(b->upper))
        return is_upper ? (struct part){ 0, 0 } : (struct part){ b->count, at };
    double below = (at - b->lower) / (b->upper - b->lower);
    if (!is_linear) {
        double lower = log2(fabs(b->lower)), upper = log2(fabs(b->upper)), place = log2(fabs(at));
        below = at > 0 ? (place - lower) / (upper - lower) : 1 - (place - upper) / (lower - upper);
    }
    below *= b->count;
    return is_upper ? (struct part){ below, middle_of(b->lower, at, is_linear, is_positive) }
                    : (struct part){ b->count - below, middle_of(at, b->upper, is_linear, is_positive) };
}

static struct part part_of(const struct histogram_bucket *b, double at, bool is_upper, bool is_linear, bool is_positive)
{
    bool is_whole = is_upper ? b->upper <= at : b->lower >= at, is_across = is_upper ? b->lower < at : b->upper > at;
    if (is_whole)
        return (struct part){ b->count, middle_of(b->lower, b->upper, is_linear, is_positive) };
    return is_across ? part_across(b, at, is_upper, is_linear, is_positive) : (struct part){ 0, 0 };
}

/* The zero bucket reaches only to the sides where something was observed. */
static struct part zero_part(const struct histogram *h, double at, bool is_upper, bool has_below, bool has_above)
{
    double lower = has_above && !has_below ? 0 : -h->zero_threshold, upper = has_below && !has_above ? 0 : h->zero_threshold;
    bool is_all = is_upper ? at >= upper : at <= lower, is_none = is_upper ? at <= lower : at >= upper;
    if (is_none)
        return (struct part){ 0, 0 };
    if (is_all)
        return (struct part){ h->zero_count, (lower + upper) / 2 };
    double from = is_upper ? lower : at, to = is_upper ? at : upper;
    return (struct part){ h->zero_count * ((to - from) / (upper - lower)), (from + to) / 2 };
}

const struct histogram *native_trim(struct arena *a, const struct histogram *h, double at, bool is_upper)
{
    struct histogram *out = histogram_copy(a, h);
    double count = 0, sum = 0;
    bool has_below = false, has_above = false, is_less = false;
    size_t below = h->negative.bucket_count, above = 0; /* the walk goes up: from the last negative bucket to the first */
    struct histogram_walk walk = histogram_walk(h);
    for (struct histogram_bucket b; histogram_next(&walk, &b);) {
        if (b.is_zero)
            continue;
        bool is_positive = below == 0;
        double *to = is_positive ? &out->positive.buckets[above++] : &out->negative.buckets[--below];
        if (b.count == 0)
            continue;
        has_above |= is_positive;
        has_below |= !is_positive;
        struct part part = part_of(&b, at, is_upper, native_is_custom(h), is_positive);
        is_less |= part.count != b.count;
        *to = part.count;
        count += part.count;
        sum += part.middle * part.count;
    }
    if (h->zero_count > 0) {
        struct part part = zero_part(h, at, is_upper, has_below, has_above);
        is_less |= part.count != h->zero_count;
        out->zero_count = part.count;
        count += part.count;
        sum += part.middle * part.count;
    }
    if (!is_less)
        return h;
    out->count = count;
    out->sum = sum;
    return histogram_compact(a, out);
}
