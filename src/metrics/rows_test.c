/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/rows.h"

#include "base/rand.h"
#include "base/unit.h"

static const int64_t base_ms = 1700000000000, day_ms = 86400000;

static void state_begin(struct metrics_state *st)
{
    *st = (struct metrics_state){ .dict = series_dict_new(7), .metadata = metadata_new() };
    mutex_init(&st->blocks_lock);
}

static void state_end(struct metrics_state *st)
{
    raw_rows_forget(st);
    mutex_destroy(&st->blocks_lock);
    metadata_free(st->metadata);
    series_dict_free(st->dict);
}

static struct slice labels_of(struct arena *a, unsigned i)
{
    struct label list[2] = { { SLICE("__name__"), SLICE("m") }, { SLICE("n"), arena_printf(a, "%u", i) } };
    struct slice out;
    CHECK(labels_build(a, list, 2, &out, NULL) == ST_OK);
    return out;
}

static void put(struct rows *r, uint64_t lsn, int64_t from_ms, unsigned count)
{
    struct err err;
    struct batch *b = batch_new(0);
    batch_series(b, labels_of(b->arena, 1));
    for (unsigned i = 0; i < count; i++)
        batch_sample(b, from_ms + i, (double)i);
    CHECK_INT(series_intern_batch(r->state->dict, b, &err), ST_OK);
    raw_rows_apply(r, b, lsn);
    batch_drop(b);
}

static const struct raw_rows_block *block_at(const struct rows *r, uint64_t row)
{
    const struct raw_rows_block *b = r->first;
    for (uint64_t i = ROWS_BLOCK; i <= row; i += ROWS_BLOCK)
        b = b->next;
    return b;
}

static void check_run(const struct rows *r, uint64_t from, uint64_t lsn, int64_t from_ms, unsigned count)
{
    for (unsigned i = 0; i < count; i++) {
        const struct raw_rows_block *b = block_at(r, from + i);
        size_t at = (from + i) % ROWS_BLOCK;
        CHECK_INT(raw_row_t_ms(b, at), from_ms + i);
        CHECK(b->v[at] == (double)i);
        CHECK_INT(r->lsn_base + raw_row_lsn(b, at), lsn);
    }
}

TEST(rows_far_apart_in_time_or_lsn_are_what_was_put_and_the_next_block_is_small_again)
{
    struct metrics_state st;
    state_begin(&st);
    struct rows *r = raw_rows_new(&st);
    put(r, 10, base_ms, 100);
    put(r, 11, base_ms - 20 * day_ms, 100); /* fits: 20 days are under 2^31 ms */
    CHECK(atomic_load(&r->first->full) == NULL);
    size_t bytes = raw_rows_bytes(r);
    put(r, 12, base_ms - 300 * day_ms, 100);
    CHECK(atomic_load(&r->first->full) != NULL);
    CHECK(raw_rows_bytes(r) > bytes);
    put(r, 13, base_ms, ROWS_BLOCK - 300);
    put(r, 14, 0, 50);
    put(r, 14 + 65535, 1, 50);
    CHECK(atomic_load(&r->last->full) == NULL);
    put(r, 14 + 65536, 2, 50);
    CHECK(atomic_load(&r->last->full) != NULL);
    CHECK_INT(raw_rows_count(r), ROWS_BLOCK + 150);
    check_run(r, 0, 10, base_ms, 100);
    check_run(r, 100, 11, base_ms - 20 * day_ms, 100);
    check_run(r, 200, 12, base_ms - 300 * day_ms, 100);
    check_run(r, 300, 13, base_ms, ROWS_BLOCK - 300);
    check_run(r, ROWS_BLOCK, 14, 0, 50);
    check_run(r, ROWS_BLOCK + 50, 14 + 65535, 1, 50);
    check_run(r, ROWS_BLOCK + 100, 14 + 65536, 2, 50);
    raw_rows_free(r);
    CHECK_INT(st.block_count, 0);
    state_end(&st);
}

TEST(blocks_of_a_large_table_serve_the_next_one_and_a_small_one_gives_them_back)
{
    struct metrics_state st;
    state_begin(&st);
    struct rows *large = raw_rows_new(&st);
    for (unsigned i = 0; i < 40; i++)
        put(large, i + 1, base_ms, ROWS_BLOCK);
    raw_rows_free(large);
    CHECK_INT(st.block_count, 40);
    struct rows *next = raw_rows_new(&st);
    put(next, 50, base_ms - 300 * day_ms, 10);
    CHECK_INT(st.block_count, 39);
    CHECK(atomic_load(&next->first->full) == NULL);
    check_run(next, 0, 50, base_ms - 300 * day_ms, 10);
    raw_rows_free(next);
    CHECK_INT(st.block_count, 0);
    state_end(&st);
}

TEST(series_are_found_in_the_order_of_last_time_and_in_any_other)
{
    enum { SERIES = 500, ROUNDS = 40 };
    struct metrics_state st;
    struct rand rand;
    uint32_t order[SERIES], slot[SERIES];
    state_begin(&st);
    rand_seed(&rand, unit_seed());
    for (uint32_t i = 0; i < SERIES; i++)
        order[i] = i;
    for (unsigned round = 0; round < ROUNDS; round++) {
        struct err err;
        struct batch *b = batch_new(0);
        for (unsigned i = round > 5 ? rand_below(&rand, 40) : 0; i > 0; i--) {
            uint32_t x = (uint32_t)rand_below(&rand, SERIES), y = (uint32_t)rand_below(&rand, SERIES), swap = order[x];
            order[x] = order[y];
            order[y] = swap;
        }
        size_t left_out = round > 10 ? rand_below(&rand, 100) : 0;
        b->tenant = round % 7 == 6 ? SLICE("other") : SLICE("default");
        for (size_t i = left_out; i < SERIES; i++)
            batch_series(b, labels_of(b->arena, order[i]));
        CHECK_INT(series_intern_batch(st.dict, b, &err), ST_OK);
        series_lock_batch(st.dict, b);
        for (size_t i = 0; i < b->series_count; i++) {
            const struct series *s = series_at(st.dict, series_slot(b->series[i].ref));
            CHECK(slice_eq(series_labels(s), b->series[i].labels));
            CHECK(slice_eq(series_tenant(s), b->tenant));
            if (round == 0)
                slot[order[i]] = s->slot;
            CHECK(b->tenant.len == 5 || s->slot == slot[order[left_out + i]]);
        }
        series_unlock(st.dict);
        batch_drop(b);
    }
    CHECK_INT(series_count(st.dict) % SERIES, 0);
    state_end(&st);
}
