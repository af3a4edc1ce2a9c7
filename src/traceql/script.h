/* SPDX-License-Identifier: Apache-2.0 */
/* Query scripts over spans in memory. Times are from zero on, as Go writes durations; '#' begins a line of comment.
 *
 *     load
 *       trace 01
 *       span a "GET /cart" service=shop kind=server status=error start=10s duration=2s span.http.status_code=500 resource.zones=["a","b"]
 *         event "exception" at=20ms type="E"
 *         link 02/b why="retry"
 *       span b "SELECT" service=db parent=a start=11s duration=1s
 *     eval search from 0 to 1m limit 5 { status = error } >> { } | by(name)
 *       01 by(name)="SELECT": b
 *     eval shown from 0 to 1m { status = error } | select(duration)
 *       01: a(status=error duration=2s)
 *     eval range from 0 to 60s step 30s {} | count_over_time() by (resource.service.name)
 *       {"resource.service.name"="db"} 1 _
 *       {"resource.service.name"="shop"} 1 _
 *     eval instant from 0 to 60s {} | rate()
 *       {__name__="rate"} 0.03333333333
 *     eval search from 0 to 1m { oops
 *       expect fail msg: line 1
 *     eval search from 0 to 1m { .a = 1 }
 *       expect none
 *     parse {true}
 *       { true }
 *     clear
 *
 * Ids of spans are up to eight letters. What is expected is compared as text: a line for each set of spans, or series. */
#ifndef STOA_TRACEQL_SCRIPT_H
#define STOA_TRACEQL_SCRIPT_H

#include "query/script.h"

enum { TRACEQL_SCRIPT_FIELDS_MAX = 64 /* of a span, event or link */, TRACEQL_SCRIPT_LINES_MAX = 1000 /* that a case expects */ };

/* A script_run_fn; there are no features. */
MUST_CHECK enum status traceql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                                          struct err *err);

/* ---- script_load.c ---- */

struct script_events;
struct tql_load { /* what is being loaded */
    struct script_events *memory;
    struct arena *a;
    struct event span;
    bool has_span;
    uint8_t trace_id[16];
};
/* One line of a load: trace, span, event or link. False and a reason when it cannot be read. */
bool tql_load_line(struct tql_load *l, struct slice line, const char **why);
void tql_load_end(struct tql_load *l);

#endif
