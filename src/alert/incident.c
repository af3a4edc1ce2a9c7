/* SPDX-License-Identifier: Apache-2.0 */
/* Incidents: what is kept of a group of alerts from the first that fires to the last that ends, with copies of the alerts, who was
 * told what and when, and what people did. Each is one value in kv, "dispatch/incident/ID":
 *
 * (1) It is written when an alert comes or ends and when somebody acts, before the call that caused it returns and before anybody
 *     is told. What one call changes is one write, however many incidents it is: 5000 groups that open together wait for the
 *     disk three times, not 5000 times.
 * (2) A notification is noted after it went, with those of the same NOTES_EVERY_NS. A crash in between sends it once more; nothing
 *     else is ever sent twice within repeat_interval.
 * (3) An incident that lives on while alerts come and go is full some day: then the alert that ended first makes room. What
 *     still does not fit INCIDENT_ALERTS_MAX, because all fire, is counted by its group, not kept. */
#include <stdio.h>
#include <stdlib.h>

#include "alert/dispatch_parts.h"
#include "base/num.h"
#include "base/utf8.h"
#include "codec/hex.h"
#include "model/sample.h"
#include "sys/rand.h"

/* Version 1 is without valid_ns. */
enum { INCIDENT_VERSION = 2, KEY_BYTES_MAX = 80, NOTE_BYTES_MAX = 2000, TARGET_HASHES_MAX = 100 * 1000,
       WRITE_BYTES_MAX = 64 * MIB };
#define KEY_PREFIX SLICE("dispatch/incident/")

const char *incident_state_name(enum incident_state s)
{
    switch (s) {
    case INCIDENT_FIRING:
        return "firing";
    case INCIDENT_ACKNOWLEDGED:
        return "acknowledged";
    case INCIDENT_RESOLVED:
        return "resolved";
    }
    return "";
}

/* ---- life ---- */

static void keep(struct dispatch *d, struct incident *i)
{
    enum { CAP_FIRST = 64 };
    if (d->incident_count == d->incident_cap) {
        d->incident_cap = d->incident_cap ? d->incident_cap * 2 : CAP_FIRST;
        d->incidents = mem_realloc(d->incidents, d->incident_cap * sizeof(struct incident *));
    }
    d->incidents[d->incident_count++] = i;
}

struct incident *incident_new(struct dispatch *d, struct group *g, int64_t now_ns)
{
    struct incident *i = mem_new(struct incident);
    uint8_t id[INCIDENT_ID_BYTES / 2];
    uint32_t s = (uint32_t)(now_ns / NS_S);
    sys_random(id, sizeof id);
    for (size_t k = 0; k < sizeof s; k++) /* ids sort by time */
        id[k] = (uint8_t)(s >> (24 - 8 * k));
    hex_encode(slice_of(id, sizeof id), i->id);
    i->group_key = dispatch_own(g->key);
    i->receiver = dispatch_own(g->route->receiver->name);
    i->group_labels = dispatch_own(g->labels);
    i->acked_by = dispatch_own(SLICE_EMPTY);
    i->started_ns = now_ns;
    i->steps = g->route->escalate_count;
    i->escalate_ns = i->steps ? sat_add(now_ns, g->route->escalate[0].after_ns) : 0;
    i->group = g;
    keep(d, i);
    return i;
}

static void alert_disown(struct incident_alert *a)
{
    dispatch_disown(a->labels);
    dispatch_disown(a->annotations);
    dispatch_disown(a->generator_url);
    dispatch_disown(a->receiver);
}

static void entry_free(struct incident_entry *e)
{
    dispatch_disown(e->what);
    dispatch_disown(e->text);
    dispatch_disown(e->receiver);
    dispatch_disown(e->integration);
}

void incident_free(struct incident *i)
{
    for (size_t k = 0; k < i->alert_count; k++)
        alert_disown(&i->alerts[k]);
    for (size_t k = 0; k < i->entry_count; k++)
        entry_free(&i->timeline[k]);
    for (size_t k = 0; k < i->target_count; k++) {
        dispatch_disown(i->targets[k].receiver);
        mem_free(i->targets[k].firing);
        mem_free(i->targets[k].resolved);
    }
    mem_free(i->alerts);
    mem_free(i->timeline);
    mem_free(i->targets);
    dispatch_disown(i->group_key);
    dispatch_disown(i->receiver);
    dispatch_disown(i->group_labels);
    dispatch_disown(i->acked_by);
    mem_free(i);
}

