/* SPDX-License-Identifier: Apache-2.0 */
/* Values compare when they are of one kind: numbers with numbers (whole ones, fractions and durations alike), texts with texts, and so on.
 * What has no kind in common with the other is neither equal nor unequal to it. */
#include <math.h>

#include "base/num.h"
#include "traceql/eval.h"

static bool is_number(enum tql_type t)
{
    return t == TQL_INT || t == TQL_FLOAT || t == TQL_DURATION;
}

bool tql_value_number(const struct tql_value *v, double *out)
{
    if (!is_number(v->type))
        return false;
    *out = v->type == TQL_FLOAT ? v->d : (double)v->i;
    return true;
}

static int order_of(double x, double y)
{
    return x < y ? -1 : x > y;
}

static int cmp_numbers(const struct tql_value *x, const struct tql_value *y)
{
    if (x->type != TQL_FLOAT && y->type != TQL_FLOAT)
        return (x->i > y->i) - (x->i < y->i);
    double a = x->type == TQL_FLOAT ? x->d : (double)x->i, b = y->type == TQL_FLOAT ? y->d : (double)y->i;
    if (isnan(a) || isnan(b))
        return isnan(b) - isnan(a); /* first of all, and equal to itself */
    return order_of(a, b);
}

int tql_value_cmp(const struct tql_value *x, const struct tql_value *y)
{
    if (is_number(x->type) && is_number(y->type))
        return cmp_numbers(x, y);
    if (x->type != y->type)
        return (x->type > y->type) - (x->type < y->type);
    if (x->type == TQL_STRING || x->type == TQL_ARRAY)
        return slice_cmp(x->text, y->text);
    return x->type == TQL_NIL ? 0 : (x->i > y->i) - (x->i < y->i);
}

static struct tql_value nil(void)
{
    return (struct tql_value){ .type = TQL_NIL };
}

static struct tql_value float_of(double d)
{
    return (struct tql_value){ .type = TQL_FLOAT, .d = d };
}

static bool in_int64(double d)
{
    return d >= -9223372036854775808.0 && d < 9223372036854775808.0;
}

/* Whole numbers stay whole where they can. */
static bool whole(enum tql_op op, int64_t x, int64_t y, int64_t *out)
{
    switch (op) {
    case TQL_ADD:
        return !__builtin_add_overflow(x, y, out);
    case TQL_SUB:
        return !__builtin_sub_overflow(x, y, out);
    case TQL_MUL:
        return !__builtin_mul_overflow(x, y, out);
    case TQL_DIV:
        if (y == 0 || y == -1 || x % y != 0)
            return false;
        *out = x / y;
        return true;
    case TQL_MOD:
        if (y == 0 || y == -1)
            return false;
        *out = x % y;
        return true;
    default:
        return false;
    }
}

static double fraction(enum tql_op op, double x, double y)
{
    return op == TQL_ADD   ? x + y
           : op == TQL_SUB ? x - y
           : op == TQL_MUL ? x * y
           : op == TQL_DIV ? x / y
           : op == TQL_MOD ? fmod(x, y)
                           : pow(x, y);
}

static struct tql_value arithmetic(enum tql_op op, const struct tql_value *x, const struct tql_value *y)
{
    bool is_sum = op == TQL_ADD || op == TQL_SUB;
    bool has_duration = x->type == TQL_DURATION || y->type == TQL_DURATION;
    bool is_duration = has_duration && (is_sum || (op == TQL_MUL && x->type != y->type) || (op == TQL_DIV && y->type != TQL_DURATION));
    double a, b;
    int64_t i;
    if (!tql_value_number(x, &a) || !tql_value_number(y, &b))
        return nil();
    if (x->type != TQL_FLOAT && y->type != TQL_FLOAT && whole(op, x->i, y->i, &i))
        return (struct tql_value){ .type = is_duration ? TQL_DURATION : TQL_INT, .i = i };
    double d = fraction(op, a, b);
    if (is_duration && in_int64(d))
        return (struct tql_value){ .type = TQL_DURATION, .i = (int64_t)d };
    return float_of(d);
}

static bool has_order(enum tql_type t)
{
    return is_number(t) || t == TQL_STRING;
}

struct tql_value tql_value_binary(enum tql_op op, const struct tql_value *x, const struct tql_value *y)
{
    struct tql_value out = { .type = TQL_BOOL };
    if (op <= TQL_POW)
        return arithmetic(op, x, y);
    if (x->type != y->type && !(is_number(x->type) && is_number(y->type)))
        return nil();
    int order = tql_value_cmp(x, y);
    bool is_nan = (x->type == TQL_FLOAT && isnan(x->d)) || (y->type == TQL_FLOAT && isnan(y->d));
    if (op != TQL_EQ && op != TQL_NE && (!has_order(x->type) || is_nan))
        return nil();
    switch (op) {
    case TQL_EQ:
        out.i = order == 0 && !is_nan;
        break;
    case TQL_NE:
        out.i = order != 0 || is_nan;
        break;
    case TQL_LT:
        out.i = order < 0;
        break;
    case TQL_LE:
        out.i = order <= 0;
        break;
    case TQL_GT:
        out.i = order > 0;
        break;
    case TQL_GE:
        out.i = order >= 0;
        break;
    default:
        return nil();
    }
    return out;
}
