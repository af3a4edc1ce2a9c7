/* SPDX-License-Identifier: Apache-2.0 */
#include "net/dns.h"

#include <arpa/inet.h>
#include <poll.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/unit.h"
#include "sys/thread.h"

/* Answers each question with the same bytes behind its id and the question: header fields from the flags on, then records. */
struct server {
    int fd;
    uint16_t flags, records;
    struct slice answer;
    size_t question_bytes; /* of the name asked for, with type and class */
    atomic_bool stopping;
    struct thread *thread;
    struct slice address;
    char text[32];
};

static void server_main(void *arg)
{
    struct server *s = arg;
    while (!atomic_load(&s->stopping)) {
        uint8_t room[1024];
        struct sockaddr_in from;
        socklen_t len = sizeof from;
        struct pollfd p = { .fd = s->fd, .events = POLLIN };
        if (poll(&p, 1, 20) <= 0)
            continue;
        ssize_t n = recvfrom(s->fd, room, 512, 0, (struct sockaddr *)&from, &len);
        if (n < 12)
            continue;
        uint16_t head[5] = { htons(s->flags), htons(1), htons(s->records), 0, 0 };
        memcpy(room + 2, head, sizeof head);
        memcpy(room + 12 + s->question_bytes, s->answer.ptr, s->answer.len);
        sendto(s->fd, room, 12 + s->question_bytes + s->answer.len, 0, (struct sockaddr *)&from, len);
    }
}

static void server_begin(struct server *s)
{
    struct sockaddr_in at = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
    socklen_t len = sizeof at;
    s->fd = socket(AF_INET, SOCK_DGRAM, 0);
    CHECK(s->fd >= 0 && bind(s->fd, (struct sockaddr *)&at, sizeof at) == 0 && getsockname(s->fd, (struct sockaddr *)&at, &len) == 0);
    int n = snprintf(s->text, sizeof s->text, "127.0.0.1:%d", ntohs(at.sin_port));
    s->address = slice_of(s->text, (size_t)n);
    CHECK_INT(thread_start(&s->thread, "dns", server_main, s, NULL), ST_OK);
}

static void server_end(struct server *s)
{
    atomic_store(&s->stopping, true);
    thread_join(s->thread);
    close(s->fd);
}

#define QUESTION_BYTES (sizeof "\1a\4test" + 4) /* the name's 0 is the literal's NUL */

static enum status ask(struct server *s, enum dns_type type, struct arena *a, struct dns_record **list, size_t *n, struct err *err)
{
    s->question_bytes = QUESTION_BYTES;
    server_begin(s);
    enum status st = dns_lookup(a, &s->address, 1, SLICE("a.test."), type, 2 * NS_S, list, n, err);
    server_end(s);
    return st;
}

TEST(dns_records_come_as_they_are)
{
    struct server s = { .flags = 0x8180, .records = 2,
                        .answer = SLICE("\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\1" "\xc0\x0c\0\1\0\1\0\0\0\x3c\0\4\x0a\0\0\2") };
    struct arena *a = arena_new(0);
    struct dns_record *list;
    struct err err;
    size_t n;
    CHECK_INT(ask(&s, DNS_A, a, &list, &n, &err), ST_OK);
    CHECK_INT(n, 2);
    CHECK_STR(list[0].target, "10.0.0.1");
    CHECK_STR(list[1].target, "10.0.0.2");
    struct server srv = { .flags = 0x8180, .records = 1, .answer = SLICE("\xc0\x0c\0\x21\0\1\0\0\0\x3c\0\x0b\0\1\0\2\x1f\x90\3web\0") };
    CHECK_INT(ask(&srv, DNS_SRV, a, &list, &n, &err), ST_OK);
    CHECK_INT(n, 1);
    CHECK_STR(list[0].target, "web");
    CHECK_INT(list[0].port, 8080);
    arena_free(a);
}

TEST(dns_a_name_that_is_not_there_has_no_records_and_a_server_that_fails_is_an_error)
{
    struct arena *a = arena_new(0);
    struct dns_record *list;
    struct err err;
    size_t n;
    struct server missing = { .flags = 0x8183, .answer = SLICE("") };
    CHECK_INT(ask(&missing, DNS_A, a, &list, &n, &err), ST_OK);
    CHECK_INT(n, 0);
    struct server fails = { .flags = 0x8182, .answer = SLICE("") };
    CHECK_INT(ask(&fails, DNS_A, a, &list, &n, &err), ST_UNAVAILABLE);
    CHECK(slice_starts(slice_str(err.text), SLICE("DNS: a.test.: ")));
    struct server cut = { .flags = 0x8180, .records = 1, .answer = SLICE("\xc0\x0c\0\1\0\1") };
    CHECK_INT(ask(&cut, DNS_A, a, &list, &n, &err), ST_UNAVAILABLE);
    struct slice wrong = SLICE("nowhere at all");
    CHECK_INT(dns_lookup(a, &wrong, 1, SLICE("a.test."), DNS_A, NS_S, &list, &n, &err), ST_INVALID);
    arena_free(a);
}
