/* SPDX-License-Identifier: Apache-2.0 */
/* Jaeger's first model in Thrift's binary protocol: a bare Batch{ process=1, spans=2 }, as its clients post it.
 * https://github.com/jaegertracing/jaeger-idl: thrift/jaeger.thrift; https://github.com/apache/thrift/blob/master/doc/specs/thrift-binary-protocol.md
 *
 * Tags are attributes of the span, those of the process are the resource's. What OpenTelemetry's model has a place for goes there and
 * is no tag any more: span.kind, error, otel.status_code, otel.status_description, w3c.tracestate, otel.scope.name and .version. */
#include "ingest/span.h"
#include "ingest/thrift.h"

#include "base/num.h"

enum { TAGS_MAX = 10 * 1000, STATUS_OK = 1, STATUS_ERROR = 2, JAEGER_SAMPLED = 1, JAEGER_DEBUG = 2 };

/* ---- tags ---- */

enum tag_type { TAG_STRING = 0, TAG_DOUBLE = 1, TAG_BOOL = 2, TAG_LONG = 3, TAG_BINARY = 4 };

static struct field tag_read(struct thrift *t, enum field_scope scope)
{
    struct field f = { .scope = scope };
    uint64_t type = TAG_STRING, number = 0, whole = 0;
    bool flag = false;
    struct slice text = SLICE_EMPTY, bytes = SLICE_EMPTY;
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_STRING))
            f.name = thrift_text(t);
        else if (thrift_is(t, 2, THRIFT_I32))
            type = thrift_number(t, 4);
        else if (thrift_is(t, 3, THRIFT_STRING))
            text = thrift_text(t);
        else if (thrift_is(t, 4, THRIFT_DOUBLE))
            number = thrift_number(t, 8);
        else if (thrift_is(t, 5, THRIFT_BOOL))
            flag = thrift_number(t, 1) != 0;
        else if (thrift_is(t, 6, THRIFT_I64))
            whole = thrift_number(t, 8);
        else if (thrift_is(t, 7, THRIFT_STRING))
            bytes = thrift_text(t);
        else
            thrift_pass(t);
    }
    static const uint8_t types[] = { [TAG_STRING] = FIELD_STRING, [TAG_DOUBLE] = FIELD_DOUBLE, [TAG_BOOL] = FIELD_BOOL, [TAG_LONG] = FIELD_INT,
                                     [TAG_BINARY] = FIELD_BYTES };
    f.type = type < COUNT_OF(types) ? types[type] : FIELD_STRING;
    if (f.type == FIELD_DOUBLE)
        memcpy(&f.d, &number, sizeof f.d);
    else if (f.type == FIELD_BOOL || f.type == FIELD_INT)
        f.i = f.type == FIELD_BOOL ? flag : (int64_t)whole;
    else
        f.text = f.type == FIELD_BYTES ? bytes : text;
    return f;
}

static void tags_read(struct thrift *t, struct arena *a, enum field_scope scope, struct field_list *out)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct field f = tag_read(t, scope);
        if (out->count == TAGS_MAX)
            t->r.bad = true;
        else if (f.name.len)
            ARENA_PUSH(a, out->items, out->count, out->cap) = f;
    }
}

/* ---- spans ---- */

static uint8_t kind_of(struct slice name)
{
    static const struct slice kinds[] = { SLICE_INIT(""), SLICE_INIT("internal"), SLICE_INIT("server"), SLICE_INIT("client"), SLICE_INIT("producer"),
                                          SLICE_INIT("consumer") };
    for (uint8_t i = 1; i < COUNT_OF(kinds); i++)
        if (slice_eq(kinds[i], name))
            return i;
    return 0;
}

static bool scope_place(struct span_parts *s, const struct field *f)
{
    static const struct slice names[][2] = { { SLICE_INIT("otel.scope.name"), SLICE_INIT("otel.library.name") },
                                             { SLICE_INIT("otel.scope.version"), SLICE_INIT("otel.library.version") } };
    for (size_t i = 0; f->text.len && i < COUNT_OF(names); i++)
        for (size_t k = 0; k < COUNT_OF(names[i]); k++)
            if (slice_eq(f->name, names[i][k])) {
                s->told |= k ? TOLD_LIBRARY : 0;
                span_text(s, SCOPE_INSTRUMENTATION, i ? EVENT_SCOPE_VERSION : EVENT_SCOPE_NAME, f->text);
                return true;
            }
    return false;
}

