/* SPDX-License-Identifier: Apache-2.0 */
/* Halves of calls wait in a map by tenant, trace and the client's span id, and in a list by arrival, so that expiring looks at
 * the oldest alone.
 *
 * (1) A client's call to a database is whole by itself: no server of it sends spans.
 * (2) A server's half is looked for by its parent's id, and by its own, as Zipkin's clients and servers share one.
 * (3) A producer's half stays when it is paired: a message may have several consumers.
 * (4) A server's span without a parent was called by "user": a browser, a program outside.
 * (5) Beyond SPAN_EDGES_PENDING_MAX the one that waited longest gives way: what comes now is likelier to be paired. */
#include "pipeline/span_edges.h"

#include "base/hash.h"
#include "base/num.h"
#include "base/utf8.h"

enum { KIND_SERVER = 2, KIND_CLIENT = 3, KIND_PRODUCER = 4, KIND_CONSUMER = 5, STATUS_ERROR = 2, KEY_BYTES = 8 + 16 + 8 };

enum peer_type { PEER_NONE, PEER_VIRTUAL, PEER_DATABASE, PEER_QUEUE };
static const struct slice types[] = { SLICE_INIT(""), SLICE_INIT("virtual_node"), SLICE_INIT("database"), SLICE_INIT("messaging_system") };

/* Fields that name who is called, the best first: a database by where it is, as Tempo has it, a queue by what it is, then all others. */
static const struct {
    struct slice name;
    enum peer_type type;
    bool of_databases; /* it names them alone */
} peers[] = {
    { SLICE_INIT("peer.service"), PEER_VIRTUAL, false },
    { SLICE_INIT("messaging.destination.name"), PEER_QUEUE, false },
    { SLICE_INIT("messaging.destination"), PEER_QUEUE, false },
    { SLICE_INIT("messaging.system"), PEER_QUEUE, false },
    { SLICE_INIT("server.address"), PEER_VIRTUAL, false },
    { SLICE_INIT("network.peer.address"), PEER_NONE, true }, /* with its port */
    { SLICE_INIT("db.namespace"), PEER_DATABASE, true },
    { SLICE_INIT("db.name"), PEER_DATABASE, true },
    { SLICE_INIT("db.system.name"), PEER_DATABASE, true },
    { SLICE_INIT("db.system"), PEER_DATABASE, true },
    { SLICE_INIT("net.peer.name"), PEER_VIRTUAL, false },
};
enum { PEER_ADDRESS = 5 /* its place */, PORT_BYTES_MAX = 8 };

struct half {
    struct half *older, *newer;
    uint8_t key[KEY_BYTES];
    struct slice tenant, service, peer; /* in one allocation with it */
    struct event e;                     /* ids and time alone */
    enum peer_type type;
    bool is_client, is_failed, is_paired, stays;
    double weight;
    int64_t duration_ns, since_ns;
};

struct span_edges {
    struct map index;
    struct half *oldest, *newest;
};

struct span_edges *span_edges_new(void)
{
    struct span_edges *s = mem_new(struct span_edges);
    map_init(&s->index);
    return s;
}

static void half_remove(struct span_edges *s, struct half *h)
{
    map_remove(&s->index, slice_of(h->key, KEY_BYTES));
    *(h->older ? &h->older->newer : &s->oldest) = h->newer;
    *(h->newer ? &h->newer->older : &s->newest) = h->older;
    mem_free(h);
}

void span_edges_free(struct span_edges *s)
{
    if (s == NULL)
        return;
    while (s->oldest)
        half_remove(s, s->oldest);
    map_free(&s->index);
    mem_free(s);
}

/* ---- what a span says ---- */

struct peer {
    struct slice name;
    enum peer_type type;
    char room[SPAN_EDGE_NAME_BYTES_MAX + PORT_BYTES_MAX];
};

/* "10.0.0.7:5432" */
static void put_port(struct peer *p, const struct event *e)
{
    const struct field *f = event_field(e, SLICE("network.peer.port"));
    char number[NUM_TEXT_BYTES_MAX];
    struct slice port = SLICE_EMPTY;
    if (f && f->type == FIELD_INT)
        port = slice_of(number, num_format_i64(f->i, number));
    else if (f && f->type == FIELD_STRING)
        port = f->text;
    if (port.len == 0 || port.len >= PORT_BYTES_MAX)
        return;
    memcpy(p->room, p->name.ptr, p->name.len);
    p->room[p->name.len] = ':';
    memcpy(p->room + p->name.len + 1, port.ptr, port.len);
    p->name = slice_of(p->room, p->name.len + 1 + port.len);
}

