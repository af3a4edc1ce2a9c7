/* SPDX-License-Identifier: Apache-2.0 */
/* A span of the first model is a call: both of its sides may stand in one record, each known by the endpoint of its annotations. In the
 * second model every side is a span of its own.
 *
 *     cs, cr   client send and receive      client side, from cs to cr
 *     sr, ss   server receive and send      server side, from sr to ss
 *     ms, mr   message send and receive     producer side, consumer side
 *     sa ca ma address of the server, client or broker: the other end of a side
 *     lc       names the local endpoint of a span that is no call
 *
 * A side that is not whole keeps its end as an annotation. A server's side is shared (has the client's id) when the client's side is
 * there, or when the record has no time of its own, which only who began the span writes. */
#include "ingest/zipkin_v1.h"

enum { SIDES_MAX = 8 /* of a record; what more endpoints say goes to the first */, NONE = -1 };

enum mark { MARK_CS, MARK_CR, MARK_SR, MARK_SS, MARK_MS, MARK_MR, MARKS };
static const struct slice mark_names[MARKS] = { SLICE_INIT("cs"), SLICE_INIT("cr"), SLICE_INIT("sr"), SLICE_INIT("ss"), SLICE_INIT("ms"),
                                                SLICE_INIT("mr") };

struct side {
    struct zipkin1_endpoint local, remote;
    const char *kind;
    uint64_t us, duration_us;
    bool is_shared;
};

struct sides {
    const struct zipkin1_span *s;
    struct side list[SIDES_MAX];
    int count;
    const struct zipkin1_note *marks[MARKS];
    int mark_side[MARKS];
};

static enum mark mark_of(const struct zipkin1_note *n)
{
    int m = 0;
    while (m < MARKS && !(n->at.is_there && slice_eq(n->value, mark_names[m])))
        m++;
    return (enum mark)m;
}

static int side_add(struct sides *x, const struct zipkin1_endpoint *at)
{
    if (x->count == SIDES_MAX)
        return 0;
    x->list[x->count] = (struct side){ .local = *at };
    return x->count++;
}

/* The side of that endpoint: its service tells, not its address. */
static int side_of(struct sides *x, const struct zipkin1_endpoint *at)
{
    if (!at->is_there)
        return 0;
    for (int i = 0; i < x->count; i++) {
        struct zipkin1_endpoint *local = &x->list[i].local;
        if (!local->is_there)
            *local = *at;
        if (slice_eq(local->service, at->service))
            return i;
    }
    return side_add(x, at);
}

static void find_marks(struct sides *x)
{
    for (size_t i = 0; i < x->s->note_count; i++) {
        enum mark m = mark_of(&x->s->notes[i]);
        if (m != MARKS && x->marks[m] == NULL)
            x->marks[m] = &x->s->notes[i];
    }
    for (int m = 0; m < MARKS; m++)
        x->mark_side[m] = x->marks[m] ? side_of(x, &x->marks[m]->at) : NONE;
}

static int side_of_marks(const struct sides *x, enum mark begin, enum mark end)
{
    return x->mark_side[begin] != NONE ? x->mark_side[begin] : end == MARKS ? NONE : x->mark_side[end];
}

/* From begin to end, or as the record says when it is this side's. */
static void set_times(struct sides *x, int side, enum mark begin, enum mark end, bool is_own)
{
    const struct zipkin1_note *from = x->marks[begin], *to = end == MARKS ? NULL : x->marks[end];
    struct side *d = &x->list[side];
    d->us = is_own && x->s->us ? x->s->us : from ? from->us : 0;
    d->duration_us = is_own && x->s->duration_us ? x->s->duration_us : from && to && to->us > from->us ? to->us - from->us : 0;
}

/* Which side is what, and when. */
static void set_kinds(struct sides *x)
{
    static const struct {
        enum mark begin, end;
        const char *kind;
    } calls[] = { { MARK_CS, MARK_CR, "CLIENT" }, { MARK_SR, MARK_SS, "SERVER" }, { MARK_MS, MARKS, "PRODUCER" }, { MARK_MR, MARKS, "CONSUMER" } };
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(calls); i++) {
        enum mark begin = calls[i].begin, end = calls[i].end;
        int side = side_of_marks(x, begin, end);
        if (side == NONE)
            continue;
        if (x->list[side].kind) { /* it calls itself: two sides of one endpoint */
            side = side_add(x, &x->list[side].local);
            x->mark_side[begin] = x->mark_side[begin] == NONE ? NONE : side;
            if (end != MARKS && x->mark_side[end] != NONE)
                x->mark_side[end] = side;
        }
        x->list[side].kind = calls[i].kind;
        set_times(x, side, begin, end, !any);
        if (begin == MARK_SR)
            x->list[side].is_shared = any || x->s->us == 0;
        any = true;
    }
    if (!any) {
        x->list[0].us = x->s->us;
        x->list[0].duration_us = x->s->duration_us;
    }
}

static bool same_service(const struct zipkin1_endpoint *a, const struct zipkin1_endpoint *b)
{
    return slice_eq(a->service, b->service);
}

static void put_remote(struct sides *x, int side, const struct zipkin1_endpoint *at)
{
    struct side *d = &x->list[side];
    d->remote = *at;
    if (same_service(&d->local, at) && (at->ipv4.len || at->ipv6.len || at->port))
        d->remote.service = SLICE_EMPTY; /* some clients put their own name beside the peer's address */
}

static bool is_address(const struct zipkin1_note *tag)
{
    return slice_eq(tag->key, SLICE("sa")) || slice_eq(tag->key, SLICE("ca")) || slice_eq(tag->key, SLICE("ma"));
}

