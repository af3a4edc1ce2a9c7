/* SPDX-License-Identifier: Apache-2.0 */
/* Numbers which the writer and the reader of a part of samples share. docs/formats/metrics-part.md. */
#ifndef STOA_METRICS_LAYOUT_H
#define STOA_METRICS_LAYOUT_H

#include "metrics/chunk.h"

enum {
    PART_SAMPLES_VERSION = 1,
    PART_HISTOGRAMS_VERSION = 2,         /* the same, and it has histograms */
    PART_STEPS_VERSION = 3,              /* has them or not; sparse integers and short codes; heads count in steps */
    PART_VERSION_MAX = PART_STEPS_VERSION,
    GROUP_SERIES_FULL = 64,              /* a group is closed when it has so many series and so many samples, ... */
    GROUP_SAMPLES_FULL = 16 * KIB,
    GROUP_SERIES_MAX = 1024,             /* ... or at these */
    GROUP_SAMPLES_MAX = 512 * KIB,
    GROUP_HISTOGRAM_BYTES_MAX = 16 * MIB, /* ... or when its histograms take so much memory */
    TIMES_PAGE_BYTES = 64 * KIB,
    INDEX_BLOCK_BYTES = 4 * MIB,
    INDEX_BYTES_MAX = 2047 * MIB,
    GROUP_HEAD_BYTES = 2,
    PAGE_HEAD_BYTES = 8 + 4 + 4 + 2 + 8 + 8, /* offset, length, entries at, entries, first and last time */
    ENTRY_BYTES = 2 + 2 + 1 + 4 + 2,         /* series in group, samples, flags, times, bytes: as columns, ... */
    ENTRY_SAMPLES_AT = 2,                    /* ... these behind so many bytes an entry */
    ENTRY_FLAGS_AT = 4,
    ENTRY_TIMES_AT = 5,
    ENTRY_BYTES_AT = 9
};

#endif
