/* SPDX-License-Identifier: Apache-2.0 */
/* Failed logins: after a few, the same user from the same peer, and the peer itself, must wait, longer each time.
 * Fixed memory. The caller holds a lock. */
#ifndef STOA_AUTH_ATTEMPTS_H
#define STOA_AUTH_ATTEMPTS_H

#include "base/slice.h"

enum {
    ATTEMPTS_OF_USER_FREE_MAX = 5,     /* failures of one user from one peer before it waits */
    ATTEMPTS_OF_PEER_FREE_MAX = 20,    /* failures of one peer, whatever the user */
    ATTEMPTS_LOCK_SECONDS_MIN = 1,     /* the first wait; doubles with each failure */
    ATTEMPTS_LOCK_SECONDS_MAX = 900,
    ATTEMPTS_FORGET_SECONDS = 3600,    /* without a failure */
    ATTEMPTS_KEPT_MAX = 4096           /* the longest untouched goes first */
};

struct attempts;

struct attempts *attempts_new(void);
void attempts_free(struct attempts *t); /* accepts NULL */

/* Nanoseconds to wait; 0: may try. peer: "127.0.0.1:51234", the port does not count, of IPv6 the first 64 bits do. */
int64_t attempts_wait_ns(struct attempts *t, struct slice user, struct slice peer, int64_t mono_ns);
/* Counts one failure. */
void attempts_failed(struct attempts *t, struct slice user, struct slice peer, int64_t mono_ns);
/* Forgets the user's failures from this peer. */
void attempts_good(struct attempts *t, struct slice user, struct slice peer);

#endif
