/* SPDX-License-Identifier: Apache-2.0 */
/* Prometheus: labels, label values, series, metadata, delete_series, clean_tombstones, snapshot. */
#include "api/handlers.h"
#include "api/prom_json.h"
#include "api/prom_selectors.h"
#include "base/num.h"

#include <stdlib.h>

enum { NAMES_MAX = 1000 * 1000 };

/* What every call of this file reads first. */
struct meta {
    struct api_query q;
    struct api_params p;
    struct prom_selectors match;
    int64_t start_ns, end_ns;
    size_t limit;
    struct err err;
};

static enum status meta_read(struct meta *m)
{
    m->match.count = 0;
    enum status st = api_params_read(m->q.x, &m->p, &m->err);
    if (!st)
        st = api_param_time(&m->p, SLICE("start"), 0, &m->start_ns, &m->err);
    if (!st)
        st = api_param_time(&m->p, SLICE("end"), clock_wall_ns(m->q.api->clock) + 86400 * NS_S, &m->end_ns, &m->err);
    if (!st)
        st = api_param_size(&m->p, SLICE("limit"), 0, NAMES_MAX, &m->limit, &m->err);
    if (!st && m->end_ns < m->start_ns)
        st = err_set(&m->err, ST_INVALID, "invalid parameter \"end\": end timestamp must not be before start timestamp");
    return st ? st : prom_selectors_read(m->q.arena, &m->p, &m->match, &m->err);
}

static void meta_end(struct meta *m, enum status st)
{
    if (st)
        api_fail(m->q.x, st, &m->err);
    prom_selectors_free(&m->match);
    api_query_end(&m->q, "prometheus_meta", st, &m->err);
}

