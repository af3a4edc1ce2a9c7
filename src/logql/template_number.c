/* SPDX-License-Identifier: Apache-2.0 */
/* Loki's functions of numbers. A text is the number that it reads as, and 0 when it reads as none; whole numbers wrap at 64 bits.
 *
 * addf, subf, mulf and divf are Loki's arithmetic of decimals: 0.1 and 0.2 make 0.3, and a quotient has 16 digits behind the point.
 * Here they run on floats of 113 bits, into which a double's shortest decimal goes with more digits than ever come out again. */
#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "logql/template.h"

#ifdef __SIZEOF_FLOAT128__
typedef __float128 wide_float;
#else
typedef long double wide_float; /* of 113 bits where the machine has no __float128 */
#endif

enum { QUOTIENT_DIGITS = 16, POWER_MAX = 340 };

/* 12.7 and 12. are 12; whatever else is no whole number is none. */
static bool whole_text(struct slice s, int64_t *out)
{
    size_t point = slice_find_char(s, '.', 0), i = 0;
    if (point == SIZE_MAX)
        return gotmpl_int_parse(s, out);
    if (i < point && (s.ptr[i] == '-' || s.ptr[i] == '+'))
        i++;
    for (; i < s.len; i++)
        if (i != point && (s.ptr[i] < '0' || s.ptr[i] > '9'))
            return false;
    struct slice whole = slice_sub(s, 0, point);
    bool is_bare = whole.len == 0 || (whole.len == 1 && (whole.ptr[0] == '-' || whole.ptr[0] == '+'));
    *out = 0;
    return is_bare || gotmpl_int_parse(whole, out);
}

static int64_t to_int(const struct gotmpl_value *v)
{
    int64_t i = 0;
    if (v->type == GOTMPL_INT)
        return v->i;
    if (v->type == GOTMPL_BOOL)
        return v->b;
    if (v->type == GOTMPL_FLOAT)
        return v->f >= -0x1p63 && v->f < 0x1p63 ? (int64_t)v->f : INT64_MIN;
    return v->type == GOTMPL_TEXT && whole_text(v->text, &i) ? i : 0;
}

static double to_float(const struct gotmpl_value *v)
{
    double f = 0;
    if (v->type == GOTMPL_INT)
        return (double)v->i;
    if (v->type == GOTMPL_BOOL)
        return v->b;
    if (v->type == GOTMPL_FLOAT)
        return v->f;
    return v->type == GOTMPL_TEXT && num_parse_double(v->text, &f) ? f : 0;
}

static enum status give_int64(struct gotmpl_value *out, int64_t i)
{
    *out = gotmpl_int64(i);
    return ST_OK;
}

static enum status give_float(struct gotmpl_value *out, double f)
{
    *out = gotmpl_float(f);
    return ST_OK;
}

GOTMPL_FUNCTION(fn_int)
{
    *out = gotmpl_int(to_int(&v[0]));
    return ST_OK;
}

GOTMPL_FUNCTION(fn_float64)
{
    return give_float(out, to_float(&v[0]));
}

GOTMPL_FUNCTION(fn_add)
{
    uint64_t sum = 0;
    for (size_t i = 0; i < n; i++)
        sum += (uint64_t)to_int(&v[i]);
    return give_int64(out, (int64_t)sum);
}

GOTMPL_FUNCTION(fn_sub)
{
    return give_int64(out, (int64_t)((uint64_t)to_int(&v[0]) - (uint64_t)to_int(&v[1])));
}

GOTMPL_FUNCTION(fn_mul)
{
    uint64_t product = (uint64_t)to_int(&v[0]);
    for (size_t i = 1; i < n; i++)
        product *= (uint64_t)to_int(&v[i]);
    return give_int64(out, (int64_t)product);
}

