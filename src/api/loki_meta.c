/* SPDX-License-Identifier: Apache-2.0 */
/* Loki: labels, label values, series, buildinfo. */
#include "api/handlers.h"
#include "api/loki_params.h"
#include "api/prom_json.h"
#include "base/map.h"
#include "base/num.h"
#include "logql/logql.h"

enum { STREAMS_ANSWERED_MAX = 100 * 1000 };
#define LOG_KINDS (1u << EVENT_LOG)

struct meta {
    struct api_query q;
    struct api_params p;
    struct matcher *matchers[API_SELECTORS_MAX];
    size_t matcher_counts[API_SELECTORS_MAX], selector_count;
    int64_t start_ns, end_ns;
    struct err err;
};

/* Selectors come as `query` (labels, values) or `match[]` (series). */
static enum status meta_read(struct meta *m)
{
    m->selector_count = 0;
    enum status st = api_params_read(m->q.x, &m->p, &m->err);
    if (!st)
        st = loki_param_bounds(m->q.api, &m->p, LOKI_META_HOURS_DEFAULT * 3600 * NS_S, &m->start_ns, &m->end_ns, &m->err);
    for (size_t i = 0; !st && i < m->p.count; i++) {
        struct slice name = m->p.list[i].name, text = m->p.list[i].value;
        bool is_selector = slice_eq(name, SLICE("query")) || slice_eq(name, SLICE("match[]")) || slice_eq(name, SLICE("match"));
        if (!is_selector || text.len == 0)
            continue;
        if (m->selector_count == API_SELECTORS_MAX)
            return err_set(&m->err, ST_LIMIT, "more than %d selectors", API_SELECTORS_MAX);
        st = logql_parse_selector(m->q.arena, text, &m->matchers[m->selector_count], &m->matcher_counts[m->selector_count], &m->err);
        if (!st)
            m->selector_count++;
    }
    return st;
}

static void meta_end(struct meta *m, enum status st)
{
    if (st)
        api_fail_text(m->q.x, st, &m->err);
    for (size_t i = 0; i < m->selector_count; i++)
        for (size_t k = 0; k < m->matcher_counts[i]; k++)
            matcher_destroy(&m->matchers[i][k]);
    api_query_end(&m->q, "loki_meta", st, &m->err);
}

/* Loki's first version, whose paths stand under /api/prom, had no envelope. */
static void put_names(struct http_exchange *x, const struct name_hit *hits, size_t n)
{
    bool is_legacy = slice_starts(http_path(x), SLICE("/api/prom/"));
    struct buf out;
    struct json_writer w;
    if (is_legacy) {
        buf_init(&out, 0);
        json_writer_init(&w, &out);
        json_object_begin(&w);
        json_key(&w, SLICE("values"));
    } else {
        prom_json_begin(&w, &out, 0);
    }
    json_array_begin(&w);
    for (size_t i = 0; i < n; i++)
        json_string(&w, hits[i].value);
    json_array_end(&w);
    if (is_legacy) {
        json_object_end(&w);
        api_reply_json(x, 200, &out);
    } else {
        prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
    }
}

static void serve_names(struct api *api, struct http_exchange *x, enum names_what what, struct slice name)
{
    struct meta m;
    struct name_hit *hits;
    size_t n;
    if (!api_query_begin(api, x, &m.q))
        return;
    enum status st = meta_read(&m);
    if (!st) {
        struct names_query nq = {.what = what, .name = name, .start_ns = m.start_ns, .end_ns = sat_add(m.end_ns, 1), .kinds = LOG_KINDS};
        if (m.selector_count) {
            nq.matchers = m.matchers[0];
            nq.matcher_count = m.matcher_counts[0];
        }
        st = api->engine->ops->names(api->engine, &m.q.ctx, &nq, m.q.arena, &hits, &n, &m.err);
    }
    if (!st) {
        api_audit_note(x, SLICE_EMPTY, n);
        put_names(x, hits, n);
    }
    meta_end(&m, st);
}

void loki_labels(void *user, struct http_exchange *x)
{
    serve_names(user, x, NAMES_STREAM_LABELS, SLICE_EMPTY);
}

void loki_label_values(void *user, struct http_exchange *x)
{
    serve_names(user, x, NAMES_STREAM_VALUES, api_path_part(x, SLICE("name")));
}

static enum status streams_of(struct meta *m, size_t selector, struct slice **out, size_t *count)
{
    struct engine *e = m->q.api->engine;
    const struct matcher *matchers = selector < m->selector_count ? m->matchers[selector] : NULL;
    size_t n = selector < m->selector_count ? m->matcher_counts[selector] : 0;
    return e->ops->streams(e, &m->q.ctx, m->start_ns, sat_add(m->end_ns, 1), LOG_KINDS, matchers, n, STREAMS_ANSWERED_MAX, m->q.arena, out,
                           count, &m->err);
}

void loki_series(void *user, struct http_exchange *x)
{
    struct meta m;
    struct map seen;
    struct buf out;
    struct json_writer w;
    if (!api_query_begin(user, x, &m.q))
        return;
    map_init(&seen);
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    enum status st = meta_read(&m);
    for (size_t i = 0; !st && i < MAX(m.selector_count, (size_t)1); i++) {
        struct slice *list;
        size_t n;
        st = streams_of(&m, i, &list, &n);
        for (size_t k = 0; !st && k < n; k++) {
            bool added;
            map_put(&seen, list[k], &added);
            if (added)
                prom_json_labels(&w, list[k]);
        }
    }
    json_array_end(&w);
    api_audit_note(x, SLICE_EMPTY, seen.count);
    if (st)
        buf_free(&out);
    else
        prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
    map_free(&seen);
    meta_end(&m, st);
}

void loki_buildinfo(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice text = arena_printf(
        http_arena(x),
        "{\"version\":\"3.0.0\",\"revision\":\"stoa-%.*s\",\"branch\":\"\",\"buildUser\":\"\",\"buildDate\":\"\",\"goVersion\":\"\"}",
        SLICE_FMT(api->revision));
    http_reply(x, 200, SLICE("application/json"), text);
}

void loki_ready(void *user, struct http_exchange *x)
{
    http_reply(x, 200, SLICE("text/plain; charset=utf-8"), SLICE("ready\n"));
}
