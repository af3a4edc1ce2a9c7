/* SPDX-License-Identifier: Apache-2.0 */
/* What all handlers share: parameters, tenants, times, the budget of running queries, errors as answers. */
#include "api/api.h"

#include "api/query_log.h"
#include "api/self.h"
#include "auth/auth.h"
#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"
#include "codec/url.h"

/* ---- parameters ---- */

static enum status params_add(struct http_exchange *x, struct slice text, struct api_params *out, struct err *err)
{
    struct slice rest = text, pair;
    while (slice_next(&rest, '&', &pair)) {
        struct slice name, value;
        if (pair.len == 0)
            continue;
        if (out->count == API_PARAMS_MAX)
            return err_set(err, ST_LIMIT, "more than %d parameters", API_PARAMS_MAX);
        slice_cut(pair, '=', &name, &value);
        enum status st = url_decode(http_arena(x), name, true, &out->list[out->count].name, err);
        if (!st)
            st = url_decode(http_arena(x), value, true, &out->list[out->count].value, err);
        if (st)
            return st;
        out->count++;
    }
    return ST_OK;
}

enum status api_query_params_read(struct http_exchange *x, struct api_params *out, struct err *err)
{
    out->count = 0;
    return params_add(x, http_query(x), out, err);
}

enum status api_params_read(struct http_exchange *x, struct api_params *out, struct err *err)
{
    out->count = 0;
    enum status st = params_add(x, http_query(x), out, err);
    if (st || http_method(x) != HTTP_POST_)
        return st;
    struct slice type = http_header(x, SLICE("Content-Type"));
    if (type.len && !slice_starts(type, SLICE("application/x-www-form-urlencoded")))
        return ST_OK;
    return params_add(x, http_body(x), out, err);
}

struct slice api_param(const struct api_params *p, struct slice name, bool *found)
{
    for (size_t i = 0; i < p->count; i++) {
        if (slice_eq(p->list[i].name, name)) {
            if (found)
                *found = true;
            return p->list[i].value;
        }
    }
    if (found)
        *found = false;
    return SLICE_EMPTY;
}

enum status api_parse_time(struct slice text, int64_t *out_ns, struct err *err)
{
    enum { NS_DIGITS_MIN = 17 }; /* Loki: a whole number this long is nanoseconds, a shorter one seconds */
    int64_t whole;
    double seconds;
    if (num_parse_i64(text, &whole)) {
        *out_ns = text.len >= NS_DIGITS_MIN ? whole : sat_mul(whole, NS_S);
        return ST_OK;
    }
    if (num_parse_double(text, &seconds) && seconds > -9.2e9 && seconds < 9.2e9) {
        /* Milliseconds are all that PromQL keeps; going through them keeps 1732270800.25 exact. */
        double ms = seconds * 1000;
        *out_ns = (int64_t)(ms < 0 ? ms - 0.5 : ms + 0.5) * NS_MS;
        return ST_OK;
    }
    if (date_parse_rfc3339(text, out_ns))
        return ST_OK;
    return err_set(err, ST_INVALID, "cannot parse \"%.*s\" to a valid timestamp: give seconds since 1970 or RFC 3339", SLICE_FMT(text));
}

enum status api_parse_duration(struct slice text, int64_t *out_ns, struct err *err)
{
    double seconds;
    int64_t ms;
    if (num_parse_double(text, &seconds)) {
        if (!(seconds > -9.2e9 && seconds < 9.2e9))
            return err_set(err, ST_INVALID, "cannot parse \"%.*s\" to a valid duration: out of range", SLICE_FMT(text));
        *out_ns = (int64_t)(seconds * 1e9);
        return ST_OK;
    }
    if (duration_parse_prom(text, &ms)) {
        *out_ns = sat_mul(ms, NS_MS);
        return ST_OK;
    }
    return err_set(err, ST_INVALID, "cannot parse \"%.*s\" to a valid duration: give seconds or 1d2h3m4s", SLICE_FMT(text));
}

enum status api_param_time(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    enum status st = api_parse_time(text, out_ns, err);
    return st ? err_prefix(err, "invalid parameter \"%.*s\": ", SLICE_FMT(name)) : ST_OK;
}

enum status api_param_size(const struct api_params *p, struct slice name, size_t absent, size_t max, size_t *out, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    uint64_t n;
    *out = absent;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_u64(text, &n) || n > max)
        return err_set(err, ST_INVALID, "invalid parameter \"%.*s\": found \"%.*s\", allowed 0 to %zu", SLICE_FMT(name), SLICE_FMT(text), max);
    *out = n;
    return ST_OK;
}

/* ---- tenants ---- */

static enum status bad_tenant(struct slice name, struct err *err)
{
    return err_set(err, ST_INVALID, "header X-Scope-OrgID: tenant \"%.*s\" is not allowed: 1 to 64 of A-Z a-z 0-9 _ . -", SLICE_FMT(name));
}

