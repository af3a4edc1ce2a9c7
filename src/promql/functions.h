/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of PromQL: one table. */
#ifndef STOA_PROMQL_FUNCTIONS_H
#define STOA_PROMQL_FUNCTIONS_H

#include "model/sample.h"
#include "promql/ast.h"

enum { FUNCTION_ARGS_MAX = 5, RANGE_PARAMS_MAX = 2 };

struct eval;
struct grid;
struct sink;

/* The samples of one series within one range, and what the range functions need to know about it. */
struct window {
    const int64_t *t;
    const int64_t *born_ms;        /* since when each sample counts, 0: not known; NULL: of none */
    const double *v;
    size_t n;                      /* > 0, except for those that take empty windows */
    int64_t start_ms, end_ms;      /* (start, end] */
    int64_t eval_ms;               /* the step's own time: differs by offset and @ */
    int64_t range_ms;
    bool is_counted;               /* values say how many samples each stands for; of count_over_time alone */
    bool has_resets;               /* some value of the whole series is lower than the one before */
    double params[RANGE_PARAMS_MAX];
    struct arena *scratch;         /* for those that sort */
    struct arena *out;             /* where a histogram that is the result lives */
    struct eval *e;                /* for notes, and what these speak of: the call, the series */
    const struct node *call;
    struct slice labels;
};

/* All samples of a series, for ranges whose ends are anchored or smoothed: those look past them by lookback_ms. */
struct extended {
    const int64_t *t;
    const double *v;
    size_t n;
    int64_t lookback_ms;
    bool is_smoothed, has_histograms;
};

enum function_flags {
    FN_KEEPS_NAME = 1,
    FN_EXPERIMENTAL = 2,
    FN_USES_EVAL_TIME = 4,  /* its value differs from step to step even over a fixed range */
    FN_COUNTER = 8,         /* says so when the metric's name is not a counter's */
    FN_QUANTILE = 16,       /* its first parameter is a quantile to warn about */
    FN_RATE_LIKE = 32,      /* smoothed may stand with it */
    FN_ANCHORED = 64,
    FN_FILTERED = 128      /* its second argument is a selector that is not run by itself, and may match all */
};

struct function {
    struct slice name;
    enum expr_type args[FUNCTION_ARGS_MAX];
    uint8_t arg_count;  /* of args */
    int8_t optional;    /* how many of the last ones may be missing; -1: the last may also be repeated */
    uint8_t flags;
    enum expr_type returns;
    /* Exactly one of these. map: each number on its own, scalars behind it as params; histograms are left out. of: each
     * histogram on its own; numbers are left out. range: each window on its own; ABSENT for no value. scalar: a number a
     * step. stream: everything else. */
    double (*map)(double v, const double *params);
    double (*of)(const struct histogram *h);
    double (*range)(const struct window *w);
    double (*range_mixed)(const struct window *w); /* beside range, for windows with histograms; NULL: it looks at numbers alone */
    enum status (*scalar)(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err);
    enum status (*stream)(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err);
};

const struct function *function_find(struct slice name); /* NULL: none */
const struct function *function_at(size_t i);            /* by name; NULL behind the last */

#endif
