/* SPDX-License-Identifier: Apache-2.0 */
/* Where series come from: GET /api/v1/status/tsdb as Prometheus has it, and GET /api/stoa/v1/cardinality with what is over a limit
 * or near one, and which metrics nobody reads. Both are about the tenants that ask. */
#include "api/cardinality.h"

#include <stdlib.h>

#include "api/handlers.h"
#include "api/prom_json.h"
#include "pipeline/pipeline.h"
#include "store/reads.h"

enum { TSDB_LIMIT_DEFAULT = 10, TSDB_LIMIT_MAX = 10000, SHOWN_DEFAULT = 20, SHOWN_MAX = 1000, METRICS_HOURS = 1 };

/* ---- Prometheus ---- */

static void put_counts(struct json_writer *w, const char *key, const struct engine_count *list, size_t n, bool with_value)
{
    struct buf text;
    buf_init(&text, 0);
    json_key(w, slice_str(key));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        buf_reset(&text);
        buf_slice(&text, list[i].value.len && !with_value ? list[i].value : list[i].name);
        if (with_value) {
            buf_char(&text, '=');
            buf_slice(&text, list[i].value);
        }
        json_object_begin(w);
        json_key(w, SLICE("name"));
        json_string(w, buf_as_slice(&text));
        json_key(w, SLICE("value"));
        json_uint(w, list[i].count);
        json_object_end(w);
    }
    json_array_end(w);
    buf_free(&text);
}

static void put_uint(struct json_writer *w, const char *key, uint64_t v)
{
    json_key(w, slice_str(key));
    json_uint(w, v);
}

static void put_int(struct json_writer *w, const char *key, int64_t v)
{
    json_key(w, slice_str(key));
    json_int(w, v);
}

static void put_text(struct json_writer *w, const char *key, struct slice v)
{
    json_key(w, slice_str(key));
    json_string(w, v);
}

