/* SPDX-License-Identifier: Apache-2.0 */
/* The ladder: raw tables -> sealed tables -> parts in memory -> file parts, one lane a kind.
 *
 * (1) At each moment a row is on exactly one rung that views see: lists change under state_lock, in one step each.
 * (2) Exactly once: the manifest edit that names the file parts also moves the kind's flushed LSN. A crash before it leaves
 *     orphans and a log that is replayed; a crash after it leaves a log whose rows are known as flushed.
 * (3) A lane's rows go down in LSN order: the oldest sealed table is encoded first, and a flush takes memory parts from
 *     the oldest on. So "flushed up to LSN n" is one number.
 * (4) Memory parts of one partition and class are merged on their way to disk; where that fails they go down as they are.
 * (5) When an edit does not fit on a full disk, nobody knows whether it will be read after a crash. The files it names wait
 *     in limbo until a rewritten manifest settles that they are not in it; no new files are made meanwhile. */
#include "store/ladder.h"

#include "store/partition.h"
#include "sys/heap.h"

/* ---- lists ---- */

struct mem_table *mem_table_new(const struct lane *lane)
{
    struct mem_table *t = mem_new(struct mem_table);
    atomic_init(&t->refs, 1);
    t->kind = lane->kind;
    t->mem = (lane->kind->mem_new)(lane->state); /* in brackets: mem_new is a macro of base.h */
    return t;
}

void mem_table_drop(struct mem_table *t)
{
    if (t == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&t->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        t->kind->mem_free(t->mem);
        mem_free(t);
    }
}

void mem_list_add(struct mem_list *l, struct mem_table *t)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 8;
        l->at = mem_realloc(l->at, l->cap * sizeof(struct mem_table *));
    }
    l->at[l->count++] = t;
}

void part_list_add(struct part_list *l, struct part *p)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 16;
        l->at = mem_realloc(l->at, l->cap * sizeof(struct part *));
    }
    l->at[l->count++] = p;
}

bool part_list_remove(struct part_list *l, const struct part *p)
{
    for (size_t i = 0; i < l->count; i++)
        if (l->at[i] == p) {
            memmove(&l->at[i], &l->at[i + 1], (l->count - i - 1) * sizeof(struct part *));
            l->count--;
            return true;
        }
    return false;
}

void part_list_drop(struct part_list *l)
{
    for (size_t i = 0; i < l->count; i++)
        part_drop(l->at[i]);
    mem_free(l->at);
    *l = (struct part_list){ 0 };
}

/* ---- manifest edits ---- */

uint64_t ladder_new_id(struct store *s)
{
    mutex_lock(&s->manifest_lock);
    uint64_t id = s->next_id++;
    mutex_unlock(&s->manifest_lock);
    return id;
}

/* manifest_lock held. */
static enum status edit_locked(struct store *s, struct manifest_edit *e, struct err *err)
{
    enum status st = store_writable(s, err);
    if (st == ST_OK && atomic_load(&s->env.write_failed)) { /* in another thread, which is about to say so */
        st = err_set(err, ST_IO, "a part or folder could not be made durable");
        store_fail(s, err);
    }
    if (st)
        return st;
    e->next_id = s->next_id;
    st = manifest_apply(s->manifest, e, err);
    if (st && st != ST_FULL) {
        err_prefix(err, "the manifest cannot be written: ");
        store_fail(s, err);
    } else if (st == ST_FULL) {
        guard_hit(&s->guard, s->opt.log);
    }
    return st;
}

enum status ladder_edit(struct store *s, struct manifest_edit *e, struct part_list *made, struct err *err)
{
    struct err own;
    mutex_lock(&s->manifest_lock);
    for (size_t i = 0; i < e->dead_add_count; i++)
        e->dead_adds[i].id = s->next_id++;
    enum status st = edit_locked(s, e, &own);
    if (st && made) {
        for (size_t i = 0; i < made->count; i++)
            part_list_add(&s->limbo, made->at[i]);
        made->count = 0;
    }
    if (st == ST_OK && (e->dead_add_count || e->dead_remove_count))
        tombset_publish(s);
    mutex_unlock(&s->manifest_lock);
    if (st && err)
        *err = own;
    return st;
}

