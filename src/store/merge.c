/* SPDX-License-Identifier: Apache-2.0 */
/* Merges of file parts, and the expiry of partitions.
 *
 * (1) A merge's output is on disk, opened and checked before the edit that swaps it for its inputs; inputs are unlinked
 *     when the last view lets go of them.
 * (2) Inputs of a merge are of one partition and class. merge_lock makes sure that nobody else takes parts away meanwhile;
 *     flushes may add some.
 * (3) A merge that meets damage leaves its inputs as they are, and does not try again until the next start: what is left
 *     of them can still be read. No merge reaches over such a part: inputs follow each other in LSN order without a gap, for of
 *     two samples at one time the part with the higher LSNs has the last word. Inputs that cannot be read at all (a folder elsewhere
 *     that is away) are left alone for a while, for they must not stand in the way of all other merges.
 * (4) Expiry removes whole partitions, damaged parts that could not be opened included. */
#include "store/ladder.h"

#include <stdlib.h>

#include "store/partition.h"

enum { TICK_MERGES_MAX_LEVEL = 255, UNREADABLE_RETRY_S = 600 };

enum status merge_group(struct store *s, struct lane *lane, struct part *const *parts, size_t count, struct part_writer *w,
                        struct buf *meta, struct err *err)
{
    struct tombset *dead = tombset_take(s);
    w->info.dead_id = dead->max_id;
    enum status st = lane->kind->merge(lane->state, (const struct part *const *)parts, count, tombset_of(dead, lane->kind->id), w, meta,
                                       &s->stop, err);
    tombset_drop(dead);
    if (st == ST_OK && buf_over(meta))
        st = err_set(err, ST_LIMIT, "meta of a merged part would be over %zu bytes", meta->max);
    return st ? st : part_writer_finish(w, buf_as_slice(meta), err);
}

/* Output for inputs, in the manifest and in what views see. */
static enum status swap(struct store *s, struct lane *lane, struct part *const *in, size_t count, struct part *out, struct err *err)
{
    struct part_list made = { 0 };
    uint64_t *removes = mem_alloc(count * sizeof *removes);
    for (size_t i = 0; i < count; i++)
        removes[i] = in[i]->info.id;
    struct manifest_edit e = { .adds = &out->info, .add_count = 1, .removes = removes, .remove_count = count };
    part_list_add(&made, out);
    enum status st = ladder_edit(s, &e, &made, err);
    if (st == ST_OK) {
        mutex_lock(&s->state_lock);
        for (size_t i = 0; i < count; i++)
            part_list_remove(&lane->parts, in[i]);
        part_list_add(&lane->parts, out);
        made.count = 0;
        mutex_unlock(&s->state_lock);
        for (size_t i = 0; i < count; i++) {
            part_unlink_on_drop(in[i]);
            part_drop(in[i]); /* the lane's reference */
        }
        atomic_fetch_add(&s->merges, 1);
        atomic_fetch_add(&s->merged_rows, out->info.rows);
    }
    part_list_drop(&made);
    mem_free(removes);
    return st;
}

static void mark_unmergeable(struct part *const *parts, size_t count)
{
    bool any = false;
    for (size_t i = 0; i < count; i++) {
        mutex_lock(&parts[i]->bad_lock);
        parts[i]->no_merge = parts[i]->bad_count > 0;
        mutex_unlock(&parts[i]->bad_lock);
        any |= parts[i]->no_merge;
    }
    for (size_t i = 0; i < count && !any; i++)
        parts[i]->no_merge = true;
}

/* st of a merge: an error of the inputs and not of what is written? */
static bool is_of_inputs(const struct store *s, enum status st)
{
    return st != ST_OK && st != ST_CANCELLED && st != ST_FULL && (st != ST_IO || !atomic_load(&s->env.write_failed));
}

/* Merges parts (references are the caller's) into one. */
static enum status merge_parts(struct store *s, struct lane *lane, struct part *const *parts, size_t count, struct err *err)
{
    struct part_info info = parts[0]->info;
    struct part_writer *w = NULL;
    struct part *out = NULL;
    struct buf meta;
    for (size_t i = 0; i < count; i++)
        info.level = MAX(info.level, parts[i]->info.level);
    info.level = (uint8_t)MIN(info.level + 1, TICK_MERGES_MAX_LEVEL);
    info.id = ladder_new_id(s);
    info.tier = TIER_DATA; /* from where it moves on when there is nothing more to merge */
    buf_init(&meta, PART_META_BYTES_MAX);
    enum status st = ladder_ready(s, err);
    if (st == ST_OK)
        st = part_writer_new(&s->env, lane->kind, &info, false, &w, err);
    if (st == ST_OK)
        st = merge_group(s, lane, parts, count, w, &meta, err);
    if (st == ST_OK)
        st = part_open(&s->env, lane->kind, lane->state, &w->info, &out, err);
    part_writer_free(w, st != ST_OK);
    buf_free(&meta);
    if (st == ST_OK)
        return swap(s, lane, parts, count, out, err);
    if (is_of_inputs(s, st)) {
        mark_unmergeable(parts, count);
        for (size_t i = 0; i < count; i++)
            parts[i]->merge_again_ns = st == ST_IO ? clock_mono_ns(s->opt.clock) + UNREADABLE_RETRY_S * NS_S : 0;
        atomic_fetch_add(&s->failed_merges, 1);
        if (s->opt.log)
            log_line(s->opt.log, LOG_ERROR, "parts cannot be merged; they stay as they are", "kind=%s first=%s parts=%zu error=\"%s\"",
                     lane->kind->name, parts[0]->path, count, err->text);
    }
    return st;
}

