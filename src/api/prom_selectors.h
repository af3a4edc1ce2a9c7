/* SPDX-License-Identifier: Apache-2.0 */
/* The match[] selectors of a request, and the words that mean "for ever" in times. */
#ifndef STOA_API_PROM_SELECTORS_H
#define STOA_API_PROM_SELECTORS_H

#include "api/api.h"

struct prom_selectors {
    struct matcher *list[API_SELECTORS_MAX];
    size_t counts[API_SELECTORS_MAX], count;
};

/* Lives in a until prom_selectors_free, which also follows a failure. ST_INVALID: with the position; ST_LIMIT: too many. */
MUST_CHECK enum status prom_selectors_read(struct arena *a, const struct api_params *p, struct prom_selectors *out, struct err *err);
void prom_selectors_free(struct prom_selectors *s);

#endif
