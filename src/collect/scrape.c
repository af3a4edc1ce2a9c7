/* SPDX-License-Identifier: Apache-2.0 */
/* The scraper: targets in a heap by when they are due; workers take the one on top, scrape it without the lock, and put it
 * back with its next time. One more thread looks for targets.
 *
 * (1) A target's times are start + n * interval, on the monotonic clock: no drift; a time that was missed is left out.
 *     The start lies at an offset into the interval that is the target's own (a hash), so targets are spread.
 * (2) A target is at one worker at most. While it is there (running), only that worker touches its memory and texts;
 *     the rest of it is under the lock.
 * (3) Who removes a target marks it; the worker that takes it next writes the stale markers and frees it.
 * (4) A configuration's jobs (struct jobs) are the current ones or earlier ones. Targets and scrapes under way that go by
 *     them are counted; only the thread that looks for targets frees earlier jobs, when nobody goes by them any more.
 * (5) A worker that takes a target and leaves no idle one behind starts another, up to WORKERS_MAX: targets that do not
 *     answer hold up nobody but themselves. */
#include <stdlib.h>

#include "base/heap.h"
#include "base/map.h"
#include "collect/discovery.h"
#include "collect/scrape_http.h"
#include "collect/scrape_round.h"
#include "collect/target.h"
#include "sys/thread.h"

enum { WORKERS_MAX = 32, BODY_BYTES_MAX = 256 * MIB, BATCH_BYTES_MAX = 1024 * MIB, ERROR_BYTES_MAX = 300, TARGETS_MAX = 200 * 1000 };
#define DISCOVERY_INTERVAL_NS (5 * NS_S)
#define IDLE_WAIT_NS          (60 * NS_S)
#define ALIGN_TOLERANCE_NS    (2 * NS_MS)

struct jobs;

/* A job with its rules and discovery. */
struct pool_of_targets {
    struct jobs *of;
    const struct scrape_job *job;
    struct relabel *relabel, *metric_relabel;
    struct discovery *discovery;
    bool over_limit, fresh; /* more targets than target_limit; not looked at yet */
    struct arena *dropped_arena; /* of the next two; NULL: nothing was dropped yet */
    struct slice *dropped;
    size_t dropped_kept;
    uint64_t dropped_count;
};

/* What one configuration says: (4). */
struct jobs {
    struct jobs *earlier;
    const struct scrape_set *set;
    uint64_t number;      /* from 1, in the order of configurations */
    size_t users, count;
    struct pool_of_targets pools[];
};

struct target {
    struct arena *arena;
    struct slice key;
    struct target_spec spec;
    struct buf discovered; /* its labels before relabelling, as last told; under the lock */
    struct pool_of_targets *pool;
    struct scrape_memory *memory;
    uint64_t memory_number; /* of the jobs whose rules the memory went by */
    int64_t next_ns; /* monotonic */
    bool running, removed, found;
    bool reported;   /* its synthetic series exist */
    int health;
    int64_t last_ns, last_duration_ns;
    char error[ERROR_BYTES_MAX + 1];
};

struct scraper {
    struct collect_env env;
    struct mutex lock;
    struct cond wake, wake_discovery;
    struct heap due;
    struct map targets; /* key -> struct target *, but removed ones */
    struct jobs *jobs;  /* the current ones, and behind them the earlier ones: (4) */
    struct thread *workers[WORKERS_MAX], *discoverer;
    size_t worker_count, idle;
    bool stopping, reloaded;
};

static bool is_earlier(const void *a, const void *b)
{
    return ((const struct target *)a)->next_ns < ((const struct target *)b)->next_ns;
}

static void target_free(struct target *t)
{
    scrape_memory_free(t->memory);
    buf_free(&t->discovered);
    arena_free(t->arena);
    mem_free(t);
}

/* ---- a scrape ---- */

