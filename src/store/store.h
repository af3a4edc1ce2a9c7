/* SPDX-License-Identifier: Apache-2.0 */
/* The store: one ladder for all kinds of rows.
 *
 *     append -> WAL (group commit) -> raw rows in memory -> encoded parts in memory -> file parts -> merged parts
 *
 * in partitions (a UTC day at birth x retention class). This folder owns WAL, manifest, partitions, merges, retention,
 * disk guard, checksums and crash safety. What a row is, how it is encoded, merged and searched, is a `struct store_kind`:
 * a table filled by metrics/ and events/, handed to store_open by the server.
 *
 * A query takes a view: the raw-row tables and parts of one kind at one moment, reference-counted. */
#ifndef STOA_STORE_STORE_H
#define STOA_STORE_STORE_H

#include "store/engine.h"
#include "store/part.h"
#include "sys/file.h"
#include "sys/log.h"
#include "sys/thread.h"

struct store;

enum {
    KIND_METRICS = 1,
    KIND_EVENTS = 2,
    STORE_KINDS_MAX = 4,
    BATCH_PARTITIONS_MAX = 64
};

/* Where a part's file is. Numbers are final: they stand in the manifest. */
enum store_tier {
    TIER_DATA,    /* the data folder: where parts are born and merged */
    TIER_CLOUD, TIER_ARCHIVE,
    TIER_LOCAL,   /* storage "local", when it has a folder of its own */
    STORE_TIERS
};

/* Gives encoded rows their files. The kind calls begin, part_write..., end, once per partition x class it has rows for. */
struct part_sink;
MUST_CHECK enum status part_sink_begin(struct part_sink *sink, int64_t partition_ns, uint16_t class, struct part_writer **out, struct err *err);
/* meta: the kind's index over its blocks, stored as a (compressed, checked) block. Borrows meta. */
MUST_CHECK enum status part_sink_end(struct part_sink *sink, struct part_writer *w, struct slice meta, struct err *err);

struct tombstones {
    const struct tombstone *list;
    size_t count;
};

/* Collects what a part holds, by service. */
struct usage;
void usage_add(struct usage *u, struct slice signal, struct slice service, uint64_t rows, uint64_t bytes);

struct store_kind {
    uint8_t id;
    const char *name; /* "metrics": folder name and metric label */
    /* Of mem_bytes_max and mem_parts_bytes_max this kind takes a share: 1 / 1 when 0. Rows that become very small take less. */
    uint8_t raw_quarters, parts_quarters;

    /* The kind's state, one per store. */
    enum status (*open)(struct store *s, uint64_t seed, void **state, struct err *err);
    void (*close)(void *state);

    /* Has the batch rows of this kind? */
    bool (*has_rows)(const struct batch *b);
    /* On the appending thread, beside others: checks limits, resolves ids (batch_series.ref). */
    enum status (*prepare)(void *state, struct batch *b, struct err *err);
    /* Serialises this kind's rows for the WAL. Called with the append lock held, so one at a time, in LSN order; segment is
     * the number of the segment the frame will land in: definitions (series labels) are repeated once per segment.
     * Replay gives exactly these bytes back. After an error the next frame lands in a new segment. */
    enum status (*wal_encode)(void *state, const struct batch *b, uint64_t segment, struct buf *out, struct err *err);
    /* Replay: bytes of one frame back into a batch (arena-backed; strings may borrow from bytes until apply is done), with
     * labels, as a decoder would have made it; replay then calls prepare and mem_apply, as an append does. Called in order;
     * new_segment says that definitions start anew. A frame that does not check is left out and the next one is given:
     * so definitions carry their id, and rows with an id that was never defined are ST_CORRUPT (nothing is applied then).
     * Frames already covered by file parts are decoded too, for their definitions, and not applied. */
    enum status (*wal_decode)(void *state, struct slice bytes, bool new_segment, struct batch *out, struct err *err);

    /* Raw rows: a table in memory. One writer (the commit thread), many readers at once through kind-owned queries. */
    void *(*mem_new)(void *state);
    void (*mem_free)(void *mem);
    /* Rows of a committed batch. lsn > all before. Event seq = lsn << 20 | index. Cannot fail. */
    void (*mem_apply)(void *mem, const struct batch *b, uint64_t lsn);
    size_t (*mem_bytes)(const void *mem);
    uint64_t (*mem_rows)(const void *mem);
    /* A sealed table into parts, one per partition x class. Background thread. mem stays readable meanwhile. */
    enum status (*mem_encode)(void *mem, struct part_sink *sink, struct err *err);

