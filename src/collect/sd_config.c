/* SPDX-License-Identifier: Apache-2.0 */
/* dns_sd_configs and kubernetes_sd_configs under Prometheus's keys. Without api_server we are inside a cluster: its address is
 * in the environment, token and certificate are in the pod's files. */
#include <stdlib.h>

#include "collect/sd.h"

#define POD_FILES "/var/run/secrets/kubernetes.io/serviceaccount/"
enum { PORT_MAX = 65535, SELECTORS_MAX = 32 };

static const struct slice roles[KUBERNETES_ROLES] = { SLICE_INIT("node"),      SLICE_INIT("pod"),           SLICE_INIT("service"),
                                                      SLICE_INIT("endpoints"), SLICE_INIT("endpointslice"), SLICE_INIT("ingress") };

struct slice kubernetes_role_name(enum kubernetes_role role)
{
    return roles[role];
}

static enum status list_of(const struct yaml_node *n, struct slice key, const struct yaml_node **out, struct err *err)
{
    *out = yaml_get(n, key);
    if (*out && (*out)->type != YAML_SEQUENCE)
        return yaml_fail(*out, err, "%.*s: expected a list", SLICE_FMT(key));
    return ST_OK;
}

enum status dns_config_read(struct arena *a, const struct yaml_node *root, struct slice **servers, size_t *count, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("servers") };
    const struct yaml_node *n = yaml_get(root, SLICE("dns"));
    *servers = NULL;
    *count = 0;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_texts(a, n, keys[0], servers, count, err);
    if (!st && *count > DNS_SERVERS_MAX)
        return yaml_fail(n, err, "dns: found %zu servers, at most %d are allowed", *count, DNS_SERVERS_MAX);
    return st;
}

/* ---- DNS ---- */

static enum status dns_read(const struct sd_reading *r, const struct yaml_node *n, struct dns_sd *sd)
{
    static const struct slice keys[] = { SLICE_INIT("names"), SLICE_INIT("type"), SLICE_INIT("port"), SLICE_INIT("refresh_interval") };
    static const struct slice types[] = { [DNS_A] = SLICE_INIT("A"), [DNS_AAAA] = SLICE_INIT("AAAA"), [DNS_SRV] = SLICE_INIT("SRV"),
                                          [DNS_MX] = SLICE_INIT("MX") };
    struct slice type = types[DNS_SRV];
    size_t i = 0;
    sd->refresh_ns = DNS_REFRESH_NS;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), r->err);
    if (!st)
        st = yaml_texts(r->a, n, keys[0], &sd->names, &sd->name_count, r->err);
    if (!st && sd->name_count == 0)
        return yaml_fail(n, r->err, "dns_sd_configs: names is missing");
    if (!st)
        st = yaml_text(n, keys[1], &type, r->err);
    while (!st && i < COUNT_OF(types) && !slice_eq_nocase(types[i], type))
        i++;
    if (!st && i == COUNT_OF(types))
        return yaml_fail(yaml_get(n, keys[1]), r->err, "dns_sd_configs: type: found \"%.*s\", allowed are SRV, A, AAAA and MX", SLICE_FMT(type));
    sd->type = (enum dns_type)i;
    if (!st)
        st = yaml_int(n, keys[2], 1, PORT_MAX, &sd->port, r->err);
    if (!st && sd->type != DNS_SRV && sd->port == 0)
        return yaml_fail(n, r->err, "dns_sd_configs: port is missing; only SRV records bring one");
    if (!st)
        st = yaml_duration(n, keys[3], &sd->refresh_ns, r->err);
    sd->refresh_ns = MAX(sd->refresh_ns, NS_S);
    return st;
}

/* ---- Kubernetes ---- */

static enum status role_read(const struct yaml_node *n, struct slice text, enum kubernetes_role *out, struct err *err)
{
    for (size_t i = 0; i < COUNT_OF(roles); i++)
        if (slice_eq(roles[i], text)) {
            *out = (enum kubernetes_role)i;
            return ST_OK;
        }
    return yaml_fail(n, err, "kubernetes_sd_configs: role: found \"%.*s\", allowed are node, pod, service, endpoints, endpointslice and ingress",
                     SLICE_FMT(slice_sub(text, 0, 60)));
}

