/* SPDX-License-Identifier: Apache-2.0 */
/* Replaying the log after a crash. The format is in wal.c.
 *
 * (0) A frame that does not check is repaired from its header's copy and its parity, if that is possible.
 * (1) A frame that does not check even so is left out; reading goes on at the next one in the segment that does, and in the next
 *     segment. A request is lost at most, never its neighbours.
 * (2) Whether that is worth an alarm is decided by evidence: a later frame or segment header which says that the bad frame's
 *     LSN had been durable, or bytes that were once written whole and do not check. Without evidence (cut off by the end of
 *     the file, or zeros) it is what a crash leaves of a request that was never acknowledged: one line in the log, no alarm.
 * (3) The last segment's torn end is cut off and the file synced before anything is served: what replay made visible must
 *     survive the next power cut too. */
#include <lz4.h>

#include "base/hash.h"
#include "store/parity.h"
#include "store/wal.h"

enum { SEGMENT_FILE_BYTES_MAX = 1 << 30 };

struct found {
    uint64_t lsn, durable; /* durable: the log was safe up to here when this was written */
    uint8_t codec, flags;
    uint16_t key_slot;
    uint32_t raw;
    struct slice header;
    struct slice stored;
    size_t bytes; /* of the whole frame */
};

enum frame_state { FRAME_OK, FRAME_BAD_HEADER, FRAME_SHORT, FRAME_BAD_BODY };

struct scan {
    struct wal *w;
    const struct wal_replay *how;
    uint64_t last;
    struct buf body, plain;
    uint8_t uuid[16];        /* of the segment */
    struct crypt_key key;    /* of its frames, once one was met */
    char path[PART_PATH_BYTES_MAX];
};

static enum frame_state frame_at(struct slice all, size_t at, uint64_t seed, struct found *f)
{
    const char *start = all.ptr + at;
    if (all.len - at < WAL_FRAME_HEADER_BYTES)
        return FRAME_SHORT;
    struct reader r = reader_of(slice_of(start, WAL_FRAME_HEADER_BYTES));
    uint32_t magic = read_u32(&r), stored = read_u32(&r);
    f->raw = read_u32(&r);
    f->codec = read_u8(&r);
    f->flags = read_u8(&r);
    f->key_slot = read_u16(&r);
    f->header = slice_of(start, WAL_SEALED_HEADER_BYTES);
    f->lsn = read_u64(&r);
    f->durable = f->lsn - read_u32(&r);
    uint32_t check = read_u32(&r);
    uint64_t sum = read_u64(&r);
    if (magic != WAL_FRAME_MAGIC || check != (uint32_t)hash64(slice_of(start, 28), seed))
        return FRAME_BAD_HEADER;
    f->bytes = wal_frame_bytes(stored);
    if (f->bytes > all.len - at)
        return FRAME_SHORT;
    f->stored = slice_of(start + WAL_FRAME_HEADER_BYTES, stored);
    return sum == hash64(f->stored, hash64(slice_of(start, 32), seed)) ? FRAME_OK : FRAME_BAD_BODY;
}

/* Where the next frame that checks begins, behind at; all.len when there is none. *proof: one of those that follow says that
 * LSN `missing` was durable. */
static size_t next_frame(struct slice all, size_t at, uint64_t seed, uint64_t missing, bool *proof)
{
    struct found f;
    size_t next = all.len, pos = at + 1;
    while (pos + WAL_FRAME_HEADER_BYTES <= all.len && (next == all.len || !*proof)) {
        if (memcmp(all.ptr + pos, "WFRM", 4) != 0 || frame_at(all, pos, seed, &f) != FRAME_OK) {
            pos++;
            continue;
        }
        next = MIN(next, pos);
        *proof |= f.durable >= missing;
        pos += f.bytes;
    }
    return next;
}

static void report(struct scan *s, bool loud, size_t at, size_t bytes, const char *what)
{
    struct err err;
    err_set(&err, ST_CORRUPT, "log %s: %zu bytes at offset %zu %s (behind LSN %llu)", s->path, bytes, at, what,
            (unsigned long long)s->last);
    if (loud)
        part_env_corrupt(s->w->env, &err);
    else if (s->w->env->log)
        log_line(s->w->env->log, LOG_WARNING, "the log ends in a torn request, which was not acknowledged", "detail=\"%s\"", err.text);
}

static bool header_parse(struct slice copy, struct wal_segment_header *h, uint32_t *version)
{
    struct reader r = reader_of(copy);
    struct slice magic = read_bytes(&r, 8);
    *version = read_u32(&r);
    read_u32(&r);
    h->number = read_u64(&r);
    h->prev_lsn = read_u64(&r);
    struct slice uuid = read_bytes(&r, sizeof h->uuid);
    read_u64(&r);
    uint64_t sum = read_u64(&r);
    if (r.bad || !slice_eq(magic, SLICE("STOAWAL\n")) || sum != hash64(slice_sub(copy, 0, 56), 0))
        return false;
    memcpy(h->uuid, uuid.ptr, sizeof h->uuid);
    return true;
}

