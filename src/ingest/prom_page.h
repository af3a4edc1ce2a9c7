/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's protobuf exposition: io.prometheus.client.MetricFamily messages, each behind its length. Read entry by entry
 * as promtext.h reads text, so that what reads pages need not know which it is; a native histogram is a boxed value.
 * https://github.com/prometheus/client_model */
#ifndef STOA_INGEST_PROM_PAGE_H
#define STOA_INGEST_PROM_PAGE_H

#include "codec/promtext.h"
#include "model/batch.h"

struct prom_page_options {
    bool native;  /* native histograms are given; else the classic buckets beside them */
    bool classic; /* and those too */
};

/* Keeps page and a, where histograms come to lie, until prom_page_free(). One thread. */
struct prom_page;
struct prom_page *prom_page_new(struct arena *a, struct slice page, const struct prom_page_options *opt);
void prom_page_free(struct prom_page *p); /* accepts NULL */
/* As promtext_next; an entry's line is the number of its family. Texts and labels are good until the next entry, but a family's
 * (HELP, TYPE, UNIT) as long as the page. ST_INVALID names the family; the page is over then. */
MUST_CHECK enum status prom_page_next(struct prom_page *p, struct promtext_entry *out, struct err *err);

/* A bound or quantile as Prometheus 3 writes it in a label, whatever the page says: "1.0" for 1 and 1.00. */
struct slice prom_page_float(struct arena *a, double v);
/* The value of a label of a sample of a family of that type: the text itself, but as prom_page_float() has it for le of a
 * histogram and quantile of a summary. */
struct slice prom_page_label(struct arena *a, enum metric_type family, struct slice name, struct slice value);

/* True for a Content-Type that means this format. */
bool prom_page_is(struct slice content_type);

#endif
