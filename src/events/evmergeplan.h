/* SPDX-License-Identifier: Apache-2.0 */
/* What a merge does with each block of its parts: steps, in the order of the part to be made. */
#ifndef STOA_EVENTS_EVMERGEPLAN_H
#define STOA_EVENTS_EVMERGEPLAN_H

#include "events/evdir.h"
#include "model/event.h"

struct evmerge_block {
    const struct part *p;
    const struct evdir *d;
    const struct evdir_block *b;
    size_t part;     /* place of p in the merge */
    bool is_touched; /* a tombstone may be about rows of it; the caller says so */
    bool is_copied;
};

/* Blocks of one part whose rows follow on one another in order. */
struct evmerge_run {
    const struct evmerge_block **blocks;
    size_t count;
};

struct evmerge_step {
    const struct evmerge_block *copied; /* NULL: the runs are merged */
    struct evmerge_run *runs;
    size_t run_count, rows;
    bool is_even; /* blocks made of it are of alike size */
};

struct evmerge_plan {
    struct evmerge_block *blocks;
    size_t block_count;
    struct evmerge_step *steps;
    size_t step_count;
};

/* All blocks, in the order of parts; lives in a. */
struct evmerge_block *evmergeplan_blocks(const struct part *const *parts, size_t count, struct arena *a, struct evmerge_plan *plan);
void evmergeplan_make(struct evmerge_plan *plan, struct arena *a);

#endif
