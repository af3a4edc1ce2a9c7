/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/unit.h"
#include "codec/regex.h"

static struct regex *compiled(const char *pattern, unsigned flags)
{
    struct regex *re = NULL;
    struct err err = { 0 };
    if (regex_compile(&re, slice_str(pattern), flags, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    return re;
}

TEST(regex_replaces_as_go_does_around_empty_matches)
{
    static const struct {
        const char *pattern, *text, *want;
    } cases[] = { { "a*", "baaac", "xbxcx" }, { "y*", "\xc3\xa9z", "x\xc3\xa9xzx" }, { "", "ab", "xaxbx" }, { "b", "abba", "axxa" },
                  { "^a", "aab", "xab" },     { "\\b", "ab c", "xabx xcx" },          { "$", "a", "ax" },    { "q", "ab", "ab" } };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct regex *re = compiled(cases[i].pattern, 0);
        struct buf b;
        buf_init(&b, 0);
        regex_replace_all(re, slice_str(cases[i].text), SLICE("x"), &b);
        CHECK_STR(buf_as_slice(&b), cases[i].want);
        buf_free(&b);
        regex_free(re);
    }
}

TEST(regex_anchored_cannot_be_left_by_an_odd_bracket)
{
    struct regex *re;
    struct err err;
    CHECK_INT(regex_compile(&re, SLICE("a)(b"), REGEX_ANCHORED, &err), ST_INVALID);
    CHECK_INT(regex_compile(&re, SLICE("a)|(b"), REGEX_DOTALL, &err), ST_INVALID);
    re = compiled("a|ab", REGEX_ANCHORED);
    CHECK(regex_match(re, SLICE("ab")) && !regex_match(re, SLICE("abc")) && !regex_match(re, SLICE("xa")));
    regex_free(re);
}

TEST(regex_prefix_does_not_split_a_character)
{
    struct regex *re = compiled("\xc3\xa9*x", REGEX_ANCHORED);
    CHECK_STR(regex_prefix(re), "");
    CHECK(regex_match(re, SLICE("x")));
    regex_free(re);
    re = compiled("a\xc3\xa9?x", 0);
    CHECK_STR(regex_prefix(re), "a");
    regex_free(re);
}

TEST(regex_takes_both_ways_to_name_a_group)
{
    struct regex *re = compiled("(?<host>[(?<a>]+)\\(?<(?P<port>\\d+)", 0);
    struct slice groups[3];
    CHECK_INT(regex_group_count(re), 2);
    CHECK_STR(regex_group_name(re, 1), "host");
    CHECK_STR(regex_group_name(re, 2), "port");
    CHECK(regex_find(re, SLICE("<(a)(<80"), 0, groups, 3) || regex_find(re, SLICE("(a<80"), 0, groups, 3));
    CHECK_STR(groups[2], "80");
    regex_free(re);
}

TEST(regex_expand_leaves_odd_dollars_alone)
{
    struct regex *re = compiled("(?P<a>x)(y)?", 0);
    struct slice groups[3];
    struct buf b;
    buf_init(&b, 0);
    CHECK(regex_find(re, SLICE("x"), 0, groups, 3));
    CHECK(groups[2].ptr == NULL);
    regex_expand(re, SLICE("$ ${ ${a ${-} $1x ${1}x $01 $9 $2| $"), groups, 3, &b);
    CHECK_STR(buf_as_slice(&b), "$ ${ ${a ${-}  xx   | $");
    buf_free(&b);
    regex_free(re);
}

TEST(regex_limits_the_length_of_a_pattern)
{
    static char long_pattern[REGEX_PATTERN_BYTES_MAX + 1];
    struct regex *re;
    struct err err;
    memset(long_pattern, 'a', sizeof long_pattern);
    CHECK_INT(regex_compile(&re, slice_of(long_pattern, sizeof long_pattern), 0, &err), ST_LIMIT);
    CHECK_INT(regex_compile(&re, SLICE("((a{100}){100}){100}"), 0, &err), ST_INVALID);
}

static bool has_any(struct slice text, const struct slice *needles, size_t count, bool is_nocase)
{
    for (size_t i = 0; i < count; i++)
        for (size_t at = 0; at + needles[i].len <= text.len; at++) {
            struct slice here = slice_sub(text, at, at + needles[i].len);
            if (is_nocase ? slice_eq_nocase(here, needles[i]) : slice_eq(here, needles[i]))
                return true;
        }
    return false;
}

TEST(regex_needles_are_in_every_match)
{
    static const struct {
        const char *pattern, *match;
        size_t count; /* SIZE_MAX: any */
    } cases[] = {
        { "quicksilver-[0-9a-f]+", "a quicksilver-7f", 1 }, { "[a-z]+silver-7f", "quicksilver-7f", 1 }, { "zzznot|qqqnot", "a qqqnot", 2 },
        { "(?i)quicksilver", "a QUIC\xe2\x84\xaasilver", 3 }, { "(?i)quicksilver", "QuickSilver", 3 }, { "(?i)mass", "ma\xc5\xbfs", 2 },
        { "a|bcd", "xax", 0 }, { "", "x", 0 }, { ".*", "", 0 }, { "Error: .* (failed|broken)", "an Error: it failed", 1 },
        { "[Ee]rror [0-9]{3}", "Error 500", SIZE_MAX }, { "foo(bar)?baz", "foobaz", SIZE_MAX }, { "(abc|abd)x*", "zabd", SIZE_MAX },
        { "\\x{212a}elvin", "\xe2\x84\xaa" "elvin", SIZE_MAX }, { "gr\xc3\xbc\xc3\x9f" "e", "gr\xc3\xbc\xc3\x9f" "e", SIZE_MAX },
        { "\\bstatus=5\\d\\d\\b", "x status=503 y", 1 }, { "(?s-i:a.c)def", "a\ncdef", SIZE_MAX }, { "(?:x(?i)yes)", "xYE\xc5\xbf", SIZE_MAX },
        { "GET /(api|v1)/", "GET /v1/", 2 }, { "\\Qa.b.c\\E", "xa.b.cx", SIZE_MAX }, { "[\\x41]BC", "ABC", SIZE_MAX },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct regex *re = compiled(cases[i].pattern, 0);
        struct arena *a = arena_new(0);
        const struct slice *needles;
        bool is_nocase;
        size_t count = regex_needles(re, a, &needles, &is_nocase);
        CHECK(regex_match(re, slice_str(cases[i].match)));
        CHECK(count == 0 || has_any(slice_str(cases[i].match), needles, count, is_nocase));
        if (cases[i].count != SIZE_MAX)
            CHECK_INT(count, cases[i].count);
        arena_free(a);
        regex_free(re);
    }
}
