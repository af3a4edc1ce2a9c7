/* SPDX-License-Identifier: Apache-2.0 */
/* The configuration: one or more YAML files merged into one tree, checked, and read into values.
 * A key that stands in two files is an error naming both; an unknown key is an error with line and suggestion; a key that is
 * known but not served yet is a warning by name. docs/configuration.md describes every key. */
#ifndef STOA_SERVER_CONFIG_H
#define STOA_SERVER_CONFIG_H

#include "alert/rule.h"
#include "collect/collect.h"
#include "collect/fold.h"
#include "collect/statsd.h"
#include "ingest/parse_rule.h"
#include "pipeline/class.h"
#include "pipeline/firewall.h"
#include "pipeline/redact.h"
#include "pipeline/sample.h"
#include "probe/probe.h"
#include "api/intake.h"
#include "rum/rum.h"

#define RULE_BACKFILL_DEFAULT_NS (24 * 3600 * NS_S)

enum { CONFIG_FILES_MAX = 32, CONFIG_LISTENERS_MAX = 32, CONFIG_FILE_BYTES_MAX = 4 * MIB, CONFIG_LOG_LINE_BYTES_MIN = 1 * KIB };

struct config_listener {
    struct slice dialect, address, tls_cert, tls_key, parser;
};

/* What queries may cost. Zero: the default. */
struct config_query {
    uint64_t samples_max;
    int64_t timeout_ns, lookback_ns;
    unsigned running_max;
    struct slice log_file; /* global.query_log_file; empty: none */
};

struct config {
    struct arena *arena;              /* owns everything */
    struct parse_rules parsers;       /* of lines that are sent: logs: parsers: */
    struct slice listen, data;
    struct slice external_url;        /* of the page, for links in messages; empty: from the address */
    enum redact_profile redaction;
    struct class_config *classes;     /* retention_policies and storage */
    struct sample_config *samples;    /* filters and sampling */
    struct slice tls_cert, tls_key;   /* empty: no TLS */
    struct slice encryption_key;      /* file of the master key; empty: data is not encrypted */
    int64_t retention_ns;
    uint64_t memory_raw_bytes, memory_parts_bytes, cache_bytes, wal_segment_bytes, in_flight_bytes;
    int64_t flush_interval_ns;
    double disk_warn_ratio, disk_refuse_ratio;
    bool host_enabled, self_enabled;
    struct host_options host;
    struct logs_options logs;
    struct join_rule logs_join;       /* of files that say nothing else */
    struct config_listener listeners[CONFIG_LISTENERS_MAX];
    size_t listener_count;
    bool listeners_given;
    bool login_required;              /* even without any account */
    struct scrape_set *scrapes;
    struct dispatch_config *notify;
    struct rule_set *rules;
    bool golden_rules;                /* golden signals are recorded by rules of our own making */
    uint32_t features;                /* of the languages */
    struct fs *fs;                    /* it was read from */
    struct check_set *checks;
    struct module_set *modules;
    struct rum_config *rum;
    struct intake_config *intake;     /* otlp, ha_tracker */
    struct statsd_options *statsd;
    struct fold_config *fold;         /* correlation */
    struct firewall_config *firewall; /* cardinality */
    struct config_query query;
    struct slice cors_origin;         /* a regex of origins whose pages may read the API; empty: none */
    struct buf warnings;              /* sentences, each ended by '\n' */
    struct slice text;                /* the merged files, as may be shown */
};

/* paths: count files; none gives the defaults. Borrows paths. features: enum query_feature, for the rules' expressions. *out set
 * on success only. */
MUST_CHECK enum status config_read(struct fs *fs, const struct slice *paths, size_t count, uint32_t features, struct config **out,
                                   struct err *err);
void config_free(struct config *c); /* accepts NULL */

/* config_query.c: fills c->query. */
MUST_CHECK enum status config_query_read(struct config *c, const struct yaml_node *root, struct err *err);

/* config_logs.c: fills c->logs; the paths that are followed when none are given. */
MUST_CHECK enum status config_logs_read(struct config *c, const struct yaml_node *root, struct err *err);
void config_logs_defaults(struct config *c);
void config_logs_free(struct config *c);

/* config_web.c: fills c->cors_origin. */
MUST_CHECK enum status config_web_read(struct config *c, const struct yaml_node *root, struct err *err);

/* config_rules.c: fills c->rules. */
MUST_CHECK enum status config_rules_read(struct config *c, struct fs *fs, const struct yaml_node *root, struct err *err);

#endif
