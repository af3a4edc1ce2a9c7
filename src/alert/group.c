/* SPDX-License-Identifier: Apache-2.0 */
/* Alerts into groups, groups into incidents.
 *
 * (1) d->alerts holds what fires. An alert that has ended stays only until its groups have been updated; what was of it is in
 *     the incident.
 * (2) A group has at most one incident that is not settled. It opens when an alert fires that nobody silenced and no other
 *     inhibits, is resolved when none fires any more, and is settled when everybody has been told. Until then it reopens when
 *     an alert fires again: who has not heard of the end need not hear of a new beginning.
 * (3) An incident closed by hand has closed members: alerts that still fire and open nothing until they have ended. */
#include "alert/dispatch_parts.h"
#include "base/num.h"

/* Go's FNV-1a over names and values, as Alertmanager makes its fingerprints. */
uint64_t alert_fingerprint(struct slice labels)
{
    const uint64_t prime = 1099511628211u;
    uint64_t h = 14695981039346656037u;
    struct label l;
    while (labels_next(&labels, &l)) {
        const struct slice parts[] = {l.name, l.value};
        for (size_t p = 0; p < COUNT_OF(parts); p++) {
            for (size_t i = 0; i < parts[p].len; i++)
                h = (h ^ (uint8_t)parts[p].ptr[i]) * prime;
            h = (h ^ 0xff) * prime;
        }
    }
    return h;
}

/* ---- groups ---- */

void group_touch(struct dispatch *d, struct group *g)
{
    enum { CAP_FIRST = 64 };
    if (g->is_dirty)
        return;
    g->is_dirty = true;
    if (d->dirty_count == d->dirty_cap) {
        d->dirty_cap = d->dirty_cap ? d->dirty_cap * 2 : CAP_FIRST;
        d->dirty = mem_realloc(d->dirty, d->dirty_cap * sizeof(struct group *));
    }
    d->dirty[d->dirty_count++] = g;
}

static void group_free(struct group *g)
{
    dispatch_disown(g->key);
    dispatch_disown(g->labels);
    mem_free(g->members);
    mem_free(g);
}

void groups_free(struct dispatch *d)
{
    struct map_entry *e;
    for (size_t i = 0; (e = map_each(&d->groups, &i)) != NULL;)
        group_free((struct group *)(uintptr_t)e->value);
    map_clear(&d->groups);
    d->dirty_count = 0;
}

static struct slice key_make(const struct route *r, struct slice labels, struct buf *b)
{
    buf_slice(b, r->path);
    buf_char(b, ':');
    labels_format(labels, b);
    return buf_as_slice(b);
}

static struct group *group_of(struct dispatch *d, const struct route *r, struct slice labels, int64_t now_ns)
{
    struct buf key;
    buf_init(&key, 0);
    uint64_t *found = map_get(&d->groups, key_make(r, labels, &key));
    struct group *g = found ? (struct group *)(uintptr_t)*found : NULL;
    if (g == NULL) {
        g = mem_new(struct group);
        g->route = r;
        g->key = dispatch_own(buf_as_slice(&key));
        g->labels = dispatch_own(labels);
        g->next_flush_ns = sat_add(now_ns, r->group_wait_ns);
        *map_put(&d->groups, g->key, NULL) = (uintptr_t)g;
    }
    buf_free(&key);
    return g;
}

static struct member *member_of(struct group *g, const struct alert *a)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->members[i].alert == a)
            return &g->members[i];
    return NULL;
}

static void group_join(struct dispatch *d, struct group *g, struct alert *a, int64_t now_ns)
{
    enum { CAP_FIRST = 4 };
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == g)
            return;
    if (g->count == g->cap) {
        g->cap = g->cap ? g->cap * 2 : CAP_FIRST;
        g->members = mem_realloc(g->members, g->cap * sizeof *g->members);
    }
    g->members[g->count++] = (struct member){.alert = a};
    a->groups = mem_realloc(a->groups, (a->group_count + 1) * sizeof(struct group *));
    a->groups[a->group_count++] = g;
    /* One that fires for longer than the wait has waited already. */
    if (!g->has_flushed && sat_add(a->starts_ns, g->route->group_wait_ns) < now_ns)
        g->next_flush_ns = MIN(g->next_flush_ns, now_ns);
    group_touch(d, g);
}

