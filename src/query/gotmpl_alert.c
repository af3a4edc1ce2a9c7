/* SPDX-License-Identifier: Apache-2.0 */
/* The functions of alerts' templates: Prometheus's, and those of Alertmanager that are not among them. */
#include <math.h>
#include <stdlib.h>

#include "base/date.h"
#include "codec/regex.h"
#include "model/labels.h"
#include "query/gotmpl_parts.h"

enum { REGEX_STEPS = 100, QUERY_STEPS = 2000 };

static enum status want_text(const struct gotmpl_value *v, const char *who, struct err *err)
{
    return v->type == GOTMPL_TEXT ? ST_OK : err_set(err, ST_INVALID, "%s wants a text", who);
}

static enum status want_number(const struct gotmpl_value *v, const char *who, double *x, struct err *err)
{
    return gotmpl_number(v, x) ? ST_OK : err_set(err, ST_INVALID, "%s wants a number", who);
}

/* ---- queries ---- */

GOTMPL_FUNCTION(fn_query)
{
    enum status st = want_text(&v[0], "query", err);
    if (!st && env->query == NULL)
        st = err_set(err, ST_UNSUPPORTED, "query cannot be asked here");
    return st ? st : env->query(env->arg, v[0].text, out, err);
}

GOTMPL_FUNCTION(fn_first)
{
    if (v[0].type != GOTMPL_LIST || v[0].count == 0)
        return err_set(err, ST_INVALID, "first: there is no element");
    *out = v[0].items[0];
    return ST_OK;
}

GOTMPL_FUNCTION(fn_value)
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
        st = err_set(err, ST_INVALID, "this is no sample as query gives them");
    if (!st)
        *out = gotmpl_text(labels_get(labels.text, name));
    return st;
}

GOTMPL_FUNCTION(fn_label)
{
    enum status st = want_text(&v[0], "label", err);
    return st ? st : label_of(env, &v[1], v[0].text, out, err);
}

GOTMPL_FUNCTION(fn_strvalue)
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

GOTMPL_FUNCTION(fn_sort_by_label)
{
    enum status st = want_text(&v[0], "sortByLabel", err);
    if (!st && v[1].type != GOTMPL_LIST)
        st = err_set(err, ST_INVALID, "sortByLabel wants what query gives");
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

GOTMPL_FUNCTION(fn_humanize)
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

GOTMPL_FUNCTION(fn_humanize1024)
{
    static const char *const units[] = {"", "ki", "Mi", "Gi", "Ti", "Pi", "Ei", "Zi", "Yi"};
    double x = 0;
    size_t i = 0;
    enum status st = want_number(&v[0], "humanize1024", &x, err);
    for (; isfinite(x) && fabs(x) >= 1024 && i + 1 < COUNT_OF(units); i++)
        x /= 1024;
    return st ? st : give_printf(env, out, "", x, units[i]);
}

GOTMPL_FUNCTION(fn_humanize_percentage)
{
    double x = 0;
    enum status st = want_number(&v[0], "humanizePercentage", &x, err);
    return st ? st : give_printf(env, out, "", x * 100, "%");
}

GOTMPL_FUNCTION(fn_humanize_duration)
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

GOTMPL_FUNCTION(fn_humanize_timestamp)
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

GOTMPL_FUNCTION(fn_parse_duration)
{
    int64_t ms;
    enum status st = want_text(&v[0], "parseDuration", err);
    if (!st && !duration_parse_prom(v[0].text, &ms))
        st = err_set(err, ST_INVALID, "parseDuration: \"%.*s\" is no duration such as 1h30m", SLICE_FMT(v[0].text));
    if (!st)
        *out = gotmpl_float((double)ms / 1000);
    return st;
}

/* ---- texts ---- */

GOTMPL_FUNCTION(fn_to_upper)
{
    enum status st = want_text(&v[0], "toUpper", err);
    if (!st)
        *out = gotmpl_text(gotmpl_change_case(env->arena, v[0].text, GOTMPL_UPPER));
    return st;
}

GOTMPL_FUNCTION(fn_to_lower)
{
    enum status st = want_text(&v[0], "toLower", err);
    if (!st)
        *out = gotmpl_text(gotmpl_change_case(env->arena, v[0].text, GOTMPL_LOWER));
    return st;
}

GOTMPL_FUNCTION(fn_title)
{
    enum status st = want_text(&v[0], "title", err);
    if (!st)
        *out = gotmpl_text(gotmpl_change_case(env->arena, v[0].text, GOTMPL_TITLE));
    return st;
}

GOTMPL_FUNCTION(fn_trim_space)
{
    enum status st = want_text(&v[0], "trimSpace", err);
    if (!st)
        *out = gotmpl_text(slice_trim(v[0].text));
    return st;
}

GOTMPL_FUNCTION(fn_safe)
{
    *out = v[0];
    return ST_OK;
}

GOTMPL_FUNCTION(fn_match)
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

GOTMPL_FUNCTION(fn_re_replace_all)
{
    struct regex *re;
    struct buf b;
    enum status st = ST_OK;
    for (size_t i = 0; i < n && !st; i++)
        st = want_text(&v[i], "reReplaceAll", err);
    st = st ? st : regex_compile(&re, v[0].text, 0, err);
    if (st)
        return st;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    regex_replace_all(re, v[2].text, v[1].text, &b);
    regex_free(re);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_join)
{
    struct buf b;
    enum status st = want_text(&v[0], "join", err);
    if (!st && v[1].type != GOTMPL_LIST)
        st = err_set(err, ST_INVALID, "join wants a list");
    if (st)
        return st;
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    for (size_t i = 0; i < v[1].count && !buf_over(&b); i++) {
        if (i)
            buf_slice(&b, v[0].text);
        gotmpl_print(&v[1].items[i], &b);
    }
    return gotmpl_give(env, &b, out, err);
}

/* A list in a list in a list ... would be printed by as deep a recursion. */
static enum status nest(const struct gotmpl_value *v, size_t n, unsigned *out, struct err *err)
{
    *out = 1;
    for (size_t i = 0; i < n; i++)
        *out = MAX(*out, (v[i].type == GOTMPL_LIST || v[i].type == GOTMPL_MAP ? v[i].nested : 0u) + 1);
    return *out <= GOTMPL_LISTS_DEPTH_MAX ? ST_OK : err_set(err, ST_LIMIT, "lists nested more than %d deep", GOTMPL_LISTS_DEPTH_MAX);
}

GOTMPL_FUNCTION(fn_string_slice)
{
    unsigned nested;
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, n + 1);
    for (size_t i = 0; i < n; i++)
        items[i] = v[i];
    enum status st = nest(v, n, &nested, err);
    *out = (struct gotmpl_value){.type = GOTMPL_LIST, .nested = (uint16_t)nested, .items = items, .count = n};
    return st;
}

