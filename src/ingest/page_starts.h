/* SPDX-License-Identifier: Apache-2.0 */
/* OpenMetrics text tells when a counter, histogram or summary began counting in a line of its own, NAME_created, behind the
 * lines it is about. Here those lines are found first, so that each sample can be given with its start, as protobuf has it. */
#ifndef STOA_INGEST_PAGE_STARTS_H
#define STOA_INGEST_PAGE_STARTS_H

#include "codec/promtext.h"

struct page_starts;
/* Reads through page, which is OpenMetrics text; keeps a. NULL: it tells of no start. */
struct page_starts *page_starts_new(struct arena *a, struct slice page);
void page_starts_free(struct page_starts *s); /* accepts NULL */
/* For each entry of the page in its order: sets start_ms of a sample whose start is told. False: e is itself a start, and no
 * sample of the page. */
bool page_starts_entry(struct page_starts *s, struct promtext_entry *e);

#endif
