/* SPDX-License-Identifier: Apache-2.0 */
/* Our own telemetry. Metrics are families of the client library; what the store counts itself is read from its stats when
 * the page is asked for. Ingest spans are limited by a token bucket refilled each second; each span let through carries
 * the number of requests since the last one as its weight. */
#include "api/self.h"

#include <stdio.h>
#include <stdlib.h>

#include "model/trace_context.h"
#include "sys/rand.h"
#include "sys/thread.h"

enum { TEXT_BYTES_MAX = 300 };

struct self {
    struct clock *clock;
    struct stoa_metrics *registry;
    struct stoa_tracer *tracer;
    void (*send)(void *arg, const struct stoa_span_data *span);
    struct stoa_family *requests, *request_seconds, *request_bytes, *response_bytes, *queries, *query_seconds, *query_samples;
    struct stoa_family *ingested, *rejected, *ingest_requests, *jobs, *job_seconds;
    struct mutex lock; /* the three below */
    int64_t second;
    int spans_this_second;
    uint64_t skipped;
};

static const double seconds_bounds[] = {0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 120};

#define LABELS(...)                                                                                                                             \
    (int)(sizeof((const char *[]){__VA_ARGS__}) / sizeof(char *)), (const char *[])                                                             \
    {                                                                                                                                           \
        __VA_ARGS__                                                                                                                             \
    }
#define VALUES(...)                                                                                                                             \
    (const char *[])                                                                                                                            \
    {                                                                                                                                           \
        __VA_ARGS__                                                                                                                             \
    }

struct self *self_new(struct clock *clock, void (*send_span)(void *arg, const struct stoa_span_data *span), void *arg)
{
    struct self *s = mem_new(struct self);
    struct stoa_metrics *m = s->registry = stoa_metrics_new();
    s->clock = clock;
    s->send = send_span;
    s->tracer = stoa_tracer_new("stoa", send_span, arg);
    mutex_init(&s->lock);
    s->requests =
        stoa_counter(m, "stoa_http_requests_total", "HTTP requests answered, by route, method and status.", LABELS("route", "method", "status"));
    s->request_seconds = stoa_histogram(m, "stoa_http_request_duration_seconds", "Time from a request's headers to its last byte sent.",
                                        COUNT_OF(seconds_bounds), seconds_bounds, LABELS("route"));
    s->request_bytes = stoa_counter(m, "stoa_http_request_bytes_total", "Bytes of request bodies.", LABELS("route"));
    s->response_bytes = stoa_counter(m, "stoa_http_response_bytes_total", "Bytes of answers.", LABELS("route"));
    s->queries = stoa_counter(m, "stoa_queries_total", "Queries, by dialect and how they ended.", LABELS("dialect", "result"));
    s->query_seconds =
        stoa_histogram(m, "stoa_query_duration_seconds", "Time a query took.", COUNT_OF(seconds_bounds), seconds_bounds, LABELS("dialect"));
    s->query_samples = stoa_counter(m, "stoa_query_samples_read_total", "Samples read by queries.", LABELS("dialect"));
    s->ingested = stoa_counter(m, "stoa_ingested_rows_total", "Rows accepted, by protocol and kind.", LABELS("protocol", "kind"));
    s->rejected = stoa_counter(m, "stoa_rejected_rows_total", "Rows refused, by protocol.", LABELS("protocol"));
    s->ingest_requests =
        stoa_counter(m, "stoa_ingest_requests_total", "Ingest requests, by protocol and how they ended.", LABELS("protocol", "result"));
    s->jobs = stoa_counter(m, "stoa_jobs_total", "Background jobs, by name and how they ended.", LABELS("job", "result"));
    s->job_seconds = stoa_counter(m, "stoa_job_seconds_total", "Time spent in background jobs.", LABELS("job"));
    return s;
}

void self_free(struct self *s)
{
    if (s == NULL)
        return;
    stoa_tracer_free(s->tracer);
    stoa_metrics_free(s->registry);
    mutex_destroy(&s->lock);
    mem_free(s);
}

