/* SPDX-License-Identifier: Apache-2.0 */
/* Between the files of dispatch: dispatch.c (when, and the thread), group.c (who belongs together), incident.c (what is kept),
 * deliver.c (telling), silence.c, inhibit.c (who keeps still), dispatch_view.c (what it looks like). All under dispatch's lock. */
#ifndef STOA_ALERT_DISPATCH_PARTS_H
#define STOA_ALERT_DISPATCH_PARTS_H

#include "alert/notify.h"
#include "base/map.h"
#include "client/stoa.h"
#include "codec/json.h"
#include "sys/thread.h"

enum {
    ALERT_ROUTES_MAX = 64,         /* groups that one alert is in */
    INCIDENT_ID_BYTES = 16,        /* hexadecimal digits */
    INCIDENTS_KEPT_MAX = 2000,     /* resolved ones; the oldest go */
    INCIDENT_ALERTS_MAX = 2000,    /* kept with one incident */
    INCIDENT_TARGETS_MAX = 512,
    TIMELINE_MAX = 200,
    PERSON_BYTES_MAX = 200,
    SILENCES_MAX = 10 * 1000,
    DELIVERY_TRIES_MAX = 12,       /* of one notification; the next round of the group tries anew */
    NOTIFY_THREADS = 8,
    NOTIFY_QUEUE_MAX = 4096,
    INCIDENTS_PER_WRITE_MAX = 2000 /* others wait for kv meanwhile */
};
#define INCIDENT_KEPT_NS      (90 * 24 * 3600 * NS_S)
#define SILENCE_KEPT_NS       (5 * 24 * 3600 * NS_S) /* after its end */
#define BACKOFF_FIRST_NS      (1 * NS_S)
#define BACKOFF_MAX_NS        (60 * NS_S)
#define DELIVERY_TIME_MIN_NS  (10 * NS_S)         /* tries go on for a group_interval, at least this long */
#define RESOLVED_TOLD_MAX_NS  (24 * 3600 * NS_S)  /* how long a resolved incident is tried to be told */
#define SAVE_AGAIN_NS         (5 * NS_S)
#define NOTES_EVERY_NS        (100 * NS_MS)       /* that notifications went is written together */
#define STEP_MAX_NS           (5 * NS_S)

struct group;
struct incident;

/* ---- alerts ---- */

struct alert {
    struct slice labels, annotations, generator_url, receiver; /* own */
    int64_t starts_ns, ends_ns; /* ends: when it is taken to be over unless told again; or when it was */
    int64_t updated_ns, valid_ns; /* valid: as in struct alert_put */
    double value;
    uint64_t fingerprint;
    bool is_firing;
    struct group **groups;
    size_t group_count;
};

/* ---- silences ---- */

struct silence {
    struct arena *arena; /* all of it */
    struct slice id, created_by, comment;
    struct matcher *matchers;
    size_t matcher_count;
    int64_t starts_ns, ends_ns, updated_ns;
};
const char *silence_state(const struct silence *s, int64_t now_ns); /* "pending", "active", "expired" */

/* ---- incidents ---- */

enum incident_state { INCIDENT_FIRING, INCIDENT_ACKNOWLEDGED, INCIDENT_RESOLVED };
const char *incident_state_name(enum incident_state s);

struct incident_alert { /* own copies */
    struct slice labels, annotations, generator_url, receiver;
    int64_t starts_ns, ends_ns; /* 0: firing */
    int64_t valid_ns;           /* its rule may not be looked at for long after a restart */
    double value;
    uint64_t fingerprint;
    bool is_closed; /* by hand, while it fired */
    bool is_here;   /* its group has it: while they are compared */
};

struct incident_entry {
    int64_t t_ns;
    struct slice what, text, receiver, integration; /* own; receiver and integration: of a notification */
    bool failed;
};

