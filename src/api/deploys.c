/* SPDX-License-Identifier: Apache-2.0 */
/* When services changed their version: GET /api/stoa/v1/deploys?service&start&end.
 *
 * Versions are told by samples: traces_target_info while spans and logs of a version come (pipeline/span_metrics.h), target_info while
 * OTLP metrics of it do. Their times make runs; a pause of over GAP_MS ends one. A run that begins when another version was the latest to begin is a
 * deployment. The first version of all is none: nothing was changed. Samples are stored, so a restart forgets nothing. */
#include <stdlib.h>

#include "api/handlers.h"
#include "api/span_report.h"
#include "base/num.h"

enum { GAP_MS = 6 * 60 * 1000, LOOKBACK_DAYS = 7, RUNS_MAX = 100 * 1000 };

struct run {
    struct slice service, version;
    int64_t start_ms, end_ms;
};

struct work {
    struct span_report r;
    struct run *list;
    size_t count, cap;
};

/* Of OTLP's namespace/name the name. */
static struct slice service_of(struct slice labels)
{
    struct slice s = labels_get(labels, SLICE("service")), head, tail;
    if (s.len)
        return s;
    s = labels_get(labels, SLICE("service_name"));
    if (s.len)
        return s;
    s = labels_get(labels, SLICE("job"));
    while (slice_cut(s, '/', &head, &tail))
        s = tail;
    return s;
}

static void add_runs(struct work *w, const struct series_samples *s)
{
    struct arena *a = w->r.q.arena;
    struct run run = { service_of(s->labels), labels_get(s->labels, SLICE("service_version")), 0, 0 };
    bool is_open = false;
    if (run.service.len == 0 || run.version.len == 0 || (w->r.service.len && !slice_eq(run.service, w->r.service)))
        return;
    run.service = arena_copy(a, run.service);
    run.version = arena_copy(a, run.version);
    for (size_t i = 0; i < s->n; i++) {
        if (is_stale(s->v[i]))
            continue;
        if (is_open && s->t_ms[i] - run.end_ms > GAP_MS && w->count < RUNS_MAX)
            ARENA_PUSH(a, w->list, w->count, w->cap) = run;
        if (!is_open || s->t_ms[i] - run.end_ms > GAP_MS)
            run.start_ms = s->t_ms[i];
        run.end_ms = s->t_ms[i];
        is_open = true;
    }
    if (is_open && w->count < RUNS_MAX)
        ARENA_PUSH(a, w->list, w->count, w->cap) = run;
    w->r.is_part |= w->count == RUNS_MAX;
}

static enum status read_runs(struct work *w)
{
    struct engine *engine = w->r.q.api->engine;
    struct matcher *matchers;
    size_t count;
    struct samples_iter *it;
    struct series_samples series;
    int64_t start_ms = sat_sub(w->r.start_ns, (int64_t)LOOKBACK_DAYS * 86400 * NS_S) / NS_MS;
    enum status st = matchers_parse(w->r.q.arena, SLICE("{__name__=~\"traces_target_info|target_info\",service_version!=\"\"}"), &matchers, &count,
                                    &w->r.err);
    if (st)
        return st;
    struct samples_query q = { .start_ms = start_ms, .end_ms = w->r.end_ns / NS_MS, .matchers = matchers, .matcher_count = count };
    st = engine->ops->samples(engine, &w->r.q.ctx, &q, &it, &w->r.err);
    if (!st) {
        while ((st = it->ops->next(it, &series, &w->r.err)) == ST_OK)
            add_runs(w, &series);
        it->ops->close(it);
    }
    matchers_destroy(matchers, count);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_version(const void *x, const void *y)
{
    const struct run *a = x, *b = y;
    int order = slice_cmp(a->service, b->service);
    order = order ? order : slice_cmp(a->version, b->version);
    return order ? order : (a->start_ms > b->start_ms) - (a->start_ms < b->start_ms);
}

static int by_start(const void *x, const void *y)
{
    const struct run *a = x, *b = y;
    int order = slice_cmp(a->service, b->service);
    order = order ? order : (a->start_ms > b->start_ms) - (a->start_ms < b->start_ms);
    return order ? order : slice_cmp(a->version, b->version);
}

/* Runs of one version that overlap (of several instances, or told by spans and by metrics) are one. */
static void merge_runs(struct work *w)
{
    size_t n = 0;
    if (w->count == 0)
        return;
    qsort(w->list, w->count, sizeof *w->list, by_version);
    for (size_t i = 0; i < w->count; i++) {
        const struct run *r = &w->list[i];
        struct run *last = n ? &w->list[n - 1] : NULL;
        if (last && slice_eq(last->service, r->service) && slice_eq(last->version, r->version) && r->start_ms - last->end_ms <= GAP_MS)
            last->end_ms = MAX(last->end_ms, r->end_ms);
        else
            w->list[n++] = *r;
    }
    w->count = n;
    qsort(w->list, w->count, sizeof *w->list, by_start);
}

/* Did that version run before? */
static bool is_back(const struct work *w, size_t at)
{
    for (size_t i = at; i-- && slice_eq(w->list[i].service, w->list[at].service);)
        if (slice_eq(w->list[i].version, w->list[at].version))
            return true;
    return false;
}

static void answer(struct work *w)
{
    struct span_answer a;
    size_t given = 0, found = 0;
    span_answer_begin(&a);
    json_key(&a.w, SLICE("deploys"));
    json_array_begin(&a.w);
    for (size_t i = 1; i < w->count; i++) {
        const struct run *r = &w->list[i], *before = &w->list[i - 1];
        if (!slice_eq(before->service, r->service) || slice_eq(before->version, r->version) || r->start_ms < w->r.start_ns / NS_MS)
            continue;
        found++;
        if (given == w->r.limit)
            continue;
        given++;
        json_object_begin(&a.w);
        span_json_text(&a.w, "service", r->service);
        span_json_text(&a.w, "version", r->version);
        span_json_text(&a.w, "previous", before->version);
        json_key(&a.w, SLICE("time_ms"));
        json_int(&a.w, r->start_ms);
        json_key(&a.w, SLICE("rollback"));
        json_bool(&a.w, is_back(w, i));
        json_object_end(&a.w);
    }
    json_array_end(&a.w);
    json_key(&a.w, SLICE("found"));
    json_uint(&a.w, found);
    span_answer_end(&a, &w->r);
}

void deploys_http(void *user, struct http_exchange *x)
{
    struct work w = { .count = 0 };
    if (!span_report_begin(user, x, &w.r))
        return;
    enum status st = read_runs(&w);
    if (!st) {
        merge_runs(&w);
        answer(&w);
    }
    span_report_end(&w.r, "deploys", st);
}
