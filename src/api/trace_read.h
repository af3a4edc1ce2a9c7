/* SPDX-License-Identifier: Apache-2.0 */
/* What the query APIs of traces share: whole traces, and a search that gives whole traces. */
#ifndef STOA_API_TRACE_READ_H
#define STOA_API_TRACE_READ_H

#include "api/handlers.h"
#include "base/map.h"
#include "store/pred.h"

#define SPAN_KINDS (1u << EVENT_SPAN)
enum { TRACE_SPANS_MAX = 200 * 1000 /* of one answer */, TRACE_HOURS_MAX = 24 /* a trace is read this far around a span of it */,
       TRACE_LOOKBACK_HOURS = 48 /* of names, and of searches that say nothing else */ };

/* ---- traces ---- */

struct trace_spans {
    const struct event **list; /* live in the query's arena */
    size_t count, cap;
};

/* 1 to 32 hexadecimal digits: leading zeros may be missing, and 64-bit ids have 16. */
MUST_CHECK enum status trace_id_read(struct slice text, uint8_t id[16], struct err *err);
/* All spans of the trace whose id is text. ST_NOT_FOUND when there are none. */
MUST_CHECK enum status trace_read_id(struct api_query *q, struct slice text, struct trace_spans *out, struct err *err);
/* Spans in [start, end) in order of time. ST_LIMIT over TRACE_SPANS_MAX. */
MUST_CHECK enum status trace_read(struct api_query *q, const struct pred *pred, int64_t start_ns, int64_t end_ns, struct trace_spans *out,
                                  struct err *err);
/* The traces of the newest spans of [start, end) that fit, at most limit of them, whole; with more than TRACE_SPANS_MAX spans in them,
 * the newest that have room, and a header of the answer says so. */
struct trace_search {
    const struct pred *pred;
    int64_t start_ns, end_ns;
    size_t limit;
    bool (*fits)(void *arg, const struct event *e); /* what a predicate cannot say; NULL: nothing */
    void *arg;
    unsigned want; /* what fits looks at, WANT_*; 0: all */
};
MUST_CHECK enum status trace_search(struct api_query *q, const struct trace_search *t, struct trace_spans *out, struct err *err);

/* ---- names ---- */

/* "server"; "unspecified" of 0, and of what is none. */
struct slice trace_kind_name(unsigned kind);
int trace_kind_of(struct slice name); /* -1: there is none of that name */
/* The entries by their keys; lives in a. */
struct map_entry *trace_names_in_order(struct arena *a, const struct map *names);
/* Names of spans of the last TRACE_LOOKBACK_HOURS, of one service or (empty) all: name -> kind of one of them. */
MUST_CHECK enum status trace_operations(struct api_query *q, struct slice service, struct map *names, struct err *err);
/* By trace, then time. */
void trace_spans_sort(struct trace_spans *s);
/* After it: where the trace that begins at from ends. */
size_t trace_end(const struct trace_spans *s, size_t from);

#endif
