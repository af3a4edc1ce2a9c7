/* SPDX-License-Identifier: Apache-2.0 */
/* Two passes over spans kept small: who is behind each span id, then each span's parent. A call counts at the callee (its span's parent
 * is of another service). A client's or producer's span that names its peer and has no child elsewhere counts too: the peer is a
 * database, or a program that sends no spans. */
#include "api/trace_links.h"

#include "api/trace_read.h"
#include "base/hash.h"

#include <stdlib.h>

enum { KIND_CLIENT = 3, KIND_PRODUCER = 4, STATUS_ERROR = 2, NO_NAME = UINT32_MAX, LINK_HALVES_MAX = 16 /* of one id that are told apart */ };

struct small_span {
    uint64_t id, parent; /* hashes of trace id and span id; parent 0: none */
    uint32_t service, peer;
    float weight, seconds;
    bool is_error, is_call, has_child;
};

struct gathering {
    struct arena *a;
    struct map names, links;
    struct slice *name_list;
    size_t name_count, name_cap;
    struct small_span *spans;
    size_t span_count, span_cap;
    uint32_t *slots; /* by id: 1 + number of a span; one id may have several, of unlike services or sides of a call */
    size_t slot_mask;
    struct trace_link *list;
    size_t count, cap;
    bool is_part, is_timed;
};

static uint32_t name_of(struct gathering *g, struct slice name)
{
    uint64_t *at = map_get(&g->names, name);
    if (at)
        return (uint32_t)*at;
    name = arena_copy(g->a, name);
    *map_put(&g->names, name, NULL) = g->name_count;
    ARENA_PUSH(g->a, g->name_list, g->name_count, g->name_cap) = name;
    return (uint32_t)g->name_count - 1;
}

static uint64_t key_of(const uint8_t *trace_id, const uint8_t *span_id)
{
    static const uint8_t none[8];
    char both[24];
    if (memcmp(span_id, none, sizeof none) == 0)
        return 0;
    memcpy(both, trace_id, 16);
    memcpy(both + 16, span_id, 8);
    uint64_t h = hash64(slice_of(both, sizeof both), 0);
    return h ? h : 1;
}

/* What is called, of a span that calls: its peer's name, or the kind of its database or queue. */
static struct slice peer_of(const struct event *e)
{
    static const struct slice names[] = { SLICE_INIT("peer.service"), SLICE_INIT("db.name"), SLICE_INIT("db.namespace"), SLICE_INIT("db.system"),
                                          SLICE_INIT("db.system.name"), SLICE_INIT("messaging.system"), SLICE_INIT("server.address"),
                                          SLICE_INIT("net.peer.name") };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        const struct field *f = event_field(e, names[i]);
        if (f && f->type == FIELD_STRING && f->text.len)
            return f->text;
    }
    return SLICE_EMPTY;
}

static void take(struct gathering *g, const struct event *e)
{
    bool is_call = e->span_kind == KIND_CLIENT || e->span_kind == KIND_PRODUCER;
    struct slice peer = is_call ? peer_of(e) : SLICE_EMPTY;
    ARENA_PUSH(g->a, g->spans, g->span_count, g->span_cap) = (struct small_span){
        .id = key_of(e->trace_id, e->span_id), .parent = key_of(e->trace_id, e->parent_id), .service = name_of(g, e->service),
        .peer = peer.len ? name_of(g, peer) : NO_NAME, .weight = e->weight,
        .seconds = (float)((double)e->duration_ns / 1e9), .is_error = e->span_status == STATUS_ERROR, .is_call = is_call };
}

static void index_spans(struct gathering *g)
{
    size_t cap = 16;
    while (cap < g->span_count * 2)
        cap *= 2;
    g->slots = mem_zalloc(cap * sizeof *g->slots);
    g->slot_mask = cap - 1;
    for (size_t i = 0; i < g->span_count; i++) {
        const struct small_span *s = &g->spans[i];
        size_t at = s->id & g->slot_mask, alike = 0;
        while (g->slots[at]) {
            const struct small_span *p = &g->spans[g->slots[at] - 1];
            bool is_same = p->id == s->id && p->service == s->service && p->is_call == s->is_call;
            alike += p->id == s->id;
            if (is_same || alike == LINK_HALVES_MAX) /* it would never be found, or would make finding slow */
                break;
            at = (at + 1) & g->slot_mask;
        }
        if (g->slots[at] == 0)
            g->slots[at] = (uint32_t)i + 1;
    }
}

static struct small_span *span_of(struct gathering *g, uint64_t id, const struct small_span *s, bool is_own)
{
    struct small_span *other = NULL;
    for (size_t at = id & g->slot_mask; id && g->slots[at]; at = (at + 1) & g->slot_mask) {
        struct small_span *p = &g->spans[g->slots[at] - 1];
        if (p == s || p->id != id)
            continue;
        if (is_own ? p->is_call && p->service != s->service : p->service == s->service)
            return p;
        other = is_own ? other : p;
    }
    return other;
}

/* Who called: the client's half of the call, when both halves share an id; else the parent, which is the own service's half of what
 * has the parent's id. */
static struct small_span *parent_of(struct gathering *g, const struct small_span *s)
{
    struct small_span *half = s->is_call ? NULL : span_of(g, s->id, s, true);
    return half ? half : span_of(g, s->parent, s, false);
}

