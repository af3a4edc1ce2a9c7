/* SPDX-License-Identifier: Apache-2.0 */
/* The table of raw samples: see rows.h. Rows stand in LSN order, so of two with the same series and time the later row
 * wins. A table pins the series its rows name (series.h) from its making to its end, and has copies of their histograms.
 *
 * Under load one table fills while the one before it is encoded, so the blocks of a table that was full are kept for the next
 * one: taking them from the system anew would cost a fault for each page. A table that was sealed for its age gives all back. */
#include "metrics/rows.h"

#include "model/histogram.h"

enum { BLOCKS_KEPT_FROM = 32, BLOCKS_KEPT_MAX = 128 };

static struct raw_rows_block *block_new(struct metrics_state *st, int64_t t_ms, uint32_t lsn)
{
    mutex_lock(&st->blocks_lock);
    struct raw_rows_block *b = st->blocks;
    if (b) {
        st->blocks = b->next;
        st->block_count--;
    }
    mutex_unlock(&st->blocks_lock);
    if (b == NULL)
        b = mem_alloc(sizeof *b);
    b->next = NULL;
    b->min_t_ms = INT64_MAX;
    b->max_t_ms = INT64_MIN;
    b->first_t_ms = t_ms;
    b->first_lsn = lsn;
    atomic_init(&b->full, NULL);
    return b;
}

