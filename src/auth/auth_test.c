/* SPDX-License-Identifier: Apache-2.0 */
#include "auth/attempts.h"
#include "auth/auth.h"

#include <stdio.h>

#include "base/unit.h"
#include "sys/thread.h"

#define HOUR_NS (3600 * NS_S)

struct rig {
    struct arena *a;
    struct kv *kv;
    struct clock *clock;
    struct auth *auth;
};

static void rig_open(struct rig *r)
{
    struct err err;
    r->a = arena_new(0);
    r->clock = clock_sim_new(1700000000 * NS_S);
    CHECK_INT(kv_open(&r->kv, arena_printf(r->a, "%s/state.db", unit_dir()).ptr, &err), ST_OK);
    struct auth_options opt = { .kv = r->kv, .clock = r->clock, .is_idle = true };
    CHECK_INT(auth_new(&r->auth, &opt, &err), ST_OK);
}

static void rig_close(struct rig *r)
{
    auth_free(r->auth);
    kv_close(r->kv);
    clock_sim_free(r->clock);
    arena_free(r->a);
}

static void add_user(struct rig *r, const char *name, enum role role, const char *password)
{
    struct err err;
    struct account_spec spec = { .name = slice_str(name), .role = role };
    CHECK_INT(user_add(r->kv, r->clock, &spec, slice_str(password), &err), ST_OK);
    CHECK_INT(auth_reload(r->auth, &err), ST_OK);
}

static enum auth_verdict check(struct rig *r, struct slice authorization, struct slice cookie, struct auth_caller *c)
{
    int64_t wait;
    struct auth_request q = { authorization, cookie, SLICE("10.0.0.1:5000") };
    return auth_check(r->auth, &q, r->a, c, &wait);
}

static enum auth_verdict verify(struct rig *r, struct slice authorization, struct auth_caller *c)
{
    int64_t wait;
    struct auth_request q = { authorization, SLICE_EMPTY, SLICE("10.0.0.1:5000") };
    return auth_verify(r->auth, &q, r->a, c, &wait);
}

static const struct slice alice = SLICE_INIT("Basic YWxpY2U6Y29ycmVjdCBob3JzZQ=="), /* alice:correct horse */
    alice_wrong = SLICE_INIT("Basic YWxpY2U6Y29ycmVjdCBob3VzZQ==");                 /* alice:correct house */

TEST(each_role_may_what_the_table_says_and_nothing_more)
{
    static const struct {
        const char *role, *may;
    } want[] = { { "viewer", "public read" }, { "editor", "public read write edit" }, { "admin", "public read write edit admin audit" },
                 { "ingest-only", "public write" }, { "auditor", "public audit" } };
    for (size_t i = 0; i < COUNT_OF(want); i++) {
        enum role role;
        struct buf may;
        buf_init(&may, 0);
        CHECK(role_parse(slice_str(want[i].role), &role));
        for (int p = 0; p < PERMIT_COUNT; p++)
            if (role_may(role, (enum permission)p))
                buf_printf(&may, "%s%s", may.len ? " " : "", permission_name((enum permission)p));
        CHECK_STR(buf_as_slice(&may), want[i].may);
        buf_free(&may);
    }
    enum role role;
    CHECK(!role_parse(SLICE("none"), &role));
    CHECK(!role_parse(SLICE("Admin"), &role));
}

TEST(a_password_is_kept_as_a_hash_that_only_it_matches)
{
    struct arena *a = arena_new(0);
    struct slice one, two;
    struct err err;
    CHECK_INT(password_hash(a, SLICE("correct horse"), &one, &err), ST_OK);
    CHECK_INT(password_hash(a, SLICE("correct horse"), &two, &err), ST_OK);
    CHECK(slice_starts(one, SLICE("$argon2id$")));
    CHECK(!slice_eq(one, two));
    CHECK(password_matches(one, SLICE("correct horse")));
    CHECK(!password_matches(one, SLICE("correct horsf")));
    CHECK(!password_matches(SLICE_EMPTY, SLICE("correct horse")));
    CHECK_INT(password_hash(a, SLICE("short"), &one, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("8 to 1024")));
    arena_free(a);
}

