/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's file system. */
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/unit.h"
#include "sys/file.h"

#define OK(call) CHECK((call) == ST_OK)

/* A path in this test's folder; each call gives its own place, four at a time. */
static const char *in_dir(const char *name)
{
    static char paths[4][256];
    static int next;
    char *p = paths[next++ % 4];
    snprintf(p, sizeof paths[0], "%s/%s", unit_dir(), name);
    return p;
}

static void put(const char *path, const char *text)
{
    struct file *f;
    OK(fs_open(fs_real(), path, FILE_APPEND, &f, NULL));
    OK(file_append(f, text, slice_str(text).len, NULL));
    file_close(f);
}

TEST(file_reads_back_what_was_appended_and_is_short_only_at_the_end)
{
    struct file *f;
    char text[16];
    size_t got;
    uint64_t size;
    OK(fs_open(fs_real(), in_dir("a"), FILE_CREATE, &f, NULL));
    OK(file_append(f, "hello ", 6, NULL));
    OK(file_append(f, "world", 5, NULL));
    OK(file_sync(f, NULL));
    OK(file_pread(f, 6, text, sizeof text, &got, NULL));
    CHECK_STR(slice_of(text, got), "world");
    OK(file_pread(f, 100, text, sizeof text, &got, NULL));
    CHECK_INT(got, 0);
    OK(file_truncate(f, 5, NULL));
    OK(file_append(f, "!", 1, NULL));
    OK(file_size(f, &size, NULL));
    CHECK_INT(size, 6);
    file_close(f);
    file_close(NULL);
}

TEST(file_create_refuses_what_is_there_and_read_what_is_not)
{
    struct file *f;
    struct err err;
    put(in_dir("a"), "x");
    CHECK_INT(fs_open(fs_real(), in_dir("a"), FILE_CREATE, &f, &err), ST_EXISTS);
    CHECK_INT(fs_open(fs_real(), in_dir("b"), FILE_READ, &f, &err), ST_NOT_FOUND);
    CHECK(slice_contains(slice_str(err.text), SLICE("/b: ")));
}

TEST(file_append_to_a_full_disk_says_full)
{
    struct file *f;
    struct err err;
    OK(fs_open(fs_real(), "/dev/full", FILE_APPEND, &f, NULL));
    CHECK_INT(file_append(f, "x", 1, &err), ST_FULL);
    CHECK(slice_contains(slice_str(err.text), SLICE("/dev/full")));
    file_close(f);
}

TEST(file_append_goes_on_after_a_short_write_and_then_tells_the_error)
{
    signal(SIGXFSZ, SIG_IGN);
    struct file *f;
    char block[8192] = { 0 };
    uint64_t size;
    OK(fs_open(fs_real(), in_dir("a"), FILE_CREATE, &f, NULL));
    /* The kernel writes up to the limit first (a short write), then refuses. */
    struct rlimit limit = { 5000, 5000 };
    CHECK(setrlimit(RLIMIT_FSIZE, &limit) == 0);
    CHECK_INT(file_append(f, block, sizeof block, NULL), ST_FULL);
    OK(file_size(f, &size, NULL));
    CHECK_INT(size, 5000);
    file_close(f);
}

TEST(fs_list_is_sorted_and_without_dots)
{
    struct buf names;
    buf_init(&names, 0);
    put(in_dir("b"), "x");
    put(in_dir("a2"), "x");
    OK(fs_mkdir(fs_real(), in_dir("a"), NULL));
    OK(fs_list(fs_real(), unit_dir(), &names, NULL));
    CHECK(slice_eq(buf_as_slice(&names), SLICE("a\0a2\0b\0")));
    buf_free(&names);
    struct buf small;
    buf_init(&small, 4);
    CHECK_INT(fs_list(fs_real(), unit_dir(), &small, NULL), ST_LIMIT);
    buf_free(&small);
}

TEST(fs_replace_gives_the_new_content_and_leaves_no_temporary_file)
{
    struct buf got;
    struct file_info info;
    buf_init(&got, 0);
    put(in_dir("a.tmp"), "left by a crash");
    OK(fs_replace(fs_real(), in_dir("a"), SLICE("one"), NULL));
    OK(fs_replace(fs_real(), in_dir("a"), SLICE("two"), NULL));
    OK(fs_read_all(fs_real(), in_dir("a"), 100, &got, NULL));
    CHECK_STR(buf_as_slice(&got), "two");
    CHECK_INT(fs_info(fs_real(), in_dir("a.tmp"), &info, NULL), ST_NOT_FOUND);
    buf_free(&got);
}