/* Either copy will do. False: neither checks, and without the uuid no frame can be told from garbage. */
static bool header_read(struct scan *s, struct slice all, struct wal_segment_header *h, uint32_t *version)
{
    bool found = false;
    for (size_t copy = 0; copy < 2; copy++) {
        struct wal_segment_header one;
        uint32_t v;
        if (header_parse(slice_sub(all, copy * 64, copy * 64 + 64), &one, &v)) {
            *h = one;
            *version = v;
            found = true;
        } else if (all.len >= WAL_SEGMENT_HEADER_BYTES) {
            report(s, true, copy * 64, 64, "(a copy of the segment's header) do not check");
        }
    }
    if (!found && all.len > 0)
        report(s, all.len > WAL_SEGMENT_HEADER_BYTES, 0, all.len, "cannot be read without a header");
    return found;
}

/* The stored bytes without the encryption, if there is one. */
static enum status decrypt(struct scan *s, const struct found *f, struct slice *stored, struct err *err)
{
    enum status st = ST_OK;
    *stored = f->stored;
    if (s->key.crypt && (!(f->flags & WAL_FLAG_ENCRYPTED) || s->key.slot != f->key_slot)) /* anybody can make a plain one that checks */
        return err_set(err, ST_CORRUPT, "log %s: LSN %llu is not encrypted as those before it: it was changed", s->path,
                       (unsigned long long)f->lsn);
    if (!(f->flags & WAL_FLAG_ENCRYPTED))
        return ST_OK;
    if (s->key.crypt == NULL)
        st = crypt_key_find(s->w->env->crypt, f->key_slot, s->uuid, "wal", &s->key, err);
    if (st)
        return err_prefix(err, "log %s: ", s->path);
    if (f->stored.len < CRYPT_TAG_BYTES)
        return err_set(err, ST_CORRUPT, "log %s: LSN %llu has no tag", s->path, (unsigned long long)f->lsn);
    *stored = slice_sub(f->stored, 0, f->stored.len - CRYPT_TAG_BYTES);
    buf_reset(&s->plain);
    char *to = buf_room(&s->plain, stored->len + 1);
    if (!crypt_unseal(&s->key, f->lsn, f->header, *stored, stored->ptr + stored->len, to))
        return err_set(err, ST_CORRUPT, "log %s: LSN %llu does not decrypt: it was changed", s->path, (unsigned long long)f->lsn);
    stored->ptr = to;
    return ST_OK;
}

static enum status give(struct scan *s, const struct found *f, bool new_segment, struct err *err)
{
    struct slice body;
    enum status st = decrypt(s, f, &body, err);
    if (st)
        return st;
    if (f->codec == CODEC_LZ4 && f->raw <= WAL_BODY_BYTES_MAX) {
        buf_reset(&s->body);
        char *to = buf_room(&s->body, f->raw + 1);
        if (LZ4_decompress_safe(body.ptr, to, (int)body.len, (int)f->raw) != (int)f->raw)
            return err_set(err, ST_CORRUPT, "log %s: LSN %llu does not unpack", s->path, (unsigned long long)f->lsn);
        body = slice_of(to, f->raw);
    } else if (f->codec != CODEC_RAW) {
        return err_set(err, ST_UNSUPPORTED, "log %s: LSN %llu has codec %u of a newer version", s->path, (unsigned long long)f->lsn,
                       f->codec);
    }
    return s->how->on_frame(s->how->arg, f->lsn, new_segment, body, err);
}

/* Tries both copies of what is kept twice. all is our own copy of the file. next: where the next frame begins. */
static bool repair(struct slice all, size_t at, size_t next, uint64_t seed, enum frame_state state, struct found *f)
{
    char *start = (char *)all.ptr + at;
    if (state == FRAME_BAD_HEADER) {
        if (next - at < wal_frame_bytes(0))
            return false;
        memcpy(start, all.ptr + next - WAL_FRAME_HEADER_BYTES, WAL_FRAME_HEADER_BYTES);
        state = frame_at(all, at, seed, f);
        if ((state != FRAME_OK && state != FRAME_BAD_BODY) || at + f->bytes != next)
            return false;
    }
    if (state == FRAME_BAD_BODY) { /* or only the header's field with the body's checksum */
        memcpy(start, start + f->bytes - WAL_FRAME_HEADER_BYTES, WAL_FRAME_HEADER_BYTES);
        state = frame_at(all, at, seed, f);
    }
    if (state == FRAME_BAD_BODY) {
        char *body = start + WAL_FRAME_HEADER_BYTES;
        if (!parity_repair(body, f->stored.len, seed, body + f->stored.len))
            return false;
        state = frame_at(all, at, seed, f);
    }
    return state == FRAME_OK;
}