static void warn_once(struct dispatch *d, struct slice receiver)
{
    enum { WARNED_MAX = 1000 };
    if (map_get(&d->warned, receiver) || d->warned.count >= WARNED_MAX)
        return;
    *map_put(&d->warned, arena_copy(d->warned_arena, receiver), NULL) = 1;
    log_line(d->env.log, LOG_WARNING, "alerts name a receiver that is not there; they go to the default receiver",
             "receiver=\"%.*s\" default=\"%.*s\"", SLICE_FMT(receiver),
             SLICE_FMT(d->config->root->receiver->name));
}

static void alert_join(struct dispatch *d, struct alert *a, int64_t now_ns)
{
    const struct route *routes[ALERT_ROUTES_MAX];
    const struct dispatch_config *c = d->config;
    size_t count;
    if (a->receiver.len) {
        const struct receiver *to = receiver_find(c, a->receiver);
        if (to == NULL)
            warn_once(d, a->receiver);
        routes[0] = &c->direct[(to ? to : c->root->receiver) - c->receivers];
        count = 1;
    } else {
        count = route_match(c->root, a->labels, routes, COUNT_OF(routes));
    }
    struct arena *mem = arena_new(0);
    for (size_t i = 0; i < count; i++)
        group_join(d, group_of(d, routes[i], route_group_labels(mem, routes[i], a->labels), now_ns), a, now_ns);
    arena_free(mem);
}

/* ---- alerts ---- */

void alert_free(struct alert *a)
{
    dispatch_disown(a->labels);
    dispatch_disown(a->annotations);
    dispatch_disown(a->generator_url);
    dispatch_disown(a->receiver);
    mem_free(a->groups);
    mem_free(a);
}

static void renew(struct slice *to, struct slice from)
{
    if (slice_eq(*to, from))
        return;
    dispatch_disown(*to);
    *to = dispatch_own(from);
}

struct alert *alert_take(struct dispatch *d, const struct alert_put *p, int64_t now_ns)
{
    uint64_t *found = map_get(&d->alerts, p->labels);
    struct alert *a = found ? (struct alert *)(uintptr_t)*found : NULL;
    bool fires = p->ends_ns == 0 || p->ends_ns > now_ns, is_new = a == NULL;
    if (is_new && !fires)
        return NULL;
    if (is_new) {
        a = mem_new(struct alert);
        a->labels = dispatch_own(p->labels);
        a->annotations = dispatch_own(p->annotations);
        a->generator_url = dispatch_own(p->generator_url);
        a->receiver = dispatch_own(p->receiver);
        a->fingerprint = alert_fingerprint(a->labels);
        a->starts_ns = p->starts_ns > 0 ? p->starts_ns : now_ns;
        *map_put(&d->alerts, a->labels, NULL) = (uintptr_t)a;
    } else {
        renew(&a->annotations, p->annotations);
        renew(&a->generator_url, p->generator_url);
        if (p->starts_ns > 0)
            a->starts_ns = a->is_firing ? MIN(a->starts_ns, p->starts_ns) : p->starts_ns;
    }
    a->is_firing = fires;
    a->updated_ns = now_ns;
    a->value = p->value;
    a->valid_ns = p->valid_ns;
    a->ends_ns = p->ends_ns ? p->ends_ns : sat_add(now_ns, p->valid_ns ? p->valid_ns : d->config->resolve_timeout_ns);
    d->is_inhibit_stale = d->is_inhibit_stale || is_new || !fires;
    d->next_expiry_ns = MIN(d->next_expiry_ns, a->ends_ns);
    if (is_new)
        alert_join(d, a, now_ns);
    for (size_t i = 0; i < a->group_count; i++)
        group_touch(d, a->groups[i]);
    return a;
}

void alerts_expire(struct dispatch *d, int64_t now_ns)
{
    struct map_entry *e;
    if (now_ns < d->next_expiry_ns)
        return;
    d->next_expiry_ns = INT64_MAX;
    for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;) {
        struct alert *a = (struct alert *)(uintptr_t)e->value;
        if (a->is_firing && a->ends_ns > now_ns) {
            d->next_expiry_ns = MIN(d->next_expiry_ns, a->ends_ns);
            continue;
        }
        a->is_firing = false;
        d->is_inhibit_stale = true;
        for (size_t g = 0; g < a->group_count; g++)
            group_touch(d, a->groups[g]);
    }
}

