/* SPDX-License-Identifier: Apache-2.0 */
/* Each record is a small JSON object under its own key:
 *
 *     auth/user/NAME      name, hash, epoch, role, tenants, created_ms, changed_ms
 *     auth/token/ID       id, name, hash, role, tenants, created_ms, expires_ms, created_by
 *     auth/session/HASH   user, epoch, created_ms, expires_ms
 *     auth/version        random, renewed by every change of the above
 *
 * Of a token and of a session only the SHA-256 is kept: 256 random bits need no slow hash, and a stolen copy of the file lets
 * nobody in. The version is written after the record, so who sees the new version sees the record. */
#include "auth/accounts.h"

#include "codec/hex.h"
#include "codec/json.h"
#include "model/batch.h"
#include "sys/rand.h"

enum { RECORD_BYTES_MAX = 64 * KIB, LIST_BYTES_MAX = 256 * MIB, ID_BYTES = 8 };

static const struct slice user_prefix = SLICE_INIT("auth/user/"), token_prefix = SLICE_INIT("auth/token/"),
                          session_prefix = SLICE_INIT("auth/session/"), version_key = SLICE_INIT("auth/version");

/* ---- writing ---- */

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_time(struct json_writer *w, struct slice key, int64_t ms)
{
    json_key(w, key);
    json_int(w, ms);
}

static void put_tenants(struct json_writer *w, const struct slice *list, size_t count)
{
    json_key(w, SLICE("tenants"));
    json_array_begin(w);
    for (size_t i = 0; i < count; i++)
        json_string(w, list[i]);
    json_array_end(w);
}

static struct slice random_hex(struct arena *a, size_t bytes)
{
    uint8_t raw[SECRET_BYTES];
    char text[2 * SECRET_BYTES];
    bytes = MIN(bytes, sizeof raw);
    sys_random(raw, bytes);
    hex_encode(slice_of(raw, bytes), text);
    return arena_copy(a, slice_of(text, 2 * bytes));
}

static enum status changed(struct kv *kv, struct err *err)
{
    struct arena *a = arena_new(0);
    enum status st = kv_put(kv, version_key, random_hex(a, EPOCH_BYTES / 2), err);
    arena_free(a);
    return st;
}

static enum status put_record(struct kv *kv, struct arena *a, struct slice prefix, struct slice name, struct buf *value, struct err *err)
{
    struct slice key = arena_printf(a, "%.*s%.*s", SLICE_FMT(prefix), SLICE_FMT(name));
    enum status st = buf_over(value) ? err_set(err, ST_LIMIT, "%.*s: the record is over %d bytes", SLICE_FMT(key), RECORD_BYTES_MAX)
                                     : kv_put(kv, key, buf_as_slice(value), err);
    buf_free(value);
    return st ? st : changed(kv, err);
}

static enum status user_put(struct kv *kv, struct arena *a, const struct user *u, struct err *err)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, RECORD_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, SLICE("name"), u->name);
    put_text(&w, SLICE("hash"), u->hash);
    put_text(&w, SLICE("epoch"), u->epoch);
    put_text(&w, SLICE("role"), slice_str(role_name(u->role)));
    put_tenants(&w, u->tenants, u->tenant_count);
    put_time(&w, SLICE("created_ms"), u->created_ms);
    put_time(&w, SLICE("changed_ms"), u->changed_ms);
    json_object_end(&w);
    return put_record(kv, a, user_prefix, u->name, &out, err);
}

static enum status token_put(struct kv *kv, struct arena *a, const struct token *t, struct err *err)
{
    struct buf out;
    struct json_writer w;
    char hash[2 * SECRET_HASH_BYTES];
    hex_encode(slice_of(t->hash, sizeof t->hash), hash);
    buf_init(&out, RECORD_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, SLICE("id"), t->id);
    put_text(&w, SLICE("name"), t->name);
    put_text(&w, SLICE("hash"), slice_of(hash, sizeof hash));
    put_text(&w, SLICE("role"), slice_str(role_name(t->role)));
    put_tenants(&w, t->tenants, t->tenant_count);
    put_time(&w, SLICE("created_ms"), t->created_ms);
    put_time(&w, SLICE("expires_ms"), t->expires_ms);
    put_text(&w, SLICE("created_by"), t->created_by);
    json_object_end(&w);
    return put_record(kv, a, token_prefix, t->id, &out, err);
}

