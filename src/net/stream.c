/* SPDX-License-Identifier: Apache-2.0 */
/* A connection gathers bytes until a message is whole. What is left over moves to the front; a message that cannot fit ends the
 * connection, for nobody knows where the next one would begin. With TLS, OpenSSL works on two memory BIOs and never sees the
 * socket; we have little to say there (a handshake, a farewell), so what the socket does not take at once ends the connection. */
#include "net/udp.h"

#include <errno.h>
#include <openssl/err.h>
#include <stdatomic.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include "net/server.h"

enum { FRAME_HEAD_BYTES = 4, ROOM_BYTES = STREAM_MESSAGE_BYTES_MAX + FRAME_HEAD_BYTES };
enum framing { FRAMING_UNKNOWN, FRAMING_LINES, FRAMING_LENGTHS };
enum ends { ENDS_UNKNOWN, ENDS_LINES, ENDS_ZEROS };

union handle {
    uv_handle_t handle;
    uv_stream_t stream;
    uv_tcp_t tcp;
    uv_pipe_t pipe;
};

struct peer {
    union handle h;
    struct stream *of;
    struct peer *before, *next;
    enum framing framing;
    enum ends ends;   /* syslog: of messages without a length, as far as seen */
    size_t len, room_bytes;
    size_t skip;      /* syslog: bytes that remain of a message that was cut */
    bool is_skipping; /* the same, up to the end of its line */
    uv_timer_t idle;  /* syslog */
    char *room;
    SSL *ssl;         /* NULL: none */
    BIO *from_peer, *to_peer;
    bool is_through;  /* with the handshake */
    char *wire;
};

struct stream {
    struct message_options opt;
    union handle h;
    bool is_unix, is_closed;
    int rc;
    int fd;
    char text[UNIX_PATH_BYTES_MAX + 1];
    struct slice address;
    struct sockaddr_un path;
    struct peer *peers;
    size_t peer_count;
    SSL_CTX *tls;
    _Atomic uint64_t count, bytes, truncated, connections, tls_failures;
};

static void give(struct peer *p, const char *bytes, size_t n)
{
    if (n == 0)
        return;
    atomic_fetch_add(&p->of->count, 1);
    p->of->opt.message(p->of->opt.arg, slice_of(bytes, n));
}

static void on_peer_closed(uv_handle_t *h)
{
    struct peer *p = h->data;
    struct stream *s = p->of;
    if (p->before)
        p->before->next = p->next;
    else
        s->peers = p->next;
    if (p->next)
        p->next->before = p->before;
    s->peer_count--;
    atomic_store(&s->connections, s->peer_count);
    SSL_free(p->ssl); /* and its BIOs */
    mem_free(p->wire);
    mem_free(p->room);
    mem_free(p);
}

/* False: the socket did not take it. */
static bool tls_flush(struct peer *p)
{
    char bytes[STREAM_WIRE_BYTES];
    int n;
    while ((n = BIO_read(p->to_peer, bytes, sizeof bytes)) > 0) {
        uv_buf_t out = uv_buf_init(bytes, (unsigned)n);
        if (uv_try_write(&p->h.stream, &out, 1) != n)
            return false;
    }
    return true;
}

static void on_idle_closed(uv_handle_t *h)
{
    struct peer *p = h->data;
    uv_close(&p->h.handle, on_peer_closed);
}

static void peer_end(struct peer *p)
{
    if (uv_is_closing(&p->h.handle) || (p->of->opt.is_syslog && uv_is_closing((uv_handle_t *)&p->idle)))
        return;
    uv_read_stop(&p->h.stream);
    if (p->is_through) {
        ERR_clear_error();
        SSL_shutdown(p->ssl);
        (void)tls_flush(p);
    }
    if (p->of->opt.is_syslog)
        uv_close((uv_handle_t *)&p->idle, on_idle_closed);
    else
        uv_close(&p->h.handle, on_peer_closed);
}

static size_t frame_bytes(const char *at)
{
    const uint8_t *b = (const uint8_t *)at;
    return b[0] | (size_t)b[1] << 8 | (size_t)b[2] << 16 | (size_t)b[3] << 24;
}

