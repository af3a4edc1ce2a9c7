/* SPDX-License-Identifier: Apache-2.0 */
/* LogQL, by Loki 3's rules. https://grafana.com/docs/loki/latest/query/ */
#ifndef STOA_LOGQL_LOGQL_H
#define STOA_LOGQL_LOGQL_H

#include "query/lang.h"

extern const struct query_lang logql_lang;

/* Just a stream selector {a="b"}. Matchers live in a; destroy each by matcher_destroy. */
MUST_CHECK enum status logql_parse_selector(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err);

#endif
