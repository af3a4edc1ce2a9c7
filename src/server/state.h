/* SPDX-License-Identifier: Apache-2.0 */
/* The running server, as its parts see it. A part is one file, part_NAME.c, and one row of the table in parts.c.
 *
 * Order of start: configuration, store, then every part's prepare, HTTP, every part's run, collectors. Order of the end:
 * collectors, HTTP, the parts in reverse, the store. So handlers never meet a part that is not there yet or no more. */
#ifndef STOA_SERVER_STATE_H
#define STOA_SERVER_STATE_H

#include "api/api.h"
#include "pipeline/last.h"
#include "server/config.h"
#include "server/flags.h"
#include "store/kv.h"

enum { HOST_NAME_BYTES_MAX = 256, RETIRED_MAX = 64, EXTERNAL_URL_BYTES_MAX = 256 };

struct telemetry;
struct statsd_ports;
struct syslog;

struct server {
    struct flags flags;
    struct config *config, *first; /* the one in force; the one that collectors other than the scraper were started with */
    struct clock *clock;
    struct fs *fs;
    struct log log;
    struct budget in_flight;
    struct engine *engine;
    struct kv *kv;
    struct http_server *http;
    struct http_client *client;
    struct telemetry *telemetry;
    struct self *self;
    struct pipeline *pipeline;
    struct reads_keeper *reads_keeper;
    struct downsampler *downsampler;
    struct api api;
    struct api_sources sources;
    struct collect_env env;
    struct host_collector *host;
    struct logs_collector *logs;
    struct scraper *scraper;
    struct config *retired[RETIRED_MAX]; /* replaced by a reload, and scrapes under way still go by them */
    size_t retired_count;
    struct mutex reload_lock; /* config, retired and scraper, once the HTTP server runs */
    bool is_tls, is_beyond_loopback;
    char host_name[HOST_NAME_BYTES_MAX];
    char external_url[EXTERNAL_URL_BYTES_MAX]; /* of the page; from HTTP's start on */
    struct slice data_dir;
    struct statsd_ports *statsd_ports; /* part_statsd.c */
    struct syslog *syslog; /* part_syslog.c; NULL: no listener of it */
    struct golden_keeper *golden_keeper; /* part_golden.c */
    int64_t last_until_ns; /* last.c: since when (monotonic) nobody needs to ask the store where a series stood */
};

/* Any of the functions may be NULL. */
struct server_part {
    const char *name;
    /* The store, the HTTP client, s->env and s->api are there; nothing is served yet. Sets its pointer in s->api. */
    enum status (*prepare)(struct server *s, struct err *err);
    /* HTTP runs, s->external_url is known. Starts threads. */
    enum status (*run)(struct server *s, struct err *err);
    /* s->config is the new configuration. On return nothing of the old one is used any more. */
    void (*reload)(struct server *s);
    /* HTTP has stopped and so has the HTTP client; the store still takes rows. Also after a prepare or run that failed. */
    void (*stop)(struct server *s);
};

/* part_auth.c */
enum status part_auth_prepare(struct server *s, struct err *err);
void part_auth_reload(struct server *s);
void part_auth_stop(struct server *s);
/* part_probe.c */
enum status part_probe_prepare(struct server *s, struct err *err);
enum status part_probe_run(struct server *s, struct err *err);
void part_probe_reload(struct server *s);
void part_probe_stop(struct server *s);

/* part_retention.c */
struct engine_class *retention_classes(const struct class_config *from, struct arena *a);
enum status part_retention_prepare(struct server *s, struct err *err);
void part_retention_reload(struct server *s);

extern const struct server_part server_parts[];
extern const size_t server_part_count;

/* part_downsample.c */
enum status part_downsample_run(struct server *s, struct err *err);
void part_downsample_reload(struct server *s);
void part_downsample_stop(struct server *s);
/* part_push.c */
enum status part_push_prepare(struct server *s, struct err *err);
enum status part_push_run(struct server *s, struct err *err);
void part_push_stop(struct server *s);
/* part_rum.c */
enum status part_rum_prepare(struct server *s, struct err *err);
enum status part_rum_run(struct server *s, struct err *err);
void part_rum_reload(struct server *s);
void part_rum_stop(struct server *s);

/* part_intake.c */
enum status part_intake_prepare(struct server *s, struct err *err);
void part_intake_reload(struct server *s);
void part_intake_stop(struct server *s);

/* part_notify.c */
enum status part_notify_prepare(struct server *s, struct err *err);
enum status part_notify_run(struct server *s, struct err *err);
void part_notify_reload(struct server *s);
void part_notify_stop(struct server *s);
/* part_alert.c */
enum status part_alert_prepare(struct server *s, struct err *err);
enum status part_alert_run(struct server *s, struct err *err);
void part_alert_reload(struct server *s);
void part_alert_stop(struct server *s);

/* part_golden.c, called by part_alert.c: the rules to be evaluated, those of the configuration among them. They live until
 * golden_free. */
const struct rule_set *golden_prepare(struct server *s);
enum status golden_run(struct server *s, struct err *err);
void golden_reload(struct server *s); /* tells the evaluation */
void golden_posted(void *server, const struct rule_set *set); /* set: rules that came over an API; tells the evaluation */
void golden_stop(struct server *s);
void golden_free(struct server *s);

/* part_cardinality.c */
enum status part_cardinality_prepare(struct server *s, struct err *err);
enum status part_cardinality_run(struct server *s, struct err *err);
void part_cardinality_reload(struct server *s);
void part_cardinality_stop(struct server *s);
/* part_query.c */
enum status part_query_prepare(struct server *s, struct err *err);
void part_query_reload(struct server *s);
void part_query_stop(struct server *s);

/* part_statsd.c */
enum status part_statsd_prepare(struct server *s, struct err *err);
enum status part_statsd_run(struct server *s, struct err *err);
void part_statsd_stop(struct server *s);
/* Listeners of this dialect are no HTTP. */
bool part_statsd_has(struct slice dialect);
/* host:port of such a listener's address; empty: a Unix socket. */
struct slice part_statsd_host(struct slice address);

/* part_syslog.c */
enum status part_syslog_run(struct server *s, struct err *err);
void part_syslog_stop(struct server *s);
bool part_syslog_has(struct slice dialect); /* as part_statsd_has */

/* part_correlate.c */
enum status part_correlate_prepare(struct server *s, struct err *err);
void part_correlate_reload(struct server *s);
void part_correlate_stop(struct server *s);

/* last.c: where series stood before a restart. */
struct last_reader server_last_reader(struct server *s);

/* sources.c: api.pools. */
extern const struct api_pools server_pools;
/* snapshot.c: api.snapshot. */
enum status server_snapshot(void *arg, bool skip_head, struct arena *a, struct slice *name, struct err *err);
/* Before HTTP runs: nothing makes one then. */
void server_snapshots_sweep(struct server *s);

/* For parts' environments; arg is the server. Takes b; pipeline, then append; blocks until durable. */
enum status server_append(void *arg, struct batch *b, struct err *err);
/* Of what others sent: the firewall may take series out, and tells of them in its report alone. */
enum status server_append_pushed(void *arg, struct batch *b, struct err *err);

#endif
