/* SPDX-License-Identifier: Apache-2.0 */
/* Errors by what they are: GET /api/stoa/v1/error_groups?service&start&end.
 *
 * An error is an exception that a span with status error recorded, such a span without one, or a log record with exception.*
 * fields. Two are alike when their type and the topmost frames of the application in their stacks are (span_text.h); without a
 * stack, their type and their message without numbers and ids; of a span without an exception the name and status message. */
#include <stdio.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/span_report.h"
#include "api/span_text.h"
#include "base/hash.h"
#include "base/num.h"

enum { STATUS_ERROR = 2, STACK_SHOWN_BYTES_MAX = 8000, MESSAGE_SHOWN_BYTES_MAX = 1000, BUCKETS = 30, STACKS_KNOWN_MAX = 20 * 1000 };

struct group {
    uint64_t id;
    struct slice type, message;      /* message: without what changes */
    struct stack stack;
    double count, spans, logs, buckets[BUCKETS];
    int64_t first_ns, last_ns;
    struct span_words services, versions, operations;
    struct {
        struct slice message, stack, service;
        uint8_t trace_id[16], span_id[8];
        int64_t time_ns;
    } example;                       /* the newest */
};

struct work {
    struct span_report r;
    struct map index;                /* key -> place in list */
    struct map stacks;               /* hash of a trace -> struct stack: equal ones are read once */
    struct group **list;
    size_t count, cap;
    double other;                    /* of groups that were too many */
};

struct exception {
    struct slice type, message, stack;
};

static const struct field *find(const struct field *list, uint32_t n, const char *name)
{
    struct slice want = slice_str(name);
    for (uint32_t i = 0; i < n; i++)
        if (slice_eq(list[i].name, want) && list[i].type == FIELD_STRING)
            return &list[i];
    return NULL;
}

static struct slice text_of(const struct field *list, uint32_t n, const char *name)
{
    const struct field *f = find(list, n, name);
    return f ? f->text : SLICE_EMPTY;
}

static struct exception exception_of(const struct field *list, uint32_t n)
{
    return (struct exception){ text_of(list, n, "exception.type"), text_of(list, n, "exception.message"), text_of(list, n, "exception.stacktrace") };
}

static const struct stack *stack_of(struct work *w, struct slice trace)
{
    static const struct stack none;
    if (trace.len == 0)
        return &none;
    uint64_t hash = hash64(trace, 0), *known = map_get(&w->stacks, slice_of(&hash, sizeof hash));
    if (known)
        return (const struct stack *)(uintptr_t)*known;
    struct stack *s = arena_new_of(w->r.q.arena, struct stack);
    span_text_stack(w->r.q.arena, trace, s);
    if (w->stacks.count < STACKS_KNOWN_MAX)
        *map_put(&w->stacks, arena_copy(w->r.q.arena, slice_of(&hash, sizeof hash)), NULL) = (uintptr_t)s;
    return s;
}

static struct group *group_of(struct work *w, const struct exception *x, const struct stack *stack)
{
    struct buf key, message;
    buf_init(&key, 0);
    buf_init(&message, 0);
    span_text_message(x->message, &message);
    buf_lenslice(&key, x->type);
    for (size_t i = 0; i < stack->count; i++)
        buf_lenslice(&key, stack->frames[i]);
    if (stack->count == 0)
        buf_slice(&key, buf_as_slice(&message));
    uint64_t *at = map_get(&w->index, buf_as_slice(&key));
    struct group *g = at ? w->list[*at] : NULL;
    if (g == NULL && w->count < SPAN_REPORT_GROUPS_MAX) {
        struct arena *a = w->r.q.arena;
        g = arena_new_of(a, struct group);
        g->id = hash64(buf_as_slice(&key), 0);
        g->type = arena_copy(a, x->type);
        g->message = arena_copy(a, slice_sub(buf_as_slice(&message), 0, MESSAGE_SHOWN_BYTES_MAX));
        g->stack = *stack;
        g->first_ns = INT64_MAX;
        *map_put(&w->index, arena_copy(a, buf_as_slice(&key)), NULL) = w->count;
        ARENA_PUSH(a, w->list, w->count, w->cap) = g;
    }
    buf_free(&key);
    buf_free(&message);
    return g;
}

static void count_error(struct work *w, const struct event *e, const struct exception *x, int64_t time_ns)
{
    struct arena *a = w->r.q.arena;
    struct group *g = group_of(w, x, stack_of(w, x->stack));
    double weight = (double)e->weight;
    if (g == NULL) {
        w->other += weight;
        w->r.is_part = true;
        return;
    }
    g->count += weight;
    *(e->kind == EVENT_LOG ? &g->logs : &g->spans) += weight;
    int64_t width = sat_sub(w->r.end_ns, w->r.start_ns) / BUCKETS + 1;
    size_t at = (size_t)(MAX(sat_sub(e->time_ns, w->r.start_ns), (int64_t)0) / width);
    g->buckets[MIN(at, BUCKETS - 1)] += weight;
    g->first_ns = MIN(g->first_ns, time_ns);
    span_words_add(a, &g->services, e->service);
    const struct field *version = event_field(e, SLICE("service.version"));
    span_words_add(a, &g->versions, version && version->type == FIELD_STRING ? version->text : SLICE_EMPTY);
    span_words_add(a, &g->operations, e->kind == EVENT_SPAN ? e->body : SLICE_EMPTY);
    if (time_ns <= g->last_ns)
        return;
    g->last_ns = time_ns;
    if (g->example.time_ns && !event_has_trace(e))
        return; /* one that leads to a trace is worth more */
    g->example.time_ns = time_ns;
    g->example.service = arena_copy(a, e->service);
    g->example.message = arena_copy(a, slice_sub(x->message, 0, MESSAGE_SHOWN_BYTES_MAX));
    g->example.stack = arena_copy(a, slice_sub(x->stack, 0, STACK_SHOWN_BYTES_MAX));
    memcpy(g->example.trace_id, e->trace_id, sizeof e->trace_id);
    memcpy(g->example.span_id, e->span_id, sizeof e->span_id);
}

