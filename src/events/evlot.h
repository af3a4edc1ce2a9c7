/* SPDX-License-Identifier: Apache-2.0 */
/* Rows as lots of alike lines (store/lot.h). */
#ifndef STOA_EVENTS_EVLOT_H
#define STOA_EVENTS_EVLOT_H

#include "events/evscope.h"
#include "store/lot.h"

/* Takes sc, keeps q. want: of rows that come as rows. One thread. */
struct events_iter *evlot_open(struct evscope *sc, const struct lot_query *q, unsigned want);

#endif
