/* SPDX-License-Identifier: Apache-2.0 */
/* libdeflate wants the output's size beforehand, which gzip tells only modulo 2^32 and at its end, where a sender may lie:
 * so the room starts at four times the input and doubles on "insufficient space" up to the maximum. */
#include "codec/compress.h"

#include <libdeflate.h>
#include <lz4.h>
#include <zstd.h>

enum { FIRST_ROOM_MIN = 4 * KIB };

static enum status too_large(const char *what, size_t bytes_max, struct err *err)
{
    return err_set(err, ST_LIMIT, "%s: over %zu bytes when decompressed, which is the limit", what, bytes_max);
}

/* ---- gzip, zlib, deflate ---- */

enum wrapping { WRAP_GZIP, WRAP_ZLIB, WRAP_RAW };

static enum wrapping wrapping_of(struct slice in)
{
    const uint8_t *b = (const uint8_t *)in.ptr;
    if (in.len >= 2 && b[0] == 0x1f && b[1] == 0x8b)
        return WRAP_GZIP;
    if (in.len >= 2 && (b[0] & 0x0f) == 8 && (b[0] * 256 + b[1]) % 31 == 0)
        return WRAP_ZLIB;
    return WRAP_RAW;
}

static enum libdeflate_result inflate_some(struct libdeflate_decompressor *d, enum wrapping wrap, struct slice in, char *out, size_t room,
                                           size_t *used, size_t *made)
{
    switch (wrap) {
    case WRAP_GZIP: return libdeflate_gzip_decompress_ex(d, in.ptr, in.len, out, room, used, made);
    case WRAP_ZLIB: return libdeflate_zlib_decompress_ex(d, in.ptr, in.len, out, room, used, made);
    case WRAP_RAW: return libdeflate_deflate_decompress_ex(d, in.ptr, in.len, out, room, used, made);
    }
    return LIBDEFLATE_BAD_DATA;
}

/* One member off the front of *in. */
static enum status inflate_member(struct libdeflate_decompressor *d, enum wrapping wrap, struct slice *in, size_t limit, size_t bytes_max,
                                  struct buf *out, struct err *err)
{
    size_t room = MIN(MAX(in->len * 4, (size_t)FIRST_ROOM_MIN), limit), used, made;
    for (;;) {
        char *to = buf_room(out, room ? room : 1);
        if (to == NULL)
            return too_large("gzip", bytes_max, err);
        enum libdeflate_result r = inflate_some(d, wrap, *in, to, room, &used, &made);
        if (r == LIBDEFLATE_SUCCESS) {
            buf_added(out, made);
            *in = slice_skip(*in, used);
            return ST_OK;
        }
        if (r != LIBDEFLATE_INSUFFICIENT_SPACE)
            return err_set(err, ST_INVALID, "gzip: the data is damaged or cut off");
        if (room >= limit)
            return too_large("gzip", bytes_max, err);
        room = MIN(room * 2, limit);
    }
}

enum status gzip_decompress(struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    struct libdeflate_decompressor *d = libdeflate_alloc_decompressor();
    enum wrapping wrap = wrapping_of(in);
    size_t start = out->len;
    enum status st;
    do
        st = inflate_member(d, wrap, &in, bytes_max - (out->len - start), bytes_max, out, err);
    while (st == ST_OK && wrap == WRAP_GZIP && in.len && wrapping_of(in) == WRAP_GZIP);
    libdeflate_free_decompressor(d);
    return st;
}

void gzip_compress(struct slice in, int level, struct buf *out)
{
    struct libdeflate_compressor *c = libdeflate_alloc_compressor(level);
    size_t room = libdeflate_gzip_compress_bound(c, in.len);
    char *to = buf_room(out, room);
    if (to)
        buf_added(out, libdeflate_gzip_compress(c, in.ptr, in.len, to, room));
    libdeflate_free_compressor(c);
}

/* ---- zstd ---- */

enum { ZSTD_LONGEST_MATCH_MIN = 7 };

struct zstd_ctx {
    ZSTD_CCtx *c;
    ZSTD_DCtx *d;
};

struct zstd_ctx *zstd_ctx_new(void)
{
    return mem_new(struct zstd_ctx);
}

void zstd_ctx_free(struct zstd_ctx *c)
{
    if (c == NULL)
        return;
    ZSTD_freeCCtx(c->c);
    ZSTD_freeDCtx(c->d);
    mem_free(c);
}

void zstd_compress(struct zstd_ctx *c, struct slice in, int level, struct buf *out)
{
    struct zstd_ctx own = { 0 }, *use = c ? c : &own;
    if (use->c == NULL)
        use->c = ZSTD_createCCtx();
    size_t room = ZSTD_compressBound(in.len);
    char *to = buf_room(out, room);
    if (to) {
        size_t n = ZSTD_compressCCtx(use->c, to, room, in.ptr, in.len, level);
        assert(!ZSTD_isError(n));
        buf_added(out, n);
    }
    ZSTD_freeCCtx(own.c);
}

