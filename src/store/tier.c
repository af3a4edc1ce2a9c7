/* SPDX-License-Identifier: Apache-2.0 */
/* Tiers: a part that is done moves to the folder of its class's storage.
 *
 * (1) A part moves whole and unchanged when its partition's time is over, late rows have had their hour, and nothing of the
 *     partition is worth merging any more.
 * (2) It is copied, the copy and its folder entry are synced, the copy is opened and checked, and only then does a manifest edit say
 *     that the part is there. So at each moment the file that the manifest names is whole; a crash leaves a second one
 *     in the place it does not name, which the next start removes.
 * (3) Copying works across file systems. Nothing is ever renamed between folders.
 * (4) Readers go on: views have the old file open. Its name goes at once, and not with the last view: by then the part may have
 *     moved back, and a new file have the name.
 * (5) A folder that cannot be written to is no reason to stop taking in data, or to stop moves to other folders: moves are counted as
 *     failed and tried again.
 * (6) Other folders than the data folder hold our files in one named after the store's seed, so that two servers
 *     which were given the same folder do not take each other's parts for leftovers. */
#include "store/ladder.h"

#include <stdio.h>
#include <stdlib.h>

#include "store/partition.h"

enum { COPY_BYTES = 1 * MIB, RETRY_S = 60 };

void tiers_start(struct store *s)
{
    static const char *const names[STORE_TIERS] = { "", "cloud", "archive", "local" };
    static const enum storage storage_of[STORE_TIERS] = { STORAGE_LOCAL, STORAGE_CLOUD, STORAGE_ARCHIVE, STORAGE_LOCAL };
    for (int tier = 0; tier < STORE_TIERS; tier++) {
        char path[PART_PATH_BYTES_MAX];
        const char *given = s->storage_dirs[storage_of[tier]];
        if (tier == TIER_DATA)
            snprintf(path, sizeof path, "%.3000s", s->dir);
        else if (given[0])
            snprintf(path, sizeof path, "%.3000s/stoa-%016llx", given, (unsigned long long)manifest_state(s->manifest)->seed);
        else
            snprintf(path, sizeof path, "%.3000s/%s", s->dir, names[tier]);
        size_t n = slice_str(path).len;
        s->tier_dirs[tier] = mem_alloc(n + 1);
        memcpy(s->tier_dirs[tier], path, n + 1);
        s->env.tiers[tier] = slice_of(s->tier_dirs[tier], n);
    }
}

void tiers_free(struct store *s)
{
    for (int i = 0; i < STORE_TIERS; i++)
        mem_free(s->tier_dirs[i]);
    for (int i = 0; i < STORAGE_COUNT; i++)
        mem_free(s->storage_dirs[i]);
}

static uint8_t tier_of(const struct store *s, enum storage storage)
{
    switch (storage) {
    case STORAGE_LOCAL: return s->storage_dirs[STORAGE_LOCAL][0] ? TIER_LOCAL : TIER_DATA;
    case STORAGE_CLOUD: return TIER_CLOUD;
    case STORAGE_ARCHIVE: return TIER_ARCHIVE;
    case STORAGE_COUNT: break;
    }
    return TIER_DATA;
}

static uint8_t wanted_tier(const struct store *s, const struct classset *classes, uint16_t class)
{
    for (size_t i = 0; i < classes->count; i++)
        if (classes->list[i].id == class)
            return tier_of(s, classes->list[i].storage);
    return TIER_DATA;
}

/* ---- choosing ---- */

static int compare_bytes(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return x < y ? -1 : x > y;
}

/* Is there nothing more to merge in p's partition and class? state_lock held. */
static bool is_settled(const struct lane *lane, const struct part *p)
{
    uint64_t *bytes = mem_alloc((lane->parts.count + 1) * sizeof *bytes);
    size_t n = 0, first;
    for (size_t i = 0; i < lane->parts.count; i++) {
        const struct part *other = lane->parts.at[i];
        if (other->info.start_ns == p->info.start_ns && other->info.class == p->info.class && !other->no_merge)
            bytes[n++] = other->info.bytes;
    }
    if (n > 1)
        qsort(bytes, n, sizeof *bytes, compare_bytes);
    bool settled = partition_pick(bytes, n, true, &first) == 0;
    mem_free(bytes);
    return settled;
}

