/* SPDX-License-Identifier: Apache-2.0 */
/* Native histograms: exponential buckets, or buckets with bounds of their own. Plain values, immutable once another can
 * see them; they live in the arena they were made in. Buckets hold their own counts (not cumulative, not deltas).
 * https://prometheus.io/docs/specs/native_histograms/ */
#ifndef STOA_MODEL_HISTOGRAM_H
#define STOA_MODEL_HISTOGRAM_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "model/sample.h"

enum {
    HISTOGRAM_SCHEMA_MIN = -4,
    HISTOGRAM_SCHEMA_MAX = 8,
    HISTOGRAM_SCHEMA_CUSTOM = -53,     /* bounds are listed */
    HISTOGRAM_BUCKETS_MAX = 16 * 1024, /* of one, both sides together */
    HISTOGRAM_BOUNDS_MAX = 4 * 1024,   /* custom ones */
    HISTOGRAM_INDEX_MAX = 1 << 30,     /* of a bucket */
    HISTOGRAM_BYTES_MAX = 256 * KIB    /* of one as bytes */
};

enum histogram_hint { HINT_UNKNOWN, HINT_RESET, HINT_NOT_RESET, HINT_GAUGE };

/* `length` buckets in a row, `offset` behind the end of the span before (the first: behind index 0). */
struct histogram_span {
    int32_t offset;
    uint32_t length;
};

/* Bucket i of an exponential side holds observations in (base^(i-1), base^i], base = 2^(2^-schema); with custom bounds in
 * (bounds[i-1], bounds[i]], from -Inf to +Inf. */
struct histogram_side {
    struct histogram_span *spans;
    double *buckets;
    uint32_t span_count, bucket_count; /* bucket_count is the sum of the spans' lengths */
};

struct histogram {
    int8_t schema;
    uint8_t hint;                             /* enum histogram_hint */
    double count, sum, zero_count, zero_threshold;
    struct histogram_side positive, negative; /* custom bounds: positive alone */
    double *bounds;                           /* ascending, finite; custom only */
    uint32_t bound_count;
};

/* ---- whole ones ---- */

struct histogram *histogram_copy(struct arena *a, const struct histogram *h);
/* Bytes it takes in memory. */
size_t histogram_bytes(const struct histogram *h);
/* ST_INVALID: what cannot be (unknown schema, counts below 0 or NaN, spans that do not fit the buckets, bounds not ascending, ...). */
MUST_CHECK enum status histogram_check(const struct histogram *h, struct err *err);
/* The same spans, bounds and counts, bit for bit; hints too. */
bool histogram_is_same(const struct histogram *a, const struct histogram *b);
/* As Prometheus's == sees them: spans that say the same in another way are equal, hints do not count. */
bool histogram_equal(const struct histogram *a, const struct histogram *b);

/* As bytes, for the log and blocks; self-delimiting, exact. Decoding checks. */
void histogram_write(struct buf *out, const struct histogram *h);
MUST_CHECK bool histogram_read(struct reader *r, struct arena *a, struct histogram **out);

/* ---- arithmetic, as Prometheus does it; results are new and live in a ---- */

struct histogram_note {      /* or-ed by each call */
    bool has_hint_conflict;  /* a reset met a non-reset: the hint became unknown */
    bool has_merged_bounds;  /* custom bounds differed: only common ones are left */
};
/* a + b, a - b. NULL: exponential met custom buckets. */
struct histogram *histogram_add(struct arena *a, const struct histogram *x, const struct histogram *y, struct histogram_note *note);
struct histogram *histogram_sub(struct arena *a, const struct histogram *x, const struct histogram *y, struct histogram_note *note);
struct histogram *histogram_scale(struct arena *a, const struct histogram *h, double factor);
struct histogram *histogram_divide(struct arena *a, const struct histogram *h, double by);
/* In a lower resolution; schema is at most h's. Exponential only. */
struct histogram *histogram_reduce(struct arena *a, const struct histogram *h, int schema);
/* Without empty buckets at ends of spans and empty spans. */
struct histogram *histogram_compact(struct arena *a, const struct histogram *h);
/* Was there a counter reset between two neighbours of a series? */
bool histogram_is_reset(const struct histogram *before, const struct histogram *h);

/* ---- buckets one by one, in ascending order of their bounds, the zero bucket among them; empty ones only where spans have them ---- */

struct histogram_bucket {
    double lower, upper, count;
    bool has_lower, has_upper; /* the bound itself belongs to it */
    bool is_zero;
};
struct histogram_walk {
    const struct histogram *h;
    int64_t index; /* the walk's own, from here on */
    uint32_t span, at, bucket;
    uint8_t part;
    bool is_reverse;
};
struct histogram_walk histogram_walk(const struct histogram *h);
struct histogram_walk histogram_walk_down(const struct histogram *h);
bool histogram_next(struct histogram_walk *w, struct histogram_bucket *out);
/* The upper bound of a positive bucket. */
double histogram_bound(const struct histogram *h, int64_t index);

/* ---- text ---- */

/* As Prometheus prints it: {count:2, sum:3, [-0.001,0.001]:1, (0.5,1]:1}. */
void histogram_format(struct buf *out, const struct histogram *h);

#endif
