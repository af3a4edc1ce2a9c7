/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP traces: ExportTraceServiceRequest{ resource_spans=1 { resource=1, scope_spans=2 { scope=1, spans=2 } } }.
 *
 * A span's stream is {service_name="..."}; everything it carries stays with it: attributes by scope, events, links, status. */
#include "base/ends.h"
#include "base/num.h"
#include "base/utf8.h"
#include "ingest/otlp.h"

enum { RESOURCE_SPANS = 1, SCOPE_SPANS = 2, SPANS = 2, SPAN_KIND_MAX = 5, SPAN_STATUS_MAX = 2,
       SCHEMA_URL = 3, RESOURCE_DROPPED = 2, SCOPE_DROPPED = 4, NAME_TOLD_BYTES_MAX = 80,
       SPAN_FIELDS_FIRST = 16, SHARED_BITS = 9, SHARED_BYTES_MAX = 64 /* longer ones seldom repeat */ };

enum span_field { SPAN_TRACE = 1, SPAN_ID = 2, SPAN_STATE = 3, SPAN_PARENT = 4, SPAN_NAME = 5, SPAN_KIND = 6, SPAN_START = 7, SPAN_END = 8,
                  SPAN_ATTRIBUTES = 9, SPAN_DROPPED_ATTRIBUTES = 10, SPAN_EVENTS = 11, SPAN_DROPPED_EVENTS = 12, SPAN_LINKS = 13,
                  SPAN_DROPPED_LINKS = 14, SPAN_STATUS = 15, SPAN_FLAGS = 16 };

/* Texts of a request, by their ends: of equal ones the first stands for all, so that whoever comes after knows them by their address. */
struct shared {
    struct slice texts[1 << SHARED_BITS];
};

struct span_lists {
    struct field_list fields;
    struct span_event *events;
    struct span_link *links;
    size_t event_count, event_cap, link_count, link_cap;
    size_t bad_parent_bytes;
    uint64_t cut_events, cut_links, dropped_events, dropped_links; /* by us, and by the client */
};

/* What is no attribute, among them; 0 says nothing. */
static void hidden_int(struct arena *a, struct field_list *out, enum field_scope scope, struct slice name, uint64_t value)
{
    if (value)
        ARENA_PUSH(a, out->items, out->count, out->cap) =
            (struct field){ .scope = (uint8_t)scope, .type = FIELD_INT, .name = name, .i = (int64_t)(uint32_t)value };
}

static void hidden_text(struct arena *a, struct field_list *out, enum field_scope scope, struct slice name, struct slice text)
{
    if (text.len)
        ARENA_PUSH(a, out->items, out->count, out->cap) =
            (struct field){ .scope = (uint8_t)scope, .type = FIELD_STRING, .name = name, .text = text };
}

static bool event_read(struct slice bytes, struct arena *a, struct span_lists *lists)
{
    struct field_list fields = { 0 };
    struct span_event e = { .name = SLICE_EMPTY };
    bool ok = true;
    struct pb p = pb_of(bytes);
    if (lists->event_count == SPAN_EVENTS_MAX) {
        lists->cut_events++;
        return true;
    }
    while (pb_next(&p)) {
        switch (p.field) {
        case 1:
            e.time_ns = otlp_time(p.value);
            break;
        case 2:
            e.name = p.bytes;
            break;
        case 3:
            ok = otlp_attribute(a, p.bytes, SCOPE_RECORD, &fields) && ok;
            break;
        case 4:
            hidden_int(a, &fields, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES, p.value);
            break;
        }
    }
    e.fields = fields.items;
    e.field_count = (uint32_t)fields.count;
    ARENA_PUSH(a, lists->events, lists->event_count, lists->event_cap) = e;
    return ok && !p.bad;
}

static bool link_read(struct slice bytes, struct arena *a, struct span_lists *lists)
{
    struct field_list fields = { 0 };
    struct span_link l = { .trace_state = SLICE_EMPTY };
    bool ok = true;
    struct pb p = pb_of(bytes);
    if (lists->link_count == SPAN_EVENTS_MAX) {
        lists->cut_links++;
        return true;
    }
    while (pb_next(&p)) {
        switch (p.field) {
        case 1:
            otlp_id(p.bytes, l.trace_id, sizeof l.trace_id);
            break;
        case 2:
            otlp_id(p.bytes, l.span_id, sizeof l.span_id);
            break;
        case 3:
            l.trace_state = p.bytes;
            break;
        case 4:
            ok = otlp_attribute(a, p.bytes, SCOPE_RECORD, &fields) && ok;
            break;
        case 5:
            hidden_int(a, &fields, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES, p.value);
            break;
        case 6:
            hidden_int(a, &fields, SCOPE_RECORD, OTLP_FLAGS, p.value);
            break;
        }
    }
    l.fields = fields.items;
    l.field_count = (uint32_t)fields.count;
    ARENA_PUSH(a, lists->links, lists->link_count, lists->link_cap) = l;
    return ok && !p.bad;
}

