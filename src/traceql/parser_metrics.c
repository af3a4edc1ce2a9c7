/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers over time: functions of the spans that a pipeline gives, arithmetic of them, and what may follow. Arithmetic of numbers alone is
 * done here, so that the tree has no more of it than beside a function. */
#include <math.h>

#include "traceql/parser.h"

static enum status metric_new(struct tql_parser *p, enum tql_metric_kind kind, size_t position, struct tql_metric **out)
{
    *out = arena_new_of(p->a, struct tql_metric);
    (*out)->kind = kind;
    (*out)->position = position;
    return tql_count(p);
}

/* ---- constants ---- */

static enum status fold(struct tql_parser *p, const struct tql_scalar *s, struct tql_value *out);

static enum status fold_binary(struct tql_parser *p, const struct tql_scalar *s, struct tql_value *out)
{
    struct tql_value l, r;
    enum status st = fold(p, s->left, &l);
    if (!st)
        st = fold(p, s->right, &r);
    if (st)
        return st;
    if (l.type == TQL_DURATION || r.type == TQL_DURATION)
        return tql_lex_fail(p->text, s->position, p->err, "arithmetic of durations beside a function over time; a number is wanted");
    bool is_whole = l.type == TQL_INT && r.type == TQL_INT;
    int64_t i;
    if (is_whole && ((s->op == TQL_ADD && !__builtin_add_overflow(l.i, r.i, &i)) || (s->op == TQL_SUB && !__builtin_sub_overflow(l.i, r.i, &i)) ||
                     (s->op == TQL_MUL && !__builtin_mul_overflow(l.i, r.i, &i)))) {
        *out = (struct tql_value){ .type = TQL_INT, .i = i };
        return ST_OK;
    }
    double x = l.type == TQL_INT ? (double)l.i : l.d, y = r.type == TQL_INT ? (double)r.i : r.d;
    double d = s->op == TQL_ADD   ? x + y
               : s->op == TQL_SUB ? x - y
               : s->op == TQL_MUL ? x * y
               : s->op == TQL_DIV ? x / y
               : s->op == TQL_MOD ? fmod(x, y)
                                  : pow(x, y);
    *out = (struct tql_value){ .type = TQL_FLOAT, .d = d };
    return isfinite(d) ? ST_OK : tql_lex_fail(p->text, s->position, p->err, "this arithmetic gives no number");
}

static enum status fold(struct tql_parser *p, const struct tql_scalar *s, struct tql_value *out)
{
    switch (s->kind) {
    case TQL_SCALAR_VALUE:
        *out = s->value;
        return ST_OK;
    case TQL_SCALAR_BINARY:
        return fold_binary(p, s, out);
    case TQL_SCALAR_AGGREGATE:
        break;
    }
    return tql_lex_fail(p->text, s->position, p->err, "syntax error: unexpected %.*s() beside a function over time, expecting a number",
                        SLICE_FMT(tql_aggregate_name(s->aggregate)));
}

/* ---- arithmetic and comparisons ---- */

static enum status operand(struct tql_parser *p, const struct tql_part *part, struct tql_metric **out)
{
    if (part->kind == TQL_PART_METRIC) {
        *out = part->metric;
        return ST_OK;
    }
    enum status st = metric_new(p, TQL_METRIC_NUMBER, part->position, out);
    if (!st)
        st = fold(p, part->scalar, &(*out)->number);
    if (!st && (*out)->number.type == TQL_DURATION)
        st = tql_lex_fail(p->text, part->position, p->err, "a duration beside a function over time; a number is wanted");
    return st;
}

static enum status compare_with(struct tql_parser *p, enum tql_op op, size_t position, struct tql_metric *left, const struct tql_scalar *right,
                                struct tql_metric **out)
{
    enum status st = metric_new(p, TQL_METRIC_FILTER, position, out);
    (*out)->op = op;
    (*out)->left = left;
    return st ? st : fold(p, right, &(*out)->number);
}

