/* SPDX-License-Identifier: Apache-2.0 */
/* What the files of the parser share. */
#ifndef STOA_LOGQL_PARSER_H
#define STOA_LOGQL_PARSER_H

#include "logql/ast.h"
#include "logql/lexer.h"

struct parser {
    struct arena *a;
    struct slice text;
    struct lex_token *tokens;
    size_t at, depth;
    struct logql *query;
    struct err *err;
};

static inline const struct lex_token *logql_peek(const struct parser *p)
{
    return &p->tokens[p->at];
}
bool logql_is(const struct parser *p, const char *op);   /* the next token is this operator or word */
bool logql_take(struct parser *p, const char *op);
MUST_CHECK enum status logql_want(struct parser *p, const char *op);
enum status logql_fail(struct parser *p, const char *expected);
MUST_CHECK enum status logql_ident(struct parser *p, const char *what, struct slice *out);
MUST_CHECK enum status logql_string(struct parser *p, struct slice *out);
/* Compiles and remembers for logql_free. */
MUST_CHECK enum status logql_regex(struct parser *p, struct slice pattern, unsigned flags, struct regex **out);
/* { matchers } */
MUST_CHECK enum status logql_selector(struct parser *p, struct matcher **out, size_t *count);
/* All stages that follow; stops before `| unwrap`. */
MUST_CHECK enum status logql_stages(struct parser *p, struct stage **out);
/* a > 1 and (b = "x" or c >= 5m), c != ip("...") */
MUST_CHECK enum status logql_label_filter(struct parser *p, struct label_filter **out);
/* 5m, in nanoseconds. */
MUST_CHECK enum status logql_duration(struct parser *p, int64_t *out_ns);

#endif
