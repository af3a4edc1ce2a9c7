/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes as gzip, zlib, raw deflate, zstd and lz4: within the limit or refused. What was compressed comes back. */
#include "codec/compress.h"
#include "fuzz/fuzz.h"

enum { PLAIN_BYTES_MAX = 1 * MIB, LEVELS = 9 };

static void any_bytes(struct slice in, size_t bytes_max)
{
    struct buf plain;
    struct err err;
    struct slice out;
    buf_init(&plain, 0);
    enum status st = gzip_decompress(in, bytes_max, &plain, &err);
    MUST((st == ST_OK || st == ST_INVALID || st == ST_LIMIT) && plain.len <= bytes_max);
    buf_reset(&plain);
    st = zstd_decompress(NULL, in, bytes_max, &plain, &err);
    MUST((st == ST_OK || st == ST_INVALID || st == ST_LIMIT) && (st || plain.len <= bytes_max));
    buf_reset(&plain);
    st = lz4_decompress(in, bytes_max, &plain, &err);
    MUST(st == ST_INVALID || (st == ST_OK && plain.len == bytes_max));
    buf_reset(&plain);
    if (body_decode(SLICE("deflate"), in, false, bytes_max, &plain, &out, &err) == ST_OK)
        MUST(out.ptr == in.ptr || out.len <= bytes_max);
    buf_free(&plain);
}

static void round_trip(struct slice in, int level)
{
    struct buf packed, plain;
    struct err err;
    buf_init(&packed, 0);
    buf_init(&plain, 0);
    gzip_compress(in, level, &packed);
    gzip_compress(in, level, &packed); /* two members */
    MUST(gzip_decompress(buf_as_slice(&packed), 2 * in.len, &plain, &err) == ST_OK && plain.len == 2 * in.len);
    MUST(slice_eq(slice_skip(buf_as_slice(&plain), in.len), in));
    buf_reset(&packed), buf_reset(&plain);
    zstd_compress(NULL, in, 1, &packed);
    MUST(zstd_decompress(NULL, buf_as_slice(&packed), in.len, &plain, &err) == ST_OK && slice_eq(buf_as_slice(&plain), in));
    buf_reset(&packed), buf_reset(&plain);
    lz4_compress(in, &packed);
    MUST(lz4_decompress(buf_as_slice(&packed), in.len, &plain, &err) == ST_OK && slice_eq(buf_as_slice(&plain), in));
    buf_free(&packed);
    buf_free(&plain);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size);
    any_bytes(in, PLAIN_BYTES_MAX);
    any_bytes(in, size);
    round_trip(in, size ? 1 + data[0] % LEVELS : 1);
    return 0;
}
