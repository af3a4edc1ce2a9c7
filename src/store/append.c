/* SPDX-License-Identifier: Apache-2.0 */
/* Appends and the commit thread.
 *
 *     request threads:  check, prepare (beside each other) -> append lock: LSN, bytes into the filling queue -> signal
 *     commit thread:    takes the whole queue -> frames, one append, one sync -> rows into tables -> acks
 *
 * (1) Sync at once when idle, gather while one sync is under way: there is no timer. Two queues change roles.
 * (2) A request's bytes are encoded once, into the queue, and compressed once, from the queue into the log's buffer.
 * (3) LSN order is the order of bodies in the queue, of frames in the log, and of rows going into tables.
 * (4) Rows become visible after the sync and before the ack.
 * (5) A group waits a moment when two tables wait to be encoded.
 * (6) When a group fails, everything queued behind it fails too: its frames may lean on definitions in the lost ones.
 *     Then the segment number moves on, so definitions are written anew.
 *
 * A body: varint tenant length, tenant | varint key length, key | u64 received_ns | u8 sections
 *         | { u8 kind | u32 length | bytes }... */
#include "store/ladder.h"
#include "store/partition.h"

enum { QUEUE_KEPT_BYTES_MAX = 8 * MIB, PACE_SEALED_MIN = 2, PACE_MS_MAX = 200 };

static enum status check_pressure(struct store *s, struct err *err)
{
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        uint64_t tables = atomic_load_explicit(&lane->waiting, memory_order_relaxed);
        uint64_t bytes = atomic_load_explicit(&lane->waiting_bytes, memory_order_relaxed);
        if (tables > SEALED_MAX)
            return err_set(err, ST_UNAVAILABLE, "%llu tables of %s wait to be encoded, at most %d may; try again in a moment",
                           (unsigned long long)tables, lane->kind->name, SEALED_MAX);
        if (bytes > MEM_PARTS_FACTOR_MAX * s->opt.mem_parts_bytes_max)
            return err_set(err, ST_UNAVAILABLE, "%llu bytes of %s wait to be written to disk, at most %llu may; try again in a moment",
                           (unsigned long long)bytes, lane->kind->name,
                           (unsigned long long)(MEM_PARTS_FACTOR_MAX * s->opt.mem_parts_bytes_max));
    }
    return ST_OK;
}

static struct append_entry *queue_push(struct append_queue *q)
{
    if (q->count == q->cap) {
        q->cap = q->cap ? q->cap * 2 : 64;
        q->list = mem_realloc(q->list, q->cap * sizeof *q->list);
    }
    struct append_entry *e = &q->list[q->count++];
    memset(e, 0, sizeof *e);
    return e;
}

void append_queue_free(struct append_queue *q)
{
    buf_free(&q->bodies);
    mem_free(q->list);
}

static enum status encode_body(struct store *s, const struct batch *b, unsigned kinds, struct buf *out, struct err *err)
{
    buf_lenslice(out, b->tenant);
    buf_lenslice(out, b->idempotency_key);
    buf_u64(out, (uint64_t)b->received_ns);
    buf_u8(out, (uint8_t)__builtin_popcount(kinds));
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (!(kinds & 1u << i))
            continue;
        buf_u8(out, lane->kind->id);
        buf_u32(out, 0);
        size_t start = out->len;
        enum status st = lane->kind->wal_encode(lane->state, b, s->segment, out, err);
        if (st)
            return st;
        uint64_t n = out->len - start;
        for (size_t k = 0; k < 4; k++)
            out->ptr[start - 4 + k] = (char)(n >> (8 * k));
    }
    return ST_OK;
}

