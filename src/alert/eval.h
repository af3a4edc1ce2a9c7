/* SPDX-License-Identifier: Apache-2.0 */
/* Rules at work: each group at its own interval, alerts from pending to firing to resolved, results back into the store, firing
 * alerts handed on. What is pending and firing, and what became of each rule so far, survives kill -9 at any point (kv). */
#ifndef STOA_ALERT_EVAL_H
#define STOA_ALERT_EVAL_H

#include "alert/dispatch.h"
#include "alert/rule.h"

enum {
    ALERT_ACTIVE_MAX = 10 * 1000, /* alerts of one rule; more are an error of the rule */
    ALERT_QUERY_SECONDS_MAX = 60, /* one expression */
    ALERT_QUERY_SAMPLES_MAX = 50 * 1000 * 1000,
    ALERT_QUERY_BYTES_MAX = 64 * MIB
};

struct alert_env { /* keeps everything */
    struct clock *clock;
    struct log *log;
    struct kv *kv;
    struct engine *engine;
    const struct query_lang *const *langs; /* for `query` in templates the first one */
    size_t lang_count;
    uint32_t features;
    struct slice tenant;       /* whose data is asked and written */
    struct slice external_url; /* for links */
    void *arg;
    /* Takes batch; returns when it is durable and visible. */
    enum status (*append)(void *arg, struct batch *batch, struct err *err);
    /* Firing alerts of a round and, once, resolved ones. Borrows. */
    enum status (*alerts)(void *arg, const struct alert_put *alerts, size_t count, struct err *err);
};

struct alert_eval;

/* Loads the saved state; evaluates nothing yet. Keeps set until a reload has replaced it and the call has returned. */
MUST_CHECK enum status alert_eval_new(struct alert_eval **out, const struct alert_env *env, const struct rule_set *set, struct err *err);
/* Of the page, once it is known; before alert_eval_start. */
void alert_eval_set_url(struct alert_eval *e, struct slice external_url);
/* Starts the thread. */
MUST_CHECK enum status alert_eval_start(struct alert_eval *e, struct err *err);
/* Rules that stay keep their alerts; alerts of rules that are gone resolve. Waits for the round that runs. */
void alert_eval_reload(struct alert_eval *e, const struct rule_set *set);
/* Ends the thread, saves, frees. Accepts NULL. */
void alert_eval_stop(struct alert_eval *e);
/* Runs every group that is due; gives the nanoseconds until the next one is. What the thread does; for tests without one. */
int64_t alert_eval_step(struct alert_eval *e);
/* Fills one piece of the history of a recording rule that is new; gives the nanoseconds until it is worth asking again. What a
 * second thread does. */
int64_t alert_backfill_step(struct alert_eval *e);
/* prometheus_rule_* in the text format. Any thread. */
void alert_eval_metrics(struct alert_eval *e, struct buf *out);

/* ---- what it looks like now: copies in an arena ---- */

enum alert_state { ALERT_INACTIVE, ALERT_PENDING, ALERT_FIRING };
const char *alert_state_name(enum alert_state s);

struct alert_view {
    struct slice labels, annotations; /* canonical */
    enum alert_state state;
    int64_t active_ns, keep_firing_since_ns; /* 0: not kept */
    double value;
};

/* What became of a rule since it, with this expression, was first evaluated; kept over restarts. */
struct rule_history {
    int64_t first_ns, last_ns;                     /* evaluations; 0: none yet */
    uint64_t evaluations, failures, fired;         /* fired: how often an alert began to fire */
    int64_t last_fired_ns, observed_ns, firing_ns; /* observed: time covered by evaluations; firing: of it with something firing */
};

/* How far the time before a recording rule was made is filled. */
struct rule_backfill {
    bool is_on, is_done;
    int64_t from_ns, until_ns, end_ns; /* until: all steps before it are done */
    uint64_t samples, failures;
    struct slice error; /* of the last piece; empty: good */
};

struct rule_view {
    const struct rule *rule;
    bool is_evaluated;
    enum alert_state state; /* the worst of its alerts */
    struct slice error;     /* empty: good */
    int64_t last_ns, duration_ns;
    struct alert_view *alerts; /* without inactive ones */
    size_t alert_count;
    struct rule_history history;
    struct rule_backfill backfill;
};

struct group_view {
    const struct rule_group *group;
    int64_t last_ns, duration_ns;
    struct rule_view *rules; /* as many as the group has */
};

/* A copy of the rules that are evaluated. Any thread. */
struct rule_set *alert_eval_rules(struct alert_eval *e, struct arena *a);
/* Any thread. */
void alert_eval_view(struct alert_eval *e, struct arena *a, struct group_view **out, size_t *count);

#endif
