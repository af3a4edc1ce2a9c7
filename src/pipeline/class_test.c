/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/class.h"

#include "base/unit.h"
#include "pipeline/rules.h"

static const char article[] = "retention_policies:\n"
                              "  debug_logs:\n    retention_days: 7\n    storage: local\n    cost_per_gb: $0.10\n"
                              "  info_logs:\n    retention_days: 30\n    storage: cloud\n    cost_per_gb: $0.50\n"
                              "  error_logs:\n    retention_days: 90\n    storage: cloud\n    cost_per_gb: $0.50\n"
                              "  audit_logs:\n    retention_days: 365\n    storage: archive\n    cost_per_gb: $0.05\n";

struct fixture {
    struct arena *a;
    struct buf warnings;
    struct class_config *classes;
    struct sample_config *samples;
    struct err err;
};

static enum status fixture_read(struct fixture *f, const char *text)
{
    struct yaml_node *root;
    *f = (struct fixture){ .a = arena_new(0) };
    buf_init(&f->warnings, 0);
    enum status st = yaml_parse(f->a, SLICE("f.yml"), slice_str(text), &root, &f->err);
    if (!st)
        st = class_config_read(f->a, root, &f->classes, &f->warnings, &f->err);
    if (!st)
        st = sample_config_read(f->a, root, &f->samples, &f->warnings, &f->err);
    for (size_t i = 0; !st && i < f->classes->count; i++)
        f->classes->list[i].id = (uint16_t)(i + 1);
    return st;
}

static void fixture_free(struct fixture *f)
{
    buf_free(&f->warnings);
    arena_free(f->a);
}

/* The name of the policy an event takes; "" for none. */
static struct slice taken(const struct fixture *f, const struct pipeline_rules *r, const struct event *e)
{
    uint16_t id = class_of_event(r->classes, e, f->a);
    return id ? f->classes->list[id - 1].name : SLICE_EMPTY;
}

TEST(a_record_takes_the_policy_of_the_highest_level_not_above_its_own)
{
    static const struct {
        uint8_t severity;
        const char *policy;
    } cases[] = { { SEVERITY_TRACE, "debug_logs" }, { SEVERITY_DEBUG, "debug_logs" }, { SEVERITY_UNKNOWN, "info_logs" },
                  { SEVERITY_INFO, "info_logs" },
                  { SEVERITY_WARN, "info_logs" },   { SEVERITY_ERROR, "error_logs" }, { SEVERITY_FATAL, "error_logs" },  { 22, "error_logs" } };
    struct fixture f;
    CHECK_INT(fixture_read(&f, article), ST_OK);
    struct pipeline_rules *r = pipeline_rules_new(f.classes, f.samples);
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct event e = { .kind = EVENT_LOG, .severity = cases[i].severity, .stream = SLICE_EMPTY, .body = SLICE_EMPTY };
        CHECK(slice_eq(taken(&f, r, &e), slice_str(cases[i].policy)));
    }
    struct event span = { .kind = EVENT_SPAN, .severity = SEVERITY_ERROR, .stream = SLICE_EMPTY, .body = SLICE_EMPTY };
    CHECK_INT(taken(&f, r, &span).len, 0);
    snap_drop(&r->snap);
    fixture_free(&f);
}

TEST(records_that_say_they_are_audit_records_take_audit_logs)
{
    struct fixture f;
    CHECK_INT(fixture_read(&f, article), ST_OK);
    struct pipeline_rules *r = pipeline_rules_new(f.classes, f.samples);
    struct field type = { .name = SLICE("log_type"), .text = SLICE("audit") }, flag = { .type = FIELD_BOOL, .name = SLICE("audit"), .i = 1 };
    struct event list[] = { { .kind = EVENT_AUDIT, .body = SLICE_EMPTY },
                            { .kind = EVENT_LOG, .body = SLICE_EMPTY, .fields = &type, .field_count = 1 },
                            { .kind = EVENT_LOG, .body = SLICE_EMPTY, .fields = &flag, .field_count = 1 },
                            { .kind = EVENT_LOG, .body = SLICE("{\"log_type\": \"audit\"}") },
                            { .kind = EVENT_LOG, .body = SLICE("audit=true user=a") } };
    for (size_t i = 0; i < COUNT_OF(list); i++) {
        list[i].stream = SLICE_EMPTY;
        CHECK(slice_eq(taken(&f, r, &list[i]), SLICE("audit_logs")));
    }
    struct event talk = { .kind = EVENT_LOG, .stream = SLICE_EMPTY, .body = SLICE("the audit is over") };
    CHECK(slice_eq(taken(&f, r, &talk), SLICE("info_logs")));
    snap_drop(&r->snap);
    fixture_free(&f);
}