/* Takes the place in the queue. append_lock held. */
static enum status enqueue(struct store *s, struct batch *b, unsigned kinds, struct append_ack ack, const struct hash128 *key,
                           struct err *err)
{
    struct append_queue *q = s->filling;
    size_t start = q->bodies.len;
    if (wal_segment_bytes(s->wal, s->segment) >= s->opt.wal_segment_bytes_max)
        s->segment++;
    enum status st = encode_body(s, b, kinds, &q->bodies, err);
    size_t len = q->bodies.len - start;
    if (st == ST_OK && len > WAL_BODY_BYTES_MAX)
        st = err_set(err, ST_LIMIT, "request takes %zu bytes in the log, at most %d are allowed", len, WAL_BODY_BYTES_MAX);
    if (st) {
        q->bodies.len = start;
        s->segment++; /* definitions of this body are nowhere */
        return st;
    }
    struct append_entry *e = queue_push(q);
    *e = (struct append_entry){ .batch = b, .ack = ack, .lsn = s->next_lsn++, .segment = s->segment, .offset = start, .len = len,
                                .kinds = kinds, .has_key = key != NULL };
    if (key) {
        e->key = *key;
        idempotency_add(s->keys, *key, e->lsn, clock_wall_ns(s->opt.clock));
    }
    return ST_OK;
}

enum repeat { FIRST, REPEAT_DONE, REPEAT_WAITS };

/* append_lock held. */
static enum repeat find_repeat(struct store *s, struct hash128 key, struct append_ack ack)
{
    uint64_t lsn = idempotency_find(s->keys, key, clock_wall_ns(s->opt.clock));
    if (lsn == 0)
        return FIRST;
    if (lsn <= atomic_load(&s->durable_lsn))
        return REPEAT_DONE;
    struct append_entry *e = queue_push(s->filling);
    e->ack = ack;
    return REPEAT_WAITS;
}

static enum status queue_batch(struct store *s, struct batch *b, unsigned kinds, struct append_ack ack, enum repeat *repeat,
                               struct err *err)
{
    struct hash128 key;
    bool has_key = b->idempotency_key.len > 0;
    if (b->idempotency_key.len > IDEMPOTENCY_KEY_BYTES_MAX)
        return err_set(err, ST_LIMIT, "idempotency key has %zu bytes, at most %d are allowed", b->idempotency_key.len,
                       IDEMPOTENCY_KEY_BYTES_MAX);
    if (has_key)
        key = idempotency_key(s->keys, b->tenant, b->idempotency_key);
    enum status st = ST_OK;
    mutex_lock(&s->append_lock);
    size_t queued = s->filling->bodies.len + s->committing_bytes;
    if (s->closing)
        st = err_set(err, ST_UNAVAILABLE, "the store is being closed");
    else if (queued > s->opt.append_queue_bytes_max)
        st = err_set(err, ST_UNAVAILABLE, "%zu bytes wait for the log, at most %llu may; try again in a moment", queued,
                     (unsigned long long)s->opt.append_queue_bytes_max);
    if (st == ST_OK) {
        *repeat = has_key ? find_repeat(s, key, ack) : FIRST;
        if (*repeat == FIRST)
            st = enqueue(s, b, kinds, ack, has_key ? &key : NULL, err);
        if (st == ST_OK && *repeat != REPEAT_DONE && !s->committing)
            cond_signal(&s->append_cond);
    }
    mutex_unlock(&s->append_lock);
    return st;
}

enum status store_append(struct store *s, struct batch *b, struct append_ack ack, struct err *err)
{
    struct err own = { 0 };
    unsigned kinds = 0;
    enum repeat repeat = FIRST;
    enum status st = store_writable(s, &own);
    if (st == ST_OK)
        st = guard_allows(&s->guard, &own);
    if (st == ST_OK)
        st = check_pressure(s, &own);
    if (st == ST_OK)
        st = partition_check_batch(b, clock_wall_ns(s->opt.clock), &own);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++) {
        struct lane *lane = &s->lanes[i];
        if (!lane->kind->has_rows(b))
            continue;
        kinds |= 1u << i;
        st = lane->kind->prepare(lane->state, b, &own);
    }
    if (st == ST_OK && kinds)
        st = queue_batch(s, b, kinds, ack, &repeat, &own);
    if (st) {
        batch_drop(b);
        if (err)
            *err = own;
        return st;
    }
    if (kinds == 0 || repeat != FIRST)
        batch_drop(b);
    if (kinds == 0 || repeat == REPEAT_DONE)
        ack.done(ack.arg, ST_OK, &own);
    return ST_OK;
}

/* ---- the commit thread ---- */

