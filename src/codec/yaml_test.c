/* SPDX-License-Identifier: Apache-2.0 */
#include "base/buf.h"
#include "base/unit.h"
#include "codec/yaml.h"

static enum status parse(struct arena *a, struct slice text, struct yaml_node **out, struct err *err)
{
    return yaml_parse(a, SLICE("f"), text, out, err);
}

TEST(yaml_aliases_are_the_node_they_name_and_cannot_multiply_without_end)
{
    struct arena *a = arena_new(0);
    struct yaml_node *n;
    struct err err;
    struct buf b;
    CHECK_INT(parse(a, SLICE("base: &b {x: 1}\ncopy: *b\n"), &n, &err), ST_OK);
    CHECK(yaml_get(n, SLICE("copy")) == yaml_get(n, SLICE("base")));
    CHECK_INT(n->nodes, 9); /* the root, two keys, and twice a map with a key and a value */
    CHECK_INT(parse(a, SLICE("a: *nobody\n"), &n, &err), ST_INVALID);
    CHECK_INT(parse(a, SLICE("a: &self [*self]\n"), &n, &err), ST_INVALID);
    buf_init(&b, 0);
    buf_slice(&b, SLICE("l0: &l0 [x, x, x, x, x, x, x, x, x, x]\n"));
    for (int i = 1; i < 12; i++) {
        buf_printf(&b, "l%d: &l%d [", i, i);
        for (int k = 0; k < 10; k++)
            buf_printf(&b, "*l%d, ", i - 1);
        buf_slice(&b, SLICE("]\n"));
    }
    CHECK_INT(parse(a, buf_as_slice(&b), &n, &err), ST_LIMIT);
    buf_free(&b);
    arena_free(a);
}

TEST(yaml_large_maps_still_find_a_key_that_stands_twice)
{
    struct arena *a = arena_new(0);
    struct yaml_node *n;
    struct err err;
    struct buf b;
    buf_init(&b, 0);
    for (int i = 0; i < 1000; i++)
        buf_printf(&b, "key%d: %d\n", i, i);
    CHECK_INT(parse(a, buf_as_slice(&b), &n, &err), ST_OK);
    CHECK_INT(n->count, 1000);
    CHECK_STR(yaml_get(n, SLICE("key999"))->text, "999");
    buf_slice(&b, SLICE("key500: again\n"));
    CHECK_INT(parse(a, buf_as_slice(&b), &n, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f:1001: key \"key500\" stands twice, the first time in line 501");
    buf_free(&b);
    arena_free(a);
}

TEST(yaml_depth_documents_and_odd_keys_are_refused)
{
    struct arena *a = arena_new(0);
    struct yaml_node *n;
    struct err err;
    char deep[2 * YAML_DEPTH_MAX + 10];
    memset(deep, '[', sizeof deep / 2);
    memset(deep + sizeof deep / 2, ']', sizeof deep / 2);
    CHECK_INT(parse(a, slice_of(deep, sizeof deep), &n, &err), ST_LIMIT);
    CHECK_INT(parse(a, SLICE("a: 1\n---\nb: 2\n"), &n, &err), ST_INVALID);
    CHECK_INT(parse(a, SLICE("[a, b]: 1\n"), &n, &err), ST_INVALID);
    CHECK_INT(parse(a, SLICE("a: \"\xff\"\n"), &n, &err), ST_INVALID);
    CHECK_INT(parse(a, SLICE("a: [1,\n"), &n, &err), ST_INVALID);
    arena_free(a);
}

TEST(yaml_typed_reading_names_what_was_found_and_what_is_allowed)
{
    struct arena *a = arena_new(0);
    struct yaml_node *n;
    struct err err;
    struct slice *list;
    size_t count;
    int64_t whole = 7;
    uint64_t bytes = 0;
    double real = 0;
    bool flag = false;
    CHECK_INT(parse(a, SLICE("port: 99999\non: yes\nsize: 64MB\nrate: 0.5\nlist: [a, b]\nnone:\nmap: {x: 1}\n"), &n, &err), ST_OK);
    CHECK_INT(yaml_int(n, SLICE("port"), 1, 65535, &whole, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f:1: port: found \"99999\", expected a whole number from 1 to 65535");
    CHECK_INT(yaml_int(n, SLICE("absent"), 1, 65535, &whole, &err), ST_OK);
    CHECK_INT(whole, 7);
    CHECK_INT(yaml_bool(n, SLICE("on"), &flag, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f:2: on: found \"yes\", expected true or false");
    CHECK_INT(yaml_size(n, SLICE("size"), &bytes, &err), ST_OK);
    CHECK_INT(bytes, 64 * MIB);
    CHECK_INT(yaml_double(n, SLICE("rate"), 0, 1, &real, &err), ST_OK);
    CHECK(real == 0.5);
    CHECK_INT(yaml_texts(a, n, SLICE("list"), &list, &count, &err), ST_OK);
    CHECK_INT(count, 2);
    CHECK(yaml_get(n, SLICE("none")) == NULL);
    CHECK_INT(yaml_int(n, SLICE("map"), 0, 1, &whole, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "f:7: map: found a map, expected a whole number from 0 to 1");
    arena_free(a);
}
