/* SPDX-License-Identifier: Apache-2.0 */
/* The language's table: from a text and times to a value in the result arena. */
#include "promql/promql.h"

#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "promql/native.h"
#include "promql/parts.h"
#include "promql/rows.h"

static enum value_type value_type_of(enum expr_type type)
{
    switch (type) {
    case TYPE_NONE:
        return VALUE_NONE;
    case TYPE_SCALAR:
        return VALUE_SCALAR;
    case TYPE_STRING:
        return VALUE_STRING;
    case TYPE_VECTOR:
        return VALUE_VECTOR;
    case TYPE_MATRIX:
        return VALUE_MATRIX;
    }
    return VALUE_NONE;
}

static enum status promql_check(struct slice text, uint32_t features, enum value_type *type, struct err *err)
{
    struct ast ast;
    struct arena *a = arena_new(0);
    enum status st = ast_parse(a, text, features, &ast, err);
    if (!st) {
        *type = value_type_of(ast.root->type);
        ast_destroy(&ast);
    }
    arena_free(a);
    return st;
}

static enum status promql_format(struct slice text, uint32_t features, struct buf *out, struct err *err)
{
    struct ast ast;
    struct arena *a = arena_new(0);
    enum status st = ast_parse(a, text, features, &ast, err);
    if (!st) {
        format_pretty(ast.root, 0, out);
        ast_destroy(&ast);
    }
    arena_free(a);
    return st;
}

/* ---- duration expressions ---- */

static double timing_value(const struct eval *e, const struct node *n)
{
    double l, r;
    switch (n->kind) {
    case NODE_NUMBER:
        return n->number;
    case NODE_PAREN:
        return timing_value(e, n->kids[0]);
    case NODE_UNARY:
        return n->op == OP_SUB ? -timing_value(e, n->kids[0]) : timing_value(e, n->kids[0]);
    case NODE_BINARY:
        return binary_apply(n->op, timing_value(e, n->kids[0]), timing_value(e, n->kids[1]));
    case NODE_TIMING:
        if (n->timing == TIMING_STEP)
            return (double)e->query_step_ms / 1000;
        if (n->timing == TIMING_RANGE)
            return (double)(e->query_end_ms - e->query_start_ms) / 1000;
        l = timing_value(e, n->kids[0]);
        r = timing_value(e, n->kids[1]);
        return n->timing == TIMING_MIN_OF ? fmin(l, r) : fmax(l, r);
    default:
        return NAN;
    }
}

static enum status timing_of(const struct eval *e, const struct node *expr, bool may_be_negative, int64_t *ms, struct err *err)
{
    if (expr == NULL)
        return ST_OK;
    double v = timing_value(e, expr) * 1000;
    if (!(fabs(v) < 9e15))
        return ast_error(err, e->ast->text, expr->start, "duration expression is out of range");
    if (!may_be_negative && v < 1)
        return ast_error(err, e->ast->text, expr->start, "duration must be greater than 0");
    *ms = (int64_t)round(v);
    return ST_OK;
}

static enum status set_timings(const struct eval *e, struct node *n, struct err *err)
{
    enum status st = timing_of(e, n->range_expr, false, &n->range_ms, err);
    if (!st)
        st = timing_of(e, n->step_expr, false, &n->step_ms, err);
    if (!st)
        st = timing_of(e, n->offset_expr, true, &n->offset_ms, err);
    for (size_t i = 0; !st && i < n->kid_count; i++)
        st = set_timings(e, n->kids[i], err);
    return st;
}

/* ---- collecting the answer ---- */

struct answer_sink {
    struct sink sink;
    struct eval *e;
    const struct grid *g;
    struct value *out;
    size_t cap;
};

static enum status answer_put(struct sink *sink, struct row *row, struct err *err)
{
    struct answer_sink *s = (struct answer_sink *)sink;
    struct arena *a = s->e->env->result;
    struct value_series series = { .labels = arena_copy(a, row->labels) };
    for (size_t i = 0; i < s->g->n; i++)
        series.n += !is_absent(row->v[i]);
    series.t_ms = arena_array(a, int64_t, series.n);
    series.v = arena_array(a, double, series.n);
    series.n = 0;
    for (size_t i = 0; i < s->g->n; i++) {
        if (is_absent(row->v[i]))
            continue;
        series.t_ms[series.n] = grid_at(s->g, i);
        series.v[series.n++] = row->v[i];
    }
    if (row->has_histograms)
        eval_keep_histograms(a, series.v, series.n);
    if (series.n)
        ARENA_PUSH(a, s->out->series, s->out->series_count, s->cap) = series;
    return arena_over(a) ? eval_check(s->e, err) : ST_OK;
}

