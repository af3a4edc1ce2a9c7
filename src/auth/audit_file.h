/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log's files: names, lines, links of the chain, the anchor. Private to the audit files of auth. */
#ifndef STOA_AUTH_AUDIT_FILE_H
#define STOA_AUTH_AUDIT_FILE_H

#include "auth/audit.h"

enum { AUDIT_FILES_MAX = 100 * 1000 };

/* The newest record that is surely on disk. */
struct audit_head {
    uint64_t seq;                      /* 0: none yet */
    char hash[AUDIT_HASH_DIGITS];      /* of seq 0: zeros */
    uint64_t file;                     /* its number, from 1 */
    uint64_t size;                     /* of the file, with this record */
};

/* *found false, and the head before the first record, when there is none. */
MUST_CHECK enum status audit_anchor_get(struct kv *kv, struct audit_head *out, bool *found, struct err *err);
MUST_CHECK enum status audit_anchor_put(struct kv *kv, const struct audit_head *h, struct err *err);

struct slice audit_path(struct arena *a, struct slice dir, uint64_t file);
/* Numbers of the files, ascending, in a. None when dir is absent. */
MUST_CHECK enum status audit_files(struct fs *fs, struct slice dir, struct arena *a, uint64_t **out, size_t *count, struct err *err);

/* A line for the record after head: {"seq":..,MIDDLE,"prev":"..","hash":".."} and '\n'. Moves head on. */
void audit_line_write(struct audit_head *head, struct slice middle, struct buf *out);
/* The fields between seq and prev. */
void audit_middle(struct buf *out, int64_t t_ms, const struct audit_record *r);
/* Does line (without its '\n') follow head? Moves head on, or says why not. */
bool audit_line_follows(struct audit_head *head, struct slice line, const char **why);

/* Line by line through a file, from offset on. */
struct audit_lines {
    struct file *f;
    uint64_t at;                       /* of the next byte to read */
    struct buf held;
    size_t from;                       /* in held */
    bool torn;                         /* at the end: bytes were left without '\n' */
    size_t torn_bytes;
};
MUST_CHECK enum status audit_lines_open(struct audit_lines *l, struct fs *fs, const char *path, uint64_t offset, struct err *err);
/* False at the end or on an error (*st). The line lives until the next call. */
bool audit_lines_next(struct audit_lines *l, struct slice *line, enum status *st, struct err *err);
void audit_lines_close(struct audit_lines *l);

#endif
