/* SPDX-License-Identifier: Apache-2.0 */
/* Ingest over HTTP and gRPC: decode, pipeline, append, and answer once the rows are durable.
 *
 * One struct pending a request lives in the exchange's arena; the store's acknowledgement answers it from the commit
 * thread. How an answer looks is the dialect's: a table row each. */
#include "api/elastic.h"
#include "api/handlers.h"
#include "api/intake.h"
#include "api/self.h"
#include "api/splunk.h"
#include "api/follow.h"
#include "codec/json.h"
#include "ingest/ingest.h"
#include "ingest/join.h"
#include "ingest/otlp.h"
#include "ingest/parse_rule.h"
#include "pipeline/pipeline.h"

enum { BATCH_ARENA_BYTES_MAX = 512 * MIB, GRPC_OK = 0, GRPC_INVALID_ARGUMENT = 3, GRPC_PERMISSION_DENIED = 7,
       GRPC_RESOURCE_EXHAUSTED = 8, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14 };

enum dialect { DIALECT_PROM, DIALECT_LOKI, DIALECT_OTLP, DIALECT_OTLP_GRPC, DIALECT_ELASTIC, DIALECT_SPLUNK, DIALECT_LINES, DIALECT_SPANS };

struct pending {
    struct api *api;
    struct http_exchange *x;
    const struct ingest_protocol *protocol;
    enum dialect dialect;
    enum otlp_signal signal;
    bool json;
    struct ingest_result result;
    size_t samples, events, deduplicated; /* the last: of a replica that is not listened to */
    struct elastic_bulk *elastic;
    struct splunk_hec *splunk;
    struct slice stream;          /* of lines */
    const struct join_rule *join;
    const struct parse_rule *parse;
    struct batch *kept; /* what the answer's texts live in */
    struct batch *held; /* for those who follow the logs */
};

static int grpc_status(enum status st)
{
    switch (st) {
    case ST_OK: return GRPC_OK;
    case ST_INVALID:
    case ST_UNSUPPORTED:
    case ST_NOT_FOUND:
    case ST_EXISTS: return GRPC_INVALID_ARGUMENT;
    case ST_DENIED: return GRPC_PERMISSION_DENIED;
    case ST_LIMIT: return GRPC_RESOURCE_EXHAUSTED;
    case ST_UNAVAILABLE:
    case ST_FULL:
    case ST_TIMEOUT:
    case ST_CANCELLED: return GRPC_UNAVAILABLE;
    case ST_CORRUPT:
    case ST_IO:
    case ST_INTERNAL: return GRPC_INTERNAL;
    }
    return GRPC_INTERNAL;
}

/* A refused request may be sent again when trying later can help. */
static int ingest_http_status(enum status st)
{
    if (st == ST_LIMIT)
        return 413;
    if (st == ST_UNSUPPORTED)
        return 415;
    return api_http_status(st);
}

static void reply_failed(struct pending *p, enum status st, const struct err *err)
{
    struct slice text = slice_str(err->text);
    int code = p->result.retry_after_s ? 429 : ingest_http_status(st);
    if (code == 503)
        http_set_header(p->x, SLICE("Retry-After"), SLICE("5"));
    if (code == 429)
        http_set_header(p->x, SLICE("Retry-After"), arena_printf(http_arena(p->x), "%u", p->result.retry_after_s));
    switch (p->dialect) {
    case DIALECT_OTLP_GRPC:
        http_reply_grpc(p->x, grpc_status(st), text);
        return;
    case DIALECT_OTLP: {
        struct buf out;
        buf_init(&out, 0);
        otlp_status(grpc_status(st), text, p->json, &out);
        http_reply_buf(p->x, code, p->json ? SLICE("application/json") : SLICE("application/x-protobuf"), &out);
        return;
    }
    case DIALECT_ELASTIC:
        elastic_fail(p->x, code, text);
        return;
    case DIALECT_SPLUNK:
        splunk_fail(p->x, code);
        return;
    case DIALECT_PROM:
    case DIALECT_LOKI:
    case DIALECT_LINES:
    case DIALECT_SPANS:
        http_reply(p->x, code, SLICE("text/plain; charset=utf-8"), arena_printf(http_arena(p->x), "%s\n", err->text));
        return;
    }
}

