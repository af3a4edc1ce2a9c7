/* SPDX-License-Identifier: Apache-2.0 */
/* Two caches in one object: frames as the store gives them (checked, decompressed, perhaps shared with other queries), and
 * decoded columns in an arena of our own. Strings point into frames, so both go together.
 *
 * The frame's checksum says that the bytes are ours; decoding checks them all the same and calls what does not parse
 * corrupt. */
#include "events/evread.h"

#include <stdlib.h>

#include "events/evencode.h"

enum { COLUMNS = EVCOL_FIXED_LAST + 1 };

struct spans { /* lists of span events and links, all rows in one run */
    const uint32_t *event_first, *link_first; /* n + 1 each; NULL: none */
    struct span_event *events;
    struct span_link *links;
};

struct evread {
    const struct part *p;
    const struct evdir *d;
    const struct evdir_block *b;
    struct engine_ctx *ctx;
    size_t n, frame_bytes;
    struct block **frames;
    struct arena *arena;
    const int64_t *ints[COLUMNS];
    const uint64_t *seqs;
    const struct evcol_strings *strings[COLUMNS];
    const uint8_t *ids[COLUMNS];
    const struct evread_shapes *shapes;
    const struct evread_values **values; /* by number of the field */
    const struct field *cells;
    const uint32_t *cell_order;
    const struct spans *spans;
    const int64_t *observed;
    struct evtext *text; /* the body's, until it is read as strings */
    struct arena *text_arena;
    struct zstd_ctx *zstd, *shared_zstd; /* of text; shared: used instead when there is one */
    const struct slice *names;           /* of fields that are wanted; NULL: all */
    size_t name_count;
    const struct evread_shapes *wanted;  /* shapes of those */
    uint32_t *rows;                      /* in order, those that are wanted; NULL: any */
    size_t row_count;
    const uint32_t *before;              /* of each of them, and of the end: how many rows of each shape come before it */
};

struct evread *evread_new(const struct part *p, const struct evdir *d, const struct evdir_block *b, struct engine_ctx *ctx)
{
    struct evread *x = mem_new(struct evread);
    x->p = p;
    x->d = d;
    x->b = b;
    x->ctx = ctx;
    x->n = b->rows;
    x->frames = mem_zalloc((b->frame_count + 1) * sizeof *x->frames);
    x->arena = arena_new(0);
    return x;
}

static void drop_frames(struct evread *x)
{
    for (uint32_t i = 0; i < x->b->frame_count; i++) {
        block_drop(x->frames[i]);
        x->frames[i] = NULL;
    }
    x->frame_bytes = 0;
}

/* Columns take more room than the texts they make. */
static void drop_text(struct evread *x)
{
    zstd_ctx_free(x->zstd);
    arena_free(x->text_arena);
    x->text = NULL;
    x->text_arena = NULL;
    x->zstd = NULL;
}

void evread_release(struct evread *x)
{
    drop_frames(x);
    drop_text(x);
    arena_free(x->arena);
    *x = (struct evread){ .p = x->p, .d = x->d, .b = x->b, .ctx = x->ctx, .n = x->n, .frames = x->frames, .arena = arena_new(0),
                          .shared_zstd = x->shared_zstd, .names = x->names, .name_count = x->name_count,
                          .rows = x->rows, .row_count = x->row_count };
}

void evread_free(struct evread *x)
{
    if (x == NULL)
        return;
    drop_frames(x);
    drop_text(x);
    arena_free(x->arena);
    mem_free(x->frames);
    mem_free(x->rows);
    mem_free(x);
}

void evread_use_zstd(struct evread *x, struct zstd_ctx *zstd)
{
    x->shared_zstd = zstd;
}

size_t evread_bytes(const struct evread *x)
{
    return x->frame_bytes + arena_bytes(x->arena) + (x->text_arena ? arena_bytes(x->text_arena) : 0);
}

const struct evdir_block *evread_block(const struct evread *x)
{
    return x->b;
}

