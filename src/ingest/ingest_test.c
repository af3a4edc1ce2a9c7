/* SPDX-License-Identifier: Apache-2.0 */
#include "ingest/ingest.h"

#include "base/unit.h"
#include "codec/compress.h"
#include "ingest/jread.h"
#include "ingest/otlp.h"
#include "ingest/prom_names.h"

static struct ingest_ctx plain_ctx(const struct ingest_header *headers, size_t count)
{
    return (struct ingest_ctx){ .received_ns = 5 * NS_S, .headers = headers, .header_count = count, .peer = SLICE_EMPTY, .tenant = SLICE("team"),
                                .stream = SLICE_EMPTY };
}

TEST(ingest_unpacks_bodies_whatever_the_header_says)
{
    struct slice json = SLICE("{\"streams\":[{\"stream\":{\"a\":\"b\"},\"values\":[[\"1\",\"x\"]]}]}");
    struct buf packed[3];
    for (size_t i = 0; i < COUNT_OF(packed); i++)
        buf_init(&packed[i], 0);
    buf_slice(&packed[0], json);
    gzip_compress(json, 6, &packed[1]);
    snappy_compress_block(json, &packed[2]);
    static const struct ingest_header headers[] = {
        { SLICE_INIT("content-type"), SLICE_INIT("application/json") },
        { SLICE_INIT("Content-Encoding"), SLICE_INIT("gzip") },
    };
    for (size_t i = 0; i < COUNT_OF(packed); i++)
        for (size_t h = 1; h <= 2; h++) {
            struct batch *b = batch_new(0);
            struct ingest_ctx ctx = plain_ctx(headers, h);
            struct ingest_result r;
            struct err err = { 0 };
            if (i == 2 && h == 2) { /* declared gzip, is snappy: refused or read, never misread */
                batch_drop(b);
                continue;
            }
            if (ingest_decode(ingest_protocol_find(SLICE("loki_push")), &ctx, buf_as_slice(&packed[i]), b, &r, &err))
                unit_fail(__FILE__, __LINE__, err.text);
            CHECK_INT(b->event_count, 1);
            CHECK_STR(b->tenant, "team");
            CHECK_INT(b->received_ns, 5 * NS_S);
            batch_drop(b);
        }
    for (size_t i = 0; i < COUNT_OF(packed); i++)
        buf_free(&packed[i]);
}

TEST(ingest_refuses_what_is_no_message_with_a_reason)
{
    static const struct {
        const char *protocol, *type, *body;
    } wrong[] = {
        { "prometheus_remote_write", "application/x-protobuf", "hello" }, { "loki_push", "application/json", "{\"streams\":[" },
        { "loki_push", "application/json", "{\"x\":1}" },                 { "otlp_logs", "application/json", "{\"resourceLogs\":[{]}" },
        { "otlp_traces", "application/json", "[]" },                      { "otlp_metrics", "application/x-protobuf", "\x0a\x05x" },
        { "otlp_traces", "application/json", "{\"resourceSpans\":[{\"scopeSpans\":[{\"spans\":[{\"startTimeUnixNano\":\"soon\"}]}]}]}" },
    };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        struct batch *b = batch_new(0);
        struct ingest_header header = { SLICE("content-type"), slice_str(wrong[i].type) };
        struct ingest_ctx ctx = plain_ctx(&header, 1);
        struct ingest_result r;
        struct err err = { 0 };
        enum status st = ingest_decode(ingest_protocol_find(slice_str(wrong[i].protocol)), &ctx, slice_str(wrong[i].body), b, &r, &err);
        if (st != ST_INVALID || err.text[0] == 0)
            unit_fail(__FILE__, __LINE__, wrong[i].body);
        batch_drop(b);
    }
    CHECK(ingest_protocol_find(SLICE("nope")) == NULL);
}