static void apply_entry(struct store *s, const struct append_entry *e)
{
    e->batch->lsn = e->lsn;
    for (size_t i = 0; i < s->lane_count; i++)
        if (e->kinds & 1u << i)
            s->lanes[i].kind->mem_apply(s->lanes[i].active->mem, e->batch, e->lsn);
    atomic_fetch_add_explicit(&s->appended_samples, e->batch->sample_count, memory_order_relaxed);
    atomic_fetch_add_explicit(&s->appended_events, e->batch->event_count, memory_order_relaxed);
}

/* Tells the tables which rows are coming, before a reader can see any. */
static void announce(struct store *s, unsigned kinds, uint64_t first_lsn, uint64_t last_lsn)
{
    mutex_lock(&s->state_lock);
    for (size_t i = 0; i < s->lane_count; i++) {
        struct mem_table *t = s->lanes[i].active;
        if (!(kinds & 1u << i))
            continue;
        if (t->first_lsn == 0) {
            t->first_lsn = first_lsn;
            t->born_mono_ns = clock_mono_ns(s->opt.clock);
        }
        t->last_lsn = last_lsn;
    }
    mutex_unlock(&s->state_lock);
}

void append_apply(struct store *s, struct append_entry *list, size_t count)
{
    unsigned kinds = 0;
    bool sealed = false;
    uint64_t first = 0, last = 0;
    for (size_t i = 0; i < count; i++) {
        kinds |= list[i].kinds;
        if (list[i].batch == NULL)
            continue;
        first = first ? first : list[i].lsn;
        last = list[i].lsn;
    }
    if (last == 0)
        return;
    mutex_lock(&s->apply_lock);
    announce(s, kinds, first, last);
    for (size_t i = 0; i < count; i++)
        if (list[i].batch)
            apply_entry(s, &list[i]);
    mutex_lock(&s->state_lock);
    s->applied_lsn = last;
    mutex_unlock(&s->state_lock);
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (!(kinds & 1u << i) || lane->kind->mem_bytes(lane->active->mem) < ladder_raw_bytes_max(s, lane))
            continue;
        ladder_seal(s, lane);
        sealed = true;
    }
    mutex_unlock(&s->apply_lock);
    atomic_store(&s->durable_lsn, last);
    if (sealed)
        store_wake(s);
}

/* append_lock held. */
static void forget_keys(struct store *s, const struct append_entry *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        if (list[i].has_key)
            idempotency_remove(s->keys, list[i].key);
}

static void finish(struct append_entry *list, size_t count, enum status st, const struct err *err)
{
    for (size_t i = 0; i < count; i++) {
        list[i].ack.done(list[i].ack.arg, st, err);
        batch_drop(list[i].batch);
    }
}

/* Frames of one segment into the log. Repeats have none. */
static enum status write_run(struct store *s, const struct append_queue *q, const struct append_entry *list, size_t count,
                             struct wal_entry *frames, struct err *err)
{
    size_t n = 0;
    for (size_t i = 0; i < count; i++)
        if (list[i].batch)
            frames[n++] = (struct wal_entry){ list[i].lsn, list[i].segment, slice_of(q->bodies.ptr + list[i].offset, list[i].len) };
    if (n == 0)
        return ST_OK;
    enum status st = store_writable(s, err);
    return st ? st : wal_write(s->wal, frames, n, err);
}

/* How many of list go into the segment of the first one that has a frame. */
static size_t run_length(const struct append_entry *list, size_t count)
{
    uint64_t segment = 0;
    for (size_t i = 0; i < count; i++) {
        if (list[i].batch == NULL)
            continue;
        if (segment && list[i].segment != segment)
            return i;
        segment = list[i].segment;
    }
    return count;
}

/* After a failed write: what waits behind it fails too. It is taken, and all keys are forgotten, in one step and before anybody
 * hears of the failure: a request that comes meanwhile or in answer to it is a new one, not the repeat of one that failed. */
static void fail_all(struct store *s, struct append_entry *list, size_t count, enum status st, const struct err *err)
{
    mutex_lock(&s->append_lock);
    struct append_queue *q = s->filling;
    struct append_entry *waiting = q->list;
    size_t waiting_count = q->count;
    q->list = NULL;
    q->count = q->cap = 0;
    buf_reset(&q->bodies);
    s->segment++;
    forget_keys(s, list, count);
    forget_keys(s, waiting, waiting_count);
    mutex_unlock(&s->append_lock);
    finish(list, count, st, err);
    finish(waiting, waiting_count, st, err);
    mem_free(waiting);
}

