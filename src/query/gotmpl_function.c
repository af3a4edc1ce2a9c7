/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of templates: Go's own, Prometheus's, and those of Alertmanager that are not among them. */
#include <math.h>
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "codec/url.h"
#include "model/labels.h"
#include "query/gotmpl_parts.h"

enum { REGEX_STEPS = 100, QUERY_STEPS = 2000 };

#define FUNCTION(name)                                                                                                                          \
    static enum status name(const struct gotmpl_env *env, const struct gotmpl_value *v, size_t n, struct gotmpl_value *out, struct err *err)

static enum status want_text(const struct gotmpl_value *v, const char *who, struct err *err)
{
    return v->type == GOTMPL_TEXT ? ST_OK : err_set(err, ST_INVALID, "template: %s wants a text", who);
}

static enum status want_number(const struct gotmpl_value *v, const char *who, double *x, struct err *err)
{
    return gotmpl_number(v, x) ? ST_OK : err_set(err, ST_INVALID, "template: %s wants a number", who);
}

static enum status give(const struct gotmpl_env *env, struct buf *b, struct gotmpl_value *out, struct err *err)
{
    bool over = buf_over(b);
    *out = gotmpl_text(arena_copy(env->arena, buf_as_slice(b)));
    buf_free(b);
    return over ? err_set(err, ST_LIMIT, "template: a result is longer than allowed") : ST_OK;
}

/* ---- Go's ---- */

FUNCTION(fn_and)
{
    for (size_t i = 0; i < n; i++) {
        *out = v[i];
        if (!gotmpl_truth(&v[i]))
            break;
    }
    return ST_OK;
}

FUNCTION(fn_or)
{
    for (size_t i = 0; i < n; i++) {
        *out = v[i];
        if (gotmpl_truth(&v[i]))
            break;
    }
    return ST_OK;
}

FUNCTION(fn_not)
{
    *out = gotmpl_bool(!gotmpl_truth(&v[0]));
    return ST_OK;
}

/* <0, 0, >0; 2 for NaN. */
static enum status compare(const struct gotmpl_value *a, const struct gotmpl_value *b, int *out, struct err *err)
{
    double x, y;
    bool a_number = a->type == GOTMPL_INT || a->type == GOTMPL_FLOAT, b_number = b->type == GOTMPL_INT || b->type == GOTMPL_FLOAT;
    if (a_number && b_number && gotmpl_number(a, &x) && gotmpl_number(b, &y))
        *out = x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
    else if (a->type == GOTMPL_TEXT && b->type == GOTMPL_TEXT)
        *out = MAX(-1, MIN(1, slice_cmp(a->text, b->text)));
    else if (a->type == GOTMPL_BOOL && b->type == GOTMPL_BOOL)
        *out = a->b - b->b;
    else
        return err_set(err, ST_INVALID, "template: values of different kinds cannot be compared");
    return ST_OK;
}

FUNCTION(fn_eq)
{
    int c = 1;
    enum status st = ST_OK;
    for (size_t i = 1; i < n && !st && c; i++)
        st = compare(&v[0], &v[i], &c, err);
    *out = gotmpl_bool(c == 0);
    return st;
}

FUNCTION(fn_ne)
{
    int c = 2;
    enum status st = compare(&v[0], &v[1], &c, err);
    *out = gotmpl_bool(c != 0);
    return st;
}

FUNCTION(fn_lt)
{
    int c = 2;
    enum status st = compare(&v[0], &v[1], &c, err);
    *out = gotmpl_bool(c == -1);
    return st;
}

FUNCTION(fn_le)
{
    int c = 2;
    enum status st = compare(&v[0], &v[1], &c, err);
    *out = gotmpl_bool(c == -1 || c == 0);
    return st;
}

FUNCTION(fn_gt)
{
    int c = 2;
    enum status st = compare(&v[0], &v[1], &c, err);
    *out = gotmpl_bool(c == 1);
    return st;
}

