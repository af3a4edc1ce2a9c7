/* SPDX-License-Identifier: Apache-2.0 */
/* Lives on the imitated disk, for logs and for spans. Two requests share each time, so that the order of their rows is told by nothing
 * else; the days of requests alternate, so that each flush and merge has several partitions. */
#include "events/evlife.h"

#include "base/map.h"

enum { PART_BYTES_MAX = 6000, TABLE_BYTES_MAX = 6000, SEGMENT_BYTES_MAX = 3000, DAYS = 3 };

enum status life_try_start(struct life *l, struct err *err)
{
    static const struct store_kind *const kinds[] = { &events_kind };
    struct store_options opt = { .dir = SLICE("data"), .fs = l->w.fs, .clock = l->w.clock, .kinds = kinds, .kind_count = 1,
                                 .no_background = true, .retention_ns = INT64_MAX, .mem_bytes_max = TABLE_BYTES_MAX,
                                 .mem_parts_bytes_max = PART_BYTES_MAX, .wal_segment_bytes_max = SEGMENT_BYTES_MAX,
                                 .disk_warn_ratio = 1e-9, .disk_refuse_ratio = 1e-9 };
    return store_open(&l->w.store, &opt, err);
}

void life_init(struct life *l, const struct life_kind *kind, uint64_t seed, uint64_t disk_seed)
{
    *l = (struct life){ .kind = kind, .seed = seed };
    l->w = (struct world){ .arena = arena_new(0), .fs = fs_sim_new(disk_seed), .clock = clock_sim_new(world_start_ns + 5 * 86400 * NS_S) };
}

