/* SPDX-License-Identifier: Apache-2.0 */
/* Three tables of label sets (span_series.h) under one lock, held for a batch's events, and while samples are made of them, not while they are
 * appended: operations, edges between services (span_edges.h), versions. */
#include "pipeline/span_metrics.h"

#include <stdatomic.h>

#include "base/ends.h"
#include "base/utf8.h"
#include "pipeline/span_edges.h"
#include "sys/thread.h"

enum { KNOWN_BITS = 7 };

struct span_metrics {
    atomic_bool is_on;
    atomic_uint_fast64_t lost[SPAN_LOSS_COUNT];
    struct mutex lock; /* all below */
    struct span_table operations, edges, versions;
    struct span_edges *halves;
    int64_t now_ns;    /* of the latest batch */
};

struct span_metrics *span_metrics_new(void)
{
    struct span_metrics *m = mem_new(struct span_metrics);
    mutex_init(&m->lock);
    span_table_init(&m->operations, SPAN_ROW_OPERATION, SPAN_METRICS_MAX, SPAN_NAMES_PER_SERVICE_MAX);
    span_table_init(&m->edges, SPAN_ROW_EDGE, SPAN_EDGES_MAX, SPAN_EDGES_PER_CLIENT_MAX);
    span_table_init(&m->versions, SPAN_ROW_VERSION, SPAN_VERSIONS_MAX, SPAN_VERSIONS_PER_SERVICE_MAX);
    m->halves = span_edges_new();
    return m;
}

void span_metrics_free(struct span_metrics *m)
{
    if (m == NULL)
        return;
    span_table_free(&m->operations);
    span_table_free(&m->edges);
    span_table_free(&m->versions);
    span_edges_free(m->halves);
    mutex_destroy(&m->lock);
    mem_free(m);
}

void span_metrics_switch(struct span_metrics *m, bool on)
{
    atomic_store(&m->is_on, on);
}

uint64_t span_metrics_lost(const struct span_metrics *m, enum span_metrics_loss what)
{
    return atomic_load_explicit(&m->lost[what], memory_order_relaxed);
}

static void lose(struct span_metrics *m, enum span_metrics_loss what, uint64_t n)
{
    if (n)
        atomic_fetch_add_explicit(&m->lost[what], n, memory_order_relaxed);
}

static void lose_edges(struct span_metrics *m, const struct span_edges_result *r)
{
    lose(m, SPAN_EDGE_UNPAIRED, r->unpaired);
    lose(m, SPAN_EDGE_DROPPED, r->dropped);
    lose(m, SPAN_EDGE_FOLDED, r->folded);
    lose(m, SPAN_EDGE_UNCOUNTED, r->left_out);
}

/* ---- counting ---- */

static bool is_fit(struct slice s)
{
    return s.len <= LABEL_VALUE_BYTES_MAX && utf8_is_valid(s);
}

/* Rows of a batch by the addresses of what names them: its equal texts mostly are one. */
struct known_row {
    struct slice service, name;
    uint8_t kind, status;
    bool folded;
    struct span_row *row;
};

static struct span_row *operation_of(struct span_metrics *m, struct slice tenant, const struct event *e, bool *folded)
{
    static const struct slice kinds[] = { SLICE_INIT("SPAN_KIND_UNSPECIFIED"), SLICE_INIT("SPAN_KIND_INTERNAL"), SLICE_INIT("SPAN_KIND_SERVER"),
                                          SLICE_INIT("SPAN_KIND_CLIENT"), SLICE_INIT("SPAN_KIND_PRODUCER"), SLICE_INIT("SPAN_KIND_CONSUMER") };
    static const struct slice statuses[] = { SLICE_INIT("STATUS_CODE_UNSET"), SLICE_INIT("STATUS_CODE_OK"), SLICE_INIT("STATUS_CODE_ERROR") };
    struct slice name = utf8_cut(e->body, SPAN_NAME_BYTES_MAX);
    *folded = false;
    if (!utf8_is_valid(name) || e->span_status >= COUNT_OF(statuses) || e->span_kind >= COUNT_OF(kinds))
        return NULL;
    struct label labels[] = { { SLICE("service"), e->service }, { SLICE("span_kind"), kinds[e->span_kind] }, { SLICE("span_name"), name },
                              { SLICE("status_code"), statuses[e->span_status] } };
    return span_table_row(&m->operations, tenant, labels, COUNT_OF(labels), 2, folded);
}

