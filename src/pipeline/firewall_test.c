/* SPDX-License-Identifier: Apache-2.0 */
#include "pipeline/firewall.h"

#include <stdio.h>

#include "base/unit.h"

#define T0 (1800000000 * NS_S)
#define WINDOW (3600 * NS_S)

static struct firewall *with(struct firewall_limits limits)
{
    struct firewall *f = firewall_new();
    struct firewall_config c = { .on = true, .window_ns = WINDOW, .limits = limits };
    firewall_configure(f, &c);
    return f;
}

static struct slice series(struct arena *a, const char *metric, const char *path, int i)
{
    struct label list[] = { { SLICE("__name__"), slice_str(metric) }, { SLICE("job"), SLICE("web") },
                            { SLICE("path"), arena_printf(a, "%s%d", path, i) } };
    struct slice labels;
    struct err err;
    CHECK(labels_build(a, list, COUNT_OF(list), &labels, &err) == ST_OK);
    return labels;
}

struct sent {
    size_t kept;
    uint64_t samples, refused;
    struct ingest_result result;
};

/* from..to with a sample each. */
static struct sent push(struct firewall *f, const char *tenant, const char *metric, int from, int to, int64_t now_ns, bool is_own)
{
    struct batch *b = batch_new(0);
    struct sent s = { 0 };
    b->tenant = slice_str(tenant);
    b->received_ns = now_ns;
    b->is_own = is_own;
    for (int i = from; i < to; i++) {
        batch_series(b, series(b->arena, metric, "/p", i));
        batch_sample(b, now_ns / NS_MS, i);
    }
    s.result.kinds[INGEST_SAMPLES].accepted = b->sample_count;
    s.refused = firewall_batch(f, b, &s.result);
    s.kept = b->series_count;
    s.samples = b->sample_count;
    for (size_t i = 0; i < b->series_count; i++) {
        char want[32];
        snprintf(want, sizeof want, "/p%d", (int)b->samples[b->series[i].first].v);
        CHECK_STR(labels_get(b->series[i].labels, SLICE("path")), want);
    }
    batch_drop(b);
    return s;
}

TEST(new_values_of_a_label_over_its_limit_are_refused_by_name_and_known_series_go_on)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 100 });
    struct sent s = push(f, "default", "http_requests_total", 0, 150, T0, false);
    CHECK_INT(s.kept, 100);
    CHECK_INT(s.samples, 100);
    CHECK_INT(s.refused, 50);
    CHECK_INT(s.result.kinds[INGEST_SAMPLES].accepted, 100);
    CHECK_INT(s.result.kinds[INGEST_SAMPLES].rejected, 50);
    struct slice why = slice_str(s.result.kinds[INGEST_SAMPLES].first.text);
    CHECK(slice_contains(why, SLICE("metric http_requests_total: label path has 100 values in 2h")));
    CHECK(slice_contains(why, SLICE("cardinality.values_per_label of tenant default is 100")));
    CHECK(slice_contains(why, SLICE("path=\"/p100\"")));
    CHECK_INT(s.result.retry_after_s, 0);
    CHECK_INT(push(f, "default", "http_requests_total", 0, 100, T0 + NS_S, false).kept, 100);
    CHECK_INT(push(f, "default", "other_total", 100, 150, T0 + NS_S, false).kept, 50);
    CHECK_INT(push(f, "team_b", "http_requests_total", 100, 150, T0 + NS_S, false).kept, 50);
    firewall_free(f);
}

TEST(metrics_that_take_turns_are_counted_each)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 100 });
    struct arena *a = arena_new(0);
    struct batch *b = batch_new(0);
    struct ingest_result result = { 0 };
    struct firewall_count *c;
    size_t n, found = 0;
    b->received_ns = T0;
    for (int i = 0; i < 40; i++) {
        batch_series(b, series(b->arena, i % 2 ? "a" : "b", "/p", i / 4)); /* a's values are those b has just had */
        batch_sample(b, T0 / NS_MS, 1);
    }
    CHECK_INT(firewall_batch(f, b, &result), 0);
    batch_drop(b);
    firewall_counts(f, NULL, 0, false, 100, a, &c, &n);
    for (size_t i = 0; i < n; i++)
        if (slice_eq(c[i].label, SLICE("path"))) {
            CHECK_INT(c[i].count, 10);
            found++;
        } else if (slice_eq(c[i].label, SLICE("job"))) {
            CHECK_INT(c[i].count, 1);
            found++;
        }
    CHECK_INT(found, 4);
    arena_free(a);
    firewall_free(f);
}

