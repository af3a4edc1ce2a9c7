/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of a range: each series' samples come as a whole, and each step sees its window of them. Ranges are open to the
 * left: (t - range, t]. */
#include "promql/native.h"
#include "promql/parts.h"
#include "promql/rows.h"

enum { WINDOW_SAMPLES_PER_CHECK = 4 * 1000 * 1000 }; /* long windows over many steps: one series may take minutes */

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

/* Of a series with histograms: this window may have none. */
static double range_of_window(const struct function *fn, const struct window *w)
{
    if (!eval_has_histograms(w->v, w->n))
        return fn->range(w);
    return fn->range_mixed ? fn->range_mixed(w) : native_numbers_only(fn, w);
}

static bool has_resets(const double *v, size_t n)
{
    for (size_t i = 1; i < n; i++)
        if (v[i] < v[i - 1])
            return true;
    return false;
}

/* Each step's window; both ends only move forward. */
static enum status run_windows(struct range_sink *s, struct window *w, const struct series *in, bool *out_any, struct err *err)
{
    const struct function *fn = s->call->fn;
    const int64_t *t = in->t;
    const double *v = in->v;
    size_t n = in->n, from = 0, to = 0, work = 0;
    bool any = false;
    struct extended x = { t, v, n, s->e->lookback_ms, eval_matrix_selector(s->arg)->is_smoothed, in->has_histograms };
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
        w->born_ms = in->born_ms ? in->born_ms + from : NULL;
        w->n = to - from;
        size_t size = s->e->values_max && !in->has_histograms ? w->n : 0;
        for (size_t k = 0; s->e->values_max && in->has_histograms && k < w->n; k++)
            size += eval_value_size(w->v[k]);
        enum status held = eval_check_held(s->e, size, err);
        if (held)
            return held;
        for (size_t k = 0; k < s->param_count; k++)
            w->params[k] = s->params[k][i];
        arena_reset(s->scratch);
        if (s->is_extended)
            s->v[i] = extended_range(&x, w, fn);
        else
            s->v[i] = in->has_histograms ? range_of_window(fn, w) : fn->range(w);
        any |= !is_absent(s->v[i]);
        work += w->n;
        if (work < WINDOW_SAMPLES_PER_CHECK && !(in->has_histograms && arena_over(w->out)))
            continue;
        work = 0;
        enum status st = eval_check(s->e, err);
        if (st)
            return st;
    }
    *out_any = any;
    return ST_OK;
}

static bool has_numbers(const struct range_sink *s)
{
    for (size_t i = 0; i < s->g->n; i++)
        if (!is_absent(s->v[i]) && !is_histogram(s->v[i]))
            return true;
    return false;
}

static void note_counter(struct range_sink *s, struct slice labels)
{
    struct slice name = labels_get(labels, NAME_LABEL), type = labels_get(labels, SLICE("__type__"));
    static const struct slice ends[] = { SLICE_INIT("_total"), SLICE_INIT("_sum"), SLICE_INIT("_count"), SLICE_INIT("_bucket") };
    const struct node *at = native_range_place(s->call);
    if (name.len == 0)
        return;
    if (s->e->features & FEATURE_TYPE_AND_UNIT_LABELS) {
        if (!slice_eq(type, SLICE("counter")) && !slice_eq(type, SLICE("histogram")))
            eval_info(s->e, at, "metric might not be a counter, __type__ label is not set to \"counter\" or \"histogram\", got \"%.*s\": \"%.*s\"",
                      SLICE_FMT(type), SLICE_FMT(name));
        return;
    }
    for (size_t i = 0; i < COUNT_OF(ends); i++)
        if (slice_ends(name, ends[i]))
            return;
    eval_info(s->e, at, "metric might not be a counter, name does not end in _total/_sum/_count/_bucket: \"%.*s\"", SLICE_FMT(name));
}

static enum status range_put(struct series_sink *sink, const struct series *in, struct err *err)
{
    struct range_sink *s = (struct range_sink *)sink;
    struct window w = { .range_ms = s->range_ms, .scratch = s->scratch, .out = s->e->line, .e = s->e, .call = s->call, .labels = in->labels,
                        .is_counted = in->is_counted };
    unsigned flags = s->call->fn->flags;
    if (flags & (FN_RATE_LIKE | FN_ANCHORED))
        w.has_resets = has_resets(in->v, in->n);
    bool any = false;
    enum status st = run_windows(s, &w, in, &any, err);
    if (st || !any)
        return st;
    if ((flags & FN_COUNTER) && (!in->has_histograms || has_numbers(s)))
        note_counter(s, in->labels);
    struct row row = { in->labels, in->drop_name, s->v, in->has_histograms && eval_has_histograms(s->v, s->g->n) };
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
        s.reach = eval_reach(e, eval_matrix_selector(s.arg));
        s.range_ms = ast_strip_parens(s.arg)->range_ms;
        s.is_extended = eval_matrix_selector(s.arg)->is_anchored || eval_matrix_selector(s.arg)->is_smoothed;
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

static enum status present_put(struct series_sink *sink, const struct series *in, struct err *err)
{
    struct present_sink *s = (struct present_sink *)sink;
    size_t to = 0;
    for (size_t i = 0; i < s->g->n; i++) {
        int64_t end = reach_end(&s->reach, s->g, i);
        while (to < in->n && in->t[to] <= end)
            to++;
        if (to && in->t[to - 1] > sat_sub(end, s->range_ms))
            s->out[i] = 1;
    }
    return ST_OK;
}

enum status eval_present_over_time(struct eval *e, const struct node *n, const struct grid *g, uint8_t *out, struct err *err)
{
    struct present_sink s = { { present_put }, g, eval_reach(e, eval_matrix_selector(n)), ast_strip_parens(n)->range_ms, out };
    memset(out, 0, g->n);
    return eval_matrix(e, n, g, &s.series, err);
}
