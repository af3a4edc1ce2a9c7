/* SPDX-License-Identifier: Apache-2.0 */
/* The imitated disk keeps its own promises, or no crash test above it means anything. */
#include <stdio.h>

#include "base/rand.h"
#include "base/unit.h"
#include "sys/file_sim.h"
#include "sys/thread.h"

#define OK(call) CHECK((call) == ST_OK)

static void append(struct fs *fs, const char *path, const char *text, bool sync)
{
    struct file *f;
    OK(fs_open(fs, path, FILE_APPEND, &f, NULL));
    OK(file_append(f, text, slice_str(text).len, NULL));
    if (sync)
        OK(file_sync(f, NULL));
    file_close(f);
}

/* The content, or "-" when there is no such file. Lives until the next call but three. */
static struct slice content(struct fs *fs, const char *path)
{
    static struct buf texts[4];
    static int next;
    struct buf *b = &texts[next++ % 4];
    buf_reset(b);
    return fs_read_all(fs, path, MIB, b, NULL) == ST_OK ? buf_as_slice(b) : SLICE("-");
}

TEST(sim_reads_back_what_was_written_without_any_sync)
{
    struct fs *fs = fs_sim_new(1);
    OK(fs_mkdir(fs, "/d", NULL));
    append(fs, "/d/a", "one", false);
    append(fs, "d/a", "two", false);
    CHECK_STR(content(fs, "./d//a"), "onetwo");
    fs_sim_power_cut(fs, LOSE_NONE);
    CHECK_STR(content(fs, "/d/a"), "onetwo");
    fs_sim_free(fs);
}

TEST(sim_power_cut_takes_a_synced_file_whose_folder_was_not_synced)
{
    struct fs *fs = fs_sim_new(1);
    append(fs, "/a", "one", true);
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "-");
    fs_sim_free(fs);
}

TEST(sim_power_cut_empties_a_file_that_was_not_synced)
{
    struct fs *fs = fs_sim_new(1);
    append(fs, "/a", "one", false);
    OK(fs_sync_dir(fs, "/", NULL));
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "");
    fs_sim_free(fs);
}

TEST(sim_keeps_what_was_synced_and_drops_what_came_later)
{
    struct fs *fs = fs_sim_new(1);
    append(fs, "/a", "one", true);
    OK(fs_sync_dir(fs, "/", NULL));
    append(fs, "/a", "two", false);
    append(fs, "/b", "x", true);
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "one");
    CHECK_STR(content(fs, "/b"), "-");
    fs_sim_free(fs);
}

TEST(sim_truncate_not_synced_comes_back)
{
    struct fs *fs = fs_sim_new(1);
    struct file *f;
    append(fs, "/a", "one two", true);
    OK(fs_sync_dir(fs, "/", NULL));
    OK(fs_open(fs, "/a", FILE_APPEND, &f, NULL));
    OK(file_truncate(f, 3, NULL));
    OK(file_append(f, "!", 1, NULL));
    CHECK_STR(content(fs, "/a"), "one!");
    file_close(f);
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "one two");
    fs_sim_free(fs);
}

TEST(sim_unlink_not_synced_comes_back)
{
    struct fs *fs = fs_sim_new(1);
    append(fs, "/a", "one", true);
    OK(fs_sync_dir(fs, "/", NULL));
    OK(fs_unlink(fs, "/a", NULL));
    CHECK_STR(content(fs, "/a"), "-");
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "one");
    OK(fs_unlink(fs, "/a", NULL));
    OK(fs_sync_dir(fs, "/", NULL));
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "-");
    fs_sim_free(fs);
}

TEST(sim_replace_gives_the_old_or_the_new_content_and_never_neither)
{
    int old = 0, new = 0;
    uint64_t seed = unit_seed();
    for (uint64_t i = 0; i < 300; i++) {
        struct fs *fs = fs_sim_new(seed + i);
        OK(fs_replace(fs, "/a", SLICE("old"), NULL));
        /* Syncs of a replace: the file, then the folder. */
        fs_sim_stop_at_sync(fs, 1 + i % 2);
        CHECK_INT(fs_replace(fs, "/a", SLICE("new"), NULL), ST_IO);
        fs_sim_power_cut(fs, LOSE_RANDOM);
        struct slice got = content(fs, "/a");
        old += slice_eq(got, SLICE("old"));
        new += slice_eq(got, SLICE("new"));
        OK(fs_replace(fs, "/a", SLICE("newer"), NULL));
        CHECK_STR(content(fs, "/a"), "newer");
        fs_sim_free(fs);
    }
    CHECK_INT(old + new, 300);
    CHECK(old > 150 && new > 30);
}

