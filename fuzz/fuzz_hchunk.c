/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are refused or are histograms that can be walked; those encode to bytes that give the same histograms. The same
 * for the entry of a page, and for a histogram of the log. */
#include "fuzz/fuzz.h"
#include "metrics/hpage.h"

enum { WALK_MAX = 1 << 20 };

static void walk(const struct histogram *h)
{
    struct histogram_walk w = histogram_walk(h);
    struct histogram_bucket b;
    for (size_t i = 0; histogram_next(&w, &b); i++)
        MUST(i < WALK_MAX);
}

static enum status fetch_none(void *arg, struct block_ref ref, struct block **out, struct err *err)
{
    (void)arg, (void)ref, (void)out;
    return err_set(err, ST_CORRUPT, "no block");
}

static void entry(struct slice bytes, size_t n)
{
    double v[CHUNK_SAMPLES_MAX];
    uint64_t taken = 0;
    struct err err = { 0 };
    struct hpage_reader *r = hpage_reader_new(fetch_none, NULL);
    if (hpage_is(bytes) && hpage_read(r, bytes, n, 0, n, v, &taken, &err) == ST_OK)
        MUST(taken == 0);
    hpage_reader_free(r);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    if (size < 2)
        return 0;
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    size_t n = 1 + (data[0] | data[1] << 8) % HCHUNK_HISTOGRAMS_MAX;
    struct slice in = slice_of(data + 2, size - 2);
    const struct histogram *list[HCHUNK_HISTOGRAMS_MAX], *back[HCHUNK_HISTOGRAMS_MAX];
    struct buf out;
    buf_init(&out, 0);
    if (hchunk_decode(in, n, 0, n, scratch, a, list)) {
        for (size_t i = 0; i < n; i++)
            walk(list[i]);
        size_t fit = hchunk_fit(list, n);
        hchunk_encode(list, fit, scratch, &out);
        MUST(hchunk_decode(buf_as_slice(&out), fit, 0, fit, scratch, a, back));
        for (size_t i = 0; i < fit; i++)
            MUST(histogram_is_same(list[i], back[i]));
    }
    entry(in, n);
    struct reader r = reader_of(in);
    struct histogram *h;
    if (histogram_read(&r, a, &h))
        walk(h);
    buf_free(&out);
    arena_free(a);
    arena_free(scratch);
    return 0;
}
