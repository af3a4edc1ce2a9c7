/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "base/hash.h"
#include "base/map.h"
#include "base/num.h"
#include "base/unit.h"

TEST(slice_cut_splits_at_the_first_separator_and_says_when_there_is_none)
{
    struct slice head, tail;
    CHECK(slice_cut(SLICE("a=b=c"), '=', &head, &tail));
    CHECK_STR(head, "a");
    CHECK_STR(tail, "b=c");
    CHECK(!slice_cut(SLICE("abc"), '=', &head, &tail));
    CHECK_STR(head, "abc");
    CHECK_INT(tail.len, 0);
}

TEST(slice_next_gives_lines_without_an_empty_last_one)
{
    struct slice rest = SLICE("one\n\nthree\n"), line;
    int lines = 0;
    while (slice_next(&rest, '\n', &line))
        lines++;
    CHECK_INT(lines, 3);
}

TEST(arena_notes_going_over_its_maximum_and_goes_on)
{
    struct arena *a = arena_new(64 * KIB);
    for (int i = 0; i < 100; i++)
        memset(arena_alloc(a, 1000), i, 1000);
    CHECK(arena_over(a));
    arena_reset(a);
    CHECK(!arena_over(a));
    CHECK_STR(arena_printf(a, "%d-%s", 7, "x"), "7-x");
    arena_free(a);
}

TEST(arenas_of_a_group_have_one_maximum_between_them)
{
    struct arena_group group = { .bytes_max = 64 * KIB };
    struct arena *a = arena_new_in(&group), *b = arena_new_in(&group);
    arena_alloc(a, 40 * KIB);
    CHECK(!arena_over(a) && !arena_over(b));
    arena_alloc(b, 40 * KIB);
    CHECK(arena_over(a) && arena_over(b));
    arena_free(b);
    CHECK(!arena_over(a));
    CHECK_INT(arena_bytes(a), group.bytes);
    arena_free(a);
    CHECK_INT(group.bytes, 0);
}

TEST(arena_push_keeps_all_elements_in_order)
{
    struct arena *a = arena_new(0);
    int *list = NULL;
    size_t count = 0, cap = 0;
    for (int i = 0; i < 10000; i++)
        ARENA_PUSH(a, list, count, cap) = i;
    for (int i = 0; i < 10000; i++)
        CHECK_INT(list[i], i);
    arena_free(a);
}

TEST(buf_drops_and_notes_what_is_over_its_maximum)
{
    struct buf b;
    buf_init(&b, 4);
    buf_slice(&b, SLICE("abc"));
    CHECK(!buf_over(&b));
    buf_slice(&b, SLICE("de"));
    CHECK(buf_over(&b));
    CHECK_INT(b.len, 3);
    buf_free(&b);
}

TEST(reader_gives_back_what_buf_wrote_and_marks_a_short_input_bad)
{
    struct buf b;
    buf_init(&b, 0);
    buf_varint(&b, UINT64_MAX);
    buf_zigzag(&b, INT64_MIN);
    buf_u32(&b, 0xdeadbeef);
    buf_lenslice(&b, SLICE("text"));
    struct reader r = reader_of(buf_as_slice(&b));
    CHECK(read_varint(&r) == UINT64_MAX);
    CHECK(read_zigzag(&r) == INT64_MIN);
    CHECK_INT(read_u32(&r), 0xdeadbeef);
    CHECK_STR(read_lenslice(&r), "text");
    CHECK(!r.bad && reader_left(&r) == 0);
    read_u8(&r);
    CHECK(r.bad);
    buf_free(&b);
}

TEST(map_keeps_every_key_through_growth_and_removal)
{
    struct arena *a = arena_new(0);
    struct map m;
    map_init(&m);
    for (uint64_t i = 0; i < 5000; i++) {
        bool added;
        *map_put(&m, arena_printf(a, "key-%d", (int)i), &added) = i;
        CHECK(added);
    }
    for (int i = 0; i < 5000; i += 2)
        CHECK(map_remove(&m, arena_printf(a, "key-%d", i)));
    for (int i = 0; i < 5000; i++) {
        uint64_t *v = map_get(&m, arena_printf(a, "key-%d", i));
        CHECK((v != NULL) == (i % 2 == 1));
        CHECK(!v || *v == (uint64_t)i);
    }
    map_free(&m);
    arena_free(a);
}

