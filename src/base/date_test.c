/* SPDX-License-Identifier: Apache-2.0 */
#include "base/date.h"
#include "base/rand.h"
#include "base/unit.h"

static struct slice rfc3339(int64_t ns, int32_t offset_s, int digits)
{
    static char text[DATE_TEXT_BYTES_MAX];
    return slice_of(text, date_format_rfc3339(ns, offset_s, digits, text));
}

static int64_t parsed(struct slice text)
{
    int64_t ns = 0;
    CHECK(date_parse_rfc3339(text, &ns));
    return ns;
}

TEST(date_days_counts_every_day_of_eight_centuries_once)
{
    int64_t days = date_days(1600, 1, 1);
    for (int year = 1600; year < 2400; year++)
        for (int month = 1; month <= 12; month++)
            for (int day = 1; day <= date_days_in_month(year, month); day++, days++) {
                struct date d = date_of_days(days);
                CHECK(date_days(year, month, day) == days);
                CHECK(d.year == year && d.month == month && d.day == day);
            }
    CHECK_INT(date_days(1970, 1, 1), 0);
    CHECK_INT(date_days(2000, 3, 1), 11017);
}

TEST(date_weekday_is_right_before_and_after_1970)
{
    CHECK_INT(date_weekday(0), 4);
    CHECK_INT(date_weekday(date_days(2026, 11, 22)), 0);
    CHECK_INT(date_weekday(date_days(1969, 12, 28)), 0);
    CHECK_INT(date_weekday(date_days(1969, 12, 27)), 6);
}

TEST(date_floor_goes_down_before_1970_too)
{
    CHECK_INT(date_floor(NS_DAY + 5, NS_DAY), NS_DAY);
    CHECK_INT(date_floor(-1, NS_DAY), -NS_DAY);
    CHECK_INT(date_floor(-MS_DAY, MS_DAY), -MS_DAY);
    CHECK_INT(date_floor(INT64_MIN, NS_DAY), INT64_MIN);
}

TEST(date_parses_rfc3339_with_offsets_and_fractions)
{
    CHECK_INT(parsed(SLICE("1970-01-01T00:00:00Z")), 0);
    CHECK_INT(parsed(SLICE("2023-11-14T22:13:20.5Z")), 1700000000 * NS_S + NS_S / 2);
    CHECK_INT(parsed(SLICE("2023-11-14T23:13:20.000000001+01:00")), 1700000000 * NS_S + 1);
    CHECK_INT(parsed(SLICE("2023-11-14t18:43:20.1234567899-03:30")), 1700000000 * NS_S + 123456789);
    CHECK_INT(parsed(SLICE("2023-11-14 22:13:20z")), 1700000000 * NS_S);
    CHECK_INT(parsed(SLICE("2016-12-31T23:59:60Z")), parsed(SLICE("2017-01-01T00:00:00Z")));
    CHECK_INT(parsed(SLICE("0001-01-01T00:00:00Z")), INT64_MIN);
    CHECK_INT(parsed(SLICE("9999-12-31T23:59:59Z")), INT64_MAX);
}

TEST(date_refuses_what_is_not_rfc3339)
{
    static const char *const wrong[] = { "",
                                         "2023-11-14",
                                         "2023-11-14T22:13:20",
                                         "2023-11-14T22:13:20.Z",
                                         "2023-11-14T22:13:20Z ",
                                         "2023-13-14T22:13:20Z",
                                         "2023-02-29T22:13:20Z",
                                         "2023-11-14T24:13:20Z",
                                         "2023-11-14T22:13:20+0100",
                                         "2023-11-14T22:13:20+24:00",
                                         "23-11-14T22:13:20Z",
                                         "2023-11-14T22:13:2xZ" };
    int64_t ns;
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK(!date_parse_rfc3339(slice_str(wrong[i]), &ns));
    CHECK(!date_parse_rfc3339(SLICE("2023-11-14T22:13:20\0"), &ns));
}

TEST(date_formats_rfc3339_with_as_many_digits_as_asked)
{
    int64_t ns = 1700000000 * NS_S + 120000000;
    CHECK_STR(rfc3339(ns, 0, 0), "2023-11-14T22:13:20Z");
    CHECK_STR(rfc3339(ns, 0, 3), "2023-11-14T22:13:20.120Z");
    CHECK_STR(rfc3339(ns, 0, 9), "2023-11-14T22:13:20.120000000Z");
    CHECK_STR(rfc3339(ns, 0, DATE_DIGITS_SHORTEST), "2023-11-14T22:13:20.12Z");
    CHECK_STR(rfc3339(0, 0, DATE_DIGITS_SHORTEST), "1970-01-01T00:00:00Z");
    CHECK_STR(rfc3339(ns, -12600, 0), "2023-11-14T18:43:20-03:30");
    CHECK_STR(rfc3339(-1, 3600, 9), "1970-01-01T00:59:59.999999999+01:00");
}

