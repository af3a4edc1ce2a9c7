/* SPDX-License-Identifier: Apache-2.0 */
/* The pieces that need no store around them. */
#include <stdio.h>

#include "base/unit.h"
#include "store/cache.h"
#include "store/engine.h"
#include "store/guard.h"
#include "store/idempotency.h"
#include "store/kv.h"
#include "store/parity.h"
#include "store/partition.h"
#include "store/store.h"
#include "sys/file_sim.h"

/* ---- frames ---- */

static void fill_text(char *to, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = "some text that packs well, "[i % 27];
}

TEST(frames_come_back_as_they_went_in_with_every_codec)
{
    char raw[5000], back[5000];
    struct frame_coder *c = frame_coder_new();
    struct err err;
    fill_text(raw, sizeof raw);
    for (int codec = CODEC_RAW; codec <= CODEC_LZ4; codec++)
        for (size_t n = 0; n <= sizeof raw; n += 1250) {
            struct buf out;
            struct frame f;
            buf_init(&out, 0);
            CHECK_INT(frame_write(c, NULL, &out, 1, 64, BLOCK_DATA, codec, slice_of(raw, n), 1 << 20, &err), ST_OK);
            CHECK_INT(frame_check(buf_as_slice(&out), 1, 64, BLOCK_DATA, 1 << 20, &f, &err), ST_OK);
            CHECK_INT(f.raw_bytes, n);
            CHECK_INT(frame_unpack(c, &f, back, &err), ST_OK);
            CHECK(memcmp(raw, back, n) == 0);
            CHECK(codec == CODEC_RAW || n == 0 || out.len < n / 2);
            buf_free(&out);
        }
    frame_coder_free(c);
}

TEST(a_frame_of_another_part_place_or_type_does_not_check)
{
    struct frame_coder *c = frame_coder_new();
    struct err err;
    struct buf out;
    struct frame f;
    buf_init(&out, 0);
    CHECK_INT(frame_write(c, NULL, &out, 1, 64, BLOCK_DATA, CODEC_ZSTD, SLICE("block"), 100, &err), ST_OK);
    struct slice s = buf_as_slice(&out);
    CHECK_INT(frame_check(s, 2, 64, BLOCK_DATA, 100, &f, &err), ST_CORRUPT);
    CHECK_INT(frame_check(s, 1, 65, BLOCK_DATA, 100, &f, &err), ST_CORRUPT);
    CHECK_INT(frame_check(s, 1, 64, BLOCK_META, 100, &f, &err), ST_CORRUPT);
    CHECK_INT(frame_check(slice_sub(s, 0, s.len - 1), 1, 64, BLOCK_DATA, 100, &f, &err), ST_CORRUPT);
    CHECK_INT(frame_write(c, NULL, &out, 1, 64, BLOCK_DATA, CODEC_ZSTD, SLICE("block"), 4, &err), ST_LIMIT);
    buf_free(&out);
    frame_coder_free(c);
}

/* ---- parity ---- */

TEST(parity_repairs_any_one_byte_of_runs_of_any_length)
{
    static const size_t lengths[] = { 1, 63, 64, 65, 500, 5000, 100001 };
    static char data[100001], copy[100001], parity[8000];
    fill_text(data, sizeof data);
    for (size_t l = 0; l < COUNT_OF(lengths); l++) {
        size_t n = lengths[l];
        CHECK(parity_bytes(n) <= sizeof parity);
        parity_put(slice_of(data, n), 5, parity);
        CHECK(parity_check(parity, n, 5));
        for (size_t at = 0; at < n; at += 1 + n / 97) {
            memcpy(copy, data, n);
            copy[at] ^= 0x40;
            CHECK(parity_repair(copy, n, 5, parity));
            CHECK(memcmp(copy, data, n) == 0);
        }
    }
}

TEST(parity_refuses_damage_in_two_places)
{
    static char data[5000], parity[1000];
    fill_text(data, sizeof data);
    parity_put(slice_of(data, sizeof data), 5, parity);
    data[0] ^= 1;
    data[4999] ^= 1;
    CHECK(!parity_repair(data, sizeof data, 5, parity));
    parity[3] ^= 1;
    CHECK(!parity_check(parity, sizeof data, 5));
}

/* ---- cache ---- */

static void *bytes_of(size_t n, char fill)
{
    char *p = mem_alloc(n);
    memset(p, fill, n);
    return p;
}

TEST(the_cache_keeps_within_its_budget_and_never_takes_a_block_away_from_its_reader)
{
    struct cache *c = cache_new(64 * KIB);
    uint64_t owner = cache_owner(c);
    struct block *held = cache_put(c, owner, 0, bytes_of(1000, 'h'), 1000);
    for (uint64_t i = 1; i < 2000; i++)
        block_drop(cache_put(c, owner, i, bytes_of(1000, 'x'), 1000));
    CHECK(cache_bytes(c) <= 64 * KIB);
    CHECK(cache_bytes(c) > 32 * KIB);
    CHECK(held->bytes.ptr[999] == 'h');
    block_drop(held);
    cache_free(c);
}