/* What was left out, kind by kind, with the first reason of each. */
static struct slice rejected_text(struct pending *p)
{
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < INGEST_KIND_COUNT; i++) {
        const struct ingest_tally *t = &p->result.kinds[i];
        if (t->rejected)
            buf_printf(&out, "%llu %s refused, %llu taken; the first: %s\n", (unsigned long long)t->rejected, ingest_kind_name((enum ingest_kind)i),
                       (unsigned long long)t->accepted, t->first.text);
    }
    struct slice text = arena_copy(http_arena(p->x), buf_as_slice(&out));
    buf_free(&out);
    return text;
}

/* Remote write 2.0: how much is kept, on every answer. */
static void set_written(struct pending *p, enum status st)
{
    static const struct {
        struct slice header;
        enum ingest_kind kind;
    } rows[] = {
        { SLICE_INIT("X-Prometheus-Remote-Write-Samples-Written"), INGEST_SAMPLES },
        { SLICE_INIT("X-Prometheus-Remote-Write-Histograms-Written"), INGEST_HISTOGRAMS },
        { SLICE_INIT("X-Prometheus-Remote-Write-Exemplars-Written"), INGEST_EXEMPLARS },
    };
    for (size_t i = 0; i < COUNT_OF(rows); i++)
        http_set_header(p->x, rows[i].header,
                        arena_printf(http_arena(p->x), "%llu", st ? 0ull : (unsigned long long)p->result.kinds[rows[i].kind].accepted));
}

/* {"accepted":2,"rejected":0}, with the reason when there is one. */
static void reply_counts(struct pending *p)
{
    struct buf out;
    struct json_writer w;
    const struct ingest_tally *t = &p->result.kinds[INGEST_LOGS];
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("accepted"));
    json_uint(&w, t->accepted);
    json_key(&w, SLICE("rejected"));
    json_uint(&w, t->rejected);
    if (t->rejected) {
        json_key(&w, SLICE("reason"));
        json_string(&w, slice_str(t->first.text));
    }
    json_object_end(&w);
    http_reply_buf(p->x, 200, SLICE("application/json"), &out);
}

static void reply_done(struct pending *p)
{
    struct buf out;
    switch (p->dialect) {
    case DIALECT_PROM:
    case DIALECT_LOKI:
        /* Both say 400 when some of the request was refused; what was good is kept. */
        if (ingest_rejected(&p->result))
            http_reply(p->x, 400, SLICE("text/plain; charset=utf-8"), rejected_text(p));
        else
            http_reply(p->x, p->deduplicated ? 202 : 204, SLICE_EMPTY, SLICE_EMPTY);
        return;
    case DIALECT_OTLP:
        buf_init(&out, 0);
        otlp_response(&p->result, p->signal, p->json, &out);
        http_reply_buf(p->x, 200, p->json ? SLICE("application/json") : SLICE("application/x-protobuf"), &out);
        return;
    case DIALECT_OTLP_GRPC:
        buf_init(&out, 0);
        otlp_response(&p->result, p->signal, false, &out);
        http_reply_grpc(p->x, GRPC_OK, buf_as_slice(&out));
        buf_free(&out);
        return;
    case DIALECT_ELASTIC:
        elastic_answer(p->x, p->elastic);
        return;
    case DIALECT_SPLUNK:
        if (p->splunk->code == 0 && p->result.kinds[INGEST_SAMPLES].rejected) { /* its protocol has no words for a part */
            http_set_header(p->x, SLICE("X-Stoa-Warning"), slice_trim(rejected_text(p)));
            splunk_fail(p->x, 400);
        } else {
            splunk_answer(p->x, p->splunk);
        }
        return;
    case DIALECT_LINES: reply_counts(p); return;
    case DIALECT_SPANS: /* Zipkin's and Jaeger's collectors have no words for a part: all of it, or it was bad */
        if (ingest_rejected(&p->result))
            http_reply(p->x, 400, SLICE("text/plain; charset=utf-8"), rejected_text(p));
        else
            http_reply(p->x, 202, SLICE_EMPTY, SLICE_EMPTY);
        return;
    }
}

