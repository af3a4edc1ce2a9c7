/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/span_metrics.h"

#include <stdio.h>

#include "base/buf.h"
#include "base/unit.h"
#include "model/exemplar.h"
#include "model/histogram.h"
#include "model/sample.h"
#include "pipeline/span_edges.h"
#include "pipeline/span_series.h"

#define NOW_MS (1700000000 * INT64_C(1000))

/* What was appended, as lines "labels t v". */
static enum status on_append(void *arg, struct batch *b, struct err *err)
{
    struct buf *out = arg;
    (void)err;
    for (size_t i = 0; i < b->series_count; i++) {
        for (uint32_t k = 0; k < b->series[i].count; k++) {
            const struct sample *s = &b->samples[b->series[i].first + k];
            bool stale = double_bits(s->v) == STALE_NAN_BITS;
            labels_format(b->series[i].labels, out);
            buf_printf(out, " %lld ", (long long)(s->t_ms - NOW_MS));
            if (is_histogram(s->v))
                histogram_format(out, histogram_unbox(s->v));
            else
                buf_printf(out, "%s%g", stale ? "stale" : "", stale ? 0 : s->v);
            buf_char(out, '\n');
        }
    }
    for (size_t i = 0; i < b->event_count; i++) {
        buf_printf(out, "exemplar ");
        labels_format(b->events[i].stream, out);
        buf_printf(out, " %g trace %02x span %02x\n", exemplar_value(&b->events[i]), b->events[i].trace_id[0], b->events[i].span_id[0]);
    }
    batch_drop(b);
    return ST_OK;
}

static void span(struct span_metrics *m, const char *service, const char *name, uint8_t kind, uint8_t status, int64_t ms,
                 struct span_metrics_result *r)
{
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    e->kind = EVENT_SPAN;
    e->span_kind = kind;
    e->span_status = status;
    e->service = slice_str(service);
    e->body = slice_str(name);
    e->duration_ns = ms * NS_MS;
    span_metrics_take(m, b, r);
    batch_drop(b);
}

static bool has(const struct buf *b, const char *text)
{
    return slice_contains(buf_as_slice(b), slice_str(text));
}

#define PLACE(name) name "{service=\"shop\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"GET /\",status_code=\"STATUS_CODE_ERROR\"}"

TEST(served_spans_become_counters_that_begin_at_zero_and_a_histogram)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    span(m, "shop", "GET /", 2, 2, 5, &r); /* off */
    span_metrics_switch(m, true);
    span(m, "shop", "GET /", 2, 2, 5, &r);
    span(m, "shop", "GET /", 2, 2, 100, &r);
    span(m, "shop", "query", 3, 0, 1, &r); /* a client's */
    CHECK_INT(r.left_out + r.folded, 0);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, PLACE("traces_spanmetrics_calls_total") " -15000 0\n" PLACE("traces_spanmetrics_calls_total") " 0 2\n"));
    CHECK(has(&out, PLACE("traces_spanmetrics_latency") " -15000 {count:0, sum:0}\n" PLACE("traces_spanmetrics_latency") " 0 {count:2, sum:0.105"));
    CHECK(has(&out, "exemplar " PLACE("traces_spanmetrics_latency") " 0.1 trace 00"));
    CHECK(has(&out, "span_kind=\"SPAN_KIND_CLIENT\",span_name=\"query\""));
    buf_reset(&out);
    span(m, "shop", "GET /", 2, 2, 5, &r);
    CHECK(!span_metrics_write(m, NOW_MS + 15000, on_append, &out, &err));
    CHECK(has(&out, PLACE("traces_spanmetrics_latency") " 15000 {count:3, sum:0.11") && !has(&out, " -15000 "));
    span_metrics_free(m);
    buf_free(&out);
}

TEST(series_of_spans_that_no_longer_come_end_and_all_do_when_it_is_switched_off)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    span(m, "shop", "old", 5, 0, 1, &r);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    span(m, "shop", "new", 2, 1, 1, &r);
    CHECK(!span_metrics_write(m, NOW_MS + SPAN_METRICS_REST_SECONDS * 1000 - 1, on_append, &out, &err));
    CHECK(!has(&out, "stale"));
    buf_reset(&out);
    CHECK(!span_metrics_write(m, NOW_MS + SPAN_METRICS_REST_SECONDS * 1000, on_append, &out, &err));
    CHECK(has(&out, "span_name=\"old\",status_code=\"STATUS_CODE_UNSET\"} 900000 stale0"));
    CHECK(has(&out, "span_name=\"new\",status_code=\"STATUS_CODE_OK\"} 900000 1"));
    buf_reset(&out);
    span_metrics_switch(m, false);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, "stale") && !has(&out, "old"));
    buf_reset(&out);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK_INT(out.len, 0);
    span_metrics_free(m);
    buf_free(&out);
}

