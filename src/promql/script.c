/* SPDX-License-Identifier: Apache-2.0 */
/* Runs scripts. A script is lines; a block (load, eval) goes to the next empty or comment line, so blocks are read by
 * their first word and each takes its own lines. An instant query is also run as the middle step of a range query: both
 * ways must agree. */
#include "promql/script.h"

#include <math.h>

#include "base/date.h"
#include "base/num.h"
#include "codec/regex.h"
#include "promql/promql.h"
#include "query/token.h"

enum { EXPECTS_MAX = 64 };
static const int64_t time_ms_max = INT64_MAX / NS_MS; /* of a script: its nanoseconds are counted, too */
#define NEAR 1e-6

enum expect_kind { EXPECT_FAIL, EXPECT_WARN, EXPECT_INFO, EXPECT_NO_WARN, EXPECT_NO_INFO, EXPECT_ORDERED, EXPECT_STRING, EXPECT_RANGE };
enum expect_match { MATCH_ANY, MATCH_TEXT, MATCH_REGEX };

struct expect {
    enum expect_kind kind;
    enum expect_match match;
    struct slice text;
};

struct expect_series {
    struct slice labels, line;
    struct script_points points;
};

struct test_case {
    size_t line;
    struct slice text;    /* the eval line */
    bool is_range;
    struct query_params params;
    struct slice query;
    struct expect expects[EXPECTS_MAX];
    size_t expect_count;
    struct expect_series *series;
    size_t series_count, series_cap;
    bool has_scalar;
    double scalar;
    int64_t range_start_ms, range_step_ms; /* EXPECT_RANGE: times of the points */
};

struct script {
    struct slice name, rest;
    size_t line;
    uint32_t features;
    struct script_engine *engine;
    struct arena *a; /* one case */
    struct buf *out;
    struct script_result *result;
    struct err *err;
};

/* ---- reading ---- */

static bool next_line(struct script *s, struct slice *line)
{
    if (!slice_next(&s->rest, '\n', line))
        return false;
    s->line++;
    *line = slice_trim(*line);
    if (line->len && line->ptr[0] == '#')
        *line = SLICE_EMPTY;
    return true;
}

static enum status wrong(struct script *s, const char *what, struct slice found)
{
    return err_set(s->err, ST_INVALID, "%.*s:%zu: %s: %.*s", SLICE_FMT(s->name), s->line, what, SLICE_FMT(found));
}

static bool parse_time(struct slice text, int64_t *ms)
{
    double v;
    bool negative = text.len && text.ptr[0] == '-';
    struct slice plain = negative ? slice_skip(text, 1) : text;
    if (!duration_parse_prom(plain, ms)) {
        if (!token_number_parse(plain, &v) || !(fabs(v) < (double)time_ms_max / 1000))
            return false;
        *ms = (int64_t)round(v * 1000);
    }
    *ms = negative ? -*ms : *ms;
    return *ms <= time_ms_max && *ms >= -time_ms_max;
}

static enum status read_load(struct script *s, struct slice word, struct slice rest)
{
    struct script_load load = { .engine = s->engine, .a = s->a, .is_nhcb = slice_eq(word, SLICE("load_with_nhcb")) };
    struct slice line, asked = rest;
    struct err why;
    if ((!load.is_nhcb && !slice_eq(word, SLICE("load"))) || !parse_time(script_take_word(&rest), &load.step_ms))
        return wrong(s, "load without a step", asked);
    while (next_line(s, &line) && line.len)
        if (script_load_line(&load, line, &why))
            return wrong(s, arena_printf(s->a, "a series cannot be read, %s", why.text).ptr, line);
    if (script_load_end(&load, &why))
        return wrong(s, why.text, asked);
    return ST_OK;
}

static void add_expect(struct test_case *c, enum expect_kind kind, enum expect_match match, struct slice text)
{
    if (c->expect_count < EXPECTS_MAX)
        c->expects[c->expect_count++] = (struct expect){ kind, match, text };
}

