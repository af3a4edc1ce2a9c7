/* SPDX-License-Identifier: Apache-2.0 */
/* https://opentelemetry.io/docs/specs/otel/trace/sdk_exporters/jaeger/, and back to what Jaeger's own reader (ingest/jaeger.c) was told. */
#include "api/jaeger_json.h"
#include "api/otlp_trace.h"
#include "api/trace_read.h"
#include "api/trace_skew.h"

#include "base/map.h"
#include "base/num.h"
#include "codec/hex.h"
#include "ingest/span.h"

#define JS_INT_MAX (((int64_t)1 << 53) - 1)
enum { STATUS_OK = 1, STATUS_ERROR = 2, JAEGER_SAMPLED = 1, JAEGER_DEBUG = 2 };

static void put_hex(struct json_writer *w, const uint8_t *id, size_t n)
{
    char text[32];
    hex_encode(slice_of(id, n), text);
    json_string(w, slice_of(text, 2 * n));
}

static void tag_begin(struct json_writer *w, struct slice key, struct slice type)
{
    json_object_begin(w);
    json_key(w, SLICE("key"));
    json_string(w, key);
    json_key(w, SLICE("type"));
    json_string(w, type);
    json_key(w, SLICE("value"));
}

static void put_text_tag(struct json_writer *w, struct slice key, struct slice value)
{
    tag_begin(w, key, SLICE("string"));
    json_string(w, value);
    json_object_end(w);
}

static void put_text_tag_of(struct json_writer *w, const char *key, struct slice value)
{
    if (value.len)
        put_text_tag(w, slice_str(key), value);
}

/* The scope's name, version and attributes have tags of their own. */
static struct slice tag_name(struct arena *a, const struct field *f, unsigned told)
{
    bool is_library = told & TOLD_LIBRARY;
    if (f->scope != SCOPE_INSTRUMENTATION)
        return f->name;
    if (slice_eq(f->name, EVENT_SCOPE_NAME))
        return is_library ? SLICE("otel.library.name") : SLICE("otel.scope.name");
    if (slice_eq(f->name, EVENT_SCOPE_VERSION))
        return is_library ? SLICE("otel.library.version") : SLICE("otel.scope.version");
    return arena_printf(a, "otel.scope.%.*s", SLICE_FMT(f->name));
}

static void put_binary(struct json_writer *w, struct slice bytes)
{
    struct buf text;
    buf_init(&text, 0); /* four thirds of the bytes */
    base64_encode(bytes, &text);
    json_string(w, buf_as_slice(&text));
    buf_free(&text);
}

/* JavaScript would read other numbers of more than 53 bits: they are texts. */
static void put_int(struct json_writer *w, int64_t i)
{
    char text[NUM_TEXT_BYTES_MAX];
    if (i >= -JS_INT_MAX && i <= JS_INT_MAX)
        json_int(w, i);
    else
        json_string(w, slice_of(text, num_format_i64(i, text)));
}

static void put_named_tag(struct json_writer *w, const struct field *f, struct slice name)
{
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
    case FIELD_JSON:
        put_text_tag(w, name, f->text);
        return;
    case FIELD_BYTES:
        tag_begin(w, name, SLICE("binary"));
        put_binary(w, f->text);
        break;
    case FIELD_INT:
        tag_begin(w, name, SLICE("int64"));
        put_int(w, f->i);
        break;
    case FIELD_DOUBLE:
        tag_begin(w, name, SLICE("float64"));
        json_double(w, f->d);
        break;
    case FIELD_BOOL:
        tag_begin(w, name, SLICE("bool"));
        json_bool(w, f->i != 0);
        break;
    }
    json_object_end(w);
}

static void put_tag(struct json_writer *w, const struct field *f)
{
    put_named_tag(w, f, f->name);
}

/* What a client dropped: https://opentelemetry.io/docs/specs/otel/common/mapping-to-non-otlp/ */
static void put_dropped(struct json_writer *w, const struct field *fields, uint32_t count)
{
    static const struct slice names[][2] = { { SLICE_INIT("otlp:dropped_attributes_count"), SLICE_INIT("otel.dropped_attributes_count") },
                                             { SLICE_INIT("otlp:dropped_events_count"), SLICE_INIT("otel.dropped_events_count") },
                                             { SLICE_INIT("otlp:dropped_links_count"), SLICE_INIT("otel.dropped_links_count") } };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        uint32_t n = otlp_hidden_int(fields, count, SCOPE_RECORD, names[i][0]);
        if (n)
            put_tag(w, &(struct field){ .type = FIELD_INT, .name = names[i][1], .i = n });
    }
}

