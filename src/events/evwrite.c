/* SPDX-License-Identifier: Apache-2.0 */
/* Rows gather until a block is full (rows, raw bytes) or the next row has another tenant or kind. Then every column is
 * encoded by itself. Where the bytes of a column go:
 *
 *     head frame    what every search reads (time, seq, severity, stream, service, weight) and small fixed columns
 *     tail frame    small columns of fields
 *     own frame     columns of 2 KiB and more, and the filter
 *
 * so that a query reads few frames and little of what it does not need.
 *
 * Fields: each (scope, name, type) is a column, numbered in the part in order of appearance, up to EVDIR_FIELDS_MAX; what
 * comes later goes to the cells. A row's list of fields in its order is a shape; equal shapes are kept once a block. */
#include "events/evwrite.h"

#include <stdlib.h>

#include "base/map.h"
#include "events/evdict.h"
#include "events/evencode.h"
#include "events/evfilter.h"
#include "events/evmem.h"
#include "events/evread.h"
#include "events/evtrace.h"

enum {
    OWN_FRAME_BYTES_MIN = 2 * KIB,
    NAME_CACHE = 1024,
    NAME_CACHE_LOOKS = 4,
    NAME_CACHE_SHIFT = 40,
    KNOWN_TEXTS = 256,
    KNOWN_SHAPES = 256,
    AHEAD = 3, CACHE_LINE_BYTES = 64,
    PROBE_ROWS = 512, /* tell how many rows make a block full */
    NO_NUMBER = UINT32_MAX,
    FIELD_COST_BYTES = 8, /* what a field counts toward a block's size beside its text */
};

struct values { /* of one field in the block being made */
    uint32_t count, cap;
    struct slice *texts;
    int64_t *numbers;
    struct evdict dict; /* of texts, once they are all there */
};

struct name_cache {
    const char *ptr;
    size_t len;
    uint32_t number;
    uint8_t scope, type;
};

struct retired {
    void (*free_fn)(void *);
    void *arg;
};

struct evwrite {
    struct part_writer *w;
    struct arena *part, *block; /* lifetimes */
    struct evdir dir;
    size_t tenant_cap, stream_cap, service_cap, block_cap;
    struct map tenants, streams, services, fields;
    struct evtrace_pair *traces;
    size_t trace_count, trace_cap;
    uint64_t rows_total;

    const struct event **rows;
    size_t n, raw_bytes, rows_max; /* rows_max: of this block */
    size_t expected;               /* rows from this block on; 0: not known */
    struct slice tenant; /* of rows waiting; in part */
    struct retired *retired;
    size_t retired_count, retired_cap;

    struct values *values; /* by number of the field */
    struct name_cache names[NAME_CACHE];
    struct evfilter_set filter;
    struct evtext_writer *texts;
    struct buf head, tail, own;
};

struct evwrite *evwrite_new(struct part_writer *w)
{
    struct evwrite *x = mem_new(struct evwrite);
    x->w = w;
    x->rows_max = EVDIR_BLOCK_ROWS_MAX;
    x->part = x->dir.arena = arena_new(0);
    x->block = arena_new(0);
    x->rows = mem_alloc(EVDIR_BLOCK_ROWS_MAX * sizeof *x->rows);
    x->values = mem_alloc(EVDIR_FIELDS_MAX * sizeof *x->values);
    x->dir.fields = arena_array(x->part, struct evdir_field, EVDIR_FIELDS_MAX);
    map_init(&x->tenants);
    map_init(&x->streams);
    map_init(&x->services);
    map_init(&x->fields);
    evfilter_init(&x->filter);
    x->texts = evtext_writer_new();
    buf_init(&x->head, PART_BLOCK_BYTES_MAX);
    buf_init(&x->tail, PART_BLOCK_BYTES_MAX);
    buf_init(&x->own, PART_BLOCK_BYTES_MAX);
    return x;
}

static void free_retired(struct evwrite *x)
{
    for (size_t i = 0; i < x->retired_count; i++)
        x->retired[i].free_fn(x->retired[i].arg);
    x->retired_count = 0;
}

