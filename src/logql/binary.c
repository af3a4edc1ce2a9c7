/* SPDX-License-Identifier: Apache-2.0 */
/* Binary operators: number with number, number with series, series with series by matching labels. */
#include <math.h>

#include "base/map.h"
#include "logql/eval.h"

static bool is_comparison(enum binary_op op)
{
    return op >= BIN_EQ && op <= BIN_LE;
}

static double arithmetic(enum binary_op op, double a, double b)
{
    switch (op) {
    case BIN_ADD:
        return a + b;
    case BIN_SUB:
        return a - b;
    case BIN_MUL:
        return a * b;
    case BIN_DIV:
        return b == 0 ? NAN : a / b; /* Loki, unlike PromQL */
    case BIN_MOD:
        return b == 0 ? NAN : fmod(a, b);
    case BIN_POW:
        return pow(a, b);
    case BIN_EQ:
        return a == b;
    case BIN_NE:
        return a != b;
    case BIN_GT:
        return a > b;
    case BIN_GE:
        return a >= b;
    case BIN_LT:
        return a < b;
    case BIN_LE:
        return a <= b;
    case BIN_AND:
    case BIN_OR:
    case BIN_UNLESS:
        break;
    }
    return NAN;
}

/* The result at one point; false: filtered away by a comparison. kept: what a comparison without bool keeps. */
static bool apply(const struct expr *e, double a, double b, double kept, double *out)
{
    double v = arithmetic(e->op, a, b);
    if (!is_comparison(e->op) || e->is_bool) {
        *out = v;
        return true;
    }
    *out = kept;
    return v != 0;
}

static void number_and_series(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *l,
                              const struct grid_result *r, struct grid_result *out)
{
    bool number_left = l->is_scalar;
    const struct grid_result *many = number_left ? r : l;
    double number = number_left ? l->list[0].v[0] : r->list[0].v[0];
    for (size_t i = 0; i < many->count; i++) {
        struct grid_series *s = grid_series_new(a, g, out, many->list[i].labels);
        for (size_t k = 0; k < g->count; k++) {
            double v = many->list[i].v[k];
            if (many->list[i].has[k])
                s->has[k] = apply(e, number_left ? number : v, number_left ? v : number, v, &s->v[k]);
        }
    }
}

static struct slice key_of(struct arena *a, const struct expr *e, struct slice labels)
{
    return e->on ? labels_only(a, labels, e->match_names, e->match_count) : labels_without(a, labels, e->match_names, e->match_count);
}

/* key -> index + 1 of a series; for sets several may share a key, then the presence of any counts. */
static void index_series(struct arena *a, const struct expr *e, const struct grid_result *r, struct map *out)
{
    for (size_t i = 0; i < r->count; i++) {
        bool added;
        uint64_t *at = map_put(out, key_of(a, e, r->list[i].labels), &added);
        if (added)
            *at = i;
    }
}

static bool any_has(struct arena *a, const struct expr *e, const struct grid_result *r, struct slice key, size_t k)
{
    for (size_t i = 0; i < r->count; i++)
        if (r->list[i].has[k] && slice_eq(key_of(a, e, r->list[i].labels), key))
            return true;
    return false;
}

static void set_operator(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *l, const struct grid_result *r,
                         struct grid_result *out)
{
    for (size_t i = 0; i < l->count; i++) {
        struct slice key = key_of(a, e, l->list[i].labels);
        struct grid_series *s = grid_series_new(a, g, out, l->list[i].labels);
        for (size_t k = 0; k < g->count; k++) {
            s->v[k] = l->list[i].v[k];
            s->has[k] = l->list[i].has[k] && (e->op == BIN_OR || any_has(a, e, r, key, k) == (e->op == BIN_AND));
        }
    }
    for (size_t i = 0; e->op == BIN_OR && i < r->count; i++) {
        struct slice key = key_of(a, e, r->list[i].labels);
        struct grid_series *s = grid_series_new(a, g, out, r->list[i].labels);
        for (size_t k = 0; k < g->count; k++) {
            s->v[k] = r->list[i].v[k];
            s->has[k] = r->list[i].has[k] && !any_has(a, e, l, key, k);
        }
    }
}

static struct slice result_labels(struct arena *a, const struct expr *e, struct slice many, struct slice one)
{
    if (e->group_side == 0)
        return e->on ? labels_only(a, many, e->match_names, e->match_count) : labels_without(a, many, e->match_names, e->match_count);
    for (size_t i = 0; i < e->include_count; i++)
        many = labels_with(a, many, e->include[i], labels_get(one, e->include[i]));
    return many;
}

static enum status series_and_series(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *l,
                                     const struct grid_result *r, struct grid_result *out, struct err *err)
{
    bool right_is_many = e->group_side == 1;
    const struct grid_result *many = right_is_many ? r : l, *one = right_is_many ? l : r;
    struct map index, used;
    enum status st = ST_OK;
    map_init(&index);
    map_init(&used);
    index_series(a, e, one, &index);
    if (index.count < one->count)
        st = err_set(err, ST_INVALID,
                     "found duplicate series on the %s hand-side;many-to-many matching not allowed: matching labels must be unique on one side",
                     right_is_many ? "left" : "right");
    for (size_t i = 0; !st && i < many->count; i++) {
        bool added;
        struct slice key = key_of(a, e, many->list[i].labels);
        uint64_t *at = map_get(&index, key);
        if (at == NULL)
            continue;
        map_put(&used, key, &added);
        if (!added && e->group_side == 0) {
            st = err_set(err, ST_INVALID, "multiple matches for labels: many-to-one matching must be explicit (group_left/group_right)");
            break;
        }
        const struct grid_series *m = &many->list[i], *o = &one->list[*at];
        struct grid_series *s = grid_series_new(a, g, out, result_labels(a, e, m->labels, o->labels));
        for (size_t k = 0; k < g->count; k++)
            if (m->has[k] && o->has[k])
                s->has[k] =
                    apply(e, right_is_many ? o->v[k] : m->v[k], right_is_many ? m->v[k] : o->v[k], right_is_many ? o->v[k] : m->v[k], &s->v[k]);
    }
    map_free(&index);
    map_free(&used);
    return st;
}

enum status logql_eval_binary(struct query_env *env, const struct grid *g, const struct expr *e, struct grid_result *out, struct err *err)
{
    struct grid_result l = {0}, r = {0};
    bool is_set = e->op == BIN_AND || e->op == BIN_OR || e->op == BIN_UNLESS;
    enum status st = logql_eval_metric(env, g, e->left, &l, err);
    if (!st)
        st = logql_eval_metric(env, g, e->right, &r, err);
    if (st)
        return st;
    if (is_set && (l.is_scalar || r.is_scalar))
        return err_set(err, ST_INVALID, "unexpected literal for a side of logical/set binary operation (%.*s)",
                       SLICE_FMT(logql_binary_names[e->op]));
    if (l.is_scalar && r.is_scalar) {
        struct grid_series *s = grid_series_new(env->result, g, out, SLICE_EMPTY);
        out->is_scalar = true;
        for (size_t k = 0; k < g->count; k++)
            s->has[k] = true, s->v[k] = arithmetic(e->op, l.list[0].v[k], r.list[0].v[k]);
        return ST_OK;
    }
    if (l.is_scalar || r.is_scalar) {
        number_and_series(env->result, g, e, &l, &r, out);
        return ST_OK;
    }
    if (is_set) {
        set_operator(env->result, g, e, &l, &r, out);
        return ST_OK;
    }
    return series_and_series(env->result, g, e, &l, &r, out, err);
}
