/* SPDX-License-Identifier: Apache-2.0 */
/* Expressions: log queries, range and vector aggregations, binary operators by precedence climbing. Stages are in parse_stage.c. */
#include "logql/parser.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"

const struct slice logql_range_names[] = {
    SLICE_INIT("count_over_time"),  SLICE_INIT("rate"),
    SLICE_INIT("bytes_over_time"),  SLICE_INIT("bytes_rate"),
    SLICE_INIT("absent_over_time"), SLICE_INIT("sum_over_time"),
    SLICE_INIT("avg_over_time"),    SLICE_INIT("min_over_time"),
    SLICE_INIT("max_over_time"),    SLICE_INIT("first_over_time"),
    SLICE_INIT("last_over_time"),   SLICE_INIT("stddev_over_time"),
    SLICE_INIT("stdvar_over_time"), SLICE_INIT("quantile_over_time"),
    SLICE_INIT("rate_counter"),
};
const struct slice logql_agg_names[] = {
    SLICE_INIT("sum"),    SLICE_INIT("avg"),  SLICE_INIT("min"),     SLICE_INIT("max"),  SLICE_INIT("count"),     SLICE_INIT("stddev"),
    SLICE_INIT("stdvar"), SLICE_INIT("topk"), SLICE_INIT("bottomk"), SLICE_INIT("sort"), SLICE_INIT("sort_desc"),
    SLICE_INIT("approx_topk"),
};
const struct slice logql_binary_names[] = {
    SLICE_INIT("+"), SLICE_INIT("-"),  SLICE_INIT("*"),   SLICE_INIT("/"),  SLICE_INIT("%"),
    SLICE_INIT("^"), SLICE_INIT("=="), SLICE_INIT("!="),  SLICE_INIT(">"),  SLICE_INIT(">="),
    SLICE_INIT("<"), SLICE_INIT("<="), SLICE_INIT("and"), SLICE_INIT("or"), SLICE_INIT("unless"),
};
const size_t logql_range_count = COUNT_OF(logql_range_names), logql_agg_count = COUNT_OF(logql_agg_names),
             logql_binary_count = COUNT_OF(logql_binary_names);

static size_t index_of(struct slice word, const struct slice *names, size_t count)
{
    size_t i = 0;
    while (i < count && !slice_eq(names[i], word))
        i++;
    return i;
}

bool logql_is(const struct parser *p, const char *op)
{
    const struct lex_token *t = logql_peek(p);
    return (t->kind == LEX_OP || t->kind == LEX_IDENT) && slice_eq(t->text, slice_str(op));
}

bool logql_take(struct parser *p, const char *op)
{
    if (!logql_is(p, op))
        return false;
    p->at++;
    return true;
}

/* As Loki names kinds of tokens; NULL: by itself. */
static const char *kind_name(enum lex_kind kind)
{
    switch (kind) {
    case LEX_END: return "$end";
    case LEX_IDENT: return "IDENTIFIER";
    case LEX_STRING: return "STRING";
    case LEX_NUMBER: return "NUMBER";
    case LEX_DURATION: return "DURATION";
    case LEX_OP:
    case LEX_FLAG: break;
    }
    return NULL;
}

/* Words that are tokens of their own for Loki, and named as they are. */
static bool is_keyword(struct slice word)
{
    static const struct slice words[] = {
        SLICE_INIT("bool"), SLICE_INIT("ip"), SLICE_INIT("by"), SLICE_INIT("without"), SLICE_INIT("on"), SLICE_INIT("ignoring"),
        SLICE_INIT("group_left"), SLICE_INIT("group_right"), SLICE_INIT("offset"), SLICE_INIT("unwrap"), SLICE_INIT("and"),
        SLICE_INIT("or"), SLICE_INIT("unless"),
    };
    for (size_t i = 0; i < COUNT_OF(words); i++)
        if (slice_eq(words[i], word))
            return true;
    return false;
}