enum status tql_metric_binary(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *left,
                              const struct tql_part *right, struct tql_metric **out)
{
    if (op->op >= TQL_EQ) {
        if (left->kind == TQL_PART_METRIC && right->kind == TQL_PART_SCALAR)
            return compare_with(p, (enum tql_op)op->op, position, left->metric, right->scalar, out);
        return tql_lex_fail(p->text, position, p->err, "syntax error: unexpected %.*s: functions over time are compared with a number on the right",
                            SLICE_FMT(op->text));
    }
    if (op->op == TQL_MOD || op->op == TQL_POW)
        return tql_lex_fail(p->text, position, p->err, "syntax error: unexpected %.*s, expecting +, -, * or / between functions over time",
                            SLICE_FMT(op->text));
    enum status st = metric_new(p, TQL_METRIC_BINARY, position, out);
    (*out)->op = (enum tql_op)op->op;
    if (!st)
        st = operand(p, left, &(*out)->left);
    return st ? st : operand(p, right, &(*out)->right);
}

static enum status parse_top(struct tql_parser *p, struct tql_metric **metric)
{
    struct tql_metric *m;
    int64_t top = 0;
    bool is_top = tql_is(p, "topk");
    enum status st = metric_new(p, is_top ? TQL_METRIC_TOPK : TQL_METRIC_BOTTOMK, tql_peek(p)->position, &m);
    p->at++;
    if (!st)
        st = tql_want(p, "(");
    if (!st)
        st = tql_parse_whole(p, &top);
    if (!st)
        st = tql_want(p, ")");
    if (!st && (top < 1 || top > TRACEQL_TOP_MAX))
        st = tql_lex_fail(p->text, m->position, p->err, "%s(%lld), 1 to %d is allowed", is_top ? "topk" : "bottomk", (long long)top,
                          TRACEQL_TOP_MAX);
    m->top = (size_t)top;
    m->left = *metric;
    *metric = m;
    return st;
}

static enum status parse_threshold(struct tql_parser *p, const struct tql_binary *op, struct tql_metric **metric)
{
    struct tql_part right;
    size_t position = tql_peek(p)->position;
    p->at++;
    enum status st = tql_parse_operation(p, TQL_PRECEDENCE_SUM, &right);
    if (!st && right.kind != TQL_PART_SCALAR)
        st = tql_lex_fail(p->text, right.position, p->err, "functions over time are compared with a number");
    return st ? st : compare_with(p, (enum tql_op)op->op, position, *metric, right.scalar, metric);
}

enum status tql_metric_more(struct tql_parser *p, struct tql_metric **metric)
{
    enum status st = ST_OK;
    while (!st) {
        const struct tql_token *t = tql_peek(p);
        const struct tql_binary *op = t->kind == TQL_TOKEN_OP ? tql_binary_of(t->text) : NULL;
        struct slice next = tql_is(p, "|") && p->tokens[p->at + 1].kind == TQL_TOKEN_WORD ? p->tokens[p->at + 1].text : SLICE_EMPTY;
        if (op && op->op >= TQL_EQ && op->op <= TQL_GE) {
            st = parse_threshold(p, op, metric);
        } else if (slice_eq(next, SLICE("topk")) || slice_eq(next, SLICE("bottomk"))) {
            p->at++;
            st = parse_top(p, metric);
        } else
            break;
    }
    return st;
}

/* ---- functions ---- */

static enum status parse_quantiles(struct tql_parser *p, struct tql_metric *m)
{
    size_t cap = 0;
    enum status st = tql_is(p, ",") ? ST_OK : tql_fail(p, ", and a quantile such as 0.9");
    while (!st && tql_take(p, ",")) {
        struct tql_value v = { 0 };
        bool found;
        size_t position = tql_peek(p)->position;
        st = tql_parse_number(p, &v, &found);
        if (!st && (!found || v.type == TQL_DURATION))
            return tql_lex_fail(p->text, position, p->err, "syntax error: a quantile of 0 to 1 is expected");
        double q = v.type == TQL_FLOAT ? v.d : (double)v.i;
        if (!st && !(q >= 0 && q <= 1))
            return tql_lex_fail(p->text, position, p->err, "quantile %g, 0 to 1 is allowed", q);
        if (!st && m->quantile_count == TRACEQL_QUANTILES_MAX)
            return tql_lex_fail(p->text, position, p->err, "more than %d quantiles", TRACEQL_QUANTILES_MAX);
        if (!st)
            ARENA_PUSH(p->a, m->quantiles, m->quantile_count, cap) = q;
    }
    return st;
}

