/* SPDX-License-Identifier: Apache-2.0 */
#include "metrics/hchunk.h"

#include <math.h>

#include "base/unit.h"
#include "metrics/histograms_test.h"

enum { ANY_SPANS_MAX = 5, ANY_LENGTH_MAX = 12 };

static double count_any(struct rand *r, bool is_whole)
{
    return is_whole ? (double)rand_below(r, 1u << rand_below(r, 20)) : rand_unit(r) * 1000;
}

static void side_any(struct rand *r, struct arena *a, bool is_whole, struct histogram_side *to)
{
    to->span_count = (uint32_t)rand_below(r, ANY_SPANS_MAX);
    to->spans = arena_array(a, struct histogram_span, to->span_count + (size_t)1);
    for (uint32_t i = 0; i < to->span_count; i++) {
        int32_t offset = i == 0 ? (int32_t)rand_below(r, 2000) - 1000 : (int32_t)rand_below(r, 30);
        to->spans[i] = (struct histogram_span){ offset, (uint32_t)(1 + rand_below(r, ANY_LENGTH_MAX)) };
        to->bucket_count += to->spans[i].length;
    }
    to->buckets = arena_array(a, double, to->bucket_count + (size_t)1);
    for (uint32_t i = 0; i < to->bucket_count; i++)
        to->buckets[i] = count_any(r, is_whole);
}

static void custom_any(struct rand *r, struct arena *a, bool is_whole, struct histogram *h)
{
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    h->bound_count = (uint32_t)(1 + rand_below(r, 12));
    h->bounds = arena_array(a, double, h->bound_count);
    for (uint32_t i = 0; i < h->bound_count; i++)
        h->bounds[i] = (i ? h->bounds[i - 1] : -3) + 0.25 + (double)rand_below(r, 100) / 100;
    struct histogram_side *to = &h->positive;
    to->span_count = 1;
    to->spans = arena_array(a, struct histogram_span, 1);
    to->spans[0] = (struct histogram_span){ (int32_t)rand_below(r, 2), (uint32_t)(1 + rand_below(r, h->bound_count)) };
    to->bucket_count = to->spans[0].length;
    to->buckets = arena_array(a, double, to->bucket_count);
    for (uint32_t i = 0; i < to->bucket_count; i++)
        to->buckets[i] = count_any(r, is_whole);
}

static void count_set(struct histogram *h)
{
    h->count = h->zero_count;
    for (uint32_t i = 0; i < h->positive.bucket_count; i++)
        h->count += h->positive.buckets[i];
    for (uint32_t i = 0; i < h->negative.bucket_count; i++)
        h->count += h->negative.buckets[i];
}

struct histogram *histogram_any(struct rand *r, struct arena *a)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    bool is_whole = !rand_one_in(r, 4);
    h->hint = rand_one_in(r, 3) ? (uint8_t)rand_below(r, 4) : HINT_UNKNOWN;
    h->sum = rand_one_in(r, 20) ? (double)NAN : rand_one_in(r, 20) ? -INFINITY : rand_unit(r) * 1e6;
    if (rand_one_in(r, 4)) {
        custom_any(r, a, is_whole, h);
    } else {
        h->schema = (int8_t)((int)rand_below(r, HISTOGRAM_SCHEMA_MAX - HISTOGRAM_SCHEMA_MIN + 1) + HISTOGRAM_SCHEMA_MIN);
        h->zero_threshold = rand_one_in(r, 2) ? 2.938735877055719e-39 : 0.001;
        h->zero_count = rand_one_in(r, 2) ? 0 : count_any(r, is_whole);
        side_any(r, a, is_whole, &h->positive);
        if (rand_one_in(r, 2))
            side_any(r, a, is_whole, &h->negative);
    }
    count_set(h);
    if (isnan(h->sum))
        h->count += 3; /* observations of NaN are in no bucket */
    return h;
}

