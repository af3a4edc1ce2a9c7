/* SPDX-License-Identifier: Apache-2.0 */
/* Two caches in one object: frames as the store gives them (checked, decompressed, perhaps shared with other queries), and
 * decoded columns in an arena of our own. Strings point into frames, so both go together.
 *
 * The frame's checksum says that the bytes are ours; decoding checks them all the same and calls what does not parse
 * corrupt. */
#include "events/evread_in.h"

#include "events/evencode.h"

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

enum status evread_corrupt(const struct evread *x, uint32_t column, struct err *err)
{
    return err_set(err, ST_CORRUPT, "part %016llx, block of events %zu: column %u does not parse",
                   (unsigned long long)part_info(x->p)->id, (size_t)(x->b - x->d->blocks), column);
}

/* The bytes of a column; *place NULL when the block does not have it. */
enum status evread_open_column(struct evread *x, uint32_t column, const struct evdir_place **place, struct reader *r, struct err *err)
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
        return evread_corrupt(x, column, err);
    *r = reader_of(slice_of(all.ptr + p->offset, p->length));
    return ST_OK;
}

/* Some or all rows: the k-th. */
static inline size_t nth_row(const uint32_t *rows, size_t k)
{
    return rows ? rows[k] : k;
}

/* Services of rows from those of their streams. */
static enum status load_stream_services(struct evread *x, const uint32_t *rows, size_t count, int64_t *v, struct err *err)
{
    const struct evdir_place *place;
    const int64_t *streams;
    struct reader r;
    enum status st = evread_open_column(x, EVCOL_STREAM_SERVICE, &place, &r, err);
    if (st || place == NULL)
        return st;
    st = rows ? evread_row_ints(x, EVCOL_STREAM, &streams, err) : evread_ints(x, EVCOL_STREAM, &streams, err);
    if (st)
        return st;
    int64_t *of = arena_array(x->arena, int64_t, x->b->stream_count + 1);
    if (!evcol_get_ints(&r, of, x->b->stream_count))
        return evread_corrupt(x, EVCOL_STREAM_SERVICE, err);
    for (size_t k = 0; k < count; k++) {
        size_t i = nth_row(rows, k);
        v[i] = of[streams[i]];
    }
    return ST_OK;
}

/* rows NULL: all. */
static enum status load_ints(struct evread *x, enum evdir_column column, const uint32_t *rows, const int64_t **out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    size_t count = rows ? x->row_count : x->n;
    enum status st = evread_open_column(x, column, &place, &r, err);
    if (st)
        return st;
    int64_t *v = arena_array(x->arena, int64_t, x->n + 1), missing = column == EVCOL_WEIGHT ? 0x3f800000 /* bits of 1.0f */ : 0;
    if (place && !(rows ? evcol_get_some_ints(&r, v, x->n, rows, count) : evcol_get_ints(&r, v, x->n)))
        return evread_corrupt(x, column, err);
    for (size_t k = 0; place == NULL && k < count; k++)
        v[nth_row(rows, k)] = missing;
    if (place == NULL && column == EVCOL_SERVICE)
        st = load_stream_services(x, rows, count, v, err);
    if (st)
        return st;
    bool is_number = column == EVCOL_STREAM || column == EVCOL_SERVICE;
    uint64_t below = column == EVCOL_STREAM ? x->b->stream_count : x->b->service_count;
    for (size_t k = 0; is_number && k < count; k++)
        if ((uint64_t)v[nth_row(rows, k)] >= below)
            return evread_corrupt(x, column, err);
    *out = v;
    return ST_OK;
}

enum status evread_ints(struct evread *x, enum evdir_column column, const int64_t **out, struct err *err)
{
    enum status st = x->ints[column] ? ST_OK : load_ints(x, column, NULL, &x->ints[column], err);
    *out = x->ints[column];
    return st;
}

