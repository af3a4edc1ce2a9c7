/* SPDX-License-Identifier: Apache-2.0 */
/* The first socket is bound without SO_REUSEPORT, so that a port in use is noticed even when its user shares it; then the
 * option is set on it and the other sockets join. "Any address" is the IPv6 one serving IPv4 too, where there is IPv6. */
#include "net/listener.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/tcp.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "base/num.h"

enum { HOST_BYTES_MAX = 46, PORT_MAX = 65535 };

static void set_any(struct address *out, uint16_t port, int family)
{
    *out = (struct address){ .any = true };
    if (family == AF_INET6) {
        out->u.v6.sin6_family = AF_INET6;
        out->u.v6.sin6_addr = in6addr_any;
        out->u.v6.sin6_port = htons(port);
    } else {
        out->u.v4.sin_family = AF_INET;
        out->u.v4.sin_addr.s_addr = htonl(INADDR_ANY);
        out->u.v4.sin_port = htons(port);
    }
}

enum status address_parse(struct slice text, struct address *out, struct err *err)
{
    size_t colon = text.len;
    while (colon > 0 && text.ptr[colon - 1] != ':')
        colon--;
    uint64_t port;
    if (colon == 0 || !num_parse_u64(slice_sub(text, colon, text.len), &port) || port > PORT_MAX)
        return err_set(err, ST_INVALID, "address \"%.*s\": no port from 0 to %d after the last ':'", SLICE_FMT(text),
                       PORT_MAX);
    struct slice host = slice_sub(text, 0, colon - 1);
    if (host.len == 0) {
        set_any(out, (uint16_t)port, AF_INET6);
        return ST_OK;
    }
    if (slice_eq_nocase(host, SLICE("localhost")))
        host = SLICE("127.0.0.1");
    bool six = host.len > 2 && host.ptr[0] == '[' && host.ptr[host.len - 1] == ']';
    if (six)
        host = slice_sub(host, 1, host.len - 1);
    char name[HOST_BYTES_MAX];
    *out = (struct address){ .any = false };
    bool good = false;
    if (host.len < sizeof name) {
        memcpy(name, host.ptr, host.len);
        name[host.len] = 0;
        if (six) {
            out->u.v6.sin6_family = AF_INET6;
            out->u.v6.sin6_port = htons((uint16_t)port);
            good = inet_pton(AF_INET6, name, &out->u.v6.sin6_addr) == 1;
        } else {
            out->u.v4.sin_family = AF_INET;
            out->u.v4.sin_port = htons((uint16_t)port);
            good = inet_pton(AF_INET, name, &out->u.v4.sin_addr) == 1;
        }
    }
    if (!good)
        return err_set(err, ST_INVALID, "address \"%.*s\": \"%.*s\" is neither an IPv4 address nor an IPv6 one in []",
                       SLICE_FMT(text), SLICE_FMT(host));
    return ST_OK;
}

struct slice address_print(const struct sockaddr *sa, char out[ADDRESS_TEXT_BYTES_MAX])
{
    char host[INET6_ADDRSTRLEN] = "?";
    int n;
    if (sa->sa_family == AF_INET6) {
        const struct sockaddr_in6 *v6 = (const struct sockaddr_in6 *)sa;
        if (IN6_IS_ADDR_V4MAPPED(&v6->sin6_addr)) {
            inet_ntop(AF_INET, &v6->sin6_addr.s6_addr[12], host, sizeof host);
            n = snprintf(out, ADDRESS_TEXT_BYTES_MAX, "%s:%u", host, ntohs(v6->sin6_port));
        } else {
            inet_ntop(AF_INET6, &v6->sin6_addr, host, sizeof host);
            n = snprintf(out, ADDRESS_TEXT_BYTES_MAX, "[%s]:%u", host, ntohs(v6->sin6_port));
        }
    } else {
        const struct sockaddr_in *v4 = (const struct sockaddr_in *)sa;
        inet_ntop(AF_INET, &v4->sin_addr, host, sizeof host);
        n = snprintf(out, ADDRESS_TEXT_BYTES_MAX, "%s:%u", host, ntohs(v4->sin_port));
    }
    return slice_of(out, (size_t)n);
}

size_t address_len(const struct address *a)
{
    return a->u.sa.sa_family == AF_INET6 ? sizeof a->u.v6 : sizeof a->u.v4;
}

static enum status fail_errno(const struct address *a, const char *what, struct err *err)
{
    int e = errno;
    char text[ADDRESS_TEXT_BYTES_MAX];
    struct slice at = address_print(&a->u.sa, text);
    if (e == EADDRINUSE)
        return err_set(err, ST_EXISTS, "address %.*s is taken by another program", SLICE_FMT(at));
    return err_set(err, ST_IO, "address %.*s: %s: %s", SLICE_FMT(at), what, strerror(e));
}

static enum status bind_one(const struct address *a, bool first, bool share, int *fd, struct err *err)
{
    int s = socket(a->u.sa.sa_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (s < 0)
        return fail_errno(a, "no socket", err);
    int on = 1, off = 0;
    setsockopt(s, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(s, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (a->u.sa.sa_family == AF_INET6)
        setsockopt(s, IPPROTO_IPV6, IPV6_V6ONLY, a->any ? &off : &on, sizeof on);
    if (!first)
        setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    if (bind(s, &a->u.sa, (socklen_t)address_len(a)) != 0) {
        enum status st = fail_errno(a, "bind", err);
        close(s);
        return st;
    }
    if (first && share)
        setsockopt(s, SOL_SOCKET, SO_REUSEPORT, &on, sizeof on);
    *fd = s;
    return ST_OK;
}

enum status listener_open(const struct address *a, unsigned count, int *fds, struct address *bound, struct err *err)
{
    struct address at = *a;
    unsigned made = 0;
    enum status st = bind_one(&at, true, count > 1, &fds[0], err);
    if (st && at.any && at.u.sa.sa_family == AF_INET6 && st != ST_EXISTS) {
        set_any(&at, ntohs(a->u.v6.sin6_port), AF_INET);
        st = bind_one(&at, true, count > 1, &fds[0], err);
    }
    if (st)
        return st;
    made = 1;
    socklen_t len = sizeof at.u;
    if (getsockname(fds[0], &at.u.sa, &len) != 0) {
        st = fail_errno(&at, "getsockname", err);
        goto fail;
    }
    for (; made < count; made++) {
        st = bind_one(&at, false, true, &fds[made], err);
        if (st)
            goto fail;
    }
    for (unsigned i = 0; i < count; i++)
        if (listen(fds[i], LISTEN_BACKLOG) != 0) {
            st = fail_errno(&at, "listen", err);
            goto fail;
        }
    *bound = at;
    return ST_OK;
fail:
    for (unsigned i = 0; i < made; i++)
        close(fds[i]);
    return st;
}
