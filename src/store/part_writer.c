/* SPDX-License-Identifier: Apache-2.0 */
/* Writing a part: header, blocks as they come, meta, footer, trailer. The reader's side and the picture are in part.c.
 *
 * (1) Blocks are compressed straight into the outgoing buffer, so a byte is copied once on its way to the file.
 * (2) A file is only named by a manifest after part_writer_finish: bytes synced, then the folder's entry. Until then a
 *     crash leaves an orphan, which store_open deletes.
 * (3) Counts and ranges of the footer are what the kind told by part_writer_rows; the writer looks into no block. */
#include "store/part_file.h"

#include <stdio.h>

#include "base/hash.h"
#include "sys/rand.h"

enum { WRITE_CHUNK_BYTES = 1 * MIB };

void part_folder(const struct part_env *env, const struct store_kind *kind, const struct part_info *info, char *to)
{
    /* Days since 1970 to a civil date: count from 1 March of year 0 in eras of 400 years. */
    int64_t days = info->start_ns / (86400 * NS_S) + 719468;
    int64_t era = days / 146097, in_era = days % 146097;
    int64_t year = (in_era - in_era / 1460 + in_era / 36524 - in_era / 146096) / 365;
    int64_t in_year = in_era - (365 * year + year / 4 - year / 100);
    int64_t shifted = (5 * in_year + 2) / 153;
    int day = (int)(in_year - (153 * shifted + 2) / 5 + 1), month = (int)(shifted < 10 ? shifted + 3 : shifted - 9);
    int64_t civil_year = era * 400 + year + (month <= 2);
    struct slice dir = info->tier == TIER_DATA ? env->dir : env->tiers[info->tier];
    snprintf(to, PART_PATH_BYTES_MAX, "%.*s/%s/%04lld%02d%02d-%u", SLICE_FMT(dir), kind->name, (long long)civil_year, month,
             day, info->class);
}

void part_path(const struct part_env *env, const struct store_kind *kind, const struct part_info *info, char *to)
{
    char folder[PART_PATH_BYTES_MAX];
    part_folder(env, kind, info, folder);
    snprintf(to, PART_PATH_BYTES_MAX, "%.4000s/%016llx.part", folder, (unsigned long long)info->id);
}

static void write_header(struct part_writer *w)
{
    const struct part_info *i = &w->info;
    buf_slice(&w->out, SLICE("STOAPART"));
    buf_u32(&w->out, PART_VERSION);
    buf_u32(&w->out, 0);
    buf_put(&w->out, i->uuid, sizeof i->uuid);
    buf_u64(&w->out, i->id);
    buf_u8(&w->out, i->kind);
    buf_u8(&w->out, i->level);
    buf_u16(&w->out, i->class);
    buf_u32(&w->out, 0);
    buf_u64(&w->out, 0);
    buf_u64(&w->out, hash64(slice_of(w->out.ptr, PART_HEADER_BYTES - 8), 0));
    w->offset = PART_HEADER_BYTES;
}

static enum status make_file(struct part_writer *w, struct err *err)
{
    char folder[PART_PATH_BYTES_MAX];
    part_folder(w->env, w->kind, &w->info, folder);
    mutex_lock(&w->env->folders);
    enum status st = fs_mkdir_all(w->env->fs, folder, err);
    if (st == ST_OK)
        st = fs_open(w->env->fs, w->path, FILE_CREATE, &w->file, err);
    mutex_unlock(&w->env->folders);
    return part_env_wrote(w->env, st);
}

enum status part_writer_new(struct part_env *env, const struct store_kind *kind, const struct part_info *info, bool in_memory,
                            struct part_writer **out, struct err *err)
{
    char path[PART_PATH_BYTES_MAX];
    part_path(env, kind, info, path);
    struct part_writer *w = mem_new(struct part_writer);
    w->env = env;
    w->kind = kind;
    w->info = *info;
    w->info.rows = w->info.bytes = 0;
    w->info.min_ns = INT64_MAX;
    w->info.max_ns = INT64_MIN;
    w->info.min_lsn = UINT64_MAX;
    w->info.max_lsn = 0;
    sys_random(w->info.uuid, sizeof w->info.uuid);
    w->seed = frame_seed(w->info.uuid);
    crypt_key_new(env->crypt, w->info.uuid, "part", &w->key);
    w->coder = cache_coder_take(env->cache);
    w->path = mem_alloc(slice_str(path).len + 1);
    memcpy(w->path, path, slice_str(path).len + 1);
    buf_init(&w->out, 0);
    enum status st = in_memory ? ST_OK : make_file(w, err);
    if (st) {
        part_writer_free(w, false);
        return st;
    }
    write_header(w);
    *out = w;
    return ST_OK;
}

static enum status push(struct part_writer *w, size_t at_least, struct err *err)
{
    if (w->file == NULL || w->out.len < at_least || w->out.len == 0)
        return ST_OK;
    enum status st = file_append(w->file, w->out.ptr, w->out.len, err);
    buf_reset(&w->out);
    return part_env_wrote(w->env, st);
}

