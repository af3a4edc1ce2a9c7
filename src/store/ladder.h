/* SPDX-License-Identifier: Apache-2.0 */
/* The inside of struct store, shared by store.c, recover.c, append.c, keys.c, ladder.c, merge.c,
 * tombstone.c and view.c.
 *
 * Locks, in the order they are taken; each names what it guards:
 *
 *     merge_lock     who merges, expires or drops tombstones: one at a time
 *     flush_lock     who encodes and flushes: one at a time
 *     apply_lock     rows going into active tables (commit thread), against sealing
 *     manifest_lock  manifest, next_id, limbo
 *     append_lock    pending requests, LSNs, segment number, idempotency
 *     state_lock     what views see: lanes' lists and the tombstone set; held for moments */
#ifndef STOA_STORE_LADDER_H
#define STOA_STORE_LADDER_H

#include "store/guard.h"
#include "store/idempotency.h"
#include "store/manifest.h"
#include "store/wal.h"
#include "sys/snap.h"

enum {
    SEALED_MAX = 6,          /* sealed tables a kind; then appends wait */
    MEM_PARTS_FACTOR_MAX = 4, /* times mem_parts_bytes_max; then appends wait */
    WAL_SEGMENTS_MAX = 12,    /* then everything is flushed to free some */
    TRIM_BYTES_MIN = 4 * MIB  /* of memory parts flushed at once; then the heap gives back what is free */
};

/* Raw rows, counted: held by the lane and by views. */
struct mem_table {
    atomic_int refs;
    const struct store_kind *kind;
    void *mem;
    uint64_t first_lsn, last_lsn; /* 0: no rows yet */
    int64_t born_mono_ns;         /* of its first rows */
};

struct mem_list {
    struct mem_table **at;
    size_t count, cap;
};
struct part_list {
    struct part **at;
    size_t count, cap;
};

/* One kind's way down the ladder. */
struct lane {
    const struct store_kind *kind;
    void *state;
    bool is_open;
    struct mem_table *active;
    struct mem_list sealed;     /* in LSN order */
    struct part_list mem_parts; /* in LSN order */
    struct part_list parts;     /* file parts, by id */
    uint64_t mem_part_bytes;
    int64_t mem_part_born_ns;   /* of the oldest memory part */
    _Atomic uint64_t waiting;   /* sealed tables; for appends to ask without a lock */
    _Atomic uint64_t waiting_bytes;
};

/* The tombstones of one moment. */
struct tombset {
    struct snap snap; /* first */
    struct arena *arena;
    struct tombstone *events, *samples;
    size_t event_count, sample_count;
    uint64_t max_id;
};

/* The retention classes of one moment. */
struct classset {
    struct snap snap; /* first */
    struct arena *arena;
    struct engine_class *list;
    size_t count;
    uint16_t of_metrics;         /* class of all samples; 0: the default */
    uint16_t of_rollup[ROLLUP_COUNT]; /* 0: none */
    int64_t retention_ns, retention_max_ns; /* of the default class; of the class kept longest */
};

struct append_entry {
    struct batch *batch; /* NULL: a repeat that waits for the first */
    struct append_ack ack;
    uint64_t lsn, segment;
    size_t offset, len; /* of its body in the queue's buf */
    unsigned kinds;     /* bit i: lane i has rows */
    bool has_key;
    struct hash128 key;
};

struct append_queue {
    struct buf bodies;
    struct append_entry *list;
    size_t count, cap;
};

struct store {
    struct store_options opt;
    char *dir;
    struct part_env env;
    struct file *lock_file;
    struct manifest *manifest;
    struct wal *wal;
    struct guard guard;
    struct lane lanes[STORE_KINDS_MAX];
    size_t lane_count;

    struct mutex merge_lock, flush_lock, apply_lock, manifest_lock, append_lock, state_lock;

    uint64_t next_id;        /* manifest_lock */
    struct part_list limbo;  /* manifest_lock: named by an edit that may or may not be on disk */

    struct cond append_cond, idle_cond; /* append_lock from here */
    struct append_queue queues[2], *filling;
    size_t committing_bytes;
    int64_t commit_ns, commit_began_ns; /* spent in commits that are done; since when one runs, 0: none does. Monotonic */
    bool committing, closing, commit_stop;
    uint64_t next_lsn, segment;
    struct idempotency *keys;
    uint64_t keys_saved_lsn; /* flush_lock: keys up to here are in dir/KEYS */
    _Atomic uint64_t durable_lsn; /* applied and visible */

    uint64_t applied_lsn;         /* state_lock */
    struct snap_cell dead, classes;
    struct mutex classes_lock;    /* who changes classes: one at a time; before manifest_lock */
    struct mutex clock_lock;      /* the next three; taken last */
    int64_t clock_offset_ns;      /* wall less monotonic time, when last looked at; 0: never */
    int64_t clock_doubt_ns, clock_doubt_until_ns; /* how far the wall clock jumped ahead; until when, monotonic, that is in doubt */
    char *storage_dirs[STORAGE_COUNT], *tier_dirs[STORE_TIERS];
    int64_t move_retry_ns[STORE_TIERS]; /* merge_lock: no move to it before this, on the monotonic clock; 0: at once */

    atomic_bool read_only;
    struct mutex reason_lock;
    char reason[ERR_TEXT_BYTES_MAX];

    struct thread *commit_thread, *ladder_thread, *merge_thread;
    struct mutex wake_lock;
    struct cond wake_cond, merge_wake_cond, encoded_cond; /* encoded_cond: a sealed table has become parts */
    bool wake, merge_wake;        /* wake_lock */
    atomic_bool stop;             /* background work ends soon */
    bool replaying;               /* in store_open: the log's segments stay */
    int64_t guard_checked_ns;     /* flush_lock */

