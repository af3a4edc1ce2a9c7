/* SPDX-License-Identifier: Apache-2.0 */
/* What a run leaves behind: samples under blackbox_exporter's names for each step that ran, two of our own for the run as a
 * whole, one log line, and a trace: the run, its steps, and the phases of each step. The target's own spans join the
 * trace below the step, for each request carried its traceparent. */
#include "probe/run.h"

#include <stddef.h>

#include "codec/hex.h"
#include "sys/rand.h"

enum { SPAN_INTERNAL = 1, SPAN_CLIENT = 3, SPAN_ERROR = 2, STEP_FIELDS_MAX = 10 };

struct target {
    struct batch *b;
    const struct run *r;
    int64_t t_ms;
};

static void put_sample(struct target *t, struct slice name, const struct run_step *s, struct slice phase, double v)
{
    struct label labels[] = {
        { SLICE("__name__"), name },
        { SLICE("check"), t->r->check },
        { SLICE("location"), t->r->location },
        { SLICE("step"), s ? s->name : SLICE_EMPTY },
        { SLICE("instance"), s ? slice_sub(s->url, 0, LABEL_VALUE_BYTES_MAX) : SLICE_EMPTY },
        { SLICE("phase"), phase },
    };
    struct slice built;
    if (labels_build(t->b->arena, labels, COUNT_OF(labels), &built, NULL))
        return;
    batch_series(t->b, built);
    batch_sample(t->b, t->t_ms, v);
}

static double seconds(int64_t ns)
{
    return (double)ns / (double)NS_S;
}

static void put_step_samples(struct target *t, const struct run_step *s)
{
    static const struct {
        struct slice phase;
        size_t at;
    } phases[] = {
        { SLICE_INIT("resolve"), offsetof(struct run_step, resolve_ns) },
        { SLICE_INIT("connect"), offsetof(struct run_step, connect_ns) },
        { SLICE_INIT("tls"), offsetof(struct run_step, tls_ns) },
        { SLICE_INIT("processing"), offsetof(struct run_step, first_byte_ns) },
        { SLICE_INIT("transfer"), offsetof(struct run_step, transfer_ns) },
    };
    put_sample(t, SLICE("probe_success"), s, SLICE_EMPTY, s->ok);
    put_sample(t, SLICE("probe_duration_seconds"), s, SLICE_EMPTY, seconds(s->total_ns));
    put_sample(t, SLICE("probe_http_status_code"), s, SLICE_EMPTY, s->status);
    put_sample(t, SLICE("probe_http_redirects"), s, SLICE_EMPTY, s->redirects);
    put_sample(t, SLICE("probe_http_ssl"), s, SLICE_EMPTY, s->is_tls);
    put_sample(t, SLICE("probe_http_version"), s, SLICE_EMPTY, s->http_version / 10.0);
    put_sample(t, SLICE("probe_http_uncompressed_body_length"), s, SLICE_EMPTY, (double)s->body_bytes);
    if (s->certificate_expiry_ms)
        put_sample(t, SLICE("probe_ssl_earliest_cert_expiry"), s, SLICE_EMPTY, (double)s->certificate_expiry_ms / 1000.0);
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        int64_t ns = *(const int64_t *)(const void *)((const char *)s + phases[i].at);
        if (slice_eq(phases[i].phase, SLICE("processing")))
            ns += s->request_ns; /* blackbox_exporter's phase begins when the connection stands */
        put_sample(t, SLICE("probe_http_duration_seconds"), s, phases[i].phase, seconds(ns));
    }
}

void run_put_samples(const struct run *r, int64_t t_ms, struct batch *b)
{
    static const struct {
        struct slice name, help;
    } described[] = {
        { SLICE_INIT("stoa_check_success"), SLICE_INIT("Whether every step of the check's last run went well.") },
        { SLICE_INIT("stoa_check_duration_seconds"), SLICE_INIT("How long the check's last run took.") },
        { SLICE_INIT("probe_success"), SLICE_INIT("Whether the step went well.") },
        { SLICE_INIT("probe_duration_seconds"), SLICE_INIT("How long the step's request took, redirects included.") },
        { SLICE_INIT("probe_http_status_code"), SLICE_INIT("HTTP status of the answer; 0: none came.") },
        { SLICE_INIT("probe_http_duration_seconds"), SLICE_INIT("Duration of the request by phase, summed over redirects.") },
        { SLICE_INIT("probe_ssl_earliest_cert_expiry"), SLICE_INIT("When the first certificate of the server ends, in Unix time.") },
    };
    struct target t = { b, r, t_ms };
    put_sample(&t, SLICE("stoa_check_success"), NULL, SLICE_EMPTY, r->ok);
    put_sample(&t, SLICE("stoa_check_duration_seconds"), NULL, SLICE_EMPTY, seconds(r->duration_ns));
    for (size_t i = 0; i < r->step_count; i++)
        if (r->steps[i].ran)
            put_step_samples(&t, &r->steps[i]);
    for (size_t i = 0; i < COUNT_OF(described); i++)
        batch_metadata(b, described[i].name, METRIC_GAUGE, described[i].help, SLICE_EMPTY);
}

/* ---- events ---- */

static void field_text_put(struct event *e, struct slice name, struct slice text)
{
    e->fields[e->field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = name, .text = text };
}

static void field_int_put(struct event *e, struct slice name, int64_t v)
{
    e->fields[e->field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_INT, .name = name, .i = v };
}

static struct slice stream_of(const struct run *r, struct arena *a)
{
    struct label labels[] = { { SLICE("service_name"), RUN_SERVICE }, { SLICE("check"), r->check }, { SLICE("location"), r->location } };
    struct slice built;
    return labels_build(a, labels, COUNT_OF(labels), &built, NULL) ? SLICE_EMPTY : built;
}

