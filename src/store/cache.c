/* SPDX-License-Identifier: Apache-2.0 */
/* The block cache: shards, each a hash table of chains and a ring that a clock hand goes round.
 *
 * (1) A block is found under (owner, offset). Owners are never reused, so a part that is gone leaves only unreachable
 *     blocks behind, and the hand clears them away.
 * (2) The cache holds one reference to each block in it; readers hold theirs. Eviction drops the cache's: bytes are freed
 *     when the last reader is done, and only bytes in the cache count against the budget.
 * (3) A hit sets `used`; the hand clears it once before it evicts (second chance): scans do not push out what is in use.
 * (4) A block over a quarter of a shard is not kept: it would empty the shard for one reader. */
#include "store/cache.h"

#include <stdatomic.h>

#include "base/hash.h"
#include "sys/thread.h"

enum { CACHE_SHARDS = 8, CACHE_BUCKETS_MIN = 64, CACHE_CODERS_KEPT_MAX = 8 };

struct entry {
    struct block block; /* first: a struct block * is cast back */
    atomic_int refs;
    uint64_t owner, offset;
    struct entry *chain;       /* next in the bucket */
    struct entry *prev, *next; /* ring */
    bool used;
};

struct shard {
    struct mutex lock;
    struct entry **buckets;
    size_t bucket_count, count;
    struct entry *hand;
    uint64_t bytes, bytes_max;
};

struct cache {
    struct shard shards[CACHE_SHARDS];
    _Atomic uint64_t next_owner;
    struct mutex coder_lock;
    struct frame_coder *coders[CACHE_CODERS_KEPT_MAX];
    size_t coder_count;
};

struct cache *cache_new(uint64_t bytes_max)
{
    struct cache *c = mem_new(struct cache);
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct shard *s = &c->shards[i];
        mutex_init(&s->lock);
        s->bucket_count = CACHE_BUCKETS_MIN;
        s->buckets = mem_zalloc(s->bucket_count * sizeof(struct entry *));
        s->bytes_max = bytes_max / CACHE_SHARDS;
    }
    mutex_init(&c->coder_lock);
    return c;
}

void block_drop(struct block *b)
{
    if (b == NULL)
        return;
    struct entry *e = (struct entry *)b;
    int before = atomic_fetch_sub_explicit(&e->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1) {
        mem_free((void *)b->bytes.ptr);
        mem_free(e);
    }
}

void cache_free(struct cache *c)
{
    if (c == NULL)
        return;
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        struct shard *s = &c->shards[i];
        for (size_t b = 0; b < s->bucket_count; b++)
            for (struct entry *e = s->buckets[b], *next; e; e = next) {
                next = e->chain;
                block_drop(&e->block);
            }
        mem_free(s->buckets);
        mutex_destroy(&s->lock);
    }
    for (size_t i = 0; i < c->coder_count; i++)
        frame_coder_free(c->coders[i]);
    mutex_destroy(&c->coder_lock);
    mem_free(c);
}

uint64_t cache_owner(struct cache *c)
{
    return atomic_fetch_add_explicit(&c->next_owner, 1, memory_order_relaxed) + 1;
}

static uint64_t key_hash(uint64_t owner, uint64_t offset)
{
    return hash_u64(offset ^ hash_u64(owner));
}

static struct shard *shard_of(struct cache *c, uint64_t hash)
{
    return &c->shards[hash >> 61];
}

static struct entry **find(struct shard *s, uint64_t hash, uint64_t owner, uint64_t offset)
{
    struct entry **at = &s->buckets[hash & (s->bucket_count - 1)];
    while (*at && ((*at)->owner != owner || (*at)->offset != offset))
        at = &(*at)->chain;
    return at;
}

struct block *cache_get(struct cache *c, uint64_t owner, uint64_t offset)
{
    uint64_t hash = key_hash(owner, offset);
    struct shard *s = shard_of(c, hash);
    mutex_lock(&s->lock);
    struct entry *e = *find(s, hash, owner, offset);
    if (e) {
        e->used = true;
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
    }
    mutex_unlock(&s->lock);
    return e ? &e->block : NULL;
}

