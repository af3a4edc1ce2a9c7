/* SPDX-License-Identifier: Apache-2.0 */
/* What Zipkin's reader (ingest/zipkin.c) put into attributes goes back to its place. Of spans that came otherwise: attributes of the
 * resource and the scope are tags, and so are the status, trace state and links; attributes of events stand in annotations. As
 * OpenTelemetry has it: https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/; links as its collector. */
#include "api/zipkin_json.h"
#include "api/otlp_trace.h"

#include "codec/hex.h"
#include "ingest/span.h"

#include <arpa/inet.h>

enum { STATUS_OK = 1, STATUS_ERROR = 2, KIND_CLIENT = 3, KIND_PRODUCER = 4 };

/* Not a tag but something else. */
static bool is_placed(struct slice name, enum field_scope scope, unsigned told)
{
    static const struct slice record[] = { SLICE_INIT("zipkin.debug"), SLICE_INIT("zipkin.shared"), SLICE_INIT("peer.service"),
                                           SLICE_INIT("net.peer.ip"), SLICE_INIT("net.peer.ipv6"), SLICE_INIT("net.peer.port") };
    static const struct slice resource[] = { SLICE_INIT("service.name"), SLICE_INIT("net.host.ip"), SLICE_INIT("net.host.ipv6"),
                                             SLICE_INIT("net.host.port") };
    const struct slice *list = scope == SCOPE_RESOURCE ? resource : record;
    size_t n = scope == SCOPE_RESOURCE ? COUNT_OF(resource) : scope == SCOPE_RECORD ? COUNT_OF(record) : 0;
    if (scope == SCOPE_RECORD && !(told & TOLD_REMOTE))
        n = told & TOLD_REMOTE_NAME ? 3 : 2;
    for (size_t i = 0; i < n; i++)
        if (slice_eq(list[i], name))
            return true;
    return false;
}

static const struct field *field_in(const struct event *e, enum field_scope scope, struct slice name)
{
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == scope && slice_eq(e->fields[i].name, name))
            return &e->fields[i];
    return NULL;
}

/* As OpenTelemetry writes values where texts are asked for: bytes in base64. */
static struct slice tag_text(struct arena *a, const struct field *f)
{
    if (f->type != FIELD_BYTES)
        return field_text(a, f);
    struct buf text;
    buf_init(&text, 0); /* four thirds of the bytes */
    base64_encode(f->text, &text);
    struct slice out = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return out;
}

static struct slice text_in(struct arena *a, const struct event *e, enum field_scope scope, struct slice name)
{
    const struct field *f = field_in(e, scope, name);
    return f ? tag_text(a, f) : SLICE_EMPTY;
}