/* Gives away what is whole; the count of bytes that are done with. SIZE_MAX: a frame that is too long. */
static size_t cut(struct peer *p)
{
    size_t at = 0;
    if (p->framing == FRAMING_UNKNOWN && p->len >= FRAME_HEAD_BYTES)
        p->framing = p->room[2] == 0 && p->room[3] == 0 ? FRAMING_LENGTHS : FRAMING_LINES;
    if (p->framing == FRAMING_LENGTHS) {
        while (p->len - at >= FRAME_HEAD_BYTES) {
            size_t n = frame_bytes(p->room + at);
            if (n > STREAM_MESSAGE_BYTES_MAX)
                return SIZE_MAX;
            if (p->len - at - FRAME_HEAD_BYTES < n)
                break;
            give(p, p->room + at + FRAME_HEAD_BYTES, n);
            at += FRAME_HEAD_BYTES + n;
        }
        return at;
    }
    if (p->framing == FRAMING_LINES) {
        at = p->len;
        while (at > 0 && p->room[at - 1] != '\n')
            at--;
        give(p, p->room, at);
    }
    return at;
}

/* ---- syslog ---- */

/* "123 <": digits of the length, and the length; 0: no such thing. SIZE_MAX: it may become one. */
static size_t count_before(const char *at, size_t n, size_t *out)
{
    size_t digits = 0, value = 0;
    while (digits < n && digits < SYSLOG_COUNT_DIGITS_MAX && at[digits] >= '0' && at[digits] <= '9')
        value = value * 10 + (size_t)(at[digits++] - '0');
    *out = value;
    if (digits == 0 || at[0] == '0')
        return 0;
    if (digits == n || (digits + 1 == n && at[digits] == ' '))
        return SIZE_MAX;
    return at[digits] == ' ' && at[digits + 1] == '<' ? digits + 1 : 0;
}

static bool is_line_end(char c)
{
    return c == '\n' || c == 0;
}

/* Bytes of the message that was cut, which are left out. */
static size_t skip_cut(struct peer *p)
{
    size_t n = MIN(p->skip, p->len);
    p->skip -= n;
    while (p->is_skipping && n < p->len)
        p->is_skipping = !is_line_end(p->room[n++]);
    return n;
}

static void give_cut(struct peer *p, size_t at)
{
    atomic_fetch_add(&p->of->truncated, 1);
    give(p, p->room + at, SYSLOG_MESSAGE_BYTES_MAX);
}

static bool has_shape(const char *at, size_t n, const char *shape)
{
    for (size_t i = 0; shape[i]; i++) {
        bool is_digit = i < n && at[i] >= '0' && at[i] <= '9', is_letter = i < n && ((at[i] | 32) >= 'a' && (at[i] | 32) <= 'z');
        if (i >= n || (shape[i] == '9' ? !is_digit : shape[i] == '_' ? !is_digit && at[i] != ' ' : shape[i] == 'a' ? !is_letter : at[i] != shape[i]))
            return false;
    }
    return true;
}

/* "<134>1 2026-01-02T" or "<134>Nov 22 13:16:01 " */
static bool is_header(const char *at, size_t n)
{
    size_t digits = 0;
    while (1 + digits < n && digits < SYSLOG_PRIORITY_DIGITS_MAX && at[1 + digits] >= '0' && at[1 + digits] <= '9')
        digits++;
    size_t head = digits + 2;
    return n > head && at[0] == '<' && digits && at[head - 1] == '>' &&
           (has_shape(at + head, n - head, "1 9999-99-99T") || has_shape(at + head, n - head, "aaa _9 99:99:99 "));
}

static bool begins_message(const char *at, size_t n)
{
    size_t count, head = count_before(at, n, &count);
    return (head && head != SIZE_MAX) || has_shape(at, n, "<9");
}

/* Where the message at ends, of left bytes; left: not yet. *end_bytes: what stands there as its end.
 * Who ends messages with zeros has line breaks within them, such as those of a trace. Who ends them with nothing, which is the
 * default of winston-syslog, is understood as long as no message of the connection had an end: each header begins the next one. */
