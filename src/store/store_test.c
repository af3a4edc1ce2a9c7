/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "store/rig_test.h"

static void put_many(struct rig *r, const char *name, int count)
{
    char text[32];
    for (int i = 0; i < count; i++) {
        snprintf(text, sizeof text, "%s%d", name, i);
        CHECK_INT(rig_put(r, text), ST_OK);
    }
}

TEST(rows_are_visible_once_acknowledged)
{
    struct rig r;
    rig_init(&r, 1);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "a-0"), 1);
    CHECK_INT(rig_count(&r, KIND_METRICS, "a-0"), 1);
    rig_end(&r);
}

TEST(what_was_acknowledged_is_there_after_a_power_cut)
{
    struct rig r;
    rig_init(&r, 2);
    rig_open(&r);
    put_many(&r, "a", 20);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 20);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 20);
    put_many(&r, "b", 5);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 25);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "b4-0"), 1);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
}

TEST(a_flush_moves_rows_to_files_and_empties_the_log)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 3);
    rig_open(&r);
    put_many(&r, "a", 20);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    struct engine_stats s = rig_stats(&r);
    CHECK_INT(s.parts, 2);
    CHECK_INT(s.wal_bytes, 0);
    CHECK_INT(s.pending_rows, 0);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 20);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 20);
    put_many(&r, "b", 3);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 23);
    rig_end(&r);
}

TEST(a_clean_close_leaves_an_empty_log)
{
    struct rig r;
    struct buf names;
    struct err err;
    rig_init(&r, 4);
    rig_open(&r);
    put_many(&r, "a", 7);
    store_close(r.store);
    buf_init(&names, 0);
    CHECK_INT(fs_list(r.fs, "/data/stoa/wal", &names, &err), ST_OK);
    CHECK_INT(names.len, 0);
    buf_free(&names);
    rig_open(&r);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 7);
    rig_end(&r);
}

TEST(a_second_process_may_not_open_the_folder)
{
    struct rig r;
    struct err err;
    rig_init(&r, 5);
    rig_open(&r);
    struct store *other = NULL;
    CHECK_INT(store_open(&other, &r.opt, &err), ST_EXISTS);
    rig_end(&r);
}

TEST(segments_start_with_their_own_definitions)
{
    struct rig r;
    rig_init(&r, 6);
    r.opt.wal_segment_bytes_max = 600;
    rig_open(&r);
    put_many(&r, "a", 40);
    CHECK(wal_segments(r.store->wal) > 3);
    rig_crash(&r, LOSE_NONE);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 40);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
}

TEST(ticks_move_full_tables_down_the_ladder)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 7);
    r.opt.mem_bytes_max = 10 * sizeof(struct row);
    r.opt.mem_parts_bytes_max = 4000;
    rig_open(&r);
    for (int i = 0; i < 12; i++) {
        char name[16];
        snprintf(name, sizeof name, "n%d-", i);
        put_many(&r, name, 12);
        CHECK_INT(store_tick(r.store, &err), ST_OK);
        CHECK_INT(rig_rows(&r, KIND_EVENTS), 12 * (i + 1));
    }
    CHECK(rig_stats(&r).parts > 0);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 144);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 144);
    rig_end(&r);
}

TEST(rows_older_than_the_flush_interval_go_to_files)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 8);
    rig_open(&r);
    put_many(&r, "a", 3);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(rig_stats(&r).parts, 0);
    clock_sim_advance(r.clock, 601 * NS_S);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(rig_stats(&r).parts, 2);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    rig_end(&r);
}

TEST(merges_leave_one_part_a_partition_and_class)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 9);
    rig_open(&r);
    for (int day = 0; day < 3; day++)
        for (int i = 0; i < 4; i++) {
            struct batch *b = rig_batch("m", 5, rig_now_ns - day * 86400 * NS_S, false);
            b->events[4].class = 2;
            CHECK_INT(rig_append(&r, b, &err), ST_OK);
            CHECK_INT(store_flush(r.store, &err), ST_OK);
        }
    CHECK_INT(rig_stats(&r).parts, 24);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(rig_stats(&r).parts, 6);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 60);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "m-4"), 12);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_stats(&r).parts, 6);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 60);
    rig_end(&r);
}