/* ---- incidents of groups ---- */

/* Alerts that still fire here, and those of them that nothing keeps still. */
static void count_firing(struct dispatch *d, const struct group *g, int64_t now_ns, size_t *firing, bool *is_heard)
{
    *firing = 0;
    *is_heard = false;
    for (size_t i = 0; i < g->count; i++) {
        const struct member *m = &g->members[i];
        if (!m->alert->is_firing || m->is_closed)
            continue;
        ++*firing;
        *is_heard = *is_heard || !dispatch_is_muted(d, m->alert->labels, now_ns);
    }
}

static bool take_members(struct group *g, struct incident *i, int64_t now_ns)
{
    bool changed = false;
    for (size_t k = 0; k < i->alert_count; k++)
        i->alerts[k].is_here = false;
    for (size_t k = 0; k < g->count; k++)
        changed |= incident_take(i, g->members[k].alert, g->members[k].is_closed);
    /* What has left the group otherwise (a reload) has ended here. */
    for (size_t k = 0; k < i->alert_count; k++) {
        struct incident_alert *a = &i->alerts[k];
        if (a->ends_ns == 0 && !a->is_here) {
            a->ends_ns = now_ns;
            changed = true;
        }
    }
    return changed;
}

static void note_alerts(struct incident *i, int64_t now_ns, const char *what)
{
    struct buf b;
    buf_init(&b, 1024);
    for (size_t k = 0; k < i->alert_count && !buf_over(&b); k++) {
        if (i->alerts[k].ends_ns)
            continue;
        buf_slice(&b, b.len ? SLICE(", ") : SLICE_EMPTY);
        labels_format(i->alerts[k].labels, &b);
    }
    incident_note(i, now_ns, what, buf_as_slice(&b));
    buf_free(&b);
}

static void open_incident(struct dispatch *d, struct group *g, int64_t now_ns)
{
    struct incident *i = g->incident = incident_new(d, g, now_ns);
    take_members(g, i, now_ns);
    note_alerts(i, now_ns, "opened");
    incident_save(d, i);
}

static void reopen(struct group *g, struct incident *i, int64_t now_ns)
{
    const struct route *r = g->route;
    i->state = INCIDENT_FIRING;
    i->resolved_ns = i->acked_ns = 0;
    i->by_hand = false;
    i->escalate_ns = i->step < r->escalate_count ? sat_add(now_ns, r->escalate[i->step].after_ns) : 0;
    note_alerts(i, now_ns, "reopened");
}

static void close_incident(struct incident *i, int64_t now_ns)
{
    i->state = INCIDENT_RESOLVED;
    i->resolved_ns = now_ns;
    i->escalate_ns = 0;
    incident_note(i, now_ns, "resolved", SLICE("every alert has ended"));
}

/* An alert of an incident closed by hand has ended at last: its record is complete. */
static void finish_closed(struct dispatch *d, const struct group *g, const struct alert *a)
{
    for (size_t k = d->incident_count; k-- > 0;) {
        struct incident *i = d->incidents[k];
        struct incident_alert *kept = i->by_hand && slice_eq(i->group_key, g->key) ? incident_alert_find(i, a->labels) : NULL;
        if (kept && kept->ends_ns == 0) {
            kept->ends_ns = a->ends_ns;
            incident_save(d, i);
        }
    }
}

static void group_update(struct dispatch *d, struct group *g, int64_t now_ns)
{
    struct incident *i = g->incident;
    size_t firing;
    bool is_heard, changed;
    for (size_t k = 0; k < g->count; k++) {
        if (g->members[k].is_closed && !g->members[k].alert->is_firing) {
            finish_closed(d, g, g->members[k].alert);
            g->members[k].is_closed = false;
        }
    }
    count_firing(d, g, now_ns, &firing, &is_heard);
    if (i == NULL) {
        if (is_heard)
            open_incident(d, g, now_ns);
        return;
    }
    if (i->state == INCIDENT_RESOLVED && !is_heard)
        return;
    changed = take_members(g, i, now_ns);
    if (i->state == INCIDENT_RESOLVED) {
        reopen(g, i, now_ns);
        changed = true;
    } else if (firing == 0) {
        close_incident(i, now_ns);
        changed = true;
    }
    if (changed)
        incident_save(d, i);
}

