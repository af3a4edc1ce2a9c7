/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scripts: commands at the start of a line, each with the indented lines behind it. An answer is written as the lines a script would
 * expect, so that one comparison serves all kinds. */
#include "traceql/script.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "query/script_events.h"
#include "query/token.h"
#include "traceql/eval.h"

enum { LIMIT_DEFAULT = 20 };

enum eval_kind { EVAL_SEARCH, EVAL_SHOWN, EVAL_RANGE, EVAL_INSTANT, EVAL_PARSE };

struct test_case {
    size_t line;
    struct slice text, query;
    enum eval_kind kind;
    int64_t start_ns, end_ns, step_ns;
    uint64_t limit;
    bool fails, is_nothing;
    struct slice fail_text;
    struct slice *expected;
    size_t expected_count, expected_cap;
};

struct script {
    struct slice name, rest;
    size_t line;
    struct script_events *memory;
    struct arena *a; /* one command */
    struct buf *out;
    struct script_result *result;
    struct err *err;
};

/* ---- reading ---- */

static enum status wrong(struct script *s, const char *what, struct slice found)
{
    return err_set(s->err, ST_INVALID, "%.*s:%zu: %s: %.*s", SLICE_FMT(s->name), s->line, what, (int)MIN(found.len, (size_t)120), found.ptr);
}

/* The next indented line, trimmed; lines of comments are passed over. */
static bool next_indented(struct script *s, struct slice *line)
{
    for (;;) {
        struct slice rest = s->rest, whole;
        if (!slice_next(&rest, '\n', &whole))
            return false;
        *line = slice_trim(whole);
        if (line->len == 0 || !token_is_space(whole.ptr[0]))
            return false;
        s->rest = rest;
        s->line++;
        if (line->ptr[0] != '#')
            return true;
    }
}

static enum status read_load(struct script *s)
{
    struct tql_load l = { .memory = s->memory, .a = s->a };
    struct slice line;
    const char *why;
    while (next_indented(s, &line))
        if (!tql_load_line(&l, line, &why))
            return wrong(s, why, line);
    tql_load_end(&l);
    return ST_OK;
}

static bool take_time(struct slice *rest, int64_t *ns)
{
    struct slice word = script_take_word(rest);
    *ns = 0;
    return slice_eq(word, SLICE("0")) || duration_parse_go(word, ns);
}

/* search from 0 to 1h [limit 5] [step 30s] QUERY */
static bool read_eval(struct test_case *c, struct slice rest)
{
    static const struct slice kinds[] = { SLICE_INIT("search"), SLICE_INIT("shown"), SLICE_INIT("range"), SLICE_INIT("instant") };
    struct slice kind = script_take_word(&rest), peek;
    size_t n = 0;
    while (n < COUNT_OF(kinds) && !slice_eq(kind, kinds[n]))
        n++;
    c->kind = (enum eval_kind)n;
    c->limit = LIMIT_DEFAULT;
    if (n == COUNT_OF(kinds) || !slice_eq(script_take_word(&rest), SLICE("from")) || !take_time(&rest, &c->start_ns) ||
        !slice_eq(script_take_word(&rest), SLICE("to")) || !take_time(&rest, &c->end_ns))
        return false;
    peek = rest;
    struct slice word = script_take_word(&peek);
    if (c->kind == EVAL_RANGE && (!slice_eq(word, SLICE("step")) || !take_time(&peek, &c->step_ns)))
        return false;
    if (slice_eq(word, SLICE("limit")) && !num_parse_u64(script_take_word(&peek), &c->limit))
        return false;
    c->query = slice_eq(word, SLICE("limit")) || c->kind == EVAL_RANGE ? slice_trim(peek) : rest;
    return c->query.len > 0;
}

