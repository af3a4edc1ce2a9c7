/* SPDX-License-Identifier: Apache-2.0 */
#include "api/jaeger_json.h"
#include "api/trace_read.h"

#include "base/map.h"
#include "codec/hex.h"

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

/* Names and versions of scopes have tags of their own. */
static struct slice tag_name(const struct field *f)
{
    bool is_scope = f->scope == SCOPE_INSTRUMENTATION;
    return is_scope && slice_eq(f->name, EVENT_SCOPE_NAME)      ? SLICE("otel.scope.name")
           : is_scope && slice_eq(f->name, EVENT_SCOPE_VERSION) ? SLICE("otel.scope.version")
                                                                : f->name;
}

static void put_tag(struct json_writer *w, struct arena *a, const struct field *f)
{
    struct slice name = tag_name(f);
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
    case FIELD_JSON:
    case FIELD_BYTES:
        put_text_tag(w, name, field_text(a, f));
        return;
    case FIELD_INT:
        tag_begin(w, name, SLICE("int64"));
        json_int(w, f->i);
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

static void put_tags(struct json_writer *w, struct arena *a, const struct event *e)
{
    json_array_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope != SCOPE_RESOURCE && !field_is_hidden(e->fields[i].name))
            put_tag(w, a, &e->fields[i]);
    if (e->span_kind)
        put_text_tag(w, SLICE("span.kind"), trace_kind_name(e->span_kind));
    if (e->span_status == 1)
        put_text_tag(w, SLICE("otel.status_code"), SLICE("OK"));
    if (e->span_status == 2) {
        put_text_tag(w, SLICE("otel.status_code"), SLICE("ERROR"));
        put_tag(w, a, &(struct field){ .type = FIELD_BOOL, .name = SLICE("error"), .i = 1 });
    }
    if (e->status_message.len)
        put_text_tag(w, SLICE("otel.status_description"), e->status_message);
    if (e->trace_state.len)
        put_text_tag(w, SLICE("w3c.tracestate"), e->trace_state);
    if (e->weight != 1)
        put_tag(w, a, &(struct field){ .type = FIELD_DOUBLE, .name = SLICE("stoa.weight"), .d = e->weight });
    json_array_end(w);
}

static void put_logs(struct json_writer *w, struct arena *a, const struct event *e)
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
                put_tag(w, a, &s->fields[k]);
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

static void put_references(struct json_writer *w, const struct event *e)
{
    static const uint8_t none[8];
    json_array_begin(w);
    if (memcmp(e->parent_id, none, sizeof none) != 0)
        put_reference(w, SLICE("CHILD_OF"), e->trace_id, e->parent_id);
    for (uint32_t i = 0; i < e->link_count; i++)
        put_reference(w, SLICE("FOLLOWS_FROM"), e->links[i].trace_id, e->links[i].span_id);
    json_array_end(w);
}

static void put_span(struct json_writer *w, struct arena *a, const struct event *e, struct slice process)
{
    json_object_begin(w);
    json_key(w, SLICE("traceID"));
    put_hex(w, e->trace_id, 16);
    json_key(w, SLICE("spanID"));
    put_hex(w, e->span_id, 8);
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
    put_logs(w, a, e);
    json_key(w, SLICE("processID"));
    json_string(w, process);
    json_key(w, SLICE("warnings"));
    json_raw(w, SLICE("null"));
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

static void put_process(struct json_writer *w, struct arena *a, const struct event *e)
{
    json_object_begin(w);
    json_key(w, SLICE("serviceName"));
    json_string(w, e->service);
    json_key(w, SLICE("tags"));
    json_array_begin(w);
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == SCOPE_RESOURCE && !slice_eq(e->fields[i].name, SLICE("service.name")) &&
            !field_is_hidden(e->fields[i].name))
            put_tag(w, a, &e->fields[i]);
    json_array_end(w);
    json_object_end(w);
}

void jaeger_json_trace(struct json_writer *w, struct arena *a, const struct event *const *spans, size_t count)
{
    struct map ids;
    const struct event **examples = arena_array(a, const struct event *, count);
    struct slice *names = arena_array(a, struct slice, count);
    map_init(&ids);
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
        put_span(w, a, spans[i], names[*id]);
    }
    json_array_end(w);
    json_key(w, SLICE("processes"));
    json_object_begin(w);
    for (size_t i = 0; i < ids.count; i++) {
        json_key(w, names[i]);
        put_process(w, a, examples[i]);
    }
    json_object_end(w);
    json_key(w, SLICE("warnings"));
    json_raw(w, SLICE("null"));
    json_object_end(w);
    map_free(&ids);
}
