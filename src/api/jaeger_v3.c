/* SPDX-License-Identifier: Apache-2.0 */
/* Jaeger's query API, version 3: traces as OTLP. https://www.jaegertracing.io/docs/2.0/apis/#http-json */
#include "api/otlp_trace_json.h"
#include "api/trace_skew.h"
#include "api/trace_tags.h"
#include "base/date.h"
#include "base/num.h"

enum { V3_TRACES_DEFAULT = 100, V3_TRACES_MAX = 1500, V3_ANSWER_BYTES_MAX = 256 * MIB, V3_NAME_BYTES_MAX = 64 };

static void end_query(struct api_query *q, enum status st, const struct err *err)
{
    if (st) {
        struct buf out;
        struct json_writer w;
        int code = api_http_status(st);
        buf_init(&out, 0);
        buf_printf(&out, "{\"error\":{\"httpCode\":%d,\"message\":", code);
        json_writer_init(&w, &out);
        json_string(&w, slice_str(err->text));
        buf_slice(&out, SLICE("}}"));
        api_reply_json(q->x, code, &out);
    }
    api_query_end(q, "jaeger", st, err);
}

static void begin_answer(struct json_writer *w, struct buf *out, struct slice key)
{
    buf_init(out, V3_ANSWER_BYTES_MAX);
    json_writer_init(w, out);
    json_object_begin(w);
    json_key(w, key);
}

/* ---- names ---- */

void jaeger_v3_services(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct name_hit *hits;
    struct err err;
    size_t n;
    if (!api_query_begin(user, x, &q))
        return;
    struct names_query nq = { .what = NAMES_SERVICES, .end_ns = INT64_MAX, .kinds = SPAN_KINDS };
    enum status st = q.api->engine->ops->names(q.api->engine, &q.ctx, &nq, q.arena, &hits, &n, &err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        begin_answer(&w, &out, SLICE("services"));
        json_array_begin(&w);
        for (size_t i = 0; i < n; i++)
            json_string(&w, hits[i].value);
        json_array_end(&w);
        json_object_end(&w);
        api_audit_note(x, SLICE_EMPTY, n);
        api_reply_json(x, 200, &out);
    }
    end_query(&q, st, &err);
}

static void answer_operations(struct api_query *q, const struct map *names, struct slice kind)
{
    struct map_entry *list = trace_names_in_order(q->arena, names);
    struct buf out;
    struct json_writer w;
    begin_answer(&w, &out, SLICE("operations"));
    json_array_begin(&w);
    for (size_t i = 0; i < names->count; i++) {
        struct slice its = list[i].value ? trace_kind_name((unsigned)list[i].value) : SLICE_EMPTY;
        if (kind.len && !slice_eq(kind, its))
            continue;
        json_object_begin(&w);
        json_key(&w, SLICE("name"));
        json_string(&w, list[i].key);
        json_key(&w, SLICE("spanKind"));
        json_string(&w, its);
        json_object_end(&w);
    }
    json_array_end(&w);
    json_object_end(&w);
    api_audit_note(q->x, SLICE_EMPTY, names->count);
    api_reply_json(q->x, 200, &out);
}

void jaeger_v3_operations(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct map names;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    map_init(&names);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = trace_operations(&q, api_param(&p, SLICE("service"), NULL), &names, &err);
    if (!st)
        answer_operations(&q, &names, api_param(&p, SLICE("span_kind"), NULL));
    map_free(&names);
    end_query(&q, st, &err);
}

/* ---- traces ---- */

/* Warnings are an attribute of the span there; one that stays as it came has none. */
static const struct event *noted(struct arena *a, const struct event *from, const struct trace_warnings *warnings)
{
    struct buf text;
    struct json_writer w;
    if (!warnings->is_moved)
        return from;
    buf_init(&text, 0); /* a few sentences */
    json_writer_init(&w, &text);
    json_array_begin(&w);
    for (size_t i = 0; i < warnings->count; i++)
        json_string(&w, warnings->list[i]);
    json_array_end(&w);
    struct event *e = arena_new_of(a, struct event);
    *e = *from;
    e->fields = arena_array(a, struct field, from->field_count + 1);
    if (from->field_count)
        memcpy(e->fields, from->fields, from->field_count * sizeof *from->fields);
    e->fields[e->field_count++] = (struct field){ .type = FIELD_JSON, .name = SLICE("@jaeger@warnings"), .text = arena_copy(a, buf_as_slice(&text)) };
    buf_free(&text);
    return e;
}

/* With the clocks of hosts put right. */
static const struct event *const *corrected(struct arena *a, const struct event *const *spans, size_t count)
{
    struct trace_warnings *warnings;
    const struct event *const *moved = trace_skew(a, spans, count, &warnings);
    const struct event **out = arena_array(a, const struct event *, count + 1);
    for (size_t i = 0; i < count; i++)
        out[i] = noted(a, moved[i], &warnings[i]);
    return out;
}

static bool is_true(struct slice text)
{
    return slice_eq(text, SLICE("true"));
}

static void answer_traces(struct api_query *q, struct trace_spans *s, bool is_raw)
{
    struct buf out;
    struct json_writer w;
    trace_spans_sort(s);
    begin_answer(&w, &out, SLICE("result"));
    json_object_begin(&w);
    json_key(&w, SLICE("resourceSpans"));
    json_array_begin(&w);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        const struct event *const *spans = is_raw ? s->list + i : corrected(q->arena, s->list + i, end - i);
        otlp_trace_json_members(&w, q->arena, OTLP_JSON_HEX, spans, end - i);
    }
    json_array_end(&w);
    json_object_end(&w);
    json_object_end(&w);
    api_audit_note(q->x, SLICE_EMPTY, s->count);
    api_reply_json(q->x, 200, &out);
}

