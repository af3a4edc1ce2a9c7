/* SPDX-License-Identifier: Apache-2.0 */
/* A pipeline over one trace: sets of spans go from stage to stage. Which spans of one side are related to which of the other is found for all
 * of them at once, in passes over the tree: a mark goes down it from each span of the one side, or up. */
#include <stdlib.h>

#include "base/buf.h"
#include "base/num.h"
#include "traceql/eval.h"

struct run {
    struct arena *a;
    const struct tql_trace *t;
    uint32_t *order; /* spans, parents before their children; made when it is first asked for */
};

static void run_stages(struct run *r, const struct tql_stage *stages, const struct tql_set *in, struct tql_sets *out);

static void push(struct run *r, struct tql_sets *out, struct tql_set s)
{
    if (s.count)
        ARENA_PUSH(r->a, out->list, out->count, out->cap) = s;
}

/* ---- membership ---- */

static bool *members(struct run *r, const struct tql_set *s)
{
    bool *in = arena_zalloc(r->a, r->t->count + 1);
    for (size_t i = 0; i < s->count; i++)
        in[s->spans[i]] = true;
    return in;
}

static struct tql_set set_of(struct run *r, const bool *in)
{
    struct tql_set s = { .spans = arena_array(r->a, uint32_t, r->t->count + 1) };
    for (uint32_t i = 0; i < r->t->count; i++)
        if (in[i])
            s.spans[s.count++] = i;
    return s;
}

static struct tql_set join(struct run *r, const struct tql_sets *sets)
{
    bool *in = arena_zalloc(r->a, r->t->count + 1);
    for (size_t k = 0; k < sets->count; k++)
        for (size_t i = 0; i < sets->list[k].count; i++)
            in[sets->list[k].spans[i]] = true;
    return set_of(r, in);
}

/* ---- relations ---- */

static const uint32_t *ordered(struct run *r)
{
    const struct tql_trace *t = r->t;
    if (r->order)
        return r->order;
    uint32_t *at = arena_zalloc(r->a, (2 * t->count + 2) * sizeof *at); /* by left: index + 1 */
    size_t n = 0;
    r->order = arena_array(r->a, uint32_t, t->count + 1);
    for (uint32_t i = 0; i < t->count; i++)
        at[t->spans[i].left] = i + 1;
    for (size_t i = 0; i < 2 * t->count + 2; i++)
        if (at[i])
            r->order[n++] = at[i] - 1;
    return r->order;
}

static uint32_t parent_of(const struct run *r, uint32_t span)
{
    return r->t->spans[span].parent;
}

/* hit[i]: the parent of span i is in. */
static void below(struct run *r, const bool *in, bool is_deep, bool *hit)
{
    const uint32_t *order = ordered(r);
    for (size_t i = 0; i < r->t->count; i++) {
        uint32_t parent = parent_of(r, order[i]);
        hit[order[i]] = parent != TQL_NO_SPAN && (in[parent] || (is_deep && hit[parent]));
    }
}

/* hit[i]: a child of span i is in. */
static void above(struct run *r, const bool *in, bool is_deep, bool *hit)
{
    const uint32_t *order = ordered(r);
    memset(hit, 0, r->t->count);
    for (size_t i = r->t->count; i-- > 0;) {
        uint32_t parent = parent_of(r, order[i]);
        if (parent != TQL_NO_SPAN && (in[order[i]] || (is_deep && hit[order[i]])))
            hit[parent] = true;
    }
}

/* hit[i]: another child of its parent is in. */
static void beside(struct run *r, const bool *in, bool *hit)
{
    uint32_t *kids = arena_zalloc(r->a, (r->t->count + 1) * sizeof *kids);
    for (uint32_t i = 0; i < r->t->count; i++)
        if (in[i] && parent_of(r, i) != TQL_NO_SPAN)
            kids[parent_of(r, i)]++;
    for (uint32_t i = 0; i < r->t->count; i++)
        hit[i] = parent_of(r, i) != TQL_NO_SPAN && kids[parent_of(r, i)] > (in[i] ? 1u : 0u);
}

/* hit[i]: some span that is in has the relation to span i, as "in relation i" reads. */
static void related(struct run *r, enum tql_relation relation, const bool *in, bool *hit)
{
    switch (relation) {
    case TQL_REL_CHILD:
    case TQL_REL_DESCENDANT:
        below(r, in, relation == TQL_REL_DESCENDANT, hit);
        break;
    case TQL_REL_PARENT:
    case TQL_REL_ANCESTOR:
        above(r, in, relation == TQL_REL_ANCESTOR, hit);
        break;
    case TQL_REL_SIBLING:
        beside(r, in, hit);
        break;
    case TQL_REL_AND:
    case TQL_REL_OR:
        break;
    }
}

