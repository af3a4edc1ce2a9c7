/* SPDX-License-Identifier: Apache-2.0 */
/* Golden signals as recording rules: GET /api/stoa/v1/golden/rules gives the expressions that golden_metrics.c asks as a Prometheus
 * rule file, and the server may evaluate it itself (server/part_golden.c).
 *
 * A family of request metrics is a group; its rules are for all jobs, and only as many as some service needs now. With
 * `service` there are its own alone. Names are level:metric:operation; level is the labels that stay: job:http_requests:rate5m. Where jobs
 * need different expressions for one name (another label says how requests ended; a native histogram here, buckets there), they
 * are joined by `or`, native histograms first. Business metrics are the counters of these services that are neither requests nor
 * resources.
 *
 * Services known from spans alone are recorded from span metrics: those that senders make (Tempo's and the Collector's names), or
 * ours. Services known from access logs alone get LogQL, in a group of its own that says so, as no Prometheus can read it. */
#include "api/golden_rules.h"

#include "api/golden.h"
#include "api/handlers.h"

enum { GOLDEN_RECORDS_MAX = 500, GOLDEN_RULES_SECONDS_MAX = 30, RULES_BYTES_MAX = 4 * MIB };
#define RULES_WINDOW_NS (3600 * NS_S) /* services that were there in it */
#define RULES_RANGE     "5m"

struct record {
    struct slice group, name, expr;
    bool is_logql;
};

struct records {
    struct golden *g;
    struct record *list;
    size_t count, cap;
};

/* ---- names ---- */

/* X_total is a counter of X, and times are told in seconds. */
static struct slice metric_of(struct golden *g, struct slice name, struct slice scale)
{
    struct slice ms = SLICE("_milliseconds");
    if (slice_ends(name, SLICE("_total")))
        return slice_sub(name, 0, name.len - SLICE("_total").len);
    if (scale.len && slice_ends(name, ms))
        return arena_printf(g->a, "%.*s_seconds", SLICE_FMT(slice_sub(name, 0, name.len - ms.len)));
    return name;
}

static struct slice name_of(struct golden *g, const struct golden_service *s, enum signal what, struct slice level)
{
    static const char *const operations[SIGNAL_COUNT] = { ":rate" RULES_RANGE, "_failed:ratio_rate" RULES_RANGE, ":p50_rate" RULES_RANGE,
                                                          ":p95_rate" RULES_RANGE, ":p99_rate" RULES_RANGE };
    const struct golden_family *f = s->family;
    struct slice metric = what >= SIGNAL_P50 ? metric_of(g, f->histogram, f->scale)
                          : f->counts_native ? arena_printf(g->a, "%.*s_count", SLICE_FMT(f->requests))
                                             : metric_of(g, f->requests, SLICE_EMPTY);
    return arena_printf(g->a, "%.*s:%.*s%s", SLICE_FMT(level), SLICE_FMT(metric), operations[what]);
}

/* ---- records ---- */

static void add(struct records *r, struct slice group, struct slice name, struct slice expr, bool first)
{
    for (size_t i = 0; i < r->count; i++) {
        struct record *x = &r->list[i];
        if (!slice_eq(x->name, name))
            continue;
        if (!slice_contains(x->expr, expr))
            x->expr = first ? arena_printf(r->g->a, "%.*s\nor\n%.*s", SLICE_FMT(expr), SLICE_FMT(x->expr))
                            : arena_printf(r->g->a, "%.*s\nor\n%.*s", SLICE_FMT(x->expr), SLICE_FMT(expr));
        return;
    }
    if (r->count == GOLDEN_RECORDS_MAX)
        return;
    ARENA_PUSH(r->g->a, r->list, r->count, r->cap) = (struct record){ .group = group, .name = name, .expr = expr };
}

/* Whether services of that stem are told apart by service_name, too. */
static bool has_service_name(const struct golden *g, struct slice stem)
{
    for (size_t i = 0; i < g->count; i++)
        if (g->services[i].family && slice_eq(g->services[i].family->stem, stem) && slice_contains(g->services[i].selector, SLICE("service_name=")))
            return true;
    return false;
}

static void add_service(struct records *r, const struct golden_service *s, bool alone)
{
    struct golden *g = r->g;
    bool named = has_service_name(g, s->family->stem);
    struct slice group = arena_printf(g->a, "golden_%.*s", SLICE_FMT(s->family->stem));
    struct golden_words w = { .by = named ? SLICE("job, service_name") : SLICE("job"), .selector = alone ? s->selector : SLICE_EMPTY,
                              .window = SLICE(RULES_RANGE) };
    for (int what = 0; what < SIGNAL_COUNT; what++)
        if (s->signals[what])
            add(r, group, name_of(g, s, (enum signal)what, named ? SLICE("job_service_name") : SLICE("job")),
                golden_signal_text(g, s, (enum signal)what, w), what >= SIGNAL_P50 ? s->latency_native : s->family->counts_native);
}

