/* SPDX-License-Identifier: Apache-2.0 */
/* The golden signals of services on one grid of steps: what the sources fill and the answers read.
 *
 * Sources in the order of trust: metrics count every request; spans may be sampled; access logs are what is left. A service
 * is told from the first that has it. All memory is the query's arena. One thread. */
#ifndef STOA_API_GOLDEN_H
#define STOA_API_GOLDEN_H

#include "api/api.h"
#include "base/map.h"
#include "codec/json.h"

enum {
    GOLDEN_SERVICES_MAX = 200,
    GOLDEN_STEPS_MAX = 250,
    GOLDEN_FAMILIES_MAX = 12,    /* of request metrics; five queries each */
    GOLDEN_POOLS_MAX = 8,        /* kinds of pools; one query each */
    GOLDEN_ENDPOINTS_MAX = 200,  /* of one service */
    GOLDEN_METRICS_MAX = 200,    /* other metrics of one service */
    GOLDEN_WINDOW_SECONDS_MIN = 120 /* of rate(): two scrapes a minute apart lie in it */
};

enum signal { SIGNAL_RATE, SIGNAL_ERRORS, SIGNAL_P50, SIGNAL_P95, SIGNAL_P99, SIGNAL_COUNT };
enum source { SOURCE_METRICS, SOURCE_SPANS, SOURCE_LOGS, SOURCE_COUNT };
enum fullness { FULL_CPU, FULL_MEMORY, FULL_DISK, FULL_POOL, FULL_COUNT };

/* One way by which request metrics are named; see golden_metrics.c. */
struct golden_family {
    struct slice stem, histogram, counter; /* histogram without _bucket; empty: there is none */
    struct slice requests;                 /* what counts them: the counter, the histogram's _count, or the native histogram */
    struct slice status, failed;           /* label of the outcome, empty if there is none, and the regex of bad ones */
    struct slice scale;                    /* "" for seconds, "0.001 * " for milliseconds */
    bool is_classic, is_native;            /* the histogram has buckets as series; as native histograms; or both */
    bool counts_native;                    /* requests is the native histogram */
};

struct golden_fullness {
    double *ratio;            /* NULL: not known; NaN where absent */
    const char *scope;        /* "container", "process", "pool", "host" */
    struct slice query;
};

struct golden_service {
    struct slice name, selector;  /* selector: matchers of its series, without braces; metrics only */
    enum source source;
    unsigned sources;             /* bits of those that have it, its own included */
    const struct golden_family *family;
    bool latency_native;           /* percentiles come from native histograms */
    double *signals[SIGNAL_COUNT]; /* NULL: not known; NaN where absent */
    struct golden_fullness full[FULL_COUNT];
    double memory_bytes;          /* now; NaN: not known */
};

struct golden {
    struct api_query *q;
    struct arena *a;
    int64_t start_ns, end_ns, step_ns;
    size_t step_count;
    struct map index;             /* name -> place in services */
    struct golden_service services[GOLDEN_SERVICES_MAX];
    size_t count;
    uint64_t left_out;            /* services beyond the most shown, or spans of them */
    struct slice *names;          /* of all metrics in the window, sorted */
    size_t name_count;
    struct golden_family *families[GOLDEN_FAMILIES_MAX];
    size_t family_count;
    struct golden_fullness host[FULL_COUNT];
    double host_memory_bytes, memory_total_bytes;
};

/* One row of the table of endpoints of a service. NaN: not known. */
struct golden_endpoint {
    struct slice endpoint, method;
    double signals[SIGNAL_COUNT], busy; /* averages over the window; busy: requests in progress, on average */
};

/* The service of that name, made when absent; NULL beyond the limit (counted). */
struct golden_service *golden_service(struct golden *g, struct slice name, enum source source);
struct golden_service *golden_find(const struct golden *g, struct slice name);
/* step_count values, all absent. */
double *golden_line(struct golden *g);
size_t golden_last(const struct golden *g, const double *line); /* the newest step with a value within the last minutes; SIZE_MAX */
int64_t golden_step_ms(const struct golden *g, size_t i);

/* ---- queries: templates with $words, see golden_text ---- */

