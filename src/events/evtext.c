/* SPDX-License-Identifier: Apache-2.0 */
/* Texts are cut (evtok.c); those of one shape share columns, one a variable (evvar.c). Shape 0 is a text kept as it is: one that has
 * no shape, or whose shape is rare.
 *
 * (1) The words of a kept shape and of its variables are all the words of its texts, so the filter is told each shape once. */
#include "events/evtext.h"

#include "base/hash.h"
#include "events/evvar.h"

enum {
    SHAPE_ROWS_MIN = 3,       /* fewer: shape 0 */
    SHAPES_MAX = 8192,
    SHAPED_PART = 8,          /* not worth it when under 1 / SHAPED_PART of the texts have a shape */
    NESTED_WHOLE_PART = 4,    /* inside a column: when over 1 / NESTED_WHOLE_PART have none */
    TOTAL_BYTES_MAX = 64 * MIB,
    ZSTD_LEVEL = 1,
};

struct shape {
    struct slice text;
    uint64_t hash;
    uint32_t rows, slots, first; /* first: its place among all texts in order of shapes */
    uint32_t number;             /* in the file; 0: not kept */
};

struct cuts {
    struct arena *a;
    struct shape *shapes;        /* [0]: whole texts */
    size_t count, cap, table_cap, kept;
    uint32_t *table;             /* place in shapes + 1 */
    uint32_t *of, *vars;         /* by text: its shape, its first variable */
    uint32_t *order;             /* texts by shape */
};

struct evtext_writer *evtext_writer_new(void)
{
    struct evtext_writer *w = mem_new(struct evtext_writer);
    evrun_out_init(&w->runs, ZSTD_LEVEL);
    w->arena = arena_new(0);
    return w;
}

void evtext_writer_free(struct evtext_writer *w)
{
    if (w == NULL)
        return;
    evrun_out_free(&w->runs);
    arena_free(w->arena);
    mem_free(w);
}

static void grow_table(struct cuts *c)
{
    c->table_cap *= 4;
    c->table = arena_zalloc(c->a, c->table_cap * sizeof *c->table);
    for (size_t s = 1; s < c->count; s++) {
        size_t at = (size_t)c->shapes[s].hash & (c->table_cap - 1);
        while (c->table[at])
            at = (at + 1) & (c->table_cap - 1);
        c->table[at] = (uint32_t)s + 1;
    }
}

static uint32_t shape_number(struct cuts *c, struct slice text, uint32_t slots)
{
    uint64_t hash = hash64(text, 0);
    size_t at = (size_t)hash & (c->table_cap - 1);
    for (; c->table[at]; at = (at + 1) & (c->table_cap - 1)) {
        struct shape *s = &c->shapes[c->table[at] - 1];
        if (s->hash == hash && slice_eq(s->text, text))
            return c->table[at] - 1;
    }
    ARENA_PUSH(c->a, c->shapes, c->count, c->cap) = (struct shape){ .text = arena_copy(c->a, text), .hash = hash, .slots = slots };
    c->table[at] = (uint32_t)c->count;
    if (c->count * 2 > c->table_cap)
        grow_table(c);
    return (uint32_t)c->count - 1;
}

static void cut_all(struct cuts *c, struct evtok *t, const struct evvar *in, bool is_line, const int64_t *times)
{
    c->table_cap = 256;
    c->table = arena_zalloc(c->a, c->table_cap * sizeof *c->table);
    ARENA_PUSH(c->a, c->shapes, c->count, c->cap) = (struct shape){ .text = SLICE_EMPTY, .slots = 1 };
    for (size_t i = 0; i < in->n; i++) {
        size_t first = t->var_count, len = evtok_cut(t, in->v[i], is_line, times ? &times[in->rows[i]] : NULL);
        c->vars[i] = (uint32_t)first;
        c->of[i] = len == SIZE_MAX ? 0 : shape_number(c, slice_of(t->shape, len), (uint32_t)(t->var_count - first));
        c->shapes[c->of[i]].rows++;
    }
}

/* Numbers the shapes worth keeping; texts of the others fall to shape 0. */
static void keep_shapes(struct cuts *c, size_t n)
{
    c->kept = 1;
    for (size_t s = 1; s < c->count; s++) {
        if (c->shapes[s].rows >= SHAPE_ROWS_MIN && c->kept < SHAPES_MAX)
            c->shapes[s].number = (uint32_t)c->kept++;
        else
            c->shapes[0].rows += c->shapes[s].rows;
    }
    uint32_t at = c->shapes[0].rows;
    c->shapes[0].first = 0;
    for (size_t s = 1; s < c->count; s++) {
        c->shapes[s].first = at;
        at += c->shapes[s].number ? c->shapes[s].rows : 0;
    }
    c->order = arena_array(c->a, uint32_t, n);
    uint32_t *filled = arena_zalloc(c->a, c->count * sizeof *filled);
    for (size_t i = 0; i < n; i++) {
        uint32_t s = c->shapes[c->of[i]].number ? c->of[i] : 0;
        c->of[i] = s;
        c->order[c->shapes[s].first + filled[s]++] = (uint32_t)i;
    }
}

