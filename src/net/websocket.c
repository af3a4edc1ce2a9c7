/* SPDX-License-Identifier: Apache-2.0 */
/* Frames over a connection that http1 has handed over.
 *
 * (1) Two hold a websocket: the user, and the loop until the connection is over. A posted task holds it too.
 * (2) Senders, of any thread, append whole frames to shared.out under the lock; the loop passes them on as the socket takes
 *     them. `queued` counts what is in either place.
 * (3) After a close frame nothing follows: ours is answered by the peer's, the peer's by ours, then the connection ends. */
#include "net/websocket.h"

#include <openssl/sha.h>

#include "base/utf8.h"
#include "codec/hex.h"
#include "net/exchange.h"
#include "net/upgrade.h"

enum {
    KEY_BYTES = 16,
    CONTROL_BYTES_MAX = 125,
    HEAD_BYTES_MAX = 14,
    CLOSE_WAIT_MS = 2000 /* for the peer's half of the goodbye */
};
enum opcode { OP_MORE = 0, OP_TEXT = 1, OP_BINARY = 2, OP_CLOSE = 8, OP_PING = 9, OP_PONG = 10 };

struct websocket {
    struct loop_task task; /* first: a task is its websocket */
    struct net_loop *nl;
    struct websocket_user user;
    /* The loop's. */
    struct conn *conn;     /* NULL before the handshake is sent, and after the end */
    struct buf in, message, sending;
    size_t sending_at;
    enum opcode message_op; /* of the message being put together; OP_MORE: none */
    bool pinged, close_sent, over;
    struct {
        struct mutex lock;
        struct buf out;
        size_t queued;
        unsigned refs;
        bool posted, gone, closing;
    } shared;
};

/* ---- References ---- */

static void drop_locked(struct websocket *w) /* unlocks */
{
    bool last = --w->shared.refs == 0;
    mutex_unlock(&w->shared.lock);
    if (!last)
        return;
    buf_free(&w->in);
    buf_free(&w->message);
    buf_free(&w->sending);
    buf_free(&w->shared.out);
    mutex_destroy(&w->shared.lock);
    mem_free(w);
}

void websocket_drop(struct websocket *w)
{
    mutex_lock(&w->shared.lock);
    drop_locked(w);
}

/* ---- Sending ---- */

static void put_frame(struct buf *b, enum opcode op, struct slice payload)
{
    buf_u8(b, (uint8_t)(0x80 | op));
    if (payload.len < 126) {
        buf_u8(b, (uint8_t)payload.len);
    } else if (payload.len <= UINT16_MAX) {
        buf_u8(b, 126);
        buf_u8(b, (uint8_t)(payload.len >> 8));
        buf_u8(b, (uint8_t)payload.len);
    } else {
        buf_u8(b, 127);
        for (int shift = 56; shift >= 0; shift -= 8)
            buf_u8(b, (uint8_t)((uint64_t)payload.len >> shift));
    }
    buf_slice(b, payload);
}

/* On the loop: as much as the socket and its queue take. */
static void pass_on(struct websocket *w)
{
    while (w->conn && !conn_is_closing(w->conn) && conn_queued(w->conn) < CONN_QUEUE_BYTES) {
        if (w->sending_at == w->sending.len) {
            buf_reset(&w->sending);
            w->sending_at = 0;
            mutex_lock(&w->shared.lock);
            struct buf swap = w->shared.out;
            w->shared.out = w->sending;
            w->sending = swap;
            mutex_unlock(&w->shared.lock);
            if (w->sending.len == 0)
                return;
        }
        struct slice piece = slice_sub(buf_as_slice(&w->sending), w->sending_at, w->sending_at + CONN_QUEUE_BYTES);
        conn_send(w->conn, &piece, 1);
        w->sending_at += piece.len;
        mutex_lock(&w->shared.lock);
        w->shared.queued -= piece.len;
        mutex_unlock(&w->shared.lock);
    }
}