static void alert_leave(struct alert *a, const struct group *g)
{
    for (size_t i = 0; i < a->group_count; i++)
        if (a->groups[i] == g)
            a->groups[i--] = a->groups[--a->group_count];
}

/* (1) */
static void group_sweep(struct dispatch *d, struct group *g)
{
    size_t kept = 0;
    for (size_t i = 0; i < g->count; i++) {
        struct alert *a = g->members[i].alert;
        if (a->is_firing) {
            g->members[kept++] = g->members[i];
            continue;
        }
        alert_leave(a, g);
        if (a->group_count == 0) {
            map_remove(&d->alerts, a->labels);
            alert_free(a);
        }
    }
    g->count = kept;
    if (kept == 0 && g->incident == NULL) {
        map_remove(&d->groups, g->key);
        group_free(g);
    }
}

void groups_update(struct dispatch *d, int64_t now_ns)
{
    size_t count = d->dirty_count;
    for (size_t i = 0; i < count; i++)
        group_update(d, d->dirty[i], now_ns);
    assert(d->dirty_count == count);
    d->dirty_count = 0;
    for (size_t i = 0; i < count; i++) {
        d->dirty[i]->is_dirty = false;
        group_sweep(d, d->dirty[i]);
    }
}

/* ---- flush, escalation, settling ---- */

static void flush_receiver(struct dispatch *d, struct incident *i, const struct receiver *r, size_t step, int64_t now_ns)
{
    for (size_t k = 0; k < r->count; k++) {
        struct incident_target *t = incident_target(i, r->name, &r->integrations[k], step);
        if (t && !t->is_due && !t->is_flying && target_needs(d, i, t, now_ns))
            target_make_due(d, i, t, now_ns);
    }
}

void group_flush(struct dispatch *d, struct group *g, int64_t now_ns)
{
    struct incident *i = g->incident;
    g->has_flushed = true;
    g->next_flush_ns = sat_add(now_ns, g->route->group_interval_ns);
    if (i == NULL)
        return;
    bool rests = route_is_muted(g->route, now_ns);
    if (!rests)
        flush_receiver(d, i, g->route->receiver, 0, now_ns);
    for (size_t s = 0; !rests && s < i->step && s < g->route->escalate_count; s++)
        flush_receiver(d, i, g->route->escalate[s].receiver, s + 1, now_ns);
    incident_settle(d, i, now_ns);
}

void incident_escalate(struct dispatch *d, struct incident *i, int64_t now_ns)
{
    const struct route *r = i->group->route;
    char text[200];
    size_t firing;
    bool is_heard;
    count_firing(d, i->group, now_ns, &firing, &is_heard);
    if (i->step >= r->escalate_count) { /* a reload has made it shorter */
        i->escalate_ns = 0;
        incident_save(d, i);
        return;
    }
    if (!is_heard || route_is_muted(r, now_ns))
        return;
    const struct escalation_step *s = &r->escalate[i->step++];
    i->steps = r->escalate_count;
    i->escalate_ns = i->step < r->escalate_count ? sat_add(now_ns, r->escalate[i->step].after_ns) : 0;
    struct buf b;
    buf_init(&b, sizeof text);
    buf_printf(&b, "to %.*s: nobody acknowledged within %llds", SLICE_FMT(s->receiver->name), (long long)(s->after_ns / NS_S));
    incident_note(i, now_ns, "escalated", buf_as_slice(&b));
    buf_free(&b);
    flush_receiver(d, i, s->receiver, i->step, now_ns);
    incident_save(d, i);
}

void incident_settle(struct dispatch *d, struct incident *i, int64_t now_ns)
{
    bool is_over = now_ns - i->resolved_ns > RESOLVED_TOLD_MAX_NS, waits = false;
    if (i->state != INCIDENT_RESOLVED || i->group == NULL || !i->group->has_flushed)
        return;
    for (size_t k = 0; k < i->target_count; k++) {
        const struct incident_target *t = &i->targets[k];
        waits = waits || t->is_flying || (!is_over && target_integration(d, t) && target_needs(d, i, t, 0));
    }
    if (waits)
        return;
    group_touch(d, i->group); /* it may go now */
    i->group->incident = NULL;
    i->group = NULL;
    i->is_settled = true;
    incident_save(d, i);
}

