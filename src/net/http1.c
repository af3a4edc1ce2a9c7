/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1 over one connection: one exchange at a time, in order.
 *
 *     SNIFF -> IDLE -> HEAD -> BODY -> WAIT (for the answer) -> IDLE ...
 *
 * (1) The parser is paused at the end of each request. What a pipelining client sent beyond it waits in `pending`, which
 *     is bounded; reading stops above that.
 * (2) A body of known length is read from the socket to its final place; llhttp only counts over it.
 * (3) Whether a request's end is where others (a proxy before us) see it must never be in doubt: Content-Length together
 *     with Transfer-Encoding, any coding but chunked, a carriage return that ends no line, two Hosts: 400, and closed.
 * (4) An answer given before the body is in keeps the connection only when little is left to skip. */
#include "net/http1.h"

#include <llhttp.h>
#include <stdio.h>

#include "net/exchange.h"
#include "net/http2.h"
#include "net/upgrade.h"

enum {
    PIPELINE_BYTES_MAX = 64 * KIB,
    SKIP_BYTES_MAX = 256 * KIB,        /* of an unwanted body, rather than closing */
    CHUNK_EXTENSION_BYTES_MAX = 4 * KIB, /* of one request, all chunks together */
    HEAD_READ_BYTES = 8 * KIB,
    TEXT_ROOM_BYTES_MIN = 32           /* of a name, a value or a URL being put together */
};

enum phase { SNIFF, IDLE, HEAD, BODY, WAIT };

struct http1 {
    struct conn *c;
    llhttp_t parser;
    struct http_exchange *x;
    enum phase phase;
    struct buf pending, head;
    struct slice name, value, url; /* being put together, in x's arena */
    size_t sniffed, head_raw, extension_bytes, trailer_bytes;
    size_t line_len;               /* of the head line being scanned */
    bool line_seen, cr, scanned;   /* the scan for (3) */
    bool complete, chunked, keep, close, draining, at_eof, stop, answering, answer_sent, paused;
    int fail_status;               /* why a parser callback stopped the parser */
    char fail[200];
};

static void parse(struct http1 *h, char *p, size_t n);
static void pump(struct http1 *h);

static uint64_t ms_of(int64_t ns)
{
    return (uint64_t)MAX(ns / NS_MS, (int64_t)1);
}

static const struct http_options *options(const struct http1 *h)
{
    return &conn_net_loop(h->c)->server->opt;
}

/* ---- Exchanges of this protocol ---- */

static void x_send(struct http_exchange *x)
{
    struct http1 *h = x->proto_state;
    h->answering = true;
    pump(h);
}

static void x_taken(struct http_exchange *x, size_t bytes)
{
    struct http1 *h = x->proto_state;
    /* Paused in WAIT it is for what was pipelined, which has no deadline and waits for the answer. */
    if (h->paused && h->phase == BODY && exchange_waiting(x) < STREAM_WINDOW_BYTES / 2) {
        h->paused = false;
        conn_deadline(h->c, ms_of(options(h)->body_timeout_ns));
        conn_read_resume(h->c);
    }
}

static void x_go_on(struct http_exchange *x)
{
    struct http1 *h = x->proto_state;
    x->expects_continue = false;
    conn_send(h->c, &SLICE("HTTP/1.1 100 Continue\r\n\r\n"), 1);
}

static const struct exchange_proto http1_exchange = { x_send, x_taken, x_go_on };

static struct http_exchange *the_exchange(struct http1 *h)
{
    if (h->x == NULL)
        h->x = exchange_new(h->c, &http1_exchange, h);
    return h->x;
}

/* ---- Parser callbacks: they note and never close or send ---- */

static int fail(struct http1 *h, int status, const char *sentence, size_t allowed)
{
    h->fail_status = status;
    snprintf(h->fail, sizeof h->fail, sentence, allowed);
    return HPE_USER;
}

/* The room of a text of n bytes. By doubling: an arena gives nothing back, so a text that grew byte by byte, each time to
 * a new place, would take the square of its size. */
static size_t text_room(size_t n)
{
    size_t room = n ? TEXT_ROOM_BYTES_MIN : 0;
    while (room < n)
        room *= 2;
    return room;
}

