/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles of one series and step. Up to a thousand values are kept as they are. Of more, each octave is cut into 128 parts of equal width, and
 * the weight in each part is kept: a value is then told as the middle of its part, which is off by one part in 256 at most (0.4 %); the smallest
 * and the largest one stay exact. The parts are the upper bits of the number itself, so that finding one costs a shift. */
#include <math.h>

#include "base/hash.h"
#include "traceql/metrics.h"

enum { PART_SHIFT = 52 - 7 /* bits of a double that do not tell parts apart */, BINS_FIRST = 256 };

struct tql_sketch_bin {
    int32_t part;
    double weight; /* 0: free */
};

/* Negative ones below 0, in order. */
static int32_t part_of(double v)
{
    uint64_t bits;
    memcpy(&bits, &v, sizeof bits);
    int32_t part = (int32_t)((bits & INT64_MAX) >> PART_SHIFT);
    return bits >> 63 ? -part - 1 : part;
}

static double double_of(uint64_t bits)
{
    double v;
    memcpy(&v, &bits, sizeof v);
    return v;
}

static double middle_of(int32_t part)
{
    uint64_t k = (uint64_t)(part < 0 ? -(part + 1) : part);
    double lower = k ? double_of(k << PART_SHIFT) : 0, upper = double_of((k + 1) << PART_SHIFT);
    double middle = k && isfinite(upper) ? lower + (upper - lower) / 2 : lower;
    return part < 0 ? -middle : middle;
}

static struct tql_sketch_bin *bin_at(struct tql_sketch_bin *bins, size_t cap, int32_t part)
{
    size_t at = hash_u64((uint64_t)(int64_t)part) & (cap - 1);
    while (bins[at].weight > 0 && bins[at].part != part)
        at = (at + 1) & (cap - 1);
    return &bins[at];
}

static void bins_grow(struct arena *a, struct tql_sketch *s)
{
    size_t cap = s->bin_cap ? 2 * s->bin_cap : BINS_FIRST;
    struct tql_sketch_bin *bins = arena_zalloc(a, cap * sizeof *bins);
    for (size_t i = 0; i < s->bin_cap; i++)
        if (s->bins[i].weight > 0)
            *bin_at(bins, cap, s->bins[i].part) = s->bins[i];
    s->bins = bins;
    s->bin_cap = cap;
}

static void bin_add(struct arena *a, struct tql_sketch *s, double v, double weight)
{
    if (4 * s->bin_count >= 3 * s->bin_cap)
        bins_grow(a, s);
    int32_t part = part_of(v);
    struct tql_sketch_bin *bin = bin_at(s->bins, s->bin_cap, part);
    s->bin_count += bin->weight == 0;
    bin->part = part;
    bin->weight += weight;
}

void tql_sketch_add(struct arena *a, struct tql_sketch *s, double v, double weight)
{
    s->min = s->has_any ? fmin(s->min, v) : v;
    s->max = s->has_any ? fmax(s->max, v) : v;
    s->has_any = true;
    if (s->bins == NULL && s->count < TRACEQL_QUANTILE_EXACT) {
        ARENA_PUSH(a, s->list, s->count, s->cap) = (struct weighed){ v, weight };
        return;
    }
    for (; s->count; s->count--)
        bin_add(a, s, s->list[s->count - 1].v, s->list[s->count - 1].weight);
    bin_add(a, s, v, weight);
}

void tql_sketch_quantiles(struct arena *scratch, const struct tql_sketch *s, const double *q, size_t count, double *out)
{
    struct weighed *list = s->list;
    size_t n = s->count;
    if (s->bins) {
        list = arena_array(scratch, struct weighed, s->bin_count + 1);
        n = 0;
        for (size_t i = 0; i < s->bin_cap; i++)
            if (s->bins[i].weight > 0)
                list[n++] = (struct weighed){ middle_of(s->bins[i].part), s->bins[i].weight };
    }
    for (size_t i = 0; i < count; i++) {
        out[i] = weighed_quantile(q[i], list, n);
        if (s->bins)
            out[i] = q[i] == 0 ? s->min : q[i] == 1 ? s->max : fmin(fmax(out[i], s->min), s->max);
    }
}