enum status logql_fail(struct parser *p, const char *expected)
{
    const struct lex_token *t = logql_peek(p);
    const char *kind = t->kind == LEX_IDENT && is_keyword(t->text) ? NULL : kind_name(t->kind);
    int len = (int)MIN(t->text.len, (size_t)100);
    if (t->kind == LEX_END)
        return logql_lex_fail(p->text, t->position, p->err, "syntax error: unexpected %s, expecting %s", kind, expected);
    if (kind)
        return logql_lex_fail(p->text, t->position, p->err, "syntax error: unexpected %s, expecting %s; found \"%.*s\"", kind, expected, len,
                              t->text.ptr);
    return logql_lex_fail(p->text, t->position, p->err, "syntax error: unexpected %.*s, expecting %s", len, t->text.ptr, expected);
}

enum status logql_want(struct parser *p, const char *op)
{
    return logql_take(p, op) ? ST_OK : logql_fail(p, op);
}

enum status logql_ident(struct parser *p, const char *what, struct slice *out)
{
    if (logql_peek(p)->kind != LEX_IDENT)
        return logql_fail(p, what);
    *out = p->tokens[p->at++].text;
    return ST_OK;
}

enum status logql_string(struct parser *p, struct slice *out)
{
    if (logql_peek(p)->kind != LEX_STRING)
        return logql_fail(p, "STRING");
    *out = p->tokens[p->at++].text;
    return ST_OK;
}

static enum status add_regex(struct parser *p, const struct regex *re, size_t position)
{
    p->query->regex_size += regex_size(re);
    if (p->query->regex_size <= QUERY_REGEX_SIZE_MAX)
        return ST_OK;
    return logql_lex_fail(p->text, position, p->err, "the regular expressions take more than %d steps, the most that is allowed",
                          QUERY_REGEX_SIZE_MAX);
}

enum status logql_regex(struct parser *p, struct slice pattern, unsigned flags, struct regex **out)
{
    struct err why;
    size_t position = p->tokens[p->at ? p->at - 1 : 0].position;
    if (p->query->regex_count == LOGQL_REGEXES_MAX)
        return logql_lex_fail(p->text, position, p->err, "more than %d regular expressions", LOGQL_REGEXES_MAX);
    if (regex_compile(out, pattern, flags, &why))
        return logql_lex_fail(p->text, position, p->err, "error parsing regexp: %s", why.text);
    ARENA_PUSH(p->a, p->query->regexes, p->query->regex_count, p->query->regex_cap) = *out;
    return add_regex(p, *out, position);
}

enum status logql_duration(struct parser *p, int64_t *out_ns)
{
    const struct lex_token *t = logql_peek(p);
    int64_t ms;
    if (t->kind != LEX_DURATION ||
        !(duration_parse_prom(t->text, &ms) ? (*out_ns = sat_mul(ms, NS_MS), true) : duration_parse_go(t->text, out_ns)))
        return logql_fail(p, "a duration such as 5m");
    p->at++;
    return ST_OK;
}

enum status logql_selector(struct parser *p, struct matcher **out, size_t *count)
{
    static const struct slice ops[] = {SLICE_INIT("="), SLICE_INIT("!="), SLICE_INIT("=~"), SLICE_INIT("!~")};
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    enum status st = logql_want(p, "{");
    while (!st && !logql_take(p, "}")) {
        struct slice name, value;
        struct matcher m;
        struct err why;
        if (*count == LOGQL_MATCHERS_MAX)
            return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d matchers", LOGQL_MATCHERS_MAX);
        st = logql_ident(p, "IDENTIFIER", &name);
        size_t op = st ? 0 : index_of(logql_peek(p)->text, ops, COUNT_OF(ops));
        if (!st && (logql_peek(p)->kind != LEX_OP || op == COUNT_OF(ops)))
            return logql_fail(p, "=, !=, =~ or !~");
        p->at += !st;
        if (!st)
            st = logql_string(p, &value);
        if (!st && matcher_init(&m, (enum match_op)op, name, value, &why))
            st = logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "%s%s", op >= MATCH_RE ? "error parsing regexp: " : "", why.text);
        if (!st)
            ARENA_PUSH(p->a, *out, *count, cap) = m;
        if (!st && m.re)
            st = add_regex(p, m.re, p->tokens[p->at - 1].position);
        if (!st && !logql_take(p, ",") && !logql_is(p, "}"))
            st = logql_fail(p, "} or ,");
    }
    return st;
}

