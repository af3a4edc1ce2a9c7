/* SPDX-License-Identifier: Apache-2.0 */
/* Samples and metadata of a request as WAL bytes. docs/formats/metrics-wal.md. */
#ifndef STOA_METRICS_WAL_ROWS_H
#define STOA_METRICS_WAL_ROWS_H

#include "metrics/state.h"

struct wal_rows *wal_rows_new(void);
void wal_rows_free(struct wal_rows *w);
/* As in struct store_kind. */
enum status wal_rows_encode(void *state, const struct batch *b, uint64_t segment, struct buf *out, struct err *err);
enum status wal_rows_decode(void *state, struct slice bytes, bool new_segment, struct batch *out, struct err *err);

#endif