struct round {
    struct target *t;
    const struct pool_of_targets *pool;
    struct target_spec spec;
    bool over_limit;
    int64_t due_ns; /* monotonic */
};

static enum status fetch(struct scraper *s, const struct round *r, struct batch *b, struct client_response *resp, struct err *err)
{
    const struct scrape_job *job = r->pool->job;
    if (r->over_limit)
        return err_set(err, ST_LIMIT, "the job has more targets than its target_limit of %llu", (unsigned long long)job->limits.targets);
    struct scrape_get get = { .url = r->spec.url, .accept = job->accept, .timeout_ns = r->spec.timeout_ns, .compression = job->compression,
                              .tell_timeout = true };
    get.bytes_max = job->limits.body_bytes ? (size_t)MIN(job->limits.body_bytes, (uint64_t)BODY_BYTES_MAX) : BODY_BYTES_MAX;
    return scrape_http_get(&s->env, &job->http, &get, b->arena, resp, err);
}

/* Wall time of the scrape: the planned one when we are within the tolerance, so that samples stand in even steps. */
static int64_t sample_time_ms(struct scraper *s, const struct round *r, int64_t begin_ns, int64_t wall_ns)
{
    int64_t late_ns = begin_ns - r->due_ns;
    if (late_ns >= 0 && late_ns <= MIN(ALIGN_TOLERANCE_NS, r->spec.interval_ns / 100))
        wall_ns -= late_ns;
    return wall_ns / NS_MS;
}

static enum status append(struct scraper *s, struct batch *b, struct err *err)
{
    b->received_ns = clock_wall_ns(s->env.clock);
    return s->env.append(s->env.arg, b, err);
}

static void scrape(struct scraper *s, const struct round *r)
{
    struct target *t = r->t;
    struct err err = { 0 }, append_err = { 0 };
    struct client_response resp = { 0 };
    struct scrape_report report = { 0 };
    struct batch *b = batch_new(BATCH_BYTES_MAX);
    int64_t begin_ns = clock_mono_ns(s->env.clock), wall_ns = clock_wall_ns(s->env.clock);
    int64_t t_ms = sample_time_ms(s, r, begin_ns, wall_ns);
    enum status st = fetch(s, r, b, &resp, &err);
    if (st == ST_CANCELLED) { /* we end, which says nothing of the target */
        buf_free(&resp.body);
        batch_drop(b);
        return;
    }
    if (!st) {
        /* The page's texts are referred to by rows, so it moves into the batch. */
        struct fold_rules *fold = s->env.fold ? fold_rules_take(s->env.fold) : NULL;
        struct scrape_page page = { r->pool->job, r->pool->metric_relabel, r->spec.labels, arena_copy(b->arena, buf_as_slice(&resp.body)),
                                    resp.content_type, t_ms, fold, s->env.fold, s->env.firewall };
        st = scrape_round(t->memory, &page, b, &report.counts, &err);
        snap_drop(fold ? &fold->snap : NULL);
    }
    if (st)
        scrape_round_failed(t->memory, t_ms, b);
    int64_t ns = clock_mono_ns(s->env.clock) - begin_ns;
    report.up = st == ST_OK;
    report.seconds = (double)ns / (double)NS_S;
    scrape_report_add(&report, r->spec.labels, t_ms, b);
    buf_free(&resp.body);
    enum status stored = append(s, b, &append_err);
    if (stored)
        log_line(s->env.log, LOG_WARNING, "a scrape was not stored", "url=\"%.*s\" error=\"%s\"", SLICE_FMT(r->spec.url), append_err.text);
    s->env.job_done(s->env.arg, "scrape", wall_ns, ns, st ? st : stored, st ? err.text : append_err.text);
    mutex_lock(&s->lock);
    t->reported = true;
    t->health = st ? 2 : 1;
    t->last_ns = wall_ns;
    t->last_duration_ns = ns;
    t->error[0] = 0;
    if (st) {
        size_t n = MIN(slice_str(err.text).len, (size_t)ERROR_BYTES_MAX);
        memcpy(t->error, err.text, n);
        t->error[n] = 0;
    }
    mutex_unlock(&s->lock);
}

