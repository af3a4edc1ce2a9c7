/* SPDX-License-Identifier: Apache-2.0 */
#include <float.h>
#include <math.h>

#include "base/unit.h"
#include "model/histogram.h"

/* Sides in these tests: one span from an offset, with up to eight counts; counts below 0 end them. */
static struct histogram_side side(struct arena *a, int32_t offset, const double *counts)
{
    struct histogram_side out = { .span_count = 1, .spans = arena_array(a, struct histogram_span, 1), .buckets = arena_array(a, double, 8) };
    for (; counts[out.bucket_count] >= 0; out.bucket_count++)
        out.buckets[out.bucket_count] = counts[out.bucket_count];
    out.spans[0] = (struct histogram_span){ offset, out.bucket_count };
    return out;
}
#define SIDE(a, offset, ...) side(a, offset, (const double[]){ __VA_ARGS__, -1 })

static struct histogram *exponential(struct arena *a, int schema, double count, double sum)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    h->schema = (int8_t)schema;
    h->count = count;
    h->sum = sum;
    return h;
}

static struct histogram *custom(struct arena *a, const double *bounds, uint32_t n, struct histogram_side positive)
{
    struct histogram *h = exponential(a, HISTOGRAM_SCHEMA_CUSTOM, 0, 1);
    h->bounds = (double *)arena_copy(a, slice_of((const char *)bounds, n * sizeof *bounds)).ptr;
    h->bound_count = n;
    h->positive = positive;
    for (uint32_t i = 0; i < positive.bucket_count; i++)
        h->count += positive.buckets[i];
    return h;
}
#define BOUNDS(...) (const double[]){ __VA_ARGS__ }, COUNT_OF(((const double[]){ __VA_ARGS__ }))

static struct slice text(struct arena *a, const struct histogram *h)
{
    struct buf b;
    buf_init(&b, 0);
    histogram_format(&b, h);
    struct slice out = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return out;
}

static struct histogram *both_sides(struct arena *a)
{
    struct histogram *h = exponential(a, 0, 11, 4);
    h->zero_count = 1;
    h->zero_threshold = 0.5;
    h->positive = SIDE(a, 0, 2, 0, 3);
    h->negative = SIDE(a, 1, 4, 1);
    return h;
}

TEST(text_names_buckets_from_the_lowest_up)
{
    struct arena *a = arena_new(0);
    CHECK_STR(text(a, both_sides(a)), "{count:11, sum:4, [-4,-2):1, [-2,-1):4, [-0.5,0.5]:1, (0.5,1]:2, (2,4]:3}");
    CHECK_STR(text(a, custom(a, BOUNDS(1, 2.5), SIDE(a, 0, 1, 2, 3))), "{count:6, sum:1, [-Inf,1]:1, (1,2.5]:2, (2.5,+Inf]:3}");
    CHECK_STR(text(a, exponential(a, 0, 0, 0)), "{count:0, sum:0}");
    arena_free(a);
}

TEST(walks_meet_every_bucket_both_ways)
{
    struct arena *a = arena_new(0);
    struct histogram *h = both_sides(a);
    struct histogram_bucket b;
    double up[8], down[8];
    size_t n = 0, m = 0;
    h->positive.spans = arena_array(a, struct histogram_span, 4);
    h->positive.spans[0] = (struct histogram_span){ 0, 1 };
    h->positive.spans[1] = (struct histogram_span){ 1, 0 };
    h->positive.spans[2] = (struct histogram_span){ 0, 2 };
    h->positive.spans[3] = (struct histogram_span){ 7, 0 };
    h->positive.span_count = 4;
    for (struct histogram_walk w = histogram_walk(h); histogram_next(&w, &b);)
        up[n++] = b.upper;
    for (struct histogram_walk w = histogram_walk_down(h); histogram_next(&w, &b);)
        down[m++] = b.upper;
    CHECK_INT(n, 6);
    CHECK_INT(m, 6);
    for (size_t i = 0; i < 6; i++)
        CHECK(up[i] == down[5 - i]);
    CHECK(up[0] == -2 && up[1] == -1 && up[2] == 0.5 && up[3] == 1 && up[4] == 4 && up[5] == 8);
    arena_free(a);
}