void evwrite_free(struct evwrite *x)
{
    if (x == NULL)
        return;
    free_retired(x);
    mem_free(x->retired);
    map_free(&x->tenants);
    map_free(&x->streams);
    map_free(&x->services);
    map_free(&x->fields);
    evfilter_free(&x->filter);
    evtext_writer_free(x->texts);
    buf_free(&x->head);
    buf_free(&x->tail);
    buf_free(&x->own);
    mem_free(x->traces);
    mem_free(x->values);
    mem_free(x->rows);
    arena_free(x->block);
    arena_free(x->part);
    mem_free(x);
}

void evwrite_retire(struct evwrite *x, void (*free_fn)(void *), void *arg)
{
    if (x->n == 0) {
        free_fn(arg);
        return;
    }
    if (x->retired_count == x->retired_cap) {
        x->retired_cap = x->retired_cap ? x->retired_cap * 2 : 16;
        x->retired = mem_realloc(x->retired, x->retired_cap * sizeof *x->retired);
    }
    x->retired[x->retired_count++] = (struct retired){ free_fn, arg };
}

uint64_t evwrite_rows(const struct evwrite *x)
{
    return x->rows_total;
}

/* ---- dictionaries ---- */

static uint32_t number_of(struct evwrite *x, struct map *m, struct slice **list, size_t *count, size_t *cap, struct slice s)
{
    uint64_t *at = map_get(m, s);
    if (at)
        return (uint32_t)*at;
    struct slice kept = s.len ? arena_copy(x->part, s) : SLICE_EMPTY;
    bool added;
    *map_put(m, kept, &added) = *count;
    ARENA_PUSH(x->part, *list, *count, *cap) = kept;
    return (uint32_t)*count - 1;
}

static uint32_t field_number_slow(struct evwrite *x, const struct field *f)
{
    char *key = arena_alloc(x->block, f->name.len + 2);
    key[0] = (char)f->scope;
    key[1] = (char)f->type;
    if (f->name.len)
        memcpy(key + 2, f->name.ptr, f->name.len);
    struct slice s = slice_of(key, f->name.len + 2);
    uint64_t *at = map_get(&x->fields, s);
    if (at)
        return (uint32_t)*at;
    if (x->dir.field_count == EVDIR_FIELDS_MAX)
        return NO_NUMBER;
    bool added;
    struct slice kept = arena_copy(x->part, s);
    *map_put(&x->fields, kept, &added) = x->dir.field_count;
    x->values[x->dir.field_count] = (struct values){ 0 };
    x->dir.fields[x->dir.field_count] = (struct evdir_field){ f->scope, f->type, slice_skip(kept, 2) };
    return (uint32_t)x->dir.field_count++;
}

/* Within a block equal pointers mean equal names, which saves hashing most of them. */
static uint32_t field_number(struct evwrite *x, const struct field *f)
{
    size_t at = (((uintptr_t)f->name.ptr + f->name.len * 8 + f->type) * 0x9e3779b97f4a7c15ull >> NAME_CACHE_SHIFT) % NAME_CACHE;
    struct name_cache *c = &x->names[at];
    for (size_t i = 0; i < NAME_CACHE_LOOKS; i++) {
        c = &x->names[(at + i) % NAME_CACHE];
        if (c->ptr == f->name.ptr && c->len == f->name.len && c->type == f->type && c->scope == f->scope && f->name.len)
            return c->number;
        if (c->ptr == NULL)
            break;
    }
    *c = (struct name_cache){ f->name.ptr, f->name.len, field_number_slow(x, f), f->scope, f->type };
    return c->number;
}

/* ---- one block ---- */

struct making {
    struct evwrite *x;
    struct evdir_block *b;
    struct evencode e;
    size_t frame_cap, place_cap;
    uint32_t *elements, *starts;
    const struct field **cells;
    size_t element_count, element_cap, start_cap, cell_cap;
    struct err *err;
    enum status st;
};

