/* SPDX-License-Identifier: Apache-2.0 */
/* A search goes back in time: traces that may fit are read a few at a time, those that do are kept, until there are as many as asked for. The
 * first helping is small, as most queries are answered by it; what is rare is looked for in larger ones. */
#include "base/num.h"
#include "traceql/traces.h"

/* ---- what a query names ---- */

struct shown {
    struct arena *a;
    const struct tql_expr **list;
    size_t count, cap;
};

static bool is_same_field(const struct tql_field *x, const struct tql_field *y)
{
    if (x->scope != y->scope || x->of_parent != y->of_parent)
        return false;
    return x->scope == TQL_SCOPE_INTRINSIC ? x->intrinsic == y->intrinsic : slice_eq(x->name, y->name);
}

static void show(struct shown *s, const struct tql_expr *e)
{
    for (size_t i = 0; i < s->count; i++)
        if (s->list[i] == e || (e->kind == TQL_EXPR_FIELD && s->list[i]->kind == TQL_EXPR_FIELD && is_same_field(&e->field, &s->list[i]->field)))
            return;
    ARENA_PUSH(s->a, s->list, s->count, s->cap) = e;
}

static void show_fields(struct shown *s, const struct tql_expr *e)
{
    if (e == NULL)
        return;
    if (e->kind == TQL_EXPR_FIELD)
        show(s, e);
    show_fields(s, e->left);
    show_fields(s, e->right);
}

static void show_stages(struct shown *s, const struct tql_stage *stages);

static void show_spans(struct shown *s, const struct tql_spans *x)
{
    if (x == NULL)
        return;
    show_fields(s, x->filter);
    show_spans(s, x->left);
    show_spans(s, x->right);
    show_stages(s, x->pipeline);
}

static void show_stages(struct shown *s, const struct tql_stage *stages)
{
    for (; stages; stages = stages->next) {
        show_spans(s, stages->spans);
        show_fields(s, stages->by);
        for (size_t i = 0; i < stages->select_count; i++)
            show(s, stages->select[i]);
    }
}

/* ---- traces ---- */

struct search {
    struct query_env *env;
    const struct tql_stage *stages;
    struct tql_id *chunk;
    size_t chunk_count, limit, spans;
    struct traceql_trace *hits; /* by place in the chunk; trace NULL: it does not fit */
    struct traceql_found *out;
};

/* The events are copied with it, as the read ones go with their chunk. */
static const struct tql_trace *keep_trace(struct arena *a, const struct tql_trace *t)
{
    struct tql_trace *kept = arena_new_of(a, struct tql_trace);
    *kept = *t;
    kept->spans = arena_array(a, struct tql_span, t->count + 1);
    for (size_t i = 0; i < t->count; i++) {
        struct event *e = arena_new_of(a, struct event);
        *e = event_copy(a, t->spans[i].e);
        kept->spans[i] = t->spans[i];
        kept->spans[i].e = e;
    }
    return kept;
}

static struct tql_set *keep_sets(struct arena *a, const struct tql_sets *sets)
{
    struct tql_set *list = arena_array(a, struct tql_set, sets->count + 1);
    for (size_t i = 0; i < sets->count; i++) {
        const struct tql_set *from = &sets->list[i];
        list[i] = *from;
        list[i].spans = arena_array(a, uint32_t, from->count + 1);
        memcpy(list[i].spans, from->spans, from->count * sizeof *from->spans);
        list[i].attrs = arena_array(a, struct tql_attr, from->attr_count + 1);
        for (size_t k = 0; k < from->attr_count; k++) {
            list[i].attrs[k] = from->attrs[k];
            list[i].attrs[k].name = arena_copy(a, from->attrs[k].name);
            list[i].attrs[k].value.text = arena_copy(a, from->attrs[k].value.text);
        }
    }
    return list;
}

static enum status see_trace(void *arg, const struct tql_trace *t, struct arena *scratch, struct err *err)
{
    struct search *s = arg;
    struct tql_sets sets;
    size_t place = 0;
    tql_stages_run(scratch, s->stages, t, &sets);
    s->out->inspected++;
    if (sets.count == 0)
        return ST_OK;
    while (memcmp(s->chunk[place].bytes, t->spans[0].e->trace_id, sizeof s->chunk[place].bytes) != 0)
        place++;
    s->spans += t->count;
    if (s->spans > TRACEQL_SPANS_MAX)
        return err_set(err, ST_LIMIT, "the traces have over %d spans, which is the limit of one answer; ask for fewer", TRACEQL_SPANS_MAX);
    struct arena *a = s->env->result;
    s->hits[place] = (struct traceql_trace){ keep_trace(a, t), keep_sets(a, &sets), sets.count };
    return ST_OK;
}

static enum status take_hits(struct search *s, struct err *err)
{
    size_t from = s->out->count;
    for (size_t i = 0; i < s->chunk_count && s->out->count < s->limit; i++)
        if (s->hits[i].trace)
            s->out->traces[s->out->count++] = s->hits[i];
    return s->out->on_more ? s->out->on_more(s->out->arg, s->out, from, err) : ST_OK;
}

static enum status run(struct search *s, const struct pred *pred, const struct tql_needs *needs, int64_t start_ns, int64_t end_ns, struct err *err)
{
    struct tql_ids ids = { .env = s->env, .pred = pred, .start_ns = start_ns, .end_ns = end_ns, .arena = arena_new(0) };
    size_t helping = MIN(s->limit, (size_t)TRACEQL_CHUNK);
    enum status st = ST_OK;
    while (!st && s->out->count < s->limit) {
        st = tql_ids_next(&ids, s->chunk, helping, &s->chunk_count, err);
        if (st || s->chunk_count == 0)
            break;
        struct tql_read r = { .ids = s->chunk, .count = s->chunk_count, .want = needs->want, .names = needs->names, .name_count = needs->name_count,
                              .see = see_trace, .arg = s };
        memset(s->hits, 0, TRACEQL_CHUNK * sizeof *s->hits);
        st = tql_traces_read(s->env, &r, err);
        if (!st)
            st = take_hits(s, err);
        helping = MIN(2 * helping, (size_t)TRACEQL_CHUNK);
    }
    tql_ids_close(&ids);
    arena_free(ids.arena);
    return st;
}

enum status traceql_search(struct query_env *env, const struct traceql *q, int64_t start_ns, int64_t end_ns, size_t limit, struct traceql_found *out,
                           struct err *err)
{
    struct arena *a = env->result;
    struct shown shown = { .a = a };
    struct tql_needs needs = { .want = WANT_BODY, .a = a };
    struct tql_id *chunk = arena_array(a, struct tql_id, TRACEQL_CHUNK);
    bool is_all;
    if (q->metric)
        return err_set(err, ST_INVALID, "the query gives numbers over time, where traces are asked for");
    if (limit > TRACEQL_TRACES_MAX)
        return err_set(err, ST_INVALID, "limit: found %zu, allowed 1 to %d", limit, TRACEQL_TRACES_MAX);
    show_stages(&shown, q->stages);
    *out = (struct traceql_found){ .on_more = out->on_more, .arg = out->arg, .traces = arena_array(a, struct traceql_trace, limit + 1),
                                   .shown = shown.list, .shown_count = shown.count };
    struct search s = { .env = env, .stages = q->stages, .chunk = chunk, .limit = limit, .out = out,
                        .hits = arena_array(a, struct traceql_trace, TRACEQL_CHUNK) };
    tql_needs_of_stages(q->stages, &needs);
    return run(&s, tql_push(a, q->stages, &is_all), &needs, start_ns, end_ns, err);
}
