/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/pipeline.h"

#include "base/unit.h"

enum { NOW_S = 1767225600 };

struct fixture {
    struct pipeline *p;
    struct batch *b;
    struct ingest_result result;
    struct err err;
};

static struct fixture fixture_new(const struct pipeline_options *opt)
{
    struct fixture f = { .p = pipeline_new(opt), .b = batch_new(0) };
    f.b->received_ns = NOW_S * NS_S;
    return f;
}

static void fixture_run(struct fixture *f)
{
    f->result.kinds[INGEST_SAMPLES].accepted = f->b->sample_count;
    f->result.kinds[INGEST_LOGS].accepted = f->b->event_count;
    CHECK_INT(pipeline_run(f->p, f->b, &f->result, &f->err), ST_OK);
}

static void fixture_free(struct fixture *f)
{
    pipeline_free(f->p);
    batch_drop(f->b);
}

static struct slice labels(struct fixture *f, const char *text)
{
    struct slice out;
    CHECK_INT(labels_parse(f->b->arena, slice_str(text), &out, NULL), ST_OK);
    return out;
}

static struct event *log_add(struct fixture *f, const char *stream, struct slice body)
{
    struct event *e = batch_event(f->b);
    e->kind = EVENT_LOG;
    e->time_ns = NOW_S * NS_S;
    e->stream = labels(f, stream);
    e->body = body;
    return e;
}

TEST(pipeline_takes_out_samples_at_impossible_times_and_keeps_the_rest)
{
    struct fixture f = fixture_new(NULL);
    int64_t now_ms = (int64_t)NOW_S * 1000, day_ms = 86400000;
    batch_series(f.b, labels(&f, "a"));
    batch_sample(f.b, now_ms, 1);
    batch_series(f.b, labels(&f, "b"));
    batch_sample(f.b, -1, 2);
    batch_series(f.b, labels(&f, "c"));
    batch_sample(f.b, now_ms + day_ms + 1, 3);
    batch_sample(f.b, now_ms + day_ms, 4);
    batch_sample(f.b, 0, 5);
    batch_series(f.b, labels(&f, "d"));
    batch_sample(f.b, now_ms, 6);
    fixture_run(&f);
    CHECK_INT(f.b->series_count, 3);
    CHECK_INT(f.b->sample_count, 4);
    CHECK_INT(f.b->series[1].count, 2);
    CHECK_NEAR(f.b->samples[f.b->series[1].first].v, 4, 0);
    CHECK_NEAR(f.b->samples[f.b->series[2].first].v, 6, 0);
    CHECK_INT(f.result.kinds[INGEST_SAMPLES].accepted, 4);
    CHECK_INT(f.result.kinds[INGEST_SAMPLES].rejected, 2);
    CHECK_STR(slice_str(f.result.kinds[INGEST_SAMPLES].first.text), "series b: time -1 ms lies before 1970");
    CHECK_INT(pipeline_count(f.p, PIPELINE_SAMPLE_TIME), 2);
    fixture_free(&f);
}

TEST(pipeline_refuses_series_over_a_configured_number_of_labels)
{
    struct pipeline_options opt = pipeline_options_default();
    opt.labels_max = 2;
    struct fixture f = fixture_new(&opt);
    batch_series(f.b, labels(&f, "a{x=\"1\",y=\"2\"}"));
    batch_sample(f.b, 1, 1);
    batch_series(f.b, labels(&f, "a{x=\"1\"}"));
    batch_sample(f.b, 1, 1);
    fixture_run(&f);
    CHECK_INT(f.b->series_count, 1);
    CHECK_STR(slice_str(f.result.kinds[INGEST_SAMPLES].first.text), "series a{x=\"1\",y=\"2\"} has 3 labels, at most 2 are allowed");
    fixture_free(&f);
}

TEST(pipeline_cuts_long_lines_at_a_character_with_a_mark)
{
    struct pipeline_options opt = pipeline_options_default();
    opt.body_bytes_max = 16;
    struct fixture f = fixture_new(&opt);
    log_add(&f, "{app=\"a\"}", SLICE("exactly 16 bytes"));
    struct event *e = log_add(&f, "{app=\"a\"}", SLICE("twelve byte\xc3\xa4 and more"));
    struct field fields[] = { { .type = FIELD_JSON, .name = SLICE("j"), .text = SLICE("[\"a long list\",1]") },
                              { .type = FIELD_STRING, .name = SLICE_EMPTY, .text = SLICE("x") } };
    e->fields = fields;
    e->field_count = 2;
    fixture_run(&f);
    CHECK_STR(f.b->events[0].body, "exactly 16 bytes");
    CHECK_STR(f.b->events[1].body, "twelve byte\xc3\xa4\xe2\x80\xa6");
    CHECK_INT(f.b->events[1].field_count, 1);
    CHECK_INT(f.b->events[1].fields[0].type, FIELD_STRING);
    CHECK_STR(f.b->events[1].fields[0].text, "[\"a long list\xe2\x80\xa6");
    CHECK_INT(f.result.warnings, 3);
    CHECK_INT(f.result.kinds[INGEST_LOGS].accepted, 2);
    CHECK_INT(pipeline_count(f.p, PIPELINE_BODY_CUT), 1);
    fixture_free(&f);
}

