/* SPDX-License-Identifier: Apache-2.0 */
/* Dispatch: one thread that looks what is due, and workers that send. Everything is under one lock, which nobody holds while a
 * notification is sent; kv is written under it, so that what a caller was told is on disk.
 *
 * A step, in this order: alerts whose time is over end; groups with news open and close incidents; groups whose time has come
 * are flushed; incidents that nobody acknowledged escalate; all that has changed is written at once; what is due is sent. */
#include "alert/dispatch.h"

#include <stdlib.h>

#include "alert/dispatch_parts.h"
#include "base/num.h"
#include "base/utf8.h"

#define SWEEP_EVERY_NS (60 * NS_S)

static void metrics_make(struct dispatch *d)
{
    static const char *const kind[] = {"integration"}, *const kind_reason[] = {"integration", "reason"}, *const state[] = {"state"},
                      *const status[] = {"status"};
    static const double bounds[] = {1, 5, 10, 15, 20};
    struct stoa_metrics *m = d->registry = stoa_metrics_new();
    d->notifications = stoa_counter(m, "alertmanager_notifications_total", "Notifications tried.", 1, kind);
    d->failed = stoa_counter(m, "alertmanager_notifications_failed_total", "Notifications that failed.", 2, kind_reason);
    d->requests = stoa_counter(m, "alertmanager_notification_requests_total", "Requests to integrations.", 1, kind);
    d->requests_failed = stoa_counter(m, "alertmanager_notification_requests_failed_total", "Requests to integrations that failed.", 1, kind);
    d->latency = stoa_histogram(m, "alertmanager_notification_latency_seconds", "How long notifications took.", COUNT_OF(bounds), bounds, 1, kind);
    d->received = stoa_counter(m, "alertmanager_alerts_received_total", "Alerts taken in.", 1, status);
    d->invalid = stoa_counter(m, "alertmanager_alerts_invalid_total", "Alerts refused.", 0, NULL);
    d->alerts_now = stoa_gauge(m, "alertmanager_alerts", "Alerts that fire now.", 1, state);
    d->silences_now = stoa_gauge(m, "alertmanager_silences", "Silences.", 1, state);
    d->incidents_now = stoa_gauge(m, "stoa_incidents", "Incidents kept.", 1, state);
    d->state_errors = stoa_counter(m, "stoa_dispatch_state_errors_total", "Writes of incidents that failed.", 0, NULL);
    d->writes = stoa_counter(m, "stoa_dispatch_writes_total", "Writes of incidents to disk, each of many at once.", 0, NULL);
    d->written = stoa_counter(m, "stoa_dispatch_incidents_written_total", "Incidents in those writes.", 0, NULL);
}

enum status dispatch_new(struct dispatch **out, const struct dispatch_env *env, const struct dispatch_config *config, struct err *err)
{
    struct dispatch *d = mem_new(struct dispatch);
    d->env = *env;
    d->config = config;
    d->external_url = dispatch_own(SLICE_EMPTY);
    mutex_init(&d->lock);
    cond_init(&d->wake);
    cond_init(&d->landed);
    map_init(&d->alerts);
    map_init(&d->groups);
    map_init(&d->warned);
    d->warned_arena = arena_new(0);
    metrics_make(d);
    enum status st = silences_load(d, err);
    if (!st)
        st = incidents_load(d, err);
    if (st) {
        dispatch_stop(d);
        return st;
    }
    groups_rebuild(d, clock_wall_ns(env->clock));
    incidents_write(d);
    *out = d;
    return ST_OK;
}

/* ---- the step ---- */

static int64_t flush_groups(struct dispatch *d, int64_t now_ns)
{
    struct map_entry *e;
    int64_t next_ns = INT64_MAX;
    for (size_t i = 0; (e = map_each(&d->groups, &i)) != NULL;) {
        struct group *g = (struct group *)(uintptr_t)e->value;
        /* The clock may have been set back: nobody waits longer for it. */
        g->next_flush_ns = MIN(g->next_flush_ns, sat_add(now_ns, MAX(g->route->group_wait_ns, g->route->group_interval_ns)));
        if (g->next_flush_ns <= now_ns)
            group_touch(d, g); /* a silence may have ended */
    }
    groups_update(d, now_ns);
    for (size_t i = 0; (e = map_each(&d->groups, &i)) != NULL;) {
        struct group *g = (struct group *)(uintptr_t)e->value;
        if (g->next_flush_ns <= now_ns)
            group_flush(d, g, now_ns);
        next_ns = MIN(next_ns, g->next_flush_ns);
    }
    return next_ns;
}

static int64_t escalate(struct dispatch *d, int64_t now_ns)
{
    int64_t next_ns = INT64_MAX;
    for (size_t k = 0; k < d->incident_count; k++) {
        struct incident *i = d->incidents[k];
        if (i->group == NULL || i->state != INCIDENT_FIRING || i->escalate_ns == 0)
            continue;
        if (i->escalate_ns <= now_ns)
            incident_escalate(d, i, now_ns);
        else
            next_ns = MIN(next_ns, i->escalate_ns);
    }
    return next_ns;
}

