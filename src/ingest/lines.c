/* SPDX-License-Identifier: Apache-2.0 */
/* Plain text and NDJSON: one line, one log record. What the line says about itself (recognise.h) becomes time, severity,
 * service and fields; the line stays as it is.
 *
 * (1) A line that starts with white space and tells no time continues the one before: a stack trace keeps the time,
 *     severity and service of its first line.
 * (2) The stream is where the lines came from (ctx->stream) and service_name. A web server's access log does not say whose it
 *     is: then its folder does (/var/log/nginx/access.log), or its file (/var/log/shop-access.log). */
#include "codec/hex.h"
#include "ingest/ingest.h"
#include "ingest/recognise.h"

enum { FIELDS_MAX = 4 };

struct source {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct slice stream;          /* ours, in the batch's arena */
    struct slice default_service, access_service;
    struct slice service, stream_of_service; /* of the last line: lines of one service follow each other */
    int64_t time_ns;
    uint8_t severity;
};

static void field_add(struct event *e, struct slice name, struct slice value)
{
    if (value.len)
        e->fields[e->field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = value };
}

static struct slice stream_for(struct source *s, struct slice service)
{
    if (s->stream_of_service.len == 0 || !slice_eq(service, s->service)) {
        struct label pair = { SLICE("service_name"), service };
        struct slice checked;
        /* A service's name from a line may be anything: one that makes no label stays out of the stream. */
        if (labels_build(s->out->arena, &pair, 1, &checked, NULL))
            service = s->default_service;
        s->service = service;
        s->stream_of_service = labels_with(s->out->arena, s->stream, pair.name, service);
    }
    return s->stream_of_service;
}

static bool continues(struct slice line)
{
    return line.ptr[0] == ' ' || line.ptr[0] == '\t' || slice_starts(line, SLICE("Caused by:"));
}

static void line_add(struct source *s, struct slice line)
{
    struct recognised r;
    recognise(line, s->ctx->received_ns, s->ctx->zone_offset_s, &r);
    struct event *e = batch_event(s->out);
    bool follows = r.time_ns == 0 && s->time_ns && continues(line);
    if (!follows) {
        s->time_ns = r.time_ns ? r.time_ns : s->ctx->received_ns;
        s->severity = r.severity;
    }
    e->kind = EVENT_LOG;
    e->body = line;
    e->time_ns = s->time_ns;
    e->observed_ns = s->ctx->received_ns;
    e->severity = s->severity;
    struct slice quiet = slice_eq(r.format, SLICE("access")) ? s->access_service : s->default_service;
    e->stream = stream_for(s, follows && s->service.len ? s->service : r.service.len ? r.service : quiet);
    e->service = s->service;
    uint8_t id[sizeof e->trace_id];
    if (r.trace.len == 2 * sizeof e->trace_id && hex_decode(r.trace, id))
        memcpy(e->trace_id, id, sizeof e->trace_id);
    if (r.span.len == 2 * sizeof e->span_id && hex_decode(r.span, id))
        memcpy(e->span_id, id, sizeof e->span_id);
    if (r.host.len + r.pid.len + r.logger.len) {
        e->fields = arena_array(s->out->arena, struct field, FIELDS_MAX);
        field_add(e, SLICE("host"), r.host);
        field_add(e, SLICE("pid"), r.pid);
        field_add(e, SLICE("logger"), r.logger);
    }
}

/* Says (2); empty when the path says nothing. */
static struct slice service_of_path(struct slice path)
{
    struct slice folder = SLICE_EMPTY, file = path, head, tail;
    for (; slice_cut(file, '/', &head, &tail); file = tail)
        folder = head;
    if (folder.len && !slice_eq(folder, SLICE("log")) && !slice_eq(folder, SLICE("logs")))
        return folder;
    size_t at = slice_find(file, SLICE("access"), 0);
    file = at == SIZE_MAX ? SLICE_EMPTY : slice_sub(file, 0, at);
    while (file.len && memchr("-_.", file.ptr[file.len - 1], 3))
        file.len--;
    return file;
}

enum status lines_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct source s = { .ctx = ctx, .out = out, .service = SLICE_EMPTY, .stream_of_service = SLICE_EMPTY, .access_service = SLICE_EMPTY };
    s.stream = arena_copy(out->arena, ctx->stream);
    s.default_service = service_of_labels(s.stream);
    if (s.default_service.len == 0) {
        s.access_service = service_of_path(labels_get(s.stream, SLICE("filename")));
        s.default_service = SLICE("unknown_service");
    }
    if (s.access_service.len == 0)
        s.access_service = s.default_service;
    struct slice rest = body, line;
    while (slice_next(&rest, '\n', &line)) {
        if (slice_ends(line, SLICE("\r")))
            line.len--;
        if (slice_trim(line).len == 0)
            continue;
        line_add(&s, line);
        result->kinds[INGEST_LOGS].accepted++;
        enum status st = ingest_check(out, err);
        if (st)
            return st;
    }
    return ST_OK;
}
