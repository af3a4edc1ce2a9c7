/* SPDX-License-Identifier: Apache-2.0 */
/* Reference-counted immutable values behind a cell.
 *
 * (1) The cell's lock covers the step from "read the pointer" to "count one more", so a reader can never count up a value
 *     whose last holder has just let go.
 * (2) A value is freed outside the lock: free_fn may be slow, and may publish elsewhere. */
#include "sys/snap.h"

void snap_init(struct snap *s, void (*free_fn)(struct snap *))
{
    atomic_init(&s->refs, 1);
    s->free_fn = free_fn;
}

struct snap *snap_take(struct snap *s)
{
    int before = atomic_fetch_add_explicit(&s->refs, 1, memory_order_relaxed);
    assert(before > 0);
    return s;
}

void snap_drop(struct snap *s)
{
    if (s == NULL)
        return;
    /* Release: what this holder read or wrote comes before the free; acquire: the one who frees sees all of it. */
    int before = atomic_fetch_sub_explicit(&s->refs, 1, memory_order_acq_rel);
    assert(before > 0);
    if (before == 1)
        s->free_fn(s);
}

void snap_publish(struct snap_cell *cell, struct snap *value)
{
    mutex_lock(&cell->lock);
    struct snap *old = cell->value;
    cell->value = value;
    mutex_unlock(&cell->lock);
    snap_drop(old);
}

struct snap *snap_get(struct snap_cell *cell)
{
    mutex_lock(&cell->lock);
    struct snap *s = cell->value ? snap_take(cell->value) : NULL;
    mutex_unlock(&cell->lock);
    return s;
}
