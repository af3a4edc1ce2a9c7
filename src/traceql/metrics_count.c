/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of spans that the engine makes by itself, most of them from its directories: it has to check all that the query asks for, and to be able
 * to tell the groups apart, which are those of services. Exemplars beside them are asked for one by one, the first of each slot of time; where
 * there are few spans, going through all of them is cheaper than that. */
#include <math.h>

#include "model/labels.h"
#include "traceql/metrics.h"

struct count {
    const struct tql_asked *q;
    struct tql_groups *groups;
    struct arena *scratch;
    const struct pred *pred;
    double total;
};

static bool is_service(const struct tql_expr *e)
{
    return e->kind == TQL_EXPR_FIELD && e->field.scope == TQL_SCOPE_RESOURCE && !e->field.of_parent && slice_eq(e->field.name, SLICE("service.name"));
}

static bool fits(const struct tql_asked *q)
{
    const struct tql_metric *m = q->m;
    struct tql_needs needs = { .want = 0 };
    tql_needs_of_stages(m->stages, &needs);
    if (needs.whole_trace || (m->function != TQL_RATE && m->function != TQL_COUNT_OVER_TIME))
        return false;
    return m->by_count == 0 || (m->by_count == 1 && is_service(m->by[0]));
}

/* A span's stream is its service. */
static enum status group_of(void *arg, const struct event *e, uint32_t *group, struct err *err)
{
    struct count *c = arg;
    struct slice service = e->service.len ? e->service : labels_get(e->stream, SLICE("service_name"));
    struct tql_value v = { .type = service.len ? TQL_STRING : TQL_NIL, .text = service };
    size_t number;
    enum status st = tql_groups_find(c->groups, &v, c->scratch, &number, err);
    *group = (uint32_t)number;
    return st;
}

static bool looks_at(void *arg, struct slice field)
{
    return false;
}

static enum status add_counts(struct count *c, struct events_iter *it, tql_count_add *add, void *arg, struct err *err)
{
    struct event_block block;
    enum status st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; !st && i < block.n; i++) {
            c->total += block.counts[i].count;
            st = add(arg, block.counts[i].group, block.counts[i].time_ns, block.counts[i].count, err);
        }
        if (st)
            return st;
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status run(struct count *c, tql_count_add *add, void *arg, bool *is_done, struct err *err)
{
    const struct tql_grid *g = c->q->grid;
    struct engine *engine = c->q->env->engine;
    struct events_count_by by = { .step_ns = g->step_ns, .origin_ns = { g->first_ns, tql_grid_start(g) }, .group = group_of, .looks_at = looks_at,
                                  .arg = c };
    struct events_query q = { .start_ns = tql_grid_start(g), .end_ns = tql_grid_end(g), .kinds = 1u << EVENT_SPAN, .pred = c->pred,
                              .want = WANT_STREAM, .order = ORDER_NONE, .count_by = &by };
    struct events_iter *it;
    unsigned did;
    enum status st = engine->ops->events(engine, c->q->env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    *is_done = did & ENGINE_DID_COUNT;
    if (*is_done)
        st = add_counts(c, it, add, arg, err);
    it->ops->close(it);
    if (st == ST_LIMIT) { /* of the engine's tallies: rows have another */
        *is_done = false;
        return ST_OK;
    }
    return st;
}

/* The first span of a slot. */
static enum status exemplar(struct count *c, struct tql_reservoir *r, size_t slot, struct err *err)
{
    struct engine *engine = c->q->env->engine;
    struct events_query q = { .kinds = 1u << EVENT_SPAN, .pred = c->pred, .want = WANT_STREAM | WANT_IDS, .order = ORDER_TIME_ASC, .limit = 1 };
    struct event_block block;
    struct events_iter *it;
    unsigned did;
    uint32_t group;
    tql_reservoir_slot(r, slot, &q.start_ns, &q.end_ns);
    enum status st = engine->ops->events(engine, c->q->env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    st = it->ops->next(it, &block, err);
    if (!st && block.n) {
        st = group_of(c, &block.rows[0], &group, err);
        if (!st)
            tql_reservoir_add(r, &block.rows[0], group, NAN);
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? tql_check(c->q->env, err) : st;
}

enum status tql_count_run(const struct tql_asked *q, struct tql_groups *groups, struct tql_reservoir *r, tql_count_add *add, void *arg, bool *is_done,
                          struct err *err)
{
    struct arena *a = arena_new(0);
    bool is_all;
    struct count c = { .q = q, .groups = groups, .scratch = arena_new(0), .pred = tql_push(a, q->m->stages, &is_all) };
    enum status st = ST_OK;
    *is_done = false;
    if (is_all && fits(q))
        st = run(&c, add, arg, is_done, err);
    *is_done = *is_done && (r->count == 0 || c.total > TRACEQL_EXEMPLAR_ROWS_MAX);
    for (size_t i = 0; !st && *is_done && i < r->count; i++)
        st = exemplar(&c, r, i, err);
    *q->inspected += *is_done ? (size_t)c.total : 0;
    arena_free(c.scratch);
    arena_free(a);
    return st;
}
