/* SPDX-License-Identifier: Apache-2.0 */
/* prometheus.yml, as far as scraping goes: `global` gives defaults, `scrape_configs` the jobs. Three kinds of keys:
 * served ones are read, ones that Prometheus knows and we do not serve become a warning with their line, others are errors.
 * Paths are seen from the folder of the file they stand in, as Prometheus does. */
#include "collect/scrape_config.h"

#include <math.h>

#include "base/map.h"
#include "collect/files.h"
#include "collect/sd.h"
#include "model/histogram.h"

enum { JOBS_MAX = 10000, BUCKET_FACTOR_MAX = 65536 };
#define INTERVAL_DEFAULT_NS (60 * NS_S)
#define TIMEOUT_DEFAULT_NS  (10 * NS_S)
#define REFRESH_DEFAULT_NS  (60 * NS_S)
#define TIME_MIN_NS         NS_MS

struct reading {
    struct arena *a;
    struct buf *warnings;
    struct err *err;
    struct scrape_job defaults;
    struct slice *dns_servers;
    size_t dns_server_count;
};

static const struct slice served_global[] = {
    SLICE_INIT("scrape_interval"), SLICE_INIT("scrape_timeout"), SLICE_INIT("body_size_limit"), SLICE_INIT("sample_limit"),
    SLICE_INIT("label_limit"), SLICE_INIT("label_name_length_limit"), SLICE_INIT("label_value_length_limit"), SLICE_INIT("target_limit"),
    SLICE_INIT("scrape_protocols"), SLICE_INIT("scrape_native_histograms"), SLICE_INIT("always_scrape_classic_histograms"),
    SLICE_INIT("convert_classic_histograms_to_nhcb"),
    SLICE_INIT("keep_dropped_targets"),
    SLICE_INIT("evaluation_interval"), SLICE_INIT("external_labels"), SLICE_INIT("rule_query_offset"), /* read with the rules */
    SLICE_INIT("query_log_file"), /* read with `query` */
};
static const struct slice known_global[] = {
    SLICE_INIT("scrape_failure_log_file"),
    SLICE_INIT("metric_name_validation_scheme"), SLICE_INIT("metric_name_escaping_scheme"), SLICE_INIT("runtime"),
    SLICE_INIT("extra_scrape_metrics"),
};
static const struct slice served_http[] = {
    SLICE_INIT("basic_auth"), SLICE_INIT("authorization"), SLICE_INIT("bearer_token"), SLICE_INIT("bearer_token_file"),
    SLICE_INIT("tls_config"), SLICE_INIT("follow_redirects"), SLICE_INIT("proxy_url"),
};
static const struct slice known_http[] = {
    SLICE_INIT("oauth2"), SLICE_INIT("no_proxy"), SLICE_INIT("proxy_from_environment"), SLICE_INIT("proxy_connect_header"),
    SLICE_INIT("enable_http2"), SLICE_INIT("http_headers"),
};
static const struct slice served_job[] = {
    SLICE_INIT("job_name"), SLICE_INIT("scrape_interval"), SLICE_INIT("scrape_timeout"), SLICE_INIT("metrics_path"), SLICE_INIT("scheme"),
    SLICE_INIT("params"), SLICE_INIT("honor_labels"), SLICE_INIT("honor_timestamps"), SLICE_INIT("track_timestamps_staleness"),
    SLICE_INIT("static_configs"), SLICE_INIT("file_sd_configs"), SLICE_INIT("http_sd_configs"), SLICE_INIT("relabel_configs"),
    SLICE_INIT("metric_relabel_configs"), SLICE_INIT("body_size_limit"), SLICE_INIT("sample_limit"), SLICE_INIT("label_limit"),
    SLICE_INIT("label_name_length_limit"), SLICE_INIT("label_value_length_limit"), SLICE_INIT("target_limit"),
    SLICE_INIT("enable_compression"), SLICE_INIT("scrape_protocols"), SLICE_INIT("fallback_scrape_protocol"),
    SLICE_INIT("dns_sd_configs"), SLICE_INIT("kubernetes_sd_configs"),
    SLICE_INIT("scrape_native_histograms"), SLICE_INIT("scrape_classic_histograms"), SLICE_INIT("always_scrape_classic_histograms"),
    SLICE_INIT("convert_classic_histograms_to_nhcb"), SLICE_INIT("native_histogram_bucket_limit"),
    SLICE_INIT("native_histogram_min_bucket_factor"), SLICE_INIT("keep_dropped_targets"),
};
static const struct slice known_job[] = {
    SLICE_INIT("metric_name_validation_scheme"), SLICE_INIT("metric_name_escaping_scheme"),
    SLICE_INIT("scrape_failure_log_file"), SLICE_INIT("extra_scrape_metrics"),
    SLICE_INIT("aws_sd_configs"), SLICE_INIT("azure_sd_configs"), SLICE_INIT("consul_sd_configs"), SLICE_INIT("digitalocean_sd_configs"),
    SLICE_INIT("docker_sd_configs"), SLICE_INIT("dockerswarm_sd_configs"), SLICE_INIT("ec2_sd_configs"),
    SLICE_INIT("eureka_sd_configs"), SLICE_INIT("gce_sd_configs"), SLICE_INIT("hetzner_sd_configs"), SLICE_INIT("ionos_sd_configs"),
    SLICE_INIT("kuma_sd_configs"), SLICE_INIT("lightsail_sd_configs"), SLICE_INIT("linode_sd_configs"),
    SLICE_INIT("marathon_sd_configs"), SLICE_INIT("nerve_sd_configs"), SLICE_INIT("nomad_sd_configs"), SLICE_INIT("openstack_sd_configs"),
    SLICE_INIT("ovhcloud_sd_configs"), SLICE_INIT("puppetdb_sd_configs"), SLICE_INIT("scaleway_sd_configs"),
    SLICE_INIT("serverset_sd_configs"), SLICE_INIT("stackit_sd_configs"), SLICE_INIT("triton_sd_configs"), SLICE_INIT("uyuni_sd_configs"),
    SLICE_INIT("vultr_sd_configs"),
};

