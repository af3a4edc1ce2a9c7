/* SPDX-License-Identifier: Apache-2.0 */
/* Rows are handed out in small blocks, in order, after the predicate; columns that are not asked for are left out, so that a query which
 * forgets one is found out. */
#include "query/script_events.h"

#include <stdlib.h>

#include "base/num.h"
#include "codec/regex.h"

enum { BLOCK_ROWS = 64, TRACE_ID_BYTES = 16 };

struct script_events {
    struct engine engine; /* first */
    struct arena *arena;
    struct event *list;
    size_t count, cap;
    bool is_sorted;
};

struct memory_iter {
    struct events_iter iter; /* first */
    struct script_events *m;
    struct engine_ctx *ctx;
    struct events_query q;
    size_t at, given;        /* rows looked at, from the front or the back */
    struct arena *scratch;
    struct event block[BLOCK_ROWS];
};

/* ---- predicates ---- */

enum value_kind { NONE, TEXT, INT, DOUBLE };
struct value_of {
    enum value_kind kind;
    bool is_json;
    struct slice text;
    int64_t i;
    double d;
};

static struct value_of of_text(struct slice text)
{
    return (struct value_of){ .kind = TEXT, .text = text };
}

static struct value_of of_int(int64_t i)
{
    return (struct value_of){ .kind = INT, .i = i, .text = SLICE_EMPTY };
}

static struct value_of of_span(const struct event *e, int64_t i)
{
    return e->kind == EVENT_SPAN ? of_int(i) : (struct value_of){ .kind = NONE, .text = SLICE_EMPTY };
}

static struct value_of of_id(const uint8_t *id, size_t bytes)
{
    static const uint8_t none[TRACE_ID_BYTES];
    return memcmp(id, none, bytes) ? of_text(slice_of(id, bytes)) : (struct value_of){ .kind = NONE, .text = SLICE_EMPTY };
}

static const struct field *field_of(const struct pred *p, const struct event *e)
{
    if (p->scope < 0)
        return event_field(e, p->name);
    for (uint32_t i = 0; i < e->field_count; i++)
        if (e->fields[i].scope == p->scope && slice_eq(e->fields[i].name, p->name))
            return &e->fields[i];
    return NULL;
}

static struct value_of of_field(const struct field *f, struct arena *a)
{
    if (f == NULL)
        return (struct value_of){ .kind = NONE, .text = SLICE_EMPTY };
    struct value_of v = of_text(field_text(a, f));
    v.is_json = f->type == FIELD_JSON;
    if (f->type == FIELD_INT) {
        v.kind = INT;
        v.i = f->i;
    } else if (f->type == FIELD_DOUBLE) {
        v.kind = DOUBLE;
        v.d = f->d;
    }
    return v;
}

static struct value_of column(const struct pred *p, const struct event *e, struct arena *a)
{
    switch (p->column) {
    case COL_FIELD:
        return of_field(field_of(p, e), a);
    case COL_STREAM:
        return of_text(labels_get(e->stream, p->name));
    case COL_SERVICE:
        return of_text(e->service);
    case COL_BODY:
        return of_text(e->body);
    case COL_SEVERITY:
        return of_int(e->severity);
    case COL_DURATION:
        return of_span(e, e->duration_ns);
    case COL_TRACE_ID:
        return of_id(e->trace_id, sizeof e->trace_id);
    case COL_SPAN_ID:
        return of_id(e->span_id, sizeof e->span_id);
    case COL_PARENT_ID:
        return of_id(e->parent_id, sizeof e->parent_id);
    case COL_SPAN_KIND:
        return of_span(e, e->span_kind);
    case COL_SPAN_STATUS:
        return of_span(e, e->span_status);
    case COL_SEQ:
        return of_int((int64_t)e->seq);
    case COL_EVENTS:
        return of_span(e, e->event_count);
    case COL_LINKS:
        return of_span(e, e->link_count);
    case COL_CHILDREN:
        return of_span(e, e->event_count + e->link_count);
    }
    return of_text(SLICE_EMPTY);
}

static int by_id(const void *a, const void *b)
{
    return memcmp(a, b, TRACE_ID_BYTES);
}

