/* SPDX-License-Identifier: Apache-2.0 */
/* The calendar by eras of 400 years (146 097 days), years beginning in March so that the leap day comes last. */
#include "base/date.h"

#include "base/num.h"

enum { ERA_YEARS = 400, ERA_DAYS = 146097, DAYS_TO_1970 = 719468 /* from 0000-03-01 */, HOUR_S = 3600, MINUTE_S = 60 };

static int64_t floor_div(int64_t a, int64_t b)
{
    return a / b - (a % b < 0);
}

int64_t date_days(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = floor_div(year, ERA_YEARS), of_era = year - era * ERA_YEARS;
    int64_t of_year = (153 * (month > 2 ? month - 3 : month + 9) + 2) / 5 + day - 1;
    return era * ERA_DAYS + of_era * 365 + of_era / 4 - of_era / 100 + of_year - DAYS_TO_1970;
}

struct date date_of_days(int64_t days)
{
    days += DAYS_TO_1970;
    int64_t era = floor_div(days, ERA_DAYS), of_era = days - era * ERA_DAYS;
    int64_t year = (of_era - of_era / 1460 + of_era / 36524 - of_era / (ERA_DAYS - 1)) / 365;
    int64_t of_year = of_era - (365 * year + year / 4 - year / 100);
    int shifted = (int)((5 * of_year + 2) / 153); /* month counted from March */
    int month = shifted < 10 ? shifted + 3 : shifted - 9;
    return (struct date){ era * ERA_YEARS + year + (month <= 2), month, (int)(of_year - (153 * shifted + 2) / 5 + 1) };
}

int date_weekday(int64_t days)
{
    int64_t of_week = (days + 4) % 7; /* 1970-01-01 was a Thursday */
    return (int)(of_week < 0 ? of_week + 7 : of_week);
}

int date_days_in_month(int64_t year, int month)
{
    static const int days[] = { 31, 28, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    bool leap = year % 4 == 0 && (year % 100 != 0 || year % 400 == 0);
    return days[month - 1] + (month == 2 && leap);
}

int64_t date_floor(int64_t t, int64_t step)
{
    int64_t rest = t % step;
    return sat_sub(t, rest < 0 ? rest + step : rest);
}

/* ---- RFC 3339 ---- */

/* Exactly n digits off the front. */
static bool take_digits(struct slice *rest, size_t n, int *out)
{
    if (rest->len < n)
        return false;
    int v = 0;
    for (size_t i = 0; i < n; i++) {
        if (rest->ptr[i] < '0' || rest->ptr[i] > '9')
            return false;
        v = v * 10 + (rest->ptr[i] - '0');
    }
    *rest = slice_skip(*rest, n);
    *out = v;
    return true;
}

static bool take_one_of(struct slice *rest, const char *set)
{
    if (rest->len == 0 || rest->ptr[0] == 0 || strchr(set, rest->ptr[0]) == NULL)
        return false;
    *rest = slice_skip(*rest, 1);
    return true;
}

static bool take_fraction(struct slice *rest, int64_t *out_ns)
{
    int64_t unit = NS_S / 10, ns = 0;
    size_t n = 0;
    for (; n < rest->len && rest->ptr[n] >= '0' && rest->ptr[n] <= '9'; n++) {
        ns += unit * (rest->ptr[n] - '0');
        unit /= 10;
    }
    *rest = slice_skip(*rest, n);
    *out_ns = ns;
    return n > 0;
}

static bool take_offset(struct slice *rest, int *out_s)
{
    *out_s = 0;
    if (take_one_of(rest, "Zz"))
        return true;
    int sign = rest->len && rest->ptr[0] == '-' ? -1 : 1, hours, minutes;
    if (!take_one_of(rest, "+-") || !take_digits(rest, 2, &hours) || !take_one_of(rest, ":") ||
        !take_digits(rest, 2, &minutes) || hours > 23 || minutes > 59)
        return false;
    *out_s = sign * (hours * HOUR_S + minutes * MINUTE_S);
    return true;
}

bool date_parse_rfc3339(struct slice text, int64_t *out_ns)
{
    int year, month, day, hour, minute, second, offset_s;
    int64_t fraction_ns = 0;
    if (!take_digits(&text, 4, &year) || !take_one_of(&text, "-") || !take_digits(&text, 2, &month) ||
        !take_one_of(&text, "-") || !take_digits(&text, 2, &day) || !take_one_of(&text, "Tt ") ||
        !take_digits(&text, 2, &hour) || !take_one_of(&text, ":") || !take_digits(&text, 2, &minute) ||
        !take_one_of(&text, ":") || !take_digits(&text, 2, &second))
        return false;
    if (take_one_of(&text, ".") && !take_fraction(&text, &fraction_ns))
        return false;
    if (!take_offset(&text, &offset_s) || text.len > 0)
        return false;
    /* Second 60 is a leap second: RFC 3339 allows it, and it falls on the first second of the next minute. */
    if (month < 1 || month > 12 || day < 1 || day > date_days_in_month(year, month) || hour > 23 || minute > 59 ||
        second > 60)
        return false;
    int64_t seconds = date_days(year, month, day) * 86400 + hour * HOUR_S + minute * MINUTE_S + second - offset_s;
    /* Before 1970 from the second's end, so that the very first second of the range does not saturate half-way. */
    *out_ns = seconds < 0 ? sat_add(sat_mul(seconds + 1, NS_S), fraction_ns - NS_S)
                          : sat_add(sat_mul(seconds, NS_S), fraction_ns);
    return true;
}

static char *put_digits(char *at, int64_t v, int n)
{
    for (int i = n - 1; i >= 0; i--) {
        at[i] = (char)('0' + v % 10);
        v /= 10;
    }
    return at + n;
}

static char *put_fraction(char *at, int64_t ns, int digits)
{
    if (digits > 9)
        digits = 9;
    if (digits < 0) {
        digits = 9;
        for (int64_t v = ns; digits > 0 && v % 10 == 0; v /= 10)
            digits--;
    }
    if (digits == 0)
        return at;
    for (int i = digits; i < 9; i++)
        ns /= 10;
    *at++ = '.';
    return put_digits(at, ns, digits);
}

size_t date_format_rfc3339(int64_t ns, int32_t offset_s, int digits, char *out)
{
    /* In seconds first: at the ends of the range the day's start has no int64_t of nanoseconds. */
    int64_t seconds = floor_div(ns, NS_S), fraction_ns = ns % NS_S;
    fraction_ns += fraction_ns < 0 ? NS_S : 0;
    seconds += offset_s;
    int64_t days = floor_div(seconds, 86400), of_day = seconds - days * 86400;
    struct date date = date_of_days(days);
    char *at = put_digits(out, date.year, 4);
    *at++ = '-';
    at = put_digits(at, date.month, 2);
    *at++ = '-';
    at = put_digits(at, date.day, 2);
    *at++ = 'T';
    at = put_digits(at, of_day / HOUR_S, 2);
    *at++ = ':';
    at = put_digits(at, of_day / MINUTE_S % 60, 2);
    *at++ = ':';
    at = put_digits(at, of_day % 60, 2);
    at = put_fraction(at, fraction_ns, digits);
    if (offset_s == 0) {
        *at++ = 'Z';
        return (size_t)(at - out);
    }
    int32_t positive_s = offset_s < 0 ? -offset_s : offset_s;
    *at++ = offset_s < 0 ? '-' : '+';
    at = put_digits(at, positive_s / HOUR_S, 2);
    *at++ = ':';
    at = put_digits(at, positive_s / MINUTE_S % 60, 2);
    return (size_t)(at - out);
}
