/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's file system behind the table of file.h, and the helpers that work over any such table.
 *
 * (1) A read or write cut short by a signal or by the kernel goes on where it stopped; only the end of the file makes a
 *     short pread.
 * (2) Appends go through O_APPEND, so a truncate needs no seek and the end is the kernel's, not ours.
 * (3) A file whose sync failed once fails every later sync: Linux forgets the error after telling it, and a second fsync
 *     would answer "all is well" for pages that were dropped.
 * (4) Every descriptor is O_CLOEXEC: a program we start inherits neither data files nor the lock. */
#include "sys/file.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

/* Declared here because our own sys/file.h stands in front of the system's, which has it. */
extern int flock(int fd, int operation);

enum {
    PATH_BYTES_MAX = 4096,
    READ_CHUNK_BYTES = 32 * KIB, /* for files that do not tell their size, as in /proc */
    NEW_FILE_MODE = 0640,
    NEW_DIR_MODE = 0750
};

struct real_file {
    struct file file; /* first: a struct file * is cast back */
    int fd;
    _Atomic bool sync_failed;
    char *path; /* for sentences */
};

static enum status status_of(int code)
{
    switch (code) {
    case ENOENT: return ST_NOT_FOUND;
    case EEXIST:
    case ENOTEMPTY: return ST_EXISTS;
    case ENOSPC:
    case EDQUOT:
    case EFBIG: return ST_FULL;
    case ENOTDIR:
    case EISDIR:
    case EINVAL: return ST_INVALID;
    case ENAMETOOLONG: return ST_LIMIT;
    case EMFILE:
    case ENFILE: return ST_UNAVAILABLE;
    default: return ST_IO;
    }
}

static enum status fail(struct err *err, const char *what, const char *path)
{
    int code = errno;
    char text[128];
    return err_set(err, status_of(code), "%s %s: %s", what, path, strerror_r(code, text, sizeof text));
}

static char *path_copy(const char *path)
{
    size_t n = slice_str(path).len + 1;
    char *copy = mem_alloc(n);
    memcpy(copy, path, n);
    return copy;
}

static int open_retry(const char *path, int flags)
{
    int fd;
    do
        fd = open(path, flags | O_CLOEXEC, NEW_FILE_MODE);
    while (fd < 0 && errno == EINTR);
    return fd;
}

/* ---- One file ---- */

static enum status real_pread(struct file *f, uint64_t offset, void *to, size_t n, size_t *got, struct err *err)
{
    struct real_file *r = (struct real_file *)f;
    size_t have = 0;
    while (have < n) {
        ssize_t part = pread(r->fd, (char *)to + have, n - have, (off_t)(offset + have));
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return fail(err, "read", r->path);
        if (part == 0)
            break;
        have += (size_t)part;
    }
    *got = have;
    return ST_OK;
}

static enum status real_append(struct file *f, const void *from, size_t n, struct err *err)
{
    struct real_file *r = (struct real_file *)f;
    size_t done = 0;
    while (done < n) {
        ssize_t part = write(r->fd, (const char *)from + done, n - done);
        if (part < 0 && errno == EINTR)
            continue;
        if (part < 0)
            return fail(err, "write", r->path);
        done += (size_t)part;
    }
    return ST_OK;
}

static enum status real_sync(struct file *f, struct err *err)
{
    struct real_file *r = (struct real_file *)f;
    if (r->sync_failed)
        return err_set(err, ST_IO, "sync %s: an earlier sync failed, so nobody knows what is on disk", r->path);
    if (fdatasync(r->fd) == 0)
        return ST_OK;
    r->sync_failed = true;
    enum status st = fail(err, "sync", r->path);
    return st == ST_FULL ? ST_FULL : ST_IO;
}

static enum status real_truncate(struct file *f, uint64_t size, struct err *err)
{
    struct real_file *r = (struct real_file *)f;
    int failed;
    do
        failed = ftruncate(r->fd, (off_t)size);
    while (failed && errno == EINTR);
    return failed ? fail(err, "truncate", r->path) : ST_OK;
}

static enum status real_size(struct file *f, uint64_t *out, struct err *err)
{
    struct real_file *r = (struct real_file *)f;
    struct stat st;
    if (fstat(r->fd, &st))
        return fail(err, "size of", r->path);
    *out = (uint64_t)st.st_size;
    return ST_OK;
}

static void real_close(struct file *f)
{
    struct real_file *r = (struct real_file *)f;
    /* Never again after EINTR: on Linux the descriptor is gone by then and may be somebody else's. */
    close(r->fd);
    mem_free(r->path);
    mem_free(r);
}

