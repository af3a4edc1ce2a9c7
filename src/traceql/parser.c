/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over one span, by precedence climbing, and the entry. And and or bind alike, from the left; then comparisons, sums, the signs,
 * products, powers (from the right). What stands around the braces is in parser_stages.c, numbers over time in parser_metrics.c. */
#include "traceql/parser.h"

bool tql_is(const struct tql_parser *p, const char *op)
{
    const struct tql_token *t = tql_peek(p);
    return (t->kind == TQL_TOKEN_OP || t->kind == TQL_TOKEN_WORD) && slice_eq(t->text, slice_str(op));
}

bool tql_take(struct tql_parser *p, const char *op)
{
    if (!tql_is(p, op))
        return false;
    p->at++;
    return true;
}

enum status tql_fail(struct tql_parser *p, const char *expected)
{
    enum { SHOWN_BYTES_MAX = 100 };
    const struct tql_token *t = tql_peek(p);
    int len = (int)MIN(t->text.len, (size_t)SHOWN_BYTES_MAX);
    if (t->kind == TQL_TOKEN_END)
        return tql_lex_fail(p->text, t->position, p->err, "syntax error: unexpected end, expecting %s", expected);
    const char *quote = t->kind == TQL_TOKEN_STRING ? "\"" : "";
    return tql_lex_fail(p->text, t->position, p->err, "syntax error: unexpected %s%.*s%s, expecting %s", quote, len, t->text.ptr, quote, expected);
}

enum status tql_want(struct tql_parser *p, const char *op)
{
    return tql_take(p, op) ? ST_OK : tql_fail(p, op);
}

enum status tql_count(struct tql_parser *p)
{
    if (++p->query->nodes <= TRACEQL_NODES_MAX)
        return ST_OK;
    return tql_lex_fail(p->text, tql_peek(p)->position, p->err, "the query has more than %d parts, the most that is allowed", TRACEQL_NODES_MAX);
}

enum status tql_deeper(struct tql_parser *p)
{
    if (++p->depth <= QUERY_DEPTH_MAX)
        return ST_OK;
    return tql_lex_fail(p->text, tql_peek(p)->position, p->err, "the query is nested deeper than %d, the most that is allowed", QUERY_DEPTH_MAX);
}

/* ---- values ---- */

static bool is_number(enum tql_type t)
{
    return t == TQL_INT || t == TQL_FLOAT || t == TQL_DURATION;
}

/* -v; false: there is none, as of the least whole number. */
static bool negate(struct tql_value *v)
{
    if (!is_number(v->type) || (v->type != TQL_FLOAT && v->i == INT64_MIN))
        return false;
    if (v->type == TQL_FLOAT)
        v->d = -v->d;
    else
        v->i = -v->i;
    return true;
}

/* The token as a number, without its sign; false: it is none. */
static bool token_value(const struct tql_token *t, struct tql_value *out)
{
    if (t->kind == TQL_TOKEN_INT && t->whole <= INT64_MAX)
        *out = (struct tql_value){ .type = TQL_INT, .i = (int64_t)t->whole };
    else if (t->kind == TQL_TOKEN_FLOAT || t->kind == TQL_TOKEN_DURATION)
        *out = t->value;
    else
        return t->kind == TQL_TOKEN_WORD && tql_value_of_word(t->text, out) && is_number(out->type);
    return true;
}

static bool is_least(const struct tql_token *t)
{
    return t->kind == TQL_TOKEN_INT && t->whole > INT64_MAX;
}

static enum status too_large(struct tql_parser *p)
{
    return tql_lex_fail(p->text, tql_peek(p)->position, p->err, "number %.*s, at most %lld is allowed", SLICE_FMT(tql_peek(p)->text),
                        (long long)INT64_MAX);
}

enum status tql_parse_number(struct tql_parser *p, struct tql_value *out, bool *found)
{
    bool is_minus = tql_is(p, "-");
    const struct tql_token *t = &p->tokens[p->at + (is_minus ? 1 : 0)];
    *found = true;
    if (is_minus && is_least(t))
        *out = (struct tql_value){ .type = TQL_INT, .i = INT64_MIN };
    else if (is_least(t))
        return too_large(p);
    else
        *found = token_value(t, out) && (!is_minus || negate(out));
    p->at += *found ? 1 + (size_t)is_minus : 0;
    return ST_OK;
}

