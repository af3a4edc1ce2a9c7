/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's writer: records wait in a queue in the order they came; one thread links them to the chain, appends them,
 * syncs the file, then moves the anchor in state.db (audit_file.c, invariant 3).
 *
 * After a kill the files are at or ahead of the anchor. What stands after it and follows the chain is kept. A last line
 * without its end was being written: it is cut off, and that is logged and put on record. Anything else that does not check is
 * evidence: it stays, the log goes on in the next file after the newest record known, and audit_verify names the place for ever.
 *
 * An append that fails (disk full) is undone and tried again; a sync that fails is never: nobody knows what is on disk. In both
 * cases audit_is_ready() says no, so that nothing is read or changed without being on record. */
#include "auth/audit_file.h"

#include <stdio.h>

#include "codec/hex.h"
#include "codec/json.h"
#include "sys/rand.h"
#include "sys/thread.h"

enum { RETRY_MS = 1000, LOCK_RETRY_MS = 50, DEFERRED_BYTES_MAX = 64 * MIB, BATCH_BYTES_MAX = 4 * MIB };

static const struct slice deferred_prefix = SLICE_INIT("audit/deferred/");

struct waiting {
    struct waiting *next;
    struct slice middle; /* own memory, after the struct */
};

struct audit {
    struct fs *fs;
    struct kv *kv;
    struct clock *clock;
    struct log *log;
    struct arena *arena;
    struct slice dir;
    uint64_t file_bytes_max;
    struct file *lock_file, *file;
    struct thread *thread;
    struct audit_head head; /* of the thread, once it runs */

    struct mutex lock; /* the rest */
    struct cond cond, done;
    struct waiting *first, **last;
    uint64_t added, written, count, bytes, failures;
    uint64_t lost, lost_told; /* records that did not fit, and those of them that a record tells of */
    unsigned urgent;        /* callers that wait for the disk */
    bool stopping, blocked, dead;
    struct err why;         /* blocked or dead */
};

/* ---- the queue ---- */

static uint64_t put(struct audit *a, struct slice middle)
{
    struct waiting *w = mem_alloc(sizeof *w + middle.len);
    memcpy(w + 1, middle.ptr, middle.len);
    *w = (struct waiting){ NULL, slice_of(w + 1, middle.len) };
    *a->last = w;
    a->last = &w->next;
    return ++a->added;
}

static void middle_of(struct audit *a, const struct audit_record *r, struct buf *out)
{
    buf_init(out, 0);
    audit_middle(out, clock_wall_ms(a->clock), r);
}

/* The lock is held. */
static void tell_lost(struct audit *a)
{
    char text[100];
    struct buf middle;
    if (a->lost == a->lost_told)
        return;
    int n = snprintf(text, sizeof text, "%llu records were lost while the disk refused", (unsigned long long)(a->lost - a->lost_told));
    struct audit_record r = { .user = SLICE("stoa"), .action = SLICE("audit.lost"), .text = slice_of(text, (size_t)n), .rows = a->lost - a->lost_told,
                              .status = 200 };
    middle_of(a, &r, &middle);
    put(a, buf_as_slice(&middle));
    buf_free(&middle);
    a->lost_told = a->lost;
}

void audit_add(struct audit *a, const struct audit_record *r)
{
    struct buf middle;
    middle_of(a, r, &middle);
    mutex_lock(&a->lock);
    if (a->dead || a->added - a->written >= AUDIT_KEPT_MAX) {
        a->lost++;
    } else {
        put(a, buf_as_slice(&middle));
    }
    cond_signal(&a->cond);
    mutex_unlock(&a->lock);
    buf_free(&middle);
}

static enum status add_wait(struct audit *a, struct slice middle, struct err *err)
{
    enum status st = ST_OK;
    mutex_lock(&a->lock);
    if (a->dead) {
        st = err_set(err, a->why.status, "audit log: %s", a->why.text);
    } else {
        uint64_t ticket = put(a, middle), failures = a->failures;
        a->urgent++;
        cond_signal(&a->cond);
        while (a->written < ticket && a->failures == failures)
            cond_wait(&a->done, &a->lock);
        a->urgent--;
        if (a->written < ticket)
            st = err_set(err, a->why.status, "audit log: %s", a->why.text);
    }
    mutex_unlock(&a->lock);
    return st;
}