TEST(a_service_with_too_many_names_folds_and_leaves_room_for_others)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    char name[32];
    uint64_t folded = 0;
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    for (int i = 0; i < SPAN_NAMES_PER_SERVICE_MAX + 50; i++) {
        snprintf(name, sizeof name, "GET /%d", i);
        span(m, "wild", name, 2, 1, 1, &r);
        folded += r.folded;
    }
    CHECK_INT(folded, 50);
    span(m, "calm", "GET /", 2, 1, 1, &r);
    CHECK_INT(r.folded + r.left_out, 0);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, "service=\"wild\",span_kind=\"SPAN_KIND_SERVER\",span_name=\"__overflow__\",status_code=\"STATUS_CODE_OK\"} 0 50\n"));
    CHECK(has(&out, "service=\"calm\""));
    span_metrics_free(m);
    buf_free(&out);
}

TEST(services_for_which_there_is_no_room_leave_nothing_behind)
{
    struct span_table t;
    struct event e = { .kind = EVENT_SPAN };
    char name[32];
    bool folded;
    size_t rows = 0;
    span_table_init(&t, SPAN_ROW_OPERATION, 10, 5);
    for (int i = 0; i < 1000; i++) {
        snprintf(name, sizeof name, "service-%d", i);
        struct label labels[] = { { SLICE("service"), slice_str(name) }, { SLICE("span_name"), e.body } };
        rows += span_table_row(&t, SLICE("default"), labels, COUNT_OF(labels), 1, &folded) != NULL;
    }
    CHECK_INT(rows, 10);
    CHECK_INT(t.groups.count, 10);
    span_table_free(&t);
}

/* ---- edges ---- */

#define SECONDS(n) ((n) * NS_S)

struct half_of_call {
    const char *service;
    uint8_t kind, trace, id, parent, status;
    int64_t ms;
    const char *field, *value;
};

static void call_at(struct span_metrics *m, const struct half_of_call *h, int64_t now_ns)
{
    struct span_metrics_result r;
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    struct field f = { .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = slice_str(h->field ? h->field : ""),
                       .text = slice_str(h->value ? h->value : "") };
    b->received_ns = now_ns;
    e->kind = EVENT_SPAN;
    e->span_kind = h->kind;
    e->span_status = h->status;
    e->service = slice_str(h->service);
    e->body = SLICE("x");
    e->trace_id[0] = h->trace;
    e->span_id[0] = h->id;
    e->parent_id[0] = h->parent;
    e->duration_ns = h->ms * NS_MS;
    e->fields = &f;
    e->field_count = h->field != NULL;
    span_metrics_take(m, b, &r);
    batch_drop(b);
}

static void edges_of(const struct half_of_call *list, size_t n, int64_t write_ms, struct buf *out, uint64_t *unpaired)
{
    struct span_metrics *m = span_metrics_new();
    struct err err;
    span_metrics_switch(m, true);
    for (size_t i = 0; i < n; i++)
        call_at(m, &list[i], NOW_MS * NS_MS);
    buf_init(out, 0);
    CHECK(!span_metrics_write(m, write_ms, on_append, out, &err));
    *unpaired = span_metrics_lost(m, SPAN_EDGE_UNPAIRED);
    span_metrics_free(m);
}

TEST(the_two_halves_of_a_call_become_an_edge_in_either_order)
{
    static const struct half_of_call client_first[] = { { "shop", 3, 1, 2, 1, 0, 30, NULL, NULL }, { "cart", 2, 1, 3, 2, 2, 20, NULL, NULL } };
    static const struct half_of_call server_first[] = { { "cart", 2, 1, 3, 2, 2, 20, NULL, NULL }, { "shop", 3, 1, 2, 1, 0, 30, NULL, NULL } };
    const struct half_of_call *both[] = { client_first, server_first };
    for (size_t i = 0; i < 2; i++) {
        struct buf out;
        uint64_t unpaired;
        edges_of(both[i], 2, NOW_MS, &out, &unpaired);
        CHECK(has(&out, "traces_service_graph_request_total{client=\"shop\",server=\"cart\"} 0 1\n"));
        CHECK(has(&out, "traces_service_graph_request_failed_total{client=\"shop\",server=\"cart\"} 0 1\n"));
        CHECK(has(&out, "traces_service_graph_request_server_seconds{client=\"shop\",server=\"cart\"} 0 {count:1, sum:0.02,"));
        CHECK(has(&out, "traces_service_graph_request_client_seconds{client=\"shop\",server=\"cart\"} 0 {count:1, sum:0.03,"));
        CHECK(has(&out, "exemplar traces_service_graph_request_server_seconds{client=\"shop\",server=\"cart\"} 0.02 trace 01"));
        CHECK_INT(unpaired, 0);
        buf_free(&out);
    }
}

