/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers of the ingest decoders share: the bytes as a request's body, and every row of the batch read. */
#ifndef STOA_FUZZ_INGEST_H
#define STOA_FUZZ_INGEST_H

#include "fuzz/fuzz.h"
#include "ingest/ingest.h"
#include "model/histogram.h"

enum { FUZZ_ARENA_BYTES_MAX = 64 * MIB, FUZZ_RECEIVED_S = 1767225600 };

/* whole: with the unpacking in front, else the decoder alone. No Content-Type: the decoder looks at the bytes. */
static inline void fuzz_decode(const struct ingest_protocol *protocol, struct slice body, bool whole)
{
    struct ingest_ctx ctx = { .received_ns = FUZZ_RECEIVED_S * NS_S, .peer = SLICE_EMPTY, .tenant = SLICE_EMPTY, .stream = SLICE_EMPTY,
                              .takes_deltas = true, .start_zero = true };
    struct batch *b = batch_new(FUZZ_ARENA_BYTES_MAX);
    struct ingest_result result = { 0 };
    struct err err = { 0 };
    enum status st = whole ? ingest_decode(protocol, &ctx, body, b, &result, &err) : protocol->decode(&ctx, body, b, &result, &err);
    MUST(st == ST_OK || err.text[0]); /* every refusal has a reason */
    uint64_t sum = 0;
    for (size_t i = 0; st == ST_OK && i < b->series_count; i++) {
        MUST(labels_check(b->series[i].labels));
        MUST(b->series[i].first + (size_t)b->series[i].count <= b->sample_count);
        for (uint32_t k = 0; k < b->series[i].count; k++) {
            double v = b->samples[b->series[i].first + k].v;
            MUST(!is_histogram(v) || histogram_check(histogram_unbox(v), &err) == ST_OK);
        }
    }
    for (size_t i = 0; st == ST_OK && i < b->event_count; i++) {
        MUST(labels_check(b->events[i].stream));
        sum += hash64(b->events[i].body, 0);
        for (uint32_t k = 0; k < b->events[i].field_count; k++)
            sum += hash64(b->events[i].fields[k].name, 0) + hash64(field_text(b->arena, &b->events[i].fields[k]), 0);
    }
    __asm__ volatile("" : : "r"(sum));
    batch_drop(b);
}

static inline int fuzz_ingest(struct slice protocol_name, const uint8_t *data, size_t size)
{
    const struct ingest_protocol *protocol = ingest_protocol_find(protocol_name);
    MUST(protocol);
    fuzz_decode(protocol, slice_of(data, size), true);
    fuzz_decode(protocol, slice_of(data, size), false);
    return 0;
}

#endif