/* compare({filter}), compare({filter}, top), compare({filter}, top, start, end) */
static enum status parse_compare(struct tql_parser *p, struct tql_metric *m)
{
    int64_t top = TRACEQL_TOP_DEFAULT;
    size_t position = tql_peek(p)->position;
    enum status st = tql_parse_filter(p, &m->selection);
    if (!st && tql_take(p, ",")) {
        position = tql_peek(p)->position;
        st = tql_parse_whole(p, &top);
        if (!st && tql_take(p, ",")) {
            st = tql_parse_whole(p, &m->start_ns);
            if (!st)
                st = tql_want(p, ",");
            if (!st)
                st = tql_parse_whole(p, &m->end_ns);
            if (!st && m->start_ns >= m->end_ns)
                st = tql_lex_fail(p->text, position, p->err, "compare() from %lld to %lld, the end is to be behind the start", (long long)m->start_ns,
                                  (long long)m->end_ns);
        }
    }
    if (!st && (top < 1 || top > TRACEQL_TOP_MAX))
        st = tql_lex_fail(p->text, position, p->err, "compare() with %lld values of an attribute, 1 to %d is allowed", (long long)top,
                          TRACEQL_TOP_MAX);
    m->top = (size_t)top;
    return st;
}

enum status tql_metric_function(struct tql_parser *p, struct tql_stage *stages, struct tql_metric **out)
{
    struct tql_metric *m;
    enum status st = metric_new(p, TQL_METRIC_FUNCTION, tql_peek(p)->position, &m);
    *out = m;
    m->stages = stages;
    bool is_one = tql_function_of(tql_peek(p)->text, &m->function);
    p->at += is_one;
    if (!st)
        st = tql_want(p, "(");
    if (!st && m->function == TQL_COMPARE)
        st = parse_compare(p, m);
    else if (!st && m->function != TQL_RATE && m->function != TQL_COUNT_OVER_TIME)
        st = tql_parse_field(p, &m->of);
    if (!st && m->function == TQL_QUANTILE_OVER_TIME)
        st = parse_quantiles(p, m);
    if (!st)
        st = tql_want(p, ")");
    if (!st && m->function != TQL_COMPARE && tql_take(p, "by"))
        st = tql_parse_fields(p, &m->by, &m->by_count);
    return st;
}

/* ---- hints ---- */

enum status tql_parse_hints(struct tql_parser *p)
{
    size_t cap = 0;
    if (!tql_take(p, "with"))
        return ST_OK;
    enum status st = tql_want(p, "(");
    while (!st) {
        struct tql_hint h = { .position = tql_peek(p)->position, .name = tql_peek(p)->text };
        if (tql_peek(p)->kind != TQL_TOKEN_WORD)
            return tql_fail(p, "a hint, as in with (sample=0.1)");
        if (p->query->hint_count == TRACEQL_HINTS_MAX)
            return tql_lex_fail(p->text, h.position, p->err, "more than %d hints", TRACEQL_HINTS_MAX);
        p->at++;
        st = tql_want(p, "=");
        if (!st)
            st = tql_parse_static(p, &h.value);
        if (!st)
            ARENA_PUSH(p->a, p->query->hints, p->query->hint_count, cap) = h;
        if (!st && tql_take(p, ")"))
            return ST_OK;
        if (!st && !tql_take(p, ","))
            return tql_fail(p, ", or )");
    }
    return st;
}
