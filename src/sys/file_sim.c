/* SPDX-License-Identifier: Apache-2.0 */
/* The imitated file system: paths, open files, faults. What is in memory and what is on the disk is file_sim_disk.c's.
 *
 * (1) One lock covers everything; an operation is atomic and its order with others is the order of taking the lock.
 * (2) A power cut ends a generation. Files opened before it fail every call but close, and hold no lock any more.
 * (3) After the sync at which the machine was told to stop, whatever would change something fails with ST_IO; reads go on
 *     answering from memory, which nobody can tell from having read a moment earlier.
 * (4) A failed sync is not sticky here: a caller who tries again is told that all is well, as Linux tells it, and finds
 *     zeros after the next power cut. */
#include "sys/file_sim.h"

#include "sys/file_sim_disk.h"
#include "sys/thread.h"

enum { SIM_FILE_BYTES_MAX = 1 << 30 };

struct sim {
    struct fs fs; /* first: a struct fs * is cast back */
    struct mutex lock;
    struct disk disk;
    struct rand rand;
    uint64_t generation, syncs;
    uint64_t stop_in, fail_in; /* syncs from now; 0: off */
    bool stopped;
    uint64_t space_bytes, total_bytes; /* what all files together may take; what fs_space calls the total */
    size_t open_files;
};

struct sim_file {
    struct file file; /* first: a struct file * is cast back */
    struct sim *sim;
    struct disk_node *node;
    uint64_t generation;
    bool may_write, holds_lock;
    struct slice path; /* owned, for sentences */
};

static const uint64_t default_space_bytes = (uint64_t)1 << 40;

/* ---- Paths ---- */

/* Where a path leads: name in dir, and what is there (NULL: nothing). The root is a node without dir. */
struct place {
    struct disk_node *dir, *node;
    struct slice name; /* borrows the path */
};

static enum status find_place(struct sim *s, const char *path, struct place *out, struct err *err)
{
    struct slice rest = slice_str(path), part;
    *out = (struct place){ NULL, s->disk.root, SLICE_EMPTY };
    while (slice_next(&rest, '/', &part)) {
        if (part.len == 0 || slice_eq(part, SLICE(".")))
            continue;
        if (slice_eq(part, SLICE("..")))
            return err_set(err, ST_INVALID, "path %s: \"..\" is not served here", path);
        if (out->node == NULL)
            return err_set(err, ST_NOT_FOUND, "path %s: folder %.*s is not there", path, SLICE_FMT(out->name));
        if (!out->node->is_dir)
            return err_set(err, ST_INVALID, "path %s: %.*s is a file, not a folder", path, SLICE_FMT(out->name));
        *out = (struct place){ out->node, disk_find(out->node, part), part };
    }
    return ST_OK;
}

static enum status find_there(struct sim *s, const char *path, struct place *out, struct err *err)
{
    enum status st = find_place(s, path, out, err);
    if (st == ST_OK && out->node == NULL)
        return err_set(err, ST_NOT_FOUND, "%s is not there", path);
    return st;
}

static enum status find_dir(struct sim *s, const char *path, struct place *out, struct err *err)
{
    enum status st = find_there(s, path, out, err);
    if (st == ST_OK && !out->node->is_dir)
        return err_set(err, ST_INVALID, "%s is a file, not a folder", path);
    return st;
}

static enum status may_change(const struct sim *s, const char *what, const char *path, struct err *err)
{
    return s->stopped ? err_set(err, ST_IO, "%s %s: the machine has stopped", what, path) : ST_OK;
}

/* ---- Faults at a sync ---- */

enum sync_fate { SYNC_DONE, SYNC_STOPPED, SYNC_FAILED };

static enum sync_fate next_sync(struct sim *s)
{
    if (s->stopped)
        return SYNC_STOPPED;
    if (s->stop_in > 0 && --s->stop_in == 0) {
        s->stopped = true;
        return SYNC_STOPPED;
    }
    if (s->fail_in > 0 && --s->fail_in == 0)
        return SYNC_FAILED;
    s->syncs++;
    return SYNC_DONE;
}

