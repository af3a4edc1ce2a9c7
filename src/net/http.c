/* SPDX-License-Identifier: Apache-2.0 */
/* The public side of an exchange: what a handler reads and how it answers. No protocol knowledge here: an answer is
 * fields and a signal. */
#include "net/http.h"

#include "codec/compress.h"
#include "net/exchange.h"
#include "net/grpc.h"

enum { GZIP_BYTES_MIN = 1024, GZIP_LEVEL = 1 };

/* ---- The request ---- */

enum http_method http_method(const struct http_exchange *x)
{
    return x->method;
}

struct slice http_method_text(const struct http_exchange *x)
{
    return x->method_text;
}

struct slice http_path(const struct http_exchange *x)
{
    return x->path;
}

struct slice http_raw_path(const struct http_exchange *x)
{
    return x->raw_path;
}

struct slice http_query(const struct http_exchange *x)
{
    return x->query;
}

struct slice http_header(const struct http_exchange *x, struct slice name)
{
    for (size_t i = 0; i < x->header_count; i++)
        if (slice_eq_nocase(x->headers[i].name, name))
            return x->headers[i].value;
    return SLICE_EMPTY;
}

size_t http_headers(const struct http_exchange *x, const struct http_header **out)
{
    *out = x->headers;
    return x->header_count;
}

struct slice http_peer(const struct http_exchange *x)
{
    return x->peer;
}

int http_listener_tag(const struct http_exchange *x)
{
    return x->tag;
}

bool http_is_h2(const struct http_exchange *x)
{
    return x->is_h2;
}

bool http_is_tls(const struct http_exchange *x)
{
    return x->is_tls;
}

int64_t http_received_ns(const struct http_exchange *x)
{
    return x->received_ns;
}

struct arena *http_arena(struct http_exchange *x)
{
    return x->arena;
}

struct slice http_body(const struct http_exchange *x)
{
    /* No body: still 64 readable bytes. */
    static const char none[BODY_SLACK_BYTES];
    return x->body ? slice_of(x->body + x->body_at, x->body_len - x->body_at) : slice_of(none, 0);
}

static enum status broken_off(const struct http_exchange *x, enum status why, struct err *err)
{
    if (why == ST_LIMIT)
        return err_set(err, why, "the body has more than %zu bytes, the most that are allowed here",
                       x->route->body_bytes_max);
    if (why == ST_UNAVAILABLE)
        return err_set(err, why, "the server is busy: its budget for request bodies is used up");
    if (why == ST_TIMEOUT)
        return err_set(err, why, "the body stopped coming for %lld s",
                       (long long)(x->server->opt.body_timeout_ns / NS_S));
    return err_set(err, why, "the body broke off after %llu bytes", (unsigned long long)x->bytes_in);
}

enum status http_read(struct http_exchange *x, void *to, size_t room, size_t *got, struct err *err)
{
    *got = 0;
    mutex_lock(&x->shared.lock);
    while (x->shared.in_len == 0 && !x->shared.in_end && !x->shared.in_status && !x->shared.dead)
        cond_wait(&x->shared.cond, &x->shared.lock);
    enum status st = x->shared.in_status;
    if (st == ST_OK && x->shared.in_len == 0 && !x->shared.in_end)
        st = ST_CANCELLED;
    bool tell = false;
    if (st == ST_OK && x->shared.in_len) {
        size_t n = MIN(room, x->shared.in_len);
        memcpy(to, x->shared.in + x->shared.in_at, n);
        x->shared.in_at += n;
        x->shared.in_len -= n;
        if (x->shared.in_len == 0)
            x->shared.in_at = 0;
        x->shared.taken += n;
        tell = x->shared.taken >= STREAM_WINDOW_BYTES / 4 || x->shared.in_len == 0;
        *got = n;
    }
    mutex_unlock(&x->shared.lock);
    if (tell)
        exchange_signal(x, EVENT_TAKEN);
    return st ? broken_off(x, st, err) : ST_OK;
}

bool http_is_gone(const struct http_exchange *x)
{
    struct mutex *lock = (struct mutex *)&x->shared.lock;
    mutex_lock(lock);
    bool gone = x->shared.gone;
    mutex_unlock(lock);
    return gone;
}

void http_set_user(struct http_exchange *x, void *user)
{
    x->user = user;
}

void *http_get_user(const struct http_exchange *x)
{
    return x->user;
}

/* ---- The answer ---- */

/* A line break inside a value would begin another header. */
static struct slice one_line(struct arena *a, struct slice s)
{
    struct slice copy = arena_copy(a, s);
    for (size_t i = 0; i < copy.len; i++)
        if ((unsigned char)copy.ptr[i] < ' ' && copy.ptr[i] != '\t')
            ((char *)copy.ptr)[i] = ' ';
    return copy;
}

