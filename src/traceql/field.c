/* SPDX-License-Identifier: Apache-2.0 */
/* What a span says of a field. Some say several things: an attribute that is a list has elements, and a span has events and links. */
#include "base/num.h"
#include "codec/hex.h"
#include "codec/json.h"
#include "traceql/eval.h"

static const struct tql_value nil = { .type = TQL_NIL };

static struct tql_value text_value(struct slice text)
{
    return (struct tql_value){ .type = TQL_STRING, .text = text };
}

static struct tql_value int_value(enum tql_type type, int64_t i)
{
    return (struct tql_value){ .type = type, .i = i };
}

static struct tql_value id_value(const uint8_t *id, size_t bytes, struct arena *a)
{
    static const uint8_t none[16];
    if (memcmp(id, none, bytes) == 0)
        return nil;
    char *digits = arena_alloc(a, 2 * bytes);
    hex_encode(slice_of(id, bytes), digits);
    return text_value(slice_of(digits, 2 * bytes));
}

static struct tql_value attribute_value(const struct field *f, struct arena *a)
{
    switch ((enum field_type)f->type) {
    case FIELD_STRING:
        return text_value(f->text);
    case FIELD_INT:
        return int_value(TQL_INT, f->i);
    case FIELD_DOUBLE:
        return (struct tql_value){ .type = TQL_FLOAT, .d = f->d };
    case FIELD_BOOL:
        return int_value(TQL_BOOL, f->i);
    case FIELD_BYTES:
        return text_value(field_text(a, f));
    case FIELD_JSON:
        return (struct tql_value){ .type = slice_starts(f->text, SLICE("[")) ? TQL_ARRAY : TQL_STRING, .text = f->text };
    }
    return nil;
}

static const struct field *find(const struct field *list, uint32_t count, int scope, struct slice name)
{
    for (uint32_t i = 0; i < count; i++)
        if ((scope < 0 || list[i].scope == scope) && slice_eq(list[i].name, name))
            return &list[i];
    return NULL;
}

static struct tql_value found_value(const struct field *f, struct arena *a)
{
    return f ? attribute_value(f, a) : nil;
}

/* A span's own, its resource's, its scope's: the first that has it. */
static struct tql_value attribute_of(const struct tql_field *f, const struct event *e, struct arena *a)
{
    static const int scopes[] = { [TQL_SCOPE_SPAN] = SCOPE_RECORD, [TQL_SCOPE_RESOURCE] = SCOPE_RESOURCE,
                                  [TQL_SCOPE_INSTRUMENTATION] = SCOPE_INSTRUMENTATION };
    bool is_any = f->scope == TQL_SCOPE_ANY;
    if (e->service.len && (is_any || f->scope == TQL_SCOPE_RESOURCE) && slice_eq(f->name, SLICE("service.name"))) {
        const struct field *own = is_any ? find(e->fields, e->field_count, SCOPE_RECORD, f->name) : NULL;
        return own ? attribute_value(own, a) : text_value(e->service);
    }
    return found_value(is_any ? event_field(e, f->name) : find(e->fields, e->field_count, scopes[f->scope], f->name), a);
}

static struct tql_value root_value(const struct tql_trace *t, enum tql_intrinsic what)
{
    if (t->root == TQL_NO_SPAN)
        return nil;
    const struct event *root = t->spans[t->root].e;
    return text_value(what == TQL_ROOT_NAME ? root->body : root->service);
}

/* A root's is -1; of a span whose parent has not come it is 0. */
static int64_t nested_parent(const struct tql_trace *t, const struct tql_span *s)
{
    if (s->parent != TQL_NO_SPAN)
        return t->spans[s->parent].left;
    return tql_has_parent_id(s->e) ? 0 : -1;
}

static struct tql_value intrinsic_value(enum tql_intrinsic what, const struct tql_trace *t, const struct tql_span *s, struct arena *a)
{
    const struct event *e = s->e;
    switch (what) {
    case TQL_DURATION_OF_SPAN:
        return int_value(TQL_DURATION, e->duration_ns);
    case TQL_NAME:
        return text_value(e->body);
    case TQL_STATUS_OF_SPAN:
        return int_value(TQL_STATUS, e->span_status);
    case TQL_STATUS_MESSAGE:
        return text_value(e->status_message);
    case TQL_KIND_OF_SPAN:
        return int_value(TQL_KIND, e->span_kind);
    case TQL_CHILD_COUNT:
        return int_value(TQL_INT, s->child_count);
    case TQL_SPAN_ID:
        return id_value(e->span_id, sizeof e->span_id, a);
    case TQL_PARENT_ID:
    case TQL_PARENT:
        return id_value(e->parent_id, sizeof e->parent_id, a);
    case TQL_NESTED_LEFT:
        return int_value(TQL_INT, s->left);
    case TQL_NESTED_RIGHT:
        return int_value(TQL_INT, s->right);
    case TQL_NESTED_PARENT:
        return int_value(TQL_INT, nested_parent(t, s));
    case TQL_TRACE_DURATION:
        return int_value(TQL_DURATION, t->duration_ns);
    case TQL_ROOT_NAME:
    case TQL_ROOT_SERVICE:
        return root_value(t, what);
    case TQL_TRACE_ID:
        return id_value(e->trace_id, sizeof e->trace_id, a);
    case TQL_SCOPE_NAME:
        return found_value(find(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME), a);
    case TQL_SCOPE_VERSION:
        return found_value(find(e->fields, e->field_count, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION), a);
    case TQL_EVENT_NAME:
    case TQL_EVENT_TIME:
    case TQL_LINK_TRACE_ID:
    case TQL_LINK_SPAN_ID:
    case TQL_INTRINSIC_COUNT:
        break;
    }
    return nil;
}

