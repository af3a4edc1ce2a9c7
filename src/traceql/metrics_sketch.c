/* SPDX-License-Identifier: Apache-2.0 */
/* Quantiles of one series and step. Up to some hundred values are kept as they are. Of more, each octave is cut into 128 parts of equal width, and
 * the weight in each part is kept: a value is then told as the middle of its part, which is off by one part in 256 at most (0.4 %); the smallest
 * and the largest one stay exact. The parts are the upper bits of the number itself, so that finding one costs a shift. There may be a sketch for
 * each step of each of many series, so they take no more room than they need, and none where there is no span. */
#include <math.h>

#include "base/hash.h"
#include "query/weighed.h"
#include "traceql/metrics.h"

enum { PART_SHIFT = 52 - 7 /* bits of a double that do not tell parts apart */, VALUES_FIRST = 4 };

struct tql_sketch {
    double min, max;
    struct weighed *list; /* values, as long as there are few */
    double *weights;      /* then: of parts; 0: free */
    int32_t *parts;       /* behind the weights */
    uint32_t count, cap;  /* of either */
};

/* ---- parts ---- */

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

/* ---- memory ---- */

static void *take(struct tql_sketch_pool *pool, size_t bytes)
{
    pool->bytes += bytes;
    return mem_zalloc(bytes);
}

static void give_back(struct tql_sketch_pool *pool, void *p, size_t bytes)
{
    pool->bytes -= bytes;
    mem_free(p);
}

static size_t part_bytes(size_t cap)
{
    return cap * (sizeof(double) + sizeof(int32_t));
}

void tql_sketch_free(struct tql_sketch *s)
{
    if (s == NULL)
        return;
    mem_free(s->list);
    mem_free(s->weights);
    mem_free(s);
}

/* ---- adding ---- */

static uint32_t place_of(const struct tql_sketch *s, int32_t part)
{
    uint32_t at = (uint32_t)hash_u64((uint64_t)(int64_t)part) & (s->cap - 1);
    while (s->weights[at] > 0 && s->parts[at] != part)
        at = (at + 1) & (s->cap - 1);
    return at;
}

static void set_parts(struct tql_sketch_pool *pool, struct tql_sketch *s, uint32_t cap)
{
    s->weights = take(pool, part_bytes(cap));
    s->parts = (int32_t *)(s->weights + cap);
    s->cap = cap;
    s->count = 0;
}

static void add_part(struct tql_sketch *s, int32_t part, double weight)
{
    uint32_t at = place_of(s, part);
    s->count += s->weights[at] == 0;
    s->parts[at] = part;
    s->weights[at] += weight;
}

static void grow_parts(struct tql_sketch_pool *pool, struct tql_sketch *s)
{
    struct tql_sketch old = *s;
    set_parts(pool, s, 2 * old.cap);
    for (uint32_t i = 0; i < old.cap; i++)
        if (old.weights[i] > 0)
            add_part(s, old.parts[i], old.weights[i]);
    give_back(pool, old.weights, part_bytes(old.cap));
}

/* The first table has room for as many parts as there are values, if need be by growing. */
static void to_parts(struct tql_sketch_pool *pool, struct tql_sketch *s)
{
    struct tql_sketch old = *s;
    s->list = NULL;
    set_parts(pool, s, TRACEQL_QUANTILE_EXACT / 2);
    for (uint32_t i = 0; i < old.count; i++) {
        if (4 * s->count >= 3 * s->cap)
            grow_parts(pool, s);
        add_part(s, part_of(old.list[i].v), old.list[i].weight);
    }
    give_back(pool, old.list, old.cap * sizeof *old.list);
}

static void grow_list(struct tql_sketch_pool *pool, struct tql_sketch *s)
{
    uint32_t cap = s->cap ? 2 * s->cap : VALUES_FIRST;
    s->list = mem_realloc(s->list, cap * sizeof *s->list);
    pool->bytes += (cap - s->cap) * sizeof *s->list;
    s->cap = cap;
}

void tql_sketch_add(struct tql_sketch_pool *pool, struct tql_sketch **sketch, double v, double weight)
{
    struct tql_sketch *s = *sketch;
    if (s == NULL) {
        s = *sketch = take(pool, sizeof *s);
        s->min = s->max = v;
    }
    s->min = fmin(s->min, v);
    s->max = fmax(s->max, v);
    if (s->weights == NULL && s->count == TRACEQL_QUANTILE_EXACT)
        to_parts(pool, s);
    if (s->weights == NULL) {
        if (s->count == s->cap)
            grow_list(pool, s);
        s->list[s->count++] = (struct weighed){ v, weight };
        return;
    }
    if (4 * s->count >= 3 * s->cap)
        grow_parts(pool, s);
    add_part(s, part_of(v), weight);
}

void tql_sketch_quantiles(struct arena *scratch, const struct tql_sketch *s, const double *q, size_t count, double *out)
{
    struct weighed *list = arena_array(scratch, struct weighed, (s ? s->count : 0) + 1);
    size_t n = 0;
    for (uint32_t i = 0; s && s->weights && i < s->cap; i++)
        if (s->weights[i] > 0)
            list[n++] = (struct weighed){ middle_of(s->parts[i]), s->weights[i] };
    for (uint32_t i = 0; s && s->weights == NULL && i < s->count; i++)
        list[n++] = s->list[i];
    for (size_t i = 0; i < count; i++) {
        out[i] = weighed_quantile(q[i], list, n);
        if (n)
            out[i] = q[i] == 0 ? s->min : q[i] == 1 ? s->max : fmin(fmax(out[i], s->min), s->max);
    }
}
