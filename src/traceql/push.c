/* SPDX-License-Identifier: Apache-2.0 */
/* What of a query an engine can check while it looks for spans, so that most blocks are never opened. Of each expression a predicate is made
 * that lets through every span the expression is true of, and perhaps others; where it lets through no other it is exact, and only then may it
 * stand below a "not". Lists among attributes are let through: what is in them is looked at here. */
#include "codec/hex.h"
#include "store/pred.h"
#include "traceql/eval.h"

struct pushed { /* p NULL: anything may be */
    struct pred *p;
    bool is_exact;
};

static const struct pushed nothing = { .p = NULL };

static struct pushed exact(struct pred *p)
{
    return (struct pushed){ p, true };
}

static struct pushed rough(struct pred *p)
{
    return (struct pushed){ p, false };
}

static struct pred *both(struct arena *a, enum pred_op op, struct pred *x, struct pred *y)
{
    struct preds k = { 0 };
    preds_add(a, &k, x);
    preds_add(a, &k, y);
    return pred_node(a, op, &k);
}

/* ---- comparisons of a column ---- */

static enum pred_op op_of(enum tql_op op)
{
    return op == TQL_EQ   ? PRED_EQ
           : op == TQL_NE ? PRED_NE
           : op == TQL_LT ? PRED_LT
           : op == TQL_LE ? PRED_LE
           : op == TQL_GT ? PRED_GT
                          : PRED_GE;
}

static struct pred *number_pred(struct arena *a, enum tql_op op, enum event_column column, struct slice name, const struct tql_value *v)
{
    struct pred *p = pred_leaf(a, op_of(op), column, name, SLICE_EMPTY);
    p->type = v->type == TQL_FLOAT ? FIELD_DOUBLE : FIELD_INT;
    if (v->type == TQL_FLOAT)
        p->d = v->d;
    else
        p->i = v->i;
    return p;
}

static struct pred *regex_pred(struct arena *a, enum event_column column, struct slice name, struct regex *re)
{
    struct pred *p = pred_leaf(a, PRED_RE, column, name, SLICE_EMPTY);
    p->re = re;
    return p;
}

/* A column that each span has, of texts. */
static struct pushed text_column(struct arena *a, const struct tql_expr *e, enum event_column column, const struct tql_value *v)
{
    if (v->type != TQL_STRING)
        return nothing;
    if (e->op == TQL_EQ || e->op == TQL_NE)
        return exact(pred_leaf(a, op_of(e->op), column, SLICE_EMPTY, v->text));
    if (e->op == TQL_RE && e->re)
        return exact(regex_pred(a, column, SLICE_EMPTY, e->re));
    if (e->op == TQL_NRE && e->re)
        return exact(pred_not(a, regex_pred(a, column, SLICE_EMPTY, e->re)));
    return nothing;
}

static struct pushed id_column(struct arena *a, enum tql_op op, enum event_column column, size_t bytes, const struct tql_value *v)
{
    char digits[32];
    uint8_t *id = arena_alloc(a, bytes);
    if (op != TQL_EQ || v->type != TQL_STRING || v->text.len == 0 || v->text.len > 2 * bytes)
        return nothing;
    memset(digits, '0', sizeof digits);
    memcpy(digits + 2 * bytes - v->text.len, v->text.ptr, v->text.len);
    if (!hex_decode(slice_of(digits, 2 * bytes), id))
        return nothing;
    return exact(pred_text(a, column, SLICE_EMPTY, slice_of(id, bytes)));
}

static struct pushed word_column(struct arena *a, enum tql_op op, enum event_column column, enum tql_type type, const struct tql_value *v)
{
    return v->type == type && (op == TQL_EQ || op == TQL_NE) ? exact(pred_int(a, op_of(op), column, v->i)) : nothing;
}

static bool is_number(const struct tql_value *v)
{
    return v->type == TQL_INT || v->type == TQL_FLOAT || v->type == TQL_DURATION;
}

static struct pushed attribute(struct arena *a, const struct tql_expr *e, struct slice name, int scope, const struct tql_value *v);

/* A span without events has nothing of an event that could be equal or unequal. */
static struct pushed child(struct arena *a, enum tql_op op, struct slice name, enum event_column column, const struct tql_value *v)
{
    if (v->type == TQL_NIL)
        return nothing;
    if (op == TQL_EQ && v->type == TQL_STRING && name.len)
        return rough(pred_child(a, name, v->text));
    return rough(pred_int(a, PRED_GT, column, 0));
}

