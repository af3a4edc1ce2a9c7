/* SPDX-License-Identifier: Apache-2.0 */
/* Series with points, as scripts write them. A point is a number, "_" (none), "stale", or a run of them: 1+2x3 counts 1, 3, 5, 7;
 * 4x2 says 4 three times; _x5 leaves five places out; {{...}} is a native histogram, which repeats in the same ways. */
#include "base/num.h"
#include "promql/script.h"
#include "query/token.h"

bool script_number(struct slice text, double *out, size_t *len)
{
    size_t i = 0, digits = 0;
    if (i < text.len && (text.ptr[i] == '+' || text.ptr[i] == '-'))
        i++;
    struct slice word = slice_sub(text, i, i + 3);
    if (slice_eq_nocase(word, SLICE("inf")) || slice_eq_nocase(word, SLICE("nan"))) {
        *len = i + 3;
        return num_parse_double(slice_sub(text, 0, *len), out);
    }
    for (; i < text.len && (token_is_digit(text.ptr[i]) || text.ptr[i] == '.'); i++)
        digits += text.ptr[i] != '.';
    if (digits == 0)
        return false;
    if (i + 1 < text.len && (text.ptr[i] | 0x20) == 'e') {
        size_t k = i + 1;
        if (text.ptr[k] == '+' || text.ptr[k] == '-')
            k++;
        if (k < text.len && token_is_digit(text.ptr[k])) {
            while (k < text.len && token_is_digit(text.ptr[k]))
                k++;
            i = k;
        }
    }
    *len = i;
    struct slice number = slice_sub(text, 0, i);
    return num_parse_double(number.ptr[0] == '+' ? slice_skip(number, 1) : number, out);
}

static bool take_times(struct slice *s, uint64_t *times)
{
    size_t n = 1;
    *times = 0;
    if (s->len == 0 || s->ptr[0] != 'x')
        return true;
    while (n < s->len && token_is_digit(s->ptr[n]))
        n++;
    bool ok = num_parse_u64(slice_sub(*s, 1, n), times) && *times <= SCRIPT_POINTS_MAX;
    *s = slice_skip(*s, n);
    return ok;
}

static void put(struct arena *a, struct script_points *p, double v, bool tells_hint)
{
    ARENA_PUSH(a, p->tells_hint, p->told, p->told_cap) = tells_hint;
    ARENA_PUSH(a, p->list, p->count, p->cap) = (struct sample){ (int64_t)p->next++, v };
}

/* One piece without blanks. */
static bool take_points(struct arena *a, struct slice s, struct script_points *p)
{
    uint64_t times;
    double v, step = 0;
    size_t n;
    if (s.ptr[0] == '_') {
        s = slice_skip(s, 1);
        if (!take_times(&s, &times) || s.len)
            return false;
        p->next += times ? times : 1;
        return p->next <= SCRIPT_POINTS_MAX;
    }
    bool stale = slice_starts(s, SLICE("stale"));
    if (stale) {
        v = double_of_bits(STALE_NAN_BITS);
        s = slice_skip(s, 5);
    } else {
        if (!script_number(s, &v, &n))
            return false;
        s = slice_skip(s, n);
        if (s.len && (s.ptr[0] == '+' || s.ptr[0] == '-')) {
            if (!script_number(s, &step, &n))
                return false;
            s = slice_skip(s, n);
            if (s.len == 0 || s.ptr[0] != 'x')
                return false;
        }
    }
    if (!take_times(&s, &times) || s.len || p->next + times > SCRIPT_POINTS_MAX)
        return false;
    for (uint64_t i = 0; i <= times; i++, v = stale ? v : v + step)
        put(a, p, v, false);
    return true;
}

/* One histogram, or a run of them: {{...}}x3 is four of the same, {{...}}+{{...}}x3 adds the second three times. */
static enum status take_histograms(struct arena *a, struct slice *rest, struct script_points *p, struct err *err)
{
    static const char *const cannot = "a histogram cannot be read";
    struct histogram *h = NULL, *step = NULL;
    struct histogram_note note = { 0 };
    struct slice text = *rest;
    uint64_t times = 0;
    bool tells_hint, is_sum = true;
    if (!script_histogram(a, rest, &h, &tells_hint))
        return err_set(err, ST_INVALID, "%s: %.*s", cannot, SLICE_FMT(text));
    if (rest->len > 2 && (rest->ptr[0] == '+' || rest->ptr[0] == '-') && slice_starts(slice_skip(*rest, 1), SLICE("{{"))) {
        is_sum = rest->ptr[0] == '+';
        *rest = slice_skip(*rest, 1);
        if (!script_histogram(a, rest, &step, &tells_hint))
            return err_set(err, ST_INVALID, "%s: %.*s", cannot, SLICE_FMT(text));
    }
    bool has_times = rest->len && rest->ptr[0] == 'x';
    if (!take_times(rest, &times) || (step && !has_times) || (rest->len && !token_is_space(rest->ptr[0])) || p->next + times > SCRIPT_POINTS_MAX)
        return err_set(err, ST_INVALID, "%s: %.*s", cannot, SLICE_FMT(text));
    for (uint64_t i = 0; i <= times; i++) {
        put(a, p, histogram_box(h), tells_hint);
        if (step == NULL || i == times)
            continue;
        h = is_sum ? histogram_add(a, h, step, &note) : histogram_sub(a, h, step, &note);
        if (h == NULL)
            return err_set(err, ST_INVALID, "histograms of two kinds do not add up: %.*s", SLICE_FMT(text));
    }
    return ST_OK;
}

/* Where the series ends and its points begin: the first blank outside of braces, or behind them. */
static size_t series_end(struct slice line)
{
    bool in_braces = false;
    char quote = 0;
    for (size_t i = 0; i < line.len; i++) {
        char c = line.ptr[i];
        if (quote) {
            if (c == '\\' && quote != '`')
                i++;
            else if (c == quote)
                quote = 0;
            continue;
        }
        if (c == '"' || c == '\'' || c == '`')
            quote = c;
        else if (c == '{')
            in_braces = true;
        else if (c == '}')
            return i + 1;
        else if (token_is_space(c) && !in_braces) {
            size_t next = i;
            while (next < line.len && token_is_space(line.ptr[next]))
                next++;
            bool more = next < line.len && line.ptr[next] == '{' && !(next + 1 < line.len && line.ptr[next + 1] == '{');
            if (!more)
                return i;
        }
    }
    return line.len;
}

enum status script_series(struct arena *a, struct slice line, struct slice *labels, struct script_points *out, struct err *err)
{
    size_t end = series_end(line);
    *out = (struct script_points){ 0 };
    enum status st = labels_parse(a, slice_sub(line, 0, end), labels, err);
    if (st)
        return st;
    for (struct slice rest = slice_trim(slice_skip(line, end)); rest.len; rest = slice_trim(rest)) {
        if (slice_starts(rest, SLICE("{{"))) {
            st = take_histograms(a, &rest, out, err);
            if (st)
                return st;
            continue;
        }
        size_t n = 0;
        while (n < rest.len && !token_is_space(rest.ptr[n]))
            n++;
        if (!take_points(a, slice_sub(rest, 0, n), out))
            return err_set(err, ST_INVALID, "points cannot be read: %.*s", (int)n, rest.ptr);
        rest = slice_skip(rest, n);
    }
    return ST_OK;
}
