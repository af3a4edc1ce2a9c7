/* SPDX-License-Identifier: Apache-2.0 */
/* Series of series. Arithmetic joins those with the same labels, names of metrics aside; a side that is one series without labels is joined with
 * every one of the other. What has no partner is dropped. A point that is missing counts as 0 beside one that is there, and dividing by zero
 * gives none. */
#include <math.h>

#include "query/agg.h"
#include "traceql/metrics.h"

#define NAME_LABEL SLICE("__name__")

/* ---- arithmetic ---- */

static double compute(enum tql_op op, double x, double y)
{
    switch (op) {
    case TQL_ADD:
        return x + y;
    case TQL_SUB:
        return x - y;
    case TQL_MUL:
        return x * y;
    case TQL_DIV:
        return y == 0 ? NAN : x / y;
    case TQL_MOD:
        return fmod(x, y);
    case TQL_POW:
        return pow(x, y);
    default:
        return NAN;
    }
}

static const char *sign_of(enum tql_op op)
{
    return op == TQL_ADD ? "+" : op == TQL_SUB ? "-" : op == TQL_MUL ? "*" : op == TQL_DIV ? "/" : op == TQL_MOD ? "%" : "^";
}

/* The metric's name, or the empty slice. */
static struct slice name_of(const struct traceql_series *s)
{
    for (size_t i = 0; i < s->label_count; i++)
        if (slice_eq(s->labels[i].name, NAME_LABEL))
            return s->labels[i].value.text;
    return SLICE_EMPTY;
}

/* Of all labels but the name, in order of their names. */
static void key_of(const struct traceql_series *s, struct buf *key)
{
    bool is_taken[TRACEQL_NAMES_MAX + 8] = { false };
    buf_reset(key);
    for (size_t n = 0; n < s->label_count; n++) {
        size_t least = s->label_count;
        for (size_t i = 0; i < s->label_count; i++)
            if (!is_taken[i] && (least == s->label_count || slice_cmp(s->labels[i].name, s->labels[least].name) < 0))
                least = i;
        is_taken[least] = true;
        if (slice_eq(s->labels[least].name, NAME_LABEL))
            continue;
        buf_lenslice(key, s->labels[least].name);
        tql_key_put(key, &s->labels[least].value);
    }
}

/* Of one side, by labels. */
struct side {
    const struct tql_series_set *set;
    struct map index;
    const struct traceql_series *bare; /* without labels; NULL: none */
};

static void side_init(struct side *s, struct arena *a, const struct tql_series_set *set, struct buf *key)
{
    *s = (struct side){ .set = set };
    map_init(&s->index);
    for (size_t i = 0; i < set->count; i++) {
        key_of(&set->series[i], key);
        if (key->len == 0)
            s->bare = &set->series[i];
        *map_put(&s->index, arena_copy(a, buf_as_slice(key)), NULL) = i;
    }
}

static const struct traceql_series *partner(const struct side *s, struct slice key)
{
    const uint64_t *at = map_get(&s->index, key);
    return at ? &s->set->series[*at] : s->bare;
}

static void label_joined(struct arena *a, enum tql_op op, const struct traceql_series *of, struct slice left, struct slice right,
                         struct traceql_series *out)
{
    out->labels = arena_array(a, struct traceql_label, of->label_count + 1);
    out->label_count = 0;
    for (size_t i = 0; i < of->label_count; i++)
        if (!slice_eq(of->labels[i].name, NAME_LABEL))
            out->labels[out->label_count++] = of->labels[i];
    if (out->label_count || left.len == 0 || right.len == 0)
        return;
    struct slice name = arena_printf(a, "(%.*s %s %.*s)", SLICE_FMT(left), sign_of(op), SLICE_FMT(right));
    out->labels[out->label_count++] = (struct traceql_label){ NAME_LABEL, { .type = TQL_STRING, .text = name } };
}

static void join_exemplars(struct arena *a, const struct traceql_series *x, const struct traceql_series *y, struct traceql_series *out)
{
    struct traceql_exemplar *list = arena_array(a, struct traceql_exemplar, x->exemplar_count + y->exemplar_count + 1);
    size_t n = 0;
    for (size_t i = 0; i < x->exemplar_count; i++)
        list[n++] = x->exemplars[i];
    for (size_t i = 0; i < y->exemplar_count; i++)
        list[n++] = y->exemplars[i];
    out->exemplars = list;
    out->exemplar_count = n;
}

static double or_zero(double v)
{
    return isnan(v) ? 0 : v;
}

