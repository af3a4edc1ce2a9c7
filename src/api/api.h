/* SPDX-License-Identifier: Apache-2.0 */
/* The HTTP API: one table of routes over all dialects, one file of handlers per compatible API.
 *
 * A handler gets the exchange and the api with everything it may use. Queries run on workers of the HTTP server under a
 * budget of running queries; what a query costs and how it ends is counted in one place (api_query_begin, api_query_end). */
#ifndef STOA_API_API_H
#define STOA_API_API_H

#include "api/self.h"
#include "net/http.h"
#include "query/lang.h"
#include "store/engine.h"
#include "sys/thread.h"

struct alert_eval;
struct parse_rules;
struct posted_rules;
struct dispatch;
struct pipeline;
struct intake;
struct auth;
struct auth_caller;
struct audit;
struct kv;
struct fs;
struct probe;
struct push;
struct statsd;
struct logs_collector;
struct syslog;
struct message_stats;
struct discovery_state;
struct rum;
struct fold;
struct reads;
struct query_log;
struct scrape_pool;
struct relabel_rule;
struct regex;
struct follow;

enum {
    QUERIES_RUNNING_MAX = 16,           /* unless configured; more wait for nobody: 503 with Retry-After */
    QUERIES_RUNNING_MOST = 64,          /* that can be configured */
    QUERY_SECONDS_MAX = 120,            /* unless configured: the deadline, and the longest a request may ask for */
    QUERY_SAMPLES_MAX = 50 * 1000 * 1000, /* unless configured: what a query may read */
    QUERY_LOOKBACK_SECONDS = 5 * 60,    /* unless configured or asked for */
    QUERY_RESULT_BYTES_MAX = 256 * MIB,
    API_PARAMS_MAX = 64,                /* of one query string or form */
    API_FORM_BYTES_MAX = 1 * MIB,
    API_SELECTORS_MAX = 64              /* match[] of one request */
};

/* What a query may cost; from the configuration. Zero: the default, which is the constant above. */
struct api_limits {
    uint64_t samples_max;
    int64_t timeout_ns, lookback_ns;
    unsigned running_max;
};

/* What the server gives and the handlers use. Lives as long as the HTTP server. */
struct api {
    struct engine *engine;
    struct http_server *http;           /* set once it runs */
    struct clock *clock;
    struct log *log;
    const struct query_lang *promql, *logql;
    struct auth *auth;                  /* who may what; NULL: everybody everything */
    struct audit *audit;                /* NULL: nothing goes on record */
    struct kv *kv;                      /* small durable state */
    struct fs *audit_fs;                /* where the audit log is read from */
    struct slice audit_dir;
    struct self *self;                  /* our own metrics, logs and traces; see api/self.h */
    struct pipeline *pipeline;
    struct intake *intake;              /* pushed metrics, before the pipeline; NULL: nothing comes between */
    const struct api_sources *sources;  /* what collects: for targets and status; may be NULL */
    const struct api_pools *pools;      /* jobs of scraping; NULL: there is none */
    struct probe *probe;                /* synthetic checks; NULL: not running */
    struct push *push;                  /* pushed metrics; NULL: not running */
    struct statsd *statsd;              /* NULL: not running */
    struct logs_collector *logs;        /* NULL: none are collected */
    struct syslog *syslog;              /* NULL: no listener of it */
    void (*message_stats)(void *server, struct message_stats *out); /* of StatsD's sockets; NULL: none */
    struct rum *rum;                    /* real users; never NULL while HTTP is served */
    struct dispatch *dispatch;          /* incidents, silences, notifications; NULL: not running */
    struct fold *fold;                  /* labels that name a request; never NULL while HTTP is served */
    struct reads *reads;                /* when metrics were last read; never NULL while HTTP is served */
    struct alert_eval *alerts;          /* rules at work; NULL: none are evaluated */
    const struct parse_rules *parsers;  /* of lines that are sent; never NULL while HTTP is served */
    struct posted_rules *posted_rules;  /* that came over Loki's API; NULL: none are taken */
    bool (*has_receiver)(void *server, struct slice name); /* of notifications; NULL: nobody knows */
    struct follow *follow;                /* who follows the logs; never NULL while HTTP is served */
    struct query_log *queries;          /* never NULL while HTTP is served */
    struct regex *cors;                 /* origins whose pages may read the API; NULL: none */
    struct api_limits limits;
    struct slice (*external_labels)(void *arg, struct arena *a); /* of `global`, canonical; NULL: there are none */
    /* A copy of the data folder in its folder `snapshots`; its name in a. skip_head: without what is in memory alone. */
    enum status (*snapshot)(void *arg, bool skip_head, struct arena *a, struct slice *name, struct err *err);
    struct slice flags_json;            /* {"name":"value"}: the flags we were started with */
    struct slice version, revision;
    int64_t started_ns;
    int64_t retention_ns;
    uint32_t features;                  /* enum query_feature bits switched on */
    struct slice (*warnings)(void *arg, struct arena *a); /* sentences ended by '\n' about config keys not yet served, disk, ... */
    struct slice (*config_text)(void *arg, struct arena *a); /* as running; for status/config */
    enum status (*reload)(void *arg, struct err *err);
    void *server;                       /* argument of the functions above */
    atomic_int queries_running, exports_running;
    atomic_bool reload_failed;          /* the last one; the old configuration runs on */
    atomic_uint_fast64_t downsampled_days, downsample_failures;
    atomic_uint_fast64_t telemetry_dropped; /* own spans and lines that did not fit while the store did not take them */
    struct api_routes *routes;          /* made by api_init */
};

