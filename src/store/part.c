/* SPDX-License-Identifier: Apache-2.0 */
/* Reading parts. A part is one immutable run of bytes, in a file or in memory:
 *
 *     header (64) | block frame ... | meta frame | footer frame | trailer (48)
 *
 * The trailer says where the footer is, the footer says what the part holds and where meta is, and meta (the kind's own)
 * says where the blocks are.
 *
 * (1) Nothing is believed before it is checked: header and trailer by their own checksums, frames by theirs, and all of
 *     them by the uuid the manifest knows.
 * (2) A block that does not check is that block's loss alone: ST_CORRUPT naming file and offset, counted and logged once
 *     per block. A header that does not check is reported, and the part still serves: everything in it stands in the
 *     footer too.
 * (3) The file is unlinked by whoever drops the last reference after part_unlink_on_drop, so a view taken before a merge
 *     reads on from the merge's inputs. */
#include "store/part_file.h"

#include <stdio.h>

#include "base/hash.h"

enum { PART_FOOTER_BYTES_MAX = 4 * KIB };

void part_env_corrupt(struct part_env *env, const struct err *what)
{
    atomic_fetch_add_explicit(&env->corrupt_blocks, 1, memory_order_relaxed);
    if (env->log)
        log_line(env->log, LOG_ERROR, "something on disk does not check", "error=\"%s\"", what->text);
}

enum status part_env_wrote(struct part_env *env, enum status st)
{
    if (st != ST_OK && st != ST_FULL)
        atomic_store(&env->write_failed, true);
    return st;
}

const struct part_info *part_info(const struct part *p)
{
    return &p->info;
}

struct slice part_meta(const struct part *p)
{
    return buf_as_slice(&p->meta);
}

void *part_user(const struct part *p)
{
    return p->user;
}

/* Exactly n bytes at offset: ST_CORRUPT when the file is too short. */
static enum status read_exactly(const struct part *p, uint64_t offset, void *to, size_t n, struct err *err)
{
    size_t got = 0;
    if (p->file == NULL) {
        if (offset <= p->bytes.len && n <= p->bytes.len - offset) {
            memcpy(to, p->bytes.ptr + offset, n);
            return ST_OK;
        }
    } else {
        enum status st = file_pread(p->file, offset, to, n, &got, err);
        if (st)
            return st;
    }
    if (p->file && got == n)
        return ST_OK;
    return err_set(err, ST_CORRUPT, "ends before %zu bytes at offset %llu", n, (unsigned long long)offset);
}

/* The key of an encrypted frame. All frames of a part have the key of the footer, which is read first and leaves it at the part. */
static enum status frame_key(const struct part *p, const struct frame *f, struct crypt_key *key, struct err *err)
{
    if (p->key.crypt == NULL)
        return crypt_key_find(p->env->crypt, f->key_slot, p->info.uuid, "part", key, err);
    if (p->key.slot != f->key_slot)
        return err_set(err, ST_CORRUPT, "is encrypted with data key %u, its part with %u: it was changed", f->key_slot, p->key.slot);
    *key = p->key;
    return ST_OK;
}

/* learned, when asked for: the key it was encrypted with. */
static enum status unpack(const struct part *p, struct frame *f, uint64_t offset, char *raw, struct crypt_key *learned, struct err *err)
{
    char *plain = NULL;
    enum status st = ST_OK;
    if (!f->is_encrypted && p->key.crypt) /* anybody can make one that checks */
        return err_set(err, ST_CORRUPT, "is not encrypted, and its part is: it was changed");
    if (f->is_encrypted) {
        struct crypt_key key = { 0 };
        plain = mem_alloc(f->stored.len + 1);
        st = frame_key(p, f, &key, err);
        if (st == ST_OK && learned)
            *learned = key;
        if (st == ST_OK)
            st = frame_decrypt(f, &key, offset, plain, err);
        crypt_key_wipe(&key);
    }
    if (st == ST_OK) {
        struct frame_coder *coder = cache_coder_take(p->env->cache);
        st = frame_unpack(coder, f, raw, err);
        cache_coder_give(p->env->cache, coder);
    }
    mem_free(plain);
    return st;
}

