/* SPDX-License-Identifier: Apache-2.0 */
/* Makes a part of samples: series in (tenant, label) order, each with its samples by time. docs/formats/metrics-part.md.
 * What is held meanwhile: the labels' dictionary and one group of series. One thread. */
#ifndef STOA_METRICS_BUILD_H
#define STOA_METRICS_BUILD_H

#include "metrics/state.h"

struct build;

struct build *build_new(struct metrics_state *st, struct part_writer *w);
void build_free(struct build *b); /* accepts NULL */
/* Starts a series, behind all before. Borrows both. */
void build_series(struct build *b, struct slice tenant, struct slice labels);
/* Samples of the series started last, by time, each time once, behind those given before. Borrows them and their histograms. */
MUST_CHECK enum status build_samples(struct build *b, const int64_t *t_ms, const double *v, size_t n, struct err *err);
/* Writes what is left and fills meta. about: metadata entries as metadata_write_entries made them. Tells the writer about the
 * rows; fallback_ns is the time it hears when there are none. */
MUST_CHECK enum status build_end(struct build *b, uint64_t applied_id, uint64_t min_lsn, uint64_t max_lsn, int64_t fallback_ns,
                                 struct slice about, struct buf *meta, struct err *err);

/* Rows -> parts, as struct store_kind.mem_encode. */
enum status build_from_rows(void *mem, struct part_sink *sink, struct err *err);

#endif
