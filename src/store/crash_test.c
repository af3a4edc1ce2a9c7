/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes at each sync in turn, and the store must come back with everything it acknowledged, once. */
#include <stdio.h>

#include "store/rig_test.h"

enum { STEPS = 26, ROWS_PER_REQUEST = 3 };

struct history {
    bool acked[STEPS];
    bool erased; /* the erase of "x" was acknowledged */
};

static void step_name(int i, char *to, size_t max)
{
    snprintf(to, max, "%s%d", i % 5 == 4 ? "x" : "r", i);
}

/* Some of everything. Goes on after failures, as clients do. */
static void live(struct rig *r, struct history *h)
{
    struct err err;
    char name[16];
    for (int i = 0; i < STEPS; i++) {
        step_name(i, name, sizeof name);
        int64_t t_ns = rig_now_ns - (i % 3) * 86400 * NS_S;
        h->acked[i] = rig_append(r, rig_batch(name, ROWS_PER_REQUEST, t_ns, true), &err) == ST_OK;
        if (i % 6 == 5) {
            enum status st = store_flush(r->store, &err);
            (void)st;
        }
        if (i == 18) {
            struct tombstone t = { .is_events = true, .tenant = SLICE("default"), .start_ns = 0, .end_ns = INT64_MAX,
                                   .selector = SLICE("{}"), .contains = SLICE("x") };
            h->erased = store_erase(r->store, &t, &err) == ST_OK;
        }
        if (i == 20) {
            enum status st = store_merge(r->store, &err);
            (void)st;
        }
        enum status st = store_tick(r->store, &err);
        (void)st;
    }
}

/* Each request whole or absent, each row once, and the acknowledged ones there. */
static void check_kind(struct rig *r, const struct history *h, uint8_t kind)
{
    char name[16], body[32];
    for (int i = 0; i < STEPS; i++) {
        int seen = 0;
        step_name(i, name, sizeof name);
        bool may_be_erased = kind == KIND_EVENTS && name[0] == 'x' && i <= 18;
        for (int k = 0; k < ROWS_PER_REQUEST; k++) {
            snprintf(body, sizeof body, "%s-%d", name, k);
            int n = rig_count(r, kind, body);
            CHECK(n == 0 || n == 1);
            seen += n;
        }
        CHECK(seen == 0 || seen == ROWS_PER_REQUEST);
        if (h->acked[i] && !may_be_erased)
            CHECK_INT(seen, ROWS_PER_REQUEST);
        if (h->erased && may_be_erased)
            CHECK_INT(seen, 0);
    }
}

static void check_history(struct rig *r, const struct history *h)
{
    check_kind(r, h, KIND_EVENTS);
    check_kind(r, h, KIND_METRICS);
    CHECK(rig_rows(r, KIND_EVENTS) >= 0);
}

static void set_small(struct rig *r)
{
    r->opt.mem_bytes_max = 12 * sizeof(struct row);
    r->opt.mem_parts_bytes_max = 6000;
    r->opt.wal_segment_bytes_max = 1500;
}

static uint64_t syncs_of_a_life(void)
{
    struct rig r;
    struct history h = { 0 };
    rig_init(&r, 1);
    set_small(&r);
    rig_open(&r);
    live(&r, &h);
    check_history(&r, &h);
    uint64_t n = fs_sim_syncs(r.fs);
    rig_end(&r);
    return n;
}

static void cut_at_every_sync(enum fs_sim_loss how, uint64_t seed)
{
    uint64_t syncs = syncs_of_a_life();
    CHECK(syncs > 50);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct rig r;
        struct err err;
        struct history h = { 0 };
        rig_init(&r, seed + at);
        set_small(&r);
        fs_sim_stop_at_sync(r.fs, at);
        if (rig_try_open(&r, &err) == ST_OK) {
            live(&r, &h);
            rig_crash(&r, how);
        } else {
            fs_sim_power_cut(r.fs, how);
            fs_sim_stop_at_sync(r.fs, 0);
            rig_open(&r);
        }
        check_history(&r, &h);
        if (how != LOSE_RANDOM)
            CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
        /* Life goes on, and survives the next cut. */
        CHECK_INT(rig_put(&r, "after"), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        CHECK_INT(rig_put(&r, "later"), ST_OK);
        rig_crash(&r, how);
        check_history(&r, &h);
        CHECK_INT(rig_count(&r, KIND_EVENTS, "after-0"), 1);
        CHECK_INT(rig_count(&r, KIND_EVENTS, "later-0"), 1);
        rig_end(&r);
    }
}

TEST(a_power_cut_at_any_sync_that_loses_everything_unsynced_loses_nothing_acknowledged)
{
    cut_at_every_sync(LOSE_ALL, 100);
}

TEST(a_power_cut_at_any_sync_that_garbles_what_is_unsynced_loses_nothing_acknowledged)
{
    cut_at_every_sync(LOSE_RANDOM, unit_seed() % 1000000);
}

TEST(a_kill_at_any_sync_loses_nothing_acknowledged)
{
    cut_at_every_sync(LOSE_NONE, 300);
}

TEST(a_sync_that_fails_at_any_point_loses_nothing_acknowledged)
{
    uint64_t syncs = syncs_of_a_life();
    for (uint64_t at = 1; at <= syncs; at++) {
        struct rig r;
        struct err err;
        struct history h = { 0 };
        rig_init(&r, 500 + at);
        set_small(&r);
        fs_sim_fail_sync(r.fs, at);
        if (rig_try_open(&r, &err) == ST_OK) {
            live(&r, &h);
            rig_crash(&r, LOSE_ALL);
        } else {
            fs_sim_power_cut(r.fs, LOSE_ALL);
            fs_sim_fail_sync(r.fs, 0);
            rig_open(&r);
        }
        check_history(&r, &h);
        rig_end(&r);
    }
}

/* The disk is full from some point of a life on, and has space again before its end. */
TEST(a_disk_that_fills_up_at_any_point_loses_nothing_acknowledged)
{
    for (uint64_t room = 200; room < 40000; room += 700) {
        struct rig r;
        struct err err;
        struct history h = { 0 };
        rig_init(&r, room);
        set_small(&r);
        r.opt.disk_warn_ratio = r.opt.disk_refuse_ratio = 1e-9; /* so that writes, not the guard, find the end */
        rig_open(&r);
        fs_sim_set_space(r.fs, room, 1 << 30);
        live(&r, &h);
        check_history(&r, &h);
        fs_sim_set_space(r.fs, 500 << 20, 1 << 30);
        CHECK_INT(store_tick(r.store, &err), ST_OK);
        check_history(&r, &h);
        CHECK_INT(rig_put(&r, "after"), ST_OK);
        rig_crash(&r, LOSE_ALL);
        check_history(&r, &h);
        CHECK_INT(rig_count(&r, KIND_EVENTS, "after-0"), 1);
        CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
        rig_end(&r);
    }
}
