/* SPDX-License-Identifier: Apache-2.0 */
/* From samples to rows: selectors look back from each step, ranges give windows to a function, subqueries make samples
 * out of steps of their own grid.
 *
 * One call to the engine per selector, over a window that covers all steps; then two pointers walk each series once.
 * Ranges and lookback are open to the left: (t - range, t]. */
#include "base/num.h"
#include "promql/parts.h"
#include "promql/rows.h"

enum { WINDOW_SAMPLES_PER_CHECK = 4 * 1000 * 1000 }; /* long windows over many steps: one series may take minutes */

#define TENANT_LABEL SLICE("__tenant_id__")

/* ---- which time a step looks at ---- */

struct reach {
    bool is_fixed; /* by @: the same for all steps */
    int64_t at_ms, offset_ms;
};

static struct reach reach_of(const struct eval *e, const struct node *n)
{
    struct reach r = { n->at != AT_NONE, n->at_ms, n->offset_ms };
    if (n->at == AT_START)
        r.at_ms = e->query_start_ms;
    if (n->at == AT_END)
        r.at_ms = e->query_end_ms;
    return r;
}

static int64_t reach_end(const struct reach *r, const struct grid *g, size_t i)
{
    return sat_sub(r->is_fixed ? r->at_ms : grid_at(g, i), r->offset_ms);
}

/* ---- samples from the engine ---- */

static enum status open_samples(struct eval *e, const struct node *n, const struct grid *g, int64_t range_ms, enum samples_mode mode,
                                struct samples_iter **out, struct err *err)
{
    struct reach r = reach_of(e, n);
    bool past = n->is_anchored || n->is_smoothed;
    struct samples_query q = {
        .start_ms = sat_sub(reach_end(&r, g, 0), past ? sat_add(range_ms, e->lookback_ms) : range_ms),
        .end_ms = sat_add(reach_end(&r, g, g->n - 1), n->is_smoothed ? e->lookback_ms : 0),
        .matchers = n->matchers,
        .matcher_count = n->matcher_count,
        .mode = past ? SAMPLES_RAW : mode,
    };
    return e->env->engine->ops->samples(e->env->engine, e->env->ctx, &q, out, err);
}

static enum status next_series(struct eval *e, struct samples_iter *it, struct series_samples *s, struct err *err)
{
    arena_reset(e->line);
    enum status st = eval_check(e, err);
    if (!st)
        st = it->ops->next(it, s, err);
    if (!st && e->env->ctx->tenant_count > 1)
        s->labels = labels_with(e->line, s->labels, TENANT_LABEL, s->tenant);
    return st;
}

static bool fill_row(const struct grid *g, const struct reach *r, int64_t lookback_ms, bool times, const struct series_samples *s, double *v)
{
    bool any = false;
    size_t at = 0; /* samples up to the step's time */
    for (size_t i = 0; i < g->n; i++) {
        if (i && r->is_fixed) {
            v[i] = v[0];
            continue;
        }
        int64_t t = reach_end(r, g, i);
        while (at < s->n && s->t_ms[at] <= t)
            at++;
        v[i] = ABSENT;
        if (at == 0 || s->t_ms[at - 1] <= sat_sub(t, lookback_ms) || is_stale(s->v[at - 1]))
            continue;
        v[i] = times ? (double)s->t_ms[at - 1] / 1000 : s->v[at - 1];
        any = true;
    }
    return any;
}

static void drop_stale(struct eval *e, struct series_samples *s);

static bool fill_smooth(struct eval *e, const struct grid *g, const struct reach *r, struct series_samples *s, double *v)
{
    bool any = false;
    drop_stale(e, s);
    struct extended x = { s->t_ms, s->v, s->n, e->lookback_ms, true };
    for (size_t i = 0; i < g->n; i++) {
        v[i] = extended_at(&x, reach_end(r, g, i));
        any |= !is_absent(v[i]);
    }
    return any;
}

