/* SPDX-License-Identifier: Apache-2.0 */
/* What lies between rules and people: the boundary that Prometheus and Alertmanager have between them, inside one program.
 *
 * Rule evaluation hands over every firing alert at each round and every resolved one once more (dispatch_put); so do
 * foreign Prometheus servers by POST /api/v2/alerts. From there on routing, grouping, silences, inhibition, notification,
 * escalation and incidents are dispatch's. Alerts are one by their label set. */
#ifndef STOA_ALERT_DISPATCH_H
#define STOA_ALERT_DISPATCH_H

#include "base/arena.h"
#include "base/buf.h"
#include "codec/yaml.h"
#include "model/matcher.h"
#include "net/client.h"
#include "store/kv.h"
#include "sys/clock.h"
#include "sys/log.h"

enum { DISPATCH_ALERTS_MAX = 100 * 1000 };

/* One alert as its source sees it. labels (alertname among them) and annotations: canonical; borrowed for the call. */
struct alert_put {
    struct slice labels, annotations;
    int64_t starts_ns, ends_ns; /* ends_ns 0: firing, to be told again within DISPATCH_RESOLVE_AFTER; else when it ended */
    struct slice generator_url;
    struct slice receiver;      /* not empty: goes to this receiver whatever the routes say (the article's `action`) */
    double value;
    int64_t valid_ns;           /* firing: how long it counts without being told again; 0: resolve_timeout */
};

struct notice; /* alert/notify.h */

struct notify_ids { /* of the span of a notification that is tried */
    uint8_t trace_id[16], span_id[8];
};

struct dispatch_env { /* keeps everything */
    struct clock *clock;
    struct log *log;
    struct kv *kv;              /* silences, incidents and what was sent survive kill -9 */
    struct http_client *client;
    void *arg;
    /* Sends instead of the network; for tests. NULL: the notifiers send. */
    enum status (*deliver)(void *arg, const char *integration, const struct notice *n, struct err *err);
    /* A notification was tried: for metrics and spans. error "" when it went. */
    void (*notified)(void *arg, const char *integration, struct slice receiver, const struct notify_ids *ids, int64_t ns, enum status st,
                     const char *error);
};

struct dispatch;
struct dispatch_config; /* immutable, in an arena: alertmanager.yml's keys */

/* Reads route, receivers, inhibit_rules, templates, time_intervals, mute_time_intervals and `alertmanager_global` (the
 * `global` of the file that has route or receivers) of a merged configuration. Without any: one receiver "default" that
 * only keeps incidents for the page. */
MUST_CHECK enum status dispatch_config_read(struct arena *a, const struct yaml_node *root, struct dispatch_config **out, struct buf *warnings,
                                            struct err *err);
/* Gives back what is not the arena's; accepts NULL. */
void dispatch_config_free(struct dispatch_config *c);
/* For rules that name a receiver. */
bool dispatch_config_has_receiver(const struct dispatch_config *c, struct slice name);

/* Reads what was saved; nothing is sent yet. Keeps config until a reload has replaced it and the call has returned. */
MUST_CHECK enum status dispatch_new(struct dispatch **out, const struct dispatch_env *env, const struct dispatch_config *config, struct err *err);
/* Starts its thread. external_url is copied. */
MUST_CHECK enum status dispatch_start(struct dispatch *d, struct slice external_url, struct err *err);
void dispatch_reload(struct dispatch *d, const struct dispatch_config *config);
void dispatch_stop(struct dispatch *d); /* accepts NULL */

/* Any thread; does not wait for notifications. ST_LIMIT: more than DISPATCH_ALERTS_MAX alerts are alive; the rest was taken. */
MUST_CHECK enum status dispatch_put(struct dispatch *d, const struct alert_put *alerts, size_t count, struct err *err);

/* ---- what people do; durable on return ---- */

/* ST_NOT_FOUND; ST_EXISTS: it is resolved already. by, note: may be empty. */
MUST_CHECK enum status dispatch_acknowledge(struct dispatch *d, struct slice id, struct slice by, struct slice note, struct err *err);
/* Its alerts that still fire open no new incident until they have ended. */
MUST_CHECK enum status dispatch_resolve(struct dispatch *d, struct slice id, struct slice by, struct slice note, struct err *err);

struct silence_put { /* re of the matchers is not looked at */
    struct slice id; /* empty: a new one */
    const struct matcher *matchers;
    size_t matcher_count;
    int64_t starts_ns, ends_ns;
    struct slice created_by, comment;
};
/* *id in a: the same one goes on when its matchers and start stay. */
MUST_CHECK enum status dispatch_silence_put(struct dispatch *d, const struct silence_put *p, struct arena *a, struct slice *id, struct err *err);
MUST_CHECK enum status dispatch_silence_expire(struct dispatch *d, struct slice id, struct err *err);

/* ---- what it looks like, as JSON; any thread ---- */

/* {"incidents":[...]}, the newest first. */
void dispatch_write_incidents(struct dispatch *d, bool open_only, size_t limit, struct buf *out);
MUST_CHECK enum status dispatch_write_incident(struct dispatch *d, struct slice id, struct buf *out, struct err *err);
/* {"notifications":[...]}: tries that went or failed, the newest first. */
void dispatch_write_notifications(struct dispatch *d, size_t limit, struct buf *out);

/* Alertmanager's API v2. */
struct alert_filter {
    const struct matcher *matchers;
    size_t matcher_count;
    struct regex *receiver; /* NULL: any */
    bool active, silenced, inhibited, muted, unprocessed;
};
void dispatch_write_alerts(struct dispatch *d, const struct alert_filter *f, struct buf *out);
void dispatch_write_groups(struct dispatch *d, const struct alert_filter *f, struct buf *out);
void dispatch_write_silences(struct dispatch *d, const struct matcher *matchers, size_t count, struct buf *out);
MUST_CHECK enum status dispatch_write_silence(struct dispatch *d, struct slice id, struct buf *out, struct err *err);
void dispatch_write_receivers(struct dispatch *d, struct buf *out);
/* A receiver of the configuration in force. */
bool dispatch_has_receiver(struct dispatch *d, struct slice name);
/* alertmanager_* and stoa_incidents in the text format. */
void dispatch_metrics(struct dispatch *d, struct buf *out);

#endif