FUNCTION(fn_ge)
{
    int c = 2;
    enum status st = compare(&v[0], &v[1], &c, err);
    *out = gotmpl_bool(c == 1 || c == 0);
    return st;
}

FUNCTION(fn_len)
{
    if (v[0].type == GOTMPL_TEXT)
        *out = gotmpl_int((int64_t)v[0].text.len);
    else if (v[0].type == GOTMPL_LABELS)
        *out = gotmpl_int((int64_t)labels_count(v[0].text));
    else if (v[0].type == GOTMPL_LIST || v[0].type == GOTMPL_MAP)
        *out = gotmpl_int((int64_t)v[0].count);
    else
        return err_set(err, ST_INVALID, "template: len wants a text, list or map");
    return ST_OK;
}

FUNCTION(fn_index)
{
    *out = v[0];
    for (size_t i = 1; i < n; i++) {
        struct gotmpl_value from = *out;
        if (from.type == GOTMPL_LIST && v[i].type == GOTMPL_INT) {
            if (v[i].i < 0 || (uint64_t)v[i].i >= from.count)
                return err_set(err, ST_INVALID, "template: index %lld of a list of %zu", (long long)v[i].i, from.count);
            *out = from.items[v[i].i];
        } else if ((from.type == GOTMPL_MAP || from.type == GOTMPL_LABELS) && v[i].type == GOTMPL_TEXT) {
            if (from.type == GOTMPL_LABELS)
                *out = gotmpl_text(labels_get(from.text, v[i].text));
            else if (gotmpl_field(env, &from, v[i].text, out, err))
                *out = (struct gotmpl_value){0};
        } else {
            return err_set(err, ST_INVALID, "template: index wants a list and a number, or a map and a text");
        }
    }
    return ST_OK;
}

FUNCTION(fn_print)
{
    struct buf b;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i && v[i].type != GOTMPL_TEXT && v[i - 1].type != GOTMPL_TEXT)
            buf_char(&b, ' ');
        gotmpl_print(&v[i], &b);
    }
    return give(env, &b, out, err);
}

FUNCTION(fn_println)
{
    struct buf b;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    for (size_t i = 0; i < n; i++) {
        if (i)
            buf_char(&b, ' ');
        gotmpl_print(&v[i], &b);
    }
    buf_char(&b, '\n');
    return give(env, &b, out, err);
}

FUNCTION(fn_html)
{
    static const struct {
        char c;
        struct slice as;
    } escapes[] = {{'<', SLICE_INIT("&lt;")},
                   {'>', SLICE_INIT("&gt;")},
                   {'&', SLICE_INIT("&amp;")},
                   {'"', SLICE_INIT("&#34;")},
                   {'\'', SLICE_INIT("&#39;")}};
    struct buf text, b;
    buf_init(&text, GOTMPL_OUT_BYTES_MAX);
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    gotmpl_print(&v[0], &text);
    for (size_t i = 0; i < text.len; i++) {
        size_t k = 0;
        while (k < COUNT_OF(escapes) && escapes[k].c != text.ptr[i])
            k++;
        if (k < COUNT_OF(escapes))
            buf_slice(&b, escapes[k].as);
        else
            buf_char(&b, text.ptr[i]);
    }
    buf_free(&text);
    return give(env, &b, out, err);
}

/* As in a query string: a space is '+'. */
static void put_query_escaped(struct slice text, struct buf *out)
{
    struct slice rest = text, piece;
    for (bool first = true; slice_next(&rest, ' ', &piece); first = false) {
        if (!first)
            buf_char(out, '+');
        url_encode(piece, out);
    }
    if (slice_ends(text, SLICE(" ")))
        buf_char(out, '+');
}

FUNCTION(fn_urlquery)
{
    struct buf text, b;
    buf_init(&text, GOTMPL_OUT_BYTES_MAX);
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    gotmpl_print(&v[0], &text);
    put_query_escaped(buf_as_slice(&text), &b);
    buf_free(&text);
    return give(env, &b, out, err);
}

/* ---- queries ---- */

