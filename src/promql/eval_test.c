/* SPDX-License-Identifier: Apache-2.0 */
/* What scripts cannot say: limits, cancelling, tenants, and the shape of answers. */
#include "base/unit.h"
#include "promql/promql.h"
#include "promql/script.h"

enum { SERIES = 200, POINTS = 100 };

struct world {
    struct script_engine *engine;
    struct engine_ctx ctx;
    struct query_env env;
    struct slice tenants[2];
    struct value value;
    struct err err;
};

static void world_open(struct world *w, size_t result_bytes_max)
{
    struct arena *a = arena_new(0);
    memset(w, 0, sizeof *w);
    w->tenants[0] = SLICE("default");
    w->tenants[1] = SLICE("other");
    w->engine = script_engine_new();
    for (int i = 0; i < SERIES; i++) {
        struct slice labels;
        struct script_points p;
        struct slice line = arena_printf(a, "hits_total{n=\"%d\"} 0+%dx%d", i, i, POINTS);
        CHECK_INT(script_series(a, line, &labels, &p, NULL), ST_OK);
        for (size_t k = 0; k < p.count; k++)
            p.list[k].t_ms *= 1000;
        script_engine_add(w->engine, labels, p.list, p.count);
    }
    engine_ctx_init(&w->ctx, w->tenants, 1, clock_real());
    w->env = (struct query_env){ script_engine_door(w->engine), &w->ctx, arena_new(result_bytes_max), { 0 } };
    buf_init(&w->env.infos, 0);
    arena_free(a);
}

static void world_close(struct world *w)
{
    buf_free(&w->env.infos);
    arena_free(w->env.result);
    engine_ctx_free(&w->ctx);
    script_engine_free(w->engine);
}

static enum status run_range(struct world *w, const char *text, int64_t end_s, int64_t step_ms)
{
    struct query_params p = { .end_ns = end_s * NS_S, .step_ns = step_ms * NS_MS };
    return promql_lang.range(&w->env, slice_str(text), &p, &w->value, &w->err);
}

static enum status run_instant(struct world *w, const char *text, size_t limit)
{
    struct query_params p = { .start_ns = 50 * NS_S, .end_ns = 50 * NS_S, .limit = limit };
    return promql_lang.instant(&w->env, slice_str(text), &p, &w->value, &w->err);
}

TEST(an_answer_over_its_memory_is_a_limit_and_says_so)
{
    struct world w;
    world_open(&w, 64 * KIB);
    CHECK_INT(run_range(&w, "hits_total", 100, 100), ST_LIMIT);
    CHECK(slice_starts(slice_str(w.err.text), SLICE("the query needs more than 65536 bytes of memory")));
    CHECK_INT(run_range(&w, "hits_total + hits_total", 100, 100), ST_LIMIT);
    CHECK_INT(run_range(&w, "quantile(0.5, hits_total)", 100, 10), ST_LIMIT);
    world_close(&w);
}

/* Each held vector and each row of numbers has room enough by itself. */
TEST(what_a_query_holds_at_the_same_time_counts_together)
{
    struct world w;
    world_open(&w, 8 * MIB);
    CHECK_INT(run_range(&w, "hits_total + hits_total", 100, 200), ST_OK);
    CHECK_INT(run_range(&w, "hits_total + (hits_total + (hits_total + (hits_total + (hits_total + (hits_total + (hits_total + hits_total))))))",
                        100, 200), ST_LIMIT);
    CHECK_INT(run_instant(&w, "max_over_time(vector(1 + time())[90s:1ms])", 0), ST_OK);
    CHECK_INT(run_instant(&w, "max_over_time(vector(1 + (1 + (1 + (1 + (1 + (1 + (1 + (1 + (1 + (1 + time()))))))))))[90s:1ms])", 0), ST_LIMIT);
    CHECK_INT(run_instant(&w, "max_over_time(max_over_time(max_over_time(max_over_time(vector(1)[90s:1ms])[90s:1ms])[90s:1ms])[90s:1ms])", 0),
              ST_LIMIT);
    CHECK(slice_starts(slice_str(w.err.text), SLICE("the query needs more than 8388608 bytes of memory")));
    world_close(&w);
}

