/* SPDX-License-Identifier: Apache-2.0 */
/* A quantile lies in a bucket and is put there as Prometheus does for native histograms: evenly on a logarithmic scale, and
 * never outside the least and the greatest value seen, so that one value alone is told exactly. */
#include "collect/sketch.h"

#include <math.h>

enum { SIDE_CAP_FIRST = 8, WALK_MAX = 2 * (SKETCH_BUCKETS_MOST + 1) };

void sketch_init(struct sketch *s, int schema)
{
    *s = (struct sketch){ .schema = schema };
}

void sketch_free(struct sketch *s)
{
    mem_free(s->positive.index);
    mem_free(s->positive.count);
    mem_free(s->negative.index);
    mem_free(s->negative.count);
    *s = (struct sketch){ .schema = s->schema };
}

void sketch_reset(struct sketch *s, int schema)
{
    s->schema = schema;
    s->count = s->sum = s->zero = s->min = s->max = 0;
    s->positive.n = s->negative.n = 0;
}

static int32_t index_of(double magnitude, int schema)
{
    return (int32_t)ceil(ldexp(log2(magnitude), schema));
}

static double bound_of(int32_t index, int schema)
{
    return exp2(ldexp((double)index, -schema));
}

static void side_add(struct sketch_side *side, int32_t index, double weight)
{
    uint32_t lo = 0, hi = side->n;
    while (lo < hi) {
        uint32_t mid = (lo + hi) / 2;
        if (side->index[mid] < index)
            lo = mid + 1;
        else
            hi = mid;
    }
    if (lo < side->n && side->index[lo] == index) {
        side->count[lo] += weight;
        return;
    }
    if (side->n == side->cap) {
        side->cap = side->cap ? 2 * side->cap : SIDE_CAP_FIRST;
        side->index = mem_realloc(side->index, side->cap * sizeof *side->index);
        side->count = mem_realloc(side->count, side->cap * sizeof *side->count);
    }
    memmove(side->index + lo + 1, side->index + lo, (side->n - lo) * sizeof *side->index);
    memmove(side->count + lo + 1, side->count + lo, (side->n - lo) * sizeof *side->count);
    side->index[lo] = index;
    side->count[lo] = weight;
    side->n++;
}

static void side_halve(struct sketch_side *side)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < side->n; i++) {
        int32_t index = (int32_t)ceil(side->index[i] / 2.0);
        if (kept && side->index[kept - 1] == index) {
            side->count[kept - 1] += side->count[i];
        } else {
            side->index[kept] = index;
            side->count[kept++] = side->count[i];
        }
    }
    side->n = kept;
}

static void halve(struct sketch *s)
{
    side_halve(&s->positive);
    side_halve(&s->negative);
    s->schema--;
}

void sketch_add(struct sketch *s, double v, double weight)
{
    s->min = s->count == 0 ? v : MIN(s->min, v);
    s->max = s->count == 0 ? v : MAX(s->max, v);
    s->count += weight;
    s->sum += v * weight;
    if (v == 0) {
        s->zero += weight;
        return;
    }
    side_add(v > 0 ? &s->positive : &s->negative, index_of(fabs(v), s->schema), weight);
    while (s->positive.n + s->negative.n > SKETCH_BUCKETS_MAX && s->schema > HISTOGRAM_SCHEMA_MIN)
        halve(s);
}

static void side_load(struct sketch_side *side, const struct histogram_side *from, int shift)
{
    size_t at = 0;
    int64_t index = 0;
    for (size_t i = 0; i < from->span_count; i++) {
        index += from->spans[i].offset;
        for (uint32_t k = 0; k < from->spans[i].length && at < from->bucket_count; k++, index++, at++)
            if (from->buckets[at] > 0)
                side_add(side, (int32_t)((index - 1) >> shift) + 1, from->buckets[at]);
    }
}

