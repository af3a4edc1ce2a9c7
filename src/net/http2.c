/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 over one connection: an nghttp2 session, a list of exchanges, one per stream.
 *
 * (1) The session is fed and drained from the connection's callbacks and from exchanges' events; nothing is sent from
 *     inside the session's own callbacks.
 * (2) Flow control: the connection's window opens as bytes arrive, a stream's window as they are consumed: at once when
 *     they are collected (limit and budget bound those), by the reader's pace when they are streamed. So one slow
 *     reader stops its stream and no other.
 * (3) Output is taken from the session only while less than CONN_QUEUE_BYTES wait for the socket.
 * (4) Streams reset by the peer cost it: RESETS_BURST at once, RESETS_PER_S over time, then the connection ends.
 * (5) One deadline, recomputed when it fires: a head or body that does not go on, an answer the peer does not take, idle. */
#include "net/http2.h"

#include <nghttp2/nghttp2.h>
#include <stdio.h>

#include "base/num.h"
#include "net/exchange.h"

enum {
    CONNECTION_WINDOW_BYTES = 1 * MIB,
    GATHER_BYTES = 64 * KIB, /* output is gathered to this much before it goes to the socket */
    SKIP_BYTES_MAX = 256 * KIB, /* of a body that is answered already */
    RESETS_BURST = 100,
    RESETS_PER_S = 50,
    HEADER_OVERHEAD_BYTES = 32 /* what RFC 9113 adds to a header's size */
};

struct http2 {
    struct conn *c;
    nghttp2_session *session;
    struct http_exchange *list;
    struct buf gather;
    unsigned resets_left;
    uint64_t resets_ms; /* when resets_left was last raised */
    bool draining, receiving, broken;
};

static void flush(struct http2 *h);

static const struct http_options *options(const struct http2 *h)
{
    return &conn_net_loop(h->c)->server->opt;
}

static uint64_t now_ms(const struct http2 *h)
{
    return loop_now_ms(conn_net_loop(h->c)->loop);
}

static uint64_t ms_of(int64_t ns)
{
    return (uint64_t)MAX(ns / NS_MS, (int64_t)1);
}

static void count(struct http2 *h, enum net_count what)
{
    net_count_add(conn_net_loop(h->c), what, 1);
}

static void unlink_exchange(struct http2 *h, struct http_exchange *x)
{
    if (x->prev)
        x->prev->next = x->next;
    else
        h->list = x->next;
    if (x->next)
        x->next->prev = x->prev;
    x->next = x->prev = NULL;
}

/* ---- Answers ---- */

static nghttp2_nv nv_of(struct slice name, struct slice value)
{
    return (nghttp2_nv){ (uint8_t *)name.ptr, (uint8_t *)value.ptr, name.len, value.len, NGHTTP2_NV_FLAG_NONE };
}

static void send_trailers(struct http2 *h, struct http_exchange *x)
{
    char status[16];
    nghttp2_nv nv[2] = { nv_of(SLICE("grpc-status"), slice_of(status, (size_t)snprintf(status, sizeof status, "%d", x->grpc_status))),
                         nv_of(SLICE("grpc-message"), x->grpc_reason) };
    if (nghttp2_submit_trailer(h->session, (int32_t)x->stream_id, nv, x->grpc_status ? 2 : 1) != 0)
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)x->stream_id, NGHTTP2_INTERNAL_ERROR);
}

