/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of test/promql, all of them, and that the runner sees what is wrong. */
#include "promql/script.h"
#include "query/script_test.h"

TEST(every_script_of_ours_gives_what_it_expects)
{
    script_test_folder(promql_script_run, "test/promql", 5);
}

TEST(a_wrong_value_series_or_order_fails_its_case)
{
    struct script_result r = script_test_text(promql_script_run, SLICE("load 1m\n  a{x=\"1\"} 1 2 3\n  a{x=\"2\"} 5 6 7\n\n"
                                            "eval instant at 1m a{x=\"1\"}\n  a{x=\"1\"} 3\n\n"
                                            "eval instant at 1m a\n  a{x=\"1\"} 2\n\n"
                                            "eval instant at 1m sort(a)\n  expect ordered\n  a{x=\"2\"} 6\n  a{x=\"1\"} 2\n\n"
                                            "eval range from 0 to 2m step 1m a{x=\"2\"}\n  a{x=\"2\"} 5 _ 7\n\n"
                                            "eval instant at 1m a{x=\"2\"}\n  a{x=\"2\"} 6\n"));
    CHECK_INT(r.passed, 1);
    CHECK_INT(r.failed, 4);
}

TEST(an_unknown_command_is_named_with_its_line)
{
    struct script_result r = { 0, 0 };
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    CHECK_INT(promql_script_run(SLICE("s"), SLICE("\nclear\nfrobnicate 1\n"), 0, &r, &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "s:3: unknown command: frobnicate 1");
    buf_free(&out);
}

TEST(points_expand_as_they_are_written)
{
    struct arena *a = arena_new(0);
    struct slice labels;
    struct script_points p;
    CHECK_INT(script_series(a, SLICE("m{a=\"}\"} 1-0.5x2 _x2 3x1 stale -Inf"), &labels, &p, NULL), ST_OK);
    CHECK_INT(p.count, 7);
    CHECK_NEAR(p.list[2].v, 0, 0);
    CHECK_INT(p.list[3].t_ms, 5);
    CHECK(is_stale(p.list[5].v));
    CHECK_INT(p.list[6].t_ms, 8);
    CHECK(script_series(a, SLICE("m 1+x3"), &labels, &p, NULL) == ST_INVALID);
    arena_free(a);
}

TEST(a_time_that_cannot_be_counted_is_refused)
{
    static const char *const scripts[] = { "load 1e300\n  a 1\n", "eval instant at 1e18 a\n", "eval instant at 293y a\n" };
    struct script_result r = { 0, 0 };
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    for (size_t i = 0; i < COUNT_OF(scripts); i++)
        CHECK_INT(promql_script_run(SLICE("s"), slice_str(scripts[i]), 0, &r, &out, &err), ST_INVALID);
    CHECK_INT(promql_script_run(SLICE("s"), SLICE("load 290y\n  a 1 2 3\n\neval instant at -290y a\n"), 0, &r, &out, &err), ST_OK);
    buf_free(&out);
}