struct key_list {
    const struct slice *keys;
    size_t count;
};

static bool is_in(struct key_list l, struct slice key)
{
    for (size_t i = 0; i < l.count; i++)
        if (slice_eq(l.keys[i], key))
            return true;
    return false;
}

/* Every key of n stands in one of the lists; those of lists from served on are warned about. */
static enum status check_keys(const struct reading *r, const struct yaml_node *n, const struct key_list *lists, size_t count, size_t served)
{
    enum { KEYS_MAX = 128 };
    struct slice all[KEYS_MAX];
    size_t total = 0;
    for (size_t i = 0; i < count; i++)
        for (size_t k = 0; k < lists[i].count && total < KEYS_MAX; k++)
            all[total++] = lists[i].keys[k];
    enum status st = yaml_only(n, all, total, r->err);
    if (st || n == NULL)
        return st;
    for (size_t k = 0; k < n->count; k++)
        for (size_t i = served; i < count; i++)
            if (is_in(lists[i], n->keys[k]) && !slice_eq(n->keys[k], SLICE("evaluation_interval")))
                buf_printf(r->warnings, "%.*s:%d: \"%.*s\" is known but not served by this version\n", SLICE_FMT(n->file), n->key_lines[k],
                           SLICE_FMT(n->keys[k]));
    return ST_OK;
}

#define LIST(array) { array, COUNT_OF(array) }

/* ---- pieces ---- */

/* A path as n's file means it, ended by NUL. */
static struct slice path_seen_from(const struct reading *r, const struct yaml_node *n, struct slice path)
{
    struct slice folder = slice_starts(path, SLICE("/")) ? SLICE_EMPTY : files_folder(n->file);
    return arena_printf(r->a, "%.*s%.*s", SLICE_FMT(folder), SLICE_FMT(path));
}

static enum status read_path(const struct reading *r, const struct yaml_node *n, struct slice key, struct slice *out)
{
    enum status st = yaml_text(n, key, out, r->err);
    if (!st && out->len)
        *out = path_seen_from(r, n, *out);
    return st;
}

