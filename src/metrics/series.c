/* SPDX-License-Identifier: Apache-2.0 */
/* The dictionary of series.
 *
 * A hash table (open addressing, by XXH3-128 of tenant and labels with the store's seed; a hit compares the bytes) leads
 * to a slot. Slots lie in pages that never move, so a reader of a row table follows a slot without a lock while the
 * table pins it. Each slot has an epoch, one more each time it is given away, and the generation of its last use.
 *
 * Senders repeat their series in one order, so each slot knows which one followed it last time: while that holds, a look-up is
 * one comparison, without hash and table.
 *
 * Two locks. `lock` (readers: appends; writer: new series, forgetting) guards table, slots and generations. `index_lock`
 * guards the label index and the sorted order, which are brought up to date only when somebody asks, from a list of the
 * slots that are new; it is taken before `lock`, never inside it.
 *
 * (1) A series whose last use is at or after the oldest live generation stays.
 * (2) A series is freed under index_lock, so whoever holds that may follow every slot it finds in index or order. */
#include "metrics/series.h"

#include <stdatomic.h>
#include <stdlib.h>

#include "base/hash.h"
#include "sys/thread.h"

enum {
    SLOT_PAGE = 4096,
    SLOT_PAGES_MAX = 16384,
    TABLE_CAP_MIN = 1024,
    GENERATIONS_KEPT = 2, /* a series unused for so many row tables is forgotten */
    LIVE_GENERATIONS_MAX = 1024,
    LOOK_AHEAD = 32,      /* look-ups whose memory is asked for together */
    CACHE_LINE = 64
};

struct slot {
    struct series *series; /* NULL: free */
    uint32_t epoch;
    _Atomic uint32_t generation;
    _Atomic uint32_t follower; /* slot of the series that followed it in a batch; a guess, to be compared */
};

struct cell {
    uint64_t hash;         /* low word */
    struct series *series; /* NULL: empty */
};

struct list {
    uint64_t *refs;
    size_t count, cap;
};

struct series_dict {
    uint64_t seed;
    pthread_rwlock_t lock;
    struct cell *table;
    size_t cap, count;
    struct slot *pages[SLOT_PAGES_MAX];
    uint32_t slot_end, *free_slots;
    size_t free_count, free_cap, label_bytes;
    uint32_t generation;
    uint32_t live[LIVE_GENERATIONS_MAX];
    size_t live_count;
    struct list unindexed, unordered; /* under lock */

    struct mutex index_lock;
    struct index index;
    uint32_t *order, *rank; /* slots in label order; a slot's place in it */
    size_t order_count, rank_cap;
    atomic_size_t order_cap; /* series_bytes looks without the lock of the others */
};

static void list_push(struct list *l, uint64_t ref)
{
    if (l->count == l->cap) {
        l->cap = l->cap ? l->cap * 2 : 256;
        l->refs = mem_realloc(l->refs, l->cap * sizeof *l->refs);
    }
    l->refs[l->count++] = ref;
}

static struct slot *slot_of(const struct series_dict *d, uint32_t slot)
{
    return &d->pages[slot / SLOT_PAGE][slot % SLOT_PAGE];
}

struct series *series_at(const struct series_dict *d, uint32_t slot)
{
    return slot_of(d, slot)->series;
}

/* NULL when the series of this ref was forgotten. */
static struct slot *slot_of_ref(const struct series_dict *d, uint64_t ref)
{
    struct slot *s = slot_of(d, series_slot(ref));
    return s->series && s->epoch == (uint32_t)(ref >> 32) ? s : NULL;
}

struct series_dict *series_dict_new(uint64_t seed)
{
    struct series_dict *d = mem_new(struct series_dict);
    d->seed = seed;
    d->generation = 1;
    d->cap = TABLE_CAP_MIN;
    d->table = mem_zalloc(d->cap * sizeof *d->table);
    pthread_rwlockattr_t attr;
    pthread_rwlockattr_init(&attr);
    pthread_rwlockattr_setkind_np(&attr, PTHREAD_RWLOCK_PREFER_WRITER_NONRECURSIVE_NP);
    pthread_rwlock_init(&d->lock, &attr);
    pthread_rwlockattr_destroy(&attr);
    mutex_init(&d->index_lock);
    index_init(&d->index);
    return d;
}