/* Where the session gets an answer's body from. */
static ssize_t on_data_wanted(nghttp2_session *session, int32_t id, uint8_t *to, size_t room, uint32_t *flags,
                              nghttp2_data_source *source, void *user)
{
    struct http2 *h = user;
    struct http_exchange *x = source->ptr;
    bool whole = x->answer == ANSWER_WHOLE;
    bool last = whole;
    if (!whole && x->sending_at == x->sending.len) {
        last = exchange_take_output(x) && x->sending.len == 0;
        if (x->sending.len == 0 && !last) {
            x->deferred = true;
            return NGHTTP2_ERR_DEFERRED;
        }
    }
    struct slice from = whole ? x->answer_body : buf_as_slice(&x->sending);
    size_t *at = whole ? &x->answer_at : &x->sending_at;
    size_t n = MIN(room, from.len - *at);
    if (n)
        memcpy(to, from.ptr + *at, n);
    *at += n;
    x->bytes_out += n;
    x->progress_ms = now_ms(h);
    if (last && *at == from.len) {
        *flags |= NGHTTP2_DATA_FLAG_EOF;
        if (x->is_grpc_answer) {
            *flags |= NGHTTP2_DATA_FLAG_NO_END_STREAM;
            send_trailers(h, x);
        }
    }
    return (ssize_t)n;
}

static bool is_hop_header(struct slice name)
{
    return slice_eq(name, SLICE("connection")) || slice_eq(name, SLICE("transfer-encoding")) ||
           slice_eq(name, SLICE("keep-alive")) || slice_eq(name, SLICE("upgrade"));
}

static void send_head(struct http2 *h, struct http_exchange *x)
{
    nghttp2_nv nv[ANSWER_HEADERS_MAX + 8];
    size_t n = 0;
    char status[16], length[24], grpc[16];
    bool whole = x->answer == ANSWER_WHOLE;
    nv[n++] = nv_of(SLICE(":status"), slice_of(status, (size_t)snprintf(status, sizeof status, "%d", x->status)));
    nv[n++] = nv_of(SLICE("date"), loop_date(conn_net_loop(h->c)->loop));
    if (x->answer_type.len)
        nv[n++] = nv_of(SLICE("content-type"), x->answer_type);
    for (size_t i = 0; i < x->answer_header_count; i++)
        if (!is_hop_header(x->answer_headers[i].name))
            nv[n++] = nv_of(x->answer_headers[i].name, x->answer_headers[i].value);
    if (whole && x->is_grpc_answer && x->grpc_status) {
        nv[n++] = nv_of(SLICE("grpc-status"),
                        slice_of(grpc, (size_t)snprintf(grpc, sizeof grpc, "%d", x->grpc_status)));
        nv[n++] = nv_of(SLICE("grpc-message"), x->grpc_reason);
    } else if (whole && !x->is_grpc_answer && x->status != 204 && x->status != 304) {
        nv[n++] = nv_of(SLICE("content-length"),
                        slice_of(length, (size_t)snprintf(length, sizeof length, "%zu", x->answer_body.len)));
    }
    for (size_t i = 0; i < n; i++)
        x->bytes_out += nv[i].namelen + nv[i].valuelen;
    bool body = !exchange_is_bodiless(x) && (!whole || x->answer_body.len);
    nghttp2_data_provider data = { .source.ptr = x, .read_callback = on_data_wanted };
    if (nghttp2_submit_response(h->session, (int32_t)x->stream_id, nv, n, body ? &data : NULL) != 0)
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)x->stream_id, NGHTTP2_INTERNAL_ERROR);
}

/* Clients take an answer that overtakes their body for a failure, or wait for ever for a window; so a whole answer is
 * held back while a short body is still coming. */
static bool is_held(const struct http_exchange *x)
{
    if (x->body_in || x->late || x->answer != ANSWER_WHOLE || x->expects_continue)
        return false;
    if (x->content_length >= 0)
        return (uint64_t)x->content_length - x->bytes_in <= SKIP_BYTES_MAX;
    return x->bytes_in <= x->skip_from + SKIP_BYTES_MAX;
}

static void send_answer(struct http2 *h, struct http_exchange *x)
{
    if (!x->answered) {
        x->answered = true;
        x->skip_from = x->bytes_in;
        x->progress_ms = now_ms(h);
    }
    if (x->head_sent || is_held(x))
        return;
    x->head_sent = true;
    x->progress_ms = now_ms(h);
    send_head(h, x);
    conn_deadline_sooner(h->c, ms_of(options(h)->write_timeout_ns));
}

