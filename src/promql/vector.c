/* SPDX-License-Identifier: Apache-2.0 */
/* Functions of whole vectors: absence, order, times, and the ways between scalars and vectors. */
#include <stdlib.h>

#include "promql/parts.h"
#include "promql/rows.h"
#include "query/token.h"

enum status vector_time(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    for (size_t i = 0; i < g->n; i++)
        out[i] = (double)grid_at(g, i) / 1000;
    return ST_OK;
}

enum status vector_pi(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    for (size_t i = 0; i < g->n; i++)
        out[i] = M_PI;
    return ST_OK;
}

static void fill(double *out, const struct grid *g, double v)
{
    for (size_t i = 0; i < g->n; i++)
        out[i] = v;
}

enum status vector_start(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    fill(out, g, (double)e->query_start_ms / 1000);
    return ST_OK;
}

enum status vector_end(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    fill(out, g, (double)e->query_end_ms / 1000);
    return ST_OK;
}

enum status vector_range(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    fill(out, g, (double)(e->query_end_ms - e->query_start_ms) / 1000);
    return ST_OK;
}

enum status vector_step(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    fill(out, g, e->query_end_ms == e->query_start_ms ? 0 : (double)e->query_step_ms / 1000);
    return ST_OK;
}

/* NaN when one is. */
static enum status pick(struct eval *e, const struct node *n, const struct grid *g, bool is_max, double *out, struct err *err)
{
    struct arena *a = eval_arena(e);
    double *other = arena_array(a, double, g->n);
    enum status st = eval_scalar(e, n->kids[0], g, out, err);
    if (!st)
        st = eval_scalar(e, n->kids[1], g, other, err);
    for (size_t i = 0; !st && i < g->n; i++)
        if (isnan(other[i]) || (is_max ? other[i] > out[i] : other[i] < out[i]))
            out[i] = other[i];
    arena_free(a);
    return st;
}

enum status vector_min_of(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    return pick(e, n, g, false, out, err);
}

enum status vector_max_of(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    return pick(e, n, g, true, out, err);
}

/* ---- scalar(), vector() ---- */

struct scalar_of_sink {
    struct sink sink;
    uint32_t *counts;
    double *out;
    size_t n;
};

static enum status scalar_of_put(struct sink *sink, struct row *row, struct err *err)
{
    struct scalar_of_sink *s = (struct scalar_of_sink *)sink;
    for (size_t i = 0; i < s->n; i++)
        if (!is_absent(row->v[i]) && !is_histogram(row->v[i]))
            s->out[i] = s->counts[i]++ == 0 ? row->v[i] : NAN;
    return ST_OK;
}

enum status vector_scalar(struct eval *e, const struct node *n, const struct grid *g, double *out, struct err *err)
{
    struct arena *a = eval_arena(e);
    struct scalar_of_sink s = { { scalar_of_put }, arena_zalloc(a, g->n * sizeof *s.counts), out, g->n };
    for (size_t i = 0; i < g->n; i++)
        out[i] = NAN;
    enum status st = eval_vector(e, n->kids[0], g, &s.sink, err);
    arena_free(a);
    return st;
}

static enum status give_one(struct eval *e, struct slice labels, double *v, struct sink *sink, struct err *err)
{
    struct row row = { labels, false, v, false };
    return sink->put(sink, &row, err);
}

enum status vector_vector(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct arena *a = eval_arena(e);
    double *v = arena_array(a, double, g->n);
    enum status st = eval_scalar(e, n->kids[0], g, v, err);
    arena_reset(e->line);
    if (!st)
        st = give_one(e, SLICE_EMPTY, v, sink, err);
    arena_free(a);
    return st;
}

/* ---- timestamp() ---- */

struct times_sink {
    struct sink sink;
    struct eval *e;
    const struct grid *g;
    bool is_done; /* the values are times already */
    struct sink *next;
};

static enum status times_put(struct sink *sink, struct row *row, struct err *err)
{
    struct times_sink *s = (struct times_sink *)sink;
    for (size_t i = 0; !s->is_done && i < s->g->n; i++)
        if (!is_absent(row->v[i]))
            row->v[i] = (double)grid_at(s->g, i) / 1000;
    row->has_histograms = false;
    eval_drop_name(s->e, row);
    return s->next->put(s->next, row, err);
}