static struct pushed intrinsic(struct arena *a, const struct tql_expr *e, enum tql_intrinsic what, const struct tql_value *v)
{
    switch (what) {
    case TQL_NAME:
        return text_column(a, e, COL_BODY, v);
    case TQL_DURATION_OF_SPAN:
        return is_number(v) && e->op >= TQL_EQ && e->op <= TQL_GE ? exact(number_pred(a, e->op, COL_DURATION, SLICE_EMPTY, v)) : nothing;
    case TQL_STATUS_OF_SPAN:
        return word_column(a, e->op, COL_SPAN_STATUS, TQL_STATUS, v);
    case TQL_KIND_OF_SPAN:
        return word_column(a, e->op, COL_SPAN_KIND, TQL_KIND, v);
    case TQL_SPAN_ID:
        return id_column(a, e->op, COL_SPAN_ID, 8, v);
    case TQL_PARENT_ID:
        return id_column(a, e->op, COL_PARENT_ID, 8, v);
    case TQL_TRACE_ID:
        return id_column(a, e->op, COL_TRACE_ID, 16, v);
    case TQL_SCOPE_NAME:
        return attribute(a, e, EVENT_SCOPE_NAME, SCOPE_INSTRUMENTATION, v);
    case TQL_SCOPE_VERSION:
        return attribute(a, e, EVENT_SCOPE_VERSION, SCOPE_INSTRUMENTATION, v);
    case TQL_EVENT_NAME:
        return child(a, e->op, EVENT_CHILD_NAME, COL_EVENTS, v);
    case TQL_EVENT_TIME:
        return child(a, e->op, SLICE_EMPTY, COL_EVENTS, v);
    case TQL_LINK_TRACE_ID:
    case TQL_LINK_SPAN_ID:
        return child(a, e->op, SLICE_EMPTY, COL_LINKS, v);
    default:
        return nothing; /* of the trace, of events or links, or without a column */
    }
}

/* ---- comparisons of an attribute ---- */

static struct pred *of_scope(struct pred *p, int scope)
{
    p->scope = scope;
    return p;
}

static struct pred *is_there(struct arena *a, struct slice name, int scope)
{
    return of_scope(pred_leaf(a, PRED_EXISTS, COL_FIELD, name, SLICE_EMPTY), scope);
}

/* p, or a list. */
static struct pred *or_list(struct arena *a, struct pred *p, struct slice name, int scope)
{
    struct pred *list = is_there(a, name, scope);
    list->type = FIELD_JSON;
    return both(a, PRED_OR, of_scope(p, scope), list);
}

static struct pushed attribute(struct arena *a, const struct tql_expr *e, struct slice name, int scope, const struct tql_value *v)
{
    if (v->type == TQL_NIL)
        return nothing;
    if (e->op == TQL_NE || e->op == TQL_NRE)
        return rough(is_there(a, name, scope));
    if (e->op == TQL_RE)
        return e->re ? rough(or_list(a, regex_pred(a, COL_FIELD, name, e->re), name, scope)) : nothing;
    if (is_number(v))
        return rough(or_list(a, number_pred(a, e->op, COL_FIELD, name, v), name, scope));
    if (v->type == TQL_STRING)
        return rough(or_list(a, pred_leaf(a, op_of(e->op), COL_FIELD, name, v->text), name, scope));
    if (v->type == TQL_BOOL && e->op == TQL_EQ)
        return rough(or_list(a, pred_text(a, COL_FIELD, name, v->i ? SLICE("true") : SLICE("false")), name, scope));
    return nothing;
}

static int scope_of(enum tql_scope s)
{
    return s == TQL_SCOPE_SPAN              ? SCOPE_RECORD
           : s == TQL_SCOPE_RESOURCE        ? SCOPE_RESOURCE
           : s == TQL_SCOPE_INSTRUMENTATION ? SCOPE_INSTRUMENTATION
                                            : -1;
}

/* The service stands in a column of its own; a span's own attribute of that name goes before it where no scope is named. */
static struct pushed service(struct arena *a, const struct tql_expr *e, const struct tql_field *f, const struct tql_value *v)
{
    struct pushed column = text_column(a, e, COL_SERVICE, v);
    if (f->scope == TQL_SCOPE_RESOURCE || column.p == NULL)
        return column.p && e->op != TQL_NE && e->op != TQL_NRE ? column : rough(column.p);
    return rough(both(a, PRED_OR, column.p, is_there(a, f->name, SCOPE_RECORD)));
}

static bool is_plain(const struct tql_field *f)
{
    return !f->of_parent && f->scope != TQL_SCOPE_EVENT && f->scope != TQL_SCOPE_LINK && f->scope != TQL_SCOPE_INTRINSIC;
}

static struct pushed compare_with(struct arena *a, const struct tql_expr *e, const struct tql_field *f, const struct tql_value *v)
{
    bool is_service = (f->scope == TQL_SCOPE_RESOURCE || f->scope == TQL_SCOPE_ANY) && slice_eq(f->name, SLICE("service.name"));
    if (f->of_parent)
        return nothing;
    if (f->scope == TQL_SCOPE_INTRINSIC)
        return intrinsic(a, e, f->intrinsic, v);
    if (!is_plain(f))
        return child(a, e->op, f->name, f->scope == TQL_SCOPE_EVENT ? COL_EVENTS : COL_LINKS, v);
    if (is_service)
        return service(a, e, f, v);
    if (v->type == TQL_NIL && e->op == TQL_EQ) /* an empty list says nothing, either */
        return rough(or_list(a, pred_not(a, is_there(a, f->name, scope_of(f->scope))), f->name, scope_of(f->scope)));
    if (v->type == TQL_NIL && e->op == TQL_NE)
        return rough(is_there(a, f->name, scope_of(f->scope)));
    return attribute(a, e, f->name, scope_of(f->scope), v);
}