static enum status parse_expr(struct parser *p, int min_precedence, struct expr **out);

static struct expr *expr_new(struct parser *p, enum expr_kind kind)
{
    struct expr *e = arena_new_of(p->a, struct expr);
    e->kind = kind;
    e->position = logql_peek(p)->position;
    return e;
}

/* A selector with at least one matcher that does not match the empty value, and its stages. */
static enum status parse_log(struct parser *p, struct expr **out)
{
    struct expr *e = expr_new(p, EXPR_LOG);
    enum status st = logql_selector(p, &e->matchers, &e->matcher_count);
    ARENA_PUSH(p->a, p->query->logs, p->query->log_count, p->query->log_cap) = e;
    bool selective = false;
    for (size_t i = 0; i < e->matcher_count; i++)
        selective |= !matcher_matches_empty(&e->matchers[i]);
    if (!st && !selective)
        return err_set(
            p->err, ST_INVALID,
            "parse error : queries require at least one regexp or equality matcher that does not have an empty-compatible value. For instance, "
            "app=~\".*\" does not meet this requirement, but app=~\".+\" will");
    if (!st)
        st = logql_stages(p, &e->stages);
    *out = e;
    return st;
}

static enum status parse_unwrap(struct parser *p, struct expr *e)
{
    enum status st;
    if (!logql_is(p, "|") || !slice_eq(p->tokens[p->at + 1].text, SLICE("unwrap")))
        return ST_OK;
    p->at += 2;
    e->has_unwrap = true;
    st = logql_ident(p, "a label to unwrap", &e->unwrap_label);
    if (!st && logql_take(p, "(")) {
        if (slice_eq(e->unwrap_label, SLICE("duration")) || slice_eq(e->unwrap_label, SLICE("duration_seconds")))
            e->unwrap_as = UNWRAP_DURATION;
        else if (slice_eq(e->unwrap_label, SLICE("bytes")))
            e->unwrap_as = UNWRAP_BYTES;
        else
            return logql_fail(p, "duration(), duration_seconds() or bytes()");
        st = logql_ident(p, "a label to unwrap", &e->unwrap_label);
        if (!st)
            st = logql_want(p, ")");
    }
    while (!st && logql_take(p, "|")) {
        struct label_filter *f, *both;
        st = logql_label_filter(p, &f);
        if (st || e->unwrap_filter == NULL) {
            e->unwrap_filter = f;
            continue;
        }
        both = arena_new_of(p->a, struct label_filter);
        *both = (struct label_filter){ .kind = FILTER_AND, .left = e->unwrap_filter, .right = f };
        e->unwrap_filter = both;
    }
    return st;
}

static enum status parse_offset(struct parser *p, struct expr *e)
{
    if (!logql_take(p, "offset"))
        return ST_OK;
    bool negative = logql_take(p, "-");
    enum status st = logql_duration(p, &e->offset_ns);
    if (negative)
        e->offset_ns = -e->offset_ns;
    return st;
}

/* `{...} | stages [5m] offset 1m | more stages | unwrap x`: the window may stand before or behind the stages. */
static enum status parse_window(struct parser *p, struct expr *e)
{
    bool wrapped = logql_take(p, "(");
    enum status st = parse_log(p, &e->left);
    if (!st)
        st = parse_unwrap(p, e);
    if (!st && wrapped)
        st = logql_want(p, ")");
    if (!st)
        st = logql_want(p, "[");
    if (!st)
        st = logql_duration(p, &e->range_ns);
    if (!st)
        st = logql_want(p, "]");
    if (!st)
        st = parse_offset(p, e);
    if (!st && !e->left->stages && !e->has_unwrap) {
        st = logql_stages(p, &e->left->stages);
        if (!st)
            st = parse_unwrap(p, e);
    }
    return st;
}

