/* SPDX-License-Identifier: Apache-2.0 */
/* Spans under the same faults as logs, and by the table of traces: whatever happened, a trace read by its id has every span that was
 * acknowledged, once, with all its columns, and no other span; an id that was never sent has none. */
#include "events/evlife.h"

enum { TRACES = 9, STEPS = 330, PIECES = 60, PIECE_NOISE = 80, IDS_SEED = 77 };

/* ---- spans of a life ---- */

static void trace_id_of(uint64_t seed, unsigned i, uint8_t id[16])
{
    struct rand r;
    rand_seed(&r, seed * 1000 + i + IDS_SEED);
    rand_bytes(&r, id, 16);
}

/* The row's number in the span's id, which is random in its other bytes as ids are. */
static void number_span(struct event *e, struct rand *r, unsigned row)
{
    rand_bytes(r, e->span_id, sizeof e->span_id);
    memcpy(e->span_id + 4, &row, sizeof row);
    if (!rand_one_in(r, 5))
        rand_bytes(r, e->parent_id, sizeof e->parent_id);
}

static struct event make_span(struct life *l, struct arena *a, unsigned row)
{
    struct event e = world_span(&l->w, a);
    trace_id_of(l->seed, (unsigned)rand_below(&l->w.rand, TRACES), e.trace_id);
    number_span(&e, &l->w.rand, row);
    return e;
}

static uint32_t row_of_span(const struct event *e)
{
    uint32_t row;
    memcpy(&row, e->span_id + 4, sizeof row);
    return row;
}

static struct world_found read_trace(struct world *w, const uint8_t id[16], struct arena *a)
{
    struct pred by_id = { .op = PRED_EQ, .column = COL_TRACE_ID, .type = FIELD_STRING, .text = slice_of(id, 16) };
    struct events_query q = world_query_all();
    q.start_ns = 0;
    q.kinds = 1u << EVENT_SPAN;
    q.pred = &by_id;
    q.order = ORDER_TIME_ASC;
    return world_scan(w, 1, &q, a);
}

/* all holds what is right: by id each trace has the same rows in the same order. */
static void check_traces(struct life *l, const struct world_found *all, struct arena *a)
{
    size_t in_traces = 0;
    for (unsigned i = 0; i <= TRACES; i++) { /* the last one was never sent */
        uint8_t id[16];
        size_t n = 0;
        trace_id_of(l->seed, i, id);
        struct world_found trace = read_trace(&l->w, id, a);
        for (size_t k = 0; k < all->count; k++) {
            if (memcmp(all->rows[k].trace_id, id, sizeof id) != 0)
                continue;
            CHECK(n < trace.count && world_same(&trace.rows[n], &all->rows[k]));
            n++;
        }
        CHECK_INT(trace.count, n);
        in_traces += n;
    }
    CHECK_INT(in_traces, all->count);
}

static const struct life_kind spans = { make_span, row_of_span, check_traces };

TEST(spans_survive_a_power_cut_at_any_sync_that_loses_all_that_is_unsynced)
{
    life_cut_at_every_sync(&spans, LOSE_ALL, 23);
}

TEST(spans_survive_a_power_cut_at_any_sync_that_tears_and_garbles_what_is_unsynced)
{
    life_cut_at_every_sync(&spans, LOSE_RANDOM, unit_seed() % 1000000);
}

TEST(spans_survive_a_kill_at_any_sync)
{
    life_cut_at_every_sync(&spans, LOSE_NONE, 29);
}

TEST(spans_survive_a_sync_that_fails_at_any_point)
{
    life_fail_every_sync(&spans, 31);
}

TEST(a_disk_that_fills_up_in_a_flush_or_a_merge_of_spans_loses_nothing_and_is_told)
{
    CHECK(life_fill_the_disk(&spans, 37) > 100);
}

/* ---- everything at once ---- */

/* What a life under all faults does next. A fault that is set may come in any later step, until the next crash ends it.
 * Once a sync may have failed the machine starts again and not the process alone: what the kernel holds by then would pass as written
 * though it is not, which no program can find out. */
