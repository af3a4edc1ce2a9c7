/* SPDX-License-Identifier: Apache-2.0 */
/* OTLP's translation, deltas and replicas follow the configuration; totals and elections stay over a reload. */
#include "api/intake.h"
#include "server/state.h"

enum status part_intake_prepare(struct server *s, struct err *err)
{
    (void)err;
    s->api.intake = intake_new(s->config->intake);
    return ST_OK;
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