static void x_send(struct http_exchange *x)
{
    struct http2 *h = x->proto_state;
    if (!x->head_sent) {
        send_answer(h, x);
    } else if (x->deferred) {
        x->deferred = false;
        x->progress_ms = now_ms(h);
        nghttp2_session_resume_data(h->session, (int32_t)x->stream_id);
    }
    flush(h);
}

static void x_taken(struct http_exchange *x, size_t bytes)
{
    struct http2 *h = x->proto_state;
    x->progress_ms = now_ms(h);
    nghttp2_session_consume_stream(h->session, (int32_t)x->stream_id, bytes);
    flush(h);
}

static void x_go_on(struct http_exchange *x)
{
    struct http2 *h = x->proto_state;
    nghttp2_nv nv = nv_of(SLICE(":status"), SLICE("100"));
    x->expects_continue = false;
    nghttp2_submit_headers(h->session, NGHTTP2_FLAG_NONE, (int32_t)x->stream_id, NULL, &nv, 1, NULL);
}

static const struct exchange_proto http2_exchange = { x_send, x_taken, x_go_on };

/* ---- The session's callbacks ---- */

static struct http_exchange *stream_exchange(nghttp2_session *session, int32_t id)
{
    return nghttp2_session_get_stream_user_data(session, id);
}

static int on_begin_headers(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;
    if (frame->hd.type != NGHTTP2_HEADERS || frame->headers.cat != NGHTTP2_HCAT_REQUEST)
        return 0;
    struct http_exchange *x = exchange_new(h->c, &http2_exchange, h);
    x->is_h2 = true;
    x->stream_id = (uint32_t)frame->hd.stream_id;
    x->progress_ms = now_ms(h);
    x->next = h->list;
    if (x->next)
        x->next->prev = x;
    h->list = x;
    nghttp2_session_set_stream_user_data(session, frame->hd.stream_id, x);
    conn_deadline_sooner(h->c, ms_of(options(h)->header_timeout_ns));
    return 0;
}

static int on_header(nghttp2_session *session, const nghttp2_frame *frame, const uint8_t *name, size_t name_len,
                     const uint8_t *value, size_t value_len, uint8_t flags, void *user)
{
    struct http2 *h = user;
    struct http_exchange *x = stream_exchange(session, frame->hd.stream_id);
    if (x == NULL || x->head_status)
        return 0;
    x->header_bytes += name_len + value_len + (x->head_in ? HEADER_OVERHEAD_BYTES : 0);
    struct slice n = slice_of(name, name_len), v = slice_of(value, value_len);
    bool is_path = slice_eq(n, SLICE(":path"));
    if (is_path && value_len > options(h)->url_bytes_max)
        x->head_status = 414;
    else if (x->header_bytes > options(h)->header_bytes_max + (is_path ? options(h)->url_bytes_max : 0))
        x->head_status = 431;
    if (x->head_in) /* a trailer: counted and forgotten */
        return x->head_status ? NGHTTP2_ERR_TEMPORAL_CALLBACK_FAILURE : 0;
    if (x->head_status)
        return 0;
    if (is_path) {
        x->header_bytes -= value_len;
        x->target = arena_copy(x->arena, v);
    } else if (slice_eq(n, SLICE(":method"))) {
        x->method_text = arena_copy(x->arena, v);
    } else if (slice_eq(n, SLICE(":authority"))) {
        n = SLICE("host");
        exchange_add_header(x, n, arena_copy(x->arena, v));
    } else if (name_len && name[0] != ':') {
        if (!exchange_add_header(x, arena_copy(x->arena, n), arena_copy(x->arena, v)))
            x->head_status = 431;
    }
    return 0;
}