/* {"arg0": ..., "arg1": ...}: several values for one `template`. */
GOTMPL_FUNCTION(fn_args)
{
    struct gotmpl_value *items = arena_array(env->arena, struct gotmpl_value, n + 1);
    struct slice *keys = arena_array(env->arena, struct slice, n + 1);
    unsigned nested;
    for (size_t i = 0; i < n; i++) {
        items[i] = v[i];
        keys[i] = arena_printf(env->arena, "arg%zu", i);
    }
    enum status st = nest(v, n, &nested, err);
    *out = (struct gotmpl_value){.type = GOTMPL_MAP, .nested = (uint16_t)nested, .items = items, .keys = keys, .count = n};
    return st;
}

GOTMPL_FUNCTION(fn_strip_port)
{
    struct slice head, tail;
    enum status st = want_text(&v[0], "stripPort", err);
    if (st)
        return st;
    struct slice s = v[0].text;
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

GOTMPL_FUNCTION(fn_strip_domain)
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

GOTMPL_FUNCTION(fn_url_escape)
{
    struct buf text, b;
    buf_init(&text, GOTMPL_RESULT_BYTES_MAX);
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    gotmpl_print(&v[0], &text);
    gotmpl_url_escape(buf_as_slice(&text), &b);
    buf_free(&text);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_external_url)
{
    *out = gotmpl_text(env->external_url);
    return ST_OK;
}

GOTMPL_FUNCTION(fn_path_prefix)
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
    buf_init(&b, GOTMPL_RESULT_BYTES_MAX);
    buf_slice(&b, SLICE("/graph?g0.expr="));
    gotmpl_url_escape(v->text, &b);
    buf_printf(&b, "&g0.tab=%s", tab);
    return gotmpl_give(env, &b, out, err);
}

GOTMPL_FUNCTION(fn_graph_link)
{
    return link(env, v, "0", out, err);
}

GOTMPL_FUNCTION(fn_table_link)
{
    return link(env, v, "1", out, err);
}

static const struct gotmpl_function functions[] = {
    {SLICE_INIT("urlQueryEscape"), 1, 1, NULL, fn_url_escape, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("query"), 1, 1, NULL, fn_query, QUERY_STEPS, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("first"), 1, 1, NULL, fn_first, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("value"), 1, 1, NULL, fn_value, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("label"), 2, 2, NULL, fn_label, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("strvalue"), 1, 1, NULL, fn_strvalue, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("sortByLabel"), 2, 2, NULL, fn_sort_by_label, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("humanize"), 1, 1, NULL, fn_humanize, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("humanize1024"), 1, 1, NULL, fn_humanize1024, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("humanizeDuration"), 1, 1, NULL, fn_humanize_duration, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("humanizePercentage"), 1, 1, NULL, fn_humanize_percentage, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("humanizeTimestamp"), 1, 1, NULL, fn_humanize_timestamp, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("parseDuration"), 1, 1, NULL, fn_parse_duration, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("toUpper"), 1, 1, NULL, fn_to_upper, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("toLower"), 1, 1, NULL, fn_to_lower, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("title"), 1, 1, NULL, fn_title, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("trimSpace"), 1, 1, NULL, fn_trim_space, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("safeHtml"), 1, 1, NULL, fn_safe, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("safeUrl"), 1, 1, NULL, fn_safe, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("match"), 2, 2, NULL, fn_match, REGEX_STEPS, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("reReplaceAll"), 3, 3, NULL, fn_re_replace_all, REGEX_STEPS, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("join"), 2, 2, NULL, fn_join, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("stringSlice"), 0, 16, NULL, fn_string_slice, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("args"), 0, 16, NULL, fn_args, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("stripPort"), 1, 1, NULL, fn_strip_port, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("stripDomain"), 1, 1, NULL, fn_strip_domain, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("externalURL"), 0, 0, NULL, fn_external_url, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("pathPrefix"), 0, 0, NULL, fn_path_prefix, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("graphLink"), 1, 1, NULL, fn_graph_link, 0, 0, 0, GOTMPL_CALL_PLAIN},
    {SLICE_INIT("tableLink"), 1, 1, NULL, fn_table_link, 0, 0, 0, GOTMPL_CALL_PLAIN},
};

const struct gotmpl_functions gotmpl_alert_functions = {functions, COUNT_OF(functions), NULL};
