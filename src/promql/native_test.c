/* SPDX-License-Identifier: Apache-2.0 */
/* What the language makes of native histograms, one by one; whole queries over them are in test/promql. */
#include "base/unit.h"
#include "promql/native.h"

static struct histogram_span spans[] = { { 0, 3 }, { 5, 1 } };

/* (0.5,1]:2 (1,2]:4 (2,4]:2, and around zero 1. */
static struct histogram *exponential(struct arena *a)
{
    static double buckets[] = { 2, 4, 2 };
    struct histogram h = { .schema = 0, .count = 9, .sum = 14, .zero_count = 1, .zero_threshold = 0.001,
                           .positive = { spans, buckets, 1, 3 } };
    return histogram_copy(a, &h);
}

/* (-Inf,1]:1 (1,2]:2 (2,+Inf]:1. */
static struct histogram *custom(struct arena *a)
{
    static double buckets[] = { 1, 2, 1 }, bounds[] = { 1, 2 };
    struct histogram h = { .schema = HISTOGRAM_SCHEMA_CUSTOM, .count = 4, .sum = 7, .positive = { spans, buckets, 1, 3 },
                           .bounds = bounds, .bound_count = 2 };
    return histogram_copy(a, &h);
}

TEST(a_quantile_lies_on_the_scale_of_its_bucket)
{
    struct arena *a = arena_new(0);
    struct node at = { 0 };
    const struct histogram *e = exponential(a), *c = custom(a);
    CHECK_NEAR(native_quantile(NULL, &at, SLICE_EMPTY, 5.0 / 9, e), sqrt(2), 1e-12); /* half of a bucket, by logarithms */
    CHECK_NEAR(native_quantile(NULL, &at, SLICE_EMPTY, 1, e), 4, 1e-12);
    CHECK_NEAR(native_quantile(NULL, &at, SLICE_EMPTY, 0.5, c), 1.5, 1e-12);
    CHECK_NEAR(native_quantile(NULL, &at, SLICE_EMPTY, 1, c), 2, 0); /* nobody knows how far the last one reaches */
    CHECK(native_quantile(NULL, &at, SLICE_EMPTY, -1, c) == -INFINITY);
    CHECK(isnan(native_quantile(NULL, &at, SLICE_EMPTY, NAN, c)));
    arena_free(a);
}

TEST(a_fraction_is_the_inverse_of_a_quantile)
{
    struct arena *a = arena_new(0);
    struct node at = { 0 };
    const struct histogram *e = exponential(a);
    for (double q = 0.2; q < 1; q += 0.1) {
        double v = native_quantile(NULL, &at, SLICE_EMPTY, q, e);
        CHECK_NEAR(native_fraction(NULL, &at, SLICE_EMPTY, -INFINITY, v, e), q, 1e-9);
    }
    CHECK_NEAR(native_fraction(NULL, &at, SLICE_EMPTY, 2, 1, e), 0, 0);
    arena_free(a);
}

TEST(trimming_keeps_what_lies_on_the_side_and_counts_anew)
{
    struct arena *a = arena_new(0);
    const struct histogram *e = exponential(a);
    CHECK_NEAR(native_trim(a, e, 2, true)->count, 7, 1e-12);
    CHECK_NEAR(native_trim(a, e, sqrt(2), true)->count, 5, 1e-12);
    CHECK_NEAR(native_trim(a, e, sqrt(2), false)->count, 4, 1e-12);
    CHECK(native_trim(a, e, INFINITY, true) == e);
    CHECK_NEAR(native_trim(a, custom(a), 1.5, true)->count, 2, 1e-12);
    CHECK_NEAR(native_trim(a, custom(a), 3, true)->count, 3, 1e-12); /* of the last bucket nothing is known to be below */
    arena_free(a);
}

TEST(sums_keep_what_rounding_takes)
{
    struct arena *a = arena_new(0);
    struct native_sum sum = { 0 }, mean = { .is_mean = true };
    const double values[] = { 2, 1e100, 8, -1e100 };
    for (size_t i = 0; i < COUNT_OF(values); i++) {
        struct histogram *h = exponential(a);
        h->sum = values[i];
        CHECK(native_sum_add(a, a, &sum, h));
        CHECK(native_sum_add(a, a, &mean, h));
    }
    CHECK_NEAR(native_sum_result(a, &sum)->sum, 10, 0);
    CHECK_NEAR(native_sum_result(a, &sum)->count, 36, 0);
    CHECK_NEAR(native_sum_result(a, &mean)->sum, 2.5, 0);
    CHECK(!native_sum_add(a, a, &sum, custom(a)));
    CHECK(native_sum_result(a, &sum) == NULL);
    arena_free(a);
}

TEST(sums_of_other_layouts_have_all_buckets)
{
    struct arena *a = arena_new(0);
    double buckets[] = { 1, 1, 1, 5 };
    struct histogram far = { .schema = 0, .count = 8, .sum = 1, .positive = { spans, buckets, 2, 4 } };
    struct native_sum sum = { 0 };
    CHECK(native_sum_add(a, a, &sum, exponential(a)));
    CHECK(native_sum_add(a, a, &sum, &far));
    CHECK(native_sum_add(a, a, &sum, exponential(a)));
    const struct histogram *h = native_sum_result(a, &sum);
    double total = h->zero_count;
    for (size_t i = 0; i < h->positive.bucket_count; i++)
        total += h->positive.buckets[i];
    CHECK_NEAR(total, 26, 0);
    CHECK_NEAR(h->count, 26, 0);
    CHECK_NEAR(h->zero_threshold, 0.001, 0);
    arena_free(a);
}

TEST(a_mean_whose_sum_would_overflow_is_right)
{
    struct arena *a = arena_new(0);
    struct native_sum mean = { .is_mean = true };
    for (int i = 0; i < 4; i++) {
        struct histogram *h = exponential(a);
        h->count = 1e308;
        CHECK(native_sum_add(a, a, &mean, h));
    }
    CHECK_NEAR(native_sum_result(a, &mean)->count / 1e308, 1, 1e-12);
    CHECK_NEAR(native_sum_result(a, &mean)->sum, 14, 1e-12);
    arena_free(a);
}
