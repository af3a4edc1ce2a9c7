/* SPDX-License-Identifier: Apache-2.0 */
/* Options are published as a whole, so that a request goes by one configuration from its first byte to its last row. */
#include "api/intake.h"

#include "pipeline/delta.h"
#include "pipeline/start.h"

struct intake {
    struct snap_cell options;
    struct delta *deltas;
    struct replica *replicas;
    struct starts *starts;
};

static void options_free(struct snap *snap)
{
    struct intake_options *o = (struct intake_options *)snap;
    arena_free(o->arena);
    mem_free(o);
}

static const struct slice *texts_copy(struct arena *a, const struct slice *list, size_t count)
{
    struct slice *copy = arena_array(a, struct slice, count + 1);
    for (size_t i = 0; i < count; i++)
        copy[i] = arena_copy(a, list[i]);
    return copy;
}

static void publish(struct intake *i, const struct intake_config *config)
{
    struct intake_options *o = mem_new(struct intake_options);
    o->arena = arena_new(0);
    o->otlp = config->otlp;
    o->otlp.promoted = texts_copy(o->arena, config->otlp.promoted, config->otlp.promoted_count);
    o->otlp.ignored = texts_copy(o->arena, config->otlp.ignored, config->otlp.ignored_count);
    o->start_zero = config->start_zero;
    snap_init(&o->snap, options_free);
    snap_publish(&i->options, &o->snap);
}

struct intake *intake_new(const struct intake_config *config, const struct last_reader *last, const struct replica_keeper *keeper)
{
    struct intake *i = mem_new(struct intake);
    mutex_init(&i->options.lock);
    i->deltas = delta_new(DELTA_STREAMS_MAX, last);
    i->replicas = replica_new(&config->replicas, keeper);
    i->starts = starts_new(INGEST_START_GAP_MS_MAX, last);
    publish(i, config);
    return i;
}

void intake_restore_election(struct intake *i, struct slice tenant, struct slice cluster, struct slice elected, int64_t now_ns)
{
    replica_restore(i->replicas, tenant, cluster, elected, now_ns);
}

void intake_free(struct intake *i)
{
    if (i == NULL)
        return;
    snap_drop(i->options.value);
    mutex_destroy(&i->options.lock);
    delta_free(i->deltas);
    replica_free(i->replicas);
    starts_free(i->starts);
    mem_free(i);
}

void intake_configure(struct intake *i, const struct intake_config *config)
{
    publish(i, config);
    replica_set(i->replicas, &config->replicas);
}

struct intake_options *intake_take(struct intake *i)
{
    return (struct intake_options *)snap_get(&i->options);
}

bool intake_start_is_new(struct intake *i, struct slice tenant, struct slice labels, int64_t start_ms, int64_t t_ms, int64_t received_ns)
{
    return starts_is_new(i->starts, tenant, labels, start_ms, t_ms, received_ns);
}

/* Replicas first: a delta is added up once. */
enum status intake_run(struct intake *i, struct batch *b, struct ingest_result *result, size_t *dropped, struct err *err)
{
    enum status st = replica_run(i->replicas, b, b->received_ns, dropped, err);
    if (!st)
        delta_run(i->deltas, b, result);
    return st;
}

/* ---- our own metrics ---- */

static void put_label(struct buf *out, const char *name, struct slice value)
{
    buf_printf(out, "%s=\"", name);
    for (size_t i = 0; i < value.len; i++) {
        char c = value.ptr[i];
        if (c == '\\' || c == '"')
            buf_char(out, '\\');
        buf_slice(out, c == '\n' ? SLICE("\\n") : slice_of(&c, 1));
    }
    buf_char(out, '"');
}

static void put_cluster(struct buf *out, const char *metric, const struct replica_cluster *c, uint64_t v)
{
    buf_printf(out, "%s{", metric);
    put_label(out, "tenant", c->tenant);
    buf_char(out, ',');
    put_label(out, "cluster", c->cluster);
    buf_printf(out, "} %llu\n", (unsigned long long)v);
}

