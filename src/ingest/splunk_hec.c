/* SPDX-License-Identifier: Apache-2.0 */
/* Splunk's HTTP Event Collector: JSON objects one after another, or lines.
 *
 *     {"time":1767225600.123,"host":"web-1","source":"/var/log/shop.log","sourcetype":"shop","index":"main","event":{"a":1},"fields":{"b":2}}
 *     {"time":1767225600,"host":"web-1","event":"metric","fields":{"metric_name:cpu.idle":93.5,"core":"0"}}
 *
 * An event becomes a log record: a text is the line as it is, anything else its JSON. The stream is service_name (a field
 * service.name or service, else the sourcetype), host and source; index, sourcetype and fields are fields of the record. Of a
 * metric event each metric_name:X becomes a sample of X, with the other fields as labels. As in Splunk, the first event
 * that is wrong ends the request: what stands before it is taken, the answer names it. */
#include "ingest/splunk_hec.h"
#include "base/num.h"
#include "ingest/ingest.h"
#include "ingest/jread.h"
#include "ingest/times.h"

enum { SECONDS_DIGITS_MAX = 10, NANOS_DIGITS = 9 };

struct hec {
    const struct ingest_ctx *ctx;
    struct batch *out;
    struct ingest_result *result;
    struct splunk_hec *told;
    struct slice service, host, source, stream; /* of the last event: the next one is often of the same */
};

struct hec_event {
    struct slice time, host, source, sourcetype, index, line;
    bool has_event, is_text, is_object, nested;
    struct field *fields;
    size_t count, cap;
};

/* ---- one object ---- */

static struct slice text_of(struct jread *j)
{
    enum jread_type type = jread_peek(j);
    if (type == JREAD_STRING || type == JREAD_NUMBER)
        return jread_number(j);
    jread_skip(j);
    return SLICE_EMPTY;
}

static void field_read(struct jread *j, struct slice name, struct field *f)
{
    *f = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name };
    switch (jread_peek(j)) {
    case JREAD_STRING:
        f->text = jread_string(j);
        return;
    case JREAD_BOOL:
        f->type = FIELD_BOOL;
        f->i = jread_bool(j);
        return;
    case JREAD_NUMBER:
        f->text = jread_number(j);
        f->type = num_parse_i64(f->text, &f->i) ? FIELD_INT : num_parse_double(f->text, &f->d) ? FIELD_DOUBLE : FIELD_JSON;
        return;
    default:
        f->type = FIELD_JSON;
        f->text = jread_raw(j);
    }
}

static void fields_read(struct hec *h, struct jread *j, struct hec_event *v)
{
    struct slice name;
    if (jread_peek(j) != JREAD_OBJECT) {
        v->nested |= jread_peek(j) != JREAD_NULL;
        jread_skip(j);
        return;
    }
    jread_object(j);
    while (jread_key(j, &name)) {
        v->nested |= jread_peek(j) == JREAD_OBJECT;
        if (jread_peek(j) == JREAD_NULL || v->count > EVENT_FIELDS_MAX)
            jread_skip(j);
        else
            field_read(j, name, &ARENA_PUSH(h->out->arena, v->fields, v->count, v->cap));
    }
}

static void event_read(struct hec *h, struct jread *j, struct hec_event *v)
{
    struct slice key;
    if (!jread_object(j))
        return;
    while (jread_key(j, &key)) {
        enum jread_type type = jread_peek(j);
        if (slice_eq(key, SLICE("time"))) {
            v->time = text_of(j);
        } else if (slice_eq(key, SLICE("host"))) {
            v->host = text_of(j);
        } else if (slice_eq(key, SLICE("source"))) {
            v->source = text_of(j);
        } else if (slice_eq(key, SLICE("sourcetype"))) {
            v->sourcetype = text_of(j);
        } else if (slice_eq(key, SLICE("index"))) {
            v->index = text_of(j);
        } else if (slice_eq(key, SLICE("fields"))) {
            fields_read(h, j, v);
        } else if (slice_eq(key, SLICE("event"))) {
            v->has_event = type != JREAD_NULL;
            v->is_text = type == JREAD_STRING;
            v->is_object = type == JREAD_OBJECT;
            v->line = v->is_text ? jread_string(j) : jread_raw(j);
        } else {
            jread_skip(j);
        }
    }
}

/* Seconds to the nanosecond, where a double would round; else as any number or ISO time. */
static bool time_read(struct slice text, int64_t *out_ns)
{
    struct slice whole, part;
    int64_t seconds, nanos = 0;
    slice_cut(text, '.', &whole, &part);
    if (whole.len > SECONDS_DIGITS_MAX || !num_parse_i64(whole, &seconds) || seconds < 0)
        return time_parse(text, 0, out_ns);
    for (size_t i = 0; i < NANOS_DIGITS; i++) {
        char c = i < part.len ? part.ptr[i] : '0';
        if (c < '0' || c > '9')
            return time_parse(text, 0, out_ns);
        nanos = nanos * 10 + (c - '0');
    }
    *out_ns = sat_add(sat_mul(seconds, NS_S), nanos);
    return true;
}

