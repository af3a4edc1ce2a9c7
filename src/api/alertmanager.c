/* SPDX-License-Identifier: Apache-2.0 */
/* Alertmanager's API v2, for amtool, Prometheus's `alerting:` and pages made for it. Errors are a JSON text, as there.
 * https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
#include "alert/dispatch.h"
#include "alert/setup.h"
#include "api/alertmanager_read.h"
#include "api/handlers.h"
#include "base/date.h"
#include "codec/json.h"
#include "codec/regex.h"
#include "codec/url.h"

enum { ANSWER_BYTES_MAX = 256 * MIB, FILTERS_MAX = 64 };

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

/* What is wrong is refused, the rest taken, as Alertmanager does. */
static enum status alerts_post(struct dispatch *d, struct http_exchange *x, struct err *err)
{
    struct am_alerts got;
    enum status st = am_alerts_read(http_arena(x), http_body(x), &got, err);
    if (!st)
        st = dispatch_put(d, got.list, got.count, err);
    if (!st && got.refused) {
        *err = got.why;
        st = got.refused == ST_LIMIT ? ST_INVALID : got.refused;
    }
    return st;
}

void am_alerts_post(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct err err;
    if (d == NULL)
        return;
    enum status st = alerts_post(d, x, &err);
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

void am_silence_post(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct silence_put p;
    struct slice id = SLICE_EMPTY;
    struct json_writer w;
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    enum status st = am_silence_read(http_arena(x), http_body(x), &p, &err);
    if (!st)
        st = dispatch_silence_put(d, &p, http_arena(x), &id, &err);
    buf_init(&b, 0);
    json_writer_init(&w, &b);
    json_object_begin(&w);
    put(&w, "silenceID", id);
    json_object_end(&w);
    api_audit_note(x, id, 1);
    answer(x, st, &b, &err);
}