TEST(the_cache_gives_what_was_put_and_the_first_one_wins)
{
    struct cache *c = cache_new(1 * MIB);
    uint64_t a = cache_owner(c), b = cache_owner(c);
    CHECK(a != b);
    block_drop(cache_put(c, a, 7, bytes_of(10, 'a'), 10));
    CHECK(cache_get(c, b, 7) == NULL);
    struct block *got = cache_get(c, a, 7), *again = cache_put(c, a, 7, bytes_of(10, 'z'), 10);
    CHECK(got && got == again && got->bytes.ptr[0] == 'a');
    block_drop(got);
    block_drop(again);
    cache_free(c);
}

TEST(a_block_too_big_for_the_cache_is_served_and_not_kept)
{
    struct cache *c = cache_new(64 * KIB);
    struct block *big = cache_put(c, 1, 0, bytes_of(60 * KIB, 'b'), 60 * KIB);
    CHECK_INT(big->bytes.len, 60 * KIB);
    CHECK_INT(cache_bytes(c), 0);
    block_drop(big);
    cache_free(c);
}

/* ---- idempotency ---- */

TEST(idempotency_keys_leave_by_age_and_by_number)
{
    struct idempotency *k = idempotency_new(1, 100, 1000);
    char text[16];
    for (int i = 0; i < 300; i++) {
        snprintf(text, sizeof text, "k%d", i);
        idempotency_add(k, idempotency_key(k, SLICE("t"), slice_str(text)), (uint64_t)i + 1, i);
        CHECK(idempotency_count(k) <= 100);
    }
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("t"), SLICE("k199")), 300), 0);
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("t"), SLICE("k200")), 300), 201);
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("u"), SLICE("k200")), 300), 0);
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("t"), SLICE("k250")), 1251), 0);
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("t"), SLICE("k251")), 1251), 252);
    idempotency_remove(k, idempotency_key(k, SLICE("t"), SLICE("k251")));
    CHECK_INT(idempotency_find(k, idempotency_key(k, SLICE("t"), SLICE("k251")), 1251), 0);
    idempotency_free(k);
}

/* ---- partitions ---- */

TEST(a_partition_is_the_utc_day_of_a_time_before_1970_too)
{
    CHECK_INT(partition_start(0), 0);
    CHECK_INT(partition_start(PARTITION_NS - 1), 0);
    CHECK_INT(partition_start(PARTITION_NS), PARTITION_NS);
    CHECK_INT(partition_start(-1), -PARTITION_NS);
}

TEST(merges_are_picked_by_tiers_and_cold_partitions_come_down_to_one)
{
    uint64_t eight[] = { 10, 10, 10, 10, 10, 11, 11, 12 }, spread[] = { 1, 10, 100, 1000, 10000, 100000 };
    uint64_t late[] = { 1, 1, 100 }, two[] = { 50, 100 };
    size_t first = 9;
    CHECK_INT(partition_pick(eight, 8, false, &first), 8);
    CHECK_INT(first, 0);
    CHECK_INT(partition_pick(eight, 7, false, &first), 0);
    CHECK_INT(partition_pick(spread, 6, false, &first), 0);
    CHECK_INT(partition_pick(two, 2, false, &first), 0);
    CHECK_INT(partition_pick(two, 2, true, &first), 2);
    CHECK_INT(partition_pick(late, 3, true, &first), 2);
    CHECK_INT(partition_pick(late + 2, 1, true, &first), 0);
}

TEST(a_batch_may_hold_samples_of_many_days_but_not_too_many)
{
    struct err err;
    int64_t now_ns = 1790000000 * NS_S;
    struct batch *b = batch_new(0);
    batch_series(b, SLICE(""));
    for (int i = 0; i < BATCH_PARTITIONS_MAX; i++)
        batch_sample(b, now_ns / NS_MS - (int64_t)i * 86400000, 1);
    CHECK_INT(partition_check_batch(b, now_ns, &err), ST_OK);
    batch_sample(b, now_ns / NS_MS + 86400001, 1);
    CHECK_INT(partition_check_batch(b, now_ns, &err), ST_INVALID);
    b->samples[b->sample_count - 1].t_ms = 5;
    CHECK_INT(partition_check_batch(b, now_ns, &err), ST_LIMIT);
    b->samples[b->sample_count - 1].t_ms = INT64_MIN;
    CHECK_INT(partition_check_batch(b, now_ns, &err), ST_INVALID);
    b->samples[b->sample_count - 1].t_ms = INT64_MAX;
    CHECK_INT(partition_check_batch(b, now_ns, &err), ST_INVALID);
    batch_drop(b);
}

/* ---- guard ---- */

TEST(the_guard_warns_refuses_and_recovers)
{
    struct fs *fs = fs_sim_new(1);
    struct guard g = { .warn_ratio = 0.1, .refuse_ratio = 0.05 };
    struct err err;
    static const struct {
        uint64_t free_bytes;
        bool low, full;
    } steps[] = { { 500, false, false }, { 90, true, false }, { 40, true, true }, { 60, true, false }, { 400, false, false } };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        fs_sim_set_space(fs, steps[i].free_bytes, 1000);
        guard_check(&g, fs, "/", NULL);
        CHECK_INT(atomic_load(&g.low), steps[i].low);
        CHECK_INT(guard_allows(&g, &err), steps[i].full ? ST_FULL : ST_OK);
    }
    CHECK(guard_has_room(&g, 300) && !guard_has_room(&g, 380));
    fs_sim_free(fs);
}

