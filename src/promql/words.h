/* SPDX-License-Identifier: Apache-2.0 */
/* The words with a meaning in PromQL. Case does not matter for them. */
#ifndef STOA_PROMQL_WORDS_H
#define STOA_PROMQL_WORDS_H

#include "promql/ast.h"

bool words_is_operator(struct slice s);    /* and or unless atan2 */
bool words_is_keyword(struct slice s);     /* by without on ignoring group_left group_right bool offset */
bool words_is_aggregation(struct slice s); /* sum, topk, ... */
/* False when s names none. */
bool words_aggregation(struct slice s, enum agg_kind *out);
bool words_binary(struct slice s, enum binary_op *out);
struct slice words_aggregation_name(enum agg_kind kind);
struct slice words_binary_name(enum binary_op op);

#endif