/* True when the tag has a place of its own and went there. */
static bool tag_place(struct span_parts *s, const struct field *f)
{
    if (slice_eq(f->name, SLICE("error")) && f->type == FIELD_BOOL && f->i) {
        s->told |= TOLD_BARE_ERROR;
        return true;
    }
    if (f->type != FIELD_STRING)
        return false;
    if (slice_eq(f->name, SLICE("span.kind"))) {
        s->e.span_kind = kind_of(f->text);
        return s->e.span_kind != 0;
    }
    if (slice_eq(f->name, SLICE("otel.status_code"))) {
        bool is_error = slice_eq(f->text, SLICE("ERROR")), is_ok = slice_eq(f->text, SLICE("OK"));
        s->told |= is_error ? TOLD_BARE_CODE : 0;
        s->e.span_status = is_ok ? STATUS_OK : s->e.span_status;
        return is_error || is_ok;
    }
    if (slice_eq(f->name, SLICE("otel.status_description")))
        s->e.status_message = f->text;
    else if (slice_eq(f->name, SLICE("w3c.tracestate")))
        s->e.trace_state = f->text;
    else
        return scope_place(s, f);
    return f->text.len != 0;
}

static void span_tags(struct thrift *t, struct span_parts *s)
{
    struct field_list tags = { 0 };
    tags_read(t, s->arena, SCOPE_RECORD, &tags);
    for (size_t i = 0; i < tags.count; i++)
        if (!tag_place(s, &tags.items[i]))
            span_field(s, tags.items[i]);
    unsigned both = TOLD_BARE_ERROR | TOLD_BARE_CODE;
    if (s->told & both)
        s->e.span_status = STATUS_ERROR;
    if ((s->told & both) == both)
        s->told &= ~both;
}

/* Whether it was sampled is a flag of OpenTelemetry's, too. */
static void put_flags(struct span_parts *s, uint64_t flags)
{
    if (flags & JAEGER_SAMPLED)
        span_int(s, SCOPE_RECORD, OTLP_FLAGS, JAEGER_SAMPLED);
    if (flags & JAEGER_DEBUG)
        span_true(s, SPAN_DEBUG);
}

/* A log's field "event" is the name of the event. */
static void span_logs(struct thrift *t, struct span_parts *s)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct span_event e = { .name = SLICE_EMPTY };
        struct field_list fields = { 0 };
        while (thrift_next(t)) {
            if (thrift_is(t, 1, THRIFT_I64))
                e.time_ns = span_time_of_us(thrift_number(t, 8));
            else if (thrift_is(t, 2, THRIFT_LIST))
                tags_read(t, s->arena, SCOPE_RECORD, &fields);
            else
                thrift_pass(t);
        }
        size_t kept = 0;
        for (size_t i = 0; i < fields.count; i++) {
            const struct field *f = &fields.items[i];
            if (e.name.len == 0 && f->type == FIELD_STRING && f->text.len && slice_eq(f->name, SLICE("event")))
                e.name = f->text;
            else
                fields.items[kept++] = *f;
        }
        e.fields = fields.items;
        e.field_count = (uint32_t)kept;
        span_event_add(s, e);
    }
}

struct ref {
    uint64_t type, low, high, span;
};

static struct ref ref_read(struct thrift *t)
{
    struct ref r = { 0 };
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_I32))
            r.type = thrift_number(t, 4);
        else if (thrift_is(t, 2, THRIFT_I64))
            r.low = thrift_number(t, 8);
        else if (thrift_is(t, 3, THRIFT_I64))
            r.high = thrift_number(t, 8);
        else if (thrift_is(t, 4, THRIFT_I64))
            r.span = thrift_number(t, 8);
        else
            thrift_pass(t);
    }
    return r;
}

struct span_ids {
    uint64_t low, high, span, parent;
    struct ref *refs;
    size_t count, cap;
};

/* The first CHILD_OF inside of the trace is the parent; all others are links, which say what they were. */
static void put_refs(struct span_parts *s, struct span_ids *ids)
{
    for (size_t i = 0; i < ids->count; i++) {
        const struct ref *r = &ids->refs[i];
        bool is_child = r->type == 0;
        if (is_child && r->low == ids->low && r->high == ids->high && (ids->parent == 0 || ids->parent == r->span)) {
            ids->parent = r->span;
            continue;
        }
        struct span_link link = { .field_count = 1, .fields = arena_new_of(s->arena, struct field) };
        *link.fields = (struct field){ .type = FIELD_STRING, .name = SPAN_REF_TYPE, .text = is_child ? SLICE("child_of") : SLICE("follows_from") };
        span_id_of_int(r->high, r->low, link.trace_id, sizeof link.trace_id);
        span_id_of_int(0, r->span, link.span_id, sizeof link.span_id);
        span_link_add(s, link);
    }
}