/* One integration of one receiver: what it was told last, which survives; and what is under way, which does not. */
struct incident_target {
    struct slice receiver; /* own */
    struct slice kind;     /* a notifier's name: static */
    size_t index, step;    /* step: of the escalation it came by, 0: none */
    int64_t sent_ns;       /* 0: never */
    uint64_t *firing, *resolved; /* fingerprints it was told */
    size_t firing_count, resolved_count;
    bool is_due, is_flying;
    unsigned tries;
    int64_t next_try_ns, give_up_ns;
};

struct incident {
    char id[INCIDENT_ID_BYTES];
    struct slice group_key, receiver, group_labels; /* own */
    enum incident_state state;
    int64_t started_ns, acked_ns, resolved_ns;
    struct slice acked_by; /* own */
    bool by_hand;
    size_t step, steps;
    int64_t escalate_ns; /* 0: no more steps */
    struct incident_alert *alerts;
    size_t alert_count, alert_cap;
    struct incident_entry *timeline;
    size_t entry_count, entry_cap;
    struct incident_target *targets;
    size_t target_count, target_cap;
    bool is_unsaved; /* differs from kv, which incidents_write amends */
    bool is_dirty;   /* the last write of it failed */
    bool is_settled; /* resolved, and everybody has been told: history */
    struct group *group; /* NULL: settled */
};

/* ---- groups ---- */

struct member {
    struct alert *alert;
    bool is_closed; /* its incident was closed by hand; until it fires anew */
};
struct group {
    const struct route *route;
    struct slice key, labels; /* own */
    struct member *members;
    size_t count, cap;
    struct incident *incident;
    int64_t next_flush_ns;
    bool has_flushed, is_dirty;
};

struct inhibit_index;

struct dispatch {
    struct dispatch_env env;
    const struct dispatch_config *config;
    struct slice external_url; /* of the page, for links; own */
    struct mutex lock;
    struct cond wake;   /* with lock: something is to be done */
    struct cond landed; /* with lock: a notification came back */
    struct thread *thread;
    struct pool *pool; /* NULL: notifications are sent by the step itself */
    bool is_stopping, is_paused, is_woken;
    atomic_bool cancelled;
    size_t flying;
    struct map alerts; /* labels -> struct alert */
    struct map groups; /* key -> struct group */
    struct group **dirty; /* alerts of theirs have come, changed or ended */
    size_t dirty_count, dirty_cap;
    struct incident **incidents; /* by start */
    size_t incident_count, incident_cap;
    bool has_unsaved; /* incidents */
    bool must_write;  /* and not only because a notification went */
    int64_t written_ns;
    struct silence **silences;
    size_t silence_count, silence_cap;
    struct inhibit_index *inhibit;
    bool is_inhibit_stale;
    int64_t next_expiry_ns, save_again_ns, swept_ns;
    struct map warned; /* receivers that are not there and were spoken of */
    struct arena *warned_arena;
    struct stoa_metrics *registry;
    struct stoa_family *notifications, *failed, *requests, *requests_failed, *latency, *received, *invalid, *alerts_now, *silences_now,
        *incidents_now, *state_errors, *writes, *written;
};

/* A copy on the heap; "" is one byte. */
static inline struct slice dispatch_own(struct slice s)
{
    char *p = mem_alloc(s.len + 1);
    if (s.len)
        memcpy(p, s.ptr, s.len);
    p[s.len] = '\0';
    return slice_of(p, s.len);
}
static inline void dispatch_disown(struct slice s)
{
    mem_free((void *)s.ptr);
}

/* ---- silence.c ---- */
bool silence_mutes(const struct dispatch *d, struct slice labels, int64_t now_ns);
enum status silences_load(struct dispatch *d, struct err *err);
void silences_free(struct dispatch *d);
/* Drops those long over. */
void silences_sweep(struct dispatch *d, int64_t now_ns);

/* ---- inhibit.c ---- */
/* Is a firing alert of these labels kept still by another? *by its fingerprint. */
bool inhibit_mutes(struct dispatch *d, struct slice labels, uint64_t *by);
void inhibit_free(struct dispatch *d);

