/* SPDX-License-Identifier: Apache-2.0 */
/* Keys.
 *
 *     KEYRING, the same record twice:  "STOAKEYR" | u32 version | u32 count | { u16 slot | 12 nonce | 32 wrapped key | 16 tag }... | u64 checksum
 *
 * (1) The KEYRING is durable before anything is encrypted with its keys, and is never written again by this version.
 * (2) A slot's number is random: when a KEYRING is lost and a new one is made, blocks of the old one name a slot that the new one
 *     does not have, and the store refuses to start instead of taking its data for damaged.
 * (3) part key = HKDF-SHA256(data key, salt uuid, info "stoa part" or "stoa wal"). The nonce is the frame's offset in the part, or
 *     the frame's LSN in the segment: neither comes twice for one uuid, for what is written once is never written over. */
#include "store/crypt.h"

#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <openssl/hmac.h>
#include <stdio.h>

#include "base/hash.h"
#include "codec/hex.h"
#include "sys/rand.h"

enum { KEYRING_VERSION = 1, KEYRING_BYTES_MAX = 64 * KIB, NONCE_BYTES = 12, KEYRING_COPIES = 2, PATH_MAX_BYTES = 4096 };

struct data_key {
    uint16_t slot;
    uint8_t bytes[CRYPT_KEY_BYTES];
};

struct crypt {
    EVP_CIPHER *cipher;
    struct data_key keys[CRYPT_KEYS_MAX];
    size_t count;
};

void crypt_free(struct crypt *c)
{
    if (c == NULL)
        return;
    OPENSSL_cleanse(c->keys, sizeof c->keys);
    EVP_CIPHER_free(c->cipher);
    mem_free(c);
}

/* ---- AES-256-GCM ---- */

static void nonce_put(uint64_t nonce, uint8_t to[NONCE_BYTES])
{
    memset(to, 0, NONCE_BYTES);
    for (int i = 0; i < 8; i++)
        to[4 + i] = (uint8_t)(nonce >> (8 * i));
}

/* bytes in place. */
static void seal(EVP_CIPHER *cipher, const uint8_t *key, const uint8_t nonce[NONCE_BYTES], struct slice aad, char *bytes, size_t n, char *tag)
{
    int len;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    bool good = x && EVP_EncryptInit_ex2(x, cipher, key, nonce, NULL) && EVP_EncryptUpdate(x, NULL, &len, (const uint8_t *)aad.ptr, (int)aad.len) &&
                EVP_EncryptUpdate(x, (uint8_t *)bytes, &len, (const uint8_t *)bytes, (int)n) &&
                EVP_EncryptFinal_ex(x, (uint8_t *)bytes + len, &len) &&
                EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_GET_TAG, CRYPT_TAG_BYTES, tag);
    assert(good); /* only memory could be short */
    EVP_CIPHER_CTX_free(x);
}

static bool unseal(EVP_CIPHER *cipher, const uint8_t *key, const uint8_t nonce[NONCE_BYTES], struct slice aad, struct slice sealed, const char *tag,
                   char *to)
{
    int len;
    EVP_CIPHER_CTX *x = EVP_CIPHER_CTX_new();
    assert(x);
    bool good = EVP_DecryptInit_ex2(x, cipher, key, nonce, NULL) && EVP_DecryptUpdate(x, NULL, &len, (const uint8_t *)aad.ptr, (int)aad.len) &&
                EVP_DecryptUpdate(x, (uint8_t *)to, &len, (const uint8_t *)sealed.ptr, (int)sealed.len) &&
                EVP_CIPHER_CTX_ctrl(x, EVP_CTRL_AEAD_SET_TAG, CRYPT_TAG_BYTES, (void *)tag) && EVP_DecryptFinal_ex(x, (uint8_t *)to + len, &len);
    EVP_CIPHER_CTX_free(x);
    return good;
}

void crypt_seal(const struct crypt_key *k, uint64_t nonce, struct slice aad, char *bytes, size_t n, char tag[CRYPT_TAG_BYTES])
{
    uint8_t iv[NONCE_BYTES];
    nonce_put(nonce, iv);
    seal(k->crypt->cipher, k->bytes, iv, aad, bytes, n, tag);
}

bool crypt_unseal(const struct crypt_key *k, uint64_t nonce, struct slice aad, struct slice sealed, const char *tag, char *to)
{
    uint8_t iv[NONCE_BYTES];
    nonce_put(nonce, iv);
    return unseal(k->crypt->cipher, k->bytes, iv, aad, sealed, tag, to);
}

