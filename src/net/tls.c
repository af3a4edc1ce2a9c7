/* SPDX-License-Identifier: Apache-2.0 */
/* TLS contexts of listeners: version 1.2 and up, HTTP/2 preferred over HTTP/1.1 by ALPN, no renegotiation. */
#include <openssl/err.h>

#include "net/server.h"

static int choose_protocol(SSL *ssl, const unsigned char **out, unsigned char *out_len, const unsigned char *in,
                           unsigned in_len, void *arg)
{
    static const unsigned char ours[] = { 2, 'h', '2', 8, 'h', 't', 't', 'p', '/', '1', '.', '1' };
    unsigned char *chosen;
    if (SSL_select_next_proto(&chosen, out_len, ours, sizeof ours, in, in_len) != OPENSSL_NPN_NEGOTIATED)
        return SSL_TLSEXT_ERR_NOACK;
    *out = chosen;
    return SSL_TLSEXT_ERR_OK;
}

static enum status fail_ssl(const char *file, const char *what, struct err *err)
{
    char why[160] = "unknown error";
    unsigned long code = ERR_peek_last_error();
    if (code)
        ERR_error_string_n(code, why, sizeof why);
    ERR_clear_error();
    return err_set(err, ST_INVALID, "TLS: %s %s: %s", what, file, why);
}

enum status tls_context_new(SSL_CTX **out, const char *cert_file, const char *key_file, struct err *err)
{
    ERR_clear_error();
    const char *key = key_file ? key_file : cert_file;
    SSL_CTX *ctx = SSL_CTX_new(TLS_server_method());
    assert(ctx);
    SSL_CTX_set_min_proto_version(ctx, TLS1_2_VERSION);
    SSL_CTX_set_options(ctx, SSL_OP_NO_RENEGOTIATION | SSL_OP_NO_COMPRESSION | SSL_OP_CIPHER_SERVER_PREFERENCE);
    SSL_CTX_set_mode(ctx, SSL_MODE_RELEASE_BUFFERS);
    SSL_CTX_set_alpn_select_cb(ctx, choose_protocol, NULL);
    enum status st = ST_OK;
    if (SSL_CTX_use_certificate_chain_file(ctx, cert_file) != 1)
        st = fail_ssl(cert_file, "certificate", err);
    else if (SSL_CTX_use_PrivateKey_file(ctx, key, SSL_FILETYPE_PEM) != 1)
        st = fail_ssl(key, "key", err);
    else if (SSL_CTX_check_private_key(ctx) != 1)
        st = fail_ssl(key, "the key does not belong to the certificate:", err);
    if (st) {
        SSL_CTX_free(ctx);
        return st;
    }
    *out = ctx;
    return ST_OK;
}
