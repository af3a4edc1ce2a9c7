/* SPDX-License-Identifier: Apache-2.0 */
#include "fuzz/fuzz_query.h"
#include "logql/logql.h"
#include "logql/script.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const lines[] = { "{\"a\":{\"b\":[1,\"x\"]},\"took\":\"2s\",\"n\":5}", "a=1 b=\"x y\" took=1.5s size=2KB n=3",
                                         "GET /p 200 10.0.0.7", "\x1b[31mred\x1b[0m", "", "a=" };
    struct slice text = slice_of(data, size), stream, extra;
    struct arena *a = arena_new(0);
    struct script_events *m = script_events_new();
    struct label labels[] = { { SLICE("a"), SLICE("b") } }, metadata[] = { { SLICE("n"), SLICE("7") } };
    MUST(labels_build(a, labels, 1, &stream, NULL) == ST_OK && labels_build(a, metadata, 1, &extra, NULL) == ST_OK);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        logql_memory_add(m, stream, (int64_t)(i + 1) * 10 * NS_S, slice_str(lines[i]), i % 2 ? extra : SLICE_EMPTY);
    fuzz_format(&logql_lang, text, 0);
    struct query_params p = { .start_ns = 30 * NS_S, .end_ns = 90 * NS_S, .step_ns = 15 * NS_S, .limit = 10 };
    fuzz_run(&logql_lang, script_events_door(m), text, &p);
    p.start_ns = p.end_ns;
    fuzz_run(&logql_lang, script_events_door(m), text, &p);
    script_events_free(m);
    arena_free(a);
    return 0;
}
