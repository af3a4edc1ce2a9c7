/* SPDX-License-Identifier: Apache-2.0 */
/* Layouts of times: "2006-01-02 15:04:05.000 -07:00". layout_next cuts off the next piece that stands for a part of a time and the
 * plain text before it; the writer prints the part, the reader takes it off the text. */
#include "base/date.h"
#include "base/num.h"
#include "query/gotmpl_time.h"
#include "query/token.h"
#include "sys/zone.h"

enum { DAY_S = 86400, FRACTION_DIGITS_MAX = 9, OFFSET_NONE = INT32_MAX };
#define ZERO_TIME_S INT64_C(-62135596800) /* 0001-01-01T00:00:00Z */

enum piece {
    PIECE_END,
    PIECE_MONTH_NAME,
    PIECE_MONTH_SHORT,
    PIECE_MONTH,
    PIECE_MONTH_2,
    PIECE_WEEKDAY_NAME,
    PIECE_WEEKDAY_SHORT,
    PIECE_DAY,
    PIECE_DAY_SPACE,
    PIECE_DAY_2,
    PIECE_YEAR_DAY_SPACE,
    PIECE_YEAR_DAY_3,
    PIECE_HOUR,
    PIECE_HOUR_12,
    PIECE_HOUR_12_2,
    PIECE_MINUTE,
    PIECE_MINUTE_2,
    PIECE_SECOND,
    PIECE_SECOND_2,
    PIECE_YEAR_4,
    PIECE_YEAR_2,
    PIECE_PM,
    PIECE_PM_SMALL,
    PIECE_ZONE,
    PIECE_OFFSET,        /* -0700 and its forms; is_iso: Z for 0 */
    PIECE_FRACTION,      /* .000 */
    PIECE_FRACTION_SHORT /* .999 */
};

struct layout_piece {
    enum piece kind;
    struct slice before; /* plain text */
    int digits;          /* FRACTION */
    char separator;      /* FRACTION: '.' or ',' */
    bool is_iso, has_colon, has_minutes, has_seconds; /* OFFSET */
};

static const struct slice months[] = {SLICE_INIT("January"), SLICE_INIT("February"), SLICE_INIT("March"),     SLICE_INIT("April"),
                                      SLICE_INIT("May"),     SLICE_INIT("June"),     SLICE_INIT("July"),      SLICE_INIT("August"),
                                      SLICE_INIT("September"), SLICE_INIT("October"), SLICE_INIT("November"), SLICE_INIT("December")};
static const struct slice weekdays[] = {SLICE_INIT("Sunday"),   SLICE_INIT("Monday"), SLICE_INIT("Tuesday"), SLICE_INIT("Wednesday"),
                                        SLICE_INIT("Thursday"), SLICE_INIT("Friday"), SLICE_INIT("Saturday")};
enum { SHORT_NAME_BYTES = 3 };

/* Longer ones first where one begins with another. A name is cut short only where no small letter follows: "Jan", not "Janet". */
static const struct {
    struct slice text;
    enum piece kind;
    bool is_short_name;
} pieces[] = {
    {SLICE_INIT("January"), PIECE_MONTH_NAME, false}, {SLICE_INIT("Jan"), PIECE_MONTH_SHORT, true},
    {SLICE_INIT("Monday"), PIECE_WEEKDAY_NAME, false}, {SLICE_INIT("Mon"), PIECE_WEEKDAY_SHORT, true},
    {SLICE_INIT("MST"), PIECE_ZONE, false},           {SLICE_INIT("002"), PIECE_YEAR_DAY_3, false},
    {SLICE_INIT("01"), PIECE_MONTH_2, false},         {SLICE_INIT("02"), PIECE_DAY_2, false},
    {SLICE_INIT("03"), PIECE_HOUR_12_2, false},       {SLICE_INIT("04"), PIECE_MINUTE_2, false},
    {SLICE_INIT("05"), PIECE_SECOND_2, false},        {SLICE_INIT("06"), PIECE_YEAR_2, false},
    {SLICE_INIT("15"), PIECE_HOUR, false},            {SLICE_INIT("1"), PIECE_MONTH, false},
    {SLICE_INIT("2006"), PIECE_YEAR_4, false},        {SLICE_INIT("2"), PIECE_DAY, false},
    {SLICE_INIT("__2"), PIECE_YEAR_DAY_SPACE, false}, {SLICE_INIT("_2"), PIECE_DAY_SPACE, false},
    {SLICE_INIT("3"), PIECE_HOUR_12, false},          {SLICE_INIT("4"), PIECE_MINUTE, false},
    {SLICE_INIT("5"), PIECE_SECOND, false},           {SLICE_INIT("PM"), PIECE_PM, false},
    {SLICE_INIT("pm"), PIECE_PM_SMALL, false},
};

