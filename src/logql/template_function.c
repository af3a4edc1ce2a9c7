/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of templates: text in, text out. A number is text that reads as one. */
#include "logql/template_function.h"

#include <ctype.h>

#include "base/num.h"
#include "model/event.h"
#include "query/token.h"

static struct slice map_case(struct arena *a, struct slice s, int (*change)(int))
{
    char *to = arena_alloc(a, s.len + 1);
    for (size_t i = 0; i < s.len; i++)
        to[i] = (unsigned char)s.ptr[i] < 0x80 ? (char)change((unsigned char)s.ptr[i]) : s.ptr[i];
    return slice_of(to, s.len);
}

static bool to_upper(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = map_case(a, v[0], toupper);
    return true;
}

static bool to_lower(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = map_case(a, v[0], tolower);
    return true;
}

static bool trim_space(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_trim(v[0]);
    return true;
}

static bool trim_prefix(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_starts(v[1], v[0]) ? slice_skip(v[1], v[0].len) : v[1];
    return true;
}

static bool trim_suffix(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_ends(v[1], v[0]) ? slice_sub(v[1], 0, v[1].len - v[0].len) : v[1];
    return true;
}

static bool default_value(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = v[1].len ? v[1] : v[0];
    return true;
}

static bool replace_in(struct arena *a, struct slice text, struct slice old, struct slice by, int64_t times, struct slice *out)
{
    struct buf b;
    size_t at = 0, found;
    buf_init(&b, EVENT_BODY_BYTES_MAX);
    while (old.len && times != 0 && (found = slice_find(text, old, at)) != SIZE_MAX) {
        buf_slice(&b, slice_sub(text, at, found));
        buf_slice(&b, by);
        at = found + old.len;
        times -= times > 0;
    }
    buf_slice(&b, slice_skip(text, at));
    bool fits = !buf_over(&b);
    *out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return fits;
}

/* replace old new text */
static bool replace(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return replace_in(a, v[2], v[0], v[1], -1, out);
}

/* trunc n text: the first n bytes, or the last -n. */
static bool trunc_text(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    int64_t k;
    if (!num_parse_i64(v[0], &k))
        return false;
    size_t len = v[1].len, keep = (size_t)MIN((uint64_t)(k < 0 ? -(uint64_t)k : (uint64_t)k), (uint64_t)len);
    *out = k < 0 ? slice_skip(v[1], len - keep) : slice_sub(v[1], 0, keep);
    return true;
}

/* Digits at *i; at most what one may ask for. */
static size_t read_width(struct slice format, size_t *i)
{
    enum { WIDTH_MAX = 4096 };
    size_t width = 0;
    for (; *i < format.len && token_is_digit(format.ptr[*i]); (*i)++)
        width = MIN(width * 10 + (size_t)(format.ptr[*i] - '0'), (size_t)WIDTH_MAX);
    return width;
}

/* printf with %s, %v, %d, %q (all values are texts), their width and precision, '-' for the left side, and %%. */
static bool print_format(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    struct buf b;
    size_t next = 1;
    bool good = true;
    buf_init(&b, EVENT_BODY_BYTES_MAX);
    for (size_t i = 0; i < v[0].len && good; i++) {
        if (v[0].ptr[i] != '%') {
            buf_char(&b, v[0].ptr[i]);
            continue;
        }
        i++;
        bool is_left = i < v[0].len && v[0].ptr[i] == '-';
        i += is_left;
        size_t width = read_width(v[0], &i), precision = SIZE_MAX;
        if (i < v[0].len && v[0].ptr[i] == '.') {
            i++;
            precision = read_width(v[0], &i);
        }
        char c = i < v[0].len ? v[0].ptr[i] : 0;
        if (c == '%') {
            buf_char(&b, '%');
            continue;
        }
        good = next < n && (c == 's' || c == 'v' || c == 'd' || c == 'q');
        if (!good)
            break;
        struct slice text = slice_sub(v[next], 0, MIN(precision, v[next].len));
        next++;
        for (size_t k = text.len; !is_left && k < width; k++)
            buf_char(&b, ' ');
        if (c == 'q')
            token_quote(text, &b);
        else
            buf_slice(&b, text);
        for (size_t k = text.len; is_left && k < width; k++)
            buf_char(&b, ' ');
    }
    good = good && !buf_over(&b);
    *out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return good;
}

/* Replace text old new n: at most n times, all when n is negative. */
static bool replace_counted(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    int64_t times;
    return num_parse_i64(v[3], &times) && replace_in(a, v[0], v[1], v[2], times, out);
}

static bool is_in(struct slice set, char c)
{
    return slice_find_char(set, c, 0) != SIZE_MAX;
}

static struct slice trim_set(struct slice text, struct slice set, bool left, bool right)
{
    while (left && text.len && is_in(set, text.ptr[0]))
        text = slice_skip(text, 1);
    while (right && text.len && is_in(set, text.ptr[text.len - 1]))
        text.len--;
    return text;
}

static bool trim_both(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = trim_set(v[0], v[1], true, true);
    return true;
}

static bool trim_left(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = trim_set(v[0], v[1], true, false);
    return true;
}

static bool trim_right(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = trim_set(v[0], v[1], false, true);
    return true;
}

static bool trim_all(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = trim_set(v[1], v[0], true, true);
    return true;
}

