/* SPDX-License-Identifier: Apache-2.0 */
/* Labels that name a request: what the scraper folds by, and what it tells of it. */
#include "collect/fold.h"
#include "server/state.h"

enum status part_correlate_prepare(struct server *s, struct err *err)
{
    (void)err;
    s->api.fold = s->env.fold = fold_new();
    fold_configure(s->api.fold, s->config->fold);
    return ST_OK;
}

void part_correlate_reload(struct server *s)
{
    fold_configure(s->api.fold, s->config->fold);
}

void part_correlate_stop(struct server *s)
{
    fold_free(s->api.fold);
    s->api.fold = s->env.fold = NULL;
}
