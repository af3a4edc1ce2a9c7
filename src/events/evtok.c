/* SPDX-License-Identifier: Apache-2.0 */
/* A variable is
 *
 *     a quoted string that is not followed by ':' (which would make it a key), without the quotes
 *     what stands behind '=' up to a space or another delimiter
 *     a run of letters, digits, '.', '_' and bytes over 127 with a digit in it, dots at its ends left out
 *
 * so that in JSON, logfmt and access logs every value is one. A word (evfilter.c) never crosses the border of a variable: the
 * words of a text are those of its shape and those of its variables.
 *
 * (1) A text with one of the bytes 0 to 8, 11, 12, 14 has no shape. */
#include "events/evtok.h"

enum { IS_TOKEN = 1, IS_DIGIT = 2, IS_MARK = 4, IS_END = 8 /* of a value behind '=' */, IS_QUOTE = 16 /* or what keeps one from being one */,
       STAMP_WITHIN_BYTES = 128, STAMPS_MAX = 3, ZONE_BYTES_MAX = 7, QUOTED_BYTES_MAX = 8192 };

/* Letters, '_' and bytes over 127 are tokens; 0 to 9 digits too; the bytes that stand for something are marks. */
#define T IS_TOKEN
#define D (IS_TOKEN | IS_DIGIT)
#define M IS_MARK
#define E IS_END
#define Q (IS_END | IS_QUOTE)
#define B IS_QUOTE
static const uint8_t CLASS[256] = {
    M, M, M, M, M, M, M, M, M, E, E, M, M, E, M, 0,  0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0,
    E, 0, Q, 0, 0, 0, E, 0, 0, E, 0, 0, E, 0, T, 0,  D, D, D, D, D, D, D, D, D, D, 0, E, 0, 0, 0, 0,
    0, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, 0, B, E, 0, T,
    0, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, 0, 0, E, 0, 0,
    T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
    T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
    T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
    T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,  T, T, T, T, T, T, T, T, T, T, T, T, T, T, T, T,
};
#undef T
#undef D
#undef M
#undef E
#undef Q
#undef B

void evtok_init(struct evtok *t, size_t longest, struct evfilter_set *filter)
{
    *t = (struct evtok){ .filter = filter };
    for (int f = 0; f <= EVSTAMP_FORMATS; f++)
        t->days[f] = INT64_MIN;
    t->shape = mem_alloc(longest + EVTOK_VARIABLES_MAX + 1); /* an empty variable is one byte longer than its text */
}

void evtok_free(struct evtok *t)
{
    mem_free(t->shape);
    mem_free(t->vars);
}

struct cutting { /* a text on its way */
    struct evtok *t;
    const char *s;
    size_t at, len, out;
    size_t quotes_from; /* before here no string ends */
    size_t stamps_below; /* 0: no more */
    unsigned vars, stamps;
    const int64_t *ns;
    bool is_bad;
};

static inline uint8_t class_at(const struct cutting *c, size_t i)
{
    return CLASS[(uint8_t)c->s[i]];
}

static void put_var(struct cutting *c, size_t from, size_t to)
{
    struct evtok *t = c->t;
    if (t->var_count == t->var_cap) {
        t->var_cap = t->var_cap ? t->var_cap * 2 : 1024;
        t->vars = mem_realloc(t->vars, t->var_cap * sizeof *t->vars);
    }
    t->vars[t->var_count++] = (struct evtok_var){ (uint32_t)from, (uint32_t)(to - from) };
    t->shape[c->out++] = 0;
    c->vars++;
    c->at = to;
}

static void put_static(struct cutting *c, size_t to)
{
    char *out = c->t->shape + c->out;
    const char *from = c->s + c->at;
    size_t n = to - c->at;
    for (size_t i = 0; i < n; i++) /* mostly a few bytes */
        out[i] = from[i];
    c->out += n;
    c->at = to;
}

/* Words of six and more bytes that a time may have are in the filter as those of a text are. */
static void note_words(struct cutting *c, const char *marks, size_t count, size_t len)
{
    struct evtok *t = c->t;
    bool has_long = count == 3 && marks[2] != EVSTAMP_MS, has_day = marks[0] == EVSTAMP_FORMATS;
    int64_t *day = &t->days[(uint8_t)marks[0]];
    bool has_month = evstamp_has_month((uint8_t)marks[0]) && t->stamp.day != *day;
    if (t->filter == NULL || !(has_long || has_month || has_day))
        return;
    size_t end = c->at + len;
    while (end < c->len && class_at(c, end) & IS_TOKEN)
        end++;
    evfilter_add_text(t->filter, slice_of(c->s + c->at, end - c->at));
    *day = has_month ? t->stamp.day : *day;
}

