/* SPDX-License-Identifier: Apache-2.0 */
/* A tree that is given out has the size it says, a place for each node, and no key twice. */
#include "codec/yaml.h"
#include "fuzz/fuzz.h"

enum { KEYS_COMPARED_MAX = 64 };

static size_t walk(const struct yaml_node *n, int depth)
{
    size_t nodes = 1;
    MUST(depth <= 2 * YAML_DEPTH_MAX && n->line >= 1);
    if (n->type == YAML_SCALAR) {
        MUST(n->count == 0);
        return nodes;
    }
    for (size_t i = 0; i < n->count; i++) {
        if (n->type == YAML_MAP) {
            nodes++;
            for (size_t k = 0; k < MIN(i, (size_t)KEYS_COMPARED_MAX); k++)
                MUST(!slice_eq(n->keys[i], n->keys[k]));
        }
        nodes += walk(n->items[i], depth + 1);
    }
    return nodes;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const struct slice words[] = { SLICE_INIT("global"), SLICE_INIT("scrape_configs") };
    struct arena *a = arena_new(0);
    struct yaml_node *root;
    struct err err;
    if (yaml_parse(a, SLICE("f.yml"), slice_of(data, size), &root, &err) == ST_OK) {
        size_t nodes = walk(root, 0);
        MUST(nodes == root->nodes && nodes <= YAML_NODES_MAX);
        int64_t ns = 0;
        if (yaml_only(root, words, COUNT_OF(words), &err) == ST_OK && yaml_duration(root, words[0], &ns, &err) == ST_OK)
            MUST(ns >= 0);
    } else {
        MUST(err.status == ST_INVALID || err.status == ST_LIMIT);
    }
    arena_free(a);
    return 0;
}
