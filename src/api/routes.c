/* SPDX-License-Identifier: Apache-2.0 */
/* The one table of all routes, and the match.
 *
 * A pattern is literal segments and {name} segments, and may end with {name...}, which is all that follows; the first row that
 * fits path and method wins, so literal rows stand before {name} rows. A path that fits with another method is answered 405
 * with Allow. The parts a pattern names are found again by api_path_part, from the row kept in the exchange. The
 * table has over a hundred rows and a path is compared by its first segments only until they differ: a linear search costs
 * less than a microsecond. */
#include "api/access.h"
#include "api/board_check.h"
#include "api/cors.h"
#include "api/elastic.h"
#include "api/handlers.h"
#include "api/openapi.h"
#include "api/self.h"
#include "auth/auth.h"
#include "collect/push.h"
#include "collect/statsd.h"
#include "probe/probe.h"
#include "rum/rum.h"

#include <stdio.h>

enum {
    GET = 1,
    POST = 2,
    PUT = 4,
    DELETE = 8,
    HEAD = 16,
    OPTIONS = 64, /* of routes that answer a browser's preflight by themselves */
    VISIT = 32, /* only for a browser that asks for a page: everybody else gets the 404 they can read */
    SERVER = 128, /* about the whole server or its tenant "default": not for who is tied to other tenants */
    ROUTES_MAX = 256,
    BODY_NONE = 64 * KIB, /* routes that expect no body */
    BODY_FORM = API_FORM_BYTES_MAX,
    BODY_ALERTS = 16 * MIB,
    BODY_INGEST = 64 * MIB
};

struct row {
    const char *text;           /* what it is for; NULL: as its dialect's own manual says, and of a section's name */
    enum permission permission; /* what the caller's role must allow */
    const char *action;         /* as the audit log calls it; NULL: not recorded by itself */
    unsigned methods;
    struct slice pattern;
    unsigned flags;
    size_t body_bytes_max;
    void (*handle)(void *user, struct http_exchange *x);
};

