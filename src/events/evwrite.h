/* SPDX-License-Identifier: Apache-2.0 */
/* Writes a part: takes rows in evrow_cmp order, cuts them into blocks, keeps the dictionaries. One thread. */
#ifndef STOA_EVENTS_EVWRITE_H
#define STOA_EVENTS_EVWRITE_H

#include "base/buf.h"
#include "events/evdir.h"
#include "model/event.h"

struct evwrite;
/* Keeps w. */
struct evwrite *evwrite_new(struct part_writer *w);
void evwrite_free(struct evwrite *x); /* accepts NULL */
/* Borrows tenant; keeps row and what it points to until the block is written (at the latest evwrite_end). */
MUST_CHECK enum status evwrite_add(struct evwrite *x, struct slice tenant, const struct event *row, struct err *err);
/* Writes what waits; so many rows of one tenant and kind come next, which are to be cut into blocks of alike size. A hint. */
MUST_CHECK enum status evwrite_expect(struct evwrite *x, size_t rows, struct err *err);
/* Writes what waits, and then a block of another part as it is: its columns are read, checked and framed anew, not decoded. Fields of all
 * parts copied from must have room among those of a part, and their directories be of this version. */
MUST_CHECK enum status evwrite_copy(struct evwrite *x, const struct part *p, const struct evdir *d, const struct evdir_block *b, struct err *err);
/* Takes what rows added so far point to, and frees it by free_fn(arg) once their block is written. */
void evwrite_retire(struct evwrite *x, void (*free_fn)(void *arg), void *arg);
/* Writes what waits and appends the directory to meta. */
MUST_CHECK enum status evwrite_end(struct evwrite *x, struct buf *meta, struct err *err);
uint64_t evwrite_rows(const struct evwrite *x);

#endif