static void append(struct http1 *h, struct slice *s, const char *at, size_t n)
{
    size_t had = text_room(s->len), want = text_room(s->len + n);
    char *p = (char *)s->ptr;
    if (want > had)
        p = arena_grow(the_exchange(h)->arena, had ? p : NULL, had, want);
    if (n)
        memcpy(p + s->len, at, n);
    *s = slice_of(p, s->len + n);
}

static int on_url(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = p->data;
    if (h->url.len + n > options(h)->url_bytes_max)
        return fail(h, 414, "The request's URL is longer than the %zu bytes allowed.", options(h)->url_bytes_max);
    append(h, &h->url, at, n);
    return 0;
}

/* Counts a piece of a header; a trailer is counted and forgotten. */
static int on_header_piece(struct http1 *h, struct slice *s, const char *at, size_t n)
{
    struct http_exchange *x = the_exchange(h);
    size_t *count = x->head_in ? &h->trailer_bytes : &x->header_bytes;
    *count += n;
    if (*count > options(h)->header_bytes_max)
        return fail(h, 431, "The request's headers are longer than the %zu bytes allowed.",
                    options(h)->header_bytes_max);
    if (!x->head_in)
        append(h, s, at, n);
    return 0;
}

static int on_header_field(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = p->data;
    return on_header_piece(h, &h->name, at, n);
}

static int on_header_value(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = p->data;
    return on_header_piece(h, &h->value, at, n);
}

static int on_header_end(llhttp_t *p)
{
    struct http1 *h = p->data;
    if (the_exchange(h)->head_in)
        return 0;
    bool good = exchange_add_header(h->x, h->name, h->value.len ? slice_trim(h->value) : SLICE_EMPTY);
    h->name = h->value = SLICE_EMPTY;
    return good ? 0 : fail(h, 431, "The request has more than the %zu headers allowed.", REQUEST_HEADERS_MAX);
}

/* (3). Sets x's expectations on the way. */
static int check_head(struct http1 *h)
{
    struct http_exchange *x = h->x;
    size_t hosts = 0, lengths = 0, codings = 0;
    bool chunked = true;
    for (size_t i = 0; i < x->header_count; i++) {
        struct slice name = x->headers[i].name, value = x->headers[i].value;
        if (slice_eq_nocase(name, SLICE("host"))) {
            hosts++;
        } else if (slice_eq_nocase(name, SLICE("content-length"))) {
            lengths++;
        } else if (slice_eq_nocase(name, SLICE("transfer-encoding"))) {
            codings++;
            chunked = chunked && slice_eq_nocase(value, SLICE("chunked"));
        } else if (slice_eq_nocase(name, SLICE("expect"))) {
            if (!slice_eq_nocase(value, SLICE("100-continue")))
                return fail(h, 417, "The only expectation served is 100-continue.", 0);
            x->expects_continue = h->parser.http_minor > 0;
        }
    }
    if (h->parser.http_major != 1)
        return fail(h, 505, "The request line names a version of HTTP that is not served; 1.0, 1.1 and 2 are.", 0);
    if (lengths + codings > 1)
        return fail(h, 400, "The request says its length more than once (Content-Length, Transfer-Encoding).", 0);
    if (codings && (!chunked || h->parser.http_minor == 0))
        return fail(h, 400, "The only Transfer-Encoding served is chunked, with HTTP/1.1.", 0);
    if (hosts > 1 || (hosts == 0 && h->parser.http_minor > 0))
        return fail(h, 400, "The request must have one Host header.", 0);
    if (lengths && h->parser.content_length > INT64_MAX)
        return fail(h, 413, "The request's Content-Length is over any limit.", 0);
    h->chunked = codings > 0;
    return 0;
}

static int on_headers_complete(llhttp_t *p)
{
    struct http1 *h = p->data;
    struct http_exchange *x = the_exchange(h);
    int rc = check_head(h);
    if (rc)
        return rc;
    h->phase = BODY;
    h->keep = llhttp_should_keep_alive(p) != 0;
    p->upgrade = 0; /* no other protocol is offered: an ordinary request */
    bool has_length = (p->flags & F_CONTENT_LENGTH) != 0;
    if (!h->chunked && (!has_length || p->content_length == 0))
        x->expects_continue = false;
    exchange_head_in(x, slice_str(llhttp_method_name(p->method)), h->url,
                     has_length ? (int64_t)p->content_length : h->chunked ? -1 : 0);
    return 0;
}

