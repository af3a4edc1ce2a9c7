/* SPDX-License-Identifier: Apache-2.0 */
/* What an expression looks at: its selectors, and its threshold when it is a comparison with a number. */
#include <stdio.h>

#include "promql/ast.h"
#include "promql/functions.h"
#include "promql/promql.h"

static struct slice node_text(struct arena *a, const struct node *n)
{
    struct buf b;
    buf_init(&b, 0);
    format_node(n, &b);
    struct slice text = arena_copy(a, buf_as_slice(&b));
    buf_free(&b);
    return text;
}

static bool makes_something(const struct node *n)
{
    static const struct slice names[] = {SLICE_INIT("absent"), SLICE_INIT("absent_over_time"), SLICE_INIT("vector"), SLICE_INIT("time")};
    for (size_t i = 0; n->kind == NODE_CALL && i < COUNT_OF(names); i++)
        if (slice_eq(n->fn->name, names[i]))
            return true;
    for (size_t i = 0; i < n->kid_count; i++)
        if (makes_something(n->kids[i]))
            return true;
    return false;
}

static void describe_selector(struct arena *a, const struct node *n, struct slice *text, struct slice *name)
{
    struct node bare = *n;
    bare.has_offset = bare.is_anchored = bare.is_smoothed = false;
    bare.offset_expr = NULL;
    bare.at = AT_NONE;
    *text = node_text(a, &bare);
    *name = SLICE_EMPTY;
    for (size_t i = 0; i < n->matcher_count; i++)
        if (n->matchers[i].op == MATCH_EQ && slice_eq(n->matchers[i].name, SLICE("__name__")))
            *name = arena_copy(a, n->matchers[i].value);
}

static void describe_threshold(struct arena *a, const struct node *root, struct query_shape *out)
{
    static const char *const ops[] = {[OP_EQ] = "==", [OP_NE] = "!=", [OP_GT] = ">", [OP_LT] = "<", [OP_GE] = ">=", [OP_LE] = "<="};
    const struct node *n = ast_strip_parens(root);
    if (n->kind != NODE_BINARY || !op_is_comparison(n->op) || n->is_bool)
        return;
    const struct node *right = ast_strip_parens(n->kids[1]);
    bool is_negative = right->kind == NODE_UNARY && right->op == OP_SUB;
    const struct node *number = is_negative ? ast_strip_parens(right->kids[0]) : right;
    if (number->kind != NODE_NUMBER)
        return;
    out->has_threshold = true;
    out->threshold = is_negative ? -number->number : number->number;
    out->left = node_text(a, n->kids[0]);
    snprintf(out->op, sizeof out->op, "%s", ops[n->op]);
}

enum status promql_describe(struct arena *a, struct slice text, uint32_t features, struct query_shape *out, struct err *err)
{
    struct ast ast;
    struct arena *scratch = arena_new(0);
    enum status st = ast_parse(scratch, text, features, &ast, err);
    if (!st) {
        *out = (struct query_shape){.needs_no_data = makes_something(ast.root)};
        out->selectors = arena_array(a, struct slice, ast.selector_count + 1);
        out->names = arena_array(a, struct slice, ast.selector_count + 1);
        for (size_t i = 0; i < ast.selector_count; i++, out->selector_count++)
            describe_selector(a, ast.selectors[i], &out->selectors[i], &out->names[i]);
        describe_threshold(a, ast.root, out);
        ast_destroy(&ast);
    }
    arena_free(scratch);
    return st;
}