struct histogram *histogram_grown(struct rand *r, struct arena *a, const struct histogram *h)
{
    struct histogram *out = arena_new_of(a, struct histogram);
    *out = *h;
    struct histogram_side *side = &out->positive;
    uint32_t more = h->schema != HISTOGRAM_SCHEMA_CUSTOM && side->span_count > 0 && rand_one_in(r, 10) ? 1 : 0;
    side->buckets = arena_zalloc(a, (side->bucket_count + more) * sizeof *side->buckets + 1);
    if (side->bucket_count)
        memcpy(side->buckets, h->positive.buckets, side->bucket_count * sizeof *side->buckets);
    if (more) {
        side->spans = arena_array(a, struct histogram_span, side->span_count);
        memcpy(side->spans, h->positive.spans, side->span_count * sizeof *side->spans);
        side->spans[side->span_count - 1].length++;
        side->bucket_count++;
    }
    for (uint32_t i = 0; i < side->bucket_count; i++)
        side->buckets[i] += (double)rand_below(r, 9);
    out->hint = rand_one_in(r, 50) ? HINT_RESET : HINT_UNKNOWN;
    count_set(out);
    if (isnan(h->sum))
        out->count += 3;
    else
        out->sum += rand_unit(r) * 10;
    return out;
}

static void check_round_trip(const struct histogram *const *h, size_t n, size_t first, size_t count, struct arena *a, struct arena *scratch)
{
    struct buf bytes;
    const struct histogram *back[HCHUNK_HISTOGRAMS_MAX];
    buf_init(&bytes, 0);
    CHECK_INT(hchunk_fit(h, n), n);
    hchunk_encode(h, n, scratch, &bytes);
    CHECK(hchunk_decode(buf_as_slice(&bytes), n, first, count, scratch, a, back));
    for (size_t i = 0; i < count; i++)
        CHECK(histogram_is_same(h[first + i], back[i]));
    buf_free(&bytes);
}

TEST(hchunk_gives_back_what_it_took_bit_for_bit)
{
    struct rand r;
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    const struct histogram *list[HCHUNK_HISTOGRAMS_MAX];
    rand_seed(&r, unit_seed());
    for (int round = 0; round < 600; round++) {
        size_t n = 1 + rand_below(&r, rand_one_in(&r, 10) ? 200 : 12);
        bool is_series = !rand_one_in(&r, 3);
        for (size_t i = 0; i < n; i++)
            list[i] = is_series && i > 0 && !rand_one_in(&r, 60) ? histogram_grown(&r, a, list[i - 1]) : histogram_any(&r, a);
        n = hchunk_fit(list, n);
        size_t first = rand_below(&r, n), count = rand_below(&r, n - first) + 1;
        check_round_trip(list, n, rand_one_in(&r, 2) ? 0 : first, rand_one_in(&r, 2) ? 1 : count, a, scratch);
        arena_reset(a);
    }
    arena_free(a);
    arena_free(scratch);
}

/* n histograms with `length` buckets each, at places far from the others'. */
static void strangers(struct arena *a, size_t n, uint32_t length, const struct histogram **to)
{
    for (size_t i = 0; i < n; i++) {
        struct histogram *h = arena_new_of(a, struct histogram);
        h->schema = 8;
        h->positive.span_count = 1;
        h->positive.bucket_count = length;
        h->positive.spans = arena_new_of(a, struct histogram_span);
        h->positive.spans[0] = (struct histogram_span){ (int32_t)i * 100000 - 20000000, length };
        h->positive.buckets = arena_array(a, double, length);
        for (uint32_t b = 0; b < length; b++)
            h->positive.buckets[b] = 1e14 + b;
        count_set(h);
        to[i] = h;
    }
}

TEST(hchunk_stays_in_proportion_when_histograms_have_nothing_in_common)
{
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    const struct histogram *list[HCHUNK_HISTOGRAMS_MAX], *back[HCHUNK_HISTOGRAMS_MAX];
    struct buf bytes;
    buf_init(&bytes, 0);
    strangers(a, 400, 50, list);
    size_t n = hchunk_fit(list, 400);
    CHECK(n > 100);
    hchunk_encode(list, n, scratch, &bytes);
    CHECK(bytes.len < n * 50 * 16);
    CHECK(hchunk_decode(buf_as_slice(&bytes), n, 0, n, scratch, a, back) && histogram_is_same(back[n - 1], list[n - 1]));
    strangers(a, 3, HISTOGRAM_BUCKETS_MAX, list);
    CHECK_INT(hchunk_fit(list, 3), 1); /* the largest there is goes alone */
    check_round_trip(list, 1, 0, 1, a, scratch);
    buf_free(&bytes);
    arena_free(a);
    arena_free(scratch);
}

