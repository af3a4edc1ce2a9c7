/* SPDX-License-Identifier: Apache-2.0 */
/* Objects become targets with the labels that Prometheus documents for each role: one group for each target.
 * https://prometheus.io/docs/prometheus/latest/configuration/configuration/#kubernetes_sd_config */
#include "base/map.h"
#include "base/utf8.h"
#include "collect/sd_kubernetes.h"

struct making {
    const struct kubernetes_view *v;
    const struct kubernetes_sd *sd;
    struct arena *a;
    struct json_writer *w;
};

/* ---- reading ---- */

static bool member(struct json_value v, const char *first, const char *second, struct json_value *out)
{
    return json_get(v, slice_str(first), out) && (second == NULL || json_get(*out, slice_str(second), out));
}

/* A text or number at first.second; empty when there is none. */
static struct slice text_at(struct making *m, struct json_value v, const char *first, const char *second)
{
    struct json_value at;
    int64_t number;
    if (!member(v, first, second, &at))
        return SLICE_EMPTY;
    switch (json_type(at)) {
    case JSON_STRING: return json_get_string(at);
    case JSON_BOOL: return json_get_bool(at) ? SLICE("true") : SLICE("false");
    case JSON_INT:
    case JSON_UINT:
    case JSON_DOUBLE: return json_get_int(at, &number) ? arena_printf(m->a, "%lld", (long long)number) : SLICE_EMPTY;
    case JSON_NULL:
    case JSON_ARRAY:
    case JSON_OBJECT: break;
    }
    return SLICE_EMPTY;
}

/* Over an array at first.second, which may be missing. */
static struct json_iter array_at(struct json_value v, const char *first, const char *second)
{
    struct json_value at;
    return member(v, first, second, &at) ? json_array(at) : (struct json_iter){ .end = 0 };
}

/* ---- writing ---- */

static void put(struct making *m, const char *name, struct slice value)
{
    if (value.len == 0)
        return;
    json_key(m->w, arena_printf(m->a, "__meta_kubernetes_%s", name));
    json_string(m->w, utf8_cut(value, KUBERNETES_VALUE_BYTES_MAX));
}

/* A name as a part of a label's. */
static struct slice word_of(struct making *m, struct slice name)
{
    struct slice word = arena_copy(m->a, name);
    char *c = (char *)(uintptr_t)word.ptr;
    for (size_t i = 0; i < word.len; i++)
        if (!((c[i] >= 'a' && c[i] <= 'z') || (c[i] >= 'A' && c[i] <= 'Z') || (c[i] >= '0' && c[i] <= '9')))
            c[i] = '_';
    return word;
}

/* What stands under key as ROLE_WHAT_NAME, and that it is there as ROLE_WHATpresent_NAME. */
static void put_map(struct making *m, struct json_value object, const char *role, const char *key, const char *what)
{
    struct json_value map, value;
    struct slice name;
    if (!member(object, "metadata", key, &map) || json_type(map) != JSON_OBJECT)
        return;
    for (struct json_iter it = json_object(map); json_object_next(&it, &name, &value);) {
        struct slice word = word_of(m, name);
        put(m, arena_printf(m->a, "%s_%s_%.*s", role, what, SLICE_FMT(word)).ptr, json_get_string(value));
        put(m, arena_printf(m->a, "%s_%spresent_%.*s", role, what, SLICE_FMT(word)).ptr, SLICE("true"));
    }
}

static void put_maps(struct making *m, struct json_value object, const char *role)
{
    put_map(m, object, role, "labels", "label");
    put_map(m, object, role, "annotations", "annotation");
}

static void begin(struct making *m, struct slice address)
{
    json_object_begin(m->w);
    json_key(m->w, SLICE("targets"));
    json_array_begin(m->w);
    json_string(m->w, address);
    json_array_end(m->w);
    json_key(m->w, SLICE("labels"));
    json_object_begin(m->w);
}

static void end(struct making *m)
{
    json_object_end(m->w);
    json_object_end(m->w);
}