static enum tql_relation turned(enum tql_relation relation)
{
    return relation == TQL_REL_CHILD        ? TQL_REL_PARENT
           : relation == TQL_REL_DESCENDANT ? TQL_REL_ANCESTOR
           : relation == TQL_REL_PARENT     ? TQL_REL_CHILD
           : relation == TQL_REL_ANCESTOR   ? TQL_REL_DESCENDANT
                                            : relation;
}

static struct tql_set structural(struct run *r, const struct tql_spans *op, const struct tql_set *left, const struct tql_set *right)
{
    const bool *in_left = members(r, left), *in_right = members(r, right);
    bool *hit = arena_zalloc(r->a, r->t->count + 1), *out = arena_zalloc(r->a, r->t->count + 1);
    related(r, op->relation, in_left, hit);
    for (size_t i = 0; i < r->t->count; i++)
        out[i] = in_right[i] && hit[i] != op->is_negated;
    if (op->is_union) {
        related(r, turned(op->relation), in_right, hit);
        for (size_t i = 0; i < r->t->count; i++)
            out[i] = out[i] || (in_left[i] && hit[i]);
    }
    return set_of(r, out);
}

/* ---- spans ---- */

static struct tql_set filtered(struct run *r, const struct tql_expr *filter, const struct tql_set *in)
{
    struct tql_set out = { .spans = arena_array(r->a, uint32_t, in->count + 1) };
    for (size_t i = 0; i < in->count; i++)
        if (filter == NULL || tql_expr_is_true(filter, r->t, in->spans[i], r->a))
            out.spans[out.count++] = in->spans[i];
    return out;
}

static struct tql_set spans(struct run *r, const struct tql_spans *s, const struct tql_set *in)
{
    struct tql_sets both = { .count = 0 };
    if (s->kind == TQL_SPANS_FILTER)
        return filtered(r, s->filter, in);
    if (s->kind == TQL_SPANS_PIPELINE) {
        run_stages(r, s->pipeline, in, &both);
        return join(r, &both);
    }
    struct tql_set left = spans(r, s->left, in), right = spans(r, s->right, in);
    if (s->relation != TQL_REL_AND && s->relation != TQL_REL_OR)
        return structural(r, s, &left, &right);
    if (s->relation == TQL_REL_AND && (left.count == 0 || right.count == 0))
        return (struct tql_set){ .count = 0 };
    push(r, &both, left);
    push(r, &both, right);
    return join(r, &both);
}

static void stage_spans(struct run *r, const struct tql_spans *s, const struct tql_set *in, struct tql_sets *out)
{
    if (s->kind == TQL_SPANS_PIPELINE) {
        run_stages(r, s->pipeline, in, out);
        return;
    }
    struct tql_set set = spans(r, s, in);
    set.attrs = in->attrs;
    set.attr_count = in->attr_count;
    push(r, out, set);
}

/* ---- numbers of a set ---- */

static void add_attr(struct run *r, struct tql_set *s, struct slice name, struct tql_value value)
{
    struct tql_attr *list = arena_array(r->a, struct tql_attr, s->attr_count + 1);
    for (size_t i = 0; i < s->attr_count; i++) {
        list[i] = s->attrs[i];
        if (slice_eq(list[i].name, name))
            return;
    }
    list[s->attr_count] = (struct tql_attr){ name, value };
    s->attrs = list;
    s->attr_count++;
}

static struct tql_value aggregate(struct run *r, const struct tql_scalar *s, const struct tql_set *set)
{
    struct tql_value best = { .type = TQL_NIL }, sum = { .type = TQL_INT };
    size_t n = 0;
    double d;
    if (s->aggregate == TQL_COUNT)
        return (struct tql_value){ .type = TQL_INT, .i = (int64_t)set->count };
    for (size_t i = 0; i < set->count; i++) {
        struct tql_value v = tql_expr_value(s->of, r->t, set->spans[i], r->a);
        if (!tql_value_number(&v, &d))
            continue;
        int order = n++ ? tql_value_cmp(&v, &best) : 0;
        if (n == 1 || (s->aggregate == TQL_MAX ? order > 0 : order < 0))
            best = v;
        sum = n == 1 ? v : tql_value_binary(TQL_ADD, &sum, &v);
    }
    struct tql_value count = { .type = TQL_INT, .i = (int64_t)n };
    if (n == 0 || s->aggregate == TQL_MAX || s->aggregate == TQL_MIN)
        return best;
    return s->aggregate == TQL_SUM ? sum : tql_value_binary(TQL_DIV, &sum, &count);
}

