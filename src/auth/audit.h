/* SPDX-License-Identifier: Apache-2.0 */
/* The audit log: who asked what, in files that only grow, each record chained to the one before by SHA-256, the newest one
 * anchored in state.db. docs/formats/audit.md has the bytes. Any thread. */
#ifndef STOA_AUTH_AUDIT_H
#define STOA_AUTH_AUDIT_H

#include "store/kv.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

enum {
    AUDIT_TEXT_BYTES_MAX = 4096,       /* of text and of request; longer is cut, with a mark */
    AUDIT_NAME_BYTES_MAX = 256,        /* of every other text */
    AUDIT_LINE_BYTES_MAX = 64 * KIB,
    AUDIT_FILE_BYTES_MAX = 64 * MIB,   /* then the next file */
    AUDIT_WAITING_MAX = 10000,         /* records; above it audited reads are refused */
    AUDIT_KEPT_MAX = 20000,            /* above it what nobody waits for is only counted, and the count goes on record */
    AUDIT_GATHER_MS = 200,             /* reads wait so long for company */
    AUDIT_LOCK_SECONDS_MAX = 5,        /* for another process that appends a record */
    AUDIT_HASH_DIGITS = 64
};

struct audit;

struct audit_record {
    struct slice user, role, peer, tenant;
    struct slice action;               /* "logs.query", "user.add", ...: a word of ours */
    struct slice text;                 /* the query, or what is changed */
    struct slice request;              /* method, path, parameters */
    uint64_t rows;                     /* answered */
    int status;                        /* of HTTP; 0: asked, the outcome is a record of its own */
};

struct audit_options {
    struct fs *fs;
    struct slice dir;                  /* made when absent */
    struct kv *kv;                     /* keeps; holds the anchor */
    struct clock *clock;               /* keeps */
    struct log *log;                   /* keeps; may be NULL */
    uint64_t file_bytes_max;           /* 0: AUDIT_FILE_BYTES_MAX */
    bool no_wait;                      /* for another process that has it open */
};

/* Continues the chain; repairs a torn last line and says so. What does not check is left as it is, said, and found by every
 * later audit_verify. ST_EXISTS: another process has it open. */
MUST_CHECK enum status audit_open(struct audit **out, const struct audit_options *opt, struct err *err);
/* Appends what waits, then frees. Accepts NULL. */
void audit_close(struct audit *a);

/* On disk within a second, unless the disk refuses for so long that AUDIT_KEPT_MAX records wait. Copies. */
void audit_add(struct audit *a, const struct audit_record *r);
/* On disk on return. */
MUST_CHECK enum status audit_add_wait(struct audit *a, const struct audit_record *r, struct err *err);
/* False when the disk refuses or too many records wait: what must be on record should not be answered. */
bool audit_is_ready(struct audit *a);

struct audit_stats {
    uint64_t records, bytes, waiting, failures, lost;
};
void audit_stats(struct audit *a, struct audit_stats *out);

/* For a process beside the server: leaves a record in state.db; whoever has the log open takes it over (audit_drain). */
MUST_CHECK enum status audit_defer(struct kv *kv, struct clock *clock, const struct audit_record *r, struct err *err);
MUST_CHECK enum status audit_drain(struct audit *a, struct err *err);

/* ---- reading: of any process, also while the log is written ---- */

struct audit_check {
    bool ok;
    uint64_t records;                  /* that check, from the first one on */
    uint64_t first_bad;                /* sequence number; 0: none */
    char why[ERR_TEXT_BYTES_MAX];      /* a sentence that names file and line; empty when ok */
    char head[AUDIT_HASH_DIGITS + 1];  /* of the last record: keep it elsewhere to hold the whole chain */
};
MUST_CHECK enum status audit_verify(struct fs *fs, struct slice dir, struct kv *kv, struct audit_check *out, struct err *err);

struct audit_filter {
    int64_t start_ms, end_ms;          /* end excluded */
    struct slice user, action;         /* empty: all; action also as a beginning: "logs." */
    size_t limit;
};
/* The newest that fit, newest first, as JSON objects in mem; count of them. */
MUST_CHECK enum status audit_list(struct fs *fs, struct slice dir, const struct audit_filter *f, struct arena *mem, struct slice **out,
                                  size_t *count, struct err *err);

#endif
