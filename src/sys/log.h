/* SPDX-License-Identifier: Apache-2.0 */
/* Our own log lines, made by the client library: one line of logfmt on stderr, and a copy to a sink (our own store) when one is set. */
#ifndef STOA_SYS_LOG_H
#define STOA_SYS_LOG_H

#include "base/slice.h"
#include "sys/clock.h"

/* "" is how a caller says "no fields"; -Wall would call it a mistake. */
#pragma GCC diagnostic ignored "-Wformat-zero-length"

enum log_level { /* as enum stoa_level */ LOG_DEBUG, LOG_INFO, LOG_WARNING, LOG_ERROR, LOG_CRITICAL };

struct log {
    struct clock *clock;
    enum log_level min;  /* lines below are not made */
    int fd;              /* -1: none */
    /* Called for each line made; message and fields (logfmt) are borrowed. May be NULL. Must not log. */
    void (*sink)(void *arg, int64_t time_ns, enum log_level level, struct slice message, struct slice fields);
    void *sink_arg;
};

/* fields: printf format that gives logfmt pairs, e.g. "part=%u bytes=%zu"; "" for none. Any thread. */
void log_line(struct log *log, enum log_level level, const char *message, const char *fields, ...) PRINTF_LIKE(4, 5);
const char *log_level_name(enum log_level level);

#endif
