/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions, sorted by name, and the short ones themselves. */
#include "base/date.h"
#include "promql/parts.h"

static double fn_clamp(double v, const double *p)
{
    if (p[0] > p[1])
        return ABSENT;
    if (isnan(p[0]) || isnan(p[1]) || isnan(v))
        return NAN;
    return fmax(p[0], fmin(p[1], v));
}

static double fn_clamp_min(double v, const double *p)
{
    return isnan(v) || isnan(p[0]) ? NAN : fmax(p[0], v);
}

static double fn_clamp_max(double v, const double *p)
{
    return isnan(v) || isnan(p[0]) ? NAN : fmin(p[0], v);
}

static double fn_round(double v, const double *p)
{
    double inverse = 1 / p[0];
    return floor(v * inverse + 0.5) / inverse;
}

static double fn_sgn(double v, const double *p)
{
    return v < 0 ? -1 : v > 0 ? 1 : v;
}

static double fn_deg(double v, const double *p)
{
    return v * 180 / M_PI;
}

static double fn_rad(double v, const double *p)
{
    return v * M_PI / 180;
}

#define PLAIN(name, call)                                                                                              \
    static double fn_##name(double v, const double *p)                                                                 \
    {                                                                                                                  \
        return call(v);                                                                                                \
    }
PLAIN(abs, fabs)
PLAIN(ceil, ceil)
PLAIN(floor, floor)
PLAIN(exp, exp)
PLAIN(sqrt, sqrt)
PLAIN(ln, log)
PLAIN(log2, log2)
PLAIN(log10, log10)
PLAIN(sin, sin)
PLAIN(cos, cos)
PLAIN(tan, tan)
PLAIN(asin, asin)
PLAIN(acos, acos)
PLAIN(atan, atan)
PLAIN(sinh, sinh)
PLAIN(cosh, cosh)
PLAIN(tanh, tanh)
PLAIN(asinh, asinh)
PLAIN(acosh, acosh)
PLAIN(atanh, atanh)

/* ---- dates, of seconds since 1970 in UTC ---- */

static bool seconds_of(double v, int64_t *out)
{
    if (!(fabs(v) < 9e15))
        return false;
    *out = (int64_t)v;
    return true;
}

static int64_t day_of(int64_t s)
{
    return date_floor(s, 86400) / 86400;
}

static double fn_minute(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? (double)((s - date_floor(s, 3600)) / 60) : NAN;
}

static double fn_hour(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? (double)((s - date_floor(s, 86400)) / 3600) : NAN;
}

static double fn_day_of_month(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? date_of_days(day_of(s)).day : NAN;
}

static double fn_day_of_week(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? date_weekday(day_of(s)) : NAN;
}

static double fn_day_of_year(double v, const double *p)
{
    int64_t s;
    if (!seconds_of(v, &s))
        return NAN;
    int64_t day = day_of(s);
    return (double)(day - date_days(date_of_days(day).year, 1, 1) + 1);
}

static double fn_days_in_month(double v, const double *p)
{
    int64_t s;
    if (!seconds_of(v, &s))
        return NAN;
    struct date d = date_of_days(day_of(s));
    return date_days_in_month(d.year, d.month);
}

static double fn_month(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? date_of_days(day_of(s)).month : NAN;
}

static double fn_year(double v, const double *p)
{
    int64_t s;
    return seconds_of(v, &s) ? (double)date_of_days(day_of(s)).year : NAN;
}

#define S TYPE_SCALAR
#define V TYPE_VECTOR
#define M TYPE_MATRIX
#define T TYPE_STRING
#define ARGS(...) .args = { __VA_ARGS__ }, .arg_count = sizeof((enum expr_type[]){ __VA_ARGS__ }) / sizeof(enum expr_type)
#define MAP(fn) { .name = SLICE_INIT(#fn), ARGS(V), .returns = V, .map = fn_##fn }
#define DATE(fn) { .name = SLICE_INIT(#fn), ARGS(V), .optional = 1, .returns = V, .map = fn_##fn }
#define OVER(text, impl, bits) { .name = SLICE_INIT(text), ARGS(M), .flags = (bits), .returns = V, .range = impl }
#define NATIVE(text) { .name = SLICE_INIT(text), ARGS(V), .returns = V, .stream = histogram_none }

