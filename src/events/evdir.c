/* SPDX-License-Identifier: Apache-2.0 */
/* Dictionaries first, then the table of traces, then one entry a block. Everything is varints; the store compresses and
 * checks the whole, so what we check here is only that numbers point into what is there. */
#include "events/evdir.h"

/* ---- out ---- */

static void put_slices(struct buf *out, const struct slice *list, size_t count)
{
    buf_varint(out, count);
    for (size_t i = 0; i < count; i++)
        buf_lenslice(out, list[i]);
}

static void put_numbers(struct buf *out, const uint32_t *list, uint32_t count)
{
    buf_varint(out, count);
    for (uint32_t i = 0; i < count; i++)
        buf_varint(out, list[i]);
}

static void put_ref(struct buf *out, const struct block_ref *ref)
{
    buf_varint(out, ref->offset);
    buf_varint(out, ref->length);
}

static void put_severities(struct buf *out, const uint32_t *rows)
{
    uint32_t used = 0;
    for (int s = 0; s < EVDIR_SEVERITIES; s++)
        used |= (uint32_t)(rows[s] != 0) << s;
    buf_varint(out, used);
    for (int s = 0; s < EVDIR_SEVERITIES; s++)
        if (rows[s])
            buf_varint(out, rows[s]);
}

static void put_block(struct buf *out, const struct evdir_block *b)
{
    buf_varint(out, b->tenant);
    buf_u8(out, b->kind);
    buf_u8(out, b->has_cells);
    buf_varint(out, b->rows);
    buf_zigzag(out, b->min_ns);
    buf_varint(out, (uint64_t)b->max_ns - (uint64_t)b->min_ns);
    buf_zigzag(out, b->min_duration_ns);
    buf_varint(out, (uint64_t)b->max_duration_ns - (uint64_t)b->min_duration_ns);
    buf_varint(out, b->min_lsn);
    buf_varint(out, b->max_lsn - b->min_lsn);
    put_severities(out, b->severities);
    put_numbers(out, b->streams, b->stream_count);
    put_numbers(out, b->services, b->service_count);
    buf_varint(out, b->frame_count);
    for (uint32_t i = 0; i < b->frame_count; i++)
        put_ref(out, &b->frames[i]);
    buf_varint(out, b->place_count);
    for (uint32_t i = 0; i < b->place_count; i++) {
        const struct evdir_place *p = &b->places[i];
        buf_varint(out, p->column);
        buf_varint(out, p->frame);
        buf_varint(out, p->offset);
        buf_varint(out, p->length);
        if (p->column >= EVCOL_FIELD_FIRST)
            buf_varint(out, p->values);
    }
}

void evdir_encode(const struct evdir *d, struct buf *out)
{
    buf_u8(out, EVDIR_VERSION);
    put_slices(out, d->tenants, d->tenant_count);
    put_slices(out, d->streams, d->stream_count);
    put_slices(out, d->services, d->service_count);
    buf_varint(out, d->field_count);
    for (size_t i = 0; i < d->field_count; i++) {
        buf_u8(out, d->fields[i].scope);
        buf_u8(out, d->fields[i].type);
        buf_lenslice(out, d->fields[i].name);
    }
    buf_u8(out, (uint8_t)d->trace_shift);
    buf_varint(out, d->trace_count);
    for (size_t i = 0; i < d->trace_count; i++) {
        buf_varint(out, d->traces[i].first);
        buf_varint(out, d->traces[i].count);
        put_ref(out, &d->traces[i].ref);
    }
    buf_varint(out, d->block_count);
    for (size_t i = 0; i < d->block_count; i++)
        put_block(out, &d->blocks[i]);
}

/* ---- in ---- */

static size_t get_count(struct reader *r)
{
    uint64_t n = read_varint(r);
    if (n <= reader_left(r))
        return (size_t)n;
    r->bad = true;
    return 0;
}

static uint32_t get_u32(struct reader *r)
{
    uint64_t v = read_varint(r);
    if (v > UINT32_MAX)
        r->bad = true;
    return (uint32_t)v;
}

static struct slice *get_slices(struct reader *r, struct arena *a, size_t *count)
{
    *count = get_count(r);
    struct slice *list = arena_array(a, struct slice, *count + 1);
    for (size_t i = 0; i < *count; i++)
        list[i] = read_lenslice(r);
    return list;
}

static uint32_t *get_numbers(struct reader *r, struct arena *a, uint32_t *count, size_t below)
{
    *count = (uint32_t)get_count(r);
    uint32_t *list = arena_array(a, uint32_t, *count + 1);
    for (uint32_t i = 0; i < *count; i++) {
        list[i] = get_u32(r);
        if (list[i] >= below)
            r->bad = true;
    }
    return list;
}

static struct block_ref get_ref(struct reader *r)
{
    struct block_ref ref = { .offset = read_varint(r) };
    ref.length = get_u32(r);
    return ref;
}

