/* SPDX-License-Identifier: Apache-2.0 */
/* The roots of traces, for spans that are looked at one by one: reading each trace whole for two names would cost many times as much. */
#include "base/hash.h"
#include "base/num.h"
#include "store/pred.h"
#include "traceql/metrics.h"

enum { ROOTS_FIRST = 4096 };

struct tql_root_slot {
    uint8_t trace_id[16];
    uint32_t name, service; /* of texts; name 0: free */
    int64_t time_ns;
};

static struct tql_root_slot *slot_of(struct tql_root_slot *list, size_t cap, const uint8_t *trace_id)
{
    uint64_t mixed;
    memcpy(&mixed, trace_id, sizeof mixed);
    uint64_t low;
    memcpy(&low, trace_id + sizeof mixed, sizeof low);
    size_t at = hash_u64(mixed ^ hash_u64(low)) & (cap - 1);
    while (list[at].name && memcmp(list[at].trace_id, trace_id, sizeof list[at].trace_id) != 0)
        at = (at + 1) & (cap - 1);
    return &list[at];
}

static void grow(struct tql_roots *r)
{
    size_t cap = r->cap ? 2 * r->cap : ROOTS_FIRST;
    struct tql_root_slot *list = mem_zalloc(cap * sizeof *list);
    for (size_t i = 0; i < r->cap; i++)
        if (r->slots[i].name)
            *slot_of(list, cap, r->slots[i].trace_id) = r->slots[i];
    mem_free(r->slots);
    r->slots = list;
    r->cap = cap;
}

/* Its number, from 1. */
static uint32_t text_number(struct tql_roots *r, struct slice text)
{
    const uint64_t *at = map_get(&r->index, text);
    if (at)
        return (uint32_t)*at;
    struct slice kept = arena_copy(r->arena, text);
    ARENA_PUSH(r->arena, r->texts, r->text_count, r->text_cap) = kept;
    *map_put(&r->index, kept, NULL) = r->text_count;
    return (uint32_t)r->text_count;
}

static void add(struct tql_roots *r, const struct event *e)
{
    if (4 * r->count >= 3 * r->cap)
        grow(r);
    struct tql_root_slot *s = slot_of(r->slots, r->cap, e->trace_id);
    if (s->name && s->time_ns <= e->time_ns)
        return;
    r->count += s->name == 0;
    memcpy(s->trace_id, e->trace_id, sizeof s->trace_id);
    s->time_ns = e->time_ns;
    s->name = text_number(r, e->body);
    s->service = text_number(r, e->service);
}

enum status tql_roots_read(struct query_env *env, int64_t start_ns, int64_t end_ns, struct tql_roots *r, struct err *err)
{
    struct event_block block;
    struct events_iter *it;
    unsigned did;
    *r = (struct tql_roots){ .arena = arena_new(TRACEQL_ROOT_TEXT_BYTES_MAX) };
    map_init(&r->index);
    struct pred *pred = pred_not(r->arena, pred_leaf(r->arena, PRED_EXISTS, COL_PARENT_ID, SLICE_EMPTY, SLICE_EMPTY));
    struct events_query q = { .start_ns = sat_sub(start_ns, TRACEQL_ROOT_HOURS_MAX * 3600 * NS_S), .end_ns = end_ns, .kinds = 1u << EVENT_SPAN,
                              .pred = pred, .want = WANT_BODY | WANT_IDS, .order = ORDER_NONE };
    enum status st = env->engine->ops->events(env->engine, env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    while (!r->is_over && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n; i++)
            if ((did & ENGINE_DID_PRED) || !tql_has_parent_id(&block.rows[i]))
                add(r, &block.rows[i]);
        r->is_over = r->count > TRACEQL_ROOTS_MAX || arena_over(r->arena);
        if ((st = tql_check(env, err)) != ST_OK)
            break;
    }
    it->ops->close(it);
    if (r->is_over)
        engine_warn(env->ctx, "compare() tells no rootName and no rootServiceName: there are over %d traces, or their names are too many",
                    TRACEQL_ROOTS_MAX);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

bool tql_roots_find(const struct tql_roots *r, const struct event *e, struct slice *name, struct slice *service)
{
    if (r->cap == 0 || r->is_over)
        return false;
    const struct tql_root_slot *s = slot_of(r->slots, r->cap, e->trace_id);
    if (s->name == 0)
        return false;
    *name = r->texts[s->name - 1];
    *service = r->texts[s->service - 1];
    return true;
}

void tql_roots_free(struct tql_roots *r)
{
    if (r->arena == NULL)
        return;
    mem_free(r->slots);
    map_free(&r->index);
    arena_free(r->arena);
}
