/* SPDX-License-Identifier: Apache-2.0 */
/* How many different things were seen in this window of time and the one before, and which: things are told by 31 bits of a
 * hash. Turning the window forgets what was seen in neither. One thread at a time. */
#ifndef STOA_PIPELINE_DISTINCT_H
#define STOA_PIPELINE_DISTINCT_H

#include "base/hll.h"

enum { DISTINCT_EXACT_MAX = 512 }; /* series of a tenant and a metric: so many are counted one by one, more by a sketch */

/* ---- which: four bytes each ---- */

struct recent {
    uint32_t *table;        /* 31 bits of a hash, and whether it was seen in this window; 0: empty */
    uint32_t cap, count;
};

/* Known from this window or the one before; is now of this one. *was_fresh, which may be NULL: it was before. */
bool recent_touch(struct recent *r, uint32_t hash, bool *was_fresh);
bool recent_has(const struct recent *r, uint32_t hash);
/* Of one that is not known. *bytes follows what the table takes. */
void recent_add(struct recent *r, uint32_t hash, bool is_fresh, size_t *bytes);
/* Asks for the memory of a look-up that is to come. */
void recent_prefetch(const struct recent *r, uint32_t hash);
void recent_turn(struct recent *r, size_t *bytes);
void recent_free(struct recent *r, size_t *bytes);

/* ---- how many ---- */

struct distinct_sketches;

struct distinct {
    struct recent known;              /* those that are remembered one by one */
    struct distinct_sketches *sketches; /* NULL while known is all there is */
    uint8_t left_out;                 /* windows until known holds everything again */
    uint32_t since;                   /* things added since the sketches were asked */
};

/* remember_max: so many are remembered and counted one by one, the rest by a sketch alone. may_grow false: memory is used up, so
 * what would need more of it is not counted. True when it was known. */
bool distinct_add(struct distinct *d, uint32_t hash, uint32_t remember_max, bool may_grow, size_t *bytes);
bool distinct_knows(const struct distinct *d, uint32_t hash);
uint64_t distinct_count(struct distinct *d);
/* Whether the count is under limit; asks the sketches only when what was added since could matter. */
bool distinct_is_below(struct distinct *d, uint64_t limit);
void distinct_turn(struct distinct *d, size_t *bytes);
void distinct_free(struct distinct *d, size_t *bytes);

#endif