/* ---- everything anew ---- */

static const struct route *route_by_path(const struct route *r, struct slice path)
{
    if (slice_eq(r->path, path))
        return r;
    for (size_t i = 0; i < r->child_count; i++) {
        const struct route *found = route_by_path(&r->children[i], path);
        if (found)
            return found;
    }
    return NULL;
}

/* The group an incident belongs to, made when no alert has made it; NULL when the configuration has no such group. */
static struct group *group_by_incident(struct dispatch *d, const struct incident *i, int64_t now_ns)
{
    const struct dispatch_config *c = d->config;
    struct buf tail;
    uint64_t *found = map_get(&d->groups, i->group_key);
    if (found)
        return (struct group *)(uintptr_t)*found;
    buf_init(&tail, 0);
    buf_char(&tail, ':');
    labels_format(i->group_labels, &tail);
    const struct route *r = NULL;
    if (slice_ends(i->group_key, buf_as_slice(&tail))) {
        struct slice path = slice_sub(i->group_key, 0, i->group_key.len - tail.len);
        r = route_by_path(c->root, path);
        for (size_t k = 0; k < c->receiver_count && r == NULL; k++)
            r = slice_eq(c->direct[k].path, path) ? &c->direct[k] : NULL;
    }
    buf_free(&tail);
    return r ? group_of(d, r, i->group_labels, now_ns) : NULL;
}

static void attach(struct dispatch *d, struct incident *i, int64_t now_ns)
{
    struct group *g = group_by_incident(d, i, now_ns);
    if (g && g->incident == NULL) {
        g->incident = i;
        i->group = g;
        group_touch(d, g);
        return;
    }
    if (i->state != INCIDENT_RESOLVED) {
        i->state = INCIDENT_RESOLVED;
        i->resolved_ns = now_ns;
        i->escalate_ns = 0;
        incident_note(i, now_ns, "resolved", SLICE("the configuration has no such group any more; its alerts went to others"));
        for (size_t k = 0; k < i->alert_count; k++)
            i->alerts[k].ends_ns = i->alerts[k].ends_ns ? i->alerts[k].ends_ns : now_ns;
    }
    i->is_settled = true;
    incident_save(d, i);
}

/* (3) */
static void mark_closed(struct dispatch *d, const struct incident *i)
{
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *kept = &i->alerts[k];
        uint64_t *a = kept->is_closed && kept->ends_ns == 0 ? map_get(&d->alerts, kept->labels) : NULL;
        uint64_t *g = a ? map_get(&d->groups, i->group_key) : NULL;
        struct member *m = g ? member_of((struct group *)(uintptr_t)*g, (struct alert *)(uintptr_t)*a) : NULL;
        if (m)
            m->is_closed = true;
    }
}

/* Alerts that fired when we ended, until their sources say otherwise. */
static void restore_alerts(struct dispatch *d, const struct incident *i, int64_t now_ns)
{
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *a = &i->alerts[k];
        if (a->ends_ns || map_get(&d->alerts, a->labels))
            continue;
        struct alert_put p = {.labels = a->labels,
                              .annotations = a->annotations,
                              .starts_ns = a->starts_ns,
                              .generator_url = a->generator_url,
                              .receiver = a->receiver,
                              .value = a->value,
                              .valid_ns = a->valid_ns};
        alert_take(d, &p, now_ns);
    }
}

void groups_rebuild(struct dispatch *d, int64_t now_ns)
{
    struct map_entry *e;
    groups_free(d);
    inhibit_free(d);
    map_clear(&d->warned);
    arena_reset(d->warned_arena);
    d->next_expiry_ns = 0;
    for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;) {
        struct alert *a = (struct alert *)(uintptr_t)e->value;
        a->group_count = 0;
        alert_join(d, a, now_ns);
    }
    for (size_t k = 0; k < d->incident_count; k++) {
        struct incident *i = d->incidents[k];
        i->group = NULL;
        if (!i->is_settled || i->by_hand)
            restore_alerts(d, i, now_ns);
        if (i->by_hand)
            mark_closed(d, i);
    }
    for (size_t k = d->incident_count; k-- > 0;)
        if (!d->incidents[k]->is_settled)
            attach(d, d->incidents[k], now_ns);
    groups_update(d, now_ns);
}
