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