TEST(offenders_are_told_with_label_job_first_sample_and_how_many)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 10 });
    struct arena *a = arena_new(0);
    struct firewall_offender *o;
    size_t n;
    push(f, "default", "m", 0, 30, T0, false);
    push(f, "default", "m", 20, 40, T0 + 60 * NS_S, false);
    firewall_offenders(f, NULL, 0, a, &o, &n);
    CHECK_INT(n, 1);
    CHECK_STR(o[0].metric, "m");
    CHECK_STR(o[0].label, "path");
    CHECK_STR(o[0].job, "web");
    CHECK_INT(o[0].samples, 40);
    CHECK_INT(o[0].different, 30);
    CHECK_INT(o[0].first_sample_ms, T0 / NS_MS);
    CHECK_INT(o[0].last_ms, (T0 + 60 * NS_S) / NS_MS);
    CHECK_INT(o[0].limit, 10);
    CHECK(!o[0].is_folded);
    struct slice other = SLICE("other");
    firewall_offenders(f, &other, 1, a, &o, &n);
    CHECK_INT(n, 0);
    arena_free(a);
    firewall_free(f);
}

TEST(an_example_of_an_offender_holds_no_secret)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 1 });
    struct redactor *r = redactor_new(REDACT_DEFAULT);
    struct arena *a = arena_new(0);
    struct firewall_verdict v;
    struct firewall_offender *o;
    struct slice labels;
    size_t n;
    firewall_set_redactor(f, r);
    CHECK(firewall_scraped(f, SLICE("default"), series(a, "m", "/p", 0), SLICE_EMPTY, T0, &v));
    labels = labels_with(a, series(a, "m", "/p", 1), SLICE("password"), SLICE("hunter2"));
    CHECK(!firewall_scraped(f, SLICE("default"), labels, SLICE_EMPTY, T0, &v));
    firewall_tell_scraped(f, SLICE("default"), labels, 0, T0 / NS_MS, T0, &v, false);
    firewall_offenders(f, NULL, 0, a, &o, &n);
    CHECK_INT(n, 1);
    CHECK(slice_contains(o[0].example, SLICE("/p1")));
    CHECK(!slice_contains(o[0].example, SLICE("hunter2")));
    arena_free(a);
    firewall_free(f);
    redactor_free(r);
}

TEST(a_metric_has_a_limit_and_a_tenant_has_one_that_may_be_tried_again_later)
{
    struct firewall *f = with((struct firewall_limits){ .series_per_metric = 20 });
    struct sent s = push(f, "default", "m", 0, 30, T0, false);
    CHECK_INT(s.kept, 20);
    CHECK(slice_contains(slice_str(s.result.kinds[INGEST_SAMPLES].first.text), SLICE("metric m has 20 series")));
    firewall_free(f);
    f = with((struct firewall_limits){ .series = 20 });
    push(f, "default", "a", 0, 15, T0, false);
    s = push(f, "default", "b", 0, 15, T0 + 3590 * NS_S, false);
    CHECK_INT(s.kept, 5);
    CHECK(slice_contains(slice_str(s.result.kinds[INGEST_SAMPLES].first.text), SLICE("cardinality.series_per_tenant is 20")));
    CHECK_INT(s.result.retry_after_s, 11);
    firewall_free(f);
}

TEST(what_is_gone_for_two_windows_makes_room_and_what_lives_stays)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 100 });
    CHECK_INT(push(f, "default", "m", 0, 100, T0, false).kept, 100);
    CHECK_INT(push(f, "default", "m", 0, 50, T0 + WINDOW, false).kept, 50);
    CHECK_INT(push(f, "default", "m", 100, 150, T0 + WINDOW, false).kept, 0);
    CHECK_INT(push(f, "default", "m", 0, 50, T0 + 2 * WINDOW, false).kept, 50);
    CHECK_INT(push(f, "default", "m", 100, 160, T0 + 2 * WINDOW, false).kept, 50);
    CHECK_INT(push(f, "default", "m", 0, 50, T0 + 3 * WINDOW, false).kept, 50);
    firewall_free(f);
}

