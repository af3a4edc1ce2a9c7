/* SPDX-License-Identifier: Apache-2.0 */
/* The events' own ladder under power cuts, torn writes, failed syncs and full disks: after each of them every acknowledged
 * record is there once, byte for byte with its fields and weight, in the order of its request within its stream; a request
 * that was not acknowledged is there whole or not at all. */
#include "base/map.h"
#include "events/evworld.h"

enum { REQUESTS = 30, ROWS_MAX = 6, PART_BYTES_MAX = 6000, TABLE_BYTES_MAX = 6000, SEGMENT_BYTES_MAX = 3000, REQUEST_BITS = 8 };

/* What a life has sent. The same seed sends the same. */
struct life {
    struct world w;
    uint64_t seed;
    unsigned sent;
    bool acked[REQUESTS + 2];
    struct event *rows[REQUESTS + 2];
    size_t counts[REQUESTS + 2];
};

static enum status try_start(struct life *l, struct err *err)
{
    static const struct store_kind *const kinds[] = { &events_kind };
    struct store_options opt = { .dir = SLICE("data"), .fs = l->w.fs, .clock = l->w.clock, .kinds = kinds, .kind_count = 1,
                                 .no_background = true, .retention_ns = INT64_MAX, .mem_bytes_max = TABLE_BYTES_MAX,
                                 .mem_parts_bytes_max = PART_BYTES_MAX, .wal_segment_bytes_max = SEGMENT_BYTES_MAX,
                                 .disk_warn_ratio = 1e-9, .disk_refuse_ratio = 1e-9 };
    return store_open(&l->w.store, &opt, err);
}

static void life_init(struct life *l, uint64_t seed, uint64_t disk_seed)
{
    *l = (struct life){ .seed = seed };
    l->w = (struct world){ .arena = arena_new(0), .fs = fs_sim_new(disk_seed), .clock = clock_sim_new(world_start_ns + 5 * 86400 * NS_S) };
}

