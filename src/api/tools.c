/* SPDX-License-Identifier: Apache-2.0 */
/* What of fourteen other systems works here today, and what does not: one table, that the API, the manual's page "coming
 * from" and the tests read. A row under `works` names a check; the tests do it for every row, so that nothing is claimed that
 * was not tried. $address in a configuration becomes the address the answer was asked at, $host that without its scheme, $name and
 * $port the parts of that. */
#include "api/handlers.h"
#include "codec/json.h"

enum { WORKS_MAX = 10, NOT_YET_MAX = 5 };

struct work {
    const char *what;   /* in a sentence */
    const char *how;    /* protocol and path */
    const char *config; /* the least that a client must be told */
    const char *check;  /* "GET /path", or what a test sends: remote_write, scrape, loki_push, otlp_traces, ..., log_file */
};

struct tool {
    const char *name, *group;
    struct work works[WORKS_MAX];
    const char *not_yet[NOT_YET_MAX];
};

#define OTLP_ENV "export OTEL_EXPORTER_OTLP_ENDPOINT=$address\nexport OTEL_EXPORTER_OTLP_PROTOCOL=http/protobuf\n"
#define COLLECTOR(receiver, settings, signal)                                                                          \
    "# OpenTelemetry Collector (contrib)\nreceivers:\n  " receiver ":\n" settings "exporters:\n  otlphttp:\n    endpoint: $address\n"     \
    "service:\n  pipelines:\n    " signal ":\n      receivers: [" receiver "]\n      exporters: [otlphttp]\n"
#define FOLLOWED "# stoa.yml, on the machine that has the files\nlogs:\n  files: [/var/log/app/*.log]\n"

