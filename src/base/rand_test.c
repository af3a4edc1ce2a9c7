/* SPDX-License-Identifier: Apache-2.0 */
#include "base/rand.h"
#include "base/unit.h"

TEST(rand_gives_the_same_numbers_for_the_same_seed_and_others_for_another)
{
    struct rand a, b, c;
    rand_seed(&a, 1);
    rand_seed(&b, 1);
    rand_seed(&c, 2);
    int same = 0;
    for (int i = 0; i < 1000; i++) {
        uint64_t v = rand_u64(&a);
        CHECK(v == rand_u64(&b));
        same += v == rand_u64(&c);
    }
    CHECK_INT(same, 0);
}

TEST(rand_below_meets_every_value_about_equally_often)
{
    struct rand r;
    int seen[7] = { 0 };
    rand_seed(&r, 42);
    for (int i = 0; i < 70000; i++)
        seen[rand_below(&r, 7)]++;
    for (int i = 0; i < 7; i++)
        CHECK(seen[i] > 9500 && seen[i] < 10500);
    CHECK_INT(rand_below(&r, 0), 0);
    CHECK_INT(rand_below(&r, 1), 0);
    CHECK(rand_below(&r, (uint64_t)1 << 63) < (uint64_t)1 << 63);
}

TEST(rand_unit_stays_below_one)
{
    struct rand r;
    double sum = 0;
    rand_seed(&r, 7);
    for (int i = 0; i < 10000; i++) {
        double v = rand_unit(&r);
        CHECK(v >= 0 && v < 1);
        sum += v;
    }
    CHECK_NEAR(sum / 10000, 0.5, 0.02);
}

TEST(rand_bytes_fills_exactly_what_was_asked_for)
{
    struct rand r;
    uint8_t bytes[12] = { 0 };
    rand_seed(&r, 7);
    rand_bytes(&r, bytes, 11);
    CHECK_INT(bytes[11], 0);
    CHECK(memcmp(bytes, "\0\0\0\0\0\0\0\0\0\0\0", 11) != 0);
}