/* -07, -0700, -07:00, -070000, -07:00:00, and the same with Z. */
static size_t offset_piece(struct slice s, struct layout_piece *p)
{
    static const struct slice forms[] = {SLICE_INIT("070000"), SLICE_INIT("07:00:00"), SLICE_INIT("0700"), SLICE_INIT("07:00"), SLICE_INIT("07")};
    if (s.ptr[0] != '-' && s.ptr[0] != 'Z')
        return 0;
    for (size_t i = 0; i < COUNT_OF(forms); i++) {
        if (!slice_starts(slice_skip(s, 1), forms[i]))
            continue;
        p->kind = PIECE_OFFSET;
        p->is_iso = s.ptr[0] == 'Z';
        p->has_colon = i == 1 || i == 3;
        p->has_seconds = i < 2;
        p->has_minutes = i < 4;
        return 1 + forms[i].len;
    }
    return 0;
}

static size_t fraction_piece(struct slice s, struct layout_piece *p)
{
    size_t n = 1;
    if ((s.ptr[0] != '.' && s.ptr[0] != ',') || s.len < 2 || (s.ptr[1] != '0' && s.ptr[1] != '9'))
        return 0;
    while (n < s.len && s.ptr[n] == s.ptr[1])
        n++;
    if (n < s.len && token_is_digit(s.ptr[n]))
        return 0;
    p->kind = s.ptr[1] == '0' ? PIECE_FRACTION : PIECE_FRACTION_SHORT;
    p->digits = (int)MIN(n - 1, (size_t)INT16_MAX);
    p->separator = s.ptr[0];
    return n;
}

static size_t named_piece(struct slice s, struct layout_piece *p)
{
    if (slice_starts(s, SLICE("_2006"))) /* '_' is plain there */
        return 0;
    for (size_t i = 0; i < COUNT_OF(pieces); i++) {
        if (!slice_starts(s, pieces[i].text))
            continue;
        char next = s.len > pieces[i].text.len ? s.ptr[pieces[i].text.len] : 0;
        if (pieces[i].is_short_name && next >= 'a' && next <= 'z')
            continue;
        p->kind = pieces[i].kind;
        return pieces[i].text.len;
    }
    return 0;
}

static struct layout_piece layout_next(struct slice *layout)
{
    struct layout_piece p = {.kind = PIECE_END, .before = *layout};
    for (size_t i = 0; i < layout->len; i++) {
        struct slice here = slice_skip(*layout, i);
        size_t n = named_piece(here, &p);
        n = n ? n : offset_piece(here, &p);
        n = n ? n : fraction_piece(here, &p);
        if (n == 0)
            continue;
        p.before = slice_sub(*layout, 0, i);
        *layout = slice_skip(here, n);
        return p;
    }
    *layout = SLICE_EMPTY;
    return p;
}

/* ---- writing ---- */

struct parts {
    struct date d;
    int64_t days;
    int hour, minute, second;
};

static void put_offset(const struct layout_piece *p, int32_t offset_s, struct buf *out)
{
    if (p->is_iso && offset_s == 0) {
        buf_char(out, 'Z');
        return;
    }
    int32_t off = offset_s < 0 ? -offset_s : offset_s;
    buf_printf(out, "%c%02d", offset_s < 0 ? '-' : '+', off / 3600);
    if (p->has_minutes)
        buf_printf(out, "%s%02d", p->has_colon ? ":" : "", off / 60 % 60);
    if (p->has_seconds)
        buf_printf(out, "%s%02d", p->has_colon ? ":" : "", off % 60);
}

