/* SPDX-License-Identifier: Apache-2.0 */
#include "store/snapshot.h"

#include "store/rig_test.h"

/* The store that stands in folder dir of r's disk. */
static struct store *open_copy(struct rig *r, struct slice dir)
{
    struct store_options opt = r->opt;
    struct store *s = NULL;
    struct err err;
    opt.dir = dir;
    CHECK_INT(store_open(&s, &opt, &err), ST_OK);
    return s;
}

static int rows_in(struct store *s, struct rig *r, uint8_t kind)
{
    struct store *own = r->store;
    r->store = s;
    int rows = rig_rows(r, kind);
    r->store = own;
    return rows;
}

TEST(a_snapshot_has_what_was_acknowledged_and_nothing_that_came_later)
{
    struct rig r;
    struct err err;
    rig_init(&r, 71);
    rig_open(&r);
    for (int i = 0; i < 5; i++)
        CHECK_INT(rig_put(&r, "before"), ST_OK);
    CHECK_INT(store_snapshot(r.store, "copy", false, &err), ST_OK);
    CHECK_INT(rig_put(&r, "after"), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(store_merge(r.store, &err), ST_OK); /* the copied files go from the original */
    struct store *copy = open_copy(&r, SLICE("copy"));
    CHECK_INT(rows_in(copy, &r, KIND_EVENTS), 5);
    CHECK_INT(rows_in(copy, &r, KIND_METRICS), 5);
    store_close(copy);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 6);
    CHECK_INT(rig_stats(&r).corrupt_blocks, 0);
    rig_end(&r);
}

TEST(a_snapshot_takes_rows_of_its_own_and_keeps_them)
{
    struct rig r;
    struct err err;
    rig_init(&r, 72);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(store_snapshot(r.store, "copy", false, &err), ST_OK);
    for (int round = 1; round <= 3; round++) {
        struct store *copy = open_copy(&r, SLICE("copy")), *own = r.store;
        r.store = copy;
        CHECK_INT(rig_put(&r, "b"), ST_OK);
        CHECK_INT(rig_rows(&r, KIND_EVENTS), 1 + round);
        r.store = own;
        store_close(copy);
    }
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 1);
    rig_end(&r);
}

TEST(without_the_head_a_snapshot_has_what_stood_in_files)
{
    struct rig r;
    struct err err;
    rig_init(&r, 73);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    CHECK_INT(rig_put(&r, "b"), ST_OK);
    CHECK_INT(store_snapshot(r.store, "copy", true, &err), ST_OK);
    struct store *copy = open_copy(&r, SLICE("copy"));
    CHECK_INT(rows_in(copy, &r, KIND_EVENTS), 1);
    store_close(copy);
    rig_end(&r);
}

TEST(a_name_that_is_taken_fails_and_leaves_nothing_behind)
{
    struct rig r;
    struct err err;
    struct file_info info;
    rig_init(&r, 74);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(store_snapshot(r.store, "copy", false, &err), ST_OK);
    CHECK(store_snapshot(r.store, "copy", false, &err) != ST_OK);
    CHECK_INT(fs_info(r.fs, "copy.tmp", &info, &err), ST_NOT_FOUND);
    struct store *copy = open_copy(&r, SLICE("copy"));
    CHECK_INT(rows_in(copy, &r, KIND_EVENTS), 1);
    store_close(copy);
    rig_end(&r);
}

/* A disk on which the store is merged while the first file of a snapshot is copied. */
static struct {
    struct rig *rig;
    const struct fs_ops *of;
    bool is_done;
} meanwhile;

static enum status open_and_merge(struct fs *fs, const char *path, enum file_mode mode, struct file **out, struct err *err)
{
    bool is_part = slice_starts(slice_str(path), SLICE("copy.tmp/")) && !slice_contains(slice_str(path), SLICE("MANIFEST"));
    if (mode == FILE_CREATE && is_part && !meanwhile.is_done) {
        struct err why;
        meanwhile.is_done = true;
        CHECK_INT(rig_put(meanwhile.rig, "after"), ST_OK);
        CHECK_INT(store_flush(meanwhile.rig->store, &why), ST_OK);
        CHECK_INT(store_merge(meanwhile.rig->store, &why), ST_OK);
    }
    return meanwhile.of->open(fs, path, mode, out, err);
}

