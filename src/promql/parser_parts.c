/* SPDX-License-Identifier: Apache-2.0 */
/* What stands within expressions: selectors, literals, label lists, ranges, offset and @. */
#include "promql/parser.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "query/token.h"

enum { MATCHERS_MAX = 256, NAMES_MAX = 256 };
#define AT_SECONDS_MAX 9.2e15

bool parser_string(struct parser *p, struct slice *out)
{
    const struct token *t = parser_peek(p);
    struct err err;
    if (t->kind != TOK_STRING)
        return parser_unexpected(p, NULL, "string");
    if (token_unquote(p->ast->arena, t->text, out, &err))
        return parser_fail(p, t->start, "%s", err.text);
    p->at++;
    return true;
}

static bool is_name_word(const struct token *t)
{
    return t->kind == TOK_IDENT || t->kind == TOK_METRIC;
}

bool parser_names(struct parser *p, struct names *out, const char *context)
{
    size_t cap = 0;
    if (!parser_expect(p, TOK_LPAREN, context, "\"(\""))
        return false;
    while (!parser_accept(p, TOK_RPAREN)) {
        struct slice name;
        const struct token *t = parser_peek(p);
        if (t->kind == TOK_STRING) {
            if (!parser_string(p, &name))
                return false;
            if (name.len == 0)
                return parser_fail(p, t->start, "invalid label name for grouping: \"\"");
        } else if (t->kind == TOK_IDENT) {
            name = t->text;
            p->at++;
        } else
            return parser_unexpected(p, context, "label");
        if (out->count == NAMES_MAX)
            return parser_fail(p, t->start, "a list has more than %d labels", NAMES_MAX);
        ARENA_PUSH(p->ast->arena, out->list, out->count, cap) = name;
        if (parser_peek(p)->kind != TOK_RPAREN && !parser_accept(p, TOK_COMMA))
            return parser_unexpected(p, context, "\",\" or \")\"");
    }
    return true;
}

/* ---- selectors ---- */

static bool add_matcher(struct parser *p, struct node *n, enum match_op op, struct slice name, struct slice value, uint32_t at)
{
    struct err err;
    if (n->matcher_count == MATCHERS_MAX)
        return parser_fail(p, at, "a selector has more than %d matchers", MATCHERS_MAX);
    struct matcher *m = &n->matchers[n->matcher_count];
    if (matcher_init(m, op, name, value, &err))
        return parser_fail(p, at, "%s", err.text);
    n->matcher_count++;
    p->ast->regex_size += m->re ? regex_size(m->re) : 0;
    return p->ast->regex_size <= QUERY_REGEX_SIZE_MAX ||
           parser_fail(p, at, "the regular expressions take more than %d steps, the most that is allowed", QUERY_REGEX_SIZE_MAX);
}

static bool set_name(struct parser *p, struct node *n, struct slice name, uint32_t at)
{
    if (n->text.len)
        return parser_fail(p, at, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SLICE_FMT(n->text), SLICE_FMT(name));
    for (size_t i = 0; i < n->matcher_count; i++)
        if (slice_eq(n->matchers[i].name, SLICE("__name__")))
            return parser_fail(p, n->start, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SLICE_FMT(name),
                               SLICE_FMT(n->matchers[i].value));
    n->text = name;
    return add_matcher(p, n, MATCH_EQ, SLICE("__name__"), name, at);
}

static bool parse_matcher(struct parser *p, struct node *n)
{
    const struct token *t = parser_peek(p);
    struct slice name, value;
    if (t->kind == TOK_STRING) {
        if (!parser_string(p, &name))
            return false;
        enum token_kind next = parser_peek(p)->kind;
        if (next == TOK_COMMA || next == TOK_RBRACE)
            return set_name(p, n, name, t->start);
    } else if (is_name_word(t)) {
        name = t->text;
        p->at++;
    } else
        return parser_unexpected(p, "label matching", "identifier or \"}\"");
    enum match_op op;
    switch (parser_peek(p)->kind) {
    case TOK_ASSIGN:
        op = MATCH_EQ;
        break;
    case TOK_NE:
        op = MATCH_NE;
        break;
    case TOK_RE:
        op = MATCH_RE;
        break;
    case TOK_NOT_RE:
        op = MATCH_NRE;
        break;
    default:
        return parser_unexpected(p, "label matching", "label matching operator");
    }
    p->at++;
    if (parser_peek(p)->kind != TOK_STRING)
        return parser_unexpected(p, "label matching", "string");
    if (!parser_string(p, &value))
        return false;
    if (slice_eq(name, SLICE("__name__")) && n->text.len)
        return parser_fail(p, n->start, "metric name must not be set twice: \"%.*s\" or \"%.*s\"", SLICE_FMT(n->text), SLICE_FMT(value));
    return add_matcher(p, n, op, name, value, t->start);
}

