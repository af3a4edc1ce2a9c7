/* SPDX-License-Identifier: Apache-2.0 */
/* Strings as shapes and variables: "took 12 ms" is the shape "took <> ms" and the number 12. docs/formats/events-part.md. */
#ifndef STOA_EVENTS_EVSHAPE_H
#define STOA_EVENTS_EVSHAPE_H

#include "base/arena.h"
#include "base/buf.h"

enum evshape_slot_codec {
    EVSHAPE_STRINGS = 0,
    EVSHAPE_NUMBER = 1,      /* decimal without leading zeros */
    EVSHAPE_DIGITS = 2,      /* decimal of one width */
    EVSHAPE_HEX_LOWER = 3,   /* hex of one width */
    EVSHAPE_HEX_UPPER = 4,
};

/* The strings in one run: value i is bytes[ends[i - 1] .. ends[i]). False when r does not parse. */
bool evshape_get(struct reader *r, size_t n, struct arena *a, const char **bytes, const uint32_t **ends);

#endif
