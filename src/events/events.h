/* SPDX-License-Identifier: Apache-2.0 */
/* The local engine for log records, spans and other events: the kind's table for the store, and the calls behind engine.h. */
#ifndef STOA_EVENTS_EVENTS_H
#define STOA_EVENTS_EVENTS_H

#include "store/store.h"

extern const struct store_kind events_kind;

/* As in engine_ops. */
enum status events_scan(struct store *s, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                        struct err *err);
enum status events_streams(struct store *s, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, uint32_t kinds,
                           const struct matcher *matchers, size_t matcher_count, size_t max, struct arena *a, struct slice **out,
                           size_t *count, struct err *err);
/* NAMES_STREAM_LABELS, NAMES_STREAM_VALUES, NAMES_FIELDS, NAMES_FIELD_VALUES, NAMES_SERVICES. */
enum status events_names(struct store *s, struct engine_ctx *ctx, const struct names_query *q, struct arena *a, struct name_hit **out,
                         size_t *count, struct err *err);
void events_stats(struct store *s, struct engine_stats *out);

#endif
