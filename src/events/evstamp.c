/* SPDX-License-Identifier: Apache-2.0 */
/* All formats of a second are written once and compared by their first eight bytes: rows lie in order of time, so most ask for
 * the second of the row before.
 *
 *     1  2006-01-02T15:04:05      3  02/Jan/2006:15:04:05     5  2006/01/02 15:04:05          7  060102 150405
 *     2  2006-01-02 15:04:05      4  Jan  2 15:04:05          6  Mon Jan  2 15:04:05 2006 */
#include "events/evstamp.h"

#include "base/date.h"

enum { HEAD_BYTES = 8, FRACTION_DIGITS_MAX = 9 };

static const char MONTHS[] = "JanFebMarAprMayJunJulAugSepOctNovDec", DAYS[] = "SunMonTueWedThuFriSat";
static const int64_t YEAR_FIRST = 1970, YEAR_LAST = 2261; /* what is told with four digits and fits */

static char *put2(char *p, int v)
{
    p[0] = (char)('0' + v / 10);
    p[1] = (char)('0' + v % 10);
    return p + 2;
}

static char *put_char(char *p, char c)
{
    *p = c;
    return p + 1;
}

static char *put3(char *p, const char *names, int i)
{
    memcpy(p, names + 3 * (size_t)i, 3);
    return p + 3;
}

static char *put_clock(char *p, int64_t of_day, bool has_colons)
{
    p = put2(p, (int)(of_day / 3600));
    if (has_colons)
        p = put_char(p, ':');
    p = put2(p, (int)(of_day / 60 % 60));
    if (has_colons)
        p = put_char(p, ':');
    return put2(p, (int)(of_day % 60));
}

static char *put_day_padded(char *p, int day)
{
    char *end = put2(p, day);
    if (day < 10)
        *p = ' ';
    return end;
}

static void write_all(struct evstamp *s, int64_t second)
{
    int64_t days = date_floor(second, 86400) / 86400, of_day = second - days * 86400;
    struct date d = date_of_days(days);
    s->second = second;
    s->day = days;
    memset(s->lens, 0, sizeof s->lens);
    memset(s->begins, 0, sizeof s->begins);
    if (d.year < YEAR_FIRST || d.year > YEAR_LAST)
        return;
    int century = (int)(d.year / 100), year = (int)(d.year % 100);
    for (int f = 1; f <= EVSTAMP_FORMATS; f++) {
        char *p = s->texts[f];
        if (f == 1 || f == 2 || f == 5) {
            char between = f == 5 ? '/' : '-';
            p = put2(put2(p, century), year);
            p = put2(put_char(p, between), d.month);
            p = put2(put_char(p, between), d.day);
            p = put_clock(put_char(p, f == 1 ? 'T' : ' '), of_day, true);
        } else if (f == 3) {
            p = put3(put_char(put2(p, d.day), '/'), MONTHS, d.month - 1);
            p = put2(put2(put_char(p, '/'), century), year);
            p = put_clock(put_char(p, ':'), of_day, true);
        } else if (f == 7) {
            p = put2(put2(put2(p, year), d.month), d.day);
            p = put_clock(put_char(p, ' '), of_day, false);
        } else {
            if (f == 6)
                p = put_char(put3(p, DAYS, date_weekday(days)), ' ');
            p = put_day_padded(put_char(put3(p, MONTHS, d.month - 1), ' '), d.day);
            p = put_clock(put_char(p, ' '), of_day, true);
            if (f == 6)
                p = put2(put2(put_char(p, ' '), century), year);
        }
        s->lens[f] = (uint8_t)(p - s->texts[f]);
        s->begins[(uint8_t)s->texts[f][0]] = true;
    }
}

void evstamp_use(struct evstamp *s, int64_t ns)
{
    if (s->lens[0] && (uint64_t)ns - (uint64_t)s->second_ns < (uint64_t)NS_S)
        return;
    write_all(s, date_floor(ns, NS_S) / NS_S);
    s->second_ns = s->second * NS_S;
    s->lens[0] = 1; /* written */
}

/* ns: of the second in s. */
static size_t put_fraction(const struct evstamp *s, int64_t ns, size_t digits, char *to)
{
    int64_t fraction = ns - s->second_ns;
    for (size_t i = digits; i < FRACTION_DIGITS_MAX; i++)
        fraction /= 10;
    for (size_t i = digits; i-- > 0; fraction /= 10)
        to[i] = (char)('0' + fraction % 10);
    return digits;
}

static bool is_word(uint8_t c)
{
    return (uint8_t)((c | 0x20) - 'a') < 26 || (uint8_t)(c - '0') < 10 || c == '_' || c >= 0x80;
}

static size_t match_fraction(const struct evstamp *s, struct slice rest, size_t at, int64_t ns, char *mark)
{
    char text[FRACTION_DIGITS_MAX];
    size_t digits = 0;
    if (at + 1 >= rest.len || (rest.ptr[at] != '.' && rest.ptr[at] != ','))
        return 0;
    while (at + 1 + digits < rest.len && digits <= FRACTION_DIGITS_MAX && (uint8_t)(rest.ptr[at + 1 + digits] - '0') < 10)
        digits++;
    if (digits != 3 && digits != 6 && digits != 9)
        return 0;
    put_fraction(s, ns, digits, text);
    *mark = digits == 3 ? EVSTAMP_MS : digits == 6 ? EVSTAMP_US : EVSTAMP_NS;
    return memcmp(text, rest.ptr + at + 1, digits) == 0 ? digits + 1 : 0;
}

size_t evstamp_match(struct evstamp *s, struct slice rest, int64_t ns, char *to, size_t *marks)
{
    evstamp_use(s, ns);
    *marks = 0;
    if (rest.len < HEAD_BYTES)
        return 0;
    for (int f = 1; f <= EVSTAMP_FORMATS; f++) {
        size_t len = s->lens[f];
        if (len == 0 || rest.len < len || memcmp(rest.ptr, s->texts[f], HEAD_BYTES) != 0 || memcmp(rest.ptr, s->texts[f], len) != 0)
            continue;
        char mark;
        size_t fraction = match_fraction(s, rest, len, ns, &mark), end = len + fraction;
        size_t behind = end < rest.len && rest.ptr[end] == 'Z' ? end + 1 : end;
        if (behind < rest.len && is_word((uint8_t)rest.ptr[behind]))
            return 0;
        to[(*marks)++] = (char)f;
        if (fraction) {
            to[(*marks)++] = rest.ptr[len];
            to[(*marks)++] = mark;
        }
        return end;
    }
    return 0;
}

size_t evstamp_write(struct evstamp *s, uint8_t mark, int64_t ns, char *to)
{
    evstamp_use(s, ns);
    if (mark == EVSTAMP_MS || mark == EVSTAMP_US || mark == EVSTAMP_NS)
        return put_fraction(s, ns, mark == EVSTAMP_MS ? 3 : mark == EVSTAMP_US ? 6 : 9, to);
    memcpy(to, s->texts[mark], s->lens[mark]);
    return s->lens[mark];
}

bool evstamp_has_month(uint8_t mark)
{
    return mark == 3 || mark == 4 || mark == 6;
}