FUNCTION(fn_query)
{
    enum status st = want_text(&v[0], "query", err);
    if (!st && env->query == NULL)
        st = err_set(err, ST_UNSUPPORTED, "template: query cannot be asked here");
    return st ? st : env->query(env->arg, v[0].text, out, err);
}

FUNCTION(fn_first)
{
    if (v[0].type != GOTMPL_LIST || v[0].count == 0)
        return err_set(err, ST_INVALID, "template: first: there is no element");
    *out = v[0].items[0];
    return ST_OK;
}

FUNCTION(fn_value)
{
    return gotmpl_field(env, &v[0], SLICE("Value"), out, err);
}

static enum status label_of(const struct gotmpl_env *env, const struct gotmpl_value *sample, struct slice name, struct gotmpl_value *out,
                            struct err *err)
{
    struct gotmpl_value labels;
    enum status st = gotmpl_field(env, sample, SLICE("Labels"), &labels, err);
    /* A label of the name Labels is a text from outside, and no label set. */
    if (!st && labels.type != GOTMPL_LABELS)
        st = err_set(err, ST_INVALID, "template: this is no sample as query gives them");
    if (!st)
        *out = gotmpl_text(labels_get(labels.text, name));
    return st;
}

FUNCTION(fn_label)
{
    enum status st = want_text(&v[0], "label", err);
    return st ? st : label_of(env, &v[1], v[0].text, out, err);
}

FUNCTION(fn_strvalue)
{
    return label_of(env, &v[0], SLICE("__value__"), out, err);
}

struct keyed {
    struct slice key;
    struct gotmpl_value item;
    size_t at;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int c = slice_cmp(x->key, y->key);
    return c ? c : (x->at > y->at) - (x->at < y->at);
}

FUNCTION(fn_sort_by_label)
{
    enum status st = want_text(&v[0], "sortByLabel", err);
    if (!st && v[1].type != GOTMPL_LIST)
        st = err_set(err, ST_INVALID, "template: sortByLabel wants what query gives");
    if (st)
        return st;
    struct keyed *list = arena_array(env->arena, struct keyed, v[1].count + 1);
    for (size_t i = 0; i < v[1].count; i++) {
        struct gotmpl_value key;
        st = label_of(env, &v[1].items[i], v[0].text, &key, err);
        if (st)
            return st;
        list[i] = (struct keyed){key.text, v[1].items[i], i};
    }
    qsort(list, v[1].count, sizeof *list, by_key);
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, v[1].count + 1);
    for (size_t i = 0; i < v[1].count; i++)
        items[i] = list[i].item;
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .nested = v[1].nested, .items = items, .count = v[1].count};
    return ST_OK;
}

/* ---- numbers for people ---- */

static enum status give_printf(const struct gotmpl_env *env, struct gotmpl_value *out, const char *sign, double x, const char *unit)
{
    *out = gotmpl_text(isnan(x)   ? SLICE("NaN")
                       : isinf(x) ? (x > 0 ? SLICE("+Inf") : SLICE("-Inf"))
                                  : arena_printf(env->arena, "%s%.4g%s", sign, x, unit));
    return ST_OK;
}

FUNCTION(fn_humanize)
{
    static const char *const large[] = {"", "k", "M", "G", "T", "P", "E", "Z", "Y"};
    static const char *const small[] = {"", "m", "u", "n", "p", "f", "a", "z", "y"};
    double x = 0;
    size_t i = 0;
    enum status st = want_number(&v[0], "humanize", &x, err);
    if (st || x == 0 || !isfinite(x))
        return st ? st : give_printf(env, out, "", x, "");
    bool is_large = fabs(x) >= 1;
    for (; is_large && fabs(x) >= 1000 && i + 1 < COUNT_OF(large); i++)
        x /= 1000;
    for (; !is_large && fabs(x) < 1 && i + 1 < COUNT_OF(small); i++)
        x *= 1000;
    return give_printf(env, out, "", x, is_large ? large[i] : small[i]);
}