struct incident *incident_find(const struct dispatch *d, struct slice id)
{
    for (size_t k = d->incident_count; k-- > 0;)
        if (slice_eq(slice_of(d->incidents[k]->id, INCIDENT_ID_BYTES), id))
            return d->incidents[k];
    return NULL;
}

/* ---- alerts ---- */

struct incident_alert *incident_alert_find(const struct incident *i, struct slice labels)
{
    for (size_t k = 0; k < i->alert_count; k++)
        if (slice_eq(i->alerts[k].labels, labels))
            return &i->alerts[k];
    return NULL;
}

static void renew(struct slice *to, struct slice from)
{
    if (slice_eq(*to, from))
        return;
    dispatch_disown(*to);
    *to = dispatch_own(from);
}

static struct incident_alert *alert_add(struct incident *i, struct slice labels, uint64_t fingerprint)
{
    enum { CAP_FIRST = 4 };
    if (i->alert_count == i->alert_cap) {
        i->alert_cap = i->alert_cap ? i->alert_cap * 2 : CAP_FIRST;
        i->alerts = mem_realloc(i->alerts, i->alert_cap * sizeof *i->alerts);
    }
    struct incident_alert *a = &i->alerts[i->alert_count++];
    *a = (struct incident_alert){.labels = dispatch_own(labels),
                                 .annotations = dispatch_own(SLICE_EMPTY),
                                 .generator_url = dispatch_own(SLICE_EMPTY),
                                 .receiver = dispatch_own(SLICE_EMPTY),
                                 .fingerprint = fingerprint};
    return a;
}

static size_t without(uint64_t *list, size_t count, uint64_t fingerprint)
{
    size_t kept = 0;
    for (size_t k = 0; k < count; k++)
        if (list[k] != fingerprint)
            list[kept++] = list[k];
    return kept;
}

/* (3) False: all fire. */
static bool make_room(struct incident *i)
{
    size_t at = SIZE_MAX;
    if (i->alert_count < INCIDENT_ALERTS_MAX)
        return true;
    for (size_t k = 0; k < i->alert_count; k++)
        if (i->alerts[k].ends_ns && (at == SIZE_MAX || i->alerts[k].ends_ns < i->alerts[at].ends_ns))
            at = k;
    if (at == SIZE_MAX)
        return false;
    for (size_t t = 0; t < i->target_count; t++) {
        struct incident_target *to = &i->targets[t];
        to->firing_count = without(to->firing, to->firing_count, i->alerts[at].fingerprint);
        to->resolved_count = without(to->resolved, to->resolved_count, i->alerts[at].fingerprint);
    }
    alert_disown(&i->alerts[at]);
    memmove(&i->alerts[at], &i->alerts[at + 1], (--i->alert_count - at) * sizeof *i->alerts);
    return true;
}

static struct incident_alert *alert_find(struct incident *i, const struct alert *a)
{
    for (size_t k = 0; k < i->alert_count; k++)
        if (i->alerts[k].fingerprint == a->fingerprint && slice_eq(i->alerts[k].labels, a->labels))
            return &i->alerts[k];
    return NULL;
}

bool incident_take(struct incident *i, const struct alert *from, bool is_closed)
{
    struct incident_alert *a = alert_find(i, from);
    bool changed = a == NULL;
    if (a == NULL && (!from->is_firing || !make_room(i)))
        return false;
    if (a == NULL)
        a = alert_add(i, from->labels, from->fingerprint);
    int64_t ends_ns = from->is_firing ? 0 : from->ends_ns;
    changed = changed || a->ends_ns != ends_ns || a->starts_ns != from->starts_ns || a->is_closed != is_closed;
    renew(&a->annotations, from->annotations);
    renew(&a->generator_url, from->generator_url);
    renew(&a->receiver, from->receiver);
    a->starts_ns = from->starts_ns;
    a->ends_ns = ends_ns;
    a->value = from->value;
    a->valid_ns = from->valid_ns;
    a->is_closed = is_closed;
    a->is_here = true;
    return changed;
}