static void ring_add(struct shard *s, struct entry *e)
{
    if (s->hand == NULL) {
        e->prev = e->next = e;
        s->hand = e;
        return;
    }
    /* Just behind the hand: the last place it will come to. */
    e->next = s->hand;
    e->prev = s->hand->prev;
    e->prev->next = e;
    e->next->prev = e;
}

static void ring_remove(struct shard *s, struct entry *e)
{
    if (s->hand == e)
        s->hand = e->next == e ? NULL : e->next;
    e->prev->next = e->next;
    e->next->prev = e->prev;
}

static void evict_until_within(struct shard *s)
{
    while (s->bytes > s->bytes_max && s->hand) {
        struct entry *e = s->hand;
        if (e->used) {
            e->used = false;
            s->hand = e->next;
            continue;
        }
        ring_remove(s, e);
        *find(s, key_hash(e->owner, e->offset), e->owner, e->offset) = e->chain;
        s->bytes -= e->block.bytes.len;
        s->count--;
        block_drop(&e->block);
    }
}

static void grow(struct shard *s)
{
    size_t old_count = s->bucket_count;
    struct entry **old = s->buckets;
    s->bucket_count *= 2;
    s->buckets = mem_zalloc(s->bucket_count * sizeof(struct entry *));
    for (size_t b = 0; b < old_count; b++)
        for (struct entry *e = old[b], *next; e; e = next) {
            next = e->chain;
            struct entry **at = &s->buckets[key_hash(e->owner, e->offset) & (s->bucket_count - 1)];
            e->chain = *at;
            *at = e;
        }
    mem_free(old);
}

static struct entry *entry_new(void *bytes, size_t len)
{
    struct entry *e = mem_new(struct entry);
    e->block.bytes = slice_of(bytes, len);
    atomic_init(&e->refs, 1);
    return e;
}

struct block *block_alone(void *bytes, size_t len)
{
    return &entry_new(bytes, len)->block;
}

struct block *cache_put(struct cache *c, uint64_t owner, uint64_t offset, void *bytes, size_t len)
{
    struct entry *e = entry_new(bytes, len);
    e->owner = owner;
    e->offset = offset;
    uint64_t hash = key_hash(owner, offset);
    struct shard *s = shard_of(c, hash);
    if (len > s->bytes_max / 4)
        return &e->block;
    mutex_lock(&s->lock);
    struct entry **at = find(s, hash, owner, offset);
    struct entry *there = *at;
    if (there) {
        atomic_fetch_add_explicit(&there->refs, 1, memory_order_relaxed);
    } else {
        *at = e;
        atomic_fetch_add_explicit(&e->refs, 1, memory_order_relaxed);
        ring_add(s, e);
        s->bytes += len;
        if (++s->count > s->bucket_count)
            grow(s);
        evict_until_within(s);
    }
    mutex_unlock(&s->lock);
    if (there == NULL)
        return &e->block;
    block_drop(&e->block);
    return &there->block;
}

uint64_t cache_bytes(struct cache *c)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < CACHE_SHARDS; i++) {
        mutex_lock(&c->shards[i].lock);
        sum += c->shards[i].bytes;
        mutex_unlock(&c->shards[i].lock);
    }
    return sum;
}

struct frame_coder *cache_coder_take(struct cache *c)
{
    struct frame_coder *coder = NULL;
    mutex_lock(&c->coder_lock);
    if (c->coder_count > 0)
        coder = c->coders[--c->coder_count];
    mutex_unlock(&c->coder_lock);
    return coder ? coder : frame_coder_new();
}

void cache_coder_give(struct cache *c, struct frame_coder *coder)
{
    mutex_lock(&c->coder_lock);
    if (c->coder_count < CACHE_CODERS_KEPT_MAX) {
        c->coders[c->coder_count++] = coder;
        coder = NULL;
    }
    mutex_unlock(&c->coder_lock);
    frame_coder_free(coder);
}