/* ---- incident.c ---- */
struct incident *incident_new(struct dispatch *d, struct group *g, int64_t now_ns);
void incident_free(struct incident *i);
/* The alert as it is now. True when an alert came, ended or began anew. */
bool incident_take(struct incident *i, const struct alert *a, bool is_closed);
struct incident_alert *incident_alert_find(const struct incident *i, struct slice labels);
void incident_note(struct incident *i, int64_t t_ns, const char *what, struct slice text);
void incident_note_sent(struct incident *i, int64_t t_ns, struct slice text, const struct incident_target *t, bool failed);
struct incident_target *incident_target(struct incident *i, struct slice receiver, const struct integration *in, size_t step);
/* It is to be written: by the next incidents_write. */
void incident_save(struct dispatch *d, struct incident *i);
/* Writes what is to be written to kv, many incidents at once; durable on return, but for those that failed, which save_again tries
 * later. Before the lock is given up, so that nobody is told what is not on disk. */
void incidents_write(struct dispatch *d);
enum status incidents_load(struct dispatch *d, struct err *err);
/* False: it could not be, and is still there. */
bool incident_forget(struct dispatch *d, size_t at);
struct incident *incident_find(const struct dispatch *d, struct slice id);
/* What all its firing alerts (all, when none fires) have in common. */
struct slice incident_common(struct arena *a, const struct incident *i, bool annotations);
/* The gravest of its alerts; "none" when none says. */
struct slice incident_severity(const struct incident *i);
struct slice incident_summary(struct arena *a, const struct incident *i);
struct slice incident_annotation(struct arena *a, const struct incident *i, struct slice name);

/* ---- group.c ---- */
uint64_t alert_fingerprint(struct slice labels);
/* Takes what a source says into d->alerts and the groups, which become dirty. NULL: over, and not known. */
struct alert *alert_take(struct dispatch *d, const struct alert_put *p, int64_t now_ns);
void alert_free(struct alert *a);
/* Ends those whose time is over; sets d->next_expiry_ns. */
void alerts_expire(struct dispatch *d, int64_t now_ns);
void group_touch(struct dispatch *d, struct group *g);
/* Opens, reopens and closes incidents of dirty groups, and lets ended alerts go. */
void groups_update(struct dispatch *d, int64_t now_ns);
/* The group's time has come: what its receivers have not been told becomes due. */
void group_flush(struct dispatch *d, struct group *g, int64_t now_ns);
/* Somebody has to be called, as nobody acknowledged. */
void incident_escalate(struct dispatch *d, struct incident *i, int64_t now_ns);
/* Resolved and told: becomes history. */
void incident_settle(struct dispatch *d, struct incident *i, int64_t now_ns);
/* Everything anew by d->config: after a reload, and at the start. */
void groups_rebuild(struct dispatch *d, int64_t now_ns);
void groups_free(struct dispatch *d);

/* ---- deliver.c ---- */
bool incident_alert_fires(const struct incident_alert *a);
bool dispatch_is_muted(struct dispatch *d, struct slice labels, int64_t now_ns);
/* Is there something that the target has not been told? now_ns decides on repeats. */
bool target_needs(struct dispatch *d, const struct incident *i, const struct incident_target *t, int64_t now_ns);
void target_make_due(struct dispatch *d, struct incident *i, struct incident_target *t, int64_t now_ns);
/* A try on its way. */
struct delivery;
/* Those that are due, as a list; *next_ns: when the next is. Under the lock. */
struct delivery *deliver_collect(struct dispatch *d, int64_t now_ns, int64_t *next_ns);
/* Sends each of the list and takes note of how it went. Not under the lock. */
void deliver_all(struct dispatch *d, struct delivery *list);
/* The integration a target means; NULL: no more in the configuration. */
const struct integration *target_integration(const struct dispatch *d, const struct incident_target *t);

/* ---- dispatch.c ---- */
/* Does what is due; gives the nanoseconds until something will be. What the thread does; without one it sends by itself. */
int64_t dispatch_step(struct dispatch *d);

#endif