void series_dict_free(struct series_dict *d)
{
    if (d == NULL)
        return;
    for (uint32_t i = 0; i < d->slot_end; i++)
        mem_free(slot_of(d, i)->series);
    for (size_t i = 0; i < SLOT_PAGES_MAX && d->pages[i]; i++)
        mem_free(d->pages[i]);
    index_free(&d->index);
    mutex_destroy(&d->index_lock);
    pthread_rwlock_destroy(&d->lock);
    mem_free(d->table);
    mem_free(d->free_slots);
    mem_free(d->unindexed.refs);
    mem_free(d->unordered.refs);
    mem_free(d->order);
    mem_free(d->rank);
    mem_free(d);
}

/* ---- the table; under lock ---- */

static bool series_is(const struct series *s, struct hash128 h, struct slice tenant, struct slice labels)
{
    return s->hash.lo == h.lo && s->hash.hi == h.hi && slice_eq(series_labels(s), labels) && slice_eq(series_tenant(s), tenant);
}

/* The cell of this series, or the empty one where it would be. */
static struct cell *cell_find(const struct series_dict *d, struct hash128 h, struct slice tenant, struct slice labels)
{
    for (size_t i = h.lo & (d->cap - 1);; i = (i + 1) & (d->cap - 1)) {
        struct cell *c = &d->table[i];
        if (c->series == NULL || (c->hash == h.lo && series_is(c->series, h, tenant, labels)))
            return c;
    }
}

static void table_put(struct cell *table, size_t cap, struct cell cell)
{
    size_t i = cell.hash & (cap - 1);
    while (table[i].series)
        i = (i + 1) & (cap - 1);
    table[i] = cell;
}

static void table_resize(struct series_dict *d, size_t cap)
{
    struct cell *bigger = mem_zalloc(cap * sizeof *bigger);
    for (size_t i = 0; i < d->cap; i++)
        if (d->table[i].series)
            table_put(bigger, cap, d->table[i]);
    mem_free(d->table);
    d->table = bigger;
    d->cap = cap;
}

static uint32_t slot_take(struct series_dict *d)
{
    if (d->free_count > 0)
        return d->free_slots[--d->free_count];
    uint32_t at = d->slot_end;
    assert(at / SLOT_PAGE < SLOT_PAGES_MAX);
    if (at % SLOT_PAGE == 0)
        d->pages[at / SLOT_PAGE] = mem_zalloc(SLOT_PAGE * sizeof(struct slot));
    d->slot_end++;
    return at;
}

static uint64_t insert(struct series_dict *d, struct hash128 h, struct slice tenant, struct slice labels)
{
    struct cell *c = cell_find(d, h, tenant, labels);
    if (c->series)
        return c->series->ref;
    struct series *s = mem_alloc(sizeof *s + tenant.len + labels.len);
    *s = (struct series){ .hash = h, .slot = slot_take(d), .labels_len = (uint32_t)labels.len, .tenant_len = (uint8_t)tenant.len,
                          .wal_segment = UINT64_MAX };
    memcpy(s->bytes, tenant.ptr, tenant.len);
    memcpy(s->bytes + tenant.len, labels.ptr, labels.len);
    struct slot *slot = slot_of(d, s->slot);
    slot->series = s;
    slot->epoch++;
    atomic_store_explicit(&slot->generation, d->generation, memory_order_relaxed);
    s->ref = (uint64_t)slot->epoch << 32 | s->slot;
    *c = (struct cell){ h.lo, s };
    d->label_bytes += sizeof *s + tenant.len + labels.len;
    if (++d->count * 2 > d->cap)
        table_resize(d, d->cap * 2);
    list_push(&d->unindexed, s->ref);
    list_push(&d->unordered, s->ref);
    return s->ref;
}