static void get_places(struct reader *r, struct arena *a, struct evdir_block *b, size_t field_count)
{
    b->place_count = (uint32_t)get_count(r);
    b->places = arena_array(a, struct evdir_place, b->place_count + 1);
    for (uint32_t i = 0; i < b->place_count; i++) {
        struct evdir_place *p = &b->places[i];
        p->column = get_u32(r);
        p->frame = get_u32(r);
        p->offset = get_u32(r);
        p->length = get_u32(r);
        p->values = p->column >= EVCOL_FIELD_FIRST ? get_u32(r) : 0;
        bool is_ordered = i == 0 || p[-1].column < p->column;
        if (!is_ordered || p->frame >= b->frame_count || p->column >= EVCOL_FIELD_FIRST + field_count || p->values > EVDIR_BLOCK_BYTES_MAX * 4)
            r->bad = true;
    }
}

static void get_block(struct reader *r, const struct evdir *d, struct evdir_block *b)
{
    *b = (struct evdir_block){ .tenant = get_u32(r) };
    b->kind = read_u8(r);
    b->has_cells = read_u8(r);
    b->rows = get_u32(r);
    b->min_ns = read_zigzag(r);
    b->max_ns = (int64_t)((uint64_t)b->min_ns + read_varint(r));
    b->min_duration_ns = read_zigzag(r);
    b->max_duration_ns = (int64_t)((uint64_t)b->min_duration_ns + read_varint(r));
    b->min_lsn = read_varint(r);
    b->max_lsn = b->min_lsn + read_varint(r);
    uint32_t used = get_u32(r);
    for (int s = 0; s < EVDIR_SEVERITIES; s++)
        if (used >> s & 1)
            b->severities[s] = get_u32(r);
    b->streams = get_numbers(r, d->arena, &b->stream_count, d->stream_count);
    b->services = get_numbers(r, d->arena, &b->service_count, d->service_count);
    b->frame_count = (uint32_t)get_count(r);
    b->frames = arena_array(d->arena, struct block_ref, b->frame_count + 1);
    for (uint32_t i = 0; i < b->frame_count; i++)
        b->frames[i] = get_ref(r);
    get_places(r, d->arena, b, d->field_count);
    if (b->tenant >= d->tenant_count || b->rows == 0 || b->rows > EVDIR_BLOCK_ROWS_MAX)
        r->bad = true;
}

static void get_fields(struct reader *r, struct evdir *d)
{
    d->field_count = get_count(r);
    d->fields = arena_array(d->arena, struct evdir_field, d->field_count + 1);
    for (size_t i = 0; i < d->field_count; i++) {
        d->fields[i].scope = read_u8(r);
        d->fields[i].type = read_u8(r);
        d->fields[i].name = read_lenslice(r);
        if (d->fields[i].type > 5)
            r->bad = true;
    }
}

enum status evdir_decode(struct slice bytes, struct evdir **out, struct err *err)
{
    struct reader r = reader_of(bytes);
    unsigned version = read_u8(&r);
    if (version < EVDIR_VERSION_FIRST || version > EVDIR_VERSION)
        return err_set(err, ST_CORRUPT, "events directory: version is %u, this program reads %d to %d", version, EVDIR_VERSION_FIRST,
                       EVDIR_VERSION);
    struct arena *a = arena_new(0);
    struct evdir *d = arena_new_of(a, struct evdir);
    d->arena = a;
    d->version = version;
    d->tenants = get_slices(&r, a, &d->tenant_count);
    d->streams = get_slices(&r, a, &d->stream_count);
    d->services = get_slices(&r, a, &d->service_count);
    get_fields(&r, d);
    d->trace_shift = read_u8(&r);
    if (d->trace_shift > 63)
        r.bad = true;
    d->trace_count = get_count(&r);
    d->traces = arena_array(a, struct evdir_trace_frame, d->trace_count + 1);
    for (size_t i = 0; i < d->trace_count; i++) {
        d->traces[i].first = read_varint(&r);
        d->traces[i].count = get_u32(&r);
        d->traces[i].ref = get_ref(&r);
    }
    d->block_count = get_count(&r);
    d->blocks = arena_array(a, struct evdir_block, d->block_count + 1);
    for (size_t i = 0; i < d->block_count && !r.bad; i++)
        get_block(&r, d, &d->blocks[i]);
    if (r.bad || reader_left(&r) != 0) {
        evdir_free(d);
        return err_set(err, ST_CORRUPT, "events directory: %zu bytes that do not parse", bytes.len);
    }
    *out = d;
    return ST_OK;
}

void evdir_free(struct evdir *d)
{
    if (d)
        arena_free(d->arena);
}

const struct evdir_place *evdir_place_of(const struct evdir_block *b, uint32_t column)
{
    size_t from = 0, to = b->place_count;
    while (from < to) {
        size_t mid = (from + to) / 2;
        if (b->places[mid].column < column)
            from = mid + 1;
        else
            to = mid;
    }
    return from < b->place_count && b->places[from].column == column ? &b->places[from] : NULL;
}
