/* SPDX-License-Identifier: Apache-2.0 */
#include "alert/alert_fake.h"
#include "base/unit.h"

static void condition_is(const char *text, const char *want, int64_t for_s)
{
    struct arena *a = arena_new(0);
    struct article_condition c = {.expr = SLICE_EMPTY};
    struct err err;
    if (article_condition_read(a, slice_str(text), &c, &err))
        c.expr = slice_str(err.text);
    CHECK_STR(c.expr, want);
    CHECK_INT(c.for_ns / NS_S, for_s);
    arena_free(a);
}

TEST(conditions_in_words_become_queries)
{
    condition_is("cpu_usage > 90 for 5 minutes",
                 "100 * (1 - avg by (instance) (rate(node_cpu_seconds_total{job=\"node\",mode=\"idle\"}[2m]))) > 90", 300);
    condition_is("error_rate > 5% for 2 minutes",
                 "100 * sum by (job) (rate(http_requests_total{status=~\"5..\"}[2m])) / sum by (job) (rate(http_requests_total[2m])) > 5", 120);
    condition_is("memory_usage>=80%",
                 "100 * (1 - node_memory_MemAvailable_bytes{job=\"node\"} / node_memory_MemTotal_bytes{job=\"node\"}) >= 80", 0);
    condition_is("latency_p95 > 500ms for 90s",
                 "histogram_quantile(0.95, sum by (job, le) (rate(http_request_duration_seconds_bucket[2m]))) > 0.5", 90);
}

TEST(other_names_are_metrics_and_queries)
{
    condition_is("queue_length > 100 for 1 hour", "queue_length > 100", 3600);
    condition_is("cache_misses{pool=\"a>b\"} / cache_reads > 5%", "cache_misses{pool=\"a>b\"} / cache_reads > 0.05", 0);
    condition_is("free_bytes < 2GB", "free_bytes < 2000000000", 0);
    condition_is("up == 0", "up == 0", 0);
    condition_is("a or b > 5", "(a or b) > 5", 0);
    condition_is("temperature <= -1.5e1", "temperature <= -15", 0);
}

TEST(wrong_conditions_say_what_is_allowed)
{
    condition_is(
        "cpu_usage",
        "condition \"cpu_usage\": no comparison (> >= < <= == !=) in \"cpu_usage\"; allowed is NAME > NUMBER[%|ms|s|MB|...] [for 5 minutes]", 0);
    condition_is("a > b",
                 "condition \"a > b\": no number behind the comparison but \"b\"; allowed is NAME > NUMBER[%|ms|s|MB|...] [for 5 minutes]", 0);
    condition_is(
        "a > 5 for ages",
        "condition \"a > 5 for ages\": no duration behind \"for\" but \"ages\"; allowed is NAME > NUMBER[%|ms|s|MB|...] [for 5 minutes]", 0);
    condition_is("a > 5 for 900000 weeks",
                 "condition \"a > 5 for 900000 weeks\": no duration behind \"for\" but \"900000 weeks\"; allowed is NAME > NUMBER[%|ms|s|MB|...] "
                 "[for 5 minutes]", 100ll * 365 * 86400);
    condition_is("a > 5 parsecs",
                 "condition \"a > 5 parsecs\": unknown unit \"parsecs\"; allowed is NAME > NUMBER[%|ms|s|MB|...] [for 5 minutes]", 0);
}

TEST(both_forms_give_the_same_rule)
{
    struct fake f;
    fake_init(&f, 1000 * NS_S);
    struct rule_set *set = fake_rules(&f, "groups:\n"
                                          "- name: alerts\n"
                                          "  rules:\n"
                                          "  - alert: disk\n"
                                          "    expr: disk_x > 85\n"
                                          "    for: 2m\n"
                                          "    labels: {severity: warning}\n");
    struct rule_set *other = fake_rules(&f, "alerts:\n"
                                            "  - name: disk\n"
                                            "    condition: disk_x > 85 for 2 minutes\n"
                                            "    severity: warning\n"
                                            "    action: send_slack_notification\n");
    const struct rule *x = &set->groups[0].rules[0], *y = &other->groups[0].rules[0];
    CHECK_STR(y->expr, "disk_x > 85");
    CHECK_STR(y->receiver, "send_slack_notification");
    CHECK_STR(y->labels[0].text, "warning");
    CHECK_INT(x->for_ns, y->for_ns);
    CHECK(x->id == y->id && x->expr_hash == y->expr_hash && slice_eq(x->expr, y->expr));
    fake_free(&f);
}

