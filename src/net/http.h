/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP server: HTTP/1.1 and HTTP/2 (gRPC too) on the same port, TLS optional, on a few loop threads.
 *
 * A request becomes an exchange. When its headers are in, the router says which route serves it. A route either wants the
 * body whole (collected up to its limit, charged to the bytes-in-flight budget) or reads it piece by piece on a worker.
 * The handler runs on the loop (ROUTE_ON_LOOP: short, never blocks) or on a worker of the pool, and answers with
 * http_reply, or with http_begin, http_write..., http_end. An answer may come later from any thread, exactly once:
 * the exchange stays alive until it is answered and sent. When the peer goes away first, calls on the exchange still
 * work, http_write says ST_CANCELLED, and http_is_gone turns true (query loops poll it). */
#ifndef STOA_NET_HTTP_H
#define STOA_NET_HTTP_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "sys/budget.h"

struct http_server;
struct http_exchange;

enum http_method { HTTP_GET_, HTTP_HEAD_, HTTP_POST_, HTTP_PUT_, HTTP_DELETE_, HTTP_OPTIONS_, HTTP_PATCH_, HTTP_OTHER_ };

struct http_header {
    struct slice name, value;
};

/* ---- What the server asks of its user ---- */

enum route_flags {
    ROUTE_ON_LOOP = 1,   /* the handler is short and never blocks: run it on the loop when the body is small */
    ROUTE_STREAM = 2,    /* the handler reads the body itself, on a worker, by http_read */
    ROUTE_GRPC = 4,      /* the body is gRPC frames; the handler gets the one message, and answers by http_reply_grpc */
    ROUTE_ASIDE = 8      /* quick, and wanted most when long requests hold all workers: has workers of its own */
};

struct http_route {
    unsigned flags;
    size_t body_bytes_max;
    void (*handle)(void *user, struct http_exchange *x);
    void *user;
};

struct http_options {
    struct slice address;           /* "127.0.0.1:7862", "[::1]:0", ":4318" */
    const char *tls_cert, *tls_key; /* PEM files; NULL: no TLS */
    unsigned loops, workers;        /* 0: min(cores, 4) and 2 x cores (at least 4) */
    struct budget *in_flight;       /* keeps; request bodies are charged here; over it: 503 with Retry-After */
    size_t header_bytes_max;        /* default 32 KiB; then 431 */
    size_t url_bytes_max;           /* default 16 KiB; then 414 */
    unsigned connections_max;       /* default 4096; over it new ones get 503 */
    unsigned streams_max;           /* HTTP/2 streams a connection, default 128 */
    int64_t header_timeout_ns, body_timeout_ns, idle_timeout_ns, write_timeout_ns; /* defaults 10 s, 60 s without a
                                                                                      byte, 75 s, 60 s without progress */
    size_t write_buffer_bytes_max;  /* default 1 MiB an exchange: http_write blocks above it */
    /* Finds the route of a request; called on the loop when the headers are in. NULL: the server answers 404. When it
     * has answered the exchange itself (405, 401, ...) it returns NULL too. */
    const struct http_route *(*route)(void *user, struct http_exchange *x);
    /* After an exchange is done, for metrics and spans: status 0 when the peer left first. On the loop. */
    void (*done)(void *user, struct http_exchange *x, int status, uint64_t bytes_in, uint64_t bytes_out, int64_t ns);
    void *user;
};

MUST_CHECK enum status http_server_start(struct http_server **out, const struct http_options *opt, struct err *err);
/* The address really bound, "127.0.0.1:40123". Lives as long as the server. */
struct slice http_server_address(const struct http_server *s);
unsigned http_server_workers(const struct http_server *s);
/* A further listener on the same loops and routes (a dialect's own port). tag is seen by http_listener_tag. */
MUST_CHECK enum status http_server_listen(struct http_server *s, struct slice address, const char *tls_cert,
                                          const char *tls_key, int tag, struct slice *bound, struct err *err);
