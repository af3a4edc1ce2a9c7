/* SPDX-License-Identifier: Apache-2.0 */
/* For query scripts and tests: an engine that holds events in memory and answers events queries alone. Predicates mean what they mean to the
 * store's own engine (events/evpred.h). One thread. */
#ifndef STOA_QUERY_SCRIPT_EVENTS_H
#define STOA_QUERY_SCRIPT_EVENTS_H

#include "store/engine.h"

struct script_events;
struct script_events *script_events_new(void);
void script_events_free(struct script_events *m); /* accepts NULL */
struct engine *script_events_door(struct script_events *m);
/* Copies all of it; gives it the next seq. */
void script_events_add(struct script_events *m, const struct event *e);
void script_events_clear(struct script_events *m);

#endif