static bool counts_requests(const struct golden *g, struct slice name)
{
    for (size_t i = 0; i < g->family_count; i++)
        if (slice_eq(name, g->families[i]->counter))
            return true;
    return false;
}

/* Counters of the services that are neither. only, unless NULL: of that one. */
static enum status add_business(struct records *r, const struct golden_service *only, struct err *err)
{
    struct golden *g = r->g;
    struct value v;
    struct buf jobs;
    buf_init(&jobs, QUERY_TEXT_BYTES_MAX / 2);
    for (size_t i = 0; i < g->count; i++) {
        struct slice selector = g->services[i].selector;
        if (selector.len && (only == NULL || only == &g->services[i]))
            buf_printf(&jobs, "%scount by (__name__, job, service_name) ({__name__=~\".+_total\",%.*s})", jobs.len ? " or " : "",
                       SLICE_FMT(selector));
    }
    struct slice text = buf_over(&jobs) || jobs.len == 0 ? SLICE_EMPTY : arena_copy(g->a, buf_as_slice(&jobs));
    buf_free(&jobs);
    if (text.len == 0)
        return ST_OK;
    enum status st = golden_instant(g, g->q->api->promql, text, &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct slice name = labels_get(v.series[i].labels, SLICE("__name__"));
        if (golden_is_resource(name) || slice_starts(name, SLICE("traces_span")) || counts_requests(g, name) || !metric_name_is_legacy(name))
            continue;
        struct slice selector = only ? arena_printf(g->a, "{%.*s}", SLICE_FMT(only->selector)) : SLICE_EMPTY;
        add(r, SLICE("business"), arena_printf(g->a, "job:%.*s:rate" RULES_RANGE, SLICE_FMT(metric_of(g, name, SLICE_EMPTY))),
            arena_printf(g->a, "sum by (job) (rate(%.*s%.*s[" RULES_RANGE "]))", SLICE_FMT(name), SLICE_FMT(selector)), false);
    }
    return st;
}

/* ---- what services wait for ---- */

static const struct {
    struct slice histogram, scale;
} waits[] = {
    { SLICE_INIT("db_client_operation_duration_seconds"), SLICE_INIT("") },
    { SLICE_INIT("http_client_request_duration_seconds"), SLICE_INIT("") },
    { SLICE_INIT("http_client_duration_milliseconds"), SLICE_INIT("0.001 * ") },
    { SLICE_INIT("rpc_client_call_duration_seconds"), SLICE_INIT("") },
    { SLICE_INIT("rpc_client_duration_milliseconds"), SLICE_INIT("0.001 * ") },
};

/* Traffic and percentiles of calls to databases and other services, by OpenTelemetry's names; where they have any. */
static enum status add_waits(struct records *r, const struct golden_service *only, struct err *err)
{
    static const enum signal signals[] = { SIGNAL_RATE, SIGNAL_P50, SIGNAL_P95, SIGNAL_P99 };
    struct golden *g = r->g;
    enum status st = ST_OK;
    struct golden_words w = { .by = SLICE("job"), .selector = only ? only->selector : SLICE_EMPTY, .window = SLICE(RULES_RANGE) };
    for (size_t i = 0; i < COUNT_OF(waits) * 2 && !st; i++) {
        struct slice name = waits[i / 2].histogram, count = arena_printf(g->a, "%.*s_count", SLICE_FMT(name));
        bool native = i % 2 == 0;
        struct golden_family f = { .histogram = name, .requests = native ? name : count, .scale = waits[i / 2].scale, .counts_native = native };
        struct golden_service s = { .family = &f, .latency_native = native };
        struct value v = { 0 };
        if (!golden_has_name(g, native ? name : count))
            continue;
        st = golden_instant(g, g->q->api->promql, golden_signal_text(g, &s, SIGNAL_RATE, w), &v, err);
        for (size_t k = 0; k < COUNT_OF(signals) && !st && v.series_count; k++)
            add(r, SLICE("golden_dependencies"), name_of(g, &s, signals[k], SLICE("job")), golden_signal_text(g, &s, signals[k], w), native);
    }
    return st;
}

/* ---- span metrics and access logs ---- */

static const struct {
    struct slice calls, latency, scale, by;
} span_metrics[] = {
    { SLICE_INIT("traces_spanmetrics_calls_total"), SLICE_INIT("traces_spanmetrics_latency"), SLICE_INIT(""), SLICE_INIT("service") },
    { SLICE_INIT("traces_span_metrics_calls_total"), SLICE_INIT("traces_span_metrics_duration_milliseconds"), SLICE_INIT("0.001 * "),
      SLICE_INIT("service_name") },
    { SLICE_INIT("traces_span_metrics_calls_total"), SLICE_INIT("traces_span_metrics_duration_seconds"), SLICE_INIT(""), SLICE_INIT("service_name") },
};
#define SERVED "span_kind=~\"SPAN_KIND_SERVER|SPAN_KIND_CONSUMER\""

