/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines by Loki push, as a small shop's services would write them.
 *
 * Lines: a third each of JSON, logfmt and access log, about 200 bytes, from 12 services on 5 hosts; ids, addresses, durations
 * and sizes vary, words come from short lists. One line in the middle holds NEEDLE. */
#include <stdio.h>
#include <time.h>

#include "bench/load.h"
#include "codec/proto.h"

enum { SERVICES = 12, HOSTS = 5, STREAMS = SERVICES * HOSTS, REQUEST_LINES = 2000, LINE_BYTES_MAX = 1024, LINES_SEED = 41 };
#define NEEDLE "quicksilver-7f3a9c"

static const char *const services[SERVICES] = { "frontend", "checkout", "cart", "catalog", "payment", "shipping", "email", "currency", "search",
                                                "auth", "inventory", "ads" };
static const char *const paths[] = { "/api/orders", "/api/items", "/api/cart", "/api/users", "/healthz",
                                     "/api/search", "/api/pay", "/static/app.js" };
static const char *const messages[] = { "request served", "cache refreshed", "connection reset by peer", "retrying call", "order placed",
                                        "slow query", "token renewed", "job finished" };
static const char *const levels[] = { "info", "info", "info", "info", "info", "debug", "warn", "error" };
static const char *const agents[] = { "Mozilla/5.0 (X11; Linux x86_64) Firefox/128.0", "curl/8.5.0", "kube-probe/1.30",
                                      "Mozilla/5.0 (Windows NT 10.0; Win64; x64) Chrome/131.0.0.0" };

#define PICK(list, r) (list)[rand_below((r), COUNT_OF(list))]

static double seconds_since(const struct timespec *from)
{
    struct timespec now;
    clock_gettime(CLOCK_MONOTONIC, &now);
    return (double)(now.tv_sec - from->tv_sec) + (double)(now.tv_nsec - from->tv_nsec) / 1e9;
}

static int line_write(char *out, size_t room, struct rand *r, int64_t t_ns, const char *service)
{
    struct tm tm;
    char when[64];
    time_t s = (time_t)(t_ns / NS_S);
    unsigned ms = (unsigned)(t_ns % NS_S / NS_MS);
    gmtime_r(&s, &tm);
    switch (rand_below(r, 3)) {
    case 0:
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
        return snprintf(out, room,
                        "{\"time\":\"%s.%03uZ\",\"level\":\"%s\",\"msg\":\"%s\",\"service\":\"%s\",\"method\":\"GET\",\"path\":\"%s/%u\","
                        "\"status\":%u,\"duration_ms\":%u.%u,\"bytes\":%u,\"trace_id\":\"%016zx%016zx\",\"user\":\"u%u\"}",
                        when, ms, PICK(levels, r), PICK(messages, r), service, PICK(paths, r), (unsigned)rand_below(r, 100000),
                        rand_one_in(r, 20) ? 500 : 200, (unsigned)rand_below(r, 300), (unsigned)rand_below(r, 10), (unsigned)rand_below(r, 60000),
                        (size_t)rand_u64(r), (size_t)rand_u64(r), (unsigned)rand_below(r, 5000));
    case 1:
        strftime(when, sizeof when, "%Y-%m-%dT%H:%M:%S", &tm);
        return snprintf(out, room, "ts=%s.%03uZ level=%s caller=%s.go:%u msg=\"%s\" keys=%u took=%u.%ums shard=%u peer=10.%u.%u.%u:%u", when, ms,
                        PICK(levels, r), service, (unsigned)rand_below(r, 40) * 7 + 11, PICK(messages, r), (unsigned)rand_below(r, 9000),
                        (unsigned)rand_below(r, 90), (unsigned)rand_below(r, 10), (unsigned)rand_below(r, 16), (unsigned)rand_below(r, 4),
                        (unsigned)rand_below(r, 256), (unsigned)rand_below(r, 256), (unsigned)(32768 + rand_below(r, 28000)));
    default:
        strftime(when, sizeof when, "%d/%b/%Y:%H:%M:%S +0000", &tm);
        return snprintf(out, room, "10.%u.%u.%u - - [%s] \"GET %s/%u?page=%u HTTP/1.1\" %u %u \"-\" \"%s\" %u.%03u", (unsigned)rand_below(r, 4),
                        (unsigned)rand_below(r, 256), (unsigned)rand_below(r, 256), when, PICK(paths, r), (unsigned)rand_below(r, 100000),
                        (unsigned)rand_below(r, 30), rand_one_in(r, 30) ? 404 : 200, (unsigned)rand_below(r, 90000), PICK(agents, r), 0u,
                        (unsigned)rand_below(r, 900));
    }
}

