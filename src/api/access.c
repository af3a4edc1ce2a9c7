/* SPDX-License-Identifier: Apache-2.0 */
/* One gate for all routes. On the loop: tokens, sessions and passwords found good a moment ago cost a hash and a look-up; any
 * other password is checked on the threads of auth, and the request goes on from there.
 *
 * What is on record. Reads with an action: after the answer, with the rows it had; they are refused while the log cannot be
 * written. Changes with an action: asked (status 0) before they are made, durably, and their outcome after.
 *
 * Another site's page must not act through a visitor's browser: a change that comes with the session cookie, or without any
 * login where none is needed, must come from our own page, or from no page at all where there is no cookie. */
#include "api/access.h"
#include "api/cors.h"
#include "api/splunk.h"

#include "auth/auth.h"
#include "codec/json.h"
#include "net/grpc.h"

enum { REQUEST_TEXT_BYTES_MAX = AUDIT_TEXT_BYTES_MAX };

/* ---- refusals ---- */

static bool is_grpc(struct http_exchange *x)
{
    return http_is_h2(x) && slice_starts(http_header(x, SLICE("content-type")), SLICE("application/grpc"));
}

static enum access_verdict refuse(struct http_exchange *x, int status, enum grpc_code code, const char *type, struct slice sentence)
{
    if (is_grpc(x))
        http_reply_grpc(x, code, sentence);
    else
        api_fail_as(x, status, slice_str(type), sentence);
    return ACCESS_ANSWERED;
}

/* A browser would ask for a name and password by itself when a script of the page is told "Basic". */
static void challenge(struct http_exchange *x)
{
    struct slice mode = http_header(x, SLICE("Sec-Fetch-Mode"));
    if (mode.len == 0)
        http_set_header(x, SLICE("WWW-Authenticate"), SLICE("Basic realm=\"stoa\", charset=\"UTF-8\""));
    http_set_header(x, SLICE("WWW-Authenticate"), SLICE("Bearer realm=\"stoa\""));
}

static enum access_verdict refuse_verdict(struct http_exchange *x, enum auth_verdict v, int64_t wait_ns)
{
    if (v == AUTH_LOCKED) {
        struct slice seconds = arena_printf(http_arena(x), "%lld", (long long)(wait_ns / NS_S + 1));
        http_set_header(x, SLICE("Retry-After"), seconds);
        return refuse(x, 429, GRPC_UNAVAILABLE, "too_many_requests",
                      arena_printf(http_arena(x), "too many failed logins; try again in %.*s s", SLICE_FMT(seconds)));
    }
    challenge(x);
    if (splunk_is_asked(x)) {
        splunk_refuse(x, v == AUTH_MISSING);
        return ACCESS_ANSWERED;
    }
    return refuse(x, 401, GRPC_UNAUTHENTICATED, "unauthorized",
                  v == AUTH_MISSING ? SLICE("a login is needed: Basic with user and password, Bearer with a token, or the page's session")
                                    : SLICE("wrong user or password, or a token that is unknown, revoked or over"));
}

static enum access_verdict refuse_permission(struct http_exchange *x, const struct auth_caller *c, enum permission p)
{
    return refuse(x, 403, GRPC_PERMISSION_DENIED, "forbidden",
                  arena_printf(http_arena(x), "role %s may not %s: %.*s needs the permission \"%s\"", role_name(c->role), permission_name(p),
                               SLICE_FMT(http_path(x)), permission_name(p)));
}

void access_busy(struct http_exchange *x)
{
    http_set_header(x, SLICE("Retry-After"), SLICE("1"));
    refuse(x, 503, GRPC_UNAVAILABLE, "unavailable",
           arena_printf(http_arena(x), "%d passwords wait to be checked, no more are queued; try again", VERIFY_WAITING_MAX));
}

struct slice access_cookie(struct http_exchange *x)
{
    const struct http_header *list;
    size_t n = http_headers(x, &list);
    for (size_t i = 0; i < n; i++)
        if (slice_eq_nocase(list[i].name, SLICE("cookie")) && auth_session_of(list[i].value).len)
            return list[i].value;
    return SLICE_EMPTY;
}

/* ---- other sites ---- */

static bool is_safe_method(struct http_exchange *x)
{
    enum http_method m = http_method(x);
    return m == HTTP_GET_ || m == HTTP_HEAD_ || m == HTTP_OPTIONS_;
}

