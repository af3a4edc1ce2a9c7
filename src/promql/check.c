/* SPDX-License-Identifier: Apache-2.0 */
/* Types, from the leaves up, with the sentences people know from Prometheus. */
#include "promql/functions.h"
#include "promql/words.h"

const char *ast_type_name(enum expr_type type)
{
    switch (type) {
    case TYPE_NONE:
        return "none";
    case TYPE_SCALAR:
        return "scalar";
    case TYPE_STRING:
        return "string";
    case TYPE_VECTOR:
        return "instant vector";
    case TYPE_MATRIX:
        return "range vector";
    }
    return "none";
}

static enum status expect(struct ast *ast, const struct node *n, enum expr_type want, const char *where, struct err *err)
{
    if (n->type == want)
        return ST_OK;
    return ast_error(err, ast->text, n->start, "expected type %s in %s, got %s", ast_type_name(want), where, ast_type_name(n->type));
}

static enum status check_selector(struct ast *ast, struct node *n, struct err *err)
{
    n->type = TYPE_VECTOR;
    for (size_t i = 0; i < n->matcher_count; i++)
        if (!matcher_matches_empty(&n->matchers[i]))
            return ST_OK;
    return ast_error(err, ast->text, n->start, "vector selector must contain at least one non-empty matcher");
}

static enum status check_call(struct ast *ast, struct node *n, struct err *err)
{
    const struct function *f = n->fn;
    size_t max = f->arg_count, min = f->optional < 0 ? max - 1 : max - (size_t)f->optional, got = n->kid_count;
    const char *s = "argument(s)";
    n->type = f->returns;
    if (f->optional == 0 && got != max)
        return ast_error(err, ast->text, n->start, "expected %zu %s in call to \"%.*s\", got %zu", max, s, SLICE_FMT(f->name), got);
    if (got < min)
        return ast_error(err, ast->text, n->start, "expected at least %zu %s in call to \"%.*s\", got %zu", min, s, SLICE_FMT(f->name), got);
    if (f->optional >= 0 && got > max)
        return ast_error(err, ast->text, n->start, "expected at most %zu %s in call to \"%.*s\", got %zu", max, s, SLICE_FMT(f->name), got);
    for (size_t i = 0; i < got; i++) {
        char where[128];
        struct buf b = { where, 0, sizeof where, sizeof where, false };
        buf_printf(&b, "call to function \"%.*s\"%c", SLICE_FMT(f->name), 0);
        enum status st = expect(ast, n->kids[i], f->args[MIN(i, max - 1)], where, err);
        if (st)
            return st;
        const struct node *m = ast_strip_parens(n->kids[i]);
        const struct node *sel = m->kind == NODE_MATRIX ? m->kids[0] : m;
        if (sel->is_anchored && !(f->flags & FN_ANCHORED))
            return err_set(err, ST_INVALID, "anchored modifier can only be used with: changes, delta, increase, rate, resets - not with %.*s",
                             SLICE_FMT(f->name));
        if (m->kind == NODE_MATRIX && sel->is_smoothed && !(f->flags & FN_RATE_LIKE))
            return err_set(err, ST_INVALID, "smoothed modifier can only be used with: delta, increase, rate - not with %.*s",
                             SLICE_FMT(f->name));
    }
    return ST_OK;
}

static enum status check_aggregate(struct ast *ast, struct node *n, struct err *err)
{
    enum status st = expect(ast, n->kids[n->kid_count - 1], TYPE_VECTOR, "aggregation expression", err);
    n->type = TYPE_VECTOR;
    if (!st && agg_has_param(n->agg))
        st = expect(ast, n->kids[0], n->agg == AGGR_COUNT_VALUES ? TYPE_STRING : TYPE_SCALAR, "aggregation parameter", err);
    return st;
}

static enum status check_matching(struct ast *ast, const struct node *n, struct err *err)
{
    const struct matching *m = &n->matching;
    struct slice op = words_binary_name(n->op);
    if (op_is_set(n->op) && (m->card == CARD_MANY_TO_ONE || m->card == CARD_ONE_TO_MANY))
        return ast_error(err, ast->text, n->start, "no grouping allowed for \"%.*s\" operation", SLICE_FMT(op));
    if (op_is_set(n->op) && (m->has_fill_left || m->has_fill_right))
        return ast_error(err, ast->text, n->start, "filling in missing series not allowed for set operators");
    if (m->on)
        for (size_t i = 0; i < m->names.count; i++)
            for (size_t j = 0; j < m->include.count; j++)
                if (slice_eq(m->names.list[i], m->include.list[j]))
                    return ast_error(err, ast->text, n->op_start, "label \"%.*s\" must not occur in ON and GROUP clause at once",
                                     SLICE_FMT(m->names.list[i]));
    return ST_OK;
}

