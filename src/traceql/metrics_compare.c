/* SPDX-License-Identifier: Apache-2.0 */
/* compare(): which values of which attributes spans of a selection have, and which the others do. Each attribute has two tables of values, and
 * each value its counts at the points; most values are seen at few points, so those are a list until they are many. Neighbouring spans have
 * mostly the same attributes in the same places with the same values: what was found last is looked at first. A table that grows over its limit
 * forgets the rarer half of its values, so that an attribute with a value of its own for each span costs no more than another. */
#include <math.h>
#include <stdlib.h>

#include "base/hash.h"
#include "traceql/metrics.h"

enum { CELLS_LISTED_MAX = 12 /* points of a value, before it has a row of all */, PLACES_MAX = 128 /* of attributes that are remembered */,
       RECENT = 32 /* values of a side that are found without a map */ };

struct cell {
    uint32_t point;
    double count;
};

struct value_count {
    struct tql_value value;
    struct slice key;
    double total;
    struct cell *cells;
    uint32_t cell_count, cell_cap;
    double *row; /* NULL: cells */
};

struct side {
    struct arena *arena;
    struct map index; /* by key */
    struct value_count *list;
    size_t count, cap;
    uint32_t recent[RECENT]; /* numbers of values + 1, by recent_place */
    double *totals;   /* NULL: no span has it */
    bool is_cut;      /* some were forgotten */
};

struct attr {
    struct slice key, name; /* name: as a label */
    struct side sides[2];   /* the baseline's, the selection's */
};

struct compare {
    const struct tql_asked *q;
    struct arena_group group; /* of all sides */
    struct map index;
    struct attr **attrs;
    size_t count, cap;
    struct attr *places[PLACES_MAX];
    struct tql_roots roots; /* where spans come without their traces */
    struct buf key;
};

/* ---- values ---- */

static void add_cell(const struct compare *c, struct side *s, struct value_count *v, uint32_t point, double n)
{
    if (v->row) {
        v->row[point] += n;
        return;
    }
    for (uint32_t i = v->cell_count; i-- > 0;)
        if (v->cells[i].point == point) {
            v->cells[i].count += n;
            return;
        }
    if (v->cell_count < CELLS_LISTED_MAX) {
        ARENA_PUSH(s->arena, v->cells, v->cell_count, v->cell_cap) = (struct cell){ point, n };
        return;
    }
    v->row = arena_zalloc(s->arena, c->q->grid->points * sizeof *v->row);
    for (uint32_t i = 0; i < v->cell_count; i++)
        v->row[v->cells[i].point] += v->cells[i].count;
    v->row[point] += n;
}

static void side_free(struct side *s)
{
    map_free(&s->index);
    if (s->arena)
        arena_free(s->arena);
}

/* The most frequent first; of equal ones the first by value. */
static int by_total(const void *x, const void *y)
{
    const struct value_count *a = x, *b = y;
    int order = (b->total > a->total) - (b->total < a->total);
    return order ? order : tql_value_cmp(&a->value, &b->value);
}

static struct value_count kept_value(const struct compare *c, struct arena *a, const struct value_count *v)
{
    struct value_count k = *v;
    k.value = tql_value_keep(a, &v->value);
    k.key = arena_copy(a, v->key);
    k.cells = arena_array(a, struct cell, v->cell_cap + 1);
    memcpy(k.cells, v->cells, v->cell_count * sizeof *v->cells);
    if (v->row) {
        k.row = arena_array(a, double, c->q->grid->points);
        memcpy(k.row, v->row, c->q->grid->points * sizeof *v->row);
    }
    return k;
}

static void forget_rare(struct compare *c, struct side *s)
{
    struct side kept = { .arena = arena_new_in(&c->group), .totals = s->totals, .is_cut = true };
    map_init(&kept.index);
    qsort(s->list, s->count, sizeof *s->list, by_total);
    for (size_t i = 0; i < s->count / 2; i++) {
        ARENA_PUSH(kept.arena, kept.list, kept.count, kept.cap) = kept_value(c, kept.arena, &s->list[i]);
        *map_put(&kept.index, kept.list[i].key, NULL) = i;
    }
    kept.totals = arena_array(kept.arena, double, c->q->grid->points);
    memcpy(kept.totals, s->totals, c->q->grid->points * sizeof *kept.totals);
    side_free(s);
    *s = kept;
}

