/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scripts. A script is commands at the start of a line, each with the indented lines that follow it. '#' outside of
 * quotes starts a comment. */
#include "logql/script.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "logql/logql.h"
#include "logql/script_text.h"
#include "query/token.h"

enum { REPEAT_MAX = 100 * 1000 };
#define NEAR 1e-9

enum eval_kind { EVAL_INSTANT, EVAL_RANGE, EVAL_LINES };
enum fail_match { FAIL_ANY, FAIL_TEXT, FAIL_REGEX };

struct expect_series {
    struct slice labels, line;
    struct script_row row;
};

struct test_case {
    size_t line;
    struct slice text, query;
    enum eval_kind kind;
    struct query_params params;
    bool is_empty, fails, is_ordered, has_scalar;
    enum fail_match match;
    struct slice fail_text;
    double scalar;
    struct expect_series *series;
    size_t series_count, series_cap;
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

/* The next indented line, trimmed and without its comment; lines of comments alone are passed over. */
static bool next_indented(struct script *s, struct slice *line)
{
    for (;;) {
        struct slice rest = s->rest, whole;
        if (!slice_next(&rest, '\n', &whole))
            return false;
        *line = slice_trim(logql_text_uncomment(whole));
        bool is_comment = line->len == 0 && slice_trim(whole).len > 0;
        if (!is_comment && (line->len == 0 || !token_is_space(whole.ptr[0])))
            return false;
        s->rest = rest;
        s->line++;
        if (!is_comment)
            return true;
    }
}

static bool take_time(struct slice *rest, int64_t *ns)
{
    return duration_parse_go(script_take_word(rest), ns);
}

/* "@ 10s [repeat every 5s for 3] [metadata a="b"]" behind the line. */
struct load_line {
    int64_t start_ns, step_ns;
    uint64_t count;
    struct slice metadata;
};

static bool read_load_tail(struct script *s, struct slice rest, struct load_line *l)
{
    *l = (struct load_line){ .count = 1, .metadata = SLICE_EMPTY };
    if (!slice_eq(script_take_word(&rest), SLICE("@")) || !take_time(&rest, &l->start_ns))
        return false;
    while (rest.len) {
        struct slice word = script_take_word(&rest);
        if (slice_eq(word, SLICE("[repeat"))) {
            script_take_word(&rest); /* every */
            if (!take_time(&rest, &l->step_ns) || !slice_eq(script_take_word(&rest), SLICE("for")))
                return false;
            struct slice count = script_take_word(&rest);
            if (!slice_ends(count, SLICE("]")) || !num_parse_u64(slice_sub(count, 0, count.len - 1), &l->count) || l->count > REPEAT_MAX)
                return false;
        } else if (!slice_eq(word, SLICE("[metadata")) || !logql_text_metadata(s->a, &rest, &l->metadata)) {
            return false;
        }
    }
    return true;
}

static void add_line(struct script *s, struct slice stream, struct slice text, const struct load_line *l)
{
    struct slice mark = SLICE("{{.i}}");
    for (uint64_t i = 0; i < l->count; i++) {
        struct buf line;
        size_t at = 0, found;
        buf_init(&line, 0);
        while ((found = slice_find(text, mark, at)) != SIZE_MAX) {
            buf_slice(&line, slice_sub(text, at, found));
            buf_printf(&line, "%llu", (unsigned long long)i);
            at = found + mark.len;
        }
        buf_slice(&line, slice_skip(text, at));
        logql_memory_add(s->memory, stream, sat_add(l->start_ns, sat_mul((int64_t)i, l->step_ns)), buf_as_slice(&line), l->metadata);
        buf_free(&line);
    }
}

static enum status read_load(struct script *s)
{
    struct slice line;
    while (next_indented(s, &line)) {
        struct slice labels, text, rest = line;
        struct load_line l;
        if (logql_text_labels(s->a, &rest, &labels, s->err))
            return wrong(s, "a stream cannot be read", line);
        if (!logql_text_quoted(&rest, &text) || !read_load_tail(s, rest, &l))
            return wrong(s, "a line to load cannot be read", line);
        add_line(s, labels, text, &l);
    }
    return ST_OK;
}

static enum status read_expect(struct script *s, struct test_case *c, struct slice rest)
{
    struct slice line = rest, word = script_take_word(&rest);
    if (slice_eq(word, SLICE("empty"))) {
        c->is_empty = true;
    } else if (slice_eq(word, SLICE("ordered"))) {
        c->is_ordered = true;
    } else if (slice_eq(word, SLICE("fail"))) {
        c->fails = true;
        c->match = slice_starts(rest, SLICE("msg:")) ? FAIL_TEXT : slice_starts(rest, SLICE("regex:")) ? FAIL_REGEX : FAIL_ANY;
        c->fail_text = slice_trim(slice_skip(rest, c->match == FAIL_TEXT ? 4 : c->match == FAIL_REGEX ? 6 : 0));
    } else {
        return wrong(s, "unknown expectation", line);
    }
    return ST_OK;
}

static enum status read_expectation(struct script *s, struct test_case *c, struct slice line)
{
    struct slice rest = line, word = script_take_word(&rest);
    struct expect_series e = { .line = line };
    if (slice_eq(word, SLICE("expect")))
        return read_expect(s, c, rest);
    if (slice_eq(word, SLICE("skip")))
        return ST_OK; /* of one of Loki's own ways to run */
    if (rest.len == 0 && num_parse_double(word, &c->scalar)) {
        c->has_scalar = true;
        return ST_OK;
    }
    rest = line;
    if (logql_text_labels(s->a, &rest, &e.labels, s->err))
        return wrong(s, "an expected series cannot be read", line);
    bool good = c->kind == EVAL_LINES ? logql_text_quoted(&rest, &e.row.line) && slice_eq(script_take_word(&rest), SLICE("@")) &&
                                            take_time(&rest, &e.row.time_ns)
                                      : logql_text_points(s->a, rest, &e.row);
    if (!good)
        return wrong(s, "expected values cannot be read", line);
    ARENA_PUSH(s->a, c->series, c->series_count, c->series_cap) = e;
    return ST_OK;
}

/* "instant at T QUERY", "range from T to T step T QUERY", "lines from T to T [limit N] [forward] QUERY". */
static bool read_eval(struct test_case *c, struct slice rest)
{
    struct slice word = script_take_word(&rest);
    struct query_params *p = &c->params;
    c->kind = slice_eq(word, SLICE("instant")) ? EVAL_INSTANT : slice_eq(word, SLICE("range")) ? EVAL_RANGE : EVAL_LINES;
    if (c->kind == EVAL_LINES && !slice_eq(word, SLICE("lines")))
        return false;
    script_take_word(&rest); /* at, from */
    if (!take_time(&rest, &p->start_ns))
        return false;
    p->end_ns = p->start_ns;
    if (c->kind != EVAL_INSTANT && (!slice_eq(script_take_word(&rest), SLICE("to")) || !take_time(&rest, &p->end_ns)))
        return false;
    if (c->kind == EVAL_RANGE &&
        (!slice_eq(script_take_word(&rest), SLICE("step")) || !take_time(&rest, &p->step_ns) || p->step_ns <= 0 || p->end_ns < p->start_ns ||
         p->end_ns / p->step_ns - p->start_ns / p->step_ns > QUERY_POINTS_PER_SERIES_MAX))
        return false;
    if (c->kind == EVAL_LINES) {
        uint64_t limit = 0;
        struct slice after = rest;
        if (slice_eq(script_take_word(&after), SLICE("limit"))) {
            if (!num_parse_u64(script_take_word(&after), &limit))
                return false;
            rest = after;
        }
        p->limit = limit;
        after = rest;
        if (slice_eq(script_take_word(&after), SLICE("forward"))) {
            p->direction = DIRECTION_FORWARD;
            rest = after;
        }
    }
    c->query = rest;
    return rest.len > 0;
}

/* ---- comparing ---- */

static bool is_near(double want, double got)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    return want == got || fabs(want - got) <= NEAR * fmax(fabs(want), fabs(got));
}