static const struct file_ops real_file_ops = { real_pread,    real_append, real_sync,
                                               real_truncate, real_size,   real_close };

static struct file *real_file_new(int fd, const char *path)
{
    struct real_file *r = mem_new(struct real_file);
    r->file.ops = &real_file_ops;
    r->fd = fd;
    r->path = path_copy(path);
    return &r->file;
}

/* ---- The file system ---- */

static enum status real_open(struct fs *fs, const char *path, enum file_mode mode, struct file **out, struct err *err)
{
    int flags = O_RDONLY;
    switch (mode) {
    case FILE_READ: break;
    case FILE_CREATE: flags = O_RDWR | O_APPEND | O_CREAT | O_EXCL; break;
    case FILE_APPEND: flags = O_RDWR | O_APPEND | O_CREAT; break;
    }
    int fd = open_retry(path, flags);
    if (fd < 0)
        return fail(err, "open", path);
    *out = real_file_new(fd, path);
    return ST_OK;
}

static enum status real_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    return rename(from, to) ? fail(err, "rename", from) : ST_OK;
}

static enum status real_unlink(struct fs *fs, const char *path, struct err *err)
{
    return unlink(path) ? fail(err, "delete", path) : ST_OK;
}

static enum status real_mkdir(struct fs *fs, const char *path, struct err *err)
{
    if (mkdir(path, NEW_DIR_MODE) == 0)
        return ST_OK;
    struct stat st;
    if (errno == EEXIST && stat(path, &st) == 0 && S_ISDIR(st.st_mode))
        return ST_OK;
    return fail(err, "make folder", path);
}

static enum status real_rmdir(struct fs *fs, const char *path, struct err *err)
{
    return rmdir(path) ? fail(err, "delete folder", path) : ST_OK;
}

static enum status real_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    int fd = open_retry(path, O_RDONLY | O_DIRECTORY);
    if (fd < 0)
        return fail(err, "open folder", path);
    enum status st = fsync(fd) ? fail(err, "sync folder", path) : ST_OK;
    close(fd);
    return st;
}

static int compare_names(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

/* Puts the NUL-ended names of raw into out in order. */
static void put_sorted(const struct buf *raw, size_t count, struct buf *out)
{
    struct slice *names = mem_alloc(count * sizeof *names);
    struct slice rest = buf_as_slice(raw);
    for (size_t i = 0; i < count; i++)
        slice_next(&rest, 0, &names[i]);
    qsort(names, count, sizeof *names, compare_names);
    for (size_t i = 0; i < count; i++)
        buf_put(out, names[i].ptr, names[i].len + 1);
    mem_free(names);
}

static enum status real_list(struct fs *fs, const char *path, struct buf *names, struct err *err)
{
    DIR *dir = opendir(path);
    if (dir == NULL)
        return fail(err, "list folder", path);
    struct buf raw;
    buf_init(&raw, names->max);
    size_t count = 0;
    enum status st = ST_OK;
    for (;;) {
        errno = 0;
        struct dirent *e = readdir(dir);
        if (e == NULL)
            break;
        struct slice name = slice_str(e->d_name);
        if (slice_eq(name, SLICE(".")) || slice_eq(name, SLICE("..")))
            continue;
        buf_put(&raw, name.ptr, name.len + 1);
        count++;
        if (buf_over(&raw))
            break;
    }
    if (errno && !buf_over(&raw))
        st = fail(err, "list folder", path);
    else if (!buf_over(&raw))
        put_sorted(&raw, count, names);
    if (st == ST_OK && (buf_over(&raw) || buf_over(names)))
        st = err_set(err, ST_LIMIT, "list folder %s: its names take more than the %zu bytes allowed", path, names->max);
    buf_free(&raw);
    closedir(dir);
    return st;
}

static enum status real_info(struct fs *fs, const char *path, struct file_info *out, struct err *err)
{
    struct stat st;
    if (stat(path, &st))
        return fail(err, "look at", path);
    out->size = (uint64_t)st.st_size;
    out->mtime_ns = (int64_t)st.st_mtim.tv_sec * NS_S + st.st_mtim.tv_nsec;
    out->inode = st.st_ino;
    out->is_dir = S_ISDIR(st.st_mode);
    out->is_for_all = st.st_mode & S_IROTH;
    return ST_OK;
}

static enum status real_space(struct fs *fs, const char *path, uint64_t *free_bytes, uint64_t *total_bytes,
                              struct err *err)
{
    struct statvfs v;
    if (statvfs(path, &v))
        return fail(err, "space of", path);
    /* f_bavail, not f_bfree: what root keeps for itself is not ours. */
    *free_bytes = (uint64_t)v.f_bavail * v.f_frsize;
    *total_bytes = (uint64_t)v.f_blocks * v.f_frsize;
    return ST_OK;
}

static enum status real_lock(struct fs *fs, const char *path, struct file **out, struct err *err)
{
    int fd = open_retry(path, O_RDWR | O_CREAT);
    if (fd < 0)
        return fail(err, "open lock", path);
    int failed;
    do
        failed = flock(fd, LOCK_EX | LOCK_NB);
    while (failed && errno == EINTR);
    if (failed) {
        enum status st = errno == EWOULDBLOCK ? err_set(err, ST_EXISTS, "lock %s: another process holds it", path)
                                              : fail(err, "lock", path);
        close(fd);
        return st;
    }
    *out = real_file_new(fd, path);
    return ST_OK;
}

static enum status real_link(struct fs *fs, const char *from, const char *to, struct err *err)
{
    if (link(from, to) == 0)
        return ST_OK;
    bool never = errno == EXDEV || errno == EPERM || errno == EMLINK || errno == ENOTSUP;
    enum status st = fail(err, "link", from);
    return never ? ST_UNSUPPORTED : st;
}

static const struct fs_ops real_fs_ops = { real_open,     real_rename, real_unlink, real_mkdir, real_rmdir,
                                           real_sync_dir, real_list,   real_info,   real_space, real_lock, real_link };

struct fs *fs_real(void)
{
    static struct fs real = { &real_fs_ops };
    return &real;
}

/* ---- Over any file system ---- */

enum status fs_open(struct fs *fs, const char *path, enum file_mode mode, struct file **out, struct err *err)
{
    return fs->ops->open(fs, path, mode, out, err);
}

enum status fs_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    return fs->ops->rename(fs, from, to, err);
}

