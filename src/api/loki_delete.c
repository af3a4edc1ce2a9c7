/* SPDX-License-Identifier: Apache-2.0 */
/* Loki: POST or PUT /loki/api/v1/delete takes the lines of a selector, and of one line filter, out of answers by a tombstone of the
 * store. https://grafana.com/docs/loki/latest/reference/loki-http-api/
 *
 * A tombstone is a selector and a text that lines contain. What it cannot say (parsers, other filters) is refused: nothing is
 * deleted by a reading that could be wrong. It acts at once and is not taken back. */
#include "api/handlers.h"
#include "base/num.h"
#include "logql/logql.h"

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
    if (!st && q->ctx.tenant_count != 1)
        st = err_set(err, ST_INVALID, "header X-Scope-OrgID: lines are deleted of one tenant at a time");
    if (!st)
        st = logql_parse_selector(q->arena, slice_sub(text, 0, end), matchers, count, err);
    if (!st)
        st = filter_read(slice_skip(text, end), &contains, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), 0, &start_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), now, &end_ns, err);
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
    return st;
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