static void finish(struct pending *p, enum status st, const struct err *err)
{
    char name[64];
    struct batch *kept = p->kept, *held = p->held; /* p is gone when the answer is */
    struct follow *follow = p->api->follow;
    size_t n = MIN(p->protocol->name.len, sizeof name - 1);
    memcpy(name, p->protocol->name.ptr, n);
    name[n] = 0;
    self_ingest_done(p->api->self, name, p->samples, p->events, ingest_rejected(&p->result), st);
    if (p->dialect == DIALECT_PROM)
        set_written(p, st);
    if (!st && p->result.warnings) /* OTLP's answers have a place for it */
        http_set_header(p->x, SLICE("X-Stoa-Warning"), arena_copy(http_arena(p->x), slice_str(p->result.first_warning.text)));
    struct err over;
    if (!st && p->result.retry_after_s) { /* what was good is kept; the rest may come again */
        struct slice text = slice_trim(rejected_text(p));
        reply_failed(p, err_set(&over, ST_LIMIT, "%.*s", SLICE_FMT(text)), &over);
    } else if (st) {
        reply_failed(p, st, err);
    } else {
        reply_done(p);
    }
    batch_drop(kept);
    follow_offer(follow, held, !st);
}

static void on_ack(void *arg, enum status st, const struct err *err)
{
    finish(arg, st, err);
}

struct start_question {
    struct intake *intake;
    struct slice tenant;
    int64_t received_ns;
};

static bool on_start(void *arg, struct slice labels, int64_t start_ms, int64_t t_ms)
{
    const struct start_question *q = arg;
    return intake_start_is_new(q->intake, q->tenant, labels, start_ms, t_ms, q->received_ns);
}

static enum status decode(struct pending *p, struct slice tenant, struct batch *b, struct err *err)
{
    const struct http_header *headers;
    size_t n = http_headers(p->x, &headers);
    struct ingest_header *list = arena_array(http_arena(p->x), struct ingest_header, n + 1);
    for (size_t i = 0; i < n; i++)
        list[i] = (struct ingest_header){ headers[i].name, headers[i].value };
    struct ingest_ctx ctx = { .received_ns = http_received_ns(p->x), .peer = http_peer(p->x), .tenant = tenant, .headers = list, .header_count = n };
    struct slice body = http_body(p->x);
    p->json = p->dialect == DIALECT_OTLP && ingest_is_json(&ctx, body);
    struct intake *intake = p->signal == OTLP_LOGS && p->dialect != DIALECT_OTLP && p->dialect != DIALECT_OTLP_GRPC ? NULL : p->api->intake;
    struct intake_options *options = intake ? intake_take(intake) : NULL;
    ctx.otlp = options ? &options->otlp : NULL;
    struct start_question question = { intake, tenant, ctx.received_ns };
    ctx.start_zero = options && options->start_zero;
    ctx.starts = (struct ingest_starts){ &question, on_start };
    ctx.takes_deltas = intake != NULL;
    ctx.elastic = p->elastic;
    ctx.splunk = p->splunk;
    ctx.stream = p->stream;
    ctx.join = p->join;
    ctx.parse = p->parse;
    enum status st = ingest_decode(p->protocol, &ctx, body, b, &p->result, err);
    snap_drop(options ? &options->snap : NULL);
    if (!st && intake && p->signal == OTLP_METRICS)
        st = intake_run(intake, b, &p->result, &p->deduplicated, err);
    if (!st)
        st = pipeline_run(p->api->pipeline, b, &p->result, err);
    struct slice key = http_header(p->x, SLICE("Idempotency-Key"));
    if (!st && key.len)
        b->idempotency_key = arena_copy(b->arena, key);
    else if (!st && p->elastic)
        b->idempotency_key = elastic_key(b->arena, p->elastic, body);
    return st;
}

