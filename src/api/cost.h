/* SPDX-License-Identifier: Apache-2.0 */
/* What is on disk and what the pipeline left out, as our own metrics. */
#ifndef STOA_API_COST_H
#define STOA_API_COST_H

#include "api/api.h"

void cost_metrics(struct api *api, struct buf *out);

#endif
