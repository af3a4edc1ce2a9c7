/* SPDX-License-Identifier: Apache-2.0 */
/* Pushed metrics, as Pushgateway keeps them: what a job pushed last stays until it is replaced or deleted, and is appended as
 * samples each interval, as if a Pushgateway were scraped with honor_labels. https://github.com/prometheus/pushgateway
 *
 * A group is what one grouping key (job and further labels) pushed. PUT replaces it, POST replaces the families it names,
 * DELETE removes it. Groups are durable when a call returns, and their series end by a stale marker. Any thread. */
#ifndef STOA_COLLECT_PUSH_H
#define STOA_COLLECT_PUSH_H

#include "model/batch.h"
#include "sys/clock.h"
#include "sys/log.h"

struct firewall;

enum {
    PUSH_INTERVAL_SECONDS = 15,
    PUSH_BODY_BYTES_MAX = 8 * MIB,      /* decompressed */
    PUSH_GROUPS_MAX = 10 * 1000,
    PUSH_SERIES_PER_GROUP_MAX = 100 * 1000,
    PUSH_SERIES_MAX = 1000 * 1000,      /* of all groups */
    PUSH_KEY_LABELS_MAX = 32,
    PUSH_STATE_BYTES_MAX = 15 * MIB,    /* one group as it is kept */
    PUSH_BYTES_MAX = 256 * MIB          /* all groups: HELP lines and long labels count too */
};

/* What it may use of the server. Keeps all of it. */
struct push_env {
    struct clock *clock;
    struct log *log;
    int64_t interval_ns;
    struct firewall *firewall; /* limits of new series: a push over one is refused whole; NULL: there are none */
    void *arg;
    /* Takes batch. Blocks until durable. */
    enum status (*append)(void *arg, struct batch *batch, struct err *err);
    enum status (*state_put)(void *arg, struct slice key, struct slice value, struct err *err);
    enum status (*state_delete)(void *arg, struct slice key, struct err *err);
    /* Calls each for every kept value. */
    enum status (*state_each)(void *arg, void (*each)(void *to, struct slice value), void *to, struct err *err);
};

struct push;
/* Reads what was kept. */
MUST_CHECK enum status push_new(struct push **out, const struct push_env *env, struct err *err);
/* Starts the thread that appends. */
MUST_CHECK enum status push_run(struct push *p, struct err *err);
void push_free(struct push *p); /* waits; accepts NULL */

/* The grouping key of what follows "/metrics/" in a path, percent-encoded as it came: job/NAME{/LABEL/VALUE}, each name with
 * @base64 when its value is so encoded. *labels is canonical and lives in a. */
MUST_CHECK enum status push_key_parse(struct arena *a, struct slice path, struct slice *labels, struct err *err);

struct push_page {
    struct slice tenant, key, body, content_type; /* text format or OpenMetrics */
    bool replace_all;
};
/* A body that is refused leaves the group as it was, but for its push_failure_time_seconds (when it was a page at all).
 * *retry_s: when it may come again, for its tenant is full; 0: never. */
MUST_CHECK enum status push_put(struct push *p, const struct push_page *page, uint32_t *retry_s, struct err *err);
/* ST_OK also when there is no such group. */
MUST_CHECK enum status push_delete(struct push *p, struct slice tenant, struct slice key, struct err *err);

struct push_group_view {
    struct slice labels;                /* the grouping key, canonical; in the arena asked with */
    int64_t pushed_ms, failed_ms;       /* 0: never */
    size_t families, series;
};
/* Of the tenant, by key, in a. */
void push_groups(struct push *p, struct slice tenant, struct arena *a, struct push_group_view **out, size_t *count);

struct push_stats {
    uint64_t groups, series, pushes, failures, append_failures;
};
void push_stats(struct push *p, struct push_stats *out);

#endif