static enum status corrupt(const struct evread *x, uint32_t column, struct err *err)
{
    return err_set(err, ST_CORRUPT, "part %016llx, block of events %zu: column %u does not parse",
                   (unsigned long long)part_info(x->p)->id, (size_t)(x->b - x->d->blocks), column);
}

/* The bytes of a column; *place NULL when the block does not have it. */
static enum status open_column(struct evread *x, uint32_t column, const struct evdir_place **place, struct reader *r, struct err *err)
{
    const struct evdir_place *p = *place = evdir_place_of(x->b, column);
    if (p == NULL)
        return ST_OK;
    if (x->frames[p->frame] == NULL) {
        enum status st = part_read(x->p, x->b->frames[p->frame], &x->frames[p->frame], err);
        if (st)
            return st;
        x->frame_bytes += x->frames[p->frame]->bytes.len;
        if (x->ctx) {
            x->ctx->bytes_read += x->frames[p->frame]->bytes.len;
            x->ctx->blocks_read++;
        }
    }
    struct slice all = x->frames[p->frame]->bytes;
    if ((uint64_t)p->offset + p->length > all.len)
        return corrupt(x, column, err);
    *r = reader_of(slice_of(all.ptr + p->offset, p->length));
    return ST_OK;
}

/* Services of rows from those of their streams. */
static enum status load_stream_services(struct evread *x, int64_t *v, struct err *err)
{
    const struct evdir_place *place;
    const int64_t *streams;
    struct reader r;
    enum status st = open_column(x, EVCOL_STREAM_SERVICE, &place, &r, err);
    if (st || place == NULL)
        return st;
    st = evread_ints(x, EVCOL_STREAM, &streams, err);
    if (st)
        return st;
    int64_t *of = arena_array(x->arena, int64_t, x->b->stream_count + 1);
    if (!evcol_get_ints(&r, of, x->b->stream_count))
        return corrupt(x, EVCOL_STREAM_SERVICE, err);
    for (size_t i = 0; i < x->n; i++)
        v[i] = of[streams[i]];
    return ST_OK;
}

enum status evread_ints(struct evread *x, enum evdir_column column, const int64_t **out, struct err *err)
{
    *out = x->ints[column];
    if (*out)
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    enum status st = open_column(x, column, &place, &r, err);
    if (st)
        return st;
    int64_t *v = arena_array(x->arena, int64_t, x->n + 1);
    if (place && !evcol_get_ints(&r, v, x->n))
        return corrupt(x, column, err);
    if (place == NULL)
        memset(v, 0, x->n * sizeof *v);
    if (place == NULL && column == EVCOL_SERVICE)
        st = load_stream_services(x, v, err);
    if (st)
        return st;
    bool is_number = column == EVCOL_STREAM || column == EVCOL_SERVICE;
    uint64_t below = column == EVCOL_STREAM ? x->b->stream_count : x->b->service_count;
    for (size_t i = 0; is_number && i < x->n; i++)
        if ((uint64_t)v[i] >= below)
            return corrupt(x, column, err);
    if (column == EVCOL_WEIGHT && place == NULL)
        for (size_t i = 0; i < x->n; i++)
            v[i] = 0x3f800000; /* bits of 1.0f */
    *out = x->ints[column] = v;
    return ST_OK;
}

enum status evread_seqs(struct evread *x, const uint64_t **out, struct err *err)
{
    const int64_t *lsn, *row;
    *out = x->seqs;
    if (*out)
        return ST_OK;
    bool is_next = evdir_place_of(x->b, EVCOL_ROW_NEXT) != NULL;
    const int64_t *streams = NULL;
    enum status st = evread_ints(x, EVCOL_LSN, &lsn, err);
    if (st == ST_OK)
        st = evread_ints(x, is_next ? EVCOL_ROW_NEXT : EVCOL_ROW, &row, err);
    if (st == ST_OK && is_next)
        st = evread_ints(x, EVCOL_STREAM, &streams, err);
    if (st)
        return st;
    if (is_next)
        row = evencode_rows_of_next(lsn, row, streams, x->n, x->b->stream_count, x->arena);
    uint64_t *v = arena_array(x->arena, uint64_t, x->n);
    for (size_t i = 0; i < x->n; i++)
        v[i] = (uint64_t)lsn[i] << 20 | (uint64_t)row[i];
    *out = x->seqs = v;
    return ST_OK;
}