/* host:port, an IPv6 address in brackets; without a port the host alone. */
static struct slice address_of(struct making *m, struct slice host, struct slice port)
{
    bool is_v6 = slice_contains(host, SLICE(":"));
    if (port.len == 0)
        return host;
    return arena_printf(m->a, "%s%.*s%s:%.*s", is_v6 ? "[" : "", SLICE_FMT(host), is_v6 ? "]" : "", SLICE_FMT(port));
}

static void put_namespace(struct making *m, struct slice name)
{
    struct json_value space;
    put(m, "namespace", name);
    if (m->sd->attach_namespace && kubernetes_find(m->v, KIND_NAMESPACE, SLICE_EMPTY, name, &space))
        put_maps(m, space, "namespace");
}

/* ---- nodes ---- */

static void put_attached_node(struct making *m, struct slice name)
{
    struct json_value node;
    if (!m->sd->attach_node || !kubernetes_find(m->v, KIND_NODE, SLICE_EMPTY, name, &node))
        return;
    put(m, "node_name", name);
    put_maps(m, node, "node");
}

static struct slice node_address(struct making *m, struct json_value node)
{
    static const char *const types[] = { "InternalIP", "InternalDNS", "ExternalIP", "ExternalDNS", "LegacyHostIP", "Hostname" };
    struct json_value item;
    for (size_t i = 0; i < COUNT_OF(types); i++)
        for (struct json_iter it = array_at(node, "status", "addresses"); json_array_next(&it, &item);)
            if (slice_eq(text_at(m, item, "type", NULL), slice_str(types[i])))
                return text_at(m, item, "address", NULL);
    return SLICE_EMPTY;
}

static void node_targets(struct making *m, struct json_value node)
{
    struct json_value status, endpoints, item;
    struct slice host = node_address(m, node), name = text_at(m, node, "metadata", "name"), port = SLICE_EMPTY;
    if (host.len == 0)
        return;
    if (json_get(node, SLICE("status"), &status) && json_get(status, SLICE("daemonEndpoints"), &endpoints))
        port = text_at(m, endpoints, "kubeletEndpoint", "Port");
    begin(m, address_of(m, host, port));
    json_key(m->w, SLICE("instance"));
    json_string(m->w, name);
    put(m, "node_name", name);
    put(m, "node_provider_id", text_at(m, node, "spec", "providerID"));
    put_maps(m, node, "node");
    for (struct json_iter it = array_at(node, "status", "addresses"); json_array_next(&it, &item);)
        put(m, arena_printf(m->a, "node_address_%.*s", SLICE_FMT(text_at(m, item, "type", NULL))).ptr, text_at(m, item, "address", NULL));
    end(m);
}

/* ---- pods ---- */

static struct slice pod_ready(struct making *m, struct json_value pod)
{
    struct json_value item;
    for (struct json_iter it = array_at(pod, "status", "conditions"); json_array_next(&it, &item);)
        if (slice_eq(text_at(m, item, "type", NULL), SLICE("Ready"))) {
            struct slice status = text_at(m, item, "status", NULL);
            return slice_eq(status, SLICE("True")) ? SLICE("true") : slice_eq(status, SLICE("False")) ? SLICE("false") : SLICE("unknown");
        }
    return SLICE("unknown");
}

/* The owner that controls object. */
static bool controller_of(struct making *m, struct json_value object, struct json_value *out)
{
    for (struct json_iter it = array_at(object, "metadata", "ownerReferences"); json_array_next(&it, out);)
        if (slice_eq(text_at(m, *out, "controller", NULL), SLICE("true")))
            return true;
    return false;
}