/* Of requests that services serve. Gives whether there were any. */
static bool add_span_metrics(struct records *r, const struct golden_service *only)
{
    struct golden *g = r->g;
    bool any = false;
    for (size_t i = 0; i < COUNT_OF(span_metrics); i++) {
        struct slice latency = span_metrics[i].latency, by = span_metrics[i].by, selector = SLICE(SERVED);
        bool native = !golden_has_name(g, arena_printf(g->a, "%.*s_bucket", SLICE_FMT(latency)));
        if (!golden_has_name(g, span_metrics[i].calls) || (native && !golden_has_name(g, latency)))
            continue;
        if (only)
            selector = arena_printf(g->a, SERVED ",%.*s", SLICE_FMT(golden_matcher(g->a, by, only->name)));
        struct golden_family f = { .histogram = latency, .requests = span_metrics[i].calls, .status = SLICE("status_code"),
                                   .failed = SLICE("STATUS_CODE_ERROR"), .scale = span_metrics[i].scale };
        struct golden_service s = { .family = &f, .latency_native = native };
        struct golden_words w = { .by = by, .selector = selector, .window = SLICE(RULES_RANGE) };
        for (int what = 0; what < SIGNAL_COUNT; what++)
            add(r, SLICE("golden_spans"), name_of(g, &s, (enum signal)what, by), golden_signal_text(g, &s, (enum signal)what, w), false);
        any = true;
    }
    return any;
}

static enum status add_access_logs(struct records *r, const struct golden_service *only, struct err *err)
{
    static const char *const names[SIGNAL_COUNT] = { "requests:rate" RULES_RANGE, "requests_failed:ratio_rate" RULES_RANGE,
                                                     "request_seconds:p50_" RULES_RANGE, "request_seconds:p95_" RULES_RANGE,
                                                     "request_seconds:p99_" RULES_RANGE };
    struct golden *g = r->g;
    struct slice services = SLICE_EMPTY;
    bool has_times = false;
    enum status st = only ? ST_OK : golden_logs_services(g, &services, &has_times, err);
    if (st || (services.len == 0 && only == NULL))
        return st;
    for (int what = 0; what < SIGNAL_COUNT && r->count < GOLDEN_RECORDS_MAX; what++) {
        if (only ? only->signals[what] == NULL : what >= SIGNAL_P50 && !has_times)
            continue;
        ARENA_PUSH(g->a, r->list, r->count, r->cap) =
            (struct record){ .group = SLICE("golden_access_logs"),
                             .name = arena_printf(g->a, "service_name:access_log_%s", names[what]),
                             .expr = golden_logs_rule(g, only ? only->name : services, (enum signal)what, SLICE(RULES_RANGE)),
                             .is_logql = true };
    }
    return ST_OK;
}

/* ---- the file ---- */

static void put_record(const struct record *x, struct buf *out)
{
    struct slice rest = x->expr, line;
    buf_printf(out, "      - record: %.*s\n        expr: |-\n", SLICE_FMT(x->name));
    while (slice_next(&rest, '\n', &line))
        buf_printf(out, "          %.*s\n", SLICE_FMT(line));
    if (x->is_logql)
        buf_slice(out, SLICE("        lang: logql\n"));
}

static void put_file(const struct records *r, struct slice note, struct buf *out)
{
    buf_printf(out, "# Golden signals and business metrics as recording rules.\n%.*sgroups:%s\n", SLICE_FMT(note), r->count ? "" : " []");
    for (size_t i = 0; i < r->count; i++) {
        bool is_first = true;
        for (size_t k = 0; k < i && is_first; k++)
            is_first = !slice_eq(r->list[k].group, r->list[i].group);
        if (!is_first)
            continue;
        buf_printf(out, "  - name: %.*s\n    interval: 1m\n    rules:\n", SLICE_FMT(r->list[i].group));
        for (size_t k = i; k < r->count; k++)
            if (slice_eq(r->list[k].group, r->list[i].group))
                put_record(&r->list[k], out);
    }
}

static enum status service_only(struct golden *g, struct slice name, const struct golden_service **out, struct err *err)
{
    const struct golden_service *s = golden_find(g, name);
    enum status st = s ? ST_OK : golden_spans(g, err);
    if (!st && s == NULL)
        st = golden_logs(g, err);
    s = st ? NULL : golden_find(g, name);
    if (!st && s == NULL)
        return err_set(err, ST_NOT_FOUND, "no service \"%.*s\" in the last hour", SLICE_FMT(name));
    *out = s;
    return st;
}