/* An attribute by the name of a tag that says what the span itself knows: the tag stands for both. */
static bool is_said(const struct event *e, const struct field *f)
{
    struct slice n = f->name;
    if (f->scope != SCOPE_RECORD)
        return false;
    return (e->span_status == STATUS_ERROR && slice_eq(n, SLICE("error"))) || (e->span_status && slice_eq(n, SLICE("otel.status_code"))) ||
           (e->status_message.len && slice_eq(n, SLICE("otel.status_description"))) ||
           slice_eq(n, SPAN_DEBUG) ||
           (e->trace_state.len && slice_eq(n, SLICE("w3c.tracestate"))) || (e->span_kind && slice_eq(n, SLICE("span.kind")));
}

static void put_tags(struct json_writer *w, struct arena *a, const struct event *e)
{
    unsigned told = otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, SPAN_TOLD);
    json_array_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (f->scope != SCOPE_RESOURCE && !field_is_hidden(f->name) && !is_said(e, f))
            put_named_tag(w, f, tag_name(a, f, told));
    }
    if (e->span_kind)
        put_text_tag(w, SLICE("span.kind"), trace_kind_name(e->span_kind));
    if (e->span_status == STATUS_OK)
        put_text_tag(w, SLICE("otel.status_code"), SLICE("OK"));
    if (e->span_status == STATUS_ERROR && !(told & TOLD_BARE_ERROR))
        put_text_tag(w, SLICE("otel.status_code"), SLICE("ERROR"));
    if (e->span_status == STATUS_ERROR && !(told & TOLD_BARE_CODE))
        put_tag(w, &(struct field){ .type = FIELD_BOOL, .name = SLICE("error"), .i = 1 });
    put_text_tag_of(w, "otel.status_description", e->status_message);
    put_text_tag_of(w, "w3c.tracestate", e->trace_state);
    put_dropped(w, e->fields, e->field_count);
    if (e->weight != 1)
        put_tag(w, &(struct field){ .type = FIELD_DOUBLE, .name = SLICE("stoa.weight"), .d = e->weight });
    json_array_end(w);
}

