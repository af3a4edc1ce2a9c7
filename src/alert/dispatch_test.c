/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "alert/dispatch_parts.h"
#include "base/num.h"
#include "base/unit.h"

#define AT     (1700000000 * NS_S) /* a Tuesday, 22:13:20 UTC */
#define MINUTE (60 * NS_S)

/* dispatch under an imitated clock; what it sends is kept as lines "receiver integration status firing/resolved step". */
struct rig {
    struct clock *clock;
    struct log log;
    struct kv *kv;
    struct arena *arena;
    struct dispatch *d;
    struct dispatch_config *config;
    struct buf sent;
    enum status answer;
    struct buf warnings;
};

static enum status deliver(void *arg, const char *integration, const struct notice *n, struct err *err)
{
    struct rig *r = arg;
    if (r->answer)
        return err_set(err, r->answer, "the imitation says no");
    buf_printf(&r->sent, "%.*s %s %s %zu/%zu", SLICE_FMT(n->receiver), integration, n->is_firing ? "firing" : "resolved", n->firing,
               n->count - n->firing);
    if (n->escalation_step)
        buf_printf(&r->sent, " step %zu", n->escalation_step);
    buf_char(&r->sent, '\n');
    return ST_OK;
}

static struct dispatch_config *config_of(struct rig *r, const char *text)
{
    struct yaml_node *root;
    struct dispatch_config *c;
    struct err err;
    if (yaml_parse(r->arena, SLICE("test.yml"), slice_str(text), &root, &err) || dispatch_config_read(r->arena, root, &c, &r->warnings, &err)) {
        fprintf(stderr, "%s\n", err.text);
        CHECK(false);
    }
    return c;
}

static void begin(struct rig *r)
{
    struct dispatch_env env = {.clock = r->clock, .log = &r->log, .kv = r->kv, .arg = r, .deliver = deliver};
    struct err err;
    CHECK(!dispatch_new(&r->d, &env, r->config, &err));
}

static void rig_init(struct rig *r, const char *text)
{
    char path[500];
    struct err err;
    *r = (struct rig){.clock = clock_sim_new(AT), .arena = arena_new(0)};
    r->log = (struct log){.clock = r->clock, .min = LOG_CRITICAL, .fd = -1};
    buf_init(&r->sent, 0);
    buf_init(&r->warnings, 0);
    snprintf(path, sizeof path, "%s/state.db", unit_dir());
    CHECK(!kv_open(&r->kv, path, &err));
    r->config = config_of(r, text);
    begin(r);
}

static void rig_free(struct rig *r)
{
    dispatch_stop(r->d);
    dispatch_config_free(r->config);
    kv_close(r->kv);
    clock_sim_free(r->clock);
    arena_free(r->arena);
    buf_free(&r->sent);
    buf_free(&r->warnings);
}

/* As after kill -9: nothing but kv is left. */
static void restart(struct rig *r)
{
    dispatch_stop(r->d);
    begin(r);
}

static struct alert_put alert_of(struct rig *r, const char *labels)
{
    struct alert_put p = {
        .value = 1, .receiver = SLICE_EMPTY, .generator_url = SLICE_EMPTY, .annotations = SLICE_EMPTY, .valid_ns = 24 * 60 * MINUTE};
    struct err err;
    CHECK(!labels_parse(r->arena, slice_str(labels), &p.labels, &err));
    return p;
}

static void fire(struct rig *r, const char *labels)
{
    struct alert_put p = alert_of(r, labels);
    struct err err;
    CHECK(!dispatch_put(r->d, &p, 1, &err));
}

static void end(struct rig *r, const char *labels)
{
    struct alert_put p = alert_of(r, labels);
    struct err err;
    p.ends_ns = clock_wall_ns(r->clock);
    CHECK(!dispatch_put(r->d, &p, 1, &err));
}

