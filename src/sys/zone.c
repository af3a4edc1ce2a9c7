/* SPDX-License-Identifier: Apache-2.0 */
/* Time zones from the system's zoneinfo files (RFC 8536): the table of changes, and beyond it the rule of the footer, which
 * names two offsets and the days on which they begin ("CET-1CEST,M3.5.0,M10.5.0/3"). */
#include "sys/zone.h"

#include "base/buf.h"
#include "base/date.h"
#include "sys/file.h"

enum { ZONE_FILE_BYTES_MAX = 256 * KIB, ZONE_NAME_BYTES_MAX = 100, HEADER_BYTES = 44, TYPE_BYTES = 6, DAY_S = 86400 };
#define ZONE_FOLDER "/usr/share/zoneinfo/"

struct zone_rule { /* Mmonth.week.weekday/time */
    int month, week, weekday;
    int64_t time_s;
};
struct zone {
    size_t count;
    int64_t *times;
    int32_t *offsets, first;
    struct slice *names, first_name, winter_name, summer_name;
    bool has_footer, has_summer;
    int32_t winter_s, summer_s;
    struct zone_rule start, end;
};

static int64_t be(struct slice s, size_t at, size_t bytes)
{
    uint64_t v = 0;
    for (size_t i = 0; i < bytes; i++)
        v = v << 8 | (uint8_t)s.ptr[at + i];
    return bytes == 4 ? (int64_t)(int32_t)v : (int64_t)v;
}

/* ---- the footer ---- */

static bool letters(struct slice *s, struct slice *name)
{
    size_t n = 0;
    bool angled = s->len && s->ptr[0] == '<';
    while (n < s->len && (angled ? s->ptr[n] != '>' : ((s->ptr[n] | 32) >= 'a' && (s->ptr[n] | 32) <= 'z')))
        n++;
    *name = slice_sub(*s, angled, n);
    *s = slice_skip(*s, n + angled);
    return n > 0;
}

static bool digits(struct slice *s, int *out)
{
    size_t n = 0;
    *out = 0;
    for (; n < s->len && n < 3 && s->ptr[n] >= '0' && s->ptr[n] <= '9'; n++)
        *out = *out * 10 + (s->ptr[n] - '0');
    *s = slice_skip(*s, n);
    return n > 0;
}

/* [+-]h[:m[:s]] */
static bool hours(struct slice *s, int64_t *out)
{
    static const int unit[] = {3600, 60, 1};
    bool minus = s->len && s->ptr[0] == '-';
    int v;
    *out = 0;
    if (s->len && (minus || s->ptr[0] == '+'))
        *s = slice_skip(*s, 1);
    for (size_t i = 0; i < COUNT_OF(unit); i++) {
        if (i > 0 && (s->len == 0 || s->ptr[0] != ':'))
            break;
        if (i > 0)
            *s = slice_skip(*s, 1);
        if (!digits(s, &v))
            return false;
        *out += (int64_t)v * unit[i];
    }
    *out = minus ? -*out : *out;
    return true;
}

static bool rule_read(struct slice *s, struct zone_rule *out)
{
    if (!slice_starts(*s, SLICE(",M")))
        return false;
    *s = slice_skip(*s, 2);
    out->time_s = 2 * 3600;
    if (!digits(s, &out->month) || !slice_starts(*s, SLICE(".")))
        return false;
    *s = slice_skip(*s, 1);
    if (!digits(s, &out->week) || !slice_starts(*s, SLICE(".")))
        return false;
    *s = slice_skip(*s, 1);
    if (!digits(s, &out->weekday) || out->month < 1 || out->month > 12)
        return false;
    if (!slice_starts(*s, SLICE("/")))
        return true;
    *s = slice_skip(*s, 1);
    return hours(s, &out->time_s);
}

static void footer_read(struct zone *z, struct slice s)
{
    int64_t off;
    if (!letters(&s, &z->winter_name) || !hours(&s, &off))
        return;
    z->winter_s = (int32_t)-off; /* POSIX counts west */
    z->has_footer = true;
    if (!letters(&s, &z->summer_name))
        return;
    off -= 3600;
    if (s.len && s.ptr[0] != ',' && !hours(&s, &off))
        return;
    z->summer_s = (int32_t)-off;
    z->has_summer = rule_read(&s, &z->start) && rule_read(&s, &z->end);
}

/* ---- the file ---- */

/* The name of type t, which ends in a zero byte among the characters. */
static struct slice name_of(struct slice chars, uint8_t from)
{
    struct slice rest = slice_skip(chars, from);
    return slice_sub(rest, 0, slice_find_char(rest, 0, 0));
}

