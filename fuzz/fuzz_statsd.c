/* SPDX-License-Identifier: Apache-2.0 */
/* A datagram of any bytes: every line is taken or counted by reason, labels are canonical, and events stay within their limits. */
#include "fuzz/fuzz.h"
#include "ingest/statsd.h"

enum { RECEIVED_S = 1767225600, EVENTS_MAX = 100 };

static bool on_metric(void *arg, const struct statsd_metric *m, enum statsd_reason *why)
{
    uint64_t *sum = arg;
    MUST(labels_check(m->labels) && metric_name_is_legacy(m->name));
    MUST(m->value - m->value == 0 && m->weight >= 1);
    *sum += hash64(m->labels, 0) + hash64(m->member, 0);
    *why = STATSD_SERIES_FULL;
    return m->t_ms % 2 == 0;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint64_t sum = 0, lost = 0;
    struct statsd_ctx ctx = { .received_ns = RECEIVED_S * NS_S, .is_signed_delta = size % 2, .events_max = EVENTS_MAX,
                              .arg = &sum, .metric = on_metric };
    struct statsd_counts counts = { 0 };
    struct arena *scratch = arena_new(0);
    struct batch *b = batch_new(0);
    statsd_decode(&ctx, slice_of(data, size), scratch, b, &counts);
    for (size_t i = 0; i < STATSD_REASON_COUNT; i++)
        lost += counts.rejected[i];
    MUST(lost <= counts.lines && counts.events + counts.checks == b->event_count && b->event_count <= EVENTS_MAX);
    for (size_t i = 0; i < b->event_count; i++) {
        MUST(labels_check(b->events[i].stream));
        sum += hash64(b->events[i].body, 0);
        for (uint32_t k = 0; k < b->events[i].field_count; k++)
            sum += hash64(b->events[i].fields[k].name, 0) + hash64(b->events[i].fields[k].text, 0);
    }
    __asm__ volatile("" : : "r"(sum));
    batch_drop(b);
    arena_free(scratch);
    return 0;
}
