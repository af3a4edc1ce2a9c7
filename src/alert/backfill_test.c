/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_fake.h"
#include "base/unit.h"

#define MINUTE (60 * NS_S)
#define HOUR   (60 * MINUTE)
#define AT     (1700000000 * NS_S)
#define RULES  "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: r, expr: x}\n  - {alert: A, expr: y}\n"

static struct rule_set *rules(struct fake *f, const char *text, int64_t backfill_ns)
{
    struct rule_set *set = fake_rules(f, text);
    set->backfill_ns = backfill_ns;
    return set;
}

static struct rule_backfill seen(struct alert_eval *e)
{
    static char error[ERR_TEXT_BYTES_MAX];
    struct arena *a = arena_new(0);
    struct group_view *g;
    size_t n;
    alert_eval_view(e, a, &g, &n);
    struct rule_backfill b = g[0].rules[0].backfill;
    size_t len = MIN(b.error.len, sizeof error);
    if (len)
        memcpy(error, b.error.ptr, len);
    b.error = slice_of(error, len);
    arena_free(a);
    return b;
}

static int lines(struct fake *f, const char *with)
{
    struct slice rest = buf_as_slice(&f->samples), line;
    int n = 0;
    while (slice_next(&rest, '\n', &line))
        n += slice_contains(line, slice_str(with));
    return n;
}

/* Until all is done that can be at this time. */
static void fill(struct alert_eval *e)
{
    for (int i = 0; i < 100; i++)
        (void)alert_backfill_step(e);
}

TEST(a_new_recording_rule_gets_its_history_and_an_alert_none)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "x", "{a=\"b\"} 3");
    fake_answer(&f, "y", "{a=\"b\"} 3");
    struct alert_eval *e = fake_eval(&f, rules(&f, RULES, HOUR));
    CHECK(seen(e).is_on && !seen(e).is_done);
    fill(e);
    CHECK_INT(lines(&f, "r{a=\"b\"} 3"), 60 - 1); /* the last minute is not over */
    CHECK_INT(lines(&f, "ALERTS"), 0);
    clock_sim_advance(f.clock, 2 * MINUTE);
    fill(e);
    CHECK(seen(e).is_done);
    CHECK_INT(seen(e).samples, 61);
    CHECK_INT((seen(e).end_ns - seen(e).from_ns) / NS_S, 3600);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_backfill_goes_on_after_a_restart_and_is_done_once)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "x", "{a=\"b\"} 3");
    struct rule_set *set = rules(&f, RULES, 24 * HOUR);
    struct alert_eval *e = fake_eval(&f, set);
    (void)alert_backfill_step(e);
    int first = lines(&f, "r{a=\"b\"} 3");
    CHECK(first > 0 && first < 24 * 60);
    alert_eval_stop(e);
    clock_sim_advance(f.clock, HOUR);
    e = fake_eval(&f, set);
    fill(e);
    CHECK(seen(e).is_done);
    CHECK_INT(lines(&f, "r{a=\"b\"} 3"), 24 * 60 + 1);
    alert_eval_reload(e, set);
    fill(e);
    CHECK_INT(lines(&f, "r{a=\"b\"} 3"), 24 * 60 + 1);
    alert_eval_reload(e, rules(&f, "groups:\n- name: g\n  interval: 1m\n  rules:\n  - {record: r, expr: z}\n", HOUR));
    CHECK(seen(e).is_on && !seen(e).is_done); /* another expression is another rule */
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(samples_that_are_there_stay_and_series_that_end_are_marked)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "x", "{a=\"b\"} 3; {a=\"gap\"} 4");
    struct alert_eval *e = fake_eval(&f, rules(&f, RULES, HOUR));
    f.for_state = SLICE("{__name__=\"r\",a=\"b\"} 9");
    f.for_state_ms = seen(e).from_ns / NS_MS + 30 * MINUTE / NS_MS + 1000; /* near two steps */
    clock_sim_advance(f.clock, 3 * MINUTE);
    (void)alert_backfill_step(e);
    CHECK_INT(lines(&f, "r{a=\"b\"} 3"), 60 - 2);
    CHECK_INT(lines(&f, "r{a=\"gap\"} 4"), 40);
    CHECK_INT(lines(&f, "r{a=\"gap\"} stale"), 20);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(what_cannot_be_evaluated_is_given_up_and_said)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "x", "error");
    struct alert_eval *e = fake_eval(&f, rules(&f, RULES, HOUR));
    clock_sim_advance(f.clock, 3 * MINUTE);
    fill(e);
    CHECK(seen(e).is_done);
    CHECK_STR(seen(e).error, "it takes too long");
    CHECK(seen(e).failures > 0);
    CHECK_INT(f.samples.len, 0);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_rule_waits_for_the_history_of_one_it_asks_for)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "sum(base)", "{a=\"b\"} 3");
    fake_answer(&f, "x", "{a=\"b\"} 4");
    struct alert_eval *e =
        fake_eval(&f, rules(&f, "groups:\n- name: g\n  interval: 1m\n  rules:\n"
                                     "  - {record: top, expr: sum(base)}\n  - {record: base, expr: x}\n", HOUR));
    clock_sim_advance(f.clock, 3 * MINUTE);
    (void)alert_backfill_step(e);
    CHECK_INT(lines(&f, "top"), 0);
    CHECK(lines(&f, "base{a=\"b\"} 4") > 0);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(without_a_limit_of_time_nothing_is_filled)
{
    struct fake f;
    fake_init(&f, AT);
    fake_answer(&f, "x", "{a=\"b\"} 3");
    struct alert_eval *e = fake_eval(&f, rules(&f, RULES, 0));
    clock_sim_advance(f.clock, 3 * MINUTE);
    fill(e);
    CHECK(!seen(e).is_on);
    CHECK_INT(f.samples.len, 0);
    alert_eval_stop(e);
    fake_free(&f);
}