static enum status read_basic_auth(const struct reading *r, const struct yaml_node *n, struct scrape_http *h)
{
    static const struct slice keys[] = { SLICE_INIT("username"), SLICE_INIT("username_file"), SLICE_INIT("password"), SLICE_INIT("password_file") };
    const struct yaml_node *b = yaml_get(n, SLICE("basic_auth"));
    enum status st = yaml_only(b, keys, COUNT_OF(keys), r->err);
    if (!st)
        st = yaml_text(b, keys[0], &h->user, r->err);
    if (!st)
        st = read_path(r, b, keys[1], &h->user_file);
    if (!st)
        st = yaml_text(b, keys[2], &h->password, r->err);
    if (!st)
        st = read_path(r, b, keys[3], &h->password_file);
    if (!st && h->password.len && h->password_file.len)
        return yaml_fail(b, r->err, "basic_auth: at most one of password and password_file");
    if (!st && h->user.len && h->user_file.len)
        return yaml_fail(b, r->err, "basic_auth: at most one of username and username_file");
    return st;
}

static enum status read_authorization(const struct reading *r, const struct yaml_node *n, struct scrape_http *h)
{
    static const struct slice keys[] = { SLICE_INIT("type"), SLICE_INIT("credentials"), SLICE_INIT("credentials_file") };
    const struct yaml_node *b = yaml_get(n, SLICE("authorization"));
    h->auth_type = SLICE("Bearer");
    enum status st = yaml_only(b, keys, COUNT_OF(keys), r->err);
    if (!st)
        st = yaml_text(b, keys[0], &h->auth_type, r->err);
    if (!st)
        st = yaml_text(b, keys[1], &h->credentials, r->err);
    if (!st)
        st = read_path(r, b, keys[2], &h->credentials_file);
    if (!st)
        st = yaml_text(n, SLICE("bearer_token"), &h->credentials, r->err);
    if (!st)
        st = read_path(r, n, SLICE("bearer_token_file"), &h->credentials_file);
    bool bearer = yaml_get(n, SLICE("bearer_token")) || yaml_get(n, SLICE("bearer_token_file"));
    bool set = h->credentials.len || h->credentials_file.len;
    if (!st && b && bearer)
        return yaml_fail(b, r->err, "at most one of basic_auth, authorization and bearer_token");
    if (!st && h->credentials.len && h->credentials_file.len)
        return yaml_fail(n, r->err, "authorization: at most one of credentials and credentials_file");
    if (!st && slice_eq_nocase(h->auth_type, SLICE("basic")))
        return yaml_fail(b, r->err, "authorization: type Basic is set by basic_auth");
    if (!st && set && yaml_get(n, SLICE("basic_auth")))
        return yaml_fail(n, r->err, "at most one of basic_auth, authorization and bearer_token");
    return st;
}

static enum status read_tls(const struct reading *r, const struct yaml_node *n, struct scrape_http *h)
{
    static const struct slice served[] = { SLICE_INIT("ca_file"), SLICE_INIT("cert_file"), SLICE_INIT("key_file"), SLICE_INIT("server_name"),
                                           SLICE_INIT("insecure_skip_verify") };
    static const struct slice known[] = { SLICE_INIT("ca"), SLICE_INIT("cert"), SLICE_INIT("key"), SLICE_INIT("min_version"),
                                          SLICE_INIT("max_version") };
    static const struct key_list lists[] = { LIST(served), LIST(known) };
    const struct yaml_node *t = yaml_get(n, SLICE("tls_config"));
    enum status st = check_keys(r, t, lists, COUNT_OF(lists), 1);
    if (!st)
        st = read_path(r, t, served[0], &h->ca_file);
    if (!st)
        st = read_path(r, t, served[1], &h->cert_file);
    if (!st)
        st = read_path(r, t, served[2], &h->key_file);
    if (!st)
        st = yaml_text(t, served[3], &h->server_name, r->err);
    if (!st)
        st = yaml_bool(t, served[4], &h->tls_insecure, r->err);
    if (!st && (h->cert_file.len == 0) != (h->key_file.len == 0))
        return yaml_fail(t, r->err, "tls_config: cert_file and key_file belong together");
    return st;
}

