/* SPDX-License-Identifier: Apache-2.0 */
/* The numbers are those of opentelemetry/proto/trace/v1/trace.proto and common/v1/common.proto. */
#include "api/otlp_trace_pb.h"

#include "codec/proto.h"
#include "ingest/otlp.h"

enum { ANY_STRING = 1, ANY_BOOL, ANY_INT, ANY_DOUBLE, ANY_ARRAY, ANY_KVLIST, ANY_BYTES };

/* ---- values ---- */

/* The content of an AnyValue. JSON's nesting limit bounds the recursion. */
static void put_nested(struct buf *out, struct json_value v)
{
    struct json_value item;
    struct slice key;
    size_t mark;
    int64_t i;
    double d = 0;
    switch (json_type(v)) {
    case JSON_NULL:
        break;
    case JSON_BOOL:
        proto_put_varint(out, ANY_BOOL, json_get_bool(v));
        break;
    case JSON_INT:
    case JSON_UINT:
        if (json_get_int(v, &i)) {
            proto_put_varint(out, ANY_INT, (uint64_t)i);
            break;
        }
        __attribute__((fallthrough));
    case JSON_DOUBLE:
        (void)json_get_double(v, &d);
        proto_put_double(out, ANY_DOUBLE, d);
        break;
    case JSON_STRING:
        proto_put_bytes(out, ANY_STRING, json_get_string(v));
        break;
    case JSON_ARRAY:
        mark = proto_nested_begin(out, ANY_ARRAY);
        for (struct json_iter it = json_array(v); json_array_next(&it, &item);) {
            size_t one = proto_nested_begin(out, 1);
            put_nested(out, item);
            proto_nested_end(out, one);
        }
        proto_nested_end(out, mark);
        break;
    case JSON_OBJECT:
        mark = proto_nested_begin(out, ANY_KVLIST);
        for (struct json_iter it = json_object(v); json_object_next(&it, &key, &item);) {
            size_t one = proto_nested_begin(out, 1);
            proto_put_bytes(out, 1, key);
            size_t value = proto_nested_begin(out, 2);
            put_nested(out, item);
            proto_nested_end(out, value);
            proto_nested_end(out, one);
        }
        proto_nested_end(out, mark);
        break;
    }
}

static void put_value(struct buf *out, struct json_parser *p, const struct field *f)
{
    struct json_value v;
    struct err err;
    switch ((enum field_type)f->type) {
    case FIELD_JSON:
        if (json_parse(p, f->text, &v, &err) == ST_OK) {
            put_nested(out, v);
            break;
        }
        __attribute__((fallthrough));
    case FIELD_STRING:
        proto_put_bytes(out, ANY_STRING, f->text);
        break;
    case FIELD_INT:
        proto_put_varint(out, ANY_INT, (uint64_t)f->i);
        break;
    case FIELD_DOUBLE:
        proto_put_double(out, ANY_DOUBLE, f->d);
        break;
    case FIELD_BOOL:
        proto_put_varint(out, ANY_BOOL, f->i != 0);
        break;
    case FIELD_BYTES:
        proto_put_bytes(out, ANY_BYTES, f->text);
        break;
    }
}

void otlp_trace_pb_attribute(struct buf *out, uint32_t number, struct json_parser *p, const struct field *f)
{
    size_t mark = proto_nested_begin(out, number);
    proto_put_bytes(out, 1, f->name);
    size_t value = proto_nested_begin(out, 2);
    put_value(out, p, f);
    proto_nested_end(out, value);
    proto_nested_end(out, mark);
}

/* ---- spans ---- */

static void put_attributes(struct buf *out, uint32_t number, struct json_parser *p, struct otlp_attributes it)
{
    for (const struct field *f; (f = otlp_attributes_next(&it));)
        otlp_trace_pb_attribute(out, number, p, f);
}

static void put_text(struct buf *out, uint32_t number, struct slice text)
{
    if (text.len)
        proto_put_bytes(out, number, text);
}

static void put_uint(struct buf *out, uint32_t number, uint32_t v)
{
    if (v)
        proto_put_varint(out, number, v);
}

static void put_id(struct buf *out, uint32_t number, const uint8_t *id, size_t n)
{
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    if (any)
        proto_put_bytes(out, number, slice_of(id, n));
}

