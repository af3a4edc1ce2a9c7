/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "query/patterns.h"

static struct slice pattern_of(struct patterns *p, uint32_t shape, struct buf *out)
{
    buf_reset(out);
    patterns_text(p, patterns_of_shape(p, shape), out);
    return buf_as_slice(out);
}

TEST(lines_that_differ_in_numbers_are_of_one_pattern)
{
    struct patterns *p = patterns_new();
    struct buf text;
    buf_init(&text, 0);
    uint32_t a = patterns_add(p, SLICE("took 15 ms for user 7 at 10.0.0.1:80"));
    uint32_t b = patterns_add(p, SLICE("took 3 ms for user 9 at 10.0.0.2:81"));
    CHECK(a == b);
    CHECK(patterns_join(p) == 1);
    CHECK(slice_eq(pattern_of(p, a, &text), SLICE("took <_> ms for user <_> at <_>")));
    buf_free(&text);
    patterns_free(p);
}

TEST(a_word_of_many_values_is_a_variable_and_one_of_few_is_not)
{
    static const struct slice lines[] = { SLICE_INIT("session opened for user ann"), SLICE_INIT("session opened for user bob"),
                                          SLICE_INIT("session opened for user cy"), SLICE_INIT("session opened for user dee"),
                                          SLICE_INIT("session closed for user ann"), SLICE_INIT("session closed for user bob"),
                                          SLICE_INIT("session closed for user cy"), SLICE_INIT("session closed for user dee") };
    uint32_t shape[COUNT_OF(lines)];
    struct patterns *p = patterns_new();
    struct buf text;
    buf_init(&text, 0);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        shape[i] = patterns_add(p, lines[i]);
    CHECK(patterns_join(p) == 2);
    CHECK(slice_eq(pattern_of(p, shape[0], &text), SLICE("session opened for user <_>")));
    CHECK(slice_eq(pattern_of(p, shape[7], &text), SLICE("session closed for user <_>")));
    buf_free(&text);
    patterns_free(p);
}

TEST(lists_of_any_length_are_of_one_pattern)
{
    struct patterns *p = patterns_new();
    struct buf text;
    buf_init(&text, 0);
    uint32_t a = patterns_add(p, SLICE("nodes n1 up, n2 up, n3 up, done"));
    uint32_t b = patterns_add(p, SLICE("nodes n1 up, n2 up, n3 up, n4 up, n5 up, done"));
    CHECK(a == b);
    CHECK(patterns_join(p) == 1);
    CHECK(slice_eq(pattern_of(p, a, &text), SLICE("nodes <_> up<_> done")));
    buf_free(&text);
    patterns_free(p);
}

TEST(names_in_angles_are_written_as_variables_for_the_filter_would_read_them_so)
{
    struct patterns *p = patterns_new();
    struct buf text;
    buf_init(&text, 0);
    uint32_t a = patterns_add(p, SLICE("field <name> is missing "));
    CHECK(patterns_join(p) == 1);
    CHECK(slice_eq(pattern_of(p, a, &text), SLICE("field <_> is <_>")));
    buf_free(&text);
    patterns_free(p);
}

TEST(too_many_shapes_are_told_and_an_empty_line_has_one)
{
    struct patterns *p = patterns_new();
    char line[] = "aaaaaa starts";
    uint32_t refused = 0;
    CHECK(patterns_add(p, SLICE_EMPTY) == 0);
    for (int i = 0; i < PATTERN_SHAPES_MAX + 10; i++) {
        for (int k = 0, n = i; k < 6; k++, n /= 20)
            line[k] = (char)('g' + n % 20);
        refused += patterns_add(p, slice_of(line, sizeof line - 1)) == PATTERN_NONE;
    }
    CHECK(refused == 11);
    CHECK(patterns_shapes(p) == PATTERN_SHAPES_MAX);
    patterns_free(p);
}

TEST(what_is_behind_the_words_that_are_read_is_a_variable)
{
    struct patterns *p = patterns_new();
    struct buf line, text;
    uint32_t shapes[2];
    buf_init(&line, 0);
    buf_init(&text, 0);
    for (int i = 0; i < 2; i++) {
        buf_reset(&line);
        buf_slice(&line, SLICE("sum of"));
        for (int k = 0; k < 3 * PATTERN_TOKENS_MAX; k++)
            buf_slice(&line, SLICE(" 1"));
        buf_slice(&line, i ? SLICE(" good") : SLICE(" bad ones"));
        shapes[i] = patterns_add(p, buf_as_slice(&line));
    }
    CHECK(shapes[0] == shapes[1]);
    CHECK(patterns_join(p) == 1);
    CHECK(slice_eq(pattern_of(p, shapes[0], &text), SLICE("sum of <_>")));
    buf_free(&line);
    buf_free(&text);
    patterns_free(p);
}
