/* SPDX-License-Identifier: Apache-2.0 */
/* Alertmanager's API v2, for amtool, Prometheus's `alerting:` and pages made for it. Errors are a JSON text, as there.
 * https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
#include <math.h>

#include "alert/dispatch.h"
#include "alert/setup.h"
#include "api/handlers.h"
#include "base/date.h"
#include "base/utf8.h"
#include "codec/json.h"
#include "codec/regex.h"
#include "codec/url.h"

enum { ANSWER_BYTES_MAX = 256 * MIB, ALERTS_POST_MAX = 20 * 1000, FILTERS_MAX = 64 };

static void fail(struct http_exchange *x, enum status st, const struct err *err)
{
    struct json_writer w;
    struct buf b;
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_string(&w, slice_str(err->text));
    api_reply_json(x, api_http_status(st), &b);
}

static struct dispatch *dispatch_of(struct api *api, struct http_exchange *x)
{
    struct err err;
    if (api->dispatch == NULL)
        fail(x, err_set(&err, ST_UNAVAILABLE, "notification is not running"), &err);
    return api->dispatch;
}

/* Takes body. */
static void answer(struct http_exchange *x, enum status st, struct buf *body, const struct err *err)
{
    if (!st) {
        api_reply_json(x, 200, body);
        return;
    }
    buf_free(body);
    fail(x, st, err);
}

/* ---- filters ---- */

struct filters {
    struct alert_filter f;
    struct matcher *lists[FILTERS_MAX]; /* with regexes to give back */
    size_t counts[FILTERS_MAX], list_count;
    struct matcher *all;
    size_t cap;
};

static void filters_free(struct filters *s)
{
    for (size_t i = 0; i < s->list_count; i++)
        matchers_destroy(s->lists[i], s->counts[i]);
    regex_free(s->f.receiver);
}

static enum status flag(const struct api_params *p, const char *name, bool *out, struct err *err)
{
    struct slice text = api_param(p, slice_str(name), NULL);
    *out = !slice_eq(text, SLICE("false"));
    if (text.len == 0 || slice_eq(text, SLICE("true")) || slice_eq(text, SLICE("false")))
        return ST_OK;
    return err_set(err, ST_INVALID, "invalid parameter \"%s\": found \"%.*s\", allowed are true and false", name, SLICE_FMT(text));
}

static enum status filter_add(struct arena *a, struct slice text, struct filters *s, struct err *err)
{
    if (s->list_count == FILTERS_MAX)
        return err_set(err, ST_LIMIT, "more than %d filters", FILTERS_MAX);
    enum status st = alert_matchers_read(a, text, &s->lists[s->list_count], &s->counts[s->list_count], err);
    if (st)
        return st;
    size_t n = s->counts[s->list_count];
    for (size_t i = 0; i < n; i++)
        ARENA_PUSH(a, s->all, s->f.matcher_count, s->cap) = s->lists[s->list_count][i];
    s->list_count++;
    s->f.matchers = s->all;
    return ST_OK;
}

static enum status filters_read(struct http_exchange *x, struct filters *s, struct err *err)
{
    const struct {
        const char *name;
        bool *to;
    } flags[] = {{"active", &s->f.active}, {"silenced", &s->f.silenced}, {"inhibited", &s->f.inhibited}, {"muted", &s->f.muted},
                 {"unprocessed", &s->f.unprocessed}};
    struct api_params p;
    *s = (struct filters){.list_count = 0};
    enum status st = api_params_read(x, &p, err);
    for (size_t i = 0; !st && i < COUNT_OF(flags); i++)
        st = flag(&p, flags[i].name, flags[i].to, err);
    for (size_t i = 0; !st && i < p.count; i++)
        if (slice_eq(p.list[i].name, SLICE("filter")))
            st = filter_add(http_arena(x), p.list[i].value, s, err);
    struct slice receiver = st ? SLICE_EMPTY : api_param(&p, SLICE("receiver"), NULL);
    if (!st && receiver.len)
        st = regex_compile(&s->f.receiver, receiver, REGEX_ANCHORED, err);
    return st;
}

static void list(void *user, struct http_exchange *x, void (*write)(struct dispatch *d, const struct alert_filter *f, struct buf *out))
{
    struct dispatch *d = dispatch_of(user, x);
    struct filters s;
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    buf_init(&b, ANSWER_BYTES_MAX);
    enum status st = filters_read(x, &s, &err);
    if (!st)
        write(d, &s.f, &b);
    answer(x, st, &b, &err);
    filters_free(&s);
}

void am_alerts(void *user, struct http_exchange *x)
{
    list(user, x, dispatch_write_alerts);
}

void am_groups(void *user, struct http_exchange *x)
{
    list(user, x, dispatch_write_groups);
}

/* ---- status and receivers ---- */

static void put(struct json_writer *w, const char *key, struct slice value)
{
    json_key(w, slice_str(key));
    json_string(w, value);
}