static void count_operation(struct span_metrics *m, struct slice tenant, const struct event *e, struct known_row *known,
                            struct span_metrics_result *out)
{
    struct known_row *k = &known[(ends_address_place(e->body, KNOWN_BITS) ^ e->span_kind ^ e->span_status << 2) % (1 << KNOWN_BITS)];
    bool is_known = k->row && ends_same_place(k->service, e->service) && ends_same_place(k->name, e->body) && k->kind == e->span_kind &&
                    k->status == e->span_status;
    if (!is_known) {
        *k = (struct known_row){ e->service, e->body, e->span_kind, e->span_status, false, NULL };
        k->row = operation_of(m, tenant, e, &k->folded);
    }
    if (k->row == NULL) {
        out->left_out++;
        return;
    }
    out->folded += k->folded;
    k->row->calls += (double)e->weight;
    span_times_add(&k->row->times[0], e, e->duration_ns, (double)e->weight);
}

/* Records of one sender come in runs with one resource: the last one's version, which stood at *place, is not looked for again. */
static void see_version(struct span_metrics *m, struct slice tenant, const struct event *e, const struct event *before, uint32_t *place)
{
    bool folded;
    const struct field *f = NULL;
    if (before && *place < e->field_count && *place < before->field_count && ends_same_place(before->service, e->service) &&
        before->fields[*place].name.ptr == e->fields[*place].name.ptr && before->fields[*place].text.ptr == e->fields[*place].text.ptr)
        return;
    *place = UINT32_MAX;
    for (uint32_t i = 0; i < e->field_count && f == NULL; i++)
        if (e->fields[i].scope == SCOPE_RESOURCE && slice_eq(e->fields[i].name, SLICE("service.version"))) {
            f = &e->fields[i];
            *place = i;
        }
    if (f == NULL || f->type != FIELD_STRING || f->text.len == 0 || !is_fit(f->text))
        return;
    if (before && slice_eq(before->service, e->service))
        for (uint32_t i = 0; i < before->field_count; i++)
            if (before->fields[i].name.ptr == f->name.ptr && before->fields[i].text.ptr == f->text.ptr)
                return;
    struct label labels[] = { { SLICE("service"), e->service }, { SLICE("service_version"), f->text } };
    if (span_table_row(&m->versions, tenant, labels, COUNT_OF(labels), SIZE_MAX, &folded) == NULL)
        lose(m, SPAN_VERSION_UNCOUNTED, 1);
}

void span_metrics_take(struct span_metrics *m, const struct batch *b, struct span_metrics_result *out)
{
    struct span_edges_result edges = { 0 };
    const struct event *before = NULL;
    struct known_row known[1 << KNOWN_BITS] = { 0 };
    uint32_t version_place = UINT32_MAX;
    *out = (struct span_metrics_result){ 0 };
    if (b->event_count == 0 || b->is_own || !atomic_load_explicit(&m->is_on, memory_order_relaxed))
        return;
    mutex_lock(&m->lock);
    m->now_ns = MAX(m->now_ns, b->received_ns);
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        if (e->kind != EVENT_SPAN && e->kind != EVENT_LOG)
            continue;
        if (!is_fit(e->service)) {
            out->left_out += e->kind == EVENT_SPAN;
            continue;
        }
        if (e->service.len)
            see_version(m, b->tenant, e, before, &version_place);
        before = e;
        if (e->kind != EVENT_SPAN)
            continue;
        count_operation(m, b->tenant, e, known, out);
        span_edges_take(m->halves, &m->edges, b->tenant, e, m->now_ns, &edges);
    }
    span_edges_expire(m->halves, &m->edges, m->now_ns, false, &edges);
    mutex_unlock(&m->lock);
    lose_edges(m, &edges);
}

