/* SPDX-License-Identifier: Apache-2.0 */
/* Top-level keys of all files are put into one map; then one table says for each key who reads it. Prometheus's file is read
 * by the scraper; what Prometheus, Alertmanager and blackbox_exporter know and we do not serve yet is told, not refused. */
#include "server/config.h"

#include <stdio.h>

#include "alert/dispatch.h"
#include "server/config_global.h"
#include "server/config_text.h"

#define HOUR_NS (3600 * NS_S)

static enum status read_listen(struct config *c, const struct yaml_node *root, struct err *err)
{
    return yaml_text(root, SLICE("listen"), &c->listen, err);
}

static enum status read_data(struct config *c, const struct yaml_node *root, struct err *err)
{
    return yaml_text(root, SLICE("data"), &c->data, err);
}

static enum status read_external_url(struct config *c, const struct yaml_node *root, struct err *err)
{
    enum status st = yaml_text(root, SLICE("external_url"), &c->external_url, err);
    while (!st && slice_ends(c->external_url, SLICE("/")))
        c->external_url.len--;
    if (!st && c->external_url.len && !slice_starts(c->external_url, SLICE("http://")) && !slice_starts(c->external_url, SLICE("https://")))
        return yaml_fail(yaml_get(root, SLICE("external_url")), err, "external_url: found \"%.*s\", expected http://HOST or https://HOST",
                         SLICE_FMT(c->external_url));
    return st;
}

static enum status read_redaction(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("profile") };
    const struct yaml_node *n = yaml_get(root, SLICE("redaction"));
    struct slice profile = SLICE("default");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &profile, err);
    if (!st && !redact_profile_parse(profile, &c->redaction))
        return yaml_fail(yaml_get(n, keys[0]), err, "redaction: profile \"%.*s\"; allowed are default, article and off", SLICE_FMT(profile));
    return st;
}

static enum status read_retention(struct config *c, const struct yaml_node *root, struct err *err)
{
    enum status st = yaml_duration(root, SLICE("retention"), &c->retention_ns, err);
    if (!st && c->retention_ns < HOUR_NS)
        return yaml_fail(yaml_get(root, SLICE("retention")), err, "retention: found less than 1h, which is the least allowed");
    return st;
}

static enum status read_tls(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("cert_file"), SLICE_INIT("key_file")};
    const struct yaml_node *n = yaml_get(root, SLICE("tls"));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &c->tls_cert, err);
    if (!st)
        st = yaml_text(n, keys[1], &c->tls_key, err);
    if (!st && n && (c->tls_cert.len == 0 || c->tls_key.len == 0))
        return yaml_fail(n, err, "tls: both cert_file and key_file are needed");
    return st;
}

static enum status read_store(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("memory_raw"),      SLICE_INIT("memory_parts"),     SLICE_INIT("cache"),
                                        SLICE_INIT("wal_segment"),     SLICE_INIT("flush_interval"),   SLICE_INIT("bytes_in_flight"),
                                        SLICE_INIT("disk_warn_ratio"), SLICE_INIT("disk_refuse_ratio")};
    const struct yaml_node *n = yaml_get(root, SLICE("store"));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    uint64_t *const sizes[] = {&c->memory_raw_bytes, &c->memory_parts_bytes, &c->cache_bytes, &c->wal_segment_bytes};
    for (size_t i = 0; !st && i < COUNT_OF(sizes); i++)
        st = yaml_size(n, keys[i], sizes[i], err);
    if (!st)
        st = yaml_duration(n, keys[4], &c->flush_interval_ns, err);
    if (!st)
        st = yaml_size(n, keys[5], &c->in_flight_bytes, err);
    if (!st)
        st = yaml_double(n, keys[6], 0, 1, &c->disk_warn_ratio, err);
    return st ? st : yaml_double(n, keys[7], 0, 1, &c->disk_refuse_ratio, err);
}

