/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/distinct.h"

#include "base/hash.h"
#include "base/unit.h"

enum { MANY = 50000 };

static uint32_t h(uint64_t i)
{
    return (uint32_t)(hash_u64(i + 1) >> 8);
}

TEST(few_are_counted_one_by_one_and_many_by_a_sketch_in_bounded_memory)
{
    struct distinct d = { 0 };
    size_t bytes = 0;
    for (uint64_t i = 0; i < 300; i++)
        for (int again = 0; again < 3; again++)
            CHECK(distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes) == (again > 0));
    CHECK_INT(distinct_count(&d), 300);
    for (uint64_t i = 0; i < MANY; i++)
        distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes);
    CHECK_NEAR((double)distinct_count(&d), MANY, MANY * 0.065);
    CHECK(bytes < 4 * HLL_REGISTERS);
    CHECK(distinct_knows(&d, h(7)));
    CHECK(!distinct_knows(&d, h(MANY + 7)));
    distinct_free(&d, &bytes);
    CHECK_INT(bytes, 0);
}

TEST(what_is_seen_in_neither_of_two_windows_is_forgotten)
{
    struct distinct d = { 0 };
    size_t bytes = 0;
    for (uint64_t i = 0; i < 100; i++)
        distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes);
    distinct_turn(&d, &bytes);
    CHECK_INT(distinct_count(&d), 100);
    for (uint64_t i = 90; i < 120; i++)
        distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes);
    CHECK_INT(distinct_count(&d), 120);
    distinct_turn(&d, &bytes);
    CHECK_INT(distinct_count(&d), 30);
    CHECK(!distinct_knows(&d, h(5)));
    CHECK(distinct_knows(&d, h(95)));
    distinct_turn(&d, &bytes);
    CHECK_INT(distinct_count(&d), 0);
    CHECK_INT(bytes, 0);
}

TEST(sketches_turn_as_tables_do)
{
    struct distinct d = { 0 };
    size_t bytes = 0;
    for (uint64_t i = 0; i < MANY; i++)
        distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes);
    distinct_turn(&d, &bytes);
    CHECK_NEAR((double)distinct_count(&d), MANY, MANY * 0.065);
    for (uint64_t i = 0; i < 2000; i++)
        distinct_add(&d, h(i), DISTINCT_EXACT_MAX, true, &bytes);
    distinct_turn(&d, &bytes);
    CHECK_NEAR((double)distinct_count(&d), 2000, 2000 * 0.065);
    distinct_turn(&d, &bytes);
    CHECK_INT(distinct_count(&d), 0);
    CHECK_INT(bytes, 0);
}

TEST(all_are_remembered_when_so_many_may_be_and_none_when_memory_is_used_up)
{
    struct distinct d = { 0 };
    size_t bytes = 0;
    for (uint64_t i = 0; i < 5000; i++)
        distinct_add(&d, h(i), 4000, true, &bytes);
    size_t known = 0;
    for (uint64_t i = 0; i < 5000; i++)
        known += distinct_knows(&d, h(i));
    CHECK_INT(known, 4000);
    size_t before = bytes;
    for (uint64_t i = 0; i < 5000; i++)
        distinct_add(&d, h(i + MANY), MANY, false, &bytes);
    CHECK_INT(bytes, before);
    CHECK(distinct_count(&d) > 9000);
    distinct_free(&d, &bytes);
}
