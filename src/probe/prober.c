/* SPDX-License-Identifier: Apache-2.0 */
/* Each check has slots: an offset made from its name and location, plus whole multiples of its interval, on the wall clock;
 * so checks are spread evenly and keep their times over restarts. A check that never ran here starts within
 * PROBER_FIRST_SECONDS_MAX, whatever its interval.
 *
 * (1) One run of a check at a time. Slots that pass while it runs, while no worker is free for a whole interval, or while
 *     the program is not running are missed: they are counted and not made up for.
 * (2) Workers share one lock, and hold it but while they run a check. */
#include "probe/prober.h"

#include "base/hash.h"
#include "sys/thread.h"

enum { IDLE_WAIT_SECONDS = 60 };

struct entry {
    const struct check *check;
    uint64_t generation; /* of the set it belongs to */
    int64_t next_ns;     /* monotonic */
    bool running;
};

struct prober {
    struct prober_options opt;
    struct mutex lock;
    struct cond wake, settled;
    const struct check_set *set;
    uint64_t generation;
    struct entry **entries;
    size_t entry_count, entry_cap;
    size_t now_running, now_old; /* prober_run_now; of an earlier set */
    struct thread *workers[PROBER_RUNS_AT_ONCE_MAX];
    size_t worker_count;
    struct prober_stats stats;
    bool stopping;
};

static int64_t offset_of(const struct prober *p, const struct check *c)
{
    return (int64_t)(hash64(c->name, hash64(p->opt.location, 0)) % (uint64_t)c->every_ns);
}

/* The first run of a check that is new to this process, and what was missed before. */
static int64_t first_time(struct prober *p, const struct check *c)
{
    int64_t wall_ns = clock_wall_ns(p->opt.env.clock), mono_ns = clock_mono_ns(p->opt.env.clock), offset_ns = offset_of(p, c);
    int64_t last_ns = p->opt.last_start_ns ? p->opt.last_start_ns(p->opt.arg, c->name) : 0;
    if (last_ns <= 0 || last_ns > wall_ns)
        return mono_ns + offset_ns % MIN(c->every_ns, PROBER_FIRST_SECONDS_MAX * NS_S);
    int64_t slot = (wall_ns - offset_ns) / c->every_ns, last_slot = (last_ns - offset_ns) / c->every_ns;
    if (slot > last_slot)
        p->stats.missed += (uint64_t)(slot - last_slot);
    return mono_ns + (slot + 1) * c->every_ns + offset_ns - wall_ns;
}

/* ---- workers; the lock is held ---- */

static struct entry *earliest(struct prober *p)
{
    struct entry *best = NULL;
    for (size_t i = 0; i < p->entry_count; i++) {
        struct entry *e = p->entries[i];
        if (!e->running && e->generation == p->generation && (best == NULL || e->next_ns < best->next_ns))
            best = e;
    }
    return best;
}

static void remove_old(struct prober *p)
{
    size_t n = 0;
    bool old = p->now_old > 0;
    for (size_t i = 0; i < p->entry_count; i++) {
        struct entry *e = p->entries[i];
        if (e->generation != p->generation && !e->running) {
            mem_free(e);
            continue;
        }
        old = old || e->generation != p->generation;
        p->entries[n++] = e;
    }
    p->entry_count = n;
    if (!old)
        cond_broadcast(&p->settled);
}

static void count_run(struct prober *p, const struct run *r)
{
    if (r->ok)
        p->stats.ok++;
    else if (!r->is_cancelled)
        p->stats.failed++;
}

static void run_entry(struct prober *p, struct entry *e)
{
    struct run r;
    int64_t every_ns = e->check->every_ns, late = (clock_mono_ns(p->opt.env.clock) - e->next_ns) / every_ns;
    p->stats.missed += (uint64_t)MAX(late, 0);
    e->next_ns += (MAX(late, 0) + 1) * every_ns;
    if (!check_is_at(e->check, p->opt.location))
        return;
    e->running = true;
    p->stats.running++;
    mutex_unlock(&p->lock);
    struct arena *a = arena_new(0);
    run_check(&p->opt.env, e->check, p->opt.location, a, &r);
    if (!r.is_cancelled)
        p->opt.done(p->opt.arg, &r);
    mutex_lock(&p->lock);
    count_run(p, &r);
    arena_free(a);
    p->stats.running--;
    e->running = false;
    int64_t now_ns = clock_mono_ns(p->opt.env.clock);
    if (e->generation != p->generation) {
        remove_old(p);
    } else if (e->next_ns <= now_ns) {
        int64_t passed = (now_ns - e->next_ns) / every_ns + 1;
        p->stats.missed += (uint64_t)passed;
        e->next_ns += passed * every_ns;
    }
    cond_signal(&p->wake);
}

static void worker_main(void *arg)
{
    struct prober *p = arg;
    mutex_lock(&p->lock);
    while (!p->stopping) {
        struct entry *e = earliest(p);
        int64_t wait_ns = e ? e->next_ns - clock_mono_ns(p->opt.env.clock) : IDLE_WAIT_SECONDS * NS_S;
        if (wait_ns > 0)
            (void)cond_wait_ns(&p->wake, &p->lock, MIN(wait_ns, IDLE_WAIT_SECONDS * NS_S));
        else
            run_entry(p, e);
    }
    mutex_unlock(&p->lock);
}

