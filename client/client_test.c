/* SPDX-License-Identifier: Apache-2.0 */
#include "client/stoa.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit.h"

TEST(exposition_has_help_type_and_escaped_labels)
{
    struct stoa_metrics *m = stoa_metrics_new();
    struct stoa_family *f = stoa_counter(m, "requests_total", "Requests\nserved.", 2, (const char *[]){ "method", "path" });
    stoa_add(f, 2, (const char *[]){ "GET", "/a\"b\\" });
    stoa_add(f, 1, (const char *[]){ "GET", "/a\"b\\" });
    size_t n;
    char *text = stoa_metrics_text(m, &n);
    CHECK_STR(slice_of(text, n), "# HELP requests_total Requests\\nserved.\n# TYPE requests_total counter\n"
                                 "requests_total{method=\"GET\",path=\"/a\\\"b\\\\\"} 3\n");
    free(text);
    stoa_metrics_free(m);
}

TEST(histogram_buckets_are_cumulative_and_end_with_inf)
{
    struct stoa_metrics *m = stoa_metrics_new();
    struct stoa_family *f = stoa_histogram(m, "latency_seconds", "Latency.", 2, (double[]){ 0.1, 1 }, 0, NULL);
    stoa_observe(f, 0.1, NULL);
    stoa_observe(f, 0.5, NULL);
    stoa_observe(f, 7, NULL);
    size_t n;
    char *text = stoa_metrics_text(m, &n);
    struct slice s = slice_of(text, n);
    CHECK(slice_contains(s, SLICE("latency_seconds_bucket{le=\"0.1\"} 1\n")));
    CHECK(slice_contains(s, SLICE("latency_seconds_bucket{le=\"1\"} 2\n")));
    CHECK(slice_contains(s, SLICE("latency_seconds_bucket{le=\"+Inf\"} 3\n")));
    CHECK(slice_contains(s, SLICE("latency_seconds_count 3\n")));
    free(text);
    stoa_metrics_free(m);
}

TEST(too_many_children_are_counted_together_under_overflow)
{
    struct stoa_metrics *m = stoa_metrics_new();
    struct stoa_family *f = stoa_counter(m, "c_total", "C.", 1, (const char *[]){ "id" });
    for (int i = 0; i < STOA_CHILDREN_MAX + 10; i++) {
        char id[16];
        snprintf(id, sizeof id, "%d", i);
        stoa_add(f, 1, (const char *[]){ id });
    }
    char *text = stoa_metrics_text(m, NULL);
    CHECK(slice_contains(slice_str(text), SLICE("c_total{id=\"__overflow__\"} 10\n")));
    free(text);
    stoa_metrics_free(m);
}

static void keep_line(void *arg, const char *line, size_t size)
{
    snprintf(arg, 512, "%.*s", (int)size, line);
}

static void keep_span(void *arg, const struct stoa_span_data *span)
{
    char **out = arg;
    *out = stoa_span_otlp_json(span, NULL);
}

TEST(log_record_is_one_json_line_with_the_ids_of_its_span)
{
    char line[512] = "", *json = NULL;
    struct stoa_tracer *t = stoa_tracer_new("shop", keep_span, &json);
    struct stoa_logger *l = stoa_logger_new("shop", keep_line, line);
    struct stoa_span *s = stoa_span_start(t, "pay", NULL, STOA_SPAN_SERVER);
    CHECK_INT(stoa_span_traceparent(s, "00-0123456789abcdef0123456789abcdef-0011223344556677-01"), 0);
    stoa_log(l, STOA_ERROR, s, "no \"money\"", (const char *[]){ "order", "7", NULL });
    struct slice text = slice_str(line);
    CHECK(slice_contains(text, SLICE("\"level\":\"error\",\"service\":\"shop\",\"message\":\"no \\\"money\\\"\",\"order\":\"7\"")));
    CHECK(slice_contains(text, SLICE("\"trace_id\":\"0123456789abcdef0123456789abcdef\"")));
    stoa_span_number(s, "http.response.status_code", 500);
    stoa_span_error(s, "broke");
    stoa_span_end(s);
    CHECK(slice_contains(slice_str(json), SLICE("\"parentSpanId\":\"0011223344556677\"")));
    CHECK(slice_contains(slice_str(json), SLICE("\"status\":{\"code\":2,\"message\":\"broke\"}")));
    free(json);
    stoa_logger_free(l);
    stoa_tracer_free(t);
}

TEST(malformed_traceparent_changes_nothing)
{
    char *json = NULL;
    struct stoa_tracer *t = stoa_tracer_new("shop", keep_span, &json);
    struct stoa_span *s = stoa_span_start(t, "pay", NULL, STOA_SPAN_SERVER);
    CHECK_INT(stoa_span_traceparent(s, "00-xyz"), -1);
    stoa_span_cancel(s);
    stoa_tracer_free(t);
}
