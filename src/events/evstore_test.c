/* SPDX-License-Identifier: Apache-2.0 */
/* What only shows with the whole store beneath: damaged files, and threads. */
#include "events/evworld.h"
#include "sys/thread.h"

static void append_numbered(struct world *w, unsigned count)
{
    struct event *list = arena_zalloc(w->arena, count * sizeof *list);
    for (unsigned i = 0; i < count; i++)
        list[i] = (struct event){ .kind = EVENT_LOG, .weight = 1, .time_ns = world_start_ns + (int64_t)w->count * NS_MS + i,
                                  .stream = world_stream(w->arena, i % 2), .service = SLICE("shop"), .trace_state = SLICE_EMPTY,
                                  .status_message = SLICE_EMPTY,
                                  .body = arena_printf(w->arena, "line %llx of many", (unsigned long long)rand_u64(&w->rand)) };
    world_append(w, 0, list, count);
}

static struct slice only_part(struct world *w)
{
    struct buf days, parts;
    struct err err = { 0 };
    buf_init(&days, 0);
    buf_init(&parts, 0);
    CHECK(fs_list(w->fs, "data/events", &days, &err) == ST_OK && days.len);
    struct slice folder = arena_printf(w->arena, "data/events/%s", days.ptr);
    CHECK(fs_list(w->fs, folder.ptr, &parts, &err) == ST_OK && parts.len);
    struct slice path = arena_printf(w->arena, "%s/%s", folder.ptr, parts.ptr);
    buf_free(&days);
    buf_free(&parts);
    return path;
}

TEST(a_damaged_block_loses_only_itself_and_the_answer_says_so)
{
    struct world w;
    world_open(&w);
    for (int i = 0; i < 20; i++)
        append_numbered(&w, 2000);
    world_flush(&w);
    world_merge(&w);
    world_restart(&w);
    /* The bodies of the first block take most of the first third of the file. */
    fs_sim_flip(w.fs, only_part(&w).ptr, 20000);
    struct events_query q = world_query_all();
    struct world_found got = world_scan(&w, 1, &q, w.arena);
    CHECK(got.has_warnings);
    CHECK(got.count >= 40000 - 16384 && got.count < 40000);
    struct engine_stats stats = { 0 };
    events_stats(w.store, &stats);
    CHECK(stats.corrupt_blocks >= 1);
    world_close(&w);
}

static void check_stats(struct world *w)
{
    struct engine_stats stats = { 0 };
    uint64_t kinds[3] = { 0 };
    int64_t oldest = INT64_MAX, newest = 0;
    size_t streams = 0;
    for (size_t i = 0; i < w->count; i++) {
        const struct event *e = &w->rows[i].e;
        kinds[e->kind == EVENT_LOG ? 0 : e->kind == EVENT_SPAN ? 1 : 2]++;
        oldest = MIN(oldest, e->time_ns);
        newest = MAX(newest, e->time_ns);
        bool is_new = e->stream.len > 0;
        for (size_t k = 0; k < i && is_new; k++)
            is_new = !slice_eq(w->rows[k].e.stream, e->stream);
        streams += is_new;
    }
    events_stats(w->store, &stats);
    CHECK_INT(stats.log_records, kinds[0]);
    CHECK_INT(stats.spans, kinds[1]);
    CHECK_INT(stats.streams, streams);
    CHECK_INT(stats.oldest_ns, oldest);
    CHECK_INT(stats.newest_ns, newest);
}

TEST(stats_tell_what_tables_and_parts_hold_at_each_moment)
{
    struct world w;
    world_open(&w);
    for (int i = 0; i < 6; i++) {
        world_append_random(&w, 20);
        check_stats(&w);
        if (i % 2)
            world_flush(&w);
        check_stats(&w);
    }
    world_merge(&w);
    check_stats(&w);
    world_restart(&w);
    check_stats(&w);
    world_append_random(&w, 20);
    check_stats(&w);
    world_close(&w);
}

struct racing {
    struct store *store;
    struct clock *clock;
    atomic_bool is_over, is_broken;
    _Atomic uint64_t appended;
};

/* Each scan sees at least what was acknowledged before it began, in order, nothing twice. */
static void scan_on(void *arg)
{
    struct racing *r = arg;
    struct slice tenant = world_tenant(0);
    while (!atomic_load(&r->is_over)) {
        struct engine_ctx ctx;
        struct events_iter *it;
        struct event_block block;
        struct events_query q = world_query_all();
        struct err err = { 0 };
        unsigned did;
        uint64_t before = atomic_load(&r->appended), n = 0, last_seq = 0;
        int64_t last_ns = INT64_MIN;
        engine_ctx_init(&ctx, &tenant, 1, r->clock);
        bool is_good = events_scan(r->store, &ctx, &q, &it, &did, &err) == ST_OK;
        while (is_good && it->ops->next(it, &block, &err) == ST_OK)
            for (size_t i = 0; i < block.n; i++, n++) {
                is_good = is_good && (block.rows[i].time_ns > last_ns || (block.rows[i].time_ns == last_ns && block.rows[i].seq > last_seq));
                last_ns = block.rows[i].time_ns;
                last_seq = block.rows[i].seq;
            }
        it->ops->close(it);
        engine_ctx_free(&ctx);
        if (!is_good || n < before)
            atomic_store(&r->is_broken, true);
    }
}

static void merge_on(void *arg)
{
    struct racing *r = arg;
    struct err err = { 0 };
    while (!atomic_load(&r->is_over))
        if (store_flush(r->store, &err) || store_merge(r->store, &err))
            atomic_store(&r->is_broken, true);
}

struct ack_wait {
    atomic_bool is_done;
};

static void acked(void *arg, enum status st, const struct err *err)
{
    struct ack_wait *w = arg;
    atomic_store(&w->is_done, st == ST_OK);
}

TEST(scans_run_beside_appends_flushes_and_merges)
{
    static const struct store_kind *const kinds[] = { &events_kind };
    struct racing r = { .clock = clock_real() };
    struct fs *fs = fs_sim_new(1);
    struct err err = { 0 };
    struct store_options opt = { .dir = SLICE("data"), .fs = fs, .clock = r.clock, .kinds = kinds, .kind_count = 1, .retention_ns = INT64_MAX };
    if (store_open(&r.store, &opt, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    struct thread *scanner, *merger;
    CHECK(thread_start(&scanner, "scanner", scan_on, &r, &err) == ST_OK);
    CHECK(thread_start(&merger, "merger", merge_on, &r, &err) == ST_OK);
    struct world w = { .arena = arena_new(0) };
    rand_seed(&w.rand, unit_seed());
    for (int i = 0; i < 60; i++) {
        struct batch *b = batch_new(0);
        struct ack_wait wait = { false };
        for (int k = 0; k < 20; k++)
            *batch_event(b) = world_event(&w, b->arena);
        CHECK(store_append(r.store, b, (struct append_ack){ acked, &wait }, &err) == ST_OK);
        while (!atomic_load(&wait.is_done))
            ;
        atomic_fetch_add(&r.appended, 20);
    }
    atomic_store(&r.is_over, true);
    thread_join(scanner);
    thread_join(merger);
    CHECK(!atomic_load(&r.is_broken));
    arena_free(w.arena);
    store_close(r.store);
    fs_sim_free(fs);
}
