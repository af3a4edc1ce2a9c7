/* SPDX-License-Identifier: Apache-2.0 */
/* An exemplar: one observation behind a series, with labels that name the request it came from. It is stored as an event of
 * kind EVENT_EXEMPLAR: the stream is the series' labels, the labels are fields of the record, and the value is a field of
 * scope instrumentation, so that no label can be taken for it. A trace and a span id among the labels also stand in their columns. */
#ifndef STOA_MODEL_EXEMPLAR_H
#define STOA_MODEL_EXEMPLAR_H

#include "model/batch.h"

enum {
    EXEMPLAR_LABELS_MAX = 32,
    EXEMPLAR_LABELS_BYTES_MAX = 1 * KIB, /* names and values together; OpenMetrics allows 128 characters */
    EXEMPLAR_AGE_HOURS_MAX = 24          /* pages repeat exemplars for as long as the process lives: older ones are not taken */
};
#define EXEMPLAR_VALUE SLICE("value")

/* Adds one to b; everything but series, which must live as long as b, is copied. ST_INVALID or ST_LIMIT name the label. */
MUST_CHECK enum status exemplar_add(struct batch *b, struct slice series, const struct label *labels, size_t count, double value, int64_t time_ns,
                                    struct err *err);
double exemplar_value(const struct event *e);
/* The labels, canonical, in a. */
struct slice exemplar_labels(struct arena *a, const struct event *e);
/* The same series, labels, value and time: a page or a sender told it again. */
bool exemplar_equal(const struct event *x, const struct event *y);

#endif