struct node *parser_selector(struct parser *p)
{
    struct ast *ast = p->ast;
    const struct token *t = parser_peek(p);
    struct node *n = parser_node(p, NODE_SELECTOR, t->start);
    /* The name, and as many as the commas between its own braces part. */
    size_t room = 1;
    const struct token *c = is_name_word(t) ? t + 1 : t;
    if (c->kind == TOK_LBRACE)
        for (room = 2; c->kind != TOK_END && c->kind != TOK_ERROR && c->kind != TOK_RBRACE && room < MATCHERS_MAX; c++)
            room += c->kind == TOK_COMMA;
    n->matchers = arena_array(ast->arena, struct matcher, room);
    ARENA_PUSH(ast->arena, ast->selectors, ast->selector_count, ast->selector_cap) = n;
    if (is_name_word(t)) {
        p->at++;
        if (!set_name(p, n, t->text, t->start))
            return NULL;
    }
    if (parser_accept(p, TOK_LBRACE)) {
        while (!parser_accept(p, TOK_RBRACE)) {
            if (!parse_matcher(p, n))
                return NULL;
            if (parser_peek(p)->kind != TOK_RBRACE && !parser_accept(p, TOK_COMMA))
                return parser_unexpected(p, "label matching", "\",\" or \"}\""), NULL;
        }
    }
    return parser_close(p, n);
}

/* ---- numbers and durations ---- */

struct node *parser_number(struct parser *p)
{
    const struct token *t = parser_peek(p);
    struct node *n = parser_node(p, NODE_NUMBER, t->start);
    int64_t ms;
    if (t->kind == TOK_DURATION) {
        if (!duration_parse_prom(t->text, &ms))
            return parser_fail(p, t->start, "bad number or duration syntax: \"%.*s\"", SLICE_FMT(t->text)), NULL;
        n->number = (double)ms / 1000;
        n->is_duration = true;
    } else if (t->kind == TOK_IDENT) /* inf, nan */
        n->number = (t->text.ptr[0] | 0x20) == 'i' ? INFINITY : NAN;
    else if (!token_number_parse(t->text, &n->number))
        return parser_fail(p, t->start, "bad number or duration syntax: \"%.*s\"", SLICE_FMT(t->text)), NULL;
    p->at++;
    return parser_close(p, n);
}

static struct node *parse_timing(struct parser *p, int min);

static bool timing_args(struct parser *p, struct node *n)
{
    n->kids = arena_array(p->ast->arena, struct node *, 2);
    for (; n->kid_count < 2; n->kid_count++) {
        if (n->kid_count && !parser_expect(p, TOK_COMMA, "duration expression", NULL))
            return false;
        n->kids[n->kid_count] = parse_timing(p, 0);
        if (n->kids[n->kid_count] == NULL)
            return false;
    }
    return true;
}

static struct node *parse_timing_call(struct parser *p, bool is_bare)
{
    static const char *const names[] = { "step", "range", "min_of", "max_of" };
    const struct token *t = parser_peek(p);
    for (size_t i = 0; i < COUNT_OF(names); i++) {
        if (!parser_is_word(t, names[i]))
            continue;
        struct node *n = parser_node(p, NODE_TIMING, t->start);
        n->timing = (enum timing)i;
        p->at++;
        if (!parser_expect(p, TOK_LPAREN, "duration expression", NULL) || (i >= 2 && !timing_args(p, n)) ||
            !parser_expect(p, TOK_RPAREN, "duration expression", NULL))
            return NULL;
        return parser_close(p, n);
    }
    parser_unexpected(p, is_bare ? "offset" : "subquery or range selector", "number, duration, step(), or range()");
    return NULL;
}

