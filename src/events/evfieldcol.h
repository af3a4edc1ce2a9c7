/* SPDX-License-Identifier: Apache-2.0 */
/* Fields of the lines of one shape, from its columns. One thread. */
#ifndef STOA_EVENTS_EVFIELDCOL_H
#define STOA_EVENTS_EVFIELDCOL_H

#include "events/evfield.h"

/* Some lines of a shape: line i is value pos[i] of the shape's columns, pos rising; is_all: these are all there are. */
struct evfield_lines {
    struct evtext *t;
    struct evtext_shape *shape;
    const uint32_t *pos, *rows; /* rows: of the block, by place in the columns */
    size_t n;
    bool is_all;
};

/* is_bad[i] = 1 for lines whose variables are not what the plan asks for. False: the column is damaged. */
bool evfield_check(const struct evfield_lines *l, const struct evfield_plan *plan, uint8_t *is_bad, struct arena *a);
/* The values of a leaf in lines that evfield_check found nothing in. Lives in a or as long as t. False: as above. */
bool evfield_values(const struct evfield_lines *l, const struct evfield_leaf *leaf, struct lot_values *out, struct arena *a);

#endif