/* Numbers of this block's own for numbers of the part: what the directory lists, in order of appearance. */
static int64_t *local_numbers(struct making *k, bool is_stream, uint32_t **list, uint32_t *list_count)
{
    struct evwrite *x = k->x;
    size_t cap = 0, count = 0;
    int64_t *v = arena_array(x->block, int64_t, x->n);
    struct map local;
    struct known { /* by address: equal texts mostly lie at one */
        struct slice text;
        int64_t id;
    } known[KNOWN_TEXTS] = { 0 };
    map_init(&local);
    for (size_t i = 0; i < x->n; i++) {
        struct slice s = is_stream ? x->rows[i]->stream : x->rows[i]->service;
        struct known *at = &known[((uintptr_t)s.ptr >> 4 ^ (uintptr_t)s.ptr >> 12) % KNOWN_TEXTS];
        if (s.len && at->text.ptr == s.ptr && at->text.len == s.len) {
            v[i] = at->id;
            continue;
        }
        bool added;
        uint64_t *id = map_put(&local, s, &added);
        if (added) {
            *id = count;
            uint32_t number = is_stream ? number_of(x, &x->streams, &x->dir.streams, &x->dir.stream_count, &x->stream_cap, s)
                                        : number_of(x, &x->services, &x->dir.services, &x->dir.service_count, &x->service_cap, s);
            ARENA_PUSH(x->part, *list, count, cap) = number;
        }
        v[i] = (int64_t)*id;
        *at = (struct known){ s, v[i] };
    }
    map_free(&local);
    *list_count = (uint32_t)count;
    return v;
}

static void push_value(struct evwrite *x, struct values *v, const struct field *f)
{
    bool is_text = f->type == FIELD_STRING || f->type == FIELD_BYTES || f->type == FIELD_JSON;
    if (v->count == v->cap) {
        uint32_t cap = v->cap ? v->cap * 2 : 64;
        if (is_text)
            v->texts = arena_grow(x->block, v->texts, v->cap * sizeof *v->texts, cap * sizeof *v->texts);
        else
            v->numbers = arena_grow(x->block, v->numbers, v->cap * sizeof *v->numbers, cap * sizeof *v->numbers);
        v->cap = cap;
    }
    if (is_text)
        v->texts[v->count++] = f->text;
    else
        v->numbers[v->count++] = f->i;
}

/* Numbers of the row's fields, one more than in the part and 0 for a field without a column; its values go to their columns. */
static uint32_t *gather_row(struct making *k, const struct event *row, uint64_t *hash)
{
    struct evwrite *x = k->x;
    uint32_t *elements = arena_array(x->block, uint32_t, row->field_count + 1);
    *hash = row->field_count;
    for (uint32_t f = 0; f < row->field_count; f++) {
        uint32_t number = field_number(x, &row->fields[f]);
        elements[f] = number == NO_NUMBER ? 0 : number + 1;
        *hash = (*hash ^ elements[f]) * 0x9e3779b97f4a7c15ull;
        if (number == NO_NUMBER)
            ARENA_PUSH(x->block, k->cells, k->e.cell_count, k->cell_cap) = &row->fields[f];
        else
            push_value(x, &x->values[number], &row->fields[f]);
    }
    return elements;
}

/* Asks for what will be looked at soon: a block's fields do not fit the processor's caches. */
static void fetch_fields(const struct event *row)
{
    for (size_t at = 0; at < row->field_count * sizeof *row->fields; at += CACHE_LINE_BYTES)
        __builtin_prefetch((const char *)row->fields + at);
}

