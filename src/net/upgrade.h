/* SPDX-License-Identifier: Apache-2.0 */
/* How http1 hands a connection over to a websocket. Loop thread only. Private to net. */
#ifndef STOA_NET_UPGRADE_H
#define STOA_NET_UPGRADE_H

#include "net/conn.h"

struct websocket;

/* The handshake's answer is on its way: c's bytes are frames from now on. */
void websocket_begin(struct websocket *w, struct conn *c);
/* The connection is over, or never came to frames. Gives the loop's reference back. */
void websocket_lost(struct websocket *w);

#endif