TEST(sim_rename_between_folders_leaves_the_file_in_exactly_one)
{
    int seen_old = 0, seen_new = 0;
    uint64_t seed = unit_seed();
    for (uint64_t i = 0; i < 200; i++) {
        struct fs *fs = fs_sim_new(seed + i);
        OK(fs_mkdir_all(fs, "/x", NULL));
        OK(fs_mkdir_all(fs, "/y", NULL));
        OK(fs_replace(fs, "/x/a", SLICE("text"), NULL));
        OK(fs_rename(fs, "/x/a", "/y/b", NULL));
        fs_sim_power_cut(fs, LOSE_RANDOM);
        bool in_x = slice_eq(content(fs, "/x/a"), SLICE("text")), in_y = slice_eq(content(fs, "/y/b"), SLICE("text"));
        CHECK(in_x != in_y);
        seen_old += in_x;
        seen_new += in_y;
        fs_sim_free(fs);
    }
    CHECK(seen_old > 20 && seen_new > 20);
}

TEST(sim_sync_of_the_target_folder_carries_the_creation_before_the_rename)
{
    struct fs *fs = fs_sim_new(1);
    OK(fs_mkdir_all(fs, "/x", NULL));
    OK(fs_mkdir_all(fs, "/y", NULL));
    append(fs, "/x/a.tmp", "text", true);
    OK(fs_rename(fs, "/x/a.tmp", "/y/a", NULL));
    OK(fs_sync_dir(fs, "/y", NULL));
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/y/a"), "text");
    CHECK_STR(content(fs, "/x/a.tmp"), "-");
    fs_sim_free(fs);
}

TEST(sim_random_loss_meets_every_outcome_and_spares_synced_bytes)
{
    int kept = 0, lost = 0, torn = 0, garbled = 0;
    uint64_t seed = unit_seed();
    for (uint64_t i = 0; i < 500; i++) {
        struct fs *fs = fs_sim_new(seed + i);
        append(fs, "/a", "safe:", true);
        OK(fs_sync_dir(fs, "/", NULL));
        append(fs, "/a", "abcdefghij", false);
        fs_sim_power_cut(fs, LOSE_RANDOM);
        struct slice got = content(fs, "/a");
        CHECK(slice_starts(got, SLICE("safe:")) && got.len <= 15);
        got = slice_skip(got, 5);
        bool prefix = slice_starts(SLICE("abcdefghij"), got);
        kept += prefix && got.len == 10;
        lost += got.len == 0;
        torn += prefix && got.len > 0 && got.len < 10;
        garbled += !prefix;
        fs_sim_free(fs);
    }
    CHECK(kept > 50 && lost > 50 && torn > 20 && garbled > 20);
}

TEST(sim_loss_is_the_same_for_the_same_seed)
{
    for (uint64_t seed = 0; seed < 20; seed++) {
        struct fs *a = fs_sim_new(seed), *b = fs_sim_new(seed);
        struct fs *both[] = { a, b };
        for (int i = 0; i < 2; i++) {
            append(both[i], "/a", "abcdefghij", false);
            append(both[i], "/a", "klmnopqrst", false);
            append(both[i], "/b", "0123456789", false);
            fs_sim_power_cut(both[i], LOSE_RANDOM);
        }
        CHECK(slice_eq(content(a, "/a"), content(b, "/a")));
        CHECK(slice_eq(content(a, "/b"), content(b, "/b")));
        fs_sim_free(a);
        fs_sim_free(b);
    }
}

TEST(sim_stopped_machine_changes_nothing_until_the_power_cut)
{
    struct fs *fs = fs_sim_new(1);
    struct file *f, *other;
    char byte;
    size_t got;
    append(fs, "/a", "one", true);
    OK(fs_sync_dir(fs, "/", NULL));
    CHECK_INT(fs_sim_syncs(fs), 2);
    fs_sim_stop_at_sync(fs, 1);
    OK(fs_open(fs, "/a", FILE_APPEND, &f, NULL));
    OK(file_append(f, "two", 3, NULL));
    CHECK_INT(file_sync(f, NULL), ST_IO);
    CHECK_INT(file_sync(f, NULL), ST_IO);
    CHECK_INT(file_append(f, "x", 1, NULL), ST_IO);
    CHECK_INT(file_truncate(f, 0, NULL), ST_IO);
    CHECK_INT(fs_open(fs, "/b", FILE_CREATE, &other, NULL), ST_IO);
    CHECK_INT(fs_rename(fs, "/a", "/b", NULL), ST_IO);
    CHECK_INT(fs_unlink(fs, "/a", NULL), ST_IO);
    CHECK_INT(fs_mkdir(fs, "/d", NULL), ST_IO);
    CHECK_INT(fs_sync_dir(fs, "/", NULL), ST_IO);
    CHECK_INT(fs_lock(fs, "/LOCK", &other, NULL), ST_IO);
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_INT(file_pread(f, 0, &byte, 1, &got, NULL), ST_IO);
    file_close(f);
    CHECK_STR(content(fs, "/a"), "one");
    append(fs, "/a", "!", true);
    CHECK_INT(fs_sim_syncs(fs), 3);
    fs_sim_free(fs);
}