TEST(every_key_of_a_rule_file_is_read)
{
    struct fake f;
    fake_init(&f, 1000 * NS_S);
    struct rule_set *set = fake_rules(&f, "groups:\n"
                                          "- name: g\n"
                                          "  interval: 15s\n"
                                          "  query_offset: 1m\n"
                                          "  limit: 7\n"
                                          "  labels: {team: a, tier: one}\n"
                                          "  rules:\n"
                                          "  - record: job:x:sum\n"
                                          "    expr: sum by (job) (x)\n"
                                          "    labels: {tier: two}\n"
                                          "  - alert: A\n"
                                          "    expr: x > 1\n"
                                          "    keep_firing_for: 10m\n"
                                          "    annotations: {summary: \"{{ $labels.job }} has {{ $value }}\"}\n");
    const struct rule_group *g = &set->groups[0];
    CHECK_INT(g->interval_ns, 15 * NS_S);
    CHECK_INT(g->query_offset_ns, 60 * NS_S);
    CHECK_INT(g->limit, 7);
    CHECK_INT(g->rules[0].kind, RULE_RECORD);
    CHECK_INT(g->rules[0].label_count, 2);
    CHECK_STR(g->rules[0].labels[1].text, "two");
    CHECK_INT(g->rules[1].keep_firing_ns, 600 * NS_S);
    CHECK_INT(g->rules[1].for_ns, 0);
    fake_free(&f);
}

static void refused(const char *text, const char *want)
{
    static const struct query_lang *const langs[] = {&fake_lang};
    struct arena *a = arena_new(0);
    struct rule_reading r = {a, langs, 1, 0, RULE_INTERVAL_DEFAULT_NS, 0};
    struct rule_set set = {0};
    struct yaml_node *root;
    struct err err = {0};
    CHECK(yaml_parse(a, SLICE("r.yml"), slice_str(text), &root, &err) || rule_set_read(&r, root, true, &set, &err));
    CHECK_STR(slice_str(err.text), want);
    arena_free(a);
}

TEST(wrong_rules_are_refused_with_their_line)
{
    refused("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: \"x !\"\n", "r.yml:4: expr of A: 1:1: parse error: unexpected !");
    refused("groups:\n- name: g\n  rules:\n  - alert: A\n", "r.yml:4: rule A: expr is missing");
    refused("groups:\n- name: g\n  rules:\n  - expr: x\n", "r.yml:4: a rule wants either alert or record, found none");
    refused("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    fro: 5m\n", "r.yml:6: unknown key \"fro\"; did you mean \"for\"?");
    refused("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: x\n    annotations: {a: \"{{ $x }}\"}\n",
            "r.yml:6: annotations: a: template: line 1: there is no variable \"$x\"");
    refused("groups:\n- name: g\n- name: g\n", "r.yml:3: groups: the name \"g\" stands twice in this file");
    refused("groups:\n- name: g\n  rules:\n  - record: a b\n    expr: x\n", "r.yml:4: record: \"a b\" is no metric name");
    refused("groups:\n- name: g\n  rules:\n  - alert: A\n    expr: text\n",
            "r.yml:4: expr of A: gives a text; allowed are instant vectors and numbers");
    refused("alerts:\n- name: a\n  condition: x > 5 for ever\n", "r.yml:2: alert a: condition \"x > 5 for ever\": no duration behind \"for\" "
                                                                 "but \"ever\"; allowed is NAME > NUMBER[%|ms|s|MB|...] [for 5 minutes]");
}
