/* SPDX-License-Identifier: Apache-2.0 */
/* Every node of the predicate gets a verdict for the block: may rows be true, may rows be false. AND and OR combine them;
 * a leaf asks the sets, ranges and filters of the directory. A block whose root cannot be true is not read; a node that
 * cannot be false is not evaluated.
 *
 * Stream and service leaves are decided once a value of the part's dictionary, not once a block or row. */
#include "events/evplan.h"

#include "events/evfilter.h"
#include "events/evtrace.h"

struct node_memo {
    uint8_t *numbers; /* stream or service: 0 unknown, 1 false, 2 true */
    struct evplan_field *fields;
    size_t field_count;
    bool has_fields;
    bool *traces; /* blocks that may have the trace */
};

struct evplan {
    const struct part *p;
    const struct evdir *d;
    const struct evpred *root;
    const struct evtombs *tombs;
    struct engine_ctx *ctx;
    struct arena *a;
    struct node_memo *memos;
    uint8_t *verdicts;
};

struct evplan *evplan_new(const struct part *p, const struct evpred *root, unsigned node_count, const struct evtombs *tombs,
                          struct engine_ctx *ctx, struct arena *a)
{
    struct evplan *plan = arena_new_of(a, struct evplan);
    *plan = (struct evplan){ .p = p, .d = part_user(p), .root = root, .tombs = tombs, .ctx = ctx, .a = a };
    plan->memos = arena_zalloc(a, (node_count + 1) * sizeof *plan->memos);
    plan->verdicts = arena_zalloc(a, node_count + 1);
    return plan;
}

const struct evdir *evplan_dir(const struct evplan *plan)
{
    return plan->d;
}

const struct part *evplan_part(const struct evplan *plan)
{
    return plan->p;
}

/* ---- dictionaries ---- */

bool evplan_number_matches(struct evplan *plan, const struct evpred *n, uint32_t number)
{
    struct node_memo *m = &plan->memos[n->id];
    bool is_stream = n->p->column == COL_STREAM;
    if (m->numbers == NULL)
        m->numbers = arena_zalloc(plan->a, (is_stream ? plan->d->stream_count : plan->d->service_count) + 1);
    if (m->numbers[number] == 0) {
        struct slice text = is_stream ? labels_get(plan->d->streams[number], n->p->name) : plan->d->services[number];
        struct evvalue v = evvalue_of_text(text);
        m->numbers[number] = evpred_test(n->p, &v) ? 2 : 1;
    }
    return m->numbers[number] == 2;
}

const struct evplan_field *evplan_fields(struct evplan *plan, const struct evpred *n, size_t *count)
{
    struct node_memo *m = &plan->memos[n->id];
    size_t cap = 0;
    uint8_t scopes[3];
    size_t scope_count = evpred_scopes(n->p, scopes);
    for (uint32_t f = 0; !m->has_fields && f < plan->d->field_count; f++)
        for (uint8_t s = 0; s < scope_count; s++)
            if (plan->d->fields[f].scope == scopes[s] && slice_eq(plan->d->fields[f].name, n->p->name))
                ARENA_PUSH(plan->a, m->fields, m->field_count, cap) = (struct evplan_field){ f, s };
    m->has_fields = true;
    *count = m->field_count;
    return m->fields;
}

/* ---- leaves ---- */

static enum evplan_verdict verdict_of(bool value)
{
    return value ? EVPLAN_TRUE : EVPLAN_FALSE;
}

static enum evplan_verdict judge_none(const struct evpred *n)
{
    struct evvalue none = { .kind = EVVALUE_NONE };
    return verdict_of(evpred_test(n->p, &none));
}

/* Of a column that the block does not have. */
static enum evplan_verdict judge_zero(const struct evpred *n, const struct evdir_block *b)
{
    struct evvalue zero = evvalue_of_int(n->p, b->kind, 0);
    return verdict_of(evpred_test(n->p, &zero));
}

static enum evplan_verdict judge_numbers(struct evplan *plan, const struct evpred *n, const uint32_t *list, uint32_t count)
{
    unsigned verdict = EVPLAN_NEVER;
    for (uint32_t i = 0; i < count && verdict != EVPLAN_BOTH; i++)
        verdict |= verdict_of(evplan_number_matches(plan, n, list[i]));
    return verdict;
}

