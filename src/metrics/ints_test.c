/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/ints.h"

#include "base/rand.h"
#include "base/unit.h"

static size_t round_trip(const int64_t *k, size_t n, bool may_divide)
{
    uint8_t bytes[INTS_BYTES_MAX];
    int64_t back[INTS_MAX];
    size_t len = (size_t)(ints_put(k, n, may_divide, bytes) - bytes);
    CHECK(len <= INTS_BYTES_MAX);
    struct reader r = reader_of(slice_of(bytes, len));
    CHECK(ints_get(&r, n, back));
    CHECK_INT(reader_left(&r), 0);
    CHECK(memcmp(k, back, n * sizeof *k) == 0);
    for (size_t cut = 0; cut < len; cut++) {
        r = reader_of(slice_of(bytes, cut));
        CHECK(!ints_get(&r, n, back));
    }
    return len;
}

/* A number of a size that is itself by chance, so that all widths come up. */
static int64_t any_size(struct rand *r)
{
    uint64_t x = rand_u64(r) >> rand_u64(r) % 64;
    return (int64_t)(rand_u64(r) % 2 ? x : 0 - x);
}

TEST(ints_come_back_whatever_they_are)
{
    static const int64_t special[] = { INT64_MIN, INT64_MIN + 1, INT64_MAX, INT64_MAX - 1, 0, 1, -1, 1ll << 62, -(1ll << 62), 0x00ffffffffffffff };
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t k[INTS_MAX];
    for (int round = 0; round < 3000; round++) {
        size_t n = round % 8 ? 1 + rand_u64(&r) % 40 : 1 + rand_u64(&r) % INTS_MAX;
        unsigned style = (unsigned)(rand_u64(&r) % 7), zeros = 1 + (unsigned)(rand_u64(&r) % 30);
        uint64_t range = 2 + (rand_u64(&r) >> rand_u64(&r) % 63), unit = 1 + (rand_u64(&r) >> (20 + rand_u64(&r) % 44));
        uint64_t at = (uint64_t)any_size(&r);
        for (size_t i = 0; i < n; i++) {
            uint64_t step = rand_u64(&r) % range;
            switch (style) {
            case 0: at = (uint64_t)any_size(&r); break;
            case 1: at = (uint64_t)special[rand_u64(&r) % COUNT_OF(special)]; break;
            case 2: at += step * unit; break;
            case 3: at += (step - range / 2) * unit; break;
            case 4: at += rand_u64(&r) % zeros ? 0 : step * unit; break;
            case 5: at += rand_u64(&r) % zeros ? 0 : (step - range / 2) * unit; break;
            default: at = rand_u64(&r) % zeros ? 7 : step; break;
            }
            k[i] = (int64_t)at;
        }
        round_trip(k, n, round % 2);
    }
}

TEST(ints_spread_evenly_take_little_more_than_their_share)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t k[INTS_MAX], at = 0;
    for (int i = 0; i < INTS_MAX; i++)
        k[i] = at += 1000 + (int64_t)(rand_u64(&r) % 1100); /* 10.1 bits, in planes 11 */
    CHECK(round_trip(k, INTS_MAX, true) <= 512 * 104 / 80 + 20);
}

TEST(ints_of_a_clock_with_jitter_take_the_jitter_once)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t k[INTS_MAX];
    for (int i = 0; i < INTS_MAX; i++)
        k[i] = 1700000000000 + 15000 * i + (int64_t)(rand_u64(&r) % 17) - 8;
    CHECK(round_trip(k, INTS_MAX, true) <= 512 * 42 / 80 + 24); /* 4.1 bits; steps take over 5 */
}

TEST(ints_that_mostly_stand_still_are_sparse)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t k[INTS_MAX], at = 1000000;
    for (int i = 0; i < INTS_MAX; i++)
        k[i] = at += i % 8 ? 0 : 4096 * ((int64_t)(rand_u64(&r) % 256) - 128);
    CHECK(round_trip(k, INTS_MAX, true) <= 64 + 64 * 9 / 8 + 24);
}

TEST(ints_all_equal_take_their_header)
{
    int64_t k[INTS_MAX];
    for (int i = 0; i < INTS_MAX; i++)
        k[i] = -5;
    CHECK(round_trip(k, INTS_MAX, true) <= 4);
}

TEST(ints_decode_survives_any_bytes)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    uint8_t bytes[200];
    int64_t k[INTS_MAX];
    for (int round = 0; round < 30000; round++) {
        size_t len = rand_u64(&r) % sizeof bytes, n = 1 + rand_u64(&r) % (rand_u64(&r) % 2 ? 20 : INTS_MAX);
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i < 5 ? rand_u64(&r) % 32 : rand_u64(&r));
        struct reader in = reader_of(slice_of(bytes, len));
        if (ints_get(&in, n, k))
            CHECK(reader_left(&in) <= len);
    }
}
