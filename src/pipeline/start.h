/* SPDX-License-Identifier: Apache-2.0 */
/* Whether a start that a pushed sample tells is news: Prometheus makes a sample of 0 of it only when the series has no sample at that time
 * or later. Some senders begin a series whose start they do not know at its first sample, and a 0 there would take its place. */
#ifndef STOA_PIPELINE_START_H
#define STOA_PIPELINE_START_H

#include "pipeline/last.h"

enum { START_SERIES_MAX = 500 * 1000 /* of which a start was told within the last minutes; over it nothing is made of starts */ };

/* Any number of threads at once. */
struct starts;
/* keep_ms: how long before a sample its start may be. last: asked for series that memory does not know; NULL: nobody. */
struct starts *starts_new(int64_t keep_ms, const struct last_reader *last);
void starts_free(struct starts *s); /* accepts NULL */
/* The series has a sample of t_ms, start_ms or later. True: none of start_ms or later was told before. */
bool starts_is_new(struct starts *s, struct slice tenant, struct slice labels, int64_t start_ms, int64_t t_ms, int64_t received_ns);

#endif
