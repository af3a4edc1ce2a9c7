/* SPDX-License-Identifier: Apache-2.0 */
/* Where a span ran by another clock than its parent and does not lie within it, it is moved so that the way there and back takes
 * equally long. One that lasts longer than its parent may be one that nobody waits for: it only must not begin before it, and so it is
 * with one that takes a message. What a span called by its own clock moves with it. The page does the same (web/src/lib/skew.ts).
 *
 * A clock is that of a host where the resource names one, else that of a service.
 *
 * (1) A span has a parent of the list, or none; following parents ends. Parents in a circle are cut at the span that began first.
 * (2) Two sides of a call under one id (Zipkin's): the server is the client's child, and what is below the id is below the server.
 * (3) Nothing calls itself: a chain may be as long as a trace. */
#include "api/trace_skew.h"

#include "base/date.h"
#include "base/map.h"
#include "base/num.h"
#include "codec/hex.h"

enum { SPAN_ID_BYTES = 8, KIND_SERVER = 2, KIND_CLIENT = 3, KIND_CONSUMER = 5 };

struct node {
    const struct event *span;
    struct slice clock;
    bool is_host;
    uint8_t walk; /* 0 not yet, 1 on this way, 2 done */
    int64_t parent; /* -1: none */
    int64_t server; /* of the first of two that share an id: the serving side, or -1 */
    int64_t shift_ns;
};

struct forest {
    struct node *nodes;
    size_t count;
    struct trace_warnings *warnings;
    struct arena *arena;
};

static void warn(struct forest *f, size_t i, struct slice text)
{
    struct trace_warnings *w = &f->warnings[i];
    if (w->count < COUNT_OF(w->list))
        w->list[w->count++] = text;
}

static void find_clock(struct node *n)
{
    static const struct slice names[] = { SLICE_INIT("ip"), SLICE_INIT("host.id"), SLICE_INIT("host.name"), SLICE_INIT("net.host.ip") };
    size_t best = COUNT_OF(names);
    n->clock = n->span->service;
    for (uint32_t i = 0; i < n->span->field_count; i++) {
        const struct field *f = &n->span->fields[i];
        for (size_t k = 0; f->scope == SCOPE_RESOURCE && f->type == FIELD_STRING && f->text.len && k < best; k++)
            if (slice_eq(f->name, names[k])) {
                best = k;
                n->clock = f->text;
                n->is_host = true;
            }
    }
}

static bool has_parent(const struct event *e)
{
    static const uint8_t none[SPAN_ID_BYTES];
    return memcmp(e->parent_id, none, sizeof none) != 0;
}

/* Ids to their first span, the calling side where there are two. */
static void index_spans(struct forest *f, struct map *ids)
{
    for (size_t i = 0; i < f->count; i++) {
        struct node *n = &f->nodes[i];
        bool added;
        uint64_t *at = map_put(ids, slice_of(n->span->span_id, SPAN_ID_BYTES), &added);
        if (added) {
            *at = i;
            continue;
        }
        struct node *first = &f->nodes[*at];
        if (first->server < 0 && n->span->span_kind == KIND_SERVER && first->span->span_kind != KIND_SERVER) {
            first->server = (int64_t)i;
        } else if (first->server < 0 && n->span->span_kind == KIND_CLIENT && first->span->span_kind == KIND_SERVER) {
            n->server = (int64_t)*at;
            *at = i;
        } else {
            warn(f, i, SLICE("another span has this id; its clock was not corrected"));
            n->walk = 2;
        }
    }
}

static void join_spans(struct forest *f, const struct map *ids)
{
    for (size_t i = 0; i < f->count; i++) {
        struct node *n = &f->nodes[i];
        const uint64_t *own = map_get(ids, slice_of(n->span->span_id, SPAN_ID_BYTES));
        if (n->walk)
            continue;
        if (own && f->nodes[*own].server == (int64_t)i) { /* (2) */
            n->parent = (int64_t)*own;
            continue;
        }
        if (!has_parent(n->span) || memcmp(n->span->parent_id, n->span->span_id, SPAN_ID_BYTES) == 0)
            continue;
        const uint64_t *up = map_get(ids, slice_of(n->span->parent_id, SPAN_ID_BYTES));
        if (up) {
            n->parent = f->nodes[*up].server >= 0 ? f->nodes[*up].server : (int64_t)*up;
            continue;
        }
        char id[2 * SPAN_ID_BYTES];
        hex_encode(slice_of(n->span->parent_id, SPAN_ID_BYTES), id);
        warn(f, i, arena_printf(f->arena, "its parent %.*s is not stored; its clock was not corrected", (int)sizeof id, id));
    }
}