FUNCTION(fn_humanize1024)
{
    static const char *const units[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    double x = 0;
    size_t i = 0;
    enum status st = want_number(&v[0], "humanize1024", &x, err);
    for (; isfinite(x) && fabs(x) >= 1024 && i + 1 < COUNT_OF(units); i++)
        x /= 1024;
    return st ? st : give_printf(env, out, "", x, units[i]);
}

FUNCTION(fn_humanize_percentage)
{
    double x = 0;
    enum status st = want_number(&v[0], "humanizePercentage", &x, err);
    return st ? st : give_printf(env, out, "", x * 100, "%");
}

FUNCTION(fn_humanize_duration)
{
    static const char *const small[] = {"s", "ms", "us", "ns", "ps", "fs", "as", "zs", "ys"};
    double x = 0;
    size_t i = 0;
    enum status st = want_number(&v[0], "humanizeDuration", &x, err);
    if (st || x == 0 || !isfinite(x))
        return st ? st : x == 0 ? (*out = gotmpl_text(SLICE("0s")), ST_OK) : give_printf(env, out, "", x, "");
    if (fabs(x) < 1) {
        for (; fabs(x) < 1 && i + 1 < COUNT_OF(small); i++)
            x *= 1000;
        return give_printf(env, out, "", x, small[i]);
    }
    const char *sign = x < 0 ? "-" : "";
    x = fabs(x);
    if (x < 60)
        return give_printf(env, out, sign, x, "s");
    long long s = x < 9e18 ? (long long)x : INT64_MAX, m = s / 60, h = m / 60, d = h / 24;
    if (d)
        *out = gotmpl_text(arena_printf(env->arena, "%s%lldd %lldh %lldm %llds", sign, d, h % 24, m % 60, s % 60));
    else if (h)
        *out = gotmpl_text(arena_printf(env->arena, "%s%lldh %lldm %llds", sign, h, m % 60, s % 60));
    else
        *out = gotmpl_text(arena_printf(env->arena, "%s%lldm %llds", sign, m, s % 60));
    return ST_OK;
}

FUNCTION(fn_humanize_timestamp)
{
    char text[DATE_TEXT_BYTES_MAX];
    double x = 0;
    enum status st = want_number(&v[0], "humanizeTimestamp", &x, err);
    if (st || !isfinite(x) || fabs(x) > 9e9)
        return st ? st : give_printf(env, out, "", x, "");
    size_t len = date_format_rfc3339((int64_t)(x * 1e3 + (x < 0 ? -0.5 : 0.5)) * NS_MS, 0, DATE_DIGITS_SHORTEST, text);
    for (size_t i = 0; i < len; i++)
        if (text[i] == 'T')
            text[i] = ' ';
    *out = gotmpl_text(arena_printf(env->arena, "%.*s +0000 UTC", (int)len - 1, text));
    return ST_OK;
}

FUNCTION(fn_parse_duration)
{
    int64_t ms;
    enum status st = want_text(&v[0], "parseDuration", err);
    if (!st && !duration_parse_prom(v[0].text, &ms))
        st = err_set(err, ST_INVALID, "template: parseDuration: \"%.*s\" is no duration such as 1h30m", SLICE_FMT(v[0].text));
    if (!st)
        *out = gotmpl_float((double)ms / 1000);
    return st;
}

/* ---- texts ---- */

enum case_mode { CASE_UPPER, CASE_LOWER, CASE_TITLE };

/* Alphabets whose small letters stand at a fixed distance behind the large ones; all of two bytes in UTF-8. */
static const struct {
    uint32_t first, last, distance, except;
} alphabets[] = {
    {0xe0, 0xfe, 0x20, 0xf7}, {0x3b1, 0x3c9, 0x20, 0x3c2}, {0x430, 0x44f, 0x20, 0}, {0x450, 0x45f, 0x50, 0}, {0x561, 0x586, 0x30, 0},
};

static uint32_t letter_case(uint32_t c, bool to_upper, bool *is_letter)
{
    bool is_low = c >= 'a' && c <= 'z', is_high = c >= 'A' && c <= 'Z';
    *is_letter = is_low || is_high || c >= 0x80;
    if (c < 0x80)
        return is_low && to_upper ? c - 'a' + 'A' : is_high && !to_upper ? c - 'A' + 'a' : c;
    for (size_t i = 0; i < COUNT_OF(alphabets); i++) {
        uint32_t low = to_upper ? c : c + alphabets[i].distance;
        if (low >= alphabets[i].first && low <= alphabets[i].last && low != alphabets[i].except)
            return to_upper ? c - alphabets[i].distance : low;
    }
    return c;
}

static enum status change_case(const struct gotmpl_env *env, const struct gotmpl_value *v, enum case_mode mode, struct gotmpl_value *out)
{
    struct slice s = arena_copy(env->arena, v->text);
    uint8_t *p = (uint8_t *)s.ptr;
    bool starts = true, is_letter = true;
    for (size_t i = 0; i < s.len; i++) {
        bool two = (p[i] & 0xe0) == 0xc0 && i + 1 < s.len;
        uint32_t c = two ? (uint32_t)(p[i] & 0x1f) << 6 | (p[i + 1] & 0x3f) : p[i];
        uint32_t to = p[i] >= 0x80 && !two ? c : letter_case(c, mode != CASE_LOWER, &is_letter);
        if (mode == CASE_TITLE && !starts)
            to = c;
        starts = !(p[i] >= 0x80 || is_letter || (c >= '0' && c <= '9') || c == '_');
        if (two) {
            p[i] = (uint8_t)(0xc0 | to >> 6);
            p[++i] = (uint8_t)(0x80 | (to & 0x3f));
        } else {
            p[i] = (uint8_t)to;
        }
    }
    *out = gotmpl_text(s);
    return ST_OK;
}

FUNCTION(fn_to_upper)
{
    enum status st = want_text(&v[0], "toUpper", err);
    return st ? st : change_case(env, v, CASE_UPPER, out);
}

FUNCTION(fn_to_lower)
{
    enum status st = want_text(&v[0], "toLower", err);
    return st ? st : change_case(env, v, CASE_LOWER, out);
}

FUNCTION(fn_title)
{
    enum status st = want_text(&v[0], "title", err);
    return st ? st : change_case(env, v, CASE_TITLE, out);
}

FUNCTION(fn_trim_space)
{
    enum status st = want_text(&v[0], "trimSpace", err);
    *out = gotmpl_text(slice_trim(v[0].text));
    return st;
}

FUNCTION(fn_safe)
{
    *out = v[0];
    return ST_OK;
}

FUNCTION(fn_match)
{
    struct regex *re;
    enum status st = want_text(&v[0], "match", err);
    st = st ? st : want_text(&v[1], "match", err);
    st = st ? st : regex_compile(&re, v[0].text, 0, err);
    if (st)
        return st;
    *out = gotmpl_bool(regex_match(re, v[1].text));
    regex_free(re);
    return ST_OK;
}

FUNCTION(fn_re_replace_all)
{
    struct regex *re;
    struct buf b;
    enum status st = ST_OK;
    for (size_t i = 0; i < n && !st; i++)
        st = want_text(&v[i], "reReplaceAll", err);
    st = st ? st : regex_compile(&re, v[0].text, 0, err);
    if (st)
        return st;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    regex_replace_all(re, v[2].text, v[1].text, &b);
    regex_free(re);
    return give(env, &b, out, err);
}

FUNCTION(fn_join)
{
    struct buf b;
    enum status st = want_text(&v[0], "join", err);
    if (!st && v[1].type != GOTMPL_LIST)
        st = err_set(err, ST_INVALID, "template: join wants a list");
    if (st)
        return st;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    for (size_t i = 0; i < v[1].count && !buf_over(&b); i++) {
        if (i)
            buf_slice(&b, v[0].text);
        gotmpl_print(&v[1].items[i], &b);
    }
    return give(env, &b, out, err);
}

/* A list in a list in a list ... would be printed by as deep a recursion. */
static enum status nest(const struct gotmpl_value *v, size_t n, unsigned *out, struct err *err)
{
    *out = 1;
    for (size_t i = 0; i < n; i++)
        *out = MAX(*out, v[i].nested + 1);
    return *out <= GOTMPL_LISTS_DEPTH_MAX ? ST_OK : err_set(err, ST_LIMIT, "template: lists nested more than %d deep", GOTMPL_LISTS_DEPTH_MAX);
}

FUNCTION(fn_string_slice)
{
    unsigned nested;
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, n + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = v[i];
    enum status st = nest(v, n, &nested, err);
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .nested = nested, .items = items, .count = n};
    return st;
}

