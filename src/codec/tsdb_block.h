/* SPDX-License-Identifier: Apache-2.0 */
/* A block of Prometheus's own store, as its files' bytes: series and where their chunks are. Pure.
 * https://github.com/prometheus/prometheus/blob/main/tsdb/docs/format/ (index.md, chunks.md, tombstones.md) */
#ifndef STOA_CODEC_TSDB_BLOCK_H
#define STOA_CODEC_TSDB_BLOCK_H

#include "base/arena.h"
#include "base/buf.h"
#include "base/err.h"
#include "codec/crc32c.h"

enum {
    TSDB_SERIES_LABELS_MAX = 256,
    TSDB_SERIES_CHUNKS_MAX = 1 << 20,
    TSDB_CHUNK_HEAD_BYTES = 6,        /* length (up to 5) and encoding */
    TSDB_CHUNK_BYTES_MAX = 16 * MIB,
    TSDB_SEGMENT_HEAD_BYTES = 8
};

enum tsdb_encoding { TSDB_XOR = 1, TSDB_HISTOGRAM = 2, TSDB_FLOAT_HISTOGRAM = 3 };

struct tsdb_label {
    struct slice name, value;
};
struct tsdb_chunk {
    int64_t min_ms, max_ms;
    uint32_t segment, offset; /* segments count from 0: file 000001 is 0 */
};
/* Good until the next one. */
struct tsdb_series {
    uint64_t ref; /* what tombstones name it by */
    struct tsdb_label *labels;
    struct tsdb_chunk *chunks; /* by time */
    size_t label_count, chunk_count;
};

struct tsdb_index;
/* Borrows bytes. Lives in a. ST_CORRUPT, ST_UNSUPPORTED: another version than 2. */
MUST_CHECK enum status tsdb_index_open(struct arena *a, struct slice bytes, struct tsdb_index **out, struct err *err);
/* ST_NOT_FOUND (err untouched) behind the last. */
MUST_CHECK enum status tsdb_index_next(struct tsdb_index *ix, struct tsdb_series *out, struct err *err);

/* A chunk out of bytes that start at its offset. *need says how many bytes there must be when there are too few
 * (ST_LIMIT), else how many it takes. */
MUST_CHECK enum status tsdb_chunk_at(const struct crc32c *crc, struct slice bytes, size_t *need, uint8_t *encoding, struct slice *data,
                                     struct err *err);
/* Is this the head of a file of chunks? */
bool tsdb_segment_check(struct slice head);

/* What was deleted from a block: samples of a series with min <= t <= max. */
struct tsdb_tombstone {
    uint64_t ref;
    int64_t min_ms, max_ms;
};
MUST_CHECK enum status tsdb_tombstones(struct arena *a, struct slice bytes, struct tsdb_tombstone **out, size_t *count, struct err *err);

#endif
