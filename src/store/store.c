/* SPDX-License-Identifier: Apache-2.0 */
/* The store: opening, closing, threads, and the calls that are not appends or views.
 *
 *     dir/LOCK  dir/MANIFEST  dir/KEYS  dir/wal/NNNN.wal  dir/KIND/YYYYMMDD-CLASS/NNNN.part
 *
 * Threads: one commits (append.c); one goes down the ladder: seal, encode, flush, disk guard (ladder.c); one merges and
 * expires (merge.c). Long merges do not hold up flushes, and so do not hold up appends.
 *
 * (1) Whatever makes it unclear what is on disk (a failed sync of log or manifest) ends all writing, once and for this run.
 *     Reading goes on.
 * (2) A clean close leaves file parts and an empty log. */
#include "store/ladder.h"

#include <stdio.h>

#include "store/partition.h"

enum { LADDER_WAIT_S = 1, MERGE_WAIT_S = 10, TICK_MERGES_MAX = 16, SAME_ERROR_LOG_S = 60 };

struct lane *store_lane(struct store *s, uint8_t kind)
{
    for (size_t i = 0; i < s->lane_count; i++)
        if (s->lanes[i].kind->id == kind)
            return &s->lanes[i];
    return NULL;
}

void *store_kind_state(struct store *s, uint8_t kind)
{
    struct lane *lane = store_lane(s, kind);
    return lane ? lane->state : NULL;
}

struct log *store_log(struct store *s)
{
    return s->opt.log;
}

struct clock *store_clock(struct store *s)
{
    return s->opt.clock;
}

int64_t store_partition_of(const struct store *s, int64_t t_ns)
{
    return partition_start(t_ns);
}

/* ---- failing ---- */

void store_fail(struct store *s, const struct err *why)
{
    mutex_lock(&s->reason_lock);
    bool first = !atomic_load(&s->read_only);
    if (first) {
        snprintf(s->reason, sizeof s->reason, "%s", why->text);
        atomic_store(&s->read_only, true);
    }
    mutex_unlock(&s->reason_lock);
    if (first && s->opt.log)
        log_line(s->opt.log, LOG_CRITICAL, "the store is read-only from now on; queries go on", "reason=\"%s\"", why->text);
}

void store_check_writes(struct store *s, enum status st, const struct err *err)
{
    if (st != ST_OK && atomic_load(&s->env.write_failed))
        store_fail(s, err);
}

enum status store_writable(struct store *s, struct err *err)
{
    if (!atomic_load_explicit(&s->read_only, memory_order_acquire))
        return ST_OK;
    mutex_lock(&s->reason_lock);
    enum status st = err_set(err, ST_FULL, "the store is read-only: %.400s", s->reason);
    mutex_unlock(&s->reason_lock);
    return st;
}

/* ---- background ---- */

static void wake(struct store *s, struct cond *c, bool *flag)
{
    mutex_lock(&s->wake_lock);
    *flag = true;
    cond_signal(c);
    mutex_unlock(&s->wake_lock);
}

void store_wake(struct store *s)
{
    wake(s, &s->wake_cond, &s->wake);
}

void store_wake_merger(struct store *s)
{
    wake(s, &s->merge_wake_cond, &s->merge_wake);
}

static void wait_for_work(struct store *s, struct cond *c, bool *flag, int64_t seconds)
{
    mutex_lock(&s->wake_lock);
    if (!*flag && !atomic_load(&s->stop))
        cond_wait_ns(c, &s->wake_lock, seconds * NS_S);
    *flag = false;
    mutex_unlock(&s->wake_lock);
}

/* The same error once a minute. */
struct complaint {
    char text[ERR_TEXT_BYTES_MAX];
    int64_t said_ns;
};

static void complain(struct store *s, struct complaint *c, const char *message, enum status st, const struct err *err)
{
    int64_t now = clock_mono_ns(s->opt.clock);
    if (st == ST_OK || st == ST_CANCELLED || atomic_load(&s->read_only) || s->opt.log == NULL)
        return;
    if (c->said_ns && now - c->said_ns < SAME_ERROR_LOG_S * NS_S && slice_eq(slice_str(c->text), slice_str(err->text)))
        return;
    snprintf(c->text, sizeof c->text, "%s", err->text);
    c->said_ns = now;
    log_line(s->opt.log, LOG_ERROR, message, "status=%s error=\"%s\"", status_name(st), err->text);
}

