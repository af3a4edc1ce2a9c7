/* SPDX-License-Identifier: Apache-2.0 */
/* Golden signals from Prometheus metrics: which metrics count and time requests is seen from their names and labels.
 *
 * A family is a histogram X_request_duration_seconds (of buckets as series, native, or both: then the native one is asked)
 * and/or a counter X_requests_total with the same X, or one of the names that OpenTelemetry, Micrometer, gRPC and service
 * meshes use; see `shapes`. X_duration_seconds alone times anything, so it counts only beside X_requests_total; and
 * X_requests_total alone counts when X speaks of a server. A service is a job (behind the last '/', as OTLP puts the
 * namespace before it), or a service_name label. It is told from the first family, in the order of `order`, that has any
 * requests of it. */
#include "api/golden.h"

#include <math.h>

enum { LABEL_NAMES_MAX = 1000, WINDOW_SECONDS_MAX = 86400 };

static const struct {
    struct slice suffix, scale;
    bool is_histogram, needs_counter;
} shapes[] = {
    { SLICE_INIT("_request_duration_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_requests_duration_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_request_duration_milliseconds"), SLICE_INIT("0.001 * "), true, false },
    { SLICE_INIT("_server_duration_milliseconds"), SLICE_INIT("0.001 * "), true, false },
    { SLICE_INIT("_request_latency_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_requests_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_request_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_server_handling_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_server_call_duration_seconds"), SLICE_INIT(""), true, false },
    { SLICE_INIT("_duration_seconds"), SLICE_INIT(""), true, true },
    { SLICE_INIT("_requests_total"), SLICE_INIT(""), false, false },
    { SLICE_INIT("_request_total"), SLICE_INIT(""), false, false },
    { SLICE_INIT("_server_handled_total"), SLICE_INIT(""), false, false },
};

/* Before all others, which come by name. */
static const struct slice order[] = { SLICE_INIT("http_server"), SLICE_INIT("http"), SLICE_INIT("rpc"), SLICE_INIT("grpc") };

/* Requests that a program sends, or that only fetch metrics. */
static const struct slice not_served[] = { SLICE_INIT("client"), SLICE_INIT("promhttp"), SLICE_INIT("prometheus_remote"), SLICE_INIT("upstream"),
                                           SLICE_INIT("ingest"), SLICE_INIT("node_"), SLICE_INIT("container_") };

static const struct slice servers[] = { SLICE_INIT("http"), SLICE_INIT("rpc"), SLICE_INIT("server"), SLICE_INIT("web"), SLICE_INIT("api"),
                                        SLICE_INIT("gateway"), SLICE_INIT("service"), SLICE_INIT("router"), SLICE_INIT("ingress"),
                                        SLICE_INIT("nginx"), SLICE_INIT("apache"), SLICE_INIT("traefik"), SLICE_INIT("envoy"), SLICE_INIT("istio"),
                                        SLICE_INIT("flask"), SLICE_INIT("django"), SLICE_INIT("fastapi"), SLICE_INIT("app") };

