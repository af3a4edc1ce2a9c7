/* SPDX-License-Identifier: Apache-2.0 */
/* Cuts a text into its shape and its variables. Looks at nothing but the text and the time: the same text always gives the same
 * shape. docs/formats/events-part.md, "Texts". */
#ifndef STOA_EVENTS_EVTOK_H
#define STOA_EVENTS_EVTOK_H

#include "base/arena.h"
#include "events/evfilter.h"
#include "events/evstamp.h"

enum { EVTOK_VARIABLES_MAX = 255 /* of a text; what comes later is part of the shape */ };

struct evtok_var {
    uint32_t from, len;
};

struct evtok {
    struct evstamp stamp;
    char *shape;                 /* room for the longest text */
    struct evtok_var *vars;      /* of all texts so far */
    size_t var_count, var_cap;
    struct evfilter_set *filter; /* may be NULL: gets the words that stand for a time in the shape, and more than one word of neither */
    int64_t days[EVSTAMP_FORMATS + 1]; /* whose words it has, by format */
};
/* longest: of the texts to come. */
void evtok_init(struct evtok *t, size_t longest, struct evfilter_set *filter);
void evtok_free(struct evtok *t);
/* Writes t->shape, a zero byte for each variable, and appends the variables; gives the shape's length, SIZE_MAX when the text has a byte
 * that stands for something in shapes. is_line: quoted strings and values behind '=' are variables, and times are looked for
 * (when ns is not NULL); otherwise only runs with a digit are. */
size_t evtok_cut(struct evtok *t, struct slice text, bool is_line, const int64_t *ns);

#endif
