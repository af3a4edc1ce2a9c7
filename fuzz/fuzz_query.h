/* SPDX-License-Identifier: Apache-2.0 */
/* What the fuzzers of the query languages share: any text as a query. What parses has a canonical form, which is its own
 * canonical form; and it runs to an answer or an error, without going past its time. */
#ifndef STOA_FUZZ_QUERY_H
#define STOA_FUZZ_QUERY_H

#include "fuzz/fuzz.h"
#include "query/lang.h"

enum { FUZZ_RESULT_BYTES_MAX = 16 * MIB, FUZZ_TIME_MS_MAX = 200 };

static inline void fuzz_format(const struct query_lang *lang, struct slice text, uint32_t features)
{
    struct buf once, twice;
    struct err err;
    buf_init(&once, 0);
    buf_init(&twice, 0);
    if (lang->format(text, features, &once, &err) == ST_OK && once.len <= QUERY_TEXT_BYTES_MAX) {
        MUST(lang->format(buf_as_slice(&once), features, &twice, &err) == ST_OK);
        MUST(slice_eq(buf_as_slice(&once), buf_as_slice(&twice)));
    }
    buf_free(&once);
    buf_free(&twice);
}

/* At p's start, when that is its end, else over the range. */
static inline void fuzz_run(const struct query_lang *lang, struct engine *engine, struct slice text, const struct query_params *p)
{
    struct engine_ctx ctx;
    struct slice tenant = SLICE("default");
    struct value v = { 0 };
    struct err err;
    engine_ctx_init(&ctx, &tenant, 1, clock_real());
    ctx.deadline_mono_ns = clock_mono_ns(ctx.clock) + FUZZ_TIME_MS_MAX * NS_MS;
    struct query_env env = { engine, &ctx, arena_new(FUZZ_RESULT_BYTES_MAX), { 0 } };
    buf_init(&env.infos, 0);
    enum status st = p->start_ns < p->end_ns ? lang->range(&env, text, p, &v, &err) : lang->instant(&env, text, p, &v, &err);
    MUST(st == ST_OK || st == ST_INVALID || st == ST_UNSUPPORTED || st == ST_LIMIT || st == ST_TIMEOUT);
    buf_free(&env.infos);
    arena_free(env.result);
    engine_ctx_free(&ctx);
}

#endif
