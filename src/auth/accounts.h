/* SPDX-License-Identifier: Apache-2.0 */
/* Users, tokens and sessions as records of state.db, changed by the server and by the command line alike. Each change also
 * renews one version key, by which a running server sees changes made beside it. Any thread. */
#ifndef STOA_AUTH_ACCOUNTS_H
#define STOA_AUTH_ACCOUNTS_H

#include "auth/role.h"
#include "auth/secret.h"
#include "store/kv.h"
#include "sys/clock.h"

enum {
    ACCOUNT_NAME_BYTES_MAX = 64,      /* of a user or token: A-Z a-z 0-9 _ . @ - */
    ACCOUNT_TENANTS_MAX = 64,
    USERS_MAX = 10000,
    TOKENS_MAX = 10000,
    SESSIONS_PER_USER_MAX = 64,       /* the oldest goes */
    SESSION_HOURS = 12,
    TOKEN_DAYS_MAX = 3650,
    EPOCH_BYTES = 32                  /* hexadecimal digits */
};

/* tenants: those it may use; none: all. */
struct user {
    struct slice name, hash;
    struct slice epoch;               /* renewed with the password: sessions of another epoch are void */
    enum role role;
    struct slice *tenants;
    size_t tenant_count;
    int64_t created_ms, changed_ms;
};

struct token {
    struct slice id, name, created_by;
    uint8_t hash[SECRET_HASH_BYTES];
    enum role role;
    struct slice *tenants;
    size_t tenant_count;
    int64_t created_ms, expires_ms;   /* 0: never */
};

struct session {
    uint8_t hash[SECRET_HASH_BYTES];  /* of the cookie's value */
    struct slice user, epoch;
    int64_t created_ms, expires_ms;
};

/* Everything, by name or id, in a. A record that does not read is an error naming it: nobody is let in by half a list. */
MUST_CHECK enum status users_list(struct kv *kv, struct arena *a, struct user **out, size_t *count, struct err *err);
MUST_CHECK enum status tokens_list(struct kv *kv, struct arena *a, struct token **out, size_t *count, struct err *err);
MUST_CHECK enum status sessions_list(struct kv *kv, struct arena *a, struct session **out, size_t *count, struct err *err);

struct account_spec {
    struct slice name;
    enum role role;
    const struct slice *tenants;
    size_t tenant_count;
    int64_t expires_ms;               /* of tokens; 0: never */
    struct slice created_by;
};

/* Hashes the password: slow. ST_EXISTS, ST_INVALID. */
MUST_CHECK enum status user_add(struct kv *kv, struct clock *clock, const struct account_spec *spec, struct slice password, struct err *err);
/* Also ends the user's sessions. */
MUST_CHECK enum status user_set_password(struct kv *kv, struct clock *clock, struct slice name, struct slice password, struct err *err);
/* ST_DENIED: would leave users without any admin. */
MUST_CHECK enum status user_set_role(struct kv *kv, struct clock *clock, struct slice name, enum role role, struct err *err);
/* ST_DENIED as above, unless it is the only user. */
MUST_CHECK enum status user_remove(struct kv *kv, struct slice name, struct err *err);
/* Says what user_add would object to, without doing it. */
MUST_CHECK enum status user_check(struct kv *kv, const struct account_spec *spec, struct slice password, struct err *err);

/* The secret, shown this once, and the id, both in a. */
MUST_CHECK enum status token_create(struct kv *kv, struct clock *clock, const struct account_spec *spec, struct arena *a, struct slice *secret,
                                    struct slice *id, struct err *err);
MUST_CHECK enum status token_revoke(struct kv *kv, struct slice id, struct err *err);

/* A new session of u; its id, for the cookie, in a. */
MUST_CHECK enum status session_create(struct kv *kv, struct clock *clock, const struct user *u, struct arena *a, struct slice *id, struct err *err);
MUST_CHECK enum status session_end(struct kv *kv, struct slice id, struct err *err);
/* Removes those that are over. */
MUST_CHECK enum status sessions_expire(struct kv *kv, struct clock *clock, struct err *err);

/* Changes with every change; empty when there was none yet. */
MUST_CHECK enum status accounts_version(struct kv *kv, struct arena *a, struct slice *out, struct err *err);

/* "a,b" to a list in a; ST_INVALID names the tenant that is not allowed. */
MUST_CHECK enum status tenants_parse(struct arena *a, struct slice text, struct slice **out, size_t *count, struct err *err);

#endif
