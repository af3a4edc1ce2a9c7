/* SPDX-License-Identifier: Apache-2.0 */
/* The life of an exchange.
 *
 *     head in -> route -> body in (collected, or streamed to a waiting worker) -> handler -> answer -> sent -> done
 *
 * (1) Two sides hold an exchange: the protocol, until the answer is sent or the peer has left, and the handler, until it
 *     has said its last word (EVENT_LAST). When both are through, the loop tells the user and puts it away for reuse.
 * (2) The answering side only ever signals: fields are set, an event is noted, and one task is posted to the loop. So
 *     protocols are never called from inside a handler, whatever thread it runs on.
 * (3) A collected body has one buffer, charged to the budget by capacity, before it grows. A streamed one waits in
 *     shared.in; what the reader has taken goes back to the protocol, which opens the peer's window by that much.
 * (4) Bytes that come after the answer are dropped. */
#include "net/exchange.h"

#include <stdarg.h>
#include <stdio.h>

#include "codec/hex.h"
#include "net/grpc.h"
#include "net/upgrade.h"
#include "sys/clock.h"

enum {
    BODY_FIRST_BYTES_MAX = 1 * MIB,
    BODY_FIRST_BYTES_MIN = 4 * KIB,
    SPARE_ARENA_BYTES_MAX = 64 * KIB /* an exchange whose arena keeps more is not put away */
};

/* ---- Made and put away ---- */

static void on_events(struct loop_task *t);

struct http_exchange *exchange_new(struct conn *c, const struct exchange_proto *proto, void *state)
{
    struct net_loop *nl = conn_net_loop(c);
    struct http_exchange *x = nl->spare;
    if (x) {
        nl->spare = x->next;
        nl->spares--;
        x->next = NULL;
    } else {
        x = mem_new(struct http_exchange);
        x->arena = arena_new(EXCHANGE_ARENA_BYTES_MAX);
        mutex_init(&x->shared.lock);
        cond_init(&x->shared.cond);
    }
    x->task.run = on_events;
    x->nl = nl;
    x->server = nl->server;
    x->conn = c;
    x->proto = proto;
    x->proto_state = state;
    x->peer = arena_copy(x->arena, conn_peer(c));
    x->tag = conn_tag(c);
    x->is_tls = conn_is_tls(c);
    x->content_length = -1;
    x->content_type = SLICE_EMPTY;
    buf_init(&x->shared.out, 0);
    net_count_add(nl, COUNT_OPEN_EXCHANGES, 1);
    net_count_add(nl, COUNT_REQUESTS, 1);
    return x;
}

static void charge(struct http_exchange *x, size_t *charged, size_t now)
{
    struct budget *b = x->server->opt.in_flight;
    if (b && *charged > now)
        budget_give(b, *charged - now);
    *charged = now;
}

static void free_whole(struct http_exchange *x)
{
    arena_free(x->arena);
    mutex_destroy(&x->shared.lock);
    cond_destroy(&x->shared.cond);
    mem_free(x);
}

void exchange_free_spares(struct net_loop *nl)
{
    for (struct http_exchange *x = nl->spare, *next; x; x = next) {
        next = x->next;
        free_whole(x);
    }
    nl->spare = NULL;
    nl->spares = 0;
}

static void finalize(struct http_exchange *x)
{
    struct net_loop *nl = x->nl;
    struct http_server *s = x->server;
    if (s->opt.done && x->head_in)
        s->opt.done(s->opt.user, x, x->left ? 0 : x->status, x->bytes_in, x->bytes_out,
                    clock_mono_ns(clock_real()) - x->started_ns);
    if (x->upgrade)
        websocket_lost(x->upgrade);
    charge(x, &x->body_charged, 0);
    size_t in_charged = x->shared.in_cap;
    charge(x, &in_charged, 0);
    mem_free(x->body);
    mem_free(x->shared.in);
    buf_free(&x->shared.out);
    buf_free(&x->sending);
    buf_free(&x->answer_buf);
    struct arena *arena = x->arena;
    arena_reset(arena);
    if (nl->spares < SPARE_EXCHANGES_MAX && arena_bytes(arena) <= SPARE_ARENA_BYTES_MAX) {
        /* The lock and the condition stay as they are. */
        memset(x, 0, offsetof(struct http_exchange, shared));
        memset(&x->shared.events, 0, sizeof *x - offsetof(struct http_exchange, shared.events));
        x->arena = arena;
        x->next = nl->spare;
        nl->spare = x;
        nl->spares++;
    } else {
        free_whole(x);
    }
    atomic_fetch_sub_explicit(&nl->counts[COUNT_OPEN_EXCHANGES], 1, memory_order_relaxed);
    server_one_less(s);
}

