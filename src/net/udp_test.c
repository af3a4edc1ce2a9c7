/* SPDX-License-Identifier: Apache-2.0 */
#include "net/udp.h"

#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "base/buf.h"
#include "base/num.h"
#include "base/unit.h"
#include "sys/thread.h"

/* Messages one behind the other, each ended by '.'. */
struct ear {
    struct loop *loop;
    struct mutex lock;
    struct cond cond;
    struct buf heard;
    size_t count;
};

static void on_message(void *arg, struct slice bytes)
{
    struct ear *e = arg;
    mutex_lock(&e->lock);
    buf_slice(&e->heard, slice_sub(bytes, 0, 100));
    buf_char(&e->heard, '.');
    e->count++;
    cond_signal(&e->cond);
    mutex_unlock(&e->lock);
}

static struct message_options ear_begin(struct ear *e)
{
    struct err err;
    *e = (struct ear){ 0 };
    mutex_init(&e->lock);
    cond_init(&e->cond);
    buf_init(&e->heard, 0);
    CHECK_INT(loop_new(&e->loop, "test", &err), ST_OK);
    return (struct message_options){ .loop = e->loop, .arg = e, .message = on_message };
}

static void ear_end(struct ear *e)
{
    loop_free(e->loop);
    buf_free(&e->heard);
    mutex_destroy(&e->lock);
    cond_destroy(&e->cond);
}

static void await(struct ear *e, size_t count)
{
    mutex_lock(&e->lock);
    while (e->count < count)
        cond_wait(&e->cond, &e->lock);
    mutex_unlock(&e->lock);
}

static int talk(struct slice address, int type)
{
    struct address a;
    struct sockaddr_un un = { .sun_family = AF_UNIX };
    int fd;
    if (slice_starts(address, SLICE("/"))) {
        memcpy(un.sun_path, address.ptr, address.len);
        fd = socket(AF_UNIX, type, 0);
        CHECK(fd >= 0 && connect(fd, (struct sockaddr *)&un, sizeof un) == 0);
        return fd;
    }
    CHECK_INT(address_parse(address, &a, NULL), ST_OK);
    fd = socket(AF_INET, type, 0);
    CHECK(fd >= 0 && connect(fd, &a.u.sa, (socklen_t)address_len(&a)) == 0);
    return fd;
}

static void say(int fd, const void *bytes, size_t n)
{
    CHECK(send(fd, bytes, n, 0) == (ssize_t)n);
}

static struct slice socket_path(char room[64])
{
    int n = snprintf(room, 64, "/tmp/stoa-udp-test-%d.sock", (int)getpid());
    return slice_of(room, (size_t)n);
}

static void datagrams_arrive(struct slice address)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct message_stats stats = { 0 };
    struct udp *u;
    struct err err;
    CHECK_INT(udp_open(&u, &opt, address, &err), ST_OK);
    int fd = talk(udp_address(u), SOCK_DGRAM);
    for (size_t i = 0; i < 200; i++) {
        say(fd, "one", 3);
        await(&e, i + 1);
    }
    say(fd, "", 0);
    await(&e, 201);
    udp_stats(u, &stats);
    CHECK_INT(stats.messages, 201);
    CHECK_INT(stats.bytes, 600);
    CHECK(slice_starts(buf_as_slice(&e.heard), SLICE("one.one.")));
    close(fd);
    udp_close(u);
    ear_end(&e);
}

TEST(udp_datagrams_arrive_each_as_one)
{
    datagrams_arrive(SLICE("127.0.0.1:0"));
}

TEST(udp_a_path_is_a_unix_socket_and_goes_with_it)
{
    char room[64];
    struct slice path = socket_path(room);
    datagrams_arrive(path);
    CHECK(access(room, F_OK) != 0);
}