/* On the loop, after output may have moved: ends what has said its goodbye. */
static void settle(struct websocket *w)
{
    pass_on(w);
    if (!w->conn || conn_is_closing(w->conn) || w->sending_at < w->sending.len)
        return;
    mutex_lock(&w->shared.lock);
    bool closing = w->shared.closing && w->shared.out.len == 0;
    mutex_unlock(&w->shared.lock);
    if (closing && !w->close_sent) {
        w->close_sent = true;
        conn_deadline(w->conn, CLOSE_WAIT_MS);
    }
    if (w->close_sent && w->over)
        conn_finish(w->conn);
}

static void on_task(struct loop_task *t)
{
    struct websocket *w = (struct websocket *)t;
    mutex_lock(&w->shared.lock);
    w->shared.posted = false;
    mutex_unlock(&w->shared.lock);
    settle(w);
    websocket_drop(w);
}

static bool enqueue(struct websocket *w, enum opcode op, struct slice payload, bool ends)
{
    mutex_lock(&w->shared.lock);
    size_t had = w->shared.out.len;
    bool fits = !w->shared.gone && !w->shared.closing &&
                (op == OP_CLOSE || w->shared.queued + payload.len + HEAD_BYTES_MAX <= WEBSOCKET_QUEUE_BYTES_MAX);
    if (fits) {
        put_frame(&w->shared.out, op, payload);
        w->shared.queued += w->shared.out.len - had;
        w->shared.closing = ends;
    }
    bool post = fits && !w->shared.posted;
    if (post) {
        w->shared.posted = true;
        w->shared.refs++;
    }
    mutex_unlock(&w->shared.lock);
    if (post)
        loop_post(w->nl->loop, &w->task);
    return fits;
}

bool websocket_send(struct websocket *w, struct slice text)
{
    return enqueue(w, OP_TEXT, text, false);
}

bool websocket_is_gone(struct websocket *w)
{
    mutex_lock(&w->shared.lock);
    bool gone = w->shared.gone || w->shared.closing;
    mutex_unlock(&w->shared.lock);
    return gone;
}

void websocket_close(struct websocket *w, enum websocket_code code, struct slice reason)
{
    char payload[CONTROL_BYTES_MAX] = { (char)(code >> 8), (char)code };
    reason = utf8_cut(reason, sizeof payload - 2);
    memcpy(payload + 2, reason.ptr, reason.len);
    enqueue(w, OP_CLOSE, slice_of(payload, reason.len + 2), true);
}

/* ---- Receiving ---- */

static void fail(struct websocket *w, enum websocket_code code, struct slice why)
{
    net_count_add(w->nl, COUNT_PROTOCOL_ERRORS, 1);
    websocket_close(w, code, why);
    w->over = true;
}

struct frame {
    enum opcode op;
    bool fin;
    uint64_t len;
    size_t head;
};

/* False: more bytes are needed, or (w->over) it is no frame that may come. */
static bool read_head(struct websocket *w, struct slice s, struct frame *f)
{
    if (s.len < 2)
        return false;
    uint8_t first = (uint8_t)s.ptr[0], second = (uint8_t)s.ptr[1];
    size_t extra = (second & 127) == 126 ? 2 : (second & 127) == 127 ? 8 : 0;
    *f = (struct frame){ .op = first & 15, .fin = first & 128, .len = extra ? 0 : second & 127, .head = 2 + extra + 4 };
    if (s.len < 2 + extra)
        return false;
    for (size_t i = 0; i < extra; i++)
        f->len = f->len << 8 | (uint8_t)s.ptr[2 + i];
    bool is_control = f->op >= OP_CLOSE, is_known = f->op <= OP_BINARY || (is_control && f->op <= OP_PONG);
    if (!(second & 128))
        fail(w, WEBSOCKET_PROTOCOL_ERROR, SLICE("a client's frames are masked"));
    else if ((first & 0x70) || !is_known)
        fail(w, WEBSOCKET_PROTOCOL_ERROR, SLICE("a frame of an extension that was not agreed on"));
    else if (is_control && (!f->fin || f->len > CONTROL_BYTES_MAX))
        fail(w, WEBSOCKET_PROTOCOL_ERROR, SLICE("a control frame is whole and has at most 125 bytes"));
    else if (!is_control && (f->op == OP_MORE) != (w->message_op != OP_MORE))
        fail(w, WEBSOCKET_PROTOCOL_ERROR, SLICE("a message begins before another one ends, or goes on without a beginning"));
    else if (!is_control && f->len > WEBSOCKET_MESSAGE_BYTES_MAX - w->message.len)
        fail(w, WEBSOCKET_TOO_BIG, SLICE("a message is larger than 64 KiB"));
    return !w->over && s.len >= f->head;
}

