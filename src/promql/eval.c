/* SPDX-License-Identifier: Apache-2.0 */
/* Which part of an expression is run by whom; scalars; functions of one value; and what all evaluation needs: limits and
 * annotations.
 *
 * (1) While rows stream, exactly one source of rows is active: an operand is collected (rows.h) before the next is run,
 *     and scalar arguments are computed before the vector streams. So one arena for labels of the current row is enough.
 * (2) A row that reaches a sink has no twin: whoever drops names where several names are possible collects first. */
#include "promql/eval.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "promql/native.h"
#include "promql/rows.h"

/* ---- what all need ---- */

enum status eval_same_labels(struct err *err)
{
    return err_set(err, ST_INVALID, "vector cannot contain metrics with the same labelset");
}

bool eval_has_histograms(const double *v, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (is_histogram(v[i]))
            return true;
    return false;
}

void eval_keep_histograms(struct arena *a, double *v, size_t n)
{
    uint64_t last = 0;
    double copy = 0;
    for (size_t i = 0; i < n; i++) {
        if (!is_histogram(v[i]))
            continue;
        if (double_bits(v[i]) != last) {
            last = double_bits(v[i]);
            copy = histogram_box(histogram_copy(a, histogram_unbox(v[i])));
        }
        v[i] = copy;
    }
}

struct arena *eval_arena(struct eval *e)
{
    return arena_new_in(&e->memory);
}

enum status eval_check(struct eval *e, struct err *err)
{
    if (arena_over(e->line) || arena_over(e->env->result))
        return err_set(err, ST_LIMIT,
                       "the query needs more than %zu bytes of memory, the most that is allowed for one: select fewer series or a shorter time",
                       e->memory.bytes_max);
    return engine_ctx_check(e->env->ctx, err);
}

/* Takes out what was said in the same words elsewhere in the query: the latest place stays, as in Prometheus. */
static void forget(struct buf *notes, struct slice words)
{
    size_t end;
    for (size_t at = 0; at < notes->len; at = end) {
        struct slice rest = slice_skip(buf_as_slice(notes), at);
        struct slice line = slice_sub(rest, 0, MIN(slice_find_char(rest, '\n', 0), rest.len)), place = slice_skip(line, MIN(words.len, line.len));
        end = MIN(at + line.len + 1, notes->len);
        if (!slice_starts(line, words) || (place.len && !slice_starts(place, SLICE(" ("))))
            continue;
        memmove(notes->ptr + at, notes->ptr + end, notes->len - end);
        notes->len -= end - at;
        return;
    }
}

static void note(struct eval *e, struct buf *to, const char *kind, const struct node *at, const char *fmt, va_list args)
{
    char text[ERR_TEXT_BYTES_MAX * 2], line[ERR_TEXT_BYTES_MAX * 3];
    vsnprintf(text, sizeof text, fmt, args);
    int n = snprintf(line, sizeof line, "PromQL %s: %s", kind, text);
    size_t used = MIN((size_t)n, sizeof line - 1), column = 1, lines = 1;
    forget(to, slice_of(line, used));
    for (size_t i = 0; at && i < at->start && i < e->ast->text.len; i++) {
        column = e->ast->text.ptr[i] == '\n' ? 1 : column + 1;
        lines += e->ast->text.ptr[i] == '\n';
    }
    if (at)
        n = snprintf(line + used, sizeof line - used, " (%zu:%zu)", lines, column);
    used += at ? MIN((size_t)n, sizeof line - used - 1) : 0;
    if (to->len + used < NOTES_BYTES_MAX)
        buf_printf(to, "%.*s\n", (int)used, line);
}

void eval_warn(struct eval *e, const struct node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(e, &e->env->ctx->warnings, "warning", at, fmt, args);
    va_end(args);
}

void eval_info(struct eval *e, const struct node *at, const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    note(e, &e->env->infos, "info", at, fmt, args);
    va_end(args);
}

void eval_warn_quantile(struct eval *e, const struct node *at, const double *q, size_t n)
{
    double last = 0.5;
    for (size_t i = 0; i < n; i++) {
        if (q[i] == last || (q[i] >= 0 && q[i] <= 1))
            continue;
        char text[NUM_TEXT_BYTES_MAX];
        size_t len = num_format_short(q[i], text);
        eval_warn(e, at, "quantile value should be between 0 and 1, got %.*s", (int)len, text);
        last = q[i];
    }
}

size_t eval_name_labels(const struct eval *e, const struct slice **out)
{
    static const struct slice names[] = { SLICE_INIT("__name__"), SLICE_INIT("__type__"), SLICE_INIT("__unit__") };
    *out = names;
    return COUNT_OF(names);
}