void intake_metrics(struct intake *i, struct buf *out)
{
    struct delta_stats d = delta_stats(i->deltas);
    struct arena *a = arena_new(0);
    struct replica_cluster *list;
    size_t count;
    buf_printf(out, "# HELP stoa_delta_streams Streams of deltas whose totals are kept in memory.\n# TYPE stoa_delta_streams gauge\n"
                    "stoa_delta_streams %llu\n# HELP stoa_delta_histogram_bytes Memory of totals of native histograms.\n"
                    "# TYPE stoa_delta_histogram_bytes gauge\nstoa_delta_histogram_bytes %llu\n",
               (unsigned long long)d.streams, (unsigned long long)d.histogram_bytes);
    buf_printf(out, "# HELP stoa_delta_samples_total Deltas, by what became of them.\n# TYPE stoa_delta_samples_total counter\n"
                    "stoa_delta_samples_total{result=\"added\"} %llu\nstoa_delta_samples_total{result=\"repeated\"} %llu\n"
                    "stoa_delta_samples_total{result=\"late\"} %llu\nstoa_delta_samples_total{result=\"limit\"} %llu\n",
               (unsigned long long)d.added, (unsigned long long)d.repeated, (unsigned long long)d.refused_late, (unsigned long long)d.refused_limit);
    buf_printf(out, "# HELP stoa_delta_restored_streams_total Streams of deltas that went on from their last stored sample after a restart.\n"
                    "# TYPE stoa_delta_restored_streams_total counter\nstoa_delta_restored_streams_total %llu\n",
               (unsigned long long)d.restored);
    replica_clusters(i->replicas, a, &list, &count);
    buf_printf(out, "# HELP stoa_ha_dropped_samples_total Samples of replicas that were not the elected one.\n"
                    "# TYPE stoa_ha_dropped_samples_total counter\n");
    for (size_t k = 0; k < count; k++)
        put_cluster(out, "stoa_ha_dropped_samples_total", &list[k], list[k].dropped);
    buf_printf(out, "# HELP stoa_ha_failovers_total Times another replica was elected.\n# TYPE stoa_ha_failovers_total counter\n");
    for (size_t k = 0; k < count; k++)
        put_cluster(out, "stoa_ha_failovers_total", &list[k], list[k].failovers);
    buf_printf(out, "# HELP stoa_ha_heard_timestamp_seconds When the elected replica was heard last.\n"
                    "# TYPE stoa_ha_heard_timestamp_seconds gauge\n");
    for (size_t k = 0; k < count; k++)
        put_cluster(out, "stoa_ha_heard_timestamp_seconds", &list[k], (uint64_t)(list[k].heard_ns / NS_S));
    arena_free(a);
}

/* ---- configuration ---- */

static enum status read_replicas(const struct yaml_node *n, struct replica_options *out, struct err *err)
{
    static const struct slice keys[] = { SLICE_INIT("enabled"), SLICE_INIT("cluster_label"), SLICE_INIT("replica_label"),
                                         SLICE_INIT("failover_timeout"), SLICE_INIT("clusters_max") };
    *out = replica_options_default();
    int64_t clusters_max = (int64_t)out->clusters_max;
    if (n && n->type != YAML_MAP)
        return yaml_fail(n, err, "ha_tracker: expected a map");
    enum status st = yaml_only(n, keys, COUNT_OF(keys), err);
    if (!st)
        st = yaml_bool(n, keys[0], &out->is_on, err);
    if (!st)
        st = yaml_text(n, keys[1], &out->cluster_label, err);
    if (!st)
        st = yaml_text(n, keys[2], &out->replica_label, err);
    if (!st)
        st = yaml_duration(n, keys[3], &out->failover_ns, err);
    if (!st)
        st = yaml_int(n, keys[4], 1, REPLICA_CLUSTERS_MAX, &clusters_max, err);
    out->clusters_max = (size_t)clusters_max;
    if (!st && (out->cluster_label.len == 0 || out->replica_label.len == 0 || slice_eq(out->cluster_label, out->replica_label)))
        return yaml_fail(n, err, "ha_tracker: cluster_label and replica_label must be two labels");
    if (!st && out->failover_ns < NS_S)
        return yaml_fail(n, err, "ha_tracker: failover_timeout: at least 1s");
    return st;
}

enum status intake_config_read(struct arena *a, const struct yaml_node *root, struct intake_config *out, struct err *err)
{
    enum status st = otlp_options_read(a, yaml_get(root, SLICE("otlp")), &out->otlp, err);
    return st ? st : read_replicas(yaml_get(root, SLICE("ha_tracker")), &out->replicas, err);
}