static size_t end_of(struct peer *p, size_t at, size_t left, size_t *end_bytes)
{
    const char *from = p->room + at;
    *end_bytes = 1;
    for (size_t n = 0; n < left; n++) {
        if (from[n] == 0) {
            p->ends = ENDS_ZEROS;
            return n;
        }
        if (from[n] == '<' && n && p->ends == ENDS_UNKNOWN && is_header(from + n, left - n)) {
            *end_bytes = 0;
            return n;
        }
        if (from[n] != '\n')
            continue;
        if (p->ends == ENDS_UNKNOWN && memchr(from + n, 0, left - n))
            p->ends = ENDS_ZEROS;
        if (p->ends == ENDS_ZEROS && !begins_message(from + n + 1, left - n - 1))
            continue;
        p->ends = p->ends == ENDS_UNKNOWN ? ENDS_LINES : p->ends;
        return n;
    }
    return left;
}

/* The message at, which is len bytes or as far as its line goes; the bytes it took, 0: it is not whole yet. */
static size_t give_syslog(struct peer *p, size_t at)
{
    size_t left = p->len - at, count, head = count_before(p->room + at, left, &count);
    if (head == SIZE_MAX)
        return 0;
    if (head && left - head >= MIN(count, SYSLOG_MESSAGE_BYTES_MAX)) {
        if (count <= SYSLOG_MESSAGE_BYTES_MAX) {
            give(p, p->room + at + head, count);
            return head + count;
        }
        give_cut(p, at + head);
        p->skip = count - SYSLOG_MESSAGE_BYTES_MAX;
        return head + SYSLOG_MESSAGE_BYTES_MAX;
    }
    size_t end_bytes = 0, n = head ? 0 : end_of(p, at, left, &end_bytes);
    if (head == 0 && n < left && n <= SYSLOG_MESSAGE_BYTES_MAX) {
        give(p, p->room + at, n);
        return n + end_bytes;
    }
    if (head || n < SYSLOG_MESSAGE_BYTES_MAX)
        return 0;
    give_cut(p, at);
    p->is_skipping = true;
    return SYSLOG_MESSAGE_BYTES_MAX;
}

static size_t cut_syslog(struct peer *p)
{
    size_t at = skip_cut(p), n = 1;
    while (at < p->len && n) {
        n = give_syslog(p, at);
        at += n;
        if (p->skip || p->is_skipping) {
            memmove(p->room, p->room + at, p->len - at);
            p->len -= at;
            at = skip_cut(p);
        }
    }
    return at;
}

/* What has no end by now is a message, unless its length says that more must come. */
static void on_idle(uv_timer_t *t)
{
    struct peer *p = t->data;
    size_t count, head = count_before(p->room, p->len, &count);
    if (p->ssl && !p->is_through) {
        atomic_fetch_add(&p->of->tls_failures, 1);
        peer_end(p);
        return;
    }
    if (p->len == 0 || (head && head != SIZE_MAX))
        return;
    give(p, p->room, p->len);
    p->len = 0;
}

/* ---- reading ---- */

static uv_buf_t plain_room(struct peer *p)
{
    size_t most = p->of->opt.is_syslog ? SYSLOG_MESSAGE_BYTES_MAX + ROOM_BYTES : ROOM_BYTES;
    if (p->len == p->room_bytes && p->room_bytes < most) {
        p->room_bytes = MIN(MAX(2 * p->room_bytes, ROOM_BYTES), most);
        p->room = mem_realloc(p->room, p->room_bytes);
    }
    return uv_buf_init(p->room + p->len, (unsigned)(p->room_bytes - p->len));
}

static void on_room(uv_handle_t *h, size_t hint, uv_buf_t *out)
{
    struct peer *p = h->data;
    *out = p->ssl ? uv_buf_init(p->wire, STREAM_WIRE_BYTES) : plain_room(p);
}

static void at_end(struct peer *p)
{
    size_t count, head = p->of->opt.is_syslog ? count_before(p->room, p->len, &count) : 0;
    head = head == SIZE_MAX ? 0 : head;
    if (p->framing != FRAMING_LENGTHS)
        give(p, p->room + head, p->len - head);
    p->len = 0;
    peer_end(p);
}

