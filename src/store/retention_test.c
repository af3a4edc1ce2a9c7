/* SPDX-License-Identifier: Apache-2.0 */
/* Classes, days and folders: what is kept, how long, where; and that the power may go at any moment of a move. */
#include <stdio.h>

#include "store/erase_value.h"
#include "store/rig_test.h"

#define DAY_NS (86400 * NS_S)

enum { CLASSES = 2, ROWS = 3 };

static void set_classes(struct rig *r, int64_t short_days, enum storage storage, uint16_t ids[CLASSES])
{
    struct err err = { 0 };
    struct engine_class list[CLASSES] = { { .name = SLICE("short"), .retention_ns = short_days * DAY_NS, .storage = STORAGE_LOCAL },
                                          { .name = SLICE("long"), .retention_ns = 90 * DAY_NS, .storage = storage } };
    if (store_set_classes(r->store, list, CLASSES, &err) != ST_OK)
        return; /* the disk is gone: what comes next fails too */
    for (int i = 0; i < CLASSES; i++)
        ids[i] = list[i].id;
}

/* ROWS rows called name of a class. */
static enum status put(struct rig *r, const char *name, uint16_t class, int64_t time_ns)
{
    struct err err;
    struct batch *b = rig_batch(name, ROWS, time_ns, false);
    for (size_t i = 0; i < b->event_count; i++)
        b->events[i].class = class;
    return rig_append(r, b, &err);
}

static int count(struct rig *r, const char *name)
{
    char body[32];
    int n = 0;
    for (int i = 0; i < ROWS; i++) {
        snprintf(body, sizeof body, "%s-%d", name, i);
        n += rig_count(r, KIND_EVENTS, body);
    }
    return n;
}

static void ticks(struct rig *r, int n)
{
    for (int i = 0; i < n; i++) {
        struct err err;
        enum status st = store_tick(r->store, &err);
        (void)st;
    }
}

static struct engine_usage usage(struct rig *r, struct arena *a)
{
    struct engine_usage u;
    struct err err = { 0 };
    CHECK_INT(store_usage(r->store, true, a, &u, &err), ST_OK);
    return u;
}

static int files_in(struct rig *r, const char *folder)
{
    struct buf names;
    struct err err;
    int n = 0;
    buf_init(&names, 0);
    if (fs_list(r->fs, folder, &names, &err) == ST_OK) {
        struct slice rest = buf_as_slice(&names), name;
        while (slice_next(&rest, 0, &name)) {
            char path[512];
            struct file_info info;
            snprintf(path, sizeof path, "%s/%.*s", folder, SLICE_FMT(name));
            if (fs_info(r->fs, path, &info, &err) == ST_OK)
                n += info.is_dir ? files_in(r, path) : slice_ends(name, SLICE(".part"));
        }
    }
    buf_free(&names);
    return n;
}

TEST(a_class_keeps_its_number_for_ever)
{
    struct rig r;
    uint16_t first[CLASSES], again[CLASSES], third;
    struct err err = { 0 };
    rig_init(&r, 1);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_LOCAL, first);
    CHECK(first[0] != 0 && first[1] != 0 && first[0] != first[1]);
    struct engine_class other = { .name = SLICE("other"), .retention_ns = DAY_NS };
    CHECK_INT(store_set_classes(r.store, &other, 1, &err), ST_OK);
    third = other.id;
    CHECK(third != first[0] && third != first[1]);
    rig_crash(&r, LOSE_ALL);
    rig_crash(&r, LOSE_ALL); /* the first start has rewritten the manifest */
    set_classes(&r, 7, STORAGE_LOCAL, again);
    CHECK_INT(again[0], first[0]);
    CHECK_INT(again[1], first[1]);
    rig_end(&r);
}

TEST(a_class_that_keeps_nothing_or_has_no_name_is_refused)
{
    struct rig r;
    struct err err = { 0 };
    struct engine_class bad[] = { { .name = SLICE("a"), .retention_ns = 0 }, { .name = SLICE(""), .retention_ns = DAY_NS } };
    rig_init(&r, 1);
    rig_open(&r);
    for (size_t i = 0; i < COUNT_OF(bad); i++)
        CHECK_INT(store_set_classes(r.store, &bad[i], 1, &err), ST_INVALID);
    rig_end(&r);
}