enum status audit_add_wait(struct audit *a, const struct audit_record *r, struct err *err)
{
    struct buf middle;
    middle_of(a, r, &middle);
    enum status st = add_wait(a, buf_as_slice(&middle), err);
    buf_free(&middle);
    return st;
}

bool audit_is_ready(struct audit *a)
{
    mutex_lock(&a->lock);
    bool ready = !a->dead && !a->blocked && a->added - a->written < AUDIT_WAITING_MAX;
    mutex_unlock(&a->lock);
    return ready;
}

void audit_stats(struct audit *a, struct audit_stats *out)
{
    mutex_lock(&a->lock);
    *out = (struct audit_stats){ a->count, a->bytes, a->added - a->written, a->failures, a->lost };
    mutex_unlock(&a->lock);
}

/* ---- the thread ---- */

static enum status next_file(struct audit *a, uint64_t number, struct err *err)
{
    struct arena *scratch = arena_new(0);
    file_close(a->file);
    a->file = NULL;
    enum status st = fs_open(a->fs, audit_path(scratch, a->dir, number).ptr, FILE_APPEND, &a->file, err);
    if (!st)
        st = fs_sync_dir(a->fs, arena_copy(scratch, a->dir).ptr, err);
    if (!st) {
        a->head.file = number;
        st = file_size(a->file, &a->head.size, err);
    }
    arena_free(scratch);
    return st;
}

/* Appends, syncs, anchors. *dead: nothing may be tried again. */
static enum status write_batch(struct audit *a, const struct waiting *list, uint64_t waiting, size_t *count, bool *dead, struct err *err)
{
    struct buf out;
    enum status st = ST_OK;
    *dead = false;
    *count = 0;
    if (a->file == NULL || a->head.size >= a->file_bytes_max)
        st = next_file(a, a->file == NULL ? a->head.file : a->head.file + 1, err);
    if (st)
        return st;
    struct audit_head before = a->head, after = a->head;
    buf_init(&out, 0);
    while (*count < waiting && out.len < BATCH_BYTES_MAX && (out.len == 0 || before.size + out.len < a->file_bytes_max)) {
        audit_line_write(&after, list->middle, &out);
        /* Behind the last one somebody may be putting another. */
        if (++*count < waiting)
            list = list->next;
    }
    st = file_append(a->file, out.ptr, out.len, err);
    buf_free(&out);
    if (st) {
        struct err again;
        *dead = file_truncate(a->file, before.size, &again) != ST_OK;
        return st;
    }
    st = file_sync(a->file, err);
    *dead = st != ST_OK;
    if (st)
        return st;
    a->head = after;
    /* Behind the files the anchor may be: they are on disk, so the records are. */
    struct err late;
    if (audit_anchor_put(a->kv, &a->head, &late) && a->log)
        log_line(a->log, LOG_ERROR, "audit log: the head could not be anchored", "error=\"%s\"", late.text);
    return ST_OK;
}

static void note_failure(struct audit *a, enum status st, bool dead, const struct err *err)
{
    if (a->log && !a->blocked && !a->dead)
        log_line(a->log, LOG_ERROR, dead ? "audit log stopped; what must be on record is refused until a restart"
                                         : "audit log cannot be written; what must be on record is refused until it can",
                 "error=\"%s\"", err->text);
    a->failures++;
    a->why = *err;
    a->why.status = st;
    a->blocked = !dead;
    a->dead |= dead;
    cond_broadcast(&a->done);
}

static void drop_written(struct audit *a, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        struct waiting *w = a->first;
        a->first = w->next;
        mem_free(w);
    }
    if (a->first == NULL)
        a->last = &a->first;
    a->written += count;
    a->count += count;
    a->blocked = false;
    tell_lost(a);
    cond_broadcast(&a->done);
}

static void run(void *arg)
{
    struct audit *a = arg;
    mutex_lock(&a->lock);
    for (;;) {
        while (!a->stopping && (a->first == NULL || a->dead))
            cond_wait(&a->cond, &a->lock);
        if (a->first == NULL || a->dead)
            break;
        if (!a->stopping && a->urgent == 0)
            cond_wait_ns(&a->cond, &a->lock, AUDIT_GATHER_MS * NS_MS);
        const struct waiting *list = a->first;
        struct err err;
        size_t count;
        bool dead;
        uint64_t size = a->head.size, waiting = a->added - a->written;
        mutex_unlock(&a->lock);
        enum status st = write_batch(a, list, waiting, &count, &dead, &err);
        mutex_lock(&a->lock);
        if (st) {
            note_failure(a, st, dead, &err);
            if (a->stopping)
                break;
            cond_wait_ns(&a->cond, &a->lock, RETRY_MS * NS_MS);
        } else {
            a->bytes += a->head.size > size ? a->head.size - size : a->head.size;
            drop_written(a, count);
        }
    }
    mutex_unlock(&a->lock);
}