#define ROW(permission, action, methods, pattern, flags, body, handle) \
    { NULL, PERMIT_##permission, action, methods, SLICE_INIT(pattern), flags, body, handle }
/* Of our own API: with what its description says. */
#define OWN(text, permission, action, methods, pattern, flags, body, handle) \
    { text, PERMIT_##permission, action, methods, SLICE_INIT("/api/stoa/v1/" pattern), flags, body, handle }
/* No route: the rows that follow are of it. No path fits an empty pattern. */
#define SECTION(name) { name, PERMIT_PUBLIC, NULL, 0, SLICE_INIT(""), 0, 0, NULL }

static const struct row rows[] = {
    SECTION("About the server"),
    ROW(PUBLIC, NULL, GET | HEAD, "/-/healthy", ROUTE_ON_LOOP, BODY_NONE, self_healthy),
    ROW(PUBLIC, NULL, GET | HEAD, "/-/ready", ROUTE_ON_LOOP, BODY_NONE, self_ready),
    ROW(ADMIN, "config.reload", POST | PUT, "/-/reload", ROUTE_ASIDE, BODY_NONE, self_reload),
    ROW(READ, NULL, GET | HEAD | SERVER, "/metrics", ROUTE_ASIDE, BODY_NONE, self_metrics),

    SECTION("Prometheus"),
    ROW(WRITE, NULL, POST, "/api/v1/write", ROUTE_ON_LOOP, BODY_INGEST, ingest_prom_write),
    ROW(READ, NULL, GET | POST, "/api/v1/query", 0, BODY_FORM, prom_query),
    ROW(READ, NULL, GET | POST, "/api/v1/query_range", 0, BODY_FORM, prom_query_range),
    ROW(READ, NULL, GET | POST, "/api/v1/format_query", 0, BODY_FORM, prom_format_query),
    ROW(READ, NULL, GET | POST, "/api/v1/parse_query", 0, BODY_FORM, prom_parse_query),
    ROW(READ, NULL, POST, "/api/v1/read", 0, BODY_FORM, prom_read),
    ROW(READ, NULL, GET | HEAD, "/federate", 0, BODY_NONE, prom_federate),
    ROW(READ, NULL, GET | POST, "/api/v1/query_exemplars", 0, BODY_FORM, prom_query_exemplars),
    ROW(READ, NULL, GET | POST, "/api/v1/labels", 0, BODY_FORM, prom_labels),
    ROW(READ, NULL, GET, "/api/v1/label/{name}/values", 0, BODY_NONE, prom_label_values),
    ROW(READ, NULL, GET | POST, "/api/v1/series", 0, BODY_FORM, prom_series),
    ROW(READ, NULL, GET, "/api/v1/metadata", 0, BODY_NONE, prom_metadata),
    ROW(READ, NULL, GET | SERVER, "/api/v1/targets", 0, BODY_NONE, prom_targets),
    ROW(READ, NULL, GET | SERVER, "/api/v1/targets/metadata", 0, BODY_NONE, prom_targets_metadata),
    ROW(READ, NULL, GET | SERVER, "/api/v1/scrape_pools", 0, BODY_NONE, prom_scrape_pools),
    ROW(READ, NULL, GET | SERVER, "/api/v1/scrape_pools/config", 0, BODY_NONE, prom_scrape_pool_config),
    ROW(READ, NULL, GET | SERVER, "/api/v1/targets/relabel_steps", 0, BODY_NONE, prom_relabel_steps),
    ROW(READ, NULL, GET | SERVER, "/api/v1/alertmanagers", 0, BODY_NONE, prom_alertmanagers),
    ROW(READ, NULL, GET | SERVER, "/api/v1/notifications", 0, BODY_NONE, prom_notifications),
    ROW(READ, NULL, GET | SERVER, "/api/v1/notifications/live", 0, BODY_NONE, prom_notifications_live),
    ROW(READ, NULL, GET, "/api/v1/features", 0, BODY_NONE, prom_features),
    ROW(READ, NULL, GET, "/api/v1/status/walreplay", 0, BODY_NONE, prom_walreplay),
    ROW(READ, NULL, GET | POST, "/api/v1/search/metric_names", 0, BODY_FORM, prom_search_metric_names),
    ROW(READ, NULL, GET | POST, "/api/v1/search/label_names", 0, BODY_FORM, prom_search_label_names),
    ROW(READ, NULL, GET | POST, "/api/v1/search/label_values", 0, BODY_FORM, prom_search_label_values),
    ROW(READ, NULL, GET, "/api/v1/openapi.yaml", 0, BODY_NONE, openapi_prometheus),
    ROW(READ, NULL, GET | SERVER, "/api/v1/rules", 0, BODY_NONE, prom_rules),
    ROW(READ, NULL, GET | SERVER, "/api/v1/alerts", 0, BODY_NONE, prom_alerts),
    ROW(READ, NULL, GET, "/api/v1/status/buildinfo", 0, BODY_NONE, prom_buildinfo),
    ROW(READ, NULL, GET, "/api/v1/status/runtimeinfo", 0, BODY_NONE, prom_runtimeinfo),
    ROW(READ, NULL, GET, "/api/v1/status/tsdb", 0, BODY_NONE, prom_tsdb),
    ROW(READ, NULL, GET | SERVER, "/api/v1/status/tsdb/blocks", 0, BODY_NONE, prom_tsdb_blocks),
    ROW(READ, NULL, GET | SERVER, "/api/v1/status/self_metrics", 0, BODY_NONE, prom_self_metrics),
    ROW(READ, NULL, GET | SERVER, "/api/v1/status/flags", 0, BODY_NONE, prom_flags),
    ROW(READ, NULL, GET | SERVER, "/api/v1/status/config", 0, BODY_NONE, prom_config),
    ROW(ADMIN, "metrics.delete", POST | PUT, "/api/v1/admin/tsdb/delete_series", 0, BODY_FORM, prom_delete_series),
    ROW(ADMIN, "store.clean", POST | PUT, "/api/v1/admin/tsdb/clean_tombstones", 0, BODY_FORM, prom_clean_tombstones),
    ROW(ADMIN, "store.snapshot", POST | PUT, "/api/v1/admin/tsdb/snapshot", 0, BODY_FORM, prom_snapshot),
    OWN("Queries that run now and the slowest of the last day.", READ, NULL, GET | SERVER, "queries", ROUTE_ASIDE, BODY_NONE, queries_list),
    OWN("Ends a running query.", ADMIN, "query.cancel", DELETE | SERVER, "queries/{id}", ROUTE_ASIDE, BODY_NONE, queries_cancel),
    ROW(WRITE, NULL, POST, "/api/v1/otlp/v1/metrics", ROUTE_ON_LOOP, BODY_INGEST, ingest_otlp_metrics),

    SECTION("Loki"),
    ROW(WRITE, NULL, POST, "/loki/api/v1/push", ROUTE_ON_LOOP, BODY_INGEST, ingest_loki_push),
    ROW(READ, "logs.query", GET | POST, "/loki/api/v1/query", 0, BODY_FORM, loki_query),
    ROW(READ, "logs.query", GET | POST, "/loki/api/v1/query_range", 0, BODY_FORM, loki_query_range),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/labels", 0, BODY_FORM, loki_labels),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/label", 0, BODY_FORM, loki_labels),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/label/{name}/values", 0, BODY_FORM, loki_label_values),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/series", 0, BODY_FORM, loki_series),
    ROW(READ, "logs.tail", GET, "/loki/api/v1/tail", 0, BODY_NONE, loki_tail),
    ROW(READ, "logs.tail", GET, "/api/prom/tail", 0, BODY_NONE, loki_tail),
    OWN("Log lines by the language of the search box: words, field:value, -not, OR.", READ, "logs.query", GET | POST, "search", 0, BODY_FORM,
        search_lines),
    OWN("All lines of a log query or a search, streamed as NDJSON, CSV or plain lines.", READ, "logs.export", GET | POST, "logs/export", 0, BODY_FORM,
        logs_export),
    OWN("A search as LogQL, or why there is none.", READ, NULL, GET | POST, "search/logql", 0, BODY_FORM, search_logql),
    OWN("Lines of a log query as they come in, one JSON object a line.", READ, "logs.tail", GET, "tail", 0, BODY_NONE, follow_lines),
    ROW(READ, NULL, GET | POST, "/loki/api/v1/format_query", 0, BODY_FORM, loki_format_query),
    ROW(READ, NULL, GET, "/loki/api/v1/status/buildinfo", 0, BODY_NONE, loki_buildinfo),
    ROW(READ, "logs.volume", GET | POST, "/loki/api/v1/index/stats", 0, BODY_FORM, loki_index_stats),
    ROW(READ, "logs.volume", GET | POST, "/loki/api/v1/index/volume", 0, BODY_FORM, loki_index_volume),
    ROW(READ, "logs.volume", GET | POST, "/loki/api/v1/index/volume_range", 0, BODY_FORM, loki_index_volume_range),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/detected_field/{name}/values", 0, BODY_FORM, loki_detected_field_values),
    ROW(ADMIN, "logs.delete", POST | PUT, "/loki/api/v1/delete", 0, BODY_FORM, loki_delete),
    ROW(READ, NULL, GET, "/loki/api/v1/delete", 0, BODY_NONE, loki_delete_list),
    ROW(ADMIN, "logs.delete_cancel", DELETE, "/loki/api/v1/delete", 0, BODY_NONE, loki_delete_cancel),
    ROW(READ, "logs.volume", GET | POST, "/loki/api/v1/index/shards", 0, BODY_FORM, loki_index_shards),
    ROW(READ, "logs.query", GET | POST, "/api/prom/query", 0, BODY_FORM, loki_legacy_query),
    ROW(READ, NULL, GET | SERVER, "/config", 0, BODY_NONE, loki_config),
    ROW(READ, NULL, GET | SERVER, "/services", 0, BODY_NONE, loki_services),
    ROW(READ, NULL, GET, "/loki/api/v1/drilldown-limits", 0, BODY_NONE, loki_drilldown_limits),
    ROW(READ, "logs.names", GET | POST, "/api/prom/label", 0, BODY_FORM, loki_labels),
    ROW(READ, "logs.names", GET | POST, "/api/prom/label/{name}/values", 0, BODY_FORM, loki_label_values),
    ROW(READ, "logs.names", GET | POST, "/api/prom/series", 0, BODY_FORM, loki_series),
    ROW(WRITE, NULL, POST, "/api/prom/push", ROUTE_ON_LOOP, BODY_INGEST, ingest_loki_push),
    ROW(PUBLIC, NULL, GET | HEAD, "/ready", ROUTE_ON_LOOP, BODY_NONE, loki_ready),
    ROW(READ, NULL, GET | SERVER, "/prometheus/api/v1/rules", 0, BODY_NONE, loki_rules_state),
    ROW(READ, NULL, GET | SERVER, "/prometheus/api/v1/alerts", 0, BODY_NONE, loki_alerts_state),
    ROW(READ, NULL, GET | SERVER, "/loki/api/v1/rules", 0, BODY_NONE, loki_rules_get),
    ROW(READ, NULL, GET | SERVER, "/loki/api/v1/rules/{path...}", 0, BODY_NONE, loki_rules_get),
    ROW(ADMIN, "rules.put", POST | SERVER, "/loki/api/v1/rules/{path...}", 0, BODY_FORM, loki_rules_post),
    ROW(ADMIN, "rules.delete", DELETE | SERVER, "/loki/api/v1/rules/{path...}", 0, BODY_NONE, loki_rules_delete),
    ROW(READ, NULL, GET | SERVER, "/api/prom/rules", 0, BODY_NONE, loki_rules_get),
    ROW(READ, NULL, GET | SERVER, "/api/prom/rules/{path...}", 0, BODY_NONE, loki_rules_get),
    ROW(ADMIN, "rules.put", POST | SERVER, "/api/prom/rules/{path...}", 0, BODY_FORM, loki_rules_post),
    ROW(ADMIN, "rules.delete", DELETE | SERVER, "/api/prom/rules/{path...}", 0, BODY_NONE, loki_rules_delete),
    ROW(PUBLIC, NULL, GET, "/loki/ready", ROUTE_ON_LOOP, BODY_NONE, loki_ready),
    ROW(WRITE, NULL, POST, "/otlp/v1/logs", ROUTE_ON_LOOP, BODY_INGEST, ingest_otlp_logs),

    SECTION("OTLP"),
    OWN("Log lines as plain text or NDJSON, one a line; each parameter is a label of them.", WRITE, NULL, POST, "logs", ROUTE_ON_LOOP,
        BODY_INGEST, ingest_lines),
    OWN("Log lines as plain text or NDJSON, one a line; each parameter is a label of them.", WRITE, NULL, POST, "logs", ROUTE_ON_LOOP,
        BODY_INGEST, ingest_lines),
    ROW(WRITE, NULL, POST, "/v1/metrics", ROUTE_ON_LOOP, BODY_INGEST, ingest_otlp_metrics),
    ROW(WRITE, NULL, POST, "/v1/logs", ROUTE_ON_LOOP, BODY_INGEST, ingest_otlp_logs),
    ROW(WRITE, NULL, POST, "/v1/traces", ROUTE_ON_LOOP, BODY_INGEST, ingest_otlp_traces),
    ROW(WRITE, NULL, POST, "/opentelemetry.proto.collector.metrics.v1.MetricsService/Export", ROUTE_GRPC, BODY_INGEST, ingest_otlp_metrics_grpc),
    ROW(WRITE, NULL, POST, "/opentelemetry.proto.collector.logs.v1.LogsService/Export", ROUTE_GRPC, BODY_INGEST, ingest_otlp_logs_grpc),
    ROW(WRITE, NULL, POST, "/opentelemetry.proto.collector.trace.v1.TraceService/Export", ROUTE_GRPC, BODY_INGEST, ingest_otlp_traces_grpc),

    SECTION("Elasticsearch"),
    ROW(WRITE, NULL, GET | HEAD, "/elastic", ROUTE_ON_LOOP, BODY_NONE, elastic_about),
    ROW(WRITE, NULL, POST | PUT, "/elastic/_bulk", ROUTE_ON_LOOP, BODY_INGEST, elastic_bulk),
    ROW(WRITE, NULL, POST | PUT, "/elastic/{index}/_bulk", ROUTE_ON_LOOP, BODY_INGEST, elastic_bulk),
    ROW(WRITE, NULL, POST, "/elastic/{index}/_doc", ROUTE_ON_LOOP, BODY_INGEST, elastic_doc),
    ROW(WRITE, NULL, POST | PUT, "/elastic/{index}/_doc/{id}", ROUTE_ON_LOOP, BODY_INGEST, elastic_doc),
    ROW(WRITE, NULL, POST | PUT, "/elastic/{index}/_create/{id}", ROUTE_ON_LOOP, BODY_INGEST, elastic_create),
    ROW(WRITE, NULL, GET | HEAD | POST | PUT | DELETE, "/elastic/{path...}", 0, BODY_FORM, elastic_other),

    SECTION("Splunk"),
    ROW(WRITE, NULL, POST, "/services/collector", ROUTE_ON_LOOP, BODY_INGEST, splunk_event),
    ROW(WRITE, NULL, POST, "/services/collector/event", ROUTE_ON_LOOP, BODY_INGEST, splunk_event),
    ROW(WRITE, NULL, POST, "/services/collector/event/1.0", ROUTE_ON_LOOP, BODY_INGEST, splunk_event),
    ROW(WRITE, NULL, POST, "/services/collector/raw", ROUTE_ON_LOOP, BODY_INGEST, splunk_raw),
    ROW(WRITE, NULL, POST, "/services/collector/raw/1.0", ROUTE_ON_LOOP, BODY_INGEST, splunk_raw),
    ROW(PUBLIC, NULL, GET | HEAD, "/services/collector/health", ROUTE_ON_LOOP, BODY_NONE, splunk_health),
    ROW(PUBLIC, NULL, GET | HEAD, "/services/collector/health/1.0", ROUTE_ON_LOOP, BODY_NONE, splunk_health),
    ROW(WRITE, NULL, POST, "/services/collector/ack", 0, BODY_FORM, splunk_ack),

    /* Loki: what lines are made of */
    SECTION("Loki"),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/detected_fields", 0, BODY_FORM, loki_detected_fields),
    ROW(READ, "logs.names", GET | POST, "/loki/api/v1/detected_labels", 0, BODY_FORM, loki_detected_labels),
    ROW(READ, "logs.query", GET | POST, "/loki/api/v1/patterns", 0, BODY_FORM, loki_patterns),
    OWN("Patterns of log lines: how often, since when, what is new or rare, and what differs from a baseline.", READ, "logs.query", GET,
        "patterns", 0, BODY_NONE, patterns_http),
    OWN("How many log lines there are over time, by level.", READ, "logs.volume", GET, "volume", 0, BODY_NONE, volume_http),
    OWN("Kinds of log lines, by shape.", READ, "logs.query", GET, "log_kinds", 0, BODY_NONE, log_kinds_http),

    SECTION("Pushgateway and StatsD"),
    ROW(WRITE, NULL, PUT | POST, "/metrics/job/{key...}", 0, PUSH_BODY_BYTES_MAX, push_http_put),
    ROW(WRITE, NULL, DELETE, "/metrics/job/{key...}", 0, BODY_NONE, push_http_delete),
    ROW(WRITE, NULL, PUT | POST, "/metrics/job@base64/{key...}", 0, PUSH_BODY_BYTES_MAX, push_http_put),
    ROW(WRITE, NULL, DELETE, "/metrics/job@base64/{key...}", 0, BODY_NONE, push_http_delete),
    ROW(WRITE, NULL, POST, "/dogstatsd/v2/proxy", 0, STATSD_BODY_BYTES_MAX, statsd_http_post),
    OWN("Groups that were pushed as to a Pushgateway.", READ, NULL, GET, "pushes", 0, BODY_NONE, push_http_list),

    SECTION("Correlation"),
    OWN("Everything of one request: lines, traces, exemplars.", READ, "request.read", GET, "correlate", 0, BODY_NONE, correlate_get),
    OWN("How ids of requests are found, and what was folded for them.", READ, NULL, GET | SERVER, "correlation", 0, BODY_NONE, correlation_get),

    /* real users: the handler itself asks who may post, see rum_http.c */
    SECTION("Real users"),
    ROW(PUBLIC, NULL, POST, "/api/metrics", 0, RUM_BODY_BYTES_MAX, rum_http_post),
    ROW(PUBLIC, NULL, OPTIONS, "/api/metrics", ROUTE_ON_LOOP, BODY_NONE, rum_http_preflight),
    OWN("Page loads and web vitals of real users.", READ, NULL, GET, "rum", 0, BODY_NONE, rum_http_report),

    SECTION("Boards"),
    OWN("All boards.", READ, NULL, GET, "boards", 0, BODY_NONE, boards_list),
    OWN("A board.", READ, NULL, GET, "boards/{uid}", 0, BODY_NONE, boards_get),
    OWN("Saves a board.", EDIT, "board.save", PUT, "boards/{uid}", 0, BOARD_BYTES_MAX, boards_put),
    OWN("Deletes a board.", EDIT, "board.delete", DELETE, "boards/{uid}", 0, BODY_NONE, boards_delete),

    SECTION("Jaeger"),
    ROW(WRITE, NULL, POST, "/jaeger/api/traces", ROUTE_ON_LOOP, BODY_INGEST, ingest_jaeger),
    ROW(READ, "traces.names", GET, "/jaeger/api/services", 0, BODY_NONE, jaeger_services),
    ROW(READ, "traces.names", GET, "/jaeger/api/services/{service}/operations", 0, BODY_NONE, jaeger_operations),
    ROW(READ, "traces.names", GET, "/jaeger/api/operations", 0, BODY_NONE, jaeger_operations_v2),
    ROW(READ, "traces.read", GET, "/jaeger/api/traces", 0, BODY_NONE, jaeger_search),
    ROW(READ, "traces.read", GET, "/jaeger/api/traces/{id}", 0, BODY_NONE, jaeger_trace),
    ROW(READ, "traces.names", GET, "/jaeger/api/dependencies", 0, BODY_NONE, jaeger_dependencies),
    ROW(READ, NULL, GET, "/jaeger/api/metrics/{what}", 0, BODY_NONE, jaeger_metrics),

    ROW(READ, "traces.names", GET, "/jaeger/api/v3/services", 0, BODY_NONE, jaeger_v3_services),
    ROW(READ, "traces.names", GET, "/jaeger/api/v3/operations", 0, BODY_NONE, jaeger_v3_operations),
    ROW(READ, "traces.read", GET, "/jaeger/api/v3/traces", 0, BODY_NONE, jaeger_v3_traces),
    ROW(READ, "traces.read", GET, "/jaeger/api/v3/traces/{id}", 0, BODY_NONE, jaeger_v3_trace),

    SECTION("Tempo"),
    ROW(READ, NULL, GET, "/tempo/api/echo", ROUTE_ON_LOOP, BODY_NONE, tempo_echo),
    ROW(READ, NULL, GET, "/tempo/api/status/buildinfo", ROUTE_ON_LOOP, BODY_NONE, tempo_buildinfo),
    ROW(READ, "traces.read", GET, "/tempo/api/traces/{id}", 0, BODY_NONE, tempo_trace),
    ROW(READ, "traces.read", GET, "/tempo/api/v2/traces/{id}", 0, BODY_NONE, tempo_trace_v2),
    ROW(READ, "traces.read", GET, "/tempo/api/search", 0, BODY_NONE, tempo_search),
    ROW(READ, "traces.read", GET, "/tempo/api/metrics/query_range", 0, BODY_NONE, tempo_metrics_range),
    ROW(READ, "traces.read", GET, "/tempo/api/metrics/query", 0, BODY_NONE, tempo_metrics_instant),
    ROW(READ, "traces.read", POST, "/tempopb.StreamingQuerier/Search", ROUTE_GRPC, BODY_FORM, tempo_search_grpc),
    ROW(READ, "traces.names", GET, "/tempo/api/search/tags", 0, BODY_NONE, tempo_tags),
    ROW(READ, "traces.names", GET, "/tempo/api/v2/search/tags", 0, BODY_NONE, tempo_tags_v2),
    ROW(READ, "traces.names", GET, "/tempo/api/search/tag/{tag}/values", 0, BODY_NONE, tempo_tag_values),
    ROW(READ, "traces.names", GET, "/tempo/api/v2/search/tag/{tag}/values", 0, BODY_NONE, tempo_tag_values_v2),

    SECTION("Zipkin"),
    ROW(WRITE, NULL, POST, "/zipkin/api/v2/spans", ROUTE_ON_LOOP, BODY_INGEST, ingest_zipkin),
    ROW(WRITE, NULL, POST, "/api/v2/spans", ROUTE_ON_LOOP, BODY_INGEST, ingest_zipkin),
    ROW(WRITE, NULL, POST, "/zipkin/api/v1/spans", ROUTE_ON_LOOP, BODY_INGEST, ingest_zipkin_v1),
    ROW(WRITE, NULL, POST, "/api/v1/spans", ROUTE_ON_LOOP, BODY_INGEST, ingest_zipkin_v1),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/services", 0, BODY_NONE, zipkin_services),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/spans", 0, BODY_NONE, zipkin_spans),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/remoteServices", 0, BODY_NONE, zipkin_remote_services),
    ROW(READ, "traces.read", GET, "/zipkin/api/v2/traces", 0, BODY_NONE, zipkin_traces),
    ROW(READ, "traces.read", GET, "/zipkin/api/v2/trace/{id}", 0, BODY_NONE, zipkin_trace),
    ROW(READ, "traces.read", GET, "/zipkin/api/v2/traceMany", 0, BODY_NONE, zipkin_trace_many),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/dependencies", 0, BODY_NONE, zipkin_dependencies),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/autocompleteKeys", 0, BODY_NONE, zipkin_autocomplete_keys),
    ROW(READ, "traces.names", GET, "/zipkin/api/v2/autocompleteValues", 0, BODY_NONE, zipkin_autocomplete_values),

    SECTION("Accounts and audit"),
    OWN("Begins a session.", PUBLIC, NULL, POST, "login", ROUTE_ON_LOOP, BODY_NONE, auth_login_http),
    OWN("Ends the session.", PUBLIC, NULL, POST, "logout", 0, BODY_NONE, auth_logout_http),
    OWN("Who the caller is, and what the role allows.", PUBLIC, NULL, GET, "me", ROUTE_ON_LOOP, BODY_NONE, auth_me),
    OWN("All accounts.", ADMIN, NULL, GET, "users", 0, BODY_NONE, auth_users),
    OWN("Adds an account.", ADMIN, NULL, POST, "users", ROUTE_ON_LOOP, BODY_NONE, auth_user_add),
    OWN("Changes an account.", ADMIN, NULL, PUT, "users/{name}", ROUTE_ON_LOOP, BODY_NONE, auth_user_change),
    OWN("Removes an account.", ADMIN, NULL, DELETE, "users/{name}", 0, BODY_NONE, auth_user_remove),
    OWN("All tokens, without their secrets.", ADMIN, NULL, GET, "tokens", 0, BODY_NONE, auth_tokens),
    OWN("Creates a token; its secret is in this answer alone.", ADMIN, NULL, POST, "tokens", 0, BODY_NONE, auth_token_create),
    OWN("Revokes a token.", ADMIN, NULL, DELETE, "tokens/{id}", 0, BODY_NONE, auth_token_revoke),
    OWN("Records of the audit log.", AUDIT, "audit.read", GET, "audit", 0, BODY_NONE, auth_audit),
    OWN("Checks the chain of the audit log.", AUDIT, "audit.verify", GET, "audit/verify", 0, BODY_NONE, auth_audit_verify),

    SECTION("Stoa"),
    OWN("This document.", READ, NULL, GET, "openapi.json", 0, BODY_NONE, openapi_get),
    OWN("Counts, sizes, disk and warnings.", READ, NULL, GET, "status", ROUTE_ASIDE, BODY_NONE, stoa_status),
    OWN("All services with rate, errors and latency.", READ, NULL, GET, "services", 0, BODY_NONE, stoa_services),
    OWN("Recording rules of the golden signals.", READ, NULL, GET, "golden/rules", 0, BODY_NONE, stoa_golden_rules),
    OWN("A service: its signals, callers and callees.", READ, NULL, GET, "services/{name}", 0, BODY_NONE, stoa_service),
    OWN("Services and who calls whom, with rate, errors and latency.", READ, NULL, GET, "service_map", 0, BODY_NONE, service_map_http),
    OWN("Exceptions and failed spans by type and stack.", READ, "traces.read", GET, "error_groups", 0, BODY_NONE, error_groups_http),
    OWN("What services ask of databases and others, by statement, and N+1.", READ, "traces.read", GET, "calls", 0, BODY_NONE, calls_http),
    OWN("When services changed their version.", READ, NULL, GET, "deploys", 0, BODY_NONE, deploys_http),
    OWN("What of other tools works here.", READ, NULL, GET, "tools", 0, BODY_NONE, stoa_tools),
    OWN("What the configuration leaves open.", READ, NULL, GET | SERVER, "review", 0, BODY_NONE, stoa_review),
    OWN("Which secrets are taken out of rows.", READ, NULL, GET, "redaction", 0, BODY_NONE, redaction_get),
    OWN("Tries redaction on a text; nothing is kept.", READ, NULL, POST, "redaction", 0, BODY_FORM, redaction_try),
    OWN("Where series come from, and what is over a limit or near one.", READ, NULL, GET, "cardinality", 0, BODY_NONE, cardinality_get),
    OWN("What each service and level costs in bytes.", READ, NULL, GET | SERVER, "cost", 0, BODY_NONE, cost_get),
    OWN("Erases rows for good.", ADMIN, "data.erase", POST, "erase", 0, BODY_FORM, erase_post),
    OWN("Erasures so far.", ADMIN, NULL, GET, "erases", 0, BODY_NONE, erase_list),
    OWN("Writes what is in memory to files.", ADMIN, "store.flush", POST, "flush", 0, BODY_NONE, stoa_flush),
    OWN("Merges files now.", ADMIN, "store.merge", POST, "merge", 0, BODY_NONE, stoa_merge),

    SECTION("Incidents and Alertmanager"),
    OWN("Incidents, open and past.", READ, NULL, GET | SERVER, "incidents", 0, BODY_NONE, incidents_list),
    OWN("An incident with its alerts and notifications.", READ, NULL, GET | SERVER, "incidents/{id}", 0, BODY_NONE, incidents_get),
    OWN("Acknowledges an incident.", EDIT, "incident.acknowledge", POST | SERVER, "incidents/{id}/ack", 0, BODY_NONE, incidents_ack),
    OWN("Resolves an incident.", EDIT, "incident.resolve", POST | SERVER, "incidents/{id}/resolve", 0, BODY_NONE, incidents_resolve),
    OWN("Notifications that were sent or failed.", READ, NULL, GET | SERVER, "notifications", 0, BODY_NONE, incidents_notifications),
    ROW(READ, NULL, GET | SERVER, "/api/v2/status", 0, BODY_NONE, am_status),
    ROW(READ, NULL, GET | SERVER, "/api/v2/receivers", 0, BODY_NONE, am_receivers),
    ROW(READ, NULL, GET | SERVER, "/api/v2/alerts", 0, BODY_NONE, am_alerts),
    ROW(WRITE, NULL, POST | SERVER, "/api/v2/alerts", 0, BODY_ALERTS, am_alerts_post),
    ROW(READ, NULL, GET | SERVER, "/api/v2/alerts/groups", 0, BODY_NONE, am_groups),
    ROW(READ, NULL, GET | SERVER, "/api/v2/silences", 0, BODY_NONE, am_silences),
    ROW(EDIT, "silence.set", POST | SERVER, "/api/v2/silences", 0, BODY_FORM, am_silence_post),
    ROW(READ, NULL, GET | SERVER, "/api/v2/silence/{id}", 0, BODY_NONE, am_silence),
    ROW(EDIT, "silence.expire", DELETE | SERVER, "/api/v2/silence/{id}", 0, BODY_NONE, am_silence_delete),

    SECTION("Synthetic checks"),
    ROW(EDIT, NULL, GET | SERVER, "/probe", 0, BODY_NONE, probe_http_probe),
    OWN("Synthetic checks with their last results.", READ, NULL, GET | SERVER, "checks", 0, BODY_NONE, probe_http_checks),
    OWN("The checks that a location runs.", WRITE, NULL, GET | SERVER, "checks/config", 0, BODY_NONE, probe_http_config),
    OWN("Takes results of a location.", WRITE, NULL, POST | SERVER, "checks/results", 0, PROBE_RESULTS_BYTES_MAX, probe_http_results),
    OWN("Runs of a check.", READ, NULL, GET, "checks/{name}/runs", 0, BODY_NONE, probe_http_runs),
    OWN("Runs a check now.", EDIT, "check.run", POST | SERVER, "checks/{name}/run", 0, BODY_NONE, probe_http_run),

    /* the page: its own paths, all answered by one index; what else a browser visits is the page's to name */
    SECTION("The page"),
    ROW(PUBLIC, NULL, GET | HEAD, "/", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/metrics-explorer", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/logs", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/traces", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/trace/{id}", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/docs", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/docs/{page}", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/docs/{folder}/{page}", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD, "/assets/{file}", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD | VISIT, "/{page}", ROUTE_ASIDE, BODY_NONE, page_serve),
    ROW(PUBLIC, NULL, GET | HEAD | VISIT, "/{page}/{id}", ROUTE_ASIDE, BODY_NONE, page_serve),
};