/* A part, with a reference, and where it belongs: of those that failed least often, for one that cannot be read or written must not
 * stand in the way of the others. NULL: all are in their place, or their place has failed a moment ago. */
static struct part *pick_part(struct store *s, struct lane *lane, const struct classset *classes, uint8_t *tier)
{
    int64_t now = clock_wall_ns(s->opt.clock), mono = clock_mono_ns(s->opt.clock);
    struct part *picked = NULL;
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < lane->parts.count; i++) {
        struct part *p = lane->parts.at[i];
        uint8_t to = wanted_tier(s, classes, p->info.class);
        if (to == p->info.tier || p->info.end_ns + PARTITION_COLD_NS >= now || mono < s->move_retry_ns[to] ||
            (picked && p->failed_moves >= picked->failed_moves) || !is_settled(lane, p))
            continue;
        picked = p;
        *tier = to;
    }
    if (picked)
        part_take(picked);
    mutex_unlock(&s->state_lock);
    return picked;
}

/* ---- moving ---- */

static enum status check_room(struct store *s, const char *dir, uint64_t bytes, struct err *err)
{
    uint64_t free_bytes, total_bytes;
    enum status st = fs_space(s->opt.fs, dir, &free_bytes, &total_bytes, err);
    double rest = (double)free_bytes - (double)bytes;
    if (st == ST_OK && total_bytes > 0 && rest < s->guard.refuse_ratio * (double)total_bytes)
        return err_set(err, ST_FULL, "%s has %llu free bytes, too few for a part of %llu", dir, (unsigned long long)free_bytes,
                       (unsigned long long)bytes);
    return st;
}

static enum status copy_bytes(struct store *s, const struct part *p, struct file *to, struct err *err)
{
    char *chunk = mem_alloc(COPY_BYTES);
    enum status st = ST_OK;
    for (uint64_t at = 0; at < p->info.bytes && st == ST_OK && !atomic_load(&s->stop);) {
        size_t want = (size_t)MIN((uint64_t)COPY_BYTES, p->info.bytes - at), got = 0;
        st = file_pread(p->file, at, chunk, want, &got, err);
        if (st == ST_OK && got != want)
            st = err_set(err, ST_CORRUPT, "ends at %llu of its %llu bytes", (unsigned long long)(at + got), (unsigned long long)p->info.bytes);
        if (st == ST_OK)
            st = file_append(to, chunk, want, err);
        at += want;
    }
    mem_free(chunk);
    return st == ST_OK && atomic_load(&s->stop) ? err_set(err, ST_CANCELLED, "stopped") : st;
}

/* A folder whose entry could not be made durable would be there for the next try and gone after a power cut: it is made anew. Only
 * empty ones go, and none but ours. folders held. */
static void remove_empty(struct store *s, const struct lane *lane, uint8_t tier, const char *folder)
{
    char kind[PART_PATH_BYTES_MAX];
    struct err ignored;
    snprintf(kind, sizeof kind, "%.4000s/%s", s->tier_dirs[tier], lane->kind->name);
    const char *const paths[] = { folder, kind, s->tier_dirs[tier] };
    for (size_t i = 0; i < COUNT_OF(paths) - (tier == TIER_DATA); i++) {
        enum status st = fs_rmdir(s->opt.fs, paths[i], &ignored); /* refused while something is in it */
        (void)st;
    }
}

