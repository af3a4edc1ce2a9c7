/* SPDX-License-Identifier: Apache-2.0 */
/* Where in a shape of lines (evtext.h) the fields of JSON and logfmt stand: a line's fields, found once for all lines of its shape.
 * Pure. */
#ifndef STOA_EVENTS_EVFIELD_H
#define STOA_EVENTS_EVFIELD_H

#include "events/evtext.h"
#include "store/lot.h"

enum evfield_verdict {
    EVFIELD_WHOLE,  /* nothing can be said: each line has to be parsed by itself */
    EVFIELD_ERROR,  /* no line of the shape is a JSON object */
    EVFIELD_FOUND
};

/* What values of a variable have to be for the plan to hold; bits. */
enum evfield_role {
    EVFIELD_STRING = 1, /* UTF-8 without quotes, backslashes and control characters */
    EVFIELD_WORD = 2,   /* no byte up to the blank */
    EVFIELD_NUMBER = 4, /* a JSON number */
    EVFIELD_PLAIN = 8,  /* no backslash */
    EVFIELD_FILLED = 16, /* not empty */
    EVFIELD_QUOTED = 32 /* as STRING, but with the short escapes of JSON */
};

struct evfield_leaf { /* shape.text[from, to) is the value: variables, times and what is the same in all lines */
    bool is_there, is_number;
    uint32_t from, to;
    uint32_t slot;      /* number of the first variable in it */
};

struct evfield_plan {
    enum evfield_verdict verdict;
    struct evfield_leaf *leaves; /* one a name */
    uint8_t *roles;              /* of each variable */
    /* logfmt: names that are not there may stand in a variable, or behind it: lines with evfield_needle of one are to be parsed. */
    bool is_open;
};

/* Lives in a. */
struct evfield_plan evfield_plan(const struct evtext_shape *s, const struct lot_query *q, struct arena *a);
/* A text that every logfmt line has where the name is a key with a value. */
struct slice evfield_needle(struct slice name, bool is_exact, struct arena *a);
/* Is text what roles ask for? */
bool evfield_fits(struct slice text, unsigned roles);
/* As LogQL's json writes a number that it read: the shortest text. Lives in a. */
struct slice evfield_number(struct slice text, struct arena *a);

#endif
