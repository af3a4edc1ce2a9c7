/* SPDX-License-Identifier: Apache-2.0 */
/* From samples to rows: selectors look back from each step, ranges give windows to a function, subqueries make samples
 * out of steps of their own grid.
 *
 * One call to the engine per selector, over a window that covers all steps; then two pointers walk each series once.
 * Ranges and lookback are open to the left: (t - range, t]. */
#include "promql/native.h"
#include "promql/parts.h"

#define TENANT_LABEL SLICE("__tenant_id__")

struct reach eval_reach(const struct eval *e, const struct node *n)
{
    struct reach r = { n->at != AT_NONE, n->at_ms, n->offset_ms };
    if (n->at == AT_START)
        r.at_ms = e->query_start_ms;
    if (n->at == AT_END)
        r.at_ms = e->query_end_ms;
    return r;
}

/* ---- samples from the engine ---- */

static enum status open_samples(struct eval *e, const struct node *n, const struct grid *g, int64_t range_ms, enum samples_mode mode,
                                struct samples_iter **out, struct err *err)
{
    struct reach r = eval_reach(e, n);
    bool past = n->is_anchored || n->is_smoothed;
    struct samples_query q = {
        .start_ms = sat_sub(reach_end(&r, g, 0), past ? sat_add(range_ms, e->lookback_ms) : range_ms),
        .end_ms = sat_add(reach_end(&r, g, g->n - 1), n->is_smoothed ? e->lookback_ms : 0),
        .matchers = n->matchers,
        .matcher_count = n->matcher_count,
        .grid = { reach_end(&r, g, 0), reach_end(&r, g, g->n - 1), g->step_ms, range_ms, n->within },
        .mode = past || n->is_counted ? SAMPLES_RAW : mode, /* whether a histogram is a reset, the one before must tell */
    };
    return e->env->engine->ops->samples(e->env->engine, e->env->ctx, &q, out, err);
}

/* Histograms without their buckets. Whether one begins anew is found out before these go. */
static void count_only(struct eval *e, struct series_samples *s)
{
    const struct histogram *before = NULL;
    double *v = arena_array(e->line, double, s->n);
    for (size_t i = 0; i < s->n; i++) {
        v[i] = s->v[i];
        if (!is_histogram(v[i]))
            continue;
        const struct histogram *h = histogram_unbox(v[i]);
        struct histogram *bare = arena_new_of(e->line, struct histogram);
        *bare = (struct histogram){ .schema = h->schema, .hint = h->hint, .count = h->count, .sum = h->sum };
        if (bare->hint == HINT_UNKNOWN && before)
            bare->hint = histogram_is_reset(before, h) ? HINT_RESET : HINT_NOT_RESET;
        v[i] = histogram_box(bare);
        before = h;
    }
    s->v = v;
}

static enum status next_series(struct eval *e, const struct node *n, struct samples_iter *it, struct series_samples *s, struct err *err)
{
    arena_reset(e->line);
    *s = (struct series_samples){ 0 };
    enum status st = eval_check(e, err);
    if (!st)
        st = it->ops->next(it, s, err);
    if (!st && n->is_counted && eval_has_histograms(s->v, s->n))
        count_only(e, s);
    if (!st && e->env->ctx->tenant_count > 1)
        s->labels = labels_with(e->line, s->labels, TENANT_LABEL, s->tenant);
    return st;
}

static double value_at(const struct series_samples *s, size_t i, enum selector_value what)
{
    switch (what) {
    case SELECTOR_VALUE:
        return s->v[i];
    case SELECTOR_TIME:
        return (double)s->t_ms[i] / 1000;
    case SELECTOR_BORN:
        return s->born_ms ? (double)s->born_ms[i] / 1000 : 0;
    }
    return ABSENT;
}

static bool fill_row(const struct grid *g, const struct reach *r, int64_t lookback_ms, enum selector_value what,
                     const struct series_samples *s, double *v)
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
        v[i] = value_at(s, at - 1, what);
        any = true;
    }
    return any;
}

static void drop_stale(struct eval *e, struct series_samples *s);

static bool fill_smooth(struct eval *e, const struct node *n, const struct grid *g, const struct reach *r, struct series_samples *s,
                        double *v)
{
    bool any = false;
    drop_stale(e, s);
    struct extended x = { s->t_ms, s->v, s->n, e->lookback_ms, true, eval_has_histograms(s->v, s->n) };
    const struct node call = { .kids = &(struct node *){ (struct node *)n }, .kid_count = 1 };
    struct window w = { .scratch = e->line, .out = e->line, .e = e, .call = &call, .labels = s->labels };
    for (size_t i = 0; i < g->n; i++) {
        v[i] = extended_at(&x, reach_end(r, g, i), &w);
        any |= !is_absent(v[i]);
    }
    return any;
}