static enum status read_host(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("enabled"), SLICE_INIT("interval"), SLICE_INIT("paths"), SLICE_INIT("processes")};
    static const struct slice path_keys[] = {SLICE_INIT("proc"), SLICE_INIT("sys"), SLICE_INIT("rootfs")};
    const struct yaml_node *n = yaml_get(root, SLICE("host")), *paths = yaml_get(n, SLICE("paths"));
    struct slice *const places[] = {&c->host.proc, &c->host.sys, &c->host.rootfs};
    int64_t processes = (int64_t)c->host.processes_max;
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_only(paths, path_keys, COUNT_OF(path_keys), err);
    if (!st)
        st = yaml_bool(n, keys[0], &c->host_enabled, err);
    if (!st)
        st = yaml_duration(n, keys[1], &c->host.interval_ns, err);
    if (!st && c->host.interval_ns < NS_S)
        return yaml_fail(yaml_get(n, keys[1]), err, "interval: found less than 1s, which is the least allowed");
    for (size_t i = 0; !st && i < COUNT_OF(places); i++)
        st = yaml_text(paths, path_keys[i], places[i], err);
    if (!st)
        st = yaml_int(n, keys[3], 0, 1000, &processes, err);
    c->host.processes_max = (size_t)processes;
    return st;
}

static enum status read_self(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("enabled")};
    const struct yaml_node *n = yaml_get(root, SLICE("self"));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    return st ? st : yaml_bool(n, keys[0], &c->self_enabled, err);
}

static enum status read_login(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("required")};
    const struct yaml_node *n = yaml_get(root, SLICE("login"));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    return st ? st : yaml_bool(n, keys[0], &c->login_required, err);
}

static enum status read_listener(struct config *c, const struct yaml_node *n, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("dialect"), SLICE_INIT("address"), SLICE_INIT("tls"), SLICE_INIT("parser")};
    static const struct slice tls_keys[] = {SLICE_INIT("cert_file"), SLICE_INIT("key_file")};
    static const struct slice dialects[] = {SLICE_INIT("prometheus"), SLICE_INIT("loki"), SLICE_INIT("otlp_http"), SLICE_INIT("otlp_grpc"),
                                            SLICE_INIT("jaeger_query"), SLICE_INIT("jaeger_thrift"), SLICE_INIT("zipkin"), SLICE_INIT("tempo"),
                                            SLICE_INIT("pushgateway"), SLICE_INIT("elastic"), SLICE_INIT("statsd"), SLICE_INIT("dogstatsd"),
                                            SLICE_INIT("syslog")};
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    struct config_listener *l = &c->listeners[c->listener_count];
    size_t i = 0;
    if (!st && c->listener_count == CONFIG_LISTENERS_MAX)
        return yaml_fail(n, err, "listeners: more than %d", CONFIG_LISTENERS_MAX);
    if (!st)
        st = yaml_text(n, keys[0], &l->dialect, err);
    if (!st)
        st = yaml_text(n, keys[1], &l->address, err);
    if (!st)
        st = yaml_only(yaml_get(n, keys[2]), tls_keys, COUNT_OF(tls_keys), err);
    if (!st)
        st = yaml_text(yaml_get(n, keys[2]), tls_keys[0], &l->tls_cert, err);
    if (!st)
        st = yaml_text(yaml_get(n, keys[2]), tls_keys[1], &l->tls_key, err);
    if (!st)
        st = yaml_text(n, keys[3], &l->parser, err);
    if (st)
        return st;
    while (i < COUNT_OF(dialects) && !slice_eq(dialects[i], l->dialect))
        i++;
    if (i == COUNT_OF(dialects) || l->address.len == 0)
        return yaml_fail(n, err,
                         "listeners: dialect \"%.*s\", address \"%.*s\": allowed are prometheus, loki, otlp_http, otlp_grpc, jaeger_query, "
                         "jaeger_thrift, zipkin, tempo, pushgateway, elastic, statsd, dogstatsd, syslog and an address such as 127.0.0.1:9090",
                         SLICE_FMT(l->dialect), SLICE_FMT(l->address));
    if (l->parser.len && !slice_eq(l->dialect, SLICE("syslog")))
        return yaml_fail(n, err, "listeners: %.*s: parser is of syslog alone", SLICE_FMT(l->dialect));
    if (slice_eq(l->dialect, SLICE("syslog")) && l->tls_key.len && l->tls_cert.len == 0)
        return yaml_fail(n, err, "listeners: syslog: tls needs cert_file");
    c->listener_count++;
    return ST_OK;
}

static enum status read_listeners(struct config *c, const struct yaml_node *root, struct err *err)
{
    const struct yaml_node *n = yaml_get(root, SLICE("listeners"));
    if (n == NULL)
        return ST_OK;
    if (n->type != YAML_SEQUENCE)
        return yaml_fail(n, err, "listeners: expected a list of {dialect, address, tls}");
    c->listeners_given = true;
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < n->count; i++)
        st = read_listener(c, n->items[i], err);
    return st;
}

