/* SPDX-License-Identifier: Apache-2.0 */
/* Spans counted as metrics, under the names of Tempo's metrics generator: of what services serve (server and consumer spans),
 *
 *     traces_spanmetrics_calls_total                      {service, span_name, span_kind, status_code}
 *     traces_spanmetrics_latency_bucket, _sum, _count     the same, in seconds; buckets with le
 *
 * Off until it is switched on. Counters begin at 0 with a sample of the interval before, so that rate() sees the first spans; what
 * no span came for ends after SPAN_METRICS_REST_SECONDS. Any thread, but for span_metrics_write. */
#ifndef STOA_PIPELINE_SPAN_METRICS_H
#define STOA_PIPELINE_SPAN_METRICS_H

#include "model/batch.h"

enum {
    SPAN_METRICS_INTERVAL_SECONDS = 15,
    SPAN_METRICS_REST_SECONDS = 15 * 60,
    SPAN_METRICS_MAX = 5000,              /* label sets of all tenants; 19 series each */
    SPAN_NAMES_PER_SERVICE_MAX = 200,     /* further ones are counted as __overflow__ */
    SPAN_NAME_BYTES_MAX = 200             /* longer names are cut */
};

struct span_metrics;
struct span_metrics *span_metrics_new(void);
void span_metrics_free(struct span_metrics *m); /* accepts NULL */
/* Switched off, what was counted ends with the next write. */
void span_metrics_switch(struct span_metrics *m, bool on);

struct span_metrics_result {
    uint64_t folded, left_out; /* spans counted as __overflow__, or not at all */
};
/* Counts the spans of b, each as often as it weighs. Borrows b. */
void span_metrics_take(struct span_metrics *m, const struct batch *b, struct span_metrics_result *out);

/* Hands on what there is as samples of now_ms, a batch a tenant. append takes the batch. By one thread. The first failure is told; what
 * was counted is told again, with what comes, at the next write. */
MUST_CHECK enum status span_metrics_write(struct span_metrics *m, int64_t now_ms,
                                          enum status (*append)(void *arg, struct batch *b, struct err *err), void *arg, struct err *err);

#endif
