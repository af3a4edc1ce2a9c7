/* SPDX-License-Identifier: Apache-2.0 */
/* The language's table, for rules, panels and the like: numbers alone. A query says nothing of the time each value is of; that is the window
 * before it, which is the caller's lookback, five minutes at a time, or for a range without one its step. */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "model/labels.h"
#include "traceql/metrics.h"

#define LOOKBACK_NS (300 * NS_S)

static enum status check(struct slice text, uint32_t features, enum value_type *type, struct err *err)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    enum status st = traceql_parse(a, text, &q, err);
    if (!st) {
        *type = q->metric ? VALUE_MATRIX : VALUE_NONE;
        traceql_free(q);
    }
    arena_free(a);
    return st;
}

static enum status format(struct slice text, uint32_t features, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    enum status st = traceql_parse(a, text, &q, err);
    if (!st) {
        traceql_format_query(q, out);
        traceql_free(q);
    }
    arena_free(a);
    return st;
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(((const struct value_series *)a)->labels, ((const struct value_series *)b)->labels);
}

static void to_value(struct arena *a, const struct traceql_matrix *m, bool is_instant, struct value *out)
{
    *out = (struct value){ .type = is_instant ? VALUE_VECTOR : VALUE_MATRIX, .series = arena_array(a, struct value_series, m->count + 1) };
    for (size_t i = 0; i < m->count; i++) {
        struct value_series s = { .t_ms = arena_array(a, int64_t, m->points), .v = arena_array(a, double, m->points) };
        for (size_t k = 0; k < m->points; k++) {
            if (isnan(m->series[i].v[k]))
                continue;
            s.t_ms[s.n] = m->first_ms + (int64_t)k * m->step_ms;
            s.v[s.n++] = m->series[i].v[k];
        }
        s.labels = traceql_labels_text(a, &m->series[i]);
        if (s.n)
            out->series[out->series_count++] = s;
    }
    if (out->series_count)
        qsort(out->series, out->series_count, sizeof *out->series, by_labels);
}

static enum status grid_of(const struct query_params *p, bool is_instant, struct tql_grid *g, struct err *err)
{
    *g = (struct tql_grid){ .first_ns = p->end_ns, .step_ns = NS_MS, .points = 1, .width_ns = p->lookback_ns ? p->lookback_ns : LOOKBACK_NS,
                            .by_text = true };
    if (is_instant)
        return ST_OK;
    uint64_t length = (uint64_t)p->end_ns - (uint64_t)p->start_ns;
    if (p->step_ns < NS_MS || p->end_ns < p->start_ns || length / (uint64_t)p->step_ns >= QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID, "a range query needs a step of 1 ms or more, an end behind its start, and at most %d points a series",
                       QUERY_POINTS_PER_SERIES_MAX);
    g->first_ns = p->start_ns;
    g->step_ns = p->step_ns;
    g->width_ns = p->lookback_ns ? p->lookback_ns : p->step_ns;
    g->points = (size_t)(length / (uint64_t)p->step_ns) + 1;
    return ST_OK;
}

static enum status run(struct query_env *env, struct slice text, const struct query_params *p, bool is_instant, struct value *out, struct err *err)
{
    struct traceql *q;
    struct traceql_matrix m;
    struct tql_grid g;
    enum status st = traceql_parse(env->result, text, &q, err);
    if (st)
        return st;
    st = q->metric ? grid_of(p, is_instant, &g, err)
                   : err_set(err, ST_INVALID, "the query gives traces, where numbers are asked for: end it with rate() or the like");
    if (!st)
        st = tql_metrics_run(env, q, &g, &m, err);
    if (!st)
        to_value(env->result, &m, is_instant, out);
    traceql_free(q);
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

/* ---- what a query is like ---- */

static const char *op_text(enum tql_op op)
{
    return op == TQL_EQ ? "==" : op == TQL_NE ? "!=" : op == TQL_LT ? "<" : op == TQL_LE ? "<=" : op == TQL_GT ? ">" : ">=";
}

/* Counts of all spans are there when no spans are. */
static bool needs_no_data(const struct tql_metric *m)
{
    if (m == NULL)
        return false;
    if (m->kind == TQL_METRIC_FUNCTION)
        return m->by_count == 0 && (m->function == TQL_RATE || m->function == TQL_COUNT_OVER_TIME);
    return m->kind == TQL_METRIC_NUMBER || needs_no_data(m->left) || needs_no_data(m->right);
}

static void describe_threshold(struct arena *a, const struct tql_metric *m, struct query_shape *out)
{
    struct traceql left = { .metric = m->left };
    struct buf text;
    buf_init(&text, 0);
    traceql_format_query(&left, &text);
    out->left = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    out->has_threshold = true;
    snprintf(out->op, sizeof out->op, "%s", op_text(m->op));
    tql_value_number(&m->number, &out->threshold);
    if (m->number.type == TQL_DURATION)
        out->threshold /= (double)NS_S;
}

static enum status describe(struct arena *a, struct slice text, uint32_t features, struct query_shape *out, struct err *err)
{
    struct traceql *q;
    *out = (struct query_shape){ .selector_count = 0 };
    enum status st = traceql_parse(a, text, &q, err);
    if (st)
        return st;
    out->needs_no_data = needs_no_data(q->metric);
    if (q->metric && q->metric->kind == TQL_METRIC_FILTER)
        describe_threshold(a, q->metric, out);
    traceql_free(q);
    return ST_OK;
}

const struct query_lang traceql_lang = { .name = "traceql", .check = check, .format = format, .instant = instant, .range = range,
                                         .describe = describe };