/* A C string of at most TEXT_BYTES_MAX - 1 bytes for the client library. */
static const char *text_of(char room[TEXT_BYTES_MAX], struct slice s)
{
    snprintf(room, TEXT_BYTES_MAX, "%.*s", (int)MIN(s.len, (size_t)TEXT_BYTES_MAX - 1), s.ptr);
    return room;
}

/* True when this ingest request gets a span; *weight is how many it stands for. */
static bool ingest_span_allowed(struct self *s, float *weight)
{
    int64_t second = clock_mono_ns(s->clock) / NS_S;
    mutex_lock(&s->lock);
    if (second != s->second) {
        s->second = second;
        s->spans_this_second = 0;
    }
    bool allowed = s->spans_this_second < SELF_INGEST_SPANS_PER_SECOND_MAX;
    if (allowed) {
        *weight = (float)(s->skipped + 1);
        s->skipped = 0;
        s->spans_this_second++;
    } else {
        s->skipped++;
    }
    mutex_unlock(&s->lock);
    return allowed;
}

/* What is malformed, and a traceparent that comes twice, is as if it were not there; without one a tracestate says nothing. */
static void take_trace_context(struct http_exchange *x, struct self_request *r)
{
    const struct http_header *list;
    size_t n = http_headers(x, &list), parents = 0;
    struct trace_parent p, got;
    struct buf states;
    bool ok = false;
    buf_init(&states, 0); /* of a request's headers, which are limited */
    for (size_t i = 0; i < n; i++) {
        if (slice_eq_nocase(list[i].name, SLICE("traceparent"))) {
            ok = parents++ == 0 && trace_parent_read(list[i].value, &got);
            p = ok ? got : (struct trace_parent){ .version = 0 };
        } else if (slice_eq_nocase(list[i].name, SLICE("tracestate"))) {
            buf_slice(&states, list[i].value);
            buf_char(&states, ',');
        }
    }
    if (ok) {
        memcpy(r->ids.trace_id, p.trace_id, sizeof p.trace_id);
        memcpy(r->ids.parent_id, p.span_id, sizeof p.span_id);
        r->trace_state = trace_state_read(http_arena(x), buf_as_slice(&states));
    }
    buf_free(&states);
}

struct self_request *self_request_of(struct http_exchange *x)
{
    struct self_request *r = http_get_user(x);
    if (r == NULL) {
        r = arena_new_of(http_arena(x), struct self_request);
        http_set_user(x, r);
    }
    return r;
}

const struct self_ids *self_request_ids(struct http_exchange *x)
{
    struct self_request *r = self_request_of(x);
    if (!r->has_ids) {
        r->has_ids = true;
        sys_random(r->ids.trace_id, sizeof r->ids.trace_id);
        sys_random(r->ids.span_id, sizeof r->ids.span_id);
        take_trace_context(x, r);
    }
    return &r->ids;
}

