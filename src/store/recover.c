/* SPDX-License-Identifier: Apache-2.0 */
/* Starting: from a manifest, part files and a log to the state before the stop.
 *
 * (1) A part that does not open is reported by name and set aside: it stays on disk and in the manifest, and is tried again
 *     at the next start. Everything else goes on.
 * (2) A part file the manifest does not name is what a crash left of a flush or merge, and is deleted; but when edits of the
 *     manifest were lost it may be wanted, and is renamed to NAME.aside for a person to decide. Only when that is durable is
 *     the manifest rewritten, which forgets the loss.
 *     The file of a part that was on its way to another tier is an orphan where the manifest does not say it is.
 * (3) Rows of the log that a kind's flushed LSN covers are decoded, for their definitions, and not applied. The others go
 *     through the same tables, seals and flushes as new ones, so a long log needs no more memory than normal work.
 * (4) A thread encodes and flushes beside the replay, as it would in normal work. What replay asks of the manifest it has asked
 *     before: flushes only move on what is applied already. */
#include "store/ladder.h"

#include <stdio.h>

enum { NAMES_BYTES_MAX = 64 * MIB };

/* ---- parts ---- */

static bool is_damage(enum status st)
{
    return st == ST_CORRUPT || st == ST_NOT_FOUND || st == ST_UNSUPPORTED || st == ST_LIMIT;
}

static enum status open_parts(struct store *s, struct err *err)
{
    const struct manifest_state *state = manifest_state(s->manifest);
    for (size_t i = 0; i < state->part_count; i++) {
        const struct part_info *info = &state->parts[i];
        struct lane *lane = store_lane(s, info->kind);
        struct part *p;
        struct err own;
        if (lane == NULL)
            return err_set(err, ST_UNSUPPORTED, "part %016llx is of kind %u, which this program does not have",
                           (unsigned long long)info->id, info->kind);
        enum status st = part_open(&s->env, lane->kind, lane->state, info, &p, &own);
        if (st == ST_OK) {
            part_list_add(&lane->parts, p);
        } else if (is_damage(st) || (info->tier != TIER_DATA && st != ST_DENIED)) { /* a folder elsewhere may be away for a while */
            part_env_corrupt(&s->env, &own);
        } else {
            if (err)
                *err = own;
            return st;
        }
    }
    return ST_OK;
}

/* The id of NNNNNNNNNNNNNNNN.part, or 0. */
static uint64_t id_of(struct slice name)
{
    uint64_t id = 0;
    if (name.len != 21 || !slice_ends(name, SLICE(".part")))
        return 0;
    for (size_t i = 0; i < 16; i++) {
        char c = name.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return 0;
        id = id << 4 | (uint64_t)digit;
    }
    return id;
}

static bool is_named(const struct manifest_state *state, uint64_t id, enum store_tier tier)
{
    for (size_t i = 0; i < state->part_count; i++)
        if (state->parts[i].id == id && state->parts[i].tier == tier)
            return true;
    return false;
}

static enum status settle_orphan(struct store *s, const char *folder, const char *path, struct err *err)
{
    char aside[PART_PATH_BYTES_MAX + 8];
    struct err own;
    if (!manifest_state(s->manifest)->edits_lost)
        return fs_unlink(s->opt.fs, path, err);
    snprintf(aside, sizeof aside, "%s.aside", path);
    err_set(&own, ST_CORRUPT, "part %s is not in the manifest, edits of which are lost; it is kept as %s", path, aside);
    part_env_corrupt(&s->env, &own);
    enum status st = fs_rename(s->opt.fs, path, aside, err);
    return st ? st : fs_sync_dir(s->opt.fs, folder, err);
}

static enum status sweep_folder(struct store *s, const char *folder, enum store_tier tier, struct err *err)
{
    const struct manifest_state *state = manifest_state(s->manifest);
    char path[PART_PATH_BYTES_MAX];
    struct buf names;
    size_t kept = 0;
    buf_init(&names, NAMES_BYTES_MAX);
    enum status st = fs_list(s->opt.fs, folder, &names, err);
    struct slice rest = buf_as_slice(&names), name;
    while (st == ST_OK && slice_next(&rest, 0, &name)) {
        uint64_t id = id_of(name);
        if (id == 0 || is_named(state, id, tier)) {
            kept++;
            continue;
        }
        s->next_id = MAX(s->next_id, id + 1);
        snprintf(path, sizeof path, "%.4000s/%.*s", folder, SLICE_FMT(name));
        st = settle_orphan(s, folder, path, err);
        kept += state->edits_lost;
    }
    buf_free(&names);
    if (st == ST_OK && kept == 0) {
        struct err ignored; /* an empty folder harms nobody */
        enum status gone = fs_rmdir(s->opt.fs, folder, &ignored);
        (void)gone;
    }
    return st;
}

