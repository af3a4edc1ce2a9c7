/* SPDX-License-Identifier: Apache-2.0 */
/* What dispatch looks like from outside: our own incidents, and Alertmanager's API v2.
 * https://github.com/prometheus/alertmanager/blob/main/api/v2/openapi.yaml */
#include <stdlib.h>

#include "alert/dispatch_parts.h"
#include "base/date.h"
#include "base/utf8.h"
#include "codec/regex.h"

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_ms(struct json_writer *w, struct slice key, int64_t ns)
{
    json_key(w, key);
    if (ns)
        json_int(w, ns / NS_MS);
    else
        json_raw(w, SLICE("null"));
}

static void put_time(struct json_writer *w, struct slice key, int64_t ns)
{
    enum { MS_DIGITS = 3 };
    char text[DATE_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, date_format_rfc3339(ns, 0, MS_DIGITS, text)));
}

static void put_labels(struct json_writer *w, struct slice key, struct slice labels)
{
    struct label l;
    json_key(w, key);
    json_object_begin(w);
    while (labels_next(&labels, &l))
        put_text(w, l.name, l.value);
    json_object_end(w);
}

/* ---- incidents ---- */

static void put_incident_alerts(struct json_writer *w, const struct incident *i)
{
    json_key(w, SLICE("alerts"));
    json_array_begin(w);
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *a = &i->alerts[k];
        json_object_begin(w);
        put_labels(w, SLICE("labels"), a->labels);
        put_labels(w, SLICE("annotations"), a->annotations);
        put_text(w, SLICE("state"), a->ends_ns ? SLICE("resolved") : SLICE("firing"));
        put_ms(w, SLICE("starts_ms"), a->starts_ns);
        put_ms(w, SLICE("ends_ms"), a->ends_ns);
        json_key(w, SLICE("value"));
        json_double(w, a->value);
        put_text(w, SLICE("generator_url"), a->generator_url);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_entry(struct json_writer *w, const struct incident *i, const struct incident_entry *e, bool alone)
{
    json_object_begin(w);
    put_ms(w, SLICE("t_ms"), e->t_ns);
    if (alone)
        put_text(w, SLICE("incident"), slice_of(i->id, INCIDENT_ID_BYTES));
    if (!alone)
        put_text(w, SLICE("what"), e->what);
    if (e->integration.len) {
        put_text(w, SLICE("receiver"), e->receiver);
        put_text(w, SLICE("integration"), e->integration);
    }
    if (alone) {
        json_key(w, SLICE("ok"));
        json_bool(w, !e->failed);
    }
    put_text(w, SLICE("text"), e->text);
    json_object_end(w);
}

static void put_incident(struct json_writer *w, struct arena *a, const struct incident *i)
{
    json_object_begin(w);
    put_text(w, SLICE("id"), slice_of(i->id, INCIDENT_ID_BYTES));
    put_text(w, SLICE("state"), slice_str(incident_state_name(i->state)));
    put_text(w, SLICE("severity"), incident_severity(i));
    put_text(w, SLICE("summary"), incident_summary(a, i));
    put_labels(w, SLICE("labels"), incident_common(a, i, false));
    put_labels(w, SLICE("annotations"), incident_common(a, i, true));
    put_labels(w, SLICE("group_labels"), i->group_labels);
    put_ms(w, SLICE("started_ms"), i->started_ns);
    put_ms(w, SLICE("acknowledged_ms"), i->acked_ns);
    put_text(w, SLICE("acknowledged_by"), i->acked_ns ? i->acked_by : SLICE_EMPTY);
    put_ms(w, SLICE("resolved_ms"), i->resolved_ns);
    put_text(w, SLICE("receiver"), i->receiver);
    json_key(w, SLICE("escalation"));
    json_object_begin(w);
    json_key(w, SLICE("step"));
    json_uint(w, i->step);
    json_key(w, SLICE("of"));
    json_uint(w, i->steps);
    put_ms(w, SLICE("next_ms"), i->escalate_ns);
    json_object_end(w);
    put_incident_alerts(w, i);
    json_key(w, SLICE("timeline"));
    json_array_begin(w);
    for (size_t k = 0; k < i->entry_count; k++)
        put_entry(w, i, &i->timeline[k], false);
    json_array_end(w);
    json_object_end(w);
}

void dispatch_write_incidents(struct dispatch *d, bool open_only, size_t limit, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct json_writer w;
    json_writer_init(&w, out);
    w.null_not_nan = true;
    mutex_lock(&d->lock);
    json_object_begin(&w);
    json_key(&w, SLICE("incidents"));
    json_array_begin(&w);
    for (size_t k = d->incident_count; k-- > 0 && limit > 0;) {
        if (open_only && d->incidents[k]->state == INCIDENT_RESOLVED)
            continue;
        put_incident(&w, a, d->incidents[k]);
        arena_reset(a);
        limit--;
    }
    json_array_end(&w);
    json_object_end(&w);
    mutex_unlock(&d->lock);
    arena_free(a);
}

enum status dispatch_write_incident(struct dispatch *d, struct slice id, struct buf *out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct json_writer w;
    json_writer_init(&w, out);
    w.null_not_nan = true;
    mutex_lock(&d->lock);
    const struct incident *i = incident_find(d, id);
    if (i)
        put_incident(&w, a, i);
    mutex_unlock(&d->lock);
    arena_free(a);
    return i ? ST_OK : err_set(err, ST_NOT_FOUND, "there is no incident %.*s", SLICE_FMT(utf8_cut(id, 64)));
}

struct noted {
    const struct incident *incident;
    const struct incident_entry *entry;
};

static int newest_first(const void *a, const void *b)
{
    const struct noted *x = a, *y = b;
    return x->entry->t_ns < y->entry->t_ns ? 1 : -(x->entry->t_ns > y->entry->t_ns);
}

void dispatch_write_notifications(struct dispatch *d, size_t limit, struct buf *out)
{
    struct arena *a = arena_new(0);
    struct noted *list = NULL;
    size_t count = 0, cap = 0;
    struct json_writer w;
    json_writer_init(&w, out);
    mutex_lock(&d->lock);
    for (size_t k = 0; k < d->incident_count; k++)
        for (size_t e = 0; e < d->incidents[k]->entry_count; e++)
            if (d->incidents[k]->timeline[e].integration.len)
                ARENA_PUSH(a, list, count, cap) = (struct noted){d->incidents[k], &d->incidents[k]->timeline[e]};
    if (count)
        qsort(list, count, sizeof *list, newest_first);
    json_object_begin(&w);
    json_key(&w, SLICE("notifications"));
    json_array_begin(&w);
    for (size_t k = 0; k < MIN(count, limit); k++)
        put_entry(&w, list[k].incident, list[k].entry, true);
    json_array_end(&w);
    json_object_end(&w);
    mutex_unlock(&d->lock);
    arena_free(a);
}

/* ---- Alertmanager's alerts ---- */

/* Why an alert keeps still. */
struct stillness {
    const struct silence *silences[8];
    size_t silence_count;
    uint64_t inhibited_by;
    bool is_inhibited;
};

static void stillness_of(struct dispatch *d, const struct alert *a, int64_t now_ns, struct stillness *out)
{
    *out = (struct stillness){.silence_count = 0};
    for (size_t i = 0; i < d->silence_count && out->silence_count < COUNT_OF(out->silences); i++) {
        const struct silence *s = d->silences[i];
        if (now_ns >= s->starts_ns && now_ns < s->ends_ns && matchers_match(s->matchers, s->matcher_count, a->labels))
            out->silences[out->silence_count++] = s;
    }
    out->is_inhibited = inhibit_mutes(d, a->labels, &out->inhibited_by);
}

static bool receiver_fits(const struct alert_filter *f, const struct alert *a)
{
    bool any = f->receiver == NULL;
    for (size_t i = 0; i < a->group_count && !any; i++)
        any = regex_match(f->receiver, a->groups[i]->route->receiver->name);
    return any;
}

static bool fits(const struct alert_filter *f, const struct alert *a, const struct stillness *s)
{
    bool is_still = s->silence_count || s->is_inhibited;
    return a->is_firing && (f->active || is_still) && (f->silenced || s->silence_count == 0) && (f->inhibited || !s->is_inhibited) &&
           matchers_match(f->matchers, f->matcher_count, a->labels);
}

static void put_alert(struct json_writer *w, struct arena *mem, const struct alert *a, const struct stillness *s)
{
    json_object_begin(w);
    put_labels(w, SLICE("annotations"), a->annotations);
    put_time(w, SLICE("endsAt"), a->ends_ns);
    put_text(w, SLICE("fingerprint"), notice_fingerprint(mem, a->fingerprint));
    json_key(w, SLICE("receivers"));
    json_array_begin(w);
    for (size_t i = 0; i < a->group_count; i++) {
        json_object_begin(w);
        put_text(w, SLICE("name"), a->groups[i]->route->receiver->name);
        json_object_end(w);
    }
    json_array_end(w);
    put_time(w, SLICE("startsAt"), a->starts_ns);
    json_key(w, SLICE("status"));
    json_object_begin(w);
    json_key(w, SLICE("inhibitedBy"));
    json_array_begin(w);
    if (s->is_inhibited)
        json_string(w, notice_fingerprint(mem, s->inhibited_by));
    json_array_end(w);
    json_key(w, SLICE("mutedBy"));
    json_raw(w, SLICE("[]"));
    json_key(w, SLICE("silencedBy"));
    json_array_begin(w);
    for (size_t i = 0; i < s->silence_count; i++)
        json_string(w, s->silences[i]->id);
    json_array_end(w);
    put_text(w, SLICE("state"), s->silence_count || s->is_inhibited ? SLICE("suppressed") : SLICE("active"));
    json_object_end(w);
    put_time(w, SLICE("updatedAt"), a->updated_ns);
    put_text(w, SLICE("generatorURL"), a->generator_url);
    put_labels(w, SLICE("labels"), a->labels);
    json_object_end(w);
}

static int alert_order(const void *x, const void *y)
{
    const struct alert *a = *(struct alert *const *)x, *b = *(struct alert *const *)y;
    return a->fingerprint < b->fingerprint ? -1 : a->fingerprint > b->fingerprint;
}

void dispatch_write_alerts(struct dispatch *d, const struct alert_filter *f, struct buf *out)
{
    struct arena *mem = arena_new(0);
    struct map_entry *e;
    struct json_writer w;
    size_t count = 0;
    int64_t now_ns = clock_wall_ns(d->env.clock);
    json_writer_init(&w, out);
    json_array_begin(&w);
    mutex_lock(&d->lock);
    struct alert **list = (struct alert **)arena_alloc(mem, (d->alerts.count + 1) * sizeof(struct alert *));
    for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;)
        list[count++] = (struct alert *)(uintptr_t)e->value;
    qsort(list, count, sizeof *list, alert_order);
    for (size_t i = 0; i < count; i++) {
        struct stillness s;
        stillness_of(d, list[i], now_ns, &s);
        if (fits(f, list[i], &s) && receiver_fits(f, list[i]))
            put_alert(&w, mem, list[i], &s);
    }
    mutex_unlock(&d->lock);
    json_array_end(&w);
    arena_free(mem);
}

