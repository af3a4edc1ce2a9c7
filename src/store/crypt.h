/* SPDX-License-Identifier: Apache-2.0 */
/* Encryption at rest: AES-256-GCM for blocks of parts and frames of the log. docs/formats/keyring.md.
 *
 * A master key from a file wraps data keys, which stand in dir/KEYRING; each part and segment has a key of its own, made from a data
 * key and its random uuid. So a master key can be changed without rewriting data, and no nonce is ever used twice. */
#ifndef STOA_STORE_CRYPT_H
#define STOA_STORE_CRYPT_H

#include "base/err.h"
#include "sys/file.h"

enum { CRYPT_KEY_BYTES = 32, CRYPT_TAG_BYTES = 16, CRYPT_KEYS_MAX = 64, CRYPT_KEY_FILE_BYTES_MAX = 1024 };

struct crypt; /* the data keys, open */

/* *out NULL: the folder is not encrypted and key_file is empty. With a key file and no KEYRING one is made, durable on return.
 * ST_DENIED: a key is needed, or the one given does not fit. ST_INVALID: key_file holds no key. Nothing is changed then. */
MUST_CHECK enum status crypt_open(struct crypt **out, struct fs *fs, struct slice dir, struct slice key_file, struct err *err);
void crypt_free(struct crypt *c); /* accepts NULL */

/* The key of one part or segment. Plain value. */
struct crypt_key {
    const struct crypt *crypt; /* NULL: none */
    uint16_t slot;             /* which data key it is made from */
    uint8_t bytes[CRYPT_KEY_BYTES];
};
/* For writing: of the newest data key; none when c is NULL. what: "part" or "wal". */
void crypt_key_new(const struct crypt *c, const uint8_t uuid[16], const char *what, struct crypt_key *out);
/* For reading. c may be NULL. ST_DENIED: there is no such data key. */
MUST_CHECK enum status crypt_key_find(const struct crypt *c, uint16_t slot, const uint8_t uuid[16], const char *what, struct crypt_key *out,
                                      struct err *err);

/* When it is no longer needed. */
void crypt_key_wipe(struct crypt_key *k);

/* In place. nonce: never twice under one key. aad is checked too and stays readable. Any thread. */
void crypt_seal(const struct crypt_key *k, uint64_t nonce, struct slice aad, char *bytes, size_t n, char tag[CRYPT_TAG_BYTES]);
/* False: not what was sealed. */
MUST_CHECK bool crypt_unseal(const struct crypt_key *k, uint64_t nonce, struct slice aad, struct slice sealed, const char *tag, char *to);

#endif
