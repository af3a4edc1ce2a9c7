/* SPDX-License-Identifier: Apache-2.0 */
/* Exemplars: single spans beside the numbers made of them. The window is cut into as many slots as there may be exemplars, and each slot has one
 * span, so that they are spread over time. Which one does not depend on the order spans come in: the same query gives the same. */
#include <math.h>

#include "base/hash.h"
#include "base/num.h"
#include "traceql/metrics.h"

struct tql_slot {
    uint64_t rank;
    int64_t time_ns;
    size_t group;
    double v;
    uint8_t trace_id[16], span_id[8];
    bool is_used;
};

void tql_reservoir_init(struct tql_reservoir *r, struct arena *a, const struct tql_grid *g, size_t count)
{
    *r = (struct tql_reservoir){ .slots = arena_zalloc(a, (count + 1) * sizeof *r->slots), .count = count, .grid = g };
}

void tql_reservoir_slot(const struct tql_reservoir *r, size_t slot, int64_t *start_ns, int64_t *end_ns)
{
    int64_t first_ns = tql_grid_start(r->grid);
    double each = ((double)tql_grid_end(r->grid) - (double)first_ns) / (double)r->count;
    *start_ns = sat_add(first_ns, (int64_t)(each * (double)slot));
    *end_ns = slot + 1 == r->count ? tql_grid_end(r->grid) : sat_add(first_ns, (int64_t)(each * (double)(slot + 1)));
}

void tql_reservoir_add(struct tql_reservoir *r, const struct event *e, size_t group, double v)
{
    int64_t start_ns = tql_grid_start(r->grid), end_ns = tql_grid_end(r->grid);
    if (r->count == 0 || !event_has_trace(e) || e->time_ns < start_ns || e->time_ns >= end_ns)
        return;
    double share = ((double)e->time_ns - (double)start_ns) / ((double)end_ns - (double)start_ns);
    size_t at = MIN((size_t)(share * (double)r->count), r->count - 1);
    struct hash128 h = hash128(slice_of(e->trace_id, sizeof e->trace_id), hash64(slice_of(e->span_id, sizeof e->span_id), 0));
    struct tql_slot *s = &r->slots[at];
    if (s->is_used && h.lo >= s->rank)
        return;
    *s = (struct tql_slot){ .rank = h.lo, .time_ns = e->time_ns, .group = group, .v = v, .is_used = true };
    memcpy(s->trace_id, e->trace_id, sizeof s->trace_id);
    memcpy(s->span_id, e->span_id, sizeof s->span_id);
}

void tql_reservoir_put(const struct tql_reservoir *r, struct arena *a, struct tql_series_set *set,
                       size_t (*place)(void *arg, size_t group, size_t point, double v), void *arg)
{
    size_t *caps = arena_zalloc(a, (set->count + 1) * sizeof *caps);
    for (size_t i = 0; i < r->count; i++) {
        const struct tql_slot *s = &r->slots[i];
        size_t from, to;
        if (!s->is_used)
            continue;
        tql_grid_points(r->grid, s->time_ns, &from, &to);
        if (from == to)
            continue;
        size_t number = place(arg, s->group, from, s->v);
        struct traceql_series *at = &set->series[number];
        struct traceql_exemplar x = { .t_ms = s->time_ns / NS_MS, .v = s->v };
        memcpy(x.trace_id, s->trace_id, sizeof x.trace_id);
        memcpy(x.span_id, s->span_id, sizeof x.span_id);
        ARENA_PUSH(a, at->exemplars, at->exemplar_count, caps[number]) = x;
    }
}

void tql_exemplars_finish(const struct tql_grid *g, struct traceql_series *s)
{
    size_t n = 0;
    for (size_t i = 0; i < s->exemplar_count; i++) {
        struct traceql_exemplar x = s->exemplars[i];
        size_t from, to;
        tql_grid_points(g, x.t_ms * NS_MS, &from, &to);
        from = MIN(from, g->points - 1);
        if (isnan(s->v[from]))
            continue;
        x.v = isnan(x.v) ? s->v[from] : x.v;
        s->exemplars[n++] = x;
    }
    s->exemplar_count = n;
}