TEST(a_merge_does_not_reach_over_a_part_that_cannot_be_merged)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 28);
    rig_open(&r);
    for (int i = 0; i < 5; i++) {
        CHECK_INT(rig_put(&r, "a"), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
    }
    struct part_list *parts = &store_lane(r.store, KIND_EVENTS)->parts;
    parts->at[1]->no_merge = true;
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(parts->count, 3);
    for (size_t i = 0; i < parts->count; i++) /* 1 | 2 | 3 to 5 */
        CHECK_INT(parts->at[i]->info.rows, parts->at[i]->info.min_lsn < 3 ? 1 : 3);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 5);
    rig_end(&r);
}

TEST(a_view_reads_on_from_parts_a_merge_has_removed)
{
    struct rig r;
    struct err err = { 0 };
    bool damaged;
    rig_init(&r, 10);
    rig_open(&r);
    for (int i = 0; i < 3; i++) {
        put_many(&r, "v", 4);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
    }
    struct store_view *v = store_view_take(r.store, KIND_EVENTS, INT64_MIN, INT64_MAX);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    put_many(&r, "w", 4);
    CHECK_INT(v->part_count, 3);
    CHECK_INT(rig_view_rows(v, &damaged), 12);
    CHECK(!damaged);
    struct file_info info;
    char path[PART_PATH_BYTES_MAX];
    part_path(&r.store->env, &rows_kind, part_info(v->parts[0]), path);
    CHECK_INT(fs_info(r.fs, path, &info, &err), ST_OK);
    store_view_drop(v);
    CHECK_INT(fs_info(r.fs, path, &info, &err), ST_NOT_FOUND);
    rig_end(&r);
}

TEST(a_view_shows_only_parts_of_its_window)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 11);
    rig_open(&r);
    for (int day = 0; day < 3; day++)
        CHECK_INT(rig_append(&r, rig_batch("m", 5, rig_now_ns - day * 86400 * NS_S, false), &err), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    struct store_view *v = store_view_take(r.store, KIND_EVENTS, rig_now_ns - 86400 * NS_S, rig_now_ns);
    CHECK_INT(v->part_count, 1);
    store_view_drop(v);
    rig_end(&r);
}

TEST(partitions_over_the_retention_time_are_dropped_with_their_folders)
{
    struct rig r;
    struct err err = { 0 };
    struct file_info info;
    rig_init(&r, 12);
    rig_open(&r);
    CHECK_INT(rig_append(&r, rig_batch("old", 5, rig_now_ns - 30 * 86400 * NS_S, false), &err), ST_OK);
    CHECK_INT(rig_append(&r, rig_batch("new", 5, rig_now_ns, false), &err), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 10);
    char folder[PART_PATH_BYTES_MAX];
    part_folder(&r.store->env, &rows_kind, &(struct part_info){ .start_ns = partition_start(rig_now_ns - 30 * 86400 * NS_S) }, folder);
    CHECK_INT(fs_info(r.fs, folder, &info, &err), ST_OK);
    clock_sim_advance(r.clock, 3 * 86400 * NS_S);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 5);
    CHECK_INT(rig_stats(&r).expired_parts, 1);
    CHECK_INT(fs_info(r.fs, folder, &info, &err), ST_NOT_FOUND);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 5);
    rig_end(&r);
}