static void ladder_run(void *arg)
{
    struct store *s = arg;
    struct complaint said = { .said_ns = 0 };
    while (!atomic_load(&s->stop)) {
        struct err err = { 0 };
        wait_for_work(s, &s->wake_cond, &s->wake, LADDER_WAIT_S);
        if (atomic_load(&s->stop))
            break;
        mutex_lock(&s->flush_lock);
        enum status st = ladder_tick(s, &err);
        store_check_writes(s, st, &err);
        mutex_unlock(&s->flush_lock);
        complain(s, &said, "rows cannot be moved to disk; they stay in memory and in the log", st, &err);
    }
}

static void merge_run(void *arg)
{
    struct store *s = arg;
    struct complaint said = { .said_ns = 0 };
    while (!atomic_load(&s->stop)) {
        struct err err = { 0 };
        wait_for_work(s, &s->merge_wake_cond, &s->merge_wake, MERGE_WAIT_S);
        size_t did = 1;
        enum status st = ST_OK;
        while (did > 0 && st == ST_OK && !atomic_load(&s->stop)) {
            mutex_lock(&s->merge_lock);
            st = merge_tick(s, 1, &did, &err);
            store_check_writes(s, st, &err);
            mutex_unlock(&s->merge_lock);
        }
        complain(s, &said, "parts cannot be merged or expired", st, &err);
    }
}

static void stop_background(struct store *s)
{
    atomic_store(&s->stop, true);
    mutex_lock(&s->wake_lock);
    cond_broadcast(&s->wake_cond);
    cond_broadcast(&s->merge_wake_cond);
    mutex_unlock(&s->wake_lock);
    thread_join(s->ladder_thread);
    thread_join(s->merge_thread);
    s->ladder_thread = s->merge_thread = NULL;
    atomic_store(&s->stop, false);
}

static void stop_commits(struct store *s)
{
    mutex_lock(&s->append_lock);
    s->closing = s->commit_stop = true;
    cond_signal(&s->append_cond);
    mutex_unlock(&s->append_lock);
    thread_join(s->commit_thread);
    s->commit_thread = NULL;
}

static enum status start_threads(struct store *s, struct err *err)
{
    enum status st = thread_start(&s->commit_thread, "stoa-commit", append_run, s, err);
    if (st == ST_OK && !s->opt.no_background)
        st = thread_start(&s->ladder_thread, "stoa-ladder", ladder_run, s, err);
    if (st == ST_OK && !s->opt.no_background)
        st = thread_start(&s->merge_thread, "stoa-merge", merge_run, s, err);
    return st;
}

/* ---- opening and closing ---- */

static uint64_t or_default(uint64_t v, uint64_t standard)
{
    return v ? v : standard;
}

static void set_options(struct store *s, const struct store_options *opt)
{
    s->opt = *opt;
    s->opt.retention_ns = opt->retention_ns ? opt->retention_ns : 31 * 86400 * NS_S;
    s->opt.flush_interval_ns = opt->flush_interval_ns ? opt->flush_interval_ns : 600 * NS_S;
    s->opt.mem_bytes_max = or_default(opt->mem_bytes_max, 32 * MIB);
    s->opt.mem_parts_bytes_max = or_default(opt->mem_parts_bytes_max, 64 * MIB);
    s->opt.wal_segment_bytes_max = or_default(opt->wal_segment_bytes_max, 64 * MIB);
    s->opt.cache_bytes_max = or_default(opt->cache_bytes_max, 64 * MIB);
    s->opt.append_queue_bytes_max = or_default(opt->append_queue_bytes_max, 64 * MIB);
    s->guard.warn_ratio = opt->disk_warn_ratio > 0 ? opt->disk_warn_ratio : 0.10;
    s->guard.refuse_ratio = opt->disk_refuse_ratio > 0 ? opt->disk_refuse_ratio : 0.05;
    s->dir = mem_alloc(opt->dir.len + 1);
    memcpy(s->dir, opt->dir.ptr, opt->dir.len);
    s->dir[opt->dir.len] = 0;
    s->opt.dir = slice_of(s->dir, opt->dir.len);
    for (int i = 0; i < STORAGE_COUNT; i++)
        s->opt.storage_dirs[i] = SLICE_EMPTY; /* kept as storage_dirs of s */
    s->env = (struct part_env){ .dir = s->opt.dir, .fs = opt->fs, .log = opt->log };
}