/* ---- choosing ---- */

static int compare_parts(const void *a, const void *b)
{
    const struct part_info *x = &(*(struct part *const *)a)->info, *y = &(*(struct part *const *)b)->info;
    if (x->class != y->class)
        return x->class < y->class ? -1 : 1;
    if (x->start_ns != y->start_ns)
        return x->start_ns < y->start_ns ? -1 : 1;
    return x->max_lsn == y->max_lsn ? (x->id > y->id) - (x->id < y->id) : x->max_lsn < y->max_lsn ? -1 : 1;
}

/* All file parts, with references, by class, partition and LSN. */
static struct part_list take_sorted(struct store *s, struct lane *lane)
{
    struct part_list l = { 0 };
    int64_t now = clock_mono_ns(s->opt.clock);
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < lane->parts.count; i++) {
        struct part *p = lane->parts.at[i];
        if (p->merge_again_ns && p->merge_again_ns <= now) {
            p->no_merge = false;
            p->merge_again_ns = 0;
        }
        part_list_add(&l, part_take(p));
    }
    mutex_unlock(&s->state_lock);
    if (l.count > 1)
        qsort(l.at, l.count, sizeof(struct part *), compare_parts);
    return l;
}

/* How many from there on may be merged with each other. One that may not be merged stands alone. */
static size_t group_length(const struct part_list *l, size_t from)
{
    size_t n = 1;
    while (from + n < l->count && !l->at[from]->no_merge && !l->at[from + n]->no_merge && l->at[from + n]->info.class == l->at[from]->info.class &&
           l->at[from + n]->info.start_ns == l->at[from]->info.start_ns)
        n++;
    return n;
}

static bool has_room(struct store *s, struct part *const *parts, size_t count)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < count; i++)
        sum += parts[i]->info.bytes;
    return guard_has_room(&s->guard, sum);
}

/* What is worth merging in this lane: a run within *l. 0: nothing. */
static size_t pick(struct store *s, struct part_list *l, size_t *first)
{
    int64_t now = clock_wall_ns(s->opt.clock);
    uint64_t *bytes = mem_alloc((l->count + 1) * sizeof *bytes);
    size_t picked = 0;
    for (size_t i = 0; i < l->count; i++)
        bytes[i] = l->at[i]->info.bytes;
    for (size_t from = 0; from < l->count && picked == 0;) {
        size_t n = group_length(l, from), at = 0;
        bool cold = l->at[from]->info.end_ns + PARTITION_COLD_NS < now;
        picked = partition_pick(bytes + from, n, cold, &at);
        *first = from + at;
        if (picked && !has_room(s, l->at + *first, picked))
            picked = 0;
        from += n;
    }
    mem_free(bytes);
    return picked;
}

static bool has_dead_rows(struct store *s, const struct lane *lane, const struct part *p)
{
    struct tombset *set = tombset_take(s);
    struct tombstones dead = tombset_of(set, lane->kind->id);
    bool waits = false;
    for (size_t i = 0; i < dead.count; i++)
        waits |= tombstone_waits_for(&dead.list[i], &p->info);
    tombset_drop(set);
    return waits;
}

/* A part that a tombstone waits for, alone. */
static size_t pick_for_tombstones(struct store *s, struct lane *lane, struct part_list *l, size_t *first)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->at[i]->no_merge && has_dead_rows(s, lane, l->at[i]) && has_room(s, l->at + i, 1)) {
            *first = i;
            return 1;
        }
    return 0;
}

/* A part from before encryption was turned on. */
static bool is_plain(const struct store *s, const struct part *p)
{
    return s->env.crypt && p->key.crypt == NULL;
}

static size_t pick_plain(struct store *s, struct part_list *l, size_t *first)
{
    for (size_t i = 0; i < l->count; i++)
        if (!l->at[i]->no_merge && is_plain(s, l->at[i]) && has_room(s, l->at + i, 1)) {
            *first = i;
            return 1;
        }
    return 0;
}