static struct tql_value scalar(struct run *r, const struct tql_scalar *s, struct tql_set *set)
{
    if (s->kind == TQL_SCALAR_VALUE)
        return s->value;
    if (s->kind == TQL_SCALAR_BINARY) {
        struct tql_value x = scalar(r, s->left, set), y = scalar(r, s->right, set);
        return tql_value_binary(s->op, &x, &y);
    }
    struct tql_value v = aggregate(r, s, set);
    struct buf name;
    buf_init(&name, QUERY_TEXT_BYTES_MAX);
    traceql_format_scalar(s, &name);
    add_attr(r, set, arena_copy(r->a, buf_as_slice(&name)), v);
    buf_free(&name);
    return v;
}

static void stage_scalar(struct run *r, const struct tql_stage *s, const struct tql_set *in, struct tql_sets *out)
{
    struct tql_set set = *in;
    struct tql_value x = scalar(r, s->left, &set), y = scalar(r, s->right, &set), v = tql_value_binary(s->op, &x, &y);
    if (v.type == TQL_BOOL && v.i)
        push(r, out, set);
}

/* ---- groups ---- */

struct keyed {
    struct tql_value key;
    uint32_t span;
};

static int by_key(const void *a, const void *b)
{
    const struct keyed *x = a, *y = b;
    int order = tql_value_cmp(&x->key, &y->key);
    return order ? order : (x->span > y->span) - (x->span < y->span);
}

static void stage_by(struct run *r, const struct tql_expr *by, const struct tql_set *in, struct tql_sets *out)
{
    struct keyed *list = arena_array(r->a, struct keyed, in->count + 1);
    struct buf name;
    for (size_t i = 0; i < in->count; i++)
        list[i] = (struct keyed){ tql_expr_value(by, r->t, in->spans[i], r->a), in->spans[i] };
    qsort(list, in->count, sizeof *list, by_key);
    buf_init(&name, QUERY_TEXT_BYTES_MAX);
    buf_slice(&name, SLICE("by("));
    traceql_format_expr(by, &name);
    buf_slice(&name, SLICE(")"));
    struct slice kept = arena_copy(r->a, buf_as_slice(&name));
    buf_free(&name);
    for (size_t i = 0, end; i < in->count; i = end) {
        struct tql_set group = { .attrs = in->attrs, .attr_count = in->attr_count };
        for (end = i; end < in->count && tql_value_cmp(&list[i].key, &list[end].key) == 0;)
            end++;
        group.spans = arena_array(r->a, uint32_t, end - i);
        for (size_t k = i; k < end; k++)
            group.spans[group.count++] = list[k].span;
        add_attr(r, &group, kept, list[i].key);
        push(r, out, group);
    }
}

/* ---- stages ---- */

static void stage(struct run *r, const struct tql_stage *s, const struct tql_sets *in, struct tql_sets *out)
{
    if (s->kind == TQL_STAGE_COALESCE) {
        push(r, out, join(r, in));
        return;
    }
    for (size_t i = 0; i < in->count && !arena_over(r->a); i++) { /* who asks looks whether it is over, and says so */
        if (s->kind == TQL_STAGE_SPANS)
            stage_spans(r, s->spans, &in->list[i], out);
        else if (s->kind == TQL_STAGE_SCALAR_FILTER)
            stage_scalar(r, s, &in->list[i], out);
        else if (s->kind == TQL_STAGE_BY)
            stage_by(r, s->by, &in->list[i], out);
        else
            push(r, out, in->list[i]);
    }
}

static void run_stages(struct run *r, const struct tql_stage *stages, const struct tql_set *in, struct tql_sets *out)
{
    struct tql_sets now = { .count = 0 };
    push(r, &now, *in);
    for (const struct tql_stage *s = stages; s && now.count; s = s->next) {
        struct tql_sets next = { .count = 0 };
        stage(r, s, &now, &next);
        now = next;
    }
    for (size_t i = 0; i < now.count; i++)
        push(r, out, now.list[i]);
}

void tql_stages_run(struct arena *a, const struct tql_stage *stages, const struct tql_trace *t, struct tql_sets *out)
{
    struct run r = { .a = a, .t = t };
    struct tql_set all = { .spans = arena_array(a, uint32_t, t->count + 1), .count = t->count };
    for (uint32_t i = 0; i < t->count; i++)
        all.spans[i] = i;
    *out = (struct tql_sets){ .count = 0 };
    run_stages(&r, stages, &all, out);
}