static void any_step(struct life *l, struct rand *dice, bool *may_fail)
{
    struct err err = { 0 };
    enum status st = ST_OK; /* faults are what this is about: what comes of them is seen by reading */
    switch (rand_below(dice, 20)) {
    case 0:
        st = store_flush(l->w.store, &err);
        break;
    case 1:
        st = store_merge(l->w.store, &err);
        break;
    case 2:
    case 9: /* a start needs room for a manifest */
        fs_sim_set_space(l->w.fs, 500 << 20, 1 << 30);
        life_crash(l, (enum fs_sim_loss)rand_below(dice, *may_fail ? LOSE_NONE : LOSE_NONE + 1));
        *may_fail = false;
        life_check(l);
        break;
    case 3:
        fs_sim_stop_at_sync(l->w.fs, 1 + rand_below(dice, 12));
        break;
    case 4:
        fs_sim_fail_sync(l->w.fs, 1 + rand_below(dice, 12));
        *may_fail = true;
        break;
    case 5:
        fs_sim_set_space(l->w.fs, rand_one_in(dice, 2) ? rand_below(dice, 20000) : 500 << 20, 1 << 30);
        break;
    case 6: /* days ahead and back again */
        clock_sim_jump(l->w.clock, (int64_t)rand_below(dice, 6 * 86400) * NS_S - 3 * 86400 * NS_S);
        break;
    case 7:
        clock_sim_advance(l->w.clock, (int64_t)rand_below(dice, 1200) * NS_S);
        break;
    case 8:
        life_check(l);
        break;
    default:
        if (l->sent < LIFE_REQUESTS_MAX)
            st = life_send(l, l->sent, &err);
    }
    st = store_tick(l->w.store, &err);
    (void)st;
}

TEST(spans_survive_cuts_kills_failed_syncs_full_disks_and_clocks_that_jump_one_after_another)
{
    unsigned acked = 0;
    for (unsigned round = 0; round < 6; round++) {
        struct life l;
        struct rand dice;
        bool may_fail = false;
        rand_seed(&dice, unit_seed() + round);
        life_init(&l, &spans, rand_below(&dice, 1000000), rand_u64(&dice));
        life_start(&l);
        for (unsigned i = 0; i < STEPS; i++)
            any_step(&l, &dice, &may_fail);
        fs_sim_set_space(l.w.fs, 500 << 20, 1 << 30);
        life_crash(&l, LOSE_ALL);
        life_check(&l);
        for (unsigned r = 0; r < l.sent; r++)
            acked += l.acked[r];
        struct err err = { 0 };
        CHECK_INT(store_flush(l.w.store, &err), ST_OK);
        CHECK_INT(store_merge(l.w.store, &err), ST_OK);
        life_check(&l);
        life_end(&l);
    }
    CHECK(acked > 200);
}

/* ---- a trace that takes its time ---- */

/* Other traces around each piece, so that it is one of many in its block and part. */
static void append_piece(struct world *w, const uint8_t id[16], unsigned piece, int64_t time_ns)
{
    struct event *list = arena_array(w->arena, struct event, PIECE_NOISE + 1);
    for (unsigned i = 0; i <= PIECE_NOISE; i++) {
        list[i] = world_span(w, w->arena);
        rand_bytes(&w->rand, list[i].trace_id, sizeof list[i].trace_id);
        list[i].time_ns = time_ns + (int64_t)rand_below(&w->rand, NS_S);
        if (i == PIECE_NOISE / 2) {
            memcpy(list[i].trace_id, id, 16);
            number_span(&list[i], &w->rand, piece);
        }
    }
    world_append(w, 0, list, PIECE_NOISE + 1);
}

static void check_pieces(struct world *w, const uint8_t id[16], unsigned pieces)
{
    struct arena *a = arena_new(0);
    struct world_found trace = read_trace(w, id, a);
    CHECK_INT(trace.count, pieces);
    for (unsigned i = 0; i < trace.count; i++) {
        CHECK_INT(row_of_span(&trace.rows[i]), i);
        CHECK(world_same(&trace.rows[i], &w->rows[i * (PIECE_NOISE + 1) + PIECE_NOISE / 2].e));
    }
    arena_free(a);
}

TEST(a_trace_that_arrives_over_an_hour_around_midnight_is_whole_at_every_moment)
{
    struct world w;
    uint8_t id[16];
    world_open(&w);
    rand_bytes(&w.rand, id, sizeof id);
    int64_t midnight_ns = (world_start_ns / (86400 * NS_S) + 1) * 86400 * NS_S;
    for (unsigned i = 0; i < PIECES; i++) {
        append_piece(&w, id, i, midnight_ns + ((int64_t)i - PIECES / 2) * 60 * NS_S);
        clock_sim_advance(w.clock, 60 * NS_S);
        world_tick(&w);
        check_pieces(&w, id, i + 1);
        if (i % 7 == 3)
            world_flush(&w);
        if (i % 19 == 17)
            world_merge(&w);
        if (i % 23 == 11)
            world_restart(&w);
        check_pieces(&w, id, i + 1);
    }
    world_flush(&w);
    world_merge(&w);
    check_pieces(&w, id, PIECES);
    world_restart(&w);
    check_pieces(&w, id, PIECES);
    world_close(&w);
}
