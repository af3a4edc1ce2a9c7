/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/series.h"

#include "base/rand.h"
#include "base/unit.h"
#include "metrics/wal_rows.h"

static void add(struct batch *b, unsigned i, const char *pod)
{
    struct label list[] = { { SLICE("__name__"), SLICE("m") }, { SLICE("i"), arena_printf(b->arena, "%u", i) }, { SLICE("pod"), slice_str(pod) } };
    struct slice labels;
    CHECK(labels_build(b->arena, list, 3, &labels, NULL) == ST_OK);
    batch_series(b, labels);
    batch_sample(b, 1000 + i, i);
}

static struct batch *batch_of(unsigned from, unsigned to, const char *pod)
{
    struct batch *b = batch_new(0);
    for (unsigned i = from; i < to; i++)
        add(b, i, pod);
    return b;
}

TEST(series_keep_their_ref_while_in_use_and_tenants_do_not_share)
{
    struct series_dict *d = series_dict_new(5);
    struct batch *a = batch_of(0, 100, "x"), *b = batch_of(0, 100, "x"), *c = batch_of(0, 100, "x");
    c->tenant = SLICE("other");
    CHECK(series_intern_batch(d, a, NULL) == ST_OK && series_intern_batch(d, b, NULL) == ST_OK && series_intern_batch(d, c, NULL) == ST_OK);
    for (unsigned i = 0; i < 100; i++) {
        CHECK(a->series[i].ref == b->series[i].ref && a->series[i].ref != c->series[i].ref);
        CHECK(slice_eq(series_labels(series_at(d, series_slot(a->series[i].ref))), a->series[i].labels));
    }
    CHECK_INT(series_count(d), 200);
    batch_drop(a);
    batch_drop(b);
    batch_drop(c);
    series_dict_free(d);
}

TEST(series_unused_for_two_generations_are_forgotten_and_pinned_ones_are_not)
{
    struct series_dict *d = series_dict_new(5);
    struct batch *old = batch_of(0, 1000, "old");
    uint64_t pin = series_generation_begin(d);
    CHECK(series_intern_batch(d, old, NULL) == ST_OK);
    for (int i = 0; i < 4; i++)
        series_generation_end(d, series_generation_begin(d));
    CHECK_INT(series_count(d), 1000);
    series_generation_end(d, pin);
    CHECK_INT(series_count(d), 0);
    batch_drop(old);
    series_dict_free(d);
}

TEST(series_forgotten_between_prepare_and_apply_come_back_under_a_new_ref)
{
    struct series_dict *d = series_dict_new(5);
    struct batch *late = batch_of(0, 50, "late"), *other = batch_of(0, 50, "other");
    CHECK(series_intern_batch(d, late, NULL) == ST_OK);
    uint64_t before = late->series[7].ref;
    for (int i = 0; i < 6; i++)
        series_generation_end(d, series_generation_begin(d));
    CHECK_INT(series_count(d), 0);
    CHECK(series_intern_batch(d, other, NULL) == ST_OK);
    series_lock_batch(d, late);
    CHECK(late->series[7].ref != before);
    CHECK(slice_eq(series_labels(series_at(d, series_slot(late->series[7].ref))), late->series[7].labels));
    series_unlock(d);
    CHECK_INT(series_count(d), 100);
    batch_drop(late);
    batch_drop(other);
    series_dict_free(d);
}

TEST(series_sort_by_tenant_and_labels_as_they_come_and_go)
{
    struct series_dict *d = series_dict_new(unit_seed());
    struct rand r;
    rand_seed(&r, unit_seed());
    uint64_t generation = series_generation_begin(d);
    for (int round = 0; round < 20; round++) {
        struct batch *b = batch_of((unsigned)rand_below(&r, 50), 60 + (unsigned)rand_below(&r, 200), round % 2 ? "p" : "q");
        b->tenant = rand_one_in(&r, 2) ? SLICE("a") : SLICE("b");
        CHECK(series_intern_batch(d, b, NULL) == ST_OK);
        uint32_t *slots = arena_array(b->arena, uint32_t, b->series_count);
        for (size_t i = 0; i < b->series_count; i++)
            slots[i] = series_slot(b->series[b->series_count - 1 - i].ref);
        series_sort(d, slots, b->series_count);
        for (size_t i = 1; i < b->series_count; i++)
            CHECK(labels_cmp(series_labels(series_at(d, slots[i - 1])), series_labels(series_at(d, slots[i]))) < 0);
        roaring_bitmap_t *ids = series_resolve(d, b->tenant, NULL, 0);
        CHECK(ids && roaring_bitmap_get_cardinality(ids) >= b->series_count);
        roaring_bitmap_free(ids);
        uint64_t next = series_generation_begin(d);
        series_generation_end(d, generation);
        generation = next;
        batch_drop(b);
    }
    series_generation_end(d, generation);
    series_dict_free(d);
}

static struct metrics_state *state_new(void)
{
    struct metrics_state *st = mem_new(struct metrics_state);
    st->dict = series_dict_new(3);
    st->wal = wal_rows_new();
    return st;
}

static void state_free(struct metrics_state *st)
{
    wal_rows_free(st->wal);
    series_dict_free(st->dict);
    mem_free(st);
}