static void gather_fields(struct making *k)
{
    struct evwrite *x = k->x;
    struct known { /* of the rows before */
        const uint32_t *elements;
        uint32_t count;
        int64_t id;
    } known[KNOWN_SHAPES] = { 0 };
    struct map shapes;
    map_init(&shapes);
    int64_t *ids = arena_array(x->block, int64_t, x->n);
    for (size_t i = 0; i < x->n; i++) {
        const struct event *row = x->rows[i];
        uint64_t hash;
        if (i + AHEAD < x->n)
            fetch_fields(x->rows[i + AHEAD]);
        uint32_t *elements = gather_row(k, row, &hash);
        struct known *at = &known[hash >> 32 & (KNOWN_SHAPES - 1)];
        if (at->elements && at->count == row->field_count && memcmp(at->elements, elements, row->field_count * sizeof *elements) == 0) {
            ids[i] = at->id;
            continue;
        }
        bool added;
        uint64_t *id = map_put(&shapes, slice_of(elements, row->field_count * sizeof *elements), &added);
        if (added) {
            *id = k->e.shape_count;
            ARENA_PUSH(x->block, k->starts, k->e.shape_count, k->start_cap) = (uint32_t)k->element_count;
            for (uint32_t f = 0; f < row->field_count; f++)
                ARENA_PUSH(x->block, k->elements, k->element_count, k->element_cap) = elements[f];
        }
        ids[i] = (int64_t)*id;
        *at = (struct known){ elements, row->field_count, ids[i] };
    }
    map_free(&shapes);
    size_t starts = k->e.shape_count;
    ARENA_PUSH(x->block, k->starts, starts, k->start_cap) = (uint32_t)k->element_count;
    k->e.shapes = ids;
    k->e.elements = k->elements;
    k->e.starts = k->starts;
    k->e.cells = k->cells;
}

static uint32_t write_frame(struct making *k, struct buf *raw, enum part_codec codec)
{
    struct block_ref ref = { 0 };
    if (k->st == ST_OK && buf_over(raw))
        k->st = err_set(k->err, ST_INTERNAL, "events: a column of %zu rows is over %d bytes", k->x->n, PART_BLOCK_BYTES_MAX);
    if (k->st == ST_OK)
        k->st = part_write(k->x->w, codec, buf_as_slice(raw), &ref, k->err);
    size_t count = k->b->frame_count;
    ARENA_PUSH(k->x->part, k->b->frames, count, k->frame_cap) = ref;
    k->b->frame_count = (uint32_t)count;
    buf_reset(raw);
    return (uint32_t)count - 1;
}

/* shared: NULL gives the column a frame of its own whatever its size. The shared frame is written later, so that its
 * number is not known yet: 0 stands for the head, 1 for the tail, own ones follow. */
static void place_column(struct making *k, uint32_t column, uint32_t values, struct buf *shared, bool is_head)
{
    struct buf *own = &k->x->own;
    struct evdir_place p = { .column = column, .length = (uint32_t)own->len, .values = values };
    if (shared && (is_head || own->len < OWN_FRAME_BYTES_MIN)) {
        p.frame = shared == &k->x->tail;
        p.offset = (uint32_t)shared->len;
        buf_slice(shared, buf_as_slice(own));
        buf_reset(own);
    } else {
        bool is_packed = own->len && own->ptr[0] == EVCOL_STRING_TEXTS && (column == EVCOL_BODY || column >= EVCOL_FIELD_FIRST);
        p.frame = write_frame(k, own, is_packed ? CODEC_RAW : CODEC_ZSTD);
    }
    size_t count = k->b->place_count;
    ARENA_PUSH(k->x->part, k->b->places, count, k->place_cap) = p;
    k->b->place_count = (uint32_t)count;
}

static bool column_is_head(enum evdir_column c)
{
    return c == EVCOL_TIME || c == EVCOL_LSN || c == EVCOL_ROW || c == EVCOL_SEVERITY || c == EVCOL_STREAM || c == EVCOL_SERVICE ||
           c == EVCOL_WEIGHT || c == EVCOL_ROW_NEXT || c == EVCOL_STREAM_SERVICE;
}

static void place_column_of(struct making *k, enum evdir_column c)
{
    if (evencode_column(&k->e, c, &k->x->own))
        place_column(k, c, 0, &k->x->head, column_is_head(c));
}

/* The words of bodies go to the filter on the way. */
static void place_fixed(struct making *k)
{
    for (enum evdir_column c = EVCOL_TIME; c <= EVCOL_LINKS; c++)
        place_column_of(k, c);
}

/* Equal values are told the filter once where there is a dictionary; else neighbours are. */
static void filter_values(struct evwrite *x, struct slice name, const struct values *v)
{
    const struct slice *list = v->dict.is_worth ? v->dict.values : v->texts;
    size_t n = v->dict.is_worth ? v->dict.count : v->count;
    uint64_t seed = evfilter_name_seed(name);
    for (size_t i = 0; i < n; i++)
        if (i == 0 || !slice_eq(list[i], list[i - 1]))
            evfilter_add_value(&x->filter, seed, list[i]);
}

