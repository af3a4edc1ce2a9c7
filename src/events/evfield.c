/* SPDX-License-Identifier: Apache-2.0 */
/* A shape is read as a line is, with variables (zero bytes) and times (evstamp's marks) in it. What is accepted here is a little less
 * than what the parsers accept (no '\' outside of variables, say); such shapes are EVFIELD_WHOLE, and so is what depends on a
 * variable's value in another way than a role tells.
 *
 * (1) A variable that neither a quote nor '=' stands before is a run of letters, digits, '.', '_' and bytes over 127 with a digit in it
 *     (evtok.c).
 * (2) A variable between quotes ends where a reader of strings that begins at its first quote ends, whatever is in it. */
#include "events/evfield.h"

#include "base/num.h"
#include "base/utf8.h"
#include "codec/json.h"

enum { DEPTH_MAX = 32, PATH_BYTES_MAX = 512 };

struct walk {
    const struct evtext_shape *s;
    const struct lot_query *q;
    struct evfield_plan *out;
    const uint8_t *t;
    size_t at, len;
    uint32_t slot; /* number of the next variable */
    bool *is_taken; /* is_exact JSON: the first of equal keys counts, whatever it has */
    char path[PATH_BYTES_MAX];
};

static bool is_alnum(uint8_t c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static bool is_digit(uint8_t c)
{
    return c >= '0' && c <= '9';
}

/* Certainly not empty: a variable alone may be. */
static bool is_filled(const struct walk *w, const struct evfield_leaf *l)
{
    return l->is_number || (l->to > l->from && !(l->to == l->from + 1 && w->t[l->from] == 0));
}

/* Of equal names the first that is not empty counts; false when lines differ in which it is. */
static bool add_leaf(struct walk *w, size_t name, struct evfield_leaf leaf)
{
    struct evfield_leaf *l = &w->out->leaves[name];
    if (l->is_there && is_filled(w, l))
        return true;
    if (l->is_there && l->to > l->from)
        return false;
    *l = leaf;
    return true;
}

/* ---- values ---- */

static bool is_clean_string(struct slice text)
{
    bool is_bad = false, is_high = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        is_bad |= c < ' ' || c == '"' || c == '\\';
        is_high |= c >= 0x80;
    }
    return !is_bad && (!is_high || utf8_is_valid(text));
}

static bool is_quoted_string(struct slice text)
{
    bool is_high = false;
    for (size_t i = 0; i < text.len; i++) {
        uint8_t c = (uint8_t)text.ptr[i];
        if (c < ' ' || c == '"')
            return false;
        is_high |= c >= 0x80;
        if (c == '\\' && (++i == text.len || text.ptr[i] == 0 || memchr("\"\\/bfnrt", text.ptr[i], 8) == NULL))
            return false;
    }
    return !is_high || utf8_is_valid(text);
}

/* Less than JSON has: digits, then perhaps a dot and digits, 15 together; so that none is too large. */
static bool is_small_number(struct slice text)
{
    enum { DIGITS_MAX = 15 };
    size_t i = text.len && text.ptr[0] == '-', from = i, dots = 0;
    for (; i < text.len; i++) {
        bool is_dot = text.ptr[i] == '.' && i > from && i + 1 < text.len;
        dots += is_dot;
        if (!is_dot && !is_digit((uint8_t)text.ptr[i]))
            return false;
    }
    bool is_zeroed = text.len > from + 1 && text.ptr[from] == '0' && text.ptr[from + 1] != '.';
    return text.len > from && text.len - from <= DIGITS_MAX && dots <= 1 && !is_zeroed;
}

