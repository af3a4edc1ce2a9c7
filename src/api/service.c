/* SPDX-License-Identifier: Apache-2.0 */
/* One service: its golden signals, its endpoints, and every other metric of its job (GET /api/stoa/v1/services/{name}).
 *
 * Other metrics are the last value of each name, summed over its series, with the trend over the window; those that carry the
 * label by which requests are told apart are also split by it. `resources` is what a process uses of its machine, told by the
 * beginnings of names below; everything else is `business`: what the program's authors found worth counting. */
#include "api/golden.h"
#include "api/handlers.h"
#include "api/prom_json.h"
#include "codec/url.h"

#include <math.h>
#include <stdlib.h>

enum { METADATA_MAX = 100 * 1000 };

static const struct slice resource_names[] = {
    SLICE_INIT("process_"), SLICE_INIT("python_"), SLICE_INIT("go_"), SLICE_INIT("jvm_"), SLICE_INIT("nodejs_"), SLICE_INIT("dotnet_"),
    SLICE_INIT("ruby_"), SLICE_INIT("php_"), SLICE_INIT("container_"), SLICE_INIT("node_"), SLICE_INIT("hikaricp_"), SLICE_INIT("jdbc_"),
    SLICE_INIT("db_client_"), SLICE_INIT("tomcat_"), SLICE_INIT("jetty_"),
    SLICE_INIT("executor_"), SLICE_INIT("system_"), SLICE_INIT("runtime_"), SLICE_INIT("disk_"),
};
static const struct slice resource_words[] = { SLICE_INIT("pool"), SLICE_INIT("cache"), SLICE_INIT("memory"), SLICE_INIT("_cpu_"),
                                               SLICE_INIT("threads") };
/* Not about the service, or parts of others. */
#define LEFT_OUT "up|scrape_.+|target_info|push_(failure_)?time_seconds|ALERTS.*|.+_bucket|.+_created|.+_info|.+:.+"

bool golden_is_resource(struct slice name)
{
    for (size_t i = 0; i < COUNT_OF(resource_names); i++)
        if (slice_starts(name, resource_names[i]))
            return true;
    for (size_t i = 0; i < COUNT_OF(resource_words); i++)
        if (slice_contains(name, resource_words[i]))
            return true;
    return false;
}

static bool is_of_requests(const struct golden_service *s, struct slice name)
{
    const struct golden_family *f = s->family;
    if (f == NULL)
        return false;
    return slice_eq(name, f->requests) || (f->counter.len && slice_eq(name, f->counter)) || (f->histogram.len && slice_starts(name, f->histogram));
}

struct others {
    struct value values; /* by name */
    struct value split;  /* at the end, by name and by the label that says which endpoint */
    struct slice place;
    struct name_hit *metadata;
    size_t metadata_count;
};

static enum status read_others(struct golden *g, const struct golden_service *s, struct others *o, struct err *err)
{
    struct slice text = arena_printf(g->a, "sum by (__name__) ({__name__!~\"" LEFT_OUT "\",%.*s})", SLICE_FMT(s->selector));
    struct names_query nq = { .what = NAMES_METADATA, .start_ns = g->start_ns, .end_ns = g->end_ns, .limit = METADATA_MAX };
    if (s->selector.len == 0)
        return ST_OK;
    enum status st = golden_range(g, g->q->api->promql, text, &o->values, err);
    if (!st)
        st = golden_metrics_place(g, s, &o->place, err);
    text = arena_printf(g->a, "sum by (__name__, %.*s) ({__name__!~\"" LEFT_OUT "\",%.*s!=\"\",%.*s})", SLICE_FMT(o->place), SLICE_FMT(o->place),
                        SLICE_FMT(s->selector));
    if (!st && o->place.len)
        st = golden_instant(g, g->q->api->promql, text, &o->split, err);
    if (!st)
        st = g->q->api->engine->ops->names(g->q->api->engine, &g->q->ctx, &nq, g->a, &o->metadata, &o->metadata_count, err);
    return st;
}

