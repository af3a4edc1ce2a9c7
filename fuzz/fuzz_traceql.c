/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query, and what stands behind a zero as a tree of spans: of each a byte, its parent's number and more. What parses has a canonical
 * form, which is its own canonical form; and it runs over traces of every shape, or that tree: with an engine that filters and leaves out columns
 * as it is asked to, the answer is the same as with one that gives every span whole. */
#include <stdlib.h>

#include "base/hash.h"
#include "base/num.h"
#include "base/rand.h"
#include "events/evpred.h"
#include "fuzz/fuzz.h"
#include "traceql/eval.h"

enum { /* TREE_MAX: spans of an input's own trace, as a parent is five bits */
    TRACES = 24, SPANS_MAX = 400, TREE_MAX = 31, NAMES = 5, BLOCK = 16, RESULT_BYTES_MAX = 64 * MIB, TIME_MS_MAX = 8000, SECONDS = 60
};

/* ---- spans ---- */

static struct event common[SPANS_MAX];
static size_t common_count;
static struct arena *span_arena; /* for ever */
static struct event *spans;      /* those looked at: the common ones, or an input's own */
static size_t span_count;

static const struct slice words[] = { SLICE_INIT("a"), SLICE_INIT("b"), SLICE_INIT("x"), SLICE_INIT(""), SLICE_INIT("12"), SLICE_INIT("foo"),
                                      SLICE_INIT("service.name"), SLICE_INIT("true") };
static const struct slice lists[] = { SLICE_INIT("[1,2.5,\"a\"]"), SLICE_INIT("[\"a\",\"b\"]"), SLICE_INIT("[]"), SLICE_INIT("[true,null,[1]]"),
                                      SLICE_INIT("{\"a\":1}") };
static const struct slice names[NAMES] = { SLICE_INIT("a"), SLICE_INIT("b"), SLICE_INIT("c"), SLICE_INIT("x"), SLICE_INIT("service.name") };

static struct slice word(struct rand *r)
{
    return words[rand_below(r, COUNT_OF(words))];
}

static struct field *fields(struct arena *a, struct rand *r, uint32_t *count, bool is_span)
{
    struct field *list = arena_array(a, struct field, 4 * NAMES);
    *count = 0;
    for (uint8_t scope = SCOPE_RECORD; scope <= SCOPE_INSTRUMENTATION; scope++) {
        for (size_t i = 0; i < NAMES; i++) {
            struct field f = { .scope = scope, .name = names[i], .text = SLICE_EMPTY };
            if (!rand_one_in(r, 2) || (scope != SCOPE_RECORD && !is_span) || (i + 1 == NAMES && scope == SCOPE_RESOURCE))
                continue;
            f.type = (uint8_t)rand_below(r, 6);
            if (f.type == FIELD_STRING || f.type == FIELD_BYTES)
                f.text = word(r);
            else if (f.type == FIELD_JSON)
                f.text = lists[rand_below(r, COUNT_OF(lists))];
            else if (f.type == FIELD_DOUBLE)
                f.d = (double)rand_below(r, 9) / 2 - 1;
            else
                f.i = f.type == FIELD_BOOL ? (int64_t)rand_below(r, 2) : (int64_t)rand_below(r, 5) - 1;
            list[(*count)++] = f;
        }
    }
    return list;
}

static void add_events(struct arena *a, struct rand *r, struct event *e)
{
    e->event_count = (uint32_t)rand_below(r, 3);
    e->events = arena_array(a, struct span_event, 3);
    for (uint32_t i = 0; i < e->event_count; i++) {
        e->events[i] = (struct span_event){ .time_ns = e->time_ns + (int64_t)rand_below(r, 3) * NS_MS, .name = word(r) };
        e->events[i].fields = fields(a, r, &e->events[i].field_count, false);
    }
    e->link_count = (uint32_t)rand_below(r, 2);
    e->links = arena_array(a, struct span_link, 3);
    for (uint32_t i = 0; i < e->link_count; i++) {
        e->links[i] = (struct span_link){ .trace_id = { 1 }, .span_id = { (uint8_t)rand_below(r, 3) } };
        e->links[i].fields = fields(a, r, &e->links[i].field_count, false);
    }
}

/* Parents come before their children, behind them, not at all, twice, or in a ring. */
static void add_span(struct arena *a, struct rand *r, uint8_t trace, uint8_t number, uint8_t of)
{
    struct event *e = &spans[span_count++];
    *e = (struct event){ .kind = EVENT_SPAN, .weight = 1, .seq = span_count, .stream = SLICE_EMPTY, .trace_state = SLICE_EMPTY };
    e->time_ns = (int64_t)rand_below(r, SECONDS * 1000) * NS_MS;
    e->duration_ns = (int64_t)rand_below(r, 4) * (rand_one_in(r, 2) ? NS_MS : NS_S);
    e->span_kind = (uint8_t)rand_below(r, 6);
    e->span_status = (uint8_t)rand_below(r, 3);
    e->service = word(r);
    e->body = word(r);
    e->status_message = word(r);
    e->trace_id[15] = trace;
    e->span_id[7] = rand_one_in(r, 20) ? 1 : (uint8_t)(number + 1);
    if (!rand_one_in(r, 5))
        e->parent_id[7] = rand_one_in(r, 4) ? (uint8_t)rand_below(r, of + 3u) : number;
    e->fields = fields(a, r, &e->field_count, true);
    add_events(a, r, e);
}

