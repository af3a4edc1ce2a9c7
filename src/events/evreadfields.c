/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of rows: each row's list of them (its shape), the columns of values, and which of these a reader wants. */
#include "events/evread_in.h"

#include <stdlib.h>

static bool get_shapes(struct evread *x, struct reader *r, struct evread_shapes *s)
{
    uint64_t count = read_varint(r);
    if (r->bad || count == 0 || count > x->n)
        return false;
    uint32_t *starts = arena_array(x->arena, uint32_t, count + 1), *elements = NULL, *nth = NULL;
    size_t n = 0, cap = 0;
    for (uint64_t i = 0; i < count; i++) {
        starts[i] = (uint32_t)n;
        uint64_t k = read_varint(r);
        if (k > reader_left(r))
            return false;
        for (; k > 0; k--) {
            uint64_t element = read_varint(r);
            if (element > x->d->field_count)
                return false;
            ARENA_PUSH(x->arena, elements, n, cap) = (uint32_t)element;
        }
    }
    starts[count] = (uint32_t)n;
    nth = arena_zalloc(x->arena, (n + 1) * sizeof *nth);
    for (uint64_t i = 0; i < count; i++)
        for (uint32_t e = starts[i]; e < starts[i + 1]; e++)
            for (uint32_t before = starts[i]; before < e; before++)
                nth[e] += elements[before] == elements[e];
    int64_t *wide = arena_array(x->arena, int64_t, x->n + 1);
    uint32_t *of_row = arena_array(x->arena, uint32_t, x->n + 1);
    if (r->bad || !evcol_get_ints(r, wide, x->n))
        return false;
    for (size_t i = 0; i < x->n; i++) {
        if ((uint64_t)wide[i] >= count)
            return false;
        of_row[i] = (uint32_t)wide[i];
    }
    *s = (struct evread_shapes){ (size_t)count, starts, elements, nth, of_row };
    return true;
}

enum status evread_shapes(struct evread *x, const struct evread_shapes **out, struct err *err)
{
    static const uint32_t none[2] = { 0, 0 };
    *out = x->shapes;
    if (*out)
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    enum status st = evread_open_column(x, EVCOL_SHAPE, &place, &r, err);
    if (st)
        return st;
    struct evread_shapes *s = arena_new_of(x->arena, struct evread_shapes);
    if (place == NULL)
        *s = (struct evread_shapes){ 1, none, none, none, arena_zalloc(x->arena, (x->n + 1) * sizeof(uint32_t)) };
    else if (!get_shapes(x, &r, s))
        return evread_corrupt(x, EVCOL_SHAPE, err);
    *out = x->shapes = s;
    return ST_OK;
}

static const uint32_t *rows_before(struct evread *x, const struct evread_shapes *s)
{
    uint32_t *list = arena_array(x->arena, uint32_t, (x->row_count + 1) * s->count), *now = list + x->row_count * s->count;
    size_t k = 0;
    memset(now, 0, s->count * sizeof *now);
    for (size_t i = 0; i < x->n; i++) {
        for (; k < x->row_count && x->rows[k] == i; k++)
            memcpy(list + k * s->count, now, s->count * sizeof *now);
        now[s->of_row[i]]++;
    }
    return list;
}

/* As order_of, for the wanted rows; per: how often each shape has the element. */
static bool order_of_rows(struct evread *x, const struct evread_shapes *s, const uint32_t *per, uint64_t count, uint32_t *order)
{
    uint64_t at = 0;
    if (x->before == NULL)
        x->before = rows_before(x, s);
    for (size_t k = 0; k <= x->row_count; k++) {
        at = 0;
        for (size_t i = 0; i < s->count; i++)
            at += (uint64_t)x->before[k * s->count + i] * per[i];
        if (k < x->row_count)
            order[x->rows[k]] = (uint32_t)at;
    }
    return at == count;
}