static enum status foreign_tenant(struct slice name, struct err *err)
{
    return err_set(err, ST_DENIED, "header X-Scope-OrgID: this login may not use tenant \"%.*s\"", SLICE_FMT(name));
}

static enum status read_tenants(struct http_exchange *x, const struct slice **out, size_t *count, struct err *err)
{
    struct slice rest = http_header(x, SLICE("X-Scope-OrgID")), name;
    struct slice *list = arena_array(http_arena(x), struct slice, TENANTS_PER_QUERY_MAX);
    size_t n = 0;
    const struct auth_caller *caller = api_caller(x);
    for (size_t i = 0; rest.len == 0 && i < caller->tenant_count && n < TENANTS_PER_QUERY_MAX; i++)
        list[n++] = caller->tenants[i];
    if (rest.len == 0 && n == 0)
        list[n++] = SLICE("default");
    while (slice_next(&rest, '|', &name)) {
        if (!tenant_is_valid(name))
            return bad_tenant(name, err);
        if (!auth_may_tenant(caller, name))
            return foreign_tenant(name, err);
        if (n == TENANTS_PER_QUERY_MAX)
            return err_set(err, ST_INVALID, "header X-Scope-OrgID: more than %d tenants", TENANTS_PER_QUERY_MAX);
        list[n++] = name;
    }
    *out = list;
    *count = n;
    return ST_OK;
}

enum status api_write_tenant(struct http_exchange *x, struct slice *out, struct err *err)
{
    struct slice name = http_header(x, SLICE("X-Scope-OrgID"));
    const struct auth_caller *caller = api_caller(x);
    if (name.len == 0 && caller->tenant_count > 1)
        return err_set(err, ST_INVALID, "header X-Scope-OrgID: %zu tenants may be written with this login; say which", caller->tenant_count);
    *out = name.len ? name : caller->tenant_count ? caller->tenants[0] : SLICE("default");
    if (!tenant_is_valid(*out))
        return bad_tenant(*out, err);
    return auth_may_tenant(caller, *out) ? ST_OK : foreign_tenant(*out, err);
}

/* ---- queries ---- */

uint64_t api_samples_max(const struct api *api)
{
    return api->limits.samples_max ? api->limits.samples_max : QUERY_SAMPLES_MAX;
}

int64_t api_timeout_ns(const struct api *api)
{
    return api->limits.timeout_ns ? api->limits.timeout_ns : QUERY_SECONDS_MAX * NS_S;
}

unsigned api_running_max(const struct api *api)
{
    return api->limits.running_max ? api->limits.running_max : QUERIES_RUNNING_MAX;
}

/* The peer went away, or a person ended the query. */
static bool is_cancelled(void *arg)
{
    const struct api_query *q = arg;
    return http_is_gone(q->x) || (q->cancelled && atomic_load(q->cancelled));
}

static void set_limits(struct api_query *q)
{
    q->ctx.deadline_mono_ns = q->start_mono_ns + api_timeout_ns(q->api);
    q->ctx.samples_max = api_samples_max(q->api);
    q->ctx.is_cancelled = is_cancelled;
    q->ctx.cancel_arg = q;
}

/* Into the list of those that run. */
static void enlist(struct api_query *q, const struct slice *tenants, size_t count)
{
    struct buf names;
    buf_init(&names, 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&names, "%s%.*s", i ? "|" : "", SLICE_FMT(tenants[i]));
    q->log_id = query_log_begin(q->api->queries, q->x, buf_as_slice(&names), api_caller(q->x)->user, &q->cancelled);
    query_log_text(q->api->queries, q->log_id, q->text);
    buf_free(&names);
}

bool api_query_begin(struct api *api, struct http_exchange *x, struct api_query *q)
{
    const struct slice *tenants = NULL;
    size_t tenant_count = 0;
    struct err err;
    enum status st = read_tenants(x, &tenants, &tenant_count, &err);
    if (st) {
        api_fail(x, st, &err);
        return false;
    }
    if (atomic_fetch_add(&api->queries_running, 1) >= (int)api_running_max(api)) {
        atomic_fetch_sub(&api->queries_running, 1);
        err_set(&err, ST_UNAVAILABLE, "%u queries are running, which is the limit; try again", api_running_max(api));
        http_set_header(x, SLICE("Retry-After"), SLICE("1"));
        api_fail(x, ST_UNAVAILABLE, &err);
        return false;
    }
    memset(q, 0, sizeof *q);
    q->api = api;
    q->x = x;
    q->arena = arena_new(QUERY_RESULT_BYTES_MAX);
    q->start_mono_ns = clock_mono_ns(api->clock);
    q->text = arena_copy(q->arena, http_query(x));
    q->ids = *self_request_ids(x);
    engine_ctx_init(&q->ctx, tenants, tenant_count, api->clock);
    set_limits(q);
    q->env.engine = api->engine;
    q->env.ctx = &q->ctx;
    q->env.result = q->arena;
    buf_init(&q->env.infos, 64 * KIB);
    enlist(q, tenants, tenant_count);
    return true;
}

