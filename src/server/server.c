/* SPDX-License-Identifier: Apache-2.0 */
/* Order of start: configuration, store (recovery), parts (state.h), HTTP, collectors, own telemetry. Order of end: the reverse,
 * so that whatever still produces rows has stopped before the store flushes. Signals are taken by the main thread alone, which waits for
 * them: SIGTERM and SIGINT end, SIGHUP reloads. */
#include "server/server.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "api/follow.h"
#include "logql/logql.h"
#include "pipeline/pipeline.h"
#include "promql/promql.h"
#include "server/local_engine.h"
#include "server/state.h"
#include "server/telemetry.h"
#include "server/version.h"

enum { DRAIN_SECONDS = 10 };

/* ---- what collectors and the API ask of us ---- */

enum status server_append(void *arg, struct batch *b, struct err *err)
{
    b->is_own = true;
    return server_append_pushed(arg, b, err);
}

enum status server_append_pushed(void *arg, struct batch *b, struct err *err)
{
    struct server *s = arg;
    struct ingest_result result = { 0 };
    enum status st = pipeline_run(s->pipeline, b, &result, err);
    if (st) {
        batch_drop(b);
        return st;
    }
    struct batch *held = follow_hold(s->api.follow, b);
    st = engine_append_wait(s->engine, b, err);
    follow_offer(s->api.follow, held, !st);
    return st;
}

static void on_job_done(void *arg, const char *job, int64_t start_wall_ns, int64_t ns, enum status st, const char *error)
{
    struct server *s = arg;
    self_job_done(s->self, job, NULL, start_wall_ns, ns, st, error);
}

static enum status on_state_get(void *arg, struct slice key, struct buf *out, struct err *err)
{
    return kv_get(((struct server *)arg)->kv, key, out, err);
}

static enum status on_state_put(void *arg, struct slice key, struct slice value, struct err *err)
{
    return kv_put(((struct server *)arg)->kv, key, value, err);
}

static void on_targets(void *arg, struct arena *a, struct api_target **out, size_t *count)
{
    struct server *s = arg;
    struct scrape_target *from;
    mutex_lock(&s->reload_lock);
    scraper_targets(s->scraper, a, &from, count);
    mutex_unlock(&s->reload_lock);
    *out = arena_array(a, struct api_target, *count + 1);
    for (size_t i = 0; i < *count; i++)
        (*out)[i] = (struct api_target){ from[i].pool, from[i].url, from[i].labels, from[i].discovered, from[i].last_error,
                                         from[i].last_scrape_ns, from[i].last_duration_ns, from[i].interval_ns, from[i].timeout_ns,
                                         from[i].health };
}

static void on_discovery(void *arg, struct arena *a, struct discovery_state **out, size_t *count)
{
    struct server *s = arg;
    mutex_lock(&s->reload_lock);
    *count = 0;
    if (s->scraper)
        scraper_discovery(s->scraper, a, out, count);
    mutex_unlock(&s->reload_lock);
}

static struct slice on_warnings(void *arg, struct arena *a)
{
    struct server *s = arg;
    struct engine_stats stats;
    struct buf out;
    s->engine->ops->stats(s->engine, &stats);
    buf_init(&out, 0);
    mutex_lock(&s->reload_lock);
    buf_slice(&out, buf_as_slice(&s->config->warnings));
    mutex_unlock(&s->reload_lock);
    if (stats.read_only || stats.disk_full)
        buf_printf(&out, "writes are refused: %s\n", stats.reason);
    else if (stats.disk_low)
        buf_printf(&out, "the disk of the data folder has %.1f %% left\n",
                   100.0 * (double)stats.disk_free_bytes / (double)MAX(stats.disk_total_bytes, 1u));
    if (stats.corrupt_blocks)
        buf_printf(&out, "%llu blocks on disk did not check and are left out of answers\n", (unsigned long long)stats.corrupt_blocks);
    struct slice text = arena_copy(a, buf_as_slice(&out));
    buf_free(&out);
    return text;
}

static struct slice on_config_text(void *arg, struct arena *a)
{
    struct server *s = arg;
    mutex_lock(&s->reload_lock);
    struct slice text = arena_copy(a, s->config->text);
    mutex_unlock(&s->reload_lock);
    return text;
}

/* The configuration is read again by a reload, the address is not. */
static struct slice listen_address(const struct server *s)
{
    return s->flags.listen.len ? s->flags.listen : s->first->listen;
}