enum status ladder_ready(struct store *s, struct err *err)
{
    struct err own;
    struct manifest_edit nothing = { 0 };
    mutex_lock(&s->manifest_lock);
    enum status st = store_writable(s, &own);
    if (st == ST_OK && s->limbo.count > 0) {
        st = edit_locked(s, &nothing, &own); /* goes through a rewrite, as the one before it failed */
        for (size_t i = 0; i < s->limbo.count && st == ST_OK; i++)
            part_unlink_on_drop(s->limbo.at[i]);
        if (st == ST_OK)
            part_list_drop(&s->limbo);
    }
    mutex_unlock(&s->manifest_lock);
    if (st && err)
        *err = own;
    return st;
}

/* ---- seal and encode ---- */

void ladder_seal(struct store *s, struct lane *lane)
{
    if (lane->active->first_lsn == 0)
        return;
    struct mem_table *fresh = mem_table_new(lane);
    mutex_lock(&s->state_lock);
    mem_list_add(&lane->sealed, lane->active);
    lane->active = fresh;
    mutex_unlock(&s->state_lock);
    atomic_fetch_add(&lane->waiting, 1);
}

struct part_sink {
    struct store *s;
    struct lane *lane;
    struct part_writer *open[BATCH_PARTITIONS_MAX * 4]; /* begun, not ended */
    size_t open_count;
    struct part_list made;
};

enum status part_sink_begin(struct part_sink *sink, int64_t partition_ns, uint16_t class, struct part_writer **out, struct err *err)
{
    struct store *s = sink->s;
    if (sink->open_count == COUNT_OF(sink->open))
        return err_set(err, ST_INTERNAL, "%s: over %zu parts begun at once", sink->lane->kind->name, COUNT_OF(sink->open));
    if (class == 0 && sink->lane->kind->id == KIND_METRICS) {
        struct classset *classes = classset_take(s);
        class = classes->of_metrics;
        classset_drop(classes);
    }
    struct part_info info = { .id = ladder_new_id(s), .kind = sink->lane->kind->id, .class = class,
                              .start_ns = partition_start(partition_ns) };
    info.end_ns = info.start_ns + PARTITION_NS;
    enum status st = part_writer_new(&s->env, sink->lane->kind, &info, true, out, err);
    if (st == ST_OK)
        sink->open[sink->open_count++] = *out;
    return st;
}

enum status part_sink_end(struct part_sink *sink, struct part_writer *w, struct slice meta, struct err *err)
{
    struct part *p = NULL;
    for (size_t i = 0; i < sink->open_count; i++)
        if (sink->open[i] == w)
            sink->open[i] = sink->open[--sink->open_count];
    enum status st = part_writer_finish(w, meta, err);
    if (st == ST_OK) {
        buf_shrink(&w->out);
        st = part_of_bytes(&sink->s->env, sink->lane->kind, sink->lane->state, &w->info, &w->out, &p, err);
    }
    if (st == ST_OK)
        part_list_add(&sink->made, p);
    part_writer_free(w, false);
    return st;
}

static enum status encode_one(struct store *s, struct lane *lane, struct mem_table *t, struct err *err)
{
    struct part_sink *sink = mem_new(struct part_sink);
    sink->s = s;
    sink->lane = lane;
    enum status st = lane->kind->mem_encode(t->mem, sink, err);
    for (size_t i = 0; i < sink->open_count; i++)
        part_writer_free(sink->open[i], false);
    if (st == ST_OK && sink->open_count > 0)
        st = err_set(err, ST_INTERNAL, "%s: %zu parts begun and not ended", lane->kind->name, sink->open_count);
    if (st == ST_OK) {
        uint64_t bytes = 0;
        mutex_lock(&s->state_lock);
        assert(lane->sealed.at[0] == t);
        memmove(&lane->sealed.at[0], &lane->sealed.at[1], --lane->sealed.count * sizeof(struct mem_table *));
        if (lane->mem_parts.count == 0)
            lane->mem_part_born_ns = t->born_mono_ns;
        for (size_t i = 0; i < sink->made.count; i++) {
            struct part *p = sink->made.at[i];
            p->first_lsn = t->first_lsn;
            p->covers_lsn = t->last_lsn;
            bytes += p->bytes.len;
            part_list_add(&lane->mem_parts, part_take(p));
        }
        lane->mem_part_bytes += bytes;
        mutex_unlock(&s->state_lock);
        mutex_lock(&s->wake_lock);
        atomic_fetch_sub(&lane->waiting, 1);
        cond_signal(&s->encoded_cond);
        mutex_unlock(&s->wake_lock);
        atomic_fetch_add(&lane->waiting_bytes, bytes);
        mem_table_drop(t);
    }
    part_list_drop(&sink->made);
    mem_free(sink);
    return st;
}