static void life_start(struct life *l)
{
    struct err err = { 0 };
    if (try_start(l, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

static void life_crash(struct life *l, enum fs_sim_loss how)
{
    fs_sim_power_cut(l->w.fs, how);
    store_abandon(l->w.store);
    fs_sim_stop_at_sync(l->w.fs, 0);
    fs_sim_fail_sync(l->w.fs, 0);
    life_start(l);
}

static void life_end(struct life *l)
{
    store_close(l->w.store);
    clock_sim_free(l->w.clock);
    fs_sim_free(l->w.fs);
    arena_free(l->w.arena);
}

/* Records of several streams on three days; two requests share each time, so that their order is told by nothing else. */
static void make_request(struct life *l, unsigned r)
{
    struct arena *a = l->w.arena;
    rand_seed(&l->w.rand, l->seed + r);
    size_t n = 1 + rand_below(&l->w.rand, ROWS_MAX);
    l->counts[r] = n;
    l->rows[r] = arena_array(a, struct event, n);
    for (size_t k = 0; k < n; k++) {
        struct event e = world_event(&l->w, a);
        struct field *fields = arena_array(a, struct field, e.field_count + 1);
        fields[0] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_INT, .name = SLICE("row"), .text = SLICE_EMPTY,
                                    .i = (int64_t)(r << REQUEST_BITS | k) };
        memcpy(fields + 1, e.fields, e.field_count * sizeof *fields);
        e.fields = fields;
        e.field_count++;
        e.time_ns = world_start_ns + (r % 3) * 86400 * NS_S + r / 6 * NS_S;
        e.stream = world_stream(a, (unsigned)rand_below(&l->w.rand, 4));
        l->rows[r][k] = e;
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

static enum status send_request(struct life *l, unsigned r, struct err *err)
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
    for (unsigned r = 0; r < REQUESTS; r++) {
        enum status st = send_request(l, r, &err), kept = ST_OK;
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

static void check_order(const struct world_found *found)
{
    struct map last; /* a stream's row before */
    map_init(&last);
    for (size_t i = 0; i < found->count; i++) {
        const struct event *e = &found->rows[i];
        bool added;
        uint64_t *before = map_put(&last, e->stream, &added);
        if (!added && found->rows[*before].time_ns == e->time_ns)
            CHECK(event_field(&found->rows[*before], SLICE("row"))->i < event_field(e, SLICE("row"))->i);
        *before = i;
    }
    map_free(&last);
}

static void check_all(struct life *l)
{
    struct arena *a = arena_new(0);
    struct events_query q = world_query_all();
    size_t seen[REQUESTS + 2] = { 0 };
    q.order = ORDER_TIME_ASC;
    struct world_found found = world_scan(&l->w, 1, &q, a);
    CHECK(!found.has_warnings);
    bool *is_there = arena_zalloc(a, (REQUESTS + 2) << REQUEST_BITS);
    for (size_t i = 0; i < found.count; i++) {
        const struct field *row = event_field(&found.rows[i], SLICE("row"));
        CHECK(row != NULL);
        size_t r = (size_t)row->i >> REQUEST_BITS, k = (size_t)row->i & ((1 << REQUEST_BITS) - 1);
        CHECK(r < l->sent && k < l->counts[r] && !is_there[row->i]);
        CHECK(world_same(&found.rows[i], &l->rows[r][k]));
        is_there[row->i] = true;
        seen[r]++;
    }
    for (unsigned r = 0; r < l->sent; r++) {
        CHECK(seen[r] == 0 || seen[r] == l->counts[r]);
        if (l->acked[r])
            CHECK_INT(seen[r], l->counts[r]);
    }
    check_order(&found);
    arena_free(a);
}

static uint64_t corrupt_blocks(struct life *l)
{
    struct engine_stats stats = { 0 };
    events_stats(l->w.store, &stats);
    return stats.corrupt_blocks;
}

static uint64_t syncs_of_a_life(uint64_t seed)
{
    struct life l;
    life_init(&l, seed, 1);
    life_start(&l);
    live(&l, false);
    for (unsigned r = 0; r < REQUESTS; r++)
        CHECK(l.acked[r]);
    check_all(&l);
    uint64_t n = fs_sim_syncs(l.w.fs);
    life_end(&l);
    return n;
}

/* Life goes on after a fault, through files too, and survives the next cut. */
static void live_on(struct life *l, enum fs_sim_loss how)
{
    struct err err = { 0 };
    check_all(l);
    CHECK_INT(send_request(l, REQUESTS, &err), ST_OK);
    CHECK_INT(store_flush(l->w.store, &err), ST_OK);
    CHECK_INT(store_merge(l->w.store, &err), ST_OK);
    CHECK_INT(send_request(l, REQUESTS + 1, &err), ST_OK);
    life_crash(l, how);
    check_all(l);
    life_end(l);
}

static void cut_at_every_sync(enum fs_sim_loss how, uint64_t seed)
{
    uint64_t syncs = syncs_of_a_life(seed);
    CHECK(syncs > 60);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, seed, seed + at);
        fs_sim_stop_at_sync(l.w.fs, at);
        if (try_start(&l, &err) == ST_OK) {
            live(&l, false);
            life_crash(&l, how);
        } else {
            fs_sim_power_cut(l.w.fs, how);
            fs_sim_stop_at_sync(l.w.fs, 0);
            life_start(&l);
        }
        if (how != LOSE_RANDOM)
            CHECK_INT(corrupt_blocks(&l), 0);
        live_on(&l, how);
    }
}

TEST(logs_survive_a_power_cut_at_any_sync_that_loses_all_that_is_unsynced)
{
    cut_at_every_sync(LOSE_ALL, 11);
}

TEST(logs_survive_a_power_cut_at_any_sync_that_tears_and_garbles_what_is_unsynced)
{
    cut_at_every_sync(LOSE_RANDOM, unit_seed() % 1000000);
}

TEST(logs_survive_a_kill_at_any_sync)
{
    cut_at_every_sync(LOSE_NONE, 13);
}

TEST(logs_survive_a_sync_that_fails_at_any_point)
{
    uint64_t syncs = syncs_of_a_life(17);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, 17, 500 + at);
        fs_sim_fail_sync(l.w.fs, at);
        if (try_start(&l, &err) == ST_OK) {
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

/* The disk is full from some point on, in the log, a flush or a merge; requests are refused by name. When there is space again
 * the store takes more without being started anew. */
TEST(a_disk_that_fills_up_in_a_flush_or_a_merge_of_logs_loses_nothing_and_is_told)
{
    unsigned refused = 0;
    for (uint64_t room = 400; room < 60000; room += 600) {
        struct life l;
        struct err err = { 0 };
        life_init(&l, 19, room);
        life_start(&l);
        fs_sim_set_space(l.w.fs, room, 1 << 30);
        live(&l, true);
        for (unsigned r = 0; r < REQUESTS; r++)
            refused += !l.acked[r];
        check_all(&l);
        fs_sim_set_space(l.w.fs, 500 << 20, 1 << 30);
        CHECK_INT(store_tick(l.w.store, &err), ST_OK);
        CHECK_INT(corrupt_blocks(&l), 0);
        live_on(&l, LOSE_ALL);
    }
    CHECK(refused > 100);
}
