/* SPDX-License-Identifier: Apache-2.0 */
/* Range aggregations. One pass over the rows in ascending time; each series keeps its points (time, value, weight) and, once all
 * are in, a window (t - range, t] slides over them. */
#include <math.h>

#include "base/date.h"
#include "base/map.h"
#include "base/num.h"
#include "logql/eval.h"
#include "logql/points.h"
#include "logql/project.h"
#include "query/agg.h"
#include "query/weighed.h"

struct points {
    struct slice labels;
    struct point *list;
    size_t count, cap;
    int64_t cell[2]; /* of the last point: see cell_of */
    int64_t from_ns, to_ns; /* rows in no order: bounds of the cell of the last point */
};

struct range {
    struct query_env *env;
    const struct grid *grid;
    const struct expr *e;
    struct map index;
    struct points *series;
    size_t count, cap;
    int64_t cell_ns; /* between neighbouring marks of a grid */
    struct record *record;
    struct arena *scratch;
    bool is_linear;
    const struct projection *only;
    struct lots *lots;
};

/* by, without, or all labels but the unwrapped one. */
static struct slice group_labels(const struct expr *e, const struct record *r, struct arena *scratch)
{
    const struct grouping *g = &e->grouping;
    bool is_by = g->given && !g->without;
    struct slice labels = is_by ? record_labels_only(r, g->names, g->count, scratch) : record_labels(r, -1, scratch);
    if (e->has_unwrap)
        labels = labels_without(scratch, labels, &e->unwrap_label, 1);
    return g->given && g->without ? labels_without(scratch, labels, g->names, g->count) : labels;
}

bool logql_range_is_linear(enum range_op op)
{
    return op == RANGE_COUNT || op == RANGE_RATE || op == RANGE_BYTES || op == RANGE_BYTES_RATE || op == RANGE_SUM;
}

/* Windows begin and end at the points of two grids; times in the same cell of both lie in the same windows. */
static void cell_of(const struct range *x, int64_t time_ns, int64_t cell[2])
{
    int64_t end = sat_sub(time_ns, sat_sub(x->grid->start_ns, x->e->offset_ns)) - 1;
    cell[0] = date_floor(end, x->cell_ns);
    cell[1] = date_floor(sat_add(end, x->e->range_ns), x->cell_ns);
}

/* Sums need no single rows: what lies in the same cells as the point before is added to it. So a count over any number of lines
 * keeps a few numbers a step. */
static bool merge_point(struct range *x, struct points *s, struct point p)
{
    int64_t cell[2];
    if (!logql_range_is_linear(x->e->range_op))
        return false;
    cell_of(x, p.time_ns, cell);
    bool same = s->count && cell[0] == s->cell[0] && cell[1] == s->cell[1];
    if (same) {
        struct point *last = &s->list[s->count - 1];
        *last = (struct point){ last->time_ns, last->v * last->weight + p.v * p.weight, 1 };
    }
    memcpy(s->cell, cell, sizeof s->cell);
    return same;
}

static enum status series_of(struct range *x, struct slice labels, size_t *number, struct err *err)
{
    struct arena *a = x->env->result;
    uint64_t *at = map_get(&x->index, labels);
    if (at == NULL) {
        if (x->count == LOGQL_SERIES_MAX)
            return err_set(err, ST_LIMIT, "the query gives over %d series; group by fewer labels", LOGQL_SERIES_MAX);
        labels = arena_copy(a, labels);
        ARENA_PUSH(a, x->series, x->count, x->cap) = (struct points){ .labels = labels };
        at = map_put(&x->index, labels, NULL);
        *at = x->count - 1;
    }
    *number = *at;
    return ST_OK;
}