/* (3) */
static void target_end(struct scraper *s, struct target *t)
{
    if (t->reported) {
        struct err err;
        struct batch *b = batch_new(BATCH_BYTES_MAX);
        int64_t t_ms = clock_wall_ms(s->env.clock);
        scrape_round_failed(t->memory, t_ms, b);
        scrape_report_add(NULL, t->spec.labels, t_ms, b);
        if (append(s, b, &err))
            log_line(s->env.log, LOG_WARNING, "the end of a target was not stored", "url=\"%.*s\" error=\"%s\"", SLICE_FMT(t->spec.url), err.text);
    }
    target_free(t);
}

/* ---- workers ---- */

static void worker_main(void *arg);

/* The lock is held. Failing to start one more is no failure: those that run go on. */
static void worker_add(struct scraper *s)
{
    struct err err;
    if (s->worker_count == WORKERS_MAX || s->stopping)
        return;
    if (thread_start(&s->workers[s->worker_count], "scrape", worker_main, s, &err) == ST_OK)
        s->worker_count++;
    else
        log_line(s->env.log, LOG_WARNING, "no further scrape worker", "error=\"%s\"", err.text);
}

/* The lock is held; it is released while the target is worked at. */
static void worker_take(struct scraper *s, struct target *t)
{
    struct round r = { t, t->pool, t->spec, t->pool->over_limit, t->next_ns };
    struct jobs *jobs = t->pool->of;
    bool removed = t->removed;
    t->running = true;
    if (t->memory_number != jobs->number)
        scrape_memory_new_rules(t->memory);
    t->memory_number = jobs->number;
    jobs->users++;
    if (s->idle == 0)
        worker_add(s);
    mutex_unlock(&s->lock);
    if (!removed)
        scrape(s, &r);
    else
        target_end(s, t);
    mutex_lock(&s->lock);
    jobs->users--;
    if (removed) {
        jobs->users--; /* the target's own */
        return;
    }
    int64_t now_ns = clock_mono_ns(s->env.clock), interval_ns = t->spec.interval_ns;
    t->running = false;
    t->next_ns += interval_ns;
    if (t->next_ns <= now_ns)
        t->next_ns += (now_ns - t->next_ns) / interval_ns * interval_ns + interval_ns;
    if (t->removed)
        t->next_ns = now_ns;
    heap_push(&s->due, t);
}

static void worker_main(void *arg)
{
    struct scraper *s = arg;
    mutex_lock(&s->lock);
    while (!s->stopping) {
        struct target *t = heap_top(&s->due);
        int64_t wait_ns = t ? t->next_ns - clock_mono_ns(s->env.clock) : IDLE_WAIT_NS;
        if (wait_ns > 0) {
            s->idle++;
            (void)cond_wait_ns(&s->wake, &s->lock, MIN(wait_ns, IDLE_WAIT_NS));
            s->idle--;
            continue;
        }
        heap_pop(&s->due);
        worker_take(s, t);
    }
    mutex_unlock(&s->lock);
}

/* ---- which targets there are ---- */

/* Time of the first scrape: (1). Wall time fixes the offset, so that it stays over restarts. */
static int64_t first_time(struct scraper *s, struct slice key, int64_t interval_ns)
{
    int64_t offset_ns = (int64_t)(hash64(key, 0) % (uint64_t)interval_ns);
    int64_t into_ns = clock_wall_ns(s->env.clock) % interval_ns;
    int64_t wait_ns = offset_ns - into_ns;
    return clock_mono_ns(s->env.clock) + (wait_ns < 0 ? wait_ns + interval_ns : wait_ns);
}

