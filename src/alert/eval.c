/* SPDX-License-Identifier: Apache-2.0 */
/* When rules are evaluated. One thread; a group's times are the multiples of its interval plus an offset by its name, so that
 * groups spread and stay where they are over restarts. A group whose time was missed (a slow round before, a sleeping machine)
 * is evaluated once, for the latest time; the others are counted as missed. A wall clock that went back moves the times of the
 * alerts with it: what was pending for three minutes still is.
 *
 * The order of a round: ask and apply (round.c), save changed alerts, append samples, hand alerts on. So whoever is told of an
 * alert finds it again after a crash.
 *
 * Locks: `round` covers a whole round, a reload and the end; `lock` what a view reads, held shortly. */
#include <stdio.h>
#include <stdlib.h>

#include "alert/eval_parts.h"
#include "base/date.h"

enum { ROUND_ARENA_BYTES_MAX = 512 * MIB };
#define WAIT_MAX_NS       NS_S /* so that a clock that jumps is seen */
#define SAVE_EVERY_MAX_NS (60 * NS_S)
#define SAVE_EVERY_MIN_NS NS_S
#define SAVES_PER_FOR     8 /* a `for` loses at most this part of it to a crash */

/* ---- groups ---- */

static void group_init(struct alert_eval *e, struct group_state *g, const struct rule_group *group)
{
    struct buf name;
    buf_init(&name, 0);
    buf_lenslice(&name, group->file);
    buf_lenslice(&name, group->name);
    *g = (struct group_state){.group = group, .id = hash64(buf_as_slice(&name), 0)};
    buf_free(&name);
    int64_t interval_ms = MAX(group->interval_ns / NS_MS, (int64_t)1);
    g->offset_ns = (int64_t)(g->id % (uint64_t)interval_ms) * NS_MS;
    g->next_ns = date_floor(clock_wall_ns(e->env.clock) - g->offset_ns, group->interval_ns) + g->offset_ns + group->interval_ns;
    g->rules = mem_zalloc((group->rule_count + 1) * sizeof *g->rules);
    for (size_t i = 0; i < group->rule_count; i++) {
        g->rules[i].rule = &group->rules[i];
        g->rules[i].is_first = true;
    }
}

static void group_free(struct group_state *g)
{
    for (size_t i = 0; i < g->group->rule_count; i++) {
        active_clear(&g->rules[i]);
        arena_free(g->rules[i].series_arena);
    }
    mem_free(g->rules);
}

/* How often histories and the time of the last round are saved: a crash adds at most this to a pending `for`. */
static int64_t save_every_ns(const struct rule_group *g)
{
    int64_t every = SAVE_EVERY_MAX_NS;
    for (size_t i = 0; i < g->rule_count; i++)
        if (g->rules[i].for_ns)
            every = MIN(every, g->rules[i].for_ns / SAVES_PER_FOR);
    return MAX(every, SAVE_EVERY_MIN_NS);
}

static void on_state_error(struct alert_eval *e, const char *what, const struct err *err)
{
    stoa_add(e->state_errors, 1, NULL);
    log_line(e->env.log, LOG_ERROR, "alert state is not saved", "what=\"%s\" error=\"%s\"", what, err->text);
}

/* One write a round, however many rules have changed. */
static void save(struct alert_eval *e, struct group_state *g, bool history)
{
    struct err err;
    bool any = history;
    for (size_t i = 0; i < g->group->rule_count; i++)
        any = any || g->rules[i].is_changed;
    if (!any)
        return;
    if (kv_hold(e->env.kv, &err)) {
        on_state_error(e, "round", &err);
        return;
    }
    for (size_t i = 0; i < g->group->rule_count; i++)
        if (g->rules[i].is_changed && alert_state_save_rule(e, &g->rules[i], &err))
            on_state_error(e, "rule", &err);
    if (history && alert_state_save_history(e, g, &err))
        on_state_error(e, "history", &err);
    if (history)
        g->saved_ns = g->last_ns;
    if (!kv_release(e->env.kv, true, &err))
        return;
    on_state_error(e, "round", &err);
    for (size_t i = 0; i < g->group->rule_count; i++) /* more than was lost, and none of it less */
        g->rules[i].is_changed = g->rules[i].rule->kind == RULE_ALERT;
}

static void hand_on(struct round *r)
{
    struct err err;
    if (r->put_count == 0 || !r->e->env.alerts(r->e->env.arg, r->puts, r->put_count, &err))
        return;
    stoa_add(r->e->handed_errors, 1, NULL);
    log_line(r->e->env.log, LOG_ERROR, "alerts could not be handed on", "count=%zu error=\"%s\"", r->put_count, err.text);
}