static void put_fraction(const struct layout_piece *p, int32_t ns, struct buf *out)
{
    char digits[FRACTION_DIGITS_MAX + 1];
    int n = MIN(p->digits, FRACTION_DIGITS_MAX);
    for (int i = FRACTION_DIGITS_MAX - 1; i >= 0; i--, ns /= 10)
        digits[i] = (char)('0' + ns % 10);
    while (p->kind == PIECE_FRACTION_SHORT && n > 0 && digits[n - 1] == '0')
        n--;
    if (n == 0)
        return;
    buf_char(out, p->separator);
    buf_put(out, digits, (size_t)n);
    for (int i = FRACTION_DIGITS_MAX; p->kind == PIECE_FRACTION && i < p->digits; i++)
        buf_char(out, '0');
}

static void put_zone(const struct gotmpl_time *t, struct buf *out)
{
    int32_t off = t->offset_s < 0 ? -t->offset_s : t->offset_s;
    if (t->zone.len)
        buf_slice(out, t->zone);
    else
        buf_printf(out, "%c%02d%02d", t->offset_s < 0 ? '-' : '+', off / 3600, off / 60 % 60);
}

static void put_piece(const struct gotmpl_time *t, const struct parts *x, const struct layout_piece *p, struct buf *out)
{
    int hour_12 = x->hour % 12 ? x->hour % 12 : 12, year_day = (int)(x->days - date_days(x->d.year, 1, 1)) + 1;
    struct slice month = months[x->d.month - 1], weekday = weekdays[date_weekday(x->days)];
    long long year = x->d.year;
    switch (p->kind) {
    case PIECE_MONTH_NAME: buf_slice(out, month); break;
    case PIECE_MONTH_SHORT: buf_slice(out, slice_sub(month, 0, SHORT_NAME_BYTES)); break;
    case PIECE_MONTH: buf_printf(out, "%d", x->d.month); break;
    case PIECE_MONTH_2: buf_printf(out, "%02d", x->d.month); break;
    case PIECE_WEEKDAY_NAME: buf_slice(out, weekday); break;
    case PIECE_WEEKDAY_SHORT: buf_slice(out, slice_sub(weekday, 0, SHORT_NAME_BYTES)); break;
    case PIECE_DAY: buf_printf(out, "%d", x->d.day); break;
    case PIECE_DAY_SPACE: buf_printf(out, "%2d", x->d.day); break;
    case PIECE_DAY_2: buf_printf(out, "%02d", x->d.day); break;
    case PIECE_YEAR_DAY_SPACE: buf_printf(out, "%3d", year_day); break;
    case PIECE_YEAR_DAY_3: buf_printf(out, "%03d", year_day); break;
    case PIECE_HOUR: buf_printf(out, "%02d", x->hour); break;
    case PIECE_HOUR_12: buf_printf(out, "%d", hour_12); break;
    case PIECE_HOUR_12_2: buf_printf(out, "%02d", hour_12); break;
    case PIECE_MINUTE: buf_printf(out, "%d", x->minute); break;
    case PIECE_MINUTE_2: buf_printf(out, "%02d", x->minute); break;
    case PIECE_SECOND: buf_printf(out, "%d", x->second); break;
    case PIECE_SECOND_2: buf_printf(out, "%02d", x->second); break;
    case PIECE_YEAR_4: buf_printf(out, "%s%04lld", year < 0 ? "-" : "", year < 0 ? -year : year); break;
    case PIECE_YEAR_2: buf_printf(out, "%02lld", (year < 0 ? -year : year) % 100); break;
    case PIECE_PM: buf_slice(out, x->hour < 12 ? SLICE("AM") : SLICE("PM")); break;
    case PIECE_PM_SMALL: buf_slice(out, x->hour < 12 ? SLICE("am") : SLICE("pm")); break;
    case PIECE_ZONE: put_zone(t, out); break;
    case PIECE_OFFSET: put_offset(p, t->offset_s, out); break;
    case PIECE_FRACTION:
    case PIECE_FRACTION_SHORT: put_fraction(p, t->ns, out); break;
    case PIECE_END: break;
    }
}

void gotmpl_time_format(const struct gotmpl_time *t, struct slice layout, struct buf *out)
{
    int64_t local = sat_add(t->s, t->offset_s), days = date_floor(local, DAY_S) / DAY_S, rest = local - days * DAY_S;
    struct parts x = {date_of_days(days), days, (int)(rest / 3600), (int)(rest / 60 % 60), (int)(rest % 60)};
    struct layout_piece p;
    do {
        p = layout_next(&layout);
        buf_slice(out, p.before);
        put_piece(t, &x, &p, out);
    } while (p.kind != PIECE_END && !buf_over(out));
}