static void pass(struct rig *r, int64_t ns)
{
    for (int64_t left = ns; left > 0; left -= NS_S) {
        clock_sim_advance(r->clock, MIN(left, NS_S));
        dispatch_step(r->d);
    }
    dispatch_step(r->d); /* what a try's result has made due */
}

static void sent_is(struct rig *r, const char *want)
{
    CHECK_STR(buf_as_slice(&r->sent), want);
    buf_reset(&r->sent);
}

static const struct incident *incident_at(struct rig *r, size_t at)
{
    CHECK(at < r->d->incident_count);
    return r->d->incidents[at];
}

static struct slice id_of(const struct incident *i)
{
    return slice_of(i->id, INCIDENT_ID_BYTES);
}

#define TWO_TEAMS                                                                                                                                    \
    "route:\n  receiver: all\n  group_by: [alertname]\n  group_wait: 30s\n  group_interval: 5m\n  repeat_interval: 1h\n"                             \
    "  routes:\n  - matchers: ['team=\"db\"']\n    receiver: db\n"                                                                                   \
    "receivers:\n- name: all\n  webhook_configs: [{url: 'http://a/'}]\n- name: db\n  webhook_configs: [{url: 'http://b/'}]\n"                        \
    "- name: boss\n  webhook_configs: [{url: 'http://c/'}]\n"

TEST(a_group_is_told_once_after_its_wait_and_its_end_at_the_next_interval)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\",i=\"1\"}");
    fire(&r, "{alertname=\"A\",i=\"2\"}");
    pass(&r, 29 * NS_S);
    sent_is(&r, "");
    pass(&r, NS_S);
    sent_is(&r, "all webhook firing 2/0\n");
    fire(&r, "{alertname=\"A\",i=\"3\"}");
    pass(&r, 4 * MINUTE);
    sent_is(&r, "");
    pass(&r, MINUTE);
    sent_is(&r, "all webhook firing 3/0\n");
    end(&r, "{alertname=\"A\",i=\"1\"}");
    end(&r, "{alertname=\"A\",i=\"2\"}");
    end(&r, "{alertname=\"A\",i=\"3\"}");
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_RESOLVED);
    pass(&r, 5 * MINUTE);
    sent_is(&r, "all webhook resolved 0/3\n");
    CHECK(incident_at(&r, 0)->is_settled);
    pass(&r, 120 * MINUTE);
    sent_is(&r, "");
    rig_free(&r);
}

TEST(what_still_fires_is_told_again_after_repeat_interval_and_not_before)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 59 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    pass(&r, 7 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    rig_free(&r);
}

TEST(alerts_go_to_the_team_of_their_route)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\",team=\"db\"}");
    fire(&r, "{alertname=\"A\",team=\"web\"}");
    pass(&r, 31 * NS_S);
    CHECK(slice_contains(buf_as_slice(&r.sent), SLICE("db webhook firing 1/0\n")));
    CHECK(slice_contains(buf_as_slice(&r.sent), SLICE("all webhook firing 1/0\n")));
    CHECK_INT(r.d->incident_count, 2);
    rig_free(&r);
}

TEST(an_alert_that_names_its_receiver_goes_there_and_to_the_default_when_there_is_none)
{
    struct rig r;
    struct err err;
    rig_init(&r, TWO_TEAMS);
    struct alert_put p = alert_of(&r, "{alertname=\"A\",team=\"db\"}"), q = alert_of(&r, "{alertname=\"B\",team=\"db\"}");
    p.receiver = SLICE("boss");
    q.receiver = SLICE("nobody");
    CHECK(!dispatch_put(r.d, &p, 1, &err));
    CHECK(!dispatch_put(r.d, &q, 1, &err));
    pass(&r, 31 * NS_S);
    CHECK(slice_contains(buf_as_slice(&r.sent), SLICE("boss webhook firing 1/0\n")));
    CHECK(slice_contains(buf_as_slice(&r.sent), SLICE("all webhook firing 1/0\n")));
    CHECK(!slice_contains(buf_as_slice(&r.sent), SLICE("db ")));
    rig_free(&r);
}

