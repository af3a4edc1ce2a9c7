/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as lots of alike lines (store/lot.h). */
#ifndef STOA_EVENTS_EVLOT_H
#define STOA_EVENTS_EVLOT_H

#include "events/evscope.h"
#include "store/lot.h"

/* Takes sc, keeps q. want: of rows that come as rows. One thread. */
struct events_iter *evlot_open(struct evscope *sc, const struct lot_query *q, unsigned want);

/* Clears sel[row] of rows of the open block x that the filter sees and does not pass; *count: how many are left. */
MUST_CHECK enum status evlot_filter(struct evscope *sc, struct evplan *plan, struct evread *x, const struct lot_filter *f, uint8_t *sel,
                                    size_t *count, struct err *err);

#endif
