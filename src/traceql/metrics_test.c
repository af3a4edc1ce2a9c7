/* SPDX-License-Identifier: Apache-2.0 */
/* Functions over spans in memory. Each test writes spans, asks, and compares the whole answer as text: a line a series, a dash where it has no
 * point. */
#include <math.h>
#include <stdlib.h>

#include "base/date.h"
#include "base/num.h"
#include "base/rand.h"
#include "base/unit.h"
#include "model/labels.h"
#include "traceql/metrics.h"

enum { SPANS_MAX = 20 * 1000, FIELDS = 4, BLOCK = 100 };

/* ---- an engine of a list ---- */

struct world {
    struct engine engine; /* first */
    struct arena *arena;
    struct event *list;
    size_t count;
    bool can_count; /* by groups, without rows */
    size_t counted;
    struct engine_ctx ctx;
    struct query_env env;
    struct traceql *q;
    struct traceql_matrix m;
    struct err err;
};

struct list_iter {
    struct events_iter it; /* first */
    struct world *w;
    struct events_query copy;
    struct event block[BLOCK];
    struct event_count counts[BLOCK];
    size_t at;
};

static struct slice stream_of(struct world *w, const char *service)
{
    struct label l = { SLICE("service_name"), slice_str(service) };
    return labels_build_wide(w->arena, &l, 1);
}

/* Each span by itself, at the first time of its cell. */
static enum status count_next(struct events_iter *iter, struct event_block *out, struct err *err)
{
    struct list_iter *it = (struct list_iter *)iter;
    const struct events_count_by *by = it->copy.count_by;
    enum status st = ST_OK;
    *out = (struct event_block){ .counts = it->counts };
    if (it->at == 0) { /* an engine may ask for what has no row in the end */
        struct event vain = { .kind = EVENT_SPAN, .weight = 1, .stream = stream_of(it->w, "vain") };
        st = by->group(by->arg, &vain, &it->counts[0].group, err);
    }
    for (; !st && it->at < it->w->count && out->n < BLOCK; it->at++) {
        const struct event *e = &it->w->list[it->at];
        struct event seen = { .kind = EVENT_SPAN, .weight = 1, .stream = e->stream };
        struct event_count *c = &it->counts[out->n];
        if (e->time_ns < it->copy.start_ns || e->time_ns >= it->copy.end_ns)
            continue;
        *c = (struct event_count){ .time_ns = INT64_MIN, .count = e->weight };
        for (size_t i = 0; i < COUNT_OF(by->origin_ns); i++)
            c->time_ns = MAX(c->time_ns, by->origin_ns[i] + date_floor(e->time_ns - by->origin_ns[i], by->step_ns));
        st = by->group(by->arg, &seen, &c->group, err);
        out->n++;
    }
    it->w->counted += out->n;
    return st ? st : out->n ? ST_OK : ST_NOT_FOUND;
}

static enum status list_next(struct events_iter *iter, struct event_block *out, struct err *err)
{
    struct list_iter *it = (struct list_iter *)iter;
    *out = (struct event_block){ .rows = it->block };
    for (; it->at < it->w->count && out->n < BLOCK; it->at++) {
        const struct event *e = &it->w->list[it->at];
        if (e->time_ns >= it->copy.start_ns && e->time_ns < it->copy.end_ns)
            it->block[out->n++] = *e;
    }
    return out->n ? ST_OK : ST_NOT_FOUND;
}

static void list_close(struct events_iter *it)
{
    mem_free(it);
}

static enum status list_events(struct engine *e, struct engine_ctx *ctx, const struct events_query *q, struct events_iter **out, unsigned *did,
                               struct err *err)
{
    static const struct events_iter_ops ops = { list_next, list_close }, count_ops = { count_next, list_close };
    struct list_iter *it = mem_new(struct list_iter);
    it->w = (struct world *)e;
    it->copy = *q;
    *did = q->count_by && it->w->can_count ? ENGINE_DID_COUNT | ENGINE_DID_PRED : 0;
    it->it.ops = *did ? &count_ops : &ops;
    *out = &it->it;
    return ST_OK;
}

static struct world *world_new(size_t bytes_max)
{
    static const struct engine_ops ops = { .name = "list", .events = list_events };
    static const struct slice tenant = SLICE_INIT("default");
    struct world *w = mem_new(struct world);
    w->engine.ops = &ops;
    w->arena = arena_new(0);
    w->list = arena_array(w->arena, struct event, SPANS_MAX);
    engine_ctx_init(&w->ctx, &tenant, 1, clock_real());
    w->env = (struct query_env){ .engine = &w->engine, .ctx = &w->ctx, .result = arena_new(bytes_max) };
    return w;
}

static void world_free(struct world *w)
{
    traceql_free(w->q);
    arena_free(w->env.result);
    arena_free(w->arena);
    engine_ctx_free(&w->ctx);
    mem_free(w);
}

/* At a second, of a service, with a duration in milliseconds. */
static struct event *span(struct world *w, double second, const char *service, const char *name, int64_t ms)
{
    struct event *e = &w->list[w->count++];
    *e = (struct event){ .kind = EVENT_SPAN, .weight = 1, .time_ns = (int64_t)(second * 1e9), .duration_ns = ms * NS_MS, .span_kind = 2,
                         .service = slice_str(service), .stream = stream_of(w, service), .body = slice_str(name), .seq = w->count };
    e->trace_id[0] = e->parent_id[0] = 1; /* no root */
    memcpy(e->trace_id + 8, &w->count, sizeof w->count);
    memcpy(e->span_id, &w->count, sizeof e->span_id);
    e->fields = arena_array(w->arena, struct field, FIELDS);
    return e;
}

static struct field *field(struct event *e, const char *name, enum field_type type)
{
    struct field *f = &e->fields[e->field_count++];
    *f = (struct field){ .scope = SCOPE_RECORD, .type = (uint8_t)type, .name = slice_str(name) };
    return f;
}

static void text_field(struct event *e, const char *name, const char *text)
{
    field(e, name, FIELD_STRING)->text = slice_str(text);
}