/* Empties a cell and moves up what stood behind it. */
static void cell_clear(struct series_dict *d, struct cell *c)
{
    size_t hole = (size_t)(c - d->table), mask = d->cap - 1;
    for (size_t i = (hole + 1) & mask; d->table[i].series; i = (i + 1) & mask) {
        size_t home = d->table[i].hash & mask;
        if (((i - home) & mask) >= ((i - hole) & mask)) {
            d->table[hole] = d->table[i];
            hole = i;
        }
    }
    d->table[hole] = (struct cell){ 0 };
}

/* ---- appends ---- */

static void series_prefetch(const struct series *s)
{
    if (s == NULL)
        return;
    __builtin_prefetch(s);
    __builtin_prefetch((const char *)s + CACHE_LINE);
    __builtin_prefetch((const char *)s + 2 * CACHE_LINE);
}

/* A batch's look-ups. */
struct search {
    const struct series_dict *d;
    struct batch *b;
    uint64_t tenant_seed;
    uint32_t last;      /* slot of the series before; UINT32_MAX: none */
    bool follows;       /* the order of last time held so far */
    size_t missing;
};

/* Looks up the series from..to along the order of last time; gives where that ended. Under lock. */
static size_t follow(struct search *q, size_t from, size_t to)
{
    const struct series_dict *d = q->d;
    const struct series *guess[LOOK_AHEAD];
    uint32_t slot = q->last;
    size_t n = 0;
    for (; n < to - from; n++) {
        slot = atomic_load_explicit(&slot_of(d, slot)->follower, memory_order_relaxed);
        if (slot >= d->slot_end)
            break;
        guess[n] = slot_of(d, slot)->series;
        series_prefetch(guess[n]);
    }
    for (size_t i = 0; i < n; i++) {
        const struct series *s = guess[i];
        if (s == NULL || !slice_eq(series_labels(s), q->b->series[from + i].labels) || !slice_eq(series_tenant(s), q->b->tenant))
            return from + i;
        q->b->series[from + i].ref = s->ref;
        q->last = s->slot;
    }
    return from + n;
}

/* Looks up the series from..to of a batch; those that are not known (ref UINT64_MAX) are counted. Memory is asked for ahead, for
 * each look-up is two cache misses. Under lock. */
static void look_up(struct search *q, size_t from, size_t to)
{
    const struct series_dict *d = q->d;
    struct batch *b = q->b;
    struct hash128 hashes[LOOK_AHEAD];
    size_t in_order = 0;
    for (size_t i = from; i < to; i++) {
        hashes[i - from] = hash128(b->series[i].labels, q->tenant_seed);
        __builtin_prefetch(&d->table[hashes[i - from].lo & (d->cap - 1)]);
    }
    for (size_t i = from; i < to; i++)
        series_prefetch(d->table[hashes[i - from].lo & (d->cap - 1)].series);
    for (size_t i = from; i < to; i++) {
        const struct cell *c = cell_find(d, hashes[i - from], b->tenant, b->series[i].labels);
        b->series[i].ref = c->series ? c->series->ref : UINT64_MAX;
        q->missing += c->series == NULL;
        uint32_t slot = c->series ? c->series->slot : UINT32_MAX;
        if (slot != UINT32_MAX && q->last != UINT32_MAX) {
            _Atomic uint32_t *follower = &slot_of(d, q->last)->follower;
            bool is_known = atomic_load_explicit(follower, memory_order_relaxed) == slot;
            in_order += is_known;
            if (!is_known)
                atomic_store_explicit(follower, slot, memory_order_relaxed);
        }
        q->last = slot;
    }
    q->follows = q->last != UINT32_MAX && in_order * 2 >= to - from;
}

