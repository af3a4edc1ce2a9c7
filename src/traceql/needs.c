/* SPDX-License-Identifier: Apache-2.0 */
/* What a query looks at: one span at a time or whole traces, and which columns. */
#include "traceql/eval.h"

static const struct {
    unsigned want;
    bool whole_trace;
} intrinsics[TQL_INTRINSIC_COUNT] = {
    [TQL_NAME] = { .want = WANT_BODY }, [TQL_STATUS_MESSAGE] = { .want = WANT_SPAN },
    [TQL_SPAN_ID] = { .want = WANT_IDS }, [TQL_PARENT_ID] = { .want = WANT_IDS }, [TQL_PARENT] = { .want = WANT_IDS },
    [TQL_TRACE_ID] = { .want = WANT_IDS },
    [TQL_EVENT_NAME] = { .want = WANT_SPAN }, [TQL_EVENT_TIME] = { .want = WANT_SPAN },
    [TQL_LINK_TRACE_ID] = { .want = WANT_SPAN }, [TQL_LINK_SPAN_ID] = { .want = WANT_SPAN },
    [TQL_SCOPE_NAME] = { .want = WANT_FIELDS }, [TQL_SCOPE_VERSION] = { .want = WANT_FIELDS },
    [TQL_CHILD_COUNT] = { .whole_trace = true }, [TQL_NESTED_LEFT] = { .whole_trace = true }, [TQL_NESTED_RIGHT] = { .whole_trace = true },
    [TQL_NESTED_PARENT] = { .whole_trace = true }, [TQL_TRACE_DURATION] = { .whole_trace = true },
    [TQL_ROOT_NAME] = { .want = WANT_BODY, .whole_trace = true }, [TQL_ROOT_SERVICE] = { .whole_trace = true },
};

static void needs_name(struct tql_needs *n, struct slice name)
{
    if (n->a)
        ARENA_PUSH(n->a, n->names, n->name_count, n->name_cap) = name;
}

static void needs_of_field(const struct tql_field *f, struct tql_needs *n)
{
    n->whole_trace = n->whole_trace || f->of_parent;
    if (f->scope == TQL_SCOPE_INTRINSIC) {
        n->want |= intrinsics[f->intrinsic].want;
        n->whole_trace = n->whole_trace || intrinsics[f->intrinsic].whole_trace;
        if (f->intrinsic == TQL_SCOPE_NAME || f->intrinsic == TQL_SCOPE_VERSION)
            needs_name(n, f->intrinsic == TQL_SCOPE_NAME ? EVENT_SCOPE_NAME : EVENT_SCOPE_VERSION);
    } else if (f->scope == TQL_SCOPE_EVENT || f->scope == TQL_SCOPE_LINK) {
        n->want |= WANT_SPAN;
    } else if (f->scope != TQL_SCOPE_RESOURCE || !slice_eq(f->name, SLICE("service.name"))) { /* every span comes with its service */
        n->want |= WANT_FIELDS;
        needs_name(n, f->name);
    }
}

bool tql_asks_for_root(const struct tql_expr *e)
{
    if (e->kind != TQL_EXPR_BINARY || e->left->kind != TQL_EXPR_FIELD || e->right->kind != TQL_EXPR_VALUE || e->right->value.type != TQL_INT)
        return false;
    const struct tql_field *f = &e->left->field;
    bool is_it = f->scope == TQL_SCOPE_INTRINSIC && f->intrinsic == TQL_NESTED_PARENT && !f->of_parent;
    return is_it && ((e->op == TQL_LT && e->right->value.i == 0) || (e->op == TQL_EQ && e->right->value.i == -1));
}

void tql_needs_of_expr(const struct tql_expr *e, struct tql_needs *n)
{
    if (e == NULL)
        return;
    if (tql_asks_for_root(e)) {
        n->want |= WANT_IDS;
        return;
    }
    if (e->kind == TQL_EXPR_FIELD)
        needs_of_field(&e->field, n);
    tql_needs_of_expr(e->left, n);
    tql_needs_of_expr(e->right, n);
}

static void needs_of_spans(const struct tql_spans *s, struct tql_needs *n)
{
    if (s->kind == TQL_SPANS_FILTER) {
        tql_needs_of_expr(s->filter, n);
        return;
    }
    n->whole_trace = true;
    if (s->kind == TQL_SPANS_PIPELINE) {
        tql_needs_of_stages(s->pipeline, n);
        return;
    }
    needs_of_spans(s->left, n);
    needs_of_spans(s->right, n);
}

static void needs_of_scalar(const struct tql_scalar *s, struct tql_needs *n)
{
    if (s == NULL)
        return;
    tql_needs_of_expr(s->of, n);
    needs_of_scalar(s->left, n);
    needs_of_scalar(s->right, n);
}

/* by() alone tells spans apart; only a scalar filter or coalesce() behind it makes a difference to which spans come out, and those look at
 * sets. */
void tql_needs_of_stages(const struct tql_stage *stages, struct tql_needs *n)
{
    for (const struct tql_stage *s = stages; s; s = s->next) {
        n->whole_trace = n->whole_trace || s->kind == TQL_STAGE_SCALAR_FILTER;
        if (s->kind == TQL_STAGE_SPANS)
            needs_of_spans(s->spans, n);
        needs_of_scalar(s->left, n);
        needs_of_scalar(s->right, n);
        tql_needs_of_expr(s->by, n);
        for (size_t i = 0; i < s->select_count; i++)
            tql_needs_of_expr(s->select[i], n);
    }
    if (n->whole_trace)
        n->want |= WANT_IDS;
}