static inline bool may_be_stamp(const struct cutting *c, size_t i)
{
    return i < c->stamps_below && c->t->stamp.begins[(uint8_t)c->s[i]];
}

static bool put_stamp(struct cutting *c)
{
    size_t marks;
    char *to = c->t->shape + c->out;
    size_t len = evstamp_match(&c->t->stamp, slice_of(c->s + c->at, c->len - c->at), *c->ns, to, &marks);
    if (len == 0)
        return false;
    note_words(c, to, marks, len);
    c->out += marks;
    c->at += len;
    if (++c->stamps == STAMPS_MAX)
        c->stamps_below = 0;
    return true;
}

/* A time in quotes, with nothing but a zone behind it. c->at: behind the first quote. */
static bool put_quoted_stamp(struct cutting *c, size_t end)
{
    size_t at = c->at, out = c->out;
    if (!may_be_stamp(c, c->at) || !put_stamp(c))
        return false;
    bool is_zone = c->at <= end && end - c->at <= ZONE_BYTES_MAX && (c->at == end || (c->s[c->at] != '.' && c->s[c->at] != ','));
    for (size_t i = c->at; is_zone && i < end; i++)
        is_zone = !(class_at(c, i) & IS_MARK);
    if (is_zone) {
        put_static(c, end + 1);
        return true;
    }
    c->at = at;
    c->out = out;
    c->stamps--;
    c->stamps_below = STAMP_WITHIN_BYTES;
    return false;
}

/* At a quote. */
static void cut_quoted(struct cutting *c)
{
    size_t from = c->at + 1, end = from, most = MIN(c->len, from + QUOTED_BYTES_MAX);
    uint8_t seen = 0;
    for (uint8_t k; end < most; end++) {
        k = class_at(c, end);
        seen |= k;
        if (!(k & IS_QUOTE))
            continue;
        if (c->s[end] == '"')
            break;
        if (end + 1 < most)
            seen |= class_at(c, ++end);
    }
    put_static(c, from);
    if (end >= most)
        c->quotes_from = most; /* a text is walked twice at most */
    if (end >= most || c->vars == EVTOK_VARIABLES_MAX)
        return;
    size_t behind = end + 1;
    while (behind < c->len && c->s[behind] == ' ')
        behind++;
    if (behind < c->len && c->s[behind] == ':') {
        c->is_bad |= (seen & IS_MARK) != 0;
        put_static(c, end + 1);
        return;
    }
    if (c->ns && put_quoted_stamp(c, end))
        return;
    put_var(c, from, end);
    put_static(c, end + 1);
}

/* Behind '='. */
static void cut_value(struct cutting *c)
{
    size_t end = c->at;
    if (c->vars == EVTOK_VARIABLES_MAX || end == c->len || class_at(c, end) & IS_END || (may_be_stamp(c, end) && put_stamp(c)))
        return;
    while (end < c->len && !(class_at(c, end) & IS_END))
        end++;
    put_var(c, c->at, end);
}

static void cut_token(struct cutting *c)
{
    size_t end = c->at, from = c->at;
    uint8_t seen = 0;
    for (uint8_t k; end < c->len && (k = class_at(c, end)) & IS_TOKEN; end++)
        seen |= k;
    if (!(seen & IS_DIGIT) || c->vars == EVTOK_VARIABLES_MAX) {
        put_static(c, end);
        return;
    }
    while (c->s[from] == '.')
        from++;
    size_t to = end;
    while (c->s[to - 1] == '.')
        to--;
    put_static(c, from);
    put_var(c, from, to);
    put_static(c, end);
}

size_t evtok_cut(struct evtok *t, struct slice text, bool is_line, const int64_t *ns)
{
    struct cutting c = { .t = t, .s = text.ptr, .len = text.len, .ns = is_line ? ns : NULL };
    if (c.ns) {
        evstamp_use(&t->stamp, *ns);
        c.stamps_below = STAMP_WITHIN_BYTES;
    }
    while (c.at < c.len && !c.is_bad) {
        uint8_t k = class_at(&c, c.at);
        if (k & IS_TOKEN) {
            if (!may_be_stamp(&c, c.at) || !put_stamp(&c))
                cut_token(&c);
        } else if (k & IS_MARK) {
            c.is_bad = true;
        } else if (is_line && c.s[c.at] == '"' && c.at >= c.quotes_from) {
            cut_quoted(&c);
        } else {
            bool is_equals = c.s[c.at] == '=';
            t->shape[c.out++] = c.s[c.at++];
            if (is_line && is_equals)
                cut_value(&c);
        }
    }
    return c.is_bad ? SIZE_MAX : c.out;
}
