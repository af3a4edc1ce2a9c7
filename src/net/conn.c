/* SPDX-License-Identifier: Apache-2.0 */
/* A connection over libuv.
 *
 *     socket -> loop's room (or the protocol's own) -> [TLS] -> protocol -> [TLS] -> try_write -> out -> in flight
 *
 * (1) Reads go to a room shared by the loop, so an idle connection holds no buffer; what a protocol cannot use yet it
 *     keeps itself, or it pauses reading.
 * (2) Output is first offered to the socket; only what it refuses is copied to `out`. One uv_write is in flight at a time.
 * (3) One timer serves both deadlines. Activity moves only the number; the timer, when it fires early, is set again.
 * (4) `closed` is called from the close callback, never from inside a protocol's call.
 *
 * With TLS, OpenSSL works on two memory BIOs and never sees the socket. */
#include "net/conn.h"

#include <openssl/err.h>

#include "net/http1.h"

enum {
    LINGER_MS = 1000,             /* how long a peer may be silent after our last word before we close */
    LINGER_ALL_MS = 15000,        /* how long it may go on sending then: many clients read no answer before their body is out */
    LINGER_BYTES_MAX = 256 * MIB, /* and how much: thrown away unread, so it costs no memory */
    OUT_KEEP_BYTES_MAX = 64 * KIB /* an emptied buffer larger than this is given back */
};

struct conn {
    uv_tcp_t tcp;
    uv_timer_t timer;
    uv_write_t write;
    uv_shutdown_t shutdown;
    struct net_loop *nl;
    struct conn *next, *prev;
    const struct conn_proto *proto;
    void *state;
    SSL *ssl;
    BIO *from_peer, *to_peer;
    struct buf out, flying;
    uint64_t read_deadline_ms, write_deadline_ms, armed_ms; /* loop time; 0: none */
    uint64_t linger_end_ms;
    size_t seen_queue, lingered;
    int tag;
    uint8_t handles; /* not yet closed */
    bool writing, reading, paused, closing, finishing, shut, at_eof, pumping, handshaken;
    size_t peer_len;
    char peer[ADDRESS_TEXT_BYTES_MAX];
};

static void flush(struct conn *c);
static void start_reading(struct conn *c);
static void tls_pump(struct conn *c);

/* ---- Accessors ---- */

void conn_set_proto(struct conn *c, const struct conn_proto *proto, void *state)
{
    c->proto = proto;
    c->state = state;
}

void *conn_state(const struct conn *c)
{
    return c->state;
}

struct net_loop *conn_net_loop(const struct conn *c)
{
    return c->nl;
}

struct slice conn_peer(const struct conn *c)
{
    return slice_of(c->peer, c->peer_len);
}

bool conn_is_tls(const struct conn *c)
{
    return c->ssl != NULL;
}

int conn_tag(const struct conn *c)
{
    return c->tag;
}

bool conn_is_closing(const struct conn *c)
{
    return c->closing || c->finishing;
}

void conn_give(struct conn *c, char *bytes, size_t n)
{
    c->proto->bytes(c, bytes, n);
}

size_t conn_queued(const struct conn *c)
{
    return c->out.len + c->flying.len;
}

/* ---- Ending ---- */

static void on_closed(uv_handle_t *h)
{
    struct conn *c = h->data;
    if (--c->handles > 0)
        return;
    c->proto->closed(c);
    struct net_loop *nl = c->nl;
    if (c->prev)
        c->prev->next = c->next;
    else
        nl->conns = c->next;
    if (c->next)
        c->next->prev = c->prev;
    SSL_free(c->ssl); /* and its BIOs */
    buf_free(&c->out);
    buf_free(&c->flying);
    mem_free(c);
    atomic_fetch_sub(&nl->server->open_connections, 1);
    server_one_less(nl->server);
}

void conn_abort(struct conn *c)
{
    if (c->closing)
        return;
    c->closing = true;
    c->handles = 2;
    uv_close((uv_handle_t *)&c->timer, on_closed);
    uv_close((uv_handle_t *)&c->tcp, on_closed);
}

static void on_shutdown(uv_shutdown_t *req, int status)
{
    struct conn *c = req->handle->data;
    if (status < 0 || c->at_eof)
        conn_abort(c);
}

static void say_goodbye(struct conn *c)
{
    if (c->shut || c->closing)
        return;
    c->shut = true;
    if (uv_shutdown(&c->shutdown, (uv_stream_t *)&c->tcp, on_shutdown) != 0) {
        conn_abort(c);
        return;
    }
    c->linger_end_ms = loop_now_ms(c->nl->loop) + LINGER_ALL_MS;
    conn_deadline(c, LINGER_MS);
    c->paused = false;
    if (!c->at_eof)
        start_reading(c);
}