static void commit(struct store *s, struct append_queue *q)
{
    struct err err = { 0 };
    struct wal_entry *frames = mem_alloc(q->count * sizeof *frames);
    for (size_t at = 0; at < q->count;) {
        struct append_entry *list = &q->list[at];
        size_t n = run_length(list, q->count - at);
        enum status st = write_run(s, q, list, n, frames, &err);
        if (st == ST_OK) {
            append_apply(s, list, n);
            finish(list, n, ST_OK, &err);
            at += n;
            continue;
        }
        if (st == ST_FULL && !atomic_load(&s->read_only)) {
            guard_hit(&s->guard, s->opt.log);
        } else if (st != ST_FULL) {
            err_prefix(&err, "the log cannot be written: ");
            store_fail(s, &err);
            st = ST_FULL;
        }
        fail_all(s, list, q->count - at, st, &err);
        break;
    }
    mem_free(frames);
}

bool append_is_ahead(struct store *s)
{
    for (size_t i = 0; i < s->lane_count; i++)
        if (atomic_load_explicit(&s->lanes[i].waiting, memory_order_relaxed) >= PACE_SEALED_MIN)
            return true;
    return false;
}

/* Who sends faster than rows are encoded gets its answers later, before tables pile up in memory. For a moment only: one kind
 * must not hold the others up, a flush that waits for an append to end must not wait for ever for one that waits for it, and where
 * a moment is not enough check_pressure refuses. */
static void pace(struct store *s)
{
    if (s->opt.no_background || !append_is_ahead(s))
        return;
    bool in_time = true;
    mutex_lock(&s->wake_lock);
    while (in_time && append_is_ahead(s) && !atomic_load(&s->stop))
        in_time = cond_wait_ns(&s->encoded_cond, &s->wake_lock, PACE_MS_MAX * NS_MS);
    mutex_unlock(&s->wake_lock);
}

void append_run(void *arg)
{
    struct store *s = arg;
    mutex_lock(&s->append_lock);
    for (;;) {
        while (s->filling->count == 0 && !s->commit_stop)
            cond_wait(&s->append_cond, &s->append_lock);
        if (s->filling->count == 0)
            break;
        struct append_queue *q = s->filling;
        s->filling = q == &s->queues[0] ? &s->queues[1] : &s->queues[0];
        s->committing = true;
        s->committing_bytes = q->bodies.len;
        mutex_unlock(&s->append_lock);
        pace(s);
        mutex_lock(&s->append_lock);
        s->commit_began_ns = clock_mono_ns(s->opt.clock);
        mutex_unlock(&s->append_lock);
        commit(s, q);
        q->count = 0;
        buf_reset(&q->bodies);
        if (q->bodies.cap > QUEUE_KEPT_BYTES_MAX) {
            buf_free(&q->bodies);
            buf_init(&q->bodies, 0);
        }
        mutex_lock(&s->append_lock);
        s->committing = false;
        s->committing_bytes = 0;
        s->commit_ns += clock_mono_ns(s->opt.clock) - s->commit_began_ns;
        s->commit_began_ns = 0;
        cond_broadcast(&s->idle_cond);
    }
    mutex_unlock(&s->append_lock);
}

void append_stats(struct store *s, struct engine_stats *out)
{
    mutex_lock(&s->append_lock);
    out->commit_ns = s->commit_ns + (s->commit_began_ns ? clock_mono_ns(s->opt.clock) - s->commit_began_ns : 0);
    out->queued_bytes = s->filling->bodies.len + s->committing_bytes;
    mutex_unlock(&s->append_lock);
}

void append_drain(struct store *s)
{
    mutex_lock(&s->append_lock);
    while (s->filling->count > 0 || s->committing)
        cond_wait(&s->idle_cond, &s->append_lock);
    mutex_unlock(&s->append_lock);
}

bool append_rotate(struct store *s)
{
    mutex_lock(&s->append_lock);
    if (s->committing) /* perhaps only on its way back to sleep */
        cond_wait(&s->idle_cond, &s->append_lock);
    bool idle = s->filling->count == 0 && !s->committing;
    if (idle)
        s->segment++;
    mutex_unlock(&s->append_lock);
    return idle;
}
