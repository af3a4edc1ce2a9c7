/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/delta.h"

#include "base/unit.h"
#include "model/histogram.h"
#include "model/labels.h"

enum { T_MS = 1000 * 1000 };

static void add(struct batch *b, const char *labels, int64_t from_ms, int64_t t_ms, double v)
{
    struct slice series;
    CHECK_INT(labels_parse(b->arena, slice_str(labels), &series, NULL), ST_OK);
    batch_series(b, series);
    b->series[b->series_count - 1].delta_from_ms = from_ms;
    if (is_histogram(v))
        batch_histogram(b, t_ms, histogram_unbox(v));
    else
        batch_sample(b, t_ms, v);
}

static double one_bucket(struct arena *a, double count)
{
    struct histogram *h = arena_new_of(a, struct histogram);
    h->count = count;
    h->sum = count;
    h->positive = (struct histogram_side){ arena_new_of(a, struct histogram_span), arena_new_of(a, double), 1, 1 };
    h->positive.spans[0] = (struct histogram_span){ 1, 1 };
    h->positive.buckets[0] = count;
    return histogram_box(h);
}

/* A batch of one delta through d: the sample that came out of it; the batch is the caller's. */
static struct batch *run_one(struct delta *d, const char *labels, int64_t from_ms, int64_t t_ms, double v, struct ingest_result *result)
{
    struct batch *b = batch_new(0);
    b->received_ns = t_ms * NS_MS;
    add(b, labels, from_ms, t_ms, v);
    result->kinds[INGEST_SAMPLES].accepted++;
    delta_run(d, b, result);
    return b;
}

TEST(delta_sums_become_totals_that_begin_with_zero_at_the_start)
{
    struct delta *d = delta_new(10, NULL);
    struct ingest_result result = { 0 };
    struct batch *b = run_one(d, "{__name__=\"x_total\"}", T_MS - 1000, T_MS, 3, &result);
    CHECK_INT(b->series_count, 2);
    CHECK(b->samples[0].t_ms == T_MS && b->samples[0].v == 3);
    CHECK(b->samples[1].t_ms == T_MS - 1000 && b->samples[1].v == 0);
    CHECK_INT(b->series[0].delta_from_ms, 0);
    batch_drop(b);
    b = run_one(d, "{__name__=\"x_total\"}", T_MS, T_MS + 1000, 4, &result);
    CHECK_INT(b->series_count, 1);
    CHECK(b->samples[0].v == 7);
    batch_drop(b);
    CHECK_INT(delta_stats(d).streams, 1);
    delta_free(d);
}

TEST(delta_that_comes_again_adds_nothing_and_an_older_one_is_refused)
{
    struct delta *d = delta_new(10, NULL);
    struct ingest_result result = { 0 };
    batch_drop(run_one(d, "{__name__=\"x_total\"}", -1, T_MS, 3, &result));
    struct batch *b = run_one(d, "{__name__=\"x_total\"}", -1, T_MS, 3, &result);
    CHECK(b->sample_count == 1 && b->samples[0].v == 3);
    batch_drop(b);
    b = run_one(d, "{__name__=\"x_total\"}", -1, T_MS - 500, 9, &result);
    CHECK_INT(b->series_count, 0);
    CHECK_INT(result.kinds[INGEST_SAMPLES].rejected, 1);
    CHECK(slice_contains(slice_str(result.kinds[INGEST_SAMPLES].first.text), SLICE("x_total")));
    batch_drop(b);
    delta_free(d);
}

TEST(delta_streams_over_the_limit_are_refused_until_others_rest)
{
    struct delta *d = delta_new(1, NULL);
    struct ingest_result result = { 0 };
    batch_drop(run_one(d, "{__name__=\"a_total\"}", -1, T_MS, 1, &result));
    struct batch *b = run_one(d, "{__name__=\"b_total\"}", -1, T_MS, 1, &result);
    CHECK_INT(b->series_count, 0);
    batch_drop(b);
    CHECK_INT(delta_stats(d).refused_limit, 1);
    b = run_one(d, "{__name__=\"b_total\"}", -1, T_MS + 2 * 3600 * 1000, 5, &result);
    CHECK(b->series_count == 2 && b->samples[0].v == 5);
    batch_drop(b);
    delta_free(d);
}