/* Behind a pod's replica set there may be a deployment, behind its job a cron job. */
static void put_workload(struct making *m, struct json_value pod, struct slice kind, struct slice name)
{
    struct slice space = text_at(m, pod, "metadata", "namespace");
    bool is_set = slice_eq(kind, SLICE("ReplicaSet")), is_job = slice_eq(kind, SLICE("Job"));
    struct json_value object, owner;
    if (is_job && m->sd->attach_job)
        put(m, "pod_job_name", name);
    if (!(is_set && m->sd->attach_deployment) && !(is_job && m->sd->attach_cronjob))
        return;
    if (!kubernetes_find(m->v, is_set ? KIND_REPLICASET : KIND_JOB, space, name, &object) || !controller_of(m, object, &owner))
        return;
    if (slice_eq(text_at(m, owner, "kind", NULL), is_set ? SLICE("Deployment") : SLICE("CronJob")))
        put(m, is_set ? "pod_deployment_name" : "pod_cronjob_name", text_at(m, owner, "name", NULL));
}

static void put_pod(struct making *m, struct json_value pod)
{
    struct json_value owner;
    put(m, "pod_name", text_at(m, pod, "metadata", "name"));
    put(m, "pod_ip", text_at(m, pod, "status", "podIP"));
    put(m, "pod_ready", pod_ready(m, pod));
    put(m, "pod_phase", text_at(m, pod, "status", "phase"));
    put(m, "pod_node_name", text_at(m, pod, "spec", "nodeName"));
    put(m, "pod_host_ip", text_at(m, pod, "status", "hostIP"));
    put(m, "pod_uid", text_at(m, pod, "metadata", "uid"));
    if (controller_of(m, pod, &owner)) {
        struct slice kind = text_at(m, owner, "kind", NULL), name = text_at(m, owner, "name", NULL);
        put(m, "pod_controller_kind", kind);
        put(m, "pod_controller_name", name);
        put_workload(m, pod, kind, name);
    }
    put_maps(m, pod, "pod");
}

static struct slice container_id(struct making *m, struct json_value pod, struct slice name, bool is_init)
{
    struct json_value item;
    for (struct json_iter it = array_at(pod, "status", is_init ? "initContainerStatuses" : "containerStatuses"); json_array_next(&it, &item);)
        if (slice_eq(text_at(m, item, "name", NULL), name))
            return text_at(m, item, "containerID", NULL);
    return SLICE_EMPTY;
}

/* port: NULL when the container has none. */
static void put_container(struct making *m, struct json_value pod, struct json_value container, bool is_init, const struct json_value *port)
{
    struct slice name = text_at(m, container, "name", NULL);
    put(m, "pod_container_name", name);
    put(m, "pod_container_id", container_id(m, pod, name, is_init));
    put(m, "pod_container_image", text_at(m, container, "image", NULL));
    put(m, "pod_container_init", is_init ? SLICE("true") : SLICE("false"));
    if (port == NULL)
        return;
    struct slice protocol = text_at(m, *port, "protocol", NULL);
    put(m, "pod_container_port_name", text_at(m, *port, "name", NULL));
    put(m, "pod_container_port_number", text_at(m, *port, "containerPort", NULL));
    put(m, "pod_container_port_protocol", protocol.len ? protocol : SLICE("TCP"));
}

static void pod_target(struct making *m, struct json_value pod, struct json_value container, bool is_init, const struct json_value *port)
{
    struct slice number = port ? text_at(m, *port, "containerPort", NULL) : SLICE_EMPTY;
    begin(m, address_of(m, text_at(m, pod, "status", "podIP"), number));
    put_namespace(m, text_at(m, pod, "metadata", "namespace"));
    put_pod(m, pod);
    put_container(m, pod, container, is_init, port);
    put_attached_node(m, text_at(m, pod, "spec", "nodeName"));
    end(m);
}

