/* SPDX-License-Identifier: Apache-2.0 */
#include "base/hll.h"

#include <math.h>

#include "base/hash.h"
#include "base/unit.h"

static uint32_t hash_of(uint64_t seed, uint64_t i)
{
    return (uint32_t)(hash_u64(seed * 0x9e3779b97f4a7c15ull + i) >> 20);
}

TEST(hll_of_nothing_is_0_and_one_thing_again_and_again_is_1)
{
    struct hll h;
    hll_init(&h);
    CHECK_INT(hll_count(&h), 0);
    for (int i = 0; i < 1000; i++)
        hll_add(&h, hash_of(1, 7));
    CHECK_INT(hll_count(&h), 1);
}

/* Twenty seeds a size: the mean of the errors is near 0 and their spread near the 1.6 % that the header names. */
TEST(hll_errs_by_what_its_header_says_at_all_sizes)
{
    static const uint64_t sizes[] = { 100, 1000, 5000, 10000, 20000, 100000, 1000000 };
    enum { SEEDS = 20 };
    static struct hll h;
    for (size_t s = 0; s < COUNT_OF(sizes); s++) {
        double sum = 0, squares = 0;
        for (uint64_t seed = 1; seed <= SEEDS; seed++) {
            hll_init(&h);
            for (uint64_t i = 0; i < sizes[s]; i++)
                hll_add(&h, hash_of(seed + 100 * s, i));
            double error = (double)hll_count(&h) / (double)sizes[s] - 1;
            CHECK(fabs(error) < 0.065); /* four standard errors */
            sum += error;
            squares += error * error;
        }
        CHECK(fabs(sum / SEEDS) < 0.012);
        CHECK(sqrt(squares / SEEDS) < 0.025);
    }
}

TEST(hll_that_grows_by_steps_is_as_one_that_grew_at_once)
{
    static struct hll a, b;
    hll_init(&a);
    hll_init(&b);
    for (uint64_t i = 0; i < 50000; i++) {
        hll_add(&a, hash_of(3, i));
        hll_add(&b, hash_of(3, 49999 - i));
        if (i % 1000 == 0)
            CHECK(hll_count(&a) > 0);
    }
    CHECK_INT(hll_count(&a), hll_count(&b));
    CHECK(!hll_add(&a, hash_of(3, 17)));
}