enum status fs_unlink(struct fs *fs, const char *path, struct err *err)
{
    return fs->ops->unlink(fs, path, err);
}

enum status fs_mkdir(struct fs *fs, const char *path, struct err *err)
{
    return fs->ops->mkdir(fs, path, err);
}

enum status fs_rmdir(struct fs *fs, const char *path, struct err *err)
{
    return fs->ops->rmdir(fs, path, err);
}

enum status fs_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    return fs->ops->sync_dir(fs, path, err);
}

enum status fs_list(struct fs *fs, const char *path, struct buf *names, struct err *err)
{
    return fs->ops->list(fs, path, names, err);
}

enum status fs_info(struct fs *fs, const char *path, struct file_info *out, struct err *err)
{
    return fs->ops->info(fs, path, out, err);
}

enum status fs_space(struct fs *fs, const char *path, uint64_t *free_bytes, uint64_t *total_bytes, struct err *err)
{
    return fs->ops->space(fs, path, free_bytes, total_bytes, err);
}

enum status fs_lock(struct fs *fs, const char *path, struct file **out, struct err *err)
{
    return fs->ops->lock(fs, path, out, err);
}

enum status fs_link(struct fs *fs, const char *from, const char *to, struct err *err)
{
    return fs->ops->link ? fs->ops->link(fs, from, to, err) : err_set(err, ST_UNSUPPORTED, "link %s: no second names here", from);
}

/* The folder that path stands in; "." when path has no '/'. False when path is too long. */
static bool path_parent(const char *path, char *out)
{
    struct slice s = slice_str(path);
    if (s.len >= PATH_BYTES_MAX)
        return false;
    while (s.len > 1 && s.ptr[s.len - 1] == '/')
        s.len--;
    while (s.len > 0 && s.ptr[s.len - 1] != '/')
        s.len--;
    while (s.len > 1 && s.ptr[s.len - 1] == '/')
        s.len--;
    if (s.len == 0)
        s = SLICE(".");
    memcpy(out, s.ptr, s.len);
    out[s.len] = 0;
    return true;
}

static enum status path_too_long(const char *path, struct err *err)
{
    return err_set(err, ST_LIMIT, "path %.64s... has %zu bytes, at most %d are allowed", path, slice_str(path).len,
                   PATH_BYTES_MAX - 1);
}