static int group_order(const void *x, const void *y)
{
    const struct group *a = *(struct group *const *)x, *b = *(struct group *const *)y;
    return slice_cmp(a->key, b->key);
}

static void put_group(struct dispatch *d, struct json_writer *w, struct arena *mem, const struct alert_filter *f, const struct group *g,
                      int64_t now_ns)
{
    bool begun = false;
    for (size_t i = 0; i < g->count; i++) {
        struct stillness s;
        stillness_of(d, g->members[i].alert, now_ns, &s);
        if (!fits(f, g->members[i].alert, &s))
            continue;
        if (!begun) {
            json_object_begin(w);
            put_labels(w, SLICE("labels"), g->labels);
            json_key(w, SLICE("receiver"));
            json_object_begin(w);
            put_text(w, SLICE("name"), g->route->receiver->name);
            json_object_end(w);
            json_key(w, SLICE("alerts"));
            json_array_begin(w);
            begun = true;
        }
        put_alert(w, mem, g->members[i].alert, &s);
    }
    if (begun) {
        json_array_end(w);
        json_object_end(w);
    }
}

void dispatch_write_groups(struct dispatch *d, const struct alert_filter *f, struct buf *out)
{
    struct arena *mem = arena_new(0);
    struct map_entry *e;
    struct json_writer w;
    size_t count = 0;
    int64_t now_ns = clock_wall_ns(d->env.clock);
    json_writer_init(&w, out);
    json_array_begin(&w);
    mutex_lock(&d->lock);
    struct group **list = (struct group **)arena_alloc(mem, (d->groups.count + 1) * sizeof(struct group *));
    for (size_t i = 0; (e = map_each(&d->groups, &i)) != NULL;)
        list[count++] = (struct group *)(uintptr_t)e->value;
    qsort(list, count, sizeof *list, group_order);
    for (size_t i = 0; i < count; i++)
        if (f->receiver == NULL || regex_match(f->receiver, list[i]->route->receiver->name))
            put_group(d, &w, mem, f, list[i], now_ns);
    mutex_unlock(&d->lock);
    json_array_end(&w);
    arena_free(mem);
}

