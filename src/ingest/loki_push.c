/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's push API: streams of (time, line, structured metadata), as JSON or as snappy-compressed protobuf.
 *
 *     {"streams":[{"stream":{"app":"web"},"values":[["1700000000000000000","line",{"trace_id":"..."}]]}]}
 *     {"streams":[{"labels":"{app=\"web\"}","entries":[{"ts":"2026-01-02T03:04:05Z","line":"line"}]}]}      (the older form)
 *     PushRequest{ streams=1 { labels=1 text, entries=2 { timestamp=1 { seconds=1, nanos=2 }, line=2, metadata=3 { name, value } } } }
 *
 * Entries may stand before the labels of their stream, so a stream is given to its events when it ends. Every stream gets
 * service_name, found as Loki finds it. Structured metadata become fields; a level and trace ids among them are understood. */
#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"
#include "ingest/ingest.h"
#include "ingest/jread.h"
#include "ingest/pb.h"
#include "ingest/times.h"

enum { STREAM_LABELS_MAX = 4 * LABELS_PER_SERIES_MAX, SHOWN_BYTES = 120 };

struct push {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct ingest_result *result;
    struct err *err;
    size_t first; /* event of the stream being read */
};

struct fields {
    struct field *items;
    size_t count, cap;
};

static bool is_one_of(struct slice name, const struct slice *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(name, list[i]))
            return true;
    return false;
}

static bool is_level_name(struct slice name)
{
    static const struct slice names[] = { SLICE_INIT("detected_level"), SLICE_INIT("level"), SLICE_INIT("severity"), SLICE_INIT("severity_text"),
                                          SLICE_INIT("lvl"), SLICE_INIT("loglevel") };
    return is_one_of(name, names, COUNT_OF(names));
}

static void metadata_add(struct push *p, struct event *e, struct fields *fields, struct slice name, struct slice value)
{
    static const struct slice traces[] = { SLICE_INIT("trace_id"), SLICE_INIT("traceID"), SLICE_INIT("traceId"), SLICE_INIT("trace.id"),
                                           SLICE_INIT("traceid") };
    static const struct slice spans[] = { SLICE_INIT("span_id"), SLICE_INIT("spanID"), SLICE_INIT("spanId"), SLICE_INIT("span.id"),
                                          SLICE_INIT("spanid") };
    if (name.len == 0 || value.len == 0)
        return;
    ARENA_PUSH(p->out->arena, fields->items, fields->count, fields->cap) =
        (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = value };
    uint8_t id[sizeof e->trace_id];
    if (e->severity == SEVERITY_UNKNOWN && is_level_name(name))
        e->severity = severity_parse(value);
    else if (value.len == 2 * sizeof e->trace_id && is_one_of(name, traces, COUNT_OF(traces)) && hex_decode(value, id))
        memcpy(e->trace_id, id, sizeof e->trace_id);
    else if (value.len == 2 * sizeof e->span_id && is_one_of(name, spans, COUNT_OF(spans)) && hex_decode(value, id))
        memcpy(e->span_id, id, sizeof e->span_id);
}

static struct event *entry_start(struct push *p)
{
    struct event *e = batch_event(p->out);
    e->kind = EVENT_LOG;
    e->observed_ns = p->ctx->received_ns;
    return e;
}

static void entry_reject(struct push *p, const char *what, struct slice found)
{
    struct err why;
    err_set(&why, ST_INVALID, "a log entry: %s, found \"%.*s\"", what, SLICE_FMT(utf8_cut(found, SHOWN_BYTES)));
    ingest_reject(p->result, INGEST_LOGS, 1, &why);
    p->out->event_count--;
}

static void entry_finish(struct push *p, struct event *e, const struct fields *fields)
{
    e->fields = fields->items;
    e->field_count = (uint32_t)fields->count;
    if (e->time_ns == 0)
        e->time_ns = p->ctx->received_ns;
}

/* The stream's labels go to its events; a bad stream takes its entries with it. */
static void stream_finish(struct push *p, enum status st, struct slice labels, const struct err *why)
{
    struct err none;
    size_t count = p->out->event_count - p->first;
    if (st == ST_OK && labels.len == 0 && count) {
        st = err_set(&none, ST_INVALID, "a stream has no labels; at least one is needed");
        why = &none;
    }
    if (st) {
        ingest_reject(p->result, INGEST_LOGS, count, why);
        p->out->event_count = p->first;
        return;
    }
    if (count == 0)
        return;
    struct slice service = service_of_labels(labels);
    if (service.len == 0)
        service = SLICE("unknown_service");
    labels = labels_with(p->out->arena, labels, SLICE("service_name"), service);
    uint8_t severity = SEVERITY_UNKNOWN;
    struct slice rest = labels;
    for (struct label l; labels_next(&rest, &l);)
        if (severity == SEVERITY_UNKNOWN && is_level_name(l.name))
            severity = severity_parse(l.value);
    for (size_t i = p->first; i < p->out->event_count; i++) {
        struct event *e = &p->out->events[i];
        e->stream = labels;
        e->service = service;
        if (e->severity == SEVERITY_UNKNOWN)
            e->severity = severity;
    }
    p->result->kinds[INGEST_LOGS].accepted += count;
}