TEST(partitions_are_dropped_whole_after_the_days_of_their_class)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    rig_init(&r, 2);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    CHECK_INT(put(&r, "short", ids[0], rig_now_ns), ST_OK);
    CHECK_INT(put(&r, "long", ids[1], rig_now_ns), ST_OK);
    CHECK_INT(put(&r, "plain", 0, rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    static const struct {
        int days, is_short, is_plain, is_long;
    } steps[] = { { 6, ROWS, ROWS, ROWS }, { 3, 0, ROWS, ROWS }, { 21, 0, ROWS, ROWS }, { 3, 0, 0, ROWS }, { 56, 0, 0, ROWS }, { 3, 0, 0, 0 } };
    for (size_t i = 0; i < COUNT_OF(steps); i++) {
        clock_sim_advance(r.clock, steps[i].days * DAY_NS);
        ticks(&r, 1);
        CHECK_INT(count(&r, "short"), steps[i].is_short);
        CHECK_INT(count(&r, "plain"), steps[i].is_plain);
        CHECK_INT(count(&r, "long"), steps[i].is_long);
    }
    rig_end(&r);
}

TEST(classes_live_through_the_log_and_rows_too_old_for_theirs_are_dropped_at_the_flush)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    rig_init(&r, 3);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    CHECK_INT(put(&r, "short", ids[0], rig_now_ns - 20 * DAY_NS), ST_OK);
    CHECK_INT(put(&r, "long", ids[1], rig_now_ns - 20 * DAY_NS), ST_OK);
    rig_crash(&r, LOSE_ALL);
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(count(&r, "short"), 0);
    CHECK_INT(count(&r, "long"), ROWS);
    struct arena *a = arena_new(0);
    struct engine_usage u = usage(&r, a);
    for (size_t i = 0; i < u.class_count; i++)
        CHECK_INT(u.classes[i].rows, u.classes[i].class.id == ids[1] ? ROWS : 0);
    arena_free(a);
    rig_end(&r);
}