enum status evread_text_rows(struct evread *x, struct evtext_rows *rows, struct err *err)
{
    *rows = (struct evtext_rows){ 0 };
    enum status st = evread_ints(x, EVCOL_TIME, &rows->times, err);
    if (st == ST_OK)
        st = evread_ints(x, EVCOL_STREAM, &rows->streams, err);
    if (st == ST_OK)
        st = evread_ints(x, EVCOL_SEVERITY, &rows->severities, err);
    if (st == ST_OK && evdir_place_of(x->b, EVCOL_TRACE_ID))
        st = evread_ids(x, EVCOL_TRACE_ID, &rows->traces, err);
    if (st == ST_OK && evdir_place_of(x->b, EVCOL_SPAN_ID))
        st = evread_ids(x, EVCOL_SPAN_ID, &rows->spans, err);
    return st;
}

enum status evread_strings(struct evread *x, enum evdir_column column, const struct evcol_strings **out, struct err *err)
{
    static const struct slice nothing[1] = { SLICE_INIT("") };
    *out = x->strings[column];
    if (*out)
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    enum status st = open_column(x, column, &place, &r, err);
    if (st)
        return st;
    struct evtext_rows rows = { 0 };
    if (place && column == EVCOL_BODY && reader_left(&r) && *r.at == EVCOL_STRING_TEXTS)
        st = evread_text_rows(x, &rows, err);
    if (st)
        return st;
    struct evcol_strings *s = arena_new_of(x->arena, struct evcol_strings);
    bool is_open = column == EVCOL_BODY && x->text != NULL;
    *s = (struct evcol_strings){ .n = x->n };
    if (is_open && !evtext_all(x->text, x->arena, &s->bytes, &s->ends))
        return corrupt(x, column, err);
    if (is_open)
        drop_text(x);
    else if (place == NULL)
        *s = (struct evcol_strings){ .n = x->n, .is_dict = true, .dict_count = 1, .dict = nothing,
                                     .ids = arena_zalloc(x->arena, (x->n + 1) * sizeof(uint32_t)) };
    else if (!evcol_get_texts(&r, s, x->n, &rows, x->arena))
        return corrupt(x, column, err);
    *out = x->strings[column] = s;
    return ST_OK;
}

enum status evread_text(struct evread *x, struct evtext **out, struct err *err)
{
    *out = x->text;
    if (*out || x->strings[EVCOL_BODY])
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    struct evtext_rows rows;
    enum status st = open_column(x, EVCOL_BODY, &place, &r, err);
    if (st || place == NULL || reader_left(&r) == 0 || *r.at != EVCOL_STRING_TEXTS)
        return st;
    st = evread_text_rows(x, &rows, err);
    if (st)
        return st;
    read_u8(&r);
    if (x->shared_zstd == NULL)
        x->zstd = zstd_ctx_new();
    x->text_arena = arena_new(0);
    struct evtext *t = arena_new_of(x->text_arena, struct evtext);
    if (!evtext_open(t, &r, x->n, &rows, x->zstd ? x->zstd : x->shared_zstd, x->text_arena)) {
        drop_text(x);
        return corrupt(x, EVCOL_BODY, err);
    }
    *out = x->text = t;
    return ST_OK;
}

