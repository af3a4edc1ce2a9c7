/* SPDX-License-Identifier: Apache-2.0 */
#include "base/unit.h"
#include "model/batch.h"
#include "model/histogram.h"

TEST(severity_words_in_any_case_become_numbers)
{
    CHECK_INT(severity_parse(SLICE("INFO")), SEVERITY_INFO);
    CHECK_INT(severity_parse(SLICE(" Warning ")), SEVERITY_WARN);
    CHECK_INT(severity_parse(SLICE("E")), SEVERITY_ERROR);
    CHECK_INT(severity_parse(SLICE("crit")), 22);
    CHECK_INT(severity_parse(SLICE("emerg")), SEVERITY_FATAL);
    CHECK_INT(severity_parse(SLICE("notice")), 10);
    CHECK_INT(severity_parse(SLICE("WARN3")), 15);
    CHECK_INT(severity_parse(SLICE("50")), SEVERITY_UNKNOWN);
    CHECK_INT(severity_parse(SLICE_EMPTY), SEVERITY_UNKNOWN);
    CHECK_INT(severity_parse(SLICE("warehouse")), SEVERITY_UNKNOWN);
}

TEST(severity_numbers_have_lokis_words)
{
    static const char *const words[] = { "unknown", "trace", "trace", "trace", "trace", "debug", "debug", "debug", "debug",
                                         "info",    "info",  "info",  "info",  "warn",  "warn",  "warn",  "warn",  "error",
                                         "error",   "error", "error", "fatal", "critical", "fatal", "fatal", "unknown" };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        CHECK_STR(severity_name((uint8_t)i), words[i]);
}

TEST(severity_is_found_in_a_line_where_it_looks_like_one)
{
    static const struct {
        const char *line;
        uint8_t severity;
    } lines[] = {
        { "{\"ts\":1,\"level\":\"warn\",\"msg\":\"ERROR in text\"}", SEVERITY_WARN },
        { "{\"level\":50,\"msg\":\"x\"}", SEVERITY_ERROR },
        { "ts=1 level=debug msg=\"an ERROR\"", SEVERITY_DEBUG },
        { "sublevel=debug [error] x", SEVERITY_ERROR },
        { "ERROR [auth-service] login failed", SEVERITY_ERROR },
        { "npm warning: old", SEVERITY_WARN },
        { "the error of the day was small", SEVERITY_UNKNOWN },
        { "GET /error/INFO-x 200", SEVERITY_UNKNOWN },
        { "kernel: panic", SEVERITY_UNKNOWN },
        { "", SEVERITY_UNKNOWN },
    };
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        if (severity_detect(slice_str(lines[i].line)) != lines[i].severity)
            unit_fail(__FILE__, __LINE__, lines[i].line);
    CHECK_INT(severity_of_syslog(3), SEVERITY_ERROR);
    CHECK_INT(severity_of_syslog(8), SEVERITY_UNKNOWN);
}

TEST(service_comes_from_the_first_label_that_names_one)
{
    struct arena *a = arena_new(0);
    struct slice labels;
    CHECK_INT(labels_parse(a, SLICE("{job=\"j\", container=\"c\", app=\"a\"}"), &labels, NULL), ST_OK);
    CHECK_STR(service_of_labels(labels), "a");
    CHECK_INT(labels_parse(a, SLICE("{filename=\"f\", job=\"j\"}"), &labels, NULL), ST_OK);
    CHECK_STR(service_of_labels(labels), "j");
    CHECK_STR(service_of_labels(SLICE_EMPTY), "");
    arena_free(a);
}

TEST(event_field_prefers_the_record_to_the_resource)
{
    struct field fields[] = {
        { .scope = SCOPE_INSTRUMENTATION, .type = FIELD_STRING, .name = SLICE("k"), .text = SLICE("scope") },
        { .scope = SCOPE_RESOURCE, .type = FIELD_STRING, .name = SLICE("k"), .text = SLICE("resource") },
        { .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = SLICE("k"), .text = SLICE("record") },
    };
    struct event e = { .fields = fields, .field_count = 3 };
    CHECK_STR(event_field(&e, SLICE("k"))->text, "record");
    e.field_count = 2;
    CHECK_STR(event_field(&e, SLICE("k"))->text, "resource");
    CHECK(event_field(&e, SLICE("other")) == NULL);
    CHECK(!event_has_trace(&e));
    e.trace_id[15] = 1;
    CHECK(event_has_trace(&e));
}

TEST(field_text_is_exact)
{
    struct arena *a = arena_new(0);
    CHECK_STR(field_text(a, &(struct field){ .type = FIELD_INT, .i = INT64_MIN }), "-9223372036854775808");
    CHECK_STR(field_text(a, &(struct field){ .type = FIELD_DOUBLE, .d = 0.1 }), "0.1");
    CHECK_STR(field_text(a, &(struct field){ .type = FIELD_BOOL, .i = 1 }), "true");
    CHECK_STR(field_text(a, &(struct field){ .type = FIELD_BYTES, .text = SLICE("\x00\xab") }), "00ab");
    CHECK_STR(field_text(a, &(struct field){ .type = FIELD_JSON, .text = SLICE("[1]") }), "[1]");
    arena_free(a);
}

TEST(batch_keeps_samples_beside_their_series)
{
    struct batch *b = batch_new(0);
    for (int s = 0; s < 100; s++) {
        batch_series(b, arena_printf(b->arena, "%c%c", 1, s));
        for (int i = 0; i < s % 3; i++)
            batch_sample(b, i, s);
    }
    batch_event(b)->time_ns = 5;
    CHECK_INT(b->series_count, 100);
    CHECK_INT(b->series[50].count, 2);
    CHECK_NEAR(b->samples[b->series[50].first].v, 50, 0);
    CHECK_INT(batch_rows(b), 99 + 1);
    CHECK_NEAR(b->events[0].weight, 1, 0);
    CHECK_STR(b->tenant, "default");
    batch_metadata(b, SLICE("up"), METRIC_GAUGE, SLICE_EMPTY, SLICE_EMPTY);
    CHECK_STR(slice_str(metric_type_name(b->metadata[0].type)), "gauge");
    struct batch *again = batch_take(b);
    batch_drop(b);
    CHECK_INT(again->series_count, 100);
    batch_drop(again);
    batch_drop(NULL);
}

TEST(tenant_names_are_narrow)
{
    CHECK(tenant_is_valid(SLICE("team-a.1_b")));
    CHECK(!tenant_is_valid(SLICE("")) && !tenant_is_valid(SLICE("a|b")) && !tenant_is_valid(SLICE("a/b")));
}

TEST(the_sum_of_a_histogram_that_comes_in_is_never_taken_for_a_histogram)
{
    struct batch *b = batch_new(0);
    struct histogram h = { .count = 1, .zero_count = 1, .sum = double_of_bits(HISTOGRAM_TAG << 48 | 0x1234) }, *back;
    struct buf bytes;
    buf_init(&bytes, 0);
    batch_series(b, SLICE("x"));
    batch_histogram(b, 1, &h);
    CHECK(is_histogram(b->samples[0].v));
    double sum = histogram_unbox(b->samples[0].v)->sum;
    CHECK(sum != sum && !is_histogram(sum));
    histogram_write(&bytes, &h);
    struct reader r = reader_of(buf_as_slice(&bytes));
    CHECK(histogram_read(&r, b->arena, &back));
    CHECK(back->sum != back->sum && !is_histogram(back->sum));
    buf_free(&bytes);
    batch_drop(b);
}
