/* SPDX-License-Identifier: Apache-2.0 */
/* A gRPC body is a row of frames: u8 compressed | u32 big-endian length | bytes. A unary call has exactly one, each way.
 * A compressed message is packed by what the grpc-encoding header names: gzip is served, and deflate (zlib). */
#include "net/grpc.h"

#include "codec/compress.h"
#include "net/exchange.h"

enum { FRAME_HEAD_BYTES = 5 };

int grpc_status_of_http(int http_status)
{
    static const struct {
        int http, grpc;
    } table[] = {
        { 200, GRPC_OK },
        { 400, GRPC_INVALID_ARGUMENT },
        { 401, GRPC_UNAUTHENTICATED },
        { 403, GRPC_PERMISSION_DENIED },
        { 404, GRPC_UNIMPLEMENTED },
        { 405, GRPC_UNIMPLEMENTED },
        { 408, GRPC_DEADLINE_EXCEEDED },
        { 409, GRPC_ALREADY_EXISTS },
        { 413, GRPC_RESOURCE_EXHAUSTED },
        { 415, GRPC_UNIMPLEMENTED },
        { 429, GRPC_UNAVAILABLE },
        { 500, GRPC_INTERNAL },
        { 501, GRPC_UNIMPLEMENTED },
        { 502, GRPC_UNAVAILABLE },
        { 503, GRPC_UNAVAILABLE },
        { 504, GRPC_DEADLINE_EXCEEDED },
        { 507, GRPC_UNAVAILABLE },
    };
    for (size_t i = 0; i < COUNT_OF(table); i++)
        if (table[i].http == http_status)
            return table[i].grpc;
    return http_status / 100 == 4 ? GRPC_INVALID_ARGUMENT : GRPC_UNKNOWN;
}

static bool refuse(struct http_exchange *x, enum grpc_code code, struct slice sentence)
{
    http_reply_grpc(x, code, sentence);
    return false;
}

static bool unpack(struct http_exchange *x, struct slice packed)
{
    struct slice encoding = http_header(x, SLICE("grpc-encoding"));
    size_t max = x->route->body_bytes_max;
    struct budget *b = x->server->opt.in_flight;
    struct buf out;
    struct err err;
    buf_init(&out, max + BODY_SLACK_BYTES);
    enum status st = ST_UNSUPPORTED;
    if (slice_eq_nocase(encoding, SLICE("gzip")) || slice_eq_nocase(encoding, SLICE("deflate")))
        st = gzip_decompress(packed, max, &out, &err);
    if (st == ST_OK && b && !budget_take(b, out.cap))
        st = ST_UNAVAILABLE;
    if (st) {
        buf_free(&out);
        if (st == ST_UNSUPPORTED)
            return refuse(x, GRPC_UNIMPLEMENTED,
                          arena_printf(x->arena, "grpc-encoding \"%.*s\" is not served; gzip, deflate and identity are",
                                       SLICE_FMT(slice_sub(encoding, 0, 40))));
        if (st == ST_UNAVAILABLE)
            return refuse(x, GRPC_UNAVAILABLE, SLICE("the server is busy: its budget for request bodies is used up"));
        return refuse(x, st == ST_LIMIT ? GRPC_RESOURCE_EXHAUSTED : GRPC_INVALID_ARGUMENT, slice_str(err.text));
    }
    char *slack = buf_room(&out, BODY_SLACK_BYTES);
    assert(slack);
    memset(slack, 0, BODY_SLACK_BYTES);
    if (b)
        budget_give(b, x->body_charged);
    mem_free(x->body);
    x->body = out.ptr;
    x->body_at = 0;
    x->body_len = out.len;
    x->body_cap = x->body_charged = out.cap;
    return true;
}

bool grpc_take_message(struct http_exchange *x)
{
    const unsigned char *p = (const unsigned char *)x->body;
    if (x->body_len < FRAME_HEAD_BYTES)
        return refuse(x, GRPC_INVALID_ARGUMENT, SLICE("the call has no whole message: its body is under 5 bytes"));
    size_t len = (size_t)p[1] << 24 | (size_t)p[2] << 16 | (size_t)p[3] << 8 | p[4];
    if (len != x->body_len - FRAME_HEAD_BYTES)
        return refuse(x, GRPC_INVALID_ARGUMENT,
                      arena_printf(x->arena, "the call's message says %zu bytes and %zu came; one message a call is served",
                                   len, x->body_len - FRAME_HEAD_BYTES));
    if (p[0] > 1)
        return refuse(x, GRPC_INVALID_ARGUMENT, SLICE("the call's message has an unknown flag"));
    if (p[0] == 1)
        return unpack(x, slice_of(x->body + FRAME_HEAD_BYTES, len));
    x->body_at = FRAME_HEAD_BYTES;
    return true;
}

struct slice grpc_frame(struct arena *a, struct slice message)
{
    unsigned char *p = arena_alloc(a, FRAME_HEAD_BYTES + message.len);
    p[0] = 0;
    for (int i = 0; i < 4; i++)
        p[1 + i] = (unsigned char)(message.len >> (24 - 8 * i));
    if (message.len)
        memcpy(p + FRAME_HEAD_BYTES, message.ptr, message.len);
    return slice_of(p, FRAME_HEAD_BYTES + message.len);
}

struct slice grpc_percent_encoded(struct arena *a, struct slice text)
{
    static const char hex[] = "0123456789ABCDEF";
    char *out = arena_alloc(a, text.len * 3 + 1);
    size_t n = 0;
    for (size_t i = 0; i < text.len; i++) {
        unsigned char c = (unsigned char)text.ptr[i];
        if (c >= ' ' && c <= '~' && c != '%') {
            out[n++] = (char)c;
        } else {
            out[n++] = '%';
            out[n++] = hex[c >> 4];
            out[n++] = hex[c & 15];
        }
    }
    return slice_of(out, n);
}