/* ---- Signals from the answering side ---- */

void exchange_signal(struct http_exchange *x, unsigned events)
{
    struct loop *l = x->nl->loop;
    mutex_lock(&x->shared.lock);
    x->shared.events |= events;
    bool post = !x->shared.posted;
    x->shared.posted = true;
    mutex_unlock(&x->shared.lock);
    /* Posted by us alone, so x lives at least until the task has run. */
    if (post)
        loop_post(l, &x->task);
}

static void on_events(struct loop_task *t)
{
    struct http_exchange *x = (struct http_exchange *)t;
    mutex_lock(&x->shared.lock);
    unsigned events = x->shared.events;
    size_t taken = x->shared.taken;
    x->shared.events = 0;
    x->shared.taken = 0;
    mutex_unlock(&x->shared.lock);
    /* `posted` stays set meanwhile: nobody else can run this task, and x cannot be put away under our feet. */
    if ((events & EVENT_TAKEN) && !x->proto_done && taken)
        x->proto->taken(x, taken);
    if ((events & (EVENT_ANSWER | EVENT_OUTPUT)) && !x->proto_done)
        x->proto->send(x);
    if (events & EVENT_LAST)
        x->handler_done = true;
    mutex_lock(&x->shared.lock);
    bool again = x->shared.events != 0;
    x->shared.posted = again;
    mutex_unlock(&x->shared.lock);
    if (again)
        loop_post(x->nl->loop, t);
    else if (x->handler_done && x->proto_done)
        finalize(x);
}

void exchange_sent(struct http_exchange *x, bool left)
{
    if (x->proto_done)
        return;
    x->proto_done = true;
    x->left = left;
    x->conn = NULL;
    mutex_lock(&x->shared.lock);
    x->shared.gone = x->shared.dead = true;
    bool posted = x->shared.posted;
    cond_broadcast(&x->shared.cond);
    mutex_unlock(&x->shared.lock);
    if (!x->handler_started && x->answer == ANSWER_NONE)
        x->handler_done = true; /* the peer left before anybody was asked */
    if (x->handler_done && !posted)
        finalize(x);
}

void exchange_peer_gone(struct http_exchange *x)
{
    mutex_lock(&x->shared.lock);
    x->shared.gone = true;
    mutex_unlock(&x->shared.lock);
}

/* ---- The head ---- */

bool exchange_add_header(struct http_exchange *x, struct slice name, struct slice value)
{
    if (x->header_count == REQUEST_HEADERS_MAX)
        return false;
    ARENA_PUSH(x->arena, x->headers, x->header_count, x->header_cap) = (struct http_header){ name, value };
    return true;
}

static enum http_method method_of(struct slice m)
{
    static const struct {
        struct slice name;
        enum http_method method;
    } known[] = {
        { SLICE_INIT("GET"), HTTP_GET_ },       { SLICE_INIT("POST"), HTTP_POST_ },
        { SLICE_INIT("HEAD"), HTTP_HEAD_ },     { SLICE_INIT("PUT"), HTTP_PUT_ },
        { SLICE_INIT("DELETE"), HTTP_DELETE_ }, { SLICE_INIT("OPTIONS"), HTTP_OPTIONS_ },
        { SLICE_INIT("PATCH"), HTTP_PATCH_ },
    };
    for (size_t i = 0; i < COUNT_OF(known); i++)
        if (slice_eq(m, known[i].name))
            return known[i].method;
    return HTTP_OTHER_;
}