static bool series_matches(const struct test_case *c, const struct expect_series *want, const struct value_series *got)
{
    size_t at = 0;
    if (!slice_eq(want->labels, got->labels))
        return false;
    for (size_t i = 0; i < want->row.count; i++) {
        if (!want->row.points[i].has)
            continue;
        int64_t t_ms = sat_add(c->params.start_ns, sat_mul((int64_t)i, c->params.step_ns)) / NS_MS;
        if (at == got->n || got->t_ms[at] != t_ms || !is_near(want->row.points[i].v, got->v[at]))
            return false;
        at++;
    }
    return at == got->n;
}

/* NULL: as expected. */
static const char *check_series(const struct test_case *c, const struct value *v)
{
    for (size_t i = 0; i < c->series_count; i++) {
        bool found = false;
        for (size_t k = 0; k < v->series_count && !found; k++)
            found = (!c->is_ordered || k == i) && series_matches(c, &c->series[i], &v->series[k]);
        if (!found)
            return "other series";
    }
    return c->series_count == v->series_count ? NULL : "another number of series";
}

/* Each expected line is the next one of the stream with its labels. */
static const char *check_lines(struct arena *a, const struct test_case *c, const struct value *v)
{
    size_t *next = arena_zalloc(a, (v->stream_count + 1) * sizeof *next);
    for (size_t i = 0; i < c->series_count; i++) {
        const struct expect_series *want = &c->series[i];
        size_t k = 0;
        while (k < v->stream_count && !slice_eq(v->streams[k].labels, want->labels))
            k++;
        if (k == v->stream_count || next[k] == v->streams[k].n)
            return "other lines";
        const struct value_line *got = &v->streams[k].lines[next[k]++];
        if (got->time_ns != want->row.time_ns || !slice_eq(got->line, want->row.line))
            return "other lines";
    }
    for (size_t k = 0; k < v->stream_count; k++)
        if (next[k] != v->streams[k].n)
            return "fewer lines";
    return NULL;
}

