/* SPDX-License-Identifier: Apache-2.0 */
/* The write-ahead log: dir/wal/NNNNNNNNNNNNNNNN.wal, each a header (twice) and frames:
 *
 *     header: u32 magic | u32 stored length | u32 raw length | u8 codec | u8 flags | u16 key slot | u64 lsn | u32 unsynced
 *             | u32 header check | u64 checksum
 *     frame:  header | stored bytes | parity of the stored bytes | header again
 *
 * (1) A frame is one request, and is there whole or not at all: one checksum over all of it, seeded by the segment's random
 *     uuid, so that bytes of another segment, or bytes a client sent, never pass for a frame.
 * (2) Bytes before the last synced offset never change. A group of frames is one append and one sync.
 * (3) `unsynced` is how many LSNs before and with this one were not yet durable when it was written. So a reader that finds
 *     a bad frame can tell from any later one whether the bad one had been acknowledged (damage) or not (torn). A segment's
 *     header says the same with prev_lsn: everything up to it is durable in earlier segments, or in parts.
 * (4) A failed append for want of space is undone by truncating; a failed sync is never tried again.
 * (5) A segment is deleted when file parts named by a synced manifest hold all of its rows. Numbers only grow, so a
 *     deleted file that a power cut brings back is an old one, and its frames are known as covered.
 *
 * (6) Later frames of a segment lean on definitions in earlier ones, so a damaged frame could cost more than itself.
 *     Therefore damage within one chunk of a frame, or in one copy of its header, is repaired when read.
 *
 * One thread writes (the commit thread). Replay is in wal_read.c. */
#include "store/wal.h"

#include <lz4.h>
#include <stdio.h>

#include "base/hash.h"
#include "store/parity.h"
#include "sys/rand.h"

enum { LZ4_BYTES_MIN = 64, LZ4_ACCELERATION = 4 };

void wal_path(const struct wal *w, uint64_t number, char *to)
{
    snprintf(to, PART_PATH_BYTES_MAX, "%.4000s/%016llx.wal", w->dir, (unsigned long long)number);
}

uint64_t wal_seed(const struct wal_segment_header *h)
{
    return hash64(slice_of(h->uuid, sizeof h->uuid), h->number);
}

void wal_header_put(struct buf *b, const struct wal_segment_header *h)
{
    size_t start = b->len;
    buf_slice(b, SLICE("STOAWAL\n"));
    buf_u32(b, WAL_VERSION);
    buf_u32(b, 0);
    buf_u64(b, h->number);
    buf_u64(b, h->prev_lsn);
    buf_put(b, h->uuid, sizeof h->uuid);
    buf_u64(b, 0);
    buf_u64(b, hash64(slice_of(b->ptr + start, b->len - start), 0));
}

size_t wal_frame_bytes(size_t stored)
{
    return WAL_FRAME_HEADER_BYTES + stored + parity_bytes(stored) + WAL_FRAME_HEADER_BYTES;
}

static void list_add(struct wal *w, struct wal_segment s)
{
    if (w->segment_count == w->segment_cap) {
        w->segment_cap = w->segment_cap ? w->segment_cap * 2 : 8;
        w->segments = mem_realloc(w->segments, w->segment_cap * sizeof *w->segments);
    }
    w->segments[w->segment_count++] = s;
    atomic_fetch_add(&w->total_bytes, s.bytes);
}

static bool parse_name(struct slice name, uint64_t *number)
{
    if (name.len != 20 || !slice_ends(name, SLICE(".wal")))
        return false;
    *number = 0;
    for (size_t i = 0; i < 16; i++) {
        char c = name.ptr[i];
        int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
        if (digit < 0)
            return false;
        *number = *number << 4 | (uint64_t)digit;
    }
    return true;
}