static enum status sync_error(enum sync_fate fate, struct slice path, struct err *err)
{
    return err_set(err, ST_IO, "sync %.*s: %s", SLICE_FMT(path),
                   fate == SYNC_STOPPED ? "the machine has stopped" : "the disk refused");
}

/* ---- Open files ---- */

static enum status file_usable(const struct sim_file *f, bool to_write, struct err *err)
{
    if (f->generation != f->sim->generation)
        return err_set(err, ST_IO, "%.*s: opened before the power cut", SLICE_FMT(f->path));
    if (to_write && f->sim->stopped)
        return err_set(err, ST_IO, "%.*s: the machine has stopped", SLICE_FMT(f->path));
    if (to_write && !f->may_write)
        return err_set(err, ST_INVALID, "%.*s: opened for reading only", SLICE_FMT(f->path));
    return ST_OK;
}

static enum status sim_pread(struct file *file, uint64_t offset, void *to, size_t n, size_t *got, struct err *err)
{
    struct sim_file *f = (struct sim_file *)file;
    mutex_lock(&f->sim->lock);
    enum status st = file_usable(f, false, err);
    if (st == ST_OK) {
        const struct buf *now = &f->node->now;
        uint64_t left = offset < now->len ? now->len - offset : 0;
        *got = (size_t)MIN(left, (uint64_t)n);
        if (*got)
            memcpy(to, now->ptr + offset, *got);
    }
    mutex_unlock(&f->sim->lock);
    return st;
}

static uint64_t space_left(const struct sim *s)
{
    return s->space_bytes > s->disk.live_bytes ? s->space_bytes - s->disk.live_bytes : 0;
}

/* As on a real disk, what fits is written before the refusal. */
static enum status append_locked(struct sim_file *f, const void *from, size_t n, struct err *err)
{
    enum status st = file_usable(f, true, err);
    if (st)
        return st;
    uint64_t room = MIN(space_left(f->sim), (uint64_t)SIM_FILE_BYTES_MAX - f->node->now.len);
    size_t part = (size_t)MIN(room, (uint64_t)n);
    disk_append(&f->sim->disk, f->node, from, part);
    if (part < n)
        return err_set(err, ST_FULL, "write %.*s: %zu bytes asked for, %zu fit on the disk", SLICE_FMT(f->path), n,
                       part);
    return ST_OK;
}

static enum status sim_append(struct file *file, const void *from, size_t n, struct err *err)
{
    struct sim_file *f = (struct sim_file *)file;
    mutex_lock(&f->sim->lock);
    enum status st = append_locked(f, from, n, err);
    mutex_unlock(&f->sim->lock);
    return st;
}

static enum status sync_locked(struct sim_file *f, struct err *err)
{
    enum status st = file_usable(f, false, err);
    if (st)
        return st;
    enum sync_fate fate = next_sync(f->sim);
    switch (fate) {
    case SYNC_DONE:
        disk_sync_file(f->node);
        return ST_OK;
    case SYNC_FAILED:
        disk_lose_file(f->node);
        break;
    case SYNC_STOPPED:
        break;
    }
    return sync_error(fate, f->path, err);
}

static enum status sim_sync(struct file *file, struct err *err)
{
    struct sim_file *f = (struct sim_file *)file;
    mutex_lock(&f->sim->lock);
    enum status st = sync_locked(f, err);
    mutex_unlock(&f->sim->lock);
    return st;
}

static enum status truncate_locked(struct sim_file *f, uint64_t size, struct err *err)
{
    enum status st = file_usable(f, true, err);
    if (st)
        return st;
    uint64_t now = f->node->now.len;
    if (size > SIM_FILE_BYTES_MAX || (size > now && size - now > space_left(f->sim)))
        return err_set(err, ST_FULL, "truncate %.*s: %llu bytes do not fit on the disk", SLICE_FMT(f->path),
                       (unsigned long long)size);
    disk_truncate(&f->sim->disk, f->node, size);
    return ST_OK;
}

static enum status sim_truncate(struct file *file, uint64_t size, struct err *err)
{
    struct sim_file *f = (struct sim_file *)file;
    mutex_lock(&f->sim->lock);
    enum status st = truncate_locked(f, size, err);
    mutex_unlock(&f->sim->lock);
    return st;
}