enum status ladder_encode(struct store *s, struct lane *lane, struct err *err)
{
    for (;;) {
        mutex_lock(&s->state_lock);
        struct mem_table *t = lane->sealed.count ? lane->sealed.at[0] : NULL;
        mutex_unlock(&s->state_lock);
        if (t == NULL)
            return ST_OK;
        enum status st = encode_one(s, lane, t, err);
        if (st)
            return st;
    }
}

/* ---- flush ---- */

/* Rows up to this LSN are in files once the lane's first `flushing` memory parts are. state_lock held. */
static uint64_t covered_lsn(const struct store *s, const struct lane *lane, size_t flushing)
{
    uint64_t first = 0;
    if (lane->mem_parts.count > flushing)
        first = lane->mem_parts.at[flushing]->first_lsn;
    else if (lane->sealed.count > 0)
        first = lane->sealed.at[0]->first_lsn;
    else
        first = lane->active->first_lsn;
    return first ? first - 1 : s->applied_lsn;
}

static void put_flushed(struct store *s, const struct lane *flushing, size_t count, struct manifest_edit *e)
{
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < s->lane_count; i++)
        e->flushed[i] = (struct flushed){ s->lanes[i].kind->id,
                                          covered_lsn(s, &s->lanes[i], &s->lanes[i] == flushing ? count : 0) };
    mutex_unlock(&s->state_lock);
    e->flushed_count = s->lane_count;
}

static enum status save_one(struct store *s, struct lane *lane, const struct part *p, struct part_list *made, struct err *err)
{
    struct part *file = NULL;
    enum status st = part_save(p, err);
    if (st == ST_OK)
        st = part_open(&s->env, lane->kind, lane->state, &p->info, &file, err);
    if (st == ST_OK)
        part_list_add(made, file);
    return st;
}

static enum status merge_to_file(struct store *s, struct lane *lane, struct part *const *parts, size_t count, struct part_list *made,
                                 struct err *err)
{
    struct part_info info = parts[0]->info;
    struct part_writer *w = NULL;
    struct part *file = NULL;
    struct buf meta;
    info.id = ladder_new_id(s);
    buf_init(&meta, PART_META_BYTES_MAX);
    enum status st = part_writer_new(&s->env, lane->kind, &info, false, &w, err);
    if (st == ST_OK)
        st = merge_group(s, lane, parts, count, w, &meta, err);
    if (st == ST_OK)
        st = part_open(&s->env, lane->kind, lane->state, &w->info, &file, err);
    if (st == ST_OK)
        part_list_add(made, file);
    part_writer_free(w, st != ST_OK);
    buf_free(&meta);
    return st;
}

/* Rows that were sent when they were over the retention time already: they could be read from memory until now. */
static void drop_too_old(struct store *s, const struct lane *lane, struct part *const *parts, size_t count)
{
    uint64_t rows = 0;
    for (size_t i = 0; i < count; i++)
        rows += parts[i]->info.rows;
    atomic_fetch_add(&s->too_old_rows, rows);
    if (rows > 0 && s->opt.log)
        log_line(s->opt.log, LOG_WARNING, "rows older than the retention time were sent and are dropped", "kind=%s rows=%llu oldest_s=%lld",
                 lane->kind->name, (unsigned long long)rows, (long long)(parts[0]->info.min_ns / NS_S));
}

/* Erased rows that come late never reach a file. */
static bool is_erased_partly(struct store *s, const struct lane *lane, const struct part *p)
{
    struct tombset *set = tombset_take(s);
    struct tombstones dead = tombset_of(set, lane->kind->id);
    bool is_erased = false;
    for (size_t i = 0; i < dead.count; i++)
        is_erased |= dead.list[i].is_erase && tombstone_waits_for(&dead.list[i], &p->info);
    tombset_drop(set);
    return is_erased;
}

