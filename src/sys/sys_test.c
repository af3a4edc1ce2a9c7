/* SPDX-License-Identifier: Apache-2.0 */
/* Clock, threads, pool, snap, budget, random bytes and log lines. Files have their own test. */
#include <stdio.h>
#include <unistd.h>

#include "base/unit.h"
#include "sys/budget.h"
#include "sys/clock.h"
#include "sys/log.h"
#include "sys/rand.h"
#include "sys/snap.h"
#include "sys/thread.h"

enum { THREADS = 4, ROUNDS = 2000 };

TEST(clock_sim_stands_still_until_moved)
{
    struct clock *c = clock_sim_new(5 * NS_S);
    int64_t mono = clock_mono_ns(c);
    CHECK_INT(clock_wall_ns(c), 5 * NS_S);
    clock_sim_advance(c, 7);
    CHECK_INT(clock_wall_ns(c), 5 * NS_S + 7);
    CHECK_INT(clock_mono_ns(c), mono + 7);
    clock_sim_free(c);
}

TEST(clock_sim_jump_moves_the_wall_alone)
{
    struct clock *c = clock_sim_new(5 * NS_S);
    int64_t mono = clock_mono_ns(c);
    clock_sim_jump(c, -2 * NS_S);
    CHECK_INT(clock_wall_ms(c), 3000);
    CHECK_INT(clock_mono_ns(c), mono);
    clock_sim_free(c);
}

TEST(clock_real_mono_never_goes_back_and_cpu_time_grows)
{
    int64_t last = clock_mono_ns(clock_real()), cpu = clock_thread_cpu_ns();
    for (int i = 0; i < 1000; i++) {
        int64_t now = clock_mono_ns(clock_real());
        CHECK(now >= last);
        last = now;
    }
    CHECK(clock_thread_cpu_ns() > cpu);
    CHECK(clock_process_cpu_ns() > 0);
    CHECK(clock_wall_ns(clock_real()) > 1700000000 * NS_S);
}

struct counter {
    struct mutex lock;
    struct cond changed;
    int n;
};

static void count_up(void *arg)
{
    struct counter *c = arg;
    for (int i = 0; i < ROUNDS; i++) {
        mutex_lock(&c->lock);
        c->n++;
        mutex_unlock(&c->lock);
    }
}

