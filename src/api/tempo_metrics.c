/* SPDX-License-Identifier: Apache-2.0 */
/* Tempo's metrics queries: numbers of spans over time, or over all of it. Times as Loki's calls have them, which Tempo's are like.
 * https://grafana.com/docs/tempo/latest/api_docs/#traceql-metrics */
#include <math.h>

#include "api/loki_params.h"
#include "api/otlp_trace_json.h"
#include "api/tempo.h"
#include "base/num.h"
#include "codec/hex.h"

enum { EXEMPLARS_DEFAULT = 100, EXEMPLARS_MAX = 10 * 1000, METRICS_HOURS_DEFAULT = 1 };

struct metrics_writer {
    struct json_writer *w;
    struct json_parser *parser;
    struct arena *a;
    const struct traceql_window *window;
    const struct traceql_matrix *m;
};

static void put_ms(struct json_writer *w, int64_t ms)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_key(w, SLICE("timestampMs"));
    json_string(w, slice_of(text, num_format_i64(ms, text)));
}

static void put_value(struct json_writer *w, double v)
{
    json_key(w, SLICE("value"));
    json_double(w, v);
}

static void put_id_label(struct metrics_writer *x, struct slice name, const uint8_t *id, size_t bytes)
{
    char digits[32];
    hex_encode(slice_of(id, bytes), digits);
    struct field f = { .type = FIELD_STRING, .name = name, .text = slice_of(digits, 2 * bytes) };
    otlp_trace_json_attribute(x->w, x->parser, &f);
}

static void put_exemplars(struct metrics_writer *x, const struct traceql_series *s)
{
    struct json_writer *w = x->w;
    json_key(w, SLICE("exemplars"));
    json_array_begin(w);
    for (size_t i = 0; i < s->exemplar_count; i++) {
        const struct traceql_exemplar *e = &s->exemplars[i];
        json_object_begin(w);
        json_key(w, SLICE("labels"));
        json_array_begin(w);
        put_id_label(x, SLICE("trace:id"), e->trace_id, sizeof e->trace_id);
        put_id_label(x, SLICE("span:id"), e->span_id, sizeof e->span_id);
        json_array_end(w);
        put_value(w, e->v);
        put_ms(w, e->t_ms);
        json_object_end(w);
    }
    json_array_end(w);
}

static void put_samples(struct metrics_writer *x, const struct traceql_series *s)
{
    struct json_writer *w = x->w;
    if (x->window->is_instant) {
        put_value(w, s->v[0]);
        return;
    }
    json_key(w, SLICE("samples"));
    json_array_begin(w);
    for (size_t i = 0; i < x->m->points; i++) {
        if (isnan(s->v[i]))
            continue;
        json_object_begin(w);
        put_ms(w, x->m->first_ms + (int64_t)i * x->m->step_ms);
        put_value(w, s->v[i]);
        json_object_end(w);
    }
    json_array_end(w);
}

/* A name is a label like others here: Grafana reads it so. */
static void put_labels(struct metrics_writer *x, struct slice labels)
{
    struct slice name = labels_get(labels, SLICE("__name__"));
    struct buf text;
    buf_init(&text, 0);
    if (name.len)
        buf_printf(&text, "{__name__=\"%.*s\"}", SLICE_FMT(name));
    else
        labels_format(labels, &text);
    json_string(x->w, buf_as_slice(&text));
    buf_free(&text);
}

static void put_series(struct metrics_writer *x, const struct traceql_series *s)
{
    struct json_writer *w = x->w;
    json_object_begin(w);
    json_key(w, SLICE("labels"));
    json_array_begin(w);
    for (size_t i = 0; i < s->label_count; i++) {
        struct field f = tempo_field_of(x->a, s->labels[i].name, &s->labels[i].value);
        otlp_trace_json_attribute(w, x->parser, &f);
    }
    json_array_end(w);
    put_samples(x, s);
    json_key(w, SLICE("promLabels"));
    put_labels(x, traceql_labels_text(x->a, s));
    if (s->exemplar_count)
        put_exemplars(x, s);
    json_object_end(w);
}

static void answer(struct api_query *q, const struct traceql_window *window, const struct traceql_matrix *m)
{
    struct buf out;
    struct json_writer w;
    buf_init(&out, TEMPO_ANSWER_BYTES_MAX);
    json_writer_init(&w, &out);
    struct metrics_writer x = { &w, json_parser_new(), q->arena, window, m };
    json_object_begin(&w);
    json_key(&w, SLICE("series"));
    json_array_begin(&w);
    for (size_t i = 0; i < m->count; i++)
        put_series(&x, &m->series[i]);
    json_array_end(&w);
    json_parser_free(x.parser);
    if (q->ctx.is_sampled)
        buf_slice(&q->env.infos, SLICE("some of the spans are sampled: each counts for as many as it stands for\n"));
    struct slice notes = tempo_notes(q);
    if (q->ctx.warnings.len) {
        json_key(&w, SLICE("status"));
        json_string(&w, SLICE("PARTIAL"));
    }
    if (notes.len) {
        json_key(&w, SLICE("message"));
        json_string(&w, notes);
    }
    tempo_put_metrics(&w, q, 0);
    json_object_end(&w);
    tempo_reply_json(q, &out);
}

static enum status window_read(struct api_query *q, const struct api_params *p, struct traceql_window *window, struct err *err)
{
    enum status st = loki_param_bounds(q->api, p, METRICS_HOURS_DEFAULT * 3600 * NS_S, &window->start_ns, &window->end_ns, err);
    window->step_ns = NS_S;
    if (!st && !window->is_instant)
        st = loki_param_step(p, window->start_ns, window->end_ns, &window->step_ns, err);
    if (!st)
        st = api_param_size(p, SLICE("exemplars"), window->is_instant ? 0 : EXEMPLARS_DEFAULT, EXEMPLARS_MAX, &window->exemplars_max, err);
    return st;
}

static void serve(struct api *api, struct http_exchange *x, bool is_instant)
{
    struct api_query q;
    struct api_params p;
    struct traceql_window window = { .is_instant = is_instant };
    struct traceql_matrix m = { .count = 0 };
    struct traceql *tree = NULL;
    struct err err;
    if (!api_query_begin(api, x, &q))
        return;
    enum status st = api_params_read(x, &p, &err);
    struct slice text = st ? SLICE_EMPTY : api_param(&p, SLICE("q"), NULL);
    if (!st && text.len == 0) /* as older clients name it */
        text = api_param(&p, SLICE("query"), NULL);
    if (!st && text.len == 0)
        st = err_set(&err, ST_INVALID, "parameter \"q\" is missing: a TraceQL query such as {status=error} | rate()");
    if (!st)
        st = window_read(&q, &p, &window, &err);
    if (!st)
        st = traceql_parse(q.arena, text, &tree, &err);
    q.is_running = st == ST_OK;
    if (!st)
        st = traceql_metrics(&q.env, tree, &window, &m, &err);
    if (!st) {
        api_audit_note(x, SLICE_EMPTY, m.count);
        answer(&q, &window, &m);
    }
    traceql_free(tree);
    tempo_end(&q, st, &err);
}

void tempo_metrics_range(void *user, struct http_exchange *x)
{
    serve(user, x, false);
}

void tempo_metrics_instant(void *user, struct http_exchange *x)
{
    serve(user, x, true);
}