/* ---- opening ---- */

/* Does the anchored file hold the anchored record, ending where it should? */
static bool anchor_stands(struct audit *a, const struct audit_head *anchor, struct arena *scratch)
{
    struct audit_lines lines;
    struct slice line, last = SLICE_EMPTY;
    struct err err;
    enum status st;
    uint64_t from = anchor->size > AUDIT_LINE_BYTES_MAX ? anchor->size - AUDIT_LINE_BYTES_MAX : 0, at = from;
    if (audit_lines_open(&lines, a->fs, audit_path(scratch, a->dir, anchor->file).ptr, from, &err)) {
        audit_lines_close(&lines);
        return false;
    }
    while (at < anchor->size && audit_lines_next(&lines, &line, &st, &err)) {
        at += line.len + 1;
        last = at == anchor->size ? line : SLICE_EMPTY;
    }
    struct slice tail = slice_sub(last, last.len - MIN(last.len, (size_t)AUDIT_HASH_DIGITS + 2), last.len);
    bool stands = last.len && slice_eq(slice_sub(tail, 0, AUDIT_HASH_DIGITS), slice_of(anchor->hash, AUDIT_HASH_DIGITS));
    audit_lines_close(&lines);
    return stands;
}

/* Follows the chain from head through one file. *damage: bytes stand there that do not follow. *torn: bytes to cut off. */
static enum status follow(struct audit *a, const char *path, struct audit_head *head, bool *damage, size_t *torn, struct err *err)
{
    struct audit_lines lines;
    struct slice line;
    const char *why;
    *damage = false;
    *torn = 0;
    enum status st = audit_lines_open(&lines, a->fs, path, head->size, err);
    while (!st && !*damage && audit_lines_next(&lines, &line, &st, err))
        *damage = !audit_line_follows(head, line, &why);
    if (!st && !*damage && lines.torn)
        *torn = lines.torn_bytes;
    audit_lines_close(&lines);
    return st;
}

struct recovered {
    size_t torn_bytes;
    bool damage;
};

static enum status cut_torn(struct audit *a, const char *path, const struct audit_head *head, struct err *err)
{
    struct file *f;
    enum status st = fs_open(a->fs, path, FILE_APPEND, &f, err);
    if (st)
        return st;
    st = file_truncate(f, head->size, err);
    if (!st)
        st = file_sync(f, err);
    file_close(f);
    return st;
}

/* Finds the chain's end: from the anchor through what was written after it. */
static enum status recover(struct audit *a, struct recovered *out, struct err *err)
{
    struct arena *scratch = arena_new(0);
    struct audit_head head;
    uint64_t *files;
    size_t n;
    bool found;
    enum status st = audit_anchor_get(a->kv, &head, &found, err);
    if (!st)
        st = audit_files(a->fs, a->dir, scratch, &files, &n, err);
    if (st) {
        arena_free(scratch);
        return st;
    }
    uint64_t newest = n ? files[n - 1] : 0;
    out->damage = found && head.seq && !anchor_stands(a, &head, scratch);
    out->damage |= !found && newest > 1;
    for (uint64_t number = head.file; !st && !out->damage && number <= newest; number++) {
        const char *path = audit_path(scratch, a->dir, number).ptr;
        if (number != head.file) {
            head.file = number;
            head.size = 0;
        }
        st = follow(a, path, &head, &out->damage, &out->torn_bytes, err);
        if (!st && out->torn_bytes && number == newest)
            st = cut_torn(a, path, &head, err);
    }
    if (out->damage) {
        head.file = newest + 1;
        head.size = 0;
    }
    a->head = head;
    arena_free(scratch);
    return st;
}

