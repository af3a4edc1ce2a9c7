/* SPDX-License-Identifier: Apache-2.0 */
/* Login, logout, users, tokens and the audit log over HTTP. What changes an account is on record, durably, before it is done
 * and again with its outcome before it is answered; a password never is. What hashes a password runs on the threads of auth. */
#include "api/access.h"
#include "api/handlers.h"
#include "api/prom_json.h"

#include "auth/auth.h"
#include "base/num.h"
#include "codec/json.h"

enum { AUDIT_LIMIT_DEFAULT = 100, AUDIT_LIMIT_MAX = 10000, FIELD_BYTES_MAX = 4096 };

/* ---- what all share ---- */

static void reply(struct http_exchange *x, int status, struct buf *out)
{
    http_set_header(x, SLICE("Cache-Control"), SLICE("no-store"));
    api_reply_json(x, status, out);
}

static void begin(struct json_writer *w, struct buf *out)
{
    buf_init(out, 0);
    json_writer_init(w, out);
    json_object_begin(w);
}

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_int(struct json_writer *w, struct slice key, int64_t value)
{
    json_key(w, key);
    json_int(w, value);
}

static void put_tenants(struct json_writer *w, const struct slice *list, size_t count)
{
    json_key(w, SLICE("tenants"));
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, list[i]);
    json_array_end(w);
}

/* The fields of a request's JSON object; absent ones are empty. In the exchange's arena. */
struct fields {
    struct slice user, name, password, role, expires, *tenants;
    size_t tenant_count;
};

static enum status read_fields(struct http_exchange *x, struct fields *f, struct err *err)
{
    const struct {
        struct slice key, *place;
    } known[] = { { SLICE("user"), &f->user }, { SLICE("name"), &f->name }, { SLICE("password"), &f->password }, { SLICE("role"), &f->role },
                  { SLICE("expires"), &f->expires } };
    struct json_parser *p = json_parser_new();
    struct json_value v, item, m;
    struct slice key;
    memset(f, 0, sizeof *f);
    f->tenants = arena_array(http_arena(x), struct slice, ACCOUNT_TENANTS_MAX);
    enum status st = slice_starts(http_header(x, SLICE("Content-Type")), SLICE("application/json"))
                         ? json_parse(p, http_body(x), &v, err)
                         : err_set(err, ST_INVALID, "the Content-Type must be application/json");
    if (!st && json_type(v) != JSON_OBJECT)
        st = err_set(err, ST_INVALID, "the body must be one JSON object");
    struct json_iter it = { 0 };
    if (!st)
        it = json_object(v);
    while (!st && json_object_next(&it, &key, &m)) {
        size_t i = 0;
        while (i < COUNT_OF(known) && !slice_eq(known[i].key, key))
            i++;
        if (i < COUNT_OF(known) && json_type(m) == JSON_STRING && json_get_string(m).len <= FIELD_BYTES_MAX) {
            *known[i].place = arena_copy(http_arena(x), json_get_string(m));
        } else if (slice_eq(key, SLICE("tenants")) && json_type(m) == JSON_ARRAY) {
            for (struct json_iter all = json_array(m); !st && json_array_next(&all, &item);) {
                if (f->tenant_count == ACCOUNT_TENANTS_MAX)
                    st = err_set(err, ST_LIMIT, "more than %d tenants", ACCOUNT_TENANTS_MAX);
                else
                    f->tenants[f->tenant_count++] = arena_copy(http_arena(x), json_get_string(item));
            }
        } else {
            st = err_set(err, ST_INVALID, "field \"%.*s\" is unknown, not of its type, or over %d bytes; allowed: user, name, password, role, "
                                          "expires (texts), tenants (a list of texts)",
                         SLICE_FMT(slice_sub(key, 0, 100)), FIELD_BYTES_MAX);
        }
    }
    json_parser_free(p);
    return st;
}

static bool no_accounts(struct api *api, struct http_exchange *x)
{
    struct err err;
    if (api->auth && api->kv)
        return false;
    err_set(&err, ST_UNSUPPORTED, "this server keeps no accounts");
    api_fail(x, ST_UNSUPPORTED, &err);
    return true;
}

/* A job for the threads of auth. */
static void submit(struct api *api, struct http_exchange *x, void (*run)(void *))
{
    void **arg = arena_array(http_arena(x), void *, 2);
    arg[0] = api;
    arg[1] = x;
    if (!no_accounts(api, x) && !auth_submit(api->auth, run, arg))
        access_busy(x);
}

/* ---- login, logout, me ---- */

