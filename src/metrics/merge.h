/* SPDX-License-Identifier: Apache-2.0 */
/* Merging parts, and the two steps of it that queries share. */
#ifndef STOA_METRICS_MERGE_H
#define STOA_METRICS_MERGE_H

#include "metrics/dead.h"
#include "metrics/spart.h"

/* As struct store_kind.merge. */
enum status merge_parts(void *state, const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                        struct buf *meta, const atomic_bool *stop, struct err *err);

/* Adds the samples of one to all; of equal times those of one stay. spare is for the work between. */
void merge_runs(struct run *all, struct run *one, struct run *spare);
/* Takes away what the ranges delete from samples of a part that has applied tombstones up to applied_id. */
void merge_bury(struct run *r, const struct dead_range *dead, size_t count, uint64_t applied_id);

#endif
