/* SPDX-License-Identifier: Apache-2.0 */
/* For tests: a store on an imitated disk, random events, and a list of what should be in it. */
#ifndef STOA_EVENTS_EVWORLD_H
#define STOA_EVENTS_EVWORLD_H

#include "base/rand.h"
#include "base/unit.h"
#include "events/events.h"
#include "sys/file_sim.h"

enum { WORLD_TENANTS = 2, WORLD_ROWS_MAX = 60000 };

struct world_row {
    unsigned tenant;
    bool is_dead;
    struct event e; /* seq: the order of appends */
};

struct world {
    struct rand rand;
    struct arena *arena;
    struct fs *fs;
    struct clock *clock;
    struct store *store;
    struct world_row *rows;
    size_t count;
};

extern const int64_t world_start_ns;

void world_open(struct world *w);
void world_close(struct world *w);
void world_restart(struct world *w);
/* Appends the events (strings borrowed) and notes them. */
void world_append(struct world *w, unsigned tenant, const struct event *events, size_t count);
/* A few random events of one tenant. */
void world_append_random(struct world *w, size_t count);
void world_tick(struct world *w);
void world_flush(struct world *w);
void world_merge(struct world *w);
struct slice world_tenant(unsigned i);

struct event world_event(struct world *w, struct arena *a);
struct event world_span(struct world *w, struct arena *a);
struct slice world_stream(struct arena *a, unsigned i);
/* All but seq. */
bool world_same(const struct event *a, const struct event *b);

/* Runs q for these tenants (bits) and gives copies of the rows; tenants[i] of row i. */
struct world_found {
    struct event *rows;
    struct slice *tenants;
    size_t count;
    uint64_t rows_read, bytes_read;
    bool has_warnings;
};
struct world_found world_scan(struct world *w, unsigned tenants, const struct events_query *q, struct arena *a);
struct events_query world_query_all(void);

#endif