TEST(rows_sent_when_over_the_retention_time_are_dropped_at_the_flush_and_counted)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 27);
    rig_open(&r);
    CHECK_INT(rig_append(&r, rig_batch("old", 5, rig_now_ns - 40 * 86400 * NS_S, true), &err), ST_OK);
    CHECK_INT(rig_append(&r, rig_batch("new", 3, rig_now_ns, true), &err), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 3);
    CHECK_INT(rig_stats(&r).too_old_rows, 10);
    CHECK_INT(rig_stats(&r).expired_parts, 0);
    rig_end(&r);
}

TEST(batches_with_times_out_of_range_are_refused_by_name)
{
    struct rig r;
    struct err err;
    rig_init(&r, 13);
    rig_open(&r);
    CHECK_INT(rig_append(&r, rig_batch("x", 1, -5 * NS_S, false), &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("-5000 ms")));
    CHECK_INT(rig_append(&r, rig_batch("x", 1, rig_now_ns + 86401 * NS_S, false), &err), ST_INVALID);
    CHECK_INT(rig_append(&r, rig_batch("x", 1, rig_now_ns + 86000 * NS_S, false), &err), ST_OK);
    struct batch *b = rig_batch("x", 70, rig_now_ns, false);
    for (size_t i = 0; i < b->event_count; i++)
        b->events[i].time_ns -= (int64_t)i * 86400 * NS_S;
    CHECK_INT(rig_append(&r, b, &err), ST_LIMIT);
    CHECK(slice_contains(slice_str(err.text), SLICE("64")));
    rig_end(&r);
}

TEST(a_request_that_cannot_be_encoded_spoils_no_other)
{
    struct rig r;
    struct err err;
    rig_init(&r, 14);
    rig_open(&r);
    put_many(&r, "a", 2);
    struct batch *b = rig_batch("x", 2, rig_now_ns, false);
    b->events[0].stream = SLICE("fresh");
    b->events[1].body = SLICE("poison");
    CHECK_INT(rig_append(&r, b, &err), ST_INVALID);
    b = rig_batch("y", 1, rig_now_ns, false);
    b->events[0].stream = SLICE("fresh");
    CHECK_INT(rig_append(&r, b, &err), ST_OK);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    rig_end(&r);
}

TEST(an_idempotency_key_is_taken_once_and_survives_a_crash)
{
    struct rig r;
    struct err err;
    rig_init(&r, 15);
    rig_open(&r);
    for (int i = 0; i < 5; i++) {
        struct batch *b = rig_batch("k", 1, rig_now_ns, false);
        b->idempotency_key = i < 3 ? SLICE("one") : SLICE("two");
        b->received_ns = rig_now_ns;
        b->tenant = i == 4 ? SLICE("other") : SLICE("default");
        CHECK_INT(rig_append(&r, b, &err), ST_OK);
    }
    CHECK_INT(rig_count(&r, KIND_EVENTS, "k-0"), 3);
    rig_crash(&r, LOSE_ALL);
    struct batch *b = rig_batch("k", 1, rig_now_ns, false);
    b->idempotency_key = SLICE("one");
    CHECK_INT(rig_append(&r, b, &err), ST_OK);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "k-0"), 3);
    rig_end(&r);
}

static struct batch *keyed(const char *name, const char *key)
{
    struct batch *b = rig_batch(name, 1, rig_now_ns, false);
    b->idempotency_key = arena_copy(b->arena, slice_str(key));
    b->received_ns = rig_now_ns;
    return b;
}

static void send_keyed(struct rig *r, const char *key, int want_rows)
{
    struct err err;
    CHECK_INT(rig_append(r, keyed("k", key), &err), ST_OK);
    CHECK_INT(rig_count(r, KIND_EVENTS, "k-0"), want_rows);
}

TEST(idempotency_keys_survive_a_clean_stop_and_a_power_cut_behind_a_flush)
{
    struct rig r;
    struct err err;
    rig_init(&r, 25);
    rig_open(&r);
    send_keyed(&r, "one", 1);
    store_close(r.store);
    rig_open(&r);
    send_keyed(&r, "one", 1);
    send_keyed(&r, "two", 2);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    send_keyed(&r, "three", 3);
    rig_crash(&r, LOSE_ALL);
    send_keyed(&r, "one", 3);
    send_keyed(&r, "two", 3);
    send_keyed(&r, "three", 3);
    rig_end(&r);
}

