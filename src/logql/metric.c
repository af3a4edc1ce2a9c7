/* SPDX-License-Identifier: Apache-2.0 */
/* Vector aggregations, label_replace, vector(), numbers; the entry of metric queries. */
#include <math.h>
#include <stdlib.h>

#include "base/map.h"
#include "logql/eval.h"
#include "query/agg.h"

struct grid_series *grid_series_new(struct arena *a, const struct grid *g, struct grid_result *r, struct slice labels)
{
    ARENA_PUSH(a, r->list, r->count, r->cap) = (struct grid_series){ labels, arena_array(a, double, g->count), arena_zalloc(a, g->count) };
    return &r->list[r->count - 1];
}

enum status logql_check(struct query_env *env, struct err *err)
{
    if (arena_over(env->result))
        return err_set(err, ST_LIMIT, "the query needs over %zu bytes, its limit; ask for fewer series, lines or steps",
                       arena_bytes_max(env->result));
    return engine_ctx_check(env->ctx, err);
}

static struct slice group_of(struct arena *a, const struct grouping *g, struct slice labels)
{
    if (!g->given)
        return SLICE_EMPTY;
    return g->without ? labels_without(a, labels, g->names, g->count) : labels_only(a, labels, g->names, g->count);
}

static enum agg_op op_of(enum agg_kind kind)
{
    switch (kind) {
    case AGG_KIND_SUM: return AGG_SUM;
    case AGG_KIND_AVG: return AGG_AVG;
    case AGG_KIND_MIN: return AGG_MIN;
    case AGG_KIND_MAX: return AGG_MAX;
    case AGG_KIND_COUNT: return AGG_COUNT;
    case AGG_KIND_STDDEV: return AGG_STDDEV;
    case AGG_KIND_STDVAR: return AGG_STDVAR;
    case AGG_KIND_TOPK:
    case AGG_KIND_BOTTOMK:
    case AGG_KIND_APPROX_TOPK:
    case AGG_KIND_SORT:
    case AGG_KIND_SORT_DESC: break;
    }
    return AGG_SUM;
}

/* sum, avg, ...: each series is folded into the cells of its group. */
static void fold(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *in, struct grid_result *out)
{
    struct map index;
    struct agg_cell **cells = NULL;
    size_t cap = 0, n = 0;
    map_init(&index);
    for (size_t i = 0; i < in->count; i++) {
        bool added;
        struct slice labels = group_of(a, &e->grouping, in->list[i].labels);
        uint64_t *at = map_put(&index, labels, &added);
        if (added) {
            *at = n;
            ARENA_PUSH(a, cells, n, cap) = arena_zalloc(a, g->count * sizeof **cells);
            grid_series_new(a, g, out, labels);
        }
        struct grid_series *to = &out->list[*at];
        for (size_t k = 0; k < g->count; k++) {
            if (!in->list[i].has[k])
                continue;
            agg_add(op_of(e->agg), &cells[*at][k], in->list[i].v[k]);
            to->has[k] = true;
        }
    }
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < g->count; k++)
            if (out->list[i].has[k])
                out->list[i].v[k] = agg_result(op_of(e->agg), &cells[i][k]);
    map_free(&index);
}

/* topk and bottomk keep the series they choose, step by step. */
static enum status choose(struct query_env *env, const struct grid *g, const struct expr *e, const struct grid_result *in,
                          struct grid_result *out, struct err *err)
{
    struct arena *a = env->result, *scratch = arena_new(0); /* of one step */
    struct map groups;
    enum status st = ST_OK;
    bool is_bottom = e->agg == AGG_KIND_BOTTOMK;
    size_t k_max = (size_t)fmin(e->parameter, LOGQL_SERIES_MAX), *group = arena_array(a, size_t, in->count + 1), group_count = 0;
    map_init(&groups);
    for (size_t i = 0; !st && i < in->count; i++) {
        bool added;
        uint64_t *at = map_put(&groups, group_of(a, &e->grouping, in->list[i].labels), &added);
        if (added)
            *at = group_count++;
        group[i] = *at;
        grid_series_new(a, g, out, in->list[i].labels);
        st = logql_check(env, err);
    }
    for (size_t k = 0; !st && k < g->count; k++) {
        struct agg_top *tops = arena_zalloc(scratch, (group_count + 1) * sizeof *tops);
        for (size_t i = 0; i < in->count; i++)
            if (in->list[i].has[k])
                agg_top_add(scratch, &tops[group[i]], k_max, is_bottom, in->list[i].v[k], i);
        for (size_t i = 0; i < group_count; i++) {
            for (size_t m = 0; m < tops[i].count; m++) {
                struct grid_series *s = &out->list[tops[i].list[m].tag];
                s->has[k] = true;
                s->v[k] = tops[i].list[m].v;
            }
        }
        arena_reset(scratch);
        st = logql_check(env, err);
    }
    map_free(&groups);
    arena_free(scratch);
    return st;
}