TEST(a_restart_tells_nothing_twice_and_loses_no_incident)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    restart(&r);
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_FIRING);
    pass(&r, 31 * NS_S);
    sent_is(&r, "all webhook firing 1/0\n");
    restart(&r);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 50 * MINUTE);
    sent_is(&r, "");
    CHECK_INT(r.d->incident_count, 1);
    end(&r, "{alertname=\"A\"}");
    restart(&r);
    pass(&r, 6 * MINUTE);
    sent_is(&r, "all webhook resolved 0/1\n");
    restart(&r);
    pass(&r, 6 * MINUTE);
    sent_is(&r, "");
    rig_free(&r);
}

TEST(an_alert_nobody_tells_of_again_ends_after_resolve_timeout)
{
    struct rig r;
    struct err err;
    rig_init(&r, TWO_TEAMS);
    struct alert_put p = alert_of(&r, "{alertname=\"A\"}");
    p.valid_ns = 0;
    CHECK(!dispatch_put(r.d, &p, 1, &err));
    pass(&r, 4 * MINUTE);
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_FIRING);
    pass(&r, 2 * MINUTE);
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_RESOLVED);
    rig_free(&r);
}

#define ESCALATING                                                                                                                                   \
    "route:\n  receiver: first\n  group_by: [alertname]\n  group_wait: 10s\n  repeat_interval: 10h\n  escalate:\n"                                   \
    "  - {receiver: second, after: 10m}\n  - {receiver: boss, after: 20m}\n"                                                                         \
    "receivers:\n- name: first\n  webhook_configs: [{url: 'http://a/'}]\n- name: second\n  webhook_configs: [{url: 'http://b/'}]\n"                  \
    "- name: boss\n  webhook_configs: [{url: 'http://c/'}]\n"

TEST(escalation_goes_on_while_nobody_acknowledges_and_over_a_restart)
{
    struct rig r;
    rig_init(&r, ESCALATING);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 9 * MINUTE);
    sent_is(&r, "first webhook firing 1/0\n");
    restart(&r);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    sent_is(&r, "second webhook firing 1/0 step 1\n");
    pass(&r, 19 * MINUTE);
    sent_is(&r, "");
    pass(&r, MINUTE);
    sent_is(&r, "boss webhook firing 1/0 step 2\n");
    end(&r, "{alertname=\"A\"}");
    pass(&r, 5 * MINUTE);
    sent_is(&r, "first webhook resolved 0/1\nsecond webhook resolved 0/1 step 1\nboss webhook resolved 0/1 step 2\n");
    rig_free(&r);
}

TEST(an_acknowledged_incident_escalates_no_more_also_after_a_restart)
{
    struct rig r;
    struct err err;
    rig_init(&r, ESCALATING);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    CHECK(!dispatch_acknowledge(r.d, id_of(incident_at(&r, 0)), SLICE("ada"), SLICE("on it"), &err));
    restart(&r);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 60 * MINUTE);
    sent_is(&r, "first webhook firing 1/0\n");
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_ACKNOWLEDGED);
    CHECK_STR(incident_at(&r, 0)->acked_by, "ada");
    CHECK_INT(dispatch_acknowledge(r.d, SLICE("nothing"), SLICE_EMPTY, SLICE_EMPTY, &err), ST_NOT_FOUND);
    rig_free(&r);
}

TEST(an_incident_closed_by_hand_opens_no_other_until_its_alert_has_ended)
{
    struct rig r;
    struct err err;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    CHECK(!dispatch_resolve(r.d, id_of(incident_at(&r, 0)), SLICE("ada"), SLICE_EMPTY, &err));
    CHECK_INT(dispatch_resolve(r.d, id_of(incident_at(&r, 0)), SLICE("ada"), SLICE_EMPTY, &err), ST_EXISTS);
    pass(&r, 2 * NS_S);
    sent_is(&r, "all webhook resolved 0/1\n");
    restart(&r);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 20 * MINUTE);
    sent_is(&r, "");
    CHECK_INT(r.d->incident_count, 1);
    end(&r, "{alertname=\"A\"}");
    fire(&r, "{alertname=\"A\"}");
    CHECK_INT(r.d->incident_count, 2);
    rig_free(&r);
}