static enum status read_expect(struct script *s, struct test_case *c, struct slice rest)
{
    static const char *const kinds[] = { "fail", "warn", "info", "no_warn", "no_info", "ordered", "string", "range" };
    struct slice line = rest, word = script_take_word(&rest);
    struct err err;
    for (size_t i = 0; i < COUNT_OF(kinds); i++) {
        struct slice text = rest;
        enum expect_match match = MATCH_ANY;
        if (!slice_eq(word, slice_str(kinds[i])))
            continue;
        if (i == EXPECT_STRING && token_unquote(s->a, rest, &text, &err))
            return wrong(s, "a string cannot be read", line);
        if (i == EXPECT_RANGE) {
            script_take_word(&rest); /* vector */
            script_take_word(&rest); /* from */
            struct slice from = script_take_word(&rest);
            script_take_word(&rest); /* to */
            script_take_word(&rest);
            script_take_word(&rest); /* step */
            if (!parse_time(from, &c->range_start_ms) || !parse_time(script_take_word(&rest), &c->range_step_ms))
                return wrong(s, "a range cannot be read", line);
        } else if (slice_starts(rest, SLICE("msg:")) || slice_starts(rest, SLICE("regex:"))) {
            match = rest.ptr[0] == 'm' ? MATCH_TEXT : MATCH_REGEX;
            text = slice_trim(slice_skip(rest, match == MATCH_TEXT ? 4 : 6));
        }
        add_expect(c, (enum expect_kind)i, match, text);
        return ST_OK;
    }
    return wrong(s, "unknown expectation", line);
}

static enum status read_expectation(struct script *s, struct test_case *c, struct slice line)
{
    struct slice rest = line;
    struct slice word = script_take_word(&rest);
    size_t n;
    if (slice_eq(word, SLICE("expect")))
        return read_expect(s, c, rest);
    if (slice_eq(word, SLICE("expected_fail_message")) || slice_eq(word, SLICE("expected_fail_regexp"))) {
        add_expect(c, EXPECT_FAIL, slice_eq(word, SLICE("expected_fail_message")) ? MATCH_TEXT : MATCH_REGEX, rest);
        return ST_OK;
    }
    if (script_number(line, &c->scalar, &n) && n == line.len) {
        c->has_scalar = true;
        return ST_OK;
    }
    struct expect_series es = { .line = line };
    if (script_series(s->a, line, &es.labels, &es.points, s->err))
        return wrong(s, "an expected series cannot be read", line);
    ARENA_PUSH(s->a, c->series, c->series_count, c->series_cap) = es;
    return ST_OK;
}

/* "instant at T QUERY" or "range from T to T step T QUERY". */
static enum status read_eval(struct script *s, struct slice kind, struct slice rest, struct test_case *c)
{
    struct slice line = c->text;
    int64_t start, end, step = 0;
    struct slice word = script_take_word(&rest);
    c->is_range = slice_eq(word, SLICE("range"));
    script_take_word(&rest); /* at, from */
    if (!parse_time(script_take_word(&rest), &start))
        return wrong(s, "a time cannot be read", line);
    end = start;
    if (c->is_range) {
        script_take_word(&rest); /* to */
        bool ok = parse_time(script_take_word(&rest), &end);
        script_take_word(&rest); /* step */
        if (!ok || !parse_time(script_take_word(&rest), &step))
            return wrong(s, "a time cannot be read", line);
    }
    c->params = (struct query_params){ .start_ns = start * NS_MS, .end_ns = end * NS_MS, .step_ns = step * NS_MS, .features = s->features,
                                        .values_max = SCRIPT_VALUES_MAX };
    c->query = rest;
    if (slice_eq(kind, SLICE("eval_fail")))
        add_expect(c, EXPECT_FAIL, MATCH_ANY, SLICE_EMPTY);
    if (slice_eq(kind, SLICE("eval_warn")))
        add_expect(c, EXPECT_WARN, MATCH_ANY, SLICE_EMPTY);
    if (slice_eq(kind, SLICE("eval_info")))
        add_expect(c, EXPECT_INFO, MATCH_ANY, SLICE_EMPTY);
    if (slice_eq(kind, SLICE("eval_ordered")))
        add_expect(c, EXPECT_ORDERED, MATCH_ANY, SLICE_EMPTY);
    while (next_line(s, &line) && line.len) {
        enum status st = read_expectation(s, c, line);
        if (st)
            return st;
    }
    return ST_OK;
}

/* ---- running ---- */

static const struct expect *find_expect(const struct test_case *c, enum expect_kind kind)
{
    for (size_t i = 0; i < c->expect_count; i++)
        if (c->expects[i].kind == kind)
            return &c->expects[i];
    return NULL;
}

static bool text_matches(const struct expect *e, struct slice text)
{
    struct regex *re;
    if (e->match == MATCH_ANY)
        return true;
    if (e->match == MATCH_TEXT)
        return slice_eq(e->text, text);
    if (regex_compile(&re, e->text, 0, NULL))
        return false;
    bool yes = regex_match(re, text);
    regex_free(re);
    return yes;
}

