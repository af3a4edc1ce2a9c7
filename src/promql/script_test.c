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

TEST(histograms_expand_and_say_whether_they_tell_a_hint)
{
    struct arena *a = arena_new(0);
    struct slice labels;
    struct script_points p;
    CHECK_INT(script_series(a, SLICE("m {{count:1 buckets:[1]}}+{{count:2 sum:1 buckets:[2] }}x2 _ {{counter_reset_hint:gauge}}x1 7"), &labels,
                            &p, NULL), ST_OK);
    CHECK_INT(p.count, 6);
    CHECK_INT(p.list[3].t_ms, 4);
    CHECK_NEAR(histogram_unbox(p.list[2].v)->count, 5, 0);
    CHECK_NEAR(histogram_unbox(p.list[0].v)->count, 1, 0);
    CHECK(!p.tells_hint[2] && p.tells_hint[4] && !p.tells_hint[5] && !is_histogram(p.list[5].v));
    arena_free(a);
}

TEST(histograms_that_are_not_written_well_are_refused)
{
    static const char *const lines[] = {
        "m {{count:1", "m {{count:1}", "m {{coun:1}}", "m {{count:1 count:2}}", "m {{count}}", "m {{count:x}}", "m {{schema:0.5}}",
        "m {{schema:300}}", "m {{buckets:[1 2}}", "m {{buckets:1}}", "m {{counter_reset_hint:perhaps}}", "m {{count:1}}x",
        "m {{count:1}}+{{count:1}}", "m {{count:1}}y", "m {{schema:-53}}+{{schema:0}}x1", "m {{count:1sum:1}}", "m {{offset:1e10 buckets:[1]}}"
    };
    struct arena *a = arena_new(0);
    struct slice labels;
    struct script_points p;
    struct err err;
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        CHECK_INT(script_series(a, slice_str(lines[i]), &labels, &p, &err), ST_INVALID);
    arena_free(a);
}

TEST(loads_that_cannot_be_are_refused)
{
    static const char *const scripts[] = { "load 1m\n  a@st 0\n",
                                           "load 1m\n  a@st 0\n  b 1\n", "load 1m\n  a@st 0 0\n  a 1\n",
                                           "load 1m\n  a@st x\n  a 1\n",
                                           "load 1m\n  a@st 0\n  a@st 0\n", "load_with 1m\n  a 1\n", "load 1m\n  a {{count:-1}}\n",
                                           "load 1m\n  a {{schema:9}}\n", "load_with_nhcb 1m\n  a_bucket{le=\"1\"} 2\n  a_bucket{le=\"2\"} 1\n",
                                           "load_with_nhcb 1m\n  a_bucket{le=\"+Inf\"} 2\n  a_count 1\n" };
    struct script_result r = { 0, 0 };
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    for (size_t i = 0; i < COUNT_OF(scripts); i++)
        CHECK_INT(promql_script_run(SLICE("s"), slice_str(scripts[i]), 0, &r, &out, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "s:3: a classic histogram has the count 1 and 2 up to +Inf: 1m");
    buf_free(&out);
}

TEST(a_wrong_histogram_or_hint_fails_its_case_and_is_shown)
{
    static const char script[] = "load 1m\n  a {{schema:1 count:3 sum:2 buckets:[1 2]}}\n\n"
                                 "eval instant at 0 a\n  a {{schema:1 count:3 sum:2 buckets:[1 2]}}\n\n"
                                 "eval instant at 0 a\n  a {{schema:1 count:3 sum:2.000001 offset:-1 buckets:[0 1 2 0]}}\n\n"
                                 "eval instant at 0 a\n  a {{schema:1 count:3 sum:2 buckets:[1 3]}}\n\n"
                                 "eval instant at 0 a\n  a {{schema:1 count:3 sum:2 offset:1 buckets:[1 2]}}\n\n"
                                 "eval instant at 0 a\n  a {{schema:1 count:3 sum:2 buckets:[1 2] counter_reset_hint:gauge}}\n\n"
                                 "eval instant at 0 a\n  a 3\n\n";
    struct script_result r = { 0, 0 };
    struct buf out;
    struct err err;
    buf_init(&out, 0);
    CHECK_INT(promql_script_run(SLICE("s"), slice_str(script), 0, &r, &out, &err), ST_OK);
    CHECK_INT(r.passed, 2);
    CHECK_INT(r.failed, 4);
    CHECK(slice_contains(buf_as_slice(&out), SLICE("got: a {count:3, sum:2, (0.7071067811865475,1]:1, (1,1.414213562373095]:2}"
                                                  "(schema 1, zero within 0)@0s")));
    buf_free(&out);
}