TEST(hchunk_of_a_growing_series_takes_an_eighth_of_its_buckets)
{
    struct rand r;
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    const struct histogram *list[240];
    struct buf bytes;
    rand_seed(&r, 1);
    buf_init(&bytes, 0);
    struct histogram *h = arena_new_of(a, struct histogram);
    h->schema = 3;
    h->positive.span_count = 1;
    h->positive.spans = arena_new_of(a, struct histogram_span);
    h->positive.spans[0] = (struct histogram_span){ 3, 40 };
    h->positive.bucket_count = 40;
    h->positive.buckets = arena_zalloc(a, 40 * sizeof(double));
    list[0] = h;
    for (size_t i = 1; i < 240; i++)
        list[i] = histogram_grown(&r, a, list[i - 1]);
    CHECK_INT(hchunk_fit(list, 240), 240);
    hchunk_encode(list, 240, scratch, &bytes);
    CHECK(bytes.len < 240 * 40 * 8 / 8);
    buf_free(&bytes);
    arena_free(a);
    arena_free(scratch);
}

TEST(hchunk_decode_survives_damaged_bytes)
{
    struct rand r;
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    const struct histogram *list[HCHUNK_HISTOGRAMS_MAX], *back[HCHUNK_HISTOGRAMS_MAX];
    struct buf bytes;
    rand_seed(&r, unit_seed());
    buf_init(&bytes, 0);
    for (int round = 0; round < 200; round++) {
        size_t n = 1 + rand_below(&r, 20);
        for (size_t i = 0; i < n; i++)
            list[i] = i > 0 && !rand_one_in(&r, 5) ? histogram_grown(&r, a, list[i - 1]) : histogram_any(&r, a);
        buf_reset(&bytes);
        hchunk_encode(list, n, scratch, &bytes);
        CHECK(!hchunk_decode(slice_sub(buf_as_slice(&bytes), 0, rand_below(&r, bytes.len)), n, 0, n, scratch, a, back));
        for (int hit = 0; hit < 50; hit++) {
            size_t at = rand_below(&r, bytes.len), among = 1 + rand_below(&r, HCHUNK_HISTOGRAMS_MAX - 1);
            char was = bytes.ptr[at];
            bytes.ptr[at] = (char)rand_u64(&r);
            size_t wanted = rand_one_in(&r, 4) ? among : n;
            bool is_good = hchunk_decode(buf_as_slice(&bytes), wanted, 0, wanted, scratch, a, back);
            for (size_t i = 0; is_good && i < wanted; i++) /* what is given can be walked */
                CHECK(histogram_bytes(back[i]) > 0 && back[i]->positive.bucket_count <= HCHUNK_BUCKETS_MAX);
            bytes.ptr[at] = was;
        }
        arena_reset(a);
    }
    buf_free(&bytes);
    arena_free(a);
    arena_free(scratch);
}

TEST(a_sum_in_a_part_is_never_taken_for_a_histogram)
{
    struct arena *a = arena_new(0), *scratch = arena_new(0);
    struct histogram h = { .count = 1, .zero_count = 1, .sum = double_of_bits(HISTOGRAM_TAG << 48 | 0x1234) };
    const struct histogram *list[1] = { &h }, *back[1];
    struct buf bytes;
    buf_init(&bytes, 0);
    hchunk_encode(list, 1, scratch, &bytes);
    CHECK(hchunk_decode(buf_as_slice(&bytes), 1, 0, 1, scratch, a, back));
    CHECK(back[0]->sum != back[0]->sum && !is_histogram(back[0]->sum));
    buf_free(&bytes);
    arena_free(a);
    arena_free(scratch);
}