/* As trimPrefix and trimSuffix, the text first. */
static bool trim_prefix_of(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return trim_prefix(a, (struct slice[]){ v[1], v[0] }, n, out);
}

static bool trim_suffix_of(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return trim_suffix(a, (struct slice[]){ v[1], v[0] }, n, out);
}

static bool contains(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_contains(v[1], v[0]) ? SLICE("true") : SLICE("false");
    return true;
}

static bool has_prefix(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_starts(v[1], v[0]) ? SLICE("true") : SLICE("false");
    return true;
}

static bool has_suffix(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    *out = slice_ends(v[1], v[0]) ? SLICE("true") : SLICE("false");
    return true;
}

/* substr from to text; a negative end means the text's. */
static bool substr(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    int64_t from, to;
    if (!num_parse_i64(v[0], &from) || !num_parse_i64(v[1], &to))
        return false;
    from = MAX(from, (int64_t)0);
    to = to < 0 || to > (int64_t)v[2].len ? (int64_t)v[2].len : to;
    *out = from < to ? slice_sub(v[2], (size_t)from, (size_t)to) : SLICE_EMPTY;
    return true;
}

/* repeat n text */
static bool repeat(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    enum { REPEATED_BYTES_MAX = 64 * KIB };
    int64_t times;
    struct buf b;
    if (!num_parse_i64(v[0], &times) || times < 0 || times > REPEATED_BYTES_MAX || (uint64_t)times * v[1].len > REPEATED_BYTES_MAX)
        return false;
    buf_init(&b, 0);
    for (int64_t i = 0; i < times; i++)
        buf_slice(&b, v[1]);
    *out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return true;
}

/* add, sub, mul, div and mod of whole numbers, left to right. */
static bool calculate(struct arena *a, const struct slice *v, size_t n, char op, struct slice *out)
{
    int64_t sum, next;
    if (!num_parse_i64(v[0], &sum))
        return false;
    for (size_t i = 1; i < n; i++) {
        if (!num_parse_i64(v[i], &next) || ((op == '/' || op == '%') && (next == 0 || (next == -1 && sum == INT64_MIN))))
            return false;
        switch (op) {
        case '+': sum = sat_add(sum, next); break;
        case '-': sum = sat_sub(sum, next); break;
        case '*': sum = sat_mul(sum, next); break;
        case '/': sum /= next; break;
        default: sum %= next; break;
        }
    }
    *out = arena_printf(a, "%lld", (long long)sum);
    return true;
}

static bool add_numbers(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return calculate(a, v, n, '+', out);
}

static bool sub_numbers(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return calculate(a, v, n, '-', out);
}

static bool mul_numbers(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return calculate(a, v, n, '*', out);
}

static bool div_numbers(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return calculate(a, v, n, '/', out);
}

static bool mod_numbers(struct arena *a, const struct slice *v, size_t n, struct slice *out)
{
    return calculate(a, v, n, '%', out);
}

static const struct template_function functions[] = {
    { SLICE_INIT("ToUpper"), 1, 1, to_upper },          { SLICE_INIT("upper"), 1, 1, to_upper },
    { SLICE_INIT("ToLower"), 1, 1, to_lower },          { SLICE_INIT("lower"), 1, 1, to_lower },
    { SLICE_INIT("trim"), 1, 1, trim_space },           { SLICE_INIT("TrimSpace"), 1, 1, trim_space },
    { SLICE_INIT("trimPrefix"), 2, 2, trim_prefix },    { SLICE_INIT("trimSuffix"), 2, 2, trim_suffix },
    { SLICE_INIT("TrimPrefix"), 2, 2, trim_prefix_of }, { SLICE_INIT("TrimSuffix"), 2, 2, trim_suffix_of },
    { SLICE_INIT("Trim"), 2, 2, trim_both },            { SLICE_INIT("TrimLeft"), 2, 2, trim_left },
    { SLICE_INIT("TrimRight"), 2, 2, trim_right },      { SLICE_INIT("trimAll"), 2, 2, trim_all },
    { SLICE_INIT("default"), 2, 2, default_value },     { SLICE_INIT("replace"), 3, 3, replace },
    { SLICE_INIT("Replace"), 4, 4, replace_counted },   { SLICE_INIT("trunc"), 2, 2, trunc_text },
    { SLICE_INIT("substr"), 3, 3, substr },             { SLICE_INIT("repeat"), 2, 2, repeat },
    { SLICE_INIT("contains"), 2, 2, contains },         { SLICE_INIT("hasPrefix"), 2, 2, has_prefix },
    { SLICE_INIT("hasSuffix"), 2, 2, has_suffix },      { SLICE_INIT("add"), 1, TEMPLATE_ARGS_MAX, add_numbers },
    { SLICE_INIT("sub"), 2, 2, sub_numbers },           { SLICE_INIT("mul"), 1, TEMPLATE_ARGS_MAX, mul_numbers },
    { SLICE_INIT("div"), 2, 2, div_numbers },           { SLICE_INIT("mod"), 2, 2, mod_numbers },
    { SLICE_INIT("printf"), 1, TEMPLATE_ARGS_MAX, print_format },
};

const struct template_function *template_function_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (slice_eq(functions[i].name, name))
            return &functions[i];
    return NULL;
}