static enum evplan_verdict judge_severity(const struct evpred *n, const struct evdir_block *b)
{
    unsigned verdict = b->severities[0] ? EVPLAN_BOTH : EVPLAN_NEVER; /* 0 counts those over 24 too */
    for (int s = 1; s < EVDIR_SEVERITIES && verdict != EVPLAN_BOTH; s++)
        if (b->severities[s]) {
            struct evvalue v = evvalue_of_int(n->p, b->kind, s);
            verdict |= verdict_of(evpred_test(n->p, &v));
        }
    return verdict;
}

static enum evplan_verdict judge_duration(const struct evpred *n, const struct evdir_block *b)
{
    bool is_order = n->op == PRED_LT || n->op == PRED_LE || n->op == PRED_GT || n->op == PRED_GE;
    if (b->kind != EVENT_SPAN)
        return judge_none(n);
    if (!is_order || (n->p->type != FIELD_INT && n->p->type != FIELD_DOUBLE))
        return EVPLAN_BOTH;
    struct evvalue low = evvalue_of_int(n->p, b->kind, b->min_duration_ns), high = evvalue_of_int(n->p, b->kind, b->max_duration_ns);
    return verdict_of(evpred_test(n->p, &low)) | verdict_of(evpred_test(n->p, &high));
}

static enum evplan_verdict judge_trace(struct evplan *plan, const struct evpred *n, const struct evdir_block *b)
{
    struct node_memo *m = &plan->memos[n->id];
    bool is_one = n->op == PRED_EQ && n->p->text.len == EVPRED_ID_BYTES;
    if (!is_one && n->op != PRED_AMONG)
        return EVPLAN_BOTH;
    if (m->traces == NULL) {
        struct err err;
        m->traces = arena_zalloc(plan->a, plan->d->block_count + 1);
        const uint8_t(*ids)[EVPRED_ID_BYTES] = (const uint8_t(*)[EVPRED_ID_BYTES])n->p->text.ptr;
        enum status st = evtrace_find(plan->p, plan->d, ids, n->p->text.len / EVPRED_ID_BYTES, plan->ctx, m->traces, &err);
        if (st) {
            engine_warn(plan->ctx, "%s; searching without it", err.text);
            memset(m->traces, 1, plan->d->block_count);
        }
    }
    return m->traces[b - plan->d->blocks] ? EVPLAN_BOTH : EVPLAN_FALSE;
}

/* True when the filter says that the block surely lacks the hash. A filter that cannot be read says nothing. */
static bool filter_lacks(struct evread *x, const uint64_t *hashes, size_t count)
{
    struct slice filter;
    struct err err;
    if (x == NULL || count == 0 || evread_filter(x, &filter, &err) != ST_OK || filter.len == 0)
        return false;
    for (size_t i = 0; i < count; i++) {
        bool is_bad;
        if (!evfilter_has(filter, hashes[i], &is_bad) && !is_bad)
            return true;
    }
    return false;
}

/* True when the filter says that the block surely has none of the needles. */
static bool filter_lacks_needles(struct evread *x, const struct evpred *n)
{
    struct slice filter;
    struct err err;
    if (x == NULL || n->needle_count == 0 || evread_filter(x, &filter, &err) != ST_OK || !evfilter_has_grams(filter))
        return false;
    for (size_t i = 0; i < n->needle_count; i++) {
        bool is_bad = false, may_be = true;
        for (size_t k = 0; k < n->grams[i].count && may_be; k++)
            may_be = evfilter_has(filter, n->grams[i].list[k], &is_bad);
        if (may_be)
            return false;
    }
    return true;
}

static enum evplan_verdict judge_body(const struct evpred *n, const struct evdir_block *b, struct evread *x)
{
    if (evdir_place_of(b, EVCOL_BODY) == NULL) {
        struct evvalue empty = evvalue_of_text(SLICE_EMPTY);
        return verdict_of(evpred_test(n->p, &empty));
    }
    return filter_lacks(x, n->words, n->word_count) || filter_lacks_needles(x, n) ? EVPLAN_FALSE : EVPLAN_BOTH;
}