static int on_body(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = p->data;
    if (h->answer_sent)
        h->x->bytes_in += n;
    else
        exchange_body(h->x, at, n);
    return 0;
}

static int on_chunk_extension(llhttp_t *p, const char *at, size_t n)
{
    struct http1 *h = p->data;
    h->extension_bytes += n;
    return h->extension_bytes <= CHUNK_EXTENSION_BYTES_MAX
               ? 0
               : fail(h, 400, "The request's chunk extensions are longer than the %zu bytes allowed.",
                      CHUNK_EXTENSION_BYTES_MAX);
}

static int on_message_complete(llhttp_t *p)
{
    struct http1 *h = p->data;
    h->complete = true;
    return HPE_PAUSED;
}

static const llhttp_settings_t settings = {
    .on_url = on_url,
    .on_header_field = on_header_field,
    .on_header_value = on_header_value,
    .on_header_value_complete = on_header_end,
    .on_headers_complete = on_headers_complete,
    .on_body = on_body,
    .on_chunk_extension_name = on_chunk_extension,
    .on_chunk_extension_value = on_chunk_extension,
    .on_message_complete = on_message_complete,
};

/* ---- Input ---- */

/* A carriage return must end a line. Stops looking at the head's end. */
static bool scan_head(struct http1 *h, const char *p, size_t n)
{
    for (size_t i = 0; i < n && !h->scanned; i++) {
        if (h->cr && p[i] != '\n')
            return false;
        h->cr = p[i] == '\r';
        if (p[i] == '\n') {
            h->scanned = h->line_len == 0 && h->line_seen;
            h->line_len = 0;
        } else if (!h->cr) {
            h->line_len++;
            h->line_seen = true;
        }
    }
    return true;
}

/* The input cannot be followed any further: answers when that is still possible, and closes after it. */
static void give_up(struct http1 *h, int status, const char *sentence)
{
    struct http_exchange *x = the_exchange(h);
    h->stop = h->close = true;
    net_count_add(conn_net_loop(h->c), COUNT_PROTOCOL_ERRORS, 1);
    conn_deadline(h->c, 0);
    if (h->answer_sent) {
        exchange_sent(x, false);
        h->x = NULL;
        conn_finish(h->c);
    } else if (x->head_in) {
        exchange_body_fail(x, status == 413 || status == 431 ? ST_LIMIT : ST_INVALID, status, sentence);
    } else {
        exchange_refuse(x, status, "%s", sentence);
    }
}

static void parser_failed(struct http1 *h)
{
    if (h->fail_status) {
        give_up(h, h->fail_status, h->fail);
        return;
    }
    const char *reason = llhttp_get_error_reason(&h->parser);
    char text[200];
    snprintf(text, sizeof text, "The request is no valid HTTP/1.1: %s.", reason ? reason : "unknown error");
    give_up(h, 400, text);
}

static void next_request(struct http1 *h);

/* The request is in: dispatches it, or, when it was answered already, goes on to the next one. */
static void request_in(struct http1 *h)
{
    h->complete = false;
    h->phase = WAIT;
    conn_deadline(h->c, 0);
    exchange_body_end(h->x);
    if (h->answer_sent)
        next_request(h);
}

static void keep_for_later(struct http1 *h, const char *p, size_t n)
{
    buf_put(&h->pending, p, n);
    if (h->pending.len >= PIPELINE_BYTES_MAX) {
        h->paused = true;
        conn_read_pause(h->c);
    }
}

static void begin_head(struct http1 *h)
{
    h->phase = HEAD;
    h->head_raw = h->line_len = h->extension_bytes = h->trailer_bytes = 0;
    h->line_seen = h->cr = h->scanned = false;
    h->chunked = false;
    h->name = h->value = h->url = SLICE_EMPTY;
    conn_deadline(h->c, ms_of(options(h)->header_timeout_ns));
}