/* n bytes stand behind what was there. */
static void take(struct peer *p, size_t n)
{
    p->len += n;
    size_t done = p->of->opt.is_syslog ? cut_syslog(p) : cut(p);
    if (p->of->opt.is_syslog)
        uv_timer_start(&p->idle, on_idle, SYSLOG_IDLE_MS, 0);
    if (done == SIZE_MAX || (done == 0 && p->len == ROOM_BYTES && !p->of->opt.is_syslog)) {
        atomic_fetch_add(&p->of->truncated, 1);
        peer_end(p);
        return;
    }
    memmove(p->room, p->room + done, p->len - done);
    p->len -= done;
}

/* All that has come and can be decrypted. */
static void tls_take(struct peer *p)
{
    while (!uv_is_closing((uv_handle_t *)&p->idle)) {
        ERR_clear_error();
        uv_buf_t room = plain_room(p);
        int n = p->is_through ? SSL_read(p->ssl, room.base, (int)room.len) : SSL_do_handshake(p->ssl);
        if (n > 0 && p->is_through) {
            take(p, (size_t)n);
            continue;
        }
        p->is_through |= n > 0;
        int why = n > 0 ? SSL_ERROR_NONE : SSL_get_error(p->ssl, n);
        if (why == SSL_ERROR_ZERO_RETURN) {
            at_end(p);
            return;
        }
        bool is_sent = tls_flush(p); /* of a failure, what it was */
        if (is_sent && why == SSL_ERROR_WANT_READ)
            return;
        if (is_sent && why == SSL_ERROR_NONE)
            continue;
        atomic_fetch_add(&p->of->tls_failures, 1);
        ERR_clear_error();
        p->is_through = false; /* no farewell on a broken session */
        peer_end(p);
    }
}

static void on_read(uv_stream_t *h, ssize_t n, const uv_buf_t *unused)
{
    struct peer *p = h->data;
    if (n < 0) {
        if (p->ssl && !p->is_through)
            atomic_fetch_add(&p->of->tls_failures, 1);
        at_end(p);
        return;
    }
    atomic_fetch_add(&p->of->bytes, (uint64_t)n);
    if (p->ssl == NULL) {
        take(p, (size_t)n);
        return;
    }
    BIO_write(p->from_peer, p->wire, (int)n);
    tls_take(p);
}

static void tls_start(struct peer *p)
{
    p->ssl = SSL_new(p->of->tls);
    p->from_peer = BIO_new(BIO_s_mem());
    p->to_peer = BIO_new(BIO_s_mem());
    assert(p->ssl && p->from_peer && p->to_peer);
    SSL_set_bio(p->ssl, p->from_peer, p->to_peer);
    SSL_set_accept_state(p->ssl);
    p->wire = mem_alloc(STREAM_WIRE_BYTES);
    uv_timer_start(&p->idle, on_idle, STREAM_HANDSHAKE_MS, 0);
}

static void on_connection(uv_stream_t *h, int status)
{
    struct stream *s = h->data;
    if (status < 0)
        return;
    struct peer *p = mem_new(struct peer);
    p->of = s;
    if (s->opt.is_syslog) {
        uv_timer_init(loop_uv(s->opt.loop), &p->idle);
        p->idle.data = p;
    }
    if (s->tls)
        tls_start(p);
    if (s->is_unix)
        uv_pipe_init(loop_uv(s->opt.loop), &p->h.pipe, 0);
    else
        uv_tcp_init(loop_uv(s->opt.loop), &p->h.tcp);
    p->h.handle.data = p;
    p->next = s->peers;
    if (s->peers)
        s->peers->before = p;
    s->peers = p;
    s->peer_count++;
    atomic_store(&s->connections, s->peer_count);
    if (uv_accept(h, &p->h.stream) != 0 || s->peer_count > STREAM_CONNECTIONS_MAX || uv_read_start(&p->h.stream, on_room, on_read) != 0)
        peer_end(p);
}

/* ---- opening and closing ---- */

static void on_closed(uv_handle_t *h)
{
    ((struct stream *)h->data)->is_closed = true;
}