static const struct tool tools[] = {
    { "Prometheus", "monitoring",
      { { "A prometheus.yml works as it is: scrape_configs with discovery, relabelling, TLS and authentication.", "--config prometheus.yml",
          "stoa serve --config prometheus.yml", "scrape" },
        { "A Prometheus, agent or Alloy that stays where it is sends by remote write 1.0 or 2.0.", "POST /api/v1/write",
          "remote_write:\n  - url: $address/api/v1/write\n", "remote_write" },
        { "PromQL and the HTTP API, for clients, dashboards and promtool query.", "GET /api/v1/query, query_range, series, labels, metadata, targets",
          "promtool query instant $address up", "GET /api/v1/query?query=vector(1)" },
        { "Rule files: recording and alerting rules.", "rule_files in prometheus.yml; GET /api/v1/rules", "rule_files: [rules/*.yml]",
          "rules" },
        { "Jobs push as to a Pushgateway.", "PUT, POST, DELETE /metrics/job/NAME/LABEL/VALUE",
          "echo 'done_total 3' | curl --data-binary @- $address/metrics/job/nightly", "push" },
        { "A Prometheus sends its alerts here as to an Alertmanager; amtool works.", "GET, POST /api/v2/alerts, silences, status",
          "alerting:\n  alertmanagers:\n    - static_configs:\n        - targets: ['$host']\n", "alerts" },
        { "A Prometheus, or what speaks its remote read, asks here; another Prometheus federates.", "POST /api/v1/read; GET /federate",
          "remote_read:\n  - url: $address/api/v1/read\n    read_recent: true\n", "remote_read" },
        { "Native histograms, of remote write, scraping in protobuf and blocks; PromQL over them.", "POST /api/v1/write, scrape_configs, OTLP",
          "remote_write:\n  - url: $address/api/v1/write\n    send_native_histograms: true\n", "native_histogram" },
        { "A Prometheus's own data folder is read in; with its newest hours, which are in no block yet, a snapshot of it.",
          "stoa import prometheus DIR",
          "stoa import --url $address prometheus /var/lib/prometheus/metrics2", "import_prometheus" } },
      { "Discovery by clouds and registries (consul_sd_configs, ec2_sd_configs, …): a warning by name", "remote_write and remote_read of a "
        "prometheus.yml: Stoa sends nothing on by itself" } },
    { "Grafana", "monitoring",
      { { "Data source of type Prometheus.", "GET /api/v1/...", "type: prometheus\nurl: $address\n", "GET /api/v1/labels" },
        { "Data source of type Loki.", "GET /loki/api/v1/...", "type: loki\nurl: $address\n", "GET /loki/api/v1/labels" },
        { "Data source of type Jaeger.", "GET /jaeger/api/...", "type: jaeger\nurl: $address/jaeger\n", "GET /jaeger/api/services" },
        { "Data source of type Tempo: traces by id, search and numbers by TraceQL, names and values.", "GET /tempo/api/...",
          "type: tempo\nurl: $address/tempo\n", "GET /tempo/api/search/tags" },
        { "Dashboards, as Grafana exports them, are boards of the page.", "GET, PUT, DELETE /api/stoa/v1/boards/UID",
          "# UID: what the file says as its uid; any name where it says none\n"
          "curl -X PUT --data-binary @dashboard.json $address/api/stoa/v1/boards/UID", "board" } },
      { "Panels but timeseries, stat, gauge, table, text, logs and row: kept, not drawn",
        "Rules edited from Grafana's pages" } },
    { "Datadog", "monitoring",
      { { "DogStatsD clients send here as to an agent: metrics, events and service checks, by UDP, Unix socket or HTTP.", "dialect: dogstatsd",
          "listeners:\n  - dialect: dogstatsd\n    address: 127.0.0.1:8125\n", "statsd" },
        { "Agents by the OpenTelemetry Collector's datadog receiver.", "OTLP: POST /v1/metrics",
          COLLECTOR("datadog", "    endpoint: 127.0.0.1:8126\n", "metrics"), "otlp_metrics" },
        { "Programs instrumented with OpenTelemetry send here instead.", "OTLP: POST /v1/metrics, /v1/traces, /v1/logs", OTLP_ENV, "otlp_metrics" } },
      { "Datadog's own intake (api/v2/series)", "Datadog's query language and monitors", "Dashboards of Datadog" } },
    { "New Relic", "monitoring",
      { { "What is sent to New Relic by OTLP is sent here by another address.", "OTLP: POST /v1/metrics, /v1/traces, /v1/logs", OTLP_ENV,
          "otlp_traces" },
        { "What is sent to New Relic by Prometheus's remote write.", "POST /api/v1/write", "remote_write:\n  - url: $address/api/v1/write\n",
          "remote_write" } },
      { "New Relic's agents and their own protocol", "NRQL", "Dashboards of New Relic" } },
    { "CloudWatch", "monitoring",
      { { "Metrics of AWS services, fetched by an exporter that is scraped.", "scrape_configs",
          "scrape_configs:\n  - job_name: cloudwatch\n    static_configs:\n      - targets: ['localhost:9106']\n", "scrape" },
        { "CloudWatch metric streams in the OpenTelemetry format, by the Collector's awsfirehose receiver.", "OTLP: POST /v1/metrics",
          COLLECTOR("awsfirehose", "    record_type: otlp_v1\n", "metrics"), "otlp_metrics" } },
      { "PutMetricData and the query API of CloudWatch", "Embedded metric format in log lines becoming metrics", "CloudWatch alarms" } },
    { "ELK Stack", "logging",
      { { "Log files that Filebeat reads are followed directly, JSON or plain.", "logs: files:", FOLLOWED, "log_file" },
        { "What writes to Elasticsearch by _bulk sends its documents as they are.", "POST /elastic/_bulk, _doc, _create",
          "# Filebeat, Logstash, a client: the node's address\noutput.elasticsearch:\n  hosts: [\"$address/elastic\"]\n", "elastic_bulk" },
        { "Logstash and Fluent Bit by their outputs for Loki.", "POST /loki/api/v1/push",
          "# Logstash\noutput { loki { url => \"$address/loki/api/v1/push\" } }\n", "loki_push" },
        { "Programs and Collectors by OTLP.", "OTLP: POST /v1/logs", OTLP_ENV, "otlp_logs" } },
      { "Elasticsearch's _search", "The Beats protocol", "Kibana, KQL and ES|QL" } },
    { "Splunk", "logging",
      { { "Senders to the HTTP Event Collector send events, lines and metrics as they are.", "POST /services/collector/event, raw, ack",
          "curl $address/services/collector/event -H 'Authorization: Splunk TOKEN' -d '{\"event\":\"hello\"}'\n", "splunk_hec" },
        { "The same senders by the OpenTelemetry Collector's splunk_hec receiver.", "OTLP: POST /v1/logs",
          COLLECTOR("splunk_hec", "    endpoint: 127.0.0.1:8088\n", "logs"), "otlp_logs" },
        { "Files that a forwarder reads are followed directly.", "logs: files:", FOLLOWED, "log_file" } },
      { "Forwarders' own protocol", "SPL" } },
    { "Loki", "logging",
      { { "Promtail, Alloy, Fluent Bit, the Docker driver and every other client push as before.", "POST /loki/api/v1/push (JSON, protobuf)",
          "clients:\n  - url: $address/loki/api/v1/push\n", "loki_push" },
        { "LogQL and the HTTP API, for logcli and dashboards.", "GET /loki/api/v1/query, query_range, labels, series, detected_fields, tail",
          "logcli --addr=$address query '{service_name=~\".+\"}'", "GET /loki/api/v1/query_range?query={service_name=~\".%2B\"}" },
        { "Rules and alerts of Loki's ruler, by its API, lokitool or Grafana.", "GET, POST, DELETE /loki/api/v1/rules; GET /prometheus/api/v1/rules",
          "curl -X POST $address/loki/api/v1/rules/team --data-binary @group.yml\n", "GET /prometheus/api/v1/rules" },
        { "OTLP at Loki's path.", "POST /otlp/v1/logs", "endpoint: $address/otlp\n", "otlp_logs" } },
      { "Loki's own stored chunks" } },
    { "Papertrail", "logging",
      { { "rsyslog, syslog-ng, logger, winston-syslog and devices send here by UDP, TCP or TLS, RFC 5424 or 3164.", "dialect: syslog",
          "listeners:\n  - dialect: syslog\n    address: 127.0.0.1:5514\n", "syslog" },
        { "What rsyslog or syslog-ng writes into files is followed, with host, program and level recognised.", "logs: files:",
          "# stoa.yml\nlogs:\n  files: [/var/log/syslog, /var/log/remote/*.log]\n", "log_file" },
        { "remote_syslog2's files by Fluent Bit or Promtail instead.", "POST /loki/api/v1/push",
          "clients:\n  - url: $address/loki/api/v1/push\n", "loki_push" } },
      { "Papertrail's search language" } },
    { "CloudWatch Logs", "logging",
      { { "Log groups by the OpenTelemetry Collector's awscloudwatch receiver.", "OTLP: POST /v1/logs",
          COLLECTOR("awscloudwatch", "    region: eu-central-1\n", "logs"), "otlp_logs" },
        { "Lambda and ECS by Fluent Bit's output for Loki.", "POST /loki/api/v1/push",
          "[OUTPUT]\n    name loki\n    match *\n    host $name\n    port $port\n", "loki_push" } },
      { "PutLogEvents", "Logs Insights queries", "Metric filters" } },
    { "Jaeger", "tracing",
      { { "Clients send OTLP, as Jaeger itself asks them to since 1.35.", "OTLP: POST /v1/traces, gRPC 4317", OTLP_ENV, "otlp_traces" },
        { "Jaeger's query API: services, operations, search, trace by id.", "GET /jaeger/api/...", "curl $address/jaeger/api/services",
          "GET /jaeger/api/services" },
        { "Its version 3, traces as OTLP.", "GET /jaeger/api/v3/...", "curl $address/jaeger/api/v3/services", "GET /jaeger/api/v3/services" },
        { "Jaeger's own clients post Thrift over HTTP.", "POST /jaeger/api/traces; dialect: jaeger_thrift",
          "export JAEGER_ENDPOINT=$address/jaeger/api/traces\n", "jaeger_thrift" } },
      { "Thrift by UDP", "Jaeger's gRPC services", "Jaeger's adaptive sampling" } },
    { "Zipkin", "tracing",
      { { "Clients send their spans as they are, JSON or protobuf.", "POST /zipkin/api/v2/spans; dialect: zipkin",
          "export OTEL_EXPORTER_ZIPKIN_ENDPOINT=$address/zipkin/api/v2/spans\n", "zipkin" },
        { "Zipkin's query API, for Grafana and Zipkin's own page.", "GET /zipkin/api/v2/...", "type: zipkin\nurl: $address/zipkin\n",
          "GET /zipkin/api/v2/services" },
        { "Old clients, of the first model: a list in JSON or Thrift.", "POST /zipkin/api/v1/spans, POST /api/v1/spans",
          "curl -H 'Content-Type: application/json' --data-binary @spans.json $address/zipkin/api/v1/spans\n", "zipkin_v1" },
        { "Clients by the OpenTelemetry Collector's zipkin receiver.", "OTLP: POST /v1/traces",
          COLLECTOR("zipkin", "    endpoint: 127.0.0.1:9411\n", "traces"), "otlp_traces" } },
      { "Queries of /api/v1", "Zipkin's gRPC collector" } },
    { "Datadog APM", "tracing",
      { { "dd-trace clients by the OpenTelemetry Collector's datadog receiver.", "OTLP: POST /v1/traces",
          COLLECTOR("datadog", "    endpoint: 127.0.0.1:8126\n", "traces"), "otlp_traces" },
        { "Programs instrumented with OpenTelemetry send here instead.", "OTLP: POST /v1/traces", OTLP_ENV, "otlp_traces" } },
      { "The trace agent's own API (/v0.4/traces)", "Profiles" } },
    { "AWS X-Ray", "tracing",
      { { "X-Ray's SDKs by the OpenTelemetry Collector's awsxray receiver.", "OTLP: POST /v1/traces",
          COLLECTOR("awsxray", "    endpoint: 127.0.0.1:2000\n", "traces"), "otlp_traces" },
        { "The AWS distribution of OpenTelemetry sends here instead.", "OTLP: POST /v1/traces", OTLP_ENV, "otlp_traces" } },
      { "The X-Ray daemon's port and PutTraceSegments", "Filter expressions and service maps of X-Ray" } },
};