static enum status sweep_lane(struct store *s, const struct lane *lane, enum store_tier tier, struct err *err)
{
    char root[PART_PATH_BYTES_MAX], folder[PART_PATH_BYTES_MAX];
    struct buf names;
    buf_init(&names, NAMES_BYTES_MAX);
    snprintf(root, sizeof root, "%.3900s/%s", s->tier_dirs[tier], lane->kind->name);
    enum status st = fs_list(s->opt.fs, root, &names, err);
    if (st == ST_NOT_FOUND)
        st = ST_OK; /* nothing was ever flushed */
    struct slice rest = buf_as_slice(&names), name;
    while (st == ST_OK && slice_next(&rest, 0, &name)) {
        struct file_info info;
        snprintf(folder, sizeof folder, "%.3950s/%.*s", root, SLICE_FMT(name));
        st = fs_info(s->opt.fs, folder, &info, err);
        if (st == ST_OK && info.is_dir)
            st = sweep_folder(s, folder, tier, err);
    }
    buf_free(&names);
    return st;
}

enum status recover_parts(struct store *s, struct err *err)
{
    enum status st = open_parts(s, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++)
        st = sweep_lane(s, &s->lanes[i], TIER_DATA, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++)
        for (int tier = TIER_DATA + 1; tier < STORE_TIERS; tier++) {
            struct err own;
            if (sweep_lane(s, &s->lanes[i], (enum store_tier)tier, &own) != ST_OK && s->opt.log)
                log_line(s->opt.log, LOG_ERROR, "a storage folder cannot be looked through", "error=\"%s\"", own.text);
        }
    return st;
}

/* ---- log ---- */

struct replay {
    struct store *s;
    uint64_t flushed[STORE_KINDS_MAX]; /* by lane, from before */
    struct thread *encoder;            /* NULL: replay encodes itself */
    bool is_over;                      /* wake_lock: this and the next two */
    enum status status;                /* of the encoder; it has ended when that is not ST_OK */
    struct err why;
    bool starts_anew[STORE_KINDS_MAX]; /* lane i: no frame of this segment was given to it yet */
    uint64_t frames;
};

/* The frame's sections into b; *kinds: lanes to apply. ST_CORRUPT when any section does not parse: then none is applied,
 * but the others were decoded for their definitions. */
static enum status decode_sections(struct replay *r, struct reader *in, uint64_t lsn, struct batch *b, unsigned *kinds, struct err *err)
{
    struct store *s = r->s;
    enum status result = ST_OK;
    for (uint8_t left = read_u8(in); left > 0 && !in->bad; left--) {
        uint8_t id = read_u8(in);
        struct slice bytes = read_bytes(in, read_u32(in));
        struct lane *lane = in->bad ? NULL : store_lane(s, id);
        struct err own;
        if (lane == NULL)
            return err_set(err, in->bad ? ST_CORRUPT : ST_UNSUPPORTED, "its sections do not parse, or kind %u is not known", id);
        size_t i = (size_t)(lane - s->lanes);
        enum status st = lane->kind->wal_decode(lane->state, bytes, r->starts_anew[i], b, &own);
        r->starts_anew[i] = false;
        if (st) {
            result = st;
            *err = own;
        } else if (lsn > r->flushed[i]) {
            *kinds |= 1u << i;
        }
    }
    return result;
}

/* Full tables go on down the ladder, as they would in normal work. */
static enum status make_room(struct store *s, struct err *err)
{
    for (size_t i = 0; i < s->lane_count; i++) {
        struct lane *lane = &s->lanes[i];
        if (atomic_load(&lane->waiting) == 0)
            continue;
        enum status st = ladder_encode(s, lane, err);
        if (st == ST_OK && lane->mem_part_bytes >= ladder_parts_bytes_max(s, lane))
            st = ladder_flush(s, lane, err);
        if (st)
            return st;
    }
    return ST_OK;
}

static void encoder_run(void *arg)
{
    struct replay *r = arg;
    struct store *s = r->s;
    mutex_lock(&s->wake_lock);
    while (r->status == ST_OK) {
        while (!s->wake && !r->is_over)
            cond_wait(&s->wake_cond, &s->wake_lock);
        if (r->is_over)
            break; /* what is left is the ladder's */
        s->wake = false;
        mutex_unlock(&s->wake_lock);
        struct err err = { 0 };
        mutex_lock(&s->flush_lock);
        enum status st = make_room(s, &err);
        mutex_unlock(&s->flush_lock);
        mutex_lock(&s->wake_lock);
        r->status = st;
        r->why = err;
    }
    cond_signal(&s->encoded_cond);
    mutex_unlock(&s->wake_lock);
}

