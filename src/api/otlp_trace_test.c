/* SPDX-License-Identifier: Apache-2.0 */
/* Random spans are written and read again by our own decoder: field by field the same, in each of the three writings. */
#include "api/otlp_trace_json.h"
#include "api/otlp_trace_pb.h"
#include "base/rand.h"
#include "base/unit.h"
#include "ingest/ingest.h"
#include "ingest/otlp.h"

enum { ROUNDS = 40, SPANS_MAX = 12, ATTRIBUTES_MAX = 6 };

struct maker {
    struct arena *a;
    struct rand r;
};

struct list {
    struct field *items;
    size_t count, cap;
};

static struct slice some_text(struct maker *m)
{
    static const char *const texts[] = { "x", "GET /cart", "\"quoted\" \\ text", "line\nbreak", "h\xc3\xa9llo", "{\"no\":json}", "otlp" };
    return slice_str(texts[rand_below(&m->r, COUNT_OF(texts))]);
}

static void push(struct maker *m, struct list *l, struct field f)
{
    ARENA_PUSH(m->a, l->items, l->count, l->cap) = f;
}

static struct field some_field(struct maker *m, enum field_scope scope, size_t number)
{
    static const char *const nested[] = { "[]", "{}", "[1,2.0,\"x\",null,true,-0.5]", "{\"a\":{\"b\":[1e+30,[[\"deep\"]]]},\"c\":9007199254740993}" };
    struct field f = { .scope = (uint8_t)scope, .type = (uint8_t)rand_below(&m->r, FIELD_JSON + 1), .name = arena_printf(m->a, "key.%zu", number) };
    switch ((enum field_type)f.type) {
    case FIELD_STRING:
        f.text = some_text(m);
        break;
    case FIELD_INT:
        f.i = (int64_t)rand_u64(&m->r);
        break;
    case FIELD_DOUBLE:
        f.d = (rand_unit(&m->r) - 0.5) * (rand_one_in(&m->r, 2) ? 1e12 : 1e-12);
        break;
    case FIELD_BOOL:
        f.i = rand_one_in(&m->r, 2);
        break;
    case FIELD_BYTES:
        f.text = slice_of("\0\1\xff\xfe bytes", rand_below(&m->r, 10));
        break;
    case FIELD_JSON:
        f.text = slice_str(nested[rand_below(&m->r, COUNT_OF(nested))]);
        break;
    }
    return f;
}

static void some_fields(struct maker *m, struct list *l, enum field_scope scope)
{
    for (size_t i = 0, n = rand_below(&m->r, ATTRIBUTES_MAX); i < n; i++)
        push(m, l, some_field(m, scope, i));
}

static void maybe_int(struct maker *m, struct list *l, enum field_scope scope, struct slice name)
{
    if (rand_one_in(&m->r, 2))
        push(m, l, (struct field){ .scope = (uint8_t)scope, .type = FIELD_INT, .name = name, .i = 1 + (int64_t)rand_below(&m->r, UINT32_MAX) });
}

static void maybe_text(struct maker *m, struct list *l, enum field_scope scope, struct slice name)
{
    if (rand_one_in(&m->r, 2))
        push(m, l, (struct field){ .scope = (uint8_t)scope, .type = FIELD_STRING, .name = name, .text = some_text(m) });
}

/* In the order in which the decoder gives them. */
static struct list some_resource(struct maker *m, struct slice service)
{
    struct list l = { 0 };
    push(m, &l, (struct field){ .scope = SCOPE_RESOURCE, .type = FIELD_STRING, .name = SLICE("service.name"), .text = service });
    some_fields(m, &l, SCOPE_RESOURCE);
    maybe_int(m, &l, SCOPE_RESOURCE, OTLP_DROPPED_ATTRIBUTES);
    maybe_text(m, &l, SCOPE_RESOURCE, OTLP_SCHEMA_URL);
    maybe_text(m, &l, SCOPE_INSTRUMENTATION, EVENT_SCOPE_NAME);
    maybe_text(m, &l, SCOPE_INSTRUMENTATION, EVENT_SCOPE_VERSION);
    some_fields(m, &l, SCOPE_INSTRUMENTATION);
    maybe_int(m, &l, SCOPE_INSTRUMENTATION, OTLP_DROPPED_ATTRIBUTES);
    maybe_text(m, &l, SCOPE_INSTRUMENTATION, OTLP_SCHEMA_URL);
    return l;
}