/* The roles whose selectors role uses. */
static bool role_may_select(enum kubernetes_role role, enum kubernetes_role of)
{
    bool is_endpoints = role == KUBERNETES_ENDPOINTS || role == KUBERNETES_ENDPOINTSLICE;
    return role == of || (role == KUBERNETES_POD && of == KUBERNETES_NODE) ||
           (is_endpoints && (of == KUBERNETES_POD || of == KUBERNETES_SERVICE));
}

static enum status selectors_read(const struct sd_reading *r, const struct yaml_node *n, struct kubernetes_sd *sd)
{
    static const struct slice keys[] = { SLICE_INIT("role"), SLICE_INIT("label"), SLICE_INIT("field") };
    const struct yaml_node *list;
    bool seen[KUBERNETES_ROLES] = { false };
    enum status st = list_of(n, SLICE("selectors"), &list, r->err);
    if (!st && list && list->count > SELECTORS_MAX)
        return yaml_fail(list, r->err, "selectors: found %zu, at most %d are allowed", list->count, SELECTORS_MAX);
    for (size_t i = 0; !st && list && i < list->count; i++) {
        struct slice role = SLICE_EMPTY;
        enum kubernetes_role of = KUBERNETES_NODE;
        st = yaml_only(list->items[i], keys, COUNT_OF(keys), r->err);
        if (!st)
            st = yaml_text(list->items[i], keys[0], &role, r->err);
        if (!st)
            st = role_read(list->items[i], role, &of, r->err);
        if (!st && (seen[of] || !role_may_select(sd->role, of)))
            return yaml_fail(list->items[i], r->err, seen[of] ? "selectors: role %.*s is there twice" : "selectors: role %.*s selects nothing here",
                             SLICE_FMT(role));
        seen[of] = true;
        if (!st)
            st = yaml_text(list->items[i], keys[1], &sd->label_selectors[of], r->err);
        if (!st)
            st = yaml_text(list->items[i], keys[2], &sd->field_selectors[of], r->err);
    }
    return st;
}

static enum status in_cluster(const struct sd_reading *r, const struct yaml_node *n, struct kubernetes_sd *sd)
{
    struct slice host = slice_str(getenv("KUBERNETES_SERVICE_HOST")), port = slice_str(getenv("KUBERNETES_SERVICE_PORT"));
    if (host.len == 0 || port.len == 0)
        return yaml_fail(n, r->err, "kubernetes_sd_configs: api_server is missing; only inside a cluster it is not needed");
    bool is_v6 = slice_contains(host, SLICE(":"));
    sd->url = arena_printf(r->a, "https://%s%.*s%s:%.*s", is_v6 ? "[" : "", SLICE_FMT(host), is_v6 ? "]" : "", SLICE_FMT(port));
    sd->http = (struct scrape_http){ .auth_type = SLICE("Bearer"), .credentials_file = SLICE(POD_FILES "token"), .ca_file = SLICE(POD_FILES "ca.crt"),
                                     .follow_redirects = true };
    return ST_OK;
}

static enum status places_read(const struct sd_reading *r, const struct yaml_node *n, struct kubernetes_sd *sd)
{
    static const struct slice space_keys[] = { SLICE_INIT("own_namespace"), SLICE_INIT("names") };
    static const struct slice attach_keys[] = { SLICE_INIT("node"), SLICE_INIT("namespace"), SLICE_INIT("deployment"), SLICE_INIT("job"),
                                                SLICE_INIT("cronjob") };
    bool *const attached[] = { &sd->attach_node, &sd->attach_namespace, &sd->attach_deployment, &sd->attach_job, &sd->attach_cronjob };
    const struct yaml_node *spaces = yaml_get(n, SLICE("namespaces")), *attach = yaml_get(n, SLICE("attach_metadata"));
    enum status st = yaml_only(spaces, space_keys, COUNT_OF(space_keys), r->err);
    if (!st)
        st = yaml_bool(spaces, space_keys[0], &sd->own_namespace, r->err);
    if (!st)
        st = yaml_texts(r->a, spaces, space_keys[1], &sd->namespaces, &sd->namespace_count, r->err);
    if (!st && sd->namespace_count > KUBERNETES_NAMESPACES_MAX)
        return yaml_fail(spaces, r->err, "namespaces: found %zu, at most %d are allowed", sd->namespace_count, KUBERNETES_NAMESPACES_MAX);
    if (!st)
        st = yaml_only(attach, attach_keys, COUNT_OF(attach_keys), r->err);
    for (size_t i = 0; !st && i < COUNT_OF(attached); i++)
        st = yaml_bool(attach, attach_keys[i], attached[i], r->err);
    return st;
}

