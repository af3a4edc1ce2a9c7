/* SPDX-License-Identifier: Apache-2.0 */
/* https://opentelemetry.io/docs/specs/otlp/#json-protobuf-encoding. What is zero or empty is left out, as protobuf's JSON does. */
#include "api/otlp_trace_json.h"

#include "base/num.h"
#include "codec/hex.h"
#include "ingest/otlp.h"

enum { ID_DIGITS_MAX = 32 };

struct writer {
    struct json_writer *w;
    struct json_parser *p;
    enum otlp_json_style style;
};

/* ---- values ---- */

static void put_key_values(struct json_writer *w, struct json_value map);

static void any_begin(struct json_writer *w, const char *key)
{
    json_object_begin(w);
    json_key(w, slice_str(key));
}

static void put_i64(struct json_writer *w, int64_t v)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_string(w, slice_of(text, num_format_i64(v, text)));
}

static void put_list(struct json_writer *w, struct json_value list);

/* A value of a list or map, as an AnyValue. */
static void put_nested(struct json_writer *w, struct json_value v)
{
    int64_t i;
    double d = 0;
    switch (json_type(v)) {
    case JSON_NULL:
        json_object_begin(w);
        break;
    case JSON_BOOL:
        any_begin(w, "boolValue");
        json_bool(w, json_get_bool(v));
        break;
    case JSON_INT:
    case JSON_UINT:
        if (json_get_int(v, &i)) {
            any_begin(w, "intValue");
            put_i64(w, i);
            break;
        }
        __attribute__((fallthrough));
    case JSON_DOUBLE:
        (void)json_get_double(v, &d);
        any_begin(w, "doubleValue");
        json_double(w, d);
        break;
    case JSON_STRING:
        any_begin(w, "stringValue");
        json_string(w, json_get_string(v));
        break;
    case JSON_ARRAY:
        any_begin(w, "arrayValue");
        put_list(w, v);
        break;
    case JSON_OBJECT:
        any_begin(w, "kvlistValue");
        put_key_values(w, v);
        break;
    }
    json_object_end(w);
}

static void put_list(struct json_writer *w, struct json_value list)
{
    struct json_value item;
    any_begin(w, "values");
    json_array_begin(w);
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);)
        put_nested(w, item);
    json_array_end(w);
    json_object_end(w);
}