static enum status join(struct query_env *env, size_t points, enum tql_op op, const struct tql_series_set *x, const struct tql_series_set *y,
                        struct tql_series_set *out, struct err *err)
{
    struct arena *a = env->result;
    struct side left, right;
    struct buf key;
    enum status st = ST_OK;
    buf_init(&key, 0);
    side_init(&left, a, x, &key);
    side_init(&right, a, y, &key);
    const struct side *target = left.bare && !right.bare ? &right : &left;
    for (size_t i = 0; !st && i < target->set->count; i++) {
        const struct traceql_series *of = &target->set->series[i];
        key_of(of, &key);
        const struct traceql_series *l = partner(&left, buf_as_slice(&key)), *r = partner(&right, buf_as_slice(&key));
        if (l == NULL || r == NULL)
            continue;
        struct traceql_series s = { .v = arena_array(a, double, points) };
        label_joined(a, op, of, name_of(l), name_of(r), &s);
        join_exemplars(a, l, r, &s);
        for (size_t k = 0; k < points; k++)
            s.v[k] = compute(op, or_zero(l->v[k]), or_zero(r->v[k]));
        ARENA_PUSH(a, out->series, out->count, out->cap) = s;
        st = arena_over(a) ? tql_check(env, err) : ST_OK;
    }
    map_free(&left.index);
    map_free(&right.index);
    buf_free(&key);
    return st;
}

static struct slice number_text(struct arena *a, double v)
{
    struct tql_value n = { .type = TQL_FLOAT, .d = v };
    return tql_label_text(a, &n);
}

/* With one number for all points, those that are missing stay so. */
static void with_number(struct query_env *env, size_t points, enum tql_op op, const struct tql_series_set *x, const struct tql_series_set *y,
                        struct tql_series_set *out)
{
    struct arena *a = env->result;
    const struct tql_series_set *of = x->is_number ? y : x;
    struct slice text = number_text(a, x->is_number ? x->number : y->number);
    for (size_t i = 0; i < of->count; i++) {
        struct traceql_series s = of->series[i];
        struct slice name = name_of(&s);
        s.v = arena_array(a, double, points);
        for (size_t k = 0; k < points; k++) {
            double v = of->series[i].v[k];
            s.v[k] = isnan(v) ? NAN : x->is_number ? compute(op, x->number, v) : compute(op, v, y->number);
        }
        label_joined(a, op, &of->series[i], x->is_number ? text : name, x->is_number ? name : text, &s);
        ARENA_PUSH(a, out->series, out->count, out->cap) = s;
    }
}

enum status tql_math(struct query_env *env, size_t points, enum tql_op op, const struct tql_series_set *x, const struct tql_series_set *y,
                     struct tql_series_set *out, struct err *err)
{
    *out = (struct tql_series_set){ .is_number = x->is_number && y->is_number };
    if (out->is_number)
        out->number = compute(op, x->number, y->number);
    else if (x->is_number || y->is_number)
        with_number(env, points, op, x, y, out);
    else
        return join(env, points, op, x, y, out, err);
    return ST_OK;
}

/* ---- what is left of them ---- */

static bool holds(enum tql_op op, double x, double y)
{
    return op == TQL_EQ   ? x == y
           : op == TQL_NE ? x != y
           : op == TQL_LT ? x < y
           : op == TQL_LE ? x <= y
           : op == TQL_GT ? x > y
                          : x >= y;
}

void tql_series_drop_empty(size_t points, struct tql_series_set *set)
{
    size_t n = 0;
    for (size_t i = 0; i < set->count; i++) {
        bool has_any = false;
        for (size_t k = 0; k < points && !has_any; k++)
            has_any = !isnan(set->series[i].v[k]);
        if (has_any)
            set->series[n++] = set->series[i];
    }
    set->count = n;
}

void tql_math_filter(size_t points, enum tql_op op, double number, struct tql_series_set *set)
{
    for (size_t i = 0; i < set->count; i++)
        for (size_t k = 0; k < points; k++)
            if (isnan(set->series[i].v[k]) || !holds(op, set->series[i].v[k], number))
                set->series[i].v[k] = NAN;
    tql_series_drop_empty(points, set);
}

/* At each point by itself; of equal ones the first by labels. The set is in order of labels. */
enum status tql_math_top(struct query_env *env, size_t points, size_t count, bool is_bottom, struct tql_series_set *set, struct err *err)
{
    struct arena *a = arena_new(0);
    bool *is_kept = arena_zalloc(a, set->count + 1);
    struct agg_top top = { .count = 0 };
    enum status st = ST_OK;
    for (size_t k = 0; !st && k < points; k++) {
        top.count = 0;
        for (size_t i = 0; i < set->count; i++)
            if (!isnan(set->series[i].v[k]))
                agg_top_add(a, &top, count, is_bottom, set->series[i].v[k], i);
        for (size_t i = 0; i < top.count; i++)
            is_kept[top.list[i].tag] = true;
        for (size_t i = 0; i < set->count; i++) {
            if (!is_kept[i])
                set->series[i].v[k] = NAN;
            is_kept[i] = false;
        }
        st = tql_check(env, err);
    }
    arena_free(a);
    tql_series_drop_empty(points, set);
    return st;
}