static enum evplan_verdict judge_field(struct evplan *plan, const struct evpred *n, const struct evdir_block *b, struct evread *x)
{
    size_t count;
    const struct evplan_field *fields = evplan_fields(plan, n, &count);
    bool is_there = false, is_string = true, is_json = false;
    if (b->has_cells)
        return EVPLAN_BOTH;
    for (size_t i = 0; i < count; i++)
        if (evdir_place_of(b, EVCOL_FIELD_FIRST + fields[i].number)) {
            is_there = true;
            is_string = is_string && plan->d->fields[fields[i].number].type == FIELD_STRING;
            is_json = is_json || plan->d->fields[fields[i].number].type == FIELD_JSON;
        }
    if (!is_there)
        return judge_none(n);
    if (n->op == PRED_EXISTS && n->p->type == FIELD_JSON)
        return is_json ? EVPLAN_BOTH : EVPLAN_FALSE;
    bool is_lacking = n->has_value_hash && is_string && filter_lacks(x, &n->value_hash, 1);
    return is_lacking ? EVPLAN_FALSE : EVPLAN_BOTH;
}

static enum evplan_verdict judge_children(const struct evpred *n, const struct evdir_block *b, struct evread *x)
{
    struct slice filter;
    struct err err = { 0 };
    if (!evdir_place_of(b, EVCOL_EVENTS) && !evdir_place_of(b, EVCOL_LINKS))
        return judge_zero(n, b);
    if (x == NULL || evread_filter(x, &filter, &err) != ST_OK || !evfilter_has_children(filter))
        return EVPLAN_BOTH;
    return filter_lacks(x, &n->value_hash, 1) && filter_lacks(x, &n->list_hash, 1) ? judge_zero(n, b) : EVPLAN_BOTH;
}

static enum evplan_verdict judge_leaf(struct evplan *plan, const struct evpred *n, const struct evdir_block *b, struct evread *x)
{
    switch (n->p->column) {
    case COL_FIELD:
        return judge_field(plan, n, b, x);
    case COL_STREAM:
        return judge_numbers(plan, n, b->streams, b->stream_count);
    case COL_SERVICE:
        return judge_numbers(plan, n, b->services, b->service_count);
    case COL_BODY:
        return judge_body(n, b, x);
    case COL_SEVERITY:
        return judge_severity(n, b);
    case COL_DURATION:
        return judge_duration(n, b);
    case COL_TRACE_ID:
        return judge_trace(plan, n, b);
    case COL_SPAN_KIND:
    case COL_SPAN_STATUS:
        return b->kind == EVENT_SPAN ? EVPLAN_BOTH : judge_none(n);
    case COL_EVENTS:
        return evdir_place_of(b, EVCOL_EVENTS) ? EVPLAN_BOTH : judge_zero(n, b);
    case COL_LINKS:
        return evdir_place_of(b, EVCOL_LINKS) ? EVPLAN_BOTH : judge_zero(n, b);
    case COL_CHILDREN:
        return judge_children(n, b, x);
    case COL_SPAN_ID:
    case COL_PARENT_ID:
    case COL_SEQ:
        return EVPLAN_BOTH;
    }
    return EVPLAN_BOTH;
}

/* ---- inner nodes ---- */

static enum evplan_verdict judge(struct evplan *plan, const struct evpred *n, const struct evdir_block *b, struct evread *x)
{
    unsigned verdict;
    if (n->op == PRED_TRUE) {
        verdict = EVPLAN_TRUE;
    } else if (n->op == PRED_NOT) {
        unsigned kid = n->kid_count ? judge(plan, n->kids[0], b, x) : EVPLAN_FALSE;
        verdict = (kid & EVPLAN_TRUE) << 1 | (kid & EVPLAN_FALSE) >> 1;
    } else if (n->op == PRED_AND || n->op == PRED_OR) {
        /* "stop" is what one kid can force alone: false for AND, true for OR. */
        unsigned stop = n->op == PRED_AND ? EVPLAN_FALSE : EVPLAN_TRUE, other = EVPLAN_BOTH ^ stop;
        verdict = other;
        for (size_t i = 0; i < n->kid_count && verdict != stop; i++) {
            unsigned kid = judge(plan, n->kids[i], b, x);
            verdict = kid == stop ? stop : verdict | kid;
        }
    } else {
        verdict = judge_leaf(plan, n, b, x);
    }
    plan->verdicts[n->id] = (uint8_t)verdict;
    return verdict;
}

