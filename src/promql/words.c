/* SPDX-License-Identifier: Apache-2.0 */
/* Tables of words. */
#include "promql/words.h"

static const struct slice aggregations[] = {
    [AGGR_SUM] = SLICE_INIT("sum"),           [AGGR_AVG] = SLICE_INIT("avg"),
    [AGGR_MIN] = SLICE_INIT("min"),           [AGGR_MAX] = SLICE_INIT("max"),
    [AGGR_COUNT] = SLICE_INIT("count"),       [AGGR_GROUP] = SLICE_INIT("group"),
    [AGGR_STDDEV] = SLICE_INIT("stddev"),     [AGGR_STDVAR] = SLICE_INIT("stdvar"),
    [AGGR_TOPK] = SLICE_INIT("topk"),         [AGGR_BOTTOMK] = SLICE_INIT("bottomk"),
    [AGGR_QUANTILE] = SLICE_INIT("quantile"), [AGGR_COUNT_VALUES] = SLICE_INIT("count_values"),
    [AGGR_LIMITK] = SLICE_INIT("limitk"),     [AGGR_LIMIT_RATIO] = SLICE_INIT("limit_ratio"),
};

static const struct slice operators[] = {
    [OP_ADD] = SLICE_INIT("+"),  [OP_SUB] = SLICE_INIT("-"),  [OP_MUL] = SLICE_INIT("*"),      [OP_DIV] = SLICE_INIT("/"),
    [OP_MOD] = SLICE_INIT("%"),  [OP_POW] = SLICE_INIT("^"),  [OP_ATAN2] = SLICE_INIT("atan2"), [OP_EQ] = SLICE_INIT("=="),
    [OP_NE] = SLICE_INIT("!="),  [OP_GT] = SLICE_INIT(">"),   [OP_LT] = SLICE_INIT("<"),       [OP_GE] = SLICE_INIT(">="),
    [OP_LE] = SLICE_INIT("<="),  [OP_TRIM_UPPER] = SLICE_INIT("</"), [OP_TRIM_LOWER] = SLICE_INIT(">/"),
    [OP_AND] = SLICE_INIT("and"), [OP_OR] = SLICE_INIT("or"),     [OP_UNLESS] = SLICE_INIT("unless"),
};

static const struct slice keywords[] = {
    SLICE_INIT("by"),         SLICE_INIT("without"),     SLICE_INIT("on"),   SLICE_INIT("ignoring"),
    SLICE_INIT("group_left"), SLICE_INIT("group_right"), SLICE_INIT("bool"), SLICE_INIT("offset"),
};

bool words_aggregation(struct slice s, enum agg_kind *out)
{
    for (size_t i = 0; i < COUNT_OF(aggregations); i++) {
        if (slice_eq_nocase(s, aggregations[i])) {
            *out = (enum agg_kind)i;
            return true;
        }
    }
    return false;
}

bool words_binary(struct slice s, enum binary_op *out)
{
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (slice_eq_nocase(s, operators[i])) {
            *out = (enum binary_op)i;
            return true;
        }
    }
    return false;
}

bool words_is_operator(struct slice s)
{
    enum binary_op op;
    return words_binary(s, &op);
}

bool words_is_aggregation(struct slice s)
{
    enum agg_kind kind;
    return words_aggregation(s, &kind);
}

bool words_is_keyword(struct slice s)
{
    for (size_t i = 0; i < COUNT_OF(keywords); i++)
        if (slice_eq_nocase(s, keywords[i]))
            return true;
    return false;
}

struct slice words_aggregation_name(enum agg_kind kind)
{
    return aggregations[kind];
}

struct slice words_binary_name(enum binary_op op)
{
    return operators[op];
}