static enum status parse_names(struct parser *p, struct slice **out, size_t *count)
{
    size_t cap = 0;
    enum status st = logql_want(p, "(");
    while (!st && !logql_take(p, ")")) {
        struct slice name;
        if (*count == LOGQL_NAMES_MAX)
            return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d labels in a list", LOGQL_NAMES_MAX);
        st = logql_ident(p, "IDENTIFIER", &name);
        if (!st)
            ARENA_PUSH(p->a, *out, *count, cap) = name;
        if (!st && !logql_take(p, ",") && !logql_is(p, ")"))
            st = logql_fail(p, "',' or ')'");
    }
    return st;
}

static enum status parse_grouping(struct parser *p, struct grouping *g)
{
    if (g->given || (!logql_is(p, "by") && !logql_is(p, "without")))
        return ST_OK;
    g->without = logql_is(p, "without");
    g->given = true;
    p->at++;
    return parse_names(p, &g->names, &g->count);
}

static enum status parse_number(struct parser *p, double *out)
{
    bool negative = logql_take(p, "-");
    const struct lex_token *t = logql_peek(p);
    if (t->kind != LEX_NUMBER)
        return logql_fail(p, "NUMBER");
    *out = negative ? -t->number : t->number;
    p->at++;
    return ST_OK;
}

static bool takes_unwrap(enum range_op op)
{
    return op >= RANGE_SUM;
}

static bool takes_grouping(enum range_op op)
{
    return takes_unwrap(op) && op != RANGE_SUM && op != RANGE_RATE_COUNTER;
}

static enum status parse_range(struct parser *p, enum range_op op, struct expr **out)
{
    struct expr *e = expr_new(p, EXPR_RANGE);
    e->range_op = op;
    p->at++;
    enum status st = logql_want(p, "(");
    if (!st && op == RANGE_QUANTILE && logql_is(p, "-"))
        return logql_fail(p, "NUMBER");
    if (!st && op == RANGE_QUANTILE) {
        st = parse_number(p, &e->parameter);
        if (!st)
            st = logql_want(p, ",");
    }
    if (!st)
        st = parse_window(p, e);
    if (!st)
        st = logql_want(p, ")");
    if (!st)
        st = parse_grouping(p, &e->grouping);
    struct slice name = logql_range_names[op];
    if (!st && takes_unwrap(op) && !e->has_unwrap)
        return logql_lex_fail(p->text, e->position, p->err, "invalid aggregation %.*s without unwrap", SLICE_FMT(name));
    if (!st && !takes_unwrap(op) && e->has_unwrap && op != RANGE_RATE && op != RANGE_ABSENT)
        return logql_lex_fail(p->text, e->position, p->err, "invalid aggregation %.*s with unwrap", SLICE_FMT(name));
    if (!st && e->grouping.given && !(e->has_unwrap && takes_grouping(op)))
        return logql_lex_fail(p->text, e->position, p->err, "grouping not allowed for %.*s aggregation", SLICE_FMT(name));
    *out = e;
    return st;
}

static enum status parse_vector_agg(struct parser *p, enum agg_kind kind, struct expr **out)
{
    struct expr *e = expr_new(p, EXPR_VECTOR_AGG);
    e->agg = kind;
    p->at++;
    enum status st = parse_grouping(p, &e->grouping);
    if (!st)
        st = logql_want(p, "(");
    if (!st && (kind == AGG_KIND_TOPK || kind == AGG_KIND_BOTTOMK || kind == AGG_KIND_APPROX_TOPK)) {
        if (logql_peek(p)->kind != LEX_NUMBER && !logql_is(p, "-"))
            return logql_lex_fail(p->text, e->position, p->err, "parameter required for operation %.*s", SLICE_FMT(logql_agg_names[kind]));
        st = parse_number(p, &e->parameter);
        if (!st && (!(e->parameter >= 1) || e->parameter != floor(e->parameter)))
            return logql_lex_fail(p->text, e->position, p->err, "invalid parameter of %.*s: it must be a whole number greater than 0",
                                  SLICE_FMT(logql_agg_names[kind]));
        if (!st)
            st = logql_want(p, ",");
    }
    if (!st)
        st = parse_expr(p, 0, &e->left);
    if (!st)
        st = logql_want(p, ")");
    if (!st)
        st = parse_grouping(p, &e->grouping);
    if (!st && kind >= AGG_KIND_SORT && e->grouping.given)
        return logql_lex_fail(p->text, e->position, p->err, "grouping not allowed for %.*s aggregation", SLICE_FMT(logql_agg_names[kind]));
    if (!st && e->left->kind == EXPR_LOG)
        return logql_lex_fail(p->text, e->left->position, p->err, "%.*s needs a metric query, found a log query",
                              SLICE_FMT(logql_agg_names[kind]));
    *out = e;
    return st;
}