static const struct zipkin1_endpoint *address(const struct zipkin1_span *s, struct slice key)
{
    for (size_t i = 0; i < s->tag_count; i++)
        if (s->tags[i].at.is_there && slice_eq(s->tags[i].key, key))
            return &s->tags[i].at;
    return NULL;
}

/* Of a span that is no call: from whom to whom, or only one of them; who knows a client serves it. */
static void set_ends(struct sides *x)
{
    const struct zipkin1_endpoint *client = address(x->s, SLICE("ca")), *server = address(x->s, SLICE("sa"));
    struct side *first = &x->list[0];
    if (client && server && !first->local.is_there)
        first->local = *client;
    else if (client && !server && first->kind == NULL)
        first->kind = "SERVER";
    if (client || server)
        put_remote(x, 0, server ? server : client);
}

static void set_remotes(struct sides *x)
{
    int client = side_of_marks(x, MARK_CS, MARK_CR), server = side_of_marks(x, MARK_SR, MARK_SS);
    const struct zipkin1_endpoint *of_client = address(x->s, SLICE("ca")), *of_server = address(x->s, SLICE("sa")),
                                  *of_broker = address(x->s, SLICE("ma"));
    if (client == NONE && server == NONE)
        set_ends(x);
    if (client != NONE && of_server)
        put_remote(x, client, of_server);
    if (server != NONE && of_client)
        put_remote(x, server, of_client);
    for (enum mark m = MARK_MS; m <= MARK_MR && of_broker; m++)
        if (x->mark_side[m] != NONE)
            put_remote(x, x->mark_side[m], of_broker);
}

/* ---- told in the second model ---- */

static void put_text(struct json_writer *w, const char *key, struct slice text)
{
    if (text.len == 0)
        return;
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_number(struct json_writer *w, const char *key, uint64_t n)
{
    if (n == 0)
        return;
    json_key(w, slice_str(key));
    json_uint(w, n);
}

static void put_endpoint(struct json_writer *w, const char *key, const struct zipkin1_endpoint *e)
{
    if (!e->is_there)
        return;
    json_key(w, slice_str(key));
    json_object_begin(w);
    put_text(w, "serviceName", e->service);
    put_text(w, "ipv4", e->ipv4);
    put_text(w, "ipv6", e->ipv6);
    put_number(w, "port", e->port);
    json_object_end(w);
}

/* Marks that became a side's kind and times are no annotations any more. */
static bool is_said(const struct sides *x, const struct zipkin1_note *n)
{
    enum mark m = mark_of(n);
    if (m == MARKS || x->marks[m] != n)
        return false;
    return (m != MARK_CR || x->marks[MARK_CS]) && (m != MARK_SS || x->marks[MARK_SR]);
}

static int side_of_note(struct sides *x, const struct zipkin1_note *n)
{
    enum mark m = mark_of(n);
    return m != MARKS && x->marks[m] == n ? x->mark_side[m] : side_of(x, &n->at);
}

static void put_annotations(struct json_writer *w, struct sides *x, int side)
{
    json_key(w, SLICE("annotations"));
    json_array_begin(w);
    for (size_t i = 0; i < x->s->note_count; i++) {
        const struct zipkin1_note *n = &x->s->notes[i];
        if (is_said(x, n) || side_of_note(x, n) != side)
            continue;
        json_object_begin(w);
        json_key(w, SLICE("timestamp"));
        json_uint(w, n->us);
        json_key(w, SLICE("value"));
        json_string(w, n->value);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_tags(struct json_writer *w, struct sides *x, int side)
{
    json_key(w, SLICE("tags"));
    json_object_begin(w);
    for (size_t i = 0; i < x->s->tag_count; i++) {
        const struct zipkin1_note *tag = &x->s->tags[i];
        bool is_marker = slice_eq(tag->key, SLICE("lc")) && tag->value.len == 0;
        if (tag->key.len == 0 || is_marker || (is_address(tag) && tag->at.is_there) || side_of(x, &tag->at) != side)
            continue;
        json_key(w, tag->key);
        json_string(w, tag->value);
    }
    json_object_end(w);
}

static void put_side(struct json_writer *w, struct sides *x, int side)
{
    const struct side *d = &x->list[side];
    json_object_begin(w);
    put_text(w, "traceId", x->s->trace_id);
    put_text(w, "id", x->s->id);
    put_text(w, "parentId", x->s->parent_id);
    put_text(w, "name", x->s->name);
    put_text(w, "kind", slice_str(d->kind));
    put_number(w, "timestamp", d->us);
    put_number(w, "duration", d->duration_us);
    put_endpoint(w, "localEndpoint", &d->local);
    put_endpoint(w, "remoteEndpoint", &d->remote);
    put_annotations(w, x, side);
    put_tags(w, x, side);
    if (d->is_shared) {
        json_key(w, SLICE("shared"));
        json_bool(w, true);
    }
    if (x->s->is_debug) {
        json_key(w, SLICE("debug"));
        json_bool(w, true);
    }
    json_object_end(w);
}

void zipkin1_write(struct json_writer *w, const struct zipkin1_span *s)
{
    struct sides x = { .s = s, .count = 1 };
    find_marks(&x);
    set_kinds(&x);
    for (size_t i = 0; i < s->note_count; i++)
        side_of_note(&x, &s->notes[i]); /* makes the sides that have no mark */
    for (size_t i = 0; i < s->tag_count; i++)
        if (!is_address(&s->tags[i]))
            side_of(&x, &s->tags[i].at);
    set_remotes(&x);
    for (int i = 0; i < x.count; i++)
        put_side(w, &x, i);
}
