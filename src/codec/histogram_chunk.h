/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's chunks of native histograms, read: of whole numbers, and of floats. One layout of buckets a chunk.
 * https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/chunks.md */
#ifndef STOA_CODEC_HISTOGRAM_CHUNK_H
#define STOA_CODEC_HISTOGRAM_CHUNK_H

#include "base/arena.h"

enum { HISTOGRAM_CHUNK_SPANS_MAX = 4096, HISTOGRAM_CHUNK_BUCKETS_MAX = 16 * 1024, HISTOGRAM_CHUNK_SCHEMA_CUSTOM = -53 };

struct histogram_chunk_span {
    int32_t offset;
    uint32_t length;
};
struct histogram_chunk_side {
    struct histogram_chunk_span *spans;
    double *counts; /* each bucket's own */
    uint32_t span_count, bucket_count;
};

/* One sample. A stale mark has it as its sum, and nothing else. */
struct histogram_chunk_sample {
    int64_t t_ms;
    double count, zero_count, sum;
};

struct histogram_chunk;
/* Borrows bytes; lives in a. NULL: they do not parse. */
struct histogram_chunk *histogram_chunk_open(struct arena *a, struct slice bytes, bool is_float);
/* False at the end, or when bytes end too early: then *bad. */
bool histogram_chunk_next(struct histogram_chunk *c, struct histogram_chunk_sample *out, bool *bad);

/* What all samples share; counts are those of the sample given last. */
int histogram_chunk_schema(const struct histogram_chunk *c);
double histogram_chunk_zero_threshold(const struct histogram_chunk *c);
bool histogram_chunk_is_gauge(const struct histogram_chunk *c);
const struct histogram_chunk_side *histogram_chunk_positive(const struct histogram_chunk *c);
const struct histogram_chunk_side *histogram_chunk_negative(const struct histogram_chunk *c);
const double *histogram_chunk_bounds(const struct histogram_chunk *c, size_t *count);

#endif