static void put_text(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_id(struct json_writer *w, const char *key, const uint8_t *id, size_t n)
{
    char text[32];
    hex_encode(slice_of(id, n), text);
    put_text(w, key, slice_of(text, 2 * n));
}

static bool is_zero(const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    return any == 0;
}

/* ---- endpoints ---- */

struct endpoint {
    struct slice service, ip, ipv6; /* ip: of any family */
    const struct field *port;
};

static void put_endpoint(struct json_writer *w, struct slice key, const struct endpoint *p)
{
    if (p->service.len == 0 && p->ip.len == 0 && p->ipv6.len == 0 && p->port == NULL)
        return;
    json_key(w, key);
    json_object_begin(w);
    if (p->service.len)
        put_text(w, "serviceName", p->service);
    if (p->ip.len)
        put_text(w, slice_find_char(p->ip, ':', 0) == SIZE_MAX ? "ipv4" : "ipv6", p->ip);
    if (p->ipv6.len)
        put_text(w, "ipv6", p->ipv6);
    if (p->port) {
        json_key(w, SLICE("port"));
        json_int(w, p->port->i);
    }
    json_object_end(w);
}

static const struct field *port_in(const struct event *e, enum field_scope scope, struct slice name)
{
    const struct field *f = field_in(e, scope, name);
    return f && f->type == FIELD_INT && f->i > 0 && f->i <= UINT16_MAX ? f : NULL;
}

static void put_local(struct json_writer *w, struct arena *a, const struct event *e, unsigned told)
{
    struct endpoint p = { .service = told & TOLD_NO_SERVICE ? SLICE_EMPTY : e->service,
                          .ip = text_in(a, e, SCOPE_RESOURCE, SPAN_LOCAL_IP),
                          .ipv6 = text_in(a, e, SCOPE_RESOURCE, SPAN_LOCAL_IPV6),
                          .port = port_in(e, SCOPE_RESOURCE, SPAN_LOCAL_PORT) };
    if (p.ip.len == 0)
        p.ip = text_in(a, e, SCOPE_RESOURCE, SLICE("ip")); /* Jaeger's */
    put_endpoint(w, SLICE("localEndpoint"), &p);
}

static bool is_ip(struct slice text)
{
    char zero_ended[INET6_ADDRSTRLEN];
    uint8_t bytes[16];
    if (text.len == 0 || text.len >= sizeof zero_ended)
        return false;
    memcpy(zero_ended, text.ptr, text.len);
    zero_ended[text.len] = '\0';
    return inet_pton(AF_INET, zero_ended, bytes) == 1 || inet_pton(AF_INET6, zero_ended, bytes) == 1;
}

/* Jaeger's clients write an IPv4 as a number, too. */
static struct slice address_text(struct arena *a, const struct field *f)
{
    uint32_t n = (uint32_t)f->i;
    if (f->type == FIELD_INT)
        return arena_printf(a, "%u.%u.%u.%u", n >> 24, n >> 16 & 255, n >> 8 & 255, n & 255);
    return tag_text(a, f);
}

/* Attributes that name the peer, the best first. Some are the span's own side where it is the server. */
static const struct rank {
    struct slice name, port;
    bool is_address, of_callers;
} ranks[] = { { SLICE_INIT("peer.service"), SLICE_INIT(""), false, false },
              { SLICE_INIT("server.address"), SLICE_INIT(""), false, true },
              { SLICE_INIT("net.peer.name"), SLICE_INIT(""), false, false },
              { SLICE_INIT("network.peer.address"), SLICE_INIT("network.peer.port"), true, false },
              { SLICE_INIT("net.peer.ip"), SLICE_INIT("net.peer.port"), true, false },
              { SLICE_INIT("server.socket.domain"), SLICE_INIT(""), false, true },
              { SLICE_INIT("server.socket.address"), SLICE_INIT("server.socket.port"), true, true },
              { SLICE_INIT("net.sock.peer.name"), SLICE_INIT(""), false, false },
              { SLICE_INIT("net.sock.peer.addr"), SLICE_INIT("net.sock.peer.port"), true, false },
              { SLICE_INIT("peer.hostname"), SLICE_INIT(""), false, false },
              { SLICE_INIT("peer.ipv4"), SLICE_INIT("peer.port"), true, false },
              { SLICE_INIT("peer.ipv6"), SLICE_INIT("peer.port"), true, false },
              { SLICE_INIT("peer.address"), SLICE_INIT(""), false, false },
              { SLICE_INIT("db.name"), SLICE_INIT(""), false, true } };

static void put_remote(struct json_writer *w, struct arena *a, const struct event *e, unsigned told)
{
    struct endpoint p = { .ipv6 = text_in(a, e, SCOPE_RECORD, SPAN_PEER_IPV6), .port = port_in(e, SCOPE_RECORD, SPAN_PEER_PORT) };
    const struct field *whole = field_in(e, SCOPE_RECORD, SPAN_REMOTE);
    bool is_caller = e->span_kind == KIND_CLIENT || e->span_kind == KIND_PRODUCER;
    if (whole) {
        json_key(w, SLICE("remoteEndpoint"));
        json_raw(w, whole->text);
        return;
    }
    if (told & TOLD_REMOTE) { /* Zipkin's own */
        p.service = text_in(a, e, SCOPE_RECORD, SPAN_PEER);
        p.ip = text_in(a, e, SCOPE_RECORD, SPAN_PEER_IP);
    }
    for (size_t i = 0; i < COUNT_OF(ranks) && !(told & (TOLD_REMOTE | TOLD_NO_REMOTE)); i++) {
        const struct rank *r = &ranks[i];
        const struct field *f = field_in(e, SCOPE_RECORD, r->name);
        if (f == NULL || (r->of_callers && !is_caller))
            continue;
        struct slice text = address_text(a, f);
        if (is_ip(text) && (r->is_address || p.service.len == 0)) {
            p.ip = p.ip.len ? p.ip : text;
            p.port = p.port || r->port.len == 0 ? p.port : port_in(e, SCOPE_RECORD, r->port);
        } else if (p.service.len == 0 && p.ip.len == 0) {
            p.service = text;
        }
    }
    put_endpoint(w, SLICE("remoteEndpoint"), &p);
}

/* ---- annotations and tags ---- */

static void put_attributes(struct json_writer *w, struct arena *a, const struct field *fields, uint32_t count)
{
    json_object_begin(w);
    for (uint32_t i = 0; i < count; i++) {
        const struct field *f = &fields[i];
        if (field_is_hidden(f->name))
            continue;
        json_key(w, f->name);
        switch ((enum field_type)f->type) {
        case FIELD_INT: json_int(w, f->i); break;
        case FIELD_DOUBLE: json_double(w, f->d); break;
        case FIELD_BOOL: json_bool(w, f->i != 0); break;
        case FIELD_JSON: json_raw(w, f->text); break;
        case FIELD_STRING:
        case FIELD_BYTES: json_string(w, tag_text(a, f)); break;
        }
    }
    json_object_end(w);
}

/* With attributes, "name":{"key":"value"}. */
static struct slice annotation(struct arena *a, const struct span_event *v)
{
    struct buf out;
    struct json_writer w;
    uint32_t shown = 0;
    for (uint32_t i = 0; i < v->field_count; i++)
        shown += !field_is_hidden(v->fields[i].name);
    if (shown == 0)
        return v->name;
    buf_init(&out, 0); /* of a span, which is limited */
    json_writer_init(&w, &out);
    json_string(&w, v->name);
    buf_u8(&out, ':');
    json_writer_init(&w, &out);
    put_attributes(&w, a, v->fields, v->field_count);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static void put_annotations(struct json_writer *w, struct arena *a, const struct event *e)
{
    if (e->event_count == 0)
        return;
    json_key(w, SLICE("annotations"));
    json_array_begin(w);
    for (uint32_t i = 0; i < e->event_count; i++) {
        json_object_begin(w);
        json_key(w, SLICE("timestamp"));
        json_int(w, e->events[i].time_ns / 1000);
        put_text(w, "value", annotation(a, &e->events[i]));
        json_object_end(w);
    }
    json_array_end(w);
}

/* otlp.link.N = trace id | span id | trace state | attributes | how many were dropped */
static void put_links(struct json_writer *w, struct arena *a, const struct event *e)
{
    for (uint32_t i = 0; i < e->link_count; i++) {
        const struct span_link *l = &e->links[i];
        char trace[2 * sizeof l->trace_id], span[2 * sizeof l->span_id];
        struct buf out;
        struct json_writer v;
        hex_encode(slice_of(l->trace_id, sizeof l->trace_id), trace);
        hex_encode(slice_of(l->span_id, sizeof l->span_id), span);
        buf_init(&out, 0); /* of a span, which is limited */
        buf_printf(&out, "%.*s|%.*s|%.*s|", (int)sizeof trace, trace, (int)sizeof span, span, SLICE_FMT(l->trace_state));
        json_writer_init(&v, &out);
        put_attributes(&v, a, l->fields, l->field_count);
        buf_printf(&out, "|%u", otlp_hidden_int(l->fields, l->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
        json_key(w, arena_printf(a, "otlp.link.%u", i));
        json_string(w, buf_as_slice(&out));
        buf_free(&out);
    }
}

static void put_dropped(struct json_writer *w, struct arena *a, const struct event *e)
{
    static const struct slice names[][2] = { { SLICE_INIT("otlp:dropped_attributes_count"), SLICE_INIT("otel.dropped_attributes_count") },
                                             { SLICE_INIT("otlp:dropped_events_count"), SLICE_INIT("otel.dropped_events_count") },
                                             { SLICE_INIT("otlp:dropped_links_count"), SLICE_INIT("otel.dropped_links_count") } };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint32_t n = otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, names[i][0]);
        if (n == 0)
            continue;
        json_key(w, names[i][1]);
        json_string(w, arena_printf(a, "%u", n));
    }
}

static void put_status(struct json_writer *w, const struct event *e, unsigned told, bool has_error)
{
    bool has_code = field_in(e, SCOPE_RECORD, SLICE("otel.status_code")) != NULL;
    if (e->span_status == STATUS_ERROR && !has_error)
        put_text(w, "error", e->status_message.len || !(told & TOLD_BARE_ERROR) ? e->status_message : SLICE("true"));
    if (e->span_status && !has_error && !has_code && !(told & TOLD_BARE_ERROR))
        put_text(w, "otel.status_code", e->span_status == STATUS_OK ? SLICE("OK") : SLICE("ERROR"));
}

static struct slice tag_name(struct arena *a, const struct field *f)
{
    if (f->scope != SCOPE_INSTRUMENTATION)
        return f->name;
    bool is_own = slice_eq(f->name, EVENT_SCOPE_NAME) || slice_eq(f->name, EVENT_SCOPE_VERSION); /* scope.name */
    return arena_printf(a, is_own ? "otel.%.*s" : "otel.scope.%.*s", SLICE_FMT(f->name));
}

/* A span with the tag "error", whatever its value, has failed: so an attribute that is no text says it only with the status. */
static bool is_tag(const struct field *f, unsigned told)
{
    if (field_is_hidden(f->name) || (f->scope == SCOPE_RECORD && f->type == FIELD_BOOL && slice_eq(f->name, SLICE("error"))))
        return false;
    return !is_placed(f->name, (enum field_scope)f->scope, told);
}

static void put_tags(struct json_writer *w, struct arena *a, const struct event *e, unsigned told)
{
    const struct field *error = field_in(e, SCOPE_RECORD, SLICE("error"));
    struct buf out;
    struct json_writer tags;
    buf_init(&out, 0); /* of a span, which is limited */
    json_writer_init(&tags, &out);
    json_object_begin(&tags);
    size_t empty = buf_as_slice(&out).len;
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (!is_tag(f, told))
            continue;
        json_key(&tags, tag_name(a, f));
        json_string(&tags, tag_text(a, f));
    }
    put_status(&tags, e, told, error && error->type != FIELD_BOOL);
    if (e->trace_state.len)
        put_text(&tags, "w3c.tracestate", e->trace_state);
    put_links(&tags, a, e);
    put_dropped(&tags, a, e);
    if (buf_as_slice(&out).len > empty) {
        json_object_end(&tags);
        json_key(w, SLICE("tags"));
        json_raw(w, buf_as_slice(&out));
    }
    buf_free(&out);
}

static void put_flag(struct json_writer *w, const struct event *e, struct slice field, const char *key)
{
    if (field_in(e, SCOPE_RECORD, field)) {
        json_key(w, slice_str(key));
        json_bool(w, true);
    }
}

void zipkin_json_span(struct json_writer *w, struct arena *a, const struct event *e)
{
    static const char *const kinds[] = { NULL, NULL, "SERVER", "CLIENT", "PRODUCER", "CONSUMER" };
    bool is_short = is_zero(e->trace_id, 8);
    unsigned told = otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, SPAN_TOLD);
    json_object_begin(w);
    put_id(w, "traceId", e->trace_id + (is_short ? 8 : 0), is_short ? 8 : 16);
    if (!is_zero(e->parent_id, sizeof e->parent_id))
        put_id(w, "parentId", e->parent_id, sizeof e->parent_id);
    put_id(w, "id", e->span_id, sizeof e->span_id);
    if (e->span_kind < COUNT_OF(kinds) && kinds[e->span_kind])
        put_text(w, "kind", slice_str(kinds[e->span_kind]));
    if (e->body.len)
        put_text(w, "name", e->body);
    if (!(told & TOLD_NO_TIME)) {
        json_key(w, SLICE("timestamp"));
        json_int(w, e->time_ns / 1000);
    }
    if (e->duration_ns > 0) {
        json_key(w, SLICE("duration"));
        json_int(w, MAX(e->duration_ns / 1000, (int64_t)1)); /* 0 is none there */
    }
    put_local(w, a, e, told);
    put_remote(w, a, e, told);
    put_annotations(w, a, e);
    put_tags(w, a, e, told);
    put_flag(w, e, SPAN_DEBUG, "debug");
    put_flag(w, e, SPAN_SHARED, "shared");
    json_object_end(w);
}
