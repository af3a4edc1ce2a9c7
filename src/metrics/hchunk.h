/* SPDX-License-Identifier: Apache-2.0 */
/* The encoding of up to 512 native histograms of one series, column by column. docs/formats/metrics-part.md. Pure; any thread. */
#ifndef STOA_METRICS_HCHUNK_H
#define STOA_METRICS_HCHUNK_H

#include "metrics/chunk.h"
#include "model/histogram.h"

enum {
    HCHUNK_HISTOGRAMS_MAX = CHUNK_SAMPLES_MAX,
    HCHUNK_MEMORY_MAX = 256 * KIB,          /* what the histograms of one may take in memory, unless it is a single one */
    HCHUNK_BUCKETS_MAX = HCHUNK_MEMORY_MAX / 8 /* so they have at most so many buckets together */
};

/* How many of the first n go into one: at least 1. */
size_t hchunk_fit(const struct histogram *const *h, size_t n);
/* Appends the encoding of n, at most what hchunk_fit says. They are as histogram_check wants them. scratch is reset. */
void hchunk_encode(const struct histogram *const *h, size_t n, struct arena *scratch, struct buf *out);
/* Those from `first` on, `count` of the n that were encoded, bit for bit; they live in a and share spans and bounds.
 * False when bytes do not parse. scratch is reset; it is not a. */
MUST_CHECK bool hchunk_decode(struct slice bytes, size_t n, size_t first, size_t count, struct arena *scratch, struct arena *a,
                              const struct histogram **out);

#endif
