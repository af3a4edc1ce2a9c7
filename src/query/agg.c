/* SPDX-License-Identifier: Apache-2.0 */
/* Accumulators (agg.h). The order of operations is Prometheus's own, so that results agree to the last bit where series
 * come in the same order. */
#include "query/agg.h"

#include <math.h>
#include <stdlib.h>

void agg_kahan_add(double inc, double *sum, double *comp)
{
    double t = *sum + inc;
    if (isinf(t))
        *comp = 0;
    else if (fabs(*sum) >= fabs(inc)) /* Neumaier: the larger of the two keeps its digits */
        *comp += (*sum - t) + inc;
    else
        *comp += (inc - t) + *sum;
    *sum = t;
}

static void avg_add(struct agg_cell *c, double v)
{
    if (c->count == 1) {
        c->value = v;
        return;
    }
    if (!c->is_incremental) {
        double sum = c->value, comp = c->comp;
        agg_kahan_add(v, &sum, &comp);
        if (!isinf(sum)) {
            c->value = sum;
            c->comp = comp;
            return;
        }
        c->is_incremental = true;
        c->mean = c->value / (c->count - 1);
        c->comp /= c->count - 1;
    }
    double q = (c->count - 1) / c->count;
    c->mean *= q;
    c->comp *= q;
    agg_kahan_add(v / c->count, &c->mean, &c->comp);
}

static void variance_add(struct agg_cell *c, double v)
{
    if (c->count == 1) {
        c->mean = v;
        c->value = isfinite(v) ? 0 : NAN;
        return;
    }
    double delta = v - c->mean;
    c->mean += delta / c->count;
    c->value += delta * (v - c->mean);
}

void agg_add(enum agg_op op, struct agg_cell *c, double v)
{
    c->count++;
    switch (op) {
    case AGG_SUM:
        if (c->count == 1)
            c->value = v;
        else
            agg_kahan_add(v, &c->value, &c->comp);
        return;
    case AGG_AVG:
        avg_add(c, v);
        return;
    case AGG_MIN:
        if (c->count == 1 || c->value > v || isnan(c->value))
            c->value = v;
        return;
    case AGG_MAX:
        if (c->count == 1 || c->value < v || isnan(c->value))
            c->value = v;
        return;
    case AGG_COUNT:
    case AGG_GROUP:
        return;
    case AGG_STDDEV:
    case AGG_STDVAR:
        variance_add(c, v);
        return;
    }
}

void agg_add_row(enum agg_op op, struct agg_cell *cells, const double *v, size_t n, uint64_t skip)
{
    for (size_t i = 0; i < n; i++) {
        uint64_t bits;
        memcpy(&bits, &v[i], sizeof bits);
        if (bits == skip)
            continue;
        struct agg_cell *c = &cells[i];
        if (op != AGG_SUM || c->count == 0) {
            agg_add(op, c, v[i]);
            continue;
        }
        c->count++; /* the commonest one, without a call */
        agg_kahan_add(v[i], &c->value, &c->comp);
    }
}

double agg_result(enum agg_op op, const struct agg_cell *c)
{
    if (c->count == 0)
        return NAN;
    switch (op) {
    case AGG_SUM:
        return c->value + c->comp;
    case AGG_AVG:
        return c->is_incremental ? c->mean + c->comp : c->value / c->count + c->comp / c->count;
    case AGG_MIN:
    case AGG_MAX:
        return c->value;
    case AGG_COUNT:
        return c->count;
    case AGG_GROUP:
        return 1;
    case AGG_STDDEV:
        return sqrt(c->value / c->count);
    case AGG_STDVAR:
        return c->value / c->count;
    }
    return NAN;
}

void agg_values_add(struct arena *a, struct agg_values *values, double v)
{
    ARENA_PUSH(a, values->list, values->count, values->cap) = v;
}

static int double_cmp(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    if (isnan(x) || isnan(y))
        return (int)!isnan(x) - (int)!isnan(y);
    return x < y ? -1 : x > y;
}

