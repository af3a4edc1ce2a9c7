/* SPDX-License-Identifier: Apache-2.0 */
/* The table of all protocols, and what they share: bodies unpacked, limits checked. */
#include "codec/compress.h"
#include "ingest/ingest.h"
#include "model/trace_context.h"

enum {
    METRICS_BODY_BYTES_MAX = 64 * MIB,
    LOGS_BODY_BYTES_MAX = 64 * MIB,
    TRACES_BODY_BYTES_MAX = 64 * MIB,
    LINES_BODY_BYTES_MAX = 64 * MIB,
    BODY_SLACK_BYTES = 64 /* behind a body, so that vector code may read past its end */
};

const struct ingest_protocol ingest_protocols[] = {
    { SLICE_INIT("prometheus_remote_write"), METRICS_BODY_BYTES_MAX, true, false, prom_write_decode },
    { SLICE_INIT("prometheus_remote_write_2"), METRICS_BODY_BYTES_MAX, true, false, prom_write2_decode },
    { SLICE_INIT("loki_push"), LOGS_BODY_BYTES_MAX, true, true, loki_push_decode },
    { SLICE_INIT("otlp_metrics"), METRICS_BODY_BYTES_MAX, false, true, otlp_metrics_decode },
    { SLICE_INIT("otlp_logs"), LOGS_BODY_BYTES_MAX, false, true, otlp_logs_decode },
    { SLICE_INIT("otlp_traces"), TRACES_BODY_BYTES_MAX, false, true, otlp_traces_decode },
    { SLICE_INIT("zipkin"), TRACES_BODY_BYTES_MAX, false, true, zipkin_decode },
    { SLICE_INIT("zipkin_v1"), TRACES_BODY_BYTES_MAX, false, true, zipkin_v1_decode },
    { SLICE_INIT("jaeger_thrift"), TRACES_BODY_BYTES_MAX, false, true, jaeger_thrift_decode },
    { SLICE_INIT("elastic_bulk"), LOGS_BODY_BYTES_MAX, false, true, elastic_bulk_decode },
    { SLICE_INIT("splunk_hec"), LOGS_BODY_BYTES_MAX, false, true, splunk_hec_decode },
    { SLICE_INIT("lines"), LINES_BODY_BYTES_MAX, false, true, lines_decode },
};
const size_t ingest_protocol_count = COUNT_OF(ingest_protocols);

const struct ingest_protocol *ingest_protocol_find(struct slice name)
{
    for (size_t i = 0; i < ingest_protocol_count; i++)
        if (slice_eq(ingest_protocols[i].name, name))
            return &ingest_protocols[i];
    return NULL;
}

struct slice ingest_header(const struct ingest_ctx *ctx, struct slice name)
{
    for (size_t i = 0; i < ctx->header_count; i++)
        if (slice_eq_nocase(ctx->headers[i].name, name))
            return ctx->headers[i].value;
    return SLICE_EMPTY;
}

enum status ingest_check(const struct batch *b, struct err *err)
{
    if (batch_rows(b) > BATCH_ROWS_MAX)
        return err_set(err, ST_LIMIT, "the request has over %d samples and records; send it in parts", BATCH_ROWS_MAX);
    if (arena_over(b->arena))
        return err_set(err, ST_LIMIT, "the request needs over %zu bytes of memory; send it in parts", arena_bytes_max(b->arena));
    return ST_OK;
}

/* No message of ours starts with the byte '{' (a group's tag). A newline is the tag of field 1 though: behind one, only
 * Content-Type can tell. */
bool ingest_is_json(const struct ingest_ctx *ctx, struct slice body)
{
    struct slice type = ingest_header(ctx, SLICE("content-type")), text = slice_trim(body);
    bool brace = text.len && text.ptr[0] == '{';
    if (body.len && body.ptr[0] == '{')
        return true;
    if (slice_contains(type, SLICE("json")))
        return brace || body.len == 0 || body.ptr[0] != '\n';
    return brace && body.ptr[0] != '\n' && !slice_contains(type, SLICE("protobuf"));
}

/* A record that says no trace id may hold the header of the request it is about. */
static void take_trace_contexts(struct batch *b)
{
    struct trace_parent p;
    for (size_t i = 0; i < b->event_count; i++) {
        struct event *e = &b->events[i];
        if (e->kind != EVENT_LOG || event_has_trace(e))
            continue;
        for (uint32_t k = 0; k < e->field_count; k++) {
            const struct field *f = &e->fields[k];
            if (!slice_eq(f->name, SLICE("traceparent")) || f->scope != SCOPE_RECORD || f->type != FIELD_STRING || !trace_parent_read(f->text, &p))
                continue;
            memcpy(e->trace_id, p.trace_id, sizeof e->trace_id);
            memcpy(e->span_id, p.span_id, sizeof e->span_id);
            break;
        }
    }
}

enum status ingest_decode(const struct ingest_protocol *protocol, const struct ingest_ctx *ctx, struct slice body, struct batch *out,
                          struct ingest_result *result, struct err *err)
{
    struct buf room;
    struct slice plain;
    struct slice text = slice_trim(body);
    /* JSON is never inside a snappy block without a header saying so. */
    bool want_snappy = protocol->snappy_block && !(text.len && text.ptr[0] == '{');
    memset(result, 0, sizeof *result);
    out->received_ns = ctx->received_ns;
    if (ctx->tenant.len)
        out->tenant = arena_copy(out->arena, ctx->tenant);
    buf_init(&room, protocol->body_bytes_max + BODY_SLACK_BYTES);
    enum status st = body_decode(ingest_header(ctx, SLICE("content-encoding")), body, want_snappy, protocol->body_bytes_max, &room, &plain, err);
    if (!st && plain.len > protocol->body_bytes_max)
        st = err_set(err, ST_LIMIT, "the body has %zu bytes, %.*s takes at most %zu", plain.len, SLICE_FMT(protocol->name), protocol->body_bytes_max);
    if (!st && protocol->keeps_body) {
        char *copy = arena_alloc(out->arena, plain.len + BODY_SLACK_BYTES);
        memcpy(copy, plain.ptr, plain.len);
        memset(copy + plain.len, 0, BODY_SLACK_BYTES);
        plain = slice_of(copy, plain.len);
    }
    if (!st)
        st = protocol->decode(ctx, plain, out, result, err);
    if (!st)
        take_trace_contexts(out);
    buf_free(&room);
    return st;
}

bool ingest_start_is_zero(const struct ingest_ctx *ctx, struct slice labels, int64_t start_ms, int64_t t_ms)
{
    if (!ctx->start_zero || start_ms <= 0 || start_ms > t_ms || t_ms - start_ms > INGEST_START_GAP_MS_MAX)
        return false;
    bool is_new = ctx->starts.is_new == NULL || ctx->starts.is_new(ctx->starts.arg, labels, start_ms, t_ms);
    return is_new && start_ms < t_ms;
}
