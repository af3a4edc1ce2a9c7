/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 driven two ways: by libcurl (prior knowledge), and by a bare nghttp2 client for what libcurl would never do. */
#include <curl/curl.h>
#include <nghttp2/nghttp2.h>
#include <poll.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "codec/compress.h"
#include "net/drive_test.h"

struct answer {
    long status;
    struct buf body, headers; /* trailers too, in the order of coming */
};

static size_t keep(char *bytes, size_t size, size_t n, void *arg)
{
    buf_put(arg, bytes, size * n);
    return size * n;
}

/* type: the Content-Type to send, "" for none. */
static void post(const struct drive *d, const char *path, const char *more_header, const char *type, struct slice body,
                 struct answer *a)
{
    char url[100], line[100];
    CURL *e = curl_easy_init();
    buf_init(&a->body, 0);
    buf_init(&a->headers, 0);
    snprintf(url, sizeof url, "http://%.*s%s", SLICE_FMT(d->address), path);
    snprintf(line, sizeof line, "Content-Type: %s", type);
    struct curl_slist *headers = curl_slist_append(NULL, line);
    if (more_header)
        headers = curl_slist_append(headers, more_header);
    curl_easy_setopt(e, CURLOPT_URL, url);
    curl_easy_setopt(e, CURLOPT_PROXY, "");
    curl_easy_setopt(e, CURLOPT_NOSIGNAL, 1L);
    curl_easy_setopt(e, CURLOPT_TIMEOUT, 60L);
    curl_easy_setopt(e, CURLOPT_HTTP_VERSION, (long)CURL_HTTP_VERSION_2_PRIOR_KNOWLEDGE);
    curl_easy_setopt(e, CURLOPT_HTTPHEADER, headers);
    curl_easy_setopt(e, CURLOPT_POSTFIELDSIZE_LARGE, (curl_off_t)body.len);
    curl_easy_setopt(e, CURLOPT_POSTFIELDS, body.ptr);
    curl_easy_setopt(e, CURLOPT_WRITEFUNCTION, keep);
    curl_easy_setopt(e, CURLOPT_WRITEDATA, &a->body);
    curl_easy_setopt(e, CURLOPT_HEADERFUNCTION, keep);
    curl_easy_setopt(e, CURLOPT_HEADERDATA, &a->headers);
    CURLcode rc = curl_easy_perform(e);
    if (rc != CURLE_OK)
        unit_fail(__FILE__, __LINE__, curl_easy_strerror(rc));
    curl_easy_getinfo(e, CURLINFO_RESPONSE_CODE, &a->status);
    curl_slist_free_all(headers);
    curl_easy_cleanup(e);
}

static void forget(struct answer *a)
{
    buf_free(&a->body);
    buf_free(&a->headers);
}

TEST(http2_carries_bodies_both_ways)
{
    struct drive d;
    struct answer a;
    drive_init(&d);
    drive_start(&d);
    enum { BYTES = 5 * MIB + 3 };
    char *bytes = mem_alloc(BYTES);
    for (size_t i = 0; i < BYTES; i++)
        bytes[i] = (char)(i % 251);
    post(&d, "/echo", NULL, "x/y", slice_of(bytes, BYTES), &a);
    CHECK_INT(a.status, 200);
    CHECK(slice_eq(buf_as_slice(&a.body), slice_of(bytes, BYTES)));
    forget(&a);
    post(&d, "/stream", NULL, "x/y", slice_of(bytes, BYTES), &a);
    CHECK_STR(buf_as_slice(&a.body), "5242883 bytes, 0 bad");
    forget(&a);
    post(&d, "/chunks?3000000", NULL, "x/y", SLICE("x"), &a);
    CHECK_INT(a.body.len, 3000000);
    forget(&a);
    post(&d, "/small", NULL, "x/y", slice_of(bytes, 1001), &a);
    CHECK_INT(a.status, 413);
    forget(&a);
    post(&d, "/nowhere", NULL, "x/y", slice_of(bytes, 1001), &a);
    CHECK_INT(a.status, 404);
    forget(&a);
    post(&d, "/stream", "Transfer-Encoding: chunked", "x/y", slice_of(bytes, 200), &a);
    CHECK_STR(buf_as_slice(&a.body), "200 bytes, 0 bad");
    forget(&a);
    mem_free(bytes);
    drive_stop(&d);
}

