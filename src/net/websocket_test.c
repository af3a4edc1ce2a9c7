/* SPDX-License-Identifier: Apache-2.0 */
#include <sys/socket.h>
#include <unistd.h>

#include "net/drive_test.h"

#define HELLO "\x81\x05hello"
/* The key and its answer are RFC 6455's own, section 1.3. */
#define HANDSHAKE                                                                                        \
    "GET /websocket HTTP/1.1\r\nHost: a:1\r\nConnection: keep-alive, Upgrade\r\nUpgrade: websocket\r\n" \
    "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"

/* Receives until *into ends in what is wanted. */
static void expect(int fd, struct buf *into, struct slice want)
{
    char piece[4096];
    ssize_t n = 1;
    while (!slice_ends(buf_as_slice(into), want) && (n = recv(fd, piece, sizeof piece, 0)) > 0)
        buf_put(into, piece, (size_t)n);
    CHECK(slice_ends(buf_as_slice(into), want));
}
#define EXPECT(fd, into, literal) expect((fd), (into), SLICE(literal))

struct peer {
    struct drive d;
    struct buf in;
    int fd;
};

static void begin(struct peer *p)
{
    buf_init(&p->in, 0);
    drive_init(&p->d);
    drive_start(&p->d);
    p->fd = raw_connect(&p->d);
    RAW_SEND(p->fd, HANDSHAKE "\r\n");
    EXPECT(p->fd, &p->in, HELLO);
    drive_await(&p->d.websockets, 1);
    buf_reset(&p->in);
}

/* Everything until the connection is over. */
static void the_rest(struct peer *p)
{
    buf_free(&p->in);
    raw_recv_all(p->fd, &p->in);
}

static void end(struct peer *p)
{
    close(p->fd);
    buf_free(&p->in);
    drive_stop(&p->d);
}

static void frame(int fd, uint8_t first, struct slice payload)
{
    struct buf b;
    buf_init(&b, 0);
    buf_u8(&b, first);
    buf_u8(&b, payload.len < 126 ? (uint8_t)(0x80 | payload.len) : 0xfe);
    if (payload.len >= 126) {
        buf_u8(&b, (uint8_t)(payload.len >> 8));
        buf_u8(&b, (uint8_t)payload.len);
    }
    buf_put(&b, "\1\2\3\4", 4);
    for (size_t i = 0; i < payload.len; i++)
        buf_u8(&b, (uint8_t)payload.ptr[i] ^ (uint8_t)(i % 4 + 1));
    raw_send(fd, buf_as_slice(&b));
    buf_free(&b);
}

/* The peer says something that is against the rules: the goodbye names this code. */
static void check_refused(uint8_t first, struct slice payload, struct slice code)
{
    struct peer p;
    begin(&p);
    frame(p.fd, first, payload);
    the_rest(&p);
    CHECK(p.in.len >= 4 && (uint8_t)p.in.ptr[0] == 0x88 && slice_eq(slice_sub(buf_as_slice(&p.in), 2, 4), code));
    end(&p);
}

TEST(websocket_answers_the_handshake_and_sends)
{
    struct peer p;
    buf_init(&p.in, 0);
    drive_init(&p.d);
    drive_start(&p.d);
    p.fd = raw_connect(&p.d);
    RAW_SEND(p.fd, HANDSHAKE "Origin: http://a:1\r\n\r\n");
    EXPECT(p.fd, &p.in, HELLO);
    CHECK(slice_starts(buf_as_slice(&p.in), SLICE("HTTP/1.1 101 Switching Protocols\r\n")));
    CHECK(slice_contains(buf_as_slice(&p.in), SLICE("Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n")));
    CHECK(!slice_contains(buf_as_slice(&p.in), SLICE("Content-Length")));
    drive_await(&p.d.websockets, 1);
    CHECK(websocket_send(atomic_load(&p.d.websocket), SLICE("more")));
    EXPECT(p.fd, &p.in, "\x81\x04more");
    end(&p);
}

