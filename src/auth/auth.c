/* SPDX-License-Identifier: Apache-2.0 */
/* The snapshot: users, tokens and sessions as state.db had them, in one arena, with maps by name and by hash; replaced whole
 * under the lock. What a caller gets is copied into its own memory under the lock.
 *
 * A token or session is found by the SHA-256 of its 256 random bits: as a guess is hashed first, the time of the search tells
 * nothing of it. A password costs tens of milliseconds of argon2id; a pair found good is remembered by a hash keyed with bytes
 * of this process, for VERIFIED_SECONDS and as long as the password stays the same. */
#include "auth/auth.h"

#include "auth/attempts.h"
#include "base/map.h"
#include "codec/hex.h"
#include "sys/rand.h"
#include "sys/thread.h"

enum { WAYS = 4, SETS = VERIFIED_KEPT_MAX / WAYS, CREDENTIAL_BYTES_MAX = 4 * KIB, COOKIE_BYTES_MAX = 256 };

const struct auth_caller auth_open_caller = { .kind = CALLER_OPEN, .user = SLICE_INIT(""), .role = ROLE_ADMIN };
const struct auth_caller auth_nobody = { .kind = CALLER_NOBODY, .user = SLICE_INIT(""), .role = ROLE_NONE };

struct accounts {
    struct arena *arena;
    struct slice version;
    struct user *users;
    struct token *tokens;
    struct session *sessions;
    size_t user_count, token_count, session_count;
    struct map users_by_name, tokens_by_hash, sessions_by_hash; /* to an index */
};

struct verified {
    uint8_t hash[SECRET_HASH_BYTES];
    char epoch[EPOCH_BYTES];
    int64_t until_ns; /* monotonic; 0: free */
};

struct auth {
    struct kv *kv;
    struct clock *clock;
    struct log *log;
    struct audit *audit;
    struct pool *pool;
    struct thread *thread;
    uint8_t key[SECRET_HASH_BYTES];

    struct mutex reload_lock; /* one reload at a time */
    struct mutex lock;        /* the rest */
    struct cond cond;
    struct accounts *accounts;
    struct attempts *attempts;
    struct verified verified[VERIFIED_KEPT_MAX];
    bool required, stopping;
    uint64_t good, bad, locked;
};

/* ---- the snapshot ---- */

static void accounts_free(struct accounts *s)
{
    if (s == NULL)
        return;
    map_free(&s->users_by_name);
    map_free(&s->tokens_by_hash);
    map_free(&s->sessions_by_hash);
    arena_free(s->arena);
}

static enum status accounts_read(struct kv *kv, struct accounts **out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct accounts *s = arena_new_of(a, struct accounts);
    bool added;
    s->arena = a;
    map_init(&s->users_by_name);
    map_init(&s->tokens_by_hash);
    map_init(&s->sessions_by_hash);
    /* The version first: what changes while we read is read again. */
    enum status st = accounts_version(kv, a, &s->version, err);
    if (!st)
        st = users_list(kv, a, &s->users, &s->user_count, err);
    if (!st)
        st = tokens_list(kv, a, &s->tokens, &s->token_count, err);
    if (!st)
        st = sessions_list(kv, a, &s->sessions, &s->session_count, err);
    if (st) {
        accounts_free(s);
        return st;
    }
    for (size_t i = 0; i < s->user_count; i++)
        *map_put(&s->users_by_name, s->users[i].name, &added) = i;
    for (size_t i = 0; i < s->token_count; i++)
        *map_put(&s->tokens_by_hash, slice_of(s->tokens[i].hash, SECRET_HASH_BYTES), &added) = i;
    for (size_t i = 0; i < s->session_count; i++)
        *map_put(&s->sessions_by_hash, slice_of(s->sessions[i].hash, SECRET_HASH_BYTES), &added) = i;
    *out = s;
    return ST_OK;
}

enum status auth_reload(struct auth *a, struct err *err)
{
    struct accounts *fresh = NULL, *old;
    mutex_lock(&a->reload_lock);
    enum status st = accounts_read(a->kv, &fresh, err);
    if (!st) {
        mutex_lock(&a->lock);
        old = a->accounts;
        a->accounts = fresh;
        mutex_unlock(&a->lock);
        accounts_free(old);
    }
    mutex_unlock(&a->reload_lock);
    return st;
}