static void head_in(struct http2 *h, struct http_exchange *x, bool last)
{
    if (x->head_status) {
        if (x->head_status == 414)
            exchange_refuse(x, 414, "The request's URL is longer than the %zu bytes allowed.",
                            options(h)->url_bytes_max);
        else
            exchange_refuse(x, 431, "The request's headers are more than the %zu bytes or %d headers allowed.",
                            options(h)->header_bytes_max, REQUEST_HEADERS_MAX);
        return;
    }
    uint64_t length;
    int64_t content_length = last ? 0 : -1;
    if (num_parse_u64(http_header(x, SLICE("content-length")), &length) && length <= INT64_MAX)
        content_length = (int64_t)length;
    x->expects_continue = !last && slice_eq_nocase(http_header(x, SLICE("expect")), SLICE("100-continue"));
    exchange_head_in(x, x->method_text, x->target, content_length);
    conn_deadline_sooner(h->c, ms_of(options(h)->body_timeout_ns));
}

/* (4) */
static void count_reset(struct http2 *h)
{
    uint64_t now = now_ms(h);
    uint64_t gained = (now - h->resets_ms) * RESETS_PER_S / 1000;
    if (gained) {
        h->resets_left = (unsigned)MIN(h->resets_left + gained, (uint64_t)RESETS_BURST);
        h->resets_ms = now;
    }
    if (h->resets_left > 0) {
        h->resets_left--;
        return;
    }
    nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
}

static int on_frame(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    struct http2 *h = user;
    if (frame->hd.type == NGHTTP2_RST_STREAM)
        count_reset(h);
    if (frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA)
        return 0;
    struct http_exchange *x = stream_exchange(session, frame->hd.stream_id);
    if (x == NULL)
        return 0;
    bool last = (frame->hd.flags & NGHTTP2_FLAG_END_STREAM) != 0;
    if (frame->hd.type == NGHTTP2_HEADERS && frame->headers.cat == NGHTTP2_HCAT_REQUEST)
        head_in(h, x, last);
    if (last) {
        exchange_body_end(x);
        if (x->answered)
            send_answer(h, x);
    }
    return 0;
}

static int on_invalid_frame(nghttp2_session *session, const nghttp2_frame *frame, int code, void *user)
{
    struct http2 *h = user;
    count(h, COUNT_PROTOCOL_ERRORS);
    count_reset(h);
    return 0;
}

static int on_data(nghttp2_session *session, uint8_t flags, int32_t id, const uint8_t *bytes, size_t n, void *user)
{
    struct http2 *h = user;
    struct http_exchange *x = stream_exchange(session, id);
    nghttp2_session_consume_connection(session, n); /* (2) */
    size_t consumed = n;
    if (x) {
        x->progress_ms = now_ms(h);
        if (x->answered) {
            x->bytes_in += n;
            send_answer(h, x);
        } else {
            consumed = exchange_body(x, (const char *)bytes, n);
        }
    }
    if (consumed)
        nghttp2_session_consume_stream(session, id, consumed);
    return 0;
}

static int on_frame_sent(nghttp2_session *session, const nghttp2_frame *frame, void *user)
{
    if ((frame->hd.type != NGHTTP2_HEADERS && frame->hd.type != NGHTTP2_DATA) ||
        !(frame->hd.flags & NGHTTP2_FLAG_END_STREAM))
        return 0;
    struct http_exchange *x = stream_exchange(session, frame->hd.stream_id);
    if (x == NULL)
        return 0;
    x->last_sent = true;
    if (!x->body_in) /* the rest of its body is not wanted */
        nghttp2_submit_rst_stream(session, NGHTTP2_FLAG_NONE, frame->hd.stream_id, NGHTTP2_NO_ERROR);
    return 0;
}

static int on_stream_close(nghttp2_session *session, int32_t id, uint32_t code, void *user)
{
    struct http2 *h = user;
    struct http_exchange *x = stream_exchange(session, id);
    if (x == NULL)
        return 0;
    nghttp2_session_set_stream_user_data(session, id, NULL);
    unlink_exchange(h, x);
    exchange_sent(x, !x->last_sent);
    return 0;
}

