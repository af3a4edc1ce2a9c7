/* SPDX-License-Identifier: Apache-2.0 */
/* Label sets as people and Prometheus write them: name{a="b",c="d"}.
 *
 * Names that are not [a-zA-Z_][a-zA-Z0-9_]* stand in quotes, a metric's name then inside the braces: {"a.b",c="d"}.
 * Strings know Go's escapes, and `raw` ones none. Reading is wide (spaces, a last comma, any escape), writing is narrow. */
#include "base/utf8.h"
#include "model/labels.h"

#define NAME_LABEL SLICE("__name__")

void text_put_quoted(struct slice s, struct buf *out)
{
    static const char letters[] = "abtnvfr"; /* of the codes 7 to 13 */
    buf_char(out, '"');
    for (size_t i = 0; i < s.len; i++) {
        unsigned char c = (unsigned char)s.ptr[i];
        if (c == '"' || c == '\\') {
            buf_char(out, '\\');
            buf_char(out, (char)c);
        } else if (c >= 7 && c <= 13) {
            buf_char(out, '\\');
            buf_char(out, letters[c - 7]);
        } else if (c < ' ' || c == 0x7f) {
            buf_printf(out, "\\x%02x", c);
        } else {
            buf_char(out, (char)c);
        }
    }
    buf_char(out, '"');
}

void labels_format(struct slice labels, struct buf *out)
{
    struct slice rest = labels, name = labels_get(labels, NAME_LABEL);
    struct label l;
    if (name.len && metric_name_is_legacy(name)) {
        buf_slice(out, name);
        labels_next(&rest, &l); /* `__name__` is the first */
        if (rest.len == 0)
            return;
    }
    buf_char(out, '{');
    for (const char *comma = ""; labels_next(&rest, &l); comma = ",") {
        buf_slice(out, slice_str(comma));
        if (slice_eq(l.name, NAME_LABEL)) {
            text_put_quoted(l.value, out);
            continue;
        }
        if (label_name_is_legacy(l.name))
            buf_slice(out, l.name);
        else
            text_put_quoted(l.name, out);
        buf_char(out, '=');
        text_put_quoted(l.value, out);
    }
    buf_char(out, '}');
}

/* ---- reading ---- */

enum { LABELS_TEXT_PAIRS_MAX = 4 * LABELS_PER_SERIES_MAX };

struct text {
    struct slice all;
    size_t at;
    struct arena *arena;
    struct err *err;
};

static enum status text_wrong(struct text *t, const char *what)
{
    struct slice near = utf8_cut(slice_skip(t->all, t->at), 20);
    return err_set(t->err, ST_INVALID, "labels: position %zu: %s, found \"%.*s\"", t->at + 1, what, SLICE_FMT(near));
}

static char text_peek(const struct text *t)
{
    return t->at < t->all.len ? t->all.ptr[t->at] : 0;
}

static void text_spaces(struct text *t)
{
    while (t->at < t->all.len && (t->all.ptr[t->at] == ' ' || (t->all.ptr[t->at] >= '\t' && t->all.ptr[t->at] <= '\r')))
        t->at++;
}

static bool is_name_char(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '.' || c == '-' ||
           c == '/' || (unsigned char)c >= 0x80;
}

static struct slice text_word(struct text *t)
{
    size_t from = t->at;
    while (t->at < t->all.len && is_name_char(t->all.ptr[t->at]))
        t->at++;
    return slice_sub(t->all, from, t->at);
}

static int digit_of(char c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : 99;
}

static bool text_number(struct text *t, int digits, int base, uint32_t *out)
{
    *out = 0;
    for (int i = 0; i < digits; i++, t->at++) {
        int d = digit_of(text_peek(t));
        if (d >= base)
            return false;
        *out = *out * (uint32_t)base + (uint32_t)d;
    }
    return true;
}

