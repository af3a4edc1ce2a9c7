/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers over time: the points of a window, and the tree of functions, arithmetic, filters and the largest of series that gives them. */
#include "traceql/metrics.h"

#include <math.h>
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "model/labels.h"

enum { STEP_NS_MIN = 1000 * 1000 };

/* ---- points ---- */

/* Points t with time < t <= time + width. */
void tql_grid_points(const struct tql_grid *g, int64_t time_ns, size_t *from, size_t *to)
{
    int64_t first = date_floor(sat_sub(time_ns, g->first_ns), g->step_ns) / g->step_ns + 1;
    int64_t last = date_floor(sat_sub(sat_add(time_ns, g->width_ns), g->first_ns), g->step_ns) / g->step_ns;
    *from = (size_t)MAX(first, 0);
    *to = last < 0 ? 0 : MIN((size_t)last + 1, g->points);
    *from = MIN(*from, *to);
}

enum status tql_series_limit(size_t count, struct err *err)
{
    if (count <= TRACEQL_SERIES_MAX)
        return ST_OK;
    return err_set(err, ST_LIMIT, "the query gives over %d series, its limit; group by fewer fields, or end it with topk() or bottomk()",
                   TRACEQL_SERIES_MAX);
}

/* ---- order ---- */

int tql_series_cmp(const struct traceql_series *x, const struct traceql_series *y)
{
    size_t n = MIN(x->label_count, y->label_count);
    int order = 0;
    for (size_t i = 0; i < n && order == 0; i++) {
        order = slice_cmp(x->labels[i].name, y->labels[i].name);
        if (order == 0)
            order = tql_value_cmp(&x->labels[i].value, &y->labels[i].value);
    }
    return order ? order : (x->label_count > y->label_count) - (x->label_count < y->label_count);
}

static int by_labels(const void *x, const void *y)
{
    return tql_series_cmp(x, y);
}

static int by_time(const void *x, const void *y)
{
    const struct traceql_exemplar *a = x, *b = y;
    int order = (a->t_ms > b->t_ms) - (a->t_ms < b->t_ms);
    return order ? order : memcmp(a->span_id, b->span_id, sizeof a->span_id);
}

static void sort(struct tql_series_set *set)
{
    if (set->count)
        qsort(set->series, set->count, sizeof *set->series, by_labels);
}

/* ---- the tree ---- */

struct eval {
    struct query_env *env;
    const struct tql_grid *grid;
    size_t exemplars; /* of each function */
    size_t inspected;
};

static size_t count_functions(const struct tql_metric *m)
{
    return m == NULL ? 0 : m->kind == TQL_METRIC_FUNCTION ? 1 : count_functions(m->left) + count_functions(m->right);
}

static enum status eval(struct eval *v, const struct tql_metric *m, bool is_unlimited, struct tql_series_set *out, struct err *err);

static enum status eval_function(struct eval *v, const struct tql_metric *m, bool is_unlimited, struct tql_series_set *out, struct err *err)
{
    struct tql_asked q = { .env = v->env, .m = m, .grid = v->grid, .exemplars = v->exemplars, .is_unlimited = is_unlimited,
                           .inspected = &v->inspected };
    enum status st = m->function == TQL_COMPARE ? tql_compare_run(&q, out, err) : tql_function_run(&q, out, err);
    if (!st)
        sort(out);
    return st;
}

static enum status eval_binary(struct eval *v, const struct tql_metric *m, bool is_unlimited, struct tql_series_set *out, struct err *err)
{
    struct tql_series_set x, y;
    enum status st = eval(v, m->left, is_unlimited, &x, err);
    if (!st)
        st = eval(v, m->right, is_unlimited, &y, err);
    if (!st)
        st = tql_math(v->env, v->grid->points, m->op, &x, &y, out, err);
    if (!st)
        sort(out);
    return st;
}

static double number_of(const struct tql_value *v)
{
    double d = NAN;
    tql_value_number(v, &d);
    return v->type == TQL_DURATION ? d / (double)NS_S : d;
}

static enum status eval(struct eval *v, const struct tql_metric *m, bool is_unlimited, struct tql_series_set *out, struct err *err)
{
    enum status st = ST_OK;
    *out = (struct tql_series_set){ .count = 0 };
    switch (m->kind) {
    case TQL_METRIC_FUNCTION:
        return eval_function(v, m, is_unlimited, out, err);
    case TQL_METRIC_BINARY:
        return eval_binary(v, m, is_unlimited, out, err);
    case TQL_METRIC_NUMBER:
        out->is_number = true;
        out->number = number_of(&m->number);
        return ST_OK;
    case TQL_METRIC_FILTER:
        st = eval(v, m->left, is_unlimited, out, err);
        if (!st)
            tql_math_filter(v->grid->points, m->op, number_of(&m->number), out);
        return st;
    case TQL_METRIC_TOPK:
    case TQL_METRIC_BOTTOMK:
        st = eval(v, m->left, true, out, err);
        if (!st)
            st = tql_math_top(v->env, v->grid->points, m->top, m->kind == TQL_METRIC_BOTTOMK, out, err);
        return st;
    }
    return st;
}