static void int_field(struct event *e, const char *name, int64_t i)
{
    field(e, name, FIELD_INT)->i = i;
}

static enum status ask(struct world *w, const char *text, const struct traceql_window *window)
{
    traceql_free(w->q);
    w->q = NULL;
    enum status st = traceql_parse(w->env.result, slice_str(text), &w->q, &w->err);
    return st ? st : traceql_metrics(&w->env, w->q, window, &w->m, &w->err);
}

static const struct traceql_window half_minute = { .start_ns = 0, .end_ns = 30 * NS_S, .step_ns = 10 * NS_S };
static const struct traceql_window instant = { .start_ns = 0, .end_ns = 30 * NS_S, .is_instant = true };

/* Texts in quotes of their own kind, so that a number is none. */
static void tell_value(const struct tql_value *v, struct buf *out)
{
    struct arena *a = arena_new(0);
    if (v->type == TQL_STRING)
        buf_printf(out, "`%.*s`", SLICE_FMT(v->text));
    else if (v->type == TQL_NIL)
        buf_slice(out, SLICE("nil"));
    else
        buf_slice(out, tql_label_text(a, v));
    arena_free(a);
}

static void tell(const struct traceql_matrix *m, struct buf *out)
{
    for (size_t i = 0; i < m->count; i++) {
        for (size_t k = 0; k < m->series[i].label_count; k++) {
            buf_printf(out, "%s%.*s=", k ? "," : "", SLICE_FMT(m->series[i].labels[k].name));
            tell_value(&m->series[i].labels[k].value, out);
        }
        for (size_t k = 0; k < m->points; k++) {
            char number[NUM_TEXT_BYTES_MAX];
            buf_char(out, ' ');
            if (isnan(m->series[i].v[k]))
                buf_char(out, '-');
            else
                buf_put(out, number, num_format_short(m->series[i].v[k], number));
        }
        buf_char(out, '\n');
    }
}

static void check_window(struct world *w, const char *text, const struct traceql_window *window, const char *want)
{
    struct buf out;
    buf_init(&out, 0);
    if (ask(w, text, window))
        buf_slice(&out, slice_str(w->err.text));
    else
        tell(&w->m, &out);
    CHECK_STR(buf_as_slice(&out), want);
    buf_free(&out);
}

static void check(struct world *w, const char *text, const char *want)
{
    check_window(w, text, &half_minute, want);
}

/* Three steps of ten seconds: two spans, three, none. */
static struct world *small_world(void)
{
    struct world *w = world_new(0);
    int_field(span(w, 1, "shop", "buy", 100), "size", 10);
    int_field(span(w, 9.5, "shop", "look", 300), "size", 30);
    int_field(span(w, 10, "shop", "buy", 500), "size", 5);
    text_field(span(w, 12, "bank", "pay", 700), "size", "large");
    span(w, 19, "bank", "pay", 2000)->span_status = 2;
    return w;
}

/* ---- functions ---- */

TEST(spans_are_counted_in_the_step_they_begin_in)
{
    struct world *w = small_world();
    check(w, "{ } | count_over_time()", "__name__=`count_over_time` 2 3 0\n");
    check(w, "{ } | rate()", "__name__=`rate` 0.2 0.3 0\n");
    check(w, "{ name = `pay` } | count_over_time()", "__name__=`count_over_time` 0 2 0\n");
    check(w, "{ name = `none` } | rate()", "__name__=`rate` 0 0 0\n");
    check(w, "{ name = `none` } | rate() by (name)", "");
    check(w, "{ } | rate() by (resource.service.name)", "resource.service.name=`bank` 0 0.2 0\nresource.service.name=`shop` 0.2 0.1 0\n");
    check(w, "{ } | count_over_time() by (name, status)", "name=`buy`,status=unset 1 1 0\nname=`look`,status=unset 1 0 0\n"
                                                          "name=`pay`,status=unset 0 1 0\nname=`pay`,status=error 0 1 0\n");
    CHECK_INT(w->m.inspected, 5);
    CHECK_INT(w->m.first_ms, 10000);
    CHECK_INT(w->m.step_ms, 10000);
    check_window(w, "{ } | rate()", &instant, "__name__=`rate` 0.16666666666666666\n");
    CHECK_INT(w->m.first_ms, 30000);
    world_free(w);
}

TEST(an_engine_that_can_count_gives_what_rows_give)
{
    static const char *const texts[] = { "{ } | count_over_time() by (resource.service.name)", "{ } | rate()",
                                         "{ } | rate() by (resource.service.name) | topk(1)" };
    struct query_params p = { .start_ns = 3 * NS_S, .end_ns = 33 * NS_S, .step_ns = 5 * NS_S, .lookback_ns = 12 * NS_S };
    for (size_t i = 0; i < COUNT_OF(texts); i++) {
        struct world *w = small_world();
        struct value rows, counts;
        CHECK_INT(traceql_lang.range(&w->env, slice_str(texts[i]), &p, &rows, &w->err), ST_OK);
        w->can_count = true;
        CHECK_INT(traceql_lang.range(&w->env, slice_str(texts[i]), &p, &counts, &w->err), ST_OK);
        CHECK_INT(w->counted, 5);
        CHECK_INT(counts.series_count, rows.series_count);
        for (size_t k = 0; k < rows.series_count; k++) {
            CHECK(slice_eq(rows.series[k].labels, counts.series[k].labels));
            CHECK_INT(counts.series[k].n, rows.series[k].n);
            CHECK(memcmp(rows.series[k].v, counts.series[k].v, rows.series[k].n * sizeof(double)) == 0);
            CHECK(memcmp(rows.series[k].t_ms, counts.series[k].t_ms, rows.series[k].n * sizeof(int64_t)) == 0);
        }
        CHECK_INT(traceql_lang.range(&w->env, SLICE("{ name = `pay` } | rate() by (name)"), &p, &counts, &w->err), ST_OK);
        CHECK_INT(w->counted, 5);
        world_free(w);
    }
}

