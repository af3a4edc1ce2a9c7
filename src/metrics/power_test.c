/* SPDX-License-Identifier: Apache-2.0 */
/* The power goes at each sync in turn, in a short life with histograms, numbers, late ones and second ones; the engine must
 * come back with every request it acknowledged, whole, once. */
#include "metrics/rig_test.h"

enum { LIFE_STEPS = 14, LIFE_SERIES = 9 };

static const int64_t day_ns = 86400 * NS_S;

static void life_init(struct rig *r, uint64_t seed)
{
    rig_init(r, seed, LIFE_SERIES);
    clock_sim_advance(r->clock, 2 * day_ns);
    r->opt.mem_bytes_max = 4 * MIB;
    r->opt.mem_parts_bytes_max = 6000;
    r->opt.wal_segment_bytes_max = 2500;
}

/* What came to a client's ear is learnt; about a request that failed the store is asked after the power is back. */
static void live(struct rig *r, struct rig_request *unsure, size_t *unsure_count)
{
    struct err err;
    for (uint32_t i = 0; i < LIFE_STEPS; i++) {
        struct rig_request q;
        rig_request_begin(&q);
        for (uint32_t s = 0; s < LIFE_SERIES; s++) {
            if (i % 4 == 3)
                rig_request_put(&q, s, i - 2, 1000 + i); /* a second value for what is there */
            rig_request_put(&q, s, 2 * i + 20 * (s % 2), i);
            rig_request_put(&q, s, 2 * i + 1 + (i % 5 ? 0 : 6000), i); /* mostly today */
        }
        if (rig_append(r, &q, &err) == ST_OK) {
            rig_learn(r, &q);
            rig_request_end(&q);
        } else {
            unsure[(*unsure_count)++] = q;
        }
        enum status st = i % 4 == 2 ? store_flush(r->store, &err) : i == 9 ? store_merge(r->store, &err) : store_tick(r->store, &err);
        (void)st;
    }
}

static uint64_t syncs_of_a_life(void)
{
    struct rig r;
    struct err err;
    struct rig_request unsure[LIFE_STEPS];
    size_t unsure_count = 0;
    life_init(&r, 1);
    RIG_MUST(rig_open(&r, &err), &err);
    live(&r, unsure, &unsure_count);
    CHECK_INT(unsure_count, 0);
    rig_check(&r);
    uint64_t n = fs_sim_syncs(r.fs);
    rig_end(&r);
    return n;
}

/* Versions only grow, so what a later request that is there overwrote need not be asked about: they are asked newest last. */
static void learn_unsure(struct rig *r, struct rig_request *unsure, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        if (rig_is_there(r, &unsure[i]))
            rig_learn(r, &unsure[i]);
        rig_request_end(&unsure[i]);
    }
}

static void cut_at_every_sync(enum fs_sim_loss how, uint64_t seed)
{
    uint64_t syncs = syncs_of_a_life();
    CHECK(syncs > 30);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct rig r;
        struct err err;
        struct rig_request unsure[LIFE_STEPS];
        size_t unsure_count = 0;
        life_init(&r, seed + at);
        fs_sim_stop_at_sync(r.fs, at);
        if (rig_open(&r, &err) == ST_OK) {
            live(&r, unsure, &unsure_count);
            store_abandon(r.store);
        }
        fs_sim_power_cut(r.fs, how);
        fs_sim_stop_at_sync(r.fs, 0);
        RIG_MUST(rig_open(&r, &err), &err);
        learn_unsure(&r, unsure, unsure_count);
        rig_check(&r);
        RIG_MUST(store_flush(r.store, &err), &err);
        RIG_MUST(store_merge(r.store, &err), &err);
        rig_check(&r);
        rig_end(&r);
    }
}

TEST(engine_loses_no_histogram_that_was_acknowledged_when_the_power_goes_at_any_sync)
{
    cut_at_every_sync(LOSE_ALL, 100);
}

TEST(engine_loses_no_histogram_when_what_is_not_synced_is_garbled)
{
    cut_at_every_sync(LOSE_RANDOM, unit_seed() % 1000000);
}

TEST(engine_loses_no_histogram_to_a_kill_at_any_sync)
{
    cut_at_every_sync(LOSE_NONE, 300);
}
