/* SPDX-License-Identifier: Apache-2.0 */
/* Saturation: how full what a service runs on is, from 0 to 1, as CPU, memory, disk and pools of connections.
 *
 * A row of `ways` is one way to know it; the first row of a kind that gives something for a service counts. A container is
 * the service's when its name is; a group of processes when its command is; a process when it exports metrics itself. What
 * is left is the host's, the fullest of those known: every service has that. Processes are measured against the largest
 * host. */
#include "api/golden.h"

#include <math.h>

enum join { JOIN_CONTAINER, JOIN_JOB, JOIN_GROUP, JOIN_HOST };

#define CORES "scalar(max(count by (job, instance) (node_cpu_seconds_total{mode=\"idle\"})))"
#define MEMORY "scalar(max(node_memory_MemTotal_bytes))"
#define ON_DISK "fstype!~\"tmpfs|ramfs|squashfs|iso9660|erofs\""

static const struct way {
    enum fullness kind;
    enum join join;
    const char *scope;
    struct slice needs;     /* this metric, or the row gives nothing */
    const char *used, *limit; /* limit NULL: used is a share already */
} ways[] = {
    { FULL_CPU, JOIN_CONTAINER, "container", SLICE_INIT("container_spec_cpu_quota"),
      "sum by (name) (rate(container_cpu_usage_seconds_total{name=~\"$match\"}[$window]))",
      "sum by (name) (container_spec_cpu_quota{name=~\"$match\"} / container_spec_cpu_period{name=~\"$match\"})" },
    { FULL_CPU, JOIN_JOB, "process", SLICE_INIT("process_cpu_seconds_total"),
      "sum by ($by) (rate(process_cpu_seconds_total{$selector}[$window]))", CORES },
    { FULL_CPU, JOIN_JOB, "process", SLICE_INIT("process_cpu_usage"), "max by ($by) (process_cpu_usage{$selector})", NULL },
    { FULL_CPU, JOIN_CONTAINER, "container", SLICE_INIT("container_cpu_usage_seconds_total"),
      "sum by (name) (rate(container_cpu_usage_seconds_total{name=~\"$match\"}[$window]))", CORES },
    { FULL_CPU, JOIN_GROUP, "process", SLICE_INIT("namedprocess_namegroup_cpu_seconds_total"),
      "sum by (groupname) (rate(namedprocess_namegroup_cpu_seconds_total{groupname=~\"$match\"}[$window]))", CORES },
    { FULL_CPU, JOIN_HOST, "host", SLICE_INIT("node_cpu_seconds_total"),
      "max(1 - avg by (job, instance) (rate(node_cpu_seconds_total{mode=\"idle\"}[$window])))", NULL },

    { FULL_MEMORY, JOIN_CONTAINER, "container", SLICE_INIT("container_spec_memory_limit_bytes"),
      "sum by (name) (container_memory_working_set_bytes{name=~\"$match\"})",
      "sum by (name) (container_spec_memory_limit_bytes{name=~\"$match\"} > 0)" },
    { FULL_MEMORY, JOIN_JOB, "process", SLICE_INIT("process_resident_memory_bytes"),
      "sum by ($by) (process_resident_memory_bytes{$selector})", MEMORY },
    { FULL_MEMORY, JOIN_CONTAINER, "container", SLICE_INIT("container_memory_working_set_bytes"),
      "sum by (name) (container_memory_working_set_bytes{name=~\"$match\"})", MEMORY },
    { FULL_MEMORY, JOIN_GROUP, "process", SLICE_INIT("namedprocess_namegroup_memory_bytes"),
      "sum by (groupname) (namedprocess_namegroup_memory_bytes{groupname=~\"$match\",memtype=\"resident\"})", MEMORY },
    { FULL_MEMORY, JOIN_HOST, "host", SLICE_INIT("node_memory_MemAvailable_bytes"),
      "max(1 - node_memory_MemAvailable_bytes / node_memory_MemTotal_bytes)", NULL },

    { FULL_DISK, JOIN_HOST, "host", SLICE_INIT("node_filesystem_avail_bytes"),
      "max(1 - node_filesystem_avail_bytes{" ON_DISK "} / (node_filesystem_size_bytes{" ON_DISK "} > 0))", NULL },
};

