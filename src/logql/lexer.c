/* SPDX-License-Identifier: Apache-2.0 */
/* LogQL's tokens. Durations and sizes (5m, 1h30m, 10KB) are digits run together with letters; which of them a place wants is
 * the parser's to say. A '#' starts a comment to the line's end. */
#include "logql/lexer.h"

#include <stdarg.h>
#include <stdio.h>

static const struct slice operators[] = {
    SLICE_INIT("|="), SLICE_INIT("|~"), SLICE_INIT("|>"), SLICE_INIT("!="), SLICE_INIT("!~"), SLICE_INIT("!>"), SLICE_INIT("=~"), SLICE_INIT("=="),
    SLICE_INIT(">="), SLICE_INIT("<="), SLICE_INIT("{"),  SLICE_INIT("}"),  SLICE_INIT("["),  SLICE_INIT("]"),  SLICE_INIT("("),  SLICE_INIT(")"),
    SLICE_INIT(","),  SLICE_INIT("|"),  SLICE_INIT("="),  SLICE_INIT(">"),  SLICE_INIT("<"),  SLICE_INIT("+"),  SLICE_INIT("-"),  SLICE_INIT("*"),
    SLICE_INIT("/"),  SLICE_INIT("%"),  SLICE_INIT("^"),
};

enum status logql_lex_fail(struct slice text, size_t position, struct err *err, const char *fmt, ...)
{
    char what[ERR_TEXT_BYTES_MAX - 60];
    struct token_place at = token_place_of(text, position);
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(err, ST_INVALID, "parse error at line %zu, col %zu: %s", at.line, at.column, what);
}

/* The flag of a parser stage, --strict; 0 when there is none. */
static size_t flag_length(struct slice rest)
{
    size_t n = 2;
    if (!slice_starts(rest, SLICE("--")) || rest.len < 3 || !token_is_alpha(rest.ptr[2]))
        return 0;
    while (n < rest.len && (token_is_alpha(rest.ptr[n]) || rest.ptr[n] == '-'))
        n++;
    return n;
}

static enum status lex_one(struct arena *a, struct slice text, size_t at, struct lex_token *t, size_t *len, struct err *err)
{
    struct slice rest = slice_skip(text, at);
    char c = rest.ptr[0];
    *t = (struct lex_token){ .position = at };
    if (c == '"' || c == '`') {
        struct err why;
        *len = token_string(rest, &why);
        if (*len == 0)
            return logql_lex_fail(text, at, err, "%s", why.text);
        t->kind = LEX_STRING;
        if (token_unquote(a, slice_sub(rest, 0, *len), &t->text, &why))
            return logql_lex_fail(text, at, err, "%s", why.text);
        return ST_OK;
    }
    enum token_number number = token_number_scan(rest, len);
    if (number != TOKEN_NUMBER_NONE) {
        t->text = slice_sub(rest, 0, *len);
        t->kind = number == TOKEN_NUMBER ? LEX_NUMBER : LEX_DURATION;
        if (t->kind == LEX_NUMBER && !token_number_parse(t->text, &t->number))
            return logql_lex_fail(text, at, err, "bad number \"%.*s\"", SLICE_FMT(t->text));
        return ST_OK;
    }
    if ((*len = token_ident(rest, false)) > 0) {
        t->kind = LEX_IDENT;
        t->text = slice_sub(rest, 0, *len);
        return ST_OK;
    }
    if ((*len = flag_length(rest)) > 0) {
        t->kind = LEX_FLAG;
        t->text = slice_sub(rest, 0, *len);
        return ST_OK;
    }
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (slice_starts(rest, operators[i])) {
            t->kind = LEX_OP;
            t->text = operators[i];
            *len = operators[i].len;
            return ST_OK;
        }
    }
    return logql_lex_fail(text, at, err, "syntax error: unexpected character '%c'", c);
}

enum status logql_lex_all(struct arena *a, struct slice text, struct lex_token **out, size_t *count, struct err *err)
{
    size_t at = 0, cap = 0;
    *out = NULL;
    *count = 0;
    for (;;) {
        while (at < text.len && token_is_space(text.ptr[at]))
            at++;
        if (at < text.len && text.ptr[at] == '#') {
            at = MIN(slice_find_char(text, '\n', at), text.len);
            continue;
        }
        struct lex_token t = { .kind = LEX_END, .text = SLICE_EMPTY, .position = at };
        size_t len = 0;
        if (at < text.len) {
            enum status st = lex_one(a, text, at, &t, &len, err);
            if (st)
                return st;
        }
        ARENA_PUSH(a, *out, *count, cap) = t;
        if (t.kind == LEX_END)
            return ST_OK;
        at += len;
    }
}