/* ---- silences and receivers ---- */

static void put_silence(struct json_writer *w, const struct silence *s, int64_t now_ns)
{
    json_object_begin(w);
    put_text(w, SLICE("id"), s->id);
    json_key(w, SLICE("status"));
    json_object_begin(w);
    put_text(w, SLICE("state"), slice_str(silence_state(s, now_ns)));
    json_object_end(w);
    put_time(w, SLICE("updatedAt"), s->updated_ns);
    put_text(w, SLICE("comment"), s->comment);
    put_text(w, SLICE("createdBy"), s->created_by);
    put_time(w, SLICE("endsAt"), s->ends_ns);
    json_key(w, SLICE("matchers"));
    json_array_begin(w);
    for (size_t i = 0; i < s->matcher_count; i++) {
        const struct matcher *m = &s->matchers[i];
        json_object_begin(w);
        json_key(w, SLICE("isEqual"));
        json_bool(w, m->op == MATCH_EQ || m->op == MATCH_RE);
        json_key(w, SLICE("isRegex"));
        json_bool(w, m->op == MATCH_RE || m->op == MATCH_NRE);
        put_text(w, SLICE("name"), m->name);
        put_text(w, SLICE("value"), m->value);
        json_object_end(w);
    }
    json_array_end(w);
    put_time(w, SLICE("startsAt"), s->starts_ns);
    json_object_end(w);
}