TEST(udp_what_the_kernel_drops_is_counted)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct message_stats stats = { 0 };
    struct udp *u;
    struct err err;
    enum { FLOOD = 30000, BYTES = 1000 };
    static char text[BYTES];
    CHECK_INT(udp_open(&u, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    int fd = talk(udp_address(u), SOCK_DGRAM);
    mutex_lock(&e.lock); /* nobody takes any while the flood comes */
    for (int i = 0; i < FLOOD; i++)
        say(fd, text, BYTES);
    mutex_unlock(&e.lock);
    while (stats.messages + stats.dropped < FLOOD) { /* those dropped last as well, behind which none came */
        usleep(1000);
        stats = (struct message_stats){ 0 };
        udp_stats(u, &stats);
    }
    CHECK(stats.dropped > 0);
    CHECK_INT(stats.messages + stats.dropped, FLOOD);
    close(fd);
    udp_close(u);
    ear_end(&e);
}

TEST(udp_taken_addresses_and_wrong_ones_are_told)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct udp *u, *second;
    struct stream *stream;
    struct err err;
    CHECK_INT(udp_open(&u, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    CHECK_INT(udp_open(&second, &opt, udp_address(u), &err), ST_EXISTS);
    CHECK_INT(udp_open(&second, &opt, SLICE("nowhere:1"), &err), ST_INVALID);
    CHECK_INT(udp_open(&second, &opt, SLICE("/tmp"), &err), ST_EXISTS);
    CHECK_INT(stream_open(&stream, &opt, SLICE("/tmp/no/such/folder"), &err), ST_IO);
    udp_close(u);
    ear_end(&e);
}

TEST(udp_a_socket_that_another_program_uses_is_never_taken_from_it)
{
    char room[64];
    struct slice path = socket_path(room);
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct stream *s;
    struct udp *u;
    struct err err;
    FILE *plain = fopen(room, "w");
    CHECK(plain != NULL && fclose(plain) == 0);
    CHECK_INT(udp_open(&u, &opt, path, &err), ST_EXISTS);
    CHECK_INT(stream_open(&s, &opt, path, &err), ST_EXISTS);
    CHECK(access(room, F_OK) == 0 && unlink(room) == 0);
    CHECK_INT(stream_open(&s, &opt, path, &err), ST_OK);
    CHECK_INT(udp_open(&u, &opt, path, &err), ST_EXISTS); /* of another type: it cannot be reached by a datagram */
    close(talk(path, SOCK_STREAM));
    stream_close(s);
    CHECK_INT(udp_open(&u, &opt, path, &err), ST_OK);
    CHECK_INT(stream_open(&s, &opt, path, &err), ST_EXISTS);
    close(talk(path, SOCK_DGRAM));
    udp_close(u);
    ear_end(&e);
}

TEST(stream_lines_are_cut_at_breaks_and_the_end)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct stream *s;
    struct err err;
    CHECK_INT(stream_open(&s, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    int fd = talk(stream_address(s), SOCK_STREAM);
    say(fd, "first\nsec", 9);
    await(&e, 1);
    say(fd, "ond\nlast", 8);
    await(&e, 2);
    close(fd);
    await(&e, 3);
    CHECK_STR(buf_as_slice(&e.heard), "first\n.second\n.last.");
    stream_close(s);
    ear_end(&e);
}

TEST(stream_syslog_comes_counted_in_lines_and_without_any_end)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct stream *s;
    struct err err;
    opt.is_syslog = true;
    CHECK_INT(stream_open(&s, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    int fd = talk(stream_address(s), SOCK_STREAM);
    say(fd, "<1>a\r\n6 <1>b\nc<1>d", 18);
    await(&e, 3); /* the last by the pause behind it */
    say(fd, "1", 1);
    say(fd, "0 <1>", 5);
    say(fd, "7890123\n42 x\n12 <1>cut", 22);
    close(fd);
    await(&e, 6);
    CHECK_STR(buf_as_slice(&e.heard), "<1>a\r.<1>b\nc.<1>d.<1>7890123.42 x.<1>cut.");
    stream_close(s);
    ear_end(&e);
}

#define SAY(fd, text) say(fd, text, sizeof(text) - 1)

TEST(stream_syslog_whose_messages_end_with_zeros_or_nothing_keeps_traces_whole_and_messages_apart)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct stream *s;
    struct err err;
    opt.is_syslog = true;
    CHECK_INT(stream_open(&s, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    int zeros = talk(stream_address(s), SOCK_STREAM);
    SAY(zeros, "<1>a\n at b\n\0<2>c\0");
    await(&e, 2);
    SAY(zeros, "<3>d\n e\n<4>f\0");
    await(&e, 4);
    close(zeros);
    int nothing = talk(stream_address(s), SOCK_STREAM);
    SAY(nothing, "<13>1 2026-01-02T03:04:05Z h a - - - <1>x <");
    SAY(nothing, "131>1 2026-01-02T03:04:05Z h a - - - y<131>Nov  2 03:04:05 h z");
    await(&e, 6);
    close(nothing);
    await(&e, 7);
    CHECK_STR(buf_as_slice(&e.heard), "<1>a\n at b\n.<2>c.<3>d\n e.<4>f.<13>1 2026-01-02T03:04:05Z h a - - - <1>x ."
                                      "<131>1 2026-01-02T03:04:05Z h a - - - y.<131>Nov  2 03:04:05 h z.");
    int lines = talk(stream_address(s), SOCK_STREAM);
    SAY(lines, "<1>a\n<2>it said <13>1 2026-01-02T03:04:05Z h\n");
    await(&e, 9);
    CHECK(slice_ends(buf_as_slice(&e.heard), SLICE(".<1>a.<2>it said <13>1 2026-01-02T03:04:05Z h.")));
    close(lines);
    stream_close(s);
    ear_end(&e);
}

static void say_all(int fd, const char *bytes, size_t n)
{
    for (ssize_t sent; n; bytes += sent, n -= (size_t)sent) {
        sent = send(fd, bytes, n, 0);
        CHECK(sent > 0);
    }
}

TEST(stream_syslog_that_is_too_long_is_cut_and_the_stream_goes_on)
{
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct message_stats stats = { 0 };
    struct stream *s;
    struct err err;
    enum { LONG = 2 * SYSLOG_MESSAGE_BYTES_MAX };
    char *text = mem_alloc(LONG), head[32];
    memset(text, 'x', LONG);
    text[0] = '<';
    opt.is_syslog = true;
    CHECK_INT(stream_open(&s, &opt, SLICE("127.0.0.1:0"), &err), ST_OK);
    int fd = talk(stream_address(s), SOCK_STREAM);
    say_all(fd, text, LONG);
    say_all(fd, "\n<1>b\n", 6);
    say_all(fd, head, (size_t)snprintf(head, sizeof head, "%d ", LONG));
    say_all(fd, text, LONG);
    say_all(fd, "<1>c\n", 5);
    await(&e, 4);
    stream_stats(s, &stats);
    CHECK_INT(stats.truncated, 2);
    CHECK(slice_ends(buf_as_slice(&e.heard), SLICE("x.<1>c.")));
    close(fd);
    mem_free(text);
    stream_close(s);
    ear_end(&e);
}

TEST(stream_frames_have_their_length_in_front)
{
    char room[64];
    struct slice path = socket_path(room);
    struct ear e;
    struct message_options opt = ear_begin(&e);
    struct message_stats stats = { 0 };
    struct stream *s;
    struct err err;
    CHECK_INT(stream_open(&s, &opt, path, &err), ST_OK);
    int fd = talk(path, SOCK_STREAM);
    say(fd, "\3\0", 2);
    say(fd, "\0\0abc\2\0\0\0de\1\0\0", 14);
    await(&e, 2);
    say(fd, "\0f", 2);
    await(&e, 3);
    CHECK_STR(buf_as_slice(&e.heard), "abc.de.f.");
    say(fd, "\0\0\0\1", 4); /* too long: the end */
    char byte;
    CHECK(recv(fd, &byte, 1, 0) == 0);
    stream_stats(s, &stats);
    CHECK_INT(stats.truncated, 1);
    close(fd);
    stream_close(s);
    CHECK(access(room, F_OK) != 0);
    ear_end(&e);
}