void eval_drop_name(const struct eval *e, struct row *row)
{
    struct slice rest = row->labels;
    struct label l;
    if (e->features & FEATURE_DELAYED_NAME_REMOVAL)
        row->drop_name = true;
    else if (labels_next(&rest, &l) && slice_eq(l.name, NAME_LABEL))
        row->labels = rest; /* the name stands first */
    const struct slice *names;
    size_t count = eval_name_labels(e, &names);
    if (!row->drop_name && count > 1)
        row->labels = labels_without(e->line, row->labels, names, count);
}

static bool grouping_has_name(const struct node *n)
{
    for (size_t i = 0; i < n->grouping.count; i++)
        if (slice_eq(n->grouping.list[i], NAME_LABEL))
            return true;
    return false;
}

bool eval_name_is_fixed(const struct node *n)
{
    switch (n->kind) {
    case NODE_SELECTOR:
        for (size_t i = 0; i < n->matcher_count; i++)
            if (n->matchers[i].op == MATCH_EQ && slice_eq(n->matchers[i].name, NAME_LABEL) && n->matchers[i].value.len)
                return true;
        return false;
    case NODE_PAREN:
    case NODE_MATRIX:
    case NODE_SUBQUERY:
        return eval_name_is_fixed(n->kids[0]);
    case NODE_CALL:
        if (n->fn->stream || (n->fn->flags & FN_KEEPS_NAME))
            return false;
        return true;
    case NODE_AGGREGATE:
        return agg_keeps_series(n->agg) ? eval_name_is_fixed(n->kids[1]) : n->without || !grouping_has_name(n);
    case NODE_UNARY:
        return n->op == OP_SUB || eval_name_is_fixed(n->kids[0]);
    case NODE_BINARY:
        return !op_is_comparison(n->op) && !op_is_set(n->op) && n->matching.include.count == 0 && !n->matching.on;
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_TIMING:
        return true;
    }
    return false;
}

/* ---- one value at a time ---- */

struct map_sink {
    struct sink sink;
    struct eval *e;
    const struct function *fn; /* NULL: the sign changes */
    double *params[FUNCTION_ARGS_MAX];
    size_t param_count, n;
    struct sink *next;
};

/* A function of numbers leaves histograms out, and the other way round. The sign is all that a histogram changes in itself. */
static void map_histograms(const struct map_sink *m, struct row *row)
{
    for (size_t i = 0; i < m->n; i++) {
        if (!is_histogram(row->v[i])) {
            row->v[i] = m->fn && m->fn->of ? ABSENT : row->v[i];
            continue;
        }
        const struct histogram *h = histogram_unbox(row->v[i]);
        if (m->fn == NULL)
            row->v[i] = histogram_box(histogram_scale(m->e->line, h, -1));
        else
            row->v[i] = m->fn->of ? m->fn->of(h) : ABSENT;
    }
    row->has_histograms = m->fn == NULL;
}

static enum status each_put(struct sink *sink, struct row *row, struct err *err)
{
    struct map_sink *m = (struct map_sink *)sink;
    double params[FUNCTION_ARGS_MAX];
    bool any = false, of_numbers = m->fn == NULL || m->fn->map;
    if (!of_numbers && !row->has_histograms)
        return ST_OK;
    if (row->has_histograms)
        map_histograms(m, row);
    for (size_t i = 0; i < m->n; i++) {
        if (is_absent(row->v[i]))
            continue;
        any |= !of_numbers || row->has_histograms;
        if (!of_numbers || (row->has_histograms && is_histogram(row->v[i])))
            continue;
        for (size_t k = 0; k < m->param_count; k++)
            params[k] = m->params[k][i];
        row->v[i] = m->fn ? m->fn->map(row->v[i], params) : -row->v[i];
        any |= !is_absent(row->v[i]);
    }
    if (!any)
        return ST_OK;
    eval_drop_name(m->e, row);
    return m->next->put(m->next, row, err);
}

/* Runs arg through m; collects in between where losing names could make twins. */
static enum status map_run(struct map_sink *m, const struct node *arg, const struct grid *g, struct sink *sink, struct err *err)
{
    m->sink.put = each_put;
    m->n = g->n;
    m->next = sink;
    if ((m->e->features & FEATURE_DELAYED_NAME_REMOVAL) || eval_name_is_fixed(arg))
        return eval_vector(m->e, arg, g, &m->sink, err);
    struct rows r;
    rows_init(&r, m->e, g->n);
    m->next = &r.sink;
    enum status st = eval_vector(m->e, arg, g, &m->sink, err);
    if (!st)
        st = rows_give(&r, sink, err);
    rows_free(&r);
    return st;
}

