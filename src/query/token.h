/* SPDX-License-Identifier: Apache-2.0 */
/* What the lexers of the query languages share: literals as Go writes them, and positions. All of it borrows the text. */
#ifndef STOA_QUERY_TOKEN_H
#define STOA_QUERY_TOKEN_H

#include "base/arena.h"
#include "base/err.h"

static inline bool token_is_digit(char c)
{
    return c >= '0' && c <= '9';
}
static inline bool token_is_alpha(char c)
{
    return c == '_' || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}
static inline bool token_is_alnum(char c)
{
    return token_is_alpha(c) || token_is_digit(c);
}
static inline bool token_is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\n' || c == '\r';
}

/* Length of the identifier at the front of text (colons belong to it when asked for); 0 when there is none. */
size_t token_ident(struct slice text, bool with_colon);

/* Length of the string literal at the front of text, quotes included: "..." and '...' with escapes, `...` raw. 0 and a
 * reason in err when it does not end, or a line ends in it (raw ones may hold lines). */
size_t token_string(struct slice text, struct err *err);
/* What the literal (with its quotes) says: Go's escapes \a \b \f \n \r \t \v \\ \' \" \ooo \xhh \uhhhh \Uhhhhhhhh. Lives in a, or is
 * a part of literal. ST_INVALID names the escape. */
MUST_CHECK enum status token_unquote(struct arena *a, struct slice literal, struct slice *out, struct err *err);
/* Writes s as a "..." literal that token_unquote reads back. */
struct buf;
void token_quote(struct slice s, struct buf *out);

enum token_number { TOKEN_NUMBER_NONE, TOKEN_NUMBER, TOKEN_DURATION };
/* What stands at the front of text: a number (1, .5, 1e3, 0x1f, 1_000), or digits run together with letters, such as 5m,
 * 1h30m, 10KB, 1.5s, which the caller reads as a duration or a size. *len: its length, up to the first byte that belongs to
 * neither. Signs are not part of it. TOKEN_NUMBER_NONE: no digit here. */
enum token_number token_number_scan(struct slice text, size_t *len);
/* The value of what was found to be a TOKEN_NUMBER. False when it is none after all (0x, 1__0). */
bool token_number_parse(struct slice text, double *out);

/* Where a byte offset lies: line and column, from 1, columns in bytes. An offset behind the end counts as the end. */
struct token_place {
    size_t line, column;
};
struct token_place token_place_of(struct slice text, size_t offset);

#endif