/* The bounds within which times are in the same windows. */
static void bounds_of(const struct range *x, int64_t time_ns, int64_t *from_ns, int64_t *to_ns)
{
    int64_t first_ns = sat_add(sat_sub(x->grid->start_ns, x->e->offset_ns), 1);
    const int64_t origins[] = { first_ns, sat_sub(first_ns, x->e->range_ns) };
    *from_ns = INT64_MIN;
    *to_ns = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(origins); i++) {
        int64_t from = sat_add(origins[i], date_floor(sat_sub(time_ns, origins[i]), x->cell_ns));
        *from_ns = MAX(*from_ns, from);
        *to_ns = MIN(*to_ns, sat_add(from, x->cell_ns));
    }
}

/* What lies in one cell becomes one point. */
static void compact(const struct range *x, struct points *s)
{
    size_t n = 0;
    int64_t from_ns = 1, to_ns = 0;
    points_sort(s->list, s->count);
    for (size_t i = 0; i < s->count; i++) {
        struct point p = s->list[i];
        if (n && p.time_ns >= from_ns && p.time_ns < to_ns) {
            s->list[n - 1] = (struct point){ s->list[n - 1].time_ns, s->list[n - 1].v * s->list[n - 1].weight + p.v * p.weight, 1 };
            continue;
        }
        bounds_of(x, p.time_ns, &from_ns, &to_ns);
        s->list[n++] = p;
    }
    s->count = n;
    s->from_ns = from_ns;
    s->to_ns = to_ns;
}

static void lot_add(void *arg, size_t series, int64_t time_ns, double v, double weight)
{
    enum { COMPACT_POINTS_MIN = 1024 };
    struct range *x = arg;
    struct points *s = &x->series[series];
    struct point p = { time_ns, v, weight };
    if (weight != 1)
        x->env->ctx->is_sampled = true;
    if (x->is_linear) {
        if (s->count && time_ns >= s->from_ns && time_ns < s->to_ns) {
            s->list[s->count - 1].v += v * weight;
            return;
        }
        if (s->count == s->cap && s->count >= COMPACT_POINTS_MIN)
            compact(x, s);
        bounds_of(x, time_ns, &s->from_ns, &s->to_ns);
        p = (struct point){ time_ns, v * weight, 1 };
    }
    ARENA_PUSH(x->env->result, s->list, s->count, s->cap) = p;
}

static enum status add_point(struct range *x, struct slice labels, struct point p, struct err *err)
{
    size_t number;
    enum status st = series_of(x, labels, &number, err);
    if (st)
        return st;
    struct points *s = &x->series[number];
    if (x->lots)
        lot_add(x, number, p.time_ns, p.v, p.weight);
    else if (!merge_point(x, s, p))
        ARENA_PUSH(x->env->result, s->list, s->count, s->cap) = p;
    return ST_OK;
}

/* The value of a row; false: the row does not count. */
static bool row_value(const struct expr *e, struct record *r, double *v, struct arena *scratch)
{
    if (!e->has_unwrap) {
        *v = e->range_op == RANGE_BYTES || e->range_op == RANGE_BYTES_RATE ? (double)r->line.len : 1;
        return true;
    }
    struct slice text = record_get(r, e->unwrap_label);
    if (text.len == 0)
        return false;
    if (!logql_value_parse(text, e->unwrap_as, v)) {
        record_error(r, "SampleExtractionErr", logql_value_fault(text, e->unwrap_as, scratch));
        *v = 0;
    }
    return e->unwrap_filter == NULL || logql_filter_run(e->unwrap_filter, r, scratch);
}

/* Numbers made of lines that could not be read would be wrong ones. */
static enum status pipeline_failed(const struct record *r, struct arena *scratch, struct err *err)
{
    enum { LABELS_TOLD_BYTES_MAX = 300 };
    struct buf labels;
    buf_init(&labels, 0);
    labels_format(record_labels(r, -1, scratch), &labels);
    enum status st = err_set(err, ST_INVALID, "pipeline error: '%.*s' for series: '%.*s'. Filter such lines out with | __error__=\"\"",
                             SLICE_FMT(r->error), (int)MIN(labels.len, (size_t)LABELS_TOLD_BYTES_MAX), labels.ptr);
    buf_free(&labels);
    return st;
}

