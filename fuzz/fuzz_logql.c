/* SPDX-License-Identifier: Apache-2.0 */
/* Any text as a query. What parses has a canonical form, which is its own canonical form; and it runs to an answer or an
 * error over a few lines, without going past its time. */
#include "fuzz/fuzz.h"
#include "logql/logql.h"
#include "logql/script.h"

enum { RESULT_BYTES_MAX = 16 * MIB, TIME_MS_MAX = 200 };

static void check_format(struct slice text)
{
    struct buf once, twice;
    struct err err;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (logql_lang.format(text, 0, &once, &err) == ST_OK && once.len <= QUERY_TEXT_BYTES_MAX) {
        MUST(logql_lang.format(buf_as_slice(&once), 0, &twice, &err) == ST_OK);
        MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
}

static void run(struct logql_memory *m, struct slice text, const struct query_params *p, bool is_range)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct value v;
    struct err err;
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    ctx.deadline_mono_ns = clock_mono_ns(ctx.clock) + TIME_MS_MAX * NS_MS;
    struct query_env env = {logql_memory_door(m), &ctx, arena_new(RESULT_BYTES_MAX), {0}};
    buf_init(&env.infos, 0);
    memset(&v, 0, sizeof v);
    enum status st = is_range ? logql_lang.range(&env, text, p, &v, &err) : logql_lang.instant(&env, text, p, &v, &err);
    MUST(st == ST_OK || st == ST_INVALID || st == ST_UNSUPPORTED || st == ST_LIMIT || st == ST_TIMEOUT);
    buf_free(&env.infos);
    arena_free(env.result);
    engine_ctx_free(&ctx);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const char *const lines[] = {"{\"a\":{\"b\":[1,\"x\"]},\"took\":\"2s\",\"n\":5}",
                                        "a=1 b=\"x y\" took=1.5s size=2KB n=3",
                                        "GET /p 200 10.0.0.7",
                                        "\x1b[31mred\x1b[0m",
                                        "",
                                        "a="};
    struct slice text = slice_of(data, size);
    struct arena *a = arena_new(0);
    struct logql_memory *m = logql_memory_new();
    struct label labels[] = {{SLICE("a"), SLICE("b")}}, metadata[] = {{SLICE("n"), SLICE("7")}};
    struct slice stream, extra;
    MUST(labels_build(a, labels, 1, &stream, NULL) == ST_OK && labels_build(a, metadata, 1, &extra, NULL) == ST_OK);
    for (size_t i = 0; i < COUNT_OF(lines); i++)
        logql_memory_add(m, stream, (int64_t)(i + 1) * 10 * NS_S, slice_str(lines[i]), i % 2 ? extra : SLICE_EMPTY);
    check_format(text);
    struct query_params p = {.start_ns = 30 * NS_S, .end_ns = 90 * NS_S, .step_ns = 15 * NS_S, .limit = 10};
    run(m, text, &p, true);
    p.end_ns = p.start_ns;
    run(m, text, &p, false);
    logql_memory_free(m);
    arena_free(a);
    return 0;
}