TEST(date_reads_back_whatever_it_wrote)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)rand_u64(&r);
        CHECK_INT(parsed(rfc3339(ns, 0, 9)), ns);
        CHECK_INT(parsed(rfc3339(ns / 2, (int32_t)rand_below(&r, 1440) * 60 - 43200, DATE_DIGITS_SHORTEST)), ns / 2);
    }
    CHECK_INT(parsed(rfc3339(INT64_MAX, 0, 9)), INT64_MAX);
    CHECK_INT(parsed(rfc3339(INT64_MIN, 0, 9)), INT64_MIN);
    CHECK_INT(parsed(rfc3339(INT64_MIN + 7, 0, 9)), INT64_MIN + 7);
    CHECK_STR(rfc3339(INT64_MIN, 0, 9), "1677-09-21T00:12:43.145224192Z");
}

static int64_t prom(struct slice text)
{
    int64_t ms = -1;
    return duration_parse_prom(text, &ms) ? ms : -1;
}

TEST(duration_prom_takes_its_units_in_order_only)
{
    CHECK_INT(prom(SLICE("5m")), 300000);
    CHECK_INT(prom(SLICE("1h30m")), 5400000);
    CHECK_INT(prom(SLICE("1y2w3d4h5m6s7ms")), (365 + 14 + 3) * MS_DAY + 4 * 3600000 + 5 * 60000 + 6007);
    CHECK_INT(prom(SLICE("0")), 0);
    CHECK_INT(prom(SLICE("0s")), 0);
    static const char *const wrong[] = { "", "1", "m", "1.5h", "5s1m", "1m1m", "-1m", "1h ", "1M", "300y", "9223372036854775808ms" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK_INT(prom(slice_str(wrong[i])), -1);
}

static struct slice prom_text(int64_t ms)
{
    static char text[DURATION_TEXT_BYTES_MAX];
    return slice_of(text, duration_format_prom(ms, text));
}

TEST(duration_prom_writes_years_and_weeks_only_when_nothing_is_left)
{
    CHECK_STR(prom_text(0), "0s");
    CHECK_STR(prom_text(300000), "5m");
    CHECK_STR(prom_text(5400001), "1h30m1ms");
    CHECK_STR(prom_text(90 * MS_DAY), "90d");
    CHECK_STR(prom_text(14 * MS_DAY), "2w");
    CHECK_STR(prom_text(730 * MS_DAY), "2y");
    CHECK_STR(prom_text(-1500), "-1s500ms");
    CHECK(prom_text(INT64_MIN).len < DURATION_TEXT_BYTES_MAX);
}

static int64_t go(struct slice text)
{
    int64_t ns = -7;
    return duration_parse_go(text, &ns) ? ns : -7;
}

TEST(duration_go_takes_fractions_signs_and_any_order)
{
    CHECK_INT(go(SLICE("1.5s")), 1500000000);
    CHECK_INT(go(SLICE("100ms")), 100000000);
    CHECK_INT(go(SLICE("2h45m")), 9900 * NS_S);
    CHECK_INT(go(SLICE("-3us")), -3000);
    CHECK_INT(go(SLICE("+1\xc2\xb5s2ns")), 1002);
    CHECK_INT(go(SLICE(".5m1h")), 3630 * NS_S);
    CHECK_INT(go(SLICE("0.3333333333333333333h")), 1199999999999);
    CHECK_INT(go(SLICE("-9223372036854775808ns")), INT64_MIN);
    CHECK_INT(go(SLICE("0")), 0);
    static const char *const wrong[] = { "", "-", "1", ".s", "1x", "s", "1d", "9223372036854775808ns", "1s ", "1..5s", "3000000h" };
    for (size_t i = 0; i < COUNT_OF(wrong); i++)
        CHECK_INT(go(slice_str(wrong[i])), -7);
}

static struct slice go_text(int64_t ns)
{
    static char text[DURATION_TEXT_BYTES_MAX];
    return slice_of(text, duration_format_go(ns, text));
}

TEST(duration_go_reads_back_whatever_it_wrote)
{
    CHECK_STR(go_text(0), "0s");
    CHECK_STR(go_text(1500), "1.5\xc2\xb5s");
    CHECK_STR(go_text(1100 * NS_MS), "1.1s");
    CHECK_STR(go_text(9900 * NS_S), "2h45m0s");
    CHECK_STR(go_text(-90 * NS_S), "-1m30s");
    CHECK_STR(go_text(INT64_MIN), "-2562047h47m16.854775808s");
    struct rand r;
    rand_seed(&r, unit_seed());
    for (int i = 0; i < 20000; i++) {
        int64_t ns = (int64_t)(rand_u64(&r) >> rand_below(&r, 64));
        CHECK_INT(go(go_text(ns)), ns);
    }
}
