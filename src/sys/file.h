/* SPDX-License-Identifier: Apache-2.0 */
/* The file system, as an argument: the real one, or an imitation in memory that loses, garbles or refuses on purpose.
 *
 * Paths are UTF-8, '/'-separated. All calls may be made from any thread; one file object is used by one writer at a time,
 * while preads may run beside each other and beside an append. A failed sync is never tried again: see fs_sync. */
#ifndef STOA_SYS_FILE_H
#define STOA_SYS_FILE_H

#include "base/buf.h"
#include "base/err.h"

struct fs {
    const struct fs_ops *ops;
};

struct file {
    const struct file_ops *ops;
};

enum file_mode {
    FILE_READ,       /* must exist */
    FILE_CREATE,     /* read and write; must not exist */
    FILE_APPEND,     /* read and write at the end; made when absent */
};

struct file_info {
    uint64_t size;
    int64_t mtime_ns;
    uint64_t inode;
    bool is_dir;
    bool is_for_all; /* readable by every user */
};

struct fs_ops {
    enum status (*open)(struct fs *, const char *path, enum file_mode mode, struct file **out, struct err *err);
    enum status (*rename)(struct fs *, const char *from, const char *to, struct err *err);
    enum status (*unlink)(struct fs *, const char *path, struct err *err);
    enum status (*mkdir)(struct fs *, const char *path, struct err *err); /* ST_OK when it is there already */
    enum status (*rmdir)(struct fs *, const char *path, struct err *err);
    enum status (*sync_dir)(struct fs *, const char *path, struct err *err);
    /* Names in path, sorted, each followed by NUL in *names; without "." and "..". */
    enum status (*list)(struct fs *, const char *path, struct buf *names, struct err *err);
    enum status (*info)(struct fs *, const char *path, struct file_info *out, struct err *err);
    enum status (*space)(struct fs *, const char *path, uint64_t *free_bytes, uint64_t *total_bytes, struct err *err);
    /* One process per folder: held until the fs user calls the returned file's close. ST_EXISTS when another holds it. */
    enum status (*lock)(struct fs *, const char *path, struct file **out, struct err *err);
    /* A second name of the same file, on the same file system. NULL: there are none here. */
    enum status (*link)(struct fs *, const char *from, const char *to, struct err *err);
};

struct file_ops {
    enum status (*pread)(struct file *, uint64_t offset, void *to, size_t n, size_t *got, struct err *err);
    /* All of it or an error; after an error the end of the file is undefined. */
    enum status (*append)(struct file *, const void *from, size_t n, struct err *err);
    enum status (*sync)(struct file *, struct err *err);
    enum status (*truncate)(struct file *, uint64_t size, struct err *err);
    enum status (*size)(struct file *, uint64_t *out, struct err *err);
    void (*close)(struct file *);
};

/* The machine's. Lives for ever. */
struct fs *fs_real(void);

MUST_CHECK enum status fs_open(struct fs *fs, const char *path, enum file_mode mode, struct file **out, struct err *err);
MUST_CHECK enum status fs_rename(struct fs *fs, const char *from, const char *to, struct err *err);
MUST_CHECK enum status fs_unlink(struct fs *fs, const char *path, struct err *err);
MUST_CHECK enum status fs_mkdir(struct fs *fs, const char *path, struct err *err);
/* path and every missing folder above it; each new entry is made durable in its parent. */
MUST_CHECK enum status fs_mkdir_all(struct fs *fs, const char *path, struct err *err);
MUST_CHECK enum status fs_rmdir(struct fs *fs, const char *path, struct err *err);
MUST_CHECK enum status fs_sync_dir(struct fs *fs, const char *path, struct err *err);
MUST_CHECK enum status fs_list(struct fs *fs, const char *path, struct buf *names, struct err *err);
MUST_CHECK enum status fs_info(struct fs *fs, const char *path, struct file_info *out, struct err *err);
MUST_CHECK enum status fs_space(struct fs *fs, const char *path, uint64_t *free_bytes, uint64_t *total_bytes, struct err *err);
MUST_CHECK enum status fs_lock(struct fs *fs, const char *path, struct file **out, struct err *err);
/* ST_UNSUPPORTED: not here, or not from one to the other. The new entry is durable by fs_sync_dir. */
MUST_CHECK enum status fs_link(struct fs *fs, const char *from, const char *to, struct err *err);
/* The whole file, at most bytes_max (ST_LIMIT above). */
MUST_CHECK enum status fs_read_all(struct fs *fs, const char *path, size_t bytes_max, struct buf *out, struct err *err);
/* Writes path.tmp, syncs, renames over path, syncs the folder: readers see the old or the new content, never a part.
 * ST_FULL: the old one, also after a crash. */
MUST_CHECK enum status fs_replace(struct fs *fs, const char *path, struct slice content, struct err *err);

/* *got may be short at the end of the file only. */
MUST_CHECK enum status file_pread(struct file *f, uint64_t offset, void *to, size_t n, size_t *got, struct err *err);
MUST_CHECK enum status file_append(struct file *f, const void *from, size_t n, struct err *err);
/* After ST_IO nobody knows what is on disk, and the kernel may claim success the next time: the caller must not retry. */
MUST_CHECK enum status file_sync(struct file *f, struct err *err);
MUST_CHECK enum status file_truncate(struct file *f, uint64_t size, struct err *err);
MUST_CHECK enum status file_size(struct file *f, uint64_t *out, struct err *err);
void file_close(struct file *f); /* accepts NULL */

#endif