static void take_close(struct websocket *w, struct slice payload)
{
    uint16_t code = payload.len >= 2 ? (uint16_t)((uint8_t)payload.ptr[0] << 8 | (uint8_t)payload.ptr[1]) : WEBSOCKET_NORMAL;
    bool good = payload.len != 1 && code >= 1000 && code < 5000 && code != 1004 && code != 1005 && code != 1006 &&
                (payload.len < 2 || utf8_is_valid(slice_skip(payload, 2)));
    websocket_close(w, good ? (enum websocket_code)code : WEBSOCKET_PROTOCOL_ERROR, SLICE_EMPTY);
    w->over = true;
}

static void take_frame(struct websocket *w, const struct frame *f, struct slice payload)
{
    if (f->op == OP_CLOSE) {
        take_close(w, payload);
    } else if (f->op == OP_PING) {
        enqueue(w, OP_PONG, payload, false);
    } else if (f->op != OP_PONG) {
        if (f->op != OP_MORE)
            w->message_op = f->op;
        buf_slice(&w->message, payload);
        if (!f->fin)
            return;
        if (w->message_op == OP_TEXT && !utf8_is_valid(buf_as_slice(&w->message)))
            fail(w, WEBSOCKET_NOT_UTF8, SLICE("a text message is no UTF-8"));
        buf_reset(&w->message);
        w->message_op = OP_MORE;
    }
}

/* The frames that are whole. */
static void take_frames(struct websocket *w)
{
    size_t at = 0;
    struct frame f;
    while (!w->over && read_head(w, slice_skip(buf_as_slice(&w->in), at), &f) && w->in.len - at - f.head >= f.len) {
        char *payload = w->in.ptr + at + f.head;
        const char *mask = payload - 4;
        for (size_t i = 0; i < f.len; i++)
            payload[i] ^= mask[i % 4];
        take_frame(w, &f, slice_of(payload, f.len));
        at += f.head + f.len;
    }
    if (at) {
        memmove(w->in.ptr, w->in.ptr + at, w->in.len - at);
        w->in.len -= at;
    }
}

/* ---- The connection's calls ---- */

static void c_bytes(struct conn *c, char *bytes, size_t n)
{
    struct websocket *w = conn_state(c);
    if (w->over)
        return;
    buf_put(&w->in, bytes, n); /* a frame at most, and a read */
    w->pinged = false;
    if (!w->close_sent)
        conn_deadline(c, WEBSOCKET_PING_SECONDS * 1000);
    take_frames(w);
    settle(w);
}

static void c_eof(struct conn *c)
{
    conn_finish(c);
}

static void c_drained(struct conn *c)
{
    settle(conn_state(c));
}

static void c_late(struct conn *c)
{
    struct websocket *w = conn_state(c);
    if (w->close_sent) {
        conn_finish(c);
    } else if (conn_queued(c)) {
        conn_deadline(c, WEBSOCKET_PING_SECONDS * 1000); /* it reads slowly: an answer would come late, and conn sees to a standstill */
    } else if (w->pinged) {
        net_count_add(w->nl, COUNT_TIMEOUTS, 1);
        conn_abort(c);
    } else {
        w->pinged = true;
        enqueue(w, OP_PING, SLICE_EMPTY, false);
        conn_deadline(c, WEBSOCKET_PING_SECONDS * 1000);
    }
}

static void c_drain(struct conn *c)
{
    websocket_close(conn_state(c), WEBSOCKET_GOING_AWAY, SLICE("the server stops"));
}

static void c_closed(struct conn *c)
{
    websocket_lost(conn_state(c));
}

static const struct conn_proto websocket_conn = { c_bytes, NULL, c_eof, c_drained, c_late, c_drain, c_closed };