static enum status parse(struct arena *a, struct slice name, struct slice s, struct zone **out, struct err *err)
{
    struct zone *z = arena_new_of(a, struct zone);
    size_t at = 0;
    int64_t n[6] = {0}; /* isutc, isstd, leap, times, types, chars */
    for (int block = 0; block < 2; block++) { /* the second has 64 bits */
        size_t width = block ? 8 : 4;
        if (s.len < at + HEADER_BYTES || !slice_starts(slice_skip(s, at), SLICE("TZif")) || s.ptr[at + 4] < '2')
            return err_set(err, ST_INVALID, "the file of time zone \"%.*s\" is of an unknown form", SLICE_FMT(name));
        for (size_t i = 0; i < COUNT_OF(n); i++) {
            n[i] = be(s, at + 20 + i * 4, 4);
            if (n[i] < 0 || n[i] > ZONE_FILE_BYTES_MAX)
                return err_set(err, ST_INVALID, "the file of time zone \"%.*s\" is damaged", SLICE_FMT(name));
        }
        at += HEADER_BYTES;
        size_t times = (size_t)n[3], types = (size_t)n[4], size = times * width + times + types * TYPE_BYTES + (size_t)n[5] +
                                                                    (size_t)n[2] * (width + 4) + (size_t)n[1] + (size_t)n[0];
        if (s.len - at < size || types == 0)
            return err_set(err, ST_INVALID, "the file of time zone \"%.*s\" is damaged", SLICE_FMT(name));
        if (block == 1) {
            size_t index = at + times * 8, type = index + times;
            struct slice chars = slice_sub(s, type + types * TYPE_BYTES, type + types * TYPE_BYTES + (size_t)n[5]);
            z->count = times;
            z->times = arena_array(a, int64_t, times);
            z->offsets = arena_array(a, int32_t, times);
            z->names = arena_array(a, struct slice, times);
            z->first = (int32_t)be(s, type, 4);
            z->first_name = name_of(chars, (uint8_t)s.ptr[type + TYPE_BYTES - 1]);
            for (size_t i = 0; i < times; i++) {
                size_t t = MIN((size_t)(uint8_t)s.ptr[index + i], types - 1);
                z->times[i] = be(s, at + i * 8, 8);
                z->offsets[i] = (int32_t)be(s, type + t * TYPE_BYTES, 4);
                z->names[i] = name_of(chars, (uint8_t)s.ptr[type + t * TYPE_BYTES + TYPE_BYTES - 1]);
            }
        }
        at += size;
    }
    footer_read(z, slice_trim(slice_skip(s, at)));
    *out = z;
    return ST_OK;
}

enum status zone_read(struct arena *a, struct slice name, struct zone **out, struct err *err)
{
    struct buf b;
    bool good = name.len && name.len <= ZONE_NAME_BYTES_MAX && !slice_contains(name, SLICE("..")) && name.ptr[0] != '/';
    for (size_t i = 0; good && i < name.len; i++)
        good = name.ptr[i] > ' ' && name.ptr[i] < 0x7f;
    if (!good)
        return err_set(err, ST_INVALID, "found \"%.*s\", allowed is UTC or a name such as Europe/Berlin", SLICE_FMT(name));
    buf_init(&b, 0);
    enum status st = fs_read_all(fs_real(), arena_printf(a, ZONE_FOLDER "%.*s", SLICE_FMT(name)).ptr, ZONE_FILE_BYTES_MAX, &b, err);
    if (st)
        st = err_set(err, ST_INVALID, "time zone \"%.*s\" is not known to this system (" ZONE_FOLDER ")", SLICE_FMT(name));
    else
        st = parse(a, name, arena_copy(a, buf_as_slice(&b)), out, err);
    buf_free(&b);
    return st;
}

/* When the rule's moment of that year comes, by the offset in force before it. */
static int64_t moment(const struct zone_rule *r, int64_t year, int32_t offset_s)
{
    int64_t first = date_days(year, r->month, 1);
    int day = 1 + (r->weekday - date_weekday(first) + 7) % 7 + (r->week - 1) * 7;
    while (day > date_days_in_month(year, r->month))
        day -= 7;
    return (first + day - 1) * DAY_S + r->time_s - offset_s;
}

static int64_t zone_at(const struct zone *z, int64_t t, struct slice *name)
{
    size_t low = 0, high = z->count;
    if (z->has_footer && (z->count == 0 || t >= z->times[z->count - 1])) {
        *name = z->winter_name;
        if (!z->has_summer)
            return z->winter_s;
        int64_t year = date_of_days(date_floor(t + z->winter_s, DAY_S) / DAY_S).year;
        int64_t start = moment(&z->start, year, z->winter_s), end = moment(&z->end, year, z->summer_s);
        bool summer = start < end ? t >= start && t < end : t >= start || t < end;
        *name = summer ? z->summer_name : z->winter_name;
        return summer ? z->summer_s : z->winter_s;
    }
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (z->times[mid] <= t)
            low = mid + 1;
        else
            high = mid;
    }
    *name = low ? z->names[low - 1] : z->first_name;
    return low ? z->offsets[low - 1] : z->first;
}

int64_t zone_offset_s(const struct zone *z, int64_t unix_s)
{
    struct slice name;
    return zone_at(z, unix_s, &name);
}

struct slice zone_short_name(const struct zone *z, int64_t unix_s)
{
    struct slice name;
    zone_at(z, unix_s, &name);
    return name;
}
