/* SPDX-License-Identifier: Apache-2.0 */
/* Time, as an argument. The real clock, or an imitation that a test moves. Any thread. */
#ifndef STOA_SYS_CLOCK_H
#define STOA_SYS_CLOCK_H

#include "base/base.h"

struct clock {
    const struct clock_ops *ops;
};

struct clock_ops {
    int64_t (*wall_ns)(struct clock *); /* since 1970, UTC; may jump */
    int64_t (*mono_ns)(struct clock *); /* never goes back; no meaning but differences */
};

/* The machine's. Lives for ever. */
struct clock *clock_real(void);

static inline int64_t clock_wall_ns(struct clock *c)
{
    return c->ops->wall_ns(c);
}
static inline int64_t clock_wall_ms(struct clock *c)
{
    return c->ops->wall_ns(c) / 1000000;
}
static inline int64_t clock_mono_ns(struct clock *c)
{
    return c->ops->mono_ns(c);
}

/* Imitation: stands still until moved. Both clocks move together; clock_sim_jump moves the wall alone. */
struct clock *clock_sim_new(int64_t wall_ns);
void clock_sim_free(struct clock *c);
void clock_sim_advance(struct clock *c, int64_t ns);
void clock_sim_jump(struct clock *c, int64_t ns);

/* Of the calling thread / the whole process, in nanoseconds of CPU. */
int64_t clock_thread_cpu_ns(void);
int64_t clock_process_cpu_ns(void);

#endif
