/* SPDX-License-Identifier: Apache-2.0 */
/* Log lines by Loki push and spans by OTLP, as a small shop's services would write them.
 *
 * Lines: a third each of JSON, logfmt and access log, about 200 bytes, from 12 services on 5 hosts; ids, addresses, durations
 * and sizes vary, words come from short lists. One line in the middle holds NEEDLE. Spans: traces of 8 spans through the
 * services, each the child of one before it, with the attributes an HTTP client and a database driver set. */
#include <stdio.h>
#include <time.h>

#include "bench/load.h"
#include "codec/proto.h"

enum { SERVICES = 12, HOSTS = 5, STREAMS = SERVICES * HOSTS, REQUEST_LINES = 2000, TRACE_SPANS = 8, REQUEST_TRACES = 125,
       LINE_BYTES_MAX = 1024, LINES_SEED = 41, SPANS_SEED = 42, ID_BYTES = 16, SPAN_ID_BYTES = 8,
       KIND_SERVER = 2, KIND_CLIENT = 3, STATUS_ERROR = 2 };
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

static void put_text(struct buf *b, uint32_t field, const char *key, struct slice value)
{
    size_t mark = proto_nested_begin(b, field);
    proto_put_bytes(b, 1, slice_str(key));
    size_t inner = proto_nested_begin(b, 2);
    proto_put_bytes(b, 1, value);
    proto_nested_end(b, inner);
    proto_nested_end(b, mark);
}

static void put_int(struct buf *b, uint32_t field, const char *key, uint64_t value)
{
    size_t mark = proto_nested_begin(b, field);
    proto_put_bytes(b, 1, slice_str(key));
    size_t inner = proto_nested_begin(b, 2);
    proto_put_varint(b, 3, value);
    proto_nested_end(b, inner);
    proto_nested_end(b, mark);
}

struct trace {
    uint8_t id[ID_BYTES];
    uint8_t spans[TRACE_SPANS][SPAN_ID_BYTES];
    int64_t start_ns;
};

static void put_span(struct buf *b, struct rand *r, const struct trace *t, size_t i)
{
    char text[128];
    bool server = i % 2 == 0, failed = rand_one_in(r, 50);
    size_t mark = proto_nested_begin(b, 2);
    int64_t start_ns = t->start_ns + (int64_t)i * 400000 + (int64_t)rand_below(r, 300000);
    proto_put_bytes(b, 1, slice_of(t->id, ID_BYTES));
    proto_put_bytes(b, 2, slice_of(t->spans[i], SPAN_ID_BYTES));
    if (i)
        proto_put_bytes(b, 4, slice_of(t->spans[(i - 1) / 2], SPAN_ID_BYTES));
    const char *path = PICK(paths, r);
    int n = snprintf(text, sizeof text, server ? "GET %s" : "SELECT shop%s", path);
    proto_put_bytes(b, 5, slice_of(text, (size_t)n));
    proto_put_varint(b, 6, server ? KIND_SERVER : KIND_CLIENT);
    proto_put_fixed64(b, 7, (uint64_t)start_ns);
    proto_put_fixed64(b, 8, (uint64_t)start_ns + 200000 + rand_below(r, 50000000));
    if (server) {
        put_text(b, 9, "http.request.method", SLICE("GET"));
        put_text(b, 9, "url.path", slice_str(path));
        put_int(b, 9, "http.response.status_code", failed ? 500 : 200);
        n = snprintf(text, sizeof text, "10.%u.%u.%u", (unsigned)rand_below(r, 4), (unsigned)rand_below(r, 256), (unsigned)rand_below(r, 256));
        put_text(b, 9, "client.address", slice_of(text, (size_t)n));
        put_int(b, 9, "http.response.body.size", rand_below(r, 60000));
    } else {
        put_text(b, 9, "db.system.name", SLICE("postgresql"));
        put_text(b, 9, "server.address", SLICE("db-1.example"));
        n = snprintf(text, sizeof text, "SELECT * FROM shop WHERE id = %u", (unsigned)rand_below(r, 100000));
        put_text(b, 9, "db.query.text", slice_of(text, (size_t)n));
        put_int(b, 9, "db.response.returned_rows", rand_below(r, 200));
    }
    if (failed) {
        size_t status = proto_nested_begin(b, 15);
        proto_put_varint(b, 3, STATUS_ERROR);
        proto_nested_end(b, status);
    }
    proto_nested_end(b, mark);
}

static void send_spans(struct sender *s, struct buf *body, struct buf *by_service)
{
    buf_reset(body);
    for (size_t i = 0; i < SERVICES; i++) {
        if (by_service[i].len == 0)
            continue;
        size_t resource_spans = proto_nested_begin(body, 1), resource = proto_nested_begin(body, 1);
        put_text(body, 1, "service.name", slice_str(services[i]));
        put_text(body, 1, "service.version", SLICE("1.14.2"));
        put_text(body, 1, "host.name", SLICE("host-1"));
        put_text(body, 1, "telemetry.sdk.language", SLICE("go"));
        proto_nested_end(body, resource);
        size_t scope_spans = proto_nested_begin(body, 2), scope = proto_nested_begin(body, 1);
        proto_put_bytes(body, 1, SLICE("shop/instrumentation"));
        proto_nested_end(body, scope);
        buf_slice(body, buf_as_slice(&by_service[i]));
        proto_nested_end(body, scope_spans);
        proto_nested_end(body, resource_spans);
        buf_reset(&by_service[i]);
    }
    if (body->len)
        sender_post(s, buf_as_slice(body), false);
}

void load_spans(uint16_t port, uint64_t spans, int64_t start_ns, int64_t span_ns)
{
    struct buf by_service[SERVICES], body;
    struct sender sender;
    struct rand r;
    struct timespec from;
    struct trace t, middle = { .start_ns = 0 };
    uint64_t traces = MAX(spans / TRACE_SPANS, 1);
    rand_seed(&r, SPANS_SEED);
    buf_init(&body, 0);
    for (size_t i = 0; i < SERVICES; i++)
        buf_init(&by_service[i], 0);
    sender_open(&sender, port, "/v1/traces", "Content-Type: application/x-protobuf\r\n");
    clock_gettime(CLOCK_MONOTONIC, &from);
    for (uint64_t i = 0; i < traces; i++) {
        rand_bytes(&r, t.id, sizeof t.id);
        rand_bytes(&r, t.spans, sizeof t.spans);
        t.start_ns = start_ns + (int64_t)((double)span_ns / (double)traces * (double)i);
        size_t entry = rand_below(&r, SERVICES);
        for (size_t k = 0; k < TRACE_SPANS; k++)
            put_span(&by_service[(entry + k / 2) % SERVICES], &r, &t, k);
        if (i == traces / 2)
            middle = t;
        if ((i + 1) % REQUEST_TRACES == 0 || i + 1 == traces)
            send_spans(&sender, &body, by_service);
    }
    double seconds = seconds_since(&from);
    printf("{\"spans\":%zu,\"plain_bytes\":%zu,\"requests\":%zu,\"seconds\":%.3f,\"trace_id\":\"", (size_t)traces * TRACE_SPANS,
           (size_t)sender.plain_bytes, (size_t)sender.requests, seconds);
    for (size_t i = 0; i < ID_BYTES; i++)
        printf("%02x", middle.id[i]);
    puts("\"}");
    sender_close(&sender);
    buf_free(&body);
    for (size_t i = 0; i < SERVICES; i++)
        buf_free(&by_service[i]);
}