static enum status read_http(const struct reading *r, const struct yaml_node *n, struct scrape_http *h)
{
    *h = (struct scrape_http){ .follow_redirects = true };
    enum status st = read_basic_auth(r, n, h);
    if (!st)
        st = read_authorization(r, n, h);
    if (!st)
        st = read_tls(r, n, h);
    if (!st)
        st = yaml_bool(n, SLICE("follow_redirects"), &h->follow_redirects, r->err);
    return st ? st : yaml_text(n, SLICE("proxy_url"), &h->proxy_url, r->err);
}

static enum status read_limits(const struct reading *r, const struct yaml_node *n, struct scrape_limits *l)
{
    static const struct slice keys[] = { SLICE_INIT("sample_limit"), SLICE_INIT("target_limit"), SLICE_INIT("label_limit"),
                                         SLICE_INIT("label_name_length_limit"), SLICE_INIT("label_value_length_limit"),
                                         SLICE_INIT("native_histogram_bucket_limit"), SLICE_INIT("keep_dropped_targets") };
    uint64_t *const places[] = { &l->samples, &l->targets, &l->labels, &l->label_name_bytes, &l->label_value_bytes, &l->buckets,
                                 &l->dropped };
    enum status st = yaml_size(n, SLICE("body_size_limit"), &l->body_bytes, r->err);
    for (size_t i = 0; !st && i < COUNT_OF(keys); i++) {
        int64_t v = (int64_t)*places[i];
        st = yaml_int(n, keys[i], 0, INT64_MAX, &v, r->err);
        *places[i] = (uint64_t)v;
    }
    return st;
}

/* A factor by which each bucket must be at least wider than the one below: the finest schema that has it. */
static enum status read_bucket_factor(const struct reading *r, const struct yaml_node *n, struct scrape_limits *l)
{
    double factor = 0;
    enum status st = yaml_double(n, SLICE("native_histogram_min_bucket_factor"), 0, BUCKET_FACTOR_MAX, &factor, r->err);
    if (st || factor <= 1)
        return st;
    int schema = HISTOGRAM_SCHEMA_MAX;
    while (schema > HISTOGRAM_SCHEMA_MIN && exp2(exp2(-schema)) < factor)
        schema--;
    l->schema_max = schema;
    return ST_OK;
}

/* ---- formats ---- */

static const struct protocol {
    struct slice name, accept;
} protocols[] = {
    { SLICE_INIT("PrometheusProto"), SLICE_INIT("application/vnd.google.protobuf;proto=io.prometheus.client.MetricFamily;encoding=delimited") },
    { SLICE_INIT("PrometheusText1.0.0"), SLICE_INIT("text/plain;version=1.0.0;escaping=allow-utf-8") },
    { SLICE_INIT("PrometheusText0.0.4"), SLICE_INIT("text/plain;version=0.0.4") },
    { SLICE_INIT("OpenMetricsText1.0.0"), SLICE_INIT("application/openmetrics-text;version=1.0.0") },
    { SLICE_INIT("OpenMetricsText0.0.1"), SLICE_INIT("application/openmetrics-text;version=0.0.1") },
};

static enum status protocol_find(const struct reading *r, const struct yaml_node *n, struct slice name, const struct protocol **out)
{
    for (size_t i = 0; i < COUNT_OF(protocols); i++)
        if (slice_eq(name, protocols[i].name)) {
            *out = &protocols[i];
            return ST_OK;
        }
    return yaml_fail(n, r->err, "found \"%.*s\", allowed are PrometheusProto, PrometheusText1.0.0, PrometheusText0.0.4, OpenMetricsText1.0.0 and "
                     "OpenMetricsText0.0.1", SLICE_FMT(slice_sub(name, 0, 60)));
}