enum status eval_selector(struct eval *e, const struct node *n, const struct grid *g, bool times, struct sink *sink, struct err *err)
{
    struct samples_iter *it;
    struct series_samples s;
    struct reach r = reach_of(e, n);
    bool is_one = g->n == 1 || r.is_fixed;
    enum status st = open_samples(e, n, g, e->lookback_ms, is_one ? SAMPLES_LAST : SAMPLES_RAW, &it, err);
    if (st)
        return st;
    double *v = mem_alloc(g->n * sizeof *v);
    while ((st = next_series(e, it, &s, err)) == ST_OK) {
        bool any = n->is_smoothed ? fill_smooth(e, g, &r, &s, v) : fill_row(g, &r, e->lookback_ms, times, &s, v);
        if (!any)
            continue;
        struct row row = { s.labels, false, v };
        st = sink->put(sink, &row, err);
        if (st)
            break;
    }
    mem_free(v);
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status eval_selector_present(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct samples_iter *it;
    struct series_samples s;
    if (g->n != 1 || n->is_smoothed)
        return eval_selector(e, n, g, false, sink, err);
    enum status st = open_samples(e, n, g, e->lookback_ms, SAMPLES_PRESENT, &it, err);
    if (st)
        return st;
    while ((st = next_series(e, it, &s, err)) == ST_OK) {
        double one = 1;
        struct row row = { s.labels, false, &one };
        if (s.n == 0)
            continue;
        st = sink->put(sink, &row, err);
        if (st)
            break;
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

/* ---- ranges ---- */

/* Samples without stale markers, in the line arena when some had to go. */
static void drop_stale(struct eval *e, struct series_samples *s)
{
    size_t first = 0, n;
    while (first < s->n && !is_stale(s->v[first]))
        first++;
    if (first == s->n)
        return;
    int64_t *t = arena_array(e->line, int64_t, s->n);
    double *v = arena_array(e->line, double, s->n);
    n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (is_stale(s->v[i]))
            continue;
        t[n] = s->t_ms[i];
        v[n++] = s->v[i];
    }
    s->t_ms = t;
    s->v = v;
    s->n = n;
}

static enum status matrix_samples(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err)
{
    struct samples_iter *it;
    struct series_samples s;
    enum status st = open_samples(e, n->kids[0], g, n->range_ms, SAMPLES_RAW, &it, err);
    if (st)
        return st;
    while ((st = next_series(e, it, &s, err)) == ST_OK) {
        drop_stale(e, &s);
        if (s.n == 0)
            continue;
        st = sink->put(sink, s.labels, false, s.t_ms, s.v, s.n, err);
        if (st)
            break;
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct subquery_sink {
    struct sink sink;
    const struct grid *g;
    int64_t *t;
    double *v;
    struct series_sink *next;
};

static enum status subquery_put(struct sink *sink, struct row *row, struct err *err)
{
    struct subquery_sink *q = (struct subquery_sink *)sink;
    size_t n = 0;
    for (size_t i = 0; i < q->g->n; i++) {
        if (is_absent(row->v[i]))
            continue;
        q->t[n] = grid_at(q->g, i);
        q->v[n++] = row->v[i];
    }
    return n ? q->next->put(q->next, row->labels, row->drop_name, q->t, q->v, n, err) : ST_OK;
}

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;
    return t - (r < 0 ? r + step : r);
}

static enum status matrix_subquery(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err)
{
    struct reach r = reach_of(e, n);
    int64_t step = n->step_ms > 0 ? n->step_ms : SUBQUERY_STEP_MS_DEFAULT;
    int64_t before = sat_sub(reach_end(&r, g, 0), n->range_ms), end = reach_end(&r, g, g->n - 1);
    /* The first multiple of step behind the open end. */
    struct grid inner = { sat_add(floor_to(before, step), step), step, 1 };
    if (inner.start_ms > end)
        return ST_OK;
    uint64_t points = (uint64_t)(end - inner.start_ms) / (uint64_t)step + 1;
    if (points > GRID_POINTS_MAX)
        return err_set(err, ST_LIMIT, "a subquery would run at %llu points, at most %d are allowed: take a longer step or a shorter range",
                       (unsigned long long)points, GRID_POINTS_MAX);
    inner.n = (size_t)points;
    struct arena *a = eval_arena(e);
    struct subquery_sink q = { { subquery_put }, &inner, arena_array(a, int64_t, inner.n), arena_array(a, double, inner.n), sink };
    enum status st = eval_vector(e, n->kids[0], &inner, &q.sink, err);
    arena_free(a);
    return st;
}

enum status eval_matrix(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err)
{
    n = ast_strip_parens(n);
    return n->kind == NODE_MATRIX ? matrix_samples(e, n, g, sink, err) : matrix_subquery(e, n, g, sink, err);
}

static const struct node *matrix_selector(const struct node *n)
{
    n = ast_strip_parens(n);
    return n->kind == NODE_MATRIX ? n->kids[0] : n;
}

/* ---- functions of a range ---- */

struct range_sink {
    struct series_sink series;
    struct eval *e;
    const struct node *call, *arg;
    const struct grid *g;
    struct reach reach;
    int64_t range_ms;
    double *params[RANGE_PARAMS_MAX];
    size_t param_count;
    double *v;
    bool is_extended; /* anchored or smoothed */
    struct arena *scratch;
    struct sink *next;
};

static bool has_resets(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (v[i] < v[i - 1])
            return true;
    return false;
}

/* Each step's window; both ends only move forward. */
static enum status run_windows(struct range_sink *s, struct window *w, const int64_t *t, const double *v, size_t n, bool *out_any,
                               struct err *err)
{
    const struct function *fn = s->call->fn;
    size_t from = 0, to = 0, work = 0;
    bool any = false, scratch_used = s->scratch != NULL;
    struct extended x = { t, v, n, s->e->lookback_ms, matrix_selector(s->arg)->is_smoothed };
    for (size_t i = 0; i < s->g->n; i++) {
        if (i && s->reach.is_fixed && s->param_count == 0 && !(fn->flags & FN_USES_EVAL_TIME)) {
            s->v[i] = s->v[0];
            continue;
        }
        w->eval_ms = grid_at(s->g, i);
        w->end_ms = reach_end(&s->reach, s->g, i);
        w->start_ms = sat_sub(w->end_ms, s->range_ms);
        while (to < n && t[to] <= w->end_ms)
            to++;
        while (from < to && t[from] <= w->start_ms)
            from++;
        s->v[i] = ABSENT;
        if (from == to && !s->is_extended)
            continue;
        w->t = t + from;
        w->v = v + from;
        w->n = to - from;
        for (size_t k = 0; k < s->param_count; k++)
            w->params[k] = s->params[k][i];
        if (scratch_used)
            arena_reset(s->scratch);
        s->v[i] = s->is_extended ? extended_range(&x, w, fn) : fn->range(w);
        any |= !is_absent(s->v[i]);
        work += w->n;
        if (work < WINDOW_SAMPLES_PER_CHECK)
            continue;
        work = 0;
        enum status st = eval_check(s->e, err);
        if (st)
            return st;
    }
    *out_any = any;
    return ST_OK;
}

static void note_counter(struct range_sink *s, struct slice labels)
{
    struct slice name = labels_get(labels, NAME_LABEL);
    static const struct slice ends[] = { SLICE_INIT("_total"), SLICE_INIT("_sum"), SLICE_INIT("_count"), SLICE_INIT("_bucket") };
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (name.len == 0 || slice_ends(name, ends[i]))
            return;
    eval_info(s->e, s->arg, "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"%.*s\"", SLICE_FMT(name));
}

static enum status range_put(struct series_sink *sink, struct slice labels, bool drop_name, const int64_t *t, const double *v, size_t n,
                             struct err *err)
{
    struct range_sink *s = (struct range_sink *)sink;
    struct window w = { .range_ms = s->range_ms, .scratch = s->scratch };
    unsigned flags = s->call->fn->flags;
    if (flags & (FN_RATE_LIKE | FN_ANCHORED))
        w.has_resets = has_resets(v, n);
    bool any = false;
    enum status st = run_windows(s, &w, t, v, n, &any, err);
    if (st || !any)
        return st;
    if (flags & FN_COUNTER)
        note_counter(s, labels);
    struct row row = { labels, drop_name, s->v };
    if (!(flags & FN_KEEPS_NAME))
        eval_drop_name(s->e, &row);
    return s->next->put(s->next, &row, err);
}

static enum status range_run(struct range_sink *s, struct sink *sink, struct err *err)
{
    struct eval *e = s->e;
    s->next = sink;
    if ((s->call->fn->flags & FN_KEEPS_NAME) || (e->features & FEATURE_DELAYED_NAME_REMOVAL) || eval_name_is_fixed(s->arg))
        return eval_matrix(e, s->arg, s->g, &s->series, err);
    struct rows r;
    rows_init(&r, e, s->g->n);
    r.is_strict = true;
    s->next = &r.sink;
    enum status st = eval_matrix(e, s->arg, s->g, &s->series, err);
    if (!st)
        st = rows_give(&r, sink, err);
    rows_free(&r);
    return st;
}

enum status eval_range_fn(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct range_sink s = { .series = { range_put }, .e = e, .call = n, .g = g };
    struct arena *a = eval_arena(e);
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < n->kid_count; i++) {
        if (n->kids[i]->type == TYPE_MATRIX) {
            s.arg = n->kids[i];
            continue;
        }
        double *p = s.params[s.param_count++] = arena_array(a, double, g->n);
        st = eval_scalar(e, n->kids[i], g, p, err);
        if (!st && (n->fn->flags & FN_QUANTILE))
            eval_warn_quantile(e, n->kids[i], p, g->n);
    }
    if (!st) {
        s.reach = reach_of(e, matrix_selector(s.arg));
        s.range_ms = ast_strip_parens(s.arg)->range_ms;
        s.is_extended = matrix_selector(s.arg)->is_anchored || matrix_selector(s.arg)->is_smoothed;
        s.v = arena_array(a, double, g->n);
        s.scratch = eval_arena(e);
        st = range_run(&s, sink, err);
        arena_free(s.scratch);
    }
    arena_free(a);
    return st;
}

/* ---- absent_over_time ---- */

struct present_sink {
    struct series_sink series;
    const struct grid *g;
    struct reach reach;
    int64_t range_ms;
    uint8_t *out;
};

static enum status present_put(struct series_sink *sink, struct slice labels, bool drop_name, const int64_t *t, const double *v, size_t n,
                               struct err *err)
{
    struct present_sink *s = (struct present_sink *)sink;
    size_t to = 0;
    for (size_t i = 0; i < s->g->n; i++) {
        int64_t end = reach_end(&s->reach, s->g, i);
        while (to < n && t[to] <= end)
            to++;
        if (to && t[to - 1] > sat_sub(end, s->range_ms))
            s->out[i] = 1;
    }
    return ST_OK;
}

enum status eval_present_over_time(struct eval *e, const struct node *n, const struct grid *g, uint8_t *out, struct err *err)
{
    struct present_sink s = { { present_put }, g, reach_of(e, matrix_selector(n)), ast_strip_parens(n)->range_ms, out };
    memset(out, 0, g->n);
    return eval_matrix(e, n, g, &s.series, err);
}
