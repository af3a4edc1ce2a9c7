/* SPDX-License-Identifier: Apache-2.0 */
/* The part of every query that is the same: which parts, blocks and rows are in question. */
#include "events/evscope.h"

static bool tenant_is_asked(const struct engine_ctx *ctx, struct slice tenant)
{
    for (size_t i = 0; i < ctx->tenant_count; i++)
        if (slice_eq(ctx->tenants[i], tenant))
            return true;
    return false;
}

struct evscope *evscope_open(struct store *s, struct engine_ctx *ctx, int64_t start_ns, int64_t end_ns, uint32_t kinds, const struct pred *pred)
{
    struct arena *a = arena_new(0);
    struct evscope *sc = arena_new_of(a, struct evscope);
    sc->store = s;
    sc->ctx = ctx;
    sc->arena = a;
    sc->scratch = arena_new(0);
    sc->start_ns = start_ns;
    sc->end_ns = end_ns;
    sc->kinds = kinds;
    sc->pred = evpred_compile(pred, a, &sc->node_count);
    sc->view = store_view_take(s, KIND_EVENTS, start_ns, end_ns);
    sc->tombs = evtombs_compile(sc->view->dead, a, ctx);
    sc->plans = arena_zalloc(a, (sc->view->part_count + 1) * sizeof *sc->plans);
    for (size_t i = 0; i < sc->view->part_count; i++) {
        const struct part *p = sc->view->parts[i];
        if (part_info(p)->min_ns < end_ns && part_info(p)->max_ns >= start_ns && part_user(p))
            sc->plans[i] = evplan_new(p, sc->pred, sc->node_count, &sc->tombs, ctx, a);
    }
    return sc;
}

void evscope_close(struct evscope *sc)
{
    if (sc == NULL)
        return;
    evtombs_free(&sc->tombs);
    store_view_drop(sc->view);
    arena_free(sc->scratch);
    arena_free(sc->arena);
}

bool evscope_has_block(const struct evscope *sc, const struct evdir *d, const struct evdir_block *b)
{
    return b->kind < 32 && sc->kinds >> b->kind & 1 && b->min_ns < sc->end_ns && b->max_ns >= sc->start_ns &&
           tenant_is_asked(sc->ctx, d->tenants[b->tenant]);
}

bool evscope_has_all(const struct evscope *sc, struct evplan *plan, const struct evdir_block *b)
{
    return b->min_ns >= sc->start_ns && b->max_ns < sc->end_ns && !evplan_is_touched(plan, b) &&
           evplan_judge(plan, b, NULL) == EVPLAN_TRUE;
}

bool evscope_has_row(struct evscope *sc, const struct evrow *row)
{
    const struct event *e = &row->e;
    if (e->kind >= 32 || !(sc->kinds >> e->kind & 1) || e->time_ns < sc->start_ns || e->time_ns >= sc->end_ns)
        return false;
    if (!tenant_is_asked(sc->ctx, row->tenant))
        return false;
    bool is_match = evpred_row(sc->pred, e, sc->scratch) && !evtombs_dead(&sc->tombs, row->tenant, e);
    if (arena_bytes(sc->scratch) > MIB)
        arena_reset(sc->scratch);
    return is_match;
}

enum status evscope_skip(struct evscope *sc, enum status st, struct err *err)
{
    if (st != ST_CORRUPT)
        return st;
    struct evstate *state = store_kind_state(sc->store, KIND_EVENTS);
    atomic_fetch_add(&state->corrupt_blocks, 1);
    engine_warn(sc->ctx, "%s; its rows are missing from this answer", err->text);
    return ST_OK;
}

enum status evscope_select(struct evscope *sc, struct evplan *plan, const struct evdir_block *b, struct evread **out, uint8_t *sel,
                           size_t *count, struct err *err)
{
    *out = NULL;
    *count = 0;
    enum status st = engine_ctx_check(sc->ctx, err);
    if (st)
        return st;
    struct evread *x = evread_new(evplan_part(plan), evplan_dir(plan), b, sc->ctx);
    if (evplan_judge(plan, b, NULL) != EVPLAN_FALSE && evplan_judge(plan, b, x) != EVPLAN_FALSE) {
        sc->ctx->rows_read += b->rows;
        st = evplan_select(plan, x, sc->start_ns, sc->end_ns, sel, count, err);
    }
    if (st == ST_OK && *count) {
        *out = x;
        return ST_OK;
    }
    evread_free(x);
    *count = 0;
    return evscope_skip(sc, st, err);
}
