/* SPDX-License-Identifier: Apache-2.0 */
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"
#include "net/drive_test.h"

/* Asks one thing of a fresh server and gives the status; the answer must hold `part`. */
static int status_of(struct drive *d, struct slice request, const char *part)
{
    struct buf b;
    struct slice answer = raw_ask(d, request, &b);
    int status = raw_status(answer);
    if (part && !slice_contains(answer, slice_str(part)))
        unit_check_str(__FILE__, __LINE__, part, answer, slice_str(part));
    buf_free(&b);
    return status;
}

static void start(struct drive *d)
{
    drive_init(d);
    drive_start(d);
}

#define ASK(d, part, ...) status_of((d), SLICE(__VA_ARGS__), (part))

TEST(http1_answers_on_workers_and_on_the_loop)
{
    struct drive d;
    start(&d);
    CHECK_INT(ASK(&d, "\r\n\r\nabc", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"), 200);
    CHECK_INT(ASK(&d, "\r\n\r\nabc", "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nConnection: close\r\n\r\nabc"), 200);
    CHECK_INT(ASK(&d, "Content-Length: 0", "GET /loop HTTP/1.0\r\n\r\n"), 200);
    CHECK_INT(ASK(&d, "Nothing is served at /nowhere.", "GET /nowhere HTTP/1.0\r\n\r\n"), 404);
    CHECK_INT(ASK(&d, "WWW-Authenticate: Bearer", "GET /denied HTTP/1.0\r\n\r\n"), 401);
    CHECK_INT(ASK(&d, NULL, "GET http://a/lo%6Fp?x=1 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), 200);
    drive_stop(&d);
    CHECK_INT(d.done, 6);
}

TEST(http1_reads_chunked_bodies_with_trailers)
{
    struct drive d;
    start(&d);
    CHECK_INT(ASK(&d, "\r\n\r\nhello world",
                  "POST /echo HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n"
                  "5;ext=1\r\nhello\r\n6\r\n world\r\n0\r\nTrailer: x\r\n\r\n"),
              200);
    drive_stop(&d);
}

TEST(http1_head_sends_the_length_and_no_body)
{
    struct drive d;
    struct buf b;
    start(&d);
    struct slice answer = raw_ask(&d, SLICE("HEAD /big?5000 HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"), &b);
    CHECK_INT(raw_status(answer), 200);
    CHECK(slice_contains(answer, SLICE("Content-Length: 5000\r\n")));
    CHECK(slice_ends(answer, SLICE("\r\n\r\n")));
    buf_free(&b);
    drive_stop(&d);
}

TEST(http1_header_values_cannot_add_headers)
{
    struct drive d;
    start(&d);
    CHECK_INT(ASK(&d, "X-Test: one  Injected: two\r\n", "GET /big?1 HTTP/1.0\r\n\r\n"), 200);
    drive_stop(&d);
}

TEST(http1_pipelined_requests_are_answered_in_order)
{
    struct drive d;
    start(&d);
    int fd = raw_connect(&d);
    struct buf out, in;
    buf_init(&out, 0);
    buf_init(&in, 0);
    enum { REQUESTS = 200 };
    for (int i = 0; i < REQUESTS; i++)
        buf_printf(&out, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: 4\r\n\r\n%04d", i % 3 ? "loop" : "echo", i);
    raw_send(fd, buf_as_slice(&out));
    for (int i = 0; i < REQUESTS; i++) {
        char want[16];
        snprintf(want, sizeof want, "%04d", i);
        struct slice answer = raw_recv_answer(fd, &in);
        CHECK_INT(raw_status(answer), 200);
        CHECK(slice_ends(answer, slice_str(want)));
        mem_free((void *)answer.ptr);
    }
    close(fd);
    buf_free(&out);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_bodies_that_come_byte_by_byte_are_whole)
{
    struct drive d;
    start(&d);
    int fd = raw_connect(&d);
    struct buf in;
    struct slice request = SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\nConnection: close\r\n\r\n0123456789");
    for (size_t i = 0; i < request.len; i++) {
        raw_send(fd, slice_sub(request, i, i + 1));
        usleep(200);
    }
    CHECK(slice_ends(raw_recv_all(fd, &in), SLICE("\r\n\r\n0123456789")));
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_large_bodies_come_back_unchanged)
{
    struct drive d;
    start(&d);
    enum { BYTES = 5 * MIB + 17 };
    struct buf out, in;
    buf_init(&out, 0);
    buf_printf(&out, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BYTES);
    size_t head = out.len;
    char *to = buf_room(&out, BYTES);
    for (int i = 0; i < BYTES; i++)
        to[i] = (char)(i * 31 >> 3);
    buf_added(&out, BYTES);
    struct slice answer = raw_ask(&d, buf_as_slice(&out), &in);
    size_t at = slice_find(answer, SLICE("\r\n\r\n"), 0);
    CHECK(at != SIZE_MAX);
    CHECK(slice_eq(slice_skip(answer, at + 4), slice_skip(buf_as_slice(&out), head)));
    buf_free(&out);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_continue_is_said_before_a_body_is_awaited)
{
    struct drive d;
    start(&d);
    int fd = raw_connect(&d);
    struct buf in;
    buf_init(&in, 0);
    RAW_SEND(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nExpect: 100-continue\r\n\r\n");
    struct slice first = raw_recv_answer(fd, &in);
    CHECK_INT(raw_status(first), 100);
    RAW_SEND(fd, "ok");
    struct slice second = raw_recv_answer(fd, &in);
    CHECK(slice_ends(second, SLICE("\r\n\r\nok")));
    mem_free((void *)first.ptr);
    mem_free((void *)second.ptr);
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_a_refused_body_is_not_asked_for)
{
    struct drive d;
    start(&d);
    CHECK_INT(ASK(&d, "The body has 1001 bytes by its Content-Length; at most 1000 are allowed here.",
                  "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\nExpect: 100-continue\r\n\r\n"),
              413);
    drive_stop(&d);
}

TEST(http1_limits_on_sizes_are_kept)
{
    struct drive d;
    drive_init(&d);
    d.opt.header_bytes_max = 2000;
    d.opt.url_bytes_max = 500;
    drive_start(&d);
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "GET /%0600d HTTP/1.1\r\nHost: a\r\n\r\n", 0);
    CHECK_INT(status_of(&d, buf_as_slice(&b), "longer than the 500 bytes allowed"), 414);
    buf_reset(&b);
    buf_printf(&b, "GET / HTTP/1.1\r\nHost: a\r\nLong: %02500d\r\n\r\n", 0);
    CHECK_INT(status_of(&d, buf_as_slice(&b), "longer than the 2000 bytes allowed"), 431);
    buf_reset(&b);
    buf_printf(&b, "GET / HTTP/1.1\r\nHost: a\r\n");
    for (int i = 0; i < 130; i++)
        buf_printf(&b, "A%d:\r\n", i);
    buf_printf(&b, "\r\n");
    CHECK_INT(status_of(&d, buf_as_slice(&b), "more than the 128 headers allowed"), 431);
    CHECK_INT(ASK(&d, "at most 1000 are allowed", "POST /small HTTP/1.1\r\nHost: a\r\nContent-Length: 1001\r\n\r\n"), 413);
    buf_reset(&b);
    buf_printf(&b, "POST /small HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nConnection: close\r\n\r\n3e9\r\n%01001d\r\n0\r\n\r\n", 0);
    CHECK_INT(status_of(&d, buf_as_slice(&b), "more than 1000 bytes"), 413);
    buf_free(&b);
    drive_stop(&d);
}

TEST(http1_a_length_that_can_be_read_two_ways_is_refused)
{
    static const char *const requests[] = {
        "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked\r\nContent-Length: 3\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length: 3\r\nContent-Length: 4\r\n\r\nabcd",
        "POST /loop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: gzip, chunked\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: chunked, identity\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.1\r\nHost: a\r\nTransfer-Encoding: xchunked\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.0\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length: +3\r\n\r\nabc",
        "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length : 3\r\n\r\nabc",
        "GET /loop HTTP/1.1\r\nHost: a\r\nA: b\rTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n",
        "GET /loop HTTP/1.1\r\nHost: a\r\nHost: b\r\n\r\n",
        "GET /loop HTTP/1.1\r\n\r\n",
        "GET /loop HTTP/1.1\r\nHost: a\r\nBad header\r\n\r\n",
        "\x16\x03\x01 nonsense\r\n\r\n",
    };
    struct drive d;
    start(&d);
    for (size_t i = 0; i < COUNT_OF(requests); i++) {
        int status = status_of(&d, slice_str(requests[i]), "Connection: close");
        if (status != 400)
            unit_check_int(__FILE__, __LINE__, requests[i], status, 400);
    }
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK(stats.protocol_errors >= COUNT_OF(requests));
    drive_stop(&d);
}

TEST(http1_slow_heads_and_slow_bodies_are_ended)
{
    struct drive d;
    drive_init(&d);
    d.opt.header_timeout_ns = d.opt.body_timeout_ns = 100 * NS_MS;
    drive_start(&d);
    CHECK_INT(ASK(&d, "head was not complete within the 100 ms allowed", "GET / HTTP/1.1\r\nHos"), 408);
    CHECK_INT(ASK(&d, "body did not go on", "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\nabc"), 408);
    CHECK_INT(ASK(&d, "stopped coming", "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 10\r\n\r\n"), 408);
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK_INT(stats.timeouts, 3);
    drive_stop(&d);
}

TEST(http1_idle_connections_are_closed)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    d.opt.idle_timeout_ns = 50 * NS_MS;
    drive_start(&d);
    CHECK_INT(ASK(&d, NULL, "GET /loop HTTP/1.1\r\nHost: a\r\n\r\n"), 200);
    drive_stop(&d);
    drive_init(&d);
    d.opt.header_timeout_ns = 50 * NS_MS;
    drive_start(&d);
    int fd = raw_connect(&d);
    CHECK_INT(raw_recv_all(fd, &in).len, 0);
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_a_peer_that_does_not_read_is_dropped)
{
    struct drive d;
    drive_init(&d);
    d.opt.write_timeout_ns = 200 * NS_MS;
    drive_start(&d);
    int fd = raw_connect(&d);
    int small = 4096;
    setsockopt(fd, SOL_SOCKET, SO_RCVBUF, &small, sizeof small);
    RAW_SEND(fd, "GET /until-gone HTTP/1.1\r\nHost: a\r\n\r\n");
    drive_await(&d.cancelled, 1);
    drive_await(&d.done_gone, 1);
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK_INT(stats.timeouts, 1);
    close(fd);
    drive_stop(&d);
}

TEST(http1_a_handler_learns_that_its_peer_has_left)
{
    struct drive d;
    start(&d);
    int fd = raw_connect(&d);
    RAW_SEND(fd, "GET /until-gone HTTP/1.1\r\nHost: a\r\n\r\n");
    char c;
    CHECK(recv(fd, &c, 1, 0) == 1);
    close(fd);
    drive_await(&d.cancelled, 1);
    drive_await(&d.done_gone, 1);
    drive_stop(&d);
}

TEST(http1_a_peer_that_closed_its_sending_half_is_answered)
{
    struct drive d;
    start(&d);
    int fd = raw_connect(&d);
    struct buf in;
    RAW_SEND(fd, "GET /gate HTTP/1.1\r\nHost: a\r\n\r\nGET /loop HTTP/1.1\r\nHost: a\r\n\r\n");
    drive_await(&d.at_gate, 1);
    shutdown(fd, SHUT_WR);
    usleep(20000);
    drive_open_gate(&d);
    struct slice answer = raw_recv_all(fd, &in);
    CHECK(slice_contains(answer, SLICE("gone")));
    CHECK(slice_find(answer, SLICE("HTTP/1.1 200"), 10) != SIZE_MAX);
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

TEST(http1_long_answers_arrive_whole_at_slow_readers)
{
    struct drive d;
    start(&d);
    enum { BYTES = 8 * MIB };
    static const char *const paths[] = { "big", "chunks" };
    for (int p = 0; p < 2; p++) {
        int fd = raw_connect(&d);
        char request[100];
        int n = snprintf(request, sizeof request, "GET /%s?%d HTTP/1.0\r\n\r\n", paths[p], BYTES);
        raw_send(fd, slice_of(request, (size_t)n));
        struct buf in;
        buf_init(&in, 0);
        usleep(50000);
        struct slice answer = raw_recv_all(fd, &in);
        size_t at = slice_find(answer, SLICE("\r\n\r\n"), 0) + 4;
        CHECK_INT(answer.len - at, BYTES);
        for (size_t i = 0; i < BYTES; i++)
            if (answer.ptr[at + i] != (char)('a' + i % 26))
                unit_check_int(__FILE__, __LINE__, "first wrong byte", (int64_t)i, -1);
        close(fd);
        buf_free(&in);
    }
    drive_stop(&d);
}

TEST(http1_unread_bodies_do_not_spoil_the_next_request)
{
    struct drive d;
    start(&d);
    CHECK_INT(ASK(&d, "\r\n\r\nok",
                  "POST /nowhere HTTP/1.1\r\nHost: a\r\nContent-Length: 5\r\n\r\nGET /"
                  "POST /loop HTTP/1.1\r\nHost: a\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok"),
              404);
    drive_stop(&d);
}

TEST(http1_head_that_comes_byte_by_byte_takes_no_more_memory_than_its_size_asks_for)
{
    enum { VALUE_BYTES = 30000, MEMORY_BYTES_MAX = 256 * KIB };
    struct drive d;
    struct buf b;
    int on = 1;
    uint64_t bytes = UINT64_MAX;
    start(&d);
    int fd = raw_connect(&d);
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    RAW_SEND(fd, "GET /memory HTTP/1.1\r\nHost: a\r\nConnection: close\r\nX: ");
    for (int i = 0; i < VALUE_BYTES; i++)
        RAW_SEND(fd, "a");
    RAW_SEND(fd, "\r\n\r\n");
    struct slice answer = raw_recv_all(fd, &b);
    CHECK_INT(raw_status(answer), 200);
    CHECK(num_parse_u64(slice_skip(answer, slice_find(answer, SLICE("\r\n\r\n"), 0) + 4), &bytes));
    CHECK(bytes <= MEMORY_BYTES_MAX);
    close(fd);
    buf_free(&b);
    drive_stop(&d);
}

TEST(http1_requests_behind_a_streamed_one_have_no_deadline_while_its_answer_is_made)
{
    enum { BODY_BYTES = 200000, BEHIND = 3000, TIMEOUT_MS = 200 };
    struct drive d;
    struct buf b;
    drive_init(&d);
    d.opt.body_timeout_ns = TIMEOUT_MS * NS_MS;
    drive_start(&d);
    buf_init(&b, 0);
    int fd = raw_connect(&d);
    buf_printf(&b, "POST /stream?wait=1&slow=1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\n\r\n", BODY_BYTES);
    memset(buf_room(&b, BODY_BYTES), 0, BODY_BYTES);
    buf_added(&b, BODY_BYTES);
    for (int i = 0; i < BEHIND; i++)
        buf_slice(&b, SLICE("GET /loop HTTP/1.1\r\nHost: a\r\n\r\n"));
    buf_slice(&b, SLICE("GET /loop HTTP/1.1\r\nHost: a\r\nConnection: close\r\n\r\n"));
    raw_send(fd, buf_as_slice(&b));
    drive_await(&d.at_gate, 1);
    usleep(TIMEOUT_MS * 1000); /* so that the body is in, and reading has stopped for what is behind it */
    drive_open_gate(&d);
    buf_free(&b);
    struct slice all = raw_recv_all(fd, &b);
    int answers = 0;
    for (size_t at = 0; (at = slice_find(all, SLICE("HTTP/1.1 200"), at)) != SIZE_MAX; at++)
        answers++;
    CHECK_INT(answers, BEHIND + 2);
    close(fd);
    buf_free(&b);
    drive_stop(&d);
}