/* (2) up to the sync. info: of the copy. */
static enum status write_copy(struct store *s, const struct lane *lane, const struct part *p, const struct part_info *info, struct err *err)
{
    char folder[PART_PATH_BYTES_MAX], path[PART_PATH_BYTES_MAX];
    struct file *f = NULL;
    struct err ignored;
    part_folder(&s->env, lane->kind, info, folder);
    part_path(&s->env, lane->kind, info, path);
    mutex_lock(&s->env.folders);
    enum status st = fs_mkdir_all(s->opt.fs, folder, err);
    if (st)
        remove_empty(s, lane, info->tier, folder);
    else
        st = check_room(s, folder, info->bytes, err);
    if (st == ST_OK) {
        st = fs_open(s->opt.fs, path, FILE_CREATE, &f, err);
        if (st == ST_EXISTS) { /* a try before this one, which no manifest names */
            st = fs_unlink(s->opt.fs, path, err);
            st = st ? st : fs_open(s->opt.fs, path, FILE_CREATE, &f, err);
        }
    }
    mutex_unlock(&s->env.folders);
    if (st)
        return st;
    st = copy_bytes(s, p, f, err);
    if (st == ST_OK)
        st = file_sync(f, err);
    file_close(f);
    if (st == ST_OK)
        st = fs_sync_dir(s->opt.fs, folder, err);
    if (st) {
        enum status gone = fs_unlink(s->opt.fs, path, &ignored);
        (void)gone;
    }
    return st;
}

static void swap_file(struct store *s, struct lane *lane, struct part *old, struct part *fresh)
{
    mutex_lock(&s->state_lock);
    fresh->no_merge = old->no_merge;
    fresh->merge_again_ns = old->merge_again_ns;
    for (size_t i = 0; i < lane->parts.count; i++)
        if (lane->parts.at[i] == old)
            lane->parts.at[i] = fresh;
    mutex_unlock(&s->state_lock);
    part_unlink(old);
    part_drop(old); /* the lane's reference */
}

static enum status move_part(struct store *s, struct lane *lane, struct part *p, uint8_t tier, struct err *err)
{
    struct part_list made = { 0 };
    struct part *fresh = NULL;
    struct part_info info = p->info;
    info.tier = tier;
    enum status st = ladder_ready(s, err);
    if (st == ST_OK)
        st = write_copy(s, lane, p, &info, err);
    if (st)
        return st;
    st = part_open(&s->env, lane->kind, lane->state, &info, &fresh, err);
    if (st) {
        char path[PART_PATH_BYTES_MAX];
        struct err ignored;
        part_path(&s->env, lane->kind, &info, path);
        enum status gone = fs_unlink(s->opt.fs, path, &ignored);
        (void)gone;
        return st;
    }
    struct manifest_tier to = { info.id, tier };
    struct manifest_edit e = { .tiers = &to, .tier_count = 1 };
    part_list_add(&made, fresh);
    st = ladder_edit(s, &e, &made, err);
    if (st == ST_OK) {
        made.count = 0;
        swap_file(s, lane, p, fresh);
    }
    part_list_drop(&made);
    return st;
}

void tier_tick(struct store *s, bool *did)
{
    int64_t now = clock_mono_ns(s->opt.clock);
    *did = false;
    struct classset *classes = classset_take(s);
    for (size_t i = 0; i < s->lane_count && !*did; i++) {
        struct lane *lane = &s->lanes[i];
        struct err err = { 0 };
        uint8_t tier = TIER_DATA;
        struct part *p = pick_part(s, lane, classes, &tier);
        if (p == NULL)
            continue;
        enum status st = move_part(s, lane, p, tier, &err);
        *did = st == ST_OK;
        s->move_retry_ns[tier] = st == ST_OK || st == ST_CANCELLED ? 0 : now + RETRY_S * NS_S;
        p->failed_moves += st != ST_OK && st != ST_CANCELLED;
        atomic_fetch_add(st ? &s->tier_move_failures : &s->tier_moves, st != ST_CANCELLED);
        if (st && st != ST_CANCELLED && s->opt.log)
            log_line(s->opt.log, LOG_ERROR, "a part cannot be moved to the folder of its storage; it stays and is read where it is",
                     "part=%s to=%s error=\"%s\"", p->path, s->tier_dirs[tier], err.text);
        part_drop(p);
    }
    classset_drop(classes);
}