/* Collectors as the API shows them. */
struct api_target {
    struct slice pool, url, labels, discovered, last_error; /* labels, discovered: canonical */
    int64_t last_scrape_ns, last_duration_ns, interval_ns, timeout_ns;
    int health;                         /* 0 unknown, 1 up, 2 down */
};
struct api_sources {
    /* In arena a. */
    void (*targets)(void *arg, struct arena *a, struct api_target **out, size_t *count);
    /* How sources of targets do. */
    void (*discovery)(void *arg, struct arena *a, struct discovery_state **out, size_t *count);
    void *arg;
};

/* Jobs of scraping; server is api.server, and what is given lives in a. ST_INVALID: no job has that name. */
struct api_pools {
    void (*list)(void *server, struct arena *a, struct scrape_pool **out, size_t *count); /* by name */
    /* As YAML, without secrets. */
    enum status (*config)(void *server, struct arena *a, struct slice pool, struct slice *yaml, struct err *err);
    enum status (*rules)(void *server, struct arena *a, struct slice pool, struct relabel_rule **out, size_t *count, struct err *err);
};

/* The http_options.route callback; user is a struct api. */
const struct http_route *api_route(void *user, struct http_exchange *x);
/* The number by which the server's listener knows its dialect; 0 for none. */
int api_listener_tag(struct slice dialect);
/* The http_options.done callback. */
void api_done(void *user, struct http_exchange *x, int status, uint64_t bytes_in, uint64_t bytes_out, int64_t ns);
/* Call once before the server starts: binds the route table to api. */
void api_init(struct api *api);
void api_free(struct api *api);

/* Our own metrics as text, for /metrics and for our own store. */
void api_metrics_text(struct api *api, struct buf *out);

/* ---- For handlers ---- */

/* The {name} part of the route's pattern; empty when there is none. */
struct slice api_path_part(struct http_exchange *x, struct slice name);
/* The one tenant a request writes for: X-Scope-OrgID, "default" when absent. ST_INVALID: malformed, or several. */
MUST_CHECK enum status api_write_tenant(struct http_exchange *x, struct slice *out, struct err *err);

/* Who asks; never NULL. */
const struct auth_caller *api_caller(struct http_exchange *x);
/* A record of the audit log, on disk on return: for what a route's own action does not say. status 0: asked, not yet done.
 * Never a secret. Not on a loop. */
MUST_CHECK enum status api_audit(struct api *api, struct http_exchange *x, const char *action, struct slice text, uint64_t rows, int status,
                                 struct err *err);
