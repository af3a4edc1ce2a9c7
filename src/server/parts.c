/* SPDX-License-Identifier: Apache-2.0 */
/* The parts of the server, in order of their start. */
#include "api/follow.h"
#include "pipeline/pipeline.h"
#include "server/state.h"

/* ---- redaction: the profile alone follows the configuration ---- */

static void redaction_set(struct server *s)
{
    pipeline_set_redaction(s->pipeline, s->config->redaction);
}

static enum status redaction_prepare(struct server *s, struct err *err)
{
    (void)err;
    redaction_set(s);
    return ST_OK;
}

/* ---- who follows the logs: there before anything is appended; server.c ends it when the store, whose thread offers, is closed ---- */

static enum status follow_prepare(struct server *s, struct err *err)
{
    return follow_new(&s->api.follow, s->clock, err);
}

const struct server_part server_parts[] = {
    { "follow", follow_prepare, NULL, NULL, NULL },
    /* before anything reads or appends */
    { "cardinality", part_cardinality_prepare, part_cardinality_run, part_cardinality_reload, part_cardinality_stop },
    { "auth", part_auth_prepare, NULL, part_auth_reload, part_auth_stop }, /* before others, which may put what they do on record */
    { "notify", part_notify_prepare, part_notify_run, part_notify_reload, part_notify_stop },
    { "alert", part_alert_prepare, part_alert_run, part_alert_reload, part_alert_stop },
    { "retention", part_retention_prepare, NULL, part_retention_reload, NULL }, /* before anything is appended */
    { "downsample", NULL, part_downsample_run, part_downsample_reload, part_downsample_stop },
    { "query", part_query_prepare, NULL, part_query_reload, part_query_stop },
    { "intake", part_intake_prepare, NULL, part_intake_reload, part_intake_stop },
    { "redaction", redaction_prepare, NULL, redaction_set, NULL },
    { "push", part_push_prepare, part_push_run, NULL, part_push_stop },
    { "statsd", part_statsd_prepare, part_statsd_run, NULL, part_statsd_stop },
    { "syslog", NULL, part_syslog_run, NULL, part_syslog_stop },
    { "rum", part_rum_prepare, part_rum_run, part_rum_reload, part_rum_stop },
    { "correlate", part_correlate_prepare, NULL, part_correlate_reload, part_correlate_stop },
    { "probe", part_probe_prepare, part_probe_run, part_probe_reload, part_probe_stop },
};

const size_t server_part_count = COUNT_OF(server_parts);