#define FAILED_HTTP "5..|error|failed|failure"
static const struct {
    struct slice label, failed;
} statuses[] = {
    { SLICE_INIT("http_response_status_code"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("http_status_code"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("status_code"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("response_code"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("status"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("code"), SLICE_INIT(FAILED_HTTP) },
    { SLICE_INIT("grpc_code"), SLICE_INIT("Unknown|DeadlineExceeded|Unimplemented|Internal|Unavailable|DataLoss") },
    { SLICE_INIT("rpc_grpc_status_code"), SLICE_INIT("2|4|12|13|14|15") },
};
static const struct slice endpoints[] = { SLICE_INIT("http_route"), SLICE_INIT("route"), SLICE_INIT("endpoint"), SLICE_INIT("handler"),
                                          SLICE_INIT("uri"), SLICE_INIT("path"), SLICE_INIT("http_target"), SLICE_INIT("url_path"),
                                          SLICE_INIT("grpc_method"), SLICE_INIT("rpc_method"), SLICE_INIT("view"), SLICE_INIT("operation") };
static const struct slice methods[] = { SLICE_INIT("http_request_method"), SLICE_INIT("http_method"), SLICE_INIT("method") };

static const char *const signal_templates[SIGNAL_COUNT] = {
    [SIGNAL_RATE] = "sum by ($by) (rate($requests{$selector}[$window]))",
    [SIGNAL_ERRORS] = "(sum by ($by) (rate($requests{$status=~\"$failed\",$selector}[$window])) or 0 * sum by ($by) "
                      "(rate($requests{$status!=\"\",$selector}[$window]))) / sum by ($by) (rate($requests{$selector}[$window]))",
    [SIGNAL_P50] = "$scalehistogram_quantile(0.5, sum by ($by, le) (rate($latency_bucket{$selector}[$window])))",
    [SIGNAL_P95] = "$scalehistogram_quantile(0.95, sum by ($by, le) (rate($latency_bucket{$selector}[$window])))",
    [SIGNAL_P99] = "$scalehistogram_quantile(0.99, sum by ($by, le) (rate($latency_bucket{$selector}[$window])))",
};
/* The same of native histograms. */
static const char *const native_templates[SIGNAL_COUNT] = {
    [SIGNAL_RATE] = "histogram_count(sum by ($by) (rate($latency{$selector}[$window])))",
    [SIGNAL_ERRORS] = "(histogram_count(sum by ($by) (rate($latency{$status=~\"$failed\",$selector}[$window]))) or 0 * histogram_count(sum by ($by) "
                      "(rate($latency{$status!=\"\",$selector}[$window])))) / histogram_count(sum by ($by) (rate($latency{$selector}[$window])))",
    [SIGNAL_P50] = "$scalehistogram_quantile(0.5, sum by ($by) (rate($latency{$selector}[$window])))",
    [SIGNAL_P95] = "$scalehistogram_quantile(0.95, sum by ($by) (rate($latency{$selector}[$window])))",
    [SIGNAL_P99] = "$scalehistogram_quantile(0.99, sum by ($by) (rate($latency{$selector}[$window])))",
};
static const char native_busy_template[] = "$scalehistogram_sum(sum by ($by) (rate($latency{$selector}[$window])))";
/* Seconds of work a second: how many requests are in progress on average. */
static const char busy_template[] = "$scalesum by ($by) (rate($latency_sum{$selector}[$window]))";

/* ---- families ---- */

static bool is_served(struct slice stem)
{
    for (size_t i = 0; i < COUNT_OF(not_served); i++)
        if (slice_contains(stem, not_served[i]))
            return false;
    return true;
}

/* X_requests_total alone may count requests to a disk or a cache. */
static bool is_of_server(struct slice stem)
{
    for (size_t i = 0; i < COUNT_OF(servers); i++)
        if (slice_contains(stem, servers[i]))
            return true;
    return false;
}

/* The family of that stem with room for name; names with one stem that are of one kind are families of their own. */
static struct golden_family *family_of(struct golden *g, struct slice stem, struct slice name, bool is_histogram, bool *full)
{
    for (size_t i = 0; i < g->family_count; i++) {
        struct golden_family *f = g->families[i];
        struct slice has = is_histogram ? f->histogram : f->counter;
        if (slice_eq(f->stem, stem) && (has.len == 0 || slice_eq(has, name)))
            return f;
    }
    if (g->family_count == GOLDEN_FAMILIES_MAX) {
        *full = true;
        return NULL;
    }
    struct golden_family *f = arena_new_of(g->a, struct golden_family);
    f->stem = stem;
    return g->families[g->family_count++] = f;
}

/* Of a series of buckets its histogram; of others the same. */
static struct slice base_of(struct slice name)
{
    return slice_ends(name, SLICE("_bucket")) ? slice_sub(name, 0, name.len - SLICE("_bucket").len) : name;
}

/* A name without _bucket may be a native histogram, unless its _count says that it is a summary. */
static bool may_be_native(const struct golden *g, struct slice name)
{
    return golden_has_name(g, arena_printf(g->a, "%.*s_bucket", SLICE_FMT(name))) ||
           !golden_has_name(g, arena_printf(g->a, "%.*s_count", SLICE_FMT(name)));
}

/* The stem of a name of that shape; empty for others. */
static struct slice stem_of(const struct golden *g, struct slice name, size_t shape)
{
    struct slice suffix = shapes[shape].suffix, base = base_of(name);
    if (shapes[shape].is_histogram) {
        if (!slice_ends(base, suffix) || (base.len == name.len && !may_be_native(g, name)))
            return SLICE_EMPTY;
        name = base;
    }
    return slice_ends(name, suffix) && name.len > suffix.len ? slice_sub(name, 0, name.len - suffix.len) : SLICE_EMPTY;
}

static bool has_counter(const struct golden *g, struct slice stem)
{
    return golden_has_name(g, arena_printf(g->a, "%.*s_requests_total", SLICE_FMT(stem)));
}

/* only, unless NULL: the stem looked for. */
static void find_families(struct golden *g, size_t shape, const struct slice *only, bool *full)
{
    for (size_t i = 0; i < g->name_count; i++) {
        struct slice name = g->names[i], stem = stem_of(g, name, shape);
        if (stem.len == 0 || (only && !slice_eq(stem, *only)) || !is_served(stem) || (shapes[shape].needs_counter && !has_counter(g, stem)))
            continue;
        bool is_histogram = shapes[shape].is_histogram;
        bool is_classic = is_histogram && base_of(name).len < name.len;
        name = is_histogram ? base_of(name) : name;
        struct golden_family *f = family_of(g, stem, name, is_histogram, full);
        if (f == NULL)
            continue;
        if (is_histogram) {
            f->histogram = name;
            f->scale = shapes[shape].scale;
            f->is_classic |= is_classic;
            f->is_native |= !is_classic;
        } else {
            f->counter = name;
        }
    }
}

static struct slice count_of(struct golden *g, const struct golden_family *f)
{
    return f->is_classic ? arena_printf(g->a, "%.*s_count", SLICE_FMT(f->histogram)) : f->histogram;
}

static bool has_label(const struct name_hit *hits, size_t count, struct slice wanted)
{
    for (size_t i = 0; i < count; i++)
        if (slice_eq(hits[i].value, wanted))
            return true;
    return false;
}

static struct slice first_of(const struct name_hit *hits, size_t count, const struct slice *wanted, size_t n)
{
    for (size_t k = 0; k < n; k++)
        if (has_label(hits, count, wanted[k]))
            return wanted[k];
    return SLICE_EMPTY;
}

/* The names of labels that series of that name and these matchers have. */
static enum status labels_of(struct golden *g, struct slice name, struct slice selector, struct name_hit **hits, size_t *count, struct err *err)
{
    struct matcher *m;
    size_t matcher_count;
    struct slice text = arena_printf(g->a, "{__name__=\"%.*s\",%.*s}", SLICE_FMT(name), SLICE_FMT(selector));
    if (selector.len == 0)
        text = arena_printf(g->a, "{__name__=\"%.*s\"}", SLICE_FMT(name));
    enum status st = matchers_parse(g->a, text, &m, &matcher_count, err);
    if (st)
        return st;
    struct names_query nq = { .what = NAMES_LABELS, .start_ns = g->start_ns, .end_ns = g->end_ns, .matchers = m, .matcher_count = matcher_count,
                              .limit = LABEL_NAMES_MAX };
    st = g->q->api->engine->ops->names(g->q->api->engine, &g->q->ctx, &nq, g->a, hits, count, err);
    matchers_destroy(m, matcher_count);
    return st;
}

/* Bits of `statuses` that name has. */
static enum status statuses_of(struct golden *g, struct slice name, unsigned *out, struct err *err)
{
    struct name_hit *hits;
    size_t count;
    *out = 0;
    enum status st = labels_of(g, name, SLICE_EMPTY, &hits, &count, err);
    for (size_t i = 0; !st && i < COUNT_OF(statuses); i++)
        *out |= has_label(hits, count, statuses[i].label) ? 1u << i : 0;
    return st;
}

/* The counter counts the requests, unless only the histogram knows how they ended. */
static enum status look_at(struct golden *g, struct golden_family *f, unsigned *labels, struct err *err)
{
    enum status st = ST_OK;
    *labels = 0;
    f->requests = f->counter;
    if (f->counter.len)
        st = statuses_of(g, f->counter, labels, err);
    if (st || *labels || f->histogram.len == 0)
        return st;
    st = statuses_of(g, count_of(g, f), labels, err);
    if (!st && (*labels || f->counter.len == 0)) {
        f->requests = count_of(g, f);
        f->counts_native = !f->is_classic;
    }
    return st;
}

/* ---- services ---- */

static struct slice selector_of(struct golden *g, struct slice job, struct slice service_name)
{
    if (service_name.len == 0)
        return golden_matcher(g->a, SLICE("job"), job);
    if (job.len == 0)
        return golden_matcher(g->a, SLICE("service_name"), service_name);
    return arena_printf(g->a, "%.*s,%.*s", SLICE_FMT(golden_matcher(g->a, SLICE("job"), job)),
                        SLICE_FMT(golden_matcher(g->a, SLICE("service_name"), service_name)));
}

/* The service of these labels. claim: it may be new, and is then of family f. */
static struct golden_service *service_of(struct golden *g, struct slice labels, const struct golden_family *f, bool claim)
{
    struct slice job = labels_get(labels, SLICE("job")), name = labels_get(labels, SLICE("service_name")), head, tail, rest = job;
    if (job.len == 0 && name.len == 0)
        return NULL;
    struct slice selector = selector_of(g, job, name);
    if (name.len == 0)
        for (name = job; slice_cut(rest, '/', &head, &tail); rest = tail)
            name = tail;
    struct golden_service *s = golden_find(g, name.len ? name : job);
    if (s && !slice_eq(s->selector, selector)) { /* another namespace's: by its whole name */
        name = job;
        s = golden_find(g, job);
    }
    if (s)
        return slice_eq(s->family->stem, f->stem) && slice_eq(s->selector, selector) ? s : NULL;
    if (!claim || (s = golden_service(g, name.len ? name : job, SOURCE_METRICS)) == NULL)
        return NULL;
    s->selector = selector;
    s->family = f;
    return s;
}

/* status: its place in `statuses`, for SIGNAL_ERRORS; a service keeps the first label that tells. */
static enum status read_signal(struct golden *g, const struct golden_family *f, enum signal what, bool native, size_t first, struct err *err)
{
    struct golden_words w = { .by = SLICE("job, service_name"), .family = f, .window_s = golden_window_s(g) };
    struct value v;
    enum status st = golden_range(g, g->q->api->promql, golden_text(g, (native ? native_templates : signal_templates)[what], &w), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct golden_service *s = service_of(g, v.series[i].labels, f, what == SIGNAL_RATE);
        if (s == NULL || s < &g->services[first] || s->signals[what])
            continue;
        s->family = f;
        s->latency_native |= native && what >= SIGNAL_P50;
        s->signals[what] = golden_line(g);
        golden_put_points(g, &v.series[i], s->signals[what]);
    }
    return st;
}

static enum status read_family(struct golden *g, struct golden_family *f, struct err *err)
{
    unsigned labels;
    size_t first = g->count;
    enum status st = look_at(g, f, &labels, err);
    if (!st)
        st = read_signal(g, f, SIGNAL_RATE, f->counts_native, first, err);
    if (st || g->count == first)
        return st;
    for (int what = SIGNAL_P50; !st && f->is_native && what <= SIGNAL_P99; what++)
        st = read_signal(g, f, (enum signal)what, true, first, err);
    for (int what = SIGNAL_P50; !st && f->is_classic && what <= SIGNAL_P99; what++)
        st = read_signal(g, f, (enum signal)what, false, first, err);
    for (size_t i = 0; !st && i < COUNT_OF(statuses); i++) {
        if (!(labels & 1u << i))
            continue;
        struct golden_family *with = arena_new_of(g->a, struct golden_family);
        *with = *f;
        with->status = statuses[i].label;
        with->failed = statuses[i].failed;
        st = read_signal(g, with, SIGNAL_ERRORS, with->counts_native, first, err);
    }
    return st;
}

enum status golden_metrics(struct golden *g, struct err *err)
{
    bool full = false;
    enum status st = ST_OK;
    for (size_t k = 0; k <= COUNT_OF(order); k++)
        for (size_t shape = 0; shape < COUNT_OF(shapes); shape++)
            find_families(g, shape, k < COUNT_OF(order) ? &order[k] : NULL, &full);
    if (full)
        engine_warn(&g->q->ctx, "only %d families of request metrics are looked at; others are left out", GOLDEN_FAMILIES_MAX);
    for (size_t i = 0; !st && i < g->family_count; i++) {
        if (g->families[i]->histogram.len == 0 && !is_of_server(g->families[i]->stem))
            continue;
        struct golden_family *f = g->families[i], *alone = arena_array(g->a, struct golden_family, 2);
        if (f->counter.len)
            st = read_family(g, f, err);
        /* Jobs that have the histogram and not the counter; native ones first. */
        for (int classic = 0; !st && classic < 2; classic++) {
            alone[classic] = (struct golden_family){ .stem = f->stem, .histogram = f->histogram, .scale = f->scale, .is_classic = classic,
                                                     .is_native = !classic };
            if (classic ? f->is_classic : f->is_native)
                st = read_family(g, &alone[classic], err);
        }
    }
    return st;
}

static const char *const *templates_of(const struct golden_service *s, int what)
{
    bool native = what >= SIGNAL_P50 ? s->latency_native : s->family->counts_native;
    return native ? native_templates : signal_templates;
}

struct slice golden_signal_text(struct golden *g, const struct golden_service *s, enum signal what, struct golden_words w)
{
    w.family = s->family;
    return golden_text(g, templates_of(s, what)[what], &w);
}

struct slice golden_signal_query(struct golden *g, const struct golden_service *s, enum signal what)
{
    if (s->source == SOURCE_LOGS)
        return golden_logs_query(g, s->name, what);
    if (s->source != SOURCE_METRICS || s->signals[what] == NULL)
        return SLICE_EMPTY;
    return golden_signal_text(g, s, what, (struct golden_words){ .selector = s->selector, .window_s = golden_window_s(g) });
}

/* ---- endpoints ---- */

/* The labels of one metric that say which endpoint. */
struct places {
    struct slice endpoint, method;
};

static enum status places_of(struct golden *g, const struct golden_service *s, struct slice name, struct places *out, struct err *err)
{
    struct name_hit *hits;
    size_t count;
    enum status st = labels_of(g, name, s->selector, &hits, &count, err);
    if (st)
        return st;
    out->endpoint = first_of(hits, count, endpoints, COUNT_OF(endpoints));
    out->method = first_of(hits, count, methods, COUNT_OF(methods));
    return ST_OK;
}

enum status golden_metrics_place(struct golden *g, const struct golden_service *s, struct slice *out, struct err *err)
{
    struct places p = { SLICE_EMPTY, SLICE_EMPTY };
    enum status st = s->family ? places_of(g, s, s->family->requests, &p, err) : ST_OK;
    *out = p.endpoint;
    return st;
}

static enum status read_endpoints(struct golden *g, const struct golden_service *s, const char *template, const struct places *p, int what,
                                  struct golden_endpoint **list, size_t *count, struct err *err)
{
    int64_t window = MIN((g->end_ns - g->start_ns) / NS_S, WINDOW_SECONDS_MAX);
    struct golden_words w = { .selector = s->selector, .family = s->family, .window_s = MAX(window, 1) };
    struct value v;
    w.by = p->endpoint.len && p->method.len ? arena_printf(g->a, "%.*s, %.*s", SLICE_FMT(p->endpoint), SLICE_FMT(p->method))
           : p->endpoint.len                ? p->endpoint
                                            : p->method;
    enum status st = golden_instant(g, g->q->api->promql, golden_text(g, template, &w), &v, err);
    for (size_t i = 0; !st && i < v.series_count; i++) {
        struct slice labels = v.series[i].labels;
        struct golden_endpoint *e = golden_endpoint(g, list, count, labels_get(labels, p->endpoint), labels_get(labels, p->method));
        if (e == NULL || !isfinite(v.series[i].v[0]))
            continue;
        *(what < SIGNAL_COUNT ? &e->signals[what] : &e->busy) = v.series[i].v[0];
    }
    return st;
}

enum status golden_metrics_endpoints(struct golden *g, const struct golden_service *s, struct golden_endpoint **out, size_t *count, struct err *err)
{
    struct places of_requests, of_latency = { SLICE_EMPTY, SLICE_EMPTY };
    bool timed = s->signals[SIGNAL_P50] != NULL;
    enum status st = places_of(g, s, s->family->requests, &of_requests, err);
    if (!st && timed)
        st = places_of(g, s, s->latency_native ? s->family->histogram : count_of(g, s->family), &of_latency, err);
    for (int what = 0; !st && what < SIGNAL_COUNT; what++)
        if (s->signals[what])
            st = read_endpoints(g, s, templates_of(s, what)[what], what >= SIGNAL_P50 ? &of_latency : &of_requests, what, out, count, err);
    if (!st && timed)
        st = read_endpoints(g, s, s->latency_native ? native_busy_template : busy_template, &of_latency, SIGNAL_COUNT, out, count, err);
    return st;
}
