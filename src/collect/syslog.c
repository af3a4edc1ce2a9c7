/* SPDX-License-Identifier: Apache-2.0 */
/* One loop reads all sockets and decodes into the batch that waits; a thread takes it away and appends it. When that batch is
 * full, the loop waits for room: senders by TCP wait too, and the kernel holds datagrams and counts those it cannot hold. */
#include "collect/syslog.h"

#include <time.h>

#include "ingest/syslog.h"
#include "net/udp.h"
#include "sys/thread.h"

enum { BATCH_ARENA_BYTES_MAX = 512 * MIB };
enum reason { REASON_EMPTY, REASON_OVERLOADED, REASON_STORE, REASON_COUNT };

struct ear {
    struct syslog *syslog;
    const struct parse_rule *parse;
    struct udp *udp;
    struct stream *stream;
};

struct syslog {
    struct syslog_env env;
    struct loop *loop;
    struct thread *thread;
    struct mutex lock; /* all below but ears */
    struct cond wake, room;
    struct batch *pending;
    bool stopping, failing;
    uint64_t lines, rejected[REASON_COUNT];
    struct ear ears[SYSLOG_LISTENERS_MAX];
    size_t ear_count;
};

static bool is_full(const struct syslog *s)
{
    return s->pending && (batch_rows(s->pending) >= SYSLOG_PENDING_ROWS_MAX || arena_bytes(s->pending->arena) >= SYSLOG_PENDING_BYTES_MAX);
}

static int32_t zone_offset_s(int64_t wall_ns)
{
    time_t now = (time_t)(wall_ns / NS_S);
    struct tm local;
    return localtime_r(&now, &local) ? (int32_t)local.tm_gmtoff : 0;
}

static void on_message(void *arg, struct slice message)
{
    const struct ear *e = arg;
    struct syslog *s = e->syslog;
    struct syslog_ctx ctx = { .received_ns = clock_wall_ns(s->env.clock), .parse = e->parse };
    ctx.zone_offset_s = zone_offset_s(ctx.received_ns);
    mutex_lock(&s->lock);
    s->lines++;
    if (is_full(s)) {
        cond_signal(&s->wake);
        (void)cond_wait_ns(&s->room, &s->lock, SYSLOG_FULL_WAIT_MS * NS_MS);
    }
    if (is_full(s)) {
        s->rejected[REASON_OVERLOADED]++;
    } else {
        if (s->pending == NULL)
            s->pending = batch_new(BATCH_ARENA_BYTES_MAX);
        if (!syslog_decode(&ctx, message, s->pending))
            s->rejected[REASON_EMPTY]++;
    }
    mutex_unlock(&s->lock);
}

/* Called and returns with the lock. */
static void append_pending(struct syslog *s)
{
    struct batch *b = s->pending;
    struct err err;
    s->pending = NULL;
    cond_broadcast(&s->room);
    if (b == NULL || batch_rows(b) == 0) {
        batch_drop(b);
        return;
    }
    size_t rows = batch_rows(b);
    mutex_unlock(&s->lock);
    b->received_ns = clock_wall_ns(s->env.clock);
    enum status st = s->env.append(s->env.arg, b, &err);
    mutex_lock(&s->lock);
    if (st)
        s->rejected[REASON_STORE] += rows;
    if (st && !s->failing)
        log_line(s->env.log, LOG_WARNING, "what syslog clients sent is not appended", "error=\"%s\"", err.text);
    s->failing = st != ST_OK;
}

static void append_main(void *arg)
{
    struct syslog *s = arg;
    mutex_lock(&s->lock);
    while (!s->stopping) {
        if (!is_full(s))
            (void)cond_wait_ns(&s->wake, &s->lock, SYSLOG_APPEND_MS * NS_MS);
        append_pending(s);
    }
    append_pending(s);
    mutex_unlock(&s->lock);
}