static enum status read_expectation(struct script *s, struct test_case *c, struct slice line)
{
    struct slice rest = line;
    if (!slice_eq(script_take_word(&rest), SLICE("expect"))) {
        if (c->expected_count == TRACEQL_SCRIPT_LINES_MAX)
            return wrong(s, "more lines than a case may expect", line);
        ARENA_PUSH(s->a, c->expected, c->expected_count, c->expected_cap) = line;
        return ST_OK;
    }
    struct slice what = script_take_word(&rest);
    if (slice_eq(what, SLICE("none")) && rest.len == 0) {
        c->is_nothing = true;
        return ST_OK;
    }
    c->fails = true;
    c->fail_text = slice_starts(rest, SLICE("msg:")) ? slice_trim(slice_skip(rest, 4)) : SLICE_EMPTY;
    return slice_eq(what, SLICE("fail")) && (rest.len == 0 || c->fail_text.len) ? ST_OK : wrong(s, "expected fail [msg: TEXT] or none", line);
}

/* ---- answers as lines ---- */

static void put_span_id(const struct event *e, struct buf *out)
{
    size_t n = 0;
    while (n < sizeof e->span_id && e->span_id[n])
        n++;
    buf_put(out, (const char *)e->span_id, n);
}

static void put_trace_id(const struct event *e, struct buf *out)
{
    size_t from = 0;
    while (from < sizeof e->trace_id - 1 && e->trace_id[from] == 0)
        from++;
    for (size_t i = from; i < sizeof e->trace_id; i++)
        buf_printf(out, "%02x", e->trace_id[i]);
}

static void put_shown(struct script *s, const struct traceql_found *f, const struct tql_trace *t, uint32_t span, struct buf *out)
{
    bool is_first = true;
    for (size_t i = 0; i < f->shown_count; i++) {
        struct tql_value v = tql_expr_value(f->shown[i], t, span, s->a);
        if (v.type == TQL_NIL)
            continue;
        buf_slice(out, is_first ? SLICE("(") : SLICE(" "));
        traceql_format_expr(f->shown[i], out);
        buf_char(out, '=');
        traceql_format_value(&v, out);
        is_first = false;
    }
    if (!is_first)
        buf_char(out, ')');
}

static void put_set(struct script *s, const struct test_case *c, const struct traceql_found *f, const struct traceql_trace *t,
                    const struct tql_set *set, struct buf *out)
{
    put_trace_id(t->trace->spans[0].e, out);
    for (size_t i = 0; i < set->attr_count; i++) {
        buf_printf(out, " %.*s=", SLICE_FMT(set->attrs[i].name));
        traceql_format_value(&set->attrs[i].value, out);
    }
    buf_char(out, ':');
    for (size_t i = 0; i < set->count; i++) {
        buf_char(out, ' ');
        put_span_id(t->trace->spans[set->spans[i]].e, out);
        if (c->kind == EVAL_SHOWN)
            put_shown(s, f, t->trace, set->spans[i], out);
    }
    buf_char(out, '\n');
}

static enum status run_search(struct script *s, const struct test_case *c, struct query_env *env, const struct traceql *q, struct buf *out,
                              struct err *err)
{
    struct traceql_found f = { .count = 0 };
    enum status st = traceql_search(env, q, c->start_ns, c->end_ns, (size_t)c->limit, &f, err);
    for (size_t i = 0; !st && i < f.count; i++)
        for (size_t k = 0; k < f.traces[i].set_count; k++)
            put_set(s, c, &f, &f.traces[i], &f.traces[i].sets[k], out);
    return st;
}

static enum status run_metrics(struct script *s, const struct test_case *c, struct query_env *env, const struct traceql *q, struct buf *out,
                               struct err *err)
{
    struct traceql_window w = { .start_ns = c->start_ns, .end_ns = c->end_ns, .step_ns = c->step_ns, .is_instant = c->kind == EVAL_INSTANT };
    struct traceql_matrix m;
    enum status st = traceql_metrics(env, q, &w, &m, err);
    for (size_t i = 0; !st && i < m.count; i++) {
        struct slice labels = traceql_labels_text(s->a, &m.series[i]), name = labels_get(labels, SLICE("__name__"));
        if (name.len)
            buf_printf(out, "%.*s", SLICE_FMT(name));
        else
            labels_format(labels, out);
        for (size_t k = 0; k < m.points; k++)
            isnan(m.series[i].v[k]) ? buf_slice(out, SLICE(" _")) : buf_printf(out, " %.10g", m.series[i].v[k]);
        buf_char(out, '\n');
    }
    return st;
}