static enum status times_run(struct eval *e, const struct node *n, const struct grid *g, enum selector_value what, struct sink *sink,
                             struct err *err)
{
    const struct node *arg = ast_strip_parens(n->kids[0]);
    bool is_direct = arg->kind == NODE_SELECTOR;
    struct times_sink s = { { times_put }, e, g, is_direct, sink };
    struct rows r;
    rows_init(&r, e, g->n);
    bool collect = !(e->features & FEATURE_DELAYED_NAME_REMOVAL) && !eval_name_is_fixed(arg);
    s.next = collect ? &r.sink : sink;
    enum status st = is_direct ? eval_selector(e, arg, g, what, &s.sink, err) : eval_vector(e, arg, g, &s.sink, err);
    if (!st && collect)
        st = rows_give(&r, sink, err);
    rows_free(&r);
    return st;
}

enum status vector_timestamp(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return times_run(e, n, g, SELECTOR_TIME, sink, err);
}

/* An expression has no start, and neither has anything unless they are asked for. */
enum status vector_start_timestamp(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    bool knows = (e->features & FEATURE_START_TIMESTAMPS) && ast_strip_parens(n->kids[0])->kind == NODE_SELECTOR;
    return knows ? times_run(e, n, g, SELECTOR_BORN, sink, err) : ST_OK;
}

/* ---- absence ---- */

struct absent_sink {
    struct sink sink;
    uint8_t *has;
    size_t n;
};

static enum status absent_put(struct sink *sink, struct row *row, struct err *err)
{
    struct absent_sink *s = (struct absent_sink *)sink;
    for (size_t i = 0; i < s->n; i++)
        s->has[i] |= !is_absent(row->v[i]);
    return ST_OK;
}

/* Labels that the selector pins by "=", each named once. */
static enum status absent_labels(struct eval *e, const struct node *arg, struct slice *out, struct err *err)
{
    arg = ast_strip_parens(arg);
    if (arg->kind == NODE_MATRIX)
        arg = arg->kids[0];
    *out = SLICE_EMPTY;
    if (arg->kind != NODE_SELECTOR)
        return ST_OK;
    struct label *list = arena_array(e->line, struct label, arg->matcher_count + 1);
    size_t count = 0;
    for (size_t i = 0; i < arg->matcher_count; i++) {
        const struct matcher *m = &arg->matchers[i];
        bool twice = slice_eq(m->name, NAME_LABEL);
        for (size_t k = 0; k < arg->matcher_count; k++)
            twice |= k != i && slice_eq(arg->matchers[k].name, m->name);
        if (m->op == MATCH_EQ && !twice)
            list[count++] = (struct label){ m->name, m->value };
    }
    return labels_build(e->line, list, count, out, err);
}

static enum status give_absent(struct eval *e, const struct node *n, const struct grid *g, const uint8_t *has, struct sink *sink,
                               struct err *err)
{
    struct slice labels;
    double *v = mem_alloc(g->n * sizeof *v);
    bool any = false;
    arena_reset(e->line);
    enum status st = absent_labels(e, n->kids[0], &labels, err);
    for (size_t i = 0; i < g->n; i++) {
        v[i] = has[i] ? ABSENT : 1;
        any |= !has[i];
    }
    if (!st && any)
        st = give_one(e, labels, v, sink, err);
    mem_free(v);
    return st;
}

enum status vector_absent(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    struct absent_sink s = { { absent_put }, mem_zalloc(g->n), g->n };
    enum status st = eval_vector(e, n->kids[0], g, &s.sink, err);
    if (!st)
        st = give_absent(e, n, g, s.has, sink, err);
    mem_free(s.has);
    return st;
}

enum status vector_absent_over_time(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    uint8_t *has = mem_zalloc(g->n);
    enum status st = eval_present_over_time(e, n->kids[0], g, has, err);
    if (!st)
        st = give_absent(e, n, g, has, sink, err);
    mem_free(has);
    return st;
}

/* The factors are checked before anything is read. */
enum status vector_double_exponential(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    static const char *const names[] = { "smoothing", "trend" };
    double *p = mem_alloc(g->n * sizeof *p);
    enum status st = ST_OK;
    for (size_t k = 1; !st && k <= 2; k++) {
        st = eval_scalar(e, n->kids[k], g, p, err);
        for (size_t i = 0; !st && i < g->n; i++)
            if (!(p[i] > 0 && p[i] < 1))
                st = err_set(err, ST_INVALID, "invalid %s factor. Expected: 0 < %cf < 1, got: %f", names[k - 1], names[k - 1][0], p[i]);
    }
    mem_free(p);
    if (st)
        return st;
    struct function fn = *n->fn;
    struct node call = *n;
    fn.stream = NULL;
    fn.range = range_double_exponential;
    call.fn = &fn;
    return eval_range_fn(e, &call, g, sink, err);
}

