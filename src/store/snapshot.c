/* SPDX-License-Identifier: Apache-2.0 */
/* Snapshots: a second data folder that shares the part files of the first.
 *
 * (1) Part files never change, so a second name is a copy. Where the file system gives none, the bytes are copied.
 * (2) Rows in memory are flushed first. With the manifest's lock held no part comes or goes, so its state and the files it names
 *     fit together; appends go on meanwhile, and what they bring is not in the snapshot. Bytes are copied after that, without the
 *     lock, or flushes would wait for gigabytes: a view holds the files until they are.
 * (3) The copy has no log. Its manifest says with which LSN the next row begins, so nothing is taken for replayed already.
 * (4) It is made under another name and renamed when whole and durable: a folder under its own name opens.
 * (5) What a crash left under such a name is removed at the next start: nobody can open it, and its bytes count. */
#include "store/snapshot.h"

#include <stdio.h>

#include "store/ladder.h"

enum { COPY_BYTES = 1 * MIB, TREE_NAMES_BYTES_MAX = 64 * MIB, TREE_DEPTH_MAX = 8 };

static enum status copy_bytes(struct fs *fs, const char *from, const char *to, struct err *err)
{
    struct file *in = NULL, *out = NULL;
    char *chunk = mem_alloc(COPY_BYTES);
    size_t got = COPY_BYTES;
    enum status st = fs_open(fs, from, FILE_READ, &in, err);
    if (!st)
        st = fs_open(fs, to, FILE_CREATE, &out, err);
    for (uint64_t at = 0; !st && got == COPY_BYTES; at += got) {
        st = file_pread(in, at, chunk, COPY_BYTES, &got, err);
        if (!st)
            st = file_append(out, chunk, got, err);
    }
    if (!st)
        st = file_sync(out, err);
    file_close(in);
    file_close(out);
    mem_free(chunk);
    return st;
}

/* What is to be copied, and what holds it. */
struct later {
    struct store_view *views[STORE_KINDS_MAX];
    struct part_info *parts;
    size_t count;
};

/* Is the file that info names the one that a view holds? A part that was just made or moved may not be in the lists yet. */
static bool is_held(const struct later *l, const struct part_info *info)
{
    for (size_t k = 0; k < COUNT_OF(l->views) && l->views[k]; k++)
        for (size_t i = 0; i < l->views[k]->part_count; i++) {
            const struct part_info *held = part_info(l->views[k]->parts[i]);
            if (held->id == info->id && held->kind == info->kind && held->tier == info->tier)
                return true;
        }
    return false;
}

/* by_bytes false: a second name, or put off to later where there is none. */
static enum status copy_part(struct store *s, struct part_env *there, const struct part_info *info, bool by_bytes, struct later *later,
                             struct err *err)
{
    char from[PART_PATH_BYTES_MAX], to[PART_PATH_BYTES_MAX], folder[PART_PATH_BYTES_MAX];
    const struct lane *lane = store_lane(s, info->kind);
    struct part_info own = *info;
    own.tier = TIER_DATA;
    part_path(&s->env, lane->kind, info, from);
    part_path(there, lane->kind, &own, to);
    part_folder(there, lane->kind, &own, folder);
    enum status st = fs_mkdir_all(s->opt.fs, folder, err);
    if (!st)
        st = by_bytes ? copy_bytes(s->opt.fs, from, to, err) : fs_link(s->opt.fs, from, to, err);
    if (st == ST_UNSUPPORTED && !by_bytes && is_held(later, info)) {
        later->parts[later->count++] = *info;
        return ST_OK;
    }
    if (st == ST_UNSUPPORTED && !by_bytes)
        st = copy_bytes(s->opt.fs, from, to, err);
    return st ? st : fs_sync_dir(s->opt.fs, folder, err);
}

/* manifest_lock held. */
static enum status copy_all(struct store *s, struct slice dir, struct later *later, struct err *err)
{
    char from[PART_PATH_BYTES_MAX], to[PART_PATH_BYTES_MAX];
    const struct manifest_state *state = manifest_state(s->manifest);
    struct part_env there = { .dir = dir, .tiers[TIER_DATA] = dir, .fs = s->opt.fs };
    struct file_info info;
    struct err none;
    enum status st = ST_OK;
    for (size_t k = 0; k < s->opt.kind_count; k++)
        later->views[k] = store_view_take(s, s->opt.kinds[k]->id, INT64_MIN, INT64_MAX);
    later->parts = mem_alloc((state->part_count + 1) * sizeof *later->parts);
    for (size_t i = 0; i < state->part_count && !st; i++)
        st = copy_part(s, &there, &state->parts[i], false, later, err);
    snprintf(from, sizeof from, "%.4000s/KEYRING", s->dir);
    snprintf(to, sizeof to, "%.*s/KEYRING", SLICE_FMT(dir));
    if (!st && fs_info(s->opt.fs, from, &info, &none) == ST_OK) /* an encrypted store */
        st = copy_bytes(s->opt.fs, from, to, err);
    snprintf(to, sizeof to, "%.*s/MANIFEST", SLICE_FMT(dir));
    return st ? st : manifest_write_copy(s->manifest, to, err);
}