/* The Accept header: the first is liked best. */
static struct slice accept_of(struct arena *a, const struct protocol *const *list, size_t count)
{
    struct buf out;
    buf_init(&out, 0);
    for (size_t i = 0; i < count; i++)
        buf_printf(&out, "%.*s;q=0.%zu,", SLICE_FMT(list[i]->accept), count + 1 - i);
    buf_slice(&out, SLICE("*/*;q=0.1"));
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static enum status read_protocols(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    const struct protocol *list[COUNT_OF(protocols)] = { NULL };
    const struct yaml_node *at = yaml_get(n, SLICE("scrape_protocols"));
    struct slice *names = NULL, fallback = SLICE_EMPTY;
    size_t count = 0;
    enum status st = yaml_texts(r->a, n, SLICE("scrape_protocols"), &names, &count, r->err);
    if (!st && count > COUNT_OF(protocols))
        return yaml_fail(at, r->err, "scrape_protocols: each one once, found %zu", count);
    for (size_t i = 0; !st && i < count; i++) {
        st = protocol_find(r, at, names[i], &list[i]);
        for (size_t k = 0; !st && k < i; k++)
            if (list[k] == list[i])
                st = yaml_fail(at, r->err, "scrape_protocols: \"%.*s\" stands twice", SLICE_FMT(names[i]));
    }
    if (!st)
        st = yaml_text(n, SLICE("fallback_scrape_protocol"), &fallback, r->err);
    if (!st && fallback.len) {
        const struct protocol *p = NULL;
        st = protocol_find(r, yaml_get(n, SLICE("fallback_scrape_protocol")), fallback, &p);
        j->source.fallback = p ? p->accept : SLICE_EMPTY;
    }
    if (st)
        return st;
    if (count) {
        j->accept = accept_of(r->a, list, count);
        j->has_protocols = true;
    } else if (!j->has_protocols) {
        const struct protocol *const usual[] = { &protocols[0], &protocols[3], &protocols[4], &protocols[2] };
        size_t from = j->source.native ? 0 : 1; /* native histograms come by protobuf alone */
        j->accept = accept_of(r->a, usual + from, COUNT_OF(usual) - from);
    }
    return ST_OK;
}

static enum status read_histograms(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    enum status st = yaml_bool(n, SLICE("scrape_native_histograms"), &j->source.native, r->err);
    if (!st)
        st = yaml_bool(n, SLICE("scrape_classic_histograms"), &j->source.classic, r->err); /* its name before Prometheus 3 */
    if (!st)
        st = yaml_bool(n, SLICE("always_scrape_classic_histograms"), &j->source.classic, r->err);
    if (!st)
        st = yaml_bool(n, SLICE("convert_classic_histograms_to_nhcb"), &j->source.convert, r->err);
    if (!st)
        st = read_bucket_factor(r, n, &j->limits);
    return st ? st : read_protocols(r, n, j);
}

static enum status read_times(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    struct slice names[] = { SLICE("scrape_interval"), SLICE("scrape_timeout") };
    int64_t *const places[] = { &j->interval_ns, &j->timeout_ns };
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        int64_t v = 0;
        enum status st = yaml_duration(n, names[i], &v, r->err);
        if (st)
            return st;
        if (yaml_get(n, names[i]) && v != 0 && v < TIME_MIN_NS)
            return yaml_fail(yaml_get(n, names[i]), r->err, "%.*s: at least 1ms", SLICE_FMT(names[i]));
        if (v)
            *places[i] = v;
    }
    if (j->timeout_ns > j->interval_ns && yaml_get(n, names[1]))
        return yaml_fail(yaml_get(n, names[1]), r->err, "scrape_timeout is longer than scrape_interval");
    j->timeout_ns = MIN(j->timeout_ns, j->interval_ns);
    return ST_OK;
}

/* ---- groups of targets ---- */

