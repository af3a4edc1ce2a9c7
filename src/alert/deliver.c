/* SPDX-License-Identifier: Apache-2.0 */
/* Telling. A target (one integration of one receiver, for one incident) is due when a group's time has come and there is something
 * it was not told. What is told is made when it is sent, not before: after an hour of refusals it is the state of then.
 *
 *     due -> flying -> told                      noted in the incident, with what was told
 *                   -> due, after a backoff      could be tried again
 *                   -> given up                  refused for good, or tried for a group_interval; the group's next flush tries anew
 *
 * Workers send; they hold a copy, so the lock is free meanwhile. What waits for a worker when a reload or the end comes is not sent
 * by then, so that nobody waits for more than the tries under way; it stays due. */
#include <stdio.h>

#include "alert/dispatch_parts.h"
#include "base/num.h"
#include "sys/rand.h"

struct delivery {
    struct delivery *next;
    struct dispatch *d;
    const struct integration *in;
    char incident[INCIDENT_ID_BYTES];
    size_t target; /* its place; targets of an incident are never taken away */
    struct notice notice;
};

bool incident_alert_fires(const struct incident_alert *a)
{
    return a->ends_ns == 0 && !a->is_closed;
}

bool dispatch_is_muted(struct dispatch *d, struct slice labels, int64_t now_ns)
{
    return silence_mutes(d, labels, now_ns) || inhibit_mutes(d, labels, NULL);
}

const struct integration *target_integration(const struct dispatch *d, const struct incident_target *t)
{
    const struct receiver *r = receiver_find(d->config, t->receiver);
    for (size_t k = 0; r && k < r->count; k++)
        if (r->integrations[k].index == t->index && slice_eq(slice_str(r->integrations[k].notifier->name), t->kind))
            return &r->integrations[k];
    return NULL;
}

static bool has(const uint64_t *list, size_t count, uint64_t fingerprint)
{
    for (size_t k = 0; k < count; k++)
        if (list[k] == fingerprint)
            return true;
    return false;
}

static const struct route *route_of(const struct incident *i)
{
    return i->group->route;
}

bool target_needs(struct dispatch *d, const struct incident *i, const struct incident_target *t, int64_t now_ns)
{
    const struct integration *in = target_integration(d, t);
    int64_t wall_ns = clock_wall_ns(d->env.clock);
    size_t firing = 0;
    bool new_firing = false, new_resolved = false;
    if (in == NULL)
        return false;
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *a = &i->alerts[k];
        bool fires = incident_alert_fires(a);
        bool is_told = fires ? has(t->firing, t->firing_count, a->fingerprint) : has(t->resolved, t->resolved_count, a->fingerprint);
        /* Inhibition is for what fires: when source and target end together, the end is told. */
        if (silence_mutes(d, a->labels, wall_ns) || (fires && inhibit_mutes(d, a->labels, NULL)))
            continue;
        firing += fires;
        new_firing = new_firing || (fires && !is_told);
        new_resolved = new_resolved || (!fires && !is_told);
    }
    if (new_firing)
        return true;
    if (firing == 0)
        return t->firing_count > 0 && new_resolved;
    if (t->sent_ns && in->send_resolved && new_resolved)
        return true;
    return t->sent_ns && now_ns && t->sent_ns <= now_ns - route_of(i)->repeat_interval_ns;
}

static bool has_alert(const struct incident *i, uint64_t fingerprint)
{
    for (size_t k = 0; k < i->alert_count; k++)
        if (i->alerts[k].fingerprint == fingerprint)
            return true;
    return false;
}