enum status syslog_new(struct syslog **out, const struct syslog_env *env, struct err *err)
{
    struct syslog *s = mem_new(struct syslog);
    s->env = *env;
    mutex_init(&s->lock);
    cond_init(&s->wake);
    cond_init(&s->room);
    enum status st = loop_new(&s->loop, "syslog-net", err);
    if (!st)
        st = thread_start(&s->thread, "syslog", append_main, s, err);
    if (st) {
        syslog_free(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

enum status syslog_listen(struct syslog *s, struct slice address, const char *tls_cert, const char *tls_key, const struct parse_rule *parse,
                          struct err *err)
{
    bool is_udp = slice_starts(address, SLICE("udp://")), is_tcp = slice_starts(address, SLICE("tcp://"));
    struct ear *e = &s->ears[s->ear_count];
    struct message_options opt = { .loop = s->loop, .arg = e, .message = on_message, .is_syslog = true, .tls_cert = tls_cert,
                                   .tls_key = tls_key };
    if (s->ear_count == SYSLOG_LISTENERS_MAX)
        return err_set(err, ST_LIMIT, "more than %d listeners of syslog", SYSLOG_LISTENERS_MAX);
    if (tls_cert && is_udp)
        return err_set(err, ST_INVALID, "%.*s: TLS is for TCP", SLICE_FMT(address));
    *e = (struct ear){ .syslog = s, .parse = parse };
    s->ear_count++;
    address = slice_skip(address, is_udp || is_tcp ? SLICE("udp://").len : 0);
    enum status st = is_tcp || tls_cert ? ST_OK : udp_open(&e->udp, &opt, address, err);
    if (!st && e->udp)
        address = udp_address(e->udp); /* for port 0 */
    if (!st && !is_udp)
        st = stream_open(&e->stream, &opt, address, err);
    if (!st)
        log_line(s->env.log, LOG_INFO, "listening", "dialect=syslog address=%.*s tls=%s",
                 SLICE_FMT(e->stream ? stream_address(e->stream) : address), tls_cert ? "yes" : "no");
    return st;
}

void syslog_free(struct syslog *s)
{
    if (s == NULL)
        return;
    for (size_t i = 0; i < s->ear_count; i++) {
        udp_close(s->ears[i].udp);
        stream_close(s->ears[i].stream);
    }
    if (s->loop)
        loop_free(s->loop);
    mutex_lock(&s->lock);
    s->stopping = true;
    cond_signal(&s->wake);
    mutex_unlock(&s->lock);
    thread_join(s->thread);
    batch_drop(s->pending);
    mutex_destroy(&s->lock);
    cond_destroy(&s->wake);
    cond_destroy(&s->room);
    mem_free(s);
}

static void put(struct buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)v);
}

void syslog_metrics(struct syslog *s, struct buf *out)
{
    static const char *const reasons[] = { "empty", "overloaded", "store" };
    struct message_stats datagrams = { 0 }, streams = { 0 };
    for (size_t i = 0; i < s->ear_count; i++) {
        if (s->ears[i].udp)
            udp_stats(s->ears[i].udp, &datagrams);
        if (s->ears[i].stream)
            stream_stats(s->ears[i].stream, &streams);
    }
    put(out, "stoa_syslog_bytes_total", "counter", "Bytes that syslog clients sent.", datagrams.bytes + streams.bytes);
    put(out, "stoa_syslog_datagrams_total", "counter", "Datagrams of them.", datagrams.messages);
    put(out, "stoa_syslog_datagrams_dropped_total", "counter", "Datagrams that the kernel had no room for.", datagrams.dropped);
    put(out, "stoa_syslog_messages_cut_total", "counter", "Messages by TCP over the length that is taken.", streams.truncated);
    put(out, "stoa_syslog_tls_failures_total", "counter", "Connections that ended for an error of TLS.", streams.tls_failures);
    put(out, "stoa_syslog_connections", "gauge", "Open connections.", streams.connections);
    mutex_lock(&s->lock);
    put(out, "stoa_syslog_lines_total", "counter", "Messages that syslog clients sent.", s->lines);
    buf_slice(out, SLICE("# HELP stoa_syslog_lines_rejected_total Messages that were left out, by reason.\n"
                         "# TYPE stoa_syslog_lines_rejected_total counter\n"));
    for (size_t i = 0; i < REASON_COUNT; i++)
        buf_printf(out, "stoa_syslog_lines_rejected_total{reason=\"%s\"} %llu\n", reasons[i], (unsigned long long)s->rejected[i]);
    mutex_unlock(&s->lock);
}
