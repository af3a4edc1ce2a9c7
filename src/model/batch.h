/* SPDX-License-Identifier: Apache-2.0 */
/* What a request brings: series with samples, events, metadata; in one arena, reference-counted.
 * Decoders fill it, the pipeline changes it, the store appends it whole or not at all. */
#ifndef STOA_MODEL_BATCH_H
#define STOA_MODEL_BATCH_H

#include <stdatomic.h>

#include "model/event.h"
#include "model/sample.h"

enum { BATCH_ROWS_MAX = 1 << 20 }; /* samples + events of one request: the low bits of an event's seq */

enum metric_type { METRIC_UNKNOWN, METRIC_COUNTER, METRIC_GAUGE, METRIC_HISTOGRAM, METRIC_SUMMARY, METRIC_INFO,
                   METRIC_STATESET, METRIC_GAUGEHISTOGRAM };

struct batch_series {
    struct slice labels;      /* canonical */
    uint32_t first, count;    /* into batch.samples */
    uint64_t ref;             /* in the pipeline: a hash of labels, or 0; then the engine's own, between prepare and apply */
    int64_t delta_from_ms;    /* not 0: its one sample says what came since then (-1: since the one before): pipeline/delta.h */
};

struct metric_metadata {
    struct slice name, help, unit;
    enum metric_type type;
};

struct batch {
    struct arena *arena;
    atomic_int refs;
    struct slice tenant;          /* [A-Za-z0-9_.-]{1,64} */
    struct slice idempotency_key; /* empty: none */
    int64_t received_ns;
    uint64_t lsn;                 /* given when it is stored, before it is acknowledged: an event's seq is lsn << 20 | its place.
                                     0: not yet, or what came again with the same idempotency key */
    bool is_own;                  /* made by ourselves (collected, computed): limits on what others push do not refuse it */
    struct batch_series *series;
    size_t series_count, series_cap;
    struct sample *samples;
    size_t sample_count, sample_cap;
    struct event *events;
    size_t event_count, event_cap;
    struct metric_metadata *metadata;
    size_t metadata_count, metadata_cap;
};

/* An empty batch of tenant "default", with one reference. */
struct batch *batch_new(size_t arena_bytes_max);
struct batch *batch_take(struct batch *b);
void batch_drop(struct batch *b); /* accepts NULL */

/* Starts a series; its samples follow by batch_sample. labels must live in the batch's arena (or longer). */
void batch_series(struct batch *b, struct slice labels);
void batch_sample(struct batch *b, int64_t t_ms, double v);
/* h is checked (histogram_check) and lives in the batch's arena, or longer. One whose sum is the stale mark becomes that mark. */
void batch_histogram(struct batch *b, int64_t t_ms, const struct histogram *h);
/* A zeroed event with weight 1, to fill in. */
struct event *batch_event(struct batch *b);
void batch_metadata(struct batch *b, struct slice name, enum metric_type type, struct slice help, struct slice unit);
static inline size_t batch_rows(const struct batch *b)
{
    return b->sample_count + b->event_count;
}
const char *metric_type_name(enum metric_type type); /* "counter", ..., "unknown" */
bool tenant_is_valid(struct slice tenant);
/* Also those of our own making, which nobody can name from outside: TENANT#WHAT. */
bool tenant_is_stored(struct slice tenant);
static inline bool tenant_is_own(struct slice tenant)
{
    return memchr(tenant.ptr, '#', tenant.len) != NULL;
}

#endif
