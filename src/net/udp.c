/* SPDX-License-Identifier: Apache-2.0 */
/* Datagrams are taken DATAGRAM_BATCH at a time, so a burst costs few system calls, and at most DATAGRAM_BATCHES_MAX in a row, so
 * it does not starve the loop. The kernel tells with each datagram how many it had dropped by then (SO_RXQ_OVFL), and when asked
 * how many by now (SO_MEMINFO): so those behind the last one it took are counted, too. */
#include "net/udp.h"

#include <errno.h>
#include <linux/sock_diag.h>
#include <stdatomic.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

enum { CONTROL_BYTES = 64 };

struct udp {
    struct message_options opt;
    uv_poll_t poll;
    int fd;
    bool is_open;
    char text[UNIX_PATH_BYTES_MAX + 1];
    struct slice address;
    struct sockaddr_un path; /* sun_path empty: UDP */
    char *room;
    struct mmsghdr messages[DATAGRAM_BATCH];
    struct iovec parts[DATAGRAM_BATCH];
    char control[DATAGRAM_BATCH][CONTROL_BYTES] __attribute__((aligned(8)));
    uint32_t dropped_before;
    _Atomic uint64_t count, bytes, dropped, truncated;
};

/* True when nobody listens there. Any other answer than a refusal (a socket of another type, a full queue, no permission) comes of
 * somebody who does. */
static bool is_left_behind(const struct sockaddr_un *at, int type)
{
    int s = socket(AF_UNIX, type | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool refused = s >= 0 && connect(s, (const struct sockaddr *)at, sizeof *at) != 0 && errno == ECONNREFUSED;
    if (s >= 0)
        close(s);
    return refused;
}

static enum status path_free(struct slice path, int type, struct sockaddr_un *out, struct err *err)
{
    struct stat there;
    if (path.len > UNIX_PATH_BYTES_MAX || path.len == 0)
        return err_set(err, ST_INVALID, "socket \"%.*s\": the path has %zu bytes, allowed are 1 to %d", SLICE_FMT(slice_sub(path, 0, 200)), path.len,
                       UNIX_PATH_BYTES_MAX);
    memcpy(out->sun_path, path.ptr, path.len);
    if (lstat(out->sun_path, &there) != 0)
        return ST_OK;
    if (!S_ISSOCK(there.st_mode))
        return err_set(err, ST_EXISTS, "socket %s: there is a file of that name, which is no socket", out->sun_path);
    if (!is_left_behind(out, type))
        return err_set(err, ST_EXISTS, "socket %s is taken by another program", out->sun_path);
    if (unlink(out->sun_path) != 0)
        return err_set(err, ST_IO, "socket %s: the one left behind cannot be removed: %s", out->sun_path, strerror(errno));
    return ST_OK;
}

enum status unix_path_prepare(struct slice path, int type, struct sockaddr_un *out, struct err *err)
{
    *out = (struct sockaddr_un){ .sun_family = AF_UNIX };
    enum status st = path_free(path, type, out, err);
    if (st)
        out->sun_path[0] = 0; /* it is not ours to remove */
    return st;
}

static enum status fail(struct slice address, const char *what, struct err *err)
{
    int e = errno;
    if (e == EADDRINUSE)
        return err_set(err, ST_EXISTS, "address %.*s is taken by another program", SLICE_FMT(address));
    return err_set(err, ST_IO, "address %.*s: %s: %s", SLICE_FMT(address), what, strerror(e));
}

static enum status open_unix(struct udp *u, struct slice path, struct err *err)
{
    enum status st = unix_path_prepare(path, SOCK_DGRAM, &u->path, err);
    if (st)
        return st;
    u->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->fd < 0)
        return fail(path, "no socket", err);
    if (bind(u->fd, (const struct sockaddr *)&u->path, sizeof u->path) != 0) {
        st = fail(path, "bind", err);
        u->path.sun_path[0] = 0; /* it is not ours to remove */
        return st;
    }
    if (chmod(u->path.sun_path, UNIX_MODE) != 0)
        return fail(path, "chmod", err);
    memcpy(u->text, path.ptr, path.len);
    u->address = slice_of(u->text, path.len);
    return ST_OK;
}

static enum status open_udp(struct udp *u, struct slice text, struct err *err)
{
    struct address a;
    int on = 1, off = 0;
    enum status st = address_parse(text, &a, err);
    if (st)
        return st;
    u->fd = socket(a.u.sa.sa_family, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    if (u->fd < 0 && a.any) { /* no IPv6 here */
        uint16_t port = a.u.v6.sin6_port;
        a.u.v4 = (struct sockaddr_in){ .sin_family = AF_INET, .sin_port = port };
        u->fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    }
    if (u->fd < 0)
        return fail(text, "no socket", err);
    if (a.u.sa.sa_family == AF_INET6)
        setsockopt(u->fd, IPPROTO_IPV6, IPV6_V6ONLY, a.any ? &off : &on, sizeof on);
    if (bind(u->fd, &a.u.sa, (socklen_t)address_len(&a)) != 0)
        return fail(text, "bind", err);
    socklen_t len = sizeof a.u;
    if (getsockname(u->fd, &a.u.sa, &len) != 0)
        return fail(text, "getsockname", err);
    u->address = address_print(&a.u.sa, u->text);
    return ST_OK;
}

/* An older number than one known says nothing. It wraps. */
static void note_dropped(struct udp *u, uint32_t so_far)
{
    int32_t more = (int32_t)(so_far - u->dropped_before);
    if (more <= 0)
        return;
    atomic_fetch_add(&u->dropped, (uint32_t)more);
    u->dropped_before = so_far;
}

static void read_dropped(struct udp *u, struct msghdr *m)
{
    for (struct cmsghdr *c = CMSG_FIRSTHDR(m); c; c = CMSG_NXTHDR(m, c)) {
        uint32_t so_far;
        if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SO_RXQ_OVFL)
            continue;
        memcpy(&so_far, CMSG_DATA(c), sizeof so_far);
        note_dropped(u, so_far);
    }
}