static enum status parse_label_replace(struct parser *p, struct expr **out)
{
    struct expr *e = expr_new(p, EXPR_LABEL_REPLACE);
    p->at++;
    enum status st = logql_want(p, "(");
    if (!st)
        st = parse_expr(p, 0, &e->left);
    for (size_t i = 0; !st && i < COUNT_OF(e->replace); i++) {
        st = logql_want(p, ",");
        if (!st)
            st = logql_string(p, &e->replace[i]);
    }
    if (!st)
        st = logql_regex(p, e->replace[3], REGEX_ANCHORED, &e->re);
    if (!st)
        st = logql_want(p, ")");
    *out = e;
    return st;
}

static enum status parse_vector(struct parser *p, struct expr **out)
{
    struct expr *e = expr_new(p, EXPR_VECTOR);
    p->at++;
    enum status st = logql_want(p, "(");
    if (!st)
        st = parse_number(p, &e->number);
    if (!st)
        st = logql_want(p, ")");
    *out = e;
    return st;
}

static enum status parse_primary(struct parser *p, struct expr **out)
{
    const struct lex_token *t = logql_peek(p);
    if (++p->depth > QUERY_DEPTH_MAX)
        return logql_lex_fail(p->text, t->position, p->err, "nested deeper than %d levels", QUERY_DEPTH_MAX);
    enum status st;
    size_t word = t->kind == LEX_IDENT ? index_of(t->text, logql_range_names, COUNT_OF(logql_range_names)) : SIZE_MAX;
    size_t agg = t->kind == LEX_IDENT ? index_of(t->text, logql_agg_names, COUNT_OF(logql_agg_names)) : SIZE_MAX;
    if (logql_is(p, "{")) {
        st = parse_log(p, out);
    } else if (logql_take(p, "(")) {
        st = parse_expr(p, 0, out);
        if (!st)
            st = logql_want(p, ")");
    } else if (t->kind == LEX_NUMBER || logql_is(p, "-") || logql_is(p, "+")) {
        *out = expr_new(p, EXPR_NUMBER);
        logql_take(p, "+");
        st = parse_number(p, &(*out)->number);
    } else if (word < COUNT_OF(logql_range_names)) {
        st = parse_range(p, (enum range_op)word, out);
    } else if (agg < COUNT_OF(logql_agg_names)) {
        st = parse_vector_agg(p, (enum agg_kind)agg, out);
    } else if (logql_is(p, "vector")) {
        st = parse_vector(p, out);
    } else if (logql_is(p, "label_replace")) {
        st = parse_label_replace(p, out);
    } else {
        st = logql_fail(p, "a log query, an aggregation or a number");
    }
    p->depth--;
    return st;
}

static int precedence(enum binary_op op)
{
    switch (op) {
    case BIN_OR:
        return 1;
    case BIN_AND:
    case BIN_UNLESS:
        return 2;
    case BIN_EQ:
    case BIN_NE:
    case BIN_GT:
    case BIN_GE:
    case BIN_LT:
    case BIN_LE:
        return 3;
    case BIN_ADD:
    case BIN_SUB:
        return 4;
    case BIN_MUL:
    case BIN_DIV:
    case BIN_MOD:
        return 5;
    case BIN_POW:
        return 6;
    }
    return 0;
}

