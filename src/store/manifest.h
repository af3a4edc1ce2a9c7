/* SPDX-License-Identifier: Apache-2.0 */
/* What the store holds, as a log of edits: parts, tombstones, how far each kind is flushed. docs/formats/manifest.md. */
#ifndef STOA_STORE_MANIFEST_H
#define STOA_STORE_MANIFEST_H

#include "store/part_file.h"

enum {
    MANIFEST_VERSION = 1,
    MANIFEST_EDIT_BYTES_MAX = 64 * MIB,
    MANIFEST_FILE_BYTES_MAX = 512 * MIB,
    MANIFEST_COMPACT_BYTES = 1 * MIB /* and four times what a compacted one would have */
};

struct flushed {
    uint8_t kind;
    uint64_t lsn; /* rows up to here are in file parts */
};

struct manifest_class {
    uint16_t id;
    struct slice name;
};
struct manifest_tier {
    uint64_t part;
    uint8_t tier;
};

/* One atomic change. Zero fields change nothing. */
struct manifest_edit {
    const struct part_info *adds;
    size_t add_count;
    const uint64_t *removes; /* part ids */
    size_t remove_count;
    struct tombstone *dead_adds;
    size_t dead_add_count;
    const uint64_t *dead_removes;
    size_t dead_remove_count;
    const struct manifest_class *class_adds;
    size_t class_add_count;
    const struct manifest_tier *tiers; /* where parts are from now on */
    size_t tier_count;
    struct flushed flushed[STORE_KINDS_MAX];
    size_t flushed_count;
    uint64_t next_id;  /* of parts and tombstones */
    uint64_t next_lsn; /* the log goes on at or behind this */
    uint64_t seed;
};

struct manifest_state {
    uint64_t seed, next_id, next_lsn;
    struct flushed flushed[STORE_KINDS_MAX];
    size_t flushed_count;
    struct part_info *parts;
    size_t part_count, part_cap;
    struct tombstone *dead; /* strings in one allocation each, at tenant.ptr */
    size_t dead_count, dead_cap;
    struct manifest_class *classes; /* every name that ever was; names in one allocation each */
    size_t class_count, class_cap;
    bool edits_lost; /* found when opening: files it does not name may still be wanted */
};

struct manifest;

/* Reads dir/MANIFEST, which may be absent, and changes nothing yet. What does not check is reported through env. */
MUST_CHECK enum status manifest_open(struct manifest **out, struct part_env *env, struct err *err);
void manifest_close(struct manifest *m); /* accepts NULL */
/* Writes it anew, compacted, without the damage found: only when files it does not name are settled, for afterwards nobody
 * knows any more that edits were lost. The first edit does the same. Errors as below. */
MUST_CHECK enum status manifest_rewrite(struct manifest *m, struct err *err);
/* The same content as the file path of another folder, which has all parts in its own data folder. Durable on return. */
MUST_CHECK enum status manifest_write_copy(const struct manifest *m, const char *path, struct err *err);
/* Durable on return. ST_FULL: not done, may be tried again, but the files the edit names must stay where they are until
 * then. Any other error: nobody knows; the store must not write any more. One thread at a time. */
MUST_CHECK enum status manifest_apply(struct manifest *m, const struct manifest_edit *e, struct err *err);
/* Borrowed until the next manifest_apply. */
const struct manifest_state *manifest_state(const struct manifest *m);
uint64_t manifest_flushed(const struct manifest *m, uint8_t kind);
uint64_t manifest_bytes(const struct manifest *m);

#endif
