/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's search: by TraceQL, or by tags and durations (the older parameters), which become a query. */
#include "api/tempo.h"

#include "base/num.h"
#include "net/grpc.h"

#include <stdlib.h>

enum { TEMPO_TRACES_DEFAULT = 20, TEMPO_TRACES_MAX = 1500, TEMPO_SPANS_DEFAULT = 3, TEMPO_SPANS_MAX = 1000 };

static int newest_first(const void *a, const void *b)
{
    const struct tempo_trace *x = a, *y = b;
    return x->start_ns > y->start_ns ? -1 : x->start_ns < y->start_ns;
}

/* ---- by a query ---- */

/* Grafana's builder sends both; what has no condition changes nothing. */
static enum status alone(const struct api_params *p, struct err *err)
{
    static const struct slice others[] = { SLICE_INIT("tags"), SLICE_INIT("minDuration"), SLICE_INIT("maxDuration") };
    for (size_t i = 0; i < COUNT_OF(others); i++)
        if (api_param(p, others[i], NULL).len)
            return err_set(err, ST_INVALID, "parameters \"q\" and \"%.*s\" cannot be given together: say it in the query", SLICE_FMT(others[i]));
    return ST_OK;
}

static void take_found(struct arena *a, struct tempo_found *f, size_t from)
{
    f->traces = arena_array(a, struct tempo_trace, f->query->count - from + 1);
    for (size_t i = from; i < f->query->count; i++) {
        const struct traceql_trace *hit = &f->query->traces[i];
        const struct tql_trace *t = hit->trace;
        const struct event **list = arena_array(a, const struct event *, t->count + 1);
        for (size_t k = 0; k < t->count; k++)
            list[k] = t->spans[k].e;
        f->traces[f->trace_count++] = (struct tempo_trace){ list, t->count, t->start_ns, hit };
    }
}

static enum status search_by_query(struct api_query *q, const struct api_params *p, struct slice text, const struct trace_search *t,
                                   struct tempo_found *f, struct err *err)
{
    struct traceql_found *found = arena_new_of(q->arena, struct traceql_found);
    found->on_more = f->on_more;
    found->arg = f->arg;
    enum status st = alone(p, err);
    if (!st)
        st = api_param_size(p, SLICE("spss"), TEMPO_SPANS_DEFAULT, TEMPO_SPANS_MAX, &f->hits_shown, err);
    if (!st)
        st = traceql_parse(q->arena, text, &f->tree, err);
    q->is_running = st == ST_OK;
    if (!st)
        st = traceql_search(&q->env, f->tree, t->start_ns, t->end_ns, t->limit, found, err);
    if (st)
        return st;
    f->query = found;
    f->inspected = found->inspected;
    take_found(q->arena, f, f->on_more ? found->count : 0);
    return ST_OK;
}

/* ---- by tags ---- */

static void take_spans(struct arena *a, struct tempo_found *f, struct trace_spans *s)
{
    trace_spans_sort(s);
    f->traces = arena_array(a, struct tempo_trace, s->count + 1);
    for (size_t i = 0, end; i < s->count; i = end) {
        end = trace_end(s, i);
        f->traces[f->trace_count++] = (struct tempo_trace){ s->list + i, end - i, s->list[i]->time_ns, NULL };
    }
    f->inspected = f->trace_count;
}

/* As by a query, but without the sets of spans. */
static enum status search_by_old(struct api_query *q, struct slice text, const struct trace_search *t, struct tempo_found *f, struct err *err)
{
    struct traceql_found *found = arena_new_of(q->arena, struct traceql_found);
    enum status st = traceql_parse(q->arena, text, &f->tree, err);
    q->is_running = st == ST_OK;
    if (!st)
        st = traceql_search(&q->env, f->tree, t->start_ns, t->end_ns, t->limit, found, err);
    if (st)
        return st;
    f->query = found;
    f->inspected = found->inspected;
    take_found(q->arena, f, 0);
    f->query = NULL;
    for (size_t i = 0; i < f->trace_count; i++)
        f->traces[i].hit = NULL;
    return ST_OK;
}