/* What is no escape stays as it is. */
static struct slice percent_decoded(struct arena *a, struct slice s)
{
    if (slice_find_char(s, '%', 0) == SIZE_MAX)
        return s;
    char *out = arena_alloc(a, s.len);
    size_t n = 0;
    for (size_t i = 0; i < s.len; i++) {
        uint8_t byte;
        if (s.ptr[i] == '%' && i + 2 < s.len && hex_decode(slice_sub(s, i + 1, i + 3), &byte)) {
            out[n++] = (char)byte;
            i += 2;
        } else {
            out[n++] = s.ptr[i];
        }
    }
    return slice_of(out, n);
}

static void split_target(struct http_exchange *x, struct slice target)
{
    /* The absolute form, which proxies use: what follows the authority counts. */
    size_t scheme = target.len && target.ptr[0] != '/' ? slice_find(target, SLICE("://"), 0) : SIZE_MAX;
    if (scheme != SIZE_MAX) {
        size_t path = slice_find_char(target, '/', scheme + 3);
        target = path == SIZE_MAX ? SLICE("/") : slice_skip(target, path);
    }
    slice_cut(target, '#', &target, &x->query);
    slice_cut(target, '?', &x->raw_path, &x->query);
    x->path = percent_decoded(x->arena, x->raw_path);
}

static void run_handler(void *arg)
{
    struct http_exchange *x = arg;
    x->route->handle(x->route->user, x);
}

static bool submit(struct http_exchange *x)
{
    return pool_submit(x->route->flags & ROUTE_ASIDE ? x->server->aside : x->server->pool, run_handler, x);
}

static void to_worker(struct http_exchange *x)
{
    x->handler_started = true;
    if (!submit(x)) {
        x->handler_started = false;
        net_count_add(x->nl, COUNT_BUSY, 1);
        exchange_refuse(x, 503, "The server is busy: %d requests wait for a worker, no more are queued. Try again later.",
                        WORKER_QUEUE_MAX);
    }
}

void http_hand_over(struct http_exchange *x, const struct http_route *route)
{
    x->route = route;
    if (submit(x))
        return;
    net_count_add(x->nl, COUNT_BUSY, 1);
    if (route->flags & ROUTE_GRPC) {
        http_reply_grpc(x, GRPC_UNAVAILABLE, SLICE("The server is busy. Try again later."));
        return;
    }
    http_set_header(x, SLICE("Retry-After"), SLICE("1"));
    http_reply(x, 503, SLICE("text/plain; charset=utf-8"), SLICE("The server is busy. Try again later.\n"));
}

void exchange_head_in(struct http_exchange *x, struct slice method, struct slice target, int64_t content_length)
{
    struct http_server *s = x->server;
    x->head_in = true;
    x->received_ns = clock_wall_ns(clock_real());
    x->started_ns = clock_mono_ns(clock_real());
    x->method_text = method;
    x->method = method_of(method);
    x->target = target;
    split_target(x, target);
    x->content_length = content_length;
    x->content_type = http_header(x, SLICE("content-type"));
    x->route = s->opt.route ? s->opt.route(s->opt.user, x) : NULL;
    if (x->answer != ANSWER_NONE)
        return;
    if (x->route == NULL) {
        exchange_refuse(x, 404, "Nothing is served at %.*s.", SLICE_FMT(slice_sub(x->raw_path, 0, 200)));
        return;
    }
    if (content_length > 0 && (uint64_t)content_length > x->route->body_bytes_max) {
        exchange_refuse(x, 413, "The body has %lld bytes by its Content-Length; at most %zu are allowed here.",
                        (long long)content_length, x->route->body_bytes_max);
        return;
    }
    if ((x->route->flags & ROUTE_GRPC) && !x->is_h2) {
        exchange_refuse(x, 505, "gRPC is served over HTTP/2 only; this request came by HTTP/1.");
        return;
    }
    if (x->expects_continue)
        x->proto->go_on(x);
    if (x->route->flags & ROUTE_STREAM)
        to_worker(x);
}

