/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents: the list, one of them, what people do with them, and the log of notifications. */
#include "alert/dispatch.h"
#include "api/handlers.h"
#include "auth/auth.h"
#include "codec/json.h"

enum { INCIDENTS_LIMIT_DEFAULT = 200, INCIDENTS_LIMIT_MAX = 2000, NOTIFICATIONS_LIMIT_DEFAULT = 200, INCIDENTS_BYTES_MAX = 64 * MIB };

static struct dispatch *dispatch_of(struct api *api, struct http_exchange *x)
{
    struct err err;
    if (api->dispatch == NULL)
        api_fail(x, err_set(&err, ST_UNAVAILABLE, "notification is not running"), &err);
    return api->dispatch;
}

void incidents_list(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct api_params p;
    struct err err;
    struct buf b;
    size_t limit = 0;
    if (d == NULL)
        return;
    buf_init(&b, INCIDENTS_BYTES_MAX);
    enum status st = api_params_read(x, &p, &err);
    struct slice state = st ? SLICE_EMPTY : api_param(&p, SLICE("state"), NULL);
    if (!st && state.len && !slice_eq(state, SLICE("open")) && !slice_eq(state, SLICE("all")))
        st = err_set(&err, ST_INVALID, "invalid parameter \"state\": found \"%.*s\", allowed are open and all", SLICE_FMT(state));
    if (!st)
        st = api_param_size(&p, SLICE("limit"), INCIDENTS_LIMIT_DEFAULT, INCIDENTS_LIMIT_MAX, &limit, &err);
    if (!st)
        dispatch_write_incidents(d, !slice_eq(state, SLICE("all")), limit, &b);
    api_answer(x, st, &b, &err);
}

void incidents_get(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct err err;
    struct buf b;
    if (d == NULL)
        return;
    buf_init(&b, INCIDENTS_BYTES_MAX);
    enum status st = dispatch_write_incident(d, api_path_part(x, SLICE("id")), &b, &err);
    api_answer(x, st, &b, &err);
}

void incidents_notifications(void *user, struct http_exchange *x)
{
    struct dispatch *d = dispatch_of(user, x);
    struct api_params p;
    struct err err;
    struct buf b;
    size_t limit = 0;
    if (d == NULL)
        return;
    buf_init(&b, INCIDENTS_BYTES_MAX);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), NOTIFICATIONS_LIMIT_DEFAULT, INCIDENTS_LIMIT_MAX, &limit, &err);
    if (!st)
        dispatch_write_notifications(d, limit, &b);
    api_answer(x, st, &b, &err);
}

/* Who is logged in acts in that name; the body's counts where nobody has to say who. */
static void act(void *user, struct http_exchange *x,
                enum status (*fn)(struct dispatch *d, struct slice id, struct slice by, struct slice note, struct err *err))
{
    struct dispatch *d = dispatch_of(user, x);
    struct slice text = http_body(x), id = api_path_part(x, SLICE("id")), by = api_caller(x)->user, note = SLICE_EMPTY;
    struct json_parser *parser = json_parser_new();
    struct json_value v, item;
    enum status st = ST_OK;
    struct err err;
    struct buf b;
    if (d == NULL) {
        json_parser_free(parser);
        return;
    }
    if (slice_trim(text).len)
        st = json_parse(parser, text, &v, &err);
    if (!st && slice_trim(text).len) {
        if (by.len == 0 && json_get(v, SLICE("by"), &item))
            by = json_get_string(item);
        if (json_get(v, SLICE("note"), &item))
            note = json_get_string(item);
    }
    buf_init(&b, INCIDENTS_BYTES_MAX);
    if (!st)
        st = fn(d, id, by, note, &err);
    if (!st)
        st = dispatch_write_incident(d, id, &b, &err);
    api_audit_note(x, id, 1);
    api_answer(x, st, &b, &err);
    json_parser_free(parser);
}

void incidents_ack(void *user, struct http_exchange *x)
{
    act(user, x, dispatch_acknowledge);
}

void incidents_resolve(void *user, struct http_exchange *x)
{
    act(user, x, dispatch_resolve);
}