static bool is_changed(struct auth *a)
{
    struct arena *scratch = arena_new(0);
    struct slice version;
    struct err err;
    bool changed = accounts_version(a->kv, scratch, &version, &err) == ST_OK;
    mutex_lock(&a->lock);
    changed = changed && !slice_eq(version, a->accounts->version);
    mutex_unlock(&a->lock);
    arena_free(scratch);
    return changed;
}

/* Each second: changes and records of other processes, sessions that are over. */
static void run(void *arg)
{
    struct auth *a = arg;
    struct err err;
    enum { EXPIRE_EACH = 600 };
    for (unsigned round = 0;; round++) {
        mutex_lock(&a->lock);
        if (!a->stopping)
            cond_wait_ns(&a->cond, &a->lock, ACCOUNTS_CHECK_MS * NS_MS);
        bool stop = a->stopping;
        mutex_unlock(&a->lock);
        if (stop)
            return;
        enum status st = ST_OK;
        if (a->audit && audit_is_ready(a->audit))
            st = audit_drain(a->audit, &err);
        if (!st && round % EXPIRE_EACH == 0)
            st = sessions_expire(a->kv, a->clock, &err);
        if (!st && is_changed(a))
            st = auth_reload(a, &err);
        if (st && a->log && round % EXPIRE_EACH < 2)
            log_line(a->log, LOG_ERROR, "accounts", "error=\"%s\"", err.text);
    }
}

enum status auth_new(struct auth **out, const struct auth_options *opt, struct err *err)
{
    struct auth *a = mem_new(struct auth);
    a->kv = opt->kv;
    a->clock = opt->clock;
    a->log = opt->log;
    a->audit = opt->audit;
    a->required = opt->required;
    a->attempts = attempts_new();
    sys_random(a->key, sizeof a->key);
    mutex_init(&a->lock);
    mutex_init(&a->reload_lock);
    cond_init(&a->cond);
    enum status st = auth_reload(a, err);
    if (!st)
        st = pool_new(&a->pool, "auth", VERIFY_THREADS, VERIFY_WAITING_MAX, err);
    if (!st && !opt->is_idle)
        st = thread_start(&a->thread, "accounts", run, a, err);
    if (st) {
        auth_free(a);
        return st;
    }
    *out = a;
    return ST_OK;
}

void auth_free(struct auth *a)
{
    if (a == NULL)
        return;
    mutex_lock(&a->lock);
    a->stopping = true;
    cond_broadcast(&a->cond);
    mutex_unlock(&a->lock);
    thread_join(a->thread);
    pool_free(a->pool);
    accounts_free(a->accounts);
    attempts_free(a->attempts);
    cond_destroy(&a->cond);
    mutex_destroy(&a->lock);
    mutex_destroy(&a->reload_lock);
    secret_forget(a->key, sizeof a->key);
    mem_free(a);
}

bool auth_has_accounts(struct auth *a)
{
    mutex_lock(&a->lock);
    bool has = a->accounts->user_count + a->accounts->token_count > 0;
    mutex_unlock(&a->lock);
    return has;
}

bool auth_is_needed(struct auth *a)
{
    mutex_lock(&a->lock);
    bool needed = a->required || a->accounts->user_count + a->accounts->token_count > 0;
    mutex_unlock(&a->lock);
    return needed;
}

void auth_set_required(struct auth *a, bool required)
{
    mutex_lock(&a->lock);
    a->required = required;
    mutex_unlock(&a->lock);
}

void auth_stats(struct auth *a, struct auth_stats *out)
{
    mutex_lock(&a->lock);
    *out = (struct auth_stats){ a->good,  a->bad, a->locked, a->accounts->user_count, a->accounts->token_count, a->accounts->session_count };
    mutex_unlock(&a->lock);
}

bool auth_submit(struct auth *a, void (*job)(void *), void *arg)
{
    return pool_submit(a->pool, job, arg);
}

/* ---- callers; the lock is held ---- */

