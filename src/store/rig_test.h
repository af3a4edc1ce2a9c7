/* SPDX-License-Identifier: Apache-2.0 */
/* What the store's tests share: two small kinds of rows, and a store on an imitated disk. */
#ifndef STOA_STORE_RIG_TEST_H
#define STOA_STORE_RIG_TEST_H

#include "base/unit.h"
#include "store/ladder.h"
#include "store/partition.h"
#include "sys/file_sim.h"

/* "rows" (KIND_EVENTS) takes events of EVENT_LOG, "beats" (KIND_METRICS) those of EVENT_SPAN. A row is time, class, stream
 * (defined once per segment in the log, as series labels are) and body. */
extern const struct store_kind rows_kind, beats_kind;

enum { ROW_BODY_BYTES_MAX = 48 };
struct row {
    int64_t time_ns;
    uint64_t lsn, seq;
    uint16_t class;
    char stream[16], body[ROW_BODY_BYTES_MAX];
};

struct rig {
    struct fs *fs;
    struct clock *clock;
    struct log log;
    struct store_options opt;
    struct store *store;
    struct mutex lock;
    char errors[4096];  /* what was logged as an error, concatenated */
    size_t error_count;
};

extern const int64_t rig_now_ns;

void rig_init(struct rig *r, uint64_t seed);
void rig_open(struct rig *r); /* CHECKs */
enum status rig_try_open(struct rig *r, struct err *err);
/* The power goes while the store is open, and comes back; then opened again. */
void rig_crash(struct rig *r, enum fs_sim_loss how);
void rig_end(struct rig *r);

/* A batch with one row a body "name-0", ... of both kinds when both. */
struct batch *rig_batch(const char *name, int rows, int64_t time_ns, bool both);
/* Appends and waits. */
enum status rig_append(struct rig *r, struct batch *b, struct err *err);
/* Appends one row called name, now. */
enum status rig_put(struct rig *r, const char *name);
/* How often a body is there (a row seen twice counts twice), over all of a kind. */
int rig_count(struct rig *r, uint8_t kind, const char *body);
/* Rows of a kind; CHECKs that no (seq) is there twice and every block reads. -1: a block did not read. */
int rig_rows(struct rig *r, uint8_t kind);
/* Same, where damage is expected: rows that can be read. */
int rig_readable_rows(struct rig *r, uint8_t kind);
int rig_view_rows(const struct store_view *v, bool *damaged);
struct engine_stats rig_stats(struct rig *r);

#endif