static enum status run(struct script *s, const struct test_case *c, struct buf *out, struct err *err)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct traceql *q = NULL;
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    struct query_env env = { script_events_door(s->memory), &ctx, s->a, { 0 } };
    buf_init(&env.infos, 0);
    enum status st = traceql_parse(s->a, c->query, &q, err);
    if (!st && c->kind == EVAL_PARSE) {
        traceql_format_query(q, out);
        buf_char(out, '\n');
    } else if (!st) {
        st = c->kind <= EVAL_SHOWN ? run_search(s, c, &env, q, out, err) : run_metrics(s, c, &env, q, out, err);
    }
    traceql_free(q);
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
    return st;
}

/* ---- cases ---- */

static bool is_expected(const struct test_case *c, enum status st, struct slice got, const struct err *err)
{
    struct slice line;
    size_t i = 0;
    if (c->fails)
        return st != ST_OK && slice_contains(slice_str(err->text), c->fail_text);
    if (st)
        return false;
    if (c->kind == EVAL_PARSE && c->expected_count == 0)
        return true;
    while (slice_next(&got, '\n', &line))
        if (line.len && (i == c->expected_count || !slice_eq(line, c->expected[i++])))
            return false;
    return i == c->expected_count;
}

static void run_case(struct script *s, const struct test_case *c)
{
    struct buf got;
    struct err err;
    buf_init(&got, SCRIPT_RESULT_BYTES_MAX);
    enum status st = run(s, c, &got, &err);
    if (is_expected(c, st, buf_as_slice(&got), &err)) {
        s->result->passed++;
        buf_free(&got);
        return;
    }
    s->result->failed++;
    buf_printf(s->out, "%.*s:%zu: %.*s\n", SLICE_FMT(s->name), c->line, SLICE_FMT(c->text));
    for (size_t i = 0; i < c->expected_count; i++)
        buf_printf(s->out, "    expected: %.*s\n", SLICE_FMT(c->expected[i]));
    if (c->fails)
        buf_printf(s->out, "    expected an error: %.*s\n", SLICE_FMT(c->fail_text));
    struct slice rest = buf_as_slice(&got), line;
    if (st)
        buf_printf(s->out, "    got error: %s\n", err.text);
    else if (rest.len == 0)
        buf_printf(s->out, "    got nothing\n");
    while (!st && slice_next(&rest, '\n', &line))
        if (line.len)
            buf_printf(s->out, "    got: %.*s\n", SLICE_FMT(line));
    buf_free(&got);
}

static enum status run_command(struct script *s, struct slice line)
{
    struct slice rest = line, word = script_take_word(&rest);
    if (slice_eq(word, SLICE("load")))
        return read_load(s);
    if (slice_eq(word, SLICE("clear"))) {
        script_events_clear(s->memory);
        return ST_OK;
    }
    struct test_case *c = arena_new_of(s->a, struct test_case);
    *c = (struct test_case){ .line = s->line, .text = line, .kind = EVAL_PARSE, .query = rest, .fail_text = SLICE_EMPTY };
    bool is_parse = slice_eq(word, SLICE("parse"));
    if (!is_parse && !slice_eq(word, SLICE("eval")))
        return wrong(s, "unknown command", line);
    if (!is_parse && !read_eval(c, rest))
        return wrong(s, "an eval cannot be read", line);
    while (next_indented(s, &line)) {
        enum status st = read_expectation(s, c, line);
        if (st)
            return st;
    }
    if (!is_parse && !c->expected_count && !c->is_nothing && !c->fails)
        return wrong(s, "an eval that expects nothing", c->text);
    run_case(s, c);
    return ST_OK;
}

enum status traceql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                               struct err *err)
{
    struct script s = { .name = name, .rest = text, .memory = script_events_new(), .a = arena_new(SCRIPT_RESULT_BYTES_MAX), .out = out,
                        .result = result, .err = err };
    struct slice line;
    enum status st = ST_OK;
    while (!st && slice_next(&s.rest, '\n', &line)) {
        s.line++;
        line = slice_trim(line);
        arena_reset(s.a);
        if (line.len && line.ptr[0] != '#')
            st = run_command(&s, line);
    }
    arena_free(s.a);
    script_events_free(s.memory);
    return st;
}
