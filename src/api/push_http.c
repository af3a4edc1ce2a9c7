/* SPDX-License-Identifier: Apache-2.0 */
/* Pushgateway's API: PUT, POST and DELETE /metrics/job/NAME{/LABEL/VALUE}, and a list of what is kept. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "codec/compress.h"
#include "collect/push.h"

static struct push *push_of(struct api *api, struct http_exchange *x)
{
    struct err err;
    if (api->push == NULL)
        api_fail_text(x, err_set(&err, ST_UNAVAILABLE, "pushed metrics are not taken yet, or not any more"), &err);
    return api->push;
}

/* What the path says behind /metrics/; still encoded, because a value may hold a slash that is none of the path's. */
static enum status target_read(struct http_exchange *x, struct slice *tenant, struct slice *key, struct err *err)
{
    struct slice path = http_raw_path(x);
    size_t query = slice_find_char(path, '?', 0);
    if (query != SIZE_MAX)
        path = slice_sub(path, 0, query);
    if (path.len > 1 && path.ptr[path.len - 1] == '/')
        path.len--;
    enum status st = api_write_tenant(x, tenant, err);
    return st ? st : push_key_parse(http_arena(x), slice_skip(path, SLICE("/metrics/").len), key, err);
}

static enum status put_body(struct push *p, struct http_exchange *x, uint32_t *retry_s, struct err *err)
{
    struct slice tenant, key, body, type = http_header(x, SLICE("Content-Type"));
    struct buf room;
    enum status st = target_read(x, &tenant, &key, err);
    if (st)
        return st;
    if (slice_starts(type, SLICE("application/vnd.google.protobuf")))
        return err_set(err, ST_UNSUPPORTED, "Content-Type %.*s: push the text format (text/plain; version=0.0.4)",
                       SLICE_FMT(slice_sub(type, 0, 120)));
    buf_init(&room, 0);
    st = body_decode(http_header(x, SLICE("Content-Encoding")), http_body(x), false, PUSH_BODY_BYTES_MAX, &room, &body, err);
    if (!st)
        st = push_put(p, &(struct push_page){ tenant, key, body, type, http_method(x) == HTTP_PUT_ }, retry_s, err);
    buf_free(&room);
    return st;
}

void push_http_put(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct push *p = push_of(api, x);
    struct err err;
    if (p == NULL)
        return;
    uint32_t retry_s = 0;
    enum status st = put_body(p, x, &retry_s, &err);
    self_ingest_done(api->self, "pushgateway", 0, 0, 0, st);
    if (retry_s) {
        http_set_header(x, SLICE("Retry-After"), arena_printf(http_arena(x), "%u", retry_s));
        http_reply(x, 429, SLICE("text/plain; charset=utf-8"), arena_printf(http_arena(x), "%s\n", err.text));
    } else if (st) {
        api_fail_text(x, st, &err);
    } else {
        http_reply(x, 200, SLICE_EMPTY, SLICE_EMPTY);
    }
}

void push_http_delete(void *user, struct http_exchange *x)
{
    struct push *p = push_of(user, x);
    struct slice tenant, key;
    struct err err;
    if (p == NULL)
        return;
    enum status st = target_read(x, &tenant, &key, &err);
    if (!st)
        st = push_delete(p, tenant, key, &err);
    if (st)
        api_fail_text(x, st, &err);
    else
        http_reply(x, 202, SLICE_EMPTY, SLICE_EMPTY);
}

void push_http_list(void *user, struct http_exchange *x)
{
    struct push *p = push_of(user, x);
    struct push_group_view *list;
    struct slice tenant;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t n;
    if (p == NULL)
        return;
    enum status st = api_write_tenant(x, &tenant, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    push_groups(p, tenant, http_arena(x), &list, &n);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("groups"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        json_key(&w, SLICE("labels"));
        prom_json_labels(&w, list[i].labels);
        json_key(&w, SLICE("pushed_ms"));
        json_int(&w, list[i].pushed_ms);
        json_key(&w, SLICE("failed_ms"));
        json_int(&w, list[i].failed_ms);
        json_key(&w, SLICE("families"));
        json_uint(&w, list[i].families);
        json_key(&w, SLICE("series"));
        json_uint(&w, list[i].series);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(x, 200, &out);
}

void push_http_metrics(struct push *p, struct buf *out)
{
    struct push_stats s;
    push_stats(p, &s);
    buf_printf(out,
               "# HELP stoa_push_groups Groups of pushed metrics that are kept.\n# TYPE stoa_push_groups gauge\nstoa_push_groups %llu\n"
               "# HELP stoa_push_series Series of them.\n# TYPE stoa_push_series gauge\nstoa_push_series %llu\n"
               "# HELP stoa_push_requests_total Pushes, by how they ended.\n# TYPE stoa_push_requests_total counter\n"
               "stoa_push_requests_total{result=\"ok\"} %llu\nstoa_push_requests_total{result=\"refused\"} %llu\n"
               "# HELP stoa_push_append_failures_total Rounds of a batch that the store did not take.\n"
               "# TYPE stoa_push_append_failures_total counter\nstoa_push_append_failures_total %llu\n",
               (unsigned long long)s.groups, (unsigned long long)s.series, (unsigned long long)s.pushes, (unsigned long long)s.failures,
               (unsigned long long)s.append_failures);
}