TEST(a_damaged_file_of_idempotency_keys_is_told_and_costs_only_the_keys)
{
    struct rig r;
    struct err err;
    struct file_info info;
    rig_init(&r, 26);
    rig_open(&r);
    send_keyed(&r, "one", 1);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    store_close(r.store);
    CHECK_INT(fs_info(r.fs, "/data/stoa/KEYS", &info, &err), ST_OK);
    for (uint64_t at = 0; at < info.size; at++) {
        struct buf whole;
        buf_init(&whole, 0);
        CHECK_INT(fs_read_all(r.fs, "/data/stoa/KEYS", info.size, &whole, &err), ST_OK);
        fs_sim_flip(r.fs, "/data/stoa/KEYS", at);
        r.error_count = 0;
        rig_open(&r);
        CHECK_INT(r.error_count, 1);
        CHECK_INT(idempotency_count(r.store->keys), 0);
        CHECK_INT(rig_rows(&r, KIND_EVENTS), 1);
        store_close(r.store);
        CHECK_INT(fs_replace(r.fs, "/data/stoa/KEYS", buf_as_slice(&whole), &err), ST_OK);
        buf_free(&whole);
    }
    rig_open(&r);
    send_keyed(&r, "one", 1);
    rig_end(&r);
}

TEST(tombstones_hide_rows_at_once_survive_a_crash_and_go_when_worked_off)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 16);
    rig_open(&r);
    put_many(&r, "keep", 3);
    put_many(&r, "gone", 3);
    struct tombstone t = { .is_events = true, .tenant = SLICE("default"), .start_ns = 0, .end_ns = INT64_MAX,
                           .selector = SLICE("{}"), .contains = SLICE("gone") };
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 6);
    CHECK_INT(rig_put(&r, "gone-later"), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 4);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 4);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 0);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 4);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "gone-later-0"), 1);
    rig_end(&r);
}

TEST(an_erase_whose_selector_does_not_parse_or_of_all_samples_is_refused)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 18);
    rig_open(&r);
    struct tombstone t = { .tenant = SLICE("default"), .start_ns = 0, .end_ns = INT64_MAX, .selector = SLICE("{a=b}") };
    CHECK_INT(store_erase(r.store, &t, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "erase: selector: position 4: expected a string in quotes, found \"b}\"");
    t.selector = SLICE("{}");
    CHECK_INT(store_erase(r.store, &t, &err), ST_INVALID);
    t.is_events = true;
    t.selector = SLICE("{a=~'('}");
    CHECK_INT(store_erase(r.store, &t, &err), ST_INVALID);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 0);
    t.selector = SLICE("{a=~'b'}");
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    rig_end(&r);
}

TEST(an_erase_stays_for_rows_that_come_later)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 17);
    rig_open(&r);
    struct tombstone t = { .is_events = true, .is_erase = true, .tenant = SLICE("default"), .start_ns = 0, .end_ns = rig_now_ns * 2,
                           .contains = SLICE("secret") };
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    put_many(&r, "secret", 2);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 1);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 0);
    rig_end(&r);
}

TEST(a_full_disk_refuses_data_and_recovers_by_itself)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 18);
    rig_open(&r);
    put_many(&r, "a", 3);
    fs_sim_set_space(r.fs, 8 << 20, 100 << 20);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK(rig_stats(&r).disk_low && !rig_stats(&r).disk_full);
    CHECK_INT(rig_put(&r, "low"), ST_OK);
    fs_sim_set_space(r.fs, 4 << 20, 100 << 20);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, "refused"), ST_FULL);
    CHECK(slice_contains(slice_str(rig_stats(&r).reason), SLICE("5.0 %")));
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 4);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    fs_sim_set_space(r.fs, 50 << 20, 100 << 20);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, "again"), ST_OK);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 5);
    rig_end(&r);
}