static enum status read_group(struct arena *a, const struct yaml_node *n, struct target_group *g, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("targets"), SLICE_INIT("labels") };
    const struct yaml_node *labels = yaml_get(n, keys[1]);
    *g = (struct target_group){ 0 };
    if (n->type != YAML_MAP)
        return yaml_fail(n, err, "expected a group of targets: a map such as {targets: [\"localhost:9100\"], labels: {env: test}}");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_texts(a, n, keys[0], &g->addresses, &g->address_count, err);
    if (st)
        return st;
    if (g->address_count > TARGETS_PER_GROUP_MAX)
        return yaml_fail(n, err, "targets: found %zu, at most %d are allowed in a group", g->address_count, TARGETS_PER_GROUP_MAX);
    for (size_t i = 0; i < g->address_count; i++)
        if (slice_contains(g->addresses[i], SLICE("/")))
            return yaml_fail(n, err, "targets: found \"%.*s\", which is no host:port: the path goes into metrics_path",
                             SLICE_FMT(slice_sub(g->addresses[i], 0, 100)));
    if (labels == NULL)
        return ST_OK;
    if (labels->type != YAML_MAP || labels->count > GROUP_LABELS_MAX)
        return yaml_fail(labels, err, "labels: expected a map of at most %d labels", GROUP_LABELS_MAX);
    g->labels = arena_array(a, struct label, labels->count + 1);
    for (size_t i = 0; i < labels->count; i++) {
        if (labels->items[i]->type != YAML_SCALAR || !label_name_is_legacy(labels->keys[i]))
            return yaml_fail(labels->items[i], err, "labels: \"%.*s\" is no label name with a text for a value", SLICE_FMT(labels->keys[i]));
        g->labels[g->label_count++] = (struct label){ labels->keys[i], labels->items[i]->text };
    }
    return ST_OK;
}

enum status target_groups_read(struct arena *a, const struct yaml_node *list, struct target_group **out, size_t *count, struct err *err)
{
    *out = NULL;
    *count = 0;
    if (list == NULL)
        return ST_OK;
    if (list->type != YAML_SEQUENCE && list->count)
        return yaml_fail(list, err, "expected a list of {targets, labels}");
    struct target_group *groups = arena_array(a, struct target_group, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        enum status st = read_group(a, list->items[i], &groups[i], err);
        if (st)
            return st;
    }
    *out = groups;
    *count = list->count;
    return ST_OK;
}

static enum status need_list(const struct reading *r, const struct yaml_node *list, const char *key)
{
    if (list && list->type != YAML_SEQUENCE)
        return yaml_fail(list, r->err, "%s: expected a list", key);
    return ST_OK;
}