static struct store *store_new(const struct store_options *opt)
{
    struct store *s = mem_new(struct store);
    set_options(s, opt);
    mutex_init(&s->env.folders);
    struct mutex *locks[] = { &s->merge_lock,  &s->flush_lock, &s->apply_lock,  &s->manifest_lock,
                              &s->append_lock, &s->state_lock, &s->reason_lock, &s->wake_lock, &s->dead.lock,
                              &s->classes.lock, &s->classes_lock, &s->clock_lock };
    for (size_t i = 0; i < COUNT_OF(locks); i++)
        mutex_init(locks[i]);
    struct cond *conds[] = { &s->append_cond, &s->idle_cond, &s->wake_cond, &s->merge_wake_cond, &s->encoded_cond };
    for (size_t i = 0; i < COUNT_OF(conds); i++)
        cond_init(conds[i]);
    buf_init(&s->queues[0].bodies, 0);
    buf_init(&s->queues[1].bodies, 0);
    s->filling = &s->queues[0];
    s->env.cache = cache_new(s->opt.cache_bytes_max);
    for (int i = 0; i < STORAGE_COUNT; i++) {
        size_t n = opt->storage_dirs[i].len;
        s->storage_dirs[i] = mem_zalloc(n + 1);
        if (n)
            memcpy(s->storage_dirs[i], opt->storage_dirs[i].ptr, n);
    }
    return s;
}

static void lane_free(struct lane *lane)
{
    for (size_t i = 0; i < lane->sealed.count; i++)
        mem_table_drop(lane->sealed.at[i]);
    mem_free(lane->sealed.at);
    mem_table_drop(lane->active);
    part_list_drop(&lane->mem_parts);
    part_list_drop(&lane->parts);
    if (lane->is_open)
        lane->kind->close(lane->state);
}

static void store_free(struct store *s)
{
    part_list_drop(&s->limbo);
    for (size_t i = 0; i < s->lane_count; i++)
        lane_free(&s->lanes[i]);
    wal_close(s->wal);
    manifest_close(s->manifest);
    snap_drop(s->dead.value);
    snap_drop(s->classes.value);
    tiers_free(s);
    idempotency_free(s->keys);
    append_queue_free(&s->queues[0]);
    append_queue_free(&s->queues[1]);
    cache_free(s->env.cache);
    crypt_free(s->env.crypt);
    file_close(s->lock_file);
    struct mutex *locks[] = { &s->merge_lock,  &s->flush_lock,  &s->apply_lock, &s->manifest_lock, &s->append_lock,
                              &s->state_lock,  &s->reason_lock, &s->wake_lock,  &s->dead.lock,     &s->env.folders,
                              &s->classes.lock, &s->classes_lock, &s->clock_lock };
    for (size_t i = 0; i < COUNT_OF(locks); i++)
        mutex_destroy(locks[i]);
    struct cond *conds[] = { &s->append_cond, &s->idle_cond, &s->wake_cond, &s->merge_wake_cond, &s->encoded_cond };
    for (size_t i = 0; i < COUNT_OF(conds); i++)
        cond_destroy(conds[i]);
    mem_free(s->dir);
    mem_free(s);
}