TEST(without_accounts_nobody_needs_a_login_and_with_one_everybody_does)
{
    struct rig r;
    struct auth_caller c;
    rig_open(&r);
    CHECK(!auth_is_needed(r.auth));
    CHECK_INT(check(&r, SLICE_EMPTY, SLICE_EMPTY, &c), AUTH_OK);
    CHECK_INT(c.kind, CALLER_OPEN);
    add_user(&r, "alice", ROLE_VIEWER, "correct horse");
    CHECK(auth_is_needed(r.auth));
    CHECK_INT(check(&r, SLICE_EMPTY, SLICE_EMPTY, &c), AUTH_MISSING);
    CHECK_INT(c.role, ROLE_NONE);
    CHECK_INT(user_remove(r.kv, SLICE("alice"), NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(check(&r, SLICE_EMPTY, SLICE_EMPTY, &c), AUTH_OK);
    auth_set_required(r.auth, true);
    CHECK_INT(check(&r, SLICE_EMPTY, SLICE_EMPTY, &c), AUTH_MISSING);
    rig_close(&r);
}

TEST(a_basic_pair_is_checked_slowly_once_and_again_after_a_while)
{
    struct rig r;
    struct auth_caller c;
    rig_open(&r);
    add_user(&r, "alice", ROLE_EDITOR, "correct horse");
    CHECK_INT(check(&r, alice, SLICE_EMPTY, &c), AUTH_SLOW);
    CHECK_INT(verify(&r, alice, &c), AUTH_OK);
    CHECK_STR(c.user, "alice");
    CHECK_INT(c.role, ROLE_EDITOR);
    CHECK_INT(check(&r, alice, SLICE_EMPTY, &c), AUTH_OK);
    CHECK_INT(check(&r, alice_wrong, SLICE_EMPTY, &c), AUTH_SLOW);
    clock_sim_advance(r.clock, (VERIFIED_SECONDS + 1) * NS_S);
    CHECK_INT(check(&r, alice, SLICE_EMPTY, &c), AUTH_SLOW);
    CHECK_INT(verify(&r, alice, &c), AUTH_OK);
    CHECK_INT(user_set_password(r.kv, r.clock, SLICE("alice"), SLICE("another horse"), NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(verify(&r, alice, &c), AUTH_BAD);
    rig_close(&r);
}

TEST(failures_make_wait_longer_and_only_the_one_who_fails)
{
    struct rig r;
    struct auth_caller c;
    rig_open(&r);
    add_user(&r, "alice", ROLE_VIEWER, "correct horse");
    for (int i = 0; i < ATTEMPTS_OF_USER_FREE_MAX; i++)
        CHECK_INT(verify(&r, alice_wrong, &c), AUTH_BAD);
    CHECK_INT(verify(&r, alice, &c), AUTH_LOCKED);
    struct auth_request elsewhere = { alice, SLICE_EMPTY, SLICE("10.0.0.2:5000") };
    int64_t wait;
    CHECK_INT(auth_verify(r.auth, &elsewhere, r.a, &c, &wait), AUTH_OK);
    clock_sim_advance(r.clock, (ATTEMPTS_LOCK_SECONDS_MIN + 1) * NS_S);
    CHECK_INT(check(&r, alice_wrong, SLICE_EMPTY, &c), AUTH_SLOW);
    CHECK_INT(verify(&r, alice_wrong, &c), AUTH_BAD);
    clock_sim_advance(r.clock, (ATTEMPTS_LOCK_SECONDS_MIN + 0) * NS_S);
    CHECK_INT(check(&r, alice_wrong, SLICE_EMPTY, &c), AUTH_LOCKED);
    rig_close(&r);
}

TEST(a_peer_that_guesses_many_users_must_wait_and_is_forgotten_at_last)
{
    struct attempts *t = attempts_new();
    char name[32];
    for (int i = 0; i < ATTEMPTS_OF_PEER_FREE_MAX; i++) {
        int n = snprintf(name, sizeof name, "user%d", i);
        CHECK_INT(attempts_wait_ns(t, slice_of(name, (size_t)n), SLICE("[2001:db8::1]:1"), NS_S), 0);
        attempts_failed(t, slice_of(name, (size_t)n), SLICE("[2001:db8::1]:1"), NS_S);
    }
    CHECK(attempts_wait_ns(t, SLICE("new"), SLICE("[2001:db8::ffff]:2"), NS_S) > 0);
    CHECK_INT(attempts_wait_ns(t, SLICE("new"), SLICE("[2001:db8:0:1::1]:2"), NS_S), 0);
    for (int i = 0; i < 40; i++)
        attempts_failed(t, SLICE("new"), SLICE("[2001:db8::1]:1"), NS_S);
    CHECK_INT(attempts_wait_ns(t, SLICE("new"), SLICE("[2001:db8::1]:1"), NS_S), ATTEMPTS_LOCK_SECONDS_MAX * NS_S);
    CHECK_INT(attempts_wait_ns(t, SLICE("new"), SLICE("[2001:db8::1]:1"), (ATTEMPTS_FORGET_SECONDS + 2) * NS_S), 0);
    attempts_free(t);
}

TEST(a_token_lets_in_with_its_role_and_tenants_until_it_is_over_or_revoked)
{
    struct rig r;
    struct auth_caller c;
    struct slice secret, id, tenants[] = { SLICE_INIT("red"), SLICE_INIT("blue") };
    rig_open(&r);
    struct account_spec spec = { .name = SLICE("shop"), .role = ROLE_INGEST, .tenants = tenants, .tenant_count = 2,
                                 .expires_ms = clock_wall_ms(r.clock) + 1000, .created_by = SLICE("test") };
    CHECK_INT(token_create(r.kv, r.clock, &spec, r.a, &secret, &id, NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK(slice_starts(secret, SLICE("stoa_")) && secret.len == 48);
    struct slice bearer = arena_printf(r.a, "Bearer %.*s", SLICE_FMT(secret));
    CHECK_INT(check(&r, bearer, SLICE_EMPTY, &c), AUTH_OK);
    CHECK_STR(c.user, "token:shop");
    CHECK_INT(c.role, ROLE_INGEST);
    CHECK(auth_may_tenant(&c, SLICE("blue")) && !auth_may_tenant(&c, SLICE("green")));
    CHECK_INT(check(&r, arena_printf(r.a, "Bearer %.*sx", SLICE_FMT(secret)), SLICE_EMPTY, &c), AUTH_BAD);
    clock_sim_advance(r.clock, NS_S);
    CHECK_INT(check(&r, bearer, SLICE_EMPTY, &c), AUTH_BAD);
    spec.expires_ms = 0;
    CHECK_INT(token_create(r.kv, r.clock, &spec, r.a, &secret, &id, NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    bearer = arena_printf(r.a, "Bearer %.*s", SLICE_FMT(secret));
    CHECK_INT(check(&r, bearer, SLICE_EMPTY, &c), AUTH_OK);
    CHECK_INT(token_revoke(r.kv, id, NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(check(&r, bearer, SLICE_EMPTY, &c), AUTH_BAD);
    CHECK_INT(token_revoke(r.kv, id, NULL), ST_NOT_FOUND);
    rig_close(&r);
}

static struct slice login(struct rig *r, const char *user, const char *password)
{
    struct auth_caller c;
    struct slice id;
    struct err err;
    int64_t wait;
    CHECK_INT(auth_login(r->auth, slice_str(user), slice_str(password), SLICE("10.0.0.1:1"), r->a, &c, &id, &wait, &err), ST_OK);
    return arena_printf(r->a, "other=1; stoa_session=%.*s", SLICE_FMT(id));
}

TEST(a_session_ends_by_time_logout_password_and_removal)
{
    struct rig r;
    struct auth_caller c;
    rig_open(&r);
    add_user(&r, "root", ROLE_ADMIN, "correct horse");
    add_user(&r, "alice", ROLE_VIEWER, "correct horse");
    struct slice one = login(&r, "alice", "correct horse"), two = login(&r, "alice", "correct horse");
    CHECK_INT(check(&r, SLICE_EMPTY, one, &c), AUTH_OK);
    CHECK_INT(c.kind, CALLER_SESSION);
    CHECK_INT(auth_logout(r.auth, one, NULL), ST_OK);
    CHECK_INT(check(&r, SLICE_EMPTY, one, &c), AUTH_MISSING);
    CHECK_INT(check(&r, SLICE_EMPTY, two, &c), AUTH_OK);
    clock_sim_advance(r.clock, SESSION_HOURS * HOUR_NS - 1);
    CHECK_INT(check(&r, SLICE_EMPTY, two, &c), AUTH_OK);
    clock_sim_advance(r.clock, NS_S);
    CHECK_INT(check(&r, SLICE_EMPTY, two, &c), AUTH_MISSING);
    CHECK_INT(sessions_expire(r.kv, r.clock, NULL), ST_OK);
    struct session *left;
    size_t n;
    CHECK_INT(sessions_list(r.kv, r.a, &left, &n, NULL), ST_OK);
    CHECK_INT(n, 0);
    struct slice three = login(&r, "alice", "correct horse");
    CHECK_INT(user_set_role(r.kv, r.clock, SLICE("alice"), ROLE_EDITOR, NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(check(&r, SLICE_EMPTY, three, &c), AUTH_OK);
    CHECK_INT(c.role, ROLE_EDITOR);
    CHECK_INT(user_set_password(r.kv, r.clock, SLICE("alice"), SLICE("another horse"), NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(check(&r, SLICE_EMPTY, three, &c), AUTH_MISSING);
    struct slice four = login(&r, "alice", "another horse");
    CHECK_INT(user_remove(r.kv, SLICE("alice"), NULL), ST_OK);
    CHECK_INT(auth_reload(r.auth, NULL), ST_OK);
    CHECK_INT(check(&r, SLICE_EMPTY, four, &c), AUTH_MISSING);
    rig_close(&r);
}

TEST(the_last_admin_stays_as_long_as_there_are_others)
{
    struct rig r;
    struct err err;
    rig_open(&r);
    add_user(&r, "root", ROLE_ADMIN, "correct horse");
    add_user(&r, "alice", ROLE_VIEWER, "correct horse");
    CHECK_INT(user_remove(r.kv, SLICE("root"), &err), ST_DENIED);
    CHECK_INT(user_set_role(r.kv, r.clock, SLICE("root"), ROLE_VIEWER, &err), ST_DENIED);
    CHECK_INT(user_remove(r.kv, SLICE("nobody"), &err), ST_NOT_FOUND);
    CHECK_INT(user_remove(r.kv, SLICE("alice"), &err), ST_OK);
    CHECK_INT(user_remove(r.kv, SLICE("root"), &err), ST_OK);
    struct account_spec spec = { .name = SLICE("a b"), .role = ROLE_ADMIN };
    CHECK_INT(user_add(r.kv, r.clock, &spec, SLICE("correct horse"), &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("a b")));
    rig_close(&r);
}

TEST(who_is_tied_to_tenants_cannot_become_who_is_about_all_of_them)
{
    struct rig r;
    struct err err;
    struct slice tenants[] = { SLICE_INIT("red") };
    rig_open(&r);
    struct account_spec spec = { .name = SLICE("alice"), .role = ROLE_ADMIN, .tenants = tenants, .tenant_count = 1 };
    CHECK_INT(user_add(r.kv, r.clock, &spec, SLICE("correct horse"), &err), ST_INVALID);
    spec.role = ROLE_EDITOR;
    CHECK_INT(user_add(r.kv, r.clock, &spec, SLICE("stoa_horse"), &err), ST_INVALID);
    CHECK_INT(user_add(r.kv, r.clock, &spec, SLICE("correct horse"), &err), ST_OK);
    CHECK_INT(user_set_role(r.kv, r.clock, SLICE("alice"), ROLE_AUDITOR, &err), ST_INVALID);
    CHECK_INT(user_set_role(r.kv, r.clock, SLICE("alice"), ROLE_VIEWER, &err), ST_OK);
    rig_close(&r);
}

TEST(the_session_cookie_is_found_among_others_and_only_whole)
{
    CHECK_STR(auth_session_of(SLICE("a=b; stoa_session=xyz; c=d")), "xyz");
    CHECK_STR(auth_session_of(SLICE("stoa_session=xyz")), "xyz");
    CHECK_STR(auth_session_of(SLICE("xstoa_session=xyz")), "");
    CHECK_STR(auth_session_of(SLICE("stoa_session=")), "");
    CHECK_STR(auth_session_of(SLICE_EMPTY), "");
}

/* ---- changes at the same moment ---- */

static void demote_two(void *arg)
{
    struct rig *r = arg;
    /* Whatever the order, one of the two admins stays. */
    (void)!user_set_role(r->kv, r->clock, SLICE("alice"), ROLE_VIEWER, NULL);
    (void)!user_set_role(r->kv, r->clock, SLICE("bob"), ROLE_VIEWER, NULL);
}

static void demote_two_backwards(void *arg)
{
    struct rig *r = arg;
    (void)!user_set_role(r->kv, r->clock, SLICE("bob"), ROLE_VIEWER, NULL);
    (void)!user_set_role(r->kv, r->clock, SLICE("alice"), ROLE_VIEWER, NULL);
}

TEST(two_admins_who_demote_each_other_at_once_leave_one)
{
    struct rig r;
    struct thread *one, *other;
    struct user *list;
    size_t count, admins = 0;
    struct err err;
    rig_open(&r);
    add_user(&r, "alice", ROLE_ADMIN, "correct horse");
    add_user(&r, "bob", ROLE_ADMIN, "correct horse");
    CHECK_INT(thread_start(&one, "one", demote_two, &r, &err), ST_OK);
    CHECK_INT(thread_start(&other, "other", demote_two_backwards, &r, &err), ST_OK);
    thread_join(one);
    thread_join(other);
    CHECK_INT(users_list(r.kv, r.a, &list, &count, &err), ST_OK);
    for (size_t i = 0; i < count; i++)
        admins += list[i].role == ROLE_ADMIN;
    CHECK_INT(admins, 1);
    rig_close(&r);
}
