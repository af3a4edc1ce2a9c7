/* SPDX-License-Identifier: Apache-2.0 */
/* LogQL's tokens. Durations and sizes (5m, 1h30m, 10KB) are digits run together with letters; which of them a place wants is
 * the parser's to say. A '#' starts a comment to the line's end. */
#include "logql/lexer.h"

#include <math.h>
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

/* 0x1, 0b1, 0o7; "0b" alone is a size. */
static bool is_based(struct slice rest)
{
    char kind = (char)(rest.ptr[1] | 0x20);
    return kind == 'x' || ((kind == 'b' || kind == 'o') && token_is_digit(rest.ptr[2]));
}

static int hex_digit(char c)
{
    if (token_is_digit(c))
        return c - '0';
    c |= 0x20;
    return c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
}

/* 0x1.8p3: of the numbers with a base, those with a 'p' alone are floats. *len: what belongs to it, also when it is none. */
static bool hex_float(struct slice rest, size_t *len, double *out)
{
    enum { EXPONENT_MAX = 10000 };
    size_t n = 2, digits = 0;
    int scale = 0, exponent = 0, sign = 1;
    bool fraction = false;
    double v = 0;
    for (; n < rest.len && (hex_digit(rest.ptr[n]) >= 0 || (rest.ptr[n] == '.' && !fraction)); n++) {
        if (rest.ptr[n] == '.') {
            fraction = true;
            continue;
        }
        v = v * 16 + hex_digit(rest.ptr[n]);
        scale -= fraction ? 4 : 0;
        digits++;
    }
    *len = n;
    if ((rest.ptr[1] | 0x20) != 'x' || digits == 0 || n + 1 >= rest.len || (rest.ptr[n] | 0x20) != 'p')
        return false;
    n++;
    if (rest.ptr[n] == '-' || rest.ptr[n] == '+')
        sign = rest.ptr[n++] == '-' ? -1 : 1;
    size_t first = n;
    for (; n < rest.len && token_is_digit(rest.ptr[n]); n++)
        exponent = MIN(exponent * 10 + rest.ptr[n] - '0', EXPONENT_MAX);
    *len = n;
    *out = ldexp(v, scale + sign * exponent);
    return n > first && isfinite(*out);
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
    if (c == '0' && rest.len > 2 && is_based(rest)) {
        if (!hex_float(rest, len, &t->number))
            return logql_lex_fail(text, at, err, "syntax error: unable to parse literal as a float: \"%.*s\"", (int)*len, rest.ptr);
        t->text = slice_sub(rest, 0, *len);
        t->kind = LEX_NUMBER;
        return ST_OK;
    }
    enum token_number number = token_number_scan(rest, len);
    if (number != TOKEN_NUMBER_NONE) {
        t->text = slice_sub(rest, 0, *len);
        t->kind = number == TOKEN_NUMBER ? LEX_NUMBER : LEX_DURATION;
        if (t->kind == LEX_NUMBER && (!token_number_parse(t->text, &t->number) || !isfinite(t->number)))
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
