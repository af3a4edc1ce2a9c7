/* SPDX-License-Identifier: Apache-2.0 */
/* One page of one target into a batch, with memory of the page before: which series are new, which have ended. */
#ifndef STOA_COLLECT_SCRAPE_ROUND_H
#define STOA_COLLECT_SCRAPE_ROUND_H

#include "collect/fold.h"
#include "collect/scrape_config.h"

/* What a target's pages held so far. One thread at a time. */
struct scrape_memory;
struct scrape_memory *scrape_memory_new(void);
void scrape_memory_free(struct scrape_memory *m); /* accepts NULL */
/* Relabelling rules have changed: lines are looked at anew; which series there were stays known. */
void scrape_memory_new_rules(struct scrape_memory *m);
size_t scrape_memory_bytes(const struct scrape_memory *m);

struct scrape_counts {
    size_t scraped, kept, added; /* samples in the page; after relabelling; series not seen in the page before */
};

struct scrape_page {
    const struct scrape_job *job;
    const struct relabel *rules;  /* metric_relabel_configs */
    struct slice labels;          /* the target's */
    struct slice text, content_type;
    int64_t t_ms;
    const struct fold_rules *fold; /* NULL: nothing is folded */
    struct fold *folded;           /* what is told of it; may be NULL */
    struct firewall *firewall;     /* limits of new series; may be NULL */
};

/* The page's samples, folded where ids or too many values of a label ask for it, its exemplars, and stale markers for series that
 * were in the last page and are not in this one. text must live as long as b. On an error b holds no samples of this page: call
 * scrape_round_failed() then. *counts is filled as far as it went. */
MUST_CHECK enum status scrape_round(struct scrape_memory *m, const struct scrape_page *page, struct batch *b, struct scrape_counts *counts,
                                    struct err *err);
/* There is no page: every series of the last one ends at t_ms. Also when a target is removed. */
void scrape_round_failed(struct scrape_memory *m, int64_t t_ms, struct batch *b);

struct scrape_report {
    bool up;
    double seconds;
    struct scrape_counts counts;
};
/* up, scrape_duration_seconds, ... with the target's labels. NULL: they end. */
void scrape_report_add(const struct scrape_report *r, struct slice labels, int64_t t_ms, struct batch *b);

#endif