static void save_again(struct dispatch *d, int64_t now_ns)
{
    if (now_ns < d->save_again_ns)
        return;
    d->save_again_ns = now_ns + SAVE_AGAIN_NS;
    for (size_t k = 0; k < d->incident_count; k++)
        if (d->incidents[k]->is_dirty)
            incident_save(d, d->incidents[k]);
}

/* History beyond its limits goes. What a failed write leaves in kv is history again after a restart, and goes then. */
static void sweep_incidents(struct dispatch *d, int64_t now_ns, size_t settled)
{
    for (size_t k = 0; k < d->incident_count;) {
        const struct incident *i = d->incidents[k];
        if (!i->is_settled || (settled <= INCIDENTS_KEPT_MAX && now_ns - i->resolved_ns < INCIDENT_KEPT_NS))
            k++;
        else if (incident_forget(d, k))
            settled--;
        else
            return;
    }
}

static void sweep(struct dispatch *d, int64_t now_ns)
{
    size_t settled = 0;
    if (now_ns - d->swept_ns < SWEEP_EVERY_NS)
        return;
    d->swept_ns = now_ns;
    silences_sweep(d, now_ns);
    for (size_t k = 0; k < d->incident_count; k++)
        settled += d->incidents[k]->is_settled;
    struct err err;
    if (kv_hold(d->env.kv, &err))
        return;
    sweep_incidents(d, now_ns, settled);
    if (kv_release(d->env.kv, true, &err))
        stoa_add(d->state_errors, 1, NULL);
}

/* What nobody must be told before it is on disk is written now; that a notification went, with others of its kind. */
static void write_due(struct dispatch *d, int64_t now_ns, int64_t *next_ns)
{
    bool is_time = now_ns < d->written_ns || now_ns - d->written_ns >= NOTES_EVERY_NS;
    if (d->must_write || is_time)
        incidents_write(d);
    else if (d->has_unsaved)
        *next_ns = MIN(*next_ns, d->written_ns + NOTES_EVERY_NS);
}

int64_t dispatch_step(struct dispatch *d)
{
    mutex_lock(&d->lock);
    int64_t now_ns = clock_wall_ns(d->env.clock), next_ns = INT64_MAX;
    d->is_woken = false;
    alerts_expire(d, now_ns);
    groups_update(d, now_ns);
    next_ns = MIN(next_ns, flush_groups(d, now_ns));
    next_ns = MIN(next_ns, escalate(d, now_ns));
    save_again(d, now_ns);
    sweep(d, now_ns);
    struct delivery *list = deliver_collect(d, now_ns, &next_ns);
    groups_update(d, now_ns);
    write_due(d, now_ns, &next_ns);
    next_ns = MIN(next_ns, d->next_expiry_ns);
    mutex_unlock(&d->lock);
    deliver_all(d, list);
    return MIN(MAX(next_ns - now_ns, (int64_t)0), STEP_MAX_NS);
}

static void dispatch_main(void *arg)
{
    struct dispatch *d = arg;
    enum { STEP_MIN_MS = 2 };
    for (;;) {
        int64_t wait_ns = MAX(dispatch_step(d), STEP_MIN_MS * NS_MS);
        mutex_lock(&d->lock);
        if (!d->is_stopping && !d->is_woken)
            cond_wait_ns(&d->wake, &d->lock, wait_ns);
        bool is_stopping = d->is_stopping;
        mutex_unlock(&d->lock);
        if (is_stopping)
            return;
    }
}

/* ---- start, reload, end ---- */

enum status dispatch_start(struct dispatch *d, struct slice external_url, struct err *err)
{
    mutex_lock(&d->lock);
    dispatch_disown(d->external_url);
    d->external_url = dispatch_own(external_url);
    mutex_unlock(&d->lock);
    enum status st = pool_new(&d->pool, "notify", NOTIFY_THREADS, NOTIFY_QUEUE_MAX, err);
    return st ? st : thread_start(&d->thread, "dispatch", dispatch_main, d, err);
}

void dispatch_reload(struct dispatch *d, const struct dispatch_config *config)
{
    mutex_lock(&d->lock);
    d->is_paused = true;
    while (d->flying)
        cond_wait(&d->landed, &d->lock);
    d->config = config;
    groups_rebuild(d, clock_wall_ns(d->env.clock));
    incidents_write(d);
    d->is_paused = false;
    d->is_woken = true;
    cond_signal(&d->wake);
    mutex_unlock(&d->lock);
}

void dispatch_stop(struct dispatch *d)
{
    struct map_entry *e;
    if (d == NULL)
        return;
    mutex_lock(&d->lock);
    d->is_stopping = d->is_paused = true;
    atomic_store(&d->cancelled, true);
    cond_broadcast(&d->wake);
    mutex_unlock(&d->lock);
    thread_join(d->thread);
    pool_free(d->pool);
    incidents_write(d);
    groups_free(d);
    for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;)
        alert_free((struct alert *)(uintptr_t)e->value);
    for (size_t i = 0; i < d->incident_count; i++)
        incident_free(d->incidents[i]);
    mem_free(d->incidents);
    mem_free(d->dirty);
    silences_free(d);
    inhibit_free(d);
    map_free(&d->alerts);
    map_free(&d->groups);
    map_free(&d->warned);
    arena_free(d->warned_arena);
    dispatch_disown(d->external_url);
    stoa_metrics_free(d->registry);
    cond_destroy(&d->wake);
    cond_destroy(&d->landed);
    mutex_destroy(&d->lock);
    mem_free(d);
}

