/* SPDX-License-Identifier: Apache-2.0 */
/* Any bytes are refused or are native histograms: those are written and read as they are, walk the same both ways, keep their
 * observations in fewer buckets, and add up with each other. */
#include <math.h>

#include "fuzz/fuzz.h"
#include "model/histogram.h"

static double walk(const struct histogram *h)
{
    struct histogram_walk up = histogram_walk(h), down = histogram_walk_down(h);
    double lower = -HUGE_VAL, sum = 0;
    size_t n = 0, m = 0;
    for (struct histogram_bucket b; histogram_next(&up, &b); n++) {
        MUST(b.lower >= lower || b.is_zero || h->zero_count > 0);
        lower = b.lower;
        sum += b.count;
    }
    for (struct histogram_bucket b; histogram_next(&down, &b);)
        m++;
    MUST(n == m && n <= HISTOGRAM_BUCKETS_MAX + 1);
    return sum;
}

static void one(struct arena *a, const struct histogram *h)
{
    struct histogram *back, *thin = histogram_compact(a, h);
    struct buf out;
    buf_init(&out, HISTOGRAM_BYTES_MAX);
    histogram_write(&out, h);
    MUST(!buf_over(&out));
    struct reader r = reader_of(buf_as_slice(&out));
    MUST(histogram_read(&r, a, &back) && histogram_is_same(h, back) && reader_left(&r) == 0);
    buf_free(&out);
    buf_init(&out, 0);
    histogram_format(&out, h);
    buf_free(&out);
    double sum = walk(h);
    MUST(histogram_equal(h, back) && histogram_equal(thin, histogram_compact(a, thin)));
    MUST(histogram_is_reset(h, back) == (h->hint == HINT_RESET));
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM || !(sum < 1e15))
        return;
    for (int schema = h->schema; schema >= HISTOGRAM_SCHEMA_MIN; schema--) {
        const struct histogram *less = histogram_reduce(a, h, schema);
        MUST(fabs(walk(less) - sum) <= sum * 1e-9 + 1e-300);
        MUST(h->hint != HINT_UNKNOWN || !histogram_is_reset(h, less));
    }
}

static void two(struct arena *a, const struct histogram *x, const struct histogram *y)
{
    struct histogram_note note = { 0 };
    struct histogram *sum = histogram_add(a, x, y, &note), *less = histogram_sub(a, x, y, &note);
    (void)histogram_is_reset(x, y);
    (void)histogram_equal(x, y);
    MUST((sum == NULL) == ((x->schema == HISTOGRAM_SCHEMA_CUSTOM) != (y->schema == HISTOGRAM_SCHEMA_CUSTOM)));
    if (sum == NULL)
        return;
    walk(sum);
    walk(less);
    walk(histogram_divide(a, histogram_scale(a, sum, -0.5), 0));
    MUST(sum->positive.bucket_count <= x->positive.bucket_count + y->positive.bucket_count);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct arena *a = arena_new(0);
    struct slice in = slice_of(data, size);
    struct reader r = reader_of(in);
    struct histogram *x, *y;
    if (histogram_read(&r, a, &x)) {
        one(a, x);
        if (histogram_read(&r, a, &y)) {
            one(a, y);
            two(a, x, y);
            two(a, y, x);
        }
    }
    arena_free(a);
    return 0;
}