static struct slice target_key(struct arena *a, const struct scrape_job *job, const struct target_spec *spec)
{
    return arena_printf(a, "%.*s\n%.*s\n%.*s", SLICE_FMT(job->name), SLICE_FMT(spec->url), SLICE_FMT(spec->labels));
}

static struct target_spec spec_copy(struct arena *a, const struct target_spec *spec)
{
    struct target_spec copy = *spec;
    copy.labels = arena_copy(a, spec->labels);
    copy.discovered = SLICE_EMPTY; /* target.discovered */
    copy.url = arena_copy(a, spec->url);
    return copy;
}

/* The lock is held. False: there are too many already. */
static bool target_found(struct scraper *s, struct pool_of_targets *pool, const struct target_spec *spec, struct arena *a)
{
    struct slice key = target_key(a, pool->job, spec);
    uint64_t *at = map_get(&s->targets, key);
    if (at == NULL && s->targets.count >= TARGETS_MAX)
        return false;
    struct target *t = at ? (struct target *)(uintptr_t)*at : mem_new(struct target);
    if (at == NULL) {
        t->arena = arena_new(0);
        t->key = arena_copy(t->arena, key);
        t->spec = spec_copy(t->arena, spec);
        t->memory = scrape_memory_new();
        buf_init(&t->discovered, 0);
        t->next_ns = first_time(s, t->key, spec->interval_ns);
        *map_put(&s->targets, t->key, NULL) = (uint64_t)(uintptr_t)t;
        heap_push(&s->due, t);
    } else if (t->pool != pool) {
        /* The same target under a new configuration: from its next scrape on. */
        t->spec.interval_ns = spec->interval_ns;
        t->spec.timeout_ns = spec->timeout_ns;
        t->pool->of->users--;
    }
    if (t->pool != pool)
        pool->of->users++;
    /* The same target may be told in other words, of which relabelling drops those that changed. */
    if (!slice_eq(buf_as_slice(&t->discovered), spec->discovered)) {
        buf_reset(&t->discovered);
        buf_slice(&t->discovered, spec->discovered);
    }
    t->pool = pool;
    t->found = true;
    return true;
}

/* The lock is held. Order in the heap is by next_ns, so it is made anew. */
static void targets_remove_missing(struct scraper *s, const struct pool_of_targets *only)
{
    struct map_entry *e;
    struct target **gone = NULL;
    size_t count = 0, cap = 0;
    for (size_t i = 0; (e = map_each(&s->targets, &i));) {
        struct target *t = (struct target *)(uintptr_t)e->value;
        if (t->found || (only && t->pool != only))
            continue;
        if (count == cap)
            gone = mem_realloc(gone, (cap = cap ? 2 * cap : 16) * sizeof *gone);
        gone[count++] = t;
    }
    for (size_t i = 0; i < count; i++) {
        map_remove(&s->targets, gone[i]->key);
        gone[i]->removed = true;
        if (!gone[i]->running)
            gone[i]->next_ns = 0;
    }
    mem_free(gone);
    if (count == 0)
        return;
    struct heap old = s->due;
    heap_init(&s->due, is_earlier);
    for (size_t i = 0; i < old.count; i++)
        heap_push(&s->due, old.list[i]);
    heap_free(&old);
}

struct found_list {
    struct target_spec *list;
    size_t count, cap;
};