void zstd_compress_numbers(struct zstd_ctx *c, struct slice in, struct buf *out)
{
    struct zstd_ctx own = { 0 }, *use = c ? c : &own;
    if (use->c == NULL)
        use->c = ZSTD_createCCtx();
    ZSTD_CCtx_reset(use->c, ZSTD_reset_session_and_parameters);
    ZSTD_CCtx_setParameter(use->c, ZSTD_c_compressionLevel, 1);
    ZSTD_CCtx_setParameter(use->c, ZSTD_c_minMatch, ZSTD_LONGEST_MATCH_MIN);
    size_t room = ZSTD_compressBound(in.len);
    char *to = buf_room(out, room);
    if (to) {
        size_t n = ZSTD_compress2(use->c, to, room, in.ptr, in.len);
        assert(!ZSTD_isError(n));
        buf_added(out, n);
    }
    ZSTD_freeCCtx(own.c);
}

/* Frames that do not tell their size, or lie about it: piece by piece. */
static enum status zstd_stream(ZSTD_DCtx *d, struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    ZSTD_inBuffer src = { in.ptr, in.len, 0 };
    size_t start = out->len, more = 1;
    ZSTD_DCtx_reset(d, ZSTD_reset_session_only);
    while (more || src.pos < src.size) {
        size_t room = MIN(ZSTD_DStreamOutSize(), bytes_max - (out->len - start) + 1);
        char *to = buf_room(out, room);
        if (to == NULL)
            return too_large("zstd", bytes_max, err);
        ZSTD_outBuffer dst = { to, room, 0 };
        size_t before = src.pos;
        more = ZSTD_decompressStream(d, &dst, &src);
        if (ZSTD_isError(more))
            return err_set(err, ST_INVALID, "zstd: %s", ZSTD_getErrorName(more));
        buf_added(out, dst.pos);
        if (out->len - start > bytes_max)
            return too_large("zstd", bytes_max, err);
        if (more && src.pos == before && dst.pos == 0)
            return err_set(err, ST_INVALID, "zstd: the data is cut off");
    }
    return ST_OK;
}

enum status zstd_decompress(struct zstd_ctx *c, struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    struct zstd_ctx own = { 0 }, *use = c ? c : &own;
    enum status st = ST_OK;
    if (use->d == NULL)
        use->d = ZSTD_createDCtx();
    unsigned long long size = ZSTD_getFrameContentSize(in.ptr, in.len);
    if (size == ZSTD_CONTENTSIZE_ERROR) {
        st = err_set(err, ST_INVALID, "zstd: not a zstd frame");
    } else if (size == ZSTD_CONTENTSIZE_UNKNOWN || ZSTD_findFrameCompressedSize(in.ptr, in.len) != in.len) {
        st = zstd_stream(use->d, in, bytes_max, out, err);
    } else if (size > bytes_max) {
        st = too_large("zstd", bytes_max, err);
    } else {
        char *to = buf_room(out, size ? size : 1);
        size_t n = to ? ZSTD_decompressDCtx(use->d, to, size, in.ptr, in.len) : 0;
        if (to == NULL)
            st = too_large("zstd", out->max, err);
        else if (ZSTD_isError(n))
            st = err_set(err, ST_INVALID, "zstd: %s", ZSTD_getErrorName(n));
        else
            buf_added(out, n);
    }
    ZSTD_freeDCtx(own.d);
    return st;
}

/* ---- lz4 ---- */

void lz4_compress(struct slice in, struct buf *out)
{
    assert(in.len <= LZ4_MAX_INPUT_SIZE);
    int room = LZ4_compressBound((int)in.len);
    char *to = buf_room(out, (size_t)room);
    if (to)
        buf_added(out, (size_t)LZ4_compress_default(in.ptr, to, (int)in.len, room));
}

enum status lz4_decompress(struct slice in, size_t raw_len, struct buf *out, struct err *err)
{
    if (in.len > LZ4_MAX_INPUT_SIZE || raw_len > LZ4_MAX_INPUT_SIZE)
        return err_set(err, ST_LIMIT, "lz4: block of %zu bytes, at most %d", raw_len, LZ4_MAX_INPUT_SIZE);
    char *to = buf_room(out, raw_len ? raw_len : 1);
    if (to == NULL)
        return too_large("lz4", out->max, err);
    int n = LZ4_decompress_safe(in.ptr, to, (int)in.len, (int)raw_len);
    if (n < 0 || (size_t)n != raw_len)
        return err_set(err, ST_INVALID, "lz4: the block is damaged");
    buf_added(out, raw_len);
    return ST_OK;
}
