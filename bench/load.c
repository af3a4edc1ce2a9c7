/* SPDX-License-Identifier: Apache-2.0 */
/* The load generator of `make bench`: sends to a server on loopback as fast as it answers.
 *
 *     load metrics PORT PAGE INSTANCES SCRAPES INTERVAL_MS JITTER_MS START_MS    Prometheus remote write, four connections
 *     load logs PORT LINES START_NS SPAN_NS COPY_FILE                            Loki push; the lines also go to COPY_FILE
 *     load spans PORT SPANS START_NS SPAN_NS [SAMPLE_FILE SAMPLE_BYTES]          OTLP over HTTP; the first bodies also go to SAMPLE_FILE
 *     load corpus REQUEST_FILE COPY_FILE LINES START_NS SPAN_NS [LOG_FILE...]    makes Loki pushes of real lines, multiplied
 *     load push PORT REQUEST_FILE                                                sends them
 *
 * What is sent depends on the arguments alone. */
#include "bench/load.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <snappy-c.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/uio.h>
#include <unistd.h>

#include "base/num.h"

enum { READ_BYTES = 16 * KIB, HEAD_BYTES_MAX = 1024, ANSWER_BYTES_MAX = 1 * MIB };

void fail(const char *fmt, ...)
{
    va_list args;
    va_start(args, fmt);
    fputs("load: ", stderr);
    vfprintf(stderr, fmt, args);
    fputc('\n', stderr);
    va_end(args);
    exit(1);
}

void sender_open(struct sender *s, uint16_t port, const char *path, const char *headers)
{
    int one = 1;
    struct sockaddr_in to = { .sin_family = AF_INET, .sin_port = htons(port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    memset(s, 0, sizeof *s);
    s->port = port;
    s->path = slice_str(path);
    s->headers = slice_str(headers);
    buf_init(&s->in, ANSWER_BYTES_MAX);
    buf_init(&s->packed, 0);
    s->fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (s->fd < 0 || connect(s->fd, (struct sockaddr *)&to, sizeof to))
        fail("connect to 127.0.0.1:%u: %s", port, strerror(errno));
    setsockopt(s->fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
}

void sender_close(struct sender *s)
{
    close(s->fd);
    buf_free(&s->in);
    buf_free(&s->packed);
}

static void send_all(struct sender *s, struct slice head, struct slice body)
{
    while (head.len + body.len) {
        struct iovec parts[] = { { (void *)head.ptr, head.len }, { (void *)body.ptr, body.len } };
        ssize_t n = writev(s->fd, parts, COUNT_OF(parts));
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            fail("send to 127.0.0.1:%u: %s", s->port, strerror(errno));
        size_t of_head = MIN((size_t)n, head.len);
        head = slice_skip(head, of_head);
        body = slice_skip(body, (size_t)n - of_head);
    }
}

static void read_more(struct sender *s)
{
    char *room = buf_room(&s->in, READ_BYTES);
    ssize_t n = room ? read(s->fd, room, READ_BYTES) : -1;
    if (n <= 0)
        fail("127.0.0.1:%u%.*s: the answer ended early: %s", s->port, SLICE_FMT(s->path), n ? strerror(errno) : "closed");
    buf_added(&s->in, (size_t)n);
}

static uint64_t content_length(struct slice head)
{
    struct slice line, name, value;
    uint64_t n = 0;
    while (slice_next(&head, '\n', &line))
        if (slice_cut(line, ':', &name, &value) && slice_eq_nocase(name, SLICE("content-length")) && !num_parse_u64(slice_trim(value), &n))
            fail("an answer's Content-Length is \"%.*s\"", SLICE_FMT(value));
    return n;
}

static void read_answer(struct sender *s)
{
    size_t head_end;
    buf_reset(&s->in);
    while ((head_end = slice_find(buf_as_slice(&s->in), SLICE("\r\n\r\n"), 0)) >= s->in.len)
        read_more(s);
    struct slice head = slice_sub(buf_as_slice(&s->in), 0, head_end);
    bool good = slice_starts(head, SLICE("HTTP/1.1 2"));
    uint64_t whole = head_end + 4 + content_length(head);
    while (s->in.len < whole)
        read_more(s);
    if (!good)
        fail("127.0.0.1:%u%.*s answered: %.*s", s->port, SLICE_FMT(s->path), (int)MIN(s->in.len, 600), s->in.ptr);
}

void sender_post(struct sender *s, struct slice body, bool with_snappy)
{
    char head[HEAD_BYTES_MAX];
    s->plain_bytes += body.len;
    if (with_snappy) {
        size_t room = snappy_max_compressed_length(body.len);
        buf_reset(&s->packed);
        if (snappy_compress(body.ptr, body.len, buf_room(&s->packed, room), &room) != SNAPPY_OK)
            fail("snappy cannot compress %zu bytes", body.len);
        body = slice_of(s->packed.ptr, room);
    }
    int n = snprintf(head, sizeof head, "POST %.*s HTTP/1.1\r\nHost: 127.0.0.1:%u\r\nContent-Length: %zu\r\n%.*s\r\n", SLICE_FMT(s->path), s->port,
                     body.len, SLICE_FMT(s->headers));
    s->requests++;
    s->sent_bytes += body.len;
    send_all(s, slice_of(head, (size_t)n), body);
    read_answer(s);
}

static int64_t number(const char *text)
{
    int64_t v;
    if (!num_parse_i64(slice_str(text), &v) || v < 0)
        fail("\"%s\": a whole number is wanted", text);
    return v;
}

int main(int argc, char **argv)
{
    struct slice kind = slice_str(argc > 1 ? argv[1] : "");
    if (slice_eq(kind, SLICE("metrics")) && argc == 9) {
        struct metrics_load load = { .port = (uint16_t)number(argv[2]), .page = argv[3], .instances = (unsigned)number(argv[4]),
                                     .scrapes = (unsigned)number(argv[5]), .interval_ms = (unsigned)number(argv[6]),
                                     .jitter_ms = (unsigned)number(argv[7]), .start_ms = number(argv[8]) };
        load_metrics(&load);
    } else if (slice_eq(kind, SLICE("logs")) && argc == 7) {
        load_logs((uint16_t)number(argv[2]), (uint64_t)number(argv[3]), number(argv[4]), number(argv[5]), argv[6]);
    } else if (slice_eq(kind, SLICE("spans")) && (argc == 6 || argc == 8)) {
        struct spans_load load = { .port = (uint16_t)number(argv[2]), .spans = (uint64_t)number(argv[3]), .start_ns = number(argv[4]),
                                   .span_ns = number(argv[5]), .sample_file = argc == 8 ? argv[6] : NULL,
                                   .sample_bytes = argc == 8 ? (uint64_t)number(argv[7]) : 0 };
        load_spans(&load);
    } else if (slice_eq(kind, SLICE("corpus")) && argc >= 7) {
        struct corpus_load load = { .request_file = argv[2], .copy_file = argv[3], .lines = (uint64_t)number(argv[4]), .start_ns = number(argv[5]),
                                    .span_ns = number(argv[6]), .files = argv + 7, .file_count = (size_t)argc - 7 };
        load_corpus(&load);
    } else if (slice_eq(kind, SLICE("push")) && argc == 4) {
        load_push((uint16_t)number(argv[2]), argv[3]);
    } else {
        fail("usage: load metrics|logs|corpus|push|spans ...; the top of bench/load.c tells the arguments");
    }
    return 0;
}
