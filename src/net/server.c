/* SPDX-License-Identifier: Apache-2.0 */
/* The server: loops, listeners, workers, and the end of them all.
 *
 * Stopping goes: no new connections; idle connections are closed and busy ones told; running exchanges have drain_ns;
 * then connections are aborted (which wakes handlers that read or write); workers finish; every exchange is waited for,
 * since a handler that has not answered yet still holds one; loops end. */
#include "net/server.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "net/conn.h"
#include "net/exchange.h"
#include "sys/clock.h"

enum {
    HEADER_BYTES_MAX = 32 * KIB,
    URL_BYTES_MAX = 16 * KIB,
    CONNECTIONS_MAX = 4096,
    STREAMS_MAX = 128,
    HEADER_TIMEOUT_S = 10,
    BODY_TIMEOUT_S = 60,
    IDLE_TIMEOUT_S = 75,
    WRITE_TIMEOUT_S = 60,
    WRITE_BUFFER_BYTES_MAX = 1 * MIB,
    DEFAULT_LOOPS_MAX = 4,
    DEFAULT_WORKERS_MIN = 4,
    WORKERS_ASIDE = 2,
    WORKERS_MAX = 1024
};

static void fill_defaults(struct http_options *o)
{
    o->loops = MIN(o->loops ? o->loops : MIN(cpu_count(), (unsigned)DEFAULT_LOOPS_MAX), (unsigned)LOOPS_MAX);
    o->workers = MIN(o->workers ? o->workers : MAX(2 * cpu_count(), (unsigned)DEFAULT_WORKERS_MIN),
                     (unsigned)WORKERS_MAX);
    o->header_bytes_max = o->header_bytes_max ? o->header_bytes_max : HEADER_BYTES_MAX;
    o->url_bytes_max = o->url_bytes_max ? o->url_bytes_max : URL_BYTES_MAX;
    o->connections_max = o->connections_max ? o->connections_max : CONNECTIONS_MAX;
    o->streams_max = o->streams_max ? o->streams_max : STREAMS_MAX;
    o->header_timeout_ns = o->header_timeout_ns ? o->header_timeout_ns : HEADER_TIMEOUT_S * NS_S;
    o->body_timeout_ns = o->body_timeout_ns ? o->body_timeout_ns : BODY_TIMEOUT_S * NS_S;
    o->idle_timeout_ns = o->idle_timeout_ns ? o->idle_timeout_ns : IDLE_TIMEOUT_S * NS_S;
    o->write_timeout_ns = o->write_timeout_ns ? o->write_timeout_ns : WRITE_TIMEOUT_S * NS_S;
    o->write_buffer_bytes_max = o->write_buffer_bytes_max ? o->write_buffer_bytes_max : WRITE_BUFFER_BYTES_MAX;
}

void server_one_less(struct http_server *s)
{
    if (!atomic_load(&s->stopping))
        return;
    mutex_lock(&s->idle_lock);
    cond_broadcast(&s->idle_cond);
    mutex_unlock(&s->idle_lock);
}

/* ---- Listeners ---- */

static void on_connection(uv_stream_t *server, int status)
{
    struct listen_port *port = server->data;
    if (status == 0)
        conn_accept(port);
}

struct open_port {
    struct listen_port *port;
    int fd, rc;
};

static void open_port(void *arg)
{
    struct open_port *o = arg;
    struct listen_port *p = o->port;
    uv_tcp_init(loop_uv(p->nl->loop), &p->tcp);
    p->tcp.data = p;
    p->open = true;
    o->rc = uv_tcp_open(&p->tcp, o->fd);
    if (o->rc)
        close(o->fd); /* not the handle's */
    else
        o->rc = uv_listen((uv_stream_t *)&p->tcp, LISTEN_BACKLOG, on_connection);
}

static void close_port(void *arg)
{
    struct listen_port *p = arg;
    if (p->open)
        uv_close((uv_handle_t *)&p->tcp, NULL);
    p->open = false;
}

enum status http_server_listen(struct http_server *s, struct slice address, const char *tls_cert, const char *tls_key,
                               int tag, struct slice *bound, struct err *err)
{
    struct address at, got;
    int fds[LOOPS_MAX];
    SSL_CTX *tls = NULL;
    enum status st = address_parse(address, &at, err);
    if (st)
        return st;
    if (tls_cert) {
        st = tls_context_new(&tls, tls_cert, tls_key, err);
        if (st)
            return st;
    }
    mutex_lock(&s->lock);
    if (s->listener_count == LISTENERS_MAX)
        st = err_set(err, ST_LIMIT, "address %.*s: %d listeners are open, no more are allowed", SLICE_FMT(address),
                     LISTENERS_MAX);
    else
        st = listener_open(&at, s->loop_count, fds, &got, err);
    if (st) {
        SSL_CTX_free(tls);
        mutex_unlock(&s->lock);
        return st;
    }
    struct listener *l = &s->listeners[s->listener_count++];
    l->tls = tls;
    l->bound = address_print(&got.u.sa, l->text);
    l->ports = mem_zalloc(s->loop_count * sizeof *l->ports);
    for (unsigned i = 0; i < s->loop_count; i++) {
        l->ports[i].nl = &s->loops[i];
        l->ports[i].tls = tls;
        l->ports[i].tag = tag;
        struct open_port o = { &l->ports[i], fds[i], 0 };
        loop_call(s->loops[i].loop, open_port, &o);
        if (o.rc && st == ST_OK)
            st = err_set(err, ST_IO, "address %.*s: %s", SLICE_FMT(l->bound), uv_strerror(o.rc));
    }
    if (bound)
        *bound = l->bound;
    mutex_unlock(&s->lock);
    return st;
}

