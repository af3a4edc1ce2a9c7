/* SPDX-License-Identifier: Apache-2.0 */
/* The agent: fetches the checks meant for its location from a server, runs them, and reports. Checks and unsent runs are kept
 * in its folder, so it goes on while the server is away, and loses nothing when it is killed itself. */
#ifndef STOA_PROBE_AGENT_H
#define STOA_PROBE_AGENT_H

#include "probe/run.h"
#include "sys/file.h"
#include "sys/log.h"

enum { AGENT_QUEUE_MAX = 10000, AGENT_POST_RUNS_MAX = 50 };

struct agent_options {
    struct run_env env;        /* kept */
    struct log *log;           /* kept */
    struct fs *fs;
    struct slice server;       /* "http://127.0.0.1:7862"; kept, as the next three */
    struct slice location, token; /* token empty: none */
    struct slice ca_file;      /* empty: the system's */
    struct slice data;         /* folder; made when absent */
    int64_t poll_ns;           /* how often the checks are fetched */
};

struct agent;
/* ST_EXISTS: another agent works in that folder. */
MUST_CHECK enum status agent_start(struct agent **out, const struct agent_options *opt, struct err *err);
/* Waits for runs under way, and tries once more to send what waits. Accepts NULL. */
void agent_stop(struct agent *a);

#endif
