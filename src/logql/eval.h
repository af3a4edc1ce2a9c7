/* SPDX-License-Identifier: Apache-2.0 */
/* What the evaluators share. */
#ifndef STOA_LOGQL_EVAL_H
#define STOA_LOGQL_EVAL_H

#include "logql/record.h"

enum {
    LOGQL_SERIES_MAX = 10000,
    LOGQL_SCRATCH_BYTES = 1 * MIB, /* of what rows leave behind before it is dropped */
    LOGQL_CHECK_BYTES = 1 * MIB    /* of lines walked between two questions whether to go on */
};

/* What of a log expression an engine can check: matchers, and line filters and exact comparisons before any stage that
 * changes what they look at. Everything is checked again here, so this only saves work. NULL: nothing to push. */
struct pred *logql_push(struct arena *a, const struct expr *log);
/* Is what logql_push gives all the stages do? Then an engine that did it needs no second look at the lines. */
bool logql_push_is_all(const struct expr *log);
/* And all that this stage does, as long as nothing before it changes lines? */
bool logql_push_has_all(const struct stage *s);
/* Is this row asked for? Then r is filled from it. */
struct row_test {
    bool (*passes)(void *arg, const struct event *e, struct record *r, struct arena *scratch);
    void *arg;
    const struct lot_filter *lots; /* what an engine may check of it; NULL: nothing */
};
/* Log lines in [p->start, p->end), newest or oldest first. pred may let rows through that test does not. */
MUST_CHECK enum status logql_read_lines(struct query_env *env, const struct pred *pred, const struct row_test *test, const struct query_params *p,
                                        size_t limit, struct value *out, struct err *err);
/* After each row: has the query to end? A block of long lines takes longer than a query may. *walked: 0 at first. */
MUST_CHECK enum status logql_row_check(struct engine_ctx *ctx, const struct event *e, size_t *walked, struct err *err);
/* Those of a log expression. */
MUST_CHECK enum status logql_eval_lines(struct query_env *env, const struct expr *log, const struct query_params *p, size_t limit,
                                        struct value *out, struct err *err);

/* r as rows_take gives it. */
void logql_line_of(const struct record *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out);
/* As in query_lang. */
MUST_CHECK enum status logql_rows_open(struct slice text, struct query_rows **out, struct err *err);
bool logql_rows_take(struct query_rows *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out);
struct pred *logql_rows_pred(struct query_rows *r, struct arena *a);
void logql_rows_close(struct query_rows *r);

/* The times of a metric query: start, start + step, ... */
struct grid {
    int64_t start_ns, step_ns;
    size_t count;
};
/* The i-th of them. Unsigned on the way: from the first to the last may be more than an int64_t of nanoseconds. */
static inline int64_t grid_time(const struct grid *g, size_t i)
{
    return (int64_t)((uint64_t)g->start_ns + (uint64_t)i * (uint64_t)g->step_ns);
}
/* Series over a grid: v[i] is not set where !has[i]. */
struct grid_series {
    struct slice labels;
    double *v;
    bool *has;
};
struct grid_result {
    struct grid_series *list;
    size_t count, cap;
    bool is_scalar; /* a plain number: one series without labels */
};
MUST_CHECK enum status logql_eval_metric(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err);
/* Sums over rows: the sum over groups of series is the same as over the groups' rows. */
bool logql_range_is_linear(enum range_op op);
MUST_CHECK enum status logql_eval_range(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err);
MUST_CHECK enum status logql_eval_binary(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err);
/* Cancelled, too late, or over the memory of a query? Once a series or block. */
MUST_CHECK enum status logql_check(struct query_env *env, struct err *err);
struct grid_series *grid_series_new(struct arena *a, const struct grid *g, struct grid_result *r, struct slice labels);

#endif