static void peer_read(const struct event *e, struct peer *p)
{
    struct slice found[COUNT_OF(peers)] = { 0 };
    p->name = SLICE_EMPTY;
    p->type = e->span_kind == KIND_PRODUCER ? PEER_QUEUE : PEER_NONE;
    for (uint32_t i = 0; i < e->field_count; i++) {
        const struct field *f = &e->fields[i];
        if (f->scope != SCOPE_RECORD || f->type != FIELD_STRING || f->text.len == 0 || f->name.len < 7)
            continue;
        for (size_t k = 0; k < COUNT_OF(peers); k++) {
            if (!slice_eq(f->name, peers[k].name))
                continue;
            p->type = MAX(p->type, peers[k].type);
            if (found[k].len == 0 && utf8_is_valid(f->text))
                found[k] = utf8_cut(f->text, SPAN_EDGE_NAME_BYTES_MAX);
        }
    }
    for (size_t k = 0; k < COUNT_OF(peers) && p->name.len == 0; k++)
        if (found[k].len && (p->type == PEER_DATABASE || !peers[k].of_databases)) {
            p->name = found[k];
            if (k == PEER_ADDRESS)
                put_port(p, e);
        }
}

static void key_of(uint8_t key[KEY_BYTES], struct slice tenant, const struct event *e, const uint8_t *span_id)
{
    uint64_t h = hash64(tenant, 0);
    memcpy(key, &h, sizeof h);
    memcpy(key + 8, e->trace_id, 16);
    memcpy(key + 24, span_id, 8);
}

static bool has_parent(const struct event *e)
{
    static const uint8_t none[8];
    return memcmp(e->parent_id, none, sizeof none) != 0;
}

/* ---- edges ---- */

struct edge {
    struct slice tenant, client, server;
    enum peer_type type;
    bool is_failed;
    double weight;
    const struct event *e;
    int64_t server_ns, client_ns;
};

static void edge_count(struct span_table *t, const struct edge *g, struct span_edges_result *out)
{
    struct label labels[] = { { SLICE("client"), g->client }, { SLICE("server"), g->server }, { SLICE("connection_type"), types[g->type] } };
    bool folded;
    struct span_row *r = span_table_row(t, g->tenant, labels, COUNT_OF(labels), 1, &folded);
    out->folded += folded && r;
    if (r == NULL) {
        out->left_out++;
        return;
    }
    r->calls += g->weight;
    r->failed += g->is_failed ? g->weight : 0;
    span_times_add(&r->times[0], g->e, g->server_ns, g->weight);
    span_times_add(&r->times[1], g->e, g->client_ns, g->weight);
}

/* A half that found no other. */
static void half_alone(struct span_table *t, const struct half *h, struct span_edges_result *out)
{
    if (h->is_paired)
        return;
    if (!h->is_client || h->peer.len == 0) {
        out->unpaired++;
        return;
    }
    edge_count(t, &(struct edge){ h->tenant, h->service, h->peer, h->type, h->is_failed, h->weight, &h->e, h->duration_ns, h->duration_ns }, out);
}

/* ---- halves ---- */

static struct slice put_text(char **to, struct slice s)
{
    char *at = *to;
    if (s.len)
        memcpy(at, s.ptr, s.len);
    *to += s.len;
    return slice_of(at, s.len);
}

static struct half *half_of(const struct span_edges *s, struct slice tenant, const struct event *e, const uint8_t *span_id, bool is_client)
{
    uint8_t key[KEY_BYTES];
    key_of(key, tenant, e, span_id);
    uint64_t *found = map_get(&s->index, slice_of(key, KEY_BYTES));
    struct half *h = found ? (struct half *)(uintptr_t)*found : NULL;
    return h && h->is_client == is_client ? h : NULL;
}

static void half_wait(struct span_edges *s, struct span_table *t, const struct half *like, const struct event *e, const uint8_t *span_id,
                      struct span_edges_result *out)
{
    if (s->index.count >= SPAN_EDGES_PENDING_MAX) { /* (5) */
        struct span_edges_result early = { 0 };
        half_alone(t, s->oldest, &early);
        half_remove(s, s->oldest);
        out->dropped += early.unpaired;
        out->folded += early.folded;
        out->left_out += early.left_out;
    }
    char *texts = mem_alloc(sizeof(struct half) + like->tenant.len + like->service.len + like->peer.len);
    struct half *h = (struct half *)(void *)texts;
    texts += sizeof *h;
    *h = *like;
    h->tenant = put_text(&texts, like->tenant);
    h->service = put_text(&texts, like->service);
    h->peer = put_text(&texts, like->peer);
    h->older = s->newest;
    h->newer = NULL;
    key_of(h->key, like->tenant, e, span_id);
    h->e.time_ns = e->time_ns;
    memcpy(h->e.trace_id, e->trace_id, sizeof e->trace_id);
    memcpy(h->e.span_id, e->span_id, sizeof e->span_id);
    *(s->newest ? &s->newest->newer : &s->oldest) = h;
    s->newest = h;
    bool is_new;
    uint64_t *at = map_put(&s->index, slice_of(h->key, KEY_BYTES), &is_new);
    if (!is_new) { /* sent again, or a second one under one parent: the key in the map is the one before's */
        struct half *same = (struct half *)(uintptr_t)*at;
        half_alone(t, same, out);
        half_remove(s, same);
        at = map_put(&s->index, slice_of(h->key, KEY_BYTES), NULL);
    }
    *at = (uintptr_t)h;
}