/* ---- reading ---- */

static bool get_text(struct arena *a, struct json_value v, struct slice key, struct slice *out)
{
    struct json_value m;
    if (!json_get(v, key, &m) || json_type(m) != JSON_STRING)
        return false;
    *out = arena_copy(a, json_get_string(m));
    return true;
}

static bool get_time(struct json_value v, struct slice key, int64_t *out)
{
    struct json_value m;
    return json_get(v, key, &m) && json_get_int(m, out);
}

static bool get_role(struct arena *a, struct json_value v, enum role *out)
{
    struct slice text;
    return get_text(a, v, SLICE("role"), &text) && role_parse(text, out);
}

static bool get_hash(struct arena *a, struct json_value v, uint8_t out[SECRET_HASH_BYTES])
{
    struct slice text;
    return get_text(a, v, SLICE("hash"), &text) && text.len == 2 * SECRET_HASH_BYTES && hex_decode(text, out);
}

static bool get_tenants(struct arena *a, struct json_value v, struct slice **out, size_t *count)
{
    struct json_value list, item;
    *out = arena_array(a, struct slice, ACCOUNT_TENANTS_MAX);
    *count = 0;
    if (!json_get(v, SLICE("tenants"), &list) || json_type(list) != JSON_ARRAY)
        return false;
    for (struct json_iter it = json_array(list); json_array_next(&it, &item);) {
        struct slice name = json_get_string(item);
        if (*count == ACCOUNT_TENANTS_MAX || !tenant_is_valid(name))
            return false;
        (*out)[(*count)++] = arena_copy(a, name);
    }
    return true;
}

static bool user_read(struct arena *a, struct slice name, struct json_value v, void *out)
{
    struct user *u = out;
    return get_text(a, v, SLICE("name"), &u->name) && slice_eq(u->name, name) && get_text(a, v, SLICE("hash"), &u->hash) &&
           get_text(a, v, SLICE("epoch"), &u->epoch) && get_role(a, v, &u->role) && get_tenants(a, v, &u->tenants, &u->tenant_count) &&
           get_time(v, SLICE("created_ms"), &u->created_ms) && get_time(v, SLICE("changed_ms"), &u->changed_ms);
}

static bool token_read(struct arena *a, struct slice name, struct json_value v, void *out)
{
    struct token *t = out;
    return get_text(a, v, SLICE("id"), &t->id) && slice_eq(t->id, name) && get_text(a, v, SLICE("name"), &t->name) && get_hash(a, v, t->hash) &&
           get_role(a, v, &t->role) && get_tenants(a, v, &t->tenants, &t->tenant_count) && get_time(v, SLICE("created_ms"), &t->created_ms) &&
           get_time(v, SLICE("expires_ms"), &t->expires_ms) && get_text(a, v, SLICE("created_by"), &t->created_by);
}

static bool session_read(struct arena *a, struct slice name, struct json_value v, void *out)
{
    struct session *s = out;
    return name.len == 2 * SECRET_HASH_BYTES && hex_decode(name, s->hash) && get_text(a, v, SLICE("user"), &s->user) &&
           get_text(a, v, SLICE("epoch"), &s->epoch) && get_time(v, SLICE("created_ms"), &s->created_ms) &&
           get_time(v, SLICE("expires_ms"), &s->expires_ms);
}