enum status eval_selector(struct eval *e, const struct node *n, const struct grid *g, enum selector_value what, struct sink *sink,
                          struct err *err)
{
    struct samples_iter *it;
    struct series_samples s;
    struct reach r = eval_reach(e, n);
    bool is_one = g->n == 1 || r.is_fixed;
    enum status st = open_samples(e, n, g, e->lookback_ms, is_one ? SAMPLES_LAST : SAMPLES_RAW, &it, err);
    if (st)
        return st;
    double *v = mem_alloc(g->n * sizeof *v);
    while ((st = next_series(e, n, it, &s, err)) == ST_OK) {
        bool any = n->is_smoothed && what == SELECTOR_VALUE ? fill_smooth(e, n, g, &r, &s, v) : fill_row(g, &r, e->lookback_ms, what, &s, v);
        if (!any)
            continue;
        struct row row = { s.labels, false, v, eval_has_histograms(s.v, s.n) };
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
        return eval_selector(e, n, g, SELECTOR_VALUE, sink, err);
    enum status st = open_samples(e, n, g, e->lookback_ms, SAMPLES_PRESENT, &it, err);
    if (st)
        return st;
    while ((st = next_series(e, n, it, &s, err)) == ST_OK) {
        double one = 1;
        struct row row = { s.labels, false, &one, false };
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
    int64_t *born = s->born_ms ? arena_array(e->line, int64_t, s->n) : NULL;
    double *v = arena_array(e->line, double, s->n);
    n = 0;
    for (size_t i = 0; i < s->n; i++) {
        if (is_stale(s->v[i]))
            continue;
        t[n] = s->t_ms[i];
        if (born)
            born[n] = s->born_ms[i];
        v[n++] = s->v[i];
    }
    s->t_ms = t;
    s->born_ms = born;
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
    while ((st = next_series(e, n->kids[0], it, &s, err)) == ST_OK) {
        drop_stale(e, &s);
        if (s.n == 0)
            continue;
        const int64_t *born = (e->features & FEATURE_START_TIMESTAMPS) ? s.born_ms : NULL;
        struct series series = { s.labels, false, eval_has_histograms(s.v, s.n), s.t_ms, born, s.v, s.n, s.is_counted };
        st = sink->put(sink, &series, err);
        if (st)
            break;
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

struct subquery_sink {
    struct sink sink;
    struct eval *e;
    const struct grid *g;
    int64_t *t;
    double *v;
    struct series_sink *next;
};

/* What a hint says of the sample before does not hold for the step before. */
static void forget_resets(struct arena *a, double *v, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        if (!is_histogram(v[i]) || histogram_unbox(v[i])->hint == HINT_GAUGE)
            continue;
        struct histogram *h = arena_new_of(a, struct histogram);
        *h = *histogram_unbox(v[i]);
        h->hint = HINT_UNKNOWN;
        v[i] = histogram_box(h);
    }
}

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
    if (n == 0)
        return ST_OK;
    if (row->has_histograms)
        forget_resets(q->e->line, q->v, n);
    struct series series = { row->labels, row->drop_name, row->has_histograms, q->t, NULL, q->v, n, false };
    return q->next->put(q->next, &series, err);
}

static int64_t floor_to(int64_t t, int64_t step)
{
    int64_t r = t % step;
    return t - (r < 0 ? r + step : r);
}

static enum status matrix_subquery(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err)
{
    struct reach r = eval_reach(e, n);
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
    struct subquery_sink q = { { subquery_put }, e, &inner, arena_array(a, int64_t, inner.n), arena_array(a, double, inner.n), sink };
    enum status st = eval_vector(e, n->kids[0], &inner, &q.sink, err);
    arena_free(a);
    return st;
}

enum status eval_matrix(struct eval *e, const struct node *n, const struct grid *g, struct series_sink *sink, struct err *err)
{
    n = ast_strip_parens(n);
    return n->kind == NODE_MATRIX ? matrix_samples(e, n, g, sink, err) : matrix_subquery(e, n, g, sink, err);
}

const struct node *eval_matrix_selector(const struct node *n)
{
    n = ast_strip_parens(n);
    return n->kind == NODE_MATRIX ? n->kids[0] : n;
}
