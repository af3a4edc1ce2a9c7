/* SPDX-License-Identifier: Apache-2.0 */
/* The metrics engine's state, one per store, shared by the files of this folder. */
#ifndef STOA_METRICS_STATE_H
#define STOA_METRICS_STATE_H

#include <stdatomic.h>

#include "metrics/metadata.h"
#include "metrics/metrics.h"
#include "metrics/series.h"

struct wal_rows;

struct metrics_state {
    struct store *store;
    uint64_t seed;
    struct series_dict *dict;
    struct metadata *metadata;
    struct wal_rows *wal;
    _Atomic uint64_t corrupt_blocks;
    _Atomic uint64_t index_bytes; /* decoded indexes of open parts */
};

#endif
