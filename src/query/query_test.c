/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "base/buf.h"
#include "base/unit.h"
#include "query/agg.h"
#include "query/token.h"

static double fold(enum agg_op op, const double *v, size_t n)
{
    struct agg_cell c = { 0 };
    for (size_t i = 0; i < n; i++)
        agg_add(op, &c, v[i]);
    return agg_result(op, &c);
}

TEST(sums_keep_small_numbers_beside_large_ones)
{
    double v[] = { 1e100, 1, -1e100, 1 };
    CHECK_NEAR(fold(AGG_SUM, v, 4), 2, 0);
    CHECK_NEAR(fold(AGG_AVG, v, 4), 0.5, 0);
}

TEST(means_do_not_overflow_where_sums_do)
{
    double v[] = { 1.7e308, 1.7e308, 1.6e308 };
    CHECK(isinf(fold(AGG_SUM, v, 3)));
    CHECK_NEAR(fold(AGG_AVG, v, 3) / 1e308, 5.0 / 3, 1e-9);
}

TEST(an_empty_cell_is_nan_and_infinity_has_no_variance)
{
    double v[] = { INFINITY, 1 }, w[] = { 1, 3 };
    CHECK(isnan(fold(AGG_SUM, v, 0)));
    CHECK(isnan(fold(AGG_STDVAR, v, 2)));
    CHECK_NEAR(fold(AGG_STDDEV, w, 2), 1, 0);
    CHECK_NEAR(fold(AGG_COUNT, w, 2), 2, 0);
    CHECK_NEAR(fold(AGG_GROUP, w, 2), 1, 0);
}

TEST(extremes_prefer_numbers_to_nan)
{
    double v[] = { NAN, 3, NAN, -2 };
    CHECK_NEAR(fold(AGG_MAX, v, 4), 3, 0);
    CHECK_NEAR(fold(AGG_MIN, v, 4), -2, 0);
}

TEST(quantiles_lie_between_their_neighbours)
{
    double v[] = { 4, 1, 3, 2 };
    CHECK_NEAR(agg_quantile(0.5, v, 4), 2.5, 0);
    CHECK_NEAR(agg_quantile(1, v, 4), 4, 0);
    CHECK(isinf(agg_quantile(1.1, v, 4)) && isinf(agg_quantile(-0.1, v, 4)));
    CHECK(isnan(agg_quantile(0.5, v, 0)) && isnan(agg_quantile(NAN, v, 4)));
}

TEST(a_top_holds_the_best_and_says_whose_they_are)
{
    struct arena *a = arena_new(0);
    struct agg_top top = { 0 }, bottom = { 0 };
    double v[] = { 5, NAN, 9, 1, 9, 7 };
    for (size_t i = 0; i < COUNT_OF(v); i++) {
        agg_top_add(a, &top, 3, false, v[i], i);
        agg_top_add(a, &bottom, 2, true, v[i], i);
    }
    agg_top_sort(&top, false);
    agg_top_sort(&bottom, true);
    CHECK(top.list[0].tag == 2 && top.list[1].tag == 4 && top.list[2].tag == 5);
    CHECK(bottom.count == 2 && bottom.list[0].tag == 3 && bottom.list[1].tag == 0);
    arena_free(a);
}

static size_t string_of(const char *literal, struct slice *out, struct arena *a)
{
    struct err err;
    size_t n = token_string(slice_str(literal), &err);
    if (n && token_unquote(a, slice_of(literal, n), out, &err))
        return 0;
    return n;
}

TEST(strings_read_as_go_reads_them)
{
    struct arena *a = arena_new(0);
    struct slice s;
    CHECK_INT(string_of("\"a\\n\\x41\\u00e9\\101\" rest", &s, a), 19);
    CHECK_STR(s, "a\nA\xc3\xa9"
                 "A");
    CHECK_INT(string_of("'it\\'s'", &s, a), 7);
    CHECK_STR(s, "it's");
    CHECK_INT(string_of("`a\\n\n`", &s, a), 6);
    CHECK_STR(s, "a\\n\n");
    CHECK_INT(string_of("\"open", &s, a), 0);
    CHECK_INT(string_of("\"line\nend\"", &s, a), 0);
    CHECK_INT(string_of("\"\\q\"", &s, a), 0);
    CHECK_INT(string_of("\"\\ud800\"", &s, a), 0);
    CHECK_INT(string_of("\"end\\\"", &s, a), 0);
    arena_free(a);
}

TEST(quoting_is_undone_by_unquoting)
{
    struct arena *a = arena_new(0);
    struct buf b;
    struct slice back, text = SLICE("tab\t quote\" \xc3\xa9 \\ \x01");
    buf_init(&b, 0);
    token_quote(text, &b);
    CHECK_INT(token_unquote(a, buf_as_slice(&b), &back, NULL), ST_OK);
    CHECK(slice_eq(back, text));
    buf_free(&b);
    arena_free(a);
}

static void check_number(const char *text, enum token_number kind, size_t want)
{
    size_t n;
    CHECK_INT(token_number_scan(slice_str(text), &n), kind);
    CHECK_INT(n, want);
}

TEST(numbers_durations_and_sizes_end_where_they_end)
{
    check_number("1.5)", TOKEN_NUMBER, 3);
    check_number("1e-3s", TOKEN_DURATION, 5);
    check_number("1e3+2", TOKEN_NUMBER, 3);
    check_number("0x1F]", TOKEN_NUMBER, 4);
    check_number("1h30m:", TOKEN_DURATION, 5);
    check_number("10KB ", TOKEN_DURATION, 4);
    check_number(".", TOKEN_NUMBER_NONE, 0);
}

TEST(number_values_take_every_spelling)
{
    static const struct {
        const char *text;
        double v;
    } good[] = { { "0x1f", 31 }, { "1_000", 1000 }, { "1e3", 1000 }, { ".5", 0.5 }, { "2.", 2 }, { "010", 8 }, { "09", 9 } };
    double v;
    for (size_t i = 0; i < COUNT_OF(good); i++) {
        CHECK(token_number_parse(slice_str(good[i].text), &v));
        CHECK_NEAR(v, good[i].v, 0);
    }
    CHECK(!token_number_parse(SLICE("1__0"), &v) && !token_number_parse(SLICE("1_"), &v) && !token_number_parse(SLICE("1.2.3"), &v));
}

TEST(places_count_lines_and_bytes)
{
    struct token_place p = token_place_of(SLICE("ab\ncd"), 4);
    CHECK(p.line == 2 && p.column == 2);
    p = token_place_of(SLICE("ab"), 99);
    CHECK(p.line == 1 && p.column == 3);
}
