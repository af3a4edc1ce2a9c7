/* SPDX-License-Identifier: Apache-2.0 */
/* Our own API: status, flush, merge, health and the page of our own metrics. */
#include "alert/eval.h"
#include "api/handlers.h"
#include "api/prom_json.h"
#include "api/access.h"
#include "api/cardinality.h"
#include "api/cost.h"
#include "api/query_log.h"
#include "api/follow.h"
#include "api/self.h"
#include "api/intake.h"
#include "collect/collect.h"
#include "collect/syslog.h"
#include "pipeline/pipeline.h"
#include "probe/probe.h"

void self_healthy(void *user, struct http_exchange *x)
{
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"), SLICE("Stoa is healthy.\n"));
}

void self_ready(void *user, struct http_exchange *x)
{
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"), SLICE("Stoa is ready.\n"));
}

void self_reload(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct err err;
    enum status st = api->reload(api->server, &err);
    if (st)
        api_fail(x, st, &err);
    else
        http_reply(x, 200, SLICE("text/plain; charset=utf-8"), SLICE("configuration reloaded\n"));
}

void self_metrics(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct buf out;
    buf_init(&out, 0);
    api_metrics_text(api, &out);
    http_reply_buf(x, 200, SLICE("text/plain; version=0.0.4; charset=utf-8"), &out);
}

static void discovery_metrics(const struct api_sources *sources, struct buf *out)
{
    static const struct {
        const char *name, *help;
    } families[] = { { "stoa_sd_refreshes_total", "Looks at sources of targets; of Kubernetes: whole lists." },
                     { "stoa_sd_refresh_failures_total", "Looks, lists and watches that failed; the last good targets stayed." },
                     { "stoa_sd_updates_total", "Looks and events after which the targets were others." } };
    struct arena *a = arena_new(0);
    struct discovery_state *list;
    struct discovery_counts watch = { 0 };
    uint64_t counts[COUNT_OF(families)][DISCOVERY_KINDS] = { 0 };
    size_t n;
    sources->discovery(sources->arg, a, &list, &n);
    for (size_t i = 0; i < n; i++) {
        counts[0][list[i].kind] += list[i].refreshes;
        counts[1][list[i].kind] += list[i].failures;
        counts[2][list[i].kind] += list[i].updates;
        watch.events += list[i].watch.events;
        watch.restarts += list[i].watch.restarts;
    }
    for (size_t f = 0; f < COUNT_OF(families); f++) {
        buf_printf(out, "# HELP %s %s\n# TYPE %s counter\n", families[f].name, families[f].help, families[f].name);
        for (int i = 0; i < DISCOVERY_KINDS; i++)
            buf_printf(out, "%s{mechanism=\"%s\"} %llu\n", families[f].name, discovery_kind_name((enum discovery_kind)i),
                       (unsigned long long)counts[f][i]);
    }
    buf_printf(out, "# HELP stoa_sd_watch_events_total Events of Kubernetes that watches told.\n# TYPE stoa_sd_watch_events_total counter\n"
                    "stoa_sd_watch_events_total %llu\n"
                    "# HELP stoa_sd_watch_restarts_total Watches of Kubernetes that went on in another request.\n"
                    "# TYPE stoa_sd_watch_restarts_total counter\nstoa_sd_watch_restarts_total %llu\n",
               (unsigned long long)watch.events, (unsigned long long)watch.restarts);
    arena_free(a);
}