/* ---- expressions ---- */

static enum tql_op turned(enum tql_op op)
{
    return op == TQL_LT ? TQL_GT : op == TQL_LE ? TQL_GE : op == TQL_GT ? TQL_LT : op == TQL_GE ? TQL_LE : op;
}

static struct pushed expr(struct arena *a, const struct tql_expr *e);

static struct pushed comparison(struct arena *a, const struct tql_expr *e)
{
    struct tql_expr other = *e;
    if (e->left->kind == TQL_EXPR_FIELD && e->right->kind == TQL_EXPR_VALUE)
        return compare_with(a, e, &e->left->field, &e->right->value);
    if (e->left->kind != TQL_EXPR_VALUE || e->right->kind != TQL_EXPR_FIELD || e->op == TQL_RE || e->op == TQL_NRE)
        return nothing;
    other.op = turned(e->op);
    return compare_with(a, &other, &e->right->field, &e->left->value);
}

static struct pushed binary(struct arena *a, const struct tql_expr *e)
{
    if (tql_asks_for_root(e))
        return exact(pred_not(a, pred_leaf(a, PRED_EXISTS, COL_PARENT_ID, SLICE_EMPTY, SLICE_EMPTY)));
    if (e->op != TQL_AND && e->op != TQL_OR)
        return e->op >= TQL_EQ ? comparison(a, e) : nothing;
    struct pushed x = expr(a, e->left), y = expr(a, e->right);
    if (x.p && y.p)
        return (struct pushed){ both(a, e->op == TQL_AND ? PRED_AND : PRED_OR, x.p, y.p), x.is_exact && y.is_exact };
    return e->op == TQL_AND ? rough(x.p ? x.p : y.p) : nothing;
}

static struct pushed expr(struct arena *a, const struct tql_expr *e)
{
    struct pushed k;
    switch (e->kind) {
    case TQL_EXPR_VALUE:
        k = exact(pred_leaf(a, PRED_TRUE, COL_FIELD, SLICE_EMPTY, SLICE_EMPTY));
        if (e->value.type != TQL_BOOL || !e->value.i)
            k.p = pred_not(a, k.p);
        return k;
    case TQL_EXPR_FIELD:
        return is_plain(&e->field) ? rough(is_there(a, e->field.name, scope_of(e->field.scope))) : nothing;
    case TQL_EXPR_UNARY:
        k = expr(a, e->left);
        return e->op == TQL_NOT && k.p && k.is_exact ? exact(pred_not(a, k.p)) : nothing;
    case TQL_EXPR_BINARY:
        return binary(a, e);
    }
    return nothing;
}

/* ---- spans and stages ---- */

static struct pushed spans(struct arena *a, const struct tql_spans *s)
{
    bool is_all;
    if (s->kind == TQL_SPANS_FILTER)
        return s->filter ? expr(a, s->filter) : exact(NULL);
    if (s->kind == TQL_SPANS_PIPELINE)
        return rough(tql_push(a, s->pipeline, &is_all));
    struct pushed x = spans(a, s->left), y = spans(a, s->right);
    if (s->relation == TQL_REL_OR)
        return rough(x.p && y.p ? both(a, PRED_OR, x.p, y.p) : NULL);
    if (s->is_negated)
        return rough(y.p);
    return rough(y.p ? y.p : x.p); /* a trace has to have one of each: the one side will do */
}

static bool keeps_spans(const struct tql_stage *s)
{
    return s->kind == TQL_STAGE_SELECT || s->kind == TQL_STAGE_BY || s->kind == TQL_STAGE_COALESCE;
}

/* A span that comes out at the end went through every filter on the way; but the spans of an operation were others', perhaps. */
struct pred *tql_push(struct arena *a, const struct tql_stage *stages, bool *is_all)
{
    struct preds k = { 0 };
    bool is_first = true;
    *is_all = true;
    for (const struct tql_stage *s = stages; s; s = s->next) {
        if (keeps_spans(s))
            continue;
        struct pushed one = s->kind == TQL_STAGE_SPANS && (is_first || s->spans->kind == TQL_SPANS_FILTER) ? spans(a, s->spans) : nothing;
        *is_all = *is_all && one.is_exact;
        if (one.p)
            preds_add(a, &k, one.p);
        if (s->kind == TQL_STAGE_SPANS && s->spans->kind != TQL_SPANS_FILTER) {
            *is_all = false;
            break;
        }
        is_first = false;
    }
    return pred_node(a, PRED_AND, &k);
}