static void after_parse(struct http1 *h, size_t n)
{
    if (h->phase == HEAD) {
        h->head_raw += n;
        size_t max = options(h)->header_bytes_max + options(h)->url_bytes_max + REQUEST_HEADERS_MAX * 8;
        if (h->head_raw > max) {
            fail(h, 431, "The request's head is longer than the %zu bytes allowed.", max);
            give_up(h, 431, h->fail);
        }
    } else if (h->phase == BODY) {
        if (h->x && exchange_waiting(h->x) >= STREAM_WINDOW_BYTES && !h->answer_sent) {
            h->paused = true;
            conn_deadline(h->c, 0);
            conn_read_pause(h->c);
        } else {
            conn_deadline(h->c, ms_of(options(h)->body_timeout_ns));
        }
    }
}

static void parse(struct http1 *h, char *p, size_t n)
{
    if (h->stop || n == 0 || conn_is_closing(h->c))
        return;
    if (h->phase == WAIT) {
        keep_for_later(h, p, n);
        return;
    }
    if (h->phase == IDLE)
        begin_head(h);
    if (h->phase == HEAD && !scan_head(h, p, n)) {
        give_up(h, 400, "The request's head has a carriage return that ends no line.");
        return;
    }
    enum llhttp_errno rc = llhttp_execute(&h->parser, p, n);
    if (rc == HPE_OK) {
        after_parse(h, n);
    } else if (rc == HPE_PAUSED && h->complete) {
        const char *end = llhttp_get_error_pos(&h->parser);
        h->phase = WAIT; /* so that the rest is kept */
        keep_for_later(h, end, (size_t)(p + n - end));
        request_in(h);
    } else {
        parser_failed(h);
    }
}

/* The current exchange is over: goes on with what has come meanwhile. */
static void next_request(struct http1 *h)
{
    exchange_sent(h->x, false);
    h->x = NULL;
    h->answering = h->answer_sent = false;
    h->phase = IDLE;
    llhttp_resume(&h->parser);
    if (h->pending.len) {
        struct buf now = h->pending;
        buf_init(&h->pending, 0);
        parse(h, now.ptr, now.len);
        buf_free(&now);
    } else {
        conn_deadline(h->c, ms_of(options(h)->idle_timeout_ns));
    }
    if (h->phase != WAIT && (h->at_eof || (h->draining && h->phase == IDLE)) && !h->stop) {
        conn_finish(h->c);
        return;
    }
    if (h->paused && h->pending.len < PIPELINE_BYTES_MAX && h->phase != BODY) {
        h->paused = false;
        conn_read_resume(h->c);
    }
}

static void c_bytes(struct conn *c, char *p, size_t n)
{
    struct http1 *h = conn_state(c);
    if (h->phase != SNIFF) {
        parse(h, p, n);
        return;
    }
    size_t same = 0;
    struct slice preface = HTTP2_PREFACE;
    while (same < n && h->sniffed + same < preface.len && p[same] == preface.ptr[h->sniffed + same])
        same++;
    if (h->sniffed + same == preface.len) {
        http2_begin(c); /* sees the preface already */
        mem_free(h);
        if (n > same)
            conn_give(c, p + same, n - same);
        return;
    }
    if (same == n) {
        h->sniffed += n;
        return;
    }
    h->phase = IDLE;
    char seen[32];
    memcpy(seen, preface.ptr, h->sniffed);
    parse(h, seen, h->sniffed);
    parse(h, p, n);
}

static char *c_room(struct conn *c, size_t *n)
{
    struct http1 *h = conn_state(c);
    if (h->phase == BODY && !h->stop) {
        if (h->chunked || h->answer_sent)
            return NULL;
        return exchange_body_room(h->x, n);
    }
    *n = HEAD_READ_BYTES;
    return NULL;
}

static void c_eof(struct conn *c)
{
    struct http1 *h = conn_state(c);
    h->at_eof = true;
    if (h->x && (h->phase == WAIT || h->stop))
        exchange_peer_gone(h->x); /* it may only have closed its sending half: the answer is sent all the same */
    else if (h->x)
        conn_abort(c);
    else
        conn_finish(c);
}

