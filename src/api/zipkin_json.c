/* SPDX-License-Identifier: Apache-2.0 */
/* What Zipkin's reader (ingest/zipkin.c) put into attributes goes back to its place. Of spans that came otherwise: attributes of the
 * resource and the scope are tags, and so is the status, as OpenTelemetry has it:
 * https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/zipkin/ */
#include "api/zipkin_json.h"

#include "codec/hex.h"
#include "ingest/span.h"

enum { STATUS_OK = 1, STATUS_ERROR = 2 };

struct endpoint {
    struct slice service, ip, ipv6;
    int64_t port;
};

/* Not a tag but something else. */
static bool is_placed(struct slice name, enum field_scope scope)
{
    static const struct slice record[] = { SLICE_INIT("peer.service"), SLICE_INIT("net.peer.ip"), SLICE_INIT("net.peer.ipv6"),
                                           SLICE_INIT("net.peer.port"), SLICE_INIT("zipkin.debug"), SLICE_INIT("zipkin.shared") };
    static const struct slice resource[] = { SLICE_INIT("service.name"), SLICE_INIT("net.host.ip"), SLICE_INIT("net.host.ipv6"),
                                             SLICE_INIT("net.host.port") };
    const struct slice *list = scope == SCOPE_RESOURCE ? resource : record;
    size_t n = scope == SCOPE_RESOURCE ? COUNT_OF(resource) : scope == SCOPE_RECORD ? COUNT_OF(record) : 0;
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

static struct slice text_in(struct arena *a, const struct event *e, enum field_scope scope, struct slice name)
{
    const struct field *f = field_in(e, scope, name);
    return f ? field_text(a, f) : SLICE_EMPTY;
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

static void put_endpoint(struct json_writer *w, struct arena *a, const struct event *e, bool is_local)
{
    enum field_scope scope = is_local ? SCOPE_RESOURCE : SCOPE_RECORD;
    struct slice service = is_local ? e->service : text_in(a, e, scope, SPAN_PEER);
    struct slice ip = text_in(a, e, scope, is_local ? SPAN_LOCAL_IP : SPAN_PEER_IP);
    struct slice ipv6 = text_in(a, e, scope, is_local ? SPAN_LOCAL_IPV6 : SPAN_PEER_IPV6);
    const struct field *port = field_in(e, scope, is_local ? SPAN_LOCAL_PORT : SPAN_PEER_PORT);
    if (service.len == 0 && ip.len == 0 && port == NULL)
        return;
    json_key(w, is_local ? SLICE("localEndpoint") : SLICE("remoteEndpoint"));
    json_object_begin(w);
    if (service.len)
        put_text(w, "serviceName", service);
    if (ip.len)
        put_text(w, slice_find_char(ip, ':', 0) == SIZE_MAX ? "ipv4" : "ipv6", ip);
    if (ipv6.len)
        put_text(w, "ipv6", ipv6);
    if (port && port->type == FIELD_INT) {
        json_key(w, SLICE("port"));
        json_int(w, port->i);
    }
    json_object_end(w);
}

static void put_annotations(struct json_writer *w, const struct event *e)
{
    if (e->event_count == 0)
        return;
    json_key(w, SLICE("annotations"));
    json_array_begin(w);
    for (uint32_t i = 0; i < e->event_count; i++) {
        json_object_begin(w);
        json_key(w, SLICE("timestamp"));
        json_int(w, e->events[i].time_ns / 1000);
        put_text(w, "value", e->events[i].name);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_tags(struct json_writer *w, struct arena *a, const struct event *e)
{
    bool has_error = field_in(e, SCOPE_RECORD, SLICE("error")), has_code = field_in(e, SCOPE_RECORD, SLICE("otel.status_code"));
    json_key(w, SLICE("tags"));
    json_object_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        bool is_scope = f->scope == SCOPE_INSTRUMENTATION;
        if (is_placed(f->name, (enum field_scope)f->scope) || field_is_hidden(f->name))
            continue;
        json_key(w, is_scope ? arena_printf(a, "otel.%.*s", SLICE_FMT(f->name)) : f->name);
        json_string(w, field_text(a, f));
    }
    if (e->span_status == STATUS_ERROR && !has_error)
        put_text(w, "error", e->status_message.len ? e->status_message : SLICE("true"));
    if (e->span_status && !has_error && !has_code)
        put_text(w, "otel.status_code", e->span_status == STATUS_OK ? SLICE("OK") : SLICE("ERROR"));
    json_object_end(w);
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
    json_object_begin(w);
    put_id(w, "traceId", e->trace_id + (is_short ? 8 : 0), is_short ? 8 : 16);
    if (!is_zero(e->parent_id, sizeof e->parent_id))
        put_id(w, "parentId", e->parent_id, sizeof e->parent_id);
    put_id(w, "id", e->span_id, sizeof e->span_id);
    if (e->span_kind < COUNT_OF(kinds) && kinds[e->span_kind])
        put_text(w, "kind", slice_str(kinds[e->span_kind]));
    put_text(w, "name", e->body);
    json_key(w, SLICE("timestamp"));
    json_int(w, e->time_ns / 1000);
    if (e->duration_ns > 0) {
        json_key(w, SLICE("duration"));
        json_int(w, MAX(e->duration_ns / 1000, (int64_t)1)); /* 0 is none there */
    }
    put_endpoint(w, a, e, true);
    put_endpoint(w, a, e, false);
    put_annotations(w, e);
    put_tags(w, a, e);
    put_flag(w, e, SPAN_DEBUG, "debug");
    put_flag(w, e, SPAN_SHARED, "shared");
    json_object_end(w);
}