TEST(grpc_calls_end_with_trailers)
{
    struct drive d;
    struct answer a;
    drive_init(&d);
    drive_start(&d);
    post(&d, "/grpc", "TE: trailers", "application/grpc+proto", slice_of("\0\0\0\0\3abc", 8), &a);
    CHECK_INT(a.status, 200);
    CHECK(slice_eq(buf_as_slice(&a.body), slice_of("\0\0\0\0\3cba", 8)));
    size_t end = slice_find(buf_as_slice(&a.headers), SLICE("\r\n\r\n"), 0);
    size_t at = slice_find(buf_as_slice(&a.headers), SLICE("grpc-status: 0\r\n"), 0);
    CHECK(at != SIZE_MAX && at > end);
    forget(&a);
    post(&d, "/grpc", "TE: trailers", "application/grpc", slice_of("\0\0\0\0\3bad", 8), &a);
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 3\r\n")));
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-message: 100%25 wrong%0A\r\n")));
    CHECK_INT(a.body.len, 0);
    forget(&a);
    post(&d, "/grpc", "TE: trailers", "application/grpc", slice_of("\0\0\0\0\4many", 9), &a);
    CHECK(slice_eq(buf_as_slice(&a.body), slice_of("\0\0\0\0\3one\0\0\0\0\3two", 16)));
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 0\r\n")) && !slice_contains(buf_as_slice(&a.headers), SLICE("grpc-message")));
    forget(&a);
    post(&d, "/grpc", "TE: trailers", "application/grpc", slice_of("\0\0\0\0\17many, then none", 20), &a);
    CHECK_INT(a.body.len, 16);
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 5\r\n")));
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-message: no three%0A\r\n")));
    forget(&a);
    drive_stop(&d);
}

TEST(grpc_takes_packed_messages_and_names_what_it_does_not_take)
{
    struct drive d;
    struct answer a;
    struct buf frame, packed;
    drive_init(&d);
    drive_start(&d);
    buf_init(&packed, 0);
    buf_init(&frame, 0);
    gzip_compress(SLICE("hello"), 1, &packed);
    buf_put(&frame, (char[]){ 1, 0, 0, 0, (char)packed.len }, 5);
    buf_slice(&frame, buf_as_slice(&packed));
    post(&d, "/grpc", "grpc-encoding: gzip", "application/grpc", buf_as_slice(&frame), &a);
    CHECK(slice_eq(buf_as_slice(&a.body), slice_of("\0\0\0\0\5olleh", 10)));
    forget(&a);
    post(&d, "/grpc", "grpc-encoding: br", "application/grpc", buf_as_slice(&frame), &a);
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 12\r\n")));
    forget(&a);
    post(&d, "/grpc", NULL, "application/grpc", slice_of("\0\0\0\0\11abc", 8), &a);
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 3\r\n")));
    forget(&a);
    post(&d, "/nothing.Here/Call", NULL, "application/grpc", slice_of("\0\0\0\0\0", 5), &a);
    CHECK(slice_contains(buf_as_slice(&a.headers), SLICE("grpc-status: 12\r\n")));
    forget(&a);
    buf_free(&packed);
    buf_free(&frame);
    drive_stop(&d);
}

/* ---- The bare client ---- */

struct bare {
    nghttp2_session *session;
    int fd, closed, refused, goaway_code, status;
    bool eof;
    size_t body_bytes;
};

static int bare_closed(nghttp2_session *s, int32_t id, uint32_t code, void *user)
{
    struct bare *b = user;
    b->closed++;
    b->refused += code == NGHTTP2_REFUSED_STREAM;
    return 0;
}

static int bare_frame(nghttp2_session *s, const nghttp2_frame *f, void *user)
{
    struct bare *b = user;
    if (f->hd.type == NGHTTP2_GOAWAY)
        b->goaway_code = (int)f->goaway.error_code;
    return 0;
}

static int bare_header(nghttp2_session *s, const nghttp2_frame *f, const uint8_t *name, size_t name_len,
                       const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct bare *b = user;
    if (slice_eq(slice_of(name, name_len), SLICE(":status")))
        b->status = (value[0] - '0') * 100 + (value[1] - '0') * 10 + (value[2] - '0');
    return 0;
}

static int bare_data(nghttp2_session *s, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user)
{
    struct bare *b = user;
    b->body_bytes += n;
    return 0;
}

