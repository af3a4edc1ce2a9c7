/* SPDX-License-Identifier: Apache-2.0 */
/* For the tests of the languages: the scripts of a folder under test/, all of them. */
#ifndef STOA_QUERY_SCRIPT_TEST_H
#define STOA_QUERY_SCRIPT_TEST_H

#include "base/unit.h"
#include "query/script.h"
#include "sys/file.h"

/* Scripts are run with what serve has on: nothing; those whose names start with "flag_" with every feature. */
static inline void script_test_folder(script_run_fn *run, const char *folder, size_t scripts_min)
{
    struct arena *a = arena_new(0);
    struct buf names, out;
    struct slice name;
    size_t count = 0;
    buf_init(&names, 0);
    buf_init(&out, 0);
    CHECK_INT(fs_list(fs_real(), folder, &names, NULL), ST_OK);
    for (struct slice rest = buf_as_slice(&names); slice_next(&rest, 0, &name);) {
        struct script_result r = { 0, 0 };
        struct err err = { 0 };
        if (!slice_ends(name, SLICE(".test")))
            continue;
        struct slice path = arena_printf(a, "%s/%.*s", folder, SLICE_FMT(name));
        if (script_run_file(run, path.ptr, slice_starts(name, SLICE("flag_")) ? SCRIPT_FEATURES : 0, &r, &out, &err))
            unit_fail(__FILE__, __LINE__, err.text);
        buf_char(&out, 0);
        if (r.failed)
            unit_fail(__FILE__, __LINE__, out.ptr);
        CHECK(r.passed > 0);
        buf_reset(&out);
        count++;
    }
    CHECK(count >= scripts_min);
    buf_free(&names);
    buf_free(&out);
    arena_free(a);
}

/* What a script given as text comes to; it can be read. */
static inline struct script_result script_test_text(script_run_fn *run, struct slice text)
{
    struct script_result r = { 0, 0 };
    struct buf out;
    buf_init(&out, 0);
    CHECK_INT(run(SLICE("text"), text, 0, &r, &out, NULL), ST_OK);
    buf_free(&out);
    return r;
}

#endif
