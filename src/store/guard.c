/* SPDX-License-Identifier: Apache-2.0 */
/* Between refusing and full lies the reserve that flushes, manifests and retention live on, so that a store which refuses
 * data can still get rid of some. Nothing needs a restart: each check decides anew. */
#include "store/guard.h"

static void say(struct guard *g, struct log *log, enum log_level level, const char *message)
{
    if (log)
        log_line(log, level, message, "free_bytes=%llu total_bytes=%llu warn_ratio=%.3f refuse_ratio=%.3f",
                 (unsigned long long)atomic_load(&g->free_bytes), (unsigned long long)atomic_load(&g->total_bytes), g->warn_ratio,
                 g->refuse_ratio);
}

void guard_check(struct guard *g, struct fs *fs, const char *dir, struct log *log)
{
    uint64_t free_bytes, total_bytes;
    struct err err;
    if (fs_space(fs, dir, &free_bytes, &total_bytes, &err) != ST_OK || total_bytes == 0)
        return; /* what is not known changes nothing */
    atomic_store(&g->free_bytes, free_bytes);
    atomic_store(&g->total_bytes, total_bytes);
    double ratio = (double)free_bytes / (double)total_bytes;
    bool low = ratio < g->warn_ratio, full = ratio < g->refuse_ratio;
    bool was_low = atomic_exchange(&g->low, low), was_full = atomic_exchange(&g->full, full);
    if (full && !was_full)
        say(g, log, LOG_ERROR, "the disk is nearly full: data is refused until there is space");
    else if (!full && was_full)
        say(g, log, LOG_WARNING, "the disk has space again: data is accepted");
    if (low && !was_low && !full)
        say(g, log, LOG_WARNING, "the disk is getting full");
    else if (!low && was_low)
        say(g, log, LOG_INFO, "the disk has enough space");
}

void guard_hit(struct guard *g, struct log *log)
{
    if (!atomic_exchange(&g->full, true))
        say(g, log, LOG_ERROR, "a write found the disk full: data is refused until there is space");
}

enum status guard_allows(struct guard *g, struct err *err)
{
    if (!atomic_load_explicit(&g->full, memory_order_relaxed))
        return ST_OK;
    uint64_t free_bytes = atomic_load(&g->free_bytes), total_bytes = atomic_load(&g->total_bytes);
    return err_set(err, ST_FULL, "the disk is nearly full: %llu of %llu bytes are free, data is taken in from %.1f %% on",
                   (unsigned long long)free_bytes, (unsigned long long)total_bytes, g->refuse_ratio * 100);
}

bool guard_has_room(struct guard *g, uint64_t bytes)
{
    uint64_t free_bytes = atomic_load(&g->free_bytes), total_bytes = atomic_load(&g->total_bytes);
    if (total_bytes == 0)
        return true; /* never measured */
    double after = (double)free_bytes - (double)bytes;
    return !atomic_load(&g->full) && after >= g->refuse_ratio * (double)total_bytes;
}
