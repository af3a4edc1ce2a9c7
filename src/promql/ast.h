/* SPDX-License-Identifier: Apache-2.0 */
/* The tree of a PromQL expression. Plain values in an arena; made by the parser, typed by check, read by the rest. */
#ifndef STOA_PROMQL_AST_H
#define STOA_PROMQL_AST_H

#include "base/arena.h"
#include "model/matcher.h"
#include "query/lang.h"

enum node_kind { NODE_NUMBER, NODE_STRING, NODE_SELECTOR, NODE_MATRIX, NODE_SUBQUERY, NODE_CALL, NODE_AGGREGATE, NODE_BINARY, NODE_UNARY,
                 NODE_PAREN,
                 NODE_TIMING /* step(), range(), min_of(), max_of() within a duration */ };

enum expr_type { TYPE_NONE, TYPE_SCALAR, TYPE_STRING, TYPE_VECTOR, TYPE_MATRIX };

enum agg_kind { AGGR_SUM, AGGR_AVG, AGGR_MIN, AGGR_MAX, AGGR_COUNT, AGGR_GROUP, AGGR_STDDEV, AGGR_STDVAR, AGGR_TOPK, AGGR_BOTTOMK,
                AGGR_QUANTILE, AGGR_COUNT_VALUES, AGGR_LIMITK, AGGR_LIMIT_RATIO };

enum binary_op { OP_ADD, OP_SUB, OP_MUL, OP_DIV, OP_MOD, OP_POW, OP_ATAN2, OP_EQ, OP_NE, OP_GT, OP_LT, OP_GE, OP_LE,
                 OP_TRIM_UPPER, OP_TRIM_LOWER, OP_AND, OP_OR, OP_UNLESS };

enum at_kind { AT_NONE, AT_TIME, AT_START, AT_END };
enum card { CARD_ONE_TO_ONE, CARD_MANY_TO_ONE /* group_left */, CARD_ONE_TO_MANY /* group_right */, CARD_MANY_TO_MANY };
enum timing { TIMING_STEP, TIMING_RANGE, TIMING_MIN_OF, TIMING_MAX_OF };

struct names {
    struct slice *list;
    size_t count;
};

struct matching {
    enum card card;
    bool on;            /* names are those of on(), else of ignoring() */
    bool is_given;      /* on or ignoring was written */
    struct names names, include;
    bool has_fill_left, has_fill_right;
    double fill_left, fill_right;
};

struct function;

struct node {
    enum node_kind kind;
    enum expr_type type;
    uint32_t start, end, depth;
    double number;       /* NUMBER */
    bool is_duration;    /* NUMBER: written as one */
    struct slice text;   /* STRING; the metric's name of a SELECTOR; a CALL's name */
    struct node **kids;  /* CALL: arguments; AGGREGATE: [parameter,] expression; BINARY: both; MATRIX: selector; ... */
    size_t kid_count;

    struct slice within;      /* SELECTOR: the function its range is given to; empty: none */
    struct matcher *matchers; /* SELECTOR, name included */
    size_t matcher_count;
    int64_t range_ms, step_ms;      /* MATRIX, SUBQUERY; step_ms 0: the default */
    int64_t offset_ms;              /* SELECTOR (also that below a MATRIX), SUBQUERY */
    struct node *range_expr, *step_expr, *offset_expr; /* duration expressions, computed before evaluation; NULL: none */
    bool has_offset, is_anchored, is_smoothed;
    bool is_counted; /* SELECTOR: of histograms only count and sum are looked at */
    enum at_kind at;
    int64_t at_ms;

    const struct function *fn; /* CALL */
    enum agg_kind agg;
    bool without, has_grouping;
    struct names grouping;
    enum binary_op op;         /* BINARY; UNARY: OP_ADD or OP_SUB */
    uint32_t op_start;         /* BINARY: where it stands */
    bool is_bool;
    struct matching matching;
    enum timing timing;
};

/* matchers: one list for all selectors, to destroy. */
struct ast {
    struct arena *arena;
    struct slice text;
    uint32_t features;
    struct node *root;
    struct node **selectors;
    size_t selector_count, selector_cap;
    size_t regex_size; /* of all matchers, against QUERY_REGEX_SIZE_MAX */
};

/* Parses and types. On failure nothing is left behind. a: keeps. */
MUST_CHECK enum status ast_parse(struct arena *a, struct slice text, uint32_t features, struct ast *out, struct err *err);
void ast_destroy(struct ast *ast); /* the matchers; the rest is the arena's */
/* Types of the whole tree, from below. */
MUST_CHECK enum status check_node(struct ast *ast, struct node *n, struct err *err);
void format_node(const struct node *n, struct buf *out); /* on one line */
void format_pretty(const struct node *n, int level, struct buf *out);
/* "1:5: parse error: " + sentence. */
enum status ast_error(struct err *err, struct slice text, uint32_t at, const char *fmt, ...) PRINTF_LIKE(4, 5);
const char *ast_type_name(enum expr_type type); /* "instant vector" */
const struct node *ast_strip_parens(const struct node *n);
static inline bool op_is_comparison(enum binary_op op)
{
    return op >= OP_EQ && op <= OP_LE;
}
static inline bool op_is_trim(enum binary_op op)
{
    return op == OP_TRIM_UPPER || op == OP_TRIM_LOWER;
}
static inline bool op_is_set(enum binary_op op)
{
    return op >= OP_AND;
}
/* What may be collected per step and not per series: topk and its kin keep the labels of their input. */
static inline bool agg_keeps_series(enum agg_kind k)
{
    return k == AGGR_TOPK || k == AGGR_BOTTOMK || k == AGGR_LIMITK || k == AGGR_LIMIT_RATIO;
}
static inline bool agg_has_param(enum agg_kind k)
{
    return agg_keeps_series(k) || k == AGGR_QUANTILE || k == AGGR_COUNT_VALUES;
}

#endif