TEST(fs_read_all_refuses_more_than_its_limit_and_leaves_the_buffer_as_it_was)
{
    struct buf got;
    buf_init(&got, 0);
    buf_char(&got, '>');
    put(in_dir("a"), "12345");
    CHECK_INT(fs_read_all(fs_real(), in_dir("a"), 4, &got, NULL), ST_LIMIT);
    CHECK_STR(buf_as_slice(&got), ">");
    OK(fs_read_all(fs_real(), in_dir("a"), 5, &got, NULL));
    CHECK_STR(buf_as_slice(&got), ">12345");
    buf_free(&got);
}

TEST(fs_read_all_reads_files_that_do_not_tell_their_size)
{
    struct buf got;
    buf_init(&got, 0);
    OK(fs_read_all(fs_real(), "/proc/self/status", MIB, &got, NULL));
    CHECK(slice_starts(buf_as_slice(&got), SLICE("Name:")));
    CHECK_INT(fs_read_all(fs_real(), "/dev/zero", MIB, &got, NULL), ST_LIMIT);
    buf_free(&got);
}

TEST(fs_mkdir_all_makes_every_missing_folder)
{
    struct file_info info;
    OK(fs_mkdir_all(fs_real(), in_dir("x//y/z/"), NULL));
    OK(fs_mkdir_all(fs_real(), in_dir("x/y/z"), NULL));
    OK(fs_info(fs_real(), in_dir("x/y/z"), &info, NULL));
    CHECK(info.is_dir);
    CHECK_INT(fs_rmdir(fs_real(), in_dir("x"), NULL), ST_EXISTS);
    OK(fs_rmdir(fs_real(), in_dir("x/y/z"), NULL));
    put(in_dir("file"), "x");
    CHECK(fs_mkdir_all(fs_real(), in_dir("file/sub"), NULL) != ST_OK);
}

TEST(fs_mkdir_all_takes_a_path_relative_to_the_working_folder)
{
    struct file_info info;
    CHECK(chdir(unit_dir()) == 0);
    OK(fs_mkdir_all(fs_real(), "p/q", NULL));
    OK(fs_info(fs_real(), in_dir("p/q"), &info, NULL));
    CHECK(info.is_dir);
}

TEST(fs_rename_replaces_and_keeps_the_inode)
{
    struct file_info before, after;
    put(in_dir("a"), "new");
    put(in_dir("b"), "old!");
    OK(fs_info(fs_real(), in_dir("a"), &before, NULL));
    OK(fs_rename(fs_real(), in_dir("a"), in_dir("b"), NULL));
    OK(fs_sync_dir(fs_real(), unit_dir(), NULL));
    OK(fs_info(fs_real(), in_dir("b"), &after, NULL));
    CHECK(before.inode == after.inode && after.size == 3 && !after.is_dir && after.mtime_ns > 0);
    OK(fs_unlink(fs_real(), in_dir("b"), NULL));
    CHECK_INT(fs_unlink(fs_real(), in_dir("b"), NULL), ST_NOT_FOUND);
}

TEST(fs_lock_is_held_by_one_until_it_is_closed)
{
    struct file *first, *second;
    OK(fs_lock(fs_real(), in_dir("LOCK"), &first, NULL));
    CHECK_INT(fs_lock(fs_real(), in_dir("LOCK"), &second, NULL), ST_EXISTS);
    file_close(first);
    OK(fs_lock(fs_real(), in_dir("LOCK"), &second, NULL));
    file_close(second);
}

TEST(fs_space_tells_no_more_free_than_total)
{
    uint64_t free_bytes, total_bytes;
    OK(fs_space(fs_real(), unit_dir(), &free_bytes, &total_bytes, NULL));
    CHECK(total_bytes > 0 && free_bytes <= total_bytes);
}

TEST(file_objects_are_not_readable_by_everybody)
{
    struct stat st;
    put(in_dir("a"), "x");
    CHECK(stat(in_dir("a"), &st) == 0);
    CHECK((st.st_mode & 07) == 0);
}
