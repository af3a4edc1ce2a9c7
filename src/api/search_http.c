/* SPDX-License-Identifier: Apache-2.0 */
/* GET /api/stoa/v1/search: the search box's language. Answers as Loki's query_range does: streams, or with `step` a matrix of counts
 * by level; beside them the same as LogQL, or why there is none. GET /api/stoa/v1/search/logql: only that. */
#include "api/handlers.h"
#include "api/loki_json.h"
#include "api/prom_json.h"
#include "base/num.h"
#include "logql/search.h"

enum {
    SEARCH_LINES_DEFAULT = 100,
    SEARCH_LINES_MAX = 50000,
    SEARCH_PAST_HOURS = 1,
    SEARCH_ANSWER_BYTES_MAX = 512 * MIB
};

/* "logql":"..." and, when that is null, "why":"...". False: the text does not parse. */
static bool put_logql(struct json_writer *w, struct slice text, struct err *err)
{
    struct buf logql;
    buf_init(&logql, 0);
    enum status st = search_lang.format(text, 0, &logql, err);
    bool good = st == ST_OK || st == ST_UNSUPPORTED;
    if (good) {
        json_key(w, SLICE("logql"));
        if (st)
            json_raw(w, SLICE("null"));
        else
            json_string(w, buf_as_slice(&logql));
    }
    if (st == ST_UNSUPPORTED) {
        json_key(w, SLICE("why"));
        json_string(w, slice_str(err->text));
    }
    buf_free(&logql);
    return good;
}

static enum status run(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = { 0 };
    struct slice step = api_param(p, SLICE("step"), NULL), direction = api_param(p, SLICE("direction"), NULL);
    enum status st = api_param_time(p, SLICE("end"), clock_wall_ns(q->api->clock), &params.end_ns, err);
    if (!st)
        st = api_param_time(p, SLICE("start"), sat_sub(params.end_ns, SEARCH_PAST_HOURS * 3600 * NS_S), &params.start_ns, err);
    if (!st)
        st = api_param_size(p, SLICE("limit"), SEARCH_LINES_DEFAULT, SEARCH_LINES_MAX, &params.limit, err);
    if (!st && step.len)
        st = api_parse_duration(step, &params.step_ns, err);
    if (!st && step.len && params.step_ns < NS_MS)
        st = err_set(err, ST_INVALID, "parameter \"step\": found \"%.*s\", allowed: a millisecond and more", SLICE_FMT(step));
    if (!st && direction.len && !slice_eq(direction, SLICE("backward")) && !slice_eq(direction, SLICE("forward")))
        st = err_set(err, ST_INVALID, "parameter \"direction\": found \"%.*s\", allowed: forward, backward", SLICE_FMT(direction));
    params.direction = slice_eq(direction, SLICE("forward")) ? DIRECTION_FORWARD : DIRECTION_BACKWARD;
    return st ? st : search_lang.range(&q->env, q->text, &params, v, err);
}

static void answer(struct api_query *q, const struct value *v, const struct api_params *p)
{
    struct buf out;
    struct json_writer w;
    struct err err;
    (void)p;
    prom_json_begin(&w, &out, SEARCH_ANSWER_BYTES_MAX);
    json_object_begin(&w);
    loki_json_result(&w, v, loki_json_categorizes(q->x));
    (void)put_logql(&w, q->text, &err); /* it parsed before */
    json_object_end(&w);
    if (q->ctx.is_sampled)
        buf_slice(&q->env.infos, SLICE("some of the lines counted are sampled: each counts for as many as it stands for, so counts are estimates\n"));
    prom_json_reply(q->x, &w, &out, buf_as_slice(&q->ctx.warnings), buf_as_slice(&q->env.infos));
}

static void fail(struct api_query *q, enum status st, const struct err *err)
{
    api_fail(q->x, st, err);
}

void search_lines(void *user, struct http_exchange *x)
{
    static const struct api_query_kind kind = { "search", run, answer, fail };
    api_serve_query(user, x, &kind);
}

void search_logql(void *user, struct http_exchange *x)
{
    struct api_params p;
    struct buf out;
    struct json_writer w;
    struct err err;
    (void)user;
    enum status st = api_params_read(x, &p, &err);
    prom_json_begin(&w, &out, SEARCH_ANSWER_BYTES_MAX);
    json_object_begin(&w);
    if (!st && !put_logql(&w, api_param(&p, SLICE("query"), NULL), &err))
        st = err.status;
    json_object_end(&w);
    if (st) {
        buf_free(&out);
        api_fail(x, st, &err);
    } else {
        prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
    }
}
