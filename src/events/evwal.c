/* SPDX-License-Identifier: Apache-2.0 */
/* One frame is self-contained: replay needs nothing from frames before. Strings that repeat within a request (streams,
 * services, names) go to a table at the front of the frame and are named by their number; the rows follow, each with a
 * set of flags that says which of the rarer columns it has. */
#include "events/evwal.h"

#include "base/ends.h"
#include "base/map.h"

enum { EVWAL_VERSION = 1, LAST_NAMES_BITS = 7, FIELD_ROOM_BYTES = 32 /* scope, type and numbers */ };

enum row_flag {
    HAS_OBSERVED = 1 << 0,
    HAS_DURATION = 1 << 1,
    HAS_WEIGHT = 1 << 2,
    HAS_TRACE = 1 << 3,
    HAS_SPAN = 1 << 4,
    HAS_PARENT = 1 << 5,
    HAS_SPAN_WORDS = 1 << 6, /* span kind and status, trace state, status message, events, links */
    HAS_CLASS = 1 << 7,
};

static const uint8_t NO_ID[16];

struct encoder {
    struct map table;
    struct slice *list;
    size_t count, cap;
    struct arena *arena;
    struct buf *rows;
    struct last { /* the string named before this one, mostly the same */
        struct slice text;
        uint64_t id;
    } stream, service, names[1 << LAST_NAMES_BITS]; /* names: by address */
};

static uint64_t name_number(struct encoder *e, struct slice s, struct last *last)
{
    if (e->count && ends_same_place(s, last->text))
        return last->id;
    bool added;
    uint64_t *id = map_put(&e->table, s, &added);
    if (added) {
        *id = e->count;
        ARENA_PUSH(e->arena, e->list, e->count, e->cap) = s;
    }
    *last = (struct last){ s, *id };
    return *id;
}

static void put_name(struct encoder *e, struct slice s, struct last *last)
{
    buf_varint(e->rows, name_number(e, s, last));
}

static struct last *last_of(struct encoder *e, struct slice name)
{
    return &e->names[ends_address_place(name, LAST_NAMES_BITS)];
}

static char *put_varint_at(char *at, uint64_t v)
{
    while (v >= 0x80) {
        *at++ = (char)(v | 0x80);
        v >>= 7;
    }
    *at++ = (char)v;
    return at;
}

/* Room is asked for once a field. */
static void put_field(struct encoder *e, const struct field *f)
{
    uint64_t name = name_number(e, f->name, last_of(e, f->name));
    char *from = buf_room(e->rows, FIELD_ROOM_BYTES + f->text.len), *at = from;
    if (from == NULL)
        return;
    *at++ = (char)(f->scope << 4 | f->type);
    at = put_varint_at(at, name);
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
    case FIELD_BYTES:
    case FIELD_JSON:
        at = put_varint_at(at, f->text.len);
        if (f->text.len)
            memcpy(at, f->text.ptr, f->text.len);
        at += f->text.len;
        break;
    case FIELD_INT:
    case FIELD_BOOL:
        at = put_varint_at(at, (uint64_t)f->i << 1 ^ (uint64_t)(f->i >> 63));
        break;
    case FIELD_DOUBLE:
        buf_added(e->rows, (size_t)(at - from));
        buf_u64(e->rows, (uint64_t)f->i);
        return;
    }
    buf_added(e->rows, (size_t)(at - from));
}

static void put_fields(struct encoder *e, const struct field *fields, uint32_t count)
{
    buf_varint(e->rows, count);
    for (uint32_t i = 0; i < count; i++)
        put_field(e, &fields[i]);
}

static unsigned flags_of(const struct event *e)
{
    unsigned flags = 0;
    flags |= e->observed_ns ? HAS_OBSERVED : 0;
    flags |= e->duration_ns ? HAS_DURATION : 0;
    flags |= e->weight != 1 ? HAS_WEIGHT : 0;
    flags |= memcmp(e->trace_id, NO_ID, sizeof e->trace_id) ? HAS_TRACE : 0;
    flags |= memcmp(e->span_id, NO_ID, sizeof e->span_id) ? HAS_SPAN : 0;
    flags |= memcmp(e->parent_id, NO_ID, sizeof e->parent_id) ? HAS_PARENT : 0;
    if (e->span_kind || e->span_status || e->trace_state.len || e->status_message.len || e->event_count || e->link_count)
        flags |= HAS_SPAN_WORDS;
    flags |= e->class ? HAS_CLASS : 0;
    return flags;
}

