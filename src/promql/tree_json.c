/* SPDX-License-Identifier: Apache-2.0 */
/* A query's tree as JSON, in the shape of Prometheus's parse_query: what its page and editors draw trees from. */
#include "base/num.h"
#include "codec/json.h"
#include "promql/functions.h"
#include "promql/promql.h"
#include "promql/words.h"

static void put_node(struct json_writer *w, const struct node *n);

static void put_text(struct json_writer *w, struct slice key, struct slice value)
{
    json_key(w, key);
    json_string(w, value);
}

static void put_null(struct json_writer *w)
{
    json_raw(w, SLICE("null"));
}

static void put_kid(struct json_writer *w, struct slice key, const struct node *n)
{
    json_key(w, key);
    if (n)
        put_node(w, n);
    else
        put_null(w);
}

static void put_value(struct json_writer *w, struct slice key, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    put_text(w, key, slice_of(text, num_format_fixed(v, text)));
}

static void put_names(struct json_writer *w, struct slice key, const struct names *names)
{
    json_key(w, key);
    json_array_begin(w);
    for (size_t i = 0; i < names->count; i++)
        json_string(w, names->list[i]);
    json_array_end(w);
}

/* ---- selectors ---- */

static void put_matcher(struct json_writer *w, const struct matcher *m)
{
    static const struct slice ops[] = { [MATCH_EQ] = SLICE_INIT("="), [MATCH_NE] = SLICE_INIT("!="), [MATCH_RE] = SLICE_INIT("=~"),
                                        [MATCH_NRE] = SLICE_INIT("!~") };
    json_object_begin(w);
    put_text(w, SLICE("name"), m->name);
    put_text(w, SLICE("type"), ops[m->op]);
    put_text(w, SLICE("value"), m->value);
    json_object_end(w);
}

static void put_matchers(struct json_writer *w, const struct node *n)
{
    json_key(w, SLICE("matchers"));
    json_array_begin(w);
    for (int names = 0; names < 2; names++) /* that of the name stands last */
        for (size_t i = 0; i < n->matcher_count; i++)
            if ((n->text.len > 0 && slice_eq(n->matchers[i].name, SLICE("__name__"))) == (names == 1))
                put_matcher(w, &n->matchers[i]);
    json_array_end(w);
}

/* What a duration is computed from; null where it was written as a duration. */
static void put_duration(struct json_writer *w, const struct node *n)
{
    if (n == NULL) {
        put_null(w);
        return;
    }
    bool wrapped = n->kind == NODE_PAREN;
    while (n->kind == NODE_PAREN)
        n = n->kids[0];
    json_object_begin(w);
    if (n->kind == NODE_NUMBER) {
        put_text(w, SLICE("type"), SLICE("numberLiteral"));
        put_value(w, SLICE("val"), n->number);
        json_key(w, SLICE("duration"));
        json_bool(w, n->is_duration);
        json_object_end(w);
        return;
    }
    static const struct slice timings[] = { [TIMING_STEP] = SLICE_INIT("step"), [TIMING_RANGE] = SLICE_INIT("range"),
                                            [TIMING_MIN_OF] = SLICE_INIT("min_of"), [TIMING_MAX_OF] = SLICE_INIT("max_of") };
    bool unary = n->kid_count == 1;
    put_text(w, SLICE("type"), SLICE("durationExpr"));
    put_text(w, SLICE("op"), n->kind == NODE_TIMING ? timings[n->timing] : words_binary_name(n->op));
    json_key(w, SLICE("lhs"));
    put_duration(w, n->kid_count > 1 ? n->kids[0] : NULL);
    json_key(w, SLICE("rhs"));
    put_duration(w, n->kid_count > 1 ? n->kids[1] : unary ? n->kids[0] : NULL);
    json_key(w, SLICE("wrapped"));
    json_bool(w, wrapped);
    json_object_end(w);
}