static void put_me(struct json_writer *w, const struct auth_caller *c, bool needed)
{
    put_text(w, SLICE("user"), c->user);
    put_text(w, SLICE("role"), c->role == ROLE_NONE ? SLICE_EMPTY : slice_str(role_name(c->role)));
    json_key(w, SLICE("login_required"));
    json_bool(w, needed);
    put_tenants(w, c->tenants, c->tenant_count);
    json_key(w, SLICE("permissions"));
    json_array_begin(w);
    for (int p = PERMIT_READ; p < PERMIT_COUNT; p++)
        if (role_may(c->role, (enum permission)p))
            json_string(w, slice_str(permission_name((enum permission)p)));
    json_array_end(w);
}

void auth_me(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct buf out;
    struct json_writer w;
    begin(&w, &out);
    put_me(&w, api_caller(x), api->auth && auth_is_needed(api->auth));
    json_object_end(&w);
    reply(x, 200, &out);
}

static void set_cookie(struct http_exchange *x, struct slice id, int64_t seconds)
{
    struct slice text = arena_printf(http_arena(x), "stoa_session=%.*s; Path=/; HttpOnly; SameSite=Strict; Max-Age=%lld%s", SLICE_FMT(id),
                                     (long long)seconds, http_is_tls(x) ? "; Secure" : "");
    http_set_header(x, SLICE("Set-Cookie"), text);
}

static void run_login(void *arg)
{
    struct api *api = ((void **)arg)[0];
    struct http_exchange *x = ((void **)arg)[1];
    struct auth_caller c;
    struct fields f;
    struct slice id;
    struct err err;
    int64_t wait_ns = 0;
    enum status st = read_fields(x, &f, &err);
    if (!st)
        st = auth_login(api->auth, f.user, f.password, http_peer(x), http_arena(x), &c, &id, &wait_ns, &err);
    struct buf out;
    struct json_writer w;
    if (st == ST_DENIED || wait_ns) {
        begin(&w, &out);
        put_text(&w, SLICE("status"), SLICE("error"));
        put_text(&w, SLICE("errorType"), wait_ns ? SLICE("too_many_requests") : SLICE("unauthorized"));
        put_text(&w, SLICE("error"), slice_str(err.text));
        json_object_end(&w);
        if (wait_ns)
            http_set_header(x, SLICE("Retry-After"), arena_printf(http_arena(x), "%lld", (long long)(wait_ns / NS_S + 1)));
        else
            http_set_header(x, SLICE("WWW-Authenticate"), SLICE("Bearer realm=\"stoa\""));
        reply(x, wait_ns ? 429 : 401, &out);
        return;
    }
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    begin(&w, &out);
    put_me(&w, &c, auth_is_needed(api->auth));
    json_object_end(&w);
    set_cookie(x, id, (int64_t)SESSION_HOURS * 3600);
    reply(x, 200, &out);
}

void auth_login_http(void *user, struct http_exchange *x)
{
    submit(user, x, run_login);
}

void auth_logout_http(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct err err;
    enum status st = ST_OK;
    if (no_accounts(api, x))
        return;
    if (api_caller(x)->kind == CALLER_SESSION) {
        st = auth_logout(api->auth, access_cookie(x), &err);
        if (!st)
            st = api_audit(api, x, "logout", SLICE_EMPTY, 0, 200, &err);
    }
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    set_cookie(x, SLICE_EMPTY, 0);
    http_reply(x, 200, SLICE("application/json"), SLICE("{\"status\":\"success\"}"));
}

/* ---- changes of accounts ---- */

struct change {
    struct api *api;
    struct http_exchange *x;
    const char *action;
    struct slice text;
    struct account_spec spec;
    struct slice password, secret, id;
    bool has_role;
};

/* Asked, done, outcome, answer: in this order. */
static void make_change(struct change *c, int good, enum status (*run)(struct change *, struct err *))
{
    struct err err, late;
    struct api *api = c->api;
    enum status st = api_audit(api, c->x, c->action, c->text, 0, 0, &err);
    if (!st) {
        st = run(c, &err);
        enum status told = api_audit(api, c->x, c->action, c->text, 0, st ? api_http_status(st) : good, &late);
        if (!st)
            st = auth_reload(api->auth, &err);
        if (!st && told) {
            st = told;
            err = late;
        }
    }
    if (st) {
        api_fail(c->x, st, &err);
        return;
    }
    struct buf out;
    struct json_writer w;
    begin(&w, &out);
    put_text(&w, SLICE("status"), SLICE("success"));
    if (c->secret.len) {
        put_text(&w, SLICE("id"), c->id);
        put_text(&w, SLICE("token"), c->secret);
    }
    json_object_end(&w);
    reply(c->x, good, &out);
}

