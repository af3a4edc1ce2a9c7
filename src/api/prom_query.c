/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: query, query_range, format_query, parse_query.
 * https://prometheus.io/docs/prometheus/latest/querying/api/ */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "api/query_log.h"
#include "base/num.h"
#include "promql/promql.h"

enum { PROM_ANSWER_BYTES_MAX = 512 * MIB };

static void answer(struct api_query *q, const struct value *v, const struct api_params *p)
{
    struct buf out;
    struct json_writer w;
    struct slice stats = api_param(p, SLICE("stats"), NULL);
    prom_json_begin(&w, &out, PROM_ANSWER_BYTES_MAX);
    json_object_begin(&w);
    prom_json_result(&w, v);
    if (stats.len) {
        json_key(&w, SLICE("stats"));
        json_object_begin(&w);
        query_log_stats(&w, q, (double)(clock_mono_ns(q->api->clock) - q->start_mono_ns) / 1e9);
        json_object_end(&w);
    }
    json_object_end(&w);
    prom_json_reply(q->x, &w, &out, buf_as_slice(&q->ctx.warnings), buf_as_slice(&q->env.infos));
}

static enum status rollup_of(struct slice text, enum rollup *out, struct err *err)
{
    *out = slice_eq(text, SLICE("1h")) ? ROLLUP_1H : slice_eq(text, SLICE("5m")) ? ROLLUP_5M : ROLLUP_NONE;
    if (*out == ROLLUP_NONE && !slice_eq(text, SLICE("0")))
        return err_set(err, ST_INVALID, "invalid parameter \"downsample\": found \"%.*s\", allowed are 5m, 1h and 0", SLICE_FMT(text));
    return ST_OK;
}

/* timeout and lookback_delta, and limit: the same for both kinds of query. */
static enum status common_params(struct api_query *q, const struct api_params *p, struct query_params *out, struct err *err)
{
    struct slice timeout = api_param(p, SLICE("timeout"), NULL), lookback = api_param(p, SLICE("lookback_delta"), NULL);
    enum status st = api_param_size(p, SLICE("limit"), 0, 1000 * 1000 * 1000, &out->limit, err);
    struct slice downsample = api_param(p, SLICE("downsample"), NULL);
    if (!st && downsample.len)
        st = rollup_of(downsample, &q->ctx.rollup_min, err);
    out->lookback_ns = q->api->limits.lookback_ns;
    out->features = q->api->features;
    if (!st && timeout.len) {
        int64_t ns;
        if (api_parse_duration(timeout, &ns, err))
            return err_prefix(err, "invalid parameter \"timeout\": ");
        if (ns > 0)
            q->ctx.deadline_mono_ns = q->start_mono_ns + MIN(ns, api_timeout_ns(q->api));
    }
    if (!st && lookback.len && api_parse_duration(lookback, &out->lookback_ns, err))
        return err_prefix(err, "invalid parameter \"lookback_delta\": ");
    q->has_times = true;
    q->from_ns = out->start_ns;
    q->to_ns = out->end_ns;
    q->step_ns = out->step_ns;
    return st;
}

/* What the engine calls invalid though the text is well formed came of the data: Prometheus tells the two apart. */
static enum status run(struct api_query *q, const struct api_params *p, const struct query_params *params, bool is_range, struct value *v,
                       struct err *err)
{
    struct slice text = api_param(p, SLICE("query"), NULL);
    enum status st = is_range ? q->api->promql->range(&q->env, text, params, v, err) : q->api->promql->instant(&q->env, text, params, v, err);
    if (st != ST_INVALID)
        return st;
    struct err why;
    enum value_type type;
    q->is_running = q->api->promql->check(text, params->features, &type, &why) == ST_OK &&
                    !(is_range && (type == VALUE_MATRIX || type == VALUE_STRING));
    return q->is_running ? st : err_prefix(err, "invalid parameter \"query\": ");
}

static void fail(struct api_query *q, enum status st, const struct err *err)
{
    if (st == ST_INVALID && q->is_running)
        api_fail_as(q->x, 422, SLICE("execution"), slice_str(err->text));
    else
        api_fail(q->x, st, err);
}