/* is_bare: the sign takes a single thing, as a binary operator behind belongs to the expression around. */
static struct node *parse_timing_unary(struct parser *p, bool is_bare)
{
    const struct token *t = parser_peek(p);
    if (t->kind == TOK_NUM || t->kind == TOK_DURATION)
        return parser_number(p);
    if (t->kind == TOK_ADD || t->kind == TOK_SUB) {
        struct node *n = parser_node(p, NODE_UNARY, t->start);
        p->at++;
        n->op = t->kind == TOK_SUB ? OP_SUB : OP_ADD;
        n->kids = arena_array(p->ast->arena, struct node *, 1);
        n->kids[0] = is_bare ? parse_timing_unary(p, false) : parse_timing(p, 3);
        n->kid_count = 1;
        return n->kids[0] ? parser_close(p, n) : NULL;
    }
    if (t->kind != TOK_LPAREN)
        return parse_timing_call(p, is_bare);
    struct node *n = parser_node(p, NODE_PAREN, t->start);
    p->at++;
    n->kids = arena_array(p->ast->arena, struct node *, 1);
    n->kids[0] = parse_timing(p, 0);
    n->kid_count = 1;
    if (n->kids[0] == NULL || !parser_expect(p, TOK_RPAREN, "duration expression", NULL))
        return NULL;
    return parser_close(p, n);
}

/* + -; * / %; ^ from the right. */
static struct node *parse_timing(struct parser *p, int min)
{
    if (++p->depth > QUERY_DEPTH_MAX)
        return parser_fail(p, parser_peek(p)->start, "the expression is nested deeper than %d, the most that is allowed", QUERY_DEPTH_MAX), NULL;
    struct node *left = parse_timing_unary(p, false);
    while (left) {
        enum token_kind kind = parser_peek(p)->kind;
        if (kind < TOK_ADD || kind > TOK_POW)
            break;
        int prec = kind == TOK_POW ? 3 : kind >= TOK_MUL ? 2 : 1;
        if (prec < min)
            break;
        struct node *n = parser_node(p, NODE_BINARY, left->start);
        p->at++;
        n->op = (enum binary_op)(OP_ADD + (kind - TOK_ADD));
        struct node *right = parse_timing(p, kind == TOK_POW ? prec : prec + 1);
        if (right == NULL)
            return NULL;
        n->kids = arena_array(p->ast->arena, struct node *, 2);
        n->kids[0] = left;
        n->kids[1] = right;
        n->kid_count = 2;
        left = parser_close(p, n);
    }
    p->depth--;
    return left;
}

/* A length of time: a literal (value in *ms), or an expression (in *expr). is_bare: one not in brackets, which ends
 * before a binary operator. */
static bool parse_duration(struct parser *p, bool is_bare, int64_t *ms, struct node **expr)
{
    uint32_t at = parser_peek(p)->start;
    enum token_kind first = parser_peek(p)->kind;
    struct node *n = is_bare ? parse_timing_unary(p, true) : parse_timing(p, 0);
    if (n == NULL)
        return false;
    struct node *literal = n->kind == NODE_UNARY && is_bare ? n->kids[0] : n;
    if (literal->kind != NODE_NUMBER) {
        if (!(p->ast->features & FEATURE_DURATION_EXPR))
            return parser_fail(p, at, "experimental duration expression is not enabled");
        *expr = n;
        return true;
    }
    double v = literal->number * (first == TOK_SUB ? -1 : 1) * 1000;
    if (!(fabs(v) < (double)(INT64_MAX / NS_MS)))
        return parser_fail(p, at, "duration out of range");
    *ms = (int64_t)round(v);
    return is_bare || *ms > 0 || parser_fail(p, at, "duration must be greater than 0");
}

/* ---- what follows an expression ---- */

static struct node *wrap(struct parser *p, enum node_kind kind, struct node *kid)
{
    struct node *n = parser_node(p, kind, kid->start);
    n->kids = arena_array(p->ast->arena, struct node *, 1);
    n->kids[0] = kid;
    n->kid_count = 1;
    return n;
}

static struct node *parse_brackets(struct parser *p, struct node *n)
{
    int64_t range = 0, step = 0;
    struct node *range_expr = NULL, *step_expr = NULL;
    bool is_subquery = false;
    uint32_t at = parser_peek(p)->start;
    p->at++;
    if (!parse_duration(p, false, &range, &range_expr))
        return NULL;
    if (parser_accept(p, TOK_COLON)) {
        is_subquery = true;
        if (parser_peek(p)->kind != TOK_RBRACKET && !parse_duration(p, false, &step, &step_expr))
            return NULL;
    }
    if (!parser_expect(p, TOK_RBRACKET, is_subquery ? "subquery selector" : "matrix selector", is_subquery ? "\"]\"" : "\":\" or \"]\""))
        return NULL;
    if (!is_subquery && n->kind != NODE_SELECTOR)
        return parser_fail(p, at, "ranges only allowed for vector selectors"), NULL;
    if (!is_subquery && n->has_offset)
        return parser_fail(p, at, "no offset modifiers allowed before range"), NULL;
    if (!is_subquery && n->at != AT_NONE)
        return parser_fail(p, at, "no @ modifiers allowed before range"), NULL;
    n = wrap(p, is_subquery ? NODE_SUBQUERY : NODE_MATRIX, n);
    n->range_ms = range;
    n->step_ms = step;
    n->range_expr = range_expr;
    n->step_expr = step_expr;
    return parser_close(p, n);
}

