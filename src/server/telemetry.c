/* SPDX-License-Identifier: Apache-2.0 */
/* Spans and lines gather in one batch under a lock; once a second a thread takes it away and appends it, and every
 * TELEMETRY_INTERVAL_SECONDS our own page of metrics with it. When more waits than TELEMETRY_WAITING_MAX, further spans and
 * lines are dropped and counted: telemetry must not grow without end when the store refuses writes. */
#include "server/telemetry.h"

#include <stdio.h>

#include "api/follow.h"
#include "collect/collect.h"

enum { BATCH_BYTES_MAX = 64 * MIB };

struct telemetry {
    struct clock *clock;
    struct mutex lock;
    struct cond wake;
    struct batch *waiting;
    struct slice instance, stream_labels;
    struct arena *arena;
    struct api *api;
    struct thread *thread;
    bool stopping;
};

static struct batch *fresh_batch(void)
{
    return batch_new(BATCH_BYTES_MAX);
}

struct telemetry *telemetry_new(struct clock *clock, struct slice instance)
{
    struct telemetry *t = mem_new(struct telemetry);
    struct label labels[] = {{SLICE("service_name"), SLICE("stoa")}, {SLICE("host"), instance}, {SLICE("source"), SLICE("self")}};
    t->clock = clock;
    t->arena = arena_new(0);
    t->instance = arena_copy(t->arena, instance);
    t->waiting = fresh_batch();
    mutex_init(&t->lock);
    cond_init(&t->wake);
    if (labels_build(t->arena, labels, COUNT_OF(labels), &t->stream_labels, NULL))
        t->stream_labels = SLICE_EMPTY;
    return t;
}

/* An event of the waiting batch, or NULL when too many wait. The lock is held. */
static struct event *waiting_event(struct telemetry *t)
{
    if (t->waiting->event_count < TELEMETRY_WAITING_MAX)
        return batch_event(t->waiting);
    if (t->api)
        atomic_fetch_add(&t->api->telemetry_dropped, 1);
    return NULL;
}

static struct field *put_fields(struct arena *a, const struct stoa_span_data *span)
{
    struct field *list = arena_array(a, struct field, (size_t)span->attribute_count + 1);
    for (int i = 0; i < span->attribute_count; i++) {
        const struct stoa_attribute *from = &span->attributes[i];
        list[i] =
            (struct field){.scope = SCOPE_RECORD, .type = from->text ? FIELD_STRING : FIELD_INT, .name = arena_copy(a, slice_str(from->name))};
        if (from->text)
            list[i].text = arena_copy(a, slice_str(from->text));
        else
            list[i].i = from->number;
    }
    return list;
}

void telemetry_span(void *arg, const struct stoa_span_data *span)
{
    struct telemetry *t = arg;
    mutex_lock(&t->lock);
    struct event *e = waiting_event(t);
    if (e) {
        struct arena *a = t->waiting->arena;
        e->kind = EVENT_SPAN;
        e->span_kind = (uint8_t)span->kind;
        e->span_status = span->error ? 2 : 0;
        e->weight = span->weight;
        e->time_ns = span->start_ns;
        e->observed_ns = span->end_ns;
        e->duration_ns = span->end_ns - span->start_ns;
        e->service = SLICE("stoa");
        e->stream = t->stream_labels;
        e->body = arena_copy(a, slice_str(span->name));
        e->status_message = arena_copy(a, slice_str(span->error));
        e->trace_state = arena_copy(a, slice_str(span->trace_state));
        memcpy(e->trace_id, span->trace_id, sizeof e->trace_id);
        memcpy(e->span_id, span->span_id, sizeof e->span_id);
        memcpy(e->parent_id, span->parent_id, sizeof e->parent_id);
        e->fields = put_fields(a, span);
        e->field_count = (uint32_t)span->attribute_count;
    }
    mutex_unlock(&t->lock);
}

void telemetry_line(void *arg, int64_t time_ns, enum log_level level, struct slice message, struct slice fields)
{
    static const uint8_t severities[] = {SEVERITY_DEBUG, SEVERITY_INFO, SEVERITY_WARN, SEVERITY_ERROR, SEVERITY_FATAL};
    struct telemetry *t = arg;
    mutex_lock(&t->lock);
    struct event *e = waiting_event(t);
    if (e) {
        struct arena *a = t->waiting->arena;
        e->kind = EVENT_LOG;
        e->severity = severities[level];
        e->time_ns = e->observed_ns = time_ns;
        e->service = SLICE("stoa");
        e->stream = t->stream_labels;
        e->body =
            arena_printf(a, "level=%s msg=\"%.*s\"%s%.*s", log_level_name(level), SLICE_FMT(message), fields.len ? " " : "", SLICE_FMT(fields));
    }
    mutex_unlock(&t->lock);
}

static void add_metrics(struct telemetry *t, struct batch *b)
{
    struct label extra[] = {{SLICE("job"), SLICE("stoa")}, {SLICE("instance"), t->instance}};
    struct buf page;
    struct err err;
    buf_init(&page, 0);
    api_metrics_text(t->api, &page);
    struct slice text = arena_copy(b->arena, buf_as_slice(&page));
    buf_free(&page);
    if (scrape_page_read(text, SLICE("text/plain; version=0.0.4"), clock_wall_ms(t->clock), extra, COUNT_OF(extra), b, &err))
        log_line(t->api->log, LOG_ERROR, "own metrics do not parse", "error=\"%s\"", err.text);
}

static void append(struct telemetry *t, struct batch *b)
{
    struct err err;
    if (batch_rows(b) == 0) {
        batch_drop(b);
        return;
    }
    b->received_ns = clock_wall_ns(t->clock);
    /* Refused (disk full, read-only): the store says so itself, by its stats and on the page. */
    struct batch *held = follow_hold(t->api->follow, b);
    enum status st = engine_append_wait(t->api->engine, b, &err);
    follow_offer(t->api->follow, held, !st);
}

/* What waits, now the caller's. The lock is held. */
static struct batch *take_waiting(struct telemetry *t)
{
    struct batch *b = t->waiting;
    t->waiting = fresh_batch();
    return b;
}

static void run(void *arg)
{
    struct telemetry *t = arg;
    int rounds = 0;
    for (bool last = false; !last; rounds++) {
        mutex_lock(&t->lock);
        if (!t->stopping)
            (void)cond_wait_ns(&t->wake, &t->lock, NS_S);
        last = t->stopping;
        struct batch *b = take_waiting(t);
        mutex_unlock(&t->lock);
        if (rounds % TELEMETRY_INTERVAL_SECONDS == 0 || last)
            add_metrics(t, b);
        append(t, b);
    }
}

enum status telemetry_start(struct telemetry *t, struct api *api, struct err *err)
{
    mutex_lock(&t->lock);
    t->api = api;
    mutex_unlock(&t->lock);
    return thread_start(&t->thread, "telemetry", run, t, err);
}

void telemetry_stop(struct telemetry *t)
{
    if (t->api == NULL)
        return;
    mutex_lock(&t->lock);
    t->stopping = true;
    cond_signal(&t->wake);
    mutex_unlock(&t->lock);
    thread_join(t->thread);
    t->thread = NULL;
    mutex_lock(&t->lock);
    struct batch *b = take_waiting(t);
    mutex_unlock(&t->lock);
    append(t, b);
}

void telemetry_free(struct telemetry *t)
{
    if (t == NULL)
        return;
    batch_drop(t->waiting);
    arena_free(t->arena);
    mutex_destroy(&t->lock);
    cond_destroy(&t->wake);
    mem_free(t);
}