TEST(pipeline_keeps_lines_with_a_broken_clock_and_refuses_such_spans)
{
    struct fixture f = fixture_new(NULL);
    log_add(&f, "{app=\"a\"}", SLICE("from the future"))->time_ns = (NOW_S + 2 * 86400) * NS_S;
    struct event *span = batch_event(f.b);
    span->kind = EVENT_SPAN;
    span->time_ns = -5;
    span->body = SLICE("op");
    fixture_run(&f);
    CHECK_INT(f.b->event_count, 1);
    CHECK_INT(f.b->events[0].time_ns, NOW_S * NS_S);
    CHECK_INT(f.result.kinds[INGEST_SPANS].rejected, 1);
    CHECK_STR(slice_str(f.result.kinds[INGEST_SPANS].first.text), "span \"op\": start -5 ns lies before 1970");
    CHECK_INT(pipeline_count(f.p, PIPELINE_LOG_TIME), 1);
    CHECK_INT(pipeline_count(f.p, PIPELINE_SPAN_TIME), 1);
    fixture_free(&f);
}

TEST(pipeline_refuses_records_with_too_many_fields_by_name)
{
    struct fixture f = fixture_new(NULL);
    struct event *e = log_add(&f, "{app=\"a\"}", SLICE("wide"));
    e->fields = arena_zalloc(f.b->arena, (EVENT_FIELDS_MAX + 1) * sizeof *e->fields);
    e->field_count = EVENT_FIELDS_MAX + 1;
    log_add(&f, "{app=\"a\"}", SLICE("narrow"));
    fixture_run(&f);
    CHECK_INT(f.b->event_count, 1);
    CHECK_STR(f.b->events[0].body, "narrow");
    CHECK_STR(slice_str(f.result.kinds[INGEST_LOGS].first.text), "record \"wide\" has 513 fields, at most 512 are allowed");
    fixture_free(&f);
}

TEST(pipeline_finds_service_and_severity_when_nobody_gave_them)
{
    struct fixture f = fixture_new(NULL);
    log_add(&f, "{job=\"j\"}", SLICE("level=error x"));
    log_add(&f, "{filename=\"f\"}", SLICE("quiet"));
    struct event *e = log_add(&f, "{filename=\"f\"}", SLICE("[WARN] w"));
    struct field field = { .scope = SCOPE_RESOURCE, .type = FIELD_STRING, .name = SLICE("service.name"), .text = SLICE("shop") };
    e->fields = &field;
    e->field_count = 1;
    e = log_add(&f, "{filename=\"f\"}", SLICE("given"));
    e->service = SLICE("svc");
    e->severity = SEVERITY_DEBUG;
    fixture_run(&f);
    CHECK_STR(f.b->events[0].service, "j");
    CHECK_STR(labels_get(f.b->events[0].stream, SLICE("service_name")), "j");
    CHECK_INT(f.b->events[0].severity, SEVERITY_ERROR);
    CHECK_STR(f.b->events[1].service, "unknown_service");
    CHECK_INT(f.b->events[1].severity, SEVERITY_UNKNOWN);
    CHECK_STR(f.b->events[2].service, "shop");
    CHECK_INT(f.b->events[2].severity, SEVERITY_WARN);
    CHECK_STR(labels_get(f.b->events[3].stream, SLICE("service_name")), "svc");
    CHECK_INT(f.b->events[3].severity, SEVERITY_DEBUG);
    CHECK_INT(pipeline_count(f.p, PIPELINE_SEVERITY_DETECTED), 2);
    CHECK_STR(slice_str(pipeline_reason_name(PIPELINE_BODY_CUT)), "body_cut");
    CHECK(pipeline_reason_is_drop(PIPELINE_SPAN_TIME) && !pipeline_reason_is_drop(PIPELINE_BODY_CUT));
    fixture_free(&f);
}