/* Only samples have a rate. What a tenant has in hand is asked for before the work, and paid after it; of HEC, where an event may be of
 * metrics or none, it is asked when that is known. */
static enum status check_rate(struct pending *p, struct slice tenant, struct err *err)
{
    bool is_metrics = p->dialect == DIALECT_PROM || ((p->dialect == DIALECT_OTLP || p->dialect == DIALECT_OTLP_GRPC) && p->signal == OTLP_METRICS);
    if (!is_metrics || firewall_rate_allows(pipeline_firewall(p->api->pipeline), tenant, http_received_ns(p->x), &p->result.retry_after_s, err))
        return ST_OK;
    return ST_LIMIT;
}

static struct pending *pending_new(struct api *api, struct http_exchange *x, struct slice protocol, enum dialect dialect, enum otlp_signal signal)
{
    struct pending *p = arena_new_of(http_arena(x), struct pending);
    *p = (struct pending){ .api = api, .x = x, .protocol = ingest_protocol_find(protocol), .dialect = dialect, .signal = signal };
    assert(p->protocol != NULL);
    return p;
}

static void serve_pending(struct pending *p)
{
    struct slice tenant;
    struct err err;
    struct api *api = p->api;
    struct http_exchange *x = p->x;
    struct batch *b = batch_new(BATCH_ARENA_BYTES_MAX);
    if (p->elastic)
        p->kept = batch_take(b);
    enum status st = api_write_tenant(x, &tenant, &err);
    if (!st)
        st = check_rate(p, tenant, &err);
    if (!st)
        st = decode(p, tenant, b, &err);
    if (!st && p->splunk && b->sample_count &&
        !firewall_rate_allows(pipeline_firewall(api->pipeline), tenant, http_received_ns(x), &p->result.retry_after_s, &err))
        st = ST_LIMIT;
    if (!st)
        firewall_rate_take(pipeline_firewall(api->pipeline), tenant, b->sample_count, http_received_ns(x));
    p->samples = b->sample_count;
    p->events = b->event_count;
    if (st || (batch_rows(b) == 0 && b->metadata_count == 0)) {
        batch_drop(b);
        finish(p, st, &err);
        return;
    }
    p->held = follow_hold(api->follow, b);
    st = api->engine->ops->append(api->engine, b, (struct append_ack){ on_ack, p }, &err);
    if (st)
        finish(p, st, &err);
}

static void serve(struct api *api, struct http_exchange *x, struct slice protocol, enum dialect dialect, enum otlp_signal signal)
{
    serve_pending(pending_new(api, x, protocol, dialect, signal));
}

void ingest_elastic(struct api *api, struct http_exchange *x, struct elastic_bulk *bulk)
{
    struct pending *p = pending_new(api, x, SLICE("elastic_bulk"), DIALECT_ELASTIC, OTLP_LOGS);
    p->elastic = bulk;
    serve_pending(p);
}

void ingest_splunk(struct api *api, struct http_exchange *x, struct splunk_hec *told)
{
    struct pending *p = pending_new(api, x, SLICE("splunk_hec"), DIALECT_SPLUNK, OTLP_LOGS);
    p->splunk = told;
    serve_pending(p);
}

