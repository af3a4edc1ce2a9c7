/* SPDX-License-Identifier: Apache-2.0 */
/* One group of pushed metrics: read from a page, merged with what it held, kept as bytes. */
#ifndef STOA_COLLECT_PUSH_GROUP_H
#define STOA_COLLECT_PUSH_GROUP_H

#include "model/batch.h"

struct push_series {
    struct slice labels; /* canonical, the grouping key's over the page's */
    double value;
};

struct push_family {
    struct slice name, help;
    enum metric_type type;
    struct push_series *series;
    size_t count, cap;
};

/* Everything lives in arena, which is the group's own. */
struct push_group {
    struct arena *arena;
    struct slice name;            /* of the group among all: tenant, NUL, key */
    struct slice tenant, key;     /* key: the grouping labels, canonical */
    int64_t pushed_ms, failed_ms; /* 0: never */
    struct push_family *families;
    size_t family_count, family_cap;
    size_t bytes; /* as it is kept */
};

struct push_group *push_group_new(struct slice tenant, struct slice key);
void push_group_free(struct push_group *g); /* accepts NULL */
size_t push_group_series(const struct push_group *g);
/* Reads a page into an empty group. ST_INVALID: malformed (then *is_page is false), a sample with a time of its own, a series
 * twice. ST_LIMIT. */
MUST_CHECK enum status push_group_read(struct push_group *g, struct slice page, struct slice content_type, bool *is_page, struct err *err);
/* Copies from `from` the families that g does not have. */
void push_group_inherit(struct push_group *g, const struct push_group *from);
/* As samples at t_ms, with push_time_seconds and push_failure_time_seconds. is_end: stale markers instead of values. */
void push_group_samples(const struct push_group *g, int64_t t_ms, bool is_end, struct batch *b);
/* Stale markers for series that old has and g has not. */
void push_group_ends(const struct push_group *g, const struct push_group *old, int64_t t_ms, struct batch *b);
void push_group_metadata(const struct push_group *g, struct batch *b);
void push_group_save(const struct push_group *g, struct buf *out);
/* NULL when the bytes are not what push_group_save writes. */
struct push_group *push_group_load(struct slice bytes);

#endif
