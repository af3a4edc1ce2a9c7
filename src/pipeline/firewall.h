/* SPDX-License-Identifier: Apache-2.0 */
/* The cardinality firewall: how many series a tenant, a metric and how many values a label of a metric may bring, and how many
 * samples a second a tenant may send.
 *
 * A series that was seen in this window of time or the one before is always accepted, whatever the limits say; only new ones
 * are judged. What is pushed over a limit is refused by name; of what is scraped the label's values fold into OVERFLOW_VALUE
 * (collect/scrape_round.c). Counts are of the last one to two windows: exact up to DISTINCT_EXACT_MAX series or
 * FIREWALL_VALUES_REMEMBERED_MAX values, beyond by HyperLogLog (base/hll.h). Any thread, but where said. */
#ifndef STOA_PIPELINE_FIREWALL_H
#define STOA_PIPELINE_FIREWALL_H

#include "codec/yaml.h"
#include "model/batch.h"
#include "model/ingest_result.h"
#include "pipeline/redact.h"

enum {
    FIREWALL_TENANTS_MAX = 1000,                 /* with counts of their own; all others have one between them */
    FIREWALL_METRICS_MAX = 200 * 1000,           /* names with counts of their own, over all tenants */
    FIREWALL_OFFENDERS_MAX = 1000,               /* kept for the report; then the one that was quiet longest goes */
    FIREWALL_OVERRIDES_MAX = 1000,               /* tenants with limits of their own */
    FIREWALL_VALUES_REMEMBERED_MAX = 128 * 1024, /* of one label one by one; beyond, at the limit, every new series with it is over */
    FIREWALL_BYTES_MAX = 256 * MIB,              /* of all counts; then new metrics and labels are not counted by themselves */
    FIREWALL_BURST_SECONDS = 10,                 /* of a tenant's samples per second, saved up */
    FIREWALL_RETRY_SECONDS_MAX = 300,            /* the longest Retry-After */
    FIREWALL_NEAR_PERCENT = 80,                  /* of a limit: near it */
    FIREWALL_LIMIT_MAX = 32 * MIB                /* no limit can be higher than series in use at once */
};
#define OVERFLOW_VALUE SLICE("__overflow__")

/* ---- configuration: `cardinality:` ---- */

struct firewall_limits { /* 0: none */
    uint64_t series, series_per_metric, values_per_label, samples_per_second;
};
struct firewall_override {
    struct slice tenant;
    struct firewall_limits limits;
};
struct firewall_config {
    bool on;
    int64_t window_ns;
    struct firewall_limits limits;
    const struct firewall_override *tenants;
    size_t tenant_count;
};
struct firewall_config firewall_config_default(void);
/* *out lives in a; without the key the default. */
MUST_CHECK enum status firewall_config_read(struct arena *a, const struct yaml_node *root, struct firewall_config **out, struct err *err);

/* ---- verdicts ---- */

enum firewall_reason { FIREWALL_LABEL, FIREWALL_METRIC, FIREWALL_TENANT, FIREWALL_REASON_COUNT };
const char *firewall_reason_name(enum firewall_reason reason);    /* "label", "metric", "tenant" */
const char *firewall_reason_setting(enum firewall_reason reason); /* "values_per_label", ... */

struct firewall_verdict {
    enum firewall_reason reason;
    struct slice label;       /* over its limit; of a scraped series: the one to fold, empty when none can be */
    uint64_t limit, found;
};

struct firewall;
struct firewall *firewall_new(void);
void firewall_free(struct firewall *f); /* accepts NULL */
/* Copies c. */
void firewall_configure(struct firewall *f, const struct firewall_config *c);
/* What takes secrets out of examples: of a page they come as they stand there. Keeps r; NULL: nothing does. */
void firewall_set_redactor(struct firewall *f, const struct redactor *r);

/* A label set's key. 0 is none. */
uint64_t firewall_hash(const struct firewall *f, struct slice labels);
/* Takes new series that are over a limit out of b, tells them in *result and gives how many samples that was. A series' ref,
 * when it is not 0, is its firewall_hash. b->is_own: nothing is taken out, all is counted. */
uint64_t firewall_batch(struct firewall *f, struct batch *b, struct ingest_result *result);
/* A scraped series that its target's pages did not have before. False: it is over a limit, and out->label is to fold. fixed:
 * labels that cannot, for they tell targets apart. */
bool firewall_scraped(struct firewall *f, struct slice tenant, struct slice labels, struct slice fixed, int64_t now_ns,
                      struct firewall_verdict *out);
/* A page had so many lines with these labels that fold or were left out because of why; or that folded into the series labels,
 * why NULL. */
void firewall_tell_scraped(struct firewall *f, struct slice tenant, struct slice labels, uint64_t lines, int64_t t_ms, int64_t now_ns,
                           const struct firewall_verdict *why, bool left_out);
/* The store has this series: it is known from now on. */
void firewall_learn(struct firewall *f, struct slice tenant, struct slice labels, int64_t now_ns);

/* Whether a tenant may send samples now; *retry_s: when again. Then take what it sent. */
bool firewall_rate_allows(struct firewall *f, struct slice tenant, int64_t now_ns, uint32_t *retry_s, struct err *err);
void firewall_rate_take(struct firewall *f, struct slice tenant, uint64_t samples, int64_t now_ns);

/* ---- reports, in an arena ---- */

struct firewall_offender {
    struct slice tenant, metric, label /* empty: all series of it */, job, example;
    enum firewall_reason reason;
    bool is_folded;              /* scraped; else pushed, and refused */
    int64_t first_ms, first_sample_ms, last_ms;
    uint64_t samples, different; /* refused or folded since first; how many different values, or series */
    uint64_t limit, found;
};
/* The last one first. tenants NULL: all. */
void firewall_offenders(struct firewall *f, const struct slice *tenants, size_t tenant_count, struct arena *a, struct firewall_offender **out,
                        size_t *count);

struct firewall_count {
    struct slice tenant, metric /* empty: of the tenant */, label /* empty: series */;
    uint64_t count, limit;
};
/* The n with the largest counts, or those nearest to their limits. */
void firewall_counts(struct firewall *f, const struct slice *tenants, size_t tenant_count, bool by_limit, size_t n, struct arena *a,
                     struct firewall_count **out, size_t *count);

struct firewall_stats {
    bool on;
    int64_t window_ns, turned_ns;              /* how long a window is; when the one now began */
    uint64_t tenants, metrics, bytes, bytes_max, near, untracked, turns;
    uint64_t refused[FIREWALL_REASON_COUNT], folded, rate_limited, seen;
};
void firewall_stats(struct firewall *f, struct firewall_stats *out);
struct firewall_limits firewall_limits_of(struct firewall *f, struct slice tenant);

#endif
