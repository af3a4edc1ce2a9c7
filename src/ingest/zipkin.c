/* SPDX-License-Identifier: Apache-2.0 */
/* Zipkin's second model, as JSON (a list of spans) and as protobuf (ListOfSpans{ spans=1 }).
 * https://github.com/openzipkin/zipkin-api: zipkin2-api.yaml and zipkin.proto.
 *
 * Tags are attributes, annotations events; of tags, w3c.tracestate, otel.scope.name and .version have places of their own. A tag
 * "error" makes the span's status an error, and its text the status's message; it stays a tag, too. A shared span (the server's half
 * of a call, under the client's id) says so in an attribute. */
#include "ingest/span.h"
#include "ingest/zipkin_json.h"

#include "base/num.h"
#include "codec/json.h"

#include <arpa/inet.h>

enum { KIND_CLIENT = 3, KIND_SERVER = 2, KIND_PRODUCER = 4, KIND_CONSUMER = 5, STATUS_OK = 1, STATUS_ERROR = 2, PORT_MAX = 65535 };

struct endpoint {
    struct slice service, ipv4, ipv6;
    uint64_t port;
};

/* ---- what both forms do ---- */

static void put_endpoint(struct span_parts *s, const struct endpoint *e, bool is_local)
{
    enum field_scope scope = is_local ? SCOPE_RESOURCE : SCOPE_RECORD;
    struct slice ip = e->ipv4.len ? e->ipv4 : e->ipv6;
    if (is_local) {
        s->service = e->service;
        s->told |= e->service.len ? 0 : TOLD_NO_SERVICE;
    }
    if (e->service.len)
        span_text(s, scope, is_local ? SLICE("service.name") : SPAN_PEER, e->service);
    if (ip.len)
        span_text(s, scope, is_local ? SPAN_LOCAL_IP : SPAN_PEER_IP, ip);
    if (e->ipv4.len && e->ipv6.len)
        span_text(s, scope, is_local ? SPAN_LOCAL_IPV6 : SPAN_PEER_IPV6, e->ipv6);
    if (e->port && e->port <= PORT_MAX)
        span_int(s, scope, is_local ? SPAN_LOCAL_PORT : SPAN_PEER_PORT, (int64_t)e->port);
}

static bool has_own(const struct span_parts *s, struct slice name)
{
    for (size_t i = 0; i < s->fields.count; i++)
        if (s->fields.items[i].scope == SCOPE_RECORD && slice_eq(s->fields.items[i].name, name))
            return true;
    return false;
}