static void take_span(void *arg, const struct event *e)
{
    static const char *const types[] = { "error.type", "exception.type", "http.response.status_code", "http.status_code", "rpc.grpc.status_code",
                                         NULL };
    struct work *w = arg;
    bool any = false;
    for (uint32_t i = 0; i < e->event_count; i++) {
        const struct span_event *x = &e->events[i];
        if (!slice_eq(x->name, SLICE("exception")))
            continue;
        struct exception found = exception_of(x->fields, x->field_count);
        count_error(w, e, &found, x->time_ns ? x->time_ns : e->time_ns);
        any = true;
    }
    if (any)
        return;
    struct exception plain = { span_field_text(w->r.q.arena, e, types), e->status_message.len ? e->status_message : e->body, SLICE_EMPTY };
    count_error(w, e, &plain, e->time_ns);
}

static void take_log(void *arg, const struct event *e)
{
    struct exception x = exception_of(e->fields, e->field_count);
    if (x.message.len == 0)
        x.message = e->body;
    count_error(arg, e, &x, e->time_ns);
}

/* ---- the answer ---- */

static int by_count(const void *x, const void *y)
{
    const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
    if (a->count < b->count || a->count > b->count)
        return a->count > b->count ? -1 : 1;
    return a->last_ns != b->last_ns ? (a->last_ns > b->last_ns ? -1 : 1) : (a->id > b->id) - (a->id < b->id);
}

static void put_example(struct json_writer *w, const struct group *g)
{
    static const uint8_t none[16];
    json_key(w, SLICE("example"));
    json_object_begin(w);
    span_json_text(w, "service", g->example.service);
    json_key(w, SLICE("time_ms"));
    json_int(w, g->example.time_ns / NS_MS);
    if (memcmp(g->example.trace_id, none, sizeof none) != 0) {
        span_json_id(w, "trace_id", g->example.trace_id, sizeof g->example.trace_id);
        span_json_id(w, "span_id", g->example.span_id, sizeof g->example.span_id);
    }
    span_json_text(w, "message", g->example.message);
    span_json_text(w, "stacktrace", g->example.stack);
    json_object_end(w);
}

static void put_group(struct json_writer *w, const struct group *g)
{
    char id[17];
    snprintf(id, sizeof id, "%016llx", (unsigned long long)g->id);
    json_object_begin(w);
    span_json_text(w, "id", slice_of(id, sizeof id - 1));
    span_json_text(w, "type", g->type);
    span_json_text(w, "message", g->message);
    json_key(w, SLICE("stack"));
    json_array_begin(w);
    for (size_t i = 0; i < g->stack.count; i++)
        json_string(w, g->stack.frames[i]);
    json_array_end(w);
    json_key(w, SLICE("in_app"));
    json_bool(w, g->stack.is_own);
    span_json_number(w, "count", g->count);
    span_json_number(w, "spans", g->spans);
    span_json_number(w, "logs", g->logs);
    json_key(w, SLICE("first_seen_ms"));
    json_int(w, g->first_ns / NS_MS);
    json_key(w, SLICE("last_seen_ms"));
    json_int(w, g->last_ns / NS_MS);
    json_key(w, SLICE("counts")); /* over the window, in equal parts */
    json_array_begin(w);
    for (size_t i = 0; i < BUCKETS; i++)
        json_double(w, g->buckets[i]);
    json_array_end(w);
    span_json_words(w, "services", &g->services);
    span_json_words(w, "versions", &g->versions);
    span_json_words(w, "operations", &g->operations);
    put_example(w, g);
    json_object_end(w);
}

static void answer(struct work *w)
{
    struct span_answer a;
    if (w->count)
        qsort(w->list, w->count, sizeof(struct group *), by_count);
    span_answer_begin(&a);
    json_key(&a.w, SLICE("groups"));
    json_array_begin(&a.w);
    for (size_t i = 0; i < MIN(w->count, w->r.limit); i++)
        put_group(&a.w, w->list[i]);
    json_array_end(&a.w);
    json_key(&a.w, SLICE("found"));
    json_uint(&a.w, w->count);
    span_json_number(&a.w, "other_errors", w->other);
    span_answer_end(&a, &w->r);
}

void error_groups_http(void *user, struct http_exchange *x)
{
    struct work w = { .other = 0 };
    if (!span_report_begin(user, x, &w.r))
        return;
    struct arena *a = w.r.q.arena;
    map_init(&w.index);
    map_init(&w.stacks);
    struct pred *failed = pred_int(a, PRED_EQ, COL_SPAN_STATUS, STATUS_ERROR);
    struct pred *has_type = pred_leaf(a, PRED_EXISTS, COL_FIELD, SLICE("exception.type"), SLICE_EMPTY);
    enum status st = span_report_read(&w.r, SPAN_KINDS, failed, WANT_BODY | WANT_IDS | WANT_FIELDS | WANT_SPAN, take_span, &w);
    if (!st)
        st = span_report_read(&w.r, 1u << EVENT_LOG, has_type, WANT_BODY | WANT_IDS | WANT_FIELDS, take_log, &w);
    if (!st)
        answer(&w);
    map_free(&w.index);
    map_free(&w.stacks);
    span_report_end(&w.r, "error_groups", st);
}
