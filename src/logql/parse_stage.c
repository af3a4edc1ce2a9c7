/* SPDX-License-Identifier: Apache-2.0 */
/* The stages of a pipeline: line filters, parsers, label filters, formats, drop and keep. */
#include "base/date.h"
#include "base/num.h"
#include "logql/parser.h"
#include "logql/record.h"

/* ---- line filters ---- */

static const struct {
    const char *op;
    enum line_op kind;
} line_ops[] = {{"|=", LINE_CONTAINS},    {"!=", LINE_NOT_CONTAINS}, {"|~", LINE_MATCHES},
                {"!~", LINE_NOT_MATCHES}, {"|>", LINE_PATTERN},      {"!>", LINE_NOT_PATTERN}};

static enum status parse_ip(struct parser *p, struct ip_range **out, struct slice *text)
{
    *out = arena_new_of(p->a, struct ip_range);
    p->at++;
    enum status st = logql_want(p, "(");
    if (!st)
        st = logql_string(p, text);
    if (!st && !ip_range_parse(*text, *out))
        return logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "ip: invalid pattern \"%.*s\": no address, range or network",
                              SLICE_FMT(*text));
    return st ? st : logql_want(p, ")");
}

static enum status add_line_text(struct parser *p, struct stage *s)
{
    size_t n = s->text_count;
    struct slice text = SLICE_EMPTY;
    enum status st = ST_OK;
    if (n == LOGQL_ALTERNATIVES_MAX)
        return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d alternatives in a line filter", LOGQL_ALTERNATIVES_MAX);
    s->texts = arena_grow(p->a, s->texts, n * sizeof *s->texts, (n + 1) * sizeof *s->texts);
    s->res = arena_grow(p->a, s->res, n * sizeof *s->res, (n + 1) * sizeof *s->res);
    s->ips = arena_grow(p->a, s->ips, n * sizeof *s->ips, (n + 1) * sizeof *s->ips);
    s->patterns = arena_grow(p->a, s->patterns, n * sizeof *s->patterns, (n + 1) * sizeof *s->patterns);
    s->pattern_counts = arena_grow(p->a, s->pattern_counts, n * sizeof *s->pattern_counts, (n + 1) * sizeof *s->pattern_counts);
    s->res[n] = NULL;
    s->ips[n] = NULL;
    s->patterns[n] = NULL;
    if (logql_is(p, "ip") && s->line_op > LINE_NOT_CONTAINS)
        return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "ip: invalid operation: only |= and != take ip()");
    if (logql_is(p, "ip"))
        st = parse_ip(p, &s->ips[n], &text);
    else
        st = logql_string(p, &text);
    if (!st && (s->line_op == LINE_MATCHES || s->line_op == LINE_NOT_MATCHES))
        st = logql_regex(p, text, 0, &s->res[n]);
    if (!st && (s->line_op == LINE_PATTERN || s->line_op == LINE_NOT_PATTERN)) {
        struct err why;
        if (pattern_parse(p->a, text, true, &s->patterns[n], &s->pattern_counts[n], &why))
            st = logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "%s", why.text);
    }
    s->texts[n] = text;
    s->text_count++;
    return st;
}

static enum status parse_line_filter(struct parser *p, enum line_op op, struct stage *s)
{
    enum status st;
    s->kind = STAGE_LINE;
    s->line_op = op;
    p->at++;
    do
        st = add_line_text(p, s);
    while (!st && logql_take(p, "or"));
    return st;
}

/* ---- label filters ---- */

static bool literal_seconds(struct slice text, double *out)
{
    int64_t ms;
    if (!duration_parse_prom(text, &ms))
        return logql_value_parse(text, UNWRAP_DURATION, out);
    *out = (double)ms / 1e3;
    return true;
}

/* only_numbers: behind ==. */
static enum status parse_filter_value(struct parser *p, struct label_filter *f, bool only_numbers)
{
    const struct lex_token *t = logql_peek(p);
    if (logql_is(p, "ip")) {
        f->kind = FILTER_IP;
        if (only_numbers || (f->op != CMP_EQ && f->op != CMP_NE))
            return logql_fail(p, "= or != before ip()");
        return parse_ip(p, &f->ip, &f->text);
    }
    if (t->kind == LEX_STRING && !only_numbers) {
        f->kind = FILTER_STRING;
        f->text = t->text;
        p->at++;
        if (f->op == CMP_RE || f->op == CMP_NRE)
            return logql_regex(p, f->text, REGEX_ANCHORED, &f->re);
        return f->op == CMP_EQ || f->op == CMP_NE ? ST_OK
                                                  : logql_lex_fail(p->text, t->position, p->err, "texts compare by =, !=, =~ and !~ only");
    }
    bool negative = logql_take(p, "-");
    t = logql_peek(p);
    f->text = t->text;
    if (t->kind == LEX_NUMBER) {
        f->kind = FILTER_NUMBER;
        f->number = t->number;
    } else if (t->kind == LEX_DURATION && literal_seconds(t->text, &f->number)) {
        f->kind = FILTER_DURATION;
    } else if (t->kind == LEX_DURATION && logql_value_parse(t->text, UNWRAP_BYTES, &f->number)) {
        f->kind = FILTER_BYTES;
    } else {
        return logql_fail(p, "a text, number, duration or size");
    }
    f->number = negative ? -f->number : f->number;
    p->at++;
    return f->op == CMP_RE || f->op == CMP_NRE ? logql_lex_fail(p->text, t->position, p->err, "=~ and !~ need a text") : ST_OK;
}

