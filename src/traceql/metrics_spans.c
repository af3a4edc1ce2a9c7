/* SPDX-License-Identifier: Apache-2.0 */
/* The functions over spans but compare(). Each group has a row of cells, one a point; a span is added to the cells of the points it counts for. */
#include <math.h>

#include "base/num.h"
#include "query/agg.h"
#include "traceql/metrics.h"

#define NAME_LABEL     SLICE("__name__")
#define BUCKET_LABEL   SLICE("__bucket")
#define QUANTILE_LABEL SLICE("p")

struct row {
    double *v;
    double *comp;   /* sums: what rounding left over */
    double *weight; /* with them: 0 where there is none */
    struct tql_sketch **sketches;
    bool has_any;   /* engines that count ask for groups that come to nothing */
    size_t series;  /* its number in the end; of quantiles the first */
};

struct run {
    const struct tql_asked *q;
    const struct tql_metric *m;
    const struct tql_grid *grid;
    struct tql_groups groups;
    struct row *rows;
    size_t row_count, row_cap;
    struct tql_value *values; /* of the span at hand */
    struct tql_reservoir reservoir;
    struct tql_sketch_pool sketches;
};

/* ---- values ---- */

static bool is_count(enum tql_function f)
{
    return f == TQL_RATE || f == TQL_COUNT_OVER_TIME || f == TQL_HISTOGRAM_OVER_TIME;
}

static bool has_value(enum tql_function f)
{
    return f != TQL_RATE && f != TQL_COUNT_OVER_TIME;
}

/* Durations in seconds. False: the span takes no part. */
static bool value_of(const struct tql_value *v, double *out)
{
    if (!tql_value_number(v, out) || isnan(*out))
        return false;
    if (v->type == TQL_DURATION)
        *out /= (double)NS_S;
    return true;
}

/* The least power of two that is not below v; 0 and what is below it is told as 0. */
static double power_above(double v)
{
    int exponent;
    if (v <= 0 || isinf(v))
        return v <= 0 ? 0 : v;
    double m = frexp(v, &exponent);
    return ldexp(1, m == 0.5 ? exponent - 1 : exponent);
}

/* Of durations: a power of two of nanoseconds, in seconds. */
static struct tql_value bucket_of(const struct tql_value *v)
{
    double d;
    if (!tql_value_number(v, &d))
        d = 0;
    d = power_above(d);
    return (struct tql_value){ .type = TQL_FLOAT, .d = v->type == TQL_DURATION ? d / (double)NS_S : d };
}

static struct tql_value field_value(const struct tql_expr *e, const struct tql_trace *t, uint32_t span, struct arena *scratch)
{
    return e->kind == TQL_EXPR_FIELD ? tql_field_value(&e->field, t, span, scratch) : tql_expr_value(e, t, span, scratch);
}

/* ---- rows ---- */

static double *cells(struct run *r, double v)
{
    double *list = arena_array(r->q->env->result, double, r->grid->points);
    for (size_t i = 0; i < r->grid->points; i++)
        list[i] = v;
    return list;
}

static enum status row_of(struct run *r, size_t group, struct row **out, struct err *err)
{
    struct arena *a = r->q->env->result;
    enum tql_function f = r->m->function;
    bool is_sum = f == TQL_SUM_OVER_TIME || f == TQL_AVG_OVER_TIME;
    enum status st = ST_OK;
    while (!st && group >= r->row_count) {
        struct row row = { 0 };
        if (f == TQL_QUANTILE_OVER_TIME)
            row.sketches = arena_zalloc(a, r->grid->points * sizeof *row.sketches);
        else
            row.v = cells(r, is_count(f) || is_sum ? 0 : NAN);
        if (is_sum) {
            row.comp = cells(r, 0);
            row.weight = cells(r, 0);
        }
        ARENA_PUSH(a, r->rows, r->row_count, r->row_cap) = row;
        st = arena_over(a) ? tql_check(r->q->env, err) : ST_OK;
    }
    *out = &r->rows[group];
    (*out)->has_any = true;
    return st;
}