static void pod_targets(struct making *m, struct json_value pod)
{
    struct json_value container, port, node;
    if (text_at(m, pod, "status", "podIP").len == 0)
        return;
    /* A selector of nodes chooses pods, too. */
    if (m->sd->attach_node && !kubernetes_find(m->v, KIND_NODE, SLICE_EMPTY, text_at(m, pod, "spec", "nodeName"), &node))
        return;
    for (int init = 0; init <= 1; init++)
        for (struct json_iter it = array_at(pod, "spec", init ? "initContainers" : "containers"); json_array_next(&it, &container);) {
            size_t n = 0;
            for (struct json_iter p = array_at(container, "ports", NULL); json_array_next(&p, &port); n++)
                pod_target(m, pod, container, init, &port);
            if (n == 0)
                pod_target(m, pod, container, init, NULL);
        }
}

/* ---- services ---- */

static void put_service(struct making *m, struct json_value service)
{
    put(m, "service_name", text_at(m, service, "metadata", "name"));
    put_maps(m, service, "service");
}

/* The addresses that the balancer has, or the one that was wished for. */
static struct slice balancer_ips(struct making *m, struct json_value service)
{
    struct slice all = SLICE_EMPTY;
    struct json_value status, item;
    if (json_get(service, SLICE("status"), &status))
        for (struct json_iter it = array_at(status, "loadBalancer", "ingress"); json_array_next(&it, &item);) {
            struct slice ip = text_at(m, item, "ip", NULL);
            if (ip.len)
                all = arena_printf(m->a, "%.*s%s%.*s", SLICE_FMT(all), all.len ? "," : "", SLICE_FMT(ip));
        }
    return all.len ? all : text_at(m, service, "spec", "loadBalancerIP");
}

static void service_targets(struct making *m, struct json_value service)
{
    struct slice space = text_at(m, service, "metadata", "namespace"), name = text_at(m, service, "metadata", "name");
    struct slice type = text_at(m, service, "spec", "type");
    struct json_value port;
    for (struct json_iter it = array_at(service, "spec", "ports"); json_array_next(&it, &port);) {
        struct slice number = text_at(m, port, "port", NULL), protocol = text_at(m, port, "protocol", NULL);
        begin(m, arena_printf(m->a, "%.*s.%.*s.svc:%.*s", SLICE_FMT(name), SLICE_FMT(space), SLICE_FMT(number)));
        put_namespace(m, space);
        put_service(m, service);
        put(m, "service_port_name", text_at(m, port, "name", NULL));
        put(m, "service_port_number", number);
        put(m, "service_port_protocol", protocol.len ? protocol : SLICE("TCP"));
        put(m, "service_type", type);
        if (slice_eq(type, SLICE("ExternalName")))
            put(m, "service_external_name", text_at(m, service, "spec", "externalName"));
        else
            put(m, "service_cluster_ip", text_at(m, service, "spec", "clusterIP"));
        if (slice_eq(type, SLICE("LoadBalancer")))
            put(m, "service_loadbalancer_ip", balancer_ips(m, service));
        end(m);
    }
}

/* ---- endpoints and slices ---- */

/* What the targets of one Endpoints or EndpointSlice share. */
struct endpoints {
    struct json_value object;
    struct slice space, name, service;
    bool is_slice;
    struct map served; /* pod/port of addresses, so that other ports of these pods can be told */
    struct json_value *pods;
    size_t pod_count, pod_cap;
};

static void put_endpoints(struct making *m, const struct endpoints *e)
{
    struct json_value service;
    put_namespace(m, e->space);
    put(m, e->is_slice ? "endpointslice_name" : "endpoints_name", e->name);
    put_maps(m, e->object, e->is_slice ? "endpointslice" : "endpoints");
    if (e->is_slice)
        put(m, "endpointslice_address_type", text_at(m, e->object, "addressType", NULL));
    if (kubernetes_find(m->v, KIND_SERVICE, e->space, e->service, &service))
        put_service(m, service);
}

static struct slice served_key(struct making *m, struct json_value pod, struct slice port)
{
    return arena_printf(m->a, "%.*s/%.*s", SLICE_FMT(text_at(m, pod, "metadata", "name")), SLICE_FMT(port));
}