static enum status divide(const struct gotmpl_value *v, bool is_rest, struct gotmpl_value *out, struct err *err)
{
    int64_t a = to_int(&v[0]), b = to_int(&v[1]);
    if (b == 0)
        return err_set(err, ST_INVALID, "runtime error: integer divide by zero");
    if (b == -1) /* the smallest number has no positive counterpart: it wraps */
        return give_int64(out, is_rest ? 0 : (int64_t)(0 - (uint64_t)a));
    return give_int64(out, is_rest ? a % b : a / b);
}

GOTMPL_FUNCTION(fn_div)
{
    return divide(v, false, out, err);
}

GOTMPL_FUNCTION(fn_mod)
{
    return divide(v, true, out, err);
}

GOTMPL_FUNCTION(fn_max)
{
    int64_t best = to_int(&v[0]);
    for (size_t i = 1; i < n; i++)
        best = MAX(best, to_int(&v[i]));
    return give_int64(out, best);
}

GOTMPL_FUNCTION(fn_min)
{
    int64_t best = to_int(&v[0]);
    for (size_t i = 1; i < n; i++)
        best = MIN(best, to_int(&v[i]));
    return give_int64(out, best);
}

/* NaN wins, unlike in C. */
GOTMPL_FUNCTION(fn_maxf)
{
    double best = to_float(&v[0]);
    for (size_t i = 1; i < n; i++) {
        double f = to_float(&v[i]);
        best = isinf(f) && f > 0 ? f : isnan(best) || f > best || isnan(f) ? (isnan(best) && !isnan(f) ? best : f) : best;
    }
    return give_float(out, best);
}

GOTMPL_FUNCTION(fn_minf)
{
    double best = to_float(&v[0]);
    for (size_t i = 1; i < n; i++) {
        double f = to_float(&v[i]);
        best = isinf(f) && f < 0 ? f : isnan(best) || f < best || isnan(f) ? (isnan(best) && !isnan(f) ? best : f) : best;
    }
    return give_float(out, best);
}

GOTMPL_FUNCTION(fn_ceil)
{
    return give_float(out, ceil(to_float(&v[0])));
}

GOTMPL_FUNCTION(fn_floor)
{
    return give_float(out, floor(to_float(&v[0])));
}

/* round x digits, and from which fraction on it goes up; .5 when not told. */
GOTMPL_FUNCTION(fn_round)
{
    double power = pow(10, (double)v[1].i), digit = power * to_float(&v[0]), whole, from = n > 2 ? v[2].f : .5;
    double rest = modf(digit, &whole);
    return give_float(out, (rest >= from ? ceil(digit) : floor(digit)) / power);
}

/* ---- decimals ---- */

/* The decimal that a double is written as: its shortest digits. False: it is no number. */
static bool decimal_of(double f, wide_float *out)
{
    char text[NUM_TEXT_BYTES_MAX];
    wide_float x = 0;
    int exponent = 0, behind = 0;
    bool is_behind = false;
    if (!isfinite(f))
        return false;
    int n = (int)num_format_short(f, text);
    for (int i = 0; i < n; i++) {
        if (text[i] == 'e') {
            int64_t e = 0;
            num_parse_i64(slice_of(text + i + 1 + (text[i + 1] == '+'), (size_t)(n - i - 1 - (text[i + 1] == '+'))), &e);
            exponent = (int)e;
            break;
        }
        is_behind |= text[i] == '.';
        if (text[i] < '0' || text[i] > '9')
            continue;
        x = x * 10 + (wide_float)(text[i] - '0');
        behind += is_behind;
    }
    wide_float power = 1;
    int by = exponent - behind;
    for (int i = 0; i < (by < 0 ? -by : by) && i < POWER_MAX; i++)
        power *= 10;
    x = by < 0 ? x / power : x * power;
    *out = f < 0 ? -x : x;
    return true;
}

/* To 16 digits behind the point, halves away from zero. */
static wide_float quotient(wide_float a, wide_float b)
{
    const wide_float scale = 1e16, exact = (wide_float)0x1p100;
    wide_float q = a / b * scale;
    if (q > exact || q < -exact)
        return q / scale;
    __int128 whole = (__int128)(q < 0 ? q - (wide_float).5 : q + (wide_float).5);
    return (wide_float)whole / scale;
}

