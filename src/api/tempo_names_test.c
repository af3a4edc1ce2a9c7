/* SPDX-License-Identifier: Apache-2.0 */
#include "api/tempo.h"
#include "base/unit.h"

TEST(tempo_names_tell_scopes_and_parts_of_a_span)
{
    static const struct {
        const char *text;
        enum tempo_scope scope;
        enum tempo_intrinsic what;
        const char *name;
    } cases[] = {
        { "span.http.method", TEMPO_SPAN, TEMPO_NONE, "http.method" }, { "resource.service.name", TEMPO_RESOURCE, TEMPO_NONE, "service.name" },
        { ".a", TEMPO_ANY, TEMPO_NONE, "a" },                          { "a", TEMPO_ANY, TEMPO_NONE, "a" },
        { "span.\"a b\"", TEMPO_SPAN, TEMPO_NONE, "a b" },             { "event.x", TEMPO_EVENT, TEMPO_NONE, "x" },
        { "status", TEMPO_INTRINSIC, TEMPO_STATUS, "status" },         { "trace:rootName", TEMPO_INTRINSIC, TEMPO_ROOT_NAME, "trace:rootName" },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct tempo_tag t = tempo_tag_of(slice_str(cases[i].text));
        CHECK_INT(t.scope, cases[i].scope);
        CHECK_INT(t.intrinsic, cases[i].what);
        CHECK_STR(t.name, cases[i].name);
    }
}

TEST(tempo_a_filter_says_when_it_is_not_all_that_was_asked)
{
    static const struct {
        const char *query;
        size_t terms;
        bool whole;
    } cases[] = {
        { "", 0, true }, { "{}", 0, true }, { "{ }", 0, true }, { "{", 0, false }, { "x", 0, false }, { "{ oops }", 0, false },
        { "{ .a = \"b\" }", 1, true }, { "{.a=1&&span.b=true}", 2, true }, { "{ .a = 1 & .b = 2 }", 2, false }, { "{ .a = \"x && y\" }", 1, true },
        { "{ .a = \"x", 0, false }, { "{ .a = nil }", 0, false }, { "{ .a = .b }", 0, false }, { "{ a = 1 }", 0, false }, { "{ . = 1 }", 0, false },
        { "{ .a =~ \"b\" }", 0, false }, { "{ .a != \"b\" && .c = 2 }", 1, false }, { "{ .a = 1 || .b = 2 }", 0, false },
        { "{ duration > 100ms && duration <= 2s }", 2, true }, { "{ duration > fast }", 0, false },
        { "{ status = error && kind = server }", 2, true },
        { "{ status = \"error\" }", 0, false }, { "{ status = odd }", 0, false }, { "{ .a = 1 } >> { .b = 2 }", 0, false }, { "{ && }", 0, false },
        { "{ .a = \"x\\\"y\" }", 0, false }, { "{ name = \"GET\" && }", 1, true }, { "{ .a = 1 } | rate()", 0, false },
    };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        bool whole;
        struct pred *p = tempo_filter(a, slice_str(cases[i].query), &whole);
        if ((p ? p->kid_count : 0) != cases[i].terms || whole != cases[i].whole)
            unit_fail(__FILE__, __LINE__, cases[i].query);
    }
    arena_free(a);
}

TEST(tempo_grpc_requests_become_parameters)
{
    struct arena *a = arena_new(0);
    struct api_params p;
    struct err err;
    /* Tags {"a b": "c"}, MinDurationMs 5, Query "{}" */
    struct slice message = slice_of("\x0a\x08\x0a\x03" "a.b" "\x12\x01" "c" "\x10\x05\x42\x02{}", 16);
    CHECK(tempo_grpc_params(a, message, &p, &err) == ST_OK);
    CHECK_STR(api_param(&p, SLICE("minDuration"), NULL), "5ms");
    CHECK_STR(api_param(&p, SLICE("q"), NULL), "{}");
    CHECK_STR(api_param(&p, SLICE("tags"), NULL), "a.b=c");
    CHECK(tempo_grpc_params(a, SLICE("\x0a\xff"), &p, &err) == ST_INVALID);
    arena_free(a);
}