static bool backing_pod(struct making *m, struct endpoints *e, struct json_value address, struct json_value *pod)
{
    struct slice space = text_at(m, address, "targetRef", "namespace");
    return slice_eq(text_at(m, address, "targetRef", "kind"), SLICE("Pod")) &&
           kubernetes_find(m->v, KIND_POD, space.len ? space : e->space, text_at(m, address, "targetRef", "name"), pod);
}

/* The pod behind the address, and its container with that port. */
static void put_backing(struct making *m, struct endpoints *e, struct json_value address, struct slice port)
{
    struct json_value pod, container, p;
    bool is_new;
    if (!backing_pod(m, e, address, &pod))
        return;
    put_pod(m, pod);
    (void)map_put(&e->served, served_key(m, pod, SLICE_EMPTY), &is_new);
    if (is_new)
        ARENA_PUSH(m->a, e->pods, e->pod_count, e->pod_cap) = pod;
    (void)map_put(&e->served, served_key(m, pod, port), NULL);
    for (int init = 0; init <= 1; init++)
        for (struct json_iter it = array_at(pod, "spec", init ? "initContainers" : "containers"); json_array_next(&it, &container);)
            for (struct json_iter ports = array_at(container, "ports", NULL); json_array_next(&ports, &p);)
                if (slice_eq(text_at(m, p, "containerPort", NULL), port)) {
                    put_container(m, pod, container, init, &p);
                    return;
                }
}

static void put_target_ref(struct making *m, const char *prefix, struct json_value address)
{
    put(m, arena_printf(m->a, "%s_address_target_kind", prefix).ptr, text_at(m, address, "targetRef", "kind"));
    put(m, arena_printf(m->a, "%s_address_target_name", prefix).ptr, text_at(m, address, "targetRef", "name"));
}

static void put_other_port(struct making *m, const struct endpoints *e, struct json_value pod, struct json_value container, bool is_init,
                           struct json_value port)
{
    begin(m, address_of(m, text_at(m, pod, "status", "podIP"), text_at(m, port, "containerPort", NULL)));
    put_endpoints(m, e);
    put_pod(m, pod);
    put_container(m, pod, container, is_init, &port);
    put_attached_node(m, text_at(m, pod, "spec", "nodeName"));
    end(m);
}

/* Ports of the pods behind the addresses that no endpoint names. */
static void put_other_ports(struct making *m, struct endpoints *e)
{
    struct json_value container, port;
    for (size_t i = 0; i < e->pod_count; i++) {
        struct json_value pod = e->pods[i];
        if (text_at(m, pod, "status", "podIP").len == 0)
            continue;
        for (int init = 0; init <= 1; init++)
            for (struct json_iter it = array_at(pod, "spec", init ? "initContainers" : "containers"); json_array_next(&it, &container);)
                for (struct json_iter ports = array_at(container, "ports", NULL); json_array_next(&ports, &port);)
                    if (!map_get(&e->served, served_key(m, pod, text_at(m, port, "containerPort", NULL))))
                        put_other_port(m, e, pod, container, init, port);
    }
}

/* An endpoint's node: named, or the one that it is. */
static struct slice node_of(struct making *m, struct json_value address, struct slice named)
{
    bool is_node = slice_eq(text_at(m, address, "targetRef", "kind"), SLICE("Node"));
    return named.len == 0 && is_node ? text_at(m, address, "targetRef", "name") : named;
}

static void endpoint_target(struct making *m, struct endpoints *e, struct json_value address, struct json_value port, bool is_ready)
{
    struct slice number = text_at(m, port, "port", NULL), protocol = text_at(m, port, "protocol", NULL);
    struct slice node = text_at(m, address, "nodeName", NULL);
    begin(m, address_of(m, text_at(m, address, "ip", NULL), number));
    put_endpoints(m, e);
    put(m, "endpoint_port_name", text_at(m, port, "name", NULL));
    put(m, "endpoint_port_protocol", protocol.len ? protocol : SLICE("TCP"));
    put(m, "endpoint_ready", is_ready ? SLICE("true") : SLICE("false"));
    put(m, "endpoint_hostname", text_at(m, address, "hostname", NULL));
    put(m, "endpoint_node_name", node);
    put_target_ref(m, "endpoint", address);
    put_backing(m, e, address, number);
    put_attached_node(m, node_of(m, address, node));
    end(m);
}

