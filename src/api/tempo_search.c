/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's search: by tags and durations of spans (the older parameters), or by TraceQL. The traces found are told by their roots. */
#include "api/tempo.h"

#include "base/num.h"
#include "codec/hex.h"
#include "codec/logfmt.h"
#include "net/grpc.h"

#include <stdlib.h>

enum { TEMPO_TRACES_DEFAULT = 20, TEMPO_TRACES_MAX = 1500, TEMPO_TAGS_MAX = 32, TEMPO_SPANS_DEFAULT = 3, TEMPO_SPANS_MAX = 1000,
       TEMPO_SERVICES_MAX = 200 /* told of a trace */,
       STATUS_ERROR = 2 };

/* ---- what is told of a trace ---- */

static bool is_root(const struct event *e)
{
    static const uint8_t none[8];
    return memcmp(e->parent_id, none, sizeof none) == 0;
}

/* NULL: there are too many. */
static struct tempo_stats *service_of(struct arena *a, struct tempo_summary *m, struct slice name)
{
    for (size_t i = 0; i < m->service_count; i++)
        if (slice_eq(m->services[i].name, name))
            return &m->services[i];
    if (m->service_count == TEMPO_SERVICES_MAX)
        return NULL;
    ARENA_PUSH(a, m->services, m->service_count, m->service_cap) = (struct tempo_stats){ .name = name };
    return &m->services[m->service_count - 1];
}

struct tempo_summary tempo_summary_of(struct arena *a, const struct event *const *spans, size_t count)
{
    struct tempo_summary m = { .start_ns = INT64_MAX, .end_ns = INT64_MIN };
    char digits[sizeof m.id];
    for (size_t i = 0; i < count; i++) {
        const struct event *e = spans[i];
        struct tempo_stats *s = service_of(a, &m, e->service);
        if (s) {
            s->spans++;
            s->errors += e->span_status == STATUS_ERROR;
        }
        m.start_ns = MIN(m.start_ns, e->time_ns);
        m.end_ns = MAX(m.end_ns, sat_add(e->time_ns, e->duration_ns));
        if (m.root == NULL && is_root(e))
            m.root = e;
    }
    hex_encode(slice_of(spans[0]->trace_id, 16), digits);
    size_t zeros = 0;
    while (zeros < sizeof digits - 1 && digits[zeros] == '0')
        zeros++;
    m.id_len = sizeof digits - zeros;
    memcpy(m.id, digits + zeros, m.id_len);
    m.root_service = m.root ? m.root->service : SLICE("<root span not yet received>");
    return m;
}

static void put_text(struct json_writer *w, const char *key, struct slice text)
{
    json_key(w, slice_str(key));
    json_string(w, text);
}

static void put_i64(struct json_writer *w, const char *key, int64_t v)
{
    char text[NUM_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, num_format_i64(v, text)));
}

void tempo_hits_of(const struct tempo_found *f, const uint8_t id[16], size_t *from, size_t *to)
{
    size_t low = 0, high = f->hits.count;
    while (low < high) { /* the first of that trace */
        size_t mid = low + (high - low) / 2;
        if (memcmp(f->hits.list[mid]->trace_id, id, 16) < 0)
            low = mid + 1;
        else
            high = mid;
    }
    *from = low;
    *to = low < f->hits.count && memcmp(f->hits.list[low]->trace_id, id, 16) == 0 ? trace_end(&f->hits, low) : low;
}

static void put_span_sets(struct json_writer *w, const struct tempo_found *f, const uint8_t id[16])
{
    size_t from, to;
    tempo_hits_of(f, id, &from, &to);
    json_key(w, SLICE("spanSets"));
    json_array_begin(w);
    json_object_begin(w);
    json_key(w, SLICE("spans"));
    json_array_begin(w);
    for (size_t i = from; i < to && i < from + f->hits_shown; i++) {
        const struct event *e = f->hits.list[i];
        json_object_begin(w);
        json_key(w, SLICE("spanID"));
        tempo_put_id(w, e->span_id, sizeof e->span_id);
        put_text(w, "name", e->body);
        put_i64(w, "startTimeUnixNano", e->time_ns);
        put_i64(w, "durationNanos", e->duration_ns);
        json_object_end(w);
    }
    json_array_end(w);
    json_key(w, SLICE("matched"));
    json_uint(w, to - from);
    json_object_end(w);
    json_array_end(w);
}