static enum status parse_filter_or(struct parser *p, struct label_filter **out);

static enum status parse_filter_leaf(struct parser *p, struct label_filter **out)
{
    static const struct slice ops[] = {SLICE_INIT("="), SLICE_INIT("!="), SLICE_INIT(">"),  SLICE_INIT(">="),
                                       SLICE_INIT("<"), SLICE_INIT("<="), SLICE_INIT("=~"), SLICE_INIT("!~")};
    if (logql_take(p, "(")) {
        if (++p->depth > QUERY_DEPTH_MAX)
            return logql_fail(p, "fewer parentheses");
        enum status st = parse_filter_or(p, out);
        p->depth--;
        return st ? st : logql_want(p, ")");
    }
    if (++p->query->filters > LOGQL_FILTERS_MAX)
        return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d label filters", LOGQL_FILTERS_MAX);
    struct label_filter *f = *out = arena_new_of(p->a, struct label_filter);
    enum status st = logql_ident(p, "IDENTIFIER", &f->name);
    if (st)
        return st;
    size_t op = 0;
    struct slice word = logql_peek(p)->text;
    bool only_numbers = slice_eq(word, SLICE("=="));
    if (only_numbers)
        word = SLICE("=");
    while (op < COUNT_OF(ops) && !slice_eq(ops[op], word))
        op++;
    if (op == COUNT_OF(ops))
        return logql_fail(p, "a comparison");
    f->op = (enum cmp_op)op;
    p->at++;
    return parse_filter_value(p, f, only_numbers);
}

static enum status join(struct parser *p, enum filter_kind kind, struct label_filter **left,
                        enum status (*side)(struct parser *, struct label_filter **))
{
    struct label_filter *both = arena_new_of(p->a, struct label_filter);
    both->kind = kind;
    both->left = *left;
    enum status st = side(p, &both->right);
    *left = both;
    return st;
}

/* `a and b`, `a, b` and plain `a b` are the same. */
static enum status parse_filter_and(struct parser *p, struct label_filter **out)
{
    enum status st = parse_filter_leaf(p, out);
    while (!st &&
           (logql_take(p, "and") || logql_take(p, ",") ||
            (logql_peek(p)->kind == LEX_IDENT && !logql_is(p, "or") && !logql_is(p, "by") && !logql_is(p, "without") && !logql_is(p, "offset"))))
        st = join(p, FILTER_AND, out, parse_filter_leaf);
    return st;
}

static enum status parse_filter_or(struct parser *p, struct label_filter **out)
{
    enum status st = parse_filter_and(p, out);
    while (!st && logql_take(p, "or"))
        st = join(p, FILTER_OR, out, parse_filter_and);
    return st;
}

enum status logql_label_filter(struct parser *p, struct label_filter **out)
{
    return parse_filter_or(p, out);
}

/* ---- the others ---- */

static enum status assign_new(struct parser *p, struct stage *s, struct assign **out)
{
    size_t n = s->assign_count;
    if (n == LOGQL_ASSIGNS_MAX)
        return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d labels in a stage", LOGQL_ASSIGNS_MAX);
    s->assign_count++;
    s->assigns = arena_grow(p->a, s->assigns, n * sizeof *s->assigns, (n + 1) * sizeof *s->assigns);
    memset(&s->assigns[n], 0, sizeof s->assigns[n]);
    s->assigns[n].source = SLICE_EMPTY;
    *out = &s->assigns[n];
    return logql_ident(p, "IDENTIFIER", &s->assigns[n].name);
}