void jaeger_v3_trace(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct trace_spans spans = { 0 };
    struct api_params p;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = trace_read_id(&q, api_path_part(x, SLICE("id")), &spans, &err);
    if (!st)
        answer_traces(&q, &spans, is_true(api_param(&p, SLICE("raw_traces"), NULL)));
    end_query(&q, st, &err);
}

/* "service_name" stands for query.service_name and query.serviceName. */
static struct slice query_param(struct arena *a, const struct api_params *p, const char *name)
{
    char camel[V3_NAME_BYTES_MAX];
    size_t n = 0;
    bool found;
    struct slice text = slice_str(name);
    struct slice value = api_param(p, arena_printf(a, "query.%s", name), &found);
    for (size_t i = 0; i < text.len && n < sizeof camel; i++) {
        bool upper = text.ptr[i] == '_' && i + 1 < text.len;
        camel[n++] = upper ? (char)(text.ptr[++i] - 32) : text.ptr[i];
    }
    return found ? value : api_param(p, arena_printf(a, "query.%.*s", (int)n, camel), NULL);
}

static enum status read_time(struct arena *a, const struct api_params *p, const char *name, int64_t absent_ns, int64_t *out_ns, struct err *err)
{
    struct slice text = query_param(a, p, name);
    *out_ns = absent_ns;
    if (text.len && !date_parse_rfc3339(text, out_ns))
        return err_set(err, ST_INVALID, "parameter \"query.%s\": found \"%.*s\", expected a time such as 2026-11-22T10:00:00Z", name,
                       SLICE_FMT(text));
    return ST_OK;
}

static enum status read_duration(struct arena *a, const struct api_params *p, const char *name, enum pred_op op, struct preds *k, struct err *err)
{
    struct slice text = query_param(a, p, name);
    int64_t ns;
    if (text.len == 0)
        return ST_OK;
    if (!duration_parse_go(text, &ns))
        return err_set(err, ST_INVALID, "parameter \"query.%s\": found \"%.*s\", expected a duration such as 100ms or 1.2s", name,
                       SLICE_FMT(text));
    preds_add(a, k, pred_int(a, op, COL_DURATION, ns));
    return ST_OK;
}

static enum status read_limit(struct arena *a, const struct api_params *p, size_t *out, struct err *err)
{
    struct slice text = query_param(a, p, "search_depth");
    uint64_t n = V3_TRACES_DEFAULT;
    if (text.len == 0)
        text = query_param(a, p, "num_traces");
    if (text.len && (!num_parse_u64(text, &n) || n == 0 || n > V3_TRACES_MAX))
        return err_set(err, ST_INVALID, "parameter \"query.search_depth\": found \"%.*s\", allowed 1 to %d", SLICE_FMT(text), V3_TRACES_MAX);
    *out = (size_t)n;
    return ST_OK;
}

static enum status read_attributes(struct arena *a, const struct api_params *p, struct trace_tags *t, struct err *err)
{
    struct slice text = query_param(a, p, "attributes");
    if (text.len && !trace_tags_read(a, text, t))
        return err_set(err, ST_INVALID, "parameter \"query.attributes\": expected a JSON object of at most %d text values, found %.*s",
                       TRACE_TAGS_MAX, SLICE_FMT(text));
    return ST_OK;
}

static enum status search_read(struct api_query *q, struct trace_search *t, struct pred **pred, struct trace_tags *tags, bool *is_raw,
                               struct err *err)
{
    struct api_params p;
    struct preds k = { 0 };
    struct arena *a = q->arena;
    enum status st = api_params_read(q->x, &p, err);
    if (st)
        return st;
    struct slice service = query_param(a, &p, "service_name"), operation = query_param(a, &p, "operation_name");
    st = read_time(a, &p, "start_time_max", sat_add(clock_wall_ns(q->api->clock), 60 * NS_S), &t->end_ns, err);
    if (!st)
        st = read_time(a, &p, "start_time_min", sat_sub(t->end_ns, TRACE_LOOKBACK_HOURS * 3600 * NS_S), &t->start_ns, err);
    if (!st)
        st = read_duration(a, &p, "duration_min", PRED_GE, &k, err);
    if (!st)
        st = read_duration(a, &p, "duration_max", PRED_LE, &k, err);
    if (!st)
        st = read_limit(a, &p, &t->limit, err);
    if (!st)
        st = read_attributes(a, &p, tags, err);
    if (service.len)
        preds_add(a, &k, pred_text(a, COL_SERVICE, SLICE_EMPTY, service));
    if (operation.len)
        preds_add(a, &k, pred_text(a, COL_BODY, SLICE_EMPTY, operation));
    *is_raw = is_true(query_param(a, &p, "raw_traces"));
    t->end_ns = sat_add(t->end_ns, 1);
    *pred = pred_node(a, PRED_AND, &k);
    return st;
}

void jaeger_v3_traces(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct trace_search t = { 0 };
    struct trace_tags tags = { .count = 0 };
    bool is_raw = false;
    struct pred *pred = NULL;
    struct trace_spans spans = { 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = search_read(&q, &t, &pred, &tags, &is_raw, &err);
    if (!st)
        st = trace_tags_search(&q, &t, pred, &tags, &spans, &err);
    if (!st && spans.count == 0)
        st = err_set(&err, ST_NOT_FOUND, "No traces found");
    if (!st)
        answer_traces(&q, &spans, is_raw);
    end_query(&q, st, &err);
}