void api_metrics_text(struct api *api, struct buf *out)
{
    struct engine_stats stats;
    struct http_stats http = { 0 };
    api->engine->ops->stats(api->engine, &stats);
    if (api->http)
        http_server_stats(api->http, &http);
    self_metrics_page(api->self, &stats, &http, out);
    access_metrics(api, out);
    buf_printf(out, "# HELP stoa_config_last_reload_successful 0 when the last reload failed and the configuration before runs on.\n"
                    "# TYPE stoa_config_last_reload_successful gauge\nstoa_config_last_reload_successful %d\n"
                    "# HELP stoa_telemetry_dropped_total Own spans and log lines dropped because too many waited for the store.\n"
                    "# TYPE stoa_telemetry_dropped_total counter\nstoa_telemetry_dropped_total %llu\n"
                    "# HELP stoa_downsampled_days_total Days of samples that were downsampled.\n"
                    "# TYPE stoa_downsampled_days_total counter\nstoa_downsampled_days_total %llu\n"
                    "# HELP stoa_downsample_failures_total Days that could not be, and are tried again.\n"
                    "# TYPE stoa_downsample_failures_total counter\nstoa_downsample_failures_total %llu\n",
               !atomic_load(&api->reload_failed), (unsigned long long)atomic_load(&api->telemetry_dropped),
               (unsigned long long)atomic_load(&api->downsampled_days), (unsigned long long)atomic_load(&api->downsample_failures));
    buf_printf(out, "# HELP stoa_pipeline_rows_total Rows that a stage between ingest and store dropped or changed, by reason.\n"
                    "# TYPE stoa_pipeline_rows_total counter\n");
    for (int i = 0; i < PIPELINE_REASON_COUNT; i++)
        buf_printf(out, "stoa_pipeline_rows_total{reason=\"%s\",effect=\"%s\"} %llu\n", pipeline_reason_name((enum pipeline_reason)i),
                   pipeline_reason_is_drop((enum pipeline_reason)i) ? "dropped" : "changed",
                   (unsigned long long)pipeline_count(api->pipeline, (enum pipeline_reason)i));
    buf_printf(out, "# HELP stoa_redacted_total Texts taken out of rows before they were stored, by detector.\n"
                    "# TYPE stoa_redacted_total counter\n");
    for (int i = 0; i < REDACT_DETECTOR_COUNT; i++)
        buf_printf(out, "stoa_redacted_total{detector=\"%s\"} %llu\n", redact_detector_name((enum redact_detector)i),
                   (unsigned long long)pipeline_redacted(api->pipeline, (enum redact_detector)i));
    cost_metrics(api, out);
    if (api->intake)
        intake_metrics(api->intake, out);
    cardinality_metrics(api, out);
    if (api->queries)
        query_log_metrics(api->queries, out);
    if (api->follow)
        follow_metrics(api->follow, out);
    if (api->dispatch)
        dispatch_metrics(api->dispatch, out);
    if (api->alerts)
        alert_eval_metrics(api->alerts, out);
    if (api->probe)
        probe_metrics_text(api->probe, out);
    if (api->sources && api->sources->discovery)
        discovery_metrics(api->sources, out);
    if (api->push)
        push_http_metrics(api->push, out);
    if (api->statsd)
        statsd_http_metrics(api, out);
    if (api->logs)
        logs_metrics(api->logs, out);
    if (api->syslog)
        syslog_metrics(api->syslog, out);
    if (api->fold)
        correlation_metrics(api->fold, out);
}

static void put_warnings(struct api *api, struct http_exchange *x, struct json_writer *w)
{
    struct slice lines = api->warnings ? api->warnings(api->server, http_arena(x)) : SLICE_EMPTY, line;
    json_key(w, SLICE("warnings"));
    json_array_begin(w);
    while (slice_next(&lines, '\n', &line))
        json_string(w, line);
    json_array_end(w);
}

static void put_counts(struct json_writer *w, const struct api *api, const struct engine_stats *s)
{
    const struct {
        struct slice key;
        uint64_t value;
    } counts[] = {
        { SLICE("retention_seconds"), (uint64_t)(api->retention_ns / NS_S) },
        { SLICE("series"), s->series },
        { SLICE("streams"), s->streams },
        { SLICE("samples"), s->samples },
        { SLICE("log_records"), s->log_records },
        { SLICE("spans"), s->spans },
        { SLICE("disk_bytes"), s->disk_bytes },
        { SLICE("wal_bytes"), s->wal_bytes },
        { SLICE("memory_bytes"), s->memory_bytes },
        { SLICE("parts"), s->parts },
        { SLICE("memory_parts"), s->memory_parts },
        { SLICE("pending_rows"), s->pending_rows },
        { SLICE("merges"), s->merges },
        { SLICE("corrupt_blocks"), s->corrupt_blocks },
    };
    for (size_t i = 0; i < COUNT_OF(counts); i++) {
        json_key(w, counts[i].key);
        json_uint(w, counts[i].value);
    }
}

void stoa_status(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct engine_stats s;
    struct json_writer w;
    struct buf out;
    api->engine->ops->stats(api->engine, &s);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("version"));
    json_string(&w, api->version);
    json_key(&w, SLICE("revision"));
    json_string(&w, api->revision);
    json_key(&w, SLICE("uptime_seconds"));
    json_int(&w, (clock_wall_ns(api->clock) - api->started_ns) / NS_S);
    put_counts(&w, api, &s);
    json_key(&w, SLICE("read_only"));
    json_bool(&w, s.read_only);
    json_key(&w, SLICE("disk_full"));
    json_bool(&w, s.disk_full);
    json_key(&w, SLICE("disk_free_ratio"));
    json_double(&w, s.disk_total_bytes ? (double)s.disk_free_bytes / (double)s.disk_total_bytes : 1);
    put_warnings(api, x, &w);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

static void reply_done(struct http_exchange *x, enum status st, const struct err *err)
{
    if (st)
        api_fail(x, st, err);
    else
        http_reply(x, 200, SLICE("application/json"), SLICE("{\"status\":\"success\"}"));
}

static void run_job(struct api *api, struct http_exchange *x, const char *name, enum status (*job)(struct engine *, struct err *))
{
    struct err err;
    int64_t wall = clock_wall_ns(api->clock), start = clock_mono_ns(api->clock);
    enum status st = job(api->engine, &err);
    self_job_done(api->self, name, NULL, wall, clock_mono_ns(api->clock) - start, st, st ? err.text : "");
    reply_done(x, st, &err);
}

void stoa_flush(void *user, struct http_exchange *x)
{
    struct api *api = user;
    run_job(api, x, "flush", api->engine->ops->flush);
}

void stoa_merge(void *user, struct http_exchange *x)
{
    struct api *api = user;
    run_job(api, x, "merge", api->engine->ops->merge);
}
