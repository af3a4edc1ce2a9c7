/* SPDX-License-Identifier: Apache-2.0 */
/* What series there are, for those who count them: as in engine_ops. */
#ifndef STOA_METRICS_CARDINALITY_H
#define STOA_METRICS_CARDINALITY_H

#include "store/store.h"

enum status metrics_each_series(struct store *s, int64_t since_ms, bool (*visit)(void *arg, struct slice tenant, struct slice labels), void *arg,
                                struct err *err);
enum status metrics_cardinality(struct store *s, const struct slice *tenants, size_t tenant_count, size_t limit, struct arena *a,
                                struct engine_cardinality *out, struct err *err);

#endif
