/* SPDX-License-Identifier: Apache-2.0 */
/* What services ask of others: GET /api/stoa/v1/calls?service&start&end. Client and producer spans, and spans of any kind that name a database,
 * by service, kind, peer and normalised statement (span_text.h).
 *
 * N+1: the same statement at least CALLS_REPEATS_MIN times under one parent of one trace. Each such place is counted once; the
 * one with most repeats, and a few others, are named. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/span_report.h"
#include "api/span_text.h"

enum {
    KIND_CLIENT = 3,
    KIND_PRODUCER = 4,
    CALLS_REPEATS_MIN = 5,      /* of a statement under one parent are an N+1 */
    CALLS_PLACES_MAX = 500 * 1000, /* parents and their statements that are told apart */
    CALLS_EXAMPLES_MAX = 3,
    STATEMENT_SHOWN_BYTES_MAX = 2000
};

struct example {
    uint8_t trace_id[16], span_id[8]; /* of the parent */
    uint64_t repeats;
};

struct call {
    struct slice service, kind, system, peer, statement;
    struct span_words operations;
    struct span_tally tally;
    struct example slowest;          /* its own span */
    int64_t slowest_ns;
    uint64_t places, repeats_max;
    double repeats;                  /* calls in such places */
    struct example examples[CALLS_EXAMPLES_MAX];
    size_t example_count;
};

/* One statement under one parent. */
struct place_key {
    uint8_t trace_id[16], parent_id[8];
    uint64_t call;
};

struct work {
    struct span_report r;
    struct map index, places;
    struct call **list;
    size_t count, cap;
    struct buf key, text;
    double other;
};

struct asked {
    struct slice kind, system, peer;
};

static const char *const systems[] = { "db.system.name", "db.system", NULL };
static const char *const statements[] = { "db.query.text", "db.statement", "db.query.summary", NULL };
static const char *const methods[] = { "http.request.method", "http.method", NULL };
static const char *const templates[] = { "url.template", "http.route", NULL };
static const char *const urls[] = { "url.full", "http.url", "url.path", "http.target", NULL };
static const char *const queues[] = { "messaging.destination.name", "messaging.destination", "messaging.destination.template", NULL };
static const char *const queue_systems[] = { "messaging.system", NULL };
static const char *const rpc_systems[] = { "rpc.system", "rpc.system.name", NULL };
static const char *const rpc_services[] = { "rpc.service", NULL };
static const char *const rpc_methods[] = { "rpc.method", NULL };
static const char *const peers[] = { "peer.service", "server.address", "net.peer.name", "http.host", "network.peer.address", NULL };
static const char *const db_names[] = { "db.namespace", "db.name", NULL };

static struct slice text_of(struct work *w, const struct event *e, const char *const *names)
{
    return span_field_text(w->r.q.arena, e, names);
}

static void http_text(struct work *w, const struct event *e, struct slice method, struct asked *out)
{
    struct slice path = text_of(w, e, templates), host = SLICE_EMPTY;
    buf_slice(&w->text, method);
    buf_char(&w->text, ' ');
    if (path.len)
        buf_slice(&w->text, path);
    else
        span_text_path(text_of(w, e, urls), &host, &w->text);
    *out = (struct asked){ SLICE("http"), SLICE("http"), host };
}

/* What kind of call it is; its normalised text goes to w->text. */
static struct asked asked_of(struct work *w, const struct event *e)
{
    struct slice system = text_of(w, e, systems), statement = text_of(w, e, statements), method = text_of(w, e, methods);
    struct slice rpc = text_of(w, e, rpc_systems), queue = text_of(w, e, queue_systems);
    struct asked out = { SLICE("other"), SLICE_EMPTY, SLICE_EMPTY };
    buf_reset(&w->text);
    if (system.len || statement.len) {
        out = (struct asked){ SLICE("database"), system, text_of(w, e, db_names) };
        span_text_statement(system, statement, &w->text);
    } else if (queue.len || e->span_kind == KIND_PRODUCER) {
        out = (struct asked){ SLICE("messaging"), queue, SLICE_EMPTY };
        span_text_message(text_of(w, e, queues), &w->text);
    } else if (rpc.len) {
        out = (struct asked){ SLICE("rpc"), rpc, SLICE_EMPTY };
        struct slice service = text_of(w, e, rpc_services), name = text_of(w, e, rpc_methods);
        if (service.len || name.len)
            buf_printf(&w->text, "%.*s/%.*s", SLICE_FMT(service), SLICE_FMT(name));
    } else if (method.len) {
        http_text(w, e, method, &out);
    }
    if (w->text.len == 0)
        span_text_message(e->body, &w->text);
    struct slice peer = text_of(w, e, peers);
    if (peer.len)
        out.peer = peer;
    return out;
}