/* Pairs of a that b has too. */
static struct slice in_both(struct arena *mem, struct slice a, struct slice b)
{
    struct slice *names = arena_array(mem, struct slice, labels_count(a) + 1), rest = a;
    struct label l;
    size_t n = 0;
    while (labels_next(&rest, &l))
        if (slice_eq(labels_get(b, l.name), l.value))
            names[n++] = l.name;
    return labels_only(mem, a, names, n);
}

struct slice incident_common(struct arena *mem, const struct incident *i, bool annotations)
{
    struct slice common = SLICE_EMPTY;
    bool any_fires = false, first = true;
    for (size_t k = 0; k < i->alert_count; k++)
        any_fires = any_fires || i->alerts[k].ends_ns == 0;
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *a = &i->alerts[k];
        if (any_fires && a->ends_ns)
            continue;
        struct slice of = annotations ? a->annotations : a->labels;
        common = first ? arena_copy(mem, of) : in_both(mem, common, of);
        first = false;
    }
    return common;
}

struct slice incident_severity(const struct incident *i)
{
    static const struct slice order[] = {SLICE_INIT("none"),  SLICE_INIT("info"), SLICE_INIT("warning"), SLICE_INIT("error"),
                                         SLICE_INIT("page"), SLICE_INIT("critical")};
    struct slice worst = SLICE_EMPTY;
    size_t rank = 0;
    for (size_t k = 0; k < i->alert_count; k++) {
        struct slice s = labels_get(i->alerts[k].labels, SLICE("severity"));
        size_t r = 1; /* what we have no name for */
        for (size_t o = 0; o < COUNT_OF(order); o++)
            r = slice_eq(order[o], s) ? o + 1 : r;
        if (s.len && r > rank) {
            worst = s;
            rank = r;
        }
    }
    return worst.len ? worst : SLICE("none");
}

struct slice incident_annotation(struct arena *mem, const struct incident *i, struct slice name)
{
    struct slice first = SLICE_EMPTY;
    for (size_t k = 0; k < i->alert_count; k++) {
        struct slice s = labels_get(i->alerts[k].annotations, name);
        if (first.len == 0 || (s.len && i->alerts[k].ends_ns == 0 && i->alerts[0].ends_ns))
            first = s.len ? s : first;
    }
    return arena_copy(mem, first);
}

struct slice incident_summary(struct arena *mem, const struct incident *i)
{
    struct slice text = incident_annotation(mem, i, SLICE("summary"));
    struct slice name = labels_get(incident_common(mem, i, false), SLICE("alertname"));
    struct label l;
    if (text.len == 0)
        text = incident_annotation(mem, i, SLICE("description"));
    if (text.len == 0)
        text = name;
    if (text.len == 0) {
        struct slice labels = i->group_labels;
        while (labels_next(&labels, &l))
            text = arena_printf(mem, "%.*s%s%.*s", SLICE_FMT(text), text.len ? " " : "", SLICE_FMT(l.value));
    }
    if (text.len == 0)
        text = SLICE("alerts");
    return i->alert_count > 1 ? arena_printf(mem, "%.*s (%zu alerts)", SLICE_FMT(text), i->alert_count) : text;
}

/* ---- the timeline ---- */

/* When it is full the second goes: how it began stays. */
static struct incident_entry *entry_add(struct incident *i)
{
    enum { CAP_FIRST = 8 };
    if (i->entry_count == TIMELINE_MAX) {
        entry_free(&i->timeline[1]);
        memmove(&i->timeline[1], &i->timeline[2], (TIMELINE_MAX - 2) * sizeof *i->timeline);
        i->entry_count--;
    }
    if (i->entry_count == i->entry_cap) {
        i->entry_cap = i->entry_cap ? i->entry_cap * 2 : CAP_FIRST;
        i->timeline = mem_realloc(i->timeline, i->entry_cap * sizeof *i->timeline);
    }
    return &i->timeline[i->entry_count++];
}

void incident_note(struct incident *i, int64_t t_ns, const char *what, struct slice text)
{
    *entry_add(i) = (struct incident_entry){
        .t_ns = t_ns,
        .what = dispatch_own(slice_str(what)),
        .text = dispatch_own(utf8_cut(text, NOTE_BYTES_MAX)),
        .receiver = dispatch_own(SLICE_EMPTY),
        .integration = dispatch_own(SLICE_EMPTY),
    };
}