/* a.b[0]["c d"] */
static bool json_path_is_good(struct slice path)
{
    enum { INDEX_DIGITS_MAX = 9 };
    for (size_t i = 0; i < path.len;) {
        if (path.ptr[i] == '[') {
            size_t end = slice_find_char(path, ']', i);
            struct slice inside = slice_sub(path, i + 1, MIN(end, path.len));
            bool quoted = inside.len > 1 && inside.ptr[0] == '"' && inside.ptr[inside.len - 1] == '"';
            for (size_t k = 0; !quoted && k < inside.len; k++)
                if (!token_is_digit(inside.ptr[k]) || inside.len > INDEX_DIGITS_MAX)
                    return false;
            if (end == SIZE_MAX || inside.len == 0)
                return false;
            i = end + 1;
            continue;
        }
        size_t dot = path.ptr[i] == '.' && i > 0, n = 0;
        while (i + dot + n < path.len && (token_is_alnum(path.ptr[i + dot + n]) || path.ptr[i + dot + n] == '-'))
            n++;
        if (n == 0)
            return false;
        i += dot + n;
    }
    return path.len > 0;
}

/* json and logfmt: nothing, or `name="expression", name, ...`. */
static enum status parse_extractions(struct parser *p, struct stage *s)
{
    enum status st = ST_OK;
    while (!st && logql_peek(p)->kind == LEX_FLAG) {
        struct slice flag = logql_peek(p)->text;
        if (s->kind != STAGE_LOGFMT || (!slice_eq(flag, SLICE("--strict")) && !slice_eq(flag, SLICE("--keep-empty"))))
            return logql_fail(p, "--strict or --keep-empty of logfmt");
        s->strict |= slice_eq(flag, SLICE("--strict"));
        s->keep_empty |= slice_eq(flag, SLICE("--keep-empty"));
        p->at++;
    }
    while (!st && logql_peek(p)->kind == LEX_IDENT && !logql_is(p, "offset")) {
        struct assign *e;
        st = assign_new(p, s, &e);
        if (st)
            break;
        e->source = e->name;
        if (!st && logql_take(p, "="))
            st = logql_string(p, &e->source);
        if (!st && s->kind == STAGE_JSON && !json_path_is_good(e->source))
            st = logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "cannot parse expression [%.*s]: names, [\"names\"] and [indices]",
                                SLICE_FMT(e->source));
        if (st || !logql_take(p, ","))
            break;
    }
    return st;
}

/* label: whose value it makes; empty: the line. */
static enum status parse_template(struct parser *p, struct slice label, struct slice text, struct template **out)
{
    size_t position = p->tokens[p->at - 1].position;
    struct err why;
    if (template_parse(p, label.len ? "label" : "line", text, out, &why) == ST_OK)
        return ST_OK;
    if (label.len)
        return logql_lex_fail(p->text, position, p->err, "invalid template for label '%.*s': %s", SLICE_FMT(label), why.text);
    return logql_lex_fail(p->text, position, p->err, "invalid line template: %s", why.text);
}

/* A label is formatted once in a stage, and __error__ is not formatted at all. */
static enum status check_label_format(struct parser *p, const struct stage *s, const struct assign *e)
{
    size_t position = p->tokens[p->at - 1].position, same = 0;
    for (size_t i = 0; i < s->assign_count; i++)
        same += slice_eq(s->assigns[i].name, e->name);
    if (slice_eq(e->name, SLICE("__error__")))
        return logql_lex_fail(p->text, position, p->err, "%.*s cannot be formatted", SLICE_FMT(e->name));
    if (same > 1)
        return logql_lex_fail(p->text, position, p->err, "multiple label name '%.*s' not allowed in a single format operation",
                              SLICE_FMT(e->name));
    return ST_OK;
}

static enum status parse_label_format(struct parser *p, struct stage *s)
{
    enum status st = ST_OK;
    do {
        struct assign *e;
        st = assign_new(p, s, &e);
        if (!st)
            st = check_label_format(p, s, e);
        if (!st)
            st = logql_want(p, "=");
        if (!st && logql_peek(p)->kind == LEX_STRING) {
            e->source = p->tokens[p->at++].text;
            st = parse_template(p, e->name, e->source, &e->template);
        } else if (!st) {
            st = logql_ident(p, "a label name or a quoted template", &e->source);
        }
    } while (!st && logql_take(p, ","));
    return st;
}

static enum status parse_drop_keep(struct parser *p, struct stage *s)
{
    static const char *const ops[] = {"=", "!=", "=~", "!~"};
    enum status st = ST_OK;
    do {
        struct assign *e;
        st = assign_new(p, s, &e);
        for (size_t i = 0; !st && i < COUNT_OF(ops); i++) {
            if (!logql_take(p, ops[i]))
                continue;
            e->has_matcher = true;
            e->op = (enum match_op)i;
            st = logql_string(p, &e->source);
            if (!st && e->op >= MATCH_RE)
                st = logql_regex(p, e->source, REGEX_ANCHORED, &e->re);
            break;
        }
    } while (!st && logql_take(p, ","));
    return st;
}

