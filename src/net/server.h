/* SPDX-License-Identifier: Apache-2.0 */
/* What the parts of the HTTP server share: the server, and what each loop of it owns. Private to net. */
#ifndef STOA_NET_SERVER_H
#define STOA_NET_SERVER_H

#include <openssl/ssl.h>
#include <stdatomic.h>

#include "net/http.h"
#include "net/listener.h"
#include "net/loop.h"
#include "sys/thread.h"

enum { LOOPS_MAX = 64, LISTENERS_MAX = 64, SPARE_EXCHANGES_MAX = 64, WORKER_QUEUE_MAX = 4096 };

struct conn;
struct http_server;

enum net_count {
    COUNT_CONNECTIONS,
    COUNT_REQUESTS,
    COUNT_BYTES_IN,
    COUNT_BYTES_OUT,
    COUNT_BUSY,
    COUNT_TIMEOUTS,
    COUNT_PROTOCOL_ERRORS,
    COUNT_OPEN_EXCHANGES,
    COUNTS
};

/* One loop of a server. Written by its thread; counts are read by others. */
struct net_loop {
    struct loop *loop;
    struct http_server *server;
    struct conn *conns; /* all open ones */
    struct http_exchange *spare;
    unsigned spares;
    bool draining;
    _Atomic uint64_t counts[COUNTS];
};

/* The socket of one listener on one loop. */
struct listen_port {
    uv_tcp_t tcp;
    struct net_loop *nl;
    SSL_CTX *tls; /* NULL: none */
    int tag;
    bool open;
};

struct listener {
    char text[ADDRESS_TEXT_BYTES_MAX];
    struct slice bound;
    SSL_CTX *tls;
    struct listen_port *ports; /* one a loop */
};

struct http_server {
    struct http_options opt; /* defaults filled in */
    struct pool *pool, *aside;
    struct net_loop *loops;
    unsigned loop_count;
    struct mutex lock; /* listeners */
    struct listener listeners[LISTENERS_MAX];
    unsigned listener_count;
    atomic_uint open_connections;
    struct mutex idle_lock; /* stopping waits here for the last exchange and connection */
    struct cond idle_cond;
    atomic_bool stopping;
};

static inline void net_count_add(struct net_loop *nl, enum net_count what, uint64_t n)
{
    atomic_fetch_add_explicit(&nl->counts[what], n, memory_order_relaxed);
}
/* Tells a stopping server that an exchange or a connection has ended. */
void server_one_less(struct http_server *s);

/* A TLS context for the files, offering h2 and http/1.1. */
MUST_CHECK enum status tls_context_new(SSL_CTX **out, const char *cert_file, const char *key_file, struct err *err);

#endif