static int by_slice(const void *a, const void *b)
{
    return slice_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static int by_labels(const void *a, const void *b)
{
    return labels_cmp(*(const struct slice *)a, *(const struct slice *)b);
}

static size_t unique(struct slice *list, size_t n)
{
    size_t kept = 0;
    for (size_t i = 0; i < n; i++)
        if (kept == 0 || !slice_eq(list[kept - 1], list[i]))
            list[kept++] = list[i];
    return kept;
}

/* put writes one of the list. */
static void answer_list(struct meta *m, const struct slice *list, size_t n, void (*put)(struct json_writer *w, struct slice one))
{
    struct buf out;
    struct json_writer w;
    bool cut = m->limit && n > m->limit;
    prom_json_begin(&w, &out, 0);
    json_array_begin(&w);
    for (size_t i = 0; i < (cut ? m->limit : n); i++)
        put(&w, list[i]);
    json_array_end(&w);
    if (cut)
        engine_warn(&m->q.ctx, "results truncated due to limit");
    prom_json_reply(m->q.x, &w, &out, buf_as_slice(&m->q.ctx.warnings), SLICE_EMPTY);
}

/* Names or values over all selectors, merged. */
static enum status collect_names(struct meta *m, enum names_what what, struct slice name, struct slice **out, size_t *count)
{
    size_t rounds = MAX(m->match.count, (size_t)1), cap = 0;
    *out = NULL;
    *count = 0;
    for (size_t i = 0; i < rounds; i++) {
        struct names_query nq = { .what = what, .name = name, .start_ns = m->start_ns, .end_ns = m->end_ns };
        struct name_hit *hits;
        size_t n;
        if (m->match.count) {
            nq.matchers = m->match.list[i];
            nq.matcher_count = m->match.counts[i];
        }
        enum status st = m->q.api->engine->ops->names(m->q.api->engine, &m->q.ctx, &nq, m->q.arena, &hits, &n, &m->err);
        if (st)
            return st;
        for (size_t k = 0; k < n; k++)
            ARENA_PUSH(m->q.arena, *out, *count, cap) = hits[k].value;
    }
    if (*count)
        qsort(*out, *count, sizeof **out, by_slice);
    *count = unique(*out, *count);
    return ST_OK;
}

static void serve_names(struct api *api, struct http_exchange *x, enum names_what what, struct slice name)
{
    struct meta m;
    struct slice *list;
    size_t n;
    if (!api_query_begin(api, x, &m.q))
        return;
    enum status st = meta_read(&m);
    if (!st)
        st = collect_names(&m, what, name, &list, &n);
    if (!st)
        answer_list(&m, list, n, json_string);
    meta_end(&m, st);
}

void prom_labels(void *user, struct http_exchange *x)
{
    serve_names(user, x, NAMES_LABELS, SLICE_EMPTY);
}

void prom_label_values(void *user, struct http_exchange *x)
{
    serve_names(user, x, NAMES_LABEL_VALUES, api_path_part(x, SLICE("name")));
}

void prom_series(void *user, struct http_exchange *x)
{
    struct meta m;
    struct slice *all = NULL;
    size_t n = 0, cap = 0;
    if (!api_query_begin(user, x, &m.q))
        return;
    enum status st = meta_read(&m);
    if (!st && m.match.count == 0)
        st = err_set(&m.err, ST_INVALID, "no match[] parameter provided");
    for (size_t i = 0; !st && i < m.match.count; i++) {
        struct slice *list;
        size_t count;
        st = m.q.api->engine->ops->series(m.q.api->engine, &m.q.ctx, m.start_ns / NS_MS, m.end_ns / NS_MS, m.match.list[i], m.match.counts[i],
                                          NAMES_MAX, m.q.arena, &list, &count, &m.err);
        for (size_t k = 0; !st && k < count; k++)
            ARENA_PUSH(m.q.arena, all, n, cap) = list[k];
    }
    if (!st) {
        if (n)
            qsort(all, n, sizeof *all, by_labels);
        answer_list(&m, all, unique(all, n), prom_json_labels);
    }
    meta_end(&m, st);
}

void prom_metadata(void *user, struct http_exchange *x)
{
    struct meta m;
    struct name_hit *hits;
    size_t n, written = 0, per_metric;
    if (!api_query_begin(user, x, &m.q))
        return;
    enum status st = meta_read(&m);
    struct names_query nq = { .what = NAMES_METADATA, .start_ns = m.start_ns, .end_ns = m.end_ns };
    if (!st)
        nq.name = api_param(&m.p, SLICE("metric"), NULL);
    if (!st)
        st = api_param_size(&m.p, SLICE("limit_per_metric"), 0, NAMES_MAX, &per_metric, &m.err); /* there is one each */
    if (!st)
        st = m.q.api->engine->ops->names(m.q.api->engine, &m.q.ctx, &nq, m.q.arena, &hits, &n, &m.err);
    if (!st) {
        struct buf out;
        struct json_writer w;
        prom_json_begin(&w, &out, 0);
        json_object_begin(&w);
        for (size_t i = 0; i < n && (m.limit == 0 || written < m.limit); i++) {
            const struct metric_metadata *md = hits[i].metadata;
            if (md == NULL || (nq.name.len && !slice_eq(nq.name, hits[i].value)))
                continue;
            written++;
            json_key(&w, hits[i].value);
            json_array_begin(&w);
            json_object_begin(&w);
            json_key(&w, SLICE("type"));
            json_string(&w, slice_str(metric_type_name(md->type)));
            json_key(&w, SLICE("help"));
            json_string(&w, md->help);
            json_key(&w, SLICE("unit"));
            json_string(&w, md->unit);
            json_object_end(&w);
            json_array_end(&w);
        }
        json_object_end(&w);
        prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
    }
    meta_end(&m, st);
}

void prom_delete_series(void *user, struct http_exchange *x)
{
    struct meta m;
    if (!api_query_begin(user, x, &m.q))
        return;
    enum status st = meta_read(&m);
    if (!st && m.match.count == 0)
        st = err_set(&m.err, ST_INVALID, "no match[] parameter provided");
    if (!st && m.q.ctx.tenant_count != 1)
        st = err_set(&m.err, ST_INVALID, "header X-Scope-OrgID: series are deleted of one tenant at a time");
    for (size_t i = 0; !st && i < m.match.count; i++) {
        struct buf selector;
        buf_init(&selector, API_FORM_BYTES_MAX);
        matchers_format(m.match.list[i], m.match.counts[i], &selector);
        struct tombstone t = { .tenant = m.q.ctx.tenants[0], .start_ns = m.start_ns, .end_ns = sat_add(m.end_ns, NS_MS),
                               .selector = buf_as_slice(&selector) };
        st = m.q.api->engine->ops->erase(m.q.api->engine, &t, &m.err);
        buf_free(&selector);
    }
    if (!st)
        http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
    meta_end(&m, st);
}

/* What is deleted is out of answers at once; a merge takes it off the disk too. */
void prom_clean_tombstones(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct err err;
    enum status st = api->engine->ops->flush(api->engine, &err);
    if (!st)
        st = api->engine->ops->merge(api->engine, &err);
    if (st)
        api_fail(x, st, &err);
    else
        http_reply(x, 204, SLICE_EMPTY, SLICE_EMPTY);
}

void prom_snapshot(void *user, struct http_exchange *x)
{
    struct api *api = user;
    struct slice name, skip;
    struct api_params p;
    struct err err;
    enum status st = api_params_read(x, &p, &err);
    skip = st ? SLICE_EMPTY : api_param(&p, SLICE("skip_head"), NULL);
    bool skip_head = slice_eq(skip, SLICE("true")) || slice_eq(skip, SLICE("1"));
    if (!st && skip.len && !skip_head && !slice_eq(skip, SLICE("false")) && !slice_eq(skip, SLICE("0")))
        st = err_set(&err, ST_INVALID, "invalid parameter \"skip_head\": found \"%.*s\", allowed true and false", SLICE_FMT(skip));
    if (!st)
        st = api->snapshot ? api->snapshot(api->server, skip_head, http_arena(x), &name, &err)
                           : err_set(&err, ST_UNAVAILABLE, "there is no data folder to copy");
    if (st) {
        api_fail(x, st, &err);
        return;
    }
    struct json_writer w;
    struct buf out;
    prom_json_begin(&w, &out, 0);
    json_object_begin(&w);
    json_key(&w, SLICE("name"));
    json_string(&w, name);
    json_object_end(&w);
    prom_json_reply(x, &w, &out, SLICE_EMPTY, SLICE_EMPTY);
}