static int64_t shift_of(const struct node *up, const struct node *n)
{
    int64_t start = sat_add(up->span->time_ns, up->shift_ns), end = sat_add(start, up->span->duration_ns);
    int64_t own = n->span->time_ns, latency = sat_sub(up->span->duration_ns, n->span->duration_ns) / 2;
    if (n->clock.len == up->clock.len && n->is_host == up->is_host && slice_eq(n->clock, up->clock))
        return up->shift_ns;
    if (n->span->duration_ns > up->span->duration_ns || n->span->span_kind == KIND_CONSUMER)
        return own < start ? sat_sub(start, own) : 0;
    if (own >= start && sat_add(own, n->span->duration_ns) <= end)
        return 0;
    return sat_sub(sat_add(start, latency), own);
}

/* (1): of the circle that begins and ends at. */
static void cut_circle(struct forest *f, int64_t at)
{
    int64_t first = at;
    for (int64_t i = f->nodes[at].parent; i != at; i = f->nodes[i].parent) {
        const struct event *x = f->nodes[i].span, *y = f->nodes[first].span;
        if (x->time_ns < y->time_ns || (x->time_ns == y->time_ns && x->duration_ns > y->duration_ns))
            first = i;
    }
    f->nodes[first].parent = -1;
    warn(f, (size_t)first, SLICE("its parents are a circle, cut here"));
}

/* From a span upwards to one that is placed or has no parent; a way has one circle at most. */
static size_t climb(struct forest *f, int64_t at, int64_t *way)
{
    size_t n = 0;
    for (int64_t start = at; at >= 0 && f->nodes[at].walk != 2;) {
        if (f->nodes[at].walk == 0) {
            f->nodes[at].walk = 1;
            way[n++] = at;
            at = f->nodes[at].parent;
            continue;
        }
        cut_circle(f, at);
        for (; n > 0; n--)
            f->nodes[way[n - 1]].walk = 0;
        at = start;
    }
    return n;
}

/* way: room for all. */
static void place(struct forest *f, size_t from, int64_t *way)
{
    for (size_t n = climb(f, (int64_t)from, way); n > 0; n--) {
        struct node *x = &f->nodes[way[n - 1]];
        x->shift_ns = x->parent < 0 ? 0 : shift_of(&f->nodes[x->parent], x);
        x->walk = 2;
    }
}

static const struct event *moved(struct arena *a, const struct event *from, int64_t ns)
{
    struct event *e = arena_new_of(a, struct event);
    *e = *from;
    e->time_ns = sat_add(from->time_ns, ns);
    e->events = arena_array(a, struct span_event, from->event_count + 1);
    for (uint32_t i = 0; i < from->event_count; i++) {
        e->events[i] = from->events[i];
        e->events[i].time_ns = sat_add(from->events[i].time_ns, ns);
    }
    return e;
}

static struct slice moved_text(struct arena *a, int64_t ns)
{
    char text[DURATION_TEXT_BYTES_MAX];
    size_t n = duration_format_go(ns, text);
    return arena_printf(a, "its times were moved by %.*s, as its clock differs from its parent's", (int)n, text);
}

const struct event *const *trace_skew(struct arena *a, const struct event *const *spans, size_t count, struct trace_warnings **warnings)
{
    struct forest f = { .nodes = arena_array(a, struct node, count + 1), .count = count, .arena = a,
                        .warnings = arena_zalloc(a, (count + 1) * sizeof *f.warnings) };
    const struct event **out = arena_array(a, const struct event *, count + 1);
    int64_t *way = arena_array(a, int64_t, count + 1);
    struct map ids;
    map_init(&ids);
    for (size_t i = 0; i < count; i++) {
        f.nodes[i] = (struct node){ .span = spans[i], .parent = -1, .server = -1 };
        find_clock(&f.nodes[i]);
    }
    index_spans(&f, &ids);
    join_spans(&f, &ids);
    for (size_t i = 0; i < count; i++)
        place(&f, i, way);
    map_free(&ids);
    for (size_t i = 0; i < count; i++) {
        int64_t ns = f.nodes[i].shift_ns;
        out[i] = ns ? moved(a, spans[i], ns) : spans[i];
        f.warnings[i].is_moved = ns != 0;
        if (ns)
            warn(&f, i, moved_text(a, ns));
    }
    *warnings = f.warnings;
    return out;
}
