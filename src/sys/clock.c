/* SPDX-License-Identifier: Apache-2.0 */
/* The machine's clock, and one that a test moves by hand. The imitation keeps its two times in atomics, so that a test may
 * move it while other threads read it. */
#include "sys/clock.h"

#include <stdatomic.h>
#include <time.h>

struct sim_clock {
    struct clock clock; /* first: a struct clock * is cast back */
    _Atomic int64_t wall_ns;
    _Atomic int64_t mono_ns;
};

static int64_t read_ns(clockid_t which)
{
    struct timespec t;
    int failed = clock_gettime(which, &t);
    assert(!failed); /* every kernel we run on has these clocks */
    return (int64_t)t.tv_sec * NS_S + t.tv_nsec;
}

static int64_t real_wall_ns(struct clock *c)
{
    return read_ns(CLOCK_REALTIME);
}

static int64_t real_mono_ns(struct clock *c)
{
    return read_ns(CLOCK_MONOTONIC);
}

static const struct clock_ops real_ops = { real_wall_ns, real_mono_ns };

struct clock *clock_real(void)
{
    static struct clock real = { &real_ops };
    return &real;
}

static int64_t sim_wall_ns(struct clock *c)
{
    return atomic_load(&((struct sim_clock *)c)->wall_ns);
}

static int64_t sim_mono_ns(struct clock *c)
{
    return atomic_load(&((struct sim_clock *)c)->mono_ns);
}

static const struct clock_ops sim_ops = { sim_wall_ns, sim_mono_ns };

struct clock *clock_sim_new(int64_t wall_ns)
{
    struct sim_clock *s = mem_new(struct sim_clock);
    s->clock.ops = &sim_ops;
    atomic_store(&s->wall_ns, wall_ns);
    /* Not 0, so that code which takes 0 for "never" meets the imitation as it meets the machine. */
    atomic_store(&s->mono_ns, NS_S);
    return &s->clock;
}

void clock_sim_free(struct clock *c)
{
    mem_free(c);
}

void clock_sim_advance(struct clock *c, int64_t ns)
{
    assert(c->ops == &sim_ops && ns >= 0);
    struct sim_clock *s = (struct sim_clock *)c;
    atomic_fetch_add(&s->mono_ns, ns);
    atomic_fetch_add(&s->wall_ns, ns);
}

void clock_sim_jump(struct clock *c, int64_t ns)
{
    assert(c->ops == &sim_ops);
    atomic_fetch_add(&((struct sim_clock *)c)->wall_ns, ns);
}

int64_t clock_thread_cpu_ns(void)
{
    return read_ns(CLOCK_THREAD_CPUTIME_ID);
}

int64_t clock_process_cpu_ns(void)
{
    return read_ns(CLOCK_PROCESS_CPUTIME_ID);
}
