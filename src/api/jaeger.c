/* SPDX-License-Identifier: Apache-2.0 */
/* Jaeger's query API: services, operations, search, trace by id.
 * A search gives whole traces of the newest spans that fit (trace_read.h). */
#include "api/handlers.h"
#include "api/jaeger_json.h"
#include "api/trace_links.h"
#include "api/trace_tags.h"
#include "base/date.h"
#include "base/num.h"

#include <stdlib.h>

enum { TRACES_DEFAULT = 20, TRACES_MAX = 1500, JAEGER_ANSWER_BYTES_MAX = 256 * MIB };

/* {"data":null,...,"errors":[{"code":400,"msg":"..."}]} */
void jaeger_fail(struct http_exchange *x, enum status st, const struct err *err)
{
    struct buf out;
    struct json_writer w;
    int code = api_http_status(st);
    buf_init(&out, 0);
    buf_printf(&out, "{\"data\":null,\"total\":0,\"limit\":0,\"offset\":0,\"errors\":[{\"code\":%d,\"msg\":", code);
    json_writer_init(&w, &out);
    json_string(&w, slice_str(err->text));
    buf_slice(&out, SLICE("}]}"));
    api_reply_json(x, code, &out);
}

static void begin_data(struct json_writer *w, struct buf *out)
{
    buf_init(out, JAEGER_ANSWER_BYTES_MAX);
    json_writer_init(w, out);
    json_object_begin(w);
    json_key(w, SLICE("data"));
    json_array_begin(w);
}

static void end_data(struct json_writer *w, size_t total)
{
    json_array_end(w);
    json_key(w, SLICE("total"));
    json_uint(w, total);
    json_key(w, SLICE("limit"));
    json_uint(w, 0);
    json_key(w, SLICE("offset"));
    json_uint(w, 0);
    json_key(w, SLICE("errors"));
    json_raw(w, SLICE("null"));
    json_object_end(w);
}

static void end_query(struct api_query *q, enum status st, const struct err *err)
{
    if (st)
        jaeger_fail(q->x, st, err);
    api_query_end(q, "jaeger", st, err);
}

void jaeger_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct name_hit *hits;
    struct err err;
    size_t n;
    if (!api_query_begin(user, x, &q))
        return;
    struct names_query nq = { .what = NAMES_SERVICES, .start_ns = 0, .end_ns = INT64_MAX, .kinds = SPAN_KINDS };
    enum status st = q.api->engine->ops->names(q.api->engine, &q.ctx, &nq, q.arena, &hits, &n, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        begin_data(&w, &out);
        api_audit_note(x, SLICE_EMPTY, n);
        for (size_t i = 0; i < n; i++)
            json_string(&w, hits[i].value);
        end_data(&w, n);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}

/* ---- operations ---- */

static void serve_operations(struct api *api, struct http_exchange *x, struct slice service, bool with_kind)
{
    struct api_query q;
    struct map seen;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    map_init(&seen);
    enum status st = trace_operations(&q, service, &seen, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        const struct map_entry *list = trace_names_in_order(q.arena, &seen);
        begin_data(&w, &out);
        api_audit_note(x, SLICE_EMPTY, seen.count);
        for (size_t i = 0; i < seen.count; i++) {
            if (!with_kind) {
                json_string(&w, list[i].key);
                continue;
            }
            json_object_begin(&w);
            json_key(&w, SLICE("name"));
            json_string(&w, list[i].key);
            json_key(&w, SLICE("spanKind"));
            json_string(&w, list[i].value ? trace_kind_name((unsigned)list[i].value) : SLICE_EMPTY);
            json_object_end(&w);
        }
        end_data(&w, seen.count);
        api_reply_json(x, 200, &out);
    }
    map_free(&seen);
    end_query(&q, st, &err);
}

void jaeger_operations(void *user, struct http_exchange *x)
{
    serve_operations(user, x, api_path_part(x, SLICE("service")), false);
}

void jaeger_operations_v2(void *user, struct http_exchange *x)
{
    struct api_params p;
    struct err err;
    enum status st = api_params_read(x, &p, &err);
    if (st)
        jaeger_fail(x, st, &err);
    else
        serve_operations(user, x, api_param(&p, SLICE("service"), NULL), true);
}

/* ---- traces ---- */

/* raw=true: times as they came. */
static bool wants_raw(const struct api_params *p)
{
    return slice_eq(api_param(p, SLICE("raw"), NULL), SLICE("true"));
}

static void answer_traces(struct api_query *q, struct trace_spans *s, bool is_raw)
{
    struct buf out;
    struct json_writer w;
    size_t traces = 0;
    trace_spans_sort(s);
    begin_data(&w, &out);
    api_audit_note(q->x, SLICE_EMPTY, s->count);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        jaeger_json_trace(&w, q->arena, s->list + i, end - i, !is_raw);
        traces++;
    }
    end_data(&w, traces);
    api_reply_json(q->x, 200, &out);
}

void jaeger_trace(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct err err;
    struct trace_spans spans = { 0 };
    struct api_params p;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = trace_read_id(&q, api_path_part(x, SLICE("id")), &spans, &err);
    if (!st)
        answer_traces(&q, &spans, wants_raw(&p));
    end_query(&q, st, &err);
}

