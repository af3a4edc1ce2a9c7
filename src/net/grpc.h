/* SPDX-License-Identifier: Apache-2.0 */
/* gRPC's framing of unary calls, and its status codes. Private to net, the codes excepted. */
#ifndef STOA_NET_GRPC_H
#define STOA_NET_GRPC_H

#include "base/arena.h"

enum grpc_code {
    GRPC_OK = 0,
    GRPC_CANCELLED = 1,
    GRPC_UNKNOWN = 2,
    GRPC_INVALID_ARGUMENT = 3,
    GRPC_DEADLINE_EXCEEDED = 4,
    GRPC_NOT_FOUND = 5,
    GRPC_ALREADY_EXISTS = 6,
    GRPC_PERMISSION_DENIED = 7,
    GRPC_RESOURCE_EXHAUSTED = 8,
    GRPC_FAILED_PRECONDITION = 9,
    GRPC_UNIMPLEMENTED = 12,
    GRPC_INTERNAL = 13,
    GRPC_UNAVAILABLE = 14,
    GRPC_UNAUTHENTICATED = 16
};

struct http_exchange;

/* The code that says what an HTTP status says. */
int grpc_status_of_http(int http_status);
/* Replaces the collected body of x by its one message, unpacked. False: x has been answered with an error. */
bool grpc_take_message(struct http_exchange *x);
/* One message with its five-byte prefix, in the arena. */
struct slice grpc_frame(struct arena *a, struct slice message);
/* For the grpc-message trailer: everything but printable ASCII, and '%', as %XX. */
struct slice grpc_percent_encoded(struct arena *a, struct slice text);

#endif