TEST(ingest_stops_at_the_memory_a_request_may_take)
{
    struct batch *b = batch_new(64 * KIB);
    struct ingest_ctx ctx = plain_ctx(NULL, 0);
    struct ingest_result r;
    struct err err = { 0 };
    char *lines = mem_alloc(256 * KIB);
    memset(lines, '\n', 256 * KIB);
    for (size_t i = 0; i < 256 * KIB; i += 2)
        lines[i] = 'x';
    CHECK_INT(ingest_decode(ingest_protocol_find(SLICE("lines")), &ctx, slice_of(lines, 256 * KIB), b, &r, &err), ST_LIMIT);
    CHECK_STR(slice_str(err.text), "the request needs over 65536 bytes of memory; send it in parts");
    mem_free(lines);
    batch_drop(b);
}

TEST(otlp_answers_are_empty_on_full_success_and_tell_the_first_reason_otherwise)
{
    struct ingest_result r = { 0 };
    struct err why;
    struct buf out;
    buf_init(&out, 0);
    otlp_response(&r, OTLP_LOGS, true, &out);
    CHECK_STR(buf_as_slice(&out), "{}");
    buf_reset(&out);
    otlp_response(&r, OTLP_LOGS, false, &out);
    CHECK_INT(out.len, 0);
    err_set(&why, ST_INVALID, "bad \"id\"");
    ingest_reject(&r, INGEST_SPANS, 2, &why);
    otlp_response(&r, OTLP_TRACES, true, &out);
    CHECK_STR(buf_as_slice(&out), "{\"partialSuccess\":{\"rejectedSpans\":\"2\",\"errorMessage\":\"bad \\\"id\\\"\"}}");
    buf_reset(&out);
    otlp_response(&r, OTLP_TRACES, false, &out);
    CHECK_STR(buf_as_slice(&out), "\x0a\x0c\x08\x02\x12\x08" "bad \"id\"");
    buf_reset(&out);
    otlp_status(3, SLICE("no"), true, &out);
    CHECK_STR(buf_as_slice(&out), "{\"code\":3,\"message\":\"no\"}");
    buf_reset(&out);
    otlp_status(3, SLICE("no"), false, &out);
    CHECK_STR(buf_as_slice(&out), "\x08\x03\x12\x02no");
    buf_free(&out);
}

TEST(prom_names_follow_unit_and_kind)
{
    static const struct {
        const char *name, *unit;
        enum prom_name_kind kind;
        const char *want;
    } names[] = {
        { "system.network.io", "By", PROM_NAME_COUNTER, "system_network_io_bytes_total" },
        { "http_requests_total", "1", PROM_NAME_COUNTER, "http_requests_total" },
        { "requests.total.count", "", PROM_NAME_COUNTER, "requests_count_total" },
        { "disk.speed", "MiBy/s", PROM_NAME_GAUGE, "disk_speed_mebibytes_per_second" },
        { "memory.usage.bytes", "By", PROM_NAME_GAUGE, "memory_usage_bytes" },
        { "cpu", "1", PROM_NAME_GAUGE, "cpu_ratio" },
        { "cpu", "%", PROM_NAME_GAUGE, "cpu_percent" },
        { "users", "{user}", PROM_NAME_OTHER, "users" },
        { "rate", "{call}/m", PROM_NAME_GAUGE, "rate_per_minute" },
        { "2xx", "", PROM_NAME_OTHER, "_2xx" },
        { "a..b__c", "widgets", PROM_NAME_OTHER, "a_b_c_widgets" },
        { "rule:ratio", "", PROM_NAME_OTHER, "rule:ratio" },
        { "", "", PROM_NAME_OTHER, "" },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(names); i++)
        CHECK_STR(prom_metric_name(a, slice_str(names[i].name), slice_str(names[i].unit), names[i].kind), names[i].want);
    CHECK_STR(prom_label_name(a, SLICE("http.status_code")), "http_status_code");
    CHECK_STR(prom_label_name(a, SLICE("1st")), "key_1st");
    CHECK_STR(prom_label_name(a, SLICE("_x")), "key_x");
    CHECK_STR(prom_label_name(a, SLICE("__x")), "__x");
    CHECK_STR(prom_label_name(a, SLICE("gr\xc3\xb6\xc3\x9f" "e")), "gr__e");
    CHECK_STR(prom_unit(a, SLICE("ms")), "milliseconds");
    arena_free(a);
}

