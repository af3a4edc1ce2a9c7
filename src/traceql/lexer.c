/* SPDX-License-Identifier: Apache-2.0 */
/* TraceQL's tokens. An attribute is one token, with its scope: its name goes on until white space, a bracket, a comma or the first
 * character of an operator, but for the arithmetic ones, which names may hold (http.status-code, k8s.io/name); parts of it may be
 * in quotes. There are no comments. */
#include "traceql/lexer.h"

#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "base/buf.h"
#include "base/date.h"
#include "base/num.h"

enum { NAME_SHOWN_BYTES_MAX = 100 };

static const struct slice operators[] = {
    SLICE_INIT("!>>"), SLICE_INIT("!<<"), SLICE_INIT("&>>"), SLICE_INIT("&<<"), SLICE_INIT("&&"), SLICE_INIT("||"), SLICE_INIT("!="),
    SLICE_INIT("!~"),  SLICE_INIT("!>"),  SLICE_INIT("!<"),  SLICE_INIT("=~"),  SLICE_INIT(">="), SLICE_INIT("<="), SLICE_INIT(">>"),
    SLICE_INIT("<<"),  SLICE_INIT("&>"),  SLICE_INIT("&<"),  SLICE_INIT("&~"),  SLICE_INIT("{"),  SLICE_INIT("}"),  SLICE_INIT("("),
    SLICE_INIT(")"),   SLICE_INIT(","),   SLICE_INIT("|"),   SLICE_INIT("="),   SLICE_INIT(">"),  SLICE_INIT("<"),  SLICE_INIT("~"),
    SLICE_INIT("!"),   SLICE_INIT("+"),   SLICE_INIT("-"),   SLICE_INIT("*"),   SLICE_INIT("/"),  SLICE_INIT("%"),  SLICE_INIT("^"),
};

static const struct slice scopes[] = { /* by enum tql_scope */
    SLICE_INIT(""), SLICE_INIT("span"), SLICE_INIT("resource"), SLICE_INIT("event"), SLICE_INIT("link"), SLICE_INIT("instrumentation"),
};

enum status tql_lex_fail(struct slice text, size_t position, struct err *err, const char *fmt, ...)
{
    char what[ERR_TEXT_BYTES_MAX - 60];
    struct token_place at = token_place_of(text, position);
    va_list args;
    va_start(args, fmt);
    vsnprintf(what, sizeof what, fmt, args);
    va_end(args);
    return err_set(err, ST_INVALID, "parse error at line %zu, col %zu: %s", at.line, at.column, what);
}

bool tql_is_name_char(char c)
{
    static const char ends[] = "{}()=~!<>&|^, \t\n\r\v\f";
    return memchr(ends, c, sizeof ends - 1) == NULL;
}

/* Length of a quoted part with its quotes; 0: it does not end, or has an escape that is none. */
static size_t quoted_length(struct slice rest)
{
    for (size_t i = 1; i < rest.len; i++) {
        if (rest.ptr[i] == '"')
            return i + 1;
        if (rest.ptr[i] == '\\' && (++i >= rest.len || (rest.ptr[i] != '"' && rest.ptr[i] != '\\')))
            return 0;
    }
    return 0;
}

/* The quoted parts say what they say, the others are as they are. */
static struct slice unquoted_name(struct arena *a, struct slice written)
{
    char *text = arena_alloc(a, written.len);
    size_t n = 0;
    bool is_quoted = false;
    for (size_t i = 0; i < written.len; i++) {
        char c = written.ptr[i];
        if (c == '"')
            is_quoted = !is_quoted;
        else
            text[n++] = c == '\\' && is_quoted ? written.ptr[++i] : c;
    }
    return slice_of(text, n);
}

/* The name at the front of text[at..]; *len: as written. */
static enum status lex_name(struct arena *a, struct slice text, size_t at, struct slice *out, size_t *len, struct err *err)
{
    struct slice rest = slice_skip(text, at);
    size_t n = 0;
    bool has_quotes = false;
    while (n < rest.len && tql_is_name_char(rest.ptr[n])) {
        if (rest.ptr[n] != '"') {
            n++;
            continue;
        }
        size_t quoted = quoted_length(slice_skip(rest, n));
        has_quotes = true;
        if (quoted == 0)
            return tql_lex_fail(text, at + n, err, "the quotes of an attribute's name do not end, or there is an escape other than \\\" and \\\\");
        n += quoted;
    }
    *out = slice_sub(rest, 0, n);
    *len = n;
    if (has_quotes)
        *out = unquoted_name(a, *out);
    return out->len ? ST_OK : tql_lex_fail(text, at + n, err, "syntax error: an attribute's name is expected behind the '.'");
}

/* "span." and the like at the front; 0: none. */
static size_t scope_length(struct slice rest, enum tql_scope first, enum tql_scope last, enum tql_scope *out)
{
    for (size_t i = first; i <= last; i++) {
        size_t n = scopes[i].len;
        if (slice_starts(rest, scopes[i]) && n < rest.len && rest.ptr[n] == '.') {
            *out = (enum tql_scope)i;
            return n + 1;
        }
    }
    return 0;
}

/* Length of ".", "span.", "parent.", "parent.span." and so on; 0: no attribute begins here. */
static size_t attribute_prefix(struct slice rest, struct tql_field *f)
{
    *f = (struct tql_field){ .scope = TQL_SCOPE_ANY };
    if (slice_starts(rest, SLICE(".")))
        return 1;
    if (slice_starts(rest, SLICE("parent."))) {
        f->of_parent = true;
        return 7 + scope_length(slice_skip(rest, 7), TQL_SCOPE_SPAN, TQL_SCOPE_RESOURCE, &f->scope);
    }
    return scope_length(rest, TQL_SCOPE_SPAN, TQL_SCOPE_INSTRUMENTATION, &f->scope);
}