static void bare_open(struct bare *b, const struct drive *d, bool take_nothing)
{
    memset(b, 0, sizeof *b);
    b->fd = raw_connect(d);
    b->goaway_code = -1;
    nghttp2_session_callbacks *cb;
    nghttp2_option *opt;
    nghttp2_session_callbacks_new(&cb);
    nghttp2_option_new(&opt);
    nghttp2_option_set_peer_max_concurrent_streams(opt, 100000);
    nghttp2_option_set_no_auto_window_update(opt, take_nothing);
    nghttp2_session_callbacks_set_on_stream_close_callback(cb, bare_closed);
    nghttp2_session_callbacks_set_on_frame_recv_callback(cb, bare_frame);
    nghttp2_session_callbacks_set_on_header_callback(cb, bare_header);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(cb, bare_data);
    CHECK(nghttp2_session_client_new2(&b->session, cb, b, opt) == 0);
    nghttp2_session_callbacks_del(cb);
    nghttp2_option_del(opt);
    nghttp2_submit_settings(b->session, NGHTTP2_FLAG_NONE, NULL, 0);
}

static void bare_close(struct bare *b)
{
    nghttp2_session_del(b->session);
    close(b->fd);
}

#define NV(n, v) { (uint8_t *)(n), (uint8_t *)(v), sizeof(n) - 1, slice_str(v).len, NGHTTP2_NV_FLAG_NONE }

static int32_t bare_request(struct bare *b, const char *method, const char *path, const char *extra,
                            nghttp2_data_provider *body)
{
    nghttp2_nv nv[] = { NV(":method", method), NV(":scheme", "http"), NV(":authority", "a"), NV(":path", path),
                        NV("x-extra", extra) };
    return nghttp2_submit_request(b->session, NULL, nv, COUNT_OF(nv), body, NULL);
}

/* Sends what there is to send and receives, until nothing has come for wait_ms. */
static void bare_run(struct bare *b, int wait_ms)
{
    const uint8_t *bytes;
    ssize_t n;
    for (;;) {
        while ((n = nghttp2_session_mem_send(b->session, &bytes)) > 0)
            raw_send(b->fd, slice_of(bytes, (size_t)n));
        struct pollfd p = { b->fd, POLLIN, 0 };
        char room[16384];
        if (b->eof || poll(&p, 1, wait_ms) <= 0)
            return;
        n = recv(b->fd, room, sizeof room, 0);
        if (n <= 0)
            b->eof = true;
        else
            nghttp2_session_mem_recv(b->session, (uint8_t *)room, (size_t)n);
    }
}

/* Runs until *what is at least want or the connection has ended. */
static void bare_await(struct bare *b, const int *what, int want)
{
    for (int i = 0; i < 600 && *what < want && !b->eof; i++)
        bare_run(b, 100);
}

TEST(http2_streams_run_beside_each_other)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    drive_start(&d);
    bare_open(&b, &d, false);
    bare_request(&b, "GET", "/gate", "", NULL);
    for (int i = 0; i < 20; i++)
        bare_request(&b, "GET", i & 1 ? "/echo" : "/big?20000", "", NULL);
    bare_await(&b, &b.closed, 20);
    CHECK_INT(b.closed, 20);
    drive_open_gate(&d);
    bare_await(&b, &b.closed, 21);
    CHECK_INT(b.closed, 21);
    CHECK_INT(b.body_bytes, 10 * 20000 + 4);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_more_streams_than_allowed_are_refused)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    d.opt.streams_max = 3;
    drive_start(&d);
    bare_open(&b, &d, false);
    for (int i = 0; i < 5; i++)
        bare_request(&b, "GET", "/gate", "", NULL);
    bare_await(&b, &b.refused, 2);
    CHECK_INT(b.refused, 2);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_long_urls_and_headers_are_refused)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    d.opt.url_bytes_max = 100;
    d.opt.header_bytes_max = 500;
    drive_start(&d);
    char text[1001];
    memset(text, 'a', 1000);
    text[0] = '/';
    text[1000] = 0;
    bare_open(&b, &d, false);
    bare_request(&b, "GET", text, "", NULL);
    bare_await(&b, &b.closed, 1);
    CHECK_INT(b.status, 414);
    bare_request(&b, "GET", "/loop", text, NULL);
    bare_await(&b, &b.closed, 2);
    CHECK_INT(b.status, 431);
    bare_request(&b, "GET", "/loop", "", NULL);
    bare_await(&b, &b.closed, 3);
    CHECK_INT(b.status, 200);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_a_peer_that_opens_and_resets_without_end_is_dropped)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    drive_start(&d);
    bare_open(&b, &d, false);
    bare_run(&b, 50);
    for (int i = 0; i < 400 && b.goaway_code < 0 && !b.eof; i++) {
        int32_t id = bare_request(&b, "GET", "/loop", "", NULL);
        bare_run(&b, 0);
        nghttp2_submit_rst_stream(b.session, NGHTTP2_FLAG_NONE, id, NGHTTP2_CANCEL);
        bare_run(&b, 0);
    }
    for (int i = 0; i < 100 && !b.eof; i++)
        bare_run(&b, 100);
    CHECK(b.eof);
    CHECK_INT(b.goaway_code, NGHTTP2_ENHANCE_YOUR_CALM);
    bare_close(&b);
    drive_stop(&d);
}