static struct slice endpoint_json(struct arena *a, const struct endpoint *e, bool has_port)
{
    const struct slice texts[] = { e->service, e->ipv4, e->ipv6 }, keys[] = { SLICE("serviceName"), SLICE("ipv4"), SLICE("ipv6") };
    struct json_writer w;
    struct buf out;
    buf_init(&out, 0); /* a part of the request */
    json_writer_init(&w, &out);
    json_object_begin(&w);
    for (size_t i = 0; i < COUNT_OF(texts); i++)
        if (texts[i].len) {
            json_key(&w, keys[i]);
            json_string(&w, texts[i]);
        }
    if (has_port) {
        json_key(&w, SLICE("port"));
        json_uint(&w, e->port);
    }
    json_object_end(&w);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

/* Has it attributes of which Zipkin's writer (api/zipkin_json.c) would make an endpoint? */
static bool looks_remote(const struct span_parts *s)
{
    static const struct slice names[] = {
        SLICE_INIT("peer.service"), SLICE_INIT("server.address"), SLICE_INIT("net.peer.name"), SLICE_INIT("network.peer.address"),
        SLICE_INIT("net.peer.ip"), SLICE_INIT("server.socket.domain"), SLICE_INIT("server.socket.address"), SLICE_INIT("net.sock.peer.name"),
        SLICE_INIT("net.sock.peer.addr"), SLICE_INIT("peer.hostname"), SLICE_INIT("peer.ipv4"), SLICE_INIT("peer.ipv6"),
        SLICE_INIT("peer.address"), SLICE_INIT("db.name"), SLICE_INIT("net.peer.ipv6"), SLICE_INIT("net.peer.port"),
    };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (has_own(s, names[i]))
            return true;
    return false;
}

/* Tags may have the names of the remote endpoint's attributes, such as peer.service: then they are the attributes, and it stays aside. */
static void put_remote(struct span_parts *s, const struct endpoint *e)
{
    static const struct slice names[] = { SLICE_INIT("peer.service"), SLICE_INIT("net.peer.ip"), SLICE_INIT("net.peer.ipv6"),
                                          SLICE_INIT("net.peer.port") };
    bool is_taken = false, has_port = e->port && e->port <= PORT_MAX;
    if (e->service.len == 0 && e->ipv4.len == 0 && e->ipv6.len == 0 && !has_port) {
        s->told |= looks_remote(s) ? TOLD_NO_REMOTE : 0;
        return;
    }
    for (size_t i = 0; i < COUNT_OF(names); i++)
        is_taken |= has_own(s, names[i]);
    if (!is_taken) {
        put_endpoint(s, e, false);
        s->told |= TOLD_REMOTE;
        return;
    }
    if (e->service.len && !has_own(s, SPAN_PEER)) {
        span_text(s, SCOPE_RECORD, SPAN_PEER, e->service);
        s->told |= TOLD_REMOTE_NAME;
    }
    span_text(s, SCOPE_RECORD, SPAN_REMOTE, endpoint_json(s->arena, e, has_port));
}

/* True when the tag has a place of its own and went there. */
static bool tag_place(struct span_parts *s, struct slice key, struct slice value)
{
    if (value.len == 0)
        return false;
    if (slice_eq(key, SLICE("w3c.tracestate")))
        s->e.trace_state = value;
    else if (slice_eq(key, SLICE("otel.scope.name")))
        span_text(s, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME, value);
    else if (slice_eq(key, SLICE("otel.scope.version")))
        span_text(s, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION, value);
    else
        return false;
    return true;
}

static void put_tag(struct span_parts *s, struct slice key, struct slice value)
{
    if (tag_place(s, key, value))
        return;
    if (slice_eq(key, SLICE("error"))) {
        bool is_text = value.len && !slice_eq(value, SLICE("true"));
        s->e.span_status = STATUS_ERROR;
        if (is_text)
            s->e.status_message = value;
    } else if (slice_eq(key, SLICE("otel.status_code")) && s->e.span_status == 0) {
        s->e.span_status = slice_eq(value, SLICE("ERROR")) ? STATUS_ERROR : slice_eq(value, SLICE("OK")) ? STATUS_OK : 0;
    }
    span_text(s, SCOPE_RECORD, key, value);
}

static void put_annotation(struct span_parts *s, uint64_t us, struct slice value)
{
    span_event_add(s, (struct span_event){ .time_ns = span_time_of_us(us), .name = value });
}

static uint8_t kind_of(struct slice name)
{
    static const struct {
        struct slice name;
        uint8_t kind;
    } kinds[] = { { SLICE_INIT("CLIENT"), KIND_CLIENT }, { SLICE_INIT("SERVER"), KIND_SERVER }, { SLICE_INIT("PRODUCER"), KIND_PRODUCER },
                  { SLICE_INIT("CONSUMER"), KIND_CONSUMER } };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (slice_eq_nocase(kinds[i].name, name))
            return kinds[i].kind;
    return 0;
}

/* A span without a time has that of its first annotation. */
static void set_times(struct span_parts *s, uint64_t us, uint64_t duration_us)
{
    s->e.time_ns = span_time_of_us(us);
    s->e.duration_ns = span_time_of_us(duration_us);
    for (size_t i = 0; us == 0 && i < s->event_count; i++)
        if (s->e.time_ns == 0 || s->events[i].time_ns < s->e.time_ns)
            s->e.time_ns = s->events[i].time_ns;
}

/* ---- JSON ---- */

static void json_endpoint(struct jread *j, struct endpoint *e)
{
    struct slice key;
    if (jread_peek(j) == JREAD_NULL) {
        jread_skip(j);
        return;
    }
    if (!jread_object(j))
        return;
    while (jread_key(j, &key)) {
        if (slice_eq(key, SLICE("serviceName")))
            e->service = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("ipv4")))
            e->ipv4 = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("ipv6")))
            e->ipv6 = zipkin_json_text(j);
        else if (slice_eq(key, SLICE("port")))
            e->port = zipkin_json_number(j);
        else
            jread_skip(j);
    }
}

static void json_annotations(struct jread *j, struct span_parts *s)
{
    struct slice key;
    if (!jread_array(j))
        return;
    while (jread_item(j)) {
        uint64_t us = 0;
        struct slice value = SLICE_EMPTY;
        if (!jread_object(j))
            return;
        while (jread_key(j, &key)) {
            if (slice_eq(key, SLICE("timestamp")))
                us = zipkin_json_number(j);
            else if (slice_eq(key, SLICE("value")))
                value = zipkin_json_text(j);
            else
                jread_skip(j);
        }
        put_annotation(s, us, value);
    }
}