static_assert(COUNT_OF(rows) <= ROUTES_MAX, "more rows than api.routes has room for");

/* The rows as the HTTP server wants them, bound to one api; made by api_init. */
struct api_routes {
    struct http_route routes[COUNT_OF(rows)];
    struct http_route slow[COUNT_OF(rows)]; /* while a password is checked */
    struct http_route preflight, cors, options;
};

/* What is not ingest is no other site's business unless web.cors_origin says so: no CORS, so browsers keep it from them. */
static void options(void *user, struct http_exchange *x)
{
    http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

static unsigned method_bit(enum http_method m)
{
    switch (m) {
    case HTTP_GET_: return GET;
    case HTTP_HEAD_: return HEAD | GET;
    case HTTP_POST_: return POST;
    case HTTP_PUT_: return PUT;
    case HTTP_DELETE_: return DELETE;
    case HTTP_OPTIONS_: return OPTIONS;
    case HTTP_PATCH_:
    case HTTP_OTHER_: return 0;
    }
    return 0;
}

/* Walks pattern and path segment by segment. want, when not empty, asks for the part of that name. */
static bool pattern_match(struct slice pattern, struct slice path, struct slice want, struct slice *part)
{
    while (pattern.len && path.len) {
        struct slice p, s;
        pattern = slice_skip(pattern, 1);
        path = slice_skip(path, 1);
        size_t pe = MIN(slice_find_char(pattern, '/', 0), pattern.len), se = MIN(slice_find_char(path, '/', 0), path.len);
        p = slice_sub(pattern, 0, pe);
        if (slice_ends(p, SLICE("...}"))) {
            if (part && slice_eq(slice_sub(p, 1, p.len - SLICE("...}").len), want))
                *part = path;
            return path.len > 0;
        }
        s = slice_sub(path, 0, se);
        pattern = slice_skip(pattern, pe);
        path = slice_skip(path, se);
        if (p.len > 2 && p.ptr[0] == '{') {
            if (s.len == 0)
                return false;
            if (part && slice_eq(slice_sub(p, 1, p.len - 1), want))
                *part = s;
        } else if (!slice_eq(p, s)) {
            return false;
        }
    }
    return pattern.len == 0 && path.len == 0;
}

static const struct row *row_of(struct http_exchange *x, struct slice path, unsigned *allowed)
{
    unsigned bit = method_bit(http_method(x));
    *allowed = 0;
    for (size_t i = 0; i < COUNT_OF(rows); i++) {
        if (!pattern_match(rows[i].pattern, path, SLICE_EMPTY, NULL))
            continue;
        if (rows[i].methods & VISIT && !(bit & GET && slice_contains(http_header(x, SLICE("Accept")), SLICE("text/html"))))
            continue;
        if (rows[i].methods & bit)
            return &rows[i];
        *allowed |= rows[i].methods & ~(unsigned)SERVER;
    }
    return NULL;
}

static void reply_405(struct http_exchange *x, unsigned allowed)
{
    static const struct { unsigned bit; const char *name; } names[] = {
        { GET, "GET" }, { HEAD, "HEAD" }, { POST, "POST" }, { PUT, "PUT" }, { DELETE, "DELETE" },
    };
    char list[64];
    size_t n = 0;
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (allowed & names[i].bit)
            n += (size_t)snprintf(list + n, sizeof list - n, "%s%s", n ? ", " : "", names[i].name);
    http_set_header(x, SLICE("Allow"), slice_of(list, n));
    struct slice text = arena_printf(http_arena(x), "method %.*s is not allowed for %.*s; allowed: %.*s\n", SLICE_FMT(http_method_text(x)),
                                     SLICE_FMT(http_path(x)), (int)n, list);
    http_reply(x, 405, SLICE("text/plain; charset=utf-8"), text);
}

/* A dialect's own listener has its paths at the root: Jaeger's "/api/traces" stands for our "/jaeger/api/traces". */
static const struct {
    struct slice dialect, prefix;
    bool of_all; /* every path stands under the prefix, not only /api/... */
} listeners[] = {
    { SLICE_INIT("prometheus"), SLICE_INIT(""), false },  { SLICE_INIT("loki"), SLICE_INIT(""), false },
    { SLICE_INIT("otlp_http"), SLICE_INIT(""), false },   { SLICE_INIT("otlp_grpc"), SLICE_INIT(""), false },
    { SLICE_INIT("pushgateway"), SLICE_INIT(""), false }, { SLICE_INIT("jaeger_query"), SLICE_INIT("/jaeger"), false },
    { SLICE_INIT("jaeger_thrift"), SLICE_INIT("/jaeger"), false }, { SLICE_INIT("zipkin"), SLICE_INIT("/zipkin"), false },
    { SLICE_INIT("elastic"), SLICE_INIT("/elastic"), true }, { SLICE_INIT("tempo"), SLICE_INIT("/tempo"), false },
};

int api_listener_tag(struct slice dialect)
{
    for (size_t i = 0; i < COUNT_OF(listeners); i++)
        if (slice_eq(listeners[i].dialect, dialect))
            return (int)i + 1;
    return 0;
}

/* The path as the table has it; a trailing slash does not count. */
static struct slice normal_path(struct http_exchange *x)
{
    struct slice path = http_path(x);
    int tag = http_listener_tag(x);
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    if (tag > 0 && (size_t)tag <= COUNT_OF(listeners) && listeners[tag - 1].of_all && path.len == 1)
        path = listeners[tag - 1].prefix;
    else if (tag > 0 && (size_t)tag <= COUNT_OF(listeners) && listeners[tag - 1].prefix.len &&
             (listeners[tag - 1].of_all || slice_starts(path, SLICE("/api/"))))
        path = arena_printf(http_arena(x), "%.*s%.*s", SLICE_FMT(listeners[tag - 1].prefix), SLICE_FMT(path));
    return path;
}

static struct access_rule rule_of(const struct row *row)
{
    return (struct access_rule){ row->permission, row->action, row->methods & SERVER };
}

bool api_route_at(size_t i, struct api_route_about *out)
{
    if (i >= COUNT_OF(rows))
        return false;
    const struct row *row = &rows[i];
    *out = (struct api_route_about){ .is_section = row->pattern.len == 0, .is_visit = row->methods & VISIT, .of_server = row->methods & SERVER,
                                     .is_grpc = row->flags & ROUTE_GRPC, .text = row->text, .pattern = row->pattern, .action = row->action,
                                     .permission = row->permission };
    static const struct { unsigned bit; const char *name; } names[] = { { GET, "get" }, { HEAD, "head" }, { POST, "post" }, { PUT, "put" },
                                                                        { DELETE, "delete" }, { OPTIONS, "options" } };
    for (size_t k = 0; k < COUNT_OF(names); k++)
        if (row->methods & names[k].bit)
            out->methods[out->method_count++] = names[k].name;
    return true;
}

static const struct row *own_row(struct http_exchange *x)
{
    unsigned allowed;
    return row_of(x, normal_path(x), &allowed);
}

static bool takes_writes(struct slice path)
{
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        if (rows[i].permission == PERMIT_WRITE && pattern_match(rows[i].pattern, path, SLICE_EMPTY, NULL))
            return true;
    return false;
}

/* ---- on the way to a handler ---- */

/* A change is on record before it is made. */
static void run_change(void *user, struct http_exchange *x)
{
    const struct row *row = own_row(x);
    if (access_record(user, x, rule_of(row)))
        row->handle(user, x);
}

struct slow {
    struct api *api;
    struct http_exchange *x;
};

static void check_password(void *arg)
{
    struct slow *s = arg;
    const struct row *row = own_row(s->x);
    if (access_check(s->api, s->x, rule_of(row), true) == ACCESS_GRANTED)
        http_hand_over(s->x, &s->api->routes->routes[row - rows]);
}

static void run_slow(void *user, struct http_exchange *x)
{
    struct slow *s = arena_new_of(http_arena(x), struct slow);
    *s = (struct slow){ user, x };
    if (!auth_submit(s->api->auth, check_password, s))
        access_busy(x);
}

/* A streamed body is read by its handler, which stands on a worker already. */
static void run_slow_stream(void *user, struct http_exchange *x)
{
    const struct row *row = own_row(x);
    if (access_check(user, x, rule_of(row), true) == ACCESS_GRANTED)
        row->handle(user, x);
}

static void bind_row(struct api *api, struct api_routes *r, size_t i)
{
    bool change = access_is_change(rule_of(&rows[i])), stream = rows[i].flags & ROUTE_STREAM;
    r->routes[i] = (struct http_route){ rows[i].flags & ~(change ? (unsigned)ROUTE_ON_LOOP : 0u), rows[i].body_bytes_max,
                                        change ? run_change : rows[i].handle, api };
    r->slow[i] = (struct http_route){ stream ? rows[i].flags : rows[i].flags | ROUTE_ON_LOOP, rows[i].body_bytes_max,
                                      stream ? run_slow_stream : run_slow, api };
}

void api_init(struct api *api)
{
    struct api_routes *r = mem_new(struct api_routes);
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        bind_row(api, r, i);
    r->preflight = (struct http_route){ ROUTE_ON_LOOP, BODY_NONE, cors_open_preflight, api };
    r->cors = (struct http_route){ ROUTE_ON_LOOP, BODY_NONE, cors_preflight, api };
    r->options = (struct http_route){ ROUTE_ON_LOOP, BODY_NONE, options, api };
    api->routes = r;
}

void api_free(struct api *api)
{
    mem_free(api->routes);
    api->routes = NULL;
}

/* What takes writes, and what is open to all, says by itself which origins it takes. */
static bool is_cors_path(const struct row *row, struct slice path)
{
    return slice_starts(path, SLICE("/api/")) && (row == NULL || (row->permission != PERMIT_WRITE && row->permission != PERMIT_PUBLIC));
}

const struct http_route *api_route(void *user, struct http_exchange *x)
{
    struct api *api = user;
    unsigned allowed;
    struct slice path = normal_path(x);
    const struct row *row = row_of(x, path, &allowed);
    if (slice_starts(path, SLICE("/elastic")))
        elastic_set_product(x);
    bool is_preflight = row == NULL && http_method(x) == HTTP_OPTIONS_;
    if (is_preflight && takes_writes(path))
        return &api->routes->preflight;
    bool may_read = is_cors_path(row, path) && cors_allow(api->cors, x);
    if (is_preflight)
        return may_read ? &api->routes->cors : &api->routes->options;
    if (row) {
        enum access_verdict v = access_check(api, x, rule_of(row), false);
        return v == ACCESS_GRANTED ? &api->routes->routes[row - rows] : v == ACCESS_SLOW ? &api->routes->slow[row - rows] : NULL;
    }
    if (allowed)
        reply_405(x, allowed);
    return NULL;
}

struct slice api_path_part(struct http_exchange *x, struct slice name)
{
    unsigned allowed;
    struct slice path = normal_path(x), part = SLICE_EMPTY;
    const struct row *row = row_of(x, path, &allowed);
    if (row)
        pattern_match(row->pattern, path, name, &part);
    return part;
}

void api_done(void *user, struct http_exchange *x, int status, uint64_t bytes_in, uint64_t bytes_out, int64_t ns)
{
    struct api *api = user;
    unsigned allowed;
    const struct row *row = row_of(x, normal_path(x), &allowed);
    bool is_ingest = row && row->body_bytes_max == BODY_INGEST;
    if (row)
        access_done(api, x, rule_of(row), status);
    self_request_done(api->self, x, row ? row->pattern : SLICE("(none)"), is_ingest, status, bytes_in, bytes_out, ns);
}