/* ---- from outside ---- */

enum status dispatch_put(struct dispatch *d, const struct alert_put *alerts, size_t count, struct err *err)
{
    static const char *const firing[] = {"firing"}, *const resolved[] = {"resolved"};
    size_t refused = 0;
    mutex_lock(&d->lock);
    int64_t now_ns = clock_wall_ns(d->env.clock);
    for (size_t i = 0; i < count; i++) {
        bool is_known = map_get(&d->alerts, alerts[i].labels) != NULL;
        if (!is_known && d->alerts.count >= DISPATCH_ALERTS_MAX) {
            refused++;
            continue;
        }
        bool is_over = alerts[i].ends_ns && alerts[i].ends_ns <= now_ns;
        alert_take(d, &alerts[i], now_ns);
        stoa_add(d->received, 1, is_over ? resolved : firing);
    }
    groups_update(d, now_ns);
    incidents_write(d);
    d->is_woken = true;
    cond_signal(&d->wake);
    mutex_unlock(&d->lock);
    if (refused)
        stoa_add(d->invalid, (double)refused, NULL);
    return refused ? err_set(err, ST_LIMIT, "%zu of %zu alerts were not taken: %d are alive, which is the limit", refused, count, DISPATCH_ALERTS_MAX)
                   : ST_OK;
}

static enum status find_open(struct dispatch *d, struct slice id, struct incident **out, struct err *err)
{
    *out = incident_find(d, id);
    if (*out == NULL)
        return err_set(err, ST_NOT_FOUND, "there is no incident %.*s", SLICE_FMT(utf8_cut(id, 64)));
    if ((*out)->state == INCIDENT_RESOLVED)
        return err_set(err, ST_EXISTS, "incident %.*s is resolved already", INCIDENT_ID_BYTES, (*out)->id);
    return ST_OK;
}

static void note_by(struct incident *i, int64_t now_ns, const char *what, struct slice by, struct slice note)
{
    struct buf b;
    buf_init(&b, 0);
    buf_printf(&b, "%s%.*s%s%.*s", by.len ? "by " : "", SLICE_FMT(by), by.len && note.len ? ": " : "", SLICE_FMT(note));
    incident_note(i, now_ns, what, buf_as_slice(&b));
    buf_free(&b);
}

/* What could not be written is said to have failed; it is done all the same, and written later. */
static enum status saved(const struct incident *i, struct err *err)
{
    return i->is_dirty ? err_set(err, ST_IO, "incident %.*s could not be written; it will be tried again", INCIDENT_ID_BYTES, i->id) : ST_OK;
}

enum status dispatch_acknowledge(struct dispatch *d, struct slice id, struct slice by, struct slice note, struct err *err)
{
    struct incident *i;
    by = utf8_cut(by, PERSON_BYTES_MAX);
    mutex_lock(&d->lock);
    int64_t now_ns = clock_wall_ns(d->env.clock);
    enum status st = find_open(d, id, &i, err);
    if (!st) {
        if (i->state != INCIDENT_ACKNOWLEDGED) {
            i->state = INCIDENT_ACKNOWLEDGED;
            i->acked_ns = now_ns;
            dispatch_disown(i->acked_by);
            i->acked_by = dispatch_own(by);
        }
        i->escalate_ns = 0;
        note_by(i, now_ns, "acknowledged", by, note);
        incident_save(d, i);
        incidents_write(d);
        st = saved(i, err);
    }
    mutex_unlock(&d->lock);
    return st;
}

enum status dispatch_resolve(struct dispatch *d, struct slice id, struct slice by, struct slice note, struct err *err)
{
    struct incident *i;
    by = utf8_cut(by, PERSON_BYTES_MAX);
    mutex_lock(&d->lock);
    int64_t now_ns = clock_wall_ns(d->env.clock);
    enum status st = find_open(d, id, &i, err);
    if (!st) {
        struct group *g = i->group;
        for (size_t k = 0; k < g->count; k++) {
            g->members[k].is_closed = g->members[k].alert->is_firing;
            incident_take(i, g->members[k].alert, g->members[k].is_closed);
        }
        i->state = INCIDENT_RESOLVED;
        i->resolved_ns = now_ns;
        i->escalate_ns = 0;
        i->by_hand = true;
        note_by(i, now_ns, "resolved", by, note);
        incident_save(d, i);
        incidents_write(d);
        st = saved(i, err);
        g->next_flush_ns = now_ns;
        d->is_woken = true;
        cond_signal(&d->wake);
    }
    mutex_unlock(&d->lock);
    return st;
}
