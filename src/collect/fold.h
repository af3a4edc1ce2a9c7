/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that name a request (correlation_id, ...) and would make one series a request: which they are, and what was folded
 * because of them. How a page is folded stands in fold_page.h. */
#ifndef STOA_COLLECT_FOLD_H
#define STOA_COLLECT_FOLD_H

#include "codec/yaml.h"
#include "model/labels.h"
#include "sys/snap.h"

enum {
    FOLD_LABELS_MAX = 32,                 /* names in the list */
    FOLD_EXEMPLARS_PER_SERIES_MAX = 1000, /* of one folded series and scrape: the newest */
    FOLD_EXEMPLARS_PER_SCRAPE_MAX = 20 * 1000,
    FOLD_REPORTS_MAX = 1000               /* metrics of targets in the report */
};

/* ---- configuration: `correlation:` ---- */

struct fold_config {
    const struct slice *labels;
    size_t label_count;
    bool on;
};
/* *out lives in a; without the key the default names, on. */
MUST_CHECK enum status fold_config_read(struct arena *a, const struct yaml_node *root, struct fold_config **out, struct buf *warnings,
                                        struct err *err);

/* ---- what a scrape goes by ---- */

struct fold_rules {
    struct snap snap;
    uint64_t number; /* from 1; another configuration has another */
    bool on;
    size_t label_count;
    struct slice labels[FOLD_LABELS_MAX];
    struct arena *arena;
};
bool fold_rules_has(const struct fold_rules *r, struct slice name);

/* Any thread. */
struct fold;
struct fold *fold_new(void);
void fold_free(struct fold *f); /* accepts NULL */
/* Copies c. */
void fold_configure(struct fold *f, const struct fold_config *c);
/* With a reference for the caller: snap_drop(&rules->snap). */
struct fold_rules *fold_rules_take(struct fold *f);

/* ---- the report ---- */

/* One metric of one target. */
struct fold_report {
    struct slice job, instance, metric, labels /* "correlation_id, request_id" */, how /* "sum", "last", "oldest" */;
    uint64_t series, into;              /* in the last page: so many became so many */
    int64_t since_ms, last_ms;
    uint64_t exemplars, exemplars_left; /* kept, and left out for a limit or their age, since the start */
};
/* Copies r; since_ms and totals go on from what was told before. */
void fold_tell(struct fold *f, const struct fold_report *r);
/* By job, instance and metric, in a. */
void fold_reports(struct fold *f, struct arena *a, struct fold_report **out, size_t *count);

#endif
