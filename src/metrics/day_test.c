/* SPDX-License-Identifier: Apache-2.0 */
/* A day of a cluster whose pods come and go: new series all the time, late samples, requests sent twice, values sent anew,
 * kills and power cuts, while the store flushes and merges on its own. A client that heard nothing asks and sends again.
 * At the end everything is there once, and the series held for writing were at no hour more than a few times those alive.
 *
 * STOA_TEST_LONG=1 makes it three million series in some minutes; a number makes it so many times the short one. */
#include <stdio.h>
#include <stdlib.h>

#include "base/num.h"
#include "metrics/rig_test.h"
#include "metrics/series.h"
#include "metrics/state.h"

enum {
    DAY_STEPS = 24 * 3600 * 1000 / RIG_STEP_MS,
    SCRAPE_STEPS = 20, /* every five minutes */
    SCRAPES = DAY_STEPS / SCRAPE_STEPS,
    POD_SERIES = 7,
    POD_SCRAPES = 12,  /* a pod lives an hour */
    BORN_SHORT = 3,    /* pods a scrape */
    LONG_TIMES = 500,
    REQUEST_PODS = 40,
    LATE_SCRAPES_MAX = 30
};

struct day {
    struct rig rig;
    uint32_t born; /* pods a scrape */
    uint32_t version;
    size_t cuts, kills, repeats, late;
    size_t dict_most, memory_most[2]; /* before and after noon */
};

static uint32_t times_short(void)
{
    const char *text = getenv("STOA_TEST_LONG");
    int64_t n = 1;
    if (text == NULL || !num_parse_i64(slice_str(text), &n) || n < 1)
        return 1;
    return n == 1 ? LONG_TIMES : (uint32_t)n;
}

/* The machine stops: at once, or when a sync was not reached. Then a client asks what became of its request. */
static void comes_back(struct day *d, const struct rig_request *q, bool *is_there)
{
    struct rig *r = &d->rig;
    struct err err;
    enum fs_sim_loss how = (enum fs_sim_loss)rand_below(&r->rand, 3);
    store_abandon(r->store);
    fs_sim_power_cut(r->fs, how);
    fs_sim_stop_at_sync(r->fs, 0);
    d->cuts += how != LOSE_NONE;
    d->kills += how == LOSE_NONE;
    RIG_MUST(rig_open(r, &err), &err);
    if (q)
        *is_there = rig_is_there(r, q);
}

/* As a client does: until it is acknowledged. */
static void send(struct day *d, struct rig_request *q)
{
    struct err err;
    bool is_there = false;
    while (!is_there && rig_append(&d->rig, q, &err) != ST_OK) {
        comes_back(d, q, &is_there);
        if (!is_there) { /* what a batch holds belongs to the store it was given to */
            struct rig_request again;
            rig_request_begin(&again);
            for (size_t i = 0; i < q->count; i++)
                rig_request_put(&again, q->puts[i].series, q->puts[i].step, q->puts[i].version);
            rig_request_end(q);
            *q = again;
        }
    }
    rig_learn(&d->rig, q);
}

/* The pods from <= p < to are scraped. */
static void scrape(struct day *d, uint32_t at, uint32_t from, uint32_t to)
{
    struct rand *rand = &d->rig.rand;
    struct rig_request q;
    rig_request_begin(&q);
    uint32_t version = ++d->version;
    bool is_late = rand_one_in(rand, 20), is_anew = rand_one_in(rand, 20);
    for (uint32_t s = from * POD_SERIES; s < to * POD_SERIES; s++) {
        if (is_late && at > LATE_SCRAPES_MAX && s % 5 == 0)
            rig_request_put(&q, s, (at - 1 - version % LATE_SCRAPES_MAX) * SCRAPE_STEPS + 7, version);
        if (is_anew && at > 0)
            rig_request_put(&q, s, (at - 1) * SCRAPE_STEPS, version);
        rig_request_put(&q, s, at * SCRAPE_STEPS, version);
    }
    d->late += is_late || is_anew;
    send(d, &q);
    if (rand_one_in(rand, 20)) {
        struct rig_request again;
        rig_request_begin(&again);
        for (size_t i = 0; i < q.count; i++)
            rig_request_put(&again, q.puts[i].series, q.puts[i].step, q.puts[i].version);
        send(d, &again);
        rig_request_end(&again);
        d->repeats++;
    }
    rig_request_end(&q);
}

static void look_at_memory(struct day *d, uint32_t at)
{
    struct engine_stats stats = { 0 };
    const struct metrics_state *st = store_kind_state(d->rig.store, KIND_METRICS);
    metrics_stats(d->rig.store, &stats);
    size_t *most = &d->memory_most[at >= SCRAPES / 2];
    *most = MAX(*most, (size_t)stats.memory_bytes);
    d->dict_most = MAX(d->dict_most, (size_t)series_count(st->dict));
}

static void day(struct day *d)
{
    struct rig *r = &d->rig;
    struct err err;
    for (uint32_t at = 0; at < SCRAPES; at++) {
        uint32_t born = (at + 1) * d->born, dead = at >= POD_SCRAPES ? (at + 1 - POD_SCRAPES) * d->born : 0;
        if (rand_one_in(&r->rand, 12))
            fs_sim_stop_at_sync(r->fs, 1 + rand_below(&r->rand, 30));
        for (uint32_t p = dead; p < born; p += REQUEST_PODS)
            scrape(d, at, p, MIN(p + REQUEST_PODS, born));
        clock_sim_advance(r->clock, (int64_t)SCRAPE_STEPS * RIG_STEP_MS * NS_MS);
        enum status st = store_tick(r->store, &err);
        if (st)
            comes_back(d, NULL, NULL);
        look_at_memory(d, at);
        if (at % (SCRAPES / 4) == SCRAPES / 8 && d->born == BORN_SHORT)
            rig_check(r);
    }
}

TEST(engine_keeps_a_day_of_churn_with_late_data_repeats_kills_and_power_cuts_in_bounded_memory)
{
    struct day d = { .born = BORN_SHORT * times_short() };
    struct err err;
    rig_init(&d.rig, unit_seed(), (size_t)d.born * SCRAPES * POD_SERIES);
    if (d.born == BORN_SHORT) { /* so that a short day has flushes and merges as a long one has */
        d.rig.opt.mem_bytes_max = 2 * MIB;
        d.rig.opt.mem_parts_bytes_max = 64 * KIB;
        d.rig.opt.wal_segment_bytes_max = 64 * KIB;
    }
    RIG_MUST(rig_open(&d.rig, &err), &err);
    day(&d);
    fs_sim_stop_at_sync(d.rig.fs, 0);
    rig_check(&d.rig);
    RIG_MUST(store_flush(d.rig.store, &err), &err);
    RIG_MUST(store_merge(d.rig.store, &err), &err);
    rig_check(&d.rig);
    CHECK(d.cuts > 0 && d.kills > 0 && d.repeats > 0 && d.late > 0);
    CHECK(d.dict_most < (size_t)d.born * POD_SERIES * POD_SCRAPES * 4);
    if (d.born != BORN_SHORT)
        printf("%zu series, %llu samples, %zu power cuts, %zu kills; at most %zu series at once in memory; %zu KiB until noon, %zu after\n",
               d.rig.series_count, (unsigned long long)d.rig.samples, d.cuts, d.kills, d.dict_most, d.memory_most[0] / KIB,
               d.memory_most[1] / KIB);
    rig_end(&d.rig);
}
