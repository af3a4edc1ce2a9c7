/* SPDX-License-Identifier: Apache-2.0 */
/* Limits of queries and origins of pages, fixed at the start, and the query log, whose file follows the configuration. */
#include "api/query_log.h"
#include "codec/regex.h"
#include "server/local_engine.h"
#include "server/state.h"

static struct slice on_external_labels(void *arg, struct arena *a)
{
    struct server *s = arg;
    mutex_lock(&s->reload_lock);
    struct slice labels = arena_copy(a, s->config->rules->external_labels);
    mutex_unlock(&s->reload_lock);
    return labels;
}

enum status part_query_prepare(struct server *s, struct err *err)
{
    const struct config_query *c = &s->config->query;
    s->api.limits = (struct api_limits){ .samples_max = c->samples_max, .timeout_ns = c->timeout_ns, .lookback_ns = c->lookback_ns,
                                         .running_max = c->running_max };
    s->api.external_labels = on_external_labels;
    s->api.parsers = &s->config->parsers; /* of the first configuration, which stays */
    server_snapshots_sweep(s);
    s->api.snapshot = server_snapshot;
    s->api.pools = &server_pools;
    if (s->config->cors_origin.len) {
        enum status st = regex_compile(&s->api.cors, s->config->cors_origin, REGEX_ANCHORED, err);
        if (st)
            return st;
    }
    s->api.queries = query_log_new(s->clock, &s->log, s->fs);
    return query_log_file(s->api.queries, c->log_file, err);
}

void part_query_reload(struct server *s)
{
    struct err err;
    if (query_log_file(s->api.queries, s->config->query.log_file, &err))
        log_line(&s->log, LOG_ERROR, "the query log stays where it was", "error=\"%s\"", err.text);
}

void part_query_stop(struct server *s)
{
    query_log_free(s->api.queries);
    s->api.queries = NULL;
    regex_free(s->api.cors);
    s->api.cors = NULL;
}
