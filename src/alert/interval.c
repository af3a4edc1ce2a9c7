/* SPDX-License-Identifier: Apache-2.0 */
/* Time intervals: what part of the week, month or year a route rests or works in.
 * https://prometheus.io/docs/alerting/latest/configuration/#time_interval */
#include "alert/setup.h"
#include "base/date.h"
#include "base/num.h"

enum { DAY_MINUTES = 24 * 60, DAY_S = 86400, SPANS_MAX = 366 };

static const struct slice weekdays[] = {SLICE_INIT("sunday"),   SLICE_INIT("monday"), SLICE_INIT("tuesday"), SLICE_INIT("wednesday"),
                                        SLICE_INIT("thursday"), SLICE_INIT("friday"), SLICE_INIT("saturday")};
static const struct slice months[] = {SLICE_INIT("january"), SLICE_INIT("february"), SLICE_INIT("march"),     SLICE_INIT("april"),
                                      SLICE_INIT("may"),     SLICE_INIT("june"),     SLICE_INIT("july"),      SLICE_INIT("august"),
                                      SLICE_INIT("september"), SLICE_INIT("october"), SLICE_INIT("november"), SLICE_INIT("december")};

/* What one kind of spans may hold. */
struct kind {
    struct slice key;
    const struct slice *names;
    size_t name_count;
    int first; /* the number of names[0] */
    int min, max;
    const char *example;
};
static const struct kind kinds[] = {
    {SLICE_INIT("weekdays"), weekdays, COUNT_OF(weekdays), 0, 0, 6, "monday:friday"},
    {SLICE_INIT("days_of_month"), NULL, 0, 0, -31, 31, "1:5 or -3:-1"},
    {SLICE_INIT("months"), months, COUNT_OF(months), 1, 1, 12, "january:march or 1:3"},
    {SLICE_INIT("years"), NULL, 0, 0, 0, 9999, "2026 or 2026:2028"},
};

static bool word_read(const struct kind *k, struct slice word, int *out)
{
    int64_t n;
    word = slice_trim(word);
    for (size_t i = 0; i < k->name_count; i++) {
        if (slice_eq_nocase(word, k->names[i])) {
            *out = k->first + (int)i;
            return true;
        }
    }
    /* A day of the week is said by name alone. */
    if (k->names == weekdays || !num_parse_i64(word, &n) || n < k->min || n > k->max || (n == 0 && k->min < 0))
        return false;
    *out = (int)n;
    return true;
}

static enum status spans_read(struct arena *a, const struct yaml_node *n, const struct kind *k, struct span **out, size_t *count,
                              struct err *err)
{
    struct slice *texts = NULL, from, to;
    *count = 0;
    if (yaml_get(n, k->key) == NULL)
        return ST_OK;
    enum status st = yaml_texts(a, n, k->key, &texts, count, err);
    if (st)
        return st;
    if (*count > SPANS_MAX)
        return yaml_fail(n, err, "%.*s: more than %d", SLICE_FMT(k->key), SPANS_MAX);
    *out = arena_array(a, struct span, *count);
    for (size_t i = 0; i < *count; i++) {
        struct span *s = &(*out)[i];
        bool both = slice_cut(texts[i], ':', &from, &to);
        bool good = word_read(k, from, &s->from) && word_read(k, both ? to : from, &s->to);
        if (!good || (s->from > s->to && (s->from < 0) == (s->to < 0)) || (s->from < 0 && s->to > 0))
            return yaml_fail(yaml_get(n, k->key), err, "%.*s: found \"%.*s\", allowed is for example %s", SLICE_FMT(k->key), SLICE_FMT(texts[i]),
                             k->example);
    }
    return ST_OK;
}

static bool time_read(struct slice text, int *out)
{
    struct slice h, m;
    uint64_t hours, minutes;
    if (text.len != 5 || !slice_cut(text, ':', &h, &m) || !num_parse_u64(h, &hours) || !num_parse_u64(m, &minutes) || minutes > 59)
        return false;
    *out = (int)(hours * 60 + minutes);
    return *out <= DAY_MINUTES;
}