static enum status check_binary(struct ast *ast, struct node *n, struct err *err)
{
    struct slice op = words_binary_name(n->op);
    enum expr_type l = n->kids[0]->type, r = n->kids[1]->type;
    bool both = l == TYPE_VECTOR && r == TYPE_VECTOR;
    if (n->is_bool && !op_is_comparison(n->op))
        return ast_error(err, ast->text, n->op_start, "bool modifier can only be used on comparison operators");
    if (op_is_comparison(n->op) && !n->is_bool && l == TYPE_SCALAR && r == TYPE_SCALAR)
        return ast_error(err, ast->text, n->op_start, "comparisons between scalars must use BOOL modifier");
    if (op_is_trim(n->op) && l == TYPE_SCALAR && r == TYPE_SCALAR)
        return ast_error(err, ast->text, n->op_start, "operator \"%.*s\" not allowed for Scalar operations", SLICE_FMT(op));
    for (size_t i = 0; i < 2; i++)
        if (n->kids[i]->type != TYPE_SCALAR && n->kids[i]->type != TYPE_VECTOR)
            return ast_error(err, ast->text, n->kids[i]->start, "binary expression must contain only scalar and instant vector types");
    if (!both && op_is_set(n->op))
        return ast_error(err, ast->text, n->start, "set operator \"%.*s\" not allowed in binary scalar expression", SLICE_FMT(op));
    if (!both && (n->matching.is_given || n->matching.has_fill_left || n->matching.has_fill_right))
        return ast_error(err, ast->text, n->start, "vector matching only allowed between instant vectors");
    n->type = l == TYPE_SCALAR && r == TYPE_SCALAR ? TYPE_SCALAR : TYPE_VECTOR;
    return check_matching(ast, n, err);
}

static enum status check_one(struct ast *ast, struct node *n, struct err *err)
{
    switch (n->kind) {
    case NODE_NUMBER:
    case NODE_TIMING:
        n->type = TYPE_SCALAR;
        return ST_OK;
    case NODE_STRING:
        n->type = TYPE_STRING;
        return ST_OK;
    case NODE_SELECTOR:
        return check_selector(ast, n, err);
    case NODE_MATRIX:
        n->type = TYPE_MATRIX;
        return ST_OK;
    case NODE_SUBQUERY:
        n->type = TYPE_MATRIX;
        if (n->kids[0]->type == TYPE_VECTOR)
            return ST_OK;
        return ast_error(err, ast->text, n->start, "subquery is only allowed on instant vector, got %s instead",
                         ast_type_name(n->kids[0]->type));
    case NODE_CALL:
        return check_call(ast, n, err);
    case NODE_AGGREGATE:
        return check_aggregate(ast, n, err);
    case NODE_BINARY:
        return check_binary(ast, n, err);
    case NODE_UNARY:
        n->type = n->kids[0]->type;
        if (n->type == TYPE_SCALAR || n->type == TYPE_VECTOR)
            return ST_OK;
        return ast_error(err, ast->text, n->start, "unary expression only allowed on expressions of type scalar or instant vector, got \"%s\"",
                         ast_type_name(n->type));
    case NODE_PAREN:
        n->type = n->kids[0]->type;
        return ST_OK;
    }
    return ST_OK;
}

enum status check_node(struct ast *ast, struct node *n, struct err *err)
{
    for (size_t i = 0; i < n->kid_count; i++) {
        bool is_filter = n->kind == NODE_CALL && i == 1 && (n->fn->flags & FN_FILTERED);
        if (is_filter && n->kids[i]->kind != NODE_SELECTOR)
            return ast_error(err, ast->text, n->kids[i]->start, "expected label selectors only in call to function \"%.*s\"",
                             SLICE_FMT(n->fn->name));
        if (is_filter) {
            n->kids[i]->type = TYPE_VECTOR;
            continue;
        }
        enum status st = check_node(ast, n->kids[i], err);
        if (st)
            return st;
    }
    return check_one(ast, n, err);
}