void self_request_done(struct self *s, struct http_exchange *x, struct slice route, bool is_ingest, int status, uint64_t bytes_in,
                       uint64_t bytes_out, int64_t ns)
{
    char route_room[TEXT_BYTES_MAX], method_room[TEXT_BYTES_MAX], room[TEXT_BYTES_MAX], status_text[16];
    const char *route_text = text_of(route_room, route), *method = text_of(method_room, http_method_text(x));
    snprintf(status_text, sizeof status_text, "%d", status);
    stoa_add(s->requests, 1, VALUES(route_text, http_method(x) == HTTP_OTHER_ ? "other" : method, status_text));
    stoa_observe(s->request_seconds, (double)ns / 1e9, VALUES(route_text));
    stoa_add(s->request_bytes, (double)bytes_in, VALUES(route_text));
    stoa_add(s->response_bytes, (double)bytes_out, VALUES(route_text));
    float weight = 1;
    bool bad = status >= 500 || ns >= SELF_SLOW_MS * NS_MS;
    if (s->send == NULL || (is_ingest && !bad && !ingest_span_allowed(s, &weight)))
        return;
    char name[2 * TEXT_BYTES_MAX];
    snprintf(name, sizeof name, "%s %s", method, route_text);
    struct stoa_span *span = stoa_span_start(s->tracer, name, NULL, STOA_SPAN_SERVER);
    const struct self_ids *ids = self_request_ids(x);
    stoa_span_place(span, ids->trace_id, ids->span_id, ids->parent_id);
    if (self_request_of(x)->trace_state.len)
        stoa_span_state(span, arena_printf(http_arena(x), "%.*s", SLICE_FMT(self_request_of(x)->trace_state)).ptr);
    stoa_span_started(span, clock_wall_ns(s->clock) - ns);
    stoa_span_weight(span, weight);
    stoa_span_text(span, "http.request.method", method);
    stoa_span_text(span, "http.route", route_text);
    stoa_span_number(span, "http.response.status_code", status);
    stoa_span_number(span, "http.request.body.size", (int64_t)bytes_in);
    stoa_span_number(span, "http.response.body.size", (int64_t)bytes_out);
    stoa_span_text(span, "client.address", text_of(room, http_peer(x)));
    if (status >= 500 || status == 0)
        stoa_span_error(span, status == 0 ? "the client went away before the answer" : http_reason(status));
    stoa_span_end(span);
}

void self_query_done(struct self *s, const struct self_ids *parent, const char *dialect, struct slice text, const struct engine_ctx *ctx,
                     int64_t ns, enum status st, const struct err *err)
{
    char room[TEXT_BYTES_MAX];
    stoa_add(s->queries, 1, VALUES(dialect, status_name(st)));
    stoa_observe(s->query_seconds, (double)ns / 1e9, VALUES(dialect));
    stoa_add(s->query_samples, (double)ctx->samples_read, VALUES(dialect));
    if (s->send == NULL)
        return;
    struct stoa_span *span = stoa_span_start(s->tracer, "query", NULL, STOA_SPAN_INTERNAL);
    if (parent)
        stoa_span_place(span, parent->trace_id, NULL, parent->span_id);
    stoa_span_started(span, clock_wall_ns(s->clock) - ns);
    stoa_span_text(span, "stoa.dialect", dialect);
    stoa_span_text(span, "db.query.text", text_of(room, text));
    stoa_span_number(span, "stoa.samples_read", (int64_t)ctx->samples_read);
    stoa_span_number(span, "stoa.rows_read", (int64_t)ctx->rows_read);
    stoa_span_number(span, "stoa.bytes_read", (int64_t)ctx->bytes_read);
    if (st != ST_OK)
        stoa_span_error(span, err->text);
    stoa_span_end(span);
}

void self_ingest_done(struct self *s, const char *protocol, size_t samples, size_t events, size_t rejected, enum status st)
{
    stoa_add(s->ingest_requests, 1, VALUES(protocol, status_name(st)));
    if (st == ST_OK && samples)
        stoa_add(s->ingested, (double)samples, VALUES(protocol, "sample"));
    if (st == ST_OK && events)
        stoa_add(s->ingested, (double)events, VALUES(protocol, "event"));
    if (rejected)
        stoa_add(s->rejected, (double)rejected, VALUES(protocol));
}

void self_job_done(struct self *s, const char *job, const struct self_ids *ids, int64_t start_wall_ns, int64_t ns, enum status st, const char *error)
{
    stoa_add(s->jobs, 1, VALUES(job, status_name(st)));
    stoa_add(s->job_seconds, (double)ns / 1e9, VALUES(job));
    if (s->send == NULL)
        return;
    struct stoa_span *span = stoa_span_start(s->tracer, job, NULL, STOA_SPAN_INTERNAL);
    if (ids)
        stoa_span_place(span, ids->trace_id, ids->span_id, NULL);
    stoa_span_started(span, start_wall_ns);
    if (st != ST_OK)
        stoa_span_error(span, error);
    stoa_span_end(span);
}

struct stat_row {
    const char *name, *type, *help;
    double value;
};

