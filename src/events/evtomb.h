/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones, made ready: which rows are deleted. */
#ifndef STOA_EVENTS_EVTOMB_H
#define STOA_EVENTS_EVTOMB_H

#include "model/event.h"
#include "model/matcher.h"
#include "store/erase_value.h"
#include "store/store.h"

struct evtomb {
    const struct tombstone *t;
    struct matcher *matchers;
    size_t matcher_count;
    bool is_bad; /* its selector does not parse: it deletes nothing */
};

struct evtombs {
    struct evtomb *list;
    size_t count;
    struct arena *scratch;
};

/* Those about events; keeps dead.list; ctx (may be NULL) is warned of those that do not parse. */
struct evtombs evtombs_compile(struct tombstones dead, struct arena *a, struct engine_ctx *ctx);
void evtombs_free(struct evtombs *tombs);

/* May t touch rows of this tenant, with times in [min, max] and LSNs from min_lsn on? */
bool evtomb_may_touch(const struct evtomb *t, struct slice tenant, int64_t min_ns, int64_t max_ns, uint64_t min_lsn);
/* The parts of the question about one row. */
bool evtomb_covers(const struct evtomb *t, int64_t time_ns, uint64_t lsn);
bool evtomb_has_stream(const struct evtomb *t, struct slice stream);
bool evtomb_has_body(const struct evtomb *t, struct slice body);
/* Has the row (all of it is looked at) the value t is about? True when t is about none. */
bool evtomb_has_value(const struct evtomb *t, const struct event *e, struct arena *scratch);
bool evtombs_dead(const struct evtombs *tombs, struct slice tenant, const struct event *e);

#endif