/* r has passed the stages. */
static enum status fold_record(struct range *x, struct record *r, float weight, struct err *err)
{
    double v;
    if (!row_value(x->e, r, &v, x->scratch))
        return ST_OK;
    if (r->error.len) { /* a template that was stopped says so of its line, but it is the query that is over its time */
        enum status st = engine_ctx_check(x->env->ctx, err);
        return st ? st : pipeline_failed(r, x->scratch, err);
    }
    x->env->ctx->is_sampled |= weight != 1;
    return add_point(x, group_labels(x->e, r, x->scratch), (struct point){ r->time_ns, v, weight }, err);
}

static enum status fold_row(struct range *x, const struct event *e, struct stage_env *env, struct err *err)
{
    const struct expr *log = x->e->left;
    record_load(x->record, e, env->scratch);
    if (!matchers_match(log->matchers, log->matcher_count, e->stream) || !logql_stages_run(log->stages, x->record, env))
        return ST_OK;
    return fold_record(x, x->record, e->weight, err);
}

/* ---- lots: rows in no order ---- */

static enum status lot_row(void *arg, struct record *r, float weight, struct err *err)
{
    return fold_record(arg, r, weight, err);
}

static enum status lot_series(void *arg, struct record *r, size_t *number, struct err *err)
{
    struct range *x = arg;
    return series_of(x, group_labels(x->e, r, x->scratch), number, err);
}

static enum status read_rows(struct range *x, struct events_iter *it, struct err *err)
{
    struct arena *scratch = x->scratch;
    struct stage_env env = { .scratch = scratch, .json = json_parser_new(), .only = x->only, .ctx = x->env->ctx };
    struct event_block block;
    enum status st;
    size_t walked = 0;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        if (block.lot)
            st = logql_lots_fold(x->lots, block.lot, err);
        for (size_t i = 0; block.lot == NULL && i < block.n && !st; i++) {
            st = fold_row(x, &block.rows[i], &env, err);
            if (!st)
                st = logql_row_check(x->env->ctx, &block.rows[i], &walked, err);
            if (arena_bytes(scratch) > LOGQL_SCRATCH_BYTES)
                arena_reset(scratch);
        }
        arena_reset(scratch);
        if (!st)
            st = logql_check(x->env, err);
        if (st)
            break;
    }
    json_parser_free(env.json);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- counts by the engine ---- */

/* May the engine count? Then stages, if any, are line filters that it checks, and a row's value is 1. */
static bool is_count(const struct expr *e)
{
    bool is_one = e->range_op == RANGE_COUNT || e->range_op == RANGE_RATE || e->range_op == RANGE_ABSENT;
    return is_one && !e->has_unwrap && logql_push_is_all(e->left);
}

static bool is_grouped_by(const struct expr *e, struct slice name)
{
    bool is_named = false;
    for (size_t i = 0; i < e->grouping.count; i++)
        is_named |= slice_eq(e->grouping.names[i], name);
    return e->grouping.given && !e->grouping.without ? is_named : !is_named;
}

static bool group_looks_at(void *arg, struct slice field)
{
    struct range *x = arg;
    if (arena_bytes(x->scratch) > LOGQL_SCRATCH_BYTES)
        arena_reset(x->scratch);
    struct slice name = record_field_label(x->scratch, field);
    return is_grouped_by(x->e, name) || is_grouped_by(x->e, arena_printf(x->scratch, "%.*s_extracted", SLICE_FMT(name)));
}

static enum status group_of_event(void *arg, const struct event *e, uint32_t *group, struct err *err)
{
    struct range *x = arg;
    size_t number;
    if (arena_bytes(x->scratch) > LOGQL_SCRATCH_BYTES)
        arena_reset(x->scratch);
    record_load(x->record, e, x->scratch);
    enum status st = series_of(x, group_labels(x->e, x->record, x->scratch), &number, err);
    *group = (uint32_t)number;
    return st;
}