static void fill(struct auth_caller *out, struct arena *mem, enum caller_kind kind, struct slice user, enum role role, const struct slice *tenants,
                 size_t count)
{
    struct slice *list = arena_array(mem, struct slice, count + 1);
    for (size_t i = 0; i < count; i++)
        list[i] = arena_copy(mem, tenants[i]);
    *out = (struct auth_caller){ kind, arena_copy(mem, user), role, list, count };
}

static const struct user *user_of(const struct auth *a, struct slice name)
{
    const uint64_t *i = map_get(&a->accounts->users_by_name, name);
    return i ? &a->accounts->users[*i] : NULL;
}

static enum auth_verdict by_token(struct auth *a, struct slice text, struct arena *mem, struct auth_caller *out)
{
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(text, hash);
    const uint64_t *i = map_get(&a->accounts->tokens_by_hash, slice_of(hash, sizeof hash));
    const struct token *t = i ? &a->accounts->tokens[*i] : NULL;
    if (t == NULL || !secret_equal(t->hash, hash) || (t->expires_ms && t->expires_ms <= clock_wall_ms(a->clock)))
        return AUTH_BAD;
    fill(out, mem, CALLER_TOKEN, arena_printf(mem, "token:%.*s", SLICE_FMT(t->name)), t->role, t->tenants, t->tenant_count);
    return AUTH_OK;
}

static enum auth_verdict by_session(struct auth *a, struct slice id, struct arena *mem, struct auth_caller *out)
{
    uint8_t hash[SECRET_HASH_BYTES];
    secret_hash(id, hash);
    const uint64_t *i = map_get(&a->accounts->sessions_by_hash, slice_of(hash, sizeof hash));
    const struct session *s = i ? &a->accounts->sessions[*i] : NULL;
    const struct user *u = s ? user_of(a, s->user) : NULL;
    /* A session that is void is as none: the page shows the login. */
    if (u == NULL || !secret_equal(s->hash, hash) || s->expires_ms <= clock_wall_ms(a->clock) || !slice_eq(u->epoch, s->epoch))
        return AUTH_MISSING;
    fill(out, mem, CALLER_SESSION, u->name, u->role, u->tenants, u->tenant_count);
    return AUTH_OK;
}

static struct verified *verified_set(struct auth *a, const uint8_t hash[SECRET_HASH_BYTES])
{
    return &a->verified[(hash[0] | (size_t)hash[1] << 8) % SETS * WAYS];
}

static bool is_verified(struct auth *a, const struct user *u, const uint8_t hash[SECRET_HASH_BYTES])
{
    struct verified *set = verified_set(a, hash);
    int64_t now = clock_mono_ns(a->clock);
    for (size_t i = 0; i < WAYS; i++)
        if (set[i].until_ns > now && secret_equal(set[i].hash, hash) && slice_eq(slice_of(set[i].epoch, EPOCH_BYTES), u->epoch))
            return true;
    return false;
}

static void remember(struct auth *a, const struct user *u, const uint8_t hash[SECRET_HASH_BYTES])
{
    struct verified *set = verified_set(a, hash), *place = set;
    for (size_t i = 1; i < WAYS; i++)
        if (set[i].until_ns < place->until_ns)
            place = &set[i];
    memcpy(place->hash, hash, SECRET_HASH_BYTES);
    memset(place->epoch, 0, sizeof place->epoch);
    memcpy(place->epoch, u->epoch.ptr, MIN(u->epoch.len, sizeof place->epoch));
    place->until_ns = clock_mono_ns(a->clock) + VERIFIED_SECONDS * NS_S;
}

/* ---- what a request says ---- */

struct said {
    bool is_token, is_basic;
    struct slice user, password; /* or the token in password */
};

static bool scheme_is(struct slice header, struct slice scheme, struct slice *rest)
{
    if (header.len <= scheme.len || !slice_eq_nocase(slice_sub(header, 0, scheme.len), scheme))
        return false;
    *rest = slice_trim(slice_skip(header, scheme.len));
    return true;
}