static enum status parse_matching(struct parser *p, struct expr *e)
{
    enum status st = ST_OK;
    e->is_bool = logql_take(p, "bool");
    if (logql_is(p, "on") || logql_is(p, "ignoring")) {
        e->on = logql_is(p, "on");
        e->has_match = true;
        p->at++;
        st = parse_names(p, &e->match_names, &e->match_count);
        if (!st && (logql_is(p, "group_left") || logql_is(p, "group_right"))) {
            e->group_side = logql_is(p, "group_left") ? -1 : 1;
            p->at++;
            if (logql_is(p, "("))
                st = parse_names(p, &e->include, &e->include_count);
        }
    }
    if (!st && e->is_bool && (e->op < BIN_EQ || e->op > BIN_LE))
        return logql_fail(p, "bool after a comparison only");
    return st;
}

static enum status parse_expr(struct parser *p, int min_precedence, struct expr **out)
{
    enum status st = parse_primary(p, out);
    while (!st) {
        const struct lex_token *t = logql_peek(p);
        size_t op = t->kind == LEX_OP || t->kind == LEX_IDENT ? index_of(t->text, logql_binary_names, COUNT_OF(logql_binary_names)) : SIZE_MAX;
        if (op >= COUNT_OF(logql_binary_names) || precedence((enum binary_op)op) < MAX(min_precedence, 1))
            return ST_OK;
        if (++p->query->operators > LOGQL_OPERATORS_MAX)
            return logql_lex_fail(p->text, t->position, p->err, "more than %d operators", LOGQL_OPERATORS_MAX);
        struct expr *e = expr_new(p, EXPR_BINARY);
        e->op = (enum binary_op)op;
        e->left = *out;
        p->at++;
        st = parse_matching(p, e);
        if (!st)
            st = parse_expr(p, precedence(e->op) + (e->op == BIN_POW ? 0 : 1), &e->right);
        if (!st && (e->left->kind == EXPR_LOG || e->right->kind == EXPR_LOG))
            return logql_lex_fail(p->text, e->position, p->err, "unexpected type for a side of binary operation (%.*s): a log query",
                                  SLICE_FMT(t->text));
        *out = e;
    }
    return st;
}

enum status logql_parse(struct arena *a, struct slice text, struct logql **out, struct err *err)
{
    struct parser p = {.a = a, .text = text, .err = err};
    size_t count;
    if (text.len > QUERY_TEXT_BYTES_MAX)
        return err_set(err, ST_LIMIT, "query of %zu bytes, at most %d are allowed", text.len, QUERY_TEXT_BYTES_MAX);
    p.query = *out = arena_new_of(a, struct logql);
    enum status st = logql_lex_all(a, text, &p.tokens, &count, err);
    if (!st)
        st = parse_expr(&p, 0, &p.query->root);
    if (!st && logql_peek(&p)->kind != LEX_END)
        st = logql_fail(&p, "the end");
    if (st) {
        logql_free(p.query);
        *out = NULL;
    }
    return st;
}

enum status logql_parse_selector(struct arena *a, struct slice text, struct matcher **out, size_t *count, struct err *err)
{
    struct logql query = {0};
    struct parser p = {.a = a, .text = text, .err = err, .query = &query};
    size_t n;
    *count = 0;
    enum status st = logql_lex_all(a, text, &p.tokens, &n, err);
    if (!st)
        st = logql_selector(&p, out, count);
    if (!st && logql_peek(&p)->kind != LEX_END)
        st = logql_fail(&p, "the end of the selector");
    for (size_t i = 0; st && i < *count; i++)
        matcher_destroy(&(*out)[i]);
    return st;
}

void logql_free(struct logql *q)
{
    if (q == NULL)
        return;
    for (size_t i = 0; i < q->regex_count; i++)
        regex_free(q->regexes[i]);
    for (size_t i = 0; i < q->log_count; i++)
        for (size_t k = 0; k < q->logs[i]->matcher_count; k++)
            matcher_destroy(&q->logs[i]->matchers[k]);
}