TEST(mutex_lets_one_thread_in_at_a_time)
{
    struct counter c = { .lock = MUTEX_INIT };
    struct thread *t[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(thread_start(&t[i], "a-name-that-is-much-too-long", count_up, &c, NULL) == ST_OK);
    for (int i = 0; i < THREADS; i++)
        thread_join(t[i]);
    CHECK_INT(c.n, THREADS * ROUNDS);
    thread_join(NULL);
}

static void signal_once(void *arg)
{
    struct counter *c = arg;
    mutex_lock(&c->lock);
    c->n = 1;
    cond_broadcast(&c->changed);
    mutex_unlock(&c->lock);
}

TEST(cond_wait_wakes_when_another_thread_signals_and_says_when_it_did_not)
{
    struct counter c = { .n = 0 };
    mutex_init(&c.lock);
    cond_init(&c.changed);
    mutex_lock(&c.lock);
    while (cond_wait_ns(&c.changed, &c.lock, NS_MS)) {
        /* a wake-up without reason is allowed; nobody signals, so the timeout comes */
    }
    struct thread *t;
    CHECK(thread_start(&t, "signal", signal_once, &c, NULL) == ST_OK);
    while (c.n == 0)
        cond_wait(&c.changed, &c.lock);
    mutex_unlock(&c.lock);
    thread_join(t);
    cond_destroy(&c.changed);
    mutex_destroy(&c.lock);
}

struct order {
    struct mutex lock;
    int seen[100], count;
};

struct order_job {
    struct order *order;
    int number;
};

static void note_number(void *arg)
{
    struct order_job *j = arg;
    mutex_lock(&j->order->lock);
    j->order->seen[j->order->count++] = j->number;
    mutex_unlock(&j->order->lock);
}

TEST(pool_runs_all_jobs_in_the_order_given_before_it_ends)
{
    struct pool *p;
    struct order o = { .lock = MUTEX_INIT };
    struct order_job jobs[100];
    CHECK(pool_new(&p, "one", 1, 100, NULL) == ST_OK);
    for (int i = 0; i < 100; i++) {
        jobs[i] = (struct order_job){ &o, i };
        CHECK(pool_submit(p, note_number, &jobs[i]));
    }
    pool_free(p);
    CHECK_INT(o.count, 100);
    for (int i = 0; i < 100; i++)
        CHECK_INT(o.seen[i], i);
}

static void wait_for_lock(void *arg)
{
    struct mutex *gate = arg;
    mutex_lock(gate);
    mutex_unlock(gate);
}

TEST(pool_refuses_a_job_when_the_queue_is_full)
{
    struct pool *p;
    struct mutex gate = MUTEX_INIT;
    CHECK(pool_new(&p, "full", 1, 2, NULL) == ST_OK);
    mutex_lock(&gate);
    /* Two wait, and one may run by then: how soon the worker takes the first is its own affair. */
    int taken = 0;
    while (pool_submit(p, wait_for_lock, &gate))
        taken++;
    CHECK(taken == 2 || taken == 3);
    mutex_unlock(&gate);
    pool_free(p);
}

TEST(pool_of_no_threads_is_refused_with_a_sentence)
{
    struct pool *p = NULL;
    struct err err;
    CHECK_INT(pool_new(&p, "none", 0, 2, &err), ST_INVALID);
    CHECK(slice_contains(slice_str(err.text), SLICE("none")));
    pool_free(NULL);
}

TEST(budget_refuses_what_does_not_fit_and_changes_nothing)
{
    struct budget b = { "bytes", 10, 0 };
    CHECK(budget_take(&b, 7));
    CHECK(!budget_take(&b, 4));
    CHECK(!budget_take(&b, UINT64_MAX));
    CHECK(budget_take(&b, 3));
    budget_give(&b, 10);
    CHECK(b.used == 0);
}

static void take_and_give(void *arg)
{
    struct budget *b = arg;
    for (int i = 0; i < ROUNDS; i++)
        if (budget_take(b, 3)) {
            assert(atomic_load(&b->used) <= b->max);
            budget_give(b, 3);
        }
}

TEST(budget_is_never_over_its_maximum_under_many_threads)
{
    struct budget b = { "bytes", 10, 0 };
    struct thread *t[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(thread_start(&t[i], "budget", take_and_give, &b, NULL) == ST_OK);
    for (int i = 0; i < THREADS; i++)
        thread_join(t[i]);
    CHECK(b.used == 0);
}

struct value {
    struct snap snap;
    int number;
    atomic_int *freed;
};

static void value_free(struct snap *s)
{
    struct value *v = (struct value *)s;
    atomic_fetch_add(v->freed, 1);
    mem_free(v);
}

static struct snap *value_new(int number, atomic_int *freed)
{
    struct value *v = mem_new(struct value);
    snap_init(&v->snap, value_free);
    v->number = number;
    v->freed = freed;
    return &v->snap;
}

TEST(snap_keeps_a_value_alive_until_its_last_holder_drops_it)
{
    atomic_int freed = 0;
    struct snap_cell cell = { MUTEX_INIT, NULL };
    CHECK(snap_get(&cell) == NULL);
    snap_publish(&cell, value_new(1, &freed));
    struct snap *mine = snap_get(&cell);
    snap_publish(&cell, value_new(2, &freed));
    CHECK_INT(freed, 0);
    CHECK_INT(((struct value *)mine)->number, 1);
    snap_drop(mine);
    CHECK_INT(freed, 1);
    snap_publish(&cell, NULL);
    CHECK_INT(freed, 2);
    snap_drop(NULL);
}

static void read_snaps(void *arg)
{
    struct snap_cell *cell = arg;
    int last = 0;
    for (int i = 0; i < ROUNDS; i++) {
        struct snap *s = snap_get(cell);
        assert(((struct value *)s)->number >= last);
        last = ((struct value *)s)->number;
        snap_drop(s);
    }
}

TEST(snap_readers_beside_a_publisher_see_whole_values_in_order)
{
    atomic_int freed = 0;
    struct snap_cell cell = { MUTEX_INIT, value_new(1, &freed) };
    struct thread *t[THREADS];
    for (int i = 0; i < THREADS; i++)
        CHECK(thread_start(&t[i], "reader", read_snaps, &cell, NULL) == ST_OK);
    for (int i = 2; i <= ROUNDS; i++)
        snap_publish(&cell, value_new(i, &freed));
    for (int i = 0; i < THREADS; i++)
        thread_join(t[i]);
    snap_publish(&cell, NULL);
    CHECK_INT(freed, ROUNDS);
}

TEST(sys_random_gives_other_bytes_each_time)
{
    uint8_t a[300] = { 0 }, b[300] = { 0 };
    sys_random(a, sizeof a);
    sys_random(b, sizeof b);
    CHECK(memcmp(a, b, sizeof a) != 0);
    sys_random(a, 0);
}

struct line_seen {
    char message[128], fields[128];
    enum log_level level;
    int count;
};

static void keep_line(void *arg, int64_t time_ns, enum log_level level, struct slice message, struct slice fields)
{
    struct line_seen *seen = arg;
    snprintf(seen->message, sizeof seen->message, "%.*s", SLICE_FMT(message));
    snprintf(seen->fields, sizeof seen->fields, "%.*s", SLICE_FMT(fields));
    seen->level = level;
    seen->count++;
}

TEST(log_line_is_one_line_of_logfmt)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    struct clock *c = clock_sim_new(1700000000 * NS_S + 12 * NS_MS);
    struct log log = { .clock = c, .min = LOG_INFO, .fd = ends[1] };
    log_line(&log, LOG_WARNING, "a \"b\"\nc", "part=%u text=%s", 7u, "x\ny");
    char text[512];
    ssize_t n = read(ends[0], text, sizeof text);
    CHECK(n > 0);
    CHECK_STR(slice_of(text, (size_t)n),
              "time=2023-11-14T22:13:20.012Z level=warning msg=\"a \\\"b\\\" c\" part=7 text=x y\n");
    clock_sim_free(c);
}

TEST(log_gives_lines_at_or_above_its_level_to_the_sink_too)
{
    struct line_seen seen = { .count = 0 };
    struct log log = { .clock = clock_real(), .min = LOG_INFO, .fd = -1, .sink = keep_line, .sink_arg = &seen };
    log_line(&log, LOG_DEBUG, "too low", "");
    CHECK_INT(seen.count, 0);
    log_line(&log, LOG_ERROR, "disk is slow", "ms=%d", 12);
    CHECK_INT(seen.count, 1);
    CHECK_INT(seen.level, LOG_ERROR);
    CHECK_STR(slice_str(seen.message), "disk is slow");
    CHECK_STR(slice_str(seen.fields), "ms=12");
}

TEST(log_cuts_a_line_that_is_too_long_and_still_ends_it)
{
    int ends[2];
    CHECK(pipe(ends) == 0);
    char *wide = mem_zalloc(100001);
    memset(wide, '"', 100000);
    struct log log = { .clock = clock_real(), .fd = ends[1] };
    log_line(&log, LOG_ERROR, wide, "f=%s", wide);
    char text[8192];
    ssize_t n = read(ends[0], text, sizeof text);
    CHECK(n > 1000 && n <= 4096);
    CHECK(text[n - 1] == '\n');
    mem_free(wide);
}