static struct call *call_of(struct work *w, const struct event *e)
{
    struct arena *a = w->r.q.arena;
    struct asked k = asked_of(w, e);
    struct slice statement = buf_as_slice(&w->text);
    buf_reset(&w->key);
    buf_lenslice(&w->key, e->service);
    buf_lenslice(&w->key, k.kind);
    buf_lenslice(&w->key, k.system);
    buf_lenslice(&w->key, k.peer);
    buf_slice(&w->key, statement);
    uint64_t *at = map_get(&w->index, buf_as_slice(&w->key));
    if (at)
        return w->list[*at];
    if (w->count == SPAN_REPORT_GROUPS_MAX)
        return NULL;
    struct call *c = arena_new_of(a, struct call);
    c->service = arena_copy(a, e->service);
    c->kind = k.kind;
    c->system = arena_copy(a, k.system);
    c->peer = arena_copy(a, k.peer);
    c->statement = arena_copy(a, slice_sub(statement, 0, STATEMENT_SHOWN_BYTES_MAX));
    *map_put(&w->index, arena_copy(a, buf_as_slice(&w->key)), NULL) = w->count;
    ARENA_PUSH(a, w->list, w->count, w->cap) = c;
    return c;
}

static void note_place(struct call *c, const struct place_key *k, uint64_t repeats)
{
    struct example *least = &c->examples[0];
    c->places += repeats == CALLS_REPEATS_MIN;
    c->repeats += repeats == CALLS_REPEATS_MIN ? CALLS_REPEATS_MIN : 1;
    c->repeats_max = MAX(c->repeats_max, repeats);
    for (size_t i = 0; i < c->example_count; i++) {
        struct example *x = &c->examples[i];
        if (memcmp(x->trace_id, k->trace_id, 16) == 0 && memcmp(x->span_id, k->parent_id, 8) == 0) {
            x->repeats = repeats;
            return;
        }
        least = x->repeats < least->repeats ? x : least;
    }
    if (c->example_count < CALLS_EXAMPLES_MAX)
        least = &c->examples[c->example_count++];
    else if (least->repeats >= repeats)
        return;
    memcpy(least->trace_id, k->trace_id, 16);
    memcpy(least->span_id, k->parent_id, 8);
    least->repeats = repeats;
}

static void count_place(struct work *w, struct call *c, const struct event *e)
{
    static const uint8_t none[8];
    struct place_key k = { .call = (uintptr_t)c };
    if (memcmp(e->parent_id, none, sizeof none) == 0)
        return;
    memcpy(k.trace_id, e->trace_id, sizeof k.trace_id);
    memcpy(k.parent_id, e->parent_id, sizeof k.parent_id);
    uint64_t *n = map_get(&w->places, slice_of(&k, sizeof k));
    if (n == NULL && w->places.count == CALLS_PLACES_MAX)
        return;
    if (n == NULL)
        n = map_put(&w->places, arena_copy(w->r.q.arena, slice_of(&k, sizeof k)), NULL);
    if (++*n >= CALLS_REPEATS_MIN)
        note_place(c, &k, *n);
}

static void take(void *arg, const struct event *e)
{
    struct work *w = arg;
    struct call *c = call_of(w, e);
    if (c == NULL) {
        w->other += (double)e->weight;
        w->r.is_part = true;
        return;
    }
    span_tally_add(w->r.q.arena, &c->tally, e);
    span_words_add(w->r.q.arena, &c->operations, e->body);
    if (e->duration_ns >= c->slowest_ns) {
        c->slowest_ns = e->duration_ns;
        memcpy(c->slowest.trace_id, e->trace_id, sizeof e->trace_id);
        memcpy(c->slowest.span_id, e->span_id, sizeof e->span_id);
    }
    count_place(w, c, e);
}

/* ---- the answer ---- */

