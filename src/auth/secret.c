/* SPDX-License-Identifier: Apache-2.0 */
/* Thin over libsodium. The costs stand in each hash, so they can be raised without touching old users. */
#include "auth/secret.h"

#include <sodium.h>

#include "sys/rand.h"

static_assert(PASSWORD_HASH_BYTES_MAX >= crypto_pwhash_STRBYTES, "room for the library's hash text");
static_assert(SECRET_HASH_BYTES == crypto_hash_sha256_BYTES, "SHA-256");
static_assert(SECRET_TEXT_BYTES_MAX >= sodium_base64_ENCODED_LEN(SECRET_BYTES, sodium_base64_VARIANT_URLSAFE_NO_PADDING), "room for a secret");

static void ready(void)
{
    /* Only chooses the fastest code for this processor; may be called again, from any thread. */
    int code = sodium_init();
    assert(code >= 0);
    (void)code;
}

enum status password_hash(struct arena *a, struct slice password, struct slice *out, struct err *err)
{
    char text[PASSWORD_HASH_BYTES_MAX] = { 0 };
    if (password.len < PASSWORD_BYTES_MIN || password.len > PASSWORD_BYTES_MAX)
        return err_set(err, ST_INVALID, "password: found %zu bytes, allowed %d to %d", password.len, PASSWORD_BYTES_MIN, PASSWORD_BYTES_MAX);
    if (slice_starts(password, SLICE("stoa_")))
        return err_set(err, ST_INVALID, "password: it may not begin with \"stoa_\", as tokens do");
    ready();
    if (crypto_pwhash_str_alg(text, password.ptr, password.len, PASSWORD_PASSES, PASSWORD_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13))
        return err_set(err, ST_UNAVAILABLE, "password: no memory for hashing, %d bytes are needed", PASSWORD_MEMORY_BYTES);
    *out = arena_copy(a, slice_str(text));
    return ST_OK;
}

bool password_matches(struct slice hash, struct slice password)
{
    char text[PASSWORD_HASH_BYTES_MAX] = { 0 };
    ready();
    if (password.len > PASSWORD_BYTES_MAX)
        return false;
    if (hash.len == 0 || hash.len >= sizeof text) {
        /* Only the time it takes matters. */
        int code = crypto_pwhash_str_alg(text, password.ptr, password.len, PASSWORD_PASSES, PASSWORD_MEMORY_BYTES, crypto_pwhash_ALG_ARGON2ID13);
        (void)code;
        return false;
    }
    memcpy(text, hash.ptr, hash.len);
    return crypto_pwhash_str_verify(text, password.ptr, password.len) == 0;
}

struct slice secret_new(struct arena *a, struct slice prefix)
{
    uint8_t bytes[SECRET_BYTES];
    char text[SECRET_TEXT_BYTES_MAX];
    ready();
    sys_random(bytes, sizeof bytes);
    sodium_bin2base64(text, sizeof text, bytes, sizeof bytes, sodium_base64_VARIANT_URLSAFE_NO_PADDING);
    struct slice out = arena_printf(a, "%.*s%s", SLICE_FMT(prefix), text);
    secret_forget(bytes, sizeof bytes);
    secret_forget(text, sizeof text);
    return out;
}

void secret_hash(struct slice secret, uint8_t out[SECRET_HASH_BYTES])
{
    crypto_hash_sha256(out, (const unsigned char *)secret.ptr, secret.len);
}

bool secret_equal(const uint8_t a[SECRET_HASH_BYTES], const uint8_t b[SECRET_HASH_BYTES])
{
    return sodium_memcmp(a, b, SECRET_HASH_BYTES) == 0;
}

void secret_keyed_hash(const uint8_t key[SECRET_HASH_BYTES], struct slice name, struct slice password, uint8_t out[SECRET_HASH_BYTES])
{
    crypto_generichash_state state;
    uint64_t name_bytes = name.len;
    crypto_generichash_init(&state, key, SECRET_HASH_BYTES, SECRET_HASH_BYTES);
    crypto_generichash_update(&state, (const unsigned char *)&name_bytes, sizeof name_bytes);
    crypto_generichash_update(&state, (const unsigned char *)name.ptr, name.len);
    crypto_generichash_update(&state, (const unsigned char *)password.ptr, password.len);
    crypto_generichash_final(&state, out, SECRET_HASH_BYTES);
}

void secret_forget(void *bytes, size_t n)
{
    sodium_memzero(bytes, n);
}
