/* SPDX-License-Identifier: Apache-2.0 */
/* Spans as OTLP has them: by resource, then by scope, each told once. The writers of its JSON and its protobuf share it. */
#ifndef STOA_API_OTLP_TRACE_H
#define STOA_API_OTLP_TRACE_H

#include "base/arena.h"
#include "codec/json.h"
#include "model/event.h"

struct otlp_scope_spans {
    const struct event *first; /* has the scope's fields, as all of them */
    const struct event **spans;
    size_t count, cap;
};

struct otlp_resource_spans {
    const struct event *first; /* has the resource's fields */
    struct otlp_scope_spans *scopes;
    size_t count, cap;
};

struct otlp_trace {
    struct otlp_resource_spans *resources;
    size_t count, cap;
};

/* In the order in which each resource and scope is first met. Lives in a, keeps the spans. */
void otlp_trace_group(struct arena *a, const struct event *const *spans, size_t count, struct otlp_trace *out);

/* The attributes of a scope (or of an event's or a link's fields), in order, without what is none. */
struct otlp_attributes {
    const struct field *fields;
    uint32_t count;
    enum field_scope scope;
    const struct event *span;  /* whose service and weight are told where no field does; NULL: of an event or a link */
    uint32_t next;
    unsigned extra;
    struct field made;
};
struct otlp_attributes otlp_attributes_of(const struct event *span, enum field_scope scope);
struct otlp_attributes otlp_attributes_in(const struct field *fields, uint32_t count);
/* NULL at the end. Valid until the next call. */
const struct field *otlp_attributes_next(struct otlp_attributes *it);

/* A hidden field (ingest/otlp.h): its number or text, 0 or empty when there is none. */
uint32_t otlp_hidden_int(const struct field *fields, uint32_t count, enum field_scope scope, struct slice name);
struct slice otlp_hidden_text(const struct field *fields, uint32_t count, enum field_scope scope, struct slice name);
/* End of a span. */
int64_t otlp_end_ns(const struct event *e);

#endif
