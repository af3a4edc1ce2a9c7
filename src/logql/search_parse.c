/* SPDX-License-Identifier: Apache-2.0 */
/* The reader: what stands side by side must all hold; OR binds weaker. A word with an operator in it is a field only when
 * something can follow it, so addresses (http://x), times (12:30) and C++ names (a::b) stay words. */
#include "logql/record.h"
#include "logql/search_parts.h"
#include "query/token.h"

enum { SHOWN_BYTES_MAX = 80 /* of what is wrong, in a sentence about it */ };

struct parser {
    struct arena *a;
    struct slice text;
    size_t at;
    int depth;
    struct search *out;
    struct err *err;
};

static enum status fail(const struct parser *p, size_t at, struct slice sentence)
{
    struct token_place place = token_place_of(p->text, at);
    return err_set(p->err, ST_INVALID, "%zu:%zu: %.*s", place.line, place.column, SLICE_FMT(sentence));
}

static struct search_node *node_new(struct parser *p, enum search_kind kind)
{
    struct search_node *n = arena_new_of(p->a, struct search_node);
    *n = (struct search_node){ .kind = kind };
    return n;
}

static void add_kid(struct parser *p, struct search_node *to, struct search_node *kid)
{
    ARENA_PUSH(p->a, to->kids, to->kid_count, to->kid_cap) = kid;
}

static void skip_space(struct parser *p)
{
    while (p->at < p->text.len && token_is_space(p->text.ptr[p->at]))
        p->at++;
}

/* Up to a space or a bracket; a quoted part may hold both. *quoted: all of it was in quotes. */
static enum status read_word(struct parser *p, struct slice *raw, bool *quoted)
{
    size_t from = p->at;
    *quoted = p->at < p->text.len && p->text.ptr[p->at] == '"';
    while (p->at < p->text.len && !token_is_space(p->text.ptr[p->at]) && p->text.ptr[p->at] != '(' && p->text.ptr[p->at] != ')') {
        if (p->text.ptr[p->at] != '"') {
            p->at++;
            continue;
        }
        size_t open = p->at++;
        while (p->at < p->text.len && p->text.ptr[p->at] != '"')
            p->at += p->text.ptr[p->at] == '\\' ? 2 : 1;
        if (p->at >= p->text.len)
            return fail(p, open, SLICE("a quote is not closed"));
        p->at++;
    }
    *raw = slice_sub(p->text, from, p->at);
    return ST_OK;
}

/* Without quotes; \" and \\ inside of them are what they escape. */
static struct slice unquoted(struct arena *a, struct slice raw)
{
    char *to = arena_alloc(a, raw.len + 1);
    size_t n = 0;
    bool inside = false;
    for (size_t i = 0; i < raw.len; i++) {
        if (raw.ptr[i] == '"')
            inside = !inside;
        else if (inside && raw.ptr[i] == '\\' && i + 1 < raw.len)
            to[n++] = raw.ptr[++i];
        else
            to[n++] = raw.ptr[i];
    }
    return slice_of(to, n);
}

/* As RE2 and Go read it: the text itself, a * as what is given for it. */
static struct slice pattern_of(struct arena *a, struct slice text, const char *front, const char *star, const char *back)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "%s", front);
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (c == '*')
            buf_printf(&b, "%s", star);
        else if (token_is_alnum(c) || (uint8_t)c >= 128 || c == ' ' || c == '"' || c == '\'' || c == '/' || c == ':' || c == ',' || c == '=')
            buf_char(&b, c);
        else
            buf_printf(&b, "\\%c", c);
    }
    buf_printf(&b, "%s", back);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static enum status compile(struct parser *p, struct search_node *n, struct slice pattern, unsigned flags)
{
    enum status st = regex_compile(&n->re, pattern, flags, p->err);
    if (!st)
        p->out->regexes[p->out->regex_count++] = n->re;
    return st;
}

static enum status word_node(struct parser *p, struct slice text, bool stars, struct search_node **out)
{
    struct search_node *n = *out = node_new(p, SEARCH_WORD);
    n->text = text;
    n->pattern = pattern_of(p->a, text, "(?i)", stars ? "\\S*" : "\\*", "");
    return compile(p, n, n->pattern, 0);
}

static bool is_all_stars(struct slice s)
{
    size_t i = 0;
    while (i < s.len && s.ptr[i] == '*')
        i++;
    return s.len > 0 && i == s.len;
}