/* Where each row's values of an element begin; false when there are not count in all. NULL: row i has value i. */
static bool order_of(struct evread *x, const struct evread_shapes *s, uint32_t element, uint64_t count, const uint32_t **out)
{
    uint32_t *per = arena_zalloc(x->arena, s->count * sizeof *per);
    bool is_one = true;
    for (size_t i = 0; i < s->count; i++) {
        for (uint32_t e = s->starts[i]; e < s->starts[i + 1]; e++)
            per[i] += s->elements[e] == element;
        is_one = is_one && per[i] == 1;
    }
    *out = NULL;
    if (is_one)
        return count == x->n;
    uint32_t *order = arena_array(x->arena, uint32_t, x->n + 1);
    uint64_t at = 0;
    *out = order;
    if (x->rows && x->row_count * s->count <= x->n) /* less work than a pass over all rows */
        return order_of_rows(x, s, per, count, order);
    for (size_t i = 0; i < x->n; i++) {
        order[i] = (uint32_t)at;
        at += per[s->of_row[i]];
    }
    return at == count;
}

/* Places of the values that the wanted rows have of the element. */
static const uint32_t *wanted_values(struct evread *x, const struct evread_shapes *s, uint32_t element, const uint32_t *order, size_t *count)
{
    uint32_t *list = NULL;
    size_t cap = 0;
    *count = 0;
    for (size_t k = 0; k < x->row_count; k++) {
        uint32_t row = x->rows[k], shape = s->of_row[row], at = order ? order[row] : row;
        for (uint32_t i = s->starts[shape]; i < s->starts[shape + 1]; i++)
            if (s->elements[i] == element)
                ARENA_PUSH(x->arena, list, *count, cap) = at++;
    }
    return list ? list : arena_array(x->arena, uint32_t, 1);
}

enum status evread_values(struct evread *x, uint32_t number, const struct evread_values **out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    const struct evread_shapes *s;
    *out = x->values ? x->values[number] : NULL;
    if (*out)
        return ST_OK;
    enum status st = evread_open_column(x, EVCOL_FIELD_FIRST + number, &place, &r, err);
    if (st == ST_OK && place)
        st = evread_shapes(x, &s, err);
    if (st || place == NULL)
        return st;
    struct evread_values *v = arena_new_of(x->arena, struct evread_values);
    size_t n = place->values;
    v->type = x->d->fields[number].type;
    if (!order_of(x, s, number + 1, n, &v->order))
        return evread_corrupt(x, place->column, err);
    bool ok;
    size_t count = 0;
    const uint32_t *wanted = x->rows ? wanted_values(x, s, number + 1, v->order, &count) : NULL;
    if (v->type == FIELD_INT || v->type == FIELD_BOOL) {
        int64_t *ints = arena_array(x->arena, int64_t, n + 1);
        ok = wanted ? evcol_get_some_ints(&r, ints, n, wanted, count) : evcol_get_ints(&r, ints, n);
        v->ints = ints;
    } else if (v->type == FIELD_DOUBLE) {
        double *doubles = arena_array(x->arena, double, n + 1);
        ok = evcol_get_some_doubles(&r, doubles, n, wanted, count);
        v->doubles = doubles;
    } else if (wanted) {
        ok = evcol_get_some_texts(&r, &v->texts, n, wanted, count, x->arena);
    } else {
        ok = evcol_get_texts(&r, &v->texts, n, NULL, x->arena);
    }
    if (!ok)
        return evread_corrupt(x, place->column, err);
    if (x->values == NULL)
        x->values = arena_zalloc(x->arena, (x->d->field_count + 1) * sizeof *x->values);
    *out = x->values[number] = v;
    return ST_OK;
}

enum status evread_cells(struct evread *x, const struct field **cells, const uint32_t **order, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    const struct evread_shapes *s;
    if (x->cells == NULL) {
        enum status st = evread_open_column(x, EVCOL_CELLS, &place, &r, err);
        if (st == ST_OK)
            st = evread_shapes(x, &s, err);
        if (st)
            return st;
        uint64_t n = place ? read_varint(&r) : 0;
        if (n > EVCOL_VALUES_MAX)
            return evread_corrupt(x, EVCOL_CELLS, err);
        struct field *list = arena_array(x->arena, struct field, n + 1);
        const uint32_t *at;
        if ((place && !evcol_get_cells(&r, list, n, x->arena)) || !order_of(x, s, 0, n, &at))
            return evread_corrupt(x, EVCOL_CELLS, err);
        x->cells = list;
        x->cell_order = at;
    }
    *cells = x->cells;
    *order = x->cell_order;
    return ST_OK;
}