static void some_children(struct maker *m, struct event *e)
{
    e->event_count = (uint32_t)rand_below(&m->r, 3);
    e->events = arena_zalloc(m->a, 3 * sizeof *e->events);
    for (uint32_t i = 0; i < e->event_count; i++) {
        struct list l = { 0 };
        some_fields(m, &l, SCOPE_RECORD);
        maybe_int(m, &l, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES);
        e->events[i] = (struct span_event){ .time_ns = e->time_ns + i, .name = some_text(m), .fields = l.items, .field_count = (uint32_t)l.count };
    }
    e->link_count = (uint32_t)rand_below(&m->r, 3);
    e->links = arena_zalloc(m->a, 3 * sizeof *e->links);
    for (uint32_t i = 0; i < e->link_count; i++) {
        struct list l = { 0 };
        struct span_link *k = &e->links[i];
        some_fields(m, &l, SCOPE_RECORD);
        maybe_int(m, &l, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES);
        maybe_int(m, &l, SCOPE_RECORD, OTLP_FLAGS);
        rand_bytes(&m->r, k->trace_id, sizeof k->trace_id);
        rand_bytes(&m->r, k->span_id, sizeof k->span_id);
        k->trace_state = some_text(m);
        k->fields = l.items;
        k->field_count = (uint32_t)l.count;
    }
}

static struct event *some_span(struct maker *m, const struct list *resource, struct slice service, uint8_t number)
{
    struct event *e = arena_new_of(m->a, struct event);
    struct list l = { 0 };
    for (size_t i = 0; i < resource->count; i++)
        push(m, &l, resource->items[i]);
    some_fields(m, &l, SCOPE_RECORD);
    maybe_int(m, &l, SCOPE_RECORD, OTLP_DROPPED_ATTRIBUTES);
    *e = (struct event){ .kind = EVENT_SPAN, .weight = 1, .service = service, .body = some_text(m), .time_ns = 1 + (int64_t)(rand_u64(&m->r) >> 2),
                         .duration_ns = (int64_t)rand_below(&m->r, 1 << 30), .span_kind = (uint8_t)rand_below(&m->r, 6),
                         .span_status = (uint8_t)rand_below(&m->r, 3), .trace_id = { 7 }, .span_id = { 1, number } };
    some_children(m, e);
    maybe_int(m, &l, SCOPE_RECORD, OTLP_DROPPED_EVENTS);
    maybe_int(m, &l, SCOPE_RECORD, OTLP_DROPPED_LINKS);
    maybe_int(m, &l, SCOPE_RECORD, OTLP_FLAGS);
    e->fields = l.items;
    e->field_count = (uint32_t)l.count;
    e->status_message = e->span_status == 2 ? some_text(m) : SLICE_EMPTY;
    e->trace_state = rand_one_in(&m->r, 2) ? some_text(m) : SLICE_EMPTY;
    if (rand_one_in(&m->r, 2))
        rand_bytes(&m->r, e->parent_id, sizeof e->parent_id);
    return e;
}

/* The hidden numbers stand where the writing has them: they are compared by name, all else in order. */
static void check_fields(const struct field *x, uint32_t n, const struct field *y, uint32_t k)
{
    uint32_t at = 0;
    CHECK_INT(k, n);
    for (uint32_t i = 0; i < n; i++) {
        const struct field *want = &x[i], *got = NULL;
        for (uint32_t j = 0; field_is_hidden(want->name) && j < k; j++)
            if (y[j].scope == want->scope && slice_eq(y[j].name, want->name))
                got = &y[j];
        while (got == NULL && at < k)
            if (!field_is_hidden(y[at++].name))
                got = &y[at - 1];
        CHECK(got && got->scope == want->scope && got->type == want->type && slice_eq(got->name, want->name));
        CHECK(slice_eq(got->text, want->text));
        if (want->type != FIELD_STRING && want->type != FIELD_BYTES && want->type != FIELD_JSON)
            CHECK_INT(got->i, want->i);
    }
}

static void check_span(const struct event *x, const struct event *y)
{
    CHECK(memcmp(x->trace_id, y->trace_id, 16) == 0 && memcmp(x->parent_id, y->parent_id, 8) == 0);
    CHECK(slice_eq(x->body, y->body) && slice_eq(x->service, y->service));
    CHECK(slice_eq(x->trace_state, y->trace_state) && slice_eq(x->status_message, y->status_message));
    CHECK_INT(y->time_ns, x->time_ns);
    CHECK_INT(y->duration_ns, x->duration_ns);
    CHECK(x->span_kind == y->span_kind && x->span_status == y->span_status);
    check_fields(x->fields, x->field_count, y->fields, y->field_count);
    CHECK(x->event_count == y->event_count && x->link_count == y->link_count);
    for (uint32_t i = 0; i < x->event_count; i++) {
        CHECK(x->events[i].time_ns == y->events[i].time_ns && slice_eq(x->events[i].name, y->events[i].name));
        check_fields(x->events[i].fields, x->events[i].field_count, y->events[i].fields, y->events[i].field_count);
    }
    for (uint32_t i = 0; i < x->link_count; i++) {
        CHECK(memcmp(x->links[i].trace_id, y->links[i].trace_id, 16) == 0 && memcmp(x->links[i].span_id, y->links[i].span_id, 8) == 0);
        CHECK(slice_eq(x->links[i].trace_state, y->links[i].trace_state));
        check_fields(x->links[i].fields, x->links[i].field_count, y->links[i].fields, y->links[i].field_count);
    }
}