/* Every parameter is a label of the lines, but multiline=off and parser=NAME. Of NDJSON no line belongs to another. */
static enum status lines_labels(struct pending *p, struct err *err)
{
    static const struct join_rule automatic = { .mode = JOIN_AUTO };
    struct label list[LABELS_PER_SERIES_MAX];
    struct api_params params;
    struct slice multiline = SLICE("auto");
    size_t n = 0;
    bool has_source = false;
    enum status st = api_query_params_read(p->x, &params, err);
    for (size_t i = 0; i < params.count && !st; i++) {
        struct label l = { params.list[i].name, params.list[i].value };
        if (slice_eq(l.name, SLICE("multiline")))
            multiline = l.value;
        else if (slice_eq(l.name, SLICE("parser"))) {
            if ((p->parse = parse_rules_find(p->api->parsers, l.value, err)) == NULL)
                return ST_INVALID;
        } else if (!label_name_is_legacy(l.name))
            return err_set(err, ST_INVALID, "parameter \"%.*s\" is no name of a label", SLICE_FMT(slice_sub(l.name, 0, 100)));
        else if (n == COUNT_OF(list) - 1)
            return err_set(err, ST_LIMIT, "more than %zu labels", COUNT_OF(list) - 1);
        else
            list[n++] = l;
        has_source |= slice_eq(l.name, SLICE("source"));
    }
    if (!has_source)
        list[n++] = (struct label){ SLICE("source"), SLICE("http") };
    if (!slice_eq(multiline, SLICE("auto")) && !slice_eq(multiline, SLICE("off")))
        return err_set(err, ST_INVALID, "multiline: found \"%.*s\", allowed are auto and off", SLICE_FMT(slice_sub(multiline, 0, 100)));
    bool is_json = slice_contains(http_header(p->x, SLICE("Content-Type")), SLICE("json"));
    p->join = is_json || slice_eq(multiline, SLICE("off")) ? NULL : &automatic;
    return st ? st : labels_build(http_arena(p->x), list, n, &p->stream, err);
}

void ingest_lines(void *user, struct http_exchange *x)
{
    struct pending *p = pending_new(user, x, SLICE("lines"), DIALECT_LINES, OTLP_LOGS);
    struct err err;
    enum status st = lines_labels(p, &err);
    if (st)
        reply_failed(p, st, &err);
    else
        serve_pending(p);
}

void ingest_prom_write(void *user, struct http_exchange *x)
{
    struct slice type = http_header(x, SLICE("Content-Type")), protocol = prom_write_protocol(type);
    if (protocol.len) {
        serve(user, x, protocol, DIALECT_PROM, OTLP_METRICS);
    } else {
        struct pending none = { .x = x };
        set_written(&none, ST_UNSUPPORTED);
        http_reply(x, 415, SLICE("text/plain; charset=utf-8"),
                   arena_printf(http_arena(x), "Content-Type \"%.*s\" names a message we do not know: prometheus.WriteRequest and "
                                "io.prometheus.write.v2.Request are taken\n", SLICE_FMT(slice_sub(type, 0, 200))));
    }
}

void ingest_loki_push(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("loki_push"), DIALECT_LOKI, OTLP_LOGS);
}

void ingest_otlp_metrics(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_metrics"), DIALECT_OTLP, OTLP_METRICS);
}

void ingest_otlp_logs(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_logs"), DIALECT_OTLP, OTLP_LOGS);
}

void ingest_otlp_traces(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_traces"), DIALECT_OTLP, OTLP_TRACES);
}

void ingest_zipkin(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("zipkin"), DIALECT_SPANS, OTLP_TRACES);
}

void ingest_zipkin_v1(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("zipkin_v1"), DIALECT_SPANS, OTLP_TRACES);
}

void ingest_jaeger(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("jaeger_thrift"), DIALECT_SPANS, OTLP_TRACES);
}

void ingest_otlp_metrics_grpc(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_metrics"), DIALECT_OTLP_GRPC, OTLP_METRICS);
}

void ingest_otlp_logs_grpc(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_logs"), DIALECT_OTLP_GRPC, OTLP_LOGS);
}

void ingest_otlp_traces_grpc(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("otlp_traces"), DIALECT_OTLP_GRPC, OTLP_TRACES);
}