enum status wal_open(struct wal **out, struct part_env *env, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    struct buf names;
    struct wal *w = mem_new(struct wal);
    snprintf(path, sizeof path, "%.*s/wal", SLICE_FMT(env->dir));
    w->env = env;
    w->dir = mem_alloc(slice_str(path).len + 1);
    memcpy(w->dir, path, slice_str(path).len + 1);
    w->lz4_state = mem_zalloc((size_t)LZ4_sizeofState());
    mutex_init(&w->lock);
    buf_init(&w->out, 0);
    buf_init(&names, 16 * MIB);
    enum status st = fs_mkdir_all(env->fs, w->dir, err);
    if (st == ST_OK)
        st = fs_list(env->fs, w->dir, &names, err);
    struct slice rest = buf_as_slice(&names), name;
    while (st == ST_OK && slice_next(&rest, 0, &name)) {
        struct wal_segment s = { 0 };
        struct file_info info;
        if (!parse_name(name, &s.number))
            continue;
        wal_path(w, s.number, path);
        st = fs_info(env->fs, path, &info, err);
        s.bytes = info.size;
        s.last_lsn = UINT64_MAX; /* until replay knows */
        if (st == ST_OK)
            list_add(w, s);
    }
    buf_free(&names);
    if (st) {
        wal_close(w);
        return st;
    }
    *out = w;
    return ST_OK;
}

void wal_close(struct wal *w)
{
    if (w == NULL)
        return;
    file_close(w->file);
    crypt_key_wipe(&w->file_key);
    buf_free(&w->out);
    mutex_destroy(&w->lock);
    mem_free(w->segments);
    mem_free(w->lz4_state);
    mem_free(w->dir);
    mem_free(w);
}

void wal_start(struct wal *w, uint64_t last_lsn)
{
    w->last_lsn = last_lsn;
}

uint64_t wal_next_segment(const struct wal *w)
{
    return w->segment_count ? w->segments[w->segment_count - 1].number + 1 : 1;
}

static void put_le(char *to, uint64_t v, size_t bytes)
{
    for (size_t i = 0; i < bytes; i++)
        to[i] = (char)(v >> (8 * i));
}

/* Compressed straight into the outgoing buffer; kept raw when that is not smaller. */
static void frame_put(struct wal *w, const struct wal_entry *e)
{
    size_t raw = e->body.len, room = MAX(raw, (size_t)LZ4_compressBound((int)raw)), stored = 0;
    bool encrypt = w->file_key.crypt != NULL;
    char *at = buf_room(&w->out, wal_frame_bytes(room + CRYPT_TAG_BYTES));
    char *body = at + WAL_FRAME_HEADER_BYTES;
    if (raw >= LZ4_BYTES_MIN) {
        int n = LZ4_compress_fast_extState(w->lz4_state, e->body.ptr, body, (int)raw, (int)room, LZ4_ACCELERATION);
        stored = n > 0 && (size_t)n < raw ? (size_t)n : 0;
    }
    uint8_t codec = stored ? CODEC_LZ4 : CODEC_RAW;
    if (stored == 0) {
        memcpy(body, e->body.ptr, raw);
        stored = raw;
    }
    stored += encrypt ? CRYPT_TAG_BYTES : 0;
    put_le(at, WAL_FRAME_MAGIC, 4);
    put_le(at + 4, stored, 4);
    put_le(at + 8, raw, 4);
    put_le(at + 12, codec, 1);
    put_le(at + 13, encrypt ? WAL_FLAG_ENCRYPTED : 0, 1);
    put_le(at + 14, encrypt ? w->file_key.slot : 0, 2);
    put_le(at + 16, e->lsn, 8);
    if (encrypt)
        crypt_seal(&w->file_key, e->lsn, slice_of(at, WAL_SEALED_HEADER_BYTES), body, stored - CRYPT_TAG_BYTES, body + stored - CRYPT_TAG_BYTES);
    put_le(at + 24, MIN(e->lsn - w->last_lsn, (uint64_t)UINT32_MAX), 4);
    put_le(at + 28, hash64(slice_of(at, 28), w->file_seed), 4);
    put_le(at + 32, hash64(slice_of(body, stored), hash64(slice_of(at, 32), w->file_seed)), 8);
    parity_put(slice_of(body, stored), w->file_seed, body + stored);
    memcpy(body + stored + parity_bytes(stored), at, WAL_FRAME_HEADER_BYTES);
    buf_added(&w->out, wal_frame_bytes(stored));
}

/* Makes the file; its header goes out with the first frames. */
static enum status open_segment(struct wal *w, uint64_t number, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    struct wal_segment_header h = { .number = number, .prev_lsn = w->last_lsn };
    file_close(w->file);
    w->file = NULL;
    sys_random(h.uuid, sizeof h.uuid);
    wal_path(w, number, path);
    enum status st = fs_open(w->env->fs, path, FILE_CREATE, &w->file, err);
    if (st)
        return st;
    w->file_number = number;
    w->file_seed = wal_seed(&h);
    crypt_key_new(w->env->crypt, h.uuid, "wal", &w->file_key);
    wal_header_put(&w->out, &h);
    wal_header_put(&w->out, &h);
    list_add(w, (struct wal_segment){ .number = number, .last_lsn = w->last_lsn });
    return ST_OK;
}

