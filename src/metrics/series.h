/* SPDX-License-Identifier: Apache-2.0 */
/* The dictionary of series in use: tenant and labels -> a slot number. Any thread.
 *
 * A slot is pinned while a row table lives that began no later than the series' last use; a series unused for longer
 * is forgotten when a row table is freed, so memory follows what is in use and not what ever was. A ref (slot and epoch)
 * that outlived its series is noticed: series_lock_batch gives the batch a new one. */
#ifndef STOA_METRICS_SERIES_H
#define STOA_METRICS_SERIES_H

#include "metrics/index.h"
#include "model/batch.h"

enum { SERIES_LIVE_MAX = 32 * MIB }; /* series in use at once; then appends that bring new ones are refused */

struct series_dict;

struct series {
    struct hash128 hash;
    uint64_t ref;          /* epoch << 32 | slot */
    uint32_t slot, labels_len;
    uint8_t tenant_len;
    bool is_indexed;
    /* Of the WAL codec, under the store's append lock. */
    uint64_t wal_segment;
    uint32_t wal_ordinal;
    char bytes[]; /* tenant, then labels */
};

static inline struct slice series_tenant(const struct series *s)
{
    return slice_of(s->bytes, s->tenant_len);
}
static inline struct slice series_labels(const struct series *s)
{
    return slice_of(s->bytes + s->tenant_len, s->labels_len);
}

struct series_dict *series_dict_new(uint64_t seed);
void series_dict_free(struct series_dict *d);

/* Fills the ref of every series of the batch. ST_LIMIT: over SERIES_LIVE_MAX. */
MUST_CHECK enum status series_intern_batch(struct series_dict *d, struct batch *b, struct err *err);
/* Until series_unlock no series is forgotten, and every ref of the batch is good and marked as used now. */
void series_lock_batch(struct series_dict *d, struct batch *b);
void series_unlock(struct series_dict *d);
/* A ref's slot, and a slot's series: good under the lock above or while pinned by a row table. */
static inline uint32_t series_slot(uint64_t ref)
{
    return (uint32_t)ref;
}
struct series *series_at(const struct series_dict *d, uint32_t slot);

/* The life of a row table: the number given pins every series used from now until end, which forgets what nothing pins. */
uint64_t series_generation_begin(struct series_dict *d);
void series_generation_end(struct series_dict *d, uint64_t generation);

/* Sorts pinned slots by (tenant, labels). */
void series_sort(struct series_dict *d, uint32_t *slots, size_t count);
/* The slots in use, of a tenant, that all matchers accept; the caller's to free; NULL: none. */
roaring_bitmap_t *series_resolve(struct series_dict *d, struct slice tenant, const struct matcher *matchers, size_t count);
/* Calls visit with the index under its lock: short work only. */
void series_with_index(struct series_dict *d, void (*visit)(void *arg, const struct index *ix), void *arg);
/* All in use, in no order; visit gives false when it has had enough. Appends of new series wait. */
void series_each(struct series_dict *d, bool (*visit)(void *arg, const struct series *s), void *arg);
size_t series_count(struct series_dict *d);
/* One more than the highest slot ever given. */
uint32_t series_slot_end(struct series_dict *d);
size_t series_bytes(struct series_dict *d);

#endif
