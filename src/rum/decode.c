/* SPDX-License-Identifier: Apache-2.0 */
/* A post of web-vitals becomes events of kind EVENT_RUM. Versions 2 to 5 of the library agree in name, value, delta and id; later
 * ones add rating and navigationType. Unknown members are passed over, and so are the entries a metric is made of: they are
 * large, and may hold texts of the page. */
#include "rum/rum.h"

#include <math.h>

#include "base/num.h"
#include "base/utf8.h"
#include "codec/json.h"

#define UNKNOWN_PAGE SLICE("(unknown)")
enum { ID_HEX_DIGITS_MIN = 8, ID_MIXED_BYTES_MIN = 20 };

/* ---- page and device ---- */

static bool is_digit(char c)
{
    return c >= '0' && c <= '9';
}

static bool is_hex(char c)
{
    return is_digit(c) || (c >= 'a' && c <= 'f') || (c >= 'A' && c <= 'F');
}

/* Numbers, UUIDs, hashes and long words with digits in them name one thing of many; a page is all of them. */
static bool is_id(struct slice segment)
{
    size_t digits = 0, hex = 0, dashes = 0;
    for (size_t i = 0; i < segment.len; i++) {
        digits += is_digit(segment.ptr[i]);
        hex += is_hex(segment.ptr[i]);
        dashes += segment.ptr[i] == '-';
    }
    if (digits == 0)
        return false;
    return digits == segment.len || (hex + dashes == segment.len && hex >= ID_HEX_DIGITS_MIN) || segment.len >= ID_MIXED_BYTES_MIN;
}

static struct slice path_of(struct slice url, bool *has_path)
{
    size_t at = slice_find(url, SLICE("://"), 0);
    if (at != SIZE_MAX) {
        url = slice_skip(url, at + 3);
        size_t slash = slice_find_char(url, '/', 0);
        url = slash == SIZE_MAX ? SLICE_EMPTY : slice_skip(url, slash);
    }
    for (size_t i = 0; i < url.len; i++)
        if (url.ptr[i] == '?' || url.ptr[i] == '#' || url.ptr[i] == ';')
            url = slice_sub(url, 0, i);
    *has_path = url.len > 0 && url.ptr[0] == '/';
    return url;
}

struct slice rum_page(struct arena *a, struct slice url, bool is_whole_url)
{
    bool has_path;
    struct buf out;
    struct slice path = path_of(url, &has_path), segment;
    if (!has_path || (!is_whole_url && path.len == 1))
        return UNKNOWN_PAGE;
    buf_init(&out, 0);
    path = slice_skip(path, 1);
    while (slice_next(&path, '/', &segment) && out.len < RUM_PAGE_BYTES_MAX) {
        if (segment.len == 0)
            continue;
        buf_char(&out, '/');
        buf_slice(&out, is_id(segment) ? SLICE("{id}") : segment);
    }
    if (out.len == 0)
        buf_char(&out, '/');
    struct slice page = utf8_cut(arena_copy(a, buf_as_slice(&out)), RUM_PAGE_BYTES_MAX);
    buf_free(&out);
    return utf8_is_valid(page) ? page : UNKNOWN_PAGE;
}

struct slice rum_device(struct slice user_agent, struct slice mobile_hint)
{
    bool mobile = slice_contains(user_agent, SLICE("Mobi"));
    if (slice_contains(user_agent, SLICE("iPad")) || slice_contains(user_agent, SLICE("Tablet")) ||
        (slice_contains(user_agent, SLICE("Android")) && !mobile))
        return SLICE("tablet");
    return mobile || slice_eq(mobile_hint, SLICE("?1")) ? SLICE("mobile") : SLICE("desktop");
}

static struct slice country_of(struct arena *a, struct slice header)
{
    struct slice c = slice_trim(header);
    if (c.len == 0 || c.len > RUM_COUNTRY_BYTES_MAX)
        return SLICE("unknown");
    char *upper = arena_alloc(a, c.len);
    for (size_t i = 0; i < c.len; i++) {
        char ch = c.ptr[i];
        bool letter = (ch >= 'a' && ch <= 'z') || (ch >= 'A' && ch <= 'Z');
        if (!letter && !is_digit(ch) && ch != '-')
            return SLICE("unknown");
        upper[i] = ch >= 'a' && ch <= 'z' ? (char)(ch - 'a' + 'A') : ch;
    }
    return slice_of(upper, c.len);
}

/* A page of another site tells only that site by Referer (the browsers' default), so its path is not known from there. */
static struct slice page_of(const struct rum_visit *v, struct arena *a, struct json_value metric)
{
    struct json_value told;
    bool elsewhere = slice_eq(v->fetch_site, SLICE("cross-site")) || slice_eq(v->fetch_site, SLICE("same-site"));
    if (json_get(metric, SLICE("page"), &told) && json_type(told) == JSON_STRING)
        return rum_page(a, json_get_string(told), true);
    return rum_page(a, v->referer, !elsewhere);
}

/* ---- a metric ---- */