static const struct function functions[] = {
    MAP(abs),
    { .name = SLICE_INIT("absent"), ARGS(V), .returns = V, .stream = vector_absent },
    { .name = SLICE_INIT("absent_over_time"), ARGS(M), .returns = V, .stream = vector_absent_over_time },
    MAP(acos),
    MAP(acosh),
    MAP(asin),
    MAP(asinh),
    MAP(atan),
    MAP(atanh),
    OVER("avg_over_time", range_avg, 0),
    MAP(ceil),
    OVER("changes", range_changes, FN_ANCHORED),
    { .name = SLICE_INIT("clamp"), ARGS(V, S, S), .returns = V, .map = fn_clamp },
    { .name = SLICE_INIT("clamp_max"), ARGS(V, S), .returns = V, .map = fn_clamp_max },
    { .name = SLICE_INIT("clamp_min"), ARGS(V, S), .returns = V, .map = fn_clamp_min },
    MAP(cos),
    MAP(cosh),
    OVER("count_over_time", range_count, 0),
    DATE(day_of_month),
    DATE(day_of_week),
    DATE(day_of_year),
    DATE(days_in_month),
    MAP(deg),
    OVER("delta", range_delta, FN_RATE_LIKE | FN_ANCHORED),
    OVER("deriv", range_deriv, 0),
    { .name = SLICE_INIT("double_exponential_smoothing"), ARGS(M, S, S), .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = vector_double_exponential },
    MAP(exp),
    OVER("first_over_time", range_first, FN_KEEPS_NAME | FN_EXPERIMENTAL),
    MAP(floor),
    NATIVE("histogram_avg"),
    NATIVE("histogram_count"),
    { .name = SLICE_INIT("histogram_fraction"), ARGS(S, S, V), .returns = V, .stream = histogram_fraction },
    { .name = SLICE_INIT("histogram_quantile"), ARGS(S, V), .returns = V, .stream = histogram_quantile },
    { .name = SLICE_INIT("histogram_quantiles"), ARGS(V, T, S), .optional = -1, .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = histogram_quantiles },
    NATIVE("histogram_stddev"),
    NATIVE("histogram_stdvar"),
    NATIVE("histogram_sum"),
    DATE(hour),
    OVER("idelta", range_idelta, 0),
    OVER("increase", range_increase, FN_RATE_LIKE | FN_ANCHORED | FN_COUNTER),
    { .name = SLICE_INIT("info"), ARGS(V, V), .optional = 1, .flags = FN_EXPERIMENTAL | FN_FILTERED, .returns = V, .stream = info_info },
    OVER("irate", range_irate, 0),
    { .name = SLICE_INIT("label_join"), ARGS(V, T, T, T), .optional = -1, .returns = V, .stream = label_join },
    { .name = SLICE_INIT("label_replace"), ARGS(V, T, T, T, T), .returns = V, .stream = label_replace },
    OVER("last_over_time", range_last, FN_KEEPS_NAME),
    MAP(ln),
    MAP(log10),
    MAP(log2),
    OVER("mad_over_time", range_mad, FN_EXPERIMENTAL),
    OVER("max_over_time", range_max, 0),
    OVER("min_over_time", range_min, 0),
    DATE(minute),
    DATE(month),
    { .name = SLICE_INIT("pi"), .returns = S, .scalar = vector_pi },
    { .name = SLICE_INIT("predict_linear"), ARGS(M, S), .flags = FN_USES_EVAL_TIME, .returns = V, .range = range_predict_linear },
    OVER("present_over_time", range_present, 0),
    { .name = SLICE_INIT("quantile_over_time"), ARGS(S, M), .flags = FN_QUANTILE, .returns = V, .range = range_quantile },
    MAP(rad),
    OVER("rate", range_rate, FN_RATE_LIKE | FN_ANCHORED | FN_COUNTER),
    OVER("resets", range_resets, FN_ANCHORED),
    { .name = SLICE_INIT("round"), ARGS(V, S), .optional = 1, .returns = V, .map = fn_round },
    { .name = SLICE_INIT("scalar"), ARGS(V), .returns = S, .scalar = vector_scalar },
    MAP(sgn),
    MAP(sin),
    MAP(sinh),
    { .name = SLICE_INIT("sort"), ARGS(V), .returns = V, .stream = vector_sort },
    { .name = SLICE_INIT("sort_by_label"), ARGS(V, T), .optional = -1, .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = vector_sort_by_label },
    { .name = SLICE_INIT("sort_by_label_desc"), ARGS(V, T), .optional = -1, .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = vector_sort_by_label_desc },
    { .name = SLICE_INIT("sort_desc"), ARGS(V), .returns = V, .stream = vector_sort_desc },
    MAP(sqrt),
    OVER("stddev_over_time", range_stddev, 0),
    OVER("stdvar_over_time", range_stdvar, 0),
    OVER("sum_over_time", range_sum, 0),
    MAP(tan),
    MAP(tanh),
    { .name = SLICE_INIT("time"), .returns = S, .scalar = vector_time },
    { .name = SLICE_INIT("timestamp"), ARGS(V), .returns = V, .stream = vector_timestamp },
    OVER("ts_of_first_over_time", range_ts_of_first, FN_EXPERIMENTAL),
    OVER("ts_of_last_over_time", range_ts_of_last, FN_EXPERIMENTAL),
    OVER("ts_of_max_over_time", range_ts_of_max, FN_EXPERIMENTAL),
    OVER("ts_of_min_over_time", range_ts_of_min, FN_EXPERIMENTAL),
    { .name = SLICE_INIT("vector"), ARGS(S), .returns = V, .stream = vector_vector },
    DATE(year),
};

const struct function *function_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (slice_eq(functions[i].name, name))
            return &functions[i];
    return NULL;
}