void sketch_load(struct sketch *s, const struct histogram *h)
{
    if (h->schema == HISTOGRAM_SCHEMA_CUSTOM)
        return;
    while (s->schema > h->schema)
        halve(s);
    side_load(&s->positive, &h->positive, h->schema - s->schema);
    side_load(&s->negative, &h->negative, h->schema - s->schema);
    s->zero += h->zero_count;
    s->count += h->count;
    s->sum += h->sum;
    while (s->positive.n + s->negative.n > SKETCH_BUCKETS_MAX && s->schema > HISTOGRAM_SCHEMA_MIN)
        halve(s);
}

struct walk {
    struct {
        double lower, upper, count;
    } buckets[WALK_MAX];
    size_t n;
};

static void walk_put(struct walk *w, double lower, double upper, double count)
{
    if (w->n == WALK_MAX || count <= 0)
        return;
    size_t i = w->n++;
    for (; i > 0 && w->buckets[i - 1].upper > upper; i--)
        w->buckets[i] = w->buckets[i - 1];
    w->buckets[i].lower = lower;
    w->buckets[i].upper = upper;
    w->buckets[i].count = count;
}

static void walk_add(struct walk *w, const struct sketch *s)
{
    for (uint32_t i = s->negative.n; i > 0; i--) {
        int32_t index = s->negative.index[i - 1];
        walk_put(w, -bound_of(index, s->schema), -bound_of(index - 1, s->schema), s->negative.count[i - 1]);
    }
    walk_put(w, 0, 0, s->zero);
    for (uint32_t i = 0; i < s->positive.n; i++)
        walk_put(w, bound_of(s->positive.index[i] - 1, s->schema), bound_of(s->positive.index[i], s->schema), s->positive.count[i]);
}

static double between(double lower, double upper, double part)
{
    if (lower == 0 && upper == 0)
        return 0;
    double from = fabs(lower), to = fabs(upper);
    return copysign(from * pow(to / from, part), upper < 0 ? -1 : 1);
}

double sketch_quantile(const struct sketch *s, const struct sketch *b, double q)
{
    struct walk w;
    double total = s->count + (b ? b->count : 0), min = s->min, max = s->max;
    w.n = 0;
    if (total <= 0)
        return NAN;
    walk_add(&w, s);
    if (b && b->count > 0) {
        walk_add(&w, b);
        min = s->count > 0 ? MIN(min, b->min) : b->min;
        max = s->count > 0 ? MAX(max, b->max) : b->max;
    }
    double rank = q * total, before = 0, v = max;
    for (size_t i = 0; i < w.n; i++) {
        if (before + w.buckets[i].count >= rank) {
            v = between(w.buckets[i].lower, w.buckets[i].upper, (rank - before) / w.buckets[i].count);
            break;
        }
        before += w.buckets[i].count;
    }
    return MAX(min, MIN(max, v));
}

size_t sketch_bytes(const struct sketch *s)
{
    return ((size_t)s->positive.cap + s->negative.cap) * (sizeof(int32_t) + sizeof(double));
}

static void put_side(const struct sketch_side *from, struct arena *a, struct histogram_side *to)
{
    *to = (struct histogram_side){ arena_array(a, struct histogram_span, from->n + 1), arena_array(a, double, from->n + 1), 0, from->n };
    for (uint32_t i = 0; i < from->n; i++) {
        to->buckets[i] = from->count[i];
        if (i && from->index[i] == from->index[i - 1] + 1) {
            to->spans[to->span_count - 1].length++;
            continue;
        }
        int32_t end = i ? from->index[i - 1] + 1 : 0;
        to->spans[to->span_count++] = (struct histogram_span){ from->index[i] - end, 1 };
    }
}

struct histogram *sketch_histogram(const struct sketch *s, struct arena *a)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    *h = (struct histogram){ .schema = (int8_t)s->schema, .count = s->count, .sum = s->sum, .zero_count = s->zero };
    put_side(&s->positive, a, &h->positive);
    put_side(&s->negative, a, &h->negative);
    return h;
}
