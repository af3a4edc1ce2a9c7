/* SPDX-License-Identifier: Apache-2.0 */
/* PromQL, by Prometheus 3's rules (left-open ranges). https://prometheus.io/docs/prometheus/latest/querying/basics/ */
#ifndef STOA_PROMQL_PROMQL_H
#define STOA_PROMQL_PROMQL_H

#include "query/lang.h"

extern const struct query_lang promql_lang;

/* Just a selector, {a="b"} or name{...}: for match[] parameters. Matchers live in a; destroy each by matcher_destroy. */
MUST_CHECK enum status promql_parse_selector(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err);

/* The tree as JSON, as Prometheus's parse_query gives it; appended to out. */
MUST_CHECK enum status promql_tree_json(struct slice text, uint32_t features, struct buf *out, struct err *err);

/* query_lang.describe. */
MUST_CHECK enum status promql_describe(struct arena *a, struct slice text, uint32_t features, struct query_shape *out, struct err *err);

#endif
