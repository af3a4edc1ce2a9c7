/* SPDX-License-Identifier: Apache-2.0 */
#include "net/drive_test.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"

enum { ANSWER_BYTES_MAX = 64 * MIB, PATIENCE_S = 60, PIECE = 10000, SLOW_MS = 600 };

/* ---- Routes ---- */

static void echo(void *user, struct http_exchange *x)
{
    struct slice body = http_body(x);
    for (int i = 0; i < 64; i++)
        CHECK(body.ptr[body.len + (size_t)i] == 0);
    http_reply(x, 200, SLICE("application/octet-stream"), body);
}

static void wait_gate(struct drive *d)
{
    atomic_fetch_add(&d->at_gate, 1);
    mutex_lock(&d->lock);
    while (!d->gate_open)
        cond_wait(&d->cond, &d->lock);
    mutex_unlock(&d->lock);
}

static void stream(void *user, struct http_exchange *x)
{
    struct drive *d = user;
    char room[PIECE], text[64];
    size_t got;
    uint64_t total = 0, bad = 0;
    struct err err;
    enum status st;
    if (slice_starts(http_query(x), SLICE("wait=1")))
        wait_gate(d);
    while ((st = http_read(x, room, sizeof room, &got, &err)) == ST_OK && got) {
        for (size_t i = 0; i < got; i++)
            bad += (unsigned char)room[i] != (unsigned char)((total + i) % 251);
        total += got;
        atomic_store(&d->streamed, total);
    }
    if (slice_ends(http_query(x), SLICE("slow=1")))
        usleep(SLOW_MS * 1000);
    if (st == ST_CANCELLED)
        atomic_fetch_add(&d->cancelled, 1);
    if (st) {
        http_reply(x, st == ST_LIMIT ? 413 : st == ST_TIMEOUT ? 408 : 400, SLICE("text/plain"), slice_str(err.text));
        return;
    }
    int n = snprintf(text, sizeof text, "%llu bytes, %llu bad", (unsigned long long)total, (unsigned long long)bad);
    http_reply(x, 200, SLICE("text/plain"), slice_of(text, (size_t)n));
}

static void gate(void *user, struct http_exchange *x)
{
    wait_gate(user);
    http_reply(x, 200, SLICE("text/plain"), http_is_gone(x) ? SLICE("gone") : SLICE("here"));
}

static void put_pattern(char *to, uint64_t from, size_t n)
{
    for (size_t i = 0; i < n; i++)
        to[i] = (char)('a' + (from + i) % 26);
}

static void big(void *user, struct http_exchange *x)
{
    uint64_t n;
    CHECK(num_parse_u64(http_query(x), &n));
    struct buf b;
    buf_init(&b, 0);
    put_pattern(buf_room(&b, n + 1), 0, n);
    buf_added(&b, n);
    http_set_header(x, SLICE("X-Test"), SLICE("one\r\nInjected: two"));
    http_reply_buf(x, 200, SLICE("text/plain"), &b);
}

static void chunks(void *user, struct http_exchange *x)
{
    uint64_t n, at = 0;
    struct err err;
    CHECK(num_parse_u64(http_query(x), &n));
    http_begin(x, 200, SLICE("text/plain"));
    while (at < n) {
        char piece[PIECE];
        size_t k = MIN((uint64_t)sizeof piece, n - at);
        put_pattern(piece, at, k);
        if (http_write(x, slice_of(piece, k), &err) != ST_OK)
            break;
        at += k;
    }
    http_end(x);
}

static void until_gone(void *user, struct http_exchange *x)
{
    struct drive *d = user;
    struct err err;
    char piece[PIECE] = { 0 };
    http_begin(x, 200, SLICE("application/octet-stream"));
    while (http_write(x, slice_of(piece, sizeof piece), &err) == ST_OK)
        ;
    CHECK(err.status == ST_CANCELLED);
    atomic_fetch_add(&d->cancelled, 1);
    http_end(x);
}

static void on_websocket_closed(void *arg)
{
    atomic_fetch_add(&((struct drive *)arg)->websockets_closed, 1);
}

static void websocket(void *user, struct http_exchange *x)
{
    struct drive *d = user;
    struct websocket *w = websocket_accept(x, &(struct websocket_user){ on_websocket_closed, d });
    if (w == NULL)
        return;
    CHECK(websocket_send(w, SLICE("hello")));
    struct websocket *old = atomic_exchange(&d->websocket, w);
    if (old)
        websocket_drop(old);
    atomic_fetch_add(&d->websockets, 1);
}