/* What offset and @ apply to: the selector, also that of a range, or the subquery. NULL: neither. */
static struct node *modified(struct node *n)
{
    if (n->kind == NODE_MATRIX)
        return n->kids[0];
    return n->kind == NODE_SELECTOR || n->kind == NODE_SUBQUERY ? n : NULL;
}

static bool parse_offset(struct parser *p, struct node *n)
{
    uint32_t at = parser_peek(p)->start;
    struct node *target = modified(n);
    p->at++;
    int64_t ms = 0;
    struct node *expr = NULL;
    if (!parse_duration(p, true, &ms, &expr))
        return false;
    if (target == NULL)
        return parser_fail(p, n->start, "offset modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    if (target->has_offset)
        return parser_fail(p, at, "offset may not be set multiple times");
    target->has_offset = true;
    target->offset_ms = ms;
    target->offset_expr = expr;
    return true;
}

static bool parse_at(struct parser *p, struct node *n)
{
    uint32_t at = parser_peek(p)->start;
    struct node *target = modified(n);
    enum at_kind kind = AT_TIME;
    double seconds = 0;
    p->at++;
    if (parser_is_word(parser_peek(p), "start") || parser_is_word(parser_peek(p), "end")) {
        kind = parser_is_word(parser_peek(p), "start") ? AT_START : AT_END;
        p->at++;
        if (!parser_expect(p, TOK_LPAREN, "@", NULL) || !parser_expect(p, TOK_RPAREN, "@", NULL))
            return false;
    } else {
        bool negative = parser_accept(p, TOK_SUB);
        if (!negative)
            parser_accept(p, TOK_ADD);
        const struct token *t = parser_peek(p);
        if (t->kind != TOK_NUM && t->kind != TOK_DURATION && !parser_is_word(t, "inf") && !parser_is_word(t, "nan"))
            return parser_unexpected(p, "@", "timestamp");
        struct node *number = parser_number(p);
        if (number == NULL)
            return false;
        seconds = negative ? -number->number : number->number;
        if (!(fabs(seconds) < AT_SECONDS_MAX))
            return parser_fail(p, at, "timestamp out of bounds for @ modifier: %f", seconds);
    }
    if (target == NULL)
        return parser_fail(p, n->start, "@ modifier must be preceded by an instant vector selector or range vector selector or a subquery");
    if (target->at != AT_NONE)
        return parser_fail(p, at, "@ <timestamp> may not be set multiple times");
    target->at = kind;
    target->at_ms = (int64_t)round(seconds * 1000);
    return true;
}

/* anchored, smoothed: how a range treats its ends. */
static bool parse_extended(struct parser *p, struct node *n)
{
    const struct token *t = parser_peek(p);
    struct node *target = n->kind == NODE_SUBQUERY ? NULL : modified(n);
    bool anchored = parser_is_word(t, "anchored");
    const char *word = anchored ? "anchored" : "smoothed";
    if (!(p->ast->features & FEATURE_EXTENDED_RANGE_SELECTORS))
        return parser_fail(p, t->start, "%s modifier is experimental and not enabled", word);
    if (target == NULL || (anchored && n->kind != NODE_MATRIX))
        return parser_fail(p, n->start, "%s modifier cannot be used here", word);
    if (target->is_anchored || target->is_smoothed)
        return parser_fail(p, t->start, "anchored and smoothed modifiers cannot be used together or twice");
    p->at++;
    target->is_anchored = anchored;
    target->is_smoothed = !anchored;
    return true;
}

struct node *parser_postfix(struct parser *p, struct node *n)
{
    for (;;) {
        const struct token *t = parser_peek(p);
        if (t->kind == TOK_LBRACKET) {
            n = parse_brackets(p, n);
            if (n == NULL)
                return NULL;
            continue;
        }
        bool ok;
        if (parser_is_word(t, "offset"))
            ok = parse_offset(p, n);
        else if (t->kind == TOK_AT)
            ok = parse_at(p, n);
        else if (parser_is_word(t, "anchored") || parser_is_word(t, "smoothed"))
            ok = parse_extended(p, n);
        else
            return n;
        if (!ok)
            return NULL;
        n->end = p->tokens[p->at - 1].end;
    }
}
