/* SPDX-License-Identifier: Apache-2.0 */
/* Two sketches rotate: `now` has what this window saw, `both` that and what the window before saw. A turn makes `now` the new
 * `both` and begins an empty one, so a thing is forgotten after one to two windows without ever being looked for. */
#include "pipeline/distinct.h"

enum { CAP_MIN = 4, FRESH = 1 };

struct distinct_sketches {
    struct hll now, both;
};

/* ---- which ---- */

static uint32_t key_of(uint32_t hash)
{
    uint32_t key = hash & ~(uint32_t)FRESH;
    return key ? key : 2; /* 0 is an empty place */
}

/* The place of key, or the empty one where it would be. cap > 0. */
static uint32_t place_of(const struct recent *r, uint32_t key)
{
    uint32_t mask = r->cap - 1, i = (uint32_t)((key * 0x9e3779b97f4a7c15ull) >> 32) & mask;
    while (r->table[i] && (r->table[i] & ~(uint32_t)FRESH) != key)
        i = (i + 1) & mask;
    return i;
}

bool recent_touch(struct recent *r, uint32_t hash, bool *was_fresh)
{
    if (r->cap == 0)
        return false;
    uint32_t i = place_of(r, key_of(hash)), found = r->table[i];
    if (found == 0)
        return false;
    if (was_fresh)
        *was_fresh = found & FRESH;
    r->table[i] = found | FRESH;
    return true;
}

bool recent_has(const struct recent *r, uint32_t hash)
{
    return r->cap && r->table[place_of(r, key_of(hash))];
}

/* A table of this size with what is in the old one; only_fresh: of this window, which is the one before from now on. */
static void resize(struct recent *r, uint32_t cap, bool only_fresh, size_t *bytes)
{
    struct recent to = { .table = cap ? mem_zalloc(cap * sizeof *to.table) : NULL, .cap = cap };
    for (uint32_t i = 0; i < r->cap; i++) {
        uint32_t entry = r->table[i];
        if (entry == 0 || (only_fresh && !(entry & FRESH)))
            continue;
        uint32_t key = entry & ~(uint32_t)FRESH;
        to.table[place_of(&to, key)] = only_fresh ? key : entry;
        to.count++;
    }
    *bytes += cap * sizeof *to.table;
    *bytes -= r->cap * sizeof *r->table;
    mem_free(r->table);
    *r = to;
}

void recent_add(struct recent *r, uint32_t hash, bool is_fresh, size_t *bytes)
{
    if ((r->count + 1) * 4ull > r->cap * 3ull)
        resize(r, r->cap ? r->cap * 2 : CAP_MIN, false, bytes);
    uint32_t key = key_of(hash);
    r->table[place_of(r, key)] = key | (is_fresh ? FRESH : 0);
    r->count++;
}

void recent_prefetch(const struct recent *r, uint32_t hash)
{
    if (r->cap)
        __builtin_prefetch(&r->table[(uint32_t)((key_of(hash) * 0x9e3779b97f4a7c15ull) >> 32) & (r->cap - 1)], 1);
}

void recent_turn(struct recent *r, size_t *bytes)
{
    uint32_t fresh = 0, cap = 0;
    for (uint32_t i = 0; i < r->cap; i++)
        fresh += r->table[i] & FRESH;
    while (fresh && (fresh + 1) * 4ull > cap * 3ull)
        cap = cap ? cap * 2 : CAP_MIN;
    resize(r, cap, true, bytes);
}

void recent_free(struct recent *r, size_t *bytes)
{
    *bytes -= r->cap * sizeof *r->table;
    mem_free(r->table);
    *r = (struct recent){ 0 };
}

/* ---- how many ---- */

static void sketches_make(struct distinct *d, size_t *bytes)
{
    d->sketches = mem_alloc(sizeof *d->sketches);
    *bytes += sizeof *d->sketches;
    hll_init(&d->sketches->now);
    hll_init(&d->sketches->both);
    for (uint32_t i = 0; i < d->known.cap; i++) {
        uint32_t entry = d->known.table[i];
        if (entry == 0)
            continue;
        hll_add(&d->sketches->both, entry >> 1);
        if (entry & FRESH)
            hll_add(&d->sketches->now, entry >> 1);
    }
}

static void sketches_drop(struct distinct *d, size_t *bytes)
{
    if (d->sketches)
        *bytes -= sizeof *d->sketches;
    mem_free(d->sketches);
    d->sketches = NULL;
}

bool distinct_add(struct distinct *d, uint32_t hash, uint32_t remember_max, bool may_grow, size_t *bytes)
{
    bool was_known = recent_touch(&d->known, hash, NULL);
    if (!was_known && d->sketches == NULL && d->known.count >= remember_max && may_grow)
        sketches_make(d, bytes);
    if (!was_known) {
        if (d->known.count < remember_max && may_grow)
            recent_add(&d->known, hash, true, bytes);
        else
            d->left_out = 2;
    }
    if (d->sketches) {
        d->since++;
        hll_add(&d->sketches->now, key_of(hash) >> 1);
        hll_add(&d->sketches->both, key_of(hash) >> 1);
    }
    return was_known;
}

bool distinct_knows(const struct distinct *d, uint32_t hash)
{
    return recent_has(&d->known, hash);
}

uint64_t distinct_count(struct distinct *d)
{
    d->since = 0;
    return d->sketches ? hll_count(&d->sketches->both) : d->known.count;
}

bool distinct_is_below(struct distinct *d, uint64_t limit)
{
    if (d->sketches && d->sketches->both.count && d->sketches->both.count + d->since < limit)
        return true;
    return distinct_count(d) < limit;
}

void distinct_turn(struct distinct *d, size_t *bytes)
{
    recent_turn(&d->known, bytes);
    if (d->left_out)
        d->left_out--;
    if (d->sketches && d->left_out == 0) { /* known has everything; new sketches can be made of it */
        sketches_drop(d, bytes);
    } else if (d->sketches) {
        d->since = 0;
        d->sketches->both = d->sketches->now;
        hll_init(&d->sketches->now);
    }
}

void distinct_free(struct distinct *d, size_t *bytes)
{
    recent_free(&d->known, bytes);
    sketches_drop(d, bytes);
}
