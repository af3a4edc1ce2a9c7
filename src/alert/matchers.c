/* SPDX-License-Identifier: Apache-2.0 */
/* Alertmanager's way to write matchers, older than PromQL's: quotes may be left out, braces too. */
#include "alert/setup.h"
#include "base/utf8.h"

struct scan {
    struct arena *a;
    struct slice text;
    size_t at;
    bool braces;
    struct err *err;
};

static enum status fail(const struct scan *s, const char *expected)
{
    return err_set(s->err, ST_INVALID, "matcher \"%.*s\": expected %s at byte %zu; allowed is for example severity=\"critical\" or team=~\"a|b\"",
                   SLICE_FMT(utf8_cut(s->text, 100)), expected, s->at + 1);
}

static void space(struct scan *s)
{
    while (s->at < s->text.len && (s->text.ptr[s->at] == ' ' || s->text.ptr[s->at] == '\t' || s->text.ptr[s->at] == '\n'))
        s->at++;
}

static char peek(const struct scan *s)
{
    return s->at < s->text.len ? s->text.ptr[s->at] : '\0';
}

static enum status quoted(struct scan *s, struct slice *out)
{
    char *to = arena_alloc(s->a, s->text.len + 1);
    size_t n = 0;
    for (s->at++; s->at < s->text.len && s->text.ptr[s->at] != '"'; s->at++) {
        char c = s->text.ptr[s->at];
        if (c == '\\' && s->at + 1 < s->text.len) {
            char next = s->text.ptr[s->at + 1];
            if (next == '"' || next == '\\' || next == 'n') {
                c = next == 'n' ? '\n' : next;
                s->at++;
            }
        }
        to[n++] = c;
    }
    if (peek(s) != '"')
        return fail(s, "a closing quote");
    s->at++;
    *out = slice_of(to, n);
    return ST_OK;
}

static enum status name(struct scan *s, struct slice *out)
{
    size_t from = s->at;
    if (peek(s) == '"')
        return quoted(s, out);
    while (s->at < s->text.len && !slice_contains(SLICE("=!~,{} \t\n\""), slice_sub(s->text, s->at, s->at + 1)))
        s->at++;
    *out = slice_sub(s->text, from, s->at);
    return out->len ? ST_OK : fail(s, "a label's name");
}

static enum status operator(struct scan *s, enum match_op *out)
{
    static const struct {
        struct slice text;
        enum match_op op;
    } ops[] = {{SLICE_INIT("=~"), MATCH_RE}, {SLICE_INIT("!~"), MATCH_NRE}, {SLICE_INIT("!="), MATCH_NE}, {SLICE_INIT("="), MATCH_EQ}};
    for (size_t i = 0; i < COUNT_OF(ops); i++) {
        if (slice_starts(slice_skip(s->text, s->at), ops[i].text)) {
            *out = ops[i].op;
            s->at += ops[i].text.len;
            return ST_OK;
        }
    }
    return fail(s, "=, !=, =~ or !~");
}

static enum status value(struct scan *s, struct slice *out)
{
    size_t from = s->at;
    if (peek(s) == '"')
        return quoted(s, out);
    while (s->at < s->text.len && s->text.ptr[s->at] != ',' && !(s->braces && s->text.ptr[s->at] == '}'))
        s->at++;
    *out = slice_trim(slice_sub(s->text, from, s->at));
    return slice_find_char(*out, '"', 0) == SIZE_MAX ? ST_OK : fail(s, "a value without quotes inside");
}

static enum status one(struct scan *s, struct matcher *out)
{
    struct slice label, text = SLICE_EMPTY;
    enum match_op op = MATCH_EQ;
    enum status st = name(s, &label);
    space(s);
    if (!st)
        st = operator(s, &op);
    space(s);
    if (!st)
        st = value(s, &text);
    space(s);
    return st ? st : matcher_init(out, op, arena_copy(s->a, label), arena_copy(s->a, text), s->err);
}

enum status alert_matchers_read(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err)
{
    struct scan s = {.a = a, .text = slice_trim(text), .err = err};
    struct matcher *list = NULL;
    size_t n = 0, cap = 0;
    enum status st = ST_OK;
    s.braces = peek(&s) == '{';
    s.at += s.braces;
    space(&s);
    while (!st && s.at < s.text.len && !(s.braces && peek(&s) == '}')) {
        struct matcher m;
        if (n == SELECTOR_MATCHERS_MAX)
            st = err_set(err, ST_LIMIT, "more than %d matchers", SELECTOR_MATCHERS_MAX);
        else
            st = one(&s, &m);
        if (st)
            break;
        ARENA_PUSH(a, list, n, cap) = m;
        if (peek(&s) == ',') {
            s.at++;
            space(&s);
        } else if (s.at < s.text.len && !(s.braces && peek(&s) == '}')) {
            st = fail(&s, "a comma");
        }
    }
    if (!st && s.braces && (peek(&s) != '}' || s.at + 1 != s.text.len))
        st = fail(&s, "one closing brace at the end");
    if (st) {
        matchers_destroy(list, n);
        return st;
    }
    *out = list;
    *count = n;
    return ST_OK;
}