/* -1, 0, 1; 2: there is none between them. */
static int order_of(const struct pred *p, const struct value_of *v)
{
    bool is_number = p->type == FIELD_INT || p->type == FIELD_DOUBLE;
    double x = v->d, y = p->type == FIELD_INT ? (double)p->i : p->d;
    int64_t i = v->i;
    bool is_int = v->kind == INT;
    if (v->kind == NONE)
        return 2;
    if (!is_number)
        return slice_cmp(v->text, p->text);
    if (v->kind == TEXT) {
        is_int = num_parse_i64(v->text, &i);
        if (!is_int && !num_parse_double(v->text, &x))
            return 2;
    }
    if (is_int && p->type == FIELD_INT)
        return (i > p->i) - (i < p->i);
    if (is_int)
        x = (double)i;
    return x < y ? -1 : x > y ? 1 : x == y ? 0 : 2;
}

static bool contains_nocase(struct slice text, struct slice needle)
{
    for (size_t i = 0; i + needle.len <= text.len; i++)
        if (slice_eq_nocase(slice_sub(text, i, i + needle.len), needle))
            return true;
    return false;
}

static bool leaf(const struct pred *p, const struct value_of *v)
{
    bool is_number = p->type == FIELD_INT || p->type == FIELD_DOUBLE;
    int order;
    switch (p->op) {
    case PRED_RE:
        return regex_match(p->re, v->text);
    case PRED_CONTAINS:
        return slice_contains(v->text, p->text);
    case PRED_CONTAINS_NOCASE:
        return contains_nocase(v->text, p->text);
    case PRED_EXISTS:
        return v->kind != NONE && (p->column == COL_FIELD ? p->type != FIELD_JSON || v->is_json : v->kind != TEXT || v->text.len);
    case PRED_AMONG:
        return v->text.len == TRACE_ID_BYTES && bsearch(v->text.ptr, p->text.ptr, p->text.len / TRACE_ID_BYTES, TRACE_ID_BYTES, by_id) != NULL;
    default:
        break;
    }
    if (!is_number && (p->op == PRED_EQ || p->op == PRED_NE))
        return slice_eq(v->text, p->text) == (p->op == PRED_EQ);
    order = order_of(p, v);
    if (order == 2)
        return p->op == PRED_NE;
    return p->op == PRED_EQ   ? order == 0
           : p->op == PRED_NE ? order != 0
           : p->op == PRED_LT ? order < 0
           : p->op == PRED_LE ? order <= 0
           : p->op == PRED_GT ? order > 0
                              : order >= 0;
}

static bool selects(const struct pred *p, const struct event *e, struct arena *a)
{
    struct value_of v;
    switch (p->op) {
    case PRED_TRUE:
        return true;
    case PRED_NOT:
        return !selects(p->kids[0], e, a);
    case PRED_AND:
    case PRED_OR:
        for (size_t i = 0; i < p->kid_count; i++)
            if (selects(p->kids[i], e, a) == (p->op == PRED_OR))
                return p->op == PRED_OR;
        return p->op == PRED_AND;
    default:
        v = column(p, e, a);
        return leaf(p, &v);
    }
}

/* ---- rows ---- */

static bool is_newest_first(const struct events_query *q)
{
    return q->order == ORDER_TIME_DESC || q->order == ORDER_NEWEST;
}

static bool is_named(const struct events_query *q, struct slice name)
{
    for (size_t i = 0; i < q->field_name_count; i++)
        if (slice_eq(q->field_names[i], name))
            return true;
    return q->field_names == NULL;
}

static struct event wanted(const struct event *e, const struct events_query *q, struct arena *a)
{
    struct event out = *e;
    unsigned want = q->want;
    out.fields = arena_array(a, struct field, e->field_count + 1);
    out.field_count = 0;
    for (uint32_t i = 0; i < e->field_count; i++)
        if (is_named(q, e->fields[i].name))
            out.fields[out.field_count++] = e->fields[i];
    if (!(want & WANT_STREAM))
        out.stream = SLICE_EMPTY;
    if (!(want & WANT_BODY))
        out.body = SLICE_EMPTY;
    if (!(want & WANT_FIELDS))
        out.field_count = 0;
    if (!(want & WANT_SPAN)) {
        out.trace_state = out.status_message = SLICE_EMPTY;
        out.event_count = out.link_count = 0;
    }
    if (!(want & WANT_OBSERVED))
        out.observed_ns = 0;
    if (!(want & WANT_SEQ) && (q->order == ORDER_NONE || q->order == ORDER_NEWEST))
        out.seq = 0;
    if (!(want & (WANT_TRACE | WANT_IDS)))
        memset(out.trace_id, 0, sizeof out.trace_id);
    if (!(want & WANT_IDS)) {
        memset(out.span_id, 0, sizeof out.span_id);
        memset(out.parent_id, 0, sizeof out.parent_id);
    }
    return out;
}

