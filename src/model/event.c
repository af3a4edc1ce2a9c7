/* SPDX-License-Identifier: Apache-2.0 */
/* Fields: found by name, and as text. */
#include "model/event.h"

#include "base/num.h"

struct slice service_of_labels(struct slice labels)
{
    static const struct slice names[] = {
        SLICE_INIT("service_name"), SLICE_INIT("service"), SLICE_INIT("app"), SLICE_INIT("application"), SLICE_INIT("app_name"),
        SLICE_INIT("name"), SLICE_INIT("app_kubernetes_io_name"), SLICE_INIT("container"), SLICE_INIT("container_name"),
        SLICE_INIT("k8s_container_name"), SLICE_INIT("component"), SLICE_INIT("workload"), SLICE_INIT("job"), SLICE_INIT("k8s_job_name"),
    };
    size_t best = COUNT_OF(names);
    struct slice service = SLICE_EMPTY;
    for (struct label l; labels_next(&labels, &l);)
        for (size_t i = 0; i < best; i++)
            if (slice_eq(l.name, names[i])) {
                best = i;
                service = l.value;
            }
    return service;
}

bool event_has_trace(const struct event *e)
{
    static const uint8_t none[sizeof e->trace_id];
    return memcmp(e->trace_id, none, sizeof none) != 0;
}

bool field_is_hidden(struct slice name)
{
    return slice_starts(name, EVENT_HIDDEN_PREFIX);
}

const struct field *event_field(const struct event *e, struct slice name)
{
    static const uint8_t order[] = { SCOPE_RECORD, SCOPE_RESOURCE, SCOPE_INSTRUMENTATION };
    for (size_t s = 0; s < COUNT_OF(order); s++)
        for (uint32_t i = 0; i < e->field_count; i++)
            if (e->fields[i].scope == order[s] && slice_eq(e->fields[i].name, name))
                return &e->fields[i];
    return NULL;
}

static struct field *copy_fields(struct arena *a, const struct field *from, uint32_t count)
{
    struct field *to = arena_array(a, struct field, count + 1);
    for (uint32_t i = 0; i < count; i++) {
        to[i] = from[i];
        to[i].name = arena_copy(a, from[i].name);
        to[i].text = arena_copy(a, from[i].text);
    }
    return to;
}

struct event event_copy(struct arena *a, const struct event *from)
{
    struct event e = *from;
    e.stream = arena_copy(a, from->stream);
    e.service = arena_copy(a, from->service);
    e.body = arena_copy(a, from->body);
    e.trace_state = arena_copy(a, from->trace_state);
    e.status_message = arena_copy(a, from->status_message);
    e.fields = copy_fields(a, from->fields, from->field_count);
    e.events = arena_array(a, struct span_event, from->event_count + 1);
    for (uint32_t i = 0; i < from->event_count; i++) {
        e.events[i] = from->events[i];
        e.events[i].name = arena_copy(a, from->events[i].name);
        e.events[i].fields = copy_fields(a, from->events[i].fields, from->events[i].field_count);
    }
    e.links = arena_array(a, struct span_link, from->link_count + 1);
    for (uint32_t i = 0; i < from->link_count; i++) {
        e.links[i] = from->links[i];
        e.links[i].trace_state = arena_copy(a, from->links[i].trace_state);
        e.links[i].fields = copy_fields(a, from->links[i].fields, from->links[i].field_count);
    }
    return e;
}

static struct slice hex_text(struct arena *a, struct slice bytes)
{
    static const char digits[] = "0123456789abcdef";
    char *out = arena_alloc(a, 2 * bytes.len + 1);
    for (size_t i = 0; i < bytes.len; i++) {
        unsigned char c = (unsigned char)bytes.ptr[i];
        out[2 * i] = digits[c >> 4];
        out[2 * i + 1] = digits[c & 15];
    }
    return slice_of(out, 2 * bytes.len);
}

struct slice field_text(struct arena *a, const struct field *f)
{
    char text[NUM_TEXT_BYTES_MAX];
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
    case FIELD_JSON:
        return f->text;
    case FIELD_INT:
        return arena_copy(a, slice_of(text, num_format_i64(f->i, text)));
    case FIELD_DOUBLE:
        return arena_copy(a, slice_of(text, num_format_short(f->d, text)));
    case FIELD_BOOL:
        return f->i ? SLICE("true") : SLICE("false");
    case FIELD_BYTES:
        return hex_text(a, f->text);
    }
    return SLICE_EMPTY;
}