TEST(windows_are_rounded_to_whole_steps)
{
    struct world *w = small_world();
    struct traceql_window window = { .start_ns = 9 * NS_S, .end_ns = 11 * NS_S, .step_ns = 10 * NS_S };
    check_window(w, "{ } | count_over_time()", &window, "__name__=`count_over_time` 2 3\n");
    window.is_instant = true;
    check_window(w, "{ } | count_over_time()", &window, "__name__=`count_over_time` 2\n");
    window = (struct traceql_window){ .start_ns = 0, .end_ns = 11001 * NS_S, .step_ns = NS_S };
    check_window(w, "{ } | rate()", &window,
                 "step: 1000000000 ns gives 11001 points a series, allowed are 11000; ask for a longer step, or for less time");
    window.end_ns = 11000 * NS_S;
    CHECK_INT(ask(w, "{ } | rate()", &window), ST_OK);
    CHECK_INT(w->m.points, 11000);
    window.end_ns = 0;
    CHECK_INT(ask(w, "{ } | rate()", &window), ST_INVALID);
    window = (struct traceql_window){ .start_ns = 0, .end_ns = 10, .step_ns = 1 };
    CHECK_INT(ask(w, "{ } | rate()", &window), ST_INVALID);
    CHECK_INT(ask(w, "{ }", &half_minute), ST_INVALID);
    world_free(w);
}

TEST(windows_may_be_all_of_time)
{
    static const int64_t times[] = { INT64_MIN, INT64_MIN + 1, -1, 0, 1, INT64_MAX / 2, INT64_MAX - 1, INT64_MAX };
    struct world *w = small_world();
    w->list[0].time_ns = INT64_MIN;
    w->list[1].time_ns = INT64_MAX;
    for (size_t i = 0; i < COUNT_OF(times); i++)
        for (size_t k = 0; k < COUNT_OF(times); k++)
            for (size_t s = 0; s < COUNT_OF(times); s++) {
                struct traceql_window window = { times[i], times[k], times[s], .exemplars_max = 3 };
                struct query_params p = { .start_ns = times[i], .end_ns = times[k], .step_ns = times[s] };
                struct value v;
                enum status st = ask(w, "{ } | count_over_time()", &window);
                CHECK(st == ST_OK || st == ST_INVALID);
                st = traceql_lang.range(&w->env, SLICE("{ } | rate()"), &p, &v, &w->err);
                CHECK(st == ST_OK || st == ST_INVALID);
                st = traceql_lang.instant(&w->env, SLICE("{ } | rate()"), &p, &v, &w->err);
                CHECK(st == ST_OK);
                window.is_instant = true;
                st = ask(w, "{ } | quantile_over_time(duration, 0.5)", &window);
                CHECK(st == (times[k] > times[i] ? ST_OK : ST_INVALID));
            }
    world_free(w);
}

TEST(values_are_told_of_spans_that_have_a_number)
{
    struct world *w = small_world();
    check(w, "{ } | min_over_time(duration)", "__name__=`min_over_time` 0.1 0.5 -\n");
    check(w, "{ } | max_over_time(duration)", "__name__=`max_over_time` 0.3 2 -\n");
    check(w, "{ } | sum_over_time(span.size)", "__name__=`sum_over_time` 40 5 -\n");
    check(w, "{ } | avg_over_time(.size)", "__name__=`avg_over_time` 20 5 -\n");
    check(w, "{ } | avg_over_time(duration) by (resource.service.name)",
          "resource.service.name=`bank` - 1.35 -\nresource.service.name=`shop` 0.2 0.5 -\n");
    check(w, "{ } | max_over_time(span.nothing)", "");
    check(w, "{ } | max_over_time(duration) by (span.size)",
          "span.size=nil - 2 -\nspan.size=5 - 0.5 -\nspan.size=10 0.1 - -\nspan.size=30 0.3 - -\nspan.size=`large` - 0.7 -\n");
    world_free(w);
}

TEST(values_without_end_are_values)
{
    static const double values[] = { INFINITY, 1, -INFINITY, 2, NAN };
    struct world *w = world_new(0);
    for (size_t i = 0; i < COUNT_OF(values); i++)
        field(span(w, 1, "a", "x", 0), "v", FIELD_DOUBLE)->d = values[i];
    field(span(w, 11, "a", "x", 0), "v", FIELD_DOUBLE)->d = INFINITY;
    check(w, "{ } | sum_over_time(span.v)", "__name__=`sum_over_time` - +Inf -\n");
    check(w, "{ } | max_over_time(span.v)", "__name__=`max_over_time` +Inf +Inf -\n");
    check(w, "{ } | quantile_over_time(span.v, 0.4)", "p=0.4 1.2000000000000002 +Inf -\n");
    check(w, "{ } | histogram_over_time(span.v)", "__bucket=0 1 0 0\n__bucket=1 1 0 0\n__bucket=2 1 0 0\n__bucket=+Inf 1 1 0\n");
    world_free(w);
}

TEST(fields_that_a_group_has_not_are_no_labels_of_it)
{
    struct world *w = small_world();
    check(w, "{ name = `pay` } | count_over_time() by (span.size, span.none)", "span.size=nil 0 1 0\nspan.size=`large` 0 1 0\n");
    check(w, "{ name = `pay` } | count_over_time() by (span.size, name)", "name=`pay` 0 1 0\nspan.size=`large`,name=`pay` 0 1 0\n");
    world_free(w);
}

