/* SPDX-License-Identifier: Apache-2.0 */
/* Who calls whom, told from spans as they come: a client's span and the server's, which arrive in different requests, are paired by their ids;
 * what has no server's half is a call to its peer by name (a database, a queue, a program that sends no spans). One thread at a time. */
#ifndef STOA_PIPELINE_SPAN_EDGES_H
#define STOA_PIPELINE_SPAN_EDGES_H

#include "pipeline/span_series.h"

enum {
    SPAN_EDGE_WAIT_SECONDS = 10,       /* for the other half of a call, from when the first came */
    SPAN_EDGES_PENDING_MAX = 50 * 1000, /* halves that wait; then the oldest goes, and counts as dropped */
    SPAN_EDGE_NAME_BYTES_MAX = 200     /* of a peer; longer names are cut */
};

struct span_edges;
struct span_edges *span_edges_new(void);
void span_edges_free(struct span_edges *s); /* accepts NULL */

struct span_edges_result { /* added to */
    uint64_t unpaired, dropped, folded, left_out;
};
/* e is a span of any kind whose service is UTF-8. Edges are counted in t, of SPAN_ROW_EDGE. now_ns is any clock that goes on. */
void span_edges_take(struct span_edges *s, struct span_table *t, struct slice tenant, const struct event *e, int64_t now_ns,
                     struct span_edges_result *out);
/* Halves that waited long enough; all: all of them. */
void span_edges_expire(struct span_edges *s, struct span_table *t, int64_t now_ns, bool all, struct span_edges_result *out);

#endif