static void check_reads_back(struct slice text, const char *type, const struct event *const *spans, size_t count)
{
    struct ingest_header header = { SLICE("Content-Type"), slice_str(type) };
    struct ingest_ctx ctx = { .received_ns = 1, .headers = &header, .header_count = 1 };
    struct ingest_result result;
    struct batch *b = batch_new(0);
    struct err err = { 0 };
    if (ingest_decode(ingest_protocol_find(SLICE("otlp_traces")), &ctx, text, b, &result, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    CHECK_INT(b->event_count, count);
    for (size_t i = 0; i < count; i++) {
        size_t k = 0;
        while (k < count && memcmp(b->events[k].span_id, spans[i]->span_id, 8) != 0)
            k++;
        CHECK(k < count);
        check_span(spans[i], &b->events[k]);
    }
    batch_drop(b);
}

static void check_writings(struct arena *a, const struct event *const *spans, size_t count)
{
    static const enum otlp_json_style styles[] = { OTLP_JSON_HEX, OTLP_JSON_BASE64 };
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    otlp_trace_pb(&out, a, spans, count);
    check_reads_back(buf_as_slice(&out), "application/x-protobuf", spans, count);
    for (size_t i = 0; i < COUNT_OF(styles); i++) {
        buf_reset(&out);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        json_key(&w, SLICE("resourceSpans"));
        otlp_trace_json(&w, a, styles[i], spans, count);
        json_object_end(&w);
        check_reads_back(buf_as_slice(&out), "application/json", spans, count);
    }
    buf_free(&out);
}

TEST(otlp_spans_that_are_written_read_back_the_same)
{
    static const char *const services[] = { "shop", "stock" };
    struct maker m;
    rand_seed(&m.r, unit_seed());
    for (int round = 0; round < ROUNDS; round++) {
        m.a = arena_new(0);
        struct list resources[COUNT_OF(services)];
        const struct event *spans[SPANS_MAX];
        size_t n = 1 + rand_below(&m.r, SPANS_MAX);
        for (size_t i = 0; i < COUNT_OF(services); i++)
            resources[i] = some_resource(&m, slice_str(services[i]));
        for (size_t i = 0; i < n; i++) {
            size_t k = rand_below(&m.r, COUNT_OF(services));
            spans[i] = some_span(&m, &resources[k], slice_str(services[k]), (uint8_t)i);
        }
        check_writings(m.a, spans, n);
        arena_free(m.a);
    }
}

TEST(otlp_spans_share_resources_and_scopes)
{
    struct arena *a = arena_new(0);
    struct otlp_trace t;
    struct field f[] = { { .scope = SCOPE_RESOURCE, .name = SLICE("r"), .text = SLICE("1") },
                         { .scope = SCOPE_INSTRUMENTATION, .name = EVENT_SCOPE_NAME, .text = SLICE("a") } };
    struct field g[] = { f[0], { .scope = SCOPE_INSTRUMENTATION, .name = EVENT_SCOPE_NAME, .text = SLICE("b") } };
    struct event e[] = { { .service = SLICE("s"), .fields = f, .field_count = 2, .weight = 1 },
                         { .service = SLICE("s"), .fields = g, .field_count = 2, .weight = 1 },
                         { .service = SLICE("s"), .fields = f, .field_count = 2, .weight = 1 },
                         { .service = SLICE("other"), .weight = 1 } };
    const struct event *list[] = { &e[0], &e[1], &e[2], &e[3] };
    otlp_trace_group(a, list, COUNT_OF(list), &t);
    CHECK_INT(t.count, 2);
    CHECK_INT(t.resources[0].count, 2);
    CHECK_INT(t.resources[0].scopes[0].count, 2);
    CHECK_INT(t.resources[1].count, 1);
    struct otlp_attributes it = otlp_attributes_of(&e[3], SCOPE_RESOURCE);
    CHECK_STR(otlp_attributes_next(&it)->text, "other");
    CHECK(otlp_attributes_next(&it) == NULL);
    arena_free(a);
}