/* ---- protobuf ---- */

static bool pb_time(struct slice bytes, int64_t *out_ns)
{
    int64_t seconds = 0, nanos = 0;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 1)
            seconds = (int64_t)p.value;
        else if (p.field == 2)
            nanos = (int64_t)p.value;
    }
    *out_ns = sat_add(sat_mul(seconds, NS_S), nanos);
    return !p.bad;
}

static bool pb_entry(struct push *ps, struct slice bytes)
{
    struct event *e = entry_start(ps);
    struct fields fields = { 0 };
    bool ok = true;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 1) {
            ok = pb_time(p.bytes, &e->time_ns) && ok;
        } else if (p.field == 2) {
            e->body = p.bytes;
        } else if (p.field == 3) {
            struct slice pair[2] = { SLICE_EMPTY, SLICE_EMPTY };
            struct pb q = pb_of(p.bytes);
            while (pb_next(&q))
                if (q.field == 1 || q.field == 2)
                    pair[q.field - 1] = q.bytes;
            ok = ok && !q.bad;
            metadata_add(ps, e, &fields, pair[0], pair[1]);
        }
    }
    entry_finish(ps, e, &fields);
    return ok && !p.bad;
}

static enum status pb_stream(struct push *ps, struct slice bytes)
{
    struct slice text = SLICE_EMPTY, labels = SLICE_EMPTY;
    struct err why = { 0 };
    enum status st;
    ps->first = ps->out->event_count;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        if (p.field == 1)
            text = p.bytes;
        if (p.field != 2)
            continue;
        if (!pb_entry(ps, p.bytes))
            return err_set(ps->err, ST_INVALID, "loki push: an entry of stream %.*s is no protobuf message", SLICE_FMT(utf8_cut(text, SHOWN_BYTES)));
        st = ingest_check(ps->out, ps->err);
        if (st)
            return st;
    }
    if (p.bad)
        return err_set(ps->err, ST_INVALID, "loki push: a stream is no protobuf message");
    st = labels_parse(ps->out->arena, text, &labels, &why);
    stream_finish(ps, st, labels, &why);
    return ST_OK;
}

static enum status pb_push(struct push *ps, struct slice body)
{
    struct pb p = pb_of(body);
    while (pb_next(&p)) {
        enum status st = p.field == 1 && p.wire == PB_BYTES ? pb_stream(ps, p.bytes) : ST_OK;
        if (st)
            return st;
    }
    return p.bad ? err_set(ps->err, ST_INVALID, "loki push: the body is no protobuf PushRequest (broken at byte %zu of %zu)",
                           (size_t)(p.at - (const uint8_t *)body.ptr), body.len)
                 : ST_OK;
}

/* ---- JSON ---- */

/* Nanoseconds as text or number, or (in the older form) an RFC 3339 time. */
static bool json_time(struct slice text, int64_t *out_ns)
{
    double d;
    if (num_parse_i64(text, out_ns))
        return true;
    if (slice_find_char(text, 'T', 0) != SIZE_MAX)
        return time_parse(text, 0, out_ns);
    if (!num_parse_double(text, &d) || !(d >= 0 && d < 9.2e18))
        return false;
    *out_ns = (int64_t)d;
    return true;
}

/* Strings as they are; numbers, booleans and nested values as their own text. */
static struct slice json_text(struct jread *j)
{
    return jread_peek(j) == JREAD_STRING ? jread_string(j) : jread_raw(j);
}

static void json_metadata(struct push *p, struct jread *j, struct event *e, struct fields *fields)
{
    struct slice name;
    if (jread_peek(j) != JREAD_OBJECT) {
        jread_skip(j);
        return;
    }
    jread_object(j);
    while (jread_key(j, &name)) {
        if (jread_peek(j) == JREAD_NULL)
            jread_skip(j);
        else
            metadata_add(p, e, fields, name, json_text(j));
    }
}