static int by_seconds(const void *x, const void *y)
{
    const struct call *a = *(struct call *const *)x, *b = *(struct call *const *)y;
    if (a->tally.seconds < b->tally.seconds || a->tally.seconds > b->tally.seconds)
        return a->tally.seconds > b->tally.seconds ? -1 : 1;
    int order = slice_cmp(a->service, b->service);
    return order ? order : slice_cmp(a->statement, b->statement);
}

static int by_repeats(const void *x, const void *y)
{
    const struct example *a = x, *b = y;
    return (a->repeats < b->repeats) - (a->repeats > b->repeats);
}

static void put_repeats(struct json_writer *w, struct call *c)
{
    json_key(w, SLICE("n_plus_one"));
    if (c->places == 0) {
        json_raw(w, SLICE("null"));
        return;
    }
    qsort(c->examples, c->example_count, sizeof c->examples[0], by_repeats);
    json_object_begin(w);
    json_key(w, SLICE("places"));
    json_uint(w, c->places);
    span_json_number(w, "calls", c->repeats);
    json_key(w, SLICE("repeats_max"));
    json_uint(w, c->repeats_max);
    json_key(w, SLICE("examples"));
    json_array_begin(w);
    for (size_t i = 0; i < c->example_count; i++) {
        json_object_begin(w);
        span_json_id(w, "trace_id", c->examples[i].trace_id, 16);
        span_json_id(w, "parent_span_id", c->examples[i].span_id, 8);
        json_key(w, SLICE("repeats"));
        json_uint(w, c->examples[i].repeats);
        json_object_end(w);
    }
    json_array_end(w);
    json_object_end(w);
}

static void put_call(struct json_writer *w, const struct work *k, struct call *c)
{
    json_object_begin(w);
    span_json_text(w, "service", c->service);
    span_json_text(w, "kind", c->kind);
    span_json_text(w, "system", c->system);
    span_json_text(w, "peer", c->peer);
    span_json_text(w, "statement", c->statement);
    span_json_words(w, "operations", &c->operations);
    span_json_tally(w, &k->r, &c->tally);
    put_repeats(w, c);
    json_key(w, SLICE("slowest"));
    json_object_begin(w);
    span_json_id(w, "trace_id", c->slowest.trace_id, 16);
    span_json_id(w, "span_id", c->slowest.span_id, 8);
    span_json_number(w, "seconds", (double)c->slowest_ns / 1e9);
    json_object_end(w);
    json_object_end(w);
}

static void answer(struct work *w)
{
    struct span_answer a;
    if (w->count)
        qsort(w->list, w->count, sizeof(struct call *), by_seconds);
    span_answer_begin(&a);
    json_key(&a.w, SLICE("calls"));
    json_array_begin(&a.w);
    for (size_t i = 0; i < MIN(w->count, w->r.limit); i++)
        put_call(&a.w, w, w->list[i]);
    json_array_end(&a.w);
    json_key(&a.w, SLICE("found"));
    json_uint(&a.w, w->count);
    json_key(&a.w, SLICE("n_plus_one_min"));
    json_uint(&a.w, CALLS_REPEATS_MIN);
    span_json_number(&a.w, "other_calls", w->other);
    span_answer_end(&a, &w->r);
}

void calls_http(void *user, struct http_exchange *x)
{
    struct work w = { .other = 0 };
    struct preds any = { 0 };
    if (!span_report_begin(user, x, &w.r))
        return;
    struct arena *a = w.r.q.arena;
    map_init(&w.index);
    map_init(&w.places);
    buf_init(&w.key, 0);
    buf_init(&w.text, 0);
    preds_add(a, &any, pred_int(a, PRED_EQ, COL_SPAN_KIND, KIND_CLIENT));
    preds_add(a, &any, pred_int(a, PRED_EQ, COL_SPAN_KIND, KIND_PRODUCER));
    for (size_t i = 0; systems[i]; i++)
        preds_add(a, &any, pred_leaf(a, PRED_EXISTS, COL_FIELD, slice_str(systems[i]), SLICE_EMPTY));
    enum status st = span_report_read(&w.r, SPAN_KINDS, pred_node(a, PRED_OR, &any), WANT_BODY | WANT_IDS | WANT_FIELDS, take, &w);
    if (!st)
        answer(&w);
    map_free(&w.index);
    map_free(&w.places);
    buf_free(&w.key);
    buf_free(&w.text);
    span_report_end(&w.r, "calls", st);
}
