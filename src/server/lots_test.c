/* SPDX-License-Identifier: Apache-2.0 */
/* Fields read from columns against fields parsed from whole lines: the same query, once as it is and once with a stage that looks at
 * every label (a template), for which each line is put together and parsed. Lines are random JSON, logfmt and neither, many of one
 * shape, with all that parsers stumble over. */
#include <math.h>
#include <stdio.h>

#include "base/date.h"
#include "base/hash.h"
#include "base/rand.h"
#include "base/unit.h"
#include "logql/logql.h"
#include "server/local_engine.h"

enum { SHAPES = 14, ROUNDS = 8, ROWS = 1200, QUERIES = 60, HOLES_MAX = 12, KINDS = 18, STEP_S = 60, LINES_ALL = 100000 };

static const int64_t start_ns = 1700000000 * NS_S;
static const char *const keys[] = { "a", "b", "level", "app", "dur_ms", "dur.ms", "x y", "9k", "n", "e_a", "msg", "caf\xc3\xa9", "a\\u0062", "k5" };
static const char *const labels[] = { "a", "b", "level", "app", "dur_ms", "x_y", "_9k", "n", "e_a", "msg", "n_a", "n_b", "k5", "env", "missing",
                                      "meta", "detected_level", "n_n_a" };

struct world {
    struct rand rand;
    struct arena *arena;
    struct fs *fs;
    struct engine *engine;
    size_t rows;
};

#define PICK(w, list) (list)[rand_below(&(w)->rand, COUNT_OF(list))]

static bool one_in(struct world *w, unsigned n)
{
    return rand_below(&w->rand, n) == 0;
}

/* ---- lines ---- */

static void put_number(struct world *w, struct buf *b, unsigned kind)
{
    unsigned v = (unsigned)rand_below(&w->rand, 400), small = (unsigned)rand_below(&w->rand, 4);
    switch (kind % 8) {
    case 0: buf_printf(b, "%u", v); break;
    case 1: buf_printf(b, "%u.%02u", v, v % 100); break;
    case 2: buf_printf(b, "-%u", small); break;
    case 3: buf_printf(b, "%03u", v); break;
    case 4: buf_printf(b, "%ue%u", small, small); break;
    case 5: buf_printf(b, "%u%018u", v, v); break;
    case 6: buf_printf(b, "-%u.%u", small, small); break;
    case 7: buf_printf(b, "%u.%ue+%u", small, v, small); break;
    }
}

static void put_text(struct world *w, struct buf *b, unsigned kind)
{
    static const char *const words[] = { "info", "error", "warn", "debug" };
    static const char *const odd[] = { "a\\\"b", "tab\\tx", "\\u00e9", "caf\xc3\xa9", "\xff\xfe", "\x1b[1m",
                                       "back\\\\", "q=\\\"1\\\"", "{\\\"a\\\":1}", "" };
    static const char *const pairs[] = { "GET /x?a=5&b=7 HTTP/1.1", "took a=3 b=4", "a=", "level=error", " dur_ms=12 ", "x=\"", "k5=9 n=1" };
    unsigned v = (unsigned)rand_below(&w->rand, 300);
    switch (kind % 9) {
    case 0: buf_printf(b, "%s", PICK(w, words)); break;
    case 1: buf_printf(b, "%u", v); break;
    case 2: buf_printf(b, "user %u of %s", v, PICK(w, words)); break;
    case 3: buf_printf(b, "%s", PICK(w, odd)); break;
    case 4: buf_printf(b, "%s", PICK(w, pairs)); break;
    case 5: buf_printf(b, "%08x%08x", v * 2654435761u, v * 40503u); break;
    case 6: buf_printf(b, "/api/%s/%u", PICK(w, words), v); break;
    case 7: buf_printf(b, "%ums", v); break;
    case 8: buf_printf(b, "10.0.%u.%u", v % 7, v % 256); break;
    }
}

struct line_shape { /* made once, written many times */
    unsigned form, members, seed, odd;
    const char *keys[HOLES_MAX];
    unsigned kinds[HOLES_MAX];
};

