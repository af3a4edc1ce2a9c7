/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query. What parses has a canonical form, which is its own canonical form; and it runs to an answer or an
 * error over a few series, without going past its time. */
#include "fuzz/fuzz.h"
#include "promql/promql.h"
#include "promql/script.h"

enum { RESULT_BYTES_MAX = 16 * MIB, TIME_MS_MAX = 200 };

static void check_format(struct slice text, uint32_t features)
{
    struct buf once, twice;
    struct err err;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (promql_lang.format(text, features, &once, &err) == ST_OK && once.len <= QUERY_TEXT_BYTES_MAX) {
        MUST(promql_lang.format(buf_as_slice(&once), features, &twice, &err) == ST_OK);
        MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
}

static void run(struct script_engine *s, struct slice text, const struct query_params *p, bool is_range)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct value v;
    struct err err;
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    ctx.deadline_mono_ns = clock_mono_ns(ctx.clock) + TIME_MS_MAX * NS_MS;
    struct query_env env = { script_engine_door(s), &ctx, arena_new(RESULT_BYTES_MAX), { 0 } };
    buf_init(&env.infos, 0);
    enum status st = is_range ? promql_lang.range(&env, text, p, &v, &err) : promql_lang.instant(&env, text, p, &v, &err);
    MUST(st == ST_OK || st == ST_INVALID || st == ST_LIMIT || st == ST_TIMEOUT);
    buf_free(&env.infos);
    arena_free(env.result);
    engine_ctx_free(&ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    struct slice text = slice_of(data, size), labels;
    struct arena *a = arena_new(0);
    struct script_engine *s = script_engine_new();
    struct script_points points;
    static const char *const series[] = { "x{a=\"1\",le=\"1\"} 1+1x20", "x{a=\"2\",le=\"+Inf\"} 2+2x20", "y{a=\"1\"} 5 stale 3 NaN -Inf 0x10" };
    for (size_t i = 0; i < COUNT_OF(series); i++) {
        MUST(script_series(a, slice_str(series[i]), &labels, &points, NULL) == ST_OK);
        for (size_t k = 0; k < points.count; k++)
            points.list[k].t_ms *= 15000;
        script_engine_add(s, labels, points.list, points.count);
    }
    check_format(text, 0);
    check_format(text, UINT32_MAX);
    struct query_params p = { .start_ns = 60 * NS_S, .end_ns = 240 * NS_S, .step_ns = 30 * NS_S, .features = UINT32_MAX };
    run(s, text, &p, true);
    p.features = 0;
    p.end_ns = p.start_ns;
    run(s, text, &p, false);
    script_engine_free(s);
    arena_free(a);
    return 0;
}