static void put_key_values(struct json_writer *w, struct json_value map)
{
    struct slice key;
    struct json_value item;
    any_begin(w, "values");
    json_array_begin(w);
    for (struct json_iter it = json_object(map); json_object_next(&it, &key, &item);) {
        any_begin(w, "key");
        json_string(w, key);
        json_key(w, SLICE("value"));
        put_nested(w, item);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_base64(struct json_writer *w, struct slice bytes)
{
    struct buf text;
    buf_init(&text, 0); /* four thirds of the bytes */
    base64_encode(bytes, &text);
    json_string(w, buf_as_slice(&text));
    buf_free(&text);
}

static void put_value(struct json_writer *w, struct json_parser *p, const struct field *f)
{
    struct json_value v;
    struct err err;
    switch ((enum field_type)f->type) {
    case FIELD_JSON:
        if (json_parse(p, f->text, &v, &err) == ST_OK) {
            put_nested(w, v);
            return;
        }
        __attribute__((fallthrough));
    case FIELD_STRING:
        any_begin(w, "stringValue");
        json_string(w, f->text);
        break;
    case FIELD_INT:
        any_begin(w, "intValue");
        put_i64(w, f->i);
        break;
    case FIELD_DOUBLE:
        any_begin(w, "doubleValue");
        json_double(w, f->d);
        break;
    case FIELD_BOOL:
        any_begin(w, "boolValue");
        json_bool(w, f->i != 0);
        break;
    case FIELD_BYTES:
        any_begin(w, "bytesValue");
        put_base64(w, f->text);
        break;
    }
    json_object_end(w);
}

void otlp_trace_json_attribute(struct json_writer *w, struct json_parser *p, const struct field *f)
{
    any_begin(w, "key");
    json_string(w, f->name);
    json_key(w, SLICE("value"));
    put_value(w, p, f);
    json_object_end(w);
}

/* ---- spans ---- */

static void put_attributes(struct writer *s, struct otlp_attributes it)
{
    const struct field *f = otlp_attributes_next(&it);
    if (f == NULL)
        return;
    json_key(s->w, SLICE("attributes"));
    json_array_begin(s->w);
    for (; f; f = otlp_attributes_next(&it))
        otlp_trace_json_attribute(s->w, s->p, f);
    json_array_end(s->w);
}

static void put_text(struct writer *s, const char *key, struct slice text)
{
    if (text.len == 0)
        return;
    json_key(s->w, slice_str(key));
    json_string(s->w, text);
}

static void put_uint(struct writer *s, const char *key, uint32_t v)
{
    if (v == 0)
        return;
    json_key(s->w, slice_str(key));
    json_uint(s->w, v);
}

static void put_time(struct writer *s, const char *key, int64_t ns)
{
    json_key(s->w, slice_str(key));
    put_i64(s->w, ns);
}

static void put_id(struct writer *s, const char *key, const uint8_t *id, size_t n)
{
    char text[ID_DIGITS_MAX];
    uint8_t any = 0;
    for (size_t i = 0; i < n; i++)
        any |= id[i];
    if (!any)
        return;
    json_key(s->w, slice_str(key));
    if (s->style == OTLP_JSON_BASE64) {
        put_base64(s->w, slice_of(id, n));
        return;
    }
    hex_encode(slice_of(id, n), text);
    json_string(s->w, slice_of(text, 2 * n));
}

static void put_enum(struct writer *s, const char *key, const char *const *names, unsigned v)
{
    if (s->style == OTLP_JSON_HEX) {
        put_uint(s, key, v);
    } else if (v) {
        json_key(s->w, slice_str(key));
        json_string(s->w, slice_str(names[v]));
    }
}

static void put_events(struct writer *s, const struct event *e)
{
    if (e->event_count == 0)
        return;
    json_key(s->w, SLICE("events"));
    json_array_begin(s->w);
    for (uint32_t i = 0; i < e->event_count; i++) {
        const struct span_event *v = &e->events[i];
        json_object_begin(s->w);
        put_time(s, "timeUnixNano", v->time_ns);
        put_text(s, "name", v->name);
        put_attributes(s, otlp_attributes_in(v->fields, v->field_count));
        put_uint(s, "droppedAttributesCount", otlp_hidden_int(v->fields, v->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
        json_object_end(s->w);
    }
    json_array_end(s->w);
}

static void put_links(struct writer *s, const struct event *e)
{
    if (e->link_count == 0)
        return;
    json_key(s->w, SLICE("links"));
    json_array_begin(s->w);
    for (uint32_t i = 0; i < e->link_count; i++) {
        const struct span_link *l = &e->links[i];
        json_object_begin(s->w);
        put_id(s, "traceId", l->trace_id, sizeof l->trace_id);
        put_id(s, "spanId", l->span_id, sizeof l->span_id);
        put_text(s, "traceState", l->trace_state);
        put_attributes(s, otlp_attributes_in(l->fields, l->field_count));
        put_uint(s, "droppedAttributesCount", otlp_hidden_int(l->fields, l->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
        put_uint(s, "flags", otlp_hidden_int(l->fields, l->field_count, SCOPE_RECORD, OTLP_FLAGS));
        json_object_end(s->w);
    }
    json_array_end(s->w);
}

static void put_span(struct writer *s, const struct event *e)
{
    static const char *const kinds[] = { "SPAN_KIND_UNSPECIFIED", "SPAN_KIND_INTERNAL", "SPAN_KIND_SERVER", "SPAN_KIND_CLIENT",
                                         "SPAN_KIND_PRODUCER", "SPAN_KIND_CONSUMER" };
    static const char *const codes[] = { "STATUS_CODE_UNSET", "STATUS_CODE_OK", "STATUS_CODE_ERROR" };
    json_object_begin(s->w);
    put_id(s, "traceId", e->trace_id, sizeof e->trace_id);
    put_id(s, "spanId", e->span_id, sizeof e->span_id);
    put_text(s, "traceState", e->trace_state);
    put_id(s, "parentSpanId", e->parent_id, sizeof e->parent_id);
    put_uint(s, "flags", otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_FLAGS));
    put_text(s, "name", e->body);
    put_enum(s, "kind", kinds, MIN(e->span_kind, COUNT_OF(kinds) - 1));
    put_time(s, "startTimeUnixNano", e->time_ns);
    put_time(s, "endTimeUnixNano", otlp_end_ns(e));
    put_attributes(s, otlp_attributes_of(e, SCOPE_RECORD));
    put_uint(s, "droppedAttributesCount", otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES));
    put_events(s, e);
    put_uint(s, "droppedEventsCount", otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_EVENTS));
    put_links(s, e);
    put_uint(s, "droppedLinksCount", otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_DROPPED_LINKS));
    json_key(s->w, SLICE("status"));
    json_object_begin(s->w);
    put_text(s, "message", e->status_message);
    put_enum(s, "code", codes, MIN(e->span_status, COUNT_OF(codes) - 1));
    json_object_end(s->w);
    json_object_end(s->w);
}

static void put_scope(struct writer *s, const struct otlp_scope_spans *g)
{
    const struct event *e = g->first;
    json_object_begin(s->w);
    json_key(s->w, SLICE("scope"));
    json_object_begin(s->w);
    put_text(s, "name", otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME));
    put_text(s, "version", otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION));
    put_attributes(s, otlp_attributes_of(e, SCOPE_INSTRUMENTATION));
    put_uint(s, "droppedAttributesCount", otlp_hidden_int(e->fields, e->field_count, SCOPE_INSTRUMENTATION, OTLP_DROPPED_ATTRIBUTES));
    json_object_end(s->w);
    json_key(s->w, SLICE("spans"));
    json_array_begin(s->w);
    for (size_t i = 0; i < g->count; i++)
        put_span(s, g->spans[i]);
    json_array_end(s->w);
    put_text(s, "schemaUrl", otlp_hidden_text(e->fields, e->field_count, SCOPE_INSTRUMENTATION, OTLP_SCHEMA_URL));
    json_object_end(s->w);
}