static double value_any(struct rand *r)
{
    switch (rand_below(r, 7)) {
    case 0: return sample_number(double_of_bits(rand_u64(r)));
    case 1: return double_of_bits(STALE_NAN_BITS);
    case 2: return rand_one_in(r, 2) ? -0.0 : 0.0;
    case 3: return -(double)rand_below(r, 1000000);
    case 4: return (double)rand_below(r, 1000000) / 1000;
    case 5: return (double)rand_u64(r);
    default: return (double)rand_below(r, 1000000) / 100;
    }
}

TEST(wal_rows_give_back_what_was_written_across_segments)
{
    struct metrics_state *from = state_new(), *to = state_new();
    struct rand r;
    rand_seed(&r, unit_seed());
    for (int frame = 0; frame < 200; frame++) {
        struct batch *b = batch_of((unsigned)rand_below(&r, 50), 50 + (unsigned)rand_below(&r, 50), "x"), *back = batch_new(0);
        for (size_t i = 0; i < b->sample_count; i++)
            b->samples[i] = (struct sample){ (int64_t)rand_below(&r, 2000000000000), value_any(&r) };
        b->tenant = frame % 3 ? SLICE("a") : SLICE("b");
        batch_metadata(b, SLICE("m"), METRIC_COUNTER, SLICE("help"), SLICE("s"));
        struct buf bytes;
        buf_init(&bytes, 0);
        CHECK(series_intern_batch(from->dict, b, NULL) == ST_OK);
        CHECK(wal_rows_encode(from, b, (uint64_t)frame / 40, &bytes, NULL) == ST_OK);
        CHECK(wal_rows_decode(to, buf_as_slice(&bytes), frame % 40 == 0, back, NULL) == ST_OK);
        CHECK(slice_eq(back->tenant, b->tenant));
        CHECK_INT(back->series_count, b->series_count);
        CHECK_INT(back->sample_count, b->sample_count);
        for (size_t i = 0; i < b->series_count; i++)
            CHECK(slice_eq(back->series[i].labels, b->series[i].labels) && back->series[i].count == b->series[i].count);
        CHECK(memcmp(back->samples, b->samples, b->sample_count * sizeof *b->samples) == 0);
        CHECK_INT(back->metadata_count, 1);
        CHECK_STR(back->metadata[0].help, "help");
        buf_free(&bytes);
        batch_drop(b);
        batch_drop(back);
    }
    state_free(from);
    state_free(to);
}

TEST(wal_rows_refuse_bytes_that_do_not_parse)
{
    struct metrics_state *st = state_new();
    struct rand r;
    rand_seed(&r, unit_seed());
    struct batch *b = batch_of(0, 30, "x");
    struct buf bytes;
    buf_init(&bytes, 0);
    CHECK(series_intern_batch(st->dict, b, NULL) == ST_OK);
    CHECK(wal_rows_encode(st, b, 1, &bytes, NULL) == ST_OK);
    for (int i = 0; i < 3000; i++) {
        struct metrics_state *to = state_new();
        struct batch *back = batch_new(1 * MIB);
        struct err err;
        size_t at = rand_below(&r, bytes.len), len = rand_one_in(&r, 2) ? rand_below(&r, bytes.len) : bytes.len;
        char saved = bytes.ptr[at];
        bytes.ptr[at] = (char)rand_u64(&r);
        enum status status = wal_rows_decode(to, slice_of(bytes.ptr, len), true, back, &err);
        CHECK(status == ST_OK || status == ST_CORRUPT);
        CHECK(len == bytes.len || status == ST_CORRUPT);
        bytes.ptr[at] = saved;
        batch_drop(back);
        state_free(to);
    }
    buf_free(&bytes);
    batch_drop(b);
    state_free(st);
}

TEST(wal_rows_lose_only_frames_that_need_a_lost_definition)
{
    struct metrics_state *from = state_new(), *to = state_new();
    struct batch *frames[] = { batch_of(0, 10, "x"), batch_of(10, 20, "x"), batch_of(0, 10, "x"), batch_of(5, 15, "x"), batch_of(20, 30, "x") };
    static const enum status want[] = { ST_OK, ST_OK, ST_OK, ST_CORRUPT, ST_OK };
    for (size_t i = 0; i < COUNT_OF(frames); i++) {
        struct buf bytes;
        struct err err;
        struct batch *back = batch_new(0);
        buf_init(&bytes, 0);
        CHECK(series_intern_batch(from->dict, frames[i], NULL) == ST_OK && wal_rows_encode(from, frames[i], 1, &bytes, NULL) == ST_OK);
        if (i != 1) {
            CHECK_INT(wal_rows_decode(to, buf_as_slice(&bytes), i == 0, back, &err), want[i]);
            for (size_t j = 0; j < frames[i]->sample_count && want[i] == ST_OK; j++)
                CHECK(back->samples[j].v == frames[i]->samples[j].v && slice_eq(back->series[j].labels, frames[i]->series[j].labels));
        }
        buf_free(&bytes);
        batch_drop(back);
        batch_drop(frames[i]);
    }
    state_free(from);
    state_free(to);
}
