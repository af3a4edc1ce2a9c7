/* SPDX-License-Identifier: Apache-2.0 */
/* What the language does with native histograms (model/histogram.h has what they do by themselves). */
#ifndef STOA_PROMQL_NATIVE_H
#define STOA_PROMQL_NATIVE_H

#include "model/histogram.h"
#include "promql/eval.h"

/* ---- native.c: numbers of one ---- */

double native_count(const struct histogram *h);
double native_total(const struct histogram *h); /* sum of what was observed */
double native_mean(const struct histogram *h);
double native_stddev(const struct histogram *h);
double native_stdvar(const struct histogram *h);
/* metric: for notes; empty when it is not to be named. */
double native_quantile(struct eval *e, const struct node *at, struct slice metric, double q, const struct histogram *h);
double native_fraction(struct eval *e, const struct node *at, struct slice metric, double lower, double upper, const struct histogram *h);

static inline bool native_is_custom(const struct histogram *h)
{
    return h->schema == HISTOGRAM_SCHEMA_CUSTOM;
}

/* ---- native_trim.c ---- */

/* Without what was observed above at (is_upper) or below it, as far as buckets tell. Lives in a. */
const struct histogram *native_trim(struct arena *a, const struct histogram *h, double at, bool is_upper);

/* ---- native_sum.c: sums and means of many, by Kahan ---- */

/* Zeroed but for is_mean is empty. What it holds lives in the arena a, the same for all calls. */
struct native_sum {
    struct histogram *sum, *rest; /* of the same layout; rest: what rounding took from sum; NULL: nothing */
    double count;
    bool is_mean, is_incremental; /* the sum would overflow: it is the mean that is carried */
    bool is_mixed;                /* exponential met custom buckets: no result */
    bool has_reset, has_not_reset, has_merged_bounds;
};
/* False: h has other kinds of buckets than those before. scratch: what is left in it is not needed any more; may be a. */
bool native_sum_add(struct arena *a, struct arena *scratch, struct native_sum *s, const struct histogram *h);
/* Lives in a. NULL: none. */
struct histogram *native_sum_result(struct arena *a, const struct native_sum *s);
/* Says at the node what came up while adding. */
void native_sum_tell(struct eval *e, const struct node *at, const struct native_sum *s);

/* ---- native_range.c: of windows with at least one histogram ---- */

double native_rate(const struct window *w);
double native_increase(const struct window *w);
double native_delta(const struct window *w);
double native_irate(const struct window *w);
double native_idelta(const struct window *w);
double native_sum_over(const struct window *w);
double native_avg_over(const struct window *w);
double native_changes(const struct window *w);
double native_resets(const struct window *w);
/* With the numbers of the window alone. */
double native_numbers_only(const struct function *fn, const struct window *w);
/* Where the notes of a call with a range stand. */
const struct node *native_range_place(const struct node *call);

void native_warn_mixed(const struct window *w);       /* numbers and histograms */
void native_warn_layouts(const struct window *w);     /* exponential and custom buckets */
void native_info_merged(const struct window *w, bool is_addition);
void native_warn_not_counter(const struct window *w);
void native_warn_not_gauge(const struct window *w);

/* ---- native_extended.c ---- */

/* rate, increase or delta between exact ends; the samples [low, high) are all that lookback reaches, one of them a histogram. */
double native_extended(const struct extended *x, size_t low, size_t high, const struct window *w, bool is_counter, bool is_rate);
/* The value at t between the samples [low, high); ABSENT: none, or the two do not fit. w: for notes and results. */
double native_between(const struct extended *x, size_t low, size_t high, int64_t t, const struct window *w);

/* ---- binary_native.c ---- */

/* An operator between two values, of which one is a histogram, or that trims. kept: what a comparison lets through. */
double binary_native(struct eval *e, const struct node *n, double l, double r, double kept);

#endif