static void put_offset(struct json_writer *w, const struct node *n)
{
    json_key(w, SLICE("offset"));
    json_int(w, n->offset_expr ? 0 : n->offset_ms);
    json_key(w, SLICE("offsetExpr"));
    put_duration(w, n->offset_expr);
}

static void put_at(struct json_writer *w, const struct node *n)
{
    json_key(w, SLICE("timestamp"));
    if (n->at == AT_TIME)
        json_int(w, n->at_ms);
    else
        put_null(w);
    json_key(w, SLICE("startOrEnd"));
    if (n->at == AT_START || n->at == AT_END)
        json_string(w, n->at == AT_START ? SLICE("start") : SLICE("end"));
    else
        put_null(w);
}

static void put_range(struct json_writer *w, const struct node *n)
{
    json_key(w, SLICE("range"));
    json_int(w, n->range_expr ? 0 : n->range_ms);
    json_key(w, SLICE("rangeExpr"));
    put_duration(w, n->range_expr);
}

/* n: a selector; matrix: what its range stands in, or NULL. */
static void put_selector(struct json_writer *w, const struct node *n, const struct node *matrix)
{
    put_text(w, SLICE("type"), matrix ? SLICE("matrixSelector") : SLICE("vectorSelector"));
    put_text(w, SLICE("name"), n->text);
    if (matrix)
        put_range(w, matrix);
    put_offset(w, n);
    put_matchers(w, n);
    put_at(w, n);
    json_key(w, SLICE("anchored"));
    json_bool(w, n->is_anchored);
    json_key(w, SLICE("smoothed"));
    json_bool(w, n->is_smoothed);
}

static void put_subquery(struct json_writer *w, const struct node *n)
{
    put_text(w, SLICE("type"), SLICE("subquery"));
    put_kid(w, SLICE("expr"), n->kids[0]);
    put_range(w, n);
    put_offset(w, n);
    json_key(w, SLICE("step"));
    json_int(w, n->step_expr ? 0 : n->step_ms);
    json_key(w, SLICE("stepExpr"));
    put_duration(w, n->step_expr);
    put_at(w, n);
}

/* ---- operators and functions ---- */

static void put_fill(struct json_writer *w, struct slice key, bool given, double v)
{
    json_key(w, key);
    if (given)
        json_double(w, v);
    else
        put_null(w);
}

static void put_matching(struct json_writer *w, const struct node *n)
{
    static const struct slice cards[] = { [CARD_ONE_TO_ONE] = SLICE_INIT("one-to-one"), [CARD_MANY_TO_ONE] = SLICE_INIT("many-to-one"),
                                          [CARD_ONE_TO_MANY] = SLICE_INIT("one-to-many"), [CARD_MANY_TO_MANY] = SLICE_INIT("many-to-many") };
    const struct matching *m = &n->matching;
    json_key(w, SLICE("matching"));
    if (n->kids[0]->type != TYPE_VECTOR || n->kids[1]->type != TYPE_VECTOR) {
        put_null(w);
        return;
    }
    json_object_begin(w);
    put_text(w, SLICE("card"), op_is_set(n->op) ? cards[CARD_MANY_TO_MANY] : cards[m->card]);
    put_names(w, SLICE("labels"), &m->names);
    json_key(w, SLICE("on"));
    json_bool(w, m->on);
    put_names(w, SLICE("include"), &m->include);
    json_key(w, SLICE("fillValues"));
    json_object_begin(w);
    put_fill(w, SLICE("lhs"), m->has_fill_left, m->fill_left);
    put_fill(w, SLICE("rhs"), m->has_fill_right, m->fill_right);
    json_object_end(w);
    json_object_end(w);
}

static void put_binary(struct json_writer *w, const struct node *n)
{
    put_text(w, SLICE("type"), SLICE("binaryExpr"));
    put_text(w, SLICE("op"), words_binary_name(n->op));
    put_kid(w, SLICE("lhs"), n->kids[0]);
    put_kid(w, SLICE("rhs"), n->kids[1]);
    put_matching(w, n);
    json_key(w, SLICE("bool"));
    json_bool(w, n->is_bool);
}