/* ---- keys of parts and segments ---- */

/* RFC 5869 with one block of output. */
static void derive(const struct data_key *d, const uint8_t uuid[16], const char *what, uint8_t out[CRYPT_KEY_BYTES])
{
    uint8_t prk[CRYPT_KEY_BYTES], info[32];
    unsigned n = CRYPT_KEY_BYTES;
    int len = snprintf((char *)info, sizeof info - 1, "stoa %s", what);
    info[len] = 1; /* number of the block */
    bool good = HMAC(EVP_sha256(), uuid, 16, d->bytes, sizeof d->bytes, prk, &n) &&
                HMAC(EVP_sha256(), prk, sizeof prk, info, (size_t)len + 1, out, &n);
    assert(good);
    OPENSSL_cleanse(prk, sizeof prk);
}

void crypt_key_new(const struct crypt *c, const uint8_t uuid[16], const char *what, struct crypt_key *out)
{
    *out = (struct crypt_key){ 0 };
    if (c == NULL)
        return;
    const struct data_key *d = &c->keys[c->count - 1];
    out->crypt = c;
    out->slot = d->slot;
    derive(d, uuid, what, out->bytes);
}

enum status crypt_key_find(const struct crypt *c, uint16_t slot, const uint8_t uuid[16], const char *what, struct crypt_key *out, struct err *err)
{
    for (size_t i = 0; c && i < c->count; i++)
        if (c->keys[i].slot == slot) {
            *out = (struct crypt_key){ .crypt = c, .slot = slot };
            derive(&c->keys[i], uuid, what, out->bytes);
            return ST_OK;
        }
    return err_set(err, ST_DENIED, "is encrypted with data key %u, which %s; nothing was changed", slot,
                   c ? "the KEYRING of the data folder does not hold: it is another folder's, or a new one"
                     : "nobody has: the KEYRING of the data folder is missing");
}

void crypt_key_wipe(struct crypt_key *k)
{
    OPENSSL_cleanse(k, sizeof *k);
}

/* ---- the keyring ---- */

static struct slice wrap_aad(uint16_t slot, char to[16])
{
    int n = snprintf(to, 16, "stoa key %u", slot);
    return slice_of(to, (size_t)n);
}

static void record_put(struct crypt *c, const uint8_t *master, struct buf *out)
{
    size_t start = out->len;
    buf_slice(out, SLICE("STOAKEYR"));
    buf_u32(out, KEYRING_VERSION);
    buf_u32(out, (uint32_t)c->count);
    for (size_t i = 0; i < c->count; i++) {
        uint8_t nonce[NONCE_BYTES];
        char wrapped[CRYPT_KEY_BYTES], tag[CRYPT_TAG_BYTES], aad[16];
        sys_random(nonce, sizeof nonce);
        memcpy(wrapped, c->keys[i].bytes, sizeof wrapped);
        seal(c->cipher, master, nonce, wrap_aad(c->keys[i].slot, aad), wrapped, sizeof wrapped, tag);
        buf_u16(out, c->keys[i].slot);
        buf_put(out, nonce, sizeof nonce);
        buf_put(out, wrapped, sizeof wrapped);
        buf_put(out, tag, sizeof tag);
    }
    buf_u64(out, hash64(slice_of(out->ptr + start, out->len - start), 0));
}

/* ST_CORRUPT: not a record as it was written; ST_DENIED: another master key; ST_UNSUPPORTED. */
static enum status record_read(struct crypt *c, struct slice bytes, const uint8_t *master, struct err *err)
{
    struct reader r = reader_of(bytes);
    struct slice magic = read_bytes(&r, 8);
    uint32_t version = read_u32(&r), count = read_u32(&r);
    struct reader sum = reader_of(slice_skip(bytes, bytes.len < 8 ? 0 : bytes.len - 8));
    if (r.bad || !slice_eq(magic, SLICE("STOAKEYR")) || read_u64(&sum) != hash64(slice_sub(bytes, 0, bytes.len - 8), 0))
        return err_set(err, ST_CORRUPT, "KEYRING does not check");
    if (version != KEYRING_VERSION || count == 0 || count > CRYPT_KEYS_MAX)
        return err_set(err, ST_UNSUPPORTED, "KEYRING is of format version %u with %u keys; this program knows version %d", version, count,
                       KEYRING_VERSION);
    for (c->count = 0; c->count < count; c->count++) {
        struct data_key *d = &c->keys[c->count];
        uint8_t nonce[NONCE_BYTES];
        char aad[16];
        d->slot = read_u16(&r);
        struct slice iv = read_bytes(&r, sizeof nonce), wrapped = read_bytes(&r, CRYPT_KEY_BYTES), tag = read_bytes(&r, CRYPT_TAG_BYTES);
        if (r.bad)
            return err_set(err, ST_CORRUPT, "KEYRING does not check");
        memcpy(nonce, iv.ptr, sizeof nonce);
        if (!unseal(c->cipher, master, nonce, wrap_aad(d->slot, aad), wrapped, tag.ptr, (char *)d->bytes))
            return err_set(err, ST_DENIED, "the key file does not fit the data folder: it is not the one the data was encrypted with");
    }
    return ST_OK;
}

