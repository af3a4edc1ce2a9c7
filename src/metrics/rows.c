/* SPDX-License-Identifier: Apache-2.0 */
/* The table of raw samples: see rows.h. Rows stand in LSN order, so of two with the same series and time the later row
 * wins. A table pins the series its rows name (series.h) from its making to its end, and has copies of their histograms. */
#include "metrics/rows.h"

#include "model/histogram.h"

static struct raw_rows_block *block_new(void)
{
    struct raw_rows_block *b = mem_alloc(sizeof *b);
    b->next = NULL;
    b->min_t_ms = INT64_MAX;
    b->max_t_ms = INT64_MIN;
    return b;
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
    for (struct raw_rows_block *b = r->first, *next; b; b = next) {
        next = b->next;
        mem_free(b);
    }
    series_generation_end(r->state->dict, r->generation);
    arena_free(r->histograms);
    mem_free(r->metadata);
    mem_free(r);
}

/* Puts one row at place count (not published yet); returns the block it went to. */
static void row_put(struct rows *r, uint64_t at, uint32_t slot, uint32_t lsn, const struct sample *s)
{
    size_t i = at % ROWS_BLOCK;
    if (i == 0) {
        struct raw_rows_block *b = block_new();
        if (r->last)
            r->last->next = b;
        else
            r->first = b;
        r->last = b;
        atomic_fetch_add_explicit(&r->bytes, sizeof *b, memory_order_relaxed);
    }
    struct raw_rows_block *b = r->last;
    b->slot[i] = slot;
    b->lsn[i] = lsn;
    b->t_ms[i] = s->t_ms;
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