/* Pools by the names of known libraries, and any X + suffix pair with "pool" in X. */
static const struct {
    struct slice used, match, limit;
} pools[] = {
    { SLICE_INIT("db_client_connections_usage"), SLICE_INIT("state=\"used\","), SLICE_INIT("db_client_connections_max") },
    { SLICE_INIT("db_client_connection_count"), SLICE_INIT("db_client_connection_state=\"used\","), SLICE_INIT("db_client_connection_max") },
    { SLICE_INIT("hikaricp_connections_active"), SLICE_INIT(""), SLICE_INIT("hikaricp_connections_max") },
    { SLICE_INIT("jdbc_connections_active"), SLICE_INIT(""), SLICE_INIT("jdbc_connections_max") },
    { SLICE_INIT("tomcat_threads_busy_threads"), SLICE_INIT(""), SLICE_INIT("tomcat_threads_config_max_threads") },
    { SLICE_INIT("jetty_threads_busy"), SLICE_INIT(""), SLICE_INIT("jetty_threads_config_max") },
    { SLICE_INIT("go_sql_in_use_connections"), SLICE_INIT(""), SLICE_INIT("go_sql_max_open_connections") },
    { SLICE_INIT("go_sql_stats_connections_in_use"), SLICE_INIT(""), SLICE_INIT("go_sql_stats_connections_max_open") },
    { SLICE_INIT("pgbouncer_databases_current_connections"), SLICE_INIT(""), SLICE_INIT("pgbouncer_databases_max_connections") },
    { SLICE_INIT("mysql_global_status_threads_connected"), SLICE_INIT(""), SLICE_INIT("mysql_global_variables_max_connections") },
    { SLICE_INIT("redis_connected_clients"), SLICE_INIT(""), SLICE_INIT("redis_config_maxclients") },
};
static const struct {
    struct slice used, limit;
} pool_pairs[] = {
    { SLICE_INIT("_in_use"), SLICE_INIT("_max") }, { SLICE_INIT("_in_use"), SLICE_INIT("_size") }, { SLICE_INIT("_active"), SLICE_INIT("_max") },
    { SLICE_INIT("_used"), SLICE_INIT("_max") },   { SLICE_INIT("_used"), SLICE_INIT("_size") },   { SLICE_INIT("_active"), SLICE_INIT("_size") },
    { SLICE_INIT("_connections"), SLICE_INIT("_connections_max") },
};
static const char pool_template[] = "max by ($by) (sum without (state, db_client_connection_state) ($used{$match$selector}) / "
                                    "(sum without (state, db_client_connection_state) ($limit{$selector}) > 0))";

/* The service that labels speak of. */
static struct golden_service *service_of(struct golden *g, enum join join, struct slice labels)
{
    switch (join) {
    case JOIN_CONTAINER: return golden_find(g, labels_get(labels, SLICE("name")));
    case JOIN_GROUP: return golden_find(g, labels_get(labels, SLICE("groupname")));
    case JOIN_HOST: return NULL;
    case JOIN_JOB: break;
    }
    struct slice name = labels_get(labels, SLICE("service_name")), job = labels_get(labels, SLICE("job")), head, tail, rest = job;
    struct golden_service *s = golden_find(g, name.len ? name : job);
    if (s)
        return s;
    for (name = job; slice_cut(rest, '/', &head, &tail); rest = tail)
        name = tail;
    return golden_find(g, name);
}

static struct slice selector_of(struct golden *g, const struct golden_service *s)
{
    return s->selector.len ? s->selector : golden_matcher(g->a, SLICE("job"), s->name);
}

/* The names of all services, for one query over all; for a person one query of one. */
static struct golden_words words_of(struct golden *g, const struct way *way, const struct golden_service *s)
{
    struct golden_words w = { .window_s = golden_window_s(g), .match = SLICE(".+") };
    if (s) {
        w.match = s->name;
        w.selector = selector_of(g, s);
    } else if (way == NULL || way->join == JOIN_JOB) {
        w.by = SLICE("job, service_name");
    }
    return w;
}

static struct slice way_text(struct golden *g, const struct way *way, const struct golden_service *s, bool share)
{
    struct golden_words w = words_of(g, way, s);
    struct slice used = golden_text(g, way->used, &w);
    return share && way->limit ? arena_printf(g->a, "%.*s / %.*s", SLICE_FMT(used), SLICE_FMT(golden_text(g, way->limit, &w))) : used;
}

