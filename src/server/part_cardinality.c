/* SPDX-License-Identifier: Apache-2.0 */
/* The firewall's limits and what it must know at the start, which is the series of its last two windows; and the table of what was
 * read, which goes to the small state every few minutes and at the end. A kill forgets the reads of those minutes. */
#include "pipeline/pipeline.h"
#include "server/local_engine.h"
#include "server/state.h"

enum { LEARN_SECONDS_MAX = 10, LEARN_CHECK_SERIES = 4096, READS_SAVE_SECONDS = 300 };
#define READS_KEY SLICE("reads")

/* ---- series that were there before ---- */

struct learn {
    struct server *s;
    int64_t now_ns, until_ns;
    uint64_t count;
    bool is_late;
};

static bool learn_one(void *arg, struct slice tenant, struct slice labels)
{
    struct learn *l = arg;
    firewall_learn(pipeline_firewall(l->s->pipeline), tenant, labels, l->now_ns);
    l->is_late = ++l->count % LEARN_CHECK_SERIES == 0 && clock_mono_ns(l->s->clock) > l->until_ns;
    return !l->is_late;
}

static void learn_all(struct server *s)
{
    struct err err;
    int64_t begin_ns = clock_mono_ns(s->clock), now_ns = clock_wall_ns(s->clock);
    struct learn l = { .s = s, .now_ns = now_ns, .until_ns = begin_ns + LEARN_SECONDS_MAX * NS_S };
    if (!s->config->firewall->on || s->engine->ops->each_series == NULL)
        return;
    enum status st = s->engine->ops->each_series(s->engine, (now_ns - 2 * s->config->firewall->window_ns) / NS_MS, learn_one, &l, &err);
    if (st)
        log_line(&s->log, LOG_WARNING, "cardinality: not all series of before are known; they count as new", "error=\"%s\"", err.text);
    else if (l.is_late)
        log_line(&s->log, LOG_WARNING, "cardinality: not all series of before are known; they count as new", "known=%llu seconds=%d",
                 (unsigned long long)l.count, LEARN_SECONDS_MAX);
}

/* ---- what is read ---- */

struct reads_keeper {
    struct server *s;
    struct reads *reads;
    struct mutex lock;
    struct cond wake;
    struct thread *thread;
    bool is_stopping;
};

static void reads_put(struct reads_keeper *k)
{
    struct buf text;
    struct err err;
    buf_init(&text, 0);
    reads_save(k->reads, &text);
    if (kv_put(k->s->kv, READS_KEY, buf_as_slice(&text), &err))
        log_line(&k->s->log, LOG_WARNING, "which metrics are read was not saved", "error=\"%s\"", err.text);
    buf_free(&text);
}

static void keep_main(void *arg)
{
    struct reads_keeper *k = arg;
    mutex_lock(&k->lock);
    while (!k->is_stopping) {
        if (cond_wait_ns(&k->wake, &k->lock, READS_SAVE_SECONDS * NS_S))
            continue;
        mutex_unlock(&k->lock);
        reads_put(k);
        mutex_lock(&k->lock);
    }
    mutex_unlock(&k->lock);
}

static void reads_start(struct server *s)
{
    struct reads_keeper *k = s->reads_keeper = mem_new(struct reads_keeper);
    struct buf text;
    struct err err;
    *k = (struct reads_keeper){ .s = s, .reads = reads_new(clock_wall_ms(s->clock)) };
    mutex_init(&k->lock);
    cond_init(&k->wake);
    buf_init(&text, 0);
    if (kv_get(s->kv, READS_KEY, &text, &err) == ST_OK && !reads_load(k->reads, buf_as_slice(&text)))
        log_line(&s->log, LOG_WARNING, "which metrics were read does not check and is remembered from now on", "%s", "");
    buf_free(&text);
    local_engine_track(s->engine, k->reads, s->clock);
    s->api.reads = k->reads;
}

/* ---- the part ---- */

enum status part_cardinality_prepare(struct server *s, struct err *err)
{
    (void)err;
    firewall_configure(pipeline_firewall(s->pipeline), s->config->firewall);
    s->env.firewall = pipeline_firewall(s->pipeline);
    learn_all(s);
    reads_start(s);
    return ST_OK;
}

enum status part_cardinality_run(struct server *s, struct err *err)
{
    return thread_start(&s->reads_keeper->thread, "reads", keep_main, s->reads_keeper, err);
}

void part_cardinality_reload(struct server *s)
{
    firewall_configure(pipeline_firewall(s->pipeline), s->config->firewall);
}

void part_cardinality_stop(struct server *s)
{
    struct reads_keeper *k = s->reads_keeper;
    if (k == NULL)
        return;
    mutex_lock(&k->lock);
    k->is_stopping = true;
    cond_broadcast(&k->wake);
    mutex_unlock(&k->lock);
    thread_join(k->thread);
    reads_put(k);
    local_engine_track(s->engine, NULL, s->clock);
    s->api.reads = NULL;
    reads_free(k->reads);
    cond_destroy(&k->wake);
    mutex_destroy(&k->lock);
    mem_free(k);
    s->reads_keeper = NULL;
}
