/* SPDX-License-Identifier: Apache-2.0 */
/* Plain text and NDJSON: a line, or the lines that belong together (join.h), become one log record. What its first line says
 * about itself (recognise.h) becomes time, severity, service and fields; the text stays as it is.
 *
 * (1) A line that starts with white space and tells no time continues the one before: a stack trace keeps the time,
 *     severity and service of its first line.
 * (2) The stream is where the lines came from (ctx->stream) and service_name. Of a line that does not say whose it is, the
 *     folder does in /var/log/NAME/, elsewhere the file's name without what it says of all services (shop-access.log,
 *     orders.log.1: shop, orders); where that leaves nothing (error.log, 2025-01-15.log), the folder. */
#include "ingest/lines.h"

#include "codec/hex.h"
#include "ingest/join.h"
#include "ingest/parse_rule.h"
#include "ingest/recognise.h"

enum { FIELDS_MAX = 4 };

static void field_add(struct event *e, struct slice name, struct slice value)
{
    if (value.len)
        e->fields[e->field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = value };
}

static struct slice stream_for(struct lines *s, struct slice service)
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

void lines_put(struct lines *s, struct slice line, int64_t time_ns)
{
    struct recognised r;
    /* Says what it says in its first line; the level of a line without one may stand further below. */
    struct slice first = slice_sub(line, 0, slice_find_char(line, '\n', 0));
    recognise(first, s->ctx->received_ns, s->ctx->zone_offset_s, &r);
    if (r.severity == SEVERITY_UNKNOWN && first.len < line.len)
        r.severity = severity_detect(line);
    struct field found[PARSE_FIELDS_MAX];
    uint32_t found_count = 0;
    if (s->ctx->parse && !parse_rule_apply(s->ctx->parse, first, s->ctx->received_ns, s->ctx->zone_offset_s, &r, found, &found_count))
        s->unparsed++;
    if (time_ns)
        r.time_ns = time_ns;
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
    e->stream = stream_for(s, follows && s->service.len ? s->service : r.service.len ? r.service : s->default_service);
    e->service = s->service;
    uint8_t id[sizeof e->trace_id];
    if (r.trace.len == 2 * sizeof e->trace_id && hex_decode(r.trace, id))
        memcpy(e->trace_id, id, sizeof e->trace_id);
    if (r.span.len == 2 * sizeof e->span_id && hex_decode(r.span, id))
        memcpy(e->span_id, id, sizeof e->span_id);
    if (r.host.len + r.pid.len + r.logger.len + found_count) {
        e->fields = arena_array(s->out->arena, struct field, FIELDS_MAX + PARSE_FIELDS_MAX);
        for (uint32_t i = 0; i < found_count; i++) {
            found[i].name = arena_copy(s->out->arena, found[i].name);
            e->fields[e->field_count++] = found[i];
        }
        field_add(e, SLICE("host"), r.host);
        field_add(e, SLICE("pid"), r.pid);
        field_add(e, SLICE("logger"), r.logger);
    }
}

static bool is_letter(char c)
{
    return (c | 0x20) >= 'a' && (c | 0x20) <= 'z';
}

/* Without dates, numbers and signs at its end. */
static struct slice without_date(struct slice s)
{
    while (s.len && !is_letter(s.ptr[s.len - 1]) && (uint8_t)s.ptr[s.len - 1] < 0x80)
        s.len--;
    return s;
}

/* Folders that hold files of many say nothing; nor does one that is a date. */
static struct slice service_of_folder(struct slice folder)
{
    static const struct slice common[] = { SLICE_INIT("log"), SLICE_INIT("logs"), SLICE_INIT("tmp"), SLICE_INIT("containers") };
    for (size_t i = 0; i < COUNT_OF(common); i++)
        if (slice_eq(folder, common[i]))
            return SLICE_EMPTY;
    return without_date(folder).len ? folder : SLICE_EMPTY;
}

static struct slice service_of_file(struct slice file)
{
    static const struct slice general[] = {
        SLICE_INIT("access"), SLICE_INIT("error"), SLICE_INIT("errors"), SLICE_INIT("app"), SLICE_INIT("application"), SLICE_INIT("out"),
        SLICE_INIT("err"), SLICE_INIT("stdout"), SLICE_INIT("stderr"), SLICE_INIT("std"), SLICE_INIT("log"), SLICE_INIT("logs"),
        SLICE_INIT("messages"), SLICE_INIT("syslog"), SLICE_INIT("current"), SLICE_INIT("output"), SLICE_INIT("debug"), SLICE_INIT("info"),
        SLICE_INIT("json"),
    };
    size_t dot = slice_find(file, SLICE("."), 0);
    struct slice stem = without_date(slice_sub(file, 0, dot == SIZE_MAX ? file.len : dot));
    for (size_t i = 0; i < COUNT_OF(general); i++) {
        if (!slice_ends(stem, general[i]))
            continue;
        struct slice rest = slice_sub(stem, 0, stem.len - general[i].len);
        if (rest.len == 0)
            return SLICE_EMPTY;
        if (memchr("-_", rest.ptr[rest.len - 1], 2))
            return without_date(rest);
    }
    return stem;
}

/* Says (2); empty when the path says nothing. */
static struct slice service_of_path(struct slice path)
{
    struct slice folder = SLICE_EMPTY, file = path, head, tail;
    for (; slice_cut(file, '/', &head, &tail); file = tail)
        folder = head;
    folder = service_of_folder(folder);
    struct slice stem = service_of_file(file);
    bool folder_first = folder.len && slice_starts(path, SLICE("/var/log/"));
    return folder_first || stem.len == 0 ? folder : stem;
}

void lines_begin(struct lines *s, const struct ingest_ctx *ctx, struct batch *out)
{
    *s = (struct lines){ .ctx = ctx, .out = out, .service = SLICE_EMPTY, .stream_of_service = SLICE_EMPTY };
    s->stream = arena_copy(out->arena, ctx->stream);
    s->default_service = service_of_labels(s->stream);
    if (s->default_service.len == 0)
        s->default_service = service_of_path(labels_get(s->stream, SLICE("filename")));
    if (s->default_service.len == 0)
        s->default_service = SLICE("unknown_service");
}

enum status lines_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct lines s;
    lines_begin(&s, ctx, out);
    while (body.len) {
        bool is_open;
        size_t n = join_next(ctx->join, body, EVENT_BODY_BYTES_MAX, &is_open);
        struct slice record = slice_sub(body, 0, n);
        body = slice_skip(body, n);
        while (record.len && memchr("\r\n", record.ptr[record.len - 1], 2))
            record.len--;
        if (slice_trim(record).len == 0)
            continue;
        lines_put(&s, record, 0);
        result->kinds[INGEST_LOGS].accepted++;
        enum status st = ingest_check(out, err);
        if (st)
            return st;
    }
    return ST_OK;
}
