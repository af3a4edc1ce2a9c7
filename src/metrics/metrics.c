/* SPDX-License-Identifier: Apache-2.0 */
/* The kind's table for the store, what is checked when a batch comes in, and figures about ourselves. */
#include "metrics/metrics.h"

#include "metrics/build.h"
#include "metrics/merge.h"
#include "metrics/rows.h"
#include "metrics/spart.h"
#include "metrics/usage.h"
#include "metrics/wal_rows.h"

static void state_close(void *state)
{
    struct metrics_state *st = state;
    if (st == NULL)
        return;
    wal_rows_free(st->wal);
    metadata_free(st->metadata);
    mutex_destroy(&st->index_lock);
    raw_rows_forget(st);
    mutex_destroy(&st->blocks_lock);
    series_dict_free(st->dict);
    mem_free(st);
}

static enum status state_open(struct store *s, uint64_t seed, void **state, struct err *err)
{
    struct metrics_state *st = mem_new(struct metrics_state);
    st->store = s;
    st->seed = seed;
    st->dict = series_dict_new(seed);
    st->metadata = metadata_new();
    st->wal = wal_rows_new();
    mutex_init(&st->index_lock);
    mutex_init(&st->blocks_lock);
    st->index_bytes_max = PART_INDEXES_BYTES_MAX;
    st->merge_bytes_max = MERGE_HISTOGRAMS_BYTES_MAX;
    *state = st;
    return ST_OK;
}

static bool has_rows(const struct batch *b)
{
    return b->series_count > 0 || b->metadata_count > 0;
}

/* Times and partitions are the store's to check. */
static enum status prepare(void *state, struct batch *b, struct err *err)
{
    struct metrics_state *st = state;
    return series_intern_batch(st->dict, b, err);
}

const struct store_kind metrics_kind = {
    .id = KIND_METRICS,
    .name = "metrics",
    .raw_quarters = 3,
    .parts_quarters = 1,
    .open = state_open,
    .close = state_close,
    .has_rows = has_rows,
    .prepare = prepare,
    .wal_encode = wal_rows_encode,
    .wal_decode = wal_rows_decode,
    .mem_new = raw_rows_new,
    .mem_free = raw_rows_free,
    .mem_apply = raw_rows_apply,
    .mem_bytes = raw_rows_bytes,
    .mem_rows = raw_rows_count,
    .mem_encode = build_from_rows,
    .part_open = spart_open,
    .part_close = spart_close,
    .merge = merge_parts,
    .part_usage = metrics_part_usage,
};

void metrics_stats(struct store *s, struct engine_stats *out)
{
    struct metrics_state *st = store_kind_state(s, KIND_METRICS);
    struct store_view *v = store_view_take(s, KIND_METRICS, INT64_MIN, INT64_MAX);
    uint64_t series = series_count(st->dict), samples = 0;
    for (size_t i = 0; i < v->part_count; i++) {
        /* The same series stands in many parts, so the largest is a floor. */
        series = MAX(series, (uint64_t)spart_series_count(part_user(v->parts[i])));
        samples += part_info(v->parts[i])->rows;
    }
    for (size_t i = 0; i < v->mem_count; i++)
        samples += atomic_load_explicit(&((const struct rows *)v->mems[i])->count, memory_order_acquire);
    store_view_drop(v);
    out->series = series;
    out->samples = samples;
    out->memory_bytes += series_bytes(st->dict) + atomic_load_explicit(&st->index_bytes, memory_order_relaxed);
    out->corrupt_blocks += atomic_load_explicit(&st->corrupt_blocks, memory_order_relaxed);
}