/* What relabelling drops goes to dropped, as far as it is to be kept. */
static void build_targets(struct scraper *s, struct pool_of_targets *pool, struct arena *a, struct found_list *found, struct found_list *dropped,
                          uint64_t *dropped_count)
{
    uint64_t keep = pool->job->limits.dropped ? MIN(pool->job->limits.dropped, (uint64_t)TARGETS_MAX) : (uint64_t)TARGETS_MAX;
    struct target_group *groups;
    size_t group_count, wrong = 0;
    struct err err;
    discovery_groups(pool->discovery, a, &groups, &group_count);
    for (size_t g = 0; g < group_count; g++)
        for (size_t i = 0; i < groups[g].address_count; i++) {
            struct target_spec spec;
            bool is_dropped = false;
            if (target_build(a, pool->job, pool->relabel, &groups[g], groups[g].addresses[i], &spec, &is_dropped, &err)) {
                if (wrong++ == 0)
                    log_line(s->env.log, LOG_WARNING, "a target is left out", "job=\"%.*s\" error=\"%s\"", SLICE_FMT(pool->job->name), err.text);
            } else if (!is_dropped) {
                ARENA_PUSH(a, found->list, found->count, found->cap) = spec;
            } else if ((*dropped_count)++ < keep) {
                ARENA_PUSH(a, dropped->list, dropped->count, dropped->cap) = spec;
            }
        }
}

/* The lock is held. */
static void keep_dropped(struct pool_of_targets *pool, const struct found_list *dropped, uint64_t count)
{
    arena_free(pool->dropped_arena);
    pool->dropped_arena = arena_new(0);
    pool->dropped = arena_array(pool->dropped_arena, struct slice, dropped->count + 1);
    for (size_t i = 0; i < dropped->count; i++)
        pool->dropped[i] = arena_copy(pool->dropped_arena, dropped->list[i].discovered);
    pool->dropped_kept = dropped->count;
    pool->dropped_count = count;
}

/* One pool's targets as they are now. The lock is not held. */
static void pool_sync(struct scraper *s, struct pool_of_targets *pool)
{
    struct arena *a = arena_new(0);
    struct found_list found = { 0 }, dropped = { 0 };
    struct map_entry *e;
    uint64_t dropped_count = 0;
    build_targets(s, pool, a, &found, &dropped, &dropped_count);
    mutex_lock(&s->lock);
    keep_dropped(pool, &dropped, dropped_count);
    pool->over_limit = pool->job->limits.targets && found.count > pool->job->limits.targets;
    for (size_t i = 0; (e = map_each(&s->targets, &i));)
        ((struct target *)(uintptr_t)e->value)->found = false;
    size_t left_out = 0;
    for (size_t i = 0; i < found.count; i++)
        left_out += !target_found(s, pool, &found.list[i], a);
    targets_remove_missing(s, pool);
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
    if (left_out)
        log_line(s->env.log, LOG_WARNING, "targets are left out", "job=\"%.*s\" left_out=%zu targets_max=%d", SLICE_FMT(pool->job->name), left_out,
                 TARGETS_MAX);
    arena_free(a);
}

/* Nobody else frees jobs, so they stay while they are gone through: (4). */
static void pools_sync(struct scraper *s, struct jobs *jobs, bool with_http)
{
    for (size_t i = 0; i < jobs->count; i++) {
        struct pool_of_targets *pool = &jobs->pools[i];
        mutex_lock(&s->lock);
        bool stopping = s->stopping;
        mutex_unlock(&s->lock);
        if (stopping)
            return;
        bool changed = discovery_poll(pool->discovery, with_http);
        if (changed || pool->fresh)
            pool_sync(s, pool);
        pool->fresh = false;
    }
}

/* After a reload: targets that still belong to an earlier configuration are gone. */
static void remove_of_earlier_jobs(struct scraper *s, const struct jobs *current)
{
    struct map_entry *e;
    mutex_lock(&s->lock);
    for (size_t i = 0; (e = map_each(&s->targets, &i));) {
        struct target *t = (struct target *)(uintptr_t)e->value;
        t->found = t->pool->of == current;
    }
    targets_remove_missing(s, NULL);
    cond_broadcast(&s->wake);
    mutex_unlock(&s->lock);
}

static void jobs_free(struct jobs *jobs)
{
    for (size_t i = 0; i < jobs->count; i++) {
        relabel_free(jobs->pools[i].relabel);
        relabel_free(jobs->pools[i].metric_relabel);
        discovery_free(jobs->pools[i].discovery);
        arena_free(jobs->pools[i].dropped_arena);
    }
    mem_free(jobs);
}

