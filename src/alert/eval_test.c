/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_fake.h"
#include "base/unit.h"

#define RULE_START "groups:\n- name: g\n  interval: 1m\n  rules:\n  - alert: A\n    expr: x > 1\n"
#define MINUTE     (60 * NS_S)
#define AT         (1700000000 * NS_S)

/* A minute passes and the groups that are due are evaluated. */
static void minutes(struct fake *f, struct alert_eval *e, int n)
{
    for (int i = 0; i < n; i++) {
        clock_sim_advance(f->clock, MINUTE);
        alert_eval_step(e);
    }
}

static void samples_are(struct fake *f, const char *want)
{
    CHECK_STR(buf_as_slice(&f->samples), want);
    buf_reset(&f->samples);
}

static void handed_is(struct fake *f, const char *want)
{
    CHECK_STR(buf_as_slice(&f->handed), want);
    buf_reset(&f->handed);
}

static enum alert_state state_of(struct alert_eval *e, struct rule_history *h)
{
    struct arena *a = arena_new(0);
    struct group_view *g;
    size_t n;
    alert_eval_view(e, a, &g, &n);
    enum alert_state s = g[0].rules[0].state;
    if (h)
        *h = g[0].rules[0].history;
    arena_free(a);
    return s;
}

TEST(an_alert_is_pending_then_firing_then_resolved)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START "    for: 2m\n    labels: {severity: page}\n"
                                                                   "    annotations: {summary: \"{{ $labels.job }} is {{ $value }}\"}\n"));
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_INACTIVE);
    fake_answer(&f, "x > 1", "x{job=\"j\"} 3");
    minutes(&f, e, 2);
    CHECK_INT(state_of(e, NULL), ALERT_PENDING);
    handed_is(&f, "");
    CHECK(slice_contains(buf_as_slice(&f.samples), SLICE("ALERTS{alertname=\"A\",alertstate=\"pending\",job=\"j\",severity=\"page\"} 1\n")));
    buf_reset(&f.samples);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    handed_is(&f, "{alertname=\"A\",job=\"j\",severity=\"page\"} {summary=\"j is 3\"} firing\n");
    CHECK(slice_contains(buf_as_slice(&f.samples), SLICE("ALERTS{alertname=\"A\",alertstate=\"pending\",job=\"j\",severity=\"page\"} stale\n")));
    buf_reset(&f.samples);
    fake_answer(&f, "x > 1", "");
    minutes(&f, e, 1);
    handed_is(&f, "{alertname=\"A\",job=\"j\",severity=\"page\"} {summary=\"j is 3\"} resolved\n");
    samples_are(&f, "ALERTS{alertname=\"A\",alertstate=\"firing\",job=\"j\",severity=\"page\"} stale\n"
                    "ALERTS_FOR_STATE{alertname=\"A\",job=\"j\",severity=\"page\"} stale\n");
    minutes(&f, e, 2);
    handed_is(&f, "");
    samples_are(&f, "");
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_gap_in_pending_starts_it_anew)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START "    for: 2m\n"));
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 2);
    fake_answer(&f, "x > 1", "");
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_INACTIVE);
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 2);
    CHECK_INT(state_of(e, NULL), ALERT_PENDING);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(keep_firing_for_bridges_short_gaps_and_ends)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START "    keep_firing_for: 2m\n"));
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 1);
    fake_answer(&f, "x > 1", "");
    minutes(&f, e, 2);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 1);
    fake_answer(&f, "x > 1", "");
    minutes(&f, e, 2);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_INACTIVE);
    alert_eval_stop(e);
    fake_free(&f);
}

/* Without alert_eval_stop: what a kill leaves behind is what is in kv at that moment. */
TEST(firing_survives_a_kill_and_is_not_begun_twice)
{
    struct fake f;
    struct rule_history h;
    fake_init(&f, AT);
    struct rule_set *set = fake_rules(&f, RULE_START "    for: 2m\n");
    struct alert_eval *killed = fake_eval(&f, set);
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, killed, 4);
    buf_reset(&f.handed);
    struct alert_eval *e = fake_eval(&f, set);
    CHECK_INT(state_of(e, &h), ALERT_FIRING);
    CHECK_INT(h.fired, 1);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, &h), ALERT_FIRING);
    CHECK_INT(h.fired, 1);
    handed_is(&f, "{a=\"b\",alertname=\"A\"} {} firing\n");
    fake_answer(&f, "x > 1", "");
    minutes(&f, e, 1);
    handed_is(&f, "{a=\"b\",alertname=\"A\"} {} resolved\n");
    struct alert_eval *again = fake_eval(&f, set);
    minutes(&f, again, 1);
    handed_is(&f, "{a=\"b\",alertname=\"A\"} {} resolved\n");
    alert_eval_stop(again);
    alert_eval_stop(e);
    alert_eval_stop(killed);
    fake_free(&f);
}

TEST(time_down_does_not_count_for_pending)
{
    struct fake f;
    fake_init(&f, AT);
    struct rule_set *set = fake_rules(&f, RULE_START "    for: 10m\n");
    struct alert_eval *killed = fake_eval(&f, set);
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, killed, 6);
    clock_sim_advance(f.clock, 20 * MINUTE);
    struct alert_eval *e = fake_eval(&f, set);
    minutes(&f, e, 3);
    CHECK_INT(state_of(e, NULL), ALERT_PENDING);
    minutes(&f, e, 3);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    alert_eval_stop(e);
    alert_eval_stop(killed);
    fake_free(&f);
}