static void put_entry(struct buf *b, int64_t t_ns, struct slice line)
{
    size_t entry = proto_nested_begin(b, 2), stamp = proto_nested_begin(b, 1);
    proto_put_varint(b, 1, (uint64_t)(t_ns / NS_S));
    proto_put_varint(b, 2, (uint64_t)(t_ns % NS_S));
    proto_nested_end(b, stamp);
    proto_put_bytes(b, 2, line);
    proto_nested_end(b, entry);
}

static void push_streams(struct sender *s, struct buf *body, struct buf *streams)
{
    char labels[128];
    buf_reset(body);
    for (size_t i = 0; i < STREAMS; i++) {
        if (streams[i].len == 0)
            continue;
        int n = snprintf(labels, sizeof labels, "{service=\"%s\",host=\"host-%zu\"}", services[i % SERVICES], i / SERVICES);
        size_t mark = proto_nested_begin(body, 1);
        proto_put_bytes(body, 1, slice_of(labels, (size_t)n));
        buf_slice(body, buf_as_slice(&streams[i]));
        proto_nested_end(body, mark);
        buf_reset(&streams[i]);
    }
    if (body->len)
        sender_post(s, buf_as_slice(body), true);
}

void load_logs(uint16_t port, uint64_t lines, int64_t start_ns, int64_t span_ns, const char *copy_file)
{
    struct buf streams[STREAMS], body;
    struct sender sender;
    struct rand r;
    struct timespec from;
    uint64_t raw = 0;
    char line[LINE_BYTES_MAX];
    FILE *copy = fopen(copy_file, "wb");
    if (!copy)
        fail("cannot write %s", copy_file);
    rand_seed(&r, LINES_SEED);
    buf_init(&body, 0);
    for (size_t i = 0; i < STREAMS; i++)
        buf_init(&streams[i], 0);
    sender_open(&sender, port, "/loki/api/v1/push", "Content-Type: application/x-protobuf\r\n");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (uint64_t i = 0; i < lines; i++) {
        int64_t t_ns = start_ns + (int64_t)((double)span_ns / (double)lines * (double)i);
        size_t stream = rand_below(&r, STREAMS);
        int n = line_write(line, sizeof line, &r, t_ns, services[stream % SERVICES]);
        if (i == lines / 2)
            n += snprintf(line + n, sizeof line - (size_t)n, " " NEEDLE);
        put_entry(&streams[stream], t_ns, slice_of(line, (size_t)n));
        line[n] = '\n';
        fwrite(line, 1, (size_t)n + 1, copy);
        raw += (uint64_t)n + 1;
        if ((i + 1) % REQUEST_LINES == 0 || i + 1 == lines)
            push_streams(&sender, &body, streams);
    }
    fclose(copy);
    printf("{\"lines\":%zu,\"raw_bytes\":%zu,\"requests\":%zu,\"needle\":\"" NEEDLE "\",\"seconds\":%.3f}\n", (size_t)lines, (size_t)raw,
           (size_t)sender.requests, seconds_since(&from));
    sender_close(&sender);
    buf_free(&body);
    for (size_t i = 0; i < STREAMS; i++)
        buf_free(&streams[i]);
}