static void append(struct round *r)
{
    struct err err;
    if (round_flush(r, &err))
        log_line(r->e->env.log, LOG_ERROR, "rule results could not be stored", "group=\"%.*s\" error=\"%s\"",
                 r->g ? (int)r->g->group->name.len : 0, r->g ? r->g->group->name.ptr : "", err.text);
}

static void group_round(struct alert_eval *e, struct group_state *g, int64_t ts_ns)
{
    const struct rule_group *group = g->group;
    struct round r = {.e = e, .g = g, .ts_ns = ts_ns, .arena = arena_new(ROUND_ARENA_BYTES_MAX)};
    const char *const name[] = {arena_printf(r.arena, "%.*s;%.*s", SLICE_FMT(group->file), SLICE_FMT(group->name)).ptr};
    int64_t start_ns = clock_mono_ns(e->env.clock);
    for (size_t i = 0; i < group->rule_count && !atomic_load(&e->is_stopping); i++)
        round_rule(&r, &g->rules[i]);
    mutex_lock(&e->lock);
    g->last_ns = ts_ns;
    mutex_unlock(&e->lock);
    save(e, g, ts_ns - g->saved_ns >= save_every_ns(group) || ts_ns < g->saved_ns);
    append(&r);
    for (size_t i = 0; i < group->rule_count; i++)
        round_put_alerts(&r, &g->rules[i], false);
    hand_on(&r);
    mutex_lock(&e->lock);
    g->duration_ns = clock_mono_ns(e->env.clock) - start_ns;
    mutex_unlock(&e->lock);
    double seconds = (double)g->duration_ns / 1e9;
    stoa_add(e->iterations, 1, name);
    stoa_observe(e->group_seconds, seconds, NULL);
    stoa_set(e->group_last_seconds, seconds, name);
    stoa_set(e->group_last_time, (double)(ts_ns / NS_MS) / 1e3, name);
    stoa_set(e->last_samples, (double)r.samples, name);
    stoa_set(e->group_interval, (double)group->interval_ns / 1e9, name);
    stoa_set(e->group_rules, (double)group->rule_count, name);
    arena_free(r.arena);
}

/* The wall clock is before the last round: everything moves with it, and the next round is now. */
static void clock_went_back(struct alert_eval *e, struct group_state *g, int64_t now_ns)
{
    int64_t interval = g->group->interval_ns, slot = date_floor(now_ns - g->offset_ns, interval) + g->offset_ns;
    int64_t shift = g->next_ns - slot;
    mutex_lock(&e->lock);
    for (size_t i = 0; i < g->group->rule_count; i++) {
        active_shift(&g->rules[i], shift);
        g->rules[i].history.last_ns = 0;
    }
    g->next_ns = slot;
    mutex_unlock(&e->lock);
    log_line(e->env.log, LOG_WARNING, "the clock went back; alerts keep how long they are pending", "group=\"%.*s\" by_seconds=%lld",
             SLICE_FMT(g->group->name), (long long)(shift / NS_S));
}

int64_t alert_eval_step(struct alert_eval *e)
{
    int64_t wait_ns = INT64_MAX;
    mutex_lock(&e->round);
    for (size_t i = 0; i < e->group_count && !atomic_load(&e->is_stopping); i++) {
        struct group_state *g = &e->groups[i];
        int64_t interval = g->group->interval_ns, now_ns = clock_wall_ns(e->env.clock);
        if (g->next_ns - now_ns > 2 * interval)
            clock_went_back(e, g, now_ns);
        if (g->next_ns <= now_ns) {
            int64_t late = (now_ns - g->next_ns) / interval, ts_ns = g->next_ns + late * interval;
            if (late && g->last_ns) {
                struct slice name = g->group->name, file = g->group->file;
                struct arena *a = arena_new(0);
                stoa_add(e->missed, (double)late, (const char *const[]){arena_printf(a, "%.*s;%.*s", SLICE_FMT(file), SLICE_FMT(name)).ptr});
                arena_free(a);
            }
            g->next_ns = ts_ns + interval;
            group_round(e, g, ts_ns);
        }
        wait_ns = MIN(wait_ns, g->next_ns - clock_wall_ns(e->env.clock));
    }
    mutex_unlock(&e->round);
    return wait_ns;
}

static void run(void *arg)
{
    struct alert_eval *e = arg;
    for (;;) {
        int64_t wait_ns = alert_eval_step(e);
        mutex_lock(&e->lock);
        if (!atomic_load(&e->is_stopping) && wait_ns > 0)
            cond_wait_ns(&e->wake, &e->lock, wait_ns == INT64_MAX ? SAVE_EVERY_MAX_NS : MIN(wait_ns, WAIT_MAX_NS));
        mutex_unlock(&e->lock);
        if (atomic_load(&e->is_stopping))
            return;
    }
}

