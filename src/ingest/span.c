/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/span.h"

#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"

enum { NAME_TOLD_BYTES_MAX = 80 };

void span_begin(struct span_parts *s, struct arena *a)
{
    *s = (struct span_parts){ .arena = a, .e = { .kind = EVENT_SPAN, .weight = 1 } };
}

void span_field(struct span_parts *s, struct field value)
{
    if (value.name.len)
        ARENA_PUSH(s->arena, s->fields.items, s->fields.count, s->fields.cap) = value;
}

void span_text(struct span_parts *s, enum field_scope scope, struct slice name, struct slice text)
{
    span_field(s, (struct field){ .scope = scope, .type = FIELD_STRING, .name = name, .text = text });
}

void span_int(struct span_parts *s, enum field_scope scope, struct slice name, int64_t value)
{
    span_field(s, (struct field){ .scope = scope, .type = FIELD_INT, .name = name, .i = value });
}

void span_true(struct span_parts *s, struct slice name)
{
    span_field(s, (struct field){ .scope = SCOPE_RECORD, .type = FIELD_BOOL, .name = name, .i = 1 });
}

void span_event_add(struct span_parts *s, struct span_event event)
{
    if (s->event_count == SPAN_EVENTS_MAX)
        s->cut++;
    else
        ARENA_PUSH(s->arena, s->events, s->event_count, s->event_cap) = event;
}

void span_link_add(struct span_parts *s, struct span_link link)
{
    if (s->link_count == SPAN_EVENTS_MAX)
        s->cut++;
    else
        ARENA_PUSH(s->arena, s->links, s->link_count, s->link_cap) = link;
}

static bool is_any(const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    return any;
}

bool span_id_of_text(struct slice text, uint8_t *out, size_t n)
{
    char digits[2 * sizeof(((struct event *)0)->trace_id)];
    memset(out, 0, n);
    if (text.len == 0 || text.len > 2 * n)
        return false;
    memset(digits, '0', sizeof digits);
    memcpy(digits + 2 * n - text.len, text.ptr, text.len);
    return hex_decode(slice_of(digits, 2 * n), out) && is_any(out, n);
}

bool span_id_of_int(uint64_t high, uint64_t low, uint8_t *out, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        size_t shift = 8 * (n - 1 - i);
        out[i] = (uint8_t)(shift >= 64 ? high >> (shift - 64) : low >> shift);
    }
    return is_any(out, n);
}

int64_t span_time_of_us(uint64_t us)
{
    return us > INT64_MAX / 1000 ? INT64_MAX : (int64_t)us * 1000;
}

void span_finish(struct span_parts *s, const struct ingest_ctx *ctx, struct batch *out, struct ingest_result *r)
{
    struct err why;
    struct slice service = s->service.len ? s->service : SLICE("unknown_service"), name = utf8_cut(s->e.body, NAME_TOLD_BYTES_MAX);
    struct label label = { SLICE("service_name"), service };
    enum status st = ST_OK;
    if (!s->has_trace)
        st = err_set(&why, ST_INVALID,
                     "span \"%.*s\": its trace id is missing, zero, or no hexadecimal number of at most 32 digits", SLICE_FMT(name));
    else if (!s->has_id)
        st = err_set(&why, ST_INVALID,
                     "span \"%.*s\": its id is missing, zero, or no hexadecimal number of at most 16 digits", SLICE_FMT(name));
    else
        st = labels_build(s->arena, &label, 1, &s->e.stream, &why);
    if (st) {
        ingest_reject(r, INGEST_SPANS, 1, &why);
        return;
    }
    if (s->e.time_ns == 0) { /* Zipkin's may come in pieces, the first of them without a time */
        s->e.time_ns = ctx->received_ns;
        s->told |= TOLD_NO_TIME;
    }
    if (s->told)
        span_int(s, SCOPE_RECORD, SPAN_TOLD, s->told);
    s->e.service = service;
    s->e.observed_ns = ctx->received_ns;
    s->e.fields = s->fields.items;
    s->e.field_count = (uint32_t)s->fields.count;
    s->e.events = s->events;
    s->e.event_count = (uint32_t)s->event_count;
    s->e.links = s->links;
    s->e.link_count = (uint32_t)s->link_count;
    *batch_event(out) = s->e;
    r->kinds[INGEST_SPANS].accepted++;
    if (s->cut)
        ingest_warn(r, (err_set(&why, ST_LIMIT, "span \"%.*s\": %zu events or links beyond the first %d are left out", SLICE_FMT(name), s->cut,
                                SPAN_EVENTS_MAX), &why));
}