/* ---- samples ---- */

struct tenant_batch {
    struct tenant_batch *next;
    struct batch *b;
};

struct tenant_batches {
    struct arena *a;
    struct tenant_batch *list;
    int64_t now_ms;
};

static const struct {
    struct slice name, help, unit;
    enum metric_type type;
} about[] = {
    { SLICE_INIT("traces_spanmetrics_calls_total"), SLICE_INIT("Spans, by operation."), SLICE_INIT(""), METRIC_COUNTER },
    { SLICE_INIT("traces_spanmetrics_latency"), SLICE_INIT("How long spans took."), SLICE_INIT("seconds"), METRIC_HISTOGRAM },
    { SLICE_INIT("traces_service_graph_request_total"), SLICE_INIT("Calls between services."), SLICE_INIT(""), METRIC_COUNTER },
    { SLICE_INIT("traces_service_graph_request_failed_total"), SLICE_INIT("Calls between services that failed."), SLICE_INIT(""), METRIC_COUNTER },
    { SLICE_INIT("traces_service_graph_request_server_seconds"), SLICE_INIT("How long calls took as their server saw it."), SLICE_INIT("seconds"),
      METRIC_HISTOGRAM },
    { SLICE_INIT("traces_service_graph_request_client_seconds"), SLICE_INIT("How long calls took as their client saw it."), SLICE_INIT("seconds"),
      METRIC_HISTOGRAM },
    { SLICE_INIT("traces_target_info"), SLICE_INIT("Versions of services that spans and logs came of."), SLICE_INIT(""), METRIC_INFO },
};

static struct batch *batch_of(void *arg, struct slice tenant)
{
    struct tenant_batches *all = arg;
    for (struct tenant_batch *t = all->list; t; t = t->next)
        if (slice_eq(t->b->tenant, tenant))
            return t->b;
    struct tenant_batch *t = arena_new_of(all->a, struct tenant_batch);
    t->b = batch_new(0);
    t->b->tenant = arena_copy(t->b->arena, tenant);
    t->b->received_ns = all->now_ms * NS_MS;
    t->b->is_own = true;
    for (size_t i = 0; i < COUNT_OF(about); i++)
        batch_metadata(t->b, about[i].name, about[i].type, about[i].help, about[i].unit);
    t->next = all->list;
    all->list = t;
    return t->b;
}

enum status span_metrics_write(struct span_metrics *m, int64_t now_ms, enum status (*append)(void *arg, struct batch *b, struct err *err), void *arg,
                               struct err *err)
{
    struct tenant_batches all = { .a = arena_new(0), .now_ms = now_ms };
    struct span_edges_result edges = { 0 };
    bool is_on = atomic_load(&m->is_on);
    struct span_writing w = { .now_ms = now_ms, .interval_ms = SPAN_METRICS_INTERVAL_SECONDS * 1000, .rest_ms = SPAN_METRICS_REST_SECONDS * 1000,
                              .ends_all = !is_on, .batch_of = batch_of, .arg = &all };
    enum status st = ST_OK;
    mutex_lock(&m->lock);
    span_edges_expire(m->halves, &m->edges, now_ms * NS_MS, !is_on, &edges);
    span_table_write(&m->operations, &w);
    span_table_write(&m->edges, &w);
    span_table_write(&m->versions, &w);
    mutex_unlock(&m->lock);
    lose_edges(m, &edges);
    for (struct tenant_batch *t = all.list; t; t = t->next) {
        struct err why;
        enum status one = batch_rows(t->b) ? append(arg, t->b, &why) : (batch_drop(t->b), ST_OK);
        if (one && !st) {
            st = one;
            *err = why;
        }
    }
    arena_free(all.a);
    return st;
}
