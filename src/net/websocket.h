/* SPDX-License-Identifier: Apache-2.0 */
/* WebSocket over HTTP/1.1: https://www.rfc-editor.org/rfc/rfc6455
 *
 * A handler turns its exchange into a websocket; from then on the connection speaks frames. Pings are answered, silence is
 * pinged and in the end closed, and both sides' queues are bounded: whoever sends to a peer that does not read is told so
 * at once and never waits. */
#ifndef STOA_NET_WEBSOCKET_H
#define STOA_NET_WEBSOCKET_H

#include "net/http.h"

enum {
    WEBSOCKET_MESSAGE_BYTES_MAX = 64 * KIB, /* of a peer's message; then 1009 */
    WEBSOCKET_QUEUE_BYTES_MAX = 4 * MIB,    /* waiting for a peer that reads slowly */
    WEBSOCKET_PING_SECONDS = 30             /* of silence; after as much again without an answer the connection ends */
};

enum websocket_code { /* section 7.4.1 */
    WEBSOCKET_NORMAL = 1000, WEBSOCKET_GOING_AWAY = 1001, WEBSOCKET_PROTOCOL_ERROR = 1002, WEBSOCKET_NOT_UTF8 = 1007,
    WEBSOCKET_POLICY = 1008, WEBSOCKET_TOO_BIG = 1009, WEBSOCKET_INTERNAL_ERROR = 1011, WEBSOCKET_TRY_LATER = 1013
};

struct websocket;

struct websocket_user {
    void (*closed)(void *arg); /* the connection is over; once, on the loop, never inside a call of the user's */
    void *arg;
};

/* Checks the handshake and answers x with it. NULL: it is none, or comes from a page of another origin; x is answered with the
 * reason. One reference is the caller's. What the peer says is checked and dropped: no user listens to it yet. */
struct websocket *websocket_accept(struct http_exchange *x, const struct websocket_user *user);
/* Any thread, never blocks. A message of UTF-8 text; false: nothing was sent, the queue is full or the peer is gone. */
bool websocket_send(struct websocket *w, struct slice text);
bool websocket_is_gone(struct websocket *w);
/* Any thread. What was sent before goes first; reason: at most 123 bytes of UTF-8 are kept. */
void websocket_close(struct websocket *w, enum websocket_code code, struct slice reason);
/* Gives the caller's reference back. */
void websocket_drop(struct websocket *w);

#endif