/* Of alerts that made room meanwhile nothing is kept. */
static void told(const struct incident *i, struct incident_target *t, const struct notice *n, int64_t now_ns)
{
    size_t kept = 0, resolved = n->count - n->firing;
    t->sent_ns = now_ns;
    t->firing = mem_realloc(t->firing, n->firing * sizeof *t->firing + 1);
    t->firing_count = n->firing;
    for (size_t k = 0; k < n->firing; k++)
        t->firing[k] = n->alerts[k].fingerprint;
    for (size_t k = 0; k < t->resolved_count; k++)
        if (!has(t->firing, t->firing_count, t->resolved[k]))
            t->resolved[kept++] = t->resolved[k];
    t->resolved = mem_realloc(t->resolved, (kept + resolved) * sizeof *t->resolved + 1);
    for (size_t k = 0; k < resolved; k++)
        if (!has(t->resolved, kept, n->alerts[n->firing + k].fingerprint) && has_alert(i, n->alerts[n->firing + k].fingerprint))
            t->resolved[kept++] = n->alerts[n->firing + k].fingerprint;
    t->resolved_count = kept;
}

void target_make_due(struct dispatch *d, struct incident *i, struct incident_target *t, int64_t now_ns)
{
    t->is_due = true;
    t->tries = 0;
    t->next_try_ns = now_ns;
    t->give_up_ns = sat_add(now_ns, MAX(route_of(i)->group_interval_ns, DELIVERY_TIME_MIN_NS));
    (void)d;
}

/* ---- what is told ---- */

static struct slice copy_url(struct arena *a, const struct dispatch *d, const struct incident *i)
{
    return arena_printf(a, "%.*s/incidents/%.*s", SLICE_FMT(d->external_url), INCIDENT_ID_BYTES, i->id);
}

/* Firing alerts first, then those whose end the target has not heard of. */
static void alerts_make(struct dispatch *d, const struct incident *i, const struct incident_target *t, struct notice *n)
{
    struct arena *a = n->arena;
    struct notice_alert *list = arena_array(a, struct notice_alert, i->alert_count + 1);
    for (int pass = 0; pass < 2; pass++) {
        for (size_t k = 0; k < i->alert_count; k++) {
            const struct incident_alert *from = &i->alerts[k];
            bool fires = incident_alert_fires(from);
            if (fires == pass || (!fires && has(t->resolved, t->resolved_count, from->fingerprint)))
                continue;
            if (silence_mutes(d, from->labels, n->now_ns) || (fires && inhibit_mutes(d, from->labels, NULL)))
                continue;
            list[n->count++] = (struct notice_alert){.labels = arena_copy(a, from->labels),
                                                     .annotations = arena_copy(a, from->annotations),
                                                     .generator_url = arena_copy(a, from->generator_url),
                                                     .starts_ns = from->starts_ns,
                                                     .ends_ns = fires ? 0 : from->ends_ns ? from->ends_ns : i->resolved_ns,
                                                     .value = from->value,
                                                     .fingerprint = from->fingerprint};
            n->firing += fires;
        }
    }
    n->alerts = list;
    n->is_firing = n->firing > 0;
}

static void notice_make(struct dispatch *d, const struct incident *i, const struct incident_target *t, int64_t now_ns, struct notice *n)
{
    struct arena *a = arena_new(0);
    *n = (struct notice){.arena = a, .now_ns = now_ns, .escalation_step = t->step, .started_ns = i->started_ns, .is_first = t->sent_ns == 0};
    alerts_make(d, i, t, n);
    n->receiver = arena_copy(a, t->receiver);
    n->group_key = arena_copy(a, i->group_key);
    n->group_labels = arena_copy(a, i->group_labels);
    n->common_labels = incident_common(a, i, false);
    n->common_annotations = incident_common(a, i, true);
    n->external_url = arena_copy(a, d->external_url);
    n->incident_id = arena_copy(a, slice_of(i->id, INCIDENT_ID_BYTES));
    n->incident_url = copy_url(a, d, i);
    n->severity = arena_copy(a, incident_severity(i));
    n->summary = incident_summary(a, i);
    n->description = incident_annotation(a, i, SLICE("description"));
    n->runbook_url = incident_annotation(a, i, SLICE("runbook_url"));
    notice_data_make(n);
}