static bool status_read(struct slice bytes, struct event *e)
{
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 2)
            e->status_message = p.bytes;
        else if (p.field == 3)
            e->span_status = p.value <= SPAN_STATUS_MAX ? (uint8_t)p.value : 0;
    }
    return !p.bad;
}

/* What the span says of itself beside its attributes. */
static void hidden_span(struct arena *a, struct span_lists *lists, enum span_field field, uint64_t value)
{
    switch (field) {
    case SPAN_DROPPED_EVENTS: lists->dropped_events = (uint32_t)value; return;
    case SPAN_DROPPED_LINKS: lists->dropped_links = (uint32_t)value; return;
    case SPAN_FLAGS: hidden_int(a, &lists->fields, SCOPE_RECORD, OTLP_FLAGS, value); return;
    default: hidden_int(a, &lists->fields, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES, value); return;
    }
}

/* False, with the reason, when the span cannot be kept. */
static bool span_read(struct slice bytes, struct arena *a, struct event *e, struct span_lists *lists, struct err *why)
{
    bool has_trace = false, has_id = false, ok = true;
    uint64_t end = 0;
    size_t trace_bytes = 0, id_bytes = 0;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        switch ((enum span_field)p.field) {
        case SPAN_TRACE:
            trace_bytes = p.bytes.len;
            has_trace = otlp_id(p.bytes, e->trace_id, sizeof e->trace_id);
            break;
        case SPAN_ID:
            id_bytes = p.bytes.len;
            has_id = otlp_id(p.bytes, e->span_id, sizeof e->span_id);
            break;
        case SPAN_STATE:
            e->trace_state = p.bytes;
            break;
        case SPAN_PARENT:
            otlp_id(p.bytes, e->parent_id, sizeof e->parent_id);
            lists->bad_parent_bytes = p.bytes.len == sizeof e->parent_id ? 0 : p.bytes.len;
            break;
        case SPAN_NAME:
            e->body = p.bytes;
            break;
        case SPAN_KIND:
            e->span_kind = p.value <= SPAN_KIND_MAX ? (uint8_t)p.value : 0;
            break;
        case SPAN_START:
            e->time_ns = otlp_time(p.value);
            break;
        case SPAN_END:
            end = p.value;
            break;
        case SPAN_ATTRIBUTES:
            ok = otlp_attribute(a, p.bytes, SCOPE_RECORD, &lists->fields) && ok;
            break;
        case SPAN_DROPPED_ATTRIBUTES:
        case SPAN_DROPPED_EVENTS:
        case SPAN_DROPPED_LINKS:
        case SPAN_FLAGS:
            hidden_span(a, lists, (enum span_field)p.field, p.value);
            break;
        case SPAN_EVENTS:
            ok = event_read(p.bytes, a, lists) && ok;
            break;
        case SPAN_LINKS:
            ok = link_read(p.bytes, a, lists) && ok;
            break;
        case SPAN_STATUS:
            ok = status_read(p.bytes, e) && ok;
            break;
        }
    }
    struct slice name = utf8_cut(e->body, NAME_TOLD_BYTES_MAX);
    hidden_int(a, &lists->fields, SCOPE_RECORD, OTLP_DROPPED_EVENTS, lists->dropped_events + lists->cut_events);
    hidden_int(a, &lists->fields, SCOPE_RECORD, OTLP_DROPPED_LINKS, lists->dropped_links + lists->cut_links);
    e->duration_ns = otlp_time(end) > e->time_ns ? sat_sub(otlp_time(end), e->time_ns) : 0;
    if (!ok || p.bad)
        err_set(why, ST_INVALID, "span \"%.*s\" is no valid message (broken protobuf, or an attribute without a key)", SLICE_FMT(name));
    else if (!has_trace)
        err_set(why, ST_INVALID, "span \"%.*s\": trace_id has %zu bytes, must be 16 and not all zero", SLICE_FMT(name), trace_bytes);
    else if (!has_id)
        err_set(why, ST_INVALID, "span \"%.*s\": span_id has %zu bytes, must be 8 and not all zero", SLICE_FMT(name), id_bytes);
    else if (e->time_ns == 0)
        err_set(why, ST_INVALID, "span \"%.*s\": start_time_unix_nano is 0", SLICE_FMT(name));
    else
        return true;
    return false;
}

static struct slice share(struct shared *s, struct slice text)
{
    struct slice *at = &s->texts[ends_place(text, SHARED_BITS)];
    if (text.len > SHARED_BYTES_MAX)
        return text;
    if (at->len && ends_same(*at, text))
        return *at;
    *at = text;
    return text;
}

static void share_fields(struct shared *s, struct field *fields, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        fields[i].name = share(s, fields[i].name);
        if (fields[i].type == FIELD_STRING)
            fields[i].text = share(s, fields[i].text);
    }
}