static void filter_children(struct evwrite *x)
{
    uint64_t names = evfilter_name_seed(EVENT_CHILD_NAME);
    for (size_t r = 0; r < x->n; r++) {
        const struct event *e = x->rows[r];
        for (uint32_t i = 0; i < e->event_count; i++) {
            evfilter_add_value(&x->filter, names, e->events[i].name);
            for (uint32_t f = 0; f < e->events[i].field_count; f++)
                evfilter_add_child(&x->filter, &e->events[i].fields[f], x->block);
        }
        for (uint32_t i = 0; i < e->link_count; i++)
            for (uint32_t f = 0; f < e->links[i].field_count; f++)
                evfilter_add_child(&x->filter, &e->links[i].fields[f], x->block);
    }
}

static void place_filter(struct making *k)
{
    struct evwrite *x = k->x;
    filter_children(x);
    for (size_t f = 0; f < x->dir.field_count; f++) {
        struct values *v = &x->values[f];
        if (v->texts)
            evdict_make(&v->dict, v->texts, v->count);
        if (x->dir.fields[f].type == FIELD_STRING)
            filter_values(x, x->dir.fields[f].name, v);
    }
    if (x->filter.count == 0)
        return;
    evfilter_build(&x->filter, &x->own);
    place_column(k, EVCOL_FILTER, 0, NULL, false);
}

static void place_values(struct making *k)
{
    struct evwrite *x = k->x;
    for (uint32_t f = 0; f < x->dir.field_count; f++) {
        struct values *v = &x->values[f];
        if (v->count == 0)
            continue;
        if (v->texts)
            evcol_put_known_texts(&x->own, v->texts, v->count, &v->dict, x->texts);
        else if (x->dir.fields[f].type == FIELD_DOUBLE)
            evcol_put_doubles(&x->own, (const double *)v->numbers, v->count);
        else
            evcol_put_ints(&x->own, v->numbers, v->count);
        place_column(k, EVCOL_FIELD_FIRST + f, v->count, &x->tail, false);
        evdict_free(&v->dict);
        *v = (struct values){ 0 };
    }
}

static void summarise(struct evwrite *x, struct evdir_block *b)
{
    const struct event *first = x->rows[0];
    *b = (struct evdir_block){ .rows = (uint32_t)x->n, .kind = first->kind, .min_ns = first->time_ns, .max_ns = first->time_ns };
    b->tenant = number_of(x, &x->tenants, &x->dir.tenants, &x->dir.tenant_count, &x->tenant_cap, x->tenant);
    b->min_duration_ns = b->max_duration_ns = first->duration_ns;
    b->min_lsn = b->max_lsn = first->seq >> 20;
    for (size_t i = 0; i < x->n; i++) {
        const struct event *r = x->rows[i];
        b->min_ns = MIN(b->min_ns, r->time_ns);
        b->max_ns = MAX(b->max_ns, r->time_ns);
        b->min_duration_ns = MIN(b->min_duration_ns, r->duration_ns);
        b->max_duration_ns = MAX(b->max_duration_ns, r->duration_ns);
        b->min_lsn = MIN(b->min_lsn, r->seq >> 20);
        b->max_lsn = MAX(b->max_lsn, r->seq >> 20);
        b->severities[r->severity < EVDIR_SEVERITIES ? r->severity : 0]++;
    }
}

static void note_trace(struct evwrite *x, const uint8_t id[16], uint32_t block)
{
    if (x->trace_count == x->trace_cap) {
        x->trace_cap = x->trace_cap ? x->trace_cap * 2 : 1024;
        x->traces = mem_realloc(x->traces, x->trace_cap * sizeof *x->traces);
    }
    x->traces[x->trace_count++] = (struct evtrace_pair){ evtrace_hash(id), block };
}

static void note_traces(struct evwrite *x, uint32_t block)
{
    const struct event *last = NULL;
    for (size_t i = 0; i < x->n; i++) {
        const struct event *r = x->rows[i];
        if (!event_has_trace(r) || (last && memcmp(last->trace_id, r->trace_id, sizeof r->trace_id) == 0))
            continue;
        last = r;
        note_trace(x, r->trace_id, block);
    }
}