struct golden_words {
    struct slice by, selector;               /* may be empty */
    const struct golden_family *family;      /* may be NULL */
    struct slice used, limit, match;         /* of a pool */
    struct slice service;
    int64_t window_s;
    struct slice window;                     /* as text; empty: window_s */
};
/* Replaces $by, $selector, $window, $requests, ... and takes out what empty ones leave behind: " by () ", "{}", ",}". */
struct slice golden_text(struct golden *g, const char *template, const struct golden_words *w);
int64_t golden_window_s(const struct golden *g);
/* Runs it over the grid, or at the end. A query that fails is a warning of the answer, and gives nothing; ST_CANCELLED and
 * ST_TIMEOUT are errors. */
MUST_CHECK enum status golden_range(struct golden *g, const struct query_lang *lang, struct slice text, struct value *out, struct err *err);
MUST_CHECK enum status golden_instant(struct golden *g, const struct query_lang *lang, struct slice text, struct value *out, struct err *err);
/* Points of a range answer onto a line of the grid. */
void golden_put_points(struct golden *g, const struct value_series *s, double *line);
bool golden_has_name(const struct golden *g, struct slice name);
/* The expression of a signal from metrics, by and for what w says; its family is s's. */
struct slice golden_signal_text(struct golden *g, const struct golden_service *s, enum signal what, struct golden_words w);
/* The query of a signal as a person may copy it; empty when there is none. */
struct slice golden_signal_query(struct golden *g, const struct golden_service *s, enum signal what);
/* name="value", for selectors. */
struct slice golden_matcher(struct arena *a, struct slice name, struct slice value);

/* ---- sources; each leaves alone what a better one told ---- */

MUST_CHECK enum status golden_metrics(struct golden *g, struct err *err);
MUST_CHECK enum status golden_spans(struct golden *g, struct err *err);
MUST_CHECK enum status golden_logs(struct golden *g, struct err *err);
MUST_CHECK enum status golden_saturation(struct golden *g, struct err *err);

MUST_CHECK enum status golden_metrics_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count,
                                                struct err *err);
/* The label by which its request metrics tell endpoints apart; empty when there is none. */
MUST_CHECK enum status golden_metrics_place(struct golden *g, const struct golden_service *s, struct slice *out, struct err *err);
MUST_CHECK enum status golden_spans_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count,
                                              struct err *err);
MUST_CHECK enum status golden_logs_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count,
                                             struct err *err);
struct slice golden_logs_query(struct golden *g, struct slice service, enum signal what);
/* Those of which an access log came in the last minutes and nothing better tells, as a regex a|b; empty: none. */
MUST_CHECK enum status golden_logs_services(struct golden *g, struct slice *services, bool *has_times, struct err *err);
/* LogQL of a signal of such services. */
struct slice golden_logs_rule(struct golden *g, struct slice services, enum signal what, struct slice window);
/* Finds the row of endpoint and method in a growing list of at most GOLDEN_ENDPOINTS_MAX; NULL beyond. */
struct golden_endpoint *golden_endpoint(struct golden *g, struct golden_endpoint **list, size_t *count, struct slice endpoint, struct slice method);

/* ---- answers ---- */

/* For who was not asked over HTTP: a window of one step. */
void golden_begin_at(struct golden *g, struct api_query *q, int64_t start_ns, int64_t end_ns);
/* Fills g->names. golden_read does. */
MUST_CHECK enum status golden_names(struct golden *g, struct err *err);
/* Reads start, end and step. ST_INVALID: too many steps, or none. */
MUST_CHECK enum status golden_begin(struct golden *g, struct api_query *q, struct err *err);
/* Tries the sources and saturation. */
MUST_CHECK enum status golden_read(struct golden *g, struct err *err);
void golden_end(struct golden *g);
/* Whether a metric of a process is about what it uses, not about what it does. service.c */
bool golden_is_resource(struct slice name);
/* The members of one service, inside an object that is open. */
void golden_json_service(struct golden *g, struct json_writer *w, const struct golden_service *s);
void golden_json_number(struct json_writer *w, struct slice key, double v); /* null when absent */
void golden_json_line(struct golden *g, struct json_writer *w, struct slice key, const double *line);

#endif