TEST(sim_failed_sync_loses_its_bytes_even_when_the_next_one_succeeds)
{
    struct fs *fs = fs_sim_new(1);
    struct file *f;
    append(fs, "/a", "one", true);
    OK(fs_sync_dir(fs, "/", NULL));
    OK(fs_open(fs, "/a", FILE_APPEND, &f, NULL));
    fs_sim_fail_sync(fs, 1);
    OK(file_append(f, "two", 3, NULL));
    CHECK_INT(file_sync(f, NULL), ST_IO);
    OK(file_append(f, "three", 5, NULL));
    OK(file_sync(f, NULL));
    CHECK_STR(content(fs, "/a"), "onetwothree");
    file_close(f);
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK(slice_eq(content(fs, "/a"), SLICE("one\0\0\0three")));
    fs_sim_free(fs);
}

TEST(sim_failed_folder_sync_loses_its_entries)
{
    struct fs *fs = fs_sim_new(1);
    fs_sim_fail_sync(fs, 2);
    append(fs, "/a", "one", true);
    CHECK_INT(fs_sync_dir(fs, "/", NULL), ST_IO);
    OK(fs_sync_dir(fs, "/", NULL));
    CHECK_STR(content(fs, "/a"), "one");
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/a"), "-");
    fs_sim_free(fs);
}

TEST(sim_full_disk_refuses_appends_until_something_is_deleted)
{
    struct fs *fs = fs_sim_new(1);
    struct file *f;
    uint64_t free_bytes, total_bytes;
    append(fs, "/big", "0123456789", false);
    fs_sim_set_space(fs, 4, 100);
    OK(fs_open(fs, "/a", FILE_CREATE, &f, NULL));
    OK(file_append(f, "abc", 3, NULL));
    CHECK_INT(file_append(f, "def", 3, NULL), ST_FULL);
    OK(fs_space(fs, "/", &free_bytes, &total_bytes, NULL));
    CHECK(free_bytes == 0 && total_bytes == 100);
    OK(fs_unlink(fs, "/big", NULL));
    OK(fs_space(fs, "/", &free_bytes, &total_bytes, NULL));
    CHECK_INT(free_bytes, 10);
    OK(file_append(f, "def", 3, NULL));
    OK(file_truncate(f, 1, NULL));
    OK(fs_space(fs, "/", &free_bytes, &total_bytes, NULL));
    CHECK_INT(free_bytes, 13);
    file_close(f);
    fs_sim_free(fs);
}

TEST(sim_lock_is_held_by_one_until_closed_or_the_power_goes)
{
    struct fs *fs = fs_sim_new(1);
    struct file *first, *second, *third;
    OK(fs_lock(fs, "/LOCK", &first, NULL));
    CHECK_INT(fs_lock(fs, "/LOCK", &second, NULL), ST_EXISTS);
    fs_sim_power_cut(fs, LOSE_NONE);
    OK(fs_lock(fs, "/LOCK", &second, NULL));
    file_close(first); /* of the machine before: must not release the new lock */
    CHECK_INT(fs_lock(fs, "/LOCK", &third, NULL), ST_EXISTS);
    file_close(second);
    OK(fs_lock(fs, "/LOCK", &third, NULL));
    file_close(third);
    fs_sim_free(fs);
}

TEST(sim_flip_changes_one_byte_for_good)
{
    struct fs *fs = fs_sim_new(1);
    append(fs, "/a", "abc", true);
    OK(fs_sync_dir(fs, "/", NULL));
    fs_sim_flip(fs, "/a", 1);
    fs_sim_power_cut(fs, LOSE_ALL);
    struct slice got = content(fs, "/a");
    CHECK(got.len == 3 && got.ptr[0] == 'a' && got.ptr[1] != 'b' && got.ptr[2] == 'c');
    fs_sim_free(fs);
}

