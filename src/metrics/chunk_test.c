/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/chunk.h"

#include <math.h>

#include "base/rand.h"
#include "base/unit.h"
#include "model/sample.h"

static size_t encoded_bytes(const double *v, size_t n)
{
    uint8_t bytes[CHUNK_BYTES_MAX], hint = 0, flags;
    return chunk_encode_values(v, n, &hint, bytes, &flags);
}

static void check_round_trip(const double *v, size_t n, uint8_t *hint)
{
    uint8_t bytes[CHUNK_BYTES_MAX], flags;
    double back[CHUNK_SAMPLES_MAX];
    size_t len = chunk_encode_values(v, n, hint, bytes, &flags);
    CHECK(len <= CHUNK_BYTES_MAX);
    CHECK(chunk_decode_values(slice_of(bytes, len), n, back));
    CHECK(memcmp(v, back, n * sizeof *v) == 0);
    bool has_stale = false, has_nan = false;
    for (size_t i = 0; i < n; i++) {
        has_stale |= is_stale(v[i]);
        has_nan |= isnan(v[i]) && !is_stale(v[i]);
    }
    CHECK_INT(!!(flags & CHUNK_HAS_STALE), has_stale);
    CHECK_INT(!!(flags & CHUNK_HAS_NAN), has_nan);
    CHECK_INT(!!(flags & CHUNK_LAST_STALE), is_stale(v[n - 1]));
}

static double any_value(struct rand *r, unsigned style, double last)
{
    static const uint64_t special[] = { STALE_NAN_BITS, 0x7ff8000000000001ull, 0xfff8000000000123ull, 0x7ff0000000000000ull, 0xfff0000000000000ull,
                                        0x8000000000000000ull, 0, 1, 0x7fefffffffffffffull, 0x0010000000000000ull, 0x4340000000000000ull };
    switch (style) {
    case 0: return (double)(rand_u64(r) % 1000);
    case 1: return last + (double)(rand_u64(r) % 100);
    case 2: return (double)(int64_t)(rand_u64(r) % 2000001 - 1000000) / 1000;
    case 3: return double_of_bits(rand_u64(r));
    case 4: return last + 0.1;
    case 5: return double_of_bits(special[rand_u64(r) % COUNT_OF(special)]);
    case 6: return rand_u64(r) % 20 ? last + 4096 : double_of_bits(special[rand_u64(r) % COUNT_OF(special)]);
    case 7: return 42;
    default: return (double)rand_u64(r);
    }
}

TEST(chunk_values_come_back_bit_for_bit)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    double v[CHUNK_SAMPLES_MAX];
    uint8_t hint = 0;
    for (int round = 0; round < 4000; round++) {
        unsigned style = (unsigned)(rand_u64(&r) % 9);
        size_t n = rand_u64(&r) % 3 ? 1 + rand_u64(&r) % 20 : 1 + rand_u64(&r) % CHUNK_SAMPLES_MAX;
        double last = (double)(rand_u64(&r) % 100000);
        for (size_t i = 0; i < n; i++)
            v[i] = last = any_value(&r, style, last);
        check_round_trip(v, n, &hint);
    }
}

TEST(chunk_times_come_back_exactly)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    int64_t t[CHUNK_SAMPLES_MAX], back[CHUNK_SAMPLES_MAX];
    uint8_t bytes[CHUNK_BYTES_MAX];
    for (int round = 0; round < 2000; round++) {
        size_t n = 1 + rand_u64(&r) % CHUNK_SAMPLES_MAX;
        bool is_wild = rand_u64(&r) % 4 == 0;
        int64_t at = (int64_t)(rand_u64(&r) % 2000000000000);
        for (size_t i = 0; i < n; i++)
            t[i] = is_wild ? (int64_t)rand_u64(&r) : (at += 15000 + (int64_t)(rand_u64(&r) % 7) - 3);
        size_t len = chunk_encode_times(t, n, bytes);
        CHECK(len <= CHUNK_BYTES_MAX && chunk_decode_times(slice_of(bytes, len), n, back));
        CHECK(memcmp(t, back, n * sizeof *t) == 0);
    }
}

TEST(chunk_of_regular_things_is_small)
{
    double constant[512], counter[512], decimal[512];
    int64_t regular[512];
    uint8_t bytes[CHUNK_BYTES_MAX];
    for (int i = 0; i < 512; i++) {
        constant[i] = 17.25;
        counter[i] = 1e6 + 1500.0 * i;
        decimal[i] = (double)(i % 4) / 100;
        regular[i] = 1700000000000 + 15000 * (int64_t)i;
    }
    CHECK(encoded_bytes(constant, 512) <= 5);
    CHECK(encoded_bytes(counter, 512) <= 12);
    CHECK(encoded_bytes(decimal, 512) <= 140);
    CHECK(chunk_encode_times(regular, 512, bytes) <= 14);
}

TEST(chunk_of_whole_numbers_is_small_after_one_of_billionths)
{
    double fine[512], whole[512];
    uint8_t bytes[CHUNK_BYTES_MAX], hint = 0, flags;
    for (int i = 0; i < 512; i++) {
        fine[i] = (double)(i * 37 % 1009) / 1e9;
        whole[i] = 1000 + i % 3;
    }
    chunk_encode_values(fine, 512, &hint, bytes, &flags);
    CHECK(chunk_encode_values(whole, 512, &hint, bytes, &flags) <= 2 * 64 + 8);
    CHECK(chunk_encode_values(fine, 512, &hint, bytes, &flags) <= 12 * 64);
}

TEST(chunk_of_memory_that_moves_in_pages_counts_pages)
{
    static const int moves[] = { 3, -2, 0, 7, -8, 0, 0, 5, 1, -3 };
    double v[512], at = 64e9;
    for (int i = 0; i < 512; i++)
        v[i] = at += 4096 * moves[i % 10];
    v[511] += 4096; /* the mean step is no multiple of a page */
    CHECK(encoded_bytes(v, 512) <= 5 * 64 + 20);
}

TEST(chunk_of_steps_with_a_common_rest_is_divided)
{
    double v[512], at = 0;
    for (int i = 0; i < 512; i++)
        v[i] = at += 3 + 1000 * (i * 7 % 4);
    CHECK(encoded_bytes(v, 512) <= 2 * 64 + 20);
}

TEST(chunk_that_ends_with_the_stale_mark_stays_small)
{
    double v[100];
    for (int i = 0; i < 99; i++)
        v[i] = 5;
    v[99] = double_of_bits(STALE_NAN_BITS);
    CHECK(encoded_bytes(v, 100) <= 20);
}

TEST(chunk_decode_survives_any_bytes)
{
    struct rand r;
    rand_seed(&r, unit_seed());
    uint8_t bytes[300];
    double v[CHUNK_SAMPLES_MAX];
    int64_t t[CHUNK_SAMPLES_MAX];
    for (int round = 0; round < 20000; round++) {
        size_t len = rand_u64(&r) % sizeof bytes, n = 1 + rand_u64(&r) % CHUNK_SAMPLES_MAX;
        for (size_t i = 0; i < len; i++)
            bytes[i] = (uint8_t)(i < 3 ? rand_u64(&r) % 32 : rand_u64(&r));
        bool a = chunk_decode_values(slice_of(bytes, len), n, v), b = chunk_decode_times(slice_of(bytes, len), n, t);
        CHECK(a || b || true);
    }
}