static enum status read_counts(struct range *x, struct events_iter *it, struct err *err)
{
    struct event_block block;
    enum status st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK)
        for (size_t i = 0; i < block.n; i++) {
            struct points *s = &x->series[block.counts[i].group];
            ARENA_PUSH(x->env->result, s->list, s->count, s->cap) = (struct point){ block.counts[i].time_ns, block.counts[i].count, 1 };
        }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- windows ---- */

static double fold_agg(enum agg_op op, const struct point *p, size_t n)
{
    struct agg_cell cell = { 0 };
    for (size_t i = 0; i < n; i++)
        agg_add(op, &cell, p[i].v);
    return agg_result(op, &cell);
}

static double weighted_sum(const struct point *p, size_t n)
{
    double sum = 0, comp = 0;
    for (size_t i = 0; i < n; i++)
        agg_kahan_add(p[i].v * p[i].weight, &sum, &comp);
    return sum + comp;
}

/* The increase over (to_ns - range_ns, to_ns], carried on to the window's ends as Prometheus does: as far as an average step
 * and a tenth reaches, else by half a step, and never below a counter's zero. */
static double counter_increase(const struct point *p, size_t n, int64_t range_ns, int64_t to_ns)
{
    double increase = 0;
    if (n < 2)
        return 0;
    for (size_t i = 1; i < n; i++)
        increase += p[i].v >= p[i - 1].v ? p[i].v - p[i - 1].v : p[i].v;
    double sampled = (double)(p[n - 1].time_ns - p[0].time_ns), step = sampled / (double)(n - 1);
    double before = (double)sat_sub(p[0].time_ns, sat_sub(to_ns, range_ns)), after = (double)(to_ns - p[n - 1].time_ns);
    if (sampled <= 0)
        return 0;
    if (increase > 0 && p[0].v >= 0)
        before = fmin(before, sampled * (p[0].v / increase));
    before = before < step * 1.1 ? before : step / 2;
    after = after < step * 1.1 ? after : step / 2;
    return increase * (sampled + before + after) / sampled;
}

static bool is_weighed_op(enum range_op op)
{
    return op == RANGE_AVG || op == RANGE_STDDEV || op == RANGE_STDVAR || op == RANGE_QUANTILE;
}

/* False: each row stands for itself alone. */
static bool weighed_value(const struct expr *e, struct arena *scratch, const struct point *p, size_t n, double *v)
{
    bool any = false;
    if (!is_weighed_op(e->range_op))
        return false;
    for (size_t i = 0; i < n && !any; i++)
        any = p[i].weight != 1;
    if (!any)
        return false;
    struct weighed *list = arena_array(scratch, struct weighed, n);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct weighed){ p[i].v, p[i].weight };
    if (e->range_op == RANGE_QUANTILE)
        *v = weighed_quantile(e->parameter, list, n);
    else if (e->range_op == RANGE_AVG)
        *v = weighed_avg(list, n);
    else
        *v = e->range_op == RANGE_STDDEV ? sqrt(weighed_variance(list, n)) : weighed_variance(list, n);
    return true;
}