TEST(delta_histograms_are_added_up_and_other_series_stay_as_they_are)
{
    struct delta *d = delta_new(10, NULL);
    struct ingest_result result = { 0 };
    for (int i = 1; i <= 2; i++) {
        struct batch *b = batch_new(0);
        add(b, "{__name__=\"plain\"}", 0, T_MS, 5);
        add(b, "{__name__=\"h\"}", T_MS + i * 1000 - 1000, T_MS + i * 1000, one_bucket(b->arena, i));
        add(b, "{__name__=\"gone\"}", -1, T_MS, double_of_bits(STALE_NAN_BITS));
        delta_run(d, b, &result);
        CHECK(b->samples[0].v == 5 && is_stale(b->samples[2].v));
        const struct histogram *h = histogram_unbox(b->samples[1].v);
        CHECK(h->count == (i == 1 ? 1 : 3));
        if (i == 1) {
            CHECK_INT(b->series_count, 4);
            CHECK(histogram_unbox(b->samples[3].v)->count == 0 && b->samples[3].t_ms == T_MS);
        }
        batch_drop(b);
    }
    CHECK(delta_stats(d).histogram_bytes > 0);
    delta_free(d);
}

/* A store that knows one series. */
struct store_rig {
    const char *labels;
    struct sample last;
    int asked;
};

static bool rig_read(void *arg, struct slice tenant, struct slice labels, struct arena *a, struct sample *out)
{
    struct store_rig *r = arg;
    struct slice known;
    (void)tenant;
    r->asked++;
    if (labels_parse(a, slice_str(r->labels), &known, NULL) || !slice_eq(known, labels))
        return false;
    *out = r->last;
    return true;
}

TEST(a_stream_goes_on_from_its_last_sample_in_the_store_and_is_asked_for_once)
{
    struct store_rig store = { "{__name__=\"x_total\"}", { T_MS, 10 }, 0 };
    struct last_reader last = { &store, rig_read };
    struct delta *d = delta_new(10, &last);
    struct ingest_result result = { 0 };
    struct batch *b = run_one(d, "{__name__=\"x_total\"}", T_MS - 1000, T_MS, 3, &result); /* it was answered before */
    CHECK(b->series_count == 1 && b->samples[0].v == 10);
    batch_drop(b);
    b = run_one(d, "{__name__=\"x_total\"}", T_MS, T_MS + 1000, 4, &result);
    CHECK(b->series_count == 1 && b->samples[0].v == 14);
    batch_drop(b);
    CHECK_INT(store.asked, 1);
    b = run_one(d, "{__name__=\"y_total\"}", T_MS, T_MS + 1000, 4, &result);
    CHECK(b->series_count == 2 && b->samples[0].v == 4);
    batch_drop(b);
    CHECK_INT(delta_stats(d).restored, 1);
    CHECK_INT(delta_stats(d).repeated, 1);
    delta_free(d);
}

TEST(a_histogram_goes_on_and_a_number_is_no_histograms_past)
{
    struct arena *a = arena_new(0);
    struct store_rig store = { "{__name__=\"h\"}", { T_MS, one_bucket(a, 5) }, 0 };
    struct last_reader last = { &store, rig_read };
    struct delta *d = delta_new(10, &last);
    struct ingest_result result = { 0 };
    struct batch *b = run_one(d, "{__name__=\"h\"}", T_MS, T_MS + 1000, one_bucket(a, 2), &result);
    CHECK_INT(b->series_count, 1);
    CHECK(histogram_unbox(b->samples[0].v)->count == 7);
    batch_drop(b);
    delta_free(d);
    d = delta_new(10, &last);
    b = run_one(d, "{__name__=\"h\"}", T_MS, T_MS + 1000, 2, &result);
    CHECK(b->series_count == 2 && b->samples[0].v == 2);
    batch_drop(b);
    delta_free(d);
    arena_free(a);
}
