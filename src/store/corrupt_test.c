/* SPDX-License-Identifier: Apache-2.0 */
/* One byte of one file is flipped, for each file type and every byte in turn. */
#include <stdio.h>

#include "store/rig_test.h"

enum { REQUESTS = 12, ROWS = 3, BLOCK_ROWS = 8 /* of the test kinds' parts */ };

static void fill(struct rig *r, uint64_t seed)
{
    struct err err;
    char name[16];
    rig_init(r, seed);
    rig_open(r);
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(name, sizeof name, "r%d", i);
        CHECK_INT(rig_append(r, rig_batch(name, ROWS, rig_now_ns, false), &err), ST_OK);
    }
}

static uint64_t size_of(struct rig *r, const char *path)
{
    struct file_info info = { 0 };
    struct err err;
    CHECK_INT(fs_info(r->fs, path, &info, &err), ST_OK);
    return info.size;
}

/* Was it said, by name, and counted? */
static void check_reported(struct rig *r, const char *name)
{
    CHECK(rig_stats(r).corrupt_blocks >= 1);
    CHECK(slice_contains(slice_str(r->errors), slice_str(name)));
    CHECK(slice_contains(slice_str(r->errors), SLICE("offset")) || slice_contains(slice_str(r->errors), SLICE("footer")));
}

static const char log_path[] = "/data/stoa/wal/0000000000000001.wal";

TEST(a_flipped_byte_in_the_log_is_repaired)
{
    struct rig r;
    uint64_t size = UINT64_MAX;
    for (uint64_t at = 0; at < size; at++) {
        fill(&r, 1);
        size = size_of(&r, log_path);
        store_abandon(r.store);
        fs_sim_flip(r.fs, log_path, at);
        rig_open(&r);
        CHECK_INT(rig_rows(&r, KIND_EVENTS), REQUESTS * ROWS);
        check_reported(&r, log_path);
        CHECK_INT(rig_put(&r, "after"), ST_OK);
        rig_end(&r);
    }
}

/* Too much for a repair: the request is lost, its neighbours are not. */
TEST(a_destroyed_request_in_the_log_loses_only_itself)
{
    struct rig r;
    fill(&r, 9);
    uint64_t size = size_of(&r, log_path), middle = WAL_SEGMENT_HEADER_BYTES + (size - WAL_SEGMENT_HEADER_BYTES) / 2;
    store_abandon(r.store);
    for (uint64_t at = middle; at < middle + 150; at += 3)
        fs_sim_flip(r.fs, log_path, at);
    rig_open(&r);
    int rows = rig_rows(&r, KIND_EVENTS);
    CHECK(rows == (REQUESTS - 1) * ROWS || rows == (REQUESTS - 2) * ROWS);
    check_reported(&r, log_path);
    CHECK_INT(rig_put(&r, "after"), ST_OK);
    rig_end(&r);
}

/* The path of the only file part. */
static void part_file(struct rig *r, char *path, uint64_t *size)
{
    struct part_list *parts = &store_lane(r->store, KIND_EVENTS)->parts;
    CHECK_INT(parts->count, 1);
    part_path(&r->store->env, &rows_kind, &parts->at[0]->info, path);
    *size = parts->at[0]->info.bytes;
}

TEST(a_flipped_byte_in_a_part_loses_at_most_its_block_and_the_rest_is_served)
{
    struct rig r;
    struct err err = { 0 };
    char path[PART_PATH_BYTES_MAX];
    uint64_t size = UINT64_MAX;
    bool was_aside = false, lost_a_block = false;
    for (uint64_t at = 0; at < size; at++) {
        fill(&r, 2);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        part_file(&r, path, &size);
        uint64_t meta_at = ((struct block_ref *)*(void **)part_user(store_lane(r.store, KIND_EVENTS)->parts.at[0]))[4].offset;
        CHECK_INT(rig_put(&r, "other"), ST_OK);
        store_close(r.store);
        fs_sim_flip(r.fs, path, at);
        rig_open(&r);
        int rows = rig_readable_rows(&r, KIND_EVENTS);
        if (at < PART_HEADER_BYTES)
            CHECK_INT(rows, REQUESTS * ROWS + 1);
        else if (at < meta_at)
            CHECK(rows >= REQUESTS * ROWS + 1 - BLOCK_ROWS);
        CHECK(rows >= 1);
        lost_a_block |= rows == REQUESTS * ROWS + 1 - BLOCK_ROWS;
        was_aside |= rows == 1;
        check_reported(&r, path);
        enum status st = store_merge(r.store, &err); /* what is damaged stays as it is */
        CHECK(st == ST_OK || st == ST_CORRUPT);
        CHECK_INT(rig_readable_rows(&r, KIND_EVENTS), rows);
        CHECK_INT(fs_info(r.fs, path, &(struct file_info){ 0 }, &err), rows == REQUESTS * ROWS + 1 ? ST_NOT_FOUND : ST_OK);
        rig_end(&r);
    }
    CHECK(was_aside && lost_a_block);
}

