/* SPDX-License-Identifier: Apache-2.0 */
/* StatsD and DogStatsD text: one datagram holds lines, a line is a metric, an event or a service check.
 *
 *     name:value[:value...]|type[|@rate][|#tag:value,...][|c:container][|e:...][|card:...][|Tseconds]
 *     _e{5,4}:title|text[|d:seconds][|h:host][|p:priority][|t:type][|k:key][|s:source][|#tags]
 *     _sc|name|status[|d:seconds][|h:host][|#tags][|m:message]
 *
 * Tags in the name are read too, as InfluxDB (name,tag=value), Librato (name#tag=value) and SignalFx (name[tag=value]) send
 * them. Pure: a metric goes to the caller's function, an event or check becomes a log record. A line that is none of these is
 * left out and counted by reason. https://docs.datadoghq.com/extend/dogstatsd/datagram_shell/ */
#ifndef STOA_INGEST_STATSD_H
#define STOA_INGEST_STATSD_H

#include "model/batch.h"

enum {
    STATSD_LINE_BYTES_MAX = 64 * KIB,
    STATSD_TAGS_MAX = 48,     /* of one line */
    STATSD_VALUES_MAX = 4096, /* packed into one line */
    STATSD_NAME_BYTES_MAX = 1024,
    STATSD_AGE_DAYS_MAX = 60  /* of a time that a client tells: lines of one append may lie in so many partitions */
};

enum statsd_type { STATSD_COUNTER, STATSD_GAUGE, STATSD_TIMER, STATSD_HISTOGRAM, STATSD_DISTRIBUTION, STATSD_SET };

/* Why a line was left out; the last three are the aggregation's. */
enum statsd_reason {
    STATSD_BAD_LINE,   /* no name, value or type where they belong */
    STATSD_BAD_UTF8,
    STATSD_BAD_NAME,
    STATSD_BAD_VALUE,
    STATSD_BAD_TYPE,
    STATSD_BAD_RATE,
    STATSD_BAD_TAGS,   /* too many, too long, or in the name and behind it */
    STATSD_BAD_FIELD,  /* a section that nobody knows */
    STATSD_BAD_TIME,   /* of a metric or an event: too long ago */
    STATSD_BAD_EVENT,
    STATSD_BAD_CHECK,
    STATSD_TOO_LONG,
    STATSD_CONFLICT,   /* the name is a metric of another type already */
    STATSD_SERIES_FULL,
    STATSD_EVENTS_FULL,
    STATSD_REASON_COUNT
};
const char *statsd_reason_name(enum statsd_reason reason); /* "bad_line", ... */

/* One value. Texts live in the scratch arena. */
struct statsd_metric {
    enum statsd_type type;
    struct slice name;   /* as Prometheus allows it */
    struct slice labels; /* canonical, with __name__ */
    double value;        /* of timers in seconds; of counters already divided by the rate */
    double weight;       /* how many observations it stands for: 1 / rate */
    bool is_delta;       /* a gauge: to be added */
    struct slice member; /* a set's */
    int64_t t_ms;        /* 0: now */
};

struct statsd_counts {
    uint64_t lines, metrics, events, checks;
    uint64_t rejected[STATSD_REASON_COUNT];
    uint64_t tags_ignored; /* without a value, or with a name that cannot be a label's */
};

struct statsd_ctx {
    int64_t received_ns;
    bool is_signed_delta;   /* a gauge's value with a sign is a difference: StatsD. DogStatsD sends negative gauges so */
    size_t events_max;      /* in the batch */
    void *arg;
    /* False: not taken, for *why. */
    bool (*metric)(void *arg, const struct statsd_metric *m, enum statsd_reason *why);
};

/* Borrows all. scratch is reset for each line. Events are copied into events. *counts is added to. */
void statsd_decode(const struct statsd_ctx *ctx, struct slice datagram, struct arena *scratch, struct batch *events, struct statsd_counts *counts);

/* ---- shared with the reader of events (statsd_event.c) ---- */

struct statsd_tags {
    struct label list[STATSD_TAGS_MAX];
    size_t count, ignored;
};
/* name:value,... or name=value,... (by sep); names are made label names, a name's last value counts. */
MUST_CHECK bool statsd_tags_read(struct arena *a, struct slice text, char sep, struct statsd_tags *out);
/* Lines that begin with _e{ and _sc|. *why is why it is not taken. */
MUST_CHECK bool statsd_event_read(const struct statsd_ctx *ctx, struct slice line, struct batch *out, enum statsd_reason *why);
MUST_CHECK bool statsd_check_read(const struct statsd_ctx *ctx, struct slice line, struct batch *out, enum statsd_reason *why);
static inline bool statsd_is_old(const struct statsd_ctx *ctx, int64_t time_ns)
{
    return ctx->received_ns - time_ns > STATSD_AGE_DAYS_MAX * 86400 * NS_S;
}

#endif