static void endpoints_targets(struct making *m, struct json_value object)
{
    struct endpoints e = { .object = object, .space = text_at(m, object, "metadata", "namespace"), .name = text_at(m, object, "metadata", "name") };
    struct json_value subset, port, address;
    e.service = e.name;
    map_init(&e.served);
    for (struct json_iter it = array_at(object, "subsets", NULL); json_array_next(&it, &subset);)
        for (struct json_iter ports = array_at(subset, "ports", NULL); json_array_next(&ports, &port);)
            for (int ready = 1; ready >= 0; ready--)
                for (struct json_iter list = array_at(subset, ready ? "addresses" : "notReadyAddresses", NULL); json_array_next(&list, &address);)
                    endpoint_target(m, &e, address, port, ready);
    put_other_ports(m, &e);
    map_free(&e.served);
}

static void put_topology(struct making *m, struct json_value endpoint)
{
    struct json_value map, value;
    struct slice name;
    if (!json_get(endpoint, SLICE("deprecatedTopology"), &map))
        return;
    for (struct json_iter it = json_object(map); json_object_next(&it, &name, &value);) {
        struct slice word = word_of(m, name);
        put(m, arena_printf(m->a, "endpointslice_endpoint_topology_%.*s", SLICE_FMT(word)).ptr, json_get_string(value));
        put(m, arena_printf(m->a, "endpointslice_endpoint_topology_present_%.*s", SLICE_FMT(word)).ptr, SLICE("true"));
    }
}

/* Of a service with two families only the first one's slice counts, or each pod would be there twice. */
static bool is_second_family(struct making *m, const struct endpoints *e)
{
    struct json_value service, family;
    if (!kubernetes_find(m->v, KIND_SERVICE, e->space, e->service, &service))
        return false;
    struct slice policy = text_at(m, service, "spec", "ipFamilyPolicy");
    struct json_iter it = array_at(service, "spec", "ipFamilies");
    if (!slice_eq(policy, SLICE("PreferDualStack")) && !slice_eq(policy, SLICE("RequireDualStack")))
        return false;
    return json_array_next(&it, &family) && !slice_eq(json_get_string(family), text_at(m, e->object, "addressType", NULL));
}

static void slice_target(struct making *m, struct endpoints *e, struct json_value endpoint, struct slice host, struct json_value port)
{
    struct slice number = text_at(m, port, "port", NULL), node = text_at(m, endpoint, "nodeName", NULL);
    begin(m, address_of(m, host, number));
    put_endpoints(m, e);
    put(m, "endpointslice_port", number);
    put(m, "endpointslice_port_name", text_at(m, port, "name", NULL));
    put(m, "endpointslice_port_protocol", text_at(m, port, "protocol", NULL));
    put(m, "endpointslice_port_app_protocol", text_at(m, port, "appProtocol", NULL));
    put(m, "endpointslice_endpoint_conditions_ready", text_at(m, endpoint, "conditions", "ready"));
    put(m, "endpointslice_endpoint_conditions_serving", text_at(m, endpoint, "conditions", "serving"));
    put(m, "endpointslice_endpoint_conditions_terminating", text_at(m, endpoint, "conditions", "terminating"));
    put(m, "endpointslice_endpoint_hostname", text_at(m, endpoint, "hostname", NULL));
    put(m, "endpointslice_endpoint_node_name", node);
    put(m, "endpointslice_endpoint_zone", text_at(m, endpoint, "zone", NULL));
    put_target_ref(m, "endpointslice", endpoint);
    put_topology(m, endpoint);
    put_backing(m, e, endpoint, number);
    put_attached_node(m, node_of(m, endpoint, node));
    end(m);
}

