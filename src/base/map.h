/* SPDX-License-Identifier: Apache-2.0 */
/* Hash map from bytes to a word: open addressing, linear probing, grows at 3/4.
 * Keys are borrowed: they must outlive the map (put them in an arena). One thread. */
#ifndef STOA_BASE_MAP_H
#define STOA_BASE_MAP_H

#include "base/slice.h"

struct map_entry {
    struct slice key;
    uint64_t hash;
    uint64_t value;
    bool used;
};

struct map {
    struct map_entry *entries;
    size_t cap, count;
};

void map_init(struct map *m);
void map_free(struct map *m);
void map_clear(struct map *m);
/* The place of key's value, or NULL. Valid until the next map_put. */
uint64_t *map_get(const struct map *m, struct slice key);
/* The place of key's value, made (with value 0 and *added true) when absent. Keeps key. Valid until the next map_put. */
uint64_t *map_put(struct map *m, struct slice key, bool *added);
bool map_remove(struct map *m, struct slice key);
/* for (size_t i = 0; (e = map_each(m, &i)); ) ... in no particular order. */
struct map_entry *map_each(const struct map *m, size_t *i);

#endif
