/* SPDX-License-Identifier: Apache-2.0 */
/* Loki: query, query_range, format_query. https://grafana.com/docs/loki/latest/reference/loki-http-api/
 * Errors are plain text, as Loki's clients expect. */
#include "api/handlers.h"
#include "api/loki_json.h"
#include "api/loki_params.h"
#include "api/prom_json.h"
#include "base/num.h"

enum { LOKI_ANSWER_BYTES_MAX = 512 * MIB };

static void put_time(struct json_writer *w, int64_t ns)
{
    char text[NUM_TEXT_BYTES_MAX];
    json_string(w, slice_of(text, num_format_i64(ns, text)));
}

bool loki_json_categorizes(const struct http_exchange *x)
{
    return slice_contains(http_header(x, SLICE("X-Loki-Response-Encoding-Flags")), SLICE("categorize-labels"));
}

/* The labels of the stream itself: those that neither metadata nor parsers gave. */
static struct slice own_labels(struct arena *a, const struct value_stream *s)
{
    struct slice *names = NULL, from[2] = { s->n ? s->lines[0].metadata : SLICE_EMPTY, s->n ? s->lines[0].parsed : SLICE_EMPTY };
    size_t count = 0, cap = 0;
    for (size_t i = 0; i < COUNT_OF(from); i++)
        for (struct label l; labels_next(&from[i], &l);)
            ARENA_PUSH(a, names, count, cap) = l.name;
    return labels_without(a, s->labels, names, count);
}

void loki_json_streams(struct json_writer *w, const struct value *v, bool categorize)
{
    struct arena *a = arena_new(0);
    json_array_begin(w);
    for (size_t i = 0; i < v->stream_count; i++) {
        const struct value_stream *s = &v->streams[i];
        json_object_begin(w);
        json_key(w, SLICE("stream"));
        prom_json_labels(w, categorize ? own_labels(a, s) : s->labels);
        json_key(w, SLICE("values"));
        json_array_begin(w);
        for (size_t k = 0; k < s->n; k++) {
            const struct value_line *l = &s->lines[k];
            json_array_begin(w);
            put_time(w, l->time_ns);
            json_string(w, l->line);
            if (categorize) {
                json_object_begin(w);
                json_key(w, SLICE("structuredMetadata"));
                prom_json_labels(w, l->metadata);
                json_key(w, SLICE("parsed"));
                prom_json_labels(w, l->parsed);
                json_object_end(w);
            }
            json_array_end(w);
        }
        json_array_end(w);
        json_object_end(w);
    }
    json_array_end(w);
    arena_free(a);
}

void loki_json_result(struct json_writer *w, const struct value *v, bool categorize)
{
    if (v->type != VALUE_STREAMS) {
        prom_json_result(w, v);
        return;
    }
    json_key(w, SLICE("resultType"));
    json_string(w, SLICE("streams"));
    json_key(w, SLICE("result"));
    loki_json_streams(w, v, categorize);
    if (categorize) {
        json_key(w, SLICE("encodingFlags"));
        json_raw(w, SLICE("[\"categorize-labels\"]"));
    }
}

static void answer(struct api_query *q, const struct value *v, const struct api_params *p)
{
    struct buf out;
    struct json_writer w;
    prom_json_begin(&w, &out, LOKI_ANSWER_BYTES_MAX);
    json_object_begin(&w);
    loki_json_result(&w, v, loki_json_categorizes(q->x));
    loki_stats_put(&w, q, v);
    json_object_end(&w);
    if (q->ctx.is_sampled)
        buf_slice(&q->env.infos, SLICE("some of the lines counted are sampled: each counts for as many as it stands for, so counts and rates are "
                                            "estimates\n"));
    prom_json_reply(q->x, &w, &out, buf_as_slice(&q->ctx.warnings), buf_as_slice(&q->env.infos));
}

static enum status run_instant(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = {0};
    enum status st = loki_param_time(p, SLICE("time"), clock_wall_ns(q->api->clock), &params.start_ns, err);
    if (!st)
        st = loki_param_lines(p, &params, err);
    if (st)
        return st;
    params.end_ns = params.start_ns;
    return q->api->logql->instant(&q->env, api_param(p, SLICE("query"), NULL), &params, v, err);
}

static enum status run_range(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = {0};
    enum status st = loki_param_range(q->api, p, &params, err);
    return st ? st : q->api->logql->range(&q->env, api_param(p, SLICE("query"), NULL), &params, v, err);
}

/* Loki calls its limits bad requests. */
static void fail(struct api_query *q, enum status st, const struct err *err)
{
    api_fail_text(q->x, st == ST_LIMIT ? ST_INVALID : st, err);
}

static const struct api_query_kind instant_kind = { "logql", run_instant, answer, fail };
static const struct api_query_kind range_kind = { "logql", run_range, answer, fail };

void loki_query(void *user, struct http_exchange *x)
{
    api_serve_query(user, x, &instant_kind);
}

void loki_query_range(void *user, struct http_exchange *x)
{
    api_serve_query(user, x, &range_kind);
}

void loki_format_query(void *user, struct http_exchange *x)
{
    struct api *api = user;
    api_format_query(api->logql, api->features, x);
}
