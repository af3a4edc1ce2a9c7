/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's translation, deltas and replicas follow the configuration; totals and elections stay over a reload. Over a restart totals come
 * from the store, and elections from the key "ha/TENANT/CLUSTER" of each: they are rare, and their label is in no sample. */
#include "api/intake.h"
#include "server/state.h"

#define ELECTION_PREFIX SLICE("ha/")

static void on_elected(void *arg, struct slice tenant, struct slice cluster, struct slice elected)
{
    struct server *s = arg;
    struct err err;
    struct arena *a = arena_new(0);
    struct slice key = arena_printf(a, "%.*s%.*s/%.*s", SLICE_FMT(ELECTION_PREFIX), SLICE_FMT(tenant), SLICE_FMT(cluster));
    if (elected.len ? kv_put(s->kv, key, elected, &err) : kv_delete(s->kv, key, &err))
        log_line(&s->log, LOG_WARNING, "the election of a replica is not kept over a restart", "cluster=\"%.*s\" error=\"%s\"",
                 SLICE_FMT(cluster), err.text);
    arena_free(a);
}

static enum status elections_restore(struct server *s, struct err *err)
{
    struct arena *a = arena_new(0);
    struct kv_pair *list;
    size_t n = 0;
    enum status st = kv_list(s->kv, ELECTION_PREFIX, a, &list, &n, err);
    for (size_t i = 0; !st && i < n; i++) {
        struct slice tenant, cluster, rest = slice_skip(list[i].key, ELECTION_PREFIX.len);
        if (slice_cut(rest, '/', &tenant, &cluster))
            intake_restore_election(s->api.intake, tenant, cluster, list[i].value, clock_wall_ns(s->clock));
    }
    arena_free(a);
    return st;
}

enum status part_intake_prepare(struct server *s, struct err *err)
{
    struct last_reader last = server_last_reader(s);
    struct replica_keeper keeper = { s, on_elected };
    s->api.intake = intake_new(s->config->intake, &last, &keeper);
    return elections_restore(s, err);
}

void part_intake_reload(struct server *s)
{
    intake_configure(s->api.intake, s->config->intake);
}

void part_intake_stop(struct server *s)
{
    intake_free(s->api.intake);
    s->api.intake = NULL;
}