void life_start(struct life *l)
{
    struct err err = { 0 };
    if (life_try_start(l, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

void life_crash(struct life *l, enum fs_sim_loss how)
{
    fs_sim_power_cut(l->w.fs, how);
    store_abandon(l->w.store);
    fs_sim_stop_at_sync(l->w.fs, 0);
    fs_sim_fail_sync(l->w.fs, 0);
    life_start(l);
}

void life_end(struct life *l)
{
    store_close(l->w.store);
    clock_sim_free(l->w.clock);
    fs_sim_free(l->w.fs);
    arena_free(l->w.arena);
}

static void make_request(struct life *l, unsigned r)
{
    struct arena *a = l->w.arena;
    CHECK(r < LIFE_REQUESTS_MAX && !l->rows[r]);
    rand_seed(&l->w.rand, l->seed + r);
    size_t n = 1 + rand_below(&l->w.rand, LIFE_ROWS_MAX);
    l->counts[r] = n;
    l->rows[r] = arena_array(a, struct event, n);
    for (size_t k = 0; k < n; k++) {
        struct event *e = &l->rows[r][k];
        *e = l->kind->make(l, a, r << LIFE_ROW_BITS | (unsigned)k);
        e->time_ns = world_start_ns + (r % DAYS) * 86400 * NS_S + r / (2 * DAYS) * NS_S;
        e->stream = world_stream(a, (unsigned)rand_below(&l->w.rand, 4));
    }
}

struct waiter {
    struct mutex lock;
    struct cond cond;
    bool is_done;
    enum status st;
    struct err err;
};

static void told(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    mutex_lock(&w->lock);
    w->is_done = true;
    w->st = st;
    w->err = *err;
    cond_signal(&w->cond);
    mutex_unlock(&w->lock);
}

enum status life_send(struct life *l, unsigned r, struct err *err)
{
    struct batch *b = batch_new(0);
    struct waiter w = { .is_done = false };
    mutex_init(&w.lock);
    cond_init(&w.cond);
    make_request(l, r);
    l->sent = MAX(l->sent, r + 1);
    b->tenant = SLICE("default");
    for (size_t k = 0; k < l->counts[r]; k++)
        *batch_event(b) = l->rows[r][k];
    enum status st = store_append(l->w.store, b, (struct append_ack){ told, &w }, err);
    if (st == ST_OK) {
        mutex_lock(&w.lock);
        while (!w.is_done)
            cond_wait(&w.cond, &w.lock);
        mutex_unlock(&w.lock);
        st = w.st;
        *err = w.err;
    }
    l->acked[r] = st == ST_OK;
    mutex_destroy(&w.lock);
    cond_destroy(&w.cond);
    return st;
}

/* Goes on after failures, as clients do. full: the only fault there is. */
static void live(struct life *l, bool full)
{
    struct err err = { 0 };
    for (unsigned r = 0; r < LIFE_REQUESTS; r++) {
        enum status st = life_send(l, r, &err), kept = ST_OK;
        if (full && st)
            CHECK(st == ST_FULL && slice_contains(slice_str(err.text), SLICE("disk")));
        if (r % 6 == 5)
            kept = store_flush(l->w.store, &err);
        if (r % 10 == 9 && !kept)
            kept = store_merge(l->w.store, &err);
        if (full && kept)
            CHECK(slice_contains(slice_str(err.text), SLICE("disk")) || slice_contains(slice_str(err.text), SLICE("full")));
        kept = store_tick(l->w.store, &err);
        (void)kept;
    }
}

static void check_order(const struct life *l, const struct world_found *found)
{
    struct map last; /* a stream's row before */
    map_init(&last);
    for (size_t i = 0; i < found->count; i++) {
        const struct event *e = &found->rows[i];
        bool added;
        uint64_t *before = map_put(&last, e->stream, &added);
        if (!added && found->rows[*before].time_ns == e->time_ns)
            CHECK(l->kind->row_of(&found->rows[*before]) < l->kind->row_of(e));
        *before = i;
    }
    map_free(&last);
}

void life_check(struct life *l)
{
    struct arena *a = arena_new(0);
    struct events_query q = world_query_all();
    size_t seen[LIFE_REQUESTS_MAX] = { 0 };
    q.order = ORDER_TIME_ASC;
    struct world_found found = world_scan(&l->w, 1, &q, a);
    CHECK(!found.has_warnings);
    bool *is_there = arena_zalloc(a, LIFE_REQUESTS_MAX << LIFE_ROW_BITS);
    for (size_t i = 0; i < found.count; i++) {
        uint32_t row = l->kind->row_of(&found.rows[i]);
        size_t r = row >> LIFE_ROW_BITS, k = row & ((1 << LIFE_ROW_BITS) - 1);
        CHECK(r < l->sent && k < l->counts[r] && !is_there[row]);
        CHECK(world_same(&found.rows[i], &l->rows[r][k]));
        is_there[row] = true;
        seen[r]++;
    }
    for (unsigned r = 0; r < l->sent; r++) {
        CHECK(seen[r] == 0 || seen[r] == l->counts[r]);
        if (l->acked[r])
            CHECK_INT(seen[r], l->counts[r]);
    }
    check_order(l, &found);
    if (l->kind->check)
        l->kind->check(l, &found, a);
    arena_free(a);
}

uint64_t life_corrupt_blocks(struct life *l)
{
    struct engine_stats stats = { 0 };
    events_stats(l->w.store, &stats);
    return stats.corrupt_blocks;
}

static uint64_t syncs_of_a_life(const struct life_kind *kind, uint64_t seed)
{
    struct life l;
    life_init(&l, kind, seed, 1);
    life_start(&l);
    live(&l, false);
    for (unsigned r = 0; r < LIFE_REQUESTS; r++)
        CHECK(l.acked[r]);
    life_check(&l);
    uint64_t n = fs_sim_syncs(l.w.fs);
    life_end(&l);
    return n;
}

/* Life goes on after a fault, through files too, and survives the next cut. */
static void live_on(struct life *l, enum fs_sim_loss how)
{
    struct err err = { 0 };
    life_check(l);
    CHECK_INT(life_send(l, LIFE_REQUESTS, &err), ST_OK);
    CHECK_INT(store_flush(l->w.store, &err), ST_OK);
    CHECK_INT(store_merge(l->w.store, &err), ST_OK);
    CHECK_INT(life_send(l, LIFE_REQUESTS + 1, &err), ST_OK);
    life_crash(l, how);
    life_check(l);
    life_end(l);
}

void life_cut_at_every_sync(const struct life_kind *kind, enum fs_sim_loss how, uint64_t seed)
{
    uint64_t syncs = syncs_of_a_life(kind, seed);
    CHECK(syncs > 60);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, kind, seed, seed + at);
        fs_sim_stop_at_sync(l.w.fs, at);
        if (life_try_start(&l, &err) == ST_OK) {
            live(&l, false);
            life_crash(&l, how);
        } else {
            fs_sim_power_cut(l.w.fs, how);
            fs_sim_stop_at_sync(l.w.fs, 0);
            life_start(&l);
        }
        if (how != LOSE_RANDOM)
            CHECK_INT(life_corrupt_blocks(&l), 0);
        live_on(&l, how);
    }
}

void life_fail_every_sync(const struct life_kind *kind, uint64_t seed)
{
    uint64_t syncs = syncs_of_a_life(kind, seed);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, kind, seed, 500 + at);
        fs_sim_fail_sync(l.w.fs, at);
        if (life_try_start(&l, &err) == ST_OK) {
            live(&l, false);
            life_crash(&l, LOSE_ALL);
        } else {
            fs_sim_power_cut(l.w.fs, LOSE_ALL);
            fs_sim_fail_sync(l.w.fs, 0);
            life_start(&l);
        }
        live_on(&l, LOSE_ALL);
    }
}

/* Requests are refused by name. When there is space again the store takes more without being started anew. */
unsigned life_fill_the_disk(const struct life_kind *kind, uint64_t seed)
{
    unsigned refused = 0;
    for (uint64_t room = 400; room < 60000; room += 600) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, kind, seed, room);
        life_start(&l);
        fs_sim_set_space(l.w.fs, room, 1 << 30);
        live(&l, true);
        for (unsigned r = 0; r < LIFE_REQUESTS; r++)
            refused += !l.acked[r];
        life_check(&l);
        fs_sim_set_space(l.w.fs, 500 << 20, 1 << 30);
        CHECK_INT(store_tick(l.w.store, &err), ST_OK);
        CHECK_INT(life_corrupt_blocks(&l), 0);
        live_on(&l, LOSE_ALL);
    }
    return refused;
}
