/* SPDX-License-Identifier: Apache-2.0 */
/* Values of a series at their times. */
#ifndef STOA_LOGQL_POINTS_H
#define STOA_LOGQL_POINTS_H

#include "base/slice.h"

struct point {
    int64_t time_ns;
    double v, weight;
};

/* By time; those of one time stay in their order. Fast for a list of a few runs. */
void points_sort(struct point *list, size_t n);

#endif
