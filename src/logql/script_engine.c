/* SPDX-License-Identifier: Apache-2.0 */
/* An engine that holds log records in memory: what the language sees of any engine, without a store. Rows are handed out in
 * small blocks, in order, after the predicate. */
#include <stdlib.h>

#include "codec/regex.h"
#include "logql/record.h"
#include "logql/script.h"

enum { BLOCK_ROWS = 64 };

struct logql_memory {
    struct engine engine; /* first */
    struct arena *arena;
    struct event *list;
    size_t count, cap;
    bool is_sorted;
};

struct memory_iter {
    struct events_iter iter; /* first */
    struct logql_memory *m;
    struct engine_ctx *ctx;
    struct events_query q;
    size_t at; /* rows looked at, from the front or the back */
    struct event block[BLOCK_ROWS];
};

static int row_cmp(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static struct slice column(const struct pred *p, const struct event *e, struct arena *a)
{
    static const uint8_t none[16];
    const struct field *f;
    switch (p->column) {
    case COL_STREAM: return labels_get(e->stream, p->name);
    case COL_BODY: return e->body;
    case COL_TRACE_ID: return memcmp(e->trace_id, none, sizeof none) ? slice_of(e->trace_id, 16) : SLICE_EMPTY;
    case COL_SPAN_ID: return memcmp(e->span_id, none, sizeof e->span_id) ? slice_of(e->span_id, 8) : SLICE_EMPTY;
    case COL_FIELD: f = event_field(e, p->name); return f ? field_text(a, f) : SLICE_EMPTY;
    case COL_SERVICE:
    case COL_SEVERITY:
    case COL_DURATION:
    case COL_PARENT_ID:
    case COL_SPAN_KIND:
    case COL_SPAN_STATUS:
    case COL_SEQ: break;
    }
    return SLICE_EMPTY;
}

/* The operators of texts; the language pushes no other. */
static bool selects(const struct pred *p, const struct event *e, struct arena *a)
{
    switch (p->op) {
    case PRED_TRUE: return true;
    case PRED_AND:
        for (size_t i = 0; i < p->kid_count; i++)
            if (!selects(p->kids[i], e, a))
                return false;
        return true;
    case PRED_OR:
        for (size_t i = 0; i < p->kid_count; i++)
            if (selects(p->kids[i], e, a))
                return true;
        return false;
    case PRED_NOT: return !selects(p->kids[0], e, a);
    case PRED_EQ: return slice_eq(column(p, e, a), p->text);
    case PRED_NE: return !slice_eq(column(p, e, a), p->text);
    case PRED_RE: return regex_match(p->re, column(p, e, a));
    case PRED_CONTAINS: return slice_contains(column(p, e, a), p->text);
    case PRED_EXISTS: return column(p, e, a).len > 0;
    case PRED_LT:
    case PRED_LE:
    case PRED_GT:
    case PRED_GE:
    case PRED_CONTAINS_NOCASE:
    case PRED_AMONG: break;
    }
    return false;
}

static enum status memory_next(struct events_iter *iter, struct event_block *out, struct err *err)
{
    struct memory_iter *it = (struct memory_iter *)iter;
    struct arena *scratch = arena_new(0);
    *out = (struct event_block){ .tenant = it->ctx->tenants[0], .rows = it->block };
    while (it->at < it->m->count && out->n < BLOCK_ROWS) {
        size_t i = it->at++;
        const struct event *e = &it->m->list[it->q.order == ORDER_TIME_DESC ? it->m->count - 1 - i : i];
        if (e->time_ns >= it->q.start_ns && e->time_ns < it->q.end_ns && (it->q.pred == NULL || selects(it->q.pred, e, scratch)))
            it->block[out->n++] = *e;
    }
    arena_free(scratch);
    it->ctx->rows_read += out->n;
    return out->n ? ST_OK : ST_NOT_FOUND;
}

static void memory_close(struct events_iter *iter)
{
    mem_free(iter);
}

static const struct events_iter_ops memory_iter_ops = { memory_next, memory_close };

static enum status memory_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                                 struct err *err)
{
    struct memory_iter *it = mem_new(struct memory_iter);
    it->iter.ops = &memory_iter_ops;
    it->m = (struct logql_memory *)e;
    it->ctx = ctx;
    it->q = *q;
    if (!it->m->is_sorted && it->m->count > 1)
        qsort(it->m->list, it->m->count, sizeof *it->m->list, row_cmp);
    it->m->is_sorted = true;
    *did = ENGINE_DID_PRED | ENGINE_DID_ORDER;
    *out = &it->iter;
    return ST_OK;
}

/* The language asks for events alone. */
static const struct engine_ops memory_ops = { .name = "script", .events = memory_events };

struct logql_memory *logql_memory_new(void)
{
    struct logql_memory *m = mem_new(struct logql_memory);
    m->engine.ops = &memory_ops;
    m->arena = arena_new(0);
    return m;
}

void logql_memory_free(struct logql_memory *m)
{
    if (m == NULL)
        return;
    arena_free(m->arena);
    mem_free(m);
}

struct engine *logql_memory_door(struct logql_memory *m)
{
    return &m->engine;
}

void logql_memory_clear(struct logql_memory *m)
{
    m->list = NULL;
    m->count = m->cap = 0;
    arena_reset(m->arena);
}

void logql_memory_add(struct logql_memory *m, struct slice stream, int64_t time_ns, struct slice line, struct slice metadata)
{
    struct slice rest = arena_copy(m->arena, metadata);
    struct label l;
    struct event e = { .kind = EVENT_LOG, .severity = RECORD_SEVERITY_NONE, .weight = 1, .time_ns = time_ns, .seq = m->count,
                       .stream = arena_copy(m->arena, stream), .body = arena_copy(m->arena, line) };
    e.fields = arena_zalloc(m->arena, (labels_count(metadata) + 1) * sizeof *e.fields);
    while (labels_next(&rest, &l))
        e.fields[e.field_count++] = (struct field){ .scope = SCOPE_RECORD, .type = FIELD_STRING, .name = l.name, .text = l.value };
    ARENA_PUSH(m->arena, m->list, m->count, m->cap) = e;
    m->is_sorted = false;
}