enum status evread_row_ints(struct evread *x, enum evdir_column column, const int64_t **out, struct err *err)
{
    enum status st = ST_OK;
    if (x->row_ints[column] == NULL && (x->rows == NULL || x->ints[column]))
        st = evread_ints(x, column, &x->row_ints[column], err);
    else if (x->row_ints[column] == NULL)
        st = load_ints(x, column, x->rows, &x->row_ints[column], err);
    *out = x->row_ints[column];
    return st;
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
    enum status st = evread_open_column(x, column, &place, &r, err);
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
        return evread_corrupt(x, column, err);
    if (is_open)
        drop_text(x);
    else if (place == NULL)
        *s = (struct evcol_strings){ .n = x->n, .is_dict = true, .dict_count = 1, .dict = nothing,
                                     .ids = arena_zalloc(x->arena, (x->n + 1) * sizeof(uint32_t)) };
    else if (!evcol_get_texts(&r, s, x->n, &rows, x->arena))
        return evread_corrupt(x, column, err);
    *out = x->strings[column] = s;
    return ST_OK;
}

/* As evread_strings, good at the rows that are wanted. Not of texts, which need all rows. */
static enum status row_strings(struct evread *x, enum evdir_column column, const struct evcol_strings **out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    *out = x->row_strings[column];
    if (*out)
        return ST_OK;
    bool is_all = x->rows == NULL || x->strings[column];
    enum status st = is_all ? ST_OK : evread_open_column(x, column, &place, &r, err);
    if (st == ST_OK && (is_all || place == NULL || reader_left(&r) == 0 || *r.at == EVCOL_STRING_TEXTS)) {
        st = evread_strings(x, column, out, err);
        x->row_strings[column] = *out;
        return st;
    }
    if (st)
        return st;
    struct evcol_strings *s = arena_new_of(x->arena, struct evcol_strings);
    if (!evcol_get_some_texts(&r, s, x->n, x->rows, x->row_count, x->arena))
        return evread_corrupt(x, column, err);
    *out = x->row_strings[column] = s;
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
    enum status st = evread_open_column(x, EVCOL_BODY, &place, &r, err);
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
        return evread_corrupt(x, EVCOL_BODY, err);
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
        st = row_strings(x, EVCOL_BODY, &all, err);
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
    return len == SIZE_MAX ? evread_corrupt(x, EVCOL_BODY, err) : ST_OK;
}

enum status evread_fixed(struct evread *x, enum evdir_column column, const struct evcol_fixed **out, struct err *err)
{
    static const uint8_t none[16];
    struct evcol_fixed *f = &x->fixed[column - EVCOL_TRACE_ID];
    *out = f;
    if (f->bytes)
        return ST_OK;
    const struct evdir_place *place;
    struct reader r;
    enum status st = evread_open_column(x, column, &place, &r, err);
    if (st)
        return st;
    if (place == NULL) {
        *f = (struct evcol_fixed){ .bytes = none, .count = 1 };
    } else if (!evcol_read_fixed(&r, f, column == EVCOL_TRACE_ID ? 16 : 8, x->n, x->arena)) {
        *f = (struct evcol_fixed){ 0 };
        return evread_corrupt(x, column, err);
    }
    return ST_OK;
}

/* rows NULL: all. */
static bool get_parents(struct evread *x, struct reader *r, const struct evcol_fixed *spans, const uint32_t *rows, uint8_t *v)
{
    int64_t *codes = arena_array(x->arena, int64_t, x->n + 1);
    size_t elsewhere = 0, at = 0;
    if (!evcol_get_ints(r, codes, x->n))
        return false;
    for (size_t i = 0; i < x->n; i++)
        elsewhere += codes[i] == EVENCODE_PARENT_ELSEWHERE;
    const char *others = read_bytes(r, 8 * elsewhere).ptr;
    elsewhere = 0;
    for (size_t k = 0; !r->bad && k < (rows ? x->row_count : x->n); k++) {
        size_t i = nth_row(rows, k);
        for (; at < i; at++)
            elsewhere += codes[at] == EVENCODE_PARENT_ELSEWHERE;
        if (codes[i] == EVENCODE_PARENT_NONE) {
            memset(v + i * 8, 0, 8);
        } else if (codes[i] == EVENCODE_PARENT_ELSEWHERE) {
            memcpy(v + i * 8, others + 8 * elsewhere, 8);
        } else {
            uint64_t code = (uint64_t)codes[i] - EVENCODE_PARENT_ROWS;
            uint64_t back = code >> 1 ^ -(code & 1), parent = i - back; /* a step too far wraps to a place that is not there */
            if (codes[i] < EVENCODE_PARENT_NONE || parent >= x->n)
                return false;
            memcpy(v + i * 8, evcol_fixed_at(spans, parent), 8);
        }
    }
    return !r->bad;
}