static void tsdb_answer(struct api_query *q, const struct engine_cardinality *c)
{
    struct engine_stats stats;
    struct json_writer w;
    struct buf out;
    q->api->engine->ops->stats(q->api->engine, &stats);
    prom_json_begin(&w, &out, QUERY_RESULT_BYTES_MAX);
    json_object_begin(&w);
    json_key(&w, SLICE("headStats"));
    json_object_begin(&w);
    put_uint(&w, "numSeries", c->series);
    put_uint(&w, "numLabelPairs", c->pair_count);
    put_uint(&w, "chunkCount", stats.memory_parts);
    put_int(&w, "minTime", stats.oldest_ns / NS_MS);
    put_int(&w, "maxTime", stats.newest_ns / NS_MS);
    json_object_end(&w);
    put_counts(&w, "seriesCountByMetricName", c->metrics, c->metrics_shown, false);
    put_counts(&w, "labelValueCountByLabelName", c->names, c->names_shown, false);
    put_counts(&w, "memoryInBytesByLabelName", c->bytes, c->bytes_shown, false);
    put_counts(&w, "seriesCountByLabelValuePair", c->pairs, c->pairs_shown, true);
    json_object_end(&w);
    prom_json_reply(q->x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

static enum status read_limit(struct http_exchange *x, size_t absent, size_t max, size_t *out, struct err *err)
{
    struct api_params p;
    enum status st = api_params_read(x, &p, err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), absent, max, out, err);
    if (!st && *out == 0)
        st = err_set(err, ST_INVALID, "invalid parameter \"limit\": found 0, allowed 1 to %zu", max);
    return st;
}

void prom_tsdb(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct engine_cardinality c;
    struct err err;
    size_t limit = 0;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = read_limit(x, TSDB_LIMIT_DEFAULT, TSDB_LIMIT_MAX, &limit, &err);
    if (!st && api->engine->ops->cardinality == NULL)
        st = err_set(&err, ST_UNSUPPORTED, "the engine %s does not say where its series come from", api->engine->ops->name);
    if (!st)
        st = api->engine->ops->cardinality(api->engine, q.ctx.tenants, q.ctx.tenant_count, limit, q.arena, &c, &err);
    if (st)
        api_fail(x, st, &err);
    else
        tsdb_answer(&q, &c);
    api_query_end(&q, "status", st, &err);
}

/* ---- our own ---- */

static void put_limits(struct json_writer *w, const struct firewall_limits *l)
{
    json_key(w, SLICE("limits"));
    json_object_begin(w);
    put_uint(w, "series_per_tenant", l->series);
    put_uint(w, "series_per_metric", l->series_per_metric);
    put_uint(w, "values_per_label", l->values_per_label);
    put_uint(w, "samples_per_second", l->samples_per_second);
    json_object_end(w);
}

static void put_offenders(struct json_writer *w, struct firewall *f, const struct api_query *q)
{
    struct firewall_offender *list;
    size_t n;
    firewall_offenders(f, q->ctx.tenants, q->ctx.tenant_count, q->arena, &list, &n);
    json_key(w, SLICE("offenders"));
    json_array_begin(w);
    for (size_t i = 0; i < n; i++) {
        const struct firewall_offender *o = &list[i];
        json_object_begin(w);
        put_text(w, "tenant", o->tenant);
        put_text(w, "metric", o->metric);
        put_text(w, "label", o->label);
        put_text(w, "job", o->job);
        put_text(w, "action", o->is_folded ? SLICE("folded") : SLICE("refused"));
        put_text(w, "setting", slice_str(firewall_reason_setting(o->reason)));
        put_uint(w, "limit", o->limit);
        put_uint(w, "found", o->found);
        put_uint(w, "samples", o->samples);
        put_uint(w, "different", o->different);
        put_int(w, "first_sample_ms", o->first_sample_ms);
        put_int(w, "first_ms", o->first_ms);
        put_int(w, "last_ms", o->last_ms);
        put_text(w, "example", o->example);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_firewall_counts(struct json_writer *w, const char *key, struct firewall *f, const struct api_query *q, bool by_limit, size_t n)
{
    struct firewall_count *list;
    size_t count;
    firewall_counts(f, q->ctx.tenants, q->ctx.tenant_count, by_limit, n, q->arena, &list, &count);
    json_key(w, slice_str(key));
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        put_text(w, "tenant", list[i].tenant);
        put_text(w, "metric", list[i].metric);
        put_text(w, "label", list[i].label);
        put_uint(w, "count", list[i].count);
        put_uint(w, "limit", list[i].limit);
        json_object_end(w);
    }
    json_array_end(w);
}

struct metric_read {
    struct slice name;
    uint64_t series;
    int64_t last_ms; /* 0: never */
};

static int by_series(const void *a, const void *b)
{
    const struct metric_read *x = a, *y = b;
    return x->series == y->series ? slice_cmp(x->name, y->name) : x->series < y->series ? 1 : -1;
}

/* Every metric of the last hour with its series and last read. */
static enum status metrics_read(struct api_query *q, struct metric_read **out, size_t *count, struct err *err)
{
    int64_t now_ns = clock_wall_ns(q->api->clock);
    struct names_query names = { .what = NAMES_LABEL_VALUES, .name = SLICE("__name__"), .start_ns = now_ns - METRICS_HOURS * 3600 * NS_S,
                                 .end_ns = now_ns + 1 };
    struct name_hit *hits;
    enum status st = q->api->engine->ops->names(q->api->engine, &q->ctx, &names, q->arena, &hits, count, err);
    if (st)
        return st;
    struct metric_read *list = arena_array(q->arena, struct metric_read, *count + 1);
    for (size_t i = 0; i < *count; i++) {
        list[i] = (struct metric_read){ hits[i].value, hits[i].count, 0 };
        for (size_t t = 0; t < q->ctx.tenant_count; t++)
            list[i].last_ms = MAX(list[i].last_ms, reads_last_ms(q->api->reads, q->ctx.tenants[t], hits[i].value));
    }
    qsort(list, *count, sizeof *list, by_series);
    *out = list;
    return ST_OK;
}

static void put_metric_list(struct json_writer *w, const char *key, const struct metric_read *list, size_t count, bool unread, size_t limit)
{
    json_key(w, slice_str(key));
    json_array_begin(w);
    for (size_t i = 0, shown = 0; i < count && shown < limit; i++) {
        if (unread && list[i].last_ms)
            continue;
        shown++;
        json_object_begin(w);
        put_text(w, "name", list[i].name);
        put_uint(w, "series", list[i].series);
        put_int(w, "last_read_ms", list[i].last_ms);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_metrics(struct json_writer *w, const struct api_query *q, const struct metric_read *list, size_t count, size_t limit)
{
    uint64_t series = 0, unread = 0, unread_series = 0;
    for (size_t i = 0; i < count; i++) {
        series += list[i].series;
        unread += list[i].last_ms == 0;
        unread_series += list[i].last_ms == 0 ? list[i].series : 0;
    }
    json_key(w, SLICE("metrics"));
    json_object_begin(w);
    put_uint(w, "count", count);
    put_uint(w, "series", series);
    put_uint(w, "never_read_count", unread);
    put_uint(w, "never_read_series", unread_series);
    put_int(w, "reads_since_ms", reads_since_ms(q->api->reads));
    put_uint(w, "reads_left_out", reads_left_out(q->api->reads));
    put_metric_list(w, "largest", list, count, false, limit);
    put_metric_list(w, "never_read", list, count, true, limit);
    json_object_end(w);
}

static void cardinality_answer(struct api_query *q, const struct metric_read *metrics, size_t metric_count, size_t limit)
{
    struct firewall *f = pipeline_firewall(q->api->pipeline);
    struct firewall_stats stats;
    struct json_writer w;
    struct buf out;
    firewall_stats(f, &stats);
    struct firewall_limits limits = firewall_limits_of(f, q->ctx.tenants[0]);
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("enabled"));
    json_bool(&w, stats.on);
    put_int(&w, "window_seconds", stats.window_ns / NS_S);
    put_int(&w, "window_began_ms", stats.turned_ns / NS_MS);
    put_uint(&w, "memory_bytes", stats.bytes);
    put_uint(&w, "memory_bytes_max", stats.bytes_max);
    put_uint(&w, "not_counted", stats.untracked);
    put_limits(&w, &limits);
    put_offenders(&w, f, q);
    put_firewall_counts(&w, "near", f, q, true, limit);
    put_firewall_counts(&w, "largest", f, q, false, limit);
    put_metrics(&w, q, metrics, metric_count, limit);
    json_key(&w, SLICE("notes"));
    json_array_begin(&w);
    json_string(&w, SLICE("Counts are of the last one to two windows: series exact up to 512 and values up to 131072, beyond with an error "
                          "of 1.6 % (HyperLogLog)."));
    json_string(&w, SLICE("Series of a metric are those of the last hour, as the largest part or the memory has them."));
    json_string(&w, SLICE("Offenders are told since the start of the server."));
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
}

void cardinality_get(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_query q;
    struct metric_read *metrics = NULL;
    struct err err;
    size_t limit = 0, metric_count = 0;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = read_limit(x, SHOWN_DEFAULT, SHOWN_MAX, &limit, &err);
    if (!st)
        st = metrics_read(&q, &metrics, &metric_count, &err);
    if (st)
        api_fail(x, st, &err);
    else
        cardinality_answer(&q, metrics, metric_count, limit);
    api_query_end(&q, "cardinality", st, &err);
}

/* ---- our own metrics ---- */

static void put_one(struct buf *out, const char *name, const char *type, const char *help, uint64_t v)
{
    buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n%s %llu\n", name, help, name, type, name, (unsigned long long)v);
}

void cardinality_metrics(struct api *api, struct buf *out)
{
    struct firewall_stats s;
    firewall_stats(pipeline_firewall(api->pipeline), &s);
    buf_printf(out, "# HELP stoa_cardinality_refused_samples_total Samples of new series that were refused, by the limit they were over.\n"
                    "# TYPE stoa_cardinality_refused_samples_total counter\n");
    for (int i = 0; i < FIREWALL_REASON_COUNT; i++)
        buf_printf(out, "stoa_cardinality_refused_samples_total{setting=\"%s\"} %llu\n", firewall_reason_setting((enum firewall_reason)i),
                   (unsigned long long)s.refused[i]);
    put_one(out, "stoa_cardinality_folded_samples_total", "counter", "Scraped samples whose label value folded into __overflow__.", s.folded);
    put_one(out, "stoa_cardinality_rate_limited_requests_total", "counter", "Requests refused because their tenant sends too many samples a second.",
            s.rate_limited);
    put_one(out, "stoa_cardinality_limits_near", "gauge", "Tenants, metrics and labels at 80 % of their limit or more.", s.near);
    put_one(out, "stoa_cardinality_series", "gauge", "Different series of the last one to two windows, over all tenants.", s.seen);
    put_one(out, "stoa_cardinality_metrics", "gauge", "Metrics with counts of their own.", s.metrics);
    put_one(out, "stoa_cardinality_not_counted_total", "counter",
            "New metrics and labels that got no count of their own, for memory or their number.", s.untracked);
    put_one(out, "stoa_cardinality_memory_bytes", "gauge", "Memory of all counts.", s.bytes);
}