/* ---- The body ---- */

/* Makes the collected body's buffer hold `need` bytes; refuses the exchange when the budget has none left. */
static bool body_reserve(struct http_exchange *x, size_t need)
{
    if (need <= x->body_cap)
        return true;
    struct budget *b = x->server->opt.in_flight;
    size_t cap = MAX(need, MAX(x->body_cap * 2, (size_t)BODY_FIRST_BYTES_MIN));
    if (x->content_length > 0 && x->body_cap == 0)
        cap = MAX(need, MIN((size_t)x->content_length, (size_t)BODY_FIRST_BYTES_MAX));
    else if (x->content_length > 0)
        cap = MIN(cap, MAX(need, (size_t)x->content_length));
    if (b && !budget_take(b, cap - x->body_cap)) {
        net_count_add(x->nl, COUNT_BUSY, 1);
        exchange_refuse(x, 503,
                        "The server is busy: %llu bytes of request bodies are in flight (%s), at most %llu are allowed. "
                        "Try again later.",
                        (unsigned long long)atomic_load(&b->used), b->name, (unsigned long long)b->max);
        return false;
    }
    x->body = mem_realloc(x->body, cap + BODY_SLACK_BYTES);
    x->body_cap = x->body_charged = cap;
    return true;
}

static bool wants_body(const struct http_exchange *x)
{
    return x->answer == ANSWER_NONE && !x->proto_done && x->route;
}

static bool is_streamed(const struct http_exchange *x)
{
    return x->route && (x->route->flags & ROUTE_STREAM);
}

char *exchange_body_room(struct http_exchange *x, size_t *n)
{
    if (!x->head_in || x->body_in || x->content_length <= 0 || is_streamed(x) || !wants_body(x))
        return NULL;
    size_t rest = (size_t)x->content_length - x->body_len;
    if (x->body_len == x->body_cap && !body_reserve(x, x->body_len + 1))
        return NULL;
    if (x->body_cap - x->body_len >= rest)
        *n = x->body_cap - x->body_len + BODY_SLACK_BYTES; /* a short read then says that nothing more is there */
    else
        *n = x->body_cap - x->body_len;
    return x->body + x->body_len;
}

/* The loop's half of a streamed body; under the lock. */
static bool stream_append(struct http_exchange *x, const char *bytes, size_t n)
{
    if (x->shared.in_at && x->shared.in_at + x->shared.in_len + n > x->shared.in_cap) {
        memmove(x->shared.in, x->shared.in + x->shared.in_at, x->shared.in_len);
        x->shared.in_at = 0;
    }
    size_t need = x->shared.in_at + x->shared.in_len + n;
    if (need > x->shared.in_cap) {
        size_t cap = MAX(need, x->shared.in_cap * 2);
        struct budget *b = x->server->opt.in_flight;
        if (b && !budget_take(b, cap - x->shared.in_cap))
            return false;
        x->shared.in = mem_realloc(x->shared.in, cap);
        x->shared.in_cap = cap;
    }
    memcpy(x->shared.in + x->shared.in_at + x->shared.in_len, bytes, n);
    x->shared.in_len += n;
    return true;
}

static size_t stream_body(struct http_exchange *x, const char *bytes, size_t n)
{
    size_t consumed = 0;
    mutex_lock(&x->shared.lock);
    if (x->shared.in_status) {
        consumed = n;
    } else if (x->bytes_in > x->route->body_bytes_max) {
        x->shared.in_status = ST_LIMIT;
    } else if (!stream_append(x, bytes, n)) {
        x->shared.in_status = ST_UNAVAILABLE;
    }
    if (x->shared.in_status)
        consumed = n;
    cond_signal(&x->shared.cond);
    mutex_unlock(&x->shared.lock);
    return consumed;
}

