/* SPDX-License-Identifier: Apache-2.0 */
/* Loki: POST or PUT /loki/api/v1/delete takes the lines of a selector, and of one line filter, out of answers by a tombstone of the
 * store; GET lists what was asked for, DELETE would take it back. https://grafana.com/docs/loki/latest/reference/loki-http-api/
 *
 * A tombstone is a selector and a text that lines contain. What it cannot say (parsers, other filters) is refused: nothing is
 * deleted by a reading that could be wrong. It acts at once: every request is "processed" as soon as it is answered, and so none
 * can be cancelled, as Loki cancels none that it has processed. Requests are kept in the state of the server, the newest of them. */
#include "api/handlers.h"
#include "api/loki_params.h"
#include "base/num.h"
#include "codec/json.h"
#include "logql/logql.h"
#include "store/kv.h"

#include <stdlib.h>

enum { DELETES_KEPT_MAX = 1000 /* of one tenant */, DELETES_ANSWER_BYTES_MAX = 16 * MIB, DELETE_TEXT_BYTES_MAX = 64 * KIB };
static const struct slice key_prefix = SLICE_INIT("loki/deletes/");

struct request {
    struct slice key, id, query;
    int64_t start_ns, end_ns, made_ns;
};

/* Where the selector ends: behind its brace that closes, quotes passed over. 0: it does not. */
static size_t selector_end(struct slice text)
{
    char quote = 0;
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        if (quote) {
            if (c == '\\' && quote == '"')
                i++;
            else if (c == quote)
                quote = 0;
        } else if (c == '"' || c == '`') {
            quote = c;
        } else if (c == '}') {
            return i + 1;
        }
    }
    return 0;
}

/* `|= "text"`, alone and without escapes; nothing at all is well, too. */
static enum status filter_read(struct slice rest, struct slice *contains, struct err *err)
{
    rest = slice_trim(rest);
    *contains = SLICE_EMPTY;
    if (rest.len == 0)
        return ST_OK;
    struct slice text = slice_starts(rest, SLICE("|=")) ? slice_trim(slice_skip(rest, 2)) : SLICE_EMPTY;
    char quote = text.len > 2 ? text.ptr[0] : 0;
    bool is_quoted = (quote == '"' || quote == '`') && text.ptr[text.len - 1] == quote;
    *contains = is_quoted ? slice_sub(text, 1, text.len - 1) : SLICE_EMPTY;
    if (contains->len == 0 || slice_contains(*contains, slice_of(&quote, 1)) || (quote == '"' && slice_contains(*contains, SLICE("\\"))))
        return err_set(err, ST_INVALID, "delete: found \"%.*s\" behind the selector; allowed is one filter |= \"text\" without escapes",
                       SLICE_FMT(rest));
    return ST_OK;
}

/* ---- what was asked for ---- */

static enum status one_tenant(const struct api_query *q, struct err *err)
{
    return q->ctx.tenant_count == 1 ? ST_OK : err_set(err, ST_INVALID, "header X-Scope-OrgID: lines are deleted of one tenant at a time");
}

static int by_time(const void *a, const void *b)
{
    const struct request *x = a, *y = b;
    return x->made_ns != y->made_ns ? (x->made_ns < y->made_ns ? -1 : 1) : slice_cmp(x->id, y->id);
}

/* A value is three times and the query. */
static bool request_read(struct slice prefix, struct slice key, struct slice value, struct request *out)
{
    struct slice start, end, made;
    *out = (struct request){ .key = key, .id = slice_skip(key, prefix.len) };
    return slice_next(&value, ' ', &start) && slice_next(&value, ' ', &end) && slice_next(&value, ' ', &made) &&
           num_parse_i64(start, &out->start_ns) && num_parse_i64(end, &out->end_ns) && num_parse_i64(made, &out->made_ns) &&
           (out->query = value).len > 0;
}

/* The oldest first, in q->arena. */
static enum status requests_read(const struct api_query *q, struct request **out, size_t *count, struct err *err)
{
    struct slice prefix = arena_printf(q->arena, "%.*s%.*s/", SLICE_FMT(key_prefix), SLICE_FMT(q->ctx.tenants[0]));
    struct kv_pair *pairs;
    size_t n;
    enum status st = kv_list(q->api->kv, prefix, q->arena, &pairs, &n, err);
    if (st)
        return st;
    *out = arena_array(q->arena, struct request, n + 1);
    *count = 0;
    for (size_t i = 0; i < n; i++)
        *count += request_read(prefix, pairs[i].key, pairs[i].value, &(*out)[*count]);
    if (*count)
        qsort(*out, *count, sizeof **out, by_time);
    return ST_OK;
}

static enum status request_keep(const struct api_query *q, const struct request *r, struct err *err)
{
    struct request *list;
    size_t n;
    struct slice value = arena_printf(q->arena, "%lld %lld %lld %.*s", (long long)r->start_ns, (long long)r->end_ns, (long long)r->made_ns,
                                      SLICE_FMT(r->query));
    uint64_t id = hash64(value, hash64(q->ctx.tenants[0], 0));
    struct slice key = arena_printf(q->arena, "%.*s%.*s/%08x", SLICE_FMT(key_prefix), SLICE_FMT(q->ctx.tenants[0]), (unsigned)(id >> 32));
    enum status st = kv_put(q->api->kv, key, value, err);
    if (!st)
        st = requests_read(q, &list, &n, err);
    for (size_t i = 0; !st && i + DELETES_KEPT_MAX < n; i++)
        st = kv_delete(q->api->kv, list[i].key, err);
    return st ? err_prefix(err, "the lines are deleted, but the request could not be kept for the list of deletions: ") : ST_OK;
}

