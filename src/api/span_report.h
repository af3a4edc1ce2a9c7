/* SPDX-License-Identifier: Apache-2.0 */
/* What the reports over spans share: their parameters, one bounded pass over the newest spans, and tallies of them. */
#ifndef STOA_API_SPAN_REPORT_H
#define STOA_API_SPAN_REPORT_H

#include "api/trace_read.h"
#include "codec/json.h"

enum {
    SPAN_REPORT_LIMIT_DEFAULT = 100,
    SPAN_REPORT_LIMIT_MAX = 1000,
    SPAN_REPORT_ROWS_MAX = 500 * 1000,  /* spans, or records, that are looked at, the newest */
    SPAN_REPORT_GROUPS_MAX = 10 * 1000  /* that are told apart; rows of others are counted alone */
};

/* ---- tallies ---- */

/* Durations are counted in logarithmic buckets, each 5 % wider than the last, so a quantile is off by at most 2.5 %. */
struct span_tally {
    double count, errors, seconds;
    float *buckets; /* made with the first span; bucket i ends at 1.05^i microseconds */
};
/* As often as it weighs. */
void span_tally_add(struct arena *a, struct span_tally *t, const struct event *e);
/* In seconds: the middle of the bucket in which the q-th span lies; NaN of none. */
double span_tally_quantile(const struct span_tally *t, double q);

/* ---- a report ---- */

struct span_report {
    struct api_query q;
    struct api_params p;
    int64_t start_ns, end_ns;   /* the last hour when not asked otherwise */
    struct slice service;       /* empty: all */
    size_t limit;
    uint64_t looked_at;
    bool is_part;               /* there were more rows, or groups */
    struct err err;
};
/* Reads parameters; false: answered by an error, and over. End with span_report_end, which answers by r->err when st says so. */
bool span_report_begin(struct api *api, struct http_exchange *x, struct span_report *r);
void span_report_end(struct span_report *r, const char *dialect, enum status st);

/* Gives rows of those kinds that pred (NULL: any) and r->service let through, the newest first, at most SPAN_REPORT_ROWS_MAX. */
MUST_CHECK enum status span_report_read(struct span_report *r, uint32_t kinds, struct pred *pred, unsigned want,
                                        void (*take)(void *arg, const struct event *e), void *arg);

/* Answers: {"status":"success","data":{ is written by begin; end writes window, looked_at and partial, and answers. */
struct span_answer {
    struct buf out;
    struct json_writer w;
};
void span_answer_begin(struct span_answer *a);
void span_answer_end(struct span_answer *a, struct span_report *r);
void span_json_text(struct json_writer *w, const char *key, struct slice text);
void span_json_number(struct json_writer *w, const char *key, double v); /* null when it is none */
void span_json_id(struct json_writer *w, const char *key, const uint8_t *id, size_t bytes);
/* {"count","errors","error_ratio","per_second","seconds","p50_seconds",…}: members of an object that is open. */
void span_json_tally(struct json_writer *w, const struct span_report *r, const struct span_tally *t);
/* A field of the span itself by the first of these names (NULL at the end) that it has as text; empty: none. */
struct slice span_field_text(struct arena *a, const struct event *e, const char *const *names);

/* A small set of texts, kept in a. */
enum { SPAN_WORDS_MAX = 8 };
struct span_words {
    struct slice list[SPAN_WORDS_MAX];
    size_t count;
};
void span_words_add(struct arena *a, struct span_words *w, struct slice text);
void span_json_words(struct json_writer *w, const char *key, const struct span_words *words);

#endif
