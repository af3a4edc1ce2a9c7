/* SPDX-License-Identifier: Apache-2.0 */
#include "codec/xor_chunk.h"

#include "base/rand.h"
#include "base/unit.h"

enum { SAMPLES = 400 };

static bool comes_back(const int64_t *t, const double *v, size_t n)
{
    struct buf out;
    int64_t t2[SAMPLES];
    double v2[SAMPLES];
    buf_init(&out, 0);
    xor_chunk_encode(t, v, n, &out);
    struct slice bytes = buf_as_slice(&out);
    bool same = xor_chunk_count(bytes) == n && xor_chunk_decode(bytes, t2, v2) && memcmp(t, t2, n * sizeof *t) == 0 &&
                memcmp(v, v2, n * sizeof *v) == 0;
    for (size_t cut = 0; same && cut < bytes.len; cut++) /* the last bits of the last byte may be unused, no whole byte is */
        same = xor_chunk_count(slice_sub(bytes, 0, cut)) != n || !xor_chunk_decode(slice_sub(bytes, 0, cut), t2, v2);
    buf_free(&out);
    return same;
}

TEST(a_chunk_is_the_bytes_prometheus_writes)
{
    /* 1000 ms: zigzag 2000 = d0 0f; 1.0; then 15 000 ms later 1.0 again: 98 75 and a bit 0; then the same once more: 0, 0. */
    static const char want[] = "\x00\x03\xd0\x0f\x3f\xf0\x00\x00\x00\x00\x00\x00\x98\x75\x00";
    const int64_t t[] = { 1000, 16000, 31000 };
    const double v[] = { 1, 1, 1 };
    struct buf out;
    buf_init(&out, 0);
    xor_chunk_encode(t, v, 3, &out);
    CHECK(slice_eq(buf_as_slice(&out), slice_of(want, sizeof want - 1)));
    buf_free(&out);
}

/* Steady, a little off, or anything. */
static int64_t step_of(struct rand *r, int round)
{
    if (round % 3 == 0)
        return 15000;
    return round % 3 == 1 ? 15000 + (int64_t)rand_below(r, 9) : (int64_t)rand_below(r, (uint64_t)1 << rand_below(r, 31));
}

TEST(samples_come_back_bit_for_bit)
{
    struct rand r;
    rand_seed(&r, 7);
    for (int round = 0; round < 200; round++) {
        int64_t t[SAMPLES];
        double v[SAMPLES];
        size_t n = 1 + rand_below(&r, SAMPLES);
        t[0] = (int64_t)rand_below(&r, 1u << 31) * 1000 - 1000000;
        for (size_t i = 0; i < n; i++) {
            if (i > 0)
                t[i] = t[i - 1] + step_of(&r, round);
            uint64_t bits = rand_u64(&r);
            v[i] = round % 2 ? (double)(int64_t)(i * 3 + rand_below(&r, 2)) : 0;
            if (round % 5 == 4)
                memcpy(&v[i], &bits, sizeof bits);
        }
        CHECK(comes_back(t, v, n));
    }
}

TEST(the_borders_of_each_form_of_a_delta_come_back)
{
    static const int64_t changes[] = { 0, 1, -1, 8192, 8193, -8191, -8192, 65536, 65537, -65535, -65536, 524288, 524289, -524287, -524288, 1 << 30 };
    int64_t t[COUNT_OF(changes) + 2], delta = (int64_t)1 << 31;
    double v[COUNT_OF(changes) + 2] = { 0 };
    t[0] = 0;
    t[1] = delta;
    for (size_t i = 0; i < COUNT_OF(changes); i++) {
        delta += changes[i];
        t[i + 2] = t[i + 1] + delta;
    }
    CHECK(comes_back(t, v, COUNT_OF(t)));
}
