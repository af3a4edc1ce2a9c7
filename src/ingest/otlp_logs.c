/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP logs: ExportLogsServiceRequest{ resource_logs=1 { resource=1, scope_logs=2 { scope=1, log_records=2 } } }.
 *
 * A stream is what Loki makes of it by default: the resource attributes of the list below, dots and the like as '_', and
 * service_name. Every attribute stays a field with its scope, those of the stream too, under its own name and type. */
#include "base/utf8.h"
#include "ingest/otlp.h"
#include "ingest/prom_names.h"

enum { RESOURCE_LOGS = 1, SCOPE_LOGS = 2, LOG_RECORDS = 2, SEVERITY_NUMBER_MAX = 24 };

enum log_field { LOG_TIME = 1, LOG_SEVERITY = 2, LOG_SEVERITY_TEXT = 3, LOG_BODY = 5, LOG_ATTRIBUTES = 6, LOG_TRACE = 9, LOG_SPAN = 10,
                 LOG_OBSERVED = 11, LOG_EVENT_NAME = 12 };

static const struct slice stream_attributes[] = {
    SLICE_INIT("service.name"), SLICE_INIT("service.namespace"), SLICE_INIT("service.instance.id"), SLICE_INIT("deployment.environment"),
    SLICE_INIT("deployment.environment.name"), SLICE_INIT("cloud.region"), SLICE_INIT("cloud.availability_zone"), SLICE_INIT("k8s.cluster.name"),
    SLICE_INIT("k8s.namespace.name"), SLICE_INIT("k8s.pod.name"), SLICE_INIT("k8s.container.name"), SLICE_INIT("k8s.deployment.name"),
    SLICE_INIT("k8s.replicaset.name"), SLICE_INIT("k8s.statefulset.name"), SLICE_INIT("k8s.daemonset.name"), SLICE_INIT("k8s.cronjob.name"),
    SLICE_INIT("k8s.job.name"), SLICE_INIT("container.name"),
};

static_assert(COUNT_OF(stream_attributes) <= 32, "a bit each in stream_build");

/* Its place in the list; the list's length when it is none. */
static size_t stream_attribute(struct slice name)
{
    size_t i = 0;
    while (i < COUNT_OF(stream_attributes) && !slice_eq(name, stream_attributes[i]))
        i++;
    return i;
}

static enum status stream_build(struct arena *a, const struct otlp_resource *resource, struct slice *stream, struct slice *service,
                                struct err *err)
{
    struct label list[COUNT_OF(stream_attributes)];
    size_t count = 0;
    uint32_t seen = 0; /* the first of a name counts */
    for (size_t i = 0; i < resource->fields.count; i++) {
        const struct field *f = &resource->fields.items[i];
        size_t place = stream_attribute(f->name);
        if (place == COUNT_OF(stream_attributes) || (seen >> place & 1))
            continue;
        seen |= 1u << place;
        list[count++] = (struct label){ prom_label_name(a, f->name), field_text(a, f) };
    }
    enum status st = labels_build(a, list, count, stream, err);
    if (st)
        return err_prefix(err, "resource of logs: ");
    *service = service_of_labels(*stream);
    if (service->len == 0)
        *service = SLICE("unknown_service");
    *stream = labels_with(a, *stream, SLICE("service_name"), *service);
    return ST_OK;
}

static void field_text_add(struct arena *a, struct field_list *list, struct slice name, struct slice text)
{
    if (text.len)
        ARENA_PUSH(a, list->items, list->count, list->cap) =
            (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = text };
}

/* The record's own part; its fields behind those of resource and scope. */
static bool record_read(struct slice bytes, struct arena *a, struct event *e, struct field_list *fields)
{
    struct slice severity_text = SLICE_EMPTY, event_name = SLICE_EMPTY;
    uint64_t number = 0;
    bool ok = true;
    struct pb p = pb_of(bytes);
    while (pb_next(&p)) {
        switch ((enum log_field)p.field) {
        case LOG_TIME:
            e->time_ns = otlp_time(p.value);
            break;
        case LOG_OBSERVED:
            e->observed_ns = otlp_time(p.value);
            break;
        case LOG_SEVERITY:
            number = p.value;
            break;
        case LOG_SEVERITY_TEXT:
            severity_text = p.bytes;
            break;
        case LOG_BODY:
            e->body = otlp_any_text(a, p.bytes);
            break;
        case LOG_ATTRIBUTES:
            ok = otlp_attribute(a, p.bytes, SCOPE_RECORD, fields) && ok;
            break;
        case LOG_TRACE:
            otlp_id(p.bytes, e->trace_id, sizeof e->trace_id);
            break;
        case LOG_SPAN:
            otlp_id(p.bytes, e->span_id, sizeof e->span_id);
            break;
        case LOG_EVENT_NAME:
            event_name = p.bytes;
            break;
        }
    }
    e->severity = number <= SEVERITY_NUMBER_MAX && number ? (uint8_t)number : severity_parse(severity_text);
    field_text_add(a, fields, SLICE("severity_text"), severity_text);
    field_text_add(a, fields, SLICE("event_name"), event_name);
    return ok && !p.bad;
}

