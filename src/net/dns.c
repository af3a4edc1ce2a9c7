/* SPDX-License-Identifier: Apache-2.0 */
/* A channel for each question, driven here until it is answered: discovery asks seldom, and nothing is shared between threads. */
#include "net/dns.h"

#include <arpa/inet.h>
#include <ares.h>
#include <poll.h>

#include "sys/clock.h"

enum { NS_CLASS_IN = 1, TYPE_A = 1, TYPE_MX = 15, TYPE_AAAA = 28, TYPE_SRV = 33, WAIT_MS_MAX = 1000 };

struct asking {
    struct arena *a;
    enum dns_type type;
    struct dns_record *list;
    size_t count, cap;
    int rc;
    bool is_done;
};

static void put(struct asking *q, struct slice target, unsigned port)
{
    if (q->count < DNS_RECORDS_MAX)
        ARENA_PUSH(q->a, q->list, q->count, q->cap) = (struct dns_record){ arena_copy(q->a, target), (uint16_t)port };
}

static void put_address(struct asking *q, int family, const void *bytes)
{
    char text[INET6_ADDRSTRLEN];
    if (inet_ntop(family, bytes, text, sizeof text))
        put(q, slice_str(text), 0);
}

static int take_a(struct asking *q, const unsigned char *answer, int len)
{
    struct ares_addrttl *list = arena_array(q->a, struct ares_addrttl, DNS_RECORDS_MAX);
    int n = DNS_RECORDS_MAX, rc = ares_parse_a_reply(answer, len, NULL, list, &n);
    for (int i = 0; rc == ARES_SUCCESS && i < n; i++)
        put_address(q, AF_INET, &list[i].ipaddr);
    return rc;
}

static int take_aaaa(struct asking *q, const unsigned char *answer, int len)
{
    struct ares_addr6ttl *list = arena_array(q->a, struct ares_addr6ttl, DNS_RECORDS_MAX);
    int n = DNS_RECORDS_MAX, rc = ares_parse_aaaa_reply(answer, len, NULL, list, &n);
    for (int i = 0; rc == ARES_SUCCESS && i < n; i++)
        put_address(q, AF_INET6, &list[i].ip6addr);
    return rc;
}

static int take_srv(struct asking *q, const unsigned char *answer, int len)
{
    struct ares_srv_reply *list = NULL;
    int rc = ares_parse_srv_reply(answer, len, &list);
    for (struct ares_srv_reply *r = list; r; r = r->next)
        put(q, slice_str(r->host), r->port);
    ares_free_data(list);
    return rc;
}

static int take_mx(struct asking *q, const unsigned char *answer, int len)
{
    struct ares_mx_reply *list = NULL;
    int rc = ares_parse_mx_reply(answer, len, &list);
    for (struct ares_mx_reply *r = list; r; r = r->next)
        put(q, slice_str(r->host), 0);
    ares_free_data(list);
    return rc;
}

static void on_answer(void *arg, int rc, int timeouts, unsigned char *answer, int len)
{
    struct asking *q = arg;
    q->is_done = true;
    q->rc = rc;
    if (rc != ARES_SUCCESS)
        return;
    switch (q->type) {
    case DNS_A: q->rc = take_a(q, answer, len); break;
    case DNS_AAAA: q->rc = take_aaaa(q, answer, len); break;
    case DNS_SRV: q->rc = take_srv(q, answer, len); break;
    case DNS_MX: q->rc = take_mx(q, answer, len); break;
    }
}

