/* SPDX-License-Identifier: Apache-2.0 */
/* Times, steps and limits of Loki's calls. https://grafana.com/docs/loki/latest/reference/loki-http-api/#timestamps
 *
 * Other than in Prometheus's API a whole number is seconds only up to ten digits; a longer one is nanoseconds. */
#include "api/loki_params.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"

enum { SECONDS_DIGITS_MAX = 10 };

enum status loki_parse_time(struct slice text, int64_t *out_ns, struct err *err)
{
    int64_t whole;
    double seconds;
    if (slice_find_char(text, '.', 0) != SIZE_MAX && num_parse_double(text, &seconds) && seconds > -9.2e9 && seconds < 9.2e9) {
        /* Of the fraction milliseconds are kept: a double does not hold more of today's seconds. */
        double full = trunc(seconds);
        *out_ns = (int64_t)full * NS_S + (int64_t)round((seconds - full) * 1000) * NS_MS;
        return ST_OK;
    }
    if (num_parse_i64(text, &whole)) {
        *out_ns = text.len <= SECONDS_DIGITS_MAX ? sat_mul(whole, NS_S) : whole;
        return ST_OK;
    }
    if (date_parse_rfc3339(text, out_ns))
        return ST_OK;
    return err_set(err, ST_INVALID, "cannot parse \"%.*s\" to a valid timestamp: give nanoseconds or seconds since 1970, or RFC 3339",
                   SLICE_FMT(text));
}

enum status loki_param_time(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    enum status st = loki_parse_time(text, out_ns, err);
    return st ? err_prefix(err, "could not parse '%.*s' parameter: ", SLICE_FMT(name)) : ST_OK;
}

enum status loki_param_bounds(const struct api *api, const struct api_params *p, int64_t back_ns, int64_t *start_ns, int64_t *end_ns,
                              struct err *err)
{
    struct slice since = api_param(p, SLICE("since"), NULL);
    int64_t now_ns = clock_wall_ns(api->clock), ms;
    if (since.len && !duration_parse_prom(since, &ms))
        return err_set(err, ST_INVALID, "could not parse 'since' parameter: not a valid duration string: \"%.*s\"", SLICE_FMT(since));
    if (since.len)
        back_ns = sat_mul(ms, NS_MS);
    enum status st = loki_param_time(p, SLICE("end"), now_ns, end_ns, err);
    if (!st)
        st = loki_param_time(p, SLICE("start"), sat_sub(MIN(*end_ns, now_ns), back_ns), start_ns, err);
    if (!st && *end_ns < *start_ns)
        st = err_set(err, ST_INVALID, "end timestamp must not be before or equal to start time");
    return st;
}

enum status loki_param_step(const struct api_params *p, int64_t start_ns, int64_t end_ns, int64_t *out_ns, struct err *err)
{
    struct slice step = api_param(p, SLICE("step"), NULL);
    int64_t length_ns = sat_sub(end_ns, start_ns);
    enum status st = ST_OK;
    if (step.len)
        st = api_parse_duration(step, out_ns, err);
    else
        *out_ns = MAX(length_ns / LOKI_POINTS_DEFAULT / NS_S, (int64_t)1) * NS_S;
    if (st)
        return st;
    if (*out_ns <= 0)
        return err_set(err, ST_INVALID, "zero or negative query resolution step widths are not accepted. Try a positive integer");
    if (*out_ns < NS_MS)
        return err_set(err, ST_INVALID, "parameter \"step\": found %lld ns, at least 1ms is allowed", (long long)*out_ns);
    if (length_ns / *out_ns > QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID,
                       "exceeded maximum resolution of 11,000 points per time series. Try increasing the value of the step parameter");
    return ST_OK;
}
static_assert(QUERY_POINTS_PER_SERIES_MAX == 11 * 1000, "the sentence says how many");

enum status loki_param_limit(const struct api_params *p, struct slice name, size_t absent, size_t max, size_t *out, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t n;
    *out = absent;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_i64(text, &n))
        return err_set(err, ST_INVALID, "invalid parameter \"%.*s\": found \"%.*s\", a whole number is needed", SLICE_FMT(name), SLICE_FMT(text));
    if (n <= 0)
        return err_set(err, ST_INVALID, "%.*s must be a positive value", SLICE_FMT(name));
    if ((uint64_t)n > max)
        return err_set(err, ST_INVALID, "%.*s: found %lld, at most %zu is allowed", SLICE_FMT(name), (long long)n, max);
    *out = (size_t)n;
    return ST_OK;
}

enum status loki_param_lines(const struct api_params *p, struct query_params *out, struct err *err)
{
    struct slice direction = api_param(p, SLICE("direction"), NULL);
    enum status st = loki_param_limit(p, SLICE("limit"), LOKI_LIMIT_DEFAULT, SIZE_MAX, &out->limit, err);
    if (!st && out->limit > LOKI_LIMIT_MAX)
        st = err_set(err, ST_INVALID, "max entries limit per query exceeded, limit > max_entries_limit_per_query (%zu > %d)", out->limit,
                     LOKI_LIMIT_MAX);
    if (st)
        return st;
    if (slice_eq_nocase(direction, SLICE("forward")))
        out->direction = DIRECTION_FORWARD;
    else if (direction.len == 0 || slice_eq_nocase(direction, SLICE("backward")))
        out->direction = DIRECTION_BACKWARD;
    else
        return err_set(err, ST_INVALID, "invalid direction '%.*s': allowed are forward and backward", SLICE_FMT(direction));
    return ST_OK;
}

enum status loki_param_range(const struct api *api, const struct api_params *p, struct query_params *out, struct err *err)
{
    struct slice interval = api_param(p, SLICE("interval"), NULL);
    enum status st = loki_param_bounds(api, p, LOKI_RANGE_HOURS_DEFAULT * 3600 * NS_S, &out->start_ns, &out->end_ns, err);
    if (!st)
        st = loki_param_step(p, out->start_ns, out->end_ns, &out->step_ns, err);
    if (!st && interval.len)
        st = api_parse_duration(interval, &out->interval_ns, err);
    if (!st && out->interval_ns < 0)
        st = err_set(err, ST_INVALID, "interval must be >= 0");
    return st ? st : loki_param_lines(p, out, err);
}
