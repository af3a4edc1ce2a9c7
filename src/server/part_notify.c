/* SPDX-License-Identifier: Apache-2.0 */
/* Notification: what rules and foreign servers say fires goes to people. It starts before rules do and ends after them. */
#include "alert/dispatch.h"
#include "server/state.h"

static bool has_receiver(void *arg, struct slice name)
{
    struct server *s = arg;
    return s->api.dispatch && dispatch_has_receiver(s->api.dispatch, name);
}

static void notified(void *arg, const char *integration, struct slice receiver, const struct notify_ids *ids, int64_t ns, enum status st,
                     const char *error)
{
    struct server *s = arg;
    struct self_ids span = { .parent_id = { 0 } };
    memcpy(span.trace_id, ids->trace_id, sizeof span.trace_id);
    memcpy(span.span_id, ids->span_id, sizeof span.span_id);
    (void)integration;
    (void)receiver;
    self_job_done(s->self, "notify", &span, clock_wall_ns(s->clock) - ns, ns, st, error);
}

enum status part_notify_prepare(struct server *s, struct err *err)
{
    struct dispatch_env env = {.clock = s->clock, .log = &s->log, .kv = s->kv, .client = s->client, .arg = s, .notified = notified};
    s->api.has_receiver = has_receiver;
    return dispatch_new(&s->api.dispatch, &env, s->config->notify, err);
}

enum status part_notify_run(struct server *s, struct err *err)
{
    return dispatch_start(s->api.dispatch, slice_str(s->external_url), err);
}

void part_notify_reload(struct server *s)
{
    dispatch_reload(s->api.dispatch, s->config->notify);
}

void part_notify_stop(struct server *s)
{
    dispatch_stop(s->api.dispatch);
    s->api.dispatch = NULL;
}
