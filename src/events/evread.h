/* SPDX-License-Identifier: Apache-2.0 */
/* One block of a part, column by column: frames are read and columns decoded when they are first asked for. One thread.
 * What is returned lives until evread_release or evread_free. Errors: ST_CORRUPT (skip the block), ST_IO. */
#ifndef STOA_EVENTS_EVREAD_H
#define STOA_EVENTS_EVREAD_H

#include "events/evcol.h"
#include "events/evdir.h"
#include "events/evtext.h"
#include "store/engine.h"

/* Values of one field. A row that has it n times has values order[row] .. order[row] + n - 1; order NULL: row itself. */
struct evread_values {
    uint8_t type;
    const uint32_t *order;
    struct evcol_strings texts; /* STRING, BYTES, JSON */
    const int64_t *ints;        /* INT, BOOL */
    const double *doubles;
};

/* Lists of fields: row r has elements[starts[s]] .. elements[starts[s + 1] - 1] with s = of_row[r]; 0 is a cell, otherwise
 * 1 + the field's number in the part. nth: how often the element came before in its list. */
struct evread_shapes {
    size_t count;
    const uint32_t *starts, *elements, *nth;
    const uint32_t *of_row;
};

struct evread;
/* Keeps p and d; ctx may be NULL, else is charged for what is read. Reads nothing yet. */
struct evread *evread_new(const struct part *p, const struct evdir *d, const struct evdir_block *b, struct engine_ctx *ctx);
void evread_free(struct evread *x); /* accepts NULL */
/* For many blocks one after the other: borrowed by x from now on. */
void evread_use_zstd(struct evread *x, struct zstd_ctx *zstd);
/* evread_row and evread_body will be asked for these rows alone, some of those before: columns that none of them has are not read, of others as
 * little as will do. Copies them; they stay when the block is released. */
void evread_only_rows(struct evread *x, const uint32_t *rows, size_t count);
/* Forgets what was read; it can be asked for again. */
void evread_release(struct evread *x);
size_t evread_bytes(const struct evread *x);
const struct evdir_block *evread_block(const struct evread *x);

MUST_CHECK enum status evread_ints(struct evread *x, enum evdir_column column, const int64_t **out, struct err *err);
/* Good at the rows of evread_only_rows; at all rows without it. */
MUST_CHECK enum status evread_row_ints(struct evread *x, enum evdir_column column, const int64_t **out, struct err *err);
MUST_CHECK enum status evread_seqs(struct evread *x, const uint64_t **out, struct err *err);
/* EVCOL_BODY, EVCOL_TRACE_STATE, EVCOL_STATUS_MESSAGE. */
MUST_CHECK enum status evread_strings(struct evread *x, enum evdir_column column, const struct evcol_strings **out, struct err *err);
/* Bodies as shapes and columns, for a search; *out NULL when they are kept otherwise. */
MUST_CHECK enum status evread_text(struct evread *x, struct evtext **out, struct err *err);
/* One body, which lives in a or in the block: cheap when few are wanted. */
MUST_CHECK enum status evread_body(struct evread *x, size_t row, struct arena *a, struct slice *out, struct err *err);
/* What evtext_open of a body wants to know of the block's rows. */
MUST_CHECK enum status evread_text_rows(struct evread *x, struct evtext_rows *rows, struct err *err);
/* EVCOL_TRACE_ID (16 bytes a row), EVCOL_SPAN_ID, EVCOL_PARENT_ID (8). */
MUST_CHECK enum status evread_ids(struct evread *x, enum evdir_column column, const uint8_t **out, struct err *err);
/* EVCOL_TRACE_ID, EVCOL_SPAN_ID as they are kept. */
MUST_CHECK enum status evread_fixed(struct evread *x, enum evdir_column column, const struct evcol_fixed **out, struct err *err);
MUST_CHECK enum status evread_shapes(struct evread *x, const struct evread_shapes **out, struct err *err);
/* number: of the part. *out NULL when no row has it. */
MUST_CHECK enum status evread_values(struct evread *x, uint32_t number, const struct evread_values **out, struct err *err);
/* Cells of row r are cells[order[r]]... */
MUST_CHECK enum status evread_cells(struct evread *x, const struct field **cells, const uint32_t **order, struct err *err);
struct field evread_value(const struct evread_values *v, const struct evdir_field *f, size_t row, uint32_t nth);
/* The bytes of the filter, or the empty slice. */
MUST_CHECK enum status evread_filter(struct evread *x, struct slice *out, struct err *err);

/* From now on evread_load and evread_row leave out fields of other names, as far as that saves anything. names are borrowed. */
void evread_only(struct evread *x, const struct slice *names, size_t count);
/* Reads all columns evread_row will need for these enum event_want bits. */
MUST_CHECK enum status evread_load(struct evread *x, unsigned want, struct err *err);
/* After evread_load with the same bits. Field lists live in a; everything else in the block. */
void evread_row(struct evread *x, size_t row, unsigned want, struct arena *a, struct event *e);

#endif
