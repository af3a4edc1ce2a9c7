/* SPDX-License-Identifier: Apache-2.0 */
/* What stands around the braces: sets of spans, numbers of them, pipelines. An opening parenthesis does not tell which of them follows, so
 * each piece is read first, and the operators that join pieces ask what they are. */
#include "traceql/parser.h"

static const char *part_name(const struct tql_part *part)
{
    switch (part->kind) {
    case TQL_PART_SPANS:
        return "a set of spans";
    case TQL_PART_STAGES:
        return part->is_wrapped ? "a pipeline" : "a pipeline without parentheses";
    case TQL_PART_SCALAR:
        return "a number";
    case TQL_PART_SCALAR_STAGES:
        return "a pipeline's number";
    case TQL_PART_METRIC:
        return "a function over time";
    }
    return "";
}

/* ---- stages ---- */

static enum status stage_new(struct tql_parser *p, enum tql_stage_kind kind, struct tql_part *out)
{
    struct tql_stage *s = arena_new_of(p->a, struct tql_stage);
    s->kind = kind;
    *out = (struct tql_part){ .kind = TQL_PART_STAGES, .position = tql_peek(p)->position, .stages = s };
    if (++p->stages > TRACEQL_STAGES_MAX)
        return tql_lex_fail(p->text, out->position, p->err, "more than %d stages", TRACEQL_STAGES_MAX);
    return tql_count(p);
}

enum status tql_part_stages(struct tql_parser *p, const struct tql_part *part, struct tql_stage **out)
{
    struct tql_part made;
    enum status st = ST_OK;
    if (part->kind == TQL_PART_SPANS) {
        st = stage_new(p, TQL_STAGE_SPANS, &made);
        made.stages->spans = part->spans;
        *out = made.stages;
    } else
        *out = part->stages;
    return st;
}

static enum status parse_by(struct tql_parser *p, struct tql_part *out)
{
    enum status st = stage_new(p, TQL_STAGE_BY, out);
    p->at++;
    if (!st)
        st = tql_want(p, "(");
    if (!st)
        st = tql_parse_expr(p, &out->stages->by);
    return st ? st : tql_want(p, ")");
}

static enum status parse_select(struct tql_parser *p, struct tql_part *out)
{
    enum status st = stage_new(p, TQL_STAGE_SELECT, out);
    p->at++;
    return st ? st : tql_parse_fields(p, &out->stages->select, &out->stages->select_count);
}

static enum status parse_coalesce(struct tql_parser *p, struct tql_part *out)
{
    enum status st = stage_new(p, TQL_STAGE_COALESCE, out);
    p->at++;
    if (!st)
        st = tql_want(p, "(");
    return st ? st : tql_want(p, ")");
}

/* ---- numbers of a set ---- */

static enum status scalar_new(struct tql_parser *p, enum tql_scalar_kind kind, size_t position, struct tql_part *out)
{
    struct tql_scalar *s = arena_new_of(p->a, struct tql_scalar);
    s->kind = kind;
    s->position = position;
    *out = (struct tql_part){ .kind = TQL_PART_SCALAR, .position = position, .scalar = s };
    return tql_count(p);
}

static enum status parse_aggregate(struct tql_parser *p, enum tql_aggregate aggregate, struct tql_part *out)
{
    enum status st = scalar_new(p, TQL_SCALAR_AGGREGATE, tql_peek(p)->position, out);
    out->scalar->aggregate = aggregate;
    p->at++;
    if (!st)
        st = tql_want(p, "(");
    if (!st && aggregate != TQL_COUNT)
        st = tql_parse_expr(p, &out->scalar->of);
    return st ? st : tql_want(p, ")");
}

static bool has_aggregate(const struct tql_scalar *s)
{
    return s->kind == TQL_SCALAR_AGGREGATE || (s->kind == TQL_SCALAR_BINARY && (has_aggregate(s->left) || has_aggregate(s->right)));
}

/* ---- pieces and what joins them ---- */