TEST(an_alert_that_comes_back_before_its_end_was_told_is_the_same_incident)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    end(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 10 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    CHECK_INT(r.d->incident_count, 1);
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_FIRING);
    rig_free(&r);
}

static struct slice silence(struct rig *r, const char *name, const char *value, enum match_op op, int64_t ns)
{
    struct matcher m = {.op = op, .name = slice_str(name), .value = slice_str(value)};
    int64_t now = clock_wall_ns(r->clock);
    struct silence_put p = {.matchers = &m, .matcher_count = 1, .starts_ns = now, .ends_ns = now + ns, .created_by = SLICE("ada")};
    struct slice id = SLICE_EMPTY;
    struct err err;
    CHECK(!dispatch_silence_put(r->d, &p, r->arena, &id, &err));
    return id;
}

TEST(a_silence_keeps_alerts_still_until_it_ends_also_over_a_restart)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    silence(&r, "alertname", "A|B", MATCH_RE, 20 * MINUTE);
    fire(&r, "{alertname=\"A\"}");
    restart(&r);
    fire(&r, "{alertname=\"A\"}");
    fire(&r, "{alertname=\"C\"}");
    pass(&r, 15 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    CHECK_INT(r.d->incident_count, 1);
    pass(&r, 10 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    CHECK_INT(r.d->incident_count, 2);
    rig_free(&r);
}

TEST(an_expired_silence_silences_no_more)
{
    struct rig r;
    struct err err;
    rig_init(&r, TWO_TEAMS);
    struct slice id = silence(&r, "alertname", "A", MATCH_EQ, 60 * MINUTE);
    CHECK(!dispatch_silence_expire(r.d, id, &err));
    CHECK_INT(dispatch_silence_expire(r.d, id, &err), ST_INVALID);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    rig_free(&r);
}

TEST(a_silence_of_everything_is_refused)
{
    struct rig r;
    struct err err;
    struct slice id;
    rig_init(&r, TWO_TEAMS);
    struct matcher m = {.op = MATCH_RE, .name = SLICE("x"), .value = SLICE(".*")};
    struct silence_put p = {.matchers = &m, .matcher_count = 1, .starts_ns = AT, .ends_ns = AT + MINUTE};
    CHECK_INT(dispatch_silence_put(r.d, &p, r.arena, &id, &err), ST_INVALID);
    rig_free(&r);
}

TEST(a_source_inhibits_its_targets_where_the_equal_labels_agree)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS "inhibit_rules:\n- source_matchers: ['severity=\"critical\"']\n  target_matchers: ['severity=\"warning\"']\n"
                           "  equal: [dc]\n");
    fire(&r, "{alertname=\"S\",severity=\"critical\",dc=\"1\"}");
    fire(&r, "{alertname=\"T\",severity=\"warning\",dc=\"1\"}");
    fire(&r, "{alertname=\"U\",severity=\"warning\",dc=\"2\"}");
    pass(&r, 10 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\nall webhook firing 1/0\n");
    CHECK_INT(r.d->incident_count, 2);
    end(&r, "{alertname=\"S\",severity=\"critical\",dc=\"1\"}");
    pass(&r, 6 * MINUTE);
    CHECK_INT(r.d->incident_count, 3);
    rig_free(&r);
}

