/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scripts. A script is commands at the start of a line, each with the indented lines that follow it. '#' outside of
 * quotes starts a comment. */
#include "logql/script.h"

#include <math.h>
#include <stdio.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "logql/logql.h"
#include "logql/script_text.h"
#include "query/token.h"
#include "sys/file.h"

enum { RESULT_BYTES_MAX = 256 * MIB, REPEAT_MAX = 100 * 1000 };
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
    struct logql_memory *memory;
    struct arena *a; /* one command */
    struct buf *out;
    struct logql_script_result *result;
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

static struct slice take_word(struct slice *rest)
{
    *rest = slice_trim(*rest);
    size_t n = 0;
    while (n < rest->len && !token_is_space(rest->ptr[n]))
        n++;
    struct slice word = slice_sub(*rest, 0, n);
    *rest = slice_trim(slice_skip(*rest, n));
    return word;
}

static bool take_time(struct slice *rest, int64_t *ns)
{
    return duration_parse_go(take_word(rest), ns);
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
    if (!slice_eq(take_word(&rest), SLICE("@")) || !take_time(&rest, &l->start_ns))
        return false;
    while (rest.len) {
        struct slice word = take_word(&rest);
        if (slice_eq(word, SLICE("[repeat"))) {
            take_word(&rest); /* every */
            if (!take_time(&rest, &l->step_ns) || !slice_eq(take_word(&rest), SLICE("for")))
                return false;
            struct slice count = take_word(&rest);
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
    struct slice line = rest, word = take_word(&rest);
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
    struct slice rest = line, word = take_word(&rest);
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
    bool good = c->kind == EVAL_LINES ? logql_text_quoted(&rest, &e.row.line) && slice_eq(take_word(&rest), SLICE("@")) &&
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
    struct slice word = take_word(&rest);
    struct query_params *p = &c->params;
    c->kind = slice_eq(word, SLICE("instant")) ? EVAL_INSTANT : slice_eq(word, SLICE("range")) ? EVAL_RANGE : EVAL_LINES;
    if (c->kind == EVAL_LINES && !slice_eq(word, SLICE("lines")))
        return false;
    take_word(&rest); /* at, from */
    if (!take_time(&rest, &p->start_ns))
        return false;
    p->end_ns = p->start_ns;
    if (c->kind != EVAL_INSTANT && (!slice_eq(take_word(&rest), SLICE("to")) || !take_time(&rest, &p->end_ns)))
        return false;
    if (c->kind == EVAL_RANGE &&
        (!slice_eq(take_word(&rest), SLICE("step")) || !take_time(&rest, &p->step_ns) || p->step_ns <= 0 || p->end_ns < p->start_ns ||
         (p->end_ns - p->start_ns) / p->step_ns > QUERY_POINTS_PER_SERIES_MAX))
        return false;
    if (c->kind == EVAL_LINES) {
        uint64_t limit = 0;
        struct slice after = rest;
        if (slice_eq(take_word(&after), SLICE("limit"))) {
            if (!num_parse_u64(take_word(&after), &limit))
                return false;
            rest = after;
        }
        p->limit = limit;
        after = rest;
        if (slice_eq(take_word(&after), SLICE("forward"))) {
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
        int64_t t_ms = (c->params.start_ns + (int64_t)i * c->params.step_ns) / NS_MS;
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

static void tell_number(struct buf *out, double v)
{
    char text[NUM_TEXT_BYTES_MAX];
    buf_put(out, text, num_format_short(v, text));
}

static void tell_value(const struct value *v, struct buf *out)
{
    enum { TOLD_MAX = 24 };
    if (v->type == VALUE_SCALAR) {
        buf_printf(out, "    got: ");
        tell_number(out, v->scalar.v);
        buf_char(out, '\n');
    }
    for (size_t i = 0; i < v->series_count && i < TOLD_MAX; i++) {
        buf_printf(out, "    got: ");
        labels_format(v->series[i].labels, out);
        for (size_t k = 0; k < v->series[i].n && k < TOLD_MAX; k++) {
            buf_char(out, ' ');
            tell_number(out, v->series[i].v[k]);
            buf_printf(out, "@%gs", (double)v->series[i].t_ms[k] / 1e3);
        }
        buf_char(out, '\n');
    }
    for (size_t i = 0; i < v->stream_count && i < TOLD_MAX; i++) {
        for (size_t k = 0; k < v->streams[i].n && k < TOLD_MAX; k++) {
            buf_printf(out, "    got: ");
            labels_format(v->streams[i].labels, out);
            buf_printf(out, " \"%.*s\" @ %gs\n", SLICE_FMT(v->streams[i].lines[k].line), (double)v->streams[i].lines[k].time_ns / 1e9);
        }
    }
    if (v->series_count + v->stream_count == 0 && v->type != VALUE_SCALAR)
        buf_printf(out, "    got nothing\n");
}

static void tell_failure(struct script *s, const struct test_case *c, const char *why)
{
    buf_printf(s->out, "%.*s:%zu: %.*s\n    expected %s\n", SLICE_FMT(s->name), c->line, SLICE_FMT(c->text), why);
    for (size_t i = 0; i < c->series_count; i++)
        buf_printf(s->out, "    expected: %.*s\n", SLICE_FMT(c->series[i].line));
    if (c->fails)
        buf_printf(s->out, "    expected an error: %.*s\n", SLICE_FMT(c->fail_text));
    if (c->has_scalar) {
        buf_printf(s->out, "    expected: ");
        tell_number(s->out, c->scalar);
        buf_char(s->out, '\n');
    }
}

static void run_case(struct script *s, const struct test_case *c)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct value value = { 0 };
    struct err err = { 0 };
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    struct query_env env = { logql_memory_door(s->memory), &ctx, s->a, { 0 } };
    buf_init(&env.infos, 0);
    enum status st = c->kind == EVAL_INSTANT ? logql_lang.instant(&env, c->query, &c->params, &value, &err)
                                             : logql_lang.range(&env, c->query, &c->params, &value, &err);
    const char *why = c->fails ? check_failure(c, st, slice_str(err.text)) : st ? "success" : check_value(s->a, c, &value);
    s->result->passed += why == NULL;
    s->result->failed += why != NULL;
    if (why) {
        tell_failure(s, c, why);
        if (st)
            buf_printf(s->out, "    got error: %s\n", err.text);
        else
            tell_value(&value, s->out);
    }
    buf_free(&env.infos);
    engine_ctx_free(&ctx);
}

static enum status run_command(struct script *s, struct slice line)
{
    struct slice rest = line, word = take_word(&rest);
    if (slice_eq(word, SLICE("load")))
        return read_load(s);
    if (slice_eq(word, SLICE("clear"))) {
        logql_memory_clear(s->memory);
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

enum status logql_script_run(struct slice name, struct slice text, struct logql_script_result *result, struct buf *out, struct err *err)
{
    struct script s = { .name = name, .rest = text, .out = out, .result = result, .err = err };
    struct slice line;
    enum status st = ST_OK;
    s.memory = logql_memory_new();
    s.a = arena_new(RESULT_BYTES_MAX);
    while (!st && slice_next(&s.rest, '\n', &line)) {
        s.line++;
        line = slice_trim(logql_text_uncomment(line));
        arena_reset(s.a);
        if (line.len)
            st = run_command(&s, line);
    }
    arena_free(s.a);
    logql_memory_free(s.memory);
    return st;
}

int logql_script_main(int argc, char **argv)
{
    struct logql_script_result sum = { 0, 0 };
    bool broken = false;
    for (int i = 1; i < argc; i++) {
        struct logql_script_result one = { 0, 0 };
        struct buf text, out;
        struct err err;
        buf_init(&text, LOGQL_SCRIPT_BYTES_MAX);
        buf_init(&out, 0);
        enum status st = fs_read_all(fs_real(), argv[i], LOGQL_SCRIPT_BYTES_MAX, &text, &err);
        if (!st)
            st = logql_script_run(slice_str(argv[i]), buf_as_slice(&text), &one, &out, &err);
        printf("%.*s", SLICE_FMT(buf_as_slice(&out)));
        if (st)
            printf("%s: %s\n", argv[i], err.text);
        if (argc > 2)
            printf("%s: %zu passed, %zu failed\n", argv[i], one.passed, one.failed);
        broken |= st != ST_OK;
        sum.passed += one.passed;
        sum.failed += one.failed;
        buf_free(&text);
        buf_free(&out);
    }
    printf("%zu passed, %zu failed\n", sum.passed, sum.failed);
    return sum.failed || broken ? 1 : 0;
}
