/* SPDX-License-Identifier: Apache-2.0 */
/* What only a probe wants to know of an answer: its headers, the address, the certificates, where it leads on. */
#ifndef STOA_NET_CLIENT_DETAILS_H
#define STOA_NET_CLIENT_DETAILS_H

#include <curl/curl.h>

#include "net/client.h"

enum { CLIENT_HEADER_BYTES_MAX = 64 * KIB, CLIENT_COOKIE_BYTES_MAX = 256 * KIB };

struct client_details {
    struct buf headers;          /* of the last answer: status line, then "name: value\r\n"; cut at CLIENT_HEADER_BYTES_MAX */
    struct buf redirect_url;     /* absolute, when the answer is a redirect that was not followed */
    char ip[64];                 /* of the server; "" when nobody was reached */
    int http_version;            /* 10, 11, 20, 30; 0 unknown */
    int64_t request_ns;          /* from the start until the request could be sent */
    bool resolve_failed;         /* the host's name is not known */
    bool has_peer_cert;
    char tls_version[16];        /* "TLS 1.3"; "" without TLS */
    int64_t earliest_expiry_s;   /* of all certificates sent; 0 unknown */
    int64_t chain_expiry_s;      /* of the chain that was verified; 0 when none was */
    char fingerprint_sha256[65]; /* of the server's own certificate */
    char subject[256], issuer[256]; /* of it, as RFC 2253 writes names; cut when longer */
    char alternatives[1024];     /* its further host names, with commas between; whole ones, as many as have room */
    CURL *easy;                  /* while the transfer runs */
};

void client_details_init(struct client_details *d);
/* Makes d as new, and frees what it holds. */
void client_details_free(struct client_details *d);

/* client.c's own: before and after a transfer. */
void client_details_watch(CURL *easy, struct client_details *d);
void client_details_take(CURL *easy, CURLcode result, struct client_details *d);
void client_cookies_give(CURL *easy, const struct buf *jar);
void client_cookies_take(CURL *easy, struct buf *jar);

#endif