/* ---- start, reload, end ---- */

static void metrics_make(struct alert_eval *e)
{
    static const char *const group[] = {"rule_group"};
    static const double seconds[] = {0.001, 0.003, 0.01, 0.03, 0.1, 0.3, 1, 3, 10, 30};
    struct stoa_metrics *m = e->registry = stoa_metrics_new();
    e->evaluations = stoa_counter(m, "prometheus_rule_evaluations_total", "Rules evaluated.", 1, group);
    e->failures = stoa_counter(m, "prometheus_rule_evaluation_failures_total", "Rules whose evaluation failed.", 1, group);
    e->seconds = stoa_histogram(m, "prometheus_rule_evaluation_duration_seconds", "Time a rule took.", COUNT_OF(seconds), seconds, 0, NULL);
    e->group_seconds =
        stoa_histogram(m, "prometheus_rule_group_duration_seconds", "Time a group of rules took.", COUNT_OF(seconds), seconds, 0, NULL);
    e->iterations = stoa_counter(m, "prometheus_rule_group_iterations_total", "Rounds of groups.", 1, group);
    e->missed =
        stoa_counter(m, "prometheus_rule_group_iterations_missed_total", "Rounds of groups that were left out for being late.", 1, group);
    e->last_samples = stoa_gauge(m, "prometheus_rule_group_last_evaluation_samples", "Samples the last round wrote.", 1, group);
    e->group_interval = stoa_gauge(m, "prometheus_rule_group_interval_seconds", "Interval of a group.", 1, group);
    e->group_rules = stoa_gauge(m, "prometheus_rule_group_rules", "Rules of a group.", 1, group);
    e->group_last_seconds = stoa_gauge(m, "prometheus_rule_group_last_duration_seconds", "Time the last round took.", 1, group);
    e->group_last_time = stoa_gauge(m, "prometheus_rule_group_last_evaluation_timestamp_seconds", "When the last round was.", 1, group);
    e->state_errors = stoa_counter(m, "stoa_alert_state_errors_total", "Times that alert state could not be saved.", 0, NULL);
    e->backfill_samples = stoa_counter(m, "stoa_rule_backfill_samples_total", "Samples of the time before a recording rule was made.", 0, NULL);
    e->backfill_failures =
        stoa_counter(m, "stoa_rule_backfill_failures_total", "Steps before a recording rule was made that could not be evaluated.", 0, NULL);
    e->backfill_left = stoa_gauge(m, "stoa_rule_backfill_rules", "Recording rules whose history is not filled to its end yet.", 0, NULL);
    e->handed_errors = stoa_counter(m, "stoa_alert_handover_errors_total", "Times that alerts could not be handed to notification.", 0, NULL);
}

/* Groups of set with the saved state. */
static struct group_state *groups_make(struct alert_eval *e, const struct rule_set *set)
{
    struct group_state *list = mem_zalloc((set->group_count + 1) * sizeof *list);
    for (size_t i = 0; i < set->group_count; i++) {
        struct err err;
        group_init(e, &list[i], &set->groups[i]);
        if (alert_state_load(e, &list[i], &err)) {
            stoa_add(e->state_errors, 1, NULL);
            log_line(e->env.log, LOG_ERROR, "saved alerts could not be read", "group=\"%.*s\" error=\"%s\"", SLICE_FMT(set->groups[i].name),
                     err.text);
        }
    }
    return list;
}

enum status alert_eval_new(struct alert_eval **out, const struct alert_env *env, const struct rule_set *set, struct err *err)
{
    struct alert_eval *e = mem_new(struct alert_eval);
    e->env = *env;
    e->set = set;
    mutex_init(&e->round);
    mutex_init(&e->lock);
    cond_init(&e->wake);
    metrics_make(e);
    e->groups = groups_make(e, set);
    e->group_count = set->group_count;
    backfill_sync(e);
    *out = e;
    return ST_OK;
}

void alert_eval_set_url(struct alert_eval *e, struct slice external_url)
{
    e->env.external_url = external_url;
}

enum status alert_eval_start(struct alert_eval *e, struct err *err)
{
    enum status st = thread_start(&e->thread, "rules", run, e, err);
    return st ? st : thread_start(&e->backfill_thread, "rules-backfill", backfill_run, e, err);
}

static struct rule_state *find_rule(struct group_state *groups, size_t count, uint64_t id)
{
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < groups[i].group->rule_count; k++)
            if (groups[i].rules[k].rule->id == id)
                return &groups[i].rules[k];
    return NULL;
}