static void add(struct run *r, struct row *row, size_t k, double v, double weight)
{
    switch (r->m->function) {
    case TQL_RATE:
    case TQL_COUNT_OVER_TIME:
    case TQL_HISTOGRAM_OVER_TIME:
        row->v[k] += weight;
        break;
    case TQL_MIN_OVER_TIME:
        row->v[k] = fmin(row->v[k], v); /* of a NaN and a number: the number */
        break;
    case TQL_MAX_OVER_TIME:
        row->v[k] = fmax(row->v[k], v);
        break;
    case TQL_AVG_OVER_TIME:
    case TQL_SUM_OVER_TIME:
        row->weight[k] += weight;
        agg_kahan_add(v * weight, &row->v[k], &row->comp[k]);
        break;
    case TQL_QUANTILE_OVER_TIME:
        tql_sketch_add(&r->sketches, &row->sketches[k], v, weight);
        break;
    case TQL_COMPARE:
        break;
    }
}

static enum status see(void *arg, const struct tql_trace *t, uint32_t span, struct arena *scratch, struct err *err)
{
    struct run *r = arg;
    const struct event *e = t->spans[span].e;
    struct tql_value v = { .type = TQL_NIL };
    double number = NAN;
    size_t group, from, to;
    struct row *row;
    ++*r->q->inspected;
    if (has_value(r->m->function)) {
        v = field_value(r->m->of, t, span, scratch);
        if (!value_of(&v, &number))
            return ST_OK;
    }
    tql_grid_points(r->grid, e->time_ns, &from, &to);
    if (e->weight <= 0 || from == to)
        return ST_OK;
    r->q->env->ctx->is_sampled |= e->weight != 1;
    for (size_t i = 0; i < r->m->by_count; i++)
        r->values[i] = field_value(r->m->by[i], t, span, scratch);
    if (r->m->function == TQL_HISTOGRAM_OVER_TIME)
        r->values[r->m->by_count] = bucket_of(&v);
    enum status st = tql_groups_find(&r->groups, r->values, scratch, &group, err);
    if (!st)
        st = row_of(r, group, &row, err);
    if (st)
        return st;
    for (size_t k = from; k < to; k++)
        add(r, row, k, number, e->weight);
    tql_reservoir_add(&r->reservoir, e, group, is_count(r->m->function) ? NAN : number);
    size_t bytes_max = arena_bytes_max(r->q->env->result);
    if (bytes_max && r->sketches.bytes > bytes_max)
        return err_set(err, ST_LIMIT, "the quantiles need over %zu bytes, the limit of a query; ask for fewer series or steps", bytes_max);
    return ST_OK;
}

/* ---- series ---- */

static void name_series(struct run *r, size_t group, struct traceql_series *s)
{
    tql_group_labels(&r->groups, r->m, group, BUCKET_LABEL, s);
    if (s->label_count || r->m->function == TQL_QUANTILE_OVER_TIME)
        return;
    struct tql_value name = { .type = TQL_STRING, .text = traceql_function_name(r->m->function) };
    s->labels[s->label_count++] = (struct traceql_label){ NAME_LABEL, name };
}

static void finish_row(struct run *r, struct row *row)
{
    double seconds = (double)r->grid->width_ns / (double)NS_S;
    for (size_t k = 0; k < r->grid->points; k++) {
        if (r->m->function == TQL_RATE)
            row->v[k] /= seconds;
        if (row->comp && row->weight[k] == 0)
            row->v[k] = NAN;
        else if (row->comp)
            row->v[k] = (row->v[k] + row->comp[k]) / (r->m->function == TQL_AVG_OVER_TIME ? row->weight[k] : 1);
    }
}

/* One series for each quantile, in the order asked. */
static enum status quantile_series(struct run *r, size_t group, struct tql_series_set *out, struct err *err)
{
    struct arena *a = r->q->env->result, *scratch = arena_new(0);
    size_t count = r->m->quantile_count, first = out->count;
    double *found = arena_array(scratch, double, count + 1);
    for (size_t i = 0; i < count; i++) {
        struct traceql_series s = { .v = cells(r, NAN) };
        struct tql_value p = { .type = TQL_FLOAT, .d = r->m->quantiles[i] };
        if (r->grid->by_text)
            p = (struct tql_value){ .type = TQL_STRING, .text = tql_label_text(a, &p) };
        name_series(r, group, &s);
        s.labels[s.label_count++] = (struct traceql_label){ QUANTILE_LABEL, p };
        ARENA_PUSH(a, out->series, out->count, out->cap) = s;
    }
    struct arena *work = arena_new(0);
    for (size_t k = 0; k < r->grid->points; k++) {
        struct tql_sketch *sketch = r->rows[group].sketches[k];
        if (sketch == NULL)
            continue;
        tql_sketch_quantiles(work, sketch, r->m->quantiles, count, found);
        for (size_t i = 0; i < count; i++)
            out->series[first + i].v[k] = found[i];
        tql_sketch_free(sketch);
        r->rows[group].sketches[k] = NULL;
        arena_reset(work);
    }
    arena_free(work);
    arena_free(scratch);
    return tql_check(r->q->env, err);
}