enum status tql_parse_static(struct tql_parser *p, struct tql_value *out)
{
    bool found;
    enum status st = tql_parse_number(p, out, &found);
    if (st || found)
        return st;
    const struct tql_token *t = tql_peek(p);
    if (t->kind == TQL_TOKEN_STRING)
        *out = (struct tql_value){ .type = TQL_STRING, .text = t->text };
    else if (t->kind != TQL_TOKEN_WORD || !tql_value_of_word(t->text, out))
        return tql_fail(p, "a value such as 1, 1.5, 100ms, \"text\", true, ok, server, nil");
    p->at++;
    return ST_OK;
}

enum status tql_parse_whole(struct tql_parser *p, int64_t *out)
{
    const struct tql_token *t = tql_peek(p);
    if (t->kind != TQL_TOKEN_INT)
        return tql_fail(p, "a whole number");
    if (is_least(t))
        return too_large(p);
    *out = (int64_t)t->whole;
    p->at++;
    return ST_OK;
}

/* ---- expressions ---- */

static enum status climb(struct tql_parser *p, int min_precedence, struct tql_expr **out);

static enum status expr_new(struct tql_parser *p, enum tql_expr_kind kind, struct tql_expr **out)
{
    *out = arena_new_of(p->a, struct tql_expr);
    (*out)->kind = kind;
    (*out)->position = tql_peek(p)->position;
    return tql_count(p);
}

enum status tql_parse_field(struct tql_parser *p, struct tql_expr **out)
{
    struct tql_field f;
    if (!tql_field_of_token(tql_peek(p), &f))
        return tql_fail(p, "an attribute such as .a, span.a or resource.a, or an intrinsic such as duration");
    enum status st = expr_new(p, TQL_EXPR_FIELD, out);
    (*out)->field = f;
    p->at++;
    return st;
}

enum status tql_parse_fields(struct tql_parser *p, struct tql_expr ***out, size_t *count)
{
    size_t cap = 0;
    *count = 0;
    enum status st = tql_want(p, "(");
    while (!st) {
        struct tql_expr *e;
        if (*count == TRACEQL_NAMES_MAX)
            return tql_lex_fail(p->text, tql_peek(p)->position, p->err, "more than %d fields in a list", TRACEQL_NAMES_MAX);
        st = tql_parse_field(p, &e);
        if (!st)
            ARENA_PUSH(p->a, *out, *count, cap) = e;
        if (!st && tql_take(p, ")"))
            return ST_OK;
        if (!st && !tql_take(p, ","))
            return tql_fail(p, ", or )");
    }
    return st;
}

/* Behind a sign: what binds tighter. A number takes its minus in. */
static enum status parse_unary(struct tql_parser *p, struct tql_expr **out)
{
    struct tql_expr *e;
    enum tql_op op = tql_is(p, "-") ? TQL_NEG : TQL_NOT;
    enum status st = expr_new(p, TQL_EXPR_UNARY, &e);
    p->at++;
    const struct tql_binary *next = is_least(tql_peek(p)) ? tql_binary_of(p->tokens[p->at + 1].text) : NULL;
    if (!st && op == TQL_NEG && is_least(tql_peek(p)) && (next == NULL || next->precedence < TQL_PRECEDENCE_UNARY)) {
        e->kind = TQL_EXPR_VALUE;
        e->value = (struct tql_value){ .type = TQL_INT, .i = INT64_MIN };
        p->at++;
        *out = e;
        return ST_OK;
    }
    if (!st)
        st = climb(p, TQL_PRECEDENCE_UNARY + 1, &e->left);
    e->op = op;
    *out = e;
    if (!st && op == TQL_NEG && e->left->kind == TQL_EXPR_VALUE && negate(&e->left->value)) {
        e->left->position = e->position;
        *out = e->left;
    }
    return st;
}