/* ---- reading ---- */

struct found {
    struct slice rest, layout; /* what is left of both */
    int year, month, day, year_day, hour, minute, second, ns; /* month, day and year_day -1: not there */
    bool pm, am, is_utc;
    int32_t offset_s; /* OFFSET_NONE: none */
    struct slice zone;
};

/* Takes from min to max digits. */
static bool take_number(struct found *f, size_t min, size_t max, int *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < max && n < f->rest.len && token_is_digit(f->rest.ptr[n]); n++)
        *out = *out * 10 + (f->rest.ptr[n] - '0');
    f->rest = slice_skip(f->rest, n);
    return n >= min;
}

static bool take_name(struct found *f, const struct slice *names, size_t count, size_t bytes_max, int *out)
{
    for (size_t i = 0; i < count; i++) {
        struct slice name = slice_sub(names[i], 0, bytes_max);
        if (!slice_eq_nocase(slice_sub(f->rest, 0, name.len), name))
            continue;
        f->rest = slice_skip(f->rest, name.len);
        *out = (int)i + 1;
        return true;
    }
    return false;
}

/* Runs of spaces are like one another. */
static bool take_plain(struct found *f, struct slice plain)
{
    while (plain.len) {
        bool is_space = plain.ptr[0] == ' ';
        if (is_space ? f->rest.len && f->rest.ptr[0] != ' ' : f->rest.len == 0 || f->rest.ptr[0] != plain.ptr[0])
            return false;
        do {
            plain = slice_skip(plain, 1);
        } while (is_space && plain.len && plain.ptr[0] == ' ');
        do {
            f->rest = slice_skip(f->rest, 1);
        } while (is_space && f->rest.len && f->rest.ptr[0] == ' ');
    }
    return true;
}

/* ".123": the separator and its digits. */
static void take_fraction(struct found *f, size_t digits)
{
    int64_t ns = 0;
    for (size_t i = 0; i < FRACTION_DIGITS_MAX; i++)
        ns = ns * 10 + (i < digits ? f->rest.ptr[1 + i] - '0' : 0);
    f->ns = (int)ns;
    f->rest = slice_skip(f->rest, 1 + digits);
}

static size_t fraction_digits(const struct found *f)
{
    size_t n = 0;
    if (f->rest.len == 0 || (f->rest.ptr[0] != '.' && f->rest.ptr[0] != ','))
        return 0;
    while (1 + n < f->rest.len && token_is_digit(f->rest.ptr[1 + n]))
        n++;
    return n;
}

/* A fraction behind the seconds is taken even when the layout has none. */
static bool take_second(struct found *f, size_t min)
{
    if (!take_number(f, min, 2, &f->second) || f->second > 59)
        return false;
    struct slice layout = f->layout;
    enum piece next = layout_next(&layout).kind;
    size_t n = fraction_digits(f);
    if (n && next != PIECE_FRACTION && next != PIECE_FRACTION_SHORT)
        take_fraction(f, n);
    return true;
}

static bool take_offset(struct found *f, const struct layout_piece *p)
{
    int hour = 0, minute = 0, second = 0;
    if (p->is_iso && f->rest.len && f->rest.ptr[0] == 'Z') {
        f->rest = slice_skip(f->rest, 1);
        f->is_utc = true;
        return true;
    }
    if (f->rest.len == 0 || (f->rest.ptr[0] != '+' && f->rest.ptr[0] != '-'))
        return false;
    int sign = f->rest.ptr[0] == '-' ? -1 : 1;
    f->rest = slice_skip(f->rest, 1);
    struct slice colon = p->has_colon ? SLICE(":") : SLICE_EMPTY;
    bool good = take_number(f, 2, 2, &hour);
    if (good && p->has_minutes)
        good = take_plain(f, colon) && take_number(f, 2, 2, &minute);
    if (good && p->has_seconds)
        good = take_plain(f, colon) && take_number(f, 2, 2, &second);
    f->offset_s = sign * (hour * 3600 + minute * 60 + second);
    return good && hour <= 24 && minute <= 60 && second <= 60;
}