static enum status open_folder(struct store *s, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    if (s->opt.dir.len == 0 || s->opt.dir.len > 3000)
        return err_set(err, ST_LIMIT, "the data folder's path has %zu bytes; 1 to 3000 are allowed", s->opt.dir.len);
    enum status st = fs_mkdir_all(s->opt.fs, s->dir, err);
    if (st)
        return st;
    snprintf(path, sizeof path, "%.3000s/LOCK", s->dir);
    return fs_lock(s->opt.fs, path, &s->lock_file, err);
}

static enum status open_lanes(struct store *s, struct err *err)
{
    if (s->opt.kind_count > STORE_KINDS_MAX)
        return err_set(err, ST_LIMIT, "%zu kinds of rows, at most %d are allowed", s->opt.kind_count, STORE_KINDS_MAX);
    for (size_t i = 0; i < s->opt.kind_count; i++) {
        struct lane *lane = &s->lanes[i];
        lane->kind = s->opt.kinds[i];
        s->lane_count = i + 1;
        enum status st = lane->kind->open(s, manifest_state(s->manifest)->seed, &lane->state, err);
        if (st)
            return st;
        lane->is_open = true;
        lane->active = mem_table_new(lane);
    }
    return ST_OK;
}

static enum status open_crypt(struct store *s, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    struct file_info info;
    enum status st = crypt_open(&s->env.crypt, s->opt.fs, s->opt.dir, s->opt.key_file, err);
    snprintf(path, sizeof path, "%.*s", SLICE_FMT(s->opt.key_file));
    if (s->env.crypt && fs_info(s->opt.fs, path, &info, NULL) == ST_OK && info.is_for_all && s->opt.log)
        log_line(s->opt.log, LOG_WARNING, "every user of this machine can read the key file; chmod 600 is advised", "file=%s", path);
    s->opt.key_file = SLICE_EMPTY;
    return st;
}

static enum status open_all(struct store *s, struct err *err)
{
    enum status st = open_folder(s, err);
    if (st == ST_OK)
        st = open_crypt(s, err);
    if (st == ST_OK)
        st = manifest_open(&s->manifest, &s->env, err);
    if (st)
        return st;
    s->next_id = manifest_state(s->manifest)->next_id;
    s->keys = idempotency_new(manifest_state(s->manifest)->seed, IDEMPOTENCY_KEYS_MAX, IDEMPOTENCY_HOURS_MAX * 3600 * NS_S);
    keys_load(s);
    tombset_publish(s);
    classset_start(s, s->opt.classes, s->opt.class_count);
    s->opt.classes = NULL;
    tiers_start(s);
    guard_check(&s->guard, s->opt.fs, s->dir, s->opt.log);
    st = open_lanes(s, err);
    if (st == ST_OK)
        st = recover_parts(s, err);
    if (st == ST_OK)
        st = manifest_rewrite(s->manifest, err);
    if (st == ST_OK)
        st = wal_open(&s->wal, &s->env, err);
    if (st == ST_OK)
        st = recover_log(s, err);
    atomic_store(&s->appended_samples, 0); /* what replay brought back was counted in another life */
    atomic_store(&s->appended_events, 0);
    return st;
}

