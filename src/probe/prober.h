/* SPDX-License-Identifier: Apache-2.0 */
/* Runs the checks of one location at their times, a few at once. */
#ifndef STOA_PROBE_PROBER_H
#define STOA_PROBE_PROBER_H

#include "probe/run.h"
#include "sys/log.h"

enum { PROBER_RUNS_AT_ONCE_MAX = 8, PROBER_RUN_NOW_MAX = 4, PROBER_FIRST_SECONDS_MAX = 10 };

struct prober;
struct prober_options {
    struct run_env env;
    struct slice location;
    void *arg;
    /* After each run, on the thread that ran it. Borrows r. */
    void (*done)(void *arg, const struct run *r);
    /* When the check's last run at this location began; 0: never. Wall clock. */
    int64_t (*last_start_ns)(void *arg, struct slice check);
};
struct prober_stats {
    uint64_t ok, failed, missed; /* missed: times that passed without a run, for what reason ever */
    uint64_t checks, running;
};

/* Keeps set until it is replaced and prober_is_settled, or until prober_stop. */
MUST_CHECK enum status prober_start(struct prober **out, const struct prober_options *opt, const struct check_set *set, struct err *err);
MUST_CHECK enum status prober_reload(struct prober *p, const struct check_set *set, struct err *err);
/* Whether nothing refers to an earlier set; and waits until it is so. */
bool prober_is_settled(struct prober *p);
void prober_settle(struct prober *p);
/* Waits for runs under way; accepts NULL. */
void prober_stop(struct prober *p);
/* Runs a check on the calling thread, at once, and hands it to done too. ST_NOT_FOUND, or ST_UNAVAILABLE when
 * PROBER_RUN_NOW_MAX are under way. */
MUST_CHECK enum status prober_run_now(struct prober *p, struct slice check, struct arena *a, struct run *out, struct err *err);
void prober_stats(struct prober *p, struct prober_stats *out);

#endif
