/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: targets, status. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/date.h"
#include "base/num.h"
#include "collect/collect.h"

enum { TIME_TEXT_BYTES_MAX = DURATION_TEXT_BYTES_MAX };
static_assert((int)DURATION_TEXT_BYTES_MAX >= (int)DATE_TEXT_BYTES_MAX, "one room for both");

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_time(struct json_writer *w, struct slice key, int64_t ns)
{
    char text[TIME_TEXT_BYTES_MAX];
    json_key(w, key);
    json_string(w, ns ? slice_of(text, date_format_rfc3339(ns, 0, 3, text)) : SLICE("0001-01-01T00:00:00Z"));
}

static void put_target(struct json_writer *w, const struct api_target *t)
{
    static const char *const health[] = { "unknown", "up", "down" };
    char text[TIME_TEXT_BYTES_MAX];
    json_object_begin(w);
    json_key(w, SLICE("discoveredLabels"));
    prom_json_labels(w, t->discovered);
    json_key(w, SLICE("labels"));
    prom_json_labels(w, t->labels);
    put_text(w, SLICE("scrapePool"), t->pool);
    put_text(w, SLICE("scrapeUrl"), t->url);
    put_text(w, SLICE("globalUrl"), t->url);
    put_text(w, SLICE("lastError"), t->last_error);
    put_time(w, SLICE("lastScrape"), t->last_scrape_ns);
    json_key(w, SLICE("lastScrapeDuration"));
    json_double(w, (double)t->last_duration_ns / 1e9);
    put_text(w, SLICE("health"), slice_str(health[t->health]));
    put_text(w, SLICE("scrapeInterval"), slice_of(text, duration_format_prom(t->interval_ns / NS_MS, text)));
    put_text(w, SLICE("scrapeTimeout"), slice_of(text, duration_format_prom(t->timeout_ns / NS_MS, text)));
    json_object_end(w);
}

static bool is_wanted(struct slice pool, struct slice only)
{
    return only.len == 0 || slice_eq(pool, only);
}

/* As many as keep_dropped_targets leaves; the counts are of all. */
static void put_dropped(struct json_writer *w, struct api *api, struct arena *a, bool wanted, struct slice only)
{
    struct scrape_pool *pools;
    size_t n = 0;
    if (wanted && api->pools)
        api->pools->list(api->server, a, &pools, &n);
    json_key(w, SLICE("droppedTargets"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++)
        for (size_t k = 0; k < pools[i].kept_count && is_wanted(pools[i].name, only); k++) {
            json_object_begin(w);
            json_key(w, SLICE("discoveredLabels"));
            prom_json_labels(w, pools[i].dropped[k]);
            put_text(w, SLICE("scrapePool"), pools[i].name);
            json_object_end(w);
        }
    json_array_end(w);
    json_key(w, SLICE("droppedTargetCounts"));
    json_object_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_key(w, pools[i].name);
        json_uint(w, pools[i].dropped_count);
    }
    json_object_end(w);
}