static void grpc(void *user, struct http_exchange *x)
{
    struct slice m = http_body(x);
    if (slice_eq(m, SLICE("bad"))) {
        http_reply_grpc(x, 3, SLICE("100% wrong\n"));
        return;
    }
    if (slice_starts(m, SLICE("many"))) {
        struct err err;
        http_begin_grpc(x);
        CHECK(http_write_grpc(x, SLICE("one"), &err) == ST_OK && http_write_grpc(x, SLICE("two"), &err) == ST_OK);
        http_end_grpc(x, slice_eq(m, SLICE("many, then none")) ? 5 : 0, SLICE("no three\n"));
        return;
    }
    char *back = arena_alloc(http_arena(x), m.len + 1);
    for (size_t i = 0; i < m.len; i++)
        back[i] = m.ptr[m.len - 1 - i];
    http_reply_grpc(x, 0, slice_of(back, m.len));
}

static void memory(void *user, struct http_exchange *x)
{
    char text[NUM_TEXT_BYTES_MAX];
    http_reply(x, 200, SLICE("text/plain"), slice_of(text, num_format_u64(arena_bytes(http_arena(x)), text)));
}

static const struct http_route *find_route(void *user, struct http_exchange *x)
{
    struct drive *d = user;
    static const struct {
        struct slice path;
        unsigned flags;
        size_t max;
        void (*handle)(void *, struct http_exchange *);
    } table[] = {
        { SLICE_INIT("/echo"), 0, 32 * MIB, echo },
        { SLICE_INIT("/loop"), ROUTE_ON_LOOP, 32 * MIB, echo },
        { SLICE_INIT("/small"), ROUTE_ON_LOOP, 1000, echo },
        { SLICE_INIT("/stream"), ROUTE_STREAM, 32 * MIB, stream },
        { SLICE_INIT("/gate"), 0, MIB, gate },
        { SLICE_INIT("/big"), ROUTE_ON_LOOP, MIB, big },
        { SLICE_INIT("/chunks"), 0, MIB, chunks },
        { SLICE_INIT("/until-gone"), 0, MIB, until_gone },
        { SLICE_INIT("/websocket"), 0, MIB, websocket },
        { SLICE_INIT("/memory"), ROUTE_ON_LOOP, MIB, memory },
        { SLICE_INIT("/grpc"), ROUTE_ON_LOOP | ROUTE_GRPC, MIB, grpc },
    };
    if (slice_eq(http_path(x), SLICE("/denied"))) {
        http_set_header(x, SLICE("WWW-Authenticate"), SLICE("Bearer"));
        http_reply(x, 401, SLICE("text/plain"), SLICE("who are you?"));
        return NULL;
    }
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (slice_eq(http_path(x), table[i].path)) {
            struct http_route *r = arena_new_of(http_arena(x), struct http_route);
            *r = (struct http_route){ table[i].flags, table[i].max, table[i].handle, d };
            return r;
        }
    return NULL;
}

static void on_done(void *user, struct http_exchange *x, int status, uint64_t in, uint64_t out, int64_t ns)
{
    struct drive *d = user;
    CHECK(ns >= 0);
    atomic_fetch_add(&d->done, 1);
    if (status == 0)
        atomic_fetch_add(&d->done_gone, 1);
}

/* ---- The server ---- */

void drive_init(struct drive *d)
{
    memset(d, 0, sizeof *d);
    mutex_init(&d->lock);
    cond_init(&d->cond);
    d->budget = (struct budget){ .name = "bytes_in_flight", .max = 256 * MIB };
    d->opt = (struct http_options){ .address = SLICE("127.0.0.1:0"),
                                    .loops = 2,
                                    .workers = 4,
                                    .in_flight = &d->budget,
                                    .route = find_route,
                                    .done = on_done,
                                    .user = d };
}

void drive_start(struct drive *d)
{
    struct err err;
    if (http_server_start(&d->server, &d->opt, &err) != ST_OK)
        unit_fail(__FILE__, __LINE__, err.text);
    d->address = http_server_address(d->server);
    size_t colon = slice_find_char(d->address, ':', 0);
    uint64_t port;
    CHECK(num_parse_u64(slice_skip(d->address, colon + 1), &port));
    d->port = (int)port;
}

void drive_open_gate(struct drive *d)
{
    mutex_lock(&d->lock);
    d->gate_open = true;
    cond_broadcast(&d->cond);
    mutex_unlock(&d->lock);
}

void drive_stop(struct drive *d)
{
    drive_open_gate(d);
    http_server_stop(d->server, 5 * NS_S);
    CHECK_INT(atomic_load(&d->websockets_closed), atomic_load(&d->websockets));
    if (atomic_load(&d->websocket))
        websocket_drop(atomic_load(&d->websocket));
    CHECK_INT(atomic_load(&d->budget.used), 0);
    mutex_destroy(&d->lock);
    cond_destroy(&d->cond);
}