TEST(a_whole_number_and_a_text_of_it_are_two_series_but_one_where_labels_are_texts)
{
    struct world *w = world_new(0);
    struct value v;
    struct query_params p = { .start_ns = 10 * NS_S, .end_ns = 10 * NS_S, .lookback_ns = 10 * NS_S };
    int_field(span(w, 1, "a", "x", 1), "code", 200);
    text_field(span(w, 2, "b", "x", 1), "code", "200");
    field(span(w, 3, "c", "x", 1), "code", FIELD_DOUBLE)->d = 200;
    text_field(span(w, 4, "b", "x", 1), "code", "");
    check_window(w, "{ } | count_over_time() by (.code)", &instant, ".code=200 2\n.code=`` 1\n.code=`200` 1\n");
    CHECK_INT(traceql_lang.instant(&w->env, SLICE("{ } | count_over_time() by (.code)"), &p, &v, &w->err), ST_OK);
    CHECK(v.type == VALUE_VECTOR && v.series_count == 2);
    CHECK_STR(labels_get(v.series[0].labels, SLICE(".code")), "200");
    CHECK_NEAR(v.series[0].v[0], 3, 0);
    CHECK_STR(labels_get(v.series[1].labels, SLICE(".code")), "<empty>");
    world_free(w);
}

TEST(spans_that_stand_for_others_count_as_many)
{
    struct world *w = world_new(0);
    span(w, 1, "a", "x", 100)->weight = 4;
    CHECK(!w->ctx.is_sampled);
    span(w, 2, "a", "x", 600);
    check_window(w, "{ } | count_over_time()", &instant, "__name__=`count_over_time` 5\n");
    CHECK(w->ctx.is_sampled);
    check_window(w, "{ } | avg_over_time(duration)", &instant, "__name__=`avg_over_time` 0.2\n");
    check_window(w, "{ } | sum_over_time(duration)", &instant, "__name__=`sum_over_time` 1\n");
    check_window(w, "{ } | max_over_time(duration)", &instant, "__name__=`max_over_time` 0.6\n");
    check_window(w, "{ } | quantile_over_time(duration, 0.5, 1)", &instant, "p=0.5 0.1\np=1 0.6\n");
    check_window(w, "{ } | histogram_over_time(duration)", &instant, "__bucket=0.134217728 4\n__bucket=1.073741824 1\n");
    check_window(w, "{ } | compare({ duration > 500ms })", &instant,
                 "__meta_type=`baseline`,kind=server 4\n__meta_type=`baseline`,name=`x` 4\n__meta_type=`baseline`,resource.service.name=`a` 4\n"
                 "__meta_type=`baseline`,status=unset 4\n__meta_type=`baseline_total`,kind=nil 4\n__meta_type=`baseline_total`,name=nil 4\n"
                 "__meta_type=`baseline_total`,resource.service.name=nil 4\n__meta_type=`baseline_total`,status=nil 4\n"
                 "__meta_type=`selection`,kind=server 1\n__meta_type=`selection`,name=`x` 1\n__meta_type=`selection`,resource.service.name=`a` 1\n"
                 "__meta_type=`selection`,status=unset 1\n__meta_type=`selection_total`,kind=nil 1\n__meta_type=`selection_total`,name=nil 1\n"
                 "__meta_type=`selection_total`,resource.service.name=nil 1\n__meta_type=`selection_total`,status=nil 1\n");
    world_free(w);
}

TEST(quantiles_lie_between_their_neighbours_and_each_is_a_series)
{
    struct world *w = small_world();
    check(w, "{ } | quantile_over_time(duration, 0, 0.5, 1)", "p=0 0.1 0.5 -\np=0.5 0.2 0.7 -\np=1 0.3 2 -\n");
    check(w, "{ } | quantile_over_time(span.size, .25) by (name)", "name=`buy`,p=0.25 10 5 -\nname=`look`,p=0.25 30 - -\n");
    world_free(w);
}

TEST(buckets_are_powers_of_two)
{
    struct world *w = world_new(0);
    static const int64_t values[] = { -3, 0, 1, 2, 3, 4, 5, 1000, 1024, 1025 };
    for (size_t i = 0; i < COUNT_OF(values); i++)
        int_field(span(w, 1, "a", "x", 0), "v", values[i]);
    field(span(w, 1, "a", "x", 0), "v", FIELD_DOUBLE)->d = 0.3;
    check_window(w, "{ } | histogram_over_time(span.v)", &instant,
                 "__bucket=0 2\n__bucket=0.5 1\n__bucket=1 1\n__bucket=2 1\n__bucket=4 2\n__bucket=8 1\n__bucket=1024 2\n__bucket=2048 1\n");
    check_window(w, "{ span.v = 3 } | histogram_over_time(span.v) by (name)", &instant, "name=`x`,__bucket=4 1\n");
    world_free(w);
}

/* ---- series of series ---- */

TEST(the_largest_are_found_at_each_point)
{
    struct world *w = small_world();
    check(w, "{ } | count_over_time() by (name) | topk(1)", "name=`buy` 1 - 0\nname=`pay` - 2 -\n");
    check(w, "{ } | count_over_time() by (name) | bottomk(1)", "name=`buy` - - 0\nname=`look` - 0 -\nname=`pay` 0 - -\n");
    check(w, "{ } | count_over_time() by (name) | topk(10)", "name=`buy` 1 1 0\nname=`look` 1 0 0\nname=`pay` 0 2 0\n");
    check(w, "{ } | count_over_time() by (name) > 1", "name=`pay` - 2 -\n");
    check(w, "{ } | max_over_time(duration) by (name) > 400ms", "name=`buy` - 0.5 -\nname=`pay` - 2 -\n");
    check(w, "{ } | max_over_time(duration) by (name) != 0.5 | topk(1)", "name=`look` 0.3 - -\nname=`pay` - 2 -\n");
    world_free(w);
}