TEST(bounds_are_powers_of_two_and_end_at_the_largest_number)
{
    struct arena *a = arena_new(0);
    struct histogram *h = exponential(a, 1, 0, 0);
    CHECK(histogram_bound(h, 0) == 1 && histogram_bound(h, 2) == 2 && histogram_bound(h, -2) == 0.5);
    CHECK(histogram_bound(h, 1) == 1.414213562373095);
    CHECK(histogram_bound(h, 2048) == DBL_MAX && histogram_bound(h, 2049) == INFINITY);
    h->schema = -4;
    CHECK(histogram_bound(h, 1) == 65536 && histogram_bound(h, -1) == 1.0 / 65536 && histogram_bound(h, 64) == DBL_MAX);
    CHECK(histogram_bound(h, 65) == INFINITY && histogram_bound(h, -HISTOGRAM_INDEX_MAX) == 0);
    for (int schema = HISTOGRAM_SCHEMA_MIN; schema <= HISTOGRAM_SCHEMA_MAX; schema++) {
        h->schema = (int8_t)schema;
        for (int64_t i = -600; i < 600 && histogram_bound(h, i) < DBL_MAX; i++)
            CHECK(histogram_bound(h, i) < histogram_bound(h, i + 1) || histogram_bound(h, i + 1) == 0);
    }
    arena_free(a);
}

TEST(sums_take_the_lower_resolution)
{
    struct arena *a = arena_new(0);
    struct histogram_note note = { 0 };
    struct histogram *x = exponential(a, 1, 10, 10), *y = exponential(a, 0, 3, 5);
    x->positive = SIDE(a, 0, 1, 2, 3, 4); /* (0.707,1] (1,1.414] (1.414,2] (2,2.83] */
    y->positive = SIDE(a, 2, 3);          /* (2,4] */
    CHECK_STR(text(a, histogram_add(a, x, y, &note)), "{count:13, sum:15, (0.5,1]:1, (1,2]:5, (2,4]:7}");
    CHECK_STR(text(a, histogram_sub(a, y, x, &note)), "{count:-7, sum:-5, (0.5,1]:-1, (1,2]:-5, (2,4]:-1}");
    CHECK_STR(text(a, histogram_reduce(a, x, -1)), "{count:10, sum:10, (0.25,1]:1, (1,4]:9}");
    CHECK(!note.has_hint_conflict && !note.has_merged_bounds);
    arena_free(a);
}

TEST(sums_take_the_wider_zero_bucket_and_none_that_ends_inside_another)
{
    struct arena *a = arena_new(0);
    struct histogram_note note = { 0 };
    struct histogram *x = exponential(a, 0, 6, 1), *y = exponential(a, 0, 2, 1);
    x->zero_threshold = 0.001;
    x->zero_count = 1;
    x->positive = SIDE(a, -1, 2, 3); /* (0.25,0.5] (0.5,1] */
    y->zero_threshold = 0.3;
    y->zero_count = 2;
    CHECK_STR(text(a, histogram_add(a, x, y, &note)), "{count:8, sum:2, [-0.5,0.5]:5, (0.5,1]:3}");
    CHECK_STR(text(a, histogram_add(a, y, x, &note)), "{count:8, sum:2, [-0.5,0.5]:5, (0.5,1]:3}");
    x->positive = SIDE(a, -1, 0, 3); /* nothing in the bucket: it may end inside */
    CHECK_STR(text(a, histogram_add(a, x, y, &note)), "{count:8, sum:2, [-0.3,0.3]:3, (0.5,1]:3}");
    y->negative = SIDE(a, -1, 7);
    x->positive = SIDE(a, -2, 1, 1);
    x->zero_threshold = 0.4; /* into y's (0.25,0.5], which goes into x's */
    CHECK_STR(text(a, histogram_add(a, x, y, &note)), "{count:8, sum:2, [-0.5,0.5]:12}");
    arena_free(a);
}

TEST(sums_of_custom_buckets_keep_the_bounds_both_have)
{
    struct arena *a = arena_new(0);
    struct histogram_note note = { 0 };
    struct histogram *x = custom(a, BOUNDS(1, 2, 3, 4), SIDE(a, 0, 1, 2, 3, 4, 5)), *y = custom(a, BOUNDS(2, 3.5, 4), SIDE(a, 1, 10, 20));
    CHECK_STR(text(a, histogram_add(a, x, x, &note)), "{count:30, sum:2, [-Inf,1]:2, (1,2]:4, (2,3]:6, (3,4]:8, (4,+Inf]:10}");
    CHECK(!note.has_merged_bounds);
    CHECK_STR(text(a, histogram_add(a, x, y, &note)), "{count:45, sum:2, [-Inf,2]:3, (2,4]:37, (4,+Inf]:5}");
    CHECK(note.has_merged_bounds);
    CHECK(histogram_add(a, x, exponential(a, 0, 1, 1), &note) == NULL);
    CHECK(histogram_sub(a, exponential(a, 0, 1, 1), x, &note) == NULL);
    arena_free(a);
}