enum status series_intern_batch(struct series_dict *d, struct batch *b, struct err *err)
{
    uint64_t tenant_seed = hash64(b->tenant, d->seed);
    struct search q = { .d = d, .b = b, .tenant_seed = tenant_seed, .last = UINT32_MAX };
    pthread_rwlock_rdlock(&d->lock);
    for (size_t from = 0; from < b->series_count;) {
        size_t to = MIN(from + LOOK_AHEAD, b->series_count), at = q.follows ? follow(&q, from, to) : from;
        if (at < to)
            look_up(&q, at, to);
        from = to;
    }
    size_t missing = q.missing;
    size_t live = d->count;
    pthread_rwlock_unlock(&d->lock);
    if (missing == 0)
        return ST_OK;
    if (live + missing > SERIES_LIVE_MAX)
        return err_set(err, ST_LIMIT, "series: %zu in use and %zu new ones in this request; at most %d may be in use at once", live,
                       missing, SERIES_LIVE_MAX);
    pthread_rwlock_wrlock(&d->lock);
    for (size_t i = 0; i < b->series_count; i++)
        if (b->series[i].ref == UINT64_MAX)
            b->series[i].ref = insert(d, hash128(b->series[i].labels, tenant_seed), b->tenant, b->series[i].labels);
    pthread_rwlock_unlock(&d->lock);
    return ST_OK;
}

/* True when every ref is good; marks them as used. Under lock. */
static bool refs_mark(struct series_dict *d, const struct batch *b)
{
    for (size_t i = 0; i < b->series_count; i++) {
        struct slot *s = slot_of_ref(d, b->series[i].ref);
        if (s == NULL)
            return false;
        if (atomic_load_explicit(&s->generation, memory_order_relaxed) != d->generation)
            atomic_store_explicit(&s->generation, d->generation, memory_order_relaxed);
    }
    return true;
}

void series_lock_batch(struct series_dict *d, struct batch *b)
{
    pthread_rwlock_rdlock(&d->lock);
    while (!refs_mark(d, b)) {
        pthread_rwlock_unlock(&d->lock);
        uint64_t tenant_seed = hash64(b->tenant, d->seed);
        pthread_rwlock_wrlock(&d->lock);
        for (size_t i = 0; i < b->series_count; i++)
            if (slot_of_ref(d, b->series[i].ref) == NULL)
                b->series[i].ref = insert(d, hash128(b->series[i].labels, tenant_seed), b->tenant, b->series[i].labels);
        pthread_rwlock_unlock(&d->lock);
        pthread_rwlock_rdlock(&d->lock);
    }
}

void series_unlock(struct series_dict *d)
{
    pthread_rwlock_unlock(&d->lock);
}

/* ---- generations ---- */

uint64_t series_generation_begin(struct series_dict *d)
{
    pthread_rwlock_wrlock(&d->lock);
    uint32_t generation = ++d->generation;
    assert(d->live_count < LIVE_GENERATIONS_MAX);
    d->live[d->live_count++] = generation;
    pthread_rwlock_unlock(&d->lock);
    return generation;
}

/* Unlinks what nothing pins; the series themselves go to *gone. Under lock. */
static size_t unlink_unused(struct series_dict *d, struct series ***gone)
{
    uint32_t oldest = d->generation > GENERATIONS_KEPT ? d->generation - GENERATIONS_KEPT : 0;
    for (size_t i = 0; i < d->live_count; i++)
        oldest = MIN(oldest, d->live[i]);
    size_t count = 0, cap = 0;
    *gone = NULL;
    for (uint32_t i = 0; i < d->slot_end; i++) {
        struct slot *s = slot_of(d, i);
        if (s->series == NULL || atomic_load_explicit(&s->generation, memory_order_relaxed) >= oldest)
            continue;
        if (count == cap) {
            cap = cap ? cap * 2 : 256;
            *gone = mem_realloc(*gone, cap * sizeof **gone);
        }
        (*gone)[count++] = s->series;
        cell_clear(d, cell_find(d, s->series->hash, series_tenant(s->series), series_labels(s->series)));
        d->label_bytes -= sizeof *s->series + s->series->tenant_len + s->series->labels_len;
        s->series = NULL;
        s->epoch++;
        d->count--;
    }
    if (count && d->cap > TABLE_CAP_MIN && d->count * 8 < d->cap)
        table_resize(d, d->cap / 2);
    return count;
}