TEST(series_are_joined_by_their_labels)
{
    struct world *w = small_world();
    check(w, "({ status = error } | count_over_time()) / ({ } | count_over_time())",
          "__name__=`(count_over_time / count_over_time)` 0 0.3333333333333333 -\n");
    check(w, "({ } | count_over_time() by (name)) / ({ } | count_over_time())", "name=`buy` 0.5 0.3333333333333333 -\n"
                                                                               "name=`look` 0.5 0 -\nname=`pay` 0 0.6666666666666666 -\n");
    check(w, "({ } | count_over_time()) - ({ } | count_over_time() by (name))", "name=`buy` 1 2 0\nname=`look` 1 3 0\nname=`pay` 2 1 0\n");
    check(w, "({ name = `pay` } | count_over_time() by (name)) + ({ } | count_over_time() by (name))", "name=`pay` 0 4 0\n");
    check(w, "({ name = `pay` } | count_over_time() by (name)) + ({ name = `buy` } | count_over_time() by (name))", "");
    check(w, "({ } | avg_over_time(duration)) + ({ } | rate())", "__name__=`(avg_over_time + rate)` 0.4 1.3666666666666667 0\n");
    check(w, "({ } | rate()) * 60", "__name__=`(rate * 60)` 12 18 0\n");
    check(w, "1 - ({ } | rate() by (name))", "name=`buy` 0.9 0.9 1\nname=`look` 0.9 1 1\nname=`pay` 1 0.8 1\n");
    check(w, "({ } | avg_over_time(duration)) * 2", "__name__=`(avg_over_time * 2)` 0.4 2.1333333333333333 -\n");
    world_free(w);
}

TEST(more_series_than_allowed_are_refused_unless_few_come_out)
{
    struct world *w = world_new(0);
    for (int i = 0; i <= TRACEQL_SERIES_MAX; i++)
        int_field(span(w, 1, "a", "x", 10), "id", i);
    CHECK_INT(ask(w, "{ } | rate() by (span.id)", &instant), ST_LIMIT);
    CHECK(slice_contains(slice_str(w->err.text), SLICE("10000 series")));
    check_window(w, "{ } | count_over_time() by (span.id) | topk(2)", &instant, "span.id=0 1\nspan.id=1 1\n");
    check_window(w, "({ } | count_over_time() by (span.id)) + 1 | bottomk(1)", &instant, "span.id=0 2\n");
    CHECK_INT(ask(w, "{ span.id < 6000 } | quantile_over_time(duration, .5, .9) by (span.id)", &instant), ST_LIMIT);
    world_free(w);
}

TEST(memory_that_runs_out_ends_the_query)
{
    struct world *w = world_new(8 * MIB);
    struct traceql_window window = { .start_ns = 0, .end_ns = 10000 * NS_S, .step_ns = NS_S };
    for (int i = 0; i < 1000; i++)
        int_field(span(w, i, "a", "x", 10), "id", i);
    CHECK_INT(ask(w, "{ } | rate() by (span.id)", &window), ST_LIMIT);
    CHECK_INT(ask(w, "{ } | avg_over_time(duration) by (span.id) | topk(1)", &window), ST_LIMIT);
    CHECK_INT(ask(w, "{ } | quantile_over_time(duration, .5) by (span.id)", &window), ST_LIMIT);
    world_free(w);
}

/* ---- compare ---- */

TEST(compare_counts_each_value_on_both_sides)
{
    struct world *w = small_world();
    check(w, "{ name != `look` } | compare({ status = error }, 1)",
          "__meta_error=`__too_many_values__`,name=nil 0 0 0\n__meta_error=`__too_many_values__`,resource.service.name=nil 0 0 0\n"
          "__meta_error=`__too_many_values__`,span.size=nil 0 0 0\n"
          "__meta_type=`baseline`,kind=server 1 2 0\n__meta_type=`baseline`,name=`buy` 1 1 0\n"
          "__meta_type=`baseline`,resource.service.name=`shop` 1 1 0\n__meta_type=`baseline`,span.size=5 0 1 0\n"
          "__meta_type=`baseline`,status=unset 1 2 0\n"
          "__meta_type=`baseline_total`,kind=nil 1 2 0\n__meta_type=`baseline_total`,name=nil 1 2 0\n"
          "__meta_type=`baseline_total`,resource.service.name=nil 1 2 0\n__meta_type=`baseline_total`,span.size=nil 1 2 0\n"
          "__meta_type=`baseline_total`,status=nil 1 2 0\n"
          "__meta_type=`selection`,kind=server 0 1 0\n__meta_type=`selection`,name=`pay` 0 1 0\n"
          "__meta_type=`selection`,resource.service.name=`bank` 0 1 0\n__meta_type=`selection`,status=error 0 1 0\n"
          "__meta_type=`selection_total`,kind=nil 0 1 0\n__meta_type=`selection_total`,name=nil 0 1 0\n"
          "__meta_type=`selection_total`,resource.service.name=nil 0 1 0\n__meta_type=`selection_total`,status=nil 0 1 0\n");
    world_free(w);
}

static double total_of(const struct traceql_matrix *m, const char *type, const char *name, bool with_value)
{
    double sum = 0;
    for (size_t i = 0; i < m->count; i++) {
        const struct traceql_label *l = m->series[i].labels;
        if (slice_eq(l[0].value.text, slice_str(type)) && slice_eq(l[1].name, slice_str(name)) && (l[1].value.type != TQL_NIL) == with_value)
            for (size_t k = 0; k < m->points; k++)
                sum += m->series[i].v[k];
    }
    return sum;
}

TEST(compare_tells_roots_of_spans_that_are_looked_at_one_by_one)
{
    struct world *w = world_new(0);
    for (int i = 0; i < 6000; i++) {
        struct event *root = span(w, i % 30, i % 2 ? "web" : "app", i % 3 ? "GET /" : "POST /", 10);
        memset(root->parent_id, 0, sizeof root->parent_id);
        struct event *kid = span(w, i % 30, "db", "query", 5);
        memcpy(kid->trace_id, root->trace_id, sizeof kid->trace_id);
    }
    CHECK_INT(ask(w, "{ name = `query` } | compare({ duration > 1ms })", &half_minute), ST_OK);
    CHECK_NEAR(total_of(&w->m, "selection_total", "rootName", false), 6000, 0);
    CHECK_NEAR(total_of(&w->m, "selection_total", "rootServiceName", false), 6000, 0);
    size_t found = 0;
    for (size_t i = 0; i < w->m.count; i++) {
        const struct traceql_label *l = &w->m.series[i].labels[1];
        if (l->value.type != TQL_STRING || !slice_starts(l->name, SLICE("root")))
            continue;
        double sum = w->m.series[i].v[0] + w->m.series[i].v[1] + w->m.series[i].v[2];
        CHECK_NEAR(sum, slice_eq(l->value.text, SLICE("GET /")) ? 4000 : slice_eq(l->value.text, SLICE("POST /")) ? 2000 : 3000, 0);
        found++;
    }
    CHECK_INT(found, 4);
    world_free(w);
}