static enum status write_block(struct evwrite *x, struct err *err)
{
    if (x->n == 0)
        return ST_OK;
    memset(x->names, 0, sizeof x->names);
    note_traces(x, (uint32_t)x->dir.block_count);
    struct evdir_block *b = &ARENA_PUSH(x->part, x->dir.blocks, x->dir.block_count, x->block_cap);
    summarise(x, b);
    struct making k = { .x = x, .b = b, .err = err, .e = { .rows = x->rows, .n = x->n, .arena = x->block, .texts = x->texts, .filter = &x->filter } };
    evencode_begin(&k.e);
    evfilter_clear(&x->filter);
    k.e.streams = local_numbers(&k, true, &b->streams, &b->stream_count);
    k.e.services = local_numbers(&k, false, &b->services, &b->service_count);
    gather_fields(&k);
    b->has_cells = k.e.cell_count != 0;
    size_t reserved = b->frame_count; /* 0 head, 1 tail; filled in below */
    for (; reserved < 2; reserved++) {
        size_t count = b->frame_count;
        ARENA_PUSH(x->part, b->frames, count, k.frame_cap) = (struct block_ref){ 0 };
        b->frame_count = (uint32_t)count;
    }
    place_fixed(&k);
    place_filter(&k);
    place_column_of(&k, EVCOL_ROW_NEXT);
    place_column_of(&k, EVCOL_STREAM_SERVICE);
    place_values(&k);
    struct buf *shared[2] = { &x->head, &x->tail };
    for (int i = 0; i < 2 && shared[i]->len; i++) {
        uint32_t last = write_frame(&k, shared[i], CODEC_ZSTD);
        b->frames[i] = b->frames[last];
        b->frame_count--;
    }
    part_writer_rows(x->w, x->n, b->min_ns, b->max_ns, b->min_lsn, b->max_lsn);
    x->rows_total += x->n;
    x->expected -= MIN(x->expected, x->n);
    x->n = x->raw_bytes = 0;
    x->rows_max = EVDIR_BLOCK_ROWS_MAX;
    arena_reset(x->block);
    free_retired(x);
    return k.st;
}

/* ---- rows in ---- */

static size_t raw_bytes_of(const struct event *e)
{
    size_t bytes = e->body.len + e->status_message.len + e->trace_state.len + 64;
    for (uint32_t i = 0; i < e->field_count; i++)
        bytes += e->fields[i].text.len + FIELD_COST_BYTES;
    for (uint32_t i = 0; i < e->event_count; i++) {
        bytes += e->events[i].name.len + FIELD_COST_BYTES;
        for (uint32_t f = 0; f < e->events[i].field_count; f++)
            bytes += e->events[i].fields[f].text.len + FIELD_COST_BYTES;
    }
    return bytes + (size_t)e->link_count * sizeof(struct span_link);
}

/* A block's share of the rows to come, so that the last one is no small rest. */
static size_t even_rows(const struct evwrite *x)
{
    size_t full = MIN((size_t)EVDIR_BLOCK_ROWS_MAX, EVDIR_BLOCK_BYTES_MAX / (x->raw_bytes / x->n));
    size_t blocks = (x->expected + full - 1) / MAX(full, (size_t)1);
    return MIN((size_t)EVDIR_BLOCK_ROWS_MAX, x->expected / MAX(blocks, (size_t)1) + 1);
}

enum status evwrite_add(struct evwrite *x, struct slice tenant, const struct event *row, struct err *err)
{
    bool is_other = x->n && (row->kind != x->rows[0]->kind || !slice_eq(tenant, x->tenant));
    if (is_other || x->n >= x->rows_max || x->raw_bytes >= EVDIR_BLOCK_BYTES_MAX) {
        enum status st = write_block(x, err);
        if (st)
            return st;
    }
    if (x->n == 0 && !slice_eq(tenant, x->tenant))
        x->tenant = arena_copy(x->part, tenant);
    x->rows[x->n++] = row;
    x->raw_bytes += raw_bytes_of(row);
    if (x->n == PROBE_ROWS && x->expected > PROBE_ROWS)
        x->rows_max = even_rows(x);
    return ST_OK;
}