/* Values a side may have: fewer when half of the memory is taken. */
static size_t values_max(const struct compare *c)
{
    bool is_tight = c->group.bytes_max && c->group.bytes > c->group.bytes_max / 2;
    return is_tight ? MIN(MAX(4 * c->q->m->top, (size_t)TRACEQL_COMPARE_VALUES_MIN), (size_t)TRACEQL_COMPARE_VALUES_MAX) : TRACEQL_COMPARE_VALUES_MAX;
}

static bool is_same(const struct tql_value *x, const struct tql_value *y)
{
    return x->type == y->type && (x->type == TQL_STRING || x->type == TQL_ARRAY ? slice_eq(x->text, y->text) : x->i == y->i);
}

/* A text of a column is mostly in the same place of memory each time. */
static size_t recent_place(const struct tql_value *v)
{
    uint64_t bits = v->type == TQL_STRING || v->type == TQL_ARRAY ? (uint64_t)(uintptr_t)v->text.ptr ^ v->text.len << 3 : (uint64_t)v->i;
    return hash_u64(bits) % RECENT;
}

static struct value_count *value_at(struct compare *c, struct side *s, const struct tql_value *v)
{
    size_t place = recent_place(v);
    uint32_t number = s->recent[place];
    if (number && is_same(&s->list[number - 1].value, v))
        return &s->list[number - 1];
    buf_reset(&c->key);
    tql_key_put(&c->key, v);
    const uint64_t *at = map_get(&s->index, buf_as_slice(&c->key));
    if (at) {
        s->recent[place] = (uint32_t)*at + 1;
        return &s->list[*at];
    }
    if (s->count >= values_max(c))
        forget_rare(c, s);
    struct value_count fresh = { .value = tql_value_keep(s->arena, v), .key = arena_copy(s->arena, buf_as_slice(&c->key)) };
    ARENA_PUSH(s->arena, s->list, s->count, s->cap) = fresh;
    *map_put(&s->index, fresh.key, NULL) = s->count - 1;
    s->recent[place] = (uint32_t)s->count;
    return &s->list[s->count - 1];
}

/* ---- attributes ---- */

struct seen { /* the span at hand */
    const struct event *e;
    bool is_selected;
    size_t from, to, place;
    struct arena *scratch;
};

static struct slice label_name(struct compare *c, const struct tql_field *f)
{
    struct buf name;
    buf_init(&name, 0);
    traceql_format_field(f, &name);
    struct slice out = arena_copy(c->q->env->result, buf_as_slice(&name));
    buf_free(&name);
    return out;
}

/* Its key is one byte of scope or intrinsic, and the name. */
static struct attr *attr_of(struct compare *c, struct seen *s, const struct tql_field *f)
{
    uint8_t first = f->scope == TQL_SCOPE_INTRINSIC ? (uint8_t)(128 + f->intrinsic) : (uint8_t)f->scope;
    struct attr **place = &c->places[s->place++ % PLACES_MAX];
    if (*place && (uint8_t)(*place)->key.ptr[0] == first && slice_eq(slice_skip((*place)->key, 1), f->name))
        return *place;
    buf_reset(&c->key);
    buf_u8(&c->key, first);
    buf_slice(&c->key, f->name);
    const uint64_t *at = map_get(&c->index, buf_as_slice(&c->key));
    if (at)
        return *place = c->attrs[*at];
    struct arena *a = c->q->env->result;
    struct attr *attr = arena_new_of(a, struct attr);
    attr->key = arena_copy(a, buf_as_slice(&c->key));
    attr->name = label_name(c, f);
    map_init(&attr->sides[0].index);
    map_init(&attr->sides[1].index);
    ARENA_PUSH(a, c->attrs, c->count, c->cap) = attr;
    *map_put(&c->index, attr->key, NULL) = c->count - 1;
    return *place = attr;
}

static void count_value(struct compare *c, struct seen *s, const struct tql_field *f, const struct tql_value *v)
{
    if (v->type == TQL_NIL || v->type == TQL_DURATION || (v->type == TQL_STRING && v->text.len == 0))
        return;
    struct side *side = &attr_of(c, s, f)->sides[s->is_selected];
    if (side->arena == NULL) {
        side->arena = arena_new_in(&c->group);
        side->totals = arena_zalloc(side->arena, c->q->grid->points * sizeof *side->totals);
    }
    struct tql_value text = { .type = TQL_STRING };
    if (c->q->grid->by_text)
        text.text = tql_label_text(s->scratch, v);
    struct value_count *at = value_at(c, side, c->q->grid->by_text ? &text : v);
    for (size_t k = s->from; k < s->to; k++) {
        add_cell(c, side, at, (uint32_t)k, s->e->weight);
        side->totals[k] += s->e->weight;
    }
    at->total += s->e->weight;
}