TEST(a_write_that_finds_the_disk_full_fails_alone_and_loses_nothing)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 19);
    rig_open(&r);
    put_many(&r, "a", 3);
    fs_sim_set_space(r.fs, 10, 100 << 20);
    CHECK_INT(rig_put(&r, "lost"), ST_FULL);
    CHECK(!rig_stats(&r).read_only && rig_stats(&r).disk_full);
    CHECK(store_flush(r.store, &err) == ST_FULL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    fs_sim_set_space(r.fs, 50 << 20, 100 << 20);
    CHECK_INT(store_tick(r.store, &err), ST_OK);
    put_many(&r, "b", 3);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 6);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 6);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 6);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
}

struct retry {
    struct rig *r;
    enum status first, second; /* of the request that waited, and of its repeat */
};

static void note_status(void *arg, enum status st, const struct err *err)
{
    *(enum status *)arg = st;
}

/* The disk has space again, and what waited behind the failed request is sent again. */
static void on_failed(void *arg, enum status st, const struct err *err)
{
    struct retry *t = arg;
    struct err own;
    fs_sim_set_space(t->r->fs, 50 << 20, 100 << 20);
    guard_check(&t->r->store->guard, t->r->fs, "/data/stoa", NULL);
    t->second = ST_INTERNAL;
    CHECK_INT(st, ST_FULL);
    CHECK_INT(store_append(t->r->store, keyed("behind", "b"), (struct append_ack){ note_status, &t->second }, &own), ST_OK);
}

TEST(the_repeat_of_a_request_that_fails_behind_another_is_stored_before_it_is_acknowledged)
{
    struct rig r;
    struct err err = { 0 };
    struct retry t = { .r = &r };
    bool committing = false;
    rig_init(&r, 23);
    rig_open(&r);
    fs_sim_set_space(r.fs, 10, 100 << 20);
    mutex_lock(&r.store->wal->lock); /* the commit thread waits here */
    CHECK_INT(store_append(r.store, keyed("first", "f"), (struct append_ack){ on_failed, &t }, &err), ST_OK);
    while (!committing) {
        mutex_lock(&r.store->append_lock);
        committing = r.store->committing;
        mutex_unlock(&r.store->append_lock);
    }
    CHECK_INT(store_append(r.store, keyed("behind", "b"), (struct append_ack){ note_status, &t.first }, &err), ST_OK);
    mutex_unlock(&r.store->wal->lock);
    append_drain(r.store);
    CHECK_INT(t.first, ST_FULL);
    CHECK_INT(t.second, ST_OK);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "behind-0"), 1);
    rig_end(&r);
}

TEST(a_manifest_too_long_for_a_full_disk_to_compact_is_read_without_alarm)
{
    struct rig r;
    struct err err = { 0 };
    char text[60000];
    rig_init(&r, 24);
    rig_open(&r);
    memset(text, 'x', sizeof text);
    struct tombstone t = { .is_events = true, .is_erase = true, .tenant = SLICE("default"), .start_ns = 0, .end_ns = INT64_MAX,
                           .contains = slice_of(text, sizeof text) };
    for (int i = 0; i < 10; i++) { /* twice 60 kB each: the last two find it over 1 MiB, and no room for another one */
        if (i == 8)
            fs_sim_set_space(r.fs, 500 << 10, 1 << 20);
        CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    }
    CHECK(manifest_bytes(r.store->manifest) > 10 * 2 * sizeof text);
    fs_sim_set_space(r.fs, 50 << 20, 100 << 20);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 10);
    CHECK(!slice_contains(slice_str(r.errors), SLICE("manifest")));
    rig_end(&r);
}

