/* SPDX-License-Identifier: Apache-2.0 */
/* Accumulators for one point in time of one group: languages keep an array of them per group, a cell per step, and fold
 * one series after the other into it. Numbers as Prometheus computes them: Kahan-Neumaier sums, means that do not
 * overflow, Welford's variance, NaN below everything in order. Nothing here has state of its own; one thread per cell. */
#ifndef STOA_QUERY_AGG_H
#define STOA_QUERY_AGG_H

#include "base/arena.h"

enum agg_op { AGG_SUM, AGG_AVG, AGG_MIN, AGG_MAX, AGG_COUNT, AGG_GROUP, AGG_STDDEV, AGG_STDVAR };

/* Zeroed is empty; count says how many values are in. */
struct agg_cell {
    double value, comp, mean, count;
    bool is_incremental; /* avg: the sum would overflow, so the mean is carried instead */
};

void agg_add(enum agg_op op, struct agg_cell *cell, double v);
/* One series into a row of cells; steps where skip's bits stand are left out. */
void agg_add_row(enum agg_op op, struct agg_cell *cells, const double *v, size_t n, uint64_t skip);
/* NaN when the cell is empty. */
double agg_result(enum agg_op op, const struct agg_cell *cell);

/* sum and compensation after adding inc; the sum proper is *sum + *comp. */
void agg_kahan_add(double inc, double *sum, double *comp);

/* A growing list of numbers, for quantiles. Zeroed is empty; lives in the arena given to it. */
struct agg_values {
    double *list;
    size_t count, cap;
};

void agg_values_add(struct arena *a, struct agg_values *values, double v);
/* Sorts values in place, NaN first. NaN when there is none or q is NaN; -Inf below 0, +Inf above 1. */
double agg_quantile(double q, double *values, size_t count);
void agg_sort(double *values, size_t count);

/* The k largest (or smallest) values, with a tag saying whose each is. Zeroed is empty. */
struct agg_ranked {
    double v;
    uint64_t tag;
};
struct agg_top {
    struct agg_ranked *list; /* a heap: what would leave first stands first */
    size_t count, cap;
};

/* k > 0. is_bottom: the smallest. NaN is worse than any number for both. The same is_bottom for all calls of one top. */
void agg_top_add(struct arena *a, struct agg_top *top, size_t k, bool is_bottom, double v, uint64_t tag);
/* Best first; equal ones in the order of their tags. The top takes no more values after that. */
void agg_top_sort(struct agg_top *top, bool is_bottom);

#endif