void am_status(void *user, struct http_exchange *x)
{
    struct api *api = user;
    char time[DATE_TEXT_BYTES_MAX];
    enum { MS_DIGITS = 3 };
    struct json_writer w;
    struct buf b;
    buf_init(&b, ANSWER_BYTES_MAX);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    json_key(&w, SLICE("cluster"));
    json_raw(&w, SLICE("{\"name\":\"\",\"peers\":[],\"status\":\"disabled\"}"));
    json_key(&w, SLICE("config"));
    json_object_begin(&w);
    put(&w, "original", api->config_text ? api->config_text(api->server, http_arena(x)) : SLICE_EMPTY);
    json_object_end(&w);
    put(&w, "uptime", slice_of(time, date_format_rfc3339(api->started_ns, 0, MS_DIGITS, time)));
    json_key(&w, SLICE("versionInfo"));
    json_object_begin(&w);
    put(&w, "branch", SLICE_EMPTY);
    put(&w, "buildDate", SLICE_EMPTY);
    put(&w, "buildUser", SLICE_EMPTY);
    put(&w, "goVersion", SLICE_EMPTY);
    put(&w, "revision", api->revision);
    put(&w, "version", api->version);
    json_object_end(&w);
    json_object_end(&w);
    api_reply_json(x, 200, &b);
}

void am_receivers(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct buf b;
    if (d == NULL)
        return;
    buf_init(&b, ANSWER_BYTES_MAX);
    dispatch_write_receivers(d, &b);
    api_reply_json(x, 200, &b);
}

/* ---- alerts in ---- */

static struct slice text_of(struct json_value v, const char *key)
{
    struct json_value item;
    return json_get(v, slice_str(key), &item) ? json_get_string(item) : SLICE_EMPTY;
}

static enum status time_of(struct json_value v, const char *key, int64_t *out, struct err *err)
{
    struct slice text = text_of(v, key);
    *out = 0;
    if (text.len == 0 || slice_starts(text, SLICE("0001-01-01T00:00:00")))
        return ST_OK;
    if (!date_parse_rfc3339(text, out))
        return err_set(err, ST_INVALID, "%s: found \"%.*s\", expected a time such as 2026-01-31T08:00:00Z", key, SLICE_FMT(utf8_cut(text, 64)));
    return ST_OK;
}

static enum status labels_of(struct arena *a, struct json_value v, const char *key, struct slice *out, struct err *err)
{
    struct label pairs[LABELS_PER_SERIES_MAX + 1];
    struct json_value map, item;
    struct slice name;
    size_t n = 0;
    *out = SLICE_EMPTY;
    if (!json_get(v, slice_str(key), &map) || json_type(map) == JSON_NULL)
        return ST_OK;
    if (json_type(map) != JSON_OBJECT)
        return err_set(err, ST_INVALID, "%s: expected an object of texts", key);
    for (struct json_iter it = json_object(map); json_object_next(&it, &name, &item);) {
        if (json_type(item) != JSON_STRING)
            return err_set(err, ST_INVALID, "%s: %.*s: expected a text", key, SLICE_FMT(utf8_cut(name, 64)));
        if (n == LABELS_PER_SERIES_MAX)
            return err_set(err, ST_LIMIT, "%s: more than %d", key, LABELS_PER_SERIES_MAX);
        pairs[n++] = (struct label){arena_copy(a, name), arena_copy(a, json_get_string(item))};
    }
    return labels_build(a, pairs, n, out, err);
}

/* Annotations are texts for people, longer than labels may be: cut, not refused. */
static enum status annotations_of(struct arena *a, struct json_value v, struct slice *out, struct err *err)
{
    struct label pairs[LABELS_PER_SERIES_MAX + 1];
    struct json_value map, item;
    struct slice name;
    size_t n = 0;
    *out = SLICE_EMPTY;
    if (!json_get(v, SLICE("annotations"), &map) || json_type(map) != JSON_OBJECT)
        return ST_OK;
    for (struct json_iter it = json_object(map); n < LABELS_PER_SERIES_MAX && json_object_next(&it, &name, &item);)
        pairs[n++] = (struct label){arena_copy(a, name), arena_copy(a, utf8_cut(json_get_string(item), LABEL_VALUE_BYTES_MAX))};
    return labels_build(a, pairs, n, out, err);
}

static enum status alert_read(struct arena *a, struct json_value v, struct alert_put *out, struct err *err)
{
    *out = (struct alert_put){.generator_url = arena_copy(a, text_of(v, "generatorURL")), .receiver = SLICE_EMPTY, .value = NAN};
    enum status st = labels_of(a, v, "labels", &out->labels, err);
    if (!st && out->labels.len == 0)
        return err_set(err, ST_INVALID, "an alert needs at least one label");
    if (!st)
        st = annotations_of(a, v, &out->annotations, err);
    if (!st)
        st = time_of(v, "startsAt", &out->starts_ns, err);
    if (!st)
        st = time_of(v, "endsAt", &out->ends_ns, err);
    if (!st && out->starts_ns && out->ends_ns && out->ends_ns < out->starts_ns)
        return err_set(err, ST_INVALID, "an alert's end must not be before its start");
    return st;
}

