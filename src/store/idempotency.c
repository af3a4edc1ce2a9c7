/* SPDX-License-Identifier: Apache-2.0 */
/* A ring of keys in order of arrival, and a hash table of chains through it.
 *
 * (1) Keys are kept as XXH3-128 of tenant and key with the store's seed: 40 bytes each however long they are. Two keys
 *     that meet are a chance of 2^-88 at a million keys, and nobody can look for them without the seed.
 * (2) The oldest leaves when it is over age or the ring is at its maximum. A removed key keeps its place in the ring,
 *     unlinked, until it is the oldest. */
#include "store/idempotency.h"

enum { RING_MIN = 64 };
#define NONE UINT32_MAX

struct entry {
    struct hash128 key;
    uint64_t lsn;
    int64_t at_ns;
    uint32_t chain;
    bool live;
};

struct idempotency {
    uint64_t seed;
    size_t keys_max;
    int64_t age_ns_max;
    struct entry *ring;
    uint32_t *buckets; /* as many as ring places; both a power of two */
    size_t cap, first, count, live;
};

static void make_room(struct idempotency *k, size_t cap)
{
    struct entry *old = k->ring;
    struct entry *ring = mem_zalloc(cap * sizeof *ring);
    mem_free(k->buckets);
    k->buckets = mem_alloc(cap * sizeof *k->buckets);
    memset(k->buckets, 0xff, cap * sizeof *k->buckets);
    for (size_t i = 0; i < k->count; i++) {
        ring[i] = old[(k->first + i) & (k->cap - 1)];
        if (!ring[i].live)
            continue;
        uint32_t *bucket = &k->buckets[ring[i].key.lo & (cap - 1)];
        ring[i].chain = *bucket;
        *bucket = (uint32_t)i;
    }
    mem_free(old);
    k->ring = ring;
    k->cap = cap;
    k->first = 0;
}

struct idempotency *idempotency_new(uint64_t seed, size_t keys_max, int64_t age_ns_max)
{
    struct idempotency *k = mem_new(struct idempotency);
    k->seed = seed;
    k->keys_max = keys_max;
    k->age_ns_max = age_ns_max;
    make_room(k, RING_MIN);
    return k;
}

void idempotency_free(struct idempotency *k)
{
    if (k == NULL)
        return;
    mem_free(k->ring);
    mem_free(k->buckets);
    mem_free(k);
}

struct hash128 idempotency_key(const struct idempotency *k, struct slice tenant, struct slice key)
{
    return hash128(key, hash64(tenant, k->seed));
}

/* The link that leads to key, or to NONE. */
static uint32_t *find(struct idempotency *k, struct hash128 key)
{
    uint32_t *at = &k->buckets[key.lo & (k->cap - 1)];
    while (*at != NONE && (k->ring[*at].key.lo != key.lo || k->ring[*at].key.hi != key.hi))
        at = &k->ring[*at].chain;
    return at;
}

void idempotency_remove(struct idempotency *k, struct hash128 key)
{
    uint32_t *at = find(k, key);
    if (*at == NONE)
        return;
    struct entry *e = &k->ring[*at];
    *at = e->chain;
    e->live = false;
    k->live--;
}

static void drop_oldest(struct idempotency *k)
{
    struct entry *e = &k->ring[k->first];
    if (e->live)
        idempotency_remove(k, e->key);
    k->first = (k->first + 1) & (k->cap - 1);
    k->count--;
}

uint64_t idempotency_find(struct idempotency *k, struct hash128 key, int64_t now_ns)
{
    while (k->count > 0 && now_ns - k->ring[k->first].at_ns > k->age_ns_max)
        drop_oldest(k);
    uint32_t at = *find(k, key);
    return at == NONE ? 0 : k->ring[at].lsn;
}

void idempotency_add(struct idempotency *k, struct hash128 key, uint64_t lsn, int64_t now_ns)
{
    idempotency_remove(k, key);
    while (k->count >= k->keys_max)
        drop_oldest(k);
    if (k->count == k->cap)
        make_room(k, k->cap * 2);
    uint32_t place = (uint32_t)((k->first + k->count) & (k->cap - 1));
    uint32_t *bucket = &k->buckets[key.lo & (k->cap - 1)];
    k->ring[place] = (struct entry){ key, lsn, now_ns, *bucket, true };
    *bucket = place;
    k->count++;
    k->live++;
}

size_t idempotency_count(const struct idempotency *k)
{
    return k->live;
}

uint64_t idempotency_newest(const struct idempotency *k)
{
    return k->count ? k->ring[(k->first + k->count - 1) & (k->cap - 1)].lsn : 0;
}

void idempotency_each(const struct idempotency *k, uint64_t lsn_max,
                      void (*visit)(void *arg, struct hash128 key, uint64_t lsn, int64_t at_ns), void *arg)
{
    for (size_t i = 0; i < k->count; i++) {
        const struct entry *e = &k->ring[(k->first + i) & (k->cap - 1)];
        if (e->live && e->lsn <= lsn_max)
            visit(arg, e->key, e->lsn, e->at_ns);
    }
}
