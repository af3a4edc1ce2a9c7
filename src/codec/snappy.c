/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy blocks (libsnappy), the framed format around them, and telling whether bytes are a block at all.
 * Format: https://github.com/google/snappy/blob/main/format_description.txt and framing_format.txt */
#include <snappy-c.h>

#include "codec/compress.h"

enum { CHUNK_COMPRESSED = 0x00, CHUNK_RAW = 0x01, CHUNK_SKIPPABLE_MIN = 0x80, CHUNK_HEADER_BYTES = 4, CHUNK_CRC_BYTES = 4 };

#define STREAM_ID "\xff\x06\x00\x00sNaPpY"

static enum status block(struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    size_t n;
    if (snappy_uncompressed_length(in.ptr, in.len, &n) != SNAPPY_OK)
        return err_set(err, ST_INVALID, "snappy: the length at the start does not parse");
    if (n > bytes_max)
        return err_set(err, ST_LIMIT, "snappy: %zu bytes when decompressed, at most %zu are allowed", n, bytes_max);
    char *to = buf_room(out, n ? n : 1);
    if (to == NULL)
        return err_set(err, ST_LIMIT, "snappy: %zu bytes when decompressed, at most %zu are allowed", n, out->max);
    if (snappy_uncompress(in.ptr, in.len, to, &n) != SNAPPY_OK)
        return err_set(err, ST_INVALID, "snappy: the block is damaged");
    buf_added(out, n);
    return ST_OK;
}

static enum status framed(struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    size_t start = out->len;
    while (in.len) {
        if (in.len < CHUNK_HEADER_BYTES)
            return err_set(err, ST_INVALID, "snappy: cut off in a chunk's header");
        const uint8_t *b = (const uint8_t *)in.ptr;
        size_t n = b[1] | (size_t)b[2] << 8 | (size_t)b[3] << 16;
        uint8_t type = b[0];
        in = slice_skip(in, CHUNK_HEADER_BYTES);
        if (in.len < n || (type <= CHUNK_RAW && n < CHUNK_CRC_BYTES))
            return err_set(err, ST_INVALID, "snappy: cut off in a chunk");
        struct slice body = slice_sub(in, MIN((size_t)CHUNK_CRC_BYTES, n), n);
        size_t left = bytes_max - (out->len - start);
        in = slice_skip(in, n);
        if (type == CHUNK_COMPRESSED) {
            enum status st = block(body, left, out, err);
            if (st)
                return st;
        } else if (type == CHUNK_RAW) {
            if (body.len > left)
                return err_set(err, ST_LIMIT, "snappy: over %zu bytes when decompressed, which is the limit", bytes_max);
            buf_slice(out, body);
        } else if (type < CHUNK_SKIPPABLE_MIN) {
            return err_set(err, ST_INVALID, "snappy: chunk of unknown type 0x%02x", type);
        }
    }
    return buf_over(out) ? err_set(err, ST_LIMIT, "snappy: over %zu bytes", out->max) : ST_OK;
}

enum status snappy_decompress(struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    struct slice id = slice_of(STREAM_ID, sizeof STREAM_ID - 1);
    return slice_starts(in, id) ? framed(in, bytes_max, out, err) : block(in, bytes_max, out, err);
}

void snappy_compress_block(struct slice in, struct buf *out)
{
    size_t n = snappy_max_compressed_length(in.len);
    char *to = buf_room(out, n);
    if (to && snappy_compress(in.ptr, in.len, to, &n) == SNAPPY_OK)
        buf_added(out, n);
}

bool snappy_looks_like(struct slice in)
{
    return in.len > 0 && snappy_validate_compressed_buffer(in.ptr, in.len) == SNAPPY_OK;
}

/* ---- request bodies ---- */

static bool is_gzip(struct slice s)
{
    return s.len >= 3 && memcmp(s.ptr, "\x1f\x8b\x08", 3) == 0;
}

static bool is_zstd(struct slice s)
{
    return s.len >= 4 && memcmp(s.ptr, "\x28\xb5\x2f\xfd", 4) == 0;
}

static bool known_encoding(struct slice name)
{
    static const struct slice names[] = { SLICE_INIT("identity"), SLICE_INIT("gzip"), SLICE_INIT("x-gzip"), SLICE_INIT("deflate"),
                                          SLICE_INIT("zstd"), SLICE_INIT("snappy"), SLICE_INIT("x-snappy-framed"), SLICE_INIT("none") };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_eq_nocase(name, names[i]))
            return true;
    return name.len == 0;
}

enum status body_decode(struct slice declared, struct slice body, bool want_snappy, size_t bytes_max, struct buf *room, struct slice *out,
                        struct err *err)
{
    enum status st;
    declared = slice_trim(declared);
    *out = body;
    if (!known_encoding(declared))
        return err_set(err, ST_UNSUPPORTED, "Content-Encoding \"%.*s\" is not known; allowed: gzip, deflate, zstd, snappy, identity",
                       SLICE_FMT(declared));
    if (is_gzip(body) || slice_eq_nocase(declared, SLICE("deflate"))) {
        st = gzip_decompress(body, bytes_max, room, err);
    } else if (is_zstd(body)) {
        st = zstd_decompress(NULL, body, bytes_max, room, err);
    } else if (slice_starts(declared, SLICE("snappy")) || slice_starts(declared, SLICE("x-snappy")) || (want_snappy && snappy_looks_like(body))) {
        st = snappy_decompress(body, bytes_max, room, err);
    } else {
        /* Declared gzip or zstd without its magic: some clients declare and do not compress. */
        return ST_OK;
    }
    if (!st)
        *out = buf_as_slice(room);
    return st;
}