TEST(a_route_rests_in_its_mute_time)
{
    struct rig r;
    rig_init(&r, "route:\n  receiver: all\n  group_by: [alertname]\n  routes:\n  - receiver: all\n    matchers: [a=b]\n"
                 "    mute_time_intervals: [night]\nreceivers:\n- name: all\n  webhook_configs: [{url: 'http://a/'}]\n"
                 "time_intervals:\n- name: night\n  time_intervals:\n  - times: [{start_time: '22:00', end_time: '23:00'}]\n"
                 "    weekdays: [tuesday]\n");
    fire(&r, "{alertname=\"A\",a=\"b\"}");
    pass(&r, 45 * MINUTE);
    sent_is(&r, "");
    CHECK_INT(r.d->incident_count, 1);
    pass(&r, 10 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    rig_free(&r);
}

TEST(what_fails_is_tried_again_and_what_is_refused_only_in_the_next_round)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    r.answer = ST_UNAVAILABLE;
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 33 * NS_S);
    sent_is(&r, "");
    r.answer = ST_OK;
    pass(&r, 5 * NS_S);
    sent_is(&r, "all webhook firing 1/0\n");
    r.answer = ST_INVALID;
    fire(&r, "{alertname=\"B\"}");
    pass(&r, 31 * NS_S);
    r.answer = ST_OK;
    pass(&r, 4 * MINUTE);
    sent_is(&r, "");
    pass(&r, 2 * MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    rig_free(&r);
}

TEST(a_reload_keeps_incidents_of_groups_that_stay_and_ends_the_others)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    fire(&r, "{alertname=\"A\",team=\"db\"}");
    pass(&r, MINUTE);
    buf_reset(&r.sent);
    struct dispatch_config *old = r.config;
    r.config = config_of(&r, "route:\n  receiver: all\n  group_by: [alertname]\nreceivers:\n- name: all\n  webhook_configs: [{url: 'http://a/'}]\n");
    dispatch_reload(r.d, r.config);
    dispatch_config_free(old);
    pass(&r, 6 * MINUTE);
    CHECK_INT(r.d->incident_count, 2);
    CHECK_INT(incident_at(&r, 0)->state + incident_at(&r, 1)->state, INCIDENT_FIRING + INCIDENT_RESOLVED);
    sent_is(&r, "all webhook firing 2/0\n");
    rig_free(&r);
}

/* Alerts {alertname="A",i="0"} and so on in one put. */
static void put_many(struct rig *r, int from, int to, bool fires)
{
    struct alert_put *list = arena_array(r->arena, struct alert_put, (size_t)(to - from));
    struct err err;
    for (int i = from; i < to; i++) {
        list[i - from] = alert_of(r, arena_printf(r->arena, "{alertname=\"A\",i=\"%d\"}", i).ptr);
        list[i - from].ends_ns = fires ? 0 : clock_wall_ns(r->clock);
    }
    CHECK(!dispatch_put(r->d, list, (size_t)(to - from), &err));
}

TEST(an_incident_in_which_many_alerts_came_and_went_still_tells_of_new_ones)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    put_many(&r, 0, INCIDENT_ALERTS_MAX, true);
    pass(&r, 30 * NS_S);
    sent_is(&r, "all webhook firing 2000/0\n");
    put_many(&r, 1, INCIDENT_ALERTS_MAX, false);
    pass(&r, 5 * MINUTE);
    sent_is(&r, "all webhook firing 1/1999\n");
    put_many(&r, INCIDENT_ALERTS_MAX, INCIDENT_ALERTS_MAX + 2, true);
    pass(&r, 5 * MINUTE);
    sent_is(&r, "all webhook firing 3/0\n");
    CHECK_INT(incident_at(&r, 0)->alert_count, INCIDENT_ALERTS_MAX);
    CHECK_INT(incident_at(&r, 0)->targets[0].resolved_count, INCIDENT_ALERTS_MAX - 3);
    rig_free(&r);
}

