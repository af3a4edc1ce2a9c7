/* SPDX-License-Identifier: Apache-2.0 */
/* Do the parts of a query fit? Types are known of values and intrinsics; an attribute's each span tells, so it fits anywhere. Regexes are
 * compiled here, behind the types, and counted. */
#include "traceql/parser.h"

struct checker {
    struct arena *a;
    struct slice text;
    struct traceql *q;
    struct err *err;
};

static const char *const type_names[] = { /* by enum tql_type */
    "nil", "a whole number", "a fraction", "a text", "true or false", "a duration", "a status", "a kind", "a list", "an attribute",
};

static bool is_number(enum tql_type t)
{
    return t == TQL_INT || t == TQL_FLOAT || t == TQL_DURATION;
}

/* As eval computes: a duration stays one where that makes sense. */
static enum tql_type number_type(enum tql_op op, enum tql_type l, enum tql_type r)
{
    bool is_sum = op == TQL_ADD || op == TQL_SUB;
    bool has_duration = l == TQL_DURATION || r == TQL_DURATION;
    if (has_duration && (is_sum || (op == TQL_MUL && l != r) || (op == TQL_DIV && r != TQL_DURATION)))
        return TQL_DURATION;
    return l == TQL_INT && r == TQL_INT && op != TQL_DIV && op != TQL_POW ? TQL_INT : TQL_FLOAT;
}

/* ---- expressions over a span ---- */

static bool is_nil(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_VALUE && e->value.type == TQL_NIL;
}

static bool is_parent(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_FIELD && e->field.scope == TQL_SCOPE_INTRINSIC && e->field.intrinsic == TQL_PARENT;
}

/* A span has it or not. Each has a service's name: it is part of how spans are kept. */
static bool may_miss(const struct tql_expr *e)
{
    if (e->kind != TQL_EXPR_FIELD || e->field.scope == TQL_SCOPE_INTRINSIC)
        return false;
    return e->field.scope != TQL_SCOPE_RESOURCE || e->field.of_parent || !slice_eq(e->field.name, SLICE("service.name"));
}

static bool has_field(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_FIELD || (e->left && has_field(e->left)) || (e->right && has_field(e->right));
}

static enum status check_nil(struct checker *c, struct tql_expr *e)
{
    struct tql_expr *l = e->left, *r = e->right;
    bool fits = (is_nil(l) && (is_nil(r) || is_parent(r) || may_miss(r))) || (is_nil(r) && (is_parent(l) || may_miss(l)));
    if (e->op != TQL_EQ && e->op != TQL_NE)
        return tql_lex_fail(c->text, e->position, c->err, "%.*s with nil or parent, = and != are allowed", SLICE_FMT(tql_binary_of_op(e->op)->text));
    if (!fits)
        return tql_lex_fail(c->text, e->position, c->err,
                            is_parent(l) || is_parent(r) ? "parent is compared with nil alone"
                                                         : "nil is compared with what a span may lack: no intrinsic, no resource.service.name");
    e->type = TQL_BOOL;
    return ST_OK;
}

static enum status compile(struct checker *c, struct tql_expr *e)
{
    struct err why;
    size_t position = e->right->position;
    if (e->right->kind != TQL_EXPR_VALUE)
        return tql_lex_fail(c->text, position, c->err, "the pattern of %.*s is to be a text in quotes", SLICE_FMT(tql_binary_of_op(e->op)->text));
    if (c->q->regex_count == TRACEQL_REGEXES_MAX)
        return tql_lex_fail(c->text, position, c->err, "more than %d regular expressions", TRACEQL_REGEXES_MAX);
    if (regex_compile(&e->re, e->right->value.text, REGEX_ANCHORED, &why)) {
        e->re = NULL;
        return tql_lex_fail(c->text, position, c->err, "bad regular expression: %s", why.text);
    }
    ARENA_PUSH(c->a, c->q->regexes, c->q->regex_count, c->q->regex_cap) = e->re;
    c->q->regex_size += regex_size(e->re);
    if (c->q->regex_size > QUERY_REGEX_SIZE_MAX)
        return tql_lex_fail(c->text, position, c->err, "the regular expressions take more than %d steps, the most that is allowed",
                            QUERY_REGEX_SIZE_MAX);
    return ST_OK;
}