static enum status list(struct kv *kv, struct arena *a, struct slice prefix, size_t each,
                        bool (*read)(struct arena *, struct slice, struct json_value, void *), void **out, size_t *count, struct err *err)
{
    struct arena *scratch = arena_new(LIST_BYTES_MAX);
    struct json_parser *p = json_parser_new();
    struct kv_pair *pairs;
    size_t n;
    enum status st = kv_list(kv, prefix, scratch, &pairs, &n, err);
    char *items = st ? NULL : arena_zalloc(a, each * (n + 1));
    for (size_t i = 0; !st && i < n; i++) {
        struct json_value v;
        if (json_parse(p, pairs[i].value, &v, NULL) || !read(a, slice_skip(pairs[i].key, prefix.len), v, items + i * each))
            st = err_set(err, ST_CORRUPT, "state.db: the record \"%.*s\" does not read", SLICE_FMT(pairs[i].key));
    }
    json_parser_free(p);
    arena_free(scratch);
    if (st)
        return st;
    *out = items;
    *count = n;
    return ST_OK;
}

enum status users_list(struct kv *kv, struct arena *a, struct user **out, size_t *count, struct err *err)
{
    void *items;
    enum status st = list(kv, a, user_prefix, sizeof **out, user_read, &items, count, err);
    if (!st)
        *out = items;
    return st;
}

enum status tokens_list(struct kv *kv, struct arena *a, struct token **out, size_t *count, struct err *err)
{
    void *items;
    enum status st = list(kv, a, token_prefix, sizeof **out, token_read, &items, count, err);
    if (!st)
        *out = items;
    return st;
}

enum status sessions_list(struct kv *kv, struct arena *a, struct session **out, size_t *count, struct err *err)
{
    void *items;
    enum status st = list(kv, a, session_prefix, sizeof **out, session_read, &items, count, err);
    if (!st)
        *out = items;
    return st;
}

enum status accounts_version(struct kv *kv, struct arena *a, struct slice *out, struct err *err)
{
    struct buf value;
    buf_init(&value, RECORD_BYTES_MAX);
    enum status st = kv_get(kv, version_key, &value, err);
    if (st == ST_OK || st == ST_NOT_FOUND) {
        *out = arena_copy(a, buf_as_slice(&value));
        st = ST_OK;
    }
    buf_free(&value);
    return st;
}

/* ---- rules ---- */

static enum status check_name(struct slice name, struct err *err)
{
    bool good = name.len > 0 && name.len <= ACCOUNT_NAME_BYTES_MAX;
    for (size_t i = 0; good && i < name.len; i++) {
        char c = name.ptr[i];
        good = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || c == '.' || c == '@' || c == '-';
    }
    return good ? ST_OK
                : err_set(err, ST_INVALID, "name \"%.*s\" is not allowed: 1 to %d of A-Z a-z 0-9 _ . @ -", SLICE_FMT(slice_sub(name, 0, 100)),
                          ACCOUNT_NAME_BYTES_MAX);
}

/* Who makes users, or reads the audit log, would not be held by a list of tenants. */
static bool is_for_all(enum role r)
{
    return role_may(r, PERMIT_ADMIN) || role_may(r, PERMIT_AUDIT);
}

static enum status check_spec(const struct account_spec *spec, struct err *err)
{
    enum status st = check_name(spec->name, err);
    if (st)
        return st;
    if (spec->role == ROLE_NONE || spec->role >= ROLE_COUNT)
        return err_set(err, ST_INVALID, "a role is missing; allowed: viewer, editor, admin, ingest-only, auditor");
    if (spec->tenant_count && is_for_all(spec->role))
        return err_set(err, ST_INVALID, "role %s is about all tenants: it cannot be tied to some", role_name(spec->role));
    if (spec->tenant_count > ACCOUNT_TENANTS_MAX)
        return err_set(err, ST_LIMIT, "%zu tenants, at most %d are allowed", spec->tenant_count, ACCOUNT_TENANTS_MAX);
    for (size_t i = 0; i < spec->tenant_count; i++)
        if (!tenant_is_valid(spec->tenants[i]))
            return err_set(err, ST_INVALID, "tenant \"%.*s\" is not allowed: 1 to 64 of A-Z a-z 0-9 _ . -", SLICE_FMT(spec->tenants[i]));
    return ST_OK;
}

