/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/1.0 and 1.1 on a connection, by llhttp. Private to net. */
#ifndef STOA_NET_HTTP1_H
#define STOA_NET_HTTP1_H

#include "net/conn.h"

/* Makes c an HTTP connection. When its first bytes are HTTP/2's preface it becomes an HTTP/2 one. */
void http1_begin(struct conn *c);
/* A whole 503 answer for a connection over the limit. */
void http1_say_busy(struct conn *c, unsigned connections_max);

#endif