TEST(without_saved_state_pending_is_read_from_its_series)
{
    struct fake f;
    fake_init(&f, AT);
    struct rule_set *set = fake_rules(&f, RULE_START "    for: 1h\n");
    struct alert_eval *e = fake_eval(&f, set);
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    f.for_state = SLICE("ALERTS_FOR_STATE{alertname=\"A\",a=\"b\"} 1699997000"); /* 50 minutes before */
    f.for_state_ms = AT / NS_MS;
    minutes(&f, e, 9);
    CHECK_INT(state_of(e, NULL), ALERT_PENDING);
    minutes(&f, e, 4);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(missed_rounds_are_counted_and_not_made_up_for)
{
    struct fake f;
    struct rule_history h;
    struct buf page;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START));
    minutes(&f, e, 1);
    clock_sim_advance(f.clock, 10 * MINUTE);
    alert_eval_step(e);
    alert_eval_step(e);
    state_of(e, &h);
    CHECK_INT(h.evaluations, 2);
    buf_init(&page, 0);
    alert_eval_metrics(e, &page);
    CHECK(slice_contains(buf_as_slice(&page), SLICE("prometheus_rule_group_iterations_missed_total{rule_group=\"r.yml;g\"} 9\n")));
    CHECK(slice_contains(buf_as_slice(&page), SLICE("prometheus_rule_evaluations_total{rule_group=\"r.yml;g\"} 2\n")));
    buf_free(&page);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_clock_that_goes_back_keeps_how_long_alerts_are_pending)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START "    for: 5m\n"));
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 4); /* pending for three minutes */
    clock_sim_jump(f.clock, -3600 * NS_S);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_PENDING);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(recording_rules_write_and_mark_what_ends)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e =
        fake_eval(&f, fake_rules(&f, "groups:\n- name: g\n  rules:\n  - record: job:x\n    expr: q\n    labels: {team: t, gone: \"\"}\n"));
    fake_answer(&f, "q", "x{job=\"a\",gone=\"1\"} 1;x{job=\"b\"} 2");
    minutes(&f, e, 1);
    samples_are(&f, "job:x{job=\"a\",team=\"t\"} 1\njob:x{job=\"b\",team=\"t\"} 2\n");
    fake_answer(&f, "q", "x{job=\"b\"} 5");
    minutes(&f, e, 1);
    samples_are(&f, "job:x{job=\"b\",team=\"t\"} 5\njob:x{job=\"a\",team=\"t\"} stale\n");
    fake_answer(&f, "q", "x{job=\"b\"} 5;y{job=\"b\"} 6");
    minutes(&f, e, 1);
    samples_are(&f, "");
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(recording_rules_write_histograms_and_alerts_take_them_for_zero)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, "groups:\n- name: g\n  rules:\n  - record: job:x\n    expr: q\n"
                                                        "  - alert: A\n    expr: q\n    annotations: {v: \"{{ $value }}\"}\n"));
    fake_answer(&f, "q", "x{job=\"a\"} h2");
    minutes(&f, e, 1);
    CHECK(slice_contains(buf_as_slice(&f.samples), SLICE("job:x{job=\"a\"} h2\n")));
    CHECK(slice_contains(buf_as_slice(&f.handed), SLICE("{v=\"0\"} firing")));
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_failed_query_keeps_alerts_and_is_told)
{
    struct fake f;
    struct rule_history h;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START));
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    minutes(&f, e, 1);
    fake_answer(&f, "x > 1", "error");
    buf_reset(&f.samples);
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, &h), ALERT_FIRING);
    CHECK_INT(h.failures, 1);
    samples_are(&f, "");
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(reload_keeps_alerts_of_rules_that_stay_and_resolves_the_others)
{
    struct fake f;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, RULE_START "  - alert: B\n    expr: y\n"));
    fake_answer(&f, "x > 1", "{a=\"b\"} 3");
    fake_answer(&f, "y", "{a=\"b\"} 3");
    minutes(&f, e, 1);
    buf_reset(&f.samples);
    buf_reset(&f.handed);
    alert_eval_reload(e, fake_rules(&f, RULE_START));
    CHECK_INT(state_of(e, NULL), ALERT_FIRING);
    handed_is(&f, "{a=\"b\",alertname=\"B\"} {} resolved\n");
    samples_are(&f, "ALERTS{a=\"b\",alertname=\"B\",alertstate=\"firing\"} stale\nALERTS_FOR_STATE{a=\"b\",alertname=\"B\"} stale\n");
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(more_alerts_than_the_limit_are_an_error_of_the_rule)
{
    struct fake f;
    struct rule_history h;
    fake_init(&f, AT);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, "groups:\n- name: g\n  limit: 1\n  rules:\n  - alert: A\n    expr: x\n"));
    fake_answer(&f, "x", "{a=\"b\"} 3;{a=\"c\"} 3");
    minutes(&f, e, 1);
    CHECK_INT(state_of(e, &h), ALERT_INACTIVE);
    CHECK_INT(h.failures, 1);
    alert_eval_stop(e);
    fake_free(&f);
}
