/* SPDX-License-Identifier: Apache-2.0 */
/* What StatsD clients sent, as series: kept in memory, appended each flush interval, as statsd_exporter would be scraped.
 *
 * Counters add up for ever; gauges stay until changed; a set is how many different members came since the last flush. Timers,
 * histograms and distributions are a summary (quantiles of the last minute or so, NAME_sum, NAME_count), a classic histogram, or a
 * native one. A series that nobody wrote to for the idle time ends with a stale mark. After a restart what adds up goes on from
 * where the store has it; sets and the quantiles' window begin anew. Any thread. */
#ifndef STOA_COLLECT_STATSD_H
#define STOA_COLLECT_STATSD_H

#include "codec/yaml.h"
#include "ingest/statsd.h"
#include "pipeline/last.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    STATSD_SERIES_MAX = 200 * 1000,
    STATSD_BYTES_MAX = 256 * MIB,        /* of all series in memory */
    STATSD_SET_MEMBERS_MAX = 64 * 1024,  /* of one set between two flushes; the count stays there */
    STATSD_PENDING_ROWS_MAX = 200 * 1000,/* events and samples with a time of their own, between two appends of a second */
    STATSD_PENDING_BYTES_MAX = 256 * MIB, /* of both; more of them is left out */
    STATSD_BODY_BYTES_MAX = 8 * MIB,     /* of one POST */
    STATSD_WINDOW_SECONDS = 60,          /* quantiles are of at least half of it */
    STATSD_QUANTILES_MAX = 16,
    STATSD_BUCKETS_MAX = 128
};

enum statsd_observations { STATSD_AS_SUMMARY, STATSD_AS_HISTOGRAM, STATSD_AS_NATIVE };

struct statsd_options {
    int64_t flush_ns, idle_ns; /* 10 s, 1 h */
    enum statsd_observations observations;
    double quantiles[STATSD_QUANTILES_MAX], buckets[STATSD_BUCKETS_MAX]; /* ascending */
    size_t quantile_count, bucket_count;
};
/* Reads `statsd` of a merged configuration, or its defaults. */
MUST_CHECK enum status statsd_config_read(struct arena *a, const struct yaml_node *root, struct statsd_options **out, struct err *err);

/* What it may use of the server. Keeps all of it. */
struct statsd_env {
    struct clock *clock;
    struct log *log;
    void *arg;
    /* Takes batch. Blocks until durable. */
    enum status (*append)(void *arg, struct batch *batch, struct err *err);
    struct last_reader last; /* asked from the thread that appends */
};

struct statsd;
struct statsd *statsd_new(const struct statsd_env *env, const struct statsd_options *opt);
/* Starts the thread that appends. */
MUST_CHECK enum status statsd_run(struct statsd *s, struct err *err);
/* Appends what there is a last time; waits; accepts NULL. */
void statsd_free(struct statsd *s);

/* text: a datagram. is_signed_delta: see struct statsd_ctx. The count of lines that were left out. */
uint64_t statsd_take(struct statsd *s, struct slice tenant, struct slice text, bool is_signed_delta);
/* What the thread does each second (with_series: each flush interval). For tests. */
void statsd_append(struct statsd *s, bool with_series);

struct statsd_stats {
    struct statsd_counts counts;
    uint64_t series, bytes, expired, append_failures, restored;
};
void statsd_stats(struct statsd *s, struct statsd_stats *out);

/* ---- statsd_series.c: one series; statsd.c's own ---- */

enum statsd_family { STATSD_FAMILY_COUNTER, STATSD_FAMILY_GAUGE, STATSD_FAMILY_OBSERVED, STATSD_FAMILY_SET };
enum statsd_family statsd_family_of(enum statsd_type type);

struct statsd_series;
/* key is copied; labels and tenant are parts of it. */
struct statsd_series *statsd_series_new(const struct statsd_options *opt, enum statsd_family family, struct slice tenant, struct slice labels);
void statsd_series_free(struct statsd_series *r);
struct slice statsd_series_tenant(const struct statsd_series *r);
struct slice statsd_series_labels(const struct statsd_series *r);
size_t statsd_series_bytes(const struct statsd_series *r);
/* window: which half of a STATSD_WINDOW it is. */
void statsd_series_add(struct statsd_series *r, const struct statsd_metric *m, int64_t mono_ns, uint64_t window);
int64_t statsd_series_used_ns(const struct statsd_series *r);
/* The series that go on after a restart, each without samples. */
void statsd_series_names(struct statsd_series *r, struct batch *b);
/* before: the last sample of each of those, in their order; time 0: there is none. Once, before r is told; what was added since r
 * was made counts on top. Whether anything was there. */
bool statsd_series_restore(struct statsd_series *r, const struct sample *before, size_t count);
bool statsd_series_is_restored(const struct statsd_series *r);
/* Of a counter whose value has a time of its own: at once, when it is behind what was told. */
void statsd_series_tell_at(struct statsd_series *r, int64_t t_ms, struct batch *b);
/* before_ms: where a series that is told for the first time was 0. */
void statsd_series_tell(struct statsd_series *r, int64_t t_ms, int64_t before_ms, uint64_t window, struct batch *b);
/* Stale marks, when it was told. */
void statsd_series_end(struct statsd_series *r, int64_t t_ms, struct batch *b);

#endif
