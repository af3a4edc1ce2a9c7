/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic checks in the server: runs those of its own location, takes the runs of agents at others, keeps the last of each
 * (over restarts too), and tells. Any thread. */
#ifndef STOA_PROBE_PROBE_H
#define STOA_PROBE_PROBE_H

#include "probe/blackbox.h"
#include "probe/prober.h"
#include "store/engine.h"
#include "store/kv.h"

enum {
    PROBE_RESULTS_BYTES_MAX = 16 * MIB, /* of one post of an agent */
    PROBE_RUNS_LIMIT_DEFAULT = 100,
    PROBE_RUNS_LIMIT_MAX = 1000,
    PROBE_AGENTS_MAX = 1000,
    PROBE_REPEAT_SECONDS = 60, /* how often the last result of a slower check is written again */
    PROBE_UNSEEN_INTERVALS = 3 /* an agent that was not heard for so many of its intervals is unseen */
};

/* What the server gives. Keeps everything. */
struct probe_env {
    struct clock *clock;
    struct log *log;
    struct http_client *client;
    struct engine *engine;
    struct kv *kv;
    void *arg;
    enum status (*append)(void *arg, struct batch *batch, struct err *err); /* takes batch; blocks until durable */
    bool (*variable)(void *arg, struct slice name, struct slice *value);    /* of ${NAME} */
};

struct probe;
/* Copies both sets. Runs nothing yet, but shows what is kept. */
MUST_CHECK enum status probe_new(struct probe **out, const struct probe_env *env, const struct check_set *checks,
                                 const struct module_set *modules, struct err *err);
/* Starts to run the checks. */
MUST_CHECK enum status probe_run(struct probe *p, struct err *err);
MUST_CHECK enum status probe_reload(struct probe *p, const struct check_set *checks, const struct module_set *modules, struct err *err);
void probe_stop(struct probe *p); /* waits for runs under way; accepts NULL */

/* {"checks":[...],"agents":[...]} */
void probe_list(struct probe *p, struct buf *out);
/* {"runs":[...]}, newest first. location empty: all. ST_NOT_FOUND: neither such a check nor runs of it. */
MUST_CHECK enum status probe_runs(struct probe *p, struct engine_ctx *ctx, struct slice check, struct slice location, int64_t start_ns,
                                  int64_t end_ns, size_t limit, struct buf *out, struct err *err);
/* Runs a check from here, now, and appends the run. */
MUST_CHECK enum status probe_run_now(struct probe *p, struct slice check, struct buf *out, struct err *err);

/* What an agent says about itself when it asks or reports. */
struct probe_agent {
    struct slice location;
    int64_t interval_ns;
    uint64_t queued, dropped, missed;
};
/* The checks for an agent; notes that it was seen. */
MUST_CHECK enum status probe_agent_config(struct probe *p, const struct probe_agent *agent, struct buf *out, struct err *err);
/* {"location","interval_ms","queued","dropped","missed","runs":[...]} -> {"stored","known","rejected","error"}. Each run is
 * stored once, however often it is sent. An error: nothing was stored, and the agent is to try again. */
MUST_CHECK enum status probe_agent_results(struct probe *p, struct slice body, struct buf *out, struct err *err);

/* blackbox_probe by the modules as configured. */
MUST_CHECK enum status probe_blackbox(struct probe *p, struct slice module, struct slice target, int64_t timeout_ns, struct buf *page,
                                      struct err *err);
/* Our own metrics, as Prometheus's text. Appended. */
void probe_metrics_text(struct probe *p, struct buf *out);

#endif
