/* SPDX-License-Identifier: Apache-2.0 */
/* The sources of `stoa import`: each gives what it reads to send. */
#ifndef STOA_CTL_IMPORT_H
#define STOA_CTL_IMPORT_H

#include "ctl/send.h"

/* A block of Prometheus's store, or a folder with blocks in it (a data folder, a snapshot). */
MUST_CHECK enum status import_prometheus(struct send *s, struct slice path, struct err *err);
/* OpenMetrics when it ends with "# EOF", else the text format 0.0.4. Each sample has a time. */
MUST_CHECK enum status import_text(struct send *s, struct slice path, struct err *err);
/* A first line with the columns' names: "time" (or "timestamp"), "value", "metric" (unless metric is given); all others are labels. */
MUST_CHECK enum status import_csv(struct send *s, struct slice path, struct slice metric, struct err *err);

/* Gives a file in pieces that end with a line. Each piece is good until the next. */
struct pieces;
MUST_CHECK enum status pieces_open(struct pieces **out, struct slice path, struct err *err);
/* ST_NOT_FOUND (err untouched) at the end. */
MUST_CHECK enum status pieces_next(struct pieces *p, struct slice *out, struct err *err);
/* Of the file, and how far it is read. */
uint64_t pieces_size(const struct pieces *p);
uint64_t pieces_at(const struct pieces *p);
void pieces_close(struct pieces *p);

#endif
