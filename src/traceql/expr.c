/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions over one span. A comparison of a field that says several things holds when it does for any of them; != and !~ hold when they
 * do for all of them. What the span does not say is neither equal nor unequal to anything but nil. */
#include "traceql/eval.h"

struct at { /* what is looked at */
    const struct tql_trace *t;
    uint32_t span;
    struct arena *scratch;
};

static struct tql_value eval(const struct tql_expr *e, const struct at *at);

static struct tql_value bool_value(bool b)
{
    return (struct tql_value){ .type = TQL_BOOL, .i = b };
}

static bool is_nil(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_VALUE && e->value.type == TQL_NIL;
}

/* ---- comparisons ---- */

static struct tql_value *values_of(const struct tql_expr *e, const struct at *at, struct tql_value *room, size_t *count)
{
    if (e->kind == TQL_EXPR_FIELD)
        return tql_field_values(&e->field, at->t, at->span, at->scratch, count);
    *room = eval(e, at);
    *count = room->type != TQL_NIL;
    return room;
}

static bool is_id(const struct tql_expr *e)
{
    if (e->kind != TQL_EXPR_FIELD || e->field.scope != TQL_SCOPE_INTRINSIC)
        return false;
    enum tql_intrinsic i = e->field.intrinsic;
    return i == TQL_SPAN_ID || i == TQL_PARENT_ID || i == TQL_TRACE_ID || i == TQL_LINK_TRACE_ID || i == TQL_LINK_SPAN_ID;
}

/* Ids may be written without their leading zeros, and in capitals. */
static struct slice bare_id(struct slice id, struct arena *a)
{
    size_t zeros = 0;
    while (zeros < id.len && id.ptr[zeros] == '0')
        zeros++;
    id = arena_copy(a, slice_skip(id, zeros));
    char *digits = (char *)(uintptr_t)id.ptr;
    for (size_t i = 0; i < id.len; i++)
        if (digits[i] >= 'A' && digits[i] <= 'F')
            digits[i] = (char)(digits[i] - 'A' + 'a');
    return id;
}

/* NIL: they have nothing in common. */
static struct tql_value compare(const struct tql_expr *e, enum tql_op op, struct tql_value x, struct tql_value y, struct arena *a)
{
    if (op == TQL_RE)
        return x.type == TQL_STRING && e->re ? bool_value(regex_match(e->re, x.text)) : (struct tql_value){ .type = TQL_NIL };
    if (x.type == TQL_STRING && y.type == TQL_STRING && (is_id(e->left) || is_id(e->right))) {
        x.text = bare_id(x.text, a);
        y.text = bare_id(y.text, a);
    }
    return tql_value_binary(op, &x, &y);
}

static struct tql_value compare_with_nil(const struct tql_expr *e, const struct at *at)
{
    const struct tql_expr *other = is_nil(e->left) ? e->right : e->left;
    struct tql_value room;
    size_t count;
    values_of(other, at, &room, &count);
    return bool_value((count == 0) == (e->op == TQL_EQ));
}

static struct tql_value comparison(const struct tql_expr *e, const struct at *at)
{
    bool is_not = e->op == TQL_NE || e->op == TQL_NRE, is_met = false;
    enum tql_op op = e->op == TQL_NE ? TQL_EQ : e->op == TQL_NRE ? TQL_RE : e->op;
    struct tql_value left_room, right_room;
    size_t left_count, right_count;
    if (is_nil(e->left) || is_nil(e->right))
        return e->op == TQL_EQ || e->op == TQL_NE ? compare_with_nil(e, at) : bool_value(false);
    const struct tql_value *left = values_of(e->left, at, &left_room, &left_count), *right = values_of(e->right, at, &right_room, &right_count);
    for (size_t i = 0; i < left_count; i++)
        for (size_t k = 0; k < right_count; k++) {
            struct tql_value v = compare(e, op, left[i], right[k], at->scratch);
            is_met = is_met || v.type != TQL_NIL;
            if (v.type != TQL_NIL && v.i)
                return bool_value(!is_not);
        }
    return bool_value(is_not && is_met);
}

/* ---- the rest ---- */

static bool is_true(const struct tql_expr *e, const struct at *at)
{
    struct tql_value v = eval(e, at);
    return v.type == TQL_BOOL && v.i;
}

static struct tql_value unary(const struct tql_expr *e, const struct at *at)
{
    static const struct tql_value zero = { .type = TQL_INT };
    struct tql_value v = eval(e->left, at);
    if (e->op == TQL_NOT)
        return v.type == TQL_BOOL ? bool_value(!v.i) : (struct tql_value){ .type = TQL_NIL };
    if (v.type == TQL_FLOAT)
        return (struct tql_value){ .type = TQL_FLOAT, .d = -v.d };
    return tql_value_binary(TQL_SUB, &zero, &v);
}

static struct tql_value eval(const struct tql_expr *e, const struct at *at)
{
    switch (e->kind) {
    case TQL_EXPR_VALUE:
        return e->value;
    case TQL_EXPR_FIELD:
        return tql_field_value(&e->field, at->t, at->span, at->scratch);
    case TQL_EXPR_UNARY:
        return unary(e, at);
    case TQL_EXPR_BINARY:
        break;
    }
    if (e->op == TQL_AND)
        return bool_value(is_true(e->left, at) && is_true(e->right, at));
    if (e->op == TQL_OR)
        return bool_value(is_true(e->left, at) || is_true(e->right, at));
    if (e->op >= TQL_EQ)
        return comparison(e, at);
    struct tql_value x = eval(e->left, at), y = eval(e->right, at);
    return tql_value_binary(e->op, &x, &y);
}

struct tql_value tql_expr_value(const struct tql_expr *e, const struct tql_trace *t, uint32_t span, struct arena *scratch)
{
    struct at at = { t, span, scratch };
    return eval(e, &at);
}

bool tql_expr_is_true(const struct tql_expr *e, const struct tql_trace *t, uint32_t span, struct arena *scratch)
{
    struct at at = { t, span, scratch };
    return is_true(e, &at);
}
