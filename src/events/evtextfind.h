/* SPDX-License-Identifier: Apache-2.0 */
/* A substring looked for in the shapes and columns of texts, not in texts put together. One thread. */
#ifndef STOA_EVENTS_EVTEXTFIND_H
#define STOA_EVENTS_EVTEXTFIND_H

#include "events/evtext.h"

/* Clears sel[i] (1: wanted) of every text that does not contain needle (not empty): exact. False when the bytes are damaged. */
bool evtextfind(struct evtext *t, struct slice needle, uint8_t *sel, struct arena *scratch);
/* Capitals of ASCII and small letters are the same. */
bool evtextfind_nocase(struct evtext *t, struct slice needle, uint8_t *sel, struct arena *scratch);

#endif