static void put_stats(struct json_writer *w, const struct tempo_summary *m)
{
    json_key(w, SLICE("serviceStats"));
    json_object_begin(w);
    for (size_t i = 0; i < m->service_count; i++) {
        json_key(w, m->services[i].name);
        json_object_begin(w);
        json_key(w, SLICE("spanCount"));
        json_uint(w, m->services[i].spans);
        json_key(w, SLICE("errorCount"));
        json_uint(w, m->services[i].errors);
        json_object_end(w);
    }
    json_object_end(w);
}

static void put_summary(struct json_writer *w, struct arena *a, const struct tempo_found *f, const struct event *const *spans, size_t count)
{
    struct tempo_summary m = tempo_summary_of(a, spans, count);
    json_object_begin(w);
    put_text(w, "traceID", slice_of(m.id, m.id_len));
    put_text(w, "rootServiceName", m.root_service);
    if (m.root)
        put_text(w, "rootTraceName", m.root->body);
    put_i64(w, "startTimeUnixNano", m.start_ns);
    json_key(w, SLICE("durationMs"));
    json_int(w, sat_sub(m.end_ns, m.start_ns) / NS_MS);
    if (f->with_hits)
        put_span_sets(w, f, spans[0]->trace_id);
    put_stats(w, &m);
    json_object_end(w);
}

static int newest_first(const void *a, const void *b)
{
    const struct tempo_range *x = a, *y = b;
    return x->start_ns > y->start_ns ? -1 : x->start_ns < y->start_ns;
}

static void put_in_order(struct arena *a, struct tempo_found *f)
{
    struct trace_spans *s = &f->spans;
    f->traces = arena_array(a, struct tempo_range, s->count + 1);
    trace_spans_sort(s);
    trace_spans_sort(&f->hits);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        f->traces[f->trace_count++] = (struct tempo_range){ i, end, s->list[i]->time_ns };
    }
    if (f->trace_count)
        qsort(f->traces, f->trace_count, sizeof *f->traces, newest_first);
}

static void answer_json(struct api_query *q, const struct tempo_found *f)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("traces"));
    json_array_begin(&w);
    for (size_t i = 0; i < f->trace_count; i++)
        put_summary(&w, q->arena, f, f->spans.list + f->traces[i].from, f->traces[i].to - f->traces[i].from);
    json_array_end(&w);
    tempo_put_metrics(&w, q, f->trace_count);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
}

/* ---- by tags ---- */

/* A value is found inside of others, in any case, as Tempo does. */
static struct pred *part_pred(struct arena *a, enum event_column column, struct slice name, struct slice value)
{
    return pred_leaf(a, PRED_CONTAINS_NOCASE, column, name, value);
}

static struct pred *either(struct arena *a, struct pred *x, struct pred *y)
{
    struct preds k = { 0 };
    preds_add(a, &k, x);
    preds_add(a, &k, y);
    return pred_node(a, PRED_OR, &k);
}

static struct pred *tag_pred(struct arena *a, struct slice name, struct slice value)
{
    if (slice_eq(name, SLICE("service.name")) || slice_eq(name, SLICE("root.service.name")))
        return either(a, part_pred(a, COL_SERVICE, SLICE_EMPTY, value), part_pred(a, COL_FIELD, name, value));
    if (slice_eq(name, SLICE("name")) || slice_eq(name, SLICE("root.name")))
        return either(a, part_pred(a, COL_BODY, SLICE_EMPTY, value), part_pred(a, COL_FIELD, name, value));
    if (slice_eq(name, SLICE("error")) && slice_eq(value, SLICE("true")))
        return either(a, pred_int(a, PRED_EQ, COL_SPAN_STATUS, STATUS_ERROR), part_pred(a, COL_FIELD, name, value));
    if ((slice_eq(name, SLICE("status")) || slice_eq(name, SLICE("status.code"))) && tempo_status_of(value) >= 0)
        return pred_int(a, PRED_EQ, COL_SPAN_STATUS, tempo_status_of(value));
    if (slice_eq(name, SLICE("kind")) && trace_kind_of(value) >= 0)
        return pred_int(a, PRED_EQ, COL_SPAN_KIND, trace_kind_of(value));
    return part_pred(a, COL_FIELD, name, value);
}

static enum status tags_read(struct arena *a, struct slice text, struct preds *k, struct err *err)
{
    struct slice rest = text, name, value;
    bool has_value, bad = false;
    while (logfmt_next(&rest, a, &name, &value, &has_value, &bad)) {
        if (k->count == TEMPO_TAGS_MAX)
            return err_set(err, ST_LIMIT, "parameter \"tags\": over %d tags", TEMPO_TAGS_MAX);
        preds_add(a, k, has_value ? tag_pred(a, name, value) : pred_leaf(a, PRED_EXISTS, COL_FIELD, name, SLICE_EMPTY));
    }
    return bad ? err_set(err, ST_INVALID, "parameter \"tags\": found %.*s, expected logfmt: name=value name=\"a value\"", SLICE_FMT(text)) : ST_OK;
}

