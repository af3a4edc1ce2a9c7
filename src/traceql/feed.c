/* SPDX-License-Identifier: Apache-2.0 */
/* The spans that stages give: one after the other as the engine has them where each can be judged by itself, else trace by trace. */
#include "base/num.h"
#include "traceql/traces.h"

enum { FEED_SCRATCH_BYTES = 1 * MIB /* left behind by spans before it is dropped */ };

enum status tql_check(struct query_env *env, struct err *err)
{
    if (arena_over(env->result))
        return err_set(err, ST_LIMIT, "the query needs over %zu bytes, its limit; ask for fewer traces, series or steps",
                       arena_bytes_max(env->result));
    return engine_ctx_check(env->ctx, err);
}

/* ---- span by span ---- */

static bool passes(const struct tql_stage *stages, const struct tql_trace *t, struct arena *scratch)
{
    for (const struct tql_stage *s = stages; s; s = s->next)
        if (s->kind == TQL_STAGE_SPANS && s->spans->filter && !tql_expr_is_true(s->spans->filter, t, 0, scratch))
            return false;
    return true;
}

static enum status feed_block(const struct tql_feed *f, bool is_all, const struct event_block *block, struct arena *scratch, struct err *err)
{
    enum status st = ST_OK;
    for (size_t i = 0; !st && i < block->n; i++) {
        struct tql_span span = { .e = &block->rows[i], .parent = TQL_NO_SPAN };
        struct tql_trace t = { .spans = &span, .count = 1, .root = TQL_NO_SPAN };
        if (is_all || passes(f->stages, &t, scratch))
            st = f->see(f->arg, &t, 0, scratch, err);
        if (arena_bytes(scratch) > FEED_SCRATCH_BYTES)
            arena_reset(scratch);
    }
    return st;
}

/* What is asked of an engine: columns and names of attributes. */
struct asked {
    unsigned want;
    const struct slice *names;
    size_t name_count;
};

static enum status feed_rows(struct query_env *env, const struct tql_feed *f, bool is_all, struct events_iter *it, struct err *err)
{
    struct arena *scratch = arena_new(0);
    struct event_block block;
    enum status st;
    while ((st = it->ops->next(it, &block, err)) == ST_OK) {
        st = feed_block(f, is_all, &block, scratch, err);
        if (st || (st = tql_check(env, err)) != ST_OK)
            break;
    }
    arena_free(scratch);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

static enum status feed_asked(struct query_env *env, const struct tql_feed *f, const struct pred *pred, bool is_all, const struct asked *asked,
                              bool *is_done, struct err *err)
{
    struct events_iter *it;
    unsigned did;
    struct events_query q = { .start_ns = f->start_ns, .end_ns = f->end_ns, .kinds = 1u << EVENT_SPAN, .pred = pred, .want = asked->want,
                              .field_names = asked->names, .field_name_count = asked->name_count, .order = ORDER_NONE };
    enum status st = env->engine->ops->events(env->engine, env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    *is_done = !is_all || (did & ENGINE_DID_PRED);
    if (*is_done)
        st = feed_rows(env, f, is_all, it, err);
    it->ops->close(it);
    return st;
}

/* What the engine has checked is not looked at again: then its columns need not be read. */
static enum status feed_spans(struct query_env *env, const struct tql_feed *f, const struct pred *pred, bool is_all, const struct asked *few,
                              const struct asked *all, struct err *err)
{
    bool is_done = false;
    enum status st = is_all ? feed_asked(env, f, pred, true, few, &is_done, err) : ST_OK;
    return st || is_done ? st : feed_asked(env, f, pred, false, all, &is_done, err);
}

/* ---- trace by trace ---- */

static enum status feed_trace(void *arg, const struct tql_trace *t, struct arena *scratch, struct err *err)
{
    const struct tql_feed *f = arg;
    struct tql_sets sets;
    enum status st = ST_OK;
    tql_stages_run(scratch, f->stages, t, &sets);
    bool *is_seen = arena_zalloc(scratch, t->count + 1);
    for (size_t k = 0; k < sets.count; k++)
        for (size_t i = 0; !st && i < sets.list[k].count; i++) {
            uint32_t span = sets.list[k].spans[i];
            int64_t time_ns = t->spans[span].e->time_ns;
            if (!is_seen[span] && time_ns >= f->start_ns && time_ns < f->end_ns)
                st = f->see(f->arg, t, span, scratch, err);
            is_seen[span] = true;
        }
    return st;
}

static enum status feed_traces(struct query_env *env, const struct tql_feed *f, const struct pred *pred, const struct asked *asked, struct err *err)
{
    struct tql_ids ids = { .env = env, .pred = pred, .start_ns = f->start_ns, .end_ns = f->end_ns, .arena = arena_new(0) };
    struct tql_id *chunk = arena_array(ids.arena, struct tql_id, TRACEQL_CHUNK);
    size_t count = 1;
    enum status st = ST_OK;
    while (!st && count) {
        st = tql_ids_next(&ids, chunk, TRACEQL_CHUNK, &count, err);
        struct tql_feed copy = *f;
        struct tql_read r = { .ids = chunk, .count = count, .want = asked->want, .names = asked->names, .name_count = asked->name_count,
                              .see = feed_trace, .arg = &copy };
        if (!st)
            st = tql_traces_read(env, &r, err);
    }
    tql_ids_close(&ids);
    arena_free(ids.arena);
    return st;
}

static struct asked asked_of(const struct tql_feed *f, const struct tql_stage *stages, struct arena *a, bool *whole_trace)
{
    struct tql_needs needs = { .want = f->want, .a = a };
    tql_needs_of_stages(stages, &needs);
    for (size_t i = 0; i < f->expr_count; i++)
        tql_needs_of_expr(f->exprs[i], &needs);
    *whole_trace = needs.whole_trace;
    if (f->want & WANT_FIELDS)
        return (struct asked){ .want = needs.want };
    return (struct asked){ needs.want, needs.names, needs.name_count };
}

/* The window of the candidates is that of the answer: a span that comes out begins in it, but the one that lets its trace in need not. */
enum status tql_feed_run(struct query_env *env, const struct tql_feed *f, struct err *err)
{
    struct arena *a = arena_new(0);
    bool is_all, whole_trace, is_any;
    const struct pred *pred = tql_push(a, f->stages, &is_all);
    struct asked few = asked_of(f, NULL, a, &is_any), all = asked_of(f, f->stages, a, &whole_trace);
    enum status st = whole_trace ? feed_traces(env, f, pred, &all, err) : feed_spans(env, f, pred, is_all, &few, &all, err);
    arena_free(a);
    return st;
}
