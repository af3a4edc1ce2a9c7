/* SPDX-License-Identifier: Apache-2.0 */
/* Real users: POST /api/metrics, where pages of any site send web vitals, and the report.
 *
 * A visitor's browser has no login. Where none is needed, whoever reaches us may post. Where one is needed, or where `rum:`
 * lists origins, a post must come from a page of a listed origin, or carry credentials that may write. An origin is what a
 * browser says truly and a liar does not: the list keeps other sites' pages out, and the limit of posts a second keeps a liar
 * from filling the disk. */
#include "api/handlers.h"
#include "auth/auth.h"
#include "base/num.h"
#include "pipeline/pipeline.h"
#include "rum/rum.h"

enum { BATCH_ARENA_BYTES_MAX = 16 * MIB, RANGE_HOURS_DEFAULT = 24, STEPS_DEFAULT = 60, ROWS_DEFAULT = 100 };

/* ---- other origins ---- */

static void put_cors(struct http_exchange *x)
{
    struct slice origin = http_header(x, SLICE("Origin"));
    if (origin.len == 0)
        return;
    http_set_header(x, SLICE("Access-Control-Allow-Origin"), origin);
    http_set_header(x, SLICE("Access-Control-Allow-Credentials"), SLICE("true")); /* sendBeacon always brings cookies */
    http_set_header(x, SLICE("Vary"), SLICE("Origin"));
}

void rum_http_preflight(void *user, struct http_exchange *x)
{
    put_cors(x);
    http_set_header(x, SLICE("Access-Control-Allow-Methods"), SLICE("POST, OPTIONS"));
    http_set_header(x, SLICE("Access-Control-Allow-Headers"), SLICE("Content-Type"));
    http_set_header(x, SLICE("Access-Control-Max-Age"), SLICE("86400"));
    http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

/* Cookies of a session count for nothing here: another site's page could bring them. */
static bool may_write(struct api *api, struct http_exchange *x)
{
    const struct auth_caller *c = api_caller(x);
    if (api->auth == NULL || c->kind == CALLER_OPEN)
        return true;
    return c->kind != CALLER_SESSION && c->kind != CALLER_NOBODY && role_may(c->role, PERMIT_WRITE);
}

static enum status check_origin(struct api *api, struct http_exchange *x, struct err *err)
{
    struct slice origin = http_header(x, SLICE("Origin"));
    switch (rum_origin(api->rum, origin)) {
    case RUM_ORIGIN_LISTED:
        return ST_OK;
    case RUM_ORIGIN_OTHER:
        if (origin.len)
            return err_set(err, ST_DENIED, "pages of %.*s may not post here: it is not in the list rum.origins",
                           SLICE_FMT(slice_sub(origin, 0, 200)));
        break;
    case RUM_ORIGIN_NO_LIST:
        break;
    }
    if (may_write(api, x))
        return ST_OK;
    return err_set(err, ST_DENIED, "a login is needed to write here; put the page's origin into the list rum.origins so that its visitors need none");
}

/* ---- a post ---- */

struct pending {
    struct api *api;
    struct http_exchange *x;
    size_t events;
};

static void finish(struct pending *p, enum status st, const struct err *err)
{
    self_ingest_done(p->api->self, "web_vitals", 0, p->events, 0, st);
    if (st)
        http_reply(p->x, api_http_status(st), SLICE("text/plain; charset=utf-8"), arena_printf(http_arena(p->x), "%s\n", err->text));
    else
        http_reply(p->x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

static void on_ack(void *arg, enum status st, const struct err *err)
{
    finish(arg, st, err);
}

static enum status decode(struct api *api, struct http_exchange *x, struct batch *b, struct err *err)
{
    struct slice country = rum_country_header(api->rum, http_arena(x)), tenant = SLICE("default");
    struct rum_visit v = { .received_ns = http_received_ns(x), .referer = http_header(x, SLICE("Referer")),
                           .fetch_site = http_header(x, SLICE("Sec-Fetch-Site")), .user_agent = http_header(x, SLICE("User-Agent")),
                           .mobile_hint = http_header(x, SLICE("Sec-CH-UA-Mobile")),
                           .country = country.len ? http_header(x, country) : SLICE_EMPTY };
    enum status st = check_origin(api, x, err);
    /* Only who has a login may choose a tenant. */
    if (!st && may_write(api, x))
        st = api_write_tenant(x, &tenant, err);
    if (st)
        return st;
    b->tenant = arena_copy(b->arena, tenant);
    b->received_ns = v.received_ns;
    st = rum_decode(&v, http_body(x), b, err);
    if (!st)
        rum_posted(api->rum, tenant);
    return st;
}

static void refuse(struct http_exchange *x)
{
    http_set_header(x, SLICE("Retry-After"), SLICE("1"));
    http_reply(x, 429, SLICE("text/plain; charset=utf-8"), SLICE("too many web vitals in this second\n"));
}

void rum_http_post(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct ingest_result result = { 0 };
    struct err err;
    struct pending *p = arena_new_of(http_arena(x), struct pending);
    *p = (struct pending){ api, x, 0 };
    put_cors(x);
    if (!rum_may_post(api->rum)) {
        refuse(x);
        return;
    }
    struct batch *b = batch_new(BATCH_ARENA_BYTES_MAX);
    enum status st = decode(api, x, b, &err);
    if (!st && !rum_may_take(api->rum, b->event_count)) {
        batch_drop(b);
        refuse(x);
        return;
    }
    if (!st)
        st = pipeline_run(api->pipeline, b, &result, &err);
    p->events = b->event_count;
    if (st || b->event_count == 0) {
        batch_drop(b);
        finish(p, st, &err);
        return;
    }
    st = api->engine->ops->append(api->engine, b, (struct append_ack){ on_ack, p }, &err);
    if (st)
        finish(p, st, &err);
}

/* ---- the report ---- */

static enum status query_read(struct api_query *q, struct rum_query *out, struct err *err)
{
    struct api_params p;
    enum status st = api_params_read(q->x, &p, err);
    struct slice by = st ? SLICE_EMPTY : api_param(&p, SLICE("by"), NULL), step = st ? SLICE_EMPTY : api_param(&p, SLICE("step"), NULL);
    if (!st)
        st = api_param_time(&p, SLICE("end"), clock_wall_ns(q->api->clock), &out->end_ns, err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), sat_sub(out->end_ns, RANGE_HOURS_DEFAULT * 3600 * NS_S), &out->start_ns, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), ROWS_DEFAULT, RUM_ROWS_MAX, &out->rows_max, err);
    out->by = RUM_BY_PAGE;
    if (!st && by.len && !rum_by_parse(by, &out->by))
        return err_set(err, ST_INVALID, "invalid parameter \"by\": found \"%.*s\", allowed are page, country and device", SLICE_FMT(by));
    if (st)
        return st;
    out->step_ns = MAX(sat_sub(out->end_ns, out->start_ns) / STEPS_DEFAULT, NS_S);
    return step.len ? api_parse_duration(step, &out->step_ns, err) : ST_OK;
}

void rum_http_report(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct rum_query rq;
    struct buf out;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    enum status st = query_read(&q, &rq, &err);
    if (!st)
        st = rum_report(api->engine, &q.ctx, &rq, q.arena, &out, &err);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        api_reply_json(x, 200, &out);
    }
    api_query_end(&q, "rum", st, &err);
}