TEST(what_we_make_ourselves_is_counted_and_never_refused)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 10, .series = 10, .series_per_metric = 10 });
    CHECK_INT(push(f, "default", "m", 0, 30, T0, true).kept, 30);
    CHECK_INT(push(f, "default", "m", 30, 31, T0, false).kept, 0);
    CHECK_INT(push(f, "default", "m", 0, 30, T0, false).kept, 30);
    firewall_free(f);
}

TEST(series_that_the_store_had_are_learnt_and_accepted)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 10 });
    struct arena *a = arena_new(0);
    for (int i = 0; i < 25; i++)
        firewall_learn(f, SLICE("default"), series(a, "m", "/p", i), T0);
    CHECK_INT(push(f, "default", "m", 0, 40, T0, false).kept, 25);
    arena_free(a);
    firewall_free(f);
}

TEST(a_scraped_series_over_a_limit_says_which_label_folds_and_the_target_s_own_do_not)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 10 });
    struct firewall_verdict v = { 0 };
    struct arena *a = arena_new(0);
    struct label own = { SLICE("job"), SLICE("web") };
    struct slice fixed, t = SLICE("default");
    struct err err;
    CHECK(labels_build(a, &own, 1, &fixed, &err) == ST_OK);
    for (int i = 0; i < 10; i++)
        CHECK(firewall_scraped(f, t, series(a, "m", "/p", i), fixed, T0, &v));
    CHECK(!firewall_scraped(f, t, series(a, "m", "/p", 10), fixed, T0, &v));
    CHECK_STR(v.label, "path");
    CHECK_INT(v.limit, 10);
    CHECK(firewall_scraped(f, t, labels_with(a, series(a, "m", "/p", 10), SLICE("path"), OVERFLOW_VALUE), fixed, T0, &v));
    CHECK(firewall_scraped(f, t, series(a, "m", "/p", 3), fixed, T0, &v));
    firewall_free(f);
    f = with((struct firewall_limits){ .series = 5 });
    for (int i = 0; i < 5; i++)
        CHECK(firewall_scraped(f, t, series(a, "m", "/p", i), fixed, T0, &v));
    struct slice folded = labels_with(a, series(a, "m", "/p", 0), SLICE("path"), OVERFLOW_VALUE);
    CHECK(!firewall_scraped(f, t, folded, fixed, T0, &v)); /* nothing is left to fold, and the tenant is full */
    CHECK_INT(v.label.len, 0);
    CHECK_INT(v.reason, FIREWALL_TENANT);
    arena_free(a);
    firewall_free(f);
}

TEST(a_million_new_series_over_a_limit_take_no_memory)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 1000, .series = 5000 });
    struct firewall_stats before, after;
    push(f, "default", "m", 0, 10000, T0, false);
    firewall_stats(f, &before);
    size_t kept = 0;
    for (int i = 0; i < 50; i++)
        kept += push(f, "default", "m", 10000 + 20000 * i, 10000 + 20000 * (i + 1), T0, false).kept;
    CHECK(kept < 10); /* a value whose 31 bits are those of a known one is let in: half of one in a million */
    firewall_stats(f, &after);
    CHECK(after.bytes < before.bytes + 32 * KIB);
    CHECK_NEAR((double)after.refused[FIREWALL_LABEL], 1009000, 100);
    firewall_free(f);
}

TEST(a_sketch_s_count_limits_as_well_as_an_exact_one)
{
    struct firewall *f = with((struct firewall_limits){ .series_per_metric = 20000 });
    size_t kept = 0;
    for (int i = 0; i < 10; i++)
        kept += push(f, "default", "m", 4000 * i, 4000 * (i + 1), T0, false).kept;
    CHECK_NEAR((double)kept, 20000, 20000 * 0.065);
    firewall_free(f);
}

