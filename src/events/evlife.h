/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: the life of a store of events on an imitated disk. Requests are sent, faults come, and what was acknowledged is compared
 * with what was sent, byte for byte. What kind of events a life has is told by a table of functions. */
#ifndef STOA_EVENTS_EVLIFE_H
#define STOA_EVENTS_EVLIFE_H

#include "events/evworld.h"

enum { LIFE_REQUESTS = 30, LIFE_REQUESTS_MAX = 400, LIFE_ROWS_MAX = 6, LIFE_ROW_BITS = 8 };

struct life;

struct life_kind {
    /* One row of a request: row numbers it, (request << LIFE_ROW_BITS | place). The same life and row give the same event. */
    struct event (*make)(struct life *l, struct arena *a, unsigned row);
    /* The number make() was given, from what was read; UINT32_MAX when it has none. */
    uint32_t (*row_of)(const struct event *e);
    /* More that must hold when all rows are as they should be; may be NULL. */
    void (*check)(struct life *l, const struct world_found *all, struct arena *a);
};

/* What a life has sent. The same seed sends the same. */
struct life {
    struct world w;
    const struct life_kind *kind;
    uint64_t seed;
    unsigned sent; /* requests, with those refused */
    bool acked[LIFE_REQUESTS_MAX];
    struct event *rows[LIFE_REQUESTS_MAX];
    size_t counts[LIFE_REQUESTS_MAX];
};

void life_init(struct life *l, const struct life_kind *kind, uint64_t seed, uint64_t disk_seed);
enum status life_try_start(struct life *l, struct err *err);
void life_start(struct life *l);
/* The power goes (or the process), faults that were set are over, and the store starts again. */
void life_crash(struct life *l, enum fs_sim_loss how);
void life_end(struct life *l);

/* Request r, which has not been sent before; waits for the answer. */
enum status life_send(struct life *l, unsigned r, struct err *err);
/* Everything acknowledged is there once, what was not is there whole or not at all, rows of a stream keep their order. */
void life_check(struct life *l);
uint64_t life_corrupt_blocks(struct life *l);

/* A life of LIFE_REQUESTS requests with flushes and merges, once for each sync it does: the power goes at that sync, or the sync fails;
 * then it goes on and is cut off again. */
void life_cut_at_every_sync(const struct life_kind *kind, enum fs_sim_loss how, uint64_t seed);
void life_fail_every_sync(const struct life_kind *kind, uint64_t seed);
/* The same life on disks of many sizes that are full from some point on. Returns how many requests were refused. */
unsigned life_fill_the_disk(const struct life_kind *kind, uint64_t seed);

#endif