static const struct metric_metadata *metadata_of(const struct others *o, struct slice name)
{
    for (size_t i = 0; i < o->metadata_count; i++)
        if (slice_eq(o->metadata[i].value, name))
            return o->metadata[i].metadata;
    return NULL;
}

static void put_split(struct json_writer *w, const struct others *o, struct slice name)
{
    bool open = false;
    for (size_t i = 0; i < o->split.series_count; i++) {
        if (!slice_eq(labels_get(o->split.series[i].labels, SLICE("__name__")), name))
            continue;
        if (!open) {
            json_key(w, SLICE("by_endpoint"));
            json_object_begin(w);
        }
        open = true;
        golden_json_number(w, labels_get(o->split.series[i].labels, o->place), o->split.series[i].v[0]);
    }
    if (open)
        json_object_end(w);
}

static void put_metric(struct golden *g, struct json_writer *w, const struct golden_service *s, const struct others *o, const struct value_series *v)
{
    struct slice name = labels_get(v->labels, SLICE("__name__"));
    const struct metric_metadata *m = metadata_of(o, name);
    bool is_counter = m ? m->type == METRIC_COUNTER : slice_ends(name, SLICE("_total"));
    double *line = golden_line(g);
    golden_put_points(g, v, line);
    json_object_begin(w);
    json_key(w, SLICE("name"));
    json_string(w, name);
    json_key(w, SLICE("type"));
    json_string(w, slice_str(metric_type_name(m ? m->type : is_counter ? METRIC_COUNTER : METRIC_UNKNOWN)));
    json_key(w, SLICE("help"));
    json_string(w, m ? m->help : SLICE_EMPTY);
    golden_json_number(w, SLICE("value"), v->v[v->n - 1]);
    golden_json_line(g, w, SLICE("values"), line);
    put_split(w, o, name);
    struct slice query = arena_printf(g->a, "sum(%.*s{%.*s})", SLICE_FMT(name), SLICE_FMT(s->selector));
    if (is_counter)
        query = arena_printf(g->a, "sum(rate(%.*s{%.*s}[%llds]))", SLICE_FMT(name), SLICE_FMT(s->selector), (long long)golden_window_s(g));
    json_key(w, SLICE("query"));
    json_string(w, query);
    json_object_end(w);
}

static void put_others(struct golden *g, struct json_writer *w, const struct golden_service *s, const struct others *o)
{
    static const struct slice keys[] = { SLICE_INIT("business"), SLICE_INIT("resources") };
    json_key(w, SLICE("metrics"));
    json_object_begin(w);
    for (size_t part = 0; part < COUNT_OF(keys); part++) {
        size_t shown = 0, more = 0;
        json_key(w, keys[part]);
        json_array_begin(w);
        for (size_t i = 0; i < o->values.series_count; i++) {
            struct slice name = labels_get(o->values.series[i].labels, SLICE("__name__"));
            if (o->values.series[i].n == 0 || is_of_requests(s, name) || golden_is_resource(name) != (part == 1))
                continue;
            if (shown < GOLDEN_METRICS_MAX)
                put_metric(g, w, s, o, &o->values.series[i]);
            else
                more++;
            shown++;
        }
        json_array_end(w);
        if (more)
            engine_warn(&g->q->ctx, "%.*s: only the first %d metrics are shown; %zu are left out", SLICE_FMT(keys[part]), GOLDEN_METRICS_MAX, more);
    }
    json_object_end(w);
}

static int by_rate(const void *a, const void *b)
{
    double x = ((const struct golden_endpoint *)a)->signals[SIGNAL_RATE], y = ((const struct golden_endpoint *)b)->signals[SIGNAL_RATE];
    x = isnan(x) ? 0 : x;
    y = isnan(y) ? 0 : y;
    return x < y ? 1 : x > y ? -1 : slice_cmp(((const struct golden_endpoint *)a)->endpoint, ((const struct golden_endpoint *)b)->endpoint);
}

