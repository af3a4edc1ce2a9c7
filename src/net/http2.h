/* SPDX-License-Identifier: Apache-2.0 */
/* HTTP/2 on a connection, by nghttp2. Private to net. */
#ifndef STOA_NET_HTTP2_H
#define STOA_NET_HTTP2_H

#include "net/conn.h"

/* The client's first bytes on an HTTP/2 connection. */
#define HTTP2_PREFACE SLICE("PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n")

/* Makes c, whose preface has been read, an HTTP/2 connection. */
void http2_begin(struct conn *c);

#endif
