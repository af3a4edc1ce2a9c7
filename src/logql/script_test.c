/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of test/logql, all of them, and that the runner sees what is wrong. */
#include "logql/ast.h"
#include "logql/script.h"
#include "query/script_test.h"

TEST(every_script_of_ours_gives_what_it_expects)
{
    script_test_folder(logql_script_run, "test/logql", 4);
}

TEST(a_wrong_value_series_order_line_or_error_fails_its_case)
{
    struct script_result r =
        script_test_text(logql_script_run, SLICE("load\n  {a=\"1\"} \"x\" @ 10s\n  {a=\"2\"} \"y\" @ 10s [repeat every 1s for 2]\n\n"
                       "eval instant at 20s count_over_time({a=\"1\"}[1m])\n  {a=\"1\"} 2\n"
                       "eval instant at 20s count_over_time({a=~\".+\"}[1m])\n  {a=\"1\"} 1\n"
                       "eval instant at 20s sort(count_over_time({a=~\".+\"}[1m]))\n  expect ordered\n  {a=\"2\"} 2\n  {a=\"1\"} 1\n"
                       "eval lines from 0s to 1m {a=\"2\"}\n  {a=\"2\"} \"y\" @ 10s\n  {a=\"2\"} \"y\" @ 11s\n"
                       "eval instant at 20s count_over_time({a=\"1\"}[1m])\n  expect fail\n"
                       "eval instant at 20s count_over_time({a=\"1\"})\n  expect fail msg: something else\n"
                       "eval instant at 20s count_over_time({a=\"1\"}[1m])\n  {a=\"1\"} 1 # right\n"));
    CHECK_INT(r.passed, 1);
    CHECK_INT(r.failed, 6);
}

TEST(what_cannot_be_read_is_named_with_its_line)
{
    struct script_result r = { 0, 0 };
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    CHECK_INT(logql_script_run(SLICE("s"), SLICE("\nclear\nfrobnicate 1\n"), 0, &r, &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "s:3: unknown command: frobnicate 1");
    CHECK_INT(logql_script_run(SLICE("s"), SLICE("eval instant at 0 1\n"), 0, &r, &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "s:1: an eval that expects nothing: eval instant at 0 1");
    CHECK_INT(logql_script_run(SLICE("s"), SLICE("load\n  {a=\"b\"} \"x\"\n"), 0, &r, &out, &err), ST_INVALID);
    CHECK(slice_starts(slice_str(err.text), SLICE("s:2: a line to load cannot be read")));
    CHECK_INT(logql_script_run(SLICE("s"), SLICE("eval range from -2000000h to 2000000h step 1s 1\n"), 0, &r, &out, &err), ST_INVALID);
    CHECK(slice_starts(slice_str(err.text), SLICE("s:1: an eval cannot be read")));
    buf_free(&out);
}

/* head, then part n times with between in between, then tail. */
static enum status parse_many(const char *head, const char *part, const char *between, const char *tail, size_t n, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf text;
    struct logql *q;
    buf_init(&text, 0);
    buf_slice(&text, slice_str(head));
    for (size_t i = 0; i < n; i++) {
        buf_slice(&text, slice_str(i ? between : ""));
        buf_slice(&text, slice_str(part));
    }
    buf_slice(&text, slice_str(tail));
    enum status st = logql_parse(a, buf_as_slice(&text), &q, err);
    if (!st)
        logql_free(q);
    buf_free(&text);
    arena_free(a);
    return st;
}

TEST(a_query_has_so_many_parts_and_no_more)
{
    struct err err;
    CHECK_INT(parse_many("", "1", "+", "", LOGQL_OPERATORS_MAX + 1, &err), ST_OK);
    CHECK_INT(parse_many("", "1", "^", "", LOGQL_OPERATORS_MAX + 2, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("more than 256 operators")));
    CHECK_INT(parse_many("{a=\"b\"} |= ", "\"x\"", " or ", "", LOGQL_ALTERNATIVES_MAX, &err), ST_OK);
    CHECK_INT(parse_many("{a=\"b\"} |= ", "\"x\"", " or ", "", LOGQL_ALTERNATIVES_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("{a=\"b\"}", "|json", "", "", LOGQL_STAGES_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("{a=\"b\"}|", "x=1", ",", "", LOGQL_FILTERS_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("{a=\"b\"}|drop ", "x", ",", "", LOGQL_ASSIGNS_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("{", "a=~\"b+\"", ",", "}", LOGQL_MATCHERS_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("{a=\"b\"} ", "|~\"x\"", "", "", LOGQL_REGEXES_MAX, &err), ST_OK);
    CHECK_INT(parse_many("sum by (", "x", ",", ") (rate({a=\"b\"}[1m]))", LOGQL_NAMES_MAX, &err), ST_OK);
    CHECK_INT(parse_many("sum by (", "x", ",", ") (rate({a=\"b\"}[1m]))", LOGQL_NAMES_MAX + 1, &err), ST_INVALID);
    CHECK_INT(parse_many("", "(", "", "1", QUERY_DEPTH_MAX + 2, &err), ST_INVALID);
    CHECK_INT(parse_many("{a=\"b\"} ", "|~`\\pL{400}`", "", "", 40, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("regular expressions take more than 1000000 steps")));
    CHECK_INT(parse_many("{", "a=~`\\pL{400}`", ",", "}", 40, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("regular expressions take more than 1000000 steps")));
}