/* Decodes into room, which the caller forgets. A token may also stand where a password does: for clients that know no other. */
static struct said read_said(struct slice header, struct buf *room)
{
    struct said s = { 0 };
    struct slice rest;
    buf_init(room, CREDENTIAL_BYTES_MAX);
    if (scheme_is(header, SLICE("Bearer "), &rest) || scheme_is(header, SLICE("Splunk "), &rest)) {
        s = (struct said){ .is_token = true, .password = rest };
    } else if (scheme_is(header, SLICE("ApiKey "), &rest)) { /* Elasticsearch's: the token, or base64 of id:token */
        bool coded = !slice_starts(rest, SLICE("stoa_")) && base64_decode(rest, room) && !buf_over(room) &&
                     slice_cut(buf_as_slice(room), ':', &s.user, &s.password);
        s = (struct said){ .is_token = true, .password = coded ? s.password : rest };
    } else if (scheme_is(header, SLICE("Basic "), &rest) && base64_decode(rest, room) && !buf_over(room) &&
               slice_cut(buf_as_slice(room), ':', &s.user, &s.password)) {
        s.is_token = slice_starts(s.password, SLICE("stoa_"));
        s.is_basic = !s.is_token;
    }
    return s;
}

static void forget_said(struct buf *room)
{
    if (room->ptr)
        secret_forget(room->ptr, room->len);
    buf_free(room);
}

struct slice auth_session_of(struct slice header)
{
    struct slice one, name, value;
    while (slice_next(&header, ';', &one)) {
        slice_cut(slice_trim(one), '=', &name, &value);
        if (slice_eq(name, SLICE("stoa_session")) && value.len && value.len <= COOKIE_BYTES_MAX)
            return value;
    }
    return SLICE_EMPTY;
}

bool auth_may_tenant(const struct auth_caller *c, struct slice tenant)
{
    for (size_t i = 0; i < c->tenant_count; i++)
        if (slice_eq(c->tenants[i], tenant))
            return true;
    return c->tenant_count == 0;
}

/* ---- checking ---- */

static void on_record(struct auth *a, struct slice user, struct slice peer, struct slice action, struct slice text, int status)
{
    struct audit_record r = { .user = user, .peer = peer, .action = action, .text = text, .status = status };
    if (a->audit)
        audit_add(a->audit, &r);
}

/* A failure counts, waits longer, and is on record; while it must wait, nothing is checked, so the record stays short. */
static void failed(struct auth *a, struct slice user, struct slice peer, struct slice text)
{
    mutex_lock(&a->lock);
    a->bad++;
    attempts_failed(a->attempts, user, peer, clock_mono_ns(a->clock));
    mutex_unlock(&a->lock);
    on_record(a, user, peer, SLICE("login.failed"), text, 401);
}

enum auth_verdict auth_check(struct auth *a, const struct auth_request *r, struct arena *mem, struct auth_caller *out, int64_t *wait_ns)
{
    enum auth_verdict v = AUTH_BAD;
    struct buf room;
    struct slice session = r->authorization.len ? SLICE_EMPTY : auth_session_of(r->cookie);
    struct said s = read_said(r->authorization, &room);
    bool is_new_failure = false;
    *out = auth_nobody;
    *wait_ns = 0;
    mutex_lock(&a->lock);
    if (!a->required && a->accounts->user_count + a->accounts->token_count == 0) {
        *out = auth_open_caller;
        v = AUTH_OK;
    } else if (r->authorization.len == 0) {
        v = session.len ? by_session(a, session, mem, out) : AUTH_MISSING;
    } else if (s.is_token) {
        v = by_token(a, s.password, mem, out);
        /* 256 random bits need no lock against guessing; the record does against filling. */
        is_new_failure = v == AUTH_BAD && attempts_wait_ns(a->attempts, SLICE("token"), r->peer, clock_mono_ns(a->clock)) == 0;
    } else if (s.is_basic) {
        uint8_t hash[SECRET_HASH_BYTES];
        const struct user *u = user_of(a, s.user);
        secret_keyed_hash(a->key, s.user, s.password, hash);
        *wait_ns = attempts_wait_ns(a->attempts, s.user, r->peer, clock_mono_ns(a->clock));
        if (u && is_verified(a, u, hash)) {
            fill(out, mem, CALLER_USER, u->name, u->role, u->tenants, u->tenant_count);
            v = AUTH_OK;
        } else {
            v = *wait_ns ? AUTH_LOCKED : AUTH_SLOW;
            a->locked += v == AUTH_LOCKED;
        }
    }
    mutex_unlock(&a->lock);
    forget_said(&room);
    if (is_new_failure)
        failed(a, SLICE("token"), r->peer, SLICE("a token that is unknown, revoked or over"));
    return v;
}

