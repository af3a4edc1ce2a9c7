/* SPDX-License-Identifier: Apache-2.0 */
/* What the function table names, by file. */
#ifndef STOA_PROMQL_PARTS_H
#define STOA_PROMQL_PARTS_H

#include "promql/eval.h"

/* rangefn.c: of one window with at least one sample; ABSENT: no value */
double range_rate(const struct window *w);
double range_increase(const struct window *w);
double range_delta(const struct window *w);
double range_irate(const struct window *w);
double range_idelta(const struct window *w);
double range_sum(const struct window *w);
double range_avg(const struct window *w);
double range_min(const struct window *w);
double range_max(const struct window *w);
double range_count(const struct window *w);
double range_last(const struct window *w);
double range_first(const struct window *w);
double range_present(const struct window *w);
double range_stddev(const struct window *w);
double range_stdvar(const struct window *w);
double range_quantile(const struct window *w);
double range_mad(const struct window *w);
double range_changes(const struct window *w);
double range_resets(const struct window *w);
double range_deriv(const struct window *w);
double range_predict_linear(const struct window *w);
double range_double_exponential(const struct window *w);
double range_ts_of_min(const struct window *w);
double range_ts_of_max(const struct window *w);
double range_ts_of_first(const struct window *w);
double range_ts_of_last(const struct window *w);

/* How far the slope between first and last sample is carried towards the ends of the range, as a factor of result: to the end
 * when it is near (1.1 of the mean distance between samples), else half such a distance; a counter, which was first at the
 * first sample, not below zero, and to where it began when that is known. */
double range_stretch(const struct window *w, double first, double result, bool is_counter);
/* The window's first sample began to count within it. */
bool range_is_born_inside(const struct window *w);
/* Sample i > 0 began to count behind the one before. */
bool range_is_born_anew(const struct window *w, size_t i);

/* extended.c: fn over the window's times, with ends as x says */
double extended_range(const struct extended *x, const struct window *w, const struct function *fn);
/* The value at t on the line between the samples around it; ABSENT when there is none before. w: for notes and results. */
double extended_at(const struct extended *x, int64_t t, const struct window *w);

#define STREAM(name) \
    enum status name(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
/* vector.c */
STREAM(vector_absent);
STREAM(vector_absent_over_time);
STREAM(vector_double_exponential);
STREAM(vector_sort);
STREAM(vector_sort_desc);
STREAM(vector_sort_by_label);
STREAM(vector_sort_by_label_desc);
STREAM(vector_timestamp);
STREAM(vector_start_timestamp);
STREAM(vector_vector);
enum status vector_scalar(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_time(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_pi(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_start(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_end(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_step(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_range(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_min_of(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
enum status vector_max_of(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
/* info.c */
STREAM(info_info);
/* label.c */
STREAM(label_replace);
STREAM(label_join);
/* buckets.c */
STREAM(buckets_quantile);
STREAM(buckets_quantiles);
STREAM(buckets_fraction);

#endif
