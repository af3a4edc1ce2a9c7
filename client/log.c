/* SPDX-License-Identifier: Apache-2.0 */
/* Structured log records, as JSON or as logfmt:
 *
 *     {"time":"2026-03-01T09:30:00.123456789Z","level":"warning","service":"shop","message":"slow","ms":"1024"}
 *     time=2026-03-01T09:30:00.123Z level=warning msg="slow" service="shop" ms="1024"
 *
 * A line of logfmt is built in the caller's room and asks for no memory, so it can also tell that there is none. Control
 * characters (a line break above all) become spaces in it, so one record is one line whatever a peer managed to smuggle
 * into a text; what does not fit is cut between two characters. */
#include <string.h>
#include <time.h>

#include "client/private.h"

enum { MESSAGE_BYTES_MAX = 1024 };

struct stoa_logger {
    char *service;
    enum stoa_log_format format;
    void (*send)(void *arg, const char *line, size_t size);
    void *arg;
};

const char *stoa_level_name(enum stoa_level level)
{
    switch (level) {
    case STOA_DEBUG: return "debug";
    case STOA_INFO: return "info";
    case STOA_WARNING: return "warning";
    case STOA_ERROR: return "error";
    case STOA_CRITICAL: return "critical";
    }
    return "unknown";
}

/* Without the start of a UTF-8 character whose end is missing. */
static size_t whole_characters(const char *text, size_t n)
{
    size_t lead = n;
    while (lead > 0 && n - lead < 3 && ((uint8_t)text[lead - 1] & 0xc0) == 0x80)
        lead--;
    if (lead == 0)
        return n;
    uint8_t first = (uint8_t)text[lead - 1];
    size_t want = first >= 0xf0 ? 4 : first >= 0xe0 ? 3 : first >= 0xc0 ? 2 : 1;
    return n - (lead - 1) < want ? lead - 1 : n;
}

/* text cleaned, with \ and " escaped when quoted, in at most room bytes; no NUL. */
static size_t put_clean(char *out, size_t room, const char *text, int quoted)
{
    size_t n = 0;
    for (; *text; text++) {
        int escape = quoted && (*text == '"' || *text == '\\');
        if (n + 1 + (size_t)escape > room)
            break;
        if (escape)
            out[n++] = '\\';
        out[n++] = (uint8_t)*text < ' ' || *text == 0x7f ? ' ' : *text;
    }
    return whole_characters(out, n);
}

size_t stoa_log_clean(char *out, size_t room, const char *text)
{
    size_t n = put_clean(out, room - 1, text, 0);
    out[n] = 0;
    return n;
}

/* "2026-03-01T09:30:00" and the nanoseconds left over. */
static long put_time(char out[32], int64_t time_ns)
{
    int64_t rest_ns = (time_ns % 1000000000 + 1000000000) % 1000000000;
    time_t seconds = (time_t)((time_ns - rest_ns) / 1000000000);
    struct tm t;
    if (gmtime_r(&seconds, &t) == NULL || strftime(out, 32, "%Y-%m-%dT%H:%M:%S", &t) == 0)
        memcpy(out, "-", 2);
    return (long)rest_ns;
}

size_t stoa_log_line(char out[STOA_LOG_LINE_BYTES_MAX], int64_t time_ns, enum stoa_level level, const char *message, const char *pairs)
{
    const size_t room = STOA_LOG_LINE_BYTES_MAX - 1; /* the line break's place */
    char stamp[32], text[2 * MESSAGE_BYTES_MAX + 1];
    long rest_ns = put_time(stamp, time_ns);
    text[put_clean(text, sizeof text - 1, message, 1)] = 0;
    size_t n = (size_t)snprintf(out, room, "time=%s.%03ldZ level=%s msg=\"%s\"", stamp, rest_ns / 1000000, stoa_level_name(level), text);
    if (*pairs) {
        out[n++] = ' ';
        n += put_clean(out + n, room - n, pairs, 0);
    }
    out[n++] = '\n';
    return n;
}

struct stoa_logger *stoa_logger_new(const char *service, enum stoa_log_format format, void (*send)(void *arg, const char *line, size_t size),
                                    void *arg)
{
    struct stoa_logger *l = must(calloc(1, sizeof *l));
    l->service = must(strdup(service));
    l->format = format;
    l->send = send;
    l->arg = arg;
    return l;
}

void stoa_logger_free(struct stoa_logger *l)
{
    if (l == NULL)
        return;
    free(l->service);
    free(l);
}

/* Each behind its name in the record's format; nothing when there is no span. */
static void put_ids(FILE *out, const struct stoa_span *span, const char *trace_name, const char *span_name)
{
    if (span == NULL)
        return;
    const struct stoa_span_data *data = client_span_data(span);
    fputs(trace_name, out);
    client_put_hex(out, data->trace_id, sizeof data->trace_id);
    fputs(span_name, out);
    client_put_hex(out, data->span_id, sizeof data->span_id);
}

static void put_json_record(FILE *out, const struct stoa_logger *l, enum stoa_level level, const struct stoa_span *span, const char *message,
                            const char *const *fields)
{
    char stamp[32];
    long rest_ns = put_time(stamp, client_now_ns());
    fprintf(out, "{\"time\":\"%s.%09ldZ\",\"level\":\"%s\",\"service\":", stamp, rest_ns, stoa_level_name(level));
    client_put_json(out, l->service);
    fputs(",\"message\":", out);
    client_put_json(out, message);
    for (; fields && fields[0] && fields[1]; fields += 2) {
        fputc(',', out);
        client_put_json(out, fields[0]);
        fputc(':', out);
        client_put_json(out, fields[1]);
    }
    put_ids(out, span, ",\"trace_id\":", ",\"span_id\":");
    fputs("}\n", out);
}

static void put_pair(FILE *out, const char *name, const char *value)
{
    fprintf(out, " %s=\"", name);
    for (; *value; value++) {
        if (*value == '"' || *value == '\\')
            fputc('\\', out);
        fputc(*value, out);
    }
    fputc('"', out);
}

static void put_logfmt_record(FILE *out, const struct stoa_logger *l, enum stoa_level level, const struct stoa_span *span, const char *message,
                              const char *const *fields)
{
    char line[STOA_LOG_LINE_BYTES_MAX], *pairs = NULL;
    size_t size = 0;
    FILE *all = must(open_memstream(&pairs, &size));
    put_pair(all, "service", l->service);
    for (; fields && fields[0] && fields[1]; fields += 2)
        put_pair(all, fields[0], fields[1]);
    put_ids(all, span, " trace_id=", " span_id=");
    fclose(all);
    must(pairs);
    fwrite(line, 1, stoa_log_line(line, client_now_ns(), level, message, pairs + 1), out);
    free(pairs);
}

void stoa_log(struct stoa_logger *l, enum stoa_level level, const struct stoa_span *span, const char *message, const char *const *fields)
{
    char *line = NULL;
    size_t size = 0;
    FILE *out = must(open_memstream(&line, &size));
    if (l->format == STOA_LOG_JSON)
        put_json_record(out, l, level, span, message, fields);
    else
        put_logfmt_record(out, l, level, span, message, fields);
    fclose(out);
    must(line);
    if (l->send)
        l->send(l->arg, line, size);
    else
        fwrite(line, 1, size, stderr);
    free(line);
}
