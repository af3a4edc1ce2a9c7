/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "codec/compress.h"
#include "codec/hex.h"
#include "codec/url.h"

/* The framed snappy format of "hello": identifier, a raw chunk with its masked checksum, then a chunk to skip. */
#define FRAMED_HELLO "\xff\x06\x00\x00sNaPpY\x01\x09\x00\x00\xbb\x1f\x1c\x19hello\xfe\x02\x00\x00zz"

TEST(compress_snappy_frames_are_read_and_their_checksums_held)
{
    struct buf out;
    struct err err;
    char bytes[sizeof FRAMED_HELLO - 1];
    buf_init(&out, 0);
    memcpy(bytes, FRAMED_HELLO, sizeof bytes);
    CHECK_INT(snappy_decompress(slice_of(bytes, sizeof bytes), 5, &out, &err), ST_OK);
    CHECK_STR(buf_as_slice(&out), "hello");
    CHECK_INT(snappy_decompress(slice_of(bytes, sizeof bytes), 4, &out, &err), ST_LIMIT);
    bytes[20] ^= 1;
    CHECK_INT(snappy_decompress(slice_of(bytes, sizeof bytes), 5, &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "snappy: the checksum of a chunk does not fit");
    buf_free(&out);
}

TEST(compress_gzip_members_one_after_another_are_one_text)
{
    struct buf packed, out;
    struct err err;
    buf_init(&packed, 0);
    buf_init(&out, 0);
    gzip_compress(SLICE("one "), 1, &packed);
    gzip_compress(SLICE_EMPTY, 6, &packed);
    gzip_compress(SLICE("two"), 9, &packed);
    CHECK_INT(gzip_decompress(buf_as_slice(&packed), 7, &out, &err), ST_OK);
    CHECK_STR(buf_as_slice(&out), "one two");
    buf_reset(&out);
    CHECK_INT(gzip_decompress(buf_as_slice(&packed), 6, &out, &err), ST_LIMIT);
    CHECK_STR(slice_str(err.text), "gzip: over 6 bytes when decompressed, which is the limit");
    CHECK_INT(gzip_decompress(slice_sub(buf_as_slice(&packed), 0, 12), 100, &out, &err), ST_INVALID);
    buf_free(&packed);
    buf_free(&out);
}

TEST(compress_zlib_and_raw_deflate_are_told_apart)
{
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    /* A stored block "hi", plain and in zlib's wrapping. */
    struct slice raw = SLICE("\x01\x02\x00\xfd\xffhi"), zlib = SLICE("\x78\x01\x01\x02\x00\xfd\xffhi\x01\x3b\x00\xd2");
    CHECK_INT(gzip_decompress(raw, 10, &out, &err), ST_OK);
    CHECK_INT(gzip_decompress(zlib, 10, &out, &err), ST_OK);
    CHECK_STR(buf_as_slice(&out), "hihi");
    buf_free(&out);
}

TEST(compress_zstd_frames_without_a_size_and_several_frames_are_read)
{
    struct zstd_ctx *c = zstd_ctx_new();
    struct buf packed, out;
    struct err err;
    buf_init(&packed, 0);
    buf_init(&out, 0);
    zstd_compress(c, SLICE("one "), 3, &packed);
    zstd_compress(c, SLICE("two"), 3, &packed);
    CHECK_INT(zstd_decompress(c, buf_as_slice(&packed), 7, &out, &err), ST_OK);
    CHECK_STR(buf_as_slice(&out), "one two");
    CHECK_INT(zstd_decompress(c, buf_as_slice(&packed), 6, &out, &err), ST_LIMIT);
    buf_reset(&out);
    /* Magic, a header without a content size and a window of 1 KiB, one last raw block "hi". */
    CHECK_INT(zstd_decompress(c, SLICE("\x28\xb5\x2f\xfd\x00\x00\x11\x00\x00hi"), 2, &out, &err), ST_OK);
    CHECK_STR(buf_as_slice(&out), "hi");
    CHECK_INT(zstd_decompress(c, SLICE("\x28\xb5\x2f\xfd\x00\x00\x11\x00\x00hi"), 1, &out, &err), ST_LIMIT);
    CHECK_INT(zstd_decompress(c, SLICE("no frame"), 100, &out, &err), ST_INVALID);
    CHECK_INT(zstd_decompress(c, SLICE_EMPTY, 100, &out, &err), ST_INVALID);
    zstd_ctx_free(c);
    buf_free(&packed);
    buf_free(&out);
}

TEST(compress_bodies_are_taken_by_what_they_are_rather_than_what_they_say)
{
    static const struct {
        struct slice declared, body;
        bool want_snappy;
        enum status st;
        struct slice want;
    } cases[] = {
        { SLICE_INIT(""), SLICE_INIT("{}"), true, ST_OK, SLICE_INIT("{}") },
        { SLICE_INIT("identity"), SLICE_INIT("\x02\x04hi"), true, ST_OK, SLICE_INIT("hi") },
        { SLICE_INIT("identity"), SLICE_INIT("\x02\x04hi"), false, ST_OK, SLICE_INIT("\x02\x04hi") },
        { SLICE_INIT("snappy"), SLICE_INIT("\x02\x04hi"), false, ST_OK, SLICE_INIT("hi") },
        { SLICE_INIT("snappy"), SLICE_INIT("{}"), false, ST_OK, SLICE_INIT("{}") },
        { SLICE_INIT("snappy"), SLICE_INIT("\x05\x04hi"), false, ST_INVALID, SLICE_INIT("") },
        { SLICE_INIT(" Gzip "), SLICE_INIT(FRAMED_HELLO), false, ST_OK, SLICE_INIT("hello") },
        { SLICE_INIT("deflate"), SLICE_INIT("\x01\x02\x00\xfd\xffhi"), false, ST_OK, SLICE_INIT("hi") },
        { SLICE_INIT("deflate"), SLICE_INIT("{\"a\":1}"), false, ST_OK, SLICE_INIT("{\"a\":1}") },
        { SLICE_INIT("gzip"), SLICE_INIT("\x1f\x8b\x08 damaged"), false, ST_INVALID, SLICE_INIT("") },
        { SLICE_INIT("br"), SLICE_INIT("x"), false, ST_UNSUPPORTED, SLICE_INIT("") },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct buf room;
        struct slice out;
        struct err err;
        buf_init(&room, 0);
        CHECK_INT(body_decode(cases[i].declared, cases[i].body, cases[i].want_snappy, 100, &room, &out, &err), cases[i].st);
        if (cases[i].st == ST_OK)
            CHECK(slice_eq(out, cases[i].want));
        buf_free(&room);
    }
}

TEST(compress_lz4_refuses_a_wrong_length)
{
    struct buf packed, out;
    struct err err;
    buf_init(&packed, 0);
    buf_init(&out, 0);
    lz4_compress(SLICE_EMPTY, &packed);
    CHECK_INT(lz4_decompress(buf_as_slice(&packed), 0, &out, &err), ST_OK);
    CHECK_INT(lz4_decompress(SLICE("\xf0\xff\xff"), 100, &out, &err), ST_INVALID);
    buf_free(&packed);
    buf_free(&out);
}

TEST(base64_padding_is_right_or_not_there)
{
    struct buf b;
    buf_init(&b, 0);
    CHECK(base64_decode(SLICE("aGk="), &b) && base64_decode(SLICE("aGk"), &b) && base64_decode(SLICE("_-8"), &b));
    CHECK(slice_eq(buf_as_slice(&b), SLICE("hihi\xff\xef")));
    CHECK(!base64_decode(SLICE("aGk=="), &b) && !base64_decode(SLICE("a==="), &b) && !base64_decode(SLICE("aGk=aGk="), &b));
    CHECK(!base64_decode(SLICE("aG k"), &b));
    buf_free(&b);
}

TEST(url_pairs_come_off_a_query_string)
{
    struct slice rest = SLICE("a=1&&b&c=x=y&"), key, value;
    CHECK(url_next_pair(&rest, &key, &value));
    CHECK_STR(value, "1");
    CHECK(url_next_pair(&rest, &key, &value));
    CHECK_STR(key, "b");
    CHECK_STR(value, "");
    CHECK(url_next_pair(&rest, &key, &value));
    CHECK_STR(value, "x=y");
    CHECK(!url_next_pair(&rest, &key, &value));
}