TEST(compare_takes_its_selection_from_a_part_of_the_time)
{
    struct world *w = small_world();
    CHECK_INT(ask(w, "{ } | compare({ }, 10, 9000000000, 12000000000)", &half_minute), ST_OK);
    CHECK_NEAR(total_of(&w->m, "selection_total", "name", false), 2, 0);
    CHECK_NEAR(total_of(&w->m, "baseline_total", "name", false), 3, 0);
    world_free(w);
}

TEST(an_attribute_with_a_value_for_each_span_is_cut_and_frequent_values_stay)
{
    struct world *w = world_new(0);
    for (int i = 0; i < SPANS_MAX; i++) {
        struct event *e = span(w, i % 30, "a", "x", 10);
        int_field(e, "id", i);
        int_field(e, "shard", i % 4);
        int_field(e, "odd", i % 10 ? i : -1);
    }
    CHECK_INT(ask(w, "{ } | compare({ span.shard = 0 }, 4)", &half_minute), ST_OK);
    CHECK_NEAR(total_of(&w->m, "__too_many_values__", "span.id", false), 0, 0);
    CHECK_NEAR(total_of(&w->m, "baseline_total", "span.id", false), 15000, 0);
    CHECK_NEAR(total_of(&w->m, "baseline", "span.id", true), 4, 0);
    CHECK_NEAR(total_of(&w->m, "baseline", "span.shard", true), 15000, 0);
    CHECK_NEAR(total_of(&w->m, "selection", "span.shard", true), 5000, 0);
    CHECK_NEAR(total_of(&w->m, "baseline", "span.odd", true), 1000 + 3, 0);
    CHECK_NEAR(total_of(&w->m, "selection", "span.odd", true), 1000 + 3, 0);
    world_free(w);
}

TEST(compare_forgets_more_where_memory_is_short)
{
    struct world *w = world_new(10 * MIB);
    struct traceql_window window = { .start_ns = 0, .end_ns = 3000 * NS_S, .step_ns = NS_S };
    for (int i = 0; i < SPANS_MAX; i++) {
        struct event *e = span(w, i % 3000, "a", "x", 10);
        int_field(e, "id", i % 3 ? 7 : i);
        int_field(e, "id2", i);
        int_field(e, "id3", -i);
    }
    CHECK_INT(ask(w, "{ } | compare({ duration = 10ms }, 4)", &window), ST_OK);
    CHECK_NEAR(total_of(&w->m, "selection_total", "span.id2", false), SPANS_MAX, 0);
    CHECK_NEAR(total_of(&w->m, "selection", "span.id", true), 13333 + 3, 0);
    world_free(w);
}

/* ---- exemplars ---- */

TEST(exemplars_are_spread_over_time_and_the_same_in_any_order)
{
    struct world *w = world_new(0);
    struct traceql_window window = { .start_ns = 0, .end_ns = 100 * NS_S, .step_ns = 10 * NS_S, .exemplars_max = 5 };
    uint8_t ids[5][8];
    for (int i = 0; i < 1000; i++)
        span(w, i / 10.0, "a", "x", 1 + i);
    CHECK_INT(ask(w, "{ } | max_over_time(duration)", &window), ST_OK);
    CHECK_INT(w->m.series[0].exemplar_count, 5);
    for (size_t i = 0; i < 5; i++) {
        const struct traceql_exemplar *x = &w->m.series[0].exemplars[i];
        CHECK(x->t_ms >= (int64_t)i * 20000 && x->t_ms < (int64_t)(i + 1) * 20000);
        CHECK_NEAR(x->v, (1 + (double)x->t_ms / 100) / 1000, 1e-9);
        memcpy(ids[i], x->span_id, sizeof ids[i]);
    }
    for (size_t i = 0; i < 500; i++) {
        struct event e = w->list[i];
        w->list[i] = w->list[999 - i];
        w->list[999 - i] = e;
    }
    CHECK_INT(ask(w, "{ } | rate()", &window), ST_OK);
    CHECK_INT(w->m.series[0].exemplar_count, 5);
    for (size_t i = 0; i < 5; i++) {
        CHECK(memcmp(w->m.series[0].exemplars[i].span_id, ids[i], sizeof ids[i]) == 0);
        CHECK_NEAR(w->m.series[0].exemplars[i].v, 10, 0);
    }
    CHECK_INT(ask(w, "{ } | rate() with (exemplars=false)", &window), ST_OK);
    CHECK_INT(w->m.series[0].exemplar_count, 0);
    CHECK_INT(ask(w, "{ } | rate() with (exemplars=3)", &window), ST_OK);
    CHECK_INT(w->m.series[0].exemplar_count, 3);
    CHECK_INT(ask(w, "{ } | quantile_over_time(duration, .5, .9)", &window), ST_OK);
    CHECK_INT(w->m.series[0].exemplar_count + w->m.series[1].exemplar_count, 5);
    world_free(w);
}

TEST(exemplars_of_counts_are_the_first_spans_of_their_slots)
{
    struct world *w = world_new(0);
    struct traceql_window window = { .start_ns = 0, .end_ns = 100 * NS_S, .step_ns = 10 * NS_S, .exemplars_max = 5 };
    for (int i = 0; i < 1000; i++)
        span(w, i / 10.0, i % 2 ? "a" : "b", "x", 1)->weight = 4096;
    w->can_count = true;
    CHECK_INT(ask(w, "{ } | rate() by (resource.service.name)", &window), ST_OK);
    CHECK_INT(w->counted, 1000);
    CHECK_INT(w->m.inspected, 4096 * 1000);
    CHECK(w->m.count == 2 && w->m.series[0].exemplar_count == 0 && w->m.series[1].exemplar_count == 5);
    for (size_t i = 0; i < 5; i++) {
        CHECK_INT(w->m.series[1].exemplars[i].t_ms, (int64_t)i * 20000);
        CHECK_NEAR(w->m.series[1].exemplars[i].v, 4096 * 5, 0);
    }
    world_free(w);
}