static enum status times_read(struct arena *a, const struct yaml_node *n, struct interval_part *out, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("start_time"), SLICE_INIT("end_time")};
    const struct yaml_node *list = yaml_get(n, SLICE("times"));
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE || list->count > SPANS_MAX)
        return yaml_fail(list, err, "times: expected a list of {start_time, end_time}, at most %d", SPANS_MAX);
    out->times = arena_array(a, struct span, list->count);
    for (size_t i = 0; i < list->count; i++) {
        struct slice start = SLICE_EMPTY, end = SLICE_EMPTY;
        struct span *s = &out->times[i];
        enum status st = yaml_only(list->items[i], keys, COUNT_OF(keys), err);
        if (!st)
            st = yaml_text(list->items[i], keys[0], &start, err);
        if (!st)
            st = yaml_text(list->items[i], keys[1], &end, err);
        if (!st && (!time_read(start, &s->from) || !time_read(end, &s->to) || s->from >= s->to))
            return yaml_fail(list->items[i], err, "times: found \"%.*s\" to \"%.*s\", allowed is 00:00 to 24:00, the start first; a night is two",
                             SLICE_FMT(start), SLICE_FMT(end));
        if (st)
            return st;
    }
    out->time_count = list->count;
    return ST_OK;
}

static enum status part_read(struct arena *a, const struct yaml_node *n, struct interval_part *out, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("times"),  SLICE_INIT("weekdays"), SLICE_INIT("days_of_month"),
                                        SLICE_INIT("months"), SLICE_INIT("years"),    SLICE_INIT("location")};
    struct slice location = SLICE_EMPTY;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = times_read(a, n, out, err);
    if (!st)
        st = spans_read(a, n, &kinds[0], &out->weekdays, &out->weekday_count, err);
    if (!st)
        st = spans_read(a, n, &kinds[1], &out->days, &out->day_count, err);
    if (!st)
        st = spans_read(a, n, &kinds[2], &out->months, &out->month_count, err);
    if (!st)
        st = spans_read(a, n, &kinds[3], &out->years, &out->year_count, err);
    if (!st)
        st = yaml_text(n, SLICE("location"), &location, err);
    if (!st && location.len && !slice_eq(location, SLICE("UTC"))) {
        struct err why;
        if (zone_read(a, location, &out->zone, &why))
            return yaml_fail(yaml_get(n, SLICE("location")), err, "location: %s", why.text);
    }
    return st;
}

enum status interval_read(struct arena *a, const struct yaml_node *n, struct interval *out, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("name"), SLICE_INIT("time_intervals")};
    *out = (struct interval){.name = SLICE_EMPTY};
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &out->name, err);
    if (!st && out->name.len == 0)
        return yaml_fail(n, err, "a time interval needs a name");
    const struct yaml_node *list = yaml_get(n, keys[1]);
    if (!st && list && list->type != YAML_SEQUENCE)
        return yaml_fail(list, err, "time_intervals: expected a list");
    if (st || list == NULL)
        return st;
    if (list->count > SPANS_MAX)
        return yaml_fail(list, err, "time_intervals: more than %d", SPANS_MAX);
    out->parts = arena_zalloc(a, list->count * sizeof *out->parts);
    out->part_count = list->count;
    for (size_t i = 0; !st && i < list->count; i++)
        st = part_read(a, list->items[i], &out->parts[i], err);
    return st;
}

static bool is_in(const struct span *list, size_t count, int v)
{
    for (size_t i = 0; i < count; i++)
        if (v >= list[i].from && v <= list[i].to)
            return true;
    return count == 0;
}

/* Negative days count from the end of the month. */
static bool day_is_in(const struct span *list, size_t count, int day, int last)
{
    for (size_t i = 0; i < count; i++) {
        int from = list[i].from < 0 ? last + 1 + list[i].from : list[i].from, to = list[i].to < 0 ? last + 1 + list[i].to : list[i].to;
        if (day >= from && day <= to)
            return true;
    }
    return count == 0;
}

static bool time_is_in(const struct span *list, size_t count, int minute)
{
    for (size_t i = 0; i < count; i++)
        if (minute >= list[i].from && minute < list[i].to)
            return true;
    return count == 0;
}

static bool part_holds(const struct interval_part *p, int64_t unix_s)
{
    int64_t local_s = unix_s + (p->zone ? zone_offset_s(p->zone, unix_s) : 0), days = date_floor(local_s, DAY_S) / DAY_S;
    struct date d = date_of_days(days);
    int minute = (int)((local_s - days * DAY_S) / 60);
    return time_is_in(p->times, p->time_count, minute) && is_in(p->weekdays, p->weekday_count, date_weekday(days)) &&
           day_is_in(p->days, p->day_count, d.day, date_days_in_month(d.year, d.month)) && is_in(p->months, p->month_count, d.month) &&
           is_in(p->years, p->year_count, (int)d.year);
}

bool interval_holds(const struct interval *in, int64_t wall_ns)
{
    for (size_t i = 0; i < in->part_count; i++)
        if (part_holds(&in->parts[i], wall_ns / NS_S))
            return true;
    return false;
}