void incident_note_sent(struct incident *i, int64_t t_ns, struct slice text, const struct incident_target *t, bool failed)
{
    *entry_add(i) = (struct incident_entry){t_ns,
                                            dispatch_own(failed ? SLICE("notification_failed") : SLICE("notified")),
                                            dispatch_own(utf8_cut(text, NOTE_BYTES_MAX)),
                                            dispatch_own(t->receiver),
                                            dispatch_own(t->kind),
                                            failed};
}

/* ---- targets ---- */

static struct incident_target *target_add(struct incident *i, struct slice receiver, struct slice kind, size_t index, size_t step)
{
    enum { CAP_FIRST = 4 };
    if (i->target_count == i->target_cap) {
        i->target_cap = i->target_cap ? i->target_cap * 2 : CAP_FIRST;
        i->targets = mem_realloc(i->targets, i->target_cap * sizeof *i->targets);
    }
    struct incident_target *t = &i->targets[i->target_count++];
    *t = (struct incident_target){.receiver = dispatch_own(receiver), .kind = kind, .index = index, .step = step};
    return t;
}

struct incident_target *incident_target(struct incident *i, struct slice receiver, const struct integration *in, size_t step)
{
    struct slice kind = slice_str(in->notifier->name);
    for (size_t k = 0; k < i->target_count; k++) {
        struct incident_target *t = &i->targets[k];
        if (t->index == in->index && t->step == step && slice_eq(t->kind, kind) && slice_eq(t->receiver, receiver))
            return t;
    }
    return i->target_count < INCIDENT_TARGETS_MAX ? target_add(i, receiver, kind, in->index, step) : NULL;
}

/* ---- kv ---- */

static struct slice key_of(char *to, const struct incident *i)
{
    return slice_of(to, (size_t)snprintf(to, KEY_BYTES_MAX, "%.*s%.*s", SLICE_FMT(KEY_PREFIX), INCIDENT_ID_BYTES, i->id));
}

static void write_target(struct buf *b, const struct incident_target *t)
{
    buf_lenslice(b, t->receiver);
    buf_lenslice(b, t->kind);
    buf_varint(b, t->index);
    buf_varint(b, t->step);
    buf_zigzag(b, t->sent_ns);
    buf_varint(b, t->firing_count);
    for (size_t k = 0; k < t->firing_count; k++)
        buf_u64(b, t->firing[k]);
    buf_varint(b, t->resolved_count);
    for (size_t k = 0; k < t->resolved_count; k++)
        buf_u64(b, t->resolved[k]);
}

static void write_incident(struct buf *b, const struct incident *i)
{
    buf_u8(b, INCIDENT_VERSION);
    buf_put(b, i->id, sizeof i->id);
    buf_lenslice(b, i->group_key);
    buf_lenslice(b, i->receiver);
    buf_lenslice(b, i->group_labels);
    buf_lenslice(b, i->acked_by);
    buf_u8(b, (uint8_t)i->state);
    buf_u8(b, (uint8_t)(i->by_hand | i->is_settled << 1));
    buf_zigzag(b, i->started_ns);
    buf_zigzag(b, i->acked_ns);
    buf_zigzag(b, i->resolved_ns);
    buf_zigzag(b, i->escalate_ns);
    buf_varint(b, i->step);
    buf_varint(b, i->steps);
    buf_varint(b, i->alert_count);
    for (size_t k = 0; k < i->alert_count; k++) {
        const struct incident_alert *a = &i->alerts[k];
        buf_lenslice(b, a->labels);
        buf_lenslice(b, a->annotations);
        buf_lenslice(b, a->generator_url);
        buf_lenslice(b, a->receiver);
        buf_zigzag(b, a->starts_ns);
        buf_zigzag(b, a->ends_ns);
        buf_u64(b, double_bits(a->value));
        buf_u8(b, a->is_closed);
        buf_zigzag(b, a->valid_ns);
    }
    buf_varint(b, i->entry_count);
    for (size_t k = 0; k < i->entry_count; k++) {
        const struct incident_entry *e = &i->timeline[k];
        buf_zigzag(b, e->t_ns);
        buf_lenslice(b, e->what);
        buf_lenslice(b, e->text);
        buf_lenslice(b, e->receiver);
        buf_lenslice(b, e->integration);
        buf_u8(b, e->failed);
    }
    buf_varint(b, i->target_count);
    for (size_t k = 0; k < i->target_count; k++)
        write_target(b, &i->targets[k]);
}