TEST(hints_of_sums_are_what_both_agree_on)
{
    static const uint8_t cases[][4] = { { HINT_RESET, HINT_RESET, HINT_RESET, 0 },        { HINT_RESET, HINT_NOT_RESET, HINT_UNKNOWN, 1 },
                                        { HINT_GAUGE, HINT_NOT_RESET, HINT_GAUGE, 0 },    { HINT_RESET, HINT_GAUGE, HINT_GAUGE, 0 },
                                        { HINT_UNKNOWN, HINT_RESET, HINT_UNKNOWN, 0 },    { HINT_NOT_RESET, HINT_UNKNOWN, HINT_UNKNOWN, 0 } };
    struct arena *a = arena_new(0);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct histogram_note note = { 0 };
        struct histogram *x = exponential(a, 0, 1, 1), *y = exponential(a, 0, 1, 1);
        x->hint = cases[i][0];
        y->hint = cases[i][1];
        CHECK_INT(histogram_add(a, x, y, &note)->hint, cases[i][2]);
        CHECK_INT(note.has_hint_conflict, cases[i][3]);
    }
    CHECK_INT(histogram_scale(a, exponential(a, 0, 1, 1), -1)->hint, HINT_GAUGE);
    CHECK_INT(histogram_divide(a, exponential(a, 0, 1, 1), -1)->hint, HINT_GAUGE);
    arena_free(a);
}

TEST(factors_scale_all_and_nothing_divides_into_no_buckets)
{
    struct arena *a = arena_new(0);
    CHECK_STR(text(a, histogram_scale(a, both_sides(a), 2)), "{count:22, sum:8, [-4,-2):2, [-2,-1):8, [-0.5,0.5]:2, (0.5,1]:4, (2,4]:6}");
    CHECK_STR(text(a, histogram_divide(a, both_sides(a), 2)), "{count:5.5, sum:2, [-4,-2):0.5, [-2,-1):2, [-0.5,0.5]:0.5, (0.5,1]:1, (2,4]:1.5}");
    CHECK_STR(text(a, histogram_divide(a, both_sides(a), 0)), "{count:+Inf, sum:+Inf, [-0.5,0.5]:+Inf}");
    arena_free(a);
}

TEST(compact_leaves_no_empty_bucket)
{
    struct arena *a = arena_new(0);
    struct histogram *h = histogram_compact(a, both_sides(a));
    CHECK_INT(h->positive.span_count, 2);
    CHECK_INT(h->positive.bucket_count, 2);
    CHECK_INT(h->positive.spans[1].offset, 1);
    CHECK(!histogram_equal(h, both_sides(a)) && histogram_equal(both_sides(a), both_sides(a)));
    h->positive.buckets[0] = h->positive.buckets[1] = 0;
    CHECK_INT(histogram_compact(a, h)->positive.span_count, 0);
    arena_free(a);
}

TEST(equal_sees_buckets_not_spans_and_same_sees_all)
{
    struct arena *a = arena_new(0);
    struct histogram *x = both_sides(a), *y = both_sides(a);
    CHECK(histogram_is_same(x, histogram_copy(a, y)));
    y->hint = HINT_GAUGE;
    CHECK(histogram_equal(x, y) && !histogram_is_same(x, y));
    struct histogram_span parted[] = { { 0, 2 }, { 0, 0 }, { 0, 1 } };
    y->positive.spans = parted;
    y->positive.span_count = 3;
    y->hint = HINT_UNKNOWN;
    CHECK(histogram_equal(x, y) && !histogram_is_same(x, y));
    parted[1].offset = 1;
    CHECK(!histogram_equal(x, y));
    CHECK(!histogram_equal(x, histogram_scale(a, x, 2)));
    CHECK(!histogram_equal(custom(a, BOUNDS(1, 2), SIDE(a, 0, 1)), custom(a, BOUNDS(1, 3), SIDE(a, 0, 1))));
    arena_free(a);
}

TEST(a_reset_is_a_count_that_fell_or_a_layout_that_became_finer)
{
    struct arena *a = arena_new(0);
    struct histogram *x = both_sides(a), *y = histogram_scale(a, x, 2);
    CHECK(!histogram_is_reset(x, x) && !histogram_is_reset(x, y) && histogram_is_reset(y, x));
    y->positive.buckets[0] = 1;
    CHECK(histogram_is_reset(x, y));
    y->hint = HINT_NOT_RESET;
    CHECK(!histogram_is_reset(x, y));
    y = histogram_copy(a, x);
    y->hint = HINT_RESET;
    CHECK(histogram_is_reset(x, y));
    y = histogram_reduce(a, x, -1);
    CHECK(!histogram_is_reset(x, y) && histogram_is_reset(y, x));
    y = histogram_copy(a, x);
    y->zero_threshold = 1; /* takes in (0.5,1] */
    y->zero_count = 3;
    y->positive = SIDE(a, 2, 3);
    CHECK(!histogram_is_reset(x, y) && histogram_is_reset(y, x));
    y->zero_count = 2;
    CHECK(histogram_is_reset(x, y));
    y->zero_count = 3;
    y->zero_threshold = 0.75; /* ends within it */
    CHECK(histogram_is_reset(x, y));
    y = histogram_copy(a, x);
    y->negative = (struct histogram_side){ 0 };
    CHECK(histogram_is_reset(x, y));
    CHECK(histogram_is_reset(x, custom(a, BOUNDS(1), SIDE(a, 0, 100))));
    arena_free(a);
}