TEST(calls_without_a_servers_half_go_to_the_peer_that_they_name)
{
    static const struct half_of_call list[] = {
        { "shop", 3, 1, 2, 1, 0, 1, "db.system", "postgresql" },            { "shop", 3, 1, 3, 1, 2, 1, "peer.service", "payments" },
        { "shop", 4, 1, 4, 1, 0, 1, "messaging.destination.name", "orders" }, { "shop", 3, 1, 5, 1, 0, 1, NULL, NULL },
        { "shop", 2, 1, 6, 0, 0, 1, NULL, NULL },                           { "mail", 5, 1, 7, 9, 0, 1, NULL, NULL },
    };
    struct buf out;
    uint64_t unpaired;
    edges_of(list, COUNT_OF(list), NOW_MS, &out, &unpaired);
    CHECK(has(&out, "request_total{client=\"shop\",connection_type=\"database\",server=\"postgresql\"} 0 1\n"));
    CHECK(has(&out, "request_total{client=\"user\",connection_type=\"virtual_node\",server=\"shop\"} 0 1\n"));
    CHECK(!has(&out, "payments"));
    CHECK_INT(unpaired, 0);
    buf_free(&out);
    edges_of(list, COUNT_OF(list), NOW_MS + SPAN_EDGE_WAIT_SECONDS * 1000, &out, &unpaired);
    CHECK(has(&out, "request_failed_total{client=\"shop\",connection_type=\"virtual_node\",server=\"payments\"} 10000 1\n"));
    CHECK(has(&out, "request_total{client=\"shop\",connection_type=\"messaging_system\",server=\"orders\"} 10000 1\n"));
    CHECK_INT(unpaired, 2);
    buf_free(&out);
}

/* A client's call with these fields, which no server's span answers, is one to want. */
static void check_server_of(struct field *fields, uint32_t count, const char *type, const char *want)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    struct buf out;
    struct err err;
    char line[200];
    span_metrics_switch(m, true);
    b->received_ns = NOW_MS * NS_MS;
    *e = (struct event){ .kind = EVENT_SPAN, .span_kind = 3, .service = SLICE("shop"), .body = SLICE("x"), .trace_id = { 1 }, .span_id = { 2 },
                         .parent_id = { 1 }, .weight = 1, .fields = fields, .field_count = count };
    span_metrics_take(m, b, &r);
    buf_init(&out, 0);
    CHECK(!span_metrics_write(m, NOW_MS + SPAN_EDGE_WAIT_SECONDS * 1000, on_append, &out, &err));
    snprintf(line, sizeof line, "request_total{client=\"shop\",connection_type=\"%s\",server=\"%s\"}", type, want);
    CHECK(has(&out, line));
    span_metrics_free(m);
    batch_drop(b);
    buf_free(&out);
}

TEST(a_database_is_named_by_its_place_before_its_name_and_a_queue_by_its_name)
{
    static const char *const names[][2] = { { "db.system", "mysql" },    { "db.name", "orders" },         { "db.namespace", "shop.orders" },
                                            { "network.peer.port", "5432" }, { "network.peer.address", "10.0.0.7" }, { "server.address", "db-1" },
                                            { "peer.service", "the-db" } };
    static const char *const want[] = { "mysql", "orders", "shop.orders", "shop.orders", "10.0.0.7:5432", "db-1", "the-db" };
    for (size_t n = 1; n <= COUNT_OF(names); n++) {
        struct field fields[COUNT_OF(names)];
        for (size_t i = 0; i < n; i++)
            fields[i] = (struct field){ .type = FIELD_STRING, .name = slice_str(names[i][0]), .text = slice_str(names[i][1]) };
        check_server_of(fields, (uint32_t)n, "database", want[n - 1]);
    }
    struct field queue[] = { { .type = FIELD_STRING, .name = SLICE("server.address"), .text = SLICE("mq-1") },
                             { .type = FIELD_STRING, .name = SLICE("messaging.destination.name"), .text = SLICE("orders") } };
    check_server_of(queue, COUNT_OF(queue), "messaging_system", "orders");
    struct field other[] = { { .type = FIELD_STRING, .name = SLICE("net.peer.name"), .text = SLICE("a") },
                             { .type = FIELD_STRING, .name = SLICE("server.address"), .text = SLICE("b") },
                             { .type = FIELD_STRING, .name = SLICE("network.peer.address"), .text = SLICE("10.0.0.9") } };
    check_server_of(other, COUNT_OF(other), "virtual_node", "b");
}