static struct line_shape random_shape(struct world *w)
{
    struct line_shape s = { .form = (unsigned)rand_below(&w->rand, 5), .members = 1 + (unsigned)rand_below(&w->rand, HOLES_MAX) };
    s.odd = (unsigned)rand_below(&w->rand, 30);
    for (size_t i = 0; i < HOLES_MAX; i++) {
        s.keys[i] = PICK(w, keys);
        s.kinds[i] = (unsigned)rand_below(&w->rand, KINDS * 4);
    }
    return s;
}

static void put_json_value(struct world *w, struct buf *b, const struct line_shape *s, unsigned i, unsigned depth)
{
    unsigned kind = s->kinds[i];
    switch (kind % 9) {
    case 0: case 1: case 2: case 3:
        buf_char(b, '"');
        put_text(w, b, one_in(w, 40) ? 3 : kind / 9);
        buf_char(b, '"');
        break;
    case 4: case 5: put_number(w, b, one_in(w, 60) ? 3 : kind / 9 % 3); break;
    case 6: put_number(w, b, kind / 9); break;
    case 7: buf_printf(b, "%s", kind % 2 ? "null" : kind % 4 ? "true" : "false"); break;
    case 8:
        if (depth == 3 || i + 1 >= HOLES_MAX) {
            buf_printf(b, "[1,\"x\"]");
            break;
        }
        buf_printf(b, kind % 4 ? "{\"%s\":" : "[{\"%s\":", s->keys[i]);
        put_json_value(w, b, s, i + 1, depth + 1);
        buf_printf(b, kind % 4 ? "}" : "}]");
        break;
    }
}

static void put_json(struct world *w, struct buf *b, const struct line_shape *s)
{
    buf_printf(b, s->odd == 1 ? "[" : "{");
    for (unsigned i = 0; i < s->members; i++) {
        buf_printf(b, "%s\"%s\"%s:%s", i ? "," : "", s->keys[i], s->odd == 2 ? " " : "", s->odd == 3 ? " " : "");
        put_json_value(w, b, s, i, 0);
    }
    buf_printf(b, s->odd == 4 ? "" : s->odd == 5 ? "}x" : "}");
}

static void put_logfmt(struct world *w, struct buf *b, const struct line_shape *s)
{
    for (unsigned i = 0; i < s->members; i++) {
        unsigned kind = s->kinds[i];
        buf_printf(b, "%s%s%s", i ? " " : "", s->keys[i], kind % 11 == 10 ? "" : "=");
        if (kind % 11 < 4)
            buf_char(b, '"');
        if (kind % 11 < 9 && kind % 2)
            put_text(w, b, kind / 11);
        else if (kind % 11 < 9)
            put_number(w, b, kind / 11);
        if (kind % 11 < 4 && !(s->odd == 6 && i == 1))
            buf_char(b, '"');
    }
}

static void put_line(struct world *w, struct buf *b, const struct line_shape *s, int64_t t_ns)
{
    unsigned second = (unsigned)(t_ns / NS_S % 60);
    switch (s->form) {
    case 0: case 1: put_json(w, b, s); break;
    case 2: case 3:
        if (s->odd % 5 == 0) { /* the record's time, in many forms */
            char text[64];
            struct slice whole = slice_of(text, date_format_rfc3339(t_ns, 0, 0, text));
            buf_printf(b, "%s%.*s %.*s%s ", s->odd % 2 ? "ts=" : "", 10, whole.ptr, 8, whole.ptr + 11, s->odd % 3 ? "" : ".5");
        }
        put_logfmt(w, b, s);
        break;
    case 4:
        buf_printf(b, "10.1.2.%u - [%u] \"", (unsigned)rand_below(&w->rand, 200), second);
        put_text(w, b, s->odd);
        buf_printf(b, "\" %u b=%u", 200, second);
        put_text(w, b, s->odd / 5);
        break;
    }
}

