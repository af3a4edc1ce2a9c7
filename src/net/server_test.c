/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/compress.h"
#include "net/client.h"
#include "net/drive_test.h"
#include "net/listener.h"

static void send_pattern(int fd, size_t from, size_t n)
{
    char *bytes = mem_alloc(n);
    for (size_t i = 0; i < n; i++)
        bytes[i] = (char)((from + i) % 251);
    raw_send(fd, slice_of(bytes, n));
    mem_free(bytes);
}

TEST(server_streams_a_body_to_its_reader)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    drive_start(&d);
    int fd = raw_connect(&d);
    RAW_SEND(fd, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 3000000\r\nConnection: close\r\n\r\n");
    send_pattern(fd, 0, 3000000);
    CHECK(slice_ends(raw_recv_all(fd, &in), SLICE("3000000 bytes, 0 bad")));
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

/* Fills the way to a reader that does not read yet; gives how many bytes went in before the sender was stopped. */
static size_t send_until_stopped(int fd, size_t most)
{
    char piece[16384];
    size_t sent = 0;
    int quiet = 0;
    while (quiet < 30 && sent < most) {
        size_t n = MIN(sizeof piece, most - sent);
        for (size_t i = 0; i < n; i++)
            piece[i] = (char)((sent + i) % 251);
        ssize_t k = send(fd, piece, n, MSG_DONTWAIT | MSG_NOSIGNAL);
        if (k > 0) {
            sent += (size_t)k;
            quiet = 0;
        } else {
            quiet++;
            usleep(10000);
        }
    }
    return sent;
}

TEST(server_stops_a_sender_that_is_faster_than_its_reader)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    drive_start(&d);
    enum { BYTES = 30 * MIB };
    int fd = raw_connect(&d);
    char head[120];
    int n = snprintf(head, sizeof head,
                     "POST /stream?wait=1 HTTP/1.1\r\nHost: a\r\nContent-Length: %d\r\nConnection: close\r\n\r\n", BYTES);
    raw_send(fd, slice_of(head, (size_t)n));
    drive_await(&d.at_gate, 1);
    size_t sent = send_until_stopped(fd, BYTES);
    CHECK(sent < BYTES);
    CHECK(atomic_load(&d.budget.used) <= 2 * MIB);
    drive_open_gate(&d);
    send_pattern(fd, sent, BYTES - sent);
    CHECK(slice_ends(raw_recv_all(fd, &in), SLICE("31457280 bytes, 0 bad")));
    close(fd);
    buf_free(&in);
    drive_stop(&d);
}

TEST(server_wakes_a_reader_whose_peer_has_left)
{
    struct drive d;
    drive_init(&d);
    drive_start(&d);
    int fd = raw_connect(&d);
    RAW_SEND(fd, "POST /stream HTTP/1.1\r\nHost: a\r\nContent-Length: 1000\r\n\r\nabc");
    usleep(10000);
    close(fd);
    drive_await(&d.cancelled, 1);
    drive_await(&d.done_gone, 1);
    drive_stop(&d);
}

TEST(server_refuses_bodies_when_the_budget_is_used_up)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    d.budget.max = 100 * KIB;
    drive_start(&d);
    int fd = raw_connect(&d);
    RAW_SEND(fd, "POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 90000\r\n\r\nabc");
    for (int i = 0; i < 10000 && atomic_load(&d.budget.used) == 0; i++)
        usleep(1000);
    CHECK_INT(atomic_load(&d.budget.used), 90000);
    struct slice answer = raw_ask(&d, SLICE("POST /echo HTTP/1.1\r\nHost: a\r\nContent-Length: 20000\r\nConnection: close\r\n\r\nabc"), &in);
    CHECK_INT(raw_status(answer), 503);
    CHECK(slice_contains(answer, SLICE("Retry-After: 1\r\n")));
    CHECK(slice_contains(answer, SLICE("90000 bytes of request bodies are in flight (bytes_in_flight), at most 102400")));
    buf_free(&in);
    close(fd);
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK_INT(stats.rejected_busy, 1);
    drive_stop(&d);
}

