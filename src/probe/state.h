/* SPDX-License-Identifier: Apache-2.0 */
/* Private to probe*.c: the last run of each (check, location), and what is known of agents. Both kept in the kv. */
#ifndef STOA_PROBE_STATE_H
#define STOA_PROBE_STATE_H

#include "base/map.h"
#include "probe/probe.h"
#include "sys/snap.h"

struct last_run {
    struct arena *arena;
    struct run run;
    int64_t written_ns; /* when its samples were written last; wall */
};

struct agent_seen {
    struct arena *arena;
    struct slice location;
    int64_t seen_ns, interval_ns, kept_ns; /* kept: what the kv says */
    uint64_t queued, dropped, missed;
    bool told; /* that it is unseen */
};

/* Immutable, shared by reference. */
struct probe_config {
    struct snap snap;
    struct arena *arena;
    struct check_set *checks;
    struct module_set *modules;
};

struct probe {
    struct probe_env env;
    struct mutex lock;      /* what follows, up to the blank line */
    struct probe_config *config;
    struct probe_config **retired; /* the prober may still refer to them */
    size_t retired_count;
    const struct check_set *checks; /* of config */
    struct last_run **last;
    size_t last_count, last_cap;
    struct agent_seen **agents;
    size_t agent_count, agent_cap;
    uint64_t agent_runs, agent_known, agent_rejected, append_failures;
    bool stopping;

    struct mutex reload_lock;
    struct cond wake;
    struct mutex results_lock; /* one post of an agent at a time, so that a retry sees what the first try stored */
    struct prober *prober;
    struct thread *ticker;
};

MUST_CHECK enum status state_load(struct probe *p, struct err *err);
void state_free(struct probe *p);
/* Notes r as the last of its check and location unless a newer one is known, and keeps it. Takes the lock. */
void state_put_last(struct probe *p, const struct run *r);
/* The lock is held. NULL: none. */
struct last_run *state_last(struct probe *p, struct slice check, struct slice location);
/* Takes the lock. ST_LIMIT over PROBE_AGENTS_MAX. */
MUST_CHECK enum status state_agent_seen(struct probe *p, const struct probe_agent *agent, struct err *err);
/* The lock is held. */
bool state_is_unseen(const struct probe *p, const struct agent_seen *s);

#endif