static void count_intrinsic(struct compare *c, struct seen *s, enum tql_intrinsic what, struct tql_value v)
{
    struct tql_field f = { .scope = TQL_SCOPE_INTRINSIC, .intrinsic = what, .name = SLICE_EMPTY };
    count_value(c, s, &f, &v);
}

static struct tql_value text_value(struct slice text)
{
    return (struct tql_value){ .type = TQL_STRING, .text = text };
}

static struct tql_value int_value(enum tql_type type, int64_t i)
{
    return (struct tql_value){ .type = type, .i = i };
}

static struct tql_value field_value(const struct field *f, struct arena *scratch)
{
    switch ((enum field_type)f->type) {
    case FIELD_INT:
        return int_value(TQL_INT, f->i);
    case FIELD_BOOL:
        return int_value(TQL_BOOL, f->i);
    case FIELD_DOUBLE:
        return (struct tql_value){ .type = TQL_FLOAT, .d = f->d };
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_JSON:
        break;
    }
    return text_value(field_text(scratch, f));
}

static void count_fields(struct compare *c, struct seen *s)
{
    static const enum tql_scope scopes[] = { [SCOPE_RECORD] = TQL_SCOPE_SPAN, [SCOPE_RESOURCE] = TQL_SCOPE_RESOURCE,
                                             [SCOPE_INSTRUMENTATION] = TQL_SCOPE_INSTRUMENTATION };
    for (uint32_t i = 0; i < s->e->field_count; i++) {
        const struct field *x = &s->e->fields[i];
        bool is_of_scope = x->scope == SCOPE_INSTRUMENTATION;
        if (field_is_hidden(x->name) || (x->scope == SCOPE_RESOURCE && s->e->service.len && slice_eq(x->name, SLICE("service.name"))))
            continue;
        struct tql_value v = field_value(x, s->scratch);
        struct tql_field f = { .scope = scopes[x->scope], .name = x->name };
        if (is_of_scope && slice_eq(x->name, EVENT_SCOPE_NAME))
            count_intrinsic(c, s, TQL_SCOPE_NAME, v);
        else if (is_of_scope && slice_eq(x->name, EVENT_SCOPE_VERSION))
            count_intrinsic(c, s, TQL_SCOPE_VERSION, v);
        else
            count_value(c, s, &f, &v);
    }
}

static bool is_selected(const struct tql_metric *m, const struct tql_trace *t, uint32_t span, struct arena *scratch)
{
    int64_t time_ns = t->spans[span].e->time_ns;
    if ((m->start_ns || m->end_ns) && (time_ns < m->start_ns || time_ns >= m->end_ns))
        return false;
    return m->selection->filter == NULL || tql_expr_is_true(m->selection->filter, t, span, scratch);
}

static void count_root(struct compare *c, struct seen *s, const struct tql_trace *t)
{
    struct slice name, service;
    if (t->root != TQL_NO_SPAN) {
        name = t->spans[t->root].e->body;
        service = t->spans[t->root].e->service;
    } else if (!tql_roots_find(&c->roots, s->e, &name, &service)) {
        return;
    }
    count_intrinsic(c, s, TQL_ROOT_NAME, text_value(name));
    count_intrinsic(c, s, TQL_ROOT_SERVICE, text_value(service));
}

static enum status see(void *arg, const struct tql_trace *t, uint32_t span, struct arena *scratch, struct err *err)
{
    struct compare *c = arg;
    struct seen s = { .e = t->spans[span].e, .is_selected = is_selected(c->q->m, t, span, scratch), .scratch = scratch };
    struct tql_field service = { .scope = TQL_SCOPE_RESOURCE, .name = SLICE("service.name") };
    struct tql_value name = text_value(s.e->service);
    ++*c->q->inspected;
    tql_grid_points(c->q->grid, s.e->time_ns, &s.from, &s.to);
    if (s.e->weight <= 0 || s.from == s.to)
        return ST_OK;
    c->q->env->ctx->is_sampled |= s.e->weight != 1;
    count_intrinsic(c, &s, TQL_NAME, text_value(s.e->body));
    count_intrinsic(c, &s, TQL_KIND_OF_SPAN, int_value(TQL_KIND, s.e->span_kind));
    count_intrinsic(c, &s, TQL_STATUS_OF_SPAN, int_value(TQL_STATUS, s.e->span_status));
    count_intrinsic(c, &s, TQL_STATUS_MESSAGE, text_value(s.e->status_message));
    count_root(c, &s, t);
    count_value(c, &s, &service, &name);
    count_fields(c, &s);
    if (c->group.bytes_max && c->group.bytes > c->group.bytes_max)
        return err_set(err, ST_LIMIT, "compare() needs over %zu bytes, its limit; ask for less time, or for fewer points", c->group.bytes_max);
    return ST_OK;
}