struct places {
    const struct run *r;
    const struct tql_series_set *set;
};

/* Of quantiles: the first one that is not below it. */
static size_t place(void *arg, size_t group, size_t point, double v)
{
    const struct places *p = arg;
    size_t first = p->r->rows[group].series, i = 0;
    while (i + 1 < p->r->m->quantile_count && p->set->series[first + i].v[point] < v)
        i++;
    return first + i;
}

static enum status finish(struct run *r, struct tql_series_set *out, struct err *err)
{
    struct arena *a = r->q->env->result;
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < r->row_count; i++) {
        r->rows[i].series = out->count;
        if (!r->rows[i].has_any)
            continue;
        if (r->m->function == TQL_QUANTILE_OVER_TIME) {
            st = quantile_series(r, i, out, err);
            if (!st && !r->q->is_unlimited)
                st = tql_series_limit(out->count, err);
            continue;
        }
        struct traceql_series s = { .v = r->rows[i].v };
        finish_row(r, &r->rows[i]);
        name_series(r, i, &s);
        ARENA_PUSH(a, out->series, out->count, out->cap) = s;
    }
    struct places places = { r, out };
    if (!st)
        tql_reservoir_put(&r->reservoir, a, out, place, &places);
    return st;
}

/* A count of all spans is 0 where there are none. */
static enum status first_row(struct run *r, struct err *err)
{
    struct arena *scratch = arena_new(0);
    struct row *row;
    size_t group;
    enum status st = tql_groups_find(&r->groups, r->values, scratch, &group, err);
    arena_free(scratch);
    return st ? st : row_of(r, group, &row, err);
}

static enum status feed(struct run *r, struct err *err)
{
    for (size_t i = 0; i < r->row_count && is_count(r->m->function); i++) { /* what may have been counted in vain */
        memset(r->rows[i].v, 0, r->grid->points * sizeof *r->rows[i].v);
        r->rows[i].has_any = r->groups.width == 0;
    }
    struct arena *a = r->q->env->result;
    const struct tql_expr **exprs = arena_array(a, const struct tql_expr *, r->m->by_count + 2);
    size_t count = 0;
    for (size_t i = 0; i < r->m->by_count; i++)
        exprs[count++] = r->m->by[i];
    if (has_value(r->m->function))
        exprs[count++] = r->m->of;
    struct tql_feed f = { .stages = r->m->stages, .exprs = exprs, .expr_count = count, .want = r->q->exemplars ? WANT_IDS : 0,
                          .start_ns = tql_grid_start(r->grid), .end_ns = tql_grid_end(r->grid), .see = see, .arg = r };
    return tql_feed_run(r->q->env, &f, err);
}

static enum status add_count(void *arg, size_t group, int64_t time_ns, double count, struct err *err)
{
    struct run *r = arg;
    size_t from, to;
    struct row *row;
    enum status st = row_of(r, group, &row, err);
    tql_grid_points(r->grid, time_ns, &from, &to);
    for (size_t k = from; !st && k < to; k++)
        row->v[k] += count;
    return st;
}

enum status tql_function_run(const struct tql_asked *q, struct tql_series_set *out, struct err *err)
{
    struct run r = { .q = q, .m = q->m, .grid = q->grid };
    size_t width = q->m->by_count + (q->m->function == TQL_HISTOGRAM_OVER_TIME);
    bool is_counted = false;
    enum status st = ST_OK;
    r.values = arena_array(q->env->result, struct tql_value, width + 1);
    tql_groups_init(&r.groups, q->env, width, q->grid->by_text, q->is_unlimited);
    tql_reservoir_init(&r.reservoir, q->env->result, q->grid, q->exemplars);
    if (width == 0 && is_count(q->m->function))
        st = first_row(&r, err);
    if (!st)
        st = tql_count_run(q, &r.groups, &r.reservoir, add_count, &r, &is_counted, err);
    if (!st && !is_counted)
        st = feed(&r, err);
    if (!st)
        st = finish(&r, out, err);
    for (size_t i = 0; i < r.row_count; i++)
        for (size_t k = 0; r.rows[i].sketches && k < q->grid->points; k++)
            tql_sketch_free(r.rows[i].sketches[k]);
    tql_groups_free(&r.groups);
    return st;
}
