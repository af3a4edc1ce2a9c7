/* SPDX-License-Identifier: Apache-2.0 */
/* A part of samples as a reader sees it: its index, decoded when first asked for, and cursors over its samples. */
#ifndef STOA_METRICS_SPART_H
#define STOA_METRICS_SPART_H

#include "metrics/state.h"

struct spart_times {
    uint32_t page, offset;
    uint16_t bytes, count;
    int64_t min_ms, max_ms;
};

struct spart_group {
    uint32_t first, last;     /* ordinals */
    struct block_ref head;
    int64_t min_ms, max_ms;
};

/* Immutable once decoded. */
struct spart_index {
    struct index labels;      /* ids are ordinals */
    size_t *row_at;           /* series_count + 1: where a series' pairs start in row_pairs */
    uint32_t *row_pairs;
    struct spart_times *times;
    struct spart_group *groups;
    uint32_t series_count, times_count, group_count;
};

struct spart;

/* As in struct store_kind. */
enum status spart_open(void *state, const struct part *p, void **user, struct err *err);
void spart_close(void *user);

/* Tombstones up to this id are applied already. */
uint64_t spart_applied_id(const struct spart *sp);
const struct part *spart_part(const struct spart *sp);
uint32_t spart_series_count(const struct spart *sp);
unsigned spart_version(const struct spart *sp); /* as layout.h has them */
struct metrics_state *spart_state(const struct spart *sp);
/* NULL: no such page of times. */
const struct block_ref *spart_times_ref(const struct spart *sp, uint32_t page);
/* The metadata entries it came with, as metadata_write_entries made them. */
struct slice spart_about(const struct spart *sp);
/* Any thread. Decodes it, unless it is there from an earlier call; it lives until the drop. ST_CORRUPT, ST_IO: the part's
 * samples cannot be reached. */
MUST_CHECK enum status spart_index_take(struct spart *sp, const struct spart_index **out, struct err *err);
void spart_index_drop(struct spart *sp);
/* Replaces *out by the labels of a series. */
void spart_labels(const struct spart_index *ix, uint32_t ordinal, struct buf *out);
/* The tenant of a series: good as long as the index. */
struct slice spart_tenant(const struct spart_index *ix, uint32_t ordinal);

/* ---- all series in order, without an index in memory. One thread. ---- */

struct spart_walk;
MUST_CHECK enum status spart_walk_open(struct spart *sp, struct spart_walk **out, struct err *err);
void spart_walk_close(struct spart_walk *w); /* accepts NULL */
/* The next series: labels are good until the next call, the tenant until the close. ST_NOT_FOUND: there is none. */
MUST_CHECK enum status spart_walk_next(struct spart_walk *w, struct slice *tenant, struct slice *labels, struct err *err);
/* Its lists of times and its groups: no labels. */
const struct spart_index *spart_walk_index(const struct spart_walk *w);

/* ---- reading samples: ordinals must not go down. One thread. ---- */

struct run { /* samples by time; memory grows and is kept for the next */
    int64_t *t_ms;
    double *v;
    size_t n, cap;
};
void run_room(struct run *r, size_t more);
void run_free(struct run *r);

struct spart_last {
    bool found, is_stale;
    int64_t t_ms;
    double v; /* only when it was asked for */
};

struct spart_cursor;
/* ctx: blocks that do not check are skipped and reported there. NULL: they are errors. */
MUST_CHECK enum status spart_cursor_open(struct spart *sp, struct engine_ctx *ctx, struct spart_cursor **out, struct err *err);
/* Over the part of a walk, which lives longer; without a ctx. */
struct spart_cursor *spart_cursor_of_walk(struct spart *sp, const struct spart_walk *w);
void spart_cursor_close(struct spart_cursor *c); /* accepts NULL */
/* Appends the samples with start_ms < t <= end_ms to *out. Their histograms are the cursor's: they live until the next read
 * by it, or its close. With ctx each counts as many samples as it takes places of 16 bytes, added here but for one. */
MUST_CHECK enum status spart_read(struct spart_cursor *c, uint32_t ordinal, int64_t start_ms, int64_t end_ms, struct run *out, struct err *err);
/* From now on a read ends behind a chunk when its histograms take more; cut tells whether the last one did: then later samples
 * are to be asked for from the last one given on. */
void spart_cursor_limit(struct spart_cursor *c, uint64_t histogram_bytes_max);
bool spart_cursor_cut(const struct spart_cursor *c);
/* The last of those; a histogram lives as long. */
MUST_CHECK enum status spart_read_last(struct spart_cursor *c, uint32_t ordinal, int64_t start_ms, int64_t end_ms, bool with_value,
                                       struct spart_last *out, struct err *err);

#endif