static enum status copy_later(struct store *s, struct slice dir, struct later *later, struct err *err)
{
    struct part_env there = { .dir = dir, .tiers[TIER_DATA] = dir, .fs = s->opt.fs };
    enum status st = ST_OK;
    for (size_t i = 0; i < later->count && !st; i++)
        st = copy_part(s, &there, &later->parts[i], true, later, err);
    return st;
}

static void later_free(struct later *later)
{
    for (size_t k = 0; k < COUNT_OF(later->views); k++)
        store_view_drop(later->views[k]);
    mem_free(later->parts);
}

/* What a snapshot that failed has made so far. */
static void remove_tree(struct fs *fs, const char *path, int depth)
{
    char one[PART_PATH_BYTES_MAX];
    struct buf names;
    struct file_info info;
    struct err ignored;
    enum status gone;
    buf_init(&names, TREE_NAMES_BYTES_MAX);
    if (depth < TREE_DEPTH_MAX && fs_list(fs, path, &names, &ignored) == ST_OK) {
        struct slice rest = buf_as_slice(&names), name;
        while (slice_next(&rest, 0, &name)) {
            snprintf(one, sizeof one, "%.3900s/%.*s", path, SLICE_FMT(name));
            if (fs_info(fs, one, &info, &ignored) == ST_OK && info.is_dir)
                remove_tree(fs, one, depth + 1);
            else
                gone = fs_unlink(fs, one, &ignored);
        }
    }
    gone = fs_rmdir(fs, path, &ignored);
    (void)gone;
    buf_free(&names);
}

void store_part_files(struct store *s, uint8_t kind, struct arena *a, struct part_info **out, size_t *count)
{
    mutex_lock(&s->manifest_lock);
    const struct manifest_state *state = manifest_state(s->manifest);
    *out = arena_array(a, struct part_info, state->part_count + 1);
    *count = 0;
    for (size_t i = 0; i < state->part_count; i++)
        if (state->parts[i].kind == kind)
            (*out)[(*count)++] = state->parts[i];
    mutex_unlock(&s->manifest_lock);
}

/* A state whose snapshot became whole takes its place there. */
static void sweep_state(struct fs *fs, const char *path)
{
    char whole[PART_PATH_BYTES_MAX], to[PART_PATH_BYTES_MAX];
    struct file_info info;
    struct err ignored;
    snprintf(whole, sizeof whole, "%.*s", (int)(slice_str(path).len - SLICE(".state").len), path);
    snprintf(to, sizeof to, "%.4000s/state.db", whole);
    enum status st = fs_info(fs, whole, &info, &ignored);
    st = st ? fs_unlink(fs, path, &ignored) : fs_rename(fs, path, to, &ignored);
    if (st == ST_OK)
        st = fs_sync_dir(fs, whole, &ignored);
    (void)st; /* who calls looks whether it is gone */
}

/* (5) */
enum status snapshots_sweep(struct fs *fs, const char *folder, size_t *removed, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    struct buf names;
    struct file_info info;
    struct err ignored;
    *removed = 0;
    buf_init(&names, TREE_NAMES_BYTES_MAX);
    enum status st = fs_list(fs, folder, &names, err);
    struct slice rest = st ? SLICE_EMPTY : buf_as_slice(&names), name;
    while (slice_next(&rest, 0, &name)) {
        bool is_tree = slice_ends(name, SLICE(".tmp"));
        if (!is_tree && !slice_ends(name, SLICE(".state")))
            continue;
        snprintf(path, sizeof path, "%.3000s/%.*s", folder, SLICE_FMT(name));
        if (is_tree)
            remove_tree(fs, path, 0);
        else
            sweep_state(fs, path);
        if (fs_info(fs, path, &info, &ignored) != ST_OK)
            ++*removed;
        else if (!st)
            st = err_set(err, ST_IO, "%s: what a snapshot left behind cannot be removed", path);
    }
    buf_free(&names);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status store_snapshot(struct store *s, const char *to, bool skip_head, struct err *err)
{
    char making[PART_PATH_BYTES_MAX];
    if (slice_str(to).len > 3000)
        return err_set(err, ST_LIMIT, "snapshot: the path has %zu bytes, at most 3000 are allowed", slice_str(to).len);
    snprintf(making, sizeof making, "%.3000s.tmp", to);
    enum status st = skip_head ? ST_OK : store_flush(s, err);
    if (!st)
        st = fs_mkdir_all(s->opt.fs, making, err);
    if (st)
        return st;
    struct later later = { .count = 0 };
    mutex_lock(&s->manifest_lock);
    st = copy_all(s, slice_str(making), &later, err);
    mutex_unlock(&s->manifest_lock);
    if (!st)
        st = copy_later(s, slice_str(making), &later, err);
    later_free(&later);
    if (!st)
        st = fs_sync_dir(s->opt.fs, making, err);
    if (!st)
        st = fs_rename(s->opt.fs, making, to, err);
    if (st)
        remove_tree(s->opt.fs, making, 0);
    return st;
}
