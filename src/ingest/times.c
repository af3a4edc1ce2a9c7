/* SPDX-License-Identifier: Apache-2.0 */
/* Readers of the few forms of time that programs print. Each takes what it read off the front of the line.
 *
 * Days are counted by the proleptic Gregorian calendar with years that begin in March, so a leap day is a year's last. */
#include "ingest/times.h"

#include "base/num.h"

enum { SECONDS_PER_DAY = 86400, ZONE_SECONDS_MAX = 16 * 3600 };

static int64_t days_of(int64_t year, int month, int day)
{
    year -= month <= 2;
    int64_t era = (year >= 0 ? year : year - 399) / 400;
    int64_t of_era = year - era * 400;
    int64_t of_year = (153 * (month + (month > 2 ? -3 : 9)) + 2) / 5 + day - 1;
    return era * 146097 + of_era * 365 + of_era / 4 - of_era / 100 + of_year - 719468;
}

int64_t civil_ns(const struct civil *c, int32_t zone_offset_s)
{
    int64_t s = days_of(c->year, c->month, c->day) * SECONDS_PER_DAY + c->hour * 3600 + c->minute * 60 + c->second;
    s -= c->has_zone ? c->zone_s : zone_offset_s;
    return sat_add(sat_mul(s, NS_S), c->nanos);
}

static bool take_digits(struct slice *s, int count, int *out)
{
    if (s->len < (size_t)count)
        return false;
    int v = 0;
    for (int i = 0; i < count; i++) {
        if (s->ptr[i] < '0' || s->ptr[i] > '9')
            return false;
        v = v * 10 + (s->ptr[i] - '0');
    }
    *out = v;
    *s = slice_skip(*s, (size_t)count);
    return true;
}

static bool take_char(struct slice *s, char c)
{
    if (s->len == 0 || s->ptr[0] != c)
        return false;
    *s = slice_skip(*s, 1);
    return true;
}

static bool is_digit(struct slice s)
{
    return s.len && s.ptr[0] >= '0' && s.ptr[0] <= '9';
}

/* hh:mm:ss and a fraction of any length, cut at nanoseconds. */
static bool take_clock(struct slice *s, struct civil *out)
{
    if (!take_digits(s, 2, &out->hour) || !take_char(s, ':') || !take_digits(s, 2, &out->minute) || !take_char(s, ':') ||
        !take_digits(s, 2, &out->second))
        return false;
    if (out->hour > 23 || out->minute > 59 || out->second > 60)
        return false;
    if (s->len > 1 && (s->ptr[0] == '.' || s->ptr[0] == ',') && is_digit(slice_skip(*s, 1))) {
        *s = slice_skip(*s, 1);
        int32_t unit = 100000000;
        for (; is_digit(*s); *s = slice_skip(*s, 1), unit /= 10)
            out->nanos += (s->ptr[0] - '0') * unit;
    }
    return true;
}

/* Z, +hh:mm, +hhmm, +hh, or nothing. */
static void take_zone(struct slice *s, struct civil *out)
{
    struct slice rest = *s;
    if (take_char(&rest, 'Z')) {
        out->has_zone = true;
        *s = rest;
        return;
    }
    bool minus = rest.len && rest.ptr[0] == '-';
    int hours, minutes = 0;
    if (!(minus || (rest.len && rest.ptr[0] == '+')))
        return;
    rest = slice_skip(rest, 1);
    if (!take_digits(&rest, 2, &hours))
        return;
    struct slice more = rest;
    take_char(&more, ':');
    if (take_digits(&more, 2, &minutes))
        rest = more;
    int32_t zone_s = hours * 3600 + minutes * 60;
    if (zone_s > ZONE_SECONDS_MAX || minutes > 59)
        return;
    out->has_zone = true;
    out->zone_s = minus ? -zone_s : zone_s;
    *s = rest;
}

static bool date_is_real(const struct civil *c)
{
    static const uint8_t days[] = { 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31 };
    return c->month >= 1 && c->month <= 12 && c->day >= 1 && c->day <= days[c->month - 1];
}

bool time_take_iso(struct slice *rest, struct civil *out)
{
    struct slice s = *rest;
    struct civil c = { 0 };
    if (!take_digits(&s, 4, &c.year) || s.len == 0 || (s.ptr[0] != '-' && s.ptr[0] != '/'))
        return false;
    char between = s.ptr[0];
    if (!take_char(&s, between) || !take_digits(&s, 2, &c.month) || !take_char(&s, between) || !take_digits(&s, 2, &c.day) || !date_is_real(&c))
        return false;
    if (!take_char(&s, 'T') && !take_char(&s, ' ') && !take_char(&s, 't'))
        return false;
    if (!take_clock(&s, &c))
        return false;
    struct slice spaced = s;
    take_zone(&s, &c);
    if (!c.has_zone && take_char(&spaced, ' ') && spaced.len >= 5 && (spaced.ptr[0] == '+' || spaced.ptr[0] == '-')) {
        take_zone(&spaced, &c);
        if (c.has_zone)
            s = spaced;
    }
    *out = c;
    *rest = s;
    return true;
}