/* ---- series ---- */

static struct traceql_series *series(struct compare *c, struct tql_series_set *out, struct slice label, struct slice type, struct slice name,
                                     const struct tql_value *v)
{
    struct arena *a = c->q->env->result;
    struct traceql_series s = { .labels = arena_array(a, struct traceql_label, 2), .label_count = 2 };
    s.labels[0] = (struct traceql_label){ label, text_value(type) };
    s.labels[1] = (struct traceql_label){ name, { .type = TQL_NIL } };
    if (v)
        s.labels[1].value = tql_value_keep(a, v);
    s.v = arena_zalloc(a, c->q->grid->points * sizeof *s.v);
    struct traceql_series *at = &ARENA_PUSH(a, out->series, out->count, out->cap);
    *at = s;
    return at;
}

#define META_TYPE SLICE("__meta_type")

static enum status put_side(struct compare *c, const struct attr *attr, bool is_selection, struct tql_series_set *out, struct err *err)
{
    const struct side *s = &attr->sides[is_selection];
    size_t points = c->q->grid->points;
    if (s->totals == NULL)
        return ST_OK;
    qsort(s->list, s->count, sizeof *s->list, by_total);
    for (size_t i = 0; i < s->count && i < c->q->m->top; i++) {
        const struct value_count *v = &s->list[i];
        struct traceql_series *to = series(c, out, META_TYPE, is_selection ? SLICE("selection") : SLICE("baseline"), attr->name, &v->value);
        for (uint32_t k = 0; v->row == NULL && k < v->cell_count; k++)
            to->v[v->cells[k].point] = v->cells[k].count;
        if (v->row)
            memcpy(to->v, v->row, points * sizeof *to->v);
    }
    struct traceql_series *to = series(c, out, META_TYPE, is_selection ? SLICE("selection_total") : SLICE("baseline_total"), attr->name, NULL);
    memcpy(to->v, s->totals, points * sizeof *to->v);
    enum status st = tql_series_limit(out->count, err);
    return st ? st : tql_check(c->q->env, err);
}

static enum status put_attr(struct compare *c, const struct attr *attr, struct tql_series_set *out, struct err *err)
{
    bool is_cut = false;
    for (size_t i = 0; i < COUNT_OF(attr->sides); i++)
        is_cut = is_cut || attr->sides[i].is_cut || attr->sides[i].count > c->q->m->top;
    if (is_cut)
        series(c, out, SLICE("__meta_error"), SLICE("__too_many_values__"), attr->name, NULL);
    enum status st = put_side(c, attr, false, out, err);
    return st ? st : put_side(c, attr, true, out, err);
}

static enum status feed(struct compare *c, struct err *err)
{
    const struct tql_asked *q = c->q;
    const struct tql_expr *exprs[1] = { q->m->selection->filter };
    struct tql_needs needs = { .want = 0 };
    struct tql_feed f = { .stages = q->m->stages, .exprs = exprs, .expr_count = exprs[0] != NULL,
                          .want = WANT_BODY | WANT_FIELDS | WANT_SPAN | WANT_IDS, .start_ns = tql_grid_start(q->grid),
                          .end_ns = tql_grid_end(q->grid), .see = see, .arg = c };
    tql_needs_of_stages(f.stages, &needs);
    tql_needs_of_expr(exprs[0], &needs);
    enum status st = needs.whole_trace ? ST_OK : tql_roots_read(q->env, f.start_ns, f.end_ns, &c->roots, err);
    return st ? st : tql_feed_run(q->env, &f, err);
}

enum status tql_compare_run(const struct tql_asked *q, struct tql_series_set *out, struct err *err)
{
    struct compare c = { .q = q, .group = { .bytes_max = arena_bytes_max(q->env->result) } };
    map_init(&c.index);
    buf_init(&c.key, 0);
    enum status st = feed(&c, err);
    for (size_t i = 0; i < c.count; i++) {
        if (!st)
            st = put_attr(&c, c.attrs[i], out, err);
        side_free(&c.attrs[i]->sides[0]);
        side_free(&c.attrs[i]->sides[1]);
    }
    tql_roots_free(&c.roots);
    map_free(&c.index);
    buf_free(&c.key);
    return st;
}
