/* SPDX-License-Identifier: Apache-2.0 */
/* A tombstone names a tenant, a time range, a stream selector and perhaps a text; it deletes what had a lower LSN when it
 * was made, or, an erase, whatever comes. Its selector is parsed once a scan or merge. */
#include "events/evtomb.h"

enum { SELECTOR_MATCHERS_MAX = 64 };

static void skip_space(struct slice *s)
{
    while (s->len && (s->ptr[0] == ' ' || s->ptr[0] == '\t' || s->ptr[0] == '\n' || s->ptr[0] == '\r'))
        *s = slice_skip(*s, 1);
}

static bool take_char(struct slice *s, char c)
{
    skip_space(s);
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

static bool is_name_byte(char c, bool is_first)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || c == ':' || (!is_first && c >= '0' && c <= '9');
}

static char unescaped(char c)
{
    switch (c) {
    case 'n':
        return '\n';
    case 't':
        return '\t';
    case 'r':
        return '\r';
    default:
        return c;
    }
}

/* "..." or '...' with escapes, or `...` without. */
static bool take_string(struct slice *s, struct arena *a, struct slice *out)
{
    skip_space(s);
    char quote = s->len ? s->ptr[0] : 0;
    if (quote != '"' && quote != '\'' && quote != '`')
        return false;
    char *to = arena_alloc(a, s->len);
    size_t n = 0;
    for (size_t i = 1; i < s->len; i++) {
        char c = s->ptr[i];
        if (c == quote) {
            *out = slice_of(to, n);
            *s = slice_skip(*s, i + 1);
            return true;
        }
        if (c == '\\' && quote != '`' && i + 1 < s->len)
            c = unescaped(s->ptr[++i]);
        to[n++] = c;
    }
    return false;
}

static bool take_name(struct slice *s, struct arena *a, struct slice *out)
{
    skip_space(s);
    if (s->len && s->ptr[0] == '"')
        return take_string(s, a, out);
    size_t n = 0;
    while (n < s->len && is_name_byte(s->ptr[n], n == 0))
        n++;
    *out = slice_of(s->ptr, n);
    *s = slice_skip(*s, n);
    return n != 0;
}

static bool take_op(struct slice *s, enum match_op *op)
{
    if (take_char(s, '!')) {
        *op = MATCH_NE;
        if (s->len && s->ptr[0] == '~')
            *op = MATCH_NRE;
        else if (s->len == 0 || s->ptr[0] != '=')
            return false;
        *s = slice_skip(*s, 1);
        return true;
    }
    if (!take_char(s, '='))
        return false;
    *op = MATCH_EQ;
    if (s->len && s->ptr[0] == '~') {
        *op = MATCH_RE;
        *s = slice_skip(*s, 1);
    }
    return true;
}

static void free_matchers(struct matcher *list, size_t count)
{
    for (size_t i = 0; i < count; i++)
        matcher_destroy(&list[i]);
}

static enum status selector_error(struct slice text, struct slice rest, const char *wanted, struct err *err)
{
    return err_set(err, ST_INVALID, "selector \"%.*s\": expected %s at %zu", SLICE_FMT(slice_sub(text, 0, 200)), wanted, text.len - rest.len);
}

enum status evtomb_parse_selector(struct slice text, struct arena *a, struct matcher **out, size_t *count, struct err *err)
{
    struct slice rest = text, name, value;
    struct matcher *list = arena_array(a, struct matcher, SELECTOR_MATCHERS_MAX);
    size_t n = 0;
    enum status st = ST_OK;
    *out = list;
    *count = 0;
    skip_space(&rest);
    if (rest.len == 0)
        return ST_OK;
    if (rest.ptr[0] != '{' && take_name(&rest, a, &name))
        st = matcher_init(&list[n++], MATCH_EQ, SLICE("__name__"), name, err);
    bool has_list = st == ST_OK && take_char(&rest, '{');
    if (st == ST_OK && !has_list && n == 0)
        return selector_error(text, rest, "'{'", err);
    while (st == ST_OK && has_list && !take_char(&rest, '}')) {
        enum match_op op;
        if (n == SELECTOR_MATCHERS_MAX)
            st = err_set(err, ST_LIMIT, "selector: more than %d matchers", SELECTOR_MATCHERS_MAX);
        else if (!take_name(&rest, a, &name))
            st = selector_error(text, rest, "a label name", err);
        else if (!take_op(&rest, &op))
            st = selector_error(text, rest, "=, !=, =~ or !~", err);
        else if (!take_string(&rest, a, &value))
            st = selector_error(text, rest, "a quoted value", err);
        else
            st = matcher_init(&list[n], op, name, value, err);
        n += st == ST_OK;
        skip_space(&rest);
        if (st == ST_OK && !take_char(&rest, ',') && (rest.len == 0 || rest.ptr[0] != '}'))
            st = selector_error(text, rest, "',' or '}'", err);
    }
    skip_space(&rest);
    if (st == ST_OK && rest.len)
        st = selector_error(text, rest, "the end", err);
    if (st)
        free_matchers(list, n);
    else
        *count = n;
    return st;
}

struct evtombs evtombs_compile(struct tombstones dead, struct arena *a, struct engine_ctx *ctx)
{
    struct evtombs out = { arena_array(a, struct evtomb, dead.count + 1), 0 };
    for (size_t i = 0; i < dead.count; i++) {
        if (!dead.list[i].is_events)
            continue;
        struct err err;
        struct evtomb *t = &out.list[out.count++];
        *t = (struct evtomb){ .t = &dead.list[i] };
        t->is_bad = evtomb_parse_selector(t->t->selector, a, &t->matchers, &t->matcher_count, &err) != ST_OK;
        if (t->is_bad && ctx)
            engine_warn(ctx, "delete %llu is not applied: %s", (unsigned long long)t->t->id, err.text);
    }
    return out;
}

void evtombs_free(struct evtombs *tombs)
{
    for (size_t i = 0; i < tombs->count; i++)
        free_matchers(tombs->list[i].matchers, tombs->list[i].matcher_count);
    tombs->count = 0;
}

bool evtomb_may_touch(const struct evtomb *t, struct slice tenant, int64_t min_ns, int64_t max_ns, uint64_t min_lsn)
{
    return !t->is_bad && slice_eq(t->t->tenant, tenant) && t->t->start_ns <= max_ns && min_ns < t->t->end_ns &&
           (t->t->is_erase || min_lsn < t->t->lsn);
}

bool evtomb_covers(const struct evtomb *t, int64_t time_ns, uint64_t lsn)
{
    return t->t->start_ns <= time_ns && time_ns < t->t->end_ns && (t->t->is_erase || lsn < t->t->lsn);
}

bool evtomb_has_stream(const struct evtomb *t, struct slice stream)
{
    return matchers_match(t->matchers, t->matcher_count, stream);
}

bool evtomb_has_body(const struct evtomb *t, struct slice body)
{
    return t->t->contains.len == 0 || slice_contains(body, t->t->contains);
}

bool evtombs_dead(const struct evtombs *tombs, struct slice tenant, const struct event *e)
{
    for (size_t i = 0; i < tombs->count; i++) {
        const struct evtomb *t = &tombs->list[i];
        uint64_t lsn = e->seq >> 20;
        if (evtomb_may_touch(t, tenant, e->time_ns, e->time_ns, lsn) && evtomb_covers(t, e->time_ns, lsn) &&
            evtomb_has_stream(t, e->stream) && evtomb_has_body(t, e->body))
            return true;
    }
    return false;
}