    /* Decodes and checks a part's meta when the part is opened; *user is freed by part_close. */
    enum status (*part_open)(void *state, const struct part *p, void **user, struct err *err);
    void (*part_close)(void *user);
    /* How a file part's rows and bytes divide by signal and service; usage_add for each. NULL: the kind has no services. */
    enum status (*part_usage)(void *state, const struct part *p, struct usage *u, struct err *err);
    /* Merges parts of one partition and class into one: rows sorted as the kind sorts them, duplicates resolved (higher LSN
     * wins), tombstones applied to rows with a lower LSN before rows mix. Stops with ST_CANCELLED when *stop turns true.
     * A block that does not check ends the merge with ST_CORRUPT: the inputs stay. */
    enum status (*merge)(void *state, const struct part *const *parts, size_t count, struct tombstones dead, struct part_writer *out,
                         struct buf *meta, const atomic_bool *stop, struct err *err);
};

struct store_options {
    struct slice dir;
    struct fs *fs;
    struct clock *clock;
    struct log *log;
    const struct store_kind *const *kinds;
    size_t kind_count;
    int64_t retention_ns;            /* default 31 days */
    uint64_t mem_bytes_max;          /* raw rows of a kind before they are sealed; default 32 MiB */
    uint64_t mem_parts_bytes_max;    /* encoded parts in memory before a flush; default 64 MiB */
    int64_t flush_interval_ns;       /* default 10 min */
    uint64_t wal_segment_bytes_max;  /* default 64 MiB */
    uint64_t cache_bytes_max;        /* decompressed blocks; default 64 MiB */
    uint64_t append_queue_bytes_max; /* frames waiting for the commit; default 64 MiB, then ST_UNAVAILABLE */
    double disk_warn_ratio, disk_refuse_ratio; /* free space: defaults 0.10 and 0.05 */
    /* Folders of storage; empty: dir itself, dir/cloud, dir/archive. */
    struct slice storage_dirs[STORAGE_COUNT];
    /* The retention classes to start with: what is there is kept by them from the first moment on. A name the store has never
     * had gets its number by store_set_classes alone. Borrowed. */
    const struct engine_class *classes;
    size_t class_count;
    struct slice key_file;           /* encryption at rest, see crypt.h; empty: none */
    bool no_background;              /* tests: the caller calls store_tick itself */
};

/* Recovers from manifest and WAL. ST_EXISTS: another process holds the folder. */
MUST_CHECK enum status store_open(struct store **out, const struct store_options *opt, struct err *err);
/* Seals, encodes, flushes, leaves an empty WAL, frees. */
void store_close(struct store *s);
/* What a crash leaves: stops threads and frees memory without flushing. For tests. */
void store_abandon(struct store *s);

void *store_kind_state(struct store *s, uint8_t kind);
struct log *store_log(struct store *s);
struct clock *store_clock(struct store *s);
/* The class of downsampled samples, 0: there is none; and from when on a partition of samples (of a resolution; ROLLUP_NONE: as
 * they came) is kept, INT64_MAX: none is. */
uint16_t store_rollup_class(struct store *s, enum rollup r);
int64_t store_samples_from(struct store *s, enum rollup r);
/* The number of a class that is or ever was configured under this name; 0: none. */
uint16_t store_class_named(struct store *s, struct slice name);
/* First instant of the partition that holds t_ns. */
int64_t store_partition_of(const struct store *s, int64_t t_ns);

/* As engine_ops.append. */
MUST_CHECK enum status store_append(struct store *s, struct batch *b, struct append_ack ack, struct err *err);
MUST_CHECK enum status store_flush(struct store *s, struct err *err);
MUST_CHECK enum status store_merge(struct store *s, struct err *err);
/* Adds a tombstone (fills id and lsn), durable on return. */
MUST_CHECK enum status store_erase(struct store *s, const struct tombstone *t, struct err *err);
/* As engine_ops.erases, set_classes and usage. */
MUST_CHECK enum status store_erases(struct store *s, struct arena *a, struct engine_erase **out, size_t *count, struct err *err);
MUST_CHECK enum status store_set_classes(struct store *s, struct engine_class *list, size_t count, struct err *err);
MUST_CHECK enum status store_usage(struct store *s, bool by_service, struct arena *a, struct engine_usage *out, struct err *err);
void store_stats(struct store *s, struct engine_stats *out);
/* One round of background work (seal, encode, flush, merge, expire, disk guard): for tests with no_background. */
MUST_CHECK enum status store_tick(struct store *s, struct err *err);

/* What one kind has at this moment. mems hold newer rows than parts; in LSN order. dead: the tombstones of this kind
 * (is_events for KIND_EVENTS, else not). */
struct store_view {
    void *const *mems;
    size_t mem_count;
    const struct part *const *parts; /* overlapping the window asked for */
    size_t part_count;
    struct tombstones dead;
};
struct store_view *store_view_take(struct store *s, uint8_t kind, int64_t start_ns, int64_t end_ns);
void store_view_drop(struct store_view *v);

#endif
