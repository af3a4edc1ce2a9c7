/* SPDX-License-Identifier: Apache-2.0 */
/* A page's entries, whatever its format (text 0.0.4, OpenMetrics, protobuf), with classic histograms made native where that is
 * wanted. A native histogram's entry has a boxed value. */
#ifndef STOA_INGEST_PAGE_SOURCE_H
#define STOA_INGEST_PAGE_SOURCE_H

#include "codec/promtext.h"

struct page_source_options {
    bool native;  /* take native histograms; else the classic ones beside them */
    bool classic; /* keep classic ones where there is a native one */
    bool convert; /* classic histograms become native ones with bounds of their own */
    bool starts;  /* lines of OpenMetrics text that tell a start are no samples: others have it as start_ms (page_starts.h) */
    struct slice fallback; /* the Content-Type of pages that tell none, or one we do not know; empty: text */
};

/* Keeps a, where histograms come to lie, and the page until page_source_free(). One thread. */
struct page_source;
struct page_source *page_source_new(struct arena *a, struct slice page, struct slice content_type, const struct page_source_options *opt);
void page_source_free(struct page_source *s); /* accepts NULL */
/* As promtext_next(). */
MUST_CHECK enum status page_source_next(struct page_source *s, struct promtext_entry *out, struct err *err);

#endif
