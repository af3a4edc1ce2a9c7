/* SPDX-License-Identifier: Apache-2.0 */
/* The columns of one block, from rows. */
#ifndef STOA_EVENTS_EVENCODE_H
#define STOA_EVENTS_EVENCODE_H

#include "events/evcol.h"
#include "events/evdir.h"
#include "events/evtext.h"

enum { EVENCODE_OBSERVED_RELATIVE = 0, EVENCODE_OBSERVED_ABSOLUTE = 1, EVENCODE_OBSERVED_BY_LSN = 2 };
enum { EVENCODE_PARENT_NONE = 0, EVENCODE_PARENT_ELSEWHERE = 1, EVENCODE_PARENT_ROWS = 2 }; /* + zigzag of rows back */

struct evencode {
    const struct event *const *rows;
    size_t n;
    struct arena *arena; /* scratch, of one block */
    /* The block's own numbers of stream, service and set of fields, by row. */
    const int64_t *streams, *services, *shapes;
    /* Sets of fields in this block: shape i is elements[starts[i] .. starts[i + 1]); an element is 1 + the field's number
     * in the part, or 0 for a cell. */
    const uint32_t *elements, *starts;
    size_t shape_count;
    const struct field *const *cells;
    size_t cell_count;
    struct evtext_writer *texts;
    struct evfilter_set *filter; /* gets the words of bodies */
    /* Filled by evencode_begin. */
    int64_t *times, *lsns, *severities, *observed;
    unsigned has; /* bits of columns that some row has */
};

/* Places of LSNs in the list of different ones in rising order: *places by row; returns how many there are. */
size_t evencode_lsn_places(const int64_t *lsn, size_t n, struct arena *a, size_t **places);
/* EVCOL_ROW_NEXT: the row less 1 + the row of the last event before of the same stream and LSN, or less 0 when there is none. */
int64_t *evencode_rows_of_next(const int64_t *lsn, const int64_t *next, const int64_t *streams, size_t n, size_t stream_count, struct arena *a);

/* Walks the rows once for what many columns ask of them; arena, rows and n are set. */
void evencode_begin(struct evencode *e);
/* Appends the column's bytes; false (and nothing appended) when every row has the column's default. */
bool evencode_column(const struct evencode *e, enum evdir_column column, struct buf *out);

#endif
