/* SPDX-License-Identifier: Apache-2.0 */
/* A batch and what hangs on it live in one arena; the last reference frees both.
 *
 * (1) Samples of a series stand together: batch_sample adds to the series started last.
 * (2) Everything a batch points to lives in its arena, or longer than the batch. */
#include "model/batch.h"

#include "model/histogram.h"

enum { TENANT_BYTES_MAX = 64 };

struct batch *batch_new(size_t arena_bytes_max)
{
    struct batch *b = mem_new(struct batch);
    b->arena = arena_new(arena_bytes_max);
    atomic_init(&b->refs, 1);
    b->tenant = SLICE("default");
    b->idempotency_key = SLICE_EMPTY;
    return b;
}

struct batch *batch_take(struct batch *b)
{
    int before = atomic_fetch_add_explicit(&b->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return b;
}

void batch_drop(struct batch *b)
{
    if (b == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&b->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        arena_free(b->arena);
        mem_free(b);
    }
}

void batch_series(struct batch *b, struct slice labels)
{
    ARENA_PUSH(b->arena, b->series, b->series_count, b->series_cap) =
        (struct batch_series){ .labels = labels, .first = (uint32_t)b->sample_count };
}

void batch_sample(struct batch *b, int64_t t_ms, double v)
{
    assert(b->series_count > 0);
    ARENA_PUSH(b->arena, b->samples, b->sample_count, b->sample_cap) = (struct sample){ t_ms, sample_number(v) };
    b->series[b->series_count - 1].count++;
}

void batch_histogram(struct batch *b, int64_t t_ms, const struct histogram *h)
{
    assert(b->series_count > 0);
    if (is_histogram(h->sum)) { /* a query gives the sum as a value */
        struct histogram *plain = histogram_copy(b->arena, h);
        plain->sum = sample_number(h->sum);
        h = plain;
    }
    double v = is_stale(h->sum) ? h->sum : histogram_box(h);
    ARENA_PUSH(b->arena, b->samples, b->sample_count, b->sample_cap) = (struct sample){ t_ms, v };
    b->series[b->series_count - 1].count++;
}

struct event *batch_event(struct batch *b)
{
    struct event *e = &ARENA_PUSH(b->arena, b->events, b->event_count, b->event_cap);
    memset(e, 0, sizeof *e);
    e->weight = 1;
    e->stream = e->service = e->body = e->trace_state = e->status_message = SLICE_EMPTY;
    return e;
}

void batch_metadata(struct batch *b, struct slice name, enum metric_type type, struct slice help, struct slice unit)
{
    ARENA_PUSH(b->arena, b->metadata, b->metadata_count, b->metadata_cap) =
        (struct metric_metadata){ .name = name, .help = help, .unit = unit, .type = type };
}

const char *metric_type_name(enum metric_type type)
{
    static const char *const names[] = { "unknown", "counter", "gauge", "histogram", "summary", "info", "stateset", "gaugehistogram" };
    return (size_t)type < COUNT_OF(names) ? names[type] : names[METRIC_UNKNOWN];
}

bool tenant_is_stored(struct slice tenant)
{
    struct slice of, what;
    return slice_cut(tenant, '#', &of, &what) ? tenant_is_valid(of) && tenant_is_valid(what) : tenant_is_valid(tenant);
}

bool tenant_is_valid(struct slice tenant)
{
    if (tenant.len == 0 || tenant.len > TENANT_BYTES_MAX)
        return false;
    for (size_t i = 0; i < tenant.len; i++) {
        char c = tenant.ptr[i];
        if (!((c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '-'))
            return false;
    }
    return true;
}