static enum status sim_size(struct file *file, uint64_t *out, struct err *err)
{
    struct sim_file *f = (struct sim_file *)file;
    mutex_lock(&f->sim->lock);
    enum status st = file_usable(f, false, err);
    if (st == ST_OK)
        *out = f->node->now.len;
    mutex_unlock(&f->sim->lock);
    return st;
}

static void sim_close(struct file *file)
{
    struct sim_file *f = (struct sim_file *)file;
    struct sim *s = f->sim;
    mutex_lock(&s->lock);
    if (f->holds_lock && f->generation == s->generation)
        f->node->locked = false;
    disk_node_unref(&s->disk, f->node);
    s->open_files--;
    mutex_unlock(&s->lock);
    mem_free((char *)f->path.ptr);
    mem_free(f);
}

static const struct file_ops sim_file_ops = { sim_pread, sim_append, sim_sync, sim_truncate, sim_size, sim_close };

static struct sim_file *sim_file_new(struct sim *s, struct disk_node *node, const char *path, bool may_write)
{
    struct sim_file *f = mem_new(struct sim_file);
    struct slice p = slice_str(path);
    char *copy = mem_alloc(p.len);
    memcpy(copy, p.ptr, p.len);
    *f = (struct sim_file){ { &sim_file_ops }, s, node, s->generation, may_write, false, slice_of(copy, p.len) };
    disk_node_ref(node);
    s->open_files++;
    return f;
}

/* ---- The file system ---- */

static enum status open_locked(struct sim *s, const char *path, enum file_mode mode, struct file **out,
                               struct err *err)
{
    struct place at;
    enum status st = find_place(s, path, &at, err);
    if (st == ST_OK && mode != FILE_READ)
        st = may_change(s, "open", path, err);
    if (st)
        return st;
    if (at.node && mode == FILE_CREATE)
        return err_set(err, ST_EXISTS, "open %s: it is there already", path);
    if (at.node && at.node->is_dir)
        return err_set(err, ST_INVALID, "open %s: it is a folder", path);
    if (at.node == NULL && mode == FILE_READ)
        return err_set(err, ST_NOT_FOUND, "open %s: it is not there", path);
    if (at.node == NULL) {
        at.node = disk_node_new(&s->disk, false);
        disk_change(&s->disk, NULL, SLICE_EMPTY, at.dir, at.name, at.node);
    }
    *out = &sim_file_new(s, at.node, path, mode != FILE_READ)->file;
    return ST_OK;
}

static enum status sim_open(struct fs *fs, const char *path, enum file_mode mode, struct file **out, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = open_locked(s, path, mode, out, err);
    mutex_unlock(&s->lock);
    return st;
}

static bool stands_inside(const struct disk_node *tree, const struct disk_node *node)
{
    if (tree == node)
        return true;
    for (size_t i = 0; i < tree->entries.count; i++)
        if (stands_inside(tree->entries.list[i].node, node))
            return true;
    return false;
}

static enum status rename_allowed(const struct place *from, const struct place *to, const char *path, struct err *err)
{
    if (from->dir == NULL || to->dir == NULL)
        return err_set(err, ST_INVALID, "rename %s: the root stays where it is", path);
    if (from->node->is_dir && stands_inside(from->node, to->dir))
        return err_set(err, ST_INVALID, "rename %s: a folder cannot move into itself", path);
    if (to->node && to->node->is_dir != from->node->is_dir)
        return err_set(err, ST_INVALID, "rename %s: a file and a folder cannot replace each other", path);
    if (to->node && to->node->is_dir && to->node->entries.count > 0)
        return err_set(err, ST_EXISTS, "rename %s: the target folder is not empty", path);
    return ST_OK;
}

static enum status rename_locked(struct sim *s, const char *from, const char *to, struct err *err)
{
    struct place a, b;
    enum status st = may_change(s, "rename", from, err);
    if (st == ST_OK)
        st = find_there(s, from, &a, err);
    if (st == ST_OK)
        st = find_place(s, to, &b, err);
    if (st || a.node == b.node)
        return st;
    st = rename_allowed(&a, &b, from, err);
    if (st == ST_OK)
        disk_change(&s->disk, a.dir, a.name, b.dir, b.name, a.node);
    return st;
}