/* ---- The connection's callbacks ---- */

static void broken(struct http2 *h)
{
    if (!h->broken)
        count(h, COUNT_PROTOCOL_ERRORS);
    h->broken = true;
}

static void finish_when_over(struct http2 *h)
{
    bool over = !nghttp2_session_want_read(h->session) && !nghttp2_session_want_write(h->session);
    /* Most errors nghttp2 answers itself, by a GOAWAY and the wish to read no more. */
    if (over && !h->draining)
        broken(h);
    if (over || (h->draining && h->list == NULL && !nghttp2_session_want_write(h->session)))
        conn_finish(h->c);
    else if (h->list == NULL)
        conn_deadline(h->c, ms_of(options(h)->idle_timeout_ns));
}

static void flush(struct http2 *h)
{
    if (h->receiving || conn_is_closing(h->c))
        return;
    while (conn_queued(h->c) < CONN_QUEUE_BYTES) { /* (3) */
        const uint8_t *bytes = NULL;
        ssize_t n = 0;
        while (h->gather.len < GATHER_BYTES && (n = nghttp2_session_mem_send(h->session, &bytes)) > 0)
            buf_put(&h->gather, bytes, (size_t)n);
        if (n < 0) {
            conn_abort(h->c);
            return;
        }
        if (h->gather.len == 0)
            break;
        conn_send(h->c, &(struct slice){ h->gather.ptr, h->gather.len }, 1);
        buf_reset(&h->gather);
        if (conn_is_closing(h->c))
            return;
    }
    finish_when_over(h);
}

static void receive(struct http2 *h, const char *bytes, size_t n)
{
    h->receiving = true;
    ssize_t used = nghttp2_session_mem_recv(h->session, (const uint8_t *)bytes, n);
    h->receiving = false;
    flush(h);
    if (used < 0) {
        broken(h);
        conn_finish(h->c);
    }
}

static void c_bytes(struct conn *c, char *bytes, size_t n)
{
    receive(conn_state(c), bytes, n);
}

static void c_eof(struct conn *c)
{
    conn_abort(c);
}

static void c_drained(struct conn *c)
{
    flush(conn_state(c));
}

/* (5). Gives when x must have moved, or UINT64_MAX; acts when that has passed. */
static uint64_t check_deadline(struct http2 *h, struct http_exchange *x, uint64_t now)
{
    const struct http_options *o = options(h);
    if (!x->head_in && !x->head_status) {
        if (x->progress_ms + ms_of(o->header_timeout_ns) > now)
            return x->progress_ms + ms_of(o->header_timeout_ns);
        count(h, COUNT_TIMEOUTS);
        nghttp2_session_terminate_session(h->session, NGHTTP2_ENHANCE_YOUR_CALM);
        return UINT64_MAX;
    }
    if (x->head_sent && !x->last_sent && !x->deferred) {
        if (x->progress_ms + ms_of(o->write_timeout_ns) > now)
            return x->progress_ms + ms_of(o->write_timeout_ns);
        count(h, COUNT_TIMEOUTS);
        nghttp2_submit_rst_stream(h->session, NGHTTP2_FLAG_NONE, (int32_t)x->stream_id, NGHTTP2_CANCEL);
        x->progress_ms = now;
        return UINT64_MAX;
    }
    if (x->body_in || x->late || x->head_sent)
        return UINT64_MAX;
    if (!x->answered && exchange_waiting(x)) /* it is us who are slow */
        return now + ms_of(o->body_timeout_ns);
    if (x->progress_ms + ms_of(o->body_timeout_ns) > now)
        return x->progress_ms + ms_of(o->body_timeout_ns);
    count(h, COUNT_TIMEOUTS);
    x->late = true;
    if (x->answered)
        send_answer(h, x);
    else
        exchange_body_fail(x, ST_TIMEOUT, 408, "The request's body did not go on within the time allowed.");
    return UINT64_MAX;
}