TEST(sim_answers_wrong_uses_as_the_real_one_does)
{
    struct fs *fs = fs_sim_new(1);
    struct file *f;
    struct buf names;
    buf_init(&names, 0);
    OK(fs_mkdir_all(fs, "/x/y", NULL));
    append(fs, "/x/a", "1", false);
    CHECK_INT(fs_open(fs, "/x/a", FILE_CREATE, &f, NULL), ST_EXISTS);
    CHECK_INT(fs_open(fs, "/x/b", FILE_READ, &f, NULL), ST_NOT_FOUND);
    CHECK_INT(fs_open(fs, "/nowhere/b", FILE_APPEND, &f, NULL), ST_NOT_FOUND);
    CHECK_INT(fs_open(fs, "/x/a/b", FILE_APPEND, &f, NULL), ST_INVALID);
    CHECK_INT(fs_open(fs, "/x", FILE_APPEND, &f, NULL), ST_INVALID);
    CHECK_INT(fs_rmdir(fs, "/x", NULL), ST_EXISTS);
    CHECK_INT(fs_rename(fs, "/x", "/x/y/z", NULL), ST_INVALID);
    CHECK_INT(fs_rename(fs, "/x/a", "/x/y", NULL), ST_INVALID);
    OK(fs_list(fs, "/x", &names, NULL));
    CHECK(slice_eq(buf_as_slice(&names), SLICE("a\0y\0")));
    OK(fs_open(fs, "/x/a", FILE_READ, &f, NULL));
    CHECK_INT(file_append(f, "x", 1, NULL), ST_INVALID);
    OK(fs_unlink(fs, "/x/a", NULL));
    char byte;
    size_t got;
    OK(file_pread(f, 0, &byte, 1, &got, NULL)); /* deleted, but open */
    CHECK_INT(got, 1);
    file_close(f);
    buf_free(&names);
    fs_sim_free(fs);
}

struct crowd {
    struct fs *fs;
    int number;
};

static void write_and_rename(void *arg)
{
    struct crowd *c = arg;
    char path[32], text[32];
    for (int i = 0; i < 100; i++) {
        snprintf(path, sizeof path, "/%d-%d", c->number, i % 5);
        int n = snprintf(text, sizeof text, "round %d", i);
        if (fs_replace(c->fs, path, slice_of(text, (size_t)n), NULL) != ST_OK)
            return;
    }
}

TEST(sim_serves_many_threads_and_a_power_cut_beside_them)
{
    struct fs *fs = fs_sim_new(unit_seed());
    struct crowd crowd[4];
    struct thread *threads[4];
    for (int i = 0; i < 4; i++) {
        crowd[i] = (struct crowd){ fs, i };
        OK(thread_start(&threads[i], "crowd", write_and_rename, &crowd[i], NULL));
    }
    while (fs_sim_syncs(fs) < 50) {
        /* until they are under way */
    }
    fs_sim_power_cut(fs, LOSE_RANDOM);
    for (int i = 0; i < 4; i++)
        thread_join(threads[i]);
    OK(fs_replace(fs, "/after", SLICE("x"), NULL));
    fs_sim_power_cut(fs, LOSE_ALL);
    CHECK_STR(content(fs, "/after"), "x");
    fs_sim_free(fs);
}

/* Any order of operations and cuts: what was synced (file, then folder) is there to the byte. */
TEST(sim_never_loses_synced_content_whatever_happens_around_it)
{
    uint64_t seed = unit_seed();
    struct rand r;
    rand_seed(&r, seed);
    struct fs *fs = fs_sim_new(seed);
    char path[8], safe[8][16] = { "" };
    for (int i = 0; i < 2000; i++) {
        int k = (int)rand_below(&r, 8);
        snprintf(path, sizeof path, "/f%d", k);
        switch (rand_below(&r, 6)) {
        case 0:
        case 1:
            snprintf(safe[k], sizeof safe[k], "v%d", i);
            OK(fs_replace(fs, path, slice_str(safe[k]), NULL));
            break;
        case 2:
            append(fs, "/noise", "noise", rand_one_in(&r, 2));
            break;
        case 3:
            (void)fs->ops->rename(fs, "/noise", "/noise2", NULL);
            break;
        case 4:
            (void)fs->ops->unlink(fs, "/noise2", NULL);
            break;
        case 5:
            fs_sim_power_cut(fs, rand_one_in(&r, 2) ? LOSE_RANDOM : LOSE_ALL);
            if (safe[k][0])
                CHECK(slice_eq(content(fs, path), slice_str(safe[k])));
            break;
        }
    }
    fs_sim_free(fs);
}