/* May op stand beside a type at all? */
static bool takes(enum tql_op op, enum tql_type t)
{
    if (t == TQL_ANY)
        return true;
    if (op <= TQL_POW)
        return is_number(t);
    if (op == TQL_EQ || op == TQL_NE)
        return t != TQL_NIL;
    if (op >= TQL_LT && op <= TQL_GE)
        return is_number(t) || t == TQL_STRING;
    if (op == TQL_RE || op == TQL_NRE)
        return t == TQL_STRING;
    return t == TQL_BOOL;
}

static enum status check_binary(struct checker *c, struct tql_expr *e)
{
    enum tql_type l = e->left->type, r = e->right->type;
    struct slice op = tql_binary_of_op(e->op)->text;
    if (is_nil(e->left) || is_nil(e->right) || is_parent(e->left) || is_parent(e->right))
        return check_nil(c, e);
    for (int i = 0; i < 2; i++)
        if (!takes(e->op, i ? r : l))
            return tql_lex_fail(c->text, e->position, c->err, "%.*s does not take %s", SLICE_FMT(op), type_names[i ? r : l]);
    bool fits = l == TQL_ANY || r == TQL_ANY || l == r || (is_number(l) && is_number(r));
    if (!fits)
        return tql_lex_fail(c->text, e->position, c->err, "%.*s between %s and %s: both are to be of one type", SLICE_FMT(op), type_names[l],
                            type_names[r]);
    if (e->op > TQL_POW)
        e->type = TQL_BOOL;
    else
        e->type = l == TQL_ANY && r == TQL_ANY ? TQL_FLOAT : l == TQL_ANY ? r : r == TQL_ANY ? l : number_type(e->op, l, r);
    return e->op == TQL_RE || e->op == TQL_NRE ? compile(c, e) : ST_OK;
}

static enum status check_unary(struct checker *c, struct tql_expr *e)
{
    enum tql_type t = e->left->type;
    bool fits = t == TQL_ANY || (e->op == TQL_NOT ? t == TQL_BOOL : is_number(t));
    e->type = e->op == TQL_NOT ? TQL_BOOL : t == TQL_ANY ? TQL_FLOAT : t;
    return fits ? ST_OK : tql_lex_fail(c->text, e->position, c->err, "%s does not take %s", e->op == TQL_NOT ? "!" : "-", type_names[t]);
}

static enum status check_expr(struct checker *c, struct tql_expr *e)
{
    enum status st = ST_OK;
    switch (e->kind) {
    case TQL_EXPR_VALUE:
        e->type = e->value.type;
        return ST_OK;
    case TQL_EXPR_FIELD:
        e->type = e->field.scope == TQL_SCOPE_INTRINSIC ? traceql_intrinsic_type(e->field.intrinsic) : TQL_ANY;
        return ST_OK;
    case TQL_EXPR_UNARY:
        st = check_expr(c, e->left);
        return st ? st : check_unary(c, e);
    case TQL_EXPR_BINARY:
        st = check_expr(c, e->left);
        if (!st)
            st = check_expr(c, e->right);
        return st ? st : check_binary(c, e);
    }
    return st;
}

/* ---- sets of spans ---- */

static enum status check_stages(struct checker *c, struct tql_stage *s);

static enum status check_spans(struct checker *c, struct tql_spans *s)
{
    enum status st = ST_OK;
    switch (s->kind) {
    case TQL_SPANS_FILTER:
        st = s->filter ? check_expr(c, s->filter) : ST_OK;
        if (!st && s->filter && s->filter->type != TQL_BOOL && s->filter->type != TQL_ANY)
            st = tql_lex_fail(c->text, s->filter->position, c->err, "a filter is to be true or false, this is %s", type_names[s->filter->type]);
        return st;
    case TQL_SPANS_OPERATION:
        st = check_spans(c, s->left);
        return st ? st : check_spans(c, s->right);
    case TQL_SPANS_PIPELINE:
        return check_stages(c, s->pipeline);
    }
    return st;
}

