/* SPDX-License-Identifier: Apache-2.0 */
/* A predicate against one part: what the directory, the table of traces and the filters say about each block, and which
 * rows of a block it selects. One thread. */
#ifndef STOA_EVENTS_EVPLAN_H
#define STOA_EVENTS_EVPLAN_H

#include "events/evpred.h"
#include "events/evread.h"
#include "events/evtomb.h"

/* What may be among the rows of a block. */
enum evplan_verdict { EVPLAN_NEVER = 0, EVPLAN_TRUE = 1, EVPLAN_FALSE = 2, EVPLAN_BOTH = 3 };

struct evplan;
/* Keeps everything; lives in a. root may be NULL. */
struct evplan *evplan_new(const struct part *p, const struct evpred *root, unsigned node_count, const struct evtombs *tombs,
                          struct engine_ctx *ctx, struct arena *a);
const struct evdir *evplan_dir(const struct evplan *plan);
const struct part *evplan_part(const struct evplan *plan);

/* x: of that block, to read its filter; NULL: without filters. */
enum evplan_verdict evplan_judge(struct evplan *plan, const struct evdir_block *b, struct evread *x);
/* sel[row] = 1 for each of the block's rows in [start, end) that the predicate selects and no tombstone deletes.
 * evplan_judge must have been the call before, for the same block. */
MUST_CHECK enum status evplan_select(struct evplan *plan, struct evread *x, int64_t start_ns, int64_t end_ns, uint8_t *sel,
                                     size_t *count, struct err *err);
/* Can a tombstone touch rows of the block? */
bool evplan_is_touched(const struct evplan *plan, const struct evdir_block *b);

/* ---- for evselect.c ---- */

bool evplan_number_matches(struct evplan *plan, const struct evpred *n, uint32_t number);
/* Numbers of the part's fields that n looks at, with their rank (0: best scope). */
struct evplan_field {
    uint32_t number;
    uint8_t rank;
};
const struct evplan_field *evplan_fields(struct evplan *plan, const struct evpred *n, size_t *count);

struct evselect {
    struct evread *x;
    struct evplan *plan;
    const struct evdir *d;
    const struct evdir_block *b;
    const uint8_t *verdicts; /* by node id */
    struct arena *scratch;
    size_t n;
    struct err *err;
};
/* Clears sel[row] where n is false. */
MUST_CHECK enum status evselect_eval(struct evselect *s, const struct evpred *n, uint8_t *sel);

#endif