/* After an append that did not fit: the file as it was before. */
static enum status undo_append(struct wal *w, uint64_t size, struct err *err)
{
    struct err why;
    enum status st = file_truncate(w->file, size, &why);
    if (st)
        return err_set(err, ST_IO, "after a full disk the log cannot be cut back: %s", why.text);
    return ST_FULL;
}

enum status wal_write(struct wal *w, const struct wal_entry *list, size_t count, struct err *err)
{
    enum status st = ST_OK;
    bool is_new = false;
    mutex_lock(&w->lock);
    buf_reset(&w->out);
    if (w->file == NULL || w->file_number != list[0].segment) {
        is_new = true;
        st = open_segment(w, list[0].segment, err);
    }
    if (st)
        goto done;
    for (size_t i = 0; i < count; i++)
        frame_put(w, &list[i]);
    struct wal_segment *s = &w->segments[w->segment_count - 1];
    st = file_append(w->file, w->out.ptr, w->out.len, err);
    if (st) {
        if (st == ST_FULL)
            st = undo_append(w, s->bytes, err);
        goto done;
    }
    st = file_sync(w->file, err);
    if (st == ST_OK && is_new)
        st = fs_sync_dir(w->env->fs, w->dir, err);
    if (st) {
        st = ST_IO;
        goto done;
    }
    atomic_fetch_add(&w->synced, 1);
    s->bytes += w->out.len;
    atomic_fetch_add(&w->total_bytes, w->out.len);
    s->last_lsn = w->last_lsn = list[count - 1].lsn;
    atomic_store(&w->current_bytes, s->bytes);
    atomic_store(&w->current_number, s->number);
done:
    if (w->out.cap > 16 * MIB) {
        buf_free(&w->out);
        buf_init(&w->out, 0);
    }
    mutex_unlock(&w->lock);
    return st;
}

uint64_t wal_segment_bytes(struct wal *w, uint64_t segment)
{
    return atomic_load(&w->current_number) == segment ? atomic_load(&w->current_bytes) : 0;
}

/* lock held. */
static bool is_covered(const struct wal *w, const struct wal_segment *s, uint64_t covered, bool with_current)
{
    return s->last_lsn <= covered && (with_current || w->file == NULL || s->number != w->file_number);
}

bool wal_has_covered(struct wal *w, uint64_t covered, bool with_current)
{
    bool any = false;
    mutex_lock(&w->lock);
    for (size_t i = 0; i < w->segment_count; i++)
        any |= is_covered(w, &w->segments[i], covered, with_current);
    mutex_unlock(&w->lock);
    return any;
}

enum status wal_trim(struct wal *w, uint64_t covered, bool with_current, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    enum status st = ST_OK;
    size_t kept = 0, gone = 0;
    mutex_lock(&w->lock);
    for (size_t i = 0; i < w->segment_count; i++) {
        struct wal_segment s = w->segments[i];
        if (st || !is_covered(w, &s, covered, with_current)) {
            w->segments[kept++] = s;
            continue;
        }
        if (w->file && s.number == w->file_number) {
            file_close(w->file);
            w->file = NULL;
        }
        wal_path(w, s.number, path);
        st = fs_unlink(w->env->fs, path, err);
        if (st == ST_NOT_FOUND)
            st = ST_OK;
        if (st)
            w->segments[kept++] = s;
        else
            gone++;
        if (st == ST_OK)
            atomic_fetch_sub(&w->total_bytes, s.bytes);
    }
    w->segment_count = kept;
    if (st == ST_OK && gone > 0)
        st = part_env_wrote(w->env, fs_sync_dir(w->env->fs, w->dir, err));
    mutex_unlock(&w->lock);
    return st;
}

uint64_t wal_bytes(struct wal *w)
{
    return atomic_load(&w->total_bytes);
}

size_t wal_segments(struct wal *w)
{
    mutex_lock(&w->lock);
    size_t n = w->segment_count;
    mutex_unlock(&w->lock);
    return n;
}

uint64_t wal_syncs(struct wal *w)
{
    return atomic_load(&w->synced);
}