static void put_endpoints(struct json_writer *w, struct golden_endpoint *list, size_t count)
{
    static const struct slice keys[SIGNAL_COUNT] = { SLICE_INIT("requests_per_second"), SLICE_INIT("error_ratio"), SLICE_INIT("p50_seconds"),
                                                     SLICE_INIT("p95_seconds"), SLICE_INIT("p99_seconds") };
    if (count)
        qsort(list, count, sizeof *list, by_rate);
    json_key(w, SLICE("endpoints"));
    json_array_begin(w);
    for (size_t i = 0; i < count; i++) {
        json_object_begin(w);
        json_key(w, SLICE("endpoint"));
        json_string(w, list[i].endpoint);
        json_key(w, SLICE("method"));
        json_string(w, list[i].method);
        for (int what = 0; what < SIGNAL_COUNT; what++)
            golden_json_number(w, keys[what], list[i].signals[what]);
        golden_json_number(w, SLICE("in_progress"), list[i].busy);
        json_object_end(w);
    }
    json_array_end(w);
}

/* Each kind of fullness over time. */
static void put_fullness(struct golden *g, struct json_writer *w, const struct golden_service *s)
{
    static const struct slice keys[FULL_COUNT] = { SLICE_INIT("cpu"), SLICE_INIT("memory"), SLICE_INIT("disk"), SLICE_INIT("pool") };
    json_key(w, SLICE("saturation_series"));
    json_object_begin(w);
    for (int k = 0; k < FULL_COUNT; k++)
        if (s->full[k].ratio || g->host[k].ratio)
            golden_json_line(g, w, keys[k], s->full[k].ratio ? s->full[k].ratio : g->host[k].ratio);
    json_object_end(w);
}

static void answer(struct golden *g, const struct golden_service *s, struct golden_endpoint *list, size_t count, const struct others *o)
{
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    golden_json_service(g, &w, s);
    put_fullness(g, &w, s);
    put_endpoints(&w, list, count);
    put_others(g, &w, s, o);
    json_object_end(&w);
    prom_json_reply(g->q->x, &w, &out, buf_as_slice(&g->q->ctx.warnings), SLICE_EMPTY);
}

/* Endpoints are read out of spans or log lines: that is a read of them, as any other. */
static enum status on_record(struct api_query *q, const struct golden_service *s, size_t count, struct err *err)
{
    if (q->api->audit == NULL || s->source == SOURCE_METRICS)
        return ST_OK;
    return api_audit(q->api, q->x, s->source == SOURCE_LOGS ? "logs.query" : "traces.names", http_path(q->x), count, 200, err);
}

static enum status serve(struct golden *g, struct api_query *q, struct err *err)
{
    struct slice name;
    struct golden_endpoint *list = NULL;
    size_t count = 0;
    struct others others = { 0 };
    enum status st = golden_begin(g, q, err);
    if (!st)
        st = golden_read(g, err);
    if (!st)
        st = url_decode(g->a, api_path_part(q->x, SLICE("name")), false, &name, err);
    if (st)
        return st;
    struct golden_service *s = golden_find(g, name);
    if (s == NULL)
        return err_set(err, ST_NOT_FOUND, "no requests to a service \"%.*s\" are known from metrics, spans or access logs in this window",
                       SLICE_FMT(name));
    switch (s->source) {
    case SOURCE_METRICS: st = golden_metrics_endpoints(g, s, &list, &count, err); break;
    case SOURCE_SPANS: st = golden_spans_endpoints(g, s, &list, &count, err); break;
    case SOURCE_LOGS: st = golden_logs_endpoints(g, s, &list, &count, err); break;
    case SOURCE_COUNT: break;
    }
    if (!st)
        st = on_record(q, s, count, err);
    if (!st)
        st = read_others(g, s, &others, err);
    if (!st)
        answer(g, s, list, count, &others);
    return st;
}

void stoa_service(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct golden *g = arena_new_of(q.arena, struct golden);
    enum status st = serve(g, &q, &err);
    if (st)
        api_fail(x, st, &err);
    golden_end(g);
    api_query_end(&q, "service", st, &err);
}