void api_query_end(struct api_query *q, const char *dialect, enum status st, const struct err *err)
{
    atomic_fetch_sub(&q->api->queries_running, 1);
    query_log_end(q->api->queries, q, dialect, st, err);
    self_query_done(q->api->self, &q->ids, dialect, q->text, &q->ctx, clock_mono_ns(q->api->clock) - q->start_mono_ns, st, err);
    buf_free(&q->env.infos);
    engine_ctx_free(&q->ctx);
    arena_free(q->arena);
}

/* Log lines, or points. */
static uint64_t rows_of(const struct value *v)
{
    uint64_t n = v->type == VALUE_SCALAR || v->type == VALUE_STRING;
    for (size_t i = 0; i < v->stream_count; i++)
        n += v->streams[i].n;
    for (size_t i = 0; i < v->series_count; i++)
        n += v->series[i].n;
    return n;
}

void api_serve_query(struct api *api, struct http_exchange *x, const struct api_query_kind *kind)
{
    struct api_params p;
    struct api_query q;
    struct value v = { 0 };
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    q.text = arena_copy(q.arena, api_param(&p, SLICE("query"), NULL));
    query_log_text(api->queries, q.log_id, q.text);
    if (!st)
        st = kind->run(&q, &p, &v, &err);
    if (!st && arena_over(q.arena))
        st = err_set(&err, ST_LIMIT, "the answer needs %zu bytes, at most %d are allowed for one query", arena_bytes(q.arena),
                     QUERY_RESULT_BYTES_MAX);
    api_audit_note(x, SLICE_EMPTY, st ? 0 : rows_of(&v));
    if (st)
        kind->fail(&q, st, &err);
    else
        kind->answer(&q, &v, &p);
    api_query_end(&q, kind->dialect, st, &err);
}

/* ---- answers ---- */

int api_http_status(enum status st)
{
    switch (st) {
    case ST_OK: return 200;
    case ST_INVALID: return 400;
    case ST_LIMIT: return 422;
    case ST_NOT_FOUND: return 404;
    case ST_EXISTS: return 409;
    case ST_UNSUPPORTED: return 501;
    case ST_DENIED: return 403;
    case ST_UNAVAILABLE:
    case ST_FULL:
    case ST_TIMEOUT: return 503;
    case ST_CANCELLED: return 499;
    case ST_CORRUPT:
    case ST_IO:
    case ST_INTERNAL: return 500;
    }
    return 500;
}

/* Prometheus's errorType. */
static struct slice error_type(enum status st)
{
    switch (st) {
    case ST_OK:
    case ST_INVALID:
    case ST_EXISTS:
    case ST_DENIED: return SLICE("bad_data");
    case ST_LIMIT:
    case ST_UNSUPPORTED: return SLICE("execution");
    case ST_NOT_FOUND: return SLICE("not_found");
    case ST_UNAVAILABLE:
    case ST_FULL: return SLICE("unavailable");
    case ST_TIMEOUT: return SLICE("timeout");
    case ST_CANCELLED: return SLICE("canceled");
    case ST_CORRUPT:
    case ST_IO:
    case ST_INTERNAL: return SLICE("internal");
    }
    return SLICE("internal");
}

void api_reply_json(struct http_exchange *x, int status, struct buf *body)
{
    if (buf_over(body)) { /* half an answer is none */
        struct err err;
        enum status st = err_set(&err, ST_LIMIT, "the answer has over %zu bytes, at most that many are allowed", body->max);
        buf_free(body);
        api_fail(x, st, &err);
        return;
    }
    http_reply_buf(x, status, SLICE("application/json"), body);
}

void api_fail_as(struct http_exchange *x, int status, struct slice type, struct slice sentence)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("status"));
    json_string(&w, SLICE("error"));
    json_key(&w, SLICE("errorType"));
    json_string(&w, type);
    json_key(&w, SLICE("error"));
    json_string(&w, sentence);
    json_object_end(&w);
    api_reply_json(x, status, &out);
}

void api_fail(struct http_exchange *x, enum status st, const struct err *err)
{
    api_fail_as(x, api_http_status(st), error_type(st), slice_str(err->text));
}

void api_answer(struct http_exchange *x, enum status st, struct buf *body, const struct err *err)
{
    if (!st) {
        api_reply_json(x, 200, body);
        return;
    }
    buf_free(body);
    api_fail(x, st, err);
}

void api_fail_text(struct http_exchange *x, enum status st, const struct err *err)
{
    struct slice text = arena_printf(http_arena(x), "%s\n", err->text);
    http_reply(x, api_http_status(st), SLICE("text/plain; charset=utf-8"), text);
}