void conn_finish(struct conn *c)
{
    if (c->finishing || c->closing)
        return;
    c->finishing = true;
    c->read_deadline_ms = 0;
    if (c->ssl && c->handshaken) {
        SSL_shutdown(c->ssl);
        flush(c);
    }
    if (!c->closing && conn_queued(c) == 0)
        say_goodbye(c);
}

void conn_drain_all(struct net_loop *nl)
{
    uint64_t end = loop_now_ms(nl->loop) + LINGER_MS;
    for (struct conn *c = nl->conns; c; c = c->next)
        if (!conn_is_closing(c)) {
            c->linger_end_ms = MIN(c->linger_end_ms, end);
            c->proto->drain(c);
        }
}

void conn_abort_all(struct net_loop *nl)
{
    for (struct conn *c = nl->conns; c; c = c->next)
        conn_abort(c);
}

/* ---- Deadlines ---- */

static void on_timer(uv_timer_t *t);

static void arm(struct conn *c)
{
    uint64_t at = c->read_deadline_ms;
    if (c->write_deadline_ms && (at == 0 || c->write_deadline_ms < at))
        at = c->write_deadline_ms;
    if (at == 0 || c->closing || (c->armed_ms && c->armed_ms <= at))
        return;
    uint64_t now = loop_now_ms(c->nl->loop);
    c->armed_ms = at;
    uv_timer_start(&c->timer, on_timer, at > now ? at - now : 0, 0);
}

static void on_timer(uv_timer_t *t)
{
    struct conn *c = t->data;
    uint64_t now = loop_now_ms(c->nl->loop);
    c->armed_ms = 0;
    if (c->write_deadline_ms && c->write_deadline_ms <= now) {
        size_t left = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
        if (left == c->seen_queue) {
            net_count_add(c->nl, COUNT_TIMEOUTS, 1);
            conn_abort(c);
            return;
        }
        c->seen_queue = left;
        c->write_deadline_ms = now + (uint64_t)(c->nl->server->opt.write_timeout_ns / NS_MS);
    }
    if (c->read_deadline_ms && c->read_deadline_ms <= now) {
        c->read_deadline_ms = 0;
        if (c->finishing) {
            if (c->shut)
                conn_abort(c);
        } else {
            c->proto->late(c);
        }
    }
    arm(c);
}

void conn_deadline(struct conn *c, uint64_t in_ms)
{
    c->read_deadline_ms = in_ms ? loop_now_ms(c->nl->loop) + in_ms : 0;
    arm(c);
}

void conn_deadline_sooner(struct conn *c, uint64_t in_ms)
{
    uint64_t at = loop_now_ms(c->nl->loop) + in_ms;
    if (c->read_deadline_ms == 0 || at < c->read_deadline_ms) {
        c->read_deadline_ms = at;
        arm(c);
    }
}

/* ---- Output ---- */

static void emptied(struct buf *b)
{
    if (b->cap > OUT_KEEP_BYTES_MAX)
        buf_free(b);
    else
        buf_reset(b);
}

static void on_written(uv_write_t *req, int status)
{
    struct conn *c = req->handle->data;
    c->writing = false;
    emptied(&c->flying);
    if (c->closing)
        return;
    if (status < 0) {
        conn_abort(c);
        return;
    }
    c->write_deadline_ms = 0;
    flush(c);
    if (c->closing || conn_queued(c))
        return;
    if (c->finishing)
        say_goodbye(c);
    else
        c->proto->drained(c);
}

/* Moves what TLS has made to `out`. */
static void collect_tls(struct conn *c)
{
    size_t n = c->to_peer ? BIO_ctrl_pending(c->to_peer) : 0;
    if (n) {
        char *to = buf_room(&c->out, n);
        int got = BIO_read(c->to_peer, to, (int)n);
        assert(got == (int)n);
        buf_added(&c->out, n);
    }
}

/* Offers bytes to the socket; returns how many it took. */
static size_t try_socket(struct conn *c, const uv_buf_t *bufs, unsigned count)
{
    if (c->writing || c->closing)
        return 0;
    int n = uv_try_write((uv_stream_t *)&c->tcp, bufs, count);
    if (n < 0 && n != UV_EAGAIN) {
        conn_abort(c);
        return 0;
    }
    size_t took = n > 0 ? (size_t)n : 0;
    net_count_add(c->nl, COUNT_BYTES_OUT, took);
    return took;
}