/* CET, CEST, WITA, GMT-3, +03. */
static bool take_zone(struct found *f)
{
    size_t n = 0, len = f->rest.len;
    const char *s = f->rest.ptr;
    if (slice_starts(f->rest, SLICE("UTC"))) {
        f->rest = slice_skip(f->rest, 3);
        f->is_utc = true;
        return true;
    }
    while (n < len && n < 6 && s[n] >= 'A' && s[n] <= 'Z')
        n++;
    bool is_mixed = slice_starts(f->rest, SLICE("ChST")) || slice_starts(f->rest, SLICE("MeST"));
    bool is_signed = len && (s[0] == '+' || s[0] == '-'), is_gmt = slice_starts(f->rest, SLICE("GMT"));
    if (is_mixed)
        n = 4;
    if (is_signed || is_gmt) {
        size_t from = is_gmt ? 3 : 0, end = from + 1;
        n = from;
        while (from < len && (s[from] == '+' || s[from] == '-') && end < len && end < from + 3 && token_is_digit(s[end]))
            n = ++end;
    } else if (!is_mixed && (n < 3 || n > 5 || (n == 5 && s[4] != 'T') || (n == 4 && s[3] != 'T' && !slice_starts(f->rest, SLICE("WITA"))))) {
        return false;
    }
    f->zone = slice_sub(f->rest, 0, n);
    f->rest = slice_skip(f->rest, n);
    return n >= 3;
}

static bool take_pm(struct found *f, struct slice pm, struct slice am)
{
    f->pm |= slice_starts(f->rest, pm);
    f->am |= slice_starts(f->rest, am);
    bool good = slice_starts(f->rest, pm) || slice_starts(f->rest, am);
    f->rest = slice_skip(f->rest, 2);
    return good;
}

static bool take_time_piece(struct found *f, const struct layout_piece *p);

static bool take_piece(struct found *f, const struct layout_piece *p)
{
    int ignored;
    switch (p->kind) {
    case PIECE_YEAR_4: return take_number(f, 4, 4, &f->year);
    case PIECE_YEAR_2:
        if (!take_number(f, 2, 2, &f->year))
            return false;
        f->year += f->year >= 69 ? 1900 : 2000;
        return true;
    case PIECE_MONTH_NAME: return take_name(f, months, COUNT_OF(months), SIZE_MAX, &f->month);
    case PIECE_MONTH_SHORT: return take_name(f, months, COUNT_OF(months), SHORT_NAME_BYTES, &f->month);
    case PIECE_MONTH:
    case PIECE_MONTH_2: return take_number(f, p->kind == PIECE_MONTH ? 1 : 2, 2, &f->month) && f->month >= 1 && f->month <= 12;
    case PIECE_WEEKDAY_NAME: return take_name(f, weekdays, COUNT_OF(weekdays), SIZE_MAX, &ignored);
    case PIECE_WEEKDAY_SHORT: return take_name(f, weekdays, COUNT_OF(weekdays), SHORT_NAME_BYTES, &ignored);
    case PIECE_DAY_SPACE:
        if (f->rest.len && f->rest.ptr[0] == ' ')
            f->rest = slice_skip(f->rest, 1);
        return take_number(f, 1, 2, &f->day);
    case PIECE_DAY: return take_number(f, 1, 2, &f->day);
    case PIECE_DAY_2: return take_number(f, 2, 2, &f->day);
    case PIECE_YEAR_DAY_SPACE:
        for (int i = 0; i < 2 && f->rest.len && f->rest.ptr[0] == ' '; i++)
            f->rest = slice_skip(f->rest, 1);
        return take_number(f, 1, 3, &f->year_day);
    case PIECE_YEAR_DAY_3: return take_number(f, 3, 3, &f->year_day);
    default: return take_time_piece(f, p);
    }
}