static enum status check_aggregate(struct checker *c, struct tql_scalar *s)
{
    s->type = TQL_INT;
    if (s->aggregate == TQL_COUNT)
        return ST_OK;
    struct slice name = tql_aggregate_name(s->aggregate);
    enum status st = check_expr(c, s->of);
    if (st)
        return st;
    if (s->of->type != TQL_ANY && !is_number(s->of->type))
        return tql_lex_fail(c->text, s->of->position, c->err, "%.*s() of %s, a number is wanted", SLICE_FMT(name), type_names[s->of->type]);
    if (!has_field(s->of))
        return tql_lex_fail(c->text, s->of->position, c->err, "%.*s() of what is the same for each span", SLICE_FMT(name));
    s->type = s->of->type == TQL_INT && s->aggregate == TQL_AVG ? TQL_FLOAT : s->of->type;
    return ST_OK;
}

static enum status check_scalar(struct checker *c, struct tql_scalar *s)
{
    enum status st = ST_OK;
    switch (s->kind) {
    case TQL_SCALAR_VALUE:
        s->type = s->value.type;
        return ST_OK;
    case TQL_SCALAR_AGGREGATE:
        return check_aggregate(c, s);
    case TQL_SCALAR_BINARY:
        st = check_scalar(c, s->left);
        if (!st)
            st = check_scalar(c, s->right);
        if (!st)
            s->type = s->left->type == TQL_ANY || s->right->type == TQL_ANY ? TQL_ANY : number_type(s->op, s->left->type, s->right->type);
        return st;
    }
    return st;
}

static enum status check_stages(struct checker *c, struct tql_stage *s)
{
    enum status st = ST_OK;
    for (; s && !st; s = s->next) {
        if (s->kind == TQL_STAGE_SPANS)
            st = check_spans(c, s->spans);
        for (size_t i = 0; i < s->select_count && !st; i++)
            st = check_expr(c, s->select[i]);
        if (s->kind == TQL_STAGE_SCALAR_FILTER) {
            st = check_scalar(c, s->left);
            if (!st)
                st = check_scalar(c, s->right);
        }
        if (s->kind == TQL_STAGE_BY) {
            st = check_expr(c, s->by);
            if (!st && !has_field(s->by))
                st = tql_lex_fail(c->text, s->by->position, c->err, "by() of what is the same for each span");
        }
    }
    return st;
}

/* ---- numbers over time ---- */

static enum status check_function(struct checker *c, struct tql_metric *m)
{
    enum status st = check_stages(c, m->stages);
    if (!st && m->of)
        st = check_expr(c, m->of);
    if (!st && m->of && m->of->type != TQL_ANY && !is_number(m->of->type))
        return tql_lex_fail(c->text, m->of->position, c->err, "%.*s() of %s, a number is wanted", SLICE_FMT(traceql_function_name(m->function)),
                            type_names[m->of->type]);
    for (size_t i = 0; i < m->by_count && !st; i++)
        st = check_expr(c, m->by[i]);
    if (!st && m->selection)
        st = check_spans(c, m->selection);
    return st;
}

static enum status check_metric(struct checker *c, struct tql_metric *m)
{
    struct tql_metric *sides[] = { m->left, m->right };
    enum status st = m->kind == TQL_METRIC_FUNCTION ? check_function(c, m) : ST_OK;
    for (size_t i = 0; i < COUNT_OF(sides) && sides[i] && !st; i++) {
        st = check_metric(c, sides[i]);
        if (!st && sides[i]->kind == TQL_METRIC_FUNCTION && sides[i]->function == TQL_COMPARE)
            st = tql_lex_fail(c->text, m->position, c->err, "compare() stands alone: nothing is computed of it, and nothing follows");
    }
    return st;
}

enum status tql_check_query(struct arena *a, struct slice text, struct traceql *q, struct err *err)
{
    struct checker c = { a, text, q, err };
    return q->metric ? check_metric(&c, q->metric) : check_stages(&c, q->stages);
}