/* hour() and its kin without argument look at the step's own time. */
static enum status map_time(struct map_sink *m, const struct grid *g, struct sink *sink, struct err *err)
{
    struct arena *a = eval_arena(m->e);
    double *v = arena_array(a, double, g->n);
    for (size_t i = 0; i < g->n; i++)
        v[i] = m->fn->map((double)grid_at(g, i) / 1000, NULL);
    struct row row = { SLICE_EMPTY, false, v, false };
    arena_reset(m->e->line);
    enum status st = sink->put(sink, &row, err);
    arena_free(a);
    return st;
}

static enum status eval_map(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct map_sink m = { .e = e, .fn = n->fn };
    enum status st = ST_OK;
    if (n->kid_count == 0)
        return map_time(&m, g, sink, err);
    struct arena *a = eval_arena(e);
    for (size_t i = 1; !st && i < n->fn->arg_count; i++) {
        double *p = m.params[m.param_count++] = arena_array(a, double, g->n);
        for (size_t k = 0; k < g->n; k++)
            p[k] = 1; /* what round() takes when nothing is said */
        if (i < n->kid_count)
            st = eval_scalar(e, n->kids[i], g, p, err);
    }
    if (!st)
        st = map_run(&m, n->kids[0], g, sink, err);
    arena_free(a);
    return st;
}

/* Whoever asks has what it holds in memory by now: so nesting is bounded, too. */
enum status eval_vector_run(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    enum status st = eval_check(e, err);
    if (st)
        return st;
    switch (n->kind) {
    case NODE_SELECTOR:
        return eval_selector(e, n, g, SELECTOR_VALUE, sink, err);
    case NODE_PAREN:
        return eval_vector(e, n->kids[0], g, sink, err);
    case NODE_CALL:
        if (n->fn->map || n->fn->of)
            return eval_map(e, n, g, sink, err);
        return n->fn->range ? eval_range_fn(e, n, g, sink, err) : n->fn->stream(e, n, g, sink, err);
    case NODE_AGGREGATE:
        return eval_aggregate(e, n, g, sink, err);
    case NODE_BINARY:
        return eval_binary(e, n, g, sink, err);
    case NODE_UNARY: {
        struct map_sink m = { .e = e };
        return n->op == OP_SUB ? map_run(&m, n->kids[0], g, sink, err) : eval_vector(e, n->kids[0], g, sink, err);
    }
    case NODE_NUMBER:
    case NODE_STRING:
    case NODE_MATRIX:
    case NODE_SUBQUERY:
    case NODE_TIMING:
        break;
    }
    return err_set(err, ST_INTERNAL, "a %s was run as an instant vector", ast_type_name(n->type));
}

/* ---- scalars ---- */

static enum status scalar_binary(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    struct arena *a = eval_arena(e);
    double *right = arena_array(a, double, g->n);
    enum status st = eval_scalar(e, n->kids[0], g, out, err);
    if (!st)
        st = eval_scalar(e, n->kids[1], g, right, err);
    for (size_t i = 0; !st && i < g->n; i++)
        out[i] = op_is_comparison(n->op) ? binary_compare(n->op, out[i], right[i]) : binary_apply(n->op, out[i], right[i]);
    arena_free(a);
    return st;
}

enum status eval_scalar(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    enum status st = eval_check(e, err);
    if (st)
        return st;
    switch (n->kind) {
    case NODE_NUMBER:
        for (size_t i = 0; i < g->n; i++)
            out[i] = n->number;
        return ST_OK;
    case NODE_PAREN:
        return eval_scalar(e, n->kids[0], g, out, err);
    case NODE_UNARY:
        st = eval_scalar(e, n->kids[0], g, out, err);
        for (size_t i = 0; !st && n->op == OP_SUB && i < g->n; i++)
            out[i] = -out[i];
        return st;
    case NODE_BINARY:
        return scalar_binary(e, n, g, out, err);
    case NODE_CALL:
        return n->fn->scalar(e, n, g, out, err);
    case NODE_STRING:
    case NODE_SELECTOR:
    case NODE_MATRIX:
    case NODE_SUBQUERY:
    case NODE_AGGREGATE:
    case NODE_TIMING:
        break;
    }
    return err_set(err, ST_INTERNAL, "a %s was run as a scalar", ast_type_name(n->type));
}

struct slice eval_string(const struct node *n)
{
    return ast_strip_parens(n)->text;
}