TEST(an_alert_that_says_it_starts_at_the_end_of_time_waits_like_others)
{
    struct rig r;
    struct err err;
    rig_init(&r, TWO_TEAMS);
    struct alert_put p = alert_of(&r, "{alertname=\"A\"}");
    p.starts_ns = INT64_MAX;
    CHECK(!dispatch_put(r.d, &p, 1, &err));
    pass(&r, 29 * NS_S);
    sent_is(&r, "");
    pass(&r, NS_S);
    sent_is(&r, "all webhook firing 1/0\n");
    rig_free(&r);
}

TEST(a_silence_that_is_sent_back_as_it_was_told_goes_on)
{
    struct rig r;
    struct err err;
    struct slice again;
    rig_init(&r, TWO_TEAMS);
    clock_sim_advance(r.clock, 1234567);
    struct slice id = silence(&r, "alertname", "A", MATCH_EQ, MINUTE);
    struct matcher m = {.op = MATCH_EQ, .name = SLICE("alertname"), .value = SLICE("A")};
    struct silence_put p = {.id = id, .matchers = &m, .matcher_count = 1, .starts_ns = AT + NS_MS, .ends_ns = AT + 10 * MINUTE};
    clock_sim_advance(r.clock, NS_S);
    CHECK(!dispatch_silence_put(r.d, &p, r.arena, &again, &err));
    CHECK(slice_eq(id, again));
    rig_free(&r);
}

TEST(a_clock_set_back_holds_no_notification_up)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, 30 * NS_S);
    sent_is(&r, "all webhook firing 1/0\n");
    fire(&r, "{alertname=\"A\",i=\"2\"}");
    clock_sim_jump(r.clock, -24 * 60 * MINUTE);
    pass(&r, 6 * MINUTE);
    sent_is(&r, "all webhook firing 2/0\n");
    rig_free(&r);
}

TEST(an_alert_of_a_rule_with_a_long_interval_does_not_end_by_a_restart)
{
    struct rig r;
    rig_init(&r, TWO_TEAMS);
    fire(&r, "{alertname=\"A\"}");
    pass(&r, MINUTE);
    sent_is(&r, "all webhook firing 1/0\n");
    restart(&r);
    pass(&r, 30 * MINUTE);
    sent_is(&r, "");
    CHECK_INT(incident_at(&r, 0)->state, INCIDENT_FIRING);
    rig_free(&r);
}

/* A receiver that hangs until it is let go, and counts who came while everything should wait. */
struct hanging {
    struct dispatch *d;
    atomic_int here, late;
    atomic_bool let_go;
};

static enum status hang(void *arg, const char *integration, const struct notice *n, struct err *err)
{
    struct hanging *h = arg;
    (void)integration, (void)n, (void)err;
    mutex_lock(&h->d->lock);
    bool is_paused = h->d->is_paused;
    mutex_unlock(&h->d->lock);
    atomic_fetch_add(&h->late, is_paused);
    atomic_fetch_add(&h->here, 1);
    while (!atomic_load(&h->let_go))
        usleep(1000);
    return ST_OK;
}

static void let_go_when_paused(void *arg)
{
    struct hanging *h = arg;
    for (bool is_paused = false; !is_paused;) {
        usleep(1000);
        mutex_lock(&h->d->lock);
        is_paused = h->d->is_paused;
        mutex_unlock(&h->d->lock);
    }
    atomic_store(&h->let_go, true);
}

TEST(a_reload_waits_for_the_tries_under_way_and_not_for_those_behind_them)
{
    struct rig r;
    struct hanging h = {0};
    struct thread *helper;
    struct err err;
    rig_init(&r, "route: {receiver: all, group_by: ['...'], group_wait: 0s}\nreceivers:\n- name: all\n  webhook_configs: [{url: 'http://a/'}]\n");
    h.d = r.d;
    r.d->env.deliver = hang;
    r.d->env.arg = &h;
    put_many(&r, 0, 3 * NOTIFY_THREADS, true);
    CHECK(!dispatch_start(r.d, SLICE("http://x"), &err));
    while (atomic_load(&h.here) < NOTIFY_THREADS)
        usleep(1000);
    CHECK(!thread_start(&helper, "let go", let_go_when_paused, &h, &err));
    dispatch_reload(r.d, r.config);
    thread_join(helper);
    CHECK_INT(atomic_load(&h.late), 0);
    while (atomic_load(&h.here) < 3 * NOTIFY_THREADS)
        usleep(1000);
    rig_free(&r);
}

