/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that holds samples in memory and nothing else: what the language sees of any engine, without a store. */
#include <stdlib.h>

#include "promql/script.h"

struct mem_series {
    struct slice labels;
    int64_t *t;
    double *v;
    int64_t *born; /* NULL: of none */
    size_t n;
};

struct script_engine {
    struct engine engine; /* first */
    struct arena *arena;
    struct mem_series *list;
    size_t count, cap;
    bool is_sorted;
};

struct mem_iter {
    struct samples_iter iter; /* first */
    struct script_engine *s;
    struct engine_ctx *ctx;
    struct samples_query q;
    size_t at;
};

static int series_cmp(const void *a, const void *b)
{
    return labels_cmp(((const struct mem_series *)a)->labels, ((const struct mem_series *)b)->labels);
}

static void sort(struct script_engine *s)
{
    if (!s->is_sorted && s->count > 1)
        qsort(s->list, s->count, sizeof *s->list, series_cmp);
    s->is_sorted = true;
}

static size_t first_after(const struct mem_series *m, int64_t t)
{
    size_t low = 0, high = m->n;
    while (low < high) {
        size_t mid = low + (high - low) / 2;
        if (m->t[mid] <= t)
            low = mid + 1;
        else
            high = mid;
    }
    return low;
}

static enum status mem_next(struct samples_iter *iter, struct series_samples *out, struct err *err)
{
    struct mem_iter *it = (struct mem_iter *)iter;
    while (it->at < it->s->count) {
        const struct mem_series *m = &it->s->list[it->at++];
        if (!matchers_match(it->q.matchers, it->q.matcher_count, m->labels))
            continue;
        size_t from = first_after(m, it->q.start_ms), to = first_after(m, it->q.end_ms);
        if (from == to)
            continue;
        if (it->q.mode != SAMPLES_RAW)
            from = to - 1;
        bool has = it->q.mode != SAMPLES_PRESENT || !is_stale(m->v[from]);
        *out = (struct series_samples){ .labels = m->labels, .tenant = it->ctx->tenants[0], .n = has ? to - from : 0, .t_ms = m->t + from,
                                        .v = m->v + from, .born_ms = m->born ? m->born + from : NULL };
        it->ctx->samples_read += to - from;
        return ST_OK;
    }
    return ST_NOT_FOUND;
}

static void mem_close(struct samples_iter *iter)
{
    mem_free(iter);
}

static const struct samples_iter_ops mem_iter_ops = { mem_next, mem_close };

static enum status mem_samples(struct engine *e, struct engine_ctx *ctx, const struct samples_query *q, struct samples_iter **out,
                               struct err *err)
{
    struct mem_iter *it = mem_new(struct mem_iter);
    it->iter.ops = &mem_iter_ops;
    it->s = (struct script_engine *)e;
    it->ctx = ctx;
    it->q = *q;
    sort(it->s);
    *out = &it->iter;
    return ST_OK;
}

/* The language asks for samples alone. */
static const struct engine_ops mem_ops = { .name = "script", .samples = mem_samples };

struct script_engine *script_engine_new(void)
{
    struct script_engine *s = mem_new(struct script_engine);
    s->engine.ops = &mem_ops;
    s->arena = arena_new(0);
    return s;
}

void script_engine_free(struct script_engine *s)
{
    if (s == NULL)
        return;
    arena_free(s->arena);
    mem_free(s);
}

struct engine *script_engine_door(struct script_engine *s)
{
    return &s->engine;
}

void script_engine_clear(struct script_engine *s)
{
    s->list = NULL;
    s->count = s->cap = 0;
    arena_reset(s->arena);
}

/* The same, as those are in one run of a store: nothing that tells them apart but counts. */
static bool is_one_run(const struct histogram *x, const struct histogram *y)
{
    return x->hint != HINT_GAUGE && x->schema == y->schema && x->zero_threshold == y->zero_threshold && x->bound_count == y->bound_count &&
           (x->bound_count == 0 || memcmp(x->bounds, y->bounds, x->bound_count * sizeof *x->bounds) == 0);
}

static double keep_value(struct script_engine *s, double v, const double *before)
{
    if (!is_histogram(v))
        return v;
    struct histogram *h = histogram_copy(s->arena, histogram_unbox(v));
    if (h->hint == HINT_GAUGE)
        return histogram_box(h);
    bool is_told = h->hint == HINT_RESET;
    h->hint = HINT_UNKNOWN;
    if (!is_told && before && is_histogram(*before) && is_one_run(histogram_unbox(*before), h) && !histogram_is_reset(histogram_unbox(*before), h))
        h->hint = HINT_NOT_RESET;
    return histogram_box(h);
}

static void put(struct script_engine *s, struct mem_series *m, struct sample sample, int64_t born)
{
    size_t at = first_after(m, sample.t_ms);
    bool is_there = at && m->t[at - 1] == sample.t_ms; /* the later load says it anew */
    if (is_there)
        at--;
    else {
        memmove(m->t + at + 1, m->t + at, (m->n - at) * sizeof *m->t);
        memmove(m->v + at + 1, m->v + at, (m->n - at) * sizeof *m->v);
        if (m->born)
            memmove(m->born + at + 1, m->born + at, (m->n - at) * sizeof *m->born);
        m->n++;
    }
    m->t[at] = sample.t_ms;
    m->v[at] = keep_value(s, sample.v, at ? &m->v[at - 1] : NULL);
    if (m->born)
        m->born[at] = born;
}

void script_engine_add_born(struct script_engine *s, struct slice labels, const struct sample *samples, const int64_t *born_ms, size_t count)
{
    struct mem_series *m = NULL;
    for (size_t i = 0; i < s->count && m == NULL; i++)
        m = slice_eq(s->list[i].labels, labels) ? &s->list[i] : NULL;
    if (m == NULL) {
        ARENA_PUSH(s->arena, s->list, s->count, s->cap) = (struct mem_series){ .labels = arena_copy(s->arena, labels) };
        m = &s->list[s->count - 1];
        s->is_sorted = false;
    }
    size_t room = m->n + count;
    m->t = arena_grow(s->arena, m->t, m->n * sizeof *m->t, room * sizeof *m->t);
    m->v = arena_grow(s->arena, m->v, m->n * sizeof *m->v, room * sizeof *m->v);
    if (m->born)
        m->born = arena_grow(s->arena, m->born, m->n * sizeof *m->born, room * sizeof *m->born);
    else if (born_ms)
        m->born = arena_zalloc(s->arena, (room + 1) * sizeof *m->born);
    for (size_t i = 0; i < count; i++)
        put(s, m, samples[i], born_ms ? born_ms[i] : 0);
}

void script_engine_add(struct script_engine *s, struct slice labels, const struct sample *samples, size_t count)
{
    script_engine_add_born(s, labels, samples, NULL, count);
}