static int by_time(const void *x, const void *y)
{
    const struct event *a = x, *b = y;
    int order = (a->time_ns > b->time_ns) - (a->time_ns < b->time_ns);
    return order ? order : (a->seq > b->seq) - (a->seq < b->seq);
}

static void make_spans(void)
{
    struct arena *a = span_arena = arena_new(0);
    struct rand r;
    spans = common;
    rand_seed(&r, 7);
    for (uint8_t trace = 1; trace <= TRACES; trace++) {
        uint8_t count = (uint8_t)(1 + rand_below(&r, 12));
        for (uint8_t i = 0; i < count; i++)
            add_span(a, &r, trace, i, count);
    }
    qsort(spans, span_count, sizeof *spans, by_time);
    common_count = span_count;
}

/* One trace. Bits of a byte: 5 of the parent's number, 0 for none; 2 of the status; 1: the span has the first one's id. */
static void make_tree(struct arena *a, struct slice bytes)
{
    struct rand r;
    size_t n = MIN(bytes.len, (size_t)TREE_MAX);
    spans = arena_array(a, struct event, TREE_MAX + 1);
    span_count = 0;
    rand_seed(&r, hash64(bytes, 0));
    for (uint8_t i = 0; i < n; i++) {
        uint8_t byte = (uint8_t)bytes.ptr[i];
        add_span(a, &r, 1, i, (uint8_t)n);
        memset(spans[i].parent_id, 0, sizeof spans[i].parent_id);
        spans[i].parent_id[7] = byte & 31;
        spans[i].span_id[7] = byte & 128 ? 1 : (uint8_t)(i + 1);
        spans[i].span_status = (uint8_t)((byte >> 5 & 3) % 3);
    }
    if (n)
        qsort(spans, span_count, sizeof *spans, by_time);
}

/* ---- engines of them ---- */

struct lister {
    struct engine engine; /* first */
    bool is_exact;        /* filters, and gives the columns that are asked for alone */
};

struct iter {
    struct events_iter it; /* first */
    struct arena *a;
    const struct events_query *q;
    struct evpred *pred;
    bool is_exact;
    size_t at;
    struct event block[BLOCK];
};

static struct event without(const struct event *e, unsigned want)
{
    struct event out = *e;
    if (!(want & WANT_BODY))
        out.body = SLICE_EMPTY;
    if (!(want & WANT_FIELDS))
        out.field_count = 0;
    if (!(want & WANT_SPAN)) {
        out.status_message = out.trace_state = SLICE_EMPTY;
        out.event_count = out.link_count = 0;
    }
    if (!(want & (WANT_TRACE | WANT_IDS)))
        memset(out.trace_id, 0, sizeof out.trace_id);
    if (!(want & WANT_IDS)) {
        memset(out.span_id, 0, sizeof out.span_id);
        memset(out.parent_id, 0, sizeof out.parent_id);
    }
    return out;
}

static enum status next(struct events_iter *iter, struct event_block *out, struct err *err)
{
    struct iter *it = (struct iter *)iter;
    *out = (struct event_block){ .rows = it->block };
    for (; it->at < span_count && out->n < BLOCK; it->at++) {
        const struct event *e = &spans[it->q->order == ORDER_NEWEST ? span_count - 1 - it->at : it->at];
        if (e->time_ns >= it->q->start_ns && e->time_ns < it->q->end_ns && (it->pred == NULL || evpred_row(it->pred, e, it->a)))
            it->block[out->n++] = it->is_exact ? without(e, it->q->want) : *e;
    }
    return out->n ? ST_OK : ST_NOT_FOUND;
}

static void close_iter(struct events_iter *iter)
{
    arena_free(((struct iter *)iter)->a);
}

static enum status list_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                               struct err *err)
{
    static const struct events_iter_ops ops = { next, close_iter };
    const struct lister *l = (const struct lister *)e;
    struct arena *a = arena_new(0);
    struct iter *it = arena_new_of(a, struct iter);
    unsigned count = 0;
    struct events_query *copy = arena_new_of(a, struct events_query);
    *copy = *q;
    it->it.ops = &ops;
    it->a = a;
    it->q = copy;
    it->is_exact = l->is_exact;
    if (q->pred && (l->is_exact || q->pred->op == PRED_AMONG))
        it->pred = evpred_compile(q->pred, a, &count);
    *did = it->pred ? ENGINE_DID_PRED : 0;
    *out = &it->it;
    return ST_OK;
}

/* ---- answers as text ---- */

static int by_text(const void *x, const void *y)
{
    return slice_cmp(*(const struct slice *)x, *(const struct slice *)y);
}