static ssize_t endless(nghttp2_session *s, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                       nghttp2_data_source *source, void *user)
{
    size_t *left = source->ptr, n = MIN(room, *left), total = 30 * MIB;
    for (size_t i = 0; i < n; i++)
        to[i] = (uint8_t)((total - *left + i) % 251);
    *left -= n;
    if (*left == 0)
        *flags |= NGHTTP2_DATA_FLAG_EOF;
    return (ssize_t)n;
}

TEST(http2_a_slow_reader_stops_its_own_stream_only)
{
    struct drive d;
    struct bare b;
    size_t left = 30 * MIB;
    drive_init(&d);
    drive_start(&d);
    bare_open(&b, &d, false);
    bare_request(&b, "POST", "/stream?wait=1", "", &(nghttp2_data_provider){ .source.ptr = &left, .read_callback = endless });
    bare_run(&b, 200);
    CHECK(left > 29 * MIB);
    bare_request(&b, "GET", "/big?50000", "", NULL);
    bare_await(&b, &b.closed, 1);
    CHECK_INT(b.body_bytes, 50000);
    drive_open_gate(&d);
    bare_await(&b, &b.closed, 2);
    CHECK_INT(left, 0);
    CHECK_INT(b.body_bytes, 50000 + 21); /* and "31457280 bytes, 0 bad" */
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_an_answer_nobody_takes_is_given_up)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    d.opt.write_timeout_ns = 100 * NS_MS;
    drive_start(&d);
    bare_open(&b, &d, true); /* never opens its windows */
    bare_request(&b, "GET", "/until-gone", "", NULL);
    bare_await(&b, &b.closed, 1);
    drive_await(&d.cancelled, 1);
    CHECK_INT(b.closed, 1);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_bodies_that_stop_coming_are_given_up)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    d.opt.body_timeout_ns = 100 * NS_MS;
    drive_start(&d);
    bare_open(&b, &d, false);
    nghttp2_nv nv[] = { NV(":method", "POST"), NV(":scheme", "http"), NV(":authority", "a"), NV(":path", "/echo") };
    nghttp2_submit_headers(b.session, NGHTTP2_FLAG_NONE, -1, NULL, nv, COUNT_OF(nv), NULL);
    bare_await(&b, &b.closed, 1);
    CHECK_INT(b.status, 408);
    nv[3] = (nghttp2_nv)NV(":path", "/stream");
    nghttp2_submit_headers(b.session, NGHTTP2_FLAG_NONE, -1, NULL, nv, COUNT_OF(nv), NULL);
    bare_await(&b, &b.closed, 2);
    CHECK_INT(b.status, 408);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_a_stopping_server_ends_what_runs_and_takes_no_more)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    drive_start(&d);
    bare_open(&b, &d, false);
    bare_request(&b, "GET", "/gate", "", NULL);
    bare_run(&b, 0);
    drive_await(&d.at_gate, 1);
    drive_stop(&d);
    bare_await(&b, &b.closed, 1);
    CHECK_INT(b.status, 200);
    CHECK_INT(b.goaway_code, NGHTTP2_NO_ERROR);
    bare_close(&b);
}

TEST(http2_idle_connections_are_closed)
{
    struct drive d;
    struct bare b;
    drive_init(&d);
    d.opt.idle_timeout_ns = 50 * NS_MS;
    drive_start(&d);
    bare_open(&b, &d, false);
    for (int i = 0; i < 100 && !b.eof; i++)
        bare_run(&b, 100);
    CHECK(b.eof);
    CHECK_INT(b.goaway_code, NGHTTP2_NO_ERROR);
    bare_close(&b);
    drive_stop(&d);
}

TEST(http2_nonsense_ends_the_connection)
{
    struct drive d;
    struct buf in;
    drive_init(&d);
    drive_start(&d);
    struct slice answer = raw_ask(&d, SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\nthis is no frame of any kind at all, I fear"), &in);
    CHECK(!slice_starts(answer, SLICE("HTTP/1.1")));
    buf_free(&in);
    struct http_stats stats;
    http_server_stats(d.server, &stats);
    CHECK(stats.protocol_errors >= 1);
    drive_stop(&d);
}
