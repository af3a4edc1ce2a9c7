/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: targets, status. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "base/date.h"

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

void prom_targets(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_target *targets = NULL;
    struct json_writer w;
    struct buf out;
    size_t n = 0;
    if (api->sources)
        api->sources->targets(api->sources->arg, http_arena(x), &targets, &n);
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("activeTargets"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_target(&w, &targets[i]);
    json_array_end(&w);
    json_key(&w, SLICE("droppedTargets"));
    json_array_begin(&w);
    json_array_end(&w);
    json_key(&w, SLICE("droppedTargetCounts"));
    json_object_begin(&w);
    json_object_end(&w);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_buildinfo(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    /* Clients read the version to learn which PromQL they may send. */
    put_text(&w, SLICE("version"), SLICE("3.0.0"));
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

void prom_flags(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_raw(&w, api->flags_json);
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
