/* SPDX-License-Identifier: Apache-2.0 */
/* Takes what syslog clients send, over UDP and TCP, and appends it as log records. */
#ifndef STOA_COLLECT_SYSLOG_H
#define STOA_COLLECT_SYSLOG_H

#include "base/buf.h"
#include "model/batch.h"
#include "sys/clock.h"
#include "sys/log.h"

enum {
    SYSLOG_LISTENERS_MAX = 64,
    SYSLOG_PENDING_ROWS_MAX = 100000,      /* gathered while the store takes what came before */
    SYSLOG_PENDING_BYTES_MAX = 64 * MIB,
    SYSLOG_FULL_WAIT_MS = 2000,            /* then a message is left out; meanwhile the kernel holds what comes */
    SYSLOG_APPEND_MS = 200                 /* the longest that a message waits to be appended */
};

struct syslog_env {
    struct clock *clock;
    struct log *log;
    void *arg;
    enum status (*append)(void *arg, struct batch *b, struct err *err); /* takes b; on a thread of its own */
};

/* Starts its threads. */
struct syslog;
struct parse_rule;
MUST_CHECK enum status syslog_new(struct syslog **out, const struct syslog_env *env, struct err *err);
/* address: host:port for both UDP and TCP, or one of them with "udp://" or "tcp://" before it. With tls_cert, files of PEM, it is
 * RFC 5425: TCP alone. ST_EXISTS: taken. ST_INVALID: the files, or UDP with TLS.
 * parse: how messages are read, which outlives s; NULL: as they look. */
MUST_CHECK enum status syslog_listen(struct syslog *s, struct slice address, const char *tls_cert, const char *tls_key,
                                     const struct parse_rule *parse, struct err *err);
/* Closes the sockets, then appends what is left; accepts NULL. */
void syslog_free(struct syslog *s);
/* Own metrics, as Prometheus's text. Any thread. */
void syslog_metrics(struct syslog *s, struct buf *out);

#endif