static bool is_of_events(const struct tql_field *f)
{
    return f->scope == TQL_SCOPE_EVENT || (f->scope == TQL_SCOPE_INTRINSIC && (f->intrinsic == TQL_EVENT_NAME || f->intrinsic == TQL_EVENT_TIME));
}

static bool is_of_links(const struct tql_field *f)
{
    return f->scope == TQL_SCOPE_LINK || (f->scope == TQL_SCOPE_INTRINSIC && (f->intrinsic == TQL_LINK_TRACE_ID || f->intrinsic == TQL_LINK_SPAN_ID));
}

static struct tql_value event_value(const struct tql_field *f, const struct event *e, const struct span_event *v, struct arena *a)
{
    if (f->scope == TQL_SCOPE_EVENT)
        return found_value(find(v->fields, v->field_count, -1, f->name), a);
    return f->intrinsic == TQL_EVENT_NAME ? text_value(v->name) : int_value(TQL_DURATION, sat_sub(v->time_ns, e->time_ns));
}

static struct tql_value link_value(const struct tql_field *f, const struct span_link *l, struct arena *a)
{
    if (f->scope == TQL_SCOPE_LINK)
        return found_value(find(l->fields, l->field_count, -1, f->name), a);
    return f->intrinsic == TQL_LINK_TRACE_ID ? id_value(l->trace_id, sizeof l->trace_id, a) : id_value(l->span_id, sizeof l->span_id, a);
}

static struct tql_value json_value(struct json_value v, struct arena *a)
{
    struct tql_value out = nil;
    switch (json_type(v)) {
    case JSON_STRING:
        return text_value(arena_copy(a, json_get_string(v)));
    case JSON_BOOL:
        return int_value(TQL_BOOL, json_get_bool(v));
    case JSON_INT:
    case JSON_UINT:
    case JSON_DOUBLE:
        if (json_get_int(v, &out.i))
            out.type = TQL_INT;
        else if (json_get_double(v, &out.d))
            out.type = TQL_FLOAT;
        return out;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT:
        break;
    }
    return nil;
}

struct values {
    struct tql_value *list;
    size_t count, cap;
};

static void add(struct arena *a, struct values *out, struct tql_value v)
{
    if (v.type != TQL_NIL)
        ARENA_PUSH(a, out->list, out->count, out->cap) = v;
}

static void add_elements(struct arena *a, struct values *out, struct slice list)
{
    struct json_parser *p = json_parser_new();
    struct json_value doc, item;
    struct err err;
    if (json_parse(p, list, &doc, &err) == ST_OK)
        for (struct json_iter it = json_array(doc); out->count < TRACEQL_ELEMENTS_MAX && json_array_next(&it, &item);)
            add(a, out, json_value(item, a));
    json_parser_free(p);
}

/* The span itself, or the parent that is asked for; NULL: it has none. */
static const struct tql_span *asked(const struct tql_field *f, const struct tql_trace *t, uint32_t span)
{
    if (f->of_parent)
        span = t->spans[span].parent;
    return span == TQL_NO_SPAN ? NULL : &t->spans[span];
}

/* Of a list its elements. */
static void add_each(struct arena *a, struct values *out, struct tql_value v)
{
    if (v.type == TQL_ARRAY)
        add_elements(a, out, v.text);
    else
        add(a, out, v);
}

static struct tql_value single_value(const struct tql_field *f, const struct tql_trace *t, const struct tql_span *s, struct arena *a)
{
    return f->scope == TQL_SCOPE_INTRINSIC ? intrinsic_value(f->intrinsic, t, s, a) : attribute_of(f, s->e, a);
}

struct tql_value *tql_field_values(const struct tql_field *f, const struct tql_trace *t, uint32_t span, struct arena *scratch, size_t *count)
{
    const struct tql_span *s = asked(f, t, span);
    struct values out = { .count = 0 };
    if (s && is_of_events(f)) {
        for (uint32_t i = 0; i < s->e->event_count; i++)
            add_each(scratch, &out, event_value(f, s->e, &s->e->events[i], scratch));
    } else if (s && is_of_links(f)) {
        for (uint32_t i = 0; i < s->e->link_count; i++)
            add_each(scratch, &out, link_value(f, &s->e->links[i], scratch));
    } else if (s) {
        add_each(scratch, &out, single_value(f, t, s, scratch));
    }
    *count = out.count;
    return out.list;
}

struct tql_value tql_field_value(const struct tql_field *f, const struct tql_trace *t, uint32_t span, struct arena *scratch)
{
    const struct tql_span *s = asked(f, t, span);
    struct tql_value v = nil;
    if (s && is_of_events(f)) {
        for (uint32_t i = 0; i < s->e->event_count && v.type == TQL_NIL; i++)
            v = event_value(f, s->e, &s->e->events[i], scratch);
    } else if (s && is_of_links(f)) {
        for (uint32_t i = 0; i < s->e->link_count && v.type == TQL_NIL; i++)
            v = link_value(f, &s->e->links[i], scratch);
    } else if (s) {
        v = single_value(f, t, s, scratch);
    }
    return v;
}