static void put_event(struct buf *out, struct json_parser *p, const struct span_event *v)
{
    size_t mark = proto_nested_begin(out, 11);
    proto_put_fixed64(out, 1, (uint64_t)v->time_ns);
    put_text(out, 2, v->name);
    put_attributes(out, 3, p, otlp_attributes_in(v->fields, v->field_count));
    put_uint(out, 4, otlp_hidden_int(v->fields, v->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
    proto_nested_end(out, mark);
}

static void put_link(struct buf *out, struct json_parser *p, const struct span_link *l)
{
    size_t mark = proto_nested_begin(out, 13);
    uint32_t flags = otlp_hidden_int(l->fields, l->field_count, SCOPE_RECORD, OTLP_FLAGS);
    put_id(out, 1, l->trace_id, sizeof l->trace_id);
    put_id(out, 2, l->span_id, sizeof l->span_id);
    put_text(out, 3, l->trace_state);
    put_attributes(out, 4, p, otlp_attributes_in(l->fields, l->field_count));
    put_uint(out, 5, otlp_hidden_int(l->fields, l->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
    if (flags)
        proto_put_fixed32(out, 6, flags);
    proto_nested_end(out, mark);
}

static void put_span(struct buf *out, struct json_parser *p, const struct event *e)
{
    size_t mark = proto_nested_begin(out, 2);
    uint32_t flags = otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_FLAGS);
    put_id(out, 1, e->trace_id, sizeof e->trace_id);
    put_id(out, 2, e->span_id, sizeof e->span_id);
    put_text(out, 3, e->trace_state);
    put_id(out, 4, e->parent_id, sizeof e->parent_id);
    put_text(out, 5, e->body);
    put_uint(out, 6, e->span_kind);
    proto_put_fixed64(out, 7, (uint64_t)e->time_ns);
    proto_put_fixed64(out, 8, (uint64_t)otlp_end_ns(e));
    put_attributes(out, 9, p, otlp_attributes_of(e, SCOPE_RECORD));
    put_uint(out, 10, otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
    for (uint32_t i = 0; i < e->event_count; i++)
        put_event(out, p, &e->events[i]);
    put_uint(out, 12, otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_EVENTS));
    for (uint32_t i = 0; i < e->link_count; i++)
        put_link(out, p, &e->links[i]);
    put_uint(out, 14, otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_LINKS));
    size_t status = proto_nested_begin(out, 15);
    put_text(out, 2, e->status_message);
    put_uint(out, 3, e->span_status);
    proto_nested_end(out, status);
    if (flags)
        proto_put_fixed32(out, 16, flags);
    proto_nested_end(out, mark);
}

static void put_scope(struct buf *out, struct json_parser *p, const struct otlp_scope_spans *g)
{
    const struct event *e = g->first;
    size_t mark = proto_nested_begin(out, 2), scope = proto_nested_begin(out, 1);
    put_text(out, 1, otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME));
    put_text(out, 2, otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION));
    put_attributes(out, 3, p, otlp_attributes_of(e, SCOPE_INSTRUMENTATION));
    put_uint(out, 4, otlp_hidden_int(e->fields, e->field_count, SCOPE_INSTRUMENTATION, OTLP_DROPPED_ATTRIBUTES));
    proto_nested_end(out, scope);
    for (size_t i = 0; i < g->count; i++)
        put_span(out, p, g->spans[i]);
    put_text(out, 3, otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, OTLP_SCHEMA_URL));
    proto_nested_end(out, mark);
}

void otlp_trace_pb(struct buf *out, struct arena *a, const struct event *const *spans, size_t count)
{
    struct otlp_trace t;
    struct json_parser *p = json_parser_new();
    otlp_trace_group(a, spans, count, &t);
    for (size_t i = 0; i < t.count; i++) {
        const struct event *e = t.resources[i].first;
        size_t mark = proto_nested_begin(out, 1), resource = proto_nested_begin(out, 1);
        put_attributes(out, 1, p, otlp_attributes_of(e, SCOPE_RESOURCE));
        put_uint(out, 2, otlp_hidden_int(e->fields, e->field_count, SCOPE_RESOURCE, OTLP_DROPPED_ATTRIBUTES));
        proto_nested_end(out, resource);
        for (size_t k = 0; k < t.resources[i].count; k++)
            put_scope(out, p, &t.resources[i].scopes[k]);
        put_text(out, 3, otlp_hidden_text(e->fields, e->field_count, SCOPE_RESOURCE, OTLP_SCHEMA_URL));
        proto_nested_end(out, mark);
    }
    json_parser_free(p);
}
