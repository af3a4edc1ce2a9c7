/* SPDX-License-Identifier: Apache-2.0 */
/* PromQL as tokens. The whole text at once: queries are short, and the parser may look ahead as far as it likes. */
#ifndef STOA_PROMQL_LEXER_H
#define STOA_PROMQL_LEXER_H

#include "base/arena.h"
#include "base/err.h"

enum token_kind {
    TOK_END, TOK_ERROR, TOK_IDENT, TOK_METRIC /* an identifier with a colon */, TOK_STRING, TOK_NUM, TOK_DURATION,
    TOK_LPAREN, TOK_RPAREN, TOK_LBRACE, TOK_RBRACE, TOK_LBRACKET, TOK_RBRACKET, TOK_COMMA, TOK_COLON, TOK_ASSIGN,
    TOK_NOT_RE, TOK_AT,
    /* operators of expressions; TOK_RE only matches labels */
    TOK_ADD, TOK_SUB, TOK_MUL, TOK_DIV, TOK_MOD, TOK_POW, TOK_EQ, TOK_NE, TOK_GT, TOK_LT, TOK_GE, TOK_TRIM_UPPER, TOK_TRIM_LOWER, TOK_LE, TOK_RE
};

struct token {
    enum token_kind kind;
    uint32_t start, end; /* bytes of the text */
    struct slice text;
    const char *error; /* TOK_ERROR: why; text is the offending piece */
};

/* Ends with TOK_END, or with TOK_ERROR at the first place that is no token. Lives in a; texts are parts of text. */
struct token *lexer_run(struct arena *a, struct slice text, size_t *count);
/* How Prometheus names a token in its errors: `identifier "x"`, `")"`, `<op:and>`. Lives in a. */
struct slice lexer_describe(struct arena *a, const struct token *t);

#endif