static enum status decode_json(const char *protocol, struct slice json, struct batch *b, struct ingest_result *r, struct err *err)
{
    static const struct ingest_header header = { SLICE_INIT("content-type"), SLICE_INIT("application/json") };
    struct ingest_ctx ctx = plain_ctx(&header, 1);
    return ingest_decode(ingest_protocol_find(slice_str(protocol)), &ctx, json, b, r, err);
}

TEST(otlp_metrics_of_a_bad_resource_are_refused_and_those_beside_it_kept)
{
    struct batch *b = batch_new(0);
    struct ingest_result r;
    struct err err;
    CHECK_INT(decode_json("otlp_metrics", SLICE("{\"resourceMetrics\":["
        "{\"resource\":{\"attributes\":[{\"key\":\"\",\"value\":{\"intValue\":1}}]},\"scopeMetrics\":[{\"metrics\":[{\"name\":\"lost\","
        "\"gauge\":{\"dataPoints\":[{\"asInt\":\"1\",\"timeUnixNano\":\"5000000000\"}]}}]}]},"
        "{\"scopeMetrics\":[{\"metrics\":[{\"name\":\"kept\",\"gauge\":{\"dataPoints\":[{\"asInt\":\"-2\",\"timeUnixNano\":\"5000000000\"}]}}]}]}]}"),
        b, &r, &err), ST_OK);
    CHECK_INT(b->sample_count, 1);
    CHECK_INT(b->samples[0].v, -2);
    CHECK_INT(r.kinds[INGEST_SAMPLES].rejected, 1);
    CHECK(slice_contains(slice_str(r.kinds[INGEST_SAMPLES].first.text), SLICE("resource of metrics")));
    batch_drop(b);
}

/* A scope takes a copy of its resource's fields: without a look at the memory, these few bytes would become gigabytes. */
TEST(otlp_scopes_without_rows_are_limited_like_rows)
{
    enum { ATTRIBUTES = 1000, SCOPES = 2000, ARENA_BYTES_MAX = 4 * MIB };
    static const struct {
        const char *protocol, *resources, *scopes;
    } signals[] = { { "otlp_logs", "resourceLogs", "scopeLogs" }, { "otlp_traces", "resourceSpans", "scopeSpans" } };
    for (size_t s = 0; s < COUNT_OF(signals); s++) {
        struct batch *b = batch_new(ARENA_BYTES_MAX);
        struct ingest_result r;
        struct err err;
        struct buf json;
        buf_init(&json, 0);
        buf_printf(&json, "{\"%s\":[{\"resource\":{\"attributes\":[", signals[s].resources);
        for (int i = 0; i < ATTRIBUTES; i++)
            buf_printf(&json, "%s{\"key\":\"k%d\"}", i ? "," : "", i);
        buf_printf(&json, "]},\"%s\":[{}", signals[s].scopes);
        for (int i = 1; i < SCOPES; i++)
            buf_slice(&json, SLICE(",{}"));
        buf_slice(&json, SLICE("]}]}"));
        CHECK_INT(decode_json(signals[s].protocol, buf_as_slice(&json), b, &r, &err), ST_LIMIT);
        CHECK(arena_bytes(b->arena) < 2 * ARENA_BYTES_MAX);
        buf_free(&json);
        batch_drop(b);
    }
}