static void add_link(struct gathering *g, uint32_t parent, uint32_t child, const struct small_span *s, bool is_peer)
{
    uint32_t pair[] = { parent, child };
    struct slice key = slice_of((const char *)pair, sizeof pair);
    uint64_t *at = map_get(&g->links, key);
    if (at == NULL) {
        if (g->count == TRACE_LINKS_MAX) {
            g->is_part = true;
            return;
        }
        at = map_put(&g->links, arena_copy(g->a, key), NULL);
        *at = g->count;
        ARENA_PUSH(g->a, g->list, g->count, g->cap) =
            (struct trace_link){ .parent = g->name_list[parent], .child = g->name_list[child], .is_peer = is_peer };
    }
    g->list[*at].calls += s->weight;
    g->list[*at].errors += s->is_error ? s->weight : 0;
    struct event like = { .weight = s->weight, .span_status = s->is_error ? STATUS_ERROR : 0,
                          .duration_ns = (int64_t)((double)s->seconds * 1e9) };
    if (g->is_timed)
        span_tally_add(g->a, &g->list[*at].tally, &like);
}

static void link_spans(struct gathering *g)
{
    for (size_t i = 0; i < g->span_count; i++) {
        struct small_span *s = &g->spans[i], *p = parent_of(g, s);
        if (p == NULL || p->service == s->service)
            continue;
        p->has_child = true;
        add_link(g, p->service, s->service, s, false);
    }
    for (size_t i = 0; i < g->span_count; i++) {
        const struct small_span *s = &g->spans[i];
        if (s->is_call && !s->has_child && s->peer != NO_NAME && s->peer != s->service)
            add_link(g, s->service, s->peer, s, true);
    }
}

static enum status read_spans(struct api_query *q, struct gathering *g, int64_t start_ns, int64_t end_ns, struct err *err)
{
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    struct events_query eq = { .start_ns = start_ns, .end_ns = end_ns, .kinds = SPAN_KINDS, .want = WANT_IDS | WANT_FIELDS,
                               .order = ORDER_TIME_DESC, .limit = TRACE_LINK_SPANS_MAX + 1 };
    enum status st = q->api->engine->ops->events(q->api->engine, &q->ctx, &eq, &it, &did, err);
    if (st)
        return st;
    while (!g->is_part && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && !g->is_part; i++) {
            g->is_part = g->span_count == TRACE_LINK_SPANS_MAX;
            if (!g->is_part)
                take(g, &block.rows[i]);
        }
        if (arena_over(g->a)) {
            st = err_set(err, ST_LIMIT, "the links of services need over %zu bytes, the limit of one answer; ask for less time",
                         arena_bytes_max(g->a));
            break;
        }
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_names(const void *x, const void *y)
{
    const struct trace_link *a = x, *b = y;
    int order = slice_cmp(a->parent, b->parent);
    return order ? order : slice_cmp(a->child, b->child);
}

static enum status read_links(struct api_query *q, int64_t start_ns, int64_t end_ns, bool is_timed, struct trace_link **list, size_t *count,
                              bool *is_part, struct err *err)
{
    struct gathering g = { .a = q->arena, .is_timed = is_timed };
    map_init(&g.names);
    map_init(&g.links);
    enum status st = read_spans(q, &g, start_ns, end_ns, err);
    if (st == ST_OK) {
        index_spans(&g);
        link_spans(&g);
    }
    if (g.count)
        qsort(g.list, g.count, sizeof *g.list, by_names);
    mem_free(g.slots);
    map_free(&g.names);
    map_free(&g.links);
    *list = g.list;
    *count = g.count;
    *is_part = g.is_part;
    return st;
}

enum status trace_links(struct api_query *q, int64_t start_ns, int64_t end_ns, struct trace_link **list, size_t *count, bool *is_part,
                        struct err *err)
{
    return read_links(q, start_ns, end_ns, false, list, count, is_part, err);
}

enum status trace_links_timed(struct api_query *q, int64_t start_ns, int64_t end_ns, struct trace_link **list, size_t *count, bool *is_part,
                              struct err *err)
{
    return read_links(q, start_ns, end_ns, true, list, count, is_part, err);
}

static void put_count(struct json_writer *w, struct slice key, double weight)
{
    json_key(w, key);
    json_uint(w, (uint64_t)(weight + 0.5));
}

void trace_links_put(struct json_writer *w, const struct trace_link *list, size_t count, bool with_errors)
{
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_key(w, SLICE("parent"));
        json_string(w, list[i].parent);
        json_key(w, SLICE("child"));
        json_string(w, list[i].child);
        put_count(w, SLICE("callCount"), list[i].calls);
        if (with_errors && list[i].errors > 0)
            put_count(w, SLICE("errorCount"), list[i].errors);
        json_object_end(w);
    }
}

void trace_links_warn(struct http_exchange *x, bool is_part)
{
    if (is_part)
        http_set_header(x, SLICE("X-Stoa-Warning"),
                        arena_printf(http_arena(x), "only the newest %d spans of the window were looked at, and at most %d links are given",
                                     TRACE_LINK_SPANS_MAX, TRACE_LINKS_MAX));
}