static void blocks_free(struct raw_rows_block *b)
{
    for (struct raw_rows_block *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
}

/* Keeps as many blocks as the table had when that was many, otherwise none. */
static void blocks_return(struct metrics_state *st, struct raw_rows_block *list)
{
    size_t count = 0;
    for (struct raw_rows_block *b = list; b; b = b->next) {
        mem_free(atomic_load_explicit(&b->full, memory_order_relaxed));
        count++;
    }
    bool keep = count >= BLOCKS_KEPT_FROM;
    mutex_lock(&st->blocks_lock);
    while (keep && list && st->block_count < MIN(count, (size_t)BLOCKS_KEPT_MAX)) {
        struct raw_rows_block *b = list;
        list = b->next;
        b->next = st->blocks;
        st->blocks = b;
        st->block_count++;
    }
    struct raw_rows_block *spare = keep ? NULL : st->blocks;
    if (!keep) {
        st->blocks = NULL;
        st->block_count = 0;
    }
    mutex_unlock(&st->blocks_lock);
    blocks_free(list);
    blocks_free(spare);
}

void raw_rows_forget(struct metrics_state *st)
{
    blocks_free(st->blocks);
    st->blocks = NULL;
    st->block_count = 0;
}

void *raw_rows_new(void *state)
{
    struct rows *r = mem_new(struct rows);
    r->state = state;
    r->generation = series_generation_begin(r->state->dict);
    r->histograms = arena_new(0);
    return r;
}

void raw_rows_free(void *mem)
{
    struct rows *r = mem;
    if (r == NULL)
        return;
    blocks_return(r->state, r->first);
    series_generation_end(r->state->dict, r->generation);
    arena_free(r->histograms);
    mem_free(r->metadata);
    mem_free(r);
}

/* The block's first rows in full, before another one that does not fit. */
static struct raw_rows_full *block_widen(struct rows *r, struct raw_rows_block *b, size_t rows)
{
    struct raw_rows_full *f = mem_alloc(sizeof *f);
    for (size_t i = 0; i < rows; i++) {
        f->t_ms[i] = b->first_t_ms + b->t_offset[i];
        f->lsn[i] = b->first_lsn + b->lsn_offset[i];
    }
    atomic_store_explicit(&b->full, f, memory_order_release);
    atomic_fetch_add_explicit(&r->bytes, sizeof *f, memory_order_relaxed);
    return f;
}

static inline void row_stamp(struct rows *r, struct raw_rows_block *b, size_t i, int64_t t_ms, uint32_t lsn)
{
    struct raw_rows_full *f = atomic_load_explicit(&b->full, memory_order_relaxed);
    int64_t t_offset = (int64_t)((uint64_t)t_ms - (uint64_t)b->first_t_ms);
    uint32_t lsn_offset = lsn - b->first_lsn;
    if (f == NULL && t_offset == (int32_t)t_offset && lsn_offset <= UINT16_MAX) {
        b->t_offset[i] = (int32_t)t_offset;
        b->lsn_offset[i] = (uint16_t)lsn_offset;
        return;
    }
    if (f == NULL)
        f = block_widen(r, b, i);
    f->t_ms[i] = t_ms;
    f->lsn[i] = lsn;
}

/* Puts one row at place count (not published yet). */
static void row_put(struct rows *r, uint64_t at, uint32_t slot, uint32_t lsn, const struct sample *s)
{
    size_t i = at % ROWS_BLOCK;
    if (i == 0) {
        struct raw_rows_block *b = block_new(r->state, s->t_ms, lsn);
        if (r->last)
            r->last->next = b;
        else
            r->first = b;
        r->last = b;
        atomic_fetch_add_explicit(&r->bytes, sizeof *b, memory_order_relaxed);
    }
    struct raw_rows_block *b = r->last;
    b->slot[i] = slot;
    row_stamp(r, b, i, s->t_ms, lsn);
    b->v[i] = is_histogram(s->v) ? histogram_box(histogram_copy(r->histograms, histogram_unbox(s->v))) : s->v;
    b->min_t_ms = MIN(b->min_t_ms, s->t_ms);
    b->max_t_ms = MAX(b->max_t_ms, s->t_ms);
}

static void apply_metadata(struct rows *r, const struct batch *b, uint64_t lsn)
{
    for (size_t i = 0; i < b->metadata_count; i++) {
        struct metadata_entry *e = metadata_put(r->state->metadata, b->tenant, &b->metadata[i], lsn);
        if (e == NULL || !metadata_mark(r->state->metadata, e, r->generation))
            continue;
        if (r->metadata_count == r->metadata_cap) {
            r->metadata_cap = r->metadata_cap ? r->metadata_cap * 2 : 64;
            r->metadata = mem_realloc(r->metadata, r->metadata_cap * sizeof(struct metadata_entry *));
        }
        r->metadata[r->metadata_count++] = e;
    }
}

void raw_rows_apply(void *mem, const struct batch *b, uint64_t lsn)
{
    struct rows *r = mem;
    apply_metadata(r, b, lsn);
    r->received_ns = b->received_ns;
    if (r->lsn_base == 0)
        r->lsn_base = lsn;
    r->lsn_last = lsn;
    assert(lsn - r->lsn_base <= UINT32_MAX);
    uint64_t at = atomic_load_explicit(&r->count, memory_order_relaxed);
    /* The batch is shared, but refs are this kind's own: nobody else reads them. */
    series_lock_batch(r->state->dict, (struct batch *)b);
    for (size_t i = 0; i < b->series_count; i++) {
        const struct batch_series *s = &b->series[i];
        for (uint32_t j = 0; j < s->count; j++)
            row_put(r, at++, series_slot(s->ref), (uint32_t)(lsn - r->lsn_base), &b->samples[s->first + j]);
    }
    series_unlock(r->state->dict);
    atomic_store_explicit(&r->histogram_bytes, arena_bytes(r->histograms), memory_order_relaxed);
    atomic_store_explicit(&r->count, at, memory_order_release);
}

size_t raw_rows_bytes(const void *mem)
{
    const struct rows *r = mem;
    return atomic_load_explicit(&r->bytes, memory_order_relaxed) + atomic_load_explicit(&r->histogram_bytes, memory_order_relaxed);
}

uint64_t raw_rows_count(const void *mem)
{
    const struct rows *r = mem;
    return atomic_load_explicit(&r->count, memory_order_acquire) + r->metadata_count;
}
