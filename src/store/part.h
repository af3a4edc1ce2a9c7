/* SPDX-License-Identifier: Apache-2.0 */
/* A part: one immutable file (or the same bytes in memory) of blocks, index blocks and a footer. docs/formats/part.md.
 *
 * Every block stands in a frame: length, raw length, codec, flags, key slot, XXH3 over header and stored bytes, bytes,
 * tag. What is inside the blocks is the kind's business (metrics, events); framing, checksums, compression, caching and
 * the footer are ours. Read by pread through a budgeted cache, never mmap. */
#ifndef STOA_STORE_PART_H
#define STOA_STORE_PART_H

#include "base/buf.h"
#include "base/err.h"
#include "sys/budget.h"
#include "sys/file.h"

enum part_codec { CODEC_RAW = 0, CODEC_ZSTD = 1, CODEC_LZ4 = 2 }; /* outer compression of a frame; numbers are final */

enum { PART_BLOCK_BYTES_MAX = 64 * MIB, PART_META_BYTES_MAX = 256 * MIB };

/* Where a frame lies in its part. */
struct block_ref {
    uint64_t offset;
    uint32_t length; /* of the whole frame */
};

struct part_info {
    uint64_t id;              /* file name: NNNNNNNNNNNNNNNN.part, hex */
    uint8_t uuid[16];
    uint8_t kind;             /* of struct store_kind */
    uint8_t level;            /* 0: from memory; +1 a merge */
    uint16_t class;           /* retention class */
    int64_t start_ns, end_ns; /* its partition: [start, end) */
    int64_t min_ns, max_ns;   /* times of its rows */
    uint64_t min_lsn, max_lsn;
    uint64_t rows, bytes;     /* bytes: of the whole file */
    uint8_t tier;             /* enum store_tier: which folder it is in; the manifest's alone to say */
    uint64_t dead_id;         /* tombstones up to this id were applied when it was merged; 0: none */
};

/* ---- writing ---- */

struct part_writer;

/* Compresses raw with zstd level 1 (kept raw under 3 % gain) unless codec is CODEC_RAW, frames it, appends it. */
MUST_CHECK enum status part_write(struct part_writer *w, enum part_codec codec, struct slice raw, struct block_ref *ref, struct err *err);
const struct part_info *part_writer_info(const struct part_writer *w);
/* Tells the writer about rows as they are written: counts, time and LSN ranges for the footer. */
void part_writer_rows(struct part_writer *w, uint64_t rows, int64_t min_ns, int64_t max_ns, uint64_t min_lsn, uint64_t max_lsn);

/* ---- reading. Any thread. ---- */

struct part;

/* A decompressed block, reference-counted, perhaps shared by the cache. */
struct block {
    struct slice bytes; /* valid until block_drop */
};

const struct part_info *part_info(const struct part *p);
/* What the kind gave as meta to part_sink.end: its own index (block list, dictionaries). Lives as long as the part. */
struct slice part_meta(const struct part *p);
/* The kind's own decoded form of meta, made once by store_kind.part_open. */
void *part_user(const struct part *p);
/* Reads, checks and decompresses. ST_CORRUPT names part, block offset and what did not check: the caller skips that block
 * and warns; the rest of the part is still good. */
MUST_CHECK enum status part_read(const struct part *p, struct block_ref ref, struct block **out, struct err *err);
/* The same, for who reads a block once: it is taken from the cache but not put there. */
MUST_CHECK enum status part_read_once(const struct part *p, struct block_ref ref, struct block **out, struct err *err);
void block_drop(struct block *b); /* accepts NULL */

#endif