static enum status merge_once(struct store *s, struct lane *lane, bool *did, struct err *err)
{
    size_t first = 0;
    struct part_list l = take_sorted(s, lane);
    size_t n = pick(s, &l, &first);
    if (n == 0)
        n = pick_for_tombstones(s, lane, &l, &first);
    if (n == 0)
        n = pick_plain(s, &l, &first);
    enum status st = n ? merge_parts(s, lane, l.at + first, n, err) : ST_OK;
    *did = n > 0;
    part_list_drop(&l);
    return st;
}

/* ---- expiry ---- */

/* Files of parts that could not be opened at the start, and so are in no lane. */
static void unlink_aside(struct store *s, const struct part_info *info)
{
    char path[PART_PATH_BYTES_MAX];
    struct err ignored;
    struct lane *lane = store_lane(s, info->kind);
    if (lane == NULL)
        return;
    part_path(&s->env, lane->kind, info, path);
    enum status st = fs_unlink(s->opt.fs, path, &ignored); /* else an orphan for the next start */
    (void)st;
}

static void forget_expired(struct store *s, const struct part_info *info)
{
    struct lane *lane = store_lane(s, info->kind);
    struct part *p = NULL;
    mutex_lock(&s->state_lock);
    for (size_t i = 0; lane && i < lane->parts.count; i++)
        if (lane->parts.at[i]->info.id == info->id)
            p = lane->parts.at[i];
    if (p)
        part_list_remove(&lane->parts, p);
    mutex_unlock(&s->state_lock);
    if (p == NULL) {
        unlink_aside(s, info);
        return;
    }
    part_unlink_on_drop(p);
    part_drop(p);
}

static enum status expire(struct store *s, struct err *err)
{
    int64_t now = retention_now(s);
    struct classset *classes = classset_take(s);
    mutex_lock(&s->manifest_lock);
    const struct manifest_state *state = manifest_state(s->manifest);
    struct part_info *old = mem_alloc((state->part_count + 1) * sizeof *old);
    uint64_t *ids = mem_alloc((state->part_count + 1) * sizeof *ids);
    size_t count = 0;
    for (size_t i = 0; i < state->part_count; i++)
        if (state->parts[i].end_ns <= now - classset_retention(classes, state->parts[i].class)) {
            old[count] = state->parts[i];
            ids[count++] = state->parts[i].id;
        }
    mutex_unlock(&s->manifest_lock);
    classset_drop(classes);
    struct manifest_edit e = { .removes = ids, .remove_count = count };
    enum status st = count ? ladder_edit(s, &e, NULL, err) : ST_OK;
    for (size_t i = 0; i < count && st == ST_OK; i++)
        forget_expired(s, &old[i]);
    if (st == ST_OK && count) {
        atomic_fetch_add(&s->expired_parts, count);
        if (s->opt.log)
            log_line(s->opt.log, LOG_INFO, "parts are over the retention time and deleted", "parts=%zu", count);
    }
    mem_free(old);
    mem_free(ids);
    return st;
}

enum status merge_tick(struct store *s, size_t merges_max, size_t *did, struct err *err)
{
    *did = 0;
    enum status st = store_writable(s, err);
    if (st == ST_OK)
        st = expire(s, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++) {
        bool merged = true;
        while (merged && *did < merges_max && st == ST_OK && !atomic_load(&s->stop)) {
            st = merge_once(s, &s->lanes[i], &merged, err);
            *did += merged;
            if (is_of_inputs(s, st))
                st = ST_OK; /* said already; the other parts go on */
        }
    }
    bool moved = st == ST_OK;
    while (moved && *did < merges_max && !atomic_load(&s->stop)) {
        tier_tick(s, &moved);
        *did += moved;
    }
    return st ? st : tombstone_expire(s, err);
}

/* Every partition of one lane to one part. */
static enum status merge_lane(struct store *s, struct lane *lane, struct err *err)
{
    struct part_list l = take_sorted(s, lane);
    enum status first_bad = ST_OK;
    for (size_t from = 0; from < l.count;) {
        struct err own;
        enum status st = ST_OK;
        size_t n = group_length(&l, from);
        if (n > 1 || (!l.at[from]->no_merge && (has_dead_rows(s, lane, l.at[from]) || is_plain(s, l.at[from]))))
            st = merge_parts(s, lane, l.at + from, n, &own);
        if (st && first_bad == ST_OK) {
            first_bad = st;
            if (err)
                *err = own;
        }
        if (st && !is_of_inputs(s, st))
            break;
        from += n;
    }
    part_list_drop(&l);
    return first_bad;
}

enum status merge_all(struct store *s, struct err *err)
{
    enum status st = store_writable(s, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++)
        st = merge_lane(s, &s->lanes[i], err);
    return st ? st : tombstone_expire(s, err);
}