/* Names that were to be dropped go now; series that become equal grow together. */
static enum status run_delayed(struct answer_sink *s, const struct node *n, struct err *err)
{
    struct rows all, named;
    rows_init(&all, s->e, s->g->n);
    rows_init(&named, s->e, s->g->n);
    named.borrows = true;
    enum status st = eval_vector(s->e, n, s->g, &all.sink, err);
    for (size_t i = 0; !st && i < all.count; i++) {
        struct row row = all.list[i];
        const struct slice *names;
        size_t name_count = eval_name_labels(s->e, &names);
        if (row.drop_name)
            row.labels = labels_without(all.a, row.labels, names, name_count);
        st = rows_put(&named, &row, err);
    }
    if (!st)
        st = rows_give(&named, &s->sink, err);
    rows_free(&named);
    rows_free(&all);
    return st;
}

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct value_series *)a)->labels, ((const struct value_series *)b)->labels);
}

/* Where the order of an instant answer means something. */
static bool is_ordered(const struct node *n)
{
    n = ast_strip_parens(n);
    if (n->kind == NODE_AGGREGATE)
        return n->agg == AGGR_TOPK || n->agg == AGGR_BOTTOMK;
    return n->kind == NODE_CALL && slice_starts(n->fn->name, SLICE("sort"));
}

static enum status answer_vector(struct eval *e, const struct node *n, const struct grid *g, struct value *out, struct err *err)
{
    struct answer_sink s = { { answer_put }, e, g, out, 0 };
    enum status st = (e->features & FEATURE_DELAYED_NAME_REMOVAL) ? run_delayed(&s, n, err) : eval_vector(e, n, g, &s.sink, err);
    if (!st && out->series_count > 1 && (e->is_range || !is_ordered(n)))
        qsort(out->series, out->series_count, sizeof *out->series, series_cmp);
    return st;
}

struct matrix_sink {
    struct series_sink sink;
    struct eval *e;
    struct value *out;
    size_t cap;
};

static enum status matrix_put(struct series_sink *sink, const struct series *in, struct err *err)
{
    struct matrix_sink *s = (struct matrix_sink *)sink;
    struct arena *a = s->e->env->result;
    const struct slice *names;
    size_t count = eval_name_labels(s->e, &names);
    struct value_series series = { .n = in->n };
    series.labels = in->drop_name ? labels_without(a, in->labels, names, count) : arena_copy(a, in->labels);
    series.t_ms = arena_array(a, int64_t, in->n);
    series.v = arena_array(a, double, in->n);
    memcpy(series.t_ms, in->t, in->n * sizeof *in->t);
    memcpy(series.v, in->v, in->n * sizeof *in->v);
    if (in->has_histograms)
        eval_keep_histograms(a, series.v, series.n);
    ARENA_PUSH(a, s->out->series, s->out->series_count, s->cap) = series;
    return arena_over(a) ? eval_check(s->e, err) : ST_OK;
}

static enum status answer_matrix(struct eval *e, const struct node *n, const struct grid *g, struct value *out, struct err *err)
{
    struct matrix_sink s = { { matrix_put }, e, out, 0 };
    enum status st = eval_matrix(e, n, g, &s.sink, err);
    if (!st && out->series_count > 1)
        qsort(out->series, out->series_count, sizeof *out->series, series_cmp);
    return st;
}

static enum status answer_scalar(struct eval *e, const struct node *n, const struct grid *g, struct value *out, struct err *err)
{
    double one;
    if (!e->is_range) {
        enum status st = eval_scalar(e, n, g, &one, err);
        out->scalar = (struct sample){ g->start_ms, one };
        return st;
    }
    double *v = mem_alloc(g->n * sizeof *v);
    struct answer_sink s = { { answer_put }, e, g, out, 0 };
    struct row row = { SLICE_EMPTY, false, v, false };
    enum status st = eval_scalar(e, n, g, v, err);
    if (!st)
        st = answer_put(&s.sink, &row, err);
    mem_free(v);
    return st;
}

/* Arguments without parentheses: notes point at what stands in these. */
static void strip_arguments(struct node *n)
{
    for (size_t i = 0; i < n->kid_count; i++) {
        while ((n->kind == NODE_CALL || n->kind == NODE_AGGREGATE) && n->kids[i]->kind == NODE_PAREN)
            n->kids[i] = n->kids[i]->kids[0];
        strip_arguments(n->kids[i]);
    }
}

/* Which selectors only give counts and sums, so that nobody looks at buckets. Resets are then seen from sample to sample
 * (eval_select.c), which subqueries would not do as they skip samples. */
static void mark_counted(struct node *n, bool is_counted, bool is_whole)
{
    if (n->kind == NODE_CALL) {
        is_counted |= n->fn->of == native_count || n->fn->of == native_total || n->fn->of == native_mean;
        is_whole |= n->fn->stream == buckets_quantile || n->fn->stream == buckets_quantiles || n->fn->stream == buckets_fraction;
    }
    is_whole |= n->kind == NODE_SUBQUERY || (n->kind == NODE_BINARY && op_is_trim(n->op));
    n->is_counted = n->kind == NODE_SELECTOR && is_counted && !is_whole;
    for (size_t i = 0; i < n->kid_count; i++)
        mark_counted(n->kids[i], is_counted, is_whole);
}