enum status tenants_parse(struct arena *a, struct slice text, struct slice **out, size_t *count, struct err *err)
{
    struct slice one, *items = arena_array(a, struct slice, ACCOUNT_TENANTS_MAX);
    size_t n = 0;
    while (slice_next(&text, ',', &one)) {
        one = slice_trim(one);
        if (n == ACCOUNT_TENANTS_MAX)
            return err_set(err, ST_LIMIT, "more than %d tenants", ACCOUNT_TENANTS_MAX);
        if (!tenant_is_valid(one))
            return err_set(err, ST_INVALID, "tenant \"%.*s\" is not allowed: 1 to 64 of A-Z a-z 0-9 _ . -", SLICE_FMT(one));
        items[n++] = arena_copy(a, one);
    }
    *out = items;
    *count = n;
    return ST_OK;
}

/* ---- users ---- */

struct user_table {
    struct user *list;
    size_t count, admins;
    struct user *found;
};

static enum status users_find(struct kv *kv, struct arena *a, struct slice name, struct user_table *t, struct err *err)
{
    *t = (struct user_table){ 0 };
    enum status st = users_list(kv, a, &t->list, &t->count, err);
    for (size_t i = 0; !st && i < t->count; i++) {
        t->admins += t->list[i].role == ROLE_ADMIN;
        if (slice_eq(t->list[i].name, name))
            t->found = &t->list[i];
    }
    return st;
}

static enum status users_need(struct kv *kv, struct arena *a, struct slice name, struct user_table *t, struct err *err)
{
    enum status st = users_find(kv, a, name, t, err);
    if (!st && t->found == NULL)
        st = err_set(err, ST_NOT_FOUND, "there is no user \"%.*s\"", SLICE_FMT(slice_sub(name, 0, 100)));
    return st;
}

static enum status check_new(struct kv *kv, struct arena *a, const struct account_spec *spec, struct err *err)
{
    struct user_table t;
    enum status st = check_spec(spec, err);
    if (!st)
        st = users_find(kv, a, spec->name, &t, err);
    if (!st && t.found)
        st = err_set(err, ST_EXISTS, "user \"%.*s\" exists already", SLICE_FMT(spec->name));
    if (!st && t.count >= USERS_MAX)
        st = err_set(err, ST_LIMIT, "%zu users, at most %d are allowed", t.count, USERS_MAX);
    return st;
}

