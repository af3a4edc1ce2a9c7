/* SPDX-License-Identifier: Apache-2.0 */
/* Sockets for messages without HTTP: datagrams (UDP or Unix), and streams (TCP or Unix) of lines or frames. */
#ifndef STOA_NET_UDP_H
#define STOA_NET_UDP_H

#include "net/listener.h"
#include "net/loop.h"

enum {
    DATAGRAM_BYTES_MAX = 64 * KIB,
    DATAGRAM_BATCH = 64,             /* taken by one system call */
    DATAGRAM_BATCHES_MAX = 16,       /* before the loop's other work has its turn */
    DATAGRAM_ROOM_BYTES = 8 * MIB,   /* asked of the kernel for datagrams that wait; it may give less */
    STREAM_MESSAGE_BYTES_MAX = 64 * KIB,
    STREAM_CONNECTIONS_MAX = 1024,   /* of one listener; more are closed */
    SYSLOG_MESSAGE_BYTES_MAX = 1 * MIB + 16 * KIB, /* of a stream, with its header; what is longer is cut there */
    STREAM_WIRE_BYTES = 16 * KIB,    /* of TLS, read at once */
    STREAM_HANDSHAKE_MS = 10 * 1000, /* a client of TLS that is not through by then is let go */
    SYSLOG_COUNT_DIGITS_MAX = 8,
    SYSLOG_PRIORITY_DIGITS_MAX = 3,
    SYSLOG_IDLE_MS = 1000,           /* what no line break ends is a message when nothing followed it for so long */
    UNIX_PATH_BYTES_MAX = 100,
    UNIX_MODE = 0666                 /* of the socket's file: what runs on the machine may send, as to a port of loopback */
};

/* Keeps loop and arg. */
struct message_options {
    struct loop *loop;
    void *arg;
    /* On the loop's thread; bytes are borrowed. A datagram, or of a stream whole lines (one or more) or one frame. */
    void (*message)(void *arg, struct slice bytes);
    bool is_syslog; /* a stream's messages are syslog's: stream_open */
    const char *tls_cert, *tls_key; /* files of a stream in TLS, with is_syslog; NULL: none. The key may stand in the certificate's */
};

struct message_stats {
    uint64_t messages, bytes;
    uint64_t dropped;     /* datagrams that the kernel had no room for */
    uint64_t truncated;   /* datagrams and messages that were too long: they are left out, and end a stream */
    uint64_t connections; /* open ones of a stream */
    uint64_t tls_failures; /* connections that ended for an error of TLS, or before they were through with its handshake */
};

/* address: as address_parse() takes it, or the path of a Unix socket. A path of a socket that nobody listens at is taken over.
 * ST_EXISTS: taken. */
struct udp;
MUST_CHECK enum status udp_open(struct udp **out, const struct message_options *opt, struct slice address, struct err *err);
struct slice udp_address(const struct udp *u); /* as bound */
void udp_stats(const struct udp *u, struct message_stats *add); /* adds; any thread */
void udp_close(struct udp *u); /* waits; not from the loop; accepts NULL */

/* A stream's first bytes tell how it is cut: a little-endian length of four bytes before each message (its upper two are 0,
 * which no text has), or line breaks. What is left at the end of the stream is a message too.
 * With is_syslog, each message is given by itself: "123 <..." with its length before it, or up to a line break or a zero byte,
 * or to a pause or the end of the stream. Where zeros end messages, a line break does so only before the next one's header;
 * where nothing ended a message yet, a header with its time begins the next one. One that is too long is cut and counted as
 * truncated; the stream goes on.
 * ST_INVALID: the certificate or the key. */
struct stream;
MUST_CHECK enum status stream_open(struct stream **out, const struct message_options *opt, struct slice address, struct err *err);
struct slice stream_address(const struct stream *s);
void stream_stats(const struct stream *s, struct message_stats *add);
void stream_close(struct stream *s);

/* udp.c's own, for stream.c too: fills *out, and unlinks a path that nobody listens at. */
struct sockaddr_un;
MUST_CHECK enum status unix_path_prepare(struct slice path, int type, struct sockaddr_un *out, struct err *err);

#endif
