/* SPDX-License-Identifier: Apache-2.0 */
/* The language's table: check, format, instant, range. */
#include <stdlib.h>

#include "logql/eval.h"

enum { LINES_DEFAULT = 100 };

static enum status check(struct slice text, uint32_t features, enum value_type *type, struct err *err)
{
    struct arena *a = arena_new(0);
    struct logql *q;
    enum status st = logql_parse(a, text, &q, err);
    if (!st)
        *type = q->root->kind == EXPR_LOG ? VALUE_STREAMS : q->root->kind == EXPR_NUMBER ? VALUE_SCALAR : VALUE_MATRIX;
    if (!st)
        logql_free(q);
    arena_free(a);
    return st;
}

static enum status format(struct slice text, uint32_t features, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct logql *q;
    enum status st = logql_parse(a, text, &q, err);
    if (!st) {
        logql_format_expr(q->root, out);
        logql_free(q);
    }
    arena_free(a);
    return st;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct value_series *)a)->labels, ((const struct value_series *)b)->labels);
}

static void to_value(struct query_env *env, const struct grid *g, const struct grid_result *r, bool instant, bool keep_order, struct value *out)
{
    struct arena *a = env->result;
    if (instant && r->is_scalar) {
        out->type = VALUE_SCALAR;
        out->scalar = (struct sample){g->start_ns / NS_MS, r->list[0].v[0]};
        return;
    }
    out->type = instant ? VALUE_VECTOR : VALUE_MATRIX;
    out->series = arena_array(a, struct value_series, r->count + 1);
    for (size_t i = 0; i < r->count; i++) {
        struct value_series s = {.labels = r->list[i].labels, .t_ms = arena_array(a, int64_t, g->count), .v = arena_array(a, double, g->count)};
        for (size_t k = 0; k < g->count; k++) {
            if (!r->list[i].has[k])
                continue;
            s.t_ms[s.n] = grid_time(g, k) / NS_MS;
            s.v[s.n++] = r->list[i].v[k];
        }
        if (s.n)
            out->series[out->series_count++] = s;
    }
    if (!keep_order && out->series_count)
        qsort(out->series, out->series_count, sizeof *out->series, by_labels);
}

/* Is this aggregation anywhere in the query? */
static bool uses(const struct expr *e, enum agg_kind kind)
{
    if (e == NULL || e->kind == EXPR_LOG || e->kind == EXPR_RANGE)
        return false;
    return (e->kind == EXPR_VECTOR_AGG && e->agg == kind) || uses(e->left, kind) || uses(e->right, kind);
}

/* Behind the first one. Unsigned: all of time is longer than an int64_t of nanoseconds. */
static uint64_t steps_of(const struct query_params *p)
{
    return ((uint64_t)p->end_ns - (uint64_t)p->start_ns) / (uint64_t)p->step_ns;
}

static enum status run_metric(struct query_env *env, const struct expr *root, const struct query_params *p, bool instant, struct value *out,
                              struct err *err)
{
    struct grid g = {.start_ns = p->start_ns, .step_ns = instant ? NS_MS : p->step_ns, .count = 1};
    struct grid_result result = {0};
    bool sorted = uses(root, AGG_KIND_SORT) || uses(root, AGG_KIND_SORT_DESC);
    if (!instant && uses(root, AGG_KIND_APPROX_TOPK))
        return err_set(err, ST_INVALID, "approx_topk is only supported on instant queries");
    if (!instant && (p->step_ns <= 0 || p->end_ns < p->start_ns || steps_of(p) > QUERY_POINTS_PER_SERIES_MAX))
        return err_set(err, ST_INVALID, "a range query needs a step and an end behind its start, and at most %d points a series",
                       QUERY_POINTS_PER_SERIES_MAX);
    if (!instant)
        g.count = (size_t)steps_of(p) + 1;
    enum status st = logql_eval_metric(env, &g, root, &result, err);
    if (!st)
        to_value(env, &g, &result, instant, instant && sorted, out);
    return st;
}

static enum status run(struct query_env *env, struct slice text, const struct query_params *p, bool instant, struct value *out, struct err *err)
{
    struct logql *q;
    *out = (struct value){ 0 };
    enum status st = logql_parse(env->result, text, &q, err);
    if (st)
        return st;
    if (q->root->kind == EXPR_LOG) {
        size_t limit = p->limit ? p->limit : LINES_DEFAULT;
        st = instant ? err_set(err, ST_INVALID,
                               "log queries are not supported as an instant query type, please change your query to a range query type")
                     : logql_eval_lines(env, q->root, p, limit, out, err);
    } else {
        st = run_metric(env, q->root, p, instant, out, err);
    }
    logql_free(q);
    return st;
}

static enum status instant(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    return run(env, text, p, true, out, err);
}

static enum status range(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    return run(env, text, p, false, out, err);
}

const struct query_lang logql_lang = {"logql", check, format, instant, range, NULL, logql_rows_open, logql_rows_take, logql_rows_pred,
                                      logql_rows_close};