    _Atomic uint64_t appended_samples, appended_events, merges, merged_rows, expired_parts, too_old_rows;
    _Atomic uint64_t failed_merges, tier_moves, tier_move_failures;
};

/* store.c */
struct lane *store_lane(struct store *s, uint8_t kind);
/* Ends all writing, once, with a reason a person will read. */
void store_fail(struct store *s, const struct err *why);
/* ST_FULL with the reason when the store is read-only. */
MUST_CHECK enum status store_writable(struct store *s, struct err *err);
/* After a failed flush or merge: ends writing when a part or folder could not be made durable. A sync is never retried, and
 * the next one would not tell. */
void store_check_writes(struct store *s, enum status st, const struct err *err);
void store_wake(struct store *s);
void store_wake_merger(struct store *s);

/* append.c */
void append_run(void *store); /* the commit thread */
/* Do so many sealed tables of a kind wait to be encoded that who fills tables should wait, too? */
bool append_is_ahead(struct store *s);
/* Waits until no append is under way. */
void append_drain(struct store *s);
void append_stats(struct store *s, struct engine_stats *out); /* commit_ns, queued_bytes */
/* The next frame goes into a new segment, and none is waiting for the old one. False: frames are waiting. */
bool append_rotate(struct store *s);
void append_queue_free(struct append_queue *q);
/* Rows of durable entries into the active tables, which are sealed when full. Any one thread at a time. */
void append_apply(struct store *s, struct append_entry *list, size_t count);

/* keys.c */
void keys_load(struct store *s);
/* Before segments of the log with LSNs up to covered are deleted. flush_lock held. */
void keys_save(struct store *s, uint64_t covered);

/* ladder.c */
struct mem_table *mem_table_new(const struct lane *lane);
void mem_table_drop(struct mem_table *t); /* accepts NULL */
void mem_list_add(struct mem_list *l, struct mem_table *t);
void part_list_add(struct part_list *l, struct part *p);
bool part_list_remove(struct part_list *l, const struct part *p);
void part_list_drop(struct part_list *l); /* references and the array */
uint64_t ladder_new_id(struct store *s);
/* Applies e with next_id, and gives the tombstones it adds their ids. ST_FULL: the files of made went into limbo (their
 * references are taken either way it fails). Other errors make the store read-only. */
MUST_CHECK enum status ladder_edit(struct store *s, struct manifest_edit *e, struct part_list *made, struct err *err);
/* Whether making new files makes sense: ends limbo, if there is one. */
MUST_CHECK enum status ladder_ready(struct store *s, struct err *err);
/* How many bytes of a lane's raw rows are sealed, and of its memory parts flushed. */
uint64_t ladder_raw_bytes_max(const struct store *s, const struct lane *lane);
uint64_t ladder_parts_bytes_max(const struct store *s, const struct lane *lane);
/* With apply_lock held by the caller. */
void ladder_seal(struct store *s, struct lane *lane);
/* With flush_lock: sealed tables into memory parts; memory parts into files. */
MUST_CHECK enum status ladder_encode(struct store *s, struct lane *lane, struct err *err);
MUST_CHECK enum status ladder_flush(struct store *s, struct lane *lane, struct err *err);
MUST_CHECK enum status ladder_flush_all(struct store *s, bool empty_wal, struct err *err);
/* One round of what is due: guard, seal, encode, flush. */
MUST_CHECK enum status ladder_tick(struct store *s, struct err *err);

/* merge.c: with merge_lock */
MUST_CHECK enum status merge_group(struct store *s, struct lane *lane, struct part *const *parts, size_t count, struct part_writer *w,
                                   struct buf *meta, struct err *err);
/* One round of what is due: expiry, tombstones, at most merges_max merges. *did counts. */
MUST_CHECK enum status merge_tick(struct store *s, size_t merges_max, size_t *did, struct err *err);
MUST_CHECK enum status merge_all(struct store *s, struct err *err);

/* tombstone.c */
void tombset_publish(struct store *s); /* from the manifest's state; manifest_lock held */
struct tombset *tombset_take(struct store *s);
void tombset_drop(struct tombset *t);
struct tombstones tombset_of(const struct tombset *t, uint8_t kind);
/* Drops tombstones that nothing can meet any more. merge_lock held. */
MUST_CHECK enum status tombstone_expire(struct store *s, struct err *err);
/* Has t something to remove from p that no merge has removed yet? */
bool tombstone_waits_for(const struct tombstone *t, const struct part_info *p);

/* retention.c */
struct classset *classset_take(struct store *s);
void classset_drop(struct classset *c);
/* Until store_set_classes is called: those of the list that the manifest knows by name, and the default class. */
void classset_start(struct store *s, const struct engine_class *list, size_t count);
int64_t classset_retention(const struct classset *c, uint16_t class);
/* The wall clock, as far as deleting may believe it (retention.c). */
int64_t retention_now(struct store *s);
/* Of one class, how old a partition's end may be; over all classes. */
int64_t retention_horizon(struct store *s, uint16_t class);
int64_t retention_horizon_max(struct store *s);

/* tier.c */
/* Once the manifest is open: where which tier is. */
void tiers_start(struct store *s);
void tiers_free(struct store *s);
/* Moves at most one part to the folder of its class's storage; *did. Failures are counted and logged, and tried again
 * later. merge_lock held. */
void tier_tick(struct store *s, bool *did);

/* recover.c: everything between an empty struct and a store that takes appends */
MUST_CHECK enum status recover_parts(struct store *s, struct err *err);
MUST_CHECK enum status recover_log(struct store *s, struct err *err);

#endif