enum status evread_body(struct evread *x, size_t row, struct arena *a, struct slice *out, struct err *err)
{
    enum { ROOM_FIRST = 8 * KIB };
    char small[ROOM_FIRST];
    struct evtext *t;
    const struct evcol_strings *all;
    enum status st = evread_text(x, &t, err);
    if (st == ST_OK && t == NULL) {
        st = evread_strings(x, EVCOL_BODY, &all, err);
        if (st == ST_OK)
            *out = evcol_string(all, row);
    }
    if (st || t == NULL)
        return st;
    size_t len = evtext_text(t, row, small, sizeof small);
    if (len != SIZE_MAX) {
        *out = arena_copy(a, slice_of(small, len));
        return ST_OK;
    }
    char *large = mem_alloc(t->bytes + 1);
    len = evtext_text(t, row, large, t->bytes);
    if (len != SIZE_MAX)
        *out = arena_copy(a, slice_of(large, len));
    mem_free(large);
    return len == SIZE_MAX ? corrupt(x, EVCOL_BODY, err) : ST_OK;
}

static bool get_parents(struct evread *x, struct reader *r, const uint8_t *spans, uint8_t *v)
{
    int64_t *codes = arena_array(x->arena, int64_t, x->n + 1);
    if (!evcol_get_ints(r, codes, x->n))
        return false;
    for (size_t i = 0; i < x->n; i++) {
        if (codes[i] < EVENCODE_PARENT_NONE)
            return false;
        if (codes[i] == EVENCODE_PARENT_NONE)
            continue;
        if (codes[i] == EVENCODE_PARENT_ELSEWHERE) {
            struct slice raw = read_bytes(r, 8);
            if (r->bad)
                return false;
            memcpy(v + i * 8, raw.ptr, 8);
            continue;
        }
        uint64_t code = (uint64_t)codes[i] - EVENCODE_PARENT_ROWS;
        uint64_t back = code >> 1 ^ -(code & 1), parent = i - back; /* a step too far wraps to a place that is not there */
        if (parent >= x->n)
            return false;
        memcpy(v + i * 8, spans + parent * 8, 8);
    }
    return true;
}

enum status evread_ids(struct evread *x, enum evdir_column column, const uint8_t **out, struct err *err)
{
    *out = x->ids[column];
    if (*out)
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    const uint8_t *spans = NULL;
    size_t width = column == EVCOL_TRACE_ID ? 16 : 8;
    enum status st = open_column(x, column, &place, &r, err);
    if (st == ST_OK && column == EVCOL_PARENT_ID && place)
        st = evread_ids(x, EVCOL_SPAN_ID, &spans, err);
    if (st)
        return st;
    uint8_t *v = arena_zalloc(x->arena, (x->n + 1) * width);
    if (place && !(spans ? get_parents(x, &r, spans, v) : evcol_get_fixed(&r, v, width, x->n)))
        return corrupt(x, column, err);
    *out = x->ids[column] = v;
    return ST_OK;
}

/* ---- fields ---- */

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
    enum status st = open_column(x, EVCOL_SHAPE, &place, &r, err);
    if (st)
        return st;
    struct evread_shapes *s = arena_new_of(x->arena, struct evread_shapes);
    if (place == NULL)
        *s = (struct evread_shapes){ 1, none, none, none, arena_zalloc(x->arena, (x->n + 1) * sizeof(uint32_t)) };
    else if (!get_shapes(x, &r, s))
        return corrupt(x, EVCOL_SHAPE, err);
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
    enum status st = open_column(x, EVCOL_FIELD_FIRST + number, &place, &r, err);
    if (st == ST_OK && place)
        st = evread_shapes(x, &s, err);
    if (st || place == NULL)
        return st;
    struct evread_values *v = arena_new_of(x->arena, struct evread_values);
    size_t n = place->values;
    v->type = x->d->fields[number].type;
    if (!order_of(x, s, number + 1, n, &v->order))
        return corrupt(x, place->column, err);
    bool ok;
    if (v->type == FIELD_INT || v->type == FIELD_BOOL) {
        int64_t *ints = arena_array(x->arena, int64_t, n + 1);
        ok = evcol_get_ints(&r, ints, n);
        v->ints = ints;
    } else if (v->type == FIELD_DOUBLE) {
        double *doubles = arena_array(x->arena, double, n + 1);
        ok = evcol_get_doubles(&r, doubles, n);
        v->doubles = doubles;
    } else if (x->rows) {
        size_t count;
        const uint32_t *wanted = wanted_values(x, s, number + 1, v->order, &count);
        ok = evcol_get_some_texts(&r, &v->texts, n, wanted, count, x->arena);
    } else {
        ok = evcol_get_texts(&r, &v->texts, n, NULL, x->arena);
    }
    if (!ok)
        return corrupt(x, place->column, err);
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
        enum status st = open_column(x, EVCOL_CELLS, &place, &r, err);
        if (st == ST_OK)
            st = evread_shapes(x, &s, err);
        if (st)
            return st;
        uint64_t n = place ? read_varint(&r) : 0;
        if (n > EVCOL_VALUES_MAX)
            return corrupt(x, EVCOL_CELLS, err);
        struct field *list = arena_array(x->arena, struct field, n + 1);
        const uint32_t *at;
        if ((place && !evcol_get_cells(&r, list, n, x->arena)) || !order_of(x, s, 0, n, &at))
            return corrupt(x, EVCOL_CELLS, err);
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