static enum status keyring_read(struct crypt *c, struct slice all, const uint8_t *master, struct err *err)
{
    enum status st = ST_CORRUPT;
    for (size_t copy = 0; copy < KEYRING_COPIES && st == ST_CORRUPT; copy++)
        st = record_read(c, slice_sub(all, all.len / KEYRING_COPIES * copy, all.len / KEYRING_COPIES * (copy + 1)), master, err);
    return st;
}

static enum status keyring_make(struct crypt *c, struct fs *fs, const char *path, const uint8_t *master, struct err *err)
{
    struct buf out;
    struct data_key *d = &c->keys[0];
    c->count = 1;
    sys_random(d->bytes, sizeof d->bytes);
    do
        sys_random(&d->slot, sizeof d->slot);
    while (d->slot == 0);
    buf_init(&out, 0);
    for (int copy = 0; copy < KEYRING_COPIES; copy++)
        record_put(c, master, &out);
    enum status st = fs_replace(fs, path, buf_as_slice(&out), err);
    buf_free(&out);
    return st;
}

static enum status master_read(struct fs *fs, struct slice key_file, uint8_t master[CRYPT_KEY_BYTES], struct err *err)
{
    char path[PATH_MAX_BYTES];
    struct buf text;
    buf_init(&text, 0);
    snprintf(path, sizeof path, "%.*s", SLICE_FMT(key_file));
    enum status st = fs_read_all(fs, path, CRYPT_KEY_FILE_BYTES_MAX, &text, err);
    struct slice bytes = buf_as_slice(&text), digits = slice_trim(bytes);
    if (st == ST_OK && bytes.len == CRYPT_KEY_BYTES)
        memcpy(master, bytes.ptr, CRYPT_KEY_BYTES);
    else if (st == ST_OK && (digits.len != 2 * CRYPT_KEY_BYTES || !hex_decode(digits, master)))
        st = err_set(err, ST_INVALID, "%s has %zu bytes; a key is 32 bytes, or 64 hex digits", path, bytes.len);
    if (text.len)
        OPENSSL_cleanse(text.ptr, text.len);
    buf_free(&text);
    if (st)
        err_prefix(err, "encryption: key_file: ");
    return st;
}

enum status crypt_open(struct crypt **out, struct fs *fs, struct slice dir, struct slice key_file, struct err *err)
{
    char path[PATH_MAX_BYTES];
    uint8_t master[CRYPT_KEY_BYTES];
    struct buf all;
    *out = NULL;
    snprintf(path, sizeof path, "%.*s/KEYRING", SLICE_FMT(dir));
    buf_init(&all, 0);
    enum status st = fs_read_all(fs, path, KEYRING_BYTES_MAX, &all, err);
    bool is_there = st == ST_OK;
    if (st == ST_OK && key_file.len == 0)
        st = err_set(err, ST_DENIED, "the data folder is encrypted: encryption: {key_file: FILE} is needed; nothing was changed");
    else if (st == ST_NOT_FOUND)
        st = ST_OK;
    if (st || key_file.len == 0) {
        buf_free(&all);
        return st;
    }
    struct crypt *c = mem_new(struct crypt);
    c->cipher = EVP_CIPHER_fetch(NULL, "AES-256-GCM", NULL);
    assert(c->cipher); /* built into the library */
    st = master_read(fs, key_file, master, err);
    if (st == ST_OK)
        st = is_there ? keyring_read(c, buf_as_slice(&all), master, err) : keyring_make(c, fs, path, master, err);
    OPENSSL_cleanse(master, sizeof master);
    buf_free(&all);
    if (st) {
        err_prefix(err, "%s: ", path);
        crypt_free(c);
        return st;
    }
    *out = c;
    return ST_OK;
}