/* What follows a backslash; writes 1 to 4 bytes. */
static bool text_escape(struct text *t, char *out, size_t *len)
{
    static const char from[] = "abtnvfr\\\"'`/", to[] = "\a\b\t\n\v\f\r\\\"'`/";
    char c = text_peek(t);
    uint32_t code = 0;
    bool is_byte = false, ok = false;
    for (size_t i = 0; c && i < sizeof from - 1; i++)
        if (c == from[i]) {
            out[(*len)++] = to[i];
            t->at++;
            return true;
        }
    if (c >= '0' && c <= '7') {
        is_byte = true;
        ok = text_number(t, 3, 8, &code);
    } else if (c == 'x' || c == 'u' || c == 'U') {
        t->at++;
        is_byte = c == 'x';
        ok = text_number(t, c == 'x' ? 2 : c == 'u' ? 4 : 8, 16, &code);
    }
    if (!ok)
        return false;
    if (is_byte)
        out[(*len)++] = (char)code;
    else
        *len += utf8_put(code, out + *len);
    return true;
}

static enum status text_quoted(struct text *t, struct slice *out)
{
    char quote = text_peek(t);
    size_t from = ++t->at;
    size_t end = slice_find_char(t->all, quote, from);
    if (end != SIZE_MAX && (quote == '`' || memchr(t->all.ptr + from, '\\', end - from) == NULL)) {
        *out = slice_sub(t->all, from, end);
        t->at = end + 1;
        return ST_OK;
    }
    char *copy = arena_alloc(t->arena, t->all.len - from + 4);
    size_t len = 0;
    while (t->at < t->all.len) {
        char c = t->all.ptr[t->at++];
        if (c == quote) {
            *out = slice_of(copy, len);
            return ST_OK;
        }
        if (c != '\\')
            copy[len++] = c;
        else if (!text_escape(t, copy, &len))
            return text_wrong(t, "an escape sequence is wrong");
    }
    t->at = from - 1;
    return text_wrong(t, "a string is not closed");
}

static bool is_quote(char c)
{
    return c == '"' || c == '\'' || c == '`';
}

/* One pair, or a metric's name alone in quotes. */
static enum status text_pair(struct text *t, struct label *out)
{
    bool quoted = is_quote(text_peek(t));
    if (quoted) {
        enum status st = text_quoted(t, &out->name);
        if (st)
            return st;
    } else {
        out->name = text_word(t);
    }
    text_spaces(t);
    if (quoted && (text_peek(t) == ',' || text_peek(t) == '}')) {
        *out = (struct label){ NAME_LABEL, out->name };
        return ST_OK;
    }
    if (out->name.len == 0)
        return text_wrong(t, "expected a label name");
    if (text_peek(t) != '=')
        return text_wrong(t, "expected '='");
    t->at++;
    text_spaces(t);
    if (!is_quote(text_peek(t)))
        return text_wrong(t, "expected a string in quotes");
    return text_quoted(t, &out->value);
}

enum status labels_parse(struct arena *a, struct slice text, struct slice *out, struct err *err)
{
    struct text t = { slice_trim(text), 0, a, err };
    struct label *list = NULL;
    size_t count = 0, cap = 0;
    struct slice name = text_word(&t);
    if (name.len)
        ARENA_PUSH(a, list, count, cap) = (struct label){ NAME_LABEL, name };
    text_spaces(&t);
    if (t.at < t.all.len || name.len == 0) {
        if (text_peek(&t) != '{')
            return text_wrong(&t, "expected '{'");
        t.at++;
        text_spaces(&t);
        while (text_peek(&t) != '}') {
            struct label l = { SLICE_EMPTY, SLICE_EMPTY };
            enum status st = text_pair(&t, &l);
            if (st)
                return st;
            if (count == LABELS_TEXT_PAIRS_MAX)
                return err_set(err, ST_LIMIT, "labels: over %d pairs, at most %d are allowed", LABELS_TEXT_PAIRS_MAX, LABELS_PER_SERIES_MAX);
            ARENA_PUSH(a, list, count, cap) = l;
            text_spaces(&t);
            if (text_peek(&t) == ',')
                t.at++;
            else if (text_peek(&t) != '}')
                return text_wrong(&t, "expected ',' or '}'");
            text_spaces(&t);
        }
        t.at++;
        if (t.at != t.all.len)
            return text_wrong(&t, "expected the end");
    }
    return labels_build(a, list, count, out, err);
}