/* ---- the world ---- */

static void open_world(struct world *w)
{
    struct err err = { 0 };
    *w = (struct world){ .arena = arena_new(0), .fs = fs_real() };
    rand_seed(&w->rand, unit_seed());
    struct store_options opt = { .dir = slice_str(unit_dir()), .fs = w->fs, .clock = clock_real(), .retention_ns = INT64_MAX };
    if (local_engine_open(&w->engine, opt, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

static void close_world(struct world *w)
{
    w->engine->ops->close(w->engine);
    arena_free(w->arena);
}

static void append(struct world *w, size_t count)
{
    static const char *const apps[] = { "shop", "bank" }, *const envs[] = { "prod", "test", "" };
    static const uint8_t severities[] = { 0, 9, 17, 13 };
    struct line_shape shapes[SHAPES];
    struct batch *batch = batch_new(0);
    struct err err = { 0 };
    batch->tenant = SLICE("default");
    for (size_t i = 0; i < SHAPES; i++)
        shapes[i] = random_shape(w);
    for (size_t i = 0; i < count; i++) {
        struct event *e = batch_event(batch);
        struct buf b;
        buf_init(&b, 0);
        *e = (struct event){ .kind = EVENT_LOG, .weight = one_in(w, 200) ? 2.5f : 1, .severity = PICK(w, severities), .service = SLICE("s"),
                             .time_ns = start_ns + (int64_t)rand_below(&w->rand, 600) * NS_S / 2 };
        struct label list[] = { { SLICE("app"), slice_str(PICK(w, apps)) }, { SLICE("env"), slice_str(PICK(w, envs)) } };
        CHECK(labels_build(w->arena, list, COUNT_OF(list), &e->stream, &err) == ST_OK);
        put_line(w, &b, &PICK(w, shapes), e->time_ns);
        e->body = arena_copy(w->arena, buf_as_slice(&b));
        if (one_in(w, 50)) {
            e->fields = arena_new_of(w->arena, struct field);
            *e->fields = (struct field){ .name = one_in(w, 2) ? SLICE("meta") : SLICE("a"), .text = SLICE("m1"), .scope = SCOPE_RECORD };
            e->field_count = 1;
        }
        buf_free(&b);
    }
    w->rows += count;
    if (engine_append_wait(w->engine, batch, &err))
        unit_fail(__FILE__, __LINE__, err.text);
}

/* ---- queries ---- */

struct answer {
    enum status st;
    struct value value;
    struct err why;
};

static struct answer run(struct world *w, struct arena *a, struct slice text, bool is_instant)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct answer out = { 0 };
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    struct query_env env = { .engine = w->engine, .ctx = &ctx, .result = a };
    struct query_params p = { .start_ns = start_ns + 30 * NS_S, .end_ns = start_ns + 330 * NS_S, .step_ns = STEP_S * NS_S,
                              .limit = LINES_ALL };
    if (is_instant)
        p.start_ns = p.end_ns;
    out.st = (is_instant ? logql_lang.instant : logql_lang.range)(&env, text, &p, &out.value, &out.why);
    engine_ctx_free(&ctx);
    return out;
}

static bool same_series(const struct value_series *x, const struct value_series *y)
{
    bool is_same = slice_eq(x->labels, y->labels) && x->n == y->n;
    for (size_t i = 0; is_same && i < x->n; i++) {
        double most = fmax(1, fmax(fabs(x->v[i]), fabs(y->v[i])));
        bool is_close = x->v[i] == y->v[i] || fabs(x->v[i] - y->v[i]) <= most * 1e-9 || (isnan(x->v[i]) && isnan(y->v[i]));
        is_same = x->t_ms[i] == y->t_ms[i] && is_close;
    }
    return is_same;
}

static bool same_answer(const struct answer *x, const struct answer *y)
{
    bool is_same = x->st == y->st && x->value.series_count == y->value.series_count;
    for (size_t i = 0; is_same && i < x->value.series_count; i++)
        is_same = same_series(&x->value.series[i], &y->value.series[i]);
    return is_same;
}

static void put_filter(struct world *w, struct buf *b)
{
    static const char *const strings[] = { "=\"error\"", "!=\"info\"", "=~\"e.*|1.*\"", "!~\"2.*\"", "=\"\"", "!=\"\"", "=\"m1\"", "=\"5\"" };
    static const char *const numbers[] = { ">100", "<=37", "==3", "!=12", ">0.5", "> 50ms", "<1KB" };
    const char *label = PICK(w, labels);
    switch (rand_below(&w->rand, 9)) {
    case 8: buf_printf(b, " | %s%s and %s%s or %s%s", label, PICK(w, numbers), label, PICK(w, numbers), label, PICK(w, strings)); break;
    case 0: buf_printf(b, " | __error__=\"\""); break;
    case 1: buf_printf(b, " | %s%s or %s%s", PICK(w, labels), PICK(w, strings), PICK(w, labels), PICK(w, numbers)); break;
    case 2: case 3: buf_printf(b, " | %s%s", PICK(w, labels), PICK(w, numbers)); break;
    case 4: buf_printf(b, " | %s%s, %s%s", PICK(w, labels), PICK(w, strings), PICK(w, labels), PICK(w, strings)); break;
    default: buf_printf(b, " | %s%s", PICK(w, labels), PICK(w, strings));
    }
}

/* The parts before and behind the place of a stage that changes nothing. */
static void random_query(struct world *w, struct buf *before, struct buf *behind)
{
    static const char *const parsers[] = { "json", "logfmt", "json", "logfmt", "logfmt a, level", "json b=\"a\", n", "logfmt q=\"a\", k5=\"n\"" };
    static const char *const counts[] = { "count_over_time", "rate" };
    static const char *const folds[] = { "sum_over_time", "avg_over_time", "max_over_time", "min_over_time", "quantile_over_time",
                                         "stddev_over_time" };
    bool is_unwrap = one_in(w, 2);
    const char *op = is_unwrap ? PICK(w, folds) : PICK(w, counts);
    const char *group = PICK(w, labels), *other = PICK(w, labels);
    bool is_sum = !is_unwrap || slice_eq(slice_str(op), SLICE("sum_over_time"));
    if (is_sum)
        buf_printf(before, "sum by (%s, %s) (", group, other);
    buf_printf(before, "%s(%s{app=~\".+\"}", op, op[0] == 'q' ? "0.9, " : "");
    if (one_in(w, 4))
        buf_printf(before, " |= \"a\"");
    buf_printf(before, " | %s", PICK(w, parsers));
    for (size_t i = rand_below(&w->rand, 3); i > 0; i--)
        put_filter(w, before);
    if (!one_in(w, 4))
        buf_printf(before, " | __error__=\"\"");
    if (is_unwrap) {
        buf_printf(behind, one_in(w, 4) ? " | unwrap duration(%s)" : one_in(w, 4) ? " | unwrap bytes(%s)" : " | unwrap %s", PICK(w, labels));
        if (!one_in(w, 3))
            buf_printf(behind, " | __error__=\"\"");
    }
    buf_printf(behind, " [%us])", one_in(w, 2) ? STEP_S : 100);
    if (is_sum)
        buf_printf(behind, ")");
    else
        buf_printf(behind, " by (%s)", group);
}

static void compare(struct world *w, size_t *answered)
{
    struct arena *a = arena_new(0);
    struct buf before, behind;
    bool is_instant = one_in(w, 4);
    buf_init(&before, 0);
    buf_init(&behind, 0);
    random_query(w, &before, &behind);
    struct slice fast = arena_printf(a, "%.*s%.*s", SLICE_FMT(buf_as_slice(&before)), SLICE_FMT(buf_as_slice(&behind)));
    struct slice slow = arena_printf(a, "%.*s | label_format zz=`{{.app}}`%.*s", SLICE_FMT(buf_as_slice(&before)), SLICE_FMT(buf_as_slice(&behind)));
    struct answer x = run(w, a, fast, is_instant), y = run(w, a, slow, is_instant);
    if (!same_answer(&x, &y)) {
        char why[2048];
        snprintf(why, sizeof why, "%.*s: lots: status %d, %zu series, %s; lines: status %d, %zu series, %s", SLICE_FMT(fast), (int)x.st,
                 x.value.series_count, x.why.text, (int)y.st, y.value.series_count, y.why.text);
        unit_fail(__FILE__, __LINE__, why);
    }
    *answered += x.st == ST_OK && x.value.series_count > 0;
    buf_free(&before);
    buf_free(&behind);
    arena_free(a);
}

/* What lines an answer has, in no order. */
static uint64_t sum_of_lines(const struct value *v, size_t *count)
{
    uint64_t sum = 0;
    *count = 0;
    for (size_t i = 0; i < v->stream_count; i++)
        for (size_t k = 0; k < v->streams[i].n; k++) {
            sum += hash64(v->streams[i].lines[k].line, v->streams[i].lines[k].seq);
            ++*count;
        }
    return sum;
}

/* Lines, once with a stage before the parser that keeps the engine from looking at fields. */
static void compare_lines(struct world *w, size_t *answered)
{
    static const char *const parsers[] = { "json", "logfmt", "logfmt a, level", "json b=\"a\", n" };
    struct arena *a = arena_new(0);
    struct buf filters;
    size_t x_count, y_count;
    const char *parser = PICK(w, parsers), *first = one_in(w, 3) ? " |= `a`" : "";
    buf_init(&filters, 0);
    put_filter(w, &filters);
    if (one_in(w, 2))
        put_filter(w, &filters);
    struct slice fast = arena_printf(a, "{app=~\".+\"}%s | %s%.*s", first, parser, SLICE_FMT(buf_as_slice(&filters)));
    struct slice slow = arena_printf(a, "{app=~\".+\"} | label_format zz=`1`%s | %s%.*s", first, parser, SLICE_FMT(buf_as_slice(&filters)));
    struct answer x = run(w, a, fast, false), y = run(w, a, slow, false);
    uint64_t x_sum = sum_of_lines(&x.value, &x_count), y_sum = sum_of_lines(&y.value, &y_count);
    if (x.st != y.st || x_sum != y_sum || x_count != y_count) {
        char why[1024];
        snprintf(why, sizeof why, "%.*s: lots: status %d, %zu lines; lines: status %d, %zu lines", SLICE_FMT(fast), (int)x.st, x_count,
                 (int)y.st, y_count);
        unit_fail(__FILE__, __LINE__, why);
    }
    *answered += x_count > 0;
    buf_free(&filters);
    arena_free(a);
}

TEST(lines_chosen_by_fields_in_columns_are_those_chosen_by_whole_lines)
{
    struct world w;
    struct err err = { 0 };
    size_t answered = 0;
    open_world(&w);
    for (size_t round = 0; round < ROUNDS / 2; round++) {
        append(&w, ROWS);
        CHECK(w.engine->ops->flush(w.engine, &err) == ST_OK);
        for (size_t i = 0; i < QUERIES; i++)
            compare_lines(&w, &answered);
    }
    CHECK(answered > ROUNDS / 2 * QUERIES / 10);
    close_world(&w);
}

TEST(fields_read_from_columns_are_those_of_whole_lines)
{
    struct world w;
    struct err err = { 0 };
    size_t answered = 0;
    open_world(&w);
    for (size_t round = 0; round < ROUNDS; round++) {
        append(&w, ROWS);
        if (round % 3 != 2)
            CHECK(w.engine->ops->flush(w.engine, &err) == ST_OK);
        if (round % 4 == 3)
            CHECK(w.engine->ops->merge(w.engine, &err) == ST_OK);
        for (size_t i = 0; i < QUERIES; i++)
            compare(&w, &answered);
    }
    CHECK(answered > ROUNDS * QUERIES / 10);
    close_world(&w);
}
