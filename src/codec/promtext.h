/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus's text format 0.0.4 and OpenMetrics 1.0, read entry by entry.
 * https://prometheus.io/docs/instrumenting/exposition_formats/ and the OpenMetrics specification. */
#ifndef STOA_CODEC_PROMTEXT_H
#define STOA_CODEC_PROMTEXT_H

#include "base/arena.h"
#include "base/err.h"

enum {
    PROMTEXT_LABELS_MAX = 256,  /* of one sample, and of one exemplar */
    PROMTEXT_EXEMPLARS_MAX = 64 /* of one sample: native histograms alone have several */
};

enum promtext_format {
    PROMTEXT_CLASSIC,            /* 0.0.4: any spaces and tabs, comments, blank lines */
    PROMTEXT_OPENMETRICS,        /* the syntax as it is written, "# EOF" required; families are not looked into, as in Prometheus */
    PROMTEXT_OPENMETRICS_STRICT, /* also what a family may hold: suffixes, order, labels, values, exemplars */
};
enum promtext_kind { PROMTEXT_END, PROMTEXT_HELP, PROMTEXT_TYPE, PROMTEXT_UNIT, PROMTEXT_SAMPLE };
enum promtext_type {
    PROMTEXT_UNKNOWN, /* "untyped" in 0.0.4 */
    PROMTEXT_COUNTER,
    PROMTEXT_GAUGE,
    PROMTEXT_HISTOGRAM,
    PROMTEXT_GAUGEHISTOGRAM,
    PROMTEXT_SUMMARY,
    PROMTEXT_INFO,
    PROMTEXT_STATESET,
};

struct promtext_label {
    struct slice name, value;
};
struct promtext_exemplar {
    const struct promtext_label *labels;
    size_t label_count;
    double value;
    bool has_time;
    int64_t t_ms;
};
/* Plain value. Texts lie in the page, or in the arena when they had escapes; labels are good until the next entry. */
struct promtext_entry {
    enum promtext_kind kind;
    size_t line;             /* from 1 */
    struct slice name;       /* of the family (HELP, TYPE, UNIT) or the sample; not among the labels */
    struct slice text;       /* HELP, UNIT */
    enum promtext_type type; /* TYPE */
    /* SAMPLE: */
    struct slice series; /* name and labels as they stand in the page: the key of a cache from page to page */
    const struct promtext_label *labels; /* in the page's order; none is checked for being there twice, but in STRICT */
    size_t label_count;
    double value; /* NaN with the page's sign lost: text knows one NaN */
    bool has_time;
    int64_t t_ms; /* OpenMetrics's seconds rounded to the nearest; saturated */
    bool has_exemplar;
    struct promtext_exemplar exemplar;
    const struct promtext_exemplar *more; /* a native histogram's: only of protobuf pages (ingest/prom_page.h) */
    size_t more_count;
    int64_t start_ms; /* when counting began; 0: not told. Of text by ingest/page_starts.h alone */
};

/* Keeps page and a until promtext_free(). One thread. */
struct promtext;
struct promtext *promtext_new(struct arena *a, struct slice page, enum promtext_format format);
void promtext_free(struct promtext *p); /* accepts NULL */

/* The next entry; kind PROMTEXT_END behind the last. ST_INVALID, or ST_LIMIT for too many labels, names line and column;
 * calling again then goes on with the next line, for those who want the rest of a page. */
MUST_CHECK enum status promtext_next(struct promtext *p, struct promtext_entry *out, struct err *err);

/* By a Content-Type header: OPENMETRICS for application/openmetrics-text, else CLASSIC. */
enum promtext_format promtext_format_of(struct slice content_type);
/* "counter", ...; "unknown". */
const char *promtext_type_name(enum promtext_type type);
/* OpenMetrics's words, and "untyped". */
bool promtext_type_of(struct slice word, enum promtext_type *out);

#endif