static enum status text_member(struct json_value metric, struct slice name, size_t bytes_max, bool needed, struct slice *out, struct err *err)
{
    struct json_value v;
    *out = SLICE_EMPTY;
    bool has = json_get(metric, name, &v) && json_type(v) != JSON_NULL;
    if (!has && !needed)
        return ST_OK;
    if (!has || json_type(v) != JSON_STRING)
        return err_set(err, ST_INVALID, "web vitals: member \"%.*s\" is %s, expected a text", SLICE_FMT(name), has ? "no text" : "missing");
    *out = json_get_string(v);
    if (out->len > bytes_max || (needed && out->len == 0))
        return err_set(err, ST_LIMIT, "web vitals: member \"%.*s\" has %zu bytes, allowed are 1 to %zu", SLICE_FMT(name), out->len, bytes_max);
    return ST_OK;
}

static enum status number_member(struct json_value metric, struct slice name, bool needed, double *out, struct err *err)
{
    struct json_value v;
    *out = 0;
    bool has = json_get(metric, name, &v) && json_type(v) != JSON_NULL;
    if (!has && !needed)
        return ST_OK;
    if (!has || !json_get_double(v, out))
        return err_set(err, ST_INVALID, "web vitals: member \"%.*s\" is %s, expected a number", SLICE_FMT(name), has ? "no number" : "missing");
    if (!isfinite(*out) || *out < (needed ? 0 : -RUM_VALUE_MAX) || *out > RUM_VALUE_MAX)
        return err_set(err, ST_LIMIT, "web vitals: member \"%.*s\" is %g, allowed are 0 to %d", SLICE_FMT(name), *out, RUM_VALUE_MAX);
    return ST_OK;
}

static void put_text(struct arena *a, struct event *e, const char *name, struct slice value)
{
    if (value.len)
        e->fields[e->field_count++] = (struct field){ SCOPE_RECORD, FIELD_STRING, slice_str(name), arena_copy(a, value), { 0 } };
}

static void put_number(struct event *e, const char *name, double value)
{
    e->fields[e->field_count++] = (struct field){ SCOPE_RECORD, FIELD_DOUBLE, slice_str(name), SLICE_EMPTY, { .d = value } };
}

static struct slice stream_of(struct arena *a)
{
    struct label list[] = { { SLICE("service_name"), SLICE("real-users") }, { SLICE("source"), SLICE("rum") } };
    struct slice labels;
    return labels_build(a, list, COUNT_OF(list), &labels, NULL) ? SLICE_EMPTY : labels;
}

static enum status metric_decode(const struct rum_visit *v, struct json_value metric, struct batch *b, struct err *err)
{
    enum { FIELDS_MAX = 12 };
    struct slice name, id, navigation;
    double value, delta;
    enum rum_metric m = RUM_CLS;
    if (json_type(metric) != JSON_OBJECT)
        return err_set(err, ST_INVALID, "web vitals: a metric must be an object with name, value and id");
    enum status st = text_member(metric, SLICE("name"), RUM_ID_BYTES_MAX, true, &name, err);
    if (!st && !rum_metric_parse(name, &m))
        return err_set(err, ST_INVALID, "web vitals: name \"%.*s\"; allowed are CLS, FID, INP, FCP, LCP and TTFB", SLICE_FMT(name));
    if (!st)
        st = number_member(metric, SLICE("value"), true, &value, err);
    if (!st)
        st = number_member(metric, SLICE("delta"), false, &delta, err);
    if (!st)
        st = text_member(metric, SLICE("id"), RUM_ID_BYTES_MAX, true, &id, err);
    if (!st)
        st = text_member(metric, SLICE("navigationType"), RUM_NAVIGATION_BYTES_MAX, false, &navigation, err);
    if (st)
        return st;
    struct arena *a = b->arena;
    struct event *e = batch_event(b);
    e->kind = EVENT_RUM;
    e->time_ns = e->observed_ns = v->received_ns;
    e->service = SLICE("real-users");
    e->stream = stream_of(a);
    e->body = rum_bands[m].name;
    e->fields = arena_array(a, struct field, FIELDS_MAX);
    put_text(a, e, "metric", rum_bands[m].name);
    put_number(e, "value", value);
    put_number(e, "delta", delta);
    put_text(a, e, "id", id);
    put_text(a, e, "page", page_of(v, a, metric));
    put_text(a, e, "country", country_of(a, v->country));
    put_text(a, e, "device", rum_device(v->user_agent, v->mobile_hint));
    put_text(a, e, "rating", rum_rating_name(rum_rate(m, value)));
    put_text(a, e, "navigation_type", navigation);
    assert(e->field_count <= FIELDS_MAX);
    return ST_OK;
}

static enum status all_decode(const struct rum_visit *v, struct json_value root, struct batch *b, struct err *err)
{
    struct json_value one;
    if (json_type(root) != JSON_ARRAY)
        return metric_decode(v, root, b, err);
    for (struct json_iter it = json_array(root); json_array_next(&it, &one);) {
        if (b->event_count == RUM_METRICS_PER_POST_MAX)
            return err_set(err, ST_LIMIT, "web vitals: more than %d metrics in one post", RUM_METRICS_PER_POST_MAX);
        enum status st = metric_decode(v, one, b, err);
        if (st)
            return st;
    }
    return ST_OK;
}

enum status rum_decode(const struct rum_visit *v, struct slice body, struct batch *b, struct err *err)
{
    struct json_value root;
    struct json_parser *p = json_parser_new();
    enum status st = json_parse(p, body, &root, err);
    if (st)
        st = err_prefix(err, "web vitals: ");
    else
        st = all_decode(v, root, b, err);
    json_parser_free(p);
    return st;
}