/* ---- rows ---- */

static struct slice field_named(const struct hec_event *v, struct slice name)
{
    for (size_t i = 0; i < v->count; i++)
        if (v->fields[i].type == FIELD_STRING && slice_eq(v->fields[i].name, name))
            return v->fields[i].text;
    return SLICE_EMPTY;
}

/* What an object says about itself: its severity, and its service when nobody else told one. */
static void object_look(struct hec *h, const struct hec_event *v, struct event *e, struct slice *service)
{
    struct slice key;
    struct jread j = jread_of(v->line, h->out->arena, NULL);
    if (!v->is_object || !jread_object(&j))
        return;
    while (jread_key(&j, &key)) {
        bool text = jread_peek(&j) == JREAD_STRING;
        if (text && (slice_eq(key, SLICE("severity")) || slice_eq(key, SLICE("level"))) && e->severity == SEVERITY_UNKNOWN)
            e->severity = severity_parse(jread_string(&j));
        else if (text && slice_eq(key, SLICE("service")) && service->len == 0)
            *service = jread_string(&j);
        else
            jread_skip(&j);
    }
}

/* Splunk's own sourcetypes, such as _json, say how a line is written, not whose it is. */
static struct slice service_or(struct slice service, struct slice sourcetype)
{
    if (service.len)
        return service;
    return sourcetype.len && sourcetype.ptr[0] != '_' ? sourcetype : SLICE("unknown_service");
}

static enum status stream_set(struct hec *h, const struct hec_event *v, struct slice service, struct event *e)
{
    struct err why;
    if (h->stream.len == 0 || !slice_eq(service, h->service) || !slice_eq(v->host, h->host) || !slice_eq(v->source, h->source)) {
        struct label list[] = { { SLICE("service_name"), service }, { SLICE("host"), v->host }, { SLICE("source"), v->source } };
        enum status st = labels_build(h->out->arena, list, COUNT_OF(list), &h->stream, &why);
        if (st)
            h->stream = SLICE_EMPTY;
        if (st)
            return st;
        h->service = service;
        h->host = v->host;
        h->source = v->source;
    }
    e->stream = h->stream;
    e->service = h->service;
    return ST_OK;
}

static void field_put(struct hec *h, struct hec_event *v, struct slice name, struct slice text)
{
    if (text.len)
        ARENA_PUSH(h->out->arena, v->fields, v->count, v->cap) =
            (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = text };
}

static enum hec_code log_add(struct hec *h, struct hec_event *v, int64_t time_ns)
{
    struct event e = { .kind = EVENT_LOG, .weight = 1, .observed_ns = h->ctx->received_ns, .time_ns = time_ns, .body = v->line };
    struct slice service = field_named(v, SLICE("service.name")), level = field_named(v, SLICE("severity"));
    if (service.len == 0)
        service = field_named(v, SLICE("service"));
    if (level.len == 0)
        level = field_named(v, SLICE("level"));
    e.severity = level.len ? severity_parse(level) : SEVERITY_UNKNOWN;
    object_look(h, v, &e, &service);
    if (stream_set(h, v, service_or(service, v->sourcetype), &e))
        return HEC_INVALID_FORMAT;
    field_put(h, v, SLICE("index"), v->index);
    field_put(h, v, SLICE("sourcetype"), v->sourcetype);
    if (v->count > EVENT_FIELDS_MAX)
        return HEC_BAD_FIELDS;
    e.fields = v->fields;
    e.field_count = (uint32_t)v->count;
    *batch_event(h->out) = e;
    h->result->kinds[INGEST_LOGS].accepted++;
    return HEC_OK;
}

/* A name as PromQL writes it: cpu.idle is cpu_idle. */
static struct slice name_of(struct hec *h, struct slice name)
{
    char *to = arena_alloc(h->out->arena, name.len + 1);
    size_t n = 0;
    if (name.len && name.ptr[0] >= '0' && name.ptr[0] <= '9')
        to[n++] = '_';
    for (size_t i = 0; i < name.len; i++) {
        char c = name.ptr[i];
        bool fits = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_';
        to[n++] = fits ? c : '_';
    }
    return slice_of(to, n);
}

static bool is_number(const struct field *f, double *out)
{
    *out = f->type == FIELD_INT ? (double)f->i : f->d;
    return f->type == FIELD_INT || f->type == FIELD_DOUBLE || (f->type == FIELD_STRING && num_parse_double(f->text, out));
}

