/* SPDX-License-Identifier: Apache-2.0 */
/* Passwords and random secrets, by libsodium: argon2id, SHA-256, comparison in constant time. Any thread. */
#ifndef STOA_AUTH_SECRET_H
#define STOA_AUTH_SECRET_H

#include "base/arena.h"
#include "base/err.h"

enum {
    PASSWORD_BYTES_MIN = 8,
    PASSWORD_BYTES_MAX = 1024,
    PASSWORD_HASH_BYTES_MAX = 128,
    PASSWORD_PASSES = 3,                  /* argon2id's time cost */
    PASSWORD_MEMORY_BYTES = 32 * MIB,     /* and its memory, for the time of one check */
    SECRET_BYTES = 32,                    /* of a token or session id: 256 random bits */
    SECRET_HASH_BYTES = 32,               /* SHA-256 */
    SECRET_TEXT_BYTES_MAX = 64
};

/* The hash as one text with its salt and costs, in a. Takes tens of milliseconds: never on a loop.
 * ST_INVALID: shorter or longer than allowed. */
MUST_CHECK enum status password_hash(struct arena *a, struct slice password, struct slice *out, struct err *err);
/* As slow. hash empty: does the same work and says no, so that an unknown name takes as long as a wrong password. */
bool password_matches(struct slice hash, struct slice password);

/* prefix and SECRET_BYTES random bytes in URL-safe base64; in a. */
struct slice secret_new(struct arena *a, struct slice prefix);
void secret_hash(struct slice secret, uint8_t out[SECRET_HASH_BYTES]);
bool secret_equal(const uint8_t a[SECRET_HASH_BYTES], const uint8_t b[SECRET_HASH_BYTES]);
/* A keyed hash over name and password: what a verified pair is remembered by. */
void secret_keyed_hash(const uint8_t key[SECRET_HASH_BYTES], struct slice name, struct slice password, uint8_t out[SECRET_HASH_BYTES]);
/* Overwrites with zeros; not optimised away. */
void secret_forget(void *bytes, size_t n);

#endif
