/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones as the engine applies them: parsed once a query or merge, then asked per series. */
#ifndef STOA_METRICS_DEAD_H
#define STOA_METRICS_DEAD_H

#include "model/matcher.h"
#include "store/store.h"

struct dead;

/* What a tombstone deletes of one series: rows with start_ns <= time < end_ns and an LSN below lsn (an erase: any). */
struct dead_range {
    int64_t start_ns, end_ns;
    uint64_t id, lsn;
    bool is_erase;
};

/* Of the tombstones for samples; NULL when there are none. Keeps list.list. */
struct dead *dead_new(struct tombstones list);
void dead_free(struct dead *d); /* accepts NULL */
/* The ranges for a series, valid until the next call; d may be NULL. */
size_t dead_of(struct dead *d, struct slice tenant, struct slice labels, const struct dead_range **out);
static inline bool dead_hits_row(const struct dead_range *r, int64_t t_ns, uint64_t lsn)
{
    return t_ns >= r->start_ns && t_ns < r->end_ns && (r->is_erase || lsn < r->lsn);
}
/* The same for a row of a part that has applied the tombstones up to applied_id: later ones are newer than all its rows. */
static inline bool dead_hits_part(const struct dead_range *r, int64_t t_ns, uint64_t applied_id)
{
    return t_ns >= r->start_ns && t_ns < r->end_ns && (r->is_erase || r->id > applied_id);
}
/* The highest id of d's tombstones; 0 when d is NULL. */
uint64_t dead_id(const struct dead *d);

#endif
