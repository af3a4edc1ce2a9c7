/* SPDX-License-Identifier: Apache-2.0 */
/* One accepted connection: bytes in and out, TLS when its port has it, deadlines. What the bytes mean is the protocol's
 * affair. Loop thread only. Private to net.
 *
 * No call here calls the protocol back at once, with one exception: conn_read_resume may, when TLS holds bytes back. */
#ifndef STOA_NET_CONN_H
#define STOA_NET_CONN_H

#include "net/server.h"

enum { CONN_QUEUE_BYTES = 256 * KIB }; /* above it a protocol holds its output back until drained */

struct conn_proto {
    /* Plain bytes have come; all are consumed or kept by the protocol. Borrows. */
    void (*bytes)(struct conn *c, char *bytes, size_t n);
    /* May be NULL. Where the next bytes shall go directly, at most *n; NULL: the loop's room, and no more than *n bytes
     * of it when *n is set. Not asked when there is TLS. */
    char *(*room)(struct conn *c, size_t *n);
    void (*eof)(struct conn *c);
    void (*drained)(struct conn *c);       /* the output queue is empty again */
    void (*late)(struct conn *c);          /* the read deadline has passed; it is off now */
    void (*drain)(struct conn *c);         /* the server stops: end after what is running */
    void (*closed)(struct conn *c);        /* the last call; free the protocol's state */
};

/* Takes the next connection of a listening port. */
void conn_accept(struct listen_port *port);

void conn_set_proto(struct conn *c, const struct conn_proto *proto, void *state);
void *conn_state(const struct conn *c);
struct net_loop *conn_net_loop(const struct conn *c);
struct slice conn_peer(const struct conn *c);
bool conn_is_tls(const struct conn *c);
int conn_tag(const struct conn *c);
bool conn_is_closing(const struct conn *c);

/* Sends all, queueing (by copy) what the socket does not take now. */
void conn_send(struct conn *c, const struct slice *parts, unsigned count);
/* Sends a head, whole, and of body as much as fits the socket and the queue; returns how much of body was taken. */
size_t conn_send_some(struct conn *c, struct slice head, struct slice body);
/* Gives the protocol plain bytes, as if they had just come (for one protocol handing over to another). */
void conn_give(struct conn *c, char *bytes, size_t n);
/* Bytes waiting for the socket. */
size_t conn_queued(const struct conn *c);

void conn_read_pause(struct conn *c);
void conn_read_resume(struct conn *c);
/* Milliseconds from now until `late`; 0: never. */
void conn_deadline(struct conn *c, uint64_t in_ms);
/* As conn_deadline, but only ever makes it sooner. */
void conn_deadline_sooner(struct conn *c, uint64_t in_ms);

/* Sends what is queued, says goodbye, waits a little for the peer to do so too (so that it can read our last words). */
void conn_finish(struct conn *c);
/* At once. `closed` follows in a later round. */
void conn_abort(struct conn *c);
/* For a stopping server: tells the protocol, or aborts. */
void conn_drain_all(struct net_loop *nl);
void conn_abort_all(struct net_loop *nl);

#endif