TEST(a_flipped_byte_in_the_manifest_loses_nothing)
{
    struct rig r;
    struct err err = { 0 };
    uint64_t size = UINT64_MAX;
    for (uint64_t at = 0; at < size; at++) {
        fill(&r, 3);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        CHECK_INT(rig_put(&r, "a"), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
        CHECK_INT(rig_put(&r, "b"), ST_OK);
        size = size_of(&r, "/data/stoa/MANIFEST");
        store_abandon(r.store);
        fs_sim_flip(r.fs, "/data/stoa/MANIFEST", at);
        rig_open(&r);
        CHECK_INT(rig_rows(&r, KIND_EVENTS), REQUESTS * ROWS + 2);
        check_reported(&r, "/data/stoa/MANIFEST");
        rig_end(&r);
    }
}

/* A store with one part file, closed, whose manifest is gone: then nobody can know, but nothing is deleted. */
static void fill_and_lose_manifest(struct rig *r, uint64_t seed, char *path, char *aside, uint64_t *size)
{
    struct err err = { 0 };
    fill(r, seed);
    CHECK_INT(store_flush(r->store, &err), ST_OK);
    part_file(r, path, size);
    snprintf(aside, PART_PATH_BYTES_MAX + 8, "%s.aside", path);
    store_close(r->store);
    CHECK_INT(fs_unlink(r->fs, "/data/stoa/MANIFEST", &err), ST_OK);
    CHECK_INT(fs_sync_dir(r->fs, "/data/stoa", &err), ST_OK);
}

TEST(parts_of_a_lost_manifest_are_set_aside_not_deleted)
{
    struct rig r;
    char path[PART_PATH_BYTES_MAX], aside[PART_PATH_BYTES_MAX + 8];
    uint64_t size;
    fill_and_lose_manifest(&r, 4, path, aside, &size);
    rig_open(&r);
    CHECK_INT(size_of(&r, aside), size);
    CHECK(slice_contains(slice_str(r.errors), slice_str(path)));
    CHECK_INT(rig_put(&r, "after"), ST_OK);
    rig_end(&r);
}

TEST(parts_of_a_lost_manifest_are_kept_wherever_the_start_that_finds_the_loss_is_cut_off)
{
    bool opened = false;
    for (uint64_t n = 1; !opened; n++) {
        struct rig r;
        struct err err = { 0 };
        char path[PART_PATH_BYTES_MAX], aside[PART_PATH_BYTES_MAX + 8];
        uint64_t size;
        fill_and_lose_manifest(&r, 7, path, aside, &size);
        fs_sim_stop_at_sync(r.fs, n);
        opened = rig_try_open(&r, &err) == ST_OK;
        fs_sim_power_cut(r.fs, LOSE_ALL);
        if (opened)
            store_abandon(r.store);
        fs_sim_stop_at_sync(r.fs, 0);
        rig_open(&r);
        CHECK_INT(size_of(&r, aside), size);
        rig_end(&r);
    }
}

TEST(a_part_set_aside_keeps_the_erase_that_it_has_not_seen)
{
    struct rig r;
    struct err err = { 0 };
    char path[PART_PATH_BYTES_MAX];
    uint64_t size;
    struct buf whole;
    buf_init(&whole, 0);
    fill(&r, 8);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    part_file(&r, path, &size);
    store_close(r.store);
    CHECK_INT(fs_read_all(r.fs, path, size, &whole, &err), ST_OK);
    fs_sim_flip(r.fs, path, size - 20);
    rig_open(&r);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 0);
    struct tombstone t = { .is_events = true, .tenant = SLICE("default"), .start_ns = 0, .end_ns = INT64_MAX, .selector = SLICE("{}") };
    CHECK_INT(store_erase(r.store, &t, &err), ST_OK);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 1);
    store_close(r.store);
    CHECK_INT(fs_replace(r.fs, path, buf_as_slice(&whole), &err), ST_OK);
    buf_free(&whole);
    rig_open(&r);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 0);
    CHECK_INT(store_merge(r.store, &err), ST_OK);
    CHECK_INT(manifest_state(r.store->manifest)->dead_count, 0);
    rig_end(&r);
}

