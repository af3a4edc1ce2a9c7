/* SPDX-License-Identifier: Apache-2.0 */
/* Real users: the configuration of the route that browsers post to, and the thread that measures. */
#include "rum/rum.h"
#include "server/state.h"

enum status part_rum_prepare(struct server *s, struct err *err)
{
    (void)err;
    s->api.rum = rum_new(s->clock);
    rum_configure(s->api.rum, s->config->rum);
    return ST_OK;
}

enum status part_rum_run(struct server *s, struct err *err)
{
    struct rum_env env = { .engine = s->engine, .log = &s->log, .arg = s, .append = server_append };
    return rum_run(s->api.rum, &env, err);
}

void part_rum_reload(struct server *s)
{
    rum_configure(s->api.rum, s->config->rum);
}

void part_rum_stop(struct server *s)
{
    rum_free(s->api.rum);
    s->api.rum = NULL;
}