static void slice_targets(struct making *m, struct json_value object)
{
    struct endpoints e = { .object = object, .space = text_at(m, object, "metadata", "namespace"), .name = text_at(m, object, "metadata", "name"),
                           .is_slice = true, .service = SLICE_EMPTY };
    struct json_value labels, service, port, endpoint, address;
    if (member(object, "metadata", "labels", &labels) && json_get(labels, SLICE("kubernetes.io/service-name"), &service))
        e.service = json_get_string(service);
    if (is_second_family(m, &e))
        return;
    map_init(&e.served);
    for (struct json_iter ports = array_at(object, "ports", NULL); json_array_next(&ports, &port);)
        for (struct json_iter it = array_at(object, "endpoints", NULL); json_array_next(&it, &endpoint);)
            for (struct json_iter list = array_at(endpoint, "addresses", NULL); json_array_next(&list, &address);)
                slice_target(m, &e, endpoint, json_get_string(address), port);
    put_other_ports(m, &e);
    map_free(&e.served);
}

/* ---- ingresses ---- */

/* A certificate's host is the rule's, or a wildcard over it. */
static bool is_host_of(struct slice pattern, struct slice host)
{
    size_t dot = slice_find_char(host, '.', 0);
    bool is_wild = slice_starts(pattern, SLICE("*.")) && dot != SIZE_MAX && dot > 0;
    return slice_eq(pattern, host) || (is_wild && slice_eq(slice_skip(pattern, 1), slice_skip(host, dot)));
}

static bool has_tls(struct json_value ingress, struct slice host)
{
    struct json_value tls, name;
    for (struct json_iter it = array_at(ingress, "spec", "tls"); json_array_next(&it, &tls);)
        for (struct json_iter hosts = array_at(tls, "hosts", NULL); json_array_next(&hosts, &name);)
            if (is_host_of(json_get_string(name), host))
                return true;
    return false;
}

static void ingress_target(struct making *m, struct json_value ingress, struct slice host, struct slice path)
{
    begin(m, host);
    put_namespace(m, text_at(m, ingress, "metadata", "namespace"));
    put(m, "ingress_name", text_at(m, ingress, "metadata", "name"));
    put_maps(m, ingress, "ingress");
    put(m, "ingress_class_name", text_at(m, ingress, "spec", "ingressClassName"));
    put(m, "ingress_scheme", has_tls(ingress, host) ? SLICE("https") : SLICE("http"));
    put(m, "ingress_host", host);
    put(m, "ingress_path", path.len ? path : SLICE("/"));
    end(m);
}

static void ingress_targets(struct making *m, struct json_value ingress)
{
    struct json_value rule, path;
    for (struct json_iter it = array_at(ingress, "spec", "rules"); json_array_next(&it, &rule);) {
        struct slice host = text_at(m, rule, "host", NULL);
        size_t n = 0;
        if (host.len == 0)
            host = SLICE("*");
        for (struct json_iter paths = array_at(rule, "http", "paths"); json_array_next(&paths, &path); n++)
            ingress_target(m, ingress, host, text_at(m, path, "path", NULL));
        if (n == 0)
            ingress_target(m, ingress, host, SLICE("/"));
    }
}

void kubernetes_targets(const struct kubernetes_view *v, const struct kubernetes_sd *sd, struct json_value object, struct arena *a,
                        struct json_writer *w)
{
    static void (*const roles[KUBERNETES_ROLES])(struct making *m, struct json_value object) = {
        [KUBERNETES_NODE] = node_targets,           [KUBERNETES_POD] = pod_targets,
        [KUBERNETES_SERVICE] = service_targets,     [KUBERNETES_ENDPOINTS] = endpoints_targets,
        [KUBERNETES_ENDPOINTSLICE] = slice_targets, [KUBERNETES_INGRESS] = ingress_targets
    };
    struct making m = { .v = v, .sd = sd, .a = a, .w = w };
    roles[sd->role](&m, object);
}