/* {"arg0": ..., "arg1": ...}: several values for one `template`. */
FUNCTION(fn_args)
{
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, n + 1);
    struct slice *keys = arena_array(env->arena, struct slice, n + 1);
    unsigned nested;
    for (size_t i = 0; i < n; i++) {
        items[i] = v[i];
        keys[i] = arena_printf(env->arena, "arg%zu", i);
    }
    enum status st = nest(v, n, &nested, err);
    *out = (struct gotmpl_value){.type = GOTMPL_MAP, .nested = nested, .items = items, .keys = keys, .count = n};
    return st;
}

FUNCTION(fn_strip_port)
{
    struct slice s = v[0].text, head, tail;
    enum status st = want_text(&v[0], "stripPort", err);
    bool is_v6 = s.len && s.ptr[0] == '[';
    size_t close = is_v6 ? slice_find_char(s, ']', 0) : SIZE_MAX;
    if (is_v6 && close != SIZE_MAX)
        *out = gotmpl_text(slice_sub(s, 1, close));
    else if (slice_cut(s, ':', &head, &tail) && slice_find_char(tail, ':', 0) == SIZE_MAX)
        *out = gotmpl_text(head);
    else
        *out = gotmpl_text(s);
    return st;
}

FUNCTION(fn_strip_domain)
{
    struct slice host, rest, port = SLICE_EMPTY;
    enum status st = want_text(&v[0], "stripDomain", err);
    if (st)
        return st;
    bool has_port = slice_cut(v[0].text, ':', &host, &port);
    bool is_address = host.len && host.ptr[0] >= '0' && host.ptr[0] <= '9';
    if (!is_address)
        slice_cut(host, '.', &host, &rest);
    *out = gotmpl_text(has_port ? arena_printf(env->arena, "%.*s:%.*s", SLICE_FMT(host), SLICE_FMT(port)) : host);
    return ST_OK;
}

