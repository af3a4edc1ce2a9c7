/* SPDX-License-Identifier: Apache-2.0 */
/* Times of templates. A layout is a time that stands for itself: its pieces ("2006", "Jan", "-07:00") say what goes where. It is
 * walked piece by piece, by the writer as by the reader (gotmpl_layout.c); here is what a time is, its zone and its methods. */
#include "query/gotmpl_time.h"

#include "base/date.h"
#include "base/num.h"
#include "sys/zone.h"

enum { DAY_S = 86400 };
#define ZERO_TIME_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z: what Go has for no time at all */

struct gotmpl_value gotmpl_time_value(struct arena *a, struct gotmpl_time t)
{
    struct gotmpl_time *kept = arena_new_of(a, struct gotmpl_time);
    *kept = t;
    return (struct gotmpl_value){.type = GOTMPL_TIME, .time = kept};
}

struct gotmpl_time gotmpl_time_of_ns(int64_t ns)
{
    int64_t s = date_floor(ns, NS_S) / NS_S;
    return (struct gotmpl_time){.s = s, .ns = (int32_t)(ns - s * NS_S), .zone = SLICE("UTC")};
}

int64_t gotmpl_time_ns(const struct gotmpl_time *t)
{
    return (int64_t)((uint64_t)t->s * NS_S + (uint64_t)t->ns);
}

const struct zone *gotmpl_zone(struct arena *a, struct slice name)
{
    struct zone *z;
    if (name.len == 0 || slice_eq(name, SLICE("UTC")) || slice_eq(name, SLICE("Local")) || zone_read(a, name, &z, NULL))
        return NULL;
    return z;
}

struct gotmpl_time gotmpl_time_in(const struct zone *z, struct gotmpl_time t)
{
    t.offset_s = z ? (int32_t)zone_offset_s(z, t.s) : 0;
    t.zone = z ? zone_short_name(z, t.s) : SLICE("UTC");
    return t;
}

/* ---- methods ---- */

static struct date date_of(const struct gotmpl_time *t, int64_t *second_of_day)
{
    int64_t local = t->s + t->offset_s, day = date_floor(local, DAY_S) / DAY_S;
    *second_of_day = local - day * DAY_S;
    return date_of_days(day);
}

GOTMPL_FUNCTION(time_format)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_time_format(v[0].time, v[1].text, &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(time_string)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_print(&v[0], &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(time_unix)
{
    *out = gotmpl_int64(v[0].time->s);
    return ST_OK;
}

GOTMPL_FUNCTION(time_unix_milli)
{
    *out = gotmpl_int64(sat_add(sat_mul(v[0].time->s, 1000), v[0].time->ns / 1000000));
    return ST_OK;
}

GOTMPL_FUNCTION(time_unix_micro)
{
    *out = gotmpl_int64(sat_add(sat_mul(v[0].time->s, 1000000), v[0].time->ns / 1000));
    return ST_OK;
}

GOTMPL_FUNCTION(time_unix_nano)
{
    *out = gotmpl_int64(gotmpl_time_ns(v[0].time));
    return ST_OK;
}

GOTMPL_FUNCTION(time_year)
{
    int64_t s;
    *out = gotmpl_int(date_of(v[0].time, &s).year);
    return ST_OK;
}

GOTMPL_FUNCTION(time_day)
{
    int64_t s;
    *out = gotmpl_int(date_of(v[0].time, &s).day);
    return ST_OK;
}

GOTMPL_FUNCTION(time_hour)
{
    int64_t s;
    date_of(v[0].time, &s);
    *out = gotmpl_int(s / 3600);
    return ST_OK;
}

GOTMPL_FUNCTION(time_minute)
{
    int64_t s;
    date_of(v[0].time, &s);
    *out = gotmpl_int(s / 60 % 60);
    return ST_OK;
}

GOTMPL_FUNCTION(time_second)
{
    int64_t s;
    date_of(v[0].time, &s);
    *out = gotmpl_int(s % 60);
    return ST_OK;
}

GOTMPL_FUNCTION(time_nanosecond)
{
    *out = gotmpl_int(v[0].time->ns);
    return ST_OK;
}

GOTMPL_FUNCTION(time_year_day)
{
    int64_t s;
    struct date d = date_of(v[0].time, &s);
    *out = gotmpl_int(date_days(d.year, d.month, d.day) - date_days(d.year, 1, 1) + 1);
    return ST_OK;
}

static enum status give_layout(const struct gotmpl_env *env, const struct gotmpl_value *v, struct slice layout, struct gotmpl_value *out,
                               struct err *err)
{
    struct buf b;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_time_format(v->time, layout, &b);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(time_month)
{
    return give_layout(env, v, SLICE("January"), out, err);
}

GOTMPL_FUNCTION(time_weekday)
{
    return give_layout(env, v, SLICE("Monday"), out, err);
}

GOTMPL_FUNCTION(time_utc)
{
    *out = gotmpl_time_value(env->arena, gotmpl_time_in(NULL, *v[0].time));
    return ST_OK;
}

GOTMPL_FUNCTION(time_is_zero)
{
    *out = gotmpl_bool(v[0].time->s == ZERO_TIME_S && v[0].time->ns == 0);
    return ST_OK;
}

static int order(const struct gotmpl_time *a, const struct gotmpl_time *b)
{
    if (a->s != b->s)
        return a->s < b->s ? -1 : 1;
    return a->ns < b->ns ? -1 : a->ns > b->ns;
}

GOTMPL_FUNCTION(time_before)
{
    *out = gotmpl_bool(order(v[0].time, v[1].time) < 0);
    return ST_OK;
}

GOTMPL_FUNCTION(time_after)
{
    *out = gotmpl_bool(order(v[0].time, v[1].time) > 0);
    return ST_OK;
}

GOTMPL_FUNCTION(time_equal)
{
    *out = gotmpl_bool(order(v[0].time, v[1].time) == 0);
    return ST_OK;
}

static const struct gotmpl_function methods[] = {
    {SLICE_INIT("Format"), 2, 2, "ts", time_format, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("String"), 1, 1, "t", time_string, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Unix"), 1, 1, "t", time_unix, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("UnixMilli"), 1, 1, "t", time_unix_milli, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("UnixMicro"), 1, 1, "t", time_unix_micro, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("UnixNano"), 1, 1, "t", time_unix_nano, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Year"), 1, 1, "t", time_year, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Month"), 1, 1, "t", time_month, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Day"), 1, 1, "t", time_day, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Hour"), 1, 1, "t", time_hour, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Minute"), 1, 1, "t", time_minute, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Second"), 1, 1, "t", time_second, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Nanosecond"), 1, 1, "t", time_nanosecond, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("YearDay"), 1, 1, "t", time_year_day, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Weekday"), 1, 1, "t", time_weekday, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("UTC"), 1, 1, "t", time_utc, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Local"), 1, 1, "t", time_utc, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("IsZero"), 1, 1, "t", time_is_zero, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Before"), 2, 2, "tt", time_before, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("After"), 2, 2, "tt", time_after, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("Equal"), 2, 2, "tt", time_equal, 0, 0, 0, GOTMPL_CALL_PLAIN},
};

const struct gotmpl_functions gotmpl_time_methods = {methods, COUNT_OF(methods), NULL};
