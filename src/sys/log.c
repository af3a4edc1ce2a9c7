/* SPDX-License-Identifier: Apache-2.0 */
/* One line of logfmt per call, built on the stack and written by a single write(2): lines of several threads do not mix
 * (pipes and terminals keep writes of this size whole), and no memory is asked for, so a log line can tell of anything.
 *
 *     time=2026-03-01T09:30:00.123Z level=warning msg="part is corrupt" part=7 bytes=1024
 *
 * Fields come as logfmt already. Control characters in them (a line break above all) become spaces, so one call is one
 * line whatever a peer managed to smuggle into an error sentence. */
#include "sys/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <time.h>
#include <unistd.h>

enum { LOG_FIELDS_BYTES_MAX = 1536, LOG_MESSAGE_BYTES_MAX = 1024, LOG_LINE_BYTES_MAX = 4096 };

const char *log_level_name(enum log_level level)
{
    switch (level) {
    case LOG_DEBUG: return "debug";
    case LOG_INFO: return "info";
    case LOG_WARNING: return "warning";
    case LOG_ERROR: return "error";
    case LOG_CRITICAL: return "critical";
    }
    return "unknown";
}

static void blank_controls(char *text, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if ((unsigned char)text[i] < ' ' || text[i] == 0x7f)
            text[i] = ' ';
}

/* The message between quotation marks, with \ and " escaped; what does not fit is cut. */
static size_t quote(char *to, size_t room, struct slice text)
{
    size_t n = 0;
    to[n++] = '"';
    for (size_t i = 0; i < text.len && n + 3 < room; i++) {
        if (text.ptr[i] == '"' || text.ptr[i] == '\\')
            to[n++] = '\\';
        to[n++] = text.ptr[i];
    }
    to[n++] = '"';
    to[n] = 0;
    return n;
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

static void write_line(struct log *log, int64_t time_ns, enum log_level level, struct slice message,
                       struct slice fields)
{
    char quoted[2 * LOG_MESSAGE_BYTES_MAX + 4], line[LOG_LINE_BYTES_MAX], stamp[32] = "-";
    quote(quoted, sizeof quoted, message);
    int64_t rest_ns = (time_ns % NS_S + NS_S) % NS_S;
    time_t seconds = (time_t)((time_ns - rest_ns) / NS_S);
    struct tm parts;
    if (gmtime_r(&seconds, &parts))
        strftime(stamp, sizeof stamp, "%Y-%m-%dT%H:%M:%S", &parts);
    int n = snprintf(line, sizeof line, "time=%s.%03dZ level=%s msg=%s%s%.*s", stamp, (int)(rest_ns / NS_MS),
                     log_level_name(level), quoted, fields.len ? " " : "", SLICE_FMT(fields));
    if (n < 0)
        return;
    size_t len = MIN((size_t)n, sizeof line - 1); /* the NUL's place takes the line break */
    line[len++] = '\n';
    write_all(log->fd, line, len);
}

void log_line(struct log *log, enum log_level level, const char *message, const char *fields, ...)
{
    if (level < log->min)
        return;
    int saved = errno;
    char text[LOG_MESSAGE_BYTES_MAX], pairs[LOG_FIELDS_BYTES_MAX];
    va_list args;
    va_start(args, fields);
    int n = vsnprintf(pairs, sizeof pairs, fields, args);
    va_end(args);
    size_t pairs_len = n < 0 ? 0 : MIN((size_t)n, sizeof pairs - 1);
    blank_controls(pairs, pairs_len);
    n = snprintf(text, sizeof text, "%s", message);
    size_t text_len = n < 0 ? 0 : MIN((size_t)n, sizeof text - 1);
    blank_controls(text, text_len);
    int64_t time_ns = clock_wall_ns(log->clock);
    if (log->fd >= 0)
        write_line(log, time_ns, level, slice_of(text, text_len), slice_of(pairs, pairs_len));
    if (log->sink)
        log->sink(log->sink_arg, time_ns, level, slice_of(text, text_len), slice_of(pairs, pairs_len));
    errno = saved;
}