static void put_aggregation(struct json_writer *w, const struct node *n)
{
    put_text(w, SLICE("type"), SLICE("aggregation"));
    put_text(w, SLICE("op"), words_aggregation_name(n->agg));
    put_kid(w, SLICE("expr"), n->kids[n->kid_count - 1]);
    put_kid(w, SLICE("param"), n->kid_count > 1 ? n->kids[0] : NULL);
    put_names(w, SLICE("grouping"), &n->grouping);
    json_key(w, SLICE("without"));
    json_bool(w, n->without);
}

static struct slice type_name(enum expr_type type)
{
    static const struct slice names[] = { [TYPE_NONE] = SLICE_INIT("none"), [TYPE_SCALAR] = SLICE_INIT("scalar"),
                                          [TYPE_STRING] = SLICE_INIT("string"), [TYPE_VECTOR] = SLICE_INIT("vector"),
                                          [TYPE_MATRIX] = SLICE_INIT("matrix") };
    return names[type];
}

static void put_call(struct json_writer *w, const struct node *n)
{
    const struct function *f = n->fn;
    put_text(w, SLICE("type"), SLICE("call"));
    json_key(w, SLICE("func"));
    json_object_begin(w);
    put_text(w, SLICE("name"), f->name);
    json_key(w, SLICE("argTypes"));
    json_array_begin(w);
    for (size_t i = 0; i < f->arg_count; i++)
        json_string(w, type_name(f->args[i]));
    json_array_end(w);
    json_key(w, SLICE("variadic"));
    json_int(w, f->optional);
    put_text(w, SLICE("returnType"), type_name(f->returns));
    json_object_end(w);
    json_key(w, SLICE("args"));
    json_array_begin(w);
    for (size_t i = 0; i < n->kid_count; i++)
        put_node(w, n->kids[i]);
    json_array_end(w);
}

static void put_around(struct json_writer *w, struct slice type, const struct node *n)
{
    put_text(w, SLICE("type"), type);
    if (n->kind == NODE_UNARY)
        put_text(w, SLICE("op"), words_binary_name(n->op));
    put_kid(w, SLICE("expr"), n->kids[0]);
}

/* The nesting is bounded by the parser. */
static void put_node(struct json_writer *w, const struct node *n)
{
    json_object_begin(w);
    switch (n->kind) {
    case NODE_NUMBER:
        put_text(w, SLICE("type"), SLICE("numberLiteral"));
        put_value(w, SLICE("val"), n->number);
        break;
    case NODE_STRING:
        put_text(w, SLICE("type"), SLICE("stringLiteral"));
        put_text(w, SLICE("val"), n->text);
        break;
    case NODE_SELECTOR:
        put_selector(w, n, NULL);
        break;
    case NODE_MATRIX:
        put_selector(w, n->kids[0], n);
        break;
    case NODE_SUBQUERY:
        put_subquery(w, n);
        break;
    case NODE_CALL:
        put_call(w, n);
        break;
    case NODE_AGGREGATE:
        put_aggregation(w, n);
        break;
    case NODE_BINARY:
        put_binary(w, n);
        break;
    case NODE_UNARY:
        put_around(w, SLICE("unaryExpr"), n);
        break;
    case NODE_PAREN:
        put_around(w, SLICE("parenExpr"), n);
        break;
    case NODE_TIMING: /* within durations alone */
        break;
    }
    json_object_end(w);
}

enum status promql_tree_json(struct slice text, uint32_t features, struct buf *out, struct err *err)
{
    struct ast ast;
    struct json_writer w;
    struct arena *a = arena_new(0);
    enum status st = ast_parse(a, text, features, &ast, err);
    if (!st) {
        json_writer_init(&w, out);
        put_node(&w, ast.root);
        ast_destroy(&ast);
    }
    arena_free(a);
    return st;
}
