/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics engine's state, one per store, shared by the files of this folder. */
#ifndef STOA_METRICS_STATE_H
#define STOA_METRICS_STATE_H

#include <stdatomic.h>

#include "metrics/metadata.h"
#include "metrics/metrics.h"
#include "metrics/series.h"
#include "sys/thread.h"

struct wal_rows;
struct raw_rows_block;
struct spart;

enum {
    PART_INDEXES_BYTES_MAX = 256 * MIB, /* decoded indexes of parts that are kept for the next query */
    MERGE_HISTOGRAMS_BYTES_MAX = 32 * MIB /* that a merge decodes of one series of one part at once, and one chunk */
};

struct metrics_state {
    struct store *store;
    uint64_t seed;
    struct series_dict *dict;
    struct metadata *metadata;
    struct wal_rows *wal;
    struct mutex blocks_lock;
    struct raw_rows_block *blocks; /* free ones, for the next table of rows; under the lock */
    size_t block_count;
    _Atomic uint64_t corrupt_blocks;
    _Atomic uint64_t index_bytes; /* decoded indexes of open parts */
    /* The parts with one, the one used last in front; under the lock. What nobody uses goes when they are over the maximum. */
    struct mutex index_lock;
    struct spart *indexed_first, *indexed_last;
    uint64_t index_bytes_max, merge_bytes_max; /* the limits above; lower in tests */
};

#endif