static double window_value(const struct expr *e, struct arena *scratch, const struct point *p, size_t n, int64_t to_ns)
{
    double seconds = (double)e->range_ns / 1e9, *values, weighed;
    if (weighed_value(e, scratch, p, n, &weighed))
        return weighed;
    switch (e->range_op) {
    case RANGE_COUNT:
    case RANGE_BYTES:
    case RANGE_SUM: return weighted_sum(p, n);
    case RANGE_RATE:
    case RANGE_BYTES_RATE: return weighted_sum(p, n) / seconds;
    case RANGE_RATE_COUNTER: return counter_increase(p, n, e->range_ns, to_ns) / seconds;
    case RANGE_AVG: return fold_agg(AGG_AVG, p, n);
    case RANGE_MIN: return fold_agg(AGG_MIN, p, n);
    case RANGE_MAX: return fold_agg(AGG_MAX, p, n);
    case RANGE_STDDEV: return fold_agg(AGG_STDDEV, p, n);
    case RANGE_STDVAR: return fold_agg(AGG_STDVAR, p, n);
    case RANGE_FIRST: return p[0].v;
    case RANGE_LAST: return p[n - 1].v;
    case RANGE_QUANTILE:
        values = arena_array(scratch, double, n);
        for (size_t i = 0; i < n; i++)
            values[i] = p[i].v;
        return agg_quantile(e->parameter, values, n);
    case RANGE_ABSENT: return 1;
    }
    return NAN;
}

/* Counts and bytes are whole numbers, so that sums over windows are differences of running sums, exactly. */
static double *running_sums(const struct range *x, const struct points *s, struct arena *scratch)
{
    double *sums, sum = 0;
    if (x->e->has_unwrap || x->e->range_op > RANGE_BYTES_RATE)
        return NULL;
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i].weight != 1)
            return NULL;
    sums = arena_array(scratch, double, s->count + 1);
    sums[0] = 0;
    for (size_t i = 0; i < s->count; i++)
        sums[i + 1] = sum += s->list[i].v;
    return sums;
}

static enum status slide(struct range *x, const struct points *s, struct grid_series *out, struct arena *scratch, struct err *err)
{
    enum { WORK_MAX = 1000 * 1000 }; /* points looked at between two questions whether to go on */
    size_t from = 0, to = 0, work = 0;
    bool is_rate = x->e->range_op == RANGE_RATE || x->e->range_op == RANGE_BYTES_RATE;
    double *sums = running_sums(x, s, scratch), unit = is_rate ? (double)x->e->range_ns / 1e9 : 1;
    for (size_t i = 0; i < x->grid->count; i++) {
        int64_t t = sat_sub(grid_time(x->grid, i), x->e->offset_ns), before = sat_sub(t, x->e->range_ns);
        while (to < s->count && s->list[to].time_ns <= t)
            to++;
        while (from < to && s->list[from].time_ns <= before)
            from++;
        if (from == to)
            continue;
        out->has[i] = true;
        if (sums) {
            out->v[i] = (sums[to] - sums[from]) / unit;
            continue;
        }
        out->v[i] = window_value(x->e, scratch, s->list + from, to - from, t);
        arena_reset(scratch);
        work += to - from;
        if (work > WORK_MAX) {
            enum status st = logql_check(x->env, err);
            if (st)
                return st;
            work = 0;
        }
    }
    arena_reset(scratch);
    return logql_check(x->env, err);
}

/* absent_over_time: 1 where no series has a row, with the labels of the = matchers. */
static enum status absent(struct range *x, struct grid_result *out, struct arena *scratch, struct err *err)
{
    struct grid_result all = { 0 };
    const struct expr *log = x->e->left;
    struct label list[LABELS_PER_SERIES_MAX];
    struct slice labels = SLICE_EMPTY;
    size_t n = 0;
    bool any = false;
    for (size_t i = 0; i < log->matcher_count && n < COUNT_OF(list); i++)
        if (log->matchers[i].op == MATCH_EQ)
            list[n++] = (struct label){ log->matchers[i].name, log->matchers[i].value };
    if (labels_build(x->env->result, list, n, &labels, NULL))
        labels = SLICE_EMPTY;
    struct grid_series *result = grid_series_new(x->env->result, x->grid, &all, labels);
    for (size_t i = 0; i < x->grid->count; i++)
        result->has[i] = true, result->v[i] = 1;
    struct grid_result one = { 0 };
    struct grid_series *s = grid_series_new(x->env->result, x->grid, &one, SLICE_EMPTY);
    for (size_t k = 0; k < x->count; k++) {
        enum status st = slide(x, &x->series[k], s, scratch, err);
        if (st)
            return st;
    }
    for (size_t i = 0; i < x->grid->count; i++)
        result->has[i] = !s->has[i];
    for (size_t i = 0; i < x->grid->count; i++)
        any |= result->has[i];
    if (any)
        *out = all;
    return ST_OK;
}