static void flush(struct conn *c)
{
    collect_tls(c);
    if (c->writing || c->closing || c->out.len == 0)
        return;
    uv_buf_t b = uv_buf_init(c->out.ptr, (unsigned)c->out.len);
    size_t took = try_socket(c, &b, 1);
    if (c->closing)
        return;
    if (took == c->out.len) {
        emptied(&c->out);
        return;
    }
    struct buf swap = c->flying;
    c->flying = c->out;
    c->out = swap;
    buf_reset(&c->out);
    c->writing = true;
    b = uv_buf_init(c->flying.ptr + took, (unsigned)(c->flying.len - took));
    net_count_add(c->nl, COUNT_BYTES_OUT, b.len);
    if (uv_write(&c->write, (uv_stream_t *)&c->tcp, &b, 1, on_written) != 0) {
        c->writing = false;
        conn_abort(c);
        return;
    }
    c->seen_queue = uv_stream_get_write_queue_size((uv_stream_t *)&c->tcp);
    c->write_deadline_ms = loop_now_ms(c->nl->loop) + (uint64_t)(c->nl->server->opt.write_timeout_ns / NS_MS);
    arm(c);
}

static void tls_write(struct conn *c, struct slice s)
{
    if (s.len == 0)
        return;
    /* A memory BIO takes everything, so this fails only when the session is broken. */
    ERR_clear_error();
    if (SSL_write(c->ssl, s.ptr, (int)s.len) <= 0)
        conn_abort(c);
}

void conn_send(struct conn *c, const struct slice *parts, unsigned count)
{
    enum { PARTS_MAX = 8 };
    assert(count <= PARTS_MAX);
    if (conn_is_closing(c))
        return;
    if (c->ssl) {
        for (unsigned i = 0; i < count && !c->closing; i++)
            tls_write(c, parts[i]);
        flush(c);
        return;
    }
    size_t took = 0;
    if (!c->writing && c->out.len == 0) {
        uv_buf_t bufs[PARTS_MAX];
        for (unsigned i = 0; i < count; i++)
            bufs[i] = uv_buf_init((char *)parts[i].ptr, (unsigned)parts[i].len);
        took = try_socket(c, bufs, count);
        if (c->closing)
            return;
    }
    for (unsigned i = 0; i < count; i++) {
        struct slice rest = slice_skip(parts[i], took);
        took -= MIN(took, parts[i].len);
        buf_slice(&c->out, rest);
    }
    flush(c);
}

size_t conn_send_some(struct conn *c, struct slice head, struct slice body)
{
    if (conn_is_closing(c))
        return body.len;
    if (c->ssl || c->writing || c->out.len) {
        size_t room = conn_queued(c) < CONN_QUEUE_BYTES ? CONN_QUEUE_BYTES - conn_queued(c) : 0;
        struct slice part = slice_sub(body, 0, room);
        conn_send(c, (struct slice[]){ head, part }, 2);
        return part.len;
    }
    uv_buf_t bufs[2] = { uv_buf_init((char *)head.ptr, (unsigned)head.len),
                         uv_buf_init((char *)body.ptr, (unsigned)MIN(body.len, (size_t)(1u << 30))) };
    size_t took = try_socket(c, head.len ? bufs : bufs + 1, head.len ? 2 : 1);
    if (c->closing)
        return body.len;
    if (took == head.len + body.len)
        return body.len;
    buf_slice(&c->out, slice_skip(head, took));
    size_t of_body = took > head.len ? took - head.len : 0;
    struct slice part = slice_sub(body, of_body, of_body + CONN_QUEUE_BYTES);
    buf_slice(&c->out, part);
    flush(c);
    return of_body + part.len;
}

/* ---- Input ---- */

static void on_room(uv_handle_t *h, size_t suggested, uv_buf_t *b)
{
    struct conn *c = h->data;
    size_t n = 0;
    char *own = c->ssl == NULL && !c->finishing && c->proto->room ? c->proto->room(c, &n) : NULL;
    if (own)
        *b = uv_buf_init(own, (unsigned)MIN(n, (size_t)MIB));
    else
        *b = uv_buf_init(loop_read_room(c->nl->loop), n ? (unsigned)MIN(n, (size_t)LOOP_READ_BYTES) : LOOP_READ_BYTES);
}

static void at_eof(struct conn *c)
{
    c->at_eof = true;
    c->reading = false;
    uv_read_stop((uv_stream_t *)&c->tcp);
    if (c->shut)
        conn_abort(c);
    else if (!c->finishing)
        c->proto->eof(c);
}

/* To close while bytes of the peer lie unread would take our answer away from it: a reset empties its side, too. So what it
 * still sends is read and thrown away, as long as it comes. */
static void linger(struct conn *c, size_t n)
{
    uint64_t now = loop_now_ms(c->nl->loop);
    c->lingered += n;
    if (c->lingered > LINGER_BYTES_MAX || (c->shut && now >= c->linger_end_ms))
        conn_abort(c);
    else if (c->shut)
        conn_deadline(c, MIN((uint64_t)LINGER_MS, c->linger_end_ms - now));
}