/* Until there is an answer, or the time is over. */
static void drive(ares_channel channel, struct asking *q, int64_t end_ns)
{
    while (!q->is_done) {
        ares_socket_t sockets[ARES_GETSOCK_MAXNUM];
        struct pollfd polls[ARES_GETSOCK_MAXNUM];
        int bits = ares_getsock(channel, sockets, ARES_GETSOCK_MAXNUM), n = 0;
        int64_t left_ns = end_ns - clock_mono_ns(clock_real());
        if (left_ns <= 0) {
            ares_cancel(channel); /* answers with ARES_ECANCELLED */
            return;
        }
        for (int i = 0; i < ARES_GETSOCK_MAXNUM; i++) {
            /* c-ares's own macros for this shift into an int's sign. */
            short want = (short)(((unsigned)bits >> i & 1 ? POLLIN : 0) | ((unsigned)bits >> (i + ARES_GETSOCK_MAXNUM) & 1 ? POLLOUT : 0));
            if (want)
                polls[n++] = (struct pollfd){ .fd = sockets[i], .events = want };
        }
        struct timeval most = { 0, WAIT_MS_MAX * 1000 }, tv, *wait = ares_timeout(channel, &most, &tv);
        int64_t wait_ms = wait->tv_sec * 1000 + wait->tv_usec / 1000 + 1;
        int ready = poll(polls, (nfds_t)n, (int)MIN(wait_ms, left_ns / NS_MS + 1));
        if (ready <= 0)
            ares_process_fd(channel, ARES_SOCKET_BAD, ARES_SOCKET_BAD);
        for (int i = 0; ready > 0 && i < n; i++)
            if (polls[i].revents)
                ares_process_fd(channel, polls[i].revents & (POLLIN | POLLERR | POLLHUP) ? polls[i].fd : ARES_SOCKET_BAD,
                                polls[i].revents & POLLOUT ? polls[i].fd : ARES_SOCKET_BAD);
    }
}

static enum status set_servers(ares_channel channel, struct arena *a, const struct slice *servers, size_t count, struct err *err)
{
    struct slice all = SLICE_EMPTY;
    for (size_t i = 0; i < count; i++)
        all = arena_printf(a, "%.*s%s%.*s", SLICE_FMT(all), i ? "," : "", SLICE_FMT(servers[i]));
    int rc = count ? ares_set_servers_ports_csv(channel, arena_copy(a, all).ptr) : ARES_SUCCESS;
    if (rc != ARES_SUCCESS)
        return err_set(err, ST_INVALID, "DNS servers \"%.*s\": %s", SLICE_FMT(slice_sub(all, 0, 200)), ares_strerror(rc));
    return ST_OK;
}

enum status dns_lookup(struct arena *a, const struct slice *servers, size_t server_count, struct slice name, enum dns_type type, int64_t timeout_ns,
                       struct dns_record **out, size_t *count, struct err *err)
{
    static const int types[] = { [DNS_A] = TYPE_A, [DNS_AAAA] = TYPE_AAAA, [DNS_SRV] = TYPE_SRV, [DNS_MX] = TYPE_MX };
    struct ares_options opt = { .timeout = (int)(timeout_ns / NS_MS / DNS_TRIES / 2), .tries = DNS_TRIES };
    struct asking q = { .a = a, .type = type };
    ares_channel channel;
    int rc = ares_init_options(&channel, &opt, ARES_OPT_TIMEOUTMS | ARES_OPT_TRIES);
    if (rc != ARES_SUCCESS)
        return err_set(err, ST_IO, "DNS: %s", ares_strerror(rc));
    enum status st = set_servers(channel, a, servers, server_count, err);
    if (!st) {
        ares_search(channel, arena_copy(a, name).ptr, NS_CLASS_IN, types[type], on_answer, &q);
        drive(channel, &q, clock_mono_ns(clock_real()) + timeout_ns);
        if (q.rc != ARES_SUCCESS && q.rc != ARES_ENOTFOUND && q.rc != ARES_ENODATA)
            st = err_set(err, ST_UNAVAILABLE, "DNS: %.*s: %s", SLICE_FMT(slice_sub(name, 0, 200)),
                         q.rc == ARES_ECANCELLED ? "no answer in time" : ares_strerror(q.rc));
    }
    ares_destroy(channel);
    *out = q.list;
    *count = st ? 0 : q.count;
    return st;
}