static void put_span_words(struct encoder *enc, const struct event *e)
{
    struct buf *out = enc->rows;
    buf_u8(out, e->span_kind);
    buf_u8(out, e->span_status);
    buf_lenslice(out, e->trace_state);
    buf_lenslice(out, e->status_message);
    buf_varint(out, e->event_count);
    for (uint32_t i = 0; i < e->event_count; i++) {
        buf_zigzag(out, (int64_t)((uint64_t)e->events[i].time_ns - (uint64_t)e->time_ns));
        put_name(enc, e->events[i].name, last_of(enc, e->events[i].name));
        put_fields(enc, e->events[i].fields, e->events[i].field_count);
    }
    buf_varint(out, e->link_count);
    for (uint32_t i = 0; i < e->link_count; i++) {
        buf_put(out, e->links[i].trace_id, sizeof e->links[i].trace_id);
        buf_put(out, e->links[i].span_id, sizeof e->links[i].span_id);
        buf_lenslice(out, e->links[i].trace_state);
        put_fields(enc, e->links[i].fields, e->links[i].field_count);
    }
}

static void put_row(struct encoder *enc, const struct event *e, int64_t last_time_ns)
{
    struct buf *out = enc->rows;
    unsigned flags = flags_of(e);
    buf_u8(out, (uint8_t)flags);
    buf_u8(out, e->kind);
    buf_u8(out, e->severity);
    buf_zigzag(out, (int64_t)((uint64_t)e->time_ns - (uint64_t)last_time_ns));
    put_name(enc, e->stream, &enc->stream);
    put_name(enc, e->service, &enc->service);
    buf_lenslice(out, e->body);
    if (flags & HAS_OBSERVED)
        buf_zigzag(out, (int64_t)((uint64_t)e->observed_ns - (uint64_t)e->time_ns));
    if (flags & HAS_DURATION)
        buf_zigzag(out, e->duration_ns);
    if (flags & HAS_WEIGHT)
        buf_put(out, &e->weight, sizeof e->weight);
    if (flags & HAS_TRACE)
        buf_put(out, e->trace_id, sizeof e->trace_id);
    if (flags & HAS_SPAN)
        buf_put(out, e->span_id, sizeof e->span_id);
    if (flags & HAS_PARENT)
        buf_put(out, e->parent_id, sizeof e->parent_id);
    if (flags & HAS_SPAN_WORDS)
        put_span_words(enc, e);
    if (flags & HAS_CLASS)
        buf_u16(out, e->class);
    put_fields(enc, e->fields, e->field_count);
}

bool evwal_encode(const struct batch *b, struct buf *out)
{
    struct buf rows;
    buf_init(&rows, EVWAL_BYTES_MAX);
    struct encoder enc = { .arena = arena_new(0), .rows = &rows };
    map_init(&enc.table);
    int64_t last_time_ns = 0;
    for (size_t i = 0; i < b->event_count && !buf_over(&rows); i++) {
        put_row(&enc, &b->events[i], last_time_ns);
        last_time_ns = b->events[i].time_ns;
    }
    bool fits = !buf_over(&rows);
    if (fits) {
        buf_u8(out, EVWAL_VERSION);
        buf_lenslice(out, b->tenant);
        buf_varint(out, enc.count);
        for (size_t i = 0; i < enc.count; i++)
            buf_lenslice(out, enc.list[i]);
        buf_varint(out, b->event_count);
        buf_slice(out, buf_as_slice(&rows));
    }
    map_free(&enc.table);
    arena_free(enc.arena);
    buf_free(&rows);
    return fits;
}

/* ---- back ---- */

struct decoder {
    struct reader r;
    struct slice *table;
    uint64_t count;
    struct arena *arena;
};

static struct slice get_name(struct decoder *d)
{
    uint64_t id = read_varint(&d->r);
    if (id < d->count)
        return d->table[id];
    d->r.bad = true;
    return SLICE_EMPTY;
}

/* A count of things that take at least one byte each, so that a bad frame cannot ask for memory it does not fill. */
static uint32_t get_count(struct decoder *d)
{
    uint64_t n = read_varint(&d->r);
    if (n <= reader_left(&d->r))
        return (uint32_t)n;
    d->r.bad = true;
    return 0;
}

