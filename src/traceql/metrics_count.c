/* SPDX-License-Identifier: Apache-2.0 */
/* Counts of spans that the engine makes by itself, most of them from its directories: it has to check all that the query asks for, and to be able
 * to tell the groups apart, which are those of services. */
#include "model/labels.h"
#include "traceql/metrics.h"

struct count {
    const struct tql_asked *q;
    struct tql_groups *groups;
    struct arena *scratch;
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
    if (needs.whole_trace || q->exemplars || (m->function != TQL_RATE && m->function != TQL_COUNT_OVER_TIME))
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
            *c->q->inspected += (size_t)block.counts[i].count;
            st = add(arg, block.counts[i].group, block.counts[i].time_ns, block.counts[i].count, err);
        }
        if (st)
            return st;
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status tql_count_run(const struct tql_asked *q, struct tql_groups *groups, tql_count_add *add, void *arg, bool *is_done, struct err *err)
{
    struct arena *a = arena_new(0);
    struct count c = { .q = q, .groups = groups, .scratch = arena_new(0) };
    bool is_all, is_open = false;
    struct pred *pred = tql_push(a, q->m->stages, &is_all);
    enum status st = ST_OK;
    *is_done = false;
    if (is_all && fits(q)) {
        struct events_count_by by = { .step_ns = q->grid->step_ns, .origin_ns = { q->grid->first_ns, tql_grid_start(q->grid) }, .group = group_of,
                                      .looks_at = looks_at, .arg = &c };
        struct events_query e = { .start_ns = tql_grid_start(q->grid), .end_ns = tql_grid_end(q->grid), .kinds = 1u << EVENT_SPAN, .pred = pred,
                                  .want = WANT_STREAM, .order = ORDER_NONE, .count_by = &by };
        struct events_iter *it;
        unsigned did;
        st = q->env->engine->ops->events(q->env->engine, q->env->ctx, &e, &it, &did, err);
        is_open = st == ST_OK;
        *is_done = is_open && (did & ENGINE_DID_COUNT);
        if (*is_done)
            st = add_counts(&c, it, add, arg, err);
        if (is_open)
            it->ops->close(it);
    }
    arena_free(c.scratch);
    arena_free(a);
    return st;
}