static void on_read(uv_stream_t *s, ssize_t n, const uv_buf_t *b)
{
    struct conn *c = s->data;
    if (c->closing || n == 0)
        return;
    if (n < 0) {
        if (n == UV_EOF)
            at_eof(c);
        else
            conn_abort(c);
        return;
    }
    net_count_add(c->nl, COUNT_BYTES_IN, (uint64_t)n);
    if (c->finishing) {
        linger(c, (size_t)n);
        return;
    }
    if (c->ssl) {
        BIO_write(c->from_peer, b->base, (int)n);
        tls_pump(c);
    } else {
        c->proto->bytes(c, b->base, (size_t)n);
    }
}

static void tls_failed(struct conn *c)
{
    net_count_add(c->nl, COUNT_PROTOCOL_ERRORS, 1);
    flush(c); /* the alert */
    ERR_clear_error();
    if (!c->closing)
        conn_finish(c);
}

/* Decrypts what has come, as long as the protocol wants it. */
static void tls_pump(struct conn *c)
{
    if (c->pumping)
        return;
    c->pumping = true;
    while (!conn_is_closing(c) && !c->paused) {
        ERR_clear_error();
        char *room = loop_plain_room(c->nl->loop);
        int n = c->handshaken ? SSL_read(c->ssl, room, LOOP_READ_BYTES) : SSL_do_handshake(c->ssl);
        if (!c->handshaken && n == 1) {
            c->handshaken = true;
            continue;
        }
        if (n > 0) {
            c->proto->bytes(c, room, (size_t)n);
            continue;
        }
        int why = SSL_get_error(c->ssl, n);
        if (why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE)
            break;
        if (why == SSL_ERROR_ZERO_RETURN)
            at_eof(c);
        else
            tls_failed(c);
        break;
    }
    c->pumping = false;
    if (!c->closing)
        flush(c);
}

static void start_reading(struct conn *c)
{
    if (c->reading || c->closing || c->at_eof)
        return;
    if (uv_read_start((uv_stream_t *)&c->tcp, on_room, on_read) == 0)
        c->reading = true;
    else
        conn_abort(c);
}

void conn_read_pause(struct conn *c)
{
    if (c->paused || c->finishing || c->closing)
        return;
    c->paused = true;
    c->reading = false;
    uv_read_stop((uv_stream_t *)&c->tcp);
}

void conn_read_resume(struct conn *c)
{
    if (!c->paused || c->closing)
        return;
    c->paused = false;
    start_reading(c);
    if (c->ssl && !c->finishing)
        tls_pump(c);
}

/* ---- Beginning ---- */

static void refuse_busy(struct conn *c)
{
    net_count_add(c->nl, COUNT_BUSY, 1);
    if (c->ssl == NULL)
        http1_say_busy(c, c->nl->server->opt.connections_max);
    conn_finish(c);
}

static void set_peer(struct conn *c)
{
    struct sockaddr_storage sa;
    int len = sizeof sa;
    if (uv_tcp_getpeername(&c->tcp, (struct sockaddr *)&sa, &len) == 0)
        c->peer_len = address_print((struct sockaddr *)&sa, c->peer).len;
}

static void start_tls(struct conn *c, SSL_CTX *ctx)
{
    c->ssl = SSL_new(ctx);
    c->from_peer = BIO_new(BIO_s_mem());
    c->to_peer = BIO_new(BIO_s_mem());
    assert(c->ssl && c->from_peer && c->to_peer);
    SSL_set_bio(c->ssl, c->from_peer, c->to_peer);
    SSL_set_accept_state(c->ssl);
}

void conn_accept(struct listen_port *port)
{
    struct net_loop *nl = port->nl;
    struct http_server *s = nl->server;
    struct conn *c = mem_new(struct conn);
    c->nl = nl;
    c->tag = port->tag;
    uv_tcp_init(loop_uv(nl->loop), &c->tcp);
    uv_timer_init(loop_uv(nl->loop), &c->timer);
    c->tcp.data = c->timer.data = c;
    c->next = nl->conns;
    if (c->next)
        c->next->prev = c;
    nl->conns = c;
    unsigned open = atomic_fetch_add(&s->open_connections, 1);
    net_count_add(nl, COUNT_CONNECTIONS, 1);
    http1_begin(c); /* looks at the first bytes and becomes HTTP/2 when they say so */
    if (uv_accept((uv_stream_t *)&port->tcp, (uv_stream_t *)&c->tcp) != 0) {
        conn_abort(c);
        return;
    }
    uv_tcp_nodelay(&c->tcp, 1);
    set_peer(c);
    if (port->tls)
        start_tls(c, port->tls);
    if (open >= s->opt.connections_max || nl->draining) {
        refuse_busy(c);
        return;
    }
    start_reading(c);
}