/* The parts of a good frame that only a repair would read. */
static bool spare_is_good(struct slice all, size_t at, uint64_t seed, const struct found *f)
{
    const char *parity = f->stored.ptr + f->stored.len;
    return parity_check(parity, f->stored.len, seed) &&
           memcmp(all.ptr + at, parity + parity_bytes(f->stored.len), WAL_FRAME_HEADER_BYTES) == 0;
}

/* Blocks of a file that grew but whose content never arrived read as zeros. */
static bool is_zero(struct slice bytes)
{
    for (size_t i = 0; i < bytes.len; i++)
        if (bytes.ptr[i] != 0)
            return false;
    return true;
}

/* The frames of one segment. *end: behind the last one that checks. */
static enum status read_frames(struct scan *s, struct slice all, uint64_t seed, size_t *end, struct err *err)
{
    bool new_segment = true;
    for (size_t at = WAL_SEGMENT_HEADER_BYTES; at < all.len;) {
        struct found f;
        enum frame_state state = frame_at(all, at, seed, &f);
        if (state != FRAME_OK) {
            bool proof = state == FRAME_BAD_BODY;
            size_t next = next_frame(all, at, seed, s->last + 1, &proof);
            bool damaged = proof || (state == FRAME_BAD_HEADER && !is_zero(slice_sub(all, at, next)));
            if (!repair(all, at, state == FRAME_BAD_HEADER ? next : all.len, seed, state, &f)) {
                report(s, damaged, at, next - at, "do not check");
                at = next;
                continue;
            }
            report(s, true, at, f.bytes, "did not check and are repaired");
        } else if (!spare_is_good(all, at, seed, &f)) {
            report(s, true, at, f.bytes, "hold a request that is good, but its parity or second header do not check");
        }
        at += f.bytes;
        *end = at;
        if (f.lsn <= s->last)
            continue; /* given already */
        enum status st = give(s, &f, new_segment, err);
        if (st)
            return st;
        new_segment = false;
        s->last = f.lsn;
    }
    return ST_OK;
}

static enum status settle_last(struct scan *s, size_t size, size_t end, struct err *err)
{
    struct file *f;
    enum status st = fs_open(s->w->env->fs, s->path, FILE_APPEND, &f, err);
    if (st)
        return st;
    if (end < size)
        st = file_truncate(f, end, err);
    if (st == ST_OK)
        st = file_sync(f, err);
    file_close(f);
    if (st == ST_OK)
        st = fs_sync_dir(s->w->env->fs, s->w->dir, err);
    return st;
}

static enum status read_segment(struct scan *s, struct wal_segment *seg, bool is_last, struct err *err)
{
    struct wal_segment_header h;
    uint32_t version;
    struct buf file;
    size_t end = 0;
    buf_init(&file, SEGMENT_FILE_BYTES_MAX);
    wal_path(s->w, seg->number, s->path);
    enum status st = fs_read_all(s->w->env->fs, s->path, SEGMENT_FILE_BYTES_MAX, &file, err);
    if (st)
        goto done;
    struct slice all = buf_as_slice(&file);
    if (header_read(s, all, &h, &version)) {
        if (version != WAL_VERSION) {
            st = err_set(err, ST_UNSUPPORTED, "log %s is of format version %u; this program knows version %d", s->path, version,
                         WAL_VERSION);
            goto done;
        }
        if (h.prev_lsn > MAX(s->last, s->how->covered))
            report(s, true, 0, WAL_SEGMENT_HEADER_BYTES, "(the segment's header) come behind frames that are lost");
        end = WAL_SEGMENT_HEADER_BYTES;
        memcpy(s->uuid, h.uuid, sizeof s->uuid);
        s->key = (struct crypt_key){ 0 };
        st = read_frames(s, all, wal_seed(&h), &end, err);
    }
    seg->last_lsn = MAX(s->last, s->how->covered);
    /* A last segment without a readable header stays as it is: there is evidence in it. */
    if (st == ST_OK && is_last && end > 0)
        st = settle_last(s, all.len, end, err);
done:
    buf_free(&file);
    return st;
}

enum status wal_replay(struct wal *w, const struct wal_replay *how, uint64_t *last, struct err *err)
{
    struct scan *s = mem_new(struct scan);
    enum status st = ST_OK;
    s->w = w;
    s->how = how;
    buf_init(&s->body, 0);
    buf_init(&s->plain, 0);
    for (size_t i = 0; i < w->segment_count && st == ST_OK; i++)
        st = read_segment(s, &w->segments[i], i + 1 == w->segment_count, err);
    *last = s->last;
    crypt_key_wipe(&s->key);
    buf_free(&s->body);
    buf_free(&s->plain);
    mem_free(s);
    return st;
}
