/* SPDX-License-Identifier: Apache-2.0 */
/* The table of functions, sorted by name, and the short ones themselves. */
#include "base/date.h"
#include "promql/native.h"
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
/* mixed: for windows with histograms; the same where these need no other treatment. */
#define MIXED(text, impl, mixed, bits) \
    { .name = SLICE_INIT(text), ARGS(M), .flags = (bits), .returns = V, .range = impl, .range_mixed = mixed }
#define NATIVE(text, impl) { .name = SLICE_INIT(text), ARGS(V), .returns = V, .of = impl }

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
    MIXED("avg_over_time", range_avg, native_avg_over, 0),
    MAP(ceil),
    MIXED("changes", range_changes, native_changes, FN_ANCHORED),
    { .name = SLICE_INIT("clamp"), ARGS(V, S, S), .returns = V, .map = fn_clamp },
    { .name = SLICE_INIT("clamp_max"), ARGS(V, S), .returns = V, .map = fn_clamp_max },
    { .name = SLICE_INIT("clamp_min"), ARGS(V, S), .returns = V, .map = fn_clamp_min },
    MAP(cos),
    MAP(cosh),
    MIXED("count_over_time", range_count, range_count, 0),
    DATE(day_of_month),
    DATE(day_of_week),
    DATE(day_of_year),
    DATE(days_in_month),
    MAP(deg),
    MIXED("delta", range_delta, native_delta, FN_RATE_LIKE | FN_ANCHORED),
    OVER("deriv", range_deriv, 0),
    { .name = SLICE_INIT("double_exponential_smoothing"), ARGS(M, S, S), .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = vector_double_exponential },
    { .name = SLICE_INIT("end"), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_end },
    MAP(exp),
    MIXED("first_over_time", range_first, range_first, FN_KEEPS_NAME | FN_EXPERIMENTAL),
    MAP(floor),
    NATIVE("histogram_avg", native_mean),
    NATIVE("histogram_count", native_count),
    { .name = SLICE_INIT("histogram_fraction"), ARGS(S, S, V), .returns = V, .stream = buckets_fraction },
    { .name = SLICE_INIT("histogram_quantile"), ARGS(S, V), .returns = V, .stream = buckets_quantile },
    { .name = SLICE_INIT("histogram_quantiles"), ARGS(V, T, S), .optional = -1, .flags = FN_EXPERIMENTAL, .returns = V,
      .stream = buckets_quantiles },
    NATIVE("histogram_stddev", native_stddev),
    NATIVE("histogram_stdvar", native_stdvar),
    NATIVE("histogram_sum", native_total),
    DATE(hour),
    MIXED("idelta", range_idelta, native_idelta, 0),
    MIXED("increase", range_increase, native_increase, FN_RATE_LIKE | FN_ANCHORED | FN_COUNTER),
    { .name = SLICE_INIT("info"), ARGS(V, V), .optional = 1, .flags = FN_EXPERIMENTAL | FN_FILTERED, .returns = V, .stream = info_info },
    MIXED("irate", range_irate, native_irate, 0),
    { .name = SLICE_INIT("label_join"), ARGS(V, T, T, T), .optional = -1, .returns = V, .stream = label_join },
    { .name = SLICE_INIT("label_replace"), ARGS(V, T, T, T, T), .returns = V, .stream = label_replace },
    MIXED("last_over_time", range_last, range_last, FN_KEEPS_NAME),
    MAP(ln),
    MAP(log10),
    MAP(log2),
    OVER("mad_over_time", range_mad, FN_EXPERIMENTAL),
    { .name = SLICE_INIT("max_of"), ARGS(S, S), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_max_of },
    OVER("max_over_time", range_max, 0),
    { .name = SLICE_INIT("min_of"), ARGS(S, S), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_min_of },
    OVER("min_over_time", range_min, 0),
    DATE(minute),
    DATE(month),
    { .name = SLICE_INIT("pi"), .returns = S, .scalar = vector_pi },
    { .name = SLICE_INIT("predict_linear"), ARGS(M, S), .flags = FN_USES_EVAL_TIME, .returns = V, .range = range_predict_linear },
    MIXED("present_over_time", range_present, range_present, 0),
    { .name = SLICE_INIT("quantile_over_time"), ARGS(S, M), .flags = FN_QUANTILE, .returns = V, .range = range_quantile },
    MAP(rad),
    { .name = SLICE_INIT("range"), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_range },
    MIXED("rate", range_rate, native_rate, FN_RATE_LIKE | FN_ANCHORED | FN_COUNTER),
    MIXED("resets", range_resets, native_resets, FN_ANCHORED),
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
    { .name = SLICE_INIT("start"), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_start },
    { .name = SLICE_INIT("start_timestamp"), ARGS(V), .flags = FN_EXPERIMENTAL, .returns = V, .stream = vector_start_timestamp },
    OVER("stddev_over_time", range_stddev, 0),
    OVER("stdvar_over_time", range_stdvar, 0),
    { .name = SLICE_INIT("step"), .flags = FN_EXPERIMENTAL, .returns = S, .scalar = vector_step },
    MIXED("sum_over_time", range_sum, native_sum_over, 0),
    MAP(tan),
    MAP(tanh),
    { .name = SLICE_INIT("time"), .returns = S, .scalar = vector_time },
    { .name = SLICE_INIT("timestamp"), ARGS(V), .returns = V, .stream = vector_timestamp },
    MIXED("ts_of_first_over_time", range_ts_of_first, range_ts_of_first, FN_EXPERIMENTAL),
    MIXED("ts_of_last_over_time", range_ts_of_last, range_ts_of_last, FN_EXPERIMENTAL),
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

const struct function *function_at(size_t i)
{
    return i < COUNT_OF(functions) ? &functions[i] : NULL;
}
