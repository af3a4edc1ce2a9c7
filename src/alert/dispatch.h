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
};

struct dispatch_env { /* keeps everything */
    struct clock *clock;
    struct log *log;
    struct kv *kv;              /* silences, incidents and what was sent survive kill -9 */
    struct http_client *client;
    struct slice external_url;  /* of the page, for links in messages; "http://127.0.0.1:7862" */
    void *arg;
    /* A notification was tried: for metrics and spans. error "" when it went. */
    void (*notified)(void *arg, const char *integration, struct slice receiver, int64_t ns, enum status st, const char *error);
};

struct dispatch;
struct dispatch_config; /* immutable, in an arena: alertmanager.yml's keys */

/* Reads route, receivers, inhibit_rules, templates, time_intervals, mute_time_intervals and `alertmanager_global` (the
 * `global` of the file that has route or receivers) of a merged configuration. Without any: one receiver "default" that
 * only keeps incidents for the page. */
MUST_CHECK enum status dispatch_config_read(struct arena *a, const struct yaml_node *root, struct dispatch_config **out, struct buf *warnings,
                                            struct err *err);
/* For rules that name a receiver. */
bool dispatch_config_has_receiver(const struct dispatch_config *c, struct slice name);

/* Starts its thread. Keeps config until a reload has replaced it and the call has returned. */
MUST_CHECK enum status dispatch_start(struct dispatch **out, const struct dispatch_env *env, const struct dispatch_config *config, struct err *err);
void dispatch_reload(struct dispatch *d, const struct dispatch_config *config);
void dispatch_stop(struct dispatch *d); /* accepts NULL */

/* Any thread; does not wait for notifications. ST_LIMIT: more than DISPATCH_ALERTS_MAX alerts are alive; the rest was taken. */
MUST_CHECK enum status dispatch_put(struct dispatch *d, const struct alert_put *alerts, size_t count, struct err *err);

#endif