static void c_late(struct conn *c)
{
    struct http1 *h = conn_state(c);
    if (h->phase == SNIFF || h->phase == IDLE || h->stop) {
        conn_finish(c);
        return;
    }
    net_count_add(conn_net_loop(c), COUNT_TIMEOUTS, 1);
    h->stop = h->close = true;
    char text[120];
    bool head = h->phase == HEAD;
    snprintf(text, sizeof text, "The request's %s within the %lld ms allowed.",
             head ? "head was not complete" : "body did not go on",
             (long long)((head ? options(h)->header_timeout_ns : options(h)->body_timeout_ns) / NS_MS));
    if (h->answer_sent) {
        exchange_sent(h->x, false);
        h->x = NULL;
        conn_finish(c);
    } else if (head) {
        exchange_refuse(the_exchange(h), 408, "%s", text);
    } else {
        exchange_body_fail(h->x, ST_TIMEOUT, 408, text);
    }
}

static void c_drain(struct conn *c)
{
    struct http1 *h = conn_state(c);
    h->draining = true;
    if (h->x == NULL)
        conn_finish(c);
}

static void c_drained(struct conn *c)
{
    struct http1 *h = conn_state(c);
    if (h->x && h->answering && !h->answer_sent)
        pump(h);
}

static void c_closed(struct conn *c)
{
    struct http1 *h = conn_state(c);
    if (h->x)
        exchange_sent(h->x, true);
    buf_free(&h->pending);
    buf_free(&h->head);
    mem_free(h);
}

static const struct conn_proto http1_conn = { c_bytes, c_room, c_eof, c_drained, c_late, c_drain, c_closed };

/* ---- Output ---- */

/* (4) */
static bool must_close(const struct http1 *h)
{
    const struct http_exchange *x = h->x;
    if (!h->keep || h->close || h->draining || x->close_after || (h->at_eof && h->pending.len == 0))
        return true;
    if (x->body_in)
        return false;
    return h->chunked || x->expects_continue || (uint64_t)x->content_length - x->bytes_in > SKIP_BYTES_MAX;
}

static void put_header(struct buf *b, struct slice name, struct slice value)
{
    buf_slice(b, name);
    buf_put(b, ": ", 2);
    buf_slice(b, value);
    buf_put(b, "\r\n", 2);
}

static void build_head(struct http1 *h)
{
    struct http_exchange *x = h->x;
    struct buf *b = &h->head;
    bool whole = x->answer == ANSWER_WHOLE;
    if (!whole && h->parser.http_minor == 0)
        h->close = true; /* an old client sees the end by the closing */
    h->close = must_close(h);
    buf_reset(b);
    buf_printf(b, "HTTP/1.1 %d %s\r\n", x->status, http_reason(x->status));
    put_header(b, SLICE("Date"), loop_date(conn_net_loop(h->c)->loop));
    if (x->answer_type.len)
        put_header(b, SLICE("Content-Type"), x->answer_type);
    for (size_t i = 0; i < x->answer_header_count; i++)
        put_header(b, x->answer_headers[i].name, x->answer_headers[i].value);
    if (whole && x->status != 101 && x->status != 204 && x->status != 304)
        buf_printf(b, "Content-Length: %zu\r\n", x->answer_body.len);
    else if (!whole && h->parser.http_minor > 0 && !exchange_is_bodiless(x))
        put_header(b, SLICE("Transfer-Encoding"), SLICE("chunked"));
    if (h->close)
        put_header(b, SLICE("Connection"), SLICE("close"));
    else if (h->parser.http_minor == 0)
        put_header(b, SLICE("Connection"), SLICE("keep-alive"));
    buf_put(b, "\r\n", 2);
}

/* The connection is another protocol's from here on; h is gone. */
static void hand_over(struct http1 *h)
{
    struct conn *c = h->c;
    struct websocket *w = h->x->upgrade;
    struct buf pending = h->pending;
    bool paused = h->paused;
    h->x->upgrade = NULL;
    exchange_sent(h->x, false);
    buf_free(&h->head);
    mem_free(h);
    websocket_begin(w, c);
    if (pending.len)
        conn_give(c, pending.ptr, pending.len);
    buf_free(&pending);
    if (paused)
        conn_read_resume(c);
}