static void start_here(void *arg)
{
    struct stream *s = arg;
    if (s->is_unix)
        s->rc = uv_pipe_init(loop_uv(s->opt.loop), &s->h.pipe, 0);
    else
        s->rc = uv_tcp_init(loop_uv(s->opt.loop), &s->h.tcp);
    s->h.handle.data = s;
    if (s->rc == 0)
        s->rc = s->is_unix ? uv_pipe_open(&s->h.pipe, s->fd) : uv_tcp_open(&s->h.tcp, s->fd);
    if (s->rc == 0) {
        s->fd = -1; /* the handle's from here on */
        s->rc = uv_listen(&s->h.stream, LISTEN_BACKLOG, on_connection);
    }
}

static void close_here(void *arg)
{
    struct stream *s = arg;
    uv_close(&s->h.handle, on_closed);
    for (struct peer *p = s->peers; p; p = p->next)
        peer_end(p);
}

/* On the loop, whose is_closed and peers are: seen from outside, they change while it still works with s. */
struct look {
    const struct stream *s;
    bool is_over;
};

static void look_here(void *arg)
{
    struct look *look = arg;
    look->is_over = look->s->is_closed && look->s->peers == NULL;
}

static enum status open_unix(struct stream *s, struct slice path, struct err *err)
{
    enum status st = unix_path_prepare(path, SOCK_STREAM, &s->path, err);
    if (st)
        return st;
    s->fd = socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
    bool is_bound = s->fd >= 0 && bind(s->fd, (const struct sockaddr *)&s->path, sizeof s->path) == 0;
    if (!is_bound || chmod(s->path.sun_path, UNIX_MODE) != 0) {
        st = err_set(err, ST_IO, "socket %s: %s", s->path.sun_path, strerror(errno));
        if (!is_bound)
            s->path.sun_path[0] = 0; /* it is not ours to remove */
        return st;
    }
    memcpy(s->text, path.ptr, path.len);
    s->address = slice_of(s->text, path.len);
    s->is_unix = true;
    return ST_OK;
}

static enum status open_tcp(struct stream *s, struct slice text, struct err *err)
{
    struct address a, bound;
    enum status st = address_parse(text, &a, err);
    if (!st)
        st = listener_open(&a, 1, &s->fd, &bound, err);
    if (!st)
        s->address = address_print(&bound.u.sa, s->text);
    return st;
}

static void stream_end(struct stream *s)
{
    if (s->fd >= 0)
        close(s->fd);
    if (s->path.sun_path[0])
        unlink(s->path.sun_path);
    SSL_CTX_free(s->tls);
    mem_free(s);
}

enum status stream_open(struct stream **out, const struct message_options *opt, struct slice address, struct err *err)
{
    struct stream *s = mem_new(struct stream);
    s->opt = *opt;
    s->fd = -1;
    assert(opt->tls_cert == NULL || opt->is_syslog); /* whose idle timer ends handshakes */
    enum status st = opt->tls_cert ? tls_context_new(&s->tls, opt->tls_cert, opt->tls_key, err) : ST_OK;
    if (!st)
        st = slice_starts(address, SLICE("/")) ? open_unix(s, address, err) : open_tcp(s, address, err);
    if (st) {
        stream_end(s);
        return st;
    }
    loop_call(opt->loop, start_here, s);
    if (s->rc) {
        st = err_set(err, ST_IO, "address %.*s: %s", SLICE_FMT(address), uv_strerror(s->rc));
        stream_close(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

struct slice stream_address(const struct stream *s)
{
    return s->address;
}

void stream_stats(const struct stream *s, struct message_stats *add)
{
    add->messages += atomic_load(&s->count);
    add->bytes += atomic_load(&s->bytes);
    add->truncated += atomic_load(&s->truncated);
    add->connections += atomic_load(&s->connections);
    add->tls_failures += atomic_load(&s->tls_failures);
}

void stream_close(struct stream *s)
{
    if (s == NULL)
        return;
    struct look look = { .s = s };
    loop_call(s->opt.loop, close_here, s);
    while (!look.is_over) /* closing takes a round of the loop; each call is one */
        loop_call(s->opt.loop, look_here, &look);
    stream_end(s);
}