TEST(a_failed_sync_is_never_retried_and_makes_the_store_read_only)
{
    struct rig r;
    struct err err = { 0 };
    rig_init(&r, 20);
    rig_open(&r);
    put_many(&r, "a", 3);
    uint64_t before = fs_sim_syncs(r.fs);
    fs_sim_fail_sync(r.fs, 1);
    CHECK_INT(rig_put(&r, "lost"), ST_FULL);
    CHECK_INT(rig_put(&r, "refused"), ST_FULL);
    CHECK_INT(store_flush(r.store, &err), ST_FULL);
    CHECK(rig_stats(&r).read_only);
    CHECK(slice_contains(slice_str(rig_stats(&r).reason), SLICE("read-only")));
    CHECK(fs_sim_syncs(r.fs) <= before + 1);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 3);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_count(&r, KIND_EVENTS, "a2-0"), 1);
    CHECK_INT(rig_put(&r, "b"), ST_OK);
    rig_end(&r);
}

struct counter {
    atomic_int done, failed;
};

static void count_ack(void *arg, enum status st, const struct err *err)
{
    struct counter *c = arg;
    if (st)
        atomic_fetch_add(&c->failed, 1);
    atomic_fetch_add(&c->done, 1);
}

TEST(requests_that_come_during_a_sync_share_the_next_one)
{
    struct rig r;
    struct err err;
    struct counter c = { 0 };
    enum { REQUESTS = 3000 };
    rig_init(&r, 21);
    rig_open(&r);
    uint64_t before = rig_stats(&r).wal_syncs;
    for (int i = 0; i < REQUESTS; i++)
        CHECK_INT(store_append(r.store, rig_batch("g", 1, rig_now_ns, false), (struct append_ack){ count_ack, &c }, &err), ST_OK);
    append_drain(r.store);
    CHECK_INT(atomic_load(&c.done), REQUESTS);
    CHECK_INT(atomic_load(&c.failed), 0);
    CHECK(rig_stats(&r).wal_syncs - before < REQUESTS);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), REQUESTS);
    rig_end(&r);
}

struct worker {
    struct rig *r;
    int id;
    struct thread *thread;
};

static void appender(void *arg)
{
    struct worker *w = arg;
    char name[32];
    for (int i = 0; i < 60; i++) {
        snprintf(name, sizeof name, "w%d.%d", w->id, i);
        enum status st;
        while ((st = rig_put(w->r, name)) == ST_UNAVAILABLE) /* tables this small fill faster than they are encoded */
            CHECK(rig_rows(w->r, KIND_EVENTS) >= 0);
        CHECK_INT(st, ST_OK);
    }
}

static void reader(void *arg)
{
    struct worker *w = arg;
    for (int i = 0, last = 0; i < 60; i++) {
        int now = rig_rows(w->r, KIND_EVENTS);
        CHECK(now >= last);
        last = now;
    }
}

TEST(appends_views_flushes_and_merges_run_beside_each_other)
{
    struct rig r;
    struct err err = { 0 };
    struct worker workers[4];
    rig_init(&r, 22);
    r.opt.mem_bytes_max = 10 * sizeof(struct row);
    r.opt.mem_parts_bytes_max = 3000;
    r.opt.wal_segment_bytes_max = 2000;
    r.opt.no_background = false;
    rig_open(&r);
    for (int i = 0; i < 4; i++) {
        workers[i] = (struct worker){ &r, i, NULL };
        CHECK_INT(thread_start(&workers[i].thread, "w", i < 3 ? appender : reader, &workers[i], &err), ST_OK);
    }
    for (int i = 0; i < 10; i++) {
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        enum status st = store_merge(r.store, &err);
        CHECK(st == ST_OK);
    }
    for (int i = 0; i < 4; i++)
        thread_join(workers[i].thread);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 180);
    CHECK_INT(rig_rows(&r, KIND_METRICS), 180);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 180);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
}
