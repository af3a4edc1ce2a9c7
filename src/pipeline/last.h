/* SPDX-License-Identifier: Apache-2.0 */
/* What adds up in memory (deltas, StatsD) asks the store after a restart where its series stood, so that totals go on: what is
 * stored anyway is the state, and nothing more is written. */
#ifndef STOA_PIPELINE_LAST_H
#define STOA_PIPELINE_LAST_H

#include "base/arena.h"
#include "model/sample.h"

struct last_reader {
    void *arg;
    /* The newest stored sample of the series with exactly these labels; a histogram lies in a. False: none that is recent, it
     * ended, or we run so long that memory knows all there is. NULL: there is no store to ask. Any thread; may read files. */
    bool (*read)(void *arg, struct slice tenant, struct slice labels, struct arena *a, struct sample *out);
};

static inline bool last_read(const struct last_reader *r, struct slice tenant, struct slice labels, struct arena *a, struct sample *out)
{
    return r->read && r->read(r->arg, tenant, labels, a, out);
}

#endif