/* Each expectation has a note, and each note an expectation. */
static const char *check_notes(const struct test_case *c, enum expect_kind kind, struct slice notes)
{
    struct slice line;
    if (find_expect(c, kind == EXPECT_WARN ? EXPECT_NO_WARN : EXPECT_NO_INFO) && notes.len)
        return "no annotations of that kind";
    if (!find_expect(c, kind))
        return NULL;
    for (size_t i = 0; i < c->expect_count; i++) {
        bool found = false;
        for (struct slice rest = notes; c->expects[i].kind == kind && !found && slice_next(&rest, '\n', &line);)
            found = text_matches(&c->expects[i], line);
        if (c->expects[i].kind == kind && !found)
            return "an annotation that is missing";
    }
    for (struct slice rest = notes; slice_next(&rest, '\n', &line);) {
        bool found = false;
        for (size_t i = 0; i < c->expect_count; i++)
            found |= c->expects[i].kind == kind && text_matches(&c->expects[i], line);
        if (!found)
            return "other annotations";
    }
    return NULL;
}

static bool is_near(double want, double got)
{
    if (isnan(want) || isnan(got))
        return isnan(want) && isnan(got);
    if (want == got)
        return true;
    double sum = fabs(want) + fabs(got), diff = fabs(want - got);
    if (want == 0 || got == 0 || sum < 2.2250738585072014e-308)
        return diff < NEAR * 2.2250738585072014e-308;
    return diff / fmin(sum, 1.7976931348623157e308) < NEAR;
}

static bool sides_match(const struct histogram_side *want, const struct histogram_side *got)
{
    if (want->span_count != got->span_count || want->bucket_count != got->bucket_count)
        return false;
    for (uint32_t i = 0; i < want->span_count; i++)
        if (want->spans[i].offset != got->spans[i].offset || want->spans[i].length != got->spans[i].length)
            return false;
    for (uint32_t i = 0; i < want->bucket_count; i++)
        if (!is_near(want->buckets[i], got->buckets[i]))
            return false;
    return true;
}

/* Empty buckets do not count, hints only where they are expected. */
static bool histogram_matches(struct arena *a, const struct histogram *want, const struct histogram *got, bool with_hint)
{
    want = histogram_compact(a, want);
    got = histogram_compact(a, got);
    bool same = want->schema == got->schema && want->bound_count == got->bound_count && want->zero_threshold == got->zero_threshold &&
                is_near(want->count, got->count) && is_near(want->sum, got->sum) && is_near(want->zero_count, got->zero_count) &&
                sides_match(&want->positive, &got->positive) && sides_match(&want->negative, &got->negative);
    for (uint32_t i = 0; same && i < want->bound_count; i++)
        same = want->bounds[i] == got->bounds[i];
    return same && (!with_hint || want->hint == got->hint);
}

static bool value_matches(struct arena *a, double want, double got, bool with_hint)
{
    if (is_histogram(want) && is_histogram(got))
        return histogram_matches(a, histogram_unbox(want), histogram_unbox(got), with_hint);
    return is_histogram(want) == is_histogram(got) && is_near(want, got);
}

static bool series_matches(struct arena *a, const struct expect_series *want, const struct value_series *got, int64_t start_ms, int64_t step_ms)
{
    if (!slice_eq(want->labels, got->labels) || want->points.count != got->n)
        return false;
    for (size_t i = 0; i < got->n; i++)
        if (got->t_ms[i] != sat_add(start_ms, sat_mul(want->points.list[i].t_ms, step_ms)) ||
            !value_matches(a, want->points.list[i].v, got->v[i], want->points.tells_hint[i]))
            return false;
    return true;
}

/* NULL: as expected. */
static const char *check_series(struct arena *a, const struct test_case *c, const struct value *v, int64_t start_ms, int64_t step_ms)
{
    bool ordered = find_expect(c, EXPECT_ORDERED) != NULL;
    size_t want = 0;
    for (size_t i = 0; i < c->series_count; i++) {
        bool found = false;
        if (c->is_range && c->series[i].points.count == 0)
            continue;
        want++;
        for (size_t k = 0; k < v->series_count && !found; k++)
            found = (!ordered || k == i) && series_matches(a, &c->series[i], &v->series[k], start_ms, step_ms);
        if (!found)
            return "other series";
    }
    return want == v->series_count ? NULL : "another number of series";
}

static const char *check_value(struct arena *a, const struct test_case *c, const struct value *v)
{
    const struct expect *string = find_expect(c, EXPECT_STRING);
    int64_t start_ms = c->params.start_ns / NS_MS;
    if (string)
        return v->type == VALUE_STRING && slice_eq(v->text, string->text) ? NULL : "another string";
    if (c->has_scalar)
        return v->type == VALUE_SCALAR && is_near(c->scalar, v->scalar.v) ? NULL : "another scalar";
    if (v->type == VALUE_SCALAR || v->type == VALUE_STRING)
        return "series";
    if (find_expect(c, EXPECT_RANGE))
        return check_series(a, c, v, c->range_start_ms, c->range_step_ms);
    return check_series(a, c, v, start_ms, c->is_range ? c->params.step_ns / NS_MS : 0);
}