static enum status parse_regexp(struct parser *p, struct stage *s)
{
    bool named = false;
    enum status st = logql_string(p, &s->source);
    if (!st)
        st = logql_regex(p, s->source, 0, &s->re);
    for (size_t i = 1; !st && i <= regex_group_count(s->re); i++) {
        struct slice name = regex_group_name(s->re, i);
        named |= name.len > 0;
        for (size_t k = 1; name.len && k < i; k++)
            if (slice_eq(regex_group_name(s->re, k), name))
                return logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "duplicate extracted label name '%.*s'", SLICE_FMT(name));
    }
    if (!st && !named)
        return logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "at least one named capture must be supplied");
    return st;
}

static enum status parse_pattern(struct parser *p, struct stage *s)
{
    struct err why;
    enum status st = logql_string(p, &s->source);
    if (!st && pattern_parse(p->a, s->source, false, &s->pieces, &s->piece_count, &why))
        st = logql_lex_fail(p->text, p->tokens[p->at - 1].position, p->err, "%s", why.text);
    return st;
}

static enum status parse_word_stage(struct parser *p, struct stage *s, struct slice word)
{
    static const struct {
        struct slice word;
        enum stage_kind kind;
    } words[] = {{SLICE_INIT("json"), STAGE_JSON},
                 {SLICE_INIT("logfmt"), STAGE_LOGFMT},
                 {SLICE_INIT("regexp"), STAGE_REGEXP},
                 {SLICE_INIT("pattern"), STAGE_PATTERN},
                 {SLICE_INIT("unpack"), STAGE_UNPACK},
                 {SLICE_INIT("line_format"), STAGE_LINE_FORMAT},
                 {SLICE_INIT("label_format"), STAGE_LABEL_FORMAT},
                 {SLICE_INIT("drop"), STAGE_DROP},
                 {SLICE_INIT("keep"), STAGE_KEEP},
                 {SLICE_INIT("decolorize"), STAGE_DECOLORIZE}};
    size_t i = 0;
    while (i < COUNT_OF(words) && !slice_eq(words[i].word, word))
        i++;
    /* "json = 5" is a label filter of a label named json. */
    const struct lex_token *next = &p->tokens[p->at + 1];
    bool compares =
        next->kind == LEX_OP && (slice_eq(next->text, SLICE("=")) || slice_eq(next->text, SLICE("==")) || slice_eq(next->text, SLICE("=~")) ||
                                 slice_eq(next->text, SLICE(">")) || slice_eq(next->text, SLICE("<")));
    if (i == COUNT_OF(words) || compares) {
        s->kind = STAGE_LABEL_FILTER;
        return logql_label_filter(p, &s->filter);
    }
    s->kind = words[i].kind;
    p->at++;
    switch (s->kind) {
    case STAGE_JSON:
    case STAGE_LOGFMT:
        return parse_extractions(p, s);
    case STAGE_REGEXP:
        return parse_regexp(p, s);
    case STAGE_PATTERN:
        return parse_pattern(p, s);
    case STAGE_LABEL_FORMAT:
        return parse_label_format(p, s);
    case STAGE_DROP:
    case STAGE_KEEP:
        return parse_drop_keep(p, s);
    case STAGE_LINE_FORMAT: {
        enum status st = logql_string(p, &s->source);
        return st ? st : parse_template(p, SLICE_EMPTY, s->source, &s->template);
    }
    case STAGE_UNPACK:
    case STAGE_DECOLORIZE:
    case STAGE_LINE:
    case STAGE_LABEL_FILTER:
        return ST_OK;
    }
    return ST_OK;
}

enum status logql_stages(struct parser *p, struct stage **out)
{
    struct stage **tail = out;
    *out = NULL;
    for (;;) {
        size_t i = 0;
        while (i < COUNT_OF(line_ops) && !logql_is(p, line_ops[i].op))
            i++;
        /* "!=" after a stage is a line filter only when a text follows. */
        bool is_line = i < COUNT_OF(line_ops) && (p->tokens[p->at + 1].kind == LEX_STRING || slice_eq(p->tokens[p->at + 1].text, SLICE("ip")));
        bool is_pipe = logql_is(p, "|") && !slice_eq(p->tokens[p->at + 1].text, SLICE("unwrap"));
        if (!is_line && !is_pipe)
            return ST_OK;
        if (++p->query->stages > LOGQL_STAGES_MAX)
            return logql_lex_fail(p->text, logql_peek(p)->position, p->err, "more than %d stages", LOGQL_STAGES_MAX);
        struct stage *s = arena_new_of(p->a, struct stage);
        s->source = SLICE_EMPTY;
        enum status st;
        if (is_line) {
            st = parse_line_filter(p, line_ops[i].kind, s);
        } else {
            p->at++;
            const struct lex_token *t = logql_peek(p);
            st = t->kind == LEX_IDENT || logql_is(p, "(") ? parse_word_stage(p, s, t->text) : logql_fail(p, "a stage");
        }
        if (st)
            return st;
        *tail = s;
        tail = &s->next;
    }
}