static bool has_other_keys(const struct yaml_node *n, const struct slice *own, size_t own_count)
{
    for (size_t i = 0; i < n->count; i++) {
        size_t k = 0;
        while (k < own_count && !slice_eq(own[k], n->keys[i]))
            k++;
        if (k == own_count)
            return true;
    }
    return false;
}

/* api_server with settings of HTTP, or kubeconfig_file, or neither: one of three. */
static enum status server_read(const struct sd_reading *r, const struct yaml_node *n, const struct slice *own, size_t own_count,
                               struct kubernetes_sd *sd)
{
    bool has_http = has_other_keys(n, own, own_count);
    enum status st = yaml_text(n, SLICE("api_server"), &sd->url, r->err);
    if (!st)
        st = yaml_text(n, SLICE("kubeconfig_file"), &sd->kubeconfig, r->err);
    if (st)
        return st;
    while (slice_ends(sd->url, SLICE("/")))
        sd->url.len--;
    if (sd->url.len && sd->kubeconfig.len)
        return yaml_fail(n, r->err, "kubernetes_sd_configs: found api_server and kubeconfig_file; only one of them is allowed");
    if (sd->url.len == 0 && has_http)
        return yaml_fail(n, r->err, "kubernetes_sd_configs: %s",
                         sd->kubeconfig.len ? "kubeconfig_file says how to ask; nothing else about HTTP is allowed" :
                                              "api_server is missing, which settings of HTTP belong to");
    if (sd->kubeconfig.len)
        return ST_OK;
    if (sd->url.len == 0)
        return in_cluster(r, n, sd);
    if (!slice_starts(sd->url, SLICE("http://")) && !slice_starts(sd->url, SLICE("https://")))
        return yaml_fail(n, r->err, "kubernetes_sd_configs: api_server: found \"%.*s\", expected http://... or https://...",
                         SLICE_FMT(slice_sub(sd->url, 0, 100)));
    return ST_OK;
}

static enum status kubernetes_read(const struct sd_reading *r, const struct yaml_node *n, struct kubernetes_sd *sd)
{
    static const struct slice own[] = { SLICE_INIT("role"), SLICE_INIT("api_server"), SLICE_INIT("namespaces"), SLICE_INIT("selectors"),
                                        SLICE_INIT("attach_metadata"), SLICE_INIT("kubeconfig_file") };
    struct slice role = SLICE_EMPTY;
    enum status st = r->http(r->arg, n, own, COUNT_OF(own), &sd->http);
    if (!st)
        st = yaml_text(n, own[0], &role, r->err);
    if (!st)
        st = role_read(n, role, &sd->role, r->err);
    if (!st)
        st = server_read(r, n, own, COUNT_OF(own), sd);
    if (!st)
        st = places_read(r, n, sd);
    if (!st && sd->own_namespace && (yaml_get(n, own[1]) || sd->kubeconfig.len))
        return yaml_fail(n, r->err,
                         "kubernetes_sd_configs: namespaces.own_namespace is for who runs inside the cluster, without api_server and kubeconfig");
    return st ? st : selectors_read(r, n, sd);
}

enum status sd_config_read(const struct sd_reading *r, const struct yaml_node *n, struct slice *dns_servers, size_t dns_server_count,
                           struct scrape_job *j)
{
    const struct yaml_node *list;
    enum status st = list_of(n, SLICE("dns_sd_configs"), &list, r->err);
    if (!st && list)
        j->dns_sds = arena_zalloc(r->a, (list->count + 1) * sizeof *j->dns_sds);
    for (size_t i = 0; !st && list && i < list->count; i++) {
        struct dns_sd *sd = &j->dns_sds[j->dns_sd_count++];
        sd->servers = dns_servers;
        sd->server_count = dns_server_count;
        st = dns_read(r, list->items[i], sd);
    }
    if (!st)
        st = list_of(n, SLICE("kubernetes_sd_configs"), &list, r->err);
    if (!st && list)
        j->kubernetes_sds = arena_zalloc(r->a, (list->count + 1) * sizeof *j->kubernetes_sds);
    for (size_t i = 0; !st && list && i < list->count; i++)
        st = kubernetes_read(r, list->items[i], &j->kubernetes_sds[j->kubernetes_sd_count++]);
    return st;
}