/* Of services that no request metrics tell of. */
static enum status add_others(struct records *r, const struct golden_service *only, bool promql_only, struct slice *note, struct err *err)
{
    bool from_spans = only == NULL || only->source == SOURCE_SPANS, from_logs = only == NULL || only->source == SOURCE_LOGS;
    if (from_spans && !add_span_metrics(r, only) && only)
        *note = SLICE("# This service is told from its spans. PromQL has something to record of them when they are counted as metrics: by\n"
                      "# `rules: {span_metrics: true}`, or by who sends them (the Collector's spanmetrics, Tempo's metrics generator).\n");
    if (!from_logs || promql_only)
        return ST_OK;
    size_t before = r->count;
    enum status st = add_access_logs(r, only, err);
    if (!st && r->count > before)
        *note = SLICE("# Rules with `lang: logql` are for Stoa alone; lang=promql leaves them out.\n");
    return st;
}

static enum status write_rules(struct golden *g, struct slice service, bool promql_only, struct buf *out, struct err *err)
{
    struct records r = { .g = g };
    const struct golden_service *only = NULL;
    struct slice note = SLICE_EMPTY;
    enum status st = golden_names(g, err);
    if (!st)
        st = golden_metrics(g, err);
    if (!st && service.len)
        st = service_only(g, service, &only, err);
    for (size_t i = 0; i < g->count && !st; i++)
        if (g->services[i].source == SOURCE_METRICS && (only == NULL || only == &g->services[i]))
            add_service(&r, &g->services[i], only != NULL);
    bool has_metrics = only == NULL || only->source == SOURCE_METRICS;
    if (!st && has_metrics)
        st = add_waits(&r, only, err);
    if (!st && has_metrics)
        st = add_business(&r, only, err);
    if (!st && (only == NULL || !has_metrics))
        st = add_others(&r, only, promql_only, &note, err);
    if (!st && arena_over(g->a))
        st = err_set(err, ST_LIMIT, "golden rules need over %d bytes", QUERY_RESULT_BYTES_MAX);
    if (!st)
        put_file(&r, note, out);
    if (!st && buf_over(out))
        st = err_set(err, ST_LIMIT, "golden rules need over %d bytes", RULES_BYTES_MAX);
    return st;
}

static bool is_cancelled(void *arg)
{
    return atomic_load((atomic_bool *)arg);
}

enum status golden_rules_text(struct api *api, atomic_bool *cancelled, struct buf *out, struct err *err)
{
    static const struct slice tenant = SLICE_INIT("default");
    struct api_query q = { .api = api, .arena = arena_new(QUERY_RESULT_BYTES_MAX) };
    struct golden *g = arena_new_of(q.arena, struct golden);
    int64_t now_ns = clock_wall_ns(api->clock);
    engine_ctx_init(&q.ctx, &tenant, 1, api->clock);
    q.ctx.deadline_mono_ns = clock_mono_ns(api->clock) + GOLDEN_RULES_SECONDS_MAX * NS_S;
    q.ctx.samples_max = api_samples_max(api);
    q.ctx.is_cancelled = is_cancelled;
    q.ctx.cancel_arg = cancelled;
    q.env = (struct query_env){ .engine = api->engine, .ctx = &q.ctx, .result = q.arena };
    buf_init(&q.env.infos, 64 * KIB);
    golden_begin_at(g, &q, now_ns - RULES_WINDOW_NS, now_ns);
    enum status st = write_rules(g, SLICE_EMPTY, false, out, err);
    golden_end(g);
    buf_free(&q.env.infos);
    engine_ctx_free(&q.ctx);
    arena_free(q.arena);
    return st;
}

void stoa_golden_rules(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct buf out;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    struct golden *g = arena_new_of(q.arena, struct golden);
    int64_t now_ns = clock_wall_ns(q.api->clock);
    buf_init(&out, RULES_BYTES_MAX);
    golden_begin_at(g, &q, now_ns - RULES_WINDOW_NS, now_ns);
    enum status st = api_params_read(x, &p, &err);
    struct slice lang = st ? SLICE_EMPTY : api_param(&p, SLICE("lang"), NULL);
    if (!st && lang.len && !slice_eq(lang, SLICE("promql")))
        st = err_set(&err, ST_INVALID, "invalid parameter \"lang\": found \"%.*s\", allowed is promql", SLICE_FMT(slice_sub(lang, 0, 40)));
    if (!st)
        st = write_rules(g, api_param(&p, SLICE("service"), NULL), lang.len > 0, &out, &err);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        http_reply_buf(x, 200, SLICE("application/yaml; charset=utf-8"), &out);
    }
    golden_end(g);
    api_query_end(&q, "golden_rules", st, &err);
}
