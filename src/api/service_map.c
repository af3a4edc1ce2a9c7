/* SPDX-License-Identifier: Apache-2.0 */
/* Services and who calls whom, with their golden signals: GET /api/stoa/v1/service_map?start&end&service.
 *
 * Asked of the metrics that spans became as they came (pipeline/span_metrics.h), which count every span, also those that sampling dropped.
 * A window without any of those is told from the spans that are stored; `source` says which. With `service` it is that one
 * and its neighbours. */
#include <math.h>
#include <stdlib.h>

#include "api/handlers.h"
#include "api/trace_links.h"
#include "base/num.h"

enum { MAP_NODES_MAX = 5000, MAP_EDGES_MAX = 10 * 1000, KIND_SERVER = 2, KIND_CONSUMER = 5, QUANTILES = 3 };

#define SERVED "span_kind=~\"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER\""
#define BY_EDGE "(client,server,connection_type)"
#define GRAPH "traces_service_graph_request_"
#define CALLS "traces_spanmetrics_calls_total"
#define LATENCY "traces_spanmetrics_latency"
#define FAILED ",status_code=\"STATUS_CODE_ERROR\""

static const double quantiles[QUANTILES] = { 0.5, 0.95, 0.99 };

struct signals {
    double rate, failed, quantile[QUANTILES]; /* a second; NaN: not known */
};

struct node {
    struct slice name;
    const char *type;      /* "service", "database", "queue", "external", "user" */
    struct signals s;
    bool is_served, is_near; /* spans of it were seen; it is the service asked for, or a neighbour */
};

struct edge {
    struct slice client, server, type;
    struct signals s;
};

struct work {
    struct span_report r;
    struct map names, pairs;
    struct node *nodes;
    struct edge *edges;
    size_t node_count, node_cap, edge_count, edge_cap;
    const char *source;
};

static struct node *node_of(struct work *w, struct slice name)
{
    uint64_t *at = map_get(&w->names, name);
    if (at)
        return &w->nodes[*at];
    if (w->node_count == MAP_NODES_MAX) {
        w->r.is_part = true;
        return NULL;
    }
    name = arena_copy(w->r.q.arena, name);
    *map_put(&w->names, name, NULL) = w->node_count;
    ARENA_PUSH(w->r.q.arena, w->nodes, w->node_count, w->node_cap) =
        (struct node){ .name = name, .type = "service", .s = { 0, 0, { NAN, NAN, NAN } } };
    return &w->nodes[w->node_count - 1];
}

static struct edge *edge_of(struct work *w, struct slice client, struct slice server, struct slice type)
{
    struct arena *a = w->r.q.arena;
    struct slice key = arena_printf(a, "%zu:%.*s%zu:%.*s%.*s", client.len, SLICE_FMT(client), server.len, SLICE_FMT(server), SLICE_FMT(type));
    uint64_t *at = map_get(&w->pairs, key);
    if (at)
        return &w->edges[*at];
    if (w->edge_count == MAP_EDGES_MAX) {
        w->r.is_part = true;
        return NULL;
    }
    *map_put(&w->pairs, key, NULL) = w->edge_count;
    ARENA_PUSH(a, w->edges, w->edge_count, w->edge_cap) =
        (struct edge){ arena_copy(a, client), arena_copy(a, server), arena_copy(a, type), { 0, 0, { NAN, NAN, NAN } } };
    return &w->edges[w->edge_count - 1];
}

/* ---- from metrics ---- */

enum { WHAT_RATE, WHAT_FAILED, WHAT_QUANTILE };

static void put(struct signals *s, int what, double v)
{
    if (s == NULL || !isfinite(v))
        return;
    if (what == WHAT_RATE)
        s->rate = v;
    else if (what == WHAT_FAILED)
        s->failed = v;
    else
        s->quantile[what - WHAT_QUANTILE] = v;
}

static enum status ask(struct work *w, struct slice text, bool is_edge, int what)
{
    struct query_params p = { .start_ns = w->r.end_ns, .end_ns = w->r.end_ns, .features = w->r.q.api->features };
    struct value v = { 0 };
    enum status st = w->r.q.api->promql->instant(&w->r.q.env, text, &p, &v, &w->r.err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct slice l = v.series[i].labels;
        if (is_edge) {
            struct edge *e = edge_of(w, labels_get(l, SLICE("client")), labels_get(l, SLICE("server")), labels_get(l, SLICE("connection_type")));
            put(e ? &e->s : NULL, what, v.series[i].v[0]);
            continue;
        }
        struct node *n = node_of(w, labels_get(l, SLICE("service")));
        put(n ? &n->s : NULL, what, v.series[i].v[0]);
        if (n)
            n->is_served = true;
    }
    return st;
}

