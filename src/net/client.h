/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP client, by libcurl: scrapes, webhooks, probes. One thread of its own drives all transfers. */
#ifndef STOA_NET_CLIENT_H
#define STOA_NET_CLIENT_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "net/http.h"

struct http_client;

struct client_request {
    const char *method;              /* "GET" */
    struct slice url;
    const struct http_header *headers;
    size_t header_count;
    struct slice body;
    int64_t timeout_ns;
    size_t response_bytes_max;       /* ST_LIMIT above */
    struct slice user, password;     /* basic auth, when user is set */
    struct slice bearer;
    const char *ca_file, *cert_file, *key_file, *server_name; /* NULL: the system's */
    struct slice ca_pem, cert_pem, key_pem; /* the same as texts; empty: not so */
    struct slice proxy_url;
    bool tls_insecure, follow_redirects;
    bool keeps_encoding;             /* no content encoding is asked for, and whatever comes stays as it is */
    bool own_connection;             /* a new one, closed afterwards: its phases are then this request's own */
    int ip_version;                  /* 4 or 6: only such addresses; 0: any */
    struct buf *cookies;             /* a cookie jar, read and written; NULL: no cookies are kept */
    /* An answer of status 200, piece by piece as it comes, instead of into the response's body: on the client's thread, must not
     * block. False ends the transfer with ST_CANCELLED. NULL: the body is collected. */
    bool (*piece)(void *arg, struct slice bytes);
    /* Once an answer's headers are there, and when all is over, however it ended: on the client's thread as well, with
     * piece_arg; without details. NULL: nobody wants to know. */
    void (*answered)(void *arg, int status);
    void (*over_now)(void *arg);
    void *piece_arg;
    struct client_details *details;  /* filled when set; see net/client_details.h */
};

struct client_response {
    int status;                      /* 0 when no answer came */
    struct slice content_type;       /* lives in body's memory: until body is freed or written to */
    struct buf body;                 /* decoded from its content encoding */
    int64_t dns_ns, connect_ns, tls_ns, first_byte_ns, total_ns; /* each a duration from the start */
};

MUST_CHECK enum status http_client_new(struct http_client **out, struct err *err);
/* Ends requests under way, and later ones at once, with ST_CANCELLED. From any thread. */
void http_client_stop(struct http_client *c);
void http_client_free(struct http_client *c); /* stops; accepts NULL */
/* Blocks the calling worker. resp->body is the caller's to buf_free, also after an error. */
MUST_CHECK enum status http_client_do(struct http_client *c, const struct client_request *req,
                                      struct client_response *resp, struct err *err);

/* The same without waiting: over_now says when there is an end to fetch, perhaps before the start returns. Borrows req; no
 * body, cookies or details. */
struct http_transfer;
MUST_CHECK enum status http_transfer_start(struct http_client *c, const struct client_request *req, struct http_transfer **out, struct err *err);
/* Its answer, as http_client_do() gives it; one that still runs is cancelled first (ST_CANCELLED). Afterwards no function of
 * the request is called any more. Takes t. */
MUST_CHECK enum status http_transfer_end(struct http_transfer *t, struct client_response *resp, struct err *err);

#endif
