/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "model/matcher.h"

static bool matches(enum match_op op, const char *pattern, const char *value)
{
    struct matcher m;
    struct err err = { 0 };
    if (matcher_init(&m, op, SLICE("a"), slice_str(pattern), &err))
        unit_fail(__FILE__, __LINE__, err.text);
    bool yes = matcher_match(&m, slice_str(value));
    matcher_destroy(&m);
    return yes;
}

TEST(matchers_compare_whole_values)
{
    CHECK(matches(MATCH_EQ, "x", "x") && !matches(MATCH_EQ, "x", "xx"));
    CHECK(matches(MATCH_NE, "x", "y") && !matches(MATCH_NE, "", ""));
    CHECK(matches(MATCH_RE, "x+", "xxx") && !matches(MATCH_RE, "x+", "xxxy"));
    CHECK(matches(MATCH_RE, "a|b", "b") && !matches(MATCH_RE, "a|b", "ab"));
    CHECK(matches(MATCH_RE, ".*", "two\nlines") && matches(MATCH_RE, "", ""));
    CHECK(matches(MATCH_NRE, "a|b", "c") && !matches(MATCH_NRE, "a.*", "abc"));
}

TEST(matchers_take_an_absent_label_as_empty)
{
    struct arena *a = arena_new(0);
    struct slice labels;
    struct matcher list[2];
    CHECK_INT(labels_parse(a, SLICE("up{job=\"node\"}"), &labels, NULL), ST_OK);
    CHECK_INT(matcher_init(&list[0], MATCH_EQ, SLICE("__name__"), SLICE("up"), NULL), ST_OK);
    CHECK_INT(matcher_init(&list[1], MATCH_RE, SLICE("zone"), SLICE("|eu"), NULL), ST_OK);
    CHECK(matchers_match(list, 2, labels));
    CHECK(matcher_matches_empty(&list[1]) && !matcher_matches_empty(&list[0]));
    CHECK(matchers_match(list, 2, labels_with(a, labels, SLICE("zone"), SLICE("eu"))));
    CHECK(!matchers_match(list, 2, labels_with(a, labels, SLICE("zone"), SLICE("us"))));
    matcher_destroy(&list[0]);
    matcher_destroy(&list[1]);
    arena_free(a);
}

TEST(matcher_with_a_bad_regex_names_it)
{
    struct matcher m;
    struct err err = { 0 };
    CHECK_INT(matcher_init(&m, MATCH_RE, SLICE("job"), SLICE("a("), &err), ST_INVALID);
    CHECK(slice_starts(slice_str(err.text), SLICE("matcher job=~\"a(\": ")));
    matcher_destroy(&m);
}

TEST(matcher_format_is_promql)
{
    struct matcher m;
    struct buf b;
    buf_init(&b, 0);
    CHECK_INT(matcher_init(&m, MATCH_NRE, SLICE("job"), SLICE("a\"b"), NULL), ST_OK);
    matcher_format(&m, &b);
    CHECK_STR(buf_as_slice(&b), "job!~\"a\\\"b\"");
    buf_free(&b);
    matcher_destroy(&m);
}

/* The text as it comes back; "(refused)" when it does not parse. */
static struct slice selector_again(struct arena *a, struct slice text)
{
    struct matcher *list = NULL;
    size_t count = 0;
    struct buf out;
    if (matchers_parse(a, text, &list, &count, NULL))
        return SLICE("(refused)");
    buf_init(&out, 0);
    matchers_format(list, count, &out);
    struct slice again = arena_copy(a, buf_as_slice(&out));
    matchers_destroy(list, count);
    buf_free(&out);
    return again;
}

TEST(selectors_are_read_with_every_quote_and_operator_and_written_so_that_they_come_back)
{
    static const char *const cases[][2] = {
        { "", "{}" },
        { " {} ", "{}" },
        { "up", "{__name__=\"up\"}" },
        { "up{job='api'}", "{job=\"api\",__name__=\"up\"}" },
        { "{a=`x\\y`, b != \"\\x41\", c=~'.+',d!~\"\\u00e9|z\",}", "{a=\"x\\\\y\",b!=\"A\",c=~\".+\",d!~\"\xc3\xa9|z\"}" },
        { "{\"a.b\", \"c d\"=\"e\"}", "{__name__=\"a.b\",\"c d\"=\"e\"}" },
        { "{a=b}", "(refused)" },
        { "{a!\"b\"}", "(refused)" },
        { "{a=~\"(\"}", "(refused)" },
        { "{a=\"b\"} x", "(refused)" },
        { "{a=\"b\"", "(refused)" },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct slice got = selector_again(a, slice_str(cases[i][0]));
        CHECK_STR(got, cases[i][1]);
        CHECK(slice_eq(selector_again(a, got), got));
    }
    arena_free(a);
}
