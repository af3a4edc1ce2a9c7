/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic checks over HTTP: the list, runs, a run at once, what agents ask and report, and blackbox_exporter's /probe. */
#include "api/handlers.h"
#include "base/num.h"
#include "probe/probe.h"

/* How much earlier than Prometheus's patience a probe gives up, so that its answer still arrives. */
#define PROBE_TIMEOUT_OFFSET_NS (500 * NS_MS)

static struct probe *probe_of(struct api *api, struct http_exchange *x)
{
    struct err err;
    struct probe *p = api->probe;
    if (p == NULL)
        api_fail(x, err_set(&err, ST_UNAVAILABLE, "the checks are not running yet, or not any more"), &err);
    return p;
}

void probe_http_checks(void *user, struct http_exchange *x)
{
    struct probe *p = probe_of(user, x);
    struct buf out;
    if (p == NULL)
        return;
    buf_init(&out, 0);
    probe_list(p, &out);
    api_answer(x, ST_OK, &out, NULL);
}

static enum status runs(struct api *api, struct probe *p, struct http_exchange *x, struct api_query *q, struct buf *out, struct err *err)
{
    enum { DAY_HOURS = 24 };
    struct api_params params;
    int64_t end_ns, start_ns, now_ns = clock_wall_ns(api->clock);
    size_t limit;
    enum status st = api_params_read(x, &params, err);
    if (!st)
        st = api_param_time(&params, SLICE("end"), now_ns, &end_ns, err);
    if (!st)
        st = api_param_time(&params, SLICE("start"), sat_sub(end_ns, DAY_HOURS * 3600 * NS_S), &start_ns, err);
    if (!st)
        st = api_param_size(&params, SLICE("limit"), PROBE_RUNS_LIMIT_DEFAULT, PROBE_RUNS_LIMIT_MAX, &limit, err);
    if (st)
        return st;
    return probe_runs(p, &q->ctx, api_path_part(x, SLICE("name")), api_param(&params, SLICE("location"), NULL), start_ns, sat_add(end_ns, 1), limit,
                      out, err);
}

void probe_http_runs(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct probe *p = probe_of(api, x);
    struct api_query q;
    struct buf out;
    struct err err;
    if (p == NULL || !api_query_begin(api, x, &q))
        return;
    buf_init(&out, QUERY_RESULT_BYTES_MAX);
    enum status st = runs(api, p, x, &q, &out, &err);
    api_answer(x, st, &out, &err);
    api_query_end(&q, "stoa", st, &err);
}

void probe_http_run(void *user, struct http_exchange *x)
{
    struct probe *p = probe_of(user, x);
    struct buf out;
    struct err err;
    if (p == NULL)
        return;
    buf_init(&out, 0);
    enum status st = probe_run_now(p, api_path_part(x, SLICE("name")), &out, &err);
    api_answer(x, st, &out, &err);
}

static uint64_t number(const struct api_params *params, struct slice name)
{
    uint64_t n = 0;
    return num_parse_u64(api_param(params, name, NULL), &n) ? n : 0;
}

void probe_http_config(void *user, struct http_exchange *x)
{
    struct probe *p = probe_of(user, x);
    struct api_params params;
    struct buf out;
    struct err err;
    if (p == NULL)
        return;
    buf_init(&out, 0);
    enum status st = api_params_read(x, &params, &err);
    if (!st) {
        struct probe_agent agent = {
            .location = api_param(&params, SLICE("location"), NULL),
            .interval_ns = (int64_t)MIN(number(&params, SLICE("interval_ms")), (uint64_t)(24 * 3600 * 1000)) * NS_MS,
            .queued = number(&params, SLICE("queued")),
            .dropped = number(&params, SLICE("dropped")),
            .missed = number(&params, SLICE("missed")),
        };
        st = probe_agent_config(p, &agent, &out, &err);
    }
    api_answer(x, st, &out, &err);
}

void probe_http_results(void *user, struct http_exchange *x)
{
    struct probe *p = probe_of(user, x);
    struct buf out;
    struct err err;
    if (p == NULL)
        return;
    buf_init(&out, 0);
    enum status st = probe_agent_results(p, http_body(x), &out, &err);
    api_answer(x, st, &out, &err);
}

/* Prometheus says how long it waits. */
static int64_t patience_ns(struct http_exchange *x)
{
    double s;
    if (!num_parse_double(http_header(x, SLICE("X-Prometheus-Scrape-Timeout-Seconds")), &s) || !(s > 0) || s > 3600)
        return 0;
    int64_t ns = (int64_t)(s * (double)NS_S);
    return ns > PROBE_TIMEOUT_OFFSET_NS ? ns - PROBE_TIMEOUT_OFFSET_NS : ns;
}

void probe_http_probe(void *user, struct http_exchange *x)
{
    struct probe *p = probe_of(user, x);
    struct api_params params;
    struct buf page;
    struct err err;
    if (p == NULL)
        return;
    buf_init(&page, 0);
    enum status st = api_params_read(x, &params, &err);
    if (!st)
        st = probe_blackbox(p, api_param(&params, SLICE("module"), NULL), api_param(&params, SLICE("target"), NULL), patience_ns(x), &page, &err);
    if (st) {
        buf_free(&page);
        api_fail_text(x, st, &err);
        return;
    }
    http_reply_buf(x, 200, SLICE("text/plain; version=0.0.4; charset=utf-8"), &page);
}
