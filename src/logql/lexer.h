/* SPDX-License-Identifier: Apache-2.0 */
#ifndef STOA_LOGQL_LEXER_H
#define STOA_LOGQL_LEXER_H

#include "query/token.h"

enum lex_kind { LEX_END, LEX_IDENT, LEX_STRING, LEX_NUMBER, LEX_DURATION, LEX_OP, LEX_FLAG };

struct lex_token {
    enum lex_kind kind;
    struct slice text;  /* as written; STRING: what it says */
    size_t position;
    double number;      /* NUMBER */
};

/* All tokens of text, the last one LEX_END. Operators are the longest that fit. */
MUST_CHECK enum status logql_lex_all(struct arena *a, struct slice text, struct lex_token **out, size_t *count, struct err *err);
/* "parse error at line 1, col 5: ..." as Loki writes it. */
enum status logql_lex_fail(struct slice text, size_t position, struct err *err, const char *fmt, ...) PRINTF_LIKE(4, 5);

#endif
