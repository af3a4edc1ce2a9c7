/* SPDX-License-Identifier: Apache-2.0 */
/* A syslog message of any bytes: one record or none, its line is the end of the message, and its labels are canonical. */
#include "fuzz/fuzz.h"
#include "ingest/syslog.h"

enum { RECEIVED_S = 1767225600 };

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t sum = 0;
    struct syslog_ctx ctx = { .received_ns = RECEIVED_S * NS_S, .zone_offset_s = size % 2 ? 3600 : 0 };
    struct batch *b = batch_new(0);
    bool taken = syslog_decode(&ctx, slice_of(data, size), b);
    MUST(b->event_count == (taken ? 1 : 0));
    for (size_t i = 0; i < b->event_count; i++) {
        const struct event *e = &b->events[i];
        MUST(labels_check(e->stream) && e->time_ns > 0 && e->field_count <= EVENT_FIELDS_MAX);
        MUST(e->body.len <= size && slice_contains(slice_of(data, size), e->body));
        for (uint32_t k = 0; k < e->field_count; k++)
            sum += hash64(e->fields[k].name, 0) + hash64(e->fields[k].text, 0);
    }
    __asm__ volatile("" : : "r"(sum));
    batch_drop(b);
    return 0;
}
