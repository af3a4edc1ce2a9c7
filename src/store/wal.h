/* SPDX-License-Identifier: Apache-2.0 */
/* The write-ahead log: one frame a request, in segments. docs/formats/wal.md. */
#ifndef STOA_STORE_WAL_H
#define STOA_STORE_WAL_H

#include "store/part_file.h"

enum {
    WAL_VERSION = 1,
    WAL_SEGMENT_HEADER_BYTES = 128, /* two copies of 64 */
    WAL_FRAME_HEADER_BYTES = 40,
    WAL_BODY_BYTES_MAX = 256 * MIB,
    WAL_FLAG_ENCRYPTED = 1, /* the stored bytes end in a tag of 16 */
    WAL_SEALED_HEADER_BYTES = 24 /* of the header, under the tag too */
};

struct wal;

/* Lists dir/wal (made when absent). last_lsn: what the manifest says the log is behind. */
MUST_CHECK enum status wal_open(struct wal **out, struct part_env *env, struct err *err);
void wal_close(struct wal *w); /* accepts NULL */

/* Replay, before anything is written: each frame that checks, in order, with its body unpacked (valid during the call).
 * new_segment: the first frame given of its segment. covered: rows up to here are in file parts already, so their frames
 * may be missing. Stops when on_frame fails. Damage is reported through env. *last is the highest LSN seen. */
struct wal_replay {
    uint64_t covered;
    enum status (*on_frame)(void *arg, uint64_t lsn, bool new_segment, struct slice body, struct err *err);
    void *arg;
};
MUST_CHECK enum status wal_replay(struct wal *w, const struct wal_replay *how, uint64_t *last, struct err *err);

/* Before the first write: the LSN the log goes on behind. */
void wal_start(struct wal *w, uint64_t last_lsn);
/* The number for the first segment of this run. */
uint64_t wal_next_segment(const struct wal *w);

struct wal_entry {
    uint64_t lsn, segment;
    struct slice body;
};
/* Frames, appends and syncs entries of one segment (opened when it is not the current one). One thread.
 * ST_FULL: no space; none of them is in the log, and the caller goes on in a new segment. Any other error: nobody knows
 * what is on disk, and nothing may be written any more. */
MUST_CHECK enum status wal_write(struct wal *w, const struct wal_entry *list, size_t count, struct err *err);
/* Bytes in the segment, 0 when it is not the current one. Never waits for a write. */
uint64_t wal_segment_bytes(struct wal *w, uint64_t segment);

/* Whether wal_trim would delete any. */
bool wal_has_covered(struct wal *w, uint64_t covered, bool with_current);
/* Deletes segments whose last LSN is at most covered; the current one too when with_current (its number must not be used
 * again). */
MUST_CHECK enum status wal_trim(struct wal *w, uint64_t covered, bool with_current, struct err *err);
uint64_t wal_bytes(struct wal *w);
size_t wal_segments(struct wal *w);
uint64_t wal_syncs(struct wal *w);

/* ---- between wal.c and wal_read.c ---- */

struct wal_segment {
    uint64_t number, last_lsn, bytes;
};

struct wal {
    struct part_env *env;
    char *dir;
    struct mutex lock;              /* segments, current, counters */
    struct wal_segment *segments;   /* by number; the current one last */
    size_t segment_count, segment_cap;
    struct file *file;              /* the current segment; NULL: none */
    uint64_t file_number, file_seed;
    struct crypt_key file_key;      /* crypt NULL: not encrypted */
    uint64_t last_lsn;              /* of the last frame that is durable */
    _Atomic uint64_t synced;        /* count of syncs */
    _Atomic uint64_t total_bytes;
    _Atomic uint64_t current_number, current_bytes; /* of the current segment, for wal_segment_bytes */
    struct buf out;
    void *lz4_state;
};

struct wal_segment_header {
    uint64_t number, prev_lsn;
    uint8_t uuid[16];
};
/* One 64-byte copy. */
void wal_header_put(struct buf *b, const struct wal_segment_header *h);
uint64_t wal_seed(const struct wal_segment_header *h);
void wal_path(const struct wal *w, uint64_t number, char *to);
/* Of a whole frame with so many stored bytes. */
size_t wal_frame_bytes(size_t stored);
#define WAL_FRAME_MAGIC 0x4d524657u /* "WFRM" */

#endif
