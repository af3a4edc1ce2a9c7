/* SPDX-License-Identifier: Apache-2.0 */
/* Pushing down: only what cannot change the answer. A line filter may go down until a stage rewrites the line; a comparison
 * of detected_level or trace_id until a stage may have made a label of that name. */
#include "codec/hex.h"
#include "logql/eval.h"
#include "store/pred.h"

static struct pred *matcher_pred(struct arena *a, const struct matcher *m)
{
    bool is_re = m->op == MATCH_RE || m->op == MATCH_NRE;
    struct pred *p = pred_leaf(a, is_re ? PRED_RE : PRED_EQ, COL_STREAM, m->name, m->value);
    p->re = is_re ? m->re : NULL;
    return m->op == MATCH_NE || m->op == MATCH_NRE ? pred_not(a, p) : p;
}

/* NULL when one of the texts cannot be pushed. */
static struct pred *line_pred(struct arena *a, const struct stage *s)
{
    struct preds any = { 0 };
    if (s->line_op == LINE_PATTERN || s->line_op == LINE_NOT_PATTERN)
        return NULL;
    for (size_t i = 0; i < s->text_count; i++) {
        if (s->ips[i])
            return NULL;
        struct pred *p = pred_leaf(a, s->res[i] ? PRED_RE : PRED_CONTAINS, COL_BODY, SLICE_EMPTY, s->texts[i]);
        p->re = s->res[i];
        preds_add(a, &any, p);
    }
    struct pred *p = any.count == 1 ? any.list[0] : pred_node(a, PRED_OR, &any);
    return s->line_op == LINE_NOT_CONTAINS || s->line_op == LINE_NOT_MATCHES ? pred_not(a, p) : p;
}

static struct pred *trace_pred(struct arena *a, const struct label_filter *f)
{
    uint8_t *id = arena_alloc(a, 16);
    if (f->text.len != 32 || !hex_decode(f->text, id))
        return NULL;
    /* The id may also stand as a field of that name. */
    struct preds either = { 0 };
    preds_add(a, &either, pred_leaf(a, PRED_EQ, COL_TRACE_ID, SLICE_EMPTY, slice_of(id, 16)));
    preds_add(a, &either, pred_leaf(a, PRED_EQ, COL_FIELD, f->name, f->text));
    preds_add(a, &either, pred_leaf(a, PRED_EQ, COL_STREAM, f->name, f->text));
    return pred_node(a, PRED_OR, &either);
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
    struct preds all = { 0 };
    bool line_is_raw = true, labels_are_raw = true;
    for (size_t i = 0; i < log->matcher_count; i++)
        preds_add(a, &all, matcher_pred(a, &log->matchers[i]));
    for (const struct stage *s = log->stages; s; s = s->next) {
        struct pred *p = NULL;
        if (s->kind == STAGE_LINE && line_is_raw)
            p = line_pred(a, s);
        else if (s->kind == STAGE_LABEL_FILTER && labels_are_raw && s->filter->kind == FILTER_STRING && s->filter->op == CMP_EQ &&
                 slice_eq(s->filter->name, SLICE("trace_id")))
            p = trace_pred(a, s->filter);
        if (p)
            preds_add(a, &all, p);
        line_is_raw &= s->kind != STAGE_LINE_FORMAT && s->kind != STAGE_UNPACK && s->kind != STAGE_DECOLORIZE;
        labels_are_raw &= s->kind == STAGE_LINE || s->kind == STAGE_LABEL_FILTER;
    }
    return pred_node(a, PRED_AND, &all);
}