static enum status from_metrics(struct work *w)
{
    struct arena *a = w->r.q.arena;
    long long window = (long long)MAX(sat_sub(w->r.end_ns, w->r.start_ns) / NS_S, INT64_C(1));
    enum status st = ask(w, arena_printf(a, "sum by (service) (rate(" CALLS "{" SERVED "}[%llds]))", window), false, WHAT_RATE);
    if (!st)
        st = ask(w, arena_printf(a, "sum by " BY_EDGE " (rate(" GRAPH "total[%llds]))", window), true, WHAT_RATE);
    if (st || w->node_count + w->edge_count == 0)
        return st;
    st = ask(w, arena_printf(a, "sum by (service) (rate(" CALLS "{" SERVED FAILED "}[%llds]))", window),
             false, WHAT_FAILED);
    if (!st)
        st = ask(w, arena_printf(a, "sum by " BY_EDGE " (rate(" GRAPH "failed_total[%llds]))", window), true, WHAT_FAILED);
    for (int i = 0; i < QUANTILES && !st; i++) {
        st = ask(w, arena_printf(a, "histogram_quantile(%g, sum by (service) (rate(" LATENCY "{" SERVED "}[%llds])))", quantiles[i], window), false,
                 WHAT_QUANTILE + i);
        if (!st)
            st = ask(w, arena_printf(a, "histogram_quantile(%g, sum by " BY_EDGE " (rate(" GRAPH "server_seconds[%llds])))", quantiles[i], window),
                     true, WHAT_QUANTILE + i);
    }
    return st;
}

/* ---- from spans ---- */

static void signals_of(struct work *w, struct signals *s, const struct span_tally *t)
{
    double seconds = (double)sat_sub(w->r.end_ns, w->r.start_ns) / 1e9;
    s->rate = t->count / seconds;
    s->failed = t->errors / seconds;
    for (int i = 0; i < QUANTILES; i++)
        s->quantile[i] = span_tally_quantile(t, quantiles[i]);
}

struct served {
    struct work *w;
    struct span_tally *tallies[MAP_NODES_MAX];
};

static void take_served(void *arg, const struct event *e)
{
    struct served *s = arg;
    struct node *n = node_of(s->w, e->service);
    if (n == NULL)
        return;
    struct span_tally **t = &s->tallies[n - s->w->nodes];
    if (*t == NULL)
        *t = arena_new_of(s->w->r.q.arena, struct span_tally);
    n->is_served = true;
    span_tally_add(s->w->r.q.arena, *t, e);
}

static enum status from_spans(struct work *w)
{
    struct arena *a = w->r.q.arena;
    struct served *s = arena_new_of(a, struct served);
    struct slice only = w->r.service;
    struct preds kinds = { 0 };
    struct trace_link *links;
    size_t count;
    bool is_part = false;
    s->w = w;
    w->source = "spans";
    preds_add(a, &kinds, pred_int(a, PRED_EQ, COL_SPAN_KIND, KIND_SERVER));
    preds_add(a, &kinds, pred_int(a, PRED_EQ, COL_SPAN_KIND, KIND_CONSUMER));
    w->r.service = SLICE_EMPTY; /* its neighbours, too */
    enum status st = span_report_read(&w->r, SPAN_KINDS, pred_node(a, PRED_OR, &kinds), 0, take_served, s);
    w->r.service = only;
    if (!st)
        st = trace_links_timed(&w->r.q, w->r.start_ns, w->r.end_ns, &links, &count, &is_part, &w->r.err);
    w->r.is_part |= is_part;
    for (size_t i = 0; !st && i < w->node_count; i++)
        if (s->tallies[i])
            signals_of(w, &w->nodes[i].s, s->tallies[i]);
    for (size_t i = 0; !st && i < count; i++) {
        struct edge *e = edge_of(w, links[i].parent, links[i].child, links[i].is_peer ? SLICE("virtual_node") : SLICE_EMPTY);
        if (e)
            signals_of(w, &e->s, &links[i].tally);
    }
    return st;
}