enum status evread_filter(struct evread *x, struct slice *out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    enum status st = open_column(x, EVCOL_FILTER, &place, &r, err);
    *out = st == ST_OK && place ? slice_of(r.at, reader_left(&r)) : SLICE_EMPTY;
    return st;
}

/* ---- lists ---- */

static const uint32_t *get_firsts(struct evread *x, struct reader *r, size_t n, size_t *total)
{
    int64_t *counts = arena_array(x->arena, int64_t, n + 1);
    uint32_t *firsts = arena_array(x->arena, uint32_t, n + 1);
    if (!evcol_get_ints(r, counts, n))
        return NULL;
    uint64_t at = 0;
    for (size_t i = 0; i < n; i++) {
        firsts[i] = (uint32_t)at;
        if (counts[i] < 0 || counts[i] > EVCOL_VALUES_MAX)
            return NULL;
        at += (uint64_t)counts[i];
        if (at > EVCOL_VALUES_MAX)
            return NULL;
    }
    firsts[n] = (uint32_t)at;
    *total = (size_t)at;
    return firsts;
}

static struct field *get_fields(struct evread *x, struct reader *r, size_t n, const uint32_t **firsts)
{
    size_t total;
    *firsts = get_firsts(x, r, n, &total);
    if (*firsts == NULL)
        return NULL;
    struct field *fields = arena_array(x->arena, struct field, total + 1);
    return evcol_get_cells(r, fields, total, x->arena) ? fields : NULL;
}

static bool get_events(struct evread *x, struct reader *r, const int64_t *times, struct spans *out)
{
    size_t total;
    const uint32_t *firsts, *field_firsts;
    struct evcol_strings names;
    out->event_first = firsts = get_firsts(x, r, x->n, &total);
    if (firsts == NULL)
        return false;
    int64_t *offsets = arena_array(x->arena, int64_t, total + 1);
    if (!evcol_get_ints(r, offsets, total) || !evcol_get_strings(r, &names, total, x->arena))
        return false;
    struct field *fields = get_fields(x, r, total, &field_firsts);
    if (fields == NULL)
        return false;
    out->events = arena_array(x->arena, struct span_event, total + 1);
    for (size_t row = 0; row < x->n; row++)
        for (size_t i = firsts[row]; i < firsts[row + 1]; i++)
            out->events[i] = (struct span_event){ (int64_t)((uint64_t)offsets[i] + (uint64_t)times[row]), evcol_string(&names, i),
                                                  fields + field_firsts[i], field_firsts[i + 1] - field_firsts[i] };
    return true;
}