static bool is_level(struct slice name)
{
    static const struct slice names[] = { SLICE_INIT("level"), SLICE_INIT("severity"), SLICE_INIT("detected_level") };
    for (size_t i = 0; i < COUNT_OF(names); i++)
        if (slice_eq_nocase(name, names[i]))
            return true;
    return false;
}

static enum status level_node(struct parser *p, size_t at, struct slice value, enum search_op op, struct search_node **out)
{
    struct search_node *n = *out = node_new(p, SEARCH_LEVEL);
    n->op = op;
    n->severity = severity_parse(value);
    if (n->severity == SEVERITY_UNKNOWN && !slice_eq_nocase(value, SLICE("unknown")))
        return fail(p, at, arena_printf(p->a, "\"%.*s\" is no level: trace, debug, info, warn, error, critical, fatal are",
                                        SLICE_FMT(slice_sub(value, 0, SHOWN_BYTES_MAX))));
    return ST_OK;
}

static enum status field_node(struct parser *p, size_t at, struct slice name, enum search_op op, struct slice value, bool stars,
                              struct search_node **out)
{
    static const enum unwrap_as units[] = { UNWRAP_NUMBER, UNWRAP_DURATION, UNWRAP_BYTES };
    if (is_level(name) && !is_all_stars(value))
        return level_node(p, at, value, op, out);
    struct search_node *n = *out = node_new(p, SEARCH_FIELD);
    n->name = name;
    n->op = op;
    n->text = value;
    n->has_star = stars && slice_find_char(value, '*', 0) != SIZE_MAX;
    if (op == SEARCH_IS)
        return n->has_star ? compile(p, n, pattern_of(p->a, value, "^(?s:", ".*", ")$"), 0) : ST_OK;
    for (size_t i = 0; i < COUNT_OF(units); i++)
        if (logql_value_parse(value, units[i], &n->number)) {
            n->unit = units[i];
            return ST_OK;
        }
    return fail(p, at, arena_printf(p->a, "\"%.*s\" is compared with a field and is no number, duration or size",
                                    SLICE_FMT(slice_sub(value, 0, SHOWN_BYTES_MAX))));
}

/* Where a field's name ends, and what follows it; 0: it is no field. */
static size_t field_name(struct slice raw, enum search_op *op, bool *negated, size_t *op_len)
{
    size_t i = 0;
    while (i < raw.len && (token_is_alnum(raw.ptr[i]) || (i && (raw.ptr[i] == '.' || raw.ptr[i] == '-' || raw.ptr[i] == '/')) || raw.ptr[i] == '@'))
        i++;
    if (i == 0 || token_is_digit(raw.ptr[0]))
        return 0;
    struct slice rest = slice_skip(raw, i);
    static const struct {
        struct slice text;
        enum search_op op;
        bool negated;
    } ops[] = { { SLICE_INIT(">="), SEARCH_GE, false }, { SLICE_INIT("<="), SEARCH_LE, false }, { SLICE_INIT("!="), SEARCH_IS, true },
                { SLICE_INIT(">"), SEARCH_GT, false },  { SLICE_INIT("<"), SEARCH_LT, false },  { SLICE_INIT(":"), SEARCH_IS, false },
                { SLICE_INIT("="), SEARCH_IS, false } };
    for (size_t k = 0; k < COUNT_OF(ops); k++) {
        if (!slice_starts(rest, ops[k].text))
            continue;
        struct slice value = slice_skip(rest, ops[k].text.len);
        if (value.len == 0 || value.ptr[0] == ':' || value.ptr[0] == '=' || slice_starts(value, SLICE("//")))
            return 0;
        *op = ops[k].op;
        *negated = ops[k].negated;
        *op_len = ops[k].text.len;
        return i;
    }
    return 0;
}

static enum status read_or(struct parser *p, struct search_node **out);

static enum status negate(struct parser *p, enum status st, struct search_node **n)
{
    if (st)
        return st;
    struct search_node *not = node_new(p, SEARCH_NOT);
    add_kid(p, not, *n);
    *n = not;
    return ST_OK;
}