void agg_sort(double *values, size_t count)
{
    if (count > 1)
        qsort(values, count, sizeof *values, double_cmp);
}

/* NaN first, then by size. */
static bool is_below(double x, double y)
{
    return x < y || (isnan(x) && !isnan(y));
}

/* Moves values so that values[k] is what it were if they were sorted, and none behind it is below it. */
static void select_nth(double *values, size_t count, size_t k)
{
    enum { ROUNDS_MAX = 100, SMALL_MAX = 16 };
    size_t from = 0, to = count; /* [from, to) has it */
    for (unsigned round = 0; to - from > SMALL_MAX && round < ROUNDS_MAX; round++) {
        double a = values[from], b = values[from + (to - from) / 2], c = values[to - 1];
        double low = is_below(a, b) ? a : b, high = is_below(a, b) ? b : a, pivot = is_below(c, low) ? low : is_below(high, c) ? high : c;
        size_t i = from, j = to - 1;
        for (;;) {
            while (is_below(values[i], pivot))
                i++;
            while (is_below(pivot, values[j]))
                j--;
            if (i >= j)
                break;
            double t = values[i];
            values[i++] = values[j];
            values[j--] = t;
        }
        /* What is before i is not above the pivot, what is behind j not below it. */
        if (k < i)
            to = i;
        else
            from = i;
        if (j + 1 < i && k == i - 1)
            return;
    }
    agg_sort(values + from, to - from);
}

double agg_quantile(double q, double *values, size_t count)
{
    if (count == 0 || isnan(q))
        return NAN;
    if (q < 0)
        return -INFINITY;
    if (q > 1)
        return INFINITY;
    /* Between two values: their weighted mean. */
    double rank = q * (double)(count - 1), weight = rank - floor(rank);
    size_t lower = (size_t)floor(rank), upper = MIN(lower + 1, count - 1);
    select_nth(values, count, lower);
    for (size_t i = upper + 1; i < count; i++)
        if (is_below(values[i], values[upper])) {
            double t = values[i];
            values[i] = values[upper];
            values[upper] = t;
        }
    return values[lower] * (1 - weight) + values[upper] * weight;
}

/* a leaves the list before b. */
static bool is_worse(const struct agg_ranked *a, const struct agg_ranked *b, bool is_bottom)
{
    if (isnan(a->v) || isnan(b->v))
        return isnan(a->v) && (!isnan(b->v) || a->tag > b->tag);
    if (a->v != b->v)
        return is_bottom ? a->v > b->v : a->v < b->v;
    return a->tag > b->tag;
}

static void top_sink(struct agg_top *top, size_t at, size_t count, bool is_bottom)
{
    struct agg_ranked item = top->list[at];
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= count)
            break;
        if (child + 1 < count && is_worse(&top->list[child + 1], &top->list[child], is_bottom))
            child++;
        if (!is_worse(&top->list[child], &item, is_bottom))
            break;
        top->list[at] = top->list[child];
        at = child;
    }
    top->list[at] = item;
}

void agg_top_add(struct arena *a, struct agg_top *top, size_t k, bool is_bottom, double v, uint64_t tag)
{
    struct agg_ranked item = { v, tag };
    if (top->count < k) {
        ARENA_PUSH(a, top->list, top->count, top->cap) = item;
        size_t at = top->count - 1;
        for (; at > 0 && is_worse(&item, &top->list[(at - 1) / 2], is_bottom); at = (at - 1) / 2)
            top->list[at] = top->list[(at - 1) / 2];
        top->list[at] = item;
        return;
    }
    if (!is_worse(&top->list[0], &item, is_bottom))
        return;
    top->list[0] = item;
    top_sink(top, 0, top->count, is_bottom);
}

void agg_top_sort(struct agg_top *top, bool is_bottom)
{
    for (size_t n = top->count; n > 1; n--) {
        struct agg_ranked worst = top->list[0];
        top->list[0] = top->list[n - 1];
        top_sink(top, 0, n - 1, is_bottom);
        top->list[n - 1] = worst;
    }
}
