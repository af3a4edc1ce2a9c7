/* SPDX-License-Identifier: Apache-2.0 */
/* How a part of events divides by signal and service; as in struct store_kind. */
#ifndef STOA_EVENTS_EVUSAGE_H
#define STOA_EVENTS_EVUSAGE_H

#include "store/store.h"

enum status evusage_part(void *state, const struct part *p, struct usage *u, struct err *err);

#endif