FUNCTION(fn_external_url)
{
    *out = gotmpl_text(env->external_url);
    return ST_OK;
}

FUNCTION(fn_path_prefix)
{
    size_t scheme = slice_find(env->external_url, SLICE("://"), 0);
    struct slice rest = scheme == SIZE_MAX ? env->external_url : slice_skip(env->external_url, scheme + 3);
    size_t slash = slice_find_char(rest, '/', 0);
    *out = gotmpl_text(slash == SIZE_MAX ? SLICE_EMPTY : slice_skip(rest, slash));
    return ST_OK;
}

static enum status link(const struct gotmpl_env *env, const struct gotmpl_value *v, const char *tab, struct gotmpl_value *out, struct err *err)
{
    struct buf b;
    enum status st = want_text(v, "graphLink", err);
    if (st)
        return st;
    buf_init(&b, GOTMPL_OUT_BYTES_MAX);
    buf_slice(&b, SLICE("/graph?g0.expr="));
    put_query_escaped(v->text, &b);
    buf_printf(&b, "&g0.tab=%s", tab);
    return give(env, &b, out, err);
}

FUNCTION(fn_graph_link)
{
    return link(env, v, "0", out, err);
}

FUNCTION(fn_table_link)
{
    return link(env, v, "1", out, err);
}

