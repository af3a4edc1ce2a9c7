/* SPDX-License-Identifier: Apache-2.0 */
/* A traceparent that was read is written and read again as the same ids; a tracestate that was kept stays as it is. */
#include "model/trace_context.h"
#include "fuzz/fuzz.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct slice text = slice_of(data, size);
    struct trace_parent p, again;
    char out[TRACE_PARENT_BYTES];
    if (trace_parent_read(text, &p)) {
        trace_parent_write(p.trace_id, p.span_id, p.flags, out);
        MUST(trace_parent_read(slice_of(out, sizeof out), &again));
        MUST(again.version == 0 && again.flags == p.flags && memcmp(again.trace_id, p.trace_id, sizeof p.trace_id) == 0 &&
             memcmp(again.span_id, p.span_id, sizeof p.span_id) == 0);
    }
    struct slice state = trace_state_read(a, text);
    MUST(state.len <= size);
    MUST(slice_eq(trace_state_read(a, state), state));
    arena_free(a);
    return 0;
}