/* The body's fields as a change; name: of the path, or the body's when empty. */
static enum status read_change(struct change *c, struct slice name, struct err *err)
{
    struct fields f;
    int64_t ns;
    enum status st = read_fields(c->x, &f, err);
    if (st)
        return st;
    c->spec = (struct account_spec){ .name = name.len ? name : f.name.len ? f.name : f.user, .tenants = f.tenants,
                                     .tenant_count = f.tenant_count, .created_by = api_caller(c->x)->user };
    c->password = f.password;
    c->has_role = f.role.len > 0;
    if (f.role.len && !role_parse(f.role, &c->spec.role))
        return err_set(err, ST_INVALID, "role \"%.*s\" is unknown; allowed: viewer, editor, admin, ingest-only, auditor", SLICE_FMT(f.role));
    if (f.expires.len) {
        st = api_parse_duration(f.expires, &ns, err);
        if (!st && (ns <= 0 || ns / NS_S / 86400 > TOKEN_DAYS_MAX))
            st = err_set(err, ST_INVALID, "expires: found \"%.*s\", allowed: more than nothing, at most %dd", SLICE_FMT(f.expires), TOKEN_DAYS_MAX);
        if (!st)
            c->spec.expires_ms = clock_wall_ms(c->api->clock) + ns / NS_MS;
    }
    return st;
}

static struct slice describe(struct change *c)
{
    struct arena *a = http_arena(c->x);
    struct slice text = arena_printf(a, "%.*s", SLICE_FMT(c->spec.name));
    if (c->has_role)
        text = arena_printf(a, "%.*s role=%s", SLICE_FMT(text), role_name(c->spec.role));
    if (c->password.len)
        text = arena_printf(a, "%.*s password=changed", SLICE_FMT(text));
    for (size_t i = 0; i < c->spec.tenant_count; i++)
        text = arena_printf(a, "%.*s%s%.*s", SLICE_FMT(text), i ? "," : " tenants=", SLICE_FMT(c->spec.tenants[i]));
    return text;
}

static enum status do_user_add(struct change *c, struct err *err)
{
    return user_add(c->api->kv, c->api->clock, &c->spec, c->password, err);
}

static enum status do_user_change(struct change *c, struct err *err)
{
    enum status st = ST_OK;
    if (c->has_role)
        st = user_set_role(c->api->kv, c->api->clock, c->spec.name, c->spec.role, err);
    return st || c->password.len == 0 ? st : user_set_password(c->api->kv, c->api->clock, c->spec.name, c->password, err);
}

static enum status do_user_remove(struct change *c, struct err *err)
{
    return user_remove(c->api->kv, c->spec.name, err);
}

static enum status do_token_create(struct change *c, struct err *err)
{
    return token_create(c->api->kv, c->api->clock, &c->spec, http_arena(c->x), &c->secret, &c->id, err);
}

static enum status do_token_revoke(struct change *c, struct err *err)
{
    return token_revoke(c->api->kv, c->spec.name, err);
}

