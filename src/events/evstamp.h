/* SPDX-License-Identifier: Apache-2.0 */
/* The time a text tells, when it is its record's own time in UTC: found, and written again. Pure. */
#ifndef STOA_EVENTS_EVSTAMP_H
#define STOA_EVENTS_EVSTAMP_H

#include "base/slice.h"

/* Bytes that stand for a time in a shape; final. 1 to EVSTAMP_FORMATS: a format to the second; the three others: so many digits of
 * the fraction, behind the character that separates them. */
enum { EVSTAMP_FORMATS = 7, EVSTAMP_MS = 11, EVSTAMP_US = 12, EVSTAMP_NS = 14, EVSTAMP_BYTES_MAX = 24 };

struct evstamp { /* the formats of one second, written; zeroed at first */
    int64_t second, second_ns, day;
    uint8_t lens[EVSTAMP_FORMATS + 1];
    char texts[EVSTAMP_FORMATS + 1][EVSTAMP_BYTES_MAX + 8];
    bool begins[256]; /* is this the first byte of one of them? */
};

static inline bool evstamp_is_mark(uint8_t c)
{
    return (c >= 1 && c <= EVSTAMP_FORMATS) || c == EVSTAMP_MS || c == EVSTAMP_US || c == EVSTAMP_NS;
}

/* Makes s the second of ns, for begins. */
void evstamp_use(struct evstamp *s, int64_t ns);
/* How many bytes of rest (a text from some place on) tell ns, and the marks for them at to (room for 3); 0: it is not so. A word
 * byte never follows them but for a Z. */
size_t evstamp_match(struct evstamp *s, struct slice rest, int64_t ns, char *to, size_t *marks);
/* What a mark stands for, at to (room for EVSTAMP_BYTES_MAX). */
size_t evstamp_write(struct evstamp *s, uint8_t mark, int64_t ns, char *to);
bool evstamp_has_month(uint8_t mark);

#endif