unsigned http_server_workers(const struct http_server *s)
{
    return s->opt.workers;
}

struct slice http_server_address(const struct http_server *s)
{
    return s->listeners[0].bound;
}

/* ---- Start and stop ---- */

enum status http_server_start(struct http_server **out, const struct http_options *opt, struct err *err)
{
    struct http_server *s = mem_new(struct http_server);
    s->opt = *opt;
    fill_defaults(&s->opt);
    mutex_init(&s->lock);
    mutex_init(&s->idle_lock);
    cond_init(&s->idle_cond);
    /* A peer that closes early must not end the program. */
    signal(SIGPIPE, SIG_IGN);
    enum status st = pool_new(&s->pool, "http", s->opt.workers, WORKER_QUEUE_MAX, err);
    if (!st)
        st = pool_new(&s->aside, "http-aside", WORKERS_ASIDE, WORKER_QUEUE_MAX, err);
    if (st)
        goto fail;
    s->loops = mem_zalloc(s->opt.loops * sizeof *s->loops);
    for (; s->loop_count < s->opt.loops; s->loop_count++) {
        struct net_loop *nl = &s->loops[s->loop_count];
        nl->server = s;
        st = loop_new(&nl->loop, "http-loop", err);
        if (st)
            goto fail;
    }
    st = http_server_listen(s, s->opt.address, s->opt.tls_cert, s->opt.tls_key, 0, NULL, err);
    if (st)
        goto fail;
    *out = s;
    return ST_OK;
fail:
    http_server_stop(s, 0);
    return st;
}

static void drain_loop(void *arg)
{
    struct net_loop *nl = arg;
    nl->draining = true;
    conn_drain_all(nl);
}

static void abort_loop(void *arg)
{
    conn_abort_all(arg);
}

static uint64_t open_exchanges(const struct http_server *s)
{
    uint64_t n = 0;
    for (unsigned i = 0; i < s->loop_count; i++)
        n += atomic_load_explicit(&s->loops[i].counts[COUNT_OPEN_EXCHANGES], memory_order_relaxed);
    return n;
}

/* Waits until exchanges (and connections) are gone; deadline 0: for ever. */
static void wait_idle(struct http_server *s, bool connections, int64_t wait_ns)
{
    struct clock *clock = clock_real();
    int64_t end = wait_ns < 0 ? INT64_MAX : clock_mono_ns(clock) + wait_ns;
    mutex_lock(&s->idle_lock);
    while (open_exchanges(s) || (connections && atomic_load(&s->open_connections))) {
        int64_t left = end - clock_mono_ns(clock);
        if (left <= 0)
            break;
        cond_wait_ns(&s->idle_cond, &s->idle_lock, MIN(left, NS_S));
    }
    mutex_unlock(&s->idle_lock);
}

void http_server_stop(struct http_server *s, int64_t drain_ns)
{
    if (s == NULL)
        return;
    atomic_store(&s->stopping, true);
    for (unsigned i = 0; i < s->listener_count; i++)
        for (unsigned j = 0; j < s->loop_count; j++)
            loop_call(s->loops[j].loop, close_port, &s->listeners[i].ports[j]);
    for (unsigned j = 0; j < s->loop_count; j++)
        loop_call(s->loops[j].loop, drain_loop, &s->loops[j]);
    if (s->loop_count)
        wait_idle(s, true, MAX(drain_ns, (int64_t)0));
    for (unsigned j = 0; j < s->loop_count; j++)
        loop_call(s->loops[j].loop, abort_loop, &s->loops[j]);
    pool_free(s->pool);
    pool_free(s->aside);
    wait_idle(s, true, -1);
    for (unsigned j = 0; j < s->loop_count; j++) {
        loop_free(s->loops[j].loop);
        exchange_free_spares(&s->loops[j]);
    }
    for (unsigned i = 0; i < s->listener_count; i++) {
        SSL_CTX_free(s->listeners[i].tls);
        mem_free(s->listeners[i].ports);
    }
    mem_free(s->loops);
    mutex_destroy(&s->lock);
    mutex_destroy(&s->idle_lock);
    cond_destroy(&s->idle_cond);
    mem_free(s);
}

void http_server_stats(const struct http_server *s, struct http_stats *out)
{
    uint64_t sums[COUNTS] = { 0 };
    for (unsigned i = 0; i < s->loop_count; i++)
        for (int k = 0; k < COUNTS; k++)
            sums[k] += atomic_load_explicit(&s->loops[i].counts[k], memory_order_relaxed);
    *out = (struct http_stats){
        .connections = sums[COUNT_CONNECTIONS],
        .requests = sums[COUNT_REQUESTS],
        .bytes_in = sums[COUNT_BYTES_IN],
        .bytes_out = sums[COUNT_BYTES_OUT],
        .rejected_busy = sums[COUNT_BUSY],
        .timeouts = sums[COUNT_TIMEOUTS],
        .protocol_errors = sums[COUNT_PROTOCOL_ERRORS],
        .open_connections = atomic_load(&s->open_connections),
        .open_exchanges = sums[COUNT_OPEN_EXCHANGES],
        .worker_queue = pool_queued(s->pool) + pool_queued(s->aside),
    };
}