static void list_clean(const struct series_dict *d, struct list *l)
{
    size_t kept = 0;
    for (size_t i = 0; i < l->count; i++)
        if (slot_of_ref(d, l->refs[i]))
            l->refs[kept++] = l->refs[i];
    l->count = kept;
}

void series_generation_end(struct series_dict *d, uint64_t generation)
{
    struct series **gone;
    mutex_lock(&d->index_lock);
    pthread_rwlock_wrlock(&d->lock);
    for (size_t i = 0; i < d->live_count; i++)
        if (d->live[i] == generation) {
            d->live[i] = d->live[--d->live_count];
            break;
        }
    size_t count = unlink_unused(d, &gone);
    if (count) {
        list_clean(d, &d->unindexed);
        list_clean(d, &d->unordered);
    }
    pthread_rwlock_unlock(&d->lock);
    size_t kept = 0;
    for (size_t i = 0; count && i < d->order_count; i++) {
        /* Slots just unlinked cannot have been given away again: they are not on the free list yet. */
        if (series_at(d, d->order[i]))
            d->order[kept++] = d->order[i];
    }
    if (count)
        d->order_count = kept;
    for (size_t i = 0; i < d->order_count && count; i++)
        d->rank[d->order[i]] = (uint32_t)i;
    for (size_t i = 0; i < count; i++)
        if (gone[i]->is_indexed)
            index_remove(&d->index, gone[i]->slot, series_tenant(gone[i]), series_labels(gone[i]));
    pthread_rwlock_wrlock(&d->lock);
    for (size_t i = 0; i < count; i++) {
        if (d->free_count == d->free_cap) {
            d->free_cap = d->free_cap ? d->free_cap * 2 : 256;
            d->free_slots = mem_realloc(d->free_slots, d->free_cap * sizeof *d->free_slots);
        }
        d->free_slots[d->free_count++] = gone[i]->slot;
    }
    pthread_rwlock_unlock(&d->lock);
    mutex_unlock(&d->index_lock);
    for (size_t i = 0; i < count; i++)
        mem_free(gone[i]);
    mem_free(gone);
}

/* ---- index and order; under index_lock ---- */

static struct list list_take(struct series_dict *d, struct list *from)
{
    struct list taken = *from;
    *from = (struct list){ 0 };
    return taken;
}

static void index_refresh(struct series_dict *d)
{
    pthread_rwlock_wrlock(&d->lock);
    struct list fresh = list_take(d, &d->unindexed);
    pthread_rwlock_unlock(&d->lock);
    for (size_t i = 0; i < fresh.count; i++) {
        struct series *s = series_at(d, series_slot(fresh.refs[i]));
        s->is_indexed = true;
        index_add(&d->index, s->slot, series_tenant(s), series_labels(s));
    }
    mem_free(fresh.refs);
}

static int series_cmp(const struct series_dict *d, uint32_t a, uint32_t b)
{
    const struct series *x = series_at(d, a), *y = series_at(d, b);
    int c = slice_cmp(series_tenant(x), series_tenant(y));
    return c ? c : labels_cmp(series_labels(x), series_labels(y));
}

static int slots_cmp(const void *a, const void *b, void *dict)
{
    return series_cmp(dict, *(const uint32_t *)a, *(const uint32_t *)b);
}

/* Merges sorted new slots into order from the back; finds each place by bisection, since most often they are few. */
static void order_merge(struct series_dict *d, const uint32_t *fresh, size_t count)
{
    size_t end = d->order_count, total = end + count;
    if (total > d->order_cap) {
        d->order_cap = MAX(total, d->order_cap * 2);
        d->order = mem_realloc(d->order, d->order_cap * sizeof *d->order);
    }
    for (size_t left = count; left > 0; left--) {
        size_t low = 0, high = end;
        while (low < high) {
            size_t mid = (low + high) / 2;
            if (series_cmp(d, d->order[mid], fresh[left - 1]) < 0)
                low = mid + 1;
            else
                high = mid;
        }
        memmove(d->order + low + left, d->order + low, (end - low) * sizeof *d->order);
        d->order[low + left - 1] = fresh[left - 1];
        end = low;
    }
    d->order_count = total;
}

