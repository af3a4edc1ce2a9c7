/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/rollup.h"

#include <math.h>

#include "base/unit.h"
#include "model/histogram.h"
#include "model/sample.h"

enum { MINUTE = 60 * 1000, FIVE = 5 * MINUTE, DAY = 24 * 60 * MINUTE };

TEST(a_bucket_holds_what_is_after_its_start_up_to_its_end)
{
    const int64_t t[] = { FIVE, FIVE + 1, 2 * FIVE - 1, 2 * FIVE, 2 * FIVE + 1 };
    const double v[] = { 9, 4, 1, 3, 7 };
    struct rollup_bucket b[8];
    CHECK_INT(rollup_make(ROLLUP_5M, t, v, COUNT_OF(t), 0, 4 * FIVE, b), 3);
    CHECK_INT(b[0].t_ms, FIVE);
    CHECK_INT(b[1].t_ms, 2 * FIVE);
    CHECK(b[1].v[ROLLUP_LAST] == 3 && b[1].v[ROLLUP_MIN] == 1 && b[1].v[ROLLUP_MAX] == 4 && b[1].v[ROLLUP_SUM] == 8 && b[1].v[ROLLUP_COUNTED] == 3);
    CHECK(b[2].t_ms == 3 * FIVE && b[2].v[ROLLUP_LAST] == 7);
}

TEST(what_a_counter_grew_by_knows_the_sample_before_and_resets)
{
    const int64_t t[] = { FIVE, FIVE + 15000, FIVE + 30000, FIVE + 45000, FIVE + 60000 };
    const double v[] = { 100, 110, double_of_bits(STALE_NAN_BITS), 5, 8 };
    struct rollup_bucket b[4];
    CHECK_INT(rollup_make(ROLLUP_5M, t, v, COUNT_OF(t), FIVE, DAY, b), 1);
    CHECK(b[0].v[ROLLUP_INCREASE] == 10 + 5 + 3 && b[0].v[ROLLUP_COUNTED] == 3 && b[0].v[ROLLUP_LAST] == 8);
}

TEST(every_range_finds_its_points_and_sums_stay_the_same)
{
    const int64_t t[] = { FIVE, 2 * FIVE };
    const double a[] = { 10, 20 };
    struct rollup_run run = { 0 };
    rollup_expand(ROLLUP_5M, ROLLUP_SPREAD, MINUTE, t, a, a, 2, &run);
    CHECK_INT(run.n, 10);
    double sum = 0;
    for (size_t i = 0; i < run.n; i++) {
        sum += run.v[i];
        CHECK_INT(run.t_ms[i], (int64_t)(i + 1) * MINUTE);
    }
    CHECK(fabs(sum - 30) < 1e-9);
    run.n = 0;
    rollup_expand(ROLLUP_5M, ROLLUP_REPEAT, 0, t, a, a, 2, &run);
    CHECK(run.n == 2 && run.v[1] == 20 && run.t_ms[1] == 2 * FIVE);
    mem_free(run.t_ms);
    mem_free(run.v);
}

TEST(a_counter_ends_where_it_ended_and_never_falls_within_what_was_downsampled)
{
    const int64_t t[] = { FIVE, 2 * FIVE, 3 * FIVE };
    const double grown[] = { 7, 30, 60 }, last[] = { 107, 12, 72 }; /* it was set back in the second */
    struct rollup_run run = { 0 };
    rollup_expand(ROLLUP_5M, ROLLUP_COUNTER, 8 * FIVE, t, grown, last, 3, &run);
    CHECK_INT(run.n, 6);
    CHECK(run.v[5] == 72 && run.v[3] == 12 && run.v[1] == -18 && run.v[4] == 42);
    for (size_t i = 1; i < run.n; i++)
        CHECK(run.v[i] >= run.v[i - 1]);
    mem_free(run.t_ms);
    mem_free(run.v);
}

TEST(tenants_of_our_own_are_told_from_others)
{
    char text[ROLLUP_TENANT_BYTES_MAX];
    struct slice own = rollup_tenant(text, SLICE("team-a"), ROLLUP_1H, ROLLUP_INCREASE);
    CHECK_STR(own, "team-a#1h.increase");
    CHECK_INT(rollup_of_tenant(own), ROLLUP_1H);
    CHECK_INT(rollup_of_tenant(SLICE("team-a")), ROLLUP_NONE);
    CHECK(tenant_is_stored(own) && !tenant_is_valid(own) && tenant_is_own(own));
}

TEST(what_is_no_number_in_a_counter_spoils_no_other_bucket)
{
    const int64_t t[] = { FIVE, 2 * FIVE, 3 * FIVE, 4 * FIVE };
    struct histogram h = { 0 };
    const double grown[] = { 5, (double)NAN, 0, 10 }, last[] = { 5, (double)NAN, histogram_box(&h), 15 };
    struct rollup_run run = { 0 };
    rollup_expand(ROLLUP_5M, ROLLUP_COUNTER, 0, t, grown, last, 4, &run);
    CHECK_INT(run.n, 4);
    CHECK(run.v[0] == 5 && run.v[1] != run.v[1] && !is_histogram(run.v[1]) && is_histogram(run.v[2]) && run.v[3] == 15);
    run.n = 0;
    rollup_expand(ROLLUP_5M, ROLLUP_COUNTER, 0, t, grown, last, 3, &run); /* a histogram is the last */
    CHECK(run.v[0] == 5 && is_histogram(run.v[2]));
    const int64_t at[] = { 1, 2, 3 };
    const double v[] = { 7, (double)NAN, 9 };
    struct rollup_bucket b[2];
    CHECK_INT(rollup_make(ROLLUP_5M, at, v, 3, 0, DAY, b), 1);
    CHECK(b[0].v[ROLLUP_INCREASE] == 2);
    mem_free(run.t_ms);
    mem_free(run.v);
}

TEST(a_counter_never_falls_where_hours_end_and_five_minutes_begin)
{
    const int64_t hours[] = { 12 * FIVE }, fives[] = { 13 * FIVE, 14 * FIVE };
    const double of_hour[] = { 50 }, last_hour[] = { 100 }, of_fives[] = { 20, 30 }, last_fives[] = { 120, 30 }; /* set back in the last */
    struct rollup_run run = { 0 };
    rollup_expand(ROLLUP_1H, ROLLUP_COUNTER, 0, hours, of_hour, last_hour, 1, &run);
    rollup_expand(ROLLUP_5M, ROLLUP_COUNTER, 0, fives, of_fives, last_fives, 2, &run);
    CHECK_INT(run.n, 3);
    CHECK(run.v[2] == 30 && run.v[2] - run.v[0] == 50 && run.v[1] - run.v[0] == 20);
    mem_free(run.t_ms);
    mem_free(run.v);
}
