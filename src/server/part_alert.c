/* SPDX-License-Identifier: Apache-2.0 */
/* Alerting: rules are evaluated over the store, and what fires goes to notification. Rules start after notification and end
 * before it. */
#include "alert/eval.h"
#include "alert/posted.h"
#include "logql/logql.h"
#include "promql/promql.h"
#include "server/state.h"
#include "traceql/traceql.h"

static const struct query_lang *const langs[] = {&promql_lang, &logql_lang, &traceql_lang};
static const struct query_lang *const posted_langs[] = {&logql_lang, &promql_lang, &traceql_lang}; /* as Loki's ruler, which they are posted to */

static enum status on_alerts(void *arg, const struct alert_put *alerts, size_t count, struct err *err)
{
    struct server *s = arg;
    return dispatch_put(s->api.dispatch, alerts, count, err);
}

enum status part_alert_prepare(struct server *s, struct err *err)
{
    struct alert_env env = {
        .clock = s->clock,
        .log = &s->log,
        .kv = s->kv,
        .engine = s->engine,
        .langs = langs,
        .lang_count = COUNT_OF(langs),
        .features = s->api.features,
        .tenant = SLICE("default"),
        .external_url = slice_of(s->external_url, 0),
        .arg = s,
        .append = server_append,
        .alerts = on_alerts,
    };
    enum status st = posted_rules_open(&s->api.posted_rules, s->kv, &s->log, posted_langs, COUNT_OF(posted_langs), s->api.features, err);
    if (!st)
        st = alert_eval_new(&s->api.alerts, &env, golden_prepare(s), err);
    if (!st)
        posted_rules_watch(s->api.posted_rules, golden_posted, s);
    return st;
}

enum status part_alert_run(struct server *s, struct err *err)
{
    alert_eval_set_url(s->api.alerts, slice_str(s->external_url));
    enum status st = alert_eval_start(s->api.alerts, err);
    return st ? st : golden_run(s, err);
}

void part_alert_reload(struct server *s)
{
    golden_reload(s);
}

void part_alert_stop(struct server *s)
{
    golden_stop(s);
    alert_eval_stop(s->api.alerts);
    golden_free(s);
    posted_rules_close(s->api.posted_rules);
    s->api.posted_rules = NULL;
    s->api.alerts = NULL;
}