TEST(without_a_configuration_incidents_are_kept_for_the_page)
{
    struct rig r;
    struct buf b;
    rig_init(&r, "{}");
    fire(&r, "{alertname=\"A\",severity=\"critical\"}");
    pass(&r, MINUTE);
    buf_init(&b, 0);
    dispatch_write_incidents(r.d, true, 10, &b);
    CHECK(slice_contains(buf_as_slice(&b), SLICE("\"state\":\"firing\",\"severity\":\"critical\",\"summary\":\"A\"")));
    buf_free(&b);
    rig_free(&r);
}

/* ---- storms ---- */

enum { STORM_ALERTS = 5000 };

/* The value of a counter on dispatch's page. */
static double counter_of(struct rig *r, const char *name)
{
    size_t size;
    char *text = stoa_metrics_text(r->d->registry, &size);
    struct slice rest = slice_of(text, size), line, key, value;
    double v = -1;
    while (slice_next(&rest, '\n', &line))
        if (slice_cut(line, ' ', &key, &value) && slice_eq(key, slice_str(name)))
            CHECK(num_parse_double(value, &v));
    free(text);
    return v;
}

static void storm(struct rig *r, bool ends)
{
    struct alert_put *puts = arena_array(r->arena, struct alert_put, STORM_ALERTS);
    char labels[64];
    struct err err;
    for (int i = 0; i < STORM_ALERTS; i++) {
        snprintf(labels, sizeof labels, "{alertname=\"Storm\",instance=\"i%04d\"}", i);
        puts[i] = alert_of(r, labels);
        puts[i].ends_ns = ends ? clock_wall_ns(r->clock) : 0;
    }
    CHECK(!dispatch_put(r->d, puts, STORM_ALERTS, &err));
}

TEST(a_storm_of_alerts_is_a_handful_of_writes_and_nothing_of_it_is_lost)
{
    struct rig r;
    rig_init(&r, "route: {receiver: all, group_by: [instance], group_wait: 10s, group_interval: 5m, repeat_interval: 1h}\n"
                 "receivers: [{name: all, webhook_configs: [{url: 'http://x/'}]}]\n");
    storm(&r, false);
    CHECK_INT(counter_of(&r, "stoa_dispatch_writes_total"), STORM_ALERTS / INCIDENTS_PER_WRITE_MAX + 1);
    CHECK_INT(counter_of(&r, "stoa_dispatch_incidents_written_total"), STORM_ALERTS);
    restart(&r); /* nobody was told */
    CHECK_INT(r.d->incident_count, STORM_ALERTS);
    CHECK_INT(r.d->alerts.count, STORM_ALERTS);
    pass(&r, 11 * NS_S);
    size_t told = 0;
    for (size_t i = 0; i < r.sent.len; i++)
        told += r.sent.ptr[i] == '\n';
    CHECK_INT(told, STORM_ALERTS);
    CHECK(counter_of(&r, "stoa_dispatch_writes_total") <= 2 * (STORM_ALERTS / INCIDENTS_PER_WRITE_MAX + 1));
    buf_reset(&r.sent);
    restart(&r); /* everybody was told, which is known */
    pass(&r, 60 * NS_S);
    sent_is(&r, "");
    storm(&r, true);
    pass(&r, 6 * MINUTE);
    for (size_t i = 0; i < r.d->incident_count; i++)
        CHECK(r.d->incidents[i]->is_settled);
    CHECK_INT(r.d->incident_count, INCIDENTS_KEPT_MAX);
    CHECK(counter_of(&r, "stoa_dispatch_state_errors_total") < 1); /* no line at all */
    rig_free(&r);
}
