/* SPDX-License-Identifier: Apache-2.0 */
#include "base/arena.h"
#include "base/bits.h"
#include "base/rand.h"
#include "base/unit.h"

enum { BITS = 203 };

TEST(bits_next_visits_every_set_bit_in_order)
{
    struct arena *a = arena_new(0);
    struct bits b = bits_new(a, BITS);
    CHECK(bits_next(b, 0) == SIZE_MAX && !bits_any(b));
    static const size_t set[] = { 0, 63, 64, 127, 128, 202 };
    for (size_t i = 0; i < COUNT_OF(set); i++)
        bits_set(b, set[i]);
    size_t seen = 0;
    for (size_t i = bits_next(b, 0); i != SIZE_MAX; i = bits_next(b, i + 1))
        CHECK_INT(i, set[seen++]);
    CHECK_INT(seen, COUNT_OF(set));
    bits_clear(b, 63);
    CHECK(!bits_get(b, 63) && bits_get(b, 64));
    arena_free(a);
}

TEST(bits_never_count_beyond_their_end)
{
    struct arena *a = arena_new(0);
    struct bits b = bits_new(a, BITS);
    bits_not(b);
    CHECK_INT(bits_ones(b), BITS);
    bits_set_all(b);
    CHECK_INT(bits_ones(b), BITS);
    bits_clear_all(b);
    CHECK_INT(bits_ones(b), 0);
    arena_free(a);
}

TEST(bits_set_range_sets_exactly_the_range)
{
    struct arena *a = arena_new(0);
    struct rand r;
    rand_seed(&r, unit_seed());
    for (int round = 0; round < 2000; round++) {
        struct bits b = bits_new(a, BITS);
        size_t from = (size_t)rand_below(&r, BITS + 1), to = (size_t)rand_below(&r, BITS + 1);
        bits_set_range(b, from, to);
        for (size_t i = 0; i < BITS; i++)
            CHECK(bits_get(b, i) == (i >= from && i < to));
        arena_reset(a);
    }
    arena_free(a);
}

TEST(bits_combine_as_sets_do)
{
    struct arena *a = arena_new(0);
    struct bits x = bits_new(a, BITS), y = bits_new(a, BITS);
    bits_set_range(x, 10, 100);
    bits_set_range(y, 90, 200);
    bits_and(x, y);
    CHECK(bits_ones(x) == 10 && bits_next(x, 0) == 90);
    bits_or(x, y);
    CHECK_INT(bits_ones(x), 110);
    bits_set_range(y, 0, 95);
    bits_and_not(x, y);
    CHECK(!bits_any(x));
    arena_free(a);
}

TEST(bit_words_are_measured_at_their_edges)
{
    CHECK(bit_width(0) == 0 && bit_width(1) == 1 && bit_width(255) == 8 && bit_width(UINT64_MAX) == 64);
    CHECK(bit_trailing_zeros(0) == 64 && bit_trailing_zeros(8) == 3);
    CHECK(bit_ceil(0) == 1 && bit_ceil(1) == 1 && bit_ceil(5) == 8 && bit_ceil(8) == 8);
    CHECK(bit_is_power_of_2(64) && !bit_is_power_of_2(0) && !bit_is_power_of_2(65));
    CHECK(bit_mask(0) == 0 && bit_mask(3) == 7 && bit_mask(64) == UINT64_MAX);
}
