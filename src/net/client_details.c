/* SPDX-License-Identifier: Apache-2.0 */
/* Headers are gathered as they come; with the first of them the TLS session is looked at, for it is gone when the transfer
 * is over. Cookies travel from one easy handle to the next as the lines of Netscape's cookie file. */
#include "net/client_details.h"

#include <openssl/ssl.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>
#include <stdio.h>

#include "base/date.h"
#include "codec/hex.h"

void client_details_init(struct client_details *d)
{
    *d = (struct client_details){ 0 };
    buf_init(&d->headers, CLIENT_HEADER_BYTES_MAX);
    buf_init(&d->redirect_url, CLIENT_HEADER_BYTES_MAX);
}

void client_details_free(struct client_details *d)
{
    buf_free(&d->headers);
    buf_free(&d->redirect_url);
    client_details_init(d);
}

static int64_t expiry_s(const X509 *cert)
{
    struct tm t;
    if (cert == NULL || ASN1_TIME_to_tm(X509_get0_notAfter(cert), &t) != 1)
        return 0;
    return date_days(t.tm_year + 1900, t.tm_mon + 1, t.tm_mday) * 86400 + t.tm_hour * 3600 + t.tm_min * 60 + t.tm_sec;
}

static int64_t earliest_of(STACK_OF(X509) *chain)
{
    int64_t earliest = 0;
    for (int i = 0; chain && i < sk_X509_num(chain); i++) {
        int64_t s = expiry_s(sk_X509_value(chain, i));
        if (s && (earliest == 0 || s < earliest))
            earliest = s;
    }
    return earliest;
}

static void name_text(const X509_NAME *name, char *to, size_t room)
{
    BIO *bio = BIO_new(BIO_s_mem());
    to[0] = 0;
    if (bio && X509_NAME_print_ex(bio, name, 0, XN_FLAG_RFC2253 & ~(unsigned long)ASN1_STRFLGS_ESC_MSB) >= 0) {
        int n = BIO_read(bio, to, (int)room - 1);
        to[MAX(n, 0)] = 0;
    }
    BIO_free(bio);
}

static void read_alternatives(const X509 *cert, char *to, size_t room)
{
    GENERAL_NAMES *names = X509_get_ext_d2i(cert, NID_subject_alt_name, NULL, NULL);
    size_t at = 0;
    to[0] = 0;
    for (int i = 0; names && i < sk_GENERAL_NAME_num(names); i++) {
        const GENERAL_NAME *n = sk_GENERAL_NAME_value(names, i);
        if (n->type != GEN_DNS)
            continue;
        size_t len = (size_t)ASN1_STRING_length(n->d.dNSName);
        if (at + len + 2 > room)
            break;
        at += (size_t)snprintf(to + at, room - at, "%s%.*s", at ? "," : "", (int)len, (const char *)ASN1_STRING_get0_data(n->d.dNSName));
    }
    GENERAL_NAMES_free(names);
}

static void read_tls(CURL *easy, struct client_details *d)
{
    const struct curl_tlssessioninfo *info = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_TLS_SSL_PTR, &info) != CURLE_OK || info == NULL || info->backend != CURLSSLBACKEND_OPENSSL ||
        info->internals == NULL)
        return;
    SSL *ssl = info->internals;
    const char *version = SSL_get_version(ssl);
    /* OpenSSL writes "TLSv1.3". */
    struct slice v = slice_str(version);
    if (slice_starts(v, SLICE("TLSv")))
        snprintf(d->tls_version, sizeof d->tls_version, "TLS %.*s", SLICE_FMT(slice_skip(v, 4)));
    d->earliest_expiry_s = earliest_of(SSL_get_peer_cert_chain(ssl));
    if (SSL_get_verify_result(ssl) == X509_V_OK)
        d->chain_expiry_s = earliest_of(SSL_get0_verified_chain(ssl));
    X509 *own = SSL_get0_peer_certificate(ssl);
    unsigned char digest[EVP_MAX_MD_SIZE];
    unsigned n = 0;
    if (own && X509_digest(own, EVP_sha256(), digest, &n) == 1 && n * 2 < sizeof d->fingerprint_sha256) {
        hex_encode(slice_of(digest, n), d->fingerprint_sha256);
        d->has_peer_cert = true;
        name_text(X509_get_subject_name(own), d->subject, sizeof d->subject);
        name_text(X509_get_issuer_name(own), d->issuer, sizeof d->issuer);
        read_alternatives(own, d->alternatives, sizeof d->alternatives);
    }
}

/* A status line starts an answer anew: an interim one (100), or one before a redirect, is forgotten. */
static size_t on_header(char *bytes, size_t size, size_t n, void *arg)
{
    struct client_details *d = arg;
    struct slice line = slice_of(bytes, size * n);
    if (slice_starts(line, SLICE("HTTP/"))) {
        buf_reset(&d->headers);
        if (d->easy && d->tls_version[0] == 0)
            read_tls(d->easy, d);
    }
    buf_slice(&d->headers, line);
    return line.len;
}

void client_details_watch(CURL *easy, struct client_details *d)
{
    d->easy = easy;
    curl_easy_setopt(easy, CURLOPT_HEADERFUNCTION, on_header);
    curl_easy_setopt(easy, CURLOPT_HEADERDATA, d);
}

void client_details_take(CURL *easy, CURLcode result, struct client_details *d)
{
    static const struct {
        long curl;
        int ours;
    } versions[] = { { CURL_HTTP_VERSION_1_0, 10 }, { CURL_HTTP_VERSION_1_1, 11 }, { CURL_HTTP_VERSION_2_0, 20 }, { CURL_HTTP_VERSION_3, 30 } };
    char *text = NULL;
    long version = 0;
    curl_off_t us = 0;
    d->easy = NULL;
    d->resolve_failed = result == CURLE_COULDNT_RESOLVE_HOST;
    if (curl_easy_getinfo(easy, CURLINFO_PRIMARY_IP, &text) == CURLE_OK && text)
        snprintf(d->ip, sizeof d->ip, "%s", text);
    if (curl_easy_getinfo(easy, CURLINFO_HTTP_VERSION, &version) == CURLE_OK)
        for (size_t i = 0; i < COUNT_OF(versions); i++)
            if (versions[i].curl == version)
                d->http_version = versions[i].ours;
    if (curl_easy_getinfo(easy, CURLINFO_PRETRANSFER_TIME_T, &us) == CURLE_OK)
        d->request_ns = (int64_t)us * 1000;
    buf_reset(&d->redirect_url);
    if (curl_easy_getinfo(easy, CURLINFO_REDIRECT_URL, &text) == CURLE_OK && text)
        buf_slice(&d->redirect_url, slice_str(text));
}

void client_cookies_give(CURL *easy, const struct buf *jar)
{
    struct arena *a = arena_new(0);
    struct slice lines = buf_as_slice(jar), line;
    curl_easy_setopt(easy, CURLOPT_COOKIEFILE, ""); /* turns cookies on, reads nothing */
    while (slice_next(&lines, '\n', &line))
        curl_easy_setopt(easy, CURLOPT_COOKIELIST, arena_copy(a, line).ptr);
    arena_free(a);
}

void client_cookies_take(CURL *easy, struct buf *jar)
{
    struct curl_slist *list = NULL;
    if (curl_easy_getinfo(easy, CURLINFO_COOKIELIST, &list) != CURLE_OK)
        return;
    buf_reset(jar);
    for (const struct curl_slist *l = list; l; l = l->next) {
        buf_slice(jar, slice_str(l->data));
        buf_char(jar, '\n');
    }
    curl_slist_free_all(list);
}