static enum status take_lock(struct audit *a, bool no_wait, struct err *err)
{
    struct slice path = arena_printf(a->arena, "%.*s/lock", SLICE_FMT(a->dir));
    struct mutex m;
    struct cond c;
    mutex_init(&m);
    cond_init(&c);
    enum status st = fs_lock(a->fs, path.ptr, &a->lock_file, err);
    /* A command line holds it for the moment of one record. */
    for (int i = 0; st == ST_EXISTS && !no_wait && i < AUDIT_LOCK_SECONDS_MAX * 1000 / LOCK_RETRY_MS; i++) {
        mutex_lock(&m);
        cond_wait_ns(&c, &m, LOCK_RETRY_MS * NS_MS);
        mutex_unlock(&m);
        st = fs_lock(a->fs, path.ptr, &a->lock_file, err);
    }
    cond_destroy(&c);
    mutex_destroy(&m);
    return st;
}

/* What was found at the opening goes on record itself. */
static void tell(struct audit *a, const struct recovered *r)
{
    struct audit_record rec = { .user = SLICE("stoa"), .action = r->damage ? SLICE("audit.damaged") : SLICE("audit.repaired"), .status = 200 };
    char text[200];
    if (!r->damage && r->torn_bytes == 0)
        return;
    int n = r->damage ? snprintf(text, sizeof text, "the log does not hold the newest record that state.db names, or bytes after it are no records")
                      : snprintf(text, sizeof text, "a torn last line of %zu bytes was cut off", r->torn_bytes);
    rec.text = slice_of(text, (size_t)n);
    if (a->log)
        log_line(a->log, r->damage ? LOG_ERROR : LOG_WARNING, r->damage ? "audit log is damaged; see stoa audit verify" : "audit log repaired",
                 "text=\"%s\"", text);
    audit_add(a, &rec);
}

enum status audit_open(struct audit **out, const struct audit_options *opt, struct err *err)
{
    struct audit *a = mem_new(struct audit);
    struct recovered found = { 0 };
    a->fs = opt->fs;
    a->kv = opt->kv;
    a->clock = opt->clock;
    a->log = opt->log;
    a->arena = arena_new(0);
    a->dir = arena_copy(a->arena, opt->dir);
    a->file_bytes_max = opt->file_bytes_max ? opt->file_bytes_max : AUDIT_FILE_BYTES_MAX;
    a->last = &a->first;
    mutex_init(&a->lock);
    cond_init(&a->cond);
    cond_init(&a->done);
    enum status st = fs_mkdir_all(a->fs, a->dir.ptr, err);
    if (!st)
        st = take_lock(a, opt->no_wait, err);
    if (!st)
        st = recover(a, &found, err);
    if (!st)
        st = next_file(a, a->head.file, err);
    if (!st)
        st = thread_start(&a->thread, "audit", run, a, err);
    if (st) {
        err_prefix(err, "audit log %s: ", a->dir.ptr);
        audit_close(a);
        return st;
    }
    tell(a, &found);
    *out = a;
    return ST_OK;
}

void audit_close(struct audit *a)
{
    if (a == NULL)
        return;
    mutex_lock(&a->lock);
    a->stopping = true;
    cond_signal(&a->cond);
    mutex_unlock(&a->lock);
    thread_join(a->thread);
    file_close(a->file);
    file_close(a->lock_file);
    while (a->first) {
        struct waiting *w = a->first;
        a->first = w->next;
        mem_free(w);
    }
    cond_destroy(&a->cond);
    cond_destroy(&a->done);
    mutex_destroy(&a->lock);
    arena_free(a->arena);
    mem_free(a);
}

/* ---- records of other processes ---- */

enum status audit_defer(struct kv *kv, struct clock *clock, const struct audit_record *r, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf middle;
    uint8_t random[8];
    char digits[2 * sizeof random];
    int64_t now = clock_wall_ns(clock);
    sys_random(random, sizeof random);
    hex_encode(slice_of(random, sizeof random), digits);
    buf_init(&middle, 0);
    audit_middle(&middle, now / NS_MS, r);
    struct slice key = arena_printf(a, "%.*s%020lld-%.*s", SLICE_FMT(deferred_prefix), (long long)now, (int)sizeof digits, digits);
    enum status st = kv_put(kv, key, buf_as_slice(&middle), err);
    buf_free(&middle);
    arena_free(a);
    return st;
}

enum status audit_drain(struct audit *a, struct err *err)
{
    struct arena *scratch = arena_new(DEFERRED_BYTES_MAX);
    struct kv_pair *list;
    size_t n;
    enum status st = kv_list(a->kv, deferred_prefix, scratch, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        st = add_wait(a, list[i].value, err);
        /* A kill between the two leaves it twice, never not at all. */
        if (!st)
            st = kv_delete(a->kv, list[i].key, err);
    }
    arena_free(scratch);
    return st;
}
