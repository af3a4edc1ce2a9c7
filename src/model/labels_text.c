/* SPDX-License-Identifier: Apache-2.0 */
/* Label sets and selectors as people and Prometheus write them: name{a="b",c="d"}, name{a="b",c!~"d"}.
 *
 * Names that are not [a-zA-Z_][a-zA-Z0-9_]* stand in quotes, a metric's name then inside the braces: {"a.b",c="d"}.
 * Strings know Go's escapes, and `raw` ones none. Reading is wide (spaces, a last comma, any escape), writing is narrow. */
#include "base/utf8.h"
#include "model/matcher.h"

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
    const char *what; /* "labels" or "selector": for errors */
    struct slice all;
    size_t at;
    struct arena *arena;
    struct err *err;
};

static enum status text_wrong(struct text *t, const char *what)
{
    struct slice near = utf8_cut(slice_skip(t->all, t->at), 20);
    return err_set(t->err, ST_INVALID, "%s: position %zu: %s, found \"%.*s\"", t->what, t->at + 1, what, SLICE_FMT(near));
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

/* The name an item begins with; *alone: it is a metric's name in quotes, and the item is done. */
static enum status text_name(struct text *t, struct slice *out, bool *alone)
{
    bool quoted = is_quote(text_peek(t));
    enum status st = ST_OK;
    if (quoted)
        st = text_quoted(t, out);
    else
        *out = text_word(t);
    text_spaces(t);
    *alone = quoted && (text_peek(t) == ',' || text_peek(t) == '}');
    if (st == ST_OK && out->len == 0 && !*alone)
        st = text_wrong(t, "expected a label name");
    return st;
}

static enum status text_value(struct text *t, struct slice *out)
{
    text_spaces(t);
    return is_quote(text_peek(t)) ? text_quoted(t, out) : text_wrong(t, "expected a string in quotes");
}

/* A name (empty when there is none), items in braces, or both; each item is read by one. */
static enum status text_list(struct text *t, struct slice *name, enum status (*one)(struct text *t, void *arg), void *arg)
{
    enum status st = ST_OK;
    *name = text_word(t);
    text_spaces(t);
    if (t->at == t->all.len && name->len)
        return ST_OK;
    if (text_peek(t) != '{')
        return text_wrong(t, "expected '{'");
    t->at++;
    text_spaces(t);
    while (st == ST_OK && text_peek(t) != '}') {
        st = one(t, arg);
        text_spaces(t);
        if (st == ST_OK && text_peek(t) == ',')
            t->at++;
        else if (st == ST_OK && text_peek(t) != '}')
            st = text_wrong(t, "expected ',' or '}'");
        text_spaces(t);
    }
    t->at++;
    return st == ST_OK && t->at != t->all.len ? text_wrong(t, "expected the end") : st;
}

/* ---- label sets ---- */

struct pairs {
    struct label *list;
    size_t count, cap;
};

static enum status read_pair(struct text *t, void *arg)
{
    struct pairs *p = arg;
    struct label l = { SLICE_EMPTY, SLICE_EMPTY };
    bool alone;
    enum status st = text_name(t, &l.name, &alone);
    if (st)
        return st;
    if (alone) {
        l = (struct label){ NAME_LABEL, l.name };
    } else {
        if (text_peek(t) != '=')
            return text_wrong(t, "expected '='");
        t->at++;
        st = text_value(t, &l.value);
    }
    if (st == ST_OK && p->count == LABELS_TEXT_PAIRS_MAX)
        st = err_set(t->err, ST_LIMIT, "labels: over %d pairs, at most %d are allowed", LABELS_TEXT_PAIRS_MAX, LABELS_PER_SERIES_MAX);
    if (st == ST_OK)
        ARENA_PUSH(t->arena, p->list, p->count, p->cap) = l;
    return st;
}

enum status labels_parse(struct arena *a, struct slice text, struct slice *out, struct err *err)
{
    struct text t = { "labels", slice_trim(text), 0, a, err };
    struct pairs p = { 0 };
    struct slice name;
    enum status st = text_list(&t, &name, read_pair, &p);
    if (st)
        return st;
    if (name.len)
        ARENA_PUSH(a, p.list, p.count, p.cap) = (struct label){ NAME_LABEL, name };
    return labels_build(a, p.list, p.count, out, err);
}

/* ---- selectors ---- */

struct matchers {
    struct matcher *list;
    size_t count, cap;
};

static enum status add_matcher(struct text *t, struct matchers *m, enum match_op op, struct slice name, struct slice value)
{
    struct matcher one;
    if (m->count == SELECTOR_MATCHERS_MAX)
        return err_set(t->err, ST_LIMIT, "selector: over %d matchers", SELECTOR_MATCHERS_MAX);
    enum status st = matcher_init(&one, op, name, value, t->err);
    if (st == ST_OK)
        ARENA_PUSH(t->arena, m->list, m->count, m->cap) = one;
    return st;
}

static bool text_op(struct text *t, enum match_op *op)
{
    char first = text_peek(t);
    if (first != '=' && first != '!')
        return false;
    t->at++;
    char second = text_peek(t);
    if (first == '!' && second != '=' && second != '~')
        return false;
    if (second == '~')
        *op = first == '=' ? MATCH_RE : MATCH_NRE;
    else
        *op = first == '=' ? MATCH_EQ : MATCH_NE;
    t->at += second == '~' || first == '!';
    return true;
}

static enum status read_matcher(struct text *t, void *arg)
{
    struct slice name, value;
    enum match_op op;
    bool alone;
    enum status st = text_name(t, &name, &alone);
    if (st)
        return st;
    if (alone)
        return add_matcher(t, arg, MATCH_EQ, NAME_LABEL, name);
    if (!text_op(t, &op))
        return text_wrong(t, "expected =, !=, =~ or !~");
    st = text_value(t, &value);
    return st ? st : add_matcher(t, arg, op, name, value);
}

enum status matchers_parse(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err)
{
    struct text t = { "selector", slice_trim(text), 0, a, err };
    struct matchers m = { 0 };
    struct slice name = SLICE_EMPTY;
    enum status st = t.all.len ? text_list(&t, &name, read_matcher, &m) : ST_OK;
    if (st == ST_OK && name.len)
        st = add_matcher(&t, &m, MATCH_EQ, NAME_LABEL, name);
    if (st) {
        matchers_destroy(m.list, m.count);
        return st;
    }
    *out = m.list;
    *count = m.count;
    return ST_OK;
}
