/* SPDX-License-Identifier: Apache-2.0 */
/* Synthetic checks: kept results are there before HTTP is served, the first run comes after it. */
#include <stdlib.h>

#include "probe/probe.h"
#include "server/state.h"

static bool on_variable(void *arg, struct slice name, struct slice *value)
{
    struct arena *a = arena_new(0);
    const char *v = getenv(arena_copy(a, name).ptr);
    arena_free(a);
    *value = slice_str(v);
    return v != NULL;
}

enum status part_probe_prepare(struct server *s, struct err *err)
{
    struct probe_env env = {
        .clock = s->clock,
        .log = &s->log,
        .client = s->client,
        .engine = s->engine,
        .kv = s->kv,
        .arg = s,
        .append = server_append,
        .variable = on_variable,
    };
    return probe_new(&s->api.probe, &env, s->config->checks, s->config->modules, err);
}

enum status part_probe_run(struct server *s, struct err *err)
{
    return probe_run(s->api.probe, err);
}

void part_probe_reload(struct server *s)
{
    struct err err;
    if (probe_reload(s->api.probe, s->config->checks, s->config->modules, &err))
        log_line(&s->log, LOG_ERROR, "checks are not reloaded", "error=\"%s\"", err.text);
}

void part_probe_stop(struct server *s)
{
    probe_stop(s->api.probe);
    s->api.probe = NULL;
}