/* Beside what Prometheus answers: sources of targets, and what is wrong with them. */
static void put_discovery(struct json_writer *w, const struct api_sources *sources, struct arena *a)
{
    struct discovery_state *list;
    size_t n = 0;
    if (sources && sources->discovery)
        sources->discovery(sources->arg, a, &list, &n);
    json_key(w, SLICE("discovery"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        json_object_begin(w);
        put_text(w, SLICE("scrapePool"), list[i].job);
        put_text(w, SLICE("mechanism"), slice_str(discovery_kind_name(list[i].kind)));
        put_text(w, SLICE("source"), list[i].source);
        put_text(w, SLICE("lastError"), list[i].error);
        json_key(w, SLICE("refreshes"));
        json_uint(w, list[i].refreshes);
        json_key(w, SLICE("failures"));
        json_uint(w, list[i].failures);
        json_key(w, SLICE("updates"));
        json_uint(w, list[i].updates);
        if (list[i].kind == DISCOVERY_KUBERNETES) {
            json_key(w, SLICE("watchEvents"));
            json_uint(w, list[i].watch.events);
            json_key(w, SLICE("watchRestarts"));
            json_uint(w, list[i].watch.restarts);
        }
        json_object_end(w);
    }
    json_array_end(w);
}

static void reply_targets(struct api *api, struct http_exchange *x, const struct api_target *targets, size_t n, bool active, bool dropped,
                          struct slice pool)
{
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("activeTargets"));
    json_array_begin(&w);
    for (size_t i = 0; i < n && active; i++)
        if (is_wanted(targets[i].pool, pool))
            put_target(&w, &targets[i]);
    json_array_end(&w);
    put_dropped(&w, api, http_arena(x), dropped, pool);
    if (active)
        put_discovery(&w, api->sources, http_arena(x));
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_targets(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_target *targets = NULL;
    struct api_params p;
    struct err err;
    size_t n = 0;
    enum status st = api_params_read(x, &p, &err);
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct slice state = api_param(&p, SLICE("state"), NULL);
    bool any = state.len == 0 || slice_eq_nocase(state, SLICE("any"));
    bool active = slice_eq_nocase(state, SLICE("active")), dropped = slice_eq_nocase(state, SLICE("dropped"));
    if (api->sources)
        api->sources->targets(api->sources->arg, http_arena(x), &targets, &n);
    reply_targets(api, x, targets, n, active || any, dropped || any, api_param(&p, SLICE("scrapePool"), NULL));
}

void prom_buildinfo(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    /* Clients read the version to learn which PromQL they may send. */
    put_text(&w, SLICE("version"), SLICE("3.14.0"));
    put_text(&w, SLICE("revision"), api->revision);
    put_text(&w, SLICE("branch"), SLICE(""));
    put_text(&w, SLICE("buildUser"), SLICE(""));
    put_text(&w, SLICE("buildDate"), SLICE(""));
    put_text(&w, SLICE("goVersion"), SLICE(""));
    put_text(&w, SLICE("application"), SLICE("stoa"));
    put_text(&w, SLICE("stoaVersion"), api->version);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_runtimeinfo(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct engine_stats stats;
    struct json_writer w;
    struct buf out;
    char text[TIME_TEXT_BYTES_MAX];
    api->engine->ops->stats(api->engine, &stats);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_time(&w, SLICE("startTime"), api->started_ns);
    put_time(&w, SLICE("serverTime"), clock_wall_ns(api->clock));
    json_key(&w, SLICE("reloadConfigSuccess"));
    json_bool(&w, !atomic_load(&api->reload_failed));
    json_key(&w, SLICE("corruptionCount"));
    json_uint(&w, stats.corrupt_blocks);
    json_key(&w, SLICE("timeSeriesCount"));
    json_uint(&w, stats.series);
    put_text(&w, SLICE("storageRetention"), slice_of(text, duration_format_prom(api->retention_ns / NS_MS, text)));
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

static void put_limit_flags(struct json_writer *w, const struct api *api)
{
    char text[TIME_TEXT_BYTES_MAX];
    int64_t lookback_ns = api->limits.lookback_ns ? api->limits.lookback_ns : QUERY_LOOKBACK_SECONDS * NS_S;
    put_text(w, SLICE("query.lookback-delta"), slice_of(text, duration_format_prom(lookback_ns / NS_MS, text)));
    put_text(w, SLICE("query.max-concurrency"), slice_of(text, num_format_u64(api_running_max(api), text)));
    put_text(w, SLICE("query.max-samples"), slice_of(text, num_format_u64(api_samples_max(api), text)));
    put_text(w, SLICE("query.timeout"), slice_of(text, duration_format_prom(api_timeout_ns(api) / NS_MS, text)));
    put_text(w, SLICE("storage.tsdb.retention.time"), slice_of(text, duration_format_prom(api->retention_ns / NS_MS, text)));
    put_text(w, SLICE("web.enable-admin-api"), SLICE("true"));
    put_text(w, SLICE("web.enable-lifecycle"), SLICE("true"));
    put_text(w, SLICE("web.enable-remote-write-receiver"), SLICE("true"));
}

/* Our own flags, and those of Prometheus that clients look at. */
void prom_flags(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    struct slice own = api->flags_json;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_limit_flags(&w, api);
    if (own.len > 2) { /* {...}: its pairs stand behind ours */
        buf_char(&out, ',');
        buf_slice(&out, slice_sub(own, 1, own.len - 1));
    }
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_config(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    struct slice warnings = api->warnings ? api->warnings(api->server, http_arena(x)) : SLICE_EMPTY;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    put_text(&w, SLICE("yaml"), api->config_text(api->server, http_arena(x)));
    json_object_end(&w);
    prom_json_reply(x, &w, &out, warnings, SLICE_EMPTY);
}