static void put_rows(struct buf *out, const struct stat_row *rows, size_t count)
{
    for (size_t i = 0; i < count; i++)
        buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %.17g\n", rows[i].name, rows[i].help, rows[i].name, rows[i].type, rows[i].name,
                   rows[i].value);
}

void self_metrics_page(struct self *s, const struct engine_stats *e, const struct http_stats *h, struct buf *out)
{
    size_t size;
    char *text = stoa_metrics_text(s->registry, &size);
    buf_put(out, text, size);
    free(text);
    const struct stat_row rows[] = {
        {"stoa_store_series", "gauge", "Metric series known.", (double)e->series},
        {"stoa_store_streams", "gauge", "Event streams known.", (double)e->streams},
        {"stoa_store_samples", "gauge", "Samples held.", (double)e->samples},
        {"stoa_store_log_records", "gauge", "Log records held.", (double)e->log_records},
        {"stoa_store_spans", "gauge", "Spans held.", (double)e->spans},
        {"stoa_store_appended_samples_total", "counter", "Samples appended since start.", (double)e->appended_samples},
        {"stoa_store_appended_events_total", "counter", "Events appended since start.", (double)e->appended_events},
        {"stoa_store_disk_bytes", "gauge", "Bytes of part files.", (double)e->disk_bytes},
        {"stoa_store_wal_bytes", "gauge", "Bytes of the write-ahead log.", (double)e->wal_bytes},
        {"stoa_store_memory_bytes", "gauge", "Bytes of raw rows and encoded parts in memory.", (double)e->memory_bytes},
        {"stoa_store_parts", "gauge", "File parts.", (double)e->parts},
        {"stoa_store_memory_parts", "gauge", "Encoded parts in memory.", (double)e->memory_parts},
        {"stoa_store_wal_syncs_total", "counter", "Group commits.", (double)e->wal_syncs},
        {"stoa_store_commit_seconds_total", "counter", "Time spent in group commits, the one under way included: a slow disk shows here.",
         (double)e->commit_ns / 1e9},
        {"stoa_store_append_queue_bytes", "gauge", "Bytes of requests that wait for a group commit.", (double)e->queued_bytes},
        {"stoa_store_merges_total", "counter", "Merges done.", (double)e->merges},
        {"stoa_store_corrupt_blocks_total", "counter", "Blocks, frames or footers whose checksum did not match.", (double)e->corrupt_blocks},
        {"stoa_store_expired_parts_total", "counter", "Parts removed by retention.", (double)e->expired_parts},
        {"stoa_store_rows_too_old_total", "counter", "Rows sent when over the retention time, so dropped at the flush.", (double)e->too_old_rows},
        {"stoa_store_disk_free_bytes", "gauge", "Free bytes on the data folder's disk.", (double)e->disk_free_bytes},
        {"stoa_store_disk_size_bytes", "gauge", "Size of the data folder's disk.", (double)e->disk_total_bytes},
        {"stoa_store_read_only", "gauge", "1 when the store refuses writes after a failed sync.", e->read_only},
        {"stoa_store_disk_full", "gauge", "1 when the disk guard refuses writes.", e->disk_full},
        {"stoa_http_open_connections", "gauge", "Connections open.", (double)h->open_connections},
        {"stoa_http_open_exchanges", "gauge", "Requests being served.", (double)h->open_exchanges},
        {"stoa_http_connections_total", "counter", "Connections taken.", (double)h->connections},
        {"stoa_http_rejected_busy_total", "counter", "Requests answered 503 for want of memory or workers.", (double)h->rejected_busy},
        {"stoa_http_timeouts_total", "counter", "Connections closed for being too slow.", (double)h->timeouts},
        {"stoa_http_protocol_errors_total", "counter", "Requests that were not HTTP.", (double)h->protocol_errors},
        {"process_cpu_seconds_total", "counter", "CPU time of this process.", (double)clock_process_cpu_ns() / 1e9},
    };
    put_rows(out, rows, COUNT_OF(rows));
}