static struct field *get_fields(struct decoder *d, uint32_t *count)
{
    *count = get_count(d);
    struct field *fields = *count ? arena_array(d->arena, struct field, *count) : NULL;
    for (uint32_t i = 0; i < *count && !d->r.bad; i++) {
        unsigned head = read_u8(&d->r);
        fields[i] = (struct field){ .scope = (uint8_t)(head >> 4), .type = (uint8_t)(head & 15), .text = SLICE_EMPTY };
        fields[i].name = get_name(d);
        if (fields[i].type == FIELD_INT || fields[i].type == FIELD_BOOL)
            fields[i].i = read_zigzag(&d->r);
        else if (fields[i].type == FIELD_DOUBLE)
            fields[i].i = (int64_t)read_u64(&d->r);
        else if (fields[i].type <= FIELD_JSON)
            fields[i].text = read_lenslice(&d->r);
        else
            d->r.bad = true;
    }
    return fields;
}

static void get_raw(struct decoder *d, void *to, size_t n)
{
    struct slice s = read_bytes(&d->r, n);
    if (s.len == n)
        memcpy(to, s.ptr, n);
}

static void get_span_words(struct decoder *d, struct event *e)
{
    e->span_kind = read_u8(&d->r);
    e->span_status = read_u8(&d->r);
    e->trace_state = read_lenslice(&d->r);
    e->status_message = read_lenslice(&d->r);
    e->event_count = get_count(d);
    e->events = e->event_count ? arena_array(d->arena, struct span_event, e->event_count) : NULL;
    for (uint32_t i = 0; i < e->event_count && !d->r.bad; i++) {
        e->events[i].time_ns = (int64_t)((uint64_t)read_zigzag(&d->r) + (uint64_t)e->time_ns);
        e->events[i].name = get_name(d);
        e->events[i].fields = get_fields(d, &e->events[i].field_count);
    }
    e->link_count = get_count(d);
    e->links = e->link_count ? arena_array(d->arena, struct span_link, e->link_count) : NULL;
    for (uint32_t i = 0; i < e->link_count && !d->r.bad; i++) {
        get_raw(d, e->links[i].trace_id, sizeof e->links[i].trace_id);
        get_raw(d, e->links[i].span_id, sizeof e->links[i].span_id);
        e->links[i].trace_state = read_lenslice(&d->r);
        e->links[i].fields = get_fields(d, &e->links[i].field_count);
    }
}

static void get_row(struct decoder *d, struct event *e, int64_t last_time_ns)
{
    unsigned flags = read_u8(&d->r);
    e->kind = read_u8(&d->r);
    e->severity = read_u8(&d->r);
    e->time_ns = (int64_t)((uint64_t)read_zigzag(&d->r) + (uint64_t)last_time_ns);
    e->stream = get_name(d);
    e->service = get_name(d);
    e->body = read_lenslice(&d->r);
    if (flags & HAS_OBSERVED)
        e->observed_ns = (int64_t)((uint64_t)read_zigzag(&d->r) + (uint64_t)e->time_ns);
    if (flags & HAS_DURATION)
        e->duration_ns = read_zigzag(&d->r);
    if (flags & HAS_WEIGHT)
        get_raw(d, &e->weight, sizeof e->weight);
    if (flags & HAS_TRACE)
        get_raw(d, e->trace_id, sizeof e->trace_id);
    if (flags & HAS_SPAN)
        get_raw(d, e->span_id, sizeof e->span_id);
    if (flags & HAS_PARENT)
        get_raw(d, e->parent_id, sizeof e->parent_id);
    if (flags & HAS_SPAN_WORDS)
        get_span_words(d, e);
    if (flags & HAS_CLASS)
        e->class = read_u16(&d->r);
    e->fields = get_fields(d, &e->field_count);
}

enum status evwal_decode(struct slice bytes, struct batch *out, struct err *err)
{
    struct decoder d = { .r = reader_of(bytes), .arena = out->arena };
    unsigned version = read_u8(&d.r);
    if (version != EVWAL_VERSION)
        return err_set(err, ST_CORRUPT, "WAL frame of events: version is %u, this program reads %d", version, EVWAL_VERSION);
    struct slice tenant = read_lenslice(&d.r);
    d.count = get_count(&d);
    d.table = arena_array(out->arena, struct slice, (size_t)d.count + 1);
    for (uint64_t i = 0; i < d.count; i++)
        d.table[i] = read_lenslice(&d.r);
    uint32_t rows = get_count(&d);
    int64_t last_time_ns = 0;
    for (uint32_t i = 0; i < rows && !d.r.bad; i++) {
        struct event *e = batch_event(out);
        get_row(&d, e, last_time_ns);
        last_time_ns = e->time_ns;
    }
    if (d.r.bad || reader_left(&d.r) != 0)
        return err_set(err, ST_CORRUPT, "WAL frame of events: %zu bytes that do not parse, at %zu", bytes.len,
                       bytes.len - reader_left(&d.r));
    out->tenant = arena_copy(out->arena, tenant);
    return ST_OK;
}