static enum status load_parents(struct evread *x, const uint32_t *rows, const uint8_t **out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    const struct evcol_fixed *spans;
    enum status st = evread_open_column(x, EVCOL_PARENT_ID, &place, &r, err);
    if (st == ST_OK && place)
        st = evread_fixed(x, EVCOL_SPAN_ID, &spans, err);
    if (st)
        return st;
    uint8_t *v = place ? arena_alloc(x->arena, (x->n + 1) * 8) : arena_zalloc(x->arena, (x->n + 1) * 8);
    if (place && !get_parents(x, &r, spans, rows, v))
        return evread_corrupt(x, EVCOL_PARENT_ID, err);
    *out = v;
    return ST_OK;
}

enum status evread_ids(struct evread *x, enum evdir_column column, const uint8_t **out, struct err *err)
{
    const struct evcol_fixed *f;
    size_t width = column == EVCOL_TRACE_ID ? 16 : 8;
    enum status st = ST_OK;
    if (x->ids[column] == NULL && column == EVCOL_PARENT_ID) {
        st = load_parents(x, NULL, &x->ids[column], err);
    } else if (x->ids[column] == NULL && (st = evread_fixed(x, column, &f, err)) == ST_OK) {
        uint8_t *v = f->codes || f->step == 0 ? arena_alloc(x->arena, (x->n + 1) * width) : NULL;
        for (size_t i = 0; v && i < x->n; i++)
            memcpy(v + i * width, evcol_fixed_at(f, i), width);
        x->ids[column] = v ? v : f->bytes;
    }
    *out = x->ids[column];
    return st;
}

static enum status load_row_ids(struct evread *x, unsigned want, struct err *err)
{
    const struct evcol_fixed *f;
    enum status st = want & (WANT_TRACE | WANT_IDS) ? evread_fixed(x, EVCOL_TRACE_ID, &f, err) : ST_OK;
    if (st || !(want & WANT_IDS))
        return st;
    st = evread_fixed(x, EVCOL_SPAN_ID, &f, err);
    if (st == ST_OK && x->row_parents == NULL)
        st = load_parents(x, x->rows, &x->row_parents, err);
    return st;
}

enum status evread_filter(struct evread *x, struct slice *out, struct err *err)
{
    const struct evdir_place *place;
    struct reader r;
    enum status st = evread_open_column(x, EVCOL_FILTER, &place, &r, err);
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
    for (size_t k = 0; k < (x->rows ? x->row_count : x->n); k++) {
        size_t row = nth_row(x->rows, k);
        for (size_t i = firsts[row]; i < firsts[row + 1]; i++)
            out->events[i] = (struct span_event){ (int64_t)((uint64_t)offsets[i] + (uint64_t)times[row]), evcol_string(&names, i),
                                                  fields + field_firsts[i], field_firsts[i + 1] - field_firsts[i] };
    }
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
    if (!evcol_get_fixed(r, traces, 16, total, x->arena) || !evcol_get_fixed(r, spans, 8, total, x->arena) ||
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
    enum status st = evread_row_ints(x, EVCOL_TIME, &times, err);
    if (st == ST_OK)
        st = evread_open_column(x, EVCOL_EVENTS, &place, &r, err);
    if (st)
        return st;
    if (place && !get_events(x, &r, times, s))
        return evread_corrupt(x, EVCOL_EVENTS, err);
    st = evread_open_column(x, EVCOL_LINKS, &place, &r, err);
    if (st)
        return st;
    if (place && !get_links(x, &r, s))
        return evread_corrupt(x, EVCOL_LINKS, err);
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
        st = evread_open_column(x, EVCOL_OBSERVED, &place, &r, err);
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
            return evread_corrupt(x, EVCOL_OBSERVED, err);
        for (size_t i = 0; i < x->n; i++)
            v[i] = of_lsn[places[i]];
    } else if (mode > EVENCODE_OBSERVED_BY_LSN || (place && !evcol_get_ints(&r, v, x->n))) {
        return evread_corrupt(x, EVCOL_OBSERVED, err);
    }
    for (size_t i = 0; mode == EVENCODE_OBSERVED_RELATIVE && i < x->n; i++)
        v[i] = (int64_t)((uint64_t)v[i] + (uint64_t)times[i]);
    x->observed = v;
    return ST_OK;
}

