/* SPDX-License-Identifier: Apache-2.0 */
/* Two spans have one resource when all fields of that scope are the same, in the same order; and so for the scope within it.
 * Spans that came by other formats have a service and no attribute that names it: then it becomes one. */
#include "api/otlp_trace.h"

#include "base/map.h"
#include "base/num.h"
#include "ingest/otlp.h"

enum { EXTRA_SERVICE = 1, EXTRA_WEIGHT = 2 };

/* ---- grouping ---- */

static void key_of_scope(struct buf *key, const struct event *e, enum field_scope scope)
{
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (f->scope != scope)
            continue;
        buf_u8(key, f->type);
        buf_lenslice(key, f->name);
        if (f->type == FIELD_STRING || f->type == FIELD_BYTES || f->type == FIELD_JSON)
            buf_lenslice(key, f->text);
        else
            buf_u64(key, (uint64_t)f->i); /* or the bits of the double */
    }
}

static size_t place_of(struct arena *a, struct map *m, struct buf *key, size_t next, bool *added)
{
    struct slice text = buf_as_slice(key);
    uint64_t *at = map_get(m, text);
    *added = at == NULL;
    if (at == NULL) {
        at = map_put(m, arena_copy(a, text), NULL);
        *at = next;
    }
    return *at;
}

void otlp_trace_group(struct arena *a, const struct event *const *spans, size_t count, struct otlp_trace *out)
{
    struct map resources, scopes;
    struct buf key;
    bool added;
    *out = (struct otlp_trace){ 0 };
    map_init(&resources);
    map_init(&scopes);
    buf_init(&key, 0); /* the fields of a span, which are limited */
    for (size_t i = 0; i < count; i++) {
        const struct event *e = spans[i];
        buf_reset(&key);
        buf_lenslice(&key, e->service);
        key_of_scope(&key, e, SCOPE_RESOURCE);
        size_t r = place_of(a, &resources, &key, out->count, &added);
        if (added)
            ARENA_PUSH(a, out->resources, out->count, out->cap) = (struct otlp_resource_spans){ .first = e };
        struct otlp_resource_spans *resource = &out->resources[r];
        buf_reset(&key);
        buf_u64(&key, r);
        key_of_scope(&key, e, SCOPE_INSTRUMENTATION);
        size_t s = place_of(a, &scopes, &key, resource->count, &added);
        if (added)
            ARENA_PUSH(a, resource->scopes, resource->count, resource->cap) = (struct otlp_scope_spans){ .first = e };
        struct otlp_scope_spans *scope = &resource->scopes[s];
        ARENA_PUSH(a, scope->spans, scope->count, scope->cap) = e;
    }
    buf_free(&key);
    map_free(&scopes);
    map_free(&resources);
}

/* ---- attributes ---- */

struct otlp_attributes otlp_attributes_of(const struct event *span, enum field_scope scope)
{
    struct otlp_attributes it = { .fields = span->fields, .count = span->field_count, .scope = scope, .span = span };
    bool named = false;
    for (uint32_t i = 0; scope == SCOPE_RESOURCE && i < it.count; i++)
        named |= it.fields[i].scope == SCOPE_RESOURCE && slice_eq(it.fields[i].name, SLICE("service.name"));
    if (scope == SCOPE_RESOURCE && !named && span->service.len && !slice_eq(span->service, SLICE("unknown_service")))
        it.extra |= EXTRA_SERVICE;
    if (scope == SCOPE_RECORD && span->weight != 1 && span->weight != 0)
        it.extra |= EXTRA_WEIGHT;
    return it;
}

struct otlp_attributes otlp_attributes_in(const struct field *fields, uint32_t count)
{
    return (struct otlp_attributes){ .fields = fields, .count = count, .scope = SCOPE_RECORD };
}

const struct field *otlp_attributes_next(struct otlp_attributes *it)
{
    if (it->extra & EXTRA_SERVICE) {
        it->extra &= ~(unsigned)EXTRA_SERVICE;
        it->made = (struct field){ .type = FIELD_STRING, .name = SLICE("service.name"), .text = it->span->service };
        return &it->made;
    }
    while (it->next < it->count) {
        const struct field *f = &it->fields[it->next++];
        if (f->scope != it->scope || field_is_hidden(f->name))
            continue;
        if (f->scope == SCOPE_INSTRUMENTATION && (slice_eq(f->name, EVENT_SCOPE_NAME) || slice_eq(f->name, EVENT_SCOPE_VERSION)))
            continue;
        return f;
    }
    if (it->extra & EXTRA_WEIGHT) {
        it->extra &= ~(unsigned)EXTRA_WEIGHT;
        it->made = (struct field){ .type = FIELD_DOUBLE, .name = SLICE("stoa.weight"), .d = it->span->weight };
        return &it->made;
    }
    return NULL;
}

static const struct field *hidden(const struct field *fields, uint32_t count, enum field_scope scope, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if (fields[i].scope == scope && slice_eq(fields[i].name, name))
            return &fields[i];
    return NULL;
}

uint32_t otlp_hidden_int(const struct field *fields, uint32_t count, enum field_scope scope, struct slice name)
{
    const struct field *f = hidden(fields, count, scope, name);
    return f && f->type == FIELD_INT ? (uint32_t)f->i : 0;
}

struct slice otlp_hidden_text(const struct field *fields, uint32_t count, enum field_scope scope, struct slice name)
{
    const struct field *f = hidden(fields, count, scope, name);
    return f && f->type == FIELD_STRING ? f->text : SLICE_EMPTY;
}

int64_t otlp_end_ns(const struct event *e)
{
    return sat_add(e->time_ns, e->duration_ns);
}
