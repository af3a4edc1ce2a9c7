/* SPDX-License-Identifier: Apache-2.0 */
/* Deltas of counters and histograms (OTLP) become what Prometheus stores: totals since a start.
 *
 * A decoder leaves a delta in the batch as it came, with the start of its interval (batch_series.delta_from_ms). Here each
 * stream's total is kept in memory. It begins with a sample of 0 at the start of its first delta; after a restart of the server
 * it goes on from its last sample in the store (pipeline/last.h). A delta that comes again (its time is that of the last one)
 * adds nothing, before a restart or after it. */
#ifndef STOA_PIPELINE_DELTA_H
#define STOA_PIPELINE_DELTA_H

#include "model/batch.h"
#include "model/ingest_result.h"
#include "pipeline/last.h"

enum {
    DELTA_STREAMS_MAX = 500 * 1000,           /* series of all tenants; more are refused until others rest */
    DELTA_HISTOGRAM_BYTES_MAX = 256 * MIB,    /* totals of native histograms */
    DELTA_IDLE_MINUTES_MAX = 60               /* a stream that rests as long is forgotten */
};

/* Any number of threads at once. streams_max: at most DELTA_STREAMS_MAX. last: asked for streams that memory does not know; NULL: nobody. */
struct delta;
struct delta *delta_new(size_t streams_max, const struct last_reader *last);
void delta_free(struct delta *d); /* accepts NULL */
/* Changes b in place: deltas become totals as of their times. What cannot be added (older than the last one, over a limit) is taken
 * out and moves from accepted to rejected. */
void delta_run(struct delta *d, struct batch *b, struct ingest_result *result);

struct delta_stats {
    uint64_t streams, histogram_bytes, added, repeated, refused_late, refused_limit, restored;
};
struct delta_stats delta_stats(struct delta *d);

#endif
