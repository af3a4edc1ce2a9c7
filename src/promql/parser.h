/* SPDX-License-Identifier: Apache-2.0 */
/* Between the two files of the parser: expressions (parser.c) and what stands in them (parser_parts.c). */
#ifndef STOA_PROMQL_PARSER_H
#define STOA_PROMQL_PARSER_H

#include "promql/ast.h"
#include "promql/lexer.h"

struct parser {
    struct ast *ast;
    struct token *tokens;
    size_t at;
    unsigned depth;
    struct err *err;
};

static inline const struct token *parser_peek(const struct parser *p)
{
    return &p->tokens[p->at];
}
/* The one behind, or the last. */
const struct token *parser_ahead(const struct parser *p, size_t n);
bool parser_is_word(const struct token *t, const char *word);
/* Takes the next token when it is of that kind. */
bool parser_accept(struct parser *p, enum token_kind kind);
bool parser_accept_word(struct parser *p, const char *word);
/* Takes it or says what was found instead; context and expected may be NULL. */
bool parser_expect(struct parser *p, enum token_kind kind, const char *context, const char *expected);
bool parser_unexpected(struct parser *p, const char *context, const char *expected);
bool parser_fail(struct parser *p, uint32_t at, const char *fmt, ...) PRINTF_LIKE(3, 4);
struct node *parser_node(struct parser *p, enum node_kind kind, uint32_t start);
/* Sets end, depth; NULL when it is too deep. */
struct node *parser_close(struct parser *p, struct node *n);

/* parser_parts.c */
struct node *parser_selector(struct parser *p);
bool parser_names(struct parser *p, struct names *out, const char *context);
bool parser_string(struct parser *p, struct slice *out);
/* "[...]" behind n, offset and @, as many as there are. */
struct node *parser_postfix(struct parser *p, struct node *n);
struct node *parser_number(struct parser *p);

#endif