/* The parts of one partition and class, onto disk. */
static enum status flush_group(struct store *s, struct lane *lane, struct part *const *parts, size_t count, struct part_list *made,
                               struct err *err)
{
    if (parts[0]->info.end_ns <= retention_horizon(s, parts[0]->info.class)) {
        drop_too_old(s, lane, parts, count);
        return ST_OK;
    }
    if (count > 1 || is_erased_partly(s, lane, parts[0])) {
        enum status st = merge_to_file(s, lane, parts, count, made, err);
        if (st == ST_OK || st == ST_FULL || st == ST_IO || st == ST_CANCELLED)
            return st;
        if (s->opt.log)
            log_line(s->opt.log, LOG_ERROR, "parts in memory cannot be merged; they are written one by one", "kind=%s error=\"%s\"",
                     lane->kind->name, err->text);
    }
    for (size_t i = 0; i < count; i++) {
        enum status st = save_one(s, lane, parts[i], made, err);
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status flush_groups(struct store *s, struct lane *lane, struct part **all, size_t count, struct part_list *made,
                                struct err *err)
{
    struct part **group = mem_alloc(count * sizeof(struct part *));
    bool *done = mem_zalloc(count);
    enum status st = ST_OK;
    for (size_t i = 0; i < count && st == ST_OK; i++) {
        size_t n = 0;
        for (size_t k = i; k < count && !done[i]; k++)
            if (!done[k] && all[k]->info.start_ns == all[i]->info.start_ns && all[k]->info.class == all[i]->info.class)
                group[n++] = all[k];
        for (size_t k = i, g = 0; k < count && g < n; k++)
            if (all[k] == group[g]) {
                done[k] = true;
                g++;
            }
        if (n > 0)
            st = flush_group(s, lane, group, n, made, err);
    }
    mem_free(group);
    mem_free(done);
    return st;
}

/* Memory parts out, file parts in, in one step. */
static void swap_in(struct store *s, struct lane *lane, size_t flushed, struct part_list *made)
{
    struct part_list gone = { 0 };
    uint64_t bytes = 0;
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < flushed; i++) {
        bytes += lane->mem_parts.at[i]->bytes.len;
        part_list_add(&gone, lane->mem_parts.at[i]);
    }
    lane->mem_parts.count -= flushed;
    memmove(lane->mem_parts.at, lane->mem_parts.at + flushed, lane->mem_parts.count * sizeof(struct part *));
    lane->mem_part_bytes -= bytes;
    lane->mem_part_born_ns = clock_mono_ns(s->opt.clock);
    for (size_t i = 0; i < made->count; i++)
        part_list_add(&lane->parts, made->at[i]);
    made->count = 0;
    mutex_unlock(&s->state_lock);
    atomic_fetch_sub(&lane->waiting_bytes, bytes);
    part_list_drop(&gone);
    if (bytes >= TRIM_BYTES_MIN)
        heap_trim();
}

static enum status trim(struct store *s, bool with_current, struct err *err)
{
    uint64_t covered = UINT64_MAX;
    if (s->replaying)
        return ST_OK;
    mutex_lock(&s->manifest_lock);
    for (size_t i = 0; i < s->lane_count; i++)
        covered = MIN(covered, manifest_flushed(s->manifest, s->lanes[i].kind->id));
    mutex_unlock(&s->manifest_lock);
    if (!wal_has_covered(s->wal, covered, with_current))
        return ST_OK;
    keys_save(s, covered);
    return wal_trim(s->wal, covered, with_current, err);
}

enum status ladder_flush(struct store *s, struct lane *lane, struct err *err)
{
    struct part_list made = { 0 };
    struct manifest_edit e = { 0 };
    mutex_lock(&s->state_lock);
    size_t count = lane->mem_parts.count;
    struct part **all = mem_alloc((count + 1) * sizeof(struct part *));
    if (count)
        memcpy(all, lane->mem_parts.at, count * sizeof(struct part *));
    mutex_unlock(&s->state_lock);
    enum status st = count ? ladder_ready(s, err) : ST_OK;
    if (st || count == 0)
        goto done;
    st = flush_groups(s, lane, all, count, &made, err);
    if (st) { /* no manifest has heard of them */
        for (size_t i = 0; i < made.count; i++)
            part_unlink_on_drop(made.at[i]);
        goto done;
    }
    struct part_info *adds = mem_alloc((made.count + 1) * sizeof *adds);
    for (size_t i = 0; i < made.count; i++)
        adds[i] = made.at[i]->info;
    e.adds = adds;
    e.add_count = made.count;
    put_flushed(s, lane, count, &e);
    st = ladder_edit(s, &e, &made, err);
    mem_free(adds);
    if (st == ST_OK) {
        swap_in(s, lane, count, &made);
        st = trim(s, false, err);
        store_wake_merger(s);
    }
done:
    part_list_drop(&made);
    mem_free(all);
    return st;
}

static void seal_all(struct store *s)
{
    mutex_lock(&s->apply_lock);
    for (size_t i = 0; i < s->lane_count; i++)
        ladder_seal(s, &s->lanes[i]);
    mutex_unlock(&s->apply_lock);
}

enum status ladder_flush_all(struct store *s, bool empty_wal, struct err *err)
{
    struct manifest_edit e = { 0 };
    enum status st = ladder_ready(s, err);
    seal_all(s);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++) {
        st = ladder_encode(s, &s->lanes[i], err);
        if (st == ST_OK)
            st = ladder_flush(s, &s->lanes[i], err);
    }
    if (st)
        return st;
    /* A kind without rows must not hold the log back. */
    put_flushed(s, NULL, 0, &e);
    bool moved = false;
    mutex_lock(&s->manifest_lock);
    for (size_t i = 0; i < e.flushed_count; i++)
        moved |= e.flushed[i].lsn > manifest_flushed(s->manifest, e.flushed[i].kind);
    mutex_unlock(&s->manifest_lock);
    if (moved)
        st = ladder_edit(s, &e, NULL, err);
    if (st == ST_OK)
        st = trim(s, empty_wal && append_rotate(s), err);
    return st;
}

