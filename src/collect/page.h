/* SPDX-License-Identifier: Apache-2.0 */
/* What page.c and scrape_round.c share: HELP, TYPE and UNIT of one family gathered into one metadata row. */
#ifndef STOA_COLLECT_PAGE_H
#define STOA_COLLECT_PAGE_H

#include "codec/promtext.h"
#include "model/batch.h"

enum { PAGE_EXTRA_LABELS_MAX = 32 };

struct page_family {
    struct slice name, help, unit;
    enum metric_type type;
};

/* e is HELP, TYPE or UNIT. The family before goes to b when e is of another. */
void page_family_entry(struct page_family *f, const struct promtext_entry *e, struct batch *b);
void page_family_flush(struct page_family *f, struct batch *b);
enum metric_type page_metric_type(enum promtext_type type);

#endif