TEST(jread_reads_what_is_json_and_names_the_place_of_what_is_not)
{
    struct arena *a = arena_new(0);
    struct err err = { 0 };
    struct slice key;
    struct slice text = SLICE(" {\"a\\u00e4\" : [ 1 , -2.5e3, \"x\\n\\ud83d\\ude00\" , true, null, {}, [] ], \"b\":{\"c\":[[{\"d\":1}]]}} ");
    struct jread j = jread_of(text, a, &err);
    CHECK(jread_object(&j) && jread_key(&j, &key));
    CHECK_STR(key, "a\xc3\xa4");
    CHECK(jread_array(&j) && jread_item(&j));
    CHECK_STR(jread_number(&j), "1");
    CHECK(jread_item(&j));
    CHECK_STR(jread_number(&j), "-2.5e3");
    CHECK(jread_item(&j));
    CHECK_STR(jread_string(&j), "x\n\xf0\x9f\x98\x80");
    CHECK(jread_item(&j) && jread_bool(&j));
    for (int i = 0; i < 3; i++) {
        CHECK(jread_item(&j));
        jread_skip(&j);
    }
    CHECK(!jread_item(&j) && jread_key(&j, &key));
    CHECK_STR(jread_raw(&j), "{\"c\":[[{\"d\":1}]]}");
    CHECK(!jread_key(&j, &key) && jread_end(&j));

    static const char *const wrong[] = { "{", "{\"a\"}", "{\"a\":}", "{\"a\":1,}", "{\"a\":1 \"b\":2}", "{\"a\":\"\\x\"}", "{\"a\":\"x}",
                                         "{\"a\":tru}", "{\"a\":[1,]}", "{}x", "{\"a\":[}", "[1]", "" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        j = jread_of(slice_str(wrong[i]), a, &err);
        err.text[0] = 0;
        if (jread_object(&j))
            while (jread_key(&j, &key))
                jread_skip(&j);
        if (jread_end(&j) || err.text[0] == 0)
            unit_fail(__FILE__, __LINE__, wrong[i]);
    }
    struct buf deep;
    buf_init(&deep, 0);
    for (int i = 0; i < 1000; i++)
        buf_slice(&deep, SLICE("[{\"a\":"));
    j = jread_of(buf_as_slice(&deep), a, &err);
    jread_skip(&j);
    CHECK(j.bad);
    buf_free(&deep);
    arena_free(a);
}

TEST(a_followed_file_tells_the_service_that_its_lines_do_not)
{
    static const struct { const char *path, *service; } cases[] = {
        { "/var/log/shop/app.log", "shop" },
        { "/var/log/shop/orders.log", "shop" },
        { "/var/log/shop.log", "shop" },
        { "/var/log/shop-access.log", "shop" },
        { "/var/log/syslog", "unknown_service" },
        { "/var/log/messages", "unknown_service" },
        { "/srv/logs/orders.json.log.1", "orders" },
        { "/srv/shop/orders-2025-01-15.log", "orders" },
        { "/srv/shop/orders_error.log", "orders" },
        { "/srv/shop/stdout.log", "shop" },
        { "/srv/shop/2025-01-15.log", "shop" },
        { "/srv/logs/app.log", "unknown_service" },
        { "/srv/shop/webapp.log", "webapp" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena *a = arena_new(0);
        struct batch *b = batch_new(0);
        struct label pair = { SLICE("filename"), slice_str(cases[i].path) };
        struct ingest_ctx ctx = { .received_ns = NS_S };
        struct ingest_result r = { 0 };
        struct err err;
        CHECK_INT(labels_build(a, &pair, 1, &ctx.stream, &err), ST_OK);
        struct slice body = SLICE("{\"message\":\"hello\"}\n{\"service\":\"own\"}\n");
        CHECK_INT(ingest_decode(ingest_protocol_find(SLICE("lines")), &ctx, body, b, &r, &err), ST_OK);
        CHECK_STR(b->events[0].service, cases[i].service);
        CHECK_STR(b->events[1].service, "own");
        batch_drop(b);
        arena_free(a);
    }
}
