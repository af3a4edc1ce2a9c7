/* SPDX-License-Identifier: Apache-2.0 */
/* The local engine for samples: the kind's table for the store, and the calls behind engine.h. */
#ifndef STOA_METRICS_METRICS_H
#define STOA_METRICS_METRICS_H

#include "store/store.h"

extern const struct store_kind metrics_kind;

/* As in engine_ops; state is store_kind_state(s, KIND_METRICS). */
enum status metrics_series(struct store *s, struct engine_ctx *ctx, int64_t start_ms, int64_t end_ms, const struct matcher *matchers,
                           size_t matcher_count, size_t max, struct arena *a, struct slice **out, size_t *count, struct err *err);
enum status metrics_samples(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err);
/* The same, of the tenants themselves: without the downsampled samples made of theirs. */
enum status metrics_samples_of(struct store *s, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out, struct err *err);
/* NAMES_LABELS, NAMES_LABEL_VALUES, NAMES_METADATA. */
enum status metrics_names(struct store *s, struct engine_ctx *ctx, const struct names_query *q, struct arena *a, struct name_hit **out,
                          size_t *count, struct err *err);
void metrics_stats(struct store *s, struct engine_stats *out);

#endif
