/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"
#include "base/unit.h"
#include "base/utf8.h"

static struct slice repaired(struct slice s)
{
    static struct buf out;
    buf_reset(&out);
    utf8_repair(s, &out);
    return buf_as_slice(&out);
}

TEST(utf8_every_code_point_is_written_and_read_back)
{
    for (uint32_t c = 0; c <= 0x10ffff; c++) {
        char text[4];
        uint32_t got = 0;
        size_t n = utf8_put(c, text);
        CHECK_INT(utf8_decode(slice_of(text, n), &got), n);
        CHECK(utf8_is_valid(slice_of(text, n)));
        CHECK(got == (c >= 0xd800 && c <= 0xdfff ? 0xfffd : c));
        CHECK_INT(utf8_decode(slice_of(text, n - 1), &got), 0);
    }
}

TEST(utf8_refuses_overlong_forms_surrogates_and_what_is_too_large)
{
    static const char *const wrong[] = { "\xc0\x80", "\xe0\x80\x80", "\xf0\x80\x80\x80", "\xed\xa0\x80", "\xf4\x90\x80\x80", "\x80", "\xff" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!utf8_is_valid(slice_str(wrong[i])));
    CHECK(!utf8_is_valid(SLICE("12345678\xe2\x82")));
    CHECK(utf8_is_valid(SLICE("12345678\xe2\x82\xac")));
}

TEST(utf8_repair_puts_one_mark_for_each_broken_piece)
{
    CHECK_STR(repaired(SLICE("")), "");
    CHECK_STR(repaired(SLICE("gr\xc3\xbcn")), "gr\xc3\xbcn");
    CHECK_STR(repaired(SLICE("a\xff" "b")), "a\xef\xbf\xbd" "b");
    CHECK_STR(repaired(SLICE("\xe2\x82" "a")), "\xef\xbf\xbd" "a");         /* a cut euro sign: one piece */
    CHECK_STR(repaired(SLICE("\xf0\x9f\x98")), "\xef\xbf\xbd");             /* a cut face: one piece */
    CHECK_STR(repaired(SLICE("\xc0\xaf")), "\xef\xbf\xbd\xef\xbf\xbd");     /* never a start: byte by byte */
    CHECK_STR(repaired(SLICE("\xe0\x80")), "\xef\xbf\xbd\xef\xbf\xbd");
}

TEST(utf8_repair_of_any_bytes_is_valid_and_counts_the_same)
{
    struct rand r;
    char bytes[24];
    rand_seed(&r, unit_seed());
    for (int i = 0; i < 20000; i++) {
        size_t n = (size_t)rand_below(&r, sizeof bytes + 1);
        rand_bytes(&r, bytes, n);
        struct slice got = repaired(slice_of(bytes, n));
        CHECK(utf8_is_valid(got));
        CHECK_INT(utf8_count(slice_of(bytes, n)), utf8_count(got));
        CHECK(!utf8_is_valid(slice_of(bytes, n)) || slice_eq(got, slice_of(bytes, n)));
    }
}

TEST(utf8_cut_never_splits_a_character)
{
    CHECK_STR(utf8_cut(SLICE("ab\xe2\x82\xac"), 4), "ab");
    CHECK_STR(utf8_cut(SLICE("ab\xe2\x82\xac"), 5), "ab\xe2\x82\xac");
    CHECK_STR(utf8_cut(SLICE("abc"), 2), "ab");
}
