/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes decompress within the limit or are refused; what was compressed comes back; what validates decompresses. */
#include "codec/compress.h"
#include "fuzz/fuzz.h"

enum { PLAIN_BYTES_MAX = 1 * MIB };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice in = slice_of(data, size), out;
    struct buf packed, plain, room;
    struct err err;
    buf_init(&packed, 0);
    buf_init(&plain, 0);
    buf_init(&room, 0);
    enum status st = snappy_decompress(in, PLAIN_BYTES_MAX, &plain, &err);
    MUST(st == ST_OK || st == ST_INVALID || st == ST_LIMIT);
    MUST(plain.len <= PLAIN_BYTES_MAX);
    bool framed = slice_starts(in, SLICE("\xff\x06\x00\x00sNaPpY"));
    if (!framed)
        MUST(st == ST_LIMIT || snappy_looks_like(in) == (st == ST_OK));
    buf_reset(&plain);
    snappy_compress_block(in, &packed);
    MUST(snappy_looks_like(buf_as_slice(&packed)));
    MUST(snappy_decompress(buf_as_slice(&packed), size, &plain, &err) == ST_OK && slice_eq(buf_as_slice(&plain), in));
    if (body_decode(SLICE("snappy"), in, true, PLAIN_BYTES_MAX, &room, &out, &err) == ST_OK)
        MUST(out.ptr == in.ptr || out.len <= PLAIN_BYTES_MAX);
    buf_free(&packed);
    buf_free(&plain);
    buf_free(&room);
    return 0;
}