static void run_change(struct api *api, struct http_exchange *x, const char *action, struct slice name, int good,
                       enum status (*run)(struct change *, struct err *))
{
    struct change c = { .api = api, .x = x, .action = action };
    struct err err;
    enum status st = read_change(&c, name, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    c.text = describe(&c);
    make_change(&c, good, run);
}

static void run_user_add(void *arg)
{
    run_change(((void **)arg)[0], ((void **)arg)[1], "user.add", SLICE_EMPTY, 201, do_user_add);
}

static void run_user_change(void *arg)
{
    struct http_exchange *x = ((void **)arg)[1];
    run_change(((void **)arg)[0], x, "user.change", api_path_part(x, SLICE("name")), 200, do_user_change);
}

void auth_user_add(void *user, struct http_exchange *x)
{
    submit(user, x, run_user_add);
}

void auth_user_change(void *user, struct http_exchange *x)
{
    submit(user, x, run_user_change);
}

static void remove_by_path(struct api *api, struct http_exchange *x, const char *action, struct slice name,
                           enum status (*run)(struct change *, struct err *))
{
    struct change c = { .api = api, .x = x, .action = action, .text = name, .spec.name = name };
    if (!no_accounts(api, x))
        make_change(&c, 200, run);
}

void auth_user_remove(void *user, struct http_exchange *x)
{
    remove_by_path(user, x, "user.remove", api_path_part(x, SLICE("name")), do_user_remove);
}

void auth_token_create(void *user, struct http_exchange *x)
{
    if (!no_accounts(user, x))
        run_change(user, x, "token.create", SLICE_EMPTY, 201, do_token_create);
}

void auth_token_revoke(void *user, struct http_exchange *x)
{
    remove_by_path(user, x, "token.revoke", api_path_part(x, SLICE("id")), do_token_revoke);
}

/* ---- lists ---- */

static void begin_list(struct json_writer *w, struct buf *out, struct slice name)
{
    begin(w, out);
    json_key(w, name);
    json_array_begin(w);
}

static void end_list(struct http_exchange *x, struct json_writer *w, struct buf *out)
{
    json_array_end(w);
    json_object_end(w);
    reply(x, 200, out);
}

static void put_rights(struct json_writer *w, enum role role, const struct slice *tenants, size_t tenant_count)
{
    put_text(w, SLICE("role"), slice_str(role_name(role)));
    put_tenants(w, tenants, tenant_count);
}

void auth_users(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct user *list;
    struct err err;
    size_t n;
    if (no_accounts(api, x))
        return;
    enum status st = users_list(api->kv, http_arena(x), &list, &n, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct buf out;
    struct json_writer w;
    begin_list(&w, &out, SLICE("users"));
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        put_text(&w, SLICE("name"), list[i].name);
        put_rights(&w, list[i].role, list[i].tenants, list[i].tenant_count);
        put_int(&w, SLICE("created_ms"), list[i].created_ms);
        put_int(&w, SLICE("changed_ms"), list[i].changed_ms);
        json_object_end(&w);
    }
    end_list(x, &w, &out);
}

void auth_tokens(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct token *list;
    struct err err;
    size_t n;
    if (no_accounts(api, x))
        return;
    enum status st = tokens_list(api->kv, http_arena(x), &list, &n, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct buf out;
    struct json_writer w;
    begin_list(&w, &out, SLICE("tokens"));
    for (size_t i = 0; i < n; i++) {
        json_object_begin(&w);
        put_text(&w, SLICE("id"), list[i].id);
        put_text(&w, SLICE("name"), list[i].name);
        put_rights(&w, list[i].role, list[i].tenants, list[i].tenant_count);
        put_int(&w, SLICE("created_ms"), list[i].created_ms);
        put_int(&w, SLICE("expires_ms"), list[i].expires_ms);
        put_text(&w, SLICE("created_by"), list[i].created_by);
        json_object_end(&w);
    }
    end_list(x, &w, &out);
}

/* ---- the audit log ---- */

static bool no_audit(struct api *api, struct http_exchange *x)
{
    struct err err;
    if (api->audit && api->kv)
        return false;
    err_set(&err, ST_UNSUPPORTED, "this server keeps no audit log");
    api_fail(x, ST_UNSUPPORTED, &err);
    return true;
}

void auth_audit(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_params p;
    struct audit_filter f = { 0 };
    struct slice *list;
    struct err err;
    int64_t start_ns, end_ns;
    size_t n;
    if (no_audit(api, x))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = api_param_time(&p, SLICE("start"), 0, &start_ns, &err);
    if (!st)
        st = api_param_time(&p, SLICE("end"), INT64_MAX, &end_ns, &err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), AUDIT_LIMIT_DEFAULT, AUDIT_LIMIT_MAX, &f.limit, &err);
    struct arena *a = arena_new(0);
    if (!st) {
        f.start_ms = start_ns / NS_MS;
        f.end_ms = end_ns / NS_MS;
        f.user = api_param(&p, SLICE("user"), NULL);
        f.action = api_param(&p, SLICE("action"), NULL);
        st = audit_list(api->audit_fs, api->audit_dir, &f, a, &list, &n, &err);
    }
    if (st) {
        api_fail(x, st, &err);
    } else {
        struct buf out;
        struct json_writer w;
        begin(&w, &out);
        json_key(&w, SLICE("records"));
        json_array_begin(&w);
        for (size_t i = 0; i < n; i++)
            json_raw(&w, list[i]);
        json_array_end(&w);
        json_object_end(&w);
        api_audit_note(x, SLICE_EMPTY, n);
        reply(x, 200, &out);
    }
    arena_free(a);
}

void auth_audit_verify(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct audit_check c;
    struct err err;
    if (no_audit(api, x))
        return;
    enum status st = audit_verify(api->audit_fs, api->audit_dir, api->kv, &c, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct buf out;
    struct json_writer w;
    begin(&w, &out);
    json_key(&w, SLICE("ok"));
    json_bool(&w, c.ok);
    json_key(&w, SLICE("records"));
    json_uint(&w, c.records);
    json_key(&w, SLICE("first_bad"));
    if (c.first_bad)
        json_uint(&w, c.first_bad);
    else
        json_raw(&w, SLICE("null"));
    put_text(&w, SLICE("why"), slice_str(c.why));
    put_text(&w, SLICE("head"), slice_str(c.head));
    json_object_end(&w);
    api_audit_note(x, SLICE_EMPTY, c.records);
    reply(x, 200, &out);
}