static enum status read_way(struct golden *g, const struct way *way, struct err *err)
{
    struct value v;
    enum status st = golden_range(g, g->q->api->promql, way_text(g, way, NULL, true), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct golden_service *s = service_of(g, way->join, v.series[i].labels);
        struct golden_fullness *to = way->join == JOIN_HOST ? &g->host[way->kind] : s ? &s->full[way->kind] : NULL;
        if (to == NULL || to->ratio)
            continue;
        double *line = golden_line(g);
        golden_put_points(g, &v.series[i], line);
        if (way->join != JOIN_HOST && golden_last(g, line) == SIZE_MAX)
            continue; /* without a limit the division gives nothing: another way may */
        *to = (struct golden_fullness){ line, way->scope, way_text(g, way, s, true) };
    }
    return st;
}

static enum status read_memory(struct golden *g, const struct way *way, struct err *err)
{
    struct value v;
    enum status st = golden_instant(g, g->q->api->promql, way_text(g, way, NULL, false), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct golden_service *s = service_of(g, way->join, v.series[i].labels);
        if (s && isnan(s->memory_bytes))
            s->memory_bytes = v.series[i].v[0];
    }
    return st;
}

static enum status read_pool(struct golden *g, struct slice used, struct slice match, struct slice limit, size_t *done, struct err *err)
{
    struct golden_words w = words_of(g, NULL, NULL);
    struct value v;
    if (!golden_has_name(g, used) || !golden_has_name(g, limit) || *done == GOLDEN_POOLS_MAX)
        return ST_OK;
    ++*done;
    w.used = used;
    w.match = match;
    w.limit = limit;
    enum status st = golden_range(g, g->q->api->promql, golden_text(g, pool_template, &w), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct golden_service *s = service_of(g, JOIN_JOB, v.series[i].labels);
        if (s == NULL || s->full[FULL_POOL].ratio)
            continue;
        double *line = golden_line(g);
        golden_put_points(g, &v.series[i], line);
        w.by = SLICE_EMPTY;
        w.selector = selector_of(g, s);
        s->full[FULL_POOL] = (struct golden_fullness){ line, "pool", golden_text(g, pool_template, &w) };
    }
    return st;
}

static enum status read_pools(struct golden *g, struct err *err)
{
    enum status st = ST_OK;
    size_t done = 0;
    for (size_t i = 0; !st && i < COUNT_OF(pools); i++)
        st = read_pool(g, pools[i].used, pools[i].match, pools[i].limit, &done, err);
    for (size_t i = 0; !st && i < g->name_count; i++) {
        for (size_t k = 0; !st && k < COUNT_OF(pool_pairs); k++) {
            struct slice name = g->names[i];
            if (!slice_ends(name, pool_pairs[k].used) || !slice_contains(name, SLICE("pool")))
                continue;
            struct slice stem = slice_sub(name, 0, name.len - pool_pairs[k].used.len);
            st = read_pool(g, name, SLICE_EMPTY, arena_printf(g->a, "%.*s%.*s", SLICE_FMT(stem), SLICE_FMT(pool_pairs[k].limit)), &done, err);
        }
    }
    return st;
}

static enum status read_number(struct golden *g, const char *text, struct slice needs, double *out, struct err *err)
{
    struct value v;
    if (!golden_has_name(g, needs))
        return ST_OK;
    enum status st = golden_instant(g, g->q->api->promql, slice_str(text), &v, err);
    if (!st && v.series_count)
        *out = v.series[0].v[0];
    return st;
}

enum status golden_saturation(struct golden *g, struct err *err)
{
    enum status st = ST_OK;
    if (g->count == 0)
        return ST_OK;
    for (size_t i = 0; !st && i < COUNT_OF(ways); i++) {
        if (!golden_has_name(g, ways[i].needs))
            continue;
        st = read_way(g, &ways[i], err);
        if (!st && ways[i].kind == FULL_MEMORY && ways[i].join != JOIN_HOST)
            st = read_memory(g, &ways[i], err);
    }
    if (!st)
        st = read_pools(g, err);
    if (!st)
        st = read_number(g, "max(node_memory_MemTotal_bytes)", SLICE("node_memory_MemTotal_bytes"), &g->memory_total_bytes, err);
    if (!st)
        st = read_number(g, "max(node_memory_MemTotal_bytes - node_memory_MemAvailable_bytes)", SLICE("node_memory_MemAvailable_bytes"),
                         &g->host_memory_bytes, err);
    return st;
}
