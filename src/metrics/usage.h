/* SPDX-License-Identifier: Apache-2.0 */
/* How a part of samples divides by service; as in struct store_kind. */
#ifndef STOA_METRICS_USAGE_H
#define STOA_METRICS_USAGE_H

#include "store/store.h"

enum status metrics_part_usage(void *state, const struct part *p, struct usage *u, struct err *err);

#endif