/* ---- engine ---- */

static bool yes(void *arg)
{
    return *(bool *)arg;
}

TEST(a_query_stops_when_cancelled_late_or_over_its_budget)
{
    struct clock *clock = clock_sim_new(0);
    struct engine_ctx ctx;
    struct err err;
    bool cancelled = false;
    engine_ctx_init(&ctx, NULL, 0, clock);
    ctx.is_cancelled = yes;
    ctx.cancel_arg = &cancelled;
    ctx.samples_max = 10;
    ctx.deadline_mono_ns = clock_mono_ns(clock) + NS_S;
    CHECK_INT(engine_ctx_check(&ctx, &err), ST_OK);
    ctx.samples_read = 11;
    CHECK_INT(engine_ctx_check(&ctx, &err), ST_LIMIT);
    clock_sim_advance(clock, 2 * NS_S);
    CHECK_INT(engine_ctx_check(&ctx, &err), ST_TIMEOUT);
    cancelled = true;
    CHECK_INT(engine_ctx_check(&ctx, &err), ST_CANCELLED);
    engine_ctx_free(&ctx);
    clock_sim_free(clock);
}

TEST(warnings_are_lines_and_have_an_end)
{
    struct engine_ctx ctx;
    engine_ctx_init(&ctx, NULL, 0, NULL);
    engine_warn(&ctx, "one\n%d", 2);
    CHECK_STR(buf_as_slice(&ctx.warnings), "one 2\n");
    for (int i = 0; i < 10000; i++)
        engine_warn(&ctx, "block %d does not check", i);
    CHECK(ctx.warnings.len < 20 * KIB && ctx.warnings.ptr[ctx.warnings.len - 1] == '\n');
    engine_ctx_free(&ctx);
}

static enum status later_append(struct engine *e, struct batch *b, struct append_ack ack, struct err *err)
{
    struct err why = { 0 };
    batch_drop(b);
    ack.done(ack.arg, err_set(&why, ST_FULL, "no room"), &why);
    return ST_OK;
}

TEST(append_wait_gives_the_ack_as_its_own_result)
{
    static const struct engine_ops ops = { .append = later_append };
    struct engine e = { &ops };
    struct err err;
    CHECK_INT(engine_append_wait(&e, batch_new(0), &err), ST_FULL);
    CHECK_STR(slice_str(err.text), "no room");
}

/* ---- kv ---- */

TEST(kv_keeps_what_was_put_and_lists_by_prefix)
{
    char path[512];
    struct kv *kv;
    struct err err;
    struct buf out;
    struct kv_pair *list;
    size_t count;
    struct arena *a = arena_new(0);
    snprintf(path, sizeof path, "%s/state.db", unit_dir());
    buf_init(&out, 0);
    CHECK_INT(kv_open(&kv, path, &err), ST_OK);
    CHECK_INT(kv_get(kv, SLICE("pos/a"), &out, &err), ST_NOT_FOUND);
    CHECK_INT(kv_put(kv, SLICE("pos/b"), SLICE("2"), &err), ST_OK);
    CHECK_INT(kv_put(kv, SLICE("pos/a"), SLICE("0"), &err), ST_OK);
    CHECK_INT(kv_put(kv, SLICE("pos/a"), SLICE("1\0x"), &err), ST_OK);
    CHECK_INT(kv_put(kv, SLICE("pot"), SLICE(""), &err), ST_OK);
    kv_close(kv);
    CHECK_INT(kv_open(&kv, path, &err), ST_OK);
    CHECK_INT(kv_get(kv, SLICE("pos/a"), &out, &err), ST_OK);
    CHECK(slice_eq(buf_as_slice(&out), SLICE("1\0x")));
    CHECK_INT(kv_list(kv, SLICE("pos/"), a, &list, &count, &err), ST_OK);
    CHECK_INT(count, 2);
    CHECK_STR(list[0].key, "pos/a");
    CHECK_STR(list[1].value, "2");
    CHECK_INT(kv_delete(kv, SLICE("pos/a"), &err), ST_OK);
    CHECK_INT(kv_delete(kv, SLICE("pos/a"), &err), ST_OK);
    CHECK_INT(kv_list(kv, SLICE(""), a, &list, &count, &err), ST_OK);
    CHECK_INT(count, 2);
    kv_close(kv);
    buf_free(&out);
    arena_free(a);
}

TEST(kv_says_which_file_it_cannot_open)
{
    struct kv *kv;
    struct err err;
    CHECK(kv_open(&kv, "/nonexistent/folder/state.db", &err) != ST_OK);
    CHECK(slice_contains(slice_str(err.text), SLICE("/nonexistent/folder/state.db")));
}