TEST(part_files_no_manifest_names_are_deleted_at_the_start)
{
    struct rig r;
    struct err err = { 0 };
    char path[PART_PATH_BYTES_MAX], orphan[PART_PATH_BYTES_MAX];
    uint64_t size;
    fill(&r, 5);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    part_file(&r, path, &size);
    struct part_info info = store_lane(r.store, KIND_EVENTS)->parts.at[0]->info;
    info.id = 0xabcdef;
    part_path(&r.store->env, &rows_kind, &info, orphan);
    CHECK_INT(fs_replace(r.fs, orphan, SLICE("half a part"), &err), ST_OK);
    store_close(r.store);
    rig_open(&r);
    CHECK_INT(fs_info(r.fs, orphan, &(struct file_info){ 0 }, &err), ST_NOT_FOUND);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), REQUESTS * ROWS);
    CHECK(ladder_new_id(r.store) > 0xabcdef);
    rig_end(&r);
}

TEST(a_torn_end_of_the_log_is_cut_off_without_alarm)
{
    struct rig r;
    struct err err;
    struct file *f;
    fill(&r, 6);
    uint64_t size = size_of(&r, log_path);
    store_abandon(r.store);
    CHECK_INT(fs_open(r.fs, log_path, FILE_APPEND, &f, &err), ST_OK);
    CHECK_INT(file_truncate(f, size - 5, &err), ST_OK);
    file_close(f);
    rig_open(&r);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), (REQUESTS - 1) * ROWS);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    CHECK(size_of(&r, log_path) < size - 5);
    CHECK_INT(rig_put(&r, "after"), ST_OK);
    rig_crash(&r, LOSE_ALL);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), (REQUESTS - 1) * ROWS + 1);
    rig_end(&r);
}

TEST(a_torn_segment_that_later_ones_follow_is_an_alarm)
{
    struct rig r;
    struct err err;
    struct file *f;
    char name[16];
    rig_init(&r, 7);
    r.opt.wal_segment_bytes_max = 500;
    rig_open(&r);
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(name, sizeof name, "r%d", i);
        CHECK_INT(rig_put(&r, name), ST_OK);
    }
    CHECK(wal_segments(r.store->wal) > 2);
    uint64_t size = size_of(&r, log_path);
    store_abandon(r.store);
    CHECK_INT(fs_open(r.fs, log_path, FILE_APPEND, &f, &err), ST_OK);
    CHECK_INT(file_truncate(f, size - 5, &err), ST_OK);
    file_close(f);
    rig_open(&r);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), REQUESTS - 1);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 1);
    CHECK(slice_contains(slice_str(r.errors), SLICE("come behind frames that are lost")));
    rig_end(&r);
}

TEST(a_missing_segment_is_an_alarm)
{
    struct rig r;
    struct err err;
    char name[16];
    rig_init(&r, 8);
    r.opt.wal_segment_bytes_max = 500;
    rig_open(&r);
    for (int i = 0; i < REQUESTS; i++) {
        snprintf(name, sizeof name, "r%d", i);
        CHECK_INT(rig_put(&r, name), ST_OK);
    }
    store_abandon(r.store);
    CHECK_INT(fs_unlink(r.fs, log_path, &err), ST_OK);
    rig_open(&r);
    CHECK(rig_rows(&r, KIND_EVENTS) > 0);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 1);
    rig_end(&r);
}