/* ---- sets ---- */

static struct entry *entry_of(struct prober *p, struct slice name, uint64_t generation)
{
    for (size_t i = 0; i < p->entry_count; i++)
        if (p->entries[i]->generation == generation && slice_eq(p->entries[i]->check->name, name))
            return p->entries[i];
    return NULL;
}

/* A check that stays keeps its next time, unless its interval changed. The lock is held. */
static void adopt(struct prober *p, const struct check_set *set)
{
    uint64_t before = p->generation++;
    p->set = set;
    p->stats.checks = 0;
    for (size_t i = 0; i < set->count; i++) {
        const struct check *c = &set->list[i];
        if (!check_is_at(c, p->opt.location))
            continue;
        const struct entry *old = entry_of(p, c->name, before);
        struct entry *e = mem_new(struct entry);
        e->check = c;
        e->generation = p->generation;
        e->next_ns = old && old->check->every_ns == c->every_ns ? old->next_ns : first_time(p, c);
        if (p->entry_count == p->entry_cap) {
            p->entry_cap = p->entry_cap ? 2 * p->entry_cap : 16;
            p->entries = mem_realloc(p->entries, p->entry_cap * sizeof(struct entry *));
        }
        p->entries[p->entry_count++] = e;
        p->stats.checks++;
    }
    p->now_old += p->now_running;
    p->now_running = 0;
    remove_old(p);
    cond_broadcast(&p->wake);
}

static enum status add_workers(struct prober *p, struct err *err)
{
    enum status st = ST_OK;
    while (!st && p->worker_count < MIN(p->stats.checks, (uint64_t)PROBER_RUNS_AT_ONCE_MAX)) {
        st = thread_start(&p->workers[p->worker_count], "probe", worker_main, p, err);
        p->worker_count += !st;
    }
    return st;
}

enum status prober_reload(struct prober *p, const struct check_set *set, struct err *err)
{
    mutex_lock(&p->lock);
    adopt(p, set);
    enum status st = add_workers(p, err);
    mutex_unlock(&p->lock);
    return st;
}

/* The lock is held. */
static bool is_settled(const struct prober *p)
{
    bool old = p->now_old > 0;
    for (size_t i = 0; i < p->entry_count; i++)
        old = old || p->entries[i]->generation != p->generation;
    return !old;
}

bool prober_is_settled(struct prober *p)
{
    mutex_lock(&p->lock);
    bool settled = is_settled(p);
    mutex_unlock(&p->lock);
    return settled;
}

void prober_settle(struct prober *p)
{
    mutex_lock(&p->lock);
    while (!is_settled(p))
        cond_wait(&p->settled, &p->lock);
    mutex_unlock(&p->lock);
}

enum status prober_start(struct prober **out, const struct prober_options *opt, const struct check_set *set, struct err *err)
{
    struct prober *p = mem_new(struct prober);
    p->opt = *opt;
    mutex_init(&p->lock);
    cond_init(&p->wake);
    cond_init(&p->settled);
    enum status st = prober_reload(p, set, err);
    if (st) {
        prober_stop(p);
        return st;
    }
    *out = p;
    return ST_OK;
}

void prober_stop(struct prober *p)
{
    if (p == NULL)
        return;
    mutex_lock(&p->lock);
    p->stopping = true;
    cond_broadcast(&p->wake);
    mutex_unlock(&p->lock);
    for (size_t i = 0; i < p->worker_count; i++)
        thread_join(p->workers[i]);
    for (size_t i = 0; i < p->entry_count; i++)
        mem_free(p->entries[i]);
    mem_free(p->entries);
    cond_destroy(&p->wake);
    cond_destroy(&p->settled);
    mutex_destroy(&p->lock);
    mem_free(p);
}

/* ---- at once ---- */

enum status prober_run_now(struct prober *p, struct slice check, struct arena *a, struct run *out, struct err *err)
{
    mutex_lock(&p->lock);
    const struct check *c = check_find(p->set, check);
    uint64_t generation = p->generation;
    enum status st = ST_OK;
    if (c == NULL)
        st = err_set(err, ST_NOT_FOUND, "there is no check \"%.*s\"", SLICE_FMT(slice_sub(check, 0, CHECK_NAME_BYTES_MAX)));
    else if (p->now_running + p->now_old >= PROBER_RUN_NOW_MAX)
        st = err_set(err, ST_UNAVAILABLE, "%d checks run at once by request already, which is the most", PROBER_RUN_NOW_MAX);
    else
        p->now_running++;
    mutex_unlock(&p->lock);
    if (st)
        return st;
    run_check(&p->opt.env, c, p->opt.location, a, out);
    if (out->is_cancelled)
        st = err_set(err, ST_UNAVAILABLE, "the run was given up, for the server stops");
    else
        p->opt.done(p->opt.arg, out);
    mutex_lock(&p->lock);
    count_run(p, out);
    if (generation == p->generation)
        p->now_running--;
    else
        p->now_old--;
    remove_old(p);
    mutex_unlock(&p->lock);
    return st;
}

void prober_stats(struct prober *p, struct prober_stats *out)
{
    mutex_lock(&p->lock);
    *out = p->stats;
    mutex_unlock(&p->lock);
}