static enum status search_by_tags(struct api_query *q, const struct api_params *p, struct trace_search *t, struct tempo_found *f,
                                  struct err *err)
{
    struct trace_spans spans = { 0 };
    struct pred *pred;
    struct slice tags = api_param(p, SLICE("tags"), NULL), text;
    int64_t min_ns, max_ns;
    enum status st = tempo_duration(p, SLICE("minDuration"), &min_ns, err);
    if (!st)
        st = tempo_duration(p, SLICE("maxDuration"), &max_ns, err);
    if (!st)
        st = tempo_old_query(q->arena, tags, min_ns, max_ns, &text, err);
    if (st)
        return st;
    if (min_ns >= 0 || max_ns >= 0 || !tempo_old_pred(q->arena, tags, &pred))
        return search_by_old(q, text, t, f, err);
    t->pred = pred;
    q->is_running = true;
    st = trace_search(q, t, &spans, err);
    if (!st)
        take_spans(q->arena, f, &spans);
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
    if (f->trace_count)
        qsort(f->traces, f->trace_count, sizeof *f->traces, newest_first);
    if (!st)
        api_audit_note(q->x, SLICE_EMPTY, f->trace_count);
    return st;
}

static void answer_json(struct api_query *q, const struct tempo_found *f)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    json_object_begin(&w);
    json_key(&w, SLICE("traces"));
    tempo_put_found(&w, q->arena, f);
    struct slice notes = tempo_notes(q);
    if (notes.len) {
        json_key(&w, SLICE("message"));
        json_string(&w, notes);
    }
    tempo_put_metrics(&w, q, f->inspected);
    json_object_end(&w);
    tempo_reply_json(q, &out);
}

void tempo_search(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct tempo_found f = { .trace_count = 0 };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = search(&q, &p, &f, &err);
    if (!st)
        answer_json(&q, &f);
    traceql_free(f.tree);
    tempo_end(&q, st, &err);
}

/* ---- as a stream ---- */

struct sending {
    struct api_query *q;
    const struct tempo_found *f; /* what the search was asked */
    bool is_open;
};

static enum status send_found(struct sending *s, const struct tempo_found *f, bool is_last, struct err *err)
{
    struct buf out;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    tempo_grpc_found(s->q, f, is_last, &out);
    enum status st = buf_over(&out) ? err_set(err, ST_LIMIT, "a message has over %d bytes, which is the limit", TEMPO_ANSWER_BYTES_MAX) : ST_OK;
    if (!st && !s->is_open)
        http_begin_grpc(s->q->x);
    s->is_open = s->is_open || !st;
    if (!st)
        st = http_write_grpc(s->q->x, buf_as_slice(&out), err);
    buf_free(&out);
    return st;
}

static enum status send_more(void *arg, const struct traceql_found *found, size_t from, struct err *err)
{
    struct sending *s = arg;
    struct tempo_found part = { .query = found, .inspected = found->inspected, .hits_shown = s->f->hits_shown };
    take_found(s->q->arena, &part, from);
    return send_found(s, &part, false, err);
}

/* Traces of a query as they are found, and how many were looked at; then, or by tags at once, what is left. */
void tempo_search_grpc(void *user, struct http_exchange *x)
{
    struct api_query q;
    struct api_params p;
    struct tempo_found f = { .trace_count = 0 };
    struct sending s = { .q = &q, .f = &f };
    struct err err;
    if (!api_query_begin(user, x, &q))
        return;
    f.on_more = send_more;
    f.arg = &s;
    enum status st = tempo_grpc_params(q.arena, http_body(x), &p, &err);
    if (!st)
        st = search(&q, &p, &f, &err);
    if (!st)
        st = send_found(&s, &f, true, &err);
    int code = st ? grpc_status_of_http(api_http_status(st)) : 0;
    if (s.is_open)
        http_end_grpc(x, code, st ? slice_str(err.text) : SLICE_EMPTY);
    else
        http_reply_grpc(x, code, slice_str(err.text));
    traceql_free(f.tree);
    api_query_end(&q, "tempo", st, &err);
}
