/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_TRACEQL_LEXER_H
#define STOA_TRACEQL_LEXER_H

#include "query/token.h"
#include "traceql/ast.h"

enum tql_token_kind { TQL_TOKEN_END, TQL_TOKEN_WORD, TQL_TOKEN_ATTRIBUTE, TQL_TOKEN_STRING, TQL_TOKEN_INT, TQL_TOKEN_FLOAT, TQL_TOKEN_DURATION,
                      TQL_TOKEN_OP };

struct tql_token {
    enum tql_token_kind kind;
    struct slice text;       /* as written; STRING: what it says. A WORD may be one with a scope: "span:duration" */
    size_t position;
    union {
        uint64_t whole;          /* INT; may be one more than an int64 holds, for behind a minus */
        struct tql_value value;  /* FLOAT, DURATION */
        struct tql_field field;  /* ATTRIBUTE */
    };
};

/* All tokens of text, the last one END. Operators are the longest that fit. Names are parts of text, or live in a. */
MUST_CHECK enum status tql_lex_all(struct arena *a, struct slice text, struct tql_token **out, size_t *count, struct err *err);
/* "parse error at line 1, col 5: ..." as Tempo writes it. */
enum status tql_lex_fail(struct slice text, size_t position, struct err *err, const char *fmt, ...) PRINTF_LIKE(4, 5);
/* Can the byte stand in an attribute's name without quotes? */
bool tql_is_name_char(char c);

#endif