static void answer_sent(struct http1 *h)
{
    h->answer_sent = true;
    if (conn_is_closing(h->c))
        return;
    if (h->x->upgrade && !h->close && !h->stop && h->phase == WAIT) {
        hand_over(h);
    } else if (h->close || h->stop) {
        exchange_sent(h->x, false);
        h->x = NULL;
        h->stop = true;
        conn_finish(h->c);
    } else if (h->phase == WAIT) {
        next_request(h);
    } else if (h->paused) {
        h->paused = false; /* the rest of an unwanted body is skipped */
        conn_deadline(h->c, ms_of(options(h)->body_timeout_ns));
        conn_read_resume(h->c);
    }
}

static void pump_whole(struct http1 *h)
{
    struct http_exchange *x = h->x;
    struct slice body = exchange_is_bodiless(x) ? SLICE_EMPTY : x->answer_body;
    struct slice head = SLICE_EMPTY;
    if (!x->head_sent) {
        build_head(h);
        head = buf_as_slice(&h->head);
        x->head_sent = true;
    } else if (conn_queued(h->c) >= CONN_QUEUE_BYTES) {
        return;
    }
    do {
        size_t took = conn_send_some(h->c, head, slice_skip(body, x->answer_at));
        if (conn_is_closing(h->c))
            return;
        x->bytes_out += head.len + took;
        x->answer_at += took;
        head = SLICE_EMPTY;
    } while (x->answer_at < body.len && conn_queued(h->c) == 0);
    if (x->answer_at == body.len)
        answer_sent(h);
}

static void pump_stream(struct http1 *h)
{
    struct http_exchange *x = h->x;
    bool chunked = h->parser.http_minor > 0 && !exchange_is_bodiless(x);
    if (!x->head_sent) {
        build_head(h);
        x->head_sent = true;
        conn_send(h->c, &(struct slice){ h->head.ptr, h->head.len }, 1);
        x->bytes_out += h->head.len;
    }
    while (!conn_is_closing(h->c) && conn_queued(h->c) < CONN_QUEUE_BYTES) {
        if (x->sending_at == x->sending.len) {
            bool last = exchange_take_output(x);
            if (x->sending.len == 0) {
                if (last && chunked)
                    conn_send(h->c, &SLICE("0\r\n\r\n"), 1);
                if (last)
                    answer_sent(h);
                return;
            }
        }
        struct slice piece = slice_sub(buf_as_slice(&x->sending), x->sending_at, x->sending_at + CONN_QUEUE_BYTES);
        char size[24];
        int n = snprintf(size, sizeof size, "%zx\r\n", piece.len);
        struct slice parts[3] = { slice_of(size, (size_t)n), piece, SLICE("\r\n") };
        conn_send(h->c, chunked ? parts : parts + 1, chunked ? 3 : 1);
        x->sending_at += piece.len;
        x->bytes_out += piece.len;
    }
}

static void pump(struct http1 *h)
{
    if (h->answer_sent || conn_is_closing(h->c))
        return;
    if (h->x->answer == ANSWER_WHOLE)
        pump_whole(h);
    else
        pump_stream(h);
}

/* ---- Beginning ---- */

void http1_begin(struct conn *c)
{
    struct http1 *h = mem_new(struct http1);
    h->c = c;
    llhttp_init(&h->parser, HTTP_REQUEST, &settings);
    h->parser.data = h;
    conn_set_proto(c, &http1_conn, h);
    conn_deadline(c, ms_of(options(h)->header_timeout_ns));
}

void http1_say_busy(struct conn *c, unsigned connections_max)
{
    char text[320], body[120];
    int n = snprintf(body, sizeof body, "The server is busy: %u connections are open, no more are allowed.\n",
                     connections_max);
    int len = snprintf(text, sizeof text,
                       "HTTP/1.1 503 Service Unavailable\r\nContent-Type: text/plain; charset=utf-8\r\n"
                       "Content-Length: %d\r\nRetry-After: 1\r\nConnection: close\r\n\r\n%s",
                       n, body);
    conn_send(c, &(struct slice){ text, (size_t)len }, 1);
}