static enum status search_by_tags(struct api_query *q, const struct api_params *p, struct trace_search *t, struct tempo_found *f,
                                  struct err *err)
{
    struct preds k = { 0 };
    int64_t min_ns, max_ns;
    enum status st = tags_read(q->arena, api_param(p, SLICE("tags"), NULL), &k, err);
    if (!st)
        st = tempo_duration(p, SLICE("minDuration"), &min_ns, err);
    if (!st)
        st = tempo_duration(p, SLICE("maxDuration"), &max_ns, err);
    if (st)
        return st;
    if (min_ns >= 0)
        preds_add(q->arena, &k, pred_int(q->arena, PRED_GE, COL_DURATION, min_ns));
    if (max_ns >= 0)
        preds_add(q->arena, &k, pred_int(q->arena, PRED_LE, COL_DURATION, max_ns));
    t->pred = pred_node(q->arena, PRED_AND, &k);
    q->is_running = true;
    return trace_search(q, t, &f->spans, err);
}

/* ---- by a query ---- */

static enum status search_by_query(struct api_query *q, const struct api_params *p, struct slice text, struct trace_search *t,
                                   struct tempo_found *f, struct err *err)
{
    struct preds ids = { 0 }, both = { 0 };
    bool whole;
    f->with_hits = true;
    enum status st = api_param_size(p, SLICE("spss"), TEMPO_SPANS_DEFAULT, TEMPO_SPANS_MAX, &f->hits_shown, err);
    if (st)
        return st;
    struct pred *filter = tempo_filter(q->arena, text, &whole);
    t->pred = filter;
    if (!whole)
        return err_set(err, ST_INVALID, "parameter \"q\": found %.*s; of TraceQL, { a = b && duration > 1s } is served", SLICE_FMT(text));
    q->is_running = true;
    st = trace_search(q, t, &f->spans, err);
    trace_spans_sort(&f->spans);
    for (size_t i = 0; !st && i < f->spans.count; i = trace_end(&f->spans, i))
        preds_add(q->arena, &ids, pred_text(q->arena, COL_TRACE_ID, SLICE_EMPTY, slice_of(f->spans.list[i]->trace_id, 16)));
    if (filter)
        preds_add(q->arena, &both, filter);
    if (ids.count)
        preds_add(q->arena, &both, pred_node(q->arena, PRED_OR, &ids));
    if (!st && ids.count)
        st = trace_read(q, pred_node(q->arena, PRED_AND, &both), t->start_ns, t->end_ns, &f->hits, err);
    return st;
}

static enum status search(struct api_query *q, const struct api_params *p, struct tempo_found *f, struct err *err)
{
    struct trace_search t = { 0 };
    struct slice text = api_param(p, SLICE("q"), NULL);
    enum status st = tempo_window(q, p, &t.start_ns, &t.end_ns, err);
    if (!st)
        st = api_param_size(p, SLICE("limit"), TEMPO_TRACES_DEFAULT, TEMPO_TRACES_MAX, &t.limit, err);
    if (!st && t.limit == 0)
        st = err_set(err, ST_INVALID, "parameter \"limit\": found 0, allowed 1 to %d", TEMPO_TRACES_MAX);
    if (!st)
        st = text.len ? search_by_query(q, p, text, &t, f, err) : search_by_tags(q, p, &t, f, err);
    if (!st) {
        put_in_order(q->arena, f);
        api_audit_note(q->x, SLICE_EMPTY, f->spans.count);
    }
    return st;
}

void tempo_search(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct tempo_found f = { .with_hits = false };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = search(&q, &p, &f, &err);
    if (!st)
        answer_json(&q, &f);
    tempo_end(&q, st, &err);
}

/* A stream of one message: clients take any number. */
void tempo_search_grpc(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct tempo_found f = { .with_hits = false };
    struct buf out;
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    enum status st = tempo_grpc_params(q.arena, http_body(x), &p, &err);
    if (!st)
        st = search(&q, &p, &f, &err);
    if (!st)
        tempo_grpc_found(&q, &f, &out);
    if (!st && buf_over(&out))
        st = err_set(&err, ST_LIMIT, "the answer has over %d bytes, which is the limit", TEMPO_ANSWER_BYTES_MAX);
    http_reply_grpc(x, st ? grpc_status_of_http(api_http_status(st)) : 0, st ? slice_str(err.text) : buf_as_slice(&out));
    buf_free(&out);
    api_query_end(&q, "tempo", st, &err);
}