static bool take_month(struct slice *s, int *out)
{
    static const char names[] = "JanFebMarAprMayJunJulAugSepOctNovDec";
    for (int m = 0; m < 12 && s->len >= 3; m++)
        if (memcmp(s->ptr, names + 3 * m, 3) == 0) {
            *out = m + 1;
            *s = slice_skip(*s, 3);
            return true;
        }
    return false;
}

bool time_take_syslog(struct slice *rest, struct civil *out)
{
    struct slice s = *rest;
    struct civil c = { 0 };
    if (!take_month(&s, &c.month) || !take_char(&s, ' '))
        return false;
    if (take_char(&s, ' ') ? !take_digits(&s, 1, &c.day) : !take_digits(&s, 2, &c.day))
        return false;
    if (!date_is_real(&c) || !take_char(&s, ' ') || !take_clock(&s, &c))
        return false;
    *out = c;
    *rest = s;
    return true;
}

bool time_take_asctime(struct slice *rest, struct civil *out)
{
    struct slice s = *rest;
    struct civil c;
    if (s.len > 4 && s.ptr[3] == ' ' && s.ptr[0] >= 'F' && s.ptr[0] <= 'W')
        s = slice_skip(s, 4);
    if (!time_take_syslog(&s, &c) || !take_char(&s, ' ') || !take_digits(&s, 4, &c.year))
        return false;
    *out = c;
    *rest = s;
    return true;
}

bool time_take_clf(struct slice *rest, struct civil *out)
{
    struct slice s = *rest;
    struct civil c = { 0 };
    if (!take_digits(&s, 2, &c.day) || !take_char(&s, '/') || !take_month(&s, &c.month) || !take_char(&s, '/') || !take_digits(&s, 4, &c.year) ||
        !take_char(&s, ':') || !date_is_real(&c) || !take_clock(&s, &c))
        return false;
    if (take_char(&s, ' '))
        take_zone(&s, &c);
    *out = c;
    *rest = s;
    return true;
}

bool time_take_klog(struct slice *rest, struct civil *out)
{
    struct slice s = *rest;
    struct civil c = { 0 };
    if (!take_digits(&s, 2, &c.month) || !take_digits(&s, 2, &c.day) || !date_is_real(&c) || !take_char(&s, ' ') || !take_clock(&s, &c))
        return false;
    *out = c;
    *rest = s;
    return true;
}

void civil_guess_year(struct civil *c, int64_t received_ns)
{
    int64_t latest = sat_add(received_ns, SECONDS_PER_DAY * NS_S);
    c->year = 1970 + (int)(received_ns / NS_S / SECONDS_PER_DAY * 400 / 146097) + 1;
    while (c->year > 1970 && civil_ns(c, 0) > latest)
        c->year--;
}

bool time_of_number(double v, int64_t *out_ns)
{
    /* Seconds until the year 5138, milliseconds from 1973 on, and so up by thousands. */
    static const double unit_ns[] = { 1e9, 1e6, 1e3, 1 };
    double max = 1e11;
    if (!(v > 0))
        return false;
    for (size_t i = 0; i < COUNT_OF(unit_ns); i++, max *= 1e3)
        if (v < max) {
            double ns = v * unit_ns[i];
            if (ns >= 9.2e18)
                return false;
            /* Whole units are exact; a fraction of a second is kept to the microsecond a double holds. */
            int64_t whole = (int64_t)v;
            *out_ns = v == (double)whole ? whole * (int64_t)unit_ns[i]
                                         : whole * (int64_t)unit_ns[i] + (int64_t)((v - (double)whole) * 1e6 + 0.5) * (int64_t)(unit_ns[i] / 1e6);
            return true;
        }
    return false;
}

bool time_parse(struct slice text, int32_t zone_offset_s, int64_t *out_ns)
{
    struct civil c;
    int64_t whole;
    double v;
    struct slice s = slice_trim(text);
    if (time_take_iso(&s, &c) && s.len == 0) {
        *out_ns = civil_ns(&c, zone_offset_s);
        return true;
    }
    s = slice_trim(text);
    if (num_parse_i64(s, &whole) && whole >= 100000000000000000) { /* nanoseconds: over what a double holds */
        *out_ns = whole;
        return true;
    }
    return is_digit(s) && num_parse_double(s, &v) && time_of_number(v, out_ns);
}
