/* SPDX-License-Identifier: Apache-2.0 */
/* The store finds attributes of spans, resources and scopes by its filters, but not those of events and links. So a search has two
 * rounds: one by predicates, and, when it found fewer traces than asked for, one over the spans that fit all else, which looks for spans
 * with a tag among their events or links. Traces of the first round come first: with more of them than asked for, one that has the tag
 * in an event only is left out though it may be newer. */
#include "api/trace_tags.h"

#include "codec/json.h"

#define SCOPE_PREFIX SLICE("otel.scope.")
#define EVENT_TAG    SLICE("event") /* as Jaeger shows the name of one */
enum { STATUS_OK = 1, STATUS_ERROR = 2 };

bool trace_tags_read(struct arena *a, struct slice text, struct trace_tags *out)
{
    return json_flat_object(a, text, out->names, out->values, TRACE_TAGS_MAX, &out->count);
}

/* ---- by predicates ---- */

/* What a field of a scope is called that Jaeger shows under this name; empty: it shows none so. */
static struct slice scope_field(struct slice name)
{
    if (slice_eq(name, SLICE("otel.scope.name")) || slice_eq(name, SLICE("otel.library.name")))
        return EVENT_SCOPE_NAME;
    if (slice_eq(name, SLICE("otel.scope.version")) || slice_eq(name, SLICE("otel.library.version")))
        return EVENT_SCOPE_VERSION;
    return slice_starts(name, SCOPE_PREFIX) ? slice_skip(name, SCOPE_PREFIX.len) : SLICE_EMPTY;
}

static struct pred *either(struct arena *a, struct pred *x, struct pred *y)
{
    struct preds k = { 0 };
    preds_add(a, &k, x);
    preds_add(a, &k, y);
    return pred_node(a, PRED_OR, &k);
}

static int status_of(struct slice name, struct slice value)
{
    bool is_code = slice_eq(name, SLICE("otel.status_code"));
    if ((slice_eq(name, SLICE("error")) && slice_eq(value, SLICE("true"))) || (is_code && slice_eq(value, SLICE("ERROR"))))
        return STATUS_ERROR;
    return is_code && slice_eq(value, SLICE("OK")) ? STATUS_OK : 0;
}

/* What Jaeger shows as tags though it is none here (jaeger_json.c) is found as such; everything else is a field of any scope. */
static struct pred *tag_pred(struct arena *a, struct slice name, struct slice value)
{
    struct pred *field = pred_attribute(a, PRED_EQ, name, value);
    struct slice of_scope = scope_field(name);
    int status = status_of(name, value);
    if (status)
        return either(a, pred_int(a, PRED_EQ, COL_SPAN_STATUS, status), field);
    if (slice_eq(name, SLICE("span.kind")) && trace_kind_of(value) >= 0)
        return either(a, pred_int(a, PRED_EQ, COL_SPAN_KIND, trace_kind_of(value)), field);
    return of_scope.len ? either(a, field, pred_attribute(a, PRED_EQ, of_scope, value)) : field;
}

/* ---- by looking ---- */

struct look {
    struct arena *a;
    const struct trace_tags *tags;
    struct map found; /* ids of the traces of the first round */
};

static bool has_field(struct arena *a, const struct field *fields, uint32_t count, struct slice name, struct slice value)
{
    for (uint32_t i = 0; i < count; i++)
        if (slice_eq(fields[i].name, name) && slice_eq(field_text(a, &fields[i]), value))
            return true;
    return false;
}

static bool is_inside(struct arena *a, const struct event *e, struct slice name, struct slice value)
{
    bool is_name = slice_eq(name, EVENT_TAG);
    for (uint32_t i = 0; i < e->event_count; i++)
        if ((is_name && slice_eq(e->events[i].name, value)) || has_field(a, e->events[i].fields, e->events[i].field_count, name, value))
            return true;
    for (uint32_t i = 0; i < e->link_count; i++)
        if (has_field(a, e->links[i].fields, e->links[i].field_count, name, value))
            return true;
    return false;
}

static bool is_tag(struct arena *a, const struct event *e, struct slice name, struct slice value)
{
    struct slice of_scope = scope_field(name);
    int status = status_of(name, value);
    if (status && e->span_status == status)
        return true;
    if (slice_eq(name, SLICE("span.kind")) && slice_eq(trace_kind_name(e->span_kind), value))
        return true;
    return has_field(a, e->fields, e->field_count, name, value) || (of_scope.len && has_field(a, e->fields, e->field_count, of_scope, value));
}

/* All tags, at least one of them among events or links: the first round could not find it. */
static bool fits(void *arg, const struct event *e)
{
    const struct look *l = arg;
    const struct trace_tags *t = l->tags;
    bool any = false;
    if ((e->event_count == 0 && e->link_count == 0) || map_get(&l->found, slice_of(e->trace_id, sizeof e->trace_id)))
        return false;
    for (size_t i = 0; i < t->count; i++) {
        bool inside = is_inside(l->a, e, t->names[i], t->values[i]);
        if (!inside && !is_tag(l->a, e, t->names[i], t->values[i]))
            return false;
        any = any || inside;
    }
    return any;
}

static struct pred *inside_pred(struct arena *a, struct slice name, struct slice value)
{
    struct pred *field = pred_child(a, name, value);
    return slice_eq(name, EVENT_TAG) ? either(a, field, pred_child(a, EVENT_CHILD_NAME, value)) : field;
}

/* Of those, the spans that may have one of the tags inside, and the others wherever. */
static struct pred *with_children(struct arena *a, struct pred *pred, const struct trace_tags *tags)
{
    struct preds all = { 0 }, any = { 0 };
    if (pred)
        preds_add(a, &all, pred);
    for (size_t i = 0; i < tags->count; i++) {
        preds_add(a, &any, inside_pred(a, tags->names[i], tags->values[i]));
        preds_add(a, &all, either(a, tag_pred(a, tags->names[i], tags->values[i]), inside_pred(a, tags->names[i], tags->values[i])));
    }
    preds_add(a, &all, pred_node(a, PRED_OR, &any));
    return pred_node(a, PRED_AND, &all);
}

enum status trace_tags_search(struct api_query *q, const struct trace_search *t, struct pred *pred, const struct trace_tags *tags,
                              struct trace_spans *out, struct err *err)
{
    struct trace_search first = { NULL, t->start_ns, t->end_ns, t->limit, NULL, NULL, 0 }, second;
    struct look look = { .a = q->arena, .tags = tags };
    struct preds k = { 0 };
    if (pred)
        preds_add(q->arena, &k, pred);
    for (size_t i = 0; i < tags->count; i++)
        preds_add(q->arena, &k, tag_pred(q->arena, tags->names[i], tags->values[i]));
    first.pred = pred_node(q->arena, PRED_AND, &k);
    enum status st = trace_search(q, &first, out, err);
    if (st || tags->count == 0)
        return st;
    map_init(&look.found);
    for (size_t i = 0; i < out->count; i++)
        *map_put(&look.found, slice_of(out->list[i]->trace_id, sizeof out->list[i]->trace_id), NULL) = 1;
    if (look.found.count < t->limit) {
        second = (struct trace_search){ with_children(q->arena, pred, tags), t->start_ns, t->end_ns, t->limit - look.found.count, fits, &look,
                                         tags->count > 1 ? WANT_SPAN | WANT_FIELDS : WANT_SPAN };
        size_t sure = out->count;
        st = trace_search(q, &second, out, err);
        if (st == ST_LIMIT && sure) { /* there is room for the first round alone */
            out->count = sure;
            st = ST_OK;
        }
    }
    map_free(&look.found);
    return st;
}
