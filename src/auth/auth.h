/* SPDX-License-Identifier: Apache-2.0 */
/* Who asks? Tells a request's caller from its Authorization header or session cookie, over a snapshot of the accounts that is
 * renewed when they change. Everything but auth_verify and auth_login is quick enough for a loop. Any thread. */
#ifndef STOA_AUTH_AUTH_H
#define STOA_AUTH_AUTH_H

#include "auth/accounts.h"
#include "auth/audit.h"

enum {
    VERIFIED_KEPT_MAX = 1024,     /* pairs of user and password found good */
    VERIFIED_SECONDS = 300,       /* for so long */
    VERIFY_THREADS = 2,           /* passwords checked at once, each in PASSWORD_MEMORY_BYTES */
    VERIFY_WAITING_MAX = 64,      /* then 503 */
    ACCOUNTS_CHECK_MS = 1000      /* changes by another process are seen within */
};

struct auth;

enum caller_kind { CALLER_OPEN, CALLER_NOBODY, CALLER_USER, CALLER_SESSION, CALLER_TOKEN };

struct auth_caller {
    enum caller_kind kind;
    struct slice user;            /* empty: nobody had to say; of a token: "token:NAME" */
    enum role role;
    const struct slice *tenants;  /* none: every tenant */
    size_t tenant_count;
};
extern const struct auth_caller auth_open_caller, auth_nobody;

/* What a request says of its caller; borrowed. */
struct auth_request {
    struct slice authorization, cookie, peer;
};

enum auth_verdict {
    AUTH_OK,
    AUTH_MISSING,   /* says nothing */
    AUTH_BAD,       /* what it says is wrong, void or over */
    AUTH_LOCKED,    /* too many failures: wait */
    AUTH_SLOW       /* a password is to be checked: auth_verify, off the loop */
};

struct auth_options {
    struct kv *kv;                /* keeps */
    struct clock *clock;          /* keeps */
    struct log *log;              /* keeps; may be NULL */
    struct audit *audit;          /* keeps; may be NULL */
    bool required;                /* a login is needed even when nobody could log in */
    bool is_idle;                 /* no thread that looks for changes: for tests */
};

MUST_CHECK enum status auth_new(struct auth **out, const struct auth_options *opt, struct err *err);
void auth_free(struct auth *a); /* accepts NULL */

/* Is a login needed? When a user or token exists, or it is required. */
bool auth_is_needed(struct auth *a);
/* Could anybody log in? */
bool auth_has_accounts(struct auth *a);
void auth_set_required(struct auth *a, bool required);
/* Reads the accounts anew; after each change. */
MUST_CHECK enum status auth_reload(struct auth *a, struct err *err);

/* *out lives in mem; *wait_ns of AUTH_LOCKED. */
enum auth_verdict auth_check(struct auth *a, const struct auth_request *r, struct arena *mem, struct auth_caller *out, int64_t *wait_ns);
/* After AUTH_SLOW: the same with the password checked. Never gives AUTH_SLOW. */
enum auth_verdict auth_verify(struct auth *a, const struct auth_request *r, struct arena *mem, struct auth_caller *out, int64_t *wait_ns);
/* A session for the page: the cookie's value in *id. ST_DENIED: wrong; ST_LIMIT: locked, *wait_ns; the success is on record. */
MUST_CHECK enum status auth_login(struct auth *a, struct slice user, struct slice password, struct slice peer, struct arena *mem,
                                  struct auth_caller *out, struct slice *id, int64_t *wait_ns, struct err *err);
MUST_CHECK enum status auth_logout(struct auth *a, struct slice cookie, struct err *err);
/* Runs a job that checks passwords. False: too many wait. */
MUST_CHECK bool auth_submit(struct auth *a, void (*run)(void *), void *arg);

/* May the caller use the tenant? */
bool auth_may_tenant(const struct auth_caller *c, struct slice tenant);
/* The value of the session cookie in a Cookie header; empty when there is none. */
struct slice auth_session_of(struct slice cookie_header);

struct auth_stats {
    uint64_t good, bad, locked, users, tokens, sessions;
};
void auth_stats(struct auth *a, struct auth_stats *out);

#endif