/* A filter asks for silences with such a matcher: on that label, with a value that it accepts. */
static bool silence_fits(const struct silence *s, const struct matcher *list, size_t count)
{
    for (size_t i = 0; i < count; i++) {
        bool found = false;
        for (size_t k = 0; k < s->matcher_count; k++)
            found = found || (slice_eq(s->matchers[k].name, list[i].name) && matcher_match(&list[i], s->matchers[k].value));
        if (!found)
            return false;
    }
    return true;
}

void dispatch_write_silences(struct dispatch *d, const struct matcher *matchers, size_t count, struct buf *out)
{
    struct json_writer w;
    int64_t now_ns = clock_wall_ns(d->env.clock);
    json_writer_init(&w, out);
    json_array_begin(&w);
    mutex_lock(&d->lock);
    for (size_t i = 0; i < d->silence_count; i++)
        if (silence_fits(d->silences[i], matchers, count))
            put_silence(&w, d->silences[i], now_ns);
    mutex_unlock(&d->lock);
    json_array_end(&w);
}

enum status dispatch_write_silence(struct dispatch *d, struct slice id, struct buf *out, struct err *err)
{
    struct json_writer w;
    bool found = false;
    json_writer_init(&w, out);
    mutex_lock(&d->lock);
    for (size_t i = 0; i < d->silence_count && !found; i++) {
        found = slice_eq(d->silences[i]->id, id);
        if (found)
            put_silence(&w, d->silences[i], clock_wall_ns(d->env.clock));
    }
    mutex_unlock(&d->lock);
    return found ? ST_OK : err_set(err, ST_NOT_FOUND, "there is no silence %.*s", SLICE_FMT(utf8_cut(id, 64)));
}

void dispatch_write_receivers(struct dispatch *d, struct buf *out)
{
    struct json_writer w;
    json_writer_init(&w, out);
    json_array_begin(&w);
    mutex_lock(&d->lock);
    for (size_t i = 0; i < d->config->receiver_count; i++) {
        json_object_begin(&w);
        put_text(&w, SLICE("name"), d->config->receivers[i].name);
        json_object_end(&w);
    }
    mutex_unlock(&d->lock);
    json_array_end(&w);
}

bool dispatch_has_receiver(struct dispatch *d, struct slice name)
{
    mutex_lock(&d->lock);
    bool found = receiver_find(d->config, name) != NULL;
    mutex_unlock(&d->lock);
    return found;
}

/* ---- metrics ---- */

void dispatch_metrics(struct dispatch *d, struct buf *out)
{
    size_t states[INCIDENT_RESOLVED + 1] = {0}, still = 0, size = 0, active = 0, pending = 0;
    struct map_entry *e;
    mutex_lock(&d->lock);
    int64_t now_ns = clock_wall_ns(d->env.clock);
    for (size_t i = 0; i < d->incident_count; i++)
        states[d->incidents[i]->state]++;
    for (size_t i = 0; (e = map_each(&d->alerts, &i)) != NULL;)
        still += dispatch_is_muted(d, ((const struct alert *)(uintptr_t)e->value)->labels, now_ns);
    for (size_t i = 0; i < d->silence_count; i++) {
        pending += now_ns < d->silences[i]->starts_ns;
        active += now_ns >= d->silences[i]->starts_ns && now_ns < d->silences[i]->ends_ns;
    }
    stoa_set(d->alerts_now, (double)(d->alerts.count - still), (const char *const[]){"active"});
    stoa_set(d->alerts_now, (double)still, (const char *const[]){"suppressed"});
    stoa_set(d->silences_now, (double)active, (const char *const[]){"active"});
    stoa_set(d->silences_now, (double)pending, (const char *const[]){"pending"});
    stoa_set(d->silences_now, (double)(d->silence_count - active - pending), (const char *const[]){"expired"});
    for (size_t i = 0; i < COUNT_OF(states); i++)
        stoa_set(d->incidents_now, (double)states[i], (const char *const[]){incident_state_name((enum incident_state)i)});
    mutex_unlock(&d->lock);
    char *text = stoa_metrics_text(d->registry, &size);
    buf_put(out, text, size);
    free(text);
}