/* Waits for the encoder when it is behind. */
static enum status encoder_wait(struct replay *r, struct err *err)
{
    struct store *s = r->s;
    if (r->encoder == NULL)
        return make_room(s, err);
    if (!append_is_ahead(s))
        return ST_OK;
    mutex_lock(&s->wake_lock);
    while (r->status == ST_OK && append_is_ahead(s))
        cond_wait(&s->encoded_cond, &s->wake_lock);
    enum status st = r->status;
    if (st && err)
        *err = r->why;
    mutex_unlock(&s->wake_lock);
    return st;
}

static enum status encoder_end(struct replay *r, enum status st, struct err *err)
{
    struct store *s = r->s;
    if (r->encoder == NULL)
        return st;
    mutex_lock(&s->wake_lock);
    r->is_over = true;
    cond_signal(&s->wake_cond);
    mutex_unlock(&s->wake_lock);
    thread_join(r->encoder);
    if (st == ST_OK && r->status && err)
        *err = r->why;
    return st ? st : r->status;
}

static enum status apply_frame(struct replay *r, uint64_t lsn, struct reader *in, struct batch *b, struct err *err)
{
    struct store *s = r->s;
    struct append_entry e = { .batch = b, .lsn = lsn };
    enum status st = decode_sections(r, in, lsn, b, &e.kinds, err);
    for (size_t i = 0; i < s->lane_count && st == ST_OK; i++)
        if (e.kinds & 1u << i)
            st = s->lanes[i].kind->prepare(s->lanes[i].state, b, err);
    if (st)
        return st;
    if (b->idempotency_key.len > 0)
        idempotency_add(s->keys, idempotency_key(s->keys, b->tenant, b->idempotency_key), lsn, b->received_ns);
    append_apply(s, &e, 1);
    return ST_OK;
}

static enum status on_frame(void *arg, uint64_t lsn, bool new_segment, struct slice body, struct err *err)
{
    struct replay *r = arg;
    struct store *s = r->s;
    struct reader in = reader_of(body);
    struct batch *b = batch_new(0);
    struct err own = { 0 };
    if (new_segment)
        memset(r->starts_anew, true, sizeof r->starts_anew);
    b->tenant = read_lenslice(&in);
    b->idempotency_key = read_lenslice(&in);
    b->received_ns = (int64_t)read_u64(&in);
    enum status st = apply_frame(r, lsn, &in, b, &own);
    batch_drop(b);
    r->frames++;
    if (st == ST_CORRUPT || st == ST_LIMIT || st == ST_INVALID) {
        err_prefix(&own, "log: the request with LSN %llu cannot be read: ", (unsigned long long)lsn);
        part_env_corrupt(&s->env, &own);
        return ST_OK; /* this one is lost; the next ones need not be */
    }
    if (st) {
        if (err)
            *err = own;
        return st;
    }
    return encoder_wait(r, err);
}

enum status recover_log(struct store *s, struct err *err)
{
    const struct manifest_state *state = manifest_state(s->manifest);
    uint64_t covered = state->flushed_count ? UINT64_MAX : 0, last = 0, high = 0;
    struct replay r = { .s = s };
    for (size_t i = 0; i < state->flushed_count; i++) {
        covered = MIN(covered, state->flushed[i].lsn);
        high = MAX(high, state->flushed[i].lsn);
    }
    mutex_lock(&s->state_lock);
    s->applied_lsn = covered;
    mutex_unlock(&s->state_lock);
    for (size_t i = 0; i < s->lane_count; i++)
        r.flushed[i] = manifest_flushed(s->manifest, s->lanes[i].kind->id);
    uint64_t next_lsn = state->next_lsn;
    s->replaying = true;
    struct wal_replay how = { .covered = covered, .on_frame = on_frame, .arg = &r };
    enum status st = s->opt.no_background ? ST_OK : thread_start(&r.encoder, "stoa-replay", encoder_run, &r, err);
    if (st == ST_OK)
        st = encoder_end(&r, wal_replay(s->wal, &how, &last, err), err);
    s->replaying = false;
    if (st)
        return st;
    wal_start(s->wal, MAX(last, covered));
    last = MAX(MAX(last, high), next_lsn - 1);
    mutex_lock(&s->state_lock);
    s->applied_lsn = last;
    mutex_unlock(&s->state_lock);
    atomic_store(&s->durable_lsn, last);
    s->next_lsn = last + 1;
    s->segment = wal_next_segment(s->wal);
    if (r.frames > 0 && s->opt.log)
        log_line(s->opt.log, LOG_INFO, "the log was replayed", "requests=%llu last_lsn=%llu", (unsigned long long)r.frames,
                 (unsigned long long)last);
    return ST_OK;
}
