/* SPDX-License-Identifier: Apache-2.0 */
/* A row of weight w is w rows: everything is checked against the rows written out, by agg.h. */
#include "query/weighed.h"

#include <math.h>

#include "base/rand.h"
#include "base/unit.h"
#include "query/agg.h"

enum { ROWS = 40, WEIGHT_MAX = 7 };

static bool is_near(double a, double b)
{
    return (isnan(a) && isnan(b)) || a == b || fabs(a - b) <= 1e-9 * fmax(fabs(a), fabs(b));
}

static double plain(enum agg_op op, const double *values, size_t n)
{
    struct agg_cell cell = { 0 };
    for (size_t i = 0; i < n; i++)
        agg_add(op, &cell, values[i]);
    return agg_result(op, &cell);
}

TEST(a_row_of_weight_w_counts_as_w_rows)
{
    static double values[ROWS * WEIGHT_MAX];
    struct weighed list[ROWS];
    struct rand r;
    rand_seed(&r, 7);
    for (size_t round = 0; round < 300; round++) {
        size_t rows = 1 + rand_below(&r, ROWS), n = 0;
        for (size_t i = 0; i < rows; i++) {
            list[i] = (struct weighed){ (double)rand_below(&r, 1000) / 8 - 20, (double)(1 + rand_below(&r, round % 2 ? WEIGHT_MAX : 1)) };
            for (size_t k = 0; k < (size_t)list[i].weight; k++)
                values[n++] = list[i].v;
        }
        CHECK(is_near(weighed_avg(list, rows), plain(AGG_AVG, values, n)));
        CHECK(fabs(weighed_variance(list, rows) - plain(AGG_STDVAR, values, n)) < 1e-6);
        for (double q = -0.25; q <= 1.25; q += 0.125)
            CHECK(is_near(weighed_quantile(q, list, rows), agg_quantile(q, values, n)));
    }
}

TEST(shares_of_rows_and_numbers_that_are_none_keep_their_order)
{
    struct weighed thirds[] = { { 10, 10 / 3.0 }, { 20, 10 / 3.0 }, { 30, 10 / 3.0 } };
    CHECK(is_near(weighed_avg(thirds, 3), 20));
    CHECK(is_near(weighed_quantile(0.5, thirds, 3), 20));
    CHECK_INT((int64_t)weighed_quantile(0, thirds, 3), 10);
    CHECK_INT((int64_t)weighed_quantile(1, thirds, 3), 30);
    struct weighed small[] = { { 1, 0.25 }, { 2, 0.25 } };
    CHECK_INT((int64_t)weighed_quantile(0.9, small, 2), 1);
    struct weighed large[] = { { 1.5e308, 4 }, { 1.7e308, 4 } };
    CHECK(is_near(weighed_avg(large, 2), 1.6e308));
    struct weighed odd[] = { { 3, 2 }, { NAN, 2 }, { 1, 2 } };
    CHECK(isnan(weighed_avg(odd, 3)) && isnan(weighed_variance(odd, 3)));
    CHECK(isnan(weighed_quantile(0, odd, 3)));
    CHECK_INT((int64_t)weighed_quantile(1, odd, 3), 3);
    CHECK(isnan(weighed_avg(odd, 0)) && isnan(weighed_variance(odd, 0)) && isnan(weighed_quantile(0.5, odd, 0)));
}