/* ["1700000000000000000", "line", {"k":"v"}] */
static void json_value(struct push *p, struct jread *j)
{
    struct fields fields = { 0 };
    struct slice time = SLICE_EMPTY;
    int place = 0;
    if (!jread_array(j))
        return;
    struct event *e = entry_start(p);
    for (; jread_item(j); place++) {
        if (place == 0)
            time = jread_number(j);
        else if (place == 1)
            e->body = json_text(j);
        else
            json_metadata(p, j, e, &fields);
    }
    if (j->bad)
        return;
    entry_finish(p, e, &fields);
    if (place < 2)
        entry_reject(p, "expected [time, line]", time);
    else if (!json_time(time, &e->time_ns))
        entry_reject(p, "expected a time in nanoseconds", time);
    else if (e->time_ns == 0)
        e->time_ns = p->ctx->received_ns;
}

/* {"ts":"...","line":"..."} */
static void json_entry(struct push *p, struct jread *j)
{
    struct fields fields = { 0 };
    struct slice key, time = SLICE_EMPTY;
    if (!jread_object(j))
        return;
    struct event *e = entry_start(p);
    while (jread_key(j, &key)) {
        if (slice_eq(key, SLICE("ts")) || slice_eq(key, SLICE("timestamp")))
            time = jread_number(j);
        else if (slice_eq(key, SLICE("line")))
            e->body = json_text(j);
        else if (slice_eq(key, SLICE("structuredMetadata")))
            json_metadata(p, j, e, &fields);
        else
            jread_skip(j);
    }
    if (j->bad)
        return;
    entry_finish(p, e, &fields);
    if (!json_time(time, &e->time_ns))
        entry_reject(p, "expected an RFC 3339 time", time);
}

static enum status json_labels(struct push *p, struct jread *j, struct slice *labels, struct err *why)
{
    struct label list[STREAM_LABELS_MAX];
    size_t count = 0;
    bool over = false;
    struct slice key;
    if (jread_peek(j) == JREAD_STRING)
        return labels_parse(p->out->arena, jread_string(j), labels, why);
    if (!jread_object(j))
        return ST_OK; /* j is bad: the whole body is refused */
    while (jread_key(j, &key)) {
        struct slice value = json_text(j);
        over |= count == STREAM_LABELS_MAX;
        if (!over)
            list[count++] = (struct label){ key, value };
    }
    if (over)
        return err_set(why, ST_LIMIT, "a stream has over %d labels, at most %d are allowed", STREAM_LABELS_MAX, LABELS_PER_SERIES_MAX);
    return labels_build(p->out->arena, list, count, labels, why);
}

static enum status json_stream(struct push *p, struct jread *j)
{
    struct slice key, labels = SLICE_EMPTY;
    struct err why = { 0 };
    enum status label_st = ST_OK;
    p->first = p->out->event_count;
    if (!jread_object(j))
        return ST_INVALID;
    while (jread_key(j, &key)) {
        bool values = slice_eq(key, SLICE("values")), entries = slice_eq(key, SLICE("entries"));
        if (slice_eq(key, SLICE("stream")) || slice_eq(key, SLICE("labels"))) {
            label_st = json_labels(p, j, &labels, &why);
        } else if ((values || entries) && jread_peek(j) != JREAD_NULL && jread_array(j)) {
            while (jread_item(j)) {
                if (values)
                    json_value(p, j);
                else
                    json_entry(p, j);
                enum status st = ingest_check(p->out, p->err);
                if (st)
                    return st;
            }
        } else {
            jread_skip(j);
        }
    }
    if (j->bad)
        return ST_INVALID;
    stream_finish(p, label_st, labels, &why);
    return ST_OK;
}

static enum status json_push(struct push *p, struct slice body)
{
    struct jread j = jread_of(body, p->out->arena, p->err);
    struct slice key;
    bool any = false;
    if (jread_object(&j)) {
        while (jread_key(&j, &key)) {
            if (!slice_eq(key, SLICE("streams"))) {
                jread_skip(&j);
                continue;
            }
            any = true;
            if (!jread_array(&j))
                break;
            while (jread_item(&j)) {
                enum status st = json_stream(p, &j);
                if (st == ST_LIMIT)
                    return st;
            }
        }
    }
    if (!jread_end(&j))
        return err_prefix(p->err, "loki push: ");
    return any ? ST_OK : err_set(p->err, ST_INVALID, "loki push: the body has no \"streams\"");
}

enum status loki_push_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct err own;
    struct push p = { .ctx = ctx, .out = out, .result = result, .err = err ? err : &own };
    return ingest_is_json(ctx, body) ? json_push(&p, body) : pb_push(&p, body);
}