static void put_logs(struct json_writer *w, const struct event *e)
{
    json_array_begin(w);
    for (uint32_t i = 0; i < e->event_count; i++) {
        const struct span_event *s = &e->events[i];
        json_object_begin(w);
        json_key(w, SLICE("timestamp"));
        json_int(w, s->time_ns / 1000);
        json_key(w, SLICE("fields"));
        json_array_begin(w);
        if (s->name.len)
            put_text_tag(w, SLICE("event"), s->name);
        for (uint32_t k = 0; k < s->field_count; k++)
            if (!field_is_hidden(s->fields[k].name))
                put_tag(w, &s->fields[k]);
        put_dropped(w, s->fields, s->field_count);
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_reference(struct json_writer *w, struct slice type, const uint8_t *trace, const uint8_t *span)
{
    json_object_begin(w);
    json_key(w, SLICE("refType"));
    json_string(w, type);
    json_key(w, SLICE("traceID"));
    put_hex(w, trace, 16);
    json_key(w, SLICE("spanID"));
    put_hex(w, span, 8);
    json_object_end(w);
}

/* OpenTracing's kind of reference, where a link says it. */
static struct slice reference_type(const struct span_link *l)
{
    for (uint32_t i = 0; i < l->field_count; i++)
        if (slice_eq(l->fields[i].name, SPAN_REF_TYPE) && slice_eq(l->fields[i].text, SLICE("child_of")))
            return SLICE("CHILD_OF");
    return SLICE("FOLLOWS_FROM");
}

static void put_references(struct json_writer *w, const struct event *e)
{
    static const uint8_t none[8];
    json_array_begin(w);
    if (memcmp(e->parent_id, none, sizeof none) != 0)
        put_reference(w, SLICE("CHILD_OF"), e->trace_id, e->parent_id);
    for (uint32_t i = 0; i < e->link_count; i++)
        put_reference(w, reference_type(&e->links[i]), e->links[i].trace_id, e->links[i].span_id);
    json_array_end(w);
}

static void put_flags(struct json_writer *w, const struct event *e)
{
    unsigned flags = otlp_hidden_int(e->fields, e->field_count, SCOPE_RECORD, OTLP_FLAGS) & JAEGER_SAMPLED;
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == SCOPE_RECORD && slice_eq(e->fields[i].name, SPAN_DEBUG))
            flags |= JAEGER_DEBUG;
    if (flags == 0)
        return;
    json_key(w, SLICE("flags"));
    json_uint(w, flags);
}

static void put_warnings(struct json_writer *w, const struct trace_warnings *warnings)
{
    json_key(w, SLICE("warnings"));
    if (warnings == NULL || warnings->count == 0) {
        json_raw(w, SLICE("null"));
        return;
    }
    json_array_begin(w);
    for (size_t i = 0; i < warnings->count; i++)
        json_string(w, warnings->list[i]);
    json_array_end(w);
}

static void put_span(struct json_writer *w, struct arena *a, const struct event *e, struct slice process, const struct trace_warnings *warnings)
{
    json_object_begin(w);
    json_key(w, SLICE("traceID"));
    put_hex(w, e->trace_id, 16);
    json_key(w, SLICE("spanID"));
    put_hex(w, e->span_id, 8);
    put_flags(w, e);
    json_key(w, SLICE("operationName"));
    json_string(w, e->body);
    json_key(w, SLICE("references"));
    put_references(w, e);
    json_key(w, SLICE("startTime"));
    json_int(w, e->time_ns / 1000);
    json_key(w, SLICE("duration"));
    json_int(w, e->duration_ns / 1000);
    json_key(w, SLICE("tags"));
    put_tags(w, a, e);
    json_key(w, SLICE("logs"));
    put_logs(w, e);
    json_key(w, SLICE("processID"));
    json_string(w, process);
    put_warnings(w, warnings);
    json_object_end(w);
}

/* What makes two spans share a process: service and resource. */
static struct slice process_key(struct arena *a, const struct event *e)
{
    struct buf key;
    buf_init(&key, 0);
    buf_lenslice(&key, e->service);
    for (uint32_t i = 0; i < e->field_count; i++) {
        if (e->fields[i].scope != SCOPE_RESOURCE)
            continue;
        buf_lenslice(&key, e->fields[i].name);
        buf_lenslice(&key, field_text(a, &e->fields[i]));
    }
    struct slice out = arena_copy(a, buf_as_slice(&key));
    buf_free(&key);
    return out;
}

static void put_process(struct json_writer *w, const struct event *e)
{
    json_object_begin(w);
    json_key(w, SLICE("serviceName"));
    json_string(w, e->service);
    json_key(w, SLICE("tags"));
    json_array_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == SCOPE_RESOURCE && !slice_eq(e->fields[i].name, SLICE("service.name")) &&
            !field_is_hidden(e->fields[i].name))
            put_tag(w, &e->fields[i]);
    json_array_end(w);
    json_object_end(w);
}

void jaeger_json_trace(struct json_writer *w, struct arena *a, const struct event *const *spans, size_t count, bool corrects)
{
    struct trace_warnings *warnings = NULL;
    struct map ids;
    const struct event **examples = arena_array(a, const struct event *, count);
    struct slice *names = arena_array(a, struct slice, count);
    map_init(&ids);
    if (corrects)
        spans = trace_skew(a, spans, count, &warnings);
    json_object_begin(w);
    json_key(w, SLICE("traceID"));
    put_hex(w, spans[0]->trace_id, 16);
    json_key(w, SLICE("spans"));
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        bool added;
        uint64_t *id = map_put(&ids, process_key(a, spans[i]), &added);
        if (added) {
            *id = ids.count - 1;
            examples[*id] = spans[i];
            names[*id] = arena_printf(a, "p%zu", ids.count);
        }
        put_span(w, a, spans[i], names[*id], warnings ? &warnings[i] : NULL);
    }
    json_array_end(w);
    json_key(w, SLICE("processes"));
    json_object_begin(w);
    for (size_t i = 0; i < ids.count; i++) {
        json_key(w, names[i]);
        put_process(w, examples[i]);
    }
    json_object_end(w);
    json_key(w, SLICE("warnings"));
    json_raw(w, SLICE("null"));
    json_object_end(w);
    map_free(&ids);
}