/* (4) */
static void free_earlier_jobs(struct scraper *s)
{
    struct jobs *unused = NULL, *next;
    mutex_lock(&s->lock);
    for (struct jobs **at = &s->jobs->earlier; *at;) {
        struct jobs *jobs = *at;
        if (jobs->users) {
            at = &jobs->earlier;
            continue;
        }
        *at = jobs->earlier;
        jobs->earlier = unused;
        unused = jobs;
    }
    mutex_unlock(&s->lock);
    for (; unused; unused = next) {
        const struct scrape_set *set = unused->set;
        next = unused->earlier;
        jobs_free(unused);
        if (s->env.set_unused)
            s->env.set_unused(s->env.arg, set);
    }
}

static void discoverer_main(void *arg)
{
    struct scraper *s = arg;
    for (;;) {
        mutex_lock(&s->lock);
        bool reloaded = s->reloaded, stopping = s->stopping;
        struct jobs *jobs = s->jobs;
        s->reloaded = false;
        mutex_unlock(&s->lock);
        if (stopping)
            return;
        pools_sync(s, jobs, true);
        if (reloaded)
            remove_of_earlier_jobs(s, jobs);
        free_earlier_jobs(s);
        mutex_lock(&s->lock);
        if (!s->stopping && !s->reloaded)
            (void)cond_wait_ns(&s->wake_discovery, &s->lock, DISCOVERY_INTERVAL_NS);
        mutex_unlock(&s->lock);
    }
}

/* ---- start, reload, stop ---- */

static enum status jobs_new(struct scraper *s, struct jobs **out, const struct scrape_set *set, struct err *err)
{
    struct jobs *jobs = mem_zalloc(sizeof *jobs + set->job_count * sizeof jobs->pools[0]);
    jobs->set = set;
    for (size_t i = 0; i < set->job_count; i++) {
        struct pool_of_targets *p = &jobs->pools[jobs->count++];
        *p = (struct pool_of_targets){ .of = jobs, .job = &set->jobs[i], .fresh = true };
        enum status st = relabel_new(&p->relabel, p->job->relabel, p->job->relabel_count, err);
        if (!st)
            st = relabel_new(&p->metric_relabel, p->job->metric_relabel, p->job->metric_relabel_count, err);
        if (st) {
            jobs_free(jobs);
            return st;
        }
        p->discovery = discovery_new(&s->env, p->job);
    }
    *out = jobs;
    return ST_OK;
}

enum status scraper_start(struct scraper **out, const struct collect_env *env, const struct scrape_set *set, struct err *err)
{
    struct scraper *s = mem_new(struct scraper);
    s->env = *env;
    mutex_init(&s->lock);
    cond_init(&s->wake);
    cond_init(&s->wake_discovery);
    heap_init(&s->due, is_earlier);
    map_init(&s->targets);
    enum status st = jobs_new(s, &s->jobs, set, err);
    if (!st) {
        s->jobs->number = 1;
        pools_sync(s, s->jobs, false);
        st = thread_start(&s->discoverer, "discovery", discoverer_main, s, err);
    }
    if (!st) {
        mutex_lock(&s->lock);
        worker_add(s);
        mutex_unlock(&s->lock);
    }
    if (st) {
        scraper_stop(s);
        return st;
    }
    *out = s;
    return ST_OK;
}

enum status scraper_reload(struct scraper *s, const struct scrape_set *set, struct err *err)
{
    struct jobs *jobs;
    enum status st = jobs_new(s, &jobs, set, err);
    if (st)
        return st;
    mutex_lock(&s->lock);
    jobs->earlier = s->jobs;
    jobs->number = s->jobs->number + 1;
    s->jobs = jobs;
    s->reloaded = true;
    cond_signal(&s->wake_discovery);
    mutex_unlock(&s->lock);
    return ST_OK;
}

