/* SPDX-License-Identifier: Apache-2.0 */
/* What limits on new series did, as our own metrics. */
#ifndef STOA_API_CARDINALITY_H
#define STOA_API_CARDINALITY_H

#include "api/api.h"

void cardinality_metrics(struct api *api, struct buf *out);

#endif