/* The password itself. On success *epoch is the user's, in mem. */
static bool check_password(struct auth *a, struct slice user, struct slice password, struct arena *mem, struct auth_caller *out, struct slice *epoch)
{
    uint8_t hash[SECRET_HASH_BYTES];
    struct slice stored = SLICE_EMPTY;
    mutex_lock(&a->lock);
    const struct user *u = user_of(a, user);
    if (u) {
        stored = arena_copy(mem, u->hash);
        *epoch = arena_copy(mem, u->epoch);
    }
    mutex_unlock(&a->lock);
    if (!password_matches(stored, password))
        return false;
    secret_keyed_hash(a->key, user, password, hash);
    mutex_lock(&a->lock);
    u = user_of(a, user);
    /* Changed meanwhile: then this password was good for the old one. */
    bool good = u && slice_eq(u->epoch, *epoch);
    if (good) {
        remember(a, u, hash);
        fill(out, mem, CALLER_USER, u->name, u->role, u->tenants, u->tenant_count);
        a->good++;
    }
    mutex_unlock(&a->lock);
    return good;
}

enum auth_verdict auth_verify(struct auth *a, const struct auth_request *r, struct arena *mem, struct auth_caller *out, int64_t *wait_ns)
{
    /* Of many requests with the same password that came at once, the first one's work serves all. */
    enum auth_verdict v = auth_check(a, r, mem, out, wait_ns);
    if (v != AUTH_SLOW)
        return v;
    struct buf room;
    struct slice epoch;
    struct said s = read_said(r->authorization, &room);
    if (check_password(a, s.user, s.password, mem, out, &epoch)) {
        mutex_lock(&a->lock);
        attempts_good(a->attempts, s.user, r->peer);
        mutex_unlock(&a->lock);
        on_record(a, s.user, r->peer, SLICE("login"), SLICE("by Basic authentication"), 200);
        v = AUTH_OK;
    } else {
        *out = auth_nobody;
        failed(a, s.user, r->peer, SLICE("wrong user or password, by Basic authentication"));
        v = AUTH_BAD;
    }
    forget_said(&room);
    return v;
}

enum status auth_login(struct auth *a, struct slice user, struct slice password, struct slice peer, struct arena *mem, struct auth_caller *out,
                       struct slice *id, int64_t *wait_ns, struct err *err)
{
    struct slice epoch;
    mutex_lock(&a->lock);
    *wait_ns = attempts_wait_ns(a->attempts, user, peer, clock_mono_ns(a->clock));
    a->locked += *wait_ns > 0;
    mutex_unlock(&a->lock);
    if (*wait_ns)
        return err_set(err, ST_LIMIT, "too many failed logins; try again in %lld s", (long long)(*wait_ns / NS_S + 1));
    if (!check_password(a, user, password, mem, out, &epoch)) {
        failed(a, user, peer, SLICE("wrong user or password"));
        return err_set(err, ST_DENIED, "wrong user or password");
    }
    struct user u = { .name = out->user, .epoch = epoch };
    enum status st = session_create(a->kv, a->clock, &u, mem, id, err);
    if (!st)
        st = auth_reload(a, err);
    if (st)
        return st;
    mutex_lock(&a->lock);
    attempts_good(a->attempts, user, peer);
    mutex_unlock(&a->lock);
    out->kind = CALLER_SESSION;
    struct audit_record r = { .user = user, .role = slice_str(role_name(out->role)), .peer = peer, .action = SLICE("login"),
                              .text = SLICE("a session for the page"), .status = 200 };
    return a->audit ? audit_add_wait(a->audit, &r, err) : ST_OK;
}

enum status auth_logout(struct auth *a, struct slice cookie, struct err *err)
{
    struct slice id = auth_session_of(cookie);
    if (id.len == 0)
        return ST_OK;
    enum status st = session_end(a->kv, id, err);
    return st ? st : auth_reload(a, err);
}
