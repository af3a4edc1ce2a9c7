/* SPDX-License-Identifier: Apache-2.0 */
/* Clocks of hosts differ: for display, spans are moved to where they must have been, as Jaeger does at reading. */
#ifndef STOA_API_TRACE_SKEW_H
#define STOA_API_TRACE_SKEW_H

#include "model/event.h"

/* What is to be told of a span: why it was moved, or could not be. */
struct trace_warnings {
    struct slice list[2];
    size_t count;
    bool is_moved;
};

/* The spans (all of one trace; they live on) with their own times and those of their events moved. *warnings has as many entries.
 * Both live in a, and so do the spans that were moved. Stored is what came. */
const struct event *const *trace_skew(struct arena *a, const struct event *const *spans, size_t count, struct trace_warnings **warnings);

#endif
