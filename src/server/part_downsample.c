/* SPDX-License-Identifier: Apache-2.0 */
/* Downsampling by a thread of its own: days that need it one after the other, then a look every few minutes. */
#include "server/state.h"

enum { LOOK_SECONDS = 300 };

struct downsampler {
    struct server *s;
    struct mutex lock;
    struct cond wake;
    struct thread *thread;
    atomic_bool is_stopping;
};

static void run_once(struct downsampler *d)
{
    struct server *s = d->s;
    bool did = true;
    while (did && !atomic_load(&d->is_stopping)) {
        struct err err;
        int64_t begin_ns = clock_mono_ns(s->clock);
        enum status st = s->engine->ops->downsample(s->engine, &d->is_stopping, &did, &err);
        if (st == ST_CANCELLED)
            return;
        if (st) {
            atomic_fetch_add(&s->api.downsample_failures, 1);
            log_line(&s->log, LOG_ERROR, "a day of samples could not be downsampled; it is tried again", "error=\"%s\"", err.text);
            return;
        }
        if (did) {
            atomic_fetch_add(&s->api.downsampled_days, 1);
            log_line(&s->log, LOG_INFO, "a day of samples is downsampled", "seconds=%.1f", (double)(clock_mono_ns(s->clock) - begin_ns) / 1e9);
        }
    }
}

static void downsample_main(void *arg)
{
    struct downsampler *d = arg;
    mutex_lock(&d->lock);
    while (!atomic_load(&d->is_stopping)) {
        mutex_unlock(&d->lock);
        run_once(d);
        mutex_lock(&d->lock);
        if (!atomic_load(&d->is_stopping))
            cond_wait_ns(&d->wake, &d->lock, LOOK_SECONDS * NS_S);
    }
    mutex_unlock(&d->lock);
}

enum status part_downsample_run(struct server *s, struct err *err)
{
    struct downsampler *d = s->downsampler = mem_new(struct downsampler);
    d->s = s;
    mutex_init(&d->lock);
    cond_init(&d->wake);
    return thread_start(&d->thread, "downsample", downsample_main, d, err);
}

void part_downsample_reload(struct server *s)
{
    mutex_lock(&s->downsampler->lock);
    cond_broadcast(&s->downsampler->wake);
    mutex_unlock(&s->downsampler->lock);
}

void part_downsample_stop(struct server *s)
{
    struct downsampler *d = s->downsampler;
    if (d == NULL)
        return;
    mutex_lock(&d->lock);
    atomic_store(&d->is_stopping, true);
    cond_broadcast(&d->wake);
    mutex_unlock(&d->lock);
    thread_join(d->thread);
    cond_destroy(&d->wake);
    mutex_destroy(&d->lock);
    mem_free(d);
    s->downsampler = NULL;
}
