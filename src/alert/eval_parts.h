/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of evaluation: eval.c (when), backfill.c (what was before), round.c (what), active.c (alerts over time),
 * state.c (what is kept). */
#ifndef STOA_ALERT_EVAL_PARTS_H
#define STOA_ALERT_EVAL_PARTS_H

#include "alert/eval.h"
#include "base/map.h"
#include "client/stoa.h"
#include "sys/thread.h"

/* An alert; owns its texts. */
struct active {
    struct slice labels, annotations;
    enum alert_state state; /* INACTIVE: resolved, kept until it was told */
    int64_t active_ns, fired_ns, resolved_ns, keep_since_ns;
    double value;
    bool is_told; /* resolved, and handed on */
    bool is_seen; /* in the round that runs */
};

/* One element of a rule's result. Borrowed. */
struct result {
    struct slice labels, annotations;
    double value;
};

struct rule_state {
    const struct rule *rule;
    struct active *alerts;
    size_t count, cap;
    struct arena *series_arena; /* of series: those written in the last round */
    struct slice *series;
    size_t series_count;
    struct rule_history history;
    char error[ERR_TEXT_BYTES_MAX];
    int64_t last_ns, duration_ns;
    struct backfill_job *backfill; /* NULL: none; under lock */
    bool is_loaded;  /* from kv */
    bool is_changed; /* alerts differ from what kv has */
    bool is_first;   /* no round yet since the start */
};

struct group_state {
    const struct rule_group *group;
    uint64_t id;
    int64_t offset_ns, next_ns, last_ns, saved_ns, duration_ns;
    struct rule_state *rules; /* as many as the group has */
};

struct alert_eval {
    struct alert_env env;
    struct mutex round; /* one round, reload or end at a time */
    struct mutex lock;  /* what a view reads */
    struct cond wake;   /* with lock */
    atomic_bool is_stopping;
    struct thread *thread;
    const struct rule_set *set;
    struct group_state *groups;
    size_t group_count;
    struct backfill_job **jobs, *job_running; /* see backfill.c; under lock */
    size_t job_count;
    struct thread *backfill_thread;
    struct stoa_metrics *registry;
    struct stoa_family *evaluations, *failures, *seconds, *group_seconds, *iterations, *missed, *last_samples, *group_interval, *group_rules,
        *group_last_seconds, *group_last_time, *state_errors, *handed_errors, *backfill_samples, *backfill_failures, *backfill_left;
};

/* ---- active.c ---- */

/* Takes what this round gave into s: pending, firing, resolved. True when a state changed. ts_ns: of the round. */
bool active_apply(struct rule_state *s, const struct result *results, size_t count, int64_t ts_ns);
/* Every time moves by -shift_ns: for a wall clock that went back. */
void active_shift(struct rule_state *s, int64_t shift_ns);
struct active *active_add(struct rule_state *s, struct slice labels, struct slice annotations);
void active_clear(struct rule_state *s);
enum alert_state active_worst(const struct rule_state *s);

/* ---- round.c ---- */

/* One rule at ts_ns: asks, applies, adds samples and alerts to hand on. */
struct round {
    struct alert_eval *e;
    struct group_state *g;
    int64_t ts_ns;
    struct arena *arena; /* of the round */
    struct batch *batch; /* NULL: nothing to append yet */
    struct alert_put *puts;
    size_t put_count, put_cap;
    size_t samples;
};
void round_rule(struct round *r, struct rule_state *s);
enum status round_flush(struct round *r, struct err *err);
/* Stale marks for all that s wrote: it is going. */
void round_end_series(struct round *r, struct rule_state *s);
/* What s hands on. resolve: all of it as ended at r->ts_ns. */
void round_put_alerts(struct round *r, struct rule_state *s, bool resolve);
/* series that the alerts of s had written in their last round, for alerts that come from kv. */
void round_series_of_alerts(struct rule_state *s);

/* Of the element `from` of rule's answer: its labels with the rule's, and the rule's name. In r's arena. */
enum status round_labels(struct round *r, const struct rule *rule, struct slice from, double value, struct slice *out, struct err *err);

/* ---- backfill.c ---- */

/* Jobs of the groups as they are now: call when they have changed, with `round` held or no thread yet. */
void backfill_sync(struct alert_eval *e);
void backfill_run(void *arg); /* of the thread; arg: e */
void backfill_free(struct alert_eval *e);
/* Under lock. j may be NULL. */
void backfill_view(const struct backfill_job *j, struct arena *a, struct rule_backfill *out);

/* ---- state.c ---- */

/* ST_OK also when there is nothing saved. */
enum status alert_state_load(struct alert_eval *e, struct group_state *g, struct err *err);
enum status alert_state_save_rule(struct alert_eval *e, struct rule_state *s, struct err *err);
enum status alert_state_save_history(struct alert_eval *e, struct group_state *g, struct err *err);
enum status alert_state_forget(struct alert_eval *e, const struct rule_state *s, struct err *err);
/* Pending since when, by ALERTS_FOR_STATE: for alerts of s that kv did not know. */
enum status alert_state_from_series(struct alert_eval *e, struct rule_state *s, int64_t ts_ns, struct err *err);

static inline struct slice slice_own(struct slice s)
{
    char *p = mem_alloc(s.len + 1);
    memcpy(p, s.ptr, s.len);
    return slice_of(p, s.len);
}

#endif
