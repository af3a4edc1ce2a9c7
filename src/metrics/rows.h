/* SPDX-License-Identifier: Apache-2.0 */
/* Raw samples in memory: columns in arrival order, in blocks that never move. One writer (the commit thread) appends and
 * then publishes the count; readers look at what was published, without a lock.
 *
 * Times and LSNs are offsets from the block's first ones. Where one does not fit (a backfill beside live data, or a block that
 * fills very slowly) the block gets them in full from then on. */
#ifndef STOA_METRICS_ROWS_H
#define STOA_METRICS_ROWS_H

#include "metrics/state.h"

enum { ROWS_BLOCK = 16384 };

struct raw_rows_full {
    int64_t t_ms[ROWS_BLOCK];
    uint32_t lsn[ROWS_BLOCK];          /* from rows.lsn_base */
};

struct raw_rows_block {
    struct raw_rows_block *next;       /* to be followed only when the count says there is more */
    int64_t min_t_ms, max_t_ms;        /* to be read only when the block is full */
    int64_t first_t_ms;
    uint32_t first_lsn;                /* from rows.lsn_base */
    struct raw_rows_full *_Atomic full; /* NULL: every offset fits; otherwise it holds all rows of the block */
    uint32_t slot[ROWS_BLOCK];
    int32_t t_offset[ROWS_BLOCK];
    uint16_t lsn_offset[ROWS_BLOCK];
    double v[ROWS_BLOCK];
};

static inline int64_t raw_row_t_ms(const struct raw_rows_block *b, size_t i)
{
    const struct raw_rows_full *f = atomic_load_explicit(&b->full, memory_order_acquire);
    return f ? f->t_ms[i] : b->first_t_ms + b->t_offset[i];
}
/* From rows.lsn_base. */
static inline uint32_t raw_row_lsn(const struct raw_rows_block *b, size_t i)
{
    const struct raw_rows_full *f = atomic_load_explicit(&b->full, memory_order_acquire);
    return f ? f->lsn[i] : b->first_lsn + b->lsn_offset[i];
}

struct rows {
    struct metrics_state *state;
    uint64_t generation;
    struct raw_rows_block *first, *last;
    uint64_t lsn_base, lsn_last;       /* lsn_base is good once count > 0 */
    int64_t received_ns;
    struct arena *histograms;          /* those of the rows: only added to, so what is published stays as it is */
    _Atomic uint64_t count;
    _Atomic size_t bytes, histogram_bytes;
    struct metadata_entry **metadata;  /* seen by this table; the writer's, and the encoder's once sealed */
    _Atomic size_t metadata_count;
    size_t metadata_cap;
};

/* As in struct store_kind. */
void *raw_rows_new(void *state);
void raw_rows_free(void *mem);
void raw_rows_apply(void *mem, const struct batch *b, uint64_t lsn);
size_t raw_rows_bytes(const void *mem);
/* Samples, and metadata seen: so that a table with nothing but metadata is kept too. */
uint64_t raw_rows_count(const void *mem);
/* At the end of the state: frees the blocks kept for a next table. */
void raw_rows_forget(struct metrics_state *st);

#endif
