/* SPDX-License-Identifier: Apache-2.0 */
/* A scraped page. The first byte picks the format and how histograms are wanted. Histograms that come out are whole. */
#include "base/hash.h"
#include "fuzz/fuzz.h"
#include "ingest/page_source.h"
#include "model/histogram.h"

enum { FUZZ_ARENA_BYTES_MAX = 256 * MIB };

static const struct slice types[] = {
    SLICE_INIT("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited"),
    SLICE_INIT("application/openmetrics-text;version=1.0.0"),
    SLICE_INIT("text/plain;version=0.0.4"),
    SLICE_INIT("application/vnd.google.protobuf; encoding=delimited; proto=io.prometheus.client.MetricFamily"),
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size == 0)
        return 0;
    unsigned how = data[0];
    struct page_source_options opt = { .native = how & 4, .classic = how & 8, .convert = how & 16, .starts = how & 32, .fallback = SLICE_EMPTY };
    struct arena *a = arena_new(FUZZ_ARENA_BYTES_MAX);
    struct page_source *s = page_source_new(a, slice_of(data + 1, size - 1), types[how & 3], &opt);
    struct promtext_entry e = { .kind = PROMTEXT_SAMPLE };
    struct err err = { 0 };
    enum status st = ST_OK;
    uint64_t sum = 0;
    while (!st && e.kind != PROMTEXT_END && !arena_over(a)) {
        st = page_source_next(s, &e, &err);
        if (st || e.kind != PROMTEXT_SAMPLE)
            continue;
        MUST(e.name.len > 0 && e.series.len > 0);
        for (size_t i = 0; i < e.label_count; i++)
            sum += hash64(e.labels[i].value, hash64(e.labels[i].name, 0));
        for (size_t i = 0; i < e.more_count; i++)
            for (size_t k = 0; k < e.more[i].label_count; k++)
                sum += hash64(e.more[i].labels[k].value, 0);
        MUST(!is_histogram(e.value) || histogram_check(histogram_unbox(e.value), &err) == ST_OK);
    }
    MUST(st == ST_OK || err.text[0]);
    __asm__ volatile("" : : "r"(sum));
    page_source_free(s);
    arena_free(a);
    return 0;
}
