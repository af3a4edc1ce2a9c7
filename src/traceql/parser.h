/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the parser share. */
#ifndef STOA_TRACEQL_PARSER_H
#define STOA_TRACEQL_PARSER_H

#include "traceql/ast.h"
#include "traceql/lexer.h"

struct tql_parser {
    struct arena *a;
    struct slice text;
    struct tql_token *tokens;
    size_t at, depth, stages;
    struct traceql *query;
    struct err *err;
};

/* ---- parser.c ---- */

static inline const struct tql_token *tql_peek(const struct tql_parser *p)
{
    return &p->tokens[p->at];
}
bool tql_is(const struct tql_parser *p, const char *op); /* the next token is this operator or word */
bool tql_take(struct tql_parser *p, const char *op);
MUST_CHECK enum status tql_want(struct tql_parser *p, const char *op);
/* Of the next token: "syntax error: unexpected x, expecting ..." */
enum status tql_fail(struct tql_parser *p, const char *expected);
/* One node more of the query. */
MUST_CHECK enum status tql_count(struct tql_parser *p);
MUST_CHECK enum status tql_deeper(struct tql_parser *p);
/* A number of either sign; *found false: the next token begins none. */
MUST_CHECK enum status tql_parse_number(struct tql_parser *p, struct tql_value *out, bool *found);
/* 1, "text", ok, nil */
MUST_CHECK enum status tql_parse_static(struct tql_parser *p, struct tql_value *out);
MUST_CHECK enum status tql_parse_whole(struct tql_parser *p, int64_t *out);
MUST_CHECK enum status tql_parse_expr(struct tql_parser *p, struct tql_expr **out);
MUST_CHECK enum status tql_parse_field(struct tql_parser *p, struct tql_expr **out);
/* ( field, field ) */
MUST_CHECK enum status tql_parse_fields(struct tql_parser *p, struct tql_expr ***out, size_t *count);
/* { expression } */
MUST_CHECK enum status tql_parse_filter(struct tql_parser *p, struct tql_spans **out);

/* ---- parser_stages.c: what a query or a pair of parentheses may hold, known when it has been read ---- */

enum tql_part_kind { TQL_PART_SPANS, TQL_PART_STAGES, TQL_PART_SCALAR, TQL_PART_SCALAR_STAGES /* { } | count() */, TQL_PART_METRIC };
struct tql_part {
    enum tql_part_kind kind;
    bool is_wrapped;             /* in parentheses */
    size_t position;
    struct tql_spans *spans;
    struct tql_stage *stages;
    struct tql_scalar *scalar;
    struct tql_metric *metric;
};
/* Operands joined by operators that bind at least as tight as min_precedence. */
MUST_CHECK enum status tql_parse_operation(struct tql_parser *p, int min_precedence, struct tql_part *out);
/* part | part | ... */
MUST_CHECK enum status tql_parse_pipeline(struct tql_parser *p, struct tql_part *out);
/* SPANS and STAGES become stages. */
MUST_CHECK enum status tql_part_stages(struct tql_parser *p, const struct tql_part *part, struct tql_stage **out);

/* ---- parser_metrics.c ---- */

/* The next word begins a function over time, of stages. */
MUST_CHECK enum status tql_metric_function(struct tql_parser *p, struct tql_stage *stages, struct tql_metric **out);
/* | topk(5) > 10 and so on, as many as there are. */
MUST_CHECK enum status tql_metric_more(struct tql_parser *p, struct tql_metric **metric);
struct tql_binary;
/* One side at least is a METRIC; the other may be a number. */
MUST_CHECK enum status tql_metric_binary(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *left,
                                         const struct tql_part *right, struct tql_metric **out);
/* with (name = value, ...) where there is one. */
MUST_CHECK enum status tql_parse_hints(struct tql_parser *p);

/* ---- check.c: types and regexes of all of it ---- */
MUST_CHECK enum status tql_check_query(struct arena *a, struct slice text, struct traceql *q, struct err *err);

/* ---- names.c ---- */

enum { TQL_PRECEDENCE_COMPARE = 2, TQL_PRECEDENCE_SUM = 3, TQL_PRECEDENCE_UNARY = 4, TQL_PRECEDENCE_POWER = 6, TQL_PRECEDENCE_VALUE = 7 };
struct tql_binary {
    struct slice text;
    int precedence;
    int op, relation;            /* between fields and numbers; between sets of spans; -1: not there */
    bool is_negated, is_union;
};
const struct tql_binary *tql_binary_of(struct slice text); /* NULL: no operator */
const struct tql_binary *tql_binary_of_op(enum tql_op op);
const struct tql_binary *tql_binary_of_spans(const struct tql_spans *s);
bool tql_function_of(struct slice word, enum tql_function *out);
bool tql_aggregate_of(struct slice word, enum tql_aggregate *out);
struct slice tql_aggregate_name(enum tql_aggregate a);
bool tql_intrinsic_of(struct slice word, enum tql_intrinsic *out);
bool tql_value_of_word(struct slice word, struct tql_value *out);
bool tql_field_of_token(const struct tql_token *t, struct tql_field *out);

#endif
