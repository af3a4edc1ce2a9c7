/* SPDX-License-Identifier: Apache-2.0 */
#include "api/prom_json.h"
#include "base/unit.h"

static struct histogram *sample(struct arena *a)
{
    static struct histogram_span spans[] = { { 0, 1 }, { 1, 2 } };
    static double above[] = { 2, 0, 0.5 }, below[] = { 4 };
    struct histogram *h = arena_new_of(a, struct histogram);
    h->count = 7.5;
    h->sum = -1e-9;
    h->zero_count = 1;
    h->zero_threshold = 0.001;
    h->positive = (struct histogram_side){ spans, above, 2, 3 };
    h->negative = (struct histogram_side){ spans, below, 1, 1 };
    return h;
}

static struct slice json_of(struct arena *a, const struct value *v)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, 0);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    prom_json_result(&w, v);
    json_object_end(&w);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

TEST(a_vector_has_a_value_or_a_histogram_a_series)
{
    struct arena *a = arena_new(0);
    int64_t t[] = { 1500 };
    double number[] = { 2 }, boxed[] = { histogram_box(sample(a)) };
    struct value_series list[] = { { SLICE_EMPTY, 1, t, number }, { SLICE_EMPTY, 1, t, boxed } };
    struct value v = { .type = VALUE_VECTOR, .series = list, .series_count = 2 };
    CHECK_STR(json_of(a, &v), "{\"resultType\":\"vector\",\"result\":[{\"metric\":{},\"value\":[1.5,\"2\"]},"
              "{\"metric\":{},\"histogram\":[1.5,{\"count\":\"7.5\",\"sum\":\"-1e-09\",\"buckets\":[[1,\"-1\",\"-0.5\",\"4\"],"
              "[3,\"-0.001\",\"0.001\",\"1\"],[0,\"0.5\",\"1\",\"2\"],[0,\"4\",\"8\",\"0.5\"]]}]}]}");
    arena_free(a);
}

TEST(a_matrix_has_values_and_histograms_of_one_series)
{
    struct arena *a = arena_new(0);
    struct histogram *empty = arena_new_of(a, struct histogram);
    int64_t t[] = { 1000, 2000, 3000 };
    double both[] = { 1, histogram_box(empty), 3 };
    struct value_series list[] = { { SLICE_EMPTY, 3, t, both }, { SLICE_EMPTY, 1, t + 1, both + 1 } };
    struct value v = { .type = VALUE_MATRIX, .series = list, .series_count = 2 };
    CHECK_STR(json_of(a, &v), "{\"resultType\":\"matrix\",\"result\":[{\"metric\":{},\"values\":[[1,\"1\"],[3,\"3\"]],"
              "\"histograms\":[[2,{\"count\":\"0\",\"sum\":\"0\"}]]},{\"metric\":{},\"histograms\":[[2,{\"count\":\"0\",\"sum\":\"0\"}]]}]}");
    arena_free(a);
}
