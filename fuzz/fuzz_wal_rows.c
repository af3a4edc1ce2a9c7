/* SPDX-License-Identifier: Apache-2.0 */
/* Bodies of frames of samples in the log, several of one segment: each is refused as damaged, or every series of its batch
 * has labels and its samples, and histograms among them can be walked. */
#include "fuzz/fuzz.h"
#include "metrics/wal_rows.h"
#include "model/histogram.h"

static void look(const struct batch *b)
{
    size_t samples = 0;
    for (size_t i = 0; i < b->series_count; i++) {
        MUST(labels_check(b->series[i].labels));
        MUST(b->series[i].first == samples);
        samples += b->series[i].count;
    }
    MUST(samples == b->sample_count);
    for (size_t i = 0; i < samples; i++) {
        if (!is_histogram(b->samples[i].v))
            continue;
        const struct histogram *h = histogram_unbox(b->samples[i].v);
        MUST(histogram_check(h, NULL) == ST_OK);
        struct histogram_walk w = histogram_walk(h);
        struct histogram_bucket bucket;
        while (histogram_next(&w, &bucket))
            MUST(bucket.count >= 0);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct metrics_state st = { .wal = wal_rows_new() };
    struct slice rest = slice_of(data, size);
    /* Frames: two bytes of length, and the body. */
    for (bool is_first = true; rest.len >= 2; is_first = false) {
        size_t len = (uint8_t)rest.ptr[0] | (size_t)(uint8_t)rest.ptr[1] << 8;
        struct slice body = slice_sub(rest, 2, 2 + len);
        struct batch *b = batch_new(0);
        struct err err;
        enum status got = wal_rows_decode(&st, body, is_first, b, &err);
        MUST(got == ST_OK || got == ST_CORRUPT);
        if (got == ST_OK)
            look(b);
        batch_drop(b);
        rest = slice_skip(rest, 2 + len);
    }
    wal_rows_free(st.wal);
    return 0;
}