static void span_add(const struct ingest_ctx *ctx, struct slice bytes, const struct otlp_resource *scope, struct slice stream,
                     struct slice service, struct shared *shared, struct batch *out, struct ingest_result *r)
{
    struct span_lists lists = { 0 };
    struct err why;
    lists.fields.cap = scope->fields.count + SPAN_FIELDS_FIRST;
    lists.fields.items = arena_array(out->arena, struct field, lists.fields.cap);
    lists.fields.count = scope->fields.count;
    if (lists.fields.count)
        memcpy(lists.fields.items, scope->fields.items, lists.fields.count * sizeof *lists.fields.items);
    struct event *e = batch_event(out);
    e->kind = EVENT_SPAN;
    e->stream = stream;
    e->service = service;
    e->observed_ns = ctx->received_ns;
    if (!span_read(bytes, out->arena, e, &lists, &why)) {
        ingest_reject(r, INGEST_SPANS, 1, &why);
        out->event_count--;
        return;
    }
    share_fields(shared, lists.fields.items + scope->fields.count, lists.fields.count - scope->fields.count);
    e->body = share(shared, e->body);
    e->fields = lists.fields.items;
    e->field_count = (uint32_t)lists.fields.count;
    e->events = lists.events;
    e->event_count = (uint32_t)lists.event_count;
    e->links = lists.links;
    e->link_count = (uint32_t)lists.link_count;
    r->kinds[INGEST_SPANS].accepted++;
    struct slice name = utf8_cut(e->body, NAME_TOLD_BYTES_MAX);
    if (lists.cut_events + lists.cut_links)
        ingest_warn(r, (err_set(&why, ST_LIMIT, "span \"%.*s\": %zu events or links beyond the first %d are left out", SLICE_FMT(name),
                                (size_t)(lists.cut_events + lists.cut_links), SPAN_EVENTS_MAX), &why));
    if (lists.bad_parent_bytes)
        ingest_warn(r, (err_set(&why, ST_INVALID, "span \"%.*s\": parent_span_id has %zu bytes, must be 8; the span is kept without a parent",
                                SLICE_FMT(name), lists.bad_parent_bytes), &why));
}

/* What stands beside the attributes of a ResourceSpans or ScopeSpans message: of what it is about (field 1), and of itself. */
static void hidden_read(struct arena *a, struct slice message, uint32_t dropped_number, enum field_scope scope, struct field_list *out)
{
    struct pb p = pb_of(otlp_message_in(message, 1));
    while (pb_next(&p))
        if (p.field == dropped_number)
            hidden_int(a, out, scope, OTLP_DROPPED_ATTRIBUTES, p.value);
    hidden_text(a, out, scope, OTLP_SCHEMA_URL, otlp_message_in(message, SCHEMA_URL));
}

static enum status resource_decode(const struct ingest_ctx *ctx, struct slice message, struct shared *shared, struct batch *out,
                                   struct ingest_result *r, struct err *err)
{
    struct otlp_resource resource, scope;
    struct slice stream;
    struct err why = { 0 };
    bool whole = otlp_resource_read(out->arena, message, &resource);
    struct slice service = resource.service.len ? resource.service : SLICE("unknown_service");
    struct label label = { SLICE("service_name"), service };
    enum status st = labels_build(out->arena, &label, 1, &stream, &why);
    if (!whole && !st)
        st = err_set(&why, ST_INVALID, "an attribute is no valid message");
    if (st) {
        err_prefix(&why, "resource of spans: ");
        ingest_reject(r, INGEST_SPANS, otlp_count(message, SCOPE_SPANS, SPANS), &why);
        return ST_OK;
    }
    hidden_read(out->arena, message, RESOURCE_DROPPED, SCOPE_RESOURCE, &resource.fields);
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != SCOPE_SPANS)
            continue;
        if (!otlp_scope_read(out->arena, p.bytes, &resource, &scope))
            ingest_warn(r, (err_set(&why, ST_INVALID, "scope of spans: an attribute is no valid message, left out"), &why));
        hidden_read(out->arena, p.bytes, SCOPE_DROPPED, SCOPE_INSTRUMENTATION, &scope.fields);
        /* A scope copies its resource's fields: a request of many empty scopes must end, too. */
        st = ingest_check(out, err);
        if (st)
            return st;
        struct pb q = pb_of(p.bytes);
        while (pb_next(&q)) {
            if (q.field != SPANS)
                continue;
            span_add(ctx, q.bytes, &scope, stream, service, shared, out, r);
            st = ingest_check(out, err);
            if (st)
                return st;
        }
        if (q.bad)
            return err_set(err, ST_INVALID, "otlp traces: scope_spans is no protobuf message");
    }
    return p.bad ? err_set(err, ST_INVALID, "otlp traces: resource_spans is no protobuf message") : ST_OK;
}

enum status otlp_traces_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct slice message;
    enum status st = otlp_body(ctx, OTLP_TRACES, body, out->arena, &message, err);
    if (st)
        return st;
    struct pb p = pb_of(message);
    struct shared *shared = arena_zalloc(out->arena, sizeof *shared);
    while (pb_next(&p)) {
        if (p.field != RESOURCE_SPANS)
            continue;
        st = resource_decode(ctx, p.bytes, shared, out, result, err);
        if (st)
            return st;
    }
    return p.bad ? err_set(err, ST_INVALID, "otlp traces: the body is no ExportTraceServiceRequest") : ST_OK;
}