/* Browsers say where a request comes from, by one of two headers; what is no browser says nothing. */
static bool is_own_origin(struct http_exchange *x, bool *said)
{
    struct slice site = http_header(x, SLICE("Sec-Fetch-Site")), origin = http_header(x, SLICE("Origin"));
    *said = site.len || origin.len;
    if (site.len)
        return slice_eq(site, SLICE("same-origin")) || slice_eq(site, SLICE("none"));
    size_t at = slice_find(origin, SLICE("://"), 0);
    return at != SIZE_MAX && slice_eq_nocase(slice_skip(origin, at + 3), http_header(x, SLICE("Host")));
}

/* A browser sends a cookie, and a password it was once given for Basic, with the requests of any page; never a Bearer token. */
static bool is_foreign(struct http_exchange *x, const struct auth_caller *c, enum permission p)
{
    bool said, own = is_own_origin(x, &said), has_cookie = c->kind == CALLER_SESSION;
    struct slice scheme = slice_sub(http_header(x, SLICE("Authorization")), 0, SLICE("Bearer ").len);
    if (p == PERMIT_READ || p == PERMIT_PUBLIC || slice_eq_nocase(scheme, SLICE("Bearer ")))
        return false;
    /* Of what is asked by GET only a probe does more than answer: it goes where the asker says. */
    if (is_safe_method(x))
        return p == PERMIT_EDIT && said && !own;
    /* Browsers of other sites may bring events of their visitors, as they may to any collector. */
    if (!has_cookie && p == PERMIT_WRITE)
        return false;
    return said ? !own : has_cookie;
}

/* ---- the gate ---- */

enum access_verdict access_check(struct api *api, struct http_exchange *x, struct access_rule rule, bool may_block)
{
    if (rule.permission == PERMIT_WRITE && !is_safe_method(x))
        cors_open(x);
    if (api->auth == NULL)
        return ACCESS_GRANTED;
    int64_t wait_ns = 0;
    struct auth_caller *c = arena_new_of(http_arena(x), struct auth_caller);
    struct auth_request r = { http_header(x, SLICE("Authorization")), access_cookie(x), http_peer(x) };
    enum auth_verdict v = may_block ? auth_verify(api->auth, &r, http_arena(x), c, &wait_ns)
                                    : auth_check(api->auth, &r, http_arena(x), c, &wait_ns);
    if (rule.permission == PERMIT_PUBLIC) {
        /* Whoever it is; a password is not checked for it. */
        self_request_of(x)->caller = v == AUTH_OK ? c : &auth_nobody;
        return ACCESS_GRANTED;
    }
    if (v != AUTH_OK)
        self_request_of(x)->caller = &auth_nobody;
    if (v == AUTH_SLOW)
        return ACCESS_SLOW;
    if (v != AUTH_OK)
        return refuse_verdict(x, v, wait_ns);
    if (c->kind != CALLER_OPEN)
        self_request_of(x)->caller = c;
    if (!role_may(c->role, rule.permission))
        return refuse_permission(x, c, rule.permission);
    if (rule.of_server && !auth_may_tenant(c, SLICE("default")))
        return refuse(x, 403, GRPC_PERMISSION_DENIED, "forbidden",
                      arena_printf(http_arena(x), "%.*s is about the server and its tenant \"default\", which this login may not use",
                                   SLICE_FMT(http_path(x))));
    if (is_foreign(x, c, rule.permission))
        return refuse(x, 403, GRPC_PERMISSION_DENIED, "forbidden",
                      SLICE("this change comes from another site's page, or does not say from where; send it from Stoa's own page, or with a token"));
    if (rule.action && api->audit && !audit_is_ready(api->audit)) {
        http_set_header(x, SLICE("Retry-After"), SLICE("5"));
        return refuse(x, 503, GRPC_UNAVAILABLE, "unavailable", SLICE("the audit log cannot be written now, and this must be on record; try again"));
    }
    return ACCESS_GRANTED;
}

const struct auth_caller *api_caller(struct http_exchange *x)
{
    const struct auth_caller *c = self_request_of(x)->caller;
    return c ? c : &auth_open_caller;
}

/* ---- the record ---- */

bool access_is_change(struct access_rule rule)
{
    return rule.action && (rule.permission == PERMIT_EDIT || rule.permission == PERMIT_ADMIN || rule.permission == PERMIT_WRITE);
}