static void record_add(const struct ingest_ctx *ctx, struct slice bytes, const struct otlp_resource *scope, struct slice stream,
                       struct slice service, struct batch *out, struct ingest_result *r)
{
    struct field_list fields = { 0 };
    size_t cap = scope->fields.count + 8;
    fields.items = arena_array(out->arena, struct field, cap);
    fields.cap = cap;
    fields.count = scope->fields.count;
    if (fields.count)
        memcpy(fields.items, scope->fields.items, fields.count * sizeof *fields.items);
    struct event *e = batch_event(out);
    e->kind = EVENT_LOG;
    e->stream = stream;
    e->service = service;
    if (!record_read(bytes, out->arena, e, &fields)) {
        struct err why;
        err_set(&why, ST_INVALID, "a log record of service \"%.*s\" is no valid message (broken protobuf, or an attribute without a key)",
                SLICE_FMT(utf8_cut(service, 80)));
        ingest_reject(r, INGEST_LOGS, 1, &why);
        out->event_count--;
        return;
    }
    e->fields = fields.items;
    e->field_count = (uint32_t)fields.count;
    if (e->time_ns == 0)
        e->time_ns = e->observed_ns ? e->observed_ns : ctx->received_ns;
    if (e->observed_ns == 0)
        e->observed_ns = ctx->received_ns;
    r->kinds[INGEST_LOGS].accepted++;
}

static enum status resource_decode(const struct ingest_ctx *ctx, struct slice message, struct batch *out, struct ingest_result *r, struct err *err)
{
    struct otlp_resource resource, scope;
    struct slice stream, service;
    struct err why = { 0 };
    enum status st = ST_OK;
    if (!otlp_resource_read(out->arena, message, &resource))
        st = err_set(&why, ST_INVALID, "resource of logs: an attribute is no valid message");
    else
        st = stream_build(out->arena, &resource, &stream, &service, &why);
    if (st) {
        ingest_reject(r, INGEST_LOGS, otlp_count(message, SCOPE_LOGS, LOG_RECORDS), &why);
        return ST_OK;
    }
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != SCOPE_LOGS)
            continue;
        if (!otlp_scope_read(out->arena, p.bytes, &resource, &scope))
            ingest_warn(r, (err_set(&why, ST_INVALID, "scope of logs: an attribute is no valid message, left out"), &why));
        /* A scope copies its resource's fields: a request of many empty scopes must end, too. */
        st = ingest_check(out, err);
        if (st)
            return st;
        struct pb q = pb_of(p.bytes);
        while (pb_next(&q)) {
            if (q.field != LOG_RECORDS)
                continue;
            record_add(ctx, q.bytes, &scope, stream, service, out, r);
            st = ingest_check(out, err);
            if (st)
                return st;
        }
        if (q.bad)
            return err_set(err, ST_INVALID, "otlp logs: scope_logs is no protobuf message");
    }
    return p.bad ? err_set(err, ST_INVALID, "otlp logs: resource_logs is no protobuf message") : ST_OK;
}

enum status otlp_logs_decode(const struct ingest_ctx *ctx, struct slice body, struct batch *out, struct ingest_result *result, struct err *err)
{
    struct slice message;
    enum status st = otlp_body(ctx, OTLP_LOGS, body, out->arena, &message, err);
    if (st)
        return st;
    struct pb p = pb_of(message);
    while (pb_next(&p)) {
        if (p.field != RESOURCE_LOGS)
            continue;
        st = resource_decode(ctx, p.bytes, out, result, err);
        if (st)
            return st;
    }
    return p.bad ? err_set(err, ST_INVALID, "otlp logs: the body is no ExportLogsServiceRequest") : ST_OK;
}
