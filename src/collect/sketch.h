/* SPDX-License-Identifier: Apache-2.0 */
/* Observations in exponential buckets: the shape of a native histogram, growing only where values are. One thread. */
#ifndef STOA_COLLECT_SKETCH_H
#define STOA_COLLECT_SKETCH_H

#include "model/histogram.h"

enum {
    SKETCH_BUCKETS_MAX = 160,  /* both sides together; over it neighbours are joined two by two */
    SKETCH_BUCKETS_MOST = 264  /* of all doubles in the coarsest schema, where nothing is joined any more */
};

struct sketch_side {
    int32_t *index; /* ascending */
    double *count;
    uint32_t n, cap;
};

/* Zeroed but for schema: an empty one. Bucket i holds values up to 2^(i / 2^schema). */
struct sketch {
    int schema;
    double count, sum, zero, min, max;
    struct sketch_side positive, negative;
};

void sketch_init(struct sketch *s, int schema);
void sketch_free(struct sketch *s);
/* Empties it, with its memory and in the schema given. */
void sketch_reset(struct sketch *s, int schema);
/* v is finite. weight: how many observations it stands for. */
void sketch_add(struct sketch *s, double v, double weight);
/* What q (0 to 1) of all values of both are at most; NaN when there are none. b may be NULL. */
double sketch_quantile(const struct sketch *s, const struct sketch *b, double q);
size_t sketch_bytes(const struct sketch *s);
/* Adds what h has, which is exponential. Its least and greatest value are not known: quantiles are of the rest. */
void sketch_load(struct sketch *s, const struct histogram *h);
/* In a. */
struct histogram *sketch_histogram(const struct sketch *s, struct arena *a);

#endif