/* ---- on its way ---- */

/* The end of what a target does not want to hear the end of. */
static bool keeps_still(const struct notice *n, const struct integration *in)
{
    return !n->is_firing && !in->send_resolved;
}

static struct delivery *take_off(struct dispatch *d, struct incident *i, size_t at, int64_t now_ns)
{
    struct incident_target *t = &i->targets[at];
    const struct integration *in = target_integration(d, t);
    struct notice n;
    t->is_due = t->is_due && in && target_needs(d, i, t, now_ns);
    if (!t->is_due)
        return NULL;
    notice_make(d, i, t, now_ns, &n);
    if (keeps_still(&n, in)) {
        told(i, t, &n, now_ns);
        t->is_due = false;
        arena_free(n.arena);
        incident_save(d, i);
        incident_settle(d, i, now_ns);
        return NULL;
    }
    struct delivery *v = mem_new(struct delivery);
    v->d = d;
    v->in = in;
    v->target = at;
    v->notice = n;
    memcpy(v->incident, i->id, sizeof v->incident);
    t->is_flying = true;
    t->tries++;
    d->flying++;
    return v;
}

struct delivery *deliver_collect(struct dispatch *d, int64_t now_ns, int64_t *next_ns)
{
    struct delivery *list = NULL, **tail = &list;
    for (size_t k = 0; k < d->incident_count && !d->is_paused; k++) {
        struct incident *i = d->incidents[k];
        for (size_t t = 0; i->group && t < i->target_count; t++) {
            if (!i->targets[t].is_due || i->targets[t].is_flying)
                continue;
            if (i->targets[t].next_try_ns > now_ns && i->targets[t].next_try_ns - now_ns <= BACKOFF_MAX_NS) {
                *next_ns = MIN(*next_ns, i->targets[t].next_try_ns);
                continue;
            }
            *tail = take_off(d, i, t, now_ns);
            if (*tail)
                tail = &(*tail)->next;
        }
    }
    return list;
}

static void note_success(struct dispatch *d, struct incident *i, struct incident_target *t, const struct notice *n, int64_t now_ns)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "%s: %zu firing, %zu resolved", n->is_firing ? "firing" : "resolved", n->firing, n->count - n->firing);
    t->is_due = false;
    told(i, t, n, now_ns);
    incident_note_sent(i, now_ns, buf_as_slice(&b), t, false);
    incident_save(d, i);
    incident_settle(d, i, now_ns);
    buf_free(&b);
}

static void note_failure(struct dispatch *d, struct incident *i, struct incident_target *t, enum status st, const struct err *err, int64_t now_ns)
{
    int64_t wait_ns = BACKOFF_FIRST_NS << MIN(t->tries - 1, 10u);
    wait_ns = MIN(wait_ns, BACKOFF_MAX_NS);
    bool ends = st == ST_INVALID || t->tries >= DELIVERY_TRIES_MAX || now_ns + wait_ns > t->give_up_ns;
    struct buf b;
    buf_init(&b, ERR_TEXT_BYTES_MAX * 2);
    buf_printf(&b, "%s; %s", err->text,
               st == ST_INVALID ? "not tried again before the next round" : ends ? "given up until the next round" : "trying again");
    t->is_due = !ends;
    t->next_try_ns = now_ns + wait_ns;
    if (t->tries == 1 || ends) {
        incident_note_sent(i, now_ns, buf_as_slice(&b), t, true);
        incident_save(d, i);
    }
    buf_free(&b);
}

static void count(struct dispatch *d, const struct delivery *v, enum status st, int64_t took_ns)
{
    const char *const kind[] = {v->in->notifier->name};
    const char *reason = st == ST_INVALID ? "clientError" : st == ST_TIMEOUT ? "contextDeadlineExceeded" : "serverError";
    const char *const kind_reason[] = {v->in->notifier->name, reason};
    stoa_add(d->requests, 1, kind);
    stoa_observe(d->latency, (double)took_ns / 1e9, kind);
    if (st)
        stoa_add(d->requests_failed, 1, kind);
    stoa_add(st ? d->failed : d->notifications, 1, st ? kind_reason : kind);
    if (st)
        stoa_add(d->notifications, 1, kind);
}