enum status user_check(struct kv *kv, const struct account_spec *spec, struct slice password, struct err *err)
{
    struct arena *a = arena_new(0);
    enum status st = check_new(kv, a, spec, err);
    if (!st && (password.len < PASSWORD_BYTES_MIN || password.len > PASSWORD_BYTES_MAX))
        st = err_set(err, ST_INVALID, "password: found %zu bytes, allowed %d to %d", password.len, PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    arena_free(a);
    return st;
}

/* Ends what kv_hold began: kept when st is ST_OK. */
static enum status release(struct kv *kv, enum status st, struct err *err)
{
    if (st == ST_OK)
        return kv_release(kv, true, err);
    (void)!kv_release(kv, false, NULL);
    return st;
}

enum status user_add(struct kv *kv, struct clock *clock, const struct account_spec *spec, struct slice password, struct err *err)
{
    struct arena *a = arena_new(0);
    int64_t now = clock_wall_ms(clock);
    struct user u = { .name = spec->name, .epoch = random_hex(a, EPOCH_BYTES / 2), .role = spec->role, .tenants = (struct slice *)spec->tenants,
                      .tenant_count = spec->tenant_count, .created_ms = now, .changed_ms = now };
    enum status st = check_new(kv, a, spec, err);
    if (!st)
        st = password_hash(a, password, &u.hash, err); /* slow: not while others wait */
    if (!st)
        st = kv_hold(kv, err);
    if (!st) {
        st = check_new(kv, a, spec, err);
        if (!st)
            st = user_put(kv, a, &u, err);
        st = release(kv, st, err);
    }
    arena_free(a);
    return st;
}

enum status user_set_password(struct kv *kv, struct clock *clock, struct slice name, struct slice password, struct err *err)
{
    struct arena *a = arena_new(0);
    struct user_table t;
    struct slice hash;
    enum status st = users_need(kv, a, name, &t, err);
    if (!st)
        st = password_hash(a, password, &hash, err);
    if (!st)
        st = kv_hold(kv, err);
    if (!st) {
        st = users_need(kv, a, name, &t, err);
        if (!st) {
            t.found->hash = hash;
            t.found->epoch = random_hex(a, EPOCH_BYTES / 2);
            t.found->changed_ms = clock_wall_ms(clock);
            st = user_put(kv, a, t.found, err);
        }
        st = release(kv, st, err);
    }
    arena_free(a);
    return st;
}

static enum status set_role(struct kv *kv, struct arena *a, struct clock *clock, struct slice name, enum role role, struct err *err)
{
    struct user_table t;
    enum status st = users_need(kv, a, name, &t, err);
    if (!st && t.found->role == ROLE_ADMIN && role != ROLE_ADMIN && t.admins == 1)
        st = err_set(err, ST_DENIED, "\"%.*s\" is the only admin: make another one first", SLICE_FMT(name));
    if (!st && t.found->tenant_count && is_for_all(role))
        st = err_set(err, ST_INVALID, "role %s is about all tenants, and \"%.*s\" is tied to some", role_name(role), SLICE_FMT(name));
    if (st)
        return st;
    t.found->role = role;
    t.found->changed_ms = clock_wall_ms(clock);
    return user_put(kv, a, t.found, err);
}

enum status user_set_role(struct kv *kv, struct clock *clock, struct slice name, enum role role, struct err *err)
{
    enum status st = kv_hold(kv, err);
    if (st)
        return st;
    struct arena *a = arena_new(0);
    st = release(kv, set_role(kv, a, clock, name, role, err), err);
    arena_free(a);
    return st;
}

static enum status remove_user(struct kv *kv, struct arena *a, struct slice name, struct err *err)
{
    struct user_table t;
    enum status st = users_need(kv, a, name, &t, err);
    if (!st && t.found->role == ROLE_ADMIN && t.admins == 1 && t.count > 1)
        st = err_set(err, ST_DENIED, "\"%.*s\" is the only admin: make another one first", SLICE_FMT(name));
    if (!st)
        st = kv_delete(kv, arena_printf(a, "%.*s%.*s", SLICE_FMT(user_prefix), SLICE_FMT(name)), err);
    return st ? st : changed(kv, err);
}

enum status user_remove(struct kv *kv, struct slice name, struct err *err)
{
    enum status st = kv_hold(kv, err);
    if (st)
        return st;
    struct arena *a = arena_new(0);
    st = release(kv, remove_user(kv, a, name, err), err);
    arena_free(a);
    return st;
}

/* ---- tokens ---- */

enum status token_create(struct kv *kv, struct clock *clock, const struct account_spec *spec, struct arena *a, struct slice *secret,
                         struct slice *id, struct err *err)
{
    struct token *tokens, t = { .id = random_hex(a, ID_BYTES), .name = spec->name, .created_by = spec->created_by, .role = spec->role,
                                .tenants = (struct slice *)spec->tenants, .tenant_count = spec->tenant_count,
                                .created_ms = clock_wall_ms(clock), .expires_ms = spec->expires_ms };
    size_t n;
    enum status st = check_spec(spec, err);
    if (!st && spec->expires_ms && spec->expires_ms <= t.created_ms)
        st = err_set(err, ST_INVALID, "the token would be over before it begins");
    if (!st)
        st = tokens_list(kv, a, &tokens, &n, err);
    if (!st && n >= TOKENS_MAX)
        st = err_set(err, ST_LIMIT, "%zu tokens, at most %d are allowed", n, TOKENS_MAX);
    if (st)
        return st;
    struct slice text = secret_new(a, SLICE("stoa_"));
    secret_hash(text, t.hash);
    st = token_put(kv, a, &t, err);
    if (st)
        return st;
    *secret = text;
    *id = t.id;
    return ST_OK;
}

enum status token_revoke(struct kv *kv, struct slice id, struct err *err)
{
    struct arena *a = arena_new(0);
    struct buf value;
    buf_init(&value, RECORD_BYTES_MAX);
    struct slice key = arena_printf(a, "%.*s%.*s", SLICE_FMT(token_prefix), SLICE_FMT(slice_sub(id, 0, 100)));
    enum status st = kv_get(kv, key, &value, err);
    if (st == ST_NOT_FOUND)
        st = err_set(err, ST_NOT_FOUND, "there is no token \"%.*s\"", SLICE_FMT(slice_sub(id, 0, 100)));
    if (!st)
        st = kv_delete(kv, key, err);
    buf_free(&value);
    arena_free(a);
    return st ? st : changed(kv, err);
}

/* ---- sessions ---- */

static struct slice session_key(struct arena *a, const uint8_t hash[SECRET_HASH_BYTES])
{
    char text[2 * SECRET_HASH_BYTES];
    hex_encode(slice_of(hash, SECRET_HASH_BYTES), text);
    return arena_printf(a, "%.*s%.*s", SLICE_FMT(session_prefix), (int)sizeof text, text);
}

/* Room for one more of this user. */
static enum status make_room(struct kv *kv, struct arena *a, struct slice user, struct err *err)
{
    struct session *sessions, *oldest = NULL;
    size_t n, own = 0;
    enum status st = sessions_list(kv, a, &sessions, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        if (!slice_eq(sessions[i].user, user))
            continue;
        own++;
        if (oldest == NULL || sessions[i].created_ms < oldest->created_ms)
            oldest = &sessions[i];
    }
    return !st && own >= SESSIONS_PER_USER_MAX ? kv_delete(kv, session_key(a, oldest->hash), err) : st;
}

enum status session_create(struct kv *kv, struct clock *clock, const struct user *u, struct arena *a, struct slice *id, struct err *err)
{
    uint8_t hash[SECRET_HASH_BYTES];
    struct buf out;
    struct json_writer w;
    int64_t now = clock_wall_ms(clock);
    struct slice text = secret_new(a, SLICE_EMPTY);
    enum status st = make_room(kv, a, u->name, err);
    if (st)
        return st;
    secret_hash(text, hash);
    buf_init(&out, RECORD_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, SLICE("user"), u->name);
    put_text(&w, SLICE("epoch"), u->epoch);
    put_time(&w, SLICE("created_ms"), now);
    put_time(&w, SLICE("expires_ms"), now + (int64_t)SESSION_HOURS * 3600 * 1000);
    json_object_end(&w);
    struct slice key = session_key(a, hash);
    st = put_record(kv, a, session_prefix, slice_skip(key, session_prefix.len), &out, err);
    if (!st)
        *id = text;
    return st;
}

enum status session_end(struct kv *kv, struct slice id, struct err *err)
{
    struct arena *a = arena_new(0);
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(id, hash);
    enum status st = kv_delete(kv, session_key(a, hash), err);
    arena_free(a);
    return st ? st : changed(kv, err);
}

enum status sessions_expire(struct kv *kv, struct clock *clock, struct err *err)
{
    struct arena *a = arena_new(0);
    struct session *sessions;
    size_t n;
    int64_t now = clock_wall_ms(clock);
    enum status st = sessions_list(kv, a, &sessions, &n, err);
    bool any = false;
    for (size_t i = 0; !st && i < n; i++) {
        if (sessions[i].expires_ms > now)
            continue;
        any = true;
        st = kv_delete(kv, session_key(a, sessions[i].hash), err);
    }
    arena_free(a);
    return st || !any ? st : changed(kv, err);
}