size_t exchange_body(struct http_exchange *x, const char *bytes, size_t n)
{
    x->bytes_in += n;
    if (is_streamed(x) && x->handler_started && !x->proto_done)
        return stream_body(x, bytes, n);
    if (!wants_body(x))
        return n;
    if (x->body_len + n > x->route->body_bytes_max) {
        exchange_refuse(x, 413, "The body has more than %zu bytes, the most that are allowed here.",
                        x->route->body_bytes_max);
        return n;
    }
    if (x->body && bytes == x->body + x->body_len) {
        x->body_len += n; /* read to its place already */
        return n;
    }
    if (body_reserve(x, x->body_len + n)) {
        memcpy(x->body + x->body_len, bytes, n);
        x->body_len += n;
    }
    return n;
}

size_t exchange_waiting(struct http_exchange *x)
{
    if (!is_streamed(x))
        return 0;
    mutex_lock(&x->shared.lock);
    size_t n = x->shared.in_len;
    mutex_unlock(&x->shared.lock);
    return n;
}

void exchange_body_end(struct http_exchange *x)
{
    if (x->body_in)
        return;
    x->body_in = true;
    if (is_streamed(x)) {
        mutex_lock(&x->shared.lock);
        x->shared.in_end = true;
        cond_signal(&x->shared.cond);
        mutex_unlock(&x->shared.lock);
        return;
    }
    if (!wants_body(x))
        return;
    if (x->body)
        memset(x->body + x->body_len, 0, BODY_SLACK_BYTES);
    if ((x->route->flags & ROUTE_GRPC) && !grpc_take_message(x))
        return;
    if ((x->route->flags & ROUTE_ON_LOOP) && x->body_len <= BODY_ON_LOOP_BYTES_MAX) {
        x->handler_started = true;
        run_handler(x);
    } else {
        to_worker(x);
    }
}

void exchange_body_fail(struct http_exchange *x, enum status why, int status, const char *sentence)
{
    if (x->body_in)
        return;
    x->close_after = true;
    if (is_streamed(x) && x->handler_started) {
        mutex_lock(&x->shared.lock);
        if (x->shared.in_status == ST_OK)
            x->shared.in_status = why;
        cond_signal(&x->shared.cond);
        mutex_unlock(&x->shared.lock);
    } else if (x->answer == ANSWER_NONE) {
        exchange_refuse(x, status, "%s", sentence);
    }
}

void exchange_refuse(struct http_exchange *x, int status, const char *fmt, ...)
{
    if (x->handler_started || x->answer != ANSWER_NONE)
        return;
    char text[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    int n = vsnprintf(text, sizeof text - 1, fmt, args);
    va_end(args);
    size_t len = MIN((size_t)MAX(n, 0), sizeof text - 2);
    if (!x->body_in)
        x->close_after = status == 400 || status == 408 || status == 414 || status == 431 || status == 413;
    if (status == 503)
        http_set_header(x, SLICE("Retry-After"), SLICE("1"));
    if (slice_starts(x->content_type, SLICE("application/grpc")) && x->is_h2) {
        http_reply_grpc(x, grpc_status_of_http(status), slice_of(text, len));
        return;
    }
    text[len] = '\n';
    http_reply(x, status, SLICE("text/plain; charset=utf-8"), slice_of(text, len + 1));
}

/* ---- The answer ---- */

bool exchange_take_output(struct http_exchange *x)
{
    if (x->sending_at < x->sending.len)
        return false;
    buf_reset(&x->sending);
    x->sending_at = 0;
    mutex_lock(&x->shared.lock);
    struct buf swap = x->shared.out;
    x->shared.out = x->sending;
    x->sending = swap;
    bool last = x->shared.out_end;
    cond_broadcast(&x->shared.cond);
    mutex_unlock(&x->shared.lock);
    return last;
}

bool exchange_is_bodiless(const struct http_exchange *x)
{
    return x->method == HTTP_HEAD_ || x->status == 204 || x->status == 304 || x->status / 100 == 1;
}
