/* SPDX-License-Identifier: Apache-2.0 */
#include "model/body_field.h"

#include "base/unit.h"

static bool has(const char *body, const char *name, const char *value)
{
    struct arena *a = arena_new(0);
    bool is = body_field_is(slice_str(body), slice_str(name), slice_str(value), a);
    arena_free(a);
    return is;
}

TEST(body_field_finds_members_of_json_at_any_depth)
{
    CHECK(has("{\"user\": \"alice\", \"n\": 1}", "user", "alice"));
    CHECK(has("{\"a\":{\"b\":[{\"user\":\"alice\"}]}}", "user", "alice"));
    CHECK(has("{\"id\":42}", "id", "42"));
    CHECK(has("{\"ok\":true}", "ok", "true"));
    CHECK(has("{\"name\": \"Zo\\u00eb \\\"Z\\\"\"}", "name", "Zo\xc3\xab \"Z\""));
}

TEST(body_field_finds_logfmt_pairs)
{
    CHECK(has("user=alice ok=1", "user", "alice"));
    CHECK(has("t=1 user=\"alice b\" ok=1", "user", "alice b"));
    CHECK(has("t=1 user=alice", "user", "alice"));
}

TEST(body_field_takes_whole_names_and_whole_values_only)
{
    CHECK(!has("{\"user\":\"alice2\"}", "user", "alice"));
    CHECK(!has("{\"superuser\":\"alice\"}", "user", "alice"));
    CHECK(!has("superuser=alice", "user", "alice"));
    CHECK(!has("the user alice", "user", "alice"));
    CHECK(!has("{\"user\":\"alice", "user", "alice"));
    CHECK(!has("", "user", ""));
}
