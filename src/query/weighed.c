/* SPDX-License-Identifier: Apache-2.0 */
/* Weighed statistics (weighed.h). A value of weight w takes the ranks from the weights before it to w - 1 behind; a quantile
 * between the last rank of one value and the first of the next lies between the two, as it does between neighbours of weight 1. */
#include "query/weighed.h"

#include <math.h>
#include <stdlib.h>

#include "query/agg.h"

double weighed_avg(const struct weighed *list, size_t n)
{
    double total = 0, sum = 0, comp = 0;
    for (size_t i = 0; i < n; i++)
        total += list[i].weight;
    for (size_t i = 0; i < n; i++) /* shares of the total: the sum itself might be too large a number */
        agg_kahan_add(list[i].v * (list[i].weight / total), &sum, &comp);
    return n ? sum + comp : NAN;
}

double weighed_variance(const struct weighed *list, size_t n)
{
    double total = 0, mean = 0, squares = 0;
    for (size_t i = 0; i < n; i++) {
        if (!isfinite(list[i].v))
            return NAN;
        double delta = list[i].v - mean;
        total += list[i].weight;
        mean += delta * (list[i].weight / total);
        squares += list[i].weight * delta * (list[i].v - mean);
    }
    return n ? squares / total : NAN;
}

static int by_value(const void *a, const void *b)
{
    double x = ((const struct weighed *)a)->v, y = ((const struct weighed *)b)->v;
    if (isnan(x) || isnan(y))
        return isnan(y) - isnan(x);
    return (x > y) - (x < y);
}

double weighed_quantile(double q, struct weighed *list, size_t n)
{
    double total = 0, first = 0; /* rank of the value looked at */
    if (n == 0 || isnan(q))
        return NAN;
    if (q < 0 || q > 1)
        return q < 0 ? -INFINITY : INFINITY;
    qsort(list, n, sizeof *list, by_value);
    for (size_t i = 0; i < n; i++)
        total += list[i].weight;
    double rank = q * fmax(total - 1, 0);
    for (size_t i = 0; i + 1 < n; i++) {
        double last = first + fmax(list[i].weight - 1, 0), next = first + list[i].weight;
        if (rank <= last)
            return list[i].v;
        if (rank < next) {
            double share = (rank - last) / (next - last);
            return list[i].v * (1 - share) + list[i + 1].v * share;
        }
        first = next;
    }
    return list[n - 1].v;
}
