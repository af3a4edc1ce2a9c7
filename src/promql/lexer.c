/* SPDX-License-Identifier: Apache-2.0 */
/* Tokens of PromQL.
 *
 * Keywords are identifiers here: most of them are also allowed as names of metrics and labels, and only the parser knows
 * which is meant. What depends on the place: between braces '=' matches labels, and a colon belongs to an identifier
 * except in brackets, where it parts range and step. */
#include "promql/lexer.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/utf8.h"
#include "promql/words.h"
#include "query/token.h"

struct lexer {
    struct arena *a;
    struct slice text;
    size_t at;
    unsigned parens, braces, brackets;
    struct token *list;
    size_t count, cap;
};

static void put(struct lexer *l, enum token_kind kind, size_t start, size_t end)
{
    ARENA_PUSH(l->a, l->list, l->count, l->cap) =
        (struct token){ kind, (uint32_t)start, (uint32_t)end, slice_sub(l->text, start, end), NULL };
}

static bool PRINTF_LIKE(4, 5) fail(struct lexer *l, size_t start, size_t end, const char *fmt, ...)
{
    char text[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    put(l, TOK_ERROR, start, end);
    l->list[l->count - 1].error = arena_copy(l->a, slice_of(text, MIN((size_t)n, sizeof text - 1))).ptr;
    return false;
}

static struct slice rest(const struct lexer *l)
{
    return slice_skip(l->text, l->at);
}

static char peek(const struct lexer *l, size_t n)
{
    return l->at + n < l->text.len ? l->text.ptr[l->at + n] : 0;
}

static void skip_blank(struct lexer *l)
{
    while (l->at < l->text.len) {
        char c = l->text.ptr[l->at];
        if (c == '#')
            l->at = MIN(slice_find_char(l->text, '\n', l->at), l->text.len);
        else if (token_is_space(c))
            l->at++;
        else
            return;
    }
}

static bool lex_string(struct lexer *l)
{
    struct err err = { 0 };
    size_t n = token_string(rest(l), &err);
    if (n == 0) {
        struct slice line = rest(l);
        line.len = MIN(line.len, slice_find_char(line, '\n', 0));
        return fail(l, l->at, l->at + line.len, "%s", err.text[0] ? err.text : "unterminated quoted string");
    }
    put(l, TOK_STRING, l->at, l->at + n);
    l->at += n;
    return true;
}

static bool lex_number(struct lexer *l)
{
    size_t n;
    enum token_number kind = token_number_scan(rest(l), &n);
    if (kind == TOKEN_NUMBER_NONE)
        return fail(l, l->at, l->at + 1, "unexpected character: '%c'", peek(l, 0));
    put(l, kind == TOKEN_NUMBER ? TOK_NUM : TOK_DURATION, l->at, l->at + n);
    l->at += n;
    return true;
}

static bool open_close(struct lexer *l, char c)
{
    switch (c) {
    case '(':
        l->parens++;
        put(l, TOK_LPAREN, l->at, l->at + 1);
        break;
    case ')':
        if (l->parens == 0)
            return fail(l, l->at, l->at + 1, "unexpected right parenthesis ')'");
        l->parens--;
        put(l, TOK_RPAREN, l->at, l->at + 1);
        break;
    case '{':
        if (l->braces)
            return fail(l, l->at, l->at + 1, "unexpected left brace '{'");
        l->braces++;
        put(l, TOK_LBRACE, l->at, l->at + 1);
        break;
    case '}':
        if (l->braces == 0)
            return fail(l, l->at, l->at + 1, "unexpected right brace '}'");
        l->braces--;
        put(l, TOK_RBRACE, l->at, l->at + 1);
        break;
    case '[':
        if (l->brackets)
            return fail(l, l->at, l->at + 1, "unexpected left bracket '['");
        l->brackets++;
        put(l, TOK_LBRACKET, l->at, l->at + 1);
        break;
    case ']':
        if (l->brackets == 0)
            return fail(l, l->at, l->at + 1, "unexpected right bracket ']'");
        l->brackets--;
        put(l, TOK_RBRACKET, l->at, l->at + 1);
        break;
    }
    l->at++;
    return true;
}

static bool lex_symbol(struct lexer *l)
{
    static const struct {
        char text[3];
        enum token_kind kind;
    } symbols[] = { { "==", TOK_EQ }, { "=~", TOK_RE }, { "!=", TOK_NE }, { "!~", TOK_NOT_RE }, { ">=", TOK_GE }, { "<=", TOK_LE },
                    { "</", TOK_TRIM_UPPER }, { ">/", TOK_TRIM_LOWER },
                    { ">", TOK_GT }, { "<", TOK_LT }, { "=", TOK_ASSIGN }, { "+", TOK_ADD }, { "-", TOK_SUB }, { "*", TOK_MUL },
                    { "/", TOK_DIV }, { "%", TOK_MOD }, { "^", TOK_POW }, { ",", TOK_COMMA }, { "@", TOK_AT }, { ":", TOK_COLON } };
    char c = peek(l, 0);
    if (c && strchr("(){}[]", c))
        return open_close(l, c);
    if (c == ':' && !l->brackets)
        return fail(l, l->at, l->at + 1, "unexpected character: ':'");
    if (l->braces && c && !strchr("=!~,", c))
        return fail(l, l->at, l->at + 1, "unexpected character inside braces: '%c'", c);
    if (!l->braces && (c == '=' || c == '!') && peek(l, 1) == '~') /* only labels are matched by regex */
        return fail(l, l->at, l->at + 2, "unexpected character after '%c': '~'", c);
    for (size_t i = 0; i < COUNT_OF(symbols); i++) {
        size_t n = symbols[i].text[1] ? 2 : 1;
        if (c != symbols[i].text[0] || (n == 2 && peek(l, 1) != symbols[i].text[1]))
            continue;
        put(l, symbols[i].kind, l->at, l->at + n);
        l->at += n;
        return true;
    }
    if (c == '!')
        return fail(l, l->at, l->at + 1, "unexpected character after '!': '%c'", peek(l, 1) ? peek(l, 1) : ' ');
    size_t n = utf8_char(rest(l));
    n = n ? n : 1;
    return fail(l, l->at, l->at + n, "unexpected character: '%.*s'", (int)n, l->text.ptr + l->at);
}

static bool lex_one(struct lexer *l)
{
    char c = peek(l, 0);
    if (c == '"' || c == '\'' || c == '`')
        return lex_string(l);
    if (l->braces && (token_is_digit(c) || c == '.'))
        return fail(l, l->at, l->at + 1, "unexpected character inside braces: '%c'", c);
    if (token_is_digit(c) || (c == '.' && token_is_digit(peek(l, 1))))
        return lex_number(l);
    size_t n = token_ident(rest(l), !l->brackets && !l->braces);
    if (n == 0 || (c == ':' && l->brackets))
        return lex_symbol(l);
    struct slice word = slice_sub(l->text, l->at, l->at + n);
    put(l, slice_find_char(word, ':', 0) == SIZE_MAX ? TOK_IDENT : TOK_METRIC, l->at, l->at + n);
    l->at += n;
    return true;
}

struct token *lexer_run(struct arena *a, struct slice text, size_t *count)
{
    struct lexer l = { .a = a, .text = text };
    bool ok = true;
    for (skip_blank(&l); ok && l.at < text.len; skip_blank(&l))
        ok = lex_one(&l);
    if (ok && l.brackets)
        fail(&l, text.len, text.len, "unclosed left bracket");
    else if (ok && l.braces)
        fail(&l, text.len, text.len, "unexpected end of input inside braces");
    else if (ok && l.parens)
        fail(&l, text.len, text.len, "unclosed left parenthesis");
    else if (ok)
        put(&l, TOK_END, text.len, text.len);
    *count = l.count;
    return l.list;
}

struct slice lexer_describe(struct arena *a, const struct token *t)
{
    enum { SHOWN_BYTES_MAX = 10 };
    switch (t->kind) {
    case TOK_END:
        return SLICE("end of input");
    case TOK_ERROR:
        return slice_str(t->error);
    case TOK_IDENT:
        if (words_is_operator(t->text))
            return arena_printf(a, "<op:%.*s>", SLICE_FMT(t->text));
        if (words_is_aggregation(t->text))
            return arena_printf(a, "<aggr:%.*s>", SLICE_FMT(t->text));
        if (words_is_keyword(t->text))
            return arena_printf(a, "<%.*s>", SLICE_FMT(t->text));
        return arena_printf(a, "identifier \"%.*s\"", SLICE_FMT(t->text));
    case TOK_METRIC:
        return arena_printf(a, "metric identifier \"%.*s\"", SLICE_FMT(t->text));
    case TOK_STRING:
    case TOK_NUM:
    case TOK_DURATION: {
        const char *name = t->kind == TOK_STRING ? "string" : t->kind == TOK_NUM ? "number" : "duration";
        struct slice s = t->text;
        struct slice cut = utf8_cut(s, SHOWN_BYTES_MAX);
        struct buf b;
        buf_init(&b, 0);
        token_quote(cut, &b);
        struct slice out = arena_printf(a, "%s %.*s%s", name, SLICE_FMT(buf_as_slice(&b)), cut.len < s.len ? "..." : "");
        buf_free(&b);
        return out;
    }
    case TOK_ADD: case TOK_SUB: case TOK_MUL: case TOK_DIV: case TOK_MOD: case TOK_POW: case TOK_EQ: case TOK_NE:
    case TOK_GT: case TOK_LT: case TOK_GE: case TOK_LE: case TOK_TRIM_UPPER: case TOK_TRIM_LOWER: case TOK_RE: case TOK_NOT_RE:
        return arena_printf(a, "<op:%.*s>", SLICE_FMT(t->text));
    case TOK_LPAREN: case TOK_RPAREN: case TOK_LBRACE: case TOK_RBRACE: case TOK_LBRACKET: case TOK_RBRACKET:
    case TOK_COMMA: case TOK_COLON: case TOK_ASSIGN: case TOK_AT:
        return arena_printf(a, "\"%.*s\"", SLICE_FMT(t->text));
    }
    return SLICE_EMPTY;
}
