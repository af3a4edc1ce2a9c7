/* SPDX-License-Identifier: Apache-2.0 */
/* Jaeger's metrics of services (the tab Monitor of its page): latencies, calls and errors over time, by service or by operation.
 * https://www.jaegertracing.io/docs/2.0/spm/#api
 *
 * They are asked of the metrics that spans became as they came (docs/manual/services-from-spans.md), which count every span. */
#include <math.h>

#include "api/handlers.h"
#include "api/jaeger_json.h"
#include "api/trace_read.h"
#include "base/date.h"
#include "base/num.h"
#include "codec/json.h"

enum { SPM_SERVICES_MAX = 100, SPM_POINTS_MAX = 11 * 1000, SPM_TEXT_BYTES_MAX = 256 * KIB, SPM_ANSWER_BYTES_MAX = 64 * MIB };

#define CALLS "traces_spanmetrics_calls_total"
#define LATENCY "traces_spanmetrics_latency"

struct asked {
    int64_t start_ns, end_ns, step_ns, rate_ns;
    double quantile;
    bool by_operation;
    struct slice selector; /* service=~"...",span_kind=~"..." */
};

/* ---- what is asked ---- */

static enum status read_millis(const struct api_params *p, struct slice name, int64_t absent_ms, int64_t least_ms, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t ms = absent_ms;
    if (text.len && (!num_parse_i64(text, &ms) || ms < least_ms))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected a whole number of milliseconds, at least %lld",
                       SLICE_FMT(name), SLICE_FMT(text), (long long)least_ms);
    *out_ns = sat_mul(ms, NS_MS);
    return ST_OK;
}

