/* SPDX-License-Identifier: Apache-2.0 */
/* A search as LogQL: words become line filters, services the selector, levels a label filter. LogQL looks for a field where it is
 * told to, a search wherever it may stand; so a search for other fields has no LogQL that gives the same. */
#include "logql/search_parts.h"
#include "model/labels.h"
#include "query/token.h"

struct writer {
    struct buf selector, lines, labels;
    bool selects; /* a matcher of selector holds for no absent label: LogQL wants one */
    struct err *err;
};

static enum status unsaid(struct writer *w, const char *what)
{
    return err_set(w->err, ST_UNSUPPORTED, "LogQL cannot say this: %s", what);
}

static enum status unsaid_field(struct writer *w, const struct search_node *n)
{
    return err_set(w->err, ST_UNSUPPORTED, "LogQL cannot say this: the field %.*s is looked for in lines of any format", SLICE_FMT(n->name));
}

static bool all_are(const struct search_node *n, enum search_kind kind)
{
    for (size_t i = 0; i < n->kid_count; i++) {
        const struct search_node *kid = n->kids[i];
        if (kid->kind == SEARCH_ALL && kid->kid_count == 1)
            kid = kid->kids[0];
        if (kid->kind != kind)
            return false;
    }
    return true;
}

static const struct search_node *only(const struct search_node *n)
{
    return n->kind == SEARCH_ALL && n->kid_count == 1 ? n->kids[0] : n;
}

/* Words, any of them. */
static void put_words(struct writer *w, const struct search_node *const *list, size_t count, bool not)
{
    buf_printf(&w->lines, " %s ", not ? "!~" : "|~");
    for (size_t i = 0; i < count; i++) {
        if (i)
            buf_printf(&w->lines, " or ");
        token_quote(list[i]->pattern, &w->lines);
    }
}

/* Levels, any of them, as a list of the words they have. */
static void put_levels(struct writer *w, const struct search_node *const *list, size_t count, bool not)
{
    enum { SEVERITIES = 25 };
    struct slice last = SLICE_EMPTY, shown[SEVERITIES];
    size_t n = 0;
    for (uint8_t severity = 0; severity < SEVERITIES; severity++) {
        bool holds = false;
        for (size_t i = 0; i < count; i++)
            holds = holds || search_level_fits(list[i], severity);
        struct slice name = severity_name(severity);
        bool again = false;
        for (size_t i = 0; i < n; i++)
            again = again || slice_eq(shown[i], name);
        if (holds && !again && !slice_eq(name, last))
            shown[n++] = last = name;
    }
    buf_printf(&w->labels, " | detected_level%s\"", n == 1 ? (not ? "!=" : "=") : (not ? "!~" : "=~"));
    for (size_t i = 0; i < n; i++)
        buf_printf(&w->labels, "%s%.*s", i ? "|" : "", SLICE_FMT(shown[i]));
    buf_printf(&w->labels, "\"");
}

static size_t stars(struct slice s)
{
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++)
        n += s.ptr[i] == '*';
    return n;
}

static enum status put_service(struct writer *w, const struct search_node *n, bool not)
{
    if (n->op != SEARCH_IS || !(slice_eq(n->name, SLICE("service")) || slice_eq(n->name, SLICE("service_name"))))
        return unsaid_field(w, n);
    bool any = n->re && stars(n->text) == n->text.len; /* it is there: a star alone would hold for what is not, too */
    w->selects = w->selects || not == (n->text.len == 0);
    buf_printf(&w->selector, "%sservice_name%s", w->selector.len ? "," : "", not ? (n->re ? "!~" : "!=") : (n->re ? "=~" : "="));
    if (n->re == NULL) {
        token_quote(n->text, &w->selector);
        return ST_OK;
    }
    struct buf pattern;
    buf_init(&pattern, 0);
    if (any)
        buf_printf(&pattern, ".+");
    for (size_t i = 0; i < n->text.len && !any; i++) {
        char c = n->text.ptr[i];
        if (c == '*')
            buf_printf(&pattern, ".*");
        else if (token_is_alnum(c) || c == '-' || (uint8_t)c >= 128)
            buf_char(&pattern, c);
        else
            buf_printf(&pattern, "\\%c", c);
    }
    token_quote(buf_as_slice(&pattern), &w->selector);
    buf_free(&pattern);
    return ST_OK;
}

static enum status put(struct writer *w, const struct search_node *n, bool not)
{
    enum status st = ST_OK;
    n = only(n);
    switch (n->kind) {
    case SEARCH_WORD: put_words(w, &n, 1, not); return ST_OK;
    case SEARCH_LEVEL: put_levels(w, &n, 1, not); return ST_OK;
    case SEARCH_FIELD: return put_service(w, n, not);
    case SEARCH_NOT: return put(w, n->kids[0], !not);
    case SEARCH_ALL:
        if (not && n->kid_count > 1)
            return unsaid(w, "not all of several things together");
        for (size_t i = 0; !st && i < n->kid_count; i++)
            st = put(w, n->kids[i], not);
        return st;
    case SEARCH_ANY: break;
    }
    const struct search_node *kids[SEARCH_TERMS_MAX];
    for (size_t i = 0; i < n->kid_count; i++)
        kids[i] = only(n->kids[i]);
    if (all_are(n, SEARCH_WORD))
        put_words(w, kids, n->kid_count, not);
    else if (all_are(n, SEARCH_LEVEL))
        put_levels(w, kids, n->kid_count, not);
    else
        return unsaid(w, "OR between things of different kinds");
    return ST_OK;
}

enum status search_format(struct slice text, uint32_t features, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct search *s;
    struct writer w = { .err = err };
    (void)features;
    buf_init(&w.selector, 0);
    buf_init(&w.lines, 0);
    buf_init(&w.labels, 0);
    enum status st = search_parse(a, text, &s, err);
    if (!st) {
        st = put(&w, s->root, false);
        search_free(s);
    }
    if (!st) {
        if (!w.selects)
            buf_printf(&w.selector, "%sservice_name=~\".+\"", w.selector.len ? "," : "");
        buf_printf(out, "{%.*s}%.*s%.*s", SLICE_FMT(buf_as_slice(&w.selector)), SLICE_FMT(buf_as_slice(&w.lines)),
                   SLICE_FMT(buf_as_slice(&w.labels)));
    }
    buf_free(&w.selector);
    buf_free(&w.lines);
    buf_free(&w.labels);
    arena_free(a);
    return st;
}
