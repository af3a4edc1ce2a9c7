/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>

#include "alert/alert_fake.h"
#include "alert/review.h"
#include "base/unit.h"

#define MINUTE (60 * NS_S)
#define DAY    (86400 * NS_S)

/* "rule: finding!" in order; '!' for warnings. */
static void findings_are(const struct review *v, const char *want)
{
    struct buf b;
    buf_init(&b, 0);
    for (size_t i = 0; i < v->count; i++)
        buf_printf(&b, "%s%.*s: %s%s", i ? "; " : "", SLICE_FMT(v->list[i].rule->name), v->list[i].finding, v->list[i].is_warning ? "!" : "");
    CHECK_STR(buf_as_slice(&b), want);
    buf_free(&b);
}

static void rules_give(const char *rules, const char *want)
{
    struct fake f;
    fake_init(&f, DAY);
    struct review v = {.arena = f.arena};
    review_rules(&v, fake_rules(&f, rules));
    findings_are(&v, want);
    fake_free(&f);
}

TEST(each_mistake_in_a_rule_has_its_finding)
{
    rules_give("alerts:\n- {name: a, condition: errors > 5 for 5 minutes, severity: critical, action: x, summary: s}\n", "");
    rules_give("alerts:\n- {name: a, condition: errors > 5, severity: critical, action: x, summary: s}\n", "a: no_for!");
    rules_give("alerts:\n- {name: a, condition: errors > 5, severity: warning, action: x, summary: s}\n", "a: no_for");
    rules_give("alerts:\n- {name: a, condition: errors > 5 for 5m, action: x, summary: s}\n", "a: no_severity!");
    rules_give("alerts:\n- {name: a, condition: errors > 5 for 5m, severity: critical, summary: s}\n", "a: no_receiver!");
    rules_give("alerts:\n- {name: a, condition: errors > 5 for 5m, severity: warning, action: x}\n", "a: no_annotations");
    rules_give("alerts:\n- {name: a, condition: node_cpu_busy > 50 for 5m, severity: warning, action: x, summary: s}\n", "a: low_threshold!");
    rules_give("alerts:\n- {name: a, condition: node_cpu_busy > 0.95, severity: critical, action: x, summary: s}\n",
               "a: no_for!; a: cause_not_symptom!");
    rules_give("alerts:\n- {name: a, condition: node_cpu_busy > 95 for 5m, severity: critical, action: x, summary: s}\n",
               "a: cause_not_symptom");
    rules_give("alerts:\n- {name: a, condition: errors > 5 for 5m, severity: warning, action: x, summary: s}\n"
               "- {name: b, condition: errors > 5 for 5m, severity: warning, action: x, summary: s}\n",
               "b: duplicate!");
}

static bool no_receivers(void *arg, struct slice name)
{
    return false;
}

TEST(an_action_that_is_no_receiver_is_found)
{
    struct fake f;
    fake_init(&f, DAY);
    struct review v = {.arena = f.arena, .has_receiver = no_receivers};
    review_rules(&v, fake_rules(&f, "alerts:\n- {name: a, condition: errors > 5 for 5m, severity: warning, action: x, summary: s}\n"));
    findings_are(&v, "a: unknown_receiver!");
    fake_free(&f);
}

/* What the life of "x > 1" says after an hour of minutes with this answer; x itself exists when data says so. */
static void life_gives(const char *answer, const char *data, int64_t never_ns, int64_t always_ns, const char *want)
{
    struct fake f;
    fake_init(&f, 1000 * DAY);
    struct alert_eval *e = fake_eval(&f, fake_rules(&f, "groups:\n- name: g\n  rules:\n  - {alert: A, expr: x > 1}\n"));
    struct review v = {.arena = f.arena};
    fake_answer(&f, "x > 1", answer);
    fake_answer(&f, "count(x)", data);
    for (int i = 0; i < 61; i++) {
        clock_sim_advance(f.clock, MINUTE);
        alert_eval_step(e);
    }
    review_life(&v, e, never_ns, always_ns);
    findings_are(&v, want);
    alert_eval_stop(e);
    fake_free(&f);
}

TEST(a_rule_that_never_fired_is_told_once_it_was_watched_long_enough)
{
    life_gives("", "{} 3", 60 * MINUTE, DAY, "A: never_fired!");
}

TEST(a_young_rule_that_never_fired_is_left_alone)
{
    life_gives("", "{} 3", 61 * MINUTE, DAY, "");
}

TEST(a_rule_that_always_fires_is_told_once_it_was_watched_long_enough)
{
    life_gives("{} 3", "{} 3", MINUTE, 60 * MINUTE, "A: always_firing!");
}

TEST(a_rule_that_fires_since_a_short_time_is_left_alone)
{
    life_gives("{} 3", "{} 3", MINUTE, 61 * MINUTE, "");
}

TEST(a_rule_without_data_cannot_fire_rather_than_never_fired)
{
    life_gives("", "", MINUTE, MINUTE, "A: no_data!");
}

TEST(a_rule_that_fails_is_told)
{
    life_gives("error", "{} 3", MINUTE, MINUTE, "A: failing!");
}
