/* SPDX-License-Identifier: Apache-2.0 */
/* Open addressing over (hash of tenant and name, time). A place is taken once, by compare and exchange, and never given up, so
 * a reader needs no lock. The hash has a fixed seed, for it is saved: two names with one hash of 64 bits would share a time.
 *
 *     saved: "reads1\n" | since, i64 | { hash u64 | last i64 }...    little-endian */
#include "store/reads.h"

#include <stdatomic.h>

#include "base/hash.h"

#define READS_SEED UINT64_C(0x73746f61)
#define MAGIC      SLICE("reads1\n")

enum { NOTE_MS_MIN = 1000 }; /* nearer notes are one: what all queries write to should stay in everybody's cache */

struct place {
    atomic_uint_fast64_t key; /* 0: free */
    atomic_int_fast64_t last_ms;
};

struct reads {
    int64_t since_ms;
    atomic_uint_fast64_t count, left_out;
    struct place places[READS_PLACES];
};

struct reads *reads_new(int64_t since_ms)
{
    struct reads *r = mem_new(struct reads);
    r->since_ms = since_ms;
    return r;
}

void reads_free(struct reads *r)
{
    mem_free(r);
}

static uint64_t key_of(struct slice tenant, struct slice name)
{
    uint64_t key = hash64(name, hash64(tenant, READS_SEED));
    return key ? key : 1;
}

static struct place *find(const struct reads *r, uint64_t key, bool may_take)
{
    struct reads *w = (struct reads *)r;
    for (size_t i = key & (READS_PLACES - 1);; i = (i + 1) & (READS_PLACES - 1)) {
        struct place *p = &w->places[i];
        uint64_t there = atomic_load_explicit(&p->key, memory_order_relaxed);
        if (there == key)
            return p;
        if (there != 0)
            continue;
        if (!may_take || atomic_load_explicit(&w->count, memory_order_relaxed) >= READS_MAX)
            return NULL;
        uint_fast64_t expected = 0;
        if (atomic_compare_exchange_strong(&p->key, &expected, key)) {
            atomic_fetch_add_explicit(&w->count, 1, memory_order_relaxed);
            return p;
        }
        if (expected == key)
            return p;
    }
}

static void note(struct reads *r, uint64_t key, int64_t now_ms)
{
    struct place *p = find(r, key, true);
    if (p == NULL)
        atomic_fetch_add_explicit(&r->left_out, 1, memory_order_relaxed);
    else if (now_ms - atomic_load_explicit(&p->last_ms, memory_order_relaxed) >= NOTE_MS_MIN)
        atomic_store_explicit(&p->last_ms, now_ms, memory_order_relaxed);
}

void reads_note(struct reads *r, struct slice tenant, struct slice name, int64_t now_ms)
{
    note(r, key_of(tenant, name), now_ms);
}

int64_t reads_last_ms(const struct reads *r, struct slice tenant, struct slice name)
{
    struct place *p = find(r, key_of(tenant, name), false);
    return p ? atomic_load_explicit(&p->last_ms, memory_order_relaxed) : 0;
}

int64_t reads_since_ms(const struct reads *r)
{
    return r->since_ms;
}

uint64_t reads_left_out(const struct reads *r)
{
    return atomic_load(&r->left_out);
}

static void put_u64(struct buf *out, uint64_t v)
{
    for (int i = 0; i < 8; i++)
        buf_char(out, (char)(v >> (8 * i)));
}

static uint64_t get_u64(const char *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | (uint8_t)p[i];
    return v;
}

void reads_save(const struct reads *r, struct buf *out)
{
    struct reads *w = (struct reads *)r;
    buf_slice(out, MAGIC);
    put_u64(out, (uint64_t)r->since_ms);
    for (size_t i = 0; i < READS_PLACES; i++) {
        uint64_t key = atomic_load(&w->places[i].key);
        int64_t last_ms = atomic_load(&w->places[i].last_ms);
        if (key == 0 || last_ms == 0)
            continue;
        put_u64(out, key);
        put_u64(out, (uint64_t)last_ms);
    }
}

bool reads_load(struct reads *r, struct slice saved)
{
    if (!slice_starts(saved, MAGIC) || (saved.len - MAGIC.len) % 16 != 8)
        return false;
    struct slice rest = slice_skip(saved, MAGIC.len);
    r->since_ms = (int64_t)get_u64(rest.ptr);
    for (rest = slice_skip(rest, 8); rest.len; rest = slice_skip(rest, 16)) {
        uint64_t key = get_u64(rest.ptr);
        if (key)
            note(r, key, (int64_t)get_u64(rest.ptr + 8));
    }
    return true;
}