static void ask_dropped(struct udp *u)
{
    uint32_t info[SK_MEMINFO_VARS] = { 0 };
    socklen_t len = sizeof info;
    if (getsockopt(u->fd, SOL_SOCKET, SO_MEMINFO, info, &len) == 0 && len > SK_MEMINFO_DROPS * sizeof *info)
        note_dropped(u, info[SK_MEMINFO_DROPS]);
}

static void take(struct udp *u, struct mmsghdr *m, const char *bytes)
{
    read_dropped(u, &m->msg_hdr);
    atomic_fetch_add(&u->count, 1);
    atomic_fetch_add(&u->bytes, m->msg_len);
    if (m->msg_hdr.msg_flags & MSG_TRUNC)
        atomic_fetch_add(&u->truncated, 1);
    else
        u->opt.message(u->opt.arg, slice_of(bytes, m->msg_len));
}

static void on_readable(uv_poll_t *p, int status, int events)
{
    struct udp *u = p->data;
    for (int round = 0; round < DATAGRAM_BATCHES_MAX; round++) {
        for (size_t i = 0; i < DATAGRAM_BATCH; i++) {
            u->parts[i] = (struct iovec){ u->room + i * DATAGRAM_BYTES_MAX, DATAGRAM_BYTES_MAX };
            u->messages[i] = (struct mmsghdr){ .msg_hdr = { .msg_iov = &u->parts[i], .msg_iovlen = 1, .msg_control = u->control[i],
                                                            .msg_controllen = CONTROL_BYTES } };
        }
        int n = recvmmsg(u->fd, u->messages, DATAGRAM_BATCH, 0, NULL);
        for (int i = 0; i < n; i++)
            take(u, &u->messages[i], u->room + (size_t)i * DATAGRAM_BYTES_MAX);
        if (n < DATAGRAM_BATCH)
            break;
    }
    ask_dropped(u);
}

static void on_closed(uv_handle_t *h)
{
    struct udp *u = h->data;
    close(u->fd);
    u->fd = -1;
}

static void start_here(void *arg)
{
    struct udp *u = arg;
    if (uv_poll_init(loop_uv(u->opt.loop), &u->poll, u->fd) != 0)
        return;
    u->poll.data = u;
    u->is_open = uv_poll_start(&u->poll, UV_READABLE, on_readable) == 0;
    if (!u->is_open)
        uv_close((uv_handle_t *)&u->poll, on_closed);
}

static void close_here(void *arg)
{
    struct udp *u = arg;
    uv_close((uv_handle_t *)&u->poll, on_closed);
}

static void nothing(void *arg)
{
}

/* On the loop, whose fd is from the start on. */
struct look {
    const struct udp *u;
    bool is_over;
};

static void look_here(void *arg)
{
    struct look *look = arg;
    look->is_over = look->u->fd < 0;
}

static void udp_free(struct udp *u)
{
    if (u->fd >= 0)
        close(u->fd);
    if (u->path.sun_path[0])
        unlink(u->path.sun_path);
    mem_free(u->room);
    mem_free(u);
}

enum status udp_open(struct udp **out, const struct message_options *opt, struct slice address, struct err *err)
{
    struct udp *u = mem_new(struct udp);
    int on = 1, room = DATAGRAM_ROOM_BYTES;
    u->opt = *opt;
    u->fd = -1;
    u->room = mem_alloc((size_t)DATAGRAM_BATCH * DATAGRAM_BYTES_MAX);
    enum status st = slice_starts(address, SLICE("/")) ? open_unix(u, address, err) : open_udp(u, address, err);
    if (!st) {
        setsockopt(u->fd, SOL_SOCKET, SO_RXQ_OVFL, &on, sizeof on);
        if (setsockopt(u->fd, SOL_SOCKET, SO_RCVBUFFORCE, &room, sizeof room) != 0)
            setsockopt(u->fd, SOL_SOCKET, SO_RCVBUF, &room, sizeof room);
        loop_call(opt->loop, start_here, u);
        if (!u->is_open)
            st = err_set(err, ST_IO, "address %.*s: the event loop does not take it", SLICE_FMT(address));
    }
    if (st) {
        loop_call(opt->loop, nothing, NULL); /* a handle that was begun is closed by then */
        udp_free(u);
        return st;
    }
    *out = u;
    return ST_OK;
}

struct slice udp_address(const struct udp *u)
{
    return u->address;
}

void udp_stats(const struct udp *u, struct message_stats *add)
{
    add->messages += atomic_load(&u->count);
    add->bytes += atomic_load(&u->bytes);
    add->dropped += atomic_load(&u->dropped);
    add->truncated += atomic_load(&u->truncated);
}

void udp_close(struct udp *u)
{
    if (u == NULL)
        return;
    loop_call(u->opt.loop, close_here, u);
    struct look look = { .u = u };
    while (!look.is_over) /* closing takes a round of the loop; each call is one */
        loop_call(u->opt.loop, look_here, &look);
    udp_free(u);
}