/* Reads, checks and unpacks a frame into *out (from mem_alloc). */
static enum status read_frame(const struct part *p, struct block_ref ref, enum block_type type, size_t raw_max, void **out,
                              size_t *len, struct crypt_key *learned, struct err *err)
{
    struct frame frame;
    char *stored = NULL, *raw = NULL;
    if (ref.offset > p->info.bytes || ref.length > p->info.bytes - ref.offset)
        return err_set(err, ST_CORRUPT, "a block of %u bytes at offset %llu would end behind the part's %llu bytes", ref.length,
                       (unsigned long long)ref.offset, (unsigned long long)p->info.bytes);
    struct slice bytes;
    if (p->file == NULL && ref.offset + ref.length <= p->bytes.len) {
        bytes = slice_of(p->bytes.ptr + ref.offset, ref.length);
    } else {
        stored = mem_alloc(ref.length + 1);
        enum status st = read_exactly(p, ref.offset, stored, ref.length, err);
        if (st) {
            mem_free(stored);
            return st;
        }
        bytes = slice_of(stored, ref.length);
    }
    enum status st = frame_check(bytes, p->seed, ref.offset, type, raw_max, &frame, err);
    if (st == ST_OK) {
        raw = mem_alloc(frame.raw_bytes + 1);
        st = unpack(p, &frame, ref.offset, raw, learned, err);
    }
    mem_free(stored);
    if (st) {
        mem_free(raw);
        err_prefix(err, "block at offset %llu: ", (unsigned long long)ref.offset);
        return st;
    }
    *out = raw;
    *len = frame.raw_bytes;
    return ST_OK;
}

/* True the first time this block is found bad. */
static bool is_news(struct part *p, uint64_t offset)
{
    bool known = false;
    mutex_lock(&p->bad_lock);
    for (unsigned i = 0; i < p->bad_count; i++)
        known |= p->bad_offsets[i] == offset;
    if (!known && p->bad_count < COUNT_OF(p->bad_offsets))
        p->bad_offsets[p->bad_count++] = offset;
    else
        known = true; /* the list is full: the part is known to be bad through and through */
    mutex_unlock(&p->bad_lock);
    return !known;
}

static enum status read_block(const struct part *p, struct block_ref ref, bool keep, struct block **out, struct err *err)
{
    *out = cache_get(p->env->cache, p->owner, ref.offset);
    if (*out)
        return ST_OK;
    struct err own;
    void *bytes;
    size_t len;
    enum status st = read_frame(p, ref, BLOCK_DATA, PART_BLOCK_BYTES_MAX, &bytes, &len, NULL, &own);
    if (st == ST_OK) {
        *out = keep ? cache_put(p->env->cache, p->owner, ref.offset, bytes, len) : block_alone(bytes, len);
        return ST_OK;
    }
    err_prefix(&own, "part %s: ", p->path);
    if (st == ST_CORRUPT && is_news((struct part *)p, ref.offset))
        part_env_corrupt(p->env, &own);
    if (err)
        *err = own;
    return st;
}

enum status part_read(const struct part *p, struct block_ref ref, struct block **out, struct err *err)
{
    return read_block(p, ref, true, out, err);
}

enum status part_read_once(const struct part *p, struct block_ref ref, struct block **out, struct err *err)
{
    return read_block(p, ref, false, out, err);
}

/* ---- opening ---- */

static void check_header(struct part *p)
{
    char header[PART_HEADER_BYTES];
    struct err err;
    enum status st = read_exactly(p, 0, header, sizeof header, &err);
    if (st == ST_OK) {
        struct reader r = reader_of(slice_of(header + PART_HEADER_BYTES - 8, 8));
        if (read_u64(&r) == hash64(slice_of(header, PART_HEADER_BYTES - 8), 0) &&
            memcmp(header + 16, p->info.uuid, sizeof p->info.uuid) == 0)
            return;
        err_set(&err, ST_CORRUPT, "header at offset 0 does not check; the part is read by its footer");
    }
    err_prefix(&err, "part %s: ", p->path);
    part_env_corrupt(p->env, &err);
}

