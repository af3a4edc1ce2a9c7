/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms as protobuf has them: of remote write (both versions), of exposition pages, and of OTLP, which tells
 * buckets otherwise. What comes out is checked (histogram_check) and lives in the arena. */
#ifndef STOA_INGEST_NATIVE_H
#define STOA_INGEST_NATIVE_H

#include "ingest/pb.h"
#include "model/histogram.h"

enum {
    NATIVE_SCHEMA_MAX = 52,     /* finer than HISTOGRAM_SCHEMA_MAX: taken, and reduced to it */
    NATIVE_FIELD_MAX = 18,
};

/* What a field of a message means; by field number. */
enum native_field { NATIVE_NOTHING, NATIVE_COUNT, NATIVE_COUNT_FLOAT, NATIVE_SUM, NATIVE_SCHEMA, NATIVE_THRESHOLD, NATIVE_ZEROS,
                    NATIVE_ZEROS_FLOAT, NATIVE_NEG_SPAN, NATIVE_NEG_DELTA, NATIVE_NEG_COUNT, NATIVE_POS_SPAN, NATIVE_POS_DELTA,
                    NATIVE_POS_COUNT, NATIVE_HINT, NATIVE_TIME, NATIVE_BOUND, NATIVE_START };
struct native_layout {
    uint8_t fields[NATIVE_FIELD_MAX]; /* enum native_field */
};
extern const struct native_layout native_remote_write, native_exposition;

struct native_point {
    struct histogram *histogram;
    int64_t t_ms, start_ms; /* remote write; 0: not told */
};

/* ST_INVALID: no such message, or counts, spans and buckets that contradict each other. ST_LIMIT: over HISTOGRAM_BUCKETS_MAX. */
MUST_CHECK enum status native_read(struct arena *a, struct slice message, const struct native_layout *layout, struct native_point *out,
                                   struct err *err);

/* Buckets one by one: index as in struct histogram, ascending. */
struct native_bucket {
    int64_t index;
    double count;
};
/* A side of these buckets, 2^shift of them in one: empty ones left out unless few stand between others. */
MUST_CHECK enum status native_side(struct arena *a, const struct native_bucket *list, size_t count, int shift, struct histogram_side *out,
                                   struct err *err);
/* Of the same kind as h, with nothing counted: how a counter stands at its start. */
struct histogram *native_empty(struct arena *a, const struct histogram *h);

#endif
