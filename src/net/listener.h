/* SPDX-License-Identifier: Apache-2.0 */
/* Listening sockets: address text to sockets. Each loop has a socket of its own on the same port, so the kernel spreads
 * new connections and no loop wakes for another's. */
#ifndef STOA_NET_LISTENER_H
#define STOA_NET_LISTENER_H

#include <netinet/in.h>

#include "base/err.h"
#include "base/slice.h"

enum { ADDRESS_TEXT_BYTES_MAX = 64, LISTEN_BACKLOG = 1024 };

struct address {
    union {
        struct sockaddr sa;
        struct sockaddr_in v4;
        struct sockaddr_in6 v6;
    } u;
    bool any; /* only a port was given: every address of the machine */
};

/* "127.0.0.1:80", "[::1]:0", ":4318", "localhost:80". Host names are not looked up: ST_INVALID. */
MUST_CHECK enum status address_parse(struct slice text, struct address *out, struct err *err);
/* Writes "127.0.0.1:80" or "[::1]:80" and a NUL. */
struct slice address_print(const struct sockaddr *sa, char out[ADDRESS_TEXT_BYTES_MAX]);
size_t address_len(const struct address *a);

/* count stream sockets bound to one address and listening, close-on-exec, non-blocking. Port 0 takes a free port, the
 * same for all. A port taken by anybody else is ST_EXISTS, also when that other one shares its port. */
MUST_CHECK enum status listener_open(const struct address *a, unsigned count, int *fds, struct address *bound,
                                     struct err *err);

#endif
