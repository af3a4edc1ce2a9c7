/* SPDX-License-Identifier: Apache-2.0 */
/* Making, opening and letting go of parts: what of part.h is the store's own business. docs/formats/part.md. */
#ifndef STOA_STORE_PART_FILE_H
#define STOA_STORE_PART_FILE_H

#include "store/cache.h"
#include "store/crypt.h"
#include "store/store.h"

enum {
    PART_VERSION = 1,
    PART_HEADER_BYTES = 64,
    PART_TRAILER_BYTES = 48,
    PART_PATH_BYTES_MAX = 4096
};

/* What all parts of a store share. */
struct part_env {
    struct slice dir;
    struct slice tiers[STORE_TIERS]; /* [TIER_DATA] is dir */
    struct fs *fs;
    struct cache *cache;
    struct crypt *crypt; /* NULL: not encrypted */
    struct log *log;
    struct mutex folders; /* held while a folder is made for a file, and while a folder found empty is removed */
    _Atomic uint64_t corrupt_blocks;
    atomic_bool write_failed; /* a write or sync of a part or folder failed otherwise than for want of space */
};

/* Counts one thing on disk that did not check, and logs it. what names the file and the place. */
void part_env_corrupt(struct part_env *env, const struct err *what);

/* st, noted in write_failed when it is neither ST_OK nor ST_FULL: around what makes files durable. */
enum status part_env_wrote(struct part_env *env, enum status st);

/* dir (of its tier)/kind/YYYYMMDD-class/NNNNNNNNNNNNNNNN.part */
void part_path(const struct part_env *env, const struct store_kind *kind, const struct part_info *info, char *to);
void part_folder(const struct part_env *env, const struct store_kind *kind, const struct part_info *info, char *to);

struct part {
    struct part_info info;
    struct part_env *env;
    const struct store_kind *kind;
    void *user;
    bool has_user;
    _Atomic(void *) usage; /* usage.c: made when first asked for, from mem_alloc */
    struct file *file;    /* NULL: in memory */
    struct buf bytes;     /* in memory: the whole file */
    char *path;           /* also the name of a memory part in errors */
    uint64_t owner, seed; /* cache owner; checksum seed */
    struct buf meta;
    struct crypt_key key; /* of its frames, known from the footer on; crypt NULL: they are plain */
    atomic_int refs;
    atomic_bool unlink_on_drop;
    struct mutex bad_lock;
    uint64_t bad_offsets[16]; /* blocks already counted as corrupt */
    unsigned bad_count;
    /* The ladder's: WAL positions a memory part stands for; and a merge has failed on it (under merge_lock). */
    uint64_t first_lsn, covers_lsn;
    bool no_merge;
    int64_t merge_again_ns; /* merge_lock: it could not be read, and is tried again from here on (monotonic); 0: not before the next start */
    uint32_t failed_moves;  /* merge_lock */
};

/* Opens the file of info (as the manifest has it) and checks header, trailer, footer and meta. *out has one reference. */
MUST_CHECK enum status part_open(struct part_env *env, const struct store_kind *kind, void *state, const struct part_info *info,
                                 struct part **out, struct err *err);
/* A part from the bytes of its file. Takes bytes (also on failure). */
MUST_CHECK enum status part_of_bytes(struct part_env *env, const struct store_kind *kind, void *state, const struct part_info *info,
                                     struct buf *bytes, struct part **out, struct err *err);
/* Writes a memory part's bytes to its file, durable on return; on failure there is no file. */
MUST_CHECK enum status part_save(const struct part *p, struct err *err);
struct part *part_take(struct part *p);
void part_drop(struct part *p); /* accepts NULL */
/* The file goes when the last reference does. */
void part_unlink_on_drop(struct part *p);
/* The file goes now; who has a reference reads on from what is open. */
void part_unlink(struct part *p);

struct part_writer {
    struct part_info info;
    struct part_env *env;
    const struct store_kind *kind;
    struct frame_coder *coder;
    struct crypt_key key;
    struct file *file;   /* NULL: everything stays in out */
    struct buf out;      /* not yet written to file */
    uint64_t offset;     /* of the next byte */
    uint64_t seed;
    char *path;
};

/* A writer in memory, or of a file (made at once). id, kind, level, class and window come from info; gives it a uuid. */
MUST_CHECK enum status part_writer_new(struct part_env *env, const struct store_kind *kind, const struct part_info *info,
                                       bool in_memory, struct part_writer **out, struct err *err);
/* Writes meta, footer and trailer; a file is durable on return, with its folder entry. */
MUST_CHECK enum status part_writer_finish(struct part_writer *w, struct slice meta, struct err *err);
/* An unfinished or unwanted file is removed when remove is true. */
void part_writer_free(struct part_writer *w, bool remove); /* accepts NULL */

#endif