enum status evwrite_expect(struct evwrite *x, size_t rows, struct err *err)
{
    enum status st = write_block(x, err);
    x->expected = rows;
    return st;
}

/* ---- blocks as they are ---- */

static uint32_t *copied_numbers(struct evwrite *x, struct map *m, struct slice **list, size_t *count, size_t *cap, const struct slice *names,
                                const uint32_t *from, uint32_t n)
{
    uint32_t *to = arena_array(x->part, uint32_t, n + 1);
    for (uint32_t i = 0; i < n; i++)
        to[i] = number_of(x, m, list, count, cap, names[from[i]]);
    return to;
}

static int by_column(const void *a, const void *b)
{
    uint32_t x = ((const struct evdir_place *)a)->column, y = ((const struct evdir_place *)b)->column;
    return (x > y) - (x < y);
}

/* Places by the numbers that fields have here; numbers[i]: of field i there. False: there is no room for a field. */
static bool copy_places(struct evwrite *x, const struct evdir *d, struct evdir_block *b, const struct evdir_block *from, uint32_t *numbers)
{
    b->places = arena_array(x->part, struct evdir_place, from->place_count + 1);
    for (uint32_t i = 0; i < from->place_count; i++) {
        b->places[i] = from->places[i];
        uint32_t column = from->places[i].column;
        if (column < EVCOL_FIELD_FIRST)
            continue;
        const struct evdir_field *f = &d->fields[column - EVCOL_FIELD_FIRST];
        uint32_t number = field_number_slow(x, &(struct field){ .scope = f->scope, .type = f->type, .name = f->name, .text = SLICE_EMPTY });
        if (number == NO_NUMBER)
            return false;
        numbers[column - EVCOL_FIELD_FIRST] = number;
        b->places[i].column = EVCOL_FIELD_FIRST + number;
    }
    qsort(b->places, b->place_count, sizeof *b->places, by_column);
    return true;
}

/* The column of shapes, which names fields by their numbers. False: it does not parse. */
static bool put_renumbered(struct buf *out, struct slice shapes, const uint32_t *numbers, size_t field_count)
{
    struct reader r = reader_of(shapes);
    uint64_t count = read_varint(&r);
    buf_varint(out, count);
    for (uint64_t s = 0; s < count && !r.bad; s++) {
        uint64_t n = read_varint(&r);
        buf_varint(out, n);
        for (; n > 0 && !r.bad; n--) {
            uint64_t element = read_varint(&r);
            r.bad |= element > field_count;
            buf_varint(out, element && !r.bad ? numbers[element - 1] + 1 : 0);
        }
    }
    if (!r.bad)
        buf_slice(out, read_bytes(&r, reader_left(&r)));
    return !r.bad;
}

static bool is_packed_frame(const struct evdir_block *b, uint32_t frame, struct slice bytes)
{
    for (uint32_t i = 0; i < b->place_count; i++) {
        const struct evdir_place *p = &b->places[i];
        if (p->frame == frame && p->length == bytes.len && bytes.len && bytes.ptr[0] == EVCOL_STRING_TEXTS)
            return p->column == EVCOL_BODY || p->column >= EVCOL_FIELD_FIRST;
    }
    return false;
}