static enum status read_term(struct parser *p, struct search_node **out)
{
    size_t at = p->at, op_len;
    struct slice raw;
    bool quoted, negated;
    enum search_op op;
    if (++p->out->terms > SEARCH_TERMS_MAX)
        return err_set(p->err, ST_LIMIT, "a search has at most %d words and fields", SEARCH_TERMS_MAX);
    enum status st = read_word(p, &raw, &quoted);
    if (st)
        return st;
    size_t name = quoted ? 0 : field_name(raw, &op, &negated, &op_len);
    if (name == 0) {
        struct slice word = unquoted(p->a, raw);
        return word.len ? word_node(p, word, !quoted, out) : fail(p, at, SLICE("there is nothing between the quotes"));
    }
    struct slice value = slice_skip(raw, name + op_len);
    st = field_node(p, at, slice_sub(raw, 0, name), op, unquoted(p->a, value), value.ptr[0] != '"', out);
    return negated ? negate(p, st, out) : st;
}

static enum status read_unary(struct parser *p, struct search_node **out)
{
    struct slice rest = slice_skip(p->text, p->at);
    bool is_word = slice_starts(rest, SLICE("NOT")) && (rest.len == 3 || token_is_space(rest.ptr[3]) || rest.ptr[3] == '(');
    bool is_minus = rest.len > 1 && rest.ptr[0] == '-' && !token_is_space(rest.ptr[1]);
    if (p->depth >= SEARCH_DEPTH_MAX)
        return err_set(p->err, ST_LIMIT, "a search has groups in groups, at most %d deep", SEARCH_DEPTH_MAX);
    p->depth++;
    enum status st;
    if (is_word || is_minus) {
        p->at += is_word ? 3 : 1;
        skip_space(p);
        st = p->at == p->text.len ? fail(p, p->at, SLICE("something must follow NOT")) : negate(p, read_unary(p, out), out);
    } else if (rest.ptr[0] == '(') {
        size_t open = p->at++;
        st = read_or(p, out);
        if (!st && (p->at == p->text.len || p->text.ptr[p->at] != ')'))
            st = fail(p, open, SLICE("a bracket is not closed"));
        p->at++;
    } else {
        st = read_term(p, out);
    }
    p->depth--;
    return st;
}

static bool at_keyword(struct parser *p, struct slice word)
{
    struct slice rest = slice_skip(p->text, p->at);
    return slice_starts(rest, word) && (rest.len == word.len || token_is_space(rest.ptr[word.len]) || rest.ptr[word.len] == '(');
}

static bool at_end(struct parser *p)
{
    skip_space(p);
    return p->at == p->text.len || p->text.ptr[p->at] == ')';
}

static enum status read_all(struct parser *p, struct search_node **out)
{
    struct search_node *all = *out = node_new(p, SEARCH_ALL), *kid;
    enum status st = ST_OK;
    while (!st && !at_end(p) && !at_keyword(p, SLICE("OR"))) {
        if (at_keyword(p, SLICE("AND"))) {
            p->at += 3;
            if (all->kid_count == 0 || at_end(p))
                return fail(p, p->at, SLICE("AND stands between two things"));
            continue;
        }
        st = read_unary(p, &kid);
        if (!st)
            add_kid(p, all, kid);
    }
    return st;
}

static enum status read_or(struct parser *p, struct search_node **out)
{
    struct search_node *any = node_new(p, SEARCH_ANY), *kid;
    for (;;) {
        enum status st = read_all(p, &kid);
        if (st)
            return st;
        bool more = at_keyword(p, SLICE("OR"));
        if (kid->kid_count == 0 && (more || any->kid_count))
            return fail(p, p->at, SLICE("OR stands between two things"));
        if (kid->kid_count == 0 && p->depth)
            return fail(p, p->at, SLICE("there is nothing between the brackets"));
        add_kid(p, any, kid);
        if (!more)
            break;
        p->at += 2;
    }
    *out = any->kid_count == 1 ? any->kids[0] : any;
    return ST_OK;
}

enum status search_parse(struct arena *a, struct slice text, struct search **out, struct err *err)
{
    struct search *s = mem_new(struct search);
    struct parser p = { .a = a, .text = arena_copy(a, text), .out = s, .err = err };
    enum status st = text.len > QUERY_TEXT_BYTES_MAX ? err_set(err, ST_LIMIT, "a search has at most %d bytes", QUERY_TEXT_BYTES_MAX)
                                                     : read_or(&p, &s->root);
    if (!st && p.at < p.text.len)
        st = fail(&p, p.at, SLICE("a bracket closes that was not opened"));
    if (st) {
        search_free(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

void search_free(struct search *s)
{
    for (size_t i = 0; s && i < s->regex_count; i++)
        regex_free(s->regexes[i]);
    mem_free(s);
}