TEST(classes_are_in_force_from_the_start_for_replay_and_the_first_expiry)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    struct engine_class list[] = { { .name = SLICE("long"), .retention_ns = 90 * DAY_NS }, { .name = SLICE("unheard of"), .retention_ns = DAY_NS } };
    rig_init(&r, 10);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    CHECK_INT(put(&r, "file", ids[1], rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(put(&r, "log", ids[1], rig_now_ns), ST_OK);
    clock_sim_advance(r.clock, 60 * DAY_NS);
    r.opt.classes = list;
    r.opt.class_count = COUNT_OF(list);
    r.opt.mem_bytes_max = r.opt.mem_parts_bytes_max = 1; /* replay flushes */
    rig_crash(&r, LOSE_ALL);
    ticks(&r, 1);
    CHECK_INT(count(&r, "file"), ROWS);
    CHECK_INT(count(&r, "log"), ROWS);
    CHECK_INT(rig_stats(&r).expired_parts + rig_stats(&r).too_old_rows, 0);
    rig_end(&r);
}

TEST(names_that_are_known_need_no_room_among_the_thousand)
{
    enum { NAMES = 1000 };
    struct rig r;
    struct err err = { 0 };
    static char names[NAMES + 1][16];
    struct engine_class *list = mem_zalloc((NAMES + 1) * sizeof *list);
    rig_init(&r, 11);
    rig_open(&r);
    for (int i = 0; i <= NAMES; i++) {
        snprintf(names[i], sizeof names[i], "n%d", i);
        list[i] = (struct engine_class){ .name = slice_str(names[i]), .retention_ns = DAY_NS };
    }
    CHECK_INT(store_set_classes(r.store, list, NAMES, &err), ST_OK);
    CHECK_INT(store_set_classes(r.store, list, NAMES, &err), ST_OK);
    CHECK_INT(list[NAMES - 1].id, NAMES);
    CHECK_INT(store_set_classes(r.store, list, NAMES + 1, &err), ST_LIMIT);
    mem_free(list);
    rig_end(&r);
}

TEST(a_view_of_a_part_that_moved_away_and_back_takes_nothing_with_it)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    bool damaged;
    rig_init(&r, 12);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_CLOUD, ids);
    CHECK_INT(put(&r, "a", ids[1], rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    clock_sim_advance(r.clock, 2 * DAY_NS);
    struct store_view *v = store_view_take(r.store, KIND_EVENTS, INT64_MIN, INT64_MAX);
    ticks(&r, 1);
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    ticks(&r, 1);
    CHECK_INT(rig_stats(&r).tier_moves, 2);
    CHECK_INT(rig_view_rows(v, &damaged), ROWS);
    CHECK(!damaged);
    store_view_drop(v);
    CHECK_INT(files_in(&r, "/data/stoa"), 1);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(count(&r, "a"), ROWS);
    rig_end(&r);
}

TEST(a_part_that_is_done_moves_to_the_folder_of_its_storage_and_views_read_on)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    bool damaged;
    rig_init(&r, 4);
    r.opt.storage_dirs[STORAGE_ARCHIVE] = SLICE("/mnt/archive");
    rig_open(&r);
    set_classes(&r, 7, STORAGE_ARCHIVE, ids);
    CHECK_INT(put(&r, "a", ids[1], rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    ticks(&r, 2);
    CHECK_INT(files_in(&r, "/mnt/archive"), 0); /* today's is not done */
    clock_sim_advance(r.clock, 2 * DAY_NS);
    struct store_view *v = store_view_take(r.store, KIND_EVENTS, INT64_MIN, INT64_MAX);
    ticks(&r, 2);
    CHECK_INT(files_in(&r, "/mnt/archive"), 1);
    CHECK_INT(files_in(&r, "/data/stoa"), 0); /* the view has it open */
    CHECK_INT(rig_view_rows(v, &damaged), ROWS);
    CHECK(!damaged);
    store_view_drop(v);
    CHECK_INT(count(&r, "a"), ROWS);
    CHECK_INT(rig_stats(&r).tier_moves, 1);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(count(&r, "a"), ROWS);
    CHECK_INT(files_in(&r, "/mnt/archive"), 1);
    /* Back, when the policy says so. */
    set_classes(&r, 7, STORAGE_LOCAL, ids);
    ticks(&r, 2);
    CHECK_INT(files_in(&r, "/mnt/archive"), 0);
    CHECK_INT(count(&r, "a"), ROWS);
    rig_end(&r);
}

TEST(storage_local_may_have_a_folder_of_its_own)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    rig_init(&r, 8);
    r.opt.storage_dirs[STORAGE_LOCAL] = SLICE("/mnt/local");
    rig_open(&r);
    set_classes(&r, 30, STORAGE_CLOUD, ids);
    CHECK_INT(put(&r, "a", ids[0], rig_now_ns), ST_OK);
    CHECK_INT(put(&r, "plain", 0, rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    clock_sim_advance(r.clock, 2 * DAY_NS);
    ticks(&r, 2);
    CHECK_INT(files_in(&r, "/mnt/local"), 1);
    CHECK_INT(files_in(&r, "/data/stoa"), 1); /* rows of no policy stay */
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(count(&r, "a"), ROWS);
    CHECK_INT(count(&r, "plain"), ROWS);
    rig_end(&r);
}

TEST(a_request_may_have_many_classes_on_many_days)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    struct batch *b = batch_new(0);
    rig_init(&r, 9);
    rig_open(&r);
    set_classes(&r, 80, STORAGE_LOCAL, ids);
    for (int i = 0; i < 3 * 60; i++) {
        struct event *e = batch_event(b);
        e->kind = EVENT_LOG;
        e->class = i % 3 < CLASSES ? ids[i % 3] : 0;
        e->time_ns = rig_now_ns - (i / 3) * DAY_NS;
        e->stream = SLICE("s");
        e->body = SLICE("many");
    }
    CHECK_INT(rig_append(&r, b, &err), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK(rig_count(&r, KIND_EVENTS, "many") >= 2 * 60 + 31);
    rig_end(&r);
}

TEST(a_full_storage_folder_is_counted_and_costs_nothing)
{
    struct rig r;
    struct err err = { 0 };
    uint16_t ids[CLASSES];
    rig_init(&r, 5);
    rig_open(&r);
    set_classes(&r, 7, STORAGE_CLOUD, ids);
    CHECK_INT(put(&r, "a", ids[1], rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    clock_sim_advance(r.clock, 2 * DAY_NS);
    fs_sim_set_space(r.fs, 1000, 1 << 30);
    ticks(&r, 1);
    CHECK_INT(rig_stats(&r).tier_move_failures, 1);
    CHECK_INT(count(&r, "a"), ROWS);
    CHECK(!rig_stats(&r).read_only);
    fs_sim_set_space(r.fs, 500 << 20, 1 << 30);
    clock_sim_advance(r.clock, 120 * NS_S);
    ticks(&r, 1);
    CHECK_INT(rig_stats(&r).tier_moves, 1);
    CHECK_INT(count(&r, "a"), ROWS);
    rig_end(&r);
}

TEST(a_folder_that_fails_holds_up_no_moves_to_another_one)
{
    struct rig r;
    struct err err = { 0 };
    struct engine_class list[] = { { .name = SLICE("c"), .retention_ns = 90 * DAY_NS, .storage = STORAGE_CLOUD },
                                   { .name = SLICE("a"), .retention_ns = 90 * DAY_NS, .storage = STORAGE_ARCHIVE } };
    rig_init(&r, 13);
    rig_open(&r);
    CHECK_INT(store_set_classes(r.store, list, 2, &err), ST_OK);
    CHECK_INT(put(&r, "c", list[0].id, rig_now_ns), ST_OK);
    CHECK_INT(put(&r, "a", list[1].id, rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(fs_replace(r.fs, "/data/stoa/cloud", SLICE("no folder"), &err), ST_OK);
    clock_sim_advance(r.clock, 2 * DAY_NS);
    for (int i = 0; i < 4; i++) {
        ticks(&r, 1);
        clock_sim_advance(r.clock, 61 * NS_S);
    }
    CHECK_INT(files_in(&r, "/data/stoa/archive"), 1);
    CHECK(rig_stats(&r).tier_move_failures > 0);
    CHECK_INT(count(&r, "c"), ROWS);
    rig_end(&r);
}

static enum status broken_pread(struct file *f, uint64_t offset, void *to, size_t n, size_t *got, struct err *err)
{
    (void)f, (void)to, (void)n, *got = 0;
    return err_set(err, ST_IO, "the folder is away (offset %llu)", (unsigned long long)offset);
}

static void broken_close(struct file *f)
{
    (void)f;
}

TEST(a_part_that_cannot_be_read_holds_up_no_merges_and_is_tried_again)
{
    static const struct file_ops broken_ops = { .pread = broken_pread, .close = broken_close };
    struct file broken = { &broken_ops };
    struct rig r;
    struct err err = { 0 };
    struct tombstone t = { .tenant = SLICE("default"), .is_events = true, .start_ns = 0, .end_ns = INT64_MAX, .selector = SLICE("{}"),
                           .contains = SLICE("x") };
    rig_init(&r, 14);
    rig_open(&r);
    for (int day = 1; day >= 0; day--) {
        CHECK_INT(put(&r, "x", 0, rig_now_ns - day * DAY_NS), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
    }
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    struct part *away = store_lane(r.store, KIND_EVENTS)->parts.at[0];
    struct file *whole = away->file;
    away->file = &broken;
    ticks(&r, 3);
    CHECK_INT(rig_stats(&r).merges, 1);
    CHECK(!rig_stats(&r).read_only);
    away->file = whole;
    clock_sim_advance(r.clock, 3600 * NS_S);
    ticks(&r, 3);
    CHECK_INT(rig_stats(&r).merges, 2);
    rig_end(&r);
}

TEST(a_clock_that_is_set_wrong_and_right_again_deletes_nothing)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 15);
    rig_open(&r);
    CHECK_INT(put(&r, "file", 0, rig_now_ns), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(put(&r, "memory", 0, rig_now_ns), ST_OK);
    clock_sim_jump(r.clock, 400 * DAY_NS);
    ticks(&r, 2);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    clock_sim_advance(r.clock, 1800 * NS_S);
    ticks(&r, 2);
    clock_sim_jump(r.clock, -400 * DAY_NS);
    clock_sim_advance(r.clock, 7200 * NS_S);
    ticks(&r, 2);
    CHECK_INT(count(&r, "file") + count(&r, "memory"), 2 * ROWS);
    clock_sim_jump(r.clock, 400 * DAY_NS); /* and stays */
    ticks(&r, 1);
    CHECK_INT(count(&r, "file") + count(&r, "memory"), 2 * ROWS);
    clock_sim_advance(r.clock, 3601 * NS_S);
    ticks(&r, 1);
    CHECK_INT(count(&r, "file") + count(&r, "memory"), 0);
    rig_end(&r);
}

/* ---- the power goes ---- */

struct past {
    bool acked[2];
};

static void live(struct rig *r, struct past *p)
{
    struct err err;
    uint16_t ids[CLASSES] = { 0 };
    set_classes(r, 7, STORAGE_CLOUD, ids);
    p->acked[0] = put(r, "a", ids[1], rig_now_ns) == ST_OK;
    p->acked[1] = put(r, "b", ids[0], rig_now_ns) == ST_OK;
    enum status st = store_flush(r->store, &err);
    (void)st;
    clock_sim_advance(r->clock, 2 * DAY_NS);
    ticks(r, 2);
    set_classes(r, 7, STORAGE_ARCHIVE, ids);
    ticks(r, 2);
}

static void check_past(struct rig *r, const struct past *p)
{
    CHECK(count(r, "a") == ROWS || (!p->acked[0] && count(r, "a") == 0));
    CHECK(count(r, "b") == ROWS || (!p->acked[1] && count(r, "b") == 0));
    CHECK_INT(rig_stats(r).corrupt_blocks, 0);
}

static uint64_t syncs_of_a_life(void)
{
    struct rig r;
    struct past p = { 0 };
    rig_init(&r, 6);
    rig_open(&r);
    live(&r, &p);
    CHECK_INT(rig_stats(&r).tier_moves, 2);
    uint64_t n = fs_sim_syncs(r.fs);
    rig_end(&r);
    return n;
}

static void cut_at_every_sync(enum fs_sim_loss how)
{
    uint64_t syncs = syncs_of_a_life();
    CHECK(syncs > 20);
    for (uint64_t at = 1; at <= syncs; at++) {
        struct rig r;
        struct err err;
        struct past p = { 0 };
        uint16_t ids[CLASSES];
        rig_init(&r, 100 + at);
        fs_sim_stop_at_sync(r.fs, at);
        if (rig_try_open(&r, &err) == ST_OK) {
            live(&r, &p);
            rig_crash(&r, how);
        } else {
            fs_sim_power_cut(r.fs, how);
            fs_sim_stop_at_sync(r.fs, 0);
            rig_open(&r);
        }
        check_past(&r, &p);
        /* The move is made up for, and no second copy is left anywhere. */
        set_classes(&r, 7, STORAGE_ARCHIVE, ids);
        ticks(&r, 3);
        check_past(&r, &p);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        clock_sim_advance(r.clock, 120 * NS_S);
        ticks(&r, 3);
        struct engine_stats s = rig_stats(&r);
        CHECK_INT(files_in(&r, "/data"), (int64_t)s.parts);
        CHECK_INT(files_in(&r, "/data/stoa/cloud"), 0);
        rig_crash(&r, how);
        check_past(&r, &p);
        rig_end(&r);
    }
}

TEST(a_power_cut_at_any_sync_of_a_move_loses_nothing_and_leaves_one_copy)
{
    cut_at_every_sync(LOSE_ALL);
}

TEST(a_kill_at_any_sync_of_a_move_loses_nothing_and_leaves_one_copy)
{
    cut_at_every_sync(LOSE_NONE);
}

/* Of the syncs of a move only the manifest's own is one that nobody may fail. */
TEST(a_sync_that_fails_in_a_storage_folder_ends_no_writing_and_the_move_is_made_up_for)
{
    int survived = 0;
    for (uint64_t at = 1; at <= 6; at++) {
        struct rig r;
        struct err err = { 0 };
        uint16_t ids[CLASSES];
        rig_init(&r, 300 + at);
        rig_open(&r);
        set_classes(&r, 7, STORAGE_CLOUD, ids);
        CHECK_INT(put(&r, "a", ids[1], rig_now_ns), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        clock_sim_advance(r.clock, 2 * DAY_NS);
        fs_sim_fail_sync(r.fs, at);
        ticks(&r, 1);
        fs_sim_fail_sync(r.fs, 0);
        CHECK(!rig_stats(&r).read_only || slice_contains(slice_str(r.errors), SLICE("manifest")));
        CHECK_INT(count(&r, "a"), ROWS);
        clock_sim_advance(r.clock, 120 * NS_S);
        ticks(&r, 2);
        if (!rig_stats(&r).read_only) {
            CHECK_INT(rig_stats(&r).tier_moves, 1);
            survived += rig_stats(&r).tier_move_failures == 1;
        }
        rig_crash(&r, LOSE_ALL);
        CHECK_INT(count(&r, "a"), ROWS);
        rig_end(&r);
    }
    CHECK(survived >= 2);
}

/* ---- erase by value ---- */

TEST(an_erase_value_says_which_rows_have_it_and_holds_no_trace_of_it)
{
    struct arena *a = arena_new(0);
    struct erase_value v;
    struct err err;
    struct field fields[] = { { .type = FIELD_INT, .name = SLICE("user"), .i = 42 },
                              { .type = FIELD_STRING, .name = SLICE("who"), .text = SLICE("42") } };
    struct event e = { .kind = EVENT_LOG, .stream = SLICE_EMPTY, .body = SLICE("hello {\"user\": 42}"), .service = SLICE("web"), .fields = fields,
                       .field_count = 1 };
    CHECK_INT(erase_value_make(&v, SLICE("user"), SLICE("42"), &err), ST_OK);
    CHECK(erase_value_in_event(&v, &e, a));
    e.fields = &fields[1];
    CHECK(erase_value_in_event(&v, &e, a)); /* by the line */
    e.body = SLICE("hello 42");
    CHECK(!erase_value_in_event(&v, &e, a));
    CHECK_INT(erase_value_make(&v, SLICE("body"), SLICE("llo 4"), &err), ST_OK);
    CHECK(erase_value_in_event(&v, &e, a));
    CHECK(!slice_contains(slice_of(&v, sizeof v), SLICE("llo 4")));
    CHECK_INT(v.roll << 12, 0); /* more of it would say more of the value than a digest does */
    e.body = SLICE("llo ");
    CHECK(!erase_value_in_event(&v, &e, a));
    CHECK_INT(erase_value_make(&v, SLICE("body"), SLICE("ab"), &err), ST_INVALID);
    CHECK_INT(erase_value_make(&v, SLICE("service"), SLICE("web"), &err), ST_OK);
    CHECK(erase_value_in_event(&v, &e, a));
    arena_free(a);
}

TEST(an_erase_with_a_value_is_kept_and_told_after_a_crash_and_a_rewritten_manifest)
{
    struct rig r;
    struct err err = { 0 };
    struct tombstone t = { .tenant = SLICE("default"), .is_events = true, .is_erase = true, .start_ns = 0, .end_ns = rig_now_ns,
                           .selector = SLICE("{}"),
                           .contains = SLICE("no row has this") };
    struct engine_erase *list;
    struct arena *a = arena_new(0);
    size_t n;
    rig_init(&r, 7);
    rig_open(&r);
    CHECK_INT(erase_value_make(&t.value, SLICE("user"), SLICE("alice"), &err), ST_OK);
    t.value.rows = 5;
    t.value.made_ns = 77;
    CHECK_INT(put(&r, "a", 0, rig_now_ns - NS_S), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(store_erases(r.store, a, &list, &n, &err), ST_OK);
        CHECK_INT(n, 1);
        CHECK(slice_eq(list[0].field, SLICE("user")) && memcmp(list[0].salt, t.value.salt, sizeof t.value.salt) == 0);
        CHECK_INT(list[0].rows, 5);
        CHECK_INT(list[0].made_ns, 77);
        CHECK_INT(list[0].pending_parts, i < 2 ? 1 : 0);
        rig_crash(&r, LOSE_ALL);
        if (i == 1)
            CHECK_INT(store_merge(r.store, &err), ST_OK);
    }
    arena_free(a);
    rig_end(&r);
}
