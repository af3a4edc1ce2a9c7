/* SPDX-License-Identifier: Apache-2.0 */
/* Which services call which: from spans whose parent is another service's, and from calls of what sends no spans itself. */
#ifndef STOA_API_TRACE_LINKS_H
#define STOA_API_TRACE_LINKS_H

#include "api/handlers.h"
#include "api/span_report.h"

enum { TRACE_LINK_SPANS_MAX = 2 * 1000 * 1000 /* of a window that are looked at, the newest */, TRACE_LINKS_MAX = 10 * 1000 };

struct trace_link {
    struct slice parent, child;
    double calls, errors; /* weights of spans */
    bool is_peer;         /* the child is no service that sent spans, but what a caller calls it */
    struct span_tally tally; /* by trace_links_timed alone */
};

/* Of spans that begin in [start, end), by parent and child; *list lives in the query's arena. *is_part: there were more spans, or links. */
MUST_CHECK enum status trace_links(struct api_query *q, int64_t start_ns, int64_t end_ns, struct trace_link **list, size_t *count, bool *is_part,
                                   struct err *err);
/* The same with durations: of a call as its server saw it, or of a peer's as its client did. */
MUST_CHECK enum status trace_links_timed(struct api_query *q, int64_t start_ns, int64_t end_ns, struct trace_link **list, size_t *count,
                                         bool *is_part, struct err *err);
/* The links as items of a list that is open; with_errors: with an errorCount where there are errors. */
void trace_links_put(struct json_writer *w, const struct trace_link *list, size_t count, bool with_errors);
/* Says so on the answer when it is a part. */
void trace_links_warn(struct http_exchange *x, bool is_part);

#endif
