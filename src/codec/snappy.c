/* SPDX-License-Identifier: Apache-2.0 */
/* Snappy blocks (libsnappy), the framed format around them, and telling whether bytes are a block at all.
 * Format: https://github.com/google/snappy/blob/main/format_description.txt and framing_format.txt */
#include <snappy-c.h>

#include "codec/compress.h"
#include "codec/crc32c.h"

enum { CHUNK_COMPRESSED = 0x00, CHUNK_RAW = 0x01, CHUNK_SKIPPABLE_MIN = 0x80, CHUNK_HEADER_BYTES = 4, CHUNK_CRC_BYTES = 4 };

#define STREAM_ID "\xff\x06\x00\x00sNaPpY"

/* As the framed format stores it: rotated and moved, so that a checksum of checksums is none. */
static uint32_t masked_crc32c(const struct crc32c *c, struct slice s)
{
    uint32_t v = crc32c_of(c, s);
    return (v >> 15 | v << 17) + 0xa282ead8u;
}

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

/* One data chunk: four bytes of checksum of what it decompresses to, then that. */
static enum status chunk(const struct crc32c *crc, bool compressed, struct slice body, size_t bytes_max, struct buf *out, struct err *err)
{
    if (body.len < CHUNK_CRC_BYTES)
        return err_set(err, ST_INVALID, "snappy: a chunk of %zu bytes is too short for its checksum", body.len);
    struct reader r = reader_of(body);
    uint32_t want = read_u32(&r);
    size_t before = out->len;
    body = slice_skip(body, CHUNK_CRC_BYTES);
    if (compressed) {
        enum status st = block(body, bytes_max, out, err);
        if (st)
            return st;
    } else {
        if (body.len > bytes_max)
            return err_set(err, ST_LIMIT, "snappy: %zu bytes when decompressed, at most %zu are left of the limit", body.len, bytes_max);
        buf_slice(out, body);
        if (buf_over(out))
            return err_set(err, ST_LIMIT, "snappy: over %zu bytes when decompressed, which is the limit", out->max);
    }
    if (masked_crc32c(crc, slice_skip(buf_as_slice(out), before)) != want)
        return err_set(err, ST_INVALID, "snappy: the checksum of a chunk does not fit");
    return ST_OK;
}

static enum status framed(struct slice in, size_t bytes_max, struct buf *out, struct err *err)
{
    size_t start = out->len;
    struct crc32c crc;
    crc32c_init(&crc);
    while (in.len) {
        if (in.len < CHUNK_HEADER_BYTES)
            return err_set(err, ST_INVALID, "snappy: cut off in a chunk's header");
        const uint8_t *b = (const uint8_t *)in.ptr;
        size_t n = b[1] | (size_t)b[2] << 8 | (size_t)b[3] << 16;
        uint8_t type = b[0];
        in = slice_skip(in, CHUNK_HEADER_BYTES);
        if (in.len < n)
            return err_set(err, ST_INVALID, "snappy: cut off in a chunk");
        if (type <= CHUNK_RAW) {
            enum status st = chunk(&crc, type == CHUNK_COMPRESSED, slice_sub(in, 0, n), bytes_max - (out->len - start), out, err);
            if (st)
                return st;
        } else if (type < CHUNK_SKIPPABLE_MIN) {
            return err_set(err, ST_INVALID, "snappy: chunk of unknown type 0x%02x", type);
        }
        in = slice_skip(in, n);
    }
    return ST_OK;
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

/* What a body that is not compressed at all may begin with: JSON, or the first field of a protobuf message. */
static bool looks_plain(struct slice body)
{
    return body.len == 0 || body.ptr[0] == '{' || body.ptr[0] == '[' || body.ptr[0] == '\n';
}

enum status body_decode(struct slice declared, struct slice body, bool want_snappy, size_t bytes_max, struct buf *room, struct slice *out,
                        struct err *err)
{
    enum status st;
    declared = slice_trim(declared);
    *out = body;
    if (!known_encoding(declared))
        return err_set(err, ST_UNSUPPORTED, "Content-Encoding \"%.*s\" is not known; allowed: gzip, deflate, zstd, snappy, identity",
                       (int)MIN(declared.len, (size_t)60), declared.ptr);
    bool says_snappy = slice_eq_nocase(declared, SLICE("snappy")) || slice_eq_nocase(declared, SLICE("x-snappy-framed"));
    bool framed_body = slice_starts(body, slice_of(STREAM_ID, sizeof STREAM_ID - 1));
    if (is_gzip(body) || slice_eq_nocase(declared, SLICE("deflate"))) {
        st = gzip_decompress(body, bytes_max, room, err);
        /* Raw deflate has no magic and may begin with '{', too: so trying it comes first. */
        if (st && !is_gzip(body) && looks_plain(body))
            return ST_OK;
    } else if (is_zstd(body)) {
        st = zstd_decompress(NULL, body, bytes_max, room, err);
    } else if (framed_body || says_snappy || want_snappy) {
        /* Trying is cheaper than looking it through first: nearly always it is what it says. */
        st = snappy_decompress(body, bytes_max, room, err);
        if (st && !framed_body && !snappy_looks_like(body) && (looks_plain(body) || !says_snappy)) {
            buf_reset(room);
            return ST_OK;
        }
    } else {
        /* Declared and not done: some clients send the header and the plain body. */
        return ST_OK;
    }
    if (!st)
        *out = buf_as_slice(room);
    return st;
}