bool evfield_fits(struct slice text, unsigned roles)
{
    bool has_blank = false, has_backslash = false;
    if (roles & (EVFIELD_WORD | EVFIELD_PLAIN))
        for (size_t i = 0; i < text.len; i++) {
            has_blank |= (uint8_t)text.ptr[i] <= ' ';
            has_backslash |= text.ptr[i] == '\\';
        }
    bool is_bad = (roles & EVFIELD_WORD && has_blank) || (roles & EVFIELD_PLAIN && has_backslash) || (roles & EVFIELD_FILLED && text.len == 0);
    return !is_bad && !(roles & EVFIELD_STRING && !is_clean_string(text)) && !(roles & EVFIELD_QUOTED && !is_quoted_string(text)) &&
           !(roles & EVFIELD_NUMBER && !is_small_number(text));
}

struct slice evfield_number(struct slice text, struct arena *a)
{
    double v;
    if (slice_find_char(text, '.', 0) == SIZE_MAX)
        return slice_eq(text, SLICE("-0")) ? SLICE("0") : text;
    if (!num_parse_double(text, &v))
        return text;
    struct buf b;
    struct json_writer to;
    buf_init(&b, 0);
    json_writer_init(&to, &b);
    json_double(&to, v);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

struct slice evfield_needle(struct slice name, bool is_exact, struct arena *a)
{
    size_t from = name.len;
    while (from && (is_exact || name.ptr[from - 1] != '_'))
        from--;
    return arena_printf(a, "%.*s=", SLICE_FMT(slice_skip(name, from)));
}

/* ---- JSON ---- */

static void skip_blanks(struct walk *w)
{
    while (w->at < w->len && (w->t[w->at] == ' ' || w->t[w->at] == '\t' || w->t[w->at] == '\n' || w->t[w->at] == '\r'))
        w->at++;
}

/* At a quote. */
static bool walk_string(struct walk *w, bool is_key, struct evfield_leaf *leaf)
{
    bool is_high = false;
    *leaf = (struct evfield_leaf){ .is_there = true, .from = (uint32_t)++w->at, .slot = w->slot };
    for (; w->at < w->len && w->t[w->at] != '"'; w->at++) {
        uint8_t c = w->t[w->at];
        is_high |= c >= 0x80;
        bool is_alone = c == 0 && w->at == leaf->from && w->at + 1 < w->len && w->t[w->at + 1] == '"'; /* (2) */
        if (c == 0 && !is_key)
            w->out->roles[w->slot++] |= is_alone ? EVFIELD_QUOTED : EVFIELD_STRING;
        else if (c == '\\' || (c < ' ' && (is_key || !evstamp_is_mark(c))))
            return false;
    }
    leaf->to = (uint32_t)w->at;
    return w->at++ < w->len && (!is_high || utf8_is_valid(slice_of(w->t + leaf->from, leaf->to - leaf->from)));
}

static bool walk_word(struct walk *w, struct slice word)
{
    if (w->len - w->at < word.len || memcmp(w->t + w->at, word.ptr, word.len) != 0)
        return false;
    w->at += word.len;
    return true;
}

/* A number, true, false or null. */
static bool walk_bare(struct walk *w, struct evfield_leaf *leaf)
{
    *leaf = (struct evfield_leaf){ .from = (uint32_t)w->at, .slot = w->slot };
    if (walk_word(w, SLICE("null")))
        return true;
    leaf->is_there = true;
    if (!walk_word(w, SLICE("true")) && !walk_word(w, SLICE("false"))) {
        w->at += w->t[w->at] == '-';
        if (w->at == w->len || w->t[w->at] != 0)
            return false;
        w->at++;
        w->out->roles[w->slot++] |= EVFIELD_NUMBER;
        leaf->is_number = true;
    }
    leaf->to = (uint32_t)w->at;
    return true;
}

/* The path with the key behind it; its length, SIZE_MAX when it is too long. */
static size_t path_add(struct walk *w, size_t len, struct slice key)
{
    if (key.len + 2 > PATH_BYTES_MAX - len)
        return SIZE_MAX;
    if (len && !w->q->is_exact)
        w->path[len++] = '_';
    else if (key.len && is_digit((uint8_t)key.ptr[0]) && !w->q->is_exact)
        w->path[len++] = '_';
    for (size_t i = 0; i < key.len; i++)
        w->path[len++] = w->q->is_exact || is_alnum((uint8_t)key.ptr[i]) ? key.ptr[i] : '_';
    return len;
}

/* is_leaf: a string, number or the like; otherwise an object, array or null. */
static bool note_json(struct walk *w, size_t path_len, struct evfield_leaf leaf, bool is_leaf, bool is_null)
{
    for (size_t i = 0; i < w->q->count; i++) {
        if (!slice_eq(w->q->names[i], slice_of(w->path, path_len)))
            continue;
        if (w->q->is_exact) {
            if (w->is_taken[i])
                continue;
            w->is_taken[i] = true;
            if (!is_leaf && !is_null) /* the whole of it as text */
                return false;
        }
        if (is_leaf && !add_leaf(w, i, leaf))
            return false;
        for (uint32_t k = leaf.slot; is_leaf && !leaf.is_number && k < w->slot; k++)
            w->out->roles[k] |= EVFIELD_STRING;
    }
    return true;
}

static bool walk_value(struct walk *w, size_t path_len, bool is_kept, unsigned depth);

static bool walk_members(struct walk *w, size_t path_len, bool is_kept, bool is_object, unsigned depth)
{
    uint8_t end = is_object ? '}' : ']';
    w->at++;
    skip_blanks(w);
    if (w->at < w->len && w->t[w->at] == end) {
        w->at++;
        return true;
    }
    for (;;) {
        size_t len = path_len;
        struct evfield_leaf key;
        skip_blanks(w);
        if (is_object) {
            if (w->at == w->len || w->t[w->at] != '"' || !walk_string(w, true, &key))
                return false;
            if (is_kept)
                len = path_add(w, path_len, slice_of(w->t + key.from, key.to - key.from));
            skip_blanks(w);
            if (len == SIZE_MAX || w->at == w->len || w->t[w->at++] != ':')
                return false;
            skip_blanks(w);
        }
        if (!walk_value(w, len, is_kept && is_object, depth))
            return false;
        skip_blanks(w);
        if (w->at == w->len)
            return false;
        uint8_t c = w->t[w->at++];
        if (c == end)
            return true;
        if (c != ',')
            return false;
    }
}

static bool walk_value(struct walk *w, size_t path_len, bool is_kept, unsigned depth)
{
    struct evfield_leaf leaf = { 0 };
    uint8_t c = w->at < w->len ? w->t[w->at] : '}';
    if (c == '{' || c == '[') {
        if (depth == DEPTH_MAX)
            return false;
        if (w->q->is_exact && is_kept && depth && !note_json(w, path_len, leaf, false, false))
            return false;
        bool is_inner = is_kept && c == '{' && !(w->q->is_exact && depth);
        return walk_members(w, path_len, is_inner, c == '{', depth + 1);
    }
    if (c == '"' ? !walk_string(w, false, &leaf) : !walk_bare(w, &leaf))
        return false;
    return !is_kept || note_json(w, path_len, leaf, leaf.is_there, !leaf.is_there);
}

static enum evfield_verdict walk_json(struct walk *w)
{
    skip_blanks(w);
    uint8_t first = w->at < w->len ? w->t[w->at] : '0';
    if (first != '{')
        return first >= 0x80 ? EVFIELD_WHOLE : EVFIELD_ERROR; /* (1): a variable there does not begin an object, nor does a time */
    if (!walk_value(w, 0, true, 0))
        return EVFIELD_WHOLE;
    skip_blanks(w);
    return w->at == w->len ? EVFIELD_FOUND : EVFIELD_WHOLE;
}

/* ---- logfmt ---- */

/* A time with a blank in it? */
static bool is_two_words(uint8_t mark)
{
    return mark == 2 || (mark >= 4 && mark <= 7);
}

static bool is_blank(uint8_t c)
{
    return c <= ' ' && c != 0 && !evstamp_is_mark(c);
}

/* Are the values of the variable here words for certain (not empty, no byte up to the blank, no quote, '=' or '\')? */
static bool is_word(const struct walk *w)
{
    uint8_t before = w->at ? w->t[w->at - 1] : ' ';
    const struct evtext_column *c = &w->s->slots[w->slot];
    if (before != '"' && before != '=')
        return true; /* (1) */
    return (c->type >= EVTEXT_NUMBER && c->type <= EVTEXT_HEX_UPPER && c->width + (c->type == EVTEXT_NUMBER || c->type == EVTEXT_IPV4) > 0 &&
            c->before.len + c->behind.len == 0);
}

/* At a variable or time: goes behind it. False: what follows depends on values. *is_split: there was a blank in it. */
static bool walk_part(struct walk *w, bool *is_split)
{
    uint8_t c = w->t[w->at];
    *is_split = c && is_two_words(c);
    if (c == 0 && !is_word(w))
        return false;
    w->slot += c == 0;
    w->at++;
    return true;
}

static bool is_part(uint8_t c)
{
    return c == 0 || evstamp_is_mark(c);
}

static bool has_digit(struct slice name)
{
    for (size_t i = 0; i < name.len; i++)
        if (is_digit((uint8_t)name.ptr[i]))
            return true;
    return false;
}

static bool key_is(const struct lot_query *q, struct slice key, struct slice name)
{
    if (q->is_exact)
        return slice_eq(key, name);
    if (key.len && is_digit((uint8_t)key.ptr[0])) {
        if (name.len == 0 || name.ptr[0] != '_')
            return false;
        name = slice_skip(name, 1);
    }
    bool is_same = key.len == name.len;
    for (size_t i = 0; is_same && i < key.len; i++)
        is_same = name.ptr[i] == (is_alnum((uint8_t)key.ptr[i]) ? key.ptr[i] : '_');
    return is_same;
}

enum step { STEP_ON, STEP_OPEN /* values decide what follows */, STEP_WHOLE };

/* Behind `="`. */
static enum step walk_quoted(struct walk *w, struct evfield_leaf *leaf, bool is_wanted)
{
    bool is_split;
    *leaf = (struct evfield_leaf){ .is_there = true, .from = (uint32_t)w->at, .slot = w->slot };
    for (; w->at < w->len && w->t[w->at] != '"';) {
        uint8_t c = w->t[w->at];
        bool is_alone = c == 0 && w->at == leaf->from && w->at + 1 < w->len && w->t[w->at + 1] == '"'; /* (2) */
        if (c == '\\' && (is_wanted || w->at + 1 == w->len || is_part(w->t[w->at + 1])))
            return STEP_WHOLE;
        if (is_alone) {
            w->out->roles[w->slot++] |= is_wanted ? EVFIELD_PLAIN : 0;
            w->at++;
        } else if (is_part(c)) {
            if (!walk_part(w, &is_split))
                return STEP_WHOLE;
        } else {
            w->at += c == '\\' ? 2 : 1;
        }
    }
    leaf->to = (uint32_t)w->at;
    leaf->is_there = w->at < w->len; /* a string that does not end has no value */
    w->at = MIN(w->at + 1, w->len);
    return STEP_ON;
}

/* Behind '=', no quote. *is_split: it ended inside a time, and the line goes on with a key of which nothing is known but that it begins
 * with digits. */
static enum step walk_plain(struct walk *w, struct evfield_leaf *leaf, bool is_wanted, bool *is_split)
{
    *leaf = (struct evfield_leaf){ .is_there = true, .from = (uint32_t)w->at, .slot = w->slot };
    *is_split = false;
    while (w->at < w->len && !is_blank(w->t[w->at]) && !*is_split) {
        uint8_t c = w->t[w->at];
        if (c == 0 && w->t[w->at - 1] == '=') {
            w->out->roles[w->slot++] |= EVFIELD_WORD;
            w->at++;
        } else if (is_part(c)) {
            if (!walk_part(w, is_split))
                return is_wanted ? STEP_WHOLE : STEP_OPEN;
        } else {
            w->at++;
        }
    }
    leaf->to = (uint32_t)w->at;
    return *is_split && is_wanted ? STEP_WHOLE : STEP_ON;
}

/* Which names the key is; false: values decide. */
static bool match_key(const struct walk *w, struct slice key, bool is_varied, bool *is_wanted, size_t *first)
{
    *is_wanted = false;
    for (size_t i = 0; i < w->q->count; i++) {
        if (is_varied && has_digit(w->q->names[i]))
            return false;
        if (!is_varied && key_is(w->q, key, w->q->names[i])) {
            *first = i;
            *is_wanted = true;
        }
    }
    return true;
}

/* A key and what is behind it. is_split goes in and out: the line stands behind the blank of a time. */
static enum step walk_pair(struct walk *w, bool *is_split)
{
    size_t from = w->at, name = 0;
    bool is_varied = *is_split, is_wanted;
    struct evfield_leaf leaf;
    while (w->at < w->len && !is_blank(w->t[w->at]) && w->t[w->at] != '=' && w->t[w->at] != '"') {
        bool is_cut = false;
        if (!is_part(w->t[w->at])) {
            w->at++;
            continue;
        }
        if (!walk_part(w, &is_cut))
            return STEP_OPEN;
        is_varied = true;
        if (is_cut)
            from = w->at;
    }
    bool is_empty = w->at == from && !is_varied;
    *is_split = false;
    if (is_empty) { /* '=' or '"' without a key: to the next blank */
        while (w->at < w->len && !is_blank(w->t[w->at]) && !*is_split)
            if (!is_part(w->t[w->at]))
                w->at++;
            else if (!walk_part(w, is_split))
                return STEP_OPEN;
        return STEP_ON;
    }
    if (w->at == w->len || w->t[w->at] != '=')
        return STEP_ON;
    if (!match_key(w, slice_of(w->t + from, w->at - from), is_varied, &is_wanted, &name))
        return STEP_OPEN;
    w->at++;
    bool is_quoted = w->at < w->len && w->t[w->at] == '"';
    w->at += is_quoted;
    enum step step = is_quoted ? walk_quoted(w, &leaf, is_wanted) : walk_plain(w, &leaf, is_wanted, is_split);
    if (step == STEP_ON && is_wanted && leaf.is_there && !add_leaf(w, name, leaf))
        return STEP_WHOLE;
    return step;
}

static enum evfield_verdict walk_logfmt(struct walk *w)
{
    bool is_split = false;
    enum step step = STEP_ON;
    while (step == STEP_ON && (w->at < w->len || is_split)) {
        if (!is_split && is_blank(w->t[w->at])) {
            w->at++;
            continue;
        }
        step = walk_pair(w, &is_split);
    }
    if (step == STEP_WHOLE)
        return EVFIELD_WHOLE;
    w->out->is_open = step == STEP_OPEN;
    for (size_t i = 0; w->out->is_open && i < w->q->count; i++) {
        struct evfield_leaf *l = &w->out->leaves[i];
        if (l->is_there && l->to == l->from)
            l->is_there = false; /* there is nothing in it, and there may be more behind */
        else if (l->is_there && !is_filled(w, l))
            w->out->roles[l->slot] |= EVFIELD_FILLED;
    }
    return EVFIELD_FOUND;
}

struct evfield_plan evfield_plan(const struct evtext_shape *s, const struct lot_query *q, struct arena *a)
{
    struct evfield_plan plan = { 0 };
    plan.leaves = arena_zalloc(a, (q->count + 1) * sizeof *plan.leaves);
    plan.roles = arena_zalloc(a, s->slot_count + 1);
    struct walk *w = arena_alloc(a, sizeof *w);
    *w = (struct walk){ .s = s, .q = q, .out = &plan, .t = (const uint8_t *)s->text.ptr, .len = s->text.len };
    w->is_taken = arena_zalloc(a, (q->count + 1) * sizeof *w->is_taken);
    plan.verdict = q->parser == LOT_JSON ? walk_json(w) : walk_logfmt(w);
    return plan;
}