static enum status read_trailer(struct part *p, struct block_ref *footer, struct err *err)
{
    char bytes[PART_TRAILER_BYTES];
    uint64_t offset = p->info.bytes - PART_TRAILER_BYTES;
    if (p->info.bytes < PART_HEADER_BYTES + PART_TRAILER_BYTES)
        return err_set(err, ST_CORRUPT, "has only %llu bytes", (unsigned long long)p->info.bytes);
    enum status st = read_exactly(p, offset, bytes, sizeof bytes, err);
    if (st)
        return st;
    struct reader r = reader_of(slice_of(bytes, sizeof bytes));
    footer->offset = read_u64(&r);
    footer->length = read_u32(&r);
    uint32_t version = read_u32(&r);
    struct slice uuid = read_bytes(&r, 16);
    uint64_t sum = read_u64(&r);
    struct slice magic = read_bytes(&r, 8);
    if (!slice_eq(magic, SLICE("STOAEND\n")) || sum != hash64(slice_of(bytes, PART_TRAILER_BYTES - 16), 0))
        return err_set(err, ST_CORRUPT, "trailer at offset %llu does not check", (unsigned long long)offset);
    if (version != PART_VERSION)
        return err_set(err, ST_UNSUPPORTED, "is of format version %u; this program knows version %d", version, PART_VERSION);
    if (!slice_eq(uuid, slice_of(p->info.uuid, sizeof p->info.uuid)))
        return err_set(err, ST_CORRUPT, "trailer at offset %llu is of another part", (unsigned long long)offset);
    return ST_OK;
}

static enum status parse_footer(struct part *p, struct slice bytes, struct block_ref *meta, struct err *err)
{
    struct reader r = reader_of(bytes);
    struct part_info i = p->info;
    i.id = read_u64(&r);
    struct slice uuid = read_bytes(&r, 16);
    i.kind = read_u8(&r);
    i.level = read_u8(&r);
    i.class = read_u16(&r);
    i.start_ns = (int64_t)read_u64(&r);
    i.end_ns = (int64_t)read_u64(&r);
    i.min_ns = (int64_t)read_u64(&r);
    i.max_ns = (int64_t)read_u64(&r);
    i.min_lsn = read_u64(&r);
    i.max_lsn = read_u64(&r);
    i.rows = read_u64(&r);
    i.dead_id = read_u64(&r);
    meta->offset = read_u64(&r);
    meta->length = read_u32(&r);
    if (r.bad || uuid.len != 16 || i.id != p->info.id || i.kind != p->info.kind || i.start_ns != p->info.start_ns)
        return err_set(err, ST_CORRUPT, "footer does not say what the manifest says");
    p->info = i;
    return ST_OK;
}

static enum status open_inside(struct part *p, void *state, struct err *err)
{
    struct block_ref footer = { 0 }, meta = { 0 };
    void *bytes;
    size_t len;
    check_header(p);
    enum status st = read_trailer(p, &footer, err);
    if (st)
        return st;
    st = read_frame(p, footer, BLOCK_FOOTER, PART_FOOTER_BYTES_MAX, &bytes, &len, &p->key, err);
    if (st) {
        err_prefix(err, "footer: ");
        return st;
    }
    st = parse_footer(p, slice_of(bytes, len), &meta, err);
    mem_free(bytes);
    if (st)
        return st;
    st = read_frame(p, meta, BLOCK_META, PART_META_BYTES_MAX, &bytes, &len, NULL, err);
    if (st) {
        err_prefix(err, "meta: ");
        return st;
    }
    p->meta = (struct buf){ .ptr = bytes, .len = len, .cap = len + 1 };
    if (p->kind->part_open == NULL)
        return ST_OK;
    st = p->kind->part_open(state, p, &p->user, err);
    p->has_user = st == ST_OK;
    if (st)
        err_prefix(err, "meta: ");
    return st;
}

