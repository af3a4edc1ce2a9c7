/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of evread.h share; nobody else includes it. */
#ifndef STOA_EVENTS_EVREAD_IN_H
#define STOA_EVENTS_EVREAD_IN_H

#include "events/evread.h"

enum { COLUMNS = EVCOL_FIXED_LAST + 1 };

struct spans { /* lists of span events and links, all rows in one run */
    const uint32_t *event_first, *link_first; /* n + 1 each; NULL: none */
    struct span_event *events;
    struct span_link *links;
};

struct evread {
    const struct part *p;
    const struct evdir *d;
    const struct evdir_block *b;
    struct engine_ctx *ctx;
    size_t n, frame_bytes;
    struct block **frames;
    struct arena *arena;
    const int64_t *ints[COLUMNS];
    const int64_t *row_ints[COLUMNS]; /* good at the rows that are wanted */
    const uint64_t *seqs;
    const struct evcol_strings *strings[COLUMNS];
    const struct evcol_strings *row_strings[COLUMNS]; /* good at the rows that are wanted */
    const uint8_t *ids[COLUMNS];
    struct evcol_fixed fixed[EVCOL_SPAN_ID - EVCOL_TRACE_ID + 1]; /* bytes NULL: not read yet */
    const uint8_t *row_parents; /* good at the rows that are wanted */
    const struct evread_shapes *shapes;
    const struct evread_values **values; /* by number of the field */
    const struct field *cells;
    const uint32_t *cell_order;
    const struct spans *spans;
    const int64_t *observed;
    struct evtext *text; /* the body's, until it is read as strings */
    struct arena *text_arena;
    struct zstd_ctx *zstd, *shared_zstd; /* of text; shared: used instead when there is one */
    const struct slice *names;           /* of fields that are wanted; NULL: all */
    size_t name_count;
    const struct evread_shapes *wanted;  /* shapes of those */
    uint32_t *rows;                      /* in order, those that are wanted; NULL: any */
    size_t row_count;
    const uint32_t *before;              /* of each of them, and of the end: how many rows of each shape come before it */
};

/* The sentence of a column that does not parse. */
enum status evread_corrupt(const struct evread *x, uint32_t column, struct err *err);
/* *place NULL: the block does not have it. r borrows from the block. */
MUST_CHECK enum status evread_open_column(struct evread *x, uint32_t column, const struct evdir_place **place, struct reader *r, struct err *err);
/* Columns of the fields that are wanted of the rows that are wanted. */
MUST_CHECK enum status evread_load_fields(struct evread *x, struct err *err);

#endif
