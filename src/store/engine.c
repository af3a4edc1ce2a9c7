/* SPDX-License-Identifier: Apache-2.0 */
/* What every engine shares: the context of a query, and an append that waits. */
#include "store/engine.h"

#include <stdarg.h>
#include <stdio.h>

#include "sys/thread.h"

enum { WARNINGS_BYTES_MAX = 16 * KIB, WARNING_BYTES_MAX = ERR_TEXT_BYTES_MAX };

void engine_ctx_init(struct engine_ctx *ctx, const struct slice *tenants, size_t tenant_count, struct clock *clock)
{
    memset(ctx, 0, sizeof *ctx);
    ctx->tenants = tenants;
    ctx->tenant_count = tenant_count;
    ctx->clock = clock;
    ctx->started_mono_ns = clock ? clock_mono_ns(clock) : 0;
    buf_init(&ctx->warnings, WARNINGS_BYTES_MAX);
}

void engine_ctx_free(struct engine_ctx *ctx)
{
    buf_free(&ctx->warnings);
}

enum status engine_ctx_check(struct engine_ctx *ctx, struct err *err)
{
    if (ctx->is_cancelled && ctx->is_cancelled(ctx->cancel_arg))
        return err_set(err, ST_CANCELLED, "the query was cancelled");
    if (ctx->deadline_mono_ns && clock_mono_ns(ctx->clock) > ctx->deadline_mono_ns)
        return err_set(err, ST_TIMEOUT, "the query is over its time limit of %.3g s; ask for less at once",
                       (double)(ctx->deadline_mono_ns - ctx->started_mono_ns) / (double)NS_S);
    if (ctx->samples_max && ctx->samples_read > ctx->samples_max)
        return err_set(err, ST_LIMIT, "the query has read %llu samples, at most %llu are allowed", (unsigned long long)ctx->samples_read,
                       (unsigned long long)ctx->samples_max);
    if (ctx->bytes_max && ctx->bytes_read > ctx->bytes_max)
        return err_set(err, ST_LIMIT, "the query has read %llu bytes, at most %llu are allowed", (unsigned long long)ctx->bytes_read,
                       (unsigned long long)ctx->bytes_max);
    return ST_OK;
}

void engine_warn(struct engine_ctx *ctx, const char *fmt, ...)
{
    char text[WARNING_BYTES_MAX];
    va_list args;
    va_start(args, fmt);
    vsnprintf(text, sizeof text, fmt, args);
    va_end(args);
    struct slice line = slice_str(text);
    for (size_t i = 0; i < line.len; i++)
        if (text[i] == '\n')
            text[i] = ' ';
    if (ctx->warnings.len + line.len + 1 > WARNINGS_BYTES_MAX)
        return; /* the first ones tell enough */
    buf_slice(&ctx->warnings, line);
    buf_char(&ctx->warnings, '\n');
}

struct waiter {
    struct mutex lock;
    struct cond cond;
    bool done;
    enum status status;
    struct err err;
};

static void wake(void *arg, enum status st, const struct err *err)
{
    struct waiter *w = arg;
    mutex_lock(&w->lock);
    w->status = st;
    if (err)
        w->err = *err;
    w->done = true;
    cond_signal(&w->cond);
    mutex_unlock(&w->lock);
}

enum status engine_append_wait(struct engine *e, struct batch *batch, struct err *err)
{
    struct waiter w = { .done = false };
    mutex_init(&w.lock);
    cond_init(&w.cond);
    enum status st = e->ops->append(e, batch, (struct append_ack){ wake, &w }, err);
    if (st == ST_OK) {
        mutex_lock(&w.lock);
        while (!w.done)
            cond_wait(&w.cond, &w.lock);
        mutex_unlock(&w.lock);
        st = w.status;
        if (st && err)
            *err = w.err;
    }
    cond_destroy(&w.cond);
    mutex_destroy(&w.lock);
    return st;
}