static enum status run_instant(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = {0};
    enum status st = api_param_time(p, SLICE("time"), clock_wall_ns(q->api->clock), &params.start_ns, err);
    params.end_ns = params.start_ns;
    if (!st)
        st = common_params(q, p, &params, err);
    return st ? st : run(q, p, &params, false, v, err);
}

static enum status range_params(const struct api_params *p, struct query_params *out, struct err *err)
{
    struct slice start = api_param(p, SLICE("start"), NULL), end = api_param(p, SLICE("end"), NULL), step = api_param(p, SLICE("step"), NULL);
    enum status st = api_parse_time(start, &out->start_ns, err);
    if (st)
        return err_prefix(err, "invalid parameter \"start\": ");
    st = api_parse_time(end, &out->end_ns, err);
    if (st)
        return err_prefix(err, "invalid parameter \"end\": ");
    st = api_parse_duration(step, &out->step_ns, err);
    if (st)
        return err_prefix(err, "invalid parameter \"step\": ");
    if (out->end_ns < out->start_ns)
        return err_set(err, ST_INVALID, "invalid parameter \"end\": end timestamp must not be before start time");
    if (out->step_ns < NS_MS)
        return err_set(err, ST_INVALID,
                       "invalid parameter \"step\": zero or negative query resolution step widths are not accepted. Try a positive integer");
    if (sat_sub(out->end_ns, out->start_ns) / out->step_ns > QUERY_POINTS_PER_SERIES_MAX)
        return err_set(err, ST_INVALID,
                       "exceeded maximum resolution of %d points per timeseries. Try decreasing the query resolution (?step=XX)",
                       QUERY_POINTS_PER_SERIES_MAX);
    return ST_OK;
}

static enum status run_range(struct api_query *q, const struct api_params *p, struct value *v, struct err *err)
{
    struct query_params params = {0};
    enum status st = range_params(p, &params, err);
    if (!st)
        st = common_params(q, p, &params, err);
    return st ? st : run(q, p, &params, true, v, err);
}

static const struct api_query_kind instant_kind = { "promql", run_instant, answer, fail };
static const struct api_query_kind range_kind = { "promql", run_range, answer, fail };

void prom_query(void *user, struct http_exchange *x)
{
    api_serve_query(user, x, &instant_kind);
}

void prom_query_range(void *user, struct http_exchange *x)
{
    api_serve_query(user, x, &range_kind);
}

static void reply_text_data(struct http_exchange *x, struct slice text)
{
    struct buf out;
    struct json_writer w;
    prom_json_begin(&w, &out, 0);
    json_string(&w, text);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}

void api_format_query(const struct query_lang *lang, uint32_t features, struct http_exchange *x)
{
    struct api_params p;
    struct err err;
    struct buf text;
    buf_init(&text, API_FORM_BYTES_MAX);
    enum status st = api_params_read(x, &p, &err);
    if (!st)
        st = lang->format(api_param(&p, SLICE("query"), NULL), features, &text, &err);
    if (st == ST_INVALID)
        st = err_prefix(&err, "invalid parameter \"query\": ");
    if (st)
        api_fail(x, st, &err);
    else
        reply_text_data(x, buf_as_slice(&text));
    buf_free(&text);
}

void prom_format_query(void *user, struct http_exchange *x)
{
    struct api *api = user;
    api_format_query(api->promql, api->features, x);
}

void prom_parse_query(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct api_params p;
    struct buf tree, out;
    struct json_writer w;
    struct err err;
    buf_init(&tree, PROM_ANSWER_BYTES_MAX);
    enum status st = api_params_read(x, &p, &err);
    if (!st) {
        st = promql_tree_json(api_param(&p, SLICE("query"), NULL), api->features, &tree, &err);
        if (st)
            st = err_prefix(&err, "invalid parameter \"query\": ");
    }
    if (st) {
        api_fail(x, st, &err);
    } else {
        prom_json_begin(&w, &out, PROM_ANSWER_BYTES_MAX);
        json_raw(&w, buf_as_slice(&tree));
        prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
    }
    buf_free(&tree);
}
