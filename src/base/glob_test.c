/* SPDX-License-Identifier: Apache-2.0 */
#include "base/glob.h"
#include "base/unit.h"

static bool match(const char *pattern, const char *path)
{
    return glob_match(slice_str(pattern), slice_str(path));
}

TEST(glob_star_and_question_mark_stay_inside_a_component)
{
    CHECK(match("/var/log/*.log", "/var/log/a.log"));
    CHECK(match("/var/log/*.log", "/var/log/.log"));
    CHECK(!match("/var/log/*.log", "/var/log/sub/a.log"));
    CHECK(match("/*/log/?.log", "/var/log/a.log"));
    CHECK(!match("a?b", "a/b"));
    CHECK(match("a*b*c", "aXbYbZc"));
    CHECK(!match("a*b*c", "aXbYbZ"));
    CHECK(match("*", ""));
    CHECK(!match("?", ""));
    CHECK(!match("a", "a/"));
}

TEST(glob_question_mark_takes_a_whole_character)
{
    CHECK(match("gr?n", "gr\xc3\xbcn"));
    CHECK(match("gr[\xc3\xa4-\xc3\xbc]n", "gr\xc3\xbcn"));
    CHECK(match("a?b", "a\xff" "b"));
    CHECK(match("a\xff" "b", "a\xff" "b"));
}

TEST(glob_classes_may_be_inverted_escaped_and_hold_a_hyphen)
{
    CHECK(match("pod-[0-9a-f]", "pod-c"));
    CHECK(!match("pod-[0-9a-f]", "pod-g"));
    CHECK(match("[!a]", "b") && !match("[!a]", "a"));
    CHECK(match("[^a]", "b"));
    CHECK(match("[a-]", "-") && match("[-a]", "-"));
    CHECK(match("[\\]]", "]"));
    CHECK(match("\\*", "*") && !match("\\*", "a"));
}

TEST(glob_double_star_takes_any_number_of_components)
{
    CHECK(match("/var/**/x.log", "/var/x.log"));
    CHECK(match("/var/**/x.log", "/var/a/b/c/x.log"));
    CHECK(!match("/var/**/x.log", "/var/a/b/c/y.log"));
    CHECK(match("/var/**", "/var/a/b"));
    CHECK(match("**/b/**/d", "a/b/c/b/c/d"));
    CHECK(match("**", "a"));
    CHECK(!match("a**b", "a/b"));
}

TEST(glob_invalid_pattern_is_told_and_matches_nothing)
{
    static const char *const wrong[] = { "[", "[a", "[]", "[!]", "[z-a]", "a\\", "[a/b]", "[a-" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++) {
        CHECK(!glob_is_valid(slice_str(wrong[i])));
        CHECK(!match(wrong[i], wrong[i]));
    }
    CHECK(glob_is_valid(SLICE("/a/[x-z]*/**")));
    CHECK(glob_has_wildcard(SLICE("/a/*")) && !glob_has_wildcard(SLICE("/a/b.log")));
}

TEST(glob_hostile_pattern_ends_soon)
{
    char pattern[201], path[2001];
    for (int i = 0; i < 100; i++)
        memcpy(pattern + 2 * i, "*a", 2);
    pattern[200] = 'b';
    memset(path, 'a', sizeof path);
    CHECK(!glob_match(slice_of(pattern, sizeof pattern), slice_of(path, sizeof path)));
}