static enum status sim_rename(struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = rename_locked(s, from, to, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status remove_locked(struct sim *s, const char *path, bool is_dir, struct err *err)
{
    struct place at;
    enum status st = may_change(s, "delete", path, err);
    if (st == ST_OK)
        st = find_there(s, path, &at, err);
    if (st)
        return st;
    if (at.dir == NULL || at.node->is_dir != is_dir)
        return err_set(err, ST_INVALID, "delete %s: it is %s", path, at.node->is_dir ? "a folder" : "a file");
    if (at.node->entries.count > 0)
        return err_set(err, ST_EXISTS, "delete folder %s: it is not empty", path);
    disk_change(&s->disk, at.dir, at.name, NULL, SLICE_EMPTY, at.node);
    return ST_OK;
}

static enum status sim_unlink(struct fs *fs, const char *path, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = remove_locked(s, path, false, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status sim_rmdir(struct fs *fs, const char *path, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = remove_locked(s, path, true, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status mkdir_locked(struct sim *s, const char *path, struct err *err)
{
    struct place at;
    enum status st = may_change(s, "make folder", path, err);
    if (st == ST_OK)
        st = find_place(s, path, &at, err);
    if (st)
        return st;
    if (at.node)
        return at.node->is_dir ? ST_OK : err_set(err, ST_EXISTS, "make folder %s: a file stands there", path);
    disk_change(&s->disk, NULL, SLICE_EMPTY, at.dir, at.name, disk_node_new(&s->disk, true));
    return ST_OK;
}

static enum status sim_mkdir(struct fs *fs, const char *path, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = mkdir_locked(s, path, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status sync_dir_locked(struct sim *s, const char *path, struct err *err)
{
    struct place at;
    enum status st = find_dir(s, path, &at, err);
    if (st)
        return st;
    enum sync_fate fate = next_sync(s);
    switch (fate) {
    case SYNC_DONE:
        disk_sync_dir(&s->disk, at.node);
        return ST_OK;
    case SYNC_FAILED:
        disk_lose_dir(&s->disk, at.node);
        break;
    case SYNC_STOPPED:
        break;
    }
    return sync_error(fate, slice_str(path), err);
}

static enum status sim_sync_dir(struct fs *fs, const char *path, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = sync_dir_locked(s, path, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status list_locked(struct sim *s, const char *path, struct buf *names, struct err *err)
{
    struct place at;
    enum status st = find_dir(s, path, &at, err);
    if (st)
        return st;
    for (size_t i = 0; i < at.node->entries.count; i++) {
        buf_slice(names, at.node->entries.list[i].name);
        buf_char(names, 0);
    }
    if (buf_over(names))
        return err_set(err, ST_LIMIT, "list folder %s: its names take more than the %zu bytes allowed", path,
                       names->max);
    return ST_OK;
}

static enum status sim_list(struct fs *fs, const char *path, struct buf *names, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    mutex_lock(&s->lock);
    enum status st = list_locked(s, path, names, err);
    mutex_unlock(&s->lock);
    return st;
}

static enum status sim_info(struct fs *fs, const char *path, struct file_info *out, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    struct place at;
    mutex_lock(&s->lock);
    enum status st = find_there(s, path, &at, err);
    if (st == ST_OK)
        *out = (struct file_info){ at.node->now.len, at.node->mtime_ns, at.node->inode, at.node->is_dir, false };
    mutex_unlock(&s->lock);
    return st;
}

static enum status sim_space(struct fs *fs, const char *path, uint64_t *free_bytes, uint64_t *total_bytes,
                             struct err *err)
{
    struct sim *s = (struct sim *)fs;
    struct place at;
    mutex_lock(&s->lock);
    enum status st = find_there(s, path, &at, err);
    if (st == ST_OK) {
        *free_bytes = space_left(s);
        *total_bytes = s->total_bytes;
    }
    mutex_unlock(&s->lock);
    return st;
}

static enum status lock_locked(struct sim *s, const char *path, struct file **out, struct err *err)
{
    enum status st = open_locked(s, path, FILE_APPEND, out, err);
    if (st)
        return st;
    struct sim_file *f = (struct sim_file *)*out;
    if (!f->node->locked) {
        f->node->locked = f->holds_lock = true;
        return ST_OK;
    }
    *out = NULL;
    disk_node_unref(&s->disk, f->node);
    s->open_files--;
    mem_free((char *)f->path.ptr);
    mem_free(f);
    return err_set(err, ST_EXISTS, "lock %s: another process holds it", path);
}

static enum status sim_lock(struct fs *fs, const char *path, struct file **out, struct err *err)
{
    struct sim *s = (struct sim *)fs;
    struct file *f = NULL;
    mutex_lock(&s->lock);
    enum status st = lock_locked(s, path, &f, err);
    mutex_unlock(&s->lock);
    if (st == ST_OK)
        *out = f;
    return st;
}

static const struct fs_ops sim_fs_ops = { sim_open,     sim_rename, sim_unlink, sim_mkdir, sim_rmdir,
                                          sim_sync_dir, sim_list,   sim_info,   sim_space, sim_lock, NULL };

/* ---- What a test does to it ---- */

struct fs *fs_sim_new(uint64_t seed)
{
    struct sim *s = mem_new(struct sim);
    s->fs.ops = &sim_fs_ops;
    mutex_init(&s->lock);
    disk_init(&s->disk);
    rand_seed(&s->rand, seed);
    s->space_bytes = s->total_bytes = default_space_bytes;
    return &s->fs;
}

static struct sim *of(struct fs *fs)
{
    assert(fs->ops == &sim_fs_ops);
    return (struct sim *)fs;
}

void fs_sim_free(struct fs *fs)
{
    if (fs == NULL)
        return;
    struct sim *s = of(fs);
    assert(s->open_files == 0); /* a file outlives its disk */
    disk_free(&s->disk);
    mutex_destroy(&s->lock);
    mem_free(s);
}

void fs_sim_power_cut(struct fs *fs, enum fs_sim_loss how)
{
    struct sim *s = of(fs);
    mutex_lock(&s->lock);
    s->generation++;
    s->stopped = false;
    s->stop_in = 0;
    for (struct disk_node *n = s->disk.all; n; n = n->next)
        n->locked = false;
    disk_cut(&s->disk, how, &s->rand);
    mutex_unlock(&s->lock);
}

uint64_t fs_sim_syncs(struct fs *fs)
{
    struct sim *s = of(fs);
    mutex_lock(&s->lock);
    uint64_t n = s->syncs;
    mutex_unlock(&s->lock);
    return n;
}

void fs_sim_stop_at_sync(struct fs *fs, uint64_t n)
{
    struct sim *s = of(fs);
    mutex_lock(&s->lock);
    s->stop_in = n;
    mutex_unlock(&s->lock);
}

void fs_sim_fail_sync(struct fs *fs, uint64_t n)
{
    struct sim *s = of(fs);
    mutex_lock(&s->lock);
    s->fail_in = n;
    mutex_unlock(&s->lock);
}

void fs_sim_set_space(struct fs *fs, uint64_t free_bytes, uint64_t total_bytes)
{
    struct sim *s = of(fs);
    mutex_lock(&s->lock);
    uint64_t room = UINT64_MAX - s->disk.live_bytes;
    s->space_bytes = s->disk.live_bytes + MIN(free_bytes, room);
    s->total_bytes = total_bytes;
    mutex_unlock(&s->lock);
}

void fs_sim_flip(struct fs *fs, const char *path, uint64_t offset)
{
    struct sim *s = of(fs);
    struct place at;
    mutex_lock(&s->lock);
    enum status st = find_there(s, path, &at, NULL);
    assert(st == ST_OK && offset < at.node->now.len); /* the test names a byte that is there */
    disk_flip(at.node, offset, (uint8_t)(1 + rand_below(&s->rand, 255)));
    mutex_unlock(&s->lock);
}
