/* SPDX-License-Identifier: Apache-2.0 */
/* A real server with a few routes, and raw sockets to drive it: shared by net's unit tests.
 *
 *     /echo    worker: answers the body            /loop    the same on the loop
 *     /stream  reads piece by piece, answers the count; with ?wait=1 starts to read when the gate opens,
 *              with &slow=1 answers some time after the body's end
 *     /gate    answers when the gate opens         /small   takes at most 1000 bytes
 *     /big?N   answers N bytes at once             /chunks?N  writes N bytes in pieces
 *     /memory  answers the bytes of its arena
 *     /websocket  becomes one, sends "hello"; d->websocket is it, until drive_stop
 *     /until-gone  writes until the peer has left  /grpc    reverses the message, or fails with code 3 when it is "bad" */
#ifndef STOA_NET_DRIVE_TEST_H
#define STOA_NET_DRIVE_TEST_H

#include <stdatomic.h>

#include "base/unit.h"
#include "net/websocket.h"
#include "sys/thread.h"

struct drive {
    struct http_server *server;
    struct http_options opt;
    struct budget budget;
    struct slice address;
    int port;
    struct mutex lock;
    struct cond cond;
    bool gate_open;
    atomic_int at_gate;        /* handlers that wait */
    atomic_int done, done_gone; /* exchanges ended; of them, with status 0 */
    struct websocket *_Atomic websocket; /* the newest */
    atomic_int websockets, websockets_closed;
    atomic_int cancelled;      /* handlers told that the peer left */
    _Atomic uint64_t streamed; /* bytes /stream has read so far */
};

/* Defaults in d->opt may be changed between these two. */
void drive_init(struct drive *d);
void drive_start(struct drive *d);
void drive_open_gate(struct drive *d);
void drive_stop(struct drive *d);
/* Waits until *n is at least want. */
void drive_await(atomic_int *n, int want);

int raw_connect(const struct drive *d);
void raw_send(int fd, struct slice bytes);
#define RAW_SEND(fd, literal) raw_send((fd), SLICE(literal))
/* Everything until the peer closes. */
struct slice raw_recv_all(int fd, struct buf *into);
/* One answer with a Content-Length, or until the close; what comes after it stays in *into for the next call. */
struct slice raw_recv_answer(int fd, struct buf *into);
/* Sends, receives until closed, closes. */
struct slice raw_ask(const struct drive *d, struct slice request, struct buf *into);
int raw_status(struct slice answer);

/* Makes DIR/cert.pem and DIR/key.pem for localhost and 127.0.0.1. */
void make_certificate(const char *dir, char cert[128], char key[128]);

#endif
