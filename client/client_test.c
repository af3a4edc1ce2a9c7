/* SPDX-License-Identifier: Apache-2.0 */
#include "client/stoa.h"

#include <stdio.h>
#include <stdlib.h>

#include "base/unit.h"
#include "base/utf8.h"

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
    struct stoa_logger *l = stoa_logger_new("shop", STOA_LOG_JSON, keep_line, line);
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

TEST(log_record_in_logfmt_is_one_line_with_the_ids_of_its_span)
{
    char line[512] = "", *json = NULL;
    struct stoa_tracer *t = stoa_tracer_new("shop", keep_span, &json);
    struct stoa_logger *l = stoa_logger_new("shop", STOA_LOG_LOGFMT, keep_line, line);
    struct stoa_span *s = stoa_span_start(t, "pay", NULL, STOA_SPAN_SERVER);
    CHECK_INT(stoa_span_traceparent(s, "00-0123456789abcdef0123456789abcdef-0011223344556677-01"), 0);
    stoa_log(l, STOA_WARNING, s, "no \"money\"\n", (const char *[]){ "order", "7 \"x\"\n", NULL });
    struct slice text = slice_str(line);
    CHECK(slice_starts(text, SLICE("time=2")));
    CHECK(slice_contains(text, SLICE("Z level=warning msg=\"no \\\"money\\\" \" service=\"shop\" order=\"7 \\\"x\\\" \" "
                                     "trace_id=\"0123456789abcdef0123456789abcdef\" span_id=")));
    CHECK_INT(slice_find_char(text, '\n', 0), text.len - 1);
    stoa_span_cancel(s);
    stoa_logger_free(l);
    stoa_tracer_free(t);
}

TEST(log_line_is_cut_between_characters_and_still_ends)
{
    char line[STOA_LOG_LINE_BYTES_MAX], text[6001], small[4];
    for (int i = 0; i < 3000; i++)
        memcpy(text + 2 * i, "\xc3\xa9", 2);
    text[6000] = 0;
    for (int shift = 0; shift < 2; shift++) {
        size_t n = stoa_log_line(line, 0, STOA_INFO, text + 2, shift ? "a=1" : text);
        CHECK(n <= sizeof line && line[n - 1] == '\n');
        CHECK(utf8_is_valid(slice_of(line, n)));
        n = stoa_log_line(line, -1, STOA_INFO, shift ? "x" : "", text);
        CHECK(utf8_is_valid(slice_of(line, n)) && slice_starts(slice_of(line, n), SLICE("time=1969-12-31T23:59:59.999Z level=info")));
    }
    CHECK_INT(stoa_log_clean(small, sizeof small, text), 2);
    CHECK_STR(slice_str(small), "\xc3\xa9");
}

TEST(metrics_values_with_odd_bytes_do_not_break_the_page)
{
    char wide[2001];
    for (int i = 0; i < 1000; i++)
        memcpy(wide + 2 * i, "\xc3\xa9", 2);
    wide[2000] = 0;
    struct stoa_metrics *m = stoa_metrics_new();
    struct stoa_family *f = stoa_gauge(m, "g", "G.", 2, (const char *[]){ "a", "b" });
    stoa_set(f, 1, (const char *[]){ "x\001y", "z" });
    stoa_set(f, 2, (const char *[]){ wide, "" });
    stoa_set(f, 3, (const char *[]){ "o", wide });
    char *page = stoa_metrics_text(m, NULL);
    CHECK(slice_contains(slice_str(page), SLICE("g{a=\"x y\",b=\"z\"} 1\n")));
    CHECK(utf8_is_valid(slice_str(page)));
    free(page);
    stoa_metrics_free(m);
}

TEST(histogram_asked_for_again_keeps_its_first_bounds)
{
    struct stoa_metrics *m = stoa_metrics_new();
    struct stoa_family *f = stoa_histogram(m, "h", "H.", 0, NULL, 0, NULL);
    stoa_observe(f, 1, NULL);
    CHECK(stoa_histogram(m, "h", "H.", 3, (double[]){ 1, 2, 3 }, 0, NULL) == f);
    stoa_observe(f, 9, NULL);
    char *page = stoa_metrics_text(m, NULL);
    CHECK(slice_contains(slice_str(page), SLICE("h_bucket{le=\"+Inf\"} 2\n")));
    CHECK(!slice_contains(slice_str(page), SLICE("le=\"3\"")));
    free(page);
    stoa_metrics_free(m);
}

TEST(malformed_traceparent_changes_nothing)
{
    char *json = NULL;
    struct stoa_tracer *t = stoa_tracer_new("shop", keep_span, &json);
    struct stoa_span *s = stoa_span_start(t, "pay", NULL, STOA_SPAN_SERVER);
    static const char *const malformed[] = {
        "00-xyz",
        "00-00000000000000000000000000000000-0011223344556677-01",
        "00-0123456789abcdef0123456789abcdef-0000000000000000-01",
        "ff-0123456789abcdef0123456789abcdef-0011223344556677-01",
        "zz-0123456789abcdef0123456789abcdef-0011223344556677-01",
        "00-0123456789abcdef0123456789abcdef-0011223344556677-0x",
        "00-0123456789abcdef0123456789abcdef-0011223344556677-01-more",
        "01-0123456789abcdef0123456789abcdef-0011223344556677-01more",
    };
    for (size_t i = 0; i < COUNT_OF(malformed); i++)
        CHECK_INT(stoa_span_traceparent(s, malformed[i]), -1);
    CHECK_INT(stoa_span_traceparent(s, "01-0123456789abcdef0123456789abcdef-0011223344556677-01-more"), 0);
    stoa_span_cancel(s);
    stoa_tracer_free(t);
}