/* Stops taking connections, lets running exchanges end for at most drain_ns, then closes the rest and frees. */
void http_server_stop(struct http_server *s, int64_t drain_ns);

struct http_stats {
    uint64_t connections, requests, bytes_in, bytes_out, rejected_busy, timeouts, protocol_errors;
    uint64_t open_connections, open_exchanges, worker_queue;
};
void http_server_stats(const struct http_server *s, struct http_stats *out);

/* ---- The exchange, request side. Slices live as long as the exchange. ---- */

enum http_method http_method(const struct http_exchange *x);
struct slice http_method_text(const struct http_exchange *x);
struct slice http_path(const struct http_exchange *x);   /* percent-decoded, without query */
struct slice http_raw_path(const struct http_exchange *x);
struct slice http_query(const struct http_exchange *x);  /* raw, after '?' */
struct slice http_header(const struct http_exchange *x, struct slice name); /* case-insensitive; empty when absent */
size_t http_headers(const struct http_exchange *x, const struct http_header **out);
struct slice http_peer(const struct http_exchange *x);   /* "127.0.0.1:51234" */
int http_listener_tag(const struct http_exchange *x);    /* 0: the main listener */
bool http_is_h2(const struct http_exchange *x);
bool http_is_tls(const struct http_exchange *x);
int64_t http_received_ns(const struct http_exchange *x); /* wall clock when the headers were in */
/* Lives until the exchange is done: for whatever the handler needs to build. */
struct arena *http_arena(struct http_exchange *x);
/* The whole body of a route without ROUTE_STREAM. 64 readable bytes of slack follow it (simdjson wants them). */
struct slice http_body(const struct http_exchange *x);
/* ROUTE_STREAM, worker thread: the next piece, blocking; *got 0 at the end. Reading slower than the peer sends stops the
 * peer by flow control. ST_LIMIT, ST_TIMEOUT, ST_CANCELLED. */
MUST_CHECK enum status http_read(struct http_exchange *x, void *to, size_t room, size_t *got, struct err *err);
bool http_is_gone(const struct http_exchange *x);
/* For a handler that has not answered, of a route without ROUTE_STREAM: another route's handler goes on, on a worker. */
void http_hand_over(struct http_exchange *x, const struct http_route *route);
/* One word of the user's own, for the done callback. */
void http_set_user(struct http_exchange *x, void *user);
void *http_get_user(const struct http_exchange *x);

/* ---- The answer. Any thread. ---- */

/* Before http_reply or http_begin. name and value are copied. */
void http_set_header(struct http_exchange *x, struct slice name, struct slice value);
/* The whole answer at once; body is copied. Content-Length, Date, and gzip (bodies over 1 KiB when the client accepts it
 * and the type is text or JSON) are the server's work. HEAD sends no body. */
void http_reply(struct http_exchange *x, int status, struct slice content_type, struct slice body);
/* As http_reply, but takes over body's memory instead of copying it. */
void http_reply_buf(struct http_exchange *x, int status, struct slice content_type, struct buf *body);
/* An answer of unknown length: chunked, or HTTP/2 data. http_write blocks while the peer is slow (workers only). */
void http_begin(struct http_exchange *x, int status, struct slice content_type);
MUST_CHECK enum status http_write(struct http_exchange *x, struct slice bytes, struct err *err);
/* Any thread, never blocks. All of the bytes, or none: false when the peer reads too slowly or has left. */
bool http_write_now(struct http_exchange *x, struct slice bytes);
void http_end(struct http_exchange *x);
/* gRPC: one message (unframed) with grpc-status 0, or a status and message in the trailers and no body. */
void http_reply_grpc(struct http_exchange *x, int grpc_status, struct slice message_or_reason);
/* gRPC: a stream of messages (unframed), then its status; reason: of one that is not 0. Blocks as http_write does. */
void http_begin_grpc(struct http_exchange *x);
MUST_CHECK enum status http_write_grpc(struct http_exchange *x, struct slice message, struct err *err);
void http_end_grpc(struct http_exchange *x, int grpc_status, struct slice reason);

const char *http_reason(int status);

#endif
