/* SPDX-License-Identifier: Apache-2.0 */
#include "traceql/traces.h"

#include <stdlib.h>

#include "base/num.h"
#include "store/pred.h"

/* ---- ids ---- */

static enum status ids_open(struct tql_ids *s, struct err *err)
{
    unsigned did;
    struct events_query q = { .start_ns = s->start_ns, .end_ns = s->end_ns, .kinds = 1u << EVENT_SPAN, .pred = s->pred, .want = WANT_TRACE,
                              .order = ORDER_NEWEST };
    enum status st = s->env->engine->ops->events(s->env->engine, s->env->ctx, &q, &s->it, &did, err);
    if (st)
        return st;
    map_init(&s->seen);
    s->is_open = true;
    s->block.n = 0;
    return ST_OK;
}

static bool is_new(struct tql_ids *s, const struct event *e)
{
    struct slice id = slice_of(e->trace_id, sizeof e->trace_id);
    if (!event_has_trace(e) || map_get(&s->seen, id))
        return false;
    *map_put(&s->seen, arena_copy(s->arena, id), NULL) = 1;
    return true;
}

enum status tql_ids_next(struct tql_ids *s, struct tql_id *list, size_t max, size_t *count, struct err *err)
{
    enum status st = s->is_open ? ST_OK : ids_open(s, err);
    *count = 0;
    while (!st && !s->is_done && *count < max) {
        if (s->at == s->block.n) {
            s->at = 0;
            st = tql_check(s->env, err);
            if (!st)
                st = s->it->ops->next(s->it, &s->block, err);
            s->is_done = st == ST_NOT_FOUND;
            if (st)
                break;
        }
        for (; s->at < s->block.n && *count < max; s->at++) {
            const struct event *e = &s->block.rows[s->at];
            if (!is_new(s, e))
                continue;
            memcpy(list[*count].bytes, e->trace_id, sizeof e->trace_id);
            list[(*count)++].time_ns = e->time_ns;
        }
        if (s->seen.count > TRACEQL_IDS_MAX)
            st = err_set(err, ST_LIMIT, "the query would look at over %d traces whole; ask for less time, or name a service", TRACEQL_IDS_MAX);
    }
    return st == ST_NOT_FOUND ? ST_OK : st;
}

void tql_ids_close(struct tql_ids *s)
{
    if (!s->is_open)
        return;
    s->it->ops->close(s->it);
    map_free(&s->seen);
    s->is_open = false;
}

/* ---- traces ---- */

struct rows {
    const struct event **list;
    size_t count, cap;
};

static struct pred *ids_pred(struct arena *a, const struct tql_read *r)
{
    uint8_t(*ids)[16] = arena_alloc(a, (r->count + 1) * sizeof *ids);
    for (size_t i = 0; i < r->count; i++)
        memcpy(ids[i], r->ids[i].bytes, sizeof ids[i]);
    return pred_traces(a, ids, r->count);
}

static enum status gather(struct query_env *env, const struct tql_read *r, struct arena *scratch, struct rows *out, struct err *err)
{
    const int64_t around = TRACEQL_HOURS_MAX * 3600 * NS_S;
    int64_t min_ns = INT64_MAX, max_ns = INT64_MIN;
    struct events_iter *it;
    struct event_block block;
    unsigned did;
    for (size_t i = 0; i < r->count; i++) {
        min_ns = MIN(min_ns, r->ids[i].time_ns);
        max_ns = MAX(max_ns, r->ids[i].time_ns);
    }
    struct events_query q = { .start_ns = sat_sub(min_ns, around), .end_ns = sat_add(max_ns, around), .kinds = 1u << EVENT_SPAN,
                              .pred = ids_pred(scratch, r), .want = r->want | WANT_IDS, .field_names = r->names,
                              .field_name_count = r->name_count, .order = ORDER_NONE };
    enum status st = env->engine->ops->events(env->engine, env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++) {
            struct event *e = arena_new_of(scratch, struct event);
            *e = event_copy(scratch, &block.rows[i]);
            ARENA_PUSH(scratch, out->list, out->count, out->cap) = e;
        }
        if (arena_over(scratch))
            st = err_set(err, ST_LIMIT, "a trace has over %d bytes, which is the limit", TRACEQL_SCRATCH_BYTES_MAX);
        if (st || (st = tql_check(env, err)) != ST_OK)
            break;
    }
    it->ops->close(it);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static int by_trace(const void *a, const void *b)
{
    const struct event *x = *(const struct event *const *)a, *y = *(const struct event *const *)b;
    return memcmp(x->trace_id, y->trace_id, sizeof x->trace_id);
}

static size_t trace_end(const struct rows *rows, size_t from)
{
    size_t end = from + 1;
    while (end < rows->count && by_trace(&rows->list[from], &rows->list[end]) == 0)
        end++;
    return end;
}

static enum status see_all(struct query_env *env, const struct tql_read *r, const struct rows *rows, struct err *err)
{
    struct arena *work = arena_new(TRACEQL_SCRATCH_BYTES_MAX);
    enum status st = ST_OK;
    for (size_t i = 0, end; !st && i < rows->count; i = end) {
        struct tql_trace t;
        end = trace_end(rows, i);
        arena_reset(work);
        tql_tree(work, rows->list + i, end - i, &t);
        st = r->see(r->arg, &t, work, err);
        if (!st && arena_over(work))
            st = err_set(err, ST_LIMIT, "the query makes over %d bytes of sets of one trace of %zu spans, which is the limit",
                         TRACEQL_SCRATCH_BYTES_MAX, t.count);
        if (!st)
            st = tql_check(env, err);
    }
    arena_free(work);
    return st;
}

enum status tql_traces_read(struct query_env *env, const struct tql_read *r, struct err *err)
{
    struct arena *scratch = arena_new(TRACEQL_SCRATCH_BYTES_MAX);
    struct rows rows = { .count = 0 };
    enum status st = r->count ? gather(env, r, scratch, &rows, err) : ST_OK;
    bool is_too_much = st == ST_LIMIT && arena_over(scratch) && r->count > 1;
    if (!st && rows.count) {
        qsort(rows.list, rows.count, sizeof *rows.list, by_trace);
        st = see_all(env, r, &rows, err);
    }
    arena_free(scratch);
    if (is_too_much) {
        struct tql_read half = *r;
        half.count = r->count / 2;
        st = tql_traces_read(env, &half, err);
        half.ids += half.count;
        half.count = r->count - half.count;
        if (!st)
            st = tql_traces_read(env, &half, err);
    }
    return st;
}
