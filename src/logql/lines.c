/* SPDX-License-Identifier: Apache-2.0 */
/* Log queries: rows newest (or oldest) first from the engine, through the stages, until the limit; then grouped by labels. */
#include "base/map.h"
#include "base/num.h"
#include "logql/eval.h"
#include "logql/project.h"

struct lines {
    struct query_env *env;
    struct value *out;
    struct map index; /* labels -> stream */
    size_t stream_cap, *line_caps, line_caps_cap, total;
    int64_t interval_ns, last_ns; /* of the last line kept */
};

/* Loki's interval is one for all streams together: it thins the answer out, in order, whatever stream the next line is of. */
static bool is_due(const struct lines *l, int64_t time_ns)
{
    if (l->interval_ns == 0 || l->total == 0)
        return true;
    return (time_ns < l->last_ns ? sat_sub(l->last_ns, time_ns) : sat_sub(time_ns, l->last_ns)) >= l->interval_ns;
}

static struct value_stream *stream_of(struct lines *l, struct slice labels)
{
    struct arena *a = l->env->result;
    uint64_t *at = map_get(&l->index, labels);
    if (at)
        return &l->out->streams[*at];
    size_t n = l->out->stream_count, caps = n;
    labels = arena_copy(a, labels);
    ARENA_PUSH(a, l->line_caps, caps, l->line_caps_cap) = 0;
    ARENA_PUSH(a, l->out->streams, l->out->stream_count, l->stream_cap) = (struct value_stream){ .labels = labels };
    *map_put(&l->index, labels, NULL) = n;
    return &l->out->streams[n];
}

static void keep(struct lines *l, const struct record *r, uint64_t seq, struct arena *scratch)
{
    struct arena *a = l->env->result;
    struct value_stream *s = stream_of(l, record_labels(r, -1, scratch));
    size_t *cap = &l->line_caps[s - l->out->streams];
    ARENA_PUSH(a, s->lines, s->n, *cap) = (struct value_line){
        .time_ns = r->time_ns,
        .seq = seq,
        .line = arena_copy(a, r->line),
        .metadata = record_labels(r, FROM_METADATA, a),
        .parsed = record_labels(r, FROM_PARSER, a),
    };
    l->last_ns = r->time_ns;
    l->total++;
}

static enum status read_rows(struct lines *l, const struct row_test *test, struct events_iter *it, size_t limit, struct err *err)
{
    struct record *r = arena_alloc(l->env->result, sizeof *r);
    struct arena *scratch = arena_new(0);
    struct event_block block;
    enum status st = ST_OK;
    size_t walked = 0;
    while (l->total < limit && (st = it->ops->next(it, &block, err)) == ST_OK) {
        for (size_t i = 0; i < block.n && l->total < limit && !st && !arena_over(l->env->result); i++) {
            if (is_due(l, block.rows[i].time_ns) && test->passes(test->arg, &block.rows[i], r, scratch))
                keep(l, r, block.rows[i].seq, scratch);
            if (arena_bytes(scratch) > LOGQL_SCRATCH_BYTES)
                arena_reset(scratch);
            st = logql_row_check(l->env->ctx, &block.rows[i], &walked, err);
        }
        arena_reset(scratch);
        if (!st)
            st = engine_ctx_check(l->env->ctx, err);
        if (!st && arena_over(l->env->result))
            st = err_set(err, ST_LIMIT, "the answer needs over %zu bytes, the limit of one query; ask for fewer lines or a shorter time",
                         arena_bytes_max(l->env->result));
        if (st)
            break;
    }
    arena_free(scratch);
    return st == ST_NOT_FOUND ? ST_OK : st;
}

enum status logql_row_check(struct engine_ctx *ctx, const struct event *e, size_t *walked, struct err *err)
{
    *walked += e->body.len;
    if (*walked < LOGQL_CHECK_BYTES)
        return ST_OK;
    *walked = 0;
    return engine_ctx_check(ctx, err);
}

enum status logql_read_lines(struct query_env *env, const struct pred *pred, const struct row_test *test, const struct query_params *p,
                             size_t limit, struct value *out, struct err *err)
{
    struct lines l = { .env = env, .out = out, .interval_ns = p->interval_ns };
    struct events_iter *it;
    unsigned did;
    struct events_query q = { .start_ns = p->start_ns, .end_ns = p->end_ns, .kinds = 1u << EVENT_LOG, .pred = pred,
                              .want = WANT_STREAM | WANT_BODY | WANT_FIELDS | WANT_IDS,
                              .order = p->direction == DIRECTION_FORWARD ? ORDER_TIME_ASC : ORDER_TIME_DESC, .lot_filter = test->lots };
    out->type = VALUE_STREAMS;
    enum status st = env->engine->ops->events(env->engine, env->ctx, &q, &it, &did, err);
    if (st)
        return st;
    assert(did & ENGINE_DID_ORDER); /* the rest is checked again here; order could not be made */
    map_init(&l.index);
    st = read_rows(&l, test, it, limit, err);
    map_free(&l.index);
    it->ops->close(it);
    return st;
}

struct log_rows {
    const struct expr *log;
    struct stage_env env;
};

static bool log_passes(void *arg, const struct event *e, struct record *r, struct arena *scratch)
{
    struct log_rows *t = arg;
    if (!matchers_match(t->log->matchers, t->log->matcher_count, e->stream))
        return false;
    record_load(r, e, scratch);
    t->env.scratch = scratch;
    return logql_stages_run(t->log->stages, r, &t->env);
}

enum status logql_eval_lines(struct query_env *env, const struct expr *log, const struct query_params *p, size_t limit, struct value *out,
                             struct err *err)
{
    struct log_rows rows = { log, { .json = json_parser_new(), .ctx = env->ctx } };
    struct row_test test = { .passes = log_passes, .arg = &rows };
    struct lot_plan *plan = arena_new_of(env->result, struct lot_plan);
    struct arena *scratch = arena_new(0);
    struct lots *lots = NULL;
    struct lot_filter filter;
    if (logql_lot_filter_plan(env->result, log, plan)) {
        lots = logql_lots_new(plan, NULL, NULL, arena_alloc(env->result, sizeof(struct record)), scratch);
        filter = (struct lot_filter){ plan->query, logql_lots_pass, lots };
        test.lots = &filter;
    }
    enum status st = logql_read_lines(env, logql_push(env->result, log), &test, p, limit, out, err);
    json_parser_free(rows.env.json);
    logql_lots_free(lots);
    arena_free(scratch);
    return st;
}