static bool get_links(struct evread *x, struct reader *r, struct spans *out)
{
    size_t total;
    const uint32_t *field_firsts;
    struct evcol_strings states;
    out->link_first = get_firsts(x, r, x->n, &total);
    if (out->link_first == NULL)
        return false;
    uint8_t *traces = arena_alloc(x->arena, total * 16 + 16), *spans = arena_alloc(x->arena, total * 8 + 8);
    if (!evcol_get_fixed(r, traces, 16, total) || !evcol_get_fixed(r, spans, 8, total) ||
        !evcol_get_strings(r, &states, total, x->arena))
        return false;
    struct field *fields = get_fields(x, r, total, &field_firsts);
    if (fields == NULL)
        return false;
    out->links = arena_array(x->arena, struct span_link, total + 1);
    for (size_t i = 0; i < total; i++) {
        struct span_link *link = &out->links[i];
        *link = (struct span_link){ .trace_state = evcol_string(&states, i), .fields = fields + field_firsts[i] };
        link->field_count = field_firsts[i + 1] - field_firsts[i];
        memcpy(link->trace_id, traces + i * 16, 16);
        memcpy(link->span_id, spans + i * 8, 8);
    }
    return true;
}

static enum status load_spans(struct evread *x, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    const int64_t *times;
    if (x->spans)
        return ST_OK;
    struct spans *s = arena_new_of(x->arena, struct spans);
    enum status st = evread_ints(x, EVCOL_TIME, &times, err);
    if (st == ST_OK)
        st = open_column(x, EVCOL_EVENTS, &place, &r, err);
    if (st)
        return st;
    if (place && !get_events(x, &r, times, s))
        return corrupt(x, EVCOL_EVENTS, err);
    st = open_column(x, EVCOL_LINKS, &place, &r, err);
    if (st)
        return st;
    if (place && !get_links(x, &r, s))
        return corrupt(x, EVCOL_LINKS, err);
    x->spans = s;
    return ST_OK;
}

static enum status load_observed(struct evread *x, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    const int64_t *times;
    if (x->observed)
        return ST_OK;
    enum status st = evread_ints(x, EVCOL_TIME, &times, err);
    if (st == ST_OK)
        st = open_column(x, EVCOL_OBSERVED, &place, &r, err);
    if (st)
        return st;
    int64_t *v = arena_zalloc(x->arena, (x->n + 1) * sizeof *v);
    unsigned mode = place ? read_u8(&r) : EVENCODE_OBSERVED_ABSOLUTE;
    if (mode == EVENCODE_OBSERVED_BY_LSN) {
        const int64_t *lsn;
        st = evread_ints(x, EVCOL_LSN, &lsn, err);
        if (st)
            return st;
        size_t *places, count = evencode_lsn_places(lsn, x->n, x->arena, &places);
        int64_t *of_lsn = arena_array(x->arena, int64_t, count + 1);
        if (!evcol_get_ints(&r, of_lsn, count))
            return corrupt(x, EVCOL_OBSERVED, err);
        for (size_t i = 0; i < x->n; i++)
            v[i] = of_lsn[places[i]];
    } else if (mode > EVENCODE_OBSERVED_BY_LSN || (place && !evcol_get_ints(&r, v, x->n))) {
        return corrupt(x, EVCOL_OBSERVED, err);
    }
    for (size_t i = 0; mode == EVENCODE_OBSERVED_RELATIVE && i < x->n; i++)
        v[i] = (int64_t)((uint64_t)v[i] + (uint64_t)times[i]);
    x->observed = v;
    return ST_OK;
}

/* ---- rows ---- */

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

static enum status load_fields(struct evread *x, struct err *err)
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
            st = corrupt(x, EVCOL_FIELD_FIRST + s->elements[i] - 1, err);
    }
    return st;
}

