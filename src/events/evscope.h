/* SPDX-License-Identifier: Apache-2.0 */
/* What one query looks at: a view of the store, the predicate and tombstones made ready, a plan a part. Shared by scans,
 * counts and names. One thread. */
#ifndef STOA_EVENTS_EVSCOPE_H
#define STOA_EVENTS_EVSCOPE_H

#include "events/evmem.h"
#include "events/evplan.h"

/* The kind's state, one per store. */
struct evstate {
    struct store *store;
    _Atomic uint64_t corrupt_blocks;
    struct mutex stats_lock;
    uint64_t streams_of, streams; /* how many streams the tables and parts with this signature have; stats_lock */
};

struct evscope {
    struct store *store;
    struct engine_ctx *ctx;
    struct store_view *view;
    struct arena *arena;    /* as long as the scope */
    struct arena *scratch;  /* reset at will */
    const struct evpred *pred;
    unsigned node_count;
    struct evtombs tombs;
    struct evplan **plans;  /* one a part of the view; NULL: the part is left out */
    int64_t start_ns, end_ns;
    uint32_t kinds;
};

/* [start, end); kinds: bits 1 << enum event_kind. */
struct evscope *evscope_open(struct store *s, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, uint32_t kinds, const struct pred *pred);
void evscope_close(struct evscope *sc); /* accepts NULL */
/* Is it a block of ours by tenant, kind, time? */
bool evscope_has_block(const struct evscope *sc, const struct evdir *d, const struct evdir_block *b);
/* Is every row of the block ours, without looking at one? */
bool evscope_has_all(const struct evscope *sc, struct evplan *plan, const struct evdir_block *b);
/* Is the row ours (tenant, kind, time, predicate, not deleted)? */
bool evscope_has_row(struct evscope *sc, const struct evrow *row);
/* The block's rows that are ours: sel (room for EVDIR_BLOCK_ROWS_MAX) and *count. *out NULL when there are none, or the
 * block is corrupt (warned of and counted). Fails only when the query must end. */
MUST_CHECK enum status evscope_select(struct evscope *sc, struct evplan *plan, const struct evdir_block *b, struct evread **out,
                                      uint8_t *sel, size_t *count, struct err *err);
/* After an error of evread: ST_OK when the block is to be skipped. */
MUST_CHECK enum status evscope_skip(struct evscope *sc, enum status st, struct err *err);

#endif
