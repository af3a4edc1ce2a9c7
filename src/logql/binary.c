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

/* For each step, whether a series of the key is there: `any` of steps bools a key. */
static void index_presence(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *r, struct map *index, bool ***any)
{
    size_t n = 0, cap = 0;
    *any = NULL;
    for (size_t i = 0; i < r->count; i++) {
        bool added;
        uint64_t *at = map_put(index, key_of(a, e, r->list[i].labels), &added);
        if (added) {
            *at = n;
            ARENA_PUSH(a, *any, n, cap) = arena_zalloc(a, g->count);
        }
        for (size_t k = 0; k < g->count; k++)
            (*any)[*at][k] |= r->list[i].has[k];
    }
}

/* Series of the same labels from both sides are one. */
static struct grid_series *out_series(struct arena *a, const struct grid *g, struct grid_result *out, struct map *made, struct slice labels)
{
    bool added;
    uint64_t *at = map_put(made, labels, &added);
    if (!added)
        return &out->list[*at];
    *at = out->count;
    return grid_series_new(a, g, out, labels);
}

/* The points of `from` at steps where the other side's presence of the key is `wanted`. */
static void keep_where(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *from, const struct map *index,
                       bool **any, bool wanted, struct map *made, struct grid_result *out)
{
    for (size_t i = 0; i < from->count; i++) {
        const struct grid_series *in = &from->list[i];
        const uint64_t *at = map_get(index, key_of(a, e, in->labels));
        struct grid_series *s = out_series(a, g, out, made, in->labels);
        for (size_t k = 0; k < g->count; k++) {
            if (!in->has[k] || (at && any[*at][k]) != wanted)
                continue;
            s->has[k] = true;
            s->v[k] = in->v[k];
        }
    }
}

static void set_operator(struct arena *a, const struct grid *g, const struct expr *e, const struct grid_result *l, const struct grid_result *r,
                         struct grid_result *out)
{
    struct map index, nothing, made;
    bool **any;
    map_init(&index);
    map_init(&nothing);
    map_init(&made);
    if (e->op == BIN_OR) {
        keep_where(a, g, e, l, &nothing, NULL, false, &made, out);
        index_presence(a, g, e, l, &index, &any);
        keep_where(a, g, e, r, &index, any, false, &made, out);
    } else {
        index_presence(a, g, e, r, &index, &any);
        keep_where(a, g, e, l, &index, any, e->op == BIN_AND, &made, out);
    }
    map_free(&index);
    map_free(&nothing);
    map_free(&made);
}

/* ---- series with series ---- */

struct joining {
    struct arena *a;
    const struct grid *g;
    const struct expr *e;
    const struct grid_result *many, *one;
    struct map owners, made; /* key -> place in owner; labels -> place in out */
    uint32_t **owner;        /* index + 1 of the one series at each step */
    bool **taken;            /* of out's series */
    size_t owner_cap, owner_count, taken_cap, taken_count;
    struct grid_result *out;
    struct err *err;
};

static enum status find_owners(struct joining *j)
{
    for (size_t i = 0; i < j->one->count; i++) {
        bool added;
        uint64_t *at = map_put(&j->owners, key_of(j->a, j->e, j->one->list[i].labels), &added);
        if (added) {
            *at = j->owner_count;
            ARENA_PUSH(j->a, j->owner, j->owner_count, j->owner_cap) = arena_zalloc(j->a, j->g->count * sizeof **j->owner);
        }
        uint32_t *owner = j->owner[*at];
        for (size_t k = 0; k < j->g->count; k++) {
            if (!j->one->list[i].has[k])
                continue;
            if (owner[k])
                return err_set(j->err, ST_INVALID,
                               "found duplicate series on the %s hand-side;many-to-many matching not allowed: matching labels must be unique "
                               "on one side",
                               j->e->group_side == 1 ? "left" : "right");
            owner[k] = (uint32_t)i + 1;
        }
    }
    return ST_OK;
}

static struct slice result_labels(struct arena *a, const struct expr *e, struct slice many, struct slice one)
{
    if (e->group_side == 0)
        return key_of(a, e, many);
    for (size_t i = 0; i < e->include_count; i++)
        many = labels_with(a, many, e->include[i], labels_get(one, e->include[i]));
    return many;
}

static enum status join_series(struct joining *j, const struct grid_series *m)
{
    const uint64_t *at = map_get(&j->owners, key_of(j->a, j->e, m->labels));
    bool right_is_many = j->e->group_side == 1;
    uint32_t last = 0;
    size_t place = 0;
    for (size_t k = 0; at && k < j->g->count; k++) {
        uint32_t owner = j->owner[*at][k];
        if (!m->has[k] || owner == 0)
            continue;
        const struct grid_series *o = &j->one->list[owner - 1];
        if (owner != last) {
            place = (size_t)(out_series(j->a, j->g, j->out, &j->made, result_labels(j->a, j->e, m->labels, o->labels)) - j->out->list);
            if (place == j->taken_count)
                ARENA_PUSH(j->a, j->taken, j->taken_count, j->taken_cap) = arena_zalloc(j->a, j->g->count);
            last = owner;
        }
        if (j->taken[place][k])
            return err_set(j->err, ST_INVALID, "multiple matches for labels: %s",
                           j->e->group_side ? "grouping labels must ensure unique matches"
                                            : "many-to-one matching must be explicit (group_left/group_right)");
        j->taken[place][k] = true;
        struct grid_series *s = &j->out->list[place];
        double left = right_is_many ? o->v[k] : m->v[k];
        s->has[k] = apply(j->e, left, right_is_many ? m->v[k] : o->v[k], left, &s->v[k]);
    }
    return ST_OK;
}

static enum status series_and_series(struct query_env *env, const struct grid *g, const struct expr *e, const struct grid_result *l,
                                     const struct grid_result *r, struct grid_result *out, struct err *err)
{
    bool right_is_many = e->group_side == 1;
    struct joining j = {.a = env->result, .g = g, .e = e, .many = right_is_many ? r : l, .one = right_is_many ? l : r, .out = out, .err = err};
    map_init(&j.owners);
    map_init(&j.made);
    enum status st = find_owners(&j);
    for (size_t i = 0; !st && i < j.many->count; i++) {
        st = join_series(&j, &j.many->list[i]);
        if (!st)
            st = logql_check(env, err);
    }
    map_free(&j.owners);
    map_free(&j.made);
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
        return logql_check(env, err);
    }
    if (is_set) {
        set_operator(env->result, g, e, &l, &r, out);
        return logql_check(env, err);
    }
    return series_and_series(env, g, e, &l, &r, out, err);
}
