/* SPDX-License-Identifier: Apache-2.0 */
/* Level, clock and destinations; the line itself is the client library's (client/log.c), built on the stack and written by
 * a single write(2): lines of several threads do not mix (pipes and terminals keep writes of this size whole), and no
 * memory is asked for, so a log line can tell of anything.
 *
 *     time=2026-03-01T09:30:00.123Z level=warning msg="part is corrupt" part=7 bytes=1024
 *
 * Fields come as logfmt already. */
#include "sys/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

#include "client/stoa.h"

enum { LOG_FIELDS_BYTES_MAX = 1536, LOG_MESSAGE_BYTES_MAX = 1024 };

const char *log_level_name(enum log_level level)
{
    return stoa_level_name((enum stoa_level)level);
}

static void write_all(int fd, const char *text, size_t n)
{
    while (n > 0) {
        ssize_t wrote = write(fd, text, n);
        if (wrote < 0 && errno == EINTR)
            continue;
        if (wrote <= 0)
            return; /* nobody is left to be told */
        text += wrote;
        n -= (size_t)wrote;
    }
}

void log_line(struct log *log, enum log_level level, const char *message, const char *fields, ...)
{
    if (level < log->min)
        return;
    int saved = errno;
    char text[LOG_MESSAGE_BYTES_MAX], pairs[LOG_FIELDS_BYTES_MAX], line[STOA_LOG_LINE_BYTES_MAX];
    va_list args;
    va_start(args, fields);
    if (vsnprintf(pairs, sizeof pairs, fields, args) < 0)
        pairs[0] = 0;
    va_end(args);
    size_t pairs_len = stoa_log_clean(pairs, sizeof pairs, pairs), text_len = stoa_log_clean(text, sizeof text, message);
    int64_t time_ns = clock_wall_ns(log->clock);
    if (log->fd >= 0)
        write_all(log->fd, line, stoa_log_line(line, time_ns, (enum stoa_level)level, text, pairs));
    if (log->sink)
        log->sink(log->sink_arg, time_ns, level, slice_of(text, text_len), slice_of(pairs, pairs_len));
    errno = saved;
}
