/* SPDX-License-Identifier: Apache-2.0 */
/* A log query over rows that are handed in one by one: what live tail runs. */
#include "logql/eval.h"

struct query_rows {
    struct arena *arena;
    struct logql *query;
    struct json_parser *json;
    struct record record;
};

void logql_line_of(const struct record *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out)
{
    *labels = record_labels(r, -1, a);
    *out = (struct value_line){ .time_ns = r->time_ns, .seq = e->seq, .line = r->line, .metadata = record_labels(r, FROM_METADATA, a),
                                .parsed = record_labels(r, FROM_PARSER, a) };
}

enum status logql_rows_open(struct slice text, struct query_rows **out, struct err *err)
{
    struct query_rows *r = mem_new(struct query_rows);
    r->arena = arena_new(0);
    enum status st = logql_parse(r->arena, arena_copy(r->arena, text), &r->query, err); /* the tree borrows from its text */
    if (!st && r->query->root->kind != EXPR_LOG)
        st = err_set(err, ST_INVALID, "lines can be followed, numbers cannot: a log query is wanted, such as {app=\"web\"} |= \"error\"");
    if (st) {
        logql_rows_close(r);
        return st;
    }
    r->json = json_parser_new();
    *out = r;
    return ST_OK;
}

bool logql_rows_take(struct query_rows *r, const struct event *e, struct arena *a, struct slice *labels, struct value_line *out)
{
    const struct expr *log = r->query->root;
    struct stage_env env = { .scratch = a, .json = r->json };
    if (e->kind != EVENT_LOG || !matchers_match(log->matchers, log->matcher_count, e->stream))
        return false;
    record_load(&r->record, e, a);
    if (!logql_stages_run(log->stages, &r->record, &env))
        return false;
    logql_line_of(&r->record, e, a, labels, out);
    return true;
}

struct pred *logql_rows_pred(struct query_rows *r, struct arena *a)
{
    return logql_push(a, r->query->root);
}

void logql_rows_close(struct query_rows *r)
{
    if (r == NULL)
        return;
    logql_free(r->query);
    json_parser_free(r->json);
    arena_free(r->arena);
    mem_free(r);
}
