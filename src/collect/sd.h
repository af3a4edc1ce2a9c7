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
    SD_BYTES_MAX = 64 * MIB,                 /* of one source's targets */
    KUBERNETES_ANSWER_BYTES_MAX = 32 * MIB,  /* of one page of a list */
    KUBERNETES_PAGE_ITEMS = 500,
    KUBERNETES_PAGES_MAX = 1000,
    KUBERNETES_NAMESPACES_MAX = 1000,
    KUBERNETES_VALUE_BYTES_MAX = 4096        /* longer annotations are cut in labels */
};
#define KUBERNETES_REFRESH_NS (30 * NS_S)    /* lists are asked for again */
#define DNS_REFRESH_NS        (30 * NS_S)

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
    struct slice url;        /* of the API server, without a slash at its end */
    struct slice *namespaces;
    size_t namespace_count;  /* 0: all */
    bool own_namespace, attach_node;
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

/* ---- one look; blocks ---- */

MUST_CHECK enum status sd_dns_look(const struct dns_sd *sd, struct buf *out, struct err *err);
MUST_CHECK enum status sd_kubernetes_look(const struct collect_env *env, const struct kubernetes_sd *sd, struct buf *out, struct err *err);
/* ---- sd_kubernetes.c's own, for sd_kubernetes_groups.c: lists of objects, and what is made of them ---- */

enum kubernetes_kind { KIND_NODE, KIND_POD, KIND_SERVICE, KIND_ENDPOINTS, KIND_ENDPOINTSLICE, KIND_INGRESS, KUBERNETES_KINDS };

struct kubernetes_objects;
struct kubernetes_state {
    struct arena *a;
    const struct kubernetes_sd *sd;
    struct kubernetes_objects *kinds[KUBERNETES_KINDS]; /* NULL: not asked for */
};
size_t kubernetes_count(const struct kubernetes_state *k, enum kubernetes_kind kind);
struct json_value kubernetes_object(const struct kubernetes_state *k, enum kubernetes_kind kind, size_t i);
/* False when there is none, or the kind was not asked for. */
bool kubernetes_find(const struct kubernetes_state *k, enum kubernetes_kind kind, struct slice space, struct slice name, struct json_value *out);
void kubernetes_groups(struct kubernetes_state *k, struct buf *out);

/* What they wrote, as groups. */
MUST_CHECK enum status sd_groups_read(struct arena *a, struct slice text, struct target_group **out, size_t *count, struct err *err);

#endif