enum status store_open(struct store **out, const struct store_options *opt, struct err *err)
{
    struct store *s = store_new(opt);
    struct err own = { 0 };
    enum status st = open_all(s, &own);
    if (st == ST_OK)
        st = start_threads(s, &own);
    if (st) {
        if (err)
            *err = own;
        store_abandon(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void store_close(struct store *s)
{
    struct err err = { 0 };
    if (s == NULL)
        return;
    stop_commits(s);
    stop_background(s);
    mutex_lock(&s->flush_lock);
    enum status st = ladder_flush_all(s, true, &err);
    mutex_unlock(&s->flush_lock);
    if (st && s->opt.log)
        log_line(s->opt.log, LOG_ERROR, "the store is closed without a flush; the log is read at the next start", "error=\"%s\"",
                 err.text);
    store_free(s);
}

void store_abandon(struct store *s)
{
    if (s == NULL)
        return;
    stop_commits(s);
    stop_background(s);
    store_free(s);
}

/* ---- calls ---- */

enum status store_flush(struct store *s, struct err *err)
{
    struct err own = { 0 };
    mutex_lock(&s->flush_lock);
    enum status st = ladder_flush_all(s, true, &own);
    store_check_writes(s, st, &own);
    mutex_unlock(&s->flush_lock);
    if (st && err)
        *err = own;
    return st;
}

enum status store_merge(struct store *s, struct err *err)
{
    struct err own = { 0 };
    mutex_lock(&s->merge_lock);
    enum status st = merge_all(s, &own);
    store_check_writes(s, st, &own);
    mutex_unlock(&s->merge_lock);
    if (st && err)
        *err = own;
    return st;
}

enum status store_tick(struct store *s, struct err *err)
{
    struct err own = { 0 };
    size_t did;
    mutex_lock(&s->flush_lock);
    enum status st = ladder_tick(s, &own);
    store_check_writes(s, st, &own);
    mutex_unlock(&s->flush_lock);
    if (st == ST_OK) {
        mutex_lock(&s->merge_lock);
        st = merge_tick(s, TICK_MERGES_MAX, &did, &own);
        store_check_writes(s, st, &own);
        mutex_unlock(&s->merge_lock);
    }
    if (st && err)
        *err = own;
    return st;
}

/* state_lock held. */
static void lane_stats(const struct lane *lane, struct engine_stats *out)
{
    for (size_t i = 0; i <= lane->sealed.count; i++) {
        const struct mem_table *t = i < lane->sealed.count ? lane->sealed.at[i] : lane->active;
        out->pending_rows += lane->kind->mem_rows(t->mem);
        out->memory_bytes += lane->kind->mem_bytes(t->mem);
    }
    out->memory_parts += lane->mem_parts.count;
    out->memory_bytes += lane->mem_part_bytes;
    out->parts += lane->parts.count;
    for (size_t i = 0; i < lane->parts.count + lane->mem_parts.count; i++) {
        bool in_file = i < lane->parts.count;
        const struct part_info *info = &(in_file ? lane->parts.at[i] : lane->mem_parts.at[i - lane->parts.count])->info;
        out->disk_bytes += in_file ? info->bytes : 0;
        if (info->rows > 0 && (out->oldest_ns == 0 || info->min_ns < out->oldest_ns))
            out->oldest_ns = info->min_ns;
        if (info->rows > 0 && info->max_ns > out->newest_ns)
            out->newest_ns = info->max_ns;
    }
}

void store_stats(struct store *s, struct engine_stats *out)
{
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < s->lane_count; i++)
        lane_stats(&s->lanes[i], out);
    mutex_unlock(&s->state_lock);
    mutex_lock(&s->manifest_lock);
    out->disk_bytes += manifest_bytes(s->manifest);
    mutex_unlock(&s->manifest_lock);
    out->wal_bytes = wal_bytes(s->wal);
    out->wal_syncs = wal_syncs(s->wal);
    append_stats(s, out);
    out->disk_bytes += out->wal_bytes;
    out->memory_bytes += cache_bytes(s->env.cache);
    out->appended_samples = atomic_load(&s->appended_samples);
    out->appended_events = atomic_load(&s->appended_events);
    out->merges = atomic_load(&s->merges);
    out->merged_rows = atomic_load(&s->merged_rows);
    out->expired_parts = atomic_load(&s->expired_parts);
    out->tier_moves = atomic_load(&s->tier_moves);
    out->tier_move_failures = atomic_load(&s->tier_move_failures);
    out->too_old_rows = atomic_load(&s->too_old_rows);
    out->corrupt_blocks = atomic_load(&s->env.corrupt_blocks);
    out->disk_free_bytes = atomic_load(&s->guard.free_bytes);
    out->disk_total_bytes = atomic_load(&s->guard.total_bytes);
    out->disk_low = atomic_load(&s->guard.low);
    out->disk_full = atomic_load(&s->guard.full);
    out->read_only = atomic_load(&s->read_only);
    struct err why = { 0 };
    if (store_writable(s, &why) != ST_OK || guard_allows(&s->guard, &why) != ST_OK)
        snprintf(out->reason, sizeof out->reason, "%s", why.text);
}
