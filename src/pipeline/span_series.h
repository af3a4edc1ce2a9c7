/* SPDX-License-Identifier: Apache-2.0 */
/* Counters and native histograms by label set, for what is counted of spans: a table with limits, and the samples of it.
 * One thread at a time. */
#ifndef STOA_PIPELINE_SPAN_SERIES_H
#define STOA_PIPELINE_SPAN_SERIES_H

#include "base/buf.h"
#include "base/map.h"
#include "model/batch.h"

enum {
    SPAN_ROW_LABELS_MAX = 4,
    SPAN_TIMES_SCHEMA = 3,            /* of histograms: a bucket is 9 % wider than the one before */
    SPAN_TIMES_INDEX_MIN = -159,      /* the first bucket begins at 2^-20 s, about a microsecond; what is shorter is in the zero bucket */
    SPAN_TIMES_INDEX_MAX = 112,       /* the last one ends at 2^14 s; what is longer is in it */
    SPAN_TIMES_GAP_MAX = 2            /* empty buckets that are written along rather than begin another run */
};
#define SPAN_OVERFLOW SLICE("__overflow__")

/* How long something took, and the slowest of it since the last write. */
struct span_times {
    double count, seconds, zero, *buckets; /* buckets: `size` of them from `first` on; NULL: none yet */
    int32_t first, size;
    struct {
        bool is_there;
        uint8_t trace_id[16], span_id[8];
        double seconds;
        int64_t time_ns;
    } slowest;
};
/* Counts e, as often as weight says, as having taken duration_ns. */
void span_times_add(struct span_times *t, const struct event *e, int64_t duration_ns, double weight);

enum span_row_kind { SPAN_ROW_OPERATION, SPAN_ROW_EDGE, SPAN_ROW_VERSION };

struct span_row {
    struct slice key, tenant; /* own, with the labels: one allocation */
    struct label labels[SPAN_ROW_LABELS_MAX];
    size_t label_count;
    enum span_row_kind kind;
    double calls, failed;
    struct span_times times[2]; /* operation: its latency; edge: as the server saw it, as the client did */
    int64_t rest_ms;            /* since when nothing came; 0: something came since the last write */
    int64_t told_ms;            /* version: when it was last told */
    bool is_new;
};

struct span_table {
    struct map index;  /* key -> struct span_row */
    struct map groups; /* tenant and first label -> how many rows, keys of their own */
    struct buf key;    /* for looking up */
    enum span_row_kind kind;
    size_t rows_max, group_max;
};
void span_table_init(struct span_table *t, enum span_row_kind kind, size_t rows_max, size_t group_max);
void span_table_free(struct span_table *t);
/* The row of those labels, made when absent. Beyond group_max rows with the first label, the value of label number `fold` becomes
 * SPAN_OVERFLOW and *folded is set; fold over the labels' number: there is no row then. NULL: no place, or too long a value. The
 * row counts as seen. */
struct span_row *span_table_row(struct span_table *t, struct slice tenant, struct label *labels, size_t count, size_t fold, bool *folded);
/* Samples of all rows at now_ms to the tenant's batch (batch_of), with a zero interval_ms before where a row is new. Rows at rest for rest_ms, or all
 * of them, end and go. */
struct span_writing {
    int64_t now_ms, interval_ms, rest_ms;
    bool ends_all;
    struct batch *(*batch_of)(void *arg, struct slice tenant);
    void *arg;
};
void span_table_write(struct span_table *t, const struct span_writing *w);

#endif