void incident_save(struct dispatch *d, struct incident *i)
{
    i->is_unsaved = true;
    d->has_unsaved = d->must_write = true;
}

/* Adds to *bytes what it took. */
static enum status put(struct dispatch *d, const struct incident *i, size_t *bytes, struct err *err)
{
    char key[KEY_BYTES_MAX];
    struct buf b;
    buf_init(&b, KV_VALUE_BYTES_MAX);
    write_incident(&b, i);
    enum status st = buf_over(&b) ? err_set(err, ST_LIMIT, "incident %.*s needs over %d bytes", INCIDENT_ID_BYTES, i->id, KV_VALUE_BYTES_MAX)
                                  : kv_put(d->env.kv, key_of(key, i), buf_as_slice(&b), err);
    *bytes += b.len;
    buf_free(&b);
    return st;
}

/* How the write of one went. Told once, not at each further try. */
static void landed(struct dispatch *d, struct incident *i, enum status st, const struct err *err)
{
    if (st && !i->is_dirty)
        log_line(d->env.log, LOG_ERROR, "an incident cannot be written; trying again", "incident=%.*s error=\"%s\"", INCIDENT_ID_BYTES, i->id,
                 err->text);
    if (st)
        stoa_add(d->state_errors, 1, NULL);
    i->is_dirty = st != ST_OK;
    i->is_unsaved = false;
}

/* Up to INCIDENTS_PER_WRITE_MAX or WRITE_BYTES_MAX of those from `from` on, as one write; where to go on. */
static size_t write_some(struct dispatch *d, size_t from)
{
    struct incident *taken[INCIDENTS_PER_WRITE_MAX];
    struct err err;
    size_t n = 0, at = from, bytes = 0;
    enum status st = kv_hold(d->env.kv, &err);
    for (; at < d->incident_count && n < INCIDENTS_PER_WRITE_MAX && bytes < WRITE_BYTES_MAX; at++) {
        struct incident *i = d->incidents[at];
        if (!i->is_unsaved)
            continue;
        struct err why;
        enum status one = st ? ST_OK : put(d, i, &bytes, &why);
        if (one)
            landed(d, i, one, &why);
        else
            taken[n++] = i;
    }
    if (!st)
        st = kv_release(d->env.kv, true, &err);
    for (size_t k = 0; k < n; k++)
        landed(d, taken[k], st, &err);
    stoa_add(d->writes, 1, NULL);
    stoa_add(d->written, st ? 0 : (double)n, NULL);
    return at;
}

void incidents_write(struct dispatch *d)
{
    size_t at = 0;
    if (!d->has_unsaved)
        return;
    while (at < d->incident_count)
        at = d->incidents[at]->is_unsaved ? write_some(d, at) : at + 1;
    d->has_unsaved = d->must_write = false;
    d->written_ns = clock_wall_ns(d->env.clock);
}

static void read_hashes(struct reader *r, uint64_t **out, size_t *count)
{
    uint64_t n = read_varint(r);
    if (n > TARGET_HASHES_MAX || n * sizeof(uint64_t) > reader_left(r))
        r->bad = true;
    *count = r->bad ? 0 : n;
    *out = mem_alloc(*count * sizeof **out + 1);
    for (size_t k = 0; k < *count; k++)
        (*out)[k] = read_u64(r);
}

static void read_targets(struct reader *r, struct incident *i)
{
    /* Names that live as long as the program. */
    static const struct notifier *const kinds[] = {&notifier_webhook, &notifier_email, &notifier_slack, &notifier_pagerduty};
    for (uint64_t n = read_varint(r); n > 0 && !r->bad && i->target_count < INCIDENT_TARGETS_MAX; n--) {
        struct slice receiver = read_lenslice(r), kind = read_lenslice(r), known = SLICE("unknown");
        size_t index = read_varint(r), step = read_varint(r);
        for (size_t k = 0; k < COUNT_OF(kinds); k++)
            if (slice_eq(slice_str(kinds[k]->name), kind))
                known = slice_str(kinds[k]->name);
        struct incident_target *t = target_add(i, receiver, known, index, step);
        t->sent_ns = read_zigzag(r);
        read_hashes(r, &t->firing, &t->firing_count);
        read_hashes(r, &t->resolved, &t->resolved_count);
    }
}