TEST(server_refuses_connections_over_its_limit)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    d.opt.connections_max = 2;
    drive_start(&d);
    int a = raw_connect(&d), b = raw_connect(&d);
    struct http_stats stats;
    for (int i = 0; i < 10000; i++) {
        http_server_stats(d.server, &stats);
        if (stats.open_connections == 2)
            break;
        usleep(1000);
    }
    CHECK_INT(stats.open_connections, 2);
    struct slice answer = raw_ask(&d, SLICE(""), &in);
    CHECK_INT(raw_status(answer), 503);
    CHECK(slice_contains(answer, SLICE("2 connections are open, no more are allowed")));
    buf_free(&in);
    close(a);
    close(b);
    drive_stop(&d);
}

TEST(server_packs_text_answers_for_those_who_take_gzip)
{
    struct drive d;
    struct buf in, plain;
    struct err err;
    drive_init(&d);
    drive_start(&d);
    struct slice answer =
        raw_ask(&d, SLICE("GET /big?100000 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: br, gzip;q=0.8\r\nConnection: close\r\n\r\n"), &in);
    CHECK(slice_contains(answer, SLICE("Content-Encoding: gzip\r\n")));
    CHECK(answer.len < 5000);
    buf_init(&plain, 0);
    struct slice packed = slice_skip(answer, slice_find(answer, SLICE("\r\n\r\n"), 0) + 4);
    CHECK(gzip_decompress(packed, MIB, &plain, &err) == ST_OK);
    CHECK_INT(plain.len, 100000);
    buf_free(&plain);
    buf_free(&in);
    answer = raw_ask(&d, SLICE("GET /big?100000 HTTP/1.1\r\nHost: a\r\nAccept-Encoding: gzip;q=0\r\nConnection: close\r\n\r\n"), &in);
    CHECK(answer.len > 100000);
    buf_free(&in);
    drive_stop(&d);
}

TEST(server_finishes_running_requests_before_it_stops)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    drive_start(&d);
    int fd = raw_connect(&d), idle = raw_connect(&d);
    RAW_SEND(fd, "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    drive_await(&d.at_gate, 1);
    drive_stop(&d); /* opens the gate, then stops */
    struct slice answer = raw_recv_all(fd, &in);
    CHECK_INT(raw_status(answer), 200);
    CHECK(slice_contains(answer, SLICE("here")));
    buf_free(&in);
    CHECK_INT(raw_recv_all(idle, &in).len, 0);
    buf_free(&in);
    close(fd);
    close(idle);
}

static void open_gate_later(void *arg)
{
    usleep(100000);
    drive_open_gate(arg);
}

TEST(server_closes_what_does_not_end_in_the_time_to_drain)
{
    struct drive d;
    struct buf in;
    struct err err;
    struct thread *t;
    drive_init(&d);
    drive_start(&d);
    int fd = raw_connect(&d);
    RAW_SEND(fd, "GET /gate HTTP/1.1\r\nHost: a\r\n\r\n");
    drive_await(&d.at_gate, 1);
    CHECK(thread_start(&t, "gate", open_gate_later, &d, &err) == ST_OK);
    http_server_stop(d.server, NS_MS);
    thread_join(t);
    CHECK_INT(raw_recv_all(fd, &in).len, 0);
    CHECK_INT(d.done_gone, 1);
    buf_free(&in);
    close(fd);
}

struct hammer {
    struct drive *d;
    int rounds, seed;
    atomic_int bad;
};

static void hammer(void *arg)
{
    struct hammer *h = arg;
    struct buf in, out;
    buf_init(&in, 0);
    buf_init(&out, 0);
    int fd = raw_connect(h->d);
    for (int i = 0; i < h->rounds; i++) {
        size_t n = (size_t)(h->seed * 7919 + i * 104729) % 100000;
        buf_reset(&out);
        buf_printf(&out, "POST /%s HTTP/1.1\r\nHost: a\r\nContent-Length: %zu\r\n\r\n", i & 1 ? "echo" : "loop", n);
        size_t head = out.len;
        memset(buf_room(&out, n + 1), 'a' + i % 26, n);
        buf_added(&out, n);
        raw_send(fd, buf_as_slice(&out));
        struct slice answer = raw_recv_answer(fd, &in);
        if (raw_status(answer) != 200 || !slice_ends(answer, slice_skip(buf_as_slice(&out), head)))
            atomic_fetch_add(&h->bad, 1);
        mem_free((void *)answer.ptr);
    }
    close(fd);
    buf_free(&in);
    buf_free(&out);
}