static enum status parse_atom(struct tql_parser *p, struct tql_part *out)
{
    static const char expected[] = "a filter { ... }, an aggregate such as count(), by(), select(), coalesce(), a number or (";
    const struct tql_token *t = tql_peek(p);
    enum tql_aggregate aggregate;
    enum tql_function function;
    struct tql_value v;
    bool is_number;
    *out = (struct tql_part){ .kind = TQL_PART_SPANS, .position = t->position };
    if (tql_is(p, "{"))
        return tql_parse_filter(p, &out->spans);
    if (tql_take(p, "(")) {
        enum status st = tql_parse_pipeline(p, out);
        if (!st && !tql_take(p, ")"))
            st = tql_fail(p, "an operator, | or )");
        out->is_wrapped = true;
        return st;
    }
    enum status st = tql_parse_number(p, &v, &is_number);
    if (st)
        return st;
    if (is_number) {
        st = scalar_new(p, TQL_SCALAR_VALUE, t->position, out);
        out->scalar->value = v;
        return st;
    }
    if (t->kind != TQL_TOKEN_WORD)
        return tql_fail(p, expected);
    if (tql_aggregate_of(t->text, &aggregate))
        return parse_aggregate(p, aggregate, out);
    if (tql_is(p, "by"))
        return parse_by(p, out);
    if (tql_is(p, "select"))
        return parse_select(p, out);
    if (tql_is(p, "coalesce"))
        return parse_coalesce(p, out);
    if (tql_function_of(t->text, &function) || tql_is(p, "topk") || tql_is(p, "bottomk"))
        return tql_fail(p, "what it is of, as in { } | rate() | topk(5)");
    return tql_fail(p, expected);
}

static enum status no_join(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *l, const struct tql_part *r)
{
    if (l->kind == TQL_PART_SCALAR_STAGES || r->kind == TQL_PART_SCALAR_STAGES)
        return tql_lex_fail(p->text, position, p->err, "%.*s between numbers of whole pipelines is not supported", SLICE_FMT(op->text));
    return tql_lex_fail(p->text, position, p->err, "syntax error: unexpected %.*s between %s and %s", SLICE_FMT(op->text), part_name(l),
                        part_name(r));
}

/* A side of an operator between sets of spans. */
static enum status spans_of(struct tql_parser *p, const struct tql_part *part, struct tql_spans **out)
{
    if (part->kind == TQL_PART_SPANS) {
        *out = part->spans;
        return ST_OK;
    }
    *out = arena_new_of(p->a, struct tql_spans);
    **out = (struct tql_spans){ .kind = TQL_SPANS_PIPELINE, .position = part->position, .pipeline = part->stages };
    return tql_count(p);
}

static enum status join_spans(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *l, const struct tql_part *r,
                              struct tql_part *out)
{
    struct tql_spans *s = arena_new_of(p->a, struct tql_spans);
    *s = (struct tql_spans){ .kind = TQL_SPANS_OPERATION, .position = position, .relation = (enum tql_relation)op->relation,
                             .is_negated = op->is_negated, .is_union = op->is_union };
    *out = (struct tql_part){ .kind = TQL_PART_SPANS, .position = l->position, .spans = s };
    enum status st = tql_count(p);
    if (!st)
        st = spans_of(p, l, &s->left);
    return st ? st : spans_of(p, r, &s->right);
}

static enum status join_scalars(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *l,
                                const struct tql_part *r, struct tql_part *out)
{
    enum status st;
    if (op->op >= TQL_EQ) {
        st = stage_new(p, TQL_STAGE_SCALAR_FILTER, out);
        out->position = l->position;
        out->stages->left = l->scalar;
        out->stages->right = r->scalar;
        out->stages->op = (enum tql_op)op->op;
        if (!st && !has_aggregate(l->scalar) && !has_aggregate(r->scalar))
            st = tql_lex_fail(p->text, position, p->err, "syntax error: unexpected %.*s between numbers, expecting an aggregate such as count()",
                              SLICE_FMT(op->text));
        return st;
    }
    st = scalar_new(p, TQL_SCALAR_BINARY, position, out);
    out->position = l->position;
    out->scalar->op = (enum tql_op)op->op;
    out->scalar->left = l->scalar;
    out->scalar->right = r->scalar;
    return st;
}

static bool is_spans(const struct tql_part *part)
{
    return part->kind == TQL_PART_SPANS || (part->kind == TQL_PART_STAGES && part->is_wrapped);
}