void scraper_stop(struct scraper *s)
{
    if (s == NULL)
        return;
    mutex_lock(&s->lock);
    s->stopping = true;
    cond_broadcast(&s->wake);
    cond_broadcast(&s->wake_discovery);
    mutex_unlock(&s->lock);
    thread_join(s->discoverer);
    for (size_t i = 0; i < s->worker_count; i++)
        thread_join(s->workers[i]);
    for (size_t i = 0; i < s->due.count; i++)
        target_free(s->due.list[i]);
    for (struct jobs *jobs = s->jobs, *next; jobs; jobs = next) {
        next = jobs->earlier;
        jobs_free(jobs);
    }
    heap_free(&s->due);
    map_free(&s->targets);
    cond_destroy(&s->wake);
    cond_destroy(&s->wake_discovery);
    mutex_destroy(&s->lock);
    mem_free(s);
}

static int target_order(const void *a, const void *b)
{
    const struct scrape_target *x = a, *y = b;
    int order = slice_cmp(x->pool, y->pool);
    return order ? order : slice_cmp(x->url, y->url);
}

void scraper_discovery(struct scraper *s, struct arena *a, struct discovery_state **out, size_t *count)
{
    size_t cap = 0;
    *out = NULL;
    *count = 0;
    mutex_lock(&s->lock);
    for (size_t i = 0; s->jobs && i < s->jobs->count; i++)
        discovery_states(s->jobs->pools[i].discovery, a, out, count, &cap);
    for (size_t i = 0; i < *count; i++)
        (*out)[i].job = arena_copy(a, (*out)[i].job); /* a reload may free the configuration */
    mutex_unlock(&s->lock);
}

static int pool_order(const void *a, const void *b)
{
    return slice_cmp(((const struct scrape_pool *)a)->name, ((const struct scrape_pool *)b)->name);
}

void scraper_pools(struct scraper *s, struct arena *a, struct scrape_pool **out, size_t *count)
{
    *out = NULL;
    *count = 0;
    if (s == NULL)
        return;
    mutex_lock(&s->lock);
    const struct jobs *jobs = s->jobs;
    *count = jobs->count;
    *out = arena_array(a, struct scrape_pool, jobs->count + 1);
    for (size_t i = 0; i < jobs->count; i++) {
        const struct pool_of_targets *from = &jobs->pools[i];
        struct slice *dropped = arena_array(a, struct slice, from->dropped_kept + 1);
        for (size_t k = 0; k < from->dropped_kept; k++)
            dropped[k] = arena_copy(a, from->dropped[k]);
        (*out)[i] = (struct scrape_pool){ arena_copy(a, from->job->name), dropped, from->dropped_kept, from->dropped_count };
    }
    mutex_unlock(&s->lock);
    qsort(*out, *count, sizeof **out, pool_order);
}

void scraper_targets(struct scraper *s, struct arena *a, struct scrape_target **out, size_t *count)
{
    struct map_entry *e;
    size_t n = 0;
    *out = NULL;
    *count = 0;
    if (s == NULL)
        return;
    mutex_lock(&s->lock);
    struct scrape_target *list = arena_array(a, struct scrape_target, s->targets.count + 1);
    for (size_t i = 0; (e = map_each(&s->targets, &i));) {
        const struct target *t = (const struct target *)(uintptr_t)e->value;
        list[n++] = (struct scrape_target){ arena_copy(a, t->pool->job->name), arena_copy(a, t->spec.url), arena_copy(a, t->spec.labels),
                                            arena_copy(a, buf_as_slice(&t->discovered)), arena_copy(a, slice_str(t->error)), t->last_ns,
                                            t->last_duration_ns, t->spec.interval_ns, t->spec.timeout_ns, t->health };
    }
    mutex_unlock(&s->lock);
    qsort(list, n, sizeof *list, target_order);
    *out = list;
    *count = n;
}