static void read_alerts(struct reader *r, struct incident *i, uint8_t version)
{
    for (uint64_t n = read_varint(r); n > 0 && !r->bad && i->alert_count < INCIDENT_ALERTS_MAX; n--) {
        struct slice labels = read_lenslice(r), annotations = read_lenslice(r), url = read_lenslice(r), receiver = read_lenslice(r);
        if (!labels_check(labels) || !labels_check(annotations)) {
            r->bad = true;
            return;
        }
        struct incident_alert *a = alert_add(i, labels, alert_fingerprint(labels));
        renew(&a->annotations, annotations);
        renew(&a->generator_url, url);
        renew(&a->receiver, receiver);
        a->starts_ns = read_zigzag(r);
        a->ends_ns = read_zigzag(r);
        a->value = double_of_bits(read_u64(r));
        a->is_closed = read_u8(r);
        a->valid_ns = version > 1 ? read_zigzag(r) : 0;
    }
}

static enum status load_one(struct dispatch *d, struct slice value, struct err *err)
{
    struct reader r = reader_of(value);
    uint8_t version = read_u8(&r);
    if (version == 0 || version > INCIDENT_VERSION)
        return err_set(err, ST_CORRUPT, "it is of an unknown version");
    struct incident *i = mem_new(struct incident);
    struct slice id = read_bytes(&r, sizeof i->id);
    if (!r.bad)
        memcpy(i->id, id.ptr, sizeof i->id);
    i->group_key = dispatch_own(read_lenslice(&r));
    i->receiver = dispatch_own(read_lenslice(&r));
    i->group_labels = dispatch_own(read_lenslice(&r));
    i->acked_by = dispatch_own(read_lenslice(&r));
    uint8_t state = read_u8(&r), flags = read_u8(&r);
    i->state = state <= INCIDENT_RESOLVED ? (enum incident_state)state : INCIDENT_RESOLVED;
    i->by_hand = flags & 1;
    i->is_settled = flags & 2;
    i->started_ns = read_zigzag(&r);
    i->acked_ns = read_zigzag(&r);
    i->resolved_ns = read_zigzag(&r);
    i->escalate_ns = read_zigzag(&r);
    i->step = read_varint(&r);
    i->steps = read_varint(&r);
    read_alerts(&r, i, version);
    for (uint64_t n = read_varint(&r); n > 0 && !r.bad && i->entry_count < TIMELINE_MAX; n--) {
        struct incident_entry *e = entry_add(i);
        e->t_ns = read_zigzag(&r);
        e->what = dispatch_own(read_lenslice(&r));
        e->text = dispatch_own(read_lenslice(&r));
        e->receiver = dispatch_own(read_lenslice(&r));
        e->integration = dispatch_own(read_lenslice(&r));
        e->failed = read_u8(&r);
    }
    read_targets(&r, i);
    if (r.bad || !labels_check(i->group_labels)) {
        incident_free(i);
        return err_set(err, ST_CORRUPT, "it is damaged");
    }
    keep(d, i);
    return ST_OK;
}

static int by_start(const void *a, const void *b)
{
    const struct incident *x = *(struct incident *const *)a, *y = *(struct incident *const *)b;
    return x->started_ns < y->started_ns ? -1 : x->started_ns > y->started_ns;
}

enum status incidents_load(struct dispatch *d, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *list;
    size_t count;
    struct err why;
    enum status st = kv_list(d->env.kv, KEY_PREFIX, a, &list, &count, err);
    for (size_t k = 0; !st && k < count; k++)
        if (load_one(d, list[k].value, &why))
            log_line(d->env.log, LOG_ERROR, "an incident cannot be read and is left out", "key=\"%.*s\" error=\"%s\"", SLICE_FMT(list[k].key),
                     why.text);
    arena_free(a);
    if (d->incident_count)
        qsort(d->incidents, d->incident_count, sizeof(struct incident *), by_start);
    return st;
}

bool incident_forget(struct dispatch *d, size_t at)
{
    char key[KEY_BYTES_MAX];
    struct err err;
    if (kv_delete(d->env.kv, key_of(key, d->incidents[at]), &err))
        return false;
    incident_free(d->incidents[at]);
    memmove(&d->incidents[at], &d->incidents[at + 1], (--d->incident_count - at) * sizeof(struct incident *));
    return true;
}