static void put_seconds(struct json_writer *w, struct slice key, int64_t ns)
{
    json_key(w, key);
    json_double(w, (double)(ns / NS_MS) / 1000);
}

static void put_request(struct json_writer *w, const struct request *r)
{
    json_object_begin(w);
    json_key(w, SLICE("request_id"));
    json_string(w, r->id);
    put_seconds(w, SLICE("start_time"), r->start_ns);
    put_seconds(w, SLICE("end_time"), r->end_ns);
    json_key(w, SLICE("query"));
    json_string(w, r->query);
    json_key(w, SLICE("status"));
    json_string(w, SLICE("processed"));
    put_seconds(w, SLICE("created_at"), r->made_ns);
    json_object_end(w);
}

void loki_delete_list(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct request *list = NULL;
    struct json_writer w;
    struct buf out;
    struct err err;
    size_t n = 0;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = one_tenant(&q, &err);
    if (!st)
        st = requests_read(&q, &list, &n, &err);
    if (st) {
        api_fail_text(x, st, &err);
    } else {
        buf_init(&out, DELETES_ANSWER_BYTES_MAX);
        json_writer_init(&w, &out);
        json_array_begin(&w);
        for (size_t i = 0; i < n; i++)
            put_request(&w, &list[i]);
        json_array_end(&w);
        api_reply_json(x, 200, &out);
    }
    api_query_end(&q, "loki_delete", st, &err);
}

void loki_delete_cancel(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct request *list = NULL;
    struct err err;
    size_t n = 0, at = 0;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = one_tenant(&q, &err);
    if (!st)
        st = api_params_read(x, &p, &err);
    struct slice id = st ? SLICE_EMPTY : api_param(&p, SLICE("request_id"), NULL);
    if (!st && id.len == 0)
        st = err_set(&err, ST_INVALID, "request_id not set");
    if (!st)
        st = requests_read(&q, &list, &n, &err);
    while (!st && at < n && !slice_eq(list[at].id, id))
        at++;
    if (!st)
        st = at == n ? err_set(&err, ST_NOT_FOUND, "could not find delete request with given id")
                     : err_set(&err, ST_INVALID, "deletion of request which is in process or already processed is not allowed");
    api_fail_text(x, st, &err);
    api_query_end(&q, "loki_delete", st, &err);
}

/* ---- deleting ---- */

/* One matcher at least that needs a label: {} and {a=~".*"} are slips that would take everything. */
static enum status selector_check(const struct matcher *matchers, size_t count, struct err *err)
{
    for (size_t i = 0; i < count; i++)
        if (!matcher_matches_empty(&matchers[i]))
            return ST_OK;
    return err_set(err, ST_INVALID, "delete: queries require at least one regexp or equality matcher that does not have an empty-compatible value; "
                                    "for all lines say {service_name=~\".+\"}");
}

static enum status delete_lines(struct api_query *q, struct matcher **matchers, size_t *count, struct err *err)
{
    struct api_params p;
    struct buf selector;
    struct slice contains = SLICE_EMPTY;
    int64_t start_ns = 0, end_ns = 0, now = clock_wall_ns(q->api->clock);
    enum status st = api_params_read(q->x, &p, err);
    struct slice text = st ? SLICE_EMPTY : slice_trim(api_param(&p, SLICE("query"), NULL));
    size_t end = selector_end(text);
    if (!st && end == 0)
        st = err_set(err, ST_INVALID, "query not set: a selector {a=\"b\"} is needed");
    if (!st && api_param(&p, SLICE("start"), NULL).len == 0)
        st = err_set(err, ST_INVALID, "start time not set");
    if (!st && text.len > DELETE_TEXT_BYTES_MAX)
        st = err_set(err, ST_INVALID, "query: found %zu bytes, at most %d are allowed", text.len, DELETE_TEXT_BYTES_MAX);
    if (!st)
        st = one_tenant(q, err);
    if (!st)
        st = logql_parse_selector(q->arena, slice_sub(text, 0, end), matchers, count, err);
    if (!st)
        st = selector_check(*matchers, *count, err);
    if (!st)
        st = filter_read(slice_skip(text, end), &contains, err);
    if (!st)
        st = loki_param_time(&p, SLICE("start"), 0, &start_ns, err);
    if (!st)
        st = loki_param_time(&p, SLICE("end"), now, &end_ns, err);
    if (!st && (end_ns < start_ns || end_ns > now))
        st = err_set(err, ST_INVALID, "delete: the end must be at or behind the start, and not in the future");
    if (st)
        return st;
    buf_init(&selector, API_FORM_BYTES_MAX);
    matchers_format(*matchers, *count, &selector);
    struct tombstone t = { .tenant = q->ctx.tenants[0], .is_events = true, .start_ns = start_ns, .end_ns = sat_add(end_ns, 1),
                           .selector = buf_as_slice(&selector), .contains = contains };
    st = q->api->engine->ops->erase(q->api->engine, &t, err);
    buf_free(&selector);
    struct request r = { .query = text, .start_ns = start_ns, .end_ns = end_ns, .made_ns = now };
    return st ? st : request_keep(q, &r, err);
}

void loki_delete(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct matcher *matchers = NULL;
    struct err err;
    size_t count = 0;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = delete_lines(&q, &matchers, &count, &err);
    if (st)
        api_fail_text(x, st, &err);
    else
        http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
    for (size_t i = 0; i < count; i++)
        matcher_destroy(&matchers[i]);
    api_query_end(&q, "loki_delete", st, &err);
}