void websocket_begin(struct websocket *w, struct conn *c)
{
    w->conn = c;
    conn_set_proto(c, &websocket_conn, w);
    conn_deadline(c, WEBSOCKET_PING_SECONDS * 1000);
    if (w->nl->draining)
        c_drain(c);
    settle(w); /* what was sent before the handshake was */
}

void websocket_lost(struct websocket *w)
{
    w->conn = NULL;
    mutex_lock(&w->shared.lock);
    w->shared.gone = true;
    mutex_unlock(&w->shared.lock);
    w->user.closed(w->user.arg);
    websocket_drop(w);
}

/* ---- The handshake ---- */

static bool lists(struct slice header, struct slice word)
{
    struct slice part;
    while (slice_next(&header, ',', &part))
        if (slice_eq_nocase(slice_trim(part), word))
            return true;
    return false;
}

static bool refuse(struct http_exchange *x, int status, struct slice why)
{
    http_reply(x, status, SLICE("text/plain; charset=utf-8"), why);
    return false;
}

/* A browser lets any page open a websocket to anywhere, with the cookies of there: so a page must be of our own origin. */
static bool is_own_origin(const struct http_exchange *x)
{
    struct slice origin = http_header(x, SLICE("Origin"));
    size_t host = slice_find(origin, SLICE("://"), 0);
    return origin.len == 0 || (host != SIZE_MAX && slice_eq_nocase(slice_skip(origin, host + 3), http_header(x, SLICE("Host"))));
}

static bool check_handshake(struct http_exchange *x)
{
    struct slice key = slice_trim(http_header(x, SLICE("Sec-WebSocket-Key")));
    struct buf bytes;
    buf_init(&bytes, 0);
    bool good = base64_decode(key, &bytes) && bytes.len == KEY_BYTES;
    buf_free(&bytes);
    if (http_is_h2(x) || http_method(x) != HTTP_GET_ || !lists(http_header(x, SLICE("Connection")), SLICE("upgrade")) ||
        !lists(http_header(x, SLICE("Upgrade")), SLICE("websocket")))
        return refuse(x, 400, SLICE("A websocket is wanted here: a GET over HTTP/1.1 with Connection: Upgrade and Upgrade: websocket.\n"));
    if (!slice_eq(slice_trim(http_header(x, SLICE("Sec-WebSocket-Version"))), SLICE("13"))) {
        http_set_header(x, SLICE("Sec-WebSocket-Version"), SLICE("13"));
        return refuse(x, 426, SLICE("The only version of WebSocket served is 13.\n"));
    }
    if (!good)
        return refuse(x, 400, SLICE("Sec-WebSocket-Key: expected 16 bytes in base64.\n"));
    if (!is_own_origin(x))
        return refuse(x, 403, SLICE("This page's origin is not the server's: Origin and Host differ.\n"));
    return true;
}

struct websocket *websocket_accept(struct http_exchange *x, const struct websocket_user *user)
{
    if (!check_handshake(x))
        return NULL;
    struct slice key = slice_trim(http_header(x, SLICE("Sec-WebSocket-Key")));
    struct slice text = arena_printf(http_arena(x), "%.*s258EAFA5-E914-47DA-95CA-C5AB0DC85B11", SLICE_FMT(key)); /* section 1.3 */
    uint8_t digest[SHA_DIGEST_LENGTH];
    struct buf accept;
    buf_init(&accept, 0);
    SHA1((const uint8_t *)text.ptr, text.len, digest);
    base64_encode(slice_of((const char *)digest, sizeof digest), &accept);
    struct websocket *w = mem_new(struct websocket);
    w->task.run = on_task;
    w->nl = x->nl;
    w->user = *user;
    mutex_init(&w->shared.lock);
    w->shared.refs = 2;
    x->upgrade = w;
    http_set_header(x, SLICE("Upgrade"), SLICE("websocket"));
    http_set_header(x, SLICE("Connection"), SLICE("Upgrade"));
    http_set_header(x, SLICE("Sec-WebSocket-Accept"), buf_as_slice(&accept));
    buf_free(&accept);
    http_reply(x, 101, SLICE_EMPTY, SLICE_EMPTY);
    return w;
}