static void c_late(struct conn *c)
{
    struct http2 *h = conn_state(c);
    uint64_t now = now_ms(h), next = UINT64_MAX;
    if (h->list == NULL) {
        h->draining = true;
        nghttp2_session_terminate_session(h->session, NGHTTP2_NO_ERROR);
    }
    for (struct http_exchange *x = h->list; x; x = x->next)
        next = MIN(next, check_deadline(h, x, now));
    flush(h);
    if (next != UINT64_MAX && !conn_is_closing(c))
        conn_deadline_sooner(c, next > now ? next - now : 1);
}

static void c_drain(struct conn *c)
{
    struct http2 *h = conn_state(c);
    h->draining = true;
    nghttp2_submit_goaway(h->session, NGHTTP2_FLAG_NONE, nghttp2_session_get_last_proc_stream_id(h->session),
                          NGHTTP2_NO_ERROR, NULL, 0);
    flush(h);
}

static void c_closed(struct conn *c)
{
    struct http2 *h = conn_state(c);
    while (h->list) {
        struct http_exchange *x = h->list;
        unlink_exchange(h, x);
        exchange_sent(x, true);
    }
    nghttp2_session_del(h->session);
    buf_free(&h->gather);
    mem_free(h);
}

static const struct conn_proto http2_conn = { c_bytes, NULL, c_eof, c_drained, c_late, c_drain, c_closed };

/* ---- Beginning ---- */

static void make_session(struct http2 *h)
{
    nghttp2_session_callbacks *callbacks;
    nghttp2_option *option;
    int rc = nghttp2_session_callbacks_new(&callbacks) | nghttp2_option_new(&option);
    assert(rc == 0);
    nghttp2_session_callbacks_set_on_begin_headers_callback(callbacks, on_begin_headers);
    nghttp2_session_callbacks_set_on_header_callback(callbacks, on_header);
    nghttp2_session_callbacks_set_on_frame_recv_callback(callbacks, on_frame);
    nghttp2_session_callbacks_set_on_invalid_frame_recv_callback(callbacks, on_invalid_frame);
    nghttp2_session_callbacks_set_on_data_chunk_recv_callback(callbacks, on_data);
    nghttp2_session_callbacks_set_on_frame_send_callback(callbacks, on_frame_sent);
    nghttp2_session_callbacks_set_on_stream_close_callback(callbacks, on_stream_close);
    nghttp2_option_set_no_auto_window_update(option, 1);
    nghttp2_option_set_no_closed_streams(option, 1);
    rc = nghttp2_session_server_new2(&h->session, callbacks, h, option);
    assert(rc == 0);
    nghttp2_session_callbacks_del(callbacks);
    nghttp2_option_del(option);
}

void http2_begin(struct conn *c)
{
    struct http2 *h = mem_new(struct http2);
    h->c = c;
    h->resets_left = RESETS_BURST;
    h->resets_ms = now_ms(h);
    make_session(h);
    nghttp2_settings_entry entries[] = {
        { NGHTTP2_SETTINGS_MAX_CONCURRENT_STREAMS, options(h)->streams_max },
        { NGHTTP2_SETTINGS_INITIAL_WINDOW_SIZE, STREAM_WINDOW_BYTES },
        { NGHTTP2_SETTINGS_MAX_HEADER_LIST_SIZE, (uint32_t)(options(h)->header_bytes_max + options(h)->url_bytes_max) },
    };
    nghttp2_submit_settings(h->session, NGHTTP2_FLAG_NONE, entries, COUNT_OF(entries));
    nghttp2_session_set_local_window_size(h->session, NGHTTP2_FLAG_NONE, 0, CONNECTION_WINDOW_BYTES);
    conn_set_proto(c, &http2_conn, h);
    conn_deadline(c, ms_of(options(h)->idle_timeout_ns));
    if (conn_net_loop(c)->draining)
        h->draining = true;
    receive(h, HTTP2_PREFACE.ptr, HTTP2_PREFACE.len);
}