TEST(server_serves_many_threads_at_once)
{
    enum { THREADS = 6, ROUNDS = 150 };
    struct drive d;
    struct err err;
    struct thread *t[THREADS];
    struct hammer h[THREADS];
    drive_init(&d);
    drive_start(&d);
    for (int i = 0; i < THREADS; i++) {
        h[i] = (struct hammer){ &d, ROUNDS, i, 0 };
        CHECK(thread_start(&t[i], "hammer", hammer, &h[i], &err) == ST_OK);
    }
    for (int i = 0; i < THREADS; i++) {
        thread_join(t[i]);
        CHECK_INT(h[i].bad, 0);
    }
    drive_await(&d.done, THREADS * ROUNDS);
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK_INT(stats.requests, THREADS * ROUNDS);
    CHECK_INT(stats.connections, THREADS);
    drive_stop(&d);
}

TEST(server_notices_a_port_that_is_taken)
{
    struct drive d;
    struct err err;
    struct http_server *second;
    drive_init(&d);
    drive_start(&d);
    struct http_options again = d.opt;
    again.address = d.address;
    CHECK(http_server_start(&second, &again, &err) == ST_EXISTS);
    CHECK(slice_contains(slice_str(err.text), SLICE("is taken by another program")));
    drive_stop(&d);
}

TEST(server_opens_further_listeners_with_tags)
{
    struct drive d;
    struct err err;
    struct slice bound;
    drive_init(&d);
    drive_start(&d);
    CHECK(http_server_listen(d.server, SLICE("[::1]:0"), NULL, NULL, 7, &bound, &err) == ST_OK);
    CHECK(slice_starts(bound, SLICE("[::1]:")));
    CHECK(!slice_ends(bound, SLICE(":0")));
    struct http_client *c;
    CHECK(http_client_new(&c, &err) == ST_OK);
    char url[100];
    snprintf(url, sizeof url, "http://%.*s/loop", SLICE_FMT(bound));
    struct client_request req = { .url = slice_str(url), .timeout_ns = 20 * NS_S, .response_bytes_max = 1000 };
    struct client_response resp;
    CHECK(http_client_do(c, &req, &resp, &err) == ST_OK);
    CHECK_INT(resp.status, 200);
    buf_free(&resp.body);
    http_client_free(c);
    drive_stop(&d);
}

TEST(server_says_what_is_wrong_with_a_certificate)
{
    struct drive d;
    struct err err;
    drive_init(&d);
    d.opt.tls_cert = d.opt.tls_key = "/nonexistent/cert.pem";
    CHECK(http_server_start(&d.server, &d.opt, &err) == ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("/nonexistent/cert.pem")));
}

TEST(listener_reads_addresses)
{
    struct address a;
    struct err err;
    char text[ADDRESS_TEXT_BYTES_MAX];
    CHECK(address_parse(SLICE("127.0.0.1:7862"), &a, &err) == ST_OK);
    CHECK_STR(address_print(&a.u.sa, text), "127.0.0.1:7862");
    CHECK(address_parse(SLICE("[::1]:80"), &a, &err) == ST_OK);
    CHECK_STR(address_print(&a.u.sa, text), "[::1]:80");
    CHECK(address_parse(SLICE("localhost:1"), &a, &err) == ST_OK);
    CHECK_STR(address_print(&a.u.sa, text), "127.0.0.1:1");
    CHECK(address_parse(SLICE(":4318"), &a, &err) == ST_OK);
    CHECK(a.any);
    CHECK(address_parse(SLICE("127.0.0.1"), &a, &err) == ST_INVALID);
    CHECK(address_parse(SLICE("127.0.0.1:70000"), &a, &err) == ST_INVALID);
    CHECK(address_parse(SLICE("example.org:80"), &a, &err) == ST_INVALID);
    CHECK(address_parse(SLICE("::1:80"), &a, &err) == ST_INVALID);
    CHECK(address_parse(SLICE(""), &a, &err) == ST_INVALID);
}