/* ---- search ---- */

static enum status micros_param(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t us;
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_i64(text, &us))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected microseconds since 1970", SLICE_FMT(name), SLICE_FMT(text));
    *out_ns = sat_mul(us, 1000);
    return ST_OK;
}

static enum status add_duration(struct arena *a, const struct api_params *p, struct slice name, enum pred_op op, struct preds *k, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t ns;
    if (text.len == 0)
        return ST_OK;
    if (!duration_parse_go(text, &ns))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected a duration such as 100ms or 1.2s", SLICE_FMT(name),
                       SLICE_FMT(text));
    preds_add(a, k, pred_int(a, op, COL_DURATION, ns));
    return ST_OK;
}

/* tags={"a":"b"} and tag=a:b. */
static enum status read_tags(struct arena *a, const struct api_params *p, struct trace_tags *t, struct err *err)
{
    struct slice text = api_param(p, SLICE("tags"), NULL);
    if (text.len && !trace_tags_read(a, text, t))
        return err_set(err, ST_INVALID, "parameter \"tags\": expected a JSON object of at most %d text values, found %.*s", TRACE_TAGS_MAX,
                       SLICE_FMT(text));
    for (size_t i = 0; i < p->count && t->count < TRACE_TAGS_MAX; i++)
        if (slice_eq(p->list[i].name, SLICE("tag")) && slice_cut(p->list[i].value, ':', &t->names[t->count], &t->values[t->count]))
            t->count++;
    return ST_OK;
}

struct search {
    struct api_params p;
    int64_t start_ns, end_ns;
    size_t limit;
    struct pred *pred;
    struct trace_tags tags;
};

static enum status search_read(struct api_query *q, struct search *s, struct err *err)
{
    struct preds k = { 0 };
    int64_t now = clock_wall_ns(q->api->clock), back = TRACE_LOOKBACK_HOURS * 3600 * NS_S;
    enum status st = api_params_read(q->x, &s->p, err);
    if (st)
        return st;
    struct slice service = api_param(&s->p, SLICE("service"), NULL), operation = api_param(&s->p, SLICE("operation"), NULL);
    struct slice lookback = api_param(&s->p, SLICE("lookback"), NULL);
    if (lookback.len && !slice_eq(lookback, SLICE("custom")) && (st = api_parse_duration(lookback, &back, err)))
        return st;
    if (service.len)
        preds_add(q->arena, &k, pred_text(q->arena, COL_SERVICE, SLICE_EMPTY, service));
    if (operation.len && !slice_eq(operation, SLICE("all")))
        preds_add(q->arena, &k, pred_text(q->arena, COL_BODY, SLICE_EMPTY, operation));
    if (!st)
        st = micros_param(&s->p, SLICE("end"), sat_add(now, 60 * NS_S), &s->end_ns, err);
    if (!st)
        st = micros_param(&s->p, SLICE("start"), sat_sub(s->end_ns, back), &s->start_ns, err);
    if (!st)
        st = add_duration(q->arena, &s->p, SLICE("minDuration"), PRED_GE, &k, err);
    if (!st)
        st = add_duration(q->arena, &s->p, SLICE("maxDuration"), PRED_LE, &k, err);
    if (!st)
        st = api_param_size(&s->p, SLICE("limit"), TRACES_DEFAULT, TRACES_MAX, &s->limit, err);
    if (!st)
        st = read_tags(q->arena, &s->p, &s->tags, err);
    s->pred = pred_node(q->arena, PRED_AND, &k);
    return st;
}

void jaeger_search(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct search s = { .limit = 0 };
    struct err err;
    struct trace_spans spans = { 0 };
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = search_read(&q, &s, &err);
    if (!st)
        st = trace_tags_search(&q, &(struct trace_search){ NULL, s.start_ns, sat_add(s.end_ns, 1), s.limit, NULL, NULL, 0 }, s.pred, &s.tags, &spans,
                               &err);
    if (!st)
        answer_traces(&q, &spans, wants_raw(&s.p));
    end_query(&q, st, &err);
}

/* ---- dependencies ---- */

static enum status millis_param(const struct api_params *p, struct slice name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = api_param(p, name, NULL);
    int64_t ms;
    *out_ns = absent_ns;
    if (text.len == 0)
        return ST_OK;
    if (!num_parse_i64(text, &ms))
        return err_set(err, ST_INVALID, "parameter \"%.*s\": found \"%.*s\", expected milliseconds", SLICE_FMT(name), SLICE_FMT(text));
    *out_ns = sat_mul(ms, NS_MS);
    return ST_OK;
}

void jaeger_dependencies(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct trace_link *links = NULL;
    struct err err;
    size_t count = 0;
    int64_t end_ns, back;
    bool is_part = false;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = millis_param(&p, SLICE("endTs"), clock_wall_ns(q.api->clock), &end_ns, &err);
    if (!st)
        st = millis_param(&p, SLICE("lookback"), 24 * 3600 * NS_S, &back, &err);
    if (!st)
        st = trace_links(&q, sat_sub(end_ns, back), sat_add(end_ns, NS_MS), &links, &count, &is_part, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        begin_data(&w, &out);
        trace_links_put(&w, links, count, false);
        end_data(&w, count);
        trace_links_warn(x, is_part);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}
