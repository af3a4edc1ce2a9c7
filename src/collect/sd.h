/* SPDX-License-Identifier: Apache-2.0 */
/* Discovery by DNS and Kubernetes: what a configuration says, and one look at the source as JSON text:
 *
 *     [{"targets":["10.0.0.1:8080"],"labels":{"__meta_...":"..."}}, ...]
 *
 * so that "did it change" is a comparison of bytes, and the last good state a text that is kept. */
#ifndef STOA_COLLECT_SD_H
#define STOA_COLLECT_SD_H

#include "codec/json.h"
#include "collect/scrape_config.h"
#include "net/dns.h"

enum {
    SD_BYTES_MAX = 64 * MIB,          /* of one source's targets */
    KUBERNETES_NAMESPACES_MAX = 1000
};
#define DNS_REFRESH_NS (30 * NS_S)

struct dns_sd {
    struct slice *names, *servers; /* servers: none are the system's */
    size_t name_count, server_count;
    enum dns_type type;
    int64_t refresh_ns, port;
};

enum kubernetes_role { KUBERNETES_NODE, KUBERNETES_POD, KUBERNETES_SERVICE, KUBERNETES_ENDPOINTS, KUBERNETES_ENDPOINTSLICE, KUBERNETES_INGRESS };
enum { KUBERNETES_ROLES = 6 };

struct kubernetes_sd {
    enum kubernetes_role role;
    struct slice url;        /* of the API server, without a slash at its end; empty: as kubeconfig says */
    struct slice kubeconfig; /* path; empty: none */
    struct slice *namespaces;
    size_t namespace_count;  /* 0: all */
    bool own_namespace, attach_node, attach_namespace, attach_deployment, attach_job, attach_cronjob;
    struct slice label_selectors[KUBERNETES_ROLES], field_selectors[KUBERNETES_ROLES];
    struct scrape_http http;
};

/* ---- sd_config.c ---- */

/* What it may use of the reader of jobs. */
struct sd_reading {
    struct arena *a;
    struct err *err;
    void *arg;
    /* Checks n's keys, own and those of an HTTP client, and reads the latter. */
    enum status (*http)(void *arg, const struct yaml_node *n, const struct slice *own, size_t own_count, struct scrape_http *out);
};
/* dns_sd_configs and kubernetes_sd_configs of job n. */
MUST_CHECK enum status sd_config_read(const struct sd_reading *r, const struct yaml_node *n, struct slice *dns_servers, size_t dns_server_count,
                                      struct scrape_job *j);
/* dns.servers of a merged configuration. */
MUST_CHECK enum status dns_config_read(struct arena *a, const struct yaml_node *root, struct slice **servers, size_t *count, struct err *err);
struct slice kubernetes_role_name(enum kubernetes_role role);

/* One look; blocks. */
MUST_CHECK enum status sd_dns_look(const struct dns_sd *sd, struct buf *out, struct err *err);

/* ---- sd_kubernetes.c: lists once, then watches ---- */

struct sd_kubernetes;
/* Keeps env and sd. A thread of its own begins to list. ST_IO: the own namespace cannot be read. */
MUST_CHECK enum status sd_kubernetes_start(struct sd_kubernetes **out, const struct collect_env *env, const struct kubernetes_sd *sd,
                                           struct err *err);
void sd_kubernetes_stop(struct sd_kubernetes *k); /* waits; accepts NULL */
/* *changed, and the targets in out, when they are others than last time: once all lists were there. The first time it blocks
 * until they are or one failed. An error is of what fails now; the targets may have changed nevertheless. One thread. */
MUST_CHECK enum status sd_kubernetes_poll(struct sd_kubernetes *k, struct buf *out, bool *changed, struct err *err);
void sd_kubernetes_counts(struct sd_kubernetes *k, struct discovery_counts *out); /* any thread */

/* What they wrote, as groups: sd_groups.c. */
MUST_CHECK enum status sd_groups_read(struct arena *a, struct slice text, struct target_group **out, size_t *count, struct err *err);

#endif
