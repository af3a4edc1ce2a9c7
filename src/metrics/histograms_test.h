/* SPDX-License-Identifier: Apache-2.0 */
/* Histograms for tests. */
#ifndef STOA_METRICS_HISTOGRAMS_TEST_H
#define STOA_METRICS_HISTOGRAMS_TEST_H

#include "base/rand.h"
#include "model/histogram.h"

/* Any valid one: exponential or with bounds of its own, whole counts or fractions, one to many spans, odd sums. */
struct histogram *histogram_any(struct rand *r, struct arena *a);
/* The next scrape of h: observations have come to its buckets, and now and then to a bucket it did not have. */
struct histogram *histogram_grown(struct rand *r, struct arena *a, const struct histogram *h);

#endif