static bool is_plain_int(struct slice text)
{
    for (size_t i = 0; i < text.len; i++)
        if (!token_is_digit(text.ptr[i]))
            return false;
    return true;
}

static enum status lex_number(struct slice text, size_t at, enum token_number kind, struct tql_token *t, struct err *err)
{
    int shown = (int)MIN(t->text.len, (size_t)NAME_SHOWN_BYTES_MAX);
    int64_t ms;
    if (kind == TOKEN_DURATION) {
        t->kind = TQL_TOKEN_DURATION;
        t->value.type = TQL_DURATION;
        if (duration_parse_prom(t->text, &ms) && !__builtin_mul_overflow(ms, NS_MS, &t->value.i))
            return ST_OK;
        return duration_parse_go(t->text, &t->value.i)
                   ? ST_OK
                   : tql_lex_fail(text, at, err, "bad duration \"%.*s\"; one is like 100ms, 1.5s, 1h30m", shown, t->text.ptr);
    }
    if (is_plain_int(t->text)) {
        t->kind = TQL_TOKEN_INT;
        if (num_parse_u64(t->text, &t->whole) && t->whole <= (uint64_t)INT64_MAX + 1)
            return ST_OK;
        return tql_lex_fail(text, at, err, "number %.*s, at most %lld is allowed", shown, t->text.ptr, (long long)INT64_MAX);
    }
    t->kind = TQL_TOKEN_FLOAT;
    t->value.type = TQL_FLOAT;
    bool is_decimal = slice_find_char(t->text, '_', 0) == SIZE_MAX && slice_find_char(t->text, 'x', 0) == SIZE_MAX &&
                      slice_find_char(t->text, 'X', 0) == SIZE_MAX;
    if (is_decimal && num_parse_double(t->text, &t->value.d) && isfinite(t->value.d))
        return ST_OK;
    return tql_lex_fail(text, at, err, "bad number \"%.*s\"", shown, t->text.ptr);
}

/* A word, with the scope of an intrinsic before it where there is one. */
static size_t word_length(struct slice rest)
{
    static const struct slice owners[] = { SLICE_INIT("span"), SLICE_INIT("trace"), SLICE_INIT("event"), SLICE_INIT("link"),
                                           SLICE_INIT("instrumentation") };
    size_t n = token_ident(rest, false);
    if (n == 0 || n >= rest.len || rest.ptr[n] != ':')
        return n;
    for (size_t i = 0; i < COUNT_OF(owners); i++)
        if (slice_eq(slice_sub(rest, 0, n), owners[i]))
            return n + 1 + token_ident(slice_skip(rest, n + 1), false);
    return n;
}

static enum status lex_one(struct arena *a, struct slice text, size_t at, struct tql_token *t, size_t *len, struct err *err)
{
    struct slice rest = slice_skip(text, at);
    char c = rest.ptr[0];
    *t = (struct tql_token){ .position = at };
    if (c == '"' || c == '`') {
        struct err why;
        *len = token_string(rest, &why);
        t->kind = TQL_TOKEN_STRING;
        if (*len == 0 || token_unquote(a, slice_sub(rest, 0, *len), &t->text, &why))
            return tql_lex_fail(text, at, err, "%s", why.text);
        return ST_OK;
    }
    bool is_number = token_is_digit(c) || (c == '.' && rest.len > 1 && token_is_digit(rest.ptr[1]));
    if (is_number) {
        enum token_number kind = token_number_scan(rest, len);
        t->text = slice_sub(rest, 0, *len);
        return lex_number(text, at, kind, t, err);
    }
    struct tql_field f;
    size_t prefix = attribute_prefix(rest, &f);
    if (prefix) {
        t->kind = TQL_TOKEN_ATTRIBUTE;
        t->field = f;
        enum status st = lex_name(a, text, at + prefix, &t->field.name, len, err);
        *len += prefix;
        t->text = slice_sub(rest, 0, *len);
        return st;
    }
    if ((*len = word_length(rest)) > 0) {
        t->kind = TQL_TOKEN_WORD;
        t->text = slice_sub(rest, 0, *len);
        return ST_OK;
    }
    for (size_t i = 0; i < COUNT_OF(operators); i++) {
        if (slice_starts(rest, operators[i])) {
            t->kind = TQL_TOKEN_OP;
            t->text = operators[i];
            *len = operators[i].len;
            return ST_OK;
        }
    }
    return tql_lex_fail(text, at, err, c >= ' ' && c < 0x7f ? "syntax error: unexpected character '%c'" : "syntax error: unexpected byte 0x%02x",
                        (unsigned char)c);
}

enum status tql_lex_all(struct arena *a, struct slice text, struct tql_token **out, size_t *count, struct err *err)
{
    size_t at = 0, cap = 0;
    *out = NULL;
    *count = 0;
    for (;;) {
        while (at < text.len && (token_is_space(text.ptr[at]) || text.ptr[at] == '\v' || text.ptr[at] == '\f'))
            at++;
        struct tql_token t = { .kind = TQL_TOKEN_END, .text = SLICE_EMPTY, .position = at };
        size_t len = 0;
        if (at < text.len) {
            enum status st = lex_one(a, text, at, &t, &len, err);
            if (st)
                return st;
        }
        ARENA_PUSH(a, *out, *count, cap) = t;
        if (t.kind == TQL_TOKEN_END)
            return ST_OK;
        at += len;
    }
}