TEST(the_articles_prices_and_days_are_read)
{
    struct fixture f;
    CHECK_INT(fixture_read(&f, article), ST_OK);
    CHECK_INT(f.classes->count, 4);
    CHECK(slice_eq(f.classes->currency, SLICE("$")));
    CHECK(f.classes->list[0].cost_per_gb == 0.10 && f.classes->list[3].cost_per_gb == 0.05);
    CHECK_INT(f.classes->list[3].retention_ns / (86400 * NS_S), 365);
    CHECK_INT(f.classes->list[3].storage, CLASS_ARCHIVE);
    fixture_free(&f);
}

TEST(prices_in_two_currencies_are_refused)
{
    struct fixture f;
    CHECK_INT(fixture_read(&f, "retention_policies:\n  logs: {retention_days: 1, cost_per_gb: $1}\n"
                             "  traces: {retention_days: 1, cost_per_gb: 1 EUR}\n"),
              ST_INVALID);
    CHECK(slice_contains(slice_str(f.err.text), SLICE("EUR")));
    fixture_free(&f);
}

/* ---- filters and shares ---- */

static struct event line(struct fixture *f, const char *service, uint8_t severity, int i)
{
    return (struct event){ .kind = EVENT_LOG, .weight = 1, .severity = severity, .stream = SLICE_EMPTY, .service = slice_str(service),
                           .body = arena_printf(f->a, "line %d", i), .time_ns = i };
}

TEST(a_share_keeps_about_its_part_the_same_rows_each_time_and_the_sum_of_weights)
{
    enum { LINES = 20000 };
    struct fixture f;
    CHECK_INT(fixture_read(&f, "sampling: [{service: api, level: debug, keep: 0.25}]"), ST_OK);
    struct pipeline_rules *r = pipeline_rules_new(f.classes, f.samples);
    double weights = 0;
    int kept = 0;
    for (int i = 0; i < LINES; i++) {
        struct event e = line(&f, "api", SEVERITY_DEBUG, i), again = e;
        bool keep = sample_event(r->samples, &e);
        CHECK(keep == sample_event(r->samples, &again));
        kept += keep;
        weights += keep ? e.weight : 0;
    }
    CHECK(kept > LINES / 5 && kept < LINES * 3 / 10);
    CHECK(weights == kept * 4.0);
    struct event error = line(&f, "api", SEVERITY_ERROR, 1), other = line(&f, "web", SEVERITY_DEBUG, 1);
    CHECK(sample_event(r->samples, &error) && error.weight == 1);
    CHECK(sample_event(r->samples, &other) && other.weight == 1);
    snap_drop(&r->snap);
    fixture_free(&f);
}

TEST(a_trace_is_kept_or_dropped_as_a_whole_and_a_smaller_share_is_part_of_a_larger_one)
{
    struct fixture f;
    CHECK_INT(fixture_read(&f, "sampling: [{service: a, signal: traces, keep: 10%}, {service: b, signal: traces, keep: 50%}]"), ST_OK);
    struct pipeline_rules *r = pipeline_rules_new(f.classes, f.samples);
    int both = 0;
    for (int i = 1; i < 2000; i++) {
        struct event a = { .kind = EVENT_SPAN, .weight = 1, .service = SLICE("a"), .stream = SLICE_EMPTY, .body = SLICE("x") }, a2, b;
        memcpy(a.trace_id, &i, sizeof i);
        a2 = b = a;
        a2.body = SLICE("y");
        a2.time_ns = 5;
        b.service = SLICE("b");
        bool keep = sample_event(r->samples, &a);
        CHECK(keep == sample_event(r->samples, &a2));
        bool keep_b = sample_event(r->samples, &b);
        CHECK(!keep || keep_b);
        both += keep;
    }
    CHECK(both > 100);
    snap_drop(&r->snap);
    fixture_free(&f);
}

TEST(counts_of_a_rule_go_on_over_a_reload)
{
    struct fixture f;
    CHECK_INT(fixture_read(&f, "filters: [{name: noise, contains: line}]"), ST_OK);
    struct pipeline_rules *before = pipeline_rules_new(f.classes, f.samples), *after = pipeline_rules_new(f.classes, f.samples);
    struct event e = line(&f, "api", SEVERITY_DEBUG, 1);
    CHECK(!sample_event(before->samples, &e));
    sample_config_continue(after->samples, before->samples);
    CHECK(!sample_event(after->samples, &e));
    CHECK_INT(atomic_load(&after->samples->list[0].dropped), 2);
    snap_drop(&before->snap);
    snap_drop(&after->snap);
    fixture_free(&f);
}