static void on_set_unused(void *arg, const struct scrape_set *set)
{
    struct server *s = arg;
    mutex_lock(&s->reload_lock);
    for (size_t i = 0; i < s->retired_count; i++)
        if (s->retired[i]->scrapes == set) {
            config_free(s->retired[i]);
            s->retired[i] = s->retired[--s->retired_count];
            break;
        }
    mutex_unlock(&s->reload_lock);
}

/* A good new file changes what is scraped; the one before stays until the scraper needs it no more. */
static enum status reload(void *arg, struct err *err)
{
    struct server *s = arg;
    struct config *fresh = NULL;
    mutex_lock(&s->reload_lock);
    enum status st = config_read(s->fs, s->flags.configs, s->flags.config_count, s->flags.features, &fresh, err);
    if (!st && s->scraper == NULL)
        st = err_set(err, ST_UNAVAILABLE, "the server is starting or stopping");
    if (!st && s->retired_count == RETIRED_MAX)
        st = err_set(err, ST_UNAVAILABLE, "scrapes under way still go by %d earlier configurations, which is the most; try again", RETIRED_MAX);
    if (!st)
        st = scraper_reload(s->scraper, fresh->scrapes, err);
    if (st) {
        config_free(fresh);
    } else {
        if (s->config != s->first)
            s->retired[s->retired_count++] = s->config;
        s->config = fresh;
        for (size_t i = 0; i < server_part_count; i++)
            if (server_parts[i].reload)
                server_parts[i].reload(s);
    }
    atomic_store(&s->api.reload_failed, st != ST_OK);
    mutex_unlock(&s->reload_lock);
    log_line(&s->log, st ? LOG_ERROR : LOG_INFO, st ? "reload failed; the old configuration keeps running" : "configuration reloaded",
             st ? "error=\"%s\"" : "%s", st ? err->text : "");
    return st;
}

/* ---- start ---- */

static enum status start_store(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    struct slice dir = s->data_dir = s->flags.data.len ? s->flags.data : c->data;
    struct store_options opt = {
        .dir = dir,
        .fs = s->fs,
        .clock = s->clock,
        .log = &s->log,
        .retention_ns = c->retention_ns,
        .mem_bytes_max = c->memory_raw_bytes,
        .mem_parts_bytes_max = c->memory_parts_bytes,
        .cache_bytes_max = c->cache_bytes,
        .wal_segment_bytes_max = c->wal_segment_bytes,
        .flush_interval_ns = c->flush_interval_ns,
        .disk_warn_ratio = c->disk_warn_ratio,
        .disk_refuse_ratio = c->disk_refuse_ratio,
        .key_file = c->encryption_key,
        .classes = retention_classes(c->classes, c->arena),
        .class_count = c->classes->count,
        .storage_dirs = { c->classes->dirs[CLASS_LOCAL], c->classes->dirs[CLASS_CLOUD], c->classes->dirs[CLASS_ARCHIVE] },
    };
    struct slice path = arena_copy(c->arena, dir);
    enum status st = fs_mkdir_all(s->fs, path.ptr, err);
    if (!st)
        st = local_engine_open(&s->engine, opt, err);
    if (!st)
        st = kv_open(&s->kv, arena_printf(c->arena, "%.*s/state.db", SLICE_FMT(dir)).ptr, err);
    return st;
}

static void fill_api(struct server *s)
{
    s->api = (struct api){
        .engine = s->engine,
        .clock = s->clock,
        .log = &s->log,
        .promql = &promql_lang,
        .logql = &logql_lang,
        .self = s->self,
        .sources = &s->sources,
        .pipeline = s->pipeline,
        .config_text = on_config_text,
        .flags_json = s->flags.json,
        .features = s->flags.features,
        .version = slice_str(STOA_VERSION),
        .revision = slice_str(STOA_REVISION),
        .started_ns = clock_wall_ns(s->clock),
        .retention_ns = s->config->retention_ns,
        .warnings = on_warnings,
        .reload = reload,
        .server = s,
    };
    s->sources = (struct api_sources){ on_targets, on_discovery, s };
    api_init(&s->api);
}

static const char *path_or_null(struct slice path)
{
    return path.len ? path.ptr : NULL;
}

