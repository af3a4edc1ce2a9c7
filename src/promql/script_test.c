/* SPDX-License-Identifier: Apache-2.0 */
/* The scripts of test/promql, all of them, and that the runner sees what is wrong. */
#include <stdio.h>

#include "base/unit.h"
#include "promql/script.h"
#include "sys/file.h"

#define SCRIPTS "test/promql"

static void run_script(struct slice name, uint32_t features)
{
    char path[512];
    struct buf text, out;
    struct err err = { 0 };
    struct script_result r = { 0, 0 };
    snprintf(path, sizeof path, SCRIPTS "/%.*s", SLICE_FMT(name));
    buf_init(&text, SCRIPT_BYTES_MAX);
    buf_init(&out, 0);
    if (fs_read_all(fs_real(), path, SCRIPT_BYTES_MAX, &text, &err) ||
        script_run(name, buf_as_slice(&text), features, &r, &out, &err))
        unit_fail(__FILE__, __LINE__, err.text);
    buf_char(&out, 0);
    if (r.failed)
        unit_fail(__FILE__, __LINE__, out.ptr);
    CHECK(r.passed > 0);
    buf_free(&text);
    buf_free(&out);
}

/* Scripts are run with what serve has on: nothing; those whose names start with "flag_" with everything. */
TEST(every_script_of_ours_gives_what_it_expects)
{
    struct buf names;
    struct slice name;
    size_t count = 0;
    buf_init(&names, 0);
    CHECK_INT(fs_list(fs_real(), SCRIPTS, &names, NULL), ST_OK);
    for (struct slice rest = buf_as_slice(&names); slice_next(&rest, 0, &name);) {
        if (!slice_ends(name, SLICE(".test")))
            continue;
        run_script(name, slice_starts(name, SLICE("flag_")) ? UINT32_MAX : 0);
        count++;
    }
    CHECK(count >= 5);
    buf_free(&names);
}

static struct script_result run_text(struct slice text)
{
    struct script_result r = { 0, 0 };
    struct buf out;
    buf_init(&out, 0);
    CHECK_INT(script_run(SLICE("text"), text, 0, &r, &out, NULL), ST_OK);
    buf_free(&out);
    return r;
}

TEST(a_wrong_value_series_or_order_fails_its_case)
{
    struct script_result r = run_text(SLICE("load 1m\n  a{x=\"1\"} 1 2 3\n  a{x=\"2\"} 5 6 7\n\n"
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
    CHECK_INT(script_run(SLICE("s"), SLICE("\nclear\nfrobnicate 1\n"), 0, &r, &out, &err), ST_INVALID);
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
