/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's search: by tags and durations of spans (the older parameters), or by TraceQL. The traces found are told by their roots. */
#include "api/tempo.h"

#include "base/num.h"
#include "codec/hex.h"
#include "codec/logfmt.h"

#include <stdlib.h>

enum { TEMPO_TRACES_DEFAULT = 20, TEMPO_TRACES_MAX = 1500, TEMPO_TAGS_MAX = 32, TEMPO_SPANS_DEFAULT = 3, TEMPO_SPANS_MAX = 1000,
       TEMPO_SERVICES_MAX = 200 /* told of a trace */,
       STATUS_ERROR = 2 };

/* What is found: whole traces, and which of their spans fit. */
struct found {
    struct trace_spans spans, hits;
    bool with_hits;
    size_t hits_shown; /* of a trace */
};

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

/* NULL: there are too many. */
static struct service_stats *service_of(struct arena *a, struct summary *m, struct slice name)
{
    for (size_t i = 0; i < m->service_count; i++)
        if (slice_eq(m->services[i].name, name))
            return &m->services[i];
    if (m->service_count == TEMPO_SERVICES_MAX)
        return NULL;
    ARENA_PUSH(a, m->services, m->service_count, m->service_cap) = (struct service_stats){ .name = name };
    return &m->services[m->service_count - 1];
}

static struct summary summary_of(struct arena *a, const struct event *const *spans, size_t count)
{
    struct summary m = { .start_ns = INT64_MAX, .end_ns = INT64_MIN };
    for (size_t i = 0; i < count; i++) {
        const struct event *e = spans[i];
        struct service_stats *s = service_of(a, &m, e->service);
        if (s) {
            s->spans++;
            s->errors += e->span_status == STATUS_ERROR;
        }
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

/* The spans that fit, of the trace that begins at *at among the hits, which are in the same order as the traces. */
static void put_span_sets(struct json_writer *w, const struct found *f, const uint8_t id[16])
{
    size_t from = 0, to = f->hits.count;
    while (from < to) { /* the first of that trace */
        size_t mid = from + (to - from) / 2;
        if (memcmp(f->hits.list[mid]->trace_id, id, 16) < 0)
            from = mid + 1;
        else
            to = mid;
    }
    to = from < f->hits.count && memcmp(f->hits.list[from]->trace_id, id, 16) == 0 ? trace_end(&f->hits, from) : from;
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

static void put_stats(struct json_writer *w, const struct summary *m)
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

static void put_summary(struct json_writer *w, struct arena *a, const struct found *f, const struct event *const *spans, size_t count)
{
    struct summary m = summary_of(a, spans, count);
    json_object_begin(w);
    json_key(w, SLICE("traceID"));
    put_trace_id(w, spans[0]->trace_id);
    put_text(w, "rootServiceName", m.root ? m.root->service : SLICE("<root span not yet received>"));
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

struct trace_range {
    size_t from, to;
    int64_t start_ns;
};

static int newest_first(const void *a, const void *b)
{
    const struct trace_range *x = a, *y = b;
    return x->start_ns > y->start_ns ? -1 : x->start_ns < y->start_ns;
}

static void answer_found(struct api_query *q, struct found *f)
{
    struct trace_spans *s = &f->spans;
    struct buf out;
    struct json_writer w;
    struct trace_range *list = arena_array(q->arena, struct trace_range, s->count + 1);
    size_t n = 0;
    trace_spans_sort(s);
    trace_spans_sort(&f->hits);
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
        put_summary(&w, q->arena, f, s->list + list[i].from, list[i].to - list[i].from);
    json_array_end(&w);
    tempo_put_metrics(&w, q, n);
    json_object_end(&w);
    api_reply_json(q->x, 200, &out);
}

/* ---- by tags ---- */

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
    struct found f = { .with_hits = false };
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
    st = trace_search(q, t, &f.spans, err);
    if (!st)
        answer_found(q, &f);
    return st;
}

/* ---- by a query ---- */

static enum status search_by_query(struct api_query *q, const struct api_params *p, struct slice text, struct trace_search *t, struct err *err)
{
    struct found f = { .with_hits = true };
    struct preds ids = { 0 }, both = { 0 };
    bool whole;
    enum status st = api_param_size(p, SLICE("spss"), TEMPO_SPANS_DEFAULT, TEMPO_SPANS_MAX, &f.hits_shown, err);
    if (st)
        return st;
    struct pred *filter = tempo_filter(q->arena, text, &whole);
    t->pred = filter;
    if (!whole)
        return err_set(err, ST_INVALID, "parameter \"q\": found %.*s; of TraceQL, { a = b && duration > 1s } is served", SLICE_FMT(text));
    q->is_running = true;
    st = trace_search(q, t, &f.spans, err);
    trace_spans_sort(&f.spans);
    for (size_t i = 0; !st && i < f.spans.count; i = trace_end(&f.spans, i))
        preds_add(q->arena, &ids, pred_text(q->arena, COL_TRACE_ID, SLICE_EMPTY, slice_of(f.spans.list[i]->trace_id, 16)));
    if (filter)
        preds_add(q->arena, &both, filter);
    if (ids.count)
        preds_add(q->arena, &both, pred_node(q->arena, PRED_OR, &ids));
    if (!st && ids.count)
        st = trace_read(q, pred_node(q->arena, PRED_AND, &both), t->start_ns, t->end_ns, &f.hits, err);
    if (!st)
        answer_found(q, &f);
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
    struct slice text = st ? SLICE_EMPTY : api_param(&p, SLICE("q"), NULL);
    if (!st)
        st = text.len ? search_by_query(&q, &p, text, &t, &err) : search_by_tags(&q, &p, &t, &err);
    tempo_end(&q, st, &err);
}