/* A rule that stays takes over what it had in memory; what is only there (series written) is not in kv. */
static void take_over(struct rule_state *to, struct rule_state *from)
{
    bool same = to->rule->expr_hash == from->rule->expr_hash;
    struct rule_state old = *to;
    const struct rule *rule = to->rule;
    *to = *from;
    to->rule = rule;
    if (!same)
        to->history = (struct rule_history){0};
    *from = old;
    from->rule = rule;
}

void alert_eval_reload(struct alert_eval *e, const struct rule_set *set)
{
    mutex_lock(&e->round);
    struct round r = {.e = e, .ts_ns = clock_wall_ns(e->env.clock), .arena = arena_new(0)};
    struct group_state *old = e->groups;
    size_t old_count = e->group_count;
    for (size_t i = 0; i < old_count; i++)
        save(e, &old[i], true);
    struct group_state *fresh = groups_make(e, set);
    mutex_lock(&e->lock);
    for (size_t i = 0; i < old_count; i++) {
        for (size_t k = 0; k < old[i].group->rule_count; k++) {
            struct rule_state *from = &old[i].rules[k], *to = find_rule(fresh, set->group_count, from->rule->id);
            struct err err;
            if (to) {
                take_over(to, from);
                continue;
            }
            round_put_alerts(&r, from, true);
            round_end_series(&r, from);
            if (from->rule->kind == RULE_ALERT && alert_state_forget(e, from, &err))
                on_state_error(e, "removed rule", &err);
        }
    }
    e->groups = fresh;
    e->group_count = set->group_count;
    e->set = set;
    cond_broadcast(&e->wake);
    mutex_unlock(&e->lock);
    backfill_sync(e);
    append(&r);
    hand_on(&r);
    for (size_t i = 0; i < old_count; i++)
        group_free(&old[i]);
    mem_free(old);
    arena_free(r.arena);
    mutex_unlock(&e->round);
}

void alert_eval_stop(struct alert_eval *e)
{
    if (e == NULL)
        return;
    mutex_lock(&e->lock);
    atomic_store(&e->is_stopping, true);
    cond_broadcast(&e->wake);
    mutex_unlock(&e->lock);
    thread_join(e->thread);
    thread_join(e->backfill_thread);
    for (size_t i = 0; i < e->group_count; i++) {
        save(e, &e->groups[i], true);
        group_free(&e->groups[i]);
    }
    backfill_free(e);
    mem_free(e->groups);
    stoa_metrics_free(e->registry);
    cond_destroy(&e->wake);
    mutex_destroy(&e->lock);
    mutex_destroy(&e->round);
    mem_free(e);
}

/* ---- views ---- */

void alert_eval_metrics(struct alert_eval *e, struct buf *out)
{
    size_t n;
    char *text = stoa_metrics_text(e->registry, &n);
    buf_put(out, text, n);
    free(text);
}

struct rule_set *alert_eval_rules(struct alert_eval *e, struct arena *a)
{
    mutex_lock(&e->lock);
    struct rule_set *set = rule_set_copy(a, e->set);
    mutex_unlock(&e->lock);
    return set;
}

static void view_rule(const struct rule_state *s, const struct rule *rule, struct arena *a, struct rule_view *v)
{
    *v = (struct rule_view){.rule = rule,
                            .is_evaluated = s->last_ns != 0,
                            .state = active_worst(s),
                            .error = arena_copy(a, slice_str(s->error)),
                            .last_ns = s->last_ns,
                            .duration_ns = s->duration_ns,
                            .history = s->history};
    backfill_view(s->backfill, a, &v->backfill);
    v->alerts = arena_array(a, struct alert_view, s->count + 1);
    for (size_t i = 0; i < s->count; i++) {
        const struct active *x = &s->alerts[i];
        if (x->state != ALERT_INACTIVE)
            v->alerts[v->alert_count++] =
                (struct alert_view){arena_copy(a, x->labels), arena_copy(a, x->annotations), x->state, x->active_ns, x->keep_since_ns, x->value};
    }
}

void alert_eval_view(struct alert_eval *e, struct arena *a, struct group_view **out, size_t *count)
{
    mutex_lock(&e->lock);
    const struct rule_set *set = rule_set_copy(a, e->set);
    struct group_view *list = arena_array(a, struct group_view, e->group_count + 1);
    for (size_t i = 0; i < e->group_count; i++) {
        const struct group_state *g = &e->groups[i];
        list[i] = (struct group_view){.group = &set->groups[i], .last_ns = g->last_ns, .duration_ns = g->duration_ns};
        list[i].rules = arena_array(a, struct rule_view, g->group->rule_count + 1);
        for (size_t k = 0; k < g->group->rule_count; k++)
            view_rule(&g->rules[k], &set->groups[i].rules[k], a, &list[i].rules[k]);
    }
    *out = list;
    *count = e->group_count;
    mutex_unlock(&e->lock);
}
