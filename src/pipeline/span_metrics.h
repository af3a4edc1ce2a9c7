/* SPDX-License-Identifier: Apache-2.0 */
/* Spans counted as metrics, under the names of Tempo's metrics generator and, as there, with native histograms (in seconds) that have exemplars:
 *
 *     traces_spanmetrics_calls_total, traces_spanmetrics_latency      {service, span_name, span_kind, status_code}
 *     traces_service_graph_request_total, …_request_failed_total      {client, server, connection_type}
 *     traces_service_graph_request_server_seconds, …_client_seconds   the same
 *     traces_target_info                                              {service, service_version}: 1 while spans or logs of it come
 *
 * Off until it is switched on. Counters begin at 0 with a sample of the interval before, so that rate() sees the first spans; what
 * no span came for ends after SPAN_METRICS_REST_SECONDS. Any thread, but for span_metrics_write. */
#ifndef STOA_PIPELINE_SPAN_METRICS_H
#define STOA_PIPELINE_SPAN_METRICS_H

#include "model/batch.h"

enum {
    SPAN_METRICS_INTERVAL_SECONDS = 15,
    SPAN_METRICS_REST_SECONDS = 15 * 60,
    SPAN_METRICS_MAX = 10 * 1000,         /* label sets of operations, of all tenants; 2 series each */
    SPAN_NAMES_PER_SERVICE_MAX = 400,     /* label sets of a service; further names are counted as __overflow__ */
    SPAN_NAME_BYTES_MAX = 200,            /* longer names are cut */
    SPAN_EDGES_MAX = 5000,                /* of all tenants; 4 series each */
    SPAN_EDGES_PER_CLIENT_MAX = 200,      /* further servers of a client are counted as __overflow__ */
    SPAN_VERSIONS_MAX = 5000,             /* of all services */
    SPAN_VERSIONS_PER_SERVICE_MAX = 50    /* that came in SPAN_METRICS_REST_SECONDS; further ones are left out */
};

struct span_metrics;
struct span_metrics *span_metrics_new(void);
void span_metrics_free(struct span_metrics *m); /* accepts NULL */
/* Switched off, what was counted ends with the next write. */
void span_metrics_switch(struct span_metrics *m, bool on);

struct span_metrics_result {
    uint64_t folded, left_out; /* spans counted as __overflow__, or not at all */
};
/* Counts the spans of b, each as often as it weighs, and the versions of its spans and logs; nothing of a batch that is our own. Borrows b. */
void span_metrics_take(struct span_metrics *m, const struct batch *b, struct span_metrics_result *out);

/* Since the start: halves of calls that found no other; that had no place to wait in; calls counted as __overflow__; calls, and
 * versions, that had no place in the table. */
enum span_metrics_loss { SPAN_EDGE_UNPAIRED, SPAN_EDGE_DROPPED, SPAN_EDGE_FOLDED, SPAN_EDGE_UNCOUNTED, SPAN_VERSION_UNCOUNTED, SPAN_LOSS_COUNT };
uint64_t span_metrics_lost(const struct span_metrics *m, enum span_metrics_loss what);

/* Hands on what there is as samples of now_ms, a batch a tenant. append takes the batch. By one thread. The first failure is told; what
 * was counted is told again, with what comes, at the next write. */
MUST_CHECK enum status span_metrics_write(struct span_metrics *m, int64_t now_ms,
                                          enum status (*append)(void *arg, struct batch *b, struct err *err), void *arg, struct err *err);

#endif