enum status evread_load(struct evread *x, unsigned want, struct err *err)
{
    static const enum evdir_column always[] = { EVCOL_TIME, EVCOL_SEVERITY, EVCOL_SERVICE, EVCOL_STREAM, EVCOL_WEIGHT,
                                                EVCOL_DURATION, EVCOL_SPAN_KIND, EVCOL_SPAN_STATUS };
    static const enum evdir_column ids[] = { EVCOL_TRACE_ID, EVCOL_SPAN_ID, EVCOL_PARENT_ID };
    const int64_t *ints;
    const uint64_t *seqs;
    const uint8_t *bytes;
    const struct evcol_strings *strings;
    enum status st = evread_seqs(x, &seqs, err);
    for (size_t i = 0; st == ST_OK && i < COUNT_OF(always); i++)
        st = evread_ints(x, always[i], &ints, err);
    if (st == ST_OK)
        st = load_observed(x, err);
    for (size_t i = 0; st == ST_OK && want & WANT_IDS && i < COUNT_OF(ids); i++)
        st = evread_ids(x, ids[i], &bytes, err);
    if (st == ST_OK && want & WANT_BODY)
        st = evread_strings(x, EVCOL_BODY, &strings, err);
    if (st == ST_OK && want & WANT_FIELDS)
        st = load_fields(x, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = load_spans(x, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = evread_strings(x, EVCOL_TRACE_STATE, &strings, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = evread_strings(x, EVCOL_STATUS_MESSAGE, &strings, err);
    return st;
}

static void fill_fields(struct evread *x, size_t row, struct arena *a, struct event *e)
{
    const struct evread_shapes *s = x->wanted;
    uint32_t from = s->starts[s->of_row[row]], to = s->starts[s->of_row[row] + 1];
    if (from == to)
        return;
    e->field_count = to - from;
    e->fields = arena_array(a, struct field, e->field_count);
    for (uint32_t i = from; i < to; i++) {
        uint32_t element = s->elements[i];
        if (element == 0)
            e->fields[i - from] = x->cells[(x->cell_order ? x->cell_order[row] : row) + s->nth[i]];
        else
            e->fields[i - from] = evread_value(x->values[element - 1], &x->d->fields[element - 1], row, s->nth[i]);
    }
}

static void fill_spans(struct evread *x, size_t row, struct event *e)
{
    const struct spans *s = x->spans;
    e->trace_state = evcol_string(x->strings[EVCOL_TRACE_STATE], row);
    e->status_message = evcol_string(x->strings[EVCOL_STATUS_MESSAGE], row);
    if (s->event_first && s->event_first[row + 1] > s->event_first[row]) {
        e->events = s->events + s->event_first[row];
        e->event_count = s->event_first[row + 1] - s->event_first[row];
    }
    if (s->link_first && s->link_first[row + 1] > s->link_first[row]) {
        e->links = s->links + s->link_first[row];
        e->link_count = s->link_first[row + 1] - s->link_first[row];
    }
}

void evread_row(struct evread *x, size_t row, unsigned want, struct arena *a, struct event *e)
{
    *e = (struct event){ .kind = x->b->kind, .class = part_info(x->p)->class, .stream = SLICE_EMPTY, .body = SLICE_EMPTY,
                         .trace_state = SLICE_EMPTY, .status_message = SLICE_EMPTY };
    e->time_ns = x->ints[EVCOL_TIME][row];
    e->seq = x->seqs[row];
    e->observed_ns = x->observed[row];
    e->severity = (uint8_t)x->ints[EVCOL_SEVERITY][row];
    e->duration_ns = x->ints[EVCOL_DURATION][row];
    e->span_kind = (uint8_t)x->ints[EVCOL_SPAN_KIND][row];
    e->span_status = (uint8_t)x->ints[EVCOL_SPAN_STATUS][row];
    uint32_t weight = (uint32_t)x->ints[EVCOL_WEIGHT][row];
    memcpy(&e->weight, &weight, sizeof weight);
    e->service = x->d->services[x->b->services[x->ints[EVCOL_SERVICE][row]]];
    if (want & WANT_STREAM)
        e->stream = x->d->streams[x->b->streams[x->ints[EVCOL_STREAM][row]]];
    if (want & WANT_BODY)
        e->body = evcol_string(x->strings[EVCOL_BODY], row);
    if (want & WANT_IDS) {
        memcpy(e->trace_id, x->ids[EVCOL_TRACE_ID] + row * 16, 16);
        memcpy(e->span_id, x->ids[EVCOL_SPAN_ID] + row * 8, 8);
        memcpy(e->parent_id, x->ids[EVCOL_PARENT_ID] + row * 8, 8);
    }
    if (want & WANT_FIELDS)
        fill_fields(x, row, a, e);
    if (want & WANT_SPAN)
        fill_spans(x, row, e);
}
