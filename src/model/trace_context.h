/* SPDX-License-Identifier: Apache-2.0 */
/* W3C's trace context: what a request's headers, or a log record's field, say of the trace they are of.
 * https://www.w3.org/TR/trace-context/ and, for the keys of tracestate, https://www.w3.org/TR/trace-context-2/ */
#ifndef STOA_MODEL_TRACE_CONTEXT_H
#define STOA_MODEL_TRACE_CONTEXT_H

#include "base/arena.h"
#include "base/slice.h"

enum {
    TRACE_PARENT_BYTES = 55,       /* of version 00 */
    TRACE_SAMPLED = 1,             /* a flag: its spans may be recorded */
    TRACE_STATE_MEMBERS_MAX = 32,
    TRACE_STATE_KEY_BYTES_MAX = 256,
    TRACE_STATE_VALUE_BYTES_MAX = 256
};

struct trace_parent {
    uint8_t version, flags;
    uint8_t trace_id[16], span_id[8];
};

/* "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01", white space at its ends passed over. Digits are lower-case, no id is all
 * zero, version ff is none; version 00 has exactly this length, behind a later one may stand more after another '-'.
 * False, and *out untouched, when it is anything else. */
bool trace_parent_read(struct slice text, struct trace_parent *out);
/* As text of version 00; no NUL. */
void trace_parent_write(const uint8_t trace_id[16], const uint8_t span_id[8], uint8_t flags, char out[TRACE_PARENT_BYTES]);

/* "vendor=value,other@vendor=value": the members with single commas between them, in a. Where a key comes twice its first member counts.
 * Empty when there are none, or when a key or value is not allowed or there are too many: then nothing of it counts. Several headers
 * are one list, put together with commas. */
struct slice trace_state_read(struct arena *a, struct slice text);

#endif
