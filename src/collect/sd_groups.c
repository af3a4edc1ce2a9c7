/* SPDX-License-Identifier: Apache-2.0 */
/* Back from the JSON text that DNS and Kubernetes write: what is no group, or lacks targets or labels, is left out. */
#include "collect/sd.h"

enum status sd_groups_read(struct arena *a, struct slice text, struct target_group **out, size_t *count, struct err *err)
{
    struct json_parser *p = json_parser_new();
    struct json_value root, item;
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    enum status st = json_parse(p, text, &root, err);
    if (st) {
        json_parser_free(p);
        return st;
    }
    for (struct json_iter it = json_array(root); json_array_next(&it, &item);) {
        struct json_value targets, labels, target, value;
        struct target_group g = { 0 };
        size_t address_cap = 0, label_cap = 0;
        struct slice key;
        if (!json_get(item, SLICE("targets"), &targets) || !json_get(item, SLICE("labels"), &labels))
            continue;
        for (struct json_iter k = json_array(targets); json_array_next(&k, &target);)
            ARENA_PUSH(a, g.addresses, g.address_count, address_cap) = arena_copy(a, json_get_string(target));
        for (struct json_iter k = json_object(labels); json_object_next(&k, &key, &value);)
            ARENA_PUSH(a, g.labels, g.label_count, label_cap) = (struct label){ arena_copy(a, key), arena_copy(a, json_get_string(value)) };
        ARENA_PUSH(a, *out, *count, cap) = g;
    }
    json_parser_free(p);
    return st;
}