static struct slice request_text(struct http_exchange *x)
{
    struct slice q = http_query(x), form = SLICE_EMPTY;
    if (http_method(x) == HTTP_POST_ && slice_starts(http_header(x, SLICE("Content-Type")), SLICE("application/x-www-form-urlencoded")))
        form = slice_sub(slice_trim(http_body(x)), 0, REQUEST_TEXT_BYTES_MAX);
    /* curl -d calls JSON a form, and the value of an erase is in it. */
    if (slice_starts(form, SLICE("{")))
        form = SLICE_EMPTY;
    return arena_printf(http_arena(x), "%.*s %.*s%s%.*s%s%.*s", SLICE_FMT(http_method_text(x)), SLICE_FMT(http_raw_path(x)), q.len ? "?" : "",
                        SLICE_FMT(q), form.len ? " " : "", SLICE_FMT(form));
}

static struct slice tenants_text(struct http_exchange *x, const struct auth_caller *c)
{
    struct slice header = http_header(x, SLICE("X-Scope-OrgID")), text = SLICE_EMPTY;
    if (header.len || c->tenant_count == 0)
        return header.len ? header : SLICE("default");
    for (size_t i = 0; i < c->tenant_count; i++)
        text = arena_printf(http_arena(x), "%.*s%s%.*s", SLICE_FMT(text), i ? "|" : "", SLICE_FMT(c->tenants[i]));
    return text;
}

static struct audit_record record_of(struct http_exchange *x, const char *action, struct slice text, uint64_t rows, int status)
{
    const struct auth_caller *c = api_caller(x);
    return (struct audit_record){ .user = c->user, .role = slice_str(role_name(c->role)), .peer = http_peer(x), .tenant = tenants_text(x, c),
                                  .action = slice_str(action), .text = text, .request = request_text(x), .rows = rows, .status = status };
}

enum status api_audit(struct api *api, struct http_exchange *x, const char *action, struct slice text, uint64_t rows, int status, struct err *err)
{
    struct audit_record r = record_of(x, action, text, rows, status);
    return api->audit ? audit_add_wait(api->audit, &r, err) : ST_OK;
}

void api_audit_note(struct http_exchange *x, struct slice text, uint64_t rows)
{
    struct self_request *q = self_request_of(x);
    if (text.len)
        q->audit_text = arena_copy(http_arena(x), text);
    q->audit_rows = rows;
}

bool access_record(struct api *api, struct http_exchange *x, struct access_rule rule)
{
    struct err err;
    enum status st = api_audit(api, x, rule.action, SLICE_EMPTY, 0, 0, &err);
    if (st)
        refuse(x, 503, GRPC_UNAVAILABLE, "unavailable", slice_str(err.text));
    return st == ST_OK;
}

void access_done(struct api *api, struct http_exchange *x, struct access_rule rule, int status)
{
    if (api->audit == NULL || rule.action == NULL || status == 401 || status == 429)
        return;
    const struct self_request *q = self_request_of(x);
    struct slice text = q->audit_text;
    if (text.len == 0) {
        struct api_params p;
        struct err err;
        if (api_params_read(x, &p, &err) == ST_OK)
            text = api_param(&p, SLICE("query"), NULL);
    }
    struct audit_record r = record_of(x, rule.action, text, q->audit_rows, status);
    audit_add(api->audit, &r);
}

/* ---- our own metrics ---- */

static void put(struct buf *out, const char *name, const char *type, const char *help, uint64_t value)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)value);
}

void access_metrics(struct api *api, struct buf *out)
{
    if (api->auth) {
        struct auth_stats s;
        auth_stats(api->auth, &s);
        buf_printf(out, "# HELP stoa_logins_total Passwords and tokens looked at, by how it ended.\n# TYPE stoa_logins_total counter\n"
                        "stoa_logins_total{result=\"ok\"} %llu\nstoa_logins_total{result=\"failed\"} %llu\n"
                        "stoa_logins_total{result=\"locked\"} %llu\n",
                   (unsigned long long)s.good, (unsigned long long)s.bad, (unsigned long long)s.locked);
        put(out, "stoa_users", "gauge", "Users.", s.users);
        put(out, "stoa_tokens", "gauge", "API tokens.", s.tokens);
        put(out, "stoa_sessions", "gauge", "Sessions of the page.", s.sessions);
    }
    if (api->audit) {
        struct audit_stats s;
        audit_stats(api->audit, &s);
        put(out, "stoa_audit_records_total", "counter", "Audit records written since start.", s.records);
        put(out, "stoa_audit_bytes_total", "counter", "Bytes of them.", s.bytes);
        put(out, "stoa_audit_waiting", "gauge", "Audit records that wait for the disk.", s.waiting);
        put(out, "stoa_audit_failures_total", "counter", "Failed writes of the audit log.", s.failures);
        put(out, "stoa_audit_lost_total", "counter", "Audit records that did not fit while the disk refused.", s.lost);
    }
}