TEST(a_tenant_that_sends_too_fast_is_told_when_to_come_again)
{
    struct firewall *f = with((struct firewall_limits){ .samples_per_second = 100 });
    uint32_t retry_s = 0;
    struct err err;
    struct slice t = SLICE("default");
    CHECK(firewall_rate_allows(f, t, T0, &retry_s, &err));
    firewall_rate_take(f, t, 1500, T0); /* 1000 were saved up */
    CHECK(!firewall_rate_allows(f, t, T0, &retry_s, &err));
    CHECK_INT(retry_s, 6);
    CHECK(slice_contains(slice_str(err.text), SLICE("cardinality.samples_per_second = 100")));
    CHECK(firewall_rate_allows(f, SLICE("other"), T0, &retry_s, &err));
    CHECK(!firewall_rate_allows(f, t, T0 + 4 * NS_S, &retry_s, &err));
    CHECK(firewall_rate_allows(f, t, T0 + 6 * NS_S, &retry_s, &err));
    firewall_free(f);
}

TEST(counts_near_their_limits_come_first)
{
    struct firewall *f = with((struct firewall_limits){ .values_per_label = 100, .series_per_metric = 10000 });
    struct arena *a = arena_new(0);
    struct firewall_count *c;
    struct firewall_stats stats;
    size_t n;
    push(f, "default", "small", 0, 5, T0, false);
    push(f, "default", "large", 0, 90, T0, false);
    firewall_counts(f, NULL, 0, true, 2, a, &c, &n);
    CHECK_INT(n, 2);
    CHECK_STR(c[0].metric, "large");
    CHECK_STR(c[0].label, "path");
    CHECK_INT(c[0].count, 90);
    CHECK_INT(c[0].limit, 100);
    firewall_stats(f, &stats);
    CHECK_INT(stats.near, 1);
    firewall_counts(f, NULL, 0, false, 1, a, &c, &n);
    CHECK_INT(c[0].count, 95); /* the tenant */
    arena_free(a);
    firewall_free(f);
}

TEST(a_configuration_names_limits_and_overrides_and_an_unknown_key_is_an_error)
{
    static const struct {
        const char *text;
        bool is_good;
    } cases[] = {
        { "cardinality: {window: 30m, values_per_label: 5, samples_per_second: 100, tenants: {a: {values_per_label: 7}}}", true },
        { "", true },
        { "cardinality: {values: 5}", false },
        { "cardinality: {window: 1s}", false },
        { "cardinality: {values_per_label: -1}", false },
        { "cardinality: {tenants: {a: {window: 1h}}}", false },
        { "cardinality: {tenants: {'a b': {values_per_label: 7}}}", false },
    };
    for (size_t i = 0; i < COUNT_OF(cases); i++) {
        struct arena *a = arena_new(0);
        struct yaml_node *root;
        struct firewall_config *c = NULL;
        struct err err;
        CHECK(yaml_parse(a, SLICE("t.yml"), slice_str(cases[i].text), &root, &err) == ST_OK);
        CHECK((firewall_config_read(a, root, &c, &err) == ST_OK) == cases[i].is_good);
        if (i == 0) {
            CHECK_INT(c->window_ns, 1800 * NS_S);
            CHECK_INT(c->limits.values_per_label, 5);
            CHECK_INT(c->tenants[0].limits.values_per_label, 7);
            CHECK_INT(c->tenants[0].limits.samples_per_second, 100);
        }
        arena_free(a);
    }
}

TEST(a_clock_that_was_ahead_for_a_while_stops_no_window)
{
    struct firewall *f = with((struct firewall_limits){ .series_per_metric = 10 });
    const int64_t year = 365 * 24 * WINDOW;
    CHECK_INT(push(f, "default", "up", 0, 1, T0 + year, false).kept, 1);
    CHECK_INT(push(f, "default", "up", 0, 20, T0, false).kept, 10);
    CHECK_INT(push(f, "default", "up", 10, 20, T0 + WINDOW / 2, false).kept, 0);
    (void)push(f, "default", "other", 0, 1, T0 + WINDOW, false);
    (void)push(f, "default", "other", 0, 1, T0 + 2 * WINDOW, false);
    CHECK_INT(push(f, "default", "up", 10, 20, T0 + 3 * WINDOW, false).kept, 10);
    firewall_free(f);
}