TEST(a_message_pairs_with_each_of_its_consumers_and_zipkins_halves_share_an_id)
{
    static const struct half_of_call list[] = { { "shop", 4, 1, 2, 1, 0, 1, NULL, NULL }, { "mail", 5, 1, 3, 2, 0, 1, NULL, NULL },
                                                { "mail", 5, 1, 4, 2, 0, 1, NULL, NULL }, { "web", 3, 2, 7, 6, 0, 1, NULL, NULL },
                                                { "api", 2, 2, 7, 6, 0, 1, NULL, NULL } };
    struct buf out;
    uint64_t unpaired;
    edges_of(list, COUNT_OF(list), NOW_MS + SPAN_EDGE_WAIT_SECONDS * 1000, &out, &unpaired);
    CHECK(has(&out, "request_total{client=\"shop\",connection_type=\"messaging_system\",server=\"mail\"} 10000 2\n"));
    CHECK(has(&out, "request_total{client=\"web\",server=\"api\"} 10000 1\n"));
    CHECK_INT(unpaired, 0);
    buf_free(&out);
}

TEST(a_half_that_comes_again_takes_the_place_of_the_one_before)
{
    static const struct half_of_call list[] = { { "shop", 3, 1, 2, 1, 0, 30, NULL, NULL }, { "shop", 3, 1, 2, 1, 0, 40, NULL, NULL },
                                                { "cart", 2, 1, 3, 2, 0, 20, NULL, NULL }, { "cart", 2, 1, 4, 9, 0, 20, NULL, NULL },
                                                { "cart", 2, 1, 5, 9, 0, 20, NULL, NULL } };
    struct buf out;
    uint64_t unpaired;
    edges_of(list, COUNT_OF(list), NOW_MS, &out, &unpaired);
    CHECK(has(&out, "request_client_seconds{client=\"shop\",server=\"cart\"} 0 {count:1, sum:0.04,"));
    CHECK_INT(unpaired, 2);
    buf_free(&out);
}

TEST(halves_that_wait_are_bounded_and_a_client_of_too_many_servers_folds)
{
    struct span_metrics *m = span_metrics_new();
    struct buf out;
    struct err err;
    char name[32];
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    for (int i = 0; i < SPAN_EDGES_PER_CLIENT_MAX + 10; i++) {
        snprintf(name, sizeof name, "db%d", i);
        call_at(m, &(struct half_of_call){ "shop", 3, 1, 2, 1, 0, 1, "db.name", name }, SECONDS(1));
    }
    CHECK_INT(span_metrics_lost(m, SPAN_EDGE_FOLDED), 10);
    CHECK(!span_metrics_write(m, NOW_MS, on_append, &out, &err));
    CHECK(has(&out, "request_total{client=\"shop\",connection_type=\"database\",server=\"__overflow__\"} 0 10\n"));
    struct batch *b = batch_new(0);
    struct span_metrics_result r;
    b->received_ns = NOW_MS * NS_MS;
    for (uint32_t i = 0; i < SPAN_EDGES_PENDING_MAX + 5; i++) {
        struct event *e = batch_event(b);
        e->kind = EVENT_SPAN;
        e->span_kind = 3;
        e->service = SLICE("flood");
        memcpy(e->span_id, &i, sizeof i);
        e->trace_id[3] = 1;
    }
    span_metrics_take(m, b, &r);
    batch_drop(b);
    CHECK_INT(span_metrics_lost(m, SPAN_EDGE_DROPPED), 5);
    span_metrics_free(m);
    buf_free(&out);
}

TEST(a_version_is_told_once_a_minute_while_spans_or_logs_of_it_come)
{
    struct span_metrics *m = span_metrics_new();
    struct span_metrics_result r;
    struct buf out;
    struct err err;
    struct field f = { .scope = SCOPE_RESOURCE, .type = FIELD_STRING, .name = SLICE("service.version"), .text = SLICE("1.2") };
    struct batch *b = batch_new(0);
    struct event *e = batch_event(b);
    e->kind = EVENT_LOG;
    e->service = SLICE("shop");
    e->fields = &f;
    e->field_count = 1;
    buf_init(&out, 0);
    span_metrics_switch(m, true);
    for (int i = 0; i < 5; i++) {
        span_metrics_take(m, b, &r);
        CHECK(!span_metrics_write(m, NOW_MS + i * 15000, on_append, &out, &err));
    }
    CHECK(!span_metrics_write(m, NOW_MS + 200000, on_append, &out, &err));
    struct slice text = buf_as_slice(&out), want = SLICE("traces_target_info{service=\"shop\",service_version=\"1.2\"} 0 1\n"
                                                        "traces_target_info{service=\"shop\",service_version=\"1.2\"} 60000 1\n");
    CHECK(slice_eq(text, want));
    batch_drop(b);
    span_metrics_free(m);
    buf_free(&out);
}