/* Which function looks at the range of which selector: an engine that has no raw samples any more must know. */
static void mark_within(struct node *n, struct slice fn)
{
    if (n->kind == NODE_SELECTOR)
        n->within = fn;
    bool passes = n->kind == NODE_MATRIX || n->kind == NODE_PAREN;
    for (size_t i = 0; i < n->kid_count; i++)
        mark_within(n->kids[i], n->kind == NODE_CALL ? n->fn->name : passes ? fn : SLICE_EMPTY);
}

static void tell_rollup(struct query_env *env)
{
    char until[DATE_TEXT_BYTES_MAX];
    const struct engine_ctx *ctx = env->ctx;
    if (ctx->rollup_used == ROLLUP_NONE)
        return;
    size_t n = date_format_rfc3339(sat_mul(ctx->rollup_until_ms, NS_MS), 0, 0, until);
    buf_printf(&env->infos, "PromQL info: samples until %.*s are downsampled to %s\n", (int)n, until, ctx->rollup_used == ROLLUP_1H ? "1h" : "5m");
}

static enum status answer(struct eval *e, struct node *n, const struct grid *g, struct value *out, struct err *err)
{
    *out = (struct value){ .type = e->is_range ? VALUE_MATRIX : value_type_of(n->type) };
    enum status st = set_timings(e, n, err);
    if (st)
        return st;
    strip_arguments(n);
    mark_counted(n, false, false);
    mark_within(n, SLICE_EMPTY);
    if (n->type == TYPE_VECTOR)
        return answer_vector(e, n, g, out, err);
    if (n->type == TYPE_SCALAR)
        return answer_scalar(e, n, g, out, err);
    if (n->type == TYPE_MATRIX && !e->is_range)
        return answer_matrix(e, n, g, out, err);
    if (n->type == TYPE_STRING && !e->is_range) {
        out->text = arena_copy(e->env->result, eval_string(n));
        out->scalar.t_ms = g->start_ms;
        return ST_OK;
    }
    return err_set(err, ST_INVALID, "invalid expression type \"%s\" for range query, must be Scalar or instant Vector", ast_type_name(n->type));
}

static void cut_answer(struct query_env *env, const struct query_params *p, struct value *out)
{
    if (p->limit == 0 || out->series_count <= p->limit)
        return;
    out->series_count = p->limit;
    engine_warn(env->ctx, "results truncated due to limit");
}

static enum status run(struct query_env *env, struct slice text, const struct query_params *p, bool is_range, const struct grid *g,
                       struct value *out, struct err *err)
{
    struct ast ast;
    struct arena *a = arena_new(0);
    size_t bytes_max = arena_bytes_max(env->result) ? arena_bytes_max(env->result) : (size_t)EVAL_BYTES_MAX_DEFAULT;
    struct eval e = {
        .env = env, .ast = &ast, .features = p->features, .is_range = is_range, .memory = { .bytes_max = bytes_max },
        .lookback_ms = p->lookback_ns > 0 ? p->lookback_ns / NS_MS : LOOKBACK_MS_DEFAULT,
        .query_start_ms = g->start_ms, .query_end_ms = is_range ? p->end_ns / NS_MS : g->start_ms,
        .values_max = p->values_max,
        .query_step_ms = is_range ? g->step_ms : 0,
    };
    enum status st = ast_parse(a, text, p->features, &ast, err);
    if (!st) {
        e.line = eval_arena(&e);
        st = answer(&e, ast.root, g, out, err);
        if (!st)
            st = eval_check(&e, err);
        if (!st)
            cut_answer(env, p, out);
        tell_rollup(env);
        arena_free(e.line);
        ast_destroy(&ast);
    }
    arena_free(a);
    return st;
}

static int64_t floor_ms(int64_t ns)
{
    return ns / NS_MS - (ns % NS_MS < 0);
}

static enum status promql_instant(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    struct grid g = { floor_ms(p->start_ns), 1, 1 };
    return run(env, text, p, false, &g, out, err);
}

static enum status promql_range(struct query_env *env, struct slice text, const struct query_params *p, struct value *out, struct err *err)
{
    if (p->step_ns < NS_MS)
        return err_set(err, ST_INVALID, "zero or negative query resolution step widths are not accepted. Try a positive integer");
    if (p->end_ns < p->start_ns)
        return err_set(err, ST_INVALID, "end timestamp must not be before start time");
    int64_t start = floor_ms(p->start_ns), end = floor_ms(p->end_ns), step = p->step_ns / NS_MS;
    uint64_t points = (uint64_t)(end - start) / (uint64_t)step;
    if (points > QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID, "exceeded maximum resolution of %d points per timeseries. Try decreasing the query resolution (?step=XX)",
                       QUERY_POINTS_PER_SERIES_MAX);
    struct grid g = { start, step, (size_t)points + 1 };
    return run(env, text, p, true, &g, out, err);
}

const struct query_lang promql_lang = { "promql", promql_check, promql_format, promql_instant, promql_range, promql_describe,
                                       NULL, NULL, NULL, NULL };
