/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_query.h"
#include "promql/promql.h"
#include "promql/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const series[] = {
        "x{a=\"1\",le=\"1\"} 1+1x20", "x{a=\"2\",le=\"+Inf\"} 2+2x20", "y{a=\"1\"} 5 stale 3 NaN -Inf 0x10",
        "h{a=\"1\"} {{schema:1 count:7 sum:9 z_bucket:1 z_bucket_w:0.01 buckets:[1 2] n_buckets:[3] offset:-1}}"
        "+{{schema:1 count:1 sum:2 buckets:[0 1]}}x20",
        "h{a=\"2\"} {{schema:0 count:3 sum:NaN z_bucket_w:0.4 buckets:[1 0 1]}}x5 4 stale "
        "{{schema:2 count:9 sum:-Inf buckets:[9] counter_reset_hint:gauge}}x6",
        "c{a=\"1\"} {{schema:-53 count:3 sum:5 custom_values:[1 2 4] buckets:[1 0 1 1]}}x4 "
        "{{schema:-53 count:2 sum:5 custom_values:[2 5] buckets:[2]}}x9"
    };
    struct slice text = slice_of(data, size), labels;
    struct arena *a = arena_new(0);
    struct script_engine *s = script_engine_new();
    struct script_points points;
    for (size_t i = 0; i < COUNT_OF(series); i++) {
        MUST(script_series(a, slice_str(series[i]), &labels, &points, NULL) == ST_OK);
        for (size_t k = 0; k < points.count; k++)
            points.list[k].t_ms *= 15000;
        script_engine_add(s, labels, points.list, points.count);
    }
    fuzz_format(&promql_lang, text, 0);
    fuzz_format(&promql_lang, text, UINT32_MAX);
    struct query_params p = { .start_ns = 60 * NS_S, .end_ns = 240 * NS_S, .step_ns = 30 * NS_S, .features = UINT32_MAX };
    fuzz_run(&promql_lang, script_engine_door(s), text, &p);
    p.features = 0;
    p.end_ns = p.start_ns;
    fuzz_run(&promql_lang, script_engine_door(s), text, &p);
    script_engine_free(s);
    arena_free(a);
    return 0;
}