static enum status parse_primary(struct tql_parser *p, struct tql_expr **out)
{
    struct tql_field f;
    struct tql_value v;
    const struct tql_token *t = tql_peek(p);
    if (tql_is(p, "-") || tql_is(p, "!"))
        return parse_unary(p, out);
    if (tql_take(p, "(")) {
        enum status st = climb(p, 0, out);
        return st ? st : tql_want(p, ")");
    }
    if (tql_field_of_token(t, &f))
        return tql_parse_field(p, out);
    if (is_least(t))
        return too_large(p);
    bool is_value = t->kind == TQL_TOKEN_STRING || token_value(t, &v) || (t->kind == TQL_TOKEN_WORD && tql_value_of_word(t->text, &v));
    if (!is_value)
        return tql_fail(p, "an attribute such as .a or span.a, an intrinsic such as duration, or a value such as 1, 100ms, \"text\", ok");
    enum status st = expr_new(p, TQL_EXPR_VALUE, out);
    (*out)->value = t->kind == TQL_TOKEN_STRING ? (struct tql_value){ .type = TQL_STRING, .text = t->text } : v;
    p->at++;
    return st;
}

static enum status climb(struct tql_parser *p, int min_precedence, struct tql_expr **out)
{
    enum status st = tql_deeper(p);
    if (!st)
        st = parse_primary(p, out);
    while (!st) {
        const struct tql_token *t = tql_peek(p);
        const struct tql_binary *op = t->kind == TQL_TOKEN_OP ? tql_binary_of(t->text) : NULL;
        struct tql_expr *e;
        if (op == NULL || op->op < 0 || op->precedence < min_precedence)
            break;
        st = expr_new(p, TQL_EXPR_BINARY, &e);
        e->op = (enum tql_op)op->op;
        e->left = *out;
        p->at++;
        if (!st)
            st = climb(p, op->precedence + (op->op == TQL_POW ? 0 : 1), &e->right);
        *out = e;
    }
    p->depth--;
    return st;
}

enum status tql_parse_expr(struct tql_parser *p, struct tql_expr **out)
{
    return climb(p, 0, out);
}

enum status tql_parse_filter(struct tql_parser *p, struct tql_spans **out)
{
    struct tql_spans *s = arena_new_of(p->a, struct tql_spans);
    s->kind = TQL_SPANS_FILTER;
    s->position = tql_peek(p)->position;
    *out = s;
    enum status st = tql_count(p);
    if (!st)
        st = tql_want(p, "{");
    if (st || tql_take(p, "}"))
        return st;
    st = tql_parse_expr(p, &s->filter);
    if (!st && !tql_take(p, "}"))
        st = tql_fail(p, "an operator such as = or &&, or }");
    return st;
}

/* ---- the whole ---- */

static enum status parse_root(struct tql_parser *p)
{
    struct tql_part part;
    struct traceql *q = p->query;
    enum status st = tql_parse_pipeline(p, &part);
    if (st)
        return st;
    if (tql_peek(p)->kind != TQL_TOKEN_END && !tql_is(p, "with"))
        return tql_fail(p, part.kind == TQL_PART_METRIC ? "|, a comparison, with or the end" : "an operator, |, with or the end");
    if (part.kind == TQL_PART_SCALAR || part.kind == TQL_PART_SCALAR_STAGES)
        return tql_fail(p, "a comparison, as in { } | count() > 1");
    if (part.kind == TQL_PART_METRIC)
        q->metric = part.metric;
    else
        st = tql_part_stages(p, &part, &q->stages);
    if (!st)
        st = tql_parse_hints(p);
    if (!st && tql_peek(p)->kind != TQL_TOKEN_END)
        st = tql_fail(p, "the end");
    return st;
}

enum status traceql_parse(struct arena *a, struct slice text, struct traceql **out, struct err *err)
{
    struct tql_parser p = { .a = a, .text = text, .err = err };
    size_t count;
    *out = NULL;
    if (text.len > QUERY_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "the query has %zu bytes, at most %d are allowed", text.len, QUERY_TEXT_BYTES_MAX);
    p.query = arena_new_of(a, struct traceql);
    enum status st = tql_lex_all(a, text, &p.tokens, &count, err);
    if (!st)
        st = parse_root(&p);
    if (!st)
        st = tql_check_query(a, text, p.query, err);
    if (st)
        traceql_free(p.query);
    else
        *out = p.query;
    return st;
}

void traceql_free(struct traceql *q)
{
    for (size_t i = 0; q && i < q->regex_count; i++)
        regex_free(q->regexes[i]);
}
