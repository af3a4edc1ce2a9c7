/* SPDX-License-Identifier: Apache-2.0 */
/* Downsampling. A day that is over is read once more, and each series leaves what it was in buckets of five minutes and of an hour:
 * last, min, max, sum, count, and how much a counter grew. They are samples as others are, of the same labels and of a tenant of our
 * own making for each resolution and column ("default#5m.max"), in retention classes of their own: so the log, crashes, merges, tiers
 * and deletes need to know nothing about them, and they outlive the raw ones.
 *
 * A bucket is (end - resolution, end] and stands at its end: a range of PromQL that ends at a bucket's end holds whole buckets. */
#ifndef STOA_METRICS_ROLLUP_H
#define STOA_METRICS_ROLLUP_H

#include "metrics/metrics.h"

enum rollup_column { ROLLUP_LAST, ROLLUP_MIN, ROLLUP_MAX, ROLLUP_SUM, ROLLUP_COUNTED, ROLLUP_INCREASE, ROLLUP_COLUMNS };

enum { ROLLUP_TENANT_BYTES_MAX = 96 };

struct rollup_bucket {
    int64_t t_ms; /* its end */
    double v[ROLLUP_COLUMNS];
    bool is_histogram; /* then v[ROLLUP_LAST] alone says something */
};

/* The tenant that holds a column; out has ROLLUP_TENANT_BYTES_MAX bytes. */
struct slice rollup_tenant(char *out, struct slice tenant, enum rollup r, enum rollup_column column);
/* Of such a tenant; ROLLUP_NONE: it is none. */
enum rollup rollup_of_tenant(struct slice tenant);
/* The name of its retention class. */
struct slice rollup_class_name(enum rollup r);
/* The tenant of the notes of which days are done. They say nothing of anybody's samples, so no tombstone applies to them. */
struct slice rollup_notes_tenant(enum rollup r);
bool rollup_is_note(struct slice tenant);

/* Buckets of a series' samples, by time, in (from, to]; both are ends of buckets. Samples before tell what a counter was. Stale marks are
 * not counted, and what is no finite number tells of no growth. out has room for (to - from) / rollup_ms(r) buckets. */
size_t rollup_make(enum rollup r, const int64_t *t_ms, const double *v, size_t n, int64_t from_ms, int64_t to_ms, struct rollup_bucket *out);

/* How a function wants its buckets. */
enum rollup_way {
    ROLLUP_REPEAT,  /* the same in the whole of a bucket */
    ROLLUP_SPREAD,  /* evenly over the bucket: what is added up stays the same */
    ROLLUP_COUNTER, /* a counter that grew evenly within each bucket: column increase, and last to end at */
    ROLLUP_MEAN     /* column sum by column count, repeated */
};
struct rollup_use {
    enum rollup_column column, second; /* the same when one is enough */
    enum rollup_way way;
};
/* For a function of PromQL; empty: a selector. */
struct rollup_use rollup_use_of(struct slice fn);

/* A growing list of samples. */
struct rollup_run {
    int64_t *t_ms;
    double *v;
    size_t n, cap;
};
/* How many points a bucket comes to: so many that every range of range_ms finds one, or several of a counter (0: one a bucket); of ranges
 * under ROLLUP_POINT_MS_MIN not every one does. */
enum { ROLLUP_POINT_MS_MIN = 1000 };
int64_t rollup_points(enum rollup r, enum rollup_way way, int64_t range_ms);
/* Adds what n buckets come to. a and b: the columns, at the times t. A counter goes on where one in out ends: that is moved down
 * when it would stand higher than what follows begins. */
void rollup_expand(enum rollup r, enum rollup_way way, int64_t range_ms, const int64_t *t_ms, const double *a, const double *b, size_t n,
                   struct rollup_run *out);

/* As metrics_samples, where raw samples are gone or coarser ones are asked for. */
enum status rollup_samples(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err);
/* Does it take that? */
bool rollup_is_needed(struct store *s, const struct engine_ctx *ctx, const struct samples_query *q);

/* For what asks which series there are since start_ms: ctx's tenants, and where raw samples are gone the ones that hold what was made of
 * theirs. A series may stand in several. *out lives in a. */
size_t rollup_tenants(struct store *s, const struct engine_ctx *ctx, int64_t start_ms, struct arena *a, struct slice **out);

/* Days before this are downsampled to r, or had nothing; INT64_MIN: none is. */
int64_t rollup_done_until_ms(struct store *s, enum rollup r);
/* As engine_ops.downsample. */
enum status rollup_day(struct engine *e, struct store *s, const atomic_bool *stop, bool *did, struct err *err);

#endif
