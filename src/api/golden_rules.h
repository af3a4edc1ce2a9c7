/* SPDX-License-Identifier: Apache-2.0 */
/* The golden signals of the services that are there now as a Prometheus rule file. */
#ifndef STOA_API_GOLDEN_RULES_H
#define STOA_API_GOLDEN_RULES_H

#include "api/api.h"

/* Of the tenant "default", appended to out as YAML. Takes seconds where there is much: not on a loop. Any thread.
 * ST_CANCELLED: cancelled became true. */
MUST_CHECK enum status golden_rules_text(struct api *api, atomic_bool *cancelled, struct buf *out, struct err *err);

#endif