static enum status decimals(const struct gotmpl_value *v, size_t n, char op, struct gotmpl_value *out, struct err *err)
{
    wide_float sum = 0, x;
    for (size_t i = 0; i < n; i++) {
        double f = to_float(&v[i]);
        if (!decimal_of(f, &x))
            return err_set(err, ST_INVALID, "Cannot create a Decimal from %s", isnan(f) ? "NaN" : f > 0 ? "+Inf" : "-Inf");
        if (op == '/' && i > 0 && x == 0)
            return err_set(err, ST_INVALID, "decimal division by 0");
        if (i == 0)
            sum = x;
        else
            sum = op == '+' ? sum + x : op == '-' ? sum - x : op == '*' ? sum * x : quotient(sum, x);
    }
    return give_float(out, (double)sum);
}

GOTMPL_FUNCTION(fn_addf)
{
    return decimals(v, n, '+', out, err);
}

GOTMPL_FUNCTION(fn_subf)
{
    return decimals(v, n, '-', out, err);
}

GOTMPL_FUNCTION(fn_mulf)
{
    return decimals(v, n, '*', out, err);
}

GOTMPL_FUNCTION(fn_divf)
{
    return decimals(v, n, '/', out, err);
}

/* ---- sizes and durations ---- */

static enum status measure(const struct gotmpl_env *env, const struct gotmpl_value *v, enum unwrap_as as, struct gotmpl_value *out,
                           struct err *err)
{
    double f;
    if (!logql_value_parse(v->text, as, &f))
        return err_set(err, ST_INVALID, "%.*s", SLICE_FMT(logql_value_fault(v->text, as, env->arena)));
    return give_float(out, f);
}

GOTMPL_FUNCTION(fn_bytes)
{
    return measure(env, v, UNWRAP_BYTES, out, err);
}

GOTMPL_FUNCTION(fn_duration)
{
    return measure(env, v, UNWRAP_DURATION, out, err);
}

#define ROW(name, min, max, params, run) { SLICE_INIT(name), min, max, params, run, 0, 0, 0, GOTMPL_CALL_PLAIN }

static const struct gotmpl_function functions[] = {
    ROW("int", 1, 1, "a", fn_int),
    ROW("float64", 1, 1, "a", fn_float64),
    ROW("add", 0, GOTMPL_ARGS_MAX, "a", fn_add),
    ROW("sub", 2, 2, "a", fn_sub),
    ROW("mul", 1, GOTMPL_ARGS_MAX, "a", fn_mul),
    ROW("div", 2, 2, "a", fn_div),
    ROW("mod", 2, 2, "a", fn_mod),
    ROW("max", 1, GOTMPL_ARGS_MAX, "a", fn_max),
    ROW("min", 1, GOTMPL_ARGS_MAX, "a", fn_min),
    ROW("addf", 0, GOTMPL_ARGS_MAX, "a", fn_addf),
    ROW("subf", 1, GOTMPL_ARGS_MAX, "a", fn_subf),
    ROW("mulf", 1, GOTMPL_ARGS_MAX, "a", fn_mulf),
    ROW("divf", 1, GOTMPL_ARGS_MAX, "a", fn_divf),
    ROW("maxf", 1, GOTMPL_ARGS_MAX, "a", fn_maxf),
    ROW("minf", 1, GOTMPL_ARGS_MAX, "a", fn_minf),
    ROW("ceil", 1, 1, "a", fn_ceil),
    ROW("floor", 1, 1, "a", fn_floor),
    ROW("round", 2, GOTMPL_ARGS_MAX, "aif", fn_round),
    ROW("bytes", 1, 1, "s", fn_bytes),
    ROW("duration", 1, 1, "s", fn_duration),
    ROW("duration_seconds", 1, 1, "s", fn_duration),
};

const struct gotmpl_functions template_number_functions = { functions, COUNT_OF(functions), &template_time_functions };
