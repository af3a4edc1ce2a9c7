/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of test/traceql, all of them, and that the runner sees what is wrong. */
#include "query/script_test.h"
#include "traceql/script.h"

TEST(every_script_of_ours_gives_what_it_expects)
{
    script_test_folder(traceql_script_run, "test/traceql", 5);
}

TEST(a_wrong_span_attribute_number_order_or_error_fails_its_case)
{
    struct script_result r = script_test_text(
        traceql_script_run,
        SLICE("load\n  trace 1\n  span a \"x\" start=1s span.n=1\n  span b \"y\" start=2s parent=a\n"
              "eval search from 0 to 1m { name = \"x\" }\n  01: b\n"
              "eval search from 0 to 1m { }\n  01: b a\n"
              "eval search from 0 to 1m { } | by(name)\n  01 by(name)=\"x\": a\n"
              "eval search from 0 to 1m { name = \"z\" }\n  01: a\n"
              "eval shown from 0 to 1m { span.n > 0 }\n  01: a(span.n=2)\n"
              "eval instant from 0 to 1m {} | count_over_time()\n  count_over_time 3\n"
              "eval search from 0 to 1m { }\n  expect none\n"
              "eval search from 0 to 1m { }\n  expect fail\n"
              "eval search from 0 to 1m { oops\n  expect fail msg: something else\n"
              "parse {true}\n  { false }\n"
              "eval search from 0 to 1m { name = \"x\" }\n  01: a\n"));
    CHECK_INT(r.passed, 1);
    CHECK_INT(r.failed, 10);
}

TEST(what_cannot_be_read_is_named_with_its_line)
{
    static const struct {
        const char *text, *why;
    } cases[] = {
        { "\nclear\nfrobnicate 1\n", "s:3: unknown command: frobnicate 1" },
        { "eval search from 0 to 1m { }\n", "s:1: an eval that expects nothing: eval search from 0 to 1m { }" },
        { "eval search at 5 { }\n", "s:1: an eval cannot be read: eval search at 5 { }" },
        { "load\n  span a\n", "s:2: a line to load cannot be read: span a" },
        { "load\n  trace 1\n  span a \"x\" what=1\n", "s:3: a line to load cannot be read: span a \"x\" what=1" },
        { "load\n  trace xyz\n", "s:2: expected trace ID, span ID \"name\" ..., event \"name\" ... or link TRACE/SPAN ...: trace xyz" },
        { "load\n  trace 1\n  event \"x\"\n", "s:3: a line to load cannot be read: event \"x\"" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct script_result r = { 0, 0 };
        struct buf out;
        struct err err;
        buf_init(&out, 0);
        CHECK_INT(traceql_script_run(SLICE("s"), slice_str(cases[i].text), 0, &r, &out, &err), ST_INVALID);
        CHECK_STR(slice_str(err.text), cases[i].why);
        buf_free(&out);
    }
}