/* ---- the round ---- */

static bool is_over_age(const struct store *s, int64_t born_mono_ns, int64_t now)
{
    return now - born_mono_ns >= s->opt.flush_interval_ns;
}

static void seal_old(struct store *s, int64_t now)
{
    mutex_lock(&s->apply_lock);
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (lane->active->first_lsn && is_over_age(s, lane->active->born_mono_ns, now))
            ladder_seal(s, lane);
    }
    mutex_unlock(&s->apply_lock);
}

static uint64_t quarters(uint64_t bytes, unsigned count)
{
    return count ? bytes / 4 * count : bytes;
}

uint64_t ladder_raw_bytes_max(const struct store *s, const struct lane *lane)
{
    return quarters(s->opt.mem_bytes_max, lane->kind->raw_quarters);
}

uint64_t ladder_parts_bytes_max(const struct store *s, const struct lane *lane)
{
    return quarters(s->opt.mem_parts_bytes_max, lane->kind->parts_quarters);
}

static bool flush_is_due(struct store *s, struct lane *lane, int64_t now)
{
    mutex_lock(&s->state_lock);
    bool due = lane->mem_parts.count > 0 &&
               (lane->mem_part_bytes >= ladder_parts_bytes_max(s, lane) || is_over_age(s, lane->mem_part_born_ns, now));
    mutex_unlock(&s->state_lock);
    return due;
}

enum status ladder_tick(struct store *s, struct err *err)
{
    int64_t now = clock_mono_ns(s->opt.clock);
    if (s->guard_checked_ns == 0 || s->opt.no_background || now - s->guard_checked_ns >= GUARD_INTERVAL_S * NS_S) {
        guard_check(&s->guard, s->opt.fs, s->dir, s->opt.log);
        s->guard_checked_ns = now;
    }
    enum status st = store_writable(s, err);
    if (st)
        return st;
    seal_old(s, now);
    if (wal_segments(s->wal) > WAL_SEGMENTS_MAX)
        return ladder_flush_all(s, false, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++) {
        st = ladder_encode(s, &s->lanes[i], err);
        if (st == ST_OK && flush_is_due(s, &s->lanes[i], now))
            st = ladder_flush(s, &s->lanes[i], err);
    }
    return st;
}