/* What is wrong is refused, the rest taken, as Alertmanager does. */
static enum status alerts_post(struct dispatch *d, struct http_exchange *x, struct json_parser *parser, struct err *err)
{
    struct arena *a = http_arena(x);
    struct alert_put *puts = NULL;
    size_t count = 0, cap = 0;
    struct json_value doc, item;
    struct err first = {0};
    enum status st = json_parse(parser, http_body(x), &doc, err), bad = ST_OK;
    if (!st && json_type(doc) != JSON_ARRAY)
        st = err_set(err, ST_INVALID, "expected a list of alerts");
    if (st)
        return st;
    for (struct json_iter it = json_array(doc); json_array_next(&it, &item);) {
        struct alert_put p;
        struct err why;
        if (count == ALERTS_POST_MAX)
            return err_set(err, ST_LIMIT, "more than %d alerts in one request", ALERTS_POST_MAX);
        enum status one = alert_read(a, item, &p, &why);
        if (!one) {
            ARENA_PUSH(a, puts, count, cap) = p;
        } else if (!bad) {
            bad = one;
            first = why;
        }
    }
    st = dispatch_put(d, puts, count, err);
    if (!st && bad) {
        *err = first;
        st = bad == ST_LIMIT ? ST_INVALID : bad;
    }
    return st;
}

void am_alerts_post(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct err err;
    if (d == NULL)
        return;
    struct json_parser *parser = json_parser_new();
    enum status st = alerts_post(d, x, parser, &err);
    json_parser_free(parser);
    if (st)
        fail(x, st, &err);
    else
        http_reply(x, 200, SLICE_EMPTY, SLICE_EMPTY);
}

/* ---- silences ---- */

void am_silences(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct filters s;
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    buf_init(&b, ANSWER_BYTES_MAX);
    enum status st = filters_read(x, &s, &err);
    if (!st)
        dispatch_write_silences(d, s.f.matchers, s.f.matcher_count, &b);
    answer(x, st, &b, &err);
    filters_free(&s);
}

void am_silence(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    buf_init(&b, ANSWER_BYTES_MAX);
    enum status st = dispatch_write_silence(d, api_path_part(x, SLICE("id")), &b, &err);
    answer(x, st, &b, &err);
}

void am_silence_delete(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct err err;
    if (d == NULL)
        return;
    api_audit_note(x, api_path_part(x, SLICE("id")), 1);
    enum status st = dispatch_silence_expire(d, api_path_part(x, SLICE("id")), &err);
    if (st)
        fail(x, st, &err);
    else
        http_reply(x, 200, SLICE_EMPTY, SLICE_EMPTY);
}

static enum status silence_read(struct arena *a, struct json_value v, struct silence_put *out, struct err *err)
{
    struct json_value list_value, item, part;
    struct matcher *matchers = NULL;
    size_t cap = 0;
    *out = (struct silence_put){.id = arena_copy(a, text_of(v, "id")),
                                .created_by = arena_copy(a, text_of(v, "createdBy")),
                                .comment = arena_copy(a, text_of(v, "comment"))};
    if (json_type(v) != JSON_OBJECT || !json_get(v, SLICE("matchers"), &list_value))
        return err_set(err, ST_INVALID, "expected a silence with matchers, startsAt, endsAt, createdBy and comment");
    enum status st = time_of(v, "startsAt", &out->starts_ns, err);
    if (!st)
        st = time_of(v, "endsAt", &out->ends_ns, err);
    for (struct json_iter it = json_array(list_value); !st && json_array_next(&it, &item);) {
        bool is_regex = json_get(item, SLICE("isRegex"), &part) && json_get_bool(part);
        bool is_equal = !json_get(item, SLICE("isEqual"), &part) || json_get_bool(part);
        if (out->matcher_count == SELECTOR_MATCHERS_MAX)
            st = err_set(err, ST_LIMIT, "more than %d matchers", SELECTOR_MATCHERS_MAX);
        else
            ARENA_PUSH(a, matchers, out->matcher_count, cap) =
                (struct matcher){.op = is_regex ? (is_equal ? MATCH_RE : MATCH_NRE) : is_equal ? MATCH_EQ : MATCH_NE,
                                 .name = arena_copy(a, text_of(item, "name")),
                                 .value = arena_copy(a, text_of(item, "value"))};
    }
    out->matchers = matchers;
    return st;
}

void am_silence_post(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct silence_put p;
    struct json_value doc;
    struct slice id = SLICE_EMPTY;
    struct json_writer w;
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    struct json_parser *parser = json_parser_new();
    enum status st = json_parse(parser, http_body(x), &doc, &err);
    if (!st)
        st = silence_read(http_arena(x), doc, &p, &err);
    if (!st)
        st = dispatch_silence_put(d, &p, http_arena(x), &id, &err);
    json_parser_free(parser);
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put(&w, "silenceID", id);
    json_object_end(&w);
    api_audit_note(x, id, 1);
    answer(x, st, &b, &err);
}