static int ascending(const void *a, const void *b)
{
    double x = ((const struct grid_series *)a)->v[0], y = ((const struct grid_series *)b)->v[0];
    if (isnan(x) || isnan(y))
        return isnan(x) - isnan(y);
    return (x > y) - (x < y);
}

static int descending(const void *a, const void *b)
{
    return ascending(b, a);
}

static enum status eval_agg(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err)
{
    struct grid_result in = { 0 };
    enum status st;
    if (e->agg == AGG_KIND_SUM && e->left->kind == EXPR_RANGE && logql_range_is_linear(e->left->range_op) && !e->left->grouping.given) {
        /* Rows go to their group at once, however many label sets they have between them. */
        struct expr direct = *e->left;
        direct.grouping = e->grouping;
        direct.grouping.given = true;
        return logql_eval_range(env, g, &direct, out, err);
    }
    st = logql_eval_metric(env, g, e->left, &in, err);
    if (st)
        return st;
    if (in.is_scalar)
        return err_set(err, ST_INVALID, "%.*s needs series, found a number", SLICE_FMT(logql_agg_names[e->agg]));
    switch (e->agg) {
    case AGG_KIND_TOPK:
    case AGG_KIND_APPROX_TOPK: /* the exact answer is an allowed one */
    case AGG_KIND_BOTTOMK:
        return choose(env, g, e, &in, out, err);
    case AGG_KIND_SORT:
    case AGG_KIND_SORT_DESC:
        *out = in;
        if (g->count == 1 && in.count)
            qsort(in.list, in.count, sizeof *in.list, e->agg == AGG_KIND_SORT ? ascending : descending);
        return ST_OK;
    case AGG_KIND_SUM:
    case AGG_KIND_AVG:
    case AGG_KIND_MIN:
    case AGG_KIND_MAX:
    case AGG_KIND_COUNT:
    case AGG_KIND_STDDEV:
    case AGG_KIND_STDVAR:
        fold(env->result, g, e, &in, out);
        return logql_check(env, err);
    }
    return ST_OK;
}

static enum status eval_label_replace(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err)
{
    enum { GROUPS = REGEX_GROUPS_MAX + 1 };
    enum status st = logql_eval_metric(env, g, e->left, out, err);
    for (size_t i = 0; !st && i < out->count; i++) {
        struct slice groups[GROUPS], labels = out->list[i].labels;
        size_t n = MIN(regex_group_count(e->re) + 1, (size_t)GROUPS);
        struct buf value;
        if (!regex_find(e->re, labels_get(labels, e->replace[2]), 0, groups, n))
            continue;
        buf_init(&value, LABELS_BYTES_MAX);
        regex_expand(e->re, e->replace[1], groups, n, &value);
        out->list[i].labels = labels_with(env->result, labels, e->replace[0], arena_copy(env->result, buf_as_slice(&value)));
        buf_free(&value);
        st = logql_check(env, err);
    }
    return st;
}

enum status logql_eval_metric(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err)
{
    switch (e->kind) {
    case EXPR_RANGE: return logql_eval_range(env, g, e, out, err);
    case EXPR_VECTOR_AGG: return eval_agg(env, g, e, out, err);
    case EXPR_BINARY: return logql_eval_binary(env, g, e, out, err);
    case EXPR_LABEL_REPLACE: return eval_label_replace(env, g, e, out, err);
    case EXPR_NUMBER:
    case EXPR_VECTOR: {
        struct grid_series *s = grid_series_new(env->result, g, out, SLICE_EMPTY);
        out->is_scalar = e->kind == EXPR_NUMBER;
        for (size_t i = 0; i < g->count; i++)
            s->has[i] = true, s->v[i] = e->number;
        return ST_OK;
    }
    case EXPR_LOG: break;
    }
    return err_set(err, ST_INVALID, "a log query stands where numbers are needed");
}
