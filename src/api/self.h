/* SPDX-License-Identifier: Apache-2.0 */
/* Our own metrics, logs and traces, by the client library. What comes out here is appended to our own store by the server
 * without producing telemetry again. Queries, jobs, errors and slow requests always have a span; ingest requests at most
 * SELF_INGEST_SPANS_PER_SECOND_MAX, with weights that make the counts right. */
#ifndef STOA_API_SELF_H
#define STOA_API_SELF_H

#include "client/stoa.h"
#include "net/http.h"
#include "store/engine.h"
#include "sys/clock.h"

enum { SELF_INGEST_SPANS_PER_SECOND_MAX = 10, SELF_SLOW_MS = 500 };

struct self;
struct auth_caller;

/* send_span gets what is to be stored; NULL: no spans. Keeps clock and arg. */
struct self *self_new(struct clock *clock, void (*send_span)(void *arg, const struct stoa_span_data *span), void *arg);
void self_free(struct self *s);

/* The ids of the request's span, made at the first call: before the answer, so that what runs for the request can be its child. */
struct self_ids {
    uint8_t trace_id[16], span_id[8], parent_id[8]; /* the trace and parent of a traceparent header, when there is one */
};
const struct self_ids *self_request_ids(struct http_exchange *x);

/* What is known of a request besides what it said. Made at the first call, in the exchange's arena. */
struct self_request {
    struct self_ids ids;
    bool has_ids;
    struct slice trace_state;         /* of the same headers */
    const struct auth_caller *caller; /* NULL: nobody had to say who */
    struct slice audit_text;          /* for the audit log; empty: the parameter "query" */
    uint64_t audit_rows;
};
struct self_request *self_request_of(struct http_exchange *x);

/* A request is done. is_ingest: of its like only some get a span. */
void self_request_done(struct self *s, struct http_exchange *x, struct slice route, bool is_ingest, int status, uint64_t bytes_in,
                       uint64_t bytes_out, int64_t ns);
/* parent: of the request that asked; NULL: none. */
void self_query_done(struct self *s, const struct self_ids *parent, const char *dialect, struct slice text, const struct engine_ctx *ctx,
                     int64_t ns, enum status st, const struct err *err);
void self_ingest_done(struct self *s, const char *protocol, size_t samples, size_t events, size_t rejected, enum status st);
/* A background job (flush, merge, scrape, ...) is done. ids: of its span; NULL: of its own. */
void self_job_done(struct self *s, const char *job, const struct self_ids *ids, int64_t start_wall_ns, int64_t ns, enum status st, const char *error);
/* The /metrics page, appended to out: the registry, and gauges from stats. */
void self_metrics_page(struct self *s, const struct engine_stats *stats, const struct http_stats *http, struct buf *out);

#endif