TEST(custom_bounds_may_change_without_a_reset)
{
    struct arena *a = arena_new(0);
    struct histogram *x = custom(a, BOUNDS(1, 2, 3), SIDE(a, 0, 1, 2, 3, 4));
    CHECK(!histogram_is_reset(x, custom(a, BOUNDS(2, 3), SIDE(a, 0, 3, 3, 4))));
    CHECK(histogram_is_reset(x, custom(a, BOUNDS(2, 3), SIDE(a, 0, 2, 4, 9))));
    CHECK(!histogram_is_reset(x, custom(a, BOUNDS(2, 2.5), SIDE(a, 0, 3, 0, 9))));
    CHECK(histogram_is_reset(x, custom(a, BOUNDS(1, 2, 3), SIDE(a, 0, 1, 1, 9, 9))));
    arena_free(a);
}

static void round_trip(struct arena *a, const struct histogram *h)
{
    struct histogram *back = NULL;
    struct buf b;
    buf_init(&b, HISTOGRAM_BYTES_MAX);
    histogram_write(&b, h);
    buf_u8(&b, 77);
    struct reader r = reader_of(buf_as_slice(&b));
    CHECK(histogram_read(&r, a, &back) && histogram_is_same(h, back) && read_u8(&r) == 77);
    for (size_t n = 0; n + 1 < b.len; n++) {
        r = reader_of(slice_of(b.ptr, n));
        CHECK(!histogram_read(&r, a, &back) && r.bad);
    }
    buf_free(&b);
}

TEST(bytes_give_the_same_histogram_and_cut_off_ones_none)
{
    struct arena *a = arena_new(0);
    struct histogram *h = both_sides(a);
    round_trip(a, h);
    round_trip(a, histogram_scale(a, h, 0.3));
    h->hint = HINT_GAUGE;
    h->sum = NAN;
    h->positive.buckets[1] = -0.0;
    round_trip(a, h);
    h->positive.buckets[1] = 1e17;
    round_trip(a, h);
    round_trip(a, exponential(a, 3, 0, 0));
    round_trip(a, custom(a, BOUNDS(-1.5, 2, 9), SIDE(a, 1, 1, 2, 3)));
    CHECK_INT(histogram_bytes(exponential(a, 3, 0, 0)), sizeof *h);
    CHECK_INT(histogram_bytes(h), sizeof *h + 2 * sizeof(struct histogram_span) + 5 * sizeof(double));
    arena_free(a);
}

TEST(what_cannot_be_is_told)
{
    struct arena *a = arena_new(0);
    struct err err;
    struct histogram *h = both_sides(a);
    CHECK_INT(histogram_check(h, &err), ST_OK);
    h->schema = 9;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "histogram: schema 9 is not known, they go from -4 to 8, and -53 is for custom bounds");
    h->schema = HISTOGRAM_SCHEMA_CUSTOM;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    h = both_sides(a);
    h->positive.buckets[1] = -1;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "histogram: positive bucket 1 has the count -1, which must be 0 or more");
    h->positive.buckets[1] = NAN;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    h = both_sides(a);
    h->negative.spans[0].length = 3;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    h = both_sides(a);
    h->count = NAN;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    h = both_sides(a);
    h->positive.spans[0].offset = INT32_MIN;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    CHECK_INT(histogram_check(custom(a, BOUNDS(1, 2), SIDE(a, 0, 1, 2, 3)), &err), ST_OK);
    CHECK_INT(histogram_check(custom(a, BOUNDS(1, 2), SIDE(a, 1, 1, 2, 3)), &err), ST_INVALID);
    CHECK_INT(histogram_check(custom(a, BOUNDS(2, 2), SIDE(a, 0, 1)), &err), ST_INVALID);
    CHECK_STR(slice_str(err.text), "histogram: custom bound 1 is 2, it must be above 2 before it");
    CHECK_INT(histogram_check(custom(a, BOUNDS(2, INFINITY), SIDE(a, 0, 1)), &err), ST_INVALID);
    h = both_sides(a);
    h->bound_count = 1;
    CHECK_INT(histogram_check(h, &err), ST_INVALID);
    arena_free(a);
}
