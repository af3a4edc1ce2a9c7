/* SPDX-License-Identifier: Apache-2.0 */
/* Publishes an immutable, reference-counted value to many readers: take, use, drop.
 * Embed struct snap first in the value; free_fn runs when the last holder drops it. Any thread. */
#ifndef STOA_SYS_SNAP_H
#define STOA_SYS_SNAP_H

#include "sys/thread.h"

struct snap {
    atomic_int refs; /* starts at 1, owned by the maker */
    void (*free_fn)(struct snap *);
};

struct snap_cell {
    struct mutex lock;
    struct snap *value;
};

void snap_init(struct snap *s, void (*free_fn)(struct snap *));
struct snap *snap_take(struct snap *s);
void snap_drop(struct snap *s); /* accepts NULL */

/* Takes value's one reference; drops the old value. */
void snap_publish(struct snap_cell *cell, struct snap *value);
/* The current value with a reference for the caller. */
struct snap *snap_get(struct snap_cell *cell);

#endif