static bool take_time_piece(struct found *f, const struct layout_piece *p)
{
    size_t n;
    switch (p->kind) {
    case PIECE_HOUR: return take_number(f, 1, 2, &f->hour) && f->hour < 24;
    case PIECE_HOUR_12: return take_number(f, 1, 2, &f->hour) && f->hour <= 12;
    case PIECE_HOUR_12_2: return take_number(f, 2, 2, &f->hour) && f->hour <= 12;
    case PIECE_MINUTE: return take_number(f, 1, 2, &f->minute) && f->minute < 60;
    case PIECE_MINUTE_2: return take_number(f, 2, 2, &f->minute) && f->minute < 60;
    case PIECE_SECOND: return take_second(f, 1);
    case PIECE_SECOND_2: return take_second(f, 2);
    case PIECE_PM: return take_pm(f, SLICE("PM"), SLICE("AM"));
    case PIECE_PM_SMALL: return take_pm(f, SLICE("pm"), SLICE("am"));
    case PIECE_OFFSET: return take_offset(f, p);
    case PIECE_ZONE: return take_zone(f);
    case PIECE_FRACTION:
        if (fraction_digits(f) < (size_t)p->digits)
            return false;
        take_fraction(f, (size_t)p->digits);
        return true;
    case PIECE_FRACTION_SHORT:
        n = fraction_digits(f);
        if (n)
            take_fraction(f, n);
        return true;
    default: return false;
    }
}

/* The moment of a local time: the offset before a change of the zone's time holds for what the change leaves out. */
static struct gotmpl_time in_zone(const struct zone *z, int64_t local, int32_t ns)
{
    struct gotmpl_time t = {.s = local, .ns = ns, .zone = SLICE("UTC")};
    if (z == NULL)
        return t;
    int64_t offset = zone_offset_s(z, local);
    if (zone_offset_s(z, local - offset) != offset)
        offset = zone_offset_s(z, local - offset);
    t.s = local - offset;
    return gotmpl_time_in(z, t);
}

static bool settle(struct found *f, const struct zone *z, struct gotmpl_time *out)
{
    int64_t gmt_hours = 0;
    if (f->year_day >= 0) {
        int64_t days = date_days(f->year, 1, 1) + f->year_day - 1;
        struct date d = date_of_days(days);
        if (f->year_day < 1 || d.year != f->year || (f->month >= 0 && f->month != d.month) || (f->day >= 0 && f->day != d.day))
            return false;
        f->month = d.month;
        f->day = d.day;
    }
    f->month = f->month < 0 ? 1 : f->month;
    f->day = f->day < 0 ? 1 : f->day;
    if (f->day < 1 || f->day > date_days_in_month(f->year, f->month))
        return false;
    if (f->pm && f->hour < 12)
        f->hour += 12;
    else if (f->am && f->hour == 12)
        f->hour = 0;
    int64_t local = date_days(f->year, f->month, f->day) * DAY_S + f->hour * 3600 + f->minute * 60 + f->second;
    *out = in_zone(f->is_utc || f->offset_s != OFFSET_NONE || f->zone.len ? NULL : z, local, f->ns);
    if (f->is_utc)
        return true;
    if (f->offset_s != OFFSET_NONE) {
        out->s -= f->offset_s;
        struct gotmpl_time there = gotmpl_time_in(z, *out);
        bool fits = there.offset_s == f->offset_s && (f->zone.len == 0 || slice_eq(f->zone, there.zone));
        if (!fits)
            out->offset_s = f->offset_s;
        *out = fits ? there : *out;
        if (!fits)
            out->zone = f->zone;
    } else if (f->zone.len) { /* an abbreviation: the zone's own, or one whose offset nobody knows */
        struct gotmpl_time there = in_zone(z, local, f->ns);
        bool fits = slice_eq(there.zone, f->zone);
        if (fits)
            *out = there;
        out->zone = f->zone;
        if (!fits && f->zone.len > 3 && num_parse_i64(slice_skip(f->zone, f->zone.ptr[3] == '+' ? 4 : 3), &gmt_hours))
            out->offset_s = (int32_t)gmt_hours * 3600;
    }
    return true;
}

bool gotmpl_time_parse(struct slice layout, struct slice text, const struct zone *z, struct gotmpl_time *out)
{
    struct found f = {.rest = text, .layout = layout, .month = -1, .day = -1, .year_day = -1, .offset_s = OFFSET_NONE};
    struct layout_piece p;
    bool good;
    do {
        p = layout_next(&f.layout);
        good = take_plain(&f, p.before) && (p.kind == PIECE_END || take_piece(&f, &p));
    } while (good && p.kind != PIECE_END);
    if (good && f.rest.len == 0 && settle(&f, z, out))
        return true;
    *out = (struct gotmpl_time){.s = ZERO_TIME_S, .zone = SLICE("UTC")};
    return false;
}
