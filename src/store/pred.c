/* SPDX-License-Identifier: Apache-2.0 */
#include "store/pred.h"

#include <stdlib.h>

struct pred *pred_leaf(struct arena *a, enum pred_op op, enum event_column column, struct slice name, struct slice text)
{
    struct pred *p = arena_new_of(a, struct pred);
    *p = (struct pred){ .op = op, .column = column, .scope = -1, .name = name, .text = text };
    return p;
}

struct pred *pred_attribute(struct arena *a, enum pred_op op, struct slice name, struct slice text)
{
    static const enum field_scope scopes[] = { SCOPE_RECORD, SCOPE_RESOURCE, SCOPE_INSTRUMENTATION };
    struct preds any = { 0 };
    for (size_t i = 0; i < COUNT_OF(scopes); i++) {
        struct preds both = { 0 };
        preds_add(a, &both, pred_leaf(a, op, COL_FIELD, name, text));
        both.list[0]->scope = scopes[i];
        if (text.len == 0 && op != PRED_EXISTS) {
            preds_add(a, &both, pred_leaf(a, PRED_EXISTS, COL_FIELD, name, SLICE_EMPTY));
            both.list[1]->scope = scopes[i];
        }
        preds_add(a, &any, both.count == 1 ? both.list[0] : pred_node(a, PRED_AND, &both));
    }
    return pred_node(a, PRED_OR, &any);
}

struct pred *pred_text(struct arena *a, enum event_column column, struct slice name, struct slice text)
{
    return pred_leaf(a, PRED_EQ, column, name, text);
}

struct pred *pred_int(struct arena *a, enum pred_op op, enum event_column column, int64_t i)
{
    struct pred *p = pred_leaf(a, op, column, SLICE_EMPTY, SLICE_EMPTY);
    p->type = FIELD_INT;
    p->i = i;
    return p;
}

struct pred *pred_child(struct arena *a, struct slice name, struct slice text)
{
    struct pred *p = pred_int(a, PRED_GT, COL_CHILDREN, 0);
    p->name = name;
    p->text = text;
    return p;
}

static int by_bytes(const void *a, const void *b)
{
    return memcmp(a, b, 16);
}

struct pred *pred_traces(struct arena *a, uint8_t (*ids)[16], size_t count)
{
    if (count == 0)
        return NULL;
    qsort(ids, count, sizeof *ids, by_bytes);
    return pred_leaf(a, PRED_AMONG, COL_TRACE_ID, SLICE_EMPTY, slice_of(ids, count * sizeof *ids));
}

void preds_add(struct arena *a, struct preds *k, struct pred *p)
{
    ARENA_PUSH(a, k->list, k->count, k->cap) = p;
}

struct pred *pred_node(struct arena *a, enum pred_op op, const struct preds *k)
{
    if (k->count == 0)
        return NULL;
    struct pred *p = arena_new_of(a, struct pred);
    *p = (struct pred){ .op = op, .kids = k->list, .kid_count = k->count };
    return p;
}

struct pred *pred_not(struct arena *a, struct pred *p)
{
    struct preds one = { 0 };
    preds_add(a, &one, p);
    return pred_node(a, PRED_NOT, &one);
}