static enum status read_file_sds(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    static const struct slice keys[] = { SLICE_INIT("files"), SLICE_INIT("refresh_interval") };
    const struct yaml_node *list = yaml_get(n, SLICE("file_sd_configs"));
    enum status st = need_list(r, list, "file_sd_configs");
    if (st || list == NULL)
        return st;
    j->file_sds = arena_array(r->a, struct file_sd, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        struct file_sd *sd = &j->file_sds[j->file_sd_count++];
        int64_t refresh_ns; /* checked only: files are looked at more often than anybody asks for */
        *sd = (struct file_sd){ NULL, 0 };
        st = yaml_only(list->items[i], keys, COUNT_OF(keys), r->err);
        if (!st)
            st = yaml_duration(list->items[i], keys[1], &refresh_ns, r->err);
        if (!st)
            st = yaml_texts(r->a, list->items[i], keys[0], &sd->files, &sd->file_count, r->err);
        if (!st && sd->file_count == 0)
            return yaml_fail(list->items[i], r->err, "file_sd_configs: files is missing");
        for (size_t k = 0; !st && k < sd->file_count; k++) {
            struct slice path = sd->files[k];
            if (!slice_ends(path, SLICE(".json")) && !slice_ends(path, SLICE(".yml")) && !slice_ends(path, SLICE(".yaml")))
                return yaml_fail(list->items[i], r->err, "file_sd_configs: \"%.*s\" must end in .json, .yml or .yaml", SLICE_FMT(path));
            sd->files[k] = path_seen_from(r, n, path);
        }
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status read_http_sds(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    static const struct slice own[] = { SLICE_INIT("url"), SLICE_INIT("refresh_interval") };
    static const struct key_list lists[] = { LIST(own), LIST(served_http), LIST(known_http) };
    const struct yaml_node *list = yaml_get(n, SLICE("http_sd_configs"));
    enum status st = need_list(r, list, "http_sd_configs");
    if (st || list == NULL)
        return st;
    j->http_sds = arena_array(r->a, struct http_sd, list->count + 1);
    for (size_t i = 0; i < list->count; i++) {
        struct http_sd *sd = &j->http_sds[j->http_sd_count++];
        *sd = (struct http_sd){ .url = SLICE_EMPTY, .refresh_ns = REFRESH_DEFAULT_NS };
        st = check_keys(r, list->items[i], lists, COUNT_OF(lists), 2);
        if (!st)
            st = yaml_text(list->items[i], own[0], &sd->url, r->err);
        if (!st)
            st = yaml_duration(list->items[i], own[1], &sd->refresh_ns, r->err);
        if (!st)
            st = read_http(r, list->items[i], &sd->http);
        if (st)
            return st;
        if (!slice_starts(sd->url, SLICE("http://")) && !slice_starts(sd->url, SLICE("https://")))
            return yaml_fail(list->items[i], r->err, "http_sd_configs: url: found \"%.*s\", expected http://... or https://...", SLICE_FMT(sd->url));
        sd->refresh_ns = MAX(sd->refresh_ns, NS_S);
    }
    return ST_OK;
}

/* For the readers of sd_config.c. */
static enum status read_http_of(void *arg, const struct yaml_node *n, const struct slice *own, size_t own_count, struct scrape_http *out)
{
    const struct reading *r = arg;
    const struct key_list lists[] = { { own, own_count }, LIST(served_http), LIST(known_http) };
    enum status st = check_keys(r, n, lists, COUNT_OF(lists), 2);
    return st ? st : read_http(r, n, out);
}

static enum status read_other_sds(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    struct sd_reading sd = { .a = r->a, .err = r->err, .arg = (void *)(uintptr_t)r, .http = read_http_of };
    return sd_config_read(&sd, n, r->dns_servers, r->dns_server_count, j);
}

/* ---- a job ---- */

static enum status read_params(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    const struct yaml_node *p = yaml_get(n, SLICE("params"));
    if (p == NULL)
        return ST_OK;
    if (p->type != YAML_MAP)
        return yaml_fail(p, r->err, "params: expected a map of lists");
    j->params = arena_array(r->a, struct scrape_param, p->count + 1);
    for (size_t i = 0; i < p->count; i++) {
        struct scrape_param *one = &j->params[j->param_count++];
        one->name = p->keys[i];
        enum status st = yaml_texts(r->a, p, p->keys[i], &one->values, &one->value_count, r->err);
        if (st)
            return st;
    }
    return ST_OK;
}

static enum status read_flags(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    struct slice keys[] = { SLICE("honor_labels"), SLICE("honor_timestamps"), SLICE("track_timestamps_staleness"), SLICE("enable_compression") };
    bool *const places[] = { &j->honor_labels, &j->honor_timestamps, &j->track_timestamps_staleness, &j->compression };
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < COUNT_OF(keys); i++)
        st = yaml_bool(n, keys[i], places[i], r->err);
    return st;
}

static enum status read_job(const struct reading *r, const struct yaml_node *n, struct scrape_job *j)
{
    static const struct key_list lists[] = { LIST(served_job), LIST(served_http), LIST(known_job), LIST(known_http) };
    *j = r->defaults;
    j->node = n;
    if (n->type != YAML_MAP)
        return yaml_fail(n, r->err, "scrape_configs: expected a job: a map with job_name");
    enum status st = check_keys(r, n, lists, COUNT_OF(lists), 2);
    if (!st)
        st = yaml_text(n, SLICE("job_name"), &j->name, r->err);
    if (!st && j->name.len == 0)
        return yaml_fail(n, r->err, "scrape_configs: job_name is missing");
    if (!st)
        st = read_times(r, n, j);
    if (!st)
        st = yaml_text(n, SLICE("metrics_path"), &j->path, r->err);
    if (!st)
        st = yaml_text(n, SLICE("scheme"), &j->scheme, r->err);
    if (!st && !slice_eq_nocase(j->scheme, SLICE("http")) && !slice_eq_nocase(j->scheme, SLICE("https")))
        return yaml_fail(yaml_get(n, SLICE("scheme")), r->err, "scheme: found \"%.*s\", allowed are http and https", SLICE_FMT(j->scheme));
    if (!st)
        st = read_flags(r, n, j);
    if (!st)
        st = read_params(r, n, j);
    if (!st)
        st = read_limits(r, n, &j->limits);
    if (!st)
        st = read_histograms(r, n, j);
    if (!st)
        st = read_http(r, n, &j->http);
    if (!st)
        st = target_groups_read(r->a, yaml_get(n, SLICE("static_configs")), &j->groups, &j->group_count, r->err);
    if (!st)
        st = read_file_sds(r, n, j);
    if (!st)
        st = read_http_sds(r, n, j);
    if (!st)
        st = read_other_sds(r, n, j);
    if (!st)
        st = relabel_read(r->a, n, SLICE("relabel_configs"), &j->relabel, &j->relabel_count, r->err);
    return st ? st : relabel_read(r->a, n, SLICE("metric_relabel_configs"), &j->metric_relabel, &j->metric_relabel_count, r->err);
}

static enum status read_global(struct reading *r, const struct yaml_node *root)
{
    static const struct key_list lists[] = { LIST(served_global), LIST(known_global) };
    const struct yaml_node *g = yaml_get(root, SLICE("global"));
    int64_t evaluation_ns;
    r->defaults = (struct scrape_job){ .name = SLICE_EMPTY,
                                       .path = SLICE("/metrics"),
                                       .scheme = SLICE("http"),
                                       .interval_ns = INTERVAL_DEFAULT_NS,
                                       .timeout_ns = TIMEOUT_DEFAULT_NS,
                                       .honor_timestamps = true,
                                       .compression = true,
                                       .source.fallback = SLICE_EMPTY,
                                       .limits.schema_max = HISTOGRAM_SCHEMA_MAX };
    if (g && g->type != YAML_MAP)
        return yaml_fail(g, r->err, "global: expected a map");
    enum status st = check_keys(r, g, lists, COUNT_OF(lists), 1);
    if (!st)
        st = yaml_duration(g, SLICE("evaluation_interval"), &evaluation_ns, r->err);
    if (!st)
        st = read_times(r, g, &r->defaults);
    if (!st)
        st = read_histograms(r, g, &r->defaults);
    return st ? st : read_limits(r, g, &r->defaults.limits);
}

static enum status read_jobs(struct reading *r, const struct yaml_node *list, struct scrape_set *set)
{
    struct map names;
    enum status st = ST_OK;
    map_init(&names);
    set->jobs = arena_array(r->a, struct scrape_job, list->count + 1);
    for (size_t i = 0; !st && i < list->count; i++) {
        bool added = true;
        struct scrape_job *j = &set->jobs[set->job_count];
        st = read_job(r, list->items[i], j);
        if (!st)
            *map_put(&names, j->name, &added) = i;
        if (!st && !added)
            st = yaml_fail(list->items[i], r->err, "scrape_configs: two jobs have the name \"%.*s\"", SLICE_FMT(j->name));
        set->job_count++;
    }
    map_free(&names);
    return st;
}

enum status scrape_config_read(struct arena *a, const struct yaml_node *root, struct scrape_set **out, struct buf *warnings, struct err *err)
{
    struct reading r = { .a = a, .warnings = warnings, .err = err };
    struct scrape_set *set = arena_new_of(a, struct scrape_set);
    const struct yaml_node *list = yaml_get(root, SLICE("scrape_configs"));
    enum status st = read_global(&r, root);
    if (!st)
        st = dns_config_read(a, root, &r.dns_servers, &r.dns_server_count, err);
    if (!st && list && list->type != YAML_SEQUENCE)
        st = yaml_fail(list, err, "scrape_configs: expected a list of jobs");
    if (!st && list && list->count > JOBS_MAX)
        st = yaml_fail(list, err, "scrape_configs: found %zu jobs, at most %d are allowed", list->count, JOBS_MAX);
    if (!st && list)
        st = read_jobs(&r, list, set);
    if (!st)
        *out = set;
    return st;
}

size_t scrape_set_jobs(const struct scrape_set *s)
{
    return s->job_count;
}

void scrape_set_start_zero(struct scrape_set *s)
{
    for (size_t i = 0; i < s->job_count; i++)
        s->jobs[i].start_zero = s->jobs[i].source.starts = true;
}