void http_set_header(struct http_exchange *x, struct slice name, struct slice value)
{
    assert(x->answer == ANSWER_NONE);
    if (x->answer_header_count == ANSWER_HEADERS_MAX)
        return;
    ARENA_PUSH(x->arena, x->answer_headers, x->answer_header_count, x->answer_header_cap) =
        (struct http_header){ one_line(x->arena, name), one_line(x->arena, value) };
    struct slice kept = x->answer_headers[x->answer_header_count - 1].name;
    for (size_t i = 0; x->is_h2 && i < kept.len; i++)
        if (kept.ptr[i] >= 'A' && kept.ptr[i] <= 'Z')
            ((char *)kept.ptr)[i] |= 0x20; /* HTTP/2 wants small letters */
}

static bool is_text(struct slice type)
{
    static const struct slice kinds[] = { SLICE_INIT("text/"), SLICE_INIT("application/json"),
                                          SLICE_INIT("application/javascript"), SLICE_INIT("application/openmetrics"),
                                          SLICE_INIT("application/x-ndjson"), SLICE_INIT("image/svg") };
    for (size_t i = 0; i < COUNT_OF(kinds); i++)
        if (slice_starts(type, kinds[i]))
            return true;
    return false;
}

/* "gzip, deflate;q=0.5", "*", "gzip;q=0": does the client take gzip? */
static bool accepts_gzip(const struct http_exchange *x)
{
    struct slice rest = http_header(x, SLICE("accept-encoding")), one, name, params;
    while (slice_next(&rest, ',', &one)) {
        slice_cut(one, ';', &name, &params);
        if (!slice_eq_nocase(slice_trim(name), SLICE("gzip")))
            continue;
        struct slice q = slice_trim(params);
        bool zero = slice_starts(q, SLICE("q=0"));
        for (size_t i = 3; zero && i < q.len; i++)
            zero = q.ptr[i] == '.' || q.ptr[i] == '0';
        return !zero;
    }
    return false;
}

static bool has_answer_header(const struct http_exchange *x, struct slice name)
{
    for (size_t i = 0; i < x->answer_header_count; i++)
        if (slice_eq_nocase(x->answer_headers[i].name, name))
            return true;
    return false;
}

static void maybe_gzip(struct http_exchange *x)
{
    if (x->answer_body.len < GZIP_BYTES_MIN || !is_text(x->answer_type) || exchange_is_bodiless(x) ||
        has_answer_header(x, SLICE("content-encoding")))
        return;
    http_set_header(x, SLICE("Vary"), SLICE("Accept-Encoding"));
    if (!accepts_gzip(x))
        return;
    struct buf packed;
    buf_init(&packed, 0);
    gzip_compress(x->answer_body, GZIP_LEVEL, &packed);
    if (packed.len && packed.len < x->answer_body.len) {
        buf_free(&x->answer_buf);
        x->answer_buf = packed;
        x->answer_body = buf_as_slice(&packed);
        http_set_header(x, SLICE("Content-Encoding"), SLICE("gzip"));
    } else {
        buf_free(&packed); /* it would not have become smaller */
    }
}

static void answer_whole(struct http_exchange *x, int status, struct slice type)
{
    x->status = status;
    x->answer_type = one_line(x->arena, type);
    maybe_gzip(x);
    x->answer = ANSWER_WHOLE;
    exchange_signal(x, EVENT_ANSWER | EVENT_LAST);
}

void http_reply(struct http_exchange *x, int status, struct slice content_type, struct slice body)
{
    assert(x->answer == ANSWER_NONE);
    x->answer_body = body.len ? arena_copy(x->arena, body) : SLICE_EMPTY;
    answer_whole(x, status, content_type);
}

void http_reply_buf(struct http_exchange *x, int status, struct slice content_type, struct buf *body)
{
    assert(x->answer == ANSWER_NONE);
    x->answer_buf = *body;
    x->answer_body = buf_as_slice(body);
    buf_init(body, body->max);
    answer_whole(x, status, content_type);
}

void http_begin(struct http_exchange *x, int status, struct slice content_type)
{
    assert(x->answer == ANSWER_NONE);
    x->status = status;
    x->answer_type = one_line(x->arena, content_type);
    x->answer = ANSWER_STREAM;
    exchange_signal(x, EVENT_ANSWER);
}