static enum status join(struct tql_parser *p, const struct tql_binary *op, size_t position, const struct tql_part *l, const struct tql_part *r,
                        struct tql_part *out)
{
    bool is_compare = op->op >= TQL_EQ && op->op <= TQL_GE, is_sum = op->op >= TQL_ADD && op->op <= TQL_POW;
    bool has_metric = l->kind == TQL_PART_METRIC || r->kind == TQL_PART_METRIC;
    bool is_number = l->kind == TQL_PART_SCALAR && r->kind == TQL_PART_SCALAR;
    if (op->relation >= 0 && is_spans(l) && is_spans(r))
        return join_spans(p, op, position, l, r, out);
    if (is_number && (is_compare || is_sum))
        return join_scalars(p, op, position, l, r, out);
    if (has_metric && (is_compare || is_sum) && (l->kind == TQL_PART_METRIC || l->kind == TQL_PART_SCALAR) &&
        (r->kind == TQL_PART_METRIC || r->kind == TQL_PART_SCALAR)) {
        *out = (struct tql_part){ .kind = TQL_PART_METRIC, .position = l->position };
        return tql_metric_binary(p, op, position, l, r, &out->metric);
    }
    return no_join(p, op, position, l, r);
}

enum status tql_parse_operation(struct tql_parser *p, int min_precedence, struct tql_part *out)
{
    enum status st = tql_deeper(p);
    if (!st)
        st = parse_atom(p, out);
    while (!st) {
        const struct tql_token *t = tql_peek(p);
        const struct tql_binary *op = t->kind == TQL_TOKEN_OP ? tql_binary_of(t->text) : NULL;
        struct tql_part left = *out, right;
        if (op == NULL || op->precedence < min_precedence)
            break;
        p->at++;
        st = tql_parse_operation(p, op->precedence + (op->op == TQL_POW ? 0 : 1), &right);
        if (!st)
            st = join(p, op, t->position, &left, &right, out);
    }
    p->depth--;
    return st;
}

/* ---- pipelines ---- */

static void append(struct tql_stage **list, struct tql_stage *more)
{
    while (*list)
        list = &(*list)->next;
    *list = more;
}

/* What stands behind a '|' that follows stages. */
static enum status parse_next(struct tql_parser *p, struct tql_part *whole)
{
    enum tql_function function;
    struct tql_part next;
    struct tql_stage *more;
    size_t position = tql_peek(p)->position;
    if (tql_peek(p)->kind == TQL_TOKEN_WORD && tql_function_of(tql_peek(p)->text, &function)) {
        whole->kind = TQL_PART_METRIC;
        whole->is_wrapped = false;
        return tql_metric_function(p, whole->stages, &whole->metric);
    }
    enum status st = tql_parse_operation(p, 0, &next);
    if (st)
        return st;
    whole->is_wrapped = false;
    switch (next.kind) {
    case TQL_PART_SPANS:
    case TQL_PART_STAGES:
        st = tql_part_stages(p, &next, &more);
        append(&whole->stages, more);
        return st;
    case TQL_PART_SCALAR:
        if (!has_aggregate(next.scalar))
            return tql_lex_fail(p->text, position, p->err, "syntax error: unexpected number, expecting an aggregate such as count()");
        if (!tql_is(p, ")"))
            return tql_fail(p, "a comparison, as in { } | count() > 1");
        whole->kind = TQL_PART_SCALAR_STAGES;
        return ST_OK;
    case TQL_PART_SCALAR_STAGES:
    case TQL_PART_METRIC:
        break;
    }
    return tql_lex_fail(p->text, position, p->err, "syntax error: unexpected %s behind a |, expecting a stage", part_name(&next));
}

enum status tql_parse_pipeline(struct tql_parser *p, struct tql_part *out)
{
    enum status st = tql_parse_operation(p, 0, out);
    if (!st && tql_is(p, "|") && out->kind == TQL_PART_SPANS) {
        st = tql_part_stages(p, out, &out->stages);
        out->kind = TQL_PART_STAGES;
    }
    while (!st && out->kind == TQL_PART_STAGES && tql_take(p, "|"))
        st = parse_next(p, out);
    if (!st && out->kind == TQL_PART_METRIC)
        st = tql_metric_more(p, &out->metric);
    if (!st && tql_is(p, "|"))
        st = out->kind == TQL_PART_METRIC ? tql_fail(p, "a comparison, with or the end: only topk() and bottomk() follow")
                                          : tql_fail(p, "a comparison: a number cannot be piped");
    return st;
}
