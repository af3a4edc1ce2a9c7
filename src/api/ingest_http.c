/* SPDX-License-Identifier: Apache-2.0 */
/* Ingest over HTTP and gRPC: decode, pipeline, append, and answer once the rows are durable.
 *
 * One struct pending a request lives in the exchange's arena; the store's acknowledgement answers it from the commit
 * thread. How an answer looks is the dialect's: a table row each. */
#include "api/handlers.h"
#include "api/self.h"
#include "ingest/ingest.h"
#include "ingest/otlp.h"
#include "pipeline/pipeline.h"

enum { BATCH_ARENA_BYTES_MAX = 512 * MIB, GRPC_OK = 0, GRPC_INVALID_ARGUMENT = 3, GRPC_PERMISSION_DENIED = 7,
       GRPC_RESOURCE_EXHAUSTED = 8, GRPC_INTERNAL = 13, GRPC_UNAVAILABLE = 14 };

enum dialect { DIALECT_PROM, DIALECT_LOKI, DIALECT_OTLP, DIALECT_OTLP_GRPC };

struct pending {
    struct api *api;
    struct http_exchange *x;
    const struct ingest_protocol *protocol;
    enum dialect dialect;
    enum otlp_signal signal;
    bool json;
    struct ingest_result result;
    size_t samples, events;
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
    int code = ingest_http_status(st);
    if (code == 503)
        http_set_header(p->x, SLICE("Retry-After"), SLICE("5"));
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
    case DIALECT_PROM:
    case DIALECT_LOKI:
        http_reply(p->x, code, SLICE("text/plain; charset=utf-8"), arena_printf(http_arena(p->x), "%s\n", err->text));
        return;
    }
}

/* The first reason for which something was left out. */
static const struct ingest_tally *first_rejected(const struct ingest_result *r)
{
    for (size_t i = 0; i < INGEST_KIND_COUNT; i++)
        if (r->kinds[i].rejected)
            return &r->kinds[i];
    return NULL;
}

static void reply_done(struct pending *p)
{
    const struct ingest_tally *bad = first_rejected(&p->result);
    struct buf out;
    switch (p->dialect) {
    case DIALECT_PROM:
    case DIALECT_LOKI:
        /* Both say 400 when some of the request was refused; what was good is kept. */
        if (bad)
            http_reply(p->x, 400, SLICE("text/plain; charset=utf-8"),
                       arena_printf(http_arena(p->x), "%llu of the request refused, the rest is stored; the first: %s\n",
                                    (unsigned long long)ingest_rejected(&p->result), bad->first.text));
        else
            http_reply(p->x, 204, SLICE_EMPTY, SLICE_EMPTY);
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
    }
}

static void finish(struct pending *p, enum status st, const struct err *err)
{
    char name[64];
    size_t n = MIN(p->protocol->name.len, sizeof name - 1);
    memcpy(name, p->protocol->name.ptr, n);
    name[n] = 0;
    self_ingest_done(p->api->self, name, p->samples, p->events, ingest_rejected(&p->result), st);
    if (st)
        reply_failed(p, st, err);
    else
        reply_done(p);
}

static void on_ack(void *arg, enum status st, const struct err *err)
{
    finish(arg, st, err);
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
    enum status st = ingest_decode(p->protocol, &ctx, body, b, &p->result, err);
    if (!st)
        st = pipeline_run(p->api->pipeline, b, &p->result, err);
    struct slice key = http_header(p->x, SLICE("Idempotency-Key"));
    if (!st && key.len)
        b->idempotency_key = arena_copy(b->arena, key);
    return st;
}

static void serve(struct api *api, struct http_exchange *x, struct slice protocol, enum dialect dialect, enum otlp_signal signal)
{
    struct slice tenant;
    struct err err;
    struct pending *p = arena_new_of(http_arena(x), struct pending);
    *p = (struct pending){ .api = api, .x = x, .protocol = ingest_protocol_find(protocol), .dialect = dialect, .signal = signal };
    assert(p->protocol != NULL);
    struct batch *b = batch_new(BATCH_ARENA_BYTES_MAX);
    enum status st = api_write_tenant(x, &tenant, &err);
    if (!st)
        st = decode(p, tenant, b, &err);
    p->samples = b->sample_count;
    p->events = b->event_count;
    if (st || (batch_rows(b) == 0 && b->metadata_count == 0)) {
        batch_drop(b);
        finish(p, st, &err);
        return;
    }
    st = api->engine->ops->append(api->engine, b, (struct append_ack){ on_ack, p }, &err);
    if (st)
        finish(p, st, &err);
}

void ingest_prom_write(void *user, struct http_exchange *x)
{
    serve(user, x, SLICE("prometheus_remote_write"), DIALECT_PROM, OTLP_METRICS);
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
