/* SPDX-License-Identifier: Apache-2.0 */
/* The alerts of a rule over time. An alert is one by its labels:
 *
 *     seen          -> pending; firing once `for` has passed since it was first seen (at once without `for`)
 *     not seen      -> pending ones go; firing ones stay while `keep_firing_for` lasts, and then are resolved
 *     resolved      -> kept for RESOLVED_KEPT_NS, so that it is told even after a restart; seen again, it is a new alert
 *
 * All of it hangs on the times of the rounds, never on the clock. */
#include "alert/eval_parts.h"

#define RESOLVED_KEPT_NS (15 * 60 * NS_S)

const char *alert_state_name(enum alert_state s)
{
    switch (s) {
    case ALERT_INACTIVE:
        return "inactive";
    case ALERT_PENDING:
        return "pending";
    case ALERT_FIRING:
        return "firing";
    }
    return "";
}

struct active *active_add(struct rule_state *s, struct slice labels, struct slice annotations)
{
    enum { CAP_FIRST = 4 };
    if (s->count == s->cap) {
        s->cap = s->cap ? s->cap * 2 : CAP_FIRST;
        s->alerts = mem_realloc(s->alerts, s->cap * sizeof *s->alerts);
    }
    struct active *a = &s->alerts[s->count++];
    *a = (struct active){.labels = slice_own(labels), .annotations = slice_own(annotations)};
    return a;
}

static void active_free(struct active *a)
{
    mem_free((void *)a->labels.ptr);
    mem_free((void *)a->annotations.ptr);
}

void active_clear(struct rule_state *s)
{
    for (size_t i = 0; i < s->count; i++)
        active_free(&s->alerts[i]);
    mem_free(s->alerts);
    s->alerts = NULL;
    s->count = s->cap = 0;
}

enum alert_state active_worst(const struct rule_state *s)
{
    enum alert_state worst = ALERT_INACTIVE;
    for (size_t i = 0; i < s->count; i++)
        worst = MAX(worst, s->alerts[i].state);
    return worst;
}

/* A result joins the alert of its labels, or starts one. */
static bool take_result(struct rule_state *s, struct map *index, const struct result *r, int64_t ts_ns)
{
    uint64_t *at = map_get(index, r->labels);
    struct active *a = at ? &s->alerts[*at] : NULL;
    bool starts = a == NULL || a->state == ALERT_INACTIVE;
    if (a == NULL)
        a = active_add(s, r->labels, r->annotations);
    if (starts) {
        a->state = ALERT_PENDING;
        a->active_ns = ts_ns;
        a->fired_ns = a->resolved_ns = 0;
        a->is_told = false;
    }
    if (!slice_eq(a->annotations, r->annotations)) {
        mem_free((void *)a->annotations.ptr);
        a->annotations = slice_own(r->annotations);
    }
    a->value = r->value;
    a->is_seen = true;
    return starts;
}

/* An alert that this round did not give. False when it is to be dropped. */
static bool pass_unseen(const struct rule *rule, struct active *a, int64_t ts_ns, bool *changed)
{
    if (a->state == ALERT_PENDING) {
        *changed = true;
        return false;
    }
    if (a->state == ALERT_INACTIVE) {
        bool is_kept = ts_ns - a->resolved_ns < RESOLVED_KEPT_NS;
        *changed |= !is_kept;
        return is_kept;
    }
    if (rule->keep_firing_ns && a->keep_since_ns == 0) {
        a->keep_since_ns = ts_ns;
        *changed = true;
    }
    if (rule->keep_firing_ns && ts_ns - a->keep_since_ns < rule->keep_firing_ns)
        return true;
    a->state = ALERT_INACTIVE;
    a->resolved_ns = ts_ns;
    a->keep_since_ns = 0;
    *changed = true;
    return true;
}

static void pass_seen(struct rule_state *s, struct active *a, int64_t ts_ns, bool *changed)
{
    *changed |= a->keep_since_ns != 0;
    a->keep_since_ns = 0;
    if (a->state == ALERT_PENDING && ts_ns - a->active_ns >= s->rule->for_ns) {
        a->state = ALERT_FIRING;
        a->fired_ns = ts_ns;
        s->history.fired++;
        s->history.last_fired_ns = ts_ns;
        *changed = true;
    }
}

bool active_apply(struct rule_state *s, const struct result *results, size_t count, int64_t ts_ns)
{
    struct map index;
    bool changed = false;
    size_t kept = 0;
    map_init(&index);
    for (size_t i = 0; i < s->count; i++) {
        s->alerts[i].is_seen = false;
        *map_put(&index, s->alerts[i].labels, NULL) = i;
    }
    for (size_t i = 0; i < count; i++)
        changed |= take_result(s, &index, &results[i], ts_ns);
    map_free(&index);
    for (size_t i = 0; i < s->count; i++) {
        struct active a = s->alerts[i];
        bool stays = true;
        if (a.is_seen)
            pass_seen(s, &a, ts_ns, &changed);
        else
            stays = pass_unseen(s->rule, &a, ts_ns, &changed);
        if (stays)
            s->alerts[kept++] = a;
        else
            active_free(&a);
    }
    s->count = kept;
    return changed;
}

void active_shift(struct rule_state *s, int64_t shift_ns)
{
    for (size_t i = 0; i < s->count; i++) {
        int64_t *const times[] = {&s->alerts[i].active_ns, &s->alerts[i].fired_ns, &s->alerts[i].resolved_ns, &s->alerts[i].keep_since_ns};
        for (size_t k = 0; k < COUNT_OF(times); k++)
            if (*times[k])
                *times[k] -= shift_ns;
    }
    s->is_changed = true;
}