static void json_tags(struct jread *j, struct span_parts *s)
{
    struct slice key;
    if (!jread_object(j))
        return;
    while (jread_key(j, &key))
        put_tag(s, key, zipkin_json_text(j));
}

enum member { M_TRACE, M_ID, M_PARENT, M_NAME, M_KIND, M_TIME, M_DURATION, M_LOCAL, M_REMOTE, M_ANNOTATIONS, M_TAGS, M_DEBUG, M_SHARED, MEMBERS };

static const struct slice member_names[MEMBERS] = {
    [M_TRACE] = SLICE_INIT("traceId"),        [M_ID] = SLICE_INIT("id"),              [M_PARENT] = SLICE_INIT("parentId"),
    [M_NAME] = SLICE_INIT("name"),            [M_KIND] = SLICE_INIT("kind"),          [M_TIME] = SLICE_INIT("timestamp"),
    [M_DURATION] = SLICE_INIT("duration"),    [M_LOCAL] = SLICE_INIT("localEndpoint"), [M_REMOTE] = SLICE_INIT("remoteEndpoint"),
    [M_ANNOTATIONS] = SLICE_INIT("annotations"), [M_TAGS] = SLICE_INIT("tags"),       [M_DEBUG] = SLICE_INIT("debug"),
    [M_SHARED] = SLICE_INIT("shared"),
};

static enum member member_of(struct slice key)
{
    int i = 0;
    while (i < MEMBERS && !slice_eq(member_names[i], key))
        i++;
    return (enum member)i;
}

struct zipkin_span { /* what is put into its place at the end, whatever the order of members */
    struct endpoint local, remote;
    uint64_t us, duration_us;
};

static void json_member(struct jread *j, enum member m, struct span_parts *s, struct zipkin_span *z)
{
    if (m == MEMBERS || jread_peek(j) == JREAD_NULL) {
        jread_skip(j);
        return;
    }
    switch (m) {
    case M_TRACE: s->has_trace = span_id_of_text(zipkin_json_text(j), s->e.trace_id, sizeof s->e.trace_id); return;
    case M_ID: s->has_id = span_id_of_text(zipkin_json_text(j), s->e.span_id, sizeof s->e.span_id); return;
    case M_PARENT: span_id_of_text(zipkin_json_text(j), s->e.parent_id, sizeof s->e.parent_id); return;
    case M_NAME: s->e.body = zipkin_json_text(j); return;
    case M_KIND: s->e.span_kind = kind_of(zipkin_json_text(j)); return;
    case M_TIME: z->us = zipkin_json_number(j); return;
    case M_DURATION: z->duration_us = zipkin_json_number(j); return;
    case M_LOCAL: json_endpoint(j, &z->local); return;
    case M_REMOTE: json_endpoint(j, &z->remote); return;
    case M_ANNOTATIONS: json_annotations(j, s); return;
    case M_TAGS: json_tags(j, s); return;
    case M_DEBUG:
        if (jread_bool(j))
            span_true(s, SPAN_DEBUG);
        return;
    case M_SHARED:
        if (jread_bool(j))
            span_true(s, SPAN_SHARED);
        return;
    case MEMBERS: return;
    }
}

static void finish(struct span_parts *s, const struct zipkin_span *z, const struct ingest_ctx *ctx, struct batch *out, struct ingest_result *r)
{
    put_endpoint(s, &z->local, true);
    put_remote(s, &z->remote);
    set_times(s, z->us, z->duration_us);
    span_finish(s, ctx, out, r);
}

static enum status json_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *r, struct err *err)
{
    struct jread j = jread_of(body, out->arena, err);
    struct slice key;
    if (jread_array(&j))
        while (jread_item(&j)) {
            struct span_parts s;
            struct zipkin_span z = { 0 };
            span_begin(&s, out->arena);
            if (!jread_object(&j))
                break;
            while (jread_key(&j, &key))
                json_member(&j, member_of(key), &s, &z);
            if (j.bad)
                break;
            finish(&s, &z, ctx, out, r);
            enum status st = ingest_check(out, err);
            if (st)
                return st;
        }
    if (jread_end(&j))
        return ST_OK;
    err_prefix(err, "zipkin: the body is no list of spans: ");
    return ST_INVALID;
}

