/* SPDX-License-Identifier: Apache-2.0 */
/* What the server collects by itself: this machine's metrics, its logs, and targets it scrapes.
 *
 * Each collector has one thread of its own (the scraper a few workers), makes batches and hands them to the sink, which
 * blocks until they are stored. A collector that fails says so by log and by job_done, and goes on. */
#ifndef STOA_COLLECT_COLLECT_H
#define STOA_COLLECT_COLLECT_H

#include "codec/yaml.h"
#include "collect/tail_lines.h"
#include "model/batch.h"
#include "net/client.h"
#include "sys/clock.h"
#include "sys/file.h"
#include "sys/log.h"

struct firewall;
struct fold;
struct parse_rule;
struct scrape_set; /* an immutable parsed configuration, in an arena */

/* What collectors may use of the server. Keeps everything. */
struct collect_env {
    struct clock *clock;
    struct fs *fs;
    struct log *log;
    struct http_client *client;
    struct slice instance;      /* the host's name */
    void *arg;
    /* Takes batch. Blocks until durable. */
    enum status (*append)(void *arg, struct batch *batch, struct err *err);
    /* A round is done (host, logs, a scrape): for metrics and spans. error "" when st is ST_OK. */
    void (*job_done)(void *arg, const char *job, int64_t start_wall_ns, int64_t ns, enum status st, const char *error);
    /* Small durable values (positions in files). *out appended; ST_NOT_FOUND when there is none. */
    enum status (*state_get)(void *arg, struct slice key, struct buf *out, struct err *err);
    enum status (*state_put)(void *arg, struct slice key, struct slice value, struct err *err);
    /* The scraper needs set, which a reload replaced, no more. Not told at scraper_stop. May be NULL. */
    void (*set_unused)(void *arg, const struct scrape_set *set);
    struct fold *fold; /* labels that name a request; NULL: none do */
    struct firewall *firewall; /* limits of new series; NULL: there are none */
};

/* ---- host.c and its families: node_exporter's and process-exporter's names ---- */

struct host_options {
    int64_t interval_ns;            /* 5 s */
    struct slice proc, sys, rootfs; /* "/proc", "/sys", "/" */
    size_t processes_max;           /* groups shown: top by CPU and by memory */
};
struct host_collector;
MUST_CHECK enum status host_start(struct host_collector **out, const struct collect_env *env, const struct host_options *opt, struct err *err);
void host_stop(struct host_collector *h); /* waits; accepts NULL */
/* One round into b, without thread or sink: for tests and `stoa test host`. state of counters: none is needed. */
MUST_CHECK enum status host_collect(const struct collect_env *env, const struct host_options *opt, struct batch *b, struct err *err);

/* ---- logs.c: journal and files ---- */

/* Files that are followed, through rotation, truncation and restart. */
struct log_input {
    struct slice path;              /* or a glob */
    struct join_rule join;          /* which lines are one record */
    enum tail_charset charset;      /* TAIL_BYTES: UTF-16 is seen by its mark */
    struct slice service;           /* empty: as the lines or the path say */
    const struct parse_rule *parse; /* NULL: lines are read as they look */
};

struct logs_options {
    bool journal;                   /* the machine's journal, when it has one */
    struct slice journal_dir;       /* empty: the machine's */
    const struct log_input *files;
    size_t file_count;
    size_t line_bytes_max;          /* EVENT_BODY_BYTES_MAX */
};
struct logs_collector;
MUST_CHECK enum status logs_start(struct logs_collector **out, const struct collect_env *env, const struct logs_options *opt, struct err *err);
/* Waits for its threads; its counts can still be read. Accepts NULL. */
void logs_stop(struct logs_collector *l);
void logs_free(struct logs_collector *l); /* accepts NULL */
/* As text, into out. */
void logs_metrics(const struct logs_collector *l, struct buf *out);

/* ---- scrape.c, scrape_config.c, discovery.c, relabel.c: Prometheus scraping ---- */

/* Reads global and scrape_configs of a merged configuration. Unknown keys are errors with line and suggestion; keys of
 * prometheus.yml that are known but not served yet are told in warnings, one sentence a line. */
MUST_CHECK enum status scrape_config_read(struct arena *a, const struct yaml_node *root, struct scrape_set **out, struct buf *warnings,
                                          struct err *err);
size_t scrape_set_jobs(const struct scrape_set *s);
/* --enable-feature=created-timestamp-zero-ingestion: a new series' start, where told, becomes a sample of 0. Before scraper_start. */
void scrape_set_start_zero(struct scrape_set *s);

struct scraper;
/* Keeps set until env->set_unused or scraper_stop: a scrape under way may still go by an earlier one. */
MUST_CHECK enum status scraper_start(struct scraper **out, const struct collect_env *env, const struct scrape_set *set, struct err *err);
/* On an error the set before goes on. */
MUST_CHECK enum status scraper_reload(struct scraper *s, const struct scrape_set *set, struct err *err);
/* Waits for scrapes under way: who does not want that ends the client before. Accepts NULL. */
void scraper_stop(struct scraper *s);

/* How a source of targets does: a file, a URL, DNS names, a Kubernetes API server. */
enum discovery_kind { DISCOVERY_FILE, DISCOVERY_HTTP, DISCOVERY_DNS, DISCOVERY_KUBERNETES, DISCOVERY_KINDS };
enum { DISCOVERY_ERROR_BYTES_MAX = 300 };
/* Of what is watched: Kubernetes. failures are those of lists and watches; restarts: watches that went on in another request. */
struct discovery_counts {
    uint64_t lists, events, failures, restarts;
};
struct discovery_state {
    enum discovery_kind kind;
    struct slice job, source, error;  /* error: of the last look, empty when it went well; the last good targets stay */
    uint64_t refreshes, failures;     /* refreshes: looks, or lists of what is watched */
    uint64_t updates;                 /* other targets than before */
    struct discovery_counts watch;
    int64_t looked_ns;                /* wall */
};
const char *discovery_kind_name(enum discovery_kind kind); /* "file", "http", "dns", "kubernetes" */

struct scrape_target {
    struct slice pool, url, labels, discovered, last_error; /* labels, discovered: canonical */
    int64_t last_scrape_ns, last_duration_ns, interval_ns, timeout_ns;
    int health; /* 0 unknown, 1 up, 2 down */
};
/* A page in Prometheus's text or OpenMetrics format (by content type) into b: each sample at t_ms unless it has a time of its
 * own, with the extra labels added (job, instance, ...), and the metadata. For our own metrics. */
MUST_CHECK enum status scrape_page_read(struct slice page, struct slice content_type, int64_t t_ms, const struct label *extra, size_t extra_count,
                                        struct batch *b, struct err *err);
/* A job with what its relabelling dropped. The first so many are kept, by keep_dropped_targets. */
struct scrape_pool {
    struct slice name, *dropped; /* discovered labels, canonical */
    size_t kept_count;
    uint64_t dropped_count;      /* all of them */
};
/* Of all jobs in force, by name; in a. s NULL: none. */
void scraper_pools(struct scraper *s, struct arena *a, struct scrape_pool **out, size_t *count);
/* As of now, in a. */
void scraper_targets(struct scraper *s, struct arena *a, struct scrape_target **out, size_t *count);
/* Of all jobs in force, in a. */
void scraper_discovery(struct scraper *s, struct arena *a, struct discovery_state **out, size_t *count);

#endif