static enum status write_block(struct part_writer *w, enum block_type type, enum part_codec codec, struct slice raw, size_t bytes_max,
                               struct block_ref *ref, struct err *err)
{
    size_t before = w->out.len;
    enum status st = frame_write(w->coder, &w->key, &w->out, w->seed, w->offset, type, codec, raw, bytes_max, err);
    if (st) {
        err_prefix(err, "part %s: ", w->path);
        return st;
    }
    *ref = (struct block_ref){ w->offset, (uint32_t)(w->out.len - before) };
    w->offset += ref->length;
    return push(w, WRITE_CHUNK_BYTES, err);
}

enum status part_write(struct part_writer *w, enum part_codec codec, struct slice raw, struct block_ref *ref, struct err *err)
{
    return write_block(w, BLOCK_DATA, codec, raw, PART_BLOCK_BYTES_MAX, ref, err);
}

const struct part_info *part_writer_info(const struct part_writer *w)
{
    return &w->info;
}

void part_writer_rows(struct part_writer *w, uint64_t rows, int64_t min_ns, int64_t max_ns, uint64_t min_lsn, uint64_t max_lsn)
{
    if (rows == 0)
        return;
    w->info.rows += rows;
    w->info.min_ns = MIN(w->info.min_ns, min_ns);
    w->info.max_ns = MAX(w->info.max_ns, max_ns);
    w->info.min_lsn = MIN(w->info.min_lsn, min_lsn);
    w->info.max_lsn = MAX(w->info.max_lsn, max_lsn);
}

static void footer_put(const struct part_info *i, struct block_ref meta, struct buf *to)
{
    buf_u64(to, i->id);
    buf_put(to, i->uuid, sizeof i->uuid);
    buf_u8(to, i->kind);
    buf_u8(to, i->level);
    buf_u16(to, i->class);
    buf_u64(to, (uint64_t)i->start_ns);
    buf_u64(to, (uint64_t)i->end_ns);
    buf_u64(to, (uint64_t)i->min_ns);
    buf_u64(to, (uint64_t)i->max_ns);
    buf_u64(to, i->min_lsn);
    buf_u64(to, i->max_lsn);
    buf_u64(to, i->rows);
    buf_u64(to, i->dead_id);
    buf_u64(to, meta.offset);
    buf_u32(to, meta.length);
}

static void trailer_put(struct part_writer *w, struct block_ref footer)
{
    size_t start = w->out.len;
    buf_u64(&w->out, footer.offset);
    buf_u32(&w->out, footer.length);
    buf_u32(&w->out, PART_VERSION);
    buf_put(&w->out, w->info.uuid, sizeof w->info.uuid);
    buf_u64(&w->out, hash64(slice_of(w->out.ptr + start, w->out.len - start), 0));
    buf_slice(&w->out, SLICE("STOAEND\n"));
    w->offset += PART_TRAILER_BYTES;
    w->info.bytes = w->offset;
}

enum status part_writer_finish(struct part_writer *w, struct slice meta, struct err *err)
{
    struct block_ref meta_ref, footer_ref;
    struct buf footer;
    char folder[PART_PATH_BYTES_MAX];
    if (w->info.rows == 0) { /* a kind may keep what is not a row; the ranges must still be ranges */
        w->info.min_ns = w->info.start_ns;
        w->info.max_ns = w->info.start_ns;
        w->info.min_lsn = w->info.max_lsn = 0;
    }
    buf_init(&footer, 0);
    enum status st = write_block(w, BLOCK_META, CODEC_ZSTD, meta, PART_META_BYTES_MAX, &meta_ref, err);
    if (st)
        goto done;
    footer_put(&w->info, meta_ref, &footer);
    st = write_block(w, BLOCK_FOOTER, CODEC_RAW, buf_as_slice(&footer), PART_META_BYTES_MAX, &footer_ref, err);
    if (st)
        goto done;
    trailer_put(w, footer_ref);
    if (w->file == NULL)
        goto done;
    st = push(w, 0, err);
    if (st == ST_OK)
        st = file_sync(w->file, err);
    part_folder(w->env, w->kind, &w->info, folder);
    if (st == ST_OK)
        st = fs_sync_dir(w->env->fs, folder, err);
    st = part_env_wrote(w->env, st);
done:
    buf_free(&footer);
    return st;
}

void part_writer_free(struct part_writer *w, bool remove)
{
    if (w == NULL)
        return;
    file_close(w->file);
    if (w->file && remove) {
        struct err ignored; /* an orphan is deleted at the next start anyway */
        enum status st = fs_unlink(w->env->fs, w->path, &ignored);
        (void)st;
    }
    cache_coder_give(w->env->cache, w->coder);
    buf_free(&w->out);
    crypt_key_wipe(&w->key);
    mem_free(w->path);
    mem_free(w);
}