/* What the record that the route's action makes shall say: rows answered, and the text when it is not the parameter "query".
 * Before the answer. */
void api_audit_note(struct http_exchange *x, struct slice text, uint64_t rows);

/* Query string and form body together, in order; decoded into the exchange's arena. */
struct api_params {
    struct {
        struct slice name, value;
    } list[API_PARAMS_MAX];
    size_t count;
};
MUST_CHECK enum status api_params_read(struct http_exchange *x, struct api_params *out, struct err *err);
/* The query string alone: the body is something else, whatever its type says. */
MUST_CHECK enum status api_query_params_read(struct http_exchange *x, struct api_params *out, struct err *err);
/* The first of that name; empty (and *found false, when asked) if absent. */
struct slice api_param(const struct api_params *p, struct slice name, bool *found);
/* "2026-11-22T10:00:00Z", "1732270800", "1732270800.25": seconds; Loki also sends nanoseconds (19 digits). */
MUST_CHECK enum status api_parse_time(struct slice text, int64_t *out_ns, struct err *err);
/* "15s", "1m30s", "15", "0.5". */
MUST_CHECK enum status api_parse_duration(struct slice text, int64_t *out_ns, struct err *err);
MUST_CHECK enum status api_param_time(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err);
MUST_CHECK enum status api_param_size(const struct api_params *p, struct slice name, size_t absent, size_t max, size_t *out, struct err *err);

/* A running query: its context, arena and place in the budget. */
struct api_query {
    struct api *api;
    struct http_exchange *x;
    struct engine_ctx ctx;
    struct query_env env;
    struct arena *arena;
    struct slice text;          /* what is asked, for our own telemetry: lives as long as the arena */
    struct self_ids ids;        /* of the request's span */
    int64_t start_mono_ns;
    uint64_t log_id;            /* in api.queries */
    const atomic_bool *cancelled; /* by a person; NULL: cannot be */
    bool has_times;             /* for the query log: the next three */
    int64_t from_ns, to_ns, step_ns;
    bool is_running;            /* what was asked is well formed: what fails from here on is no fault of the text */
};
/* The tenants are X-Scope-OrgID's, joined by `|`; "default" when absent. Answers 503 and returns false when too many run, 400
 * when the tenants are malformed. */
bool api_query_begin(struct api *api, struct http_exchange *x, struct api_query *q);
/* Counts, traces and frees. st: how it ended. Called after the answer, when the exchange may be gone already. */
void api_query_end(struct api_query *q, const char *dialect, enum status st, const struct err *err);

/* What differs between the query calls of the dialects. */
struct api_query_kind {
    const char *dialect;
    enum status (*run)(struct api_query *q, const struct api_params *p, struct value *out, struct err *err);
    void (*answer)(struct api_query *q, const struct value *v, const struct api_params *p);
    void (*fail)(struct api_query *q, enum status st, const struct err *err);
};
/* A whole query call: place, parameters, run, limit of the result, answer, end. The text is the parameter "query". */
void api_serve_query(struct api *api, struct http_exchange *x, const struct api_query_kind *kind);

/* The limits in force. */
uint64_t api_samples_max(const struct api *api);
int64_t api_timeout_ns(const struct api *api);
unsigned api_running_max(const struct api *api);

/* Statuses as HTTP sees them: 400, 413, 404, 503, ... */
int api_http_status(enum status st);
/* {"status":"error","errorType":...,"error":...}, as Prometheus and our own API answer. */
void api_fail(struct http_exchange *x, enum status st, const struct err *err);
/* The same, with the HTTP status and the type given. */
void api_fail_as(struct http_exchange *x, int status, struct slice type, struct slice sentence);
/* Plain text, as Loki answers. */
void api_fail_text(struct http_exchange *x, enum status st, const struct err *err);
/* Takes body. One that ran over its maximum is answered by an error that says so. */
void api_reply_json(struct http_exchange *x, int status, struct buf *body);
/* Takes body: the answer when st is ST_OK, else err is. */
void api_answer(struct http_exchange *x, enum status st, struct buf *body, const struct err *err);

#endif