static enum status read_scrapes(struct config *c, const struct yaml_node *root, struct err *err)
{
    enum status st = scrape_config_read(c->arena, root, &c->scrapes, &c->warnings, err);
    if (!st && c->features & FEATURE_START_ZERO)
        scrape_set_start_zero(c->scrapes);
    return st;
}

static enum status read_checks(struct config *c, const struct yaml_node *root, struct err *err)
{
    return check_config_read(c->arena, root, &c->checks, &c->warnings, err);
}

static enum status read_modules(struct config *c, const struct yaml_node *root, struct err *err)
{
    return module_config_read(c->arena, root, &c->modules, &c->warnings, err);
}

static enum status read_rum(struct config *c, const struct yaml_node *root, struct err *err)
{
    return rum_config_read(c->arena, root, &c->rum, &c->warnings, err);
}

/* Everything of alertmanager.yml, with defaults when none of it is there. */
static enum status read_notify(struct config *c, const struct yaml_node *root, struct err *err)
{
    return dispatch_config_read(c->arena, root, &c->notify, &c->warnings, err);
}

/* groups, alerts, rule_files and of global what concerns rules: all at once. */
static enum status read_rules(struct config *c, const struct yaml_node *root, struct err *err)
{
    return config_rules_read(c, c->fs, root, err);
}

static enum status read_encryption(struct config *c, const struct yaml_node *root, struct err *err)
{
    static const struct slice keys[] = {SLICE_INIT("key_file")};
    const struct yaml_node *n = yaml_get(root, SLICE("encryption"));
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_text(n, keys[0], &c->encryption_key, err);
    if (!st && n && c->encryption_key.len == 0)
        return yaml_fail(n, err, "encryption: key_file is needed: a file of 32 bytes or 64 hex digits");
    return st;
}

static enum status read_correlation(struct config *c, const struct yaml_node *root, struct err *err)
{
    return fold_config_read(c->arena, root, &c->fold, &c->warnings, err);
}

static enum status read_cardinality(struct config *c, const struct yaml_node *root, struct err *err)
{
    return firewall_config_read(c->arena, root, &c->firewall, err);
}

/* otlp and ha_tracker. */
static enum status read_intake(struct config *c, const struct yaml_node *root, struct err *err)
{
    c->intake = arena_new_of(c->arena, struct intake_config);
    c->intake->start_zero = c->features & FEATURE_START_ZERO;
    return intake_config_read(c->arena, root, c->intake, err);
}

static enum status read_classes(struct config *c, const struct yaml_node *root, struct err *err)
{
    return class_config_read(c->arena, root, &c->classes, &c->warnings, err);
}

static enum status read_samples(struct config *c, const struct yaml_node *root, struct err *err)
{
    return sample_config_read(c->arena, root, &c->samples, &c->warnings, err);
}

static enum status read_statsd(struct config *c, const struct yaml_node *root, struct err *err)
{
    return statsd_config_read(c->arena, root, &c->statsd, err);
}

static enum status read_elsewhere(struct config *c, const struct yaml_node *root, struct err *err)
{
    return ST_OK;
}