static struct part *part_new(struct part_env *env, const struct store_kind *kind, const struct part_info *info)
{
    char path[PART_PATH_BYTES_MAX];
    part_path(env, kind, info, path);
    size_t n = slice_str(path).len + 1;
    struct part *p = mem_new(struct part);
    p->env = env;
    p->kind = kind;
    p->info = *info;
    p->path = mem_alloc(n);
    memcpy(p->path, path, n);
    p->owner = cache_owner(env->cache);
    p->seed = frame_seed(info->uuid);
    buf_init(&p->meta, 0);
    buf_init(&p->bytes, 0);
    mutex_init(&p->bad_lock);
    atomic_init(&p->refs, 1);
    return p;
}

enum status part_open(struct part_env *env, const struct store_kind *kind, void *state, const struct part_info *info, struct part **out,
                      struct err *err)
{
    struct part *p = part_new(env, kind, info);
    enum status st = fs_open(env->fs, p->path, FILE_READ, &p->file, err);
    if (st == ST_OK)
        st = open_inside(p, state, err);
    if (st) {
        err_prefix(err, "part %s: ", p->path);
        part_drop(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

enum status part_of_bytes(struct part_env *env, const struct store_kind *kind, void *state, const struct part_info *info,
                          struct buf *bytes, struct part **out, struct err *err)
{
    struct part *p = part_new(env, kind, info);
    p->bytes = *bytes;
    buf_init(bytes, 0);
    enum status st = open_inside(p, state, err);
    if (st) {
        err_prefix(err, "memory part %s: ", p->path);
        part_drop(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

enum status part_save(const struct part *p, struct err *err)
{
    char folder[PART_PATH_BYTES_MAX];
    struct file *f = NULL;
    struct err ignored;
    part_folder(p->env, p->kind, &p->info, folder);
    mutex_lock(&p->env->folders);
    enum status st = fs_mkdir_all(p->env->fs, folder, err);
    if (st == ST_OK)
        st = fs_open(p->env->fs, p->path, FILE_CREATE, &f, err);
    mutex_unlock(&p->env->folders);
    if (st)
        return part_env_wrote(p->env, st);
    st = file_append(f, p->bytes.ptr, p->bytes.len, err);
    if (st == ST_OK)
        st = file_sync(f, err);
    file_close(f);
    if (st == ST_OK)
        st = fs_sync_dir(p->env->fs, folder, err);
    if (st) {
        enum status gone = fs_unlink(p->env->fs, p->path, &ignored);
        (void)gone;
    }
    return part_env_wrote(p->env, st);
}

struct part *part_take(struct part *p)
{
    int before = atomic_fetch_add_explicit(&p->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return p;
}

void part_unlink_on_drop(struct part *p)
{
    atomic_store(&p->unlink_on_drop, true);
}

/* The file, and its folder when that was the last one in it. A failure leaves an orphan for the next start. */
void part_unlink(struct part *p)
{
    char folder[PART_PATH_BYTES_MAX];
    struct err err;
    part_folder(p->env, p->kind, &p->info, folder);
    mutex_lock(&p->env->folders);
    enum status st = fs_unlink(p->env->fs, p->path, &err);
    if (st == ST_OK)
        st = fs_rmdir(p->env->fs, folder, &err); /* refused while others are in it */
    mutex_unlock(&p->env->folders);
}

void part_drop(struct part *p)
{
    if (p == NULL)
        return;
    int before = atomic_fetch_sub_explicit(&p->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before > 1)
        return;
    if (p->has_user && p->kind->part_close)
        p->kind->part_close(p->user);
    file_close(p->file);
    if (p->file && atomic_load(&p->unlink_on_drop))
        part_unlink(p);
    mem_free(atomic_load(&p->usage));
    buf_free(&p->meta);
    buf_free(&p->bytes);
    mutex_destroy(&p->bad_lock);
    crypt_key_wipe(&p->key);
    mem_free(p->path);
    mem_free(p);
}