struct field evread_value(const struct evread_values *v, const struct evdir_field *f, size_t row, uint32_t nth)
{
    size_t at = (v->order ? v->order[row] : row) + nth;
    struct field out = { .scope = f->scope, .type = f->type, .name = f->name, .text = SLICE_EMPTY };
    if (v->ints)
        out.i = v->ints[at];
    else if (v->doubles)
        out.d = v->doubles[at];
    else
        out.text = evcol_string(&v->texts, at);
    return out;
}

/* ---- what is wanted ---- */

void evread_only(struct evread *x, const struct slice *names, size_t count)
{
    x->names = names;
    x->name_count = count;
}

static bool is_wanted(const struct evread *x, uint32_t element)
{
    bool is_it = element == 0; /* cells have several names */
    for (size_t i = 0; !is_it && i < x->name_count; i++)
        is_it = slice_eq(x->d->fields[element - 1].name, x->names[i]);
    return is_it;
}

/* The same shapes without the fields nobody looks at. */
static const struct evread_shapes *wanted_shapes(struct evread *x, const struct evread_shapes *s)
{
    enum { UNKNOWN, YES, NO };
    uint8_t *known = arena_zalloc(x->arena, x->d->field_count + 2);
    uint32_t *starts = arena_array(x->arena, uint32_t, s->count + 1), *elements = arena_array(x->arena, uint32_t, s->starts[s->count] + 1);
    uint32_t *nth = arena_array(x->arena, uint32_t, s->starts[s->count] + 1), n = 0;
    for (size_t k = 0; k < s->count; k++) {
        starts[k] = n;
        for (uint32_t i = s->starts[k]; i < s->starts[k + 1]; i++) {
            uint8_t *is_known = &known[s->elements[i]];
            if (*is_known == UNKNOWN)
                *is_known = is_wanted(x, s->elements[i]) ? YES : NO;
            elements[n] = s->elements[i];
            nth[n] = s->nth[i];
            n += *is_known == YES;
        }
    }
    starts[s->count] = n;
    struct evread_shapes *out = arena_new_of(x->arena, struct evread_shapes);
    *out = (struct evread_shapes){ s->count, starts, elements, nth, s->of_row };
    return out;
}

static int cmp_rows(const void *a, const void *b)
{
    uint32_t x = *(const uint32_t *)a, y = *(const uint32_t *)b;
    return (x > y) - (x < y);
}

void evread_only_rows(struct evread *x, const uint32_t *rows, size_t count)
{
    mem_free(x->rows);
    x->rows = mem_alloc((count + 1) * sizeof *x->rows);
    x->row_count = count;
    x->before = NULL;
    if (count)
        memcpy(x->rows, rows, count * sizeof *rows);
    qsort(x->rows, count, sizeof *x->rows, cmp_rows);
}

/* By place in s->elements; NULL: all are. */
static const bool *used_elements(struct evread *x, const struct evread_shapes *s)
{
    if (x->rows == NULL)
        return NULL;
    bool *used = arena_zalloc(x->arena, (s->starts[s->count] + 1) * sizeof *used);
    for (size_t k = 0; k < x->row_count; k++) {
        uint32_t shape = s->of_row[x->rows[k]];
        memset(used + s->starts[shape], true, (s->starts[shape + 1] - s->starts[shape]) * sizeof *used);
    }
    return used;
}

enum status evread_load_fields(struct evread *x, struct err *err)
{
    const struct evread_shapes *s;
    const struct evread_values *v;
    const struct field *cells;
    const uint32_t *order;
    enum status st = evread_shapes(x, &s, err);
    if (st == ST_OK)
        x->wanted = s = x->names ? wanted_shapes(x, s) : s;
    const bool *used = st == ST_OK ? used_elements(x, s) : NULL;
    for (size_t i = 0; st == ST_OK && i < s->starts[s->count]; i++) {
        if (used && !used[i])
            continue;
        if (s->elements[i] == 0)
            st = evread_cells(x, &cells, &order, err);
        else
            st = evread_values(x, s->elements[i] - 1, &v, err);
        if (st == ST_OK && s->elements[i] && v == NULL)
            st = evread_corrupt(x, EVCOL_FIELD_FIRST + s->elements[i] - 1, err);
    }
    return st;
}