static enum status start_http(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    s->in_flight = (struct budget){ .name = "bytes_in_flight", .max = c->in_flight_bytes };
    struct http_options opt = {
        .address = listen_address(s),
        .tls_cert = path_or_null(c->tls_cert),
        .tls_key = path_or_null(c->tls_key),
        .in_flight = &s->in_flight,
        .route = api_route,
        .done = api_done,
        .user = &s->api,
    };
    s->is_tls = c->tls_cert.len > 0;
    enum status st = http_server_start(&s->http, &opt, err);
    s->api.http = s->http;
    if (!st && c->external_url.len)
        snprintf(s->external_url, sizeof s->external_url, "%.*s", SLICE_FMT(c->external_url));
    else if (!st)
        snprintf(s->external_url, sizeof s->external_url, "%s://%.*s", s->is_tls ? "https" : "http", SLICE_FMT(http_server_address(s->http)));
    return st;
}

/* Without a list: OTLP's two well-known ports on loopback, skipped with one line when taken. `--listen …:0` opens nothing else. */
static enum status start_listeners(struct server *s, struct err *err)
{
    static const struct config_listener usual[] = { { .dialect = SLICE_INIT("otlp_http"), .address = SLICE_INIT("127.0.0.1:4318") },
                                                    { .dialect = SLICE_INIT("otlp_grpc"), .address = SLICE_INIT("127.0.0.1:4317") } };
    const struct config *c = s->config;
    bool given = c->listeners_given, nothing_else = slice_ends(s->flags.listen, SLICE(":0"));
    const struct config_listener *list = given ? c->listeners : usual;
    size_t n = given ? c->listener_count : nothing_else ? 0 : COUNT_OF(usual);
    for (size_t i = 0; i < n; i++) {
        struct slice bound;
        if (part_statsd_has(list[i].dialect) || part_syslog_has(list[i].dialect))
            continue;
        enum status st = http_server_listen(s->http, list[i].address, path_or_null(list[i].tls_cert), path_or_null(list[i].tls_key),
                                            api_listener_tag(list[i].dialect), &bound, err);
        if (st && given)
            return st;
        if (st)
            log_line(&s->log, LOG_WARNING, "listener skipped", "dialect=%.*s reason=\"%s\"", SLICE_FMT(list[i].dialect), err->text);
        else
            log_line(&s->log, LOG_INFO, "listening", "dialect=%.*s address=%.*s", SLICE_FMT(list[i].dialect), SLICE_FMT(bound));
    }
    return ST_OK;
}

/* What parts and collectors may use of us. */
static enum status start_client(struct server *s, struct err *err)
{
    enum status st = http_client_new(&s->client, err);
    s->env = (struct collect_env){
        .clock = s->clock,
        .fs = s->fs,
        .log = &s->log,
        .client = s->client,
        .instance = slice_str(s->host_name),
        .arg = s,
        .append = server_append,
        .job_done = on_job_done,
        .state_get = on_state_get,
        .state_put = on_state_put,
        .set_unused = on_set_unused,
    };
    return st;
}

static enum status prepare_parts(struct server *s, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < server_part_count; i++)
        if (server_parts[i].prepare)
            st = server_parts[i].prepare(s, err);
    return st;
}

static enum status run_parts(struct server *s, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < server_part_count; i++)
        if (server_parts[i].run)
            st = server_parts[i].run(s, err);
    return st;
}

static enum status start_collectors(struct server *s, struct err *err)
{
    const struct config *c = s->config;
    enum status st = ST_OK;
    if (c->host_enabled)
        st = host_start(&s->host, &s->env, &c->host, err);
    if (!st)
        st = logs_start(&s->logs, &s->env, &c->logs, err);
    if (!st)
        s->api.logs = s->logs;
    struct scraper *scraper = NULL;
    if (!st)
        st = scraper_start(&scraper, &s->env, c->scrapes, err);
    mutex_lock(&s->reload_lock);
    s->scraper = scraper;
    mutex_unlock(&s->reload_lock);
    if (!st && c->self_enabled)
        st = telemetry_start(s->telemetry, &s->api, err);
    return st;
}