static void order_refresh(struct series_dict *d)
{
    pthread_rwlock_wrlock(&d->lock);
    struct list fresh = list_take(d, &d->unordered);
    uint32_t slot_end = d->slot_end;
    pthread_rwlock_unlock(&d->lock);
    if (fresh.count == 0)
        return;
    uint32_t *slots = mem_alloc(fresh.count * sizeof *slots);
    for (size_t i = 0; i < fresh.count; i++)
        slots[i] = series_slot(fresh.refs[i]);
    qsort_r(slots, fresh.count, sizeof *slots, slots_cmp, d);
    order_merge(d, slots, fresh.count);
    if (slot_end > d->rank_cap) {
        d->rank_cap = MAX((size_t)slot_end, d->rank_cap * 2);
        d->rank = mem_realloc(d->rank, d->rank_cap * sizeof *d->rank);
    }
    for (size_t i = 0; i < d->order_count; i++)
        d->rank[d->order[i]] = (uint32_t)i;
    mem_free(slots);
    mem_free(fresh.refs);
}

static int keys_cmp(const void *a, const void *b)
{
    uint64_t x = *(const uint64_t *)a, y = *(const uint64_t *)b;
    return (x > y) - (x < y);
}

void series_sort(struct series_dict *d, uint32_t *slots, size_t count)
{
    if (count < 2)
        return;
    uint64_t *keys = mem_alloc(count * sizeof *keys);
    mutex_lock(&d->index_lock);
    order_refresh(d);
    for (size_t i = 0; i < count; i++)
        keys[i] = (uint64_t)d->rank[slots[i]] << 32 | slots[i];
    mutex_unlock(&d->index_lock);
    qsort(keys, count, sizeof *keys, keys_cmp);
    for (size_t i = 0; i < count; i++)
        slots[i] = (uint32_t)keys[i];
    mem_free(keys);
}

roaring_bitmap_t *series_resolve(struct series_dict *d, struct slice tenant, const struct matcher *matchers, size_t count)
{
    mutex_lock(&d->index_lock);
    index_refresh(d);
    roaring_bitmap_t *ids = index_resolve(&d->index, tenant, matchers, count);
    mutex_unlock(&d->index_lock);
    return ids;
}

void series_with_index(struct series_dict *d, void (*visit)(void *arg, const struct index *ix), void *arg)
{
    mutex_lock(&d->index_lock);
    index_refresh(d);
    visit(arg, &d->index);
    mutex_unlock(&d->index_lock);
}

void series_each(struct series_dict *d, bool (*visit)(void *arg, const struct series *s), void *arg)
{
    pthread_rwlock_rdlock(&d->lock);
    for (uint32_t i = 0; i < d->slot_end; i++) {
        const struct series *s = slot_of(d, i)->series;
        if (s && !visit(arg, s))
            break;
    }
    pthread_rwlock_unlock(&d->lock);
}

size_t series_count(struct series_dict *d)
{
    pthread_rwlock_rdlock(&d->lock);
    size_t n = d->count;
    pthread_rwlock_unlock(&d->lock);
    return n;
}

uint32_t series_slot_end(struct series_dict *d)
{
    pthread_rwlock_rdlock(&d->lock);
    uint32_t n = d->slot_end;
    pthread_rwlock_unlock(&d->lock);
    return n;
}

size_t series_bytes(struct series_dict *d)
{
    pthread_rwlock_rdlock(&d->lock);
    size_t n = d->label_bytes + d->cap * sizeof(struct cell) + d->slot_end * sizeof(struct slot) + d->order_cap * 8;
    pthread_rwlock_unlock(&d->lock);
    return n;
}