TEST(websocket_refuses_what_is_no_handshake)
{
    static const struct {
        struct slice head;
        int status;
    } asked[] = {
        { SLICE_INIT("Host: a\r\n\r\n"), 400 },
        { SLICE_INIT("Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 8\r\nSec-WebSocket-Key: "
                     "dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"), 426 },
        { SLICE_INIT("Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\n"
                     "Sec-WebSocket-Key: c2hvcnQ=\r\n\r\n"), 400 },
        { SLICE_INIT("Host: a\r\nConnection: Upgrade\r\nUpgrade: websocket\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: "
                     "dGhlIHNhbXBsZSBub25jZQ==\r\nOrigin: http://evil.example\r\n\r\n"), 403 },
    };
    struct drive d;
    struct buf in;
    drive_init(&d);
    drive_start(&d);
    for (size_t i = 0; i < COUNT_OF(asked); i++) {
        int fd = raw_connect(&d);
        buf_init(&in, 0);
        RAW_SEND(fd, "GET /websocket HTTP/1.1\r\n");
        raw_send(fd, asked[i].head);
        struct slice answer = raw_recv_answer(fd, &in);
        CHECK_INT(raw_status(answer), asked[i].status);
        mem_free((char *)answer.ptr);
        buf_free(&in);
        close(fd);
    }
    drive_stop(&d);
}

TEST(websocket_answers_pings_inside_of_a_message_in_pieces)
{
    struct peer p;
    begin(&p);
    frame(p.fd, 0x01, SLICE("half a "));
    frame(p.fd, 0x89, SLICE("are you there"));
    frame(p.fd, 0x80, SLICE("message"));
    EXPECT(p.fd, &p.in, "\x8a\x0d" "are you there");
    frame(p.fd, 0x8a, SLICE_EMPTY);
    frame(p.fd, 0x88, SLICE("\x03\xe8"));
    the_rest(&p);
    CHECK(slice_ends(buf_as_slice(&p.in), SLICE("\x88\x02\x03\xe8")));
    end(&p);
}

TEST(websocket_ends_what_breaks_the_rules_with_its_code)
{
    char large[60000];
    memset(large, 'x', sizeof large);
    check_refused(0x83, SLICE("unknown"), SLICE("\x03\xea"));
    check_refused(0xc1, SLICE("compressed"), SLICE("\x03\xea"));
    check_refused(0x80, SLICE("goes on"), SLICE("\x03\xea"));
    check_refused(0x09, SLICE("ping in pieces"), SLICE("\x03\xea"));
    check_refused(0x81, SLICE("\xff\xfe"), SLICE("\x03\xef"));
    check_refused(0x88, SLICE("\x03"), SLICE("\x03\xea"));
    struct peer p;
    begin(&p);
    frame(p.fd, 0x01, slice_of(large, sizeof large));
    frame(p.fd, 0x80, slice_of(large, sizeof large));
    the_rest(&p);
    CHECK(slice_eq(slice_sub(buf_as_slice(&p.in), 2, 4), SLICE("\x03\xf1")));
    end(&p);
    begin(&p);
    RAW_SEND(p.fd, "\x81\x02hi"); /* not masked */
    the_rest(&p);
    CHECK(slice_eq(slice_sub(buf_as_slice(&p.in), 2, 4), SLICE("\x03\xea")));
    end(&p);
}

TEST(websocket_never_waits_for_a_peer_that_does_not_read)
{
    struct peer p;
    begin(&p);
    struct websocket *w = atomic_load(&p.d.websocket);
    struct slice piece = slice_of(mem_alloc(MIB), MIB);
    memset((char *)piece.ptr, 'x', MIB);
    int sent = 0;
    while (sent < 1000 && websocket_send(w, piece))
        sent++;
    CHECK(sent >= 3 && sent < 1000);
    websocket_close(w, WEBSOCKET_TRY_LATER, SLICE("too slow"));
    CHECK(websocket_is_gone(w) && !websocket_send(w, SLICE("late")));
    the_rest(&p); /* it reads at last: all that was taken, and the goodbye */
    CHECK_INT((int)(p.in.len / MIB), sent);
    CHECK(slice_ends(buf_as_slice(&p.in), SLICE("\x88\x0a\x03\xf5too slow")));
    mem_free((char *)piece.ptr);
    end(&p);
}

TEST(websocket_tells_its_user_when_the_peer_leaves)
{
    struct peer p;
    begin(&p);
    close(p.fd);
    p.fd = -1;
    drive_await(&p.d.websockets_closed, 1);
    CHECK(!websocket_send(atomic_load(&p.d.websocket), SLICE("nobody")));
    end(&p);
}

TEST(websocket_says_goodbye_when_the_server_stops)
{
    struct peer p;
    begin(&p);
    http_server_stop(p.d.server, 5 * NS_S);
    the_rest(&p);
    CHECK(slice_eq(slice_sub(buf_as_slice(&p.in), 0, 4), SLICE("\x88\x12\x03\xe9")));
    close(p.fd);
    websocket_drop(atomic_load(&p.d.websocket));
    buf_free(&p.in);
    mutex_destroy(&p.d.lock);
    cond_destroy(&p.d.cond);
}