/* NULL: known to Prometheus, Alertmanager or blackbox_exporter, not served by this version. */
static const struct {
    struct slice key;
    enum status (*read)(struct config *c, const struct yaml_node *root, struct err *err);
} sections[] = {
    {SLICE_INIT("listen"), read_listen},
    {SLICE_INIT("data"), read_data},
    {SLICE_INIT("external_url"), read_external_url},
    {SLICE_INIT("redaction"), read_redaction},
    {SLICE_INIT("retention"), read_retention},
    {SLICE_INIT("tls"), read_tls},
    {SLICE_INIT("store"), read_store},
    {SLICE_INIT("host"), read_host},
    {SLICE_INIT("logs"), config_logs_read},
    {SLICE_INIT("self"), read_self},
    {SLICE_INIT("listeners"), read_listeners},
    {SLICE_INIT("login"), read_login},
    {SLICE_INIT("scrape_configs"), read_scrapes},
    {SLICE_INIT("checks"), read_checks},
    {SLICE_INIT("modules"), read_modules},
    {SLICE_INIT("rum"), read_rum},
    {SLICE_INIT("statsd"), read_statsd},
    {SLICE_INIT("dns"), read_elsewhere}, /* read with scrape_configs */
    {SLICE_INIT("correlation"), read_correlation},
    {SLICE_INIT("cardinality"), read_cardinality},
    {SLICE_INIT("query"), config_query_read},
    {SLICE_INIT("web"), config_web_read},
    {SLICE_INIT("global"), NULL}, /* read with scrape_configs */
    {SLICE_INIT("rule_files"), read_rules},
    {SLICE_INIT("scrape_config_files"), NULL},
    {SLICE_INIT("alerting"), NULL},
    {SLICE_INIT("remote_write"), NULL},
    {SLICE_INIT("remote_read"), NULL},
    {SLICE_INIT("storage"), read_elsewhere}, /* read with retention_policies */
    {SLICE_INIT("tracing"), NULL},
    {SLICE_INIT("otlp"), read_intake},
    {SLICE_INIT("ha_tracker"), read_elsewhere}, /* read with otlp */
    {SLICE_INIT("runtime"), NULL},
    {SLICE_INIT("rules"), read_elsewhere},  /* read with rule_files */
    {SLICE_INIT("groups"), read_elsewhere}, /* read with rule_files */
    {SLICE_INIT("alerts"), read_elsewhere}, /* read with rule_files */
    {SLICE_INIT("route"), read_notify},
    {SLICE_INIT("receivers"), read_elsewhere},           /* read with route, as all that follow */
    {SLICE_INIT("alertmanager_global"), read_elsewhere}, /* what `global` says about notification */
    {SLICE_INIT("inhibit_rules"), read_elsewhere},
    {SLICE_INIT("templates"), read_elsewhere},
    {SLICE_INIT("mute_time_intervals"), read_elsewhere},
    {SLICE_INIT("time_intervals"), read_elsewhere},
    {SLICE_INIT("retention_policies"), read_classes},
    {SLICE_INIT("encryption"), read_encryption},
    {SLICE_INIT("filters"), read_elsewhere}, /* read with sampling, as the next two */
    {SLICE_INIT("duplicates"), read_elsewhere},
    {SLICE_INIT("rate_limits"), read_elsewhere},
    {SLICE_INIT("sampling"), read_samples},
};

static void set_defaults(struct config *c)
{
    c->listen = SLICE("127.0.0.1:7862");
    c->data = SLICE("./data");
    c->retention_ns = 31 * 24 * HOUR_NS;
    c->in_flight_bytes = 256 * MIB;
    c->disk_warn_ratio = 0.10;
    c->disk_refuse_ratio = 0.05;
    c->host_enabled = c->self_enabled = true;
    c->host = (struct host_options){5 * NS_S, SLICE("/proc"), SLICE("/sys"), SLICE("/"), 20};
    c->logs = (struct logs_options){.journal = true, .line_bytes_max = EVENT_BODY_BYTES_MAX};
    c->logs_join.mode = JOIN_AUTO;
    config_logs_defaults(c);
}

/* Lists of rules in several files add up. */
static bool adds_up(const struct yaml_node *all, const struct yaml_node *file, size_t k, size_t i)
{
    bool is_list = slice_eq(file->keys[i], SLICE("groups")) || slice_eq(file->keys[i], SLICE("alerts"));
    return is_list && all->items[k]->type == YAML_SEQUENCE && file->items[i]->type == YAML_SEQUENCE;
}

static struct yaml_node *concatenate(struct arena *a, const struct yaml_node *first, const struct yaml_node *second)
{
    struct yaml_node *both = arena_new_of(a, struct yaml_node);
    *both = *first;
    both->count = first->count + second->count;
    both->nodes = first->nodes + second->nodes;
    both->items = arena_array(a, struct yaml_node *, both->count + 1);
    memcpy(both->items, first->items, first->count * sizeof *both->items);
    memcpy(both->items + first->count, second->items, second->count * sizeof *both->items);
    return both;
}