static enum hec_code metric_add(struct hec *h, struct hec_event *v, int64_t time_ns)
{
    struct arena *a = h->out->arena;
    struct slice prefix = SLICE("metric_name:"), old = field_named(v, SLICE("metric_name")), labels;
    struct label *list = arena_array(a, struct label, v->count + 2);
    size_t count = 1, samples = 0;
    struct err why;
    double value;
    list[count++] = (struct label){ SLICE("host"), v->host };
    for (size_t i = 0; i < v->count; i++) {
        const struct field *f = &v->fields[i];
        bool is_old = old.len && (slice_eq(f->name, SLICE("metric_name")) || slice_eq(f->name, SLICE("_value")));
        if (f->name.len && !is_old && !slice_starts(f->name, prefix) && !slice_eq(f->name, SLICE("host")))
            list[count++] = (struct label){ name_of(h, f->name), field_text(a, f) };
    }
    for (size_t i = 0; i < v->count; i++) {
        const struct field *f = &v->fields[i];
        bool is_value = slice_starts(f->name, prefix);
        struct slice name = is_value ? slice_skip(f->name, prefix.len) : old;
        if (!is_value && !(old.len && slice_eq(f->name, SLICE("_value"))))
            continue;
        struct label *copy = arena_array(a, struct label, count);
        list[0] = (struct label){ SLICE("__name__"), name_of(h, name) };
        memcpy(copy, list, count * sizeof *list);
        if (name.len == 0 || !is_number(f, &value) || labels_build(a, copy, count, &labels, &why))
            return HEC_BAD_FIELDS;
        batch_series(h->out, labels);
        batch_sample(h->out, time_ns / NS_MS, value);
        h->result->kinds[INGEST_SAMPLES].accepted++;
        samples++;
    }
    return samples ? HEC_OK : HEC_BAD_FIELDS;
}

static enum hec_code event_add(struct hec *h, struct hec_event *v)
{
    int64_t time_ns = h->ctx->received_ns;
    if (!v->has_event)
        return HEC_EVENT_REQUIRED;
    if (v->is_text && v->line.len == 0)
        return HEC_EVENT_BLANK;
    if (v->nested || v->count > EVENT_FIELDS_MAX)
        return HEC_BAD_FIELDS;
    if (v->time.len && !time_read(slice_trim(v->time), &time_ns))
        return HEC_INVALID_FORMAT;
    bool metric = v->is_text && slice_eq(v->line, SLICE("metric")) && v->count;
    return metric ? metric_add(h, v, time_ns) : log_add(h, v, time_ns);
}

static enum status events_read(struct hec *h, struct slice body, struct err *err)
{
    struct err why = { 0 };
    struct jread j = jread_of(body, h->out->arena, &why);
    size_t number = 0;
    for (; jread_peek(&j) != JREAD_NONE; number++) {
        struct hec_event v = { .time = SLICE_EMPTY, .host = h->told->host, .source = h->told->source, .sourcetype = h->told->sourcetype,
                               .index = h->told->index, .line = SLICE_EMPTY };
        event_read(h, &j, &v);
        h->told->code = j.bad ? HEC_INVALID_FORMAT : event_add(h, &v);
        h->told->event = number;
        if (h->told->code) {
            if (!j.bad)
                err_set(&why, ST_INVALID, "event %zu: Splunk's code %d", number, h->told->code);
            ingest_reject(h->result, INGEST_LOGS, 1, &why);
            return ST_OK;
        }
        enum status st = ingest_check(h->out, err);
        if (st)
            return st;
    }
    if (!jread_end(&j)) {
        h->told->code = HEC_INVALID_FORMAT;
        h->told->event = number;
        ingest_reject(h->result, INGEST_LOGS, 1, &why);
    }
    return ST_OK;
}

/* Lines say of themselves what they can (lines.c); what the request says of all of them becomes fields. */
static enum status raw_read(struct hec *h, struct slice body, struct err *err)
{
    struct slice service = service_or(SLICE_EMPTY, h->told->sourcetype);
    struct label list[] = { { SLICE("service_name"), service }, { SLICE("host"), h->told->host }, { SLICE("source"), h->told->source } };
    struct ingest_ctx ctx = *h->ctx;
    enum status st = labels_build(h->out->arena, list, COUNT_OF(list), &ctx.stream, err);
    if (!st)
        st = lines_decode(&ctx, body, h->out, h->result, err);
    for (size_t i = 0; !st && i < h->out->event_count; i++) {
        struct event *e = &h->out->events[i];
        struct hec_event v = { .fields = e->fields, .count = e->field_count, .cap = e->field_count };
        field_put(h, &v, SLICE("index"), arena_copy(h->out->arena, h->told->index));
        field_put(h, &v, SLICE("sourcetype"), arena_copy(h->out->arena, h->told->sourcetype));
        e->fields = v.fields;
        e->field_count = (uint32_t)v.count;
    }
    return st;
}

enum status splunk_hec_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct splunk_hec own = { .host = SLICE_EMPTY, .source = SLICE_EMPTY, .sourcetype = SLICE_EMPTY, .index = SLICE_EMPTY };
    struct hec h = { .ctx = ctx, .out = out, .result = result, .told = ctx->splunk ? ctx->splunk : &own, .service = SLICE_EMPTY,
                     .host = SLICE_EMPTY, .source = SLICE_EMPTY, .stream = SLICE_EMPTY };
    h.told->code = slice_trim(body).len ? HEC_OK : HEC_NO_DATA;
    if (h.told->code)
        return ST_OK;
    return h.told->is_raw ? raw_read(&h, body, err) : events_read(&h, body, err);
}
