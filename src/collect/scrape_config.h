/* SPDX-License-Identifier: Apache-2.0 */
/* What a prometheus.yml says about scraping, as plain values in the configuration's arena. Read by scrape_config_read(). */
#ifndef STOA_COLLECT_SCRAPE_CONFIG_H
#define STOA_COLLECT_SCRAPE_CONFIG_H

#include "collect/collect.h"
#include "collect/relabel.h"
#include "ingest/page_source.h"

/* How to ask a target or a discovery server. Empty: not set. Files are read at every request. */
struct scrape_http {
    struct slice user, user_file, password, password_file;
    struct slice auth_type, credentials, credentials_file;
    struct slice ca_file, cert_file, key_file, server_name, proxy_url;
    struct slice ca_pem, cert_pem, key_pem; /* instead of files; no configuration of ours has them, a kubeconfig may */
    bool tls_insecure, follow_redirects;
};

/* 0: no limit. */
struct scrape_limits {
    uint64_t body_bytes, samples, targets, labels, label_name_bytes, label_value_bytes;
    uint64_t dropped; /* targets that relabelling drops and that are kept to be shown */
    uint64_t buckets; /* of a native histogram: more make it coarser */
    int schema_max;   /* finer ones become coarser */
};

struct target_group {
    struct slice *addresses;
    size_t address_count;
    struct label *labels;
    size_t label_count;
};

struct file_sd {
    struct slice *files; /* paths or globs, absolute or as seen from the configuration's folder */
    size_t file_count;
};

struct http_sd {
    struct slice url;
    int64_t refresh_ns;
    struct scrape_http http;
};

struct dns_sd;        /* sd.h */
struct kubernetes_sd;

struct scrape_param {
    struct slice name, *values;
    size_t value_count;
};

struct scrape_job {
    const struct yaml_node *node; /* as configured */
    struct slice name, path, scheme;
    int64_t interval_ns, timeout_ns;
    bool honor_labels, honor_timestamps, track_timestamps_staleness, compression;
    struct scrape_param *params;
    size_t param_count;
    struct scrape_limits limits;
    struct page_source_options source;
    struct slice accept;  /* the header by scrape_protocols */
    bool start_zero;      /* a new series' start, where told, is a sample of 0 */
    bool has_protocols;   /* scrape_protocols is given */
    struct scrape_http http;
    struct target_group *groups;
    struct file_sd *file_sds;
    struct http_sd *http_sds;
    struct dns_sd *dns_sds;
    struct kubernetes_sd *kubernetes_sds;
    size_t dns_sd_count, kubernetes_sd_count;
    size_t group_count, file_sd_count, http_sd_count;
    struct relabel_rule *relabel, *metric_relabel;
    size_t relabel_count, metric_relabel_count;
};

struct scrape_set {
    struct scrape_job *jobs;
    size_t job_count;
};

enum { TARGETS_PER_GROUP_MAX = 100 * 1000, GROUP_LABELS_MAX = 64 };

/* A list of {targets: [...], labels: {...}}: static_configs, and the content of files for file_sd_configs. */
MUST_CHECK enum status target_groups_read(struct arena *a, const struct yaml_node *list, struct target_group **out, size_t *count, struct err *err);

#endif