static const struct gotmpl_function functions[] = {
    {SLICE_INIT("and"), 1, 16, fn_and, 0},
    {SLICE_INIT("or"), 1, 16, fn_or, 0},
    {SLICE_INIT("not"), 1, 1, fn_not, 0},
    {SLICE_INIT("eq"), 2, 16, fn_eq, 0},
    {SLICE_INIT("ne"), 2, 2, fn_ne, 0},
    {SLICE_INIT("lt"), 2, 2, fn_lt, 0},
    {SLICE_INIT("le"), 2, 2, fn_le, 0},
    {SLICE_INIT("gt"), 2, 2, fn_gt, 0},
    {SLICE_INIT("ge"), 2, 2, fn_ge, 0},
    {SLICE_INIT("len"), 1, 1, fn_len, 0},
    {SLICE_INIT("index"), 1, 16, fn_index, 0},
    {SLICE_INIT("print"), 0, 16, fn_print, 0},
    {SLICE_INIT("printf"), 1, 16, gotmpl_printf, 0},
    {SLICE_INIT("println"), 0, 16, fn_println, 0},
    {SLICE_INIT("html"), 1, 1, fn_html, 0},
    {SLICE_INIT("urlquery"), 1, 1, fn_urlquery, 0},
    {SLICE_INIT("urlQueryEscape"), 1, 1, fn_urlquery, 0},
    {SLICE_INIT("query"), 1, 1, fn_query, QUERY_STEPS},
    {SLICE_INIT("first"), 1, 1, fn_first, 0},
    {SLICE_INIT("value"), 1, 1, fn_value, 0},
    {SLICE_INIT("label"), 2, 2, fn_label, 0},
    {SLICE_INIT("strvalue"), 1, 1, fn_strvalue, 0},
    {SLICE_INIT("sortByLabel"), 2, 2, fn_sort_by_label, 0},
    {SLICE_INIT("humanize"), 1, 1, fn_humanize, 0},
    {SLICE_INIT("humanize1024"), 1, 1, fn_humanize1024, 0},
    {SLICE_INIT("humanizeDuration"), 1, 1, fn_humanize_duration, 0},
    {SLICE_INIT("humanizePercentage"), 1, 1, fn_humanize_percentage, 0},
    {SLICE_INIT("humanizeTimestamp"), 1, 1, fn_humanize_timestamp, 0},
    {SLICE_INIT("parseDuration"), 1, 1, fn_parse_duration, 0},
    {SLICE_INIT("toUpper"), 1, 1, fn_to_upper, 0},
    {SLICE_INIT("toLower"), 1, 1, fn_to_lower, 0},
    {SLICE_INIT("title"), 1, 1, fn_title, 0},
    {SLICE_INIT("trimSpace"), 1, 1, fn_trim_space, 0},
    {SLICE_INIT("safeHtml"), 1, 1, fn_safe, 0},
    {SLICE_INIT("safeUrl"), 1, 1, fn_safe, 0},
    {SLICE_INIT("match"), 2, 2, fn_match, REGEX_STEPS},
    {SLICE_INIT("reReplaceAll"), 3, 3, fn_re_replace_all, REGEX_STEPS},
    {SLICE_INIT("join"), 2, 2, fn_join, 0},
    {SLICE_INIT("stringSlice"), 0, 16, fn_string_slice, 0},
    {SLICE_INIT("args"), 0, 16, fn_args, 0},
    {SLICE_INIT("stripPort"), 1, 1, fn_strip_port, 0},
    {SLICE_INIT("stripDomain"), 1, 1, fn_strip_domain, 0},
    {SLICE_INIT("externalURL"), 0, 0, fn_external_url, 0},
    {SLICE_INIT("pathPrefix"), 0, 0, fn_path_prefix, 0},
    {SLICE_INIT("graphLink"), 1, 1, fn_graph_link, 0},
    {SLICE_INIT("tableLink"), 1, 1, fn_table_link, 0},
};

const struct gotmpl_function *gotmpl_function_find(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(functions); i++)
        if (slice_eq(functions[i].name, name))
            return &functions[i];
    return NULL;
}
