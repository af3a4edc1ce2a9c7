/* SPDX-License-Identifier: Apache-2.0 */
/* Dates and durations as text and numbers. UTC and the proleptic Gregorian calendar throughout; no time zones by name. */
#ifndef STOA_BASE_DATE_H
#define STOA_BASE_DATE_H

#include "base/slice.h"

#define NS_DAY ((int64_t)86400 * NS_S)
#define MS_DAY ((int64_t)86400 * 1000)

enum {
    DATE_TEXT_BYTES_MAX = 40,     /* the longest that date_format_rfc3339 writes, and slack */
    DURATION_TEXT_BYTES_MAX = 64, /* the same of the duration_format_ family */
    DATE_DIGITS_SHORTEST = -1
};

struct date {
    int64_t year;
    int month, day; /* from 1 */
};

/* Days since 1970-01-01 and back. month 1 to 12; day may lie outside of its month and then counts on. */
int64_t date_days(int64_t year, int month, int day);
struct date date_of_days(int64_t days);
/* 0 is Sunday. */
int date_weekday(int64_t days);
int date_days_in_month(int64_t year, int month);
/* The start of the day (or of any step counted from 1970) that holds t; also before 1970. Works for ns, ms and s. */
int64_t date_floor(int64_t t, int64_t step);

/* 2026-11-22T16:08:24.5Z or with +01:00; lower case and a space in place of T pass; fraction digits after the ninth are
 * cut. The whole text must be the date. Years outside of what int64_t nanoseconds can say (1677 to 2262) saturate. */
bool date_parse_rfc3339(struct slice text, int64_t *out_ns);
/* digits: 0 to 9 of the fraction, or DATE_DIGITS_SHORTEST for as many as it needs. offset_s (a whole number of minutes):
 * 0 writes Z. Returns the count of bytes written; no NUL. */
size_t date_format_rfc3339(int64_t ns, int32_t offset_s, int digits, char *out);

/* Prometheus's: 5m, 1h30m, 2w, 1y, 500ms; units y w d h m s ms in this order, each once, whole numbers; "0" alone passes.
 * A year is 365 days. False also when it is more than 292 years. */
bool duration_parse_prom(struct slice text, int64_t *out_ms);
size_t duration_format_prom(int64_t ms, char *out);
/* Go's: 1.5s, 100ms, 2h45m, -3us, 1µs; units h m s ms us µs ns in any order; "0" alone passes. False when out of range. */
bool duration_parse_go(struct slice text, int64_t *out_ns);
size_t duration_format_go(int64_t ns, char *out);

#endif