static void put_found(struct arena *a, const struct traceql_found *f, struct buf *out)
{
    struct slice *lines = arena_array(a, struct slice, f->count + 1);
    for (size_t i = 0; i < f->count; i++) {
        const struct traceql_trace *t = &f->traces[i];
        struct buf line;
        buf_init(&line, 0);
        buf_printf(&line, "%u:", t->trace->spans[0].e->trace_id[15]);
        for (size_t k = 0; k < t->set_count; k++) {
            for (size_t n = 0; n < t->sets[k].count; n++)
                buf_printf(&line, " %llu", (unsigned long long)t->trace->spans[t->sets[k].spans[n]].e->seq);
            for (size_t n = 0; n < t->sets[k].attr_count; n++) {
                buf_printf(&line, " %.*s=", SLICE_FMT(t->sets[k].attrs[n].name));
                traceql_format_value(&t->sets[k].attrs[n].value, &line);
            }
            buf_char(&line, ';');
        }
        lines[i] = arena_copy(a, buf_as_slice(&line));
        buf_free(&line);
    }
    qsort(lines, f->count, sizeof *lines, by_text);
    for (size_t i = 0; i < f->count; i++)
        buf_slice(out, lines[i]), buf_char(out, '\n');
}

static void put_matrix(struct arena *a, const struct traceql_matrix *m, struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        buf_slice(out, traceql_labels_text(a, &m->series[i]));
        for (size_t k = 0; k < m->points; k++)
            buf_printf(out, " %.12g", m->series[i].v[k]);
        buf_char(out, '\n');
    }
}

static bool run(struct slice text, bool is_exact, bool is_instant, struct buf *out)
{
    static const struct engine_ops ops = { .name = "list", .events = list_events };
    static const struct slice tenant = SLICE_INIT("default");
    struct lister l = { .engine = { .ops = &ops }, .is_exact = is_exact };
    struct engine_ctx ctx;
    struct traceql *q;
    struct err err;
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    ctx.deadline_mono_ns = clock_mono_ns(ctx.clock) + TIME_MS_MAX * NS_MS;
    struct query_env env = { .engine = &l.engine, .ctx = &ctx, .result = arena_new(RESULT_BYTES_MAX) };
    struct traceql_window w = { .start_ns = 10 * NS_S, .end_ns = 50 * NS_S, .step_ns = 7 * NS_S, .is_instant = is_instant };
    enum status st = traceql_parse(env.result, text, &q, &err);
    if (!st && q->metric) {
        struct traceql_matrix m;
        st = traceql_metrics(&env, q, &w, &m, &err);
        if (!st)
            put_matrix(env.result, &m, out);
    } else if (!st) {
        struct traceql_found f = { .count = 0 };
        st = traceql_search(&env, q, 0, (SECONDS + 1) * NS_S, 1000, &f, &err);
        if (!st)
            put_found(env.result, &f, out);
    }
    MUST(st == ST_OK || st == ST_INVALID || st == ST_LIMIT || st == ST_TIMEOUT);
    traceql_free(q);
    arena_free(env.result);
    engine_ctx_free(&ctx);
    return st == ST_OK;
}

static void check_runs(struct slice text, bool is_instant)
{
    struct buf exact, plain;
    buf_init(&exact, 0);
    buf_init(&plain, 0);
    if (run(text, true, is_instant, &exact) && run(text, false, is_instant, &plain))
        MUST(slice_eq(buf_as_slice(&exact), buf_as_slice(&plain)));
    buf_free(&exact);
    buf_free(&plain);
}

/* ---- texts ---- */

static bool check_format(struct arena *a, struct slice text)
{
    struct traceql *q, *again;
    struct err err;
    struct buf once, twice;
    if (traceql_parse(a, text, &q, &err))
        return false;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    traceql_format_query(q, &once);
    if (once.len <= QUERY_TEXT_BYTES_MAX) {
        MUST(traceql_parse(a, buf_as_slice(&once), &again, &err) == ST_OK);
        traceql_format_query(again, &twice);
        MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
        traceql_free(again);
    }
    traceql_free(q);
    buf_free(&once);
    buf_free(&twice);
    return true;
}

static void check_field(struct arena *a, struct slice text)
{
    struct tql_field f;
    struct buf once, twice;
    if (!traceql_field_of(a, text, &f))
        return;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    traceql_format_field(&f, &once);
    MUST(once.len > QUERY_TEXT_BYTES_MAX || traceql_field_of(a, buf_as_slice(&once), &f));
    traceql_format_field(&f, &twice);
    MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
    buf_free(&once);
    buf_free(&twice);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size);
    struct arena *a = arena_new(0);
    size_t zero = slice_find_char(text, '\0', 0);
    if (common_count == 0)
        make_spans();
    spans = common;
    span_count = common_count;
    if (zero != SIZE_MAX) {
        make_tree(a, slice_skip(text, zero + 1));
        text = slice_sub(text, 0, zero);
    }
    if (check_format(a, text)) {
        check_runs(text, false);
        check_runs(text, true);
    }
    check_field(a, text);
    arena_free(a);
    return 0;
}
