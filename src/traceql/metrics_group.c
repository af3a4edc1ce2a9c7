/* SPDX-License-Identifier: Apache-2.0 */
/* Spans that say the same of the fields of by() belong together. Groups are found by a key made of the values; spans that lie beside each other
 * are often of one group, so the last key is looked at first. */
#include <math.h>

#include "base/num.h"
#include "traceql/metrics.h"

#define NIL_TEXT   SLICE("<nil>")
#define EMPTY_TEXT SLICE("<empty>")

struct slice tql_label_text(struct arena *a, const struct tql_value *v)
{
    if (v->type == TQL_NIL)
        return NIL_TEXT;
    if (v->type == TQL_STRING || v->type == TQL_ARRAY)
        return v->text.len ? v->text : EMPTY_TEXT;
    if (v->type == TQL_STATUS || v->type == TQL_KIND)
        return v->type == TQL_STATUS ? traceql_status_name(v->i) : traceql_kind_name(v->i);
    if (v->type == TQL_FLOAT) {
        char text[NUM_TEXT_BYTES_MAX];
        return arena_copy(a, slice_of(text, num_format_short(v->d, text)));
    }
    struct buf text;
    buf_init(&text, 0);
    traceql_format_value(v, &text);
    struct slice out = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return out;
}

/* A fraction that is a whole number is the whole number. */
static struct tql_value plain(const struct tql_value *v)
{
    if (v->type == TQL_FLOAT && v->d >= -9223372036854775808.0 && v->d < 9223372036854775808.0 && v->d == floor(v->d))
        return (struct tql_value){ .type = TQL_INT, .i = (int64_t)v->d };
    if (v->type == TQL_FLOAT && isnan(v->d))
        return (struct tql_value){ .type = TQL_FLOAT, .d = NAN };
    return *v;
}

void tql_key_put(struct buf *key, const struct tql_value *v)
{
    struct tql_value p = plain(v);
    buf_u8(key, (uint8_t)p.type);
    if (p.type == TQL_STRING || p.type == TQL_ARRAY)
        buf_lenslice(key, p.text);
    else if (p.type != TQL_NIL)
        buf_u64(key, (uint64_t)p.i);
}

struct tql_value tql_value_keep(struct arena *a, const struct tql_value *v)
{
    struct tql_value out = *v;
    if (v->type == TQL_STRING || v->type == TQL_ARRAY)
        out.text = arena_copy(a, v->text);
    return out;
}

void tql_groups_init(struct tql_groups *g, struct query_env *env, size_t width, bool by_text, bool is_unlimited)
{
    *g = (struct tql_groups){ .env = env, .width = width, .by_text = by_text, .is_unlimited = is_unlimited };
    map_init(&g->index);
    buf_init(&g->key, 0);
}

void tql_groups_free(struct tql_groups *g)
{
    map_free(&g->index);
    buf_free(&g->key);
}

static enum status add(struct tql_groups *g, const struct tql_value *values, struct slice key, struct err *err)
{
    struct arena *a = g->env->result;
    struct tql_value *kept = arena_array(a, struct tql_value, g->width + 1);
    if (g->count >= TRACEQL_SERIES_MAX && !g->is_unlimited)
        return tql_series_limit(g->count + 1, err);
    for (size_t i = 0; i < g->width; i++)
        kept[i] = tql_value_keep(a, &values[i]);
    ARENA_PUSH(a, g->list, g->count, g->cap) = (struct tql_group){ kept, arena_copy(a, key) };
    *map_put(&g->index, g->list[g->count - 1].key, NULL) = g->count - 1;
    return arena_over(a) ? tql_check(g->env, err) : ST_OK;
}

/* What reads as nothing does says nothing: labels could not tell the two apart. */
static void as_texts(const struct tql_groups *g, struct tql_value *values, struct arena *scratch)
{
    for (size_t i = 0; i < g->width; i++) {
        if (values[i].type == TQL_NIL)
            continue;
        struct slice text = tql_label_text(scratch, &values[i]);
        values[i] = (struct tql_value){ .type = slice_eq(text, NIL_TEXT) ? TQL_NIL : TQL_STRING, .text = text };
    }
}

enum status tql_groups_find(struct tql_groups *g, struct tql_value *values, struct arena *scratch, size_t *out, struct err *err)
{
    if (g->by_text)
        as_texts(g, values, scratch);
    buf_reset(&g->key);
    for (size_t i = 0; i < g->width; i++)
        tql_key_put(&g->key, &values[i]);
    struct slice key = buf_as_slice(&g->key);
    if (g->count == 0 || !slice_eq(key, g->list[g->last].key)) {
        const uint64_t *at = map_get(&g->index, key);
        enum status st = at ? ST_OK : add(g, values, key, err);
        if (st)
            return st;
        g->last = at ? *at : g->count - 1;
    }
    *out = g->last;
    return ST_OK;
}

static struct slice name_of(struct arena *a, const struct tql_expr *e)
{
    struct buf name;
    buf_init(&name, 0);
    traceql_format_expr(e, &name);
    struct slice out = arena_copy(a, buf_as_slice(&name));
    buf_free(&name);
    return out;
}

void tql_group_labels(const struct tql_groups *g, const struct tql_metric *m, size_t group, struct slice extra, struct traceql_series *out)
{
    struct arena *a = g->env->result;
    const struct tql_value *values = g->list[group].values;
    out->labels = arena_array(a, struct traceql_label, g->width + 2);
    out->label_count = 0;
    for (size_t i = 0; i < m->by_count; i++)
        if (values[i].type != TQL_NIL)
            out->labels[out->label_count++] = (struct traceql_label){ name_of(a, m->by[i]), values[i] };
    if (g->width > m->by_count)
        out->labels[out->label_count++] = (struct traceql_label){ extra, values[m->by_count] };
    if (out->label_count == 0 && m->by_count)
        out->labels[out->label_count++] = (struct traceql_label){ name_of(a, m->by[0]), values[0] };
}