/* ---- many ---- */

static int by_number(const void *a, const void *b)
{
    double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

TEST(quantiles_of_many_values_are_off_by_less_than_half_a_percent)
{
    struct rand rand;
    rand_seed(&rand, unit_seed());
    struct arena *a = arena_new(0);
    enum { N = 20000 };
    double *list = arena_array(a, double, N), q[] = { 0, 0.01, 0.1, 0.5, 0.9, 0.99, 0.999, 1 }, got[COUNT_OF(q)];
    struct tql_sketch *s = NULL;
    struct tql_sketch_pool pool = { 0 };
    for (size_t i = 0; i < N; i++) {
        list[i] = exp(20 * rand_unit(&rand) - 10) * (rand_one_in(&rand, 3) ? -1 : 1);
        tql_sketch_add(&pool, &s, list[i], 1);
    }
    qsort(list, N, sizeof *list, by_number);
    tql_sketch_quantiles(a, s, q, COUNT_OF(q), got);
    for (size_t i = 0; i < COUNT_OF(q); i++) {
        double rank = q[i] * (N - 1), low = list[(size_t)rank], high = list[(size_t)ceil(rank)];
        CHECK(got[i] >= low - fabs(low) * 0.004 && got[i] <= high + fabs(high) * 0.004);
    }
    CHECK(pool.bytes < 256 * KIB);
    CHECK(got[0] == list[0] && got[COUNT_OF(q) - 1] == list[N - 1]);
    tql_sketch_free(s);
    arena_free(a);
}

TEST(numbers_of_many_kinds_fit_the_sketch)
{
    static const double values[] = { 0, -0.0, 1e-320, -1e-320, 1e308, -1e308, INFINITY, -INFINITY, 1, -1 };
    struct arena *a = arena_new(0);
    struct tql_sketch *s = NULL;
    struct tql_sketch_pool pool = { 0 };
    double q[] = { 0, 0.3, 0.5, 0.8, 1 }, got[COUNT_OF(q)];
    tql_sketch_quantiles(a, s, q, COUNT_OF(q), got);
    CHECK(isnan(got[0]));
    for (size_t i = 0; i < 3000; i++)
        tql_sketch_add(&pool, &s, values[i % COUNT_OF(values)], 1);
    tql_sketch_quantiles(a, s, q, COUNT_OF(q), got);
    CHECK(isinf(got[0]) && isinf(got[4]));
    CHECK_NEAR(got[2], 0, 1e-300);
    tql_sketch_free(s);
    arena_free(a);
}

struct expected { /* of one group and point */
    double count, sum, min, max, list[SPANS_MAX / 8];
    size_t n;
};

static double expected_value(struct expected *x, const char *function)
{
    switch (function[0]) {
    case 'c':
        return x->count;
    case 's':
        return x->n ? x->sum : NAN;
    case 'a':
        return x->n ? x->sum / (double)x->n : NAN;
    case 'm':
        return x->n == 0 ? NAN : function[1] == 'i' ? x->min : x->max;
    }
    if (x->n == 0)
        return NAN;
    qsort(x->list, x->n, sizeof *x->list, by_number);
    double rank = 0.9 * (double)(x->n - 1), share = rank - floor(rank);
    return x->list[(size_t)rank] * (1 - share) + x->list[(size_t)ceil(rank)] * share;
}

TEST(any_spans_give_what_counting_them_by_hand_gives)
{
    static const char *const functions[] = { "count_over_time()", "sum_over_time(span.v)", "avg_over_time(span.v)", "min_over_time(span.v)",
                                             "max_over_time(span.v)", "quantile_over_time(span.v, 0.9)" };
    static const char *const services[] = { "a", "b", "c" };
    enum { N = 2000, STEPS = 7 };
    struct rand rand;
    struct world *w = world_new(0);
    struct expected *want = mem_zalloc(COUNT_OF(services) * STEPS * sizeof *want);
    rand_seed(&rand, unit_seed());
    for (size_t i = 0; i < N; i++) {
        size_t service = rand_below(&rand, COUNT_OF(services));
        int64_t time_ns = (int64_t)rand_below(&rand, STEPS * 10 * NS_S);
        struct event *e = span(w, 0, services[service], rand_one_in(&rand, 4) ? "out" : "in", 1);
        double v = floor(1e6 * rand_unit(&rand)) / 8;
        bool has_value = !rand_one_in(&rand, 5);
        e->time_ns = time_ns;
        if (has_value)
            field(e, "v", FIELD_DOUBLE)->d = v;
        struct expected *x = &want[service * STEPS + (size_t)(time_ns / (10 * NS_S))];
        if (e->body.len != 2)
            continue;
        x->count++;
        if (!has_value)
            continue;
        x->min = x->n ? fmin(x->min, v) : v;
        x->max = x->n ? fmax(x->max, v) : v;
        x->sum += v;
        x->list[x->n++] = v;
    }
    struct traceql_window window = { .start_ns = 1, .end_ns = STEPS * 10 * NS_S - 1, .step_ns = 10 * NS_S };
    for (size_t f = 0; f < COUNT_OF(functions); f++) {
        struct slice text = arena_printf(w->arena, "{ name = `in` } | %s by (resource.service.name)", functions[f]);
        CHECK_INT(ask(w, text.ptr, &window), ST_OK);
        CHECK_INT(w->m.count, COUNT_OF(services));
        CHECK_INT(w->m.points, STEPS);
        for (size_t i = 0; i < COUNT_OF(services) * STEPS; i++) {
            double got = w->m.series[i / STEPS].v[i % STEPS], expected = expected_value(&want[i], functions[f]);
            CHECK(isnan(expected) ? isnan(got) : fabs(got - expected) <= 1e-9 * fabs(expected));
        }
    }
    mem_free(want);
    world_free(w);
}

/* A query of random parts. */
static void random_query(struct rand *rand, struct buf *out, int depth)
{
    static const char *const filters[] = { "{ }", "{ name = `pay` }", "{ span.size>3 }", "{ status = error || .size != nil }", "{ kind=client }" };
    static const char *const functions[] = { "rate()", "count_over_time()", "min_over_time(duration)", "max_over_time(span.size)",
                                             "avg_over_time(.size)", "sum_over_time(duration)", "quantile_over_time(duration, .1, .9)",
                                             "histogram_over_time(span.size)", "histogram_over_time(duration)" };
    static const char *const groups[] = { "", " by (name)", " by (resource.service.name)", " by (span.size, name)", " by (.none)" };
    static const char *const tails[] = { "", " > 0.5", " | topk(1)", " | bottomk(2)", " != 2 | topk(3) < 100" };
    static const char *const ops[] = { "+", "-", "*", "/" };
    if (depth && rand_one_in(rand, 2)) {
        buf_char(out, '(');
        random_query(rand, out, depth - 1);
        buf_printf(out, ") %s ", ops[rand_below(rand, COUNT_OF(ops))]);
        if (rand_one_in(rand, 3)) {
            buf_printf(out, "%d", (int)rand_below(rand, 4) - 1);
        } else {
            buf_char(out, '(');
            random_query(rand, out, depth - 1);
            buf_char(out, ')');
        }
    } else {
        buf_printf(out, "%s | %s%s", filters[rand_below(rand, COUNT_OF(filters))], functions[rand_below(rand, COUNT_OF(functions))],
                   groups[rand_below(rand, COUNT_OF(groups))]);
    }
    buf_slice(out, slice_str(tails[rand_below(rand, COUNT_OF(tails))]));
}

TEST(any_query_gives_series_in_order_each_with_labels_of_its_own_and_a_point)
{
    struct rand rand;
    struct world *w = small_world();
    size_t answered = 0;
    rand_seed(&rand, unit_seed());
    for (int round = 0; round < 3000; round++) {
        struct traceql_window window = { .start_ns = 0, .end_ns = (int64_t)(1 + rand_below(&rand, 40)) * NS_S, .step_ns = 7 * NS_S,
                                         .is_instant = rand_one_in(&rand, 4), .exemplars_max = rand_below(&rand, 4) };
        struct buf text;
        buf_init(&text, 0);
        random_query(&rand, &text, 2);
        buf_char(&text, '\0');
        enum status st = ask(w, text.ptr, &window);
        CHECK(st == ST_OK || st == ST_INVALID);
        answered += st == ST_OK;
        size_t exemplars = 0;
        for (size_t i = 0; !st && i < w->m.count; i++) {
            bool has_any = false;
            for (size_t k = 0; k < w->m.points; k++)
                has_any |= !isnan(w->m.series[i].v[k]);
            exemplars += w->m.series[i].exemplar_count;
            CHECK(has_any && exemplars <= window.exemplars_max);
            CHECK(i == 0 || tql_series_cmp(&w->m.series[i - 1], &w->m.series[i]) < 0);
        }
        buf_free(&text);
        traceql_free(w->q);
        w->q = NULL;
        arena_reset(w->env.result);
    }
    CHECK(answered > 2000);
    world_free(w);
}

/* ---- as a language ---- */

TEST(a_range_has_a_point_for_each_step_and_an_instant_looks_back)
{
    struct world *w = small_world();
    struct query_params p = { .start_ns = 15 * NS_S, .end_ns = 25 * NS_S, .step_ns = 5 * NS_S };
    struct slice text = SLICE("{ } | count_over_time()");
    struct value v;
    CHECK_INT(traceql_lang.range(&w->env, text, &p, &v, &w->err), ST_OK);
    CHECK(v.type == VALUE_MATRIX && v.series_count == 1 && v.series[0].n == 3);
    CHECK(v.series[0].t_ms[0] == 15000 && v.series[0].v[0] == 2 && v.series[0].v[1] == 1 && v.series[0].v[2] == 0);
    p.lookback_ns = 10 * NS_S;
    CHECK_INT(traceql_lang.range(&w->env, text, &p, &v, &w->err), ST_OK);
    CHECK(v.series[0].v[0] == 3 && v.series[0].v[1] == 3 && v.series[0].v[2] == 1);
    CHECK_INT(traceql_lang.instant(&w->env, text, &p, &v, &w->err), ST_OK);
    CHECK(v.type == VALUE_VECTOR && v.series[0].n == 1 && v.series[0].t_ms[0] == 25000 && v.series[0].v[0] == 1);
    CHECK_INT(traceql_lang.instant(&w->env, SLICE("{ }"), &p, &v, &w->err), ST_INVALID);
    CHECK_INT(traceql_lang.instant(&w->env, SLICE("{ "), &p, &v, &w->err), ST_INVALID);
    world_free(w);
}

TEST(a_threshold_is_described)
{
    struct arena *a = arena_new(0);
    struct query_shape shape;
    struct err err;
    enum value_type type;
    CHECK_INT(traceql_lang.describe(a, SLICE("{ } | max_over_time(duration) by (name) > 1500ms"), 0, &shape, &err), ST_OK);
    CHECK(shape.has_threshold && shape.threshold == 1.5 && !shape.needs_no_data);
    CHECK_STR(shape.left, "{ } | max_over_time(duration) by (name)");
    CHECK_STR(slice_str(shape.op), ">");
    CHECK_INT(traceql_lang.describe(a, SLICE("{ } | rate()"), 0, &shape, &err), ST_OK);
    CHECK(!shape.has_threshold && shape.needs_no_data);
    CHECK_INT(traceql_lang.check(SLICE("{ } | rate()"), 0, &type, &err), ST_OK);
    CHECK_INT(type, VALUE_MATRIX);
    CHECK_INT(traceql_lang.check(SLICE("{ }"), 0, &type, &err), ST_OK);
    CHECK_INT(type, VALUE_NONE);
    arena_free(a);
}