static bool is_past_cursor(const struct events_query *q, const struct event *e)
{
    bool is_down = is_newest_first(q);
    if (!q->has_cursor)
        return true;
    if (e->time_ns != q->cursor_time_ns)
        return is_down ? e->time_ns < q->cursor_time_ns : e->time_ns > q->cursor_time_ns;
    return is_down ? e->seq < q->cursor_seq : e->seq > q->cursor_seq;
}

static bool is_asked_for(const struct memory_iter *it, const struct event *e)
{
    const struct events_query *q = &it->q;
    return (q->kinds >> e->kind & 1) && e->time_ns >= q->start_ns && e->time_ns < q->end_ns && is_past_cursor(q, e) &&
           (q->pred == NULL || selects(q->pred, e, it->scratch));
}

static enum status memory_next(struct events_iter *iter, struct event_block *out, struct err *err)
{
    struct memory_iter *it = (struct memory_iter *)iter;
    size_t count = it->m->count;
    *out = (struct event_block){ .tenant = it->ctx->tenants[0], .rows = it->block };
    arena_reset(it->scratch);
    while (it->at < count && out->n < BLOCK_ROWS && (it->q.limit == 0 || it->given < it->q.limit)) {
        size_t i = it->at++;
        const struct event *e = &it->m->list[is_newest_first(&it->q) ? count - 1 - i : i];
        if (is_asked_for(it, e)) {
            it->block[out->n++] = wanted(e, &it->q, it->scratch);
            it->given++;
        }
    }
    it->ctx->rows_read += out->n;
    return out->n ? ST_OK : ST_NOT_FOUND;
}

static void memory_close(struct events_iter *iter)
{
    arena_free(((struct memory_iter *)iter)->scratch);
    mem_free(iter);
}

static const struct events_iter_ops iter_ops = { memory_next, memory_close };

static int row_cmp(const void *a, const void *b)
{
    const struct event *x = a, *y = b;
    if (x->time_ns != y->time_ns)
        return x->time_ns < y->time_ns ? -1 : 1;
    return (x->seq > y->seq) - (x->seq < y->seq);
}

static enum status memory_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                                 struct err *err)
{
    struct memory_iter *it = mem_new(struct memory_iter);
    it->iter.ops = &iter_ops;
    it->m = (struct script_events *)e;
    it->ctx = ctx;
    it->q = *q;
    it->scratch = arena_new(0);
    if (!it->m->is_sorted && it->m->count > 1)
        qsort(it->m->list, it->m->count, sizeof *it->m->list, row_cmp);
    it->m->is_sorted = true;
    *did = ENGINE_DID_PRED | ENGINE_DID_ORDER | (q->limit ? ENGINE_DID_LIMIT : 0);
    *out = &it->iter;
    return ST_OK;
}

static const struct engine_ops memory_ops = { .name = "script", .events = memory_events };

/* ---- what it holds ---- */

struct script_events *script_events_new(void)
{
    struct script_events *m = mem_new(struct script_events);
    m->engine.ops = &memory_ops;
    m->arena = arena_new(0);
    return m;
}

void script_events_free(struct script_events *m)
{
    if (m == NULL)
        return;
    arena_free(m->arena);
    mem_free(m);
}

struct engine *script_events_door(struct script_events *m)
{
    return &m->engine;
}

void script_events_clear(struct script_events *m)
{
    m->list = NULL;
    m->count = m->cap = 0;
    arena_reset(m->arena);
}

void script_events_add(struct script_events *m, const struct event *e)
{
    struct event copy = event_copy(m->arena, e);
    copy.seq = m->count;
    ARENA_PUSH(m->arena, m->list, m->count, m->cap) = copy;
    m->is_sorted = false;
}
