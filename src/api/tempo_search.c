/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's search: by tags and durations of spans (the older parameters), or by TraceQL. The traces found are told by their roots. */
#include "api/tempo.h"

#include "base/num.h"
#include "codec/hex.h"
#include "codec/logfmt.h"

#include <stdlib.h>

enum { TEMPO_TRACES_DEFAULT = 20, TEMPO_TRACES_MAX = 1500, TEMPO_TAGS_MAX = 32, STATUS_ERROR = 2 };

/* ---- what is told of a trace ---- */

struct service_stats {
    struct slice name;
    size_t spans, errors;
};

struct summary {
    const struct event *root; /* NULL: it has not come */
    int64_t start_ns, end_ns;
    struct service_stats *services;
    size_t service_count, service_cap;
};

static bool is_root(const struct event *e)
{
    static const uint8_t none[8];
    return memcmp(e->parent_id, none, sizeof none) == 0;
}

static struct service_stats *service_of(struct arena *a, struct summary *m, struct slice name)
{
    for (size_t i = 0; i < m->service_count; i++)
        if (slice_eq(m->services[i].name, name))
            return &m->services[i];
    ARENA_PUSH(a, m->services, m->service_count, m->service_cap) = (struct service_stats){ .name = name };
    return &m->services[m->service_count - 1];
}

static struct summary summary_of(struct arena *a, const struct event *const *spans, size_t count)
{
    struct summary m = { .start_ns = INT64_MAX, .end_ns = INT64_MIN };
    for (size_t i = 0; i < count; i++) {
        const struct event *e = spans[i];
        struct service_stats *s = service_of(a, &m, e->service);
        s->spans++;
        s->errors += e->span_status == STATUS_ERROR;
        m.start_ns = MIN(m.start_ns, e->time_ns);
        m.end_ns = MAX(m.end_ns, sat_add(e->time_ns, e->duration_ns));
        if (m.root == NULL && is_root(e))
            m.root = e;
    }
    return m;
}

/* As Tempo writes it: without leading zeros. */
static void put_trace_id(struct json_writer *w, const uint8_t id[16])
{
    char text[32];
    hex_encode(slice_of(id, 16), text);
    struct slice digits = slice_of(text, sizeof text);
    while (digits.len > 1 && digits.ptr[0] == '0')
        digits = slice_skip(digits, 1);
    json_string(w, digits);
}

static void put_summary(struct json_writer *w, struct arena *a, const struct event *const *spans, size_t count)
{
    char text[NUM_TEXT_BYTES_MAX];
    struct summary m = summary_of(a, spans, count);
    json_object_begin(w);
    json_key(w, SLICE("traceID"));
    put_trace_id(w, spans[0]->trace_id);
    json_key(w, SLICE("rootServiceName"));
    json_string(w, m.root ? m.root->service : SLICE("<root span not yet received>"));
    if (m.root) {
        json_key(w, SLICE("rootTraceName"));
        json_string(w, m.root->body);
    }
    json_key(w, SLICE("startTimeUnixNano"));
    json_string(w, slice_of(text, num_format_i64(m.start_ns, text)));
    json_key(w, SLICE("durationMs"));
    json_int(w, sat_sub(m.end_ns, m.start_ns) / NS_MS);
    json_key(w, SLICE("serviceStats"));
    json_object_begin(w);
    for (size_t i = 0; i < m.service_count; i++) {
        json_key(w, m.services[i].name);
        json_object_begin(w);
        json_key(w, SLICE("spanCount"));
        json_uint(w, m.services[i].spans);
        json_key(w, SLICE("errorCount"));
        json_uint(w, m.services[i].errors);
        json_object_end(w);
    }
    json_object_end(w);
    json_object_end(w);
}

/* ---- by tags ---- */

struct trace_range {
    size_t from, to;
    int64_t start_ns;
};

static int newest_first(const void *a, const void *b)
{
    const struct trace_range *x = a, *y = b;
    return x->start_ns > y->start_ns ? -1 : x->start_ns < y->start_ns;
}

static void answer_traces(struct api_query *q, struct trace_spans *s)
{
    struct buf out;
    struct json_writer w;
    struct trace_range *list = arena_array(q->arena, struct trace_range, s->count + 1);
    size_t n = 0;
    trace_spans_sort(s);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        list[n++] = (struct trace_range){ i, end, s->list[i]->time_ns };
    }
    if (n)
        qsort(list, n, sizeof *list, newest_first);
    api_audit_note(q->x, SLICE_EMPTY, s->count);
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("traces"));
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        put_summary(&w, q->arena, s->list + list[i].from, list[i].to - list[i].from);
    json_array_end(&w);
    tempo_put_metrics(&w, q, n);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
}

/* A value is found inside of others, in any case, as Tempo does. */
static struct pred *part_pred(struct arena *a, enum event_column column, struct slice name, struct slice value)
{
    struct pred *p = pred_leaf(a, PRED_CONTAINS_NOCASE, column, name);
    p->text = value;
    return p;
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
    if (slice_eq(name, SLICE("kind")) && tempo_kind_of(value) >= 0)
        return pred_int(a, PRED_EQ, COL_SPAN_KIND, tempo_kind_of(value));
    return part_pred(a, COL_FIELD, name, value);
}

static enum status tags_read(struct arena *a, struct slice text, struct preds *k, struct err *err)
{
    struct slice rest = text, name, value;
    bool has_value, bad = false;
    while (logfmt_next(&rest, a, &name, &value, &has_value, &bad)) {
        if (k->count == TEMPO_TAGS_MAX)
            return err_set(err, ST_LIMIT, "parameter \"tags\": over %d tags", TEMPO_TAGS_MAX);
        preds_add(a, k, has_value ? tag_pred(a, name, value) : pred_leaf(a, PRED_EXISTS, COL_FIELD, name));
    }
    return bad ? err_set(err, ST_INVALID, "parameter \"tags\": found %.*s, expected logfmt: name=value name=\"a value\"", SLICE_FMT(text)) : ST_OK;
}

static enum status search_by_tags(struct api_query *q, const struct api_params *p, struct trace_search *t, struct err *err)
{
    struct preds k = { 0 };
    struct trace_spans spans = { 0 };
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
    st = trace_search(q, t, &spans, err);
    if (!st)
        answer_traces(q, &spans);
    return st;
}

void tempo_search(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct trace_search t = { 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = tempo_window(&q, &p, &t.start_ns, &t.end_ns, &err);
    if (!st)
        st = api_param_size(&p, SLICE("limit"), TEMPO_TRACES_DEFAULT, TEMPO_TRACES_MAX, &t.limit, &err);
    if (!st && t.limit == 0)
        st = err_set(&err, ST_INVALID, "parameter \"limit\": found 0, allowed 1 to %d", TEMPO_TRACES_MAX);
    if (!st)
        st = search_by_tags(&q, &p, &t, &err);
    tempo_end(&q, st, &err);
}