/* ---- protobuf ---- */

/* Empty when it has neither 4 nor 16 bytes. */
static struct slice ip_text(struct arena *a, struct slice bytes)
{
    char text[INET6_ADDRSTRLEN];
    if ((bytes.len != 4 && bytes.len != 16) || inet_ntop(bytes.len == 4 ? AF_INET : AF_INET6, bytes.ptr, text, sizeof text) == NULL)
        return SLICE_EMPTY;
    return arena_copy(a, slice_str(text));
}

static bool pb_endpoint(struct slice bytes, struct arena *a, struct endpoint *e)
{
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        switch (p.field) {
        case 1: e->service = p.bytes; break;
        case 2: e->ipv4 = ip_text(a, p.bytes); break;
        case 3: e->ipv6 = ip_text(a, p.bytes); break;
        case 4: e->port = p.value; break;
        }
    }
    return !p.bad;
}

static bool pb_annotation(struct slice bytes, struct span_parts *s)
{
    uint64_t us = 0;
    struct slice value = SLICE_EMPTY;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 1)
            us = p.value;
        else if (p.field == 2)
            value = p.bytes;
    }
    put_annotation(s, us, value);
    return !p.bad;
}

static bool pb_tag(struct slice bytes, struct span_parts *s)
{
    struct slice key = SLICE_EMPTY, value = SLICE_EMPTY;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 1)
            key = p.bytes;
        else if (p.field == 2)
            value = p.bytes;
    }
    put_tag(s, key, value);
    return !p.bad;
}

static bool pb_id(struct slice bytes, uint8_t *out, size_t n)
{
    memset(out, 0, n);
    if (bytes.len == 0 || bytes.len > n)
        return false;
    memcpy(out + n - bytes.len, bytes.ptr, bytes.len);
    for (size_t i = 0; i < n; i++)
        if (out[i])
            return true;
    return false;
}

static bool pb_span(struct slice bytes, struct span_parts *s, struct zipkin_span *z)
{
    static const uint8_t kinds[] = { 0, KIND_CLIENT, KIND_SERVER, KIND_PRODUCER, KIND_CONSUMER };
    bool ok = true;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        switch (p.field) {
        case 1: s->has_trace = pb_id(p.bytes, s->e.trace_id, sizeof s->e.trace_id); break;
        case 2: pb_id(p.bytes, s->e.parent_id, sizeof s->e.parent_id); break;
        case 3: s->has_id = pb_id(p.bytes, s->e.span_id, sizeof s->e.span_id); break;
        case 4: s->e.span_kind = p.value < COUNT_OF(kinds) ? kinds[p.value] : 0; break;
        case 5: s->e.body = p.bytes; break;
        case 6: z->us = p.value; break;
        case 7: z->duration_us = p.value; break;
        case 8: ok = pb_endpoint(p.bytes, s->arena, &z->local) && ok; break;
        case 9: ok = pb_endpoint(p.bytes, s->arena, &z->remote) && ok; break;
        case 10: ok = pb_annotation(p.bytes, s) && ok; break;
        case 11: ok = pb_tag(p.bytes, s) && ok; break;
        case 12:
            if (p.value)
                span_true(s, SPAN_DEBUG);
            break;
        case 13:
            if (p.value)
                span_true(s, SPAN_SHARED);
            break;
        }
    }
    return ok && !p.bad;
}

static enum status pb_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *r, struct err *err)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        struct span_parts s;
        struct zipkin_span z = { 0 };
        if (p.field != 1)
            continue;
        span_begin(&s, out->arena);
        if (!pb_span(p.bytes, &s, &z))
            return err_set(err, ST_INVALID, "zipkin: a span of the list is no protobuf message");
        finish(&s, &z, ctx, out, r);
        enum status st = ingest_check(out, err);
        if (st)
            return st;
    }
    return p.bad ? err_set(err, ST_INVALID, "zipkin: the body is no ListOfSpans") : ST_OK;
}

enum status zipkin_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct slice type = ingest_header(ctx, SLICE("content-type")), text = slice_trim(body);
    bool is_list = text.len && text.ptr[0] == '[';
    bool is_proto = slice_contains(type, SLICE("protobuf")) || (!is_list && body.len && body.ptr[0] == '\n'); /* the tag of field 1 */
    return is_proto ? pb_decode(ctx, body, out, result, err) : json_decode(ctx, body, out, result, err);
}
