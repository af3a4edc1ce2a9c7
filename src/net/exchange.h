/* SPDX-License-Identifier: Apache-2.0 */
/* An exchange as the protocols and grpc see it. Private to net.
 *
 * Who touches what: the request's fields are written by the loop before the handler runs and are read-only then. The
 * answer's fields are written by the handler before it signals, by the loop after. What both sides touch at the same time
 * (shared) is under the lock. */
#ifndef STOA_NET_EXCHANGE_H
#define STOA_NET_EXCHANGE_H

#include "net/conn.h"
#include "net/server.h"

enum {
    BODY_SLACK_BYTES = 64,
    BODY_ON_LOOP_BYTES_MAX = 256 * KIB, /* larger bodies are handled by a worker, whatever the route says */
    STREAM_WINDOW_BYTES = 256 * KIB,    /* a streamed body's bytes waiting for its reader */
    REQUEST_HEADERS_MAX = 128,
    ANSWER_HEADERS_MAX = 64,
    EXCHANGE_ARENA_BYTES_MAX = 64 * MIB
};

enum exchange_event {
    EVENT_ANSWER = 1, /* a whole answer, or the head of one, is ready */
    EVENT_OUTPUT = 2, /* more output, or its end, is in shared.out */
    EVENT_TAKEN = 4,  /* the reader took bytes from shared.in */
    EVENT_LAST = 8    /* the handler makes no further call */
};

/* What a protocol does for its exchanges, on the loop, outside of its parser. */
struct exchange_proto {
    void (*send)(struct http_exchange *x);               /* the answer has something (more) to send */
    void (*taken)(struct http_exchange *x, size_t bytes); /* a streaming reader took so many */
    void (*go_on)(struct http_exchange *x);              /* the body is wanted: 100 Continue */
};

enum answer_state { ANSWER_NONE, ANSWER_WHOLE, ANSWER_STREAM };

struct http_exchange {
    struct loop_task task;
    struct net_loop *nl;
    struct http_server *server;
    struct conn *conn;                  /* loop only; NULL once the protocol is through with x */
    const struct exchange_proto *proto;
    void *proto_state;
    struct http_exchange *next, *prev;  /* the protocol's list, or the spare list */
    struct arena *arena;

    /* Request. */
    struct slice method_text, target, raw_path, path, query, peer, content_type;
    enum http_method method;
    struct http_header *headers;
    size_t header_count, header_cap, header_bytes;
    int64_t content_length;             /* -1: not said */
    int64_t received_ns, started_ns;
    int tag;
    bool is_h2, is_tls, expects_continue, head_in, body_in, handler_started;
    const struct http_route *route;
    char *body;
    size_t body_at, body_len, body_cap, body_charged; /* body_at: where the handler's part begins */
    uint64_t bytes_in, bytes_out;
    uint32_t stream_id;
    uint64_t progress_ms;               /* HTTP/2: when its body or its answer last moved */
    uint64_t skip_from;                 /* HTTP/2: how far the body had come when it was answered */
    int head_status;                    /* HTTP/2: the head is refused with this */
    bool late, deferred, answered;      /* HTTP/2: body given up; answer waits for its writer; there is an answer */
    void *user;

    /* Answer. */
    enum answer_state answer;
    struct websocket *upgrade;          /* what the connection becomes once a 101 is sent; NULL: nothing */
    int status, grpc_status;
    bool close_after, is_grpc_answer;
    struct slice answer_type, answer_body, grpc_reason;
    struct buf answer_buf;              /* owns answer_body when it was handed over */
    struct http_header *answer_headers;
    size_t answer_header_count, answer_header_cap;
    size_t answer_at;                   /* of answer_body, sent so far */
    struct buf sending;                 /* taken out of shared.out */
    size_t sending_at;
    bool head_sent, last_sent, handler_done, proto_done, left;

    struct {
        struct mutex lock;
        struct cond cond;
        unsigned events;
        bool posted, gone, dead, in_end, out_end;
        enum status in_status;          /* why the body broke off */
        char *in;
        size_t in_at, in_len, in_cap, taken;
        struct buf out;
    } shared;
};

/* A new exchange of a connection. */
struct http_exchange *exchange_new(struct conn *c, const struct exchange_proto *proto, void *state);
/* Appends a header whose slices live in x->arena. False when there are too many. */
bool exchange_add_header(struct http_exchange *x, struct slice name, struct slice value);
/* The head is in: finds the route, starts a streaming handler. May answer. */
void exchange_head_in(struct http_exchange *x, struct slice method, struct slice target, int64_t content_length);
/* A piece of the body. Returns how many bytes may count as consumed now: fewer than n only for a streamed body. */
size_t exchange_body(struct http_exchange *x, const char *bytes, size_t n);
/* For a body of known length: where its next bytes go, or NULL. */
char *exchange_body_room(struct http_exchange *x, size_t *n);
void exchange_body_end(struct http_exchange *x);
/* The body will not come whole. Answers `status` when nothing has been answered. */
void exchange_body_fail(struct http_exchange *x, enum status why, int status, const char *sentence);
/* Answers with a sentence, for a request that never reaches a handler; the connection ends after it (HTTP/1). */
void exchange_refuse(struct http_exchange *x, int status, const char *fmt, ...) PRINTF_LIKE(3, 4);
/* Bytes of a streamed body that wait for the reader. */
size_t exchange_waiting(struct http_exchange *x);
/* Takes the output made so far into x->sending when that is used up. True when the output ends with it. */
bool exchange_take_output(struct http_exchange *x);
/* The peer has left or said that it sends no more; running work may stop. */
void exchange_peer_gone(struct http_exchange *x);
/* The protocol is through with x: sent, or (left) the peer is gone. x may be freed by this. */
void exchange_sent(struct http_exchange *x, bool left);
/* Signals from the answering side. */
void exchange_signal(struct http_exchange *x, unsigned events);
/* Does a HEAD request or the status forbid a body? */
bool exchange_is_bodiless(const struct http_exchange *x);
/* Frees the spare exchanges of a loop. */
void exchange_free_spares(struct net_loop *nl);

#endif