static void put_resource(struct writer *s, const struct otlp_resource_spans *g)
{
    const struct event *e = g->first;
    json_object_begin(s->w);
    json_key(s->w, SLICE("resource"));
    json_object_begin(s->w);
    put_attributes(s, otlp_attributes_of(e, SCOPE_RESOURCE));
    put_uint(s, "droppedAttributesCount", otlp_hidden_int(e->fields, e->field_count, SCOPE_RESOURCE, OTLP_DROPPED_ATTRIBUTES));
    json_object_end(s->w);
    json_key(s->w, SLICE("scopeSpans"));
    json_array_begin(s->w);
    for (size_t i = 0; i < g->count; i++)
        put_scope(s, &g->scopes[i]);
    json_array_end(s->w);
    put_text(s, "schemaUrl", otlp_hidden_text(e->fields, e->field_count, SCOPE_RESOURCE, OTLP_SCHEMA_URL));
    json_object_end(s->w);
}

void otlp_trace_json_members(struct json_writer *w, struct arena *a, enum otlp_json_style style, const struct event *const *spans, size_t count)
{
    struct otlp_trace t;
    struct writer s = { w, json_parser_new(), style };
    otlp_trace_group(a, spans, count, &t);
    for (size_t i = 0; i < t.count; i++)
        put_resource(&s, &t.resources[i]);
    json_parser_free(s.p);
}

void otlp_trace_json(struct json_writer *w, struct arena *a, enum otlp_json_style style, const struct event *const *spans, size_t count)
{
    json_array_begin(w);
    otlp_trace_json_members(w, a, style, spans, count);
    json_array_end(w);
}
