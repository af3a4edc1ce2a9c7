/* SPDX-License-Identifier: Apache-2.0 */
/* Following a log query: Loki's /loki/api/v1/tail over a websocket, and ours as lines of JSON, for a terminal.
 * https://grafana.com/docs/loki/latest/reference/loki-http-api/#stream-logs
 *
 * Watching begins before the past is read, so no line falls between the two; what is in both is sent once. */
#include "api/handlers.h"
#include "api/loki_json.h"
#include "api/query_log.h"
#include "api/follow.h"
#include "logql/search.h"
#include "net/websocket.h"

enum {
    FOLLOW_LINES_DEFAULT = 100,
    FOLLOW_LINES_MAX = 5000,  /* of the past */
    FOLLOW_PAST_HOURS = 1,    /* unless `start` says otherwise */
    FOLLOW_DELAY_SECONDS_MAX = 5
};

/* ---- Where messages go ---- */

static bool socket_send(void *arg, struct slice message)
{
    return websocket_send(arg, message);
}

static bool socket_is_gone(void *arg)
{
    return websocket_is_gone(arg);
}

static void socket_end(void *arg, struct slice reason)
{
    websocket_close(arg, WEBSOCKET_GOING_AWAY, reason);
    websocket_drop(arg);
}

static void socket_closed(void *arg)
{
    (void)arg; /* the thread that follows sees it */
}

static bool lines_send(void *arg, struct slice message)
{
    return http_write_now(arg, message);
}

static bool lines_is_gone(void *arg)
{
    return http_is_gone(arg);
}

static void lines_end(void *arg, struct slice reason)
{
    (void)reason;
    http_end(arg);
}

/* ---- The request ---- */

struct asked {
    struct query_params params; /* of the past */
    size_t limit;
    struct slice query;
    const struct query_lang *lang;
};

static enum status read_asked(struct api *api, struct http_exchange *x, struct asked *out, struct err *err)
{
    struct api_params p;
    size_t delay;
    int64_t now = clock_wall_ns(api->clock);
    *out = (struct asked){ .lang = api->logql, .params = { .end_ns = INT64_MAX, .direction = DIRECTION_BACKWARD } };
    enum status st = api_params_read(x, &p, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), FOLLOW_LINES_DEFAULT, FOLLOW_LINES_MAX, &out->limit, err);
    if (!st) /* for stores that show a line some time after it came; here nothing has to wait */
        st = api_param_size(&p, SLICE("delay_for"), 0, FOLLOW_DELAY_SECONDS_MAX, &delay, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), now - FOLLOW_PAST_HOURS * 3600 * NS_S, &out->params.start_ns, err);
    out->params.limit = out->limit;
    bool is_search = false;
    struct slice search = st ? SLICE_EMPTY : api_param(&p, SLICE("search"), &is_search); /* ours: the language of the search box */
    out->lang = is_search ? &search_lang : api->logql;
    out->query = st ? SLICE_EMPTY : is_search ? search : api_param(&p, SLICE("query"), NULL);
    return st;
}

static enum status join(struct api *api, struct api_query *q, const struct query_lang *lang, struct follow_watcher **out, struct err *err)
{
    struct query_rows *rows;
    enum status st = lang->rows_open(q->text, &rows, err);
    return st ? st : follow_join(api->follow, lang, rows, q->ctx.tenants, q->ctx.tenant_count, out, err);
}

static void serve(struct api *api, struct http_exchange *x, bool is_socket)
{
    struct api_query q;
    struct asked asked;
    struct value past = { .type = VALUE_STREAMS };
    struct follow_watcher *w = NULL;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = read_asked(api, x, &asked, &err);
    q.text = arena_copy(q.arena, asked.query);
    query_log_text(api->queries, q.log_id, q.text);
    if (!st)
        st = join(api, &q, asked.lang, &w, &err);
    if (!st && asked.limit)
        st = asked.lang->range(&q.env, q.text, &asked.params, &past, &err);
    if (st) {
        if (w)
            follow_leave(api->follow, w);
        api_fail_text(x, st, &err);
    } else if (is_socket) {
        enum follow_format format = loki_json_categorizes(x) ? FOLLOW_LOKI_CATEGORIES : FOLLOW_LOKI;
        struct websocket *socket = websocket_accept(x, &(struct websocket_user){ socket_closed, NULL });
        if (socket)
            follow_begin(api->follow, w, &past, format, &(struct follow_sink){ socket_send, socket_is_gone, socket_end, socket });
        else
            follow_leave(api->follow, w);
    } else {
        http_begin(x, 200, SLICE("application/x-ndjson"));
        follow_begin(api->follow, w, &past, FOLLOW_NDJSON, &(struct follow_sink){ lines_send, lines_is_gone, lines_end, x });
    }
    api_query_end(&q, asked.lang->name, st, &err);
}

void loki_tail(void *user, struct http_exchange *x)
{
    serve(user, x, true);
}

void follow_lines(void *user, struct http_exchange *x)
{
    serve(user, x, false);
}