/* A number alone is a series without labels. */
static void number_series(struct arena *a, size_t points, struct tql_series_set *set)
{
    struct traceql_series s = { .labels = arena_array(a, struct traceql_label, 1), .v = arena_array(a, double, points) };
    for (size_t k = 0; k < points; k++)
        s.v[k] = set->number;
    ARENA_PUSH(a, set->series, set->count, set->cap) = s;
}

/* ---- hints ---- */

static size_t exemplars_asked(const struct traceql *q, size_t given)
{
    for (size_t i = 0; i < q->hint_count; i++) {
        const struct tql_value *v = &q->hints[i].value;
        if (!slice_eq(q->hints[i].name, SLICE("exemplars")))
            continue;
        if (v->type == TQL_BOOL)
            given = v->i ? MAX(given, (size_t)TRACEQL_EXEMPLARS_DEFAULT) : 0;
        else if (v->type == TQL_INT)
            given = v->i > 0 ? (size_t)v->i : 0;
    }
    return MIN(given, (size_t)TRACEQL_EXEMPLARS_MAX);
}

/* Many functions, or one series joined with many, may have more than asked for: those that stay are spread evenly. */
static void thin_exemplars(struct tql_series_set *set, size_t max)
{
    size_t total = 0, seen = 0;
    for (size_t i = 0; i < set->count; i++)
        total += set->series[i].exemplar_count;
    for (size_t i = 0; i < set->count && total > max; i++) {
        struct traceql_series *s = &set->series[i];
        size_t n = 0;
        for (size_t k = 0; k < s->exemplar_count; k++, seen++)
            if ((seen + 1) * max / total != seen * max / total)
                s->exemplars[n++] = s->exemplars[k];
        s->exemplar_count = n;
    }
}

enum status tql_metrics_run(struct query_env *env, const struct traceql *q, const struct tql_grid *g, struct traceql_matrix *out, struct err *err)
{
    struct tql_series_set set;
    size_t functions = count_functions(q->metric), exemplars = g->by_text ? 0 : exemplars_asked(q, g->exemplars_max);
    struct eval v = { .env = env, .grid = g, .exemplars = exemplars && functions ? MAX(exemplars / functions, 1u) : 0 };
    enum status st = eval(&v, q->metric, false, &set, err);
    if (st)
        return st;
    if (set.is_number)
        number_series(env->result, g->points, &set);
    tql_series_drop_empty(g->points, &set);
    for (size_t i = 0; i < set.count; i++) {
        tql_exemplars_finish(g, &set.series[i]);
        if (set.series[i].exemplar_count)
            qsort(set.series[i].exemplars, set.series[i].exemplar_count, sizeof *set.series[i].exemplars, by_time);
    }
    thin_exemplars(&set, exemplars);
    *out = (struct traceql_matrix){ .series = set.series, .count = set.count, .first_ms = g->first_ns / NS_MS, .step_ms = g->step_ns / NS_MS,
                                    .points = g->points, .inspected = v.inspected };
    st = tql_series_limit(set.count, err);
    return st ? st : tql_check(env, err);
}

/* ---- windows ---- */

static enum status grid_of(const struct traceql_window *w, struct tql_grid *g, struct err *err)
{
    if (w->end_ns <= w->start_ns)
        return err_set(err, ST_INVALID, "end: found %lld ns, where start is %lld ns; it has to be behind it", (long long)w->end_ns,
                       (long long)w->start_ns);
    *g = (struct tql_grid){ .first_ns = w->end_ns, .step_ns = sat_sub(w->end_ns, w->start_ns), .points = 1, .exemplars_max = w->exemplars_max };
    g->width_ns = g->step_ns;
    if (w->is_instant)
        return ST_OK;
    if (w->step_ns < STEP_NS_MIN)
        return err_set(err, ST_INVALID, "step: found %lld ns, allowed is 1 ms and more", (long long)w->step_ns);
    int64_t step = sat_add(w->step_ns, STEP_NS_MIN - 1);
    step -= step % STEP_NS_MIN;
    int64_t start = date_floor(w->start_ns, step), end = date_floor(sat_add(w->end_ns, step - 1), step);
    uint64_t points = ((uint64_t)end - (uint64_t)start) / (uint64_t)step;
    if (points > QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID, "step: %lld ns gives %llu points a series, allowed are %d; ask for a longer step, or for less time",
                       (long long)w->step_ns, (unsigned long long)points, QUERY_POINTS_PER_SERIES_MAX);
    g->first_ns = sat_add(start, step);
    g->step_ns = g->width_ns = step;
    g->points = (size_t)points;
    return ST_OK;
}

enum status traceql_metrics(struct query_env *env, const struct traceql *q, const struct traceql_window *w, struct traceql_matrix *out,
                            struct err *err)
{
    struct tql_grid g;
    if (q->metric == NULL)
        return err_set(err, ST_INVALID, "the query asks for traces, where numbers over time are asked for: end it with rate() or the like");
    enum status st = grid_of(w, &g, err);
    return st ? st : tql_metrics_run(env, q, &g, out, err);
}

struct slice traceql_labels_text(struct arena *a, const struct traceql_series *s)
{
    struct label *list = arena_array(a, struct label, s->label_count + 1);
    for (size_t i = 0; i < s->label_count; i++)
        list[i] = (struct label){ s->labels[i].name, tql_label_text(a, &s->labels[i].value) };
    return labels_build_wide(a, list, s->label_count);
}
