/* SPDX-License-Identifier: Apache-2.0 */
/* Rows counted by cell of time and group, without making rows. */
#ifndef STOA_EVENTS_EVCOUNT_H
#define STOA_EVENTS_EVCOUNT_H

#include "events/evscope.h"

enum { EVCOUNT_TALLIES_MAX = 2 * 1000 * 1000 }; /* cells times groups of one count; more end it with ST_LIMIT */

/* Takes sc, borrows by. One block of counts, sorted by group and time. */
struct events_iter *evcount_open(struct evscope *sc, const struct events_count_by *by);

#endif