static void span_refs(struct thrift *t, struct span_parts *s, struct span_ids *ids)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct ref r = ref_read(t);
        if (ids->count < SPAN_EVENTS_MAX)
            ARENA_PUSH(s->arena, ids->refs, ids->count, ids->cap) = r;
        else
            s->cut++;
    }
}

static void span_read(struct thrift *t, struct span_parts *s)
{
    struct span_ids ids = { 0 };
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_I64))
            ids.low = thrift_number(t, 8);
        else if (thrift_is(t, 2, THRIFT_I64))
            ids.high = thrift_number(t, 8);
        else if (thrift_is(t, 3, THRIFT_I64))
            ids.span = thrift_number(t, 8);
        else if (thrift_is(t, 4, THRIFT_I64))
            ids.parent = thrift_number(t, 8);
        else if (thrift_is(t, 5, THRIFT_STRING))
            s->e.body = thrift_text(t);
        else if (thrift_is(t, 6, THRIFT_LIST))
            span_refs(t, s, &ids);
        else if (thrift_is(t, 7, THRIFT_I32))
            put_flags(s, thrift_number(t, 4));
        else if (thrift_is(t, 8, THRIFT_I64))
            s->e.time_ns = span_time_of_us(thrift_number(t, 8));
        else if (thrift_is(t, 9, THRIFT_I64))
            s->e.duration_ns = span_time_of_us(thrift_number(t, 8));
        else if (thrift_is(t, 10, THRIFT_LIST))
            span_tags(t, s);
        else if (thrift_is(t, 11, THRIFT_LIST))
            span_logs(t, s);
        else
            thrift_pass(t);
    }
    put_refs(s, &ids);
    s->has_trace = span_id_of_int(ids.high, ids.low, s->e.trace_id, sizeof s->e.trace_id);
    s->has_id = span_id_of_int(0, ids.span, s->e.span_id, sizeof s->e.span_id);
    span_id_of_int(0, ids.parent, s->e.parent_id, sizeof s->e.parent_id);
}

/* ---- the batch ---- */

struct process {
    struct slice service;
    struct field_list fields;
};

static void process_read(struct thrift *t, struct arena *a, struct process *p)
{
    while (thrift_next(t)) {
        if (thrift_is(t, 1, THRIFT_STRING))
            p->service = thrift_text(t);
        else if (thrift_is(t, 2, THRIFT_LIST))
            tags_read(t, a, SCOPE_RESOURCE, &p->fields);
        else
            thrift_pass(t);
    }
    ARENA_PUSH(a, p->fields.items, p->fields.count, p->fields.cap) =
        (struct field){ .scope = SCOPE_RESOURCE, .type = FIELD_STRING, .name = SLICE("service.name"), .text = p->service };
}

/* The process may come behind the spans, so it is looked for first. */
static bool find_process(struct slice body, struct arena *a, struct process *p)
{
    struct thrift t = thrift_of(body);
    while (thrift_next(&t)) {
        if (thrift_is(&t, 1, THRIFT_STRUCT))
            process_read(&t, a, p);
        else
            thrift_pass(&t);
    }
    return !t.r.bad;
}

static enum status spans_decode(struct thrift *t, const struct process *p, const struct ingest_ctx *ctx, struct batch *out,
                                struct ingest_result *result, struct err *err)
{
    for (uint32_t n = thrift_structs(t); n && !t->r.bad; n--) {
        struct span_parts s;
        span_begin(&s, out->arena);
        s.service = p->service;
        for (size_t i = 0; i < p->fields.count; i++)
            span_field(&s, p->fields.items[i]);
        span_read(t, &s);
        if (t->r.bad)
            break;
        span_finish(&s, ctx, out, result);
        enum status st = ingest_check(out, err);
        if (st)
            return st;
    }
    return ST_OK;
}

enum status jaeger_thrift_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct process p = { 0 };
    struct thrift t = thrift_of(body);
    enum status st = ST_OK;
    if (!find_process(body, out->arena, &p))
        return err_set(err, ST_INVALID, "jaeger: the body is no Batch in Thrift's binary protocol");
    while (st == ST_OK && thrift_next(&t)) {
        if (thrift_is(&t, 2, THRIFT_LIST))
            st = spans_decode(&t, &p, ctx, out, result, err);
        else
            thrift_pass(&t);
    }
    if (st == ST_OK && t.r.bad)
        return err_set(err, ST_INVALID, "jaeger: a span of the Batch is broken");
    return st;
}