static void put_line(const struct run *r, struct batch *b, struct slice stream)
{
    struct arena *a = b->arena;
    char id[2 * RUN_ID_BYTES];
    struct buf json;
    struct event *e = batch_event(b);
    buf_init(&json, RUN_JSON_BYTES_MAX);
    run_write(r, &json);
    hex_encode(slice_of(r->id, sizeof r->id), id);
    e->kind = EVENT_LOG;
    e->severity = r->ok ? SEVERITY_INFO : SEVERITY_ERROR;
    e->time_ns = r->start_ns;
    e->observed_ns = b->received_ns;
    e->service = RUN_SERVICE;
    e->stream = stream;
    e->body = arena_copy(a, buf_as_slice(&json));
    buf_free(&json);
    memcpy(e->trace_id, r->trace_id, sizeof e->trace_id);
    memcpy(e->span_id, r->span_id, sizeof e->span_id);
    e->fields = arena_array(a, struct field, STEP_FIELDS_MAX);
    field_text_put(e, SLICE("run_id"), arena_copy(a, slice_of(id, sizeof id)));
    field_text_put(e, SLICE("ok"), r->ok ? SLICE("true") : SLICE("false"));
    field_int_put(e, SLICE("duration_ms"), r->duration_ns / NS_MS);
    if (!r->ok) {
        field_text_put(e, SLICE("step"), r->failed_step);
        field_text_put(e, SLICE("error"), r->error);
    }
}

static struct event *put_span(const struct run *r, struct batch *b, struct slice stream, struct slice name, int64_t start_ns, int64_t duration_ns)
{
    struct event *e = batch_event(b);
    e->kind = EVENT_SPAN;
    e->span_kind = SPAN_INTERNAL;
    e->time_ns = start_ns;
    e->observed_ns = b->received_ns;
    e->duration_ns = duration_ns;
    e->service = RUN_SERVICE;
    e->stream = stream;
    e->body = name;
    e->fields = arena_array(b->arena, struct field, STEP_FIELDS_MAX);
    memcpy(e->trace_id, r->trace_id, sizeof e->trace_id);
    return e;
}

static void put_phases(const struct run *r, const struct run_step *s, struct batch *b, struct slice stream)
{
    const struct {
        struct slice name;
        int64_t ns;
    } phases[] = {
        { SLICE("dns"), s->resolve_ns },         { SLICE("connect"), s->connect_ns },       { SLICE("tls"), s->tls_ns },
        { SLICE("request"), s->request_ns },     { SLICE("first byte"), s->first_byte_ns }, { SLICE("transfer"), s->transfer_ns },
    };
    int64_t at_ns = s->start_ns;
    for (size_t i = 0; i < COUNT_OF(phases); i++) {
        if (phases[i].ns == 0)
            continue;
        struct event *e = put_span(r, b, stream, phases[i].name, at_ns, phases[i].ns);
        sys_random(e->span_id, sizeof e->span_id);
        memcpy(e->parent_id, s->span_id, sizeof e->parent_id);
        at_ns += phases[i].ns;
    }
}

static void put_step_span(const struct run *r, const struct run_step *s, struct batch *b, struct slice stream)
{
    struct event *e = put_span(r, b, stream, s->name, s->start_ns, s->total_ns);
    e->span_kind = SPAN_CLIENT;
    e->span_status = s->ok ? 0 : SPAN_ERROR;
    e->status_message = s->error;
    memcpy(e->span_id, s->span_id, sizeof e->span_id);
    memcpy(e->parent_id, r->span_id, sizeof e->parent_id);
    field_text_put(e, SLICE("http.request.method"), s->method);
    field_text_put(e, SLICE("url.full"), s->url);
    if (s->status)
        field_int_put(e, SLICE("http.response.status_code"), s->status);
    if (s->ip.len)
        field_text_put(e, SLICE("network.peer.address"), s->ip);
    if (s->redirects)
        field_int_put(e, SLICE("http.redirects"), s->redirects);
    put_phases(r, s, b, stream);
}

/* A batch may live longer than the run it tells of. */
static struct run run_copy(const struct run *from, struct arena *a)
{
    struct run r = *from;
    r.check = arena_copy(a, from->check);
    r.location = arena_copy(a, from->location);
    r.failed_step = arena_copy(a, from->failed_step);
    r.error = arena_copy(a, from->error);
    r.steps = arena_array(a, struct run_step, from->step_count + 1);
    for (size_t i = 0; i < from->step_count; i++) {
        struct run_step *s = &r.steps[i];
        *s = from->steps[i];
        s->name = arena_copy(a, s->name);
        s->method = arena_copy(a, s->method);
        s->url = arena_copy(a, s->url);
        s->error = arena_copy(a, s->error);
        s->ip = arena_copy(a, s->ip);
    }
    return r;
}

void run_put_events(const struct run *borrowed, struct batch *b)
{
    const struct run copy = run_copy(borrowed, b->arena), *r = &copy;
    struct slice stream = stream_of(r, b->arena);
    put_line(r, b, stream);
    struct event *e = put_span(r, b, stream, arena_printf(b->arena, "check %.*s", SLICE_FMT(r->check)), r->start_ns, r->duration_ns);
    e->span_status = r->ok ? 0 : SPAN_ERROR;
    e->status_message = r->error;
    memcpy(e->span_id, r->span_id, sizeof e->span_id);
    field_text_put(e, SLICE("check"), r->check);
    field_text_put(e, SLICE("location"), r->location);
    for (size_t i = 0; i < r->step_count; i++)
        if (r->steps[i].ran)
            put_step_span(r, &r->steps[i], b, stream);
}
