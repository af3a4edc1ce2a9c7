/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions, by precedence climbing. From loose to tight:
 *
 *     or | and unless | == != <= < >= > | + - | * / % atan2, unary + - | ^ (from the right) | [...] offset @
 *
 * (1) A function that returns NULL or false has filled err, and nothing goes on after that.
 * (2) Depth is bounded twice: while recursing, and of the tree (long chains lean to the left without recursion), so that
 *     all later walks may recurse. */
#include "promql/parser.h"

#include <stdarg.h>
#include <stdio.h>

#include "base/num.h"
#include "promql/functions.h"
#include "promql/promql.h"
#include "promql/words.h"
#include "query/token.h"

enum precedence { PREC_OR = 1, PREC_AND, PREC_COMPARE, PREC_ADD, PREC_MUL, PREC_POW };

static struct node *parse_expr(struct parser *p, int min);

enum status ast_error(struct err *err, struct slice text, uint32_t at, const char *fmt, ...)
{
    char sentence[ERR_TEXT_BYTES_MAX];
    struct token_place place = token_place_of(text, at);
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    return err_set(err, ST_INVALID, "%zu:%zu: parse error: %s", place.line, place.column, sentence);
}

bool parser_fail(struct parser *p, uint32_t at, const char *fmt, ...)
{
    char sentence[ERR_TEXT_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(sentence, sizeof sentence, fmt, args);
    va_end(args);
    ast_error(p->err, p->ast->text, at, "%s", sentence);
    return false;
}

const struct token *parser_ahead(const struct parser *p, size_t n)
{
    const struct token *t = &p->tokens[p->at];
    while (n-- > 0 && t->kind != TOK_END && t->kind != TOK_ERROR)
        t++;
    return t;
}

bool parser_is_word(const struct token *t, const char *word)
{
    return t->kind == TOK_IDENT && slice_eq_nocase(t->text, slice_str(word));
}

bool parser_accept(struct parser *p, enum token_kind kind)
{
    if (parser_peek(p)->kind != kind)
        return false;
    p->at++;
    return true;
}

bool parser_accept_word(struct parser *p, const char *word)
{
    if (!parser_is_word(parser_peek(p), word))
        return false;
    p->at++;
    return true;
}

bool parser_unexpected(struct parser *p, const char *context, const char *expected)
{
    const struct token *t = parser_peek(p);
    struct slice found = lexer_describe(p->ast->arena, t);
    if (t->kind == TOK_ERROR)
        return parser_fail(p, t->start, "%.*s", SLICE_FMT(found));
    return parser_fail(p, t->start, "unexpected %.*s%s%s%s%s", SLICE_FMT(found), context ? " in " : "", context ? context : "",
                       expected ? ", expected " : "", expected ? expected : "");
}

bool parser_expect(struct parser *p, enum token_kind kind, const char *context, const char *expected)
{
    return parser_accept(p, kind) || parser_unexpected(p, context, expected);
}

struct node *parser_node(struct parser *p, enum node_kind kind, uint32_t start)
{
    struct node *n = arena_new_of(p->ast->arena, struct node);
    n->kind = kind;
    n->start = start;
    return n;
}

struct node *parser_close(struct parser *p, struct node *n)
{
    n->depth = 0;
    for (size_t i = 0; i < n->kid_count; i++)
        n->depth = MAX(n->depth, n->kids[i]->depth);
    n->depth++;
    n->end = MAX(n->end, p->at ? p->tokens[p->at - 1].end : 0);
    if (n->depth <= QUERY_DEPTH_MAX)
        return n;
    parser_fail(p, n->start, "the expression is nested deeper than %d, the most that is allowed", QUERY_DEPTH_MAX);
    return NULL;
}

static void add_kid(struct parser *p, struct node *n, struct node *kid)
{
    size_t had = n->kid_count;
    if ((had & (had - 1)) == 0) /* full: room is 1, 2, 4, ... */
        n->kids = arena_grow(p->ast->arena, n->kids, had * sizeof *n->kids, MAX(2 * had, (size_t)1) * sizeof *n->kids);
    n->kids[n->kid_count++] = kid;
}

/* "(" already taken: arguments up to and with ")". */
static bool parse_args(struct parser *p, struct node *n, const char *context)
{
    if (parser_accept(p, TOK_RPAREN))
        return true;
    for (;;) {
        struct node *arg = parse_expr(p, PREC_OR);
        if (arg == NULL)
            return false;
        add_kid(p, n, arg);
        if (parser_accept(p, TOK_RPAREN))
            return true;
        if (!parser_accept(p, TOK_COMMA))
            return parser_unexpected(p, context, NULL);
        if (parser_peek(p)->kind == TOK_RPAREN)
            return parser_fail(p, parser_peek(p)->start, "trailing commas not allowed in function call args");
    }
}

static bool parse_grouping(struct parser *p, struct node *n)
{
    bool by = parser_is_word(parser_peek(p), "by");
    if (!by && !parser_is_word(parser_peek(p), "without"))
        return true;
    p->at++;
    n->has_grouping = true;
    n->without = !by;
    return parser_names(p, &n->grouping, "grouping opts");
}

static struct node *parse_aggregation(struct parser *p, enum agg_kind kind)
{
    struct node *n = parser_node(p, NODE_AGGREGATE, parser_peek(p)->start);
    n->agg = kind;
    p->at++;
    if (!parse_grouping(p, n) || !parser_expect(p, TOK_LPAREN, "aggregation", NULL) || !parse_args(p, n, "aggregation"))
        return NULL;
    if (!n->has_grouping && !parse_grouping(p, n))
        return NULL;
    size_t want = agg_has_param(kind) ? 2 : 1;
    n = parser_close(p, n);
    if (n && n->kid_count == 0)
        return parser_fail(p, n->start, "no arguments for aggregate expression provided"), NULL;
    if (n && n->kid_count != want)
        return parser_fail(p, n->start, "wrong number of arguments for aggregate expression provided, expected %zu, got %zu", want, n->kid_count),
               NULL;
    if (n && (kind == AGGR_LIMITK || kind == AGGR_LIMIT_RATIO) && !(p->ast->features & FEATURE_EXPERIMENTAL_FUNCTIONS))
        return parser_fail(p, n->start, "%.*s() is experimental and must be enabled with --enable-feature=promql-experimental-functions",
                           SLICE_FMT(words_aggregation_name(kind))),
               NULL;
    return n;
}

static struct node *parse_call(struct parser *p)
{
    const struct token *name = parser_peek(p);
    struct node *n = parser_node(p, NODE_CALL, name->start);
    n->text = name->text;
    n->fn = function_find(name->text);
    if (n->fn == NULL)
        return parser_fail(p, name->start, "unknown function with name \"%.*s\"", SLICE_FMT(name->text)), NULL;
    if ((n->fn->flags & FN_EXPERIMENTAL) && !(p->ast->features & FEATURE_EXPERIMENTAL_FUNCTIONS))
        return parser_fail(p, name->start, "function \"%.*s\" is not enabled", SLICE_FMT(name->text)), NULL;
    p->at += 2;
    return parse_args(p, n, "function call") ? parser_close(p, n) : NULL;
}

static struct node *parse_paren(struct parser *p)
{
    struct node *n = parser_node(p, NODE_PAREN, parser_peek(p)->start);
    p->at++;
    struct node *kid = parse_expr(p, PREC_OR);
    if (kid == NULL || !parser_expect(p, TOK_RPAREN, "paren expression", NULL))
        return NULL;
    add_kid(p, n, kid);
    return parser_close(p, n);
}

static struct node *parse_string(struct parser *p)
{
    struct node *n = parser_node(p, NODE_STRING, parser_peek(p)->start);
    return parser_string(p, &n->text) ? parser_close(p, n) : NULL;
}

/* A word: an aggregation, a function, a number by name, or a metric. */
static struct node *parse_word(struct parser *p)
{
    const struct token *t = parser_peek(p), *next = parser_ahead(p, 1);
    enum agg_kind kind;
    bool is_call = next->kind == TOK_LPAREN;
    if (words_aggregation(t->text, &kind) && (is_call || parser_is_word(next, "by") || parser_is_word(next, "without")))
        return parse_aggregation(p, kind);
    if (slice_eq_nocase(t->text, SLICE("inf")) || slice_eq_nocase(t->text, SLICE("nan")))
        return parser_number(p);
    static const char *const never[] = { "bool", "on", "ignoring", "group_left", "group_right", "atan2" };
    for (size_t i = 0; i < COUNT_OF(never); i++)
        if (parser_is_word(t, never[i]))
            return parser_unexpected(p, NULL, NULL), NULL;
    return is_call ? parse_call(p) : parser_selector(p);
}

static struct node *parse_primary(struct parser *p)
{
    switch (parser_peek(p)->kind) {
    case TOK_NUM:
    case TOK_DURATION:
        return parser_number(p);
    case TOK_STRING:
        return parse_string(p);
    case TOK_LPAREN:
        return parse_paren(p);
    case TOK_IDENT:
        return parse_word(p);
    case TOK_METRIC:
    case TOK_LBRACE:
        return parser_selector(p);
    case TOK_END:
        if (p->at == 0)
            return parser_fail(p, 0, "no expression found in input"), NULL;
        return parser_unexpected(p, NULL, NULL), NULL;
    default:
        return parser_unexpected(p, NULL, NULL), NULL;
    }
}

static struct node *parse_unary(struct parser *p)
{
    const struct token *t = parser_peek(p);
    if (t->kind != TOK_ADD && t->kind != TOK_SUB) {
        struct node *n = parse_primary(p);
        return n ? parser_postfix(p, n) : NULL;
    }
    p->at++;
    struct node *kid = parse_expr(p, PREC_POW);
    if (kid == NULL)
        return NULL;
    if (kid->kind == NODE_NUMBER) {
        kid->number = t->kind == TOK_SUB ? -kid->number : kid->number;
        kid->start = t->start;
        return kid;
    }
    struct node *n = parser_node(p, NODE_UNARY, t->start);
    n->op = t->kind == TOK_SUB ? OP_SUB : OP_ADD;
    add_kid(p, n, kid);
    return parser_close(p, n);
}

static int binary_precedence(const struct token *t, enum binary_op *op)
{
    bool is_symbol = t->kind >= TOK_ADD && t->kind <= TOK_LE;
    if ((!is_symbol && t->kind != TOK_IDENT) || !words_binary(t->text, op))
        return 0;
    switch (*op) {
    case OP_OR:
        return PREC_OR;
    case OP_AND: case OP_UNLESS:
        return PREC_AND;
    case OP_EQ: case OP_NE: case OP_GT: case OP_LT: case OP_GE: case OP_LE: case OP_TRIM_UPPER:
    case OP_TRIM_LOWER:
        return PREC_COMPARE;
    case OP_ADD: case OP_SUB:
        return PREC_ADD;
    case OP_MUL: case OP_DIV: case OP_MOD: case OP_ATAN2:
        return PREC_MUL;
    case OP_POW:
        return PREC_POW;
    }
    return 0;
}

/* fill(x), fill_left(x), fill_right(x): what an absent partner counts as. */
static bool parse_fill(struct parser *p, struct matching *m)
{
    for (;;) {
        bool both = parser_is_word(parser_peek(p), "fill"), left = parser_is_word(parser_peek(p), "fill_left"),
             right = parser_is_word(parser_peek(p), "fill_right");
        if ((!both && !left && !right) || parser_ahead(p, 1)->kind != TOK_LPAREN)
            return true;
        if (!(p->ast->features & FEATURE_BINOP_FILL_MODIFIERS))
            return parser_fail(p, parser_peek(p)->start, "binop fill modifiers are experimental and not enabled");
        p->at += 2;
        struct node *v = parse_unary(p);
        if (v == NULL || !parser_expect(p, TOK_RPAREN, "fill modifier", NULL))
            return false;
        if (v->kind != NODE_NUMBER)
            return parser_fail(p, v->start, "fill modifiers take a number");
        if (both || left) {
            m->has_fill_left = true;
            m->fill_left = v->number;
        }
        if (both || right) {
            m->has_fill_right = true;
            m->fill_right = v->number;
        }
    }
}

static bool parse_matching(struct parser *p, struct node *n)
{
    struct matching *m = &n->matching;
    m->card = op_is_set(n->op) ? CARD_MANY_TO_MANY : CARD_ONE_TO_ONE;
    n->is_bool = parser_accept_word(p, "bool");
    if (parser_is_word(parser_peek(p), "on") || parser_is_word(parser_peek(p), "ignoring")) {
        m->is_given = true;
        m->on = parser_is_word(parser_peek(p), "on");
        p->at++;
        if (!parser_names(p, &m->names, "grouping opts"))
            return false;
        bool left = parser_is_word(parser_peek(p), "group_left");
        if (left || parser_is_word(parser_peek(p), "group_right")) {
            p->at++;
            m->card = left ? CARD_MANY_TO_ONE : CARD_ONE_TO_MANY;
            if (parser_peek(p)->kind == TOK_LPAREN && !parser_names(p, &m->include, "grouping opts"))
                return false;
        }
    }
    return parse_fill(p, m);
}

static struct node *parse_binary(struct parser *p, struct node *left, enum binary_op op, int prec)
{
    struct node *n = parser_node(p, NODE_BINARY, left->start);
    n->op = op;
    n->op_start = parser_peek(p)->start;
    p->at++;
    if (!parse_matching(p, n))
        return NULL;
    struct node *right = parse_expr(p, op == OP_POW ? prec : prec + 1);
    if (right == NULL)
        return NULL;
    add_kid(p, n, left);
    add_kid(p, n, right);
    return parser_close(p, n);
}

static struct node *parse_expr(struct parser *p, int min)
{
    if (++p->depth > QUERY_DEPTH_MAX)
        return parser_fail(p, parser_peek(p)->start, "the expression is nested deeper than %d, the most that is allowed", QUERY_DEPTH_MAX), NULL;
    struct node *left = parse_unary(p);
    while (left) {
        enum binary_op op;
        int prec = binary_precedence(parser_peek(p), &op);
        if (prec == 0 || prec < min)
            break;
        left = parse_binary(p, left, op, prec);
    }
    p->depth--;
    return left;
}

enum status ast_parse(struct arena *a, struct slice text, uint32_t features, struct ast *out, struct err *err)
{
    size_t count;
    struct err local;
    struct ast ast = { .arena = a, .text = text, .features = features };
    struct parser p = { .ast = &ast, .err = err ? err : &local };
    if (text.len > QUERY_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "the query has %zu bytes, at most %d are allowed", text.len, QUERY_TEXT_BYTES_MAX);
    p.tokens = lexer_run(a, text, &count);
    ast.root = parse_expr(&p, PREC_OR);
    enum status st = ast.root ? ST_OK : p.err->status;
    if (st == ST_OK && parser_peek(&p)->kind != TOK_END) {
        parser_unexpected(&p, NULL, NULL);
        st = p.err->status;
    }
    if (st == ST_OK)
        st = check_node(&ast, ast.root, p.err);
    if (st) {
        ast_destroy(&ast);
        return st;
    }
    *out = ast;
    return ST_OK;
}

void ast_destroy(struct ast *ast)
{
    for (size_t i = 0; i < ast->selector_count; i++)
        for (size_t m = 0; m < ast->selectors[i]->matcher_count; m++)
            matcher_destroy(&ast->selectors[i]->matchers[m]);
    ast->selector_count = 0;
}

const struct node *ast_strip_parens(const struct node *n)
{
    while (n->kind == NODE_PAREN)
        n = n->kids[0];
    return n;
}

enum status promql_parse_selector(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err)
{
    struct ast ast;
    enum status st = ast_parse(a, text, 0, &ast, err);
    if (st)
        return st;
    if (ast.root->kind != NODE_SELECTOR || ast.root->has_offset || ast.root->at != AT_NONE) {
        ast_destroy(&ast);
        return ast_error(err, text, 0, "expected a series selector such as name{label=\"value\"}, found another expression");
    }
    *out = ast.root->matchers;
    *count = ast.root->matcher_count;
    return ST_OK;
}