/* Waits its turn no more: a reload or the end has come. */
static bool is_put_off(struct dispatch *d)
{
    mutex_lock(&d->lock);
    bool is_paused = d->is_paused;
    mutex_unlock(&d->lock);
    return is_paused;
}

static enum status tell(struct delivery *v, const struct notify_ids *ids, struct err *err)
{
    struct dispatch *d = v->d;
    struct notify_env env = {d->env.client, &d->cancelled, ids};
    if (is_put_off(d))
        return err_set(err, ST_CANCELLED, "put off");
    return d->env.deliver ? d->env.deliver(d->env.arg, v->in->notifier->name, &v->notice, err)
                          : v->in->notifier->send(v->in->settings, &env, &v->notice, err);
}

static void deliver(void *arg)
{
    struct delivery *v = arg;
    struct dispatch *d = v->d;
    struct err err = {0};
    int64_t start_ns = clock_mono_ns(d->env.clock);
    struct notify_ids ids;
    sys_random(&ids, sizeof ids);
    enum status st = tell(v, &ids, &err);
    int64_t took_ns = clock_mono_ns(d->env.clock) - start_ns, now_ns = clock_wall_ns(d->env.clock);
    mutex_lock(&d->lock);
    struct incident *i = incident_find(d, slice_of(v->incident, sizeof v->incident));
    bool must_write = d->must_write;
    if (i && st != ST_CANCELLED) {
        struct incident_target *t = &i->targets[v->target];
        t->is_flying = false;
        if (!st)
            note_success(d, i, t, &v->notice, now_ns);
        else
            note_failure(d, i, t, st, &err, now_ns);
    } else if (i) {
        i->targets[v->target].is_flying = false;
        i->targets[v->target].tries--;
    }
    d->must_write = must_write; /* the step writes what is noted here, with what else comes back */
    if (st != ST_CANCELLED)
        count(d, v, st, took_ns);
    if (st && st != ST_CANCELLED)
        log_line(d->env.log, LOG_WARNING, "a notification failed", "receiver=\"%.*s\" integration=%s incident=%.*s error=\"%s\"",
                 SLICE_FMT(v->notice.receiver), v->in->notifier->name, INCIDENT_ID_BYTES, v->incident, err.text);
    if (d->env.notified && st != ST_CANCELLED)
        d->env.notified(d->env.arg, v->in->notifier->name, v->notice.receiver, &ids, took_ns, st, st ? err.text : "");
    d->flying--;
    d->is_woken = true;
    cond_signal(&d->wake);
    cond_broadcast(&d->landed);
    mutex_unlock(&d->lock);
    arena_free(v->notice.arena);
    mem_free(v);
}

void deliver_all(struct dispatch *d, struct delivery *list)
{
    for (struct delivery *v = list, *next; v; v = next) {
        next = v->next;
        if (d->pool == NULL) {
            deliver(v);
        } else if (!pool_submit(d->pool, deliver, v)) { /* later */
            mutex_lock(&d->lock);
            struct incident *i = incident_find(d, slice_of(v->incident, sizeof v->incident));
            if (i) {
                i->targets[v->target].is_flying = false;
                i->targets[v->target].tries--;
                i->targets[v->target].next_try_ns = v->notice.now_ns + BACKOFF_FIRST_NS;
            }
            d->flying--;
            mutex_unlock(&d->lock);
            arena_free(v->notice.arena);
            mem_free(v);
        }
    }
    if (d->pool == NULL) {
        mutex_lock(&d->lock);
        incidents_write(d);
        mutex_unlock(&d->lock);
    }
}