static void put_escaped(struct buf *regex, struct slice text)
{
    for (size_t i = 0; i < text.len; i++) {
        char c = text.ptr[i];
        bool is_plain = (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' || (unsigned char)c >= 0x80;
        if (!is_plain)
            buf_char(regex, '\\');
        buf_char(regex, c);
    }
}

/* The values of a parameter that may come many times, as a regex of any of them. */
static enum status any_of(struct arena *a, const struct api_params *p, struct slice name, void (*put)(struct buf *, struct slice), struct slice *out,
                          size_t *count, struct err *err)
{
    struct buf regex;
    enum status st = ST_OK;
    *count = 0;
    buf_init(&regex, SPM_TEXT_BYTES_MAX);
    for (size_t i = 0; i < p->count && !st; i++) {
        if (!slice_eq(p->list[i].name, name) || p->list[i].value.len == 0)
            continue;
        if ((*count)++)
            buf_char(&regex, '|');
        put(&regex, p->list[i].value);
        if (*count > SPM_SERVICES_MAX || buf_over(&regex))
            st = err_set(err, ST_LIMIT, "parameter \"%.*s\": more than %d of them, or too long", SLICE_FMT(name), SPM_SERVICES_MAX);
    }
    *out = arena_copy(a, buf_as_slice(&regex));
    buf_free(&regex);
    return st;
}

/* "server" and "SPAN_KIND_SERVER". */
static void put_kind(struct buf *regex, struct slice kind)
{
    struct slice prefix = SLICE("SPAN_KIND_");
    buf_slice(regex, prefix);
    kind = slice_starts(kind, prefix) ? slice_skip(kind, prefix.len) : kind;
    for (size_t i = 0; i < kind.len; i++)
        if ((kind.ptr[i] >= 'a' && kind.ptr[i] <= 'z') || (kind.ptr[i] >= 'A' && kind.ptr[i] <= 'Z'))
            buf_char(regex, (char)(kind.ptr[i] & ~0x20));
}

static enum status read_selector(struct arena *a, const struct api_params *p, struct slice *out, struct err *err)
{
    struct slice services, kinds;
    struct buf text;
    size_t n;
    enum status st = any_of(a, p, SLICE("service"), put_escaped, &services, &n, err);
    if (!st && n == 0)
        st = err_set(err, ST_INVALID, "parameter \"service\" is missing: at least one is needed");
    if (!st)
        st = any_of(a, p, SLICE("spanKind"), put_kind, &kinds, &n, err);
    if (st)
        return st;
    buf_init(&text, 0); /* of limited texts */
    buf_slice(&text, SLICE("service=~"));
    text_put_quoted(services, &text);
    buf_slice(&text, SLICE(",span_kind=~"));
    text_put_quoted(n ? kinds : SLICE("SPAN_KIND_SERVER"), &text);
    *out = arena_copy(a, buf_as_slice(&text));
    buf_free(&text);
    return ST_OK;
}

static enum status read_quantile(const struct api_params *p, double *out, struct err *err)
{
    struct slice text = api_param(p, SLICE("quantile"), NULL);
    if (!num_parse_double(text, out) || !(*out >= 0 && *out <= 1))
        return err_set(err, ST_INVALID, "parameter \"quantile\": found \"%.*s\", expected a number from 0 to 1", SLICE_FMT(text));
    return ST_OK;
}

static enum status read_asked(struct api_query *q, const struct api_params *p, struct asked *k, struct err *err)
{
    int64_t back;
    enum status st = read_selector(q->arena, p, &k->selector, err);
    if (!st)
        st = read_millis(p, SLICE("endTs"), clock_wall_ns(q->api->clock) / NS_MS, 0, &k->end_ns, err);
    if (!st)
        st = read_millis(p, SLICE("lookback"), 3600 * 1000, 1, &back, err);
    if (!st)
        st = read_millis(p, SLICE("step"), 5 * 1000, 1, &k->step_ns, err);
    if (!st)
        st = read_millis(p, SLICE("ratePer"), 600 * 1000, 1, &k->rate_ns, err);
    if (st)
        return st;
    k->start_ns = sat_sub(k->end_ns, back);
    k->by_operation = slice_eq(api_param(p, SLICE("groupByOperation"), NULL), SLICE("true"));
    if (back / k->step_ns > SPM_POINTS_MAX)
        return err_set(err, ST_LIMIT, "parameter \"step\": %lld ms of %lld ms are over %d points", (long long)(k->step_ns / NS_MS),
                       (long long)(back / NS_MS), SPM_POINTS_MAX);
    return ST_OK;
}

/* ---- the answer ---- */

static void put_text(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_label(struct json_writer *w, const char *name, struct slice value)
{
    json_object_begin(w);
    put_text(w, "name", slice_str(name));
    put_text(w, "value", value);
    json_object_end(w);
}

static void put_points(struct json_writer *w, const struct value_series *s)
{
    char text[DATE_TEXT_BYTES_MAX];
    json_key(w, SLICE("metricPoints"));
    json_array_begin(w);
    for (size_t i = 0; i < s->n; i++) {
        json_object_begin(w);
        json_key(w, SLICE("gaugeValue"));
        json_object_begin(w);
        json_key(w, SLICE("doubleValue"));
        json_double(w, s->v[i]);
        json_object_end(w);
        int64_t ns = s->t_ms[i] * NS_MS;
        put_text(w, "timestamp", slice_of(text, date_format_rfc3339(ns, 0, ns % NS_S ? 3 : 0, text)));
        json_object_end(w);
    }
    json_array_end(w);
}

static void answer(struct api_query *q, const struct asked *k, struct slice name, struct slice help, const struct value *v)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, SPM_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    put_text(&w, "name", arena_printf(q->arena, "service_%s%.*s", k->by_operation ? "operation_" : "", SLICE_FMT(name)));
    put_text(&w, "type", SLICE("GAUGE"));
    put_text(&w, "help", arena_printf(q->arena, "%.*s, grouped by service%s", SLICE_FMT(help), k->by_operation ? " & operation" : ""));
    json_key(&w, SLICE("metrics"));
    json_array_begin(&w);
    for (size_t i = 0; i < v->series_count; i++) {
        json_object_begin(&w);
        json_key(&w, SLICE("labels"));
        json_array_begin(&w);
        if (k->by_operation)
            put_label(&w, "operation", labels_get(v->series[i].labels, SLICE("span_name")));
        put_label(&w, "service_name", labels_get(v->series[i].labels, SLICE("service")));
        json_array_end(&w);
        put_points(&w, &v->series[i]);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
}

static enum status run(struct api_query *q, const struct asked *k, struct slice text, struct value *v, struct err *err)
{
    struct query_params p = { .start_ns = k->start_ns, .end_ns = k->end_ns, .step_ns = k->step_ns, .features = q->api->features };
    enum status st = q->api->promql->range(&q->env, text, &p, v, err);
    if (!st && arena_over(q->arena))
        st = err_set(err, ST_LIMIT, "the answer needs over %d bytes, which is the limit for one query", QUERY_RESULT_BYTES_MAX);
    return st;
}

/* sum by (service) (rate(CALLS{selector,more}[range])) */
static struct slice rate_of(struct arena *a, const struct asked *k, const char *metric, const char *more)
{
    return arena_printf(a, "sum by (service%s) (rate(%s{%.*s%s}[%lldms]))", k->by_operation ? ",span_name" : "", metric, SLICE_FMT(k->selector), more,
                        (long long)(k->rate_ns / NS_MS));
}

static struct slice text_of(struct api_query *q, const struct asked *k, struct slice what)
{
    struct slice calls = rate_of(q->arena, k, CALLS, "");
    if (slice_eq(what, SLICE("calls")))
        return calls;
    if (slice_eq(what, SLICE("latencies"))) /* in milliseconds, as Jaeger's page reads them */
        return arena_printf(q->arena, "1000 * histogram_quantile(%.17g, %.*s)", k->quantile, SLICE_FMT(rate_of(q->arena, k, LATENCY, "")));
    struct slice errors = rate_of(q->arena, k, CALLS, ",status_code=\"STATUS_CODE_ERROR\"");
    return arena_printf(q->arena, "(%.*s) / (%.*s) or 0 * (%.*s)", SLICE_FMT(errors), SLICE_FMT(calls), SLICE_FMT(calls));
}

/* The smallest step that makes sense, in milliseconds. */
static void answer_min_step(struct http_exchange *x)
{
    struct buf out;
    buf_init(&out, 0);
    buf_slice(&out, SLICE("{\"data\":1,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":null}"));
    api_reply_json(x, 200, &out);
}

void jaeger_metrics(void *user, struct http_exchange *x)
{
    struct slice what = api_path_part(x, SLICE("what"));
    bool is_calls = slice_eq(what, SLICE("calls")), is_latencies = slice_eq(what, SLICE("latencies"));
    struct api_query q;
    struct api_params p;
    struct asked k = { .quantile = 0 };
    struct value v = { 0 };
    struct err err;
    if (slice_eq(what, SLICE("minstep"))) {
        answer_min_step(x);
        return;
    }
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st && !is_calls && !is_latencies && !slice_eq(what, SLICE("errors")))
        st = err_set(&err, ST_NOT_FOUND, "metrics \"%.*s\" are not known: latencies, calls, errors and minstep are", SLICE_FMT(what));
    if (!st)
        st = read_asked(&q, &p, &k, &err);
    if (!st && is_latencies)
        st = read_quantile(&p, &k.quantile, &err);
    if (!st)
        st = run(&q, &k, text_of(&q, &k, what), &v, &err);
    if (st)
        jaeger_fail(x, st, &err);
    else if (is_latencies)
        answer(&q, &k, SLICE("latencies"), arena_printf(q.arena, "%gth quantile latency", k.quantile), &v);
    else if (is_calls)
        answer(&q, &k, SLICE("call_rate"), SLICE("calls/sec"), &v);
    else
        answer(&q, &k, SLICE("error_rate"), SLICE("error rate, computed as a fraction of errors/sec over calls/sec"), &v);
    api_query_end(&q, "jaeger", st, &err);
}