static void put_shape(struct evtext_writer *w, const struct cuts *c, const struct evtok *t, const struct evvar *in, const struct shape *s)
{
    struct slice *v = arena_array(w->arena, struct slice, s->rows);
    uint32_t *rows = arena_array(w->arena, uint32_t, s->rows);
    const uint32_t *members = c->order + s->first;
    for (uint32_t i = 0; i < s->rows; i++)
        rows[i] = in->rows[members[i]];
    for (uint32_t k = 0; k < s->slots; k++) {
        for (uint32_t i = 0; i < s->rows; i++) {
            struct slice text = in->v[members[i]];
            struct evtok_var var = s->number ? t->vars[c->vars[members[i]] + k] : (struct evtok_var){ 0, (uint32_t)text.len };
            v[i] = slice_of(text.ptr + var.from, var.len);
        }
        evvar_put(w, &(struct evvar){ v, rows, s->rows, s->number && in->may_nest, s->number == 0 });
    }
}

static void put_all(struct evtext_writer *w, const struct cuts *c, const struct evtok *t, const struct evvar *in)
{
    struct buf *head = &w->runs.kinds[RUN_HEAD];
    uint32_t *ids = arena_array(w->arena, uint32_t, in->n);
    buf_varint(head, c->kept);
    for (size_t s = 1; s < c->count; s++) {
        if (c->shapes[s].number == 0)
            continue;
        buf_varint(head, c->shapes[s].text.len);
        evrun_put(&w->runs, RUN_SHAPES, c->shapes[s].text.ptr, c->shapes[s].text.len);
        if (w->filter)
            evfilter_add_text(w->filter, c->shapes[s].text);
    }
    for (size_t i = 0; i < in->n; i++)
        ids[i] = c->shapes[c->of[i]].number;
    evvar_put_ids(w, ids, in->rows, in->n, (uint32_t)c->kept);
    for (size_t s = 0; s < c->count; s++)
        if (c->shapes[s].number || (s == 0 && c->shapes[s].rows))
            put_shape(w, c, t, in, &c->shapes[s]);
}

bool evtext_put_texts(struct evtext_writer *w, const struct evvar *in, bool is_line, size_t shapes_max)
{
    struct evtok t;
    size_t longest = 0;
    for (size_t i = 0; i < in->n; i++)
        longest = MAX(longest, in->v[i].len);
    evtok_init(&t, longest, w->filter);
    struct cuts c = { .a = w->arena, .of = arena_array(w->arena, uint32_t, in->n), .vars = arena_array(w->arena, uint32_t, in->n) };
    cut_all(&c, &t, in, is_line, w->rows->times);
    keep_shapes(&c, in->n);
    size_t whole_max = is_line ? in->n - in->n / SHAPED_PART : in->n / NESTED_WHOLE_PART;
    bool is_worth = c.kept > 1 && c.kept - 1 <= shapes_max && c.shapes[0].rows <= whole_max && t.var_count;
    if (is_worth) {
        struct evvar inner = *in;
        inner.may_nest = is_line;
        put_all(w, &c, &t, &inner);
    }
    evtok_free(&t);
    return is_worth;
}

bool evtext_put(struct evtext_writer *w, struct buf *out, const struct slice *v, size_t n, const struct evtext_rows *rows,
                struct evfilter_set *filter)
{
    static const struct evtext_rows none;
    size_t total = 0;
    for (size_t i = 0; i < n; i++)
        total += v[i].len;
    if (n == 0 || total > TOTAL_BYTES_MAX / 2)
        return false;
    uint32_t *numbers = arena_array(w->arena, uint32_t, n);
    for (size_t i = 0; i < n; i++)
        numbers[i] = (uint32_t)i;
    evrun_out_reset(&w->runs);
    w->rows = rows ? rows : &none;
    w->filter = filter;
    buf_varint(&w->runs.kinds[RUN_HEAD], total);
    bool is_worth = evtext_put_texts(w, &(struct evvar){ v, numbers, n, true, false }, true, SHAPES_MAX);
    if (is_worth)
        evrun_finish(&w->runs, out);
    arena_reset(w->arena);
    return is_worth;
}
