/* SPDX-License-Identifier: Apache-2.0 */
#include "sys/rand.h"

#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/random.h>

void sys_random(void *to, size_t n)
{
    uint8_t *at = to;
    while (n > 0) {
        ssize_t got = getrandom(at, n, 0);
        if (got < 0 && errno == EINTR)
            continue;
        if (got <= 0) {
            /* Keys and ids from anything weaker would be a hole nobody sees: end here instead. */
            fputs("stoa: the system gives no random bytes\n", stderr);
            abort();
        }
        at += got;
        n -= (size_t)got;
    }
}
