/* SPDX-License-Identifier: Apache-2.0 */
#include "base/map.h"

#include "base/hash.h"

enum { MAP_CAP_MIN = 16 };

void map_init(struct map *m)
{
    *m = (struct map){ 0 };
}

void map_free(struct map *m)
{
    mem_free(m->entries);
    map_init(m);
}

void map_clear(struct map *m)
{
    if (m->cap)
        memset(m->entries, 0, m->cap * sizeof *m->entries);
    m->count = 0;
}

static struct map_entry *find(const struct map *m, struct slice key, uint64_t hash)
{
    for (size_t i = hash & (m->cap - 1);; i = (i + 1) & (m->cap - 1)) {
        struct map_entry *e = &m->entries[i];
        if (!e->used || (e->hash == hash && slice_eq(e->key, key)))
            return e;
    }
}

uint64_t *map_get(const struct map *m, struct slice key)
{
    if (m->count == 0)
        return NULL;
    struct map_entry *e = find(m, key, hash64(key, 0));
    return e->used ? &e->value : NULL;
}

static void grow(struct map *m)
{
    struct map old = *m;
    m->cap = old.cap ? old.cap * 2 : MAP_CAP_MIN;
    m->entries = mem_zalloc(m->cap * sizeof *m->entries);
    for (size_t i = 0; i < old.cap; i++)
        if (old.entries[i].used)
            *find(m, old.entries[i].key, old.entries[i].hash) = old.entries[i];
    mem_free(old.entries);
}

uint64_t *map_put(struct map *m, struct slice key, bool *added)
{
    if ((m->count + 1) * 4 > m->cap * 3)
        grow(m);
    uint64_t hash = hash64(key, 0);
    struct map_entry *e = find(m, key, hash);
    bool is_new = !e->used;
    if (is_new) {
        *e = (struct map_entry){ key, hash, 0, true };
        m->count++;
    }
    if (added)
        *added = is_new;
    return &e->value;
}

bool map_remove(struct map *m, struct slice key)
{
    if (m->count == 0)
        return false;
    struct map_entry *e = find(m, key, hash64(key, 0));
    if (!e->used)
        return false;
    /* Close the gap: an entry moves back when its home is not between the gap and itself. */
    size_t gap = (size_t)(e - m->entries), mask = m->cap - 1;
    for (size_t i = (gap + 1) & mask; m->entries[i].used; i = (i + 1) & mask) {
        size_t home = m->entries[i].hash & mask;
        if (((i - home) & mask) >= ((i - gap) & mask)) {
            m->entries[gap] = m->entries[i];
            gap = i;
        }
    }
    m->entries[gap] = (struct map_entry){ 0 };
    m->count--;
    return true;
}

struct map_entry *map_each(const struct map *m, size_t *i)
{
    while (*i < m->cap) {
        struct map_entry *e = &m->entries[(*i)++];
        if (e->used)
            return e;
    }
    return NULL;
}