enum status http_write(struct http_exchange *x, struct slice bytes, struct err *err)
{
    assert(x->answer == ANSWER_STREAM);
    size_t max = x->server->opt.write_buffer_bytes_max;
    bool on_loop = loop_is_here(x->nl->loop);
    if (exchange_is_bodiless(x))
        return ST_OK;
    while (bytes.len) {
        mutex_lock(&x->shared.lock);
        while (x->shared.out.len >= max && !x->shared.dead && !on_loop)
            cond_wait(&x->shared.cond, &x->shared.lock);
        bool dead = x->shared.dead;
        size_t n = x->shared.out.len < max ? MIN(bytes.len, max - x->shared.out.len) : 0;
        if (!dead)
            buf_put(&x->shared.out, bytes.ptr, n);
        mutex_unlock(&x->shared.lock);
        if (dead)
            return err_set(err, ST_CANCELLED, "the peer left before the answer was complete");
        if (n == 0)
            return err_set(err, ST_LIMIT, "%zu bytes of the answer wait for the peer; more must be written by a worker",
                           max);
        bytes = slice_skip(bytes, n);
        exchange_signal(x, EVENT_OUTPUT);
    }
    return ST_OK;
}

bool http_write_now(struct http_exchange *x, struct slice bytes)
{
    assert(x->answer == ANSWER_STREAM);
    mutex_lock(&x->shared.lock);
    bool good = !x->shared.dead && x->shared.out.len + bytes.len <= x->server->opt.write_buffer_bytes_max;
    if (good)
        buf_slice(&x->shared.out, bytes);
    mutex_unlock(&x->shared.lock);
    if (good)
        exchange_signal(x, EVENT_OUTPUT);
    return good;
}

void http_end(struct http_exchange *x)
{
    assert(x->answer == ANSWER_STREAM);
    mutex_lock(&x->shared.lock);
    x->shared.out_end = true;
    mutex_unlock(&x->shared.lock);
    exchange_signal(x, EVENT_OUTPUT | EVENT_LAST);
}

void http_reply_grpc(struct http_exchange *x, int grpc_status, struct slice message_or_reason)
{
    assert(x->answer == ANSWER_NONE);
    x->status = 200;
    x->answer_type = SLICE("application/grpc");
    x->is_grpc_answer = true;
    x->grpc_status = grpc_status;
    if (grpc_status == 0)
        x->answer_body = grpc_frame(x->arena, message_or_reason);
    else
        x->grpc_reason = grpc_percent_encoded(x->arena, message_or_reason);
    x->answer = ANSWER_WHOLE;
    exchange_signal(x, EVENT_ANSWER | EVENT_LAST);
}

void http_begin_grpc(struct http_exchange *x)
{
    x->is_grpc_answer = true;
    http_begin(x, 200, SLICE("application/grpc"));
}

enum status http_write_grpc(struct http_exchange *x, struct slice message, struct err *err)
{
    return http_write(x, grpc_frame(x->arena, message), err);
}

void http_end_grpc(struct http_exchange *x, int grpc_status, struct slice reason)
{
    x->grpc_status = grpc_status; /* read behind the lock that http_end takes */
    x->grpc_reason = grpc_status ? grpc_percent_encoded(x->arena, reason) : SLICE_EMPTY;
    http_end(x);
}

const char *http_reason(int status)
{
    static const struct {
        int status;
        const char *reason;
    } reasons[] = {
        { 100, "Continue" }, { 101, "Switching Protocols" }, { 200, "OK" }, { 201, "Created" }, { 202, "Accepted" }, { 204, "No Content" },
        { 206, "Partial Content" }, { 301, "Moved Permanently" }, { 302, "Found" }, { 303, "See Other" },
        { 304, "Not Modified" }, { 307, "Temporary Redirect" }, { 308, "Permanent Redirect" },
        { 400, "Bad Request" }, { 401, "Unauthorized" }, { 403, "Forbidden" }, { 404, "Not Found" },
        { 405, "Method Not Allowed" }, { 406, "Not Acceptable" }, { 408, "Request Timeout" }, { 409, "Conflict" },
        { 410, "Gone" }, { 411, "Length Required" }, { 412, "Precondition Failed" }, { 413, "Content Too Large" },
        { 414, "URI Too Long" }, { 415, "Unsupported Media Type" }, { 417, "Expectation Failed" },
        { 422, "Unprocessable Content" }, { 426, "Upgrade Required" }, { 429, "Too Many Requests" }, { 431, "Request Header Fields Too Large" },
        { 500, "Internal Server Error" }, { 501, "Not Implemented" }, { 502, "Bad Gateway" },
        { 499, "Client Closed Request" }, { 503, "Service Unavailable" }, { 504, "Gateway Timeout" }, { 505, "HTTP Version Not Supported" },
        { 507, "Insufficient Storage" },
    };
    for (size_t i = 0; i < COUNT_OF(reasons); i++)
        if (reasons[i].status == status)
            return reasons[i].reason;
    return "Status";
}