static struct slice fixed(double v)
{
    static char text[NUM_TEXT_BYTES_MAX];
    return slice_of(text, num_format_fixed(v, text));
}

TEST(num_formats_floats_as_prometheus_answers_them)
{
    CHECK_STR(fixed(0.1), "0.1");
    CHECK_STR(fixed(1e21), "1000000000000000000000");
    CHECK_STR(fixed(-0.0), "-0");
    CHECK_STR(fixed(NAN), "NaN");
    CHECK_STR(fixed(INFINITY), "+Inf");
    CHECK_STR(fixed(1.0 / 3), "0.3333333333333333");
}

TEST(num_parses_every_float_spelling_of_the_exposition_formats)
{
    double v;
    CHECK(num_parse_double(SLICE("+Inf"), &v) && isinf(v));
    CHECK(num_parse_double(SLICE("-1.5e3"), &v) && v == -1500);
    CHECK(num_parse_double(SLICE("nan"), &v) && isnan(v));
    CHECK(num_parse_double(SLICE("0x1p-2"), &v) && v == 0.25);
    CHECK(!num_parse_double(SLICE("1.5x"), &v));
    CHECK(!num_parse_double(SLICE(""), &v));
}

TEST(num_refuses_what_is_no_number_to_go)
{
    static const struct slice none[] = { SLICE_INIT("0x-1"), SLICE_INIT("0xinf"), SLICE_INIT("0xnan"), SLICE_INIT("nan(1)"), SLICE_INIT("--1"),
                                         SLICE_INIT("+-1"),  SLICE_INIT("0x"),    SLICE_INIT("1e400"), SLICE_INIT("0x1p2000") };
    double v;
    int64_t i;
    for (size_t k = 0; k < COUNT_OF(none); k++)
        CHECK(!num_parse_double(none[k], &v));
    CHECK(!num_parse_i64(SLICE("+-5"), &i));
    CHECK(!num_parse_i64(SLICE("++5"), &i));
    CHECK(num_parse_i64(SLICE("+5"), &i) && i == 5);
}

/* "0.", or "1", count zeros, and the end. */
static struct slice many_zeros(struct arena *a, const char *start, int count, const char *end)
{
    return arena_printf(a, "%s%0*d%s", start, count, 0, end);
}

TEST(num_tells_too_small_from_too_large_however_it_is_written)
{
    struct arena *a = arena_new(0);
    double v = 1;
    CHECK(num_parse_double(many_zeros(a, "0.", 400, "1"), &v) && v == 0);
    CHECK(num_parse_double(SLICE("1e-400"), &v) && v == 0);
    CHECK(num_parse_double(SLICE("-0x1p-2000"), &v) && v == 0 && signbit(v));
    CHECK(num_parse_double(SLICE("1e-99999999999999999999"), &v) && v == 0);
    CHECK(!num_parse_double(many_zeros(a, "1", 400, ""), &v));
    CHECK(!num_parse_double(many_zeros(a, "1", 400, "e-1"), &v));
    CHECK(!num_parse_double(many_zeros(a, "0x1", 400, "p-1"), &v));
    arena_free(a);
}

TEST(reader_gives_nothing_more_after_a_length_that_is_too_large)
{
    struct reader r = reader_of(SLICE("\x09tail"));
    CHECK_INT(read_lenslice(&r).len, 0);
    CHECK(r.bad);
    CHECK_INT(read_u8(&r), 0);
}

TEST(err_prefix_puts_the_place_before_the_sentence)
{
    struct err err;
    CHECK_INT(err_set(&err, ST_LIMIT, "too long: %d", 7), ST_LIMIT);
    CHECK_INT(err_prefix(&err, "file %s: ", "x"), ST_LIMIT);
    CHECK_STR(slice_str(err.text), "file x: too long: 7");
}

TEST(the_old_hash_is_the_one_of_its_specification)
{
    CHECK(hash64_old(SLICE("")) == 0xef46db3751d8e999ull);
    CHECK(hash64_old(SLICE("abc")) == 0x44bc2cf5ad770999ull);
}