enum evplan_verdict evplan_judge(struct evplan *plan, const struct evdir_block *b, struct evread *x)
{
    return plan->root ? judge(plan, plan->root, b, x) : EVPLAN_TRUE;
}

/* What a merge has applied to the part already is not asked again: an erase stays in force for as long as rows may come late. */
static bool tomb_touches(const struct evplan *plan, const struct evtomb *t, const struct evdir_block *b)
{
    return t->t->id > part_info(plan->p)->dead_id && evtomb_may_touch(t, plan->d->tenants[b->tenant], b->min_ns, b->max_ns, b->min_lsn);
}

bool evplan_is_touched(const struct evplan *plan, const struct evdir_block *b)
{
    for (size_t i = 0; i < plan->tombs->count; i++)
        if (tomb_touches(plan, &plan->tombs->list[i], b))
            return true;
    return false;
}

/* ---- rows ---- */

static bool has_value(struct evselect *s, const struct evtomb *t, size_t row)
{
    struct event e;
    if (t->t->value.field.len == 0)
        return true;
    evread_row(s->x, row, WANT_ALL, s->scratch, &e);
    return evtomb_has_value(t, &e, s->scratch);
}

static enum status apply_tomb(struct evselect *s, const struct evtomb *t, uint8_t *sel)
{
    const int64_t *times, *streams;
    const uint64_t *seqs;
    const struct evcol_strings *bodies = NULL;
    enum status st = evread_ints(s->x, EVCOL_TIME, &times, s->err);
    if (st == ST_OK)
        st = evread_ints(s->x, EVCOL_STREAM, &streams, s->err);
    if (st == ST_OK)
        st = evread_seqs(s->x, &seqs, s->err);
    if (st == ST_OK && t->t->contains.len)
        st = evread_strings(s->x, EVCOL_BODY, &bodies, s->err);
    if (st == ST_OK && t->t->value.field.len)
        st = evread_load(s->x, WANT_ALL, s->err);
    if (st)
        return st;
    bool *is_selected = arena_array(s->scratch, bool, s->b->stream_count + 1);
    for (uint32_t i = 0; i < s->b->stream_count; i++)
        is_selected[i] = evtomb_has_stream(t, s->d->streams[s->b->streams[i]]);
    for (size_t r = 0; r < s->n; r++)
        if (sel[r] && is_selected[streams[r]] && evtomb_covers(t, times[r], seqs[r] >> 20) &&
            (bodies == NULL || evtomb_has_body(t, evcol_string(bodies, r))) && has_value(s, t, r))
            sel[r] = 0;
    return ST_OK;
}

enum status evplan_select(struct evplan *plan, struct evread *x, int64_t start_ns, int64_t end_ns, uint8_t *sel, size_t *count,
                          struct err *err)
{
    const struct evdir_block *b = evread_block(x);
    struct evselect s = { .x = x, .plan = plan, .d = plan->d, .b = b, .verdicts = plan->verdicts, .n = b->rows, .err = err };
    const int64_t *times;
    enum status st = ST_OK;
    *count = 0;
    s.scratch = arena_new(0);
    memset(sel, 1, s.n);
    if (b->min_ns < start_ns || b->max_ns >= end_ns) {
        st = evread_ints(x, EVCOL_TIME, &times, err);
        for (size_t r = 0; st == ST_OK && r < s.n; r++)
            sel[r] = times[r] >= start_ns && times[r] < end_ns;
    }
    if (st == ST_OK && plan->root)
        st = evselect_eval(&s, plan->root, sel);
    for (size_t i = 0; st == ST_OK && i < plan->tombs->count; i++)
        if (tomb_touches(plan, &plan->tombs->list[i], b))
            st = apply_tomb(&s, &plan->tombs->list[i], sel);
    for (size_t r = 0; st == ST_OK && r < s.n; r++)
        *count += sel[r];
    arena_free(s.scratch);
    return st;
}