static enum status copy_frame(struct evwrite *x, const struct part *p, const struct evdir *d, struct evdir_block *b, uint32_t frame,
                              const uint32_t *numbers, struct err *err)
{
    struct block *block;
    enum status st = part_read_once(p, b->frames[frame], &block, err);
    if (st)
        return st;
    struct slice bytes = block->bytes;
    const struct evdir_place *shape = evdir_place_of(b, EVCOL_SHAPE);
    if (shape && shape->frame == frame) {
        struct evdir_place was = *shape;
        bool is_good = (uint64_t)was.offset + was.length <= bytes.len;
        buf_slice(&x->own, slice_sub(bytes, 0, MIN((size_t)was.offset, bytes.len)));
        is_good = is_good && put_renumbered(&x->own, slice_sub(bytes, was.offset, (size_t)was.offset + was.length), numbers, d->field_count);
        uint32_t length = (uint32_t)(x->own.len - was.offset);
        for (uint32_t i = 0; i < b->place_count && is_good; i++) {
            struct evdir_place *other = &b->places[i];
            if (other->frame == frame && other->offset > was.offset)
                other->offset += length - was.length;
            if (other->column == EVCOL_SHAPE)
                other->length = length;
        }
        if (is_good)
            buf_slice(&x->own, slice_skip(bytes, (size_t)was.offset + was.length));
        else
            st = err_set(err, ST_CORRUPT, "part %016llx: the shapes of rows at %llu do not parse", (unsigned long long)part_info(p)->id,
                         (unsigned long long)b->frames[frame].offset);
        bytes = buf_as_slice(&x->own);
    }
    if (st == ST_OK)
        st = part_write(x->w, is_packed_frame(b, frame, bytes) ? CODEC_RAW : CODEC_ZSTD, bytes, &b->frames[frame], err);
    buf_reset(&x->own);
    block_drop(block);
    return st;
}

static enum status copy_traces(struct evwrite *x, const struct part *p, const struct evdir *d, const struct evdir_block *from, struct err *err)
{
    const uint8_t *ids;
    struct evread *r = evread_new(p, d, from, NULL);
    enum status st = evread_ids(r, EVCOL_TRACE_ID, &ids, err);
    static const uint8_t none[16];
    for (size_t i = 0; st == ST_OK && i < from->rows; i++)
        if (memcmp(ids + 16 * i, i ? ids + 16 * (i - 1) : none, 16) != 0 && memcmp(ids + 16 * i, none, 16) != 0)
            note_trace(x, ids + 16 * i, (uint32_t)x->dir.block_count);
    evread_free(r);
    return st;
}

enum status evwrite_copy(struct evwrite *x, const struct part *p, const struct evdir *d, const struct evdir_block *from, struct err *err)
{
    enum status st = write_block(x, err);
    if (st == ST_OK)
        st = copy_traces(x, p, d, from, err);
    if (st)
        return st;
    struct evdir_block b = *from;
    uint32_t *numbers = arena_zalloc(x->block, (d->field_count + 1) * sizeof *numbers);
    b.tenant = number_of(x, &x->tenants, &x->dir.tenants, &x->dir.tenant_count, &x->tenant_cap, d->tenants[from->tenant]);
    b.streams = copied_numbers(x, &x->streams, &x->dir.streams, &x->dir.stream_count, &x->stream_cap, d->streams, from->streams, from->stream_count);
    b.services = copied_numbers(x, &x->services, &x->dir.services, &x->dir.service_count, &x->service_cap, d->services, from->services,
                                from->service_count);
    b.frames = arena_array(x->part, struct block_ref, from->frame_count + 1);
    memcpy(b.frames, from->frames, from->frame_count * sizeof *b.frames);
    if (!copy_places(x, d, &b, from, numbers))
        st = err_set(err, ST_INTERNAL, "events: a block that is copied has fields beyond the %d of a part", EVDIR_FIELDS_MAX);
    for (uint32_t i = 0; st == ST_OK && i < b.frame_count; i++)
        if (b.frames[i].length)
            st = copy_frame(x, p, d, &b, i, numbers, err);
    arena_reset(x->block);
    if (st)
        return st;
    ARENA_PUSH(x->part, x->dir.blocks, x->dir.block_count, x->block_cap) = b;
    part_writer_rows(x->w, b.rows, b.min_ns, b.max_ns, b.min_lsn, b.max_lsn);
    x->rows_total += b.rows;
    return ST_OK;
}

enum status evwrite_end(struct evwrite *x, struct buf *meta, struct err *err)
{
    enum status st = write_block(x, err);
    if (st == ST_OK)
        st = evtrace_write(x->w, x->traces, x->trace_count, &x->dir, err);
    if (st)
        return st;
    evdir_encode(&x->dir, meta);
    return buf_over(meta) ? err_set(err, ST_LIMIT, "events: the directory of a part is over its limit") : ST_OK;
}
