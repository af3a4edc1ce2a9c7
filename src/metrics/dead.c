/* SPDX-License-Identifier: Apache-2.0 */
/* Tombstones and the selectors in them.
 *
 * A selector is Prometheus's: an optional metric name, then pairs in braces with = != =~ !~ and quoted values, whose
 * escapes are \\ \" \n \t. Empty selectors are refused, lest a slip delete everything. */
#include "metrics/dead.h"

enum { SELECTOR_MATCHERS_MAX = 64 };

struct dead_one {
    const struct tombstone *t;
    struct matcher *matchers;
    size_t matcher_count;
};

struct dead {
    struct arena *arena;
    struct dead_one *list;
    size_t count;
    struct dead_range *ranges;
};

struct parse {
    struct arena *arena;
    struct slice rest;
    struct matcher *list;
    size_t count;
};

static void skip_space(struct slice *s)
{
    while (s->len > 0 && (s->ptr[0] == ' ' || s->ptr[0] == '\t' || s->ptr[0] == '\n'))
        *s = slice_skip(*s, 1);
}

static bool is_name_byte(char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == ':' || c == '.';
}

static struct slice take_word(struct slice *s)
{
    size_t n = 0;
    while (n < s->len && is_name_byte(s->ptr[n]))
        n++;
    struct slice word = slice_sub(*s, 0, n);
    *s = slice_skip(*s, n);
    return word;
}

static bool take(struct slice *s, struct slice token)
{
    if (!slice_starts(*s, token))
        return false;
    *s = slice_skip(*s, token.len);
    return true;
}

/* A quoted text; its bytes unescaped into the arena. */
static bool take_quoted(struct arena *a, struct slice *s, struct slice *out)
{
    if (s->len < 2 || s->ptr[0] != '"')
        return false;
    char *to = arena_alloc(a, s->len);
    size_t n = 0;
    for (size_t i = 1; i < s->len; i++) {
        char c = s->ptr[i];
        if (c == '"') {
            *s = slice_skip(*s, i + 1);
            *out = slice_of(to, n);
            return true;
        }
        if (c == '\\') {
            if (++i == s->len)
                return false;
            c = s->ptr[i];
            c = c == 'n' ? '\n' : c == 't' ? '\t' : c;
        }
        to[n++] = c;
    }
    return false;
}

static enum status add(struct parse *p, enum match_op op, struct slice name, struct slice value, struct err *err)
{
    if (p->count == SELECTOR_MATCHERS_MAX)
        return err_set(err, ST_LIMIT, "selector: more than %d matchers", SELECTOR_MATCHERS_MAX);
    enum status st = matcher_init(&p->list[p->count], op, name, value, err);
    if (st == ST_OK)
        p->count++;
    return st;
}

static enum status parse_pair(struct parse *p, struct slice text, struct err *err)
{
    struct slice name, value;
    enum match_op op = MATCH_EQ;
    if (!take_quoted(p->arena, &p->rest, &name))
        name = take_word(&p->rest);
    skip_space(&p->rest);
    if (take(&p->rest, SLICE("=~")))
        op = MATCH_RE;
    else if (take(&p->rest, SLICE("!~")))
        op = MATCH_NRE;
    else if (take(&p->rest, SLICE("!=")))
        op = MATCH_NE;
    else if (!take(&p->rest, SLICE("=")))
        return err_set(err, ST_INVALID, "selector %.*s: an operator = != =~ !~ is missing", SLICE_FMT(text));
    skip_space(&p->rest);
    if (name.len == 0 || !take_quoted(p->arena, &p->rest, &value))
        return err_set(err, ST_INVALID, "selector %.*s: a pair is not name, operator, quoted value", SLICE_FMT(text));
    skip_space(&p->rest);
    return add(p, op, name, value, err);
}

static enum status parse_all(struct parse *p, struct slice text, struct err *err)
{
    skip_space(&p->rest);
    struct slice metric = take_word(&p->rest);
    skip_space(&p->rest);
    enum status st = metric.len ? add(p, MATCH_EQ, SLICE("__name__"), metric, err) : ST_OK;
    if (st == ST_OK && take(&p->rest, SLICE("{"))) {
        skip_space(&p->rest);
        while (st == ST_OK && !take(&p->rest, SLICE("}"))) {
            st = parse_pair(p, text, err);
            if (st == ST_OK && !take(&p->rest, SLICE(",")) && !slice_starts(p->rest, SLICE("}")))
                st = err_set(err, ST_INVALID, "selector %.*s: ',' or '}' is missing", SLICE_FMT(text));
            skip_space(&p->rest);
        }
    }
    if (st)
        return st;
    skip_space(&p->rest);
    if (p->rest.len > 0 || p->count == 0)
        return err_set(err, ST_INVALID, "selector %.*s: %s", SLICE_FMT(text), p->count ? "something follows the '}'" : "it is empty");
    return ST_OK;
}

enum status selector_parse(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err)
{
    struct parse p = { .arena = a, .rest = text, .list = arena_array(a, struct matcher, SELECTOR_MATCHERS_MAX) };
    enum status st = parse_all(&p, text, err);
    if (st) {
        for (size_t i = 0; i < p.count; i++)
            matcher_destroy(&p.list[i]);
        return st;
    }
    *out = p.list;
    *count = p.count;
    return ST_OK;
}

enum status dead_new(struct tombstones list, struct dead **out, struct err *err)
{
    *out = NULL;
    size_t wanted = 0;
    for (size_t i = 0; i < list.count; i++)
        wanted += !list.list[i].is_events;
    if (wanted == 0)
        return ST_OK;
    struct dead *d = mem_new(struct dead);
    d->arena = arena_new(0);
    d->list = arena_array(d->arena, struct dead_one, wanted);
    d->ranges = arena_array(d->arena, struct dead_range, wanted);
    for (size_t i = 0; i < list.count; i++) {
        if (list.list[i].is_events)
            continue;
        struct dead_one *one = &d->list[d->count];
        *one = (struct dead_one){ .t = &list.list[i] };
        enum status st = selector_parse(d->arena, one->t->selector, &one->matchers, &one->matcher_count, err);
        if (st) {
            dead_free(d);
            return st;
        }
        d->count++;
    }
    *out = d;
    return ST_OK;
}

void dead_free(struct dead *d)
{
    if (d == NULL)
        return;
    for (size_t i = 0; i < d->count; i++)
        for (size_t j = 0; j < d->list[i].matcher_count; j++)
            matcher_destroy(&d->list[i].matchers[j]);
    arena_free(d->arena);
    mem_free(d);
}

size_t dead_of(struct dead *d, struct slice tenant, struct slice labels, const struct dead_range **out)
{
    if (d == NULL)
        return 0;
    size_t n = 0;
    for (size_t i = 0; i < d->count; i++) {
        const struct tombstone *t = d->list[i].t;
        if (slice_eq(t->tenant, tenant) && matchers_match(d->list[i].matchers, d->list[i].matcher_count, labels))
            d->ranges[n++] = (struct dead_range){ t->start_ns, t->end_ns, t->id, t->lsn, t->is_erase };
    }
    *out = d->ranges;
    return n;
}

uint64_t dead_id(const struct dead *d)
{
    uint64_t id = 0;
    for (size_t i = 0; d && i < d->count; i++)
        id = MAX(id, d->list[i].t->id);
    return id;
}
