/* SPDX-License-Identifier: Apache-2.0 */
/* Idempotency keys across restarts: dir/KEYS, written before segments of the log that hold some are deleted.
 *
 *     "STOAKEYS" | u32 version | u32 zero | u64 count | { u64 low, u64 high, u64 lsn, i64 time (ns) }... | u64 checksum
 *
 * (1) Log and file together hold every key that is still known: a key gets into the file before its segment goes.
 * (2) Only keys of requests whose rows are in file parts are written: one that fails must not look taken.
 * (3) A key is the hash kept in memory; its seed is the manifest's, and the checksum starts from it: a file of another
 *     store does not check.
 * (4) A file that cannot be written or read costs the keys in it and nothing else: repeats of those requests would be
 *     stored twice. So it stops neither the log's clearing, which makes room, nor the start. */
#include <stdio.h>

#include "store/ladder.h"

enum { KEYS_VERSION = 1, KEYS_HEADER_BYTES = 24, KEY_BYTES = 32, KEYS_SUM_BYTES = 8 };
#define KEYS_FILE_BYTES_MAX (KEYS_HEADER_BYTES + (size_t)KEY_BYTES * IDEMPOTENCY_KEYS_MAX + KEYS_SUM_BYTES)

static void keys_path(const struct store *s, char *to)
{
    snprintf(to, PART_PATH_BYTES_MAX, "%.3000s/KEYS", s->dir);
}

static void put_key(void *arg, struct hash128 key, uint64_t lsn, int64_t at_ns)
{
    struct buf *to = arg;
    buf_u64(to, key.lo);
    buf_u64(to, key.hi);
    buf_u64(to, lsn);
    buf_u64(to, (uint64_t)at_ns);
}

void keys_save(struct store *s, uint64_t covered)
{
    char path[PART_PATH_BYTES_MAX];
    struct buf file, keys;
    struct err err;
    buf_init(&file, 0);
    buf_init(&keys, 0);
    mutex_lock(&s->append_lock);
    bool changed = idempotency_newest(s->keys) > s->keys_saved_lsn;
    if (changed)
        idempotency_each(s->keys, covered, put_key, &keys);
    mutex_unlock(&s->append_lock);
    if (!changed)
        goto done;
    buf_slice(&file, SLICE("STOAKEYS"));
    buf_u32(&file, KEYS_VERSION);
    buf_u32(&file, 0);
    buf_u64(&file, keys.len / KEY_BYTES);
    buf_slice(&file, buf_as_slice(&keys));
    buf_u64(&file, hash64(buf_as_slice(&file), manifest_state(s->manifest)->seed));
    keys_path(s, path);
    if (fs_replace(s->opt.fs, path, buf_as_slice(&file), &err) == ST_OK)
        s->keys_saved_lsn = covered;
    else if (s->opt.log)
        log_line(s->opt.log, LOG_WARNING, "idempotency keys are lost at the next start", "keys=%zu error=\"%s\"", keys.len / KEY_BYTES,
                 err.text);
done:
    buf_free(&file);
    buf_free(&keys);
}

static enum status parse(struct store *s, struct slice all, struct err *err)
{
    struct reader r = reader_of(all);
    struct slice magic = read_bytes(&r, 8);
    uint32_t version = read_u32(&r);
    read_u32(&r);
    uint64_t count = read_u64(&r);
    if (r.bad || !slice_eq(magic, SLICE("STOAKEYS")) || reader_left(&r) < KEYS_SUM_BYTES ||
        count != (reader_left(&r) - KEYS_SUM_BYTES) / KEY_BYTES)
        return err_set(err, ST_CORRUPT, "the header does not check");
    if (version != KEYS_VERSION)
        return err_set(err, ST_UNSUPPORTED, "format version %u; this program knows version %d", version, KEYS_VERSION);
    struct reader sum = reader_of(slice_skip(all, all.len - KEYS_SUM_BYTES));
    if (read_u64(&sum) != hash64(slice_sub(all, 0, all.len - KEYS_SUM_BYTES), manifest_state(s->manifest)->seed))
        return err_set(err, ST_CORRUPT, "%zu bytes do not check", all.len);
    for (; count > 0; count--) {
        struct hash128 key = { .lo = read_u64(&r) };
        key.hi = read_u64(&r);
        uint64_t lsn = read_u64(&r);
        idempotency_add(s->keys, key, lsn, (int64_t)read_u64(&r));
        s->keys_saved_lsn = MAX(s->keys_saved_lsn, lsn);
    }
    return ST_OK;
}

void keys_load(struct store *s)
{
    char path[PART_PATH_BYTES_MAX];
    struct buf all;
    struct err err;
    keys_path(s, path);
    buf_init(&all, KEYS_FILE_BYTES_MAX);
    enum status st = fs_read_all(s->opt.fs, path, KEYS_FILE_BYTES_MAX, &all, &err);
    if (st == ST_OK)
        st = parse(s, buf_as_slice(&all), &err);
    buf_free(&all);
    if (st == ST_OK || st == ST_NOT_FOUND)
        return;
    err_prefix(&err, "idempotency keys %s: ", path);
    part_env_corrupt(&s->env, &err);
}