/* ---- rows ---- */

enum status evread_load(struct evread *x, unsigned want, struct err *err)
{
    static const enum evdir_column always[] = { EVCOL_TIME, EVCOL_SEVERITY, EVCOL_SERVICE, EVCOL_STREAM, EVCOL_WEIGHT,
                                                EVCOL_DURATION, EVCOL_SPAN_KIND, EVCOL_SPAN_STATUS };
    const int64_t *ints;
    const uint64_t *seqs;
    const struct evcol_strings *strings;
    enum status st = want & WANT_SEQ ? evread_seqs(x, &seqs, err) : ST_OK;
    for (size_t i = 0; st == ST_OK && i < COUNT_OF(always); i++)
        st = evread_row_ints(x, always[i], &ints, err);
    if (st == ST_OK && want & WANT_OBSERVED)
        st = load_observed(x, err);
    if (st == ST_OK)
        st = load_row_ids(x, want, err);
    if (st == ST_OK && want & WANT_BODY)
        st = evread_strings(x, EVCOL_BODY, &strings, err);
    if (st == ST_OK && want & WANT_FIELDS)
        st = evread_load_fields(x, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = load_spans(x, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = row_strings(x, EVCOL_TRACE_STATE, &strings, err);
    if (st == ST_OK && want & WANT_SPAN)
        st = row_strings(x, EVCOL_STATUS_MESSAGE, &strings, err);
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
    e->trace_state = evcol_string(x->row_strings[EVCOL_TRACE_STATE], row);
    e->status_message = evcol_string(x->row_strings[EVCOL_STATUS_MESSAGE], row);
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
    e->time_ns = x->row_ints[EVCOL_TIME][row];
    e->seq = want & WANT_SEQ ? x->seqs[row] : 0;
    e->observed_ns = want & WANT_OBSERVED ? x->observed[row] : 0;
    e->severity = (uint8_t)x->row_ints[EVCOL_SEVERITY][row];
    e->duration_ns = x->row_ints[EVCOL_DURATION][row];
    e->span_kind = (uint8_t)x->row_ints[EVCOL_SPAN_KIND][row];
    e->span_status = (uint8_t)x->row_ints[EVCOL_SPAN_STATUS][row];
    uint32_t weight = (uint32_t)x->row_ints[EVCOL_WEIGHT][row];
    memcpy(&e->weight, &weight, sizeof weight);
    e->service = x->d->services[x->b->services[x->row_ints[EVCOL_SERVICE][row]]];
    if (want & WANT_STREAM)
        e->stream = x->d->streams[x->b->streams[x->row_ints[EVCOL_STREAM][row]]];
    if (want & WANT_BODY)
        e->body = evcol_string(x->strings[EVCOL_BODY], row);
    if (want & (WANT_TRACE | WANT_IDS))
        memcpy(e->trace_id, evcol_fixed_at(&x->fixed[0], row), 16);
    if (want & WANT_IDS) {
        memcpy(e->span_id, evcol_fixed_at(&x->fixed[EVCOL_SPAN_ID - EVCOL_TRACE_ID], row), 8);
        memcpy(e->parent_id, x->row_parents + row * 8, 8);
    }
    if (want & WANT_FIELDS)
        fill_fields(x, row, a, e);
    if (want & WANT_SPAN)
        fill_spans(x, row, e);
}