static enum status start(struct server *s, struct err *err)
{
    enum status st = config_read(s->fs, s->flags.configs, s->flags.config_count, s->flags.features, &s->config, err);
    if (st)
        return st;
    s->first = s->config;
    s->telemetry = telemetry_new(s->clock, slice_str(s->host_name));
    if (s->config->self_enabled) {
        s->log.sink = telemetry_line;
        s->log.sink_arg = s->telemetry;
    }
    s->self = self_new(s->clock, s->config->self_enabled ? telemetry_span : NULL, s->telemetry);
    s->pipeline = pipeline_new(NULL);
    st = start_store(s, err);
    if (st)
        return st;
    fill_api(s);
    st = start_client(s, err);
    if (!st)
        st = prepare_parts(s, err);
    if (!st)
        st = start_http(s, err);
    struct slice lines = buf_as_slice(&s->config->warnings), line;
    while (slice_next(&lines, '\n', &line))
        log_line(&s->log, LOG_WARNING, "configuration", "note=\"%.*s\"", SLICE_FMT(line));
    if (!st)
        st = start_listeners(s, err);
    if (!st)
        st = run_parts(s, err);
    return st ? st : start_collectors(s, err);
}

/* ---- end ---- */

static void stop(struct server *s)
{
    /* The HTTP server still answers: from here on there are no targets. */
    mutex_lock(&s->reload_lock);
    struct scraper *scraper = s->scraper;
    s->scraper = NULL;
    mutex_unlock(&s->reload_lock);
    /* Nobody waits for a target that does not answer. */
    if (s->client)
        http_client_stop(s->client);
    scraper_stop(scraper);
    logs_stop(s->logs);
    host_stop(s->host);
    if (s->telemetry)
        telemetry_stop(s->telemetry);
    follow_stop(s->api.follow); /* those who follow would keep the HTTP server waiting */
    if (s->http) {
        http_server_stop(s->http, DRAIN_SECONDS * NS_S);
        s->api.http = NULL;
    }
    logs_free(s->logs); /* a worker may have been reading its counts */
    if (s->telemetry) /* again, for the last spans of the HTTP server; lines of the store's end are on stderr alone */
        telemetry_stop(s->telemetry);
    for (size_t i = server_part_count; i-- > 0;)
        if (server_parts[i].stop)
            server_parts[i].stop(s);
    http_client_free(s->client);
    if (s->engine)
        s->engine->ops->close(s->engine);
    follow_free(s->api.follow); /* the commit thread offers what it stored after the request is answered */
    kv_close(s->kv);
    api_free(&s->api);
    self_free(s->self);
    pipeline_free(s->pipeline);
    telemetry_free(s->telemetry);
    for (size_t i = 0; i < s->retired_count; i++)
        config_free(s->retired[i]);
    if (s->config != s->first)
        config_free(s->config);
    config_free(s->first);
    flags_free(&s->flags);
}

static void wait_for_end(struct server *s, const sigset_t *signals)
{
    for (;;) {
        int signal_number;
        if (sigwait(signals, &signal_number))
            continue;
        if (signal_number != SIGHUP)
            return;
        struct err err;
        (void)reload(s, &err);
    }
}

int server_main(int argc, char **argv)
{
    struct server *s = mem_new(struct server);
    struct err err;
    sigset_t signals;
    s->clock = clock_real();
    s->fs = fs_real();
    s->log = (struct log){ .clock = s->clock, .min = LOG_INFO, .fd = STDERR_FILENO };
    mutex_init(&s->reload_lock);
    int64_t begin_ns = clock_mono_ns(s->clock);
    if (flags_read(argc, argv, &s->flags, &err)) {
        fprintf(stderr, "stoa serve: %s\n", err.text);
        flags_free(&s->flags);
        mutex_destroy(&s->reload_lock);
        mem_free(s);
        return 2;
    }
    sigemptyset(&signals);
    sigaddset(&signals, SIGTERM);
    sigaddset(&signals, SIGINT);
    sigaddset(&signals, SIGHUP);
    sigprocmask(SIG_BLOCK, &signals, NULL);
    signal(SIGPIPE, SIG_IGN);
    if (gethostname(s->host_name, sizeof s->host_name - 1) || s->host_name[0] == 0)
        memcpy(s->host_name, "localhost", sizeof "localhost");
    enum status st = start(s, &err);
    if (st) {
        fprintf(stderr, "stoa serve: %s\n", err.text);
    } else {
        struct slice at = http_server_address(s->http);
        fprintf(stderr, "stoa: ready on %s://%.*s in %lld ms\n", s->is_tls ? "https" : "http", SLICE_FMT(at),
                (long long)((clock_mono_ns(s->clock) - begin_ns) / NS_MS));
        wait_for_end(s, &signals);
    }
    stop(s);
    mutex_destroy(&s->reload_lock);
    mem_free(s);
    return st ? 1 : 0;
}
