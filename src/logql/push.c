/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing down: only what cannot change the answer. A line filter may go down until a stage rewrites the line; a comparison
 * of detected_level or trace_id until a stage may have made a label of that name. */
#include "codec/hex.h"
#include "logql/eval.h"

struct kids {
    struct pred **list;
    size_t count, cap;
};

static struct pred *leaf(struct arena *a, enum pred_op op, enum event_column column, struct slice name, struct slice text)
{
    struct pred *p = arena_new_of(a, struct pred);
    *p = (struct pred){ .op = op, .column = column, .scope = -1, .name = name, .text = text };
    return p;
}

static struct pred *node(struct arena *a, enum pred_op op, struct kids k)
{
    struct pred *p = arena_new_of(a, struct pred);
    *p = (struct pred){ .op = op, .kids = k.list, .kid_count = k.count };
    return p;
}

static struct pred *negate(struct arena *a, struct pred *p)
{
    struct kids k = { 0 };
    ARENA_PUSH(a, k.list, k.count, k.cap) = p;
    return node(a, PRED_NOT, k);
}

static struct pred *matcher_pred(struct arena *a, const struct matcher *m)
{
    bool is_re = m->op == MATCH_RE || m->op == MATCH_NRE;
    struct pred *p = leaf(a, is_re ? PRED_RE : PRED_EQ, COL_STREAM, m->name, m->value);
    p->re = is_re ? m->re : NULL;
    return m->op == MATCH_NE || m->op == MATCH_NRE ? negate(a, p) : p;
}

/* NULL when one of the texts cannot be pushed. */
static struct pred *line_pred(struct arena *a, const struct stage *s)
{
    struct kids any = { 0 };
    if (s->line_op == LINE_PATTERN || s->line_op == LINE_NOT_PATTERN)
        return NULL;
    for (size_t i = 0; i < s->text_count; i++) {
        if (s->ips[i])
            return NULL;
        struct pred *p = leaf(a, s->res[i] ? PRED_RE : PRED_CONTAINS, COL_BODY, SLICE_EMPTY, s->texts[i]);
        p->re = s->res[i];
        ARENA_PUSH(a, any.list, any.count, any.cap) = p;
    }
    struct pred *p = any.count == 1 ? any.list[0] : node(a, PRED_OR, any);
    return s->line_op == LINE_NOT_CONTAINS || s->line_op == LINE_NOT_MATCHES ? negate(a, p) : p;
}

static struct pred *trace_pred(struct arena *a, const struct label_filter *f)
{
    uint8_t *id = arena_alloc(a, 16);
    if (f->text.len != 32 || !hex_decode(f->text, id))
        return NULL;
    /* The id may also stand as a field of that name. */
    struct kids either = { 0 };
    ARENA_PUSH(a, either.list, either.count, either.cap) = leaf(a, PRED_EQ, COL_TRACE_ID, SLICE_EMPTY, slice_of(id, 16));
    ARENA_PUSH(a, either.list, either.count, either.cap) = leaf(a, PRED_EQ, COL_FIELD, f->name, f->text);
    ARENA_PUSH(a, either.list, either.count, either.cap) = leaf(a, PRED_EQ, COL_STREAM, f->name, f->text);
    return node(a, PRED_OR, either);
}

bool logql_push_has_all(const struct stage *s)
{
    if (s->kind != STAGE_LINE || s->line_op == LINE_PATTERN || s->line_op == LINE_NOT_PATTERN)
        return false;
    for (size_t i = 0; i < s->text_count; i++)
        if (s->ips[i] || (s->res[i] == NULL && s->texts[i].len == 0))
            return false;
    return true;
}

bool logql_push_is_all(const struct expr *log)
{
    for (const struct stage *s = log->stages; s; s = s->next)
        if (!logql_push_has_all(s))
            return false;
    return true;
}

struct pred *logql_push(struct arena *a, const struct expr *log)
{
    struct kids all = { 0 };
    bool line_is_raw = true, labels_are_raw = true;
    for (size_t i = 0; i < log->matcher_count; i++)
        ARENA_PUSH(a, all.list, all.count, all.cap) = matcher_pred(a, &log->matchers[i]);
    for (const struct stage *s = log->stages; s; s = s->next) {
        struct pred *p = NULL;
        if (s->kind == STAGE_LINE && line_is_raw)
            p = line_pred(a, s);
        else if (s->kind == STAGE_LABEL_FILTER && labels_are_raw && s->filter->kind == FILTER_STRING && s->filter->op == CMP_EQ &&
                 slice_eq(s->filter->name, SLICE("trace_id")))
            p = trace_pred(a, s->filter);
        if (p)
            ARENA_PUSH(a, all.list, all.count, all.cap) = p;
        line_is_raw &= s->kind != STAGE_LINE_FORMAT && s->kind != STAGE_UNPACK && s->kind != STAGE_DECOLORIZE;
        labels_are_raw &= s->kind == STAGE_LINE || s->kind == STAGE_LABEL_FILTER;
    }
    return all.count ? node(a, PRED_AND, all) : NULL;
}