static void take_client(struct span_edges *s, struct span_table *t, struct slice tenant, const struct event *e, int64_t now_ns,
                        struct span_edges_result *out)
{
    struct peer peer;
    peer_read(e, &peer);
    struct half *server = half_of(s, tenant, e, e->span_id, false);
    bool is_failed = e->span_status == STATUS_ERROR;
    double weight = (double)e->weight;
    if (peer.type == PEER_DATABASE && peer.name.len) { /* (1) */
        edge_count(t, &(struct edge){ tenant, e->service, peer.name, peer.type, is_failed, weight, e, e->duration_ns, e->duration_ns }, out);
        return;
    }
    if (server) {
        edge_count(t, &(struct edge){ tenant, e->service, server->service, peer.type == PEER_QUEUE ? PEER_QUEUE : PEER_NONE,
                                      is_failed || server->is_failed,
                                      MAX(weight, server->weight), e, server->duration_ns, e->duration_ns }, out);
        half_remove(s, server);
        if (e->span_kind != KIND_PRODUCER)
            return;
    }
    struct half like = { .tenant = tenant, .service = e->service, .peer = peer.name, .type = peer.type, .is_client = true, .is_failed = is_failed,
                         .is_paired = server != NULL, .stays = e->span_kind == KIND_PRODUCER, .weight = weight, .duration_ns = e->duration_ns,
                         .since_ns = now_ns };
    half_wait(s, t, &like, e, e->span_id, out);
}

static void take_server(struct span_edges *s, struct span_table *t, struct slice tenant, const struct event *e, int64_t now_ns,
                        struct span_edges_result *out)
{
    bool is_failed = e->span_status == STATUS_ERROR, is_called = has_parent(e);
    double weight = (double)e->weight;
    struct half *client = is_called ? half_of(s, tenant, e, e->parent_id, true) : NULL;
    if (client == NULL)
        client = half_of(s, tenant, e, e->span_id, true); /* (2) */
    if (client) {
        bool is_queue = e->span_kind == KIND_CONSUMER || client->type == PEER_QUEUE;
        edge_count(t, &(struct edge){ tenant, client->service, e->service, is_queue ? PEER_QUEUE : PEER_NONE, is_failed || client->is_failed,
                                      MAX(weight, client->weight), e, e->duration_ns, client->duration_ns }, out);
        client->is_paired = true;
        if (!client->stays) /* (3) */
            half_remove(s, client);
        return;
    }
    if (!is_called) { /* (4) */
        if (e->span_kind == KIND_SERVER)
            edge_count(t, &(struct edge){ tenant, SLICE("user"), e->service, PEER_VIRTUAL, is_failed, weight, e, e->duration_ns, e->duration_ns },
                       out);
        return;
    }
    struct half like = { .tenant = tenant, .service = e->service, .is_failed = is_failed, .weight = weight, .duration_ns = e->duration_ns,
                         .since_ns = now_ns };
    half_wait(s, t, &like, e, e->parent_id, out);
}

void span_edges_take(struct span_edges *s, struct span_table *t, struct slice tenant, const struct event *e, int64_t now_ns,
                     struct span_edges_result *out)
{
    if (e->span_kind == KIND_CLIENT || e->span_kind == KIND_PRODUCER)
        take_client(s, t, tenant, e, now_ns, out);
    else if (e->span_kind == KIND_SERVER || e->span_kind == KIND_CONSUMER)
        take_server(s, t, tenant, e, now_ns, out);
}

void span_edges_expire(struct span_edges *s, struct span_table *t, int64_t now_ns, bool all, struct span_edges_result *out)
{
    while (s->oldest && (all || now_ns - s->oldest->since_ns >= SPAN_EDGE_WAIT_SECONDS * NS_S)) {
        half_alone(t, s->oldest, out);
        half_remove(s, s->oldest);
    }
}