void drive_await(atomic_int *n, int want)
{
    for (int i = 0; i < PATIENCE_S * 1000 && atomic_load(n) < want; i++)
        usleep(1000);
    CHECK(atomic_load(n) >= want);
}

/* ---- Raw sockets ---- */

int raw_connect(const struct drive *d)
{
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    struct sockaddr_in to = { .sin_family = AF_INET,
                              .sin_port = htons((uint16_t)d->port),
                              .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    struct timeval patience = { .tv_sec = PATIENCE_S };
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof patience);
    CHECK(connect(fd, (struct sockaddr *)&to, sizeof to) == 0);
    return fd;
}

void raw_send(int fd, struct slice bytes)
{
    while (bytes.len) {
        ssize_t n = send(fd, bytes.ptr, bytes.len, MSG_NOSIGNAL);
        if (n <= 0)
            return; /* the server has closed: the answer tells */
        bytes = slice_skip(bytes, (size_t)n);
    }
}

static bool recv_some(int fd, struct buf *into)
{
    char *to = buf_room(into, 65536);
    CHECK(to);
    ssize_t n = recv(fd, to, 65536, 0);
    if (n > 0)
        buf_added(into, (size_t)n);
    return n > 0;
}

struct slice raw_recv_all(int fd, struct buf *into)
{
    buf_init(into, ANSWER_BYTES_MAX);
    while (recv_some(fd, into))
        ;
    return buf_as_slice(into);
}

struct slice raw_recv_answer(int fd, struct buf *into)
{
    for (;;) {
        struct slice all = buf_as_slice(into);
        size_t end = slice_find(all, SLICE("\r\n\r\n"), 0);
        if (end != SIZE_MAX) {
            struct slice head = slice_sub(all, 0, end);
            size_t at = slice_find(head, SLICE("Content-Length: "), 0);
            struct slice number, rest;
            uint64_t length = 0;
            if (at != SIZE_MAX) {
                slice_cut(slice_skip(head, at + 16), '\r', &number, &rest);
                CHECK(num_parse_u64(number, &length));
            }
            if (all.len >= end + 4 + length) {
                char *copy = mem_alloc(end + 4 + length);
                memcpy(copy, all.ptr, end + 4 + length);
                memmove(into->ptr, into->ptr + end + 4 + length, all.len - (end + 4 + length));
                into->len -= end + 4 + length;
                return slice_of(copy, end + 4 + length);
            }
        }
        if (!recv_some(fd, into))
            return SLICE_EMPTY;
    }
}

struct slice raw_ask(const struct drive *d, struct slice request, struct buf *into)
{
    int fd = raw_connect(d);
    raw_send(fd, request);
    struct slice answer = raw_recv_all(fd, into);
    close(fd);
    return answer;
}

int raw_status(struct slice answer)
{
    uint64_t status;
    if (!slice_starts(answer, SLICE("HTTP/1.1 ")) || !num_parse_u64(slice_sub(answer, 9, 12), &status))
        return -1;
    return (int)status;
}

/* ---- TLS ---- */

void make_certificate(const char *dir, char cert[128], char key[128])
{
    snprintf(cert, 128, "%s/cert.pem", dir);
    snprintf(key, 128, "%s/key.pem", dir);
    EVP_PKEY *k = EVP_EC_gen("P-256");
    X509 *c = X509_new();
    ASN1_INTEGER_set(X509_get_serialNumber(c), 1);
    X509_set_version(c, 2);
    X509_gmtime_adj(X509_getm_notBefore(c), -3600);
    X509_gmtime_adj(X509_getm_notAfter(c), 86400);
    X509_set_pubkey(c, k);
    X509_NAME *name = X509_get_subject_name(c);
    X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC, (const unsigned char *)"localhost", -1, -1, 0);
    X509_set_issuer_name(c, name);
    X509_EXTENSION *ext =
        X509V3_EXT_conf_nid(NULL, NULL, NID_subject_alt_name, "DNS:localhost,DNS:stoa.test,IP:127.0.0.1");
    CHECK(ext && X509_add_ext(c, ext, -1));
    X509_EXTENSION_free(ext);
    CHECK(X509_sign(c, k, EVP_sha256()) > 0);
    FILE *f = fopen(cert, "w");
    CHECK(f && PEM_write_X509(f, c) == 1 && fclose(f) == 0);
    f = fopen(key, "w");
    CHECK(f && PEM_write_PrivateKey(f, k, NULL, NULL, 0, NULL, NULL) == 1 && fclose(f) == 0);
    X509_free(c);
    EVP_PKEY_free(k);
}