/* Adds the keys of one file to the merged map. */
static enum status merge(struct config *c, struct yaml_node *all, const struct yaml_node *file, struct err *err)
{
    if (file->type != YAML_MAP)
        return yaml_fail(file, err, "expected a map of keys at the top");
    for (size_t i = 0; i < file->count; i++) {
        size_t same = 0;
        while (same < all->count && !slice_eq(all->keys[same], file->keys[i]))
            same++;
        if (same < all->count && adds_up(all, file, same, i)) {
            all->items[same] = concatenate(c->arena, all->items[same], file->items[i]);
            continue;
        }
        for (size_t k = 0; k < all->count; k++)
            if (slice_eq(all->keys[k], file->keys[i]))
                return err_set(err, ST_INVALID, "%.*s:%d: key \"%.*s\" stands in %.*s:%d already", SLICE_FMT(file->file), file->key_lines[i],
                               SLICE_FMT(file->keys[i]), SLICE_FMT(all->items[k]->file), all->key_lines[k]);
        size_t n = all->count;
        all->keys = arena_grow(c->arena, all->keys, n * sizeof *all->keys, (n + 1) * sizeof *all->keys);
        all->key_lines = arena_grow(c->arena, all->key_lines, n * sizeof *all->key_lines, (n + 1) * sizeof *all->key_lines);
        all->items = arena_grow(c->arena, all->items, n * sizeof *all->items, (n + 1) * sizeof *all->items);
        all->keys[n] = file->keys[i];
        all->key_lines[n] = file->key_lines[i];
        all->items[n] = file->items[i];
        all->count++;
    }
    return ST_OK;
}

static enum status load_file(struct config *c, struct fs *fs, struct slice path, struct yaml_node *all, struct err *err)
{
    struct buf text;
    struct yaml_node *file;
    struct slice name = arena_copy(c->arena, path);
    buf_init(&text, 0);
    enum status st = fs_read_all(fs, name.ptr, CONFIG_FILE_BYTES_MAX, &text, err);
    if (!st)
        st = yaml_parse(c->arena, name, buf_as_slice(&text), &file, err);
    if (!st)
        config_split_global(c->arena, file);
    if (!st)
        st = merge(c, all, file, err);
    buf_free(&text);
    return st;
}

static enum status check_keys(struct config *c, const struct yaml_node *all, struct err *err)
{
    struct slice known[COUNT_OF(sections)];
    for (size_t i = 0; i < COUNT_OF(sections); i++)
        known[i] = sections[i].key;
    for (size_t i = 0; i < all->count; i++) {
        size_t k = 0;
        while (k < COUNT_OF(sections) && !slice_eq(sections[k].key, all->keys[i]))
            k++;
        if (k == COUNT_OF(sections)) {
            struct slice near = yaml_suggest(all->keys[i], known, COUNT_OF(known));
            return err_set(err, ST_INVALID, "%.*s:%d: unknown key \"%.*s\"%s%.*s%s", SLICE_FMT(all->items[i]->file), all->key_lines[i],
                           SLICE_FMT(all->keys[i]), near.len ? "; did you mean \"" : "", SLICE_FMT(near), near.len ? "\"?" : "");
        }
        if (sections[k].read == NULL && !slice_eq(all->keys[i], SLICE("global")))
            buf_printf(&c->warnings, "%.*s:%d: \"%.*s\" is known but not served by this version\n", SLICE_FMT(all->items[i]->file),
                       all->key_lines[i], SLICE_FMT(all->keys[i]));
    }
    return ST_OK;
}

enum status config_read(struct fs *fs, const struct slice *paths, size_t count, uint32_t features, struct config **out, struct err *err)
{
    struct arena *a = arena_new(0);
    struct config *c = arena_new_of(a, struct config);
    struct yaml_node *all = arena_new_of(a, struct yaml_node);
    enum status st = ST_OK;
    c->arena = a;
    c->fs = fs;
    c->features = features;
    all->type = YAML_MAP;
    all->line = 1;
    buf_init(&c->warnings, 64 * KIB);
    set_defaults(c);
    for (size_t i = 0; !st && i < count; i++)
        st = load_file(c, fs, paths[i], all, err);
    if (!st)
        st = check_keys(c, all, err);
    for (size_t i = 0; !st && i < COUNT_OF(sections); i++)
        if (sections[i].read)
            st = sections[i].read(c, all, err);
    if (!st && c->disk_refuse_ratio > c->disk_warn_ratio)
        st = err_set(err, ST_INVALID, "store: disk_refuse_ratio %g is above disk_warn_ratio %g", c->disk_refuse_ratio, c->disk_warn_ratio);
    if (st) {
        config_free(c);
        return st;
    }
    c->text = config_text(a, all);
    *out = c;
    return ST_OK;
}

void config_free(struct config *c)
{
    if (c == NULL)
        return;
    buf_free(&c->warnings);
    dispatch_config_free(c->notify);
    config_logs_free(c);
    arena_free(c->arena);
}