/* ---- the answer ---- */

/* Who is at the ends of edges alone is no service that sends spans, and is told from the edges that lead there. */
static void add_ends(struct work *w)
{
    for (size_t i = 0; i < w->edge_count; i++) {
        const struct edge *e = &w->edges[i];
        bool from_user = slice_eq(e->client, SLICE("user")) && slice_eq(e->type, SLICE("virtual_node"));
        struct node *server = node_of(w, e->server);
        if (w->r.service.len && server && slice_eq(e->client, w->r.service))
            server->is_near = true;
        if (server && !server->is_served) {
            server->type = slice_eq(e->type, SLICE("database"))           ? "database"
                           : slice_eq(e->type, SLICE("messaging_system")) ? "queue"
                           : slice_eq(e->type, SLICE("virtual_node"))     ? "external"
                                                                          : server->type;
            server->s.rate += e->s.rate;
            server->s.failed += e->s.failed;
        }
        struct node *client = node_of(w, e->client); /* server may have moved */
        if (client && from_user && !client->is_served)
            client->type = "user";
        if (client && w->r.service.len && slice_eq(e->server, w->r.service))
            client->is_near = true;
    }
}

static int by_name(const void *x, const void *y)
{
    return slice_cmp(((const struct node *)x)->name, ((const struct node *)y)->name);
}

static int by_ends(const void *x, const void *y)
{
    const struct edge *a = x, *b = y;
    int order = slice_cmp(a->client, b->client);
    order = order ? order : slice_cmp(a->server, b->server);
    return order ? order : slice_cmp(a->type, b->type);
}

static void put_signals(struct json_writer *w, const struct signals *s)
{
    static const char *const keys[QUANTILES] = { "p50_seconds", "p95_seconds", "p99_seconds" };
    span_json_number(w, "requests_per_second", s->rate);
    span_json_number(w, "error_ratio", s->rate > 0 ? s->failed / s->rate : NAN);
    for (int i = 0; i < QUANTILES; i++)
        span_json_number(w, keys[i], s->quantile[i]);
}

static void put_nodes(struct json_writer *j, const struct work *w)
{
    json_key(j, SLICE("nodes"));
    json_array_begin(j);
    for (size_t i = 0; i < w->node_count; i++) {
        const struct node *n = &w->nodes[i];
        if (w->r.service.len && !n->is_near && !slice_eq(n->name, w->r.service))
            continue;
        json_object_begin(j);
        span_json_text(j, "service", n->name);
        span_json_text(j, "type", slice_str(n->type));
        put_signals(j, &n->s);
        json_object_end(j);
    }
    json_array_end(j);
}

static void put_edges(struct json_writer *j, const struct work *w)
{
    json_key(j, SLICE("edges"));
    json_array_begin(j);
    for (size_t i = 0; i < w->edge_count; i++) {
        const struct edge *e = &w->edges[i];
        if (w->r.service.len && !slice_eq(e->client, w->r.service) && !slice_eq(e->server, w->r.service))
            continue;
        json_object_begin(j);
        span_json_text(j, "client", e->client);
        span_json_text(j, "server", e->server);
        span_json_text(j, "connection_type", e->type);
        put_signals(j, &e->s);
        json_object_end(j);
    }
    json_array_end(j);
}

static void answer(struct work *w)
{
    struct span_answer a;
    if (w->node_count)
        qsort(w->nodes, w->node_count, sizeof *w->nodes, by_name);
    if (w->edge_count)
        qsort(w->edges, w->edge_count, sizeof *w->edges, by_ends);
    span_answer_begin(&a);
    span_json_text(&a.w, "source", slice_str(w->source));
    put_nodes(&a.w, w);
    put_edges(&a.w, w);
    span_answer_end(&a, &w->r);
}

void service_map_http(void *user, struct http_exchange *x)
{
    struct work w = { .source = "metrics" };
    if (!span_report_begin(user, x, &w.r))
        return;
    map_init(&w.names);
    map_init(&w.pairs);
    enum status st = from_metrics(&w);
    if (!st && w.node_count + w.edge_count == 0)
        st = from_spans(&w);
    if (!st) {
        add_ends(&w);
        answer(&w);
    }
    map_free(&w.names);
    map_free(&w.pairs);
    span_report_end(&w.r, "service_map", st);
}
