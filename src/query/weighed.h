/* SPDX-License-Identifier: Apache-2.0 */
/* Statistics over rows of which some stand for several, because the others were sampled away: a row of weight 3 counts as
 * three rows of its value would. Without weights other than 1 the numbers are those of agg.h. */
#ifndef STOA_QUERY_WEIGHED_H
#define STOA_QUERY_WEIGHED_H

#include "base/arena.h"

struct weighed {
    double v, weight; /* weight > 0; a share of a row is allowed */
};

/* All three are NaN when n is 0. */
double weighed_avg(const struct weighed *list, size_t n);
/* Of all rows, as agg.h's: their number divides, not one less. */
double weighed_variance(const struct weighed *list, size_t n);
/* Sorts list in place, NaN first. NaN when q is NaN; -Inf below 0, +Inf above 1. */
double weighed_quantile(double q, struct weighed *list, size_t n);

#endif
