/* SPDX-License-Identifier: Apache-2.0 */
/* What a query takes from raw rows: the samples of chosen series, sorted by series and time, each time once. */
#ifndef STOA_METRICS_GATHER_H
#define STOA_METRICS_GATHER_H

#include "metrics/rows.h"

struct gathered {
    uint32_t *slots;      /* in label order */
    size_t *starts;       /* count + 1: where a series' samples start */
    size_t count;
    int64_t *t_ms;
    double *v;
    uint64_t *lsn;
};

/* The first `limit` rows of a table, with start_ms < t <= end_ms and a slot in slots. */
void gather_rows(const struct rows *r, uint64_t limit, const roaring_bitmap_t *slots, int64_t start_ms, int64_t end_ms, struct arena *a,
                 struct gathered *out);
/* The slots that have rows in the window; the caller's to free. */
roaring_bitmap_t *gather_slots(const struct rows *r, uint64_t limit, int64_t start_ms, int64_t end_ms);

#endif