static void put(struct json_writer *w, struct slice key, struct slice text)
{
    json_key(w, key);
    json_string(w, text);
}

/* Where the answer was asked. */
struct asked {
    struct slice address, host, name, port;
};

static struct asked asked_at(struct http_exchange *x)
{
    struct asked at = { .host = http_header(x, SLICE("Host")) };
    bool tls = http_is_tls(x);
    if (at.host.len == 0)
        at.host = SLICE("localhost:7862");
    at.address = arena_printf(http_arena(x), "%s://%.*s", tls ? "https" : "http", SLICE_FMT(at.host));
    size_t colon = at.host.len;
    while (colon > 0 && at.host.ptr[colon - 1] >= '0' && at.host.ptr[colon - 1] <= '9')
        colon--;
    bool has_port = colon > 1 && colon < at.host.len && at.host.ptr[colon - 1] == ':';
    at.name = has_port ? slice_sub(at.host, 0, colon - 1) : at.host;
    at.port = has_port ? slice_skip(at.host, colon) : tls ? SLICE("443") : SLICE("80");
    return at;
}

/* The $words replaced. */
static struct slice with_address(struct arena *a, const char *text, const struct asked *at)
{
    const struct {
        struct slice word, value;
    } words[] = { { SLICE("address"), at->address }, { SLICE("host"), at->host }, { SLICE("name"), at->name }, { SLICE("port"), at->port } };
    struct slice rest = slice_str(text), head, tail;
    struct buf b;
    buf_init(&b, 0);
    while (slice_cut(rest, '$', &head, &tail)) {
        size_t k = 0;
        while (k < COUNT_OF(words) && !slice_starts(tail, words[k].word))
            k++;
        buf_slice(&b, head);
        buf_slice(&b, k < COUNT_OF(words) ? words[k].value : SLICE("$"));
        rest = k < COUNT_OF(words) ? slice_skip(tail, words[k].word.len) : tail;
    }
    buf_slice(&b, rest);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static void put_tool(struct json_writer *w, struct arena *a, const struct tool *t, const struct asked *at)
{
    json_object_begin(w);
    put(w, SLICE("name"), slice_str(t->name));
    put(w, SLICE("group"), slice_str(t->group));
    json_key(w, SLICE("works"));
    json_array_begin(w);
    for (size_t i = 0; i < WORKS_MAX && t->works[i].what; i++) {
        json_object_begin(w);
        put(w, SLICE("what"), slice_str(t->works[i].what));
        put(w, SLICE("how"), slice_str(t->works[i].how));
        put(w, SLICE("config"), with_address(a, t->works[i].config, at));
        put(w, SLICE("check"), slice_str(t->works[i].check));
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, SLICE("not_yet"));
    json_array_begin(w);
    for (size_t i = 0; i < NOT_YET_MAX && t->not_yet[i]; i++)
        json_string(w, slice_str(t->not_yet[i]));
    json_array_end(w);
    json_object_end(w);
}

void stoa_tools(void *user, struct http_exchange *x)
{
    struct asked at = asked_at(x);
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("tools"));
    json_array_begin(&w);
    for (size_t i = 0; i < COUNT_OF(tools); i++)
        put_tool(&w, http_arena(x), &tools[i], &at);
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(x, 200, &out);
}