/* Makes one folder unless it is there, and its entry durable. */
static enum status mkdir_durable(struct fs *fs, const char *path, struct err *err)
{
    struct file_info info;
    if (fs_info(fs, path, &info, NULL) == ST_OK && info.is_dir)
        return ST_OK;
    char parent[PATH_BYTES_MAX];
    if (!path_parent(path, parent))
        return path_too_long(path, err);
    enum status st = fs_mkdir(fs, path, err);
    return st ? st : fs_sync_dir(fs, parent, err);
}

enum status fs_mkdir_all(struct fs *fs, const char *path, struct err *err)
{
    struct slice s = slice_str(path);
    char prefix[PATH_BYTES_MAX];
    if (s.len >= sizeof prefix)
        return path_too_long(path, err);
    for (size_t i = 1; i <= s.len; i++) {
        bool ends_here = i == s.len || (s.ptr[i] == '/' && s.ptr[i - 1] != '/');
        if (!ends_here)
            continue;
        memcpy(prefix, s.ptr, i);
        prefix[i] = 0;
        enum status st = mkdir_durable(fs, prefix, err);
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status read_to_end(struct file *f, const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    uint64_t size = 0;
    enum status st = file_size(f, &size, err);
    if (st)
        return st;
    if (size > bytes_max)
        return err_set(err, ST_LIMIT, "file %s has %llu bytes, at most %zu are read", path, (unsigned long long)size,
                       bytes_max);
    size_t start = out->len;
    for (;;) {
        size_t have = out->len - start;
        /* One byte more than is said to be there (or allowed), to see the end without another call. */
        size_t want = size > have ? (size_t)size - have + 1 : READ_CHUNK_BYTES;
        want = MIN(want, bytes_max - have + 1);
        char *to = buf_room(out, want);
        if (to == NULL)
            return err_set(err, ST_LIMIT, "file %s is larger than the %zu bytes its buffer may hold", path, out->max);
        size_t got = 0;
        st = file_pread(f, have, to, want, &got, err);
        if (st)
            return st;
        if (have + got > bytes_max)
            return err_set(err, ST_LIMIT, "file %s has more than the %zu bytes that are read", path, bytes_max);
        buf_added(out, got);
        if (got < want)
            return ST_OK;
    }
}

enum status fs_read_all(struct fs *fs, const char *path, size_t bytes_max, struct buf *out, struct err *err)
{
    struct file *f = NULL;
    enum status st = fs_open(fs, path, FILE_READ, &f, err);
    if (st)
        return st;
    size_t start = out->len;
    st = read_to_end(f, path, bytes_max, out, err);
    if (st)
        out->len = start;
    file_close(f);
    return st;
}

static enum status write_new(struct fs *fs, const char *path, struct slice content, struct err *err)
{
    struct file *f = NULL;
    /* A .tmp left by a crash is nobody's; whether it was there is of no interest. */
    fs->ops->unlink(fs, path, NULL);
    enum status st = fs_open(fs, path, FILE_CREATE, &f, err);
    if (st)
        return st;
    st = file_append(f, content.ptr, content.len, err);
    if (st == ST_OK)
        st = file_sync(f, err);
    file_close(f);
    return st;
}

enum status fs_replace(struct fs *fs, const char *path, struct slice content, struct err *err)
{
    char tmp[PATH_BYTES_MAX], parent[PATH_BYTES_MAX];
    int n = snprintf(tmp, sizeof tmp, "%s.tmp", path);
    if (n < 0 || (size_t)n >= sizeof tmp || !path_parent(path, parent))
        return path_too_long(path, err);
    enum status st = write_new(fs, tmp, content, err);
    if (st == ST_OK)
        st = fs_rename(fs, tmp, path, err);
    if (st) {
        fs->ops->unlink(fs, tmp, NULL);
        return st;
    }
    st = fs_sync_dir(fs, parent, err);
    return st == ST_FULL ? ST_IO : st; /* renamed, but perhaps not for long */
}

enum status file_pread(struct file *f, uint64_t offset, void *to, size_t n, size_t *got, struct err *err)
{
    return f->ops->pread(f, offset, to, n, got, err);
}

enum status file_append(struct file *f, const void *from, size_t n, struct err *err)
{
    return f->ops->append(f, from, n, err);
}

enum status file_sync(struct file *f, struct err *err)
{
    return f->ops->sync(f, err);
}

enum status file_truncate(struct file *f, uint64_t size, struct err *err)
{
    return f->ops->truncate(f, size, err);
}

enum status file_size(struct file *f, uint64_t *out, struct err *err)
{
    return f->ops->size(f, out, err);
}

void file_close(struct file *f)
{
    if (f)
        f->ops->close(f);
}
