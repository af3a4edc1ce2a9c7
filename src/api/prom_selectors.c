/* SPDX-License-Identifier: Apache-2.0 */
#include "api/prom_selectors.h"

#include "promql/promql.h"

void prom_selectors_free(struct prom_selectors *s)
{
    for (size_t i = 0; i < s->count; i++)
        for (size_t k = 0; k < s->counts[i]; k++)
            matcher_destroy(&s->list[i][k]);
    s->count = 0;
}

enum status prom_selectors_read(struct arena *a, const struct api_params *p, struct prom_selectors *out, struct err *err)
{
    out->count = 0;
    for (size_t i = 0; i < p->count; i++) {
        if (!slice_eq(p->list[i].name, SLICE("match[]")))
            continue;
        if (out->count == API_SELECTORS_MAX)
            return err_set(err, ST_LIMIT, "more than %d match[] parameters", API_SELECTORS_MAX);
        enum status st = promql_parse_selector(a, p->list[i].value, &out->list[out->count], &out->counts[out->count], err);
        if (st)
            return err_prefix(err, "invalid parameter \"match[]\": ");
        out->count++;
    }
    return ST_OK;
}
