/* SPDX-License-Identifier: Apache-2.0 */
/* Which series carry a label pair: postings (roaring bitmaps over u32 ids) per pair, pairs per name. A part has one over
 * its ordinals, the dictionary one over the slots of the series it knows. The tenant is a pair with an empty name.
 * One thread at a time may change it; reads may run beside reads. */
#ifndef STOA_METRICS_INDEX_H
#define STOA_METRICS_INDEX_H

#include <roaring/roaring.h>

#include "model/matcher.h"

struct index_pair {
    char *bytes;              /* as in canonical labels: varint length, name, varint length, value; NULL: a free place */
    uint32_t len, name;       /* of bytes; position of the name */
    uint32_t place;           /* in the name's list */
    struct slice value;       /* into bytes */
    roaring_bitmap_t *ids;    /* NULL: just `one`, as most pairs of a churning label have */
    uint32_t one;
    bool is_empty;
};

struct index_name {
    struct slice name;        /* owned */
    uint32_t *pairs;
    uint32_t count, cap;
};

struct index {
    struct index_pair *pairs;
    uint32_t pair_count, pair_cap, *free_pairs, free_count, free_cap;
    struct index_name *names; /* a name without pairs may remain */
    uint32_t name_count, name_cap;
    struct map *by_pair, *by_name;
};

void index_init(struct index *ix);
void index_free(struct index *ix);
/* Gives id (new to the index) the pairs of labels, and its tenant. */
void index_add(struct index *ix, uint32_t id, struct slice tenant, struct slice labels);
void index_remove(struct index *ix, uint32_t id, struct slice tenant, struct slice labels);
/* The position of a pair, made (without ids) when absent. Copies bytes. */
uint32_t index_pair_put(struct index *ix, struct slice pair);
/* Adds ids, which rise and are above those it has. */
void index_pair_add(struct index_pair *p, const uint32_t *ids, size_t count);
void index_pair_add_range(struct index_pair *p, uint32_t from, uint32_t to);
bool index_pair_has(const struct index_pair *p, uint32_t id);
/* How many of ids have the pair. */
uint64_t index_pair_count(const struct index_pair *p, const roaring_bitmap_t *ids);
/* One more than its highest id. */
uint32_t index_pair_end(const struct index_pair *p);
/* A pair's bytes for a name and value, in a buffer. */
void index_pair_bytes(struct buf *out, struct slice name, struct slice value);
/* NULL when absent. */
const struct index_pair *index_find(const struct index *ix, struct slice name, struct slice value);
const struct index_name *index_name(const struct index *ix, struct slice name);
/* The ids of a tenant that all matchers accept: the caller's to free; NULL when there are none. */
roaring_bitmap_t *index_resolve(const struct index *ix, struct slice tenant, const struct matcher *matchers, size_t count);
size_t index_bytes(const struct index *ix);

#endif