static const char *check_failure(const struct test_case *c, enum status st, struct slice text)
{
    struct regex *re;
    if (st == ST_OK)
        return "a failure";
    if (c->match == FAIL_TEXT)
        return slice_contains(text, c->fail_text) ? NULL : "another error";
    if (c->match == FAIL_ANY || regex_compile(&re, c->fail_text, 0, NULL))
        return c->match == FAIL_ANY ? NULL : "a readable regex";
    bool yes = regex_match(re, text);
    regex_free(re);
    return yes ? NULL : "another error";
}

static const char *check_value(struct arena *a, const struct test_case *c, const struct value *v)
{
    if (c->is_empty)
        return v->type != VALUE_SCALAR && v->series_count + v->stream_count == 0 ? NULL : "nothing";
    if (c->has_scalar)
        return v->type == VALUE_SCALAR && is_near(c->scalar, v->scalar.v) ? NULL : "another scalar";
    if (c->kind == EVAL_LINES)
        return check_lines(a, c, v);
    return v->type == VALUE_VECTOR || v->type == VALUE_MATRIX ? check_series(c, v) : "series";
}

/* ---- telling ---- */

static void tell_failure(struct script *s, const struct test_case *c, const struct script_answer *answer, const char *why)
{
    buf_printf(s->out, "%.*s:%zu: %.*s\n    expected %s\n", SLICE_FMT(s->name), c->line, SLICE_FMT(c->text), why);
    for (size_t i = 0; i < c->series_count; i++)
        buf_printf(s->out, "    expected: %.*s\n", SLICE_FMT(c->series[i].line));
    if (c->fails)
        buf_printf(s->out, "    expected an error: %.*s\n", SLICE_FMT(c->fail_text));
    if (c->has_scalar)
        script_tell_scalar("expected", c->scalar, s->out);
    script_tell_answer(answer, s->out);
}

static void run_case(struct script *s, const struct test_case *c)
{
    struct script_answer o;
    script_ask(&logql_lang, script_events_door(s->memory), s->a, c->query, &c->params, c->kind != EVAL_INSTANT, &o);
    const char *why = c->fails ? check_failure(c, o.st, slice_str(o.err.text)) : o.st ? "success" : check_value(s->a, c, &o.value);
    if (why == NULL) {
        s->result->passed++;
        return;
    }
    s->result->failed++;
    tell_failure(s, c, &o, why);
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
    c->line = s->line;
    c->text = line;
    c->fail_text = SLICE_EMPTY;
    if (!slice_eq(word, SLICE("eval")))
        return wrong(s, "unknown command", line);
    if (!read_eval(c, rest))
        return wrong(s, "an eval cannot be read", line);
    while (next_indented(s, &line)) {
        enum status st = read_expectation(s, c, line);
        if (st)
            return st;
    }
    if (!c->series_count && !c->has_scalar && !c->is_empty && !c->fails)
        return wrong(s, "an eval that expects nothing", c->text);
    run_case(s, c);
    return ST_OK;
}

enum status logql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                             struct err *err)
{
    struct script s = { .name = name, .rest = text, .out = out, .result = result, .err = err };
    struct slice line;
    enum status st = ST_OK;
    s.memory = script_events_new();
    s.a = arena_new(SCRIPT_RESULT_BYTES_MAX);
    while (!st && slice_next(&s.rest, '\n', &line)) {
        s.line++;
        line = slice_trim(logql_text_uncomment(line));
        arena_reset(s.a);
        if (line.len)
            st = run_command(&s, line);
    }
    arena_free(s.a);
    script_events_free(s.memory);
    return st;
}