/* The same query as the middle step of three. */
static const char *check_as_range(struct script *s, const struct test_case *c, const struct value *instant)
{
    struct script_answer o;
    struct query_params p = c->params;
    if (c->is_range || find_expect(c, EXPECT_ORDERED) || find_expect(c, EXPECT_STRING) || find_expect(c, EXPECT_RANGE) ||
        instant->type == VALUE_MATRIX || slice_contains(c->query, SLICE("range()")) || slice_contains(c->query, SLICE("step()")))
        return NULL;
    int64_t middle = p.start_ns / NS_MS;
    p.start_ns = sat_add(p.start_ns, -60 * NS_S);
    p.end_ns = sat_add(p.end_ns, 60 * NS_S);
    p.step_ns = 60 * NS_S;
    script_ask(&promql_lang, script_engine_door(s->engine), s->a, c->query, &p, true, &o);
    if (o.st)
        return slice_find(slice_str(o.err.text), SLICE("same labelset"), 0) == SIZE_MAX ? "an answer in range mode, too" : NULL;
    struct value v = { .type = instant->type, .series = o.value.series };
    double scalar = NAN;
    for (size_t k = 0; k < o.value.series_count; k++) {
        struct value_series one = o.value.series[k];
        for (size_t i = 0; i < one.n; i++) {
            if (one.t_ms[i] != middle)
                continue;
            scalar = one.v[i];
            v.series[v.series_count++] = (struct value_series){ one.labels, 1, one.t_ms + i, one.v + i };
        }
    }
    v.scalar = (struct sample){ middle, scalar };
    return check_value(s->a, c, &v) ? "the same answer in range mode" : NULL;
}

static const char *check_outcome(struct script *s, const struct test_case *c, const struct script_answer *o)
{
    const struct expect *fail = find_expect(c, EXPECT_FAIL);
    if (fail) {
        if (o->st == ST_OK)
            return "a failure";
        for (size_t i = 0; i < c->expect_count; i++)
            if (c->expects[i].kind == EXPECT_FAIL && !text_matches(&c->expects[i], slice_str(o->err.text)))
                return "a failure with another text";
        return NULL;
    }
    if (o->st)
        return "success";
    const char *why = check_notes(c, EXPECT_WARN, o->warnings);
    why = why ? why : check_notes(c, EXPECT_INFO, o->infos);
    why = why ? why : check_value(s->a, c, &o->value);
    return why ? why : check_as_range(s, c, &o->value);
}

/* ---- telling ---- */

static void tell_failure(struct script *s, const struct test_case *c, const struct script_answer *o, const char *why)
{
    buf_printf(s->out, "%.*s:%zu: %.*s\n    expected %s\n", SLICE_FMT(s->name), c->line, SLICE_FMT(c->text), why);
    for (size_t i = 0; i < c->series_count; i++)
        buf_printf(s->out, "    expected: %.*s\n", SLICE_FMT(c->series[i].line));
    for (size_t i = 0; i < c->expect_count; i++)
        if (c->expects[i].text.len)
            buf_printf(s->out, "    expected: %.*s\n", SLICE_FMT(c->expects[i].text));
    if (c->has_scalar)
        script_tell_scalar("expected", c->scalar, s->out);
    script_tell_answer(o, s->out);
}

static void run_case(struct script *s, struct test_case *c)
{
    struct script_answer o;
    script_ask(&promql_lang, script_engine_door(s->engine), s->a, c->query, &c->params, c->is_range, &o);
    const char *why = check_outcome(s, c, &o);
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
    if (slice_starts(word, SLICE("load")))
        return read_load(s, word, rest);
    if (slice_eq(word, SLICE("clear"))) {
        script_engine_clear(s->engine);
        return ST_OK;
    }
    if (!slice_starts(word, SLICE("eval")))
        return wrong(s, "unknown command", line);
    struct test_case *c = arena_new_of(s->a, struct test_case);
    c->line = s->line;
    c->text = line;
    enum status st = read_eval(s, word, rest, c);
    if (!st)
        run_case(s, c);
    return st;
}

enum status promql_script_run(struct slice name, struct slice text, uint32_t features, struct script_result *result, struct buf *out,
                              struct err *err)
{
    struct script s = { .name = name, .rest = text, .features = features, .out = out, .result = result, .err = err };
    struct slice line;
    enum status st = ST_OK;
    s.engine = script_engine_new();
    s.a = arena_new(SCRIPT_RESULT_BYTES_MAX);
    while (!st && next_line(&s, &line)) {
        arena_reset(s.a);
        if (line.len)
            st = run_command(&s, line);
    }
    arena_free(s.a);
    script_engine_free(s.engine);
    return st;
}