TEST(while_files_are_copied_the_store_flushes_and_merges_and_the_copy_has_what_was_before)
{
    struct rig r;
    struct err err;
    rig_init(&r, 75);
    rig_open(&r);
    for (int i = 0; i < 3; i++) {
        CHECK_INT(rig_put(&r, "before"), ST_OK);
        CHECK_INT(store_flush(r.store, &err), ST_OK);
    }
    meanwhile.rig = &r;
    meanwhile.of = r.fs->ops;
    struct fs_ops ops = *r.fs->ops;
    ops.open = open_and_merge;
    r.fs->ops = &ops;
    CHECK_INT(store_snapshot(r.store, "copy", false, &err), ST_OK);
    r.fs->ops = meanwhile.of;
    CHECK(meanwhile.is_done);
    struct store *copy = open_copy(&r, SLICE("copy"));
    CHECK_INT(rows_in(copy, &r, KIND_EVENTS), 3);
    CHECK_INT(rows_in(copy, &r, KIND_METRICS), 3);
    store_close(copy);
    CHECK_INT(rig_rows(&r, KIND_EVENTS), 4);
    rig_end(&r);
}

static void put_file(struct fs *fs, const char *path)
{
    struct file *f;
    struct err err;
    CHECK_INT(fs_open(fs, path, FILE_CREATE, &f, &err), ST_OK);
    CHECK_INT(file_append(f, "half", 4, &err), ST_OK);
    file_close(f);
}

TEST(what_a_crash_left_of_a_snapshot_is_swept_and_whole_ones_stay)
{
    struct rig r;
    struct err err;
    struct file_info info;
    size_t removed;
    rig_init(&r, 76);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    CHECK_INT(snapshots_sweep(r.fs, "snapshots", &removed, &err), ST_OK); /* there is no folder yet */
    CHECK_INT(removed, 0);
    CHECK_INT(fs_mkdir_all(r.fs, "snapshots/cut.tmp/metrics/day", &err), ST_OK);
    CHECK_INT(store_snapshot(r.store, "snapshots/whole", false, &err), ST_OK);
    put_file(r.fs, "snapshots/cut.tmp/metrics/day/1.part");
    put_file(r.fs, "snapshots/cut.tmp/MANIFEST");
    put_file(r.fs, "snapshots/cut.state");
    put_file(r.fs, "snapshots/whole.state"); /* the crash came between the two renames */
    CHECK_INT(snapshots_sweep(r.fs, "snapshots", &removed, &err), ST_OK);
    CHECK_INT(removed, 3);
    CHECK_INT(fs_info(r.fs, "snapshots/cut.tmp", &info, &err), ST_NOT_FOUND);
    CHECK_INT(fs_info(r.fs, "snapshots/cut.state", &info, &err), ST_NOT_FOUND);
    CHECK_INT(fs_info(r.fs, "snapshots/whole.state", &info, &err), ST_NOT_FOUND);
    CHECK_INT(fs_info(r.fs, "snapshots/whole/state.db", &info, &err), ST_OK);
    struct store *copy = open_copy(&r, SLICE("snapshots/whole"));
    CHECK_INT(rows_in(copy, &r, KIND_EVENTS), 1);
    store_close(copy);
    rig_end(&r);
}

TEST(a_store_tells_its_part_files)
{
    struct rig r;
    struct err err;
    struct part_info *parts;
    size_t count;
    struct arena *a = arena_new(0);
    rig_init(&r, 77);
    rig_open(&r);
    CHECK_INT(rig_put(&r, "a"), ST_OK);
    store_part_files(r.store, KIND_METRICS, a, &parts, &count);
    CHECK_INT(count, 0);
    CHECK_INT(store_flush(r.store, &err), ST_OK);
    store_part_files(r.store, KIND_METRICS, a, &parts, &count);
    CHECK_INT(count, 1);
    CHECK_INT(parts[0].kind, KIND_METRICS);
    CHECK(parts[0].bytes > 0);
    rig_end(&r);
    arena_free(a);
}