/* *did: whether the engine counted, or gives lots. */
static enum status open_rows(struct range *x, const struct events_count_by *by, const struct lot_query *lots, struct events_iter **it, unsigned *did,
                             struct err *err)
{
    const struct grid *g = x->grid;
    const struct expr *e = x->e;
    int64_t last = grid_time(g, g->count - 1);
    struct events_query q = { .start_ns = sat_add(sat_sub(sat_sub(g->start_ns, e->offset_ns), e->range_ns), 1),
                              .end_ns = sat_add(sat_sub(last, e->offset_ns), 1), .kinds = 1u << EVENT_LOG,
                              .pred = logql_push(x->env->result, e->left), .want = WANT_STREAM | WANT_BODY | WANT_FIELDS | WANT_IDS,
                              .order = ORDER_TIME_ASC, .count_by = is_count(e) ? by : NULL, .lots = lots };
    return x->env->engine->ops->events(x->env->engine, x->env->ctx, &q, it, did, err);
}

static enum status read_all(struct range *x, struct err *err)
{
    int64_t first_ns = sat_add(sat_sub(x->grid->start_ns, x->e->offset_ns), 1);
    struct events_count_by by = { .step_ns = x->cell_ns, .origin_ns = { first_ns, sat_sub(first_ns, x->e->range_ns) }, .group = group_of_event,
                                  .looks_at = group_looks_at, .arg = x };
    const struct lot_sink sink = { lot_row, lot_series, lot_add, x };
    struct lot_plan *plan = arena_new_of(x->env->result, struct lot_plan);
    bool is_lots = logql_lot_plan(x->env->result, x->e, plan);
    struct events_iter *it;
    unsigned did;
    by.with_ids = is_grouped_by(x->e, SLICE("trace_id")) || is_grouped_by(x->e, SLICE("span_id"));
    enum status st = open_rows(x, &by, is_lots ? &plan->query : NULL, &it, &did, err);
    if (st)
        return st;
    assert(did & (ENGINE_DID_ORDER | ENGINE_DID_COUNT | ENGINE_DID_LOTS)); /* the rest is checked again here; order could not be made */
    x->only = plan->only;
    x->is_linear = logql_range_is_linear(x->e->range_op);
    if (did & ENGINE_DID_LOTS)
        x->lots = logql_lots_new(plan, x->e, &sink, x->record, x->scratch);
    st = did & ENGINE_DID_COUNT ? read_counts(x, it, err) : read_rows(x, it, err);
    it->ops->close(it);
    for (size_t i = 0; x->lots && x->grid->count > 1 && i < x->count; i++)
        points_sort(x->series[i].list, x->series[i].count);
    logql_lots_free(x->lots);
    return st;
}

enum status logql_eval_range(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err)
{
    struct range x = { .env = env, .grid = g, .e = e, .cell_ns = g->count == 1 ? INT64_MAX : g->step_ns, .scratch = arena_new(0) };
    x.record = arena_alloc(env->result, sizeof *x.record);
    map_init(&x.index);
    enum status st = read_all(&x, err);
    arena_reset(x.scratch);
    if (!st && e->range_op == RANGE_ABSENT) {
        st = absent(&x, out, x.scratch, err);
    } else {
        for (size_t i = 0; !st && i < x.count; i++)
            st = slide(&x, &x.series[i], grid_series_new(env->result, g, out, x.series[i].labels), x.scratch, err);
    }
    arena_free(x.scratch);
    map_free(&x.index);
    return st;
}