TEST(points_of_a_range_query_have_a_limit)
{
    struct world w;
    world_open(&w, 0);
    CHECK_INT(run_range(&w, "1", QUERY_POINTS_PER_SERIES_MAX, 1000), ST_OK);
    CHECK_INT(w.value.series[0].n, QUERY_POINTS_PER_SERIES_MAX + 1);
    CHECK_INT(run_range(&w, "1", QUERY_POINTS_PER_SERIES_MAX + 1, 1000), ST_INVALID);
    CHECK(slice_contains(slice_str(w.err.text), SLICE("exceeded maximum resolution of 11000 points")));
    CHECK_INT(run_range(&w, "1", 10, 0), ST_INVALID);
    CHECK_INT(run_range(&w, "1", -10, 1000), ST_INVALID);
    world_close(&w);
}

static bool always(void *arg)
{
    return true;
}

TEST(a_query_stops_when_cancelled_too_late_or_over_its_samples)
{
    struct world w;
    world_open(&w, 0);
    w.ctx.is_cancelled = always;
    CHECK_INT(run_instant(&w, "sum(hits_total)", 0), ST_CANCELLED);
    w.ctx.is_cancelled = NULL;
    w.ctx.deadline_mono_ns = 1;
    CHECK_INT(run_instant(&w, "sum(hits_total)", 0), ST_TIMEOUT);
    w.ctx.deadline_mono_ns = 0;
    w.ctx.samples_max = 1000;
    CHECK_INT(run_instant(&w, "sum(rate(hits_total[50s]))", 0), ST_LIMIT);
    w.ctx.samples_read = 0;
    CHECK_INT(run_instant(&w, "sum(hits_total)", 0), ST_OK);
    world_close(&w);
}

TEST(several_tenants_are_told_apart_by_a_label)
{
    struct world w;
    world_open(&w, 0);
    w.ctx.tenant_count = 2;
    CHECK_INT(run_instant(&w, "sum by (__tenant_id__) (hits_total)", 0), ST_OK);
    CHECK_INT(w.value.series_count, 1);
    CHECK_STR(labels_get(w.value.series[0].labels, SLICE("__tenant_id__")), "default");
    world_close(&w);
}

TEST(answers_are_in_label_order_and_cut_with_a_warning)
{
    struct world w;
    world_open(&w, 0);
    CHECK_INT(run_instant(&w, "hits_total", 3), ST_OK);
    CHECK_INT(w.value.type, VALUE_VECTOR);
    CHECK_INT(w.value.series_count, 3);
    CHECK(labels_cmp(w.value.series[0].labels, w.value.series[1].labels) < 0);
    CHECK_STR(buf_as_slice(&w.ctx.warnings), "results truncated due to limit\n");
    CHECK_INT(run_instant(&w, "sort_desc(hits_total)", 0), ST_OK);
    CHECK_STR(labels_get(w.value.series[0].labels, SLICE("n")), "199");
    world_close(&w);
}

TEST(each_kind_of_expression_gives_its_kind_of_value)
{
    struct world w;
    world_open(&w, 0);
    CHECK_INT(run_instant(&w, "1 + 1", 0), ST_OK);
    CHECK(w.value.type == VALUE_SCALAR && w.value.scalar.v == 2 && w.value.scalar.t_ms == 50000);
    CHECK_INT(run_instant(&w, "'text'", 0), ST_OK);
    CHECK(w.value.type == VALUE_STRING && slice_eq(w.value.text, SLICE("text")));
    CHECK_INT(run_instant(&w, "hits_total{n='1'}[3s]", 0), ST_OK);
    CHECK(w.value.type == VALUE_MATRIX && w.value.series_count == 1 && w.value.series[0].n == 3);
    CHECK_INT(run_range(&w, "time()", 10, 5000), ST_OK);
    CHECK(w.value.type == VALUE_MATRIX && w.value.series[0].n == 3 && w.value.series[0].v[2] == 10);
    CHECK_INT(run_range(&w, "hits_total[5m]", 10, 5000), ST_INVALID);
    CHECK_STR(slice_str(w.err.text), "invalid expression type \"range vector\" for range query, must be Scalar or instant Vector");
    world_close(&w);
}