/* ---- order ---- */

/* Passes on what are numbers. */
struct numbers_sink {
    struct sink sink;
    size_t n;
    struct sink *next;
};

static enum status numbers_put(struct sink *sink, struct row *row, struct err *err)
{
    struct numbers_sink *s = (struct numbers_sink *)sink;
    for (size_t i = 0; row->has_histograms && i < s->n; i++)
        if (is_histogram(row->v[i]))
            row->v[i] = ABSENT;
    row->has_histograms = false;
    return s->next->put(s->next, row, err);
}

struct order {
    const struct node *call;
    int sign; /* -1: descending */
};

/* NaN last, whichever the sign; equal ones by their labels. */
static int by_value(const void *a, const void *b, void *arg)
{
    const struct order *o = arg;
    const struct row *r = a, *s = b;
    double x = r->v[0], y = s->v[0];
    if (isnan(x) != isnan(y))
        return (int)isnan(x) - (int)isnan(y);
    if (isnan(x) || x == y)
        return labels_cmp(r->labels, s->labels);
    return x < y ? -o->sign : o->sign;
}

/* As people order: runs of digits by their value. */
static int natural_cmp(struct slice a, struct slice b)
{
    size_t i = 0, j = 0;
    while (i < a.len && j < b.len) {
        if (!token_is_digit(a.ptr[i]) || !token_is_digit(b.ptr[j])) {
            if (a.ptr[i] != b.ptr[j])
                return (unsigned char)a.ptr[i] < (unsigned char)b.ptr[j] ? -1 : 1;
            i++;
            j++;
            continue;
        }
        while (i < a.len && a.ptr[i] == '0')
            i++;
        while (j < b.len && b.ptr[j] == '0')
            j++;
        size_t from_a = i, from_b = j;
        while (i < a.len && token_is_digit(a.ptr[i]))
            i++;
        while (j < b.len && token_is_digit(b.ptr[j]))
            j++;
        int order = i - from_a != j - from_b ? (i - from_a < j - from_b ? -1 : 1)
                                             : slice_cmp(slice_sub(a, from_a, i), slice_sub(b, from_b, j));
        if (order)
            return order;
    }
    return (int)(i < a.len) - (int)(j < b.len);
}

static int by_labels(const void *a, const void *b, void *arg)
{
    const struct order *o = arg;
    const struct row *x = a, *y = b;
    for (size_t i = 1; i < o->call->kid_count; i++) {
        struct slice name = eval_string(o->call->kids[i]);
        int order = natural_cmp(labels_get(x->labels, name), labels_get(y->labels, name));
        if (order)
            return order * o->sign;
    }
    return labels_cmp(x->labels, y->labels) * o->sign;
}

/* At one time alone: the order of a range query is that of the labels. */
static enum status sort_rows(struct eval *e, const struct node *n, const struct grid *g, int (*cmp)(const void *, const void *, void *), int sign,
                             struct sink *sink, struct err *err)
{
    struct rows r;
    struct order order = { n, sign };
    struct numbers_sink numbers = { { numbers_put }, g->n, sink };
    if (e->is_range)
        eval_warn(e, n, "sort is ineffective for range queries since results are always ordered by labels");
    if (e->is_range || g->n != 1)
        return eval_vector(e, n->kids[0], g, cmp == by_value ? &numbers.sink : sink, err);
    rows_init(&r, e, g->n);
    numbers.next = &r.sink;
    enum status st = eval_vector(e, n->kids[0], g, cmp == by_value ? &numbers.sink : &r.sink, err);
    if (!st && r.count > 1)
        qsort_r(r.list, r.count, sizeof *r.list, cmp, &order);
    if (!st)
        st = rows_give(&r, sink, err);
    rows_free(&r);
    return st;
}

enum status vector_sort(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return sort_rows(e, n, g, by_value, 1, sink, err);
}

enum status vector_sort_desc(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return sort_rows(e, n, g, by_value, -1, sink, err);
}

enum status vector_sort_by_label(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return sort_rows(e, n, g, by_labels, 1, sink, err);
}

enum status vector_sort_by_label_desc(struct eval *e, const struct node *n, const struct grid *g, struct sink *sink, struct err *err)
{
    return sort_rows(e, n, g, by_labels, -1, sink, err);
}
