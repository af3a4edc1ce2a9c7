/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/unit.h"
#include "traceql/ast.h"

static void check_format(const char *text, const char *want)
{
    struct arena *a = arena_new(0);
    struct traceql *q;
    struct err err = { 0 };
    struct buf out;
    buf_init(&out, 0);
    if (traceql_parse(a, slice_str(text), &q, &err))
        CHECK_STR(slice_str(err.text), text);
    traceql_format_query(q, &out);
    CHECK_STR(buf_as_slice(&out), want);
    traceql_free(q);
    buf_free(&out);
    arena_free(a);
}

TEST(a_filter_comes_back)
{
    check_format("{}", "{ }");
    check_format("{ .a=1&&span.b>=2.50 }", "{ .a = 1 && span.b >= 2.5 }");
}
